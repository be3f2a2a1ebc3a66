#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard whoami` (dbguard-whoami(1)): which platform this is and what its token says, without believing it.
void add_whoami_command(CLI::App& app, int& exit_code);

}  // namespace dbguard::cli
