// SHA256_Init and its like are deprecated for EVP, not removed.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "recording/chain.hpp"

#include <openssl/sha.h>

#include <cstring>

#include "recording/json_text.hpp"

namespace dbguard::recording {

std::string_view first_previous() {
    return "0000000000000000000000000000000000000000000000000000000000000000";
}

std::string_view LineHash::operator()(std::string_view bytes) {
    constexpr char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    // The functions below OpenSSL's EVP layer: on a line of 200 bytes that layer costs as much as the hash, and lies in forty
    // pages of code that have left the caches since the last line.
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, bytes.data(), bytes.size());
    SHA256_Final(digest, &context);
    for (std::size_t i = 0; i < sizeof digest; ++i) {
        hex_[2 * i] = digits[digest[i] >> 4];
        hex_[2 * i + 1] = digits[digest[i] & 15];
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
