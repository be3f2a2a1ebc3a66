#include "masking/detect.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/encoding.hpp"
#include "masking/disguise.hpp"
#include "masking/unicode.hpp"

namespace dbguard::masking {
namespace {

struct Known {
    Detector detector;
    std::string_view name;
    std::string_view replacement;
};

constexpr Known known[] = {
    {Detector::email, "email", "<EMAIL>"},
    {Detector::credit_card, "credit_card", "<CARD>"},
    {Detector::iban, "iban", "<IBAN>"},
    {Detector::ssn, "ssn", "<SSN>"},
    {Detector::phone, "phone", "<PHONE>"},
    {Detector::jwt, "jwt", "<JWT>"},
    {Detector::cloud_key, "cloud_key", "<KEY>"},
    {Detector::private_key, "private_key", "<KEY>"},
};

constexpr bool digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool word(char c) { return digit(c) || letter(c) || c == '_'; }
constexpr bool base64url(char c) { return word(c) || c == '-'; }

/// A key's marks: its first characters, and how many of which must follow.
struct KeyForm {
    std::string_view prefix;
    std::size_t least;
    /// Characters besides letters and digits.
    std::string_view also;
};

// As their issuers document them.
constexpr KeyForm key_forms[] = {
    {"AKIA", 16, ""},       // AWS access key id
    {"ASIA", 16, ""},       // AWS temporary access key id
    {"ABIA", 16, ""},       // AWS STS service bearer token
    {"ACCA", 16, ""},       // AWS context-specific credential
    {"AIza", 35, "_-"},     // Google API key
    {"GOCSPX-", 20, "_-"},  // Google OAuth client secret
    {"ya29.", 20, "_-."},   // Google OAuth access token
    {"ghp_", 36, ""},       // GitHub tokens
    {"gho_", 36, ""},
    {"ghu_", 36, ""},
    {"ghs_", 36, "_.-"},
    {"ghr_", 36, ""},
    {"github_pat_", 22, "_"},
    {"glpat-", 20, "_-."},  // GitLab tokens
    {"gldt-", 20, "_-."},
    {"glrt-", 20, "_-."},
    {"glcbt-", 20, "_-."},
    {"xoxb-", 10, "-"},  // Slack tokens
    {"xoxp-", 10, "-"},
    {"xoxa-", 10, "-"},
    {"xoxr-", 10, "-"},
    {"xoxs-", 10, "-"},
    {"xapp-", 10, "-"},
    {"sk_live_", 16, ""},  // Stripe keys
    {"sk_test_", 16, ""},
    {"rk_live_", 16, ""},
    {"rk_test_", 16, ""},
    {"whsec_", 16, "+/="},
    {"sk-", 20, "_-"},           // OpenAI, Anthropic
    {"hf_", 30, ""},             // Hugging Face
    {"npm_", 36, ""},            // npm
    {"pypi-", 50, "_-"},         // PyPI
    {"dop_v1_", 64, ""},         // DigitalOcean
    {"SG.", 60, "_-."},          // SendGrid
    {"hvs.", 24, "_-"},          // Vault
    {"dapi", 32, ""},            // Databricks
    {"shpat_", 32, ""},          // Shopify
    {"AccountKey=", 86, "+/="},  // Azure Storage
};

/// Which characters may follow a character at the beginning of a key: most words of a text end
/// their comparison here.
class KeyBeginnings {
  public:
    constexpr KeyBeginnings() {
        for (const KeyForm& form : key_forms) {
            const auto second = static_cast<unsigned char>(form.prefix[1]);
            seconds_[static_cast<unsigned char>(form.prefix[0])][second / 64] |= std::uint64_t{1}
                                                                                 << second % 64;
        }
    }
    constexpr bool has(char first, char second) const {
        const auto a = static_cast<unsigned char>(first);
        const auto b = static_cast<unsigned char>(second);
        return a < 128 && b < 128 && (seconds_[a][b / 64] >> b % 64 & 1) != 0;
    }

