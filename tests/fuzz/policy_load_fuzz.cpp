// The loader takes any bytes: it answers with a policy or with problems, and what it takes can be linted and put to work.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "policy/decide.hpp"
#include "policy/lint.hpp"
#include "policy/load.hpp"
#include "policy/masks.hpp"

using namespace dbguard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto result = policy::load(text, "fuzz.yaml");
    if (result.policy.has_value() == policy::has_errors(result.problems)) std::abort();
    if (!result.policy) return 0;
    for (const auto& problem : policy::lint(*result.policy))
        if (policy::text(problem).empty()) std::abort();
    for (const auto& role : result.policy->roles) {
        const policy::RoleRules rules(*result.policy, role, policy::Engine::postgres);
        sql::Effect effect;
        effect.effect_class = sql::EffectClass::read_table;
        effect.objects.push_back({"public", "customers", {"email"}});
        policy::decide(rules, std::span(&effect, 1));
        policy::RoleMasks(*result.policy, role).mask_for("public", "customers", "email");
    }
    return 0;
}
