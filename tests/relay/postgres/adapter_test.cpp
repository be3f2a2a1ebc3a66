#include <doctest/doctest.h>

#include "scripted_session.hpp"

namespace dbguard::relay::postgres {

using sql::StatementKind;
namespace wp = wire::postgres;

namespace {

const wp::Column text_column{"email", 7, 2, 25, -1, -1, 0};
const wp::Column plain_column{"id", 7, 1, 23, 4, -1, 0};

std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const auto& line : lines) out += line + "\n";
    return out;
}

}  // namespace

TEST_CASE("an allowed query goes on as received, and is recorded before") {
    Conversation talk;
    CHECK(talk.client(q("select 1")).take() == ">F Query \"select 1\"\n");
    CHECK(joined(talk.session.log) == "submit select 1\n");
    talk.server(columns({plain_column}) + row({"1"}) + done("SELECT 1") + ready('T'));
    CHECK(talk.take() == "<B RowDescription \"id\":23@7.1\n<B DataRow \"1\"\n<B CommandComplete \"SELECT 1\"\n<B ReadyForQuery T\n");
    CHECK(talk.session.log.back() == "finish 1 SELECT 1 1");
    CHECK(talk.session.status == 'T');
}

TEST_CASE("cut anywhere, the same comes out") {
    const auto play = [](std::size_t piece) {
        Conversation talk;
        talk.piece = piece;
        talk.session.plans["drop table t"] = ScriptedSession::denied();
        talk.session.plans["select email from t"] = ScriptedSession::make({{StatementKind::other, "", {"email"}}});
        talk.client(q("select email from t") + q("drop table t") + parse("s", "select 1") + bind("", "s") + execute("") + sync);
        talk.server(columns({text_column}) + row({"ann.smith@example.com"}) + row({std::nullopt}) + done("SELECT 2") + ready('I'));
        talk.server(error("42601", "syntax error") + ready('I'));
        talk.server(parse_complete + bind_complete + no_data + done("SELECT 0") + ready('I'));
        return talk.take() + joined(talk.session.log);
    };
    const std::string whole = play(1 << 20);
    CHECK(whole.find("\"a***@e***.com\"") != std::string::npos);
    for (const std::size_t piece : {1, 2, 3, 7, 64}) {
        // What is interleaved differs with the pieces; what each side gets must not.
        const auto side = [](const std::string& all, char mark) {
            std::string out;
            for (std::size_t at = 0; at < all.size();) {
                const auto end = all.find('\n', at);
                if (all[at] == mark) out += all.substr(at, end + 1 - at);
                at = end + 1;
            }
            return out;
        };
        CHECK(side(play(piece), '>') == side(whole, '>'));
        CHECK(side(play(piece), '<') == side(whole, '<'));
    }
}

TEST_CASE("a refused query is replaced by one that the server refuses, and its error by ours") {
    Conversation talk;
    talk.session.plans["drop table t"] = ScriptedSession::denied();
    CHECK(talk.client(q("drop table t")).take() == ">F Query \"dbguard refused this statement\"\n");
    CHECK(joined(talk.session.log) == "reject drop table t: 42501\n");
    talk.server(error("42601", "syntax error at or near \"dbguard\"") + ready('E'));
    CHECK(talk.take() == "<B ErrorResponse S=\"ERROR\" V=\"ERROR\" C=\"42501\" M=\"dbguard: no\" D=\"Rule r#1.\" H=\"Do not.\"\n<B ReadyForQuery E\n");
}

TEST_CASE("a server that carries out what must fail has left the protocol") {
    Conversation talk;
    talk.session.plans["drop table t"] = ScriptedSession::denied();
    talk.client(q("drop table t")).take();
    talk.server(done("DROP TABLE"));
    CHECK(talk.take().find("C=\"08P01\"") != std::string::npos);
    CHECK(talk.adapter.ended());
}

TEST_CASE("after an error the messages up to Sync are forgotten, those behind it are not") {
    Conversation talk;
    talk.session.plans["bad"] = ScriptedSession::denied();
    talk.client(parse("", "bad") + bind("", "") + execute("") + sync + parse("", "good") + describe('S', "") + sync);
    // Bind of a name that will be another, or nothing: it goes on, and the server ignores it. Execute of an unknown portal does not.
    CHECK(talk.take().starts_with(">F Parse \"dbguard refused\" \"dbguard refused this statement\" []\n>F Bind"));
    talk.server(error("42601", "syntax error") + ready('I'));
    CHECK(talk.take() == "<B ErrorResponse S=\"ERROR\" V=\"ERROR\" C=\"42501\" M=\"dbguard: no\" D=\"Rule r#1.\" H=\"Do not.\"\n<B ReadyForQuery I\n");
    talk.server(parse_complete + bytes_of(wp::ParameterDescriptionView{}) + columns({plain_column}) + ready('I'));
    CHECK(talk.take() == "<B ParseComplete\n<B ParameterDescription []\n<B RowDescription \"id\":23@7.1\n<B ReadyForQuery I\n");
}

