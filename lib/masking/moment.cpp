// Masks over dates and times: zero and date(…); every other function makes them NULL.
//
// Texts are read and written as DateStyle says (PostgreSQL source, datetime.c, EncodeDateOnly,
// EncodeDateTime). Results that belong to a zone are in UTC and say so: the instant is right
// whatever TimeZone is. A zone that is spelled by an abbreviation other than UTC's names no certain
// instant, so such a value is not understood.

#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "base/byte_reader.hpp"
#include "base/byte_writer.hpp"
#include "masking/context.hpp"

namespace dbguard::masking {
namespace {

using DateStyle = Settings::DateStyle;

constexpr std::int64_t day_microseconds = 86'400'000'000;
constexpr std::int64_t postgres_epoch_days = 10957;  ///< 2000-01-01 counted from 1970-01-01
/// 4714-11-24 BC, Julian day 0: the first of date and timestamp (PostgreSQL manual, "Date/Time
/// Types").
constexpr std::int64_t first_day = -2440588;

/// Astronomical year: 0 is 1 BC.
struct Date {
    std::int64_t year = 1970;
    unsigned month = 1;
    unsigned day = 1;
};

// Days from 1970-01-01 in the proleptic Gregorian calendar and back, by counting years from 1 March
// in eras of 400 years.
std::int64_t days_of(const Date& date) {
    const std::int64_t year = date.year - (date.month <= 2 ? 1 : 0);
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const std::int64_t year_of_era = year - era * 400;
    const std::int64_t month = (date.month + 9) % 12;
    const std::int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

Date date_of(std::int64_t days) {
    days += 719468;
    const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const std::int64_t day_of_era = days - era * 146097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const std::int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t month = (5 * day_of_year + 2) / 153;
    Date date;
    date.month = static_cast<unsigned>(month < 10 ? month + 3 : month - 9);
    date.day = static_cast<unsigned>(day_of_year - (153 * month + 2) / 5 + 1);
    date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
    return date;
}

/// The first day of the date's year or month, or 1970-01-01. Empty: before the first day that the
/// types have.
std::optional<Date> floor_of(const Context& context, Date date) {
    if (context.mask.function == Function::zero) return Date{};
    if (context.mask.function == Function::date_year) date.month = 1;
    date.day = 1;
    if (days_of(date) < first_day) return {};
    return date;
}

// ---- texts
// ------------------------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 12> months = {
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
};
constexpr std::array<std::string_view, 7> weekdays = {
    "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};

/// Reads a text from front to back; after a failure everything fails.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    std::int64_t digits(std::size_t least, std::size_t most) {
        std::size_t count = 0;
        while (count < rest_.size() && count < most && rest_[count] >= '0' && rest_[count] <= '9')
            ++count;
        std::int64_t value = 0;
        if (count < least) return fail();
        std::from_chars(rest_.data(), rest_.data() + count, value);
        rest_.remove_prefix(count);
        return value;
    }
    void literal(std::string_view text) {
        if (!accept(text)) fail();
    }
    bool accept(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    /// The index of the word that follows.
    template <std::size_t n>
    unsigned one_of(const std::array<std::string_view, n>& words) {
        for (unsigned k = 0; k < n; ++k)
            if (accept(words[k])) return k;
        return static_cast<unsigned>(fail());
    }
    std::string_view rest() const { return rest_; }
    void skip_rest() { rest_ = {}; }
    bool done() const { return !failed_ && rest_.empty(); }
    std::int64_t fail() {
        failed_ = true;
        rest_ = {};
        return 0;
    }

  private:
    std::string_view rest_;
    bool failed_ = false;
};

struct Moment {
    Date date;
    std::int64_t seconds = 0;  ///< of the day, the fraction cut off
    std::string_view zone;     ///< with the blank before it, as printed
};

void scan_time(Scanner& in, Moment& moment) {
    const auto hours = in.digits(2, 2);
    in.literal(":");
    const auto minutes = in.digits(2, 2);
    in.literal(":");
    moment.seconds = hours * 3600 + minutes * 60 + in.digits(2, 2);
    if (in.accept(".")) in.digits(1, 6);
}

void scan_numeric_date(Scanner& in, const Settings& settings, Date& date) {
    constexpr std::size_t year_digits = 7;
    if (settings.date_style == DateStyle::iso) {
        date.year = in.digits(4, year_digits);
        in.literal("-");
        date.month = static_cast<unsigned>(in.digits(2, 2));
        in.literal("-");
        date.day = static_cast<unsigned>(in.digits(2, 2));
        return;
    }
    const bool german = settings.date_style == DateStyle::german;
    const std::string_view between = german                                  ? "."
                                     : settings.date_style == DateStyle::sql ? "/"
                                                                             : "-";
    const auto first = static_cast<unsigned>(in.digits(2, 2));
    in.literal(between);
    const auto second = static_cast<unsigned>(in.digits(2, 2));
    in.literal(between);
    date.year = in.digits(4, year_digits);
    const bool day_first = german || settings.day_first;
    date.day = day_first ? first : second;
    date.month = day_first ? second : first;
}

bool scan(std::string_view text, const Settings& settings, bool with_time, Moment& moment) {
    const bool before_christ = text.ends_with(" BC");
    if (before_christ) text.remove_suffix(3);
    Scanner in(text);
    if (with_time && settings.date_style == DateStyle::postgres) {
        // Wed Dec 17 07:37:16 1997 PST, or with the day first
        in.one_of(weekdays);
        in.literal(" ");
        if (settings.day_first) {
            moment.date.day = static_cast<unsigned>(in.digits(2, 2));
            in.literal(" ");
        }
        moment.date.month = in.one_of(months) + 1;
        in.literal(" ");
        if (!settings.day_first) {
            moment.date.day = static_cast<unsigned>(in.digits(2, 2));
            in.literal(" ");
        }
        scan_time(in, moment);
        in.literal(" ");
        moment.date.year = in.digits(4, 7);
    } else {
        scan_numeric_date(in, settings, moment.date);
        if (with_time) {
            in.literal(" ");
            scan_time(in, moment);
        }
    }
    if (with_time) {
        moment.zone = in.rest();
        in.skip_rest();
    }
    const Date& date = moment.date;
    if (!in.done() || date.month < 1 || date.month > 12 || date.day < 1 || date.day > 31)
        return false;
    if (before_christ) moment.date.year = 1 - moment.date.year;
    return true;
}

/// `+05:30` as seconds east of Greenwich; an abbreviation only where it is UTC's.
std::optional<std::int64_t> offset_of(std::string_view zone) {
    if (zone.starts_with(' ')) zone.remove_prefix(1);
    for (const std::string_view name : {"UTC", "GMT", "Z", "UCT"})
        if (zone == name) return 0;
    if (zone.empty() || (zone.front() != '+' && zone.front() != '-')) return {};
    Scanner in(zone.substr(1));
    std::int64_t seconds = in.digits(2, 2) * 3600;
    if (in.accept(":")) seconds += in.digits(2, 2) * 60;
    if (in.accept(":")) seconds += in.digits(2, 2);
    if (!in.done()) return {};
    return zone.front() == '-' ? -seconds : seconds;
}

/// How UTC is spelled at the end of the text that stands for a value with this zone.
std::string_view utc_like(std::string_view zone, const Settings& settings) {
    const std::string_view name = zone.starts_with(' ') ? zone.substr(1) : zone;
    if (offset_of(zone) == 0 && !name.starts_with('+') && !name.starts_with('-')) return zone;
    if (settings.date_style == DateStyle::iso) return "+00";
    if (!name.empty() && (name.front() == '+' || name.front() == '-'))
        return zone.front() == ' ' ? " +00" : "+00";
    return " UTC";
}

void append_number(std::int64_t value, std::size_t width, std::string& out) {
    const std::string digits = std::to_string(value);
    if (digits.size() < width) out.append(width - digits.size(), '0');
    out.append(digits);
}

void append_moment(
    const Date& date,
    const Settings& settings,
    bool with_time,
    std::string_view zone,
    std::string& out
) {
    const bool before_christ = date.year <= 0;
    const std::int64_t year = before_christ ? 1 - date.year : date.year;
    if (with_time && settings.date_style == DateStyle::postgres) {
        const std::int64_t days = days_of(date);
        out.append(weekdays[static_cast<std::size_t>(((days % 7) + 7) % 7)]).push_back(' ');
        if (settings.day_first) {
            append_number(date.day, 2, out);
            out.push_back(' ');
        }
        out.append(months[date.month - 1]).push_back(' ');
        if (!settings.day_first) {
            append_number(date.day, 2, out);
            out.push_back(' ');
        }
        out.append("00:00:00 ");
        append_number(year, 4, out);
        out.append(zone);
    } else {
        const bool german = settings.date_style == DateStyle::german;
        if (settings.date_style == DateStyle::iso) {
            append_number(year, 4, out);
            out.push_back('-');
            append_number(date.month, 2, out);
            out.push_back('-');
            append_number(date.day, 2, out);
        } else {
            const char between = german ? '.' : settings.date_style == DateStyle::sql ? '/' : '-';
            const bool day_first = german || settings.day_first;
            append_number(day_first ? date.day : date.month, 2, out);
            out.push_back(between);
            append_number(day_first ? date.month : date.day, 2, out);
            out.push_back(between);
            append_number(year, 4, out);
        }
        if (with_time) out.append(" 00:00:00").append(zone);
    }
    if (before_christ) out.append(" BC");
}

bool mask_text(const Context& context, Kind kind, std::string_view value, std::string& out) {
    const Settings& settings = context.settings;
    if (!settings.date_style_known) return false;
    const bool with_time = kind != Kind::date;
    const bool with_zone = kind == Kind::timestamptz;
    Moment moment;
    const bool understood = scan(value, settings, with_time, moment);
    if (!understood) moment = {};  // infinity, for one; zero is the same for all values
    if (context.mask.function != Function::zero) {
        if (!understood || (!with_zone && !moment.zone.empty())) return false;
        if (with_zone) {
            if (context.mask.no_zone) return false;
            const auto offset = offset_of(moment.zone);
            if (!offset) return false;
            const std::int64_t seconds = days_of(moment.date) * 86400 + moment.seconds - *offset;
            moment.date = date_of(seconds / 86400 - (seconds % 86400 < 0 ? 1 : 0));
        }
    }
    const auto result = floor_of(context, moment.date);
    if (!result) return false;
    append_moment(
        *result, settings, with_time, with_zone ? utc_like(moment.zone, settings) : "", out
    );
    return true;
}

// ---- binary
// -----------------------------------------------------------------------------------------------------

/// Days or microseconds since 2000-01-01; the largest and smallest numbers are the infinities.
bool mask_binary(const Context& context, Kind kind, std::string_view value, std::string& out) {
    ByteReader reader(value);
    const bool is_date = kind == Kind::date;
    const std::int64_t read = is_date ? reader.i32() : reader.i64();
    if (!reader.finish()) return false;
    const bool infinite = is_date ? read == std::numeric_limits<std::int32_t>::max() ||
                                        read == std::numeric_limits<std::int32_t>::min()
                                  : read == std::numeric_limits<std::int64_t>::max() ||
                                        read == std::numeric_limits<std::int64_t>::min();
    if ((infinite || (kind == Kind::timestamptz && context.mask.no_zone)) && context.mask.function != Function::zero) return false;
    std::int64_t days = read;
    if (!is_date) days = read / day_microseconds - (read % day_microseconds < 0 ? 1 : 0);
    const auto result = floor_of(context, date_of(days + postgres_epoch_days));
    if (!result) return false;
    const std::int64_t masked = days_of(*result) - postgres_epoch_days;
    ByteWriter writer(out);
    if (is_date)
        writer.i32(static_cast<std::int32_t>(masked));
    else
        writer.u64(static_cast<std::uint64_t>(masked * day_microseconds));
    return true;
}

bool mask_time(const Context& context, Kind kind, Format format, std::string& out) {
    if (context.mask.function != Function::zero) return false;
    if (format == Format::binary) {
        // time: microseconds; timetz: and seconds west of Greenwich; interval: microseconds, days,
        // months
        out.append(kind == Kind::time ? 8 : kind == Kind::timetz ? 12 : 16, '\0');
        return true;
    }
    if (kind != Kind::interval) {
        out.append(kind == Kind::timetz ? "00:00:00+00" : "00:00:00");
        return true;
    }
    if (!context.settings.interval_style_known) return false;
    switch (context.settings.interval_style) {
        case Settings::IntervalStyle::postgres:
            out.append("00:00:00");
            break;
        case Settings::IntervalStyle::postgres_verbose:
            out.append("@ 0");
            break;
        case Settings::IntervalStyle::sql_standard:
            out.append("0");
            break;
        case Settings::IntervalStyle::iso_8601:
            out.append("PT0S");
            break;
    }
    return true;
}

}  // namespace

bool mask_moment(
    const Context& context,
    const Type& type,
    Format format,
    std::string_view value,
    std::string& out
) {
    const Function function = context.mask.function;
    if (function != Function::zero && function != Function::date_year &&
        function != Function::date_month)
        return false;
    if (type.kind == Kind::time || type.kind == Kind::timetz || type.kind == Kind::interval)
        return mask_time(context, type.kind, format, out);
    return format == Format::binary ? mask_binary(context, type.kind, value, out)
                                    : mask_text(context, type.kind, value, out);
}

}  // namespace dbguard::masking
