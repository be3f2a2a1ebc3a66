#!/usr/bin/python3
"""Floods: of connections, of garbage, of failed logins, of requests; at a listener and at the service. Whoever comes afterwards is
served, and the process's descriptors, threads and memory are again what they were."""
import os
import pathlib
import resource
import socket
import ssl
import struct
import sys
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main, wait_for  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from dbguard_service import Issuer, Service, prepare_database  # noqa: E402
from postgres_wire import Refused, Wire, msg, query, types  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, tx, session, call]
'''
# What the sanitizer keeps of freed memory would look like a leak.
LEAN = {'ASAN_OPTIONS': 'quarantine_size_mb=1:thread_local_quarantine_size_kb=64:malloc_context_size=2'}
ROUNDS = 3


def setUpModule():
    global postgres
    postgres = Postgres(max_connections=100).__enter__()
    unittest.addModuleCleanup(postgres.__exit__)


class Process:
    def __init__(self, pid):
        self.pid = pid

    def descriptors(self):
        return len(os.listdir('/proc/%d/fd' % self.pid))

    def status(self, name):
        for line in pathlib.Path('/proc/%d/status' % self.pid).read_text().splitlines():
            if line.startswith(name + ':'):
                return int(line.split()[1])

    def cpu(self):
        return sum(map(int, pathlib.Path('/proc/%d/stat' % self.pid).read_text().rsplit(')', 1)[1].split()[11:13])) / os.sysconf('SC_CLK_TCK')


class Base(unittest.TestCase):
    def settles(self, process, flood, serves, slack=0, grows_kib=8 * 1024):
        """Floods it several times; everything must come back to what it was, and somebody is served each time. Memory is compared
        with what the first flood left: buffers and caches have grown to their size then."""
        serves()
        descriptors, threads, resident = process.descriptors(), process.status('Threads'), []
        for _ in range(ROUNDS):
            flood()
            serves()
            wait_for(lambda: process.descriptors() <= descriptors + slack, 20, 'the end of its connections, from %d to %d' % (process.descriptors(), descriptors))
            wait_for(lambda: process.status('Threads') <= threads + slack, 20, 'the end of its threads')
            resident.append(process.status('VmRSS'))
        self.assertLess(resident[-1] - resident[0], grows_kib, 'it grows: %s KiB' % resident)
        # And it rests.
        before = process.cpu()
        time.sleep(0.5)
        self.assertLess(process.cpu() - before, 0.25)


class Listener(Base):
    def setUp(self):
        self.proxy = Proxy(postgres, ROLES, env=LEAN)
        self.addCleanup(self.proxy.close)
        self.address = ('127.0.0.1', self.proxy.ready['port'])

    def serves(self):
        wire = Wire(self.proxy.url)
        self.assertEqual(types(wire.query('select 1')), 'TDCZ')
        wire.close()

    def flood(self, count, work, at_once=25):
        """`work()` so many times, in threads."""
        left = list(range(count))

        def some():
            while True:
                try:
                    left.pop()
                except IndexError:
                    return
                try:
                    work()
                except (OSError, EOFError, Refused):
                    pass
        threads = [threading.Thread(target=some) for _ in range(at_once)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def check(self, flood, **kw):
        self.settles(Process(self.proxy.process.pid), flood, self.serves, **kw)

    def test_connections_that_say_nothing(self):
        def flood():
            sockets = [socket.create_connection(self.address) for _ in range(300)]
            for s in sockets:
                s.close()
        self.check(flood)

    def test_more_connections_than_are_served(self):
        # As many as it has descriptors for: two each, and 64 of its own.
        self.proxy = Proxy(postgres, ROLES, env=LEAN, before=('prlimit', '--nofile=1064'))
        self.addCleanup(self.proxy.close)
        self.address = ('127.0.0.1', self.proxy.ready['port'])

        def flood():
            sockets = [socket.create_connection(self.address) for _ in range(700)]
            for s in sockets[-5:]:
                s.settimeout(10)
                self.assertIn(b'53300', s.recv(1000))
            for s in sockets:
                s.close()
            time.sleep(0.3)
        self.check(flood)

    def test_garbage(self):
        pieces = [os.urandom(2000), b'\0' * 1000, b'GET / HTTP/1.1\r\n\r\n', b'\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03' + bytes(500), struct.pack('!I', 0x7fffffff), struct.pack('!II', 8, 80877103) * 50,
                  struct.pack('!II', 16, 80877102) + os.urandom(8), struct.pack('!II', 9, 196608) + b'\0', struct.pack('!II', 100, 196608) + b'user\0x\0', b'\0\0\0\x08']
        turn = [0]

        def one():
            turn[0] += 1
            with socket.create_connection(self.address, timeout=10) as s:
                s.sendall(pieces[turn[0] % len(pieces)])
                s.shutdown(socket.SHUT_WR)
                while s.recv(1000):
                    pass
        self.check(lambda: self.flood(300, one))

    def test_failed_logins(self):
        def one():
            wire = Wire(self.proxy.url, login=False)
            wire.startup({})
            try:
                wire.login('wrong')
            finally:
                wire.close()
        began = time.monotonic()
        self.check(lambda: self.flood(150, one, at_once=50))
        self.assertGreater(time.monotonic() - began, ROUNDS * 3 * 0.5)  # each of fifty guessers waits half a second a guess

    def test_logins_that_stop_in_the_middle(self):
        def one():
            wire = Wire(self.proxy.url, login=False)
            wire.startup({})
            wire.get()
            wire.send(msg('p', b'SCRAM-SHA-256\0\0\0\1\0' + b'n,,n=,r='))
            wire.close()
        self.check(lambda: self.flood(300, one))

    def test_sessions_that_leave_in_the_middle(self):
        def one():
            wire = Wire(self.proxy.url)
            wire.send(query("select repeat('x', 10000), generate_series(1, 1000)"))
            wire.get()
            wire.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            wire.close()
        self.check(lambda: self.flood(80, one, at_once=20))
        wait_for(lambda: postgres.sql("select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()") == '0', what='the end at the server')

    def test_with_few_descriptors(self):
        """Where there are none left it waits, without spinning, and goes on afterwards."""
        process = Process(self.proxy.process.pid)
        self.serves()
        had = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.descriptors() + 20, had[1]))

        def flood():
            sockets = [socket.create_connection(self.address) for _ in range(100)]
            time.sleep(0.2)
            before = process.cpu()
            time.sleep(0.5)
            self.assertLess(process.cpu() - before, 0.25)
            for s in sockets:
                s.close()
            wait_for(self.is_served, 20, 'a login')
        self.check(flood)

    def is_served(self):
        try:
            self.serves()
            return True
        except (Refused, OSError, EOFError):
            return False


class TheService(Base):
    @classmethod
    def setUpClass(cls):
        prepare_database(postgres)
        cls.issuer = Issuer().__enter__()
        cls.addClassCleanup(cls.issuer.__exit__)
        before = os.environ.get('ASAN_OPTIONS')
        os.environ.update(LEAN)
        cls.service = Service(postgres, cls.issuer).__enter__()
        cls.addClassCleanup(cls.service.__exit__)
        os.environ.pop('ASAN_OPTIONS')
        if before is not None:
            os.environ['ASAN_OPTIONS'] = before
        cls.address = ('127.0.0.1', urllib.parse.urlsplit(cls.service.url).port)
        cls.context = ssl.create_default_context(cafile=cls.service.ca)

    def serves(self):
        grant = self.service.open()
        self.assertEqual(self.service.on(grant, 'end', '{"reason":"client"}', **{'Content-Type': 'application/json'})[0] // 100, 2)

    def check(self, flood):
        # Its threads come and go, and the sanitizer keeps some memory for each; an optimised build grows by 0.1 MiB a round.
        self.settles(Process(self.service.process.pid), flood, self.serves, slack=2, grows_kib=128 * 1024)

    def test_connections_without_tls(self):
        def flood():
            sockets = []
            for i in range(200):
                s = socket.create_connection(self.address)
                if i % 2:
                    s.sendall(os.urandom(300))
                sockets.append(s)
            for s in sockets:
                s.close()
        self.check(flood)

    def test_requests_that_are_none(self):
        def one(data):
            with socket.create_connection(self.address, timeout=20) as plain:
                with self.context.wrap_socket(plain, server_hostname='127.0.0.1') as s:
                    s.sendall(data)
                    s.settimeout(1)
                    try:
                        s.recv(1000)
                    except (OSError, TimeoutError):
                        pass

        def flood():
            for i in range(40):
                one([b'\0' * 1000, b'POST /v1/token HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n', b'GET ' + b'/' * 20000, b'POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'][i % 4])
        self.check(flood)

    def test_tokens_that_are_none(self):
        def flood():
            for i in range(60):
                status, _, body = self.service.exchange(['x', 'a.b.c', 'e30.e30.', 'x' * 20000][i % 4])
                self.assertIn(status, (400, 413, 429), body)
        self.check(flood)

    def test_sessions_without_end(self):
        """Opened and left by one job: no more than max_open, and all of them are swept."""
        def flood():
            opened = []
            for _ in range(8):
                status, _, body = self.service.exchange(self.issuer.mint())
                opened.append(status)
            self.assertEqual(opened.count(200), 5)
            wait_for(lambda: not self.service.roles_in_server(), 30, 'the sweep')
        flood()
        self.serves()


if __name__ == '__main__':
    main()
