#include "identity/verify.hpp"

#include <algorithm>
#include <cmath>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "identity/signature.hpp"

namespace dbguard::identity {
namespace {

constexpr std::size_t max_subject_bytes = 1024;
constexpr std::size_t max_token_id_bytes = 512;
/// The year 5138: past it a NumericDate is milliseconds, or nonsense.
constexpr double max_numeric_date = 1e11;

bool has_control_characters(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
    });
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

/// RFC 7515 §4.1.9: a media type, compared without regard to case; `application/` may be left out.
std::string media_type(std::string_view typ) {
    std::string type = lower(typ);
    constexpr std::string_view prefix = "application/";
    if (type.starts_with(prefix) && type.find('/', prefix.size()) == std::string::npos)
        type.erase(0, prefix.size());
    return type;
}

// ---- header ----------------------------------------------------------------------------------------------------------

/// RFC 8725 §3.1: the configuration says which algorithms there are, the header only picks one of them.
Result<Algorithm> allowed_algorithm(const Json& header, const IssuerConfig& issuer) {
    const auto text = header.find_string("alg");
    const auto algorithm = text ? algorithm_from(*text) : std::nullopt;
    if (!algorithm || std::find(issuer.algorithms.begin(), issuer.algorithms.end(), *algorithm) ==
                          issuer.algorithms.end())
        return Error{verify_error::algorithm_not_allowed, text ? "" : "no alg"};
    return *algorithm;
}

/// `jku`, `jwk`, `x5u` and `x5c` are not looked at anywhere: keys come from the configured issuer alone.
Result<void> check_header(const Json& header, const IssuerConfig& issuer) {
    // RFC 7515 §4.1.11: no extension is understood here, so any `crit` is a refusal. `b64` (RFC 7797) and `zip`
    // (RFC 7516 §4.1.3) would change what was signed, and `enc` says that this is no signed token at all.
    for (const std::string_view member : {"crit", "zip", "b64", "enc"})
        if (header.find(member))
            return Error{verify_error::header_not_understood, std::string(member)};
    // RFC 7519 §5.2: only a nested token needs one.
    if (header.find("cty")) return Error{verify_error::wrong_type, "cty"};
    const Json* typ = header.find("typ");
    if (!typ) return {};
    if (!typ->is(Json::Kind::string)) return Error{verify_error::wrong_type, "typ"};
    const bool expected =
        std::any_of(issuer.types.begin(), issuer.types.end(), [&](const std::string& type) {
            return media_type(type) == media_type(typ->string);
        });
    if (!expected) return Error{verify_error::wrong_type, "typ"};
    return {};
}

/// The kid is a name in this issuer's set and nothing else: no path, no URL, no other issuer's set.
Result<const PublicKey*> choose_key(const Json& header, const KeySet& keys, Algorithm algorithm) {
    const PublicKey* key = nullptr;
    if (const Json* kid = header.find("kid")) {
        if (!kid->is(Json::Kind::string) || kid->string.empty() ||
            kid->string.size() > max_kid_bytes)
            return Error{verify_error::bad_kid, ""};
        key = keys.find(kid->string);
        if (!key) return Error{verify_error::unknown_kid, ""};
    } else {
        if (keys.keys.size() != 1)
            return Error{verify_error::bad_kid, "absent, and the set has several keys"};
        key = &keys.keys.front();
    }
    if (key->type != key_type_of(algorithm)) return Error{verify_error::key_mismatch, "key type"};
    if (key->algorithm && *key->algorithm != algorithm)
        return Error{verify_error::key_mismatch, "key's alg"};
    return key;
}

// ---- registered claims (RFC 7519 §4.1) -------------------------------------------------------------------------------

Result<std::string> check_audience(const Json& claims, const IssuerConfig& issuer) {
    std::vector<std::string_view> recipients;
    const Json* aud = claims.find("aud");
    if (!aud) return Error{verify_error::wrong_audience, "absent"};
    if (aud->is(Json::Kind::string)) {
        recipients.push_back(aud->string);
    } else if (aud->is(Json::Kind::array)) {
        for (const Json& item : aud->items) {
            if (!item.is(Json::Kind::string))
                return Error{verify_error::wrong_audience, "not strings"};
            recipients.push_back(item.string);
        }
    } else {
        return Error{verify_error::wrong_audience, "neither string nor array"};
    }

    const auto is_ours = [&](std::string_view recipient) {
        return std::find(issuer.audiences.begin(), issuer.audiences.end(), recipient) !=
               issuer.audiences.end();
    };
    const auto ours = std::find_if(recipients.begin(), recipients.end(), is_ours);
    if (ours == recipients.end()) return Error{verify_error::wrong_audience, "not ours"};
    // Any other recipient could present the token here (RFC 8725 §3.9).
    if (!issuer.allow_other_audiences &&
        !std::all_of(recipients.begin(), recipients.end(), is_ours))
        return Error{verify_error::other_audiences, ""};
    return std::string(*ours);
}

/// A NumericDate; fractions of a second are cut off. Empty when the claim is absent.
Result<std::optional<Time>> numeric_date(const Json& claims, std::string_view name) {
    const Json* claim = claims.find(name);
    if (!claim) return std::optional<Time>();
    if (!claim->is(Json::Kind::number) || !(claim->number > 0 && claim->number < max_numeric_date))
        return Error{verify_error::bad_time, std::string(name)};
    return std::optional(
        Time(std::chrono::seconds(static_cast<std::int64_t>(std::floor(claim->number))))
    );
}

Result<void> check_times(
    const Json& claims, const IssuerConfig& issuer, Time now, Identity& identity
) {
    const auto exp = numeric_date(claims, "exp");
    if (!exp) return exp.error();
    const auto nbf = numeric_date(claims, "nbf");
    if (!nbf) return nbf.error();
    const auto iat = numeric_date(claims, "iat");
    if (!iat) return iat.error();
    if (!*exp) return Error{verify_error::bad_time, "exp absent"};

    if (now >= **exp + issuer.leeway) return Error{verify_error::expired, ""};
    // GitHub's clock runs seconds ahead and its nbf lies minutes back: no relation between nbf and iat is asked for.
    if (*nbf && **nbf > now + issuer.leeway) return Error{verify_error::not_yet_valid, "nbf"};
    if (*iat) {
        if (**iat > now + issuer.leeway) return Error{verify_error::not_yet_valid, "iat"};
        if (**exp <= **iat) return Error{verify_error::bad_time, "exp before iat"};
        if (**exp - **iat > issuer.max_lifetime) return Error{verify_error::lifetime_too_long, ""};
        if (issuer.max_age.count() > 0 && now - **iat > issuer.max_age + issuer.leeway)
            return Error{verify_error::too_old, ""};
    } else {
        if (issuer.max_age.count() > 0) return Error{verify_error::bad_time, "iat absent"};
        if (**exp - now > issuer.max_lifetime) return Error{verify_error::lifetime_too_long, ""};
    }
    identity.expires_at = **exp;
    identity.issued_at = *iat;
    return {};
}

Result<void> check_subject(const Json& claims, Identity& identity) {
    const auto subject = claims.find_string("sub");
    if (!subject || subject->empty() || subject->size() > max_subject_bytes ||
        has_control_characters(*subject))
        return Error{verify_error::bad_subject, ""};
    identity.subject = *subject;
    return {};
}

Result<void> check_authorized_party(const Json& claims, const IssuerConfig& issuer) {
    const Json* azp = claims.find("azp");
    if (!azp || issuer.authorized_parties.empty()) return {};
    const auto& known = issuer.authorized_parties;
    if (!azp->is(Json::Kind::string) ||
        std::find(known.begin(), known.end(), azp->string) == known.end())
        return Error{verify_error::wrong_authorized_party, ""};
    return {};
}

Result<void> take_token_id(const UnverifiedJwt& jwt, Identity& identity) {
    if (const Json* jti = jwt.claims.find("jti")) {
        if (!jti->is(Json::Kind::string) || jti->string.empty() ||
            jti->string.size() > max_token_id_bytes || has_control_characters(jti->string))
            return Error{verify_error::bad_token_id, ""};
        identity.token_id = "jti:" + jti->string;
    } else {
        identity.token_id = "sha256:" + hex(sha256(jwt.signed_part));
    }
    return {};
}

// ---- the other claims ------------------------------------------------------------------------------------------------

std::optional<std::string> comparable_text(const Json& json) {
    switch (json.kind) {
        case Json::Kind::string:
            return json.string;
        case Json::Kind::boolean:
            return json.boolean ? "true" : "false";
        case Json::Kind::number:
            if (json.integer) return std::to_string(*json.integer);
            return {};
        default:
            return {};
    }
}

Claim to_claim(const Json& json) {
    Claim claim{.kind = static_cast<ClaimKind>(json.kind)};
    static_assert(static_cast<int>(ClaimKind::object) == static_cast<int>(Json::Kind::object));
    if (json.is(Json::Kind::array)) {
        const bool strings =
            std::all_of(json.items.begin(), json.items.end(), [](const Json& item) {
                return item.is(Json::Kind::string);
            });
        if (strings)
            for (const Json& item : json.items) claim.values.push_back(item.string);
    } else if (auto text = comparable_text(json)) {
        claim.values.push_back(std::move(*text));
    }
    return claim;
}

Result<void> check_required(const Identity& identity, const std::vector<RequiredClaim>& required) {
    for (const RequiredClaim& wanted : required) {
        const auto found = identity.claims.find(wanted.name);
        if (found == identity.claims.end()) return Error{verify_error::missing_claim, wanted.name};
        const Claim& claim = found->second;
        const bool is_empty = claim.values.empty() || claim.values.front().empty();
        if (claim.kind != wanted.kind || (wanted.kind == ClaimKind::string && is_empty))
            return Error{verify_error::wrong_claim, wanted.name};
        if (!wanted.values.empty() && !identity.claim_is(wanted.name, wanted.values))
            return Error{verify_error::wrong_claim, wanted.name};
    }
    return {};
}

Result<Identity> check_claims(const UnverifiedJwt& jwt, const IssuerConfig& issuer, Time now) {
    Identity identity;
    if (jwt.claims.find_string("iss") != issuer.issuer)
        return Error{verify_error::wrong_issuer, ""};
    auto audience = check_audience(jwt.claims, issuer);
    if (!audience) return audience.error();
    if (const auto ok = check_authorized_party(jwt.claims, issuer); !ok) return ok.error();
    if (const auto ok = check_times(jwt.claims, issuer, now, identity); !ok) return ok.error();
    if (const auto ok = check_subject(jwt.claims, identity); !ok) return ok.error();
    if (const auto ok = take_token_id(jwt, identity); !ok) return ok.error();

    identity.issuer = issuer.issuer;
    identity.audience = std::move(*audience);
    identity.profile = issuer.profile;
    identity.kind = issuer.kind;
    identity.claims = claims_of(jwt);
    if (const auto ok = check_required(identity, issuer.required_claims); !ok) return ok.error();
    if (const auto ok = profile_checks(identity, issuer); !ok) return ok.error();
    return identity;
}

}  // namespace

