#pragma once

// What of a statement's text may be recorded. Knows literals and credentials, not tables: which literals belong to a masked
// column, and what detectors found, comes in as byte ranges from the caller.
//
// In doubt something is lost, never kept:
// - A statement whose text names a credential (a word with `password`, IDENTIFIED, USER MAPPING, CREATE SUBSCRIPTION,
//   ALTER SYSTEM, dblink, crypt(), a literal that reads like a connection string, …; the list is in credentials.cpp) loses all
//   its string literals and comments, at every level. Not only the literal behind PASSWORD: it can be put together from
//   several.
// - Text that was not parsed loses all literals, comments and quoted identifiers, at every level, and everything behind a
//   word that names a credential (`PASSWORD "hunter2"` is a typing mistake, and a password).
// - Text whose quoting is not certain (an unterminated literal, bytes that are no UTF-8) ends there:
//   `/* dropped: 123 bytes */`.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "recording/chain.hpp"
#include "recording/lexer.hpp"

namespace dbguard::recording {

/// The policy's `record: { sql: … }`.
enum class Level : std::uint8_t {
    shape,   ///< literals as `?`, white space and comments normalised
    masked,  ///< as typed, without credentials and what the caller replaces
    full,    ///< as typed, without credentials
};
std::string_view name(Level level);
/// Empty for any other word.
std::optional<Level> level(std::string_view name);

/// Bytes [begin, end) of the text and what stands there instead. `with` is written as it is: the caller sees to its quotes.
struct Replacement {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string_view with;
};

struct Redacted {
    std::string sql;
    /// 16 hexadecimal digits: of the shape, the same for texts that differ only in literals, list lengths, comments, white
    /// space and the case of unquoted words.
    std::string fingerprint;
    /// A credential was named: parameters of this statement are not to be recorded either.
    bool credentials = false;
    /// Bytes at the end that were not even lexed.
    std::size_t dropped_bytes = 0;
};

struct RedactOptions {
    Level level = Level::masked;
    Lexis lexis = Lexis::postgres();
    /// The engine's grammar accepted the whole text.
    bool parsed = false;
};

/// Keeps its buffers from text to text. Not for two threads at once.
class Redactor {
  public:
    /// `replacements` in any order; they may overlap (the one that begins first wins, and covers both) and are cut to the
    /// text. They are honoured at the levels masked and full. `redacted.sql` does not borrow from `text`.
    Redacted redact(
        std::string_view text, const RedactOptions& options, std::span<const Replacement> replacements = {}
    );

  private:
    std::string buffer_;   // for the shape
    LineHash hash_;
};

}  // namespace dbguard::recording
