#pragma once

// SQL that people paste: names quoted whatever they hold, statements in an order in which each finds what it needs.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dbguard::cli::lock {

/// A name as SQL reads it: always quoted; with U& escapes where it holds control characters, so that it is one line.
std::string ident(std::string_view name);
/// `"schema"."name"`
std::string ident(std::string_view schema, std::string_view name);
std::string literal(std::string_view text);
/// A name for people: quoted only where it would be misread.
std::string shown(std::string_view schema, std::string_view name);

/// In this order.
enum class Phase : std::uint8_t {
    make_roles,    ///< new owners
    change_roles,  ///< attributes
    memberships,
    keep,          ///< what is needed, and would be lost with the above
    revoke,
    columns,       ///< given again one by one after a REVOKE of the whole
    settings,
    optional,      ///< changes what ordinary work has to name: on its own, behind the rest
};

class Script {
  public:
    /// `note` becomes a comment before it; may be empty. A statement that is there already is not added again.
    void add(Phase phase, std::string statement, std::string note = {});
    bool empty() const { return lines_.empty(); }
    /// In order, with comments; one transaction, and what is optional in a second one.
    std::vector<std::string> text() const;

  private:
    struct Line {
        Phase phase;
        std::string statement;
        std::string note;
    };
    std::vector<Line> lines_;
    std::set<std::pair<Phase, std::string>> known_;
};

}  // namespace dbguard::cli::lock