std::map<std::string, Claim, std::less<>> claims_of(const UnverifiedJwt& jwt) {
    std::map<std::string, Claim, std::less<>> claims;
    for (const auto& [name, value] : jwt.claims.members) claims.emplace(name, to_claim(value));
    return claims;
}

Result<const IssuerConfig*> choose_issuer(
    const UnverifiedJwt& jwt, std::span<const IssuerConfig> configured
) {
    const auto iss = jwt.claims.find_string("iss");
    for (const IssuerConfig& issuer : configured)
        if (iss == issuer.issuer) return &issuer;
    return Error{verify_error::unknown_issuer, ""};
}

Result<Identity> verify(
    const UnverifiedJwt& jwt, const IssuerConfig& issuer, const KeySet& keys, Time now
) {
    const auto algorithm = allowed_algorithm(jwt.header, issuer);
    if (!algorithm) return algorithm.error();
    if (const auto ok = check_header(jwt.header, issuer); !ok) return ok.error();
    const auto key = choose_key(jwt.header, keys, *algorithm);
    if (!key) return key.error();
    if (!signature_holds(*algorithm, **key, jwt.signed_part, jwt.signature))
        return Error{verify_error::bad_signature, ""};

    auto identity = check_claims(jwt, issuer, now);
    if (!identity) return identity;
    identity->key_id = (*key)->id.value_or("");
    identity->algorithm = name(*algorithm);
    return identity;
}

Result<Identity> verify(
    std::string_view token, const IssuerConfig& issuer, const KeySet& keys, Time now
) {
    const auto jwt = parse_jwt(token);
    if (!jwt) return jwt.error();
    return verify(*jwt, issuer, keys, now);
}

}  // namespace dbguard::identity
