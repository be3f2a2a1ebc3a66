#pragma once

// Reads tests/vectors/policy/*.txt: `=== TITLE`, a policy file's text, `---`, the expected messages. A line `@` stands for the
// four lines of a minimal policy.

#include <sstream>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "policy/problem.hpp"

namespace dbguard::policy {

inline const std::string vectors_folder = DBGUARD_SOURCE_DIR "/tests/vectors/policy/";
inline constexpr std::string_view minimal_policy = "dbguard: 1\npolicy: p\nidentities: {}\nroles: {}\n";

struct Vector {
    std::string title, text, expected;
};

inline std::string read_vector_file(const std::string& name) { return read_file(vectors_folder + name, 1 << 20).value(); }

inline std::vector<Vector> read_vectors(const std::string& name) {
    std::istringstream file(read_vector_file(name));
    std::vector<Vector> out;
    bool in_expected = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("=== ")) {
            out.push_back({line, "", ""});
            in_expected = false;
        } else if (out.empty()) {
            continue;  // the file's own explanation
        } else if (line == "---") {
            in_expected = true;
        } else if (in_expected) {
            out.back().expected += line + '\n';
        } else {
            out.back().text += line == "@" ? std::string(minimal_policy) : line + '\n';
        }
    }
    return out;
}

/// A line each, without the file's name.
inline std::string messages(const std::vector<Problem>& problems) {
    std::string out;
    for (const auto& problem : problems) out += text(problem).substr(problem.file.size() + 1) + '\n';
    return out;
}

}  // namespace dbguard::policy
