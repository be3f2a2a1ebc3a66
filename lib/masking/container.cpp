// Arrays element by element, composites field by field, hstore value by value. What is not masked
// stays byte for byte; what is masked is quoted as the server does it (PostgreSQL source,
// arrayfuncs.c, rowtypes.c, hstore_io.c).

#include <algorithm>

#include "base/byte_reader.hpp"
#include "base/byte_writer.hpp"
#include "masking/context.hpp"

namespace dbguard::masking {
namespace {

bool blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool is_null_word(std::string_view text) {
    constexpr std::string_view word = "null";
    return text.size() == word.size() &&
           std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) {
               return (a | 0x20) == b;
           });
}

/// Texts are taken apart at ASCII bytes, which must not be parts of other characters.
bool divisible(const Context& context, std::string_view value) {
    return context.settings.encoding != Encoding::ascii_unsafe ||
           std::all_of(value.begin(), value.end(), [](char c) {
               return static_cast<signed char>(c) >= 0;
           });
}

/// Copies a length and what it counts; -1 is NULL. False: the bytes end before.
bool copy_counted(ByteReader& reader, ByteWriter& writer) {
    const std::int32_t size = reader.i32();
    writer.i32(size);
    if (size >= 0)
        writer.bytes(reader.bytes(static_cast<std::size_t>(size)));
    else if (size != -1)
        reader.fail();
    return !reader.failed();
}

/// Masks a counted binary value. False: the bytes end before.
bool mask_counted(
    const Context& context,
    const Type& type,
    const Paths* paths,
    ByteReader& reader,
    std::string& out,
    bool& null
) {
    ByteWriter writer(out);
    const std::int32_t size = reader.i32();
    null = size == -1;
    if (size < -1) reader.fail();
    const auto value = null ? std::string_view() : reader.bytes(static_cast<std::size_t>(size));
    if (reader.failed()) return false;
    const std::size_t at = writer.size();
    writer.i32(-1);
    if (null) return true;
    if (!mask_value(context, type, Format::binary, value, paths, out)) {
        out.resize(at + 4);
        null = true;
        return true;
    }
    writer.patch_u32(at, static_cast<std::uint32_t>(out.size() - at - 4));
    return true;
}

/// As arrays and hstore have it.
void append_quoted(std::string_view text, std::string& out) {
    out.push_back('"');
    for (const char c : text) {
        if (c == '"' || c == '\\') out.push_back('\\');
        out.push_back(c);
    }
    out.push_back('"');
}

// ---- arrays
// -----------------------------------------------------------------------------------------------------

void append_element(std::string_view text, char delimiter, std::string& out) {
    const bool quote =
        text.empty() || is_null_word(text) || std::any_of(text.begin(), text.end(), [&](char c) {
            return c == '"' || c == '\\' || c == '{' || c == '}' || c == delimiter || blank(c);
        });
    if (!quote) {
        out.append(text);
        return;
    }
    append_quoted(text, out);
}

/// `[0:1][-2:3]=` before the braces, its length; 0: none. npos: something else.
std::size_t bounds_size(std::string_view value) {
    if (!value.starts_with('[')) return 0;
    const auto equals = value.find('=');
    if (equals == std::string_view::npos) return equals;
    if (value.substr(0, equals).find_first_not_of("0123456789+-:[]") != std::string_view::npos)
        return std::string_view::npos;
    return equals + 1;
}

bool mask_array_text(
    const Context& context,
    const Type& type,
    std::string_view value,
    const Paths* paths,
    std::string& out
) {
    if (!divisible(context, value)) return false;
    const auto bounds = bounds_size(value);
    if (bounds == std::string_view::npos) return false;
    out.append(value, 0, bounds);
    std::string element;
    std::string masked;
    int depth = 0;
    bool after_value = false;      // only a delimiter or a closing brace may follow
    bool after_delimiter = false;  // only a value or an opening brace may follow
    for (std::size_t at = bounds; at < value.size();) {
        const char c = value[at];
        if (c == '{' && !after_value) {
            if (depth == 0 && at != bounds) return false;
            ++depth;
            out.push_back(c);
            ++at;
            after_delimiter = false;
        } else if (c == '}' && depth > 0 && !after_delimiter) {
            --depth;
            out.push_back(c);
            ++at;
            if (depth == 0) return at == value.size();
            after_value = true;
        } else if (c == type.delimiter && after_value) {
            out.push_back(c);
            ++at;
            after_value = false;
            after_delimiter = true;
        } else if (depth > 0 && !after_value) {
            element.clear();
            const bool quoted = c == '"';
            if (quoted) {
                for (++at; at < value.size() && value[at] != '"'; ++at) {
                    if (value[at] == '\\' && ++at == value.size()) return false;
                    element.push_back(value[at]);
                }
                if (at++ == value.size()) return false;
            } else {
                for (; at < value.size() && value[at] != type.delimiter && value[at] != '}'; ++at) {
                    // The server quotes an element with any of these.
                    if (value[at] == '{' || value[at] == '"' || value[at] == '\\') return false;
                    element.push_back(value[at]);
                }
                if (element.empty()) return false;
            }
            after_value = true;
            after_delimiter = false;
            masked.clear();
            if ((!quoted && is_null_word(element)) ||
                !mask_value(context, *type.element, Format::text, element, paths, masked))
                out.append("NULL");
            else
                append_element(masked, type.delimiter, out);
        } else {
            return false;
        }
    }
    return false;
}

