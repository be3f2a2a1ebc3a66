#include "recording/replay.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "recording/compress.hpp"
#include "recording/line_json.hpp"
#include "recording/fields.hpp"
#include "recording/printable.hpp"

namespace dbguard::recording {

namespace {

using nlohmann::json;

constexpr std::string_view margin = "               | ";
constexpr std::string_view red = "\x1b[31m", green = "\x1b[32m", yellow = "\x1b[33m", dim = "\x1b[2m", plain = "\x1b[0m";

/// `+00:00:01.895`
std::string offset_text(Time from, Time to) {
    using namespace std::chrono;
    auto left = duration_cast<milliseconds>(to - from).count();
    const char sign = left < 0 ? '-' : '+';
    if (left < 0) left = -left;
    const auto two = [](std::int64_t value) { return (value < 10 ? "0" : "") + std::to_string(value); };
    const auto ms = left % 1000;
    return sign + two(left / 3600000) + ":" + two(left / 60000 % 60) + ":" + two(left / 1000 % 60) + "." +
           (ms < 100 ? ms < 10 ? "00" : "0" : "") + std::to_string(ms);
}

std::string plural(std::uint64_t count, std::string_view one) {
    std::string text = std::to_string(count) + " ";
    text.append(one);
    if (count != 1) text.push_back('s');
    return text;
}

/// The last whole line of a file, zeros behind it left out; empty when it is longer than `window`.
std::string last_line(int fd, std::uint64_t size) {
    constexpr std::uint64_t window = 64 * 1024;
    std::string bytes;
    for (std::uint64_t end = size; end > 0;) {
        const std::uint64_t begin = end > window ? end - window : 0;
        bytes.resize(end - begin);
        const ssize_t count = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(begin));
        if (count <= 0) return {};
        bytes.resize(static_cast<std::size_t>(count));
        const auto last = bytes.find_last_not_of('\0');
        if (last == std::string::npos) {
            end = begin;  // nothing but room that was reserved
            continue;
        }
        if (bytes[last] != '\n') return {};
        if (last + 1 == bytes.size() || end == begin + last + 1) {
            bytes.resize(last);
            const auto before = bytes.rfind('\n');
            if (before == std::string::npos && begin > 0) return {};
            return bytes.substr(before == std::string::npos ? 0 : before + 1);
        }
        end = begin + last + 1;  // once more, with the window behind the last line
    }
    return {};
}

}  // namespace

struct Replay::Json {
    json value;
};

std::optional<Time> parse_time(std::string_view text) {
    using namespace std::chrono;
    constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd.dddZ";
    if (text.size() != form.size()) return {};
    for (std::size_t i = 0; i < form.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == 'd' ? !digit : text[i] != form[i]) return {};
    }
    const auto number = [&](std::size_t at, std::size_t digits) {
        int value = 0;
        for (std::size_t i = 0; i < digits; ++i) value = value * 10 + (text[at + i] - '0');
        return value;
    };
    const year_month_day date{
        year(number(0, 4)), month(static_cast<unsigned>(number(5, 2))), day(static_cast<unsigned>(number(8, 2)))};
    if (!date.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 60) return {};
    const auto at = sys_days(date).time_since_epoch() + hours(number(11, 2)) + minutes(number(14, 2)) +
                    seconds(number(17, 2)) + milliseconds(number(20, 3));
    // Years of four digits reach further than a clock that counts nanoseconds.
    constexpr auto most = duration_cast<milliseconds>(Time::duration::max());
    if (at > most || at < -most) return {};
    return Time(duration_cast<Time::duration>(at));
}

Result<Summary> summarise(const std::string& path) {
    auto reader = Reader::open(path, 1024 * 1024);
    if (!reader) return reader.error();
    auto first = reader->next();
    if (!first) return first.error();
    if (!*first) return Error{errc::not_a_recording, "empty"};
    const json head = json::parse((*first)->bytes, nullptr, false);
    Summary summary;
    summary.session = string_of(head, "sid");
    summary.role = string_of(head, "role");
    summary.database = string_of(head, "db");
    summary.engine = string_of(head, "engine");
    summary.login = string_of(head, "login");
    summary.policy = string_of(head, "policy");
    summary.mode = string_of(head, "mode");
    summary.gateway = string_of(head, "gw");
    summary.upstream = string_of(head, "upstream");
    summary.agent = string_of(object_of(head, "agent"), "name");
    summary.began = string_of(head, "at");
    summary.key = string_of(head, "key");
    summary.previous = string_of(head, "prev");
    summary.record_sql = string_of(object_of(head, "record"), "sql");
    summary.record_results = string_of(object_of(head, "record"), "results");
    for (const auto& [name, value] : object_of(head, "who").items())
        if (value.is_string()) summary.who.emplace_back(name, value.get<std::string>());
    summary.being_written = is_being_written(path);

    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) return Error{errc::cannot_read, path + ": " + std::strerror(errno)};
    summary.file_bytes = static_cast<std::uint64_t>(status.st_size);
    const std::string line = last_line(fd.get(), summary.file_bytes);
    if (!line.empty() && read_line_form(line)) {
        const json last = json::parse(line, nullptr, false);
        if (string_of(last, "t") == "end") {
            summary.ended = string_of(last, "at");
            summary.why = string_of(last, "why");
            summary.statements = number_of(last, "stmts");
            summary.denied = number_of(last, "denied");
            summary.failed = number_of(last, "failed");
            summary.masked = number_of(last, "masked");
        }
    }
    return summary;
}

