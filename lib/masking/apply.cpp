#include "masking/apply.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/encoding.hpp"
#include "masking/context.hpp"
#include "masking/unicode.hpp"

namespace dbguard::masking {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool same_word(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return lower(x) == lower(y);
    });
}

/// As PostgreSQL compares encoding names: letters and digits only, in any case (encnames.c).
std::string encoding_key(std::string_view name) {
    std::string key;
    for (const char c : name)
        if (is_ascii_letter_or_digit(static_cast<unsigned char>(c))) key.push_back(lower(c));
    return key;
}

Context context_of(const Mask& mask, const Settings& settings, const KeyedHash& hash) {
    Context context{mask, settings, hash, {}, !mask.detectors.empty()};
    for (const std::string& name : mask.detectors)
        if (const auto detector = detector_named(name)) context.detectors.add(*detector);
    return context;
}

bool mask_enumeration(
    const Context& context, const Type& type, std::string_view value, std::string& out
) {
    std::string label;
    if (!mask_string(context, value, label)) return false;
    if (std::find(type.labels.begin(), type.labels.end(), label) == type.labels.end()) return false;
    out.append(label);
    return true;
}

}  // namespace

Encoding encoding_named(std::string_view name) {
    const std::string key = encoding_key(name);
    // SQL_ASCII is whatever the database holds; what is not UTF-8 then is not understood.
    for (const std::string_view utf8 : {"utf8", "unicode", "sqlascii"})
        if (key == utf8) return Encoding::utf8;
    for (const std::string_view family :
         {"latin", "iso8859", "win", "windows", "koi8", "abc", "tcvn", "vscii", "alt"})
        if (key.starts_with(family)) {
            // WIN949 and the like are code pages of several bytes a character.
            for (const std::string_view wide : {"932", "936", "949", "950"})
                if (key.ends_with(wide)) return Encoding::ascii_unsafe;
            return Encoding::single_byte;
        }
    if (key.starts_with("euc") || key == "muleinternal") return Encoding::ascii_safe;
    return Encoding::ascii_unsafe;
}

Masker::Masker(const Secret& key) : hash_(key) {}

void Masker::set_parameter(std::string_view name, std::string_view value) {
    if (same_word(name, "DateStyle")) {
        // Reported as `ISO, MDY`: style, then order.
        const std::string_view style = value.substr(0, value.find_first_of(" ,"));
        constexpr std::pair<std::string_view, Settings::DateStyle> styles[] = {
            {"ISO", Settings::DateStyle::iso},
            {"SQL", Settings::DateStyle::sql},
            {"German", Settings::DateStyle::german},
            {"Postgres", Settings::DateStyle::postgres},
        };
        settings_.date_style_known = false;
        for (const auto& [known, date_style] : styles)
            if (same_word(style, known)) {
                settings_.date_style = date_style;
                settings_.date_style_known = true;
            }
        const std::string_view order = value.substr(std::min(value.size(), style.size()));
        settings_.day_first = order.size() >= 3 && same_word(order.substr(order.size() - 3), "DMY");
        if (order.size() < 3) settings_.date_style_known = false;
    } else if (same_word(name, "IntervalStyle")) {
        constexpr std::pair<std::string_view, Settings::IntervalStyle> styles[] = {
            {"postgres", Settings::IntervalStyle::postgres},
            {"postgres_verbose", Settings::IntervalStyle::postgres_verbose},
            {"sql_standard", Settings::IntervalStyle::sql_standard},
            {"iso_8601", Settings::IntervalStyle::iso_8601},
        };
        settings_.interval_style_known = false;
        for (const auto& [known, interval_style] : styles)
            if (same_word(value, known)) {
                settings_.interval_style = interval_style;
                settings_.interval_style_known = true;
            }
    } else if (same_word(name, "extra_float_digits")) {
        std::from_chars(value.data(), value.data() + value.size(), settings_.extra_float_digits);
    } else if (same_word(name, "client_encoding")) {
        settings_.encoding = encoding_named(value);
        const std::string key = encoding_key(value);
        settings_.latin1 = key == "latin1" || key == "iso88591";
    }
}

bool mask_value(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    const Paths* paths,
    std::string& out
) {
    const bool null = context.mask.function == Function::null && !context.only_matches;
    switch (type.kind) {
        case Kind::json:
        case Kind::jsonb:
            if (null && paths == nullptr) return false;
            if (type.kind == Kind::jsonb && format == Format::binary) {
                // jsonb_send: a version byte, 1, then the text.
                if (!value.starts_with('\1')) return false;
                out.push_back('\1');
                value.remove_prefix(1);
            }
            return mask_json(context, value, paths, out);
        case Kind::hstore:
            return paths != nullptr && mask_hstore(context, format, value, *paths, out);
        case Kind::array:
            if (null && paths == nullptr) return false;
            return mask_array(context, type, format, value, paths, out);
        case Kind::composite:
            if (null && paths == nullptr) return false;
            return mask_composite(context, type, format, value, paths, out);
        default:
            break;
    }
    // A path that leads into a value without members: all of it is masked.
    if (null) return false;
    switch (type.kind) {
        case Kind::text:
        case Kind::padded_text:
            return mask_text_column(context, type, value, out);
        case Kind::enumeration:
            return mask_enumeration(context, type, value, out);
        case Kind::int2:
        case Kind::int4:
        case Kind::int8:
        case Kind::float4:
        case Kind::float8:
        case Kind::numeric:
        case Kind::money:
            return mask_number(context, type, format, value, out);
        case Kind::date:
        case Kind::time:
        case Kind::timetz:
        case Kind::timestamp:
        case Kind::timestamptz:
        case Kind::interval:
            return mask_moment(context, type, format, value, out);
        case Kind::bytes:
            return mask_bytes(context, format, value, out);
        case Kind::uuid:
            return mask_uuid(context, format, value, out);
        case Kind::bits:
            return mask_bits(context, format, value, out);
        default:
            return false;
    }
}

Applied Masker::apply(
    const Mask& mask, const Type& type, Format format, std::string_view value, std::string& out
) const {
    if (mask.function == Function::keep) {
        out.append(value);
        return Applied::value;
    }
    const std::size_t start = out.size();
    const Context context = context_of(mask, settings_, hash_);
    bool good = false;
    if (mask.keys.empty()) {
        good = mask_value(context, type, format, value, nullptr, out);
    } else {
        const Paths paths(mask.keys.begin(), mask.keys.end());
        good = mask_value(context, type, format, value, &paths, out);
    }
    if (good) return Applied::value;
    out.resize(start);
    return Applied::null;
}

bool Masker::apply_in_place(const Mask& mask, const Type& type, std::span<char> value) const {
    if (type.kind != Kind::text || !mask.keys.empty() || !mask.detectors.empty()) return false;
    switch (mask.function) {
        case Function::first:
            return cover_in_place(value, mask.a, 0);
        case Function::last:
            return cover_in_place(value, 0, mask.a);
        case Function::partial:
            return cover_in_place(value, mask.a, mask.b);
        default:
            return false;
    }
}

std::optional<std::string> Masker::mask_text(const Mask& mask, std::string_view text) const {
    std::string out;
    if (apply(mask, Type{Kind::text}, Format::text, text, out) == Applied::null) return {};
    return out;
}

}  // namespace dbguard::masking
