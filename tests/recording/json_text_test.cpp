#include "recording/json_text.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "recording/event.hpp"
#include "recording/printable.hpp"
#include "recording/replay.hpp"

using namespace dbguard::recording;

namespace {
std::string json_of(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}
}  // namespace

TEST_CASE("strings come back from a JSON parser as they went in") {
    std::string every;
    for (int c = 0; c < 0x80; ++c) every.push_back(static_cast<char>(c));
    for (const std::string& text : {std::string(), every, std::string("ä € 😀 \u0085 \u009b31m \u202e \u2066 \u200b \ufeff \u061c")}) {
        const auto json = json_of(text);
        CHECK(nlohmann::json::parse(json).get<std::string>() == text);
        for (const char c : json) CHECK(static_cast<unsigned char>(c) >= 0x20);
    }
    CHECK(json_of("a\x1b[31m\x7f\n\"\\") == R"("a\u001b[31m\u007f\n\"\\")");
    CHECK(json_of("\u009b \u202e") == R"("\u009b \u202e")");
    CHECK(json_of("ä") == "\"ä\"");
}

TEST_CASE("bytes that are no UTF-8 become a replacement character each") {
    CHECK(json_of("a\xff" "b") == R"("a\ufffdb")");
    CHECK(json_of("\xc3") == R"("\ufffd")");
    CHECK(json_of("\xc0\xaf") == R"("\ufffd\ufffd")");
    CHECK(json_of("\xed\xa0\x80") == R"("\ufffd\ufffd\ufffd")");
    CHECK(json_of("\xf4\x90\x80\x80") == R"("\ufffd\ufffd\ufffd\ufffd")");
    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) {
        std::string bytes(random() % 24, '\0');
        for (char& byte : bytes) byte = static_cast<char>(random());
        CHECK(nlohmann::json::accept(json_of(bytes)));
    }
}

TEST_CASE("times and durations") {
    using namespace std::chrono;
    const auto text = [](std::int64_t ms) {
        std::string out;
        append_time(out, system_clock::time_point(milliseconds(ms)));
        return out;
    };
    CHECK(text(0) == "1970-01-01T00:00:00.000Z");
    CHECK(text(1795183387114) == "2026-11-20T14:03:07.114Z");
    CHECK(text(951782399999) == "2000-02-28T23:59:59.999Z");
    CHECK(text(951782400000) == "2000-02-29T00:00:00.000Z");
    CHECK(text(-1) == "1969-12-31T23:59:59.999Z");
    for (const std::int64_t ms : {0LL, 1795183387114LL, -1LL, 4102444799999LL})
        CHECK(parse_time(text(ms)) == system_clock::time_point(milliseconds(ms)));
    for (const std::string_view bad : {"", "2026-11-20", "2026-13-20T14:03:07.114Z", "2026-02-30T14:03:07.114Z",
                                       "2026-11-20T24:03:07.114Z", "2026-11-20T14:03:07.114", "9999-11-20T14:03:07.114Z"})
        CHECK_FALSE(parse_time(bad).has_value());

    const auto ms = [](std::int64_t count) {
        std::string out;
        append_milliseconds(out, microseconds(count));
        return out;
    };
    CHECK(ms(0) == "0");
    CHECK(ms(412) == "0.412");
    CHECK(ms(38000) == "38");
    CHECK(ms(1500) == "1.5");
    CHECK(ms(1005) == "1.005");
    CHECK(ms(-5) == "0");
}

TEST_CASE("printed text does nothing to a terminal or a runner's log") {
    CHECK(printable("a\x1b[2Jb\x07\x7f") == "a\\x1b[2Jb\\x07\\x7f");
    CHECK(printable("\xc2\x9b" "31m") == "\\u{009b}31m");
    CHECK(printable("a\u202eb\u2066c\u200bd\ufeff") == "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{feff}");
    CHECK(printable("\xff\xc3") == "\\xff\\xc3");
    CHECK(printable("ä € 😀") == "ä € 😀");
    CHECK(printable("x ##[error]y ###[z] ####[") == "x ##\\[error]y ###\\[z] ####\\[");
    CHECK(printable("a\r\nb\tc") == "a\\r\\nb\\tc");
    std::string out;
    append_printable(out, "a\n::set-output name=x::y", "| ");
    CHECK(out == "a\n| ::set-output name=x::y");
    CHECK(printable_json("{\"a\":\"\xc2\x9b\x7f\xe2\x80\xae\"}") == R"({"a":"\u009b\u007f\u202e"})");
    CHECK(printable_json(R"({"a":"###[x]"})") == R"({"a":"###\u005bx]"})");
}
