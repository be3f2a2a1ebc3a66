#include "catalogue/postgres.hpp"

#include <algorithm>
#include <charconv>

#include "catalogue/estimate.hpp"

namespace dbguard::catalogue::postgres {
namespace {

// A session may put its own operators before the built-in ones in its search path: `=#` and its like stand for
// OPERATOR(pg_catalog.=), and nothing says IN, which looks `=` up. Functions, types and relations are written with their schema.
std::string qualified(std::string text) {
    const auto replace = [&](std::string_view token, std::string_view full) {
        for (std::size_t at = 0; (at = text.find(token, at)) != std::string::npos; at += full.size())
            text.replace(at, token.size(), full);
    };
    replace(">=#", "OPERATOR(pg_catalog.>=)");
    replace("<>#", "OPERATOR(pg_catalog.<>)");
    replace("<#", "OPERATOR(pg_catalog.<)");
    replace("||#", "OPERATOR(pg_catalog.||)");
    replace("~#", "OPERATOR(pg_catalog.~)");
    replace("=#", "OPERATOR(pg_catalog.=)");
    return text;
}

// Relations that a session can name: not those of other sessions' temporary schemas, not TOAST tables.
constexpr const char* visible_namespaces =
    "SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.oid =# pg_catalog.pg_my_temp_schema() "
    "OR NOT (n.nspname ~# '^pg_(toast|temp_|toast_temp_)')";

template <class Number>
Number number(const std::optional<std::string>& text) {
    Number value = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), value);
    return value;
}

std::string string(const std::optional<std::string>& text) { return text ? *text : std::string(); }

bool truth(const std::optional<std::string>& text) { return text && *text == "t"; }

// Reads array_out, element by element: braces, commas, quotes with backslashes. Nothing here has several dimensions.
class Elements {
  public:
    explicit Elements(const std::optional<std::string>& text) : text_(text && text->size() >= 2 && text->front() == '{' ? std::string_view(*text) : std::string_view()) {}

    /// False at the end. A NULL is an empty text.
    bool next(std::string& item) {
        item.clear();
        if (++at_ >= text_.size() || text_[at_] == '}') return false;
        bool quoted = false, was_quoted = false;
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (quoted && c == '\\' && at_ + 1 < text_.size()) {
                item.push_back(text_[++at_]);
            } else if (c == '"') {
                quoted = !quoted;
                was_quoted = true;
            } else if (!quoted && (c == ',' || c == '}')) {
                if (c == '}') --at_;   // the end is for the next call
                break;
            } else {
                item.push_back(c);
            }
        }
        if (!was_quoted && item == "NULL") item.clear();
        return true;
    }

  private:
    std::string_view text_;
    std::size_t at_ = 0;
};

std::vector<std::string> elements(const std::optional<std::string>& text) {
    std::vector<std::string> out;
    Elements all(text);
    for (std::string item; all.next(item);) out.push_back(item);
    return out;
}

std::vector<Id> numbers(const std::optional<std::string>& text) {
    std::vector<Id> out;
    for (const std::string& item : elements(text)) out.push_back(number<Id>(item));
    return out;
}

/// Four parts for each: a number, two names behind a letter, and which it is.
void read_triggers(const std::vector<std::string>& parts, Relation& relation, FunctionSources& known) {
    bool named = false;
    for (std::size_t i = 0; i + 3 < parts.size(); i += 4) {
        relation.trigger_functions.push_back(number<Id>(parts[i]));
        if (!known.seen) known.triggers.insert(parts[i + 3]);
        else if (!known.triggers.contains(parts[i + 3])) relation.new_triggers.push_back(relation.trigger_functions.back());
        for (const std::size_t rows : {i + 1, i + 2}) {
            relation.transition_tables.push_back(parts[rows].substr(parts[rows].empty() ? 0 : 1));
            named = named || !relation.transition_tables.back().empty();
        }
    }
    if (!named) relation.transition_tables = {};
}

