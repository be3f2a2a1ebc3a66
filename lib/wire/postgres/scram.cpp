#include "wire/postgres/scram.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "wire/postgres/auth.hpp"

namespace dbguard::wire::postgres {
namespace {

constexpr std::size_t key_bytes = 32;
constexpr std::size_t nonce_bytes =
    18;  // PostgreSQL's: src/include/common/scram-common.h, SCRAM_RAW_NONCE_LEN
constexpr std::size_t salt_bytes = 16;  // SCRAM_DEFAULT_SALT_LEN
constexpr std::string_view binding_name = "tls-server-end-point";

Error bad_message(std::string_view what) { return {errc::bad_scram_message, std::string(what)}; }

std::string fresh_nonce(std::string given) {
    return given.empty() ? base64(random_bytes(nonce_bytes)) : std::move(given);
}

/// RFC 5802 §7: printable ASCII without comma.
bool is_nonce(std::string_view text) {
    return !text.empty() &&
           std::ranges::all_of(text, [](char c) { return c >= 0x21 && c <= 0x7e && c != ','; });
}

/// Takes `x=value` and its comma, or the end, from `rest`; empty when the attribute is another.
std::optional<std::string_view> take_attribute(std::string_view& rest, char name) {
    if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return {};
    const auto end = rest.find(',');
    const auto value = rest.substr(2, end == std::string_view::npos ? end : end - 2);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    return value;
}

/// Digits only, no leading zero.
std::optional<std::uint32_t> parse_iterations(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.starts_with('0'))
        return {};
    if (value > max_scram_iterations) return {};
    return value;
}

Secret exclusive_or(std::string_view a, std::string_view b) {
    std::string out(key_bytes, '\0');
    for (std::size_t i = 0; i < key_bytes; ++i) out[i] = static_cast<char>(a[i] ^ b[i]);
    return Secret(std::move(out));
}

/// Hi() of RFC 5802 §2.2 is PBKDF2 with HMAC.
Secret salted_password(const Secret& password, std::string_view salt, std::uint32_t iterations) {
    const Secret prepared = sasl_prepare(password);
    std::string key(key_bytes, '\0');
    const int ok = PKCS5_PBKDF2_HMAC(
        prepared.reveal().data(),
        static_cast<int>(prepared.reveal().size()),
        reinterpret_cast<const unsigned char*>(salt.data()),
        static_cast<int>(salt.size()),
        static_cast<int>(iterations),
        EVP_sha256(),
        static_cast<int>(key_bytes),
        reinterpret_cast<unsigned char*>(key.data())
    );
    if (ok != 1) throw std::runtime_error("PBKDF2 failed");
    return Secret(std::move(key));
}

}  // namespace

ScramClientKeys derive_scram_client_keys(
    const Secret& password, std::string_view salt, std::uint32_t iterations
) {
    const Secret salted = salted_password(password, salt, iterations);
    ScramClientKeys keys;
    keys.salt = salt;
    keys.iterations = iterations;
    keys.client_key = Secret(hmac_sha256(salted.reveal(), "Client Key"));
    keys.server_key = Secret(hmac_sha256(salted.reveal(), "Server Key"));
    return keys;
}

ScramVerifier make_scram_verifier(
    const Secret& password, std::string_view salt, std::uint32_t iterations
) {
    const std::string used_salt = salt.empty() ? random_bytes(salt_bytes) : std::string(salt);
    auto keys = derive_scram_client_keys(password, used_salt, iterations);
    ScramVerifier verifier;
    verifier.iterations = iterations;
    verifier.salt = used_salt;
    verifier.stored_key = Secret(sha256(keys.client_key.reveal()));
    verifier.server_key = std::move(keys.server_key);
    return verifier;
}

Secret to_text(const ScramVerifier& verifier) {
    return Secret(
        "SCRAM-SHA-256$" + std::to_string(verifier.iterations) + ":" + base64(verifier.salt) + "$" +
        base64(verifier.stored_key.reveal()) + ":" + base64(verifier.server_key.reveal())
    );
}

