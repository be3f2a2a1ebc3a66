#pragma once

// Characters that look like those of ASCII, or like nothing: numbers copied out of documents and web pages hold no-break spaces and
// other dashes, input methods of East Asia write full-width digits, and zero-width characters break a number in two for whoever
// does not look at bytes. Source: The Unicode Standard, chapters 6 ("Dash", "Space Characters"), 22 ("Decimal Digits"), 23 ("Layout
// Controls").

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbguard::masking {

/// A text with ASCII characters in place of those that look like them.
struct Undisguised {
    std::string text;
    /// For each byte of it, where the character that it came from begins and ends in the original.
    std::vector<std::uint32_t> begins, ends;
};

enum class Invisible : std::uint8_t { stays, goes };

/// What characters of no width become: `goes` joins what stands around them. Empty: there is nothing to be done for this text, which
/// must be valid UTF-8 of fewer than 2^32 bytes.
std::optional<Undisguised> undisguised(std::string_view utf8, Invisible invisible);

}  // namespace dbguard::masking
