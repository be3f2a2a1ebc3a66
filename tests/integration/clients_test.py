#!/usr/bin/python3
"""Real clients through `dbguard proxy` and `dbguard run`: psql, pg_dump, pgbench, psycopg2, asyncpg, node-postgres, JDBC.

What a client would notice if the guard were not there is compared with the same client straight at the server. A client that is not
installed is skipped, saying so; servers 17 and 18 are used only where ../shared/servers has them up."""
import asyncio
import datetime
import glob
import io
import json
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import PROGRAM, SOURCE, Postgres, main, plain_environment  # noqa: E402
from dbguard_proxy import HEAD, Proxy  # noqa: E402

try:
    import psycopg2
    import psycopg2.errors
    import psycopg2.extras
except ImportError:
    psycopg2 = None
try:
    import asyncpg
except ImportError:
    asyncpg = None

HELPERS = pathlib.Path(__file__).resolve().parent / 'clients'
JDBC = '/usr/share/java/postgresql.jar'
ROLES = '''
  tester:
    for: local
    databases: %s
    login: postgres
    rules:
      - allow: [read, write, ddl, bulk, dcl, call, session, tx, lock, notify, maintenance]
      - allow: server   # pg_dump -j: its connections see one snapshot
        of: pg_catalog.pg_export_snapshot
      - deny: write.delete
        of: public.forbidden
        why: This one stays.
        fix: Ask for a migration.
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.people.email", with: email }
      - { column: "public.people.phone", with: last(4) }
      - { column: "public.people.amount", with: zero }
      - { column: "public.people.born", with: date(year) }
    derived: deny
    filter: equality
'''
# `public` has masked columns; `plain` has none, and a little of everything that a dump knows.
SCHEMA = r'''
create table people(id int primary key, email text, phone text, name text, amount int, born date, at timestamptz);
insert into people values
    (1, 'ann.smith@example.com', '555-123-4567', 'Ann', 4711, '1980-05-06', '2024-01-02 03:04:05.678901Z'),
    (2, 'bob@foo.org', '555-987-6543', 'Bob', 815, '1990-12-31', '2024-01-02 03:04:05.678901Z'),
    (3, null, null, 'Nil', null, null, null);
create view addresses as select id, email from people;
create table notes(id bigserial primary key, body text, number numeric, at timestamptz default now());
create table forbidden(a int);
create schema plain;
set search_path = plain;
create type mood as enum ('sad', 'ok', 'it''s "great"');
create domain positive as int check (value > 0);
create type pair as (a int, b text);
create table item(id int generated always as identity primary key, name text not null default 'x', price numeric(10, 2), tags text[], doc jsonb, raw bytea,
    m mood, n positive, p pair, during tstzrange, f float8, u uuid, twice numeric generated always as (price * 2) stored);
insert into item(name, price, tags, doc, raw, m, n, p, during, f, u)
    select 'item ' || g || E'\ttab\nline \\ é', g * 1.25, array['a,b', 'c"d', null], jsonb_build_object('g', g), decode(lpad(to_hex(g), 4, '0'), 'hex'),
           'ok', g, row(g, 'x y')::pair, '[2024-01-01Z, 2024-02-01Z)', 1.0 / g, '00000000-0000-0000-0000-000000000001' from generate_series(1, 300) g;
insert into item(name) values ('');
create table line(item int references item on delete cascade, no int, "Odd Name" text collate "C", primary key (item, no));
insert into line values (1, 1, 'a'), (1, 2, null), (2, 1, '\.');
create index line_odd on line(lower("Odd Name")) where no > 1;
create unique index item_u on item(id, name) include (price);
create table event(day date, v int) partition by range (day);
create table event_2024 partition of event for values from ('2024-01-01') to ('2025-01-01');
create table event_rest partition of event default;
insert into event values ('2024-05-06', 1), ('2030-01-01', 2);
create view cheap as select name, price from item where price < 10 with local check option;
create materialized view totals as select m, count(*) as n from item group by m;
create sequence counter start 7 increment 3 cycle maxvalue 1000;
select nextval('counter');
create function add(a int, b int default 1) returns int language sql immutable as 'select a + b';
create function touch() returns trigger language plpgsql as $$begin new.name := coalesce(new.name, 'none'); return new; end$$;
create procedure nothing(inout a int) language plpgsql as $$begin a := a + 1; end$$;
create trigger item_touch before insert or update of name on item for each row execute function touch();
create rule no_delete as on delete to line do instead nothing;
create statistics line_stats on item, no from line;
alter table item add constraint sane check (price >= 0) not valid;
alter table event enable row level security;
create policy everybody on event using (v > 0);
comment on table item is 'What is sold; it''s "plain".';
comment on column item.price is 'In euros.';
grant select on item to public;
'''


def run(command, **kw):
    kw.setdefault('stdin', subprocess.DEVNULL) if 'input' not in kw else None
    kw.setdefault('env', plain_environment(LC_ALL='C.UTF-8'))
    return subprocess.run([str(word) for word in command], capture_output=True, timeout=120, **kw)


def need(condition, what):
    return unittest.skipUnless(condition, what + ' is not installed')


class Guarded(unittest.TestCase):
    """A server with SCHEMA in it and a proxy before it."""

    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.bin = cls.postgres.bin
        cls.postgres.sql(SCHEMA)
        cls.direct = cls.postgres.url()
        cls.proxied()

    @classmethod
    def proxied(cls, database='postgres'):
        cls.proxy = Proxy(None, ROLES % database, database=database, url=cls.direct)
        cls.addClassCleanup(cls.proxy.close)
        cls.url = cls.proxy.url

    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.temp = pathlib.Path(temp.name)

    def psql(self, *args, url=None, **kw):
        return run([self.bin + '/psql', '-X', '-d', url or self.url, *args], **kw)

    def succeeds(self, done):
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-2000:])
        return done.stdout.decode()

    def straight(self, sql):
        return self.succeeds(self.psql('-qAt', '-c', sql, url=self.direct)).strip()


