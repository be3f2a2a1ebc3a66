"""Python drivers besides those of clients_test.py: psycopg (3), pg8000, aiopg; and peewee, Pony, yoyo on top of psycopg2."""
import asyncio
import datetime
import io
import logging
import os
import sys
import warnings
from urllib.parse import unquote, urlsplit

warnings.simplefilter('ignore')
url = os.environ['DATABASE_URL']
parts = urlsplit(url)
keys = dict(host=parts.hostname, port=parts.port, user=unquote(parts.username), password=unquote(parts.password), database=parts.path[1:])


def show(name, value):
    print(name, repr(value))


def attempt(name, work):
    try:
        show(name, work())
    except Exception as error:
        show(name, (type(error).__name__, getattr(error, 'sqlstate', None), str(error)))


def psycopg():
    import psycopg
    logging.getLogger('psycopg').setLevel(logging.CRITICAL)  # whether it tells of a pipeline that ends behind an error depends on what has come by then
    from psycopg.rows import class_row, dict_row, namedtuple_row
    from psycopg.types.json import Jsonb
    from psycopg import sql
    with psycopg.connect(url, application_name='three', options='-c statement_timeout=30s') as c:
        show('rows', c.execute('select id, title, price, tags, doc, made, raw, during, key, flag from product where id = any(%s) order by id', ([1, 2],)).fetchall())
        show('binary', c.execute('select id, title, price, tags, doc, made, raw, key from product where id = %b', (1,), binary=True).fetchall())
        with c.cursor(binary=True, row_factory=dict_row) as cur:
            show('dict', cur.execute('select id, doc, twice from product where id < %s order by id', (3,)).fetchall())
        for i in range(8):  # prepared from the sixth on
            show('prepared', c.execute('select title from product where id = %s', (i + 1,)).fetchone())
        show('forced', c.execute('select title from product where id = %s', (1,), prepare=True).fetchone())
        show('many', (lambda cur: (cur.executemany('insert into crm.contact(id, note) values (%s, %s)', [(i, 'n%d' % i) for i in range(1, 30)]), cur.rowcount))(c.cursor()))
        cur = c.cursor()
        cur.executemany('insert into crm.contact(id) values (%s) returning id', [(100,), (101,)], returning=True)
        results = [cur.fetchone()]
        while cur.nextset():
            results.append(cur.fetchone())
        show('returning', results)
        with cur.copy('copy log(day, text) from stdin') as copy:
            for i in range(300):
                copy.write_row((datetime.date(2024, 1, 1 + i % 28), 'row %d\t\\' % i))
        with cur.copy('copy log(day, text) from stdin (format binary)') as copy:
            copy.set_types(['date', 'text'])
            for i in range(50):
                copy.write_row((datetime.date(2024, 2, 1), 'b%d' % i))
        with cur.copy('copy (select id, title, price from product where id < 4 order by id) to stdout') as copy:
            copy.set_types(['int8', 'text', 'numeric'])
            show('copy out', list(copy.rows()))
        with cur.copy('copy (select id, title from product where id < 4 order by id) to stdout (format binary)') as copy:
            show('copy binary', b''.join(bytes(b) for b in copy))
        c.commit()
        with c.pipeline() as p:
            a = c.execute('select 1')
            b = c.execute('select title from product where id = %s', (2,))
            p.sync()
            show('pipeline', (a.fetchone(), b.fetchone()))
            d = c.execute('select count(*) from log')
        show('after', d.fetchone())
        c.commit()
        try:
            with c.pipeline():
                c.execute('select 1')
                c.execute('select 1/0')
                c.execute('select 2')
        except Exception as error:
            show('pipeline error', (type(error).__name__, str(error)))
        c.rollback()
        with c.cursor('named', scrollable=True) as n:
            n.execute('select g from generate_series(1, 100) g')
            show('named', (n.fetchone(), n.fetchmany(3), n.scroll(50), n.fetchone()))
        show('stream', sum(r[0] for r in c.cursor().stream('select g from generate_series(1, 1000) g')))
        with c.transaction():
            try:
                with c.transaction():
                    c.execute('insert into crm.contact(id) values (1)')
            except psycopg.errors.UniqueViolation as error:
                show('unique', (error.sqlstate, error.diag.constraint_name))
            show('inside', c.execute('select count(*) from crm.contact').fetchone())
        c.commit()
        show('compose', c.execute(sql.SQL('select {} from {} where {} = %s').format(sql.Identifier('title'), sql.Identifier('public', 'product'), sql.Identifier('id')), (3,)).fetchone())
        show('json', c.execute('select %s::jsonb || %s', (Jsonb({'a': 1}), Jsonb({'b': [None]}))).fetchone())
        from psycopg.types.composite import CompositeInfo, register_composite
        from psycopg.types.enum import EnumInfo, register_enum
        from psycopg.types.range import Range
        info = CompositeInfo.fetch(c, 'address')
        register_composite(info, c)
        show('composite', c.execute('select home from customer where id = 1').fetchone())
        show('enum', (lambda e: (register_enum(e, c), e.labels))(EnumInfo.fetch(c, 'mood'))[1])
        from psycopg.types import TypeInfo
        from psycopg.types.hstore import register_hstore
        c.execute('create extension if not exists hstore')
        register_hstore(TypeInfo.fetch(c, 'hstore'), c)
        show('hstore', c.execute("select 'a=>1'::hstore").fetchone())
        c.rollback()
        show('two phase', c.xid(1, 'g', 'b').gtrid)
        c.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        c.read_only = True
        attempt('read only', lambda: c.execute('delete from line'))
        c.rollback()
        c.isolation_level = c.read_only = None
        for bad in ('selec 1', 'select nothing from product', "select 'x'::int", 'select %s::int'):
            attempt(bad, lambda: c.execute(bad, ('x',) if '%' in bad else None).fetchone())
            c.rollback()
        attempt('bad copy', lambda: (lambda cp: None)(c.execute('copy product from nowhere')))
        c.rollback()
        c.autocommit = True
        heard = []
        c.add_notify_handler(lambda n: heard.append((n.channel, n.payload)))
        c.execute('listen three')
        c.execute("notify three, 'x'")
        c.execute('select 1')
        show('heard', heard)
        notices = []
        c.add_notice_handler(lambda d: notices.append((d.severity, d.message_primary)))
        c.execute('drop table if exists nowhere')
        show('notices', notices)
        c.execute('alter table crm.contact add column extra int')
        show('after ddl', c.execute('select * from crm.contact where id = %s', (1,), prepare=True).fetchone())
        c.execute('alter table crm.contact drop column extra')
        attempt('after ddl', lambda: c.execute('select * from crm.contact where id = %s', (1,), prepare=True).fetchone())
        c.execute("set statement_timeout = '100ms'")
        attempt('timeout', lambda: c.execute('select pg_sleep(5)'))
        show('info', (c.info.parameter_status('server_encoding'), c.info.transaction_status.name, c.info.server_version))

    async def work():
        async with await psycopg.AsyncConnection.connect(url) as a:
            cur = await a.execute('select id from product where id < %s order by id', (4,))
            show('async', await cur.fetchall())
            a.cancel()
    asyncio.run(work())


