#include "masking/apply.hpp"

#include <doctest/doctest.h>

using namespace dbguard;
using namespace dbguard::masking;
using namespace std::string_literals;

namespace {

Masker masker() { return Masker(Secret("key")); }

Mask mask_of(std::string_view with, std::vector<std::vector<std::string>> keys = {}) {
    Mask mask = parse_mask(with).value();
    mask.keys = std::move(keys);
    return mask;
}

/// The masked value, or `NULL`.
std::string applied(
    const Masker& masker,
    const Mask& mask,
    const Type& type,
    std::string_view value,
    Format format = Format::text
) {
    std::string out = "x";
    if (masker.apply(mask, type, format, value, out) == Applied::null) {
        CHECK(out == "x");
        return "NULL";
    }
    return out.substr(1);
}

std::string applied(
    std::string_view with, const Type& type, std::string_view value, Format format = Format::text
) {
    return applied(masker(), mask_of(with), type, value, format);
}

Type named(std::string_view name, std::int32_t modifier = -1) {
    return postgres_type(name, 0, modifier);
}

Type array_of(Type element) {
    Type type;
    type.kind = Kind::array;
    type.element = std::make_shared<Type>(std::move(element));
    return type;
}

std::string big_endian(std::uint64_t value, int bytes) {
    std::string out;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(value >> shift));
    return out;
}

}  // namespace

TEST_CASE("the examples of the policy language") {
    CHECK(applied("email", named("text"), "jane@example.com") == "j***@e***.com");
    CHECK(applied("email", named("text"), "ab@cd.c") == "***@***.c");
    CHECK(applied("last(4)", named("text"), "911-44-9434") == "***-**-9434");
    CHECK(applied("first(0)", named("text"), "911-44-9434") == "***-**-****");
    CHECK(applied("zero", named("numeric", (12 << 16 | 2) + 4), "12.34") == "0.00");
    CHECK(applied("redact", named("bpchar", 2 + 4), "ab") == "NULL");
}

TEST_CASE("few letters are covered altogether") {
    CHECK(applied("last(4)", named("text"), "1234567") == "*******");
    CHECK(applied("last(4)", named("text"), "12345678") == "****5678");
    CHECK(applied("partial(1,1)", named("text"), "--a--bc-") == "--*--**-");
    CHECK(
        applied("partial(18446744073709551615,18446744073709551615)", named("text"), "abc") == "***"
    );
}

TEST_CASE("char(n) is masked without its padding and padded again") {
    const Type type = named("bpchar", 10 + 4);
    CHECK(applied("last(2)", type, "abcdef    ") == "****ef    ");
    CHECK(applied("redact", type, "abcdef    ") == "***       ");
    CHECK(applied("redact", type, "          ") == "          ");
    CHECK(applied("hash", named("bpchar", 16 + 4), "abcdef          ").size() == 16);
    CHECK(applied("hash", named("bpchar", 40 + 4), "abcdef").size() == 40);
}

TEST_CASE("names and single bytes keep to their size") {
    const std::string long_label(62, 'x');
    CHECK(applied("email", named("name"), "a@b." + long_label) == "NULL");
    CHECK(applied("email", named("text"), "a@b." + long_label) == "***@***." + long_label);
    CHECK(applied("redact", named("char"), "a") == "NULL");
    CHECK(applied("last(1)", named("char"), "a") == "*");
    CHECK(applied("zero", named("char"), "a") == "NULL");
}

TEST_CASE("an enum shows the masked text where it is a label") {
    Type type;
    type.kind = Kind::enumeration;
    type.labels = {"***", "abcd", "***d", "-"};
    CHECK(applied("redact", type, "abcd") == "***");
    CHECK(applied("last(1)", type, "abcd") == "***d");
    CHECK(applied("last(1)", type, "-") == "-");
    CHECK(applied("replace", type, "abcd") == "NULL");
    CHECK(applied("redact", type, "abcd", Format::binary) == "***");
}

TEST_CASE("text that is not valid UTF-8 shows nothing of itself") {
    for (const char* with : {"first(1)", "last(1)", "partial(1,1)", "email", "hash"}) {
        CAPTURE(with);
        CHECK(applied(with, named("text"), "abc\xff@de.fg") == "NULL");
    }
    CHECK(applied("redact", named("text"), "abc\xff") == "***");
}

