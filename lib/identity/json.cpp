#include "identity/json.hpp"

#include <nlohmann/json.hpp>
#include <unordered_set>

namespace dbguard::identity {
namespace {

/// Builds our tree from nlohmann's events, which come from an iterative parser: depth costs no stack, and a limit ends
/// the parse where it is passed.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
  public:
    explicit Builder(const JsonLimits& limits) : limits_(limits) {}

    bool null() override { return add({}); }
    bool boolean(bool value) override {
        Json json{.kind = Json::Kind::boolean};
        json.boolean = value;
        return add(std::move(json));
    }
    bool number_integer(number_integer_t value) override {
        Json json{.kind = Json::Kind::number};
        json.number = static_cast<double>(value);
        json.integer = value;
        return add(std::move(json));
    }
    bool number_unsigned(number_unsigned_t value) override {
        Json json{.kind = Json::Kind::number};
        json.number = static_cast<double>(value);
        if (value <= INT64_MAX) json.integer = static_cast<std::int64_t>(value);
        return add(std::move(json));
    }
    bool number_float(number_float_t value, const string_t&) override {
        Json json{.kind = Json::Kind::number};
        json.number = value;  // the lexer refuses what is not finite
        return add(std::move(json));
    }
    bool string(string_t& value) override {
        if (holds_nul(value)) return false;
        Json json{.kind = Json::Kind::string};
        json.string = std::move(value);
        return add(std::move(json));
    }
    bool binary(binary_t&) override { return fail(json_error::syntax, "binary"); }

    bool start_object(std::size_t) override { return open(Json::Kind::object); }
    bool start_array(std::size_t) override { return open(Json::Kind::array); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (holds_nul(name)) return false;
        if (!open_.back().names.insert(name).second) return fail(json_error::duplicate_key, "");
        open_.back().name = std::move(name);
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&)
        override {
        return fail(json_error::syntax, "at byte " + std::to_string(position));
    }

    Json root;
    std::optional<Error> error;

  private:
    struct Open {
        Json value;
        std::string name;  // of the member that comes next
        std::unordered_set<std::string> names;
    };

    bool fail(std::string_view code, std::string detail) {
        if (!error) error = Error{code, std::move(detail)};
        return false;
    }
    // A consumer further on that thinks in C strings would see another text than was signed.
    bool holds_nul(const std::string& text) {
        if (text.find('\0') == std::string::npos) return false;
        fail(json_error::syntax, "NUL in a string");
        return true;
    }
    bool open(Json::Kind kind) {
        if (open_.size() >= limits_.max_depth) return fail(json_error::too_deep, "");
        open_.push_back({Json{.kind = kind}, {}, {}});
        return true;
    }
    bool close() {
        Json done = std::move(open_.back().value);
        open_.pop_back();
        return add(std::move(done));
    }
    bool add(Json value) {
        if (++values_ > limits_.max_values) return fail(json_error::too_large, "too many values");
        if (open_.empty()) {
            root = std::move(value);
        } else if (Open& parent = open_.back(); parent.value.is(Json::Kind::array)) {
            parent.value.items.push_back(std::move(value));
        } else {
            parent.value.members.emplace_back(std::move(parent.name), std::move(value));
        }
        return true;
    }

    const JsonLimits& limits_;
    std::vector<Open> open_;
    std::size_t values_ = 0;
};

}  // namespace

const Json* Json::find(std::string_view name) const {
    for (const auto& [member, value] : members)
        if (member == name) return &value;
    return nullptr;
}

std::optional<std::string_view> Json::find_string(std::string_view name) const {
    const Json* member = find(name);
    if (!member || !member->is(Kind::string)) return {};
    return member->string;
}

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
    if (text.size() > limits.max_bytes)
        return Error{json_error::too_large, std::to_string(text.size()) + " bytes"};
    // nlohmann skips a byte order mark; RFC 8259 §8.1 says not to send one.
    if (text.starts_with("\xEF\xBB\xBF")) return Error{json_error::syntax, "byte order mark"};
    // Its lexer takes a NUL for the end of the text and would not see what follows.
    if (text.find('\0') != std::string_view::npos) return Error{json_error::syntax, "NUL"};
    Builder builder(limits);
    const bool whole = nlohmann::json::sax_parse(
        text.begin(),
        text.end(),
        &builder,
        nlohmann::json::input_format_t::json,
        /*strict=*/true,
        /*ignore_comments=*/false
    );
    if (builder.error) return *builder.error;
    if (!whole) return Error{json_error::syntax, ""};
    return std::move(builder.root);
}

}  // namespace dbguard::identity
