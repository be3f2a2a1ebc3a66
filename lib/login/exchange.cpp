#include "login/exchange.hpp"

#include <algorithm>

namespace dbguard::login {

using std::chrono::milliseconds;

Result<void> exchange(
    TokenSource& source,
    std::string_view audience,
    Clock& clock,
    Clock::Point deadline,
    const std::function<std::optional<ExchangeFailure>(const Secret& token)>& try_once,
    const ExchangeRules& rules
) {
    std::optional<MintedToken> minted;
    milliseconds pause = rules.first_pause;
    for (unsigned attempt = 1;; ++attempt, pause *= 2) {
        if (minted && clock.now() - minted->minted_at > rules.mint_again_after) minted.reset();
        if (!minted) {
            auto token = source.token(audience, deadline);
            if (!token) return token.error();
            minted = std::move(*token);
        }
        auto failure = try_once(minted->token);
        if (!failure) return {};
        if (!failure->again || attempt >= rules.tries) return std::move(failure->error);
        if (!failure->token_unused) minted.reset();

        const milliseconds jitter(
            static_cast<long>(static_cast<double>(pause.count()) * clock.random())
        );
        const milliseconds wait = std::max(failure->not_before, pause + jitter);
        if (clock.now() + wait >= deadline)
            return Error{login_error::deadline, failure->error.text()};
        clock.sleep(wait);
    }
}

}  // namespace dbguard::login
