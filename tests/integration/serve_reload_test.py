#!/usr/bin/env python3
"""`dbguard serve` reads its files again on SIGHUP: all of them or none, with sessions going on; and recordings are kept as long as they are
to be."""
import os
import signal
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from dbguard_service import ROLES, Issuer, Service, chain, prepare_database  # noqa: E402
from dbguard_test import Postgres, main, wait_for  # noqa: E402


class Reload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        prepare_database(cls.postgres)
        cls.issuer = cls.enterClassContext(Issuer())

    def hang_up(self, service, expected):
        """SIGHUP, until the log has another line with this."""
        before = service.log_text().count(expected)
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: service.log_text().count(expected) > before or service.process.poll() is not None, 60, expected)
        self.assertIsNone(service.process.poll(), service.log_text()[-3000:])

    def file(self, service, name):
        return os.path.join(service.folder, name)

    def edit(self, service, name, old, new):
        with open(self.file(service, name)) as f:
            text = f.read()
        self.assertIn(old, text)
        with open(self.file(service, name), 'w') as f:
            f.write(text.replace(old, new))

    def open_and_end(self, service):
        self.assertEqual(service.on(service.open(), 'end', '{"reason":"client"}')[0], 200)

    def test_another_policy_is_in_force_and_sessions_go_on(self):
        with Service(self.postgres, self.issuer) as service:
            grant = service.open()
            status, _, renewal = service.on(grant, 'renew')
            self.assertEqual((status, renewal['policy_hash']), (200, grant['policy']['hash']))
            self.edit(service, 'shop.yaml', '  migrator:', '  deployer:')
            self.hang_up(service, 'is in force')
            status, _, renewal = service.on(grant, 'renew')
            self.assertEqual(status, 200, 'a session goes on')
            self.assertNotEqual(renewal['policy_hash'], grant['policy']['hash'], 'and is told that the policy is another now')
            self.assertEqual(service.exchange(self.issuer.mint(), role='migrator')[2]['error'], 'invalid_scope')
            self.assertEqual(service.open(role='deployer')['role'], 'deployer')
            self.assertEqual(service.on(grant, 'end', '{"reason":"client"}')[0], 200)
            self.assertNotIn(grant['database']['user'], service.roles_in_server())

    def test_a_bad_file_changes_nothing_and_says_why(self):
        with Service(self.postgres, self.issuer) as service:
            for name, old, new, why in (
                ('serve.yaml', 'sessions:', 'sesions:', 'sesions'),
                ('shop.yaml', 'roles:', 'rolse:', 'rolse'),
                ('serve.yaml', 'data_dir: data', 'data_dir: elsewhere', 'data_dir'),
                ('serve.yaml', 'listen: 127.0.0.1:0', 'listen: 127.0.0.1:1', 'listen'),
                ('serve.yaml', 'password_file: admin.password', 'password_file: nowhere.password', 'nowhere.password'),
            ):
                with self.subTest(new):
                    self.edit(service, name, old, new)
                    # A good change beside the bad one is not made either.
                    self.edit(service, 'serve.yaml', 'failures_per_minute: 1000', 'failures_per_minute: 1')
                    self.hang_up(service, 'the configuration from before stays')
                    self.assertIn(why, service.log_text())
                    for _ in range(3):
                        self.assertEqual(service.exchange('garbage')[0], 400, 'the limit is the old one')
                    self.open_and_end(service)
                    self.edit(service, name, new, old)
                    self.edit(service, 'serve.yaml', 'failures_per_minute: 1', 'failures_per_minute: 1000')
            with open(self.file(service, 'serve.yaml')) as f:
                text = f.read()
            os.unlink(self.file(service, 'serve.yaml'))
            self.hang_up(service, 'the configuration from before stays')
            self.open_and_end(service)
            with open(self.file(service, 'serve.yaml'), 'w') as f:
                f.write(text)
            self.hang_up(service, 'is in force')

    def test_limits_and_times_follow(self):
        with Service(self.postgres, self.issuer, failures=2) as service:
            for _ in range(2):
                service.exchange('garbage')
            self.assertEqual(service.exchange('garbage')[0], 429)
            self.edit(service, 'serve.yaml', 'failures_per_minute: 2', 'failures_per_minute: 6000')
            self.edit(service, 'serve.yaml', 'lease: 6s', 'lease: 9s')
            self.hang_up(service, 'is in force')
            wait_for(lambda: service.exchange('garbage')[0] == 400, 5)
            grant = service.open()
            self.assertEqual(grant['lease'], 9)
            service.on(grant, 'end', '{"reason":"client"}')

    def test_keys_of_an_issuer_that_stays_are_not_fetched_again(self):
        with Service(self.postgres, self.issuer) as service:
            service.on(service.open(), 'end', '{"reason":"client"}')
            token = self.issuer.mint()
            self.issuer.control(mode='error')
            try:
                self.edit(service, 'shop.yaml', 'tester:', 'checker:')
                self.hang_up(service, 'is in force')
                self.assertEqual(service.exchange(token, role='checker')[0], 200)
            finally:
                self.issuer.control(mode='normal')

    def test_roles_of_a_database_that_moved_or_went_are_still_removed(self):
        with Postgres() as other:
            prepare_database(other)
            with Service(self.postgres, self.issuer) as service:
                moved, swept = service.open(), service.open()
                self.edit(service, 'serve.yaml', 'port: %d' % self.postgres.port, 'port: %d' % other.port)
                self.hang_up(service, 'is in force')
                there = service.open()
                self.assertEqual(there['database']['port'], other.port)
                self.assertIn(moved['database']['user'], service.roles_in_server())
                self.assertEqual(service.on(moved, 'end', '{"reason":"client"}')[0], 200)
                self.assertNotIn(moved['database']['user'], service.roles_in_server(), service.log_text())
                service.on(there, 'end', '{"reason":"client"}')
                self.assertEqual(other.sql("SELECT count(*) FROM pg_roles WHERE rolname = '%s'" % there['database']['user']), '0')
                self.edit(service, 'serve.yaml', '  shop:\n', '  store:\n')
                self.hang_up(service, 'is in force')
                self.assertEqual(service.exchange(self.issuer.mint())[2]['error'], 'invalid_target')
                service.gone(swept['database']['user'], 15)

    def test_many_at_once_while_it_reads(self):
        import threading
        with Service(self.postgres, self.issuer, roles=ROLES.replace('max_open: 5', 'max_open: 50')) as service:
            stop, problems, count = threading.Event(), [], [0]

            def work():
                while not stop.is_set():
                    try:
                        grant = service.open()
                        if service.on(grant, 'renew')[0] != 200 or service.on(grant, 'end', '{"reason":"client"}')[0] != 200:
                            problems.append('renew or end')
                        count[0] += 1
                    except Exception as problem:  # shown below
                        problems.append(problem)
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            try:
                wait_for(lambda: count[0] > 0 or problems, 60, 'a first session')
                for i in range(6):
                    self.edit(service, 'serve.yaml', 'sweep: %s' % ('1s' if i % 2 == 0 else '2s'), 'sweep: %s' % ('2s' if i % 2 == 0 else '1s'))
                    self.hang_up(service, 'is in force')
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            self.assertEqual(problems, [])
            print('%d sessions during 6 reloads' % count[0])
            self.assertGreater(count[0], 0)


