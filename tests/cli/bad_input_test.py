#!/usr/bin/env python3
"""Policies, URLs and files that are wrong, given to every command that reads them: a clear line with the place, the exit code of
dbguard-run(1), no secret in it, nothing started, and nothing that hangs."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from dbguard_test import PROGRAM, SOURCE, main, plain_environment, policy

SECRET = 'hunter2-of-the-database'
URL = 'postgresql://app:%s@127.0.0.1:9/shop?sslmode=disable' % SECRET
USUAL = '''dbguard: 1
policy: p
identities:
  local: { issuer: "https://issuer.example", audience: dbguard, claims: { repository_id: "1" } }
databases:
  shop: { engine: postgres }
roles:
  tester: { for: local, databases: shop, login: app, rules: [ { allow: read } ] }
'''


class BadInput(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='dbguard-bad-')
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.good = policy(self.folder, database='shop', login='app')
        self.marker = os.path.join(self.folder, 'ran')

    def file(self, name, content):
        path = pathlib.Path(self.folder) / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def dbguard(self, *args, url=URL, user=None, **env):
        began = time.monotonic()
        r = subprocess.run([PROGRAM, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, user=user,
                           env=plain_environment(DBGUARD_DB_URL=url, **env), start_new_session=True)
        r.stderr, r.stdout = r.stderr.decode(), r.stdout.decode()
        self.assertLess(time.monotonic() - began, 20)
        self.assertNotIn(SECRET, r.stderr + r.stdout)
        self.assertNotIn('AddressSanitizer', r.stderr)
        return r

    def fails(self, reason, *flags, policy=None, role='tester', commands=('run', 'proxy'), **kw):
        """`run` and `proxy` with these flags: 125, the reason, and no child."""
        policy = self.good if policy is None else policy
        common = (['--policy', policy] if policy else []) + (['--role', role] if role else []) + list(flags)
        for command in commands:
            rest = ['--', 'touch', self.marker] if command == 'run' else []
            r = self.dbguard(command, *common, *rest, **kw)
            self.assertEqual((r.returncode, r.stdout), (125, ''), (command, reason, r.stderr))
            self.assertIn(reason, r.stderr)
            self.assertTrue(r.stderr.splitlines()[-1].startswith('dbguard: error: '), r.stderr)
        self.assertFalse(os.path.exists(self.marker), 'the command was started')

    # ---- policies

    def test_policies_that_are_malformed_say_where(self):
        for name, text, place, reason in (
            ('empty', '', '1:1', 'empty'),
            ('garbage', '}{][', '1:1', ''),
            ('unclosed', 'dbguard: [\n', '', ''),
            ('tab', USUAL.replace('  tester', '\ttester'), '8:', ''),
            ('unknown key', USUAL.replace('login:', 'loign:'), '8:42', 'login'),
            ('later version', USUAL.replace('dbguard: 1', 'dbguard: 2'), '1:10', 'dbguard: 1'),
            ('alias', USUAL + 'masks: &a { x: *a }\n', '9:', ''),
            ('duplicate role', USUAL + USUAL.splitlines()[-1] + '\n', '9:3', 'tester'),
            ('duplicate key', USUAL + 'policy: q\n', '9:1', 'policy'),
            ('yes is no boolean', USUAL.replace('allow: read', 'allow: yes'), '8:', ''),
            ('unknown class', USUAL.replace('allow: read', 'allow: raed'), '8:', 'raed'),
        ):
            with self.subTest(name):
                path = self.file('bad.yaml', text)
                where = '%s:%s' % (path, place)
                self.fails(where, policy=path, commands=['run'])
                r = self.dbguard('policy', 'lint', path)
                self.assertEqual(r.returncode, 2, r.stderr)
                self.assertIn(where, r.stdout + r.stderr)
                self.assertIn(reason, r.stdout + r.stderr)
                r = self.dbguard('policy', 'explain', path, '--role', 'tester', '--sql', 'select 1')
                self.assertNotEqual(r.returncode, 0)
                self.assertIn(where, r.stdout + r.stderr)

    def test_policies_that_are_no_text(self):
        for name, content in {'NUL': USUAL.encode() + b'\0', 'latin-1': USUAL.encode().replace(b'policy: p', b'policy: \xe4'), 'UTF-16': USUAL.encode('utf-16'),
                              'a program': pathlib.Path('/bin/true').read_bytes(), 'control': USUAL.encode().replace(b'policy: p', b'policy: p\x1b[2J')}.items():
            with self.subTest(name):
                path = self.file('bad.yaml', content)
                self.fails(path + ':', policy=path)
                r = self.dbguard('policy', 'lint', path)
                self.assertEqual(r.returncode, 2, r.stderr)
                self.assertNotIn('\x1b', r.stdout + r.stderr)

    def test_policies_that_cannot_be_read(self):
        missing = os.path.join(self.folder, 'missing.yaml')
        os.symlink(missing, os.path.join(self.folder, 'dangling.yaml'))
        os.symlink(os.path.join(self.folder, 'loop.yaml'), os.path.join(self.folder, 'loop.yaml'))
        large = self.file('large.yaml', '')
        os.truncate(large, 1 << 30)
        for path, reason in ((missing, 'No such file'), (os.path.join(self.folder, 'dangling.yaml'), 'No such file'), (self.folder, 'directory'),
                             (os.path.join(self.folder, 'loop.yaml'), 'symbolic links'), (self.good + '/x', 'Not a directory'), (large, 'more than'), ('/dev/zero', 'more than'),
                             ('/dev/null', 'empty')):
            with self.subTest(path):
                self.fails(path, policy=path, commands=['run'])
                self.fails(reason, policy=path, commands=['proxy'])
                self.assertNotEqual(self.dbguard('policy', 'lint', path).returncode, 0)

    def test_a_policy_of_somebody_else(self):
        if os.getuid() == 0:
            os.chmod(self.folder, 0o711)
            os.chmod(self.good, 0o600)
            user = 'nobody'
        else:
            os.chmod(self.good, 0)
            user = None
        try:
            r = self.dbguard('run', '--policy', self.good, '--role', 'tester', '--', 'true', user=user)
        except PermissionError:
            self.skipTest('the program itself is closed to others')
        self.assertEqual(r.returncode, 125, r.stderr)
        self.assertIn('Permission denied', r.stderr)

    def test_roles_that_are_not_there(self):
        self.fails("no role 'Tester'; it has tester", role='Tester')
        self.fails('no role', role='tester ')
        self.fails('--role', role='')
        self.fails('--policy', policy='')

    def test_a_policy_from_a_pipe(self):
        read, write = os.pipe()
        os.write(write, USUAL.encode())
        os.close(write)
        r = subprocess.run([PROGRAM, 'run', '--policy', '/dev/fd/%d' % read, '--role', 'tester', '--', 'sh', '-c', 'exit 7'], pass_fds=[read], stdin=subprocess.DEVNULL,
                           capture_output=True, env=plain_environment(DBGUARD_DB_URL=URL), timeout=60)
        os.close(read)
        self.assertEqual(r.returncode, 7, r.stderr)

    def test_the_policy_that_the_readme_shows_is_none_of_these(self):
        readme = (SOURCE / 'README.md').read_text()
        path = self.file('readme.yaml', readme.split('```yaml\n')[1].split('```')[0])
        r = self.dbguard('policy', 'lint', path)
        self.assertEqual(r.returncode, 0, r.stdout)

    # ---- URLs

    def test_urls_that_are_wrong(self):
        for url, reason in (
            ('http://u:%s@h/d', 'scheme'),
            ('postgresq://u:%s@h/d', 'scheme'),
            ('u:%s@h/d', ''),
            ('//u:%s@h/d', ''),
            ('mysql://u:%s@h/d', 'mysql is not supported yet'),
            ('postgresql://u:%s@/d', 'host'),
            ('postgresql://', 'host'),
            ('postgresql:', ''),
            ('postgresql://u:%s@a,b/d', 'several hosts'),
            ('postgresql://u:%s@a:5432,b:5433/d', 'several hosts'),
            ('postgresql://u:%s@h/d?host=a,b', ''),
            ('postgresql://u:%s@h:0/d', 'port'),
            ('postgresql://u:%s@h:65536/d', 'port'),
            ('postgresql://u:%s@h:54x2/d', 'port'),
            ('postgresql://u:%s@[::1/d', ''),
            ('postgresql://u%%zz:%s@h/d', 'percent'),
            ('postgresql://u:%s%%@h/d', 'percent'),
            ('postgresql://u:%s%%4@h/d', 'percent'),
            ('postgresql://u:%s@h/d%%00', ''),
            ('postgresql://u:%s@h/d?sslmode=prefer', 'sslmode'),
            ('postgresql://u:%s@h/d?sslmode=yes', 'sslmode'),
            ('postgresql://u:%s@h/d?sslrootcert=/no/such/file', '/no/such/file'),
            ('postgresql://u:%s@h/d?channel_binding=maybe', 'channel_binding'),
            ('postgresql://u:%s@h/d?target_session_attrs=primary', 'target_session_attrs'),
            ('postgresql://u:%s@h h/d', ''),
            ('postgresql://u:%s@h\n/d', ''),
        ):
            url = url % SECRET if '%s' in url else url
            with self.subTest(url.replace(SECRET, '…')):
                self.fails(reason, url=url, commands=['run'])
                self.fails(reason, '--db-url', url, url=None, commands=['proxy'])

    def test_without_a_url(self):
        for url in (None, ''):
            r = self.dbguard('proxy', '--policy', self.good, '--role', 'tester', url=url)
            self.assertEqual(r.returncode, 125)
            self.assertIn('DBGUARD_DB_URL', r.stderr)

    def test_a_url_of_a_megabyte(self):
        path = self.file('args', 'postgresql://u@h/' + 'x' * 100_000)
        self.fails('', url=open(path).read() + '?host=a,b')

    # ---- where things are to be written

    def test_record_folders_that_cannot_be(self):
        self.fails('Not a directory', '--record-dir', self.good)
        self.fails('No such file', '--record-dir', self.folder + '/a/b/c')
        self.fails('/proc/none', '--record-dir', '/proc/none')
        if os.getuid() == 0 and subprocess.run(['unshare', '-m', 'true'], capture_output=True).returncode == 0:
            folder = os.path.join(self.folder, 'read-only')
            os.mkdir(folder)
            r = subprocess.run(['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o ro none "$1" && shift && exec "$@"', 'sh', folder, PROGRAM, 'run', '--policy', self.good, '--role', 'tester',
                                '--record-dir', folder, '--', 'touch', self.marker], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                               env=plain_environment(DBGUARD_DB_URL=URL))
            self.assertEqual(r.returncode, 125, r.stderr)
            self.assertIn('Read-only file system', r.stderr)
            self.assertFalse(os.path.exists(self.marker))

    def test_other_files_that_are_wrong(self):
        self.fails('No such file', '--mask-key-file', '/no/such/key')
        self.fails('empty', '--mask-key-file', '/dev/null')
        self.fails('directory', '--mask-key-file', self.folder)
        self.fails('more than', '--mask-key-file', '/dev/zero')

    def test_listeners_that_cannot_be(self):
        for listen in ('nowhere', '', ':', '127.0.0.1:65536', '1.2.3.4:0', 'unix:', 'unix:/proc/none', 'unix:' + self.folder + '/' + 'x' * 100, 'unix:' + self.good):
            with self.subTest(listen):
                self.fails('', '--listen', listen)


if __name__ == '__main__':
    main()