class Psql(Guarded):
    def test_describing_is_as_at_the_server(self):
        commands = [r'\d', r'\d+', r'\dt *.*', r'\d people', r'\d+ people', r'\d plain.*', r'\d+ plain.item', r'\d plain.line', r'\d+ plain.event', r'\d plain.event_2024',
                    r'\d+ plain.cheap', r'\d+ plain.totals', r'\d plain.counter', r'\d plain.item_u', r'\d nowhere', r'\df plain.*', r'\df+ plain.add', r'\sf plain.add',
                    r'\sv plain.cheap', r'\dn+', r'\dp plain.*', r'\dT+ plain.*', r'\dD plain.*', r'\ds plain.*', r'\dv plain.*', r'\dm plain.*', r'\di+ plain.*',
                    r'\dd plain.*', r'\du', r'\l', r'\dx', r'\dg', r'\dC', r'\do plain.*', r'\da pg_catalog.sum', r'\dL', r'\dX plain.*', r'\dP', r'\drds', r'\dy', r'\db',
                    r'\dc plain.*', r'\dF', r'\dO plain.*', r'\dRp', r'\des', r'\dE', r'\dAc btree', r'\z people', r'\dconfig server_version']
        for command in commands:
            with self.subTest(command):
                direct, guarded = self.psql('-c', command, url=self.direct), self.psql('-c', command)
                self.assertEqual((guarded.returncode, guarded.stdout.decode(), guarded.stderr.decode()),
                                 (direct.returncode, direct.stdout.decode(), direct.stderr.decode()))

    def test_masked_and_unmasked_columns(self):
        out = self.succeeds(self.psql('-At', '-c', 'select * from people order by id', '-c', 'table addresses'))
        self.assertEqual(out.splitlines()[:2], ['1|a***@e***.com|***-***-4567|Ann|0|1980-01-01|2024-01-02 03:04:05.678901+00',
                                                '2|b***@f***.org|***-***-6543|Bob|0|1990-01-01|2024-01-02 03:04:05.678901+00'])
        self.assertEqual(out.splitlines()[3:], ['1|a***@e***.com', '2|b***@f***.org', '3|'])

    def test_a_refusal_and_what_follows(self):
        done = self.psql('-At', '-v', 'VERBOSITY=verbose', input=b"select upper(email) from people;\nselect 'goes on';\nbegin;\nsavepoint s;\n"
                         b"select email || 'x' from people;\nrollback to s;\nselect 'still';\ncommit;\n\\echo :SQLSTATE\ndelete from forbidden;\n\\echo :LAST_ERROR_SQLSTATE\n")
        self.assertEqual(done.stdout.decode().split(), ['goes', 'on', 'BEGIN', 'SAVEPOINT', 'ROLLBACK', 'still', 'COMMIT', '00000', '42501'])
        err = done.stderr.decode()
        self.assertEqual(err.count('ERROR:  42501:'), 3, err)
        self.assertIn('HINT:  Ask for a migration.', err)

    def test_on_error_rollback(self):
        done = self.psql('-At', '-v', 'ON_ERROR_ROLLBACK=on', input=b"begin;\nselect upper(email) from people;\nselect 'still';\ncommit;\n")
        self.assertEqual(done.stdout.decode().split(), ['BEGIN', 'still', 'COMMIT'])

    def test_a_script_in_one_transaction(self):
        script = self.temp / 'script.sql'
        script.write_text("insert into notes(body) values ('script');\nselect upper(email) from people;\n")
        done = self.psql('-1', '-v', 'ON_ERROR_STOP=1', '-f', script)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b'script.sql:2: ERROR', done.stderr)
        self.assertEqual(self.straight("select count(*) from notes where body = 'script'"), '0')
        script.write_text("insert into notes(body) values ('script');\n\\set who 1\nselect email from people where id = :who;\n")
        self.assertIn('a***@e***.com', self.succeeds(self.psql('-1', '-v', 'ON_ERROR_STOP=1', '-f', script)))
        self.assertEqual(self.straight("select count(*) from notes where body = 'script'"), '1')

    def test_variables_gset_gexec_and_crosstab(self):
        out = self.succeeds(self.psql('-qAt', '-v', "name=it's", '-v', 'ON_ERROR_STOP=1', input=br"""
select :'name';
select email as e, id as i from people where id = 1 \gset
\echo :e :i
select format('select %s', g) from generate_series(1, 2) g \gexec
select 1 as a, 2 as b, 3 as c \crosstabview
select id, email from people where id = 2 \gx
select id, email, phone from people where id = 2 \gdesc
"""))
        self.assertEqual(out.splitlines(), ["it's", 'a***@e***.com 1', '1', '2', '1|3', 'id|2', 'email|b***@f***.org', 'id|integer', 'email|text', 'phone|text'])

    def test_fetch_count(self):
        out = self.succeeds(self.psql('-qAt', '-v', 'FETCH_COUNT=2', '-c', 'select email from people order by id', input=b''))
        out += self.succeeds(self.psql('-qAt', '-v', 'FETCH_COUNT=7', input=b'select g, email from generate_series(1, 100) g, people where people.id = 2 order by g;\n'))
        self.assertEqual(out.splitlines(), ['a***@e***.com', 'b***@f***.org', ''] + ['%d|b***@f***.org' % i for i in range(1, 101)])

    def test_copy_out_and_in(self):
        out, back = self.temp / 'out', self.temp / 'back'
        self.succeeds(self.psql('-c', r"\copy people(id, email, phone) to '%s' csv header" % out))
        self.assertEqual(out.read_text(), 'id,email,phone\n1,a***@e***.com,***-***-4567\n2,b***@f***.org,***-***-6543\n3,,\n')
        back.write_text('one\tline\n' * 20000)
        self.succeeds(self.psql('-c', 'create table if not exists copied(a text, b text)', '-c', r"\copy copied from '%s'" % back))
        self.assertEqual(self.straight('select count(*) from copied'), '20000')
        self.succeeds(self.psql('-c', r"\copy copied to '%s'" % out))
        self.assertEqual(out.read_text(), back.read_text())
        for form in ('text', 'csv', 'binary'):
            files = []
            for url in (self.direct, self.url):
                self.succeeds(self.psql('-c', r"\copy plain.item to '%s' (format %s)" % (out, form), url=url))
                files.append(out.read_bytes())
            self.assertEqual(files[0], files[1], form)
        done = self.psql('-c', r'\copy (select upper(email) from people) to stdout')
        self.assertEqual((done.returncode, done.stdout), (1, b''))
        self.assertIn(b'ERROR', done.stderr)

    def test_copy_from_the_script_itself(self):
        self.succeeds(self.psql('-v', 'ON_ERROR_STOP=1', input=b"create table inline(a int, b text);\ncopy inline from stdin;\n1\tx\n2\t\\N\n\\.\nselect 1;\n"))
        self.assertEqual(self.straight('select * from inline order by 1'), '1|x\n2|')

    def test_completion_by_tab(self):
        def terminal(url, keys):
            pid, fd = pty.fork()
            if pid == 0:
                os.execve(self.bin + '/psql', ['psql', '-X', url], plain_environment(TERM='dumb', INPUTRC='/dev/null', PSQL_HISTORY='/dev/null'))
            seen = b''

            def until(text, seconds=10):
                nonlocal seen
                start, end = len(seen), time.monotonic() + seconds
                while text not in seen[start:] and time.monotonic() < end:
                    if select.select([fd], [], [], 0.2)[0]:
                        try:
                            seen += os.read(fd, 4096)
                        except OSError:
                            return
            until(b'=# ')
            for typed, completed in keys:
                os.write(fd, typed)
                until(completed)
            os.write(fd, b'\x15\\q\n')
            until(b'never', 5)
            os.close(fd)
            os.waitpid(pid, 0)
            return seen
        keys = [(b'select * from peo\t', b'ple'), (b'where em\t', b'ail'), (b'\x15\\d plain.it\t', b'em'), (b'\x15set datest\t', b'yle'), (b'\x15\\df plain.ad\t', b'd')]
        for url in (self.direct, self.url):
            seen = terminal(url, keys)
            self.assertIn(b'select * from people where email', seen)
            self.assertRegex(seen, br'\\d plain\.it\a?em')
            self.assertIn(b'\\df plain.add', seen)

    def test_every_value_of_an_unmasked_table_is_as_at_the_server(self):
        for sql in ('table plain.item', 'table plain.event', 'select * from plain.totals order by 1', 'select * from plain.item, lateral unnest(tags) t order by id', 'explain (costs off) select * from plain.item where id = 1',
                    'select plain.add(2, 3)', 'call plain.nothing(1)', 'show all', 'select * from information_schema.columns where table_schema = \'plain\''):
            with self.subTest(sql):
                answers = [self.psql('-A', '-c', sql, url=url) for url in (self.direct, self.url)]
                if sql == 'show all':  # the names of the two connections differ
                    answers = [[line for line in self.succeeds(a).splitlines() if not line.startswith('application_name')] for a in answers]
                    self.assertEqual(*answers)
                else:
                    self.assertEqual(self.succeeds(answers[0]), self.succeeds(answers[1]))


    def test_a_function_with_a_default_argument(self):
        self.assertEqual(self.succeeds(self.psql('-qAt', '-c', 'select plain.add(1)')), '2\n')


