#include "cli/schema_fixture.hpp"

#include <algorithm>

#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/parse.hpp"

namespace dbguard::cli {
namespace {

using catalogue::Relation;
using catalogue::RelationKind;
using sql::tree::ObjectKind;
using sql::tree::UtilityEffect;

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || (c & 0x80) != 0; }

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

/// Where the comment, quoted text or single character at `at` ends. The grammar has accepted the text, so all is closed;
/// dollar quotes do not stand before the AS of a view.
std::size_t skip(std::string_view text, std::size_t at) {
    const auto rest = text.substr(at);
    if (rest.starts_with("--")) return std::min(text.size(), text.find('\n', at));
    if (rest.starts_with("/*")) return std::min(text.size(), text.find("*/", at)) + 2;
    if (rest.front() == '\'' || rest.front() == '"') return std::min(text.size(), text.find(rest.front(), at + 1)) + 1;
    return at + 1;
}

/// The word that begins at `at`, in lower case.
std::string word_at(std::string_view text, std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && is_word(text[end])) ++end;
    return lower(text.substr(at, end - at));
}

/// `… AS SELECT …` → where the SELECT begins: after the first AS outside of brackets. `header` gets the words before it.
std::size_t query_begin(std::string_view text, std::vector<std::string>& header) {
    int depth = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (is_word(text[at])) {
            const auto word = word_at(text, at);
            at += word.size();
            if (word == "as" && depth == 0) return at;
            header.push_back(word);
            continue;
        }
        depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
        at = skip(text, at);
    }
    return text.size();
}

/// Without what may follow the query of a view or table: WITH [NO] DATA, WITH [LOCAL | CASCADED] CHECK OPTION.
std::string_view without_tail(std::string_view query) {
    const auto drop = [&](std::string_view word) {
        while (!query.empty() && (query.back() == ' ' || query.back() == '\n' || query.back() == '\t' || query.back() == '\r')) query.remove_suffix(1);
        if (query.size() < word.size() || lower(query.substr(query.size() - word.size())) != word) return false;
        query.remove_suffix(word.size());
        return true;
    };
    const auto whole = query;
    if (drop("data")) {
        drop("no");
        if (drop("with")) return query;
    }
    query = whole;
    if (drop("option") && drop("check")) {
        if (!drop("local")) drop("cascaded");
        if (drop("with")) return query;
    }
    return whole;
}

class Fixture {
  public:
    explicit Fixture(std::string_view text) : text_(text) {}

    void add(const sql::tree::Statement& statement) {
        for (const auto& effect : statement.effects) {
            if (effect.objects.empty()) continue;
            if (effect.effect_class == sql::EffectClass::ddl_create && effect.kind == ObjectKind::function) add_function(effect.objects[0]);
            if (effect.effect_class == sql::EffectClass::ddl_create && effect.kind == ObjectKind::new_relation) add_relation(statement, effect);
            if (effect.effect_class == sql::EffectClass::ddl_alter && effect.kind == ObjectKind::relation)
                if (auto* relation = find(effect.objects[0])) add_columns(*relation, statement.defined_columns);
        }
    }

    catalogue::SnapshotRef snapshot() const {
        auto parts = parts_;
        parts.rendered_under = fixture_context();
        return std::make_shared<const catalogue::Snapshot>(std::move(parts));
    }

  private:
    static std::string schema_of(const sql::tree::Name& name) {
        return name.parts.size() > 1 ? name.parts[name.parts.size() - 2] : "public";
    }
    Relation* find(const sql::tree::Name& name) {
        const auto found = std::find_if(parts_.relations.begin(), parts_.relations.end(), [&](const Relation& one) {
            return one.schema == schema_of(name) && one.name == name.last();
        });
        return found == parts_.relations.end() ? nullptr : &*found;
    }

    static void add_columns(Relation& relation, const std::vector<std::string>& names) {
        for (const auto& name : names) {
            if (name == "*" || relation.column(name) != nullptr) continue;
            catalogue::Column column;
            column.number = static_cast<std::int16_t>(relation.columns.size() + 1);
            column.name = name;
            relation.columns.push_back(std::move(column));
        }
    }

