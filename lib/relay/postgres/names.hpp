#pragma once

// The prepared statements and portals of a session: what each name means now (every change the server has confirmed), and what
// it will mean when all that is on its way has been carried out. The second decides whether something may be sent, the first
// which masks a result gets. SQL's PREPARE, DECLARE … and the protocol's Parse, Bind … share these names.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "relay/postgres/columns.hpp"
#include "relay/session.hpp"

namespace dbguard::relay::postgres {

/// A statement under a name.
struct Prepared {
    std::string text;         ///< planned again when names may mean something else
    PlanRef plan;             ///< under the context it was last planned in
    std::uint32_t index = 0;  ///< which of the plan's statements
    /// Its columns as the server described them last; empty: not asked yet.
    std::shared_ptr<const ResultColumns> columns;
    bool described = false;   ///< a Describe was sent
    std::vector<std::uint32_t> parameter_types;  ///< as Parse gave them
};
using PreparedRef = std::shared_ptr<Prepared>;

/// A statement with its parameters, or a cursor.
struct Portal {
    PreparedRef statement;  ///< empty: the server has it, we know nothing of it
    PlanRef plan;           ///< as it was at Bind: what the server planned then is what it runs
    std::vector<std::int16_t> result_formats;
    std::string parameters;  ///< the values of Bind, for the record; empty when there are none or they are too long
    std::uint16_t parameter_count = 0;
    std::vector<std::int16_t> parameter_formats;  ///< of `parameters`, where one is binary or an estimate needs them
    std::uint32_t parameter_bytes = 0;            ///< of the Bind message, whether or not `parameters` holds them
    std::shared_ptr<const ResultColumns> columns;
    std::uint64_t number = 0;  ///< of the session, once executed
    bool described = false;    ///< a Describe was sent
    bool formats_unknown = false;  ///< its Bind was too long to be held: they come with a Describe of the portal
    bool suspended = false;    ///< executed up to a row limit
    bool cursor = false;       ///< made by DECLARE
    bool holdable = false;     ///< outlives its transaction
    bool uncertain = false;    ///< what it was made in may have been undone: the name may be another's by now
};
using PortalRef = std::shared_ptr<Portal>;

/// The server knows names by their first 63 bytes, also those of the protocol's messages (src/common/hashfn.c and dynahash.c: string_hash
/// under NAMEDATALEN).
inline std::string known_name(std::string_view name) { return std::string(name.substr(0, 63)); }

template <class Ref>
class NameMap {
  public:
    /// As the server has it; null when there is none.
    Ref now(std::string_view name) const {
        if (name.empty()) return unnamed_;
        const auto found = named_.find(known_name(name));
        return found == named_.end() ? Ref{} : found->second;
    }
    void set(std::string_view name, Ref value) {
        if (name.empty())
            unnamed_ = std::move(value);
        else
            named_.insert_or_assign(known_name(name), std::move(value));
    }
    void erase(std::string_view name) {
        if (name.empty())
            unnamed_.reset();
        else
            named_.erase(known_name(name));
    }
    void clear() {
        unnamed_.reset();
        std::unordered_map<std::string, Ref>().swap(named_);
    }
    template <class F>
    void erase_if(F&& dead) {
        if (unnamed_ && dead(*unnamed_)) unnamed_.reset();
        if (!named_.empty()) std::erase_if(named_, [&](const auto& entry) { return dead(*entry.second); });
    }
    template <class F>
    void for_each(F&& see) const {
        for (const auto& entry : named_) see(*entry.second);
    }
    std::size_t size() const { return named_.size(); }

    // ---- what is on its way

    /// `name` will mean `value` (null: nothing) when the message just sent is carried out.
    void expect(std::string_view name, Ref value) { expected_.insert_or_assign(known_name(name), std::move(value)); }
    /// What `name` will mean when all that was sent is carried out.
    Ref later(std::string_view name) const {
        if (!expected_.empty())
            if (const auto found = expected_.find(known_name(name)); found != expected_.end()) return found->second;
        return now(name);
    }
    /// The expectation has come true.
    void settle(std::string_view name, const Ref& value) {
        if (expected_.empty()) return;
        const auto found = expected_.find(known_name(name));
        if (found != expected_.end() && found->second == value) expected_.erase(found);
        if (expected_.empty()) forget_expected();
    }
    void forget_expected() { std::unordered_map<std::string, Ref>().swap(expected_); }

  private:
    Ref unnamed_;
    std::unordered_map<std::string, Ref> named_;
    std::unordered_map<std::string, Ref> expected_;
};

}  // namespace dbguard::relay::postgres
