"""pgcli: what it asks for completion, its backslash commands, and some statements, without a terminal."""
import os
import sys

sys.path.insert(0, '/usr/lib/python3/dist-packages')
import contextlib  # noqa: E402
from pgcli.pgexecute import PGExecute  # noqa: E402
from pgspecial.main import PGSpecial  # noqa: E402
import inspect  # noqa: E402
keys = dict(database=os.environ['PGDATABASE'], user=os.environ['PGUSER'], password=os.environ['PGPASSWORD'], host=os.environ['PGHOST'], port=os.environ['PGPORT'])
e = PGExecute(**{k: v for k, v in keys.items() if k in inspect.signature(PGExecute.__init__).parameters})
for name in ('search_path', 'schemata', 'tables', 'views', 'table_columns', 'view_columns', 'databases', 'datatypes', 'foreignkeys', 'functions', 'casing'):
    with contextlib.suppress(StopIteration):
        work = getattr(e, name)
        try:
            rows = work()
            rows = sorted(rows, key=str) if not isinstance(rows, (str, bool)) else rows
            print(name, len(rows) if name == 'datatypes' else [str(r) for r in rows if 't_' not in str(r) or name != 'databases'][:400])
        except Exception as error:
            print(name, type(error).__name__, error)
special = PGSpecial()
for command in ('\\d', '\\d product', '\\d+ customer', '\\dt+', '\\dv', '\\di', '\\ds', '\\df', '\\df+ total', '\\dn', '\\dn+', '\\du', '\\dT+', '\\dD', '\\dx', '\\dx+', '\\dp', '\\dE', '\\dF', '\\dm', '\\ddp', '\\db', '\\sf total', '\\sv sold', '\\dC', '\\l', '\\h select', 'select id, title from product order by id limit 2', 'select nothing', 'explain (costs off) select 1', 'begin', 'select 1/0', 'rollback', 'insert into crm.contact values (1)', 'select 1; select 2'):
    print('$', command)
    try:
        for result in e.run(command, special):
            title, rows, headers, status, *rest = result
            rows = [tuple(map(str, r)) for r in rows] if rows is not None and not isinstance(rows, str) else rows
            print(title, headers, '(rows)' if command == '\\l' else rows, status)
    except Exception as error:
        print(type(error).__name__, error)
