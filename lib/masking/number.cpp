// Masks over numbers: zero and bucket; every other function makes a number NULL.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/byte_reader.hpp"
#include "base/byte_writer.hpp"
#include "masking/context.hpp"

namespace dbguard::masking {
namespace {

/// PostgreSQL's numeric has at most 131072 digits before and 16383 after the point (manual,
/// "Numeric Types"); json text may spell longer ones, which no mask has to understand.
constexpr std::size_t most_digits = 150000;

// ---- decimal numbers as digits
// ----------------------------------------------------------------------------------

struct Decimal {
    bool negative = false;
    std::string digits;     ///< of the whole part; no leading zeros, "" is 0
    bool fraction = false;  ///< something follows the point that is not 0
};

bool digit(char c) { return c >= '0' && c <= '9'; }

/// `-12.50`, `1.5e3`. False: anything else (NaN, Infinity), or too long.
bool parse_decimal(std::string_view text, Decimal& number) {
    std::size_t at = 0;
    if (at < text.size() && (text[at] == '-' || text[at] == '+'))
        number.negative = text[at++] == '-';
    std::string digits;
    std::size_t whole = 0;
    const std::size_t first = at;
    while (at < text.size() && digit(text[at])) digits.push_back(text[at++]);
    whole = digits.size();
    if (at < text.size() && text[at] == '.') {
        ++at;
        while (at < text.size() && digit(text[at])) digits.push_back(text[at++]);
    }
    if (digits.empty() || at == first || digits.size() > most_digits) return false;
    std::int64_t exponent = 0;
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && text[at] == '+') ++at;
        const auto [end, failure] =
            std::from_chars(text.data() + at, text.data() + text.size(), exponent);
        if (failure != std::errc()) return false;
        at = static_cast<std::size_t>(end - text.data());
    }
    if (at != text.size()) return false;
    constexpr auto most = static_cast<std::int64_t>(most_digits);
    if (exponent > most || exponent < -10 * most) return false;
    const std::int64_t point = static_cast<std::int64_t>(whole) + exponent;
    if (point > most) return false;
    if (point > static_cast<std::int64_t>(digits.size()))
        digits.append(static_cast<std::size_t>(point) - digits.size(), '0');
    const auto split = static_cast<std::size_t>(std::max<std::int64_t>(point, 0));
    number.fraction = digits.find_first_not_of('0', split) != std::string::npos;
    digits.resize(split);
    number.digits = digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
    return true;
}

std::uint64_t remainder(std::string_view digits, std::uint64_t n) {
    unsigned __int128 rest = 0;
    for (const char c : digits) rest = (rest * 10 + static_cast<unsigned>(c - '0')) % n;
    return static_cast<std::uint64_t>(rest);
}

/// digits += amount, which may be negative but not below -digits.
void add(std::string& digits, __int128 amount) {
    for (std::size_t at = digits.size(); amount != 0 && at > 0;) {
        --at;
        __int128 sum = (digits[at] - '0') + amount;
        __int128 carry = sum / 10;
        int left = static_cast<int>(sum % 10);
        if (left < 0) {
            left += 10;
            carry -= 1;
        }
        digits[at] = static_cast<char>('0' + left);
        amount = carry;
    }
    for (; amount > 0; amount /= 10)
        digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(amount % 10)));
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
}

/// The largest multiple of n that is not above.
void floor_to(Decimal& number, std::uint64_t n) {
    const std::uint64_t rest = remainder(number.digits, n);
    if (!number.negative)
        add(number.digits, -static_cast<__int128>(rest));
    else if (rest != 0 || number.fraction)
        add(number.digits, static_cast<__int128>(n) - rest);
    number.fraction = false;
    if (number.digits.empty()) number.negative = false;
}

// ---- integers
// ---------------------------------------------------------------------------------------------------

template <class T>
bool mask_integer(const Context& context, Format format, std::string_view value, std::string& out) {
    __int128 number = 0;
    if (context.mask.function == Function::bucket) {
        T read = 0;
        if (format == Format::binary) {
            if (value.size() != sizeof(T)) return false;
            std::uint64_t bits = 0;
            for (const char byte : value) bits = bits << 8 | static_cast<std::uint8_t>(byte);
            read = static_cast<T>(bits);
        } else {
            const auto [end, failure] =
                std::from_chars(value.data(), value.data() + value.size(), read);
            if (failure != std::errc() || end != value.data() + value.size()) return false;
        }
        const __int128 n = context.mask.a;
        number = read;
        const __int128 rest = ((number % n) + n) % n;
        number -= rest;
        if (number < std::numeric_limits<T>::min()) return false;
    }
    const T result = static_cast<T>(number);
    if (format == Format::binary) {
        for (int shift = 8 * (static_cast<int>(sizeof(T)) - 1); shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(static_cast<std::uint64_t>(result) >> shift));
        return true;
    }
    std::array<char, 24> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), result).ptr;
    out.append(text.data(), end);
    return true;
}

