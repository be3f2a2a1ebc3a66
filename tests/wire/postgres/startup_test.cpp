#include "wire/postgres/startup.hpp"

#include <doctest/doctest.h>

#include "wire/postgres/trace.hpp"

namespace dbguard::wire::postgres {
using namespace std::string_literals;

namespace {

std::string packet(const std::string& behind_length) {
    std::string out;
    ByteWriter writer(out);
    writer.u32(static_cast<std::uint32_t>(behind_length.size() + 4));
    writer.bytes(behind_length);
    return out;
}

std::string back(const StartupPacket& decoded) {
    std::string out;
    ByteWriter writer(out);
    REQUIRE(encode(decoded, writer).has_value());
    return out;
}

const std::string startup = packet("\0\3\0\0user\0app\0database\0shop\0_pq_.x\0\0\0"s);

}  // namespace

TEST_CASE("startup packets decode, print, and encode back to the same bytes") {
    const std::pair<std::string, std::string> table[] = {
        {startup, R"(F StartupMessage 3.0 "user"="app" "database"="shop" "_pq_.x"="")"},
        {packet("\0\3\0\2user\0a\0\0"s), R"(F StartupMessage 3.2 "user"="a")"},
        {packet("\0\3\xff\xff\0"s), "F StartupMessage 3.65535"},
        {packet("\x04\xd2\x16\x2f"s), "F SSLRequest"},
        {packet("\x04\xd2\x16\x30"s), "F GSSENCRequest"},
        {packet("\x04\xd2\x16\x2e\0\0\x30\x39\1\2\3\4"s), "F CancelRequest 12345 ***"},
        {packet("\x04\xd2\x16\x2e\0\0\x30\x39"s + std::string(256, 'k')),
         "F CancelRequest 12345 ***"},
    };
    for (const auto& [bytes, line] : table) {
        CAPTURE(line);
        CHECK(startup_packet_bytes(bytes).value().value() == bytes.size());
        const auto decoded = decode_startup(bytes);
        REQUIRE(decoded.has_value());
        CHECK(trace(*decoded) == line);
        CHECK(back(*decoded) == bytes);
    }
}

TEST_CASE("a startup packet cut at any byte, or with bytes behind it, is refused") {
    for (std::size_t length = 0; length < startup.size(); ++length) {
        CAPTURE(length);
        CHECK_FALSE(decode_startup(startup.substr(0, length)).has_value());
        // The same with a length that fits what is left.
        if (length >= 4)
            CHECK_FALSE(decode_startup(packet(startup.substr(4, length - 4))).has_value());
    }
    CHECK(decode_startup(startup + "x").error().code == errc::trailing_bytes);
    CHECK(decode_startup(packet(startup.substr(4) + "x")).error().code == errc::trailing_bytes);
    CHECK(decode_startup(packet("\x04\xd2\x16\x2fx"s)).error().code == errc::trailing_bytes);
}

TEST_CASE("a length is told as soon as four bytes are there") {
    for (std::size_t length = 0; length < 4; ++length)
        CHECK_FALSE(startup_packet_bytes(startup.substr(0, length)).value().has_value());
    CHECK(startup_packet_bytes(startup.substr(0, 4)).value().value() == startup.size());
}

TEST_CASE("impossible lengths are refused, and the server's cap holds") {
    const auto code = [](const std::string& bytes) {
        return startup_packet_bytes(bytes).error().code;
    };
    CHECK(code("\0\0\0\0"s) == errc::bad_length);
    CHECK(code("\0\0\0\7"s) == errc::bad_length);
    CHECK(code("\xff\xff\xff\xff"s) == errc::bad_length);
    CHECK(code("\x80\0\0\0"s) == errc::bad_length);
    CHECK(code("\0\0\x27\x11"s) == errc::oversize);
    CHECK(startup_packet_bytes("\0\0\x27\x10"s).value().value() == 10'000);
    CHECK(code("GET / HTTP/1.1") == errc::oversize);
}

TEST_CASE("direct TLS is told from its first byte") {
    CHECK(startup_packet_bytes("\x16").error().code == errc::direct_tls);
    CHECK(decode_startup("\x16\x03\x01\x02\x00\x01"s).error().code == errc::direct_tls);
}

TEST_CASE("other protocol versions are named") {
    const auto old = decode_startup(packet("\0\2\0\0user\0a\0\0"s));
    CHECK(old.error().code == errc::unsupported_protocol);
    CHECK(old.error().detail == "2.0");
    CHECK(decode_startup(packet("\x04\xd2\x16\x31"s)).error().code == errc::unsupported_protocol);
    CHECK(decode_startup(packet("\0\4\0\0\0"s)).error().detail == "4.0");
}

TEST_CASE("a secret key has 4 to 256 bytes") {
    for (const std::size_t size : {0U, 3U, 257U}) {
        CHECK(
            decode_startup(packet("\x04\xd2\x16\x2e\0\0\0\1"s + std::string(size, 'k')))
                .error()
                .code == errc::bad_length
        );
        std::string out;
        ByteWriter writer(out);
        CHECK(
            encode(CancelRequest{1, std::string(size, 'k')}, writer).error().code ==
            errc::bad_length
        );
        CHECK(out.empty());
    }
}

TEST_CASE("the last of repeated parameters counts") {
    const auto decoded = decode_startup(packet("\0\3\0\0user\0a\0user\0b\0\0"s));
    const auto& message = std::get<StartupMessage>(*decoded);
    CHECK(message.parameter("user").value() == "b");
    CHECK_FALSE(message.parameter("database").has_value());
    CHECK(back(*decoded) == packet("\0\3\0\0user\0a\0user\0b\0\0"s));
}

TEST_CASE("what cannot be sent is refused and leaves nothing behind") {
    std::string out;
    ByteWriter writer(out);
    CHECK(
        encode(StartupMessage{protocol_3_0, {{"user", "a\0b"s}}}, writer).error().code ==
        errc::nul_in_string
    );
    CHECK(
        encode(StartupMessage{protocol_3_0, {{"", "a"}}}, writer).error().code == errc::bad_value
    );
    CHECK(
        encode(StartupMessage{protocol_3_0, {{"options", std::string(10'000, 'x')}}}, writer)
            .error()
            .code == errc::oversize
    );
    CHECK(encode(StartupMessage{{2, 0}, {}}, writer).error().code == errc::unsupported_protocol);
    CHECK(out.empty());
}

}  // namespace dbguard::wire::postgres
