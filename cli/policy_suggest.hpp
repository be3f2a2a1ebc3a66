#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard policy suggest`: a draft of the smallest policy that allows what was recorded as done (dbguard-policy(1)).
void add_policy_suggest_command(CLI::App& policy, int& exit_code);

}  // namespace dbguard::cli
