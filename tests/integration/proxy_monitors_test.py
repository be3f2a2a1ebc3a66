#!/usr/bin/python3
"""What monitors ask: the server's own relations that show texts of other sessions and statistics of values, under masks. A column that may
hold values of any table comes as NULL; what is computed of it, and what it decides, is refused."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, main  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, describe, error, execute, parse, row, sync, types  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, bulk.export, session, tx, ddl.create, call]
    masks: pii
  computes:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, call]
    masks: computed
  open:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read]
masks:
  pii:
    columns:
      - { column: "public.people.email", with: email }
    derived: deny
    filter: equality
  computed:
    columns:
      - { column: "public.people.email", with: email }
    derived: mask
'''
SECRET = 'ann.smith@example.com'


class Monitors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres(shared_preload_libraries='pg_stat_statements'))
        cls.postgres.sql("create table people(id int primary key, email text); insert into people select i, '%s' from generate_series(1, 200) i; analyze people;"
                         "create extension pg_stat_statements; create view watch as select pid, state, query as running from pg_stat_activity" % SECRET)
        cls.proxy = Proxy(cls.postgres, ROLES)
        cls.addClassCleanup(cls.proxy.close)
        # Another session's text, and its name.
        cls.other = Wire(cls.postgres.url('postgres'), params={'application_name': SECRET})
        cls.addClassCleanup(cls.other.close)
        cls.other.query("select '%s' is null" % SECRET)

    def setUp(self):
        self.wire = Wire(self.proxy.url)
        self.addCleanup(self.wire.close)

    def answer(self, messages):
        self.assertNotIn(SECRET.encode(), b''.join(body for _, body in messages))
        return [row(body) for kind, body in messages if kind == 'D']

    def shows(self, text):
        """Rows come, by either protocol, and no value with them."""
        simple = self.wire.query(text)
        self.assertIn('D', types(simple), (text, error(simple) if 'E' in types(simple) else None))
        self.wire.send(parse('', text) + bind('', '') + describe('P', '') + execute('') + sync)
        extended = self.wire.until_ready()
        self.assertIn('D', types(extended), text)
        self.answer(extended)
        return self.answer(simple)

    def test_texts_come_as_null(self):
        other = "where application_name is not null and datname = 'postgres' and backend_type = 'client backend'"
        for text in ('select pid, state, query, application_name from pg_stat_activity ' + other,
                     'select pid, state, running, null from watch where state is not null',
                     'with a as (select * from pg_stat_activity) select pid, state, query, (select application_name) from a ' + other,
                     "select 1, 'x', query, application_name from pg_stat_activity union all select 2, 'y', query, null from pg_stat_statements"):
            for line in self.shows(text):
                self.assertEqual((line[0] is None, line[1] is None, line[2:]), (False, False, [None, None]), text)
        for text in ('select * from pg_stat_activity', 'select * from pg_locks l left join pg_stat_activity a on a.pid = l.pid', 'select * from pg_stat_activity a join pg_stat_ssl using (pid)',
                     'select calls, total_exec_time, query from pg_stat_statements', 'select * from pg_stat_statements(true)', 'select (pg_stat_statements(true)).*', 'select pg_stat_statements(true)',
                     "select attname, null_frac, most_common_vals, histogram_bounds from pg_stats where tablename = 'people'", "select * from pg_stats where tablename = 'people'",
                     'select * from pg_statistic'):
            self.shows(text)
        # Whichever name a column gets.
        columns = ', '.join('c%d' % i for i in range(1, 23))
        for line in self.shows('select %s from pg_stat_activity as t(%s) where c17 is not null' % (columns, columns)):
            self.assertEqual((line[6], line[20]), (None, None))
        self.assertEqual(self.answer(self.wire.query("select dealloc from pg_stat_statements_info")), [['0']])
        copied = self.wire.query("copy (select usename, query from pg_stat_activity where state = 'active') to stdout")
        self.answer(copied)
        self.assertIn(b'postgres\t\\N\n', [body for kind, body in copied if kind == 'd'])

    def test_how_many_there_are(self):
        self.assertEqual(self.shows("select count(query) > 1, count(*) filter (where query is not null) > 1, bool_or(query is null) is not null from pg_stat_activity"), [['t', 't', 't']])

    def test_what_is_computed_of_them_or_decided_by_them(self):
        for text in ('select left(query, 5) from pg_stat_activity', "select query || '' from pg_stat_activity", 'select a from pg_stat_activity a', 'select row_to_json(a) from pg_stat_activity a',
                     'select max(query) from pg_stat_activity', "select pid from pg_stat_activity where query like '%ann%'", "select pid from pg_stat_activity where application_name = '%s'" % SECRET,
                     'select pid from pg_stat_activity order by query', 'select distinct query from pg_stat_activity', 'select query, count(*) from pg_stat_statements group by query',
                     'select query from pg_stat_statements union select null', 'select s from pg_stat_statements(true) s', 'select length(running) from watch',
                     "select most_common_vals::text from pg_stats", 'create table kept as select query from pg_stat_activity', 'select pg_stat_get_activity(null)', 'select query from pg_stat_get_activity(null)'):
            messages = self.wire.query(text)
            self.assertEqual((error(messages)['C'], self.answer(messages)), ('42501', []), text)

    def test_what_is_computed_of_them_is_null_where_that_of_masked_columns_is(self):
        with Proxy(self.postgres, ROLES, role='computes') as proxy:
            wire = Wire(proxy.url)
            self.addCleanup(wire.close)
            for text in ('select left(query, 5), query || application_name, pid is null from pg_stat_activity', 'select max(query), min(application_name), count(*) = 0 from pg_stat_activity',
                         'select lower(running), upper(running), false from watch', 'select left(query, 3), query || 1, false from pg_stat_statements', "select concat(query, email), left(query, 1), false from pg_stat_activity, people"):
                lines = self.answer(wire.query(text))
                self.assertEqual({tuple(line) for line in lines}, {(None, None, 'f')}, text)
            for text in ('select query::int from pg_stat_activity', 'select 1 / length(query) from pg_stat_activity', "select pid from pg_stat_activity where query like '%ann%'", 'select pid from pg_stat_activity order by left(query, 5)'):
                messages = wire.query(text)
                self.assertEqual((error(messages)['C'], self.answer(messages)), ('42501', []), text)

    def test_a_role_without_masks_sees_them(self):
        with Proxy(self.postgres, ROLES, role='open') as proxy:
            wire = Wire(proxy.url)
            self.addCleanup(wire.close)
            texts = [row(body)[0] for kind, body in wire.query("select query from pg_stat_activity where application_name = '%s' union all select query from pg_stat_statements" % SECRET) if kind == 'D']
            self.assertEqual(texts[0], "select '%s' is null" % SECRET)
            self.assertGreater(len(texts), 1)


if __name__ == '__main__':
    main()