def pg8000():
    import pg8000
    c = pg8000.connect(**{**keys, 'ssl': False} if False else keys)
    cur = c.cursor()
    cur.execute('select id, title, price, tags, made, flag from product where id < %s order by id', (3,))
    show('rows', list(cur.fetchall()))
    cur.executemany('insert into crm.contact(id, note) values (%s, %s)', [(1, 'a'), (2, None)])
    cur.execute('select * from crm.contact order by id')
    show('inserted', list(cur.fetchall()))
    c.commit()
    out = io.BytesIO()
    cur.execute('copy (select id, title from product where id < 3 order by id) to stdout', stream=out)
    show('copy', out.getvalue())
    cur.execute('copy log from stdin', stream=io.BytesIO(b'2024-01-01\tx\n'))
    c.commit()
    attempt('error', lambda: cur.execute('select nothing from product'))
    c.rollback()
    c.autocommit = True
    cur.execute('vacuum crm.contact')
    c.close()


def aiopg():
    import aiopg
    import aiopg.sa
    import sqlalchemy as sa

    async def work():
        async with aiopg.create_pool(url, minsize=1, maxsize=3) as pool:
            async with pool.acquire() as c:
                async with c.cursor() as cur:
                    await cur.execute('select id, title, doc from product where id < %s order by id', (3,))
                    show('rows', await cur.fetchall())
                    await cur.execute('listen aio')
                    await cur.execute("notify aio, 'x'")
                    show('heard', (await c.notifies.get()).payload)
            async def one(i):
                async with pool.acquire() as c, c.cursor() as cur:
                    await cur.execute('select %s', (i,))
                    return (await cur.fetchone())[0]
            show('many', await asyncio.gather(*(one(i) for i in range(12))))
        t = sa.table('orders', sa.column('id'), sa.column('total'))
        async with aiopg.sa.create_engine(url) as engine:
            async with engine.acquire() as c:
                show('sa', [tuple(r) for r in await (await c.execute(sa.select([t.c.id]).where(t.c.total > 37).order_by(t.c.id))).fetchall()])
                tr = await c.begin()
                await c.execute(t.update().where(t.c.id == 1).values(total=5))
                await tr.rollback()
    asyncio.run(work())


