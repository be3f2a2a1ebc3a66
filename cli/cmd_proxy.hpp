#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard proxy [flags]` (dbguard-proxy(1)): the listener alone, until a signal ends it. It runs while `app` parses.
void add_proxy_command(CLI::App& app, int& exit_code);

}  // namespace dbguard::cli
