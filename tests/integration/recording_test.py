#!/usr/bin/python3
"""What is recorded, and told on stderr, of real statements: literals and parameters under the masks of the columns they meet,
credentials never, detectors, counters; and that the recording can be replayed, verified and not changed."""
import hmac
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import PROGRAM, Postgres, dbguard, main  # noqa: E402
from dbguard_proxy import Proxy, psql  # noqa: E402
from postgres_wire import Refused, Wire, bind, error, execute, parse, row, sync, types  # noqa: E402

ROLE = '''
  %s:
    for: local
    databases: shop
    login: postgres
    rules:
      - allow: [read, write, tx, session, bulk, ddl, call, dcl, lock]
      - deny: ddl.drop
        why: Nothing is dropped here.
        fix: Ask.
%s
    masks: %s
    record: %s
'''
MASKS = '''
masks:
  pii:
    columns:
      - { column: "public.customers.email", with: email }
      - { column: "public.customers.ssn", with: last(4) }
      - { column: "public.customers.badge", with: hash }
      - { column: "public.customers.profile", keys: [tin], with: redact }
    filter: allow
  found:
    columns:
      - { detect: [email, credit_card, iban, ssn, phone, jwt, cloud_key, private_key], in: ["public.tickets.*"], with: replace }
    filter: allow
  covered:
    columns:
      - { detect: [email, credit_card], in: ["public.tickets.body"], with: last(4) }
'''
ROLES = (ROLE % ('tester', '', 'pii', '{ sql: masked, results: masked }')
         + ROLE % ('shaped', '', 'pii', '{ sql: shape, results: shape }')
         + ROLE % ('whole', '', 'pii', '{ sql: full }')
         + ROLE % ('finder', '', 'found', '{ sql: masked, results: masked }')
         + ROLE % ('coverer', '', 'covered', '{ results: masked }')
         + ROLE % ('cutter', '    limits: { rows: 2, over: cut, time: 1s }', 'pii', '{ sql: masked }') + MASKS)
SCHEMA = '''
CREATE TABLE customers (id int PRIMARY KEY, name text, email text, ssn text, badge text, profile jsonb, age int);
INSERT INTO customers VALUES (1, 'Jane', 'jane@example.com', '911-44-9434', 's1', '{"city": "Bonn", "tin": "DE1"}', 33),
  (2, 'Bob', 'bob@example.org', '078-05-1120', 's2', '{"city": "Ulm"}', 44), (3, 'Eve', 'eve@example.net', '219-09-9999', 's3', null, 55);
CREATE TABLE tickets (id int PRIMARY KEY, body text, tags text[], meta jsonb, code varchar(20));
'''
CARD, IBAN, JWT = '4111 1111 1111 1111', 'DE89 3704 0044 0532 0130 00', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl'
KEY = 'AKIA' + 'IOSFODNN7EXAMPLE'
PEM = '-----BEGIN PRIVATE KEY-----\nMIIBVgIBADANBg\n-----END PRIVATE KEY-----'
BODY = f'mail jane.doe@example.com, card {CARD}, not {CARD[:-1]}2, iban {IBAN}, ssn 911-44-9434, call +49 30 1234567, token {JWT} key {KEY} {PEM} end'
FOUND = f'mail <EMAIL>, card <CARD>, not {CARD[:-1]}2, iban <IBAN>, ssn <SSN>, call <PHONE>, token <JWT> key <KEY> <KEY> end'


def statements(record):
    return [line for line in record if line['t'] == 'stmt']


