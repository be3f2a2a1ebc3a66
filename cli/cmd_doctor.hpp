#pragma once

namespace CLI {
class App;
}

namespace dbguard::cli {

/// `dbguard doctor` (dbguard-doctor(1)): what works here, what is missing, what to do. Exit code 1 when
/// something fails.
void add_doctor_command(CLI::App& app, int& exit_code);

}  // namespace dbguard::cli
