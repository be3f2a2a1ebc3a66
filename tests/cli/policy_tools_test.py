#!/usr/bin/env python3
"""`dbguard policy test`, `diff`, `suggest` and `lint --schema`, on files and recordings that this script writes itself."""
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import unittest
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from dbguard_test import SOURCE, dbguard, main  # noqa: E402

SHOP = '''\\connect shop
CREATE TABLE customers (id int PRIMARY KEY, name text, email text, phone text, ssn text);
CREATE TABLE orders (id int, customer int REFERENCES customers, total int);
CREATE SCHEMA auth;
CREATE TABLE auth.users (id int, password text);
'''

SUITE = '''suite: feature tests stay read-only
policy: ../shop-feature-tests.yaml
now: 2026-11-20T10:00:00Z
schema: fixtures/shop.sql
as: { role: tester, database: shop_staging, claims: { repository_id: "990017" } }
cases:
  - sql: SELECT id, email FROM customers WHERE email = $1
    params: [a@b.example]
    expect: { verdict: allow, masks: { email: email } }
  - sql: SELECT upper(email) FROM customers
    expect: { verdict: deny, rule: "masks.pii.derived" }
  - sql: "SELECT 1; DROP TABLE customers"
    expect: { verdict: deny, effect: ddl.drop }
  - sql: WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d
    expect: { verdict: deny, effect: write.delete }
  - claims: { repository_id: "666" }
    expect: { session: refused }
'''


class Files(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), 'w', encoding='utf-8') as f:
            f.write(text)
        return self.path(name)

    def shop(self):
        shutil.copy(SOURCE / 'tests/vectors/policy/feature-tests.yaml', self.path('shop-feature-tests.yaml'))
        self.write('tests/fixtures/shop.sql', SHOP)


