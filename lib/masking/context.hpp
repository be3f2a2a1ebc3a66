#pragma once

// Inside masking: what the families of masks (text, numbers, times, bytes, json, containers) share.
// Others use apply.hpp.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "masking/apply.hpp"
#include "masking/detect.hpp"

namespace dbguard::masking {

/// One call of Masker::apply. Borrows everything.
struct Context {
    const Mask& mask;
    const Settings& settings;
    const KeyedHash& hash;
    DetectorSet detectors;
    /// The mask has detectors: only matches are masked. With names that no detector has,
    /// `detectors` may still be empty, and the whole value counts as a match.
    bool only_matches = false;
};

/// Paths to the members that are masked, as seen from one value inside: the rest of each path that
/// leads through it.
using Paths = std::vector<std::span<const std::string>>;

/// What is to happen to the member `name`: everything of it is masked, only what lies under
/// `inner`, or nothing.
struct Member {
    bool masked = false;
    Paths inner;
};
Member member_of(const Paths& paths, std::string_view name);

/// Every family appends to `out` and returns whether there is a value; after false, `out` has to be
/// cut back by the caller.

/// Masks a value of any type. `paths` null: the whole value.
bool mask_value(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    const Paths* paths,
    std::string& out
);

/// A text of any length in the client's encoding.
bool mask_string(const Context& context, std::string_view text, std::string& out);
/// A text column's value: as mask_string(), then made to fit the column.
bool mask_text_column(
    const Context& context, const Type& type, std::string_view value, std::string& out
);
/// Covers the text but for `a` characters at its beginning and `b` at its end where it stands.
/// False: the text is not all ASCII, and nothing was changed.
bool cover_in_place(std::span<char> text, std::uint64_t a, std::uint64_t b);

bool mask_number(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    std::string& out
);
/// The largest multiple of `n` that is not above a decimal number spelled as in SQL or JSON, as an
/// integer. False: not such a number, or longer than any number of the server.
bool floor_multiple(std::string_view number, std::uint64_t n, std::string& out);

bool mask_moment(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    std::string& out
);

bool mask_bytes(const Context& context, Format format, std::string_view value, std::string& out);
bool mask_uuid(const Context& context, Format format, std::string_view value, std::string& out);
bool mask_bits(const Context& context, Format format, std::string_view value, std::string& out);

/// The text of a json value.
bool mask_json(
    const Context& context, std::string_view value, const Paths* paths, std::string& out
);

bool mask_hstore(
    const Context& context,
    Format format,
    std::string_view value,
    const Paths& paths,
    std::string& out
);
bool mask_array(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    const Paths* paths,
    std::string& out
);
bool mask_composite(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    const Paths* paths,
    std::string& out
);

}  // namespace dbguard::masking
