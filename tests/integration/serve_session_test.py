#!/usr/bin/env python3
"""A session's life at `dbguard serve`: the database role is there while it lasts and gone afterwards, whoever dies on the way."""
import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from dbguard_service import Issuer, Service, chain, prepare_database  # noqa: E402
from dbguard_test import Postgres, main, plain_environment, wait_for  # noqa: E402


def psql(grant, sql, check=True):
    d = grant['database']
    return subprocess.run(['psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', d['host'], '-p', str(d['port']), '-U', d['user'], '-d', d['name'], '-c', sql],
                          env=plain_environment(PGPASSWORD=d['password'], PGSSLMODE='disable'), capture_output=True, text=True, check=check, timeout=30)


class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        prepare_database(cls.postgres)
        cls.issuer = cls.enterClassContext(Issuer())
        cls.service = cls.enterClassContext(Service(cls.postgres, cls.issuer))

    def test_the_role_is_there_during_the_session_and_gone_afterwards(self):
        grant = self.service.open()
        user = grant['database']['user']
        self.assertIn(user, self.service.roles_in_server())
        self.assertEqual(psql(grant, 'SELECT session_user, current_user').stdout.strip(), user + '|app_ro')
        self.assertEqual(psql(grant, 'SELECT name FROM customers ORDER BY id').stdout.split(), ['Ada', 'Grace'])
        status, _, renewal = self.service.on(grant, 'renew')
        self.assertEqual((status, renewal['lease']), (200, 6))
        status, _, body = self.service.on(grant, 'end', '{"reason":"client"}')
        self.assertEqual((status, body), (200, {}))
        self.assertNotIn(user, self.service.roles_in_server())
        self.assertEqual(self.service.on(grant, 'renew')[0], 410)
        self.assertEqual(self.service.on(grant, 'end', '{"reason":"client"}')[0], 200, 'ending twice is no error')
        self.assertNotEqual(psql(grant, 'SELECT 1', check=False).returncode, 0)

    def test_the_role_is_narrow(self):
        grant = self.service.open()
        user = grant['database']['user']
        row = self.postgres.sql("SELECT rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil > now() + interval '29 min', "
                                "rolvaliduntil < now() + interval '31 min' FROM pg_roles WHERE rolname = '%s'" % user)
        self.assertEqual(row, 'f|f|f|f|f|f|32|t|t')
        self.assertEqual(self.postgres.sql("SELECT string_agg(roleid::regrole::text, ',') FROM pg_auth_members WHERE member = '%s'::regrole" % user), 'app_ro')
        self.assertEqual(self.postgres.sql("SELECT rolpassword LIKE 'SCRAM-SHA-256$4096:%%' FROM pg_authid WHERE rolname = '%s'" % user), 't')
        show = psql(grant, "SELECT current_setting('default_transaction_read_only'), current_setting('statement_timeout'), current_setting('search_path'), current_setting('work_mem')")
        self.assertEqual(show.stdout.strip(), 'on|21s|"$user", public|7MB', "the login role's own settings hold")
        # Without the login role nothing is left.
        refused = psql(grant, 'SET ROLE NONE; SELECT * FROM customers', check=False)
        self.assertIn('permission denied', refused.stderr)
        refused = psql(grant, 'RESET ROLE; SELECT current_user')
        self.assertEqual(refused.stdout.strip(), 'app_ro')
        self.assertIn('permission denied', psql(grant, 'BEGIN READ WRITE; CREATE ROLE x', check=False).stderr)
        self.service.on(grant, 'end', '{"reason":"client"}')

    def test_a_login_that_could_undo_what_limits_it_opens_nothing(self):
        for how, undo, why in (
            ('ALTER ROLE app_ro CREATEROLE', 'ALTER ROLE app_ro NOCREATEROLE', 'is CREATEROLE'),
            ('GRANT pg_execute_server_program TO app_ro', 'REVOKE pg_execute_server_program FROM app_ro', 'is a member of pg_execute_server_program'),
            ('CREATE ROLE boss SUPERUSER; CREATE ROLE team; GRANT boss TO team; GRANT team TO app_ro', 'DROP ROLE team, boss', 'is a member of boss'),
        ):
            with self.subTest(how):
                self.postgres.sql(how)
                try:
                    status, _, refusal = self.service.exchange(self.issuer.mint())
                    self.assertEqual((status, refusal['error']), (500, 'server_error'))
                    self.assertIn(why, self.service.log_text())
                    self.assertNotIn(why, json.dumps(refusal), 'that is for the operator')
                    self.assertEqual(self.service.roles_in_server(), [])
                finally:
                    self.postgres.sql(undo)
        self.service.on(self.service.open(), 'end', '{"reason":"client"}')

    def test_what_a_session_creates_belongs_to_the_login_role_and_outlives_it(self):
        grant = self.service.open(role='migrator')
        psql(grant, 'CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)')
        # Even what is made under the session's own name is handed on, and what was granted to that name does not hold it.
        user = grant['database']['user']
        psql(grant, 'CREATE SCHEMA own; GRANT CREATE, USAGE ON SCHEMA own TO "%s"; GRANT SELECT ON orders TO "%s"; SET ROLE NONE; CREATE TABLE own.strange (id int)' % (user, user))
        self.postgres.sql('CREATE DATABASE other_%s' % grant['session'].lower())
        self.postgres.sql('GRANT CREATE ON SCHEMA public TO app_ddl; CREATE TABLE public.elsewhere (id int); ALTER TABLE elsewhere OWNER TO "%s"' % user,
                          'other_' + grant['session'].lower())
        self.service.on(grant, 'end', '{"reason":"client"}')
        self.assertNotIn(user, self.service.roles_in_server(), self.service.log_text())
        owners = self.postgres.sql("SELECT tablename, tableowner FROM pg_tables WHERE tablename IN ('orders', 'strange') ORDER BY 1", 'shop')
        self.assertEqual(owners, 'orders|app_ddl\nstrange|app_ddl')
        self.assertEqual(self.postgres.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'elsewhere'", 'other_' + grant['session'].lower()), 'app_ddl')
        self.assertEqual(self.postgres.sql('SELECT count(*) FROM orders', 'shop'), '1')
        self.postgres.sql('DROP TABLE orders; DROP SCHEMA own CASCADE', 'shop')

    def test_ending_a_session_ends_what_it_runs(self):
        grant = self.service.open()
        d = grant['database']
        child = subprocess.Popen(['psql', '-X', '-h', d['host'], '-p', str(d['port']), '-U', d['user'], '-d', d['name'], '-c', 'SELECT pg_sleep(15)'],
                                 env=plain_environment(PGPASSWORD=d['password'], PGSSLMODE='disable'), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_for(lambda: self.postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = '%s' AND state = 'active'" % d['user']) == '1')
        began = time.monotonic()
        self.service.on(grant, 'end', '{"reason":"client"}')
        output, _ = child.communicate(timeout=10)
        self.assertLess(time.monotonic() - began, 8)
        self.assertIn(b'terminating connection', output)
        self.assertNotIn(d['user'], self.service.roles_in_server())

    def test_a_client_that_dies_is_swept_when_its_lease_ends(self):
        grant = self.service.open()
        user = grant['database']['user']
        for _ in range(4):  # a heartbeat keeps it
            time.sleep(1)
            self.assertEqual(self.service.on(grant, 'renew')[0], 200)
        self.assertIn(user, self.service.roles_in_server())
        self.service.gone(user, 12)
        self.assertEqual(self.service.on(grant, 'renew')[0], 410)

    def test_a_service_that_dies_is_followed_by_one_that_cleans_up(self):
        with Service(self.postgres, self.issuer) as service:
            dead = service.open()['database']['user']
            alive = service.open()
            service.stop(signal.SIGKILL)
            self.assertIn(dead, service.roles_in_server())
            # A role that was made while nobody wrote it down: what is left of a crash between the two, or of a lost disk.
            stray = dead[:-16] + 'straystraystrays'
            self.postgres.sql('CREATE ROLE "%s" LOGIN; GRANT app_ro TO "%s"; GRANT "%s" TO dbguard_admin' % (stray, stray, stray))
            foreign = 'dbguard_zzzzzz_s_' + '0' * 16
            self.postgres.sql('CREATE ROLE "%s"' % foreign)
            service.start()
            for _ in range(3):
                self.assertEqual(service.on(alive, 'renew')[0], 200, 'a session lives through a restart')
                time.sleep(1)
            service.gone(stray, 5)
            service.gone(dead, 12)
            self.assertIn(foreign, service.roles_in_server(), "another service's roles are not ours to touch")
            self.postgres.sql('DROP ROLE "%s"' % foreign)
            service.on(alive, 'end', '{"reason":"client"}')

    def test_a_database_that_is_away_is_a_clear_refusal_and_cleaned_up_later(self):
        with Postgres() as postgres:
            prepare_database(postgres)
            with Service(postgres, self.issuer) as service:
                grant = service.open()
                postgres.stop(signal.SIGQUIT)
                status, _, refusal = service.exchange(self.issuer.mint())
                self.assertEqual((status, refusal['error']), (503, 'temporarily_unavailable'))
                self.assertEqual(service.on(grant, 'end', '{"reason":"client"}')[0], 200)
                postgres.start()
                service.gone(grant['database']['user'], 15)
                self.assertEqual(service.exchange(self.issuer.mint())[0], 200)

    def test_many_sessions_at_once(self):
        before = len(self.service.roles_in_server())
        grants, problems = [], []

        def one():
            try:
                grant = self.service.open(role='migrator')
                psql(grant, 'SELECT 1')
                grants.append(grant)
                if self.service.on(grant, 'end', '{"reason":"client"}')[0] != 200:
                    problems.append('end')
            except Exception as problem:  # shown below
                problems.append(problem)
        threads = [threading.Thread(target=one) for _ in range(24)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print('24 sessions opened, used and ended in %.2f s' % (time.monotonic() - began))
        self.assertEqual(problems, [])
        self.assertEqual(len({g['session'] for g in grants}), 24)
        self.assertEqual(len(self.service.roles_in_server()), before)

    def test_max_open_holds(self):
        grants = [self.service.open() for _ in range(5)]
        status, _, refusal = self.service.exchange(self.issuer.mint())
        self.assertEqual((status, refusal['error']), (409, 'too_many_sessions'))
        self.service.on(grants[0], 'end', '{"reason":"client"}')
        self.assertEqual(self.service.exchange(self.issuer.mint())[0], 200)

    def setUp(self):
        # max_open counts what earlier cases left: all of it ends with its lease.
        wait_for(lambda: not self.service.roles_in_server(), 15, 'the end of earlier sessions')

    def test_the_recording_grows_at_the_service(self):
        grant = self.service.open()
        text = chain(grant['session'], 50)
        post = lambda offset, body: self.service.on(grant, 'recording?offset=%d' % offset, body)  # noqa: E731
        self.assertEqual(post(0, text[:100])[0], 200)
        status, _, refusal = post(0, text[:100])
        self.assertEqual((status, refusal['error'], refusal['size_bytes']), (409, 'wrong_offset', 100))
        self.assertEqual(post(100, text[100:].replace('line 7', 'line 8', 1))[0], 422)
        self.assertEqual(post(100, 'x' * (1 << 20) + 'y')[0], 413)
        self.assertEqual(post(100, text[100:3000])[0], 200)
        self.service.on(grant, 'end', '{"reason":"client"}')
        self.assertEqual(post(3000, text[3000:])[2], {'size_bytes': len(text)}, 'the tail may come after the end')
        path = os.path.join(self.service.folder, 'data/recordings', grant['session'] + '.dbgl')
        with open(path) as recorded:
            self.assertEqual(recorded.read(), text)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        other = self.service.open()
        self.assertEqual(self.service.post('/v1/sessions/%s/recording?offset=0' % grant['session'], 'x', {'Authorization': 'Bearer ' + other['access_token']})[0], 401)
        self.service.on(other, 'end', '{"reason":"client"}')

    def test_a_clean_stop(self):
        with Service(self.postgres, self.issuer) as service:
            grant = service.open()
            began = time.monotonic()
            self.assertEqual(service.stop(), 0)
            self.assertLess(time.monotonic() - began, 5)
            self.assertIn(grant['database']['user'], service.roles_in_server(), 'a restart is not the end of sessions')
            service.start()
            self.assertEqual(service.on(grant, 'renew')[0], 200)
            self.assertEqual(service.on(grant, 'end', '{"reason":"client"}')[0], 200)


if __name__ == '__main__':
    main()
