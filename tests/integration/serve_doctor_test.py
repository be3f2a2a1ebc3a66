#!/usr/bin/env python3
"""`dbguard doctor --db NAME`: through the service, as a job would; what the login role's own privileges hold, and the statements that close
the rest, after which jobs go on."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from dbguard_service import Issuer, Service, prepare_database  # noqa: E402
from dbguard_test import Postgres, dbguard, main, plain_environment  # noqa: E402


class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        prepare_database(cls.postgres)
        cls.issuer = cls.enterClassContext(Issuer())
        cls.service = cls.enterClassContext(Service(cls.postgres, cls.issuer))

    def environment(self, **more):
        return plain_environment(DBGUARD_SERVER=self.service.url, DBGUARD_SERVER_CA=self.service.ca, DBGUARD_AUDIENCE='dbguard.acme.example', **self.issuer.github_environment(), **more)

    def doctor(self, role, *args, **more):
        r = dbguard('doctor', '--json', '--db', 'shop', '--role', role, *args, env=self.environment(**more))
        document = json.loads(r.stdout)
        return r.returncode, {(c['group'], c['name']): c for c in document['checks']}, document['sql']

    def run_psql(self, role, sql):
        r = dbguard('run', '--db', 'shop', '--role', role, '--', 'psql', '-XqAtc', sql, env=self.environment())
        return r.stdout.strip()

    def test_what_a_reader_holds_and_what_closes_the_rest(self):
        self.postgres.sql('GRANT DELETE ON customers TO app_ro; CREATE ROLE everybody_reads; GRANT pg_read_all_data TO everybody_reads; GRANT everybody_reads TO app_ro', 'shop')
        code, checks, sql = self.doctor('tester')
        self.assertEqual(code, 0, checks)
        self.assertIn('with a role of its own', checks['session', 'open']['text'])
        self.assertEqual(checks['session', 'end']['state'], 'ok')
        self.assertEqual(self.service.roles_in_server(), [], 'the session is over')
        self.assertRegex(checks['database', 'login']['text'], 'as dbguard_.*, working as app_ro')
        self.assertIn('app_ro in shop, by what the policy opens to tester', checks['lock', 'judged for']['text'])
        for name in ('attributes', 'other roles', 'ownership', 'settings'):
            self.assertEqual(checks['lock', name]['state'], 'ok', checks['lock', name])
        for name in ('predefined roles', 'writing', 'database', 'statistics'):
            self.assertEqual(checks['lock', name]['state'], 'warn', checks['lock', name])
        self.assertEqual(checks['lock', 'masked columns']['state'], 'note')
        self.assertNotIn('dbguard_', ' '.join(line for line in sql if 'SCHEMA' not in line), 'nothing is said to a role that is gone')
        self.assertEqual(self.doctor('tester', '--strict')[0], 1)
        self.postgres.sql('\n'.join(sql), 'shop')
        _, checks, sql = self.doctor('tester')
        self.assertEqual(([n for n, c in checks.items() if n[0] == 'lock' and c['state'] == 'warn'], sql), ([], []))
        self.assertEqual(self.run_psql('tester', 'SELECT name, email FROM customers ORDER BY id'), 'Ada|a***@e***.com\nGrace|g***@e***.com')

    def test_a_migrator_may_own_and_create(self):
        _, checks, sql = self.doctor('migrator')
        for name in ('ownership', 'schemas', 'database', 'writing'):
            self.assertEqual(checks['lock', name]['state'], 'ok', checks['lock', name])
        self.assertNotIn('customers', ' '.join(sql))

    def test_what_goes_wrong_is_said(self):
        code, checks, _ = self.doctor('nobody')
        self.assertEqual((code, checks['session', 'open']['state']), (1, 'fail'))
        self.assertIn('nobody', checks['session', 'open']['text'])
        for args in (['--db', 'shop', '--db-url', 'postgresql://x@127.0.0.1/y'], ['--db', 'shop', '--policy', 'x.yaml']):
            r = dbguard('doctor', *args, env=self.environment())
            self.assertEqual((r.returncode, r.stdout), (64, ''))
        r = dbguard('doctor', '--db', 'shop', env=plain_environment())
        self.assertEqual(r.returncode, 64)
        self.assertIn('--server', r.stderr)
        # A URL that is there for `run` is no contradiction.
        self.assertEqual(self.doctor('migrator', DBGUARD_DB_URL='postgresql://x@127.0.0.1/y')[1]['session', 'open']['state'], 'ok')


if __name__ == '__main__':
    main()
