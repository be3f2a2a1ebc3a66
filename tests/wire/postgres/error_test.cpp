#include "wire/postgres/error.hpp"

#include <doctest/doctest.h>

#include "examples.hpp"

namespace dbguard::wire::postgres {
using namespace test;

TEST_CASE("fields are found by their code, the first one counts, unknown ones are kept") {
    const auto body = "SERROR\0C42501\0Mno\0Mtwice\0?what\0\0"s;
    const auto view = decode_error_response(body);
    REQUIRE(view.has_value());
    CHECK(view->fields.get('C') == "42501");
    CHECK(view->fields.get('M') == "no");
    CHECK(view->fields.get('?') == "what");
    CHECK(view->fields.get('D').empty());
    ErrorFields owned(view->fields);
    CHECK(owned.fields.size() == 5);
    CHECK(owned.text() == "ERROR: no (42501)");
    std::string out;
    ByteWriter writer(out);
    REQUIRE(encode_error_response(owned, writer).has_value());
    CHECK(out == frame('E', body));
}

TEST_CASE("an error of our own has the fields a client needs") {
    ErrorFields fields("ERROR", "42501", "dbguard: no", "rule tester#4", "");
    CHECK(fields.get('S') == "ERROR");
    CHECK(fields.get('V') == "ERROR");
    CHECK(fields.sqlstate() == "42501");
    CHECK(fields.message() == "dbguard: no");
    CHECK(fields.get('D') == "rule tester#4");
    CHECK(fields.fields.size() == 5);
    fields.set('D', "other");
    fields.set('H', "ask");
    CHECK(fields.get('D') == "other");
    CHECK(fields.get('H') == "ask");
    fields.remove('D');
    CHECK(fields.get('D').empty());
    CHECK(fields.fields.size() == 5);
}

TEST_CASE("what cannot be sent is refused and leaves nothing behind") {
    std::string out;
    ByteWriter writer(out);
    ErrorFields fields("ERROR", "42501", "a\0b"s);
    CHECK(encode_error_response(fields, writer).error().code == errc::nul_in_string);
    CHECK(encode_notice_response(fields, writer).error().code == errc::nul_in_string);
    ErrorFields codeless;
    codeless.fields.emplace_back('\0', "x");
    CHECK(encode_error_response(codeless, writer).error().code == errc::bad_value);
    CHECK(
        encode(NotificationResponseView{1, "a\0b"s, ""}, writer).error().code == errc::nul_in_string
    );
    CHECK(out.empty());
}

}  // namespace dbguard::wire::postgres
