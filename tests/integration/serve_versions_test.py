#!/usr/bin/env python3
"""Session roles and `doctor` on every PostgreSQL server there is, over TLS with verify-full: memberships changed in 16, defaults in 15.

Each version installed under /usr/lib/postgresql is started by the test itself; a folder of programs can be added with
DBGUARD_TEST_POSTGRES_BIN='/opt/pg18/bin …', and servers that run already with
DBGUARD_TEST_SERVERS='postgresql://SUPERUSER:PASSWORD@localhost:5417/postgres?sslrootcert=CA …'. What is named and cannot be used fails.
"""
import contextlib
import glob
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from dbguard_service import ROLES, Issuer, Service, prepare_database  # noqa: E402
from dbguard_test import Postgres, dbguard, main, plain_environment, skip, wait_for  # noqa: E402

SERVERS = os.environ.get('DBGUARD_TEST_SERVERS', '').split()
BINARIES = sorted(os.path.dirname(p) for p in glob.glob('/usr/lib/postgresql/*/bin/initdb')) + os.environ.get('DBGUARD_TEST_POSTGRES_BIN', '').split()
if not SERVERS and not BINARIES:
    skip('no PostgreSQL server is installed under /usr/lib/postgresql, and DBGUARD_TEST_SERVERS names none')


def certificates(folder):
    """-> an authority, and a server's certificate and key for localhost"""
    def openssl(*args):
        subprocess.run(['openssl', *args], cwd=folder, check=True, capture_output=True)
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test authority', '-keyout', 'ca.key', '-out', 'ca.pem')
    openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', '-keyout', 'server.key', '-out', 'server.csr')
    with open(os.path.join(folder, 'names'), 'w') as f:
        f.write('subjectAltName=DNS:localhost')
    openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names', '-out', 'server.pem')
    return [os.path.join(folder, name) for name in ('ca.pem', 'server.pem', 'server.key')]


@contextlib.contextmanager
def own_server(programs):
    """A private cluster of these programs with TLS. -> its URL"""
    folder = tempfile.mkdtemp(prefix='dbguard-tls-')
    try:
        ca, certificate, key = certificates(folder)
        postgres = Postgres(ssl='on', ssl_cert_file=certificate, ssl_key_file=key)
        postgres.bin = programs
        os.chmod(folder, 0o711)
        os.chmod(ca, 0o644)
        if postgres.user:  # who the server runs as must own its key
            for path in (certificate, key):
                os.chown(path, postgres.user.pw_uid, postgres.user.pw_gid)
        with postgres:
            yield 'postgresql://%s:%s@localhost:%d/postgres?sslrootcert=%s' % (postgres.superuser, urllib.parse.quote(postgres.password), postgres.port, ca)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(url):
    yield url


