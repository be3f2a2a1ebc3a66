#!/usr/bin/env python3
"""`dbguard doctor --db-url … --policy … --role …`: what the database's own privileges hold and do not hold, and that the statements it
prints close what they are said to close, while what the policy opens goes on working. One case a hole, and one with all of them at once."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from dbguard_test import Postgres, dbguard, main, plain_environment

READER = '      - allow: [read, tx, session.set]\n'
MASKS = '''    masks: pii
masks:
  pii:
    columns:
      - { column: "public.customers.email", with: email }
      - { column: "public.customers.note", with: "null" }
      - { column: "public.customers.income", with: redact }
'''
HOSTILE = 'we"ird\n; DROP TABLE customers; --\x1b[31m \\'


class Lock(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres().__enter__()
        cls.folder = tempfile.mkdtemp(prefix='dbguard-lock-')

    @classmethod
    def tearDownClass(cls):
        cls.postgres.__exit__()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def setUp(self):
        self.sql('DROP DATABASE IF EXISTS shop WITH (FORCE)', 'postgres')
        # Roles are the cluster's; what one case made must not help or hurt the next.
        self.sql("DO $$ DECLARE r text; BEGIN FOR r IN SELECT rolname FROM pg_roles WHERE oid >= 16384 AND rolname <> 'app' LOOP EXECUTE format('DROP ROLE %I', r); END LOOP; END $$", 'postgres')
        self.sql('DO $$ DECLARE p text; BEGIN FOR p IN SELECT parname FROM pg_parameter_acl LOOP EXECUTE format($f$REVOKE ALL ON PARAMETER %s FROM app$f$, p); END LOOP; END $$', 'postgres')
        self.sql('DROP ROLE IF EXISTS app', 'postgres')
        self.sql('CREATE DATABASE shop', 'postgres')
        self.sql("CREATE ROLE app LOGIN PASSWORD 'app pw' CONNECTION LIMIT 5", 'postgres')
        self.sql('''
            REVOKE CREATE ON SCHEMA public FROM PUBLIC;
            CREATE TABLE customers (id int PRIMARY KEY, name text, email text, note text, income numeric(10,2), pin_secret text);
            INSERT INTO customers VALUES (1, 'Ada', 'ada@example.com', 'likes tea', 10, '1234');
            CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int, total int);
            CREATE SCHEMA auth; CREATE TABLE auth.users (id int, password text); INSERT INTO auth.users VALUES (1, 'hunter2');
            ''')

    def sql(self, text, database='shop'):
        return self.postgres.sql(text, database)

    def as_app(self, text, user='app', password='app pw', check=True):
        r = subprocess.run([self.postgres.bin + '/psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', str(self.postgres.port), '-U', user, '-d', 'shop', '-c', text],
                           capture_output=True, text=True, env=plain_environment(PGPASSWORD=password, PGSSLMODE='disable'))
        if check:
            self.assertEqual(r.returncode, 0, text + '\n' + r.stderr)
        return r.stdout.strip() if check else r

    def refused(self, text, **kw):
        r = self.as_app('BEGIN READ WRITE; ' + text, check=False, **kw)
        self.assertIn('permission denied', r.stderr, text + '\n' + r.stdout)

    def write_policy(self, rules=READER, masks='', more=''):
        path = os.path.join(self.folder, 'policy.yaml')
        with open(path, 'w') as f:
            f.write('dbguard: 1\npolicy: shop\nidentities:\n  ci: { issuer: "https://issuer.example", audience: dbguard, claims: { repository_id: "1" } }\nroles:\n%s'
                    '  tester:\n    for: ci\n    databases: shop\n    login: app\n    rules:\n%s%s' % (more, rules, masks))
        return path

    def doctor(self, *args, user='app', password='app pw', role='tester', policy=True):
        named = ['--policy', os.path.join(self.folder, 'policy.yaml'), '--role', role] if policy else []
        r = dbguard('doctor', '--json', '--db-url', self.postgres.url('shop', user=user, password=password), *named, *args, env=plain_environment())
        document = json.loads(r.stdout)
        checks = {c['name']: c for c in document['checks'] if c['group'] == 'lock'}
        self.assertNotIn('catalogue', checks, checks.get('catalogue'))
        self.code = r.returncode
        return checks, document['sql']

    def paste(self, lines, user=None):
        """As a person would: the whole text into psql."""
        r = subprocess.run([self.postgres.bin + '/psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', self.postgres.folder, '-p', str(self.postgres.port), '-U', self.postgres.superuser, '-d', 'shop'],
                           input='\n'.join(lines) + '\n', capture_output=True, text=True, env=plain_environment())
        self.assertEqual((r.returncode, r.stderr), (0, ''), '\n'.join(lines))

    def states(self, checks, state='warn'):
        return sorted(name for name, check in checks.items() if check['state'] == state)

    def closes(self, names, **kw):
        """These are open, the printed statements close them, and nothing is printed any more."""
        checks, sql = self.doctor(**kw)
        for name in names:
            self.assertIn(name, self.states(checks), json.dumps(checks, indent=1))
        self.assertNotEqual(sql, [])
        self.paste(sql)
        after, left = self.doctor(**kw)
        self.assertEqual(self.states(after), [], json.dumps(after, indent=1))
        self.assertEqual(left, [])
        return checks, sql

    def test_a_narrow_login_is_told_so(self):
        self.write_policy()
        self.sql('GRANT SELECT ON customers, orders TO app; REVOKE USAGE ON SCHEMA auth FROM PUBLIC')
        checks, sql = self.doctor()
        for name in ('attributes', 'predefined roles', 'other roles', 'ownership', 'reading', 'writing', 'denied columns', 'masked columns', 'schemas', 'definer routines', 'untrusted routines',
                     'foreign data', 'large objects', 'server'):
            self.assertEqual(checks[name]['state'], 'ok', checks[name])
        # PostgreSQL itself gives these to PUBLIC: nobody who makes a role can leave them out.
        self.assertEqual(self.states(checks), ['database', 'making large objects'])
        self.assertIn('PUBLIC', checks['database']['text'])
        self.assertIn('REVOKE TEMPORARY ON DATABASE "shop" FROM PUBLIC;', sql)
        self.closes(['database', 'making large objects'])
        self.refused('CREATE TEMP TABLE t (id int)')
        self.refused('SELECT lo_create(0)')
        self.assertEqual(self.as_app('SELECT name FROM customers'), 'Ada')
        self.assertEqual(self.as_app('SHOW default_transaction_read_only'), 'on')

    def test_exit_codes(self):
        self.write_policy()
        self.doctor()
        self.assertEqual(self.code, 0, 'a lock that is open works')
        self.doctor('--strict')
        self.assertEqual(self.code, 1)
        self.closes([])
        self.doctor('--strict')
        self.assertEqual(self.code, 1, 'a connection without TLS is still a warning of the database')

    def test_nothing_is_changed_by_looking(self):
        self.write_policy(masks=MASKS)
        self.sql('ALTER ROLE app CREATEDB; GRANT ALL ON customers TO app')
        # Every catalogue row that was ever written has another xmin.
        look = lambda: self.sql("SELECT md5(string_agg(concat(c.xmin, c.relacl), ',' ORDER BY c.oid)) FROM pg_class c") + self.sql('SELECT md5(string_agg(concat(xmin, r), $$,$$ ORDER BY oid)) FROM pg_authid r')  # noqa: E731
        before = look()
        self.doctor()
        self.assertEqual(look(), before)
        # Even where the login's own default were to write.
        self.sql('ALTER ROLE app SET default_transaction_read_only = off')
        self.doctor()

    def test_attributes(self):
        self.write_policy()
        self.sql('ALTER ROLE app CREATEROLE CREATEDB REPLICATION BYPASSRLS; GRANT SELECT ON customers TO app')
        checks, sql = self.closes(['attributes'])
        self.assertIn('ALTER ROLE "app" NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;', sql)
        self.refused('CREATE ROLE x')
        self.assertEqual(self.as_app('SELECT count(*) FROM customers'), '1')

    def test_a_superuser_becomes_an_ordinary_login_that_can_still_work(self):
        self.write_policy('      - allow: [read, tx, write.insert]\n      - deny: read\n        of: ["auth.*", "*.*.*_secret"]\n')
        self.sql('ALTER ROLE app SUPERUSER')
        checks, _ = self.closes(['attributes', 'denied columns'])
        self.assertIn('nothing in the database holds', checks['attributes']['text'])
        self.assertEqual(self.as_app('SELECT id, name, email FROM customers'), '1|Ada|ada@example.com')
        self.as_app('INSERT INTO orders (customer, total) VALUES (1, 5)')
        self.refused('SELECT pin_secret FROM customers')
        self.refused('SELECT * FROM auth.users')
        self.refused('DELETE FROM orders')
        self.assertIn('must be owner', self.as_app('DROP TABLE orders', check=False).stderr)

    def test_the_first_superuser_cannot_be_made_less_and_gets_a_login_beside_it(self):
        self.write_policy()
        checks, sql = self.doctor(user=self.postgres.superuser, password=self.postgres.password)
        self.assertEqual(checks['attributes']['state'], 'warn')
        self.paste(sql)
        self.sql("ALTER ROLE dbguard_shop PASSWORD 'another'")
        after, left = self.doctor(user='dbguard_shop', password='another')
        self.assertEqual((self.states(after), left), ([], []), after)
        self.assertEqual(self.as_app('SELECT name FROM customers', user='dbguard_shop', password='another'), 'Ada')
        self.refused('DELETE FROM customers', user='dbguard_shop', password='another')

    def test_predefined_roles(self):
        self.write_policy('      - allow: [read, tx, session.set]\n      - deny: read\n        of: "auth.*"\n')
        self.sql('GRANT pg_read_all_data, pg_write_all_data, pg_monitor, pg_read_server_files, pg_write_server_files, pg_execute_server_program, pg_signal_backend TO app')
        checks, sql = self.closes(['predefined roles'])
        for name in ('pg_read_all_data', 'pg_execute_server_program'):
            self.assertIn('REVOKE "%s" FROM "app"' % name, '\n'.join(sql))
        self.assertEqual(self.as_app('SELECT name, email FROM customers'), 'Ada|ada@example.com', 'what the policy opens was granted instead')
        self.refused('SELECT * FROM auth.users')
        self.refused("SELECT pg_read_file('PG_VERSION')")
        self.assertIn('ERROR', self.as_app("COPY orders TO PROGRAM 'true'", check=False).stderr)

    def test_a_predefined_role_that_the_policy_opens_stays(self):
        self.write_policy('      - allow: [read, tx, server]\n')
        self.sql('GRANT pg_monitor TO app')
        checks, sql = self.doctor()
        self.assertEqual(checks['predefined roles']['state'], 'ok')
        self.assertNotIn('pg_monitor', '\n'.join(sql))

    def test_roles_that_SET_ROLE_leads_to(self):
        self.write_policy()
        self.sql('CREATE ROLE readers; CREATE ROLE boss CREATEROLE; CREATE ROLE hidden; GRANT readers TO app; GRANT boss TO readers; GRANT SELECT ON customers TO readers; GRANT INSERT ON orders TO boss')
        checks, sql = self.closes(['other roles', 'writing'])
        self.assertIn('boss', checks['other roles']['text'])
        self.assertEqual(self.as_app('SELECT name FROM customers'), 'Ada', 'a group that only gives what is open stays')
        self.assertIn('permission denied', self.as_app('SET ROLE boss', check=False).stderr)

    def test_a_role_without_inheritance_may_still_become_another(self):
        self.write_policy()
        self.sql('ALTER ROLE app NOINHERIT; CREATE ROLE writer; GRANT writer TO app; GRANT DELETE ON customers TO writer; GRANT SELECT ON customers TO app')
        self.closes(['other roles'])
        self.assertIn('permission denied', self.as_app('SET ROLE writer', check=False).stderr)

    def test_ownership_goes_to_a_role_that_nobody_logs_in_as(self):
        self.write_policy('      - allow: [read, tx, write.insert, write.update]\n')
        self.sql('''ALTER TABLE orders OWNER TO app; ALTER SCHEMA auth OWNER TO app; ALTER DATABASE shop OWNER TO app;
                    CREATE VIEW v AS SELECT id, customer FROM orders; ALTER VIEW v OWNER TO app;
                    CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() OWNER TO app; GRANT SELECT, INSERT, UPDATE ON customers TO app''')
        checks, sql = self.closes(['ownership'])
        for thing in ('database shop', 'schema auth', 'table public.orders'):
            self.assertIn(thing, checks['ownership']['text'])
        self.as_app('INSERT INTO orders (customer, total) VALUES (1, 5); UPDATE orders SET total = 6 WHERE customer = 1')
        self.assertEqual(self.as_app('SELECT o.total, v.customer FROM orders o JOIN v ON v.id = o.id'), '6|1')
        self.assertIn('must be owner', self.as_app('ALTER TABLE orders ADD x int', check=False).stderr)
        self.assertEqual(self.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'"), 'app_owner')

    def test_what_a_migration_changes_it_may_own(self):
        self.write_policy('      - allow: [read, tx, write, ddl]\n      - deny: ddl\n        of: "auth.*"\n')
        self.sql('ALTER TABLE orders OWNER TO app; ALTER TABLE auth.users OWNER TO app; GRANT ALL ON SCHEMA public TO app; GRANT USAGE ON SCHEMA auth TO app')
        checks, _ = self.closes(['ownership'])
        self.assertNotIn('orders', checks['ownership']['text'])
        self.as_app('ALTER TABLE orders ADD COLUMN x int; CREATE TABLE made (id int)')
        self.assertIn('must be owner', self.as_app('ALTER TABLE auth.users ADD x int', check=False).stderr)
        self.assertEqual(self.as_app('SELECT password FROM auth.users'), 'hunter2')

    def test_ownership_through_a_group(self):
        self.write_policy()
        self.sql('CREATE ROLE owners; ALTER TABLE orders OWNER TO owners; GRANT owners TO app')
        self.closes(['ownership'])
        self.assertEqual(self.as_app('SELECT count(*) FROM orders'), '0')
        self.refused('DELETE FROM orders')

    def test_writing_that_no_rule_opens(self):
        self.write_policy('      - allow: [read, tx, write.insert]\n      - allow: write.update\n        of: "public.orders"\n        when: { where: present }\n')
        self.sql('''GRANT ALL ON customers, orders TO app; GRANT ALL ON SEQUENCE orders_id_seq TO app; GRANT UPDATE (name) ON customers TO PUBLIC; CREATE ROLE other;
                    GRANT DELETE ON orders TO other WITH GRANT OPTION; SET ROLE other; GRANT DELETE ON orders TO app; RESET ROLE''')
        checks, sql = self.closes(['writing'])
        self.as_app("INSERT INTO orders (customer, total) VALUES (1, 5); UPDATE orders SET total = 7 WHERE customer = 1; INSERT INTO customers (id, name) VALUES (2, 'Grace')")
        for text in ('DELETE FROM orders', 'TRUNCATE orders', "UPDATE customers SET name = ''"):
            self.refused(text)

    def test_columns_that_the_policy_denies(self):
        self.write_policy('      - allow: [read, tx, write.update]\n      - deny: read\n        of: ["*.*.*_secret", "auth.*"]\n')
        self.sql('GRANT SELECT ON customers TO app; GRANT SELECT (password) ON auth.users TO app; GRANT USAGE ON SCHEMA auth TO app; CREATE VIEW cards AS SELECT id, pin_secret AS pin FROM customers; GRANT SELECT ON cards TO app')
        checks, _ = self.closes(['denied columns'])
        self.assertIn('public.customers.pin_secret', checks['denied columns']['text'])
        self.assertIn('public.cards.pin', checks['denied columns']['text'], 'a view reads with its owner\'s rights')
        self.assertEqual(self.as_app('SELECT id, name, email FROM customers; SELECT count(*) FROM customers; SELECT id FROM cards').split(), ['1|Ada|ada@example.com', '1', '1'])
        self.refused('SELECT pin_secret FROM customers')
        self.refused('SELECT pin FROM cards')
        self.refused('SELECT password FROM auth.users')

    def test_masked_columns_and_the_views_that_give_null(self):
        self.write_policy(masks=MASKS)
        self.sql('GRANT SELECT ON customers TO app; ANALYZE customers')
        checks, sql = self.closes(['statistics'])
        self.assertIn('public.customers.email', checks['masked columns']['text'])
        self.assertEqual(checks['masked columns']['state'], 'note')
        self.assertIn('public.customers.note', checks['null columns']['text'])
        self.assertIn('public.customers.income', checks['null columns']['text'], 'redact makes NULL of a number')
        self.assertEqual(self.as_app('SELECT id, name, email FROM customers'), '1|Ada|ada@example.com', 'unqualified work finds the view')
        self.assertEqual(self.as_app('SELECT note, income FROM customers'), '|')
        self.assertEqual(self.as_app('SELECT pg_typeof(note), pg_typeof(income) FROM customers'), 'text|numeric')
        self.refused('SELECT note FROM public.customers')
        self.refused('SELECT * FROM pg_stats')
        after, _ = self.doctor()
        self.assertEqual(after['null columns']['state'], 'ok')

    def test_schemas_and_the_database(self):
        self.write_policy('      - allow: [read, tx]\n      - deny: read\n        of: "auth.*"\n')
        self.sql('GRANT USAGE, CREATE ON SCHEMA auth TO app; GRANT CREATE ON SCHEMA public TO app; GRANT CREATE ON DATABASE shop TO app; GRANT SELECT ON customers TO app')
        self.closes(['schemas', 'database'])
        self.refused('CREATE TABLE t (id int)')
        self.refused('CREATE SCHEMA s')
        self.assertEqual(self.as_app('SELECT name FROM customers'), 'Ada')

    def test_temporary_tables_stay_where_a_rule_opens_them(self):
        self.write_policy('      - allow: [read, tx, write]\n      - allow: ddl.create\n        of: "pg_temp.*"\n')
        checks, _ = self.doctor()
        self.assertEqual(checks['database']['state'], 'ok')

    def test_routines(self):
        self.write_policy('      - allow: [read, tx]\n      - allow: call\n        when: { function: "public.good_*" }\n')
        self.sql('''CREATE FUNCTION good_definer(int) RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
                    CREATE FUNCTION bad_definer(text, VARIADIC "char"[]) RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
                    CREATE PROCEDURE bad_procedure() SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
                    CREATE FUNCTION plain() RETURNS int LANGUAGE sql AS 'SELECT 1';
                    CREATE FUNCTION untrusted(float8) RETURNS float8 LANGUAGE internal AS 'dsin' ''')
        checks, _ = self.closes(['definer routines', 'untrusted routines'])
        self.assertNotIn('good_definer', checks['definer routines']['text'])
        self.assertEqual(self.as_app('SELECT good_definer(1), plain()'), '1|1')
        for text in ("SELECT bad_definer('x', VARIADIC NULL)", 'CALL bad_procedure()', 'SELECT untrusted(1)'):
            self.refused(text)

    def test_extensions_and_foreign_servers(self):
        if self.sql("SELECT count(*) FROM pg_available_extensions WHERE name IN ('dblink', 'postgres_fdw', 'file_fdw')") != '3':
            self.skipTest('the server has no contrib extensions')
        self.write_policy()
        self.sql('''CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw; CREATE EXTENSION file_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
                    GRANT USAGE ON FOREIGN SERVER elsewhere TO app; GRANT USAGE ON FOREIGN DATA WRAPPER file_fdw TO PUBLIC''')
        checks, _ = self.closes(['untrusted routines', 'foreign data'])
        self.assertIn('dblink', checks['untrusted routines']['text'])
        self.refused("SELECT dblink_connect('host=127.0.0.1')")

    def test_large_objects(self):
        self.write_policy()
        number = self.sql("SELECT lo_from_bytea(0, 'secret')")
        self.sql('GRANT SELECT, UPDATE ON LARGE OBJECT %s TO app; ALTER DATABASE shop SET lo_compat_privileges = on' % number)
        self.closes(['large objects'])
        self.refused('SELECT lo_get(%s)' % number)

    def test_what_the_server_keeps_for_administrators(self):
        self.write_policy()
        self.sql('GRANT EXECUTE ON FUNCTION pg_read_file(text) TO app; GRANT SELECT ON pg_authid TO app; GRANT SET ON PARAMETER log_statement TO app')
        checks, _ = self.closes(['server'])
        for name in ('pg_read_file', 'pg_authid', 'log_statement'):
            self.assertIn(name, checks['server']['text'])
        self.refused('SELECT rolpassword FROM pg_authid')

    def test_tables_made_later(self):
        self.write_policy()
        self.sql('ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT, SELECT ON TABLES TO app')
        self.closes(['future tables'])
        self.sql('CREATE TABLE later (id int)')
        self.assertEqual(self.as_app('SELECT count(*) FROM later'), '0')
        self.refused('INSERT INTO later VALUES (1)')

    def test_roles_that_share_a_login_are_judged_together(self):
        self.write_policy(more='  writer:\n    for: ci\n    databases: shop\n    login: app\n    rules:\n      - allow: [write.insert, tx]\n')
        self.sql('GRANT SELECT, INSERT, DELETE ON orders TO app')
        checks, sql = self.closes(['writing'])
        self.assertIn('tester, writer', checks['judged for']['text'])
        self.as_app('INSERT INTO orders (customer, total) VALUES (1, 5)')
        self.refused('DELETE FROM orders')

    def test_hostile_names(self):
        quoted = '"' + HOSTILE.replace('"', '""') + '"'
        self.write_policy('      - allow: [read, tx]\n      - deny: read\n        of: "*.*.*_secret"\n')
        self.sql('CREATE SCHEMA %s; CREATE TABLE %s.%s (id int, %s int, a_secret int); CREATE ROLE %s; GRANT %s TO app' % (quoted, quoted, quoted, quoted, quoted, quoted))
        self.sql('GRANT ALL ON SCHEMA %s TO %s; GRANT ALL ON %s.%s TO %s; GRANT DELETE ON customers TO %s; CREATE FUNCTION %s.%s(%s.%s) RETURNS int SECURITY DEFINER LANGUAGE sql AS $$SELECT 1$$'
                 % ((quoted,) * 10))
        self.sql('CREATE FUNCTION public.%s() RETURNS int SECURITY DEFINER LANGUAGE sql AS $$SELECT 1$$' % quoted)
        checks, sql = self.doctor()
        text = '\n'.join(sql)
        self.assertNotIn('\x1b', text)
        self.assertTrue(all('\n' not in line for line in sql), sql)
        self.paste(sql)
        self.assertEqual(self.sql('SELECT count(*) FROM customers'), '1', 'nothing of a name was run')
        self.refused('DELETE FROM customers')
        after, left = self.doctor()
        self.assertEqual((self.states(after), left), ([], []), after)
        plain = dbguard('doctor', '--db-url', self.postgres.url('shop', user='app', password='app pw'), '--policy', os.path.join(self.folder, 'policy.yaml'), '--role', 'tester', env=plain_environment())
        self.assertNotIn('\x1b', plain.stdout)

    def test_without_a_policy_what_no_policy_needs(self):
        self.sql('GRANT pg_execute_server_program, pg_read_all_data TO app; ALTER ROLE app CREATEDB; ALTER TABLE orders OWNER TO app')
        checks, sql = self.doctor(policy=False)
        for name in ('attributes', 'predefined roles', 'ownership'):
            self.assertEqual(checks[name]['state'], 'warn')
        self.assertEqual(checks['tables']['state'], 'note')
        text = '\n'.join(sql)
        self.assertIn('REVOKE "pg_execute_server_program"', text)
        self.assertNotIn('pg_read_all_data', text, 'who takes this away has to know what to grant instead')
        self.paste(sql)

    def test_everything_at_once(self):
        self.write_policy('      - allow: [read, tx, write.insert]\n      - deny: read\n        of: ["auth.*", "*.*.*_secret"]\n', MASKS)
        self.sql('''CREATE ROLE boss SUPERUSER; GRANT boss, pg_read_all_data, pg_execute_server_program TO app; ALTER ROLE app CREATEROLE;
                    ALTER TABLE orders OWNER TO app; GRANT ALL ON customers, auth.users TO app; GRANT ALL ON SCHEMA public, auth TO app; GRANT ALL ON DATABASE shop TO app;
                    CREATE FUNCTION definer() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1'; GRANT SELECT ON pg_authid TO app''')
        checks, _ = self.closes(['attributes', 'predefined roles', 'other roles', 'ownership', 'writing', 'denied columns', 'schemas', 'database', 'definer routines', 'statistics', 'server'])
        self.as_app("INSERT INTO orders (customer, total) VALUES (1, 5); INSERT INTO customers (id, name) VALUES (2, 'Grace')")
        self.assertEqual(self.as_app('SELECT id, name, email FROM customers ORDER BY id; SELECT total FROM orders').split(), ['1|Ada|ada@example.com', '2|Grace|', '5'])
        for text in ('SELECT pin_secret FROM customers', 'DELETE FROM customers', 'SELECT * FROM auth.users', 'SELECT definer()', 'CREATE TABLE t (id int)'):
            self.refused(text)

    def test_text_for_people_can_be_pasted(self):
        self.write_policy()
        self.sql('GRANT DELETE ON orders TO app')
        r = dbguard('doctor', '--db-url', self.postgres.url('shop', user='app', password='app pw'), '--policy', os.path.join(self.folder, 'policy.yaml'), '--role', 'tester', env=plain_environment())
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertIn('\nlock\n', r.stdout)
        block = r.stdout[r.stdout.index('\nBEGIN;\n') + 1:r.stdout.rindex('COMMIT;') + 7]
        self.paste(block.split('\n'))
        self.refused('DELETE FROM orders')


if __name__ == '__main__':
    main()
