#!/usr/bin/python3
"""Functions of well-known extensions that compute from their arguments, or tell how things are stored: with columns masked, every call
answers as at the server, byte for byte. And what runs a text or reads a table that an argument names is refused. An extension that is
not installed is skipped, saying so."""
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / 'orm'))
sys.path.insert(0, str(HERE))
import ordinary_statements_test as ordinary  # noqa: E402
from dbguard_test import main, wait_for  # noqa: E402
from postgres_wire import bind, describe, error, execute, parse, query, sync  # noqa: E402

SAME = {
    'address_standardizer': ["select * from parse_address('1 Devonshire Place, Boston, MA 02109')"],
    'amcheck': ["select bt_index_check('orders_pkey')", "select count(*) from verify_heapam('orders')"],
    'autoinc': [], 'insert_username': [], 'moddatetime': [],
    'btree_gin': ['create index on orders using gin (id)'], 'btree_gist': ['create index on orders using gist (id)'],
    'citext': ["select 'A'::citext = 'a'", "select count(*) from customer where name::citext = 'CUSTOMER 1'"],
    'cube': ["select cube(array[1, 2]) <-> cube(array[3, 4])"],
    'earthdistance': ['select round(earth_distance(ll_to_earth(1, 2), ll_to_earth(3, 4)))'],
    'extra_window_functions': ['select id, flip_flop(id = 2, id = 4) over (order by id) from product where id < 6'],
    'first_last_agg': ['select first(title order by id), last(title order by id) from product'],
    'fuzzystrmatch': ["select levenshtein(title, 'Product'), soundex(title), dmetaphone(title) from product order by id limit 3"],
    'hll': ['select # hll_add_agg(hll_hash_bigint(id)) from product'],
    'hstore': ["select hstore('a', title) || 'b=>1' from product where id = 1", "select * from each('a=>1,b=>2')", 'select hstore(o) -> \'id\' from orders o where id = 1'],
    'icu_ext': ["select icu_transform('Ä', 'Latin-ASCII')", "select icu_compare('a', 'b' collate \"en-x-icu\")"],
    'intagg': ['select int_array_enum(array[1, 2])'],
    'intarray': ["select sort(array[3, 1]), idx(array[5, 6], 6), array[1, 2] & array[2], '{1,2}'::int[] @@ '1&2'"],
    'ip4r': ["select iprange('10.0.0.0/8') >>= ip4r('10.1.0.0/16')"],
    'isn': ["select isbn('978-0-393-04002-9')"],
    'jsquery': ["select id from product where doc @@ 'colour = \"red\"'::jsquery order by id limit 3"],
    'ltree': ["select 'a.b.c'::ltree ~ '*.b.*', subpath('a.b.c', 1)"],
    'numeral': ["select 'twenty'::numeral + 2"],
    'old_snapshot': ['select count(*) from pg_old_snapshot_time_mapping()'],
    'orafce': ['select oracle.add_months(date \'2024-01-31\', 1)', "select oracle.substr('abcdef', -3, 2)", 'select oracle.nvl(null::text, title::text), oracle.decode(id::int, 1, \'one\', \'other\') from product order by id limit 2',
               "select oracle.instr('abcabc', 'b', 1, 2), oracle.last_day(date '2024-02-01')", 'select oracle.median(id::float8) from product', "select plvstr.rvrs('abc'), plvdate.isleapyear(date '2024-01-01')"],
    'pageinspect': ["select level from bt_metap('orders_pkey')", "select type, live_items from bt_page_stats('orders_pkey', 1)", 'select * from heap_tuple_infomask_flags(2048, 2)'],
    'pg_buffercache': ['select count(*) > 0 from pg_buffercache'],
    'pg_freespacemap': ["select count(*) from pg_freespace('orders')"],
    'pg_prewarm': ["select pg_prewarm('orders')"],
    'pg_rational': ["select '1/3'::rational + '1/6'"],
    'pg_similarity': ["select lev(title, 'Product 2'), jaccard(title, 'Product 1'), title ~== 'Product 1' from product order by id limit 3"],
    'pg_trgm': ["select similarity(title, 'Produkt') > 0.3 from product order by id limit 2", "select show_trgm('word')"],
    'pg_visibility': ["select * from pg_visibility_map_summary('orders')"],
    'pgcrypto': ["select encode(digest('a', 'sha256'), 'hex'), crypt('a', '$1$salt$') "],
    'pgfincore': ["select count(*) from pgfincore('orders')"],
    'pgmp': ["select 2::mpz ^ 100, '1/3'::mpq * 3"],
    'pgpcre': ["select title =~ '^Pro.*2$' from product order by id limit 3"],
    'pgrowlocks': ["select count(*) from pgrowlocks('orders')"],
    'pgstattuple': ["select tuple_count from pgstattuple('orders')", "select version, tree_level from pgstatindex('orders_pkey')"],
    'postgres_fdw': ['select count(*) from postgres_fdw_get_connections()', 'select postgres_fdw_disconnect_all()'],
    'prefix': ["select '123'::prefix_range @> '12345'"],
    'q3c': ['select q3c_ang2ipix(10, 20), round(q3c_dist(1, 2, 3, 4)::numeric, 6)', 'select count(*) from product where q3c_radial_query(id, id, 3, 3, 2)'],
    'rum': ["create index on product using rum (to_tsvector('english', title))", "select round((to_tsvector('english', title) <=> to_tsquery('english', 'product'))::numeric, 4) from product where id = 1"],
    'seg': ["select '1.0 .. 2.0'::seg && '1.5'"],
    'semver': ["select '1.2.3'::semver < '1.10.0'", "select get_semver_major('1.2.3')"],
    'sslinfo': ['select ssl_is_used(), ssl_version()'],
    'tablefunc': ["select * from crosstab('select customer_id, state, count(*) from orders group by 1, 2 order by 1, 2') as t(c int, a bigint, b bigint) order by 1 limit 3", 'select count(*) from normal_rand(3, 1, 2)'],
    'tdigest': ['select tdigest_percentile(id, 100, 0.5) from product'],
    'toastinfo': ['select pg_toastinfo(title) from product where id = 1'],
    'tsm_system_rows': ['select count(*) from product tablesample system_rows(5)'],
    'unaccent': ["select unaccent('Hôtel')"],
    'unit': ["select '1 km'::unit / '2 h', '1 m'::unit + '2 cm'", "select '5 km'::unit @ 'm'"],
    'uuid-ossp': ["select uuid_generate_v5(uuid_ns_dns(), 'example.com')"],
    'vector': ["select '[1,2]'::vector <-> '[3,4]'"],
    'xml2': ["select xpath_string('<a><b>1</b></a>', '/a/b'), xml_valid('<a/>')"],
}
# They run a text, or read what an argument names.
REFUSED = {
    'dblink': ["select * from dblink('dbname=x', 'select email from customer') as t(a text)"],
    'hypopg': ["select * from hypopg_create_index('create index on customer (email)')"],
    'orafce': ["select dbms_sql.open_cursor()"],
    'pageinspect': ["select get_raw_page('customer', 0)", "select * from bt_page_items('orders_pkey', 1)"],
    'tablefunc': ["select * from connectby('customer', 'email', 'id', '1', 0) as t(a text, b text, l int)", "select * from crosstab('select id, id, email from customer') as t(a int, b text)"],
    'xml2': ["select * from xpath_table('id', 'email', 'customer', '/', 'true') as t(a int, b text)"],
}
SERVER = ["select count(*) >= 0 from pg_ls_waldir()", "select count(*) > 5 from pg_ls_dir('.')", "select size > 0 from pg_stat_file('PG_VERSION')", "select slot_name from pg_create_physical_replication_slot('here')",
          "select pg_drop_replication_slot('here')", "select pg_replication_origin_create('o') > 0", "select pg_replication_origin_drop('o')", "select pg_logical_emit_message(false, 'p', 'text') > '0/0'",
          "select brin_summarize_new_values('day_of_log')", "select gin_clean_pending_list('product_doc_idx')", "select pg_current_logfile()"]

