#!/usr/bin/python3
"""PostgreSQL's own regression suite, statement by statement: what dbguard calls `read` is tried in a READ ONLY transaction of the server's,
where the server refuses every write; and what the server accepts is counted that dbguard did not understand. By hand:

    regress_classes.py SUITE [SCRIPT...]      SUITE: src/test/regress of PostgreSQL 15's source; DBGUARD: the executable

Between psql and dbguard stands this script. It sends each statement first inside of BEGIN READ ONLY … ROLLBACK (in a transaction: a read-only
savepoint), then as it is. dbguard's role allows what is `read` or `tx` and warns of everything else, so the notices tell the class; what was
not understood is read from the recording.
"""
import collections
import json
import os
import pathlib
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import PROGRAM, Postgres, plain_environment  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, fields, msg, query  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: regression
    login: postgres
    rules:
      - allow: [read, tx]
      - { warn: [write, ddl, bulk, dcl, call, session, lock, notify, maintenance, server], why: not a read }
      - { warn: unparsed, why: not understood }
      - { deny: read, of: "no.such_table" }
'''
REGRESS = '/usr/lib/postgresql/15/lib/pgxs/src/test/regress/pg_regress'
# They end the transaction they are tried in, or are not undone with it; EXECUTE was judged when it was prepared.
UNTRIED = re.compile(r'\s*(begin|start|commit|end|rollback|abort|savepoint|release|prepare|execute|deallocate|discard|set|reset|load|\\)', re.I)
ADVANCES_SEQUENCE = ('nextval()',)

counts = collections.Counter()
findings = []
lock = threading.Lock()


class Connection(threading.Thread):
    def __init__(self, client, address):
        super().__init__(daemon=True)
        self.client, self.server = client, socket.create_connection(address)
        for s in (self.client, self.server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.from_server = b''
        self.status = b'I'

    def run(self):
        try:
            self.login()
            self.relay()
        except (EOFError, OSError):
            pass
        self.client.close()
        self.server.close()

    def login(self):
        """Bytes go through until the server is ready."""
        while True:
            ready, _, _ = select.select([self.client, self.server], [], [])
            for s in ready:
                data = s.recv(65536)
                if not data:
                    raise EOFError
                if s is self.client:
                    self.server.sendall(data)
                else:
                    self.client.sendall(data)
                    if data[-6:-1] == b'Z\0\0\0\5':
                        return

    def exactly(self, s, count):
        data = b''
        while len(data) < count:
            more = s.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def frame(self, s):
        head = self.exactly(s, 5)
        return head[:1], head + self.exactly(s, struct.unpack('!I', head[1:])[0] - 4)

    def own(self, text):
        """A statement of this script's: -> its SQLSTATE and message, dbguard's warning of it"""
        self.server.sendall(query(text))
        return self.answer(lambda frame: None, own=True)

    def answer(self, to_client, own=False):
        failed, warning = None, None
        while True:
            if not own:
                ready, _, _ = select.select([self.client, self.server], [], [])
                if self.client in ready:
                    self.server.sendall(self.frame(self.client)[1])   # COPY data
                    if self.server not in ready:
                        continue
            kind, frame = self.frame(self.server)
            if kind == b'N' and b'\0Mdbguard:' in frame:
                warning = fields(frame[5:])['M']
                continue
            if kind == b'E':
                failed = fields(frame[5:])
            if kind == b'G' and own:
                self.server.sendall(msg('f', b'not now\0'))
            to_client(frame)
            if kind == b'Z':
                self.status = frame[5:]
                return failed, warning

    def tried(self, text):
        """The statement in a read-only transaction. -> as own()"""
        if self.status == b'I':
            self.own('begin read only')
            result = self.own(text)
            self.own('rollback')
        else:
            self.own('savepoint dbguard_try')
            self.own('set transaction_read_only = on')
            result = self.own(text)
            self.own('rollback to dbguard_try')
            self.own('release dbguard_try')
        return result

    def relay(self):
        while True:
            kind, frame = self.frame(self.client)
            if kind == b'X':
                raise EOFError
            if kind in b'dcf':
                self.server.sendall(frame)   # of a COPY that has failed meanwhile: no answer comes
                continue
            if kind != b'Q':
                # The extended protocol, up to ReadyForQuery; psql removes large objects by function call messages.
                self.server.sendall(frame)
                while kind not in b'SF':   # a function call message has its own ReadyForQuery
                    kind, frame = self.frame(self.client)
                    self.server.sendall(frame)
                self.answer(self.client.sendall)
                continue
            text = frame[5:-1].decode(errors='replace')
            written = None
            if self.status != b'E' and not UNTRIED.match(text) and not re.search(r'\b(commit|rollback|abort)\b', text, re.I):
                counts['tried'] += 1
                tried, _ = self.tried(text)
                if tried is not None and tried['C'] == '25006':
                    written = tried['M']
                    counts['a write to the server'] += 1
            self.server.sendall(frame)
            # The warning comes with the success.
            failed, warning = self.answer(self.client.sendall)
            counts['statements'] += 1
            if failed is None and warning is None:
                counts['called read, or a transaction command'] += 1
                if written is not None and not any(name in written for name in ADVANCES_SEQUENCE):
                    with lock:
                        findings.append((written, text))
            counts['a write to the server and accepted'] += failed is None and written is not None
            counts['accepted'] += failed is None


def not_understood(proxy):
    """What the server did although dbguard did not understand it, but for what this script sent: (why, text)"""
    own = {'begin read only', 'rollback', 'savepoint dbguard_try', 'set transaction_read_only = on', 'rollback to dbguard_try', 'release dbguard_try'}
    failed, found, before = set(), [], {}
    for recording in pathlib.Path(proxy.records).glob('*.dbgl'):
        replay = subprocess.Popen([PROGRAM, 'replay', '--json', recording], stdout=subprocess.PIPE, text=True, env=plain_environment())
        for line in map(json.loads, replay.stdout):
            if line['t'] == 'err':
                failed.add(line.get('for'))
            if line['t'] != 'stmt':
                continue
            tried = before.get(line['c']) in ('begin read only', 'set transaction_read_only = on')
            before[line['c']] = line['sql']
            if 'unparsed' in line and not tried and line['sql'] not in own:
                found.append((line['n'], line['unparsed'], line['sql']))
        replay.wait()
    return [(why, text) for number, why, text in found if number not in failed]


def main():
    suite = pathlib.Path(sys.argv[1]).resolve()
    scripts = sys.argv[2:]
    work = pathlib.Path(tempfile.mkdtemp(prefix='dbguard-classes-'))
    work.chmod(0o755)
    with Postgres(max_connections='60') as postgres:
        admin = Wire(postgres.url())
        for statement in ("create database regression template template0 locale 'C'", "alter database regression set lc_messages = 'C'",
                          "alter database regression set timezone_abbreviations = 'Default'"):
            admin.query(statement)
        with Proxy(postgres, ROLES, database='regression') as proxy:
            url = urllib.parse.urlsplit(proxy.url)
            listener = socket.create_server(('127.0.0.1', 0))

            def accept():
                while True:
                    Connection(listener.accept()[0], (url.hostname, url.port)).start()
            threading.Thread(target=accept, daemon=True).start()
            include = subprocess.run(['pg_config', '--includedir-server'], capture_output=True, text=True, check=True).stdout.strip()
            subprocess.run(['gcc', '-O1', '-shared', '-fPIC', '-I' + include, '-o', work / 'regress.so', suite / 'regress.c'], check=True)
            schedule = suite / 'parallel_schedule'
            if scripts:
                schedule = work / 'schedule'
                schedule.write_text('\n'.join('test: ' + name for name in ['test_setup', *scripts]) + '\n')
            if postgres.user:
                os.chown(work, postgres.user.pw_uid, postgres.user.pw_gid)
            subprocess.run([REGRESS, '--use-existing', '--host=127.0.0.1', '--port=%d' % listener.getsockname()[1], '--user=' + urllib.parse.unquote(url.username), '--dbname=regression',
                            '--inputdir=%s' % suite, '--outputdir=%s' % work, '--dlpath=%s' % work, '--bindir=' + postgres.bin, '--schedule=%s' % schedule, '--max-connections=4'],
                           stdout=subprocess.DEVNULL, cwd='/', env=dict(os.environ, PGPASSWORD=urllib.parse.unquote(url.password)), **postgres._as())
            assert proxy.process.poll() is None, proxy.stderr()[-2000:]
            unparsed = not_understood(proxy)
    shutil.rmtree(work, ignore_errors=True)
    for name, count in sorted(counts.items()):
        print('%8d  %s' % (count, name))
    print('%8d  not understood though accepted: %.3f %%' % (len(unparsed), 100 * len(unparsed) / max(1, counts['accepted'])))
    for why, number in collections.Counter(re.sub(r'"[^"]*"', '"…"', w) for w, _ in unparsed).most_common(20):
        print('          %6d  %s' % (number, why))
    if os.environ.get('SHOW'):
        for why, text in unparsed:
            print('--', why, '\n', text[:500])
    print('%8d  called read, and a write to the server' % len(findings))
    for why, text in findings[:20]:
        print('--', why, '\n', text[:500])
    sys.exit(1 if findings or len(unparsed) * 1000 > counts['accepted'] else 0)


if __name__ == '__main__':
    main()