TEST_CASE("other client encodings") {
    Masker latin = masker();
    latin.set_parameter("client_encoding", "LATIN1");
    // Each byte a character, those over 0x7f letters.
    CHECK(applied(latin, mask_of("last(2)"), named("text"), "\xe9tudi\xe9") == "****i\xe9");
    CHECK(
        applied(latin, mask_of("hash"), named("text"), "\xe9") ==
        applied("hash", named("text"), "é")
    );
    Masker windows = masker();
    windows.set_parameter("CLIENT_ENCODING", "win1250");
    CHECK(applied(windows, mask_of("hash"), named("text"), "\xe9") == "NULL");
    CHECK(
        applied(windows, mask_of("hash"), named("text"), "e") == applied("hash", named("text"), "e")
    );
    Masker sjis = masker();
    sjis.set_parameter("client_encoding", "SJIS");
    CHECK(applied(sjis, mask_of("last(1)"), named("text"), "\x83\x5c") == "NULL");
    CHECK(applied(sjis, mask_of("last(1)"), named("text"), "abcd") == "***d");
    CHECK(applied(sjis, mask_of("redact"), array_of(named("text")), "{\x83\x5c}") == "NULL");
    CHECK(encoding_named("utf-8") == Encoding::utf8);
    CHECK(encoding_named("UNICODE") == Encoding::utf8);
    CHECK(encoding_named("ISO_8859_5") == Encoding::single_byte);
    CHECK(encoding_named("WIN949") == Encoding::ascii_unsafe);
    CHECK(encoding_named("EUC_JP") == Encoding::ascii_safe);
    CHECK(encoding_named("GB18030") == Encoding::ascii_unsafe);
    CHECK(encoding_named("whatever") == Encoding::ascii_unsafe);
}

TEST_CASE("hash needs a key") {
    CHECK(applied(Masker(Secret()), mask_of("hash"), named("text"), "a") == "NULL");
    CHECK(
        applied(
            Masker(Secret()), mask_of("hash"), named("uuid"), "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
        ) == "NULL"
    );
    CHECK(
        applied("hash", named("text"), "a") !=
        applied(Masker(Secret("other")), mask_of("hash"), named("text"), "a")
    );
}

TEST_CASE("a number that is none becomes NULL") {
    for (const char* type : {"int2", "int4", "int8", "float4", "float8", "numeric"})
        for (const char* value :
             {"",
              "x",
              "1x",
              "--1",
              "1e",
              "NaN",
              "Infinity",
              "99999999999999999999999999999999999x"}) {
            CAPTURE(type);
            CAPTURE(value);
            CHECK(applied("bucket(10)", named(type), value) == "NULL");
        }
    CHECK(applied("zero", named("float8"), "NaN") == "0");
    CHECK(applied("bucket(10)", named("int4"), "123", Format::binary) == "NULL");
    CHECK(applied("bucket(10)", named("numeric"), "\0\1"s, Format::binary) == "NULL");
}

TEST_CASE("a bucket is the largest multiple that is not above, and fits the type") {
    CHECK(applied("bucket(10)", named("int2"), "-32768") == "NULL");
    CHECK(applied("bucket(10)", named("int8"), "-9223372036854775800") == "-9223372036854775800");
    CHECK(applied("bucket(18446744073709551615)", named("int8"), "-1") == "NULL");
    CHECK(applied("bucket(18446744073709551615)", named("int8"), "9223372036854775807") == "0");
    const Type n = named("numeric");
    CHECK(
        applied("bucket(7)", n, "100000000000000000000000000000000000000") ==
        "99999999999999999999999999999999999998"
    );
    CHECK(
        applied("bucket(1000)", n, "-999999999999999999999999999999.5") ==
        "-1000000000000000000000000000000"
    );
    CHECK(applied("bucket(10)", n, "-0.0000000001") == "-10");
    CHECK(applied("bucket(10)", n, "0.0000000001") == "0");
    // numeric(3,0) and numeric(4,-2)
    CHECK(applied("bucket(1000)", named("numeric", (3 << 16) + 4), "-1") == "NULL");
    CHECK(
        applied("bucket(30)", named("numeric", (4 << 16 | (-2 & 0x7ff)) + 4), "12300") == "12300"
    );
    CHECK(applied("bucket(30)", named("numeric", (4 << 16 | (-2 & 0x7ff)) + 4), "12400") == "NULL");
    CHECK(applied("zero", named("numeric", (4 << 16 | (-2 & 0x7ff)) + 4), "12400") == "0");
}

