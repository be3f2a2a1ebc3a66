#include "masking/keyed_hash.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "base/crypto.hpp"

namespace dbguard::masking {
namespace {

constexpr std::size_t block_bytes = 64;

struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Hashing = std::unique_ptr<EVP_MD_CTX, Free>;

void require(int good) {
    if (good != 1) throw std::runtime_error("SHA-256 is not available");
}

Hashing begun(std::string_view block) {
    Hashing hashing(EVP_MD_CTX_new());
    require(hashing ? 1 : 0);
    require(EVP_DigestInit_ex(hashing.get(), EVP_sha256(), nullptr));
    require(EVP_DigestUpdate(hashing.get(), block.data(), block.size()));
    return hashing;
}

KeyedHash::Digest finished(const Hashing& from, std::string_view bytes) {
    const Hashing hashing(EVP_MD_CTX_new());
    KeyedHash::Digest digest{};
    unsigned length = 0;
    require(hashing ? 1 : 0);
    require(EVP_MD_CTX_copy_ex(hashing.get(), from.get()));
    require(EVP_DigestUpdate(hashing.get(), bytes.data(), bytes.size()));
    require(
        EVP_DigestFinal_ex(hashing.get(), reinterpret_cast<unsigned char*>(digest.data()), &length)
    );
    return digest;
}

}  // namespace

struct KeyedHash::State {
    Hashing inner, outer;
};

KeyedHash::KeyedHash(const Secret& key) {
    if (key.empty()) return;
    std::string block = key.reveal();
    if (block.size() > block_bytes) block = sha256(block);
    block.resize(block_bytes, '\0');
    const auto padded = [&](char pad) {
        std::transform(block.begin(), block.end(), block.begin(), [&](char c) {
            return static_cast<char>(c ^ pad);
        });
        Hashing hashing = begun(block);
        std::transform(block.begin(), block.end(), block.begin(), [&](char c) {
            return static_cast<char>(c ^ pad);
        });
        return hashing;
    };
    auto state = std::make_shared<State>();
    state->inner = padded(0x36);
    state->outer = padded(0x5c);
    OPENSSL_cleanse(block.data(), block.size());
    state_ = std::move(state);
}

KeyedHash::Digest KeyedHash::operator()(std::string_view bytes) const {
    const Digest inner = finished(state_->inner, bytes);
    return finished(state_->outer, {inner.data(), inner.size()});
}

}  // namespace dbguard::masking
