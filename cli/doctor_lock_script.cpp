#include "cli/doctor_lock_script.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/quoting.hpp"
#include "cli/output.hpp"
#include "policy/object_pattern.hpp"

namespace dbguard::cli::lock {
namespace {

constexpr int phases = static_cast<int>(Phase::optional) + 1;

}  // namespace

std::string ident(std::string_view name) {
    const bool plain = std::none_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    // PostgreSQL manual, "Lexical Structure", identifiers with Unicode escapes: \0041, with \\ for a backslash.
    std::string out = plain ? "\"" : "U&\"";
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"') out += "\"\"";
        else if (!plain && c == '\\') out += "\\\\";
        else if (byte < 0x20 || byte == 0x7f) out += "\\00" + hex(std::string_view(&c, 1));
        else out += c;
    }
    return out + '"';
}

std::string ident(std::string_view schema, std::string_view name) { return ident(schema) + '.' + ident(name); }

std::string literal(std::string_view text) { return in_quotes(text, '\''); }

std::string shown(std::string_view schema, std::string_view name) {
    return (schema.empty() ? "" : policy::quoted_name(schema) + '.') + policy::quoted_name(name);
}

void Script::add(Phase phase, std::string statement, std::string note) {
    if (known_.insert({phase, statement}).second) lines_.push_back({phase, std::move(statement), std::move(note)});
}

std::vector<std::string> Script::text() const {
    std::vector<std::string> out;
    const auto part = [&](bool optional) {
        std::vector<std::string> lines;
        std::string last;
        const auto first = static_cast<int>(optional ? Phase::optional : Phase::make_roles);
        for (int phase = first; phase < (optional ? phases : static_cast<int>(Phase::optional)); ++phase) {
            for (const Line& line : lines_) {
                if (static_cast<int>(line.phase) != phase) continue;
                // A comment ends at a line's end, and names may hold any character.
                if (!line.note.empty() && line.note != last) lines.push_back("-- " + printable(line.note));
                last = line.note;
                lines.push_back(line.statement);
            }
        }
        if (lines.empty()) return;
        if (optional) out.emplace_back("-- Only if you want it: this changes which names ordinary work finds.");
        out.emplace_back("BEGIN;");
        out.insert(out.end(), lines.begin(), lines.end());
        out.emplace_back("COMMIT;");
    };
    part(false);
    part(true);
    return out;
}

}  // namespace dbguard::cli::lock
