#include "net/http_client.hpp"

#include <doctest/doctest.h>

#include "tests/net/tls_stub.hpp"

using namespace dbguard;
using namespace dbguard::net;
using namespace std::chrono_literals;
using test::StubConnection;
using test::TlsStub;

namespace {

std::unique_ptr<HttpClient> trusting_client() {
    return make_http_client({.ca_file = test::local_certificate().ca_file});
}

ClientRequest get(std::string url, std::chrono::milliseconds limit = 5s) {
    return {.url = std::move(url), .total_timeout = limit};
}

std::string_view code(const Result<ClientResponse>& result) {
    return result ? std::string_view("no error") : result.error().code;
}

/// What a client gets that asks a server of one step.
Result<ClientResponse> ask(TlsStub::Step step, std::chrono::milliseconds limit = 5s) {
    const TlsStub stub({std::move(step)});
    return trusting_client()->send(get(stub.url("/secret-path?token=secret"), limit));
}

}  // namespace

TEST_CASE("a request arrives as written and the answer comes back whole") {
    std::string seen;
    const TlsStub stub({[&](StubConnection& connection) {
        seen = connection.read_request();
        connection.answer(
            201, "application/JSON; charset=utf-8", R"({"a":1})", "X-Thing: one\r\nx-thing: two\r\n"
        );
    }});
    const auto response = trusting_client()->send({
        .method = "POST",
        .url = stub.url("/v1/token?x=%20y"),
        .headers =
            {{"Authorization", "Bearer abc"},
             {"Content-Type", "application/x-www-form-urlencoded"}},
        .body = std::string("a=b\0c", 5),
    });
    REQUIRE(response.has_value());
    CHECK(response->status == 201);
    CHECK(response->body == R"({"a":1})");
    CHECK(response->header("X-THING") == "one");
    CHECK(response->header("absent").empty());
    CHECK(response->content_type() == "application/json");
    CHECK(seen.starts_with("POST /v1/token?x=%20y HTTP/1.1\r\n"));
    CHECK(seen.find("\r\nAuthorization: Bearer abc\r\n") != std::string::npos);
    CHECK(seen.find("\r\nUser-Agent: dbguard\r\n") != std::string::npos);
    CHECK(seen.find("Expect:") == std::string::npos);
    CHECK(seen.ends_with(std::string("\r\n\r\na=b\0c", 9)));
}

TEST_CASE("a second request reuses the client, and a closed connection is made anew") {
    const TlsStub stub({
        [](StubConnection& connection) {
            connection.read_request();
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
            const auto second = connection.read_request();
            if (!second.empty()) connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
        },
        [](StubConnection& connection) {
            connection.read_request();
            connection.answer(200, "text/plain", "3");
        },
    });
    const auto client = trusting_client();
    for (const char* expected : {"1", "2", "3"}) {
        const auto response = client->send(get(stub.url()));
        REQUIRE_MESSAGE(response.has_value(), response.error().text());
        CHECK(response->body == expected);
    }
    CHECK(stub.served() == 2);
}

TEST_CASE("certificates are verified: authority, name, and never skipped") {
    SUBCASE("an unknown authority") {
        const TlsStub stub({[](StubConnection& connection) {
            connection.answer(200, "text/plain", "no");
        }});
        CHECK(code(make_http_client()->send(get(stub.url()))) == http_error::certificate);
        CHECK(stub.served() == 0);
    }
    SUBCASE("another host's certificate from a trusted authority") {
        const test::StubCertificate other({"other.example"});
        const TlsStub stub(
            {[](StubConnection& connection) { connection.answer(200, "text/plain", "no"); }}, other
        );
        const auto result = make_http_client({.ca_file = other.ca_file})->send(get(stub.url()));
        CHECK(code(result) == http_error::certificate);
    }
    SUBCASE("a CA file that is not there is said before anything is sent") {
        const TlsStub stub({});
        CHECK(
            code(make_http_client({.ca_file = "/nonexistent/ca.pem"})->send(get(stub.url()))) ==
            http_error::bad_option
        );
    }
}

TEST_CASE("plain http only where it is allowed") {
    CHECK(code(make_http_client()->send(get("http://127.0.0.1:1/"))) == http_error::bad_url);
    CHECK(
        code(make_http_client({.https_only = false})->send(get("http://127.0.0.1:1/"))) ==
        http_error::unreachable
    );
}