// ---- floating point
// ---------------------------------------------------------------------------------------------

/// As float4out and float8out print: the shortest spelling that reads back, or with
/// extra_float_digits below 1 that many digits fewer than the type's safe ones, with an exponent
/// from 10^15 (float4: 10^6). Source: PostgreSQL source, float.c, d2s.c, f2s.c.
template <class T>
void append_float(T number, int extra_float_digits, std::string& out) {
    std::array<char, 64> text{};
    char* const first = text.data();
    char* const last = first + text.size();
    constexpr int digits = std::numeric_limits<T>::digits10;
    if (extra_float_digits <= 0) {
        const int precision = std::max(1, digits + extra_float_digits);
        out.append(
            first, std::to_chars(first, last, number, std::chars_format::general, precision).ptr
        );
        return;
    }
    char* const end = std::to_chars(first, last, number, std::chars_format::scientific).ptr;
    const std::string_view scientific(first, static_cast<std::size_t>(end - first));
    const std::string_view exponent = scientific.substr(scientific.find('e') + 1);
    int power = 0;
    std::from_chars(exponent.data() + (exponent.front() == '+'), end, power);
    if (power >= -4 && power < digits) {
        out.append(first, std::to_chars(first, last, number, std::chars_format::fixed).ptr);
        return;
    }
    out.append(scientific);
}

template <class T, class Bits>
bool mask_float(const Context& context, Format format, std::string_view value, std::string& out) {
    T number = 0;
    if (context.mask.function == Function::bucket) {
        if (format == Format::binary) {
            if (value.size() != sizeof(T)) return false;
            Bits bits = 0;
            for (const char byte : value)
                bits = static_cast<Bits>(bits << 8 | static_cast<std::uint8_t>(byte));
            std::memcpy(&number, &bits, sizeof number);
        } else {
            const auto [end, failure] =
                std::from_chars(value.data(), value.data() + value.size(), number);
            if (failure != std::errc() || end != value.data() + value.size()) return false;
        }
        if (!std::isfinite(number)) return false;
        // fmod is exact, and so is the subtraction wherever the multiple can be written as a
        // double.
        const auto n = static_cast<double>(context.mask.a);
        double rest = std::fmod(static_cast<double>(number), n);
        if (rest < 0) rest += n;
        number = static_cast<T>(static_cast<double>(number) - rest);
        if (!std::isfinite(number)) return false;
        if (number == 0) number = 0;  // no negative zero
    }
    if (format == Format::binary) {
        Bits bits = 0;
        std::memcpy(&bits, &number, sizeof number);
        for (int shift = 8 * (static_cast<int>(sizeof(T)) - 1); shift >= 0; shift -= 8)
            out.push_back(static_cast<char>(bits >> shift));
        return true;
    }
    append_float(number, context.settings.extra_float_digits, out);
    return true;
}

// ---- numeric
// ----------------------------------------------------------------------------------------------------

constexpr std::uint16_t numeric_negative = 0x4000;

/// ndigits, weight, sign, dscale, then ndigits groups of four digits: PostgreSQL source, numeric.c,
/// numeric_send.
bool read_numeric(std::string_view value, Decimal& number) {
    ByteReader reader(value);
    const std::uint16_t count = reader.u16();
    const std::int16_t weight = reader.i16();
    const std::uint16_t sign = reader.u16();
    reader.u16();
    if (sign != 0 && sign != numeric_negative) return false;  // NaN and infinities
    if (reader.remaining_bytes() != std::size_t{2} * count) return false;
    number.negative = sign != 0;
    for (int group = 0; group < count; ++group) {
        const std::uint16_t digits = reader.u16();
        if (digits > 9999) return false;
        if (group > weight) {
            number.fraction = number.fraction || digits != 0;
            continue;
        }
        for (const int unit : {1000, 100, 10, 1})
            number.digits.push_back(static_cast<char>('0' + digits / unit % 10));
    }
    if (count > 0 && weight >= count)
        number.digits.append(std::size_t{4} * static_cast<std::size_t>(weight + 1 - count), '0');
    number.digits.erase(0, std::min(number.digits.find_first_not_of('0'), number.digits.size()));
    return !reader.failed();
}

