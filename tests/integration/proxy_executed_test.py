#!/usr/bin/python3
"""What EXECUTE and FETCH give is what their name stands for when they run: in a new table, in a plan, behind a Describe, and in code."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, describe, error, execute, parse, row, sync  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, ddl, tx, call, session]
    masks: pii
  open:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, ddl, tx, call, session]
    masks: lenient
masks:
  pii:
    columns:
      - { column: "public.people.ssn", with: redact }
  lenient:
    columns:
      - { column: "public.people.ssn", with: redact }
    filter: allow
    derived: mask
'''
SCHEMA = '''
create table people (id int, name text, ssn text);
insert into people select g, 'n' || g, 'secret-' || g from generate_series(1, 5) g;
create table notes (note text);
create function secret() returns text language sql immutable as $$ select ssn from people where id = 1 $$;
'''


class Executed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.postgres.sql(SCHEMA)
        cls.proxies = {}
        for role in ('tester', 'open'):
            cls.proxies[role] = Proxy(cls.postgres, ROLES, role=role)
            cls.addClassCleanup(cls.proxies[role].close)

    def connect(self, role='tester'):
        self.wire = Wire(self.proxies[role].url)
        self.addCleanup(self.wire.close)
        return self.wire

    def runs(self, *statements):
        for sql in statements:
            with self.subTest(sql):
                self.assertIsNone(error(self.wire.query(sql)))

    def refused(self, *statements, code='42501'):
        for sql in statements:
            with self.subTest(sql):
                self.assertEqual((error(self.wire.query(sql)) or {}).get('C'), code)

    def sends(self, *messages):
        self.wire.send(*messages, sync)
        answer = self.wire.until_ready()
        self.assertIsNone(error(answer))
        return [row(b) for t, b in answer if t == 'D']

    def test_create_table_as_execute(self):
        self.connect()
        self.runs('prepare plain as select id, name from people', 'prepare few (int, text) as select id, name from people where id < $1 or name = $2',
                  'prepare secret (int) as select id, ssn from people where id < $1', 'prepare counts as select count(ssn) from people',
                  'create table made as execute plain', 'create table if not exists made as execute plain', "create temp table few as execute few (3, 'n5')",
                  'create table empty as execute few (1, null) with no data', 'create unlogged table u (a, b) as execute plain', 'create table counted as execute counts',
                  'explain create table not_made as execute plain', 'explain (analyze, costs off) create table analyzed as execute plain',
                  'prepare here as select name from people; create table there as execute here')
        self.assertEqual(self.wire.rows('select id from few order by id'), [['1'], ['2'], ['5']])
        self.assertEqual(self.wire.rows('select count(*) from made, there'), [['25']])
        self.assertEqual(self.wire.rows('select count(*) from analyzed'), [['5']])
        self.refused('create table x as execute secret (9)', 'create table x as execute secret (1) with no data', 'explain analyze create table x as execute secret (9)',
                     'prepare hidden as select ssn from people; create table x as execute hidden')
        self.refused('create table x as execute nobodys', code='26000')
        self.sends(parse('by_protocol', 'select id, name from people where id = $1', [23]), parse('secret_too', 'select ssn from people'))
        self.runs('create table one as execute by_protocol (2)')
        self.refused('create table x as execute secret_too')
        self.sends(parse('', 'create table two as execute by_protocol (2)'), bind('', ''), execute(''))
        self.assertEqual(self.wire.rows('table one'), self.wire.rows('table two'))
        # Names mean something else by now.
        self.runs('create schema other', 'create table other.people (id int, name text)', 'set search_path = other, public', 'create table there_too as execute plain', 'alter table other.people rename to persons')
        self.assertEqual(self.wire.rows('select count(*) from other.there_too'), [['0']])
        self.runs('drop schema other cascade', 'drop table made, few, empty, u, counted, analyzed, there, one, two', 'reset search_path')

    def test_a_name_that_is_on_its_way(self):
        self.connect()
        one = lambda sql: (parse('', sql), bind('', ''), execute(''))
        self.sends(*one('prepare going as select id from people'), *one('explain execute going'), *one('create table gone as execute going'))
        self.assertEqual(self.wire.rows('select count(*) from gone'), [['5']])
        self.wire.send(*one('prepare hiding as select ssn from people'), *one('create table x as execute hiding'), sync)
        self.assertEqual((error(self.wire.until_ready()) or {}).get('C'), '42501')
        self.runs('drop table gone')

    def test_a_new_table_of_what_is_computed_and_hidden(self):
        self.connect('open')
        self.runs("prepare computed as select ssn || '!' from people", 'prepare chosen as select id from people where ssn like \'secret-1%\'', 'create table y as execute chosen', 'drop table y')
        self.assertEqual(self.wire.rows('execute computed'), [[None]] * 5)
        self.refused('create table x as execute computed')

    def test_what_explain_shows_of_a_prepared_statement(self):
        for role in ('tester', 'open'):
            self.connect(role)
            self.runs('prepare plain (int) as select name from people where id = $1', 'explain execute plain (1)', 'explain analyze execute plain (1)')
            if role == 'open':
                self.runs('prepare constant as select secret() from people', 'prepare chosen as select id from people where name = secret()')
                self.refused('explain verbose execute constant', 'explain (analyze) execute chosen', 'explain execute chosen', 'explain verbose create table x as execute constant')
                self.runs('prepare here as select 1; explain execute here')
                self.refused('prepare hidden as select secret(); explain verbose execute hidden')

    def test_code_does_not_go_by_the_names_of_the_session(self):
        self.connect()
        self.runs('prepare p as select ssn from people', 'prepare q as select name from people', 'begin', 'declare c cursor with hold for select ssn from people', 'commit')
        self.refused("do $$ declare v text; begin execute 'execute p' into v; insert into notes values (v); end $$",
                     "do $$ declare v text; begin for v in execute 'execute p' loop insert into notes values (v); end loop; end $$",
                     "do $$ declare v text; begin execute 'fetch c' into v; insert into notes values (v); end $$",
                     "do $$ declare v text; begin for v in explain execute p loop insert into notes values (v); end loop; end $$",
                     "do $$ declare c cursor for select 'x'::text; v text; begin fetch c into v; insert into notes values (v); close c; open c; end $$",
                     "do $$ declare c cursor for select 'x'::text; v text; begin begin open c; exception when others then null; end; fetch c into v; insert into notes values (v); end $$",
                     "do $$ declare c cursor for select 'x'::text; v text; begin <<b>> begin exit b when true; open c; end; fetch c into v; insert into notes values (v); end $$",
                     'do $$ begin create table x as execute p; end $$', 'do $$ begin deallocate q; prepare q as select ssn from people; end $$')
        self.runs("do $$ declare k cursor for select name from people; v text; begin open k; loop fetch k into v; exit when not found; insert into notes values (v); end loop; close k; end $$",
                  "do $$ declare k refcursor; v text; begin open k for select name from people; fetch k into v; close k; insert into notes values (v); end $$")
        self.assertEqual(self.wire.rows("select count(*), count(*) filter (where note like 'n_') from notes"), [['6', '6']])
        self.runs('delete from notes')

    def test_names_that_code_gives_to_others(self):
        self.connect('open')
        self.runs('prepare q as select id, name from people')
        self.refused("do $$ begin execute 'deallocate q'; execute 'prepare q as select id, ssn || '''' from people'; end $$")
        for code in ("declare c cursor for select id, ssn || '' from people; begin close c; open c; end",
                     "declare r refcursor := 'c'; begin close r; open r for select id, ssn || '' from people; end"):
            with self.subTest(code):
                self.runs('begin', 'declare c cursor for select id, name from people', 'do $$ %s $$' % code)
                self.assertEqual(self.wire.rows('fetch 2 from c'), [['1', None], ['2', None]])
                self.runs('rollback')

    def test_a_cursor_stays_behind_rollback_to_savepoint(self):
        self.connect('open')
        for undone in (['savepoint s', 'rollback to s'], ['savepoint s', 'select 1', 'rollback to savepoint s', 'release s']):
            self.runs('begin', "declare c cursor for select id, ssn || '!' from people", *undone)
            self.assertEqual(self.wire.rows('fetch 1 from c'), [['1', None]])
            self.assertEqual(self.wire.rows('move 1 in c; fetch 1 from c'), [['3', None]])
            self.runs('rollback')
        self.runs('begin', "declare c cursor for select ssn || '!' from people", 'savepoint s')
        self.assertEqual(self.wire.rows('rollback to s; fetch 1 from c'), [[None]])
        self.runs('rollback')
        # The name may stand for another by then, which code made.
        opens = "do $$ declare r refcursor := 'c'; begin open r for select ssn || '!' from people; end $$"
        for gone in (['begin', 'savepoint s', 'declare c cursor for select name from people', 'rollback to s'],
                     ['begin', 'declare c cursor with hold for select name from people', 'rollback', 'begin']):
            self.runs(*gone, opens)
            self.assertEqual(self.wire.rows('fetch 1 from c'), [[None]])
            self.runs('rollback')

    def test_the_server_knows_names_by_63_bytes(self):
        self.connect('open')
        name = 'n' * 63
        self.runs('begin')
        self.sends(parse(name + '1', "select ssn || '!' from people"), bind(name + '2', name + '3'))
        self.assertEqual(self.wire.rows('fetch 1 from ' + name), [[None]])
        self.assertEqual(self.wire.rows('execute %s4' % name), [[None]] * 5)
        self.assertEqual(self.sends(execute(name + '5', 1)), [[None]])
        self.runs('rollback')

    def test_what_was_described_before_the_name_meant_something_else(self):
        self.connect()
        self.runs('prepare a as select id, name from people order by id limit 1')
        self.sends(parse('s', 'execute a'), describe('S', 's'))
        self.assertEqual(self.sends(bind('', 's'), execute('')), [['1', 'n1']])
        self.runs('deallocate a', 'prepare a as select id, ssn from people order by id limit 1')
        self.assertEqual(self.sends(bind('', 's'), execute('')), [['1', '***']])
        self.runs('begin', 'declare c cursor for select id, name from people order by id')
        self.sends(parse('f', 'fetch 1 from c'), describe('S', 'f'))
        self.assertEqual(self.sends(bind('', 'f'), execute('')), [['1', 'n1']])
        self.sends(bind('before', 'f'), describe('P', 'before'))
        self.runs('close c', 'declare c cursor for select id, ssn from people order by id')
        self.assertEqual(self.sends(bind('', 'f'), execute('')), [['1', '***']])
        self.assertEqual(self.sends(execute('before')), [['2', '***']])
        # And one that is under way keeps what it began with.
        self.sends(parse('many', 'fetch 3 from c'), bind('going', 'many'))
        self.assertEqual(self.sends(execute('going', 1)), [['3', '***']])
        self.runs('close c', 'declare c cursor for select id, name from people order by id')
        self.assertEqual(self.sends(describe('P', 'going'), execute('going', 1)), [['4', '***']])
        self.assertEqual(self.sends(execute('going', 1)), [['5', '***']])
        self.runs('rollback')


if __name__ == '__main__':
    main()