class Test(Files):
    def suite(self, cases, head='suite: s\npolicy: ../shop-feature-tests.yaml\nschema: fixtures/shop.sql\nas: { role: tester, database: shop_staging }\ncases:\n'):
        self.shop()
        return self.write('tests/s.yaml', head + cases)

    def test_the_example_of_the_specification_passes(self):
        self.shop()
        r = dbguard('policy', 'test', self.write('tests/shop.yaml', SUITE))
        self.assertEqual((r.returncode, r.stdout, r.stderr), (0, '5 cases, 0 failed\n', ''))
        # A policy and a folder, as the manual has it; the fixture beside the suites is none.
        r = dbguard('policy', 'test', self.path('shop-feature-tests.yaml'), self.path('tests'))
        self.assertEqual((r.returncode, r.stdout), (0, '5 cases, 0 failed\n'), r.stderr)
        r = dbguard('policy', 'test', '-v', self.path('tests'))
        self.assertEqual(r.stdout.count('ok      '), 5)

    def test_a_failed_case_shows_what_was_expected_and_what_came(self):
        path = self.suite('''  - sql: SELECT upper(email) FROM customers
    expect: { verdict: allow, rule: "tester#1", masks: {} }
  - name: reads
    sql: [SELECT id FROM orders, SELECT email FROM customers]
    expect: { verdict: allow, masks: {}, effect: read.table, object: public.orders }
  - sql: DELETE FROM orders
    expect: { verdict: deny, effect: [write.delete, ddl], reason: nothing of the kind, fix: read a book, max_affected: 5 }
  - sql: SELECT 1
    claims: { repository_id: "666" }
    expect: { verdict: allow }
  - claims: { repository_id: "666" }
    expect: { session: admitted }
''')
        r = dbguard('policy', 'test', path)
        self.assertEqual((r.returncode, r.stderr), (4, ''))
        self.assertEqual(r.stdout.replace(path, 'S'), '''FAILED  S:6:5: SELECT upper(email) FROM customers
  verdict      expected allow, got deny
  rule         expected tester#1, got masks.pii.derived
  masks        expected none, got upper: null
  because      "upper" is computed from the masked column public.customers.email
  fix          Select email itself: it comes masked.
FAILED  S:8:5: reads: SELECT email FROM customers
  object       expected public.orders, got read.table public.customers allow
  masks        expected none, got email: email
FAILED  S:11:5: DELETE FROM orders
  effect       expected ddl deny, got write.delete public.orders deny
  reason       expected nothing of the kind, got no rule of role tester allows write.delete of public.orders without a WHERE clause
  fix          expected read a book, got Add a WHERE clause that names the rows.
  max_affected expected 5, got none
  because      no rule of role tester allows write.delete of public.orders without a WHERE clause
  fix          Add a WHERE clause that names the rows.
FAILED  S:13:5: SELECT 1
  session      expected admitted, got refused: no identity of the role is the caller's (shop-ci: repository_id)
FAILED  S:16:5: (session)
  session      expected admitted, got refused: no identity of the role is the caller's (shop-ci: repository_id)
6 cases, 5 failed
''')
        answer = json.loads(dbguard('policy', 'test', '--json', path).stdout)
        self.assertEqual((answer['cases'], answer['failed'], answer['problems']), (6, 5, []))
        self.assertEqual(answer['suites'][0]['cases'][0]['differences'][0], {'what': 'verdict', 'expected': 'allow', 'actual': 'deny'})
        self.assertTrue(answer['suites'][0]['cases'][1]['ok'])

    def test_rules_that_no_case_met_are_named_when_asked_for(self):
        path = self.suite('  - sql: SELECT id FROM orders\n    expect: { verdict: allow }\n')
        r = dbguard('policy', 'test', '--coverage', path)
        self.assertEqual((r.returncode, r.stdout), (0, 'untested tester#2\nuntested tester#3\n1 case, 0 failed\n'))
        self.assertEqual(json.loads(dbguard('policy', 'test', '--json', path).stdout)['untested'], ['tester#2', 'tester#3'])

    def test_the_time_of_day_is_the_suites(self):
        self.write('p.yaml', 'dbguard: 1\npolicy: p\nidentities: {}\nroles:\n  r:\n    for: x\n    databases: d\n    login: l\n    rules:\n'
                   '      - allow: read\n        when: { hours: "Mo-Fr 08:00-18:00" }\n')
        path = self.write('s.yaml', 'suite: s\npolicy: p.yaml\nas: { role: r }\nnow: 2026-11-20T10:00:00Z\ncases:\n  - { sql: SELECT 1, expect: { verdict: allow } }\n'
                          '  - { sql: SELECT 1, now: 2026-11-20T19:00:00Z, expect: { verdict: deny, rule: none } }\n  - { sql: SELECT 1, now: 2026-11-21T10:00:00Z, expect: { verdict: deny } }\n')
        r = dbguard('policy', 'test', path)
        self.assertEqual((r.returncode, r.stdout), (0, '3 cases, 0 failed\n'), r.stdout + r.stderr)

    def test_estimates_are_the_cases_own(self):
        self.write('p.yaml', 'dbguard: 1\npolicy: p\nidentities: {}\nroles:\n  r:\n    for: x\n    databases: d\n    login: l\n    rules:\n      - allow: read\n'
                   '      - deny: read\n        when: { estimated_rows: ">100" }\n')
        path = self.write('s.yaml', 'suite: s\npolicy: p.yaml\nas: { role: r }\ncases:\n  - { sql: SELECT 1, expect: { verdict: deny } }\n'
                          '  - { sql: SELECT 1, estimated_rows: 100, expect: { verdict: allow } }\n  - { sql: SELECT 1, estimated_rows: 101, expect: { verdict: deny, rule: "r#2" } }\n')
        r = dbguard('policy', 'test', path)
        self.assertEqual((r.returncode, r.stdout), (0, '3 cases, 0 failed\n'), r.stdout + r.stderr)

    def test_a_policy_on_the_command_line_is_tested_instead(self):
        self.shop()
        suite = self.write('tests/shop.yaml', SUITE)
        with open(self.path('shop-feature-tests.yaml')) as f:
            text = f.read()
        other = self.write('other.yaml', text.replace('allow: [read, tx]', 'allow: [tx]'))
        r = dbguard('policy', 'test', other, suite)
        self.assertEqual(r.returncode, 4, r.stdout)
        self.assertIn('5 cases, 2 failed', r.stdout)

    def test_files_that_cannot_be_used(self):
        self.shop()
        case = '  - { sql: SELECT 1, expect: { verdict: allow } }\n'
        for head, cases, message in (
                ('suite: s\nas: { role: tester }\ncases:\n', case, '1:1: error: no policy to test; add `policy:`'),
                ('suite: s\npolicy: none.yaml\nas: { role: tester }\ncases:\n', case, '2:9: error: the policy cannot be read: '),
                ('suite: s\npolicy: ../shop-feature-tests.yaml\nschema: none.sql\nas: { role: tester }\ncases:\n', case, '3:9: error: the schema cannot be used: '),
                ('suite: s\npolicy: ../shop-feature-tests.yaml\ncases:\n', case, '4:5: error: this case is in no role'),
                ('suite: s\npolicy: ../shop-feature-tests.yaml\nas: { role: testr }\ncases:\n', case, '3:5: error: the policy '),
                ('suite: s\npolicy: ../shop-feature-tests.yaml\nas: { role: tester }\ncases:\n', '  - { sql: SELECT 1, expect: { masks: {} } }\n', 'add `schema:` to the suite'),
                ('suite: s\npolicy: ../shop-feature-tests.yaml\nas: { role: tester }\ncases:\n', '  - { sql: "SELECT $2, \'$3\'", params: [a], expect: { verdict: allow } }\n',
                 '5:39: error: `params` gives 1 value, and the text asks for 2'),
                ('suite: s\npolicy: ../shop-feature-tests.yaml\ncase:\n', case, 'error: unknown key `case` in the suite; write `cases`')):
            path = self.write('tests/s.yaml', head + cases)
            r = dbguard('policy', 'test', path)
            self.assertEqual(r.returncode, 2, message + r.stdout)
            self.assertIn(message, r.stderr)
            self.assertIn('0 cases', r.stdout)
            answer = json.loads(dbguard('policy', 'test', '--json', path).stdout)
            self.assertIn(message, '\n'.join(answer['problems']))
        broken = self.write('broken.yaml', 'dbguard: 1\npolicy: p\nrols: {}\n')
        r = dbguard('policy', 'test', broken, self.write('tests/s.yaml', SUITE))
        self.assertEqual((r.returncode, 'unknown key `rols`' in r.stderr), (2, True))
        self.assertEqual(dbguard('policy', 'test', self.path('nothing')).returncode, 2)
        self.assertEqual(dbguard('policy', 'test', broken, self.path('shop-feature-tests.yaml'), self.path('tests')).returncode, 64)
        self.assertEqual(dbguard('policy', 'test').returncode, 64)

    def test_nothing_to_test_is_an_error(self):
        os.mkdir(self.path('empty'))
        r = dbguard('policy', 'test', self.path('empty'))
        self.assertEqual((r.returncode, r.stdout), (2, '0 cases, 0 failed\n'))
        self.assertIn('no test case was found', r.stderr)
        r = dbguard('policy', 'test', self.write('s.yaml', 'suite: s\npolicy: p.yaml\ncases: []\n'))
        self.assertEqual(r.returncode, 2)
        self.assertIn('this suite tests nothing', r.stderr)

    def test_nothing_in_a_suite_steers_a_terminal(self):
        path = self.suite('  - name: "\\e]0;owned\\a"\n    sql: "SELECT \'\\x9b31m\\u202e\' \\n::error::x"\n    expect: { verdict: deny }\n')
        for args in (('policy', 'test', path), ('policy', 'test', '-v', path)):
            r = dbguard(*args)
            self.assertIsNone(re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]', r.stdout + r.stderr), r)


