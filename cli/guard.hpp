#pragma once

// What `run` and `proxy` need of the guard engine: one listener with its own password, relaying for whoever
// logs in there, in the caller's event loop. How it came about (a policy file, or a session of the service) is
// not their business.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/event_loop.hpp"
#include "process/database_url.hpp"

namespace dbguard::cli {

/// A refused statement, for the summary: without values.
struct DenialNote {
    std::string rule;
    std::string reason;
    std::string fix;
    std::uint64_t times = 1;
};

/// What a session has done.
struct GuardStatistics {
    std::uint64_t connections = 0;
    std::uint64_t statements = 0;
    std::uint64_t denied =
        0;  ///< refused by policy or a limit; approvals that were not given count
    std::uint64_t warned = 0;
    std::uint64_t masked_results = 0;  ///< results with at least one masked column
    std::uint64_t rows = 0;
    std::vector<DenialNote> denials;  ///< the first 50 distinct ones
    std::string recording;            ///< path; empty: none
};

class Guard {
  public:
    virtual ~Guard() = default;

    /// Ready when the guard exists: address, user, password and database of the listener, and the session's id.
    virtual const process::Target& target() const = 0;
    /// The loop its sockets are in. The caller runs it.
    virtual net::EventLoop& loop() = 0;
    /// Not empty: the session must end (the recording cannot be written, it was revoked): the reason, for
    /// people. The guard has stopped serving then.
    virtual std::string failure() const = 0;
    virtual GuardStatistics statistics() const = 0;
    /// Stops accepting, says goodbye to clients and server (Terminate: the server rolls back), closes the
    /// recording. `reason` is one word, as in the recording's `end`. Errors: the recording could not be closed.
    virtual Result<void> stop(std::string_view reason) = 0;
};

}  // namespace dbguard::cli
