#include "base/crypto.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/encoding.hpp"

namespace dbguard {
namespace {

TEST_CASE("SHA-256 as in FIPS 180-4's examples") {
    CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("HMAC-SHA-256 as in RFC 4231 §4") {
    CHECK(hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")) == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(hex(hmac_sha256(std::string(20, '\xaa'), std::string(50, '\xdd'))) == "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    // A key longer than a block.
    CHECK(hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("random bytes are as many as asked for, and others each time") {
    CHECK(random_bytes(0).empty());
    CHECK(random_bytes(70'000).size() == 70'000);
    CHECK(random_bytes(16) != random_bytes(16));
    CHECK(random_id("s_", 13).size() == 15);
}

}  // namespace
}  // namespace dbguard
