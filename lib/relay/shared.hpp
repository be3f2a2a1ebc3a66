#pragma once

// What sessions of one role and database share. Private to this room.

#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "policy/role_policy.hpp"
#include "recording/redact.hpp"
#include "relay/engine.hpp"
#include "relay/given_values.hpp"
#include "relay/name_changes.hpp"
#include "relay/recorded_text.hpp"

namespace dbguard::relay {

/// A plan with what the recording says of it, rendered once.
struct RecordedPlan : Plan {
    const RecordedPlan* recorded() const override { return this; }

    std::string about;
    bool by_shape = false;          ///< holds for every text of its shape: `about` only where texts are recorded by shape
    bool hides_values = false;      ///< it touches masked columns: not all of its literals and parameters are recorded
    Fates fates;                    ///< which are, then
    std::vector<WatchedValue> watched;
    bool credentials = false;       ///< it names a credential: no parameter is recorded, and no text that quotes it
    bool changes_catalogue = false;
    bool changes_settings = false;
    std::optional<Session::Clock::time_point> until;  ///< a rule that goes by the hour holds until then
    bool unknown_names = false;     ///< as of sql::Analysis
    std::uint32_t unparsed_at = 0;  ///< byte offset
    std::string unparsed;           ///< why the text is not understood; empty: it is
    std::string rule, reason, fix;  ///< of the strictest decision, for people
};

/// About what it takes in memory.
std::size_t bytes_of(const RecordedPlan& plan);

/// What names mean, and every plan made under that meaning.
struct PlanContext {
    std::uint64_t id = 0;
    catalogue::SnapshotRef snapshot;
    catalogue::Context context;
    policy::Sensitivity sensitivity;
    std::shared_ptr<sql::KnownColumns> known = sql::known_columns();
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

/// Snapshots by what the server said of its catalogue: the latest, of `most_bytes` in all, and always the last one.
class CatalogueCache {
  public:
    explicit CatalogueCache(std::size_t most_bytes) : most_bytes_(most_bytes) {}
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
    std::size_t most_bytes_;
};

struct Shared {
    /// `lasting_key`: the mask key is not this session's alone.
    Shared(EngineOptions options_in, bool lasting_key);

    EngineOptions options;
    const policy::Role& role;
    const Language& language;
    policy::RecordSettings record;
    bool shadow;
    policy::RolePolicy policy;
    bool wants_names;               ///< some rule or mask goes by name
    CatalogueCache catalogue;
    std::map<std::string, catalogue::FunctionSources> first_functions;   ///< by database
    std::list<PlanContextRef> contexts;   // latest first
    std::uint64_t last_context = 0;
    policy::Sensitivity remembered; ///< every column that was masked under a name it had
    recording::Redactor redactor;
    masking::Masker value_masker;   ///< for literals and parameters in the record; each session's own is a copy of it
    Secret digest_key;              ///< of recorded texts; empty: the mask key is this session's alone, and a digest says nothing
    std::string shape;              ///< of the text at hand
    Statistics statistics;
    std::uint64_t statements_run = 0;   ///< one by one; statistics and recording count what was sent at once as one
    std::uint64_t session_rows = 0;
    EqualityBudget equality;
    NameChanges changes;            ///< of names, by all sessions
    std::uint32_t connections = 0;
    std::map<std::uint32_t, std::string> built_in_functions;   ///< FunctionCall: number → name

    PlanContextRef context(const catalogue::SnapshotRef& snapshot, const catalogue::Context& names);
    /// Analyses and decides; not cached. `has_shape`: other texts of its shape may have the same plan.
    std::shared_ptr<RecordedPlan> make_plan(std::string_view text, bool has_shape, PlanContext& context, Session::Clock::time_point now);
    /// The same statements, decided with what the server expects of each; empty: it was not asked, or could not say.
    std::shared_ptr<RecordedPlan> estimated_plan(const RecordedPlan& plan, std::span<const std::optional<std::uint64_t>> rows, std::string_view text, const PlanContext& context, Session::Clock::time_point now);
    std::shared_ptr<RecordedPlan> function_plan(const std::string& schema, const std::string& name, PlanContext& context, Session::Clock::time_point now);
    std::shared_ptr<RecordedPlan> unparsed_plan(std::string_view text, const std::string& why, PlanContext& context, Session::Clock::time_point now);
    /// The policy's level for recorded texts.
    recording::Level level() const;
    /// The text as it may be recorded at that level: without credentials, and at `masked` under the masks of the columns that
    /// its literals meet, and without what detectors find.
    recording::Redacted redacted(const RecordedPlan& plan, std::string_view text, recording::Level level);
    /// What the recording says of this text under that plan. `credentials`: whether it names one.
    std::string about(const RecordedPlan& plan, std::string_view text, bool& credentials);
    /// Tells people of a decision, where anybody listens.
    void tell(policy::Verdict verdict, std::string_view rule, std::string_view reason, std::string_view fix, const RecordedPlan& plan, std::string_view text);

  private:
    /// What the recording will say of it.
    void finish_plan(RecordedPlan& plan, std::string_view text, const policy::Sensitivity& sensitivity);
    /// Decides every statement of the plan, and from that the plan's own verdict.
    void decide_all(RecordedPlan& plan, std::span<const std::optional<std::uint64_t>> rows, const policy::Sensitivity& sensitivity, Session::Clock::time_point now);
};

Refusal refusal_of(const policy::Decision& decision);

}  // namespace dbguard::relay
