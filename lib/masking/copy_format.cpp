#include "masking/copy_format.hpp"

#include <algorithm>
#include <utility>

#include "base/byte_reader.hpp"
#include "base/byte_writer.hpp"

namespace dbguard::masking {
namespace {

constexpr std::string_view binary_signature("PGCOPY\n\377\r\n\0", 11);

Error bad_data(std::string detail) { return {errc::bad_copy_data, std::move(detail)}; }

/// The letter after a backslash that stands for a control character; 0: none does.
char escape_letter(char c) {
    switch (c) {
        case '\b':
            return 'b';
        case '\f':
            return 'f';
        case '\n':
            return 'n';
        case '\r':
            return 'r';
        case '\t':
            return 't';
        case '\v':
            return 'v';
        default:
            return 0;
    }
}

char escaped_control(char letter) {
    for (const char c : {'\b', '\f', '\n', '\r', '\t', '\v'})
        if (escape_letter(c) == letter) return c;
    return 0;
}

/// Where the line that begins at the front ends, its newline included; 0: not yet. Lines end in \n
/// or, from servers on Windows, \r\n; a newline inside a value is never bare in the text format.
std::size_t line_end(std::string_view data, std::size_t from) {
    const auto end = data.find('\n', from);
    return end == std::string_view::npos ? 0 : end + 1;
}

/// The line without its end.
std::string_view content(std::string_view line) {
    line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

/// The four bytes before a field of the binary format.
std::int32_t field_length(const char* bytes) {
    std::uint32_t length = 0;
    for (int k = 0; k < 4; ++k) length = length << 8 | static_cast<std::uint8_t>(bytes[k]);
    return static_cast<std::int32_t>(length);
}

/// Where the field that begins at `begin` ends: a delimiter after an even number of backslashes.
/// More than the row's size: nowhere, for a backslash is the last thing in the row.
std::size_t text_field_end(std::string_view row, std::size_t begin, char delimiter) {
    for (std::size_t from = begin;; ++from) {
        from = std::min(row.find(delimiter, from), row.size());
        std::size_t backslashes = 0;
        while (backslashes < from - begin && row[from - backslashes - 1] == '\\') ++backslashes;
        if (backslashes % 2 == 0) return from;
        if (from == row.size()) return from + 1;
    }
}

/// A field's value. False: a numeric escape, which the server does not write.
bool unescape(std::string_view field, std::string& value) {
    value.clear();
    for (std::size_t at = 0; at < field.size();) {
        const std::size_t escape = std::min(field.find('\\', at), field.size());
        value.append(field, at, escape - at);
        if (escape == field.size()) break;
        const char escaped = field[escape + 1];
        const char control = escaped_control(escaped);
        if (control == 0 && ((escaped >= '0' && escaped <= '7') || escaped == 'x')) return false;
        value.push_back(control != 0 ? control : escaped);
        at = escape + 2;
    }
    return true;
}

}  // namespace

CopyOptions CopyOptions::csv() {
    CopyOptions options;
    options.format = CopyFormat::csv;
    options.delimiter = ',';
    options.null = "";
    return options;
}

CopyOptions CopyOptions::binary() {
    CopyOptions options;
    options.format = CopyFormat::binary;
    return options;
}

CopyMasker::CopyMasker(const Masker& masker, CopyOptions options, std::vector<CopyColumn> columns)
    : masker_(&masker), options_(std::move(options)), columns_(std::move(columns)) {}

Result<CopyMasker> CopyMasker::make(
    const Masker& masker, CopyOptions options, std::vector<CopyColumn> columns
) {
    const auto bad = [](std::string detail) {
        return Error{errc::bad_copy_options, std::move(detail)};
    };
    // The rules of PostgreSQL's ProcessCopyOptions (copy.c), so far as data could not be taken
    // apart without them.
    if (options.format != CopyFormat::binary) {
        if (options.delimiter == '\n' || options.delimiter == '\r') return bad("delimiter");
        if (options.null.find_first_of("\r\n") != std::string::npos)
            return bad("null has a line end");
        if (options.null.find(options.delimiter) != std::string::npos)
            return bad("null has the delimiter");
    }
    constexpr std::string_view ambiguous = "\\.abcdefghijklmnopqrstuvwxyz0123456789";
    if (options.format == CopyFormat::text &&
        ambiguous.find(options.delimiter) != std::string_view::npos)
        return bad("delimiter");
    if (options.format == CopyFormat::csv) {
        if (options.quote == options.delimiter) return bad("quote is the delimiter");
        if (options.null.find(options.quote) != std::string::npos) return bad("null has the quote");
        for (const char c : {options.quote, options.escape})
            if (c == '\n' || c == '\r') return bad("quote or escape is a line end");
    }
    if (options.encoding) {
        // Masks read characters as the session's settings say.
        Masker other = masker;
        other.set_parameter("client_encoding", *options.encoding);
        if (other.settings().encoding != masker.settings().encoding ||
            other.settings().latin1 != masker.settings().latin1)
            return bad("encoding other than the session's");
    }
    return CopyMasker(masker, std::move(options), std::move(columns));
}

Result<void> CopyMasker::feed(std::string_view data, std::string& out) {
    if (options_.format != CopyFormat::binary &&
        masker_->settings().encoding == Encoding::ascii_unsafe)
        return Error{errc::bad_copy_options, "characters of this encoding hold ASCII bytes"};
    const bool joined = !held_.empty();
    if (joined) {
        held_.append(data);
        data = held_;
    }
    std::size_t done = 0;
    while (done < data.size()) {
        const std::string_view rest = data.substr(done);
        Result<std::size_t> used = std::size_t{0};
        switch (options_.format) {
            case CopyFormat::text:
                used = text_row(rest, out);
                break;
            case CopyFormat::csv:
                used = csv_row(rest, out);
                break;
            case CopyFormat::binary:
                used = binary_row(rest, out);
                break;
        }
        if (!used) return used.error();
        if (*used == 0) break;
        done += *used;
        scanned_ = 0;
        in_quotes_ = false;
    }
    if (data.size() - done > options_.max_row_bytes) return Error{errc::copy_row_too_long, ""};
    if (joined)
        held_.erase(0, done);
    else
        held_.assign(data, done);
    return {};
}

Result<void> CopyMasker::finish() const {
    if (!held_.empty()) return bad_data("unfinished row");
    if (options_.format == CopyFormat::binary && !trailer_seen_) return bad_data("no trailer");
    return {};
}

Applied CopyMasker::mask(std::size_t column, Format format, std::string_view value) {
    static const Type unknown;
    const CopyColumn& described = columns_[column];
    masked_.clear();
    return masker_->apply(
        *described.mask, described.type ? *described.type : unknown, format, value, masked_
    );
}

// ---- text
// -------------------------------------------------------------------------------------------------------

Result<std::size_t> CopyMasker::text_row(std::string_view data, std::string& out) {
    const std::size_t size = line_end(data, scanned_);
    if (size == 0) {
        scanned_ = data.size();
        return std::size_t{0};
    }
    const std::string_view row = content(data.substr(0, size));
    // Not sent in protocol 3, but meant as the end of the data by servers that do.
    if (row == "\\." && columns_.size() != 1) {
        out.append(data, 0, size);
        return size;
    }
    const bool header = options_.header && !header_seen_;
    header_seen_ = true;
    std::size_t at = 0;
    std::size_t copied = 0;  // what stands before it is in `out`
    std::size_t column = 0;
    // A row of no columns is an empty line.
    while (!columns_.empty()) {
        const std::size_t end = text_field_end(row, at, options_.delimiter);
        if (end > row.size()) return bad_data("backslash at the end");
        const std::string_view field = row.substr(at, end - at);
        if (column == columns_.size()) return bad_data("more fields than columns");
        if (!header && columns_[column].mask && field != options_.null) {
            if (!unescape(field, value_)) return bad_data("numeric escape");
            out.append(data, copied, at - copied);
            copied = end;
            if (mask(column, Format::text, value_) == Applied::null)
                out.append(options_.null);
            else
                append_text(masked_, out);
        }
        ++column;
        at = end + 1;
        if (end == row.size()) break;
    }
    if (column != columns_.size()) return bad_data("fewer fields than columns");
    if (columns_.empty() && !row.empty()) return bad_data("more fields than columns");
    out.append(data, copied, size - copied);
    if (!header) ++rows_;
    return size;
}

/// As CopyAttributeOutText (copyto.c).
void CopyMasker::append_text(std::string_view value, std::string& out) const {
    for (const char c : value) {
        const char letter = escape_letter(c);
        if (letter != 0 || c == '\\' || c == options_.delimiter) out.push_back('\\');
        out.push_back(letter != 0 ? letter : c);
    }
}

// ---- CSV
// --------------------------------------------------------------------------------------------------------

Result<std::size_t> CopyMasker::csv_row(std::string_view data, std::string& out) {
    const char quote = options_.quote;
    const char escape = options_.escape;
    // The end of the row: the first newline outside quotes. Quoting goes on and off with each
    // quote, and an escape inside quotes takes the quote or escape after it along; with escape =
    // quote both rules are the same.
    std::size_t at = scanned_;
    std::size_t newline = 0;  // the next one at or after `at`, once it was looked for
    for (; at < data.size(); ++at) {
        if (!in_quotes_) {
            if (newline <= at) newline = std::min(data.find('\n', at), data.size());
            at += std::min(data.substr(at, newline - at).find(quote), newline - at);
            if (at == data.size() || data[at] == '\n') break;
            in_quotes_ = true;
            continue;
        }
        const char c = data[at];
        if (c == escape && escape != quote) {
            if (at + 1 == data.size()) break;
            if (data[at + 1] == escape || data[at + 1] == quote) ++at;
        } else if (c == quote) {
            in_quotes_ = false;
        }
    }
    if (at >= data.size() || data[at] != '\n' || in_quotes_) {
        scanned_ = std::min(at, data.size());
        return std::size_t{0};
    }
    const std::size_t size = at + 1;
    const std::string_view row = content(data.substr(0, size));
    const bool header = options_.header && !header_seen_;
    header_seen_ = true;

    std::size_t copied = 0;  // what stands before it is in `out`
    std::size_t column = 0;
    for (at = 0; !columns_.empty(); ++at) {
        const std::size_t begin = at;
        bool quoted = false;
        at = std::min(row.find(options_.delimiter, begin), row.size());
        if (row.substr(begin, at - begin).find(quote) == std::string_view::npos) {
            value_.assign(row, begin, at - begin);
        } else {
            value_.clear();
            at = begin;
            for (bool inside = false; at < row.size(); ++at) {
                const char c = row[at];
                if (inside && c == escape && at + 1 < row.size() &&
                    (row[at + 1] == escape || row[at + 1] == quote)) {
                    value_.push_back(row[++at]);
                } else if (c == quote) {
                    inside = !inside;
                    quoted = true;
                } else if (!inside && c == options_.delimiter) {
                    break;
                } else {
                    value_.push_back(c);
                }
            }
        }
        if (column == columns_.size()) return bad_data("more fields than columns");
        const CopyColumn& described = columns_[column];
        const bool null = !quoted && value_ == options_.null;
        if (!header && described.mask && !null) {
            out.append(data, copied, begin - copied);
            copied = at;
            if (mask(column, Format::text, value_) == Applied::null)
                out.append(options_.null);
            else
                append_csv(masked_, described.force_quote, out);
        }
        ++column;
        if (at == row.size()) break;
    }
    if (column != columns_.size()) return bad_data("fewer fields than columns");
    if (columns_.empty() && !row.empty()) return bad_data("more fields than columns");
    out.append(data, copied, size - copied);
    if (!header) ++rows_;
    return size;
}

/// As CopyAttributeOutCSV (copyto.c).
void CopyMasker::append_csv(std::string_view value, bool force_quote, std::string& out) const {
    const char quote = options_.quote;
    const bool quoted = force_quote || value == options_.null ||
                        (columns_.size() == 1 && value == "\\.") ||
                        std::any_of(value.begin(), value.end(), [&](char c) {
                            return c == options_.delimiter || c == quote || c == '\n' || c == '\r';
                        });
    if (!quoted) {
        out.append(value);
        return;
    }
    out.push_back(quote);
    for (const char c : value) {
        if (c == quote || c == options_.escape) out.push_back(options_.escape);
        out.push_back(c);
    }
    out.push_back(quote);
}

// ---- binary
// -----------------------------------------------------------------------------------------------------

Result<std::size_t> CopyMasker::binary_row(std::string_view data, std::string& out) {
    if (trailer_seen_) return bad_data("data after the trailer");
    ByteReader reader(data);
    if (!header_seen_) {
        // Signature, flags, length of the header's extension, the extension.
        const auto signature = reader.bytes(binary_signature.size());
        const std::uint32_t flags = reader.u32();
        const std::uint32_t extension = reader.u32();
        reader.bytes(extension);
        if (reader.failed()) return std::size_t{0};
        if (signature != binary_signature) return bad_data("no binary signature");
        if (flags != 0) return bad_data("unknown flags");
        header_seen_ = true;
        const std::size_t size = data.size() - reader.remaining_bytes();
        out.append(data, 0, size);
        return size;
    }
    // A row that comes in pieces is looked through again with each, which the server's way of
    // sending makes rare.
    if (data.size() < 2) return std::size_t{0};
    const std::int16_t count = reader.i16();
    if (count == -1) {
        trailer_seen_ = true;
        out.append(data, 0, 2);
        return std::size_t{2};
    }
    if (count < 0 || static_cast<std::size_t>(count) != columns_.size())
        return bad_data("number of fields");
    const std::size_t start = out.size();
    std::size_t at = 2;
    std::size_t copied = 0;  // what stands before it is in `out`
    for (std::size_t column = 0; column < columns_.size(); ++column) {
        const std::size_t begin = at;
        std::int32_t length = -1;
        bool whole = data.size() - at >= 4;
        if (whole) {
            length = field_length(data.data() + at);
            if (length < -1) return bad_data("length of a field");
            at += 4;
            whole = length < 0 || static_cast<std::size_t>(length) <= data.size() - at;
        }
        if (!whole) {
            out.resize(start);
            return std::size_t{0};
        }
        if (length < 0) continue;
        const std::string_view value = data.substr(at, static_cast<std::size_t>(length));
        at += value.size();
        if (!columns_[column].mask) continue;
        out.append(data, copied, begin - copied);
        copied = at;
        ByteWriter writer(out);
        if (mask(column, Format::binary, value) == Applied::null) {
            writer.i32(-1);
        } else {
            writer.u32(static_cast<std::uint32_t>(masked_.size()));
            writer.bytes(masked_);
        }
    }
    out.append(data, copied, at - copied);
    ++rows_;
    return at;
}

}  // namespace dbguard::masking
