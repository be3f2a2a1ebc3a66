"""Random statements by production, over a schema of schema.py. What is generated is nearly always accepted by the server; what it refuses
is a case, too. A statement is `tainted` once it names something that may hold a masked value; one that is not must pass through unchanged."""
import re

from schema import MOODS, WORDS, ident, quoted

STAR = object()


class Visible:
    """A column that can be named here."""

    def __init__(self, alias, name, kind, tainted):
        self.alias, self.name, self.kind, self.tainted = alias, name, kind, tainted


class Statement:
    """`values`: of its parameters, (type's letter, text); they come by Bind."""

    def __init__(self, text, tainted, returns=True, values=()):
        self.text, self.tainted, self.returns, self.values = text, tainted, returns, list(values)


class Grammar:
    def __init__(self, random, schema):
        self.r, self.schema = random, schema
        self.tainted = False
        self.depth = 0
        self.aliases = 0
        self.calm = False      # no masked columns, as far as they can be avoided
        self.ctes = []
        self.unnamed_taint = False   # columns that only a star shows
        self.values = None     # of parameters: they stand for literals while there is a list

    # ---- small things

    def chance(self, share):
        return self.r.random() < share

    def pick(self, items):
        return self.r.choice(items)

    def name(self, name):
        """A name in one of its spellings."""
        text = ident(name)
        if not text.startswith('"'):
            if self.chance(0.08):
                return ''.join(self.pick((c.lower(), c.upper())) for c in text)
            if self.chance(0.06):
                return '"%s"' % text
            if self.chance(0.02):
                return 'U&"\\%04x%s"' % (ord(text[0]), text[1:])
        return text

    def gap(self):
        return self.pick((' ',) * 14 + ('  ', '\n', '/* x */ ', ' -- y\n', '/* /* */ */'))

    def alias(self):
        self.aliases += 1
        if self.chance(0.12):
            return self.pick(('customers', 'orders', 'email', 'secret', 'harmless', 't', 'id'))
        return 'x%d' % self.aliases

    def parameter(self, kind):
        """$n for a literal."""
        raw = {'t': self.pick(WORDS), 'i': self.pick('01235'), 'n': self.pick(('0.5', '2')), 'd': '1950-05-05', 's': '1950-05-05 10:00', 'b': self.pick(('true', 'false')), 'j': '{"k": 1}', 'a': '{a,b}',
               'c': '(a,1)', 'e': self.pick(MOODS), 'u': '00000000-0000-0000-0000-000000000001', 'y': '\\x6162', 'm': 'a@house.com'}[kind]
        self.values.append((kind, raw))
        if kind in 'ti' and self.chance(0.15):
            return '$%d' % len(self.values)
        return '$%d::%s' % (len(self.values), {'t': 'text', 'i': 'int', 'n': 'numeric', 'd': 'date', 's': 'timestamp', 'b': 'boolean', 'j': 'jsonb', 'a': 'text[]', 'c': 'gen.pair', 'e': 'gen.mood', 'u': 'uuid',
                                               'y': 'bytea', 'm': 'gen.mail'}[kind])

    def with_values(self, make):
        """A statement whose literals are parameters, some of them."""
        if not self.chance(0.25):
            text = make()
            return [Statement(text, self.tainted)]
        self.values = []
        text, values = make(), self.values
        self.values = None
        used = sorted({int(n) for n in re.findall(r'\$(\d+)', text)})
        text = re.sub(r'\$(\d+)', lambda m: '$%d' % (used.index(int(m[1])) + 1), text)
        return [Statement(text, self.tainted, True, [values[n - 1] for n in used])]

    def literal(self, kind):
        if self.values is not None and self.chance(0.4):
            return self.parameter(kind)
        if self.chance(0.04):
            return 'null' if self.chance(0.3) else 'null::' + {'t': 'text', 'i': 'int', 'n': 'numeric', 'd': 'date', 's': 'timestamp', 'b': 'boolean', 'j': 'jsonb', 'a': 'text[]', 'c': 'gen.pair', 'e': 'gen.mood', 'u': 'uuid',
                                                               'y': 'bytea', 'm': 'gen.mail'}[kind]
        if kind == 't':
            word = self.pick(WORDS)
            return self.pick((quoted(word), quoted(word), "E'%s'" % word, '$$%s$$' % word, "U&'%s'" % word, "''", "'%'"))
        if kind == 'i':
            return str(self.pick((0, 1, 2, 3, 5, 10, 500000000, 850000000)))
        if kind == 'n':
            return self.pick(('0.5', '2', '1e3', '10.25'))
        if kind == 'd':
            return self.pick(("date '1950-05-05'", "date '2020-01-03'", "'1930-01-01'::date"))
        if kind == 's':
            return self.pick(("timestamp '1950-05-05 10:00'", "timestamp '2020-01-03 00:00'"))
        if kind == 'b':
            return self.pick(('true', 'false'))
        if kind == 'j':
            return self.pick(("'{\"k\": 1}'::jsonb", "'[]'::jsonb"))
        if kind == 'a':
            return self.pick(("array['a', 'b']", "'{}'::text[]"))
        if kind == 'c':
            return "row('a', 1)::gen.pair"
        if kind == 'e':
            return quoted(self.pick(MOODS)) + '::gen.mood'
        if kind == 'u':
            return "'00000000-0000-0000-0000-000000000001'::uuid"
        if kind == 'y':
            return "'\\x6162'::bytea"
        return "'a@house.com'::gen.mail"

    # ---- columns

    def use(self, column):
        self.tainted |= column.tainted
        if column.alias and self.chance(0.85):
            return '%s.%s' % (self.name(column.alias), self.name(column.name))
        return self.name(column.name) if not column.alias or self.chance(0.3) else '%s.%s' % (self.name(column.alias), self.name(column.name))

    def column(self, kind, scope):
        found = [c for c in scope if c.kind == kind and not (self.calm and c.tainted)]
        if not found:
            return None
        return self.use(self.pick(found))

    # ---- expressions

    def expr(self, kind, scope, depth=2, aggregate=False):
        """An expression of this kind. `aggregate`: columns stand inside of aggregates only."""
        r = self.r
        if depth <= 0 or self.chance(0.35):
            if aggregate:
                return self.aggregate(kind, scope)
            return self.column(kind, scope) or self.literal(kind)
        sub = lambda k: self.expr(k, scope, depth - 1, aggregate)
        general = [
            lambda: 'coalesce(%s, %s)' % (sub(kind), sub(kind)),
            lambda: 'case when %s then %s else %s end' % (self.condition(scope, depth - 1, aggregate), sub(kind), sub(kind)),
            lambda: 'nullif(%s, %s)' % (sub(kind), self.literal(kind)) if kind not in 'jc' else sub(kind),
            lambda: '(%s)' % sub(kind),
            lambda: '(%s)' % self.query([kind], scope, depth - 1, one=True),
            lambda: 'greatest(%s, %s)' % (sub(kind), sub(kind)) if kind not in 'jc' else sub(kind),
            lambda: '(array[%s, %s])[%d]' % (sub(kind), sub(kind), r.randint(1, 3)),
            lambda: 'case %s when %s then %s when %s then %s end' % (sub('t'), sub('t'), sub(kind), self.literal('t'), sub(kind)),
            lambda: 'least(%s, %s)' % (sub(kind), self.literal(kind)) if kind not in 'jc' else sub(kind),
            lambda: '(values (%s))' % sub(kind),
            lambda: '(select v.a from (values (%s), (%s)) as v(a) limit 1)' % (sub(kind), self.literal(kind)),
        ]
        if not aggregate and scope and self.chance(0.15):
            general.append(lambda: '%s over (%s)' % (self.window_call(kind, scope), self.window(scope)))
        own = {'t': self.text_forms, 'i': self.integer_forms, 'n': self.number_forms, 'b': lambda s, c, d, a: [lambda: self.condition(c, d, a)], 'j': self.json_forms,
               'a': self.array_forms, 'c': self.pair_forms, 'd': self.date_forms, 's': self.time_forms, 'y': self.bytes_forms}
        forms = own[kind](sub, scope, depth - 1, aggregate) if kind in own else []
        return self.pick(forms)() if forms and self.chance(0.75) else self.pick(general)()

    def any_kind(self):
        return self.pick('tttiindsbjaceum')

    def text_forms(self, sub, scope, depth, aggregate):
        forms = [
            lambda: '%s(%s)' % (self.pick(('upper', 'lower', 'reverse', 'md5', 'initcap', 'btrim', 'quote_literal', 'quote_ident', 'pg_catalog.upper')), sub('t')),
            lambda: '%s || %s' % (sub('t'), sub('t')),
            lambda: 'concat(%s, %s)' % (sub(self.any_kind()), sub('t')),
            lambda: "concat_ws('-', %s, %s)" % (sub('t'), sub('t')),
            lambda: 'substr(%s, %d, 6)' % (sub('t'), self.r.randint(1, 3)),
            lambda: 'substring(%s from 2 for 7)' % sub('t'),
            lambda: '%s(%s, 7)' % (self.pick(('left', 'right')), sub('t')),
            lambda: "replace(%s, 'a', 'b')" % sub('t'),
            lambda: "translate(%s, 'abc', 'xyz')" % sub('t'),
            lambda: 'repeat(%s, 2)' % sub('t'),
            lambda: "lpad(%s, 12, '.')" % sub('t'),
            lambda: "overlay(%s placing '#' from 2 for 1)" % sub('t'),
            lambda: "format('%%s-%%s', %s, %s)" % (sub('t'), sub('i')),
            lambda: "split_part(%s, '@', 1)" % sub('t'),
            lambda: "regexp_replace(%s, '[aeiou]', '', 'g')" % sub('t'),
            lambda: "encode(convert_to(%s, 'UTF8'), '%s')" % (sub('t'), self.pick(('hex', 'base64', 'escape'))),
            lambda: "encode(sha256(convert_to(%s, 'UTF8')), 'hex')" % sub('t'),
            lambda: '(%s)::text' % sub(self.any_kind()),
            lambda: 'cast(%s as varchar(20))' % sub('t'),
            lambda: 'array_to_string(%s, %s)' % (sub('a'), quoted(',')),
            lambda: '(%s)->>%s' % (sub('j'), quoted('k')),
            lambda: "(%s)#>>'{l,1,k}'" % sub('j'),
            lambda: '(%s).x' % sub('c'),
            lambda: '(%s)[%d]' % (sub('a'), self.r.randint(1, 2)),
            lambda: 'to_json(%s)::text' % sub(self.any_kind()),
            lambda: 'f_twice(%s)' % sub('t'),
            lambda: self.own_code(sub('t')) if not self.calm else sub('t'),
            lambda: "%s collate \"C\"" % sub('t'),
            lambda: 'xmlelement(name a, %s)::text' % sub('t'),
            lambda: "to_char(%s, 'YYYY-MM')" % sub('d'),
            lambda: "trim(%s '.' from %s)" % (self.pick(('both', 'leading', 'trailing')), sub('t')),
            lambda: "substring(%s similar '#\"_#\"%%' escape '#')" % sub('t'),
            lambda: 'normalize(%s)' % sub('t'),
            lambda: 'xmlserialize(content xmlforest(%s as a, %s as b) as text)' % (sub('t'), sub('i')),
            lambda: "xmlconcat(xmlelement(name a, xmlattributes(%s as k)), xmlelement(name b, %s))::text" % (sub('t'), sub('t')),
            lambda: "(xpath('/a/text()', xmlelement(name a, %s)))[1]::text" % sub('t'),
            lambda: 'xmlparse(content %s)::text' % sub('t'),
            lambda: 'xmlpi(name a, %s)::text' % sub('t'),
            lambda: "xmlroot(xmlelement(name a, %s), version '1.0')::text" % sub('t'),
            lambda: 'concat(variadic %s)' % sub('a'),
            lambda: "format('%%s', variadic %s)" % sub('a'),
            lambda: 'json_object(array[%s, %s])::text' % (quoted('k'), sub('t')),
            lambda: "regexp_substr(%s, '[a-q]+')" % sub('t'),
            lambda: "ts_headline('simple', %s, 'amber'::tsquery)" % sub('t'),
            lambda: "to_tsvector('simple', %s)::text" % sub('t'),
            lambda: '%s(%s)' % (self.pick(('gen.mail', 'bpchar', 'name', 'text', 'varchar', 'gen.mail')), sub('t')),
            lambda: 'row(%s, %s)::text' % (sub('t'), sub('i')),
            lambda: '(row(%s, %s)::gen.pair).x' % (sub('t'), sub('i')),
            lambda: '%s operator(pg_catalog.||) %s' % (sub('t'), sub('t')),
            lambda: '(%s)[1:2]::text' % sub('a'),
            lambda: 'jsonb_pretty(%s)' % sub('j'),
            lambda: 'collation for (%s)' % sub('t'),
            lambda: "(%s at time zone 'UTC')::text" % sub('s'),
            lambda: 'to_hex(%s)' % sub('i'),
            lambda: 'inet_client_addr()::text || %s' % sub('t'),
        ]
        if not aggregate and not self.calm:
            forms += [lambda: self.function_call(scope), lambda: self.whole_row(scope, '%s::text'), lambda: self.of_row('t', scope), lambda: self.of_row('t', scope),
                      lambda: self.whole_row(scope, "(select string_agg(v, ',') from jsonb_each_text(to_jsonb(%s)) as e(k, v))"),
                      lambda: self.whole_row(scope, "(to_jsonb(%s) - 'id')::text"), lambda: self.whole_row(scope, 'concat(%s)'), lambda: self.whole_row(scope, 'md5(%s::text)')]
        return forms

    def of_row(self, kind, scope):
        """A column by way of its row: (t).c, c(t), or out of a subquery that gives rows."""
        found = [c for c in scope if c.kind == kind and c.alias]
        if not found:
            return self.literal(kind)
        column = self.pick(found)
        self.tainted |= any(c.tainted for c in scope if c.alias == column.alias)
        relations = [x for x in self.schema.relations if any(c.name == column.name and c.kind == kind for c in x.columns)]
        ways = ['(%s).%s' % (self.name(column.alias), ident(column.name)), '(select %s.%s)' % (column.alias, ident(column.name)), '((select %s)).%s' % (column.alias, ident(column.name))]
        if column.name.islower() and column.name.isalpha() and column.name not in ('select', 'name', 'ref'):
            ways.append('%s(%s)' % (column.name, column.alias))
        if relations:
            relation = self.pick(relations)
            self.tainted |= relation.tainted
            ways.append('(select r from %s r order by id limit 1).%s' % (relation.full, ident(column.name)))
        return self.pick(ways)

    def own_code(self, argument):
        self.tainted = True   # its messages are hidden
        return '%s(%s)' % (self.pick(('f_same', 'f_loud')), argument)

    def integer_forms(self, sub, scope, depth, aggregate):
        return [
            lambda: '%s + %s' % (sub('i'), sub('i')),
            lambda: '%s %% nullif(%s, 0)' % (sub('i'), self.literal('i')),
            lambda: '%s / %s' % (sub('i'), sub('i')),
            lambda: 'abs(%s)::int' % sub('i'),
            lambda: 'length(%s)' % sub('t'),
            lambda: 'ascii(%s)' % sub('t'),
            lambda: "strpos(%s, 'a')" % sub('t'),
            lambda: 'hashtext(%s)' % sub('t'),
            lambda: 'extract(year from %s)::int' % sub('d'),
            lambda: 'cardinality(%s)' % sub('a'),
            lambda: '(%s).y' % sub('c'),
            lambda: "((%s)->>'n')::numeric::int" % sub('j'),
            lambda: '(%s)::int' % sub(self.pick('tbn')),
            lambda: 'sign(%s)::int' % sub('n'),
            lambda: 'pg_column_size(%s)' % sub('t'),
            lambda: 'num_nulls(%s, %s)' % (sub('t'), sub('i')),
            lambda: 'width_bucket(%s::numeric, 0, 100, 5)' % sub('i'),
            lambda: 'position(%s in %s)' % (sub('t'), sub('t')),
            lambda: '%s (%s)' % (self.pick(('-', '@', '~', '+')), sub('i')),
            lambda: '(%s) %s (%s)' % (sub('i'), self.pick(('#', '&', '|', '<<', 'operator(pg_catalog.*)')), self.literal('i')),
            lambda: 'array_position(%s, %s)' % (sub('a'), sub('t')),
            lambda: "regexp_count(%s, 'a')" % sub('t'),
            lambda: '(select count(*) from unnest(%s) as u)::int' % sub('a'),
            lambda: 'bit_count(%s)::int' % sub('y'),
            lambda: "jsonb_array_length(coalesce((%s)->'l', '[]'))" % sub('j'),
        ]

    def number_forms(self, sub, scope, depth, aggregate):
        return [lambda: '%s * %s' % (sub('n'), sub('i')), lambda: 'round((%s)::numeric, 1)' % sub('n'), lambda: '%s::numeric' % sub('i'), lambda: '(%s)::numeric' % sub('t'),
                lambda: 'sqrt(%s)' % sub('n'), lambda: '%s / %s' % (sub('n'), sub('n')), lambda: 'extract(epoch from %s)' % sub('s')]

    def date_forms(self, sub, scope, depth, aggregate):
        return [lambda: 'make_date(year => (2000 + (%s) %% 20)::int, month => 1, day => 2)' % sub('i'), lambda: '%s + %d' % (sub('d'), self.r.randint(0, 9)), lambda: '(%s)::date' % sub(self.pick('st')), lambda: "date_trunc('year', %s)::date" % sub('s')]

    def time_forms(self, sub, scope, depth, aggregate):
        return [lambda: "%s + interval '1 day'" % sub('s'), lambda: '(%s)::timestamp' % sub('d'), lambda: "date_trunc('month', %s)" % sub('s')]

    def bytes_forms(self, sub, scope, depth, aggregate):
        return [lambda: "convert_to(%s, 'UTF8')" % sub('t'), lambda: '(%s)::bytea' % sub('t'), lambda: 'substring(%s from 1 for 6)' % sub('y'), lambda: '%s || %s' % (sub('y'), sub('y')),
                lambda: "decode(%s, 'hex')" % sub('t')]

    def json_forms(self, sub, scope, depth, aggregate):
        forms = [
            lambda: "jsonb_build_object('k', %s)" % sub(self.any_kind()),
            lambda: 'to_jsonb(%s)' % sub(self.any_kind()),
            lambda: 'jsonb_build_array(%s, %s)' % (sub('t'), sub('i')),
            lambda: "(%s)::jsonb->'k'" % sub('j'),
            lambda: "(%s)::jsonb || '{\"z\": 1}'" % sub('j'),
            lambda: "jsonb_set((%s)::jsonb, '{k}', to_jsonb(%s))" % (sub('j'), sub('t')),
            lambda: "jsonb_path_query_first((%s)::jsonb, '$.k')" % sub('j'),
            lambda: "json_build_object(%s, 1)" % sub('t'),
            lambda: '(%s)::jsonb' % sub('t'),
            lambda: 'jsonb_strip_nulls((%s)::jsonb)' % sub('j'),
        ]
        if not aggregate and not self.calm:
            forms += [lambda: self.whole_row(scope, 'row_to_json(%s)'), lambda: self.whole_row(scope, 'to_jsonb(%s)')]
        return ['(%s)::jsonb' % form() if not callable(form) else (lambda f=form: '(%s)::jsonb' % f()) for form in forms]

    def array_forms(self, sub, scope, depth, aggregate):
        return [lambda: 'array[%s, %s]' % (sub('t'), sub('t')), lambda: "string_to_array(%s, ',')" % sub('t'), lambda: 'array_append(%s, %s)' % (sub('a'), sub('t')),
                lambda: 'array(%s)' % self.query(['t'], scope, depth), lambda: '%s || %s' % (sub('a'), sub('a')), lambda: "regexp_split_to_array(%s, '@')" % sub('t'),
                lambda: '(%s)[1:1]' % sub('a'), lambda: "array_remove(%s, 'a')" % sub('a'), lambda: "regexp_match(%s, '(.)(.*)')" % sub('t'),
                lambda: 'array[[%s, %s], [%s, %s]]' % (sub('t'), sub('t'), sub('t'), sub('t')), lambda: "tsvector_to_array(to_tsvector('simple', %s))" % sub('t'), lambda: 'array_fill((%s)::text, array[2])' % sub('t'),
                lambda: "array_replace(%s, 'a', %s)" % (sub('a'), sub('t')), lambda: 'array_prepend(%s, %s)' % (sub('t'), sub('a'))]

    def pair_forms(self, sub, scope, depth, aggregate):
        return [lambda: 'row(%s, %s)::gen.pair' % (sub('t'), sub('i'))]

    def aggregate(self, kind, scope):
        value = lambda k: self.expr(k, scope, 1)
        forms = {'t': [lambda: 'max(%s)' % value('t'), lambda: "string_agg(%s, ','%s)" % (value('t'), self.pick(('', ' order by 1'))), lambda: 'min(%s)' % value('t')],
                 'i': [lambda: 'count(*)::int', lambda: 'count(%s)::int' % value('t'), lambda: 'sum(%s)::int' % value('i'), lambda: 'count(distinct %s)::int' % value('t'), lambda: 'max(%s)' % value('i')],
                 'n': [lambda: 'avg(%s)' % value('n'), lambda: 'sum(%s)' % value('n'), lambda: 'percentile_cont(0.5) within group (order by %s)::numeric' % value('n')],
                 'j': [lambda: 'jsonb_agg(%s)' % value('t'), lambda: "jsonb_object_agg('k', %s)" % value('t')], 'a': [lambda: 'array_agg(%s)' % value('t')],
                 'b': [lambda: 'bool_or(%s)' % value('b'), lambda: 'every(%s)' % self.condition(scope, 0)], 'd': [lambda: 'max(%s)' % value('d')], 's': [lambda: 'min(%s)' % value('s')]}
        if kind not in forms:
            return self.literal(kind)
        text = self.pick(forms[kind])()
        if self.chance(0.15) and not text.endswith(('::int', '::numeric')):
            text += ' filter (where %s)' % self.condition(scope, 1)
        return text

    def window_call(self, kind, scope):
        if kind == 'i' and self.chance(0.5):
            return self.pick(('rank()', 'row_number()', 'dense_rank()', 'ntile(2)'))
        if kind in 'tind' and self.chance(0.3):
            return '%s(%s)%s' % (self.pick(('max', 'min')), self.expr(kind, scope, 1), ' filter (where %s)' % self.condition(scope, 0) if self.chance(0.4) else '')
        return self.pick(('lag(%s)', 'lead(%s)', 'first_value(%s)', 'last_value(%s)', 'nth_value(%s, 2)', 'lag(%s, 2)')) % self.expr(kind, scope, 1)

    def window(self, scope):
        parts = []
        if self.chance(0.5):
            parts.append('partition by ' + self.expr(self.pick('ti'), scope, 0))
        if self.chance(0.7):
            parts.append('order by ' + self.expr(self.pick('tid'), scope, 0))
        if self.chance(0.25):
            parts.append(self.pick(('rows between 1 preceding and current row', 'rows between unbounded preceding and 1 following exclude current row', 'range between unbounded preceding and current row exclude ties', 'rows 1 preceding')))
        return ' '.join(parts)

    def whole_row(self, scope, form):
        aliases = sorted({c.alias for c in scope if c.alias})
        if not aliases:
            return form % self.literal('t')
        alias = self.pick(aliases)
        self.tainted |= any(c.tainted for c in scope if c.alias == alias)
        return form % self.name(alias)

    def function_call(self, scope):
        name, tainted = self.pick([f for f in self.schema.functions if f[0] in ('f_sql', 'f_pl', 'f_dyn')])
        self.tainted |= tainted or name == 'f_dyn'
        return '%s(%s)' % (name, self.expr('i', scope, 0))

    def condition(self, scope, depth, aggregate=False):
        if aggregate:
            return '%s > %s' % (self.aggregate('i', scope), self.literal('i'))
        sub = lambda k: self.expr(k, scope, depth)
        kind = self.pick('tttiindsbeum')
        forms = [
            lambda: '%s %s %s' % (sub(kind), self.pick(('=', '=', '<>', '<', '>', '<=', '>=')), sub(kind)),
            lambda: '%s = %s' % (self.column(kind, scope) or self.literal(kind), self.literal(kind)),
            lambda: '%s is %snull' % (sub(kind), self.pick(('', 'not '))),
            lambda: "%s %s '%s%%'" % (sub('t'), self.pick(('like', 'ilike', 'not like', 'similar to')), self.pick('aqzex')),
            lambda: "%s ~ '^[a-q]'" % sub('t'),
            lambda: '%s %sin (%s, %s)' % (sub(kind), self.pick(('', 'not ')), self.literal(kind), self.literal(kind)),
            lambda: '%s %sin (%s)' % (sub(kind), self.pick(('', 'not ')), self.query([kind], scope, depth)),
            lambda: '%s between %s and %s' % (sub(kind), self.literal(kind), sub(kind)),
            lambda: '%s is %sdistinct from %s' % (sub(kind), self.pick(('', 'not ')), sub(kind)),
            lambda: '%s = any (%s)' % (sub('t'), sub('a')),
            lambda: '%s %s %s (%s)' % (sub('i'), self.pick(('=', '>', '<=')), self.pick(('any', 'all')), self.query(['i'], scope, depth)),
            lambda: '%sexists (%s)' % (self.pick(('', 'not ')), self.query([kind], scope, depth)),
            lambda: '(%s, %s) %s (%s, %s)' % (sub('i'), sub('t'), self.pick(('=', '<', '>')), sub('i'), sub('t')),
            lambda: '(%s) and (%s)' % (self.condition(scope, depth - 1), self.condition(scope, depth - 1)),
            lambda: '(%s) or (%s)' % (self.condition(scope, depth - 1), self.condition(scope, depth - 1)),
            lambda: 'not (%s)' % self.condition(scope, depth - 1),
            lambda: '(%s)::jsonb @> %s' % (sub('j'), "'{\"k\": 1}'"),
            lambda: "(%s)::jsonb ? 'k'" % sub('j'),
            lambda: '%s && %s' % (sub('a'), sub('a')),
            lambda: "starts_with(%s, 'a')" % sub('t'),
            lambda: 'int8range(%s, %s) @> %s::int8' % (self.literal('i'), 'null', sub('i')),
            lambda: "daterange(%s, null) && daterange(%s, null)" % (sub('d'), sub('d')),
            lambda: "to_tsvector('simple', %s) @@ to_tsquery('simple', 'fog')" % sub('t'),
            lambda: '%s is true' % sub('b'),
            lambda: 'row(%s, %s) is null' % (sub('t'), sub('i')),
            lambda: '(%s, %s) overlaps (%s, %s)' % (sub('d'), sub('d'), self.literal('d'), self.literal('d')),
            lambda: self.column('b', scope) or 'true',
            lambda: '%s %sbetween symmetric %s and %s' % (sub(kind), self.pick(('', 'not ')), self.literal(kind), sub(kind)),
            lambda: '(%s) is %s' % (sub('b'), self.pick(('unknown', 'not true', 'not unknown', 'false'))),
            lambda: "%s like %s || '%%' escape '#'" % (sub('t'), sub('t')),
            lambda: "%s %s %s (array['a%%', %s])" % (sub('t'), self.pick(('like', 'ilike', 'not like')), self.pick(('any', 'all')), sub('t')),
            lambda: '%s %s all (%s)' % (sub('t'), self.pick(('<>', '=')), sub('a')),
            lambda: '(%s, %s) %sin (%s)' % (sub('i'), sub('t'), self.pick(('', 'not ')), self.query(['i', 't'], scope, depth)),
            lambda: '(%s, %s) = (%s)' % (sub('i'), sub('t'), self.query(['i', 't'], scope, depth, one=True)),
            lambda: '%s = some (%s)' % (sub('t'), self.query(['t'], scope, depth)),
            lambda: '%s in (values (%s), (%s))' % (sub('t'), sub('t'), self.literal('t')),
            lambda: 'row(%s, %s) is distinct from row(%s, %s)' % (sub('i'), sub('t'), sub('i'), sub('t')),
            lambda: '%s operator(pg_catalog.=) %s' % (sub('t'), sub('t')),
            lambda: "xmlexists('/a[text()]' passing by value xmlelement(name a, %s))" % sub('t'),
            lambda: '(%s) is normalized' % sub('t'),
            lambda: "xmlelement(name a, %s) is document" % sub('t'),
            lambda: "(%s)::jsonb @? '$.k ? (@ starts with \"a\")'" % sub('j'),
            lambda: "jsonb_path_match((%s)::jsonb, 'exists($.k)')" % sub('j'),
            lambda: '%s <@ %s' % (sub('a'), sub('a')),
        ]
        return self.pick(forms if depth > 0 else forms[:4])()

    # ---- FROM

    def table(self):
        relations = self.schema.relations
        if self.calm and self.chance(0.6):
            relations = [x for x in relations if not x.tainted]
        return self.pick(relations)

    def source(self, outer, depth, lateral=False):
        """-> its text, the columns it shows"""
        if self.ctes and self.chance(0.4):
            name, columns = self.pick(self.ctes)
            alias = self.alias()
            return '%s as %s' % (name, alias), [Visible(alias, n, k, t) for n, k, t in columns]
        how = self.r.random()
        if how < 0.7 or depth <= 0:
            relation = self.table()
            text = relation.full
            if relation.schema == 'public' and relation.kind == 'table' and self.chance(0.5) or relation.schema == 'public' and self.chance(0.4):
                text = self.name(relation.name)
            if relation.kind == 'table' and self.chance(0.05):
                text = 'only ' + text
            sample = relation.kind == 'table' and not relation.name.startswith('parted') and self.chance(0.02)
            if self.chance(0.15):
                alias = relation.name
            else:
                alias = self.alias()
                text += self.pick((' as ', ' ')) + alias
                if sample:
                    text += ' tablesample system (100)'
            columns = [Visible(alias, c.name, c.kind, c.tainted) for c in relation.columns]
            if self.chance(0.05) and ' ' in text and alias != relation.name and 'sample' not in text:
                names = ['a%d' % i for i in range(len(columns))]
                text += '(%s)' % ', '.join(names)
                for column, name in zip(columns, names):
                    column.name = name
            return text, columns
        alias = self.alias()
        if how < 0.85:
            kinds = [self.any_kind() for _ in range(self.r.randint(1, 3))]
            outside = outer if lateral else []
            names, text, taints = self.named_query(kinds, outside, depth - 1)
            return '%s(%s) as %s' % ('lateral ' if lateral else '', text, alias), [Visible(alias, n, k, t) for n, k, t in zip(names, kinds, taints)]
        if how < 0.92:
            rows = ', '.join('(%s, %s)' % (self.literal('i') + '::int', self.literal('t') + '::text') for _ in range(2))
            return '(values %s) as %s(num, word)' % (rows, alias), [Visible(alias, 'num', 'i', False), Visible(alias, 'word', 't', False)]
        scope = outer if lateral else []
        before, self.tainted = self.tainted, False
        text, columns = self.pick([
            lambda: ('generate_series(1, %s) as %s(g)' % (self.pick(('2', '3')), alias), [('g', 'i')]),
            lambda: ('unnest(%s) as %s(u)' % (self.expr('a', scope, 1), alias), [('u', 't')]),
            lambda: ('unnest(%s) with ordinality as %s(u, o)' % (self.expr('a', scope, 1), alias), [('u', 't'), ('o', 'i')]),
            lambda: ("jsonb_each_text(case when jsonb_typeof(%s) = 'object' then %s end) as %s(k, v)" % ((lambda j: (j, j))(self.expr('j', scope, 0) + '::jsonb') + (alias,)), [('k', 't'), ('v', 't')]),
            lambda: ("regexp_split_to_table(%s, 'e') as %s(p)" % (self.expr('t', scope, 1), alias), [('p', 't')]),
            lambda: ('rows from (generate_series(1, 2), unnest(%s)) as %s(g, u)' % (self.expr('a', scope, 1), alias), [('g', 'i'), ('u', 't')]),
            lambda: ("jsonb_to_record(%s::jsonb) as %s(k text, n numeric)" % (self.expr('j', scope, 0), alias), [('k', 't'), ('n', 'n')]),
            lambda: self.reading_function(alias),
            lambda: ("unnest(to_tsvector('simple', %s)) as %s(u, p, w)" % (self.expr('t', scope, 1), alias), [('u', 't')]),
            lambda: ("unnest(to_tsvector('simple', %s)) as %s" % (self.expr('t', scope, 1), alias), [('lexeme', 't')]),
            lambda: ('unnest(array[%s]) as %s(x, y)' % (self.expr('c', scope, 1), alias), [('x', 't'), ('y', 'i')]),
            lambda: ('unnest(%s, array[%s]) as %s(u, n)' % (self.expr('a', scope, 0), self.expr('i', scope, 1), alias), [('u', 't'), ('n', 'i')]),
            lambda: ("xmltable('/r/e' passing (select xmlelement(name r, xmlelement(name e, %s))) columns w text path '.', n for ordinality) as %s" % (self.expr('t', scope, 1), alias), [('w', 't'), ('n', 'i')]),
            lambda: ('jsonb_populate_record(null::gen.pair, jsonb_build_object(%s, %s)) as %s' % (quoted('x'), self.expr('t', scope, 1), alias), [('x', 't'), ('y', 'i')]),
            lambda: ('rows from (jsonb_to_recordset(jsonb_build_array(%s)) as (k text, n numeric), generate_series(1, 2)) as %s(k, n, g)' % (self.expr('j', scope, 0), alias), [('k', 't'), ('n', 'n'), ('g', 'i')]),
            lambda: ("json_each_text(json_build_object('a', %s)) as %s" % (self.expr('t', scope, 1), alias), [('key', 't'), ('value', 't')]),
            lambda: ("upper(%s) as %s" % (self.expr('t', scope, 1), alias), [(alias, 't')]) if alias.startswith('x') else ("upper('a') as %s(p)" % alias, [('p', 't')]),
        ])()
        taint, self.tainted = self.tainted, self.tainted or before
        return text, [Visible(alias, n, k, taint) for n, k in columns]

    def reading_function(self, alias):
        if self.calm:
            return 'generate_series(1, 2) as %s(g)' % alias, [('g', 'i')]
        name, tainted = self.pick([f for f in self.schema.functions if f[0] in ('f_set', 'f_tab')])
        self.tainted |= tainted
        return ('f_set() as %s(w)' % alias, [('w', 't')]) if name == 'f_set' else ('f_tab() as %s' % alias, [('k', 'i'), ('w', 't')])

    def from_clause(self, outer, depth):
        text, columns = self.source(outer, depth)
        joins = self.pick((0, 0, 0, 1, 1, 2)) if depth > 0 else self.pick((0, 0, 0, 1))
        for _ in range(joins):
            how = self.r.random()
            lateral = self.chance(0.25)
            right, more = self.source(outer + columns, depth - 1, lateral)
            if how < 0.15:
                text += self.pick((', ', ' cross join ')) + right
            elif how < 0.35:
                shared = [a.name for a in columns for b in more if a.name == b.name and a.kind == b.kind and [c.name for c in columns].count(a.name) == 1 and [c.name for c in more].count(b.name) == 1
                          and not (self.calm and (a.tainted or b.tainted))]
                if shared:
                    name = self.pick(shared)
                    text += ' %sjoin %s using (%s)%s' % (self.pick(('', 'left ', 'inner ')), right, self.name(name), ' as merged%d' % self.aliases if self.chance(0.15) else '')
                    taint = any(c.tainted for c in columns + more if c.name == name)
                    self.tainted |= taint
                    for c in columns:
                        if c.name == name:
                            c.alias, c.tainted = '', taint
                    more = [c for c in more if c.name != name]
                else:
                    text += ' cross join ' + right
            elif how < 0.42 and not self.calm:
                self.tainted |= any(a.name == b.name and (a.tainted or b.tainted) for a in columns for b in more)
                text += ' natural %sjoin %s' % (self.pick(('', 'left ')), right)
                names = {c.name for c in columns} & {c.name for c in more}
                more = [c for c in more if c.name not in names]
                for c in columns:
                    if c.name in names:
                        c.alias = ''
            else:
                kind = self.pick(('', '', 'left ', 'right ', 'full ') if not lateral else ('', 'left '))
                text += ' %sjoin %s on %s' % (kind, right, self.condition(outer + columns + more, 1) if self.chance(0.7) and kind != 'full ' else 'true')
            columns = columns + more
        if joins and self.chance(0.06) and not (self.calm and any(c.tainted for c in columns)):
            # One name for all of it.
            whole = self.alias()
            text = '(%s) as %s' % (text, whole)
            names = [c.name for c in columns]
            self.unnamed_taint |= any(c.tainted for c in columns if names.count(c.name) > 1)
            columns = [Visible(whole, c.name, c.kind, c.tainted) for c in columns if names.count(c.name) == 1]
        return text, columns

    # ---- queries

    def query(self, kinds, outer, depth, one=False):
        return self.named_query(kinds, outer, depth, one)[1]

    def named_query(self, kinds, outer, depth, one=False, top=False):
        """A query whose columns are of these kinds. -> their names, its text, which may hold masked values"""
        names = ['c%d' % i for i in range(len(kinds))]
        outer_ctes, prefix = list(self.ctes), ''
        before = self.tainted
        self.tainted = False
        if depth > 0 and self.chance(0.18 if top else 0.06):
            prefix = self.with_clause(outer, depth - 1)
        if depth > 0 and self.chance(0.12):
            left, right = (self.select(kinds, names, outer, depth - 1)[0] for _ in range(2))
            left, right = ('(%s)' % side if ' order by' in side or ' for ' in side or self.chance(0.2) else side for side in (left, right))
            text = '%s %s %s' % (left, self.pick(('union', 'union all', 'union all', 'intersect', 'intersect all', 'except', 'except all')), right)
            if self.chance(0.25):
                third = self.select(kinds, names, outer, depth - 1)[0]
                text = self.pick(('(%s) %s (%s %s %s)', '(%s %s %s) %s %s', '(%s) %s ((%s) %s (%s))')) % (left, self.pick(('union all', 'union', 'except')), right, self.pick(('union all', 'intersect')), third)
            if any(k in 'j' for k in kinds):
                text = '%s union all %s' % (left, right)
            taints = [self.tainted] * len(kinds)
            if self.chance(0.3):
                text += ' order by %d' % self.r.randint(1, len(kinds))
        else:
            text, taints = self.select(kinds, names, outer, depth, top)
        if one:
            text += ' limit 1'
        elif self.chance(0.1):
            text += self.pick((lambda: ' limit 3', lambda: ' offset 1', lambda: ' fetch first 2 rows only', lambda: ' limit 2 offset 1', lambda: ' limit %s' % self.expr('i', [], 1), lambda: ' offset (%s)' % self.query(['i'], [], 0, one=True),
                               lambda: ' fetch first row with ties' if ' order by' in text else ' limit all'))()
        self.ctes = outer_ctes
        self.tainted |= before
        return names, prefix + text, taints

    def with_clause(self, outer, depth):
        parts, recursive = [], False
        for _ in range(self.r.randint(1, 2)):
            self.aliases += 1
            name = self.pick(('w%d' % self.aliases, 'w%d' % self.aliases, 'customers'))
            if any(name == n for n, _ in self.ctes):
                continue
            if self.chance(0.2):
                recursive = True
                start, startt = self.select(['i', 't'], ['n', 'w'], [], 0)
                step = 'select r.n + 1, %s from %s r where r.n < 3' % (self.pick(('r.w', "r.w || 'x'", 'upper(r.w)')), name)
                tail = self.pick(('', '', '', ' search depth first by n set path%d' % self.aliases, ' cycle n set looped%d using way%d' % (self.aliases, self.aliases)))
                parts.append('%s(n, w) as (select n::int, w::text from (%s) s union %s%s)%s' % (name, start, self.pick(('', 'all ')), step, tail))
                self.ctes.append((name, [('n', 'i', any(startt)), ('w', 't', any(startt))]))
                continue
            kinds = [self.any_kind() for _ in range(self.r.randint(1, 3))]
            before, self.tainted = self.tainted, False
            names, text, taints = self.named_query(kinds, [], depth)
            self.tainted |= before
            parts.append('%s as %s(%s)' % (name, self.pick(('', '', 'materialized ', 'not materialized ')), text))
            self.ctes.append((name, list(zip(names, kinds, taints))))
        if not parts:
            return ''
        return 'with %s%s ' % ('recursive ' if recursive else '', ', '.join(parts))

    def select(self, kinds, names, outer, depth, top=False):
        before, self.tainted = self.tainted, False
        source, columns = self.from_clause(outer, depth)
        columns = [c for c in columns if [(x.alias, x.name) for x in columns].count((c.alias, c.name)) == 1]
        scope = columns + [c for c in outer if c.alias not in {x.alias for x in columns}] if depth > 0 else columns
        from_taint, self.tainted = self.tainted, False
        grouped = self.chance(0.14)
        spread = top and not grouped and self.chance(0.04)
        groups = []
        items, taints = [], []
        if grouped:
            groups = [g for g in (self.column(self.pick('tie'), columns) for _ in range(self.r.randint(0, 2))) if g]
            from_taint |= self.tainted
        for kind, name in zip(kinds, names):
            self.tainted = False
            if grouped and groups and self.chance(0.3) and kind == 't':
                text = '(%s)::text' % self.pick(groups)
                self.tainted = True
            else:
                text = self.expr(kind, columns if grouped else scope, min(depth, 2), grouped)
            if spread and kind == 't' and name == names[0]:
                text = self.pick(('unnest(array[%s])', "regexp_split_to_table(%s, 'e')", "(jsonb_each_text(jsonb_build_object('k', %s))).value", "string_to_table(%s, 'a')")) % text
            items.append(text + (self.pick((' as ', ' as ', ' ')) + name if name else ''))
            taints.append(self.tainted or from_taint)
        item_taint, self.tainted = any(taints), False
        tail = ''
        if self.chance(0.5):
            tail += self.gap() + 'where ' + self.condition(scope, min(depth, 2))
        if grouped:
            if groups:
                form = self.pick(('%s', '%s', '%s', 'rollup (%s)', 'cube (%s)', 'grouping sets ((%s), ())', 'distinct rollup (%s)'))
                tail += ' group by ' + form % ', '.join(groups)
            if self.chance(0.3):
                tail += ' having ' + self.condition(columns, 1, True)
        elif self.chance(0.15) and not any(k == 'j' for k in kinds) and names[0]:
            tail += ' order by ' + self.pick((names[0], '1')) + self.pick(('', ' desc', ' nulls first', ' asc nulls last', ' using <'))
        elif self.chance(0.12):
            tail += ' order by ' + self.expr(self.pick('tidn'), scope, 1) + self.pick(('', ' desc'))
        distinct = ''
        if not grouped and not tail.count(' order by') and self.chance(0.07) and not any(k in 'j' for k in kinds):
            distinct = 'distinct '
        elif not grouped and top and not tail.count(' order by') and self.chance(0.04):
            distinct = 'distinct on (%s) ' % self.expr(self.pick('ti'), scope, 0)
        if top and not grouped and not distinct and self.chance(0.02):
            tail += self.pick((' for update', ' for share', ' for no key update skip locked'))
        self.tainted |= before or from_taint or item_taint
        return 'select%s%s%s%sfrom %s%s' % (self.gap(), distinct, ', '.join(items), self.gap(), source, tail), taints

    # ---- whole results

    def star_query(self):
        """Stars, whole rows, TABLE, joins of everything: the columns are the relations' own."""
        self.unnamed_taint = False
        source, columns = self.from_clause([], 1)
        self.tainted |= self.unnamed_taint
        aliases = [c.alias for c in columns if c.alias]
        item = self.pick(['*', '*'] + ['%s.*' % self.name(a) for a in aliases[:2]] + [self.name(a) for a in aliases[:2]] + ['(%s).*' % a for a in aliases[:1]])
        self.tainted |= any(c.tainted for c in columns)
        tail = ' where ' + self.condition(columns, 1) if self.chance(0.3) else ''
        if self.chance(0.1):
            relation = self.table()
            self.tainted |= relation.tainted
            return 'table ' + relation.full
        return 'select %s from %s%s' % (item, source, tail)

    def any_query(self, depth=3):
        if self.chance(0.15):
            return self.star_query()
        if self.chance(0.03):
            # VALUES as a statement, and as one side of a set operation.
            kinds = [self.any_kind() for _ in range(self.pick((1, 2)))]
            rows = 'values ' + ', '.join('(%s)' % ', '.join(self.expr(k, [], 2) for k in kinds) for _ in range(2))
            return rows if self.chance(0.5) or 'j' in kinds else '%s union all %s' % (rows, self.select(kinds, ['c%d' % i for i in range(len(kinds))], [], 1)[0])
        kinds = [self.any_kind() for _ in range(self.pick((1, 1, 2, 3, 4)))]
        return self.named_query(kinds, [], depth, top=True)[1]

    def plain_table(self):
        found = [x for x in self.schema.relations if x.kind == 'table']
        if self.calm:
            found = [x for x in found if not x.tainted and not x.loud] or found
        relation = self.pick(found)
        self.tainted |= relation.tainted or relation.loud
        return relation

    def set_clause(self, relation, scope):
        columns = [c for c in relation.columns if c.generated is None and c.name not in ('id', 'part')]
        if not columns:
            return 'id = id'
        out = []
        if len(columns) > 1 and self.chance(0.2):
            # Several at once, of a row or a query.
            two = self.r.sample(columns, 2)
            kinds = ['t' if c.kind == 'm' else c.kind for c in two]
            names = ', '.join(ident(c.name) for c in two)
            if self.chance(0.5):
                return '(%s) = (%s)' % (names, self.named_query(kinds, scope, 1, one=True)[1])
            return '(%s) = %s(%s)' % (names, self.pick(('', 'row')), ', '.join(self.expr(k, scope, 1) for k in kinds))
        for column in self.r.sample(columns, min(len(columns), self.r.randint(1, 2))):
            if column.kind == 'c' and self.chance(0.4):
                out.append('%s.%s' % (ident(column.name), self.pick((lambda: 'x = ' + self.expr('t', scope, 1), lambda: 'y = ' + self.expr('i', scope, 1)))()))
                continue
            if column.kind == 'a' and self.chance(0.4):
                out.append('%s[%s] = %s' % (ident(column.name), self.pick(('1', '2')), self.expr('t', scope, 1)))
                continue
            kind = 't' if column.kind == 'm' else column.kind
            out.append('%s = %s' % (ident(column.name), self.pick((lambda: self.literal(column.kind), lambda: self.expr(kind, scope, 1), lambda: 'default', lambda: self.column(column.kind, scope) or 'default'))()))
        return ', '.join(out)

    def returning(self, scope):
        if self.chance(0.4):
            return ''
        self.tainted |= any(c.tainted for c in scope)
        return ' returning ' + self.pick((lambda: '*', lambda: ', '.join(self.expr(self.any_kind(), scope, 1) for _ in range(2)), lambda: 'id'))()

    def write(self):
        relation = self.plain_table()
        alias = self.alias()
        scope = [Visible(alias, c.name, c.kind, c.tainted) for c in relation.columns]
        columns = [c for c in relation.columns if c.generated is None]
        how = self.r.random()
        if how < 0.35:
            chosen = [c for c in columns if c.name == 'id' or self.chance(0.6)]
            names = ', '.join(ident(c.name) for c in chosen)
            if self.chance(0.45):
                rows = 'values ' + ', '.join('(%s)' % ', '.join(self.expr(c.kind if c.kind != 'm' else 't', [], 1) if c.name != 'id' else self.pick(('1', '100', '101')) for c in chosen) for _ in range(self.r.randint(1, 2)))
            else:
                rows = self.named_query([c.kind if c.kind != 'm' else 't' for c in chosen], [], 1)[1]
            text = 'insert into %s as %s (%s) %s' % (relation.full, alias, names, rows)
            if self.chance(0.35):
                conflict = self.pick([c for c in relation.columns if c.unique] or [relation.columns[0]])
                text += ' on conflict' + self.pick((' do nothing', ' (%s) do nothing' % ident(conflict.name), ' (%s) do update set %s%s' % (
                    ident(conflict.name), self.set_clause(relation, scope + [Visible('excluded', c.name, c.kind, c.tainted) for c in columns]), self.pick(('', ' where ' + self.condition(scope, 1))))))
            return text + self.returning(scope)
        where = ' where ' + self.condition(scope, 1) if self.chance(0.8) else ''
        if how < 0.7:
            source, more = '', []
            if self.chance(0.25):
                source, more = self.source([], 0)
                source = ' from ' + source
            more = [c for c in more if c.alias != alias]
            where = ' where ' + self.condition(scope + more, 1) if self.chance(0.8) else ''
            return 'update %s as %s set %s%s%s%s' % (relation.full, alias, self.set_clause(relation, scope + more), source, where, self.returning(scope + more))
        if how < 0.88:
            if self.chance(0.3):
                source, more = self.source([], 0)
                more = [c for c in more if c.alias != alias]
                return 'delete from %s as %s using %s where %s%s' % (relation.full, alias, source, self.condition(scope + more, 1), self.returning(scope + more))
            return 'delete from %s as %s%s%s' % (relation.full, alias, where, self.returning(scope))
        other, more = self.source([], 0)
        more = [c for c in more if c.alias != alias]
        on = self.condition(scope + more, 1)
        when = 'when matched%s then %s' % (' and ' + self.condition(scope + more, 1) if self.chance(0.4) else '', self.pick((lambda: 'delete', lambda: 'update set ' + self.set_clause(relation, scope + more), lambda: 'do nothing'))())
        if self.chance(0.5):
            chosen = [c for c in columns if c.name == 'id' or self.chance(0.5)]
            when += ' when not matched%s then insert (%s) values (%s)' % (' and ' + self.condition(more, 1) if self.chance(0.4) else '', ', '.join(ident(c.name) for c in chosen),
                                                                        ', '.join('200' if c.name == 'id' else self.expr('t' if c.kind == 'm' else c.kind, more, 1) for c in chosen))
        else:
            when += ' when not matched then do nothing'
        return '%smerge into %s as %s using %s on %s %s' % (self.with_clause([], 1) if self.chance(0.1) else '', relation.full, alias, other, on, when)

    def explain(self):
        options = self.pick(('', '(verbose)', '(costs off)', '(analyze, timing off, summary off)', '(format json)', '(analyze, verbose, timing off, summary off, format json)', 'verbose', '(settings, costs off)'))
        return 'explain %s %s' % (options, self.any_query(2) if self.chance(0.8) else self.write())

    def definition(self):
        """Things made of masked columns, and what reads them: defaults, checks, indexes, rules, triggers, functions, statistics."""
        relation = self.plain_table()
        column = self.pick([c for c in relation.columns if c.kind == 't'] or relation.columns)
        name = ident(column.name)
        self.tainted = True
        self.aliases += 1
        number = self.aliases
        texts = self.pick((
            lambda: ['alter table %s add column more text' % relation.full, 'update %s set more = %s' % (relation.full, name), 'select more from %s order by id' % relation.full],
            lambda: ['alter table %s alter column %s type varchar(60) using %s::varchar(60)' % (relation.full, name, name), 'select * from %s' % relation.full],
            lambda: ['alter table %s add constraint k%d check (%s <> %s)' % (relation.full, number, name, self.literal('t') if column.kind == 't' else name), 'select 1'],
            lambda: ['create unique index on %s (left(%s::text, 1))' % (relation.full, name), 'select 1'],
            lambda: ['create index on %s (upper(%s::text))' % (relation.full, name), 'select * from %s order by upper(%s::text)' % (relation.full, name)],
            lambda: ['create table s%d (like %s including all)' % (number, relation.full), 'insert into s%d select * from %s' % (number, relation.full), 'select * from s%d' % number],
            lambda: ['create table s%d (id int, v text)' % number, 'create rule r%d as on insert to s%d do also update %s set %s = default where id = new.id returning 1' % (number, number, relation.full, name),
                     'insert into s%d values (1, %s)' % (number, quoted('x'))],
            lambda: ["create function pg_temp.g%d(i int) returns text language sql as $g$ select %s::text from %s t where t.id = i $g$" % (number, name, relation.full), 'select pg_temp.g%d(1)' % number],
            lambda: ["create function pg_temp.g%d() returns setof %s language sql as $g$ select * from %s $g$" % (number, relation.full, relation.full), 'select * from pg_temp.g%d()' % number],
            lambda: ['create recursive view v%d (n, w) as select 1, %s::text from %s union select n + 1, w from v%d where n < 2' % (number, name, relation.full, number), 'select * from v%d' % number],
            lambda: ['analyze %s' % relation.full, "select most_common_vals::text, histogram_bounds::text from pg_stats where tablename = %s" % quoted(relation.name)],
            lambda: ['create table s%d (id int default 1, v text)' % number, 'insert into s%d default values' % number, 'insert into s%d (v) values ((select %s::text from %s limit 1)), (default)' % (number, name, relation.full), 'table s%d' % number],
            lambda: ['create temp sequence q%d' % number, "select setval('q%d', (select greatest(1, length(%s::text)) from %s limit 1))" % (number, name, relation.full), 'select last_value from q%d' % number],
            lambda: ['notify ch, %s' % quoted('x'), 'listen ch', "comment on column %s.%s is 'x'" % (relation.full, name)],
            lambda: ['lock table %s in share mode' % relation.full, 'truncate %s' % relation.full, 'select count(*) from %s' % relation.full],
            lambda: ['create policy p%d on %s using (%s is not null)' % (number, relation.full, name), 'alter table %s enable row level security' % relation.full, 'select id from %s' % relation.full],
            lambda: ['create domain pg_temp.d%d as text check (value <> %s)' % (number, quoted('x')), 'select %s::text::pg_temp.d%d from %s' % (name, number, relation.full)],
            lambda: ['create type pg_temp.e%d as (a text, b int)' % number, 'select (row(%s, id)::pg_temp.e%d).a from %s' % (name, number, relation.full)],
        ))()
        return [Statement(text, True) for text in texts]

    # ---- cases: what one transaction runs

    def case(self):
        """-> a list of Statements"""
        self.calm = self.chance(0.35)
        self.tainted = False
        one = lambda text, returns=True: [Statement(text, self.tainted, returns)]
        how = self.r.random()
        if how < 0.62:
            return self.with_values(self.any_query)
        if how < 0.76:
            if self.chance(0.2):
                write = self.write()
                while 'returning' not in write:
                    write = self.write()
                return one('with w as (%s) %s' % (write, self.pick(('select * from w', 'select count(*) from w', 'select 1'))))
            return self.with_values(self.write)
        if how < 0.80:
            return self.with_values(self.explain)
        if how < 0.81:
            return self.definition()
        self.aliases += 1
        number = self.aliases
        both = lambda *texts: [Statement(text, self.tainted, not text.startswith(('create', 'declare', 'prepare', 'close', 'drop', 'copy', 'do'))) for text in texts]
        if how < 0.84:
            options = self.pick(('', ' (format csv, header)', " (delimiter '|')", ' with csv', ' (format binary)', " (format csv, force_quote *, null 'none', quote '~')"))
            if self.chance(0.3):
                relation = self.plain_table()
                chosen = [c for c in relation.columns if c.generated is None and self.chance(0.6)]
                return both('copy %s%s to stdout%s' % (relation.full, ' (%s)' % ', '.join(ident(c.name) for c in chosen) if chosen and self.chance(0.5) else '', options))
            return both('copy (%s) to stdout%s' % (self.any_query(2), options))
        if how < 0.88:
            return both('declare k%d %scursor %sfor %s' % (number, self.pick(('', 'scroll ', 'binary ', 'insensitive ', 'no scroll ')), self.pick(('', '', 'with hold ')), self.any_query(2)),
                        'fetch %s from k%d' % (self.pick(('1', '2', 'all', 'last', 'absolute 2', 'relative 1', 'forward 1', 'next')), number), 'move %s in k%d' % (self.pick(('1', 'first', '-1')), number),
                        self.pick(('fetch all in k%d', 'fetch backward 1 from k%d', 'close k%d', 'fetch k%d')) % number)
        if how < 0.91:
            if self.chance(0.4):
                kinds = [self.pick('ti') for _ in range(self.r.randint(1, 2))]
                self.values = []
                text, values = self.any_query(2), self.values
                self.values = None
                given = ', '.join(quoted(raw) for _, raw in values)
                name = {'t': 'text', 'i': 'int', 'n': 'numeric', 'd': 'date', 's': 'timestamp', 'b': 'boolean', 'j': 'jsonb', 'a': 'text[]', 'c': 'gen.pair', 'e': 'gen.mood', 'u': 'uuid', 'y': 'bytea', 'm': 'gen.mail'}
                return both('prepare p%d%s as %s' % (number, '(%s)' % ', '.join(name[k] for k, _ in values) if values else '', text), self.pick(('execute p%d%s', 'explain execute p%d%s', 'create temp table s as execute p%d%s')) % (number, '(%s)' % given if values else ''))
            return both('prepare p%d as %s' % (number, self.any_query(2) if self.chance(0.8) else self.write()), 'execute p%d' % number, 'execute p%d' % number)
        if how < 0.94:
            query = self.named_query([self.any_kind() for _ in range(2)], [], 2)[1]
            make = self.pick(('create temp table s%d as %s' % (number, query), 'create table s%d as %s' % (number, query), 'create temp table s%d (c0, c1) as %s' % (number, query),
                              'create materialized view s%d as %s' % (number, query), 'select * into temp s%d from (%s) i' % (number, query)))
            return both(make, 'select * from s%d' % number, 'select c0 from s%d' % number)
        if how < 0.97:
            query = self.named_query(['t', 'i'], [], 2)[1]
            if self.chance(0.3):
                # A name of the session's own in place of a known one, by a temporary object, the search path, a rename or DDL.
                table = self.pick([x for x in self.schema.relations if x.kind == 'table' and x.schema == 'public' and x.name.islower() and not x.name.startswith('part')])
                self.tainted = True
                change = self.pick(('create temp table %s as select 1 as id, 2 as email' % table.name, 'create temp view %s as select * from other.customers' % table.name, 'set local search_path = other, public',
                                    'alter table %s rename column id to nr' % table.full, 'alter table %s rename to was' % table.full, 'alter table %s add column more text default %s' % (table.full, quoted('m')),
                                    'create view other.%s as select * from public.%s' % (table.name if table.name != 'customers' else 'orders', table.name), 'savepoint a',
                                    'alter table %s set schema other' % table.full if table.name != 'customers' else 'savepoint b'))
                return both(change, 'select * from %s' % table.name, self.any_query(1), 'select count(*) from %s' % table.name)
            return both('create %sview s%d as %s' % (self.pick(('temp ', '')), number, query), 'select * from s%d' % number, 'select upper(c0), c1 from s%d where c1 > 0' % number)
        self.tainted = True    # code that nobody can read
        if how < 0.985:
            return both("do $d$ declare v text; begin %s; raise notice '%%', v; end $d$" % ('select (%s)::text into v' % self.named_query(['t'], [], 1, one=True)[1].join('()') if self.chance(0.7) else 'v := 1'))
        return both('select %s' % self.pick(("set_config('app.x', (%s), true)" % self.query(['t'], [], 1, one=True), "pg_notify('ch', (%s))" % self.query(['t'], [], 1, one=True),
                                             "query_to_xml($q$%s$q$, true, false, '')" % self.any_query(1), "table_to_xml('customers', true, false, '')", 'lastval()', "pg_typeof((%s))" % self.query(['t'], [], 1, one=True))))
