// Masks over characters. A character is a Unicode code point; "covered" means that letters and
// digits become `*`.

#include <algorithm>
#include <limits>

#include "base/encoding.hpp"
#include "masking/context.hpp"
#include "masking/unicode.hpp"

namespace dbguard::masking {
namespace {

constexpr std::size_t hash_characters = 32;
constexpr std::size_t fewest_hash_characters = 16;

/// 2·(a+b), or the largest number.
std::uint64_t needed(std::uint64_t a, std::uint64_t b) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    if (a > most / 4 || b > most / 4) return most;
    return 2 * (a + b);
}

void cover_ascii(char* from, const char* to) {
    for (char* at = from; at != to; ++at)
        *at = is_ascii_letter_or_digit(static_cast<unsigned char>(*at)) ? '*' : *at;
}

/// Looks at a few bytes at a time: a loop without an early end over them is the quicker one.
bool has_ascii_letters_or_digits(std::string_view text, std::uint64_t count) {
    constexpr std::size_t stride = 64;
    std::uint64_t found = 0;
    while (found < count && !text.empty()) {
        for (const char byte : text.substr(0, stride))
            found += is_ascii_letter_or_digit(static_cast<unsigned char>(byte)) ? 1 : 0;
        text.remove_prefix(std::min(stride, text.size()));
    }
    return found >= count;
}

void cover_ascii_ends(std::span<char> text, std::uint64_t a, std::uint64_t b) {
    char* const begin = text.data();
    char* const end = begin + text.size();
    if (has_ascii_letters_or_digits({begin, text.size()}, needed(a, b)))
        cover_ascii(begin + a, end - b);
    else
        cover_ascii(begin, end);
}

/// Walks over characters of UTF-8, or over bytes that each are one.
struct Walk {
    std::string_view text;
    bool bytes = false;

