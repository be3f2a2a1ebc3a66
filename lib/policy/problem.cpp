#include "policy/problem.hpp"

#include <algorithm>

namespace dbguard::policy {

std::string_view name(Severity severity) {
    switch (severity) {
        case Severity::error: return "error";
        case Severity::warning: return "warning";
        case Severity::note: return "note";
    }
    return "error";
}

std::string quoted(std::string_view word) { return '`' + std::string(word) + '`'; }

std::string text(const Problem& problem) {
    std::string out = problem.file;
    if (problem.at.line > 0)
        out += ':' + std::to_string(problem.at.line) + ':' + std::to_string(problem.at.column);
    out += ": ";
    out += name(problem.severity);
    out += ": " + problem.message;
    if (!problem.suggestion.empty()) out += "; " + problem.suggestion;
    return out;
}

bool has_errors(const std::vector<Problem>& problems) {
    return std::any_of(problems.begin(), problems.end(), [](const Problem& problem) {
        return problem.severity == Severity::error;
    });
}

}  // namespace dbguard::policy
