#pragma once

// The real Session, and what the sessions of one role on one database share: compiled rules, catalogue snapshots, plans by
// text, the recording, limits. No I/O, no clock, one thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "policy/policy.hpp"
#include "recording/writer.hpp"
#include "relay/language.hpp"
#include "relay/session.hpp"

namespace dbguard::relay {

/// A decision as people are told of it. Nothing of it holds a secret or the value of a masked column: the text is what the
/// recording would have of it, cut, on one line. Borrowed for the call.
struct Told {
    policy::Verdict verdict = policy::Verdict::deny;
    std::string_view rule;     ///< empty: no rule opens it
    std::string_view reason;
    std::string_view fix;
    std::string_view text;
};
/// `deny tester#4: reason | text`
std::string line(const Told& told);

struct EngineOptions {
    const Language* language = nullptr;             ///< of the database; must be given
    std::shared_ptr<const policy::Policy> policy;
    std::string role;                               ///< must be one of the policy's
    std::string session;                            ///< `s_8Q2M`
    Secret mask_key;                                ///< for the mask `hash`; empty: a random one. Another, made of it, digests recorded texts
    std::shared_ptr<recording::Writer> recording;   ///< null: nothing is recorded
    /// Each refusal and warning, and with `report_all` each statement.
    std::function<void(const Told&)> decided;
    bool report_all = false;
    /// Bytes of plans kept for what names mean now; all of them go when it is reached.
    std::size_t plan_cache_bytes = std::size_t{32} << 20;
    /// Bytes of catalogues, with the plans made under each, that are kept for sessions to come: the latest ones, at least one. What
    /// a session uses it has anyway.
    std::size_t catalogue_cache_bytes = std::size_t{64} << 20;
};

/// What became of the session, for exit codes and summaries.
struct Statistics {
    std::uint64_t statements = 0;
    std::uint64_t denied = 0;
    std::uint64_t warned = 0;
    std::uint64_t failed = 0;
    std::uint64_t rows = 0;
    std::uint64_t masked_results = 0;   ///< results with at least one masked column
    bool record_failed = false;
};

class Engine {
  public:
    virtual ~Engine() = default;
    /// The engine of one client connection. The Engine must outlive it.
    virtual std::unique_ptr<Session> session() = 0;
    virtual const Statistics& statistics() const = 0;
    /// Ends the recording. `why` as in Session::end().
    virtual void close(std::string_view why, Session::Clock::time_point now) = 0;
};

/// Throws std::invalid_argument when the role is not in the policy, or no language is given.
std::unique_ptr<Engine> make_engine(EngineOptions options);

}  // namespace dbguard::relay
