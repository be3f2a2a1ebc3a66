// The files cases/*.txt: SQL and what is known of it. A file is sections:
//
//   [fixture]            DDL added to shop.sql for the cases that follow
//   …
//   [what this shows]    SQL, a line of ----, the printout
//
// DBGUARD_REWRITE_CASES=1 writes what comes out into the files; then read the difference.

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "tests/sql/postgres/cases.hpp"

using namespace dbguard;
using namespace dbguard::sql;
using namespace dbguard::sql::postgres;

namespace {

struct Section {
    std::string name, sql, expected;
};

std::vector<Section> sections_of(const std::string& text) {
    std::vector<Section> out;
    bool in_output = false;
    for (const std::string& line : cases::lines_of(text)) {
        if (line.size() > 2 && line.front() == '[' && line.back() == ']') {
            out.push_back({line.substr(1, line.size() - 2), "", ""});
            in_output = false;
        } else if (out.empty()) {
            continue;
        } else if (line == "----") {
            in_output = true;
        } else if (in_output) {
            if (!line.empty()) out.back().expected += line + "\n";
        } else if (!line.empty()) {
            out.back().sql += (out.back().sql.empty() ? "" : "\n") + line;
        }
    }
    return out;
}

std::vector<std::string> case_files() {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(cases::directory))
        if (entry.path().extension() == ".txt") out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

TEST_CASE("statements are what the case files say") {
    const bool rewrite = std::getenv("DBGUARD_REWRITE_CASES") != nullptr;
    const auto files = case_files();
    REQUIRE(files.size() >= 5);
    for (const std::string& file : files) {
        std::string ddl = cases::read("shop.sql");
        auto snapshot = cases::catalogue_of(ddl);
        std::string rewritten;
        for (const Section& section : sections_of(cases::read(file))) {
            if (!rewritten.empty()) rewritten += "\n";
            rewritten += "[" + section.name + "]\n" + section.sql + "\n";
            if (section.name == "fixture") {
                snapshot = cases::catalogue_of(ddl + section.sql);
                continue;
            }
            const std::string got = print(cases::analyze(section.sql, *snapshot), snapshot.get());
            rewritten += "----\n" + got;
            if (rewrite) continue;
            CHECK_MESSAGE(got == section.expected, file << " [" << section.name << "]\n" << section.sql << "\n---- expected\n" << section.expected << "---- got\n" << got);
        }
        if (rewrite) std::ofstream(cases::directory + file, std::ios::binary) << rewritten;
    }
}
