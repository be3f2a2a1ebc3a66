#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard sessions`: dbguard-sessions(1).
void add_sessions_command(CLI::App& app, int& exit_code);

}  // namespace dbguard::cli