def peewee():
    from peewee import AutoField, BooleanField, CharField, DateTimeField, DecimalField, ForeignKeyField, Model, TextField, fn, IntegerField, JOIN
    from playhouse.postgres_ext import ArrayField, BinaryJSONField, PostgresqlExtDatabase, TSVectorField
    from playhouse.migrate import PostgresqlMigrator, migrate
    from playhouse.reflection import Introspector, print_model
    db = PostgresqlExtDatabase(keys['database'], **{k: v for k, v in keys.items() if k != 'database'}, register_hstore=False)

    class Base(Model):
        class Meta:
            database = db

    class Person(Base):
        name = CharField(50, index=True)
        email = CharField(null=True, unique=True)
        doc = BinaryJSONField(default={})
        tags = ArrayField(TextField, default=list)

    class Note(Base):
        person = ForeignKeyField(Person, backref='notes', on_delete='CASCADE')
        body = TextField()
        n = IntegerField(default=0)
    db.create_tables([Person, Note])
    db.create_tables([Person, Note], safe=True)
    show('tables', (db.get_tables(), [i.name for i in db.get_indexes('person')], [c.name for c in db.get_columns('note')], db.get_foreign_keys('note'), db.get_primary_keys('note'), db.get_views()))
    a = Person.create(name='a', doc={'x': [1]}, tags=['p', 'q'])
    Person.insert_many([{'name': 'b'}, {'name': 'c'}]).execute()
    Note.insert_many([{'person': a, 'body': 'one'}, {'person': a, 'body': 'two', 'n': 2}, {'person': 2, 'body': 'three'}]).execute()
    show('join', list(Person.select(Person.name, fn.COUNT(Note.id).alias('n')).join(Note, JOIN.LEFT_OUTER).group_by(Person.name).having(fn.COUNT(Note.id) >= 0).order_by(Person.name).tuples()))
    show('where', list(Person.select(Person.id).where((Person.name << ['a', 'b']) & (Person.doc['x'].is_null(False) | Person.tags.contains('p')) & ~(Person.name ** 'z%')).order_by(Person.id).tuples()))
    show('window', list(Note.select(Note.id, fn.RANK().over(partition_by=[Note.person], order_by=[Note.n.desc()])).order_by(Note.id).tuples()))
    show('cte', (lambda cte: list(cte.select_from(cte.c.n).tuples()))(Note.select(Note.n).where(Note.n > 1).cte('c')))
    show('update', Note.update(n=Note.n + 1).where(Note.id > 1).returning(Note.n).tuples().execute() and Note.select(fn.SUM(Note.n)).scalar())
    show('upsert', Person.insert(id=1, name='up').on_conflict(conflict_target=[Person.id], update={Person.name: 'up'}).execute())
    show('get_or_create', Person.get_or_create(name='c')[1] if False else Note.get_or_none(Note.id == 99))
    with db.atomic() as t:
        Note.delete().where(Note.id == 1).execute()
        with db.savepoint() as s:
            Note.delete().execute()
            s.rollback()
        show('left', Note.select().count())
        t.rollback()
    with db.cursor() as cur:
        show('server side', sum(1 for _ in db.execute_sql('select generate_series(1, 50)')))
    m = PostgresqlMigrator(db)
    migrate(m.add_column('note', 'title', CharField(default='')), m.rename_column('note', 'body', 'text'), m.add_index('note', ('title', 'n')), m.drop_not_null('note', 'text'), m.rename_table('note', 'notes'), m.drop_column('notes', 'n', cascade=False), m.add_not_null('notes', 'text'))
    migrate(m.drop_index('notes', 'note_title_n') if False else m.alter_column_type('notes', 'title', TextField()))
    for name, model in sorted(Introspector.from_database(db).generate_models(table_names=['person', 'notes', 'orders', 'line']).items()):
        print_model(model)
    db.drop_tables([Person], cascade=True)
    db.close()