    void add_function(const sql::tree::Name& name) {
        catalogue::Function function;
        function.id = ++last_id_;
        function.schema = schema_of(name);
        function.name = name.last();
        function.language = "unknown";  // its code cannot be seen here
        parts_.functions.push_back(std::move(function));
    }

    void add_relation(const sql::tree::Statement& statement, const UtilityEffect& effect) {
        Relation relation;
        relation.id = ++last_id_;
        relation.schema = schema_of(effect.objects[0]);
        relation.name = effect.objects[0].last();
        if (find(effect.objects[0]) != nullptr) return;  // IF NOT EXISTS, OR REPLACE: the first one is as good
        if (statement.stores_into) {
            add_query(relation, statement);
        } else {
            // Parents' and LIKE's columns come first, as the server puts them.
            for (const auto& other : statement.effects) {
                const bool parent = other.effect_class == sql::EffectClass::ddl_create && other.kind == ObjectKind::relation;
                const bool like = other.effect_class == sql::EffectClass::read_catalog && other.kind == ObjectKind::relation;
                const Relation* from = (parent || like) && !other.objects.empty() ? find(other.objects[0]) : nullptr;
                if (from == nullptr) continue;
                std::vector<std::string> names;
                for (const auto& column : from->columns) names.push_back(column.name);
                add_columns(relation, names);
                if (parent) relation.parents.push_back(from->id);
            }
            add_columns(relation, statement.defined_columns);
        }
        parts_.relations.push_back(std::move(relation));
    }

    void add_query(Relation& relation, const sql::tree::Statement& statement) {
        const auto text = text_.substr(statement.begin, statement.length);
        std::vector<std::string> header;
        const auto begin = query_begin(text, header);
        relation.definition = without_tail(text.substr(begin));
        const bool materialized = std::find(header.begin(), header.end(), "materialized") != header.end();
        if (materialized) relation.kind = RelationKind::materialized_view;
        else if (!statement.stores_values) relation.kind = RelationKind::view;
        const auto known = snapshot();
        const auto context = fixture_context();
        const auto analysis = sql::postgres::analyze_text(relation.definition, {known.get(), &context});
        std::vector<std::string> names = statement.stored_columns;
        if (!analysis.statements.empty()) {
            const auto& outputs = analysis.statements[0].outputs;
            for (std::size_t i = names.size(); i < outputs.size(); ++i) names.push_back(outputs[i].name);
        }
        add_columns(relation, names);
        if (relation.kind == RelationKind::table) relation.definition.clear();
    }

    std::string_view text_;
    catalogue::Snapshot::Parts parts_;
    catalogue::Id last_id_ = 16384;  // below are the server's own (PostgreSQL: FirstNormalObjectId)
};

/// psql's own commands (`\\connect`, what pg_dump writes) as blanks, so that places stay what they are.
std::string without_psql_commands(std::string_view ddl) {
    std::string out(ddl);
    for (std::size_t at = 0; at < out.size();) {
        const auto end = std::min(out.size(), out.find('\n', at));
        if (out[at] == '\\') std::fill(out.begin() + static_cast<std::ptrdiff_t>(at), out.begin() + static_cast<std::ptrdiff_t>(end), ' ');
        at = end + 1;
    }
    return out;
}

// Each level needs about 2 kB of stack (sql/postgres/parse.hpp).
constexpr std::size_t max_schema_depth = 1000;

}  // namespace

catalogue::Context fixture_context() {
    catalogue::Context context;
    context.search_path = {"pg_catalog", "public"};
    context.database = "fixture";
    context.user = "fixture";
    return context;
}

Result<catalogue::SnapshotRef> read_schema(std::string_view text) {
    const auto ddl = without_psql_commands(text);
    if (sql::postgres::depth_bound(ddl) > max_schema_depth) return Error{errc::bad_schema, "the text is nested too deep"};
    const auto parsed = sql::postgres::parse(ddl);
    if (!parsed.error.empty()) {
        const auto line = std::count(ddl.begin(), ddl.begin() + std::min<std::ptrdiff_t>(parsed.error_at, std::ssize(ddl)), '\n') + 1;
        return Error{errc::bad_schema, "line " + std::to_string(line) + ": " + parsed.error};
    }
    Fixture fixture(ddl);
    for (const auto& statement : parsed.statements) fixture.add(statement);
    return fixture.snapshot();
}

}  // namespace dbguard::cli
