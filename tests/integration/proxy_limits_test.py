#!/usr/bin/python3
"""Limits through `dbguard proxy`: rows, time, affected rows; and that memory does not grow with what passes."""
import pathlib
import struct
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, copy_data, copy_done, describe, error, execute, parse, query, row, sync, types, z  # noqa: E402

ROLE = '''
  %s:
    for: local
    databases: postgres
    login: postgres
    limits: { %s }
    rules:
      - allow: [read, write, tx, session, call, ddl.create, bulk]
%s'''
AFFECTED = '''      - deny: [write.update, write.delete]
        when: { affected_rows: ">10" }
        why: Too many.
'''
EVERYWHERE = '''      - allow: ddl
      - deny: [write, bulk.import]
        when: { affected_rows: ">10" }
        why: Too many.
'''
ESTIMATED = '''      - deny: [read, write]
        when: { estimated_rows: ">1000" }
        why: Too many.
'''
ROLES = ''.join(ROLE % role for role in (
    ('rows', 'rows: 100', ''), ('cut', 'rows: 100, over: cut', ''), ('time', 'time: 1s', ''), ('affected', 'rows: 100000', AFFECTED), ('everywhere', 'rows: 100000', EVERYWHERE), ('estimated', 'rows: 100000', ESTIMATED), ('open', 'rows: 100000000', '')))


def shape(messages):
    """-> (types without rows, number of rows, SQLSTATE)"""
    kinds = types(messages)
    return kinds.replace('D', ''), kinds.count('D'), (error(messages) or {}).get('C')


