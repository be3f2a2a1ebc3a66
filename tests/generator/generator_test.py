#!/usr/bin/python3
"""Random statements over random schemas, through `dbguard proxy` and beside it on the bare server.

    generator_test.py                          the fixed run of scripts/test: about a minute, another schema every 150 cases
    generator_test.py --cases 200000 --seed 7  by hand, an hour and more; --minutes 60 ends it by the clock
    generator_test.py --seed 7 --only 3:217    one case of schema 3, told in full

Each case is a transaction of one to four statements, rolled back. It is run
  direct      on the bare server,
  open        by a role that may do everything that is understood, and has no masks: byte for byte the same as direct,
  reader      by a role that may only `read`, in a READ ONLY transaction: what it lets pass, the server does not call a write,
  deny, mask, equality, allow   by roles with masks (derived and filter as below), in two databases that differ in the masked columns
              alone: nothing of a masked value is received, and but for `allow` both databases look the same in each byte.
What touches no masked column is the same as direct for the masked roles, too.
"""
import argparse
import collections
import os
import pathlib
import random
import re
import select
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, close, describe, error, execute, fields, flush, parse, query, row, sync  # noqa: E402
import grammar  # noqa: E402
import schema as schemas  # noqa: E402

HIDING = ('redact', 'null', 'zero', 'replace')                      # nothing of the value is left to see
SHOWING = ('email', 'last(2)', 'first(2)', 'partial(1,1)', 'hash')  # some of it is

# How statements are sent: simple queries; the extended protocol with results in text, in binary, in a format for each column; by named
# statements and portals, some rows at a time; all statements before one Sync.
FORMS = ('simple', 'text', 'binary', 'mixed', 'portal', 'pipeline')

EVERYTHING = 'read, write, tx, session, call, ddl, bulk, lock, notify, dcl, maintenance, server'
ROLES = '''
  open:
    for: local
    databases: %(db)s
    login: postgres
    rules:
      - allow: [%(all)s]
      - { deny: read, of: "no.such_table" }
  reader:
    for: local
    databases: %(db)s
    login: postgres
    rules:
      - allow: [read, tx]
      - { deny: read, of: "no.such_table" }
'''
MASKED_ROLE = '''  %(name)s:
    for: local
    databases: %(db)s
    login: postgres
    rules:
      - allow: [%(all)s]
    masks: [%(name)s, %(name)s_few]
'''
MASKS = '''  %(name)s:
    columns:
%(columns)s
    derived: %(derived)s
    filter: %(filter)s
'''
MASKED = {'deny': ('deny', 'deny', HIDING[:1]), 'mask': ('mask', 'deny', HIDING), 'equality': ('mask', 'equality', HIDING[:2]), 'allow': ('mask', 'allow', SHOWING)}


def denied(messages):
    return next((fields(b)['M'] for t, b in messages if t == 'E' and fields(b)['M'].startswith('dbguard:')), None)


def sqlstate(messages):
    return (error(messages) or {}).get('C')


