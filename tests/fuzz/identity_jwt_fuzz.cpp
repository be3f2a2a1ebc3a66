// Tokens: parsed, and verified against a set whose key the input cannot sign with; so whatever is accepted is a fault.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/encoding.hpp"
#include "identity/verify.hpp"

using namespace dbguard::identity;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    // RFC 8037 appendix A.2.
    static const KeySet keys =
        parse_jwks(
            R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})"
        )
            .value();
    static const IssuerConfig issuer = [] {
        IssuerConfig config = issuer_defaults(Profile::github, std::string(github_issuer));
        config.audiences = {"https://guard.example"};
        config.algorithms = {Algorithm::eddsa, Algorithm::rs256, Algorithm::es256};
        return config;
    }();
    const Time now(std::chrono::seconds(1'780'000'000));
    (void)verify(input, issuer, keys, now);

    // The claims' own checks, which a bad signature would hide.
    const auto split = input.find('\0');
    const std::string token =
        dbguard::base64url(input.substr(0, split)) + "." +
        dbguard::base64url(split == input.npos ? "{}" : input.substr(split + 1)) + ".AA";
    const auto jwt = parse_jwt(token);
    if (!jwt) return 0;
    if (verify(*jwt, issuer, keys, now)) std::abort();
    Identity identity;
    identity.claims = claims_of(*jwt);
    for (const Profile profile : {Profile::github, Profile::gitlab}) {
        IssuerConfig config = issuer;
        config.profile = profile;
        identity.profile = profile;
        (void)profile_checks(identity, config);
        (void)identity.summary();
    }
    return 0;
}
