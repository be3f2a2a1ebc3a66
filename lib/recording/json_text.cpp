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

/// Bytes of the UTF-8 sequence at `at`, 0 when there is none (RFC 3629 §4: no surrogates, shortest form only).
std::size_t sequence_bytes(const unsigned char* at, const unsigned char* end) {
    const auto left = static_cast<std::size_t>(end - at);
    const auto tail = [&](std::size_t i) { return (at[i] & 0xC0) == 0x80; };
    const unsigned lead = at[0];
    if (lead >= 0xC2 && lead <= 0xDF) return left >= 2 && tail(1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (left < 3 || !tail(1) || !tail(2)) return 0;
        if (lead == 0xE0 && at[1] < 0xA0) return 0;
        if (lead == 0xED && at[1] > 0x9F) return 0;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (left < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
        if (lead == 0xF0 && at[1] < 0x90) return 0;
        if (lead == 0xF4 && at[1] > 0x8F) return 0;
        return 4;
    }
    return 0;
}

void append_digits(std::string& out, unsigned value, int width) {
    char digits[8];
    for (int i = width; i-- > 0; value /= 10) digits[i] = static_cast<char>('0' + value % 10);
    out.append(digits, static_cast<std::size_t>(width));
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    out.push_back('"');
    const auto* at = reinterpret_cast<const unsigned char*>(text.data());
    const auto* const end = at + text.size();
    const unsigned char* run = at;  // not yet copied from here
    const auto copy_run = [&] {
        if (run != at) out.append(reinterpret_cast<const char*>(run), static_cast<std::size_t>(at - run));
    };
    while (at != end) {
        const char escape = escapes[*at];
        if (escape == 0) {
            ++at;
            continue;
        }
        if (escape == 1) {
            if (const std::size_t bytes = sequence_bytes(at, end)) {
                at += bytes;
                continue;
            }
            copy_run();
            out.append("\\ufffd");
        } else {
            copy_run();
            out.push_back('\\');
            out.push_back(escape);
            if (escape == 'u') {
                out.append("00");
                out.push_back(digits[*at >> 4]);
                out.push_back(digits[*at & 15]);
            }
        }
        run = ++at;
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
    append_digits(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    out.push_back('-');
    append_digits(out, static_cast<unsigned>(date.month()), 2);
    out.push_back('-');
    append_digits(out, static_cast<unsigned>(date.day()), 2);
    out.push_back('T');
    append_digits(out, of_day / 3600000, 2);
    out.push_back(':');
    append_digits(out, of_day / 60000 % 60, 2);
    out.push_back(':');
    append_digits(out, of_day / 1000 % 60, 2);
    out.push_back('.');
    append_digits(out, of_day % 1000, 3);
    out.push_back('Z');
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
    append_digits(out, rest, width);
}

}  // namespace dbguard::recording
