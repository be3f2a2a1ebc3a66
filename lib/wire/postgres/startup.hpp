#pragma once

// What a client sends before the first frame: packets without a type byte.
// Source: PostgreSQL manual, "Message Formats": StartupMessage, SSLRequest, GSSENCRequest, CancelRequest.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "wire/postgres/frame.hpp"

namespace dbguard::wire::postgres {

namespace errc {
inline constexpr std::string_view unsupported_protocol =
    "unsupported_protocol";  ///< not version 3; detail: major.minor
inline constexpr std::string_view direct_tls =
    "direct_tls";  ///< a TLS ClientHello where a startup packet belongs
}  // namespace errc

struct ProtocolVersion {
    std::uint16_t major = 3;
    std::uint16_t minor = 0;

    constexpr std::uint32_t code() const { return std::uint32_t{major} << 16 | minor; }
    static constexpr ProtocolVersion from_code(std::uint32_t code) {
        return {static_cast<std::uint16_t>(code >> 16), static_cast<std::uint16_t>(code)};
    }
    auto operator<=>(const ProtocolVersion&) const = default;
};

inline constexpr ProtocolVersion protocol_3_0{3, 0};
/// Long secret keys (PostgreSQL 18). 3.1 was never used: some pooler took it for something else.
inline constexpr ProtocolVersion protocol_3_2{3, 2};

/// In wire order; names may repeat, then the last counts, as for the server.
struct StartupMessage {
    ProtocolVersion version;
    std::vector<std::pair<std::string, std::string>> parameters;

    /// The last value given for `name`; empty when there is none. Borrowed from the message.
    std::optional<std::string_view> parameter(std::string_view name) const;
    bool operator==(const StartupMessage&) const = default;
};
struct SSLRequest {
    bool operator==(const SSLRequest&) const = default;
};
struct GSSENCRequest {
    bool operator==(const GSSENCRequest&) const = default;
};
/// Answered by nothing but the end of the connection. The key has 4 bytes in protocol 3.0, up to 256 since 3.2.
struct CancelRequest {
    std::uint32_t process_id = 0;
    std::string secret_key;
    bool operator==(const CancelRequest&) const = default;
};

using StartupPacket = std::variant<StartupMessage, SSLRequest, GSSENCRequest, CancelRequest>;

/// The server's own cap on a startup packet. Source: src/include/libpq/pqcomm.h, MAX_STARTUP_PACKET_LENGTH.
inline constexpr std::uint32_t max_startup_packet_bytes = 10'000;
inline constexpr std::size_t min_secret_key_bytes = 4;
inline constexpr std::size_t max_secret_key_bytes = 256;

/// The length of the packet that `bytes` begin with, itself included; empty when fewer than 4 bytes are there. The caller
/// reads no further than that: bytes behind an SSLRequest must stay unread until the handshake (CVE-2021-23214).
/// Errors: bad_length, oversize, direct_tls (first byte 0x16, a TLS handshake record, told at once).
Result<std::optional<std::size_t>> startup_packet_bytes(std::string_view bytes);

/// `packet` is whole, its length included. Versions 3.x are accepted whatever the minor number: what to make of it is
/// negotiation. Errors: truncated, trailing_bytes, bad_length, oversize, bad_value, unsupported_protocol, direct_tls.
Result<StartupPacket> decode_startup(std::string_view packet);

/// Errors: nul_in_string, bad_value (an empty parameter name), bad_length (secret key), oversize.
Result<void> encode(const StartupMessage& message, ByteWriter& out);
void encode(const SSLRequest& request, ByteWriter& out);
void encode(const GSSENCRequest& request, ByteWriter& out);
Result<void> encode(const CancelRequest& request, ByteWriter& out);
Result<void> encode(const StartupPacket& packet, ByteWriter& out);

}  // namespace dbguard::wire::postgres