class Session:
    """A connection on which transactions are played whole: everything is sent at once, then everything read."""

    def __init__(self, url, database=None):
        self.url = url
        self.wire = Wire(url, database)
        self.wire.s.settimeout(60)

    def play(self, statements, form, begin='begin'):
        """-> the messages that answer each statement; of a pipeline, those that answer all of them. form: one of FORMS"""
        end = [query('rollback')]
        if any(s.text.startswith('prepare') for s in statements) or form == 'portal':
            end.append(query('deallocate all'))
        if form == 'mixed':
            answers = [self.asked(query(begin)), *(self.mixed(s) for s in statements), *(self.asked(m) for m in end)]
        else:
            if form == 'pipeline':
                middle = [b''.join(self.extended(s, form) for s in statements) + sync]
            else:
                middle = [query(s.text) if form == 'simple' else self.extended(s, form, number) + sync for number, s in enumerate(statements)]
            out = [query(begin), *middle, *end]
            self.wire.send(*out)
            answers = [self.wire.until_ready() for _ in out]
        if answers[-1][-1] != ('Z', b'I'):
            raise AssertionError("the transaction did not end: %r" % (answers,))
        return answers[1:len(answers) - len(end)]

    def asked(self, message):
        self.wire.send(message)
        return self.wire.until_ready()

    def extended(self, statement, form, number=0):
        formats = [int(form != 'text' and kind in 'ti') for kind, _ in statement.values]
        values = [struct.pack('!i', int(raw)) if binary and kind == 'i' else raw.encode() for binary, (kind, raw) in zip(formats, statement.values)]
        # A parameter without a cast is of the type that its letter says.
        types = [{'t': 25, 'i': 23}.get(kind, 0) for kind, _ in statement.values]
        if form == 'portal':
            # By name, some rows at a time, and once more behind the end.
            name = 's%d' % number
            return (parse(name, statement.text, types) + describe('S', name) + bind('p', name, values, formats) + describe('P', 'p') + execute('p', 1) + execute('p', 2) + flush + execute('p') + close('P', 'p') +
                    bind('', name, values, formats, results=[1]) + execute('') + close('S', name))
        return parse('', statement.text, types) + bind('', '', values, formats, results=[1] if form == 'binary' else []) + describe('P', '') + execute('')

    def mixed(self, statement):
        """A format for each column, as the statement's description counts them."""
        types = [{'t': 25, 'i': 23}.get(kind, 0) for kind, _ in statement.values]
        first = self.asked(parse('', statement.text, types) + describe('S', '') + sync)
        columns = next((struct.unpack('!H', body[:2])[0] for kind, body in first if kind == 'T'), 0)
        if error(first) is not None:
            return first
        results = [(i + 1) % 2 for i in range(columns)]
        return first + self.asked(bind('', '', [raw.encode() for _, raw in statement.values], [], results=results if columns > 1 else []) + describe('P', '') + execute('') + sync)