TEST_CASE("a redirect is an answer, and not followed") {
    bool followed = false;
    const TlsStub target({[&](StubConnection&) { followed = true; }});
    const auto response = ask([&](StubConnection& connection) {
        connection.read_request();
        connection.answer(302, "text/html", "", "Location: " + target.url() + "\r\n");
    });
    REQUIRE(response.has_value());
    CHECK(response->status == 302);
    CHECK_FALSE(followed);
    CHECK(
        expect(*response, "https://h/p", "application/json").error().code == http_error::redirect
    );
}

TEST_CASE("silence, slowness and half answers end in time") {
    const auto began = std::chrono::steady_clock::now();
    SUBCASE("no answer") {
        CHECK(
            code(ask(
                [](StubConnection& connection) {
                    connection.read_request();
                    connection.read_request();  // until the client gives up
                },
                300ms
            )) == http_error::timeout
        );
    }
    SUBCASE("a byte now and then") {
        CHECK(
            code(ask(
                [](StubConnection& connection) {
                    connection.read_request();
                    if (!connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"))
                        return;
                    for (int i = 0; i < 100 && connection.write("x"); ++i)
                        std::this_thread::sleep_for(20ms);
                },
                400ms
            )) == http_error::timeout
        );
    }
    SUBCASE("a body cut short") {
        CHECK(code(ask([](StubConnection& connection) {
                  connection.read_request();
                  connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
              })) == http_error::garbage);
    }
    SUBCASE("closed without a word") {
        CHECK(code(ask([](StubConnection& connection) {
                  connection.read_request();
              })) == http_error::unreachable);
    }
    SUBCASE("reset") {
        CHECK(code(ask([](StubConnection& connection) {
                  connection.read_request();
                  connection.reset();
              })) == http_error::unreachable);
    }
    SUBCASE("a server that accepts and never says hello") {
        const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(listener.get(), 1) == 0);
        REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
        auto request = get("https://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/");
        request.connect_timeout = 300ms;
        CHECK(code(trusting_client()->send(request)) == http_error::timeout);
    }
    CHECK(std::chrono::steady_clock::now() - began < 4s);
}

TEST_CASE("what is not HTTP/1.1 is garbage") {
    CHECK(code(ask([](StubConnection& connection) {
              connection.read_request();
              connection.write("SSH-2.0-OpenSSH_9.2\r\n");
          })) == http_error::garbage);
    CHECK(code(ask([](StubConnection& connection) {
              connection.read_request();
              connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
          })) == http_error::garbage);
    CHECK(code(ask([](StubConnection& connection) {
              connection.read_request();
              connection.write("HTTP/1.1 2000000 OK\r\nContent-Length: 0\r\n\r\n");
          })) == http_error::garbage);
}

TEST_CASE("bodies and headers are bounded") {
    const std::string large(70'000, 'x');
    SUBCASE("by Content-Length") {
        CHECK(code(ask([&](StubConnection& connection) {
                  connection.read_request();
                  connection.answer(200, "text/plain", large);
              })) == http_error::too_large);
    }
    SUBCASE("without one") {
        CHECK(code(ask([&](StubConnection& connection) {
                  connection.read_request();
                  connection.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                  connection.write(large);
              })) == http_error::too_large);
    }
    SUBCASE("exactly the limit passes") {
        const auto response = ask([&](StubConnection& connection) {
            connection.read_request();
            connection.answer(200, "text/plain", large.substr(0, 65536));
        });
        REQUIRE(response.has_value());
        CHECK(response->body.size() == 65536);
    }
    SUBCASE("endless headers") {
        CHECK(code(ask([&](StubConnection& connection) {
                  connection.read_request();
                  connection.write("HTTP/1.1 200 OK\r\n");
                  for (int i = 0; i < 100; ++i)
                      if (!connection.write("X-A: " + large.substr(0, 4000) + "\r\n")) return;
              })) == http_error::too_large);
    }
}

TEST_CASE("errors name the host and neither path, query nor header") {
    const auto result = ask([](StubConnection& connection) { connection.read_request(); });
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().detail.starts_with("127.0.0.1:"));
    CHECK(result.error().detail.find("secret") == std::string::npos);
}