class PsqlOfSharedServer(Psql):
    """The same at a server that is up anyway, in a database of this test's own."""
    version = None

    @classmethod
    def setUpClass(cls):
        script = SOURCE.parent / 'shared/servers/postgres.sh'
        if cls.version is None or not script.exists():
            raise unittest.SkipTest('no ../shared/servers')
        dsn = run([script, 'dsn'], env=plain_environment(PGVERSION=cls.version))
        if dsn.returncode:
            raise unittest.SkipTest('server %s is not up' % cls.version)
        found = sorted(glob.glob('/usr/lib/postgresql/*/bin/psql'))
        if not found:
            raise unittest.SkipTest('psql is not installed')
        cls.bin = os.path.dirname(found[-1])
        base, database = dsn.stdout.decode().strip() + '?sslmode=disable', 'dbguard_clients_%d' % os.getpid()
        cls.direct = base.replace('/postgres?', '/%s?' % database)
        made = run([cls.bin + '/psql', '-Xq', base, '-c', 'create database ' + database])
        if made.returncode:
            raise unittest.SkipTest('server %s: %s' % (cls.version, made.stderr.decode()))
        cls.addClassCleanup(run, [cls.bin + '/psql', '-Xq', base, '-c', 'drop database %s with (force)' % database])
        done = run([cls.bin + '/psql', '-Xq', '-v', 'ON_ERROR_STOP=1', cls.direct, '-c', SCHEMA])
        assert done.returncode == 0, done.stderr
        cls.proxied(database)


