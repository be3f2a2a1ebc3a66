#pragma once

// A transcript: one conversation as text (README.md says how it reads). This part knows lines, not protocols; what a line means and
// what dbguard makes of it is the player's to say, one a protocol.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace dbguard::transcripts {

struct Step {
    std::string line;                  ///< the message that comes in, with its sender's letter
    std::vector<std::string> actions;  ///< what dbguard does about it, in order; without the indent
    bool operator==(const Step&) const = default;
};

struct Transcript {
    std::vector<std::string> comments;                         ///< without `# `
    std::vector<std::pair<std::string, std::string>> head;     ///< `protocol postgres`, `server 15`
    std::vector<Step> steps;

    std::string get(std::string_view name) const {
        for (const auto& [key, value] : head)
            if (key == name) return value;
        return {};
    }
    bool operator==(const Transcript&) const = default;
};

/// Errors: bad_transcript, the detail begins with the line's number.
Result<Transcript> read(std::string_view text);
std::string print(const Transcript& transcript);

/// What plays one conversation through dbguard.
class Player {
  public:
    virtual ~Player() = default;
    /// What dbguard does when the message of this line comes in. Errors: the line is none of this protocol's.
    virtual Result<std::vector<std::string>> play(std::string_view line) = 0;
};

}  // namespace dbguard::transcripts
