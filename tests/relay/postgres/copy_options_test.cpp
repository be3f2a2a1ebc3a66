#include "relay/postgres/copy_options.hpp"

#include <doctest/doctest.h>

namespace dbguard::relay::postgres {

using masking::CopyFormat;

TEST_CASE("the options of COPY in their three forms") {
    const auto text = copy_options("COPY t TO STDOUT", false);
    REQUIRE(text);
    CHECK(text->options.format == CopyFormat::text);
    CHECK(text->options.delimiter == '\t');
    CHECK(text->options.null == "\\N");

    const auto csv = copy_options("copy t (a, b) to stdout with (format csv, header, delimiter ';', null 'none', quote E'\\'', force_quote (a, \"B\"))", false);
    REQUIRE(csv);
    CHECK(csv->options.format == CopyFormat::csv);
    CHECK(csv->options.header);
    CHECK(csv->options.delimiter == ';');
    CHECK(csv->options.null == "none");
    CHECK(csv->options.quote == '\'');
    CHECK(csv->options.escape == '\'');
    CHECK(csv->force_quote_all);

    const auto old = copy_options("COPY t TO STDOUT CSV HEADER QUOTE AS '\"' FORCE QUOTE a, b;", false);
    REQUIRE(old);
    CHECK(old->options.format == CopyFormat::csv);
    CHECK(old->options.header);

    const auto oldest = copy_options("COPY BINARY t TO STDOUT", true);
    REQUIRE(oldest);
    CHECK(oldest->options.format == CopyFormat::binary);
    const auto delimiters = copy_options("COPY t TO stdout USING DELIMITERS '|' WITH NULL AS ''", false);
    REQUIRE(delimiters);
    CHECK(delimiters->options.delimiter == '|');
    CHECK(delimiters->options.null.empty());
}

TEST_CASE("a query inside COPY does not disturb its options") {
    const auto options = copy_options("copy (select 'x to stdout csv' as \"to\", $$)$$ /* ) */ from t -- to\n) to stdout (header false, format 'csv')", false);
    REQUIRE(options);
    CHECK(options->options.format == CopyFormat::csv);
    CHECK(!options->options.header);
    CHECK(copy_options("COPY (SELECT a AS U&\"\\0061\" FROM t WHERE b LIKE '50\\%' OR b = U&'\\0041') TO STDOUT", false));
}

TEST_CASE("a backslash in an option's string is one") {
    const auto options = copy_options("COPY t TO STDOUT (FORMAT csv, NULL '\\N')", false);
    REQUIRE(options);
    CHECK(options->options.null == "\\N");
}

TEST_CASE("what is not understood is no option") {
    for (const char* text : {
             "COPY t TO STDOUT (format nonsense)",
             "COPY t TO STDOUT (delimiter 'ab')",
             "COPY t TO STDOUT (unknown 1)",
             "COPY t TO STDOUT (delimiter U&'!0041' )",
             "COPY t TO STDOUT (delimiter E'\\x41')",
             "COPY t TO STDOUT (header",
             "COPY t TO 'file'",
             "SELECT 1",
             "",
         })
        CHECK_MESSAGE(!copy_options(text, false), text);
    CHECK(!copy_options("COPY t TO STDOUT", true));                  // the server says binary, the text does not
    CHECK(!copy_options("COPY t TO STDOUT (format binary)", false));  // and the other way round
}

TEST_CASE("the query that has a COPY's columns") {
    CHECK(copy_source_query("copy t to stdout") == "SELECT * FROM  t");
    CHECK(copy_source_query("COPY s.\"T\" (a, \"b)\") TO STDOUT CSV") == "SELECT a, \"b)\" FROM  s.\"T\" ");
    CHECK(copy_source_query("copy (select (1), 'to' from t) to stdout") == "select (1), 'to' from t");
    CHECK(copy_source_query("copy binary t to stdout") == "SELECT * FROM  t");
    CHECK(!copy_source_query("select 1"));
    CHECK(!copy_source_query("copy t from stdin"));
}

}  // namespace dbguard::relay::postgres
