#include "identity/jwks.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <array>

#include "base/encoding.hpp"
#include "identity/json.hpp"

namespace dbguard::identity {
namespace {

constexpr int min_rsa_bits = 2048;
constexpr int max_rsa_bits =
    8192;  // verifying costs grow with the square; nobody publishes larger ones

using BnPtr = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using KeyPtr = std::shared_ptr<evp_pkey_st>;

/// Why a key is left out. Not seen outside: parse_jwks() puts the text into KeySet::ignored.
Error unusable(std::string why) { return {"", std::move(why)}; }

BnPtr to_number(std::string_view bytes) {
    return {
        BN_bin2bn(
            reinterpret_cast<const unsigned char*>(bytes.data()),
            static_cast<int>(bytes.size()),
            nullptr
        ),
        BN_free};
}

std::optional<std::string> member_bytes(const Json& jwk, std::string_view name) {
    const auto text = jwk.find_string(name);
    if (!text || text->empty()) return {};
    return base64url_decode(*text);
}

/// A public EVP_PKEY from the parameters that `fill` pushes; null when OpenSSL does not take them.
template <class Fill>
KeyPtr public_key_from(const char* type, Fill fill) {
    const std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)> builder(
        OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free
    );
    if (!builder || !fill(builder.get())) return nullptr;
    const std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> parameters(
        OSSL_PARAM_BLD_to_param(builder.get()), OSSL_PARAM_free
    );
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
        EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr), EVP_PKEY_CTX_free
    );
    EVP_PKEY* key = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
        EVP_PKEY_free(key);
        return nullptr;
    }
    return {key, EVP_PKEY_free};
}

/// RFC 7518 §6.3.1.
Result<PublicKey> rsa_key(const Json& jwk) {
    const auto n_bytes = member_bytes(jwk, "n");
    const auto e_bytes = member_bytes(jwk, "e");
    if (!n_bytes || !e_bytes || n_bytes->size() > max_rsa_bits / 8 + 1 || e_bytes->size() > 8)
        return unusable("bad n or e");
    const BnPtr n = to_number(*n_bytes);
    const BnPtr e = to_number(*e_bytes);
    if (!n || !e) return unusable("bad n or e");
    const int bits = BN_num_bits(n.get());
    if (bits < min_rsa_bits || bits > max_rsa_bits)
        return unusable("RSA key of " + std::to_string(bits) + " bits");
    // With e = 1 every message is its own signature; an even e or n is no RSA key.
    if (!BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_is_one(e.get()))
        return unusable("bad n or e");
    auto key = public_key_from("RSA", [&](OSSL_PARAM_BLD* builder) {
        return OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e.get()) == 1;
    });
    if (!key) return unusable("RSA key not accepted");
    return PublicKey{
        .type = KeyType::rsa, .bits = static_cast<std::size_t>(bits), .key = std::move(key)};
}

/// RFC 7518 §6.2.1: coordinates have the full length of the field.
Result<PublicKey> ec_key(
    const Json& jwk, KeyType type, const char* group, std::size_t field_bytes
) {
    const auto x = member_bytes(jwk, "x");
    const auto y = member_bytes(jwk, "y");
    if (!x || !y || x->size() != field_bytes || y->size() != field_bytes)
        return unusable("bad x or y");
    const std::string point = '\x04' + *x + *y;
    auto key = public_key_from("EC", [&](OSSL_PARAM_BLD* builder) {
        return OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) ==
                   1 &&
               OSSL_PARAM_BLD_push_octet_string(
                   builder, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()
               ) == 1;
    });
    if (!key) return unusable("point not on the curve");
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
        EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr), EVP_PKEY_CTX_free
    );
    if (!context || EVP_PKEY_public_check(context.get()) != 1)
        return unusable("point not on the curve");
    return PublicKey{.type = type, .key = std::move(key)};
}

/// RFC 8037 §2.
Result<PublicKey> ed25519_key(const Json& jwk) {
    const auto x = member_bytes(jwk, "x");
    if (!x || x->size() != 32) return unusable("bad x");
    const KeyPtr key(
        EVP_PKEY_new_raw_public_key(
            EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(x->data()), x->size()
        ),
        EVP_PKEY_free
    );
    if (!key) return unusable("Ed25519 key not accepted");
    return PublicKey{.type = KeyType::ed25519, .key = key};
}