/// The columns of one relation: an array for each of their properties.
void read_columns(const std::vector<std::optional<std::string>>& row, std::vector<Column>& columns) {
    Elements numbers(row[2]), names(row[3]), types(row[4]), modifiers(row[5]), not_null(row[6]), generated(row[7]), defaults(row[8]), comments(row[9]), collated(row[10]);
    if (row[2]) columns.reserve(static_cast<std::size_t>(std::count(row[2]->begin(), row[2]->end(), ',')) + 1);
    for (std::string item; numbers.next(item);) {
        Column& column = columns.emplace_back();
        column.number = number<std::int16_t>(item);
        names.next(column.name);
        types.next(item);
        column.type = number<Id>(item);
        modifiers.next(item);
        column.modifier = number<std::int32_t>(item);
        not_null.next(item);
        column.not_null = item == "t";
        generated.next(item);
        column.generated = item == "t";
        defaults.next(column.default_text);
        comments.next(item);
        column.tags = tags_of_comment(item);
        collated.next(item);
        column.collated = item == "t";
    }
}

RelationKind relation_kind(const std::string& kind) {
    switch (kind.empty() ? ' ' : kind[0]) {
        case 'r': return RelationKind::table;
        case 'v': return RelationKind::view;
        case 'm': return RelationKind::materialized_view;
        case 'f': return RelationKind::foreign_table;
        case 'p': return RelationKind::partitioned_table;
        case 'S': return RelationKind::sequence;
        case 'c': return RelationKind::composite;
        case 'i': case 'I': return RelationKind::index;
        default: return RelationKind::other;
    }
}

TypeKind type_kind(const std::string& kind) {
    switch (kind.empty() ? ' ' : kind[0]) {
        case 'c': return TypeKind::composite;
        case 'd': return TypeKind::domain;
        case 'e': return TypeKind::enumeration;
        case 'p': return TypeKind::pseudo;
        case 'r': return TypeKind::range;
        case 'm': return TypeKind::multirange;
        default: return TypeKind::base;
    }
}

}  // namespace

std::vector<std::string> tags_of_comment(std::string_view comment) {
    // COMMENT ON COLUMN … IS '… dbguard:pii dbguard:card …'
    std::vector<std::string> tags;
    constexpr std::string_view mark = "dbguard:";
    for (std::size_t at = 0; (at = comment.find(mark, at)) != std::string::npos;) {
        at += mark.size();
        const std::size_t end = comment.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-", at);
        tags.emplace_back(comment.substr(at, end == std::string_view::npos ? end : end - at));
    }
    return tags;
}

const std::string& state_query() {
    static const std::string text = qualified(
        "SELECT pg_catalog.current_schemas(true)::pg_catalog.text, "
        "(SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n WHERE n.oid =# pg_catalog.pg_my_temp_schema()), "
        "pg_catalog.current_database()::pg_catalog.text, current_user::pg_catalog.text, "
        "(SELECT d.oid::pg_catalog.text FROM pg_catalog.pg_database d WHERE d.datname =# pg_catalog.current_database()), "
        "pg_catalog.pg_current_snapshot()::pg_catalog.text, pg_catalog.current_setting('jit', true)");
    return text;
}

Result<State> read_state(const Rows& rows) {
    if (rows.size() != 1 || rows[0].size() != 7) return Error{errc::bad_answer, "state"};
    const auto& row = rows[0];
    State state;
    state.context.search_path = elements(row[0]);
    state.context.temp_schema = string(row[1]);
    state.context.database = string(row[2]);
    state.context.user = string(row[3]);
    state.database_id = string(row[4]);
    state.next_transaction = string(row[5]);
    // What the planner finds dear is compiled first, which takes a second or two (manual, "Just-in-Time Compilation"): a large
    // catalogue is dear, and anything is under settings like enable_seqscan = off. Local to the transaction: where that is of the
    // question alone it ends with it, and in the client's own the old value is put back behind it.
    if (row[6] == "on") {
        state.before_dear = "SELECT pg_catalog.set_config('jit', 'off', true)";
        state.after_dear = "SELECT pg_catalog.set_config('jit', 'on', true)";
    }
    return state;
}

