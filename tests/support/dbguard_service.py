"""What the scripts that drive `dbguard serve` share: the stand-in token issuer, the service, and its HTTP API."""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.parse

import dbguard_test
from dbguard_test import PROGRAM, plain_environment, wait_for

ISSUER_PROGRAM = os.path.join(os.path.dirname(PROGRAM), 'dbguard_test_issuer')
AUDIENCE = 'dbguard.acme.example'


def request(url, ca, method='GET', body=None, headers=None, timeout=30):
    """-> (status, headers, body as JSON where it is JSON)"""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=ssl.create_default_context(cafile=ca), timeout=timeout)
    try:
        connection.request(method, parts.path + ('?' + parts.query if parts.query else ''), body, headers or {})
        response = connection.getresponse()
        text = response.read()
        if response.headers.get_content_type() == 'application/json':
            return response.status, response.headers, json.loads(text)
        return response.status, response.headers, text
    finally:
        connection.close()


class Issuer:
    """A stand-in for GitHub's and GitLab's token services; gone with the block."""

    def __init__(self, claims=None):
        self.claims = claims or {}

    def __enter__(self):
        if not os.access(ISSUER_PROGRAM, os.X_OK):
            dbguard_test.skip('no program at ' + ISSUER_PROGRAM)
        self.folder = tempfile.mkdtemp(prefix='dbguard-issuer-')
        self.process = subprocess.Popen([ISSUER_PROGRAM, '--dir', self.folder, '--claims', json.dumps(self.claims)], stdout=subprocess.PIPE, text=True, env=plain_environment())
        ready = json.loads(self.process.stdout.readline())
        self.url, self.ca, self.request_url, self.request_token = ready['url'], ready['ca'], ready['request_url'], ready['request_token']
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def mint(self, shape='github', header=None, lifetime=None, **claims):
        asked = {'shape': shape, 'claims': {'aud': AUDIENCE, **claims}, 'header': header or {}}
        if lifetime is not None:
            asked['lifetime'] = lifetime
        return request(self.url + '/mint', self.ca, 'POST', json.dumps(asked))[2]['value']

    def control(self, **asked):
        request(self.url + '/control', self.ca, 'POST', json.dumps(asked))

    def github_environment(self):
        return {'GITHUB_ACTIONS': 'true', 'ACTIONS_ID_TOKEN_REQUEST_URL': self.request_url, 'ACTIONS_ID_TOKEN_REQUEST_TOKEN': self.request_token, 'SSL_CERT_FILE': self.ca}


ROLES = '''
roles:
  tester:
    for: shop-ci
    databases: shop
    login: app_ro
    session: { ttl: 30m, max_open: 5 }
    limits: { time: 20s, rows: 1000 }
    rules:
      - allow: [read, tx, session.set]
      - deny: read
        of: ["auth.*"]
        why: Credential tables are not test data.
    masks: pii
  migrator:
    for: shop-ci
    databases: shop
    login: app_ddl
    rules:
      - allow: [read, tx, session.set, write, ddl.create, ddl.alter, ddl.comment]
      - deny: ddl.drop
        why: Dropping is for people.
        fix: Open a change request.
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.customers.email", with: email }
    derived: deny
    filter: equality
'''


