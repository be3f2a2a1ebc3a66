"""The tools, how each is started, and how it is known to be there. Those in BY_HAND take long or are still being settled; they run
with DBGUARD_ALL_TOOLS=1."""
import importlib.util
import os
import pathlib
import shutil

import ordinary

HERE = pathlib.Path(__file__).resolve().parent
NODE_MODULES = [p for p in os.environ.get('NODE_PATH', '').split(':') + sorted(map(str, ordinary.HERE.parents[2].glob('build/*/npm/node_modules'))) if p and os.path.isdir(p)]
BY_HAND = {'lua', 'libpqxx', 'spatial', 'monitors', 'pgloader', 'check_postgres', 'r_dbi', 'tdbc', 'asyncpg', 'odbc', 'tcl', 'jdbc', 'liquibase', 'pgcli', 'sqitch', 'client_programs', 'postgres_meta', 'typeorm', 'graphile_worker', 'pg_boss', 'sequelize', 'drizzle', 'knex', 'postgres_js', 'active_record', 'perl_dbi', 'php', 'go', 'psycopg', 'pg8000', 'aiopg', 'peewee', 'pony', 'yoyo'}


class Tool:
    """`needs`: words such as program:psql, python:django, node:knex, file:/path."""

    def __init__(self, name, command, needs=(), prepare='', env=None, dump=('-s',), normal=(), timeout=300, stdin=None, hidden=()):
        self.name, self.command, self.needs, self.prepare = name, command, needs, prepare
        self.env, self.dump, self.normal, self.timeout, self.stdin = dict(env or {}), dump, normal, timeout, stdin
        self.hidden = hidden
        self.group = 'node' if any(need.startswith('node:') for need in needs) else 'tools'

    def missing(self):
        """-> what is not installed, or nothing"""
        if self.name in BY_HAND and not os.environ.get('DBGUARD_ALL_TOOLS'):
            return 'runs by hand: DBGUARD_ALL_TOOLS=1'
        for need in self.needs:
            kind, _, what = need.partition(':')
            if kind == 'program' and not shutil.which(what):
                return what + ' is not installed'
            if kind == 'python' and importlib.util.find_spec(what) is None:
                return 'the Python package %s is not installed' % what
            if kind == 'file' and not os.path.exists(what):
                return what + ' is not there'
            if kind == 'node':
                if not shutil.which('node'):
                    return 'node is not installed'
                found = [p for p in NODE_MODULES if os.path.isdir(p + '/' + what)]
                if not found:
                    return 'the npm package %s is not installed' % what
                self.env['NODE_PATH'] = ':'.join(dict.fromkeys(found + NODE_MODULES))
        return None

    def run(self, servers, which):
        return ordinary.run_tool(servers, which, 't_' + self.name, self.command, self.prepare, self.env, self.timeout, self.dump, self.normal, self.stdin)


