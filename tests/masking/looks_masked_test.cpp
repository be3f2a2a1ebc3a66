// What a mask made is known again; what a person writes is not taken for it.

#include "masking/looks_masked.hpp"

#include <doctest/doctest.h>

#include "masking/apply.hpp"

using namespace dbguard;
using namespace dbguard::masking;

namespace {

Mask mask_of(const char* with) {
    const auto mask = parse_mask(with);
    REQUIRE(mask.has_value());
    return *mask;
}

}  // namespace

TEST_CASE("what a mask makes looks masked, whatever it was") {
    const Masker masker(Secret("k"));
    for (const char* with : {"redact", "replace", "email", "first(2)", "last(4)", "partial(1,1)"})
        for (const char* value : {"ada.lovelace@example.com", "+44 20 7946 0018", "911-44-9434", "Grace Hopper", "Ærøskøbing 12", "a@b.c", "x1", "日本語テキスト"}) {
            const auto masked = masker.mask_text(mask_of(with), value);
            REQUIRE(masked.has_value());
            INFO((std::string(with) + " makes " + *masked + " of " + value));
            CHECK(looks_masked(mask_of(with), *masked));
            CHECK(!looks_masked(mask_of(with), value));
        }
}

TEST_CASE("ordinary values do not, nor those of masks that show ordinary values") {
    for (const char* value : {"", "0", "new@example.org", "**important**", "5 * 3", "a*b", "2020-01-01", "d41d8cd98f00b204e9800998ecf8427e"}) {
        INFO(std::string(value));
        for (const char* with : {"redact", "replace", "email", "last(4)", "hash", "null", "zero", "bucket(10)", "date(year)", "keep"}) CHECK(!looks_masked(mask_of(with), value));
    }
    CHECK(!looks_masked(mask_of("email"), "\xff***@e***.c"));
}

TEST_CASE("a masked member is seen in the text of its value") {
    Mask mask = mask_of("redact");
    mask.keys = {{"tax", "tin"}};
    CHECK(looks_masked(mask, R"({"tax": {"tin": "***"}, "city": "Bern"})"));
    CHECK(!looks_masked(mask, R"({"tax": {"tin": "12"}})"));
}
