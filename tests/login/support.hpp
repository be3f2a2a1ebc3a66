#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/encoding.hpp"
#include "login/environment.hpp"
#include "net/http_client.hpp"

namespace dbguard::test {

/// Time that passes only by sleeping.
class FakeClock final : public login::Clock {
  public:
    Point now() override { return now_; }
    std::chrono::sys_seconds wall_clock() override {
        return std::chrono::sys_seconds(std::chrono::seconds(1'780'000'000));
    }
    void sleep(std::chrono::milliseconds duration) override {
        sleeps.push_back(duration.count());
        now_ += duration;
    }
    double random() override { return jitter; }
    void pass(std::chrono::milliseconds duration) { now_ += duration; }

    std::vector<long> sleeps;  ///< ms
    double jitter = 0;

  private:
    Point now_{std::chrono::hours(1)};
};

using Variables = std::map<std::string, std::string, std::less<>>;

inline login::Environment environment_of(Variables variables) {
    return [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return {};
        return found->second;
    };
}

/// A token as a static source would hold it; its signature is none.
inline std::string unsigned_token(std::string_view claims) {
    return base64url(R"({"alg":"RS256","kid":"k"})") + "." + base64url(claims) + "." +
           base64url("signature");
}

inline net::ScriptedHttpClient::Step answers(
    int status,
    std::string body,
    std::string type = "application/json",
    std::vector<net::ClientHeader> headers = {}
) {
    headers.insert(headers.begin(), {"Content-Type", type});
    return [=](const net::ClientRequest&) -> Result<net::ClientResponse> {
        return net::ClientResponse{.status = status, .headers = headers, .body = body};
    };
}

inline net::ScriptedHttpClient::Step fails(std::string_view code) {
    return [=](const net::ClientRequest&) -> Result<net::ClientResponse> {
        return Error{code, "h.example"};
    };
}

}  // namespace dbguard::test
