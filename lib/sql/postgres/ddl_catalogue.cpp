#include "sql/postgres/ddl_catalogue.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "catalogue/postgres.hpp"
#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/lower.hpp"
#include "sql/postgres/parse.hpp"
#include "sql/postgres/pg_nodes.hpp"

namespace dbguard::sql::postgres {
namespace {

using catalogue::Column;
using catalogue::Function;
using catalogue::Id;
using catalogue::Relation;
using catalogue::RelationKind;
using catalogue::Type;
using catalogue::TypeKind;

// ---- stretches of the text -------------------------------------------------------------------------------------------

/// A word, or one character of anything else; comments and quoted texts count as one.
struct Token {
    std::size_t begin = 0, end = 0;
    int depth = 0;  ///< of brackets around it
    std::string word;  ///< in lower case; empty for all that is no unquoted word
    char character = 0;
};

bool is_word(unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '$' || c >= 0x80; }

// The grammar has accepted the text, so whatever opens is closed.
std::size_t end_of_quoted(std::string_view text, std::size_t i, bool escapes) {
    const char quote = text[i++];
    for (; i < text.size(); ++i) {
        if (escapes && text[i] == '\\') {
            ++i;
        } else if (text[i] == quote) {
            if (i + 1 < text.size() && text[i + 1] == quote) ++i;
            else return i + 1;
        }
    }
    return text.size();
}

std::vector<Token> tokens_of(std::string_view text, std::size_t begin, std::size_t end) {
    std::vector<Token> out;
    int depth = 0;
    for (std::size_t i = begin; i < end;) {
        const char c = text[i];
        const auto rest = text.substr(i);
        if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            ++i;
        } else if (rest.starts_with("--")) {
            i = std::min(text.find('\n', i), end);
        } else if (rest.starts_with("/*")) {
            int open = 1;
            for (i += 2; i < end && open > 0;) {
                if (text.compare(i, 2, "*/") == 0) --open, i += 2;
                else if (text.compare(i, 2, "/*") == 0) ++open, i += 2;
                else ++i;
            }
        } else {
            Token token;
            token.begin = i;
            token.character = c;
            token.depth = depth;
            if (c == '\'' || c == '"') {
                const bool escapes = c == '\'' && i > begin && (text[i - 1] == 'E' || text[i - 1] == 'e');
                i = end_of_quoted(text, i, escapes);
            } else if (c == '$' && text.find('$', i + 1) != std::string_view::npos && std::isdigit(static_cast<unsigned char>(text[i + 1])) == 0) {
                const std::size_t tag = text.find('$', i + 1) + 1 - i;
                const std::size_t close = text.find(text.substr(i, tag), i + tag);
                i = close == std::string_view::npos ? end : close + tag;
            } else if (is_word(static_cast<unsigned char>(c))) {
                while (i < end && is_word(static_cast<unsigned char>(text[i]))) {
                    token.word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(text[i]))));
                    ++i;
                }
            } else {
                if (c == '(' || c == '[') ++depth;
                if (c == ')' || c == ']') token.depth = --depth;
                ++i;
            }
            token.end = i;
            out.push_back(std::move(token));
        }
    }
    return out;
}

/// Takes these words off the end.
bool drop_words(std::vector<Token>& tokens, std::initializer_list<const char*> words) {
    if (tokens.size() < words.size()) return false;
    auto token = tokens.end() - static_cast<std::ptrdiff_t>(words.size());
    for (const char* word : words)
        if ((token++)->word != word) return false;
    tokens.resize(tokens.size() - words.size());
    return true;
}

/// The query of CREATE … AS query, without what may follow it.
std::string query_text(std::string_view text, std::size_t begin, std::size_t end) {
    auto tokens = tokens_of(text, begin, end);
    const auto head = std::find_if(tokens.begin(), tokens.end(), [](const Token& token) { return token.depth == 0 && token.word == "as"; });
    if (head == tokens.end()) return {};
    tokens.erase(tokens.begin(), head + 1);
    if (!drop_words(tokens, {"with", "no", "data"}) && !drop_words(tokens, {"with", "data"}) && !drop_words(tokens, {"with", "local", "check", "option"}) &&
        !drop_words(tokens, {"with", "cascaded", "check", "option"}))
        drop_words(tokens, {"with", "check", "option"});
    if (tokens.empty()) return {};
    return std::string(text.substr(tokens.front().begin, tokens.back().end - tokens.front().begin));
}

/// What stands between the first brackets at or after `begin`.
std::string bracketed(std::string_view text, std::size_t begin, std::size_t end) {
    const auto tokens = tokens_of(text, begin, end);
    const auto open = std::find_if(tokens.begin(), tokens.end(), [](const Token& token) { return token.character == '('; });
    if (open == tokens.end()) return {};
    const auto close = std::find_if(open + 1, tokens.end(), [&](const Token& token) { return token.character == ')' && token.depth == open->depth; });
    if (close == tokens.end()) return {};
    return std::string(text.substr(open->end, close->begin - open->end));
}

// ---- built-in types ----------------------------------------------------------------------------------------------------

