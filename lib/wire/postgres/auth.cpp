#include "wire/postgres/auth.hpp"

#include "wire/postgres/lists.hpp"

namespace dbguard::wire::postgres {
namespace {

constexpr std::size_t md5_salt_bytes = 4;

bool is_known(std::int32_t kind) {
    return kind == 0 || kind == 2 || kind == 3 || (kind >= 5 && kind <= 12);
}

bool has_data(Authentication kind) {
    return kind == Authentication::md5_password || kind == Authentication::sasl ||
           kind == Authentication::gss_continue || kind == Authentication::sasl_continue ||
           kind == Authentication::sasl_final;
}

/// The names, each with its NUL, behind them one NUL more.
Result<std::string_view> read_mechanisms(ByteReader& in) {
    const auto list = in.rest();
    std::size_t bytes = 0;
    while (true) {
        const auto name = in.c_string();
        if (in.failed()) return Error{errc::truncated, "SASL mechanisms"};
        if (name.empty()) break;
        bytes += name.size() + 1;
    }
    if (bytes == 0) return Error{errc::bad_value, "no SASL mechanism"};
    if (const auto done = in.finish(); !done) return done.error();
    return list.substr(0, bytes);
}

Result<void> encode_data(std::string_view data, ByteWriter& out) {
    if (data.size() > 65'535) return Error{errc::oversize, std::to_string(data.size())};
    const auto at = begin_frame('p', out);
    out.bytes(data);
    end_frame(at, out);
    return {};
}

}  // namespace

Result<AuthenticationView> decode_authentication(std::string_view body) {
    ByteReader in(body);
    const std::int32_t kind = in.i32();
    if (in.failed()) return Error{errc::truncated, "Authentication"};
    if (!is_known(kind))
        return Error{errc::bad_value, "authentication request " + std::to_string(kind)};
    AuthenticationView message{static_cast<Authentication>(kind), {}};
    if (message.kind == Authentication::sasl) {
        const auto mechanisms = read_mechanisms(in);
        if (!mechanisms) return mechanisms.error();
        message.data = *mechanisms;
        return message;
    }
    if (has_data(message.kind)) message.data = in.bytes(in.remaining_bytes());
    if (const auto done = in.finish(); !done) return done.error();
    if (message.kind == Authentication::md5_password && message.data.size() != md5_salt_bytes)
        return Error{
            errc::bad_length, "MD5 salt of " + std::to_string(message.data.size()) + " bytes"};
    return message;
}

Result<void> encode(const AuthenticationView& message, ByteWriter& out) {
    if (!has_data(message.kind) && !message.data.empty())
        return Error{errc::bad_value, "data without a place"};
    if (message.kind == Authentication::md5_password && message.data.size() != md5_salt_bytes)
        return Error{errc::bad_length, "MD5 salt"};
    if (message.data.size() > 65'535)
        return Error{errc::oversize, std::to_string(message.data.size())};
    const auto at = begin_frame('R', out);
    out.i32(static_cast<std::int32_t>(message.kind));
    out.bytes(message.data);
    if (message.kind == Authentication::sasl) out.u8(0);
    end_frame(at, out);
    return {};
}

std::vector<std::string_view> sasl_mechanisms(const AuthenticationView& message) {
    std::vector<std::string_view> names;
    if (message.kind != Authentication::sasl) return names;
    for (auto rest = message.data; !rest.empty();) {
        const auto end = rest.find('\0');
        names.push_back(rest.substr(0, end));
        rest.remove_prefix(end + 1);
    }
    return names;
}

Result<void> encode_authentication_sasl(
    std::span<const std::string_view> mechanisms, ByteWriter& out
) {
    std::string list;
    for (const auto name : mechanisms) {
        if (const auto ok = check_strings({name}); !ok) return ok;
        if (name.empty()) return Error{errc::bad_value, "empty SASL mechanism"};
        list.append(name).push_back('\0');
    }
    if (list.empty()) return Error{errc::bad_value, "no SASL mechanism"};
    return encode(AuthenticationView{Authentication::sasl, list}, out);
}

Result<PasswordMessageView> decode_password_message(std::string_view body) {
    ByteReader in(body);
    const PasswordMessageView message{in.c_string()};
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<void> encode(const PasswordMessageView& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.password}); !ok) return ok;
    if (message.password.size() >= 65'535) return Error{errc::oversize, "password"};
    const auto at = begin_frame('p', out);
    out.c_string(message.password);
    end_frame(at, out);
    return {};
}

Result<SASLInitialResponseView> decode_sasl_initial_response(std::string_view body) {
    ByteReader in(body);
    SASLInitialResponseView message;
    message.mechanism = in.c_string();
    const std::int32_t length = in.i32();
    if (length < -1) return Error{errc::bad_length, std::to_string(length)};
    if (length >= 0) message.response = in.bytes(static_cast<std::size_t>(length));
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<void> encode(const SASLInitialResponseView& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.mechanism}); !ok) return ok;
    const std::size_t bytes = message.response ? message.response->size() : 0;
    if (message.mechanism.size() + bytes > 65'535 - 5)
        return Error{errc::oversize, std::to_string(bytes)};
    const auto at = begin_frame('p', out);
    out.c_string(message.mechanism);
    out.u32(message.response ? static_cast<std::uint32_t>(bytes) : ValueListView::null_length);
    if (message.response) out.bytes(*message.response);
    end_frame(at, out);
    return {};
}

Result<SASLResponseView> decode_sasl_response(std::string_view body) {
    return SASLResponseView{body};
}
Result<void> encode(const SASLResponseView& message, ByteWriter& out) {
    return encode_data(message.data, out);
}
Result<GSSResponseView> decode_gss_response(std::string_view body) { return GSSResponseView{body}; }
Result<void> encode(const GSSResponseView& message, ByteWriter& out) {
    return encode_data(message.data, out);
}

}  // namespace dbguard::wire::postgres