def fingerprint(sql):
    return hashlib.sha256(re.sub(r"'[^']*'|\b\d+\b", '?', sql).encode()).hexdigest()[:16]


def stmt(sql, effects, verdict='allow', rule='tester#1', at='2026-11-20T14:03:08.000Z', bytes=None, **more):
    event = {'t': 'stmt', 'at': at, 'tx': 'I', 'proto': 'simple', 'sql': sql, 'bytes': len(sql) if bytes is None else bytes, 'fp': fingerprint(sql),
             'eff': [e if isinstance(e, dict) else dict({'c': e.split()[0]}, **({'o': e.split()[1:]} if len(e.split()) > 1 else {})) for e in effects], 'd': {'v': verdict, 'rule': rule}, 'sent': verdict != 'deny', **more}
    return event


def recording(statements, sid='s_ONE', at='2026-11-20T14:03:07.114Z', **more):
    """statements: (stmt, tag, rows, ms) or a stmt alone, which did not run."""
    events = [{'t': 'head', 'v': 1, 'sid': sid, 'at': at, 'role': 'tester', 'db': 'shop_staging', 'engine': 'postgres', **more}]
    for one in statements:
        event, *done = one if isinstance(one, tuple) else (one,)
        events.append(event)
        if done:
            tag, rows, ms = (*done, 'SELECT 1', 1, 0.5)[:3] if len(done) == 3 else (done[0], 1, 0.5)
            events.append({'t': 'done', 'for': len(events) - 1, 'tag': tag, 'rows': rows, 'bytes': 20 * rows, 'ms': ms})
    out, previous = b'', '0' * 64
    for n, event in enumerate(events):
        line = json.dumps({'n': n, 'p': previous, **event}, ensure_ascii=False, separators=(',', ':')).encode()
        previous = hashlib.sha256(line).hexdigest()
        out += line + b'\n'
    return out


READ = ['read.table public.orders']
POLICY = '''dbguard: 1
policy: p
identities: {}
databases: { shop_staging: { engine: postgres } }
roles:
  tester:
    for: x
    databases: shop_staging
    login: l
    limits: { rows: 1000, time: 10s }
    rules:
%s    masks: pii
masks:
  pii:
    columns:
%s'''
RULES = '      - allow: [read, tx]\n      - allow: [write.update, write.delete]\n        when: { where: present }\n'
MASKS = '      - { column: public.customers.email, with: email }\n'


class Recorded(Files):
    def setUp(self):
        super().setUp()
        self.schema = self.write('shop.sql', SHOP)
        self.old = self.policy('old.yaml')
        os.mkdir(self.path('rec'))

    def policy(self, name, rules=RULES, masks=MASKS, change=lambda text: text):
        return self.write(name, change(POLICY % (rules, masks)))

    def record(self, name, statements, **head):
        with open(self.path('rec/' + name + '.dbgl'), 'wb') as f:
            f.write(recording(statements, sid=name, **head))

    def diff(self, new, *flags, schema=True, old=None):
        args = ['policy', 'diff', old or self.old, new, '--against', self.path('rec'), *flags]
        return dbguard(*args, *(['--schema', self.schema] if schema else []))

    def changes(self, new, *flags, **kw):
        r = self.diff(new, '--json', *flags, **kw)
        self.assertEqual(r.returncode, 0, r.stderr)
        return json.loads(r.stdout)


