#!/usr/bin/python3
"""The PostgreSQL protocol through `dbguard proxy`, message by message, against a real server."""
import os
import pathlib
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy, psql  # noqa: E402
from postgres_wire import (  # noqa: E402
    Refused, Wire, bind, close, copy_data, copy_done, copy_fail, describe, error, execute, fields, flush, msg, parse, query, row, sync, terminate, types)

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, bulk, session, tx, notify, ddl.create, call]
      - deny: ddl.drop
        why: Nothing is dropped here.
        fix: Ask for a migration.
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.people.email", with: email }
      - { column: "public.people.phone", with: last(4) }
    derived: deny
    filter: equality
'''
SCHEMA = '''
create table people(id int primary key, email text, phone text, name text);
insert into people values (1, 'ann.smith@example.com', '555-123-4567', 'Ann'), (2, 'bob@foo.org', '555-987-6543', 'Bob'), (3, null, null, 'Nil');
create table plain(id serial, v text);
'''


def rows(messages):
    return [row(body) for kind, body in messages if kind == 'D']


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.postgres.sql(SCHEMA)
        cls.proxy = Proxy(cls.postgres, ROLES)
        cls.addClassCleanup(cls.proxy.close)

    def setUp(self):
        self.wire = Wire(self.proxy.url)
        self.addCleanup(self.wire.close)

    def sends(self, *messages):
        """Sends them in one go; -> everything up to ReadyForQuery"""
        self.wire.send(*messages)
        return self.wire.until_ready()

    def other(self, **kw):
        wire = Wire(self.proxy.url, **kw)
        self.addCleanup(wire.close)
        return wire

    # ---- ordinary traffic

    def test_a_query_of_several_statements(self):
        self.assertEqual(types(self.wire.query('select 1; select 2')), 'TDCTDCZ')

    def test_an_empty_query(self):
        self.assertEqual(types(self.wire.query('')), 'IZ')
        self.assertEqual(types(self.wire.query('-- nothing')), 'IZ')

    def test_the_extended_protocol_with_the_unnamed_statement(self):
        m = self.sends(parse('', 'select $1::int + 1'), bind('', '', ['41']), describe('P', ''), execute(''), sync)
        self.assertEqual((types(m), rows(m)), ('12TDCZ', [['42']]))

    def test_flush_brings_answers_without_sync(self):
        self.wire.send(parse('', 'select 1'), bind('', ''), execute(''), flush)
        self.assertEqual([self.wire.get()[0] for _ in range(4)], ['1', '2', 'D', 'C'])
        self.assertEqual(types(self.sends(sync)), 'Z')

    def test_one_byte_at_a_time(self):
        data = parse('', 'select id, email from people order by id') + bind('', '') + describe('P', '') + execute('') + sync + query('drop table plain')
        for i in range(len(data)):
            self.wire.send(data[i:i + 1])
        m = self.wire.until_ready()
        self.assertEqual((types(m), rows(m)[0]), ('12TDDDCZ', ['1', 'a***@e***.com']))
        self.assertEqual(types(self.wire.until_ready()), 'EZ')

    def test_parameter_status_and_notifications_pass(self):
        m = self.wire.query("set application_name = 'x'")
        self.assertIn('S', types(m))
        self.wire.query('listen news')
        m = self.wire.query("notify news, 'hello'")
        notice = [b for t, b in m if t == 'A'][0]
        self.assertEqual(notice[:4], self.wire.key[:4])  # a client knows its own by the process id
        self.assertEqual(notice[4:], b'news\0hello\0')

    def test_a_portal_with_row_limits(self):
        self.wire.query('begin')
        m = self.sends(parse('', 'select phone from people order by id'), bind('p', ''), describe('P', 'p'), execute('p', 1), sync)
        self.assertEqual((types(m), rows(m)), ('12TDsZ', [['***-***-4567']]))
        m = self.sends(execute('p', 0), sync)
        self.assertEqual((types(m), rows(m)), ('DDCZ', [['***-***-6543'], [None]]))

    # ---- refusals

    def test_a_refusal_is_an_ordinary_error(self):
        m = self.wire.query('drop table plain')
        e = error(m)
        self.assertEqual(types(m), 'EZ')
        self.assertEqual((e['S'], e['C'], e['H']), ('ERROR', '42501', 'Ask for a migration.'))
        self.assertIn('tester#', e['D'])
        self.assertNotIn('P', e)

    def test_a_refusal_fails_its_transaction(self):
        self.wire.query('begin')
        self.assertEqual(self.wire.query('drop table plain')[-1][1], b'E')
        self.assertEqual(error(self.wire.query('select 1'))['C'], '25P02')
        self.assertEqual(self.wire.query('rollback')[-1][1], b'I')

    def test_nothing_of_a_message_runs_when_one_statement_is_refused(self):
        self.wire.query("insert into plain(v) values ('not me'); drop table plain")
        self.assertEqual(self.wire.rows("select count(*) from plain where v = 'not me'"), [['0']])

    def test_pipelined_neighbours_get_their_own_answers(self):
        self.wire.send(query('select 1'), query('drop table plain'), query('select 2'))
        self.assertEqual([types(self.wire.until_ready()) for _ in range(3)], ['TDCZ', 'EZ', 'TDCZ'])
        one = [parse('', 'select 1'), bind('', ''), execute('')]
        self.wire.send(*one, parse('', 'drop table plain'), bind('', ''), execute(''), *one, sync, *one, sync)
        self.assertEqual([types(self.wire.until_ready()) for _ in range(2)], ['12DCEZ', '12DCZ'])

    def test_a_refusal_undoes_the_implicit_transaction_of_its_pipeline(self):
        m = self.sends(parse('', "insert into plain(v) values ('undone')"), bind('', ''), execute(''), parse('', 'drop table plain'), sync)
        self.assertEqual(types(m), '12CEZ')
        self.assertEqual(self.wire.rows("select count(*) from plain where v = 'undone'"), [['0']])

    def test_a_typing_mistake_gets_the_servers_own_error(self):
        for m in (self.wire.query('selec 1'), self.sends(parse('', 'selec 1'), bind('', ''), execute(''), sync)):
            self.assertEqual((types(m), error(m)['C'], error(m)['P']), ('EZ', '42601', '1'))
        m = self.wire.query('select * from nowhere')
        self.assertEqual((error(m)['C'], error(m)['P']), ('42P01', '15'))
        self.wire.query('begin')
        self.assertEqual(self.wire.query('selec 1')[-1][1], b'E')
        self.wire.query('rollback')
        self.assertEqual(types(self.wire.query('select 1; selec 2')), 'EZ')
        self.assertEqual(types(self.wire.query('select 1')), 'TDCZ')

    # ---- names

    def test_prepared_once_and_executed_later(self):
        self.assertEqual(types(self.sends(parse('s', 'select email, phone from people where id = $1'), describe('S', 's'), sync)), '1tTZ')
        for formats in ((), (0,), (1,), (0, 1)):
            m = self.sends(bind('', 's', ['1'], results=formats), execute(''), sync)
            self.assertEqual((types(m), rows(m)), ('2DCZ', [['a***@e***.com', '***-***-4567']]))
        self.assertEqual(rows(self.wire.query('execute s(1)')), [['a***@e***.com', '***-***-4567']])
        self.assertEqual(types(self.sends(close('S', 's'), sync)), '3Z')
        self.assertEqual(error(self.wire.query('execute s(1)'))['C'], '26000')

    def test_formats_that_do_not_fit(self):
        straight = Wire(self.postgres.url('postgres'))
        self.addCleanup(straight.close)
        for formats, results in (((0, 1), ()), ((0, 0, 0), (0, 1, 0)), ((), (0, 1, 0)), ((7,), ()), ((), (9,))):
            sent = parse('', 'select email, phone from people where id = $1') + bind('', '', ['1'], formats, results) + describe('P', '') + execute('') + sync
            straight.send(sent)
            expected, m = straight.until_ready(), self.sends(sent)
            self.assertEqual(types(m), types(expected), (formats, results))
            self.assertEqual([error(m)[which] for which in 'SCM'], [error(expected)[which] for which in 'SCM'])
        self.assertEqual(rows(self.wire.query('select id from people where id = 1')), [['1']])

    def test_a_portal_nobody_described(self):
        m = self.sends(parse('', 'select phone from people where id = $1'), bind('', '', ['2']), execute(''), sync)
        self.assertEqual((types(m), rows(m)), ('12DCZ', [['***-***-6543']]))

    def test_sql_and_protocol_share_their_names(self):
        self.wire.query('prepare q as select email from people where id = $1')
        self.assertEqual(rows(self.wire.query('execute q(1)')), [['a***@e***.com']])
        m = self.sends(bind('', 'q', ['2']), describe('P', ''), execute(''), sync)
        self.assertEqual((types(m), rows(m)), ('2TDCZ', [['b***@f***.org']]))
        self.wire.query('deallocate all')
        self.assertEqual(error(self.sends(bind('', 'q', ['2']), sync))['C'], '26000')

    def test_cursors(self):
        self.wire.query('begin; declare c cursor for select phone, id from people order by id')
        self.assertEqual(rows(self.wire.query('fetch 1 from c')), [['***-***-4567', '1']])
        m = self.sends(execute('c', 1), sync)
        self.assertEqual(rows(m), [['***-***-6543', '2']])
        self.wire.query('commit')
        self.assertEqual(error(self.wire.query('fetch 1 from c'))['C'], '34000')

    def test_an_old_statement_behind_a_new_name_that_fails(self):
        # The second Parse fails since the name is taken; what runs is the first, and so are its masks.
        self.sends(parse('x', 'select email from people where id = 1'), sync)
        self.wire.send(parse('x', 'select 1'), sync, bind('', 'x'), execute(''), sync)
        self.assertEqual(types(self.wire.until_ready()), 'EZ')
        m = self.wire.until_ready()
        self.assertEqual(rows(m), [['a***@e***.com']])

    def test_names_that_are_not_there(self):
        self.assertEqual(types(self.sends(bind('', 'nope'), execute(''), sync)), 'EZ')
        self.assertEqual(error(self.sends(execute('nope'), sync))['C'], '34000')
        self.assertEqual(types(self.wire.query('select 1')), 'TDCZ')

    # ---- COPY

    def test_copy_in(self):
        self.wire.send(query('copy plain(v) from stdin'))
        self.assertEqual(self.wire.get()[0], 'G')
        self.assertEqual(self.sends(copy_data(b'a\nb\n'), copy_data(b'c\n'), copy_done)[0], ('C', b'COPY 3\0'))
        self.wire.send(query('copy plain(v) from stdin'))
        self.wire.get()
        self.assertEqual(types(self.sends(copy_fail('no'))), 'EZ')
        self.wire.send(query('copy plain from stdin'))
        self.wire.get()
        self.assertEqual(types(self.sends(copy_data(b'no number\n'), copy_data(b'more\n') * 100, copy_done)), 'EZ')
        self.assertEqual(types(self.wire.query('select 1')), 'TDCZ')

    def test_copy_in_by_the_extended_protocol(self):
        # As libpq does: Sync at once, which the server ignores while it reads the data, and again at the end.
        self.wire.send(parse('', 'copy plain(v) from stdin'), bind('', ''), describe('P', ''), execute(''), sync)
        self.assertEqual([self.wire.get()[0] for _ in range(4)], ['1', '2', 'n', 'G'])
        self.assertEqual(types(self.sends(copy_data(b'x\n'), copy_done, sync)), 'CZ')
        m = self.sends(parse('', 'copy plain(v) from stdin'), bind('', ''), execute(''), copy_data(b'at once\n'), copy_done, sync)
        self.assertEqual(types(m), '12GCZ')
        m = self.sends(parse('', 'copy nowhere from stdin'), bind('', ''), execute(''), copy_data(b'at once\n'), copy_done, sync)
        self.assertEqual(types(m), '12EZ')

    def test_copy_out_is_masked(self):
        data = lambda m: b''.join(b for t, b in m if t == 'd').decode('latin-1')
        m = self.wire.query('copy (select email, phone, id from people where id = 1) to stdout')
        self.assertEqual((types(m), data(m)), ('HdcCZ', 'a***@e***.com\t***-***-4567\t1\n'))
        m = self.wire.query("copy people(phone) to stdout (format csv, header, force_quote *)")
        self.assertEqual(data(m), 'phone\n"***-***-4567"\n"***-***-6543"\n\n')
        m = self.wire.query('copy people(id, phone) to stdout (format binary)')
        self.assertIn('***-***-4567', data(m))
        self.assertNotIn('555', data(m))
        m = self.wire.query('select 1; copy people(phone) to stdout; select 2; copy (select email from people where id = 1) to stdout (format csv)')
        self.assertEqual((types(m), data(m)), ('TDCHdddcCTDCHdcCZ', '***-***-4567\n***-***-6543\n\\N\na***@e***.com\n'))
        self.wire.query('begin')
        m = self.sends(parse('', 'copy people(email) to stdout'), bind('', ''), execute(''), sync)
        self.assertEqual((types(m), data(m)), ('12HdddcCZ', 'a***@e***.com\nb***@f***.org\n\\N\n'))

    def test_what_is_no_copy_data_ends_the_session(self):
        wire = self.other()
        wire.send(query('copy plain(v) from stdin'))
        wire.get()
        wire.send(query('select 1'))
        self.assertEqual(error(wire.at_end())['C'], '08P01')

    def test_stray_copy_data_is_ignored_as_the_server_does(self):
        self.assertEqual(types(self.sends(copy_data(b'x'), copy_done, query('select 1'))), 'TDCZ')

    # ---- errors

    def test_error_texts_hold_no_values(self):
        m = self.wire.query("insert into people values (1, 'secret@x.org', 'y')")
        self.assertEqual((error(m)['C'], error(m)['n']), ('23505', 'people_pkey'))
        self.assertNotIn('(1)', str(error(m)))
        self.assertNotIn('D', error(m))

    def test_texts_of_code_pass_where_it_can_have_read_nothing(self):
        count = 0

        def said(body, value='1', type_='int', of=''):
            """-> the texts that come when a new function with this body is called"""
            nonlocal count
            count += 1
            self.assertEqual(error(self.wire.query('create function said_%d(n %s) returns text language plpgsql as $f$begin %s; return n; end$f$' % (count, type_, body))), None)
            return texts('select said_%d(%s) %s' % (count, value, of))

        def texts(sql):
            return [fields(body)['M'] for kind, body in self.wire.query(sql) if kind in 'EN']

        self.assertEqual(said("raise notice 'n is %', n"), ['n is 1'])
        self.assertEqual(texts('begin; select said_1(5); commit'), ['n is 5'])
        self.assertEqual(said("if n < 0 then raise exception 'below' using errcode = '22003'; end if; n := (select id from plain where id = n)", '-5'), ['below'])
        self.assertEqual(texts("do $$begin raise notice 'hello'; end$$"), ['hello'])
        # Where it reads the masked column, or gets it: rebuilt, or all of it refused.
        def hides(texts):
            self.assertTrue(texts)
            for text in texts:
                self.assertTrue(text == 'a function raised an exception' or text.startswith('dbguard: '), text)

        hides(said("raise notice '%', (select phone from people where id = n)"))
        hides(said("raise notice '%', exists (select from people where phone like '555%')"))
        hides(said("for n in select id from people loop raise notice '%', n; end loop"))
        hides(said("raise notice 'n is %', n", 'id', of='from people'))
        # Code behind the code; a trigger's, also later; what shows values of any table.
        hides(said("execute 'select phone from people' into n; raise notice '%', n", "'x'", 'text'))
        hides(said("raise notice '%%', said_%d('x')" % count))
        hides(said("raise notice '%', (select most_common_vals from pg_stats limit 1)"))
        self.postgres.sql("""create table watched(id int); create table watching(id int primary key deferrable initially deferred);
            create function shows() returns trigger language plpgsql as $$begin raise notice '%', (select phone from people limit 1); return new; end$$;
            create constraint trigger watched after insert on watched deferrable initially deferred for each row execute function shows()""")
        self.addCleanup(lambda: self.postgres.sql('drop table watched, watching; drop function shows'))
        hides(texts('insert into watched values (1)'))
        hides(texts('begin') + texts('insert into watched values (1)') + texts('commit'))
        hides(said("insert into watched values (n); raise notice 'done'"))
        # Deferred checks of what is not masked say what they say.
        self.assertEqual(texts('begin') + texts('insert into watching values (1), (1)'), [])
        self.assertEqual(error(self.wire.query('commit'))['D'], 'Key (id)=(1) already exists.')

    # ---- bad input

    def test_broken_messages_end_the_session_with_an_error(self):
        for name, data in {
            'unknown type': msg('y', b'abc'),
            'negative length': b'Q\xff\xff\xff\xff',
            'short length': b'Q\0\0\0\2',
            'oversize': b'S\x7f\xff\xff\xff',
            'query without NUL': msg('Q', b'select 1'),
            'bind with a wrong count': msg('B', b'\0\0\0\0\xff\xff\0\0'),
            'password message after the login': msg('p', b'x\0'),
            'sync with a body': msg('S', b'x'),
        }.items():
            with self.subTest(name):
                wire = self.other()
                wire.send(data)
                answer = wire.at_end()
                self.assertIsNotNone(error(answer), answer)
                self.assertEqual((error(answer)['C'], error(answer)['S']), ('08P01', 'FATAL'))

    def test_a_client_that_goes_away_in_the_middle(self):
        for data in (b'Q\0\0\1\0select', b'Q', msg('P', b'x\0select 1\0')[:-1], query('select pg_sleep(0.2)')):
            wire = self.other()
            wire.send(data)
            wire.close()
        self.assertEqual(types(self.wire.query('select 1')), 'TDCZ')

    def test_a_half_closed_client_gets_its_answers(self):
        wire = self.other()
        wire.send(query('select pg_sleep(0.3), 7'))
        wire.s.shutdown(socket.SHUT_WR)
        self.assertEqual(types(wire.at_end()), 'TDCZ')

    def test_terminate_ends_without_a_word(self):
        wire = self.other()
        wire.send(terminate)
        self.assertEqual(wire.at_end(), [])

    # ---- cancel

    def test_cancel_reaches_the_statement(self):
        wire = self.other()

        def cancel():
            time.sleep(0.5)
            with socket.create_connection(wire.address) as s:
                s.sendall(struct.pack('!II', 16, 80877102) + wire.key)
                s.recv(1)
        threading.Thread(target=cancel).start()
        began = time.monotonic()
        self.assertEqual(error(wire.query('select pg_sleep(20)'))['C'], '57014')
        self.assertLess(time.monotonic() - began, 10)

    def test_cancel_needs_the_key(self):
        wire = self.other()
        wire.send(query('select pg_sleep(1), 1'))
        with socket.create_connection(wire.address) as s:
            s.sendall(struct.pack('!II', 16, 80877102) + wire.key[:4] + b'\0\0\0\1')
            self.assertEqual(s.recv(1), b'')
        self.assertEqual(types(wire.until_ready()), 'TDCZ')

    # ---- logging in

    def refused(self, **kw):
        wire = self.other(login=False)
        wire.database = kw.get('database', wire.database)
        with self.assertRaises(Refused) as caught:
            wire.startup(kw.get('params', {}))
            wire.login()
        return caught.exception.args[0]['C']

    def test_logins_that_are_refused(self):
        self.assertEqual(self.refused(params={'replication': 'true'}), '0A000')
        self.assertEqual(self.refused(params={'replication': 'database'}), '0A000')
        self.assertEqual(self.refused(database='template1'), '3D000')
        self.assertEqual(self.refused(params={'options': '-d 5'}), '42501')
        for user, password in ((None, 'wrong'), ('postgres', None), ('postgres', self.postgres.password)):
            wire = self.other(login=False)
            wire.user = user or wire.user
            wire.startup({})
            with self.assertRaises(Refused) as caught:
                wire.login(password)
            self.assertEqual(caught.exception.args[0]['C'], '28P01')

    def test_encryption_requests_are_declined(self):
        wire = self.other(login=False)
        wire.send_raw(struct.pack('!II', 8, 80877103))
        self.assertEqual(wire.read_exact(1), b'N')
        wire.send_raw(struct.pack('!II', 8, 80877104))
        self.assertEqual(wire.read_exact(1), b'N')
        wire.startup({})
        wire.login()
        self.assertEqual(types(wire.query('select 1')), 'TDCZ')

    def test_newer_protocols_are_negotiated_down(self):
        for version, params in ((196610, {}), (196608, {'_pq_.new': '1'})):
            wire = self.other(login=False)
            wire.startup(params, version)
            wire.login()
            self.assertEqual(types(wire.query('select 1')), 'TDCZ')

    def test_what_is_not_this_protocol_gets_an_error(self):
        for name, data in {
            'direct TLS': b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
            'HTTP': b'GET / HTTP/1.1\r\n\r\n',
            'protocol 2': struct.pack('!II', 8, 0x20000),
            'a packet of no length': b'\0\0\0\0',
        }.items():
            with self.subTest(name):
                wire = self.other(login=False)
                wire.send_raw(data)
                self.assertIsNotNone(error(wire.at_end()))

    def test_startup_settings_arrive(self):
        wire = self.other(params={'application_name': 'me', 'options': '-c statement_timeout=5s --work_mem=1MB'})
        self.assertEqual(wire.rows('show statement_timeout'), [['5s']])
        self.assertEqual(wire.rows('show work_mem'), [['1MB']])
        self.assertEqual(wire.rows('show application_name'), [['me']])

    def test_psql_works(self):
        code, out, err = psql(self.postgres, self.proxy.url, r'\d people', 'select email from people where id = 1')
        self.assertEqual(code, 0, err)
        self.assertIn('a***@e***.com', out)


if __name__ == '__main__':
    main()