class Recording(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        code, _, problems = psql(cls.postgres, cls.postgres.url('postgres'), 'CREATE DATABASE shop')
        assert code == 0, problems
        quoted = BODY.replace("'", "''")
        code, _, problems = psql(cls.postgres, cls.postgres.url('shop'), SCHEMA, f"""INSERT INTO tickets VALUES
            (1, '{quoted}', ARRAY['free', 'x@y.example', NULL], '{{"who": "a.b@c.example", "n": 4111111111111111, "ok": true}}', 'a@b.example'),
            (2, 'nothing to see: 2026-11-20 12:30, 10.0.0.1, order 12345678, v1.2.3', '{{}}', 'null', NULL)""")
        assert code == 0, problems

    def proxy(self, role='tester', **more):
        proxy = Proxy(self.postgres, ROLES, role=role, database='shop', **more)
        self.addCleanup(proxy.close)
        return proxy

    def wire(self, proxy):
        wire = Wire(proxy.url)
        self.addCleanup(wire.close)
        return wire

    def recorded(self, proxy):
        """The whole recording, after the session's end."""
        path = proxy.ready['recording']
        proxy.stop()
        return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]

    def last_sql(self, role, sql):
        proxy = self.proxy(role)
        self.wire(proxy).query(sql)
        return statements(self.recorded(proxy))[-1]['sql']

    # ---- literals ---------------------------------------------------------------------------------------------------

    def test_literals_under_the_masks_of_what_they_meet(self):
        proxy = self.proxy()
        wire = self.wire(proxy)
        cases = [
            ("SELECT name FROM customers WHERE id = 17", "SELECT name FROM customers WHERE id = 17"),
            ("SELECT name FROM customers WHERE id = 18", "SELECT name FROM customers WHERE id = 18"),  # the same shape
            ("SELECT id FROM customers WHERE email = 'jane@example.com' AND age > 30", "SELECT id FROM customers WHERE email = 'j***@e***.com' AND age > 30"),
            ("SELECT id FROM customers WHERE email = 'it''s@example.org' AND age > 31", "SELECT id FROM customers WHERE email = 'i***@e***.org' AND age > 31"),
            ("SELECT id FROM customers WHERE ssn IN ('911-44-9434', '078-05-1120')", "SELECT id FROM customers WHERE ssn IN ('***-**-9434', '***-**-1120')"),
            ("SELECT id FROM customers WHERE email = E'jane\\x40example.com'", "SELECT id FROM customers WHERE email = 'j***@e***.com'"),
            ("INSERT INTO customers (id, name, email) VALUES (90, 'Zoe', 'zoe@example.com')", "INSERT INTO customers (id, name, email) VALUES (90, 'Zoe', 'z***@e***.com')"),
            ("UPDATE customers SET email = 'new@example.com', name = 'Z' WHERE id = 90", "UPDATE customers SET email = 'n***@e***.com', name = 'Z' WHERE id = 90"),
            ("SELECT profile->>'city' FROM customers WHERE id = 1", "SELECT profile->>'city' FROM customers WHERE id = 1"),
            ("UPDATE customers SET profile = '{\"tin\": \"DE9\"}' WHERE id = 90", "UPDATE customers SET profile = '***' WHERE id = 90"),
            ("WITH w AS (SELECT 'jane@example.com'::text AS e) SELECT id FROM customers c JOIN w ON c.email = w.e", "WITH w AS (SELECT 'j***@e***.com'::text AS e) SELECT id FROM customers c JOIN w ON c.email = w.e"),
            ("DELETE FROM customers WHERE id = 90 -- of zoe@example.com", "DELETE FROM customers WHERE id = 90 -- of <EMAIL>"),
            ("SELECT 'bob@example.org', 'plain'", "SELECT '<EMAIL>', 'plain'"),   # touches nothing masked: detectors
        ]
        for sql, _ in cases:
            self.assertIsNone(error(wire.query(sql)), sql)
        found = [line['sql'] for line in statements(self.recorded(proxy))]
        self.assertEqual(found, [expected for _, expected in cases])

    def test_hash_of_a_literal_is_that_of_the_column(self):
        proxy = self.proxy()
        wire = self.wire(proxy)
        shown = wire.rows("SELECT badge FROM customers WHERE id = 1")[0][0]
        wire.query("SELECT id FROM customers WHERE badge = 's1'")
        self.assertIn("badge = '%s'" % shown, statements(self.recorded(proxy))[-1]['sql'])

    def test_parameters_under_the_masks_of_what_they_meet(self):
        proxy = self.proxy()
        wire = self.wire(proxy)

        def run(sql, parameters, formats=()):
            wire.send(parse('', sql), bind('', '', parameters, formats), execute(''), sync)
            self.assertIsNone(error(wire.until_ready()), sql)
        run("SELECT name FROM customers WHERE id = $1 AND email = $2", [b'1', b'jane@example.com'])
        run("SELECT name FROM customers WHERE id = $1 AND ssn = $2", [struct.pack('!i', 7), b'911-44-9434'], (1, 0))
        run("SELECT name FROM customers WHERE email = $1", [b'jane@example.com'], (1,))
        run("SELECT $1::text, $2::text", [b'write to bob@example.org', None])
        run("SELECT set_config('app.password', $1, false)", [b'hunter2'])
        found = [line['par'] for line in statements(self.recorded(proxy))]
        self.assertEqual(found[0], ['1', 'j***@e***.com'])
        self.assertEqual(found[1], [{'b64': 'AAAABw=='}, '***-**-9434'])
        self.assertEqual(found[2], [{'hidden': True}])     # binary: what a mask would make of it is not known
        self.assertEqual(found[3], ['write to <EMAIL>', None])
        self.assertEqual(found[4], [{'hidden': True}])

    def test_texts_are_digested_under_a_lasting_key_alone(self):
        key = pathlib.Path(self.folder, 'key')
        key.write_bytes(b'k' * 32)
        digests = []
        for flags in ([], ['--mask-key-file', str(key)], ['--mask-key-file', str(key)]):
            proxy = self.proxy(flags=flags)
            wire = self.wire(proxy)
            wire.query("SELECT name FROM customers WHERE email = 'jane@example.com'")
            wire.query("SELECT name FROM customers WHERE email = 'jine@example.com'")
            one, other = statements(self.recorded(proxy))
            self.assertEqual(one['fp'], other['fp'])
            digests.append((one.get('mac'), other.get('mac')))
        self.assertEqual(digests[0], (None, None))
        self.assertEqual(digests[1], digests[2])
        self.assertNotEqual(digests[1][0], digests[1][1])
        own = hmac.digest(b'k' * 32, b'dbguard: digests of recorded texts', 'sha256')
        self.assertEqual(digests[1][0], hmac.digest(own, b"SELECT name FROM customers WHERE email = 'jane@example.com'", 'sha256').hex())

    def test_the_decision_is_told_with_its_rules_and_masks(self):
        proxy = self.proxy()
        self.wire(proxy).query('SELECT id, email, ssn FROM customers')
        decision = statements(self.recorded(proxy))[-1]['d']
        self.assertEqual((decision['v'], decision['rule'], decision['masks']), ('allow', 'tester#1', ['email: email', 'ssn: last(4)']))

    def test_effects_say_what_rules_may_ask(self):
        proxy = self.proxy('whole')
        wire = self.wire(proxy)
        for sql in ('SELECT name FROM customers WHERE age > 3 LIMIT 1', 'UPDATE customers SET name = name WHERE id = 1', 'DELETE FROM tickets WHERE id IS NOT NULL AND false',
                    'SET work_mem = 100', 'ALTER TABLE tickets ADD note text', 'ROLLBACK'):
            self.assertIsNone(error(wire.query(sql)), sql)
        record = self.recorded(proxy)
        self.assertEqual(record[0]['facts'], 1)
        table, tickets = ['public.customers'], ['public.tickets']
        self.maxDiff = None
        self.assertEqual([line['eff'] for line in statements(record)], [
            [{'c': 'read.table', 'o': table, 'k': [['age', 'name']], 'limit': True}],
            [{'c': 'write.update', 'o': table, 'k': [['name']], 'where': 'present'}, {'c': 'read.table', 'o': table, 'k': [['id', 'name']]}],
            [{'c': 'write.delete', 'o': tickets, 'where': 'present'}, {'c': 'read.table', 'o': tickets, 'k': [['id']]}],
            [{'c': 'session.set', 'set': 'work_mem'}],
            [{'c': 'ddl.alter', 'o': tickets, 'rewrites': False, 'lock': 'blocks_reads'}],
            [{'c': 'tx'}]])

    def test_levels(self):
        sql = "SELECT id FROM customers WHERE email = 'jane@example.com' AND id = 17"
        self.assertEqual(self.last_sql('shaped', sql), 'select id from customers where email = ? and id = ?')
        self.assertEqual(self.last_sql('whole', sql), sql)
        proxy = self.proxy('shaped')
        wire = self.wire(proxy)
        wire.send(parse('', 'SELECT $1::int'), bind('', '', [b'5']), execute(''), sync)
        wire.until_ready()
        wire.query("SELECT 'gibberish'::int")
        record = self.recorded(proxy)
        self.assertEqual(statements(record)[0]['par'], [{'hidden': True}])
        self.assertNotIn('gibberish', json.dumps(record))
        self.assertEqual(record[0]['record'], {'sql': 'shape', 'results': 'shape'})

    def test_credentials_are_nowhere_at_any_level(self):
        secret = 'hunter2-' + 'x' * 8
        attempts = [
            f"CREATE ROLE r1 PASSWORD '{secret}'", f"ALTER ROLE r1 WITH ENCRYPTED PASSWORD '{secret}' VALID UNTIL 'infinity'",
            f"ALTER ROLE r1 PASSWORD {secret}", f'ALTER ROLE r1 PASSWORD "{secret}"', f"CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user 'u', password '{secret}')",
            f"CREATE SUBSCRIPTION s CONNECTION 'host=h password={secret}' PUBLICATION p", f"ALTER SYSTEM SET primary_conninfo = 'host=h password={secret}'",
            f"SELECT dblink_connect('host=h password={secret}')", f"SELECT 'postgresql://u:{secret}@h/db'", f"SET app.api_key = '{secret}'",
            f"DO $$ BEGIN EXECUTE 'ALTER ROLE r1 PASSWORD ''{secret}'''; END $$", f"COPY customers FROM PROGRAM 'curl -H secret:{secret} h'",
            f"SELECT crypt('{secret}', gen_salt('bf'))", f"ALTER ROLE r1 SET app.password TO '{secret}'", f"ALTER SERVER s OPTIONS (ADD passfile '{secret}')",
            f"SELECT set_config('app.client_secret', '{secret}', false)", f"CREATE ROLE r2 PASSWORD '{secret}' WITH TYPO",
        ]
        for role in ('tester', 'shaped', 'whole'):
            proxy = self.proxy(role)
            wire = self.wire(proxy)
            for sql in attempts:
                wire.query(sql)
            wire.query('DROP ROLE IF EXISTS r1')
            record = self.recorded(proxy)
            self.assertGreaterEqual(len(statements(record)), len(attempts), role)   # mistakes are recorded, too
            self.assertNotIn(secret, json.dumps(record), role)
            self.assertNotIn(secret, proxy.stderr(), role)
        psql(self.postgres, self.postgres.url('shop'), 'DROP ROLE IF EXISTS r1')

    # ---- what people are told -------------------------------------------------------------------------------------------

    def test_denials_are_told_without_values(self):
        proxy = self.proxy(flags=['--verbose'])
        wire = self.wire(proxy)
        wire.query("SELECT upper(email) FROM customers WHERE email = 'jane@example.com' AND id = 3")
        wire.query("DROP TABLE customers /* of jane@example.com */")
        wire.query("SELECT id FROM customers WHERE email = 'bob@example.org'")
        record = self.recorded(proxy)
        told = [json.loads(line) for line in proxy.stderr().splitlines() if line.startswith('{')]
        denied = [line for line in told if line.get('event') == 'deny']
        self.assertEqual([line['rule'] for line in denied], ['masks.pii.derived', 'tester#2'])
        self.assertIn("email = 'j***@e***.com' AND id = 3", denied[0]['sql'])
        self.assertEqual((denied[1]['fix'], denied[1]['verdict']), ('Ask.', 'deny'))
        self.assertIn('Nothing is dropped here.', denied[1]['reason'])
        allowed = [line for line in told if line.get('event') == 'allow']
        self.assertIn("'b***@e***.org'", allowed[-1]['sql'])
        self.assertNotIn('jane@example.com', proxy.stderr() + json.dumps(record))
        self.assertEqual(record[-1]['denied'], 2)

    # ---- detectors in results ---------------------------------------------------------------------------------------------

    def test_detectors_in_every_form_of_result(self):
        proxy = self.proxy('finder')
        wire = self.wire(proxy)
        self.assertEqual(wire.rows('SELECT body FROM tickets ORDER BY id')[0][0], FOUND)
        plain = wire.rows('SELECT body FROM tickets WHERE id = 2')[0][0]
        self.assertIn('order 12345678, v1.2.3', plain)
        self.assertEqual(wire.rows('SELECT tags FROM tickets WHERE id = 1')[0][0], '{free,<EMAIL>,NULL}')
        self.assertEqual(json.loads(wire.rows('SELECT meta FROM tickets WHERE id = 1')[0][0]), {'who': '<EMAIL>', 'n': None, 'ok': True})
        self.assertEqual(wire.rows('SELECT code FROM tickets WHERE id = 1')[0][0], '<EMAIL>')
        # Prepared, binary.
        wire.send(parse('', 'SELECT body, tags FROM tickets WHERE id = $1'), bind('', '', [b'1'], (), (1,)), execute(''), sync)
        messages = wire.until_ready()
        self.assertEqual(types(messages), '12DCZ' if types(messages).count('T') == 0 else '12TDCZ')
        values = row(next(body for kind, body in messages if kind == 'D'))
        self.assertEqual(values[0], FOUND)
        self.assertIn('<EMAIL>', values[1])
        self.assertNotIn('x@y.example', values[1])
        # COPY, text and CSV and binary; cursors.
        for sql in ('COPY tickets (id, body) TO STDOUT', 'COPY tickets (id, body) TO STDOUT (FORMAT csv, HEADER)', 'COPY tickets (id, body) TO STDOUT (FORMAT binary)',
                    'COPY (SELECT body FROM tickets) TO STDOUT'):
            data = b''.join(body for kind, body in wire.query(sql) if kind == 'd')
            self.assertIn(b'<CARD>', data, sql)
            self.assertNotIn(b'jane.doe@', data, sql)
            self.assertNotIn(CARD.encode(), data, sql)
        wire.query('BEGIN; DECLARE c CURSOR FOR SELECT body FROM tickets')
        self.assertEqual(wire.rows('FETCH 1 FROM c')[0][0], FOUND)
        wire.query('COMMIT')
        # The other ways out are those of any masked column.
        self.assertEqual(error(wire.query('SELECT upper(body) FROM tickets'))['C'], '42501')
        record = self.recorded(proxy)
        self.assertNotIn('jane.doe@', json.dumps(record))
        self.assertNotIn(CARD, json.dumps(record))
        self.assertGreaterEqual(record[-1]['masked'], 10)

    def test_detectors_with_another_function(self):
        proxy = self.proxy('coverer')
        body = self.wire(proxy).rows('SELECT body FROM tickets WHERE id = 1')[0][0]
        self.assertTrue(body.startswith('mail ****.***@*******.com, card **** **** **** 1111, not 4111'), body)
        self.assertIn(IBAN, body)   # not asked for

    def test_a_long_text_is_searched_in_bounded_memory(self):
        psql(self.postgres, self.postgres.url('shop'), "INSERT INTO tickets VALUES (9, repeat('nothing here ', 300000) || 'x@y.example', '{}', null, null)")
        self.addCleanup(psql, self.postgres, self.postgres.url('shop'), 'DELETE FROM tickets WHERE id = 9')
        proxy = self.proxy('finder')
        wire = self.wire(proxy)
        text = wire.rows('SELECT body FROM tickets WHERE id = 9')[0][0]
        self.assertTrue(text.endswith('here <EMAIL>'))
        self.assertEqual(len(text), 13 * 300000 + 7)

    # ---- results, counters, the head --------------------------------------------------------------------------------------------

    def test_rows_are_recorded_as_they_were_seen(self):
        proxy = self.proxy()
        wire = self.wire(proxy)
        wire.rows('SELECT id, email FROM customers ORDER BY id')
        wire.rows('SELECT 1')
        wire.query('COPY customers (id, ssn) TO STDOUT')
        record = self.recorded(proxy)
        columns = [line['cols'] for line in record if line['t'] == 'cols']
        self.assertEqual([column.get('m') for column in columns[0]], [None, 'email'])
        self.assertEqual([(column['n'], column.get('m')) for column in columns[-1]], [('id', None), ('ssn', 'last(4)')])
        rows = next(line for line in record if line['t'] == 'rows')
        self.assertEqual(rows['rows'][:2], [['1', 'j***@e***.com'], ['2', 'b***@e***.org']])
        self.assertEqual(record[-1]['masked'], 2)
        head = record[0]
        self.assertEqual(head['record'], {'sql': 'masked', 'results': 'masked'})
        self.assertEqual((head['mode'], head['role'], head['db'], head['engine']), ('enforce', 'tester', 'shop', 'postgres'))

    def test_a_row_too_long_to_record_still_arrives(self):
        proxy = self.proxy()
        wire = self.wire(proxy)
        length = 3_000_000
        self.assertEqual(len(wire.rows("SELECT repeat('x', %d)" % length)[0][0]), length)
        record = self.recorded(proxy)
        gap = next(line for line in record if line['t'] == 'gap')
        self.assertEqual(gap['what'], 'rows')
        self.assertGreater(gap['bytes'], length)

    def test_limits_notes_states_and_parameters_that_are_too_long(self):
        proxy = self.proxy('cutter')
        wire = self.wire(proxy)
        wire.query('SELECT id FROM customers')
        wire.query("DO $$ BEGIN RAISE NOTICE 'hello'; END $$")
        wire.query('SET search_path = pg_temp, public')
        wire.query('SELECT 1')
        wire.send(parse('', 'SELECT length($1)'), bind('', '', [b'y' * 100_000]), execute(''), sync)
        wire.until_ready()
        self.assertEqual(error(wire.query('SELECT pg_sleep(20)'))['C'], '57014')
        record = self.recorded(proxy)
        kinds = [line['t'] for line in record]
        done = next(line for line in record if line['t'] == 'done')
        self.assertEqual((done.get('cut'), done['rows']), (True, 2))
        limits = [(line['which'], line['allowed']) for line in record if line['t'] == 'limit']
        self.assertEqual(limits, [('rows', 2), ('time', 1000)])
        self.assertIn('note', kinds)
        self.assertIn(('search_path', ), [(line['name'], ) for line in record if line['t'] == 'state'])
        self.assertEqual([line['what'] for line in record if line['t'] == 'gap'], ['parameters'])
        self.assertEqual([line['by'] for line in record if line['t'] == 'cancel'], ['limit'])
        self.assertIn('took longer than 1000 ms', proxy.stderr())
        self.assertIn('was cut', proxy.stderr())

    def test_mistakes_and_startup_settings_are_recorded(self):
        roles = ROLES.replace('session, bulk', 'bulk')
        proxy = Proxy(self.postgres, roles, database='shop')
        self.addCleanup(proxy.close)
        wire = self.wire(proxy)
        self.assertEqual(error(wire.query("SELEC 'jane@example.com'"))['C'], '42601')
        refused = Wire(proxy.url, login=False)
        self.addCleanup(refused.close)
        with self.assertRaises(Refused):
            refused.startup({'search_path': 'nowhere'})
            refused.login()
        record = self.recorded(proxy)
        mistake = statements(record)[0]
        self.assertNotIn('jane', json.dumps(record))
        self.assertNotIn('sent', mistake)
        startup = statements(record)[-1]
        self.assertEqual((startup['proto'], startup['d']['v']), ('startup', 'deny'))
        self.assertEqual((record[-1]['denied'], record[-1]['failed']), (1, 1))

    # ---- replay, verify ---------------------------------------------------------------------------------------------------------

    def test_the_next_recording_names_the_head_of_the_one_before(self):
        first = self.proxy()
        self.wire(first).query('SELECT 1')
        kept = first.folder + '-kept'
        self.addCleanup(shutil.rmtree, kept, True)
        path = pathlib.Path(first.ready['recording'])
        first.stop()
        shutil.copytree(first.records, kept)
        # A second session in the same folder.
        second = subprocess.run([PROGRAM, 'run', '--policy', first.policy, '--role', 'tester', '--record-dir', kept, '--db-url', self.postgres.url('shop'), '--', 'true'],
                                capture_output=True, text=True)
        self.assertEqual(second.returncode, 0, second.stderr)
        r = dbguard('verify', kept)
        self.assertEqual((r.returncode, r.stdout.count('complete')), (0, 2), r.stdout + r.stderr)
        # Its end cut off, the older one looks like a session that did not end; the younger one knows better.
        older = pathlib.Path(kept) / path.name
        lines = older.read_bytes().splitlines(keepends=True)
        older.write_bytes(b''.join(lines[:-1]))
        self.assertEqual(dbguard('verify', str(older)).returncode, 3)
        r = dbguard('verify', kept)
        self.assertEqual(r.returncode, 1, r.stdout)
        self.assertIn('names another head', r.stdout)

    def test_replay_follows_a_session(self):
        proxy = self.proxy()
        wire = self.wire(proxy)
        wire.query('SELECT 1')
        follower = subprocess.Popen([PROGRAM, 'replay', '--follow', proxy.ready['recording']], stdout=subprocess.PIPE, text=True)
        self.addCleanup(follower.stdout.close)
        for n in range(5):
            wire.query('SELECT %d' % (100 + n))
            time.sleep(0.1)
        proxy.stop()
        text, _ = follower.communicate(timeout=20)
        self.assertEqual(follower.returncode, 0)
        for n in range(5):
            self.assertEqual(text.count('SELECT %d\n' % (100 + n)), 1, text)
        self.assertIn('ended:', text)


if __name__ == '__main__':
    main()