class Diff(Recorded):
    def traffic(self):
        sql = 'SELECT id, email FROM customers WHERE id = 7'
        self.record('s_A', [
            (stmt('SELECT total FROM orders WHERE id = 1', READ), 'SELECT 1'), (stmt('SELECT total FROM orders WHERE id = 2', READ), 'SELECT 1'),
            (stmt('DELETE FROM orders WHERE id = 3', ['write.delete public.orders', 'read.table public.orders'], rule='tester#2'), 'DELETE 40'),
            (stmt(sql, ['read.table public.customers']), 'SELECT 1'),
            stmt('DROP TABLE orders', ['ddl.drop public.orders'], verdict='deny', rule=''),
        ], who={'iss': 'https://token.actions.githubusercontent.com', 'repository_id': '1', 'workflow_ref': 'acme/shop/.github/workflows/a.yml@refs/heads/main'})
        self.record('s_B', [(stmt('SELECT total FROM orders WHERE id = 9', READ, at='2026-11-20T15:00:00.000Z'), 'SELECT 5000', 5000, 700.5)], at='2026-11-20T15:00:00.000Z',
                    who={'workflow_ref': 'acme/shop/.github/workflows/b.yml@refs/heads/main'})

    def test_the_same_policy_changes_nothing(self):
        self.traffic()
        r = self.diff(self.old)
        self.assertEqual((r.returncode, r.stderr), (0, ''))
        self.assertEqual(r.stdout, 'would newly deny 0 statements and newly allow 0\n(6 statements of 2 sessions: 6 unchanged, 0 not decided again)\n')

    def test_what_is_newly_denied_is_grouped_with_rule_and_first_place(self):
        self.traffic()
        new = self.policy('new.yaml', RULES + '      - deny: read\n        of: public.orders\n        why: Orders moved.\n        fix: Read the archive.\n')
        r = self.diff(new, '--fail-on', 'denied')
        self.assertEqual((r.returncode, r.stderr), (1, ''))
        self.assertIn('would newly deny 4 statements from 2 workflows and newly allow 0\n', r.stdout)
        self.assertIn('''newly denied: 4 statements
  3x  select total from orders where id = ?
      allow tester#1  ->  deny tester#3
      because read.table of public.orders is denied by rule tester#3: Orders moved.
      fix     Read the archive.
      first   s_A line 1, 2026-11-20T14:03:08.000Z
''', r.stdout)
        self.assertEqual(self.diff(new, '--fail-on', 'allowed').returncode, 0)
        found = self.changes(new)
        self.assertEqual((found['counts']['newly_denied'], found['unchanged'], found['undecided']), (4, 2, []))
        self.assertEqual(found['changes'][0]['callers'], ['acme/shop/.github/workflows/a.yml@refs/heads/main', 'acme/shop/.github/workflows/b.yml@refs/heads/main'])
        markdown = self.diff(new, '--markdown').stdout
        self.assertIn('This policy **would newly deny 4 statements from 2 workflows and newly allow 0**', markdown)
        self.assertIn('| newly denied | 3 | select total from orders where id = ? | allow tester\\#1 | deny tester\\#3: ', markdown)

    def test_what_is_newly_allowed_asked_and_shown_otherwise(self):
        self.traffic()
        new = self.policy('new.yaml', '      - allow: [read, tx, ddl.drop]\n      - approve: write.delete\n        by: dba\n', '      - { column: public.customers.email, with: redact }\n',
                          lambda text: text + 'approvals: { dba: { from: "group:dba" } }\n')
        found = self.changes(new)
        counts = {k: v for k, v in found['counts'].items() if v}
        self.assertEqual(counts, {'newly_asked': 1, 'newly_allowed': 1, 'masked_otherwise': 1})
        masked, = (c for c in found['changes'] if c['change'] == 'masked_otherwise')
        self.assertEqual((masked['before'], masked['after']), ('email: email', 'email: redact'))
        self.assertEqual(self.diff(new, '--fail-on', 'allowed').returncode, 1)

    def test_limits_and_bounds_are_held_against_what_was_counted(self):
        self.traffic()
        new = self.policy('new.yaml', RULES + '      - deny: write.delete\n        when: { affected_rows: ">10" }\n        why: Too many.\n',
                          change=lambda text: text.replace('rows: 1000, time: 10s', 'rows: 10000, time: 500ms, statements: 3'))
        found = self.changes(new)
        said = {(c['change'], c['before'], c['after'], c['count']) for c in found['changes']}
        self.assertEqual(said, {('over_bound', 'no bound', 'at most 10 rows tester#3', 1), ('over_limit', 'time: 10000ms', 'time: 500ms', 1),
                                ('within_limit', 'rows: 1000', 'rows: 10000', 1), ('over_limit', 'no limit of statements', 'statements: 3', 1)})

    def test_copy_out_changes_no_rows(self):
        self.record('s_A', [(stmt('COPY orders TO STDOUT', ['bulk.export public.orders', 'read.table public.orders']), 'COPY 100'),
                            (stmt('COPY orders FROM STDIN', ['bulk.import public.orders']), 'COPY 100')])
        rules = RULES + '      - allow: bulk\n'
        new = self.policy('new.yaml', rules, change=lambda text: text.replace('rows: 1000,', 'rows: 1000, affected: 50,'))
        self.assertEqual([(c['change'], c['sql']) for c in self.changes(new, old=self.policy('bulk.yaml', rules))['changes']], [('over_bound', 'copy orders from stdin')])

    def test_what_the_recording_does_not_tell_is_not_guessed(self):
        shape = 'select total from orders where id = ?'
        self.record('s_A', [
            (stmt(shape, READ, bytes=40), 'SELECT 1'),                                         # its constant does not matter
            (stmt('update orders set total = ? where id = ? or id <> ?', ['write.update public.orders'], rule='tester#2', bytes=40), 'UPDATE 1'),   # its constants do
            (stmt('insert into orders(id, customer, total) values(?, ...), ...', ['write.insert public.orders'], bytes=90), 'INSERT 0 2'),
            (stmt('select * from orders where id in(?, ...)', READ, bytes=90), 'SELECT 1'),
            (stmt("SELECT total FROM orders WHERE id = '", READ, bytes=99, cut=99), 'SELECT 1'),
            (stmt('DELETE FROM orders /* dropped: 30 bytes */', ['write.delete public.orders'], rule='tester#2', bytes=50), 'DELETE 1'),
            (stmt('SELECT a FROM elsewhere', ['read.table public.elsewhere']), 'SELECT 1'),      # no such table in the schema
            (stmt('', ['read.table public.orders'], bytes=9), 'SELECT 1'),
            (stmt('SELECT total FROM orders', ['read.table public.other']), 'SELECT 1'),       # the schema was another
            (stmt('SELECT 1', ['future.class']), 'SELECT 1'),
        ])
        rules = RULES + '      - allow: write.insert\n'
        new = self.policy('new.yaml', rules + '      - deny: [read, write.insert]\n        of: public.orders.total\n')
        found = self.changes(new, old=self.policy('insert.yaml', rules))
        self.assertEqual({(c['sql'], c['count']) for c in found['changes']}, {
            (shape, 1), ('select * from orders where id in(?, ...)', 1), ('insert into orders(id, customer, total) values(?, ...), ...', 1)})
        why = {u['why']: u['count'] for u in found['undecided']}
        self.assertEqual(why, {
            'what it does hangs on constants that were not recorded, and the rules ask for more than was recorded of its effects': 1,
            'its text was not recorded whole, and the rules ask for more than was recorded of its effects': 2,
            'its text was not recorded, and the rules ask for more than was recorded of its effects': 1,
            'it has effects of a class that this version does not know': 1,
        })
        self.assertEqual(found['unchanged'], 2)   # `elsewhere` and `other` are not what the new rule names

    def test_without_a_schema_only_what_classes_and_objects_tell_is_told(self):
        self.traffic()
        new = self.policy('new.yaml', RULES + '      - deny: read\n        of: public.orders\n')
        found = self.changes(new, schema=False)
        self.assertEqual(found['counts']['newly_denied'], 3)
        # Whether the DELETE had a WHERE clause is not in the recording.
        self.assertEqual([u['why'] for u in found['undecided']], ['there is no schema, and masks may be touched', 'there is no schema, and the rules ask for more than was recorded of its effects'])
        self.assertIn('without --schema', found['notes'][0])

    def test_effects_that_say_all_that_rules_ask_need_no_schema(self):
        def orders(effect, **more):
            return {'c': effect, 'o': ['public.orders'], **more}
        self.record('s_A', [
            (stmt('update orders set total = ? where id = ?', [orders('write.update', k=[['total']], where='present')], rule='tester#2', bytes=60), 'UPDATE 1'),
            stmt('delete from orders', [orders('write.delete', where='missing')], verdict='deny', rule=''),
            (stmt('select id from customers', [{'c': 'read.table', 'o': ['public.customers'], 'k': [['id']]}]), 'SELECT 1'),
            (stmt('select id, email from customers', [{'c': 'read.table', 'o': ['public.customers'], 'k': [['email', 'id']]}]), 'SELECT 1'),
            (stmt('select count(*) from customers', [{'c': 'read.table', 'o': ['public.customers']}]), 'SELECT 1'),
            (stmt('select total from orders limit ?', [orders('read.table', k=[['total']], limit=True)], bytes=40), 'SELECT 1'),
            stmt('set work_mem = ?', [{'c': 'session.set', 'set': 'work_mem'}], verdict='deny', rule='', bytes=30),
            stmt('alter table orders add note text', [orders('ddl.alter', lock='blocks_reads', rewrites=False)], verdict='deny', rule=''),
        ], facts=1)

        def changed(rules):
            found = self.changes(self.policy('new.yaml', rules), schema=False)
            self.assertEqual([(u['why'], u['count']) for u in found['undecided']], [('there is no schema, and masks may be touched', 2)])
            return {(c['change'], c['sql']) for c in found['changes']}
        self.assertEqual(changed(RULES), set())
        self.assertEqual(changed(RULES.replace('present', 'missing')), {('newly_denied', 'update orders set total = ? where id = ?'), ('newly_allowed', 'delete from orders')})
        self.assertEqual(changed(RULES + '      - allow: session.set\n        when: { setting: work_mem }\n'), {('newly_allowed', 'set work_mem = ?')})
        self.assertEqual(changed(RULES + '      - allow: ddl.alter\n        when: { lock: blocks_reads, rewrites_table: false }\n'), {('newly_allowed', 'alter table orders add note text')})
        self.assertEqual(changed(RULES + '      - allow: ddl.alter\n        when: { rewrites_table: true }\n'), set())
        self.assertEqual(changed(RULES + '      - deny: read\n        of: public.orders.total\n        when: { limit: present }\n'), {('newly_denied', 'select total from orders limit ?')})
        self.assertEqual(changed(RULES + '      - deny: write.update\n        of: public.orders.total\n'), {('newly_denied', 'update orders set total = ? where id = ?')})
        self.assertEqual(changed(RULES + '      - deny: [read, write.update]\n        of: [public.orders.note, public.customers.phone]\n'), set())

    def test_a_session_that_knew_no_catalogue_recorded_names_as_typed(self):
        self.record('s_A', [(stmt('SELECT total FROM orders WHERE id = 1', ['read.table orders']), 'SELECT 1'), (stmt('SELECT a FROM elsewhere', ['read.table elsewhere']), 'SELECT 1')])
        new = self.policy('new.yaml', RULES + '      - deny: read\n        of: public.orders\n')
        found = self.changes(new)
        self.assertEqual((found['counts']['newly_denied'], sum(u['count'] for u in found['undecided'])), (1, 1))
        found = self.changes(new, schema=False)
        self.assertEqual((found['counts']['newly_denied'], sum(u['count'] for u in found['undecided'])), (0, 2))
        # One mistyped name in a session that does know its catalogue says nothing of the others.
        self.record('s_A', [(stmt('SELECT total FROM orders', READ), 'SELECT 1'), stmt('SELECT a FROM ordres', ['read.table ordres'], unparsed='relation "ordres" is not known', verdict='deny')])
        self.assertEqual(self.changes(new, schema=False)['counts']['newly_denied'], 1)

    def test_a_recording_under_the_old_policy_is_taken_at_its_word(self):
        with open(self.old, 'rb') as f:
            digest = 'sha256:' + hashlib.sha256(f.read()).hexdigest()
        self.record('s_A', [stmt('SELECT total FROM orders', READ, verdict='deny', rule=''), (stmt('SELECT id FROM orders', READ), 'SELECT 1')], policy=digest)
        found = self.changes(self.old)
        self.assertEqual(found['undecided'], [{'why': 'the recording says deny where the old policy here says allow: the schema or the session was another', 'count': 1,
                                               'first': {'session': 's_A', 'line': 1}}])

    def test_roles_and_databases_that_go(self):
        self.traffic()
        gone = self.policy('new.yaml', change=lambda text: text.replace('  tester:', '  checker:'))
        found = self.changes(gone)
        self.assertEqual((found['notes'], found['undecided'][0]['count']), (['2 sessions would be refused: role tester is gone'], 6))
        moved = self.policy('new.yaml', change=lambda text: text.replace('shop_staging', 'shop'))
        self.assertEqual(self.changes(moved)['notes'], ['2 sessions would be refused: role tester is no longer for database shop_staging'])
        r = self.diff(gone, '--role', 'checker')
        self.assertEqual((r.returncode, 'has no role checker; it has tester' in r.stderr), (64, True))

    def test_shadow(self):
        self.traffic()
        strict = RULES + '      - deny: read\n        of: public.orders\n        shadow: true\n'
        found = self.changes(self.policy('new.yaml', strict))
        self.assertEqual({k: v for k, v in found['counts'].items() if v}, {'in_shadow': 4})
        enforced = self.policy('enforced.yaml', strict.replace('        shadow: true\n', ''))
        found = self.changes(enforced, old=self.path('new.yaml'))
        self.assertEqual({k: v for k, v in found['counts'].items() if v}, {'newly_denied': 4})

    def test_rules_by_the_hour_go_by_the_time_of_the_statement(self):
        self.traffic()
        new = self.policy('new.yaml', RULES + '      - deny: read\n        when: { hours: "14:30-16:00" }\n')
        self.assertEqual(self.changes(new)['counts']['newly_denied'], 1)

    def test_recordings_that_cannot_be_used(self):
        self.assertEqual(self.diff(self.old).returncode, 78)
        self.assertIn('no recorded statement', self.diff(self.old).stderr)
        self.traffic()
        with open(self.path('rec/s_B.dbgl'), 'rb') as f:
            whole = f.read()
        with open(self.path('rec/s_C.dbgl'), 'wb') as f:
            f.write(whole.replace(b'id = 9', b'id = 8'))
        with open(self.path('rec/s_D.dbgl'), 'wb') as f:
            f.write(whole[:-30])   # its tail is torn, its statement is whole
        self.record('s_M', [stmt('SELECT 1', ['read.table'])], engine='mysql')
        r = self.diff(self.old)
        self.assertEqual(r.returncode, 0)
        self.assertIn('s_C.dbgl: broken_chain', r.stderr)
        self.assertIn('s_M.dbgl: the database is mysql', r.stderr)
        self.assertIn('(7 statements of 3 sessions:', r.stdout)
        self.assertIn('note: 2 recordings could not be read', r.stdout)
        self.assertEqual(dbguard('policy', 'diff', self.old, self.old, '--against', self.path('none')).returncode, 78)
        self.assertEqual(self.diff(self.path('none.yaml')).returncode, 78)
        self.assertEqual(self.diff(self.old, '--since', 'tomorrow').returncode, 64)
        self.assertEqual(self.diff(self.old, '--fail-on', 'rain').returncode, 64)
        self.assertEqual(self.diff(self.old, '--since', '1s').returncode, 78)
        self.assertEqual(dbguard('policy', 'diff', self.old, self.old).returncode, 64)

    def test_nothing_recorded_steers_a_terminal_or_a_table(self):
        evil = '\x1b]0;owned\x07\x9b31m\u202e##[error]x |@team <img src=x> [a](b)'
        self.record('s_A', [(stmt('SELECT total AS "%s" FROM orders' % evil, READ, unparsed=evil, rule=evil), 'SELECT 1')], who={'workflow_ref': evil})
        new = self.policy('new.yaml', RULES + '      - allow: unparsed\n', '      - { column: public.customers.email, with: email }\n', lambda text: text.replace('    masks: pii\n', ''))
        for flags in ((), ('--markdown',), ('--json',)):
            r = self.diff(new, *flags)
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertIn('newly', r.stdout)
            self.assertIsNone(re.search('[\x00-\x09\x0b-\x1f\x7f]', r.stdout + r.stderr))
            if '--markdown' in flags:
                for one in ('@team', '<img', '[a](b)', '|@'):
                    self.assertNotIn(one, r.stdout)


