"""The conversations that are recorded, and how: `record(postgres, name)` has one again with a real server."""
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / 'support'), str(HERE)]
from dbguard_test import PROGRAM, plain_environment, wait_for  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, close, copy_data, copy_done, copy_fail, describe, execute, parse, query, sync, terminate  # noqa: E402
from tap import Tap, with_port  # noqa: E402


def program(name, *arguments, **kw):
    def run(postgres, url):
        with tempfile.TemporaryDirectory() as folder:
            for file, text in kw.get('files', {}).items():
                pathlib.Path(folder, file).write_text(text)
            done = subprocess.run([postgres.bin + '/' + name, *[a.format(url=url) for a in arguments]], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                                  env=plain_environment(LC_ALL='C.UTF-8', TZ='UTC'))
            assert done.returncode == kw.get('code', 0), done.stderr
    return run


def talk(*turns):
    """A client of single messages: each turn is sent in one go, and answered up to so many ReadyForQuery (or up to a message of the type
    that is given) before the next."""
    def run(postgres, url):
        wire = Wire(url)
        for until, *messages in turns:
            wire.send(*messages)
            if isinstance(until, str):
                while wire.get()[0] != until:
                    pass
            else:
                for _ in range(until):
                    wire.until_ready()
        wire.send(terminate)
        assert wire.at_end() == []
        wire.close()
    return run


def cancel(postgres, url):
    wire = Wire(url)
    answers = []
    wire.send(query('select pg_sleep(600)'))
    reader = threading.Thread(target=lambda: answers.extend(wire.until_ready()))
    reader.start()
    wait_for(lambda: postgres.sql("select 1 from pg_stat_activity where wait_event = 'PgSleep'"), 20, 'the statement')
    with socket.create_connection(wire.address) as other:
        other.sendall(struct.pack('!II', 16, 80877102) + wire.key)
        assert other.recv(1) == b''
    reader.join(20)
    assert [t for t, _ in answers] == ['T', 'E', 'Z'], answers
    wire.query('select 1')
    wire.send(terminate)
    assert wire.at_end() == []
    wire.close()


def ext(sql, *values, name='', portal='', results=(), rows=0, formats=()):
    return parse(name, sql) + bind(portal, name, values, formats, results) + describe('P', portal) + execute(portal, rows)


