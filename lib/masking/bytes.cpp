// Masks over bytea, uuid and bit strings. Of bytes and uuids only a keyed digest can be shown.

#include <array>
#include <cstdint>
#include <optional>

#include "base/byte_reader.hpp"
#include "base/byte_writer.hpp"
#include "base/encoding.hpp"
#include "masking/context.hpp"

namespace dbguard::masking {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<std::string> from_hex(std::string_view digits) {
    if (digits.size() % 2 != 0) return {};
    std::string bytes;
    bytes.reserve(digits.size() / 2);
    for (std::size_t at = 0; at < digits.size(); at += 2) {
        const int high = hex_digit(digits[at]);
        const int low = hex_digit(digits[at + 1]);
        if (high < 0 || low < 0) return {};
        bytes.push_back(static_cast<char>(high << 4 | low));
    }
    return bytes;
}

/// bytea_output = escape: `\\` and `\ooo` (PostgreSQL manual, "Binary Data Types").
std::optional<std::string> from_escapes(std::string_view text) {
    std::string bytes;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] != '\\') {
            bytes.push_back(text[at++]);
        } else if (text.substr(at, 2) == "\\\\") {
            bytes.push_back('\\');
            at += 2;
        } else {
            unsigned value = 0;
            if (at + 4 > text.size()) return {};
            for (std::size_t k = at + 1; k < at + 4; ++k) {
                if (text[k] < '0' || text[k] > '7') return {};
                value = value * 8 + static_cast<unsigned>(text[k] - '0');
            }
            if (value > 0xff) return {};
            bytes.push_back(static_cast<char>(value));
            at += 4;
        }
    }
    return bytes;
}

void append_escaped(std::string_view bytes, std::string& out) {
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\\') {
            out.append("\\\\");
        } else if (byte < 0x20 || byte > 0x7e) {
            out.push_back('\\');
            out.push_back(static_cast<char>('0' + (byte >> 6)));
            out.push_back(static_cast<char>('0' + (byte >> 3 & 7)));
            out.push_back(static_cast<char>('0' + (byte & 7)));
        } else {
            out.push_back(c);
        }
    }
}

std::string text_of(const KeyedHash::Digest& digest) { return {digest.data(), digest.size()}; }

std::string uuid_text(std::string_view bytes) {
    std::string text = hex(bytes);
    for (const std::size_t at : {8, 13, 18, 23}) text.insert(at, "-");
    return text;
}

}  // namespace

bool mask_bytes(const Context& context, Format format, std::string_view value, std::string& out) {
    if (context.mask.function != Function::hash || !context.hash.available()) return false;
    // No bytes have nothing to hide, and stay.
    if (value.empty() || (format == Format::text && value == "\\x")) {
        out.append(value);
        return true;
    }
    if (format == Format::binary) {
        out.append(text_of(context.hash(value)));
        return true;
    }
    const bool as_hex = value.starts_with("\\x");
    const auto bytes = as_hex ? from_hex(value.substr(2)) : from_escapes(value);
    if (!bytes) return false;
    const std::string digest = text_of(context.hash(*bytes));
    if (as_hex)
        out.append("\\x").append(hex(digest));
    else
        append_escaped(digest, out);
    return true;
}

bool mask_uuid(const Context& context, Format format, std::string_view value, std::string& out) {
    if (context.mask.function != Function::hash || !context.hash.available()) return false;
    std::string text(value);
    if (format == Format::binary) {
        if (value.size() != 16) return false;
        text = uuid_text(value);
    } else {
        std::string digits;
        for (const char c : value)
            if (c != '-') digits.push_back(c);
        const auto bytes = from_hex(digits);
        if (!bytes || bytes->size() != 16) return false;
        text = uuid_text(*bytes);
    }
    std::string digest = text_of(context.hash(text)).substr(0, 16);
    // RFC 9562 §5.8: version 8, variant 10.
    digest[6] = static_cast<char>((digest[6] & 0x0f) | 0x80);
    digest[8] = static_cast<char>((digest[8] & 0x3f) | 0x80);
    out.append(format == Format::binary ? digest : uuid_text(digest));
    return true;
}

bool mask_bits(const Context& context, Format format, std::string_view value, std::string& out) {
    if (context.mask.function != Function::zero) return false;
    if (format == Format::text) {
        if (value.find_first_not_of("01") != std::string_view::npos) return false;
        out.append(value.size(), '0');
        return true;
    }
    ByteReader reader(value);
    const std::int32_t bits = reader.i32();
    const std::size_t bytes = reader.remaining_bytes();
    if (reader.failed() || bits < 0 || bytes != (static_cast<std::size_t>(bits) + 7) / 8)
        return false;
    ByteWriter(out).i32(bits);
    out.append(bytes, '\0');
    return true;
}

}  // namespace dbguard::masking