  private:
    std::array<std::array<std::uint64_t, 2>, 128> seconds_{};
};
constexpr KeyBeginnings key_beginnings;

/// Looks at one place of a text at a time. Each function gives the end of what begins there, or
/// `at`.
class Finder {
  public:
    Finder(std::string_view text, DetectorSet detectors) : text_(text), detectors_(detectors) {
        utf8_ = !is_ascii(text) && is_valid_utf8(text);
        if (text.find('@') == std::string_view::npos) has_at_ = false;
    }

    std::vector<Match> run() {
        std::vector<Match> found;
        std::size_t at = 0;
        // What the character before `at` is; after a match, a new token may begin anywhere.
        bool in_word = false;
        bool in_local = false;
        while (at < text_.size()) {
            Match best{Detector::email, at, at};
            const auto consider = [&](Detector detector, auto find_end) {
                if (!detectors_.has(detector)) return;
                const std::size_t end = (this->*find_end)(at);
                if (end > best.end) best = {detector, at, end};
            };
            const char c = text_[at];
            if (has_at_ && !in_local) consider(Detector::email, &Finder::email);
            if (!in_word) {
                if (digit(c)) {
                    consider(Detector::credit_card, &Finder::credit_card);
                    consider(Detector::credit_card, &Finder::grouped_card);
                    consider(Detector::ssn, &Finder::ssn);
                    consider(Detector::phone, &Finder::phone);
                    consider(Detector::ssn, &Finder::named_ssn);
                    consider(Detector::phone, &Finder::named_phone);
                } else if (letter(c)) {
                    consider(Detector::iban, &Finder::iban);
                    if (c == 'e') consider(Detector::jwt, &Finder::jwt);
                    consider(Detector::cloud_key, &Finder::cloud_key);
                } else if (c == '+' || c == '(') {
                    consider(Detector::phone, &Finder::phone);
                }
            }
            if (c == '-') consider(Detector::private_key, &Finder::private_key);
            if (best.end > at) {
                found.push_back(best);
                at = best.end;
                in_word = in_local = false;
                continue;
            }
            in_local = local_size(at) > 0;
            in_word = word(c);
            at += utf8_ ? character_at(text_, at).size_bytes : 1;
        }
        return found;
    }

  private:
    char peek(std::size_t at) const { return at < text_.size() ? text_[at] : '\0'; }
    bool word_at(std::size_t at) const { return at < text_.size() && word(text_[at]); }
    bool digit_at(std::size_t at) const { return at < text_.size() && digit(text_[at]); }

    /// The size of the character at `at` if it may stand in the local part of an address, else 0.
    /// RFC 5322 allows more signs than are in use; RFC 6531 letters of all scripts.
    std::size_t local_size(std::size_t at) const {
        const char c = text_[at];
        if (word(c) || c == '.' || c == '%' || c == '+' || c == '-') return 1;
        return foreign_size(at);
    }
    std::size_t foreign_size(std::size_t at) const {
        if (static_cast<signed char>(text_[at]) >= 0) return 0;
        if (!utf8_) return 1;
        const Character character = character_at(text_, at);
        return is_letter_or_digit(character.value) ? character.size_bytes : 0;
    }

    std::size_t email(std::size_t begin) const {
        std::size_t at = begin;
        for (std::size_t size = 1; at < text_.size() && size > 0; at += size) size = local_size(at);
        if (at == begin || peek(at) != '@') return begin;
        ++at;
        // Labels with dots between them; the last one has two letters or more.
        std::size_t end = begin;
        for (bool first = true;; first = false) {
            const std::size_t label = at;
            std::size_t letters = 0;
            bool only_letters = true;
            std::size_t letters_end = at;
            while (at < text_.size()) {
                const char c = text_[at];
                std::size_t size = letter(c) ? 1 : foreign_size(at);
                const bool is_letter = size > 0;
                if (!is_letter && (digit(c) || c == '-')) size = 1;
                if (size == 0) break;
                only_letters = only_letters && is_letter;
                at += size;
                if (only_letters) {
                    ++letters;
                    letters_end = at;
                }
            }
            if (at == label) break;
            if (!first && letters >= 2) end = letters_end;
            if (peek(at) != '.') break;
            ++at;
        }
        return end;
    }

