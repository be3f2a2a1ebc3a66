#include "broker/client.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace dbguard::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

net::ClientResponse reply(int status, std::string body, std::string type = "application/json") {
    return {status, {{"Content-Type", std::move(type)}}, std::move(body)};
}

SessionGrant grant() {
    SessionGrant grant;
    grant.access_token = Secret("dbgs_1");
    grant.session = "s_1";
    grant.lease = seconds(2);
    grant.heartbeat = seconds(1);
    grant.recording_path = "/v1/sessions/s_1/recording";
    grant.recording_chunk_bytes = 4096;
    return grant;
}

/// A service that answers by path; what it was asked is kept.
class FakeService final : public net::HttpClient {
  public:
    Result<net::ClientResponse> send(const net::ClientRequest& request) override {
        const std::lock_guard lock(mutex);
        requests.push_back(request);
        if (down) return Error{net::http_error::unreachable, "guard.example: refused"};
        if (busy > 0) {
            --busy;
            return reply(503, json(ErrorReply{std::string(error_name::temporarily_unavailable), "later", "", 0}));
        }
        if (request.url.ends_with("/renew")) {
            if (over) return reply(410, json(ErrorReply{std::string(error_name::session_over), "over", "", 0}));
            return reply(200, json(RenewReply{seconds(2), seconds(100), "sha256:1"}));
        }
        if (const auto at = request.url.find("/recording?offset="); at != std::string::npos) {
            const auto offset = std::stoull(request.url.substr(at + 18));
            if (offset != recording.size())
                return reply(409, json(ErrorReply{std::string(error_name::wrong_offset), "", "", recording.size()}));
            recording += request.body;
            if (lose_answer) {
                lose_answer = false;
                return Error{net::http_error::timeout, "guard.example"};
            }
            return reply(200, json(RecordingReply{recording.size()}));
        }
        if (request.url.ends_with("/end")) {
            ended = request.body;
            return reply(200, "{}");
        }
        return reply(404, json(ErrorReply{std::string(error_name::not_found), "", "", 0}));
    }
    std::size_t count(std::string_view end) {
        const std::lock_guard lock(mutex);
        std::size_t found = 0;
        for (const auto& request : requests) found += request.url.ends_with(end);
        return found;
    }

    std::mutex mutex;
    std::vector<net::ClientRequest> requests;
    std::atomic<bool> down = false;
    std::atomic<int> busy = 0;  ///< so many answers are 503
    std::atomic<bool> over = false;
    std::atomic<bool> lose_answer = false;
    std::string recording;
    std::string ended;
};

struct Folder {
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "dbguard_client_XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path = pattern;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
};

Error failure_of(net::ClientResponse response, FailedExchange* failed = nullptr) {
    auto http = std::make_shared<net::ScriptedHttpClient>(
        std::vector<net::ScriptedHttpClient::Step>{[&](const net::ClientRequest&) -> Result<net::ClientResponse> { return response; }}
    );
    const Client client({.url = "https://guard.example/"}, http);
    const auto result = client.exchange({.subject_token = Secret("a.b.c"), .database = "shop"}, failed);
    REQUIRE_FALSE(result.has_value());
    CHECK(http->requests()[0].url == "https://guard.example/v1/token");
    return result.error();
}

TEST_CASE("what comes back instead of a session is told apart") {
    FailedExchange failed;
    auto error = failure_of(reply(400, json(ErrorReply{"invalid_target", "no role", "c_1", 0})), &failed);
    CHECK(error.code == errc::service_refused);
    CHECK(error.detail == "invalid_target: no role (c_1)");
    CHECK(failed.reply.error == "invalid_target");
    CHECK_FALSE(failed.again);
    CHECK_FALSE(failed.token_unused);

    auto busy = reply(503, json(ErrorReply{"temporarily_unavailable", "", "c_2", 0}));
    busy.headers.push_back({"Retry-After", "7"});
    error = failure_of(busy, &failed);
    CHECK(error.code == errc::service_busy);
    CHECK(failed.again);
    CHECK(failed.not_before == seconds(7));

    CHECK(failure_of(reply(302, "")).code == errc::service_garbage);
    CHECK(failure_of(reply(200, "<html>", "text/html")).code == errc::service_garbage);
    CHECK(failure_of(reply(200, "{}")).code == errc::service_garbage);
    CHECK(failure_of(reply(200, "{", "application/json")).code == errc::service_garbage);
    error = failure_of(reply(502, "Bad Gateway", "text/plain"), &failed);
    CHECK(error.code == errc::service_garbage);
    CHECK(failed.again);
    CHECK(failed.status == 502);
}

