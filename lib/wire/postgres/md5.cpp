#include "wire/postgres/md5.hpp"

#include <openssl/evp.h>

#include <stdexcept>

#include "base/encoding.hpp"

namespace dbguard::wire::postgres {
namespace {

std::string md5_hex(std::string_view bytes) {
    std::string digest(16, '\0');
    unsigned length = 0;
    if (EVP_Digest(
            bytes.data(),
            bytes.size(),
            reinterpret_cast<unsigned char*>(digest.data()),
            &length,
            EVP_md5(),
            nullptr
        ) != 1)
        throw std::runtime_error("OpenSSL has no MD5");
    return hex(digest);
}

bool is_stored_form(std::string_view password) {
    return password.size() == 35 && password.starts_with("md5") &&
           password.find_first_not_of("0123456789abcdef", 3) == std::string_view::npos;
}

}  // namespace

Secret md5_password(std::string_view user, const Secret& password, std::string_view salt) {
    const auto& text = password.reveal();
    const Secret inner(
        is_stored_form(text) ? text.substr(3) : md5_hex(Secret(text + std::string(user)).reveal())
    );
    return Secret("md5" + md5_hex(inner.reveal() + std::string(salt)));
}

}  // namespace dbguard::wire::postgres
