#include "identity/jwt.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace dbguard::identity {
namespace {

Result<Json> decode_object(std::string_view segment, std::string_view code) {
    const auto text = base64url_decode(segment);
    if (!text) return Error{jwt_error::bad_encoding, "not base64url"};
    auto json = parse_json(*text, {.max_bytes = max_token_bytes, .max_values = 2000});
    if (!json) return Error{code, json.error().text()};
    if (!json->is(Json::Kind::object)) return Error{code, "not an object"};
    return json;
}

}  // namespace

std::string_view UnverifiedJwt::unverified_issuer() const {
    return claims.find_string("iss").value_or("");
}

Result<UnverifiedJwt> parse_jwt(std::string_view token) {
    if (token.size() > max_token_bytes)
        return Error{jwt_error::too_large, std::to_string(token.size()) + " bytes"};
    const auto dots = std::count(token.begin(), token.end(), '.');
    if (dots == 4) return Error{jwt_error::encrypted, "five segments"};
    if (dots != 2) return Error{jwt_error::not_compact, std::to_string(dots + 1) + " segments"};

    const auto first = token.find('.');
    const auto second = token.find('.', first + 1);
    auto header = decode_object(token.substr(0, first), jwt_error::bad_header);
    if (!header) return header.error();
    auto claims = decode_object(token.substr(first + 1, second - first - 1), jwt_error::bad_claims);
    if (!claims) return claims.error();
    auto signature = base64url_decode(token.substr(second + 1));
    if (!signature) return Error{jwt_error::bad_encoding, "signature is not base64url"};

    return UnverifiedJwt{
        .signed_part = std::string(token.substr(0, second)),
        .signature = std::move(*signature),
        .header = std::move(*header),
        .claims = std::move(*claims),
    };
}

}  // namespace dbguard::identity
