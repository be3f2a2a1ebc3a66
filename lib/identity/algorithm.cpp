#include "identity/algorithm.hpp"

#include <array>
#include <utility>

namespace dbguard::identity {
namespace {

struct Row {
    Algorithm algorithm;
    std::string_view name;
    KeyType key;
};

constexpr std::array rows = {
    Row{Algorithm::rs256, "RS256", KeyType::rsa},
    Row{Algorithm::rs384, "RS384", KeyType::rsa},
    Row{Algorithm::rs512, "RS512", KeyType::rsa},
    Row{Algorithm::ps256, "PS256", KeyType::rsa},
    Row{Algorithm::ps384, "PS384", KeyType::rsa},
    Row{Algorithm::ps512, "PS512", KeyType::rsa},
    Row{Algorithm::es256, "ES256", KeyType::ec_p256},
    Row{Algorithm::es384, "ES384", KeyType::ec_p384},
    Row{Algorithm::eddsa, "EdDSA", KeyType::ed25519},
};

const Row& row(Algorithm algorithm) { return rows[static_cast<std::size_t>(algorithm)]; }

}  // namespace

std::string_view name(Algorithm algorithm) { return row(algorithm).name; }

std::optional<Algorithm> algorithm_from(std::string_view name) {
    for (const Row& each : rows)
        if (each.name == name) return each.algorithm;
    return {};
}

KeyType key_type_of(Algorithm algorithm) { return row(algorithm).key; }

}  // namespace dbguard::identity
