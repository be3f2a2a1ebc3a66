#include "wire/postgres/startup.hpp"

namespace dbguard::wire::postgres {
namespace {

// Numbers in the place of a version. Source: PostgreSQL manual, "Message Formats": 1234 in the most significant 16 bits.
constexpr std::uint32_t cancel_request_code = 1234U << 16 | 5678;
constexpr std::uint32_t ssl_request_code = 1234U << 16 | 5679;
constexpr std::uint32_t gssenc_request_code = 1234U << 16 | 5680;

constexpr char tls_handshake_record = 0x16;  // RFC 8446 §5.1

Result<StartupPacket> decode_startup_message(std::uint32_t code, ByteReader& in) {
    StartupMessage message{ProtocolVersion::from_code(code), {}};
    if (message.version.major != 3) {
        const auto& v = message.version;
        return Error{
            errc::unsupported_protocol, std::to_string(v.major) + "." + std::to_string(v.minor)};
    }
    while (true) {
        const auto name = in.c_string();
        if (in.failed() || name.empty()) break;
        const auto value = in.c_string();
        message.parameters.emplace_back(name, value);
    }
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<StartupPacket> decode_cancel_request(ByteReader& in) {
    CancelRequest request;
    request.process_id = in.u32();
    request.secret_key = in.bytes(in.remaining_bytes());
    if (in.failed()) return Error{errc::truncated, "CancelRequest"};
    if (request.secret_key.size() < min_secret_key_bytes ||
        request.secret_key.size() > max_secret_key_bytes)
        return Error{
            errc::bad_length,
            "secret key of " + std::to_string(request.secret_key.size()) + " bytes"};
    return request;
}

void encode_bare(std::uint32_t code, ByteWriter& out) {
    out.u32(8);
    out.u32(code);
}

}  // namespace

std::optional<std::string_view> StartupMessage::parameter(std::string_view name) const {
    for (auto it = parameters.rbegin(); it != parameters.rend(); ++it)
        if (it->first == name) return it->second;
    return {};
}

Result<std::optional<std::size_t>> startup_packet_bytes(std::string_view bytes) {
    // As a length it would mean 369 MB.
    if (!bytes.empty() && bytes[0] == tls_handshake_record) return Error{errc::direct_tls, ""};
    if (bytes.size() < 4) return std::optional<std::size_t>{};
    const std::uint32_t length = ByteReader(bytes).u32();
    if (length < 8 || length > 0x7fffffff) return Error{errc::bad_length, std::to_string(length)};
    if (length > max_startup_packet_bytes) return Error{errc::oversize, std::to_string(length)};
    return std::optional<std::size_t>{length};
}

Result<StartupPacket> decode_startup(std::string_view packet) {
    const auto length = startup_packet_bytes(packet);
    if (!length) return length.error();
    if (!*length || packet.size() < **length) return Error{errc::truncated, "startup packet"};
    if (packet.size() > **length) return Error{errc::trailing_bytes, "startup packet"};
    ByteReader in(packet.substr(4));
    const std::uint32_t code = in.u32();
    if (code == cancel_request_code) return decode_cancel_request(in);
    if (code != ssl_request_code && code != gssenc_request_code)
        return decode_startup_message(code, in);
    if (const auto done = in.finish(); !done) return done.error();
    if (code == ssl_request_code) return SSLRequest{};
    return GSSENCRequest{};
}

Result<void> encode(const StartupMessage& message, ByteWriter& out) {
    std::size_t bytes = 4 + 4 + 1;
    for (const auto& [name, value] : message.parameters) {
        if (name.empty()) return Error{errc::bad_value, "empty parameter name"};
        for (const auto* text : {&name, &value})
            if (text->find('\0') != std::string::npos)
                return Error{errc::nul_in_string, "startup parameter"};
        bytes += name.size() + value.size() + 2;
    }
    if (bytes > max_startup_packet_bytes) return Error{errc::oversize, std::to_string(bytes)};
    if (message.version.major != 3)
        return Error{errc::unsupported_protocol, std::to_string(message.version.major)};
    out.u32(static_cast<std::uint32_t>(bytes));
    out.u32(message.version.code());
    for (const auto& [name, value] : message.parameters) {
        out.c_string(name);
        out.c_string(value);
    }
    out.u8(0);
    return {};
}

void encode(const SSLRequest&, ByteWriter& out) { encode_bare(ssl_request_code, out); }
void encode(const GSSENCRequest&, ByteWriter& out) { encode_bare(gssenc_request_code, out); }

Result<void> encode(const CancelRequest& request, ByteWriter& out) {
    const auto& key = request.secret_key;
    if (key.size() < min_secret_key_bytes || key.size() > max_secret_key_bytes)
        return Error{errc::bad_length, "secret key of " + std::to_string(key.size()) + " bytes"};
    out.u32(static_cast<std::uint32_t>(12 + key.size()));
    out.u32(cancel_request_code);
    out.u32(request.process_id);
    out.bytes(key);
    return {};
}

Result<void> encode(const StartupPacket& packet, ByteWriter& out) {
    if (const auto* message = std::get_if<StartupMessage>(&packet)) return encode(*message, out);
    if (const auto* cancel = std::get_if<CancelRequest>(&packet)) return encode(*cancel, out);
    if (const auto* ssl = std::get_if<SSLRequest>(&packet)) encode(*ssl, out);
    if (const auto* gss = std::get_if<GSSENCRequest>(&packet)) encode(*gss, out);
    return {};
}

}  // namespace dbguard::wire::postgres