class Server:
    """Somebody else's server: what is made in it gets names of its own, and goes again."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.user, self.password = parts.hostname, parts.port, parts.username, urllib.parse.unquote(parts.password)
        self.ca = urllib.parse.parse_qs(parts.query)['sslrootcert'][0]
        self.tag = 't' + secrets.token_hex(4)

    def psql(self, user, password, database, text, check=True):
        return subprocess.run(['psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', self.host, '-p', str(self.port), '-U', user, '-d', database, '-c', text], capture_output=True, text=True,
                              env=plain_environment(PGPASSWORD=password, PGSSLMODE='verify-full', PGSSLROOTCERT=self.ca), check=check)

    def sql(self, text, database='postgres'):
        return self.psql(self.user, self.password, database, text).stdout.rstrip('\n')

    def rename(self, text):
        for name in ('app_ro', 'app_ddl', 'dbguard_admin'):
            text = text.replace(name, name + '_' + self.tag)
        return text.replace('DATABASE shop', 'DATABASE shop_' + self.tag).replace('database: shop\n', 'database: shop_%s\n' % self.tag) if text != 'shop' else 'shop_' + self.tag

    def __enter__(self):
        prepare_database(self, self.rename)
        return self

    def __exit__(self, *_):
        self.sql('DROP DATABASE shop_%s WITH (FORCE)' % self.tag)
        self.sql(self.rename('DROP ROLE app_ro, app_ddl, dbguard_admin'))


class Versions(unittest.TestCase):
    def test_a_session_from_beginning_to_end_and_what_doctor_says_of_it(self):
        for start in [own_server(programs) for programs in BINARIES] + [running(url) for url in SERVERS]:
            with start as url, Server(url) as server, Issuer() as issuer:
                version = server.sql('SHOW server_version')
                with self.subTest(version):
                    self.session(server, issuer)
                    self.doctor(server)
                print('PostgreSQL ' + version)

    def doctor(self, server):
        """The statements it prints fit this version: memberships with several grantors, predefined roles, MAINTAIN."""
        login = 'narrow_' + server.tag
        name = server.rename('shop')
        server.sql("CREATE ROLE %s LOGIN PASSWORD 'narrow pw' CONNECTION LIMIT 5; CREATE ROLE boss_%s CREATEROLE; GRANT boss_%s, pg_read_all_data TO %s; GRANT ALL ON customers TO %s"
                   % (login, server.tag, server.tag, login, login), name)
        try:
            with tempfile.TemporaryDirectory() as folder:
                policy = os.path.join(folder, 'policy.yaml')
                with open(policy, 'w') as f:
                    f.write('dbguard: 1\npolicy: p\nidentities:\n  ci: { issuer: "https://issuer.example", audience: dbguard, claims: { repository_id: "1" } }\nroles:\n  tester:\n    for: ci\n'
                            '    databases: shop\n    login: %s\n    rules:\n      - allow: [read, tx, session.set]\n      - deny: read\n        of: "*.*.email"\n' % login)
                url = 'postgresql://%s@%s:%d/%s?sslmode=verify-full&sslrootcert=%s' % (login, server.host, server.port, name, urllib.parse.quote(server.ca))
                for round in range(2):
                    r = dbguard('doctor', '--json', '--db-url', url, '--policy', policy, '--role', 'tester', env=plain_environment(PGPASSWORD='narrow pw'))
                    document = json.loads(r.stdout)
                    states = {c['name']: c['state'] for c in document['checks'] if c['group'] == 'lock'}
                    open_ = sorted(name for name, state in states.items() if state == 'warn')
                    if round == 0:
                        for name_ in ('predefined roles', 'other roles', 'writing', 'denied columns', 'database'):
                            self.assertIn(name_, open_)
                        server.sql('\n'.join(document['sql']), name)
                self.assertEqual((open_, document['sql']), ([], []), r.stdout)
            ask = lambda text, check=True: server.psql(login, 'narrow pw', name, text, check)  # noqa: E731
            self.assertEqual(ask('SELECT id, name FROM customers ORDER BY id').stdout.split(), ['1|Ada', '2|Grace'])
            for text in ('SELECT email FROM customers', 'BEGIN READ WRITE; DELETE FROM customers', 'SET ROLE boss_' + server.tag):
                self.assertIn('permission denied', ask(text, False).stderr)
        finally:
            server.sql('DROP OWNED BY %s CASCADE' % login, name)
            server.sql('DROP OWNED BY %s CASCADE; DROP ROLE %s, boss_%s' % (login, login, server.tag))

    def narrow(self, server, user, login):
        """No attribute, an end, a connection limit, a member of the login role alone, without its privileges until it becomes it; owns nothing."""
        row = server.sql("""SELECT rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolinherit, rolconnlimit,
            rolvaliduntil BETWEEN now() + interval '20 min' AND now() + interval '40 min',
            (SELECT string_agg(m.roleid::regrole::text || ' ' || m.admin_option || ' ' || coalesce(to_jsonb(m) ->> 'inherit_option', 'false'), ',') FROM pg_auth_members m WHERE m.member = r.oid),
            (SELECT count(*) FROM pg_shdepend d WHERE d.refobjid = r.oid AND d.deptype = 'o')
            FROM pg_roles r WHERE rolname = '%s'""" % user)
        self.assertEqual(row, 't|f|32|t|%s false false|0' % login)

    def session(self, server, issuer):
        def change(text):
            return server.rename(text).replace('host: 127.0.0.1', 'host: ' + server.host).replace('tls: { mode: disable }', 'tls: { mode: verify-full, root_certificates: %s }' % server.ca)
        with Service(server, issuer, change=change, roles=server.rename(ROLES), sessions='{ lease: 15s, heartbeat: 1s, sweep: 1s }') as service:
            grant = service.open(role='migrator')
            user, password, name = (grant['database'][key] for key in ('user', 'password', 'name'))
            self.assertIn('BEGIN CERTIFICATE', grant['database']['tls']['root_certificates'])

            def ask(text, check=True):
                self.assertEqual(service.on(grant, 'renew')[0], 200)  # each psql takes a while, with TLS and on a busy machine
                return server.psql(user, password, name, text, check)
            self.assertEqual(ask('SELECT session_user, current_user').stdout.strip(), '%s|app_ddl_%s' % (user, server.tag))
            ask('CREATE TABLE orders (id int); CREATE SCHEMA own; GRANT CREATE, USAGE ON SCHEMA own TO "%s"; SET ROLE NONE; CREATE TABLE own.strange (id int)' % user)
            self.assertIn('permission denied', ask('SET ROLE NONE; SELECT * FROM customers', check=False).stderr, 'nothing is inherited')
            self.assertEqual(ask('RESET ROLE; SELECT count(*) FROM customers').stdout.strip(), '2')
            self.assertNotEqual(ask('GRANT app_ddl_%s TO CURRENT_USER WITH ADMIN OPTION' % server.tag, check=False).returncode, 0)
            self.assertEqual(service.on(grant, 'end', '{"reason":"client"}')[0], 200)
            self.assertNotIn(user, service.roles_in_server(), service.log_text())
            owners = server.sql("SELECT string_agg(tableowner, ',') FROM pg_tables WHERE tablename IN ('orders', 'strange')", name)
            self.assertEqual(owners, ','.join(['app_ddl_' + server.tag] * 2))
            reader = service.open()
            show = "SELECT current_setting('work_mem'), current_setting('default_transaction_read_only'), current_setting('statement_timeout'), current_user"
            self.assertEqual(server.psql(reader['database']['user'], reader['database']['password'], name, show).stdout.strip(), '7MB|on|21s|app_ro_' + server.tag)
            self.narrow(server, reader['database']['user'], 'app_ro_' + server.tag)
            wait_for(lambda: not [r for r in service.roles_in_server() if r == reader['database']['user']], 40, 'the end of a session without renewal')


if __name__ == '__main__':
    main()
