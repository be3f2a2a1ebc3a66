#!/usr/bin/python3
"""Frameworks, drivers and programs of other languages that make, change, read and describe schemas, by orm/: what they print and what
they leave behind is as without the guard, and nothing of theirs is refused. One that is not installed is skipped, saying so."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'orm'))
import cases  # noqa: E402
from dbguard_test import main  # noqa: E402

Tools = cases.of('tools')

if __name__ == '__main__':
    main()