void write_numeric(const Decimal& number, int scale, std::string& out) {
    std::string digits = number.digits;
    digits.insert(0, (4 - digits.size() % 4) % 4, '0');
    const std::size_t groups = digits.size() / 4;
    std::size_t count = groups;
    while (count > 0 && digits.compare(4 * (count - 1), 4, "0000") == 0) --count;
    ByteWriter writer(out);
    writer.u16(static_cast<std::uint16_t>(count));
    writer.u16(static_cast<std::uint16_t>(groups == 0 ? 0 : groups - 1));
    writer.u16(number.negative ? numeric_negative : 0);
    writer.u16(static_cast<std::uint16_t>(scale));
    for (std::size_t group = 0; group < count; ++group) {
        unsigned value = 0;
        for (const char c : digits.substr(4 * group, 4))
            value = value * 10 + static_cast<unsigned>(c - '0');
        writer.u16(static_cast<std::uint16_t>(value));
    }
}

/// Whether an integer is a value of numeric(precision, scale).
bool fits(const Decimal& number, const Type& type) {
    if (!type.precision || !type.scale || number.digits.empty()) return true;
    const auto size = static_cast<std::int64_t>(number.digits.size());
    if (size > static_cast<std::int64_t>(*type.precision) - *type.scale) return false;
    // A negative scale rounds to tens, hundreds, …
    const auto last = static_cast<std::int64_t>(number.digits.find_last_not_of('0'));
    return *type.scale >= 0 || size - 1 - last >= -static_cast<std::int64_t>(*type.scale);
}

bool mask_numeric(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    std::string& out
) {
    Decimal number;
    if (context.mask.function == Function::bucket) {
        if (!(format == Format::binary ? read_numeric(value, number) : parse_decimal(value, number)
            ))
            return false;
        floor_to(number, context.mask.a);
        if (!fits(number, type)) return false;
    }
    const int scale = std::max(0, type.scale.value_or(0));
    if (format == Format::binary) {
        write_numeric(number, scale, out);
        return true;
    }
    if (number.negative) out.push_back('-');
    out.append(number.digits.empty() ? "0" : number.digits);
    if (scale > 0) {
        out.push_back('.');
        out.append(static_cast<std::size_t>(scale), '0');
    }
    return true;
}

// ---- money
// ------------------------------------------------------------------------------------------------------

/// A binary money is a count of the currency's smallest unit, which only the server's lc_monetary
/// tells; the text has that locale's form. So zero is all that can be said: 0, and in text the
/// value's own form with its digits taken out.
bool mask_money(const Context& context, Format format, std::string_view value, std::string& out) {
    if (context.mask.function != Function::zero) return false;
    if (format == Format::binary) {
        if (value.size() != 8) return false;
        out.append(8, '\0');
        return true;
    }
    const auto first = value.find_first_of("0123456789");
    if (first == std::string_view::npos) return false;
    const auto last = value.find_last_of("0123456789");
    const auto digits = value.substr(first, last + 1 - first);
    // The digits after the last separator are the fraction where they are not a group of three.
    const auto separator = digits.find_last_not_of("0123456789");
    for (const char c : value.substr(0, first))
        if (c != '-' && c != '(') out.push_back(c);
    out.push_back('0');
    if (separator != std::string_view::npos && digits.size() - separator - 1 != 3) {
        out.push_back(digits[separator]);
        out.append(digits.size() - separator - 1, '0');
    }
    for (const char c : value.substr(last + 1))
        if (c != '-' && c != ')') out.push_back(c);
    return true;
}

}  // namespace

bool mask_number(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    std::string& out
) {
    const Function function = context.mask.function;
    if (function != Function::zero && function != Function::bucket) return false;
    if (function == Function::bucket && context.mask.a == 0) return false;
    switch (type.kind) {
        case Kind::int2:
            return mask_integer<std::int16_t>(context, format, value, out);
        case Kind::int4:
            return mask_integer<std::int32_t>(context, format, value, out);
        case Kind::int8:
            return mask_integer<std::int64_t>(context, format, value, out);
        case Kind::float4:
            return mask_float<float, std::uint32_t>(context, format, value, out);
        case Kind::float8:
            return mask_float<double, std::uint64_t>(context, format, value, out);
        case Kind::numeric:
            return mask_numeric(context, type, format, value, out);
        case Kind::money:
            return mask_money(context, format, value, out);
        default:
            return false;
    }
}

bool floor_multiple(std::string_view text, std::uint64_t n, std::string& out) {
    Decimal number;
    if (n == 0 || !parse_decimal(text, number)) return false;
    floor_to(number, n);
    if (number.negative) out.push_back('-');
    out.append(number.digits.empty() ? "0" : number.digits);
    return true;
}

}  // namespace dbguard::masking
