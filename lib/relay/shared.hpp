#pragma once

// What sessions of one role and database share. Private to this room.

#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "catalogue/postgres.hpp"
#include "masking/type.hpp"
#include "policy/decide.hpp"
#include "policy/masks.hpp"
#include "policy/sensitivity.hpp"
#include "recording/redact.hpp"
#include "relay/engine.hpp"

namespace dbguard::relay {

/// A plan with what the recording says of it, rendered once.
struct RecordedPlan : Plan {
    std::string about;
    bool by_shape = false;          ///< holds for every text of its shape: `about` only where texts are recorded by shape
    bool hides_values = false;      ///< it touches masked columns: parameters are not recorded
    bool changes_catalogue = false;
    bool changes_settings = false;
    std::optional<Session::Clock::time_point> until;  ///< a rule that goes by the hour holds until then
    std::string unparsed;           ///< why the text is not understood; empty: it is
    std::string line;               ///< for people, before the text
};

/// What names mean, and every plan made under that meaning.
struct PlanContext {
    std::uint64_t id = 0;
    catalogue::SnapshotRef snapshot;
    catalogue::Context context;
    policy::Sensitivity sensitivity;
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    using Plans = std::unordered_map<std::string, std::shared_ptr<const RecordedPlan>, TextHash, std::equal_to<>>;
    Plans plans;                    ///< by exact text
    Plans shapes;                   ///< by text without its literals
    std::size_t plan_bytes = 0;
};
using PlanContextRef = std::shared_ptr<PlanContext>;

/// Snapshots by what the server said of its catalogue.
class CatalogueCache {
  public:
    struct Entry {
        std::string database;
        std::string digest;
        std::string next_transaction;
        catalogue::SnapshotRef snapshot;
    };
    Entry* by_transaction(const std::string& database, const std::string& next_transaction);
    Entry* by_digest(const std::string& database, const std::string& digest);
    Entry& add(Entry entry);

  private:
    std::list<Entry> entries_;   // latest first
};

struct Shared {
    explicit Shared(EngineOptions options_in);

    EngineOptions options;
    const policy::Role& role;
    policy::RecordSettings record;
    bool shadow;
    policy::RoleRules rules;
    policy::RoleMasks masks;
    bool wants_names;               ///< some rule or mask goes by name
    bool admits_unparsed;           ///< text that nobody understands may run: settings that change what text means, too
    CatalogueCache catalogue;
    std::map<std::string, catalogue::FunctionSources> first_functions;   ///< by database
    std::list<PlanContextRef> contexts;   // latest first
    std::uint64_t last_context = 0;
    recording::Redactor redactor;
    std::string shape;              ///< of the text at hand
    Statistics statistics;
    std::uint64_t session_rows = 0;
    std::uint32_t connections = 0;
    std::map<std::uint32_t, std::string> built_in_functions;   ///< FunctionCall: number → name

    PlanContextRef context(const catalogue::SnapshotRef& snapshot, const catalogue::Context& names);
    /// Analyses and decides; not cached.
    std::shared_ptr<RecordedPlan> make_plan(std::string_view text, PlanContext& context, Session::Clock::time_point now);
    std::shared_ptr<RecordedPlan> function_plan(const std::string& schema, const std::string& name, PlanContext& context, Session::Clock::time_point now);
    std::shared_ptr<RecordedPlan> unparsed_plan(std::string_view text, const std::string& why, PlanContext& context, Session::Clock::time_point now);
    /// What the recording says of this text under that plan.
    std::string about(const RecordedPlan& plan, std::string_view text);
    policy::Decision decide(const sql::Statement& statement, const policy::Sensitivity& sensitivity, std::optional<Session::Clock::time_point> now) const;

  private:
    void finish_plan(RecordedPlan& plan, std::string_view text, const std::string& unparsed);
};

/// The mask's view of a type of the catalogue.
masking::Type mask_type(std::uint32_t type, std::int32_t modifier, const catalogue::Snapshot* snapshot);

Refusal refusal_of(const policy::Decision& decision);
/// The beginning of a text for a line on a terminal, without control characters.
std::string shown_text(std::string_view text);

}  // namespace dbguard::relay