/// Dimensions, flags (1: there are NULLs), element type, size and lower bound of each dimension,
/// the elements.
bool mask_array_binary(
    const Context& context,
    const Type& type,
    std::string_view value,
    const Paths* paths,
    std::string& out
) {
    constexpr std::int32_t most_dimensions = 6;  // MAXDIM
    ByteReader reader(value);
    ByteWriter writer(out);
    const std::int32_t dimensions = reader.i32();
    const std::uint32_t flags = reader.u32();
    if (reader.failed() || dimensions < 0 || dimensions > most_dimensions || flags > 1)
        return false;
    writer.i32(dimensions);
    const std::size_t flags_at = writer.size();
    writer.u32(flags);
    writer.u32(reader.u32());
    std::uint64_t count = dimensions == 0 ? 0 : 1;
    for (std::int32_t k = 0; k < dimensions; ++k) {
        const std::int32_t size = reader.i32();
        if (size < 0) return false;
        count *= static_cast<std::uint64_t>(size);
        // Every element takes four bytes at least.
        if (count > value.size() / 4) return false;
        writer.i32(size);
        writer.u32(reader.u32());
    }
    bool nulls = false;
    for (std::uint64_t k = 0; k < count; ++k) {
        bool null = false;
        if (!mask_counted(context, *type.element, paths, reader, out, null)) return false;
        nulls = nulls || null;
    }
    writer.patch_u32(flags_at, nulls ? 1 : 0);
    return !reader.finish().has_error();
}

// ---- composites
// -------------------------------------------------------------------------------------------------

void append_field(std::string_view text, std::string& out) {
    const bool quote =
        text.empty() || std::any_of(text.begin(), text.end(), [](char c) {
            return c == '"' || c == '\\' || c == '(' || c == ')' || c == ',' || blank(c);
        });
    if (!quote) {
        out.append(text);
        return;
    }
    out.push_back('"');
    for (const char c : text) {
        if (c == '"' || c == '\\') out.push_back(c);
        out.push_back(c);
    }
    out.push_back('"');
}

Member field_member(const Paths* paths, const std::string& name) {
    if (paths == nullptr) return {true, {}};
    return member_of(*paths, name);
}

bool mask_composite_text(
    const Context& context,
    const Type& type,
    std::string_view value,
    const Paths* paths,
    std::string& out
) {
    if (!divisible(context, value) || !value.starts_with('(')) return false;
    out.push_back('(');
    std::string field;
    std::string masked;
    std::size_t at = 1;
    for (std::size_t k = 0; k < type.fields.size(); ++k) {
        const std::size_t begin = at;
        bool quoted = false;
        field.clear();
        for (bool inside = false; at < value.size(); ++at) {
            const char c = value[at];
            if (c == '\\') {
                if (++at == value.size()) return false;
                field.push_back(value[at]);
            } else if (c == '"') {
                quoted = true;
                if (inside && value.substr(at + 1, 1) == "\"")
                    field.push_back(value[++at]);
                else
                    inside = !inside;
            } else if (!inside && (c == ',' || c == ')')) {
                break;
            } else {
                field.push_back(c);
            }
        }
        const bool last = k + 1 == type.fields.size();
        if (at == value.size() || value[at] != (last ? ')' : ',')) return false;
        const Member member = field_member(paths, type.fields[k].name);
        const bool null = field.empty() && !quoted;
        if (null || (!member.masked && member.inner.empty())) {
            out.append(value, begin, at - begin);
        } else {
            masked.clear();
            if (mask_value(
                    context,
                    *type.fields[k].type,
                    Format::text,
                    field,
                    member.masked ? nullptr : &member.inner,
                    masked
                ))
                append_field(masked, out);
        }
        out.push_back(value[at++]);
    }
    if (type.fields.empty()) return false;
    return at == value.size();
}

