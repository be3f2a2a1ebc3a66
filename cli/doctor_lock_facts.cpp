#include "cli/doctor_lock_facts.hpp"

#include <charconv>

#include "catalogue/postgres.hpp"

namespace dbguard::cli::lock {
namespace {

using Row = std::vector<std::optional<std::string>>;

template <class Number>
Number number(const std::optional<std::string>& text) {
    Number value = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), value);
    return value;
}

bool truth(const std::optional<std::string>& text) { return text && *text == "t"; }

/// aclexplode's four columns, from `at`; empty where an outer join found none.
std::optional<Privilege> privilege(const Row& row, std::size_t at) {
    if (!row[at] || !row[at + 2]) return {};
    Privilege given;
    given.grantee = number<Id>(row[at]);
    given.grantor = number<Id>(row[at + 1]);
    given.name = *row[at + 2];
    given.grantable = truth(row[at + 3]);
    return given;
}

class Reader {
  public:
    Reader(upstream::PostgresConnection& connection, upstream::Deadline deadline) : connection_(connection), deadline_(deadline) {}

    Result<Facts> read(bool with_names);

  private:
    Result<std::vector<Row>> ask(std::string_view sql, std::size_t columns);
    Result<void> who();
    Result<void> roles();
    Result<void> relations();
    Result<void> routines();
    Result<void> others();
    Result<void> names();
    Result<void> types();
    /// Things one a row and privilege, ordered by thing: number, owner, schema, name, then aclexplode's columns.
    template <class T>
    Result<void> things(std::string_view sql, std::vector<T>& into, std::size_t more, void (*fill)(T&, const Row&));

    upstream::PostgresConnection& connection_;
    upstream::Deadline deadline_;
    std::string grantees_;  // an array for $1: whom we ask about, and everybody
    Facts facts_;
};

Result<std::vector<Row>> Reader::ask(std::string_view sql, std::size_t columns) {
    const std::optional<std::string_view> parameters[] = {grantees_};
    const bool asks_for_grantees = sql.find("$1") != std::string_view::npos;
    auto answer = asks_for_grantees ? connection_.query(sql, parameters, deadline_) : connection_.query(sql, deadline_);
    if (!answer) return answer.error();
    for (const auto& row : answer->rows)
        if (row.size() != columns) return Error{upstream::errc::server_error, "unexpected answer"};
    return std::move(answer->rows);
}

template <class T>
Result<void> Reader::things(std::string_view sql, std::vector<T>& into, std::size_t more, void (*fill)(T&, const Row&)) {
    const auto rows = ask(sql, 8 + more);
    if (!rows) return rows.error();
    const T* last = nullptr;
    for (const Row& row : *rows) {
        const Id id = number<Id>(row[0]);
        const std::string name = row[3].value_or("");
        if (last == nullptr || last->id != id || last->name != name) {
            T thing;
            thing.id = id;
            thing.owner = number<Id>(row[1]);
            thing.schema = row[2].value_or("");
            thing.name = name;
            if (fill != nullptr) fill(thing, row);
            into.push_back(std::move(thing));
            last = &into.back();
        }
        if (const auto given = privilege(row, 4)) into.back().privileges.push_back(*given);
    }
    return {};
}

Result<void> Reader::who() {
    const auto rows = ask(
        "SELECT current_setting('server_version_num'), current_database(), u.oid, s.oid, current_setting('default_transaction_read_only') = 'on',"
        " current_setting('statement_timeout') <> '0', current_setting('lo_compat_privileges') = 'on', d.oid, d.datdba"
        " FROM pg_roles u, pg_roles s, pg_database d"
        " WHERE u.rolname = current_user AND s.rolname = session_user AND d.datname = current_database()",
        9
    );
    if (!rows) return rows.error();
    if (rows->size() != 1) return Error{upstream::errc::server_error, "unexpected answer"};
    const Row& row = rows->front();
    facts_.version = number<int>(row[0]);
    facts_.database = row[1].value_or("");
    facts_.user = number<Id>(row[2]);
    facts_.session_user = number<Id>(row[3]);
    facts_.read_only = truth(row[4]);
    facts_.has_timeout = truth(row[5]);
    facts_.any_large_object = truth(row[6]);
    facts_.this_database.kind = "DATABASE";
    facts_.this_database.id = number<Id>(row[7]);
    facts_.this_database.name = facts_.database;
    facts_.this_database.owner = number<Id>(row[8]);
    return {};
}