TEST_CASE("floating point is spelled as the server does") {
    CHECK(applied("bucket(1)", named("float8"), "123456789012345.5") == "123456789012345");
    CHECK(applied("bucket(10)", named("float8"), "1234567890123456") == "1.23456789012345e+15");
    CHECK(applied("bucket(10)", named("float4"), "1.23457e+06") == "1.23457e+06");
    CHECK(applied("bucket(10)", named("float4"), "123457") == "123450");
    Masker short_ones = masker();
    short_ones.set_parameter("extra_float_digits", "0");
    CHECK(
        applied(short_ones, mask_of("bucket(1)"), named("float8"), "1234567890123456.5") ==
        "1.23456789012346e+15"
    );
    CHECK(applied("bucket(10)", named("float8"), "1.7976931348623157e+308") != "NULL");
}

TEST_CASE("money can only be zero") {
    CHECK(applied("zero", named("money"), "-$1,234.56") == "$0.00");
    CHECK(applied("zero", named("money"), "1.234,56 €") == "0,00 €");
    CHECK(applied("zero", named("money"), "¥1,234") == "¥0");
    CHECK(applied("bucket(10)", named("money"), "$12.00") == "NULL");
    CHECK(
        applied("zero", named("money"), "\1\2\3\4\5\6\7\10", Format::binary) == std::string(8, '\0')
    );
}

TEST_CASE("dates in every style") {
    struct Row {
        const char* style;
        const char* type;
        const char* value;
        const char* year;
    };
    const Row rows[] = {
        {"ISO, MDY", "date", "0044-03-15 BC", "0044-01-01 BC"},
        {"ISO, MDY", "date", "5874897-12-31", "5874897-01-01"},
        {"ISO, MDY", "date", "4714-12-01 BC", "NULL"},
        {"ISO, MDY", "date", "infinity", "NULL"},
        {"ISO, MDY", "date", "15/03/2024", "NULL"},
        {"ISO, YMD", "timestamp", "294276-12-31 23:59:59.999999", "294276-01-01 00:00:00"},
        {"ISO, DMY", "timestamptz", "2024-01-01 01:30:00+02", "2023-01-01 00:00:00+00"},
        {"ISO, DMY", "timestamptz", "2023-12-31 22:30:00-05:30", "2024-01-01 00:00:00+00"},
        {"ISO, DMY", "timestamptz", "0044-03-15 12:00:00+00:53:28 BC", "0044-01-01 00:00:00+00 BC"},
        {"ISO, DMY", "timestamptz", "2024-01-01 01:30:00", "NULL"},
        {"SQL, DMY", "date", "15/03/2024", "01/01/2024"},
        {"SQL, MDY", "timestamp", "03/15/2024 12:00:00.5", "01/01/2024 00:00:00"},
        {"SQL, DMY", "timestamptz", "15/03/2024 12:00:00 UTC", "01/01/2024 00:00:00 UTC"},
        {"SQL, DMY", "timestamptz", "15/03/2024 12:00:00 CET", "NULL"},
        {"German, DMY", "timestamptz", "15.03.2024 12:00:00 -03", "01.01.2024 00:00:00 +00"},
        {"German, DMY", "date", "15.03.2024 BC", "01.01.2024 BC"},
        {"Postgres, DMY", "date", "15-03-2024", "01-01-2024"},
        {"Postgres, MDY", "date", "03-15-2024", "01-01-2024"},
        {"Postgres, MDY", "timestamp", "Fri Mar 15 12:00:00.25 2024", "Mon Jan 01 00:00:00 2024"},
        {"Postgres, DMY",
         "timestamptz",
         "Fri 15 Mar 12:00:00 2024 GMT",
         "Mon 01 Jan 00:00:00 2024 GMT"},
        {"Postgres, MDY",
         "timestamp",
         "Fri Mar 15 12:00:00 0044 BC",
         "Tue Jan 01 00:00:00 0044 BC"},
        {"Nonsense, MDY", "date", "2024-03-15", "NULL"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.style);
        CAPTURE(row.value);
        Masker masker_ = masker();
        masker_.set_parameter("datestyle", row.style);
        CHECK(applied(masker_, mask_of("date(year)"), named(row.type), row.value) == row.year);
    }
    Masker german = masker();
    german.set_parameter("DateStyle", "German, DMY");
    CHECK(
        applied(german, mask_of("zero"), named("timestamptz"), "15.03.2024 12:00:00 CET") ==
        "01.01.1970 00:00:00 UTC"
    );
    CHECK(applied("zero", named("timestamptz"), "-infinity") == "1970-01-01 00:00:00+00");
    CHECK(applied("zero", named("timetz"), "12:00:00+02") == "00:00:00+00");
    CHECK(applied("date(month)", named("date"), "2024-03-15") == "2024-03-01");
}