/// Number of fields, then each one's type and counted bytes.
bool mask_composite_binary(
    const Context& context,
    const Type& type,
    std::string_view value,
    const Paths* paths,
    std::string& out
) {
    ByteReader reader(value);
    ByteWriter writer(out);
    const std::int32_t count = reader.i32();
    if (count < 1 || static_cast<std::size_t>(count) != type.fields.size()) return false;
    writer.i32(count);
    for (const Type::Field& field : type.fields) {
        writer.u32(reader.u32());
        const Member member = field_member(paths, field.name);
        bool null = false;
        const bool good = !member.masked && member.inner.empty()
                              ? copy_counted(reader, writer)
                              : mask_counted(
                                    context,
                                    *field.type,
                                    member.masked ? nullptr : &member.inner,
                                    reader,
                                    out,
                                    null
                                );
        if (!good) return false;
    }
    return !reader.finish().has_error();
}

// ---- hstore
// -----------------------------------------------------------------------------------------------------

/// hstore has no members inside members: a path with dots is a key with dots.
bool is_masked_key(const Paths& paths, std::string_view key) {
    return std::any_of(paths.begin(), paths.end(), [&](const auto& path) {
        std::string joined;
        for (const std::string& name : path) joined.append(joined.empty() ? "" : ".").append(name);
        return joined == key;
    });
}

/// `"key"=>"value", "key"=>NULL`
bool mask_hstore_text(
    const Context& context, std::string_view value, const Paths& paths, std::string& out
) {
    if (!divisible(context, value)) return false;
    std::size_t at = 0;
    const auto quoted = [&](std::string& into) {
        into.clear();
        if (value.substr(at, 1) != "\"") return false;
        for (++at; at < value.size() && value[at] != '"'; ++at) {
            if (value[at] == '\\' && ++at == value.size()) return false;
            into.push_back(value[at]);
        }
        return at++ < value.size();
    };
    const auto literal = [&](std::string_view text) {
        if (value.substr(at, text.size()) != text) return false;
        at += text.size();
        out.append(text);
        return true;
    };
    std::string key;
    std::string text;
    std::string masked;
    while (at < value.size()) {
        if (at > 0 && !literal(", ")) return false;
        std::size_t begin = at;
        if (!quoted(key)) return false;
        out.append(value, begin, at - begin);
        if (!literal("=>")) return false;
        if (literal("NULL")) continue;
        begin = at;
        if (!quoted(text)) return false;
        if (!is_masked_key(paths, key)) {
            out.append(value, begin, at - begin);
            continue;
        }
        masked.clear();
        if (!mask_string(context, text, masked)) {
            out.append("NULL");
            continue;
        }
        append_quoted(masked, out);
    }
    return true;
}

/// Number of pairs, then counted keys and values.
bool mask_hstore_binary(
    const Context& context, std::string_view value, const Paths& paths, std::string& out
) {
    ByteReader reader(value);
    ByteWriter writer(out);
    const std::int32_t count = reader.i32();
    if (count < 0) return false;
    writer.i32(count);
    const Type text{Kind::text};
    for (std::int32_t k = 0; k < count; ++k) {
        const std::int32_t size = reader.i32();
        if (reader.failed() || size < 0) return false;
        const auto key = reader.bytes(static_cast<std::size_t>(size));
        writer.i32(size);
        writer.bytes(key);
        bool null = false;
        const bool good = is_masked_key(paths, key)
                              ? mask_counted(context, text, nullptr, reader, out, null)
                              : copy_counted(reader, writer);
        if (!good) return false;
    }
    return !reader.finish().has_error();
}

}  // namespace

Member member_of(const Paths& paths, std::string_view name) {
    Member member;
    for (const auto& path : paths) {
        if (path.empty() || path.front() != name) continue;
        if (path.size() == 1)
            member.masked = true;
        else
            member.inner.push_back(path.subspan(1));
    }
    if (member.masked) member.inner.clear();
    return member;
}

bool mask_array(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    const Paths* paths,
    std::string& out
) {
    if (!type.element) return false;
    return format == Format::text ? mask_array_text(context, type, value, paths, out)
                                  : mask_array_binary(context, type, value, paths, out);
}

bool mask_composite(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    const Paths* paths,
    std::string& out
) {
    for (const Type::Field& field : type.fields)
        if (!field.type) return false;
    return format == Format::text ? mask_composite_text(context, type, value, paths, out)
                                  : mask_composite_binary(context, type, value, paths, out);
}

bool mask_hstore(
    const Context& context,
    Format format,
    std::string_view value,
    const Paths& paths,
    std::string& out
) {
    return format == Format::text ? mask_hstore_text(context, value, paths, out)
                                  : mask_hstore_binary(context, value, paths, out);
}

}  // namespace dbguard::masking
