#pragma once

#include <string>
#include <string_view>

#include "base/secret.hpp"

namespace dbguard::wire::postgres {

/// The text of the PasswordMessage that answers AuthenticationMD5Password: "md5" + md5(md5(password + user) + salt), in hex.
/// `password` may also be the server's stored "md5…" form. Throws when the OpenSSL in use has no MD5 (FIPS).
/// Source: PostgreSQL manual, "Message Flow", AuthenticationMD5Password.
Secret md5_password(std::string_view user, const Secret& password, std::string_view salt);

}  // namespace dbguard::wire::postgres