const std::string& digest_query() {
    static const std::string text = [] {
        std::string sql = "SELECT pg_catalog.concat_ws('/'";
        const auto add = [&](const std::string& table, const std::string& where) {
            // A version of a row is where it stands and who wrote it: cheaper to hash than its text.
            sql += ", (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.sum(pg_catalog.hashtidextended(t.ctid, "
                   "t.xmin::pg_catalog.text::pg_catalog.int8))) FROM pg_catalog." +
                   table + " t WHERE " + where + ")";
        };
        const std::string names = std::string("=# ANY (") + visible_namespaces + ")";
        const std::string relations = "=# ANY (SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid >=# 16384 AND c.relnamespace " + names + ")";
        add("pg_class", "t.oid >=# 16384 AND t.relnamespace " + names);
        add("pg_attribute", "t.attrelid " + relations);
        add("pg_attrdef", "true");
        add("pg_constraint", "t.oid >=# 16384 AND t.connamespace " + names);
        add("pg_rewrite", "t.oid >=# 16384");
        add("pg_inherits", "true");
        add("pg_trigger", "true");
        add("pg_policy", "true");
        add("pg_proc", "t.oid >=# 16384");
        add("pg_type", "t.oid >=# 16384 AND t.typnamespace " + names);
        add("pg_enum", "t.oid >=# 16384");
        add("pg_operator", "t.oid >=# 16384");
        add("pg_cast", "t.oid >=# 16384");
        add("pg_namespace", "t.oid " + names);
        add("pg_extension", "true");
        add("pg_description", "t.objoid >=# 16384");
        add("pg_seclabel", "t.objoid >=# 16384");
        return qualified(sql + ")::pg_catalog.text");
    }();
    return text;
}

Result<std::string> read_digest(const Rows& rows) {
    if (rows.size() != 1 || rows[0].size() != 1 || !rows[0][0]) return Error{errc::bad_answer, "digest"};
    return *rows[0][0];
}

