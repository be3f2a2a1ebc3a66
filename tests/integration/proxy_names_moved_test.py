#!/usr/bin/python3
"""Names that move while a message or a statement runs: what was looked at as sandbox.people, where nothing is masked, is public.people by the time
it is read. Each attempt shows the secret when it is sent to the server itself, and then has to show none of it through `dbguard proxy`."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, error, execute, parse, query, sync  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, ddl, tx, call, session]
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.people.ssn", with: redact }
'''
SECRET = b'958-88-'
SCHEMA = '''
create schema sandbox;
create table public.people (id int, name text, ssn text);
insert into public.people select g, 'n' || g, '958-88-643' || g from generate_series(1, 5) g;
create table sandbox.people (id int, name text, ssn text);
insert into sandbox.people select g, 's' || g, 'nobody-' || g from generate_series(1, 5) g;
create table public.fires (id int);
create function public.reads() returns text language plpgsql as $$ begin return (select max(ssn) from people); end $$;
create view public.sees as select ssn as label from public.people;
create view public.harmless as select name as label from public.people;
create materialized view public.kept as select label from public.harmless;
create function public.one() returns text language sql as $$ select 'one'::text $$;
create function public.other() returns text language sql as $$ select max(ssn) from public.people $$;
create view sandbox.behind as select public.reads() as label from generate_series(1, 3);
'''
SANDBOX = 'set search_path = sandbox, public'
PUBLIC = 'set search_path = public'
MOVES = "set_config('search_path', 'public', false)"
READS = "select ssn || '!' from people"   # of sandbox.people it is allowed


def ext(text):
    return parse('', text) + bind('', '') + execute('')


class NamesMoved(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.postgres.sql(SCHEMA)
        cls.proxy = Proxy(cls.postgres, ROLES)
        cls.addClassCleanup(cls.proxy.close)

    def received(self, url, before, messages, works):
        """-> all that a new session gets for these, the answers to what stands before them among it. A text is a Query, bytes end in a Sync."""
        wire = Wire(url)
        self.addCleanup(wire.close)
        got = []
        for sql in (SANDBOX, *before):
            answer = wire.query(sql)
            if works:
                self.assertIsNone(error(answer), sql)
            got += answer
        for message in messages:
            wire.send(query(message) if isinstance(message, str) else message + sync)
            got += wire.until_ready()
        got += wire.query('rollback')
        wire.close()
        self.postgres.sql('drop table if exists sandbox.t; drop domain if exists sandbox.d; drop view if exists sandbox.settings; drop function if exists sandbox.moves()')
        return b''.join(body for _, body in got)

    def hidden(self, *messages, before=(), before_works=True):
        """`before_works`: what stands before them is allowed, so that it is the messages that are stopped or masked."""
        with self.subTest(messages):
            self.assertIn(SECRET, self.received(self.postgres.url(), before, messages, True), 'the attempt shows nothing anyway')
            self.assertNotIn(SECRET, self.received(self.proxy.url, before, messages, before_works))

    def test_what_is_not_moved_is_shown(self):
        wire = Wire(self.proxy.url)
        self.addCleanup(wire.close)
        wire.query(SANDBOX)
        self.assertEqual(wire.rows(READS)[0], ['nobody-1!'])
        self.assertIsNone(error(wire.query('prepare p as ' + READS)))
        self.assertEqual(wire.rows('set search_path = sandbox; execute p')[0], ['nobody-1!'])
        self.assertEqual(wire.rows('begin; declare c cursor for %s; fetch 1 from c; commit' % READS), [['nobody-1!']])

    def test_execute_behind_what_moves_names(self):
        self.hidden(PUBLIC + '; execute p', before=['prepare p as ' + READS])
        self.hidden('rollback; execute p', before=[PUBLIC, 'begin', 'set local search_path = sandbox', 'prepare p as ' + READS])
        self.hidden('rollback to s; execute p', before=[PUBLIC, 'begin', 'savepoint s', 'set local search_path = sandbox', 'prepare p as ' + READS])
        self.hidden('drop table plain; create temp view plain as select ssn as label from public.people; execute p',
                    before=["create temp table plain as select ''::text as label", "prepare p as select label || '!' from plain"])
        self.hidden(ext(PUBLIC) + ext('execute p'), before=['prepare p as ' + READS])

    def test_execute_inside_others_behind_what_moves_names(self):
        self.hidden(PUBLIC + '; create temp table copied as execute p', 'select * from copied', before=['prepare p as ' + READS])
        self.hidden(PUBLIC + '; explain analyze create temp table copied as execute p', 'select * from copied', before=['prepare p as ' + READS])

    def test_what_execute_moves(self):
        self.hidden('execute p; ' + READS, before=['prepare p as select ' + MOVES])
        self.hidden('execute p; execute q', before=['prepare p as select ' + MOVES, 'prepare q as ' + READS])
        self.hidden(ext('execute p') + ext(READS), before=['prepare p as select ' + MOVES])

    def test_what_a_cursor_moves(self):
        opened = ['begin', 'declare c cursor for select %s from generate_series(1, 3)' % MOVES]
        for moving in ('move c', 'fetch c', 'move all in c', 'fetch 2 from c'):
            self.hidden(moving + '; ' + READS, before=opened)
        self.hidden(ext('fetch c') + ext(READS), before=opened)

    def test_a_cursor_whose_code_looks_names_up(self):
        opened = ['begin', 'declare c cursor for select reads() from generate_series(1, 3)', 'fetch c']
        self.hidden('fetch c', before=[*opened, PUBLIC])
        self.hidden(PUBLIC + '; fetch c', before=opened)
        self.hidden('rollback to s; fetch c', before=[*opened, PUBLIC, 'savepoint s', SANDBOX, 'fetch c'])

    def test_a_portal_whose_code_looks_names_up(self):
        portal = parse('r', 'select reads() from generate_series(1, 3)') + bind('p', 'r') + execute('p', 1)
        self.hidden(portal, ext(PUBLIC) + execute('p', 1), before=['begin'])
        self.hidden(portal + ext(PUBLIC) + execute('p', 1), before=['begin'])
        self.hidden(parse('r', 'select reads()'), ext(PUBLIC) + bind('', 'r') + execute(''), before=['begin'])

    def test_what_is_kept_and_moves_names(self):
        self.hidden('insert into t (b) values (1); ' + READS, before=['create table sandbox.t (a text default %s, b int)' % MOVES], before_works=False)
        self.hidden('insert into t (b) values (1); ' + READS, before=['create table sandbox.t (b int check (%s is not null))' % MOVES], before_works=False)
        self.hidden('insert into t (b) values (1); ' + READS, before=['create domain sandbox.d as int check (%s is not null)' % MOVES, 'create table sandbox.t (b d)'], before_works=False)
        self.hidden('alter table t alter b type int using case when %s is null then 0 else b end; %s' % (MOVES, READS), before=['create table sandbox.t (b int)', 'insert into t values (1)'])

    def test_what_is_kept_and_runs_a_text_or_reads_by_a_name(self):
        self.hidden('insert into t (b) values (1) returning a', before=["create table sandbox.t (a text default query_to_xml('%s', true, true, '')::text, b int)" % 'select ssn from people', PUBLIC + ', sandbox'], before_works=False)
        self.hidden('insert into t (b) values (1) returning a', before=["create table sandbox.t (a text default table_to_xml(('people' || left(now()::text, 0))::regclass, true, true, '')::text, b int)", PUBLIC + ', sandbox'], before_works=False)

    def test_settings_that_are_written(self):
        changed = "update %s set setting = 'public' where name = 'search_path'; " + READS
        self.hidden(changed % 'pg_settings')
        self.hidden(changed % 'settings', before=['create view sandbox.settings as select * from pg_settings'], before_works=False)

    def test_one_statement_that_moves_names_and_looks_them_up(self):
        self.hidden('select %s, reads()' % MOVES)
        self.hidden("select %s, query_to_xml('select ssn from people', true, true, '')" % MOVES)
        self.hidden("select %s, table_to_xml(('people' || left(name, 0))::regclass, true, true, '') from people" % MOVES)
        self.hidden('select label from behind, (select %s) as m' % MOVES)
        self.hidden('with m as materialized (select %s as s) select reads() from m where s <> \'\'' % MOVES)

    def test_a_block_that_moves_names_and_looks_them_up(self):
        self.hidden("do $$ begin perform %s; raise notice '%%', (select ssn || '!' from people limit 1); end $$" % MOVES)
        self.hidden("do $$ begin set search_path = public; raise notice '%', (select ssn || '!' from people limit 1); end $$")
        self.hidden("do $$ begin create temp view t as select ssn as label from public.people; raise notice '%', (select label || '!' from t limit 1); end $$", before=['create table sandbox.t (label text)'])
        self.hidden('select moves(); ' + READS, before=['create function sandbox.moves() returns text language sql as $$ select %s $$' % MOVES])
        self.hidden("do $$ begin perform public.reads(); end $$; select set_config('search_path', 'public', false); select reads()")

    def test_a_function_behind_a_view_looks_names_up_when_it_runs(self):
        self.hidden('select label from sandbox.behind', before=[PUBLIC])
        self.hidden(PUBLIC + '; select label from sandbox.behind')
        self.hidden('begin; set local search_path = public; select label from sandbox.behind; commit')

    def test_what_stands_behind_a_name_changes_in_the_same_message(self):
        for message in ("create rule shows as on insert to public.fires do also select ssn || '!' from public.people; insert into public.fires values (1)",
                        "create table sandbox.empty (ssn text); create rule \"_RETURN\" as on select to sandbox.empty do instead select ssn from public.people; select ssn || '!' from sandbox.empty",
                        "create table sandbox.parent (ssn text); alter table public.people inherit sandbox.parent; select ssn || '!' from sandbox.parent",
                        'create table sandbox.whole (like public.people) partition by list (id); alter table sandbox.whole attach partition public.people default; select whole from sandbox.whole',
                        'create temp table people (id int, name text, ssn text); select label from public.sees',
                        "alter table public.people rename to old; create table public.people (id int, name text, ssn text); select label || '!' from public.sees",
                        'alter function public.one() rename to two; alter function public.other() rename to one; select public.one()',
                        "create or replace view public.harmless as select ssn as label from public.people; refresh materialized view public.kept; select label || '!' from public.kept"):
            self.hidden('begin; ' + message, before=[PUBLIC])
        wire = Wire(self.proxy.url)
        self.addCleanup(wire.close)
        self.assertEqual(wire.rows('begin; alter table sandbox.people rename to persons; update sandbox.persons set name = name; select name from sandbox.persons where id = 1; rollback'), [['s1']])


if __name__ == '__main__':
    main()
