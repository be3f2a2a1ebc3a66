// Masks inside json: strings and numbers are replaced where they stand, every other byte stays (RFC
// 8259). Works without recursion, so that deeply nested values need no stack.

#include <cstdint>
#include <vector>

#include "base/encoding.hpp"
#include "masking/context.hpp"
#include "masking/unicode.hpp"

namespace dbguard::masking {
namespace {

class Walker {
  public:
    Walker(const Context& context, std::string_view text, std::string& out)
        : context_(context), text_(text), out_(out) {}

    bool run(const Paths* paths) {
        Member member;
        if (paths != nullptr)
            member.inner = *paths;
        else
            member.masked = true;
        blanks();
        if (!value(std::move(member))) return false;
        while (!open_.empty())
            if (!next_in_container()) return false;
        blanks();
        return at_ == text_.size();
    }

  private:
    struct Container {
        bool object = false;
        bool started = false;
        Member member;
        /// Where to write `null` over all of it when it ends; `keep`: nowhere.
        std::size_t null_at = keep;
    };
    static constexpr std::size_t keep = static_cast<std::size_t>(-1);

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    void copy(std::size_t count) {
        out_.append(text_, at_, count);
        at_ += count;
    }
    bool copy_if(char c) {
        if (peek() != c || at_ == text_.size()) return false;
        copy(1);
        return true;
    }
    void blanks() {
        std::size_t end = at_;
        while (end < text_.size() && (text_[end] == ' ' || text_[end] == '\t' ||
                                      text_[end] == '\n' || text_[end] == '\r'))
            ++end;
        copy(end - at_);
    }

    /// A scalar, or the beginning of a container.
    bool value(Member member) {
        const char c = peek();
        const bool null =
            member.masked && context_.mask.function == Function::null && !context_.only_matches;
        if (c == '{' || c == '[') {
            Container container{c == '{', false, std::move(member), keep};
            if (null) container.null_at = out_.size();
            copy(1);
            open_.push_back(std::move(container));
            return true;
        }
        const std::size_t start = out_.size();
        bool good = false;
        if (c == '"')
            good = string(member.masked && !null);
        else if (c == '-' || (c >= '0' && c <= '9'))
            good = number(member.masked && !null);
        else
            good = word("true") || word("false") || word("null");
        if (good && null) {
            out_.resize(start);
            out_.append("null");
        }
        return good;
    }

    /// After a value or an opening bracket.
    bool next_in_container() {
        Container& container = open_.back();
        blanks();
        if (copy_if(container.object ? '}' : ']')) {
            if (container.null_at != keep) {
                out_.resize(container.null_at);
                out_.append("null");
            }
            open_.pop_back();
            return true;
        }
        if (container.started && !copy_if(',')) return false;
        if (container.started) blanks();
        container.started = true;
        if (!container.object) return value(container.member);
        if (container.member.masked || container.member.inner.empty()) {
            if (!skip_string()) return false;
            blanks();
            if (!copy_if(':')) return false;
            blanks();
            return value({container.member.masked, {}});
        }
        std::string name;
        if (!decode_string(name)) return false;
        copy(string_end_ - at_);
        blanks();
        if (!copy_if(':')) return false;
        blanks();
        return value(member_of(container.member.inner, name));
    }

    bool word(std::string_view word) {
        if (text_.substr(at_, word.size()) != word) return false;
        copy(word.size());
        return true;
    }

    bool number(bool masked) {
        // RFC 8259 §6
        std::size_t end = at_;
        const auto digits = [&] {
            const std::size_t first = end;
            while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9') ++end;
            return end > first;
        };
        if (text_[end] == '-') ++end;
        if (!digits()) return false;
        if (end < text_.size() && text_[end] == '.') {
            ++end;
            if (!digits()) return false;
        }
        if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
            ++end;
            if (end < text_.size() && (text_[end] == '+' || text_[end] == '-')) ++end;
            if (!digits()) return false;
        }
        if (!masked) {
            copy(end - at_);
            return true;
        }
        const auto spelled = text_.substr(at_, end - at_);
        at_ = end;
        const std::size_t start = out_.size();
        if (context_.mask.function == Function::zero) {
            out_.push_back('0');
        } else if (context_.mask.function != Function::bucket ||
                   !floor_multiple(spelled, context_.mask.a, out_)) {
            out_.resize(start);
            out_.append("null");
        }
        return true;
    }

    /// Finds the end of the string that begins here. False: it has none, or holds a bare control
    /// character.
    bool find_string_end() {
        if (peek() != '"') return false;
        for (std::size_t end = at_ + 1; end < text_.size(); ++end) {
            const char c = text_[end];
            if (c == '"') {
                string_end_ = end + 1;
                return true;
            }
            if (c == '\\') ++end;
            if (static_cast<unsigned char>(c) < 0x20) return false;
        }
        return false;
    }

    bool skip_string() {
        if (!find_string_end()) return false;
        copy(string_end_ - at_);
        return true;
    }

