#pragma once

// PostgreSQL as a Language whose questions about names come to know a schema of the test's, whatever the server answers.

#include <string>

#include "catalogue/postgres.hpp"
#include "relay/postgres/language.hpp"
#include "sql/postgres/ddl_catalogue.hpp"

namespace dbguard::relay::postgres {

/// What the questions come to know. They are plain functions, so it is one for the process.
inline catalogue::SnapshotRef& fixture_schema() {
    static catalogue::SnapshotRef schema;
    return schema;
}

inline const Language& fixture_language() {
    static const catalogue::Questions questions = [] {
        catalogue::Questions out = catalogue::postgres::questions();
        out.read_state = [](const catalogue::Rows&) -> Result<catalogue::State> {
            catalogue::State state;
            state.context = sql::postgres::fixture_context();
            state.database_id = "1";
            state.next_transaction = "1";
            return state;
        };
        out.read_digest = [](const catalogue::Rows&) -> Result<std::string> { return std::string("1"); };
        out.read_load = [](const catalogue::Rows&, const catalogue::Context&, catalogue::FunctionSources&) -> Result<catalogue::SnapshotRef> { return fixture_schema(); };
        return out;
    }();
    static const Language fixture = [] {
        Language out = language();
        out.questions = []() -> const catalogue::Questions& { return questions; };
        return out;
    }();
    return fixture;
}

}  // namespace dbguard::relay::postgres