class Psql17(PsqlOfSharedServer):
    version = 17


class Psql18(PsqlOfSharedServer):
    version = 18


del PsqlOfSharedServer


class Dump(Guarded):
    def dump(self, url, *args):
        done = run([self.bin + '/pg_dump', *args, url])
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-2000:])
        # Releases of late write a random word into \restrict and \unrestrict.
        return re.sub(rb'(?m)^\\((un)?restrict) .*$', rb'\\\1', done.stdout)

    def test_whole_databases(self):
        for args in (['-s'], ['-N', 'public'], ['-s', '-C'], ['-T', 'people']):
            with self.subTest(args):
                self.assertEqual(self.dump(self.direct, *args), self.dump(self.url, *args))

    def test_a_plain_dump_is_the_same_byte_for_byte(self):
        for args in ([], ['--inserts'], ['--column-inserts', '--rows-per-insert=7'], ['-s'], ['-a', '--disable-triggers'], ['-c', '--if-exists', '-O', '-x'],
                     ['-t', 'plain.line'], ['--enable-row-security', '--serializable-deferrable'], ['--section=pre-data'], ['--section=post-data'], ['-b'],
                     ['--role=postgres', '--lock-wait-timeout=1s'], ['--quote-all-identifiers', '--load-via-partition-root'], ['--inserts', '--on-conflict-do-nothing']):
            with self.subTest(args):
                direct, guarded = (self.dump(url, '-n', 'plain', *args) for url in (self.direct, self.url))
                self.assertEqual(direct, guarded)
                self.assertIn(b'PostgreSQL database dump complete', guarded)

    def test_a_custom_dump_restores_to_the_same(self):
        for form in ('c', 't'):
            with self.subTest(form):
                listings, texts = [], []
                for name, url in (('direct', self.direct), ('guarded', self.url)):
                    archive = self.temp / name
                    self.dump(url, '-F' + form, '-Z0', '-n', 'plain', '-f', str(archive)) if form == 'c' else self.dump(url, '-Ft', '-n', 'plain', '-f', str(archive))
                    text = run([self.bin + '/pg_restore', '-f', '-', archive])
                    self.assertEqual(text.returncode, 0, text.stderr)
                    texts.append(re.sub(rb'(?m)^\\((un)?restrict) .*$', rb'\\\1', text.stdout))
                    listings.append([line for line in run([self.bin + '/pg_restore', '-l', archive]).stdout.splitlines() if not line.startswith(b';')])
                self.assertEqual(texts[0], texts[1])
                self.assertEqual(listings[0], listings[1])

    def test_a_directory_dump_with_two_connections(self):
        self.dump(self.url, '-Fd', '-j', '2', '-n', 'plain', '-f', str(self.temp / 'd'))
        text = run([self.bin + '/pg_restore', '-f', '-', self.temp / 'd']).stdout
        self.assertIn(b'item 300', text)

    def test_pg_restore_through_the_guard(self):
        archive = self.temp / 'archive'
        self.dump(self.url, '-Fc', '-n', 'plain', '-f', str(archive))
        self.postgres.sql('create database restored')
        with Proxy(self.postgres, ROLES % 'restored', database='restored') as proxy:
            for args in ([], ['-c', '--if-exists', '-1']):
                done = run([self.bin + '/pg_restore', '--no-owner', '--exit-on-error', *args, '-d', proxy.url, archive])
                self.assertEqual(done.returncode, 0, done.stderr.decode()[-2000:])
                self.assertEqual(self.dump(self.direct, '-n', 'plain'), self.dump(self.postgres.url('restored'), '-n', 'plain'))

    def test_a_dump_of_masked_columns_holds_masks(self):
        for args in ([], ['--inserts']):
            text = self.dump(self.url, '-n', 'public', *args)
            self.assertIn(b'a***@e***.com', text)
            for secret in (b'ann.smith', b'bob@foo', b'555', b'4711', b'1980-05'):
                self.assertNotIn(secret, text)


class Pgbench(Guarded):
    def pgbench(self, *args):
        done = run([shutil.which('pgbench') or self.bin + '/pgbench', *args, self.url])
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-2000:])
        return done.stdout.decode()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not os.path.exists(cls.bin + '/pgbench') and not shutil.which('pgbench'):
            raise unittest.SkipTest('pgbench is not installed')

    def test_initialise_and_run_in_every_mode(self):
        self.pgbench('-i', '-s', '1', '--foreign-keys', '-q')
        self.assertEqual(self.straight('select count(*) from pgbench_accounts'), '100000')
        for mode in ('simple', 'extended', 'prepared'):
            with self.subTest(mode):
                out = self.pgbench('-n', '-M', mode, '-c', '4', '-j', '2', '-t', '25')
                self.assertIn('number of transactions actually processed: 100/100', out)
                self.assertNotRegex(out, r'failed transactions: [1-9]')
        self.assertEqual(self.straight('select count(*) from pgbench_history'), '300')
        self.pgbench('-i', '-I', 'dtGvpf', '-q')  # rows made by the server

    def test_pipelines(self):
        script = self.temp / 'pipeline.sql'
        script.write_text("\\startpipeline\nselect email from people where id = 1;\ninsert into notes(body) values ('pipeline');\nselect 1;\n\\endpipeline\n")
        for mode in ('extended', 'prepared'):
            self.assertIn('processed: 20/20', self.pgbench('-n', '-M', mode, '-t', '20', '-f', script))
        self.assertEqual(self.straight("select count(*) from notes where body = 'pipeline'"), '40')


