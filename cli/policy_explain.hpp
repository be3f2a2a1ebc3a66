#pragma once

#include <string>

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard policy explain`: what a role's rules say of one text, down to effect, object and rule, without a database.
void add_policy_explain_command(CLI::App& policy, int& exit_code);

}  // namespace dbguard::cli
