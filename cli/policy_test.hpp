#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard policy test`: cases held against a policy and a catalogue fixture, without a database. Ends with 4 when a case
/// fails and with 2 when a file cannot be used (dbguard-policy(1)).
void add_policy_test_command(CLI::App& policy, int& exit_code);

}  // namespace dbguard::cli
