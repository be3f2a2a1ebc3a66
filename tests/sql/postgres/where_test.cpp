// cases/where.tsv: which conditions select rows, by their meaning. cases/classes.tsv: what each kind of statement counts as.

#include <optional>

#include "sql/postgres/text_shape.hpp"
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

namespace {

std::optional<Where> where_of(const Analysis& analysis) {
    for (const Effect& effect : analysis.statements.at(0).effects)
        if (inside(effect.effect_class, EffectClass::write)) return effect.where;
    return {};
}

/// The text with each of its numbers in turn, and each empty string, replaced by others.
std::vector<std::string> variants(const std::string& text) {
    std::vector<std::string> out;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    for (std::size_t i = 0; i < text.size();) {
        std::size_t end = i + 1;
        if (is_digit(text[i])) {
            while (end < text.size() && is_digit(text[end])) ++end;
            for (const char* other : {"0", "1", "7", "9999", "10000", "32767", "32768", "99999", "999999999", "2147483647", "2147483648", "9223372036854775808", "99999999999999999999", "1.5", "99999999999.0"})
                out.push_back(text.substr(0, i) + other + text.substr(end));
        } else if (text[i] == '\'') {
            end = text.find('\'', i + 1);
            if (end == std::string::npos) break;
            ++end;
            for (const char* other : {"''", "'x'", "'0'", "'99999'", "'99999999999'"}) out.push_back(text.substr(0, i) + other + text.substr(end));
        }
        i = end;
    }
    return out;
}

}  // namespace

TEST_CASE("a statement whose literals do not matter is the same with any others of its shape") {
    std::size_t compared = 0;
    std::vector<std::string> texts;
    for (const auto& [expected, text] : table("where.tsv"))
        if (!text.starts_with("UPDATE ") && !text.starts_with("DELETE ")) texts.push_back("DELETE FROM plain WHERE " + text);
        else texts.push_back(text);
    for (const char* way : {"<", "<=", "=", "<>", ">", ">="})
        for (const char* column : {"id", "small", "big"})
            for (const char* value : {"5", "-5", "40000", "3000000000", "1.5", "'5'", "''"}) texts.push_back("DELETE FROM sized WHERE " + std::string(column) + " " + way + " " + value);
    for (const std::string& text : texts) {
        std::string shape, other_shape;
        if (!text_shape(text, shape)) continue;
        const Analysis analysis = cases::analyze(text);
        if (!analysis.unparsed.empty() || analysis.statements.at(0).literals_matter) continue;
        for (const std::string& other : variants(text)) {
            if (!text_shape(other, other_shape) || other_shape != shape) continue;
            ++compared;
            CHECK_MESSAGE(where_of(cases::analyze(other)) == where_of(analysis), other << " is not as " << text);
        }
    }
    CHECK(compared > 300);
    // What applications send all day must not be analysed each time.
    for (const char* text : {"UPDATE plain SET a = 'x' WHERE id = 17", "DELETE FROM plain WHERE id = 170000 AND a <> 'x'", "DELETE FROM sized WHERE small = 3 AND big > 4"})
        CHECK_MESSAGE(!cases::analyze(text).statements.at(0).literals_matter, text);
    CHECK(cases::analyze("DELETE FROM sized WHERE small < 99999").statements.at(0).literals_matter);
}

TEST_CASE("a WHERE that is true for every row selects nothing") {
    const auto rows = table("where.tsv");
    REQUIRE(rows.size() > 120);
    for (const auto& [expected, text] : rows) {
        const bool whole = text.starts_with("UPDATE ") || text.starts_with("DELETE ") || text.starts_with("WITH ");
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
