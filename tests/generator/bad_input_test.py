#!/usr/bin/python3
"""Large, deep and many-fold statements through `dbguard proxy` on a real server: each is answered (allowed, refused by dbguard, or refused
by the server) in bounded time and memory, and the session goes on as before. Figures: BAD_INPUT_REPORT=1 prints one line a case."""
import os
import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, close, error, execute, parse, query, row, sync, types  # noqa: E402

# The guarded role has a mask, so that nothing is left out of the analysis; its rules open what the cases do.
ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, tx, session, call, ddl, bulk, lock]
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.t.secret", with: redact }
    filter: deny
'''
SECONDS = 150         # of dbguard's processor time for one case, in a build with sanitizers on a busy machine (the most is 14 s on a quiet one); the server may take its 10 s besides
WAIT = 300            # for its answer, on a busy machine
MEBIBYTES = 1536      # that dbguard may hold at the worst moment, the sanitizers' own share included
SECRET = 'qzxjkvwqzxjkvw'


def chain(first, step, last, count):
    return first + ''.join(step % i for i in range(count)) + last


def nest(open_, inside, close_, count):
    return open_ * count + inside + close_ * count


# name → text; a pair's second part is what an allowed statement's only field has to be.
def texts():
    yield 'a sum of 100,000 terms', 'select ' + '1+' * 100_000 + '1'
    # Planning these takes the server minutes: they are prepared only.
    yield 'an AND of 100,000 terms', 'prepare long_and as select count(*) from t where id > 0' + ' and id > 0' * 100_000
    yield 'an OR of 100,000 terms, of the masked column', "prepare long_or as select count(*) from t where id = 0" + " or secret = 'x'" * 100_000
    yield '100,000 concatenations', 'select ' + "'a'||" * 100_000 + "'b'"
    yield '100,000 casts', 'select 1' + '::int' * 100_000
    yield '100,000 signs', 'select ' + '- ' * 100_000 + '1'
    yield '100,000 NOTs', 'select ' + 'not ' * 100_000 + 'true'
    yield '50,000 columns', 'select ' + 'id,' * 50_000 + 'id from t'
    yield '1,600 columns', 'select ' + 'id,' * 1599 + 'id from t'
    yield '50,000 masked columns', 'select ' + 'secret,' * 50_000 + 'secret from t'
    yield '1,600 stars', 'select ' + 't.*,' * 1_600 + 't.* from t'
    yield '50,000 stars', 'select ' + '*,' * 50_000 + '* from t'
    yield '10 MB of text', ("select length('" + 'x' * 10_000_000 + "')", '10000000')
    yield '10 MB of comment', ('select 1 /*' + 'x' * 10_000_000 + '*/', '1')
    yield '10 MB of blanks', ('select 1' + ' ' * 10_000_000, '1')
    yield '1 MB of nested comments', 'select 1 ' + nest('/* ', '', '*/', 250_000)
    yield '10 MB of rows', 'create temp table big (i int); insert into big values ' + '(1234567),' * 1_000_000 + '(1)'
    yield '10 MB of names', 'select ' + ','.join('"' + 'n' * 60 + str(i) + '"' for i in range(150_000)) + ' from t'
    yield '10 MB of one name', 'select 1 as "' + 'n' * 10_000_000 + '"'
    yield '10 MB of nothing that is SQL', 'x' * 10_000_000
    yield '50,000 statements', ('select 1;' * 50_000, '1')
    yield '1,000,000 semicolons', ';' * 1_000_000
    yield 'an IN of 100,000', ('select count(*) from t where id in (' + ','.join(map(str, range(100_001))) + ')', '3')
    yield 'an IN of 100,000, of the masked column', 'select count(*) from t where secret in (' + ','.join("'%d'" % i for i in range(100_001)) + ')'
    yield 'an IN of 20,000 columns', 'select count(*) from t where id in (' + 'id,' * 20_000 + 'id)'
    yield '20,000 CTEs', 'prepare so_many_ctes as with ' + ','.join('c%d as (select id from t)' % i for i in range(20_000)) + ' select count(*) from c0'
    yield '5,000 CTEs, each over the one before', 'prepare many_ctes as with c0 as (select * from t), ' + ','.join('c%d as (select * from c%d)' % (i, i - 1) for i in range(1, 5_000)) + ' select count(*) from c4999'
    yield 'CTEs that double their columns', chain('with c0 as (select id, plain from t)', '', '', 0) + ''.join(
        ', c%d as (select * from c%d a, c%d b)' % (i, i - 1, i - 1) for i in range(1, 40)) + ' select count(*) from c39'
    yield 'subqueries that double their columns', nest('select * from (', 'select * from t a, t b', ') a natural join (select 1) b', 40)
    yield 'rows of rows that double', 'prepare doubled_rows as with c0 as (select t as r from t)' + ''.join(', c%d as (select row(r, r) as r from c%d)' % (i, i - 1) for i in range(1, 40)) + ' select count(*) from c39'
    yield 'recursion in recursion', nest('with recursive r as (select id, secret from t union all (', 'select id, secret from r', ') ) select count(*) from r', 12)
    yield 'recursive CTEs inside of their terms', 'prepare deep_recursion as ' + deep_recursion(12)
    yield 'a UNION of 5,000', 'select id from t' + ' union select id from t' * 5_000
    yield 'a UNION ALL of 5,000, of the masked column', 'select secret from t' + ' union all select secret from t' * 5_000
    yield 'a UNION of 1,000 of 100 columns', 'prepare wide_union as ' + ' union '.join(['select ' + ','.join(['id'] * 100) + ' from t'] * 1_000)
    yield 'a join of 1,000', 'prepare long_join as select count(*) from t' + ''.join(' cross join t t%d' % i for i in range(1_000))
    yield 'a join of 5,000 USING', 'prepare using_join as select count(*) from t' + ''.join(' join t t%d using (id)' % i for i in range(5_000))
    yield 'a natural join of 500', 'prepare natural_join as select count(*) from u' + ''.join(' natural join u u%d' % i for i in range(500))
    yield 'FROM with 10,000', 'prepare long_from as select count(*) from ' + ','.join('t t%d' % i for i in range(10_000))
    for count in (500, 5_000, 100_000):
        yield '%d parentheses' % count, 'select ' + nest('(', '1', ')', count)
        yield '%d CASEs' % count, 'select ' + nest('case when true then ', '1', ' end', count)
        yield '%d ARRAYs' % count, 'select ' + nest('array[', '1', ']', count)
        yield '%d calls' % count, 'select ' + nest('upper(', 'secret', ')', count) + ' from t'
        yield '%d subqueries' % count, 'select * from ' + nest('(select * from ', 't', ') s', count)
        yield '%d scalar subqueries' % count, 'select ' + nest('(select ', '1', ')', count)
        yield '%d EXPLAINs' % count, nest('explain ', 'select 1', '', count)
        yield '%d rows in rows' % count, 'select ' + nest('row(', '1', ')', count) + ' is null'
        yield '%d subscripts' % count, "select ('{1}'::int[])" + '[1]' * count
        yield '%d fields' % count, 'select (t)' + '.id' * count + ' from t'
        yield '%d joins in brackets' % (min(count, 50_000) // 10), 'select count(*) from ' + nest('(', 't', ' cross join (select 1) x)', min(count, 50_000) // 10)
        yield '%d IN subqueries' % count, 'select count(*) from t where ' + nest('id in (select id from t where ', 'true', ')', count)
        yield '%d WITHs' % count, nest('with c as (', 'select 1', ') select 1', count)
    yield '10,000 function arguments', 'select concat(' + 'id,' * 10_000 + 'id) from t'
    yield '100 function arguments', 'select concat(' + 'plain,' * 99 + 'plain) from t'
    yield 'GROUPING SETS of 4,000', 'select count(*) from t group by grouping sets (' + '(id),' * 4_000 + '())'
    yield 'a CUBE of 12', 'select count(*) from t group by cube (' + ','.join(['id'] * 12) + ')'
    yield 'a path of 50,000 steps', "select '{}'::jsonb" + "->'a'" * 50_000
    yield 'a bracketed DO', "do $$ begin " + 'begin ' * 3_000 + 'null;' + ' end;' * 3_000 + ' end $$'
    yield 'a DO of 300 kB', 'do $$ begin ' + 'perform 1; ' * 30_000 + ' end $$'
    yield 'a sum behind an escaped quote', "select E'\\'' = '' or 0 < " + '1+' * 100_000 + '1'
    yield 'a sum behind a comment that a carriage return ends', 'select -- x\r' + '1+' * 100_000 + '1'
    yield 'quotes that never end', "select '" + "''" * 1_000_000
    yield 'dollars that never end', 'select $a$' + '$b$' * 1_000_000
    yield 'views 60 deep', ('select count(*) from v60', '3')
    yield 'views 100 deep', 'select count(*) from v100'
    yield 'views that double, 8 deep', 'explain select * from d8'   # deeper ones the server expands without end: limits_test.cpp
    yield 'a recursive view by rule', 'select * from rule_a'
    yield 'two views of one another by rule', 'select * from rule_b'
    yield 'a table whose rule inserts into itself', 'insert into self values (1)'
    yield 'tables whose rules insert into one another', 'insert into ping values (1)'
    yield 'functions that call twice, 40 deep', 'select f40(1)'
    yield 'a function that calls itself', 'select loop(3)'
    yield '2,000 children', ('select count(*) from parent', '0')


def deep_recursion(levels):
    inside = 'select id, plain, secret, 0 as d from t'
    for level in range(levels):
        inside = ('with recursive r%d(a, b, c, d) as (select id, plain, secret, 0 from t union all select b.* from (%s) b, r%d where b.d < 1) '
                  'select * from r%d limit 5' % (level, inside, level, level))
    return inside


DDL = '''
create table t (id int primary key, plain text, secret text);
insert into t values (1, 'a', '%(s)s'), (2, 'b', '%(s)s'), (3, 'c', '%(s)s');
create table u (a int, b int, c int, d int, e int, f int, g int, h int);
create view v0 as select id, plain, secret from t;
create view d0 as select id, secret from t;
create function f0(i int) returns int language sql as 'select i';
create function loop(i int) returns int language sql as 'select 1';
create or replace function loop(i int) returns int language sql as 'select case when i > 0 then loop(i - 1) else 0 end';
create table rule_b (id int, secret text);
create view rule_a as select id, secret from rule_b;
create rule "_RETURN" as on select to rule_b do instead select id, secret from rule_a;
create table self (i int);
create rule again as on insert to self do also insert into self values (new.i + 1);
create table ping (i int);
create table pong (i int);
create rule back as on insert to ping do instead insert into pong values (new.i);
create rule forth as on insert to pong do instead insert into ping values (new.i);
create table parent (i int, secret text);
do $$ begin
  for i in 1..100 loop execute format('create view v%%s as select id, plain, secret from v%%s', i, i - 1); end loop;
  for i in 1..40 loop
    execute format('create view d%%s as select a.id, b.secret from d%%s a join d%%s b on a.id = b.id', i, i - 1, i - 1);
    execute format('create function f%%s(i int) returns int language sql as %%L', i, format('select f%%s(i) + f%%s(i)', i - 1, i - 1));
  end loop;