class Service:
    """`dbguard serve` in front of a private cluster, gone with the block. `change` edits the configuration's text."""

    def __init__(self, postgres, issuer, change=lambda text: text, roles=ROLES, sessions='{ lease: 6s, heartbeat: 1s, sweep: 1s }', failures=1000, kind='github', lasting=False):
        self.postgres, self.issuer, self.change, self.roles, self.sessions, self.failures, self.kind = postgres, issuer, change, roles, sessions, failures, kind
        self.process, self.lasting = None, lasting

    def write(self):
        folder = pathlib.Path(self.folder)
        (folder / 'admin.password').write_text('admin password\n')
        os.chmod(folder / 'admin.password', 0o600)
        claims = '{ repository_id: "990017" }' if self.kind == 'github' else '{ project_id: "20", ref_protected: "true" }'
        (folder / 'shop.yaml').write_text(
            'dbguard: 1\npolicy: shop\nidentities:\n  shop-ci:\n    issuer: %s\n    audience: %s\n    claims: %s\n%s' % (self.issuer.url, AUDIENCE, claims, self.roles))
        (folder / 'serve.yaml').write_text(self.change('''dbguard_serve: 1
listen: 127.0.0.1:0
data_dir: data
issuers:
  ci:
    issuer: %s
    kind: %s
    audience: %s
    ca_file: %s
    private_hosts: 127.0.0.1
databases:
  shop:
    engine: postgres
    host: 127.0.0.1
    port: %d
    database: shop
    tls: { mode: disable }
    credential:
      mint: { user: dbguard_admin, password_file: admin.password }
policies: shop.yaml
sessions: %s
failures_per_minute: %d
''' % (self.issuer.url, self.kind, AUDIENCE, self.issuer.ca, self.postgres.port, self.sessions, self.failures)))

    def start(self):
        self.log = open(os.path.join(self.folder, 'log'), 'ab')
        self.process = subprocess.Popen([PROGRAM, 'serve', '--config', os.path.join(self.folder, 'serve.yaml'), '--dev', '--json', '--verbose'],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, env=plain_environment(), start_new_session=True)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError('serve did not start: ' + self.log_text())
        ready = json.loads(line)
        self.url, self.ca = ready['url'], ready['ca']
        return self

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix='dbguard-serve-')
        self.write()
        return self.start()

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)
        if self.process:
            self.process.stdout.close()
            self.log.close()
        code, self.process = self.process.returncode if self.process else None, None
        return code

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_text(self):
        with open(os.path.join(self.folder, 'log')) as log:
            return log.read()

    def post(self, path, body='', headers=None, **kw):
        return request(self.url + path, self.ca, 'POST', body, headers, **kw)

    def exchange(self, token, database='shop', role='tester', **more):
        form = {'grant_type': 'urn:ietf:params:oauth:grant-type:token-exchange', 'subject_token': token,
                'subject_token_type': 'urn:ietf:params:oauth:token-type:jwt', 'audience': database, **more}
        if role:
            form['scope'] = role
        return self.post('/v1/token', urllib.parse.urlencode(form), {'Content-Type': 'application/x-www-form-urlencoded'})

    def open(self, role='tester', **claims):
        status, _, grant = self.exchange(self.issuer.mint(**claims), role=role)
        assert status == 200, grant
        return grant

    def on(self, grant, action, body='', **headers):
        return self.post('/v1/sessions/%s/%s' % (grant['session'], action), body, {'Authorization': 'Bearer ' + grant['access_token'], **headers})

    def roles_in_server(self):
        return [r for r in self.postgres.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'dbguard\\_%\\_s\\_%'").split('\n') if r]

    def gone(self, user, seconds=10):
        wait_for(lambda: user not in self.roles_in_server(), seconds, 'the end of role ' + user)


def prepare_database(postgres, rename=lambda text: text):
    """A shop, two login roles, and an administrative role that is no superuser. `rename` is for a server that is not ours alone."""
    postgres.sql(rename('CREATE DATABASE shop'))
    postgres.sql(rename('''
        CREATE ROLE app_ro NOLOGIN; CREATE ROLE app_ddl NOLOGIN;
        CREATE ROLE dbguard_admin LOGIN CREATEROLE PASSWORD 'admin password';
        GRANT app_ro, app_ddl TO dbguard_admin WITH ADMIN OPTION;
        REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA public TO app_ddl; GRANT CREATE ON DATABASE shop TO app_ddl;
        CREATE TABLE customers (id int PRIMARY KEY, name text, email text);
        INSERT INTO customers VALUES (1, 'Ada', 'ada@example.com'), (2, 'Grace', 'grace@example.com');
        GRANT SELECT ON customers TO app_ro; GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO app_ddl;
        ALTER ROLE app_ro SET search_path = "$user", public; ALTER ROLE app_ro IN DATABASE shop SET work_mem = '7MB';
        '''), rename('shop'))


def chain(session, lines):
    """A recording of so many lines: doc/recording-format.md"""
    text, previous = '', '0' * 64
    for n in range(lines):
        line = json.dumps({'n': n, 'p': previous, **({'t': 'head', 'v': 1, 'sid': session} if n == 0 else {'t': 'note', 'text': 'line %d' % n})}, separators=(',', ':'))
        previous = hashlib.sha256(line.encode()).hexdigest()
        text += line + '\n'
    return text


def unsigned(token, **changes):
    """The token with its claims changed and its signature as it was."""
    header, claims, signature = token.split('.')
    decoded = json.loads(base64.urlsafe_b64decode(claims + '=='))
    decoded.update(changes)
    return '.'.join([header, base64.urlsafe_b64encode(json.dumps(decoded).encode()).decode().rstrip('='), signature])
