#pragma once

// Cases in files: what they are read with, and the catalogue they are read under.

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "sql/postgres/analyze_text.hpp"
#include "sql/postgres/ddl_catalogue.hpp"
#include "sql/print.hpp"

namespace dbguard::sql::postgres::cases {

inline const std::string directory = DBGUARD_SOURCE_DIR "/tests/sql/postgres/cases/";

inline std::string read(const std::string& file) {
    std::ifstream in(directory + file, std::ios::binary);
    REQUIRE_MESSAGE(in.good(), file);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
}

inline catalogue::SnapshotRef catalogue_of(const std::string& ddl) {
    const auto made = catalogue_of_ddl(ddl);
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().text()));
    return *made;
}

inline const catalogue::Snapshot& shop() {
    static const catalogue::SnapshotRef made = catalogue_of(read("shop.sql"));
    return *made;
}

inline Analysis analyze(const std::string& sql, const catalogue::Snapshot& snapshot = shop()) {
    const catalogue::Context context = fixture_context();
    return analyze_text(sql, {&snapshot, &context});
}

}  // namespace dbguard::sql::postgres::cases