struct BuiltInType {
    std::string_view name;
    Id id, array;
};
// PostgreSQL: pg_type.dat. These numbers never change.
constexpr BuiltInType built_in_types[] = {
    {"bool", 16, 1000}, {"bytea", 17, 1001}, {"char", 18, 1002}, {"name", 19, 1003}, {"int8", 20, 1016}, {"int2", 21, 1005}, {"int4", 23, 1007},
    {"text", 25, 1009}, {"oid", 26, 1028}, {"json", 114, 199}, {"xml", 142, 143}, {"point", 600, 1017}, {"float4", 700, 1021}, {"float8", 701, 1022},
    {"money", 790, 791}, {"macaddr", 829, 1040}, {"inet", 869, 1041}, {"cidr", 650, 651}, {"bpchar", 1042, 1014}, {"varchar", 1043, 1015},
    {"date", 1082, 1182}, {"time", 1083, 1183}, {"timestamp", 1114, 1115}, {"timestamptz", 1184, 1185}, {"interval", 1186, 1187},
    {"timetz", 1266, 1270}, {"bit", 1560, 1561}, {"varbit", 1562, 1563}, {"numeric", 1700, 1231}, {"regclass", 2205, 2210}, {"uuid", 2950, 2951},
    {"jsonb", 3802, 3807}, {"tsvector", 3614, 3643}, {"tsquery", 3615, 3645}, {"int4range", 3904, 3905}, {"numrange", 3906, 3907},
    {"tsrange", 3908, 3909}, {"tstzrange", 3910, 3911}, {"daterange", 3912, 3913}, {"int8range", 3926, 3927},
    {"record", 2249, 2287}, {"void", 2278, 0}, {"trigger", 2279, 0}, {"internal", 2281, 0}, {"cstring", 2275, 1263}, {"anyelement", 2283, 0},
    {"anyarray", 2277, 0}, {"event_trigger", 3838, 0},
};

#include "sql/postgres/system_relations.inc"

// ---- the catalogue -----------------------------------------------------------------------------------------------------

class Builder {
  public:
    explicit Builder(std::string_view text) : text_(text) {
        // As the server's are read: without their columns.
        auto add_own = [&, id = Id{1}](std::string_view schema, std::string_view name) mutable {
            Relation own;
            own.id = id++;
            own.schema = schema;
            own.name = name;
            parts_.relations.push_back(std::move(own));
        };
        for (const std::string_view name : system_relations) add_own("pg_catalog", name);
        for (const std::string_view name : information_schema_relations) add_own("information_schema", name);
    }

    void add(const RawStmt* raw) {
        begin_ = static_cast<std::size_t>(std::max(0, raw->stmt_location));
        end_ = raw->stmt_len > 0 ? begin_ + static_cast<std::size_t>(raw->stmt_len) : text_.size();
        statement(raw->stmt);
    }

    /// The first thing that was not understood.
    const std::optional<Error>& error() const { return error_; }

    catalogue::SnapshotRef snapshot() const {
        auto parts = parts_;
        parts.rendered_under = fixture_context();
        return std::make_shared<const catalogue::Snapshot>(std::move(parts));
    }