void Replay::coloured(std::string& out, std::string_view colour, std::string_view value) {
    if (!options_.colour) {
        out.append(value);
        return;
    }
    out.append(colour).append(value).append(plain);
}

void Replay::text(std::string& out, std::string_view value, std::string_view line_margin) {
    const auto limit = options_.max_text_bytes;
    if (limit == 0 || value.size() <= limit) {
        append_printable(out, value, line_margin);
        return;
    }
    auto end = limit;
    while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
    append_printable(out, value.substr(0, end), line_margin);
    out.append(" … (").append(std::to_string(value.size())).append(" bytes)");
}

/// The time since the session began, for a line that has one.
void Replay::clock(std::string& out, const Json& line) {
    const auto at = parse_time(string_of(line.value, "at"));
    if (!at || !began_) {
        out.append("               ");
        return;
    }
    if (latest_ && *at - *latest_ > std::chrono::minutes(1)) {
        const auto idle = std::chrono::duration_cast<std::chrono::minutes>(*at - *latest_).count();
        out.append(margin);
        coloured(out, dim, "… " + plural(static_cast<std::uint64_t>(idle), "minute") + " without a statement …\n");
    }
    latest_ = at;
    out.append(offset_text(*began_, *at)).append("  ");
}

/// Says when another of the session's connections is at it.
void Replay::connection(std::string& out, const Json& line) {
    const auto number = number_of(line.value, "c");
    if (number == 0 || number == connection_) return;
    connection_ = number;
    out.append("  on connection ").append(std::to_string(number));
}

/// The margin, and the statement's number when another one was printed in between.
void Replay::begin_detail(std::string& out, const Json& line) {
    out.append(margin);
    const auto statement = number_of(line.value, "for");
    if (statement != 0 && statement != shown_) out.append("(#").append(std::to_string(statement)).append(") ");
}

void Replay::head(std::string& out, const Json& line) {
    const json& value = line.value;
    began_ = parse_time(string_of(value, "at"));
    latest_ = began_;
    out.append("session ");
    append_printable(out, string_of(value, "sid"));
    out.append("  began ");
    append_printable(out, string_of(value, "at"));
    out.push_back('\n');
    const auto row = [&](std::string_view name, const std::string& content) {
        if (content.empty()) return;
        out.append("  ").append(name).append(name.size() < 10 ? 10 - name.size() : 1, ' ');
        append_printable(out, content);
        out.push_back('\n');
    };
    row("role", string_of(value, "role"));
    std::string database = string_of(value, "db");
    if (const auto engine = string_of(value, "engine"); !engine.empty()) database += " (" + engine + ")";
    row("database", database);
    row("server", string_of(value, "upstream"));
    row("login", string_of(value, "login"));
    row("policy", string_of(value, "policy"));
    if (const auto mode = string_of(value, "mode"); mode != "enforce") row("mode", mode);
    if (const json& record = object_of(value, "record"); !record.empty())
        row("records", "sql: " + string_of(record, "sql") + ", results: " + string_of(record, "results"));
    if (const auto agent = string_of(object_of(value, "agent"), "name"); !agent.empty())
        row("agent", agent + " (as declared)");
    for (const auto& [name, claim] : object_of(value, "who").items())
        row("who", name + ": " + (claim.is_string() ? claim.get<std::string>() : claim.dump()));
    out.push_back('\n');
}

