#pragma once

// The columns of a result as the relay needs them: which are masked and how, and the rewriting of a row.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "masking/apply.hpp"
#include "masking/mask.hpp"
#include "relay/session.hpp"
#include "wire/postgres/lists.hpp"
#include "wire/postgres/result.hpp"

namespace dbguard::relay::postgres {

struct MaskedColumn {
    std::uint16_t index = 0;
    masking::Mask mask;
    std::uint32_t type = 0;
    std::int32_t modifier = -1;
    masking::Format format = masking::Format::text;
};

/// What it gives is that of a name, which may stand for another statement each time.
inline bool goes_by_name(sql::StatementKind kind) { return kind == sql::StatementKind::execute || kind == sql::StatementKind::fetch; }

/// Null when the plan has no such statement.
inline const PlannedStatement* planned_of(const PlanRef& plan, std::uint32_t index) {
    return plan && index < plan->statements.size() ? &plan->statements[index] : nullptr;
}

/// What a RowDescription says, with the masks that belong to it. Immutable and shared.
struct ResultColumns {
    std::string description;  ///< the body of the RowDescription
    std::uint16_t count = 0;
    std::vector<MaskedColumn> masked;  ///< by index
    /// Under which names it was made.
    std::uint64_t context = 0;
};

/// The masks of a statement of which policy says that nothing it can return is sensitive, whatever the number of its columns.
extern const std::vector<std::optional<masking::Mask>> as_it_is;
/// Those of which nobody knows what it computes: a table's own column is as its origin says, all else NULL.
extern const std::vector<std::optional<masking::Mask>> of_tables_alone;

/// `masks`: of the plan, one an output, or one of these. Null, or of another number than there are columns: every column becomes
/// NULL.
/// To each the sensitive column at its origin is added: the net under the analysis.
std::shared_ptr<const ResultColumns> make_columns(
    std::string_view description_body,
    const wire::postgres::RowDescriptionView& description,
    const std::vector<std::optional<masking::Mask>>* masks,
    const Session& session
);

/// Sets the formats of the masked columns of one result.
void apply_formats(std::span<MaskedColumn> masked, const std::vector<std::int16_t>& formats);

/// Rewrites rows of one result.
class RowMasker {
  public:
    enum class Row : std::uint8_t { unchanged, rebuilt, malformed };

    /// `columns` must outlive the rows; types are borrowed from the session for this result.
    void begin(const Session& session, std::vector<MaskedColumn> masked, std::uint16_t count);
    bool masks() const { return !masked_.empty(); }
    /// Masks in place where the length may stay; otherwise appends the whole new frame to `out`.
    /// `body` is the DataRow's without its header. `fields`, when not null, receives what the client gets.
    Row mask(std::span<char> body, std::string& out, std::vector<wire::postgres::ValueView>* fields);

  private:
    std::vector<MaskedColumn> masked_;
    std::vector<const masking::Type*> types_;
    std::uint16_t count_ = 0;
    const masking::Masker* masker_ = nullptr;
    std::string values_;  ///< masked values of the row at hand
    struct Replaced {
        std::uint16_t index;
        bool null;
        std::size_t offset, size;
    };
    std::vector<Replaced> replaced_;
};

}  // namespace dbguard::relay::postgres
