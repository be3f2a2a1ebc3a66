#include "identity/identity.hpp"

#include <algorithm>
#include <array>

namespace dbguard::identity {
namespace {

constexpr std::array<std::string_view, 3> profile_names = {"github", "gitlab", "generic"};
constexpr std::array<std::string_view, 3> identity_kind_names = {"ci", "human", "workload"};
constexpr std::array<std::string_view, 6> claim_kind_names = {
    "null", "boolean", "number", "string", "array", "object"};

template <class Enum, std::size_t size>
std::optional<Enum> find_name(
    const std::array<std::string_view, size>& names, std::string_view wanted
) {
    const auto at = std::find(names.begin(), names.end(), wanted);
    if (at == names.end()) return {};
    return static_cast<Enum>(at - names.begin());
}

/// Branch and project names are other people's text: nothing in them may move the cursor or begin a line.
std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, 200))
        out.push_back(static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c);
    return out;
}

}  // namespace

std::string_view name(Profile profile) { return profile_names[static_cast<std::size_t>(profile)]; }
std::optional<Profile> profile_from(std::string_view name) {
    return find_name<Profile>(profile_names, name);
}

std::string_view name(IdentityKind kind) {
    return identity_kind_names[static_cast<std::size_t>(kind)];
}
std::optional<IdentityKind> identity_kind_from(std::string_view name) {
    return find_name<IdentityKind>(identity_kind_names, name);
}

std::string_view name(ClaimKind kind) { return claim_kind_names[static_cast<std::size_t>(kind)]; }

std::optional<std::string_view> Identity::claim(std::string_view name) const {
    const auto found = claims.find(name);
    if (found == claims.end() || found->second.kind == ClaimKind::array ||
        found->second.values.size() != 1)
        return {};
    return found->second.values.front();
}

bool Identity::claim_is(std::string_view name, const std::vector<std::string>& accepted) const {
    const auto found = claims.find(name);
    if (found == claims.end()) return false;
    const auto& values = found->second.values;
    return std::any_of(values.begin(), values.end(), [&](const std::string& value) {
        return std::find(accepted.begin(), accepted.end(), value) != accepted.end();
    });
}

std::optional<bool> Identity::ref_protected() const {
    const auto value = claim("ref_protected");
    if (value == "true") return true;
    if (value == "false") return false;
    return {};
}

std::string Identity::summary() const {
    const auto text = [&](std::string_view name) { return one_line(claim(name).value_or("?")); };
    switch (profile) {
        case Profile::github:
            return text("repository") + " run " + text("run_id") + " (" + text("event_name") + " " +
                   text("ref") + ")";
        case Profile::gitlab:
            return text("project_path") + " job " + text("job_id") + " (" +
                   text("pipeline_source") + " " + text("ref") + ")";
        case Profile::generic:
            break;
    }
    return one_line(subject);
}

std::optional<Caution> unnamed(const Identity& identity, const NamedClaims& named) {
    for (const Caution& caution : identity.cautions) {
        const auto claim = named.find(caution.claim);
        if (claim == named.end() ||
            std::find(claim->second.begin(), claim->second.end(), caution.value) ==
                claim->second.end())
            return caution;
    }
    return {};
}

bool matches(const Identity& identity, const NamedClaims& named) {
    return !named.empty() && std::all_of(named.begin(), named.end(), [&](const auto& demand) {
        return identity.claim_is(demand.first, demand.second);
    });
}

}  // namespace dbguard::identity