    std::size_t size_at(std::size_t at) const {
        return bytes ? 1 : character_at(text, at).size_bytes;
    }
    bool letter_at(std::size_t at) const {
        const auto byte = static_cast<unsigned char>(text[at]);
        if (byte < 0x80) return is_ascii_letter_or_digit(byte);
        return bytes || is_letter_or_digit(character_at(text, at).value);
    }
    /// Where the character begins that `count` others precede, or the end.
    std::size_t after(std::uint64_t count) const {
        std::size_t at = 0;
        for (; count > 0 && at < text.size(); --count) at += size_at(at);
        return at;
    }
    /// Where the last `count` characters begin, or the beginning.
    std::size_t before_end(std::uint64_t count) const {
        std::size_t at = text.size();
        for (; count > 0 && at > 0; --count) {
            --at;
            while (!bytes && at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
        }
        return at;
    }
    bool has_letters(std::uint64_t count) const {
        std::uint64_t found = 0;
        for (std::size_t at = 0; at < text.size() && found < count; at += size_at(at))
            found += letter_at(at) ? 1 : 0;
        return found >= count;
    }
    void cover(std::size_t from, std::size_t to, std::string& out) const {
        while (from < to) {
            const std::size_t size = size_at(from);
            if (letter_at(from))
                out.push_back('*');
            else
                out.append(text, from, size);
            from += size;
        }
    }
};

/// Whether the text can be read as characters, and how. Texts of encodings that are not known well
/// enough cannot.
bool readable(const Context& context, std::string_view text, Walk& walk) {
    walk.text = text;
    walk.bytes = false;
    switch (context.settings.encoding) {
        case Encoding::utf8:
            return is_valid_utf8(text);
        case Encoding::single_byte:
            walk.bytes = true;
            return true;
        case Encoding::ascii_safe:
        case Encoding::ascii_unsafe:
            return is_ascii(text);
    }
    return false;
}

bool ends(
    const Context& context,
    std::string_view text,
    std::uint64_t a,
    std::uint64_t b,
    std::string& out
) {
    const std::size_t start = out.size();
    if (is_ascii(text)) {
        out.append(text);
        cover_ascii_ends({out.data() + start, text.size()}, a, b);
        return true;
    }
    Walk walk;
    if (!readable(context, text, walk)) return false;
    std::size_t from = 0;
    std::size_t to = text.size();
    if (walk.has_letters(needed(a, b))) {
        from = walk.after(a);
        to = walk.before_end(b);
    }
    out.append(text, 0, from);
    walk.cover(from, to, out);
    out.append(text, to);
    return true;
}

bool email(const Context& context, std::string_view text, std::string& out) {
    Walk walk;
    if (!readable(context, text, walk)) return false;
    const auto at = text.rfind('@');
    const auto dot = text.rfind('.');
    if (at == std::string_view::npos || dot == std::string_view::npos || dot < at) {
        out.append("***");
        return true;
    }
    const auto first_of_three = [&](std::string_view part) {
        const Walk inside{part, walk.bytes};
        const auto second = inside.after(1);
        if (inside.after(2) < part.size()) out.append(part, 0, second);
    };
    first_of_three(text.substr(0, at));
    out.append("***@");
    first_of_three(text.substr(at + 1, dot - at - 1));
    out.append("***");
    out.append(text, dot);
    return true;
}

bool hash(const Context& context, std::string_view text, std::string& out) {
    if (!context.hash.available()) return false;
    Walk walk;
    if (!readable(context, text, walk)) return false;
    std::string utf8;
    if (walk.bytes && !is_ascii(text)) {
        // Only of ISO 8859-1 it is known which characters the bytes are.
        if (!context.settings.latin1) return false;
        for (const char byte : text) append_utf8(utf8, static_cast<unsigned char>(byte));
        text = utf8;
    }
    const KeyedHash::Digest digest = context.hash(text);
    constexpr std::string_view digits = "0123456789abcdef";
    for (std::size_t k = 0; k < hash_characters / 2; ++k) {
        const auto byte = static_cast<unsigned char>(digest[k]);
        out.push_back(digits[byte >> 4]);
        out.push_back(digits[byte & 15]);
    }
    return true;
}

bool whole(const Context& context, std::string_view text, std::string& out) {
    const Mask& mask = context.mask;
    switch (mask.function) {
        case Function::null:
            return false;
        case Function::keep:
            out.append(text);
            return true;
        case Function::replace:
            out.append("<REDACTED>");
            return true;
        case Function::zero:
            return true;
        case Function::redact:
        case Function::bucket:
        case Function::date_year:
        case Function::date_month:
            out.append("***");
            return true;
        case Function::hash:
            return hash(context, text, out);
        case Function::email:
            return email(context, text, out);
        case Function::first:
            return ends(context, text, mask.a, 0, out);
        case Function::last:
            return ends(context, text, 0, mask.a, out);
        case Function::partial:
            return ends(context, text, mask.a, mask.b, out);
    }
    return false;
}

bool matches(const Context& context, std::string_view text, std::string& out) {
    // Characters that hold ASCII bytes could hide or feign a match.
    if (context.settings.encoding == Encoding::ascii_unsafe && !is_ascii(text)) return false;
    std::size_t done = 0;
    for (const Match& match : find(text, context.detectors)) {
        out.append(text, done, match.begin - done);
        done = match.end;
        const auto found = text.substr(match.begin, match.end - match.begin);
        if (context.mask.function == Function::replace)
            out.append(replacement(match.detector));
        else if (!whole(context, found, out))
            return false;
    }
    out.append(text, done);
    return true;
}

}  // namespace

bool cover_in_place(std::span<char> text, std::uint64_t a, std::uint64_t b) {
    if (!is_ascii({text.data(), text.size()})) return false;
    cover_ascii_ends(text, a, b);
    return true;
}

bool mask_string(const Context& context, std::string_view text, std::string& out) {
    if (text.empty()) return true;
    if (context.only_matches && !context.detectors.empty()) return matches(context, text, out);
    return whole(context, text, out);
}

bool mask_text_column(
    const Context& context, const Type& type, std::string_view value, std::string& out
) {
    const std::size_t start = out.size();
    const bool padded = type.kind == Kind::padded_text;
    std::string_view text = value;
    if (padded) {
        text = text.substr(0, text.find_last_not_of(' ') + 1);
        if (text.empty()) {
            out.append(value);
            return true;
        }
    }
    if (!mask_string(context, text, out)) return false;

    std::string_view result(out.data() + start, out.size() - start);
    const bool bytes = context.settings.encoding != Encoding::utf8;
    if (type.max_characters && result.size() > *type.max_characters) {
        if (context.mask.function == Function::hash && !context.only_matches) {
            if (*type.max_characters < fewest_hash_characters) return false;
            out.resize(start + *type.max_characters);
            result = {out.data() + start, *type.max_characters};
        } else if (bytes || count_characters(result) > *type.max_characters) {
            return false;
        }
    }
    if (type.max_bytes && result.size() > *type.max_bytes) return false;
    // In binary a "char" is one byte, never none (charrecv).
    if (type.max_bytes == 1U && result.empty() && !text.empty()) return false;
    if (padded && type.max_characters) {
        const std::size_t characters = bytes ? result.size() : count_characters(result);
        if (characters < *type.max_characters) out.append(*type.max_characters - characters, ' ');
    }
    return true;
}

}  // namespace dbguard::masking
