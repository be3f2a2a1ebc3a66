#pragma once

// What the server still owes an answer for, in order: each of its messages belongs to the first entry.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "relay/postgres/names.hpp"
#include "relay/session.hpp"

namespace dbguard::relay::postgres {

/// A bound on the rows that a statement may change.
struct AffectedBound {
    std::uint64_t rows = 0;
    Refusal refusal;  ///< when there are more
    bool uncounted = false;  ///< something changes rows that no command tag tells of
    bool unseen = false;     ///< … nor the server's counters
    bool must_fail = false;  ///< it may not succeed at all (Plan::must_fail)
};

/// As the server counts them in positions of errors, in UTF-8.
inline std::ptrdiff_t characters(std::string_view text) {
    return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

/// A part of a Query that is sent in parts.
struct QueryPart {
    std::string text;
    std::ptrdiff_t shift = 0;  ///< characters of the message's text before it
    bool counted = false;      ///< its affected rows are
};

/// A column of what a COPY reads.
struct CopyType {
    std::uint32_t type;
    std::int32_t modifier;
    std::string name;
};
using CopyTypes = std::vector<CopyType>;

/// A message that was sent to the server and will be answered.
struct Pending {
    enum class Kind : std::uint8_t { simple, function_call, parse, bind, describe, execute, close, sync };
    /// Who wants the answer. All but `client` are dbguard's own: their replies end here.
    enum class Owner : std::uint8_t {
        client,
        question,  ///< the session's, about names
        probe,     ///< whether the server can parse a text that is going to be refused
        types,     ///< the types of the columns of a COPY
        describe,  ///< the columns of a portal that the client executes without asking for them
        abort,     ///< makes the transaction fail because the client was told so
        begin,     ///< opens a transaction around a Query whose affected rows are counted
        end,       ///< and closes it
        counters,  ///< how many rows the transaction has changed so far
    };

    Kind kind = Kind::simple;
    Owner owner = Owner::client;
    bool aside = false;              ///< execute, of a question: run around it, its rows are nobody's
    bool of_portal = false;          ///< describe, close: of a portal, not of a statement
    bool failed = false;             ///< simple, function_call, sync: an error came; ReadyForQuery is to follow
    bool warned = false;             ///< the plan's warnings were sent
    std::uint8_t copies_left = 0;    ///< how many COPY FROM STDIN may still begin
    std::uint32_t statement = 0;     ///< simple: which of the plan's statements answers now
    std::uint64_t number = 0;        ///< the session's; 0: not submitted
    PlanRef plan;
    std::unique_ptr<AffectedBound> bound;
    std::vector<QueryPart> parts;     ///< simple: what of its text is not sent yet
    std::string name;                ///< of the statement or portal
    std::string statement_name;      ///< bind: of the statement
    PreparedRef prepared;            ///< parse: what the name will mean
    PortalRef portal;                ///< bind, execute
    std::unique_ptr<Refusal> refusal;  ///< the message was replaced by one that fails; this is the client's error
    std::shared_ptr<const std::string> text;  ///< simple: kept when its statements make names
    std::vector<CopyTypes> copy_types;  ///< of those of its statements that are a COPY TO with masked columns
    Session::Clock::time_point began{};       ///< when it came to the front

    bool extended() const {
        return kind == Kind::parse || kind == Kind::bind || kind == Kind::describe || kind == Kind::execute ||
               kind == Kind::close;
    }
};

class PendingQueue {
  public:
    bool empty() const { return first_ == entries_.size(); }
    std::size_t size() const { return entries_.size() - first_; }
    Pending& front() { return entries_[first_]; }
    const Pending& front() const { return entries_[first_]; }
    Pending& back() { return entries_.back(); }
    void push(Pending&& entry) { entries_.push_back(std::move(entry)); }
    void pop() {
        if (first_ + 1 == entries_.size()) {
            first_ = 0;
            // An idle connection keeps room for a message or two.
            if (entries_.capacity() > 4)
                std::vector<Pending>().swap(entries_);
            else
                entries_.clear();
            return;
        }
        entries_[first_++] = Pending{};
        if (first_ > 1024 && first_ > entries_.size() / 2) {
            entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
            first_ = 0;
        }
    }
    auto begin() { return entries_.begin() + static_cast<std::ptrdiff_t>(first_); }
    auto end() { return entries_.end(); }
    auto begin() const { return entries_.begin() + static_cast<std::ptrdiff_t>(first_); }
    auto end() const { return entries_.end(); }

  private:
    std::vector<Pending> entries_;
    std::size_t first_ = 0;
};

}  // namespace dbguard::relay::postgres
