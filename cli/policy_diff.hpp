#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard policy diff`: recorded statements decided under two policies, and what changes (dbguard-policy(1)).
void add_policy_diff_command(CLI::App& policy, int& exit_code);

}  // namespace dbguard::cli