  private:
    void fail(const std::string& what, int location = -1) {
        if (error_) return;
        std::size_t at = location >= 0 ? static_cast<std::size_t>(location) : begin_;
        if (location < 0) {
            const auto tokens = tokens_of(text_, begin_, end_);
            if (!tokens.empty()) at = tokens.front().begin;
        }
        const auto line = std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(at, text_.size())), '\n') + 1;
        error_ = Error(errc::bad_ddl, "line " + std::to_string(line) + ", byte " + std::to_string(at) + ": " + what);
    }

    Id next_id() { return last_id_++; }

    // ---- names

    struct Name {
        std::string schema, name;
    };
    Name name_of(const RangeVar* relation) const { return {relation->schemaname == nullptr ? schema_ : relation->schemaname, text_of(relation->relname)}; }
    Name name_of(const List* names) const {
        const auto parts = strings(names);
        if (parts.empty()) return {};
        return {parts.size() > 1 ? parts[parts.size() - 2] : schema_, parts.back()};
    }
    Relation* find(const Name& name) {
        for (Relation& relation : parts_.relations)
            if (relation.schema == name.schema && relation.name == name.name) return &relation;
        return nullptr;
    }
    Relation* known(const RangeVar* relation) {
        Relation* found = find(name_of(relation));
        if (found == nullptr) fail("relation \"" + text_of(relation->relname) + "\" is not known", relation->location);
        return found;
    }
    const Type* find_type(const std::string& schema, const std::string& name) const {
        for (const Type& type : parts_.types)
            if (type.name == name && (schema.empty() || type.schema == schema)) return &type;
        return nullptr;
    }
    Id find_function(const List* names) const {
        const auto parts = strings(names);
        for (const Function& function : parts_.functions)
            if (!parts.empty() && function.name == parts.back() && (parts.size() == 1 || function.schema == parts[parts.size() - 2])) return function.id;
        return 0;
    }

    // ---- types

    Id add_type(const Name& name, TypeKind kind, Id base = 0, Id relation = 0) {
        Type type;
        type.id = next_id();
        type.schema = name.schema;
        type.name = name.name;
        type.kind = kind;
        type.base = base;
        type.relation = relation;
        parts_.types.push_back(type);
        Type array;
        array.id = next_id();
        array.schema = name.schema;
        array.name = "_" + name.name;
        array.element = type.id;
        parts_.types.push_back(array);
        return type.id;
    }

    Id type_id(const TypeName* type) {
        if (type == nullptr) return 0;
        const auto parts = strings(type->names);
        if (parts.empty()) return 0;
        const bool array = type->arrayBounds != NIL;
        const std::string schema = parts.size() > 1 ? parts[parts.size() - 2] : "";
        if (type->pct_type) return 0;
        std::string name = parts.back();
        if (schema.empty()) {
            if (name == "serial" || name == "serial4") name = "int4";
            if (name == "bigserial" || name == "serial8") name = "int8";
            if (name == "smallserial" || name == "serial2") name = "int2";
        }
        if (schema.empty() || schema == "pg_catalog")
            for (const BuiltInType& built_in : built_in_types)
                if (built_in.name == name) return array ? built_in.array : built_in.id;
        if (schema != "pg_catalog") {
            const Type* found = find_type(schema, name);
            if (found != nullptr && !array) return found->id;
            if (found != nullptr) return find_type(found->schema, "_" + name)->id;
        }
        // A built-in type outside the list, or an extension's.
        if (schema == "pg_catalog" || !parts_.extensions.empty() || schema.empty()) return unlisted_type(name, type->location);
        fail("type \"" + name + "\" is not known", type->location);
        return 0;
    }

    Id unlisted_type(const std::string& name, int location) {
        static constexpr std::string_view known[] = {"citext", "hstore", "ltree", "cube", "box", "circle", "line", "lseg", "path", "polygon", "macaddr8", "pg_lsn", "txid_snapshot",
                                                     "jsonpath", "regproc", "regtype", "regrole", "regnamespace", "regprocedure", "regoper", "regoperator", "tid", "xid", "xid8", "cid",
                                                     "anynonarray", "anyenum", "anyrange", "anycompatible", "anycompatiblearray", "int4multirange", "int8multirange", "nummultirange",
                                                     "tsmultirange", "tstzmultirange", "datemultirange", "language_handler", "fdw_handler", "unknown", "refcursor", "oidvector", "int2vector"};
        if (std::find(std::begin(known), std::end(known), name) == std::end(known)) {
            fail("type \"" + name + "\" is not known", location);
            return 0;
        }
        // An extension's type is one of its schema; what dbguard knows of it goes by its name.
        if (name == "citext" || name == "hstore") return add_type({"public", name}, TypeKind::base);
        return 0;
    }

    // ---- columns

    static Column& append_column(Relation& relation, std::string name) {
        Column column;
        column.number = static_cast<std::int16_t>(relation.columns.size() + 1);
        column.name = std::move(name);
        relation.columns.push_back(std::move(column));
        return relation.columns.back();
    }

    static Column* column(Relation& relation, const std::string& name) {
        for (Column& column : relation.columns)
            if (column.name == name) return &column;
        return nullptr;
    }

    static void copy_columns(Relation& to, const Relation& from) {
        for (const Column& above : from.columns) {
            if (to.column(above.name) != nullptr) continue;
            Column& below = append_column(to, above.name);
            const auto number = below.number;
            below = above;
            below.number = number;
            below.tags.clear();   // a comment belongs to the column it was made on
        }
    }

    void not_null(Relation& relation, const List* names) {
        for (const std::string& name : strings(names))
            if (Column* found = column(relation, name); found != nullptr) found->not_null = true;
    }

    void add_column(Relation& relation, const ColumnDef* definition) {
        const std::string name = text_of(definition->colname);
        Column* known = column(relation, name);   // merged with a parent's
        Column& added = known != nullptr ? *known : append_column(relation, name);
        if (definition->typeName != nullptr) {
            added.type = type_id(definition->typeName);
            added.modifier = modifier(definition->typeName);
            const auto parts = strings(definition->typeName->names);
            if (parts.size() == 1 && (parts[0] == "serial" || parts[0] == "bigserial" || parts[0] == "smallserial" || parts[0].starts_with("serial"))) {
                added.not_null = true;
                sequences_.push_back({relation.schema, relation.name + "_" + name + "_seq"});
            }
        }
        if (definition->is_not_null) added.not_null = true;
        if (definition->collClause != nullptr) added.collated = true;
        each(definition->constraints, [&](const Node* node) {
            const auto* constraint = as<Constraint>(node);
            if (constraint->contype == CONSTR_PRIMARY) primary_[relation.id] = {name};
            if (constraint->contype == CONSTR_FOREIGN) refers(relation, constraint, {name});
            if (constraint->contype == CONSTR_CHECK) check_of(relation, constraint);
            if (constraint->contype == CONSTR_NOTNULL || constraint->contype == CONSTR_PRIMARY || constraint->contype == CONSTR_IDENTITY) added.not_null = true;
            if (constraint->contype == CONSTR_IDENTITY) sequences_.push_back({relation.schema, relation.name + "_" + name + "_seq"});
            if (constraint->contype == CONSTR_GENERATED) {
                added.generated = true;
                added.default_text = "(" + bracketed(text_, static_cast<std::size_t>(std::max(0, constraint->location)), end_) + ")";
            }
        });
    }

    // varchar(n), char(n): n and the four bytes of its length; numeric(p,s): both in one number (PostgreSQL: varchar.c, numeric.c).
    static std::int32_t modifier(const TypeName* type) {
        std::vector<std::int32_t> numbers;
        each(type->typmods, [&](const Node* node) {
            if (IsA(node, A_Const) && nodeTag(&as<A_Const>(node)->val) == T_Integer) numbers.push_back(as<A_Const>(node)->val.ival.ival);
        });
        const auto parts = strings(type->names);
        if (numbers.empty() || parts.empty()) return -1;
        if (parts.back() == "varchar" || parts.back() == "bpchar") return numbers[0] > 10'485'760 ? -1 : numbers[0] + 4;
        if (parts.back() == "numeric") {
            const std::int32_t scale = numbers.size() > 1 ? numbers[1] : 0;
            return numbers[0] < 1 || numbers[0] > 1000 ? -1 : ((numbers[0] << 16) | (scale & 0x7ff)) + 4;
        }
        return -1;
    }

    // ---- relations

    Relation begin_relation(const Name& name, RelationKind kind, bool temporary = false) {
        Relation relation;
        relation.id = next_id();
        relation.schema = name.schema;
        relation.name = name.name;
        relation.kind = kind;
        if (temporary) fail("a temporary relation belongs to one session, not to a schema");
        return relation;
    }

    /// A relation is a type as well: its row.
    void end_relation(Relation relation) {
        if (relation.kind != RelationKind::sequence && relation.kind != RelationKind::composite) add_type({relation.schema, relation.name}, TypeKind::composite, 0, relation.id);
        if (relation.kind == RelationKind::composite) parts_.types[composite_at_].relation = relation.id;
        parts_.relations.push_back(std::move(relation));
        for (const Name& sequence : std::exchange(sequences_, {}))
            if (find(sequence) == nullptr) parts_.relations.push_back(begin_relation(sequence, RelationKind::sequence));
    }

    bool exists(const Name& name, bool if_not_exists, int location) {
        if (find(name) == nullptr) return false;
        if (!if_not_exists) fail("relation \"" + name.name + "\" is there already", location);
        return true;
    }

    void constraint_of(Relation& relation, const Constraint* constraint) {
        if (constraint->contype == CONSTR_PRIMARY) {
            not_null(relation, constraint->keys);
            primary_[relation.id] = strings(constraint->keys);
        }
        if (constraint->contype == CONSTR_FOREIGN) refers(relation, constraint, strings(constraint->fk_attrs));
        if (constraint->contype == CONSTR_CHECK) check_of(relation, constraint);
    }

    void check_of(Relation& relation, const Constraint* constraint) {
        if (constraint->is_no_inherit || constraint->skip_validation) return;
        relation.checks.push_back("(" + bracketed(text_, static_cast<std::size_t>(std::max(0, constraint->location)), end_) + ")");
    }

    /// As the server prints it.
    std::string bound_of(const PartitionBoundSpec* bound) const {
        if (bound->is_default) return "DEFAULT";
        const auto tokens = tokens_of(text_, static_cast<std::size_t>(std::max(0, bound->location)), end_);
        const auto behind = [&](const char* word) {
            const auto found = std::find_if(tokens.begin(), tokens.end(), [&](const Token& token) { return token.depth == 0 && token.word == word; });
            return found == tokens.end() ? std::string() : "(" + bracketed(text_, found->begin, end_) + ")";
        };
        if (bound->strategy == PARTITION_STRATEGY_LIST) return "FOR VALUES IN " + behind("in");
        return bound->strategy == PARTITION_STRATEGY_RANGE ? "FOR VALUES FROM " + behind("from") + " TO " + behind("to") : "";
    }

    void refers(Relation& relation, const Constraint* constraint, const std::vector<std::string>& names) {
        const Name name = name_of(constraint->pktable);
        Relation* to = name.schema == relation.schema && name.name == relation.name ? &relation : find(name);
        if (to == nullptr) return;
        auto referenced = strings(constraint->pk_attrs);
        if (referenced.empty()) referenced = primary_[to->id];
        catalogue::Reference key;
        key.table = relation.id;
        if (constraint->fk_del_action != '\0') key.on_delete = constraint->fk_del_action;
        if (constraint->fk_upd_action != '\0') key.on_update = constraint->fk_upd_action;
        for (const std::string& one : names)
            if (const Column* found = column(relation, one); found != nullptr) key.columns.push_back(found->number);
        for (const std::string& one : referenced)
            if (const Column* found = column(*to, one); found != nullptr) key.referenced.push_back(found->number);
        to->referenced_by.push_back(std::move(key));
    }

    void create_table(const CreateStmt* create, RelationKind kind) {
        const Name name = name_of(create->relation);
        if (exists(name, create->if_not_exists, create->relation->location)) return;
        if (create->partspec != nullptr) kind = RelationKind::partitioned_table;
        Relation relation = begin_relation(name, kind, create->relation->relpersistence == 't');
        each(create->inhRelations, [&](const Node* parent) {
            if (const Relation* above = known(as<RangeVar>(parent)); above != nullptr) {
                relation.parents.push_back(above->id);
                relation.checks.insert(relation.checks.end(), above->checks.begin(), above->checks.end());
                copy_columns(relation, *above);
            }
        });
        if (create->ofTypename != nullptr) {
            const auto parts = strings(create->ofTypename->names);
            const Type* type = parts.empty() ? nullptr : find_type("", parts.back());
            for (const Relation& row : parts_.relations)
                if (type != nullptr && row.id == type->relation) copy_columns(relation, row);
        }
        each(create->tableElts, [&](const Node* element) {
            if (IsA(element, ColumnDef)) add_column(relation, as<ColumnDef>(element));
            else if (IsA(element, TableLikeClause)) {
                if (const Relation* like = known(as<TableLikeClause>(element)->relation); like != nullptr) copy_columns(relation, *like);
            }
        });
        each(create->tableElts, [&](const Node* element) {
            if (IsA(element, Constraint)) constraint_of(relation, as<Constraint>(element));
        });
        if (create->partbound != nullptr) relation.partition_bound = bound_of(create->partbound);
        if (create->partspec != nullptr) {
            const char* strategy = create->partspec->strategy == PARTITION_STRATEGY_LIST ? "LIST (" : create->partspec->strategy == PARTITION_STRATEGY_RANGE ? "RANGE (" : "HASH (";
            relation.partition_key = strategy + bracketed(text_, static_cast<std::size_t>(std::max(0, create->partspec->location)), end_) + ")";
        }
        end_relation(std::move(relation));
    }

    void create_query(const RangeVar* target, const List* aliases, RelationKind kind, bool if_not_exists, bool replace, bool recursive) {
        const Name name = name_of(target);
        if (replace && find(name) != nullptr) std::erase_if(parts_.relations, [&](const Relation& one) { return one.schema == name.schema && one.name == name.name; });
        if (exists(name, if_not_exists, target->location)) return;
        Relation relation = begin_relation(name, kind, target->relpersistence == 't');
        std::string text = query_text(text_, begin_, end_);
        auto names = strings(aliases);
        if (recursive) {
            // CREATE RECURSIVE VIEW v (a) AS q: WITH RECURSIVE v (a) AS (q) SELECT a FROM v (PostgreSQL manual, CREATE VIEW).
            std::string columns;
            for (const std::string& column : names) columns += (columns.empty() ? "" : ", ") + quoted(column);
            text = "WITH RECURSIVE " + quoted(name.name) + " (" + columns + ") AS (" + text + ") SELECT " + columns + " FROM " + quoted(name.name);
        }
        const auto here = snapshot();
        const auto context = fixture_context();
        const Analysis analysis = analyze_text(text, {here.get(), &context});
        if (!analysis.unparsed.empty() || analysis.statements.size() != 1 || !analysis.statements[0].outputs_exact) {
            fail("the query of \"" + name.name + "\" is not understood" + (analysis.unparsed.empty() ? "" : ": " + analysis.unparsed), target->location);
            return;
        }
        const auto& outputs = analysis.statements[0].outputs;
        for (std::size_t i = 0; i < std::max(names.size(), outputs.size()); ++i) append_column(relation, i < names.size() ? names[i] : outputs[i].name);
        if (kind != RelationKind::table) relation.definition = text;
        end_relation(std::move(relation));
    }

    static std::string quoted(const std::string& name) {
        std::string out = "\"";
        for (const char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
        return out + "\"";
    }

    void alter_table(const AlterTableStmt* alter) {
        Relation* relation = find(name_of(alter->relation));
        if (relation == nullptr) {
            // ALTER INDEX, ALTER TYPE of what is not kept here
            if (alter->objtype != OBJECT_INDEX && !alter->missing_ok) fail("relation \"" + text_of(alter->relation->relname) + "\" is not known", alter->relation->location);
            return;
        }
        each(alter->cmds, [&](const Node* node) {
            const auto* command = as<AlterTableCmd>(node);
            Column* found = command->name == nullptr ? nullptr : column(*relation, command->name);
            switch (command->subtype) {
                case AT_AddColumn:
                    if (relation->column(text_of(as<ColumnDef>(command->def)->colname)) == nullptr) add_column(*relation, as<ColumnDef>(command->def));
                    break;
                case AT_DropColumn:
                    // The numbers of the others stay, as the server has it.
                    std::erase_if(relation->columns, [&](const Column& one) { return one.name == command->name; });
                    break;
                case AT_SetNotNull: if (found != nullptr) found->not_null = true; break;
                case AT_DropNotNull: if (found != nullptr) found->not_null = false; break;
                case AT_AlterColumnType:
                    if (found != nullptr) found->type = type_id(as<ColumnDef>(command->def)->typeName);
                    break;
                case AT_AddIdentity: if (found != nullptr) found->not_null = true; break;
                case AT_AddConstraint: constraint_of(*relation, as<Constraint>(command->def)); break;
                case AT_AttachPartition:
                    if (Relation* part = known(as<PartitionCmd>(command->def)->name); part != nullptr) part->parents.push_back(relation->id);
                    break;
                case AT_AddInherit:
                    if (const Relation* above = known(as<RangeVar>(command->def)); above != nullptr) relation->parents.push_back(above->id);
                    break;
                case AT_DropExpression: case AT_SetExpression: case AT_DetachPartition: case AT_DropInherit: case AT_AddOf: case AT_DropOf:
                    fail("this ALTER TABLE is not understood");
                    break;
                default: break;   // owners, storage, statistics, triggers on and off, row security, replica identity
            }
        });
        const auto made = std::exchange(sequences_, {});
        for (const Name& sequence : made)
            if (find(sequence) == nullptr) parts_.relations.push_back(begin_relation(sequence, RelationKind::sequence));
    }

    // ---- code

    void create_function(const CreateFunctionStmt* create) {
        const Name name = name_of(create->funcname);
        Function function;
        function.id = next_id();
        function.schema = name.schema;
        function.name = name.name;
        function.kind = create->is_procedure ? 'p' : 'f';
        function.language = "sql";
        bool any_name = false;
        each(create->parameters, [&](const Node* node) {
            const auto* parameter = as<FunctionParameter>(node);
            const char mode = static_cast<char>(parameter->mode);
            if (mode != 'o' && mode != 't') {
                function.arguments.push_back(type_id(parameter->argType));
                function.argument_names.push_back(text_of(parameter->name));
                any_name = any_name || parameter->name != nullptr;
            }
            if (mode == 'o' || mode == 'b' || mode == 't') function.output_names.push_back(text_of(parameter->name));
            if (mode == 't') function.returns_set = true;
        });
        if (!any_name) function.argument_names.clear();
        if (create->returnType != nullptr) {
            function.returns = type_id(create->returnType);
            function.returns_set = function.returns_set || create->returnType->setof;
        }
        each(create->options, [&](const Node* node) {
            const auto* option = as<DefElem>(node);
            if (std::strcmp(option->defname, "language") == 0) function.language = lower(text_of(strVal(option->arg)));
            if (std::strcmp(option->defname, "security") == 0) function.security_definer = boolVal(option->arg);
            if (std::strcmp(option->defname, "set") == 0) function.settings.emplace_back("role=?");   // not followed here: not read
            if (std::strcmp(option->defname, "as") == 0) {
                const auto texts = strings(as<List>(option->arg));
                if (!texts.empty()) function.body = texts[0];
            }
        });
        if (create->sql_body != nullptr) {
            // As the server prints it: RETURN …, or BEGIN ATOMIC … END.
            const auto tokens = tokens_of(text_, begin_, end_);
            for (std::size_t i = 0; i < tokens.size(); ++i) {
                const bool begins = tokens[i].word == "begin" && i + 1 < tokens.size() && tokens[i + 1].word == "atomic";
                if (tokens[i].depth == 0 && (begins || tokens[i].word == "return")) {
                    function.body = text_.substr(tokens[i].begin, tokens.back().end - tokens[i].begin);
                    break;
                }
            }
        }
        if (function.language != "sql") function.body.clear();
        if (create->replace)
            std::erase_if(parts_.functions, [&](const Function& one) { return one.schema == name.schema && one.name == name.name && one.arguments == function.arguments; });
        parts_.functions.push_back(std::move(function));
    }

    static std::string lower(std::string text) {
        for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return text;
    }

    const TypeName* type_option(const List* definition, const char* name) const {
        const TypeName* found = nullptr;
        each(definition, [&](const Node* node) {
            const auto* option = as<DefElem>(node);
            if (std::strcmp(option->defname, name) == 0 && option->arg != nullptr && IsA(option->arg, TypeName)) found = as<TypeName>(option->arg);
        });
        return found;
    }

    void define(const DefineStmt* define) {
        const Name name = name_of(define->defnames);
        if (define->kind == OBJECT_OPERATOR) {
            catalogue::Operator made{name.schema, name.name, 0, 0, 0};
            const TypeName* function = type_option(define->definition, "function");
            if (function == nullptr) function = type_option(define->definition, "procedure");
            if (function != nullptr) made.function = find_function(function->names);
            made.left = type_id(type_option(define->definition, "leftarg"));
            made.right = type_id(type_option(define->definition, "rightarg"));
            parts_.operators.push_back(std::move(made));
        } else if (define->kind == OBJECT_AGGREGATE) {
            Function aggregate;
            aggregate.id = next_id();
            aggregate.schema = name.schema;
            aggregate.name = name.name;
            aggregate.kind = 'a';
            aggregate.language = "internal";
            // ((arguments), number of direct ones), or the old style with a base type
            if (define->args != NIL && linitial(define->args) != nullptr)
                each(static_cast<const List*>(linitial(define->args)), [&](const Node* parameter) { aggregate.arguments.push_back(type_id(as<FunctionParameter>(parameter)->argType)); });
            else if (const TypeName* base = type_option(define->definition, "basetype")) aggregate.arguments.push_back(type_id(base));
            for (const char* part : {"sfunc", "finalfunc", "combinefunc", "serialfunc", "deserialfunc", "msfunc", "minvfunc", "mfinalfunc"}) {
                const TypeName* function = type_option(define->definition, part);
                if (function == nullptr) continue;
                const Id known = find_function(function->names);
                aggregate.parts.push_back(known != 0 ? std::to_string(known) : strings(function->names).back());
            }
            parts_.functions.push_back(std::move(aggregate));
        } else if (define->kind == OBJECT_TYPE) {
            fail("a base type is C code");
        }
        // Collations and text search objects do not change what names of tables, columns and functions mean.
    }

    void create_trigger(const CreateTrigStmt* trigger) {
        Relation* relation = known(trigger->relation);
        if (relation == nullptr) return;
        const Id function = find_function(trigger->funcname);
        const auto parts = strings(trigger->funcname);
        static constexpr std::string_view built_in[] = {"suppress_redundant_updates_trigger", "tsvector_update_trigger", "tsvector_update_trigger_column"};
        if (function == 0 && std::find(std::begin(built_in), std::end(built_in), parts.back()) == std::end(built_in)) {
            fail("function \"" + parts.back() + "\" is not known");
            return;
        }
        relation->trigger_functions.push_back(function);
        if (trigger->transitionRels == nullptr && relation->transition_tables.empty()) return;
        relation->transition_tables.resize(2 * relation->trigger_functions.size());
        const std::size_t own = relation->transition_tables.size() - 2;
        each(trigger->transitionRels, [&](const Node* node) {
            const auto* rows = as<TriggerTransition>(node);
            relation->transition_tables[own + (rows->isNew ? 1 : 0)] = text_of(rows->name);
        });
    }

    void create_rule(const RuleStmt* rule) {
        Relation* relation = known(rule->relation);
        if (relation == nullptr) return;
        catalogue::Rule made;
        made.event = rule->event == CMD_UPDATE ? '2' : rule->event == CMD_INSERT ? '3' : rule->event == CMD_DELETE ? '4' : '1';
        if (made.event == '1') return fail("a rule for SELECT is a view");
        made.instead = rule->instead;
        made.definition = text_.substr(begin_, end_ - begin_);
        relation->rules.push_back(std::move(made));
    }

    void comment(const CommentStmt* comment) {
        if (comment->objtype != OBJECT_COLUMN) return;
        auto parts = strings(as<List>(comment->object));
        if (parts.size() < 2) return;
        const std::string name = parts.back();
        parts.pop_back();
        Relation* relation = find({parts.size() > 1 ? parts[parts.size() - 2] : schema_, parts.back()});
        Column* found = relation == nullptr ? nullptr : column(*relation, name);
        if (found == nullptr) return fail("column \"" + parts.back() + "." + name + "\" is not known");
        found->tags = catalogue::postgres::tags_of_comment(text_of(comment->comment));
    }

    void drop(const DropStmt* drop) {
        if (drop->removeType != OBJECT_TABLE && drop->removeType != OBJECT_VIEW && drop->removeType != OBJECT_MATVIEW && drop->removeType != OBJECT_SEQUENCE) {
            if (!drop->missing_ok) fail("this DROP is not understood");
            return;
        }
        each(drop->objects, [&](const Node* object) {
            const Name name = name_of(as<List>(object));
            if (find(name) == nullptr && !drop->missing_ok) fail("relation \"" + name.name + "\" is not known");
            std::erase_if(parts_.relations, [&](const Relation& one) { return one.schema == name.schema && one.name == name.name; });
        });
    }

    // ---- statements

    void statement(const Node* node) {
        if (error_ || node == nullptr) return;
        switch (nodeTag(node)) {
            case T_CreateSchemaStmt: {
                const auto* create = as<CreateSchemaStmt>(node);
                const std::string outer = std::exchange(schema_, text_of(create->schemaname));
                each(create->schemaElts, [&](const Node* element) { statement(element); });
                schema_ = outer;
                return;
            }
            case T_CreateStmt: return create_table(as<CreateStmt>(node), RelationKind::table);
            case T_CreateForeignTableStmt: return create_table(&as<CreateForeignTableStmt>(node)->base, RelationKind::foreign_table);
            case T_ViewStmt: {
                const auto* view = as<ViewStmt>(node);
                const auto tokens = tokens_of(text_, begin_, end_);
                bool recursive = false;
                for (const Token& token : tokens) {
                    if (token.word == "view") break;
                    recursive = recursive || token.word == "recursive";
                }
                return create_query(view->view, view->aliases, RelationKind::view, false, view->replace, recursive);
            }
            case T_CreateTableAsStmt: {
                const auto* create = as<CreateTableAsStmt>(node);
                if (!IsA(create->query, SelectStmt)) return fail("CREATE TABLE AS EXECUTE is only known when it runs");
                return create_query(create->into->rel, create->into->colNames, create->objtype == OBJECT_MATVIEW ? RelationKind::materialized_view : RelationKind::table,
                                    create->if_not_exists, false, false);
            }
            case T_CreateSeqStmt: {
                const auto* create = as<CreateSeqStmt>(node);
                if (exists(name_of(create->sequence), create->if_not_exists, create->sequence->location)) return;
                return end_relation(begin_relation(name_of(create->sequence), RelationKind::sequence, create->sequence->relpersistence == 't'));
            }
            case T_AlterTableStmt: return alter_table(as<AlterTableStmt>(node));
            case T_CompositeTypeStmt: {
                const auto* create = as<CompositeTypeStmt>(node);
                const Name name = name_of(create->typevar);
                Relation row = begin_relation(name, RelationKind::composite);
                each(create->coldeflist, [&](const Node* column) { add_column(row, as<ColumnDef>(column)); });
                add_type(name, TypeKind::composite, 0, row.id);
                composite_at_ = parts_.types.size() - 2;
                return end_relation(std::move(row));
            }
            case T_CreateEnumStmt: {
                add_type(name_of(as<CreateEnumStmt>(node)->typeName), TypeKind::enumeration);
                (parts_.types.end() - 2)->labels = strings(as<CreateEnumStmt>(node)->vals);
                return;
            }
            case T_AlterEnumStmt: {
                const auto parts = strings(as<AlterEnumStmt>(node)->typeName);
                for (Type& type : parts_.types)
                    if (type.name == parts.back() && as<AlterEnumStmt>(node)->newVal != nullptr) type.labels.emplace_back(as<AlterEnumStmt>(node)->newVal);
                return;
            }
            case T_CreateDomainStmt: {
                const auto* create = as<CreateDomainStmt>(node);
                const Id base = type_id(create->typeName);
                add_type(name_of(create->domainname), TypeKind::domain, base);
                (parts_.types.end() - 2)->modifier = modifier(create->typeName);
                each(create->constraints, [&](const Node* constraint) {
                    if (as<Constraint>(constraint)->contype != CONSTR_CHECK) return;
                    std::string check = bracketed(text_, static_cast<std::size_t>(std::max(0, as<Constraint>(constraint)->location)), end_);
                    const auto words = tokens_of(check, 0, check.size());
                    const bool calls = std::any_of(words.begin(), words.end(), [&](const Token& token) {
                        return std::any_of(parts_.functions.begin(), parts_.functions.end(), [&](const Function& function) { return function.name == token.word; });
                    });
                    if (calls) (parts_.types.end() - 2)->checks.push_back(check);
                    (parts_.types.end() - 2)->conditions.push_back("(" + check + ")");
                });
                return;
            }
            case T_CreateCastStmt: {
                const auto* create = as<CreateCastStmt>(node);
                if (create->func == nullptr) return;
                catalogue::Cast made{type_id(create->sourcetype), type_id(create->targettype), find_function(create->func->objname), {}, create->context != COERCION_EXPLICIT};
                if (made.function == 0) made.built_in = strings(create->func->objname).back();
                parts_.casts.push_back(std::move(made));
                return;
            }
            case T_CreateRangeStmt: {
                const auto* create = as<CreateRangeStmt>(node);
                const Id base = type_id(type_option(create->params, "subtype"));
                add_type(name_of(create->typeName), TypeKind::range, base);
                return;
            }
            case T_CreateFunctionStmt: return create_function(as<CreateFunctionStmt>(node));
            case T_DefineStmt: return define(as<DefineStmt>(node));
            case T_CreateTrigStmt: return create_trigger(as<CreateTrigStmt>(node));
            case T_RuleStmt: return create_rule(as<RuleStmt>(node));
            case T_CreatePolicyStmt:
                if (Relation* relation = known(as<CreatePolicyStmt>(node)->table); relation != nullptr) relation->has_expressions = true;
                return;
            case T_CommentStmt: return comment(as<CommentStmt>(node));
            case T_CreateExtensionStmt: parts_.extensions.push_back(text_of(as<CreateExtensionStmt>(node)->extname)); return;
            case T_DropStmt: return drop(as<DropStmt>(node));
            case T_VariableSetStmt:
                // pg_dump empties it and writes every name with its schema.
                if (text_of(as<VariableSetStmt>(node)->name) == "search_path" && list_length(as<VariableSetStmt>(node)->args) > 0) {
                    const auto* value = as<A_Const>(linitial(as<VariableSetStmt>(node)->args));
                    if (IsA(value, A_Const) && nodeTag(&value->val) == T_String && (*value->val.sval.sval == '\0' || std::strcmp(value->val.sval.sval, "public") == 0)) return;
                    fail("search_path is not followed; write the schema with each name");
                }
                return;
            case T_IndexStmt: case T_GrantStmt: case T_GrantRoleStmt: case T_AlterDefaultPrivilegesStmt: case T_AlterOwnerStmt: case T_AlterSeqStmt:
            case T_TransactionStmt: case T_InsertStmt: case T_SelectStmt: case T_CreateStatsStmt: case T_CreateRoleStmt:
            case T_AlterRoleStmt: case T_CreateFdwStmt: case T_CreateForeignServerStmt: case T_CreateUserMappingStmt: case T_VacuumStmt:
            case T_RefreshMatViewStmt: case T_AlterPolicyStmt: case T_CreatePublicationStmt: case T_SecLabelStmt: case T_AlterFunctionStmt:
                return;
            default: fail("a statement that is not understood");
        }
    }

    std::string_view text_;
    std::size_t begin_ = 0, end_ = 0;   ///< of the statement
    std::string schema_ = "public";
    catalogue::Snapshot::Parts parts_;
    Id last_id_ = 16384;  // below are the server's own (PostgreSQL: FirstNormalObjectId)
    std::map<catalogue::Id, std::vector<std::string>> primary_;   ///< columns of primary keys
    std::vector<Name> sequences_;       ///< that the columns of the relation being made have
    std::size_t composite_at_ = 0;
    std::optional<Error> error_;
};