@need(psycopg2, 'psycopg2')
class Psycopg2(Guarded):
    def connect(self, **kw):
        connection = psycopg2.connect(self.url, **kw)
        self.addCleanup(connection.close)
        return connection

    def rows(self, connection, sql, *parameters):
        with connection.cursor() as cursor:
            cursor.execute(sql, *parameters)
            return cursor.fetchall()

    def refused(self, connection, sql, *parameters):
        with self.assertRaises(psycopg2.errors.InsufficientPrivilege) as caught:
            self.rows(connection, sql, *parameters)
        self.assertEqual(caught.exception.pgcode, '42501')
        return caught.exception.diag

    def test_parameters(self):
        connection = self.connect()
        self.assertEqual(self.rows(connection, 'select email, phone, name, amount, born from people where id = %s', (1,)),
                         [('a***@e***.com', '***-***-4567', 'Ann', 0, datetime.date(1980, 1, 1))])
        self.assertEqual(self.rows(connection, 'select email, name from people where id = any(%s) order by id', ([1, 2],)),
                         [('a***@e***.com', 'Ann'), ('b***@f***.org', 'Bob')])
        self.assertEqual(self.rows(connection, 'select id from people where email = %(e)s', {'e': 'bob@foo.org'}), [(2,)])

    def test_rows_as_dictionaries(self):
        with self.connect(cursor_factory=psycopg2.extras.RealDictCursor) as connection:
            self.assertEqual(dict(self.rows(connection, 'select email e, name from people where id = 1')[0]), {'e': 'a***@e***.com', 'name': 'Ann'})

    def test_a_server_side_cursor(self):
        connection = self.connect()
        with connection.cursor('c') as cursor:
            cursor.itersize = 7
            cursor.execute('select g, email from generate_series(1, 100) g, people where people.id = %s order by g', (2,))
            self.assertEqual(list(cursor), [(i, 'b***@f***.org') for i in range(1, 101)])
        with connection.cursor('s', scrollable=True, withhold=True) as cursor:
            cursor.execute('select phone from people order by id')
            cursor.fetchone()
            cursor.scroll(-1)
            connection.commit()
            self.assertEqual(cursor.fetchone(), ('***-***-4567',))
        with connection.cursor('d') as cursor:
            with self.assertRaises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute('select upper(email) from people')
                cursor.fetchall()
        connection.rollback()
        self.assertEqual(self.rows(connection, 'select 1'), [(1,)])

    def test_copy_expert(self):
        connection = self.connect()
        with connection.cursor() as cursor:
            out = io.StringIO()
            cursor.copy_expert('copy people(id, email, name) to stdout (format csv)', out)
            self.assertEqual(out.getvalue(), '1,a***@e***.com,Ann\n2,b***@f***.org,Bob\n3,,Nil\n')
            cursor.copy_expert('copy notes(body) from stdin', io.StringIO('copied\n' * 3))
            cursor.copy_from(io.StringIO('copied\n'), 'notes', columns=('body',))
            self.assertEqual(cursor.rowcount, 1)
        connection.commit()
        self.assertEqual(self.straight("select count(*) from notes where body = 'copied'"), '4')
        with self.assertRaises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
            cursor.copy_expert('copy (select upper(email) from people) to stdout', io.StringIO())
        connection.rollback()
        self.assertEqual(self.rows(connection, 'select 1'), [(1,)])

    def test_errors(self):
        connection = self.connect()
        diag = self.refused(connection, 'delete from forbidden')
        self.assertEqual((diag.sqlstate, diag.severity, diag.message_hint), ('42501', 'ERROR', 'Ask for a migration.'))
        self.assertIn('This one stays.', diag.message_primary)
        connection.rollback()
        with self.assertRaises(psycopg2.errors.UniqueViolation) as caught:
            self.rows(connection, "insert into people(id) values (1)")
        self.assertEqual(caught.exception.diag.constraint_name, 'people_pkey')
        connection.rollback()
        with self.assertRaises(psycopg2.errors.SyntaxError) as caught:
            self.rows(connection, 'select 1 selec')
            self.rows(connection, 'selec 1')
        self.assertEqual(caught.exception.diag.statement_position, '1')
        connection.rollback()
        self.assertEqual(self.rows(connection, 'select 1'), [(1,)])

    def test_a_refusal_outside_a_transaction(self):
        connection = self.connect()
        connection.autocommit = True
        for _ in range(3):
            self.refused(connection, 'select upper(email) from people where id = %s', (1,))
            self.assertEqual(self.rows(connection, 'select email from people where id = 1'), [('a***@e***.com',)])

    def test_a_refusal_in_a_transaction(self):
        connection = self.connect()
        with connection.cursor() as cursor:
            cursor.execute("insert into notes(body) values ('p kept')")
            cursor.execute('savepoint s')
            self.refused(connection, 'select upper(email) from people')
            self.assertEqual(connection.get_transaction_status(), psycopg2.extensions.TRANSACTION_STATUS_INERROR)
            with self.assertRaises(psycopg2.errors.InFailedSqlTransaction):
                cursor.execute('select 1')
            cursor.execute('rollback to savepoint s')
            cursor.execute('release savepoint s')
        connection.commit()
        self.assertEqual(self.straight("select count(*) from notes where body = 'p kept'"), '1')
        with self.assertRaises(psycopg2.errors.InsufficientPrivilege), connection:
            self.rows(connection, "insert into notes(body) values ('p undone') returning id")
            self.rows(connection, 'select upper(email) from people')
        self.assertEqual(self.straight("select count(*) from notes where body = 'p undone'"), '0')

    def test_two_connections(self):
        one, two = self.connect(), self.connect()
        (number,), = self.rows(one, "insert into notes(body, number) values ('two', %s) returning id", (datetime.date(2024, 1, 1).toordinal(),))
        self.assertEqual(self.rows(two, 'select body from notes where id = %s', (number,)), [])
        one.commit()
        self.assertEqual(self.rows(two, 'select body from notes where id = %s', (number,)), [('two',)])
        self.assertNotEqual(one.get_backend_pid(), two.get_backend_pid())

    def test_notices_notifications_and_cancel(self):
        connection = self.connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            with self.assertRaises(psycopg2.errors.InsufficientPrivilege) as refused:
                cursor.execute("do $$begin raise notice '%', (select email from people where id = 1); end$$")
            self.assertNotIn('ann.smith', str(refused.exception))
            cursor.execute("do $$begin raise notice 'looked at %', (select id from people where id = 1); end$$")
            self.assertIn('NOTICE', connection.notices[-1])
            self.assertNotIn('ann.smith', connection.notices[-1])
            cursor.execute('drop table if exists not_there')
            self.assertIn('does not exist', connection.notices[-1])
            cursor.execute('listen py')
            cursor.execute("notify py, 'x'")
            connection.poll()
            self.assertEqual([(n.channel, n.payload, n.pid) for n in connection.notifies], [('py', 'x', connection.get_backend_pid())])
            import threading
            threading.Timer(0.5, connection.cancel).start()
            began = time.monotonic()
            with self.assertRaises(psycopg2.errors.QueryCanceled):
                cursor.execute('select pg_sleep(20)')
            self.assertLess(time.monotonic() - began, 10)
            cursor.execute('select 1')

    def test_isolation_and_settings(self):
        connection = self.connect(options='-c statement_timeout=7s', application_name='me')
        connection.set_session(isolation_level='SERIALIZABLE', readonly=True)
        self.assertEqual(self.rows(connection, "select current_setting('transaction_isolation'), current_setting('statement_timeout'), current_setting('application_name')"),
                         [('serializable', '7s', 'me')])
        with self.assertRaises(psycopg2.errors.ReadOnlySqlTransaction):
            self.rows(connection, "insert into notes(body) values ('no') returning id")
        connection.rollback()
        with self.assertRaises(psycopg2.errors.InsufficientPrivilege):  # the guard reads UTF-8 only
            connection.set_client_encoding('LATIN1')
        connection.rollback()
        self.assertEqual(self.rows(connection, "select email, 'é' from people where id = 1"), [('a***@e***.com', 'é')])

    def test_masked_columns_of_writes(self):
        connection = self.connect()
        for sql in ("insert into people(id, email) values (70, 'zed@zebra.org') returning email, id", "update people set name = 'Z' where id = 70 returning email, id",
                    "delete from people where id = 70 returning email, id"):
            self.assertEqual(self.rows(connection, sql), [('z***@z***.org', 70)])
        connection.rollback()

    def test_large_objects_are_refused_and_the_connection_goes_on(self):
        connection = self.connect()
        with self.assertRaises(psycopg2.OperationalError):  # by function call messages; their answers cannot be masked
            connection.lobject(0, 'wb')
        connection.rollback()
        self.assertEqual(self.rows(connection, 'select email from people where id = 1'), [('a***@e***.com',)])

    def test_execute_values_and_large_values(self):
        connection = self.connect()
        with connection.cursor() as cursor:
            got = psycopg2.extras.execute_values(cursor, 'insert into notes(body) values %s returning id', [('v%d' % i,) for i in range(500)], page_size=100, fetch=True)
            self.assertEqual(len(got), 500)
        connection.commit()
        big = os.urandom(300000)
        self.assertEqual(bytes(self.rows(connection, 'select %s::bytea', (psycopg2.Binary(big),))[0][0]), big)

    def test_through_dbguard_run(self):
        policy = self.temp / 'policy.yaml'
        policy.write_text(HEAD % 'postgres' + ROLES % 'postgres')
        code = "import os, psycopg2; c = psycopg2.connect(os.environ['DATABASE_URL']).cursor(); c.execute('select email from people where id = 1'); print(c.fetchone()[0])\n" \
               "c = psycopg2.connect('').cursor()\ntry: c.execute('select upper(email) from people')\nexcept psycopg2.Error as e: print(e.pgcode)"
        done = run([PROGRAM, 'run', '--policy', policy, '--role', 'tester', '--record-dir', self.temp / 'rec', '--fail-on=none', '--', sys.executable, '-c', code],
                   env=plain_environment(DBGUARD_DB_URL=self.direct))
        self.assertEqual(self.succeeds(done).split(), ['a***@e***.com', '42501'])