TEST_CASE("what the server ignores after an error is not sent to it") {
    Conversation talk;
    talk.client(parse("", "select 1"));
    talk.server(error("42601", "no"));
    talk.take();
    CHECK(talk.client(bind("", "") + execute("") + q("select 2") + sync).take() == ">F Sync\n");
    CHECK(talk.server(ready('I')).take() == "<B ReadyForQuery I\n");
}

TEST_CASE("a question is asked before the statement, and nobody else sees it") {
    Conversation talk;
    talk.session.questions["select 1"] = "select names";
    talk.client(q("select 1") + q("select 2"));
    CHECK(talk.take() ==
          ">F Close statement \"OWN\"\n>F Parse \"OWN\" \"select names\" []\n>F Bind \"OWN\" \"OWN\" [] [] []\n>F Execute \"OWN\" 0\n"
          ">F Close portal \"OWN\"\n>F Close statement \"OWN\"\n>F Sync\n");
    CHECK(!talk.adapter.wants_client_bytes());
    talk.server(close_complete + parse_complete + bind_complete + row({"a", std::nullopt}) + done("SELECT 1") + close_complete + close_complete);
    CHECK(talk.take().empty());
    talk.server(ready('I'));
    CHECK(talk.take() == ">F Query \"select 1\"\n>F Query \"select 2\"\n");
    CHECK(joined(talk.session.log) == "answer of a NULL to select names\nsubmit select 1\nsubmit select 2\n");
}

TEST_CASE("what stands around a question is run with it, and what it gives is nobody's") {
    const std::string part = parse_complete + bind_complete;
    const std::string closed = close_complete + close_complete;
    const auto sent = [](const char* sql) {
        return std::string(">F Parse \"OWN\" \"") + sql + "\" []\n>F Bind \"OWN\" \"OWN\" [] [] []\n>F Execute \"OWN\" 0\n>F Close portal \"OWN\"\n>F Close statement \"OWN\"\n";
    };
    Conversation talk;
    talk.session.questions["select 1"] = "select names";
    talk.session.before_question = "select 'before'";
    talk.session.after_question = "select 'after'";
    talk.client(q("select 1"));
    CHECK(talk.take() == ">F Close statement \"OWN\"\n" + sent("select 'before'") + sent("select names") + sent("select 'after'") + ">F Sync\n");
    SUBCASE("") {
        talk.server(close_complete + part + row({"before"}) + done("SELECT 1") + closed + part + row({"a"}) + done("SELECT 1") + closed);
        talk.server(part + row({"after"}) + done("SELECT 1") + closed + ready('I'));
        CHECK(talk.take() == ">F Query \"select 1\"\n");
        CHECK(joined(talk.session.log) == "answer of a to select names\nsubmit select 1\n");
    }
    SUBCASE("it cannot be run: nor is the question") {
        talk.server(close_complete + error("42704", "unrecognized configuration parameter") + ready('I'));
        CHECK(talk.take() == ">F Query \"select 1\"\n");
        CHECK(joined(talk.session.log) == "answer error 42704 of to select names\nsubmit select 1\n");
    }
}

TEST_CASE("a question that fails by what others do at the same time is asked again, some times") {
    Conversation talk;
    talk.session.questions["select 1"] = "select names";
    const auto asked = [](const std::string& sent) { return sent.find(">F Parse \"OWN\" \"select names\"") != std::string::npos && sent.find("<B") == std::string::npos; };
    const std::string failed = close_complete + error("XX000", "cache lookup failed for type 16999");
    SUBCASE("once") {
        CHECK(asked(talk.client(q("select 1")).take()));
        CHECK(asked(talk.server(failed + ready('I')).take()));
        talk.server(close_complete + parse_complete + bind_complete + row({"a"}) + done("SELECT 1") + close_complete + close_complete + ready('I'));
        CHECK(talk.take() == ">F Query \"select 1\"\n");
        CHECK(joined(talk.session.log) == "answer of a to select names\nsubmit select 1\n");
    }
    SUBCASE("for ever") {
        talk.client(q("select 1"));
        for (int i = 0; i < 4; ++i) {
            CHECK(asked(talk.take()));
            talk.server(failed + ready('I'));
        }
        CHECK(talk.take() == ">F Query \"select 1\"\n");
        CHECK(joined(talk.session.log) == "answer error XX000 of to select names\nsubmit select 1\n");
    }
    SUBCASE("another error is its answer") {
        talk.client(q("select 1"));
        talk.take();
        CHECK(talk.server(close_complete + error("42501", "permission denied") + ready('I')).take() == ">F Query \"select 1\"\n");
    }
}

