// Discovery documents and the header that says how long keys live.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "identity/discovery.hpp"
#include "identity/issuer.hpp"

using namespace dbguard::identity;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto discovery = parse_discovery(input, "https://i.example/t", {"keys.example"});
    if (discovery && (discovery->issuer != "https://i.example/t" ||
                      !discovery->jwks_uri.starts_with("https://")))
        std::abort();
    if (const auto age = cache_max_age(input); age && age->count() < 0) std::abort();
    (void)spelling_hint(input, "https://i.example/t");
    (void)spelling_hint("https://i.example/t", input);
    (void)discovery_url(input);
    return 0;
}