@need(asyncpg, 'asyncpg')
class Asyncpg(Guarded):
    def go(self, work):
        async def whole():
            connection = await asyncpg.connect(self.url, timeout=20)
            try:
                await asyncio.wait_for(work(connection), 60)
            finally:
                await connection.close(timeout=5)
        asyncio.run(whole())

    async def refused(self, work):
        with self.assertRaises(asyncpg.InsufficientPrivilegeError) as caught:
            await work
        self.assertEqual(caught.exception.sqlstate, '42501')
        return caught.exception

    def test_prepared_statements(self):
        async def work(c):
            s = await c.prepare('select email, phone, name from people where id = $1')
            self.assertEqual([p.name for p in s.get_parameters()], ['int4'])
            self.assertEqual([a.name for a in s.get_attributes()], ['email', 'phone', 'name'])
            for _ in range(3):
                self.assertEqual(tuple(await s.fetchrow(1)), ('a***@e***.com', '***-***-4567', 'Ann'))
            self.assertEqual(await c.fetchval('select id from people where email = $1', 'bob@foo.org'), 2)
            for i in range(200):  # more than its statement cache holds
                self.assertEqual(await c.fetchval('select email from people where id = $1 and %d = %d' % (i, i), 2), 'b***@f***.org')
        self.go(work)

    def test_binary_types(self):
        async def work(c):
            row = await c.fetchrow('select amount, born, at, email from people where id = 1')
            self.assertEqual(tuple(row), (0, datetime.date(1980, 1, 1), datetime.datetime(2024, 1, 2, 3, 4, 5, 678901, datetime.timezone.utc), 'a***@e***.com'))
            direct = await asyncpg.connect(self.direct)
            try:
                for table in ('plain.item', 'plain.line', 'plain.event_2024', 'plain.totals', 'plain.cheap', 'pg_type', 'pg_proc', 'pg_class'):
                    with self.subTest(table):
                        sql = 'select * from %s t order by t::text' % table
                        self.assertEqual(await c.fetch(sql), await direct.fetch(sql))
                values = (2 ** 40, 1.5, datetime.timedelta(days=1, seconds=2), [1, None, 3], ['a', 'b"'], b'\0\xff', True, None)
                sql = 'select $1::int8, $2::float8, $3::interval, $4::int[], $5::text[], $6::bytea, $7::bool, $8::json'
                self.assertEqual(tuple(await c.fetchrow(sql, *values)), values)
                self.assertEqual(await c.fetchval('select array_agg(p) from plain.item p where id < 3'), await direct.fetchval('select array_agg(p) from plain.item p where id < 3'))
            finally:
                await direct.close()
        self.go(work)

    def test_json_codec_and_introspection(self):
        async def work(c):
            await c.set_type_codec('jsonb', encoder=json.dumps, decoder=json.loads, schema='pg_catalog')
            self.assertEqual(await c.fetchval('select doc from plain.item where id = 5'), {'g': 5})
            self.assertEqual(await c.fetchval('select $1::plain.mood', 'ok'), 'ok')
            self.assertEqual(tuple(await c.fetchval('select p from plain.item where id = 1')), (1, 'x y'))
            self.assertEqual(await c.fetchval('select array[m] from plain.item where id = 1'), ['ok'])
        self.go(work)

    def test_a_cursor(self):
        async def work(c):
            async with c.transaction():
                got = [tuple(r) async for r in c.cursor('select g, email from generate_series(1, 120) g, people where people.id = $1 order by g', 1, prefetch=50)]
                self.assertEqual(got, [(i, 'a***@e***.com') for i in range(1, 121)])
                cursor = await c.cursor('select phone from people order by id')
                self.assertEqual(tuple(await cursor.fetchrow()), ('***-***-4567',))
                self.assertEqual([tuple(r) for r in await cursor.fetch(5)], [('***-***-6543',), (None,)])
        self.go(work)

    # asyncpg describes a statement once, and its portals not at all. What the guard knows of the columns has to last.

    def test_a_cursor_that_is_moved(self):
        async def work(c):
            async with c.transaction():
                cursor = await c.cursor('select phone, name from people order by id')
                await cursor.forward(1)
                self.assertEqual([tuple(r) for r in await cursor.fetch(5)], [('***-***-6543', 'Bob'), (None, 'Nil')])
        self.go(work)

    def test_a_prepared_statement_after_a_change_of_the_schema(self):
        async def work(c):
            s = await c.prepare('select email, name from people where id = $1')
            await c.execute('create table if not exists made_later(a int)')
            self.assertEqual(tuple(await s.fetchrow(1)), ('a***@e***.com', 'Ann'))
        self.go(work)

    def test_a_prepared_call_of_a_function(self):
        async def work(c):
            self.assertEqual(await c.fetchval('select plain.add(2, $1)', 3), 5)
        self.go(work)

    def test_a_prepared_read_of_a_table_with_row_security(self):
        async def work(c):
            self.assertEqual(await c.fetchval('select count(*) from plain.event'), 2)
            self.assertEqual([tuple(r) for r in await c.fetch('select v from plain.event order by v')], [(1,), (2,)])
        self.go(work)

    def test_copy(self):
        async def work(c):
            out = io.BytesIO()
            await c.copy_from_query('select id, email from people where id < $1 order by id', 3, output=out)
            self.assertEqual(out.getvalue(), b'1\ta***@e***.com\n2\tb***@f***.org\n')
            out = io.BytesIO()
            await c.copy_from_table('people', columns=['email', 'name'], output=out, format='csv', header=True)
            self.assertEqual(out.getvalue(), b'email,name\na***@e***.com,Ann\nb***@f***.org,Bob\n,Nil\n')
            out = io.BytesIO()
            await c.copy_from_table('people', output=out, format='binary')
            self.assertIn(b'***-***-4567', out.getvalue())
            self.assertNotIn(b'555', out.getvalue())
            self.assertEqual(await c.copy_records_to_table('notes', columns=['body', 'number'], records=[('rec%d' % i, i) for i in range(1000)]), 'COPY 1000')
            self.assertEqual(await c.fetchval("select sum(number)::int from notes where body like 'rec%'"), 499500)
            await self.refused(c.copy_from_query('select upper(email) from people', output=io.BytesIO()))
            self.assertEqual(await c.fetchval('select 1'), 1)
        self.go(work)

    def test_executemany(self):
        async def work(c):
            await c.executemany('insert into notes(body, number) values ($1, $2)', [('many', i) for i in range(2000)])
            self.assertEqual(await c.fetchval("select count(*) from notes where body = 'many'"), 2000)
            with self.assertRaises(asyncpg.UniqueViolationError):
                await c.executemany('insert into people(id, name) values ($1, $2)', [(100, 'x'), (1, 'y')])
            self.assertEqual(await c.fetchval('select count(*) from people where id = 100'), 0)
            await self.refused(c.executemany('select upper(email) from people where id = $1', [(1,), (2,)]))
            self.assertEqual(await c.fetchval('select 1'), 1)
        self.go(work)

    def test_refusals(self):
        async def work(c):
            for _ in range(2):
                await self.refused(c.fetch('select upper(email) from people where id = $1', 1))
                await self.refused(c.execute('select upper(email) from people'))
                self.assertEqual(await c.fetchval('select 1'), 1)
            self.assertEqual((await self.refused(c.execute('delete from forbidden'))).hint, 'Ask for a migration.')
            async with c.transaction():
                await c.execute("insert into notes(body) values ('a kept')")
                with self.assertRaises(asyncpg.InsufficientPrivilegeError):
                    async with c.transaction():  # a savepoint
                        await c.execute("insert into notes(body) values ('a undone')")
                        await c.fetch('select upper(email) from people where id = $1', 1)
                self.assertEqual(await c.fetchval("select count(*) from notes where body = 'a undone'"), 0)
            self.assertEqual(self.straight("select count(*) from notes where body = 'a kept'"), '1')
            with self.assertRaises(asyncpg.InsufficientPrivilegeError):
                async with c.transaction(isolation='serializable'):
                    await c.execute("insert into notes(body) values ('a undone')")
                    await c.execute('select upper(email) from people')
            self.assertEqual(self.straight("select count(*) from notes where body = 'a undone'"), '0')
        self.go(work)

    def test_cancellation_by_timeout(self):
        async def work(c):
            began = time.monotonic()
            with self.assertRaises(asyncio.TimeoutError):
                await c.fetchval('select pg_sleep(20)', timeout=0.5)
            self.assertLess(time.monotonic() - began, 10)
            self.assertEqual(await c.fetchval('select email from people where id = 1'), 'a***@e***.com')
        self.go(work)
        self.assertEqual(self.straight("select count(*) from pg_stat_activity where query = 'select pg_sleep(20)' and state = 'active'"), '0')

    def test_a_pool_and_listeners(self):
        async def work(c):
            async with asyncpg.create_pool(self.url, min_size=2, max_size=6) as pool:  # resets each connection it takes back
                got = await asyncio.gather(*(pool.fetchrow('select email, $1::int from people where id = 1', i) for i in range(60)))
                self.assertEqual([tuple(r) for r in got], [('a***@e***.com', i) for i in range(60)])
            heard = asyncio.get_running_loop().create_future()
            await c.add_listener('news', lambda _c, pid, channel, payload: heard.set_result((pid == c.get_server_pid(), payload)))
            await c.execute("select pg_notify('news', 'hello')")
            self.assertEqual(await asyncio.wait_for(heard, 5), (True, 'hello'))
            await c.reload_schema_state()
            await c.reset()
        self.go(work)


