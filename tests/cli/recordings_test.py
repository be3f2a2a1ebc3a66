#!/usr/bin/env python3
"""replay, verify and sessions on recordings that this script writes itself, whole, cut, changed and hostile."""
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from dbguard_test import PROGRAM, SOURCE, dbguard, main, plain_environment

EVIL = '\x1b]0;owned\x07\x9b31m\u202e##[error]x\n::error::y'


def chained(events):
    out, previous = b'', '0' * 64
    for n, event in enumerate(events):
        line = json.dumps({'n': n, 'p': previous, **event}, ensure_ascii=False, separators=(',', ':')).encode()
        previous = hashlib.sha256(line).hexdigest()
        out += line + b'\n'
    return out


def session(sid='s_ONE', at='2026-11-20T14:03:07.114Z', **more):
    return [
        {'t': 'head', 'v': 1, 'sid': sid, 'at': at, 'role': 'tester', 'db': 'shop', 'engine': 'postgres', **more},
        {'t': 'stmt', 'at': at, 'tx': 'I', 'proto': 'simple', 'sql': 'SELECT 1', 'd': {'v': 'allow', 'rule': 'tester#1'}, 'sent': True},
        {'t': 'done', 'for': 1, 'tag': 'SELECT 1', 'rows': 1, 'ms': 0.4},
        {'t': 'stmt', 'at': at, 'tx': 'I', 'proto': 'simple', 'sql': 'DROP TABLE a', 'd': {'v': 'deny', 'rule': 'tester#2', 'why': 'no'}},
        {'t': 'end', 'at': at, 'why': 'client', 'stmts': 2, 'denied': 1, 'failed': 0},
    ]


