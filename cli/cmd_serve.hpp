#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard serve`: the policy service (dbguard-serve(1)). The command, when chosen, runs while `app` parses and leaves the
/// program's exit code in `exit_code`: 0 after a clean stop, 64 for wrong usage, 78 for a configuration that is refused,
/// 69 when it cannot listen or reach what it needs.
void add_serve_command(CLI::App& app, int& exit_code);

}  // namespace dbguard::cli
