#!/usr/bin/python3
"""Two connections through one `dbguard proxy`: what one of them makes of a name, the other does not read under what the name meant before."""
import pathlib
import struct
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main, wait_for  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, error, execute, msg, parse, query, row, sync  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, tx, session, ddl, call]
      - { allow: call, when: { function: ["public.g"] } }
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.customers.email", with: redact }
'''
SCHEMA = '''
create table customers (id int, name text, email text);
insert into customers select i, 'n' || i, 'hidden' from generate_series(1, 3) i;
create table open (id int, name text);
insert into open select i, 'o' || i from generate_series(1, 2000) i;
create table gate (id int);
create function g() returns text language plpgsql as $$ begin perform id from gate; return f(1); end $$;
'''
NEW_VIEW = 'create or replace view seen as select id, email as name from customers'
SLOW = 'select f(id), pg_sleep(0.002) from open'


def code(column):
    return "create or replace function f(n int) returns text language plpgsql as $$ declare v text; begin select max(%s) into v from customers; return v; end $$" % column


class Siblings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.postgres.sql(SCHEMA)

    def setUp(self):
        self.admin = Wire(self.postgres.url())
        for statement in ('drop view if exists seen', 'drop function if exists f(int)', 'create view seen as select id, name from customers', code('name')):
            self.assertIsNone(error(self.admin.query(statement)))
        self.proxy = Proxy(self.postgres, ROLES)
        self.addCleanup(self.proxy.close)
        self.one, self.two = Wire(self.proxy.url), Wire(self.proxy.url)
        for wire in (self.admin, self.one, self.two):
            self.addCleanup(wire.close)

    def does(self, wire, sql):
        messages = wire.query(sql)
        self.assertIsNone(error(messages), sql)
        return messages

    def in_background(self, wire, *messages):
        """-> a function that waits for the answer"""
        answer = []
        wire.send(*messages)
        thread = threading.Thread(target=lambda: answer.extend(wire.until_ready()))
        thread.start()

        def wait():
            thread.join(20)
            return answer
        return wait

    def waits_for_a_lock(self):
        wait_for(lambda: self.admin.rows("select 1 from pg_stat_activity where wait_event_type = 'Lock'"), 10, 'the wait for a lock')

    def values(self, messages):
        return {value for kind, body in messages if kind == 'D' for value in row(body)}

    def test_at_once(self):
        for change, question in ((NEW_VIEW, 'select name from seen'), (NEW_VIEW, 'select upper(name) from seen'), (code('email'), 'select f(1)')):
            with self.subTest(question):
                self.setUp()
                self.assertIsNone(error(self.two.query(question)))
                self.does(self.one, change)
                values = self.values(self.two.query(question))
                self.assertFalse({'hidden', 'HIDDEN'} & values, values)

    def test_behind_a_lock(self):
        asked = (query('select id, name from seen'), query('select upper(name) from seen'),
                 parse('', 'select upper(name) from seen') + bind('', '') + execute('') + sync)
        for question in asked:
            with self.subTest(question):
                self.setUp()
                self.does(self.two, 'select name from seen')
                self.does(self.one, 'begin')
                self.does(self.one, NEW_VIEW)
                answer = self.in_background(self.two, question)
                self.waits_for_a_lock()
                self.does(self.one, 'commit')
                messages = answer()
                self.assertFalse({'hidden', 'HIDDEN'} & self.values(messages))
                self.assertEqual(error(messages)['C'], '40001')
                # Told so, it comes again.
                self.assertEqual(self.values(self.two.query('select name from seen')), {'***'})

    def test_what_an_error_quotes_behind_a_lock(self):
        self.does(self.two, 'select name from seen')
        self.does(self.one, 'begin')
        self.does(self.one, NEW_VIEW)
        answer = self.in_background(self.two, query('select 1 from seen where name::int > 1'))
        self.waits_for_a_lock()
        self.does(self.one, 'commit')
        told = error(answer())
        self.assertEqual(told['C'], '22P02')
        self.assertNotIn('hidden', str(told))

    def test_a_rename_behind_a_lock(self):
        self.does(self.two, 'select name from seen')
        self.does(self.one, 'begin')
        self.does(self.one, 'alter view seen rename to before')
        self.does(self.one, 'create view seen as select id, email as name from customers')
        answer = self.in_background(self.two, query('select upper(name) from seen'))
        self.waits_for_a_lock()
        self.does(self.one, 'commit')
        self.assertFalse({'HIDDEN'} & self.values(answer()))
        self.does(self.admin, 'drop view before')

    def test_code_that_changes_while_it_runs(self):
        self.does(self.two, 'select f(1)')
        answer = self.in_background(self.two, query(SLOW))
        wait_for(lambda: self.admin.rows("select 1 from pg_stat_activity where wait_event = 'PgSleep'"), 10, 'the slow statement')
        self.does(self.one, code('email'))
        messages = answer()
        self.assertNotIn('hidden', self.values(messages))

    def test_code_that_changes_while_a_function_call_message_waits(self):
        number = int(self.admin.rows("select 'g()'::regprocedure::oid")[0][0])
        call = msg('F', struct.pack('!IHHh', number, 0, 0, 0))   # no arguments, the result as text

        def given(messages):
            self.assertIsNone(error(messages))
            body = next(body for kind, body in messages if kind == 'V')
            return None if body[:4] == b'\xff' * 4 else body[4:]

        self.two.send(call)
        self.assertEqual(given(self.two.until_ready()), b'n3')
        self.admin.query('begin')
        self.admin.query('lock table gate')
        answer = self.in_background(self.two, call)
        watch = Wire(self.postgres.url())
        self.addCleanup(watch.close)
        wait_for(lambda: watch.rows("select 1 from pg_stat_activity where wait_event_type = 'Lock'"), 10, 'the wait for a lock')
        self.does(self.one, code('email'))
        self.admin.query('commit')
        self.assertIsNone(given(answer()))

    def test_other_names_change_and_nobody_is_disturbed(self):
        slow = 'select name, pg_sleep(0.0005) from open'
        for change in ('create table fresh (id int)', 'alter table fresh add column name text', 'create index on fresh (id)', 'drop table fresh', NEW_VIEW):
            with self.subTest(change):
                self.does(self.two, 'select 1 from open')
                answer = self.in_background(self.two, query(slow))
                wait_for(lambda: self.admin.rows("select 1 from pg_stat_activity where wait_event = 'PgSleep'"), 10, 'the slow statement')
                self.does(self.one, change)
                self.does(self.one, 'select 1')
                messages = answer()
                self.assertIsNone(error(messages))
                self.assertEqual(len([1 for kind, _ in messages if kind == 'D']), 2000)


if __name__ == '__main__':
    main()
