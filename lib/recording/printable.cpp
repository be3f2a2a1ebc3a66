#include "recording/printable.hpp"

#include "recording/json_text.hpp"

namespace dbguard::recording {

namespace {

unsigned code_point(std::string_view sequence) {
    if (sequence.size() == 1) return static_cast<unsigned char>(sequence[0]);
    unsigned value = static_cast<unsigned char>(sequence[0]) & (0xFFu >> (sequence.size() + 1));
    for (const char c : sequence.substr(1)) value = value << 6 | (static_cast<unsigned char>(c) & 0x3Fu);
    return value;
}

void append_hex(std::string& out, unsigned value, int least) {
    constexpr char digits[] = "0123456789abcdef";
    int width = least;
    while (width < 8 && value >> (4 * width) != 0) ++width;
    for (int i = width; i-- > 0;) out.push_back(digits[value >> (4 * i) & 15]);
}

}  // namespace

void append_printable(std::string& out, std::string_view text, std::string_view margin) {
    for (std::size_t i = 0; i < text.size();) {
        const auto rest = text.substr(i);
        const std::size_t bytes = utf8_sequence_bytes(rest);
        const auto sequence = rest.substr(0, bytes == 0 ? 1 : bytes);
        i += sequence.size();
        if (bytes != 0 && !is_unprintable(sequence)) {
            out.append(sequence);
            if (sequence == "#" && rest.starts_with("##[")) {
                out.append("#\\[");
                i += 2;
            }
        } else if (sequence == "\n" && !margin.empty()) {
            out.push_back('\n');
            out.append(margin);
        } else if (sequence == "\n") {
            out.append("\\n");
        } else if (sequence == "\t") {
            out.append(margin.empty() ? "\\t" : "    ");
        } else if (sequence == "\r") {
            out.append("\\r");
        } else if (bytes <= 1) {
            out.append("\\x");
            append_hex(out, static_cast<unsigned char>(sequence[0]), 2);
        } else {
            out.append("\\u{");
            append_hex(out, code_point(sequence), 4);
            out.push_back('}');
        }
    }
}

std::string printable(std::string_view text) {
    std::string out;
    append_printable(out, text);
    return out;
}

std::string printable_json(std::string_view line) {
    std::string out;
    out.reserve(line.size());
    for (std::size_t i = 0; i < line.size();) {
        const auto rest = line.substr(i);
        const std::size_t bytes = utf8_sequence_bytes(rest);
        const auto sequence = rest.substr(0, bytes == 0 ? 1 : bytes);
        i += sequence.size();
        if (bytes != 0 && !is_unprintable(sequence)) {
            out.append(sequence);
            if (sequence == "#" && rest.starts_with("##[")) {  // only strings hold a #
                out.append("#\\u005b");
                i += 2;
            }
        } else if (bytes == 1 && (sequence == "\t" || sequence == "\r")) {
            out.push_back(' ');  // white space between members; in a string it is not JSON
        } else {
            out.append("\\u");
            append_hex(out, bytes == 0 ? 0xFFFD : code_point(sequence), 4);
        }
    }
    return out;
}

}  // namespace dbguard::recording
