#!/usr/bin/python3
"""Coming and going at `dbguard proxy`: listeners, logins, servers that refuse or die, signals, bad options."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, dbguard, free_port, main, plain_environment, wait_for  # noqa: E402
from dbguard_proxy import Proxy, psql  # noqa: E402
from postgres_wire import Refused, Wire, error, query, types  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, tx, session, call, server]
'''


class Connections(unittest.TestCase):
    def setUp(self):
        self.postgres = Postgres()
        self.postgres.__enter__()
        self.addCleanup(self.postgres.__exit__)

    def proxy(self, **kw):
        proxy = Proxy(self.postgres, ROLES, **kw)
        self.addCleanup(proxy.close)
        return proxy

    def wire(self, proxy, **kw):
        wire = Wire(proxy.url, **kw)
        self.addCleanup(wire.close)
        return wire

    def test_a_unix_socket(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(lambda: os.path.isdir(folder) and os.rmdir(folder))
        directory = folder + '/door'
        proxy = self.proxy(listen='unix:' + directory)
        self.assertEqual(os.stat(directory).st_mode & 0o777, 0o700)
        code, out, err = psql(self.postgres, proxy.url, 'select 7 as seven')
        self.assertEqual(code, 0, err)
        self.assertIn('seven', out)
        self.assertEqual(proxy.stop(), 0)
        self.assertFalse(os.path.exists(directory))

    def test_a_folder_open_to_others_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            with self.assertRaisesRegex(AssertionError, '125.*0700'):
                self.proxy(listen='unix:' + folder)

    def test_only_loopback_unless_told(self):
        with self.assertRaisesRegex(AssertionError, '125.*allow-remote'):
            self.proxy(listen='0.0.0.0:0')
        self.assertEqual(self.proxy(listen='0.0.0.0:0', flags=['--allow-remote']).stop(), 0)

    def test_a_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            with self.assertRaisesRegex(AssertionError, '125.*in use'):
                self.proxy(listen='127.0.0.1:%d' % taken.getsockname()[1])

    def test_bad_options_end_with_125_and_a_reason(self):
        policy = self.proxy().policy
        url = self.postgres.url()
        for name, flags, reason in (
            ('no database', ['--policy', policy, '--role', 'tester'], 'DBGUARD_DB_URL'),
            ('wrong scheme', ['--db-url', 'http://x/y', '--policy', policy, '--role', 'tester'], 'scheme'),
            ('no host', ['--db-url', 'postgresql:///y', '--policy', policy, '--role', 'tester'], 'host'),
            ('several hosts', ['--db-url', 'postgresql://u@a,b/y', '--policy', policy, '--role', 'tester'], 'several'),
            ('bad escape', ['--db-url', 'postgresql://u%zz@a/y', '--policy', policy, '--role', 'tester'], 'percent'),
            ('no policy', ['--db-url', url, '--role', 'tester'], '--policy'),
            ('unreadable policy', ['--db-url', url, '--policy', '/nonexistent', '--role', 'tester'], '/nonexistent'),
            ('unknown role', ['--db-url', url, '--policy', policy, '--role', 'nobody'], 'tester'),
            ('no role', ['--db-url', url, '--policy', policy], '--role'),
            ('bad listen', ['--db-url', url, '--policy', policy, '--role', 'tester', '--listen', 'nowhere'], '--listen'),
            ('no mask key', ['--db-url', url, '--policy', policy, '--role', 'tester', '--mask-key-file', '/nonexistent'], '--mask-key-file'),
        ):
            with self.subTest(name):
                done = dbguard('proxy', *flags)
                self.assertEqual((done.returncode, done.stdout), (125, ''), done.stderr)
                self.assertIn(reason, done.stderr)
                self.assertNotIn('a super password', done.stderr)

    def test_a_password_in_the_arguments_is_warned_of(self):
        proxy = self.proxy(flags=['--db-url', self.postgres.url()])
        self.assertIn('DBGUARD_DB_URL', proxy.stderr())
        self.assertEqual(types(self.wire(proxy).query('select 1')), 'TDCZ')

    def test_the_password_from_pgpassword(self):
        url = 'postgresql://postgres@127.0.0.1:%d/postgres?sslmode=disable' % self.postgres.port
        self.assertEqual(types(self.wire(self.proxy(url=url, env={'PGPASSWORD': self.postgres.password})).query('select 1')), 'TDCZ')
        with self.assertRaises(Refused) as caught:
            self.wire(self.proxy(url=url, env={'PGPASSWORD': 'wrong'}))
        self.assertEqual(caught.exception.args[0]['C'], '28P01')

    def test_a_server_that_is_not_there(self):
        proxy = self.proxy(url='postgresql://postgres:x@127.0.0.1:%d/postgres' % free_port())
        with self.assertRaises(Refused) as caught:
            self.wire(proxy)
        self.assertEqual(caught.exception.args[0]['C'], '08006')

    def test_a_server_that_dies_and_comes_back(self):
        proxy = self.proxy()
        idle, busy = self.wire(proxy), self.wire(proxy)
        busy.send(query("select repeat('x', 1000) from generate_series(1, 10000000)"))
        busy.get()
        self.postgres.stop(signal.SIGQUIT)
        self.assertIn(error(idle.at_end())['C'], ('57P01', '57P02', '08006'))
        busy.at_end()
        with self.assertRaises(Refused):
            self.wire(proxy)
        self.postgres.start()
        self.assertEqual(types(self.wire(proxy).query('select 1')), 'TDCZ')

    def test_a_backend_that_is_terminated(self):
        proxy = self.proxy()
        one, other = self.wire(proxy), self.wire(proxy)
        pid = one.rows('select pg_backend_pid()')[0][0]
        other.query('select pg_terminate_backend(%s)' % pid)
        self.assertEqual(error(one.at_end())['C'], '57P01')

    def test_sigterm_tells_the_clients_and_ends_in_order(self):
        proxy = self.proxy()
        wire = self.wire(proxy)
        wire.query('begin')
        self.assertEqual(proxy.stop(), 0)
        self.assertEqual(error(wire.at_end())['C'], '57P01')
        wait_for(lambda: self.postgres.sql("select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()") == '0', what='the end of the session at the server')
        self.assertEqual(proxy.record()[-1]['t'], 'end')

    def test_a_client_that_goes_leaves_nothing_at_the_server(self):
        proxy = self.proxy()
        wire = self.wire(proxy)
        wire.query('begin')
        wire.close()
        wait_for(lambda: self.postgres.sql("select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()") == '0', what='the end of the session at the server')

    def test_a_flood_of_connections(self):
        # Room for 500: two descriptors each, and 64 of its own.
        proxy = self.proxy(before=('prlimit', '--nofile=1064'))
        silent = [socket.create_connection(('127.0.0.1', proxy.ready['port'])) for _ in range(300)]
        self.assertEqual(types(self.wire(proxy).query('select 1')), 'TDCZ')
        more = []
        for _ in range(400):
            more.append(socket.create_connection(('127.0.0.1', proxy.ready['port'])))
        wait_for(lambda: any(s.recv(1) == b'E' for s in more[-3:]), what='a refusal')
        for s in silent + more:
            s.close()
        wait_for(lambda: self.succeeds(proxy), what='a login behind the flood')

    def succeeds(self, proxy):
        try:
            return types(self.wire(proxy).query('select 1')) == 'TDCZ'
        except (Refused, EOFError, OSError):
            return False

    def test_failed_logins_are_slow_and_do_not_disturb(self):
        proxy = self.proxy()

        def fail():
            wire = Wire(proxy.url, login=False)
            wire.startup({})
            try:
                wire.login('wrong')
            except Refused:
                pass
            wire.close()
        began = time.monotonic()
        threads = [threading.Thread(target=fail) for _ in range(20)]
        for t in threads:
            t.start()
        self.assertEqual(types(self.wire(proxy).query('select 1')), 'TDCZ')
        for t in threads:
            t.join()
        self.assertGreater(time.monotonic() - began, 0.4)

    def test_many_sessions_at_once(self):
        proxy = self.proxy()
        self.postgres.sql('create table t(i int primary key, v int)')
        self.postgres.sql('insert into t select g, 0 from generate_series(1, 100) g')
        script = os.path.join(proxy.folder, 'script.sql')
        pathlib.Path(script).write_text('\\set i random(1, 100)\nbegin;\nupdate t set v = v + 1 where i = :i;\nselect v from t where i = :i;\ncommit;\n')
        for mode in ('simple', 'extended', 'prepared'):
            with self.subTest(mode):
                done = subprocess.run([self.postgres.bin + '/pgbench', '-n', '-M', mode, '-c', '8', '-j', '2', '-t', '20', '-f', script, proxy.url],
                                      capture_output=True, text=True, env=plain_environment(), timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn('number of transactions actually processed: 160/160', done.stdout)
        self.assertEqual(self.postgres.sql('select sum(v) from t'), '480')


class Tls(unittest.TestCase):
    def test_tls_to_the_server(self):
        with tempfile.TemporaryDirectory() as folder:
            key, certificate = folder + '/key.pem', folder + '/cert.pem'
            made = subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', certificate,
                                   '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'], capture_output=True)
            self.assertEqual(made.returncode, 0, made.stderr)
            os.chmod(folder, 0o755)
            postgres = Postgres(ssl='on', ssl_cert_file=certificate, ssl_key_file=key)
            if os.getuid() == 0:
                import pwd
                user = pwd.getpwnam('postgres')
                os.chown(key, user.pw_uid, user.pw_gid)
            with postgres:
                with Proxy(postgres, ROLES, url=postgres.url(sslmode='verify-full', sslrootcert=certificate)) as proxy:
                    wire = Wire(proxy.url)
                    self.assertEqual(wire.rows('select ssl from pg_stat_ssl where pid = pg_backend_pid()'), [['t']])
                    wire.send(query("select repeat('x', 1000) from generate_series(1, 20000)"))
                    self.assertEqual(types(wire.until_ready()).count('D'), 20000)
                    wire.close()
                with Proxy(postgres, ROLES, url=postgres.url(sslmode='verify-full')) as proxy:
                    with self.assertRaises(Refused) as caught:
                        Wire(proxy.url)
                    self.assertIn('untrusted', str(caught.exception))


if __name__ == '__main__':
    main()
