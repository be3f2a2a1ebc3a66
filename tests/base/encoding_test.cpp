#include "base/encoding.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace dbguard;

TEST_CASE("text is UTF-8 or not wherever in it the bytes stand that decide") {
    for (std::size_t before = 0; before < 20; ++before)
        for (std::size_t behind = 0; behind < 20; ++behind) {
            const auto in_text = [&](const std::string& bytes) { return is_valid_utf8(std::string(before, 'a') + bytes + std::string(behind, 'b')); };
            for (const char* good : {"", "\x7f", "\xc2\x80", "\xe2\x82\xac", "\xf4\x8f\xbf\xbf"}) CHECK(in_text(good));
            // A tail alone, overlong forms, a surrogate, behind the last character (RFC 3629 §3, §4).
            for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xff"}) CHECK(!in_text(bad));
            CHECK(!in_text("\xe2\x82"));
        }
}
