// Literals and parameters of the text, and which columns their values meet: so that the recording can keep `WHERE id = 17` and
// lose what was compared with a masked column. What is kept has to be known to meet nothing else: a literal that this loses
// sight of is listed nowhere, and counts as one that may have met anything.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

// Literals lie below, parameters above. Texts are shorter than this.
constexpr std::uint32_t parameter_bit = std::uint32_t{1} << 31;
// More in one value, or in one text, are not followed: the row of a bulk insert is not what an auditor reads.
constexpr std::size_t most_in_a_value = 128;
constexpr std::uint32_t most_in_a_text = 2000;

void insert_sorted(std::vector<Source>& into, const Source& source) {
    const auto at = std::lower_bound(into.begin(), into.end(), source);
    if (at == into.end() || *at != source) into.insert(at, source);
}

}  // namespace

void add_givens(Value& value, const Value& other) {
    if (other.givens_lost || value.givens.size() + other.givens.size() > most_in_a_value) {
        value.givens_lost = true;
        value.givens.clear();
    }
    if (value.givens_lost || other.givens.empty()) return;
    // Most stand behind what is there already, as in the text.
    const bool behind = value.givens.empty() || value.givens.back() < other.givens.front();
    value.givens.insert(value.givens.end(), other.givens.begin(), other.givens.end());
    if (behind) return;
    std::sort(value.givens.begin(), value.givens.end());
    value.givens.erase(std::unique(value.givens.begin(), value.givens.end()), value.givens.end());
}

/// The value of a literal or parameter of the statement's own text.
Value Analyzer::given(const tree::Expr& expr) {
    Value out;
    if (foreign_ || expr.is_null) return out;
    if (expr.kind == tree::Expr::Kind::parameter) {
        out.givens.push_back(parameter_bit | static_cast<std::uint32_t>(expr.number));
    } else if (expr.kind == tree::Expr::Kind::constant && expr.at < parameter_bit) {
        if (++literals_seen_ > most_in_a_text) givens_lost_ = true;
        if (givens_lost_) out.givens_lost = true;
        else out.givens.push_back(expr.at);
    }
    return out;
}

/// All that `value` is made of meets there. `unknown`: and something else besides.
void Analyzer::meets(const Value& value, bool unknown) {
    if (value.givens_lost) givens_lost_ = true;
    unknown = unknown || value.opaque || !value.functions.empty();
    for (const std::uint32_t given : value.givens) {
        Met& met = met_[given];
        met.unknown = met.unknown || unknown;
        for (const Source& source : value.sources) insert_sorted(met.sources, source);
    }
}

void Analyzer::list_givens() {
    // One value of which it is not known what it is made of may have been made of any.
    if (givens_lost_) {
        out_.givens.clear();
        return;
    }
    for (auto& [id, met] : met_) {
        const bool parameter = (id & parameter_bit) != 0;
        out_.givens.push_back({id & ~parameter_bit, parameter, met.unknown, std::move(met.sources)});
    }
}

}  // namespace dbguard::sql
