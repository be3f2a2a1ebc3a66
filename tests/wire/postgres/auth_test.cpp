#include "wire/postgres/auth.hpp"

#include <doctest/doctest.h>

#include "examples.hpp"
#include "wire/postgres/md5.hpp"
#include "wire/postgres/parameter.hpp"

namespace dbguard::wire::postgres {
using namespace test;

TEST_CASE("SASL mechanisms come in the server's order") {
    std::string out;
    ByteWriter writer(out);
    const std::vector<std::string_view> names{scram_sha_256_plus, scram_sha_256};
    REQUIRE(encode_authentication_sasl(names, writer).has_value());
    const auto message = decode_authentication(std::string_view(out).substr(frame_header_bytes));
    REQUIRE(message.has_value());
    CHECK(sasl_mechanisms(*message) == names);
}

TEST_CASE("what cannot be sent is refused and leaves nothing behind") {
    std::string out;
    ByteWriter writer(out);
    CHECK(encode_authentication_sasl({}, writer).error().code == errc::bad_value);
    CHECK(
        encode_authentication_sasl(std::vector<std::string_view>{""}, writer).error().code ==
        errc::bad_value
    );
    CHECK(
        encode(AuthenticationView{Authentication::ok, "x"}, writer).error().code == errc::bad_value
    );
    CHECK(
        encode(AuthenticationView{Authentication::md5_password, "x"}, writer).error().code ==
        errc::bad_length
    );
    CHECK(encode(PasswordMessageView{"a\0b"s}, writer).error().code == errc::nul_in_string);
    CHECK(
        encode(SASLResponseView{std::string(70'000, 'x')}, writer).error().code == errc::oversize
    );
    CHECK(
        encode(SASLInitialResponseView{"X", std::string(70'000, 'x')}, writer).error().code ==
        errc::oversize
    );
    CHECK(encode(BackendKeyDataView{1, "abc"}, writer).error().code == errc::bad_length);
    CHECK(encode(ParameterStatusView{"a\0b"s, ""}, writer).error().code == errc::nul_in_string);
    CHECK(out.empty());
}

// Made with: printf %s "$(printf %s zoo-Passw0rdzoo_md5 | md5sum | cut -c-32)$(printf '\1\2\3\4')" | md5sum
TEST_CASE("an MD5 answer is the digest of a digest") {
    const auto answer = md5_password("zoo_md5", Secret("zoo-Passw0rd"), "\1\2\3\4");
    CHECK(answer.reveal() == "md511e5867613ed25c8d65f6b2c7a35fd96");
    // From the stored form of the same password.
    CHECK(
        md5_password("zoo_md5", Secret("md59d77edf121ef1c464808068048b6795a"), "\1\2\3\4") == answer
    );
}

}  // namespace dbguard::wire::postgres
