#!/usr/bin/python3
"""Servers that refuse, talk nonsense, die in the middle or come back: the client gets a clear error, what ran is on record, other
sessions go on, and nothing stays behind in dbguard."""
import os
import pathlib
import signal
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, Standalone, main, wait_for  # noqa: E402
from dbguard_proxy import Proxy, psql  # noqa: E402
from fake_postgres import READY, FakePostgres, answer, columns, data_row  # noqa: E402
from postgres_wire import Refused, Wire, error, msg, query, types, z  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: app
    rules:
      - allow: [read, write, tx, session, call, server]
'''


def descriptors(pid):
    return len(os.listdir('/proc/%d/fd' % pid))


class Nonsense(unittest.TestCase):
    """A server that is none."""

    def proxy(self, script):
        server = FakePostgres(script)
        server.__enter__()
        self.addCleanup(server.__exit__)
        proxy = Proxy(None, ROLES, url=server.url())
        self.addCleanup(proxy.close)
        self.before = descriptors(proxy.process.pid)
        return proxy

    def returns(self, proxy):
        wait_for(lambda: descriptors(proxy.process.pid) <= self.before, what='the end of all connections, from %d to %d' % (descriptors(proxy.process.pid), self.before))

    def test_during_the_login(self):
        def flood(peer):
            peer.startup()
            peer.send(msg('R', struct.pack('!I', 0)))
            while True:
                peer.send(msg('N', b'SNOTICE\0C00000\0M' + b'x' * 60000 + b'\0\0') * 10)
        scripts = {
            'closes at once': lambda peer: None,
            'closes after the startup packet': lambda peer: peer.startup(),
            'resets': lambda peer: (peer.startup(), peer.reset()),
            'an HTTP server': lambda peer: peer.send(b'HTTP/1.1 400 Bad Request\r\n\r\n'),
            'zeros': lambda peer: peer.send(bytes(4096)),
            'an oversize length': lambda peer: (peer.startup(), peer.send(b'R\x7f\xff\xff\xff' + bytes(100_000))),
            'a negative length': lambda peer: (peer.startup(), peer.send(b'R\xff\xff\xff\xf0')),
            'half a message': lambda peer: (peer.startup(), peer.send(b'R\0\0\0\x08\0\0')),
            'an unknown way to log in': lambda peer: (peer.startup(), peer.send(msg('R', struct.pack('!I', 99))), peer.get()),
            'rows instead': lambda peer: (peer.startup(), peer.send(data_row(b'x') + READY), peer.get()),
            'ready before anything': lambda peer: (peer.startup(), peer.send(READY), peer.get()),
            'notices without end': flood,
        }
        current = []
        proxy = self.proxy(lambda peer: current[0](peer))
        for name, script in scripts.items():
            with self.subTest(name):
                current[:] = [script]
                began = time.monotonic()
                with self.assertRaises(Refused) as caught:
                    Wire(proxy.url)
                fields = caught.exception.args[0]
                self.assertEqual(fields['S'], 'FATAL')
                self.assertIn(fields['C'], ('08006', '08004'))
                self.assertTrue(fields['M'].startswith('dbguard: '), fields)
                self.assertLess(time.monotonic() - began, 15)
        current[:] = [lambda peer: (peer.startup(), peer.send(msg('E', z('SFATAL') + z('C53300') + z('Msorry, too many clients already') + b'\0')))]
        with self.assertRaises(Refused) as caught:
            Wire(proxy.url)
        self.assertEqual(caught.exception.args[0]['C'], '53300')
        self.assertIn('too many clients', caught.exception.args[0]['M'])
        current[:] = [lambda peer: (peer.login(), peer.query(), peer.send(answer(b'fine')), peer.get())]
        wire = Wire(proxy.url)
        self.assertEqual(wire.rows('select 1'), [['fine']])
        wire.close()
        self.returns(proxy)

    def test_in_the_middle_of_an_answer(self):
        head = columns('v')
        scripts = {
            'an unknown type': head + msg('y', b'abc'),
            'a message of clients': head + msg('Q', b'select 1\0'),
            'a negative length': head + b'D\xff\xff\xff\xff',
            'a length of nothing': head + b'D\0\0\0\0',
            'an oversize length': head + b'C\x7f\xff\xff\xff',
            'a row without columns before it': data_row(b'x'),
            'a COPY that nobody asked for': head + msg('H', b'\0\0\0') + msg('d', b'x'),
            'an answer to a Bind that never was': msg('2'),
            'a question for the password': msg('R', struct.pack('!I', 3)),
            'garbage': os.urandom(20_000),
        }
        for name, data in {'ends after a row': head + data_row(b'x'), 'ends inside of a row': head + data_row(b'x' * 50_000)[:-1], 'ends inside of a header': head + b'D\0',
                           'ends without a word': b''}.items():
            scripts[name] = data
        current = []

        def serve(peer):
            peer.login()
            peer.query()
            peer.send(current[0])
            if current[1] == 'reset':
                peer.reset()
            elif current[1] == 'stay':
                peer.s.settimeout(20)
                peer.get()
        proxy = self.proxy(serve)
        for name, data in scripts.items():
            for end in (['close', 'reset'] if 'ends' in name else ['stay']):
                with self.subTest(name + ', ' + end):
                    current[:] = [data, end]
                    wire = Wire(proxy.url)
                    wire.send(query('select v from t'))
                    got = wire.at_end()
                    wire.close()
                    if name == 'ends inside of a row':
                        self.assertEqual(types(got), 'T')  # the row is half through: nothing can follow it but the end
                        continue
                    self.assertIsNotNone(error(got), got)
                    self.assertEqual(error(got)['S'], 'FATAL')
                    self.assertIn(error(got)['C'], ('08006', '08P01'))
                    self.assertNotIn('Z', types(got))
        self.returns(proxy)
        # The record has each statement, which nobody knows to have ended, and the end of each connection.
        self.assertEqual(proxy.stop(), 0)
        kinds = [line['t'] for line in proxy.record()]
        self.assertEqual((kinds.count('stmt'), kinds.count('done'), kinds[-1]), (len(scripts) + 4, 0, 'end'))

    def test_answers_that_nobody_asked_for(self):
        for name, data in {'a second end': READY, 'a result': answer(b'x'), 'a goodbye': msg('E', z('SFATAL') + z('C57P01') + z('Mterminating') + b'\0')}.items():
            with self.subTest(name):
                def serve(peer):
                    peer.login()
                    peer.query()
                    peer.send(answer(b'1') + data)
                    if name == 'a goodbye':
                        return
                    peer.get()
                proxy = self.proxy(serve)
                wire = Wire(proxy.url)
                wire.query('select 1')
                got = wire.at_end()
                self.assertEqual((types(got), error(got)['S'], error(got)['C']), ('E', 'FATAL', '57P01' if name == 'a goodbye' else '08P01'))
                wire.close()
                self.returns(proxy)

    def test_one_byte_at_a_time(self):
        def serve(peer):
            peer.login()
            peer.query()
            for byte in answer(b'slow but sure'):
                peer.send(bytes([byte]))
                time.sleep(0.001)
            peer.get()
        wire = Wire(self.proxy(serve).url)
        self.assertEqual(wire.rows('select 1'), [['slow but sure']])
        wire.close()

    def test_a_server_that_half_closes(self):
        def serve(peer):
            peer.login()
            peer.query()
            peer.send(answer(b'last'))
            peer.s.shutdown(1)
            while peer.s.recv(1000):
                pass
        proxy = self.proxy(serve)
        wire = Wire(proxy.url)
        self.assertEqual(wire.rows('select 1'), [['last']])
        self.assertEqual(error(wire.at_end())['C'], '08006')
        wire.close()
        self.returns(proxy)

    def test_a_server_that_does_not_read(self):
        hold = threading.Event()

        def serve(peer):
            peer.login()
            hold.wait(30)
        proxy = self.proxy(serve)
        wire = Wire(proxy.url)
        peak = proxy.peak_kib()
        wire.s.settimeout(1)
        sent = 0
        text = query('select ' + 'x' * 500_000)
        with self.assertRaises(TimeoutError):
            while sent < 200 * len(text):
                wire.send(text)
                sent += len(text)
        self.assertLess(sent, 60_000_000)  # the client is held, and dbguard does not collect what it sends
        self.assertLess(proxy.peak_kib() - peak, 150_000)
        wire.close()
        hold.set()
        self.returns(proxy)

    def test_a_client_that_does_not_read(self):
        piece = data_row(b'x' * 8000) * 100

        def serve(peer):
            peer.login()
            peer.query()
            peer.send(columns('v'))
            peer.s.settimeout(3)
            for _ in range(300):
                peer.send(piece)
        proxy = self.proxy(serve)
        wire = Wire(proxy.url)
        peak = proxy.peak_kib()
        wire.send(query('select v from t'))
        time.sleep(1.5)
        self.assertLess(proxy.peak_kib() - peak, 60_000)  # of 240 MB
        wire.close()
        self.returns(proxy)

    def test_silence_is_waited_for_and_can_be_left(self):
        cancelled = []

        def serve(peer):
            body = peer.startup()
            if len(body) == 12:  # a cancel request
                cancelled.append(body)
                return
            peer.buf = struct.pack('!I', len(body) + 4) + body
            peer.login()
            while True:
                peer.query()
        proxy = self.proxy(serve)
        wire = Wire(proxy.url)
        wire.send(query('select 1'))
        wire.close()
        self.returns(proxy)
        wire = Wire(proxy.url)
        wire.send(query('select 1'))
        self.assertEqual(proxy.stop(), 0)
        self.assertEqual(error(wire.at_end())['C'], '57P01')


class Dying(unittest.TestCase):
    """A real server."""

    def setUp(self):
        self.postgres = Postgres()
        self.postgres.__enter__()
        self.addCleanup(self.postgres.__exit__)

    def test_it_dies_in_the_middle_of_a_result_and_comes_back(self):
        for how, codes in ((signal.SIGQUIT, ('57P02', '57P01', '08006')), (signal.SIGINT, ('57P01',)), (signal.SIGKILL, ('57P02', '08006'))):
            with self.subTest(how.name), Proxy(self.postgres, ROLES.replace('login: app', 'login: postgres')) as proxy:
                before = descriptors(proxy.process.pid)
                idle, busy = Wire(proxy.url), Wire(proxy.url)
                busy.send(query("select repeat('x', 1000), generate_series(1, 100000000)"))
                self.assertEqual([busy.get()[0] for _ in range(2)], ['T', 'D'])
                # The client reads on: it must learn of the end however much of the result is on its way.
                got = []
                reader = threading.Thread(target=lambda: got.extend(m for m in busy.at_end() if m[0] != 'D'))
                reader.start()
                self.postgres.stop(how)
                reader.join(30)
                self.assertFalse(reader.is_alive())
                if error(got):
                    self.assertIn(error(got)['C'], codes)
                else:
                    self.assertNotEqual(busy.buf, b'')  # it ended inside of a row, and nothing could follow
                self.assertNotIn('C', types(got))
                self.assertNotIn('Z', types(got))
                self.assertIn(error(idle.at_end())['C'], (*codes, '57P01'))
                code, _, err = psql(self.postgres, proxy.url, 'select 1')
                self.assertEqual(code, 2, err)
                self.assertIn('dbguard: the database server', err)
                if how == signal.SIGKILL:  # its children notice; until then the folder is locked
                    wait_for(lambda: subprocess.run(['pgrep', '-f', self.postgres.folder], capture_output=True).returncode != 0, 20, 'the end of the server')
                    pidfile = pathlib.Path(self.postgres.folder) / 'data/postmaster.pid'
                    pidfile.unlink(missing_ok=True)
                self.postgres.start()
                self.assertEqual(psql(self.postgres, proxy.url, 'select 1')[0], 0)
                idle.close(), busy.close()
                wait_for(lambda: descriptors(proxy.process.pid) <= before, what='the end of all connections')
                self.assertEqual(proxy.stop(), 0)
                lines = proxy.record()
                begun = {line['n'] for line in lines if line['t'] == 'stmt' and 'repeat' in line['sql']}
                self.assertEqual(len(begun), 1)
                self.assertFalse([line for line in lines if line['t'] == 'done' and line['for'] in begun])
                self.assertEqual(lines[-1]['t'], 'end')

    def test_a_run_whose_server_dies_ends_with_the_commands_own_code(self):
        guard = Standalone(self.postgres)
        self.addCleanup(guard.close)
        p = guard.popen(['psql', '-Xqc', 'select 1', '-c', 'select pg_sleep(30)'])
        wait_for(lambda: self.postgres.sql("select count(*) from pg_stat_activity where query like '%pg_sleep(30)%' and pid <> pg_backend_pid()") == '1', what='the statement')
        self.postgres.stop(signal.SIGQUIT)
        out, err = p.communicate(timeout=30)
        self.assertEqual(p.returncode, 2, err)
        self.assertIn(b'connection', err)
        p = guard.run(['psql', '-Xqc', 'select 1'])
        self.assertEqual(p.returncode, 2, p.stderr)
        self.assertIn(b'cannot be reached', p.stderr)

    def test_a_server_that_is_full_says_so_in_its_own_words(self):
        self.postgres.stop()
        self.postgres.settings['max_connections'] = '8'
        self.postgres.start()
        with Proxy(self.postgres, ROLES) as proxy:
            wires, refused = [], None
            while refused is None and len(wires) < 20:
                try:
                    wires.append(Wire(proxy.url))
                except Refused as e:
                    refused = e.args[0]
            self.assertEqual(refused['C'], '53300')
            self.assertIn('dbguard: the database server refused the login', refused['M'])
            self.assertEqual(types(wires[0].query('select 1')), 'TDCZ')
            wires.pop().close()
            wait_for(lambda: psql(self.postgres, proxy.url, 'select 1')[0] == 0, what='a login when there is room')
            for wire in wires:
                wire.close()


if __name__ == '__main__':
    main()
