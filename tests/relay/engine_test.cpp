// The engine of a session against a scripted server: what it asks, what it makes of the answers, and when it asks again.

#include "relay/engine.hpp"

#include <doctest/doctest.h>

#include <chrono>

#include "catalogue/postgres.hpp"
#include "policy/load.hpp"
#include "relay/postgres/language.hpp"

using namespace dbguard;
using namespace dbguard::relay;
using namespace std::chrono_literals;

namespace {

using Clock = Session::Clock;
const Clock::time_point start{std::chrono::milliseconds(1795183387114)};

std::shared_ptr<const policy::Policy> policy_with(const std::string& role, const std::string& top = "") {
    auto loaded = policy::load(
        "dbguard: 1\npolicy: p\n" + top + "identities:\n  ci: { issuer: \"https://i.example\", audience: a, claims: { repository_id: \"1\" } }\ndatabases:\n  d: { engine: postgres }\nroles:\n  r:\n    for: ci\n    databases: d\n    login: app\n" + role +
            "masks:\n  pii:\n    columns:\n      - { column: public.customers.email, with: email }\n    filter: equality\n",
        "test.yaml"
    );
    std::string problems;
    for (const auto& problem : loaded.problems) problems += policy::text(problem) + "\n";
    REQUIRE_MESSAGE(loaded.policy.has_value(), problems);
    return std::make_shared<const policy::Policy>(std::move(*loaded.policy));
}

const std::string masked_reader = "    rules:\n      - allow: [read, tx, session.set, write, ddl]\n    masks: pii\n";

/// Answers as a server with two tables would, and counts what it was asked.
struct Server {
    std::string next_transaction = "700:700:";
    std::optional<std::string> jit = "off";
    std::string digest = "d1";
    std::string path = "{pg_catalog,public}";
    std::string refuses;   ///< which of state, digest, load it answers with an error
    int states = 0, digests = 0, loads = 0;

    using Row = std::vector<std::optional<std::string>>;
    static Row row(std::vector<std::optional<std::string>> cells) {
        cells.resize(13);
        return cells;
    }
    static Row relation(const char* id, const char* schema, const char* name) { return row({"R", id, schema, name, "r", "false", std::nullopt, std::nullopt, std::nullopt, "false"}); }
    /// Two columns of type text.
    static Row columns(const char* relation, const char* names) { return row({"C", relation, "{1,2}", names, "{25,25}", "{-1,-1}", "{f,f}", "{f,f}", "{NULL,NULL}", "{NULL,NULL}"}); }

    Answer answer(const std::string& sql) {
        using namespace catalogue::postgres;
        const bool state = sql == state_query(), is_digest = sql == digest_query(), load = sql == load_query();
        states += state;
        digests += is_digest;
        loads += load;
        const std::string what = state ? "state" : is_digest ? "digest" : load ? "load" : "function";
        if (what == refuses) return {{}, "57014"};
        if (state) return {{{path, std::nullopt, "shop", "app", "16384", next_transaction, jit}}, ""};
        if (is_digest) return {{{digest}}, ""};
        if (load)
            return {{relation("16400", "public", "customers"), columns("16400", "{id,email}"), relation("16410", "public", "orders"), columns("16410", "{id,note}")}, ""};
        return {{{"pg_catalog", "upper"}}, ""};
    }
};

struct MemorySink : recording::Sink {
    struct State {
        std::string bytes;
        bool full = false;
    };
    explicit MemorySink(std::shared_ptr<State> state_in) : state(std::move(state_in)) {}
    Result<void> write(std::string_view bytes) override {
        if (state->full) return Error(recording::errc::disk_full, "");
        state->bytes += bytes;
        return {};
    }
    Result<void> sync() override { return {}; }
    Result<void> check() override { return {}; }
    Result<void> close() override { return {}; }
    std::shared_ptr<State> state;
};

struct Fixture {
    explicit Fixture(std::shared_ptr<const policy::Policy> policy, bool record = false, std::size_t catalogue_cache_bytes = EngineOptions{}.catalogue_cache_bytes) {
        EngineOptions options;
        options.catalogue_cache_bytes = catalogue_cache_bytes;
        options.language = &relay::postgres::language();
        options.policy = std::move(policy);
        options.role = "r";
        options.session = "s_1";
        if (record) {
            recording::Head head;
            head.session = "s_1";
            head.at = start;
            auto made = recording::Writer::onto(std::make_unique<MemorySink>(sink), head);
            REQUIRE(made.has_value());
            writer = std::move(*made);
            options.recording = writer;
        }
        engine = make_engine(std::move(options));
        session = engine->session();
    }

