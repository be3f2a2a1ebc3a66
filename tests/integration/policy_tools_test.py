#!/usr/bin/env python3
"""`policy diff` and `policy suggest` on what the program itself recorded before a real PostgreSQL: what they say is held against
what a session under that policy then does."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, dbguard, main, plain_environment  # noqa: E402
from dbguard_proxy import HEAD, Proxy  # noqa: E402
from postgres_wire import Wire, bind, error, execute, parse, sync  # noqa: E402

DDL = '''CREATE TABLE customers (id int PRIMARY KEY, name text, email text, born date);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, total int, note text);
CREATE TABLE secrets (id int, token text);
CREATE VIEW big_orders AS SELECT * FROM orders WHERE total > 10;
CREATE FUNCTION tax(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN $1 / 5; END $$;
INSERT INTO customers SELECT i, 'n' || i, 'c' || i || '@example.com', '1990-01-01' FROM generate_series(1, 50) i;
INSERT INTO orders SELECT i, i % 50 + 1, i, 'note' FROM generate_series(1, 200) i;
'''

ROLE = '''  tester:
    for: local
    databases: postgres
    login: postgres
    limits: { rows: 100000 }
    rules:
%s%s'''
EVERYTHING = '      - allow: [read, write, ddl, tx, session, call, lock, bulk, notify]\n'
MASKED = '''    masks: pii
masks:
  pii:
    columns:
      - { column: [public.customers.email, public.customers.born], with: redact }
    filter: equality
'''

WORK = [
    "SELECT id, name FROM customers WHERE id = 1", "SELECT id, name FROM customers WHERE id = 2", "select * from orders where id in (1, 2, 3)",
    "SELECT c.name, sum(o.total) FROM customers c JOIN orders o ON o.customer = c.id GROUP BY 1 ORDER BY 2 DESC LIMIT 3",
    "SELECT count(*) FROM big_orders", "INSERT INTO orders (id, customer, total) VALUES (1001, 1, 5), (1002, 2, 6)", "UPDATE orders SET total = 7 WHERE id = 1001",
    "DELETE FROM orders WHERE id = 1002", "SELECT email FROM customers WHERE email = 'c1@example.com'", "INSERT INTO customers (id, name, email) VALUES (100, 'x', 'x@example.com')",
    "SELECT tax(total) FROM orders WHERE id = 1", "SET application_name = 'work'", "SHOW application_name", "SELECT 1", "SELECT version()",
    "SELECT relname FROM pg_class WHERE relname = 'orders'", "BEGIN", "SELECT note FROM orders WHERE id = 5 FOR UPDATE", "COMMIT", "CREATE TEMP TABLE t (a int)", "INSERT INTO t VALUES (1)",
    "SELECT a FROM t", "COPY (SELECT id FROM orders) TO STDOUT", "SELECT id FROM orders ORDER BY id LIMIT 5 OFFSET 2", "WITH o AS (SELECT total FROM orders WHERE total > 3) SELECT max(total) FROM o",
    "EXPLAIN SELECT * FROM orders", "SELECT born FROM customers LIMIT 1", "NOTIFY news, 'a'", "SELECT coalesce(note, 'none') FROM orders WHERE note LIKE 'n%' LIMIT 1",
]


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.dir = tempfile.mkdtemp(prefix='dbguard-tools-')
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.fresh()
        cls.schema = os.path.join(cls.dir, 'schema.sql')
        dump = subprocess.run([cls.postgres.bin + '/pg_dump', '--schema-only', cls.postgres.url()], check=True, capture_output=True, text=True, env=plain_environment()).stdout
        pathlib.Path(cls.schema).write_text(dump)

    @classmethod
    def fresh(cls):
        cls.postgres.sql('DROP SCHEMA public CASCADE; CREATE SCHEMA public; ' + DDL)

    def policy(self, name, roles):
        path = os.path.join(self.dir, name)
        pathlib.Path(path).write_text(HEAD % 'postgres' + roles)
        return path

    def run_all(self, roles, name, role='tester'):
        """Every statement of WORK in one session each way, simple and extended; -> those refused; the recording is kept as NAME"""
        self.fresh()
        refused = []
        with Proxy(self.postgres, roles, role=role) as proxy:
            wire = Wire(proxy.url)
            try:
                for sql in WORK:
                    answer = wire.query(sql)
                    if error(answer):
                        refused.append((sql, error(answer)))
                wire.query('ROLLBACK')
                for sql in WORK[:5]:
                    wire.send(parse('', sql), bind('', ''), execute(''), sync)
                    answer = wire.until_ready()
                    if error(answer):
                        refused.append((sql, error(answer)))
            finally:
                wire.close()
            proxy.stop()
            folder = os.path.join(self.dir, name)
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder)
            shutil.copy(proxy.ready['recording'], folder)
            shutil.copy(proxy.policy, os.path.join(self.dir, name + '.yaml'))
        return refused

    def tool(self, *args, code=0):
        r = dbguard('policy', *args)
        self.assertEqual(r.returncode, code, r.stdout + r.stderr)
        return r

    def draft(self, rules):
        """-> the draft from WORK done under these rules, and what is refused when its own rules hold"""
        self.assertEqual(self.run_all(ROLE % (rules, ''), 'open'), [])
        r = self.tool('suggest', '--from', os.path.join(self.dir, 'open'), '--schema', self.schema)
        path = os.path.join(self.dir, 'draft.yaml')
        pathlib.Path(path).write_text(r.stdout)
        self.assertNotIn('error', self.tool('lint', path).stdout)
        return r.stdout

    def test_a_draft_from_a_session_that_knew_no_catalogue(self):
        # No rule goes by name, so names were recorded as they were typed; those of temporary tables no schema tells.
        draft = self.draft(EVERYTHING)
        roles = draft[draft.index('\nroles:\n') + len('\nroles:\n'):].replace('for: recorded', 'for: local')
        self.assertIn('function: [public.tax]', draft)
        self.assertEqual({sql for sql, _ in self.run_all(roles, 'drafted')}, {'INSERT INTO t VALUES (1)', 'SELECT a FROM t'})

    def test_a_draft_from_traffic_lets_the_same_traffic_through(self):
        draft = self.draft(EVERYTHING + '      - deny: read\n        of: public.nothing\n        why: So that names are looked up.\n')
        self.assertNotIn('NOT OPENED', draft)
        # The same session under the draft's own rules: nothing of it is refused, and something else is.
        roles = draft[draft.index('\nroles:\n') + len('\nroles:\n'):].replace('for: recorded', 'for: local')
        self.assertEqual(self.run_all(roles, 'drafted'), [])
        with Proxy(self.postgres, roles) as proxy:
            wire = Wire(proxy.url)
            for sql in ('SELECT token FROM secrets', 'DELETE FROM orders', 'UPDATE customers SET name = NULL WHERE id = 1', 'DROP TABLE orders', 'SET search_path = a'):
                self.assertEqual(error(wire.query(sql))['C'], '42501', sql)
            wire.close()

    def test_a_diff_says_what_the_other_policy_then_does(self):
        old = ROLE % (EVERYTHING, MASKED)
        self.assertEqual(self.run_all(old, 'old'), [])
        for name, rules in (('reads', '      - allow: [read, tx, session]\n'), ('orders', EVERYTHING + '      - deny: read\n        of: public.orders.note\n'),
                            ('writes', EVERYTHING + '      - deny: [write, ddl]\n        of: ["public.*"]\n'), ('code', EVERYTHING + '      - deny: [call, bulk]\n'),
                            ('unlimited', EVERYTHING + '      - deny: read\n        when: { limit: missing }\n')):
            new = self.policy('new-%s.yaml' % name, ROLE % (rules, MASKED))
            found = json.loads(self.tool('diff', os.path.join(self.dir, 'old.yaml'), new, '--against', os.path.join(self.dir, 'old'), '--schema', self.schema, '--json').stdout)
            refused = self.run_all(ROLE % (rules, MASKED), 'new')
            # Whoever is refused inside a transaction loses the rest of it, which no diff can know.
            by_rule = [sql for sql, e in refused if e['C'] == '42501']
            undecided = sum(u['count'] for u in found['undecided'])
            said = found['counts']['newly_denied']
            self.assertGreaterEqual(len(by_rule), 1, name)
            self.assertLessEqual(abs(said - len(by_rule)), undecided, (name, found, by_rule))
            self.assertLessEqual(undecided, 4, found['undecided'])
            self.assertEqual(found['counts']['newly_allowed'], 0)

    def test_masks_that_change(self):
        self.assertEqual(self.run_all(ROLE % (EVERYTHING, MASKED), 'old'), [])
        new = self.policy('new-masks.yaml', ROLE % (EVERYTHING, MASKED.replace('public.customers.born]', 'public.customers.born, public.customers.name]').replace('equality', 'deny')))
        found = json.loads(self.tool('diff', os.path.join(self.dir, 'old.yaml'), new, '--against', os.path.join(self.dir, 'old'), '--schema', self.schema, '--json').stdout)
        changes = [(c['change'], c['sql']) for c in found['changes']]
        self.assertIn(('masked_otherwise', 'select id, name from customers where id = ?'), changes)
        self.assertIn(('newly_denied', 'select email from customers where email = ?'), changes)


main()