Result<void> Reader::roles() {
    const auto rows = ask(
        "SELECT oid, rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit FROM pg_roles", 8
    );
    if (!rows) return rows.error();
    for (const Row& row : *rows) {
        RoleFacts role;
        role.id = number<Id>(row[0]);
        role.name = row[1].value_or("");
        role.superuser = truth(row[2]);
        role.create_role = truth(row[3]);
        role.create_database = truth(row[4]);
        role.replication = truth(row[5]);
        role.bypass_rls = truth(row[6]);
        role.connection_limit = number<std::int64_t>(row[7]);
        facts_.roles.emplace(role.id, std::move(role));
    }
    // Inheriting belongs to the member up to 15, and to each membership since 16, which also says whether SET ROLE is allowed.
    const auto members = ask(
        "SELECT m.roleid, m.member, m.grantor, coalesce((to_jsonb(m) ->> 'inherit_option')::bool, r.rolinherit),"
        " coalesce((to_jsonb(m) ->> 'set_option')::bool, true) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member",
        5
    );
    if (!members) return members.error();
    for (const Row& row : *members)
        facts_.memberships.push_back({number<Id>(row[0]), number<Id>(row[1]), number<Id>(row[2]), truth(row[3]), truth(row[4])});
    // "pg_database_owner has one implicit, situation-dependent member, namely the owner of the current database."
    for (const auto& [id, role] : facts_.roles)
        if (role.name == "pg_database_owner") facts_.memberships.push_back({id, facts_.this_database.owner, 0, true, false});

    facts_.holds = closure(facts_.memberships, facts_.user, false);
    facts_.reaches = closure(facts_.memberships, facts_.user, true);
    if (facts_.session_user != facts_.user) {
        facts_.holds.merge(closure(facts_.memberships, facts_.session_user, false));
        facts_.reaches.merge(closure(facts_.memberships, facts_.session_user, true));
    }
    grantees_ = "{0";
    for (const Id id : facts_.holds) grantees_ += "," + std::to_string(id);
    grantees_ += "}";
    return {};
}

/// What of an access list concerns us. An owner's own entry is part of owning.
std::string granted(const std::string& list, const std::string& owner) {
    return " LEFT JOIN LATERAL (SELECT * FROM aclexplode(" + list + ") x WHERE x.grantee = ANY($1::oid[]) AND x.grantee <> " + owner + ") a ON true";
}
constexpr const char* acl_columns = "a.grantee, a.grantor, a.privilege_type, a.is_grantable";
constexpr const char* own_schemas = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)'";

