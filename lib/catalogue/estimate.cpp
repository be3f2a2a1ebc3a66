#include "catalogue/estimate.hpp"

#include <nlohmann/json.hpp>
#include <algorithm>
#include <vector>

namespace dbguard::catalogue::postgres {

namespace {

using Json = nlohmann::json;

/// The planner's own guess, as a count: it never says less than nothing.
std::uint64_t rows_of(const Json& node) {
    const auto found = node.find("Plan Rows");
    if (found == node.end() || !found->is_number()) return 0;
    const double rows = found->get<double>();
    return rows >= 1e18 ? std::uint64_t{1'000'000'000'000'000'000} : static_cast<std::uint64_t>(std::max(0.0, rows));
}

}  // namespace

std::string estimate_query(std::string_view statement) { return std::string(estimate_prefix) + std::string(statement); }

Result<std::uint64_t> read_estimate(const Rows& rows) {
    const auto bad = [](std::string_view why) { return Error{errc::bad_answer, std::string(why)}; };
    if (rows.size() != 1 || rows[0].size() != 1 || !rows[0][0]) return bad("a plan is one text");
    const Json answer = Json::parse(*rows[0][0], nullptr, false);
    // One entry a query: rules may have made several of one statement, or none.
    if (!answer.is_array()) return bad("a plan is a list");
    std::uint64_t most = 0;
    std::vector<const Json*> nodes;
    for (const Json& query : answer) {
        // A utility statement that a rule put there has no plan, and nobody knows what it is worth.
        if (!query.is_object() || !query.contains("Plan") || !query["Plan"].is_object()) return bad("a query without a plan");
        most = std::max(most, rows_of(query["Plan"]));
        nodes.push_back(&query["Plan"]);
    }
    while (!nodes.empty()) {
        const Json& node = *nodes.back();
        nodes.pop_back();
        const auto inside = node.find("Plans");
        if (inside == node.end() || !inside->is_array()) continue;
        const bool writes = node.value("Node Type", Json()) == "ModifyTable";
        for (const Json& child : *inside) {
            if (!child.is_object()) return bad("a plan with something else inside");
            // What a write returns says nothing of what it changes; what it is given does.
            if (writes) most = std::max(most, rows_of(child));
            nodes.push_back(&child);
        }
    }
    return most;
}

}  // namespace dbguard::catalogue::postgres