TEST_CASE("in the client's transaction block a question runs behind a savepoint, and a question that fails leaves the block as it was") {
    const auto sent = [](const std::string& sql) {
        return ">F Parse \"OWN\" \"" + sql + "\" []\n>F Bind \"OWN\" \"OWN\" [] [] []\n>F Execute \"OWN\" 0\n>F Close portal \"OWN\"\n>F Close statement \"OWN\"\n";
    };
    const auto ran = [](const char* tag) { return parse_complete + bind_complete + done(tag) + close_complete + close_complete; };
    const std::string close = ">F Close statement \"OWN\"\n";
    const std::string close_both = ">F Close portal \"OWN\"\n" + close;
    const std::string back = sent("ROLLBACK TO SAVEPOINT dbguard") + sent("RELEASE SAVEPOINT dbguard") + ">F Sync\n";
    const std::string asked = close + sent("SAVEPOINT dbguard") + sent("select names") + back;
    const std::string is_back = ran("ROLLBACK") + ran("RELEASE") + ready('T');
    const std::string answered = close_complete + ran("SAVEPOINT") + parse_complete + bind_complete + row({"a"}) + done("SELECT 1") + close_complete + close_complete + is_back;
    const std::string failed = close_complete + ran("SAVEPOINT") + error("40P01", "deadlock detected") + ready('E');

    Conversation talk;
    talk.client(q("begin")).server(done("BEGIN") + ready('T')).take();
    talk.session.questions["select 1"] = "select names";
    SUBCASE("it is answered") {
        CHECK(talk.client(q("select 1")).take() == asked);
        CHECK(talk.server(answered).take() == ">F Query \"select 1\"\n");
        CHECK(joined(talk.session.log).ends_with("answer of a to select names\nsubmit select 1\n"));
    }
    SUBCASE("it fails, and is asked again") {
        talk.client(q("select 1")).take();
        CHECK(talk.server(failed).take() == close_both + back);
        CHECK(talk.session.status == 'T');   // nobody learns of it
        CHECK(talk.server(close_complete + close_complete + is_back).take() == asked);
        CHECK(talk.server(answered).take() == ">F Query \"select 1\"\n");
        CHECK(talk.session.log.back() == "submit select 1");
    }
    SUBCASE("it fails in a way that will not pass") {
        talk.client(q("select 1")).take();
        CHECK(talk.server(close_complete + ran("SAVEPOINT") + error("42501", "permission denied") + ready('E')).take() == close_both + back);
        CHECK(talk.server(close_complete + close_complete + is_back).take() == ">F Query \"select 1\"\n");
        CHECK(joined(talk.session.log).find("answer error 42501 of to select names\n") != std::string::npos);
        CHECK(talk.session.status == 'T');
    }
    SUBCASE("nor can the block be brought back: then it has failed") {
        talk.client(q("select 1")).take();
        talk.server(failed).take();
        CHECK(talk.server(error("25P02", "current transaction is aborted") + ready('E')).take() == ">F Query \"select 1\"\n");
        CHECK(talk.session.status == 'E');
    }
    SUBCASE("the savepoint itself fails: nothing is rolled back to it, for it would be one of the client's") {
        talk.client(q("select 1")).take();
        CHECK(talk.server(close_complete + parse_complete + bind_complete + error("53200", "out of memory") + ready('E')).take() == ">F Query \"select 1\"\n");
        CHECK(talk.session.status == 'E');
    }
    SUBCASE("it is cancelled: so is the statement that waits for it, and no other") {
        talk.client(q("select 1")).take();
        CHECK(talk.server(close_complete + ran("SAVEPOINT") + error("57014", "canceling statement due to user request") + ready('E')).take() == close_both + back);
        CHECK(talk.server(close_complete + close_complete + is_back).take() == ">F Query \"dbguard refused this statement\"\n");
        CHECK(talk.server(error("42601", "syntax error") + ready('E')).take() == "<B ErrorResponse S=\"ERROR\" V=\"ERROR\" C=\"57014\" M=\"canceling statement due to user request\"\n<B ReadyForQuery E\n");
        CHECK(talk.client(q("rollback")).take() == ">F Query \"rollback\"\n");
    }
    SUBCASE("the types of a COPY are asked for in the same way") {
        talk.session.questions.clear();
        talk.session.plans["copy t to stdout"] = ScriptedSession::make({{StatementKind::copy_out, "", {"null"}}});
        const std::string described = ">F Parse \"OWN\" \"SELECT * FROM  t\" []\n>F Describe statement \"OWN\"\n>F Close statement \"OWN\"\n";
        CHECK(talk.client(q("copy t to stdout")).take() == close + sent("SAVEPOINT dbguard") + described + back);
        CHECK(talk.server(close_complete + ran("SAVEPOINT") + error("42P01", "no such relation") + ready('E')).take() == close_both + back);
        CHECK(talk.server(close_complete + close_complete + is_back).take() == ">F Query \"copy t to stdout\"\n");
    }
    SUBCASE("not where something is on its way, which may end the block") {
        talk.client(q("commit")).take();
        CHECK(talk.client(q("select 1")).take().find("SAVEPOINT") == std::string::npos);
    }
    SUBCASE("nor in an open pipeline") {
        talk.client(parse("", "commit") + bind("", "") + execute("")).take();
        talk.server(parse_complete + bind_complete + no_data + done("COMMIT")).take();
        CHECK(talk.client(parse("", "select 1")).take().find("SAVEPOINT") == std::string::npos);
    }
}

