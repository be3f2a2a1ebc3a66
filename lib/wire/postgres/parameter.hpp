#pragma once

// What a backend tells of itself while a session starts, and later when a setting changes.
// Source: PostgreSQL manual, "Message Formats": ParameterStatus, BackendKeyData, NegotiateProtocolVersion.

#include <cstdint>
#include <string_view>
#include <vector>

#include "wire/postgres/frame.hpp"
#include "wire/postgres/startup.hpp"

namespace dbguard::wire::postgres {

struct ParameterStatusView {
    std::string_view name;
    std::string_view value;
    bool operator==(const ParameterStatusView&) const = default;
};
Result<ParameterStatusView> decode_parameter_status(std::string_view body);
Result<void> encode(const ParameterStatusView& message, ByteWriter& out);

/// What a CancelRequest must repeat. The key has 4 bytes in protocol 3.0, 4 to 256 since 3.2.
struct BackendKeyDataView {
    std::uint32_t process_id = 0;
    std::string_view secret_key;
    bool operator==(const BackendKeyDataView&) const = default;
};
Result<BackendKeyDataView> decode_backend_key_data(std::string_view body);
Result<void> encode(const BackendKeyDataView& message, ByteWriter& out);

/// Sent when the frontend asked for a newer minor version or for unknown _pq_. options.
struct NegotiateProtocolVersionView {
    /// The newest the server speaks. The manual says "minor version"; servers send the whole number (3 << 16 | minor), and
    /// libpq expects it so: src/backend/tcop/backend_startup.c, SendNegotiateProtocolVersion.
    ProtocolVersion version;
    std::vector<std::string_view> unknown_options;
    bool operator==(const NegotiateProtocolVersionView&) const = default;
};
Result<NegotiateProtocolVersionView> decode_negotiate_protocol_version(std::string_view body);
Result<void> encode(const NegotiateProtocolVersionView& message, ByteWriter& out);

}  // namespace dbguard::wire::postgres