    /// The plan, with all questions answered.
    PlanRef plan(std::string_view text) {
        for (int i = 0; i < 5; ++i) {
            if (PlanRef made = session->plan(text, now)) return made;
            const auto question = session->question();
            REQUIRE(question.has_value());
            session->answer(server.answer(question->sql));
        }
        FAIL("the engine asks without end");
        return nullptr;
    }
    std::uint64_t run(std::string_view text, Form form = Form::simple, std::vector<std::optional<std::string_view>> parameters = {}) {
        const PlanRef made = plan(text);
        REQUIRE_MESSAGE(made->verdict <= policy::Verdict::warn, made->refusal.message);
        const auto submitted = session->submit(made, text, form, parameters, {}, now);
        REQUIRE_FALSE(submitted.refusal.has_value());
        return submitted.number;
    }

    Server server;
    Clock::time_point now = start;
    std::shared_ptr<MemorySink::State> sink = std::make_shared<MemorySink::State>();
    std::shared_ptr<recording::Writer> writer;
    std::unique_ptr<Engine> engine;
    std::unique_ptr<Session> session;
};

}  // namespace

TEST_CASE("names are asked for before the first statement, once") {
    Fixture f(policy_with(masked_reader));
    const auto first = f.plan("SELECT email FROM customers");
    CHECK(first->verdict == policy::Verdict::allow);
    REQUIRE(first->statements.at(0).decision.masks.size() == 1);
    CHECK(first->statements[0].decision.masks[0].has_value());
    CHECK(f.plan("SELECT note FROM orders")->statements.at(0).decision.masks.at(0).has_value() == false);
    CHECK(f.server.states == 1);
    CHECK(f.server.digests == 1);
    CHECK(f.server.loads == 1);
    CHECK(f.plan("SELECT email FROM customers") == first);
    CHECK(first->context == f.session->context());
}

TEST_CASE("where the server would compile them, the dear questions are asked otherwise") {
    Fixture f(policy_with(masked_reader));
    f.server.jit = "on";
    std::string asked;
    while (f.session->plan("SELECT 1", f.now) == nullptr) {
        const auto question = f.session->question();
        REQUIRE(question.has_value());
        asked += question->before + "|" + question->after + "\n";
        f.session->answer(f.server.answer(question->sql));
    }
    const std::string quietly = "SELECT pg_catalog.set_config('jit', 'off', true)|SELECT pg_catalog.set_config('jit', 'on', true)\n";
    CHECK(asked == "|\n" + quietly + quietly);
}

TEST_CASE("a policy that goes by no name asks nothing") {
    Fixture f(policy_with("    rules:\n      - allow: [read, write, call]\n"));
    CHECK(f.session->plan("SELECT x FROM nowhere", f.now)->verdict == policy::Verdict::allow);
    CHECK_FALSE(f.session->question().has_value());
    // Behind a name there may be code: a view's, an operator's.
    for (const char* rules : {"    rules:\n      - allow: [read]\n", "    rules:\n      - allow: [read, write, call]\n      - deny: write.delete\n",
                              "    limits: { affected: 5 }\n    rules:\n      - allow: [read, write, call]\n"}) {
        Fixture names(policy_with(rules));
        CHECK(names.session->plan("SELECT x FROM nowhere", names.now) == nullptr);
        CHECK(names.session->question().has_value());
    }
}

TEST_CASE("another session of the engine shares the catalogue, while nothing was written") {
    Fixture f(policy_with(masked_reader));
    f.plan("SELECT 1");
    f.session = f.engine->session();
    f.plan("SELECT 1");
    CHECK(f.server.states == 2);
    CHECK(f.server.digests == 1);
    f.session = f.engine->session();
    f.server.next_transaction = "701:701:";
    f.plan("SELECT 1");
    CHECK(f.server.digests == 2);
    CHECK(f.server.loads == 1);
    f.session = f.engine->session();
    f.server.next_transaction = "702:702:";
    f.server.digest = "d2";
    f.plan("SELECT 1");
    CHECK(f.server.loads == 2);
}

