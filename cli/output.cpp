#include "cli/output.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "base/unique_fd.hpp"

namespace dbguard::cli {
namespace {

std::string_view name(Level level) {
    switch (level) {
        case Level::error:
            return "error";
        case Level::warning:
            return "warning";
        case Level::info:
            return "info";
        case Level::detail:
            return "detail";
    }
    return "error";
}

/// The code point at the front of `text` and its length; length 0: not UTF-8. Source: RFC 3629 §4.
std::pair<char32_t, std::size_t> front_code_point(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t length = first >= 0xF0 && first <= 0xF4 ? 4
                               : first >= 0xE0                ? 3
                               : first >= 0xC2                ? 2
                                                              : 0;
    if (length == 0 || first > 0xF4 || text.size() < length) return {0, 0};
    char32_t point = first & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {0, 0};
        point = point << 6 | (byte(i) & 0x3FU);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (overlong || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return {0, 0};
    return {point, length};
}

bool is_harmless(char32_t point) {
    if (point < 0x20 || (point >= 0x7F && point <= 0x9F)) return false;
    // What reorders or hides text (Unicode TR36, bidirectional text spoofing).
    return !(point >= 0x200B && point <= 0x200F) && !(point >= 0x2028 && point <= 0x202E) &&
           !(point >= 0x2060 && point <= 0x206F) && point != 0xFEFF;
}

std::string escape(char32_t point) {
    if (point == '\n') return "\\n";
    if (point == '\r') return "\\r";
    if (point == '\t') return "\\t";
    char buffer[16];
    std::snprintf(
        buffer, sizeof buffer, point < 0x100 ? "\\x%02x" : "\\u%04x", static_cast<unsigned>(point)
    );
    return buffer;
}

std::string utc_now() {
    const auto now = std::chrono::system_clock::now();
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    const auto millis =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() %
        1000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char buffer[40];
    const std::size_t size = std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(buffer + size, sizeof buffer - size, ".%03dZ", static_cast<int>(millis));
    return buffer;
}

std::string json_line(
    Level level, std::string_view event, std::string_view text, const Fields& fields
) {
    nlohmann::ordered_json object = {
        {"v", 1}, {"time", utc_now()}, {"level", name(level)}, {"event", event}, {"text", text}};
    for (const auto& [key, value] : fields)
        std::visit([&, &key = key](const auto& v) { object[key] = v; }, value);
    // ensure_ascii: no control, bidirectional or invalid character survives; `#` as well, for the runner's `##[`.
    std::string line = object.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
    for (auto at = line.find("##["); at != line.npos; at = line.find("##[", at + 1))
        line.replace(at, 3, "#\\u0023[");
    return line + "\n";
}

void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;  // nobody to tell
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

struct Output::State {
    std::mutex mutex;
    UniqueFd log;
    bool colour = use_colour();
};

Output::Output() : state_(std::make_unique<State>()) {}
Output::~Output() = default;

Output& output() {
    static Output only;
    return only;
}

Result<void> Output::configure(Options options) {
    options_ = std::move(options);
    state_->log.reset();
    if (options_.log_file.empty()) return {};
    state_->log =
        UniqueFd(::open(options_.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)
        );
    if (!state_->log)
        return Error{errc::cannot_open, options_.log_file + ": " + std::strerror(errno)};
    return {};
}

void Output::line(
    Level level, std::string_view event, std::string_view text, const Fields& fields
) {
    const bool shown =
        level == Level::error || (level == Level::detail ? options_.verbose : !options_.quiet);
    if (!shown && !state_->log) return;

    const std::string prefix = level == Level::error                           ? "error: "
                               : level == Level::warning && event == "warning" ? "warning: "
                                                                               : "";
    const std::string json =
        options_.json || options_.log_json ? json_line(level, event, text, fields) : std::string();
    const std::string plain = prefix + printable(text) + "\n";
    const std::scoped_lock lock(state_->mutex);
    if (state_->log)
        write_all(state_->log.get(), options_.log_json ? json : utc_now() + " " + plain);
    if (!shown) return;
    if (options_.json) return write_all(2, json);
    // SGR 1 bold, 31 red, 33 yellow, 2 faint.
    const char* colour = level == Level::error     ? "\x1b[1;31m"
                         : level == Level::warning ? "\x1b[33m"
                                                   : "\x1b[2m";
    write_all(
        2, state_->colour ? colour + std::string("dbguard:\x1b[0m ") + plain : "dbguard: " + plain
    );
}

std::string printable(std::string_view text, std::size_t max_bytes) {
    std::string out;
    while (!text.empty()) {
        if (out.size() >= max_bytes) return out + "…";
        if (text.starts_with("##[")) {
            out += "##\\x5b";
            text.remove_prefix(3);
            continue;
        }
        const auto [point, length] = front_code_point(text);
        if (length == 0) {
            out += escape(static_cast<unsigned char>(text.front()));
            text.remove_prefix(1);
            continue;
        }
        if (is_harmless(point))
            out += text.substr(0, length);
        else
            out += escape(point);
        text.remove_prefix(length);
    }
    return out;
}

bool use_colour() {
    const auto set = [](const char* variable) {
        const char* value = std::getenv(variable);
        return value != nullptr && *value != '\0';
    };
    if (set("NO_COLOR")) return false;
    const char* force = std::getenv("CLICOLOR_FORCE");
    if (force != nullptr && *force != '\0' && std::strcmp(force, "0") != 0) return true;
    const char* term = std::getenv("TERM");
    return ::isatty(2) == 1 && term != nullptr && std::strcmp(term, "dumb") != 0;
}

}  // namespace dbguard::cli