TEST_CASE("infinite dates have no year") {
    CHECK(
        applied("date(year)", named("date"), big_endian(0x7fffffff, 4), Format::binary) == "NULL"
    );
    CHECK(
        applied(
            "date(year)", named("timestamp"), big_endian(0x8000000000000000, 8), Format::binary
        ) == "NULL"
    );
    CHECK(
        applied("zero", named("date"), big_endian(0x80000000, 4), Format::binary) ==
        big_endian(0xffffd533, 4)
    );
    CHECK(applied("date(year)", named("date"), "abc", Format::binary) == "NULL");
    // 4714-11-24 BC, the first day: its year began before.
    CHECK(
        applied(
            "date(year)",
            named("date"),
            big_endian(static_cast<std::uint32_t>(-2451545), 4),
            Format::binary
        ) == "NULL"
    );
}

TEST_CASE("json keeps spelling, order and duplicates of what is not masked") {
    CHECK(
        applied(
            "redact",
            named("json"),
            R"( {"b": "text",  "a": [1.50, "two", null, true], "a": -1e5} )"
        ) == R"( {"b": "***",  "a": [null, "***", null, true], "a": null} )"
    );
    CHECK(
        applied("bucket(10)", named("json"), R"([-1.5, 123.9, 1e3, "x", 1e-400, 1e99999999999])") ==
        R"([-10, 120, 1000, "***", 0, null])"
    );
    CHECK(applied("zero", named("jsonb"), R"({"a": 1.50, "s": "x"})") == R"({"a": 0, "s": ""})");
    CHECK(applied("last(1)", named("json"), R"("\u0041\ud83d\ude00bc\n\"")") == R"("*😀**\n\"")");
    CHECK(applied("keep", named("json"), "not json") == "not json");
    CHECK(applied("null", named("jsonb"), R"({"a": 1})") == "NULL");
}

TEST_CASE("half a surrogate pair is no text") {
    CHECK(
        applied("first(1)", named("json"), R"(["\ud83d", "\ude00x", "ab"])") ==
        R"([null, null, "a*"])"
    );
}

TEST_CASE("what is no json becomes NULL") {
    for (const char* value :
         {"",
          " ",
          "{",
          "[1,]",
          "[1 2]",
          "{\"a\"}",
          "{\"a\":}",
          "{a:1}",
          "\"x",
          "\"\\q\"",
          "\"\\u12\"",
          "nul",
          "1 1",
          "-",
          "1.",
          "1e",
          "\"a\nb\"",
          "\"\xff\""}) {
        CAPTURE(value);
        CHECK(applied("redact", named("json"), value) == "NULL");
        // The escapes of what is not masked do not matter.
        if (!std::string_view(value).starts_with("\"\\"))
            CHECK(applied(masker(), mask_of("redact", {{"a"}}), named("json"), value) == "NULL");
    }
    CHECK(applied("redact", named("jsonb"), "\2{}", Format::binary) == "NULL");
    CHECK(applied("redact", named("jsonb"), "", Format::binary) == "NULL");
}

TEST_CASE("deeply nested json needs no stack") {
    const std::string deep = std::string(1'000'000, '[') + "\"x\"" + std::string(1'000'000, ']');
    CHECK(applied("redact", named("json"), deep).find("\"***\"") == 1'000'000);
}

TEST_CASE("paths lead through objects and arrays to members") {
    const std::string doc =
        R"({"tax": {"tin": "T", "land": "XQ"}, "people": [{"mail": "m"}, {"mail": ["n", {"x": 5}]}], "t\u0061x": {"tin": 7}})";
    CHECK(
        applied(
            masker(), mask_of("redact", {{"tax", "tin"}, {"people", "mail"}}), named("jsonb"), doc
        ) ==
        R"({"tax": {"tin": "***", "land": "XQ"}, "people": [{"mail": "***"}, {"mail": ["***", {"x": null}]}], "t\u0061x": {"tin": null}})"
    );
    CHECK(
        applied(
            masker(),
            mask_of("null", {{"people"}}),
            named("jsonb"),
            R"({"people": [{"a": "b"}, true], "x": ["y"]})"
        ) == R"({"people": null, "x": ["y"]})"
    );
    CHECK(
        applied(
            masker(),
            mask_of("redact", {{"a"}}),
            named("jsonb"),
            "\1[{\"a\": \"b\"}]",
            Format::binary
        ) == "\1[{\"a\": \"***\"}]"
    );
}

TEST_CASE("paths lead into composites and arrays of them") {
    Type person;
    person.kind = Kind::composite;
    person.fields = {
        {"name", std::make_shared<Type>(named("text"))},
        {"doc", std::make_shared<Type>(named("json"))},
    };
    const Mask mask = mask_of("redact", {{"doc", "a"}});
    CHECK(
        applied(masker(), mask, person, R"x(("x y","{""a"": ""b""}"))x") ==
        R"x(("x y","{""a"": ""***""}"))x"
    );
    CHECK(
        applied(masker(), mask, array_of(person), R"x({"(x,\"{\"\"a\"\": \"\"b\"\"}\")",NULL})x") ==
        R"x({"(x,\"{\"\"a\"\": \"\"***\"\"}\")",NULL})x"
    );
    // A path that ends in a value without members masks it.
    CHECK(
        applied(masker(), mask_of("redact", {{"name", "first"}}), person, "(x,{})") == "(***,{})"
    );
    CHECK(applied(masker(), mask_of("redact", {{"a"}}), named("text"), "x") == "***");
}

