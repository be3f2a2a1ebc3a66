#pragma once

#include <string>
#include <string_view>

namespace dbguard {

/// The text between two of these quotes, with those inside of it written twice: a name ("), or a string (') where a backslash is itself,
/// as SQL has them.
inline std::string in_quotes(std::string_view text, char quote) {
    std::string out(1, quote);
    for (const char c : text) {
        if (c == quote) out.push_back(quote);
        out.push_back(c);
    }
    out.push_back(quote);
    return out;
}

}  // namespace dbguard