TEST_CASE("refused, unresolvable and malformed targets are told apart") {
    CHECK(code(trusting_client()->send(get("https://127.0.0.1:1/"))) == http_error::unreachable);
    CHECK(code(trusting_client()->send(get("https://name.invalid/"))) == http_error::unreachable);
    for (const char* url :
         {"",
          "example.com",
          "https://",
          "https://user:password@127.0.0.1:1/",
          "https://127.0.0.1:1/a\r\nb",
          "https://127.0.0.1:99999/",
          "file:///etc/passwd",
          "gopher://127.0.0.1/"})
        CHECK_MESSAGE(
            code(trusting_client()->send(get(url))) == http_error::bad_url, std::string(url)
        );
}

TEST_CASE("a header cannot break out of its line") {
    ClientRequest request = get("https://127.0.0.1:1/");
    request.headers = {{"X-A", "one\r\nX-B: two"}};
    CHECK(code(trusting_client()->send(request)) == http_error::bad_option);
}

TEST_CASE("a service can be kept from talking to its own network") {
    const TlsStub stub({[](StubConnection& connection) {
        connection.read_request();
        connection.answer(200, "text/plain", "in");
    }});
    const std::string ca = test::local_certificate().ca_file;
    const auto blocking = make_http_client({.ca_file = ca, .block_private_addresses = true});
    CHECK(code(blocking->send(get(stub.url()))) == http_error::blocked_address);
    const std::string by_name = "https://localhost:" + std::to_string(stub.port()) + "/";
    CHECK(code(blocking->send(get(by_name))) == http_error::blocked_address);
    CHECK(stub.served() == 0);

    const auto exempting = make_http_client(
        {.ca_file = ca, .block_private_addresses = true, .private_hosts_allowed = {"localhost"}}
    );
    CHECK(exempting->send(get(by_name)).has_value());
    CHECK(code(exempting->send(get(stub.url()))) == http_error::blocked_address);
}

TEST_CASE("private addresses, in all their spellings") {
    for (const char* address :
         {"127.0.0.1",
          "127.255.255.255",
          "0.0.0.0",
          "10.0.0.1",
          "172.16.0.1",
          "172.31.255.255",
          "192.168.1.1",
          "169.254.169.254",
          "100.64.0.1",
          "100.127.255.255",
          "198.18.0.1",
          "224.0.0.1",
          "240.0.0.1",
          "255.255.255.255",
          "192.0.0.192",
          "::",
          "::1",
          "::127.0.0.1",
          "::ffff:127.0.0.1",
          "::ffff:a9fe:a9fe",
          "64:ff9b::7f00:1",
          "64:ff9b:1::1",
          "2002:7f00:1::",
          "fe80::1",
          "fc00::1",
          "fd00:ec2::254",
          "ff02::1",
          "2001:db8::1",
          "2001::1",
          "fec0::1",
          "not an address",
          "127.1",
          ""})
        CHECK_MESSAGE(is_private_address(address), std::string(address));
    for (const char* address :
         {"1.1.1.1",
          "9.255.255.255",
          "11.0.0.0",
          "172.15.0.1",
          "172.32.0.1",
          "100.63.0.1",
          "100.128.0.1",
          "192.167.0.1",
          "198.17.0.1",
          "198.20.0.1",
          "223.255.255.255",
          "2606:4700:4700::1111",
          "::ffff:1.1.1.1",
          "64:ff9b::101:101",
          "2002:101:101::"})
        CHECK_FALSE_MESSAGE(is_private_address(address), std::string(address));
}

TEST_CASE("a proxy is used when told, and only then") {
    // Nothing listens at port 1: through it there is no way.
    const TlsStub stub({[](StubConnection& connection) {
        connection.read_request();
        connection.answer(200, "text/plain", "in");
    }});
    const std::string ca = test::local_certificate().ca_file;
    ::setenv("HTTPS_PROXY", "http://127.0.0.1:1", 1);
    ::setenv("https_proxy", "http://127.0.0.1:1", 1);
    HttpClientOptions options{.ca_file = ca};
    CHECK(make_http_client(options)->send(get(stub.url())).has_value());
    proxy_from_environment(options, [](const char* name) {
        const char* value = ::getenv(name);
        return std::string(value ? value : "");
    });
    ::unsetenv("HTTPS_PROXY");
    ::unsetenv("https_proxy");
    CHECK(options.proxy == "http://127.0.0.1:1");
    CHECK_FALSE(make_http_client(options)->send(get(stub.url())).has_value());
    options.no_proxy = "127.0.0.1";
    const TlsStub again({[](StubConnection& connection) {
        connection.read_request();
        connection.answer(200, "text/plain", "in");
    }});
    CHECK(make_http_client(options)->send(get(again.url())).has_value());
}