const std::string& load_query() {
    // A row is a letter and up to twelve texts:
    // R relation, C the columns of one, K foreign key, L rule, T type, D check of a domain, F function, O operator, A cast, G aggregate,
    // U function that another object calls unsaid, E extension.
    static const std::string text = [] {
        const std::string names = std::string("=# ANY (") + visible_namespaces + ")";
        const std::string t = "::pg_catalog.text";
        const auto nulls = [&](int count) {
            std::string out;
            for (int i = 0; i < count; ++i) out += ", NULL" + t;
            return out;
        };
        std::string sql;
        sql += "SELECT 'R'" + t + ", c.oid" + t + ", n.nspname" + t + ", c.relname" + t + ", c.relkind" + t +
               ", (c.relpersistence =# 't')" + t +
               ", CASE WHEN c.oid >=# 16384 AND c.relkind =# ANY ('{v,m}'::pg_catalog.\"char\"[]) THEN pg_catalog.pg_get_viewdef(c.oid) END" + t +
               ", (SELECT pg_catalog.array_agg(i.inhparent ORDER BY i.inhseqno) FROM pg_catalog.pg_inherits i WHERE i.inhrelid =# c.oid)" + t +
               // Four for each trigger: its function, a letter with the name of the rows as they were, one with that of those that they
               // became, and its number and version.
               ", (SELECT pg_catalog.array_agg(p.part ORDER BY g.oid, p.place) FROM pg_catalog.pg_trigger g"
               " CROSS JOIN LATERAL (VALUES (1, g.tgfoid" + t + "), (2, pg_catalog.concat('o', g.tgoldtable)), (3, pg_catalog.concat('n', g.tgnewtable)),"
               " (4, pg_catalog.concat(g.oid, ' ', g.xmin))) p(place, part)"
               " WHERE g.tgrelid =# c.oid AND NOT g.tgisinternal)" + t +
               ", (EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid =# c.oid))" + t +
               // What has been looked at and holds for children, too. A bound as it is written: the constraint that the server makes of
               // it locks the tables above.
               ", (SELECT pg_catalog.array_agg(pg_catalog.pg_get_expr(k.conbin, k.conrelid)) FROM pg_catalog.pg_constraint k"
               " WHERE k.conrelid =# c.oid AND k.contype =# 'c' AND k.convalidated AND NOT k.connoinherit)" + t +
               ", CASE WHEN c.relispartition THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid) END" + t +
               ", CASE WHEN c.relkind =# 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END" + t +
               " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid =# c.relnamespace"
               " WHERE c.relkind <># ALL ('{i,I,t}'::pg_catalog.\"char\"[]) AND c.relnamespace " + names;
        // One row a relation, an array for each property of its columns, all in one order: with a row a column, most of what
        // came would be the rows.
        const auto each = [&](const std::string& what) { return ", pg_catalog.array_agg(" + what + ")" + t; };
        sql += " UNION ALL SELECT 'C', a.attrelid" + t + each("a.attnum") + each("a.attname") + each("a.atttypid") + each("a.atttypmod") + each("a.attnotnull") +
               each("a.attgenerated <># ''") + each("pg_catalog.pg_get_expr(d.adbin, d.adrelid)") + each("pg_catalog.concat_ws(' ', s.description, w.labels)") +
               each("a.attcollation <># ALL ('{0,100}'::pg_catalog.oid[])") +
               ", (SELECT k.conkey FROM pg_catalog.pg_constraint k WHERE k.conrelid =# a.attrelid AND k.contype =# 'p' AND NOT k.condeferrable AND k.convalidated)" + t + nulls(1) +
               " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid =# a.attrelid"
               " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid =# a.attrelid AND d.adnum =# a.attnum"
               " LEFT JOIN pg_catalog.pg_description s ON s.objoid =# a.attrelid AND s.objsubid =# a.attnum::pg_catalog.int4"
               " AND s.classoid =# 'pg_catalog.pg_class'::pg_catalog.regclass"
               " LEFT JOIN (SELECT l.objoid, l.objsubid, pg_catalog.string_agg(l.label, ' ') AS labels FROM pg_catalog.pg_seclabel l"
               " WHERE l.classoid =# 'pg_catalog.pg_class'::pg_catalog.regclass GROUP BY l.objoid, l.objsubid) w"
               " ON w.objoid =# a.attrelid AND w.objsubid =# a.attnum::pg_catalog.int4"
               " WHERE (a.attrelid >=# 16384 OR c.relnamespace =# 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid) AND a.attnum >=# 1::pg_catalog.int2 AND NOT a.attisdropped AND c.relkind <># ALL ('{i,I,t,S}'::pg_catalog.\"char\"[])"
               " AND c.relnamespace " + names + " GROUP BY a.attrelid";
        sql += " UNION ALL SELECT 'K', k.conrelid" + t + ", k.confrelid" + t + ", k.confdeltype" + t + ", k.confupdtype" + t + ", k.conkey" + t + ", k.confkey" + t + nulls(6) +
               " FROM pg_catalog.pg_constraint k WHERE k.oid >=# 16384 AND k.contype =# 'f'";
        sql += " UNION ALL SELECT 'L', r.ev_class" + t + ", r.ev_type" + t + ", r.is_instead" + t + ", pg_catalog.pg_get_ruledef(r.oid)" + t + nulls(8) +
               " FROM pg_catalog.pg_rewrite r WHERE r.oid >=# 16384 AND r.rulename <># '_RETURN'";
        sql += " UNION ALL SELECT 'T', y.oid" + t + ", n.nspname" + t + ", y.typname" + t + ", y.typtype" + t + ", y.typbasetype" + t +
               ", y.typelem" + t + ", y.typrelid" + t + ", y.typtypmod" + t +
               ", (SELECT pg_catalog.array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid =# y.oid)" + t +
               ", (SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE g.rngtypid =# y.oid)" + t + nulls(2) +
               " FROM pg_catalog.pg_type y JOIN pg_catalog.pg_namespace n ON n.oid =# y.typnamespace"
               " WHERE y.oid >=# 16384 AND y.typnamespace " + names;
        // The checks of domains: whether they were looked at when they came, and whether they call code which is not built in.
        sql += " UNION ALL SELECT 'D', k.contypid" + t + ", pg_catalog.pg_get_expr(k.conbin, 0::pg_catalog.oid)" + t + ", k.convalidated" + t +
               ", (EXISTS (SELECT FROM pg_catalog.pg_depend d"
               " WHERE d.classid =# 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid =# k.oid AND d.refobjid >=# 16384"
               " AND d.refclassid =# ANY (ARRAY['pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid])))" + t + nulls(8) +
               " FROM pg_catalog.pg_constraint k WHERE k.oid >=# 16384 AND k.contypid <># 0::pg_catalog.oid AND k.conbin IS NOT NULL";
        sql += " UNION ALL SELECT 'F', p.oid" + t + ", n.nspname" + t + ", p.proname" + t + ", p.prokind" + t + ", l.lanname" + t +
               ", p.prosecdef" + t + ", p.proretset" + t + ", p.prorettype" + t +
               // OR REPLACE leaves a function in its extension: with a slash (which no name has) where it came after that.
               ", (SELECT e.extname" + t + " ||# CASE WHEN pg_catalog.age(p.xmin) <# pg_catalog.age(e.xmin) THEN '/' ELSE '' END FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid =# d.refobjid"
               " WHERE d.classid =# 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid =# p.oid AND d.deptype =# 'e')" + t +
               ", pg_catalog.concat_ws('|', pg_catalog.array_to_string(p.proargtypes::pg_catalog.oid[], ','),"
               " coalesce(p.proconfig" + t + ", ''))" + t +
               ", p.proargnames" + t + " ||# ';' ||# coalesce(p.proargmodes" + t + ", '')" +
               ", coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)" + t +
               " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid =# p.pronamespace"
               " JOIN pg_catalog.pg_language l ON l.oid =# p.prolang WHERE p.oid >=# 16384";
        sql += " UNION ALL SELECT 'O', n.nspname" + t + ", o.oprname" + t + ", o.oprcode::pg_catalog.oid" + t + ", o.oprleft" + t + ", o.oprright" + t +
               ", (SELECT e.extname" + t + " FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid =# d.refobjid"
               " WHERE d.classid =# 'pg_catalog.pg_operator'::pg_catalog.regclass AND d.objid =# o.oid AND d.deptype =# 'e')" + t + nulls(6) +
               " FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid =# o.oprnamespace WHERE o.oid >=# 16384";
        sql += " UNION ALL SELECT 'A', a.castsource" + t + ", a.casttarget" + t + ", a.castfunc::pg_catalog.oid" + t +
               ", CASE WHEN a.castfunc::pg_catalog.oid <# 16384 THEN (SELECT p.proname FROM pg_catalog.pg_proc p WHERE p.oid =# a.castfunc::pg_catalog.oid) END" + t +
               ", (a.castcontext <># 'e')" + t + nulls(7) +
               " FROM pg_catalog.pg_cast a WHERE a.oid >=# 16384 AND a.castfunc::pg_catalog.oid <># 0::pg_catalog.oid";
        sql += " UNION ALL SELECT 'G', g.aggfnoid::pg_catalog.oid" + t +
               ", (SELECT pg_catalog.array_agg(CASE WHEN p.oid >=# 16384 THEN p.oid" + t + " ELSE p.proname" + t + " END) FROM pg_catalog.pg_proc p"
               " WHERE p.oid =# ANY (ARRAY[g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn, g.aggdeserialfn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn]::pg_catalog.oid[]))" + t + nulls(10) +
               " FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid::pg_catalog.oid >=# 16384";
        // Functions that run where nothing names them: those of defaults, checks, indexes, partition keys, statistics, conditions of
        // triggers, domains, and defaults of arguments. The kind of the owner, its number, the function's.
        const auto classes = [](std::initializer_list<const char*> names) {
            std::string out = "=# ANY (ARRAY[";
            for (const char* name : names) out += std::string(out.back() == '[' ? "'" : ", '") + "pg_catalog." + name + "'::pg_catalog.regclass::pg_catalog.oid";
            return out + "])";
        };
        const auto is = [&](const char* name) { return "d.classid =# 'pg_catalog." + std::string(name) + "'::pg_catalog.regclass::pg_catalog.oid"; };
        sql += " UNION ALL SELECT 'U', CASE WHEN " + is("pg_proc") + " THEN 'f' WHEN " + is("pg_type") + " OR k.contypid <># 0::pg_catalog.oid THEN 't' ELSE 'r' END" +
               ", coalesce(a.adrelid, CASE WHEN k.conrelid <># 0::pg_catalog.oid THEN k.conrelid END, k.contypid, x.indrelid, g.tgrelid, s.stxrelid, d.objid)" + t +
               ", coalesce(o.oprcode::pg_catalog.oid, d.refobjid)" + t + nulls(9) +
               " FROM pg_catalog.pg_depend d"
               " LEFT JOIN pg_catalog.pg_attrdef a ON a.oid =# d.objid AND " + is("pg_attrdef") +
               " LEFT JOIN pg_catalog.pg_constraint k ON k.oid =# d.objid AND " + is("pg_constraint") +
               " LEFT JOIN pg_catalog.pg_index x ON x.indexrelid =# d.objid AND " + is("pg_class") +
               " LEFT JOIN pg_catalog.pg_trigger g ON g.oid =# d.objid AND " + is("pg_trigger") +
               " LEFT JOIN pg_catalog.pg_statistic_ext s ON s.oid =# d.objid AND " + is("pg_statistic_ext") +
               " LEFT JOIN pg_catalog.pg_operator o ON o.oid =# d.refobjid AND d.refclassid =# 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid"
               " WHERE d.refobjid >=# 16384 AND d.deptype =# 'n' AND d.refclassid " + classes({"pg_proc", "pg_operator"}) +
               " AND d.classid " + classes({"pg_attrdef", "pg_constraint", "pg_class", "pg_trigger", "pg_statistic_ext", "pg_type", "pg_proc"});
        sql += " UNION ALL SELECT 'E', e.extname" + t + nulls(11) + " FROM pg_catalog.pg_extension e";
        return qualified(sql);
    }();
    return text;
}