class Helpers(Guarded):
    """Programs beside this file: a line for each case."""

    def cases(self, command, least, **env):
        done = run(command, env=plain_environment(LC_ALL='C.UTF-8', **env))
        self.assertNotIn(b'Exception in thread', done.stderr)
        lines = [line for line in done.stdout.decode().splitlines() if line.startswith(('ok ', 'FAIL '))]
        for line in lines:
            print('   ' + line, file=sys.stderr)
            with self.subTest(line.split(' ', 1)[1].split(':')[0]):
                self.assertTrue(line.startswith('ok '), line)
        self.assertGreaterEqual(len(lines), least, done.stderr.decode()[-3000:])
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-3000:])

    def test_node_postgres(self):
        if not shutil.which('node'):
            self.skipTest('node is not installed')
        paths = [os.environ.get('NODE_PATH', '')] + sorted(map(str, SOURCE.glob('build/*/npm/node_modules')))
        found = [path for path in ':'.join(paths).split(':') if path and os.path.isdir(path + '/pg')]
        if not found:
            self.skipTest('node-postgres is not installed')
        self.cases(['node', HELPERS / 'node_client.js', self.url], 14, NODE_PATH=found[0])

    def test_jdbc(self):
        if not shutil.which('javac') or not os.path.exists(JDBC):
            self.skipTest('javac or the JDBC driver is not installed')
        done = run(['javac', '-cp', JDBC, '-d', self.temp, HELPERS / 'Client.java'])
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        java = ['java', '-cp', '%s:%s' % (JDBC, self.temp), 'Client']
        urls = []
        for url in (self.direct, self.url):
            user, password, rest = re.fullmatch(r'postgres(?:ql)?://([^:]*):([^@]*)@([^?]*)(?:\?.*)?', url).groups()
            urls.append('jdbc:postgresql://%s?user=%s&password=%s&sslmode=disable' % (rest, user, password))
        direct, guarded = (self.succeeds(run(java + [url, 'metadata'])) for url in urls)
        self.assertGreater(len(direct.splitlines()), 1000)
        self.assertEqual(direct, guarded)
        self.cases(java + [urls[1]], 21)


if __name__ == '__main__':
    main()