    /// Luhn's check (ISO/IEC 7812-1, annex B) over the digits in a stretch of text.
    bool luhn(std::size_t begin, std::size_t end) const {
        int sum = 0;
        bool twice = false;
        for (std::size_t at = end; at > begin; --at) {
            if (!digit(text_[at - 1])) continue;
            const int value = (text_[at - 1] - '0') * (twice ? 2 : 1);
            sum += value / 10 + value % 10;
            twice = !twice;
        }
        return sum % 10 == 0;
    }

    /// `4111.1111.1111.1111`, `4111 - 1111 - 1111 - 1111`: signs that stand in other numbers, too, only between groups of just these
    /// sizes, and behind a digit that networks give (ISO/IEC 7812-1, annex A).
    std::size_t grouped_card(std::size_t begin) const {
        constexpr std::string_view separators[] = {".", "/", " - ", "_"};
        if (text_[begin] < '2' || text_[begin] > '6' || (begin >= 2 && std::string_view("./-_").find(text_[begin - 1]) != std::string_view::npos && digit(text_[begin - 2]))) return begin;
        for (const std::string_view separator : separators) {
            std::array<std::size_t, 4> sizes{};
            std::size_t groups = 0;
            std::size_t at = begin;
            for (;;) {
                const std::size_t group = at;
                while (digit_at(at) && at - group < 7) ++at;
                if (groups < sizes.size()) sizes[groups] = at - group;
                ++groups;
                if (groups > sizes.size() || !text_.substr(at).starts_with(separator) || !digit_at(at + separator.size())) break;
                at += separator.size();
            }
            const bool card = (groups == 4 && sizes == std::array<std::size_t, 4>{4, 4, 4, 4}) || (groups == 3 && sizes == std::array<std::size_t, 4>{4, 6, 5, 0});
            if (card && !word_at(at) && luhn(begin, at)) return at;
        }
        return begin;
    }

    std::size_t credit_card(std::size_t begin) const {
        constexpr std::size_t least = 13;
        constexpr std::size_t most = 19;
        constexpr std::size_t least_group = 3;
        const auto separator = [&](std::size_t at) { return peek(at) == ' ' || peek(at) == '-'; };
        // The fraction of a decimal number is no card.
        if (begin >= 2 && text_[begin - 1] == '.' && digit(text_[begin - 2])) return begin;
        const bool continued = begin >= 2 && separator(begin - 1) && digit(text_[begin - 2]);
        std::size_t found = begin;
        std::size_t digits = 0;
        bool small_group = false;
        for (std::size_t at = begin; digits <= most;) {
            const std::size_t group = at;
            while (digit_at(at) && digits <= most) {
                ++at;
                ++digits;
            }
            if (digits > most || word_at(at)) break;
            small_group = small_group || at - group < least_group;
            const bool goes_on = separator(at) && digit_at(at + 1);
            // Inside a longer row of numbers only what is grouped like a card is taken for one.
            const bool plausible = (!continued && !goes_on) || !small_group;
            const bool decimal = peek(at) == '.' && digit_at(at + 1);
            if (digits >= least && plausible && !decimal && luhn(begin, at)) found = at;
            if (!goes_on) break;
            ++at;
        }
        return found;
    }

    /// ISO 13616: the first four characters moved to the end, letters as 10 to 35, modulo 97.
    bool iban_checks(std::size_t begin, std::size_t end) const {
        std::string characters;
        for (std::size_t at = begin; at < end; ++at)
            if (text_[at] != ' ') characters.push_back(text_[at]);
        std::rotate(characters.begin(), characters.begin() + 4, characters.end());
        unsigned rest = 0;
        for (const char c : characters)
            rest = digit(c) ? (rest * 10 + static_cast<unsigned>(c - '0')) % 97
                            : (rest * 100 + static_cast<unsigned>((c | 0x20) - 'a') + 10) % 97;
        return rest == 1;
    }