Result<SnapshotRef> read_load(const Rows& rows, const Context& context, FunctionSources& known) {
    Snapshot::Parts parts;
    parts.rendered_under = context;
    std::unordered_map<Id, std::size_t> relation_at;
    std::unordered_map<Id, std::vector<std::string>> made_of;   // aggregates
    std::unordered_map<Id, std::vector<std::string>> checks, conditions;   // domains
    std::unordered_map<Id, std::vector<Id>> types_unsaid, functions_unsaid;
    for (const auto& row : rows) {
        if (row.size() != 13 || !row[0] || row[0]->size() != 1) return Error{errc::bad_answer, "load"};
        if ((*row[0])[0] != 'R') continue;
        Relation relation;
        relation.id = number<Id>(row[1]);
        relation.schema = string(row[2]);
        relation.name = string(row[3]);
        relation.kind = relation_kind(string(row[4]));
        relation.temporary = truth(row[5]) || string(row[5]) == "true";
        relation.definition = string(row[6]);
        relation.parents = numbers(row[7]);
        read_triggers(elements(row[8]), relation, known);
        relation.has_expressions = string(row[9]) == "true";
        relation.checks = elements(row[10]);
        relation.partition_bound = string(row[11]);
        relation.partition_key = string(row[12]);
        relation.own_temporary = relation.temporary && relation.schema == context.temp_schema;
        relation_at.emplace(relation.id, parts.relations.size());
        parts.relations.push_back(std::move(relation));
    }
    const auto yes = [](const std::optional<std::string>& text) { return text && (*text == "true" || *text == "t"); };
    for (const auto& row : rows) {
        switch ((*row[0])[0]) {
            case 'C': {
                const auto found = relation_at.find(number<Id>(row[1]));
                if (found == relation_at.end()) break;
                read_columns(row, parts.relations[found->second].columns);
                for (const std::string& column : elements(row[11])) parts.relations[found->second].primary_key.push_back(number<std::int16_t>(column));
                break;
            }
            case 'K': {
                const auto found = relation_at.find(number<Id>(row[2]));
                if (found == relation_at.end()) break;
                Reference& key = parts.relations[found->second].referenced_by.emplace_back();
                key.table = number<Id>(row[1]);
                if (row[3] && !row[3]->empty()) key.on_delete = (*row[3])[0];
                if (row[4] && !row[4]->empty()) key.on_update = (*row[4])[0];
                for (const Id column : numbers(row[5])) key.columns.push_back(static_cast<std::int16_t>(column));
                for (const Id column : numbers(row[6])) key.referenced.push_back(static_cast<std::int16_t>(column));
                break;
            }
            case 'L': {
                const auto found = relation_at.find(number<Id>(row[1]));
                if (found == relation_at.end()) break;
                Rule rule;
                rule.event = row[2] && !row[2]->empty() ? (*row[2])[0] : ' ';
                rule.instead = yes(row[3]);
                rule.definition = string(row[4]);
                parts.relations[found->second].rules.push_back(std::move(rule));
                break;
            }
            case 'T': {
                Type type;
                type.id = number<Id>(row[1]);
                type.schema = string(row[2]);
                type.name = string(row[3]);
                type.kind = type_kind(string(row[4]));
                type.base = row[10] ? number<Id>(row[10]) : number<Id>(row[5]);
                type.element = number<Id>(row[6]);
                type.relation = number<Id>(row[7]);
                type.modifier = number<std::int32_t>(row[8]);
                type.labels = elements(row[9]);
                parts.types.push_back(std::move(type));
                break;
            }
            case 'D':
                if (yes(row[4])) checks[number<Id>(row[1])].push_back(string(row[2]));
                if (yes(row[3])) conditions[number<Id>(row[1])].push_back(string(row[2]));
                break;
            case 'F': {
                Function function;
                function.id = number<Id>(row[1]);
                function.schema = string(row[2]);
                function.name = string(row[3]);
                function.kind = row[4] && !row[4]->empty() ? (*row[4])[0] : 'f';
                function.language = string(row[5]);
                function.security_definer = yes(row[6]);
                function.returns_set = yes(row[7]);
                function.returns = number<Id>(row[8]);
                function.extension = string(row[9]);
                if (function.extension.ends_with('/')) {
                    function.extension.pop_back();
                    function.after_extension = true;
                }
                const std::string signature = string(row[10]);
                const std::size_t bar = signature.find('|');   // the argument types are numbers
                function.arguments = numbers("{" + signature.substr(0, bar == std::string::npos ? 0 : bar) + "}");
                if (bar != std::string::npos) function.settings = elements(signature.substr(bar + 1));
                const std::string names = string(row[11]);
                const std::size_t split = names.rfind(';');
                if (split != std::string::npos) {
                    const auto all = elements(names.substr(0, split));
                    const auto modes = elements(names.substr(split + 1));
                    for (std::size_t i = 0; i < all.size(); ++i) {
                        const char mode = i < modes.size() && !modes[i].empty() ? modes[i][0] : 'i';
                        if (mode == 'i' || mode == 'b' || mode == 'v') function.argument_names.push_back(all[i]);
                        if (mode == 'o' || mode == 'b' || mode == 't') function.output_names.push_back(all[i]);
                        function.variadic = function.variadic || mode == 'v';
                    }
                }
                function.body = string(row[12]);
                parts.functions.push_back(std::move(function));
                break;
            }
            case 'O':
                parts.operators.push_back({string(row[1]), string(row[2]), number<Id>(row[3]), number<Id>(row[4]), number<Id>(row[5]), string(row[6])});
                break;
            case 'A':
                parts.casts.push_back({number<Id>(row[1]), number<Id>(row[2]), number<Id>(row[3]), string(row[4]), yes(row[5])});
                break;
            case 'G':
                made_of.emplace(number<Id>(row[1]), elements(row[2]));
                break;
            case 'U': {
                const Id owner = number<Id>(row[2]), function = number<Id>(row[3]);
                if (string(row[1]) == "t") types_unsaid[owner].push_back(function);
                if (string(row[1]) == "f") functions_unsaid[owner].push_back(function);
                if (const auto found = relation_at.find(owner); found != relation_at.end() && string(row[1]) == "r") parts.relations[found->second].unsaid.push_back(function);
                break;
            }
            case 'E':
                parts.extensions.push_back(string(row[1]));
                break;
            default:
                break;
        }
    }
    for (Function& function : parts.functions) {
        if (const auto found = made_of.find(function.id); found != made_of.end()) function.parts = found->second;
        if (const auto found = functions_unsaid.find(function.id); found != functions_unsaid.end()) function.unsaid = std::move(found->second);
    }
    if (!types_unsaid.empty())
        for (Type& type : parts.types)
            if (const auto found = types_unsaid.find(type.id); found != types_unsaid.end()) type.unsaid = std::move(found->second);
    if (!checks.empty())
        for (Type& type : parts.types)
            if (const auto found = checks.find(type.id); found != checks.end()) type.checks = std::move(found->second);
    if (!conditions.empty())
        for (Type& type : parts.types)
            if (const auto found = conditions.find(type.id); found != conditions.end()) type.conditions = std::move(found->second);
    // Rows come as the server's join left them; `*` means the columns in the order of their numbers.
    for (Relation& relation : parts.relations)
        std::sort(relation.columns.begin(), relation.columns.end(), [](const Column& a, const Column& b) { return a.number < b.number; });
    for (Function& function : parts.functions) {
        if (!known.seen) {
            known.functions.emplace(function.id, source_of(function));
            continue;
        }
        const auto seen = known.functions.find(function.id);
        function.recent = seen == known.functions.end() || seen->second != source_of(function);
    }
    known.seen = true;
    return std::make_shared<const Snapshot>(std::move(parts));
}

std::string function_query(std::uint32_t id) {
    return qualified("SELECT n.nspname::pg_catalog.text, p.proname::pg_catalog.text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n "
                     "ON n.oid =# p.pronamespace WHERE p.oid =# " + std::to_string(id) + "::pg_catalog.oid");
}

const Questions& questions() {
    static const Questions all{state_query, read_state, digest_query, read_digest, load_query, read_load, function_query, estimate_query, estimate_prefix, read_estimate};
    return all;
}

}  // namespace dbguard::catalogue::postgres