Result<ScramVerifier> parse_scram_verifier(std::string_view text) {
    constexpr std::string_view prefix = "SCRAM-SHA-256$";
    const Error bad{
        errc::bad_verifier, "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> expected"};
    if (!text.starts_with(prefix)) return bad;
    text.remove_prefix(prefix.size());
    const auto colon = text.find(':');
    const auto dollar = text.find('$');
    if (colon == std::string_view::npos || dollar == std::string_view::npos || dollar < colon)
        return bad;
    const auto keys = text.substr(dollar + 1);
    const auto between = keys.find(':');
    if (between == std::string_view::npos) return bad;

    const auto iterations = parse_iterations(text.substr(0, colon));
    auto salt = base64_decode(text.substr(colon + 1, dollar - colon - 1));
    auto stored_key = base64_decode(keys.substr(0, between));
    auto server_key = base64_decode(keys.substr(between + 1));
    if (!iterations || !salt || salt->empty()) return bad;
    if (!stored_key || stored_key->size() != key_bytes || !server_key ||
        server_key->size() != key_bytes)
        return bad;
    return ScramVerifier{
        *iterations,
        std::move(*salt),
        Secret(std::move(*stored_key)),
        Secret(std::move(*server_key))};
}

// ---- client ----------------------------------------------------------------------------------------------------------

ScramClient::ScramClient(
    Secret password, Binding binding, std::string certificate_hash, std::string nonce
)
    : password_(std::move(password)),
      binding_(binding),
      certificate_hash_(std::move(certificate_hash)),
      nonce_(fresh_nonce(std::move(nonce))) {
    if (binding_ == Binding::end_point && certificate_hash_.empty())
        throw std::logic_error("channel binding without a certificate hash");
}

std::string_view ScramClient::mechanism() const {
    return binding_ == Binding::end_point ? scram_sha_256_plus : scram_sha_256;
}

std::string ScramClient::gs2_header() const {
    switch (binding_) {
        case Binding::none:
            return "n,,";
        case Binding::not_offered:
            return "y,,";
        case Binding::end_point:
            break;
    }
    return "p=" + std::string(binding_name) + ",,";
}

// The user name stays empty: the server takes it from the startup packet.
std::string ScramClient::first_message() const { return gs2_header() + "n=,r=" + nonce_; }

Result<std::string> ScramClient::final_message(std::string_view server_first) {
    auto rest = server_first;
    const auto nonce = take_attribute(rest, 'r');
    if (!nonce || !is_nonce(*nonce)) return bad_message("server-first-message: nonce");
    if (!nonce->starts_with(nonce_) || nonce->size() == nonce_.size())
        return Error{errc::bad_nonce, "server-first-message"};
    const auto salt_text = take_attribute(rest, 's');
    const auto salt = salt_text ? base64_decode(*salt_text) : std::nullopt;
    if (!salt || salt->empty()) return bad_message("server-first-message: salt");
    const auto iteration_text = take_attribute(rest, 'i');
    if (!iteration_text) return bad_message("server-first-message: iteration count");
    const auto iterations = parse_iterations(*iteration_text);
    if (!iterations)
        return Error{
            errc::bad_iteration_count,
            "1 to " + std::to_string(max_scram_iterations) + " expected"};
    if (!rest.empty() || server_first.ends_with(','))
        return bad_message("server-first-message: trailing text");

    if (!keys_ || keys_->iterations != *iterations || keys_->salt != *salt)
        keys_ = derive_scram_client_keys(password_, *salt, *iterations);

    const auto binding_input =
        gs2_header() + (binding_ == Binding::end_point ? certificate_hash_ : std::string());
    const auto without_proof = "c=" + base64(binding_input) + ",r=" + std::string(*nonce);
    const auto auth_message =
        "n=,r=" + nonce_ + "," + std::string(server_first) + "," + without_proof;
    const auto client_signature = hmac_sha256(sha256(keys_->client_key.reveal()), auth_message);
    server_signature_ = hmac_sha256(keys_->server_key.reveal(), auth_message);
    return without_proof +
           ",p=" + base64(exclusive_or(keys_->client_key.reveal(), client_signature).reveal());
}

Result<void> ScramClient::verify(std::string_view server_final) {
    if (server_signature_.empty()) return bad_message("server-final-message before its time");
    if (server_final.starts_with("e=")) {
        // Text of the server's own choosing: as far as it is one of RFC 5802's words, it may be shown.
        const auto word = server_final.substr(2);
        const bool plain = word.size() <= 64 && std::ranges::all_of(word, [](char c) {
                               return (c >= 'a' && c <= 'z') || c == '-';
                           });
        return Error{errc::scram_server_error, plain ? std::string(word) : ""};
    }
    auto rest = server_final;
    const auto text = take_attribute(rest, 'v');
    const auto signature = text ? base64_decode(*text) : std::nullopt;
    if (!signature || !rest.empty() || server_final.ends_with(','))
        return bad_message("server-final-message");
    if (Secret(*signature) != Secret(server_signature_))
        return Error{errc::bad_server_signature, ""};
    return {};
}

