#!/usr/bin/python3
"""Values that a client gives for masked columns: a masked one is not written back, and comparisons are counted."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, error, execute, parse, query, sync, types  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, tx, session]
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.people.email", with: email }
      - { column: "public.people.phone", with: last(4) }
      - { column: "public.people.note", with: redact }
    derived: deny
    filter: equality
'''
SCHEMA = '''
create table people(id int primary key, email text, phone text, note text, name text);
insert into people values (1, 'ann.smith@example.com', '555-123-4567', 'x', 'Ann'), (2, 'bob@foo.org', '555-987-6543', 'y', 'Bob');
'''


class GivenValues(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.postgres.sql(SCHEMA)

    def setUp(self):
        # Comparisons are counted for the whole session: each test has its own.
        self.proxy = Proxy(self.postgres, ROLES)
        self.addCleanup(self.proxy.close)
        self.wire = Wire(self.proxy.url)
        self.addCleanup(self.wire.close)

    def sends(self, *messages):
        self.wire.send(*messages)
        return self.wire.until_ready()

    def test_a_masked_value_is_not_written_back(self):
        w = self.wire
        shown = w.rows('select email, phone, note, name from people where id = 1')[0]
        self.assertEqual(shown, ['a***@e***.com', '***-***-4567', '***', 'Ann'])
        for sql in (
            "update people set email = '%s' where id = 1" % shown[0], "update people set name = 'Anna', phone = '%s' where id = 1" % shown[1],
            "insert into people(id, note) values (3, '***')", "insert into people values (3, 'a@b.example', '***-***-1111', 'n', 'm')",
            "insert into people(id, email) values (1, 'new@x.example') on conflict (id) do update set email = 'a***@e***.com'",
            "prepare p as update people set email = 'a***@e***.com' where id = 1", "update people set email = E'a***@e***.com' where id = 1",
            "update people p set email = v.e from unnest('{1,2}'::int[], '{x@y.example, a***@e***.com}'::text[]) v(i, e) where v.i = p.id",
            "insert into people (id, email) select * from json_to_recordset('[{\"id\": 9, \"email\": \"a***@e***.com\"}]') as x(id int, email text)",
            "update people set email = trim(' a***@e***.com ') where id = 1",
            "select 1; update people set note = $$***$$ where id = 2",
            "update people set email = E'a***\\x40e***.com' where id = 1", "update people set email = E'a\\052\\052\\u002a@e***.com' where id = 1",
            "update people set email = U&'a***\\0040e***.com' where id = 1", "update people set email = U&'a***!0040e***.com' uescape '!' where id = 1",
            "update people set email = 'a***@' || 'e***.com' where id = 1", "update people set email = ('a**' || '*@e' || E'\\x2a**.com') where id = 1", "update people set email = 'a***@'\n'e***.com' where id = 1",
        ):
            with self.subTest(sql):
                m = w.query(sql)
                self.assertEqual((types(m)[-2:], error(m)['C']), ('EZ', '42501'))
                self.assertIn('masked value', error(m)['M'])
        # As an ORM does that saves all fields of a row.
        m = self.sends(parse('s', 'update people set email = $1, phone = $2, name = $3 where id = $4'), bind('', 's', [shown[0].encode(), b'1', b'Anna', b'1']), execute(''), sync)
        self.assertEqual((types(m), error(m)['C']), ('12EZ', '42501'))
        # In bulk: arrays and json.
        bulk = 'update people p set note = v.n from unnest($1::text[]) v(n) where p.id = 1'
        binary = b''.join(x.to_bytes(4, 'big') for x in (1, 0, 25, 2, 1)) + b'\0\0\0\1a' + b'\0\0\0\3***'
        for value, form in (('{x,***}', 0), ('{"***"}', 0), (binary, 1)):
            m = self.sends(parse('', bulk), bind('', '', [value], [form]), execute(''), sync)
            self.assertEqual((types(m), error(m)['C']), ('12EZ', '42501'))
        w.query('prepare q(text, int) as update people set email = $1 where id = $2')
        self.assertEqual(error(w.query("execute q('a***@e***.com', 1)"))['C'], '42501')
        self.assertEqual(self.postgres.sql('select email, phone, note, name from people where id = 1'), 'ann.smith@example.com|555-123-4567|x|Ann')

    def test_other_values_are(self):
        w = self.wire
        for sql in (
            "update people set email = 'new@example.com', phone = '555-000-0000', note = '** 5 stars **' where id = 2", "update people set name = '***' where id = 2", "update people set note = '{a,**,[* * *],\"x\": \"** *\"}' where id = 2",
            "update people set name = 'a***@e***.com' where email = 'new@example.com'", "insert into people(id, email, phone, note) values (9, '', null, '')", 'delete from people where id = 9',
        ):
            with self.subTest(sql):
                self.assertEqual(types(w.query(sql)), 'CZ')
        m = self.sends(parse('', 'update people set email = $1 where id = $2'), bind('', '', [b'bob@foo.org', b'2']), execute(''), sync)
        self.assertEqual(types(m), '12CZ')

    def test_comparisons_are_counted(self):
        w = self.wire
        one = "select id from people where email = 'nobody@example.com'"
        ids = "select id from people where id in (%s)" % ', '.join('1' * 3000)
        many = lambda count: "select id from people where email in (%s)" % ', '.join("'%d@example.com'" % i for i in range(count))
        for _ in range(4):
            self.assertEqual(types(w.query(many(2000))), 'TCZ')
            self.assertNotIn('E', types(w.query(ids)))
        refused = w.query(many(4000))
        self.assertEqual(error(refused)['C'], '54000')
        self.assertIn('too often', error(refused)['M'])
        # Nothing of it was taken, and other columns are counted for themselves.
        self.assertEqual(types(w.query(one)), 'TCZ')
        self.assertEqual(types(w.query("select id from people where phone = '1'")), 'TCZ')
        self.assertEqual(types(w.query("select id from people where id = 1")), 'TDCZ')

    def test_arrays_and_prepared_statements_are_counted(self):
        w = self.wire
        self.sends(parse('a', 'select id from people where email = any($1)'), sync)
        array = lambda count: b'{' + b','.join(b'%d@x' % i for i in range(count)) + b'}'
        self.assertEqual(types(self.sends(bind('', 'a', [array(4000)]), execute(''), sync)), '2CZ')
        self.assertEqual(types(self.sends(bind('', 'a', [array(4000)]), execute(''), sync)), '2CZ')
        self.assertEqual(error(self.sends(bind('', 'a', [array(4000)]), execute(''), sync))['C'], '54000')
        w.query("prepare p(text[]) as select id from people where phone = any($1)")
        listed = lambda count: "execute p('{%s}')" % ','.join(str(i) for i in range(count))
        self.assertEqual(types(w.query(listed(6000))), 'TCZ')
        self.assertEqual(error(w.query(listed(6000)))['C'], '54000')
        # Too long to be held: they count as all that may be.
        self.assertEqual(error(self.sends(bind('', 'a', [array(20000)]), execute(''), sync))['C'], '54000')


if __name__ == '__main__':
    main()
