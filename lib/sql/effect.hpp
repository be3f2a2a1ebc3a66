#pragma once

// What a statement does, in words that policy judges: effects (class, objects, facts). The same for both dialects.
// Knows nothing of rules. Start at Statement in sql/statement.hpp.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbguard::sql {

/// The closed list of classes of the policy language (doc/policy-language.md). `a_b` is inside `a`.
enum class EffectClass : std::uint8_t {
    read, read_table, read_catalog, read_explain, read_show,
    write, write_insert, write_update, write_delete, write_merge, write_replace,
    ddl, ddl_create, ddl_create_index, ddl_alter, ddl_drop, ddl_truncate, ddl_rename, ddl_comment,
    bulk, bulk_import, bulk_export,
    dcl,
    call,
    session, session_set, session_role, session_use, session_reset,
    tx, lock, notify, maintenance, server, unparsed,
};

/// As written in a policy: `ddl.create.index`.
std::string_view name(EffectClass effect_class);
/// Empty for a name outside the list.
std::optional<EffectClass> effect_class(std::string_view name);
/// `write.insert` is inside `write` and inside itself.
bool inside(EffectClass inner, EffectClass outer);

/// Whether rows are selected. `not_applicable` for effects that have no WHERE; the other three exclude each other.
enum class Where : std::uint8_t { not_applicable, missing, trivial, present };

/// As a policy writes it: `missing`. Empty for not_applicable.
std::string_view name(Where where);
std::optional<Where> where(std::string_view name);

/// The strongest table lock the effect takes. blocks_reads implies blocks_writes.
enum class Lock : std::uint8_t { none, blocks_writes, blocks_reads };

/// As a policy writes it: `blocks_reads`. Empty for none.
std::string_view name(Lock lock);
std::optional<Lock> lock(std::string_view name);

/// A thing an effect is done to, spelled as the catalogue spells it.
struct Object {
    std::string schema;                ///< empty where the kind of thing has none (a setting, a role)
    std::string name;
    std::vector<std::string> columns;  ///< the columns touched; empty: the object as a whole
    bool temporary = false;            ///< the session's own temporary object (`pg_temp`)
    bool resolved = true;              ///< false: matches every `deny … of` and no `allow … of`
    bool expanded = false;             ///< a view that was expanded to its tables, or what goes along with another: only rules that tighten are asked about it

    bool operator==(const Object&) const = default;
};

struct Effect {
    EffectClass effect_class = EffectClass::unparsed;
    std::vector<Object> objects;            ///< empty: judged once, as a thing without a name
    Where where = Where::not_applicable;
    std::optional<bool> has_limit;          ///< empty: a LIMIT makes no sense here
    std::optional<bool> rewrites_table;     ///< empty: not known
    Lock lock = Lock::none;
    std::string setting;                    ///< session.set: the setting's name in lower case
    std::string detail;                     ///< one clause for people: why this effect is there
    bool of_code = false;                   ///< ddl of functions, types, operators and their like: no relation, no schema
    std::string_view misleading;            ///< session.set: why texts would be read otherwise after it; of the dialect, lasts for ever

    bool operator==(const Effect&) const = default;
};

}  // namespace dbguard::sql