class Suggest(Recorded):
    def suggest(self, *flags, schema=True):
        args = ['policy', 'suggest', '--from', self.path('rec'), *flags]
        return dbguard(*args, *(['--schema', self.schema] if schema else []))

    def everyday(self):
        self.record('s_A', [
            (stmt('BEGIN', ['tx']), 'BEGIN'), (stmt('SELECT total FROM orders WHERE id = 1', READ), 'SELECT 1'), (stmt('SELECT total FROM orders WHERE id = 2', READ), 'SELECT 1', 300, 12.0),
            (stmt('select id, email from customers where id = ?', ['read.table public.customers'], bytes=44), 'SELECT 1'),
            (stmt('UPDATE orders SET total = 1 WHERE id = 3', ['write.update public.orders', 'read.table public.orders'], rule='tester#2'), 'UPDATE 7'),
            (stmt("SET application_name = 'x'", ['session.set']), 'SET'), (stmt('COMMIT', ['tx']), 'COMMIT'),
            stmt('DROP TABLE orders', ['ddl.drop public.orders'], verdict='deny', rule=''),
            (stmt('SHOW search_path', ['read.show']), 'SHOW'),
        ])

    def redecided(self, draft):
        """Every recorded statement under the draft: -> {change: count} from a policy that denies all of them"""
        nothing = self.write('nothing.yaml', POLICY.replace('    masks: pii\n', '').split('masks:')[0] % '      - allow: notify\n')
        return self.changes(draft, old=nothing)

    def test_the_draft_is_valid_and_allows_what_was_done(self):
        self.everyday()
        r = self.suggest()
        self.assertEqual(r.returncode, 0, r.stderr)
        draft = self.write('draft.yaml', r.stdout)
        lint = dbguard('policy', 'lint', '--strict', draft)
        self.assertEqual((lint.returncode, lint.stdout), (0, ''))
        found = self.redecided(draft)
        self.assertEqual(({k: v for k, v in found['counts'].items() if v}, found['undecided'], found['unchanged']), ({'newly_allowed': 8}, [], 1))
        self.assertIn('      # 2 statements; first s_A line 1\n      - allow: tx\n', r.stdout)
        self.assertIn('      - allow: write.update\n        of: public.orders\n        when: { where: present }\n', r.stdout)
        self.assertIn('      - allow: session.set\n        when: { setting: [application_name] }\n', r.stdout)
        self.assertIn('        of: [public.customers, public.orders]\n', r.stdout)
        self.assertIn('limits: { rows: 1000, time: 10s, affected: 20 }', r.stdout)
        self.assertIn('#   public.customers.email\n', r.stdout)
        self.assertNotIn('ddl.drop', r.stdout)
        self.assertIn('5 rules for 8 statements; 1 other did not run', r.stderr)
        for sql, verdict in (('SELECT id FROM auth.users', 'deny'), ('UPDATE orders SET total = 1', 'deny'), ('DELETE FROM orders WHERE id = 1', 'deny'), ('SET search_path = a', 'deny'),
                             ('SELECT * FROM orders', 'allow'), ('SELECT 1', 'allow')):
            answer = json.loads(dbguard('policy', 'explain', draft, '--role', 'tester', '--schema', self.schema, '--json', '--sql', sql).stdout)
            self.assertEqual(answer['verdict'], verdict, sql)

    def test_dangerous_rules_have_to_be_asked_for(self):
        self.everyday()
        self.record('s_B', [(stmt('TRUNCATE orders', ['ddl.truncate public.orders']), 'TRUNCATE TABLE'), (stmt('DELETE FROM orders', ['write.delete public.orders']), 'DELETE 9'),
                            (stmt('gibberish', [], unparsed='syntax error'), 'SELECT 1')])
        r = self.suggest()
        self.assertEqual(r.returncode, 0)
        self.assertIn('3 dangerous rules left as comments, so 3 statements would be denied', r.stderr)
        found = self.redecided(self.write('draft.yaml', r.stdout))
        self.assertEqual((found['counts']['newly_allowed'], found['unchanged']), (8, 4))
        r = self.suggest('--allow-dangerous')
        self.assertEqual(r.stdout.count('# DANGEROUS: '), 3)
        draft = self.write('draft.yaml', r.stdout)
        self.assertEqual(dbguard('policy', 'lint', draft).returncode, 0)
        self.assertEqual(self.redecided(draft)['counts']['newly_allowed'], 11)

    def test_temporary_functions_are_the_sessions_own(self):
        self.record('s_A', [(stmt("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", ['ddl.create pg_temp.f']), 'CREATE FUNCTION')])
        r = self.suggest()
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn('      - allow: ddl.create\n        of: "pg_temp.*"\n', r.stdout)

    def test_names_as_they_were_typed_are_looked_up_in_the_schema(self):
        self.record('s_A', [(stmt('SELECT total FROM orders WHERE id = 1', ['read.table orders']), 'SELECT 1'), (stmt('SELECT a FROM elsewhere', ['read.table elsewhere']), 'SELECT 1')])
        r = self.suggest()
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn('      - allow: read.table\n        of: public.orders\n', r.stdout)
        self.assertIn('# NOT OPENED: a name that could not be told', r.stdout)
        self.assertEqual(self.redecided(self.write('draft.yaml', r.stdout))['counts']['newly_allowed'], 1)

    def test_reads_of_no_table(self):
        self.record('s_A', [(stmt('SELECT 1', ['read.table']), 'SELECT 1'), (stmt('SELECT total FROM orders WHERE id = 1', READ), 'SELECT 1')])
        r = self.suggest()
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertNotIn('EVERY TABLE', r.stdout)
        draft = self.write('draft.yaml', r.stdout)
        self.assertEqual(self.redecided(draft)['counts']['newly_allowed'], 2)
        for sql, verdict in (('SELECT id FROM auth.users', 'deny'), ('SELECT id FROM customers', 'deny'), ('SELECT id FROM orders', 'allow'), ('SELECT 1', 'allow')):
            answer = json.loads(dbguard('policy', 'explain', draft, '--role', 'tester', '--schema', self.schema, '--json', '--sql', sql).stdout)
            self.assertEqual(answer['verdict'], verdict, sql)

    def test_without_a_schema_and_by_role(self):
        self.everyday()
        self.record('s_B', [(stmt('BEGIN', ['tx']), 'BEGIN')], role='other', db='my db')
        r = self.suggest(schema=False)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn('whether they had a WHERE clause is not known', r.stdout)
        self.assertIn('# Drafted without the schema', r.stdout)
        self.assertIn('  other:\n    for: recorded\n    databases: "my db"\n', r.stdout)
        self.assertEqual(dbguard('policy', 'lint', '--strict', self.write('draft.yaml', r.stdout)).returncode, 0)
        r = self.suggest('--role', 'other', '--name', 'other-draft')
        self.assertNotIn('  tester:', r.stdout)
        self.assertIn('policy: "other-draft"\n', r.stdout)

    def test_without_a_schema_what_effects_say_is_enough(self):
        self.record('s_A', [(stmt('UPDATE orders SET total = 1 WHERE id = 3', [{'c': 'write.update', 'o': ['public.orders'], 'k': [['total']], 'where': 'present'}], rule='tester#2'), 'UPDATE 7'),
                            (stmt("SET application_name = 'x'", [{'c': 'session.set', 'set': 'application_name'}]), 'SET')], facts=1)
        r = self.suggest(schema=False)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn('      - allow: write.update\n        of: public.orders\n        when: { where: present }\n', r.stdout)
        self.assertIn('      - allow: session.set\n        when: { setting: [application_name] }\n', r.stdout)

    def test_nothing_to_draft_from(self):
        r = self.suggest()
        self.assertEqual((r.returncode, r.stdout), (78, ''))
        self.record('s_A', [stmt('DROP TABLE orders', ['ddl.drop public.orders'], verdict='deny', rule='')])
        r = self.suggest()
        self.assertEqual((r.returncode, r.stdout), (78, ''))
        self.assertIn('no recorded statement ran to its end', r.stderr)
        self.assertEqual(self.suggest('--name', 'No Name').returncode, 64)
        self.assertEqual(dbguard('policy', 'suggest').returncode, 64)