TEST_CASE("inside a client's pipeline a question is flushed, not synced") {
    Conversation talk;
    talk.session.questions["select 2"] = "select names";
    talk.client(parse("", "select 1") + bind("", "") + execute("") + parse("", "select 2") + sync);
    const std::string sent = talk.take();
    CHECK(sent.find("Flush") != std::string::npos);
    CHECK(sent.find("Sync") == std::string::npos);
    talk.server(parse_complete + bind_complete + no_data + done("SELECT 0"));
    talk.server(close_complete + parse_complete + bind_complete + done("SELECT 0") + close_complete + close_complete);
    CHECK(talk.take() == "<B ParseComplete\n<B BindComplete\n<B CommandComplete \"SELECT 0\"\n>F Parse \"\" \"select 2\" []\n>F Sync\n");
}

TEST_CASE("an error before a question takes the question with it") {
    Conversation talk;
    talk.session.questions["select 2"] = "select names";
    talk.client(parse("", "select nonsense") + parse("", "select 2") + sync);
    talk.take();
    talk.server(error("42703", "no such column"));
    CHECK(talk.take() == ">F Sync\n<B ErrorResponse S=\"ERROR\" V=\"ERROR\" C=\"42703\" M=\"no such column\"\n");
    CHECK(talk.session.log.back() == "answer error 25P02 of to select names");
    CHECK(talk.server(ready('I')).take() == "<B ReadyForQuery I\n");
}

TEST_CASE("nothing is asked in a failed transaction") {
    Conversation talk;
    talk.client(q("begin")).server(done("BEGIN") + ready('E')).take();
    talk.session.questions["select 1"] = "select names";
    CHECK(talk.client(q("select 1")).take() == ">F Query \"select 1\"\n");
    CHECK(talk.session.log[2] == "answer error 25P02 of to select names");
}

TEST_CASE("the server's own error answers what does not parse") {
    Conversation talk;
    talk.session.plans["selec 1"] = ScriptedSession::denied(true);
    talk.client(q("selec 1"));
    CHECK(talk.take() == ">F Close statement \"OWN\"\n>F Parse \"OWN\" \"selec 1\" []\n>F Close statement \"OWN\"\n>F Sync\n");
    talk.server(close_complete + error("42601", "syntax error") + ready('E'));
    CHECK(talk.take() == "<B ErrorResponse S=\"ERROR\" V=\"ERROR\" C=\"42601\" M=\"syntax error\"\n<B ReadyForQuery E\n");
    CHECK(talk.client(q("select 1")).take() == ">F Query \"select 1\"\n");
}

TEST_CASE("what the server can parse is refused all the same") {
    Conversation talk;
    talk.session.plans["odd"] = ScriptedSession::denied(true);
    talk.client(q("odd")).take();
    talk.server(close_complete + parse_complete + close_complete + ready('I'));
    CHECK(talk.take() == ">F Query \"dbguard refused this statement\"\n");
    talk.session.log.clear();
    talk.client(q("select 1"));
    talk.server(error("42601", "syntax error") + ready('I'));
    CHECK(talk.take().find("C=\"42501\"") != std::string::npos);
}

TEST_CASE("masks: the plan's, the origin's, both, in text and binary, in place and rebuilt") {
    Conversation talk;
    talk.session.plans["t"] = ScriptedSession::make({{StatementKind::other, "", {"", "last(4)", ""}}});
    talk.session.sensitive[{9, 3}] = *masking::parse_mask("redact");
    const wp::Column phone{"phone", 0, 0, 25, -1, -1, 1}, note{"note", 9, 3, 25, -1, -1, 0}, id{"id", 9, 1, 23, 4, -1, 0};
    talk.client(q("t")).take();
    talk.server(columns({id, phone, note}) + row({"1", "555-123-4567", "secret"}) + row({"2", std::nullopt, std::nullopt}) + done("SELECT 2") + ready('I'));
    const std::string shown = talk.take();
    CHECK(shown.find("<B DataRow \"1\" \"***-***-4567\" \"***\"\n<B DataRow \"2\" NULL NULL\n") != std::string::npos);
    CHECK(joined(talk.session.log).find("columns 1 id phone:last(4) note:redact\n") != std::string::npos);
}

