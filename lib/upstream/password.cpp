// Where passwords come from. Source: PostgreSQL manual, "The Password File"; src/interfaces/libpq/fe-connect.c,
// passwordFromFile().

#include <sys/stat.h>

#include "base/file.hpp"
#include "upstream/database_url.hpp"

namespace dbguard::upstream {
namespace {

constexpr std::size_t max_passfile_bytes = 1024 * 1024;

/// Takes one field and its colon from `line`: whether it is `*` or equal to `text`. Empty: the line has no such field.
std::optional<bool> take_field(std::string_view& line, std::string_view text) {
    if (line.starts_with("*:")) {
        line.remove_prefix(2);
        return true;
    }
    std::string field;
    std::size_t at = 0;
    for (; at < line.size() && line[at] != ':'; ++at) {
        if (line[at] == '\\' && at + 1 < line.size()) ++at;
        field.push_back(line[at]);
    }
    if (at >= line.size()) return {};
    line.remove_prefix(at + 1);
    return field == text;
}

Secret unescape(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        out.push_back(text[at]);
    }
    return Secret(std::move(out));
}

void search_passfile(
    const std::string& path,
    const DatabaseUrl& url,
    const Environment& environment,
    bool named,
    FoundPassword& found
) {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) {
        if (named) found.warnings.push_back("password file " + path + " does not exist");
        return;
    }
    if (!S_ISREG(status.st_mode)) {
        found.warnings.push_back("password file " + path + " is not a plain file and is ignored");
        return;
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        found.warnings.push_back(
            "password file " + path +
            " can be read by others and is ignored; its mode should be 0600"
        );
        return;
    }
    const auto text = read_file(path, max_passfile_bytes);
    if (!text) {
        found.warnings.push_back("password file " + text.error().detail);
        return;
    }
    const auto user = !url.user.empty() ? url.user : environment("PGUSER").value_or("");
    auto database = !url.database.empty() ? url.database : environment("PGDATABASE").value_or("");
    if (database.empty()) database = user;
    const auto port = std::to_string(url.port);
    found.password = match_passfile(*text, url.host, port, database, user);
    // The directory that is libpq's default is called localhost in passfiles.
    if (!found.password && (url.host == "/var/run/postgresql" || url.host == "/tmp"))
        found.password = match_passfile(*text, "localhost", port, database, user);
    if (found.password) found.source = path;
}

}  // namespace

std::optional<Secret> match_passfile(
    std::string_view lines,
    std::string_view host,
    std::string_view port,
    std::string_view database,
    std::string_view user
) {
    while (!lines.empty()) {
        const auto end = lines.find('\n');
        auto line = lines.substr(0, end);
        lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
        while (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty() || line.starts_with('#')) continue;
        bool matches = true;
        for (const auto text : {host, port, database, user}) {
            const auto field = take_field(line, text);
            matches = field.value_or(false);
            if (!matches) break;
        }
        if (matches) return unescape(line);
    }
    return {};
}

FoundPassword find_password(const DatabaseUrl& url, const Environment& environment) {
    FoundPassword found;
    if (url.password && !url.password->empty()) {
        found.password = url.password;
        found.source = "the URL";
        return found;
    }
    if (!environment) return found;
    const char* variable = url.engine == Engine::postgres ? "PGPASSWORD" : "MYSQL_PWD";
    if (auto value = environment(variable); value && !value->empty()) {
        found.password = Secret(std::move(*value));
        found.source = variable;
        return found;
    }
    if (url.engine != Engine::postgres) return found;
    if (const auto path = url.parameter("passfile"); path && !path->empty()) {
        search_passfile(std::string(*path), url, environment, true, found);
    } else if (const auto named = environment("PGPASSFILE"); named && !named->empty()) {
        search_passfile(*named, url, environment, true, found);
    } else if (const auto home = environment("HOME"); home && !home->empty()) {
        search_passfile(*home + "/.pgpass", url, environment, false, found);
    }
    return found;
}

}  // namespace dbguard::upstream
