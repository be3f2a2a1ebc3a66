#pragma once

#include <functional>
#include <optional>

#include "login/token_source.hpp"

namespace dbguard::login {

/// What one try at the service came to.
struct ExchangeFailure {
    Error error;
    bool again = false;                   ///< another try may succeed: no answer, 429, 5xx
    bool token_unused = false;            ///< it surely never reached the service: nothing was sent
    std::chrono::milliseconds not_before{0};  ///< Retry-After, when the service said so
};

struct ExchangeRules {
    unsigned tries = 4;
    std::chrono::milliseconds first_pause{500};  ///< doubled each time, with jitter
    std::chrono::seconds mint_again_after{60};   ///< GitHub's tokens die after 300 s; a try may take long
};

/// Gets a token and hands it to `try_once` until that succeeds (empty), fails for good, the tries are used up or the
/// deadline passes. The source is asked again before a try whose token would be older than `mint_again_after`, or may
/// have been counted as used by the service: a source that mints then gives a fresh one.
/// `try_once` is called on this thread. Errors: login_error; of try_once (also when the tries are used up).
Result<void> exchange(
    TokenSource& source, std::string_view audience, Clock& clock, Clock::Point deadline,
    const std::function<std::optional<ExchangeFailure>(const Secret& token)>& try_once,
    const ExchangeRules& rules = {}
);

}  // namespace dbguard::login
