#pragma once

// What is asked of a server so that names can be resolved, and how its answers are read: one instance an engine
// (catalogue/postgres.hpp). Whoever holds the connection asks; this room only words the questions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "catalogue/snapshot.hpp"

namespace dbguard::catalogue {

/// An answer, as text.
using Rows = std::vector<std::vector<std::optional<std::string>>>;

/// What names mean to one session, and whether anything was written since.
struct State {
    Context context;
    std::string database_id;       ///< the server's own number of the database
    std::string next_transaction;  ///< unchanged: nothing was committed or begun to write since
    /// To be run right before and right behind the digest and the load, in one transaction with each, so that the server does not
    /// take long to make them fast; they leave the session as it was. Empty: it would not.
    std::string before_dear, after_dear;
};

struct Questions {
    /// One row.
    const std::string& (*state)();
    Result<State> (*read_state)(const Rows& rows);
    /// One row, one text: unchanged while the catalogue is (also for what this session's open transaction did).
    const std::string& (*digest)();
    Result<std::string> (*read_digest)(const Rows& rows);
    /// Everything. `context` is the one the definitions are printed under; `known` holds the functions of the first load of this
    /// database, and is filled by it.
    const std::string& (*load)();
    Result<SnapshotRef> (*read_load)(const Rows& rows, const Context& context, FunctionSources& known);
    /// The schema and name of the function of this number, in one row; no row: there is none.
    std::string (*function)(std::uint32_t id);
    /// How many rows the server expects `statement` to return or change; it is not run. The statement stands behind
    /// `estimate_prefix`, and its parameters are the question's.
    std::string (*estimate)(std::string_view statement);
    std::string_view estimate_prefix;
    Result<std::uint64_t> (*read_estimate)(const Rows& rows);
};

}  // namespace dbguard::catalogue
