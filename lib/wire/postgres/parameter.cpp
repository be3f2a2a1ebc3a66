#include "wire/postgres/parameter.hpp"

#include "wire/postgres/lists.hpp"

namespace dbguard::wire::postgres {

Result<ParameterStatusView> decode_parameter_status(std::string_view body) {
    ByteReader in(body);
    ParameterStatusView message;
    message.name = in.c_string();
    message.value = in.c_string();
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<void> encode(const ParameterStatusView& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.name, message.value}); !ok) return ok;
    const auto at = begin_frame('S', out);
    out.c_string(message.name);
    out.c_string(message.value);
    end_frame(at, out);
    return {};
}

Result<BackendKeyDataView> decode_backend_key_data(std::string_view body) {
    ByteReader in(body);
    BackendKeyDataView message;
    message.process_id = in.u32();
    if (in.failed()) return Error{errc::truncated, "BackendKeyData"};
    message.secret_key = in.rest();
    if (message.secret_key.size() < min_secret_key_bytes ||
        message.secret_key.size() > max_secret_key_bytes)
        return Error{
            errc::bad_length,
            "secret key of " + std::to_string(message.secret_key.size()) + " bytes"};
    return message;
}

Result<void> encode(const BackendKeyDataView& message, ByteWriter& out) {
    if (message.secret_key.size() < min_secret_key_bytes ||
        message.secret_key.size() > max_secret_key_bytes)
        return Error{
            errc::bad_length,
            "secret key of " + std::to_string(message.secret_key.size()) + " bytes"};
    const auto at = begin_frame('K', out);
    out.u32(message.process_id);
    out.bytes(message.secret_key);
    end_frame(at, out);
    return {};
}

Result<NegotiateProtocolVersionView> decode_negotiate_protocol_version(std::string_view body) {
    ByteReader in(body);
    NegotiateProtocolVersionView message;
    message.version = ProtocolVersion::from_code(in.u32());
    const std::uint32_t count = in.u32();
    if (!in.failed() && count > in.remaining_bytes())
        return Error{errc::bad_count, std::to_string(count)};
    for (std::uint32_t i = 0; i < count && !in.failed(); ++i)
        message.unknown_options.push_back(in.c_string());
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<void> encode(const NegotiateProtocolVersionView& message, ByteWriter& out) {
    std::size_t total = 8;
    for (const auto option : message.unknown_options) {
        if (const auto ok = check_strings({option}); !ok) return ok;
        total += option.size() + 1;
    }
    if (total > 1024 * 1024) return Error{errc::oversize, std::to_string(total)};
    const auto at = begin_frame('v', out);
    out.u32(message.version.code());
    out.u32(static_cast<std::uint32_t>(message.unknown_options.size()));
    for (const auto option : message.unknown_options) out.c_string(option);
    end_frame(at, out);
    return {};
}

}  // namespace dbguard::wire::postgres
