#!/usr/bin/env python3
"""Session roles on a server of another version, over TLS with verify-full: memberships changed in PostgreSQL 16.

    DBGUARD_TEST_SERVERS='postgresql://SUPERUSER:PASSWORD@localhost:5417/postgres?sslrootcert=CA …'      (skipped without)
"""
import os
import secrets
import subprocess
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from dbguard_service import ROLES, Issuer, Service, prepare_database  # noqa: E402
from dbguard_test import main, plain_environment, skip, wait_for  # noqa: E402

SERVERS = os.environ.get('DBGUARD_TEST_SERVERS', '').split()
if not SERVERS:
    skip('DBGUARD_TEST_SERVERS names no servers')


class Server:
    """Somebody else's server: what is made in it gets names of its own, and goes again."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.user, self.password = parts.hostname, parts.port, parts.username, parts.password
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
    def test_a_session_from_beginning_to_end(self):
        for url in SERVERS:
            with Server(url) as server, Issuer() as issuer:
                version = server.sql('SHOW server_version')
                with self.subTest(version):
                    self.session(server, issuer)
                print('PostgreSQL ' + version)

    def session(self, server, issuer):
        def change(text):
            return server.rename(text).replace('host: 127.0.0.1', 'host: ' + server.host).replace('tls: { mode: disable }', 'tls: { mode: verify-full, root_certificates: %s }' % server.ca)
        with Service(server, issuer, change=change, roles=server.rename(ROLES)) as service:
            grant = service.open(role='migrator')
            user, password, name = (grant['database'][key] for key in ('user', 'password', 'name'))
            self.assertIn('BEGIN CERTIFICATE', grant['database']['tls']['root_certificates'])
            ask = lambda text, check=True: server.psql(user, password, name, text, check)  # noqa: E731
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
            self.assertEqual(server.psql(reader['database']['user'], reader['database']['password'], name, 'SHOW work_mem').stdout.strip(), '7MB')
            wait_for(lambda: not [r for r in service.roles_in_server() if r == reader['database']['user']], 15, 'the end of a session without renewal')


if __name__ == '__main__':
    main()