Result<void> Reader::relations() {
    const std::string acl = acl_columns;
    const std::string ours = own_schemas;
    std::vector<OtherFacts> database;
    auto done = things<OtherFacts>(
        "SELECT d.oid, d.datdba, '', d.datname, " + acl + " FROM pg_database d" + granted("coalesce(d.datacl, acldefault('d', d.datdba))", "d.datdba") +
            " WHERE d.datname = current_database()",
        database, 0, nullptr
    );
    if (!done) return done;
    if (!database.empty()) facts_.this_database.privileges = database.front().privileges;
    done = things<Thing>(
        "SELECT n.oid, n.nspowner, '', n.nspname, " + acl + " FROM pg_namespace n" + granted("n.nspacl", "n.nspowner") + " WHERE " + ours + " ORDER BY n.nspname",
        facts_.schemas, 0, nullptr
    );
    if (!done) return done;
    done = things<RelationFacts>(
        "SELECT c.oid, c.relowner, n.nspname, c.relname, " + acl + ", c.relkind, c.relrowsecurity,"
        " c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_class'::regclass AND p.objid = c.oid AND p.deptype IN ('a', 'i') AND p.refobjsubid > 0),"
        " coalesce(c.reloptions && '{security_invoker=true,security_invoker=on,security_invoker=1}', false)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace" + granted("c.relacl", "c.relowner") +
            " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND " + ours + " ORDER BY n.nspname, c.relname, c.oid",
        facts_.relations, 4,
        [](RelationFacts& relation, const Row& row) {
            relation.kind = row[8] && !row[8]->empty() ? row[8]->front() : 'r';
            relation.row_security = truth(row[9]);
            relation.linked = truth(row[10]);
            relation.invoker = truth(row[11]);
        }
    );
    if (!done) return done;
    std::map<Id, RelationFacts*> by_id;
    for (auto& relation : facts_.relations) by_id.emplace(relation.id, &relation);
    const auto columns = ask(
        "SELECT t.attrelid, t.attnum, " + acl + " FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid, aclexplode(t.attacl) a"
        " WHERE t.attnum > 0 AND NOT t.attisdropped AND a.grantee = ANY($1::oid[]) AND a.grantee <> c.relowner",
        6
    );
    if (!columns) return columns.error();
    for (const Row& row : *columns) {
        const auto found = by_id.find(number<Id>(row[0]));
        auto given = privilege(row, 2);
        if (found == by_id.end() || !given) continue;
        given->column = number<std::int16_t>(row[1]);
        found->second->privileges.push_back(*given);
    }
    return {};
}

Result<void> Reader::routines() {
    const std::string acl = acl_columns;
    const std::string routine =
        "SELECT p.oid, p.proowner, n.nspname, pg_get_function_identity_arguments(p.oid), " + acl +
        ", p.proname, l.lanname, l.lanpltrusted, p.prosecdef, e.extname,"
        " p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'language_handler'::regtype, 'fdw_handler'::regtype, 'internal'::regtype),"
        " coalesce(e.extname IN ('dblink', 'adminpack', 'pageinspect', 'pg_walinspect', 'pg_visibility', 'pg_buffercache', 'pg_cron', 'lo', 'xml2'), false)"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang"
        " LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' LEFT JOIN pg_extension e ON e.oid = d.refobjid" +
        granted("coalesce(p.proacl, acldefault('f', p.proowner))", "p.proowner");
    const auto fill = [](RoutineFacts& one, const Row& row) {
        one.plain_name = row[8].value_or("");
        one.language = row[9].value_or("");
        one.trusted = truth(row[10]);
        one.definer = truth(row[11]);
        one.extension = row[12].value_or("");
        one.callable = truth(row[13]);
        one.reaches_out = truth(row[14]);
    };
    // An extension's functions in C are its own affair, except those of extensions that lead out of the database or under it.
    auto done = things<RoutineFacts>(
        "SELECT * FROM (" + routine + " WHERE p.oid >= 16384) f (id, owner, schema, name, grantee, grantor, privilege, grantable, plain, language, trusted, definer,"
        " extension, callable, reaching) WHERE definer OR NOT trusted AND extension IS NULL OR reaching OR owner = ANY($1::oid[]) ORDER BY schema, plain, id",
        facts_.routines, 7, +fill
    );
    if (!done) return done;
    done = things<RoutineFacts>(
        routine + " WHERE n.nspname = 'pg_catalog' AND p.oid < 16384 AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_put',"
        " 'lo_truncate', 'lo_truncate64', 'lo_unlink', 'lowrite') ORDER BY p.proname, p.oid",
        facts_.large_object_routines, 7, +fill
    );
    if (!done) return done;
    // What initdb restricted and somebody gave since: pg_init_privs says how it was.
    const std::string since = " WHERE NOT EXISTS (SELECT FROM aclexplode(i.initprivs) w WHERE w.grantee = a.grantee AND w.privilege_type = a.privilege_type)";
    done = things<Thing>(
        "SELECT p.oid, p.proowner, n.nspname, quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')', " + acl +
            " FROM pg_init_privs i JOIN pg_proc p ON i.classoid = 'pg_proc'::regclass AND p.oid = i.objoid AND p.oid < 16384"
            " JOIN pg_namespace n ON n.oid = p.pronamespace JOIN LATERAL (SELECT * FROM aclexplode(p.proacl) x"
            " WHERE x.grantee = ANY($1::oid[]) AND x.grantee <> p.proowner) a ON true" + since + " ORDER BY p.proname, p.oid",
        facts_.server_routines, 0, nullptr
    );
    if (!done) return done;
    return things<Thing>(
        "SELECT c.oid, c.relowner, n.nspname, c.relname, " + acl +
            " FROM pg_init_privs i JOIN pg_class c ON i.classoid = 'pg_class'::regclass AND c.oid = i.objoid AND i.objsubid = 0 AND c.oid < 16384"
            " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) x"
            " WHERE x.grantee = ANY($1::oid[]) AND x.grantee <> c.relowner) a ON true" + since + " ORDER BY c.relname",
        facts_.server_relations, 0, nullptr
    );
}

