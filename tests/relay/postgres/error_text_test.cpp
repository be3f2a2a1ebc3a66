#include "relay/postgres/error_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
namespace field = wp::error_field;

namespace {

wp::ErrorFields shown(const std::vector<std::pair<char, std::string>>& fields, bool runs_code, bool text_runs_code) {
    std::string raw;
    for (const auto& [code, value] : fields) raw += std::string(1, code) + value + '\0';
    return without_values(wp::ErrorFieldsView{raw}, runs_code, text_runs_code);
}

wp::ErrorFields shown(const std::vector<std::pair<char, std::string>>& fields, bool runs_code) { return shown(fields, runs_code, runs_code); }

}  // namespace

TEST_CASE("values in errors of rows do not go on, names do") {
    const auto out = shown({{'S', "ERROR"}, {'V', "ERROR"}, {'C', "23505"}, {'M', "duplicate key value violates unique constraint \"k\""}, {'D', "Key (email)=(ann@example.com) already exists."}, {'W', "SQL statement \"… ann …\""}, {'q', "select ann"}, {'s', "public"}, {'t', "people"}, {'n', "k"}}, false);
    CHECK(out.text().find("ann") == std::string::npos);
    CHECK(out.get(field::message) == "duplicate key value violates a unique constraint");
    CHECK(out.get(field::detail).empty());
    CHECK(out.get(field::where).empty());
    CHECK(out.get(field::internal_query).empty());
    CHECK(out.get(field::table) == "people");
    CHECK(out.get(field::constraint) == "k");
}

TEST_CASE("what the parser says stays as it is") {
    const auto out = shown({{'S', "ERROR"}, {'C', "42703"}, {'M', "column \"nmae\" does not exist"}, {'H', "Perhaps you meant \"name\"."}, {'P', "8"}}, false);
    CHECK(out.get(field::message) == "column \"nmae\" does not exist");
    CHECK(out.get(field::hint) == "Perhaps you meant \"name\".");
    CHECK(out.get(field::position) == "8");
}

TEST_CASE("a syntax error that a function met in a value has no position") {
    const auto out = shown({{'S', "ERROR"}, {'C', "42601"}, {'M', "syntax error in tsquery: \"ann@example.com\""}}, false);
    CHECK(out.get(field::message) == "syntax error");
}

TEST_CASE("code may raise anything under any name") {
    const auto out = shown({{'S', "ERROR"}, {'C', "ANN12"}, {'M', "ann"}, {'t', "ann"}, {'c', "ann"}, {'P', "1"}}, true);
    CHECK(out.sqlstate() == "P0001");
    CHECK(out.get(field::message) == "a function raised an exception");
    CHECK(out.get(field::table).empty());
    CHECK(out.get(field::column).empty());
}

TEST_CASE("a sentence that names a constraint goes on when the server's own routine says it, the values in its detail do not") {
    for (const auto& [code, routine] : {std::pair{"23505", "_bt_check_unique"}, {"23503", "ri_ReportViolation"}, {"23502", "ExecConstraints"}, {"2BP01", "reportDependentObjects"}}) {
        CAPTURE(routine);
        const auto out = shown({{'S', "ERROR"}, {'C', code}, {'M', "about \"k\""}, {'D', "Key (email)=(ann)"}, {'R', routine}}, false);
        CHECK(out.get(field::message) == "about \"k\"");
        CHECK(out.get(field::detail).empty());
        CHECK(shown({{'S', "ERROR"}, {'C', code}, {'M', "about \"ann\""}, {'R', routine}}, true).text().find("ann") == std::string::npos);
    }
    CHECK(shown({{'C', "22P02"}, {'M', "invalid input syntax for type integer: \"ann\""}, {'R', "_bt_check_unique"}}, false).get(field::message) == general_message("22P02"));
    CHECK(shown({{'C', "23505"}, {'M', "ann"}, {'R', "exec_stmt_raise"}}, false).get(field::message) == general_message("23505"));
}