TEST_CASE("when the columns are not those that were planned, nothing is shown") {
    Conversation talk;
    talk.session.plans["t"] = ScriptedSession::make({{StatementKind::other, "", {""}}});
    talk.client(q("t")).take();
    talk.server(columns({plain_column, text_column}) + row({"1", "x"}) + done("SELECT 1") + ready('I'));
    CHECK(talk.take().find("<B DataRow NULL NULL\n") != std::string::npos);
}

TEST_CASE("a column of a relation that nobody knows is not shown") {
    Conversation talk;
    talk.client(q("t")).take();
    talk.server(columns({wp::Column{"a", 666, 1, 25, -1, -1, 0}, plain_column}) + row({"x", "1"}) + done("SELECT 1") + ready('I'));
    CHECK(talk.take().find("<B DataRow NULL \"1\"\n") != std::string::npos);
}

TEST_CASE("EXECUTE and FETCH get the masks of what the name stands for") {
    Conversation talk;
    talk.session.plans["prepare p as t"] = ScriptedSession::make({{StatementKind::prepare, "p", {"last(4)"}}});
    talk.session.plans["execute p"] = ScriptedSession::make({{StatementKind::execute, "p", {}}});
    talk.session.plans["execute unknown"] = ScriptedSession::make({{StatementKind::execute, "unknown", {}}});
    talk.client(q("prepare p as t")).server(done("PREPARE") + ready('I')).take();
    talk.client(q("execute p")).take();
    talk.server(columns({text_column}) + row({"123456789"}) + done("SELECT 1") + ready('I'));
    CHECK(talk.take().find("<B DataRow \"*****6789\"\n") != std::string::npos);
    talk.client(q("execute unknown")).take();
    talk.server(columns({text_column}) + row({"123456789"}) + done("SELECT 1") + ready('I'));
    CHECK(talk.take().find("<B DataRow NULL\n") != std::string::npos);
}

TEST_CASE("a name takes its new meaning when the server says so, and not before") {
    Conversation talk;
    talk.session.plans["masked"] = ScriptedSession::make({{StatementKind::other, "", {"null"}}});
    talk.client(parse("s", "masked") + sync).server(parse_complete + ready('I')).take();
    // The server refuses the second Parse: `s` is still the masked one.
    talk.client(parse("s", "open") + sync + bind("", "s") + describe('P', "") + execute("") + sync).take();
    talk.server(error("42P05", "exists") + ready('I'));
    talk.server(bind_complete + columns({text_column}) + row({"x"}) + done("SELECT 1") + ready('I'));
    CHECK(talk.take().find("<B DataRow NULL\n") != std::string::npos);
}

TEST_CASE("a portal that the client does not describe is described for dbguard") {
    Conversation talk;
    talk.session.plans["t"] = ScriptedSession::make({{StatementKind::other, "", {"last(4)"}}});
    talk.client(parse("", "t") + bind("", "") + execute("") + sync);
    CHECK(talk.take().find(">F Describe portal \"\"\n>F Execute \"\" 0\n") != std::string::npos);
    talk.server(parse_complete + bind_complete + columns({text_column}) + row({"123456789"}) + done("SELECT 1") + ready('I'));
    CHECK(talk.take() == "<B ParseComplete\n<B BindComplete\n<B DataRow \"*****6789\"\n<B CommandComplete \"SELECT 1\"\n<B ReadyForQuery I\n");
}

TEST_CASE("texts of errors lose their values while a statement that can touch masked columns runs, until its transaction ends") {
    Conversation talk;
    talk.session.plans["t"] = ScriptedSession::make({{StatementKind::other, "", {}, false}}, true);
    talk.client(q("t")).take();
    talk.server(done("INSERT 0 1") + ready('T')).take();
    talk.client(q("commit")).take();
    talk.server(error("23505", "duplicate key value \"secret\"", "Key (email)=(secret) exists.") + ready('I'));
    const std::string shown = talk.take();
    CHECK(shown.find("secret") == std::string::npos);
    CHECK(shown.find("C=\"23505\"") != std::string::npos);
    talk.client(q("select 1")).take();
    CHECK(talk.server(error("22P02", "invalid: \"mine\"") + ready('I')).take().find("mine") != std::string::npos);
}

