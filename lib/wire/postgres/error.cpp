#include "wire/postgres/error.hpp"

#include <algorithm>

#include "wire/postgres/lists.hpp"

namespace dbguard::wire::postgres {
namespace {

Result<ErrorFieldsView> decode_fields(std::string_view body) {
    ByteReader in(body);
    while (in.u8() != 0) in.c_string();
    if (const auto done = in.finish(); !done) return done.error();
    return ErrorFieldsView{body.substr(0, body.size() - 1)};
}

void encode_view(char type, const ErrorFieldsView& fields, ByteWriter& out) {
    const auto at = begin_frame(type, out);
    out.bytes(fields.raw);
    out.u8(0);
    end_frame(at, out);
}

Result<void> encode_fields(char type, const ErrorFields& fields, ByteWriter& out) {
    std::size_t total = 1;
    for (const auto& [code, value] : fields.fields) {
        if (code == '\0') return Error{errc::bad_value, "error field without a code"};
        if (const auto ok = check_strings({value}); !ok) return ok;
        total += value.size() + 2;
    }
    if (total > large_body_bytes) return Error{errc::oversize, std::to_string(total)};
    const auto at = begin_frame(type, out);
    for (const auto& [code, value] : fields.fields) {
        out.u8(static_cast<std::uint8_t>(code));
        out.c_string(value);
    }
    out.u8(0);
    end_frame(at, out);
    return {};
}

}  // namespace

std::string_view ErrorFieldsView::get(char code) const {
    std::string_view found;
    bool seen = false;
    for_each([&](ErrorFieldView field) {
        if (field.code == code && !seen) {
            found = field.value;
            seen = true;
        }
    });
    return found;
}

Result<ErrorResponseView> decode_error_response(std::string_view body) {
    auto fields = decode_fields(body);
    if (!fields) return fields.error();
    return ErrorResponseView{*fields};
}

Result<NoticeResponseView> decode_notice_response(std::string_view body) {
    auto fields = decode_fields(body);
    if (!fields) return fields.error();
    return NoticeResponseView{*fields};
}

Result<void> encode(const ErrorResponseView& message, ByteWriter& out) {
    encode_view('E', message.fields, out);
    return {};
}

Result<void> encode(const NoticeResponseView& message, ByteWriter& out) {
    encode_view('N', message.fields, out);
    return {};
}

ErrorFields::ErrorFields(const ErrorFieldsView& view) {
    view.for_each([&](ErrorFieldView field) { fields.emplace_back(field.code, field.value); });
}

ErrorFields::ErrorFields(
    std::string_view severity,
    std::string_view sqlstate,
    std::string_view message,
    std::string_view detail,
    std::string_view hint
) {
    fields.emplace_back(error_field::severity, severity);
    fields.emplace_back(error_field::severity_nonlocalized, severity);
    fields.emplace_back(error_field::sqlstate, sqlstate);
    fields.emplace_back(error_field::message, message);
    if (!detail.empty()) fields.emplace_back(error_field::detail, detail);
    if (!hint.empty()) fields.emplace_back(error_field::hint, hint);
}

std::string_view ErrorFields::get(char code) const {
    for (const auto& [field, value] : fields)
        if (field == code) return value;
    return {};
}

void ErrorFields::set(char code, std::string_view value) {
    const auto it = std::ranges::find(fields, code, &std::pair<char, std::string>::first);
    if (it == fields.end())
        fields.emplace_back(code, value);
    else
        it->second = value;
}

void ErrorFields::remove(char code) {
    std::erase_if(fields, [&](const auto& field) { return field.first == code; });
}

std::string ErrorFields::text() const {
    std::string text(get(error_field::severity));
    text += ": ";
    text += message();
    if (!sqlstate().empty()) text.append(" (").append(sqlstate()).append(")");
    return text;
}

Result<void> encode_error_response(const ErrorFields& fields, ByteWriter& out) {
    return encode_fields('E', fields, out);
}

Result<void> encode_notice_response(const ErrorFields& fields, ByteWriter& out) {
    return encode_fields('N', fields, out);
}

Result<NotificationResponseView> decode_notification_response(std::string_view body) {
    ByteReader in(body);
    NotificationResponseView message;
    message.process_id = in.u32();
    message.channel = in.c_string();
    message.payload = in.c_string();
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<void> encode(const NotificationResponseView& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.channel, message.payload}); !ok) return ok;
    const auto at = begin_frame('A', out);
    out.u32(message.process_id);
    out.c_string(message.channel);
    out.c_string(message.payload);
    end_frame(at, out);
    return {};
}

}  // namespace dbguard::wire::postgres
