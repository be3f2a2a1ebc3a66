#pragma once

// The client's end of broker/api.hpp: exchange a CI token for a session, keep it, hand over its recording, end it.
// Blocking, for a thread of the caller's; the only user of lib/net/http_client.hpp in this room besides keys.hpp.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.hpp"
#include "broker/api.hpp"
#include "net/http_client.hpp"

namespace dbguard::broker {

namespace errc {
/// No answer from the service: detail says connect, TLS, time-out and host. Trying again may help.
inline constexpr std::string_view service_unreachable = "service_unreachable";
/// The service answered with an ErrorReply: detail is `error: description (correlation id)`.
inline constexpr std::string_view service_refused = "service_refused";
/// The same, and the service says itself that trying again later may help.
inline constexpr std::string_view service_busy = "service_busy";
/// An answer that is none of this service's: a redirect, another status, not JSON.
inline constexpr std::string_view service_garbage = "service_garbage";
/// The session is over at the service: the run must end (exit code 123).
inline constexpr std::string_view session_over = "session_over";
}  // namespace errc

/// How to reach the service.
struct Endpoint {
    std::string url;      ///< `https://guard.example` with an optional path; no query
    std::string ca_file;  ///< PEM of the only roots to trust; empty: the system's
    std::string proxy;    ///< as in net::HttpClientOptions: net::proxy_from_environment() fills both
    std::string no_proxy;
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds timeout{15'000};  ///< for one try, all of it
};

/// What else is known of an exchange that failed; has what login::ExchangeFailure asks for.
struct FailedExchange {
    bool again = false;         ///< another try may succeed: no answer, 429, 5xx
    bool token_unused = false;  ///< nothing was sent, so the token may be used again
    std::chrono::seconds not_before{0};  ///< Retry-After
    int status = 0;             ///< of HTTP; 0: no answer
    ErrorReply reply;           ///< the service's words, when it was the service
};

/// One call each. No retries here: exchange() may have consumed the token, so the caller mints another first
/// (identity.md A1); renew, upload and end may be repeated as they are.
/// Errors: service_unreachable, service_refused, service_busy, service_garbage, session_over.
class Client {
  public:
    /// Copies share one HTTP client. `http` is for tests; empty: net::make_http_client().
    explicit Client(Endpoint endpoint, std::shared_ptr<net::HttpClient> http = nullptr);

    /// `failed`, when given, is filled in when the result is an error.
    Result<SessionGrant> exchange(const ExchangeRequest& request, FailedExchange* failed = nullptr) const;
    Result<RenewReply> renew(const SessionGrant& grant) const;
    /// Appends `bytes` at `offset`. On a wrong offset answers with the recording's true size instead: go on from there.
    Result<RecordingReply> upload(const SessionGrant& grant, std::uint64_t offset, std::string_view bytes) const;
    Result<void> end(const SessionGrant& grant, const EndRequest& request) const;

    /// The same client with at most this long for each call.
    Client within(std::chrono::milliseconds timeout) const;

  private:
    net::ClientRequest request(std::string_view path) const;
    net::ClientRequest request(const SessionGrant& grant, std::string_view path) const;

    Endpoint endpoint_;
    std::shared_ptr<net::HttpClient> http_;
};

/// Keeps a session while it lives: renews its lease and uploads its recording file from a thread of its own, and ends it.
class SessionKeeper {
  public:
    /// `recording_file` may be empty, and need not exist yet. `on_over` is called once, from the keeper's thread, when the
    /// service says that the session is over, or when no renewal got through for a whole lease; after it the credential is
    /// gone, so the run must end (exit code 123).
    SessionKeeper(
        Client client,
        SessionGrant grant,
        std::string recording_file,
        std::function<void(const Error& why)> on_over
    );
    /// Like finish("error", 2 s) when finish() was not called.
    ~SessionKeeper();
    SessionKeeper(const SessionKeeper&) = delete;
    SessionKeeper& operator=(const SessionKeeper&) = delete;

    const SessionGrant& grant() const { return grant_; }

    /// Uploads what is left of the recording, ends the session at the service, stops the thread. Call it after the recording
    /// was closed. Tries until `patience` is over; the lease ends the session in any case.
    /// Errors: of Client, for the recording's tail or the end (the session's database role may live until its lease ends).
    Result<void> finish(std::string_view reason, std::chrono::milliseconds patience);

  private:
    void run();
    /// Uploads what the file has beyond uploaded_. Errors: of Client; cannot_read.
    Result<void> upload_tail();

    Client client_;
    SessionGrant grant_;
    std::string recording_file_;
    std::function<void(const Error&)> on_over_;
    std::uint64_t uploaded_ = 0;
    int steps_back_ = 0;

    std::mutex mutex_;
    std::condition_variable wake_;
    bool stop_ = false;
    bool finished_ = false;
    std::thread thread_;
};

}  // namespace dbguard::broker
