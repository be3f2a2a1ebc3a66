#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard policy lint|test|explain|diff|suggest|schema` (dbguard-policy(1)). `lint` ends with 2 when there is an error and with 3 when
/// there is a warning and --strict is given.
void add_policy_command(CLI::App& app, int& exit_code);

}  // namespace dbguard::cli
