#include "wire/postgres/message.hpp"

#include <doctest/doctest.h>

#include "examples.hpp"
#include "wire/postgres/trace.hpp"

namespace dbguard::wire::postgres {
using namespace test;

TEST_CASE("every message decodes, prints, and encodes back to the same bytes") {
    for (const auto& example : examples()) {
        CAPTURE(example.line);
        const auto view = first_frame(example.bytes, example.sender);
        REQUIRE(view.has_value());
        REQUIRE(view->has_value());
        CHECK((*view)->bytes == example.bytes);
        const auto back = there_and_back(example.sender, **view, example.phase);
        REQUIRE(back.has_value());
        CHECK(*back == example.bytes);
        CHECK(trace(example.sender, **view, example.phase) == example.line);
    }
}

TEST_CASE("a body cut short at any byte is refused") {
    int refused = 0;
    for (const auto& example : examples()) {
        CAPTURE(example.line);
        const auto body = std::string_view(example.bytes).substr(frame_header_bytes);
        for (std::size_t length = 0; length < body.size(); ++length) {
            CAPTURE(length);
            const auto cut = frame(example.bytes[0], std::string(body.substr(0, length)));
            const auto view = first_frame(cut, example.sender);
            REQUIRE(view.has_value());
            const auto back = there_and_back(example.sender, **view, example.phase);
            if (!back) {
                ++refused;
                continue;
            }
            // Only what has no end of its own may be shorter, and then it is what it says.
            CHECK(example.open_ended);
            CHECK(*back == cut);
        }
    }
    CHECK(refused > 300);
}

TEST_CASE("trailing bytes are refused") {
    for (const auto& example : examples()) {
        if (example.open_ended) continue;
        CAPTURE(example.line);
        const bool key = example.bytes[0] == 'K' && example.sender == Sender::backend;
        for (const std::string& more : {"\0"s, "x"s, "\0\0\0\0"s}) {
            const auto longer =
                frame(example.bytes[0], example.bytes.substr(frame_header_bytes) + more);
            const auto view = first_frame(longer, example.sender);
            REQUIRE(view.has_value());
            const auto back = there_and_back(example.sender, **view, example.phase);
            // A secret key of five bytes is one.
            if (key)
                CHECK(*back == longer);
            else
                CHECK_FALSE(back.has_value());
        }
    }
}

TEST_CASE("an answer to no question is refused") {
    const auto bytes = frame('p', "hunter2\0"s);
    const auto view = **first_frame(bytes, Sender::frontend);
    CHECK(decode_frontend(view, AuthPhase::none).error().code == errc::unknown_type);
}

TEST_CASE("fields outside their lists of values are refused") {
    const auto code = [](Sender sender, const std::string& bytes) {
        return there_and_back(sender, **first_frame(bytes, sender), AuthPhase::none).error().code;
    };
    CHECK(code(Sender::frontend, frame('D', "Xs\0"s)) == errc::bad_value);
    CHECK(code(Sender::frontend, frame('C', "\0\0"s)) == errc::bad_value);
    CHECK(code(Sender::backend, frame('Z', "X")) == errc::bad_value);
    CHECK(code(Sender::backend, frame('G', "\2\0\0"s)) == errc::bad_value);
    CHECK(code(Sender::backend, frame('R', "\0\0\0\1"s)) == errc::bad_value);
    CHECK(code(Sender::backend, frame('R', "\0\0\0\xd"s)) == errc::bad_value);
    CHECK(code(Sender::backend, frame('R', "\xff\xff\xff\xff"s)) == errc::bad_value);
    CHECK(code(Sender::backend, frame('R', "\0\0\0\xa\0"s)) == errc::bad_value);
    CHECK(code(Sender::backend, frame('R', "\0\0\0\5sal"s)) == errc::bad_length);
    CHECK(code(Sender::backend, frame('R', "\0\0\0\5salty"s)) == errc::bad_length);
    CHECK(code(Sender::backend, frame('K', "\0\0\0\1key"s)) == errc::bad_length);
    CHECK(
        code(Sender::backend, frame('K', "\0\0\0\1"s + std::string(257, 'k'))) == errc::bad_length
    );
}

TEST_CASE(
    "counts and lengths that the message cannot hold are refused before anything is made of them"
) {
    const auto code = [](Sender sender, const std::string& bytes, AuthPhase phase = AuthPhase::none
                      ) {
        return there_and_back(sender, **first_frame(bytes, sender), phase).error().code;
    };
    CHECK(code(Sender::frontend, frame('P', "\0\0\xff\xff"s)) == errc::bad_count);
    CHECK(code(Sender::frontend, frame('B', "\0\0\xff\xff"s)) == errc::bad_count);
    CHECK(code(Sender::frontend, frame('B', "\0\0\0\0\xff\xff\0\0"s)) == errc::bad_count);
    CHECK(code(Sender::frontend, frame('B', "\0\0\0\0\0\0\xff\xff"s)) == errc::bad_count);
    // -2 and the most negative number
    CHECK(
        code(Sender::frontend, frame('B', "\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"s)) == errc::bad_length
    );
    CHECK(code(Sender::frontend, frame('B', "\0\0\0\0\0\1\x80\0\0\0\0\0"s)) == errc::bad_length);
    CHECK(
        code(Sender::frontend, frame('B', "\0\0\0\0\0\1\x7f\xff\xff\xff\0\0"s)) == errc::truncated
    );
    CHECK(
        code(Sender::frontend, frame('F', "\0\0\0\1\0\2\0\0\0\0\0\1\0\0\0\0\0\0"s)) ==
        errc::bad_count
    );
    CHECK(
        code(Sender::frontend, frame('p', "X\0\xff\xff\xff\xfe"s), AuthPhase::sasl_initial) ==
        errc::bad_length
    );
    CHECK(code(Sender::backend, frame('T', "\xff\xff"s)) == errc::bad_count);
    CHECK(code(Sender::backend, frame('D', "\xff\xff"s)) == errc::bad_count);
    CHECK(code(Sender::backend, frame('t', "\xff\xff\0\0"s)) == errc::bad_count);
    CHECK(code(Sender::backend, frame('H', "\0\x7f\xff\0\0"s)) == errc::bad_count);
    CHECK(code(Sender::backend, frame('v', "\0\3\0\0\xff\xff\xff\xff"s)) == errc::bad_count);
    CHECK(code(Sender::backend, frame('V', "\xff\xff\xff\xfe"s)) == errc::bad_length);
}

}  // namespace dbguard::wire::postgres