class Lint(Recorded):
    def test_with_a_schema_masks_and_names_are_held_against_it(self):
        r = dbguard('policy', 'lint', '--schema', self.schema, self.policy('p.yaml', RULES + '      - deny: read\n        of: [auth.*, public.order]\n', MASKS + '      - { column: public.customers.emaill, with: redact }\n'))
        self.assertEqual(r.returncode, 2)
        self.assertIn('error: this masks nothing: the schema has no column `public.customers.emaill`; write `public.customers.email`\n', r.stdout)
        self.assertIn('warning: `of` names `public.order`, which the schema does not have; write `public.orders`\n', r.stdout)
        self.assertIn('role `tester` reads `public.customers` with columns that look sensitive and have no mask: phone, ssn; ', r.stdout)
        self.assertNotIn('auth.users', r.stdout)
        self.assertEqual(dbguard('policy', 'lint', '--schema', self.path('none.sql'), self.old).returncode, 2)
        self.assertEqual(dbguard('policy', 'lint', '--schema', self.write('bad.sql', 'CREATE TABL a;'), self.old).returncode, 2)

    def test_an_environment_forbids_shadow(self):
        path = self.policy('p.yaml', change=lambda text: text.replace('engine: postgres', 'engine: postgres, tags: [prod]').replace('    login: l\n', '    login: l\n    mode: shadow\n'))
        self.assertEqual(dbguard('policy', 'lint', path).returncode, 0)
        r = dbguard('policy', 'lint', '--env', 'prod', path)
        self.assertEqual((r.returncode, 'error: role `tester` is in shadow on a database tagged `prod`' in r.stdout), (2, True))


main()
