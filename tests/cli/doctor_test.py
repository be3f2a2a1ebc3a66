#!/usr/bin/env python3
"""`dbguard doctor`: what it says of a platform, an environment, a policy, a folder, a database; exit codes; JSON."""
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from dbguard_test import Postgres, dbguard, free_port, main, plain_environment, policy


def doctor(*args, **env):
    r = dbguard('doctor', '--json', *args, env=plain_environment(**env))
    document = json.loads(r.stdout)
    return r.returncode, {(c['group'], c['name']): c for c in document['checks']}, r.stdout


class Doctor(unittest.TestCase):
    def test_no_platform_is_no_failure(self):
        code, checks, _ = doctor()
        self.assertEqual(code, 0)
        self.assertEqual(checks['ci', 'platform']['state'], 'note')
        self.assertEqual(checks['ci', 'identity']['state'], 'note')

    def test_github_without_the_permission_names_the_fix(self):
        code, checks, _ = doctor(GITHUB_ACTIONS='true')
        self.assertEqual((code, checks['ci', 'platform']['text']), (1, 'GitHub Actions'))
        self.assertEqual(checks['ci', 'identity']['state'], 'fail')
        self.assertIn('id-token: write', checks['ci', 'identity']['fix'])

    def test_github_with_the_permission(self):
        code, checks, text = doctor(GITHUB_ACTIONS='true', ACTIONS_ID_TOKEN_REQUEST_URL='https://runner.example/token?x=1', ACTIONS_ID_TOKEN_REQUEST_TOKEN='s3cret-value')
        self.assertEqual((code, checks['ci', 'identity']['state']), (0, 'ok'))
        self.assertIn('ACTIONS_ID_TOKEN_REQUEST_TOKEN', checks['environment', 'removed']['text'])
        self.assertNotIn('s3cret-value', text)

    def test_gitlab_without_id_tokens(self):
        code, checks, _ = doctor(GITLAB_CI='true')
        self.assertEqual((code, checks['ci', 'identity']['state']), (1, 'fail'))
        self.assertIn('id_tokens', checks['ci', 'identity']['fix'])

    def test_variables_by_name_only(self):
        _, checks, text = doctor(PGHOSTADDR='10.9.8.7', PGPASSWORD='hunter-2-value', LD_LIBRARY_PATH='/tmp/odd')
        self.assertIn('PGHOSTADDR', checks['environment', 'removed']['text'])
        self.assertIn('PGPASSWORD', checks['environment', 'replaced']['text'])
        self.assertEqual(checks['environment', 'loader']['state'], 'warn')
        self.assertNotIn('hunter-2-value', text)
        self.assertNotIn('10.9.8.7', text)

    def test_policy_and_role(self):
        with tempfile.TemporaryDirectory() as folder:
            good = policy(folder)
            self.assertEqual(doctor('--policy', good, '--role', 'tester')[0], 0)
            code, checks, _ = doctor('--policy', good, '--role', 'nobody')
            self.assertEqual((code, checks['policy', 'role']['text']), (1, 'it has no role nobody'))
            bad = os.path.join(folder, 'bad.yaml')
            with open(bad, 'w') as f:
                f.write('dbguard: 1\nrulse: []\n')
            code, checks, _ = doctor('--policy', bad)
            self.assertEqual(code, 1)
            self.assertIn('bad.yaml:2:1', checks['policy', 'file']['text'])
            self.assertEqual(doctor('--policy', os.path.join(folder, 'absent.yaml'))[0], 1)

    def test_record_dir(self):
        with tempfile.TemporaryDirectory() as folder:
            code, checks, _ = doctor('--record-dir', folder)
            self.assertEqual((code, checks['recording', 'folder']['state']), (0, 'ok'))
            self.assertEqual(os.listdir(folder), [])
            self.assertEqual(doctor('--record-dir', folder + '/new')[1]['recording', 'folder']['state'], 'note')
        self.assertEqual(doctor('--record-dir', '/proc')[0], 1)

    def test_system(self):
        _, checks, _ = doctor()
        self.assertTrue(checks['system', 'kernel']['text'].startswith('Linux '))
        self.assertEqual(checks['system', 'user']['state'] == 'ok' or 'root' in checks['system', 'user']['text'], True)

    def test_text_is_for_people(self):
        r = dbguard('doctor', env=plain_environment(GITHUB_ACTIONS='true'))
        self.assertEqual((r.returncode, r.stderr), (1, ''))
        self.assertIn('\n  fail identity', r.stdout)
        self.assertIn('\n       -> ', r.stdout)
        self.assertTrue(r.stdout.endswith('something fails here\n'))