TOOLS = [
    Tool('django', ['/usr/bin/python3', HERE / 'django_shop.py'], ['python:django']),
    Tool('sqlalchemy', ['/usr/bin/python3', HERE / 'alchemy.py'], ['python:sqlalchemy', 'python:psycopg2']),
    Tool('alembic', ['/usr/bin/python3', HERE / 'alembic_run.py'], ['python:alembic', 'python:psycopg2']),
]
APP = (HERE / 'app.sql').read_text()
NODE = HERE / 'node_drivers.js'
TOOLS += [
    # A block of code may have read anything: the texts of its notices do not go on.
    Tool('node_pg', ['node', NODE, 'pg'], ['node:pg', 'node:pg-cursor', 'node:pg-copy-streams', 'node:pg-query-stream'], APP,
         hidden=[(r'"(hello|careful|a function raised an exception)"', 'T')]),
    Tool('pg_promise', ['node', NODE, 'promise'], ['node:pg-promise'], APP),
    Tool('postgres_js', ['node', NODE, 'postgres'], ['node:postgres'], APP),
    Tool('slonik', ['node', NODE, 'slonik'], ['node:slonik'], APP),
    Tool('kysely', ['node', NODE, 'kysely'], ['node:kysely', 'node:pg'], APP),
    Tool('knex', ['node', NODE, 'knex'], ['node:knex', 'node:objection', 'node:pg'], APP),
]
ORMS = HERE / 'node_orms.js'
TOOLS += [
    Tool('sequelize', ['node', ORMS, 'sequelize'], ['node:sequelize', 'node:umzug', 'node:pg'], normal=[(r'2200_\d+_', '2200_N_')]),
    Tool('typeorm', ['node', ORMS, 'typeorm'], ['node:typeorm', 'node:reflect-metadata', 'node:pg']),
    Tool('mikro_orm', ['node', ORMS, 'mikro'], ['node:@mikro-orm/postgresql', 'node:@mikro-orm/migrations']),
    Tool('graphile_worker', ['node', ORMS, 'graphile_worker'], ['node:graphile-worker']),
    Tool('pg_boss', ['node', ORMS, 'pg_boss'], ['node:pg-boss']),
    Tool('drizzle', ['node', ORMS, 'drizzle'], ['node:drizzle-orm', 'node:drizzle-kit', 'node:pg']),
    Tool('node_pg_migrate', ['node', ORMS, 'pg_migrate'], ['node:node-pg-migrate', 'node:pg']),
    Tool('postgres_meta', ['node', ORMS, 'introspection'], ['node:@supabase/postgres-meta', 'node:pg-introspection'], APP,
         normal=[(r'(?m)^(?:column|table)Privileges .*', 'privileges, in no order'), (r'"(\w*id|\w*_estimate|bytes|size|\w*oid)":("?)[\d.]+( kB)?', r'"\1":\2N'), (r'\d{5}', 'N')]),
    Tool('prisma', ['node', ORMS, 'prisma'], ['node:prisma', 'node:@prisma/client', 'node:@prisma/adapter-pg', 'node:pg'],
         env={'PRISMA_SCHEMA_ENGINE_BINARY': '/bin/true', 'CHECKPOINT_DISABLE': '1'}),
]
TOOLS += [
    Tool('psql', lambda env: ['psql', '-X', '-a', '-f', HERE / 'psql_all.sql', '-v', 'VERBOSITY=default'], ['program:psql'], APP, env={'PAGER': ''},
         normal=[(r'/tmp/dbguard-pg-\w+', '<cluster>'), (r'( port +\| )\d+', r'\1N'), (r'(?m)^(.*(?:pid|PID) )\d+', r'\1N'), (r'(?m)^(.*\| )\d+ [kM]B', r'\1 kB'), (r'pg_toast_\d{5}', 'pg_toast_N'), (r'\d+(\.\d+)? (ms|kB)\b', 'N'), (r'CPU: .*|system usage: .*|avg read rate.*|buffer usage.*|WAL usage.*|I/O timings.*|elapsed.*', '')],
         # Which value it was, of a table with masked columns; texts of code (a trigger's, a function's).
         hidden=[(r'(?m)^DETAIL: .*\n', ''), (r'(?m)^((?:psql:\S+ )?(?:ERROR|NOTICE|INFO|WARNING):  ).*(?:violates|violated|out of range|invalid).*', r'\1T'),
                 # A table with triggers: what DDL says of it may be theirs.
                 (r'ERROR:  (column "nothing" of .*|a column does not exist|relation "nowhere" .*|a relation does not exist|LOCK TABLE can only .*|there is no transaction .*)', 'T')]),
    Tool('pgbench', ['bash', HERE / 'pgbench.sh'], ['program:pgbench', 'program:psql']),
    Tool('client_programs', ['bash', HERE / 'client_programs.sh'], ['program:pg_dump', 'program:vacuumdb'], APP,
         env={'PATH': '/usr/lib/postgresql/15/bin:' + os.environ.get('PATH', '')}, normal=[(r'\d+\.\d+ ?m?s', 'T')]),
]
DRIVERS = HERE / 'drivers.py'
TOOLS += [
    Tool('psycopg', ['/usr/bin/python3', DRIVERS, 'psycopg'], ['python:psycopg'], APP),
    Tool('pg8000', ['/usr/bin/python3', DRIVERS, 'pg8000'], ['python:scramp', 'python:pg8000'], APP),
    Tool('asyncpg', ['/usr/bin/python3', DRIVERS, 'asyncpg'], ['python:asyncpg'], APP, hidden=[(r'\\nDETAIL:  Key [^\']*', '')]),
    Tool('odbc', ['/usr/bin/python3', DRIVERS, 'odbc'], ['python:pyodbc', 'file:/usr/share/doc/odbc-postgresql'], APP),
    Tool('tcl', ['tclsh', HERE / 'tcl_pg.tcl'], ['program:tclsh', 'file:/usr/share/doc/libpgtcl'], APP),
    Tool('jdbc', ['sh', '-c', 'java -cp /usr/share/java/postgresql.jar:. "$ORM/Jdbc.java"'], ['program:javac', 'file:/usr/share/java/postgresql.jar'], APP, env={'JAVA_TOOL_OPTIONS': '-XX:TieredStopAtLevel=1 -Xshare:auto'}, hidden=[(r'\n  Detail: Key .*', '')]),
    Tool('aiopg', ['/usr/bin/python3', DRIVERS, 'aiopg'], ['python:aiopg'], APP),
    Tool('peewee', ['/usr/bin/python3', DRIVERS, 'peewee'], ['python:peewee', 'python:psycopg2'], APP),
    Tool('pony', ['/usr/bin/python3', DRIVERS, 'pony'], ['python:pony', 'python:psycopg2']),
    Tool('yoyo', ['/usr/bin/python3', DRIVERS, 'yoyo'], ['python:yoyo', 'python:psycopg2'], normal=[(r'\d+-\d+-\d+ .*', 'T')]),
]
LIQUIBASE = next((p + '/liquibase/dist/liquibase' for p in NODE_MODULES if os.path.exists(p + '/liquibase/dist/liquibase/liquibase.jar')), '/nowhere')
RUBY = HERE / 'active_record.rb'
TOOLS += [
    Tool('ruby_pg', ['ruby', RUBY, 'pg'], ['program:ruby', 'file:/usr/share/doc/ruby-pg'], APP),
    Tool('sequel', ['ruby', RUBY, 'sequel'], ['program:ruby', 'file:/usr/share/doc/ruby-sequel']),
    Tool('active_record', ['ruby', RUBY, 'active_record'], ['program:ruby', 'file:/usr/share/doc/ruby-activerecord']),
    Tool('perl_dbi', ['perl', HERE / 'perl_dbi.pl'], ['program:perl', 'file:/usr/share/doc/libdbd-pg-perl'], APP),
    Tool('php', ['php', HERE / 'pdo.php'], ['program:php', 'file:/usr/share/doc/php8.2-pgsql'], APP),
    Tool('go', lambda env: ['sh', '-c', 'go build -o "$TEMP_DIR/go_pq" "$ORM/go_pq.go" && "$TEMP_DIR/go_pq"'], ['file:/usr/bin/go', 'file:/usr/share/gocode/src/github.com/lib/pq', 'file:/usr/share/gocode/src/github.com/jackc/pgx/v4'],
         APP, env={'GOPATH': '/usr/share/gocode', 'GO111MODULE': 'off', 'GOFLAGS': '', 'GOCACHE': '/tmp/dbguard-go-cache', 'PATH': '/usr/bin:/bin'}),
    Tool('liquibase', ['bash', HERE / 'liquibase.sh'], ['program:java', 'file:' + LIQUIBASE, 'file:/usr/share/java/postgresql.jar'], env={'LIQUIBASE': LIQUIBASE, 'JAVA_TOOL_OPTIONS': '-XX:TieredStopAtLevel=1 -Xshare:auto'}, timeout=500),
    Tool('sqitch', ['bash', HERE / 'sqitch.sh'], ['program:sqitch', 'program:psql']),
    Tool('pgcli', ['/usr/bin/python3', HERE / 'pgcli.py'], ['python:pgcli'], APP),
]
TOOLS += [
    Tool('pgloader', ['bash', HERE / 'pgloader.sh'], ['program:pgloader', 'program:sqlite3', 'program:psql'], APP),
    Tool('check_postgres', ['bash', HERE / 'check_postgres.sh'], ['program:check_postgres', 'program:psql'], APP),
    Tool('r_dbi', ['Rscript', '--vanilla', HERE / 'r_dbi.R'], ['program:Rscript', 'file:/usr/lib/R/site-library/RPostgreSQL'], APP),
    Tool('tdbc', ['tclsh', HERE / 'tdbc.tcl'], ['program:tclsh', 'file:/usr/share/doc/tcl8.6-tdbc-postgres'], APP),
]
TOOLS += [
    Tool('lua', ['lua5.3', HERE / 'lua.lua'], ['program:lua5.3', 'file:/usr/share/doc/lua-sql-postgres', 'file:/usr/share/doc/lua-dbi-postgresql'], APP),
    Tool('libpqxx', ['sh', '-c', 'c++ -std=c++17 -Wno-deprecated-declarations -o pqxx "$ORM/pqxx.cpp" -lpqxx -lpq && ./pqxx'], ['program:c++', 'file:/usr/include/pqxx/pqxx'], APP),
    Tool('spatial', ['bash', HERE / 'spatial.sh'], ['program:ogr2ogr', 'program:osm2pgsql', 'program:psql', 'file:/usr/share/postgresql/15/extension/postgis.control'], normal=[(r'port=\d+', 'port=<port>')]),
    Tool('monitors', ['bash', HERE / 'monitors.sh'], ['file:/usr/lib/nagios/plugins/check_pgsql', 'file:/usr/share/munin/plugins/postgres_bgwriter'], APP, normal=[(r'-P \d+', '-P <port>')]),
]
