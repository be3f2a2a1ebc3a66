#include "recording/line_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "recording/reader.hpp"

namespace dbguard::recording {

namespace {

constexpr int max_depth = 64;

/// Builds nothing: looks at the top level, counts the depth.
class FormHandler : public nlohmann::json_sax<nlohmann::json> {
  public:
    LineForm form;
    std::string problem;

    bool null() override { return value(); }
    bool boolean(bool) override { return value(); }
    bool number_integer(number_integer_t number) override {
        if (depth_ == 1 && key_ == "v") form.version = number;
        return value();
    }
    bool number_unsigned(number_unsigned_t number) override {
        if (depth_ == 1 && key_ == "v" && number < 1000) form.version = static_cast<std::int64_t>(number);
        return value();
    }
    bool number_float(number_float_t, const string_t&) override { return value(); }
    bool string(string_t& text) override {
        if (depth_ == 1 && key_ == "sid") form.session = text;
        return value();
    }
    bool binary(binary_t&) override { return fail("binary"); }
    bool start_object(std::size_t) override { return open(); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override {
        if (depth_ == 0) return fail("no object");
        return open();
    }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (depth_ != 1) return true;
        // A reader that takes the first of two and one that takes the last would read two recordings.
        if (std::ranges::find(names_, name) != names_.end()) return fail("a member twice");
        names_.push_back(name);
        if (names_.size() > 256) return fail("too many members");
        key_ = name;
        if (name == "seal") form.sealed = true;
        if (name == "self") form.has_self = true;
        return true;
    }
    bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
        return fail("no JSON at byte " + std::to_string(at));
    }

  private:
    bool value() { return depth_ > 0 || fail("no object"); }
    bool open() { return ++depth_ <= max_depth || fail("nested too deep"); }
    bool close() {
        --depth_;
        return true;
    }
    bool fail(std::string why) {
        if (problem.empty()) problem = std::move(why);
        return false;
    }

    int depth_ = 0;
    std::string key_;
    std::vector<std::string> names_;
};

}  // namespace

Result<LineForm> read_line_form(std::string_view line) {
    FormHandler handler;
    const bool good = nlohmann::json::sax_parse(line.begin(), line.end(), &handler);
    if (!good) return Error{errc::malformed_line, handler.problem};
    return std::move(handler.form);
}

}  // namespace dbguard::recording