class Service(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.pem = os.path.join(cls.folder.name, 'server.pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
                        '-addext', 'subjectAltName=DNS:localhost', '-keyout', cls.pem + '.key', '-out', cls.pem], check=True, capture_output=True)

        class Handler(BaseHTTPRequestHandler):
            skew = 0

            def do_GET(self):
                body = b'{"status":"ok"}'
                self.send_response(200 if self.path == '/healthz' else 404)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp=None):
                import email.utils
                import time
                return email.utils.formatdate(time.time() + Handler.skew, usegmt=True)

            def log_message(self, *_):
                pass
        cls.handler = Handler
        cls.server = HTTPServer(('127.0.0.1', 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cls.pem, cls.pem + '.key')
        cls.server.socket = context.wrap_socket(cls.server.socket, server_side=True)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.url = 'https://localhost:%d' % cls.server.server_port

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()
        cls.folder.cleanup()

    def test_reachable_with_its_authority(self):
        code, checks, text = doctor('--server', self.url, '--server-ca', self.pem)
        self.assertEqual((code, checks['service', 'reachable']['state'], checks['service', 'clock']['state']), (0, 'ok', 'ok'), text)

    def test_an_unknown_authority_fails(self):
        code, checks, _ = doctor('--server', self.url)
        self.assertEqual((code, checks['service', 'reachable']['state']), (1, 'fail'))
        self.assertIn('--server-ca', checks['service', 'reachable']['fix'])

    def test_a_clock_that_is_far_off(self):
        self.handler.skew = -3600
        try:
            code, checks, _ = doctor('--server', self.url, '--server-ca', self.pem)
        finally:
            self.handler.skew = 0
        self.assertEqual((code, checks['service', 'clock']['state']), (1, 'fail'))

    def test_unreachable(self):
        self.assertEqual(doctor('--server', 'https://localhost:%d' % free_port(), '--timeout', '3s')[0], 1)


class Database(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres().__enter__()
        cls.postgres.sql("CREATE ROLE app LOGIN PASSWORD 'app pw'")

    @classmethod
    def tearDownClass(cls):
        cls.postgres.__exit__()

    def test_login(self):
        code, checks, text = doctor('--db-url', self.postgres.url(user='app', password='app pw'))
        self.assertEqual((code, checks['database', 'login']['state']), (0, 'ok'), text)
        self.assertIn('as app', checks['database', 'login']['text'])
        self.assertNotIn(('database', 'rights'), checks)
        self.assertNotIn('app pw', text)

    def test_a_superuser_is_warned_of(self):
        _, checks, _ = doctor(DBGUARD_DB_URL=self.postgres.url())
        self.assertEqual(checks['database', 'rights']['state'], 'warn')

    def test_failures(self):
        code, checks, text = doctor('--db-url', self.postgres.url(user='app', password='wrong password'))
        self.assertEqual((code, checks['database', 'login']['state']), (1, 'fail'))
        self.assertNotIn('wrong password', text)
        self.assertEqual(doctor('--db-url', 'postgresql://app@127.0.0.1:%d/x?sslmode=disable' % free_port())[0], 1)
        self.assertEqual(doctor('--db-url', 'ftp://x/y')[0], 1)


if __name__ == '__main__':
    main()