    std::size_t iban(std::size_t begin) const {
        constexpr std::size_t least = 15;
        constexpr std::size_t most = 34;
        constexpr std::size_t group_size = 4;
        if (!(letter(peek(begin)) && letter(peek(begin + 1)) && digit_at(begin + 2) &&
              digit_at(begin + 3)))
            return begin;
        std::size_t found = begin;
        std::size_t at = begin;
        std::size_t count = 0;
        for (;;) {
            const std::size_t group = at;
            while (count <= most && (digit_at(at) || letter(peek(at)))) {
                ++at;
                ++count;
            }
            if (count > most || word_at(at)) break;
            if (count >= least && iban_checks(begin, at)) found = at;
            // Printed in groups of four; the last one may be shorter. Another group of capitals may
            // belong to it.
            if (at - group != group_size || peek(at) != ' ') break;
            const char next = peek(at + 1);
            if (!digit(next) && !(next >= 'A' && next <= 'Z')) break;
            ++at;
            std::size_t end = at;
            while (digit_at(end) || letter(peek(end))) ++end;
            if (end - at > group_size) break;
        }
        return found;
    }

    std::size_t ssn(std::size_t begin) const {
        constexpr std::string_view form = "ddd-dd-dddd";
        const char separator = peek(begin + 3);
        if (separator != '-' && separator != ' ') return begin;
        for (std::size_t k = 0; k < form.size(); ++k)
            if (form[k] == 'd' ? !digit_at(begin + k) : peek(begin + k) != separator) return begin;
        const std::size_t end = begin + form.size();
        const auto within = [&](std::size_t from, std::size_t count) {
            return text_.substr(begin + from, count);
        };
        if (within(0, 3) == "000" || within(4, 2) == "00" || within(7, 4) == "0000") return begin;
        if (word_at(end) || (peek(end) == '-' && digit_at(end + 1))) return begin;
        if (begin >= 2 && text_[begin - 1] == '-' && digit(text_[begin - 2])) return begin;
        return end;
    }

    /// A number of groups of digits. International (E.164: up to 15 digits) after `+` or `00`;
    /// national with an area code in parentheses, as NNN-NNN-NNNN, or with a trunk prefix 0.
    std::size_t phone(std::size_t begin) const {
        constexpr std::size_t most_groups = 8;
        std::array<std::size_t, most_groups> sizes{};
        std::array<std::size_t, most_groups> ends{};
        std::size_t groups = 0;
        bool parenthesis = false;
        bool dots = false;
        std::size_t at = begin;
        if (begin > 0 && (text_[begin - 1] == '+' || text_[begin - 1] == '.')) return begin;
        if (begin >= 2 && text_[begin - 1] == '-' && digit(text_[begin - 2])) return begin;
        const bool plus = peek(at) == '+';
        if (plus) ++at;
        while (groups < most_groups) {
            // `(0)`, `(555)`
            const bool opened = peek(at) == '(' && digit_at(at + 1);
            if (opened) ++at;
            const std::size_t first = at;
            while (digit_at(at)) ++at;
            if (at == first) break;
            sizes[groups] = at - first;
            if (opened) {
                if (peek(at) != ')') break;
                ++at;
                parenthesis = parenthesis || groups == 0;
            }
            ends[groups++] = at;
            std::size_t next = at;
            if (opened && peek(next) == ' ') {
                ++next;
            } else if (peek(next) == ' ' || peek(next) == '-' || peek(next) == '.' || peek(next) == '/') {
                dots = dots || peek(next) == '.';
                ++next;
            }
            if (next == at && !opened && peek(next) != '(') break;
            at = next;
        }
        if (groups == 0) return begin;
        const bool international =
            plus || (sizes[0] >= 4 && text_.substr(begin, 2) == "00" && peek(begin + 2) != '0');
        // Longest first; what follows may be another number.
        for (; groups > 0; --groups) {
            std::size_t digits = 0;
            for (std::size_t k = 0; k < groups; ++k) digits += sizes[k];
            const std::size_t end = ends[groups - 1];
            if (word_at(end)) continue;
            if (international && digits >= 8 && digits <= (plus ? 15U : 17U)) return end;
            const bool american =
                (groups == 3 && sizes[0] == 3 && sizes[1] == 3 && sizes[2] == 4) ||
                (groups == 4 && sizes[0] == 1 && text_[begin] == '1' && sizes[1] == 3 &&
                 sizes[2] == 3 && sizes[3] == 4);
            if (american) return end;
            if (parenthesis && groups >= 2 && digits >= 8 && digits <= 12) return end;
            const bool trunk = text_[begin] == '0' && peek(begin + 1) != '0' && groups >= 2 &&
                               sizes[0] >= 3 && sizes[0] <= 5 && !dots;
            if (trunk && digits >= 9 && digits <= 12) return end;
        }
        return begin;
    }

