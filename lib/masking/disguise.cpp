#include "masking/disguise.hpp"

#include <algorithm>
#include <iterator>

#include "masking/unicode.hpp"

namespace dbguard::masking {
namespace {

constexpr char none = '\0';

/// Decimal digits of other scripts: the zero of each row of ten (general category Nd).
constexpr char32_t zeros[] = {
    0x0660,   // Arabic-Indic
    0x06F0,   // extended Arabic-Indic
    0x07C0,   // N'Ko
    0x0966,   // Devanagari
    0x09E6,   // Bengali
    0x0A66,   // Gurmukhi
    0x0AE6,   // Gujarati
    0x0B66,   // Oriya
    0x0BE6,   // Tamil
    0x0C66,   // Telugu
    0x0CE6,   // Kannada
    0x0D66,   // Malayalam
    0x0E50,   // Thai
    0x0ED0,   // Lao
    0x0F20,   // Tibetan
    0x1040,   // Myanmar
    0x17E0,   // Khmer
    0x1810,   // Mongolian
    0xFF10,   // full-width
    0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,   // mathematical
};

/// The character of ASCII that it looks like; none: there is no such.
char looks_like(char32_t c) {
    if (c < 0x80) return none;
    if (c >= 0xFF01 && c <= 0xFF5E) return static_cast<char>(c - 0xFEE0);   // full-width forms
    if (c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x3000 || c == 0x1680) return ' ';
    if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212 || c == 0x2043 || c == 0xFE58 || c == 0xFE63) return '-';
    if (c == 0xFE52 || c == 0x2024) return '.';
    if (c == 0xFE6B) return '@';
    const auto* after = std::upper_bound(std::begin(zeros), std::end(zeros), c);
    if (after != std::begin(zeros) && c - *std::prev(after) < 10) return static_cast<char>('0' + (c - *std::prev(after)));
    return none;
}

/// Soft hyphen, joiners, marks of direction, variation selectors, byte order mark.
bool has_no_width(char32_t c) {
    return c == 0xAD || c == 0x34F || c == 0x61C || c == 0x180E || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x2064) || (c >= 0x2066 && c <= 0x206F) || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF;
}

}  // namespace

std::optional<Undisguised> undisguised(std::string_view utf8, Invisible invisible) {
    const auto changes = [&](char32_t c) { return looks_like(c) != none || (invisible == Invisible::goes && has_no_width(c)); };
    std::size_t at = 0;
    while (at < utf8.size()) {
        const Character character = character_at(utf8, at);
        if (changes(character.value)) break;
        at += character.size_bytes;
    }
    if (at == utf8.size()) return std::nullopt;
    Undisguised out;
    out.text.reserve(utf8.size());
    out.begins.reserve(utf8.size());
    out.ends.reserve(utf8.size());
    for (at = 0; at < utf8.size();) {
        const Character character = character_at(utf8, at);
        const auto begin = static_cast<std::uint32_t>(at);
        at += character.size_bytes;
        if (invisible == Invisible::goes && has_no_width(character.value)) continue;
        if (const char ascii = looks_like(character.value); ascii != none) out.text.push_back(ascii);
        else out.text.append(utf8, begin, character.size_bytes);
        out.begins.resize(out.text.size(), begin);
        out.ends.resize(out.text.size(), static_cast<std::uint32_t>(at));
    }
    return out;
}

}  // namespace dbguard::masking
