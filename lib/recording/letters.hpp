#pragma once

// Letters as SQL's keywords need them: ASCII alone. Private to this room.

#include <string>
#include <string_view>

namespace dbguard::recording {

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
inline bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
inline bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

/// `pattern` in lower case.
inline bool equals(std::string_view word, std::string_view pattern) {
    if (word.size() != pattern.size()) return false;
    for (std::size_t i = 0; i < word.size(); ++i)
        if (lower(word[i]) != pattern[i]) return false;
    return true;
}
inline bool begins(std::string_view word, std::string_view pattern) {
    return word.size() >= pattern.size() && equals(word.substr(0, pattern.size()), pattern);
}
inline std::string lowered(std::string_view word) {
    std::string out(word);
    for (char& c : out) c = lower(c);
    return out;
}

}  // namespace dbguard::recording
