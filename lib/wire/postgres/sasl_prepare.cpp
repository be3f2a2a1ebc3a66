// SASLprep of passwords as PostgreSQL does it. Source: RFC 4013, RFC 3454 (tables B.1, C.1.2, C.2 to C.9), src/common/saslprep.c.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "base/encoding.hpp"
#include "wire/postgres/scram.hpp"

namespace dbguard::wire::postgres {
namespace {

struct Range {
    char32_t first;
    char32_t last;
};

template <std::size_t N>
bool contains(const std::array<Range, N>& ranges, char32_t c) {
    return std::ranges::any_of(ranges, [c](Range range) {
        return c >= range.first && c <= range.last;
    });
}

// RFC 3454 table C.1.2: spaces that become U+0020. U+200B stands in B.1, too; PostgreSQL looks here first.
constexpr std::array<Range, 6> other_spaces{{
    {0x00A0, 0x00A0},
    {0x1680, 0x1680},
    {0x2000, 0x200B},
    {0x202F, 0x202F},
    {0x205F, 0x205F},
    {0x3000, 0x3000},
}};

// RFC 3454 table B.1: mapped to nothing.
constexpr std::array<Range, 8> mapped_to_nothing{{
    {0x00AD, 0x00AD},
    {0x034F, 0x034F},
    {0x1806, 0x1806},
    {0x180B, 0x180D},
    {0x200C, 0x200D},
    {0x2060, 0x2060},
    {0xFE00, 0xFE0F},
    {0xFEFF, 0xFEFF},
}};

// RFC 3454 tables C.2.1, C.2.2, C.3 to C.9.
constexpr std::array<Range, 20> prohibited{{
    {0x0000, 0x001F},   {0x007F, 0x009F},   {0x0340, 0x0341},   {0x06DD, 0x06DD},
    {0x070F, 0x070F},   {0x180E, 0x180E},   {0x200E, 0x200F},   {0x2028, 0x202E},
    {0x2061, 0x2063},   {0x206A, 0x206F},   {0x2FF0, 0x2FFB},   {0xD800, 0xDFFF},
    {0xE000, 0xF8FF},   {0xFDD0, 0xFDEF},   {0xFFF9, 0xFFFF},   {0x1D173, 0x1D17A},
    {0xE0001, 0xE0001}, {0xE0020, 0xE007F}, {0xF0000, 0xFFFFD}, {0x100000, 0x10FFFD},
}};

bool is_prohibited(char32_t c) { return contains(prohibited, c) || (c & 0xFFFE) == 0xFFFE; }

/// `text` is valid UTF-8.
std::u32string decode_utf8(std::string_view text) {
    std::u32string out;
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<std::uint8_t>(text[i]);
        const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        char32_t c = length == 1 ? lead : lead & (0x7F >> length);
        for (std::size_t k = 1; k < length; ++k)
            c = c << 6 | (static_cast<std::uint8_t>(text[i + k]) & 0x3F);
        out.push_back(c);
        i += length;
    }
    return out;
}

void append_utf8(char32_t c, std::string& out) {
    if (c < 0x80) {
        out.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
        out.push_back(static_cast<char>(0xC0 | c >> 6));
        out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        out.push_back(static_cast<char>(0xE0 | c >> 12));
        out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
        out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    } else {
        out.push_back(static_cast<char>(0xF0 | c >> 18));
        out.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3F)));
        out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
        out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    }
}

/// The part of NFKC named in the header: UnicodeData.txt's compatibility forms of U+00A0 … U+00FF and U+FF01 … U+FF5E.
std::u32string normalise(char32_t c) {
    if (c >= 0xFF01 && c <= 0xFF5E) return {c - 0xFF01 + U'!'};
    switch (c) {
        case 0x00A8:
            return U" \u0308";
        case 0x00AA:
            return U"a";
        case 0x00AF:
            return U" \u0304";
        case 0x00B2:
            return U"2";
        case 0x00B3:
            return U"3";
        case 0x00B4:
            return U" \u0301";
        case 0x00B5:
            return U"\u03BC";
        case 0x00B8:
            return U" \u0327";
        case 0x00B9:
            return U"1";
        case 0x00BA:
            return U"o";
        case 0x00BC:
            return U"1\u20444";
        case 0x00BD:
            return U"1\u20442";
        case 0x00BE:
            return U"3\u20444";
        default:
            return {c};
    }
}

}  // namespace

Secret sasl_prepare(const Secret& password) {
    const auto& text = password.reveal();
    const bool ascii =
        std::ranges::all_of(text, [](char c) { return static_cast<std::uint8_t>(c) < 0x80; });
    if (ascii || !is_valid_utf8(text)) return password;

    std::string out;
    out.reserve(3 * text.size());
    for (const char32_t c : decode_utf8(text)) {
        if (contains(other_spaces, c)) {
            out.push_back(' ');
            continue;
        }
        if (contains(mapped_to_nothing, c)) continue;
        for (const char32_t n : normalise(c)) {
            if (is_prohibited(n)) return password;
            append_utf8(n, out);
        }
    }
    // An empty result is prohibited, too.
    if (out.empty()) return password;
    return Secret(std::move(out));
}

}  // namespace dbguard::wire::postgres