// About 4 MiB of stack: a program's own, not a small thread's.
constexpr std::size_t max_ddl_depth = 1'500;

}  // namespace

catalogue::Context fixture_context() {
    catalogue::Context context;
    context.search_path = {"pg_catalog", "public"};
    context.database = "fixture";
    context.user = "fixture";
    return context;
}

Result<catalogue::SnapshotRef> catalogue_of_ddl(std::string_view ddl) {
    const auto refused = [&](const std::string& what, std::size_t at) {
        const auto line = std::count(ddl.begin(), ddl.begin() + static_cast<std::ptrdiff_t>(std::min(at, ddl.size())), '\n') + 1;
        return Error(errc::bad_ddl, "line " + std::to_string(line) + ", byte " + std::to_string(at) + ": " + what);
    };
    if (const auto nul = ddl.find('\0'); nul != std::string_view::npos) return refused("a NUL", nul);
    if (depth_bound(ddl) > max_ddl_depth) return refused("the text is nested too deep", 0);
    if (const Parsed parsed = parse(ddl); !parsed.error.empty()) return refused(parsed.error, parsed.error_at);
    const std::string owned(ddl);
    Builder builder(ddl);
    MemoryContext context = pg_query_enter_memory_context();
    PgQueryInternalParsetreeAndError result = pg_query_raw_parse(owned.c_str(), PG_QUERY_PARSE_DEFAULT);
    if (result.error != nullptr) pg_query_free_error(result.error);
    else each(result.tree, [&](const Node* raw) { builder.add(as<RawStmt>(raw)); });
    std::free(result.stderr_buffer);
    pg_query_exit_memory_context(context);
    if (builder.error()) return *builder.error();
    return builder.snapshot();
}

}  // namespace dbguard::sql::postgres
