#!/usr/bin/python3
"""What one `dbguard proxy` lets be changed, the next one must not show: values that stay where they were computed, and code that runs unsaid, are
the schema's own for whoever starts later and reads the catalogue as it is then."""
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
    databases: %s
    login: postgres
    rules:
      - allow: [read, write, ddl, tx, call, session, dcl]
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.people.ssn", with: redact }
      - { tag: pii, with: redact }
'''
SECRET = b'958-88-'
SCHEMA = '''
create table people (id int primary key, name text, ssn text);
insert into people values (1, 'ann', '958-88-1111'), (2, 'bob', '958-88-2222');
create table orders (id int, note text);
insert into orders values (1, 'a');
create table sink (id serial, s text);
create table noted (id int, val text);
comment on column noted.val is 'dbguard:pii';
insert into noted values (1, '958-88-3333');
create function first_ssn() returns text language sql stable as 'select ssn from people order by id limit 1';
create function wraps() returns text language sql stable as 'select first_ssn()';
create view v_ssn as select id, ssn as x from people;
create function by_view() returns text language sql stable as 'select x from v_ssn order by id limit 1';
create function of_id(i int) returns text language sql immutable as 'select ssn from public.people where id = i';
create function by_tag() returns text language sql stable as 'select val from noted';
create function by_default(t text default first_ssn()) returns text language sql as 'select t';
create procedure gives(inout t text default first_ssn()) language sql as 'select t';
create materialized view kept as select first_ssn() as x, wraps() as y, by_view() as z, by_tag() as t;
create table computed (id int, x text generated always as (of_id(id)) stored);
insert into computed values (1);
create table parent (s text);
create table child (s text);
comment on column child.s is 'dbguard:pii';
insert into child values ('958-88-4444');
alter table child inherit parent;
create materialized view of_parent as select s from parent;
create schema shelf;
create function shelf.reads() returns text language sql as 'select ssn from public.people limit 1';
create function from_shelf() returns text language sql as 'select shelf.reads()';
create materialized view shelved as select from_shelf() as x;
create function harmless() returns text language sql as $$ select 'x'::text $$;
create function around() returns text language sql as $$ select harmless() $$;
create function checks(t text) returns boolean language sql as $$ select true $$;
create function fires() returns trigger language plpgsql as $$ begin new.note := coalesce(new.note, ''); return new; end $$;
create trigger fires before update on orders for each row execute function fires();
create table by_harmless (id int, s text default harmless());
create table by_around (id int, s text default around());
create domain checked as text check (checks(value));
create table of_checked (c checked);
'''
X = "language sql stable as $$ select 'x'::text $$"
COPIES = "language plpgsql as $$ begin insert into sink (s) select ssn from people; return %s; end $$"
READ = ('select x, y, z, t from kept', 'select x from computed', 'select s from of_parent', 'select x from shelved', 'select s from sink', 'select note from orders')


class Kept(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.postgres.sql('create database template_kept')
        cls.postgres.sql(SCHEMA, 'template_kept')

    def play(self, first, then=()):
        """-> whether all of `first` was let through, and all that a session of the next dbguard gets"""
        self.postgres.sql('drop database if exists kept with (force)')
        self.postgres.sql('create database kept template template_kept')
        done = True
        got = []
        for statements in (first, (*then, *READ)):
            with Proxy(self.postgres, ROLES % 'kept', database='kept') as proxy:
                wire = Wire(proxy.url)
                for sql in statements:
                    answer = wire.query(sql)
                    if statements is first:
                        done = done and error(answer) is None
                    got += answer
                wire.close()
        return done, b''.join(body for _, body in got)

    def codes(self, statements):
        """-> the SQLSTATEs that these end with, in a transaction of one dbguard"""
        if not hasattr(self, 'wire'):
            self.postgres.sql('drop database if exists kept with (force)')
            self.postgres.sql('create database kept template template_kept')
            proxy = Proxy(self.postgres, ROLES % 'kept', database='kept')
            self.addCleanup(proxy.close)
            self.wire = Wire(proxy.url)
            self.addCleanup(self.wire.close)
        out = []
        for sql in ('begin', *statements, 'rollback'):
            failed = error(self.wire.query(sql))
            if failed:
                out.append(failed['C'])
        return out

    def refused(self, *statements):
        with self.subTest(statements):
            self.assertEqual(self.codes(statements)[:1], ['42501'])

    def works(self, *statements):
        with self.subTest(statements):
            self.assertEqual(self.codes(statements), [])

    def test_what_a_stored_value_came_from(self):
        for first in (['create or replace function first_ssn() returns text ' + X],
                      ['create or replace function wraps() returns text ' + X],
                      ['alter function first_ssn() rename to was', 'create function first_ssn() returns text ' + X],
                      ['create schema o', 'alter function first_ssn() set schema o', 'create function first_ssn() returns text ' + X],
                      ['create schema o', 'create function o.first_ssn() returns text ' + X, 'alter function wraps() set search_path = o'],
                      ["create or replace view v_ssn as select id, 'x'::text as x from people"],
                      ['alter view v_ssn rename to was', "create view v_ssn as select 1 as id, 'x'::text as x"],
                      ['drop view v_ssn', "create view v_ssn as select 1 as id, 'x'::text as x"],
                      ['alter table noted rename to was', 'create table noted (id int, val text)'],
                      ['alter table noted drop column val', 'alter table noted add column val text'],
                      ["create or replace function of_id(i int) returns text language sql immutable as $$ select 'x'::text $$"],
                      ['alter schema shelf rename to was', 'create schema shelf', 'create function shelf.reads() returns text ' + X],
                      ['drop table child'], ['alter table child no inherit parent']):
            self.refused(*first)

    def test_the_next_dbguard(self):
        for first, then in ((['create or replace function first_ssn() returns text ' + X, 'drop table child'], ()),
                            (['create function tf() returns trigger language plpgsql as $$ begin insert into sink (s) values (new.ssn); return new; end $$',
                              'create trigger t after update on people for each row execute function tf()'], ['update people set name = name where id = 1']),
                            (["create or replace function harmless() returns text language sql as 'select max(ssn) from people'"], ['insert into by_around (id) values (1)', 'select s from by_around'])):
            with self.subTest(first):
                done, got = self.play(first, then)
                self.assertFalse(done)
                self.assertNotIn(SECRET, got)

    def test_a_search_path_that_finds_other_code(self):
        with self.subTest('before the first statement'):
            self.postgres.sql('drop database if exists kept with (force)')
            self.postgres.sql('create database kept template template_kept')
            self.postgres.sql('create schema evil; create function evil.first_ssn() returns text ' + X, 'kept')
            with Proxy(self.postgres, ROLES % 'kept', database='kept') as proxy:
                wire = Wire(proxy.url, params={'search_path': 'evil'})
                self.assertEqual(wire.rows('select x, y from public.kept'), [['***', '***']])
                wire.close()

    def test_code_that_runs_unsaid_later(self):
        tf = 'create function tf() returns trigger language plpgsql as $$ begin %s; return new; end $$'
        on_people = 'create trigger t after update on people for each row execute function tf()'
        on_orders = 'create trigger t before update on orders for each row execute function tf()'
        for first in ([tf % "insert into sink (s) values (new.ssn || '!')", on_people],
                      [tf % "insert into sink (s) values (new.ssn || '!')" + '; ' + on_people],
                      [tf % "new.note := (select ssn || '!' from people limit 1)", on_orders],
                      [tf % "execute concat('insert into sink (s) select s', 'sn from people')", on_orders],
                      [tf % 'null', on_people, (tf % "insert into sink (s) values (new.ssn || '!')").replace('create', 'create or replace')],
                      ["create or replace function fires() returns trigger language plpgsql as $$ begin new.note := (select max(ssn) from people); return new; end $$"],
                      ["create or replace function fires() returns trigger language plpgsql as $$ begin execute concat('insert into sink (s) select s', 'sn from people'); return new; end $$"]):
            self.refused(*first)
        for first in (["create or replace function harmless() returns text language sql as 'select max(ssn) from people'"],
                      ["create or replace function harmless() returns text language plpgsql as $$ declare r text; begin execute concat('select s', 'sn from people') into r; return r; end $$"],
                      ["create function other() returns text language sql as 'select max(ssn) from people'", 'alter function harmless() rename to was', 'alter function other() rename to harmless'],
                      ['create or replace function checks(t text) returns boolean ' + COPIES % 'true']):
            self.refused(*first)

    def test_ordinary_migrations(self):
        for first in (["create or replace function fires() returns trigger language plpgsql set search_path = public as $$ begin new.note := lower(new.note); return new; end $$"],
                      ["create function touched() returns trigger language plpgsql as $$ begin new.name := trim(new.name); return new; end $$", 'create trigger t before insert or update on people for each row execute function touched()'],
                      ['create table log (id int, at timestamptz); create function logs() returns trigger language plpgsql as $$ begin insert into log values (new.id, now()); return new; end $$; create trigger t after insert on people for each row execute function logs()'],
                      ['create table fresh (id int, a text); create function fresh_row() returns trigger language plpgsql as $$ begin new.a := upper(new.a); return new; end $$; create trigger t before insert on fresh for each row execute function fresh_row()'],
                      ["create or replace function harmless() returns text language sql as $$ select 'y'::text $$", "create or replace function checks(t text) returns boolean language sql as $$ select t <> '' $$"],
                      ['create or replace view other as select id, name from people', 'alter table orders rename to bought', 'alter table bought rename to orders', 'drop table sink; create table sink (s text)'],
                      ['create function counts() returns trigger language plpgsql as $$ begin update orders set note = (select count(*)::text from new_rows); return null; end $$',
                       'create trigger t after insert on people referencing new table as new_rows for each statement execute function counts()']):
            self.works(*first)

    def test_an_argument_that_is_left_to_its_default(self):
        done, got = self.play(['select by_default()', 'select * from by_default()', 'call gives()', 'insert into sink (s) select by_default()'])
        self.assertNotIn(SECRET, got)

    def test_the_catalogue_is_not_written_by_hand(self):
        for sql in ("update pg_attribute set attname = 'x' where attrelid = 'people'::regclass and attname = 'ssn'", "delete from pg_description where objoid = 'noted'::regclass",
                    "update pg_class set relname = 'x' where relname = 'people'"):
            self.refused(sql)


if __name__ == '__main__':
    main()
