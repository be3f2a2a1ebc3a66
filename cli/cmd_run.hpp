#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard run [flags] -- COMMAND…` (dbguard-run(1)): a session around one command. It runs while `app`
/// parses, and may not return: when the command was killed by a signal, so is dbguard.
void add_run_command(CLI::App& app, int& exit_code);

}  // namespace dbguard::cli
