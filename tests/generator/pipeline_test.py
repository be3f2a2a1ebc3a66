#!/usr/bin/python3
"""Pipelines at random: simple and extended statements, right and wrong, with and without Sync between them, that change names and settings
on the way. Each message is answered through `dbguard proxy` as by the server: the same types in the same order, the same errors, the same
transaction status. A lost answer would give each later one to the wrong statement; a lost message could be the BEGIN.

    pipeline_test.py [--pipelines 2000] [--seed 1]
"""
import argparse
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, bind, close, describe, execute, fields, flush, parse, query, sync  # noqa: E402

ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, write, tx, session, call, ddl, bulk, lock]
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.t.secret", with: redact }
    derived: mask
    filter: allow
'''
TEXTS = ('select 1', 'select plain, id from t', 'select secret from t', 'select 1 from from', 'selec 1', 'select nope', 'select 1/0', '', ';', 'begin', 'commit', 'rollback',
         'savepoint s', 'rollback to s', 'release s', 'insert into t (id, plain) values (7, $$x$$)', 'update t set plain = plain where id = 1', 'insert into t (id) values (1)',
         'create temp table made (i int)', 'select * from made', 'drop table made', 'alter table t add column more int', 'select more from t', "set search_path = other, public",
         'select * from only_there', "set local search_path = public", 'reset search_path', 'prepare p as select id from t', 'execute p', 'deallocate p', 'declare c cursor for select id from t',
         'fetch 1 from c', 'close c', 'lock table t', 'discard plans', 'select set_config($$a.b$$, $$c$$, false)', 'explain select 1', 'copy t (id) to stdout', 'rollback;',
         'select 1; select 2', 'select 1; select 1/0', 'begin; select 1; commit', 'do $$ begin null; end $$')


def extended(r, text):
    """Parse, Bind, Describe, Execute of one text, or some of these."""
    name = r.choice(('', '', '', 'a'))
    out = [parse(name, text)]
    if r.random() < 0.2:
        out.append(describe('S', name))
    if r.random() < 0.9:
        out.append(bind('', name))
        if r.random() < 0.5:
            out.append(describe('P', ''))
        out.append(execute('', r.choice((0, 0, 1))))
    if name:
        out.append(close('S', name))
    if r.random() < 0.1:
        out.append(flush)
    return out


def pipeline(r):
    """-> messages, how many times the server gets ready"""
    out, ready = [], 0
    for _ in range(r.randint(1, 9)):
        if r.random() < 0.5:
            out.append(query(r.choice(TEXTS)))
            ready += 1
        else:
            for _ in range(r.choice((1, 1, 1, 2, 3))):
                out += extended(r, r.choice(TEXTS))
            out.append(sync)
            ready += 1
    # The same beginning for the next.
    for text in ('rollback', 'deallocate all', 'reset all', 'discard temp'):
        out.append(query(text))
        ready += 1
    return out, ready


def seen(wire, messages, ready):
    wire.send(*messages)
    out = []
    for _ in range(ready):
        for kind, body in wire.until_ready():
            # Codes only: texts may be another's, and the place is that of a text that was parsed first.
            out.append((kind, fields(body)['C'] if kind in 'EN' else body if kind in 'ZC' else b''))
    return out


def same(server, dbguard):
    """In a failed transaction, and of several statements in one text, an error of the server's may be dbguard's refusal; before code that
    nobody can read, in one pipeline with it, the code of an error may be hidden as that of one that the code raises."""
    return len(server) == len(dbguard) and all(a == b or (a[0] == b[0] == 'E' and b[1] in ('42501', 'P0001')) for a, b in zip(server, dbguard))


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--seed', type=int, default=1)
    options.add_argument('--pipelines', type=int, default=500)
    options.add_argument('--only', type=int)
    chosen = options.parse_args()
    wrong = 0
    with Postgres() as postgres:
        admin = Wire(postgres.url())
        admin.query('create schema other')
        admin.query('create table other.only_there (i int)')
        admin.query('create table t (id int primary key, plain text, secret text)')
        admin.query("insert into t values (1, 'a', 'qqq'), (2, 'b', 'zzz')")
        with Proxy(postgres, ROLES) as proxy:
            sessions = [Wire(url) for url in (postgres.url(), proxy.url)]
            for i in range(chosen.pipelines) if chosen.only is None else [chosen.only]:
                answers = []
                for side, url in enumerate((postgres.url(), proxy.url)):
                    messages, ready = pipeline(random.Random('%s/%s' % (chosen.seed, i)))
                    sessions[side].s.settimeout(30)
                    try:
                        answers.append(seen(sessions[side], messages, ready))
                    except (OSError, EOFError) as failed:
                        answers.append(repr(failed))
                        sessions[side] = Wire(url)
                    admin.query('delete from t where id = 7')
                    admin.query('alter table t drop column if exists more')
                if not same(*answers):
                    wrong += 1
                    print('pipeline --seed %d --only %d:' % (chosen.seed, i))
                    for message in messages:
                        print('   ', message[:1].decode(), message[5:].strip(b'\0')[:80])
                    print('    server: %s\n    dbguard: %s' % tuple(answers), flush=True)
                    sessions = [Wire(url) for url in (postgres.url(), proxy.url)]
                    if wrong > 10:
                        break
    print('%d pipelines, %d answered otherwise' % (chosen.pipelines, wrong))
    sys.exit(1 if wrong else 0)


if __name__ == '__main__':
    main()