TEST_CASE("arrays and composites that are not understood become NULL") {
    const Type strings = array_of(named("text"));
    for (const char* value :
         {"",
          "{",
          "{a",
          "{a,}",
          "{a}}",
          "{a}b",
          "{\"a}",
          "{a\"b}",
          "[0:1]{a}",
          "[x]={a}",
          "{,a}",
          "a",
          "{{a},b,}",
          "{a{b}}"}) {
        CAPTURE(value);
        CHECK(applied("redact", strings, value) == "NULL");
    }
    Type pair;
    pair.kind = Kind::composite;
    pair.fields = {
        {"a", std::make_shared<Type>(named("text"))}, {"b", std::make_shared<Type>(named("text"))}};
    for (const char* value : {"", "(", "(a)", "(a,b", "(a,b,c)", "(a,b)x", "(\"a,b)", "a,b"}) {
        CAPTURE(value);
        CHECK(applied("redact", pair, value) == "NULL");
    }
    Type nameless;
    nameless.kind = Kind::composite;
    CHECK(applied("redact", nameless, "(a,b)") == "NULL");
    CHECK(applied("redact", nameless, "()") == "NULL");
    const std::string array = big_endian(1, 4) + big_endian(0, 4) + big_endian(25, 4) +
                              big_endian(1, 4) + big_endian(1, 4) + big_endian(1, 4) + "x";
    CHECK(applied("redact", strings, array, Format::binary).ends_with("\3***"));
    CHECK(applied("redact", strings, array + "y", Format::binary) == "NULL");
    for (std::size_t size = 0; size < array.size(); ++size)
        CHECK(applied("redact", strings, array.substr(0, size), Format::binary) == "NULL");
}

