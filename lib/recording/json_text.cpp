#include "recording/json_text.hpp"

#include <array>
#include <charconv>
#include <cstring>

namespace dbguard::recording {

namespace {

// 0: stands for itself; 1: begins or continues a multi-byte sequence; otherwise the letter after the backslash.
constexpr std::array<char, 256> make_escapes() {
    std::array<char, 256> table{};
    for (int c = 0; c < 0x20; ++c) table[c] = 'u';
    for (int c = 0x80; c < 0x100; ++c) table[c] = 1;
    table[0x7F] = 'u';
    table['\b'] = 'b';
    table['\f'] = 'f';
    table['\n'] = 'n';
    table['\r'] = 'r';
    table['\t'] = 't';
    table['"'] = '"';
    table['\\'] = '\\';
    return table;
}
constexpr auto escapes = make_escapes();

/// `\u009b`; only for code points below U+10000.
void append_escaped(std::string& out, unsigned point) {
    constexpr char digits[] = "0123456789abcdef";
    out.append("\\u");
    for (int shift = 12; shift >= 0; shift -= 4) out.push_back(digits[point >> shift & 15]);
}

/// Of a whole sequence of two or three bytes.
unsigned code_point(std::string_view sequence) {
    unsigned value = static_cast<unsigned char>(sequence[0]) & (sequence.size() == 2 ? 0x1Fu : 0x0Fu);
    for (const char c : sequence.substr(1)) value = value << 6 | (static_cast<unsigned char>(c) & 0x3Fu);
    return value;
}

void put_digits(char* to, unsigned value, int width) {
    for (int i = width; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

}  // namespace

std::size_t utf8_sequence_bytes(std::string_view text) {
    if (text.empty()) return 0;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return text.size() >= 2 && tail(1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (text.size() < 3 || !tail(1) || !tail(2)) return 0;
        if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // shortest form only
        if (lead == 0xED && byte(1) > 0x9F) return 0;  // no surrogates
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (text.size() < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
        if (lead == 0xF0 && byte(1) < 0x90) return 0;
        if (lead == 0xF4 && byte(1) > 0x8F) return 0;
        return 4;
    }
    return 0;
}

bool is_unprintable(std::string_view sequence) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
    if (sequence.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7F;
    if (sequence.size() == 2) {
        if (byte(0) == 0xC2) return byte(1) < 0xA0;  // U+0080 to U+009F
        return byte(0) == 0xD8 && byte(1) == 0x9C;   // U+061C
    }
    if (sequence.size() != 3) return false;
    if (byte(0) == 0xEF) return byte(1) == 0xBB && byte(2) == 0xBF;  // U+FEFF
    if (byte(0) != 0xE2) return false;
    if (byte(1) == 0x80) return (byte(2) >= 0x8B && byte(2) <= 0x8F) || (byte(2) >= 0xA8 && byte(2) <= 0xAE);
    return byte(1) == 0x81 && byte(2) >= 0xA0 && byte(2) <= 0xAF;  // U+2060 to U+206F
}

void append_json_string(std::string& out, std::string_view text) {
    out.push_back('"');
    const char* at = text.data();
    const char* const end = at + text.size();
    const char* run = at;  // not yet copied from here
    const auto copy_run = [&] {
        if (run != at) out.append(run, static_cast<std::size_t>(at - run));
    };
    while (at != end) {
        const char escape = escapes[static_cast<unsigned char>(*at)];
        if (escape == 0) {
            ++at;
            continue;
        }
        std::size_t bytes = 1;
        if (escape == 1) {
            const std::string_view rest(at, static_cast<std::size_t>(end - at));
            bytes = utf8_sequence_bytes(rest);
            if (bytes != 0 && !is_unprintable(rest.substr(0, bytes))) {
                at += bytes;
                continue;
            }
            copy_run();
            append_escaped(out, bytes == 0 ? 0xFFFD : code_point(rest.substr(0, bytes)));
            if (bytes == 0) bytes = 1;
        } else {
            copy_run();
            if (escape == 'u') {
                append_escaped(out, static_cast<unsigned char>(*at));
            } else {
                out.push_back('\\');
                out.push_back(escape);
            }
        }
        at += bytes;
        run = at;
    }
    copy_run();
    out.push_back('"');
}

void append_number(std::string& out, std::uint64_t value) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, static_cast<std::size_t>(end - digits));
}

void append_number(std::string& out, std::int64_t value) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, static_cast<std::size_t>(end - digits));
}

void append_time(std::string& out, std::chrono::system_clock::time_point at) {
    using namespace std::chrono;
    auto milliseconds_of_epoch = floor<milliseconds>(at.time_since_epoch()).count();
    constexpr std::int64_t first = -62167219200000, last = 253402300799999;  // years 0000 and 9999
    if (milliseconds_of_epoch < first) milliseconds_of_epoch = first;
    if (milliseconds_of_epoch > last) milliseconds_of_epoch = last;
    const sys_time<milliseconds> time{milliseconds(milliseconds_of_epoch)};
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const auto of_day = static_cast<unsigned>((time - day).count());
    char text[] = "0000-00-00T00:00:00.000Z";
    put_digits(text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    put_digits(text + 5, static_cast<unsigned>(date.month()), 2);
    put_digits(text + 8, static_cast<unsigned>(date.day()), 2);
    put_digits(text + 11, of_day / 3600000, 2);
    put_digits(text + 14, of_day / 60000 % 60, 2);
    put_digits(text + 17, of_day / 1000 % 60, 2);
    put_digits(text + 20, of_day % 1000, 3);
    out.append(text, sizeof text - 1);
}

void append_milliseconds(std::string& out, std::chrono::microseconds duration) {
    auto count = duration.count();
    if (count < 0) count = 0;  // a clock that was set back
    append_number(out, static_cast<std::uint64_t>(count / 1000));
    auto rest = static_cast<unsigned>(count % 1000);
    if (rest == 0) return;
    out.push_back('.');
    int width = 3;
    while (rest % 10 == 0) {
        rest /= 10;
        --width;
    }
    char digits[3];
    put_digits(digits, rest, width);
    out.append(digits, static_cast<std::size_t>(width));
}

}  // namespace dbguard::recording
