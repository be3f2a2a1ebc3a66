#include "masking/mask.hpp"

#include <doctest/doctest.h>

using namespace dbguard::masking;

namespace {
Mask parsed(std::string_view text) { return parse_mask(text).value(); }
}  // namespace

TEST_CASE("every function is read and written back") {
    for (const char* with :
         {"null",
          "redact",
          "replace",
          "hash",
          "email",
          "keep",
          "zero",
          "first(2)",
          "last(0)",
          "bucket(18446744073709551615)",
          "partial(1,20)",
          "date(year)",
          "date(month)"}) {
        CAPTURE(with);
        REQUIRE(parse_mask(with).has_value());
        CHECK(text(parsed(with)) == with);
    }
    CHECK(parsed("partial(1,20)").a == 1);
    CHECK(parsed("partial(1,20)").b == 20);
}

TEST_CASE("what is no mask is refused") {
    for (const char* with :
         {"",
          "Redact",
          "redact()",
          "first",
          "first()",
          "first(-1)",
          "first(1",
          "first(1,2)",
          "first( 1)",
          "partial(1)",
          "partial(,1)",
          "partial(1,2,3)",
          "bucket(0)",
          "bucket(18446744073709551616)",
          "date(day)",
          "last(4) "}) {
        CAPTURE(with);
        const auto result = parse_mask(with);
        REQUIRE(result.has_error());
        CHECK(result.error().code == errc::bad_mask);
    }
}

TEST_CASE("the stricter of two masks shows no more than either") {
    const char* rows[][3] = {
        {"null", "redact", "null"},
        {"redact", "replace", "redact"},
        {"replace", "hash", "replace"},
        {"hash", "zero", "hash"},
        {"zero", "last(4)", "zero"},
        {"email", "keep", "email"},
        {"keep", "keep", "keep"},
        {"first(2)", "first(4)", "first(2)"},
        {"partial(1,4)", "partial(3,2)", "partial(1,2)"},
        {"first(2)", "last(2)", "redact"},
        {"email", "first(1)", "redact"},
        {"bucket(10)", "bucket(100)", "bucket(100)"},
        {"bucket(10)", "bucket(15)", "redact"},
        {"zero", "bucket(10)", "redact"},
        {"date(year)", "date(month)", "date(year)"},
        {"date(year)", "date(year)", "date(year)"},
    };
    for (const auto& [a, b, expected] : rows) {
        CAPTURE(a);
        CAPTURE(b);
        CHECK(text(stricter(parsed(a), parsed(b))) == expected);
        CHECK(text(stricter(parsed(b), parsed(a))) == expected);
    }
}

TEST_CASE("two masks on parts cover both parts, and a mask on the whole covers all") {
    Mask tin = parsed("redact");
    tin.keys = {{"tax", "tin"}};
    Mask mail = parsed("hash");
    mail.keys = {{"mail"}};
    const Mask both = stricter(tin, mail);
    CHECK(both.function == Function::redact);
    CHECK((both.keys == std::vector<std::vector<std::string>>{{"tax", "tin"}, {"mail"}}));
    CHECK(stricter(tin, parsed("last(4)")).keys.empty());
    CHECK((stricter(tin, parsed("keep")) == tin));

    Mask cards = parsed("replace");
    cards.detectors = {"credit_card"};
    Mask mails = parsed("replace");
    mails.detectors = {"email"};
    CHECK((stricter(cards, mails).detectors == std::vector<std::string>{"credit_card", "email"}));
    CHECK(stricter(cards, parsed("hash")).detectors.empty());
}