TEST_CASE("catalogues are kept for sessions to come while they fit, and the last one always") {
    const auto loads = [](std::size_t most_bytes, std::initializer_list<const char*> digests) {
        Fixture f(policy_with(masked_reader), false, most_bytes);
        int transaction = 700;
        for (const char* digest : digests) {
            f.session = f.engine->session();
            f.server.next_transaction = std::to_string(++transaction);
            f.server.digest = digest;
            CHECK(f.plan("SELECT email FROM customers")->statements.at(0).decision.masks.at(0).has_value());
        }
        return f.server.loads;
    };
    CHECK(loads(1 << 20, {"d1", "d2", "d1", "d2", "d3", "d1"}) == 3);
    CHECK(loads(1, {"d1", "d1", "d1"}) == 1);
    CHECK(loads(1, {"d1", "d2", "d1", "d2"}) == 4);
}

TEST_CASE("names are asked for again after a while, after DDL, SET and a search_path that is reported") {
    Fixture f(policy_with(masked_reader));
    f.plan("SELECT 1");
    f.now += 499ms;
    f.plan("SELECT 1");
    CHECK(f.server.states == 1);
    f.now += 1ms;
    f.plan("SELECT 1");
    CHECK(f.server.states == 2);

    f.run("CREATE TABLE t (a int)");
    CHECK(f.session->context() == 0);
    f.server.digest = "d2";
    f.plan("SELECT 1");
    CHECK(f.server.states == 3);
    CHECK(f.server.loads == 2);   // though the transaction's number is the same

    f.run("SET search_path = crm");
    f.plan("SELECT 1");
    CHECK(f.server.states == 4);
    f.session->parameter("search_path", "x");
    f.plan("SELECT 1");
    CHECK(f.server.states == 5);
    f.run("SELECT id FROM customers");
    f.plan("SELECT 1");
    CHECK(f.server.states == 5);
}

TEST_CASE("where another session changes names without end, a statement gets its turn, and no rows of what was changed") {
    Fixture f(policy_with(masked_reader));
    f.plan("SELECT 1");
    const std::unique_ptr<Session> reader = std::move(f.session);
    f.session = f.engine->session();
    for (const auto& [text, verdict] : {std::pair("SELECT note FROM orders", RowVerdict::forward), std::pair("SELECT email FROM customers", RowVerdict::stop)}) {
        PlanRef plan;
        for (int rounds = 0; plan == nullptr && rounds < 40; ++rounds) {
            f.session->finish(f.run("ALTER TABLE customers ADD c" + std::to_string(rounds) + " int"), {}, f.now);
            f.session->transaction_status('I');
            plan = reader->plan(text, f.now);
            if (const auto question = reader->question(); plan == nullptr && question) reader->answer(f.server.answer(question->sql));
        }
        REQUIRE(plan != nullptr);
        CHECK(plan->verdict == policy::Verdict::allow);
        const auto sent = reader->submit(plan, text, Form::simple, {}, {}, f.now);
        CHECK(reader->rows(sent.number, 1, 10) == verdict);
        reader->finish(sent.number, {}, f.now);
    }
}

TEST_CASE("the end of a transaction that changed names makes them stale") {
    for (const char* end : {"ROLLBACK", "COMMIT"}) {
        Fixture f(policy_with(masked_reader));
        f.run("BEGIN");
        f.session->transaction_status('T');
        f.run("CREATE TEMP TABLE customers (email text)");
        f.session->transaction_status('T');
        f.plan("SELECT 1");
        const int before = f.server.states;
        f.run(end);
        f.session->transaction_status('I');
        f.plan("SELECT 1");
        CHECK_MESSAGE(f.server.states == before + 1, end);
    }
}

