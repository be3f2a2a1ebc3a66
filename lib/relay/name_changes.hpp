#pragma once

// What sessions of one engine make of names, for each other. A statement is planned under what names mean at that time. Where it
// then waits, for a lock that another session's DDL holds, it runs under what they mean afterwards; code may change even while it
// runs. What one session changes is known here when it is sent, and again when its transaction ends. Private to this room.

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "relay/session.hpp"

namespace dbguard::relay {

struct NameChange {
    struct Name {
        std::string schema;  ///< told for `*` only
        std::string name;    ///< of a relation, in whatever schema: what a name finds may be another one; `*`: all of that schema
    };
    std::vector<Name> names;
    bool any = false;   ///< whatever there is
    bool code = false;  ///< functions, types, operators

    bool empty() const { return names.empty() && !any && !code; }
    void add(const NameChange& other);
};

/// What these statements change of names that others see. A new index, a comment, temporary objects: nothing.
NameChange name_change(std::span<const PlannedStatement> statements, bool understood);

class NameChanges {
  public:
    /// Grows with each change.
    std::uint64_t last() const { return last_; }
    /// `connection` is about to make it, may have made it, or has: said each time.
    void made(std::uint32_t connection, const NameChange& change);
    /// From here on until made() it may have come to pass, and nobody has heard.
    void may_be_made(std::uint32_t connection, const NameChange& change) { unanswered_[connection] = change; }
    void answered(std::uint32_t connection) { unanswered_.erase(connection); }
    /// Somebody else's.
    bool unanswered(std::uint32_t connection) const { return unanswered_.size() > unanswered_.count(connection); }

    /// Whether statements planned when last() was `seen` may mean something else by now, through others than `connection`. `started`:
    /// they hold the locks on what they read, and nothing but code can change.
    bool concern(std::uint64_t seen, std::uint32_t connection, std::span<const PlannedStatement> statements, bool started) const;

  private:
    struct Made {
        std::uint64_t number = 0;
        std::uint32_t connection = 0;
        NameChange change;
    };
    std::uint64_t last_ = 0;
    std::deque<Made> made_;  // oldest first
    std::map<std::uint32_t, NameChange> unanswered_;
};

}  // namespace dbguard::relay
