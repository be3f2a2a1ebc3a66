#include "sql/lineage.hpp"

#include "sql/analyzer.hpp"

namespace dbguard::sql {

std::vector<Lineage> lineage_of_stored_query(const catalogue::Relation& relation, const Names& names, const Dialect& dialect) {
    std::vector<MadeRelation> made;
    Analyzer analyzer(names, dialect, made);
    std::vector<Lineage> out;
    const Columns columns = analyzer.stored_query_columns(relation);
    for (const ScopeColumn& column : columns)
        out.push_back({column.value.sources, column.value.opaque || !column.value.functions.empty() || !analyzer.unresolved().empty()});
    return out;
}

Lineage lineage_of_expression(const catalogue::Relation& relation, std::string_view text, const Names& names, const Dialect& dialect) {
    std::vector<MadeRelation> made;
    Analyzer analyzer(names, dialect, made);
    Value value = analyzer.stored_expression(relation, text);
    return {std::move(value.sources), value.opaque || !value.functions.empty() || !analyzer.unresolved().empty()};
}

}  // namespace dbguard::sql