TEST_CASE("a message that ends the transaction and then names tables is refused while the transaction has changed names") {
    Fixture f(policy_with(masked_reader));
    CHECK(f.plan("ROLLBACK; SELECT upper(note) FROM orders")->verdict == policy::Verdict::allow);
    f.run("BEGIN");
    f.session->transaction_status('T');
    f.run("SET LOCAL search_path = crm, public");
    f.session->transaction_status('T');
    CHECK(f.plan("ROLLBACK; SELECT upper(note) FROM orders")->verdict == policy::Verdict::deny);
    CHECK(f.plan("COMMIT")->verdict == policy::Verdict::allow);
    f.run("COMMIT");
    f.session->transaction_status('I');
    CHECK(f.plan("COMMIT; SELECT upper(note) FROM orders")->verdict == policy::Verdict::allow);
}

TEST_CASE("after DDL outside of a transaction an unknown relation is not this session's") {
    Fixture f(policy_with(masked_reader));
    f.run("CREATE TABLE t (a int)");
    f.session->transaction_status('I');
    f.plan("SELECT 1");
    CHECK_FALSE(f.session->origin(99999, 1).known);
}

TEST_CASE("a question that fails makes statements unparsed, until it is answered") {
    for (const char* question : {"state", "digest", "load"}) {
        Fixture f(policy_with(masked_reader));
        f.server.refuses = question;
        const auto plan = f.plan("SELECT id FROM customers");
        CHECK_MESSAGE(plan->verdict == policy::Verdict::deny, question);
        CHECK(plan->refusal.message.find("catalogue") != std::string::npos);
        f.server.refuses.clear();
        CHECK_MESSAGE(f.plan("SELECT id FROM customers")->verdict == policy::Verdict::allow, question);
    }
}

TEST_CASE("an answer of another shape is an error, not a catalogue") {
    Fixture f(policy_with(masked_reader));
    CHECK(f.session->plan("SELECT 1", f.now) == nullptr);
    f.session->answer({{{"only one"}}, ""});
    const auto plan = f.session->plan("SELECT id FROM customers", f.now);
    REQUIRE(plan != nullptr);
    CHECK(plan->verdict == policy::Verdict::deny);
    CHECK(f.session->plan("SELECT id FROM customers", f.now) == nullptr);   // asks again
}

TEST_CASE("limits on rows and bytes stop where they say, and say why") {
    Fixture f(policy_with("    limits: { rows: 3, bytes: 1KiB }\n    rules:\n      - allow: [read]\n"));
    const auto number = f.run("SELECT 1");
    CHECK(f.session->rows(number, 3, 100) == RowVerdict::forward);
    CHECK(f.session->rows(number, 1, 1) == RowVerdict::stop);
    CHECK(f.session->limit_refusal().sqlstate == "54000");
    CHECK(f.session->limit_refusal().message == "dbguard: the result is larger than 3 rows");
    const auto wide = f.run("SELECT 1");
    CHECK(f.session->rows(wide, 1, 1024) == RowVerdict::forward);
    CHECK(f.session->rows(wide, 1, 1) == RowVerdict::stop);
    CHECK(f.session->limit_refusal().message == "dbguard: the result is larger than 1024 bytes");
    CHECK(f.engine->statistics().rows == 4);
}

TEST_CASE("over: cut cuts") {
    Fixture f(policy_with("    limits: { rows: 2, over: cut }\n    rules:\n      - allow: [read]\n"));
    const auto number = f.run("SELECT 1");
    CHECK(f.session->rows(number, 2, 10) == RowVerdict::forward);
    CHECK(f.session->rows(number, 1, 10) == RowVerdict::cut);
}

TEST_CASE("limits on statements and on a session's rows count over its connections") {
    Fixture f(policy_with("    limits: { statements: 2, session_rows: 5 }\n    rules:\n      - allow: [read]\n"));
    const auto first = f.run("SELECT 1");
    CHECK(f.session->rows(first, 4, 1) == RowVerdict::forward);
    f.session = f.engine->session();
    const auto second = f.run("SELECT 2");
    CHECK(f.session->rows(second, 2, 1) == RowVerdict::stop);
    CHECK(f.session->rows(second, 1, 1) == RowVerdict::forward);
    const auto refused = f.session->submit(f.plan("SELECT 3"), "SELECT 3", Form::simple, {}, {}, f.now);
    REQUIRE(refused.refusal.has_value());
    CHECK(refused.refusal->sqlstate == "54000");
    CHECK_FALSE(refused.end_session);
    CHECK(f.engine->statistics().denied == 2);   // the result that was stopped, and this one
}

