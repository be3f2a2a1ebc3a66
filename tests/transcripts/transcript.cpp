#include "transcript.hpp"

namespace dbguard::transcripts {

Result<Transcript> read(std::string_view text) {
    Transcript out;
    std::size_t number = 0;
    bool in_head = true;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        ++number;
        const auto bad = [&](const char* why) { return Error{"bad_transcript", std::to_string(number) + ": " + why}; };
        if (line.empty()) {
            in_head = false;
        } else if (line.starts_with("# ")) {
            if (!in_head) return bad("a comment behind the head");
            out.comments.emplace_back(line.substr(2));
        } else if (in_head) {
            const auto space = line.find(' ');
            if (space == std::string_view::npos) return bad("a setting without a value");
            out.head.emplace_back(line.substr(0, space), line.substr(space + 1));
        } else if (line.starts_with("  ")) {
            if (out.steps.empty()) return bad("an action before any message");
            out.steps.back().actions.emplace_back(line.substr(2));
        } else {
            out.steps.push_back({std::string(line), {}});
        }
    }
    return out;
}

std::string print(const Transcript& transcript) {
    std::string out;
    for (const auto& line : transcript.comments) out += "# " + line + "\n";
    for (const auto& [name, value] : transcript.head) out += name + " " + value + "\n";
    out += "\n";
    for (const auto& step : transcript.steps) {
        out += step.line + "\n";
        for (const auto& action : step.actions) out += "  " + action + "\n";
    }
    return out;
}

}  // namespace dbguard::transcripts
