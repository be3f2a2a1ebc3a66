#include "postgres_text.hpp"

#include <charconv>
#include <functional>
#include <map>
#include <optional>

#include "base/byte_writer.hpp"

namespace dbguard::wire::postgres {
namespace {

using Value = std::optional<std::string>;

/// Reads a line word by word; remembers its first failure.
class Words {
  public:
    explicit Words(std::string_view text) : rest_(text) {}

    bool failed() const { return failed_; }
    bool at_end() const { return rest_.empty(); }
    /// Up to the next space or one of `ends`.
    std::string_view word(std::string_view ends = " ") {
        skip_space();
        const auto length = std::min(rest_.find_first_of(ends), rest_.size());
        if (length == 0) failed_ = true;
        return take(length);
    }
    template <class Number = std::int64_t>
    Number number(std::string_view ends = " ]") {
        const auto text = word(ends);
        Number value{};
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || end != text.data() + text.size()) failed_ = true;
        return value;
    }
    bool skip(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        take(1);
        return true;
    }
    void expect(char c) {
        skip_space();
        if (!skip(c)) failed_ = true;
    }
    std::string quoted() {
        expect('"');
        std::string out;
        while (!failed_ && !skip('"')) {
            if (rest_.empty()) {
                failed_ = true;
                break;
            }
            const char c = take(1).front();
            out.push_back(c == '\\' ? escaped() : c);
        }
        if (rest_.starts_with("…")) failed_ = true;  // cut
        return out;
    }
    Value value() {
        skip_space();
        if (!rest_.starts_with("NULL")) return quoted();
        take(4);
        return {};
    }
    template <class Item>
    auto list(Item&& item) {
        std::vector<decltype(item())> out;
        expect('[');
        while (!failed_ && !skip(']')) {
            out.push_back(item());
            skip_space();
        }
        return out;
    }
    std::vector<Value> values() {
        return list([&] { return value(); });
    }
    template <class Number>
    std::vector<Number> numbers() {
        return list([&] { return number<Number>(); });
    }
    void skip_space() {
        while (skip(' ')) {}
    }

  private:
    std::string_view take(std::size_t length) {
        const auto out = rest_.substr(0, length);
        rest_.remove_prefix(out.size());
        return out;
    }
    char escaped() {
        const auto c = take(1);
        if (c == "n") return '\n';
        if (c == "r") return '\r';
        if (c == "t") return '\t';
        if (c == "\\" || c == "\"") return c.front();
        const auto digits = c == "x" ? take(2) : std::string_view{};
        unsigned byte = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
        if (digits.size() != 2 || error != std::errc{} || end != digits.data() + 2) failed_ = true;
        return static_cast<char>(byte);
    }

