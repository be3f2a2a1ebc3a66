// The service's configuration: whatever it is, it is read or refused with a place.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "broker/config.hpp"

using namespace dbguard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto result = broker::parse_config(input, "serve.yaml");
    if (result.config.has_value() == policy::has_errors(result.problems)) std::abort();
    for (const auto& problem : result.problems)
        if (policy::text(problem).empty()) std::abort();
    if (result.config && (result.config->issuers.empty() || result.config->databases.empty())) std::abort();
    return 0;
}
