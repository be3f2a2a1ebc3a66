#!/usr/bin/python3
"""dbguard's own questions in the client's transaction: what they meet there is not the client's trouble, and they leave nothing behind."""
import pathlib
import socket
import struct
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main, wait_for  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, describe, error, execute, parse, query, sync, types  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, tx, session, ddl, lock]
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.customers.email", with: redact }
'''
SCHEMA = '''
create table customers (id int, email text);
insert into customers values (1, 'hidden');
create view people as select id, email from customers;
create table other (id int);
'''


class OwnQuestions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.postgres.sql(SCHEMA)
        cls.proxy = Proxy(cls.postgres, ROLES)
        cls.addClassCleanup(cls.proxy.close)

    def setUp(self):
        self.wire, self.admin = Wire(self.proxy.url), Wire(self.postgres.url())
        for wire in (self.wire, self.admin):
            self.addCleanup(wire.close)
        self.assertEqual(self.wire.rows('select email from people'), [['***']])

    def does(self, wire, sql):
        messages = wire.query(sql)
        self.assertIsNone(error(messages), sql)
        return messages

    def locks(self):
        """The relations that the client's session holds locks on, seen from outside."""
        return [name for name, in self.admin.rows(
            "select distinct relation::regclass::text from pg_locks l join pg_stat_activity a using (pid) where a.pid <> pg_backend_pid() and l.relation >= 16384 order by 1")]

    def waits_for_a_lock(self):
        watch = Wire(self.postgres.url())
        self.addCleanup(watch.close)
        wait_for(lambda: watch.rows("select 1 from pg_stat_activity where wait_event_type = 'Lock'"), 20, 'the wait for a lock')

    def test_a_question_that_cannot_have_a_lock_leaves_the_transaction_alone(self):
        """The definition of a view wants a lock on what is behind it. The client's lock_timeout is the question's, too; it is asked again."""
        self.does(self.wire, 'begin')
        self.does(self.wire, "insert into other values (7)")
        self.does(self.wire, "set local lock_timeout = '2s'")
        self.does(self.admin, 'begin')
        self.does(self.admin, 'lock table customers')
        answer = []
        self.does(self.wire, 'create temp table mine (id int)')   # what follows asks for the whole catalogue
        self.wire.send(query('select id from mine'))
        reader = threading.Thread(target=lambda: answer.extend(self.wire.until_ready()))
        reader.start()
        self.waits_for_a_lock()
        # Until one of its tries has failed.
        watch = Wire(self.postgres.url())
        self.addCleanup(watch.close)
        first = watch.rows("select query_start from pg_stat_activity where wait_event_type = 'Lock'")
        wait_for(lambda: first != watch.rows("select query_start from pg_stat_activity where wait_event_type = 'Lock'"), 20, 'another try')
        self.does(self.admin, 'commit')
        reader.join(20)
        self.assertIsNone(error(answer))
        self.does(self.wire, 'commit')
        self.assertEqual(self.admin.rows('select id from other where id = 7'), [['7']])

    def test_one_that_is_cancelled_was_the_statement(self):
        for block in (False, True):
            if block: self.does(self.wire, 'begin')
            self.does(self.wire, 'create temp table mine (id int)')
            self.does(self.admin, 'begin; lock table customers')
            self.wire.send(query('select id from mine'))   # asks, and waits
            self.waits_for_a_lock()
            with socket.create_connection(self.wire.address) as s:
                s.sendall(struct.pack('!II', 16, 80877102) + self.wire.key)
                self.assertEqual(s.recv(1), b'')
            answer = self.wire.until_ready()
            self.assertEqual((types(answer), error(answer)['C'], error(answer)['M']), ('EZ', '57014', 'canceling statement due to user request'))
            self.assertEqual(answer[-1][1], b'E' if block else b'I')
            self.does(self.admin, 'rollback')
            self.does(self.wire, 'rollback' if block else 'drop table mine')
        # The time that the client gives its statements is the questions' as well.
        self.does(self.wire, "set statement_timeout = '200ms'")
        self.does(self.wire, 'create temp table mine (id int)')
        self.does(self.admin, 'begin; lock table customers')
        answer = self.wire.query('select id from mine')
        self.assertEqual((error(answer)['C'], error(answer)['M']), ('57014', 'canceling statement due to statement timeout'))
        self.does(self.admin, 'rollback')
        self.does(self.wire, 'reset statement_timeout')
        self.does(self.wire, 'select id from mine')
        self.does(self.wire, 'drop table mine')

    def test_they_leave_no_locks_and_no_settings(self):
        self.does(self.wire, 'begin')
        self.does(self.wire, 'select 1')
        jit = self.wire.rows('show jit')
        self.does(self.wire, 'create temp table mine (id int)')
        self.does(self.wire, 'select id from other')
        self.assertNotIn('customers', self.locks())
        self.assertNotIn('people', self.locks())
        self.assertEqual(self.wire.rows('show jit'), jit)
        self.does(self.wire, 'rollback')

    def test_the_clients_own_savepoints_cursors_and_unnamed_statement_stay(self):
        self.does(self.wire, 'begin')
        self.does(self.wire, 'declare c cursor for select id from generate_series(1, 4) id')
        self.assertEqual(self.wire.rows('fetch 1 from c'), [['1']])
        self.does(self.wire, 'savepoint dbguard')                         # the name of dbguard's own, too
        self.does(self.wire, 'create temp table mine (id int)')
        self.assertEqual(self.wire.rows('fetch 1 from c'), [['2']])      # asks
        self.wire.send(parse('', 'select 5') + sync)
        self.assertEqual(types(self.wire.until_ready()), '1Z')
        self.does(self.wire, 'create temp table also_mine (id int)')
        self.wire.send(parse('x', 'select id from also_mine') + sync)    # asks
        self.assertEqual(types(self.wire.until_ready()), '1Z')
        self.does(self.wire, 'rollback to dbguard')
        self.assertEqual(self.wire.rows('fetch 1 from c'), [['3']])
        self.wire.send(bind('', '') + describe('P', '') + execute('') + sync)
        self.assertEqual(error(self.wire.until_ready())['C'], '26000')   # a Query came since: PostgreSQL's own rule
        self.does(self.wire, 'rollback')

    def test_an_unnamed_statement_survives_a_question(self):
        self.does(self.wire, 'begin')
        self.does(self.wire, 'create temp table mine (id int)')
        self.wire.send(parse('', 'select 5') + sync)                     # asks
        self.assertEqual(types(self.wire.until_ready()), '1Z')
        self.wire.send(parse('y', "set local search_path = public") + bind('p', 'y') + execute('p') + sync)
        self.assertIsNone(error(self.wire.until_ready()))
        self.wire.send(parse('z', 'select id from customers') + sync)    # asks again
        self.assertEqual(types(self.wire.until_ready()), '1Z')
        self.wire.send(bind('', '') + execute('') + sync)
        self.assertEqual(types(self.wire.until_ready()), '2DCZ')
        self.does(self.wire, 'rollback')

    def test_no_transaction_number_is_taken(self):
        self.does(self.wire, 'begin')
        self.does(self.wire, "set local search_path = public")
        self.does(self.wire, 'select id from customers')
        self.assertEqual(self.wire.rows('select pg_current_xact_id_if_assigned()'), [[None]])
        self.does(self.wire, 'rollback')

    def test_set_transaction_still_comes_first(self):
        for sql in ('begin', 'set transaction isolation level serializable', 'select id from customers', 'rollback'):
            self.does(self.wire, sql)


if __name__ == '__main__':
    main()