TEST_CASE("a limit on rows stops the statement; the client sees an error and its transaction fails") {
    Conversation talk;
    talk.session.max_rows = 1;
    talk.client(q("t")).take();
    talk.server(columns({plain_column}) + row({"1"}) + row({"2"}) + row({"3"}));
    CHECK(talk.take() == "<B RowDescription \"id\":23@7.1\n<B DataRow \"1\"\n");
    CHECK(talk.adapter.take_cancel());
    CHECK(!talk.adapter.take_cancel());
    CHECK(!talk.adapter.wants_client_bytes());
    talk.adapter.cancel_sent(talk.now, talk.output);
    CHECK(talk.adapter.wants_client_bytes());
    talk.server(error("57014", "canceling statement due to user request") + ready('E'));
    CHECK(talk.take() == "<B ErrorResponse S=\"ERROR\" V=\"ERROR\" C=\"54000\" M=\"dbguard: too many rows\"\n<B ReadyForQuery E\n");
}

TEST_CASE("a statement that ended before it could be stopped fails for the client, and its transaction with it") {
    Conversation talk;
    talk.session.max_rows = 1;
    talk.client(q("t")).take();
    talk.server(columns({plain_column}) + row({"1"}) + row({"2"}) + done("SELECT 2") + ready('T'));
    CHECK(talk.take() ==
          ">F Query \"dbguard refused this statement\"\n<B RowDescription \"id\":23@7.1\n<B DataRow \"1\"\n"
          "<B ErrorResponse S=\"ERROR\" V=\"ERROR\" C=\"54000\" M=\"dbguard: too many rows\"\n");
    CHECK(!talk.adapter.take_cancel());
    talk.client(q("next"));
    CHECK(talk.take().empty());
    talk.server(error("42601", "syntax error") + ready('E'));
    CHECK(talk.take() == ">F Query \"next\"\n<B ReadyForQuery E\n");
}

namespace {

/// A statement of which so many rows may be changed.
PlanRef counted_plan(std::uint64_t rows) {
    Plan plan = *ScriptedSession::open_plan();
    plan.statements[0].decision.max_affected = rows;
    plan.statements[0].decision.max_affected_reason = "too many";
    return std::make_shared<const Plan>(std::move(plan));
}

/// The answer to a question about the tables, as rows.
std::string counters(std::string_view rows) {
    return row({"0", "on", std::nullopt, "0"}) + row({"17000", "public", "items", rows});
}
std::string counters_in_pipeline(std::string_view rows) {
    return close_complete + parse_complete + bind_complete + counters(rows) + done("SELECT 2") + close_complete + close_complete;
}

/// How often the trace holds it.
std::size_t times(std::string_view trace, std::string_view what) {
    std::size_t count = 0;
    for (std::size_t at = trace.find(what); at != std::string_view::npos; at = trace.find(what, at + 1)) ++count;
    return count;
}

}  // namespace

TEST_CASE("a counted Query waits for what the server says of all tables, and is undone where that is too much") {
    for (const auto& [after, status, end] : {std::tuple{"57", 'I', "COMMIT"}, {"58", 'I', "ROLLBACK"}, {"57", 'T', ""}, {"58", 'T', ""}}) {
        Conversation talk;
        const bool fits = std::string_view(after) == "57";
        if (status == 'T') talk.client(q("begin")).server(done("BEGIN") + ready('T'));
        talk.session.plans["delete"] = counted_plan(7);
        talk.take();
        talk.client(q("delete"));
        const std::string sent = talk.take();
        CHECK(times(sent, ">F Query \"BEGIN\"") == (status == 'I' ? 1 : 0));
        CHECK(times(sent, "pg_stat_get_xact_tuples_deleted") == 1);
        CHECK(sent.ends_with(">F Query \"delete\"\n"));
        if (status == 'I') talk.server(done("BEGIN") + ready('T'));
        talk.server(columns({plain_column}) + counters("50") + done("SELECT 2") + ready('T'));
        CHECK(talk.take().empty());
        talk.server(done("DELETE 1") + ready('T'));
        CHECK(times(talk.take(), "pg_stat_get_xact_tuples_deleted") == 1);
        talk.server(columns({plain_column}) + counters(after) + done("SELECT 2") + ready('T'));
        const std::string told = "<B ErrorResponse S=\"ERROR\" V=\"ERROR\" C=\"42501\" M=\"dbguard: too many (changed: public.items 8)\" D=\"Rule .\"\n";
        if (status == 'I') {
            CHECK(talk.take() == ">F Query \"" + std::string(end) + "\"\n" + (fits ? "" : told));
            talk.server(done(end) + ready('I'));
            CHECK(talk.take() == (fits ? "<B CommandComplete \"DELETE 1\"\n<B ReadyForQuery I\n" : "<B ReadyForQuery I\n"));
        } else if (fits) {
            CHECK(talk.take() == "<B CommandComplete \"DELETE 1\"\n<B ReadyForQuery T\n");
        } else {
            CHECK(talk.take() == ">F Query \"dbguard refused this statement\"\n" + told);
            talk.server(error("42601", "syntax error") + ready('E'));
            CHECK(talk.take() == "<B ReadyForQuery E\n");
        }
        const std::string number = status == 'I' ? "1" : "2";
        CHECK(talk.session.log.back() == (fits ? "finish " + number + " DELETE 1 0" : "fail " + number + " 42501"));
        CHECK(talk.adapter.idle());
    }
}

