// What the server's plans say of rows.

#include "catalogue/estimate.hpp"

#include <doctest/doctest.h>

using dbguard::catalogue::postgres::read_estimate;

namespace {

std::uint64_t rows(const char* plan) {
    const auto read = read_estimate({{plan}});
    REQUIRE(read.has_value());
    return *read;
}

}  // namespace

TEST_CASE("what a statement returns is the top of its plan") {
    CHECK(rows(R"([{"Plan": {"Node Type": "Limit", "Plan Rows": 5, "Plans": [{"Node Type": "Seq Scan", "Plan Rows": 50000}]}}])") == 5);
    CHECK(rows(R"([{"Plan": {"Node Type": "Seq Scan", "Plan Rows": 1e30}}])") == 1'000'000'000'000'000'000);
    CHECK(rows("[]") == 0);
}

TEST_CASE("what a write changes is what it is given, wherever it stands") {
    CHECK(rows(R"([{"Plan": {"Node Type": "ModifyTable", "Plan Rows": 0, "Plans": [{"Node Type": "Seq Scan", "Plan Rows": 700}]}}])") == 700);
    CHECK(rows(R"([{"Plan": {"Node Type": "Aggregate", "Plan Rows": 1, "Plans": [{"Node Type": "ModifyTable", "Plan Rows": 40, "Plans": [{"Node Type": "Append", "Plan Rows": 90}]}]}}])") == 90);
    // A rule made two of one.
    CHECK(rows(R"([{"Plan": {"Node Type": "Result", "Plan Rows": 1}}, {"Plan": {"Node Type": "Result", "Plan Rows": 3}}])") == 3);
}

TEST_CASE("what is no plan is no estimate") {
    for (const char* text : {"", "{", "{}", "3", "[3]", "[{}]", R"(["Utility Statement"])", R"([{"Plan": 3}])", R"([{"Plan": {"Plans": [3]}}])"}) CHECK(!read_estimate({{text}}));
    CHECK(!read_estimate({}));
    CHECK(!read_estimate({{"[]"}, {"[]"}}));
    CHECK(!read_estimate({{std::nullopt}}));
}
