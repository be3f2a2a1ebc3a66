#pragma once

// Finds personal data and secrets in free text by their shape: a net under the column rules, never
// instead of them. Whole tokens only (a digit run inside a longer one is none), the longest match
// at a place wins.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dbguard::masking {

enum class Detector : std::uint8_t {
    email,
    credit_card,  ///< 13 to 19 digits, single blanks or hyphens between them, Luhn check digit
                  ///< (ISO/IEC 7812-1)
    iban,         ///< ISO 13616, remainder 1 modulo 97; blanks between groups of four
    ssn,    ///< NNN-NN-NNNN of the United States by hyphens or blanks, no part all zeros; 9NN too:
            ///< tax numbers; nine digits in a row behind `SSN`, `social security number`, `TIN`
    phone,  ///< E.164 with its plus sign, or a national number in separated groups; 7 to 15 digits
            ///< behind `phone`, `tel`, `mobile`, `fax`
    jwt,    ///< three base64url parts, the first two beginning with `{"` (RFC 7519)
    cloud_key,    ///< access keys and tokens that their issuer marks with a prefix (AWS, Google,
                  ///< GitHub, Slack, …)
    private_key,  ///< a PEM block of a private key, header to footer (or to the end of the text)
};

/// The name that policies use: `credit_card`.
std::string_view name(Detector detector);
/// Empty: no such detector.
std::optional<Detector> detector_named(std::string_view name);
/// What stands in place of a match: `<CARD>`.
std::string_view replacement(Detector detector);

/// Some of the detectors.
class DetectorSet {
  public:
    constexpr DetectorSet() = default;
    constexpr DetectorSet(std::initializer_list<Detector> detectors) {
        for (const Detector detector : detectors) add(detector);
    }
    static constexpr DetectorSet all() {
        DetectorSet set;
        set.bits_ = 0xff;
        return set;
    }

    constexpr void add(Detector detector) { bits_ |= bit(detector); }
    constexpr bool has(Detector detector) const { return (bits_ & bit(detector)) != 0; }
    constexpr bool empty() const { return bits_ == 0; }
    bool operator==(const DetectorSet&) const = default;

  private:
    static constexpr std::uint8_t bit(Detector detector) {
        return static_cast<std::uint8_t>(1U << static_cast<unsigned>(detector));
    }
    std::uint8_t bits_ = 0;
};

/// The bytes from `begin` up to `end`.
struct Match {
    Detector detector = Detector::email;
    std::size_t begin = 0;
    std::size_t end = 0;

    bool operator==(const Match&) const = default;
};

/// All matches, in order, none overlapping. Takes time proportional to the text for any text.
std::vector<Match> find(std::string_view text, DetectorSet detectors = DetectorSet::all());

/// The text with every match replaced: `mail <EMAIL> today`. For literals in records and logs.
std::string redact_text(std::string_view text, DetectorSet detectors = DetectorSet::all());

}  // namespace dbguard::masking
