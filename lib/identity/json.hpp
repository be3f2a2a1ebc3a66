#pragma once

// A strict JSON reader for tokens, key sets and discovery documents: hostile text on a budget. What it accepts is a
// small tree of our own, so that the library behind it stays in json.cpp.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace dbguard::identity {

namespace json_error {
inline constexpr std::string_view too_large = "json_too_large";
inline constexpr std::string_view too_deep = "json_too_deep";
inline constexpr std::string_view duplicate_key = "json_duplicate_key";
inline constexpr std::string_view syntax = "json_syntax";  ///< also invalid UTF-8, lone surrogates, numbers out of range
}  // namespace json_error

struct Json {
    enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

    Kind kind = Kind::null;
    bool boolean = false;
    double number = 0;                    ///< always finite
    std::optional<std::int64_t> integer;  ///< the number, where it was written as an integer of 64 bits
    std::string string;
    std::vector<Json> items;
    std::vector<std::pair<std::string, Json>> members;  ///< in the order of the text; keys are unique

    bool operator==(const Json&) const = default;
    bool is(Kind wanted) const { return kind == wanted; }
    /// The member of that name, or null; borrowed from this value.
    const Json* find(std::string_view name) const;
    /// The string member of that name; empty when absent or of another kind.
    std::optional<std::string_view> find_string(std::string_view name) const;
};

struct JsonLimits {
    std::size_t max_bytes = 64 * 1024;
    std::size_t max_depth = 8;       ///< claims are flat; nested objects of Kubernetes tokens are 3 deep
    std::size_t max_values = 10000;
};

/// RFC 8259, and no more: one value, no byte order mark, no comments, no duplicate keys (RFC 8259 §4 leaves their
/// meaning open, so two readers may see two tokens), no NUL in strings, numbers finite.
/// Errors: json_error.
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

}  // namespace dbguard::identity
