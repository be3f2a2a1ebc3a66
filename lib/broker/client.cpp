#include "broker/client.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/file.hpp"
#include "base/unique_fd.hpp"

namespace dbguard::broker {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

namespace {

/// A grant carries a policy file of up to 1 MiB, each byte of which JSON may spell with six.
constexpr std::size_t max_reply_bytes = 8 << 20;
/// Between tries of what failed for no reason of the service's own.
constexpr milliseconds retry_pause{1'000};
/// For one call of the keeper's own thread: finish() waits for it.
constexpr milliseconds keeper_patience{5'000};

Error unreachable(const Error& error) { return Error{errc::service_unreachable, error.text()}; }

/// The service's own words, or what came back instead of it.
Error refusal(const net::ClientResponse& response, const std::string& url, ErrorReply* words) {
    if (response.content_type() == "application/json") {
        if (auto reply = parse_error_reply(response.body)) {
            if (words) *words = *reply;
            const auto& correlation = reply->correlation_id;
            const std::string text = reply->error + ": " + reply->error_description + (correlation.empty() ? "" : " (" + correlation + ")");
            const bool over = reply->error == error_name::session_over || reply->error == error_name::invalid_token;
            const bool busy = reply->error == error_name::temporarily_unavailable;
            return Error{over ? errc::session_over : busy ? errc::service_busy : errc::service_refused, text};
        }
    }
    if (const auto good = net::expect(response, url, "application/json"); !good) return Error{errc::service_garbage, good.error().text()};
    return Error{errc::service_garbage, net::host_of(url) + " answered with what this service does not say"};
}

template <class Reply>
Result<Reply> read_reply(const net::ClientResponse& response, const std::string& url, Result<Reply> (*parse)(std::string_view)) {
    if (response.status != 200 || response.content_type() != "application/json") return refusal(response, url, nullptr);
    auto reply = parse(response.body);
    if (!reply) return Error{errc::service_garbage, net::host_of(url) + ": " + reply.error().text()};
    return reply;
}

}  // namespace

Client::Client(Endpoint endpoint, std::shared_ptr<net::HttpClient> http) : endpoint_(std::move(endpoint)), http_(std::move(http)) {
    while (endpoint_.url.ends_with('/')) endpoint_.url.pop_back();
    if (http_) return;
    net::HttpClientOptions options;
    options.ca_file = endpoint_.ca_file;
    options.proxy = endpoint_.proxy;
    options.no_proxy = endpoint_.no_proxy;
    http_ = net::make_http_client(std::move(options));
}

net::ClientRequest Client::request(std::string_view path) const {
    net::ClientRequest request;
    request.method = "POST";
    request.url = endpoint_.url + std::string(path);
    request.connect_timeout = endpoint_.connect_timeout;
    request.total_timeout = endpoint_.timeout;
    request.max_body_bytes = max_reply_bytes;
    return request;
}

net::ClientRequest Client::request(const SessionGrant& grant, std::string_view path) const {
    auto made = request("/v1/sessions/" + grant.session + std::string(path));
    made.headers = {{"Authorization", "Bearer " + grant.access_token.reveal()}};
    return made;
}

Result<SessionGrant> Client::exchange(const ExchangeRequest& asked, FailedExchange* failed) const {
    FailedExchange unused;
    FailedExchange& failure = failed ? *failed : unused;
    failure = {};
    auto post = request("/v1/token");
    post.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
    post.body = form(asked);
    const auto response = http_->send(post);
    OPENSSL_cleanse(post.body.data(), post.body.size());
    if (!response) {
        using namespace net::http_error;
        const auto code = response.error().code;
        failure.token_unused = code == certificate || code == tls || code == bad_url || code == bad_option || code == blocked_address || code == proxy;
        failure.again = code == net::http_error::unreachable || code == timeout || code == garbage || code == proxy;
        return broker::unreachable(response.error());
    }
    auto grant = read_reply<SessionGrant>(*response, post.url, parse_session_grant);
    if (grant) return grant;
    failure.status = response->status;
    failure.again = response->status == 429 || response->status >= 500;
    const auto wait = response->header("retry-after");
    int wait_s = 0;
    if (std::from_chars(wait.data(), wait.data() + wait.size(), wait_s).ec == std::errc() && wait_s > 0)
        failure.not_before = std::chrono::seconds(std::min(wait_s, 3600));
    if (response->status == 200) return grant.error();
    return refusal(*response, post.url, &failure.reply);
}

Result<RenewReply> Client::renew(const SessionGrant& grant) const {
    const auto post = request(grant, "/renew");
    const auto response = http_->send(post);
    if (!response) return unreachable(response.error());
    return read_reply<RenewReply>(*response, post.url, parse_renew_reply);
}

Result<RecordingReply> Client::upload(const SessionGrant& grant, std::uint64_t offset, std::string_view bytes) const {
    auto post = request(grant, "/recording?offset=" + std::to_string(offset));
    post.headers.push_back({"Content-Type", "application/octet-stream"});
    post.body = bytes;
    const auto response = http_->send(post);
    if (!response) return unreachable(response.error());
    if (response->status == 409) {
        ErrorReply words;
        const auto error = refusal(*response, post.url, &words);
        if (words.error != error_name::wrong_offset) return error;
        return RecordingReply{words.size_bytes};
    }
    return read_reply<RecordingReply>(*response, post.url, parse_recording_reply);
}

Result<void> Client::end(const SessionGrant& grant, const EndRequest& asked) const {
    auto post = request(grant, "/end");
    post.headers.push_back({"Content-Type", "application/json"});
    post.body = json(asked);
    const auto response = http_->send(post);
    if (!response) return unreachable(response.error());
    if (response->status == 200) return {};
    const auto error = refusal(*response, post.url, nullptr);
    if (error.code == errc::session_over) return {};  // that is what was asked for
    return error;
}

Client Client::within(milliseconds timeout) const {
    Client other = *this;
    other.endpoint_.timeout = std::min(endpoint_.timeout, std::max(timeout, milliseconds(1)));
    other.endpoint_.connect_timeout = std::min(endpoint_.connect_timeout, other.endpoint_.timeout);
    return other;
}

// ---- the keeper --------------------------------------------------------------------------------------------------------------

SessionKeeper::SessionKeeper(
    Client client, SessionGrant grant, std::string recording_file, std::function<void(const Error& why)> on_over
)
    : client_(client.within(keeper_patience)), grant_(std::move(grant)), recording_file_(std::move(recording_file)), on_over_(std::move(on_over)) {
    thread_ = std::thread([this] { run(); });
}

SessionKeeper::~SessionKeeper() {
    if (!finished_) static_cast<void>(finish("error", std::chrono::seconds(2)));
}

void SessionKeeper::run() {
    auto lease_ends = SteadyClock::now() + grant_.lease;
    auto next_renewal = SteadyClock::now() + grant_.heartbeat;
    std::unique_lock lock(mutex_);
    while (!stop_) {
        // The recording goes out more often than renewals: what is not uploaded is lost with the runner.
        const auto wake_at = std::min(next_renewal, SteadyClock::now() + std::chrono::seconds(2));
        if (wake_.wait_until(lock, wake_at, [this] { return stop_; })) return;
        lock.unlock();
        std::optional<Error> over;
        if (const auto uploaded = upload_tail(); !uploaded && uploaded.error().code == errc::session_over) over = uploaded.error();
        if (!over && SteadyClock::now() >= next_renewal) {
            const auto renewed = client_.renew(grant_);
            const auto now = SteadyClock::now();
            if (renewed) {
                lease_ends = now + renewed->lease;
                next_renewal = now + std::min<SteadyClock::duration>(grant_.heartbeat, renewed->lease / 2 + milliseconds(1));
            } else if (renewed.error().code == errc::session_over) {
                over = renewed.error();
            } else {
                // Try again soon: the lease allows for a lost renewal or two.
                next_renewal = now + std::min<SteadyClock::duration>(grant_.heartbeat, retry_pause);
                if (now >= lease_ends) over = Error{errc::session_over, "no renewal for the whole lease: " + renewed.error().text()};
            }
        }
        lock.lock();
        if (!over || stop_) continue;
        lock.unlock();
        if (on_over_) on_over_(*over);
        return;
    }
}

Result<void> SessionKeeper::upload_tail() {
    if (recording_file_.empty() || grant_.recording_path.empty()) return {};
    const UniqueFd fd(::open(recording_file_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        if (errno == ENOENT) return {};
        return Error{dbguard::errc::cannot_read, recording_file_ + ": " + std::strerror(errno)};
    }
    std::string piece(std::max<std::size_t>(4096, grant_.recording_chunk_bytes), '\0');
    for (;;) {
        const auto got = ::pread(fd.get(), piece.data(), piece.size(), static_cast<off_t>(uploaded_));
        if (got < 0) return Error{dbguard::errc::cannot_read, recording_file_ + ": " + std::strerror(errno)};
        // Behind what was written a mapped recording is all zeros (recording/sink.hpp), and no line holds one.
        std::string_view bytes(piece.data(), static_cast<std::size_t>(got));
        bytes = bytes.substr(0, bytes.find('\0'));
        if (bytes.empty()) return {};
        const auto reply = client_.upload(grant_, uploaded_, bytes);
        if (!reply) return reply.error();
        // Another size than ours means that an earlier answer got lost, or the service lost a tail: go on from there.
        const bool progress = reply->size_bytes > uploaded_;
        const bool back = reply->size_bytes < uploaded_;
        uploaded_ = reply->size_bytes;
        if (back && ++steps_back_ > 3) return Error{errc::service_garbage, "the service keeps losing the recording"};
        if (!progress && !back) return Error{errc::service_garbage, "the recording does not grow"};
    }
}

Result<void> SessionKeeper::finish(std::string_view reason, milliseconds patience) {
    if (finished_) return {};
    finished_ = true;
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
    const auto give_up = SteadyClock::now() + patience;
    const auto until = [&](auto attempt) {
        for (;;) {
            client_ = client_.within(std::max<milliseconds>(milliseconds(500), std::chrono::duration_cast<milliseconds>(give_up - SteadyClock::now())));
            auto done = attempt();
            const bool again = !done && (done.error().code == errc::service_unreachable || done.error().code == errc::service_busy);
            if (!again || SteadyClock::now() + retry_pause / 4 >= give_up) return done;
            std::this_thread::sleep_for(retry_pause / 4);
        }
    };
    const auto uploaded = until([this] { return upload_tail(); });
    // The credential goes even when the record's tail did not get through.
    const auto ended = until([&] { return client_.end(grant_, EndRequest{std::string(reason)}); });
    if (!ended) return ended;
    return uploaded;
}

}  // namespace dbguard::broker
