#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard replay`: dbguard-replay(1).
void add_replay_command(CLI::App& app, int& exit_code);

}  // namespace dbguard::cli
