#!/usr/bin/env python3
"""`dbguard run`: exit codes, signals, streams, environment, descriptors, descendants. The relay itself is tests/integration's."""
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from dbguard_test import PROGRAM, Postgres, Standalone, alive, json_lines, main, plain_environment, state, wait_for


def setUpModule():
    global postgres, guard
    postgres = Postgres().__enter__()
    guard = Standalone(postgres)


def tearDownModule():
    guard.close()
    postgres.__exit__()


def sh(script):
    return ['sh', '-c', script]


def read_line(process):
    return process.stdout.readline().decode().rstrip('\n')


class ExitCodes(unittest.TestCase):
    def test_the_commands_own(self):
        for code in (0, 1, 2, 3, 64, 77, 122, 125, 126, 127, 255):
            self.assertEqual(guard.run(sh('exit %d' % code)).returncode, code)

    def test_death_by_signal_is_a_true_one(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            self.assertEqual(guard.run(sh('kill -%d $$' % number)).returncode, -number)

    def test_bash_sees_it_too(self):
        line = ' '.join("'%s'" % a for a in guard.args()) + " sh -c 'kill -TERM $$'; echo code=$?"
        r = subprocess.run(['bash', '-c', line], capture_output=True, text=True, env=guard.env(), start_new_session=True)
        self.assertIn('code=143', r.stdout)
        self.assertIn('Terminated', r.stderr)  # bash's own word for a job killed by TERM

    def test_or_128_and_the_signal_where_that_is_wanted(self):
        self.assertEqual(guard.run(sh('kill -TERM $$'), '--code-for-signal').returncode, 143)

    def test_missing_and_not_executable(self):
        r = guard.run(['no-such-command-here'])
        self.assertEqual(r.returncode, 127)
        self.assertIn(b'no-such-command-here: No such file', r.stderr)
        self.assertEqual(guard.run(['/no/such/file']).returncode, 127)
        self.assertEqual(guard.run(['/etc/passwd']).returncode, 126)
        self.assertEqual(guard.run(['/']).returncode, 126)
        with tempfile.TemporaryDirectory() as folder:
            script = os.path.join(folder, 'script')
            with open(script, 'w') as f:
                f.write('#!/no/such/interpreter\n')
            os.chmod(script, 0o755)
            self.assertEqual(guard.run([script]).returncode, 127)  # as bash and env have it
            with open(script, 'w') as f:
                f.write('exit 9\n')
            self.assertEqual(guard.run([script]).returncode, 9)

    def test_deadline(self):
        began = time.monotonic()
        r = guard.run(sh('sleep 60'), '--timeout', '300ms')
        self.assertEqual(r.returncode, 124)
        self.assertIn(b'124', r.stderr)
        self.assertLess(time.monotonic() - began, 10)

    def test_set_up_failures(self):
        bad = os.path.join(guard.folder, 'bad.yaml')
        with open(bad, 'w') as f:
            f.write('dbguard: [\n')
        marker = os.path.join(guard.folder, 'ran')
        r = subprocess.run([PROGRAM, 'run', '--policy', bad, '--role', 'tester', '--', 'touch', marker], capture_output=True, env=guard.env())
        self.assertEqual(r.returncode, 125, r.stderr)
        self.assertFalse(os.path.exists(marker))

    def test_nested(self):
        r = guard.run(guard.args() + ['true'], env={})
        self.assertEqual(r.returncode, 125)
        self.assertIn(b'inside of dbguard (session s_', r.stderr)
        r = guard.run(['env', 'DBGUARD_DB_URL=' + postgres.url()] + guard.args('--nested') + sh('exit 5'))
        self.assertEqual(r.returncode, 5, r.stderr)

    def test_json_says_what_the_code_means(self):
        r = guard.run(sh('exit 3'), '--json')
        self.assertEqual(r.returncode, 3)
        events = {e['event']: e for e in json_lines(r.stderr.decode())}
        self.assertEqual((events['end']['exit_code'], events['end']['command_exit_code'], events['end']['signal']), (3, 3, 0))
        self.assertTrue(events['session']['session'].startswith('s_'))
        self.assertEqual({e['v'] for e in events.values()}, {1})
        end = json_lines(guard.run(sh('sleep 60'), '--json', '--timeout', '0.2').stderr.decode())[-1]
        self.assertEqual((end['exit_code'], end['level']), (124, 'error'))

    def test_quiet_says_nothing_of_what_went_well(self):
        self.assertEqual(guard.run(sh('exit 3'), '--quiet').stderr, b'')
        self.assertIn(b'127', guard.run(['no-such-command-here'], '--quiet').stderr)


class Signals(unittest.TestCase):
    def test_term_is_passed_on_and_the_commands_answer_counts(self):
        p = guard.popen(sh("trap 'echo got; exit 7' TERM; echo up; while :; do sleep 0.05; done"))
        self.assertEqual(read_line(p), 'up')
        p.send_signal(signal.SIGTERM)
        out, err = p.communicate(timeout=20)
        self.assertEqual((p.returncode, out), (7, b'got\n'), err)

    def test_each_signal_reaches_the_command(self):
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            name = number.name[3:]
            p = guard.popen(sh("trap 'echo got %s; exit 8' %s; echo up; while :; do sleep 0.05; done" % (name, name)))
            self.assertEqual(read_line(p), 'up')
            p.send_signal(number)
            out, err = p.communicate(timeout=20)
            self.assertEqual((p.returncode, out), (8, b'got %s\n' % name.encode()), err)

    def test_a_command_that_dies_of_it_gives_a_true_signal_death(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            p = guard.popen(['sh', '-c', 'echo up; exec sleep 60'])
            self.assertEqual(read_line(p), 'up')
            p.send_signal(number)
            p.communicate(timeout=20)
            self.assertEqual(p.returncode, -number)

    def test_a_command_that_ignores_term_is_killed_after_the_grace(self):
        p = guard.popen(sh("trap '' TERM INT; echo up; while :; do sleep 0.05; done"), '--grace', '700ms')
        self.assertEqual(read_line(p), 'up')
        began = time.monotonic()
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=20)
        self.assertEqual(p.returncode, -signal.SIGKILL)
        self.assertGreater(time.monotonic() - began, 0.6)

    def test_the_deadline_kills_too(self):
        r = guard.run(sh("trap '' TERM; while :; do sleep 0.05; done"), '--timeout', '200ms', '--grace', '300ms')
        self.assertEqual(r.returncode, 124)

    def test_a_second_signal_means_now(self):
        p = guard.popen(sh("trap '' TERM INT; echo up; while :; do sleep 0.05; done"), '--grace', '60s')
        self.assertEqual(read_line(p), 'up')
        p.send_signal(signal.SIGINT)
        time.sleep(0.5)
        self.assertIsNone(p.poll())
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=10)
        self.assertEqual(p.returncode, -signal.SIGKILL)

    def test_under_timeout_the_command_still_has_its_grace(self):
        # timeout(1) signals dbguard and then its group: twice the same, at once.
        r = subprocess.run(['timeout', '3', *guard.args('--grace', '10s'), *sh("trap 'sleep 0.3; echo clean; exit 0' TERM; while :; do sleep 0.05; done")],
                           capture_output=True, env=guard.env(), timeout=30, start_new_session=True)
        self.assertEqual((r.returncode, r.stdout), (124, b'clean\n'), r.stderr)

    def test_an_ignored_hangup_stays_ignored(self):
        p = subprocess.Popen(['nohup', *guard.args(), *sh('echo $$; sleep 1.5; exit 6')], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=guard.env(), start_new_session=True)
        read_line(p)
        p.send_signal(signal.SIGHUP)
        p.communicate(timeout=20)
        self.assertEqual(p.returncode, 6)

    def test_it_ends_with_its_parent(self):
        # As a step's shell does on cancellation: it dies at once and leaves what it started.
        script = ' '.join("'%s'" % a for a in guard.args()) + " sh -c 'echo $PPID $$; exec sleep 60' & wait"
        shell = subprocess.Popen(['bash', '-c', script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=guard.env(), start_new_session=True)
        program, command = map(int, read_line(shell).split())
        shell.kill()
        wait_for(lambda: not alive(command) and not alive(program), 10, 'the end of dbguard and its command')
        self.assertIn(b'the process that started dbguard ended', shell.stderr.read())
        shell.stdout.close(), shell.stderr.close(), shell.wait()

    def test_nohup_outlives_its_parent(self):
        script = 'nohup ' + ' '.join("'%s'" % a for a in guard.args()) + " sh -c 'echo $PPID; sleep 1.5; echo done' & wait"
        shell = subprocess.Popen(['bash', '-c', script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=guard.env(), start_new_session=True)
        program = int(read_line(shell))
        shell.kill()
        shell.wait()
        self.assertTrue(alive(program))
        self.assertEqual(shell.stdout.read(), b'done\n')
        shell.stdout.close()

    def test_the_command_ends_when_dbguard_is_killed(self):
        p = guard.popen(['sh', '-c', 'echo $$; exec sleep 60'])
        command = int(read_line(p))
        p.kill()
        p.communicate()
        wait_for(lambda: not alive(command), 10, 'the end of the command')


class Descendants(unittest.TestCase):
    def test_leftovers_are_reported_and_left(self):
        r = guard.run(sh('setsid sleep 61 >/dev/null 2>&1 & echo $!; exit 4'))
        pid = int(r.stdout)
        try:
            self.assertEqual(r.returncode, 4)
            self.assertIn(b'left running by the command: sleep (%d)' % pid, r.stderr)
            self.assertTrue(alive(pid))
        finally:
            os.kill(pid, signal.SIGKILL)

    def test_leftovers_are_ended_where_that_is_asked_for(self):
        r = guard.run(sh('setsid sleep 61 >/dev/null 2>&1 & echo $!; exit 4'), '--end-leftovers')
        self.assertEqual(r.returncode, 4)
        self.assertFalse(alive(int(r.stdout)))

    def test_who_is_told_to_end_takes_descendants_along(self):
        p = guard.popen(sh("setsid sh -c 'trap \"\" TERM; echo $$; sleep 61; sleep 61' & sleep 61"), '--grace', '500ms')
        pid = int(read_line(p))
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=20)
        self.assertFalse(alive(pid))


class Streams(unittest.TestCase):
    def test_stdin_and_stdout_are_the_commands_own_byte_for_byte(self):
        data = os.urandom(3_000_000) + bytes(range(256))
        r = guard.run(['cat'], input=data)
        self.assertEqual(r.returncode, 0)
        self.assertTrue(r.stdout == data)

    def test_a_file_as_stdin_is_read_where_it_stands(self):
        with tempfile.TemporaryFile() as f:
            f.write(b'one\ntwo\nthree\n')
            f.seek(4)
            self.assertEqual(guard.run(['cat'], stdin=f).stdout, b'two\nthree\n')

    def test_a_reader_that_goes_away(self):
        r = subprocess.run(['bash', '-c', ' '.join("'%s'" % a for a in guard.args()) + ' yes | head -1; echo ${PIPESTATUS[0]}'], capture_output=True, env=guard.env(), start_new_session=True, timeout=30)
        self.assertEqual(r.stdout, b'y\n141\n')  # 128 + SIGPIPE

    def test_closed_streams(self):
        r = subprocess.run(['bash', '-c', ' '.join("'%s'" % a for a in guard.args()) + ''' sh -c 'ls /proc/$$/fd | tr "\\n" " "; exit 3' <&- 2>&-; echo $?'''], capture_output=True, env=guard.env(), start_new_session=True, timeout=30)
        self.assertTrue(r.stdout.endswith(b'3\n'), r.stdout)

    def test_no_descriptor_leaks_into_the_command(self):
        listing = sh('i=0; while [ $i -lt 300 ]; do [ ! -e /proc/$$/fd/$i ] || echo $i; i=$((i + 1)); done')
        self.assertEqual(guard.run(listing).stdout, b'0\n1\n2\n')

    def test_descriptors_of_the_caller_go_on_to_the_command(self):
        # A shell's <(process substitution) is one.
        r = subprocess.run(['bash', '-c', ' '.join("'%s'" % a for a in guard.args()) + ' cat <(echo substituted) /dev/fd/7 7<<<seven'], capture_output=True, env=guard.env(), start_new_session=True, timeout=30)
        self.assertEqual(r.stdout, b'substituted\nseven\n', r.stderr)


class Environment(unittest.TestCase):
    def variables(self, *flags, **env):
        r = guard.run(['env', '-0'], *flags, env=env)
        self.assertEqual(r.returncode, 0, r.stderr)
        return dict(v.split('=', 1) for v in r.stdout.decode().split('\0') if v)

    def test_exactly_what_was_there_and_where_the_database_is(self):
        before = set(plain_environment(MINE='a b', EMPTY=''))
        after = self.variables(MINE='a b', EMPTY='')
        added = {'DATABASE_URL', 'PGHOST', 'PGPORT', 'PGUSER', 'PGPASSWORD', 'PGDATABASE', 'PGSSLMODE', 'PGGSSENCMODE', 'DBGUARD', 'DBGUARD_SESSION_ID'}
        self.assertEqual(set(after), before | added)
        self.assertEqual((after['MINE'], after['EMPTY'], after['DBGUARD'], after['PGHOST'], after['PGSSLMODE']), ('a b', '', '1', '127.0.0.1', 'disable'))
        self.assertEqual(after['DATABASE_URL'], 'postgresql://%(PGUSER)s:%(PGPASSWORD)s@127.0.0.1:%(PGPORT)s/%(PGDATABASE)s?sslmode=disable' % after)
        self.assertTrue(after['DBGUARD_SESSION_ID'].startswith('s_'))

    def test_nothing_that_leads_around_dbguard_or_proves_who_runs(self):
        removed = ['PGHOSTADDR', 'PGSERVICE', 'PGSERVICEFILE', 'PGPASSFILE', 'PGSSLROOTCERT', 'PGSSLCERT', 'PGSSLKEY', 'PGCHANNELBINDING', 'PGREQUIREAUTH',
                   'ACTIONS_ID_TOKEN_REQUEST_URL', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN', 'ACTIONS_RUNTIME_TOKEN', 'CI_JOB_JWT_V2', 'CIRCLE_OIDC_TOKEN', 'DBGUARD_ID_TOKEN']
        after = self.variables('--keep-env', 'ACTIONS_RUNTIME_TOKEN', **{name: 'verify-full' if name == 'x' else 'disable' for name in removed if name != 'PGCHANNELBINDING' and not name.startswith('PGSSL')})
        self.assertEqual([name for name in removed if name in after], ['ACTIONS_RUNTIME_TOKEN'])

    def test_the_real_password_is_nowhere(self):
        after = self.variables(PGPASSWORD=postgres.password, APP_DSN='host=x password=' + postgres.password, DATABASE_URL='postgres://u:x@h/d?application_name=ci')
        self.assertEqual([name for name, value in after.items() if postgres.password in value or 'a%20super' in value], [])
        self.assertTrue(after['DATABASE_URL'].startswith('postgres://'))
        self.assertIn('application_name=ci', after['DATABASE_URL'])

    def test_pristine_keep_and_export(self):
        after = self.variables('--pristine', '--keep-env', 'MINE', '--keep-env', 'OUR_*', '--export', 'DSN=Host={host};Port={port}', MINE='1', OUR_ONE='1', THEIRS='1', LC_ALL='C')
        self.assertEqual((after.get('MINE'), after.get('OUR_ONE'), after.get('THEIRS'), after.get('LC_ALL')), ('1', '1', None, 'C'))
        self.assertEqual(after['DSN'], 'Host=127.0.0.1;Port=' + after['PGPORT'])

    def test_dbguards_own_memory_and_environment_are_closed_to_the_command(self):
        r = guard.run(sh('tr "\\0" "\\n" </proc/$PPID/environ; echo; head -c 1 /proc/$PPID/mem'))
        text = r.stdout.decode(errors='replace')
        self.assertNotIn('a%20super', text)  # even root sees an overwritten value
        self.assertNotIn(postgres.password, text)

    def test_signals_start_as_they_were(self):
        grep = sh("grep -E '^Sig(Blk|Ign)' /proc/self/status")
        bare = subprocess.run(grep, capture_output=True, start_new_session=True).stdout
        self.assertEqual(guard.run(grep).stdout, bare)

    def test_no_new_privileges(self):
        grep = sh('grep NoNewPrivs /proc/self/status')
        self.assertEqual(guard.run(grep, '--no-new-privileges').stdout.split()[-1], b'1')
        bare = subprocess.run(grep, capture_output=True).stdout
        self.assertEqual(guard.run(grep).stdout, bare)


class Session(unittest.TestCase):
    """What the session does to the exit code."""

    @classmethod
    def setUpClass(cls):
        postgres.sql('CREATE TABLE things (id int); INSERT INTO things VALUES (1), (2)')
        cls.reader = Standalone(postgres, rules='      - allow: [read, tx, session.set]\n      - warn: ddl.create\n        why: Tables belong into migrations.\n')

    @classmethod
    def tearDownClass(cls):
        cls.reader.close()
        postgres.sql('DROP TABLE things')

    PSQL = 'psql -XqAt -c '

    def test_psql_works_through_it(self):
        r = self.reader.run(sh(self.PSQL + '"SELECT sum(id) FROM things"'))
        self.assertEqual((r.returncode, r.stdout), (0, b'3\n'), r.stderr)

    def test_a_unix_socket(self):
        folder = os.path.join(self.reader.folder, 'socket')
        r = self.reader.run(sh(self.PSQL + '"SELECT 7"; psql -XqAt "$DATABASE_URL" -c "SELECT 8"; echo "$PGHOST"; stat -c %a "$PGHOST"'), '--listen', 'unix:' + folder)
        self.assertEqual((r.returncode, r.stdout.decode().split('\n')), (0, ['7', '8', folder, '700', '']), r.stderr)
        self.assertFalse(os.path.exists(folder + '/.s.PGSQL.5432'))
        r = self.reader.run(['true'], '--listen', 'unix:' + folder, '--export', 'X={jdbc_url}')
        self.assertEqual(r.returncode, 125, r.stderr)
        self.assertIn(b'JDBC', r.stderr)

    def test_a_password_among_the_arguments_is_warned_of(self):
        r = self.reader.run(sh(self.PSQL + '"SELECT 7"'), '--db-url', postgres.url())
        self.assertEqual((r.returncode, r.stdout), (0, b'7\n'), r.stderr)
        self.assertIn(b'DBGUARD_DB_URL', r.stderr)
        self.assertNotIn(b'a%20super', r.stderr)

    def test_an_address_that_others_can_reach_is_refused(self):
        self.assertEqual(self.reader.run(['true'], '--listen', '0.0.0.0:0').returncode, 125)

    def test_a_denial_is_not_passed_over(self):
        script = sh(self.PSQL + '"DROP TABLE things"; exit 0')
        r = self.reader.run(script)
        self.assertEqual(r.returncode, 122, r.stderr)
        self.assertIn(b'1 statement of it was denied', r.stderr)
        self.assertIn(b'exit status 122', self.reader.run(script, '--quiet').stderr)
        self.assertEqual(self.reader.run(script, '--fail-on', 'none').returncode, 0)
        self.assertEqual(self.reader.run(sh(self.PSQL + '"DROP TABLE things"; exit 5')).returncode, 5)
        self.assertEqual(postgres.sql('SELECT count(*) FROM things'), '2')

    def test_a_denial_is_a_line_on_stderr_and_an_event(self):
        script = sh(self.PSQL + '"DROP TABLE things"')
        lines = [line for line in self.reader.run(script).stderr.decode().splitlines() if line.startswith('dbguard: ') and 'drop' in line.lower()]
        self.assertEqual(len(lines), 1)
        events = json_lines(self.reader.run(script, '--json').stderr.decode())
        self.assertEqual([e['level'] for e in events if e['event'] == 'deny'], ['warning'])
        self.assertEqual(events[-1]['denied'], 1)

    def test_the_log_file_has_it_all(self):
        log = os.path.join(self.reader.folder, 'log')
        self.reader.run(sh(self.PSQL + '"SELECT 1"'), '--quiet', '--log-file', log)
        with open(log) as f:
            events = [e['event'] for e in json_lines(f.read())]
        self.assertEqual((events[0], events[-1]), ('session', 'end'))
        self.assertIn('allow', events)
        self.assertEqual(os.stat(log).st_mode & 0o777, 0o600)

    def test_a_recording_that_goes_away_ends_the_session(self):
        records = os.path.join(self.reader.folder, 'rec')
        script = self.PSQL + '"SELECT 1"; rm -rf "$RECORDS"; i=0; while [ $i -lt 40 ]; do ' + self.PSQL + '"SELECT $i" || break; i=$((i + 1)); sleep 0.1; done; sleep 30'
        r = self.reader.run(sh(script), env={'RECORDS': records})
        self.assertEqual(r.returncode, 123, r.stderr)
        self.assertTrue(r.stdout.startswith(b'1\n'))

    def test_a_full_disk_lets_nothing_run(self):
        if os.getuid() != 0 or subprocess.run(['unshare', '-m', 'true'], capture_output=True).returncode != 0:
            self.skipTest('needs root for a small file system of its own')
        folder = os.path.join(self.reader.folder, 'small')
        os.mkdir(folder)
        many = os.path.join(self.reader.folder, 'many.sql')
        with open(many, 'w') as f:
            f.writelines('SELECT %d FROM things WHERE id = 1;\n' % i for i in range(20000))
        command = self.reader.args() + sh('%s -f %s; echo psql=$?; sleep 30' % (self.PSQL.replace(' -c', ''), many))
        command[command.index('--record-dir') + 1] = folder
        script = 'mount -t tmpfs -o size=3m none "$1" && shift && exec "$@"'
        r = subprocess.run(['unshare', '-m', 'sh', '-c', script, 'sh', folder, *command], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                           env=self.reader.env(), start_new_session=True, timeout=120)
        self.assertEqual(r.returncode, 123, r.stderr[-600:])
        answered = [line for line in r.stdout.splitlines() if line.isdigit()]
        self.assertGreater(len(answered), 100)
        self.assertLess(len(answered), 20000)
        self.assertIn('record', r.stderr)  # the client is told, too


class GitHub(unittest.TestCase):
    def test_the_password_is_masked_and_the_summary_written_and_stdout_untouched(self):
        summary, outputs = os.path.join(guard.folder, 'summary'), os.path.join(guard.folder, 'outputs')
        r = guard.run(sh('echo "$PGPASSWORD"'), env={'GITHUB_ACTIONS': 'true', 'GITHUB_STEP_SUMMARY': summary, 'GITHUB_OUTPUT': outputs})
        self.assertEqual(r.returncode, 0)
        password = r.stdout.decode()
        self.assertEqual(len(password.splitlines()), 1)
        self.assertTrue(r.stderr.decode().startswith('::add-mask::' + password))
        with open(summary) as f:
            text = f.read()
        self.assertIn('### dbguard', text)
        self.assertNotIn(password.strip(), text)
        with open(outputs) as f:
            self.assertIn('session<<', f.read())

    def test_a_denial_is_annotated_and_summed_up(self):
        reader = Standalone(postgres, rules='      - allow: [read, session.set]\n')
        self.addCleanup(reader.close)
        summary = os.path.join(reader.folder, 'summary')
        r = reader.run(['psql', '-Xqc', "CREATE TABLE \"x<b>|::error::y\" (id int) /*\n::warning::z\n*/"], env={'GITHUB_ACTIONS': 'true', 'GITHUB_STEP_SUMMARY': summary})
        commands = [line for line in r.stderr.decode().splitlines() if line.lstrip().startswith('::')]
        self.assertEqual([c.split('::')[1].split(' ')[0] for c in commands], ['add-mask', 'error'])
        with open(summary) as f:
            text = f.read()
        self.assertIn('| denied | 1 |', text)
        self.assertNotIn('<b>', text)
        self.assertIn('title=dbguard denied a statement::', commands[1])

    def test_annotations_and_summary_hold_no_text_of_a_statement(self):
        postgres.sql('CREATE TABLE told (v text)')
        reader = Standalone(postgres, rules='      - allow: [read, session.set]\n')
        self.addCleanup(reader.close)
        summary = os.path.join(reader.folder, 'summary')
        statements = ["CREATE ROLE r PASSWORD 'hunter2-a'", "INSERT INTO told VALUES ('jane@example.com')", "INSERT INTO told VALUES ('bob@example.com')"]
        r = reader.run(['psql', '-Xq', *[part for sql in statements for part in ('-c', sql)]], env={'GITHUB_ACTIONS': 'true', 'GITHUB_STEP_SUMMARY': summary})
        commands = [line for line in r.stderr.decode().splitlines() if line.startswith('::error')]
        with open(summary) as f:
            text = f.read()
        for told in commands + [text]:
            for part in ('hunter2', 'jane', 'bob', 'INSERT'):
                self.assertNotIn(part, told)
        # The same refusal twice is one note.
        self.assertEqual(len(commands), 2, commands)
        self.assertIn('2 times', commands[1])
        self.assertIn('| no rule opens it | 2 |', text)
        # On stderr the statements stand, as the recording has them.
        self.assertIn("INSERT INTO told VALUES ('<EMAIL>')", r.stderr.decode())
        self.assertIn("CREATE ROLE r PASSWORD '***'", r.stderr.decode())

    def test_stop_commands_encloses_the_command(self):
        r = guard.run(sh('echo "::error::from the database" >&2'), '--stop-commands', env={'GITHUB_ACTIONS': 'true'})
        lines = r.stderr.decode().splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith('::stop-commands::'))
        word = lines[start].split('::')[2]
        self.assertEqual(lines[start + 1:start + 3], ['::error::from the database', '::%s::' % word])
        self.assertGreaterEqual(len(word), 20)


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)
        self.text = ''

    def until(self, word, seconds=15):
        end = time.monotonic() + seconds
        while word not in self.text:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError('no %r in %r' % (word, self.text))
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b''
            if not data:
                raise AssertionError('the terminal ended without %r: %r' % (word, self.text))
            self.text += data.decode(errors='replace')
        before, self.text = self.text.split(word, 1)
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        while True:
            try:
                if not os.read(self.fd, 4096):
                    break
            except OSError:
                break
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class AtATerminal(unittest.TestCase):
    def shell(self):
        line = ' '.join("'%s'" % a for a in guard.args('--quiet'))
        return Terminal(['bash', '--norc', '--noprofile', '-i'], dict(guard.env(), PS1='', TERM='dumb', G=line, HISTFILE=''))

    def test_the_interrupt_key_reaches_the_command_once_and_leaves_dbguard(self):
        t = Terminal(guard.args('--quiet') + sh("trap 'echo got-int' INT; echo up; sleep 1; sleep 1; sleep 1; echo over; exit 5"), guard.env(TERM='dumb'))
        t.until('up')
        time.sleep(0.2)
        t.type('\x03')
        t.until('got-int')
        self.assertNotIn('got-int', t.until('over'))
        self.assertEqual(t.wait(), 5)

    def test_a_command_that_dies_of_the_key_gives_a_true_signal_death(self):
        t = Terminal(guard.args('--quiet') + ['sh', '-c', 'echo up; exec sleep 60'], guard.env(TERM='dumb'))
        t.until('up')
        t.type('\x03')
        self.assertEqual(t.wait(), -signal.SIGINT)

    def test_stop_and_continue_from_a_shell(self):
        t = self.shell()
        t.type("eval \"$G\" sh -c \"'echo u''p=\\$\\$.; read line; echo re''ad=\\$line; exit 5'\"\n")
        t.until('up=')
        command = int(t.until('.'))
        t.type('\x1a')
        t.until('Stopped')
        # A command that the signal has woken and not yet stopped would still read what is typed for the shell.
        wait_for(lambda: state(command) == 'T', 10, 'the stop of the command')
        t.type('fg\n')
        wait_for(lambda: state(command) == 'S', 10, 'the command going on')
        t.type('text\n')
        t.until('read=text')
        t.type('echo code=$?\n')
        t.until('code=5')
        t.type('exit\n')
        t.wait()

    def test_a_pager_behind_dbguard_reads_the_keyboard(self):
        # `less` and the command are both in the foreground: a group of the command's own would stop one of them.
        t = self.shell()
        t.type("eval \"$G\" echo rows | sh -c 'cat; read key </dev/tty; echo ke\"\"y=$key'\n")
        t.until('rows')
        t.type('q\n')
        t.until('key=q')
        t.type('exit\n')
        t.wait()

    def test_an_interactive_shell_inside(self):
        t = Terminal(guard.args('--quiet') + ['bash', '--norc', '--noprofile', '-i'], guard.env(TERM='dumb', PS1='', HISTFILE=''))
        t.type('sh -c "echo u\'\'p; exec sleep 60"\n')
        t.until('up')
        t.type('\x03')
        t.type('echo st"ill here"\n')
        t.until('still here')
        t.type('exit 3\n')
        self.assertEqual(t.wait(), 3)

    def test_a_terminal_that_goes_away_ends_it(self):
        t = Terminal(guard.args('--quiet', '--grace', '500ms') + sh("echo pid=$$ppid=$PPID.; trap '' HUP; while :; do sleep 0.05; done"), guard.env(TERM='dumb'))
        t.until('pid=')
        numbers = t.until('.').split('ppid=')
        os.close(t.fd)
        os.waitpid(t.pid, 0)
        wait_for(lambda: not any(alive(int(n)) for n in numbers), 10, 'the end of both')


if __name__ == '__main__':
    main()