def pony():
    from pony.orm import Database, Json, Optional, PrimaryKey, Required, Set, commit, count, db_session, desc, max, select, sum
    db = Database()

    class Person(db.Entity):
        name = Required(str, 50, index=True)
        email = Optional(str, unique=True, nullable=True)
        doc = Optional(Json)
        notes = Set('Note')

    class Note(db.Entity):
        person = Required(Person)
        body = Optional(str)
        n = Required(int, default=0)
    db.bind(provider='postgres', **keys)
    db.generate_mapping(create_tables=True)
    with db_session:
        a, b = Person(name='a', doc={'x': 1}), Person(name='b')
        Note(person=a, body='one', n=1), Note(person=a, body='two', n=2), Note(person=b)
        commit()
        show('select', select((p.name, count(p.notes), max(p.notes.n)) for p in Person).order_by(1)[:])
        show('where', select(n.body for n in Note if n.person.name.startswith('a') and n.n > 0).order_by(1)[:])
        show('sum', sum(n.n for n in Note))
        show('page', [n.n for n in Note.select().order_by(desc(Note.n)).page(1, 2)])
        show('lock', [n.n for n in Note.select(lambda n: n.n == 1).for_update()])
        show('raw', db.select('select id from note order by id'))
        Note.select(lambda n: n.n == 0).delete(bulk=True)
        show('left', count(n for n in Note))
    db.disconnect()


def yoyo():
    from yoyo import get_backend, read_migrations
    folder = os.environ['TEMP_DIR'] + '/m'
    os.mkdir(folder)
    open(folder + '/0001.a.py', 'w').write("from yoyo import step\nsteps = [step('create table y(id serial primary key, name text)', 'drop table y'), step('create index y_name on y(name)', 'drop index y_name'), step(\"insert into y(name) values ('a')\", 'delete from y')]\n")
    open(folder + '/0002.b.sql', 'w').write('-- depends: 0001.a\nalter table y add column n int default 0;\ncreate view yv as select name, n from y;\n')
    open(folder + '/0002.b.rollback.sql', 'w').write('drop view yv;\nalter table y drop column n;\n')
    backend, migrations = get_backend(url), read_migrations(folder)
    with backend.lock():
        backend.apply_migrations(backend.to_apply(migrations))
        show('applied', [m.id for m in migrations if backend.is_applied(m)])
        backend.rollback_migrations(backend.to_rollback(migrations))
        backend.apply_migrations(backend.to_apply(migrations))
    backend.connection.close()


