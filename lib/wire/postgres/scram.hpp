#pragma once

// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (tls-server-end-point), both sides, as PostgreSQL speaks them. The payloads travel in
// SASL messages (auth.hpp). Source: RFC 5802, RFC 7677, RFC 5929 §4; PostgreSQL manual, "SCRAM-SHA-256 Authentication".

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace dbguard::wire::postgres {

namespace errc {
inline constexpr std::string_view bad_scram_message =
    "bad_scram_message";                                    ///< not what RFC 5802 §7 allows here
inline constexpr std::string_view bad_nonce = "bad_nonce";  ///< does not continue our nonce
inline constexpr std::string_view bad_iteration_count = "bad_iteration_count";
inline constexpr std::string_view bad_channel_binding =
    "bad_channel_binding";  ///< a man in the middle, or a client that lies
inline constexpr std::string_view bad_proof =
    "bad_proof";  ///< the client does not know the password
inline constexpr std::string_view bad_server_signature =
    "bad_server_signature";  ///< the server does not know the verifier
inline constexpr std::string_view scram_server_error =
    "scram_server_error";  ///< the server's final message is e=…
inline constexpr std::string_view bad_verifier = "bad_verifier";
}  // namespace errc

/// PostgreSQL's default. Source: scram_iterations.
inline constexpr std::uint32_t default_scram_iterations = 4096;
/// A server that asks for more wants to keep us busy: 10 million rounds are seconds.
inline constexpr std::uint32_t max_scram_iterations = 10'000'000;

/// What a server keeps of a password. Who has it can play the server, not the client.
struct ScramVerifier {
    std::uint32_t iterations = default_scram_iterations;
    std::string salt;
    Secret stored_key;
    Secret server_key;
    bool operator==(const ScramVerifier&) const = default;
};
/// PBKDF2 costs `iterations` rounds. An empty salt is replaced by 16 random bytes.
ScramVerifier make_scram_verifier(
    const Secret& password,
    std::string_view salt = {},
    std::uint32_t iterations = default_scram_iterations
);
/// The form of pg_authid.rolpassword: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>.
Secret to_text(const ScramVerifier& verifier);
/// Errors: bad_verifier (its text is not repeated).
Result<ScramVerifier> parse_scram_verifier(std::string_view text);

/// What a client keeps so that the next login needs no PBKDF2 as long as the server's salt and iterations are the same.
/// Worth as much as the password itself.
struct ScramClientKeys {
    std::string salt;
    std::uint32_t iterations = 0;
    Secret client_key;
    Secret server_key;
    bool operator==(const ScramClientKeys&) const = default;
};
/// PBKDF2 costs `iterations` rounds.
ScramClientKeys derive_scram_client_keys(
    const Secret& password, std::string_view salt, std::uint32_t iterations
);

/// The password as it goes into PBKDF2. PostgreSQL's rule: SASLprep when the text is UTF-8 without prohibited characters,
/// else the bytes as they are. Limit: of the normalisation (NFKC), only compatibility forms of the Latin-1 block and full-width
/// ASCII are mapped; a password with other characters that NFKC would change or with unassigned code points is used as it is,
/// so such a login fails although libpq's would succeed. Source: src/common/saslprep.c; RFC 4013.
Secret sasl_prepare(const Secret& password);

/// The client's side. One object a login.
class ScramClient {
  public:
    /// How the exchange is tied to the TLS connection.
    enum class Binding : std::uint8_t {
        none,  ///< "n,,": no TLS, or channel binding is off
        not_offered,  ///< "y,,": we could, the server did not offer -PLUS; the server checks that this is true
        end_point,  ///< "p=tls-server-end-point,,"
    };

    /// `certificate_hash` is needed for end_point. `nonce` is for tests; empty: 18 random bytes in base64.
    ScramClient(
        Secret password, Binding binding, std::string certificate_hash = {}, std::string nonce = {}
    );
    /// Keys of an earlier login: used when salt and iterations still match.
    void use_keys(ScramClientKeys keys) { keys_ = std::move(keys); }

    /// The mechanism to name in SASLInitialResponse.
    std::string_view mechanism() const;
    /// client-first-message.
    std::string first_message() const;
    /// client-final-message, given server-first-message. Errors: bad_scram_message, bad_nonce, bad_iteration_count.
    Result<std::string> final_message(std::string_view server_first);
    /// Checks server-final-message: only then the server is the one that knows the verifier.
    /// Errors: bad_scram_message, bad_server_signature, scram_server_error.
    Result<void> verify(std::string_view server_final);
    /// The keys of this login, to be kept for the next; empty before final_message().
    const std::optional<ScramClientKeys>& keys() const { return keys_; }

  private:
    std::string gs2_header() const;

    Secret password_;
    Binding binding_;
    std::string certificate_hash_;
    std::string nonce_;
    std::optional<ScramClientKeys> keys_;
    std::string server_signature_;
};

/// The server's side. One object a login.
class ScramServer {
  public:
    /// `certificate_hash`: of this TLS connection's own certificate, when -PLUS was offered on it; empty otherwise.
    /// `nonce` is for tests; empty: 18 random bytes in base64.
    explicit ScramServer(
        ScramVerifier verifier, std::string certificate_hash = {}, std::string nonce = {}
    );

    /// server-first-message, given what the SASLInitialResponse held. The user name in it is ignored, as PostgreSQL does: the
    /// startup packet's counts. Errors: bad_scram_message, bad_channel_binding (-PLUS without TLS, "y" although it was offered,
    /// …).
    Result<std::string> first_message(std::string_view mechanism, std::string_view client_first);
    /// server-final-message, given client-final-message: the client knows the password.
    /// Errors: bad_scram_message, bad_nonce, bad_channel_binding, bad_proof.
    Result<std::string> final_message(std::string_view client_final);

  private:
    ScramVerifier verifier_;
    std::string certificate_hash_;
    std::string nonce_;  ///< the server's part, then both
    std::string gs2_header_;
    std::string auth_message_;  ///< client-first-message-bare "," server-first-message
    bool plus_ = false;
};

}  // namespace dbguard::wire::postgres