    bool string(bool masked) {
        if (!masked) return skip_string();
        decoded_.clear();
        if (!decode_string(decoded_)) return false;
        if (decoded_.empty() && decodable_) {
            copy(string_end_ - at_);
            return true;
        }
        at_ = string_end_;
        masked_.clear();
        // What is no text, such as half of a surrogate pair, cannot be masked as one.
        if (decodable_ && mask_string(context_, decoded_, masked_))
            append_string(masked_);
        else
            out_.append("null");
        return true;
    }

    /// Hexadecimal digits of `\uXXXX`; -1: none.
    int hex4(std::size_t at) const {
        int value = 0;
        if (at + 4 > string_end_) return -1;
        for (std::size_t k = at; k < at + 4; ++k) {
            const char c = text_[k];
            const char lower = static_cast<char>(c | 0x20);
            if (c >= '0' && c <= '9')
                value = value * 16 + (c - '0');
            else if (lower >= 'a' && lower <= 'f')
                value = value * 16 + (lower - 'a' + 10);
            else
                return -1;
        }
        return value;
    }

    /// The string that begins here, which is not consumed; sets string_end_. False: no json string.
    /// decodable_ is false when its escapes do not make a text of the client's encoding.
    bool decode_string(std::string& into) {
        decodable_ = true;
        if (!find_string_end()) return false;
        const std::size_t last = string_end_ - 1;
        for (std::size_t at = at_ + 1; at < last;) {
            const std::size_t escape = std::min(text_.find('\\', at), last);
            into.append(text_, at, escape - at);
            if (escape == last) break;
            at = escape + 2;
            switch (text_[escape + 1]) {
                case '"':
                    into.push_back('"');
                    break;
                case '\\':
                    into.push_back('\\');
                    break;
                case '/':
                    into.push_back('/');
                    break;
                case 'b':
                    into.push_back('\b');
                    break;
                case 'f':
                    into.push_back('\f');
                    break;
                case 'n':
                    into.push_back('\n');
                    break;
                case 'r':
                    into.push_back('\r');
                    break;
                case 't':
                    into.push_back('\t');
                    break;
                case 'u': {
                    const int unit = hex4(at);
                    if (unit < 0) return false;
                    at += 4;
                    if (!append_unit(static_cast<char32_t>(unit), at, into)) decodable_ = false;
                    break;
                }
                default:
                    return false;
            }
        }
        return true;
    }

    /// A UTF-16 code unit, with the second half of a pair that follows at `at`. False: no
    /// character.
    bool append_unit(char32_t unit, std::size_t& at, std::string& into) const {
        if (unit >= 0xd800 && unit < 0xdc00 && text_.substr(at, 2) == "\\u") {
            const int second = hex4(at + 2);
            if (second >= 0xdc00 && second < 0xe000) {
                at += 6;
                unit = 0x10000 + ((unit - 0xd800) << 10) + (static_cast<char32_t>(second) - 0xdc00);
            }
        }
        // In another encoding the character's bytes would have to be looked up.
        if (unit >= 0x80 && context_.settings.encoding != Encoding::utf8) return false;
        if (unit >= 0xd800 && unit < 0xe000) return false;
        append_utf8(into, unit);
        return true;
    }

    /// As PostgreSQL's escape_json writes it (json.c).
    void append_string(std::string_view value) {
        constexpr std::string_view digits = "0123456789abcdef";
        out_.push_back('"');
        for (const char c : value) {
            switch (c) {
                case '"':
                    out_.append("\\\"");
                    break;
                case '\\':
                    out_.append("\\\\");
                    break;
                case '\b':
                    out_.append("\\b");
                    break;
                case '\f':
                    out_.append("\\f");
                    break;
                case '\n':
                    out_.append("\\n");
                    break;
                case '\r':
                    out_.append("\\r");
                    break;
                case '\t':
                    out_.append("\\t");
                    break;
                default:
                    if (static_cast<unsigned char>(c) < 0x20) {
                        out_.append("\\u00");
                        out_.push_back(digits[static_cast<unsigned char>(c) >> 4]);
                        out_.push_back(digits[static_cast<unsigned char>(c) & 15]);
                    } else {
                        out_.push_back(c);
                    }
            }
        }
        out_.push_back('"');
    }

    const Context& context_;
    std::string_view text_;
    std::string& out_;
    std::size_t at_ = 0;
    std::size_t string_end_ = 0;
    bool decodable_ = true;
    std::vector<Container> open_;
    std::string decoded_, masked_;
};

}  // namespace

bool mask_json(
    const Context& context, std::string_view value, const Paths* paths, std::string& out
) {
    // A backslash or quote that is half of another character would move the strings' ends.
    if (context.settings.encoding == Encoding::ascii_unsafe && !is_ascii(value)) return false;
    if (context.settings.encoding == Encoding::utf8 && !is_valid_utf8(value)) return false;
    return Walker(context, value, out).run(paths);
}

}  // namespace dbguard::masking
