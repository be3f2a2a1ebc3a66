#!/usr/bin/env python3
"""What `dbguard serve` answers to good, bad and hostile exchanges; a failing issuer; floods; configurations that do not start."""
import concurrent.futures
import json
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../support'))
from dbguard_service import AUDIENCE, ROLES, Issuer, Service, prepare_database, request, unsigned  # noqa: E402
from dbguard_test import PROGRAM, Postgres, main, plain_environment  # noqa: E402

FORM = {'Content-Type': 'application/x-www-form-urlencoded'}


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        prepare_database(cls.postgres)
        cls.issuer = cls.enterClassContext(Issuer())

    def audit(self, service, correlation):
        """The decision and reason in the store, which the answer does not tell."""
        with sqlite3.connect(os.path.join(service.folder, 'data/dbguard.sqlite')) as db:
            return db.execute('SELECT decision, reason FROM audit WHERE correlation_id = ?', [correlation]).fetchone()


class Exchange(Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.service = cls.enterClassContext(Service(cls.postgres, cls.issuer, sessions='{ lease: 120s, heartbeat: 30s }', roles=ROLES.replace('max_open: 5', 'idle: 5m')))

    def refused(self, token, reason, error='invalid_request', status=400, **more):
        got_status, headers, body = self.service.exchange(token, **more)
        self.assertEqual((got_status, body['error']), (status, error), body)
        self.assertEqual(headers['Cache-Control'], 'no-store')
        decision, why = self.audit(self.service, body['correlation_id'])
        self.assertEqual(decision, 'refused')
        self.assertRegex(why, reason)
        return body

    def test_the_reply_is_what_rfc_8693_and_the_manual_say(self):
        status, headers, grant = self.service.exchange(self.issuer.mint())
        self.assertEqual(status, 200)
        self.assertEqual(headers['Cache-Control'], 'no-store')
        self.assertEqual((grant['issued_token_type'], grant['token_type'], grant['expires_in']), ('urn:ietf:params:oauth:token-type:access_token', 'Bearer', 1800))
        self.assertEqual((grant['placement'], grant['role'], grant['login']), ('runner', 'tester', 'app_ro'))
        self.assertEqual(grant['database']['engine'], 'postgres')
        self.assertTrue(grant['database']['minted'])
        self.assertIn('policy: shop', grant['policy']['text'])
        self.assertIn(['repository_id', '990017'], grant['who'])
        self.service.on(grant, 'end', '{"reason":"client"}')

    def test_rfc_7523_is_understood_too(self):
        form = urllib.parse.urlencode({'grant_type': 'urn:ietf:params:oauth:grant-type:jwt-bearer', 'assertion': self.issuer.mint(), 'resource': 'shop', 'scope': 'migrator'})
        status, _, grant = self.service.post('/v1/token', form, FORM)
        self.assertEqual((status, grant['role']), (200, 'migrator'))
        self.service.on(grant, 'end', '{"reason":"client"}')

    def test_a_token_is_good_once(self):
        token = self.issuer.mint()
        self.assertEqual(self.service.exchange(token)[0], 200)
        self.refused(token, 'replayed')
        token = self.issuer.mint()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda _: self.service.exchange(token)[0], range(8)))
        self.assertEqual(sorted(codes), [200] + [400] * 7)

    def test_no_claim_is_named_to_whoever_is_not_known(self):
        """And all of them get the same words; the audit entry has the reason."""
        now = int(time.time())
        words = set()
        for token, reason in [
            (self.issuer.mint(exp=now - 61, iat=now - 300), '^expired'),
            (self.issuer.mint(nbf=now + 120), '^not_yet_valid'),
            (self.issuer.mint(iat=now + 120), '^not_yet_valid'),
            (self.issuer.mint(aud='https://other.example'), '^wrong_audience'),
            (self.issuer.mint(aud=[AUDIENCE, 'https://other.example']), '^other_audiences'),
            (self.issuer.mint(aud=None), '^wrong_audience'),
            (self.issuer.mint(exp=None), '^bad_time'),
            (self.issuer.mint(iss='https://attacker.example'), '^unknown_issuer'),
            (self.issuer.mint(iss=self.issuer.url + '/'), '^unknown_issuer'),
            (self.issuer.mint(repository_id=None), '^missing_claim'),
            (self.issuer.mint(header={'alg': 'none'}), '^algorithm_not_allowed'),
            (self.issuer.mint(header={'alg': 'HS256'}), '^algorithm_not_allowed'),
            (self.issuer.mint(header={'crit': ['b64']}), '^header_not_understood'),
            (self.issuer.mint(header={'kid': 'unknown'}), '^unknown_kid'),
            (unsigned(self.issuer.mint(), repository_id='1'), '^bad_signature'),
            (self.issuer.mint()[:-4], '^bad_signature|^token_bad_encoding'),
            ('garbage', '^token_not_compact'),
            ('a.b.c.d.e', '^token_encrypted'),
            ('A' * 20000, '^token_too_large'),
        ]:
            words.add(self.refused(token, reason)['error_description'])
        self.assertEqual(words, {'the token is not accepted'})

    def test_whoever_is_known_learns_what_is_open_to_it(self):
        self.refused(self.issuer.mint(), 'role_not_open', 'invalid_scope', role='admin')
        body = self.refused(self.issuer.mint(), 'several_roles', 'invalid_scope', role=None)
        self.assertIn('tester, migrator', body['error_description'])
        unknown = self.refused(self.issuer.mint(), 'unknown_database', 'invalid_target', database='payroll')
        stranger = self.refused(self.issuer.mint(repository_id='666'), 'no_role: shop-ci: repository_id', 'invalid_target')
        self.assertEqual(unknown['error_description'], stranger['error_description'])

    def test_an_event_that_strangers_can_cause_opens_nothing(self):
        for event in ['pull_request_target', 'workflow_run', 'issue_comment', 'issues']:
            self.refused(self.issuer.mint(event_name=event), 'no_role', 'invalid_target')

    def test_a_session_token_is_no_subject_token(self):
        grant = self.service.open()
        self.refused(grant['access_token'], '^token_not_compact')
        self.service.on(grant, 'end', '{"reason":"client"}')

    def test_requests_that_are_not_quite_right(self):
        good = urllib.parse.urlencode({'grant_type': 'urn:ietf:params:oauth:grant-type:token-exchange', 'subject_token': 'x',
                                       'subject_token_type': 'urn:ietf:params:oauth:token-type:jwt', 'audience': 'shop'})
        for path, body, headers, status, error in [
            ('/v1/token', '', FORM, 400, 'unsupported_grant_type'),
            ('/v1/token', good, {'Content-Type': 'application/json'}, 400, 'invalid_request'),
            ('/v1/token', good + '&audience=shop', FORM, 400, 'invalid_request'),
            ('/v1/token', good + '&actor_token=y', FORM, 400, 'invalid_request'),
            ('/v1/token', good.replace('audience', 'audienze'), FORM, 400, 'invalid_request'),
            ('/v1/tokens', good, FORM, 404, 'not_found'),
            ('/v1/sessions/s_NOPE/renew', '', {}, 401, 'invalid_token'),
            ('/v1/sessions/s_NOPE/renew', '', {'Authorization': 'Bearer dbgs_x'}, 401, 'invalid_token'),
            ('/v1/sessions/../../etc/renew', '', {'Authorization': 'Bearer dbgs_x'}, 404, 'not_found'),
            ('/v1/sessions/s_NOPE/delete', '', {}, 404, 'not_found'),
        ]:
            got, _, reply = self.service.post(path, body, headers)
            self.assertEqual((got, reply['error']), (status, error), (path, body))
        self.assertEqual(request(self.service.url + '/v1/token', self.service.ca)[0], 405)
        self.assertEqual(request(self.service.url + '/healthz', self.service.ca)[2], {'status': 'ok'})
        self.assertEqual(self.service.post('/v1/token', 'a' * 70_000, FORM)[0], 413)
        grant = self.service.open()
        self.assertEqual(self.service.on(grant, 'end', '{"reason":"DROP TABLE"}')[0], 400)
        self.assertEqual(self.service.on(grant, 'end', '{"reason":"client","x":1}')[0], 400)
        self.assertEqual(self.service.on(grant, 'recording?offset=-1', 'x')[0], 400)
        self.assertEqual(self.service.on(grant, 'recording', 'x')[0], 400)
        self.assertEqual(self.service.on(grant, 'recording?offset=0', 'x' * 2_000_000)[0], 413)
        self.service.on(grant, 'end', '{"reason":"client"}')

    def test_slow_and_silent_clients_disturb_nobody(self):
        port = urllib.parse.urlsplit(self.service.url).port
        context = ssl.create_default_context(cafile=self.service.ca)
        sockets = []
        for i in range(60):
            raw = socket.create_connection(('127.0.0.1', port))
            if i % 3:
                raw = context.wrap_socket(raw, server_hostname='127.0.0.1')
                raw.send(b'POST /v1/token HTTP/1.1\r\nContent-Length: 60000\r\n\r\n' if i % 3 == 1 else b'GET /heal')
            sockets.append(raw)
        began = time.monotonic()
        self.assertEqual(self.service.exchange(self.issuer.mint())[0], 200)
        self.assertLess(time.monotonic() - began, 2)
        for raw in sockets:
            raw.close()

    def test_a_wrong_certificate_is_not_trusted(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            request(self.service.url + '/healthz', self.issuer.ca)

    def test_nothing_secret_is_in_the_log_or_the_store(self):
        token = self.issuer.mint()
        _, _, grant = self.service.exchange(token)
        self.service.exchange(token)
        self.service.on(grant, 'end', '{"reason":"client"}')
        kept = self.service.log_text().encode()
        for name in os.listdir(os.path.join(self.service.folder, 'data')):
            path = os.path.join(self.service.folder, 'data', name)
            if os.path.isfile(path) and name != 'mask.key':
                with open(path, 'rb') as file:
                    kept += file.read()
        for secret in [token, token.split('.')[2], grant['access_token'], grant['database']['password'], 'admin password']:
            self.assertNotIn(secret.encode(), kept)
        self.assertIn(grant['session'].encode(), kept)


class Floods(Base):
    def test_a_flood_of_bad_tokens_is_slowed_down_and_others_are_not(self):
        with Service(self.postgres, self.issuer, failures=10) as service:
            self.assertEqual(service.exchange(self.issuer.mint())[0], 200)
            codes = [service.exchange('garbage')[0] for _ in range(15)]
            self.assertEqual(codes, [400] * 10 + [429] * 5)
            status, headers, body = service.exchange(self.issuer.mint())
            self.assertEqual((status, body['error'], headers['Retry-After']), (429, 'too_many_requests', '60'))
            with sqlite3.connect(os.path.join(service.folder, 'data/dbguard.sqlite')) as db:
                self.assertEqual(db.execute("SELECT count(*) FROM audit WHERE decision = 'refused'").fetchone(), (10,), 'the flood does not fill the disk')


class FailingIssuer(Base):
    def test_keys_that_cannot_be_had_are_a_refusal_that_may_be_tried_again(self):
        for mode in ['error', 'redirect', 'garbage', 'empty']:
            with self.subTest(mode), Issuer() as issuer:
                issuer.control(mode=mode)
                with Service(self.postgres, issuer) as service:
                    status, _, body = service.exchange(issuer.mint())
                    self.assertEqual((status, body['error']), (503, 'temporarily_unavailable'))
                    decision, reason = self.audit(service, body['correlation_id'])
                    self.assertEqual(decision, 'failed')
                    self.assertIn('keys_unavailable', reason)

    def test_keys_are_kept_when_the_issuer_fails_later(self):
        with Issuer() as issuer, Service(self.postgres, issuer) as service:
            self.assertEqual(service.exchange(issuer.mint())[0], 200)
            issuer.control(mode='error')
            self.assertEqual(service.exchange(issuer.mint())[0], 200)

    def test_an_issuer_on_a_private_address_is_asked_only_where_the_file_allows_it(self):
        with Service(self.postgres, self.issuer, change=lambda text: text.replace('    private_hosts: 127.0.0.1\n', '')) as service:
            status, _, body = service.exchange(self.issuer.mint())
            self.assertEqual(status, 503)
            self.assertIn('http_blocked_address', self.audit(service, body['correlation_id'])[1])

    def test_an_issuer_with_a_certificate_of_another_authority_is_not_believed(self):
        with Issuer() as other:
            with Service(self.postgres, self.issuer, change=lambda text: text.replace(self.issuer.ca, other.ca)) as service:
                status, _, body = service.exchange(self.issuer.mint())
                self.assertEqual(status, 503)
                self.assertIn('http_certificate', self.audit(service, body['correlation_id'])[1])

    def test_static_keys_need_no_network(self):
        keys = request(self.issuer.url + '/jwks', self.issuer.ca)[2]

        def change(text):
            return text.replace('    ca_file: %s\n    private_hosts: 127.0.0.1\n' % self.issuer.ca, '    jwks_file: keys.json\n')

        class WithKeys(Service):
            def write(self):
                super().write()
                with open(os.path.join(self.folder, 'keys.json'), 'w') as file:
                    json.dump(keys, file)
        self.issuer.control(mode='error')
        try:
            with WithKeys(self.postgres, self.issuer, change=change) as service:
                self.assertEqual(service.exchange(self.issuer.mint())[0], 200)
        finally:
            self.issuer.control(mode='normal')


class GitLab(Base):
    def test_a_static_token_may_be_used_again_and_replaces_what_it_had(self):
        with Service(self.postgres, self.issuer, kind='gitlab') as service:
            token = self.issuer.mint('gitlab', lifetime=600)
            status, _, first = service.exchange(token)
            self.assertEqual(status, 200, first)
            self.assertLessEqual(first['expires_in'], 600, 'a session ends with the token that cannot be renewed')
            status, _, second = service.exchange(token)
            self.assertEqual(status, 200)
            self.assertEqual(service.on(first, 'renew')[0], 410)
            self.assertEqual(service.on(second, 'renew')[0], 200)
            self.assertEqual(service.roles_in_server(), [second['database']['user']])
            other_job = service.exchange(self.issuer.mint('gitlab', job_id='303'))[2]
            self.assertEqual(service.on(second, 'renew')[0], 200)
            for grant in (second, other_job):
                service.on(grant, 'end', '{"reason":"client"}')

    def test_forks_and_merge_requests_open_nothing(self):
        with Service(self.postgres, self.issuer, kind='gitlab') as service:
            for claims in [{'project_id': '99'}, {'job_project_id': '99'}, {'job_project_id': None}, {'ref_protected': 'false'}, {'pipeline_source': 'merge_request_event'}]:
                self.assertEqual(service.exchange(self.issuer.mint('gitlab', **claims))[0], 400, claims)


class Starting(Base):
    def serve(self, *args):
        return subprocess.run([PROGRAM, 'serve', *args], capture_output=True, text=True, env=plain_environment(), timeout=30)

    def test_check_reads_everything_and_asks_the_databases(self):
        with Service(self.postgres, self.issuer) as service:
            config = os.path.join(service.folder, 'serve.yaml')
            good = self.serve('--config', config, '--check', '--dev')
            self.assertEqual(good.returncode, 0, good.stderr)
            self.assertIn('good; 1 databases, 1 policies, 1 issuers', good.stderr)
            self.assertIn('no `tls`', self.serve('--config', config, '--check').stderr)
            self.postgres.sql('REVOKE app_ro FROM dbguard_admin')
            bad = self.serve('--config', config, '--check', '--dev')
            self.assertEqual(bad.returncode, 69)
            self.assertIn('GRANT app_ro TO dbguard_admin WITH ADMIN OPTION is needed', bad.stderr)
            self.postgres.sql('GRANT app_ro TO dbguard_admin WITH ADMIN OPTION; ALTER ROLE app_ro CREATEROLE')
            bad = self.serve('--config', config, '--check', '--dev')
            self.assertIn('is CREATEROLE', bad.stderr)
            status, _, body = service.exchange(self.issuer.mint())
            self.assertEqual((status, body['error']), (500, 'server_error'))
            self.assertNotIn('CREATEROLE', json.dumps(body), 'the reason is the operator\'s')
            self.postgres.sql('ALTER ROLE app_ro NOCREATEROLE')
            self.assertEqual(service.exchange(self.issuer.mint())[0], 200)

    def test_what_is_not_understood_does_not_start(self):
        with Service(self.postgres, self.issuer) as service:
            config = os.path.join(service.folder, 'serve.yaml')
            with open(config) as file:
                text = file.read()
            for change, message in [
                (text.replace('databases:', 'databasis:'), 'unknown key `databasis`'),
                (text.replace('engine: postgres', 'engine: oracle'), 'serve.yaml:13:13'),
                (text.replace('policies: shop.yaml', 'policies: missing.yaml'), 'missing.yaml'),
                (text.replace('password_file: admin.password', 'password_file: missing'), 'missing'),
                (text + text, 'stands here again'),
                ('', 'serve.yaml'),
            ]:
                with open(config, 'w') as file:
                    file.write(change)
                run = self.serve('--config', config, '--dev')
                self.assertEqual(run.returncode, 78, run.stderr)
                self.assertIn(message, run.stderr)
            with open(config, 'w') as file:
                file.write(text)
            busy = urllib.parse.urlsplit(service.url).netloc
            run = self.serve('--config', config, '--dev', '--listen', busy)
            self.assertEqual(run.returncode, 69)
            self.assertIn('Address already in use', run.stderr)
            self.assertEqual(self.serve('--config', '/nonexistent', '--check').returncode, 78)
            self.assertEqual(self.serve('--config', config, '--dev', '--listen', 'nonsense').returncode, 64)


if __name__ == '__main__':
    main()
