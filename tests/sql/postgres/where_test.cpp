// cases/where.tsv: which conditions select rows, by their meaning. cases/classes.tsv: what each kind of statement counts as.

#include "tests/sql/postgres/cases.hpp"

using namespace dbguard;
using namespace dbguard::sql;
using namespace dbguard::sql::postgres;

namespace {

std::vector<std::pair<std::string, std::string>> table(const std::string& file) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const std::string& line : cases::lines_of(cases::read(file))) {
        if (line.empty() || line.front() == '#') continue;
        const auto tab = line.find('\t');
        REQUIRE_MESSAGE(tab != std::string::npos, line);
        out.emplace_back(line.substr(0, tab), line.substr(tab + 1));
    }
    return out;
}

std::string_view where_name(Where where) {
    switch (where) {
        case Where::missing: return "missing";
        case Where::trivial: return "trivial";
        case Where::present: return "present";
        default: return "none";
    }
}

/// `ddl.alter public.t; dcl`
std::string classes_of(const Analysis& analysis) {
    std::string out;
    for (const Statement& statement : analysis.statements)
        for (Effect effect : statement.effects) {
            effect.detail.clear();
            for (Object& object : effect.objects) object.columns.clear();
            out += (out.empty() ? "" : "; ") + print(effect);
        }
    if (!analysis.unparsed.empty()) out += " unparsed: " + analysis.unparsed;
    return out;
}

}  // namespace

TEST_CASE("a WHERE that is true for every row selects nothing") {
    const auto rows = table("where.tsv");
    REQUIRE(rows.size() > 120);
    for (const auto& [expected, text] : rows) {
        const bool whole = text.starts_with("UPDATE ") || text.starts_with("DELETE ");
        for (const std::string& sql : whole ? std::vector{text} : std::vector{"DELETE FROM plain WHERE " + text, "UPDATE plain SET a = 'x' WHERE " + text}) {
            const Analysis analysis = cases::analyze(sql);
            CHECK_MESSAGE(analysis.unparsed == "", sql);
            std::string_view got = "none";
            for (const Effect& effect : analysis.statements.at(0).effects)
                if (inside(effect.effect_class, EffectClass::write)) got = where_name(effect.where);
            CHECK_MESSAGE(got == expected, sql << " is " << got << ", not " << expected);
        }
    }
}

TEST_CASE("each kind of statement counts as its class") {
    const auto rows = table("classes.tsv");
    REQUIRE(rows.size() > 100);
    for (const auto& [expected, sql] : rows) {
        const std::string got = classes_of(cases::analyze(sql));
        CHECK_MESSAGE(got == expected, sql << "\n  is  " << got << "\n  not " << expected);
    }
}
