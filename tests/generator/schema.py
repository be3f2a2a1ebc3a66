"""Random schemas: tables with a value of its own in each field, of which some columns are masked; partitions, children, views over views,
generated columns, domains, composites, enums, arrays, json, functions, triggers. One schema, two sets of rows: they differ in the masked
columns alone. NULLs, empty texts and the shapes of json and arrays are the same in both, for a mask leaves those to be seen."""
import canary

# What a column is made of, by the letter that the grammar uses for its kind.
#   t text  i integer  n numeric  d date  s timestamp  b boolean  j jsonb  a text[]  c composite  u uuid  e enum  y bytea  m domain of text
TYPES = {'t': ('text', 'varchar(40)', 'text', 'char(20)'), 'i': ('int', 'bigint'), 'n': ('numeric', 'numeric(14,2)', 'double precision'), 'd': ('date',), 's': ('timestamp',),
         'b': ('boolean',), 'j': ('jsonb', 'json'), 'a': ('text[]',), 'c': ('gen.pair',), 'u': ('uuid',), 'e': ('gen.mood',), 'y': ('bytea',), 'm': ('gen.mail',)}
KINDS = 'tttttiiiinndsbjjacuueym'
WORDS = 'amber border cider ember fog grape house igloo meadow noon orange paper rope'.split()
MOODS = ('sad', 'calm', 'glad')
# Masked values of which there are few, so that they repeat. None is a literal of the grammar: `filter: equality` lets those be found.
HIDDEN_WORDS = ('azure', 'birch', 'quartz', 'zinnia')
LITERALS = ('null', "''", '0', '1', '2', '3', '5', '10')   # what the grammar compares with
HIDDEN_NUMBERS = ('47', '53', '600000001', '600000002')
# Names that need quotes, differ by case only, or are words of SQL.
NAMES = ('email', 'phone', 'note', 'secret', 'code', 'plain', 'name', 'amount', 'total', 'born', 'seen', 'ok', 'doc', 'tags', 'spot', 'ref', 'raw', 'Email', 'No Te', 'select', 'ünder', 'a"b')


def ident(name):
    plain = name.isascii() and name.replace('_', 'a').isalnum() and name.islower() and name not in ('select', 'table', 'order', 'user', 'group')
    return name if plain else '"%s"' % name.replace('"', '""')


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Column:
    def __init__(self, name, kind, type_, masked=False, wide=True):
        self.name, self.kind, self.type, self.masked, self.wide = name, kind, type_, masked, wide
        self.tainted = masked   # may hold what a masked column holds
        self.generated = None
        self.unique = False


class Relation:
    def __init__(self, schema, name, columns, kind='table'):
        self.schema, self.name, self.columns, self.kind = schema, name, columns, kind
        self.parent = None
        self.loud = False       # a trigger or a check says things of the rows written

    @property
    def full(self):
        return self.schema + '.' + ident(self.name)

    @property
    def tainted(self):
        return any(c.tainted for c in self.columns)