TEST_CASE("fixed sentences go on whatever ran: drivers prepare again, people see which timeout it was") {
    const auto cached = shown({{'C', "0A000"}, {'M', "cached plan must not change result type"}, {'F', "plancache.c"}, {'R', "RevalidateCachedQuery"}}, true);
    CHECK(cached.sqlstate() == "0A000");
    CHECK(cached.get(field::message) == "cached plan must not change result type");
    CHECK(shown({{'C', "57014"}, {'M', "canceling statement due to statement timeout"}, {'R', "ProcessInterrupts"}}, true).get(field::message) == "canceling statement due to statement timeout");
    const auto raised = shown({{'C', "0A000"}, {'M', "ann"}, {'F', "pl_exec.c"}, {'R', "exec_stmt_raise"}}, true);
    CHECK(raised.sqlstate() == "P0001");
    CHECK(raised.get(field::message) == general_message("P0001"));
}

TEST_CASE("what the parser says of a call stays as it is, what it says of a function's own text does not") {
    const auto call = shown({{'C', "42883"}, {'M', "function total(integer, integer) does not exist"}, {'H', "No function matches"}, {'P', "8"}, {'R', "ParseFuncOrColumn"}}, true);
    CHECK(call.get(field::message) == "function total(integer, integer) does not exist");
    CHECK(call.get(field::position) == "8");
    const auto inner = shown({{'C', "42883"}, {'M', "function ann() does not exist"}, {'p', "8"}, {'q', "select ann()"}, {'R', "ParseFuncOrColumn"}}, true);
    CHECK(inner.get(field::message) == general_message("42883"));
    CHECK(inner.get(field::internal_query).empty());
}

TEST_CASE("what is said of a statement before any of it is done goes on whole; said of the text of a function it does not") {
    const auto insert = [](bool text_runs_code, std::initializer_list<std::pair<char, std::string>> more) {
        std::vector<std::pair<char, std::string>> fields = {{'C', "42601"}, {'M', "INSERT has more expressions than target columns"}, {'D', "a detail"}, {'R', "transformInsertRow"}};
        fields.insert(fields.end(), more);
        return shown(fields, true, text_runs_code);
    };
    for (const bool calls : {false, true}) {
        CHECK(insert(calls, {{'P', "45"}}).get(field::message) == "INSERT has more expressions than target columns");
        CHECK(insert(calls, {{'P', "45"}}).get(field::detail) == "a detail");
        CHECK(insert(calls, {{'W', "PL/pgSQL function f() line 1"}}).get(field::message) == general_message("42601"));
        CHECK(insert(calls, {{'p', "45"}, {'q', "insert …"}}).get(field::message) == general_message("42601"));
    }
}

TEST_CASE("triggers do not run while a text is parsed, functions that it calls may") {
    const auto given = [](bool text_runs_code, std::string where) { return shown({{'C', "22P02"}, {'M', "invalid input syntax for type integer: \"x\""}, {'P', "9"}, {'W', std::move(where)}, {'R', "pg_strtoint32"}}, true, text_runs_code); };
    CHECK(given(false, "").get(field::message) == "invalid input syntax for type integer: \"x\"");
    CHECK(given(false, "PL/pgSQL function f() line 1").get(field::message) == general_message("22P02"));
    CHECK(given(true, "").get(field::message) == general_message("22P02"));
    CHECK(shown({{'C', "23505"}, {'M', "about \"k\""}, {'D', "Key (email)=(ann)"}, {'R', "_bt_check_unique"}}, true, false).get(field::message) == "about \"k\"");
}

TEST_CASE("every SQLSTATE has words") {
    CHECK(general_message("22012") == "division by zero");
    CHECK(general_message("22999") == "a value does not fit");
    CHECK(general_message("QQ000") == "the server reports an error");
    CHECK(general_message("") == "the server reports an error");
}

}  // namespace dbguard::relay::postgres
