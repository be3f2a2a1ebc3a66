"""`dbguard proxy` around a private PostgreSQL, for tests of the relay."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading

from dbguard_test import PROGRAM, plain_environment, wait_for

HEAD = '''dbguard: 1
policy: test
identities:
  local: { issuer: "https://issuer.example", audience: dbguard, claims: { repository_id: "1" } }
databases:
  %s: { engine: postgres }
roles:
'''


class Proxy:
    """The program with this policy (the text behind `roles:`), ready; gone with the block. `before`: words before the program's name."""

    def __init__(self, postgres, roles, role='tester', database='postgres', flags=(), env=None, url=None, listen='127.0.0.1:0', before=()):
        self.folder = tempfile.mkdtemp(prefix='dbguard-proxy-')
        self.policy = os.path.join(self.folder, 'policy.yaml')
        pathlib.Path(self.policy).write_text(HEAD % database + roles)
        self.records = os.path.join(self.folder, 'rec')
        self.errors = os.path.join(self.folder, 'stderr')
        command = [*before, PROGRAM, 'proxy', '--policy', self.policy, '--role', role, '--listen', listen, '--record-dir', self.records, '--json', *flags]
        with open(self.errors, 'wb') as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                            env=plain_environment(DBGUARD_DB_URL=url or postgres.url(database), **(env or {})))
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(10)
            self.process.stdout.close()
            errors = self.stderr()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise AssertionError('proxy ended with %s: %s' % (self.process.returncode, errors))
        self.ready = json.loads(line)
        self.url = self.ready['url']
        self.reader = threading.Thread(target=self.process.stdout.read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def stderr(self):
        return pathlib.Path(self.errors).read_text(errors='replace')

    def peak_kib(self):
        for line in pathlib.Path("/proc/%d/status" % self.process.pid).read_text().splitlines():
            if line.startswith('VmHWM'):
                return int(line.split()[1])

    def record(self):
        """The recording's lines."""
        return [json.loads(line) for line in pathlib.Path(self.ready["recording"]).read_text().splitlines()]

    def stop(self, how=signal.SIGTERM):
        """-> its exit code"""
        self.process.send_signal(how)
        return self.process.wait(20)

    def close(self):
        code = self.process.poll()
        if code is None:
            code = self.stop()
        self.reader.join(5)
        self.process.stdout.close()
        errors = self.stderr()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert code in (0, -signal.SIGKILL), 'proxy ended with %s:\n%s' % (code, errors[-4000:])


def psql(postgres, url, *commands, **kw):
    """-> (exit code, stdout, stderr) of psql with these commands"""
    args = [postgres.bin + '/psql', '-X', url]
    for command in commands:
        args += ['-c', command]
    done = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=plain_environment(), **kw)
    return done.returncode, done.stdout, done.stderr
