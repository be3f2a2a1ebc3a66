// Key sets: whatever is taken has a key that can be asked about a signature.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "identity/jwks.hpp"
#include "identity/signature.hpp"

using namespace dbguard::identity;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto set = parse_jwks({reinterpret_cast<const char*>(data), size});
    if (!set) return 0;
    if (set->keys.empty() || set->keys.size() > max_jwks_keys) std::abort();
    for (const PublicKey& key : set->keys) {
        if (!key.key || (key.type == KeyType::rsa && key.bits < 2048)) std::abort();
        for (const Algorithm algorithm :
             {Algorithm::rs256,
              Algorithm::ps256,
              Algorithm::es256,
              Algorithm::es384,
              Algorithm::eddsa})
            for (const std::size_t length : {0, 64, 96, 256})
                if (signature_holds(algorithm, key, "message", std::string(length, '\x01')))
                    std::abort();
    }
    return 0;
}