def asyncpg():
    import asyncpg

    async def work():
        c = await asyncpg.connect(url)
        show('rows', [dict(r) for r in await c.fetch('select id, title, price, tags, made, during, key, flag, raw from product where id = any($1::bigint[]) order by id', [1, 2])])
        show('enum, composite', tuple(await c.fetchrow('select kind, home from customer where id = 1')))
        async with c.transaction():
            show('cursor', [r['id'] async for r in c.cursor('select id from product order by id limit 5', prefetch=2)])
            await c.execute('savepoint a')
            show('status', await c.execute('insert into crm.contact(id, note) values ($1, $2)', 900, 'a'))
        await c.executemany('insert into crm.contact(id, note) values ($1, $2)', [(901, 'b'), (902, None)])
        show('copied', await c.copy_records_to_table('contact', schema_name='crm', records=[(903, None, 'c')], columns=['id', 'customer', 'note']))
        out = io.BytesIO()
        show('copy', (await c.copy_from_query('select id, note from crm.contact order by id', output=out, format='csv'), out.getvalue()))
        p = await c.prepare('select title, $1::int + 1 from product where id = $2')
        show('prepared', (tuple(await p.fetchrow(1, 3)), [a.name for a in p.get_attributes()]))
        for bad in ('select nosuch', 'select * from nosuch', 'selec 1', 'alter table nosuch add a int', 'insert into orders (customer_id) values (-1)'):
            try:
                await c.fetch(bad)
            except asyncpg.PostgresError as error:
                show(bad, (error.sqlstate, str(error)))
        await c.reset()
        await c.close()
    asyncio.run(work())


def odbc():
    import pyodbc
    c = pyodbc.connect('DRIVER={PostgreSQL Unicode};SERVER=%(host)s;PORT=%(port)s;DATABASE=%(database)s;UID=%(user)s;PWD={%(password)s};SSLmode=disable' % keys)
    cur = c.cursor()
    show('rows', [tuple(r) for r in cur.execute('select id, title, price, made, flag from product where id < ? order by id', 4).fetchall()])
    cur.execute('insert into crm.contact(id, note) values (?, ?)', 900, 'a')
    cur.executemany('insert into crm.contact(id, note) values (?, ?)', [(901, 'b'), (902, None)])
    show('count', cur.execute('update crm.contact set note = ? where id > ?', 'x', 900).rowcount)
    c.rollback()
    show('tables', sorted((r.table_schem, r.table_name, r.table_type) for r in cur.tables(schema='public')))
    show('columns', [(r.column_name, r.type_name, r.nullable) for r in cur.columns(table='product', schema='public')])
    show('keys', [r.column_name for r in cur.primaryKeys(table='line', schema='public')])
    show('foreign', [(r.pktable_name, r.fkcolumn_name) for r in cur.foreignKeys(foreignTable='line', foreignSchema='public')])
    show('statistics', sorted({str(r.index_name) for r in cur.statistics('product', schema='public')}))
    show('procedures', sorted(r.procedure_name for r in cur.procedures(schema='public') if r.procedure_name in ('total', 'restock')))
    for bad in ('select nosuch', 'select * from nosuch', 'selec 1', 'alter table nosuch add a int'):
        try:
            cur.execute(bad)
        except pyodbc.Error as error:
            show(bad, error.args)
        c.rollback()
    c.close()


{'asyncpg': asyncpg, 'odbc': odbc, 'psycopg': psycopg, 'pg8000': pg8000, 'aiopg': aiopg, 'peewee': peewee, 'pony': pony, 'yoyo': yoyo}[sys.argv[1]]()
print('done')
