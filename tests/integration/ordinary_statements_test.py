#!/usr/bin/python3
"""What people and their tools say all day, and what they get wrong, by ordinary/*.sql: each message is sent straight to a server and to
its twin behind the guard, with every class allowed and two columns masked, as a simple query and in the extended protocol. Every byte
of the answers must be the same, but for the texts that the files name.

A paragraph of a file is one message; a line `-- hidden: …` in it says that the guard's answer may differ, and why: then it has an error
where the server has one, and the same SQLSTATE. `-- simple`: not in the extended protocol."""
import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / 'orm'))
import ordinary  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from dbguard_test import main  # noqa: E402
from postgres_wire import Wire, bind, copy_done, describe, error, execute, fields, msg, parse, query, row, sync  # noqa: E402


class Twins(ordinary.Servers):
    names = ('direct', 'masked')


def paragraphs(path):
    """-> (text, its remarks)"""
    for part in re.split(r'\n[ \t]*\n', path.read_text()):
        lines = part.strip('\n').split('\n')
        remarks = [line[3:] for line in lines if line.startswith('-- ')]
        text = '\n'.join(line for line in lines if not line.startswith('-- '))
        if text or remarks == ['only a comment']:
            yield text or part, remarks


class Sides:
    def __init__(self, servers, database):
        servers.sql('create database ' + database)
        for server in servers.of.values():
            server.sql((HERE / 'orm/app.sql').read_text(), database)
        self.proxy = Proxy(servers.of['masked'], ordinary.ROLE % database + ordinary.MASKED + ordinary.RECORD, database=database)
        self.direct = Wire(servers.of['direct'].url(database))
        self.masked = Wire(self.proxy.url)

    def close(self):
        self.direct.close()
        self.masked.close()
        self.proxy.close()

    def ask(self, wire, messages):
        """-> the answer, up to ReadyForQuery; a COPY FROM STDIN gets no data"""
        wire.send(messages)
        out = []
        while not out or out[-1][0] != 'Z':
            out.append(wire.get())
            if out[-1][0] == 'G':
                wire.send(copy_done)
        return out

    def both(self, messages):
        return self.ask(self.direct, messages), self.ask(self.masked, messages)


def shown(messages):
    out = []
    for kind, body in messages:
        if kind in 'EN':
            out.append(kind + ' ' + ' '.join(k + '=' + v for k, v in fields(body).items() if k not in 'VFL'))
        elif kind == 'D':
            out.append('D ' + repr(row(body)))
        else:
            out.append(kind + ' ' + repr(body)[:120])
    return '\n      '.join(out)


def of_no_server(message):
    """without what a server names after one of its processes: who notified, and the schema of temporary tables"""
    kind, body = message
    return kind, re.sub(rb'pg_temp_\d+', b'pg_temp_N', bytes(body[4:] if kind == 'A' else body))


def same(a, b, remarks):
    if [of_no_server(message) for message in a] == [of_no_server(message) for message in b]:
        return True
    if not any(remark.startswith('hidden: ') for remark in remarks):
        return False
    return bool(error(a)) == bool(error(b)) and (not error(a) or error(a)['C'] == error(b)['C'])


class Statements(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = Twins()
        cls.servers.__enter__()
        cls.addClassCleanup(cls.servers.__exit__)

    def check(self, name):
        sides = Sides(self.servers, 'said_' + name)
        try:
            count, differ = 0, []
            for text, remarks in paragraphs(HERE / 'ordinary' / (name + '.sql')):
                forms = {'simple': query(text)}
                # A Sync that is sent along is ignored by a server that reads COPY data, and ends the error of one that does not.
                if 'simple' not in remarks and 'FROM STDIN' not in text:
                    forms['extended'] = parse('', text) + describe('S', '') + bind('', '') + describe('P', '') + execute('') + sync
                for form, messages in forms.items():
                    try:
                        direct, masked = sides.both(messages)
                    except (TimeoutError, EOFError) as e:
                        self.fail('%s: %s: %r\n%s' % (form, text, e, '\n'.join(differ)))
                    count += 1
                    if not same(direct, masked, remarks):
                        differ.append('%s: %s\n  direct\n      %s\n  masked\n      %s' % (form, text, shown(direct), shown(masked)))
            print('   %-14s %5d messages, %d differ' % (name, count, len(differ)), file=sys.stderr)
            self.assertEqual(differ, [], '\n' + '\n'.join(differ))
        finally:
            sides.close()


for file in sorted((HERE / 'ordinary').glob('*.sql')):
    setattr(Statements, 'test_' + file.stem, lambda self, name=file.stem: self.check(name))

if __name__ == '__main__':
    main()