    /// Whether one of these words stands before `at`, with at most a few signs between them, and perhaps
    /// `number`, `no` or the like: `SSN: `, `tel. no. `.
    bool named(std::size_t at, std::initializer_list<std::string_view> words) const {
        for (int steps = 0; steps < 2; ++steps) {
            std::size_t end = at;
            while (end > 0 && at - end < 4 &&
                   std::string_view(" :.=#-(\t\"").find(text_[end - 1]) != std::string_view::npos)
                --end;
            if (end == at) return false;
            std::size_t begin = end;
            while (begin > 0 && end - begin < 16 && letter(text_[begin - 1])) --begin;
            std::string word(text_.substr(begin, end - begin));
            for (char& c : word) c = static_cast<char>(c | 0x20);
            if (std::find(words.begin(), words.end(), word) != words.end()) return true;
            if (word != "number" && word != "no" && word != "nr" && word != "num" && word != "is")
                return false;
            at = begin;
        }
        return false;
    }

    /// Nine digits in a row are one only where the text says so.
    std::size_t named_ssn(std::size_t begin) const {
        constexpr std::size_t count = 9;
        std::size_t end = begin;
        while (digit_at(end)) ++end;
        if (end - begin != count || word_at(end)) return begin;
        return named(begin, {"ssn", "security", "itin", "tin"}) ? end : begin;
    }

    /// So are digits in no form that is a number's.
    std::size_t named_phone(std::size_t begin) const {
        constexpr std::size_t least = 7;
        constexpr std::size_t most = 15;
        if (begin > 0 && (text_[begin - 1] == '+' || text_[begin - 1] == '.')) return begin;
        std::size_t found = begin;
        std::size_t digits = 0;
        for (std::size_t at = begin; digits <= most;) {
            while (digit_at(at)) {
                ++at;
                ++digits;
            }
            if (word_at(at) || digits > most) break;
            // A date is none.
            const bool date = at - begin == 10 && peek(begin + 4) == '-' && peek(begin + 7) == '-';
            if (digits >= least && !date) found = at;
            const bool goes_on = std::string_view(" -./").find(peek(at)) != std::string_view::npos &&
                                 digit_at(at + 1);
            if (peek(at) == '\0' || !goes_on) break;
            ++at;
        }
        if (found == begin) return begin;
        return named(begin, {"phone", "telephone", "tel", "mobile", "cell", "cellphone", "fax"})
                   ? found
                   : begin;
    }

    std::size_t jwt(std::size_t begin) const {
        if (!text_.substr(begin).starts_with("eyJ")) return begin;
        if (begin > 0 && (base64url(text_[begin - 1]) || text_[begin - 1] == '.')) return begin;
        std::array<std::size_t, 5> starts{};
        std::size_t parts = 0;
        std::size_t at = begin;
        std::array<std::size_t, 5> ends{};
        while (parts < starts.size()) {
            starts[parts] = at;
            while (at < text_.size() && base64url(text_[at])) ++at;
            ends[parts++] = at;
            if (peek(at) != '.') break;
            ++at;
        }
        // Signed (RFC 7515): header, claims, signature, which an unsecured token leaves empty.
        // Encrypted (RFC 7516): five parts.
        if (parts == 5 && ends[4] > starts[4]) return ends[4];
        if (parts >= 3 && text_.substr(starts[1]).starts_with("eyJ")) return ends[2];
        return begin;
    }