Result<PublicKey> key_material(const Json& jwk) {
    const auto type = jwk.find_string("kty");
    if (!type) return unusable("no kty");
    if (*type == "RSA") return rsa_key(jwk);
    const auto curve = jwk.find_string("crv").value_or("");
    if (*type == "EC" && curve == "P-256") return ec_key(jwk, KeyType::ec_p256, "P-256", 32);
    if (*type == "EC" && curve == "P-384") return ec_key(jwk, KeyType::ec_p384, "P-384", 48);
    if (*type == "OKP" && curve == "Ed25519") return ed25519_key(jwk);
    return unusable("unknown kty or crv");
}

/// RFC 7517 §4.2 and §4.3: when either is present it must admit verifying.
bool is_for_verifying(const Json& jwk) {
    if (const Json* use = jwk.find("use");
        use && (!use->is(Json::Kind::string) || use->string != "sig"))
        return false;
    const Json* operations = jwk.find("key_ops");
    if (!operations) return true;
    if (!operations->is(Json::Kind::array)) return false;
    for (const Json& operation : operations->items)
        if (operation.is(Json::Kind::string) && operation.string == "verify") return true;
    return false;
}

Result<PublicKey> build_key(const Json& jwk) {
    if (!is_for_verifying(jwk)) return unusable("not for verifying (use, key_ops)");
    Result<PublicKey> built = key_material(jwk);
    if (!built) return built;
    if (const Json* kid = jwk.find("kid")) {
        if (!kid->is(Json::Kind::string) || kid->string.empty() ||
            kid->string.size() > max_kid_bytes)
            return unusable("bad kid");
        built->id = kid->string;
    }
    if (const Json* alg = jwk.find("alg")) {
        const auto algorithm =
            alg->is(Json::Kind::string) ? algorithm_from(alg->string) : std::nullopt;
        if (!algorithm || key_type_of(*algorithm) != built->type)
            return unusable("alg does not fit the key");
        built->algorithm = algorithm;
    }
    return built;
}

/// RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2.
bool shows_a_secret(const Json& jwk) {
    static constexpr std::array<std::string_view, 8> members = {
        "d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    for (const auto member : members)
        if (jwk.find(member)) return true;
    return false;
}

}  // namespace

const PublicKey* KeySet::find(std::string_view kid) const {
    for (const PublicKey& key : keys)
        if (key.id == kid) return &key;
    return nullptr;
}

Result<KeySet> parse_jwks(std::string_view text) {
    if (text.size() > max_jwks_bytes)
        return Error{jwks_error::too_large, std::to_string(text.size()) + " bytes"};
    const auto json = parse_json(text, {.max_bytes = max_jwks_bytes, .max_values = 100000});
    if (!json) return Error{jwks_error::malformed, json.error().text()};
    const Json* keys = json->find("keys");
    if (!keys || !keys->is(Json::Kind::array))
        return Error{jwks_error::malformed, "no array `keys`"};
    if (keys->items.size() > max_jwks_keys)
        return Error{jwks_error::too_many_keys, std::to_string(keys->items.size())};

    for (const Json& jwk : keys->items)
        if (shows_a_secret(jwk))
            return Error{jwks_error::private_key, "a key with private members"};

    KeySet set;
    for (std::size_t i = 0; i < keys->items.size(); ++i) {
        Result<PublicKey> built = build_key(keys->items[i]);
        if (!built) {
            set.ignored.push_back("key " + std::to_string(i) + ": " + built.error().detail);
            continue;
        }
        if (built->id && set.find(*built->id))
            return Error{jwks_error::duplicate_kid, "key " + std::to_string(i)};
        set.keys.push_back(std::move(*built));
    }
    if (set.keys.empty())
        return Error{
            jwks_error::no_usable_key,
            set.ignored.empty() ? "the set is empty" : set.ignored.front()};
    return set;
}

}  // namespace dbguard::identity
