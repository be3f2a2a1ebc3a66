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

}  // namespace

std::string_view name(EffectClass effect_class) {
    return names[static_cast<std::size_t>(effect_class)];
}

std::optional<EffectClass> effect_class(std::string_view name) {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (names[i] == name) return static_cast<EffectClass>(i);
    return {};
}

bool inside(EffectClass inner, EffectClass outer) {
    const auto a = name(inner);
    const auto b = name(outer);
    return a.starts_with(b) && (a.size() == b.size() || a[b.size()] == '.');
}

}  // namespace dbguard::sql
