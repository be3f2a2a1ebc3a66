#include "policy/yaml_tree.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <unordered_map>

#include "base/encoding.hpp"
#include "policy/fields.hpp"
#include "policy/load.hpp"
#include "policy/object_pattern.hpp"

namespace dbguard::policy {
namespace {

/// Thrown by the handler to stop yaml-cpp; the problem is in the list already.
struct Stop {};

/// Where the lines of the text begin: yaml-cpp counts bytes, people count characters.
class Lines {
  public:
    explicit Lines(std::string_view text) : text_(text), starts_{0} {
        for (std::size_t i = 0; i < text.size(); ++i)
            if (text[i] == '\n') starts_.push_back(i + 1);
    }

    Position position(const YAML::Mark& mark) const {
        if (mark.is_null()) return {};
        const auto line = static_cast<std::size_t>(mark.line);
        if (line >= starts_.size()) return {static_cast<std::uint32_t>(starts_.size()), 1};
        // Marks come in the order of the text: counting on from the last one keeps a file of one long line linear.
        const auto at = std::min(starts_[line] + static_cast<std::size_t>(mark.column), text_.size());
        if (line != last_line_ || at < last_at_) {
            last_line_ = line;
            last_at_ = starts_[line];
            last_characters_ = 0;
        }
        for (; last_at_ < at; ++last_at_) last_characters_ += (static_cast<unsigned char>(text_[last_at_]) & 0xC0) != 0x80;
        return {static_cast<std::uint32_t>(line + 1), last_characters_ + 1};
    }

    /// The text from the mark on.
    std::string_view from(const YAML::Mark& mark) const {
        const auto line = static_cast<std::size_t>(mark.line);
        if (mark.is_null() || line >= starts_.size()) return {};
        return text_.substr(std::min(starts_[line] + static_cast<std::size_t>(mark.column), text_.size()));
    }

  private:
    std::string_view text_;
    std::vector<std::size_t> starts_;
    mutable std::size_t last_line_ = 0;
    mutable std::size_t last_at_ = 0;
    mutable std::uint32_t last_characters_ = 0;
};

/// yaml-cpp takes the end of the file for the end of a quoted text.
bool lacks_closing_quote(std::string_view text) {
    if (!text.starts_with('"') && !text.starts_with('\'')) return false;
    const char quote = text.front();
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (quote == '"' && text[i] == '\\') {
            ++i;
        } else if (text[i] == quote) {
            if (quote == '"' || i + 1 >= text.size() || text[i + 1] != quote) return false;
            ++i;
        }
    }
    return true;
}

class TreeBuilder : public YAML::EventHandler {
  public:
    TreeBuilder(const Lines& lines, std::string_view file, std::vector<Problem>& problems)
        : lines_(lines), file_(file), problems_(problems) {}

    YamlNode root;
    Position document;

    void OnDocumentStart(const YAML::Mark& mark) override { document = lines_.position(mark); }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        refuse_anchor(mark, anchor);
        YamlNode node;
        node.at = lines_.position(mark);
        add(std::move(node));
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        error(mark, "an alias stands here", "write the value out");
        OnNull(mark, YAML::NullAnchor);
    }
    void OnScalar(
        const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value
    ) override {
        refuse_anchor(mark, anchor);
        refuse_tag(mark, tag);
        YamlNode node;
        node.kind = YamlNode::Kind::scalar;
        node.at = lines_.position(mark);
        node.text = value;
        node.plain = tag == "?";  // yaml-cpp says `!` for quoted and block scalars
        if (!node.plain && lacks_closing_quote(lines_.from(mark))) error(mark, "a quote is not closed", "");
        const bool control = std::any_of(value.begin(), value.end(), [](char c) {
            return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
        });
        if (control) error(mark, "a control character stands in this text", "take it out");
        add(std::move(node));
    }
    void OnSequenceStart(
        const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value
    ) override {
        open(mark, tag, anchor, YamlNode::Kind::sequence);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(
        const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value
    ) override {
        open(mark, tag, anchor, YamlNode::Kind::map);
    }
    void OnMapEnd() override { close(); }

  private:
    struct Open {
        YamlNode node;
        bool expects_key = true;  ///< map
        std::unordered_map<std::string, Position> seen;
    };

    void problem(Position at, std::string message, std::string suggestion) {
        if (problems_.size() >= max_problems) throw Stop{};
        problems_.push_back({std::string(file_), at, Severity::error, std::move(message), std::move(suggestion)});
    }
    void error(const YAML::Mark& mark, std::string message, std::string suggestion) {
        problem(lines_.position(mark), std::move(message), std::move(suggestion));
    }
    void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
        if (anchor != YAML::NullAnchor) error(mark, "an anchor stands here", "write the value out where it is needed");
    }
    void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
        if (tag != "?" && tag != "!" && !tag.empty()) error(mark, "a tag stands here", "take the tag out");
    }

    void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
        refuse_anchor(mark, anchor);
        refuse_tag(mark, tag);
        if (open_.size() >= max_policy_depth) {
            error(mark, "this is nested too deeply", "");
            throw Stop{};
        }
        if (!open_.empty() && open_.back().node.kind == YamlNode::Kind::map && open_.back().expects_key) {
            error(mark, "a key must be one word", "");
            throw Stop{};
        }
        Open opened;
        opened.node.kind = kind;
        opened.node.at = lines_.position(mark);
        open_.push_back(std::move(opened));
    }
    void close() {
        auto node = std::move(open_.back().node);
        open_.pop_back();
        add(std::move(node));
    }

    void add(YamlNode node) {
        if (open_.empty()) {
            root = std::move(node);
            return;
        }
        auto& parent = open_.back();
        if (parent.node.kind == YamlNode::Kind::map && parent.expects_key) {
            add_key(parent, std::move(node));
        } else {
            parent.node.items.push_back(std::move(node));
            parent.expects_key = true;
        }
    }

    void add_key(Open& parent, YamlNode node) {
        if (node.kind == YamlNode::Kind::null)
            problem(node.at, "a key is empty or `null`", "quote it");
        // The second value is kept out of the way: find() sees the first.
        const auto [first, added] = parent.seen.emplace(node.text, node.at);
        if (!added)
            problem(
                node.at,
                "the key `" + node.text + "` stands here again; it is already at line " +
                    std::to_string(first->second.line) + ", column " + std::to_string(first->second.column),
                "keep one of them"
            );
        parent.node.keys.push_back({std::move(node.text), node.at, node.plain});
        parent.expects_key = false;
    }

    const Lines& lines_;
    std::string_view file_;
    std::vector<Problem>& problems_;
    std::vector<Open> open_;
};

