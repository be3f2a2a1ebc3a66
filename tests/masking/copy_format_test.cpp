#include "masking/copy_format.hpp"

#include <doctest/doctest.h>

using namespace dbguard;
using namespace dbguard::masking;
using namespace std::string_literals;

namespace {

const Masker& masker() {
    static const Masker one{Secret("key")};
    return one;
}

CopyColumn column(
    std::string_view with = "", std::string_view type = "text", bool force_quote = false
) {
    CopyColumn result;
    if (!with.empty()) result.mask = parse_mask(with).value();
    result.type = std::make_shared<Type>(postgres_type(type, 0, -1));
    result.force_quote = force_quote;
    return result;
}

/// The masked data, or the error's code after `!`.
std::string masked(
    const CopyOptions& options,
    const std::vector<CopyColumn>& columns,
    std::string_view data,
    std::size_t piece
) {
    auto made = CopyMasker::make(masker(), options, columns);
    if (!made) return "!" + std::string(made.error().code);
    std::string out;
    for (std::size_t at = 0; at < data.size(); at += piece)
        if (const auto fed = made->feed(data.substr(at, piece), out); !fed)
            return "!" + std::string(fed.error().code);
    if (const auto done = made->finish(); !done) return "!" + std::string(done.error().code);
    return out;
}

/// The same, having tried every way to cut the data into equal pieces.
std::string masked(
    const CopyOptions& options, const std::vector<CopyColumn>& columns, std::string_view data
) {
    const std::string whole = masked(options, columns, data, data.size() + 1);
    for (std::size_t piece = 1; piece <= data.size(); ++piece) {
        CAPTURE(piece);
        CHECK(masked(options, columns, data, piece) == whole);
    }
    return whole;
}

std::string field(std::string_view value) {
    return std::string("\0\0\0", 3) + static_cast<char>(value.size()) + std::string(value);
}
const std::string header = "PGCOPY\n\377\r\n\0"s + "\0\0\0\0"s + "\0\0\0\0"s;
const std::string trailer = "\377\377";
const std::string null_field = "\377\377\377\377";

}  // namespace

TEST_CASE("text: only masked fields change") {
    const std::vector<CopyColumn> columns = {
        column(), column("last(2)"), column("bucket(10)", "int4"), column()};
    CHECK(
        masked({}, columns, "a\\tb\tsecret12\t57\t\\N\n\\N\t\\N\t\\N\t\\\\\n") ==
        "a\\tb\t******12\t50\t\\N\n\\N\t\\N\t\\N\t\\\\\n"
    );
    CHECK(masked({}, columns, "") == "");
}

TEST_CASE("text: values are unescaped for the mask and escaped again") {
    const std::vector<CopyColumn> columns = {column("first(1)")};
    CHECK(masked({}, columns, "x\\ty\\\\z\\n\\b\\v\n") == "x\\t*\\\\*\\n\\b\\v\n");
    CopyOptions bar;
    bar.delimiter = '|';
    bar.null = "nil";
    CHECK(
        masked(bar, {column("last(1)"), column("null")}, "a\\|b\t|x\nnil|\n") ==
        "*\\|*\\t|nil\nnil|nil\n"
    );
}

TEST_CASE("text: a header stays") {
    CopyOptions options;
    options.header = true;
    auto made = CopyMasker::make(masker(), options, {column(), column("redact")});
    REQUIRE(made.has_value());
    std::string out;
    REQUIRE(made->feed("id\tmail\n1\tx\n2\ty\n", out).has_value());
    CHECK(out == "id\tmail\n1\t***\n2\t***\n");
    CHECK(made->rows() == 2);
}

TEST_CASE("text: what does not fit the columns is an error") {
    const std::vector<CopyColumn> columns = {column("redact"), column()};
    for (const char* data :
         {"a\n", "a\tb\tc\n", "a\tb", "a\\x41\tb\n", "a\\101\tb\n", "\n", "a\tb\\"}) {
        CAPTURE(data);
        CHECK(masked({}, columns, data) == "!bad_copy_data");
    }
    CHECK(masked({}, {}, "\n\n") == "\n\n");
    CHECK(masked({}, {}, "x\n") == "!bad_copy_data");
}

TEST_CASE("CSV: only masked fields change") {
    const std::vector<CopyColumn> columns = {column(), column("last(2)"), column("redact")};
    CHECK(
        masked(CopyOptions::csv(), columns, "\"a\"\"b\",\"x,\n\"\"12\",\n,,\"\"\n") ==
        "\"a\"\"b\",\"*,\n\"\"**\",\n,,\"\"\n"
    );
    CHECK(masked(CopyOptions::csv(), columns, "1,abcd,x\r\n") == "1,**cd,***\r\n");
}