# A type with an operator of its own, all of it the server's code.
TYPE = '''create type code; create function code_in(cstring) returns code strict immutable language internal as 'int8in';
create function code_out(code) returns cstring strict immutable language internal as 'int8out'; create type code (input = code_in, output = code_out, like = int8);
create function code_eq(code, code) returns bool strict immutable language internal as 'int8eq'; create operator = (function = code_eq, leftarg = code, rightarg = code)'''
COMPARES = ['select count(*) from orders where id = 1', "select count(*) from pg_class where relname = 'orders'", "select '1'::code = '1'"]


def extended(text):
    return parse('', text) + describe('S', '') + bind('', '') + describe('P', '') + execute('') + sync


class Extensions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = ordinary.Twins()
        cls.servers.__enter__()
        cls.addClassCleanup(cls.servers.__exit__)
        cls.sides = ordinary.Sides(cls.servers, 'extensions')
        cls.addClassCleanup(cls.sides.close)
        cls.missing = {}
        for extension in sorted({*SAME, *REFUSED}):
            try:
                cls.servers.sql('create extension if not exists "%s" cascade' % extension, 'extensions')
            except subprocess.CalledProcessError as refused:
                cls.missing[extension] = refused.stderr.strip()

    def both(self, text, form=query):
        return self.sides.both(form(text))

    def same(self, text):
        for form in (query, extended) if text.startswith('select') else (query,):
            direct, masked = self.both(text, form)
            self.assertIsNone(error(direct), text)
            self.assertEqual(ordinary.shown(direct), ordinary.shown(masked), text)

    def test_functions_of_the_server_that_say_what_was_done(self):
        self.assertIsNone(error(self.both('create index day_of_log on log_2024 using brin (day)')[0]))
        for text in SERVER:
            with self.subTest(text):
                direct, masked = self.both(text)
                self.assertEqual((error(direct), ordinary.shown(direct)), (None, ordinary.shown(masked)))
        # What it is given goes into the log of changes.
        self.assertEqual((error(self.both("select pg_logical_emit_message(false, 'p', email) from customer")[1]) or {}).get('C'), '42501')

    def test_operators_of_an_extension_that_nobody_has_vetted(self):
        self.servers.sql(TYPE, 'extensions')

        def refused(expected):
            return all((error(self.both(text)[1]) is not None) == expected for text in COMPARES)
        # Somebody's operator may be meant by any comparison, and its code may do anything.
        wait_for(lambda: refused(True), what='that they are refused')
        self.servers.sql('alter extension plpgsql add function code_eq(code, code); alter extension plpgsql add operator = (code, code); create table other (id int)', 'extensions')
        wait_for(lambda: refused(False), what='that they are not')
        for text in COMPARES:
            with self.subTest(text):
                self.same(text)


def case(extension):
    def test(self):
        if extension in self.missing:
            self.skipTest('%s: %s' % (extension, self.missing[extension]))
        for text in SAME.get(extension, ()):
            with self.subTest(text):
                self.same(text)
        for text in REFUSED.get(extension, ()):
            with self.subTest(text):
                self.assertEqual((error(self.both(text)[1]) or {}).get('C'), '42501')
    return test


for name in sorted({*SAME, *REFUSED}):
    setattr(Extensions, 'test_' + name.replace('-', '_'), case(name))

if __name__ == '__main__':
    main()