end $$;
do $$ begin
  for i in 1..2000 loop execute format('create table child%%s () inherits (parent)', i); end loop;
end $$;
''' % {'s': SECRET}


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres(max_locks_per_transaction='1000', max_stack_depth='2MB', statement_timeout='10s')
        cls.postgres.__enter__()
        cls.addClassCleanup(cls.postgres.__exit__)
        cls.admin = Wire(cls.postgres.url())
        cls.admin.s.settimeout(300)
        cls.admin.query('set statement_timeout = 0')
        for statement in DDL.split('\n\n'):
            failed = error(cls.admin.query(statement))
            assert failed is None, failed
        cls.proxy = Proxy(cls.postgres, ROLES)
        cls.addClassCleanup(cls.proxy.close)
        cls.wire = Wire(cls.proxy.url)
        cls.wire.s.settimeout(WAIT)

    @classmethod
    def again(cls):
        """Another proxy in place of one that hangs or ended, so that the next case can be seen."""
        cls.proxy.process.kill()
        cls.proxy.process.wait()
        cls.proxy = Proxy(cls.postgres, ROLES)
        cls.addClassCleanup(cls.proxy.close)
        cls.wire = Wire(cls.proxy.url)
        cls.wire.s.settimeout(WAIT)

    def report(self, name, seconds, outcome):
        if os.environ.get('BAD_INPUT_REPORT'):
            print('%-55s %6.2f s, of it %6.2f s of dbguard %6d MiB  %s' % (name, seconds, self.spent(), self.proxy.peak_kib() // 1024, outcome), flush=True)

    def spent(self):
        """Seconds of processor time that dbguard took since began()."""
        return self.processor() - self.processor_before

    def processor(self):
        values = pathlib.Path('/proc/%d/stat' % self.proxy.process.pid).read_text().rsplit(')', 1)[1].split()
        return (int(values[11]) + int(values[12])) / os.sysconf('SC_CLK_TCK')

    def begins(self):
        self.processor_before = self.processor()
        return time.monotonic()

    def intact(self, w):
        """The session answers, in the same place: outside of a transaction, names known, masks on."""
        m = w.query('select id, secret from t where id = 2')
        self.assertEqual((types(m), m[-1][1]), ('TDCZ', b'I'), error(m))
        self.assertEqual(row(m[1][1]), ['2', '***'])

    def judged(self, name, messages, began, expected=None):
        seconds = time.monotonic() - began
        failed = error(messages)
        self.report(name, seconds, '%s %s' % (failed['C'], failed['M'][:100]) if failed else types(messages)[:12])
        self.assertLess(self.spent(), SECONDS)
        self.assertLess(self.proxy.peak_kib(), MEBIBYTES * 1024)
        for _, body in messages:
            self.assertNotIn(SECRET.encode(), body)
            self.assertNotIn(SECRET.upper().encode(), body)
        if expected is not None:
            self.assertIsNone(failed)
            self.assertEqual(next(row(b) for t, b in messages if t == 'D'), [expected])

    def statement(self, name, text, expected):
        w = self.wire
        began = self.begins()
        m = w.query(text)
        self.judged(name, m, began, expected)
        self.assertEqual(m[-1][1], b'I')
        self.intact(w)
        # The same by the extended protocol, inside of a transaction that goes on.
        if len(text) < 2_000_000 and ';' not in text:
            began = self.begins()
            w.send(parse('', text), bind('', ''), execute('', 1), sync)
            self.judged(name + ', extended', w.until_ready(), began, expected)
            self.intact(w)

    def test_statements(self):
        wanted = os.environ.get('BAD_INPUT_ONLY', '')
        for name, text in texts():
            text, expected = text if isinstance(text, tuple) else (text, None)
            if wanted in name:
                with self.subTest(name):
                    try:
                        self.statement(name, text, expected)
                    except (EOFError, OSError) as gone:
                        self.report(name, 0, 'NO ANSWER: %r' % (gone,))
                        self.again()
                        self.fail('no answer, or the session ended: %r' % (gone,))

    def test_10_000_prepared_statements(self):
        w = self.wire
        began = self.begins()
        for first in range(0, 10_000, 500):
            w.send(*[parse('p%d' % i, 'select id, secret, %d from t where id = $1' % i) for i in range(first, first + 500)], sync)
            self.assertIsNone(error(w.until_ready()))
        self.judged('10,000 by protocol', [], began)
        for i in (0, 4_999, 9_999):
            w.send(bind('', 'p%d' % i, ['1']), execute(''), sync)
            self.assertEqual(row(w.until_ready()[1][1]), ['1', '***', str(i)])
        for first in range(0, 10_000, 500):
            w.send(*[close('S', 'p%d' % i) for i in range(first, first + 500)], sync)
            self.assertEqual(types(w.until_ready()), '3' * 500 + 'Z')
        self.intact(w)
        began = self.begins()
        for first in range(0, 10_000, 500):
            w.send(query(';'.join('prepare q%d as select id, secret, %d from t where id = $1' % (i, i) for i in range(first, first + 500))))
            self.assertIsNone(error(w.until_ready()))
        self.judged('10,000 by SQL', [], began)
        for i in (0, 4_999, 9_999):
            self.assertEqual(w.rows('execute q%d(1)' % i), [['1', '***', str(i)]])
        self.assertIsNone(error(w.query('deallocate all')))
        self.intact(w)

    def test_10_000_portals_and_cursors(self):
        w = self.wire
        began = self.begins()
        w.query('begin')
        w.send(parse('s', 'select id, secret from t order by id'), sync)
        self.assertEqual(types(w.until_ready()), '1Z')
        w.send(*[bind('c%d' % i, 's') for i in range(5_000)], execute('c4999', 1), sync)
        m = w.until_ready()
        self.assertEqual((types(m)[-3:], error(m)), ('DsZ', None))
        self.assertEqual(row(m[-3][1]), ['1', '***'])
        m = w.query(';'.join('declare d%d cursor for select secret from t' % i for i in range(5_000)))
        self.assertIsNone(error(m))
        self.assertEqual(w.rows('fetch d4999'), [['***']])
        w.query('rollback')
        self.judged('5,000 portals, 5,000 cursors', [], began)
        self.intact(w)

    def pipeline(self, name, messages, answers, last=None):
        w = self.wire
        began = self.begins()
        sender = threading.Thread(target=w.s.sendall, args=(b''.join(messages),))
        sender.start()
        for _ in range(answers):
            m = w.until_ready()
            self.assertIsNone(error(m))
        sender.join()
        self.assertEqual(row(next(b for t, b in reversed(m) if t == 'D')), [last])
        self.judged(name, [], began)
        self.intact(w)

    def test_pipelines_of_20_000_statements(self):
        # More than dbguard keeps account of: it reads on when answers have come, and each message costs what one costs.
        many = range(20_000)
        last = str(many[-1])
        self.pipeline('20,000 by Query', [query('select %d' % i) for i in many], len(many), last)
        self.pipeline('20,000 unnamed', [parse('', 'select %d' % i) + bind('', '') + execute('') + sync for i in many], len(many), last)
        named = [parse('s%d' % i, 'select %d' % i) + bind('p', 's%d' % i) + execute('p') + close('S', 's%d' % i) + close('P', 'p') for i in many]
        self.pipeline('20,000 named, one Sync', named + [sync], 1, last)

    def test_what_was_sent_is_held_behind_a_slow_one(self):
        # Nothing is lost, and nothing is told before its turn.
        m = [query('select pg_sleep(0.3)')] + [query('select %d' % i) for i in range(20_000)]
        self.pipeline('20,000 behind a slow one', m, len(m), '19999')


if __name__ == '__main__':
    main()
