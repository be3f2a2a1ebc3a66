#include "policy/hours.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace dbguard::policy {
namespace {

using std::chrono::days;
using std::chrono::minutes;

constexpr std::array<std::string_view, 7> day_names = {"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"};

bool digit(char c) { return c >= '0' && c <= '9'; }

/// The next word; words are parted by single spaces.
std::string_view take_word(std::string_view& rest) {
    const auto end = rest.find(' ');
    const auto word = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return word;
}

int day_number(std::string_view word) {
    const auto found = std::find(day_names.begin(), day_names.end(), word);
    return found == day_names.end() ? -1 : static_cast<int>(found - day_names.begin());
}

/// `Mo-Fr`, `Sa,Su`, `Mo-We,Fr`; 0 when it is none.
std::uint8_t parse_days(std::string_view word) {
    std::uint8_t set = 0;
    while (!word.empty()) {
        const auto comma = word.find(',');
        const auto item = word.substr(0, comma);
        word.remove_prefix(comma == std::string_view::npos ? word.size() : comma + 1);
        if (comma != std::string_view::npos && word.empty()) return 0;
        const auto dash = item.find('-');
        const int first = day_number(item.substr(0, dash));
        const int last = dash == std::string_view::npos ? first : day_number(item.substr(dash + 1));
        if (first < 0 || last < 0) return 0;
        for (int day = first;; day = (day + 1) % 7) {
            set = static_cast<std::uint8_t>(set | 1U << day);
            if (day == last) break;
        }
    }
    return set;
}

/// `08:30`, up to 24:00; negative when it is none.
minutes parse_time(std::string_view word) {
    if (word.size() != 5 || word[2] != ':' || !digit(word[0]) || !digit(word[1]) || !digit(word[3]) || !digit(word[4]))
        return minutes{-1};
    const int hour = (word[0] - '0') * 10 + (word[1] - '0');
    const int minute = (word[3] - '0') * 10 + (word[4] - '0');
    if (minute > 59 || hour * 60 + minute > 24 * 60) return minutes{-1};
    return minutes{hour * 60 + minute};
}

/// Minutes since local midnight and the local weekday (0 is Monday).
struct LocalTime {
    minutes of_day;
    int weekday;
};

LocalTime local(Hours::Time now, minutes offset) {
    const auto shifted = std::chrono::floor<minutes>(now) + offset;
    const auto midnight = std::chrono::floor<days>(shifted);
    // 1970-01-01 was a Thursday.
    const auto number = midnight.time_since_epoch().count();
    return {shifted - midnight, static_cast<int>(((number + 3) % 7 + 7) % 7)};
}

}  // namespace

bool Hours::contains(Time now) const {
    const auto [of_day, weekday] = local(now, offset);
    const bool today = days >> weekday & 1;
    if (from < to) return today && of_day >= from && of_day < to;
    const bool yesterday = days >> (weekday + 6) % 7 & 1;
    return (today && of_day >= from) || (yesterday && of_day < to);
}

Hours::Time Hours::next_change(Time now) const {
    const auto shifted = std::chrono::floor<minutes>(now) + offset;
    const std::chrono::sys_time<minutes> midnight = std::chrono::floor<std::chrono::days>(shifted);
    auto next = midnight + std::chrono::days{1};
    for (const auto candidate : {midnight + from, midnight + to})
        if (candidate > shifted && candidate < next) next = candidate;
    return Time(next - offset);
}

Result<Hours> parse_hours(std::string_view text) {
    constexpr std::string_view shape = "hours look like `Mo-Fr 08:00-18:00` or `22:00-06:00 +02:00`";
    const Error bad{errc::bad_hours, std::string(shape)};
    Hours hours;
    auto rest = text;
    auto word = take_word(rest);
    if (!word.empty() && !digit(word.front())) {
        hours.days = parse_days(word);
        if (hours.days == 0) return bad;
        word = take_word(rest);
    }
    if (word.size() != 11 || word[5] != '-') return bad;
    hours.from = parse_time(word.substr(0, 5));
    hours.to = parse_time(word.substr(6));
    if (hours.from < minutes{0} || hours.to < minutes{0} || hours.from >= minutes{24 * 60}) return bad;
    if (hours.from == hours.to) return Error{errc::bad_hours, "it begins and ends at the same time"};
    if (text.ends_with(' ')) return bad;
    if (rest.empty()) return hours;
    word = take_word(rest);
    if (!rest.empty()) return bad;
    if (word == "UTC") return hours;
    const auto size = word.size() == 6 ? parse_time(word.substr(1)) : minutes{-1};
    if (size < minutes{0} || size > minutes{14 * 60} || (word[0] != '+' && word[0] != '-'))
        return Error{errc::bad_hours, "a time zone is UTC or an offset such as +02:00"};
    hours.offset = word[0] == '-' ? -size : size;
    return hours;
}

}  // namespace dbguard::policy