void Replay::statement(std::string& out, LineNumber number, const Json& line) {
    const json& value = line.value;
    const json& decision = object_of(value, "d");
    const std::string verdict = string_of(decision, "v");
    const std::string shadow = string_of(decision, "shadow");
    clock(out, line);
    shown_ = number;
    out.append("#").append(std::to_string(number)).append("  ");
    if (verdict == "deny")
        coloured(out, red, "DENIED ");
    else if (verdict == "approve")
        coloured(out, yellow, "ASKS   ");
    else if (verdict == "warn")
        coloured(out, yellow, "warned ");
    else if (verdict == "allow")
        coloured(out, green, "allowed");
    else  // decided on a line of its own
        append_printable(out, verdict.empty() ? "asked" : verdict);
    const std::string rule = string_of(decision, "rule");
    if (!verdict.empty()) out.append("  ");
    if (!verdict.empty()) append_printable(out, rule.empty() ? "(no rule)" : rule);
    connection(out, line);
    if (string_of(value, "tx") == "T") out.append("  in transaction");
    if (string_of(value, "tx") == "E") out.append("  in failed transaction");
    out.push_back('\n');
    out.append(margin);
    text(out, string_of(value, "sql"), margin);
    out.push_back('\n');
    if (const auto& parameters = array_of(value, "par"); !parameters.empty()) {
        out.append(margin).append("parameters:");
        std::size_t position = 0;
        for (const json& parameter : parameters) {
            out.append(" $").append(std::to_string(++position)).append("=");
            if (parameter.is_string())
                text(out, parameter.get<std::string>(), {});
            else if (is_true(parameter, "hidden"))
                out.append("(hidden)");
            else
                text(out, parameter.dump(), {});
        }
        out.push_back('\n');
    }
    const auto sentence = [&](std::string_view label, const std::string& content) {
        if (content.empty()) return;
        out.append(margin).append(label);
        text(out, content, margin);
        out.push_back('\n');
    };
    if (verdict != "allow") sentence("because ", string_of(decision, "why"));
    sentence("not understood: ", string_of(value, "unparsed"));
    if (!shadow.empty()) sentence("in shadow; enforced it would have been: ", shadow);
}

void Replay::columns(std::string& out, const Json& line) {
    begin_detail(out, line);
    out.append("columns: ");
    bool first = true;
    for (const json& column : array_of(line.value, "cols")) {
        if (!first) out.append(", ");
        first = false;
        text(out, string_of(column, "n"), {});
        if (const auto mask = string_of(column, "m"); !mask.empty()) {
            std::string note = " [masked: ";
            append_printable(note, mask);
            note.push_back(']');
            coloured(out, yellow, note);
        }
    }
    out.push_back('\n');
}

void Replay::rows(std::string& out, const Json& line) {
    std::size_t shown = 0;
    json unpacked = json::array();
    if (const std::string packed = string_of(line.value, "zrows"); !packed.empty()) {
        const auto frame = base64_decode(packed);
        const auto text = frame ? decompressed(*frame) : std::nullopt;
        if (text) unpacked = json::parse("[" + *text + "]", nullptr, false);
        if (!text || !unpacked.is_array()) {
            begin_detail(out, line);
            out.append("rows that cannot be unpacked\n");
            return;
        }
    }
    const auto& rows = unpacked.empty() ? array_of(line.value, "rows") : unpacked;
    for (const json& row : rows) {
        if (++shown > options_.max_rows) {
            begin_detail(out, line);
            out.append("… ").append(std::to_string(rows.size() - options_.max_rows)).append(" more\n");
            break;
        }
        begin_detail(out, line);
        bool first = true;
        for (const json& field : row) {
            if (!first) out.append(" ¦ ");
            first = false;
            if (field.is_string())
                text(out, field.get<std::string>(), {});
            else if (field.is_null())
                coloured(out, dim, "null");
            else
                text(out, field.dump(), {});
        }
        out.push_back('\n');
    }
}

void Replay::end(std::string& out, const Json& line) {
    out.push_back('\n');
    clock(out, line);
    out.append("ended: ");
    append_printable(out, string_of(line.value, "why"));
    out.append("; ").append(plural(number_of(line.value, "stmts"), "statement"));
    out.append(", ").append(std::to_string(number_of(line.value, "denied"))).append(" denied");
    out.append(", ").append(std::to_string(number_of(line.value, "failed"))).append(" failed");
    if (const auto masked = number_of(line.value, "masked"); masked > 0) out.append(", ").append(plural(masked, "result")).append(" with masked columns");
    out.push_back('\n');
}

bool Replay::wants_statement(const Json& line, LineNumber number) const {
    const json& value = line.value;
    if (options_.statement != 0 && number != options_.statement) return false;
    if (options_.connection != 0 && std::max<std::uint64_t>(1, number_of(value, "c")) != options_.connection) return false;
    const json& decision = object_of(value, "d");
    if (options_.only_denied && string_of(decision, "v") == "allow" && string_of(decision, "shadow").empty()) return false;
    if (!options_.only_writes) return true;
    const json& effects = array_of(value, "eff");
    // What is not understood may do anything.
    return effects.empty() || std::ranges::any_of(effects, [](const json& effect) {
               const std::string name = string_of(effect, "c");
               const std::string outer = name.substr(0, name.find('.'));
               return outer != "read" && outer != "tx" && outer != "session";
           });
}