TEST_CASE("a token is unused only where nothing was sent") {
    for (const auto& [code, unused, again] : {
             std::tuple{net::http_error::certificate, true, false}, std::tuple{net::http_error::tls, true, false},
             std::tuple{net::http_error::bad_url, true, false}, std::tuple{net::http_error::unreachable, false, true},
             std::tuple{net::http_error::timeout, false, true}, std::tuple{net::http_error::garbage, false, true}}) {
        auto http = std::make_shared<net::ScriptedHttpClient>(std::vector<net::ScriptedHttpClient::Step>{
            [code = code](const net::ClientRequest&) -> Result<net::ClientResponse> { return Error{code, "x"}; }
        });
        FailedExchange failed;
        const auto result = Client({.url = "https://g"}, http).exchange({.subject_token = Secret("t"), .database = "d"}, &failed);
        CHECK(result.error().code == errc::service_unreachable);
        CHECK(failed.token_unused == unused);
        CHECK(failed.again == again);
    }
}

TEST_CASE("a session is kept, its recording goes out as it grows, and it is ended") {
    const Folder folder;
    const std::string file = folder.path + "/s_1.dbgl";
    auto service = std::make_shared<FakeService>();
    bool over = false;
    {
        SessionKeeper keeper(Client({.url = "https://g"}, service), grant(), file, [&](const Error&) { over = true; });
        std::ofstream(file, std::ios::binary) << std::string(10'000, 'a') << "\n" << std::string(500, '\0');
        for (int i = 0; i < 400 && service->count("/renew") < 2; ++i) std::this_thread::sleep_for(milliseconds(10));
        CHECK(service->count("/renew") >= 2);
        service->lose_answer = true;
        std::ofstream(file, std::ios::binary) << std::string(10'000, 'a') << "\nthe end\n";
        CHECK(keeper.finish("client", seconds(5)).has_value());
        CHECK(keeper.finish("client", seconds(5)).has_value());
    }
    CHECK_FALSE(over);
    CHECK(service->recording == std::string(10'000, 'a') + "\nthe end\n");
    CHECK(service->ended == R"({"reason":"client"})");
    CHECK(service->count("/end") == 1);
    for (const auto& request : service->requests) CHECK(request.headers[0].value == "Bearer dbgs_1");
}

TEST_CASE("a session that the service ended is over at once; one that cannot be renewed, with its lease") {
    for (const bool by_service : {true, false}) {
        auto service = std::make_shared<FakeService>();
        (by_service ? service->over : service->down) = true;
        std::atomic<bool> over = false;
        const auto began = std::chrono::steady_clock::now();
        SessionKeeper keeper(Client({.url = "https://g"}, service), grant(), "", [&](const Error& why) {
            CHECK(why.code == errc::session_over);
            over = true;
        });
        for (int i = 0; i < 600 && !over; ++i) std::this_thread::sleep_for(milliseconds(10));
        CHECK(over);
        CHECK(std::chrono::steady_clock::now() - began < seconds(5));
        if (!by_service) CHECK(std::chrono::steady_clock::now() - began >= seconds(2));
        service->down = false;
        CHECK(keeper.finish("error", seconds(1)).has_value());
    }
}

TEST_CASE("a service that is back within the lease was never away") {
    auto service = std::make_shared<FakeService>();
    service->down = true;
    std::atomic<bool> over = false;
    SessionKeeper keeper(Client({.url = "https://g"}, service), grant(), "", [&](const Error&) { over = true; });
    std::this_thread::sleep_for(milliseconds(1500));
    service->down = false;
    std::this_thread::sleep_for(milliseconds(2500));
    CHECK_FALSE(over);
    CHECK(service->count("/renew") >= 3);
    CHECK(keeper.finish("client", seconds(1)).has_value());
}

TEST_CASE("a service whose disk is full for a moment gets the recording and the end all the same") {
    const Folder folder;
    const std::string file = folder.path + "/s_1.dbgl";
    auto service = std::make_shared<FakeService>();
    service->busy = 3;
    SessionKeeper keeper(Client({.url = "https://g"}, service), grant(), file, {});
    std::ofstream(file) << "a line\n";
    CHECK(keeper.finish("client", seconds(10)).has_value());
    CHECK(service->recording == "a line\n");
    CHECK(service->ended.find("client") != std::string::npos);
}

TEST_CASE("finishing gives up when its patience is over") {
    auto service = std::make_shared<FakeService>();
    service->down = true;
    SessionKeeper keeper(Client({.url = "https://g"}, service), grant(), "", {});
    const auto began = std::chrono::steady_clock::now();
    CHECK(keeper.finish("client", milliseconds(600)).error().code == errc::service_unreachable);
    CHECK(std::chrono::steady_clock::now() - began < seconds(2));
}

}  // namespace
}  // namespace dbguard::broker
