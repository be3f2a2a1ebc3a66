#pragma once

// The literals of a text: where they stand, and what they say. Private to this room.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "recording/lexer.hpp"

namespace dbguard::relay {

struct Literal {
    recording::Token token;
    std::size_t sign = std::string_view::npos;  ///< where a minus sign before it stands, which the grammar takes for its beginning
};

/// All of them, in the text's order. Empty: too many; a bulk insert's are not looked at one by one.
std::optional<std::vector<Literal>> literals_of(std::string_view text, const recording::Lexis& lexis);

/// What a text between quotes or dollars says. Empty: a number, bits, or escapes that are not understood.
std::optional<std::string> value_of(std::string_view text, const Literal& literal);

/// That of the literal at `first` with those that are joined to it: `'a' || 'b'`, or on the next line.
std::string joined_values(std::string_view text, std::span<const Literal> literals, std::size_t first);

}  // namespace dbguard::relay
