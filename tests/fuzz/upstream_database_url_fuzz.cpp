// Database URLs: what was read can be rewritten and read again; passfiles are read without harm.
#include <cstdlib>
#include <string_view>

#include "upstream/database_url.hpp"

using namespace dbguard;
using namespace dbguard::upstream;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)match_passfile(text, "h", "5432", "d", "u");
    const auto url = parse_database_url(text);
    if (!url) return 0;
    if (url->host.empty() || url->port == 0) std::abort();
    for (const auto* host : {"127.0.0.1", "::1", "/tmp/x"}) {
        const auto again = parse_database_url(rewrite(*url, host, 4001, "s_1", "p@:/?#%"));
        // A MySQL socket has no place in a URL that this parser knows.
        if (!again && url->engine == Engine::mysql && host[0] == '/') continue;
        if (!again || again->scheme != url->scheme || again->host != host || again->port != 4001)
            std::abort();
        if (again->user != "s_1" || again->password->reveal() != "p@:/?#%") std::abort();
        if (!url->database.empty() && again->database != url->database) std::abort();
    }
    (void)postgres_target(*url, {});
    return 0;
}
