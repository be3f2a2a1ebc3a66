#include "recording/chain.hpp"

#include <openssl/evp.h>

#include <cstring>
#include <new>
#include <stdexcept>

#include "recording/json_text.hpp"

namespace dbguard::recording {

std::string_view first_previous() {
    return "0000000000000000000000000000000000000000000000000000000000000000";
}

void LineHash::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

LineHash::LineHash() : context_(EVP_MD_CTX_new()) {
    if (!context_) throw std::bad_alloc();
    if (EVP_DigestInit_ex2(context_.get(), EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("no SHA-256");
}

std::string_view LineHash::operator()(std::string_view bytes) {
    constexpr char digits[] = "0123456789abcdef";
    unsigned char digest[32];
    // Init without an algorithm keeps the fetched one: OpenSSL, EVP_DigestInit_ex2(3).
    if (EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) != 1 ||
        EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1 ||
        EVP_DigestFinal_ex(context_.get(), digest, nullptr) != 1)
        throw std::runtime_error("SHA-256 failed");
    for (int i = 0; i < 32; ++i) {
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
