#pragma once

// Standalone mode: the guard without a policy service. `run` and `proxy` take the same options, and both get a Guard that serves
// as soon as it is there.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "cli/guard.hpp"

namespace CLI {
class App;
}

namespace dbguard::policy {
struct Policy;
}
namespace dbguard::upstream {
class PostgresConnector;
}

namespace dbguard::cli {

namespace errc {
inline constexpr std::string_view bad_option = "bad_option";
inline constexpr std::string_view bad_policy = "bad_policy";  ///< detail: the first problem; all of them were told
inline constexpr std::string_view unknown_role = "unknown_role";
}  // namespace errc

struct StandaloneOptions {
    std::string db_url;         ///< --db-url; empty: DBGUARD_DB_URL
    std::string policy;         ///< --policy, a file
    std::string role;           ///< --role
    std::string listen = "127.0.0.1:0";
    bool allow_remote = false;
    std::string record_dir;     ///< empty: nothing is recorded
    std::string mask_key_file;  ///< empty: a random key for each session

    /// Whether any of the flags that only standalone mode has was given.
    bool given() const { return !db_url.empty() || !policy.empty(); }
};

/// Adds --db-url, --policy, --role, --listen, --allow-remote, --record-dir and --mask-key-file.
void add_standalone_options(CLI::App& command, StandaloneOptions& options);

/// Reads URL, policy and key, opens the recording and listens. Decisions become lines of output(). The server is contacted when a
/// client comes. Errors: bad_option, bad_policy, unknown_role, and those of the rooms it asks; the detail is for people.
Result<std::unique_ptr<Guard>> start_standalone(const StandaloneOptions& options);

/// What a guard is made of, however it came about.
struct GuardParts {
    std::shared_ptr<const policy::Policy> policy;
    std::string role;
    std::string session;   ///< `s_…`
    std::string database;  ///< as clients, recording and people call it
    std::shared_ptr<upstream::PostgresConnector> server;
    std::string upstream_name;  ///< for the recording: HOST:PORT
    Secret mask_key;            ///< empty: a random one
    std::string listen = "127.0.0.1:0";
    bool allow_remote = false;
    std::string record_dir;     ///< empty: nothing is recorded
    /// Verified claims of whoever runs this, for the recording; none in standalone mode.
    std::vector<std::pair<std::string, std::string>> who{};
};
/// Errors: as above.
Result<std::unique_ptr<Guard>> start_guard(GuardParts parts);

}  // namespace dbguard::cli
