#!/usr/bin/python3
"""The conversations of tests/transcripts with a real server: what dbguard sends to either side is what its replay sends, and with a server
of the version that they were recorded with, the client gets what it got then."""
import pathlib
import re
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ('support', 'transcripts')]
from dbguard_test import Postgres, main  # noqa: E402
from conversations import CONVERSATIONS, HERE, make, record  # noqa: E402


def to_client(transcript):
    """The lines that the client got, without what differs from one build of a server to the next."""
    came, out = None, []
    for line in transcript.splitlines():
        if line.startswith(('F ', 'B ')):
            came = line[2:]
        elif line.startswith('  < '):
            line = came if line == '  < as received' else line[4:]
            out.append(re.sub(r' [FL]="[^"]*"', '', line))
    return out


class Transcripts(unittest.TestCase):
    def test_they_go_as_they_went(self):
        for name in CONVERSATIONS:
            with self.subTest(name), Postgres() as postgres:   # each its own: object numbers stand in some answers
                now = make(record(postgres, name))
                then = (HERE / 'postgres' / (name + '.txt')).read_text()
                if re.search('^server (.*)', now, re.M)[1] == re.search('^server (.*)', then, re.M)[1]:
                    self.assertEqual(to_client(now), to_client(then))

    def test_there_is_none_that_nobody_can_record_again(self):
        self.assertEqual({path.stem for path in (HERE / 'postgres').glob('*.txt')}, set(CONVERSATIONS))


if __name__ == '__main__':
    main()