Result<void> Reader::others() {
    const std::string acl = acl_columns;
    const auto add = [&](const std::string& kind, const std::string& sql) -> Result<void> {
        std::vector<OtherFacts> found;
        if (auto done = things<OtherFacts>(sql, found, 0, nullptr); !done) return done;
        for (auto& one : found) {
            one.kind = kind;
            facts_.others.push_back(std::move(one));
        }
        return {};
    };
    if (auto done = add("FOREIGN SERVER", "SELECT s.oid, s.srvowner, '', s.srvname, " + acl + " FROM pg_foreign_server s" + granted("s.srvacl", "s.srvowner") + " ORDER BY s.srvname"); !done)
        return done;
    if (auto done = add("FOREIGN DATA WRAPPER", "SELECT s.oid, s.fdwowner, '', s.fdwname, " + acl + " FROM pg_foreign_data_wrapper s" + granted("s.fdwacl", "s.fdwowner") + " ORDER BY s.fdwname"); !done)
        return done;
    if (auto done = add("LARGE OBJECT", "SELECT s.oid, s.lomowner, '', s.oid::text, " + acl + " FROM pg_largeobject_metadata s" + granted("s.lomacl", "s.lomowner") +
                                            " WHERE a.grantee IS NOT NULL OR s.lomowner = ANY($1::oid[]) ORDER BY s.oid LIMIT 10000"); !done)
        return done;
    if (facts_.version >= 150000)
        if (auto done = add("PARAMETER", "SELECT s.oid, 10, '', s.parname, " + acl + " FROM pg_parameter_acl s" + granted("s.paracl", "10") + " ORDER BY s.parname"); !done)
            return done;
    std::vector<Thing> statistics;
    auto done = things<Thing>(
        "SELECT c.oid, c.relowner, n.nspname, c.relname, " + acl + " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace" + granted("c.relacl", "c.relowner") +
            " WHERE n.nspname = 'pg_catalog' AND c.relname IN ('pg_stats', 'pg_stats_ext', 'pg_stats_ext_exprs') ORDER BY c.relname",
        statistics, 0, nullptr
    );
    if (!done) return done;
    for (std::size_t i = 0; i < statistics.size() && i < std::size(facts_.statistics); ++i) facts_.statistics[i] = std::move(statistics[i]);

    const auto defaults = ask(
        "SELECT f.defaclrole, n.nspname, " + acl + " FROM pg_default_acl f LEFT JOIN pg_namespace n ON n.oid = f.defaclnamespace, aclexplode(f.defaclacl) a"
        " WHERE f.defaclobjtype = 'r' AND a.grantee = ANY($1::oid[]) AND a.grantee <> f.defaclrole",
        6
    );
    if (!defaults) return defaults.error();
    for (const Row& row : *defaults)
        if (const auto given = privilege(row, 2)) facts_.defaults.push_back({number<Id>(row[0]), row[1].value_or(""), *given});
    return {};
}

