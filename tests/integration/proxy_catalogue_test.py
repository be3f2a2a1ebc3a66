#!/usr/bin/python3
"""The catalogue through `dbguard proxy`: asked for once for all sessions of a database, again when it changed, and right. What it costs:

    CATALOGUE_TABLES=5000 DBGUARD=build/release/cli/dbguard tests/integration/proxy_catalogue_test.py
"""
import os
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, error, row, types  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, tx, session, call, ddl, bulk]
    masks: pii
masks:
  pii:
    columns:
      - { column: ["public.t1.c3", "public.made.c3"], with: redact }
      - { tag: pii, with: redact }
'''
TABLES = int(os.environ.get('CATALOGUE_TABLES', '0'))
TABLE = ('create table t%%s (id int primary key, c1 text not null, c2 text default %L, c3 varchar(40), c4 int, c5 bigint, c6 numeric(12,2), c7 date, '
         'c8 timestamptz default now(), c9 boolean default false, customer_id int, created_at timestamp, updated_at timestamp, description text, status text, '
         'amount numeric, quantity int, notes text, payload jsonb, flags int[])')


def make_tables(wire, first, last):
    wire.s.settimeout(300)
    for begin in range(first, last, 500):
        failed = error(wire.query("do $$ begin for i in %d..%d loop execute format('%s', i, 'x'); execute format('create index on t%%s (c3)', i); "
                                  "if i %% 20 = 0 then execute format('create view v%%s as select id, c1, c3 from t%%s where c4 > 3', i, i); end if; end loop; end $$"
                                  % (begin, min(last, begin + 500) - 1, TABLE.replace('%%s', '%1$s').replace('%L', '%2$L'))))
        assert failed is None, failed


class Catalogue(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres(log_statement='all', max_locks_per_transaction='2000'))
        cls.admin = Wire(cls.postgres.url())
        make_tables(cls.admin, 0, 40)

    def setUp(self):
        self.proxy = Proxy(self.postgres, ROLES)
        self.addCleanup(self.proxy.close)
        self.seen = 0
        self.asked()

    def session(self):
        wire = Wire(self.proxy.url)
        self.addCleanup(wire.close)
        return wire

    def asked(self):
        """-> how often (the digest, the whole catalogue) was asked for since the last call. The state is asked for every half second, so how
        often that is depends on how busy the machine is."""
        log = (pathlib.Path(self.postgres.folder) / 'log').read_text(errors='replace')
        new, self.seen = log[self.seen:], len(log)
        questions = [line for line in new.splitlines() if 'execute dbguard_' in line]
        return tuple(sum(word in line for line in questions) for word in ('hashtidextended', 'pg_get_viewdef'))

    def masked(self, wire, sql='select c3 from t1'):
        m = wire.query(sql)
        self.assertIsNone(error(m))
        return [row(b) for t, b in m if t == 'D']

    def test_views_with_search_and_cycle(self):
        """As the server prints them, which its own grammar does not always read."""
        self.admin.query("delete from t1; insert into t1 (id, c1, c3) values (1, 'a', 'hidden')")
        for number, (clause, column, masked) in enumerate((('search depth first by id set o', 'o::text', False), ('search breadth first by id, c3 set o', 'o::text', True),
                                                           ('cycle id set c using p', 'c', False), ("cycle id set c to 'Y' default 'N' using p", 'c', False),
                                                           ("cycle id set c to 1.5 default 2 using p", 'c', False))):
            with self.subTest(clause):
                view = 'walk%d' % number
                self.assertIsNone(error(self.admin.query('create or replace view %s as with recursive t(id, c3) as (select id, c3 from t1 union all select t.id, t.c3 from t where t.id < 0) %s '
                                                         'select id, c3, %s as added from t' % (view, clause, column))))
                wire = self.session()
                self.assertEqual(self.masked(wire, 'select id, c3 from ' + view), [['1', '***']])
                self.assertEqual((error(wire.query('select added from ' + view)) or {}).get('C'), '42501' if masked else None)

    def test_it_is_asked_for_once(self):
        self.admin.query("delete from t1; insert into t1 (id, c1, c3) values (1, 'a', 'hidden')")
        first = self.session()
        self.assertEqual(self.masked(first), [['***']])
        self.assertEqual(self.asked(), (1, 1))
        for _ in range(3):
            self.assertEqual(self.masked(self.session()), [['***']])
        self.assertEqual(self.asked(), (0, 0))
        with self.subTest('also when something was written meanwhile'):
            self.admin.query("update t1 set c1 = 'b'")
            for _ in range(3):
                self.assertEqual(self.masked(self.session()), [['***']])
            self.assertEqual(self.asked()[1], 0)
        with self.subTest('again when the catalogue changed, for all of them'):
            self.admin.query('create table another (id int, c3 text)')
            for _ in range(3):
                self.assertEqual(self.masked(self.session()), [['***']])
            self.assertEqual(self.asked()[1], 1)
        with self.subTest('again when the session changed it, and not for what it made temporary and others do not see'):
            self.assertIsNone(error(first.query('create temp table mine as select id from t1')))
            self.asked()
            self.assertEqual(self.masked(first, 'select t1.c3 from t1 join mine using (id)'), [['***']])
            self.assertEqual(self.asked()[1], 1)
            self.assertEqual(self.masked(self.session()), [['***']])
            self.assertEqual(self.asked()[1], 0)

    def test_columns_as_the_server_has_them(self):
        self.admin.query('create table odd (a int, "NULL" text, "b,}" text default \'{"x"}\', "c""d\\e" text, gone int, g text generated always as (lower("NULL")) stored, z text)')
        self.admin.query('alter table odd drop column gone')
        self.admin.query("comment on column odd.z is 'what, \"they\" {said}'")
        self.admin.query("insert into odd (a, \"NULL\", \"c\"\"d\\e\", z) values (1, 'N', 'C', 'Z')")
        wire = self.session()
        self.assertEqual(self.masked(wire, 'select * from odd'), [['1', 'N', '{"x"}', 'C', 'n', 'Z']])
        self.assertEqual(self.masked(wire, 'select o."c""d\\e", o."NULL", o."b,}" from odd o where g = lower("NULL")'), [['C', 'N', '{"x"}']])
        failed = error(wire.query('select gone from odd'))
        self.assertEqual(failed['C'], '42703')

    def test_tags_come_from_comments_and_security_labels(self):
        self.admin.query('create table tagged (a text, b text, c text)')
        self.admin.query("comment on column tagged.a is 'who it is; dbguard:pii'")
        self.admin.query("insert into tagged values ('x', 'y', 'z')")
        wire = self.session()
        self.assertEqual(self.masked(wire, 'select * from tagged'), [['***', 'y', 'z']])
        # SECURITY LABEL takes a provider that is loaded with the server; what it keeps is this row.
        self.assertIsNone(error(self.admin.query("set allow_system_table_mods = on; insert into pg_seclabel values ('tagged'::regclass, 'pg_class'::regclass, 3, 'some', 'secret dbguard:pii')")))
        self.assertEqual(self.masked(self.session(), 'select * from tagged'), [['***', 'y', '***']])
        self.admin.query('delete from pg_seclabel; reset allow_system_table_mods')

    def test_copy_leaves_out_what_is_generated(self):
        self.assertIsNone(error(self.admin.query("create table made (twice text generated always as (c3 || c3) stored, c3 text, id int); insert into made (c3, id) values ('secret', 2)")))
        wire = self.session()
        for sql, rows in (('copy made to stdout', b'***\t2\n'), ('copy made to stdout (format csv, header)', b'c3,id\n***,2\n'), ('copy made (id, c3) to stdout', b'2\t***\n'),
                          ('copy (select * from made) to stdout', b'***\t***\t2\n')):
            with self.subTest(sql):
                self.assertEqual(b''.join(body for kind, body in wire.query(sql) if kind == 'd'), rows)

    def test_the_server_compiles_none_of_the_questions(self):
        if self.admin.rows('select pg_jit_available()') != [['t']]:
            self.skipTest('this server compiles nothing')
        url = self.postgres.url(options='-c jit=on -c jit_above_cost=0 -c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 -c auto_explain.log_analyze=on')
        proxy = Proxy(self.postgres, ROLES, url=url)
        self.addCleanup(proxy.close)
        wire = Wire(proxy.url)
        self.addCleanup(wire.close)
        log = pathlib.Path(self.postgres.folder) / 'log'
        begin = log.stat().st_size
        jit = 'select current_setting(\'jit\')'
        def ask(*sql):
            for one in sql:
                got = wire.query(one)
                self.assertIsNone(error(got), one)
            return [row(b) for t, b in got if t == 'D']
        self.assertEqual(ask('select c3 from t1 where id < 0'), [])
        with self.subTest('the session has the setting it had'):
            self.assertEqual(ask(jit), [['on']])
            self.assertEqual(ask('begin', 'create table compiled (id int)', 'select count(id) from compiled', jit), [['on']])
            self.assertEqual(ask('savepoint a', 'create table again (id int)', 'select count(id) from again', 'rollback to a', jit), [['on']])
            self.assertEqual(ask('set local jit = off', 'create table again (id int)', 'select count(id) from again', jit), [['off']])
            self.assertEqual(ask('commit', jit), [['on']])
            self.assertEqual(ask('begin', 'set jit = off', 'set local jit = on', 'create table third (id int)', 'select count(id) from third', jit), [['on']])
            self.assertEqual(ask('commit', jit), [['off']])
            self.assertEqual(ask('reset jit', jit), [['on']])
        plans = log.read_bytes()[begin:].decode(errors='replace').split('Query Text: ')[1:]
        def compiled(word):
            found = [plan for plan in plans if word in plan.split('\n')[0]]
            self.assertTrue(found, word)
            return [plan for plan in found if '\tJIT:' in plan]
        self.assertTrue(compiled('select count(id) from compiled'), plans)
        self.assertEqual(compiled('hashtidextended'), [])
        self.assertEqual(compiled('pg_get_viewdef'), [])

    def test_conditions_that_all_rows_meet(self):
        """CHECK, bounds of partitions, checks of domains and generated columns, as the server prints them."""
        self.assertIsNone(error(self.admin.query(
            "create domain above_zero as int check (value > 0); "
            "create table limited (id int primary key, price numeric(8,2) not null check (price >= 0), state text not null, n above_zero not null, m int not null, "
            "twice int generated always as (m * 2) stored, constraint few check (m between 1 and 100), check (state in ('new', 'it''s old')), check (price < 50) no inherit); "
            "create table sales (day date not null, region text not null) partition by range (day); "
            "create table sales_26 partition of sales for values from ('2026-01-01') to ('2027-01-01') partition by list (region); "
            "create table sales_26_eu partition of sales_26 for values in ('eu', 'uk'); create table sales_26_rest partition of sales_26 default")))
        proxy = Proxy(self.postgres, ROLES.replace('masks: pii', '  - deny: write\n        when: { where: trivial }', 1).split('masks:')[0])
        self.addCleanup(proxy.close)
        wire = Wire(proxy.url)
        self.addCleanup(wire.close)
        for table, condition in (('limited', 'price >= 0'), ('limited', "state in ('new', 'it''s old')"), ('limited', "state <> 'lost' and m > 0"), ('limited', 'n > 0'), ('limited', 'twice > 1'),
                                 ('sales_26', "day >= '2026-01-01'"), ('sales', "day < '2027-01-01'"), ('sales_26_eu', "region in ('uk', 'eu') and day > '2020-02-02'"),
                                 ('sales_26_rest', "region <> 'uk'")):
            self.assertEqual(error(wire.query('delete from %s where %s' % (table, condition)))['C'], '42501', condition)
        for table, condition in (('limited', 'price > 0'), ('limited', 'price < 50'), ('limited', "state = 'new'"), ('limited', 'm > 1'), ('limited', 'n > 1'), ('limited', 'twice > 2'),
                                 ('sales_26', "day >= '2026-02-01'"), ('sales_26_eu', "region = 'uk'"), ('sales_26_rest', "region = 'us'"), ('sales', "region = 'eu'")):
            self.assertIsNone(error(wire.query('delete from %s where %s' % (table, condition))), condition)

    @unittest.skipUnless(TABLES, 'CATALOGUE_TABLES says how many tables')
    def test_what_it_costs(self):
        make_tables(self.admin, 40, TABLES)
        self.addCleanup(lambda: self.admin.query('analyze'))
        before = self.proxy.peak_kib()
        for count in range(3):
            wire = self.session()
            wire.s.settimeout(120)
            began = time.monotonic()
            self.assertEqual(types(wire.query('select id, c3 from t1 where id < 0')), 'TCZ')
            seconds, kib = time.monotonic() - began, self.proxy.peak_kib() - before
            print('%d tables, session %d: %.3f s, %.1f MiB' % (TABLES, count + 1, seconds, kib / 1024), flush=True)
            self.assertLess(seconds, 2)
            self.assertLess(kib, 64 * 1024)
        self.assertEqual(self.asked()[1], 1)


if __name__ == '__main__':
    main()
