#pragma once

#include <string_view>

#include "identity/algorithm.hpp"
#include "identity/jwks.hpp"

namespace dbguard::identity {

/// True when `signature` (as in RFC 7518 §3.3–3.5 and RFC 8037 §3.1) over `message` was made with `key`. False also for
/// a key of another type than the algorithm needs, a signature of another length, an ECDSA r or s of zero.
bool signature_holds(
    Algorithm algorithm, const PublicKey& key, std::string_view message, std::string_view signature
);

}  // namespace dbguard::identity
