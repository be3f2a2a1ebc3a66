#!/usr/bin/env python3
"""`dbguard run --db shop`: identity, exchange, role, listener, psql, recording, end; and each of them failing."""
import glob
import http.server
import json
import os
import shlex
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from dbguard_service import AUDIENCE, Issuer, Service, prepare_database  # noqa: E402
from dbguard_test import PROGRAM, Postgres, alive, free_port, json_lines, main, plain_environment, wait_for  # noqa: E402


class Base(unittest.TestCase):
    kind = 'github'

    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        prepare_database(cls.postgres)
        cls.issuer = cls.enterClassContext(Issuer())
        cls.service = cls.enterClassContext(Service(cls.postgres, cls.issuer, kind=cls.kind))
        cls.temp = cls.enterClassContext(tempfile.TemporaryDirectory())

    def environment(self, **more):
        return plain_environment(**{'RUNNER_TEMP': self.temp, **self.issuer.github_environment(), **more})

    def args(self, *flags, server=None, audience=AUDIENCE, role='tester'):
        args = [PROGRAM, 'run', '--db', 'shop', '--server', server or self.service.url, '--server-ca', self.service.ca]
        args += ['--audience', audience] if audience else []
        args += ['--role', role] if role else []
        return args + list(flags) + ['--']

    def run_it(self, command, *flags, env=None, timeout=60, **kw):
        return subprocess.run(self.args(*flags, **kw) + command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=self.environment(**(env or {})), start_new_session=True, timeout=timeout)

    def setup_fails(self, r, *words):
        self.assertEqual(r.returncode, 125, r.stderr)
        for word in words:
            self.assertIn(word, r.stderr)
        for secret in (self.issuer.request_token, 'eyJ'):
            self.assertNotIn(secret, r.stderr)


