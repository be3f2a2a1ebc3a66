#pragma once

// The issuers' keys while the service runs: fetched through discovery, cached by identity::KeyCache, one fetch at a time for each
// issuer; or static, from a file. verify() is the only way in.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "broker/config.hpp"
#include "identity/discovery.hpp"
#include "identity/verify.hpp"
#include "net/http_client.hpp"

namespace dbguard::broker {

namespace errc {
/// The issuer's keys cannot be had now; detail: why. Trying again may help.
inline constexpr std::string_view keys_unavailable = "keys_unavailable";
}  // namespace errc

/// Makes the client for one issuer; tests give a scripted one.
using HttpClientFactory = std::function<std::unique_ptr<net::HttpClient>(const Issuer& issuer)>;
/// HTTPS only, the system's or the issuer's own roots, private addresses blocked except the hosts the file allows.
HttpClientFactory default_http_clients();

class IssuerKeys {
  public:
    /// `report` gets one line for each fetch that failed and each key that was ignored; called from several threads.
    /// Errors: of identity::parse_jwks, for static keys.
    /// Keys that `before` (may be null) has fetched for an issuer that is configured as it was are taken over: a changed file must
    /// not depend on every issuer being reachable.
    static Result<std::unique_ptr<IssuerKeys>> make(
        std::vector<Issuer> issuers,
        const HttpClientFactory& clients,
        std::function<void(std::string_view issuer, std::string_view line)> report,
        const IssuerKeys* before = nullptr
    );
    ~IssuerKeys();
    IssuerKeys(const IssuerKeys&) = delete;
    IssuerKeys& operator=(const IssuerKeys&) = delete;

    struct Verified {
        identity::Identity identity;
        const identity::IssuerConfig* issuer = nullptr;  ///< borrowed from this object
    };
    /// Every check of identity::verify(), with this issuer's keys. An issuer that is not configured is refused before any
    /// network traffic; keys are fetched at most as often as KeyCachePolicy says, and the call waits for them.
    /// Errors: jwt_error, verify_error, keys_unavailable.
    Result<Verified> verify(std::string_view token, const std::function<identity::Time()>& now);
    /// Fetches every issuer's keys that are not there yet, in parallel with nothing: for start-up, so that the first job does
    /// not wait. Failures are reported and not fatal.
    void warm(const std::function<identity::Time()>& now);

  private:
    struct Source;
    IssuerKeys() = default;

    static Result<identity::Identity> verify_with(
        Source& source, const identity::UnverifiedJwt& jwt, const std::function<identity::Time()>& now
    );

    std::vector<identity::IssuerConfig> rules_;
    std::vector<std::shared_ptr<Source>> sources_;  ///< one for each of rules_, in the same order; shared with what came before
};

}  // namespace dbguard::broker
