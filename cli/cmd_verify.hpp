#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard verify`: dbguard-verify(1).
void add_verify_command(CLI::App& app, int& exit_code);

}  // namespace dbguard::cli