bool Replay::wants_line(const Json& line, std::string_view type, LineNumber number) {
    if (type == "head" || type == "end") return true;
    if (type == "stmt") {
        if (wants_statement(line, number)) return true;
        hidden_.push_back(number);
        return false;
    }
    const auto statement = number_of(line.value, "for");
    if (statement == 0) {
        if (options_.statement != 0) return false;
        return options_.connection == 0 || std::max<std::uint64_t>(1, number_of(line.value, "c")) == options_.connection;
    }
    const auto hidden = std::ranges::find(hidden_, statement);
    if (hidden == hidden_.end()) return true;
    // A suspended portal's `done` is not its last.
    if ((type == "done" && !is_true(line.value, "more")) || type == "err") hidden_.erase(hidden);
    const bool only_by_verdict = options_.only_denied && !options_.only_writes && options_.statement == 0 && options_.connection == 0;
    return only_by_verdict && (type == "err" || type == "limit" || type == "cancel");
}

bool Replay::wants(const LineView& view) {
    const Json line{json::parse(view.bytes, nullptr, false)};
    return line.value.is_object() && wants_line(line, view.type, view.number);
}

void Replay::append(std::string& out, const LineView& view) {
    Json line{json::parse(view.bytes, nullptr, false)};
    const json& value = line.value;
    if (!value.is_object()) return;
    const auto type = view.type;
    if (!wants_line(line, type, view.number)) return;
    if (type == "head") return head(out, line);
    if (type == "stmt") return statement(out, view.number, line);
    if (type == "end") return end(out, line);

    const auto statement_number = number_of(value, "for");
    const auto labelled = [&](std::string_view label, const std::string& content) {
        append_printable(out, label);
        text(out, content, margin);
    };
    const auto number_text = [&](const char* name) { return std::to_string(number_of(value, name)); };
    const auto took = [&] {
        const auto found = value.find("ms");
        return found != value.end() && found->is_number() ? ", " + found->dump() + " ms" : std::string();
    };

    if (type == "cols") return columns(out, line);
    if (type == "rows") return rows(out, line);
    if (type == "done") {
        begin_detail(out, line);
        labelled("", string_of(value, "tag"));
        out.append(": ").append(plural(number_of(value, "rows"), "row"));
        if (number_of(value, "bytes") > 0) out.append(", ").append(plural(number_of(value, "bytes"), "byte"));
        out.append(took());
        if (is_true(value, "cut")) coloured(out, yellow, ", cut by a limit");
        if (is_true(value, "more")) out.append(", more to come");
    } else if (type == "err") {
        begin_detail(out, line);
        coloured(out, red, "error ");
        labelled(string_of(value, "code") + ": ", string_of(value, "text"));
        out.append(took());
    } else if (type == "note") {
        begin_detail(out, line);
        labelled(string_of(value, "sev") + ": ", string_of(value, "text"));
    } else if (type == "decision") {
        begin_detail(out, line);
        labelled("decided: ", string_of(value, "v"));
        labelled(" ", string_of(value, "rule"));
        if (const auto why = string_of(value, "why"); !why.empty()) labelled(", because ", why);
    } else if (type == "approval") {
        clock(out, line);
        if (statement_number != shown_) out.append("(#").append(std::to_string(statement_number)).append(") ");
        labelled("approval ", string_of(value, "id"));
        labelled(": ", string_of(value, "v"));
        if (const auto who = string_of(value, "who"); !who.empty()) labelled(" by ", who);
        if (const auto how = string_of(value, "how"); !how.empty()) labelled(" (", how + ")");
    } else if (type == "sent") {
        clock(out, line);
        out.append("#").append(std::to_string(statement_number)).append(" goes on to the server");
    } else if (type == "state") {
        clock(out, line);
        labelled("setting ", string_of(value, "name"));
        labelled(" = ", string_of(value, "value"));
        connection(out, line);
    } else if (type == "cancel") {
        clock(out, line);
        labelled("cancelled by ", string_of(value, "by"));
        connection(out, line);
    } else if (type == "limit") {
        clock(out, line);
        labelled("limit reached: ", string_of(value, "which"));
        out.append(" (").append(number_text("allowed")).append(" allowed)");
    } else if (type == "gap") {
        begin_detail(out, line);
        labelled("not recorded: ", string_of(value, "what"));
        out.append(", ").append(plural(number_of(value, "bytes"), "byte"));
        labelled(": ", string_of(value, "why"));
    } else {
        return;
    }
    out.push_back('\n');
}

}  // namespace dbguard::recording