// ---- server ----------------------------------------------------------------------------------------------------------

ScramServer::ScramServer(ScramVerifier verifier, std::string certificate_hash, std::string nonce)
    : verifier_(std::move(verifier)),
      certificate_hash_(std::move(certificate_hash)),
      nonce_(fresh_nonce(std::move(nonce))) {}

Result<std::string> ScramServer::first_message(
    std::string_view mechanism, std::string_view client_first
) {
    plus_ = mechanism == scram_sha_256_plus;
    if (!plus_ && mechanism != scram_sha_256) return bad_message("mechanism");
    if (plus_ && certificate_hash_.empty())
        return Error{errc::bad_channel_binding, "-PLUS was not offered"};

    // gs2-header: channel binding flag, then the authorization identity, which PostgreSQL does not know.
    const auto first_comma = client_first.find(',');
    if (first_comma == std::string_view::npos)
        return bad_message("client-first-message: no gs2 header");
    const auto flag = client_first.substr(0, first_comma);
    if (flag == "n" || flag == "y") {
        if (plus_) return Error{errc::bad_channel_binding, "-PLUS without channel binding data"};
        if (flag == "y" && !certificate_hash_.empty())
            return Error{
                errc::bad_channel_binding,
                "the client thinks that channel binding was not offered, but it was"};
    } else if (flag.starts_with("p=")) {
        if (!plus_) return Error{errc::bad_channel_binding, "channel binding without -PLUS"};
        if (flag.substr(2) != binding_name)
            return Error{errc::bad_channel_binding, "unknown binding type"};
    } else {
        return bad_message("client-first-message: channel binding flag");
    }
    auto rest = client_first.substr(first_comma + 1);
    if (!rest.starts_with(',')) return bad_message("client-first-message: authorization identity");
    rest.remove_prefix(1);
    gs2_header_ = client_first.substr(0, client_first.size() - rest.size());

    const auto bare = rest;
    if (rest.starts_with("m=")) return bad_message("client-first-message: mandatory extension");
    if (!take_attribute(rest, 'n')) return bad_message("client-first-message: user name");
    const auto client_nonce = take_attribute(rest, 'r');
    if (!client_nonce || !is_nonce(*client_nonce))
        return bad_message("client-first-message: nonce");
    // Optional extensions may follow and mean nothing to us.

    nonce_ = std::string(*client_nonce) + nonce_;
    auto server_first = "r=" + nonce_ + ",s=" + base64(verifier_.salt) +
                        ",i=" + std::to_string(verifier_.iterations);
    auth_message_ = std::string(bare) + "," + server_first;
    return server_first;
}

Result<std::string> ScramServer::final_message(std::string_view client_final) {
    if (auth_message_.empty()) return bad_message("client-final-message before its time");
    const auto proof_at = client_final.rfind(",p=");
    if (proof_at == std::string_view::npos) return bad_message("client-final-message: proof");
    const auto without_proof = client_final.substr(0, proof_at);
    const auto proof = base64_decode(client_final.substr(proof_at + 3));
    if (!proof || proof->size() != key_bytes) return bad_message("client-final-message: proof");

    auto rest = without_proof;
    const auto binding = take_attribute(rest, 'c');
    if (!binding) return bad_message("client-final-message: channel binding");
    if (*binding != base64(gs2_header_ + (plus_ ? certificate_hash_ : std::string())))
        return Error{
            errc::bad_channel_binding, "the client sees another certificate or mechanism list"};
    const auto nonce = take_attribute(rest, 'r');
    if (!nonce) return bad_message("client-final-message: nonce");
    if (*nonce != nonce_) return Error{errc::bad_nonce, "client-final-message"};

    const auto auth_message = auth_message_ + "," + std::string(without_proof);
    const auto client_signature = hmac_sha256(verifier_.stored_key.reveal(), auth_message);
    const auto client_key = exclusive_or(*proof, client_signature);
    if (Secret(sha256(client_key.reveal())) != verifier_.stored_key)
        return Error{errc::bad_proof, ""};
    return "v=" + base64(hmac_sha256(verifier_.server_key.reveal(), auth_message));
}

}  // namespace dbguard::wire::postgres
