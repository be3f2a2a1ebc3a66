#include "wire/postgres/extended_query.hpp"

namespace dbguard::wire::postgres {
namespace {

template <class Message>
Result<Message> decode_empty(std::string_view body) {
    if (const auto done = ByteReader(body).finish(); !done) return done.error();
    return Message{};
}

Result<void> encode_empty(char type, ByteWriter& out) {
    end_frame(begin_frame(type, out), out);
    return {};
}

// Describe and Close have the same body.
template <class Message>
Result<Message> decode_named(std::string_view body) {
    ByteReader in(body);
    const char target = static_cast<char>(in.u8());
    Message message;
    message.name = in.c_string();
    if (const auto done = in.finish(); !done) return done.error();
    if (target != 'S' && target != 'P')
        return Error{errc::bad_value, "neither statement nor portal"};
    message.target = static_cast<Target>(target);
    return message;
}

template <class Message>
Result<void> encode_named(char type, const Message& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.name}); !ok) return ok;
    const auto at = begin_frame(type, out);
    out.u8(static_cast<std::uint8_t>(message.target));
    out.c_string(message.name);
    end_frame(at, out);
    return {};
}

}  // namespace

Result<ParseView> decode_parse(std::string_view body) {
    ByteReader in(body);
    std::string_view error;
    ParseView message;
    message.statement = in.c_string();
    message.sql = in.c_string();
    message.parameter_types = read_oid_list(in, error);
    if (const auto done = finish(in, error); !done) return done.error();
    return message;
}

Result<void> encode(const ParseView& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.statement, message.sql}); !ok) return ok;
    const std::size_t total =
        message.statement.size() + message.sql.size() + message.parameter_types.raw().size() + 4;
    if (total > large_body_bytes) return Error{errc::oversize, std::to_string(total)};
    const auto at = begin_frame('P', out);
    out.c_string(message.statement);
    out.c_string(message.sql);
    write(message.parameter_types, out);
    end_frame(at, out);
    return {};
}

Result<void> encode_parse(
    std::string_view statement,
    std::string_view sql,
    std::span<const std::uint32_t> parameter_types,
    ByteWriter& out
) {
    if (parameter_types.size() > 0xffff) return Error{errc::bad_count, "parameter types"};
    std::string raw;
    ByteWriter types(raw);
    for (const auto type : parameter_types) types.u32(type);
    return encode(ParseView{statement, sql, OidListView(raw)}, out);
}

Result<BindView> decode_bind(std::string_view body) {
    ByteReader in(body);
    std::string_view error;
    BindView message;
    message.portal = in.c_string();
    message.statement = in.c_string();
    message.parameter_formats = read_int16_list(in, error);
    message.parameters = read_value_list(in, error);
    message.result_formats = read_int16_list(in, error);
    if (const auto done = finish(in, error); !done) return done.error();
    return message;
}

Result<void> encode(const BindView& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.portal, message.statement}); !ok) return ok;
    const std::size_t total =
        message.portal.size() + message.statement.size() + message.parameters.raw().size() +
        message.parameter_formats.raw().size() + message.result_formats.raw().size() + 8;
    if (total > large_body_bytes) return Error{errc::oversize, std::to_string(total)};
    const auto at = begin_frame('B', out);
    out.c_string(message.portal);
    out.c_string(message.statement);
    write(message.parameter_formats, out);
    write(message.parameters, out);
    write(message.result_formats, out);
    end_frame(at, out);
    return {};
}

Result<void> encode_bind(
    std::string_view portal,
    std::string_view statement,
    std::span<const std::int16_t> parameter_formats,
    std::span<const ValueView> parameters,
    std::span<const std::int16_t> result_formats,
    ByteWriter& out
) {
    if (const auto ok = check_strings({portal, statement}); !ok) return ok;
    if (const auto ok = check_values(parameters); !ok) return ok;
    if (parameter_formats.size() > 1 && parameter_formats.size() != parameters.size())
        return Error{errc::bad_count, "parameter formats"};
    if (result_formats.size() > 0xffff) return Error{errc::bad_count, "result formats"};
    const auto at = begin_frame('B', out);
    out.c_string(portal);
    out.c_string(statement);
    out.u16(static_cast<std::uint16_t>(parameter_formats.size()));
    for (const auto format : parameter_formats) out.i16(format);
    write_values(parameters, out);
    out.u16(static_cast<std::uint16_t>(result_formats.size()));
    for (const auto format : result_formats) out.i16(format);
    end_frame(at, out);
    return {};
}

Result<DescribeView> decode_describe(std::string_view body) {
    return decode_named<DescribeView>(body);
}
Result<void> encode(const DescribeView& message, ByteWriter& out) {
    return encode_named('D', message, out);
}
Result<CloseView> decode_close(std::string_view body) { return decode_named<CloseView>(body); }
Result<void> encode(const CloseView& message, ByteWriter& out) {
    return encode_named('C', message, out);
}

Result<ExecuteView> decode_execute(std::string_view body) {
    ByteReader in(body);
    ExecuteView message;
    message.portal = in.c_string();
    message.max_rows = in.i32();
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<void> encode(const ExecuteView& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.portal}); !ok) return ok;
    const auto at = begin_frame('E', out);
    out.c_string(message.portal);
    out.i32(message.max_rows);
    end_frame(at, out);
    return {};
}

Result<Sync> decode_sync(std::string_view body) { return decode_empty<Sync>(body); }
Result<Flush> decode_flush(std::string_view body) { return decode_empty<Flush>(body); }
Result<ParseComplete> decode_parse_complete(std::string_view body) {
    return decode_empty<ParseComplete>(body);
}
Result<BindComplete> decode_bind_complete(std::string_view body) {
    return decode_empty<BindComplete>(body);
}
Result<CloseComplete> decode_close_complete(std::string_view body) {
    return decode_empty<CloseComplete>(body);
}
Result<NoData> decode_no_data(std::string_view body) { return decode_empty<NoData>(body); }
Result<PortalSuspended> decode_portal_suspended(std::string_view body) {
    return decode_empty<PortalSuspended>(body);
}
Result<void> encode(Sync, ByteWriter& out) { return encode_empty('S', out); }
Result<void> encode(Flush, ByteWriter& out) { return encode_empty('H', out); }
Result<void> encode(ParseComplete, ByteWriter& out) { return encode_empty('1', out); }
Result<void> encode(BindComplete, ByteWriter& out) { return encode_empty('2', out); }
Result<void> encode(CloseComplete, ByteWriter& out) { return encode_empty('3', out); }
Result<void> encode(NoData, ByteWriter& out) { return encode_empty('n', out); }
Result<void> encode(PortalSuspended, ByteWriter& out) { return encode_empty('s', out); }

Result<ParameterDescriptionView> decode_parameter_description(std::string_view body) {
    ByteReader in(body);
    std::string_view error;
    const ParameterDescriptionView message{read_oid_list(in, error)};
    if (const auto done = finish(in, error); !done) return done.error();
    return message;
}

Result<void> encode(const ParameterDescriptionView& message, ByteWriter& out) {
    const auto at = begin_frame('t', out);
    write(message.types, out);
    end_frame(at, out);
    return {};
}

}  // namespace dbguard::wire::postgres