TEST_CASE("a counted Execute is counted also where one before it was ended by a limit") {
    for (const bool limited : {false, true}) {
        Conversation talk;
        talk.session.plans["delete"] = counted_plan(7);
        if (limited) talk.session.max_rows = 0;
        talk.client(parse("", "select") + bind("", "") + describe('P', "") + execute("") + parse("", "delete") + bind("", "") + describe('P', "") + execute("") + sync).take();
        CHECK(!talk.adapter.wants_client_bytes());
        talk.server(parse_complete + bind_complete + columns({plain_column}) + row({"1"}) + done("SELECT 1")).take();
        talk.server(parse_complete + bind_complete + no_data + counters_in_pipeline("50") + done("DELETE 1") + counters_in_pipeline("58"));
        // The client hears of the first error only.
        const std::string told = talk.take();
        CHECK(times(told, "<B ErrorResponse") == (limited ? 0 : 1));
        CHECK(times(told, "CommandComplete") == 0);
        CHECK(times(told, ">F Parse \"dbguard refused\"") == 1);
        talk.server(error("42601", "syntax error"));
        CHECK(talk.take() == ">F Sync\n");
        talk.server(ready('I'));
        CHECK(talk.take() == "<B ReadyForQuery I\n");
        CHECK(talk.session.log.back() == "fail 2 42501");
        CHECK(talk.adapter.idle());
    }
}

TEST_CASE("a limit that cuts says so") {
    Conversation talk;
    talk.session.max_rows = 1;
    talk.session.over = RowVerdict::cut;
    talk.client(q("t")).take();
    talk.server(columns({plain_column}) + row({"1"}) + row({"2"}) + done("SELECT 2") + ready('I'));
    CHECK(talk.take() ==
          "<B RowDescription \"id\":23@7.1\n<B DataRow \"1\"\n<B NoticeResponse S=\"WARNING\" V=\"WARNING\" C=\"54000\" M=\"dbguard: too many rows\"\n"
          "<B CommandComplete \"SELECT 2\"\n<B ReadyForQuery I\n");
}

TEST_CASE("a limit on time") {
    Conversation talk;
    talk.session.time_limit = std::chrono::seconds(5);
    CHECK(!talk.adapter.deadline());
    talk.client(parse("", "t") + bind("", "") + describe('P', "") + execute("") + sync).take();
    REQUIRE(talk.adapter.deadline());
    CHECK(*talk.adapter.deadline() == talk.now + std::chrono::seconds(5));
    talk.adapter.expire(talk.now + std::chrono::seconds(4), talk.output);
    CHECK(!talk.adapter.take_cancel());
    talk.adapter.expire(talk.now + std::chrono::seconds(5), talk.output);
    CHECK(talk.adapter.take_cancel());
    talk.server(parse_complete + bind_complete + columns({plain_column}) + error("57014", "canceling"));
    CHECK(talk.take().find("took longer") != std::string::npos);
}

TEST_CASE("rows are shown to who records them as the client sees them") {
    Conversation talk;
    talk.session.rows_wanted = true;
    talk.session.plans["t"] = ScriptedSession::make({{StatementKind::other, "", {"", "last(4)"}}});
    talk.client(q("t")).take();
    talk.server(columns({plain_column, text_column}) + row({"1", "123456789"}) + row({std::nullopt, "ab"}) + done("SELECT 2") + ready('I'));
    CHECK(joined(talk.session.log) == "submit t\ncolumns 1 id email:last(4)\nrow 1 1 *****6789\nrow 1 NULL **\nfinish 1 SELECT 2 2\n");
}

