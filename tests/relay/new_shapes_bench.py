#!/usr/bin/python3
"""What a statement of a shape that was never seen costs dbguard over the same statement known: processor time of `dbguard proxy` between a
client and a server on one processor. Not part of the tests; figures of one machine are only good for comparing with each other.

    DBGUARD=build/release/cli/dbguard tests/relay/new_shapes_bench.py [BLOCKS]

An application's schema of 36 tables, a policy with rules by table and masks on eleven columns, everything recorded. A statement joins two or three
tables, selects ten columns under aliases and has two or three conditions. Blocks of 1,000 new ones are sent by pgbench, and sent again.
"""
import os
import pathlib
import random
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from dbguard_test import Postgres, plain_environment  # noqa: E402
from dbguard_proxy import Proxy  # noqa: E402
from postgres_wire import Wire, error  # noqa: E402

BLOCK = 1000
AREAS = ('customer', 'order', 'product', 'invoice', 'shipment', 'employee')
PARTS = ('account', 'detail', 'event', 'note', 'item', 'address')
COLUMNS = {'id': 'bigint primary key', 'owner_id': 'bigint', 'status': 'text', 'title': 'varchar(80)', 'amount': 'numeric(12,2)', 'quantity': 'int',
           'email': 'text', 'phone': 'text', 'city': 'text', 'active': 'boolean', 'created_at': 'timestamptz', 'updated_at': 'timestamptz'}
TABLES = ['%s_%ss' % (area, part) for area in AREAS for part in PARTS]
ROLES = '''
  tester:
    for: local
    databases: postgres
    login: postgres
    rules:
      - allow: [read, tx, session]
      - allow: [write.insert, write.update]
        of: [public.order_items, public.order_notes, "public.shipment_*"]
      - deny: write.delete
        when: { where: missing }
      - deny: [read, write]
        of: public.employee_notes
    masks: people
masks:
  people:
    columns:
      - { column: "public.customer_*.email", with: "partial(1,4)" }
      - { column: "public.employee_*.phone", with: last(4) }
      - { tag: pii, with: redact }
'''
RECORD = 'record: { sql: %s, results: none }\n'


def condition(r, name):
    column = r.choice([c for c in COLUMNS if c not in ('email', 'phone', 'title')])
    kind = COLUMNS[column].split('(')[0].split()[0]
    if kind == 'boolean':
        return '%s.%s' % (name, column)
    if kind == 'timestamptz':
        return "%s.%s >= '2026-0%d-01'" % (name, column, r.randrange(1, 9))
    if kind in ('text', 'varchar'):
        return r.choice(["%s.%s = '%s'", "%s.%s LIKE '%s%%'"]) % (name, column, r.choice(('open', 'paid', 'new')))
    return '%s.%s %s %d' % (name, column, r.choice(('=', '>', '<=')), r.randrange(1, 9000))


def statement(r):
    tables = r.sample([t for t in TABLES if t != 'employee_notes'], r.choice((2, 2, 3)))
    names = ['%s%d' % (t[0], i) for i, t in enumerate(tables)]
    columns = r.sample(['%s.%s' % (n, c) for n in names for c in COLUMNS], 10)
    text = 'SELECT ' + ', '.join('%s AS %s' % (c, c.replace('.', '_')) if r.random() < 0.5 else c for c in columns) + ' FROM %s %s' % (tables[0], names[0])
    for table, name in zip(tables[1:], names[1:]):
        text += ' %sJOIN %s %s ON %s.owner_id = %s.id' % (r.choice(('', 'LEFT ')), table, name, name, names[0])
    text += ' WHERE ' + ' AND '.join(condition(r, r.choice(names)) for _ in range(r.choice((2, 3))))
    return text + ' ORDER BY %s.created_at DESC LIMIT %d' % (names[0], r.choice((10, 20, 50)))


def processor_ns(pid):
    return int(pathlib.Path('/proc/%d/schedstat' % pid).read_text().split()[0])


def send(postgres, proxy, texts):
    """-> processor time of the proxy for each, in µs; a login among them"""
    script = pathlib.Path(proxy.folder) / 'script.sql'
    script.write_text(';\n'.join(texts) + ';\n')
    began = processor_ns(proxy.process.pid)
    subprocess.run([postgres.bin + '/pgbench', '-n', '-t', '1', '-f', script, proxy.url], check=True, capture_output=True, env=plain_environment())
    return (processor_ns(proxy.process.pid) - began) / len(texts) / 1e3


def measure(postgres, blocks, level):
    r = random.Random(5)
    with Proxy(postgres, ROLES + RECORD % level) as proxy:
        send(postgres, proxy, [statement(r) for _ in range(BLOCK)])
        new, known, bytes_sent = [], [], 0
        for _ in range(blocks):
            texts = [statement(r) for _ in range(BLOCK)]
            bytes_sent += sum(map(len, texts))
            new.append(send(postgres, proxy, texts))
            known.append(send(postgres, proxy, texts))
    more = [a - b for a, b in zip(new, known)]
    print('record %-6s  statements of %d bytes: new %.1f us, known %.1f us; a new shape: +%.1f us (blocks: %.1f to %.1f)'
          % (level, bytes_sent / blocks / BLOCK, statistics.median(new), statistics.median(known), statistics.median(more), min(more), max(more)))


def main():
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with Postgres(jit='off') as postgres:
        admin = Wire(postgres.url())
        for table in TABLES:
            failed = error(admin.query('create table %s (%s)' % (table, ', '.join('%s %s' % c for c in COLUMNS.items()))))
            assert failed is None, failed
        admin.query("comment on column employee_accounts.title is 'dbguard:pii'")
        admin.close()
        for level in ('shape', 'masked'):
            measure(postgres, blocks, level)


main()
