// Which given values are looked at, and how many comparisons a session has.

#include "relay/given_values.hpp"

#include <doctest/doctest.h>

using namespace dbguard;
using namespace dbguard::relay;
using namespace std::chrono_literals;

namespace {

const recording::Lexis lexis = recording::Lexis::postgres();

const EqualityBudget::Clock::time_point start{std::chrono::seconds(1795183387)};

WatchedValue compared(bool parameter = false) { return {parameter, 0, false, 1, "public.people.email", "masks.pii.filter", {}}; }

/// How many of the same may be compared at `at`; the budget is empty afterwards.
int drain(EqualityBudget& budget, EqualityBudget::Clock::time_point at) {
    const std::vector<WatchedValue> one{compared()};
    int count = 0;
    while (!budget.take(one, {}, at)) ++count;
    return count;
}

std::string big_endian(std::initializer_list<std::uint32_t> numbers) {
    std::string out;
    for (const std::uint32_t number : numbers)
        for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
    return out;
}

}  // namespace

TEST_CASE("so many comparisons at once, and then so many a second, for each column") {
    EqualityBudget budget;
    CHECK(drain(budget, start) == 10'000);
    CHECK(drain(budget, start + 2s) == 100);
    CHECK(drain(budget, start + 1s) == 0);  // a clock that goes back gives nothing
    CHECK(drain(budget, start + 24h) == 10'000);
    WatchedValue other = compared();
    other.column = "public.people.phone";
    CHECK(!budget.take(std::vector{other}, {}, start + 24h));
}

TEST_CASE("a refusal takes nothing of any column") {
    EqualityBudget budget;
    WatchedValue other = compared();
    other.column = "public.people.phone";
    std::vector<WatchedValue> both(9'999, compared());
    both.push_back(other);
    CHECK(!budget.take(both, {}, start));
    const auto refusal = budget.take(both, {}, start);
    REQUIRE(refusal.has_value());
    CHECK(refusal->sqlstate == "54000");
    CHECK(refusal->message.find("public.people.email") != std::string::npos);
    CHECK(!budget.take(std::vector<WatchedValue>(9'999, other), {}, start));
}

TEST_CASE("an array counts as its elements, in text and binary; what is too long to be held as all that may be") {
    const std::vector<WatchedValue> one{compared(true)};
    const auto left_after = [&](std::optional<std::string_view> value, bool binary) {
        EqualityBudget budget;
        const std::vector<std::optional<std::string_view>> parameters{value};
        const std::vector<std::int16_t> formats{static_cast<std::int16_t>(binary)};
        REQUIRE(!budget.take(one, {false, "", lexis, parameters, formats}, start));
        return drain(budget, start);
    };
    CHECK(left_after("a@b.example", false) == 9'999);
    CHECK(left_after(std::nullopt, false) == 10'000 - 1);
    CHECK(left_after("{a,b,c}", false) == 9'997);
    CHECK(left_after("[0:1]={a,b}", false) == 9'998);
    std::string array = big_endian({1, 0, 25, 3, 1, 1});
    array += "a";
    array += big_endian({1}) + "b" + big_endian({1}) + "c";
    CHECK(left_after(array, true) == 9'997);
    CHECK(left_after(big_endian({1, 0, 25, 0xffffffff, 1}), true) == 10'000 - 5);  // no more than there is room for
    CHECK(left_after("twenty bytes of text", true) == 9'999);
    EqualityBudget budget;
    CHECK(!budget.take(one, {}, start));
    CHECK(drain(budget, start) == 0);
}

TEST_CASE("what a mask made is not stored, as a literal or a parameter") {
    const auto mask = masking::parse_mask("email");
    REQUIRE(mask.has_value());
    const std::vector<WatchedValue> literal{{false, 1, false, 1, "public.people.email", "masks.pii[0]", *mask}};
    CHECK(written_back(literal, {false, "update people set id = 5, email = 'a***@e***.com'", lexis, {}, {}}).has_value());
    CHECK(written_back(literal, {false, "update people set id = 5, email = $x$a***@e***.com$x$", lexis, {}, {}}).has_value());
    CHECK(!written_back(literal, {false, "update people set id = 5, email = 'a@e.com'", lexis, {}, {}}).has_value());
    const std::vector<WatchedValue> parameter{{true, 1, false, 1, "public.people.email", "masks.pii[0]", *mask}};
    const std::vector<std::optional<std::string_view>> shown{"a***@e***.com", "a***@e***.com"}, real{"a***@e***.com", "a@e.com"}, none{std::nullopt, std::nullopt};
    CHECK(written_back(parameter, {false, "", lexis, shown, {}}).has_value());
    CHECK(!written_back(parameter, {false, "", lexis, real, {}}).has_value());
    CHECK(!written_back(parameter, {false, "", lexis, none, {}}).has_value());
    CHECK(!written_back(parameter, {}).has_value());
}
