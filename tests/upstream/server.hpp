#pragma once

// A real PostgreSQL server for tests (../shared/servers/postgres.sh), or nothing where that folder is absent.

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "upstream/postgres_connection.hpp"

namespace dbguard::upstream::test {

struct TestServer {
    std::string host, port, user, password, ca;

    std::string tls_file(const std::string& name) const {
        return (std::filesystem::path(ca).parent_path() / name).string();
    }
    /// Of one of the users named zoo_…; `parameters` begins with `?` or is empty.
    std::string url(
        const std::string& who, const std::string& parameters = "", const std::string& at = ""
    ) const {
        return "postgresql://" + who + "@" + (at.empty() ? host : at) + ":" + port + "/postgres" +
               parameters;
    }
    std::string admin_url() const { return url(user + ":" + password); }
};

/// Starts it when it is down. Says why when there is none, so that a skipped test shows.
inline const std::optional<TestServer>& test_server() {
    static const std::optional<TestServer> server = []() -> std::optional<TestServer> {
        const auto script =
            std::filesystem::path(DBGUARD_SOURCE_DIR).parent_path() / "shared/servers/postgres.sh";
        if (!std::filesystem::exists(script)) return {};
        const auto command = "'" + script.string() + "' up >/dev/null 2>&1 && '" + script.string() +
                             "' dsn --env 2>/dev/null";
        std::string out;
        FILE* pipe = ::popen(command.c_str(), "r");
        if (pipe == nullptr) return {};
        char buffer[1024];
        for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
            out.append(buffer, n);
        if (::pclose(pipe) != 0) return {};
        std::map<std::string, std::string> found;
        std::istringstream lines(out);
        for (std::string line; std::getline(lines, line);)
            if (const auto equals = line.find('='); equals != std::string::npos)
                found[line.substr(0, equals)] = line.substr(equals + 1);
        return TestServer{
            found["DB_HOST"],
            found["DB_PORT"],
            found["DB_USER"],
            found["DB_PASSWORD"],
            found["DB_CA"]};
    }();
    return server;
}

/// `const auto* server = …; if (!server) return;`
inline const TestServer* server_or_skip() {
    if (test_server()) return &*test_server();
    MESSAGE("skipped: no PostgreSQL server from ../shared/servers");
    return nullptr;
}

inline Environment no_environment() {
    return [](const char*) { return std::optional<std::string>(); };
}
inline Environment environment(std::map<std::string, std::string> variables) {
    return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return {};
        return found->second;
    };
}

inline Deadline in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}
inline Deadline soon() { return in(std::chrono::seconds(20)); }

}  // namespace dbguard::upstream::test