class Recordings(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def write(self, name, data):
        path = os.path.join(self.dir, name + '.dbgl')
        with open(path, 'wb') as f:
            f.write(data)
        return path

    def verify(self, *args):
        return dbguard('verify', *args)

    def test_each_kind_of_damage_has_its_exit_code(self):
        good = chained(session())
        changed = good.replace(b'SELECT 1"', b'SELECT 2"', 1)
        whole = self.write('s_ONE', good)
        for name, data, code, text in (
                ('good', good, 0, 'complete: 5 lines'), ('padded', good + b'\0' * 9000, 0, 'complete'),
                ('changed', changed, 1, 'BROKEN'), ('behind', good + b'x', 1, 'BROKEN'),
                ('torn', good[:-1], 2, 'torn tail'), ('zeros', good[:-9] + b'\0' * 9000, 2, 'torn tail'),
                ('unended', good[:good.rindex(b'{')], 3, 'no end'), ('empty', b'', 4, 'cannot be verified'),
                ('other', b'hello\n', 4, 'not_a_recording')):
            r = self.verify(self.write(name, data))
            self.assertEqual((r.returncode, r.stderr), (code, ''), name)
            self.assertIn(text, r.stdout)
        self.assertEqual(self.verify(os.path.join(self.dir, 'none.dbgl')).returncode, 4)
        self.assertEqual(self.verify(self.dir + '/').returncode, 1)   # all in it; the worst
        os.mkdir(self.dir + '/nothing')
        r = self.verify(self.dir + '/nothing')
        self.assertEqual((r.returncode, 'no recording' in r.stderr), (4, True))
        # Of several the worst; the session's name finds the file.
        self.assertEqual(self.verify('--dir', self.dir, 's_ONE').returncode, 0)
        self.assertEqual(self.verify('--dir', self.dir, 's_ONE', 'torn', 'unended').returncode, 2)
        self.assertEqual(self.verify('--dir', self.dir, 'changed', 'empty').returncode, 1)
        head = json.loads(self.verify('--json', whole).stdout)['head']
        self.assertEqual(head, hashlib.sha256(good.split(b'\n')[-2]).hexdigest())
        self.assertEqual(self.verify('--head', head, whole).returncode, 0)
        self.assertEqual(self.verify('--head', '0' * 64, whole).returncode, 1)
        self.assertEqual(self.verify().returncode, 64)

    def test_replay_shows_statements_and_outcomes(self):
        path = self.write('s_ONE', chained(session()))
        r = dbguard('replay', path)
        self.assertEqual((r.returncode, r.stderr), (0, ''))
        self.assertIn('#1  allowed  tester#1', r.stdout)
        self.assertIn('| DROP TABLE a\n', r.stdout)
        self.assertIn('because no', r.stdout)
        denied = dbguard('replay', '--denied', '--dir', self.dir, 's_ONE').stdout
        self.assertNotIn('SELECT 1', denied)
        self.assertIn('DROP TABLE a', denied)
        self.assertEqual(dbguard('replay', '--json', path).stdout.encode(), chained(session()))

    def test_replay_leaves_out_what_was_not_asked_for(self):
        events = session()
        events[1].update(eff=[{'c': 'read.table', 'o': ['public.a']}])
        events[3].update(eff=[{'c': 'ddl.drop', 'o': ['public.a']}], c=2)
        path = self.write('s_ONE', chained(events))
        for flags, kept in ((['--writes'], [3]), (['--statement', '1'], [1]), (['--connection', '2'], [3]), (['--connection', '1'], [1]),
                            (['--denied', '--statement', '1'], [])):
            text = dbguard('replay', *flags, path).stdout
            self.assertEqual(['SELECT 1\n' in text, 'DROP TABLE a' in text], [1 in kept, 3 in kept], flags)
            lines = [json.loads(line) for line in dbguard('replay', '--json', *flags, path).stdout.splitlines()]
            self.assertEqual([line['n'] for line in lines if line['t'] == 'stmt'], kept, flags)
            self.assertEqual([line['for'] for line in lines if line['t'] == 'done'], [n for n in kept if n == 1], flags)
        self.assertEqual(dbguard('replay', '--speed', '0', path).returncode, 64)

    def test_replay_plays_in_time_with_short_pauses(self):
        events = session()
        events[3].update(at='2026-11-20T14:03:08.114Z')   # a second later
        events[4].update(at='2026-11-20T18:00:00.000Z')   # hours later
        path = self.write('s_ONE', chained(events))
        began = time.monotonic()
        self.assertEqual(dbguard('replay', '--speed', '4', path).returncode, 0)
        self.assertGreater(time.monotonic() - began, 2.2)
        self.assertLess(time.monotonic() - began, 6)

    def test_replay_follows_what_is_being_written(self):
        data = chained(session())
        lines = data.splitlines(keepends=True)
        path = self.write('s_ONE', lines[0] + lines[1][:20])
        with open(path, 'ab') as writer:
            fcntl.flock(writer, fcntl.LOCK_EX)
            follower = subprocess.Popen([PROGRAM, 'replay', '-f', '--json', path], stdout=subprocess.PIPE, env=plain_environment())
            self.addCleanup(follower.stdout.close)
            self.assertEqual(follower.stdout.readline(), lines[0])
            for part in (lines[1][20:40], lines[1][40:], lines[2] + lines[3], lines[4]):
                time.sleep(0.3)
                writer.write(part)
                writer.flush()
            self.assertEqual(follower.wait(20), 0)
            self.assertEqual(follower.stdout.read(), b''.join(lines[1:]))
        # A writer that dies ends it.
        path = self.write('s_TWO', b''.join(lines[:3]))
        with open(path, 'ab') as writer:
            fcntl.flock(writer, fcntl.LOCK_EX)
            follower = subprocess.Popen([PROGRAM, 'replay', '-f', path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=plain_environment())
            time.sleep(0.5)
            self.assertIsNone(follower.poll())
            writer.write(lines[3])
        out, problems = follower.communicate(timeout=20)
        self.assertEqual(follower.returncode, 0, problems)
        self.assertIn(b'DROP TABLE a', out)
        self.assertIn(b'no end', problems)

    def test_recordings_in_a_folder_vouch_for_the_ones_before(self):
        first = chained(session())
        head = hashlib.sha256(first.splitlines()[-1]).hexdigest()
        self.write('s_ONE', first)
        self.write('s_TWO', chained(session('s_TWO', prev='s_ONE:' + head)))
        self.write('s_THREE', chained(session('s_THREE', prev='s_GONE:' + head)))   # one that was removed, perhaps by retention
        self.assertEqual(self.verify(self.dir).returncode, 0)
        shown = json.loads(dbguard('sessions', 'show', '--json', '--dir', self.dir, 's_TWO').stdout)
        self.assertEqual(shown['previous'], 's_ONE:' + head)
        for other in (first[:first.rindex(b'{')], chained(session(role='other')), first[:-30]):   # cut, written anew, torn
            self.write('s_ONE', other)
            r = self.verify(self.dir)
            self.assertEqual(r.returncode, 1)
            self.assertIn('s_TWO, which followed it, names another head', r.stdout)
            self.assertEqual(r.stdout.count('complete'), 2)

    def test_replay_stops_where_the_chain_breaks(self):
        data = chained(session()).replace(b'DROP TABLE a', b'DROP TABLE b')
        r = dbguard('replay', self.write('s_ONE', data))
        self.assertEqual(r.returncode, 1)
        self.assertIn('SELECT 1', r.stdout)
        self.assertIn('broken_chain', r.stderr)
        self.assertNotIn('ended', r.stdout)
        r = dbguard('replay', self.write('torn', chained(session())[:-5]))
        self.assertEqual(r.returncode, 2)
        self.assertIn('torn_tail', r.stderr)
        self.assertEqual(dbguard('replay', os.path.join(self.dir, 'none.dbgl')).returncode, 4)

    def test_nothing_recorded_steers_a_terminal(self):
        events = session(sid=EVIL, role=EVIL, who={EVIL: EVIL}, agent={'name': EVIL}, policy=EVIL, login=EVIL)
        events[1].update(sql=EVIL, tx=EVIL, par=[EVIL], d={'v': EVIL, 'rule': EVIL, 'why': EVIL})
        events[2].update(tag=EVIL)
        events[4].update(why=EVIL)
        name = 's_\x1b[2J\x9b'
        path = self.write(name, chained(events))
        for args in (('replay', path), ('replay', '--json', path), ('verify', path), ('verify', '--json', path),
                     ('sessions', 'list', '--dir', self.dir), ('sessions', 'list', '--json', '--dir', self.dir),
                     ('sessions', 'show', path), ('sessions', 'show', '--json', path), ('replay', path + 'x')):
            r = dbguard(*args)
            for text in (r.stdout, r.stderr):
                for c in text:
                    self.assertTrue(c == '\n' or ord(c) >= 0x20 and not 0x7f <= ord(c) < 0xa0 and c != '\u202e', (args, text))
                self.assertNotIn('##[', text)
                for line in text.split('\n'):
                    self.assertFalse(line.strip().startswith('::'), (args, line))

    def test_sessions_are_listed_latest_first(self):
        self.write('s_ONE', chained(session()))
        self.write('s_TWO', chained(session('s_TWO', '2026-11-21T00:00:00.000Z')))
        self.write('s_OLD', chained(session('s_OLD', '2026-11-19T00:00:00.000Z')[:3]))
        r = dbguard('sessions', 'list', '--dir', self.dir)
        self.assertEqual((r.returncode, r.stderr), (0, ''))
        rows = [line.split() for line in r.stdout.splitlines()]
        self.assertEqual([row[0] for row in rows], ['SESSION', 's_TWO', 's_ONE', 's_OLD'])
        self.assertEqual([row[2] for row in rows[1:]], ['ended', 'ended', 'died'])
        self.assertIn('2 (1 denied)', r.stdout)
        listed = [json.loads(line) for line in dbguard('sessions', 'list', '--json', env=plain_environment(DBGUARD_RECORD_DIR=self.dir)).stdout.splitlines()]
        self.assertEqual([x['state'] for x in listed], ['ended', 'ended', 'died'])
        self.write('bad', b'x')
        r = dbguard('sessions', 'list', '--dir', self.dir)
        self.assertEqual(r.returncode, 1)
        self.assertIn('bad.dbgl', r.stderr)
        self.assertIn('s_TWO', r.stdout)
        self.assertEqual(dbguard('sessions', 'list', '--dir', self.dir + '/none').returncode, 4)
        self.assertEqual(dbguard('sessions').returncode, 64)

    def test_one_session_is_shown_and_verified(self):
        self.write('s_ONE', chained(session()))
        r = dbguard('sessions', 'show', '--dir', self.dir, 's_ONE')
        self.assertEqual(r.returncode, 0)
        self.assertRegex(r.stdout, r'verified +complete: 5 lines')
        shown = json.loads(dbguard('sessions', 'show', '--json', '--dir', self.dir, 's_ONE').stdout)
        self.assertEqual((shown['verified'], shown['denied']), ('complete', 1))
        path = self.write('changed', chained(session()).replace(b'SELECT 1"', b'SELECT 2"', 1))
        self.assertEqual(dbguard('sessions', 'show', path).returncode, 1)
        self.assertEqual(dbguard('sessions', 'show', '--dir', self.dir, 's_NONE').returncode, 4)

    def test_the_example_of_the_format_page(self):
        self.assertEqual(self.verify(str(SOURCE / 'tests/recording/example.dbgl')).returncode, 0)

    def test_a_full_output_is_an_error(self):
        path = self.write('s_ONE', chained(session()))
        with open('/dev/full', 'w') as full:
            for args in (('replay', path), ('verify', path), ('sessions', 'show', path)):
                code = subprocess.run([PROGRAM, *args], stdout=full, stderr=subprocess.DEVNULL, env=plain_environment()).returncode
                self.assertEqual(code, 1, args)


main()
