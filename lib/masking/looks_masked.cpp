#include "masking/looks_masked.hpp"

#include <algorithm>
#include <array>

#include "base/encoding.hpp"
#include "masking/unicode.hpp"

namespace dbguard::masking {
namespace {

/// Beside `first` characters at the start and `last` at the end nothing but what covering leaves, and something was covered; or
/// everything is, as it is where a value is short.
bool is_covered(std::string_view value, std::uint64_t first, std::uint64_t last) {
    if (!is_valid_utf8(value)) return false;
    if ((first > 0 || last > 0) && is_covered(value, 0, 0)) return true;
    const std::size_t count = count_characters(value);
    bool covered = false;
    std::size_t i = 0;
    for (std::size_t at = 0; at < value.size(); ++i) {
        const Character character = character_at(value, at);
        at += character.size_bytes;
        if (i < first || count - i <= last) continue;
        if (is_letter_or_digit(character.value)) return false;
        covered = covered || character.value == U'*';
    }
    return covered;
}

bool is_email(std::string_view value) {
    const std::size_t at = value.rfind('@');
    if (at == std::string_view::npos) return value == "***";
    const std::string_view local = value.substr(0, at), domain = value.substr(at + 1);
    return local.ends_with("***") && is_valid_utf8(local) && count_characters(local) <= 4 && domain.find("***.") != std::string_view::npos;
}

bool has_tag(std::string_view value) {
    static constexpr std::array<std::string_view, 8> tags = {"<REDACTED>", "<EMAIL>", "<CARD>", "<IBAN>", "<SSN>", "<PHONE>", "<JWT>", "<KEY>"};
    return std::ranges::any_of(tags, [&](std::string_view tag) { return value.find(tag) != std::string_view::npos; });
}

}  // namespace

bool looks_masked(const Mask& mask, std::string_view value) {
    switch (mask.function) {
        case Function::redact:
            // A masked member stands in the text of its value.
            return value == "***" || (!mask.keys.empty() && value.find("\"***\"") != std::string_view::npos);
        case Function::replace: return has_tag(value);
        case Function::email: return is_email(value);
        case Function::first: return is_covered(value, mask.a, 0);
        case Function::last: return is_covered(value, 0, mask.a);
        case Function::partial: return is_covered(value, mask.a, mask.b);
        default: return false;
    }
}

}  // namespace dbguard::masking
