#pragma once

// Applies masks to values as they travel: the server's text and binary forms in, the form in which
// the server would send the masked value out. The table of exact results is in
// doc/policy-language.md, "Mask functions".
//
// What is not understood never passes: a value that does not look like its type becomes NULL.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.hpp"
#include "masking/keyed_hash.hpp"
#include "masking/mask.hpp"
#include "masking/type.hpp"

namespace dbguard::masking {

enum class Format : std::uint8_t { text, binary };

/// What came of a value. null: send NULL.
enum class Applied : std::uint8_t { value, null };

/// How the client's text is encoded, so far as masks must know.
enum class Encoding : std::uint8_t {
    utf8,
    single_byte,  ///< LATIN1, WIN1252, …: a byte is a character; those over 0x7f count as letters
    ascii_safe,   ///< EUC_*, …: several bytes a character, all of them over 0x7f
    ascii_unsafe,  ///< SJIS, BIG5, GBK, …: ASCII bytes may be parts of characters
};

/// The settings that change how values look.
struct Settings {
    enum class DateStyle : std::uint8_t { iso, sql, german, postgres };
    enum class IntervalStyle : std::uint8_t { postgres, postgres_verbose, sql_standard, iso_8601 };

    DateStyle date_style = DateStyle::iso;
    bool day_first = false;  ///< DateStyle's DMY
    bool date_style_known = true;
    IntervalStyle interval_style = IntervalStyle::postgres;
    bool interval_style_known = true;
    int extra_float_digits = 1;
    Encoding encoding = Encoding::utf8;
    bool latin1 = false;  ///< encoding is exactly ISO 8859-1
};

/// The Encoding of a client_encoding, in any of PostgreSQL's spellings (`UTF8`, `utf-8`, `latin1`);
/// unknown ones are ascii_unsafe.
Encoding encoding_named(std::string_view name);

/// One session's masks. Cheap to copy; not to be shared between threads while settings change.
class Masker {
  public:
    /// `key` is for `hash`; it must not be empty where a policy uses `hash` (an empty key makes
    /// every hash NULL).
    explicit Masker(const Secret& key);

    /// Follows DateStyle, IntervalStyle, extra_float_digits and client_encoding (names in any
    /// letter case) and ignores every other name: masks work in UTC whatever TimeZone says, and
    /// bytea shows by itself how it is printed. A value it does not know makes the texts it changes
    /// unreadable, and so NULL.
    void set_parameter(std::string_view name, std::string_view value);
    const Settings& settings() const { return settings_; }

    /// Appends the masked value to `out`; with Applied::null, `out` is as it was. `value` is not
    /// NULL (NULL stays NULL without asking) and must not lie in `out`. Allocates nothing for the
    /// plain functions on text once `out` has grown.
    Applied apply(
        const Mask& mask, const Type& type, Format format, std::string_view value, std::string& out
    ) const;

    /// Masks the value where it stands, when the result has the same length: first, last and
    /// partial on text of ASCII characters. False: nothing was changed, call apply().
    bool apply_in_place(const Mask& mask, const Type& type, std::span<char> value) const;

    /// A text of any length, such as a literal or a parameter. Empty: NULL.
    std::optional<std::string> mask_text(const Mask& mask, std::string_view text) const;

  private:
    KeyedHash hash_;
    Settings settings_;
};

}  // namespace dbguard::masking
