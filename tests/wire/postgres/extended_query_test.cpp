#include "wire/postgres/extended_query.hpp"

#include <doctest/doctest.h>

#include "examples.hpp"

namespace dbguard::wire::postgres {
using namespace test;

TEST_CASE("a Bind gives its parts without copying") {
    const auto body = "p\0s\0\0\2\0\0\0\1\0\2\0\0\0\2ab\xff\xff\xff\xff\0\1\0\1"s;
    const auto bind = decode_bind(body);
    REQUIRE(bind.has_value());
    CHECK(bind->portal == "p");
    CHECK(bind->statement == "s");
    REQUIRE(bind->parameter_formats.size() == 2);
    CHECK(bind->parameter_formats[1] == 1);
    const std::vector<ValueView> values(bind->parameters.begin(), bind->parameters.end());
    CHECK(values == std::vector<ValueView>{"ab", std::nullopt});
    CHECK(values[0]->data() >= body.data());
    CHECK(values[0]->data() < body.data() + body.size());
    CHECK(bind->result_formats.size() == 1);
}

TEST_CASE("a Bind with more formats than parameters is one") {
    const auto bind = decode_bind("\0s\0\0\2\0\0\0\1\0\1\0\0\0\1a\0\0"s);
    REQUIRE(bind.has_value());
    CHECK(bind->parameter_formats.size() == 2);
    CHECK(bind->parameters.size() == 1);
}

TEST_CASE("formats are none, one for all, or one each") {
    const auto formats = [](const std::string& raw, std::size_t i) {
        return format_at(Int16ListView(raw), i);
    };
    CHECK(formats("", 3) == 0);
    CHECK(formats("\0\1"s, 3) == 1);
    CHECK(formats("\0\0\0\1"s, 0) == 0);
    CHECK(formats("\0\0\0\1"s, 1) == 1);
    CHECK(formats("\0\0\0\1"s, 7) == 0);
}

TEST_CASE("a Bind made of values decodes to them") {
    std::string out;
    ByteWriter writer(out);
    const std::vector<ValueView> values{"1", std::nullopt, ""};
    const std::vector<std::int16_t> binary{1};
    REQUIRE(encode_bind("", "s", {}, values, binary, writer).has_value());
    const auto bind = decode_bind(std::string_view(out).substr(frame_header_bytes));
    REQUIRE(bind.has_value());
    CHECK(std::vector<ValueView>(bind->parameters.begin(), bind->parameters.end()) == values);
    CHECK(bind->result_formats[0] == 1);
}

TEST_CASE("what cannot be sent is refused and leaves nothing behind") {
    std::string out;
    ByteWriter writer(out);
    const auto nul = "a\0b"s;
    CHECK(encode(ParseView{"", nul, {}}, writer).error().code == errc::nul_in_string);
    CHECK(encode(ParseView{nul, "", {}}, writer).error().code == errc::nul_in_string);
    CHECK(encode(BindView{nul, "", {}, {}, {}}, writer).error().code == errc::nul_in_string);
    CHECK(encode(DescribeView{Target::portal, nul}, writer).error().code == errc::nul_in_string);
    CHECK(encode(ExecuteView{nul, 0}, writer).error().code == errc::nul_in_string);
    const std::vector<ValueView> many(65'536);
    const std::vector<std::int16_t> two{0, 1};
    CHECK(encode_bind("", "", {}, many, {}, writer).error().code == errc::bad_count);
    CHECK(encode_bind("", "", two, {many.data(), 3}, {}, writer).error().code == errc::bad_count);
    CHECK(out.empty());
    // The most parameters that the protocol can count are fine.
    REQUIRE(encode_bind("", "", {}, {many.data(), 65'535}, {}, writer).has_value());
    CHECK(
        decode_bind(std::string_view(out).substr(frame_header_bytes))->parameters.size() == 65'535
    );
}

TEST_CASE("a Parse made of type ids decodes to them") {
    std::string out;
    ByteWriter writer(out);
    const std::vector<std::uint32_t> types{23, 0, 4'000'000'000};
    REQUIRE(encode_parse("s", "select $1", types, writer).has_value());
    const auto parse = decode_parse(std::string_view(out).substr(frame_header_bytes));
    REQUIRE(parse.has_value());
    REQUIRE(parse->parameter_types.size() == 3);
    CHECK(parse->parameter_types[0] == 23);
    CHECK(parse->parameter_types[2] == 4'000'000'000);
}

}  // namespace dbguard::wire::postgres
