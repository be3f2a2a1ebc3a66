// Of two values the one made of both, and what becomes of one on its way.

#include <algorithm>

#include "sql/analyzer.hpp"

namespace dbguard::sql {

bool Value::has_value() const {
    if (opaque) return true;
    return std::any_of(sources.begin(), sources.end(), [](const Source& source) { return source.flow != Flow::existence; });
}

bool Value::tells_which() const {
    if (opaque || !functions.empty()) return false;
    return same_value || std::all_of(sources.begin(), sources.end(), [](const Source& source) { return source.flow == Flow::identity || source.flow == Flow::existence; });
}

Value merge(const Value& a, const Value& b) {
    Value out;
    out.same_value = a.tells_which() && b.tells_which();
    out.opaque = a.opaque || b.opaque;
    out.as_shown = out.opaque && (!a.opaque || a.as_shown) && (!b.opaque || b.as_shown);
    out.of_shown = out.opaque && (!a.opaque || a.of_shown) && (!b.opaque || b.of_shown);
    out.may_fail = a.may_fail || b.may_fail;
    out.fallible = a.fallible || b.fallible;
    out.is_seen = a.is_seen || b.is_seen;
    out.structured = a.structured || b.structured || a.is_row || b.is_row;
    out.rows_inside = a.rows_inside || b.rows_inside || a.is_row || b.is_row;
    out.type = a.type == b.type ? a.type : 0;
    out.functions = a.functions;
    for (const std::string& function : b.functions)
        if (std::find(out.functions.begin(), out.functions.end(), function) == out.functions.end()) out.functions.push_back(function);
    out.sources = a.sources;
    for (const Source& source : b.sources) {
        // In some rows as it is, in others computed: both are true, and neither hides the other.
        const auto same = std::find_if(out.sources.begin(), out.sources.end(), [&](const Source& known) {
            const bool either_exists = known.flow == Flow::existence || source.flow == Flow::existence;
            return known.column == source.column && known.path == source.path && (either_exists || (known.flow == Flow::identity) == (source.flow == Flow::identity));
        });
        if (same == out.sources.end()) out.sources.push_back(source);
        else same->flow = std::max(same->flow, source.flow);
    }
    std::sort(out.sources.begin(), out.sources.end());
    out.givens = a.givens;
    out.givens_lost = a.givens_lost;
    add_givens(out, b);
    return out;
}

Value through(Value value, Flow flow) {
    for (Source& source : value.sources) source.flow = std::min(source.flow, flow);
    std::sort(value.sources.begin(), value.sources.end());
    value.sources.erase(std::unique(value.sources.begin(), value.sources.end()), value.sources.end());
    value.structured = value.structured || value.is_row;
    value.rows_inside = value.rows_inside || value.is_row;
    value.extended = value.same_value = false;
    if (flow != Flow::identity) value.as_shown = false;
    value.is_row = false;
    value.steps = value.is_given = value.rows_counted = false;
    value.fields.reset();
    value.members.reset();
    value.type = 0;
    return value;
}

Value existence_of(Value value) {
    if (value.as_shown) value.opaque = value.as_shown = value.of_shown = false;
    const bool computed = value.opaque || !value.functions.empty() || std::any_of(value.sources.begin(), value.sources.end(), [](const Source& source) {
        return source.flow == Flow::transformed || source.flow == Flow::aggregated;
    });
    return through(std::move(value), computed ? Flow::transformed : Flow::existence);
}

/// Whether there is such a row, and whether each of its columns is NULL.
Value existence_of_row(const Value& row) {
    if (row.fields == nullptr || row.opaque || !row.functions.empty()) return through(row, Flow::transformed);
    Value out;
    for (const auto& [name, value] : *row.fields) out = merge(out, existence_of(value));
    return out;
}

}  // namespace dbguard::sql