    std::size_t cloud_key(std::size_t begin) const {
        if (!key_beginnings.has(text_[begin], peek(begin + 1))) return begin;
        const std::string_view here = text_.substr(begin);
        for (const KeyForm& form : key_forms) {
            if (!here.starts_with(form.prefix)) continue;
            std::size_t end = begin + form.prefix.size();
            const std::size_t first = end;
            while (end < text_.size() && (digit(text_[end]) || letter(text_[end]) ||
                                          form.also.find(text_[end]) != std::string_view::npos))
                ++end;
            // A full stop ends the sentence, not the key.
            while (end > first && text_[end - 1] == '.') --end;
            if (end - first >= form.least) return end;
        }
        return begin;
    }

    /// RFC 7468: `-----BEGIN … PRIVATE KEY-----` up to its END line.
    std::size_t private_key(std::size_t begin) const {
        constexpr std::string_view opening = "-----BEGIN ";
        constexpr std::string_view closing = "-----END ";
        constexpr std::string_view dashes = "-----";
        constexpr std::size_t longest_label = 64;
        if (!text_.substr(begin).starts_with(opening)) return begin;
        const std::string_view label = text_.substr(begin + opening.size(), longest_label);
        const auto label_end = label.find(dashes);
        if (label_end == std::string_view::npos) return begin;
        if (label.substr(0, label_end).find("PRIVATE KEY") == std::string_view::npos) return begin;
        const auto end = text_.find(closing, begin + opening.size() + label_end);
        if (end == std::string_view::npos) return text_.size();
        const auto last = text_.find(dashes, end + closing.size());
        return last == std::string_view::npos ? text_.size() : last + dashes.size();
    }

    std::string_view text_;
    DetectorSet detectors_;
    bool utf8_ = false;
    bool has_at_ = true;
};

/// Where they stand in the original.
std::vector<Match> found_in(const Undisguised& text, DetectorSet detectors) {
    std::vector<Match> found = Finder(text.text, detectors).run();
    for (Match& match : found) {
        match.end = text.ends[match.end - 1];
        match.begin = text.begins[match.begin];
    }
    return found;
}

/// Those that overlap become one.
std::vector<Match> united(std::vector<Match> found, const std::vector<Match>& others) {
    found.insert(found.end(), others.begin(), others.end());
    std::sort(found.begin(), found.end(), [](const Match& a, const Match& b) {
        return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
    });
    std::vector<Match> out;
    for (const Match& match : found) {
        if (out.empty() || match.begin >= out.back().end) out.push_back(match);
        else out.back().end = std::max(out.back().end, match.end);
    }
    return out;
}

}  // namespace

std::string_view name(Detector detector) {
    for (const Known& one : known)
        if (one.detector == detector) return one.name;
    return {};
}

std::optional<Detector> detector_named(std::string_view name) {
    for (const Known& one : known)
        if (one.name == name) return one.detector;
    return {};
}

std::string_view replacement(Detector detector) {
    for (const Known& one : known)
        if (one.detector == detector) return one.replacement;
    return {};
}

std::vector<Match> find(std::string_view text, DetectorSet detectors) {
    if (detectors.empty()) return {};
    constexpr std::size_t most = UINT32_MAX;
    if (is_ascii(text) || text.size() > most || !is_valid_utf8(text)) return Finder(text, detectors).run();
    // What has no width may stand between two words, or within one.
    const auto seen = undisguised(text, Invisible::stays);
    std::vector<Match> found = seen ? found_in(*seen, detectors) : Finder(text, detectors).run();
    if (const auto joined = undisguised(text, Invisible::goes); joined && (!seen || joined->text.size() < seen->text.size()))
        found = united(std::move(found), found_in(*joined, detectors));
    return found;
}

std::string redact_text(std::string_view text, DetectorSet detectors) {
    std::string out;
    std::size_t done = 0;
    for (const Match& match : find(text, detectors)) {
        out.append(text, done, match.begin - done);
        out.append(replacement(match.detector));
        done = match.end;
    }
    out.append(text, done);
    return out;
}

}  // namespace dbguard::masking