constexpr auto npos = std::string_view::npos;

bool all_of(std::string_view text, std::string_view characters) {
    return !text.empty() && text.find_first_not_of(characters) == npos;
}

bool is_number(std::string_view word) {
    if (word.starts_with('-') || word.starts_with('+')) word.remove_prefix(1);
    if (word.empty()) return false;
    const auto lower = [&](std::string_view other) { return equals_ignoring_case(word, other); };
    if (lower(".inf") || lower(".nan")) return true;
    if (word.starts_with("0x")) return all_of(word.substr(2), "0123456789abcdefABCDEF_");
    if (word.starts_with("0o")) return all_of(word.substr(2), "01234567_");
    if (word.starts_with("0b")) return all_of(word.substr(2), "01_");
    // Decimal digits with `_`, one point, an exponent; and base 60, whose parts are joined by colons.
    if (!all_of(word.substr(0, 1), "0123456789.")) return false;
    const auto exponent = word.find_first_of("eE");
    if (exponent != npos) {
        auto power = word.substr(exponent + 1);
        if (power.starts_with('-') || power.starts_with('+')) power.remove_prefix(1);
        if (!all_of(power, "0123456789")) return false;
        word = word.substr(0, exponent);
    }
    if (std::count(word.begin(), word.end(), '.') > 1) return false;
    return all_of(word, "0123456789_.:") && word.find_first_of("0123456789") != npos;
}

/// `2026-11-20`, alone or followed by a time.
bool is_date(std::string_view word) {
    std::size_t at = 0;
    const auto digits = [&](std::size_t least, std::size_t most) {
        const auto from = at;
        while (at < word.size() && word[at] >= '0' && word[at] <= '9') ++at;
        return at - from >= least && at - from <= most;
    };
    if (!digits(4, 4) || at >= word.size() || word[at++] != '-') return false;
    if (!digits(1, 2) || at >= word.size() || word[at++] != '-') return false;
    if (!digits(1, 2)) return false;
    return at == word.size() || word.substr(at).find_first_not_of("Tt \t0123456789:.Z+-") == npos;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
    for (std::size_t i = 0; i < keys.size() && i < items.size(); ++i)
        if (keys[i].text == key) return &items[i];
    return nullptr;
}

std::string_view yaml_reading(std::string_view word) {
    constexpr std::array<std::string_view, 8> booleans = {"y", "yes", "n", "no", "true", "false", "on", "off"};
    for (const auto boolean : booleans)
        if (equals_ignoring_case(word, boolean)) return "a boolean";
    if (word.empty() || word == "~" || equals_ignoring_case(word, "null")) return "nothing";
    if (is_number(word)) return "a number";
    if (is_date(word)) return "a date";
    if (word == "<<" || word == "=") return "a merge of keys";
    return {};
}

std::optional<YamlNode> parse_yaml(std::string_view text, std::string_view file, std::vector<Problem>& problems) {
    const auto refuse = [&](Position at, std::string message, std::string suggestion) {
        problems.push_back({std::string(file), at, Severity::error, std::move(message), std::move(suggestion)});
        return std::optional<YamlNode>();
    };
    if (text.size() > max_policy_bytes)
        return refuse({}, "the file is larger than " + std::to_string(max_policy_bytes) + " bytes", "");
    if (!is_valid_utf8(text) || text.find('\0') != npos) return refuse({}, "the file is not UTF-8 text", "");
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);

    const Lines lines(text);
    TreeBuilder builder(lines, file, problems);
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        if (!parser.HandleNextDocument(builder)) return refuse({1, 1}, "the file is empty", "");
        TreeBuilder second(lines, file, problems);
        const auto found = problems.size();
        if (parser.HandleNextDocument(second)) {
            problems.resize(found);  // what is wrong inside the second document does not matter
            return refuse(second.document, "a second document begins here", "keep one document in the file");
        }
    } catch (const Stop&) {
        return {};
    } catch (const YAML::Exception& error) {
        return refuse(lines.position(error.mark), "not YAML: " + error.msg, "");
    }
    return std::move(builder.root);
}

}  // namespace dbguard::policy