TEST_CASE("several statements of one message count one by one") {
    Fixture f(policy_with("    limits: { statements: 3 }\n    rules:\n      - allow: [read]\n"));
    const auto refused = [&](const char* text, Form form) { return f.session->submit(f.plan(text), text, form, {}, {}, f.now).refusal.has_value(); };
    CHECK(refused("SELECT 1; SELECT 2; SELECT 3; SELECT 4", Form::simple));
    CHECK_FALSE(refused("SELECT 1; SELECT 2", Form::simple));
    CHECK(refused("SELECT 3; SELECT 4", Form::simple));
    CHECK_FALSE(refused("SELECT 3", Form::extended));
    CHECK(refused("SELECT 4", Form::extended));
}

TEST_CASE("a time limit gives a deadline") {
    Fixture f(policy_with("    limits: { time: 10s }\n    rules:\n      - allow: [read]\n"));
    CHECK(f.session->deadline(f.now) == f.now + 10s);
    Fixture none(policy_with("    rules:\n      - allow: [read]\n"));
    CHECK_FALSE(none.session->deadline(none.now).has_value());
}

TEST_CASE("a statement is in the record before it may be sent") {
    Fixture f(policy_with(masked_reader), true);
    f.run("SELECT note FROM orders WHERE id = $1", Form::extended, {"17"});
    CHECK(f.sink->bytes.find("orders") == std::string::npos);
    REQUIRE(f.session->flush());
    CHECK(f.sink->bytes.find("orders") != std::string::npos);
    CHECK(f.sink->bytes.find("\"17\"") != std::string::npos);
}

TEST_CASE("parameters of a statement that touches masked columns are not recorded") {
    Fixture f(policy_with(masked_reader), true);
    f.run("SELECT id FROM customers WHERE email = $1", Form::extended, {"jane@example.com"});
    REQUIRE(f.session->flush());
    CHECK(f.sink->bytes.find("jane") == std::string::npos);
    f.run("SELECT id FROM customers WHERE email = 'jane@example.com'");
    REQUIRE(f.session->flush());
    CHECK(f.sink->bytes.find("jane") == std::string::npos);
}

TEST_CASE("a record that cannot be written ends the session before anything is sent") {
    Fixture f(policy_with(masked_reader), true);
    REQUIRE(f.session->flush());
    f.sink->full = true;
    f.run("SELECT note FROM orders");
    CHECK_FALSE(f.session->flush());
    CHECK(f.engine->statistics().record_failed);
    const auto next = f.session->submit(f.plan("SELECT 1"), "SELECT 1", Form::simple, {}, {}, f.now);
    REQUIRE(next.refusal.has_value());
    CHECK(next.end_session);
    CHECK(next.refusal->sqlstate == "58030");
}

TEST_CASE("origin is the net under the analysis") {
    Fixture f(policy_with(masked_reader));
    CHECK_FALSE(f.session->origin(16400, 2).known);   // nothing is known yet
    f.plan("SELECT 1");
    CHECK(f.session->origin(16400, 2).mask.has_value());
    CHECK_FALSE(f.session->origin(16400, 1).mask.has_value());
    CHECK(f.session->origin(16400, 1).known);
    CHECK(f.session->origin(1259, 1).known);          // the server's own
    CHECK(f.session->origin(0, 0).known);             // computed
    CHECK_FALSE(f.session->origin(20000, 1).known);
    Fixture none(policy_with("    rules:\n      - allow: [read]\n"));
    CHECK(none.session->origin(20000, 1).known);      // nothing is masked
}

