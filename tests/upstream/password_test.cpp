#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/encoding.hpp"
#include "upstream/database_url.hpp"

namespace dbguard::upstream {
namespace {

std::string matched(
    std::string_view lines,
    std::string_view host,
    std::string_view port,
    std::string_view db,
    std::string_view user
) {
    const auto found = match_passfile(lines, host, port, db, user);
    return found ? found->reveal() : "-";
}

struct Folder {
    std::filesystem::path path;
    Folder() {
        std::string name =
            (std::filesystem::temp_directory_path() / "dbguard-password-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string write(const std::string& name, const std::string& text, mode_t mode) const {
        const auto file = (path / name).string();
        std::ofstream(file) << text;
        ::chmod(file.c_str(), mode);
        return file;
    }
};

FoundPassword find(const std::string& url, std::map<std::string, std::string> variables) {
    return find_password(
        parse_database_url(url).value(),
        [&](const char* name) -> std::optional<std::string> {
            const auto it = variables.find(name);
            if (it == variables.end()) return {};
            return it->second;
        }
    );
}

}  // namespace

TEST_CASE("passfile lines match as libpq's do") {
    CHECK(matched("h:5432:d:u:secret\n", "h", "5432", "d", "u") == "secret");
    CHECK(matched("h:5432:d:u:secret", "h", "5432", "d", "u") == "secret");
    CHECK(matched("h:5432:d:u:secret\r\n", "h", "5432", "d", "u") == "secret");
    CHECK(matched("*:*:*:u:secret", "h", "1", "d", "u") == "secret");
    CHECK(
        matched(
            "# h:5432:d:u:no\n\nx:5432:d:u:no\nh:5432:d:u:yes\nh:5432:d:u:late",
            "h",
            "5432",
            "d",
            "u"
        ) == "yes"
    );
    CHECK(matched("h:5432:d:u:a\\:b\\\\c", "h", "5432", "d", "u") == "a:b\\c");
    CHECK(matched("h:5432:d:u:a:b", "h", "5432", "d", "u") == "a:b");
    CHECK(matched("a\\:b:5432:d\\\\:u:x", "a:b", "5432", "d\\", "u") == "x");
    CHECK(matched("::1:5432:d:u:x", "::1", "5432", "d", "u") == "-");
    CHECK(matched("\\:\\:1:5432:d:u:x", "::1", "5432", "d", "u") == "x");
    CHECK(matched("h:5432:d:u", "h", "5432", "d", "u") == "-");
    CHECK(matched("h:5432:d:u:", "h", "5432", "d", "u") == "");
    CHECK(matched("h*:5432:d:u:x", "hh", "5432", "d", "u") == "-");
    CHECK(matched("hh:5432:d:u:x", "h", "5432", "d", "u") == "-");
    CHECK(matched("h:5432:d:u:x", "hh", "5432", "d", "u") == "-");
    CHECK(matched("", "h", "5432", "d", "u") == "-");
}

TEST_CASE("the URL's password goes before the variable, the variable before the file") {
    const Folder folder;
    const auto file = folder.write("pass", "h:5432:d:u:from file\n", 0600);
    const auto from_url =
        find("postgresql://u:mine@h/d", {{"PGPASSWORD", "yours"}, {"PGPASSFILE", file}});
    CHECK(from_url.password->reveal() == "mine");
    CHECK(from_url.source == "the URL");
    const auto from_variable =
        find("postgresql://u@h/d", {{"PGPASSWORD", "yours"}, {"PGPASSFILE", file}});
    CHECK(from_variable.password->reveal() == "yours");
    CHECK(from_variable.source == "PGPASSWORD");
    const auto from_file = find("postgresql://u@h/d", {{"PGPASSFILE", file}});
    CHECK(from_file.password->reveal() == "from file");
    CHECK(from_file.source == file);
    CHECK(find("postgresql://u@h/d?passfile=" + percent_encode(file), {}).password->reveal() == "from file");
    CHECK(
        find("mysql://u@h/d", {{"PGPASSWORD", "no"}, {"MYSQL_PWD", "yes"}}).password->reveal() ==
        "yes"
    );
    CHECK_FALSE(
        find("mysql://u@h/d", {{"PGPASSWORD", "no"}, {"PGPASSFILE", file}}).password.has_value()
    );
    CHECK_FALSE(find("postgresql://other@h/d", {{"PGPASSFILE", file}}).password.has_value());
}

TEST_CASE("the file in the user's folder is found; what it lacks is no warning") {
    const Folder folder;
    CHECK(find("postgresql://u@h/d", {{"HOME", folder.path}}).warnings.empty());
    folder.write(".pgpass", "localhost:*:*:*:local\n*:5432:d:u:there\n", 0600);
    CHECK(find("postgresql://u@h/d", {{"HOME", folder.path}}).password->reveal() == "there");
    CHECK(find("postgresql://u@%2Ftmp:1/d", {{"HOME", folder.path}}).password->reveal() == "local");
    CHECK_FALSE(
        find("postgresql://u@%2Felsewhere:1/d", {{"HOME", folder.path}}).password.has_value()
    );
    CHECK(
        find("postgresql://h/d", {{"HOME", folder.path}, {"PGUSER", "u"}}).password->reveal() ==
        "there"
    );
}

TEST_CASE("a passfile that others can read, or that is none, is ignored with a warning") {
    const Folder folder;
    for (const mode_t mode : {0640, 0604, 0660, 0644}) {
        const auto file = folder.write("pass", "*:*:*:*:secret\n", mode);
        const auto found = find("postgresql://u@h/d", {{"PGPASSFILE", file}});
        CHECK_FALSE(found.password.has_value());
        REQUIRE(found.warnings.size() == 1);
        CHECK(found.warnings[0].find("can be read by others") != std::string::npos);
    }
    CHECK(
        find("postgresql://u@h/d", {{"PGPASSFILE", folder.path}})
            .warnings[0]
            .find("not a plain file") != std::string::npos
    );
    CHECK(
        find("postgresql://u@h/d", {{"PGPASSFILE", folder.path / "no"}})
            .warnings[0]
            .find("does not exist") != std::string::npos
    );
}

}  // namespace dbguard::upstream
