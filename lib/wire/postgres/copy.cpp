#include "wire/postgres/copy.hpp"

namespace dbguard::wire::postgres {
namespace {

template <class Message>
Result<Message> decode_copy_response(std::string_view body) {
    ByteReader in(body);
    std::string_view error;
    Message message;
    message.format = static_cast<std::int8_t>(in.u8());
    message.column_formats = read_int16_list(in, error);
    if (const auto done = finish(in, error); !done) return done.error();
    if (message.format != 0 && message.format != 1) return Error{errc::bad_value, "copy format"};
    return message;
}

Result<void> encode_copy_response(char type, const CopyResponseView& message, ByteWriter& out) {
    const auto at = begin_frame(type, out);
    out.u8(static_cast<std::uint8_t>(message.format));
    write(message.column_formats, out);
    end_frame(at, out);
    return {};
}

}  // namespace

Result<CopyDataView> decode_copy_data(std::string_view body) { return CopyDataView{body}; }

Result<void> encode(const CopyDataView& message, ByteWriter& out) {
    if (message.data.size() > large_body_bytes)
        return Error{errc::oversize, std::to_string(message.data.size())};
    const auto at = begin_frame('d', out);
    out.bytes(message.data);
    end_frame(at, out);
    return {};
}

Result<CopyDone> decode_copy_done(std::string_view body) {
    if (const auto done = ByteReader(body).finish(); !done) return done.error();
    return CopyDone{};
}

Result<void> encode(CopyDone, ByteWriter& out) {
    end_frame(begin_frame('c', out), out);
    return {};
}

Result<CopyFailView> decode_copy_fail(std::string_view body) {
    ByteReader in(body);
    const CopyFailView message{in.c_string()};
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<void> encode(const CopyFailView& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.message}); !ok) return ok;
    const auto at = begin_frame('f', out);
    out.c_string(message.message);
    end_frame(at, out);
    return {};
}

Result<CopyInResponseView> decode_copy_in_response(std::string_view body) {
    return decode_copy_response<CopyInResponseView>(body);
}
Result<CopyOutResponseView> decode_copy_out_response(std::string_view body) {
    return decode_copy_response<CopyOutResponseView>(body);
}
Result<CopyBothResponseView> decode_copy_both_response(std::string_view body) {
    return decode_copy_response<CopyBothResponseView>(body);
}
Result<void> encode(const CopyInResponseView& message, ByteWriter& out) {
    return encode_copy_response('G', message, out);
}
Result<void> encode(const CopyOutResponseView& message, ByteWriter& out) {
    return encode_copy_response('H', message, out);
}
Result<void> encode(const CopyBothResponseView& message, ByteWriter& out) {
    return encode_copy_response('W', message, out);
}

}  // namespace dbguard::wire::postgres
