#include "wire/postgres/trace.hpp"

#include <doctest/doctest.h>

#include "examples.hpp"

namespace dbguard::wire::postgres {
using namespace test;

TEST_CASE("quoted text shows every byte and cannot break a line or a terminal") {
    CHECK(trace_quoted("") == R"("")");
    CHECK(trace_quoted("a\"b\\c") == R"("a\"b\\c")");
    CHECK(trace_quoted("a\nb\r\tc") == R"("a\nb\r\tc")");
    CHECK(trace_quoted("\0\x1b[2J\x7f"s) == R"("\x00\x1b[2J\x7f")");
    CHECK(trace_quoted("caf\xc3\xa9 \xff\xc3") == "\"caf\xc3\xa9 \\xff\\xc3\"");
    CHECK(trace_quoted("\xc2\x9b") == R"("\xc2\x9b")");  // U+009B begins a control sequence
    CHECK(trace_quoted("abcdef", 3) == "\"abc\"…(6 bytes)");
    CHECK(trace_quoted("a\xc3\xa9", 2) == "\"a\\xc3\"…(3 bytes)");
}

TEST_CASE("no trace holds a password, a proof or a key") {
    for (const auto& example : examples()) {
        const auto view = **first_frame(example.bytes, example.sender);
        const auto line = trace(example.sender, view, example.phase);
        for (const auto* secret :
             {"hunter2", "n=,", "c=biws", "salt", "keyy", "kkkk", "r=x", "v=x"})
            CHECK(line.find(secret) == std::string::npos);
    }
    CHECK(trace(StartupPacket(CancelRequest{1, "sesame"})).find("sesame") == std::string::npos);
    // Not even when it does not decode.
    const auto broken = frame('p', "hunter2");
    CHECK(
        trace(Sender::frontend, **first_frame(broken, Sender::frontend), AuthPhase::password) ==
        "F ?p 7 bytes: truncated"
    );
    CHECK(
        trace(Sender::frontend, **first_frame(broken, Sender::frontend)) ==
        "F ?p 7 bytes: unknown_type"
    );
}

TEST_CASE("an error field with a strange code is still a line") {
    const auto bytes = frame('E', "\nx\0\0"s);
    CHECK(
        trace(Sender::backend, **first_frame(bytes, Sender::backend)) ==
        R"(B ErrorResponse \x0a="x")"
    );
}

}  // namespace dbguard::wire::postgres