Result<void> Reader::names() {
    const auto state = connection_.query(catalogue::postgres::state_query(), deadline_);
    if (!state) return state.error();
    auto read = catalogue::postgres::read_state(state->rows);
    if (!read) return read.error();
    facts_.context = std::move(read->context);
    const auto all = connection_.query(catalogue::postgres::load_query(), deadline_);
    if (!all) return all.error();
    catalogue::FunctionSources known;
    auto snapshot = catalogue::postgres::read_load(all->rows, facts_.context, known);
    if (!snapshot) return snapshot.error();
    facts_.snapshot = std::move(*snapshot);
    return {};
}

Result<void> Reader::types() {
    const auto all = ask("SELECT oid, typcategory FROM pg_type", 2);
    if (!all) return all.error();
    for (const Row& row : *all)
        if (row[1] && !row[1]->empty()) facts_.categories.emplace(number<Id>(row[0]), row[1]->front());
    const auto texts = ask(
        std::string("SELECT t.attrelid, t.attnum, format_type(t.atttypid, t.atttypmod) FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid"
                    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'm', 'f') AND t.attnum > 0 AND NOT t.attisdropped AND ") + own_schemas,
        3
    );
    if (!texts) return texts.error();
    for (const Row& row : *texts) facts_.type_texts.emplace(std::pair(number<Id>(row[0]), number<std::int16_t>(row[1])), row[2].value_or(""));
    return {};
}

Result<Facts> Reader::read(bool with_names) {
    // One snapshot of everything, and nothing is written. Names first: they depend on the session's own search path.
    const auto begun = connection_.query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", deadline_);
    if (!begun) return begun.error();
    const auto run = [&]() -> Result<void> {
        if (with_names)
            if (auto done = names(); !done) return done;
        // What names mean in our own questions, and how the server writes those in its answers: all of them with their schema.
        if (const auto set = connection_.query("SET LOCAL search_path = pg_catalog", deadline_); !set) return set.error();
        for (const auto step : {&Reader::who, &Reader::roles, &Reader::relations, &Reader::routines, &Reader::others})
            if (auto done = (this->*step)(); !done) return done;
        if (with_names) return types();
        return {};
    };
    const auto done = run();
    const auto ended = connection_.query("ROLLBACK", deadline_);
    if (!done) return done.error();
    if (!ended) return ended.error();
    return std::move(facts_);
}

}  // namespace

char Facts::category(Id type) const {
    const auto found = categories.find(type);
    return found == categories.end() ? '?' : found->second;
}

const RoleFacts& Facts::role(Id id) const {
    static const RoleFacts nobody{.name = "PUBLIC"};
    const auto found = roles.find(id);
    return found == roles.end() ? nobody : found->second;
}

std::set<Id> closure(const std::vector<Membership>& memberships, Id user, bool becoming) {
    std::set<Id> found = {user};
    for (bool grown = true; grown;) {
        grown = false;
        for (const Membership& one : memberships)
            if (found.contains(one.member) && (one.inherits || (becoming && one.can_become)) && found.insert(one.role).second) grown = true;
    }
    return found;
}

Result<Facts> read_facts(upstream::PostgresConnection& connection, bool with_names, upstream::Deadline deadline) {
    return Reader(connection, deadline).read(with_names);
}

}  // namespace dbguard::cli::lock
