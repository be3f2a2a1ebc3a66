#pragma once

// Makes tokens and key sets with OpenSSL, good ones and bad ones, for tests of the verifier.

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "identity/algorithm.hpp"

namespace dbguard::test {

using json = nlohmann::ordered_json;
using identity::Algorithm;
using identity::KeyType;

struct Key {
    KeyType type = KeyType::rsa;
    std::string kid;
    std::shared_ptr<EVP_PKEY> pkey;
};

inline Key make_key(KeyType type, std::string kid, unsigned rsa_bits = 2048) {
    EVP_PKEY* pkey = nullptr;
    switch (type) {
        case KeyType::rsa:
            pkey = EVP_RSA_gen(rsa_bits);
            break;
        case KeyType::ec_p256:
            pkey = EVP_EC_gen("P-256");
            break;
        case KeyType::ec_p384:
            pkey = EVP_EC_gen("P-384");
            break;
        case KeyType::ed25519:
            pkey = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
            break;
    }
    if (!pkey) throw std::runtime_error("key generation");
    return {type, std::move(kid), {pkey, EVP_PKEY_free}};
}

inline std::string number_bytes(const Key& key, const char* name, std::size_t length = 0) {
    BIGNUM* number = nullptr;
    if (EVP_PKEY_get_bn_param(key.pkey.get(), name, &number) != 1) throw std::runtime_error(name);
    std::string out(length ? length : static_cast<std::size_t>(BN_num_bytes(number)), '\0');
    BN_bn2binpad(
        number, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size())
    );
    BN_free(number);
    return out;
}

/// The public JWK, with kid and use.
inline json jwk(const Key& key) {
    json out;
    switch (key.type) {
        case KeyType::rsa:
            out = {
                {"kty", "RSA"},
                {"n", base64url(number_bytes(key, OSSL_PKEY_PARAM_RSA_N))},
                {"e", base64url(number_bytes(key, OSSL_PKEY_PARAM_RSA_E))}};
            break;
        case KeyType::ec_p256:
        case KeyType::ec_p384: {
            const bool p256 = key.type == KeyType::ec_p256;
            const std::size_t bytes = p256 ? 32 : 48;
            out = {
                {"kty", "EC"},
                {"crv", p256 ? "P-256" : "P-384"},
                {"x", base64url(number_bytes(key, OSSL_PKEY_PARAM_EC_PUB_X, bytes))},
                {"y", base64url(number_bytes(key, OSSL_PKEY_PARAM_EC_PUB_Y, bytes))}};
            break;
        }
        case KeyType::ed25519: {
            std::string raw(32, '\0');
            std::size_t length = raw.size();
            EVP_PKEY_get_raw_public_key(
                key.pkey.get(), reinterpret_cast<unsigned char*>(raw.data()), &length
            );
            out = {{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", base64url(raw)}};
            break;
        }
    }
    if (!key.kid.empty()) out["kid"] = key.kid;
    out["use"] = "sig";
    return out;
}

inline std::string jwks(const std::vector<json>& keys) { return json{{"keys", keys}}.dump(); }

inline std::string sign(const Key& key, Algorithm algorithm, std::string_view message) {
    const std::string_view name = identity::name(algorithm);
    const EVP_MD* digest = name.ends_with("256")   ? EVP_sha256()
                           : name.ends_with("384") ? EVP_sha384()
                           : name.ends_with("512") ? EVP_sha512()
                                                   : nullptr;
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
        EVP_MD_CTX_new(), EVP_MD_CTX_free
    );
    EVP_PKEY_CTX* key_context = nullptr;
    bool good =
        EVP_DigestSignInit(context.get(), &key_context, digest, nullptr, key.pkey.get()) == 1;
    if (name.starts_with("PS"))
        good = good && EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) == 1;
    std::string signature(1024, '\0');
    std::size_t length = signature.size();
    const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
    good = good && EVP_DigestSign(
                       context.get(),
                       reinterpret_cast<unsigned char*>(signature.data()),
                       &length,
                       bytes,
                       message.size()
                   ) == 1;
    if (!good) throw std::runtime_error("signing");
    signature.resize(length);
    if (!name.starts_with("ES")) return signature;

    const auto* der = reinterpret_cast<const unsigned char*>(signature.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(signature.size()));
    const int half = key.type == KeyType::ec_p256 ? 32 : 48;
    std::string raw(static_cast<std::size_t>(2 * half), '\0');
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, half);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + half, half);
    ECDSA_SIG_free(pair);
    return raw;
}

/// header.payload.signature over exactly these texts.
inline std::string token_of(
    const Key& key, Algorithm algorithm, std::string_view header, std::string_view claims
) {
    const std::string signed_part = base64url(header) + "." + base64url(claims);
    return signed_part + "." + base64url(sign(key, algorithm, signed_part));
}

inline json header_of(const Key& key, Algorithm algorithm) {
    return {{"alg", identity::name(algorithm)}, {"typ", "JWT"}, {"kid", key.kid}};
}

inline std::string token_of(const Key& key, Algorithm algorithm, const json& claims) {
    return token_of(key, algorithm, header_of(key, algorithm).dump(), claims.dump());
}

}  // namespace dbguard::test