def one(sql):
    return [parse('', sql), bind('', ''), execute('')]


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())

    def as_role(self, role):
        self.proxy = Proxy(self.postgres, ROLES, role=role)
        self.addCleanup(self.proxy.close)
        self.wire = Wire(self.proxy.url)
        self.addCleanup(self.wire.close)
        return self.wire

    def sends(self, *messages):
        self.wire.send(*messages)
        return self.wire.until_ready()

    def test_rows_exactly(self):
        w = self.as_role('rows')
        self.assertEqual(shape(w.query('select generate_series(1, 100)')), ('TCZ', 100, None))
        self.assertEqual(shape(w.query('select generate_series(1, 101)')), ('TEZ', 100, '54000'))
        self.assertEqual(shape(w.query('select generate_series(1, 3000000)')), ('TEZ', 100, '54000'))
        self.assertEqual(shape(self.sends(*one('select generate_series(1, 500)'), sync)), ('12EZ', 100, '54000'))
        self.assertEqual(shape(w.query('select 1')), ('TCZ', 1, None))
        w.query('begin')
        self.assertEqual(w.query('select generate_series(1, 101)')[-1][1], b'E')
        self.assertEqual(w.query('rollback')[-1][1], b'I')

    def test_rows_cut(self):
        w = self.as_role('cut')
        self.assertEqual(shape(w.query('select generate_series(1, 100)')), ('TCZ', 100, None))
        self.assertEqual(shape(w.query('select generate_series(1, 200)')), ('TNCZ', 100, None))

    def test_time(self):
        w = self.as_role('time')
        for messages in ([query('select pg_sleep(20)')], [*one('select pg_sleep(20)'), sync]):
            began = time.monotonic()
            self.assertEqual(error(self.sends(*messages))['C'], '57014')
            self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(shape(w.query('select 1')), ('TCZ', 1, None))

    def test_a_portal_in_parts_is_one_result(self):
        w = self.as_role('rows')
        few, many = 'select generate_series(1, 100)', 'select generate_series(1, 101)'
        parts = lambda sql: [parse('', sql), bind('', ''), execute('', 60), execute('', 60), sync]
        self.assertEqual(shape(self.sends(*parts(few))), ('12sCZ', 100, None))
        self.assertEqual(shape(self.sends(*parts(many))), ('12sEZ', 100, '54000'))
        w.query('begin')
        self.assertEqual(shape(self.sends(parse('', many), bind('', ''), execute('', 60), sync)), ('12sZ', 60, None))
        self.assertEqual(shape(self.sends(execute('', 60), sync)), ('EZ', 40, '54000'))
        w.query('rollback')
        self.assertEqual(shape(self.sends(*parts('select 1'))), ('12CCZ', 1, None))   # the second part is empty

    def test_affected_rows(self):
        w = self.as_role('affected')
        w.query('create temp table k(i int)')
        w.query('insert into k select generate_series(1, 100)')
        undone = lambda: self.assertEqual(w.rows('select count(*) from k where i < 0 or i > 100'), [['0']])
        with self.subTest('outside of a block'):
            m = w.query('update k set i = i where i <= 5')
            self.assertEqual((types(m), m[-1][1]), ('CZ', b'I'))
            m = w.query('update k set i = -1')
            self.assertEqual((types(m), m[-1][1], error(m)['C']), ('EZ', b'I', '42501'))
            undone()
        with self.subTest('summed over a transaction'):
            w.query('begin')
            self.assertEqual(types(w.query('update k set i = i where i <= 6')), 'CZ')
            m = w.query('update k set i = i where i <= 6')
            self.assertEqual((types(m), m[-1][1]), ('EZ', b'E'))
            w.query('rollback')
        with self.subTest('in a pipeline'):
            m = self.sends(*one('insert into k values (1000)'), *one('update k set i = -1'), *one('select 1'), sync)
            self.assertEqual((types(m), m[-1][1]), ('12C12EZ', b'I'))
            undone()
            w.send(query('update k set i = i where i <= 5'), query('update k set i = -1'), query('select 3'))
            self.assertEqual([types(w.until_ready()) for _ in range(3)], ['CZ', 'EZ', 'TDCZ'])
            undone()
        with self.subTest('several in one message'):
            self.assertEqual(types(w.query('update k set i = i where i <= 2; update k set i = i where i <= 3; select 7')), 'CCTDCZ')
            self.assertEqual(types(w.query('update k set i = i where i <= 6; update k set i = i where i <= 6; select 7')), 'CEZ')
        with self.subTest('with BEGIN and COMMIT in the message'):
            m = w.query('begin; update k set i = i where i <= 5; commit')
            self.assertEqual((types(m), m[-1][1]), ('CCCZ', b'I'))
            m = w.query('begin; update k set i = -1; select 1; commit; select 2')
            self.assertEqual((types(m), error(m)['C'], m[-1][1]), ('CEZ', '42501', b'E'))
            w.query('rollback')
            undone()
            m = w.query('begin; update k set i = i where i <= 6; commit; begin; update k set i = i where i <= 6; commit')
            self.assertEqual((types(m), m[-1][1]), ('CCCCCCZ', b'I'))
            m = w.query('begin; select 1 / 0; update k set i = i where i <= 5; commit')
            self.assertEqual((types(m), error(m)['C'], m[-1][1]), ('CEZ', '22012', b'E'))
            w.query('rollback')
            m = w.query('begin; update k set i = i where i <= 6')
            self.assertEqual((types(m), m[-1][1]), ('CCZ', b'T'))
            m = w.query('update k set i = -1 where i <= 6; commit')
            self.assertEqual((types(m), m[-1][1]), ('EZ', b'E'))
            w.query('rollback')
            undone()
            m = w.query('update k set i = i where i <= 6; begin; update k set i = i where i <= 2; commit')
            self.assertEqual((types(m), error(m)['C'], m[-1][1]), ('EZ', '0A000', b'I'))
        with self.subTest('errors, also of the commit'):
            m = w.query('update k set i = 1 / 0')
            self.assertEqual((types(m), error(m)['C'], m[-1][1]), ('EZ', '22012', b'I'))
            w.query('create temp table parent(i int primary key); insert into parent values (1)')
            w.query('create temp table child(i int references parent deferrable initially deferred); insert into child values (1)')
            m = w.query('update child set i = 2')
            self.assertEqual((types(m), error(m)['C'], m[-1][1]), ('EZ', '23503', b'I'))
        with self.subTest('prepared'):
            w.query('prepare p as update k set i = i where i <= $1')
            self.assertEqual(types(w.query('execute p(3)')), 'CZ')
            self.assertEqual(types(w.query('execute p(50)')), 'EZ')
            undone()
        with self.subTest('prepared by PREPARE, bound by a message'):
            few, many = ([bind('', 'p', [value]), execute(''), sync] for value in (b'3', b'50'))
            self.assertEqual(types(self.sends(*few)), '2CZ')
            m = self.sends(*many)
            self.assertEqual((types(m), error(m)['C']), ('2EZ', '42501'))
            self.assertIn('Too many', error(m)['M'])
            w.query('prepare d as with gone as (delete from k returning i) select i from gone')
            self.assertEqual(error(self.sends(bind('', 'd'), execute(''), sync))['C'], '42501')
            self.assertEqual(w.rows('select count(*) from k'), [['100']])
        with self.subTest('what cannot be counted'):
            self.assertEqual(error(w.query('with d as (delete from k returning *) select count(*) from d'))['C'], '42501')
            self.assertEqual(w.rows('select count(*) from k'), [['100']])
            self.postgres.sql("drop table if exists kept; create table kept(i int); insert into kept select generate_series(1, 100); create or replace function empties() returns int language plpgsql "
                              "as $$ begin delete from kept; return 1; end $$; drop table if exists ruled; create table ruled(i int); create rule r as on insert to ruled do also update kept set i = -1")
            for sql in ('select empties()', 'select * from empties()', 'copy (select empties()) to stdout', 'insert into ruled values (1)'):
                with self.subTest(sql):
                    self.assertEqual(error(w.query(sql))['C'], '42501')
            self.assertEqual(self.postgres.sql('select count(*) from kept where i > 0'), '100')

    def in_every_form(self, sql):
        """Sends it as a Query and in a pipeline, outside of a block and in one. -> messages, transaction status, rows that stay"""
        for messages in ([query(sql)], [*one(sql), sync]):
            for block in (False, True):
                if block:
                    self.wire.query('begin')
                m = self.sends(*messages)
                yield m, block, m[-1][1]
                self.wire.query('rollback')

    def passes(self, sql, tag):
        for m, block, status in self.in_every_form(sql):
            self.assertEqual((error(m), status, [b for t, b in m if t == 'C']), (None, b'T' if block else b'I', [z(tag)]))
            self.assertEqual(types(m).strip('12T').replace('D', ''), 'CZ')
            yield block

    def refused(self, sql, says='Too many'):
        for m, block, status in self.in_every_form(sql):
            self.assertEqual((types(m)[-2:], 'C' in types(m), status, error(m)['C']), ('EZ', False, b'E' if block else b'I', '42501'), sql)
            self.assertIn(says, error(m)['M'])

    def test_affected_rows_that_no_tag_tells(self):
        schema = '''
            create table orders(id int primary key, v text);
            create table items(order_id int references orders on delete cascade on update cascade);
            create table parts(i int) partition by list (i);
            create table parts_1 partition of parts for values in (1); create table parts_2 partition of parts for values in (2);
            create table audited(i int); create table log(i int);
            create function note() returns trigger language plpgsql as $$ begin insert into log values (1); return null; end $$;
            create trigger t after insert or update or delete on audited for each row execute function note();
            create table also(i int); create rule r as on insert to also do also insert into log values (new.i), (new.i);
            create view shown as select id from orders;
            create function put() returns trigger language plpgsql as $$ begin insert into log select g from generate_series(1, new.id) g; return new; end $$;
            create trigger t instead of insert on shown for each row execute function put();
            create function drops(n int) returns int language plpgsql as $$ begin delete from log where i <= n; return n; end $$;
            create table "Odd "" \'one"(i int);'''
        def fill():
            self.postgres.sql("truncate orders, items, parts, audited, log, also; insert into orders select g, 'x' from generate_series(1, 50) g; insert into items select 1 from generate_series(1, 30); "
                              'insert into items select 2 from generate_series(1, 3); insert into parts select 1 + g % 2 from generate_series(1, 20) g; insert into log select g from generate_series(1, 40) g')
        contents = lambda: self.postgres.sql('select (select count(*) from orders), (select count(*) from items), (select count(*) from parts), (select count(*) from audited), (select count(*) from log), (select count(*) from also)')
        self.postgres.sql(schema)
        fill()
        w = self.as_role('everywhere')
        full = contents()
        moves = 'with gone as (delete from log where i <= %d returning *) insert into also select - i from gone where false'
        both = 'with a as (delete from log where i <= %d), b as (insert into "Odd "" \'one" values (1) returning 1) select * from b'
        for sql, tag in (
            ('delete from orders where id = 2', 'DELETE 1'),                       # and three items
            ('update orders set id = 102 where id = 2', 'UPDATE 1'),
            ('insert into audited select g from generate_series(1, 5) g', 'INSERT 0 5'),
            ('insert into also values (1)', 'INSERT 0 1'),
            ('insert into shown values (10)', 'INSERT 0 1'),
            (both % 9, 'SELECT 1'),
            ('select drops(10)', 'SELECT 1'),
            ('do $$ begin delete from log where i <= 10; end $$', 'DO'),
            ('explain (analyze, costs off, timing off, summary off) delete from log where i <= 10', 'EXPLAIN'),
            ('merge into log using (select generate_series(1, 60, 10) g) s on i = g when matched then delete when not matched then insert values (g)', 'MERGE 6'),
            ("insert into orders select g, 'y' from generate_series(46, 55) g on conflict (id) do update set v = 'y'", 'INSERT 0 10'),
        ):
            with self.subTest(sql):
                for block in self.passes(sql, tag):
                    if not block: fill()
        for sql, says in (
            ('delete from orders where id = 1', '(changed: public.items 30, public.orders 1)'),
            ('update orders set id = 101 where id = 1', '(changed: public.items 30, public.orders 1)'),
            ('insert into audited select g from generate_series(1, 6) g', '(changed: public.audited 6, public.log 6)'),
            ('insert into also values (1), (2), (3), (4)', '(changed: public.log 8, public.also 4)'),
            ('insert into shown values (11)', '(changed: public.log 11)'),
            (both % 10, '(changed: public.log 10, public."Odd'.replace('"', '') + ' " \'one 1)'),
            ('select drops(11)', '(changed: public.log 11)'),
            ('do $$ begin delete from log where i <= 11; end $$', '(changed: public.log 11)'),
            ('explain analyze delete from log where i <= 11', '(changed: public.log 11)'),
            ('update parts set i = 3 - i where i = 1', '(changed: public.parts_1 10, public.parts_2 10)'),
            ('delete from parts', 'Too many'),
        ):
            with self.subTest(sql):
                self.refused(sql, says)
                self.assertEqual(contents(), full)
        with self.subTest('COPY'):
            w.query('create temp table fresh(i int); create trigger t after insert on fresh for each row execute function note()')
            for rows, ends, stays in ((5, 'CZ', '5'), (6, 'EZ', '0')):
                w.query('truncate fresh')
                w.send(query('copy fresh from stdin'))
                self.assertEqual(w.get()[0], 'G')
                m = self.sends(copy_data(b'1\n' * rows), copy_done)
                self.assertEqual((types(m), m[-1][1]), (ends, b'I'))
                self.assertEqual(w.rows('select count(*) from fresh'), [[stays]])
            fill()
        with self.subTest('summed over a transaction; what is refused is not in the sum'):
            w.query('begin')
            self.assertEqual(types(w.query('delete from orders where id = 2')), 'CZ')
            w.query('savepoint a')
            self.assertEqual(error(w.query('insert into shown values (7)'))['C'], '42501')
            w.query('rollback to a')
            self.assertEqual(types(w.query('insert into shown values (6)')), 'CZ')
            self.assertEqual(error(w.query('insert into log values (1)'))['C'], '42501')
            w.query('rollback')
            self.assertEqual(contents(), full)
        with self.subTest('in one message'):
            m = w.query("select 1; insert into shown values (5); select 2; insert into audited values (1), (2); select 3")
            self.assertEqual((types(m), m[-1][1]), ('TDCCTDCCTDCZ', b'I'))
            fill()
            m = w.query('select 1; insert into shown values (5); insert into audited values (1), (2), (3); select 3')
            self.assertEqual((types(m), m[-1][1]), ('TDCCEZ', b'I'))
            m = w.query('begin; set transaction isolation level serializable; delete from orders where id = 2; savepoint a; insert into shown values (6); rollback to a; commit; select 1')
            self.assertEqual((types(m), m[-1][1]), ('CCCCCCCTDCZ', b'I'))
            self.assertEqual(self.postgres.sql('select count(*) from items'), '30')
            fill()
            m = w.query('begin; delete from orders where id = 1; commit')
            self.assertEqual((types(m), m[-1][1]), ('CEZ', b'E'))
            w.query('rollback')
            self.assertEqual(contents(), full)
        with self.subTest('errors, and where they are'):
            direct = Wire(self.postgres.url())
            self.addCleanup(direct.close)
            for sql in ("select 'ä'; insert into log values (1); select nothing", "select 'ä'; insert into log values (nothing)", 'insert into log values (1 / 0)', 'begin; insert into log values (1); select 1 / 0; commit'):
                ours, theirs = w.query(sql), direct.query(sql)
                fields = [(types(m), m[-1][1], error(m)['C'], error(m).get('P')) for m in (ours, theirs)]
                self.assertEqual(*fields)
                w.query('rollback'), direct.query('rollback')
            self.assertEqual(contents(), full)
        with self.subTest('a pipeline'):
            m = self.sends(*one('delete from orders where id = 2'), *one('insert into shown values (5)'), *one('select 1'), sync)
            self.assertEqual((types(m), m[-1][1]), ('12C12C12DCZ', b'I'))
            fill()
            m = self.sends(*one('delete from orders where id = 2'), *one('insert into shown values (7)'), *one('select 1'), sync)
            self.assertEqual((types(m), m[-1][1]), ('12C12EZ', b'I'))
            self.assertEqual(contents(), full)

    def test_affected_rows_by_other_counts(self):
        self.postgres.sql('create table other(i int); create table heap(i int); insert into heap select generate_series(1, 100)')
        w = self.as_role('affected')
        two = 'with a as (delete from heap where i <= %d returning i), b as (insert into other values (1)) select count(*) from a'
        with self.subTest('what went before'):
            w.query('begin')
            w.query('savepoint a; insert into other select generate_series(1, 100); rollback to a')   # stays in the counters
            self.assertEqual(types(w.query(two % 5)), 'TDCZ')
            w.query('rollback')
            w.query('insert into other select generate_series(1, 100)')
            w.query('begin')
            self.assertEqual(types(w.query(two % 5)), 'TDCZ')
            w.query('rollback')
        with self.subTest('emptied before, and meanwhile'):
            w = self.as_role('everywhere')
            self.postgres.sql('create function clears() returns int language plpgsql as $$ begin truncate other; delete from heap where i = 1; return 1; end $$')
            w.query('begin')
            self.assertEqual(types(w.query('insert into other values (1), (2), (3)')), 'CZ')
            self.assertEqual(types(w.query('truncate other')), 'CZ')
            self.assertEqual(types(w.query(two % 5)), 'TDCZ')
            self.assertIn('cannot be told', error(w.query('select clears()'))['M'])
            w.query('rollback')
        with self.subTest('nobody counts'):
            w = self.as_role('affected')
            for before, after in (('set track_counts = off', 'set track_counts = on'),
                                  ('create foreign data wrapper nobody; create server nowhere foreign data wrapper nobody; create foreign table far(i int) server nowhere', 'drop foreign data wrapper nobody cascade')):
                w.query(before) if before.startswith('set') else self.postgres.sql(before)
                self.assertIn('cannot be told', error(w.query(two % 5))['M'])
                self.assertEqual(types(w.query('update heap set i = i where i <= 5')), 'CZ')
                self.assertEqual(error(w.query('update heap set i = i where i <= 11'))['C'], '42501')
                w.query(after) if after.startswith('set') else self.postgres.sql(after)
                self.assertEqual(types(w.query(two % 1)), 'TDCZ')
                self.postgres.sql('insert into heap values (1)')

    def test_affected_rows_that_cannot_be_asked(self):
        self.postgres.sql("create role plain login password 'pw'; create table mine(i int); grant all on mine to plain; "
                          'create function forbids() returns trigger language plpgsql security definer as $$ begin revoke execute on function pg_stat_get_xact_tuples_deleted(oid) from public; return null; end $$; '
                          'create trigger t after update on mine execute function forbids()')
        self.proxy = Proxy(self.postgres, ROLES, role='everywhere', url=self.postgres.url(user='plain', password='pw'))
        self.addCleanup(self.proxy.close)
        self.wire = w = Wire(self.proxy.url)
        self.addCleanup(w.close)
        for block in self.passes('insert into mine values (1)', 'INSERT 0 1'):
            pass
        self.refused('update mine set i = 2', 'permission denied for function')   # it is asked behind it
        self.assertEqual(self.postgres.sql('select i from mine'), '1\n1')
        self.postgres.sql('revoke execute on function pg_stat_get_xact_tuples_deleted(oid) from public')
        self.refused('insert into mine values (1)', 'permission denied for function')
        self.assertEqual(self.postgres.sql('select i from mine'), '1\n1')
        self.assertEqual(types(w.query('select 1')), 'TDCZ')
        self.postgres.sql('grant execute on function pg_stat_get_xact_tuples_deleted(oid) to public')

    def test_estimated_rows(self):
        admin = Wire(self.postgres.url())
        self.addCleanup(admin.close)
        admin.query('drop table if exists big; create table big(i int primary key, t text); insert into big select g, g from generate_series(1, 50000) g')
        admin.query('analyze big')
        w = self.as_role('estimated')
        many = [
            'select * from big', 'select i from big where i > 10', 'update big set t = t', 'delete from big where i > 5', 'insert into big select i + 100000, t from big',
            'with d as (delete from big returning i) select count(*) from d', 'select 1; select * from big', 'create temp table c as select * from big',
            'copy big to stdout', 'copy (select * from big) to stdout', 'begin; declare c cursor for select * from big; commit',
        ]
        few = [
            'select * from big limit 5', 'select * from big where i = 7', 'select count(*) from big', 'update big set t = t where i in (1, 2)', 'select 1; select i from big where i = 1;',
            'create temp table c as select * from big limit 3', 'copy (select * from big limit 3) to stdout', 'begin; declare c cursor for select * from big limit 3; commit',
        ]
        for sql in many:
            with self.subTest(sql):
                m = w.query(sql)
                self.assertEqual((types(m)[-2:], error(m)['C'], m[-1][1]), ('EZ', '42501', b'I'))
                self.assertIn('Too many', error(m)['M'])
        for sql in few:
            with self.subTest(sql):
                self.assertNotIn('E', types(w.query(sql)))
        self.assertEqual(admin.rows('select count(*) from big'), [['50000']])
        bound = lambda *values: [bind('', '', list(values)), execute(''), sync]
        with self.subTest('prepared by PREPARE, bound by a message'):
            self.assertEqual(types(w.query('prepare b(int) as select i from big where i <= $1')), 'CZ')
            self.assertEqual(error(self.sends(bind('', 'b', [b'40000']), execute(''), sync))['C'], '42501')
        with self.subTest('parameters'):
            w.send(parse('', 'select i from big where i <= $1'), *bound(b'3'))
            self.assertEqual(types(w.until_ready()), '12DDDCZ')
            w.send(*bound(b'40000'))
            m = w.until_ready()
            self.assertEqual((types(m), error(m)['C']), ('2EZ', '42501'))
            w.send(parse('p', 'delete from big where i between $1 and $2'), sync)
            self.assertEqual(types(w.until_ready()), '1Z')
            w.send(bind('', 'p', [b'1000000', b'1000001']), execute(''), bind('', 'p', [b'1', b'50000']), execute(''), bind('', 'p', [b'1', b'2']), execute(''), sync)
            self.assertEqual(types(w.until_ready()), '2C2EZ')
        with self.subTest('prepared by SQL'):
            self.assertEqual(types(w.query('prepare s(int) as select i from big where i <= $1')), 'CZ')
            self.assertEqual(types(w.query('execute s(2)')), 'TDDCZ')
            self.assertEqual(error(w.query('execute s(40000)'))['C'], '42501')
            self.assertEqual(error(w.query('prepare u as select i from big; execute u'))['C'], '42501')
        with self.subTest('in a transaction'):
            w.query('begin')
            self.assertEqual(types(w.query('select i from big where i = 1')), 'TDCZ')
            w.query('savepoint a')
            m = w.query('select * from big')
            self.assertEqual((types(m), m[-1][1]), ('EZ', b'E'))
            self.assertEqual(error(w.query('select i from big where i = 1'))['C'], '42501')
            w.query('rollback to a')
            self.assertEqual(types(w.query('select i from big where i = 1')), 'TDCZ')
            w.query('rollback')
        with self.subTest("the server's own errors"):
            m = w.query("select i from big where i = 'x'")
            self.assertEqual((types(m), error(m)['C'], error(m)['P']), ('EZ', '22P02', '29'))
            w.send(*one("select i from big where i = 'x'"), sync)
            m = w.until_ready()
            self.assertEqual((types(m), error(m)['C'], error(m)['P']), ('EZ', '22P02', '29'))
            self.assertEqual(types(w.query('select i from big where i = 1')), 'TDCZ')

    def drain(self):
        """Reads up to ReadyForQuery and keeps nothing. -> bytes, whether there was an error"""
        total, failed = 0, False
        while True:
            head = self.wire.read_exact(5)
            left = struct.unpack('!I', head[1:])[0] - 4
            total += left
            failed |= head[:1] == b'E'
            while left:
                if self.wire.buf:
                    taken = min(left, len(self.wire.buf))
                    self.wire.buf = self.wire.buf[taken:]
                else:
                    taken = len(self.wire.s.recv(min(left, 1 << 20)))
                    self.assertGreater(taken, 0)
                left -= taken
            if head[:1] == b'Z':
                return total, failed

    def test_memory_does_not_grow_with_what_passes(self):
        w = self.as_role('open')
        self.assertEqual(types(w.query('select 1')), 'TDCZ')
        before = self.proxy.peak_kib()
        size = 60_000_000
        with self.subTest('rows'):
            w.send(query("select repeat('x', 1000) from generate_series(1, 100000)"))
            self.assertGreater(self.drain()[0], 100_000_000)
        with self.subTest('one value'):
            w.send(query("select repeat('x', %d)" % size))
            self.assertGreater(self.drain()[0], size)
        with self.subTest('one parameter'):
            body = z('') + z('') + struct.pack('!HHi', 0, 1, size)
            w.send(parse('', 'select length($1::text)', (25,)), b'B' + struct.pack('!I', 4 + len(body) + size + 2) + body)
            for _ in range(60):
                w.send(b'y' * 1_000_000)
            m = self.sends(struct.pack('!H', 0), execute(''), sync)
            self.assertEqual((types(m), row(m[2][1])), ('12DCZ', [str(size)]))
        with self.subTest('copy'):
            w.query('create temp table big(v text)')
            w.send(query('copy big from stdin'))
            self.assertEqual(w.get()[0], 'G')
            data = copy_data((b'z' * 1000 + b'\n') * 1000)
            for _ in range(60):
                w.send(data)
            self.assertEqual(self.sends(copy_done)[0][1], b'COPY 60000\0')
            w.send(query('copy big to stdout'))
            self.assertGreater(self.drain()[0], 60_000_000)
        self.assertLess(self.proxy.peak_kib() - before, 64 * 1024)


if __name__ == '__main__':
    main()