class Retention(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres().__enter__()
        cls.addClassCleanup(cls.postgres.__exit__)
        prepare_database(cls.postgres)
        cls.issuer = Issuer().__enter__()
        cls.addClassCleanup(cls.issuer.__exit__)

    def recorded(self, service, role):
        grant = service.open(role=role)
        self.assertEqual(service.on(grant, 'recording?offset=0', chain(grant['session'], 5))[0], 200)
        service.on(grant, 'end', '{"reason":"client"}')
        return grant, os.path.join(service.folder, 'data/recordings', grant['session'] + '.dbgl')

    def test_the_policy_says_how_long_and_the_service_where_it_does_not(self):
        roles = ROLES.replace('  tester:\n', '  tester:\n    record: { keep: 2s }\n', 1)
        with Service(self.postgres, self.issuer, roles=roles, change=lambda text: text + 'recording_keep: 60s\n') as service:
            alive = service.open(role='tester')
            service.on(alive, 'recording?offset=0', chain(alive['session'], 5))
            grant, path = self.recorded(service, 'tester')
            kept, kept_path = self.recorded(service, 'migrator')
            self.assertTrue(os.path.exists(path))
            for _ in range(3):
                time.sleep(1)
                self.assertEqual(service.on(alive, 'renew')[0], 200)
            wait_for(lambda: not os.path.exists(path), 10, 'the end of a recording')
            self.assertTrue(os.path.exists(kept_path), "the service's own word is a minute")
            self.assertTrue(os.path.exists(os.path.join(service.folder, 'data/recordings', alive['session'] + '.dbgl')), 'time counts from the end of a session')
            self.assertEqual(service.on(grant, 'recording?offset=0', chain(grant['session'], 5))[0], 410, 'it does not come back')
            self.assertFalse(os.path.exists(path))
            db = sqlite3.connect(os.path.join(service.folder, 'data/dbguard.sqlite'))
            self.assertEqual(db.execute("SELECT session, decision, reason FROM audit WHERE event = 'retention'").fetchall(), [(grant['session'], 'done', 'kept for 2 s')])
            self.assertEqual(dict(db.execute('SELECT id, keep_seconds FROM sessions').fetchall()), {alive['session']: 2, grant['session']: 2, kept['session']: 60})
            db.close()
            service.on(alive, 'end', '{"reason":"client"}')

    def test_without_a_word_recordings_stay(self):
        with Service(self.postgres, self.issuer) as service:
            grant, path = self.recorded(service, 'tester')
            time.sleep(3)
            self.assertTrue(os.path.exists(path))


if __name__ == '__main__':
    main()