class Schema:
    def __init__(self, random):
        self.random = random
        self.relations, self.functions, self.ddl, self.after = [], [], [], []
        self.values = {}   # (relation, row, column) → its SQL in A, its SQL in B
        self.canaries = canary.Canaries()
        self.build()

    # ---- rows

    def value(self, column, row, side):
        """SQL of a masked value in database `side` (0 or 1); plain columns have the same in both."""
        r = self.random
        kind = column.kind
        if column.masked and column.wide:
            word, number = canary.text(r), canary.number(r)
            self.canaries.add(word)
            if kind in 'in':
                self.canaries.add(number)
        elif column.masked:
            # Few values, so that equality, order and grouping differ between the two.
            word, number = r.choice(HIDDEN_WORDS), r.choice(HIDDEN_NUMBERS)
        else:
            word, number = '%s%d%s' % (r.choice(WORDS), row, column.name[0] if column.name.isascii() else ''), str(r.choice((0, 1, 2, 3, 5, row)))
        if column.unique:
            number = str(int(number) + 1000 * row) if not (column.masked and column.wide) else number
        if kind == 't':
            return quoted(word)
        if kind == 'm':
            return quoted(word + '@' + ('vwx.qj' if column.masked and column.wide else 'house.com'))
        if kind == 'i':
            return number
        if kind == 'n':
            return number + '.5'
        if kind == 'd':
            return quoted('19%02d-0%d-1%d' % (r.randint(10, 99), r.randint(1, 9), r.randint(0, 9)) if column.masked else '2020-01-0%d' % (1 + row % 9))
        if kind == 's':
            return quoted('19%02d-0%d-1%d 0%d:00:00' % (r.randint(10, 99), r.randint(1, 9), r.randint(0, 9), r.randint(0, 9)) if column.masked else '2020-01-0%d 10:00' % (1 + row % 9))
        if kind == 'b':
            return r.choice(('true', 'false')) if column.masked else ('true', 'false')[row % 2]
        if kind == 'j':
            return quoted('{"k": "%s", "n": %s, "l": ["%s", {"k": "%s"}]}' % (word, number, word, word))
        if kind == 'a':
            return 'array[%s, %s]' % (quoted(word), quoted(word[::-1]))
        if kind == 'c':
            return "row(%s, %s)::gen.pair" % (quoted(word), number)
        if kind == 'u':
            digits = ''.join(r.choice('0123456789abcdef') for _ in range(32)) if column.masked else '%032x' % (row + 1)
            return quoted(digits)
        if kind == 'e':
            return quoted(r.choice(MOODS) if column.masked else MOODS[row % 3])
        if kind == 'y':
            return "'\\x%s'" % word.encode().hex()
        raise AssertionError(kind)

    def rows(self, relation, count):
        """-> the INSERTs of either database"""
        r = self.random
        sides = ([], [])
        columns = [c for c in relation.columns if c.generated is None]
        shared = {}
        for row in range(count):
            fields = ([], [])
            for column in columns:
                if column.name == 'id':
                    a = b = str(row + 1)
                else:
                    fate = r.random()
                    if fate < 0.08 and not column.unique:
                        a = b = 'null'
                    elif fate < 0.12 and column.kind == 't' and not column.unique:
                        a = b = "''"
                    else:
                        a = self.value(column, row, 0)
                        b = self.value(column, row, 1) if column.masked else a
                        if column.masked and column.kind in 'ti' and r.random() < 0.25:
                            # In one of the two it equals what a plain column holds, or what another row does.
                            same = [f for f, c in zip(fields[0], columns) if not c.masked and c.kind == column.kind and f not in LITERALS]
                            if same and not column.unique:
                                a = r.choice(same)
                            elif (relation, column) in shared and not column.unique:
                                a = shared[relation, column]
                        shared[relation, column] = a
                fields[0].append(a)
                fields[1].append(b)
            for side in (0, 1):
                sides[side].append('(%s)' % ', '.join(fields[side]))
        names = ', '.join(ident(c.name) for c in columns)
        return ['insert into %s (%s) values %s' % (relation.full, names, ', '.join(side)) for side in sides]

    # ---- definitions

    def new_columns(self, most, masked_share):
        r = self.random
        names = list(NAMES)
        r.shuffle(names)
        columns = [Column('id', 'i', 'int')]
        for name in names[:r.randint(3, most)]:
            kind = r.choice(KINDS)
            columns.append(Column(name, kind, r.choice(TYPES[kind]), r.random() < masked_share, r.random() < 0.6))
        return columns

    def create_table(self, name, schema='public', masked_share=0.4):
        r = self.random
        relation = Relation(schema, name, self.new_columns(7, masked_share))
        lines = []
        for column in relation.columns:
            line = '%s %s' % (ident(column.name), column.type)
            if column.name == 'id':
                line += ' primary key'
            elif column.kind in 'ti' and r.random() < 0.08 and (column.wide or column.kind == 'i'):
                column.unique = True
                line += ' unique'
            elif column.kind == 't' and column.masked and r.random() < 0.1:
                line += ' check (%s <> %s)' % (ident(column.name), quoted(r.choice(WORDS)))
                relation.loud = True
            lines.append(line)
        texts = [c for c in relation.columns if c.kind == 't']
        if texts and r.random() < 0.3:
            of = r.choice(texts)
            made = Column('made', 't', 'text')
            made.generated, made.tainted, made.masked = of, of.masked, False
            relation.columns.append(made)
            lines.append('made text generated always as (upper(%s)) stored' % ident(of.name))
        self.ddl.append('create table %s (%s)' % (relation.full, ', '.join(lines)))
        self.relations.append(relation)
        return relation

    def create_view(self, name, over, kind='view'):
        r = self.random
        columns, items = [], []
        for column in over.columns:
            if r.random() < 0.75 or column.name == 'id':
                alias = column.name if r.random() < 0.6 else r.choice(NAMES)
                if any(c.name == alias for c in columns):
                    alias = column.name + '_' + str(len(columns))
                if any(c.name == alias for c in columns):
                    continue
                made = Column(alias, column.kind, column.type)
                made.tainted = column.tainted
                text = 'v.' + ident(column.name)
                if column.kind == 't' and kind == 'view' and r.random() < 0.15:
                    text = r.choice(('upper(%s)', "coalesce(%s, 'none')", "%s || 'x'")) % text
                columns.append(made)
                items.append('%s as %s' % (text, ident(alias)))
        relation = Relation('public', name, columns, kind)
        where = ''
        plain = [c for c in over.columns if not c.tainted and c.kind == 'i']
        if plain and r.random() < 0.4:
            where = ' where v.%s >= 0' % ident(r.choice(plain).name)
        self.ddl.append('create %s %s as select %s from %s v%s' % ('materialized view' if kind == 'matview' else 'view', relation.full, ', '.join(items), over.full, where))
        if kind == 'matview':
            self.after.append('refresh materialized view ' + relation.full)
        self.relations.append(relation)
        return relation

    def build(self):
        r = self.random
        self.ddl += ['create schema gen', 'create schema other', "create type gen.mood as enum ('sad', 'calm', 'glad')", 'create domain gen.mail as text',
                     'create type gen.pair as (x text, y int)']
        tables = [self.create_table(name) for name in ('customers', 'orders', 'Items')]
        tables.append(self.create_table('customers', schema='other', masked_share=0.2))   # the same name elsewhere
        plain = self.create_table('harmless', masked_share=0)
        loads = [(t, r.randint(3, 6)) for t in tables + [plain]]

        child = Relation('public', 'child', [c for c in tables[0].columns] + [Column('extra', 't', 'text')], 'table')
        child.parent = tables[0]
        self.ddl.append('create table public.child (extra text) inherits (public.customers)')
        self.relations.append(child)
        loads.append((child, 2))

        columns = [Column('id', 'i', 'int'), Column('part', 'i', 'int'), Column('secret', 't', 'text', True), Column('note', 't', 'text')]
        parted = Relation('public', 'parted', columns)
        self.ddl += ['create table public.parted (id int, part int, secret text, note text) partition by list (part)',
                     'create table public.part_0 partition of public.parted for values in (0, 1, 2, 3)', 'create table public.part_d partition of public.parted default']
        self.relations += [parted, Relation('public', 'part_0', columns)]
        loads.append((parted, 5))

        first = self.create_view('v_one', r.choice(tables))
        self.create_view('v_two', first)
        self.create_view('v_three', r.choice(tables))
        self.create_view('stored', r.choice(tables), 'matview')

        for relation, count in loads:
            a, b = self.rows(relation, count)
            self.values[relation] = (a, b)

        reader = r.choice([t for t in tables if any(c.kind == 't' for c in t.columns)] or [parted])
        column = r.choice([c for c in reader.columns if c.kind == 't' and not c.generated] or [columns[2]])
        if column is columns[2]:
            reader = parted
        name = ident(column.name)
        for what, head, body in (
            ('f_sql', '(i int) returns text language sql', 'select %s from %s where id = i' % (name, reader.full)),
            ('f_set', '() returns setof text language sql stable', 'select %s from %s order by id' % (name, reader.full)),
            ('f_tab', '() returns table (k int, w text) language sql stable', 'select id, %s from %s order by id' % (name, reader.full)),
            ('f_pl', '(i int) returns text language plpgsql', 'begin return (select %s from %s t where t.id = i limit 1); end' % (name, reader.full)),
            ('f_dyn', '(i int) returns text language plpgsql', "declare o text; begin execute 'select ' || %s || ' from %s where id = $1' into o using i; return o; end" % (quoted(name), reader.full)),
        ):
            self.ddl.append('create function public.%s%s as $f$ %s $f$' % (what, head, body))
            self.functions.append((what, column.tainted))
        self.ddl += ['create function public.f_twice(t text) returns text language sql immutable as $f$ select t || t $f$',
                     'create function public.f_same(t text) returns text language plpgsql immutable as $f$ begin return t; end $f$',
                     "create function public.f_loud(t text) returns text language plpgsql as $f$ begin raise notice 'got %', t; return 'x'; end $f$"]
        if r.random() < 0.5:
            target = r.choice(tables)
            target.loud = True
            texts = [c for c in target.columns if c.kind in 'tm']
            what = 'new.%s' % ident(r.choice(texts).name) if texts else 'new.id'
            self.ddl += ["create function public.on_write() returns trigger language plpgsql as $f$ begin raise notice 'wrote %%', %s; return new; end $f$" % what,
                         'create trigger loud before insert or update on %s for each row execute function public.on_write()' % target.full]

    def load(self, side):
        """Statements that fill database `side`."""
        return [sides[side] for sides in self.values.values()] + self.after

    def masked(self):
        return [(relation, column) for relation in self.relations for column in relation.columns
                if column.masked and relation.kind == 'table' and relation.parent is None and not relation.name.startswith('part_')]
