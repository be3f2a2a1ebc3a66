#include "wire/postgres/result.hpp"

#include <doctest/doctest.h>

#include "examples.hpp"

namespace dbguard::wire::postgres {
using namespace test;

TEST_CASE("columns survive the way there and back") {
    const std::vector<Column> columns{
        {"id", 16385, 1, 23, 4, -1, 0},
        {"naïve \"name\"", 0, 0, 1043, -1, 14, 1},
        {"", 4'294'967'295, -1, 25, -2, -2'147'483'648, 0},
    };
    std::string out;
    ByteWriter writer(out);
    REQUIRE(encode_row_description(columns, writer).has_value());
    const auto view = decode_row_description(std::string_view(out).substr(frame_header_bytes));
    REQUIRE(view.has_value());
    CHECK(to_columns(*view) == columns);
    std::size_t seen = 0;
    for (const auto column : *view) {
        CHECK(column.name == columns[seen].name);
        ++seen;
    }
    CHECK(seen == 3);
    std::string again;
    ByteWriter second(again);
    REQUIRE(encode(*view, second).has_value());
    CHECK(again == out);
}

TEST_CASE("rows split in one pass into memory that is used again") {
    std::string out;
    ByteWriter writer(out);
    const std::vector<ValueView> values{"a", std::nullopt, "", std::string_view("\0\xff", 2)};
    REQUIRE(encode_data_row(values, writer).has_value());
    const auto body = std::string_view(out).substr(frame_header_bytes);
    std::vector<ValueView> fields;
    REQUIRE(split_data_row(body, fields));
    CHECK(fields == values);
    const auto* memory = fields.data();
    REQUIRE(split_data_row(body, fields));
    CHECK(fields.data() == memory);
    const auto row = decode_data_row(body);
    REQUIRE(row.has_value());
    CHECK(std::vector<ValueView>(row->values.begin(), row->values.end()) == values);
}

TEST_CASE("both ways of reading a row refuse the same bytes") {
    const auto whole = "\0\3\0\0\0\1a\xff\xff\xff\xff\0\0\0\0"s;
    std::vector<ValueView> fields;
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const auto cut = std::string_view(whole).substr(0, length);
        CHECK_FALSE(split_data_row(cut, fields));
        CHECK_FALSE(decode_data_row(cut).has_value());
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (int byte = 0; byte < 256; ++byte) {
            auto changed = whole;
            changed[at] = static_cast<char>(byte);
            CHECK(split_data_row(changed, fields) == decode_data_row(changed).has_value());
        }
    }
}

TEST_CASE("command tags name their rows") {
    CHECK(tag_rows("SELECT 5") == 5);
    CHECK(tag_rows("INSERT 0 17") == 17);
    CHECK(tag_rows("COPY 18446744073709551615") == 18'446'744'073'709'551'615U);
    CHECK_FALSE(tag_rows("CREATE TABLE").has_value());
    CHECK_FALSE(tag_rows("BEGIN").has_value());
    CHECK_FALSE(tag_rows("SELECT 18446744073709551616").has_value());
    CHECK_FALSE(tag_rows("SELECT -1").has_value());
    CHECK_FALSE(tag_rows("").has_value());
}

TEST_CASE("what cannot be sent is refused and leaves nothing behind") {
    std::string out;
    ByteWriter writer(out);
    CHECK(encode_data_row(std::vector<ValueView>(65'536), writer).error().code == errc::bad_count);
    CHECK(
        encode_row_description(std::vector<Column>{{"a\0b"s}}, writer).error().code ==
        errc::nul_in_string
    );
    CHECK(
        encode_row_description(std::vector<Column>(65'536), writer).error().code == errc::bad_count
    );
    CHECK(encode(CommandCompleteView{"a\0b"s}, writer).error().code == errc::nul_in_string);
    CHECK(out.empty());
}

}  // namespace dbguard::wire::postgres
