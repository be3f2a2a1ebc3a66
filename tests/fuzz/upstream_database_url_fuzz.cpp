// Database URLs: what was read can be rewritten for the wrapped command and read again; passfiles are read without harm.
#include <cstdlib>
#include <string_view>

#include "process/database_url.hpp"
#include "upstream/database_url.hpp"

using namespace dbguard;
using namespace dbguard::upstream;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)match_passfile(text, "h", "5432", "d", "u");
    const auto url = parse_database_url(text);
    if (!url) return 0;
    if (url->host.empty() || url->port == 0) std::abort();
    // What the wrapped command gets can be read again, whatever the URL was made of.
    for (const auto* host : {"127.0.0.1", "::1", "/tmp/x"}) {
        process::Target target;
        target.host = host;
        target.port = 4001;
        target.user = "s_1";
        target.password = "p@:/?#%";
        target.database = url->database;
        const auto again = parse_database_url(process::rewrite_url(text, target));
        if (text.starts_with("jdbc:") || url->engine != Engine::postgres) continue;
        if (!again || again->host != host || again->port != 4001 || again->user != "s_1" || again->password->reveal() != "p@:/?#%")
            std::abort();
    }
    (void)postgres_target(*url, {});
    return 0;
}