    std::string_view rest_;
    bool failed_ = false;
};

void write(ByteWriter& out, const std::vector<Value>& values) {
    out.u16(static_cast<std::uint16_t>(values.size()));
    for (const Value& value : values) {
        out.i32(value ? static_cast<std::int32_t>(value->size()) : -1);
        out.bytes(value.value_or(""));
    }
}
void write(ByteWriter& out, const std::vector<std::int16_t>& values) {
    out.u16(static_cast<std::uint16_t>(values.size()));
    for (const auto value : values) out.i16(value);
}
void write(ByteWriter& out, const std::vector<std::uint32_t>& values) {
    out.u16(static_cast<std::uint16_t>(values.size()));
    for (const auto value : values) out.u32(value);
}

void target(Words& in, ByteWriter& out) {
    const auto what = in.word();
    out.u8(what == "statement" ? 'S' : 'P');
    out.c_string(in.quoted());
}

/// `"email":25(4)@16384.2/1`
void columns(Words& in, ByteWriter& out) {
    std::string body;
    ByteWriter column(body);
    std::uint16_t count = 0;
    for (in.skip_space(); !in.at_end() && !in.failed(); in.skip_space(), ++count) {
        column.c_string(in.quoted());
        in.expect(':');
        const auto type = in.number<std::uint32_t>(" (@/");
        std::int32_t modifier = -1;
        if (in.skip('(')) {
            modifier = in.number<std::int32_t>(")");
            in.expect(')');
        }
        std::uint32_t relation = 0;
        std::int16_t number = 0;
        if (in.skip('@')) {
            relation = in.number<std::uint32_t>(".");
            in.expect('.');
            number = in.number<std::int16_t>(" /");
        }
        const std::int16_t format = in.skip('/') ? in.number<std::int16_t>() : std::int16_t{0};
        column.u32(relation);
        column.i16(number);
        column.u32(type);
        column.i16(-1);
        column.i32(modifier);
        column.i16(format);
    }
    out.u16(count);
    out.bytes(body);
}

void fields(Words& in, ByteWriter& out) {
    for (in.skip_space(); !in.at_end() && !in.failed(); in.skip_space()) {
        out.bytes(in.word("="));
        in.expect('=');
        out.c_string(in.quoted());
    }
    out.u8(0);
}

void copy(Words& in, ByteWriter& out) {
    out.u8(in.word() == "text" ? 0 : 1);
    write(out, in.numbers<std::int16_t>());
}

struct Form {
    char type;
    std::function<void(Words&, ByteWriter&)> body = [](Words&, ByteWriter&) {};
};

// clang-format off: a table
const std::map<std::string, Form, std::less<>>& frontend() {
    static const std::map<std::string, Form, std::less<>> forms{
        {"Query", {'Q', [](Words& in, ByteWriter& out) { out.c_string(in.quoted()); }}},
        {"Parse", {'P', [](Words& in, ByteWriter& out) { out.c_string(in.quoted()); out.c_string(in.quoted()); write(out, in.numbers<std::uint32_t>()); }}},
        {"Bind", {'B', [](Words& in, ByteWriter& out) {
            out.c_string(in.quoted()); out.c_string(in.quoted()); write(out, in.numbers<std::int16_t>()); write(out, in.values()); write(out, in.numbers<std::int16_t>()); }}},
        {"Describe", {'D', target}},
        {"Close", {'C', target}},
        {"Execute", {'E', [](Words& in, ByteWriter& out) { out.c_string(in.quoted()); out.i32(in.number<std::int32_t>()); }}},
        {"FunctionCall", {'F', [](Words& in, ByteWriter& out) {
            out.u32(in.number<std::uint32_t>()); write(out, in.numbers<std::int16_t>()); write(out, in.values()); out.i16(in.number<std::int16_t>()); }}},
        {"CopyData", {'d', [](Words& in, ByteWriter& out) { out.bytes(in.quoted()); }}},
        {"CopyFail", {'f', [](Words& in, ByteWriter& out) { out.c_string(in.quoted()); }}},
        {"Sync", {'S'}}, {"Flush", {'H'}}, {"CopyDone", {'c'}}, {"Terminate", {'X'}},
    };
    return forms;
}
const std::map<std::string, Form, std::less<>>& backend() {
    static const std::map<std::string, Form, std::less<>> forms{
        {"ParameterStatus", {'S', [](Words& in, ByteWriter& out) { out.c_string(in.quoted()); out.c_string(in.quoted()); }}},
        {"ReadyForQuery", {'Z', [](Words& in, ByteWriter& out) { out.bytes(in.word()); }}},
        {"RowDescription", {'T', columns}},
        {"ParameterDescription", {'t', [](Words& in, ByteWriter& out) { write(out, in.numbers<std::uint32_t>()); }}},
        {"DataRow", {'D', [](Words& in, ByteWriter& out) {
            std::vector<Value> values;
            for (in.skip_space(); !in.at_end() && !in.failed(); in.skip_space()) values.push_back(in.value());
            write(out, values); }}},
        {"CommandComplete", {'C', [](Words& in, ByteWriter& out) { out.c_string(in.quoted()); }}},
        {"ErrorResponse", {'E', fields}},
        {"NoticeResponse", {'N', fields}},
        {"NotificationResponse", {'A', [](Words& in, ByteWriter& out) { out.u32(in.number<std::uint32_t>()); out.c_string(in.quoted()); out.c_string(in.quoted()); }}},
        {"CopyInResponse", {'G', copy}}, {"CopyOutResponse", {'H', copy}}, {"CopyBothResponse", {'W', copy}},
        {"CopyData", {'d', [](Words& in, ByteWriter& out) { out.bytes(in.quoted()); }}},
        {"FunctionCallResponse", {'V', [](Words& in, ByteWriter& out) {
            const Value value = in.value();
            out.i32(value ? static_cast<std::int32_t>(value->size()) : -1); out.bytes(value.value_or("")); }}},
        {"EmptyQueryResponse", {'I'}}, {"ParseComplete", {'1'}}, {"BindComplete", {'2'}}, {"CloseComplete", {'3'}}, {"NoData", {'n'}},
        {"PortalSuspended", {'s'}}, {"CopyDone", {'c'}},
    };
    return forms;
}
// clang-format on

}  // namespace

Result<std::string> bytes_of_trace(std::string_view line) {
    const Error bad{errc::bad_value, "no message: " + std::string(line)};
    if (line.size() < 3 || (line[0] != 'F' && line[0] != 'B') || line[1] != ' ') return bad;
    Words in(line.substr(2));
    const auto& forms = line[0] == 'F' ? frontend() : backend();
    const auto form = forms.find(in.word());
    if (form == forms.end()) return bad;
    std::string out;
    ByteWriter writer(out);
    const auto at = begin_frame(form->second.type, writer);
    form->second.body(in, writer);
    end_frame(at, writer);
    if (in.failed() || !in.at_end()) return bad;
    return out;
}

}  // namespace dbguard::wire::postgres