CONVERSATIONS = {
    'psql_d': ('psql asks for a table: \\d customers.', program('psql', '-X', '{url}', '-c', '\\d customers')),
    'pg_dump_start': ('How pg_dump begins: it looks for a table that is not there.', program('pg_dump', '-t', 'nothing', '-d', '{url}', code=1)),
    'libpq_pipeline': ('A pipeline of libpq (pgbench): five statements and one Sync.',
                       program('pgbench', '-n', '-t', '1', '-M', 'extended', '-f', 'script.sql', '{url}',
                               files={'script.sql': '\\startpipeline\nselect 1;\nselect id, email from customers where id = 1;\nselect total from orders where id = 2;\ninsert into orders values (100, 1);\n'
                                      'delete from orders where id = 100;\n\\endpipeline\n'})),
    'extended': ('As JDBC does it: named statements, parameters with types, results in binary, a portal read in parts, and all of it again.', talk(
        (1, parse('S_1', 'BEGIN'), bind('', 'S_1'), execute(''), parse('S_2', 'select id, name, email from customers where id > $1 order by id', (23,)),
         bind('C_1', 'S_2', (b'\0\0\0\0',), (1,), (1,)), describe('P', 'C_1'), execute('C_1', 2), sync),
        (1, execute('C_1', 2), sync),
        (1, bind('', 'S_2', (b'\0\0\0\2',), (1,), (1, 0, 0)), execute('', 0), sync),
        (1, close('S', 'S_2'), parse('', 'COMMIT'), bind('', ''), execute(''), sync))),
    'copy': ('COPY out with masks, COPY in, one that the client gives up, and one with masks in CSV.', talk(
        (1, query('COPY customers (id, name, email) TO STDOUT')),
        ('G', query('COPY orders FROM STDIN')),
        (1, copy_data(b'200\t1\t2024-02-03\t4.5\n201\t2\t\\N\t\\N\n'), copy_data(b'202\t3\t2024-02-05\t1\n'), copy_done),
        ('G', query('COPY orders FROM STDIN')),
        (1, copy_data(b'300\t1\t2024-02-03\t4.5\n'), copy_fail('enough')),
        (1, query('COPY (SELECT id, ssn FROM customers ORDER BY id) TO STDOUT (FORMAT csv, HEADER)')))),
    'cursor': ('A cursor by SQL over masked columns, read forward and by FETCH ALL.', talk(
        (1, query('begin')), (1, query('declare c cursor for select id, email, ssn from customers order by id')), (1, query('fetch 1 from c')), (1, query('fetch all from c')),
        (1, query('close c')), (1, query('commit')))),
    'cancel': ('A statement that its client cancels; the session goes on.', cancel),
    'pipeline_error': ('An error in the middle of a pipeline: up to the Sync nothing more runs, behind it all is as before; then one that is refused there.', talk(
        (2, ext('select 1'), ext('select 1/0'), ext('select 2'), sync, ext('select 3'), sync),
        (2, ext('insert into orders values (400, 1)'), ext('drop table orders'), ext('select 2'), sync, query('select count(*) from orders where id = 400')))),
    'masked': ('Masked rows in text and binary, NULLs, through a view and a join; a whole row, which is refused; an error, rebuilt without the values it names.', talk(
        (1, query('select id, email, ssn from customers order by id')),
        (1, ext('select id, email, ssn from customers order by id', results=(1,)), sync),
        (1, query("select c.email, o.total from contacts c join orders o on o.customer = c.id where c.email = 'name1@example.com' order by o.id")),
        (1, query('select c from customers c where id = 1')),
        (1, query("insert into customers (id, email) values (1, 'name1@example.com')")))),
    'refused': ('Refused as a query, in a transaction (which fails with it), as a prepared statement; what does not parse, and what is computed from a masked column.', talk(
        (1, query('drop table orders')),
        (1, query('begin')), (1, query('drop table orders')), (1, query('select 1')), (1, query('rollback')),
        (1, parse('s', 'drop table orders'), describe('S', 's'), sync), (1, bind('', 's'), execute(''), sync),
        (1, query('selec 1')), (1, query('select upper(email) from customers')), (1, query('select id from customers order by email')), (1, query('select 1; drop table orders')))),
    'several': ('Several statements in one message, and one that answers nothing.', talk(
        (1, query('select 1; select email from customers where id = 1; insert into orders values (500, 1)')), (1, query('')), (1, query('select 1; select 1/0; select 2')))),
    'savepoints': ('Savepoints of the client around an error.', talk(
        (1, query('begin')), (1, query('savepoint a')), (1, query('select 1/0')), (1, query('rollback to a')), (1, query('select email from customers where id = 1')),
        (1, query('release a')), (1, query('commit')))),
}


def record(postgres, name, database='postgres'):
    """-> the conversation as make_transcript wants it. The database must be new."""
    what, run = CONVERSATIONS[name]
    for file in ('schema.sql', 'rows.sql'):
        postgres.sql((HERE / file).read_text(), database)
    policy = (HERE / 'policy.yaml').read_text()
    roles = policy[policy.index('roles:\n') + len('roles:\n'):]
    lines, lock = [], threading.Lock()
    server = Tap(postgres.port, '>', 'B', lines, lock)
    with Proxy(postgres, roles, url=with_port(postgres.url(), server.port)) as proxy:
        behind = int(proxy.url.rsplit(':', 1)[1].split('/')[0])
        client = Tap(behind, 'F', '<', lines, lock)
        run(postgres, with_port(proxy.url, client.port))
        client.wait()
        server.wait()
    for tap in (client, server):
        tap.close()
    head = ['# ' + what, 'protocol postgres', 'server ' + postgres.sql('show server_version_num')[:2], '']
    relations = ['relation ' + line for line in postgres.sql(
        "select c.oid || ' ' || n.nspname || ' ' || c.relname from pg_class c join pg_namespace n on n.oid = relnamespace where c.oid >= 16384 and n.nspname = 'public'").splitlines()]
    # Some programs (pgbench) log in once before they begin.
    session = max({session for session, _ in lines}, key=lambda session: sum(one == session for one, _ in lines))
    return '\n'.join(head + relations + [line for one, line in lines if one == session]) + '\n'


def make(tap):
    """-> the transcript of a tap"""
    program = os.environ.get('DBGUARD_MAKE_TRANSCRIPT') or str(pathlib.Path(PROGRAM).parents[1] / 'tests/make_transcript')
    done = subprocess.run([program, str(HERE)], input=tap, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