TEST_CASE("CSV: quotes come where the server sets them") {
    CopyOptions options = CopyOptions::csv();
    options.delimiter = ';';
    options.null = "***";
    options.quote = '\'';
    options.escape = '\\';
    CHECK(
        masked(options, {column("redact"), column("last(2)", "text", true)}, "x;y\n***;***\n") ==
        "'***';'*'\n***;***\n"
    );
    CHECK(masked(options, {column("last(2)")}, "'ab\\'cd\\\\e;'\n") == "'**\\'**\\\\e;'\n");
    CHECK(masked(CopyOptions::csv(), {column("last(1)")}, "\"\\.\"\n") == "\"\\.\"\n");
    CHECK(masked(CopyOptions::csv(), {column("last(1)"), column()}, "\"\\.\",\n") == "\\.,\n");
    // Empty text is not NULL.
    CHECK(masked(CopyOptions::csv(), {column("zero"), column("null")}, "x,y\n") == "\"\",\n");
}

TEST_CASE("CSV: a header stays, whatever is in it") {
    CopyOptions options = CopyOptions::csv();
    options.header = true;
    CHECK(masked(options, {column("redact")}, "\"a\nb\"\nsecret\n") == "\"a\nb\"\n***\n");
}

TEST_CASE("CSV: what does not fit is an error") {
    const std::vector<CopyColumn> columns = {column("redact"), column()};
    for (const char* data : {"a\n", "a,b,c\n", "\"a,b\n", "a,b"})
        CHECK(masked(CopyOptions::csv(), columns, data) == "!bad_copy_data");
}

TEST_CASE("binary: only masked fields change") {
    const std::vector<CopyColumn> columns = {column(), column("redact"), column("last(1)", "int4")};
    const std::string data = header + "\0\3"s + field("id") + field("x") + field("\0\0\0\1"s) +
                             "\0\3"s + null_field + null_field + null_field + trailer;
    CHECK(
        masked(CopyOptions::binary(), columns, data) ==
        header + "\0\3"s + field("id") + field("***") + null_field + "\0\3"s + null_field +
            null_field + null_field + trailer
    );
}

TEST_CASE("binary: what does not fit is an error") {
    const std::vector<CopyColumn> columns = {column("redact")};
    for (const std::string& data :
         {header,
          header + "\0\2"s + field("a") + field("b") + trailer,
          header + "\0\1"s + "\377\377\377\376" + trailer,
          "PGCOPY\n\377\r\n\1"s + std::string(8, '\0') + trailer,
          "PGCOPY\n\377\r\n\0\0\1\0\0\0\0\0\0"s + trailer,
          header + trailer + "x",
          header + "\0\1"s + "\0\0\0\5ab"s})
        CHECK(masked(CopyOptions::binary(), columns, data, data.size()) == "!bad_copy_data");
}

TEST_CASE("options that cannot be told apart are refused") {
    const auto refused = [](const CopyOptions& options) {
        return CopyMasker::make(masker(), options, {}).has_error();
    };
    CopyOptions options;
    CHECK(!refused(options));
    for (const char delimiter : {'\n', '\r', '\\', 'a', '.', '0'}) {
        options = {};
        options.delimiter = delimiter;
        CHECK(refused(options));
    }
    options = {};
    options.null = "a\tb";
    CHECK(refused(options));
    options = CopyOptions::csv();
    options.quote = ',';
    CHECK(refused(options));
    options = CopyOptions::csv();
    options.null = "\"\"";
    CHECK(refused(options));
    options = {};
    options.encoding = "LATIN1";
    CHECK(refused(options));
    options.encoding = "utf8";
    CHECK(!refused(options));
}

TEST_CASE("characters that hold ASCII bytes cannot be taken apart") {
    Masker sjis{Secret("key")};
    sjis.set_parameter("client_encoding", "SJIS");
    auto made = CopyMasker::make(sjis, {}, {column("redact")});
    REQUIRE(made.has_value());
    std::string out;
    CHECK(made->feed("x\n", out).has_error());
}

TEST_CASE("a row longer than the limit is an error") {
    CopyOptions options;
    options.max_row_bytes = 10;
    CHECK(masked(options, {column()}, "01234567890123456789\n", 5) == "!copy_row_too_long");
    CHECK(masked(options, {column()}, "012345678\n012345678\n", 5) == "012345678\n012345678\n");
}
