// SHA256_Init and its like are deprecated for EVP, not removed.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/crypto.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <stdexcept>

namespace dbguard {

namespace {

/// Both texts one after the other. Below OpenSSL's EVP layer, which looks its algorithm up by name at each call: seven calls of
/// it were a tenth of what a login costs.
std::string sha256(std::string_view first, std::string_view second) {
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, first.data(), first.size());
    SHA256_Update(&context, second.data(), second.size());
    SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), &context);
    return digest;
}

}  // namespace

std::string sha256(std::string_view bytes) { return sha256(bytes, {}); }

// RFC 2104 §2.
std::string hmac_sha256(std::string_view key, std::string_view bytes) {
    std::string hashed;
    if (key.size() > SHA256_CBLOCK) key = hashed = sha256(key);
    std::array<char, SHA256_CBLOCK> inner, outer;
    inner.fill(0x36);
    outer.fill(0x5c);
    for (std::size_t i = 0; i < key.size(); ++i) {
        inner[i] ^= key[i];
        outer[i] ^= key[i];
    }
    std::string digest = sha256({outer.data(), outer.size()}, sha256({inner.data(), inner.size()}, bytes));
    OPENSSL_cleanse(inner.data(), inner.size());
    OPENSSL_cleanse(outer.data(), outer.size());
    return digest;
}

// The kernel's generator: a call of it costs less than a cold one of OpenSSL's.
std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    for (std::size_t done = 0; done < count;) {
        const auto got = ::getrandom(bytes.data() + done, count - done, 0);
        if (got > 0)
            done += static_cast<std::size_t>(got);
        else if (errno != EINTR)
            throw std::runtime_error("no random bytes");
    }
    return bytes;
}

std::string random_id(std::string_view prefix, std::size_t characters) {
    // Crockford's alphabet: no I, L, O, U, so that an id can be read aloud.
    constexpr std::string_view alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    std::string id(prefix);
    for (const char byte : random_bytes(characters))
        id.push_back(alphabet[static_cast<std::uint8_t>(byte) & 31]);
    return id;
}

}  // namespace dbguard
