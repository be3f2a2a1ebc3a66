"""One tool, the same work three times: straight at a server, through the guard with every class allowed, and so again with columns
masked. What the tool prints, and the database it leaves behind, must be the same; nothing may be refused and nothing `unparsed`.

The three servers are copies of one, and each is asked the same things in the same order, so that even the object numbers agree."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'support'))
from dbguard_test import Postgres, plain_environment  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROLE = '''
  tester:
    for: local
    databases: %s
    login: postgres
    rules:
      - allow: [read, write, ddl, bulk, dcl, call, session, tx, lock, notify, maintenance, server]
      - allow: server   # pg_dump -j: its connections see one snapshot
        of: pg_catalog.pg_export_snapshot
'''
MASKED = '''    masks: pii
masks:
  pii:
    columns:
      - { column: "*.*.email", with: email }
      - { column: "*.*.phone", with: last(4) }
    derived: deny
    filter: equality
'''
RECORD = 'record: { sql: full }\n'


class Servers:
    """Three servers that are alike: `direct`, `allowed`, `masked`."""
    names = ('direct', 'allowed', 'masked')

    def __init__(self, **settings):
        self.settings = settings

    def __enter__(self):
        first = Postgres(**self.settings)
        first.__enter__()
        self.of = {'direct': first}
        first.stop()
        for name in self.names[1:]:
            copy = Postgres(**self.settings)
            copy.folder, copy.superuser, copy.password = tempfile.mkdtemp(prefix='dbguard-pg-'), first.superuser, first.password
            copy.port = _free_port()
            subprocess.run(['cp', '-a', first.folder + '/.', copy.folder], check=True)
            self.of[name] = copy
        for server in self.of.values():
            server.start()
        self.bin = first.bin
        return self

    def __exit__(self, *_):
        for server in self.of.values():
            server.__exit__()

    def sql(self, text, database='postgres'):
        return [server.sql(text, database) for server in self.of.values()]


def _free_port():
    from dbguard_test import free_port
    return free_port()


class Outcome:
    def __init__(self, name, code, out, dump):
        self.name, self.code, self.out, self.dump = name, code, out, dump
        self.statements = self.denied = self.unparsed = 0
        self.refusals, self.stderr, self.texts = [], '', []


def environment(url, temp, **more):
    """What a tool finds: DATABASE_URL, the libpq variables, a home of its own."""
    parts = urlsplit(url)
    env = plain_environment(LC_ALL='C.UTF-8', HOME=temp, DATABASE_URL=url.split('?')[0], PGHOST=parts.hostname, PGPORT=parts.port, PGUSER=unquote(parts.username),
                            PGPASSWORD=unquote(parts.password), PGDATABASE=parts.path[1:], PGSSLMODE='disable', PYTHONDONTWRITEBYTECODE='1',
                            PYTHONHASHSEED='0', TZ='UTC', NODE_NO_WARNINGS='1', ORM=str(HERE), TEMP_DIR=temp)
    env.update({k: str(v) for k, v in more.items() if v is not None})
    return env


def schema_dump(server, database, *flags):
    done = subprocess.run([server.bin + '/pg_dump', *flags, server.url(database)], capture_output=True, env=plain_environment(LC_ALL='C.UTF-8'))
    return re.sub(r'(?m)^\\(?:un)?restrict .*\n', '', done.stdout.decode(errors='replace') + done.stderr.decode(errors='replace'))


def run_tool(servers, which, database, command, prepare='', env=None, timeout=300, dump=('-s',), normal=None, stdin=None):
    """-> Outcome of `command` (a list, or a function of the environment that makes one) in a database made new by `prepare`."""
    server = servers.of[which]
    server.sql('create database %s' % database)
    if prepare:
        done = subprocess.run([server.bin + '/psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', server.url(database)], input=prepare.encode(), capture_output=True, env=plain_environment())
        assert done.returncode == 0, done.stderr.decode()
    temp = tempfile.mkdtemp(prefix='dbguard-tool-')
    proxy = None
    try:
        url = server.url(database)
        if which != 'direct':
            proxy = Proxy(server, ROLE % database + (MASKED if which == 'masked' else '') + RECORD, database=database)
            url = proxy.url
        surroundings = environment(url, temp, **(env or {}))
        words = command(surroundings) if callable(command) else command
        done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL if stdin is None else None, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              cwd=temp, env=surroundings, timeout=timeout)
        text = done.stdout.decode(errors='replace')
        for secret, word in ((surroundings['PGPASSWORD'], '<password>'), (surroundings['PGPASSWORD'].replace(' ', '%20'), '<password>'), (temp, '<temp>'),
                             (surroundings['PGUSER'], '<user>'), (server.superuser, '<user>'), (':' + surroundings['PGPORT'], ':<port>'),
                             ('port ' + surroundings['PGPORT'], 'port <port>'), ('port "%s"' % surroundings['PGPORT'], 'port "<port>"'), (os.path.basename(temp), '<temp>')):
            text = text.replace(secret, word)
        for pattern, word in normal or ():
            text = re.sub(pattern, word, text)
        outcome = Outcome(which, done.returncode, text, schema_dump(server, database, *dump))
        if proxy:
            code = proxy.stop()
            outcome.stderr = proxy.stderr()
            if code != 0:
                raise AssertionError('the proxy ended with %s: %s' % (code, outcome.stderr[-3000:]))
            last = {}
            for event in proxy.record():
                if event['t'] == 'stmt':
                    outcome.statements += 1
                    outcome.texts.append(event.get('sql', ''))
                    last[event['n']] = event
                elif event['t'] == 'err' and event.get('text', '').startswith('dbguard:') and event.get('for') in last:
                    # A mistake that the server itself refused has the server's own error, and is none of these.
                    refused = last[event['for']]
                    outcome.denied += 1
                    outcome.unparsed += 'unparsed' in refused
                    outcome.refusals.append((refused.get('d', {}).get('why') or event['text'], refused.get('unparsed', ''), refused.get('sql', '')))
        return outcome
    finally:
        if proxy:
            proxy.close()
        shutil.rmtree(temp, ignore_errors=True)


def compare(direct, guarded, hidden=()):
    """-> what differs, as a text of lines; empty: nothing. `hidden`: patterns of what masks keep from the client on purpose."""
    import difflib

    def shown(text):
        for pattern, word in hidden if guarded.name == 'masked' else ():
            text = re.sub(pattern, word, text)
        return text
    found = []
    if direct.code != guarded.code:
        found.append('exit code %s became %s' % (direct.code, guarded.code))
    for what, a, b in (('output', shown(direct.out), shown(guarded.out)), ('schema', direct.dump, guarded.dump)):
        if a != b:
            found.append(what + ':')
            found += list(difflib.unified_diff(a.splitlines(), b.splitlines(), 'direct', guarded.name, lineterm='', n=1))[:60]
    return '\n'.join(found)