class Generator:
    def __init__(self, seed, postgres, verbose=False, form=None):
        self.seed, self.postgres, self.verbose, self.form = seed, postgres, verbose, form
        self.counts = collections.Counter()
        self.reasons = collections.defaultdict(collections.Counter)
        self.found = []
        self.proxies, self.sessions = [], {}
        self.admin = Wire(postgres.url())

    def sql(self, wire, text):
        failed = error(wire.query(text))
        if failed is not None:
            raise AssertionError('%s\n%s' % (text, failed))

    def close(self):
        for session in self.sessions.values():
            session.wire.close()
        for proxy in self.proxies:
            proxy.close()
        self.proxies, self.sessions = [], {}

    def next_schema(self, number):
        self.close()
        self.number = number
        r = random.Random('%s/%s' % (self.seed, number))
        self.schema = schemas.Schema(r)
        for name in ('model', 'one', 'two'):
            self.sql(self.admin, 'drop database if exists ' + name)
        self.sql(self.admin, 'create database model')
        model = Wire(self.postgres.url('model'))
        for statement in self.schema.ddl:
            self.sql(model, statement)
        self.newest = int(model.rows('select max(oid::bigint) from (select oid from pg_class union all select oid from pg_type) o')[0][0])
        model.close()
        # Two databases with the same numbers for everything.
        for side, name in enumerate(('one', 'two')):
            self.sql(self.admin, 'create database %s template model' % name)
            wire = Wire(self.postgres.url(name))
            for statement in self.schema.load(side):
                self.sql(wire, statement)
            wire.close()
        masks = ''
        for name, (derived, filter_, functions) in MASKED.items():
            columns = {'': [], '_few': ["      - { tag: none, with: redact }"]}
            for relation, column in self.schema.masked():
                spelled = '.'.join('"%s"' % part.replace('"', '""') for part in (relation.schema, relation.name, column.name))
                function = r.choice(functions)
                columns['_few' if column.kind in 'be' else ''].append("      - { column: '%s', with: \"%s\" }" % (spelled.replace("'", "''"), function))
            for set_, lines in columns.items():
                # Every literal of an enum or a boolean is some row's value: `equality` finds it, as it says.
                filter_of = 'deny' if set_ and filter_ == 'equality' else filter_
                masks += MASKS % {'name': name + set_, 'derived': derived, 'filter': filter_of, 'columns': '\n'.join(lines)}
        for database in ('one', 'two'):
            roles = ROLES % {'db': database, 'all': EVERYTHING} + ''.join(MASKED_ROLE % {'name': name, 'db': database, 'all': EVERYTHING} for name in MASKED) + 'masks:\n' + masks
            for role in ('open', 'reader', *MASKED) if database == 'one' else ('deny', 'mask', 'equality'):
                proxy = Proxy(self.postgres, roles, role=role, database=database)
                self.proxies.append(proxy)
                self.sessions[role, database] = Session(proxy.url)
        self.sessions['direct', 'one'] = Session(self.postgres.url('one'))

    # ---- what is compared

    def same_numbers(self, messages):
        """The messages, with the numbers of what was made on the way, which differ each time, as one number."""
        out = []
        for kind, body in messages:
            if kind == 'T':
                at, parts = 2, [body[:2]]
                for _ in range(struct.unpack('!H', body[:2])[0]):
                    end = body.index(b'\0', at) + 1
                    relation, number, type_ = struct.unpack('!IHI', body[end:end + 10])
                    parts += [body[at:end], struct.pack('!IHI', min(relation, self.newest + 1), number, min(type_, self.newest + 1)), body[end + 10:end + 18]]
                    at = end + 18
                body = b''.join(parts)
            elif kind in 'EN':
                # Where in the server's source it was raised: a text that dbguard has the server parse first fails elsewhere.
                body = b'\0'.join(field for field in body.split(b'\0') if field[:1] not in (b'F', b'L', b'R'))
            out.append((kind, body))
        return out

    def without_estimates(self, messages):
        numbers = re.compile(r'cost=[\d.]+ rows=\d+|"(Startup Cost|Total Cost|Plan Rows)": [\d.]+')
        return [(kind, [numbers.sub('', value or '') for value in row(body)] if kind == 'D' else body) for kind, body in messages]

    def report(self, what, role, case, form, detail):
        key = '%s %s' % (what, role)
        self.counts['FOUND ' + key] += 1
        if self.counts['FOUND ' + key] <= 3 or self.verbose:
            self.found.append(key)
            print('--- %s: role %s, --seed %s --only %s:%s, %s' % (what, role, self.seed, self.number, case.number, form))
            for statement in case.statements:
                print('    ' + statement.text[:1000] + ('   -- %s' % statement.values if statement.values else ''))
            print('    ' + detail[:1500], flush=True)

    def first_difference(self, a, b):
        for number, (x, y) in enumerate(zip(a, b)):
            if x != y:
                for i in range(max(len(x), len(y))):
                    left, right = x[i] if i < len(x) else None, y[i] if i < len(y) else None
                    if left != right:
                        return 'statement %d: %r\n    against %r' % (number + 1, left, right)
        return '%d answers against %d' % (len(a), len(b))

    def run_case(self, number):
        r = random.Random('%s/%s/%s' % (self.seed, self.number, number))
        case = argparse.Namespace(number=number)
        case.statements = grammar.Grammar(r, self.schema).case()
        tainted = any(s.tainted for s in case.statements)
        form = r.choice(('simple', 'simple', 'simple', *FORMS))
        form = self.form or form
        if form == 'simple' and any(s.values for s in case.statements):
            form = 'text'
        texts = [s.text for s in case.statements]
        self.counts['cases'] += 1
        self.counts['statements'] += len(texts)

        def play(role, database='one', begin='begin'):
            try:
                return self.sessions[role, database].play(case.statements, form, begin)
            except (OSError, EOFError, AssertionError) as failed:
                self.report('NO ANSWER', role, case, form, repr(failed))
                key = role, database
                self.sessions[key].wire.close()
                self.sessions[key] = Session(self.sessions[key].url)
                return None

        direct = play('direct')
        if direct is None:
            return
        told = [self.same_numbers(m) for m in direct]
        accepted = sqlstate(sum(direct, [])) is None
        self.counts['accepted'] += accepted
        if not accepted:
            self.reasons['server'][(error(sum(direct, [])) or {}).get('C')] += 1
        if self.verbose:
            print('direct', direct)

        # (c) and (f): without masks nothing changes, and everything the server accepts is understood.
        seen = play('open')
        if seen is not None:
            refusal = denied(sum(seen, []))
            if refusal is not None:
                if accepted:
                    self.counts['unparsed'] += 1
                    self.reasons['unparsed'][re.sub(r'"[^"]*"', '"…"', refusal)[:150]] += 1
                    if self.counts['unparsed'] <= 3 or self.verbose:
                        print('unparsed: --seed %s --only %s:%s  %s\n    %s' % (self.seed, self.number, number, refusal, '; '.join(texts)), flush=True)
            elif [self.same_numbers(m) for m in seen] != told:
                self.report('DIFFERENT', 'open', case, form, self.first_difference([self.same_numbers(m) for m in seen], told))

        # (d): what passes as `read` is none to the server either.
        seen = play('reader', begin='begin read only')
        if seen is not None:
            for messages in seen:
                self.counts['read'] += denied(messages) is None and sqlstate(messages) is None
                if sqlstate(messages) == '25006' and denied(messages) is None:
                    self.report('A WRITE CALLED READ', 'reader', case, form, repr(error(messages)))

        for role in MASKED:
            one = play(role)
            if one is None:
                continue
            received = b''.join(t.encode() + b for m in one for t, b in m)
            refusal = denied(sum(one, []))
            if self.verbose:
                print(role, one)
            self.counts['denied by ' + role] += refusal is not None
            if refusal is not None:
                self.reasons[role][re.sub(r'"[^"]*"', '"…"', re.sub(r'(public|other)\.\S+', '…', refusal))[:110]] += 1
            # (a)
            out = self.schema.canaries.find(received)
            if out is not None and not any(out.split()[-1] in text.lower() for text in texts):
                self.report('A VALUE CAME OUT', role, case, form, '%s in %r' % (out, received))
            # (c)
            if not tainted and accepted and [self.same_numbers(m) for m in one] != told:
                if refusal is not None:
                    self.counts['denied without need'] += 1
                    self.reasons['without need'][refusal[:120]] += 1
                    if self.counts['denied without need'] <= 3 or self.verbose:
                        print('denied without need: --seed %s --only %s:%s  %s\n    %s' % (self.seed, self.number, number, refusal, '; '.join(texts)), flush=True)
                else:
                    self.report('DIFFERENT', role, case, form, self.first_difference([self.same_numbers(m) for m in one], told))
            # (b)
            if role != 'allow':
                two = play(role, 'two')
                if two is not None:
                    # The one has more dead rows by now, which is what estimates are made of: nothing is ANALYZEd.
                    explains = any('explain' in text for text in texts)
                    a, b = ([self.without_estimates(self.same_numbers(m)) if explains else self.same_numbers(m) for m in side] for side in (one, two))
                    if a != b:
                        self.report('THE VALUES SHOW', role, case, form, self.first_difference(a, b))

    def summary(self, seconds):
        print('%.0f s: ' % seconds + ', '.join('%s %d' % item for item in sorted(self.counts.items())))
        for name, reasons in self.reasons.items():
            print('  %s:' % name)
            for reason, count in reasons.most_common(12):
                print('    %6d  %s' % (count, reason))


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--seed', default='1')
    options.add_argument('--cases', type=int, default=300)
    options.add_argument('--per-schema', type=int, default=150)
    options.add_argument('--minutes', type=float, default=0)
    options.add_argument('--form', choices=FORMS, help='in this form of the protocol only')
    options.add_argument('--only', help='SCHEMA:CASE')
    chosen = options.parse_args()
    began = time.monotonic()
    with Postgres(autovacuum='off', jit='off', max_parallel_workers_per_gather='0') as postgres:
        generator = Generator(chosen.seed, postgres, bool(chosen.only), chosen.form)
        try:
            if chosen.only:
                number, case = map(int, chosen.only.split(':'))
                generator.next_schema(number)
                for statement in generator.schema.ddl:
                    print(statement + ';')
                generator.run_case(case)
            else:
                for i in range(chosen.cases):
                    if i % chosen.per_schema == 0:
                        generator.next_schema(i // chosen.per_schema)
                    generator.run_case(i % chosen.per_schema)
                    if chosen.minutes and time.monotonic() - began > 60 * chosen.minutes:
                        break
        finally:
            generator.close()
        generator.summary(time.monotonic() - began)
    counts = generator.counts
    failed = [name for name in counts if name.startswith('FOUND')]
    if counts['unparsed'] > max(1, counts['accepted'] / 1000):
        failed.append('unparsed')
    if failed:
        sys.exit('found: ' + ', '.join(failed))


if __name__ == '__main__':
    main()
