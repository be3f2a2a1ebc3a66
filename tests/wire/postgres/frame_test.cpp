#include "wire/postgres/frame.hpp"

#include <doctest/doctest.h>

#include "examples.hpp"

namespace dbguard::wire::postgres {
using namespace test;

namespace {

HeaderState state(Sender sender, std::string_view bytes) {
    FrameHeader header;
    return decode_header(bytes, sender, header);
}

std::string header(char type, std::uint32_t length) {
    std::string out(1, type);
    ByteWriter(out).u32(length);
    return out;
}

}  // namespace

TEST_CASE("a header is its type and the bytes behind it") {
    FrameHeader decoded;
    CHECK(decode_header("Q\0\0\0\x0bselect"s, Sender::frontend, decoded) == HeaderState::whole);
    CHECK(decoded == FrameHeader{'Q', 7});
    CHECK(decoded.frame_bytes() == 12);
    CHECK(decode_header("S\0\0\0\4"s, Sender::frontend, decoded) == HeaderState::whole);
    CHECK(decoded == FrameHeader{'S', 0});
}

TEST_CASE("each side has message types of its own") {
    const std::string frontend = "QPBDECSHFpdcfX";
    const std::string backend = "RKSZTtDCI123nsENAGHWdcVv";
    for (int byte = 0; byte < 256; ++byte) {
        const char type = static_cast<char>(byte);
        CAPTURE(byte);
        CHECK(is_known_type(Sender::frontend, type) == (frontend.find(type) != std::string::npos));
        CHECK(is_known_type(Sender::backend, type) == (backend.find(type) != std::string::npos));
        const auto expected = frontend.find(type) != std::string::npos ? HeaderState::whole
                                                                       : HeaderState::unknown_type;
        CHECK(state(Sender::frontend, header(type, 4)) == expected);
    }
}

TEST_CASE("an unknown type is refused at its first byte") {
    CHECK(state(Sender::frontend, "") == HeaderState::incomplete);
    CHECK(state(Sender::frontend, "G") == HeaderState::unknown_type);
    CHECK(state(Sender::frontend, "\x16\x03\x01") == HeaderState::unknown_type);
    CHECK(state(Sender::backend, "Q\0\0"s) == HeaderState::unknown_type);
}

TEST_CASE("a header one byte at a time waits until it is whole") {
    const std::string bytes = header('D', 20);
    for (std::size_t length = 0; length < 5; ++length)
        CHECK(state(Sender::backend, bytes.substr(0, length)) == HeaderState::incomplete);
    CHECK(state(Sender::backend, bytes) == HeaderState::whole);
}

TEST_CASE("impossible and oversize lengths are refused at the header") {
    for (const std::uint32_t length : {0U, 1U, 2U, 3U, 0x80000000U, 0xffffffffU})
        CHECK(state(Sender::backend, header('D', length)) == HeaderState::bad_length);
    CHECK(state(Sender::backend, header('D', large_body_bytes + 4)) == HeaderState::whole);
    CHECK(state(Sender::backend, header('D', large_body_bytes + 5)) == HeaderState::oversize);
    CHECK(state(Sender::backend, header('D', 0x7fffffff)) == HeaderState::oversize);
    CHECK(state(Sender::frontend, header('Q', large_body_bytes + 4)) == HeaderState::whole);
    CHECK(state(Sender::frontend, header('E', 10'004)) == HeaderState::whole);
    CHECK(state(Sender::frontend, header('E', 10'005)) == HeaderState::oversize);
    CHECK(state(Sender::frontend, header('p', 65'540)) == HeaderState::oversize);
    CHECK(state(Sender::backend, header('Z', 2'000'000)) == HeaderState::oversize);

    FrameHeader decoded;
    const auto bad = decode_header(header('D', 0x7fffffff), Sender::backend, decoded);
    const auto error = header_error(bad, Sender::backend, decoded);
    CHECK(error.code == errc::oversize);
    CHECK(error.detail == "backend 'D', 2147483643 bytes");
    CHECK(
        header_error(HeaderState::unknown_type, Sender::frontend, {'\x16', 0}).detail ==
        "frontend 0x16"
    );
}

TEST_CASE("a reader finds the same frames whole and one byte at a time") {
    std::string stream;
    std::vector<std::string> expected;
    for (const auto& example : examples()) {
        if (example.sender != Sender::backend) continue;
        stream += example.bytes;
        expected.push_back(example.bytes);
    }
    for (const std::size_t step : {stream.size(), std::size_t{1}, std::size_t{7}}) {
        FrameReader reader(Sender::backend);
        std::vector<std::string> seen;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            reader.feed(std::string_view(stream).substr(at, step));
            while (true) {
                const auto frame = reader.next();
                REQUIRE(frame.has_value());
                if (!*frame) break;
                seen.emplace_back((*frame)->bytes);
            }
        }
        CHECK(seen == expected);
        CHECK(reader.buffered_bytes() == 0);
    }
}

TEST_CASE("a reader has a limit of its own") {
    FrameReader reader(Sender::backend, 100);
    reader.feed(header('D', 104));
    CHECK_FALSE(reader.next().value().has_value());
    FrameReader other(Sender::backend, 100);
    other.feed(header('D', 105));
    CHECK(other.next().error().code == errc::oversize);
    FrameReader wrong(Sender::backend);
    wrong.feed("HTTP");
    CHECK(
        wrong.next().value().has_value() == false
    );  // 'H' is CopyOutResponse, its length not yet whole
    wrong.feed("/1.1 400");
    CHECK(wrong.next().error().code == errc::oversize);
}

}  // namespace dbguard::wire::postgres
