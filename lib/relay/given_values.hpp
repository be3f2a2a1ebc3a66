#pragma once

// The literals and parameters of a statement that policy looks at each time they are given: those stored in a masked column,
// which must not be what the client was shown in place of the real value; and those compared with one, which are counted, for
// every comparison tells a little. Private to this room.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "masking/mask.hpp"
#include "policy/sensitivity.hpp"
#include "recording/lexer.hpp"
#include "relay/session.hpp"

namespace dbguard::relay {

struct WatchedValue {
    bool parameter = false;
    std::uint32_t index = 0;  ///< of the parameter, from 0; or of the literal in the text's order
    bool prepared = false;    ///< PREPARE carries it: it is given when that is executed
    double count = 1;         ///< so many literals, where they are not told apart
    std::string column;       ///< `public.customers.email`
    std::string rule;
    /// It is stored there; what the column shows. Empty: it is compared with it.
    std::optional<masking::Mask> stored;

    bool operator==(const WatchedValue&) const = default;
};

/// They hold for every text of the same shape.
std::vector<WatchedValue> watched_values(std::string_view text, const recording::Lexis& lexis, std::span<const PlannedStatement> statements, const policy::Sensitivity& sensitivity);

/// What is given this time.
struct GivenValues {
    bool executes = false;  ///< EXECUTE of a statement that was prepared by SQL: `parameters` are its arguments
    std::string_view text;
    recording::Lexis lexis;
    std::span<const std::optional<std::string_view>> parameters;  ///< empty where there are none, or they are too long to be held
    std::span<const std::int16_t> formats;                        ///< as in Bind
};

/// The refusal of a value that is one a mask made; empty: none is.
std::optional<Refusal> written_back(std::span<const WatchedValue> watched, const GivenValues& given);

/// How often each masked column may be compared with given values: so many at once, and then so many a second.
class EqualityBudget {
  public:
    using Clock = std::chrono::system_clock;
    static constexpr double burst = 10'000, per_second = 50;

    /// Takes what the statement compares. Empty: there was enough of each; otherwise nothing was taken, and this is why.
    std::optional<Refusal> take(std::span<const WatchedValue> watched, const GivenValues& given, Clock::time_point now);

  private:
    struct Left {
        double comparisons = burst;
        Clock::time_point at;
    };
    std::map<std::string, Left, std::less<>> left_;
};

}  // namespace dbguard::relay
