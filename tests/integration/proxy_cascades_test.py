#!/usr/bin/python3
"""What a statement reaches without naming it is forbidden by its name all the same: cascades, children, code behind them."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, error, types  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, ddl, dcl, tx, call, lock, session.set]
      - deny: [write, ddl, dcl]
        of: ["audit.*", public.kept]
        why: That is the auditors'.
'''
SCHEMA = '''
create schema audit;
create table parents(id int primary key, note text);
create table audit.kids(id int primary key, parent int references parents on delete cascade on update cascade);
create table other(id int primary key);
create table middle(id int primary key, other int references other on delete cascade);
create table last(id int, middle int references middle on delete set null);
create table measured(day date, v int) partition by range (day);
create table measured_new partition of measured for values from ('2026-01-01') to ('2027-01-01');
create table base(id int);
create table audit.derived() inherits (base);
create table kept(id int);
create view audit.notes as select note from parents;
create table free(id int);
insert into parents values (1, 'a'), (2, 'b');
insert into audit.kids values (1, 1);
insert into other values (1), (2);
insert into middle values (1, 1);
insert into last values (1, 1);
insert into kept values (1);
'''


class Cascades(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.postgres.sql(SCHEMA)

    def setUp(self):
        self.proxy = Proxy(self.postgres, ROLES)
        self.addCleanup(self.proxy.close)
        self.wire = Wire(self.proxy.url)
        self.addCleanup(self.wire.close)

    def refused(self, *statements):
        for sql in statements:
            with self.subTest(sql):
                m = self.wire.query(sql)
                self.assertEqual((types(m)[-2:], (error(m) or {}).get('C')), ('EZ', '42501'))
                self.assertRegex(error(m)['M'], 'rule tester#2')

    def runs(self, *statements):
        for sql in statements:
            with self.subTest(sql):
                self.assertIsNone(error(self.wire.query(sql)))

    def test_keys_that_follow(self):
        self.refused('delete from parents where id = 1', 'update parents set id = 3 where id = 1', 'with d as (delete from parents where id = 1 returning id) select * from d',
                     'merge into parents p using (values (1)) v(i) on p.id = v.i when matched then delete', 'truncate parents cascade')
        self.runs("update parents set note = 'c' where id = 2", 'begin; delete from other where id = 2; rollback')

    def test_children_and_partitions(self):
        self.refused('delete from base where id = 1', 'truncate base', 'alter table base add column x int', 'lock table base; drop table base cascade')
        self.runs('delete from only base where id = 1', 'insert into base values (1)', "insert into measured values ('2026-02-02', 1)", 'begin; truncate measured; rollback')

    def test_what_goes_with_a_table(self):
        self.refused('drop table parents cascade', 'drop schema audit cascade', 'alter table parents drop column note cascade', 'drop owned by postgres', 'reassign owned by postgres to postgres',
                     'alter table free set schema audit', 'alter table free inherit kept', 'grant select on all tables in schema audit to public', 'grant select on audit.kids to public',
                     'alter default privileges grant select on tables to public', 'revoke all on kept from public')
        self.assertEqual(error(self.wire.query('drop table parents'))['C'], '2BP01')   # the server's own word
        self.runs('grant select on free to public', 'begin; drop table free cascade; rollback', 'begin; drop table if exists nosuch cascade; rollback')

    def test_code_behind_a_cascade(self):
        self.runs("create function forgets() returns trigger language plpgsql as $$ begin delete from public.kept; return old; end $$",
                  'create trigger forgets after update on last for each row execute function forgets()')
        self.refused('delete from other where id = 1')
        self.assertEqual(self.postgres.sql('select count(*) from kept'), '1')

    def test_code_behind_names_that_no_rule_names(self):
        self.postgres.sql('create function empties(int, int) returns boolean language plpgsql as $$ begin delete from kept; return true; end $$; '
                          'create operator === (function = empties, leftarg = int, rightarg = int); create view hidden as select empties(1, 2)')
        with Proxy(self.postgres, ROLES.split('    rules:')[0] + '    rules: [{ allow: [read, tx] }]\n') as proxy:
            wire = Wire(proxy.url)
            self.addCleanup(wire.close)
            for sql in ('select * from hidden', 'table hidden', 'select 1 === 2'):
                with self.subTest(sql):
                    self.assertEqual(error(wire.query(sql))['C'], '42501')
            self.assertEqual(wire.rows('select count(*) from kept'), [['1']])


if __name__ == '__main__':
    main()
