// SHA256_Init and its like are deprecated for EVP, not removed.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "recording/chain.hpp"

#include <openssl/sha.h>

#include <bit>
#include <cstdint>
#include <cstring>

#include "recording/json_text.hpp"

namespace dbguard::recording {

std::string_view first_previous() {
    return "0000000000000000000000000000000000000000000000000000000000000000";
}

namespace {

/// Four bytes as eight lower-case digits: all of them at once, in the bytes of one word.
std::uint64_t hex_digits(const unsigned char* bytes) {
    std::uint64_t word = 0;
    for (int i = 0; i < 4; ++i) word |= std::uint64_t(bytes[i] >> 4 | (bytes[i] & 15) << 8) << (16 * i);
    const std::uint64_t letters = (word + 0x0606060606060606) >> 4 & 0x0101010101010101;
    return word + 0x3030303030303030 + letters * ('a' - '0' - 10);
}

}  // namespace

std::string_view LineHash::operator()(std::string_view bytes) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    // The functions below OpenSSL's EVP layer: on a line of 200 bytes that layer costs as much as the hash, and lies in forty
    // pages of code that have left the caches since the last line.
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, bytes.data(), bytes.size());
    SHA256_Final(digest, &context);
    static_assert(std::endian::native == std::endian::little);
    for (std::size_t i = 0; i < sizeof digest; i += 4) {
        const std::uint64_t eight = hex_digits(digest + i);
        std::memcpy(hex_ + 2 * i, &eight, sizeof eight);
    }
    return {hex_, sizeof hex_};
}

Chain::Chain() { std::memcpy(previous_, first_previous().data(), sizeof previous_); }

void Chain::begin(std::string& out) {
    start_ = out.size();
    out.append("{\"n\":");
    append_number(out, number_);
    out.append(",\"p\":\"");
    out.append(previous_, sizeof previous_);
    out.push_back('"');
}

std::uint64_t Chain::end(std::string& out) {
    out.push_back('}');
    const auto hash = hash_(std::string_view(out).substr(start_));
    std::memcpy(previous_, hash.data(), sizeof previous_);
    out.push_back('\n');
    return number_++;
}

void Chain::seal(std::string& out) {
    const auto hash = hash_(std::string_view(out).substr(start_));
    out.append(",\"self\":\"");
    out.append(hash);
    out.push_back('"');
}

}  // namespace dbguard::recording
