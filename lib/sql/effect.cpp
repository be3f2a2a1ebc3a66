#include "sql/effect.hpp"

#include <array>

namespace dbguard::sql {
namespace {

// In the order of EffectClass.
constexpr std::array<std::string_view, 35> names = {
    "read", "read.table", "read.catalog", "read.explain", "read.show",
    "write", "write.insert", "write.update", "write.delete", "write.merge", "write.replace",
    "ddl", "ddl.create", "ddl.create.index", "ddl.alter", "ddl.drop", "ddl.truncate", "ddl.rename", "ddl.comment",
    "bulk", "bulk.import", "bulk.export",
    "dcl",
    "call",
    "session", "session.set", "session.role", "session.use", "session.reset",
    "tx", "lock", "notify", "maintenance", "server", "unparsed",
};
static_assert(names.size() == static_cast<std::size_t>(EffectClass::unparsed) + 1);

// In the order of Where and of Lock.
constexpr std::array<std::string_view, 4> where_names = {"", "missing", "trivial", "present"};
constexpr std::array<std::string_view, 3> lock_names = {"", "blocks_writes", "blocks_reads"};

template <class T, std::size_t N>
std::optional<T> named(const std::array<std::string_view, N>& names, std::string_view name) {
    for (std::size_t i = 0; i < N; ++i)
        if (names[i] == name) return static_cast<T>(i);
    return {};
}

}  // namespace

std::string_view name(EffectClass effect_class) {
    return names[static_cast<std::size_t>(effect_class)];
}

std::optional<EffectClass> effect_class(std::string_view name) { return named<EffectClass>(names, name); }

std::string_view name(Where where) { return where_names[static_cast<std::size_t>(where)]; }

std::optional<Where> where(std::string_view name) { return named<Where>(where_names, name); }

std::string_view name(Lock lock) { return lock_names[static_cast<std::size_t>(lock)]; }

std::optional<Lock> lock(std::string_view name) { return named<Lock>(lock_names, name); }

bool inside(EffectClass inner, EffectClass outer) {
    const auto a = name(inner);
    const auto b = name(outer);
    return a.starts_with(b) && (a.size() == b.size() || a[b.size()] == '.');
}

}  // namespace dbguard::sql
