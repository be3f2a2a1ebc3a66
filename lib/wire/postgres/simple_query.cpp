#include "wire/postgres/simple_query.hpp"

namespace dbguard::wire::postgres {

Result<QueryView> decode_query(std::string_view body) {
    ByteReader in(body);
    const QueryView message{in.c_string()};
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<void> encode(const QueryView& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.sql}); !ok) return ok;
    const auto at = begin_frame('Q', out);
    out.c_string(message.sql);
    end_frame(at, out);
    return {};
}

Result<FunctionCallView> decode_function_call(std::string_view body) {
    ByteReader in(body);
    std::string_view error;
    FunctionCallView message;
    message.function = in.u32();
    message.argument_formats = read_int16_list(in, error);
    message.arguments = read_value_list(in, error);
    message.result_format = in.i16();
    if (const auto done = finish(in, error); !done) return done.error();
    const auto formats = message.argument_formats.size();
    if (formats > 1 && formats != message.arguments.size())
        return Error{errc::bad_count, "argument formats"};
    return message;
}

Result<void> encode(const FunctionCallView& message, ByteWriter& out) {
    const auto at = begin_frame('F', out);
    out.u32(message.function);
    write(message.argument_formats, out);
    write(message.arguments, out);
    out.i16(message.result_format);
    end_frame(at, out);
    return {};
}

Result<FunctionCallResponseView> decode_function_call_response(std::string_view body) {
    ByteReader in(body);
    const std::int32_t length = in.i32();
    if (length < -1) return Error{errc::bad_length, std::to_string(length)};
    FunctionCallResponseView message;
    if (length >= 0) message.value = in.bytes(static_cast<std::size_t>(length));
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<void> encode(const FunctionCallResponseView& message, ByteWriter& out) {
    if (message.value && message.value->size() > large_body_bytes - 4)
        return Error{errc::oversize, ""};
    const auto at = begin_frame('V', out);
    out.u32(
        message.value ? static_cast<std::uint32_t>(message.value->size())
                      : ValueListView::null_length
    );
    if (message.value) out.bytes(*message.value);
    end_frame(at, out);
    return {};
}

Result<Terminate> decode_terminate(std::string_view body) {
    if (const auto done = ByteReader(body).finish(); !done) return done.error();
    return Terminate{};
}

Result<void> encode(Terminate, ByteWriter& out) {
    end_frame(begin_frame('X', out), out);
    return {};
}

}  // namespace dbguard::wire::postgres
