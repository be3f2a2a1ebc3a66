#pragma once

// Characters for masks: UTF-8 in, Unicode categories L, M and N ("letters and digits") told apart
// from the rest.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dbguard::masking {

/// Category L, M or N.
bool is_letter_or_digit(char32_t character);

constexpr bool is_ascii_letter_or_digit(unsigned char byte) {
    return static_cast<unsigned char>((byte | 0x20) - 'a') < 26 ||
           static_cast<unsigned char>(byte - '0') < 10;
}

bool is_ascii(std::string_view text);

/// Bytes that begin a character; for valid UTF-8 the number of characters.
std::size_t count_characters(std::string_view utf8);

struct Character {
    char32_t value = 0;
    std::uint8_t size_bytes = 1;
};
/// The character at `at`, which must begin one of a valid UTF-8 text.
Character character_at(std::string_view utf8, std::size_t at);

void append_utf8(std::string& out, char32_t character);

}  // namespace dbguard::masking
