#include "wire/postgres/lists.hpp"

#include <initializer_list>

#include "wire/postgres/frame.hpp"

namespace dbguard::wire::postgres {
namespace {

std::string_view read_fixed_list(
    ByteReader& in, std::size_t element_bytes, std::string_view& error
) {
    const std::size_t count = in.u16();
    if (count * element_bytes > in.remaining_bytes()) {
        if (!in.failed()) error = errc::bad_count;
        in.fail();
        return {};
    }
    return in.bytes(count * element_bytes);
}

}  // namespace

Int16ListView read_int16_list(ByteReader& in, std::string_view& error) {
    return Int16ListView(read_fixed_list(in, 2, error));
}

OidListView read_oid_list(ByteReader& in, std::string_view& error) {
    return OidListView(read_fixed_list(in, 4, error));
}

ValueListView read_value_list(ByteReader& in, std::string_view& error) {
    const std::uint16_t count = in.u16();
    // Each element has at least its length.
    if (count * std::size_t{4} > in.remaining_bytes()) {
        if (!in.failed()) error = errc::bad_count;
        in.fail();
        return {};
    }
    const char* begin = in.rest().data();
    for (std::uint16_t i = 0; i < count; ++i) {
        const std::int32_t length = in.i32();
        if (length < -1) {
            error = errc::bad_length;
            in.fail();
        }
        if (length > 0) in.bytes(static_cast<std::size_t>(length));
        if (in.failed()) return {};
    }
    return {count, std::string_view(begin, static_cast<std::size_t>(in.rest().data() - begin))};
}

Result<void> finish(const ByteReader& in, std::string_view error) {
    if (!error.empty()) return Error{error, ""};
    return in.finish();
}

void write(Int16ListView list, ByteWriter& out) {
    out.u16(static_cast<std::uint16_t>(list.size()));
    out.bytes(list.raw());
}

void write(OidListView list, ByteWriter& out) {
    out.u16(static_cast<std::uint16_t>(list.size()));
    out.bytes(list.raw());
}

void write(const ValueListView& list, ByteWriter& out) {
    out.u16(static_cast<std::uint16_t>(list.size()));
    out.bytes(list.raw());
}

Result<void> check_values(std::span<const ValueView> values) {
    if (values.size() > 0xffff) return Error{errc::bad_count, std::to_string(values.size())};
    std::size_t total = 2;
    for (const auto& value : values) total += 4 + (value ? value->size() : 0);
    if (total > large_body_bytes) return Error{errc::oversize, std::to_string(total)};
    return {};
}

void write_values(std::span<const ValueView> values, ByteWriter& out) {
    out.u16(static_cast<std::uint16_t>(values.size()));
    for (const auto& value : values) {
        if (!value) {
            out.u32(ValueListView::null_length);
            continue;
        }
        out.u32(static_cast<std::uint32_t>(value->size()));
        out.bytes(*value);
    }
}

Result<void> check_strings(std::initializer_list<std::string_view> texts) {
    std::size_t total = 0;
    for (const auto text : texts) {
        if (text.find('\0') != std::string_view::npos) return Error{errc::nul_in_string, ""};
        total += text.size() + 1;
    }
    // Room for the numbers that stand between them.
    if (total > large_body_bytes - 64) return Error{errc::oversize, std::to_string(total)};
    return {};
}

}  // namespace dbguard::wire::postgres