class WholeChain(Base):
    def test_psql_reads_masked_rows_and_nothing_is_left(self):
        temp = self.enterContext(tempfile.TemporaryDirectory())
        r = self.run_it(['psql', '-XqAt', '-c', 'SELECT name, email FROM customers ORDER BY id'], '--json', env={'RUNNER_TEMP': temp})
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual([line.split('|')[0] for line in r.stdout.splitlines()], ['Ada', 'Grace'])
        self.assertNotIn('ada@example.com', r.stdout)
        events = {e['event']: e for e in json_lines(r.stderr)}
        self.assertEqual((events['session']['role'], events['session']['database']), ('tester', 'shop'))
        self.assertEqual((events['end']['exit_code'], events['end']['statements']), (0, 1))
        self.assertEqual(self.service.roles_in_server(), [])
        self.assertEqual(os.listdir(temp), [], 'the local recording is gone')
        # and the service has it, whole
        kept = glob.glob(os.path.join(self.service.folder, 'data', '**', events['session']['session'] + '*.dbgl'), recursive=True)
        self.assertEqual(len(kept), 1, kept)
        verified = subprocess.run([PROGRAM, 'verify', kept[0]], capture_output=True, text=True)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        with open(kept[0]) as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual((lines[0]['t'], lines[-1]['t']), ('head', 'end'))
        self.assertEqual(lines[0]['who']['repository_id'], '990017')

    def test_a_denial_fails_the_job(self):
        r = self.run_it(['psql', '-Xq', '-c', 'DROP TABLE customers'], '--fail-on', 'denied')
        self.assertEqual(r.returncode, 1, r.stderr)  # psql's own
        self.assertIn('dbguard', r.stderr)
        r = self.run_it(['sh', '-c', 'psql -Xq -c "DROP TABLE customers"; exit 0'])
        self.assertEqual(r.returncode, 122, r.stderr)
        self.assertEqual(self.run_it(['sh', '-c', 'psql -Xq -c "DROP TABLE customers"; exit 0'], '--fail-on=none').returncode, 0)
        self.assertEqual(self.postgres.sql('SELECT count(*) FROM customers', 'shop'), '2')

    def test_a_migration_belongs_to_its_login_role(self):
        r = self.run_it(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-c', 'CREATE TABLE made (id int); INSERT INTO made VALUES (1)'], role='migrator')
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(self.postgres.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'made'", 'shop'), 'app_ddl')
        self.postgres.sql('DROP TABLE made', 'shop')

    def test_the_command_has_no_identity_and_no_credential(self):
        r = self.run_it(['sh', '-c', 'env; (tr "\\0" "\\n" </proc/$PPID/environ) || true'])  # only root may read it at all
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertNotIn(self.issuer.request_token, r.stdout)
        self.assertNotIn('dbgs_', r.stdout)
        self.assertNotIn('dbguard_admin', r.stdout)
        names = {line.split('=')[0] for line in r.stdout.split('\n')}
        self.assertIn('PGPASSWORD', names)

    def test_a_local_copy_of_the_recording(self):
        with tempfile.TemporaryDirectory() as folder:
            r = self.run_it(['psql', '-Xqc', 'SELECT 1'], '--record-dir', folder)
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertEqual([name.endswith('.dbgl') for name in os.listdir(folder) if not name.startswith('.')], [True])

    def test_a_signal_ends_the_session_at_once(self):
        p = subprocess.Popen(self.args() + ['sh', '-c', 'echo up; exec sleep 60'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=self.environment(), start_new_session=True)
        self.assertEqual(p.stdout.readline(), b'up\n')
        self.assertEqual(len(self.service.roles_in_server()), 1)
        began = time.monotonic()
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=20)
        self.assertEqual(p.returncode, -signal.SIGINT)
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(self.service.roles_in_server(), [])

    def test_killed_outright_the_lease_ends_the_session(self):
        p = subprocess.Popen(self.args() + ['sh', '-c', 'echo $$; exec sleep 60'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=self.environment(), start_new_session=True)
        command = int(p.stdout.readline())
        role, = self.service.roles_in_server()
        p.kill()
        p.communicate()
        wait_for(lambda: not alive(command), 5, 'the end of the command')
        self.service.gone(role, 15)

    def test_several_at_once(self):
        running = [subprocess.Popen(self.args() + ['psql', '-XqAt', '-c', 'SELECT count(*) FROM customers'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    env=self.environment(), start_new_session=True) for _ in range(4)]
        for p in running:
            out, err = p.communicate(timeout=60)
            self.assertEqual((p.returncode, out), (0, b'2\n'), err)
        self.assertEqual(self.service.roles_in_server(), [])

    def test_the_service_dies_and_comes_back(self):
        with Service(self.postgres, self.issuer) as service:
            p = subprocess.Popen([PROGRAM, 'run', '--db', 'shop', '--server', service.url, '--server-ca', service.ca, '--audience', AUDIENCE, '--role', 'tester', '--',
                                  'sh', '-c', 'echo up; sleep 30'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 env=self.environment(), start_new_session=True)
            self.assertEqual(p.stdout.readline(), 'up\n')
            service.stop(signal.SIGKILL)
            # No renewal for the whole lease: the credential may be gone, so the run ends.
            _, err = p.communicate(timeout=30)
            self.assertEqual(p.returncode, 123, err)
            self.assertIn('the session was ended', err)
            service.start()
            wait_for(lambda: not service.roles_in_server(), 15, 'the sweep')


class Refusals(Base):
    def test_not_in_ci(self):
        r = subprocess.run(self.args() + ['true'], capture_output=True, text=True, env=plain_environment())
        self.setup_fails(r, '--token-env')

    def test_no_permission(self):
        r = self.run_it(['true'], env={'ACTIONS_ID_TOKEN_REQUEST_URL': None, 'ACTIONS_ID_TOKEN_REQUEST_TOKEN': None})
        self.setup_fails(r, 'id-token: write', '::error title=dbguard::')

    def test_wrong_audience(self):
        self.setup_fails(self.run_it(['true'], audience='somebody.else'), 'the token is not accepted', 'somebody.else')

    def test_wrong_role_and_database(self):
        self.setup_fails(self.run_it(['true'], role='admin'), 'may not be admin')
        self.setup_fails(self.run_it(['true'], role=None), 'name one with --role', 'tester, migrator')
        r = subprocess.run([PROGRAM, 'run', '--db', 'payroll', '--server', self.service.url, '--server-ca', self.service.ca, '--audience', AUDIENCE, '--', 'true'],
                           capture_output=True, text=True, env=self.environment())
        self.setup_fails(r, 'no role opens payroll')

    def test_the_command_is_looked_for_before_anything_is_opened(self):
        before = self.service.log_text().count('\n')
        self.assertEqual(self.run_it(['no-such-command']).returncode, 127)
        self.assertEqual(self.service.log_text().count('\n'), before)

    def test_an_unknown_authority(self):
        r = subprocess.run([PROGRAM, 'run', '--db', 'shop', '--server', self.service.url, '--audience', AUDIENCE, '--', 'true'], capture_output=True, text=True, env=self.environment())
        self.setup_fails(r, 'certificate')

    def test_usage(self):
        for args in (['--db', 'shop'], ['--db', 'shop', '--server', 'http://plain.example'], ['--db', 'shop', '--server', 'https://x', '--policy', 'p.yaml'], []):
            r = subprocess.run([PROGRAM, 'run', *args, '--', 'true'], capture_output=True, text=True, env=plain_environment())
            self.assertEqual(r.returncode, 64, (args, r.stderr))

    def test_unreachable_within_the_patience(self):
        began = time.monotonic()
        r = self.run_it(['true'], '--session-timeout', '3s', server='https://127.0.0.1:%d' % free_port())
        self.setup_fails(r, '127.0.0.1')
        self.assertLess(time.monotonic() - began, 10)

    def serve(self, answer, certificate=None):
        """A service that answers as it likes, with the real one's certificate or none that is trusted."""
        class Handler(http.server.BaseHTTPRequestHandler):
            count = 0

            def do_POST(self):
                Handler.count += 1
                self.rfile.read(int(self.headers.get('Content-Length', 0)))
                answer(self)

            def log_message(self, *_):
                pass
        folder = tempfile.mkdtemp(dir=self.temp)
        pem = folder + '/pem'
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=x',
                        '-addext', 'subjectAltName=DNS:localhost', '-keyout', pem + '.key', '-out', pem], check=True, capture_output=True)
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, pem + '.key')
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        r = subprocess.run([PROGRAM, 'run', '--db', 'shop', '--server', 'https://localhost:%d' % server.server_port, '--server-ca', pem, '--audience', AUDIENCE,
                            '--session-timeout', '6s', '--', 'echo', 'ran'], capture_output=True, text=True, env=self.environment(), timeout=60)
        self.assertEqual(r.stdout, '')
        return r, Handler.count

    def test_a_service_that_answers_nonsense(self):
        def reply(status, body, kind='application/json', **headers):
            def answer(handler):
                handler.send_response(status)
                for name, value in {'Content-Type': kind, 'Content-Length': str(len(body)), **headers}.items():
                    handler.send_header(name, value)
                handler.end_headers()
                handler.wfile.write(body.encode())
            return answer
        for name, answer, tries in [
            ('4xx', reply(404, 'no', 'text/plain'), 1),
            ('5xx', reply(503, '{"error":"temporarily_unavailable","error_description":"later","correlation_id":"c_1"}'), None),
            ('garbage', reply(200, '<html>', 'text/html'), 1),
            ('not JSON', reply(200, '{"access_token":'), 1),
            ('a redirect', reply(302, '', Location='https://elsewhere.example/'), 1),
            ('half an answer', reply(200, '{}', **{'Content-Length': '100'}), None),
        ]:
            with self.subTest(name):
                r, count = self.serve(answer)
                self.setup_fails(r)
                if tries:
                    self.assertEqual(count, tries, r.stderr)
                else:
                    self.assertGreater(count, 1, r.stderr)

    def test_a_service_that_does_not_answer(self):
        began = time.monotonic()
        r, _ = self.serve(lambda handler: time.sleep(30))
        self.setup_fails(r)
        self.assertLess(time.monotonic() - began, 25)


class GitLab(Base):
    kind = 'gitlab'

    def test_an_id_token_in_a_variable(self):
        token = self.issuer.mint(shape='gitlab')
        for env, flags in (({'GITLAB_CI': 'true', 'DBGUARD_ID_TOKEN': token}, []), ({'MY_TOKEN': token}, ['--token-env', 'MY_TOKEN'])):
            env = plain_environment(RUNNER_TEMP=self.temp, **env)
            r = subprocess.run(self.args(*flags) + ['sh', '-c', 'psql -XqAt -c "SELECT count(*) FROM customers"; env'], capture_output=True, text=True, env=env, start_new_session=True, timeout=60)
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertEqual(r.stdout.splitlines()[0], '2')
            self.assertNotIn(token, r.stdout)

    def test_a_file_and_a_command(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'token')
            with open(path, 'w') as f:
                f.write(self.issuer.mint(shape='gitlab') + '\n')
            for flags in (['--token-file', path], ['--token-command', 'cat ' + shlex.quote(path)]):
                r = subprocess.run(self.args(*flags) + ['true'], capture_output=True, text=True, env=plain_environment(RUNNER_TEMP=self.temp), start_new_session=True, timeout=60)
                self.assertEqual(r.returncode, 0, r.stderr)

    def test_a_token_for_somebody_else_is_not_even_sent(self):
        token = self.issuer.mint(shape='gitlab', aud='https://other.example')
        r = subprocess.run(self.args() + ['true'], capture_output=True, text=True, env=plain_environment(GITLAB_CI='true', DBGUARD_ID_TOKEN=token))
        self.setup_fails(r, AUDIENCE)


if __name__ == '__main__':
    main()
