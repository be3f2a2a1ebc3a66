#!/usr/bin/env python3
"""Policy services that are not what they should be, and disks that are full: what run_service_test.py leaves. `dbguard run` ends with
125 before anything ran, with 123 afterwards, and never hangs; the service refuses what it cannot write down and lives on."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from dbguard_service import AUDIENCE, Issuer, Service, prepare_database  # noqa: E402
from dbguard_test import PROGRAM, Postgres, Standalone, dbguard, main, plain_environment, wait_for  # noqa: E402
from postgres_wire import Wire, fields, query  # noqa: E402


def setUpModule():
    global postgres, issuer, temp
    postgres = Postgres().__enter__()
    unittest.addModuleCleanup(postgres.__exit__)
    issuer = Issuer().__enter__()
    unittest.addModuleCleanup(issuer.__exit__)
    temp = tempfile.mkdtemp()
    unittest.addModuleCleanup(shutil.rmtree, temp)
    prepare_database(postgres)


def run_args(url, ca, *flags):
    return [PROGRAM, 'run', '--db', 'shop', '--server', url, '--server-ca', ca, '--audience', AUDIENCE, '--role', 'tester', *flags, '--']


def environment():
    return plain_environment(RUNNER_TEMP=temp, **issuer.github_environment())


def can_mount():
    return os.getuid() == 0 and subprocess.run(['unshare', '-m', 'true'], capture_output=True).returncode == 0


class Impostor:
    """A listener that says what it likes, by TLS or not; gone with the block."""

    def __init__(self, answer, tls=True, subject='DNS:localhost', expired=False):
        self.answer, self.tls, self.requests = answer, tls, 0
        self.pem = os.path.join(tempfile.mkdtemp(dir=temp), 'pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=x',
                        '-addext', 'subjectAltName=' + subject, '-keyout', self.pem + '.key', '-out', self.pem], check=True, capture_output=True)
        if expired:
            ca = os.path.join(os.path.dirname(self.pem), 'ca')
            os.mkdir(ca)
            with open(ca + '/index', 'w'), open(ca + '/conf', 'w') as conf:
                conf.write('[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' % (ca, ca))
            subprocess.run(['openssl', 'ca', '-config', ca + '/conf', '-batch', '-ss_cert', self.pem, '-selfsign', '-keyfile', self.pem + '.key', '-cert', self.pem,
                            '-startdate', '20200101000000Z', '-enddate', '20200201000000Z', '-notext', '-out', self.pem + '.old'], check=True, capture_output=True)
            os.replace(self.pem + '.old', self.pem)

    def __enter__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.url = 'https://localhost:%d' % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def accept(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem, self.pem + '.key')
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s, context), daemon=True).start()

    def serve(self, s, context):
        try:
            s.settimeout(30)
            if self.tls:
                s = context.wrap_socket(s, server_side=True)
                s.recv(100_000)
            self.requests += 1
            self.answer(s)
        except OSError:
            pass
        finally:
            s.close()

    def __exit__(self, *_):
        self.listener.close()


def reply(body, head='HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda s: s.sendall(head.encode() + b'Content-Length: %d\r\n\r\n' % len(body) + body)


class AtTheStart(unittest.TestCase):
    def fails(self, impostor, *words, seconds=15):
        with impostor:
            began = time.monotonic()
            r = subprocess.run(run_args(impostor.url, impostor.pem, '--session-timeout', '2s') + ['echo', 'ran'], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                               env=environment(), timeout=60)
            self.assertEqual((r.returncode, r.stdout), (125, ''), r.stderr)
            self.assertLess(time.monotonic() - began, seconds)
            self.assertNotIn('eyJ', r.stderr)
            for word in words:
                self.assertIn(word, r.stderr)
        return r

    def test_certificates_that_prove_nothing(self):
        self.fails(Impostor(reply({}), subject='DNS:elsewhere.example'), 'certificate')
        self.fails(Impostor(reply({}), subject='IP:127.0.0.1'), 'certificate')
        impostor = Impostor(reply({}), expired=True)
        self.fails(impostor, 'certificate')
        self.assertEqual(impostor.requests, 0)

    def test_what_speaks_no_tls(self):
        self.fails(Impostor(lambda s: s.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'), tls=False))
        self.fails(Impostor(lambda s: time.sleep(30), tls=False))
        self.fails(Impostor(lambda s: None, tls=False))

    def test_answers_that_never_end(self):
        def dribble(s):
            s.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n')
            while True:
                s.sendall(b' ')
                time.sleep(0.05)

        def headers(s):
            s.sendall(b'HTTP/1.1 200 OK\r\n')
            while True:
                s.sendall(b'X-Y: z\r\n' * 100)

        def pour(s):
            s.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"access_token":"')
            while True:
                s.sendall(b'x' * 100_000)
        for answer in (dribble, headers, pour):
            with self.subTest(answer.__name__):
                self.fails(Impostor(answer))

    def test_grants_that_make_no_sense(self):
        good = {'access_token': 'dbgs_x', 'issued_token_type': 'urn:ietf:params:oauth:token-type:access_token', 'token_type': 'Bearer', 'expires_in': 600}
        for name, body in {'a list': [], 'wrong types': {**good, 'session': 7, 'database': []}, 'half of it': {**good, 'session': 's_1', 'database': {'host': '127.0.0.1'}},
                           'deep': b'[' * 100_000}.items():
            with self.subTest(name):
                self.fails(Impostor(reply(body)))


class Afterwards(unittest.TestCase):
    def start(self, service, script, *flags):
        p = subprocess.Popen(run_args(service.url, service.ca, *flags) + ['sh', '-c', script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env=environment(), start_new_session=True)
        self.assertEqual(p.stdout.readline(), 'up\n')
        return p

    def test_a_service_that_falls_silent(self):
        with Service(postgres, issuer) as service:
            p = self.start(service, 'echo up; sleep 1')
            service.process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            _, err = p.communicate(timeout=60)
            self.assertLess(time.monotonic() - began, 45)
            # The recording did not arrive whole, and the credential may live until the lease ends: not a good end.
            self.assertEqual(p.returncode, 123, err)
            service.process.send_signal(signal.SIGCONT)
            wait_for(lambda: not service.roles_in_server(), 20, 'the sweep')

    def test_a_service_that_falls_silent_for_longer_than_the_lease(self):
        with Service(postgres, issuer, sessions='{ lease: 3s, heartbeat: 1s, sweep: 1s }') as service:
            p = self.start(service, 'echo up; sleep 60')
            service.process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            _, err = p.communicate(timeout=60)
            self.assertEqual(p.returncode, 123, err)
            self.assertIn('the session was ended', err)
            self.assertLess(time.monotonic() - began, 30)
            service.process.send_signal(signal.SIGCONT)

    def test_a_signal_while_the_service_is_silent_ends_soon(self):
        with Service(postgres, issuer) as service:
            p = self.start(service, 'echo up; exec sleep 60')
            service.process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            p.send_signal(signal.SIGTERM)
            _, err = p.communicate(timeout=60)
            self.assertLess(time.monotonic() - began, 8, err)
            service.process.send_signal(signal.SIGCONT)


@unittest.skipUnless(can_mount(), 'needs root for small file systems of its own')
class FullDisks(unittest.TestCase):
    """Each with a file system of a few MiB, mounted where only these processes see it."""

    def test_a_proxy_that_cannot_write_its_record_runs_nothing_more(self):
        postgres.sql('CREATE TABLE counted (i int)')
        folder = tempfile.mkdtemp(dir=temp)
        guard = Standalone(postgres)
        self.addCleanup(guard.close)
        p = subprocess.Popen(['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o size=2m none "$1" && shift && exec "$@"', 'sh', folder, PROGRAM, 'proxy', '--policy', guard.policy, '--role', 'tester',
                              '--record-dir', folder, '--json'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=guard.env(), text=True)
        ready = json.loads(p.stdout.readline())
        wire, ran, refused = Wire(ready['url']), 0, None
        while refused is None and ran < 100_000:
            wire.send(query("INSERT INTO counted VALUES (%d) RETURNING '%s'" % (ran, 'x' * 2000)))
            message = None
            while refused is None and message != 'Z':
                message, body = wire.get()
                if message == 'E':
                    refused = fields(body)
            ran += refused is None
        self.assertGreater(ran, 50)
        self.assertEqual((refused['S'], refused['C']), ('FATAL', '58030'))
        _, err = p.communicate(timeout=30)
        self.assertEqual(p.returncode, 123, err)
        self.assertIn('record', err)
        self.assertEqual(postgres.sql('SELECT count(*) FROM counted'), str(ran))

    def test_a_limit_on_file_sizes_is_a_full_disk(self):
        guard = Standalone(postgres)
        self.addCleanup(guard.close)
        script = 'ulimit -f 2600; exec "$@"'  # of 512 or 1024 bytes each
        many = os.path.join(guard.folder, 'many.sql')
        with open(many, 'w') as f:
            f.writelines("SELECT %d, '%s';\n" % (i, 'x' * 3000) for i in range(3000))
        r = subprocess.run(['sh', '-c', script, 'sh'] + guard.args() + ['sh', '-c', 'psql -Xq -f %s >/dev/null; sleep 30' % many], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           env=guard.env(), timeout=120)
        self.assertEqual(r.returncode, 123, r.stderr[-600:])
        self.assertIn('record', r.stderr)

    def test_a_service_with_a_full_disk(self):
        """It refuses what it cannot write down, says so, and goes on when there is room."""
        service = Service(postgres, issuer)
        service.folder = tempfile.mkdtemp(dir=temp)
        service.write()
        data = os.path.join(service.folder, 'data')
        os.mkdir(data)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4m,mode=700', 'none', data], check=True)
        self.addCleanup(subprocess.run, ['umount', '-l', data])
        service.start()
        self.addCleanup(service.stop)
        running = subprocess.Popen(run_args(service.url, service.ca) + ['sh', '-c', 'psql -Xqc "SELECT 1" && touch %s/ready && while [ ! -e %s/go ]; do sleep 0.1; done; psql -Xqc "SELECT 2"' % (temp, temp)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True)
        wait_for(lambda: os.path.exists(temp + '/ready'), 30, 'the first statement')
        filler = os.path.join(data, 'filler')
        with open(filler, 'wb', buffering=0) as f:
            try:
                while True:
                    f.write(b'x' * 65536)
            except OSError:
                pass
        # A new session is refused, and not half made.
        status, _, body = service.exchange(issuer.mint())
        self.assertGreaterEqual(status, 500, body)
        self.assertIn(body['error'], ('temporarily_unavailable', 'server_error'))
        wait_for(lambda: len(service.roles_in_server()) <= 2, 20, 'the end of the role that was half made')
        open(temp + '/go', 'w').close()
        time.sleep(1)
        self.assertIsNone(service.process.poll(), service.log_text()[-2000:])
        os.unlink(filler)
        _, err = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 0, err)  # its lease outlasted the trouble, and the recording arrived whole
        for name in os.listdir(data + '/recordings'):
            self.assertEqual(dbguard('verify', os.path.join(data, 'recordings', name)).returncode, 0)
        self.assertEqual(service.exchange(issuer.mint())[0], 200)

    def test_a_service_that_may_not_write_does_not_start(self):
        service = Service(postgres, issuer)
        service.folder = tempfile.mkdtemp(dir=temp)
        service.write()
        data = os.path.join(service.folder, 'data')
        os.mkdir(data, 0o700)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'ro,mode=700', 'none', data], check=True)
        self.addCleanup(subprocess.run, ['umount', '-l', data])
        with self.assertRaisesRegex(AssertionError, 'Read-only'):
            service.start()
        self.assertIn(service.process.wait(10), (69, 78, 1, 125))


if __name__ == '__main__':
    main()
