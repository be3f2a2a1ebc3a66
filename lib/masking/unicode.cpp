#include "masking/unicode.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace dbguard::masking {
namespace {

struct Range {
    char32_t first, last;
};

// clang-format off
constexpr Range letters_and_digits[] = {
#include "masking/unicode_ranges.inc"
};
// clang-format on

}  // namespace

bool is_letter_or_digit(char32_t character) {
    if (character < 0x80) return is_ascii_letter_or_digit(static_cast<unsigned char>(character));
    const auto* after = std::upper_bound(
        std::begin(letters_and_digits),
        std::end(letters_and_digits),
        character,
        [](char32_t value, const Range& range) { return value < range.first; }
    );
    return after != std::begin(letters_and_digits) && character <= std::prev(after)->last;
}

bool is_ascii(std::string_view text) {
    constexpr std::uint64_t high_bits = 0x8080808080808080U;
    const char* at = text.data();
    std::size_t left = text.size();
    for (; left >= 8; left -= 8, at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, 8);
        if ((word & high_bits) != 0) return false;
    }
    return std::all_of(at, at + left, [](char byte) {
        return static_cast<signed char>(byte) >= 0;
    });
}

std::size_t count_characters(std::string_view utf8) {
    return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
    }));
}

Character character_at(std::string_view utf8, std::size_t at) {
    const auto byte = [&](std::size_t k) {
        return static_cast<char32_t>(static_cast<unsigned char>(utf8[at + k]));
    };
    const char32_t lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    if (lead < 0xe0) return {(lead & 0x1f) << 6 | (byte(1) & 0x3f), 2};
    if (lead < 0xf0) return {(lead & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
    return {
        (lead & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f), 4};
}

void append_utf8(std::string& out, char32_t character) {
    const auto put = [&](char32_t bits) { out.push_back(static_cast<char>(bits)); };
    if (character < 0x80) {
        put(character);
    } else if (character < 0x800) {
        put(0xc0 | character >> 6);
        put(0x80 | (character & 0x3f));
    } else if (character < 0x10000) {
        put(0xe0 | character >> 12);
        put(0x80 | (character >> 6 & 0x3f));
        put(0x80 | (character & 0x3f));
    } else {
        put(0xf0 | character >> 18);
        put(0x80 | (character >> 12 & 0x3f));
        put(0x80 | (character >> 6 & 0x3f));
        put(0x80 | (character & 0x3f));
    }
}

}  // namespace dbguard::masking
