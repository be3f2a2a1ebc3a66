#!/usr/bin/env python3
"""Wrong usage, help, version: what stands on which stream, and the exit codes."""
import os
import re
import sys
import unittest
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
from dbguard_test import dbguard, main, plain_environment


class Usage(unittest.TestCase):
    def wrong(self, *args):
        r = dbguard(*args)
        self.assertEqual((r.returncode, r.stdout), (64, ''), r.stderr)
        self.assertTrue(r.stderr.startswith('dbguard: error: '), r.stderr)
        return r.stderr

    def test_unknown_options_and_commands_are_named_and_corrected(self):
        self.assertIn('unknown option --verison (did you mean --version?)', self.wrong('--verison'))
        self.assertIn('run: unknown option --tiemout (did you mean --timeout?)', self.wrong('run', '--tiemout', '5', '--', 'true'))
        self.assertIn('see dbguard run --help', self.wrong('run', '--tiemout', '5', '--', 'true'))
        self.assertIn('unknown command docter (did you mean doctor?)', self.wrong('docter'))
        self.assertNotIn('did you mean', self.wrong('run', '--zzzzzzzzz', '--', 'true'))

    def test_what_is_missing_or_malformed_is_named(self):
        self.assertIn('COMMAND is required', self.wrong('run'))
        self.assertIn('COMMAND is required', self.wrong('run', '--'))
        self.assertIn("--grace: 'soon' is no duration", self.wrong('run', '--grace', 'soon', '--', 'true'))
        self.assertIn("is no duration", self.wrong('run', '--timeout=-5s', '--', 'true'))
        self.assertIn('--fail-on', self.wrong('run', '--fail-on', 'rain', '--', 'true'))
        self.assertIn('unknown word {hots}', self.wrong('run', '--export', 'X={hots}', '--', 'true'))
        self.assertIn('NAME=TEMPLATE', self.wrong('run', '--export', 'X', '--', 'true'))
        self.assertIn('1X is no variable', self.wrong('run', '--export', '1X=a', '--', 'true'))
        self.assertIn('cannot_open' if False else '/no/such/folder/log', self.wrong('run', '--log-file', '/no/such/folder/log', '--', 'true'))

    def test_without_a_command_help_goes_to_stderr(self):
        r = dbguard()
        self.assertEqual((r.returncode, r.stdout), (64, ''))
        self.assertIn('Usage: dbguard', r.stderr)

    def test_help_goes_to_stdout_and_teaches(self):
        for args in (('--help',), ('run', '--help'), ('doctor', '--help')):
            r = dbguard(*args)
            self.assertEqual((r.returncode, r.stderr), (0, ''), args)
            self.assertIn('Example', r.stdout)
            self.assertTrue(r.stdout.endswith('\n'))
        self.assertIn('dbguard run --db shop -- psql', dbguard('--help').stdout)
        run = dbguard('run', '--help').stdout
        for code in ('127', '126', '125', '124', '123', '122'):
            self.assertIn(code, run)

    def test_version(self):
        r = dbguard('--version')
        self.assertEqual(r.returncode, 0)
        self.assertRegex(r.stdout, r'^dbguard \d+\.\d+\.\d+\n$')

    def test_colour_only_where_it_is_wanted(self):
        def coloured(**env):
            return '\x1b[' in dbguard('--verison', env=plain_environment(**env)).stderr
        self.assertFalse(coloured())  # stderr is a pipe
        self.assertTrue(coloured(CLICOLOR_FORCE='1'))
        self.assertFalse(coloured(CLICOLOR_FORCE='1', NO_COLOR='1'))

    def test_nothing_from_outside_reaches_a_terminal_or_the_runner_as_it_is(self):
        r = dbguard('run', '--bad\x1b[31m\n::error::x##[error]y\x9b\u202e', '--', 'true')
        self.assertEqual(len(r.stderr.splitlines()), 2)
        self.assertIsNone(re.search('[\x00-\x09\x0b-\x1f\x7f\u202e]|##\\[', r.stderr))


if __name__ == '__main__':
    main()
