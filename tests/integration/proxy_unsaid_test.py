#!/usr/bin/python3
"""New code that runs though no statement says so (defaults, checks, indexes, domains): what its names mean may change after it was looked at."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, error  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, ddl, tx, session, maintenance, bulk]
      - allow: call
        when: { function: [public.gives, public.holds, public.uses, public.same, public.joined] }
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.people.ssn", with: redact }
'''
SCHEMA = "create table people(id int primary key, ssn text); insert into people values (1, '958-88-6431'); create table sink(v text);"
NAMES = ['create temp table src as select 1 as id, \'x\'::text as v']
OTHER_NAMES = ['drop table pg_temp.src', 'create temp view src as select id, ssn as v from public.people']
GIVES = "create function gives(t text) returns text language plpgsql immutable as $$ begin return (select max(v) from pg_temp.src); end $$"
HOLDS = "create function holds(t text) returns boolean language plpgsql immutable as $$ begin raise notice '%', (select max(v) from pg_temp.src); return true; end $$"


class Unsaid(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())

    def setUp(self):
        self.postgres.sql('drop schema public cascade; create schema public; ' + SCHEMA)
        self.proxy = Proxy(self.postgres, ROLES)
        self.addCleanup(self.proxy.close)
        self.wire = Wire(self.proxy.url)
        self.addCleanup(self.wire.close)
        self.wire.query('select 1')   # what is there now is the schema's own

    def goes_on(self, wire, sql):
        """Whether it is let through: what brings masked values to code that runs unsaid may be refused when it is made, or when it runs."""
        failed = error(wire.query(sql))
        self.assertIn((failed or {}).get('C'), (None, '42501'), sql)
        return failed is None

    def changes_its_mind(self, made, *statements):
        """Runs while its names mean what they meant; not when they mean something masked."""
        for sql in (*NAMES, *made, *statements):
            self.assertIsNone(error(self.wire.query(sql)), sql)
        if not all(self.goes_on(self.wire, sql) for sql in OTHER_NAMES):
            return
        for sql in statements:
            with self.subTest(sql):
                answer = self.wire.query(sql)
                self.assertEqual((error(answer) or {}).get('C'), '42501')
                self.assertNotIn(b'958-88', b''.join(body for _, body in answer))

    def test_defaults(self):
        self.changes_its_mind([GIVES, "create table t(b int, a text default gives('x'))"], 'insert into t (b) values (1)', 'update t set a = default where b = 1', 'insert into t (b) values (1) returning a',
                              "merge into t using (values (7)) s(b) on false when not matched then insert (b) values (s.b)")

    def test_defaults_of_domains_and_of_arguments(self):
        self.changes_its_mind([GIVES, "create domain d as text default gives('x')", 'create table t(b int, a d)',
                               "create function uses(t text default gives('x')) returns text language sql as 'select $1'"], 'insert into t (b) values (1)', 'select uses()')

    def test_functions_of_extensions_with_other_code(self):
        self.postgres.sql('create extension pg_trgm schema public; create extension citext schema public; create extension tablefunc schema public; create extension pg_stat_statements schema public')
        uses = ["select similarity('a', 'ab') > 0", "select 'a' % 'a'", "select split_part('a-b'::citext, '-', 2)", "select max('b'::citext)",
                "select * from crosstab('select 1, 2, 3') as t(a int, b int)", 'select dealloc >= 0 from pg_stat_statements_info()']
        for sql in uses[:-1]:
            self.assertIsNone(error(self.wire.query(sql)), sql)
        # Who may replace one leaves it in its extension.
        secret = '(select min(ssn) from public.people)'
        made = ['create or replace function similarity(text, text) returns real language sql immutable strict parallel safe as $$ select length(%s)::real $$' % secret,
                "create or replace function similarity_op(text, text) returns boolean language sql stable strict as $$ select %s like '9%%' $$" % secret,
                'create or replace function split_part(citext, citext, integer) returns text language sql immutable strict as $$ select %s $$' % secret,
                'create or replace function hidden(citext, citext) returns citext language sql as $$ select %s::citext $$' % secret,
                'create or replace aggregate max(citext) (sfunc = hidden, stype = citext)',
                'create or replace function crosstab(text) returns setof record language plpgsql as $$ begin return query execute \'select 1, ssn from people\'; end $$',
                'create or replace function pg_stat_statements_info(out dealloc bigint, out stats_reset timestamptz) returns record language sql as $$ select length(%s), now() $$' % secret]
        for sql in made:
            self.postgres.sql(sql)
        # For this dbguard, which saw the others, and for one that did not.
        with Proxy(self.postgres, ROLES) as later:
            for url in (self.proxy.url, later.url):
                wire = Wire(url)
                self.addCleanup(wire.close)
                for sql in uses:
                    with self.subTest(sql):
                        answer = wire.query(sql)
                        self.assertEqual((error(answer) or {}).get('C'), '42501')
                        self.assertNotIn(b'958-88', b''.join(body for _, body in answer))

    def test_operators_and_casts(self):
        self.changes_its_mind(["create function joined(a text, b text) returns text language plpgsql immutable as $$ begin return (select max(v) from pg_temp.src); end $$",
                               'create operator ## (function = joined, leftarg = text, rightarg = text)', "create table t(b text, a text generated always as (b ## 'y') stored)"],
                              "insert into t (b) values ('1')", "update t set b = '2' where b = '1'")

    def test_checks_and_indexes_that_speak(self):
        self.changes_its_mind([HOLDS, 'create table t(a text check (holds(a)))', 'create domain d as text check (holds(value))', 'create table u(a d)', 'create table w(a text)', 'create index on w ((holds(a)))'],
                              "insert into t values ('q')", "insert into u values ('q')", "insert into w values ('q')", 'analyze w', 'analyze')

    def test_domains_wherever_a_value_becomes_one(self):
        self.changes_its_mind([HOLDS, 'create domain d as text check (holds(value))', 'create type pair as (a d, b int)', "create function uses(a d) returns int language sql as 'select 1'"],
                              "select a from json_to_record('{\"a\":\"x\"}') as t(a d)", "select row('x', 1)::pair", "select uses('x')", "prepare p (d) as select $1")
        self.assertIsNone(error(self.wire.query('drop view if exists pg_temp.src')))
        for sql in ('create temp table src as select 1 as id, \'x\'::text as v', "select uses('x')"):
            self.assertIsNone(error(self.wire.query(sql)), sql)

    def test_it_ends_with_the_code_that_was_the_reason(self):
        ends = ('drop domain d', 'drop function holds(text) cascade', "create or replace function holds(t text) returns boolean language sql immutable as 'select true'", 'drop view pg_temp.src')
        for end in ends:
            with self.subTest(end):
                self.setUp()
                if not all(self.goes_on(self.wire, sql) for sql in (*NAMES, HOLDS, 'create domain d as text check (holds(value))', *OTHER_NAMES)):
                    continue
                self.assertEqual(error(self.wire.query('select id from people'))['C'], '42501')
                self.assertIsNone(error(self.wire.query(end)), end)
                # The view is gone, or nobody looks into it; for the function a table of that name has to be there.
                self.assertEqual(self.wire.rows('select id from people'), [['1']])

    def test_json_was_a_name_like_others(self):
        self.changes_its_mind([HOLDS, 'create schema s', 'create domain s."json" as text check (public.holds(value))', 'set search_path = s, pg_catalog, public'], "select 'x'::json")

    def test_code_that_keeps_its_names(self):
        for sql in ("create function same(t text) returns text language sql immutable as 'select lower($1)'", "create table t(a text default same('X'), b text check (same(b) = b), g text generated always as (same(b)) stored)",
                    'create index on t (same(a))', "insert into t (b) values ('x')", "update t set b = 'y' where b = 'x'", 'analyze t', 'reindex table t'):
            self.assertIsNone(error(self.wire.query(sql)), sql)

    def test_rows_of_a_trigger_under_the_name_of_a_table(self):
        """REFERENCING: in the trigger's function the name is its rows, whatever table is called so."""
        keeps = 'create function gives() returns trigger language plpgsql as $$ begin insert into sink select %s from harmless h; return null; end $$'
        self.assertIsNone(error(self.wire.query('create table harmless(id int, ssn2 text)')))
        for what in ('h::text', 'to_jsonb(h)::text', 'row_to_json(h)::text', "(select string_agg(x::text, '') from harmless x)"):
            for event, rows in (('update', 'new'), ('update', 'old'), ('delete', 'old')):
                with self.subTest(what + ', ' + rows):
                    self.assertIsNone(error(self.wire.query(keeps % what)))
                    if self.goes_on(self.wire, 'create trigger t after %s on people referencing %s table as harmless for each statement execute function gives()' % (event, rows)):
                        self.assertEqual((error(self.wire.query('update people set id = id' if event == 'update' else 'delete from people')) or {}).get('C'), '42501')
                    self.assertIsNone(error(self.wire.query('drop function gives() cascade')))
        # And what is another trigger's name is the table.
        self.assertIsNone(error(self.wire.query('create table other(ssn text)')))
        for sql in ('create function holds() returns trigger language plpgsql as $$ begin perform count(*) from people; return null; end $$',
                    'create function uses() returns trigger language plpgsql as $$ begin insert into sink select ssn from people; return null; end $$',
                    'create trigger a after insert on other referencing new table as people for each statement execute function holds()',
                    'create trigger b after insert on other for each statement execute function uses()'):
            if not self.goes_on(self.wire, sql):
                break
        else:
            self.assertEqual((error(self.wire.query("insert into other values ('x')")) or {}).get('C'), '42501')
        self.assertEqual(self.postgres.sql("select count(*) from sink where v like '%958-88%'"), '0')

    def test_a_trigger_of_code_that_was_there(self):
        """What it does is the schema's own; which rows it gets is not."""
        self.postgres.sql("create table plain(id int, note text); insert into plain values (1, 'a');"
                          'create function uses() returns trigger language plpgsql as $$ begin insert into sink values (to_jsonb(new)::text); return new; end $$;'
                          "create function gives() returns trigger language plpgsql as $$ begin execute format('insert into sink values (%L)', new); return new; end $$;"
                          'create function holds() returns trigger language plpgsql as $$ begin insert into sink values (new.id::text); return new; end $$;'
                          'create trigger own after update on plain for each row execute function uses()')
        with Proxy(self.postgres, ROLES) as proxy:
            wire = Wire(proxy.url)
            self.addCleanup(wire.close)
            self.assertIsNone(error(wire.query('update plain set note = note')))
            for function, refused in (('uses', True), ('gives', True), ('holds', False)):
                for table in ('people', 'plain'):
                    with self.subTest(function + ' on ' + table):
                        hidden = refused and table == 'people'
                        if not self.goes_on(wire, 'create trigger more after update on %s for each row execute function %s()' % (table, function)):
                            self.assertTrue(hidden)
                            continue
                        self.assertEqual((error(wire.query('update %s set id = id' % table)) or {}).get('C'), '42501' if refused and table == 'people' else None)
                        self.assertIsNone(error(wire.query('drop trigger more on ' + table)))
            self.assertIsNone(error(wire.query('update people set id = id')))
        self.assertEqual(self.postgres.sql("select count(*) from sink where v like '%958-88%'"), '0')
        self.assertEqual(self.postgres.sql("select count(*) from sink"), '8')

    def test_made_and_run_by_one_message(self):
        """A rule allows the name; what stands behind it is read all the same."""
        proxy = Proxy(self.postgres, ROLES.replace('    masks: pii\nmasks', '      - deny: write.delete\n        when: { where: missing }\n    masks: pii\nmasks'))
        self.addCleanup(proxy.close)
        wire = Wire(proxy.url)
        self.addCleanup(wire.close)
        wire.query('select 1')
        empties = "create function gives() returns int language plpgsql as 'begin delete from public.sink; return 1; end'"
        for sql in (empties + '; select gives()', f'begin; {empties}; select gives(); commit', empties + '; prepare p as select gives(); execute p', empties + '; create table made as select gives() as a',
                    empties.replace('()', '(int)', 1) + '; create operator !!! (function = gives, rightarg = int); select !!! 1',
                    empties.replace('()', '(int)', 1).replace('gives', 'of_no_rule') + '; create operator !!! (function = of_no_rule, rightarg = int); prepare q as select !!! 1; execute q',
                    "create type en as enum ('a'); " + empties.replace('()', '(en)', 1).replace('gives', 'of_no_rule') + "; create cast (en as int) with function of_no_rule(en) as implicit; select 1 + 'a'::en"):
            with self.subTest(sql):
                self.postgres.sql("insert into sink values ('kept')")
                self.assertEqual((error(wire.query(sql)) or {}).get('C'), '42501')
                wire.query('rollback')
                self.assertEqual(self.postgres.sql('select count(*) > 0 from sink'), 't')
        self.assertIsNone(error(wire.query("create function same(a int) returns int language sql immutable as 'select $1'; create operator ### (function = same, rightarg = int); select ### 1, same(2)")))


if __name__ == '__main__':
    main()
