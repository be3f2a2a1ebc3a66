#include "identity/signature.hpp"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

namespace dbguard::identity {
namespace {

const unsigned char* raw(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

/// Null for Ed25519, which hashes by itself.
const EVP_MD* digest_of(Algorithm algorithm) {
    switch (algorithm) {
        case Algorithm::rs256:
        case Algorithm::ps256:
        case Algorithm::es256:
            return EVP_sha256();
        case Algorithm::rs384:
        case Algorithm::ps384:
        case Algorithm::es384:
            return EVP_sha384();
        case Algorithm::rs512:
        case Algorithm::ps512:
            return EVP_sha512();
        case Algorithm::eddsa:
            return nullptr;
    }
    return nullptr;
}

bool is_pss(Algorithm algorithm) {
    return algorithm == Algorithm::ps256 || algorithm == Algorithm::ps384 ||
           algorithm == Algorithm::ps512;
}

/// RFC 7518 §3.4: r and s as two numbers of the field's length; OpenSSL wants them in DER. Empty when the length is
/// wrong or a number is zero (a verifier that skips that check accepts the all-zero signature: CVE-2022-21449).
std::string ecdsa_der(std::string_view signature, std::size_t field_bytes) {
    if (signature.size() != 2 * field_bytes) return {};
    const auto half = static_cast<int>(field_bytes);
    BIGNUM* r = BN_bin2bn(raw(signature), half, nullptr);
    BIGNUM* s = BN_bin2bn(raw(signature) + half, half, nullptr);
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(
        ECDSA_SIG_new(), ECDSA_SIG_free
    );
    if (!r || !s || !pair || BN_is_zero(r) || BN_is_zero(s) ||
        ECDSA_SIG_set0(pair.get(), r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return {};
    }
    unsigned char* der = nullptr;
    const int length = i2d_ECDSA_SIG(pair.get(), &der);
    if (length <= 0) return {};
    std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(length));
    OPENSSL_free(der);
    return out;
}

/// The signature as OpenSSL wants it; empty when its length cannot be right.
std::string openssl_form(KeyType type, const PublicKey& key, std::string_view signature) {
    switch (type) {
        case KeyType::rsa:  // RFC 8017 §8.2.2 step 1: exactly the modulus' length
            return signature.size() == static_cast<std::size_t>(EVP_PKEY_get_size(key.key.get()))
                       ? std::string(signature)
                       : "";
        case KeyType::ec_p256:
            return ecdsa_der(signature, 32);
        case KeyType::ec_p384:
            return ecdsa_der(signature, 48);
        case KeyType::ed25519:
            return signature.size() == 64 ? std::string(signature) : "";
    }
    return {};
}

}  // namespace

bool signature_holds(
    Algorithm algorithm, const PublicKey& key, std::string_view message, std::string_view signature
) {
    if (key_type_of(algorithm) != key.type || !key.key) return false;
    const std::string form = openssl_form(key.type, key, signature);
    if (form.empty()) return false;

    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
        EVP_MD_CTX_new(), EVP_MD_CTX_free
    );
    EVP_PKEY_CTX* key_context = nullptr;  // owned by `context`
    if (!context || EVP_DigestVerifyInit(
                        context.get(), &key_context, digest_of(algorithm), nullptr, key.key.get()
                    ) != 1)
        return false;
    // RFC 7518 §3.5: MGF1 with the same hash (OpenSSL's default), a salt as long as the hash.
    if (is_pss(algorithm) &&
        (EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) != 1))
        return false;
    return EVP_DigestVerify(context.get(), raw(form), form.size(), raw(message), message.size()) ==
           1;
}

}  // namespace dbguard::identity
