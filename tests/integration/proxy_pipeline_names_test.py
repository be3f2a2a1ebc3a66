#!/usr/bin/python3
"""Names that mean something else once a transaction ends, sent in one go with what follows: `dbguard proxy` plans a statement before the
one in front of it was answered, and must not take names for it that were true in that one's transaction."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, error, execute, parse, query, row, sync  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, tx, session, ddl]
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.customers.email", with: redact }
'''
UPPER = 'select upper(email) from customers'   # of public.customers it is refused, of other.customers it is nobody's secret


def ext(text, name=''):
    return parse(name, text) + bind('', name) + execute('')


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        admin = Wire(cls.postgres.url())
        for statement in ('create schema other', 'create table customers (id int, email text)', "insert into customers values (1, 'hidden')",
                          'create table other.customers (id int, email text)', "insert into other.customers values (2, 'open')"):
            assert error(admin.query(statement)) is None
        cls.proxy = Proxy(cls.postgres, ROLES)
        cls.addClassCleanup(cls.proxy.close)

    def sends(self, ready, *messages):
        """-> the values of all rows that came, of a new session that knows its names"""
        wire = Wire(self.proxy.url)
        self.addCleanup(wire.close)
        self.assertEqual(wire.rows('select id from customers'), [['1']])
        wire.send(*messages)
        answers = [m for _ in range(ready) for m in wire.until_ready()]
        wire.query('rollback')
        self.assertEqual(wire.rows('select email from public.customers'), [['***']])
        return [value for kind, body in answers if kind == 'D' for value in row(body)]

    def judge(self, values):
        self.assertNotIn('HIDDEN', values)
        self.assertNotIn('hidden', values)

    def test_what_a_pipeline_sets_ends_with_it(self):
        self.judge(self.sends(2, ext('set local search_path = other'), ext('select email from customers'), sync, ext(UPPER), sync))
        self.judge(self.sends(2, ext('set local search_path = other'), ext('select email from customers'), sync, query(UPPER)))

    def test_the_end_of_an_earlier_one_changes_nothing(self):
        for first in ('select 1', 'set application_name = x', 'set search_path = public'):
            for second in (query(UPPER), ext(UPPER) + sync):
                with self.subTest(first):
                    self.judge(self.sends(3, query(first), ext('set local search_path = other') + ext('select email from customers') + sync, second))
        self.judge(self.sends(4, query('set application_name = x'), ext('select 1') + sync, ext('set local search_path = other') + ext('select email from customers') + sync, query(UPPER)))

    def test_a_statement_prepared_under_it_is_planned_again(self):
        self.judge(self.sends(2, ext('set local search_path = other'), ext('select 1'), parse('a', UPPER), sync, bind('', 'a'), execute(''), sync))

    def test_a_transaction_sent_whole(self):
        for statement in ('set local search_path = other', 'create temp table customers as select 3 as id, $$open$$::text as email'):
            for end in ('commit', 'rollback', 'end', 'abort', 'commit and chain'):
                if statement.startswith('create') and end != 'rollback' and end != 'abort':
                    continue
                with self.subTest(statement + ', ' + end):
                    self.judge(self.sends(5, query('begin'), query(statement), query('select id from customers'), query(end), query(UPPER)))
                    self.judge(self.sends(1, ext('begin'), ext(statement), ext('select id from customers'), ext(end), ext(UPPER), sync))
                    self.judge(self.sends(2, ext('begin'), ext(statement), ext('select id from customers'), ext(end), sync, ext(UPPER), sync))

    def test_a_pipeline_that_fails(self):
        self.judge(self.sends(2, ext('create temp table customers as select 3 as id, $$open$$::text as email'), ext('select id from customers'), ext('select 1/0'), sync, ext(UPPER), sync))
        self.judge(self.sends(5, query('begin'), query('set local search_path = other'), query('select id from customers'), query('select 1/0'), query('rollback; ' + UPPER)))

    def test_what_goes_on_is_known(self):
        self.assertEqual(self.sends(4, query('begin'), query('set local search_path = other'), query(UPPER), query('commit')), ['OPEN'])
        self.assertEqual(self.sends(1, ext('set local search_path = other'), ext(UPPER), ext(UPPER), sync), ['OPEN', 'OPEN'])


if __name__ == '__main__':
    main()