TEST_CASE("a proxy that refuses is named as the cause") {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    std::string seen;
    std::thread proxy([&] {
        const UniqueFd client(::accept(listener.get(), nullptr, nullptr));
        char buffer[4096];
        const auto count = ::recv(client.get(), buffer, sizeof buffer, 0);
        seen.assign(buffer, count > 0 ? static_cast<std::size_t>(count) : 0);
        constexpr std::string_view answer = "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n";
        (void)::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    });
    const auto client =
        make_http_client({.proxy = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port))});
    const auto result = client->send(get("https://guard.example/secret-path"));
    proxy.join();
    CHECK(code(result) == http_error::proxy);
    CHECK(result.error().detail == "guard.example: the proxy answered 407");
    CHECK(seen.starts_with("CONNECT guard.example:443 HTTP/1.1\r\n"));
    CHECK(seen.find("secret") == std::string::npos);
}

TEST_CASE("HTTP_PROXY is not read") {
    HttpClientOptions options;
    proxy_from_environment(options, [](const char* name) {
        return std::string(
            std::string_view(name) == "HTTP_PROXY" || std::string_view(name) == "http_proxy"
                ? "http://evil"
                : ""
        );
    });
    CHECK(options.proxy.empty());
}

TEST_CASE("expect asks for success and the right media type") {
    const auto verdict = [](int status, const char* type) {
        const auto result = expect(
            {.status = status, .headers = {{"content-type", type}}},
            "https://h.example/p",
            "application/json"
        );
        return result ? std::string("ok") : result.error().text();
    };
    CHECK(verdict(200, "application/json") == "ok");
    CHECK(verdict(200, "application/jwk-set+json; charset=utf-8") == "ok");
    CHECK(
        verdict(200, "text/html") ==
        "http_bad_content_type: h.example did not answer with application/json"
    );
    CHECK(
        verdict(200, "") == "http_bad_content_type: h.example did not answer with application/json"
    );
    CHECK(verdict(307, "application/json") == "http_redirect: h.example answered 307");
    CHECK(verdict(404, "application/json") == "http_bad_status: h.example answered 404");
    CHECK(verdict(500, "application/json") == "http_bad_status: h.example answered 500");
}

TEST_CASE("hosts of URLs, for messages") {
    CHECK(host_of("https://h.example:8443/p?q") == "h.example:8443");
    CHECK(host_of("https://u:secret@h.example/") == "h.example");
    CHECK(host_of("h.example").empty());
    CHECK(host_name_of("https://h.example:8443/p") == "h.example");
    CHECK(host_name_of("https://[::1]:8443/p") == "[::1]");
    CHECK(host_name_of("https://[::1]?x") == "[::1]");
}

TEST_CASE("several threads share one client") {
    std::vector<TlsStub::Step> steps(12, [](StubConnection& connection) {
        connection.read_request();
        connection.answer(200, "text/plain", "in");
    });
    const TlsStub stub(std::move(steps));
    const auto client = trusting_client();
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int k = 0; k < 3; ++k)
                if (client->send(get(stub.url()))) ++good;
        });
    for (auto& thread : threads) thread.join();
    CHECK(good == 12);
}

TEST_CASE("a script answers in order and then not at all") {
    ScriptedHttpClient client({
        [](const ClientRequest& request) -> Result<ClientResponse> {
            return ClientResponse{.status = request.url == "https://a/" ? 200 : 500};
        },
    });
    CHECK(client.send(get("https://a/"))->status == 200);
    CHECK(client.finished());
    CHECK(code(client.send(get("https://a/"))) == http_error::unreachable);
    CHECK_FALSE(client.finished());
}
