"""What the scripts in tests/cli and tests/integration share: the program under test, a private PostgreSQL, a policy, terminals.

    from dbguard_test import Postgres, dbguard, main, policy, ...
    class Case(unittest.TestCase): ...
    main()
"""
import glob
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(os.environ.get('DBGUARD_SOURCE', pathlib.Path(__file__).resolve().parents[2]))
PROGRAM = os.environ.get('DBGUARD', str(SOURCE / 'build/dev/cli/dbguard'))
SKIPPED = 77


def skip(why):
    """The whole script: ctest reports it as skipped."""
    print('skipped: ' + why)
    sys.exit(SKIPPED)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def plain_environment(**more):
    """This process's environment without what would change what dbguard does."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(('DBGUARD', 'PG', 'GITHUB_', 'ACTIONS_', 'CI_', 'MYSQL')) and k not in ('DATABASE_URL', 'CI', 'GITLAB_CI')}
    env.update({k: str(v) for k, v in more.items() if v is not None})
    return env


def wait_for(condition, seconds=10, what='it'):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError('%s did not happen within %g s' % (what, seconds))


def state(pid):
    """The letter that proc(5) gives for the state of a process; X where there is none."""
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rsplit(')', 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return 'X'


def alive(pid):
    return state(pid) not in 'ZX'


class Postgres:
    """A private cluster in a temporary folder, on a loopback port; gone with the block. `superuser` without a password is trusted on
    its Unix socket only; over TCP everybody gives a password."""

    def __init__(self, **settings):
        found = sorted(glob.glob('/usr/lib/postgresql/*/bin/initdb'), key=lambda p: int(p.split('/')[4]) if p.split('/')[4].isdigit() else 0)
        if not found:
            skip('no PostgreSQL server is installed (scripts/dependencies test)')
        fifteen = '/usr/lib/postgresql/15/bin/initdb'
        self.bin = os.path.dirname(fifteen if fifteen in found else found[-1])
        self.settings, self.process = settings, None
        self.user = None
        if os.getuid() == 0:  # the server refuses to run as root
            try:
                self.user = pwd.getpwnam('postgres')
            except KeyError:
                self.user = pwd.getpwnam('nobody')

    def _as(self):
        return {'user': self.user.pw_uid, 'group': self.user.pw_gid, 'extra_groups': []} if self.user else {}

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix='dbguard-pg-')
        self.port, self.superuser, self.password = free_port(), 'postgres', 'a super password'
        pw = os.path.join(self.folder, 'pw')
        with open(pw, 'w') as f:
            f.write(self.password + '\n')
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
            os.chown(pw, self.user.pw_uid, self.user.pw_gid)
        data = os.path.join(self.folder, 'data')
        subprocess.run([self.bin + '/initdb', '-D', data, '-U', self.superuser, '--pwfile', pw, '--auth-host=scram-sha-256', '--auth-local=trust',
                        '--encoding=UTF8', '--locale=C', '--no-sync'], check=True, stdout=subprocess.DEVNULL, cwd='/', env={'PATH': os.environ['PATH'], 'LC_ALL': 'C'}, **self._as())
        self.start()
        return self

    def start(self):
        options = dict({'fsync': 'off', 'synchronous_commit': 'off', 'full_page_writes': 'off', 'shared_buffers': '32MB', 'max_connections': '50'}, **self.settings)
        args = [self.bin + '/postgres', '-D', self.folder + '/data', '-p', str(self.port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=' + self.folder]
        for name, value in options.items():
            args += ['-c', '%s=%s' % (name, value)]
        log = open(self.folder + '/log', 'ab')
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd='/', start_new_session=True, env={'PATH': os.environ['PATH'], 'LC_ALL': 'C'}, **self._as())
        log.close()
        wait_for(lambda: subprocess.run([self.bin + '/pg_isready', '-q', '-h', '127.0.0.1', '-p', str(self.port)]).returncode == 0, 30, 'PostgreSQL start')

    def stop(self, how=signal.SIGINT):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)

    def __exit__(self, *_):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database='postgres', user=None, password=None, **parameters):
        from urllib.parse import quote, urlencode
        user, password = user or self.superuser, self.password if password is None else password
        query = urlencode(dict({'sslmode': 'disable'}, **parameters), quote_via=quote)
        return 'postgresql://%s:%s@127.0.0.1:%d/%s?%s' % (quote(user, safe=''), quote(password, safe=''), self.port, quote(database, safe=''), query)

    def sql(self, text, database='postgres'):
        """Runs it as the superuser, straight; -> its unaligned output"""
        return subprocess.run([self.bin + '/psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', self.folder, '-p', str(self.port), '-U', self.superuser, '-d', database, '-c', text],
                              check=True, capture_output=True, text=True, env=plain_environment()).stdout.rstrip('\n')


EVERYTHING = 'read, write, ddl, bulk, dcl, call, session, tx, lock, notify, maintenance, server, unparsed'


def policy(folder, rules=None, columns='', database='postgres', login='postgres', name='policy.yaml'):
    """A policy file with one role `tester`; allows everything unless told otherwise. -> its path"""
    rules = rules or '      - allow: [%s]\n' % EVERYTHING
    text = ('dbguard: 1\npolicy: test\nidentities:\n  local: { issuer: "https://issuer.example", audience: dbguard, claims: { repository_id: "1" } }\n'
            'databases:\n  %s: { engine: postgres }\n%sroles:\n  tester:\n    for: local\n    databases: %s\n    login: %s\n    rules:\n%s'
            % (database, columns, database, login, rules))
    path = pathlib.Path(folder) / name
    path.write_text(text)
    return str(path)


class Standalone:
    """`dbguard run` with a policy file against this cluster: what the tests of `run` have in common."""

    def __init__(self, postgres, rules=None, columns=''):
        self.postgres = postgres
        self.folder = tempfile.mkdtemp(prefix='dbguard-test-')
        self.policy = policy(self.folder, rules, columns)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def args(self, *flags):
        return [PROGRAM, 'run', '--policy', self.policy, '--role', 'tester', '--record-dir', os.path.join(self.folder, 'rec'), *flags, '--']

    def env(self, **more):
        return plain_environment(DBGUARD_DB_URL=self.postgres.url(), **more)

    def run(self, command, *flags, env=None, **kw):
        kw.setdefault('timeout', 60)
        kw.setdefault('stdin', subprocess.DEVNULL) if 'input' not in kw else None
        return subprocess.run(self.args(*flags) + command, capture_output=True, env=self.env(**(env or {})), start_new_session=True, **kw)

    def popen(self, command, *flags, env=None, **kw):
        return subprocess.Popen(self.args(*flags) + command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=self.env(**(env or {})), start_new_session=True, **kw)


def dbguard(*args, env=None, **kw):
    kw.setdefault('timeout', 60)
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env or plain_environment(), **kw)


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith('{')]


def main():
    if not os.access(PROGRAM, os.X_OK):
        sys.exit('no program at ' + PROGRAM)
    unittest.main(verbosity=2)