TEST_CASE("a value longer than anything that is held streams through when it has no mask") {
    AdapterLimits limits;
    limits.max_masked_row_bytes = 1000;
    limits.max_statement_bytes = 1000;
    limits.whole_bind_bytes = 100;
    Conversation talk(limits);
    const std::string large(100'000, 'x');
    talk.client(q("t")).take();
    talk.piece = 4096;
    talk.server(columns({plain_column}) + row({large}) + done("SELECT 1") + ready('I'));
    CHECK(talk.take().find("CommandComplete") != std::string::npos);
    const wp::ValueView values[] = {large};
    talk.client(parse("", "t") + relay::postgres::bind("", "", values) + execute("") + sync);
    CHECK(talk.take().find(">F Describe portal \"\"\n>F Execute") != std::string::npos);
    talk.server(parse_complete + bind_complete + columns({plain_column}) + row({large}) + done("SELECT 1") + ready('I'));
    CHECK(talk.take().find("CommandComplete") != std::string::npos);
    CHECK(talk.client(q(large)).take() == ">F Query \"dbguard refused this statement\"\n");
}

TEST_CASE("a masked row that is too long ends its statement") {
    AdapterLimits limits;
    limits.max_masked_row_bytes = 1000;
    Conversation talk(limits);
    talk.session.plans["t"] = ScriptedSession::make({{StatementKind::other, "", {"redact"}}});
    talk.client(q("t")).take();
    talk.piece = 100;
    talk.server(columns({text_column}) + row({std::string(5000, 'x')}) + done("SELECT 1") + ready('I'));
    const std::string shown = talk.take();
    CHECK(shown.find("xxx") == std::string::npos);
    CHECK(shown.find("C=\"54000\"") != std::string::npos);
    CHECK(shown.ends_with("<B ReadyForQuery I\n"));
}

TEST_CASE("a Sync behind a COPY waits until it is known who reads it") {
    Conversation talk;
    talk.session.plans["copy t from stdin"] = ScriptedSession::open_plan(StatementKind::copy_in);
    talk.client(parse("", "copy t from stdin") + bind("", "") + describe('P', "") + execute("") + sync);
    CHECK(talk.take().find("Sync") == std::string::npos);
    std::string copy_in;
    ByteWriter writer(copy_in);
    REQUIRE(wp::encode(wp::CopyInResponseView{}, writer).has_value());
    talk.server(parse_complete + bind_complete + no_data + copy_in);
    CHECK(talk.take().find("Sync") == std::string::npos);  // the server would ignore it
    talk.client(bytes_of(wp::CopyDataView{"1\n"}) + bytes_of(wp::CopyDone{}) + sync);
    CHECK(talk.take() == ">F CopyData \"1\\n\"\n>F CopyDone\n>F Sync\n");
    talk.server(done("COPY 1") + ready('I'));
    CHECK(talk.take() == "<B CommandComplete \"COPY 1\"\n<B ReadyForQuery I\n");
}

TEST_CASE("a client that sends more than is kept account of is read on when answers have come") {
    AdapterLimits limits;
    limits.max_pending = 4;
    Conversation talk(limits);
    talk.client(q("1") + q("2") + q("3") + q("4") + q("5") + q("6"));
    CHECK(talk.take() == ">F Query \"1\"\n>F Query \"2\"\n>F Query \"3\"\n>F Query \"4\"\n");
    CHECK(!talk.adapter.wants_client_bytes());
    talk.server(done("A") + ready('I'));
    CHECK(talk.take() == "<B CommandComplete \"A\"\n<B ReadyForQuery I\n");
    talk.server(done("B") + ready('I'));
    CHECK(talk.take() == ">F Query \"5\"\n>F Query \"6\"\n<B CommandComplete \"B\"\n<B ReadyForQuery I\n");
    CHECK(!talk.adapter.ended());

    // While a cancel is on its way nothing new runs, whatever is answered.
    talk.client(q("7"));
    talk.session.time_limit = std::chrono::seconds(5);
    talk.adapter.expire(talk.now + std::chrono::seconds(5), talk.output);
    CHECK(talk.adapter.take_cancel());
    talk.take();
    talk.server(error("57014", "canceling") + ready('I') + done("D") + ready('I') + done("E") + ready('I'));
    CHECK(talk.take().find(">F Query") == std::string::npos);
    talk.adapter.cancel_sent(talk.now, talk.output);
    CHECK(talk.drain().take() == ">F Query \"7\"\n");
}

TEST_CASE("messages that nobody asked for end the session") {
    for (const std::string& message : {row({"1"}), done("SELECT 1"), parse_complete, ready('I'), columns({plain_column}), error("42601", "x")}) {
        Conversation talk;
        CHECK(talk.server(message).take().find("<B ErrorResponse S=\"FATAL\" V=\"FATAL\" C=\"08P01\"") != std::string::npos);
        CHECK(talk.adapter.ended());
    }
}

TEST_CASE("a session at rest keeps nothing") {
    Conversation talk;
    talk.client(q(std::string(100'000, ' ') + "select 1"));
    talk.server(columns({plain_column}) + row({"1"}) + done("SELECT 1") + ready('I'));
    CHECK(talk.adapter.idle());
    CHECK(sizeof(Adapter) < 1500);
}

}  // namespace dbguard::relay::postgres