TEST_CASE("settings of the startup packet are session.set, some of them never") {
    Fixture f(policy_with("    rules:\n      - allow: read\n      - allow: session.set\n        when: { setting: [application_name, client_encoding, standard_conforming_strings] }\n"));
    CHECK_FALSE(f.session->startup_setting("application_name", "x").has_value());
    CHECK(f.session->startup_setting("search_path", "x").has_value());
    CHECK(f.session->startup_setting("role", "postgres").has_value());
    CHECK_FALSE(f.session->startup_setting("client_encoding", "'utf-8'").has_value());
    CHECK(f.session->startup_setting("client_encoding", "SJIS").has_value());
    CHECK(f.session->startup_setting("standard_conforming_strings", "off").has_value());
    CHECK(f.plan("SET standard_conforming_strings = off")->verdict == policy::Verdict::deny);
    CHECK(f.plan("SET standard_conforming_strings = on")->verdict == policy::Verdict::allow);
    CHECK(f.plan("SET client_encoding = 'SJIS'")->verdict == policy::Verdict::deny);
    CHECK(f.plan("SET NAMES 'latin1'")->verdict == policy::Verdict::deny);
    CHECK(f.plan("SET client_encoding = DEFAULT")->verdict == policy::Verdict::allow);
}

TEST_CASE("the encoding by another of its names") {
    Fixture f(policy_with("    rules:\n      - allow: read\n"));
    for (const char* name : {"UTF8", "utf-8", "Unicode"}) {
        f.session->parameter("client_encoding", name);
        CHECK(f.plan("SELECT 1")->verdict == policy::Verdict::allow);
    }
    f.session->parameter("client_encoding", "UTF16");
    CHECK(f.plan("SELECT 1")->verdict == policy::Verdict::deny);
}

TEST_CASE("a server that reports another reading of texts gets none") {
    Fixture f(policy_with("    rules:\n      - allow: read\n"));
    f.session->parameter("standard_conforming_strings", "off");
    CHECK(f.plan("SELECT 1")->verdict == policy::Verdict::deny);
    f.session->parameter("standard_conforming_strings", "on");
    CHECK(f.plan("SELECT 1")->verdict == policy::Verdict::allow);
    f.session->parameter("client_encoding", "SJIS");
    CHECK(f.plan("SELECT 1")->verdict == policy::Verdict::deny);
}

TEST_CASE("in shadow, rules are not enforced and masks are") {
    Fixture f(policy_with("    rules:\n      - allow: read\n    masks: pii\n", "mode: shadow\n"));
    CHECK(f.plan("DELETE FROM orders")->verdict == policy::Verdict::allow);
    CHECK(f.plan("SELECT email FROM customers")->statements.at(0).decision.masks.at(0).has_value());
    CHECK(f.plan("SELECT upper(email) FROM customers")->verdict == policy::Verdict::deny);
    CHECK(f.plan("SELECT id FROM customers ORDER BY email")->verdict == policy::Verdict::deny);
}

TEST_CASE("several statements: nothing goes unless all may") {
    Fixture f(policy_with("    rules:\n      - allow: read\n"));
    const auto plan = f.plan("SELECT 1; DROP TABLE orders; SELECT 2");
    CHECK(plan->verdict == policy::Verdict::deny);
    CHECK(plan->statements.size() == 3);
    CHECK(plan->refusal.message.find("ddl.drop") != std::string::npos);
    CHECK_FALSE(plan->refusal.hint.empty());
}

TEST_CASE("what does not parse is asked of the server") {
    Fixture f(policy_with("    rules:\n      - allow: read\n"));
    const auto plan = f.plan("SELEC 1");
    CHECK(plan->verdict == policy::Verdict::deny);
    CHECK(plan->ask_server_to_parse);
}

TEST_CASE("a function call message is a call of that function") {
    Fixture f(policy_with("    rules:\n      - allow: call\n        when: { function: pg_catalog.upper }\n      - allow: read\n"));
    f.plan("SELECT 1");
    CHECK(f.session->plan_function(871, f.now) == nullptr);
    const auto question = f.session->question();
    REQUIRE(question.has_value());
    CHECK(question->sql.find("871") != std::string::npos);
    f.session->answer(f.server.answer(question->sql));
    const auto plan = f.session->plan_function(871, f.now);
    REQUIRE(plan != nullptr);
    CHECK(plan->verdict == policy::Verdict::allow);
    CHECK(plan->statements.at(0).statement.effects.at(0).objects.at(0).name == "upper");
}

TEST_CASE("a role that is not there is a programming error") {
    EngineOptions options;
    options.language = &relay::postgres::language();
    options.policy = policy_with("    rules:\n      - allow: read\n");
    options.role = "nobody";
    CHECK_THROWS_AS(make_engine(std::move(options)), std::invalid_argument);
}
