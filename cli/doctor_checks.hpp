#pragma once

// What `dbguard doctor` looks at. Each check looks and reports; nothing is changed, no token is minted, and of
// variables only names are told.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "upstream/postgres_connection.hpp"

namespace dbguard::cli {

enum class CheckState : std::uint8_t {
    ok,
    note,  ///< worth knowing
    warn,  ///< works, but something is weaker or will surprise
    fail,  ///< does not work
};

std::string_view name(CheckState state);

struct Check {
    std::string
        group;  ///< `ci`, `environment`, `service`, `policy`, `database`, `lock`, `recording`, `system`
    std::string name;
    CheckState state = CheckState::ok;
    std::string text;
    std::string fix;  ///< what to do; may be empty
};
using Checks = std::vector<Check>;

/// The platform, and whether it gives this job an identity token.
Checks check_ci();
/// Variables that dbguard overwrites, removes or is steered by.
Checks check_environment();
/// GET /healthz of a policy service, its certificate and its clock. `ca_file` may be empty.
Checks check_service(
    const std::string& url, const std::string& ca_file, std::chrono::milliseconds timeout
);
/// The policy file loads, and has the role (when one is named).
Checks check_policy(const std::string& file, const std::string& role);
/// A login at the database, and who that is there. The password comes from where `run` takes it. `connection` gets what was
/// opened, for further questions.
Checks check_database(
    const std::string& url,
    std::chrono::milliseconds timeout,
    std::optional<upstream::PostgresConnection>& connection
);
/// Who is logged in where.
Checks describe_login(upstream::PostgresConnection& connection, const upstream::PostgresTarget& target, upstream::Deadline deadline);
/// A file can be made, flushed and removed there; how much space there is.
Checks check_record_dir(const std::string& folder);
/// What the kernel and this user's rights mean for keeping the command away from dbguard.
Checks check_system();

}  // namespace dbguard::cli