TEST_CASE("an hstore is masked by key and else is NULL") {
    const Mask mask = mask_of("redact", {{"a"}, {"x", "y"}});
    CHECK(
        applied(masker(), mask, named("hstore"), R"("a"=>"1", "b"=>"2", "x.y"=>"3", "c"=>NULL)") ==
        R"("a"=>"***", "b"=>"2", "x.y"=>"***", "c"=>NULL)"
    );
    CHECK(applied("redact", named("hstore"), R"("a"=>"1")") == "NULL");
    for (const char* value :
         {"\"a\"", "\"a\"=>", "a=>1", "\"a\"=>\"1\",\"b\"=>\"2\"", "\"a\"=>\"1", "\"a\"=>NULLx"})
        CHECK(applied(masker(), mask, named("hstore"), value) == "NULL");
}

TEST_CASE("a detector's mask leaves the rest of a text") {
    Mask mask = mask_of("replace");
    mask.detectors = {"email", "credit_card"};
    CHECK(applied(masker(), mask, named("text"), "to ada@example.com") == "to <EMAIL>");
    CHECK(
        applied(masker(), mask, named("jsonb"), R"({"n": "to ada@example.com"})") ==
        R"({"n": "to <EMAIL>"})"
    );
    CHECK(applied(masker(), mask, named("text"), "911-44-9434") == "911-44-9434");
    CHECK(applied(masker(), mask, named("int4"), "5") == "NULL");
    mask.function = Function::null;
    CHECK(applied(masker(), mask, named("text"), "to ada@example.com") == "NULL");
    CHECK(applied(masker(), mask, named("text"), "to nobody") == "to nobody");
    mask.function = Function::email;
    CHECK(applied(masker(), mask, named("text"), "to ada@example.com") == "to a***@e***.com");
    // A detector that is not known finds everything.
    mask.detectors = {"passport"};
    mask.function = Function::replace;
    CHECK(applied(masker(), mask, named("text"), "x") == "<REDACTED>");
}

TEST_CASE("bits and bytes") {
    CHECK(applied("zero", named("bit"), "1011") == "0000");
    CHECK(applied("zero", named("bit"), "\0\0\0\4\xb0"s, Format::binary) == "\0\0\0\4\0"s);
    CHECK(applied("zero", named("bit"), "\0\0\0\x20\xb0"s, Format::binary) == "NULL");
    CHECK(applied("redact", named("bit"), "1") == "NULL");
    CHECK(applied("hash", named("bytea"), "\\x0g") == "NULL");
    CHECK(applied("hash", named("bytea"), "\\9") == "NULL");
    CHECK(applied("hash", named("uuid"), "3f2504e0") == "NULL");
    // The same bytes, however they are printed.
    CHECK(applied("hash", named("bytea"), "\\x5c00").size() == 66);
}

TEST_CASE("types that are not known show nothing") {
    Type unknown;
    for (const char* with :
         {"redact", "hash", "zero", "last(4)", "bucket(10)", "date(year)", "email", "null"}) {
        CHECK(applied(with, unknown, "secret") == "NULL");
        CHECK(applied(with, named("no_such_type"), "secret") == "NULL");
    }
}

TEST_CASE("first, last and partial of ASCII text work where the text stands") {
    const Masker m = masker();
    std::string text = "4111-1111-1111-1234";
    CHECK(m.apply_in_place(mask_of("last(4)"), named("varchar", 19 + 4), text));
    CHECK(text == "****-****-****-1234");
    text = "žluť";
    CHECK(!m.apply_in_place(mask_of("last(1)"), named("text"), text));
    CHECK(text == "žluť");
    text = "abc";
    CHECK(!m.apply_in_place(mask_of("redact"), named("text"), text));
    CHECK(!m.apply_in_place(mask_of("last(1)"), named("bpchar"), text));
    CHECK(!m.apply_in_place(mask_of("last(1)"), named("json"), text));
    CHECK(!m.apply_in_place(mask_of("last(1)", {{"a"}}), named("text"), text));
    CHECK(text == "abc");
}

TEST_CASE("literals are masked like text") {
    CHECK(masker().mask_text(mask_of("email"), "jane@example.com") == "j***@e***.com");
    CHECK(!masker().mask_text(mask_of("null"), "x"));
}
