#include "recording/replay.hpp"

#include "recording/compress.hpp"

#include <doctest/doctest.h>

#include "recording/directory.hpp"
#include "sample.hpp"

using namespace dbguard;
using namespace dbguard::recording;

namespace {

std::string replayed(std::string_view bytes, ReplayOptions options = {}) {
    auto reader = Reader::from_memory(bytes);
    Replay replay(options);
    std::string out;
    for (auto line = reader.next(); line.value(); line = reader.next()) replay.append(out, **line);
    return out;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a recording as a timeline") {
    CHECK(replayed(sample::recording()) == R"(session s_8Q2M  began 2026-11-20T14:03:07.114Z
  role      migrator
  database  shop (postgres)
  login     dbguard_ddl
  policy    sha256:5f0c
  records   sql: masked, results: none
  agent     claude-code (as declared)
  who       iss: token.actions.githubusercontent.com
  who       run_id: 7781

+00:00:00.100  #1  allowed  migrator#1  in transaction
               | SELECT id, email FROM customers WHERE id = $1
               | parameters: $1=17 $2=null $3={"b64":"/wE="} $4=(hidden)
               | columns: id, email [masked: partial(1,2)], x
               | 1 ¦ a*** ¦ null
               | 2 ¦ b*** ¦ {"b64":"/g=="}
               | NOTICE: hello
               | SELECT 2: 2 rows, 64 bytes, 1.412 ms
+00:00:02.000  #6  DENIED   migrator#never  on connection 2
               | DROP TABLE orders
               | because ddl.drop on public.orders
+00:00:03.000  #7  ASKS     migrator#5
               | ALTER TABLE orders DROP COLUMN note
+00:00:04.000  approval apr_7K3F: approved by okta|dana (slack)
               | decided: allow migrator#5
+00:00:04.002  #7 goes on to the server
               | error 42703: column "note" does not exist, 0.3 ms
+00:00:05.000  setting search_path = public, "odd"
+00:00:06.000  cancelled by client  on connection 1
+00:00:07.000  limit reached: rows (1000 allowed)
               | not recorded: rows, 123456 bytes: too large

+00:00:08.000  ended: client; 3 statements, 1 denied, 1 failed
)");
}

TEST_CASE("only what was not simply allowed") {
    const auto text = replayed(sample::recording(), {.only_denied = true});
    CHECK_FALSE(contains(text, "SELECT id"));
    CHECK_FALSE(contains(text, "1 ¦"));
    CHECK_FALSE(contains(text, "SELECT 2"));
    CHECK(contains(text, "DROP TABLE orders"));
    CHECK(contains(text, "42703"));
}

TEST_CASE("only what does more than read, one statement, one connection") {
    const auto writes = replayed(sample::recording(), {.only_writes = true});
    CHECK(contains(writes, "DROP TABLE orders"));
    CHECK(contains(writes, "ALTER TABLE orders"));
    const auto one = replayed(sample::recording(), {.statement = 6});
    CHECK(contains(one, "DROP TABLE orders"));
    CHECK_FALSE(contains(one, "SELECT id"));
    CHECK_FALSE(contains(one, "setting search_path"));
    CHECK_FALSE(contains(one, "42703"));
    const auto second = replayed(sample::recording(), {.connection = 2});
    CHECK(contains(second, "DROP TABLE orders"));
    CHECK_FALSE(contains(second, "SELECT id"));
    CHECK_FALSE(contains(second, "1 ¦"));
}

TEST_CASE("long batches of rows are compressed, and shown all the same") {
    std::string bytes;
    auto writer = Writer::onto(std::make_unique<MemorySink>(bytes), sample::head()).value();
    std::string rendered;
    for (int i = 0; i < 2000; ++i) append_row(rendered, std::vector<std::optional<std::string_view>>{"a value that comes again", std::nullopt});
    writer->append(Rows{.statement = 1, .count = 2000, .rendered = rendered});
    writer->append(Rows{.statement = 1, .first = 2000, .count = 1, .rendered = "[\"short\"]"});
    REQUIRE(writer->end({.at = sample::at(), .why = "client"}).has_value());
    CHECK(bytes.size() < rendered.size() / 20);
    CHECK(contains(bytes, "\"zrows\":\""));
    CHECK(contains(bytes, "\"rows\":[[\"short\"]]"));
    const auto text = replayed(bytes);
    CHECK(contains(text, "a value that comes again ¦ null"));
    CHECK(contains(text, "… 1980 more"));
    CHECK(contains(text, "short"));
    CHECK(decompressed(compressed(rendered)) == rendered);
    CHECK_FALSE(decompressed("no frame").has_value());
    CHECK_FALSE(decompressed(compressed(rendered).substr(0, 40)).has_value());
    // A frame that says it holds 1 GiB.
    CHECK_FALSE(decompressed(std::string_view("\x28\xb5\x2f\xfd\xa4\x00\x00\x00\x40\x01\x00\x00", 12)).has_value());
}

TEST_CASE("rows that cannot be unpacked are said to be") {
    std::string bytes;
    Chain chain;
    const auto add = [&](std::string_view members) {
        chain.begin(bytes);
        bytes.append(members);
        chain.end(bytes);
    };
    add(R"(,"t":"head","v":1,"sid":"s_1")");
    for (const std::string_view packed : {"????", "aGVsbG8=", "KLUv/QQ"}) add(",\"t\":\"rows\",\"for\":1,\"zrows\":\"" + std::string(packed) + "\"");
    const auto text = replayed(bytes);
    CHECK(contains(text, "rows that cannot be unpacked"));
}

TEST_CASE("nothing recorded can steer a terminal or a runner") {
    const std::string evil = "\x1b]0;owned\x07\x1b[2J\xc2\x9b" "31m\u202e\r##[error]x\n::error::y";
    std::string bytes;
    Head head = sample::head();
    const Claim claims[] = {{evil, evil}};
    head.who = claims;
    head.role = head.database = head.engine = head.login = head.upstream = head.policy = head.mode = head.agent = evil;
    auto writer = Writer::onto(std::make_unique<MemorySink>(bytes), head).value();
    const std::string objects[] = {evil};
    const Effect effects[] = {{evil, objects}};
    for (const std::string_view verdict : {std::string_view("allow"), std::string_view("deny"), std::string_view(evil)}) {
        const std::string about = describe(
            {.sql = evil, .fingerprint = evil, .digest = evil, .effects = effects, .unparsed = evil},
            {.verdict = verdict, .rule = evil, .reason = evil, .rules = objects, .approvers = evil, .bind = evil, .shadow = evil});
        const Parameter parameters[] = {{Parameter::Kind::text, evil}};
        writer->append(Statement{.at = sample::at(), .form = evil, .about = about, .parameters = parameters});
    }
    const Column columns[] = {{evil, 1, 1, 1, evil}};
    writer->append(Columns{.statement = 1, .columns = columns});
    std::string row;
    append_row(row, std::vector<std::optional<std::string_view>>{evil});
    writer->append(Rows{.statement = 1, .count = 1, .rendered = row});
    writer->append(Done{.statement = 1, .tag = evil});
    writer->append(Failed{.statement = 1, .code = evil, .text = evil});
    writer->append(Note{.statement = 1, .severity = evil, .code = evil, .text = evil});
    writer->append(Decided{.statement = 1, .at = sample::at(), .decision = {.verdict = evil, .rule = evil, .reason = evil}});
    writer->append(Approval{.statement = 1, .at = sample::at(), .id = evil, .state = evil, .who = evil, .how = evil, .shown = evil});
    writer->append(State{.at = sample::at(), .name = evil, .value = evil});
    writer->append(Cancel{.statement = 1, .at = sample::at(), .by = evil});
    writer->append(Limit{.statement = 1, .at = sample::at(), .which = evil});
    writer->append(Gap{.statement = 1, .what = evil, .why = evil});
    REQUIRE(writer->end({.at = sample::at(), .why = evil}).has_value());

    for (const ReplayOptions options : {ReplayOptions{}, ReplayOptions{.max_text_bytes = 0}, ReplayOptions{.max_text_bytes = 7}}) {
        const std::string text = replayed(bytes, options);
        for (const char c : text) CHECK((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
        CHECK_FALSE(contains(text, "\x7f"));
        CHECK_FALSE(contains(text, "\xc2\x9b"));
        CHECK_FALSE(contains(text, "\u202e"));
        CHECK_FALSE(contains(text, "##["));
        for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
            const auto first = text.find_first_not_of(" \t", at);
            CHECK_FALSE(text.substr(first).starts_with("::"));
            if (text.find('\n', at) == std::string::npos) break;
        }
    }
    // The recorded lines themselves, too: this is what --json prints.
    for (const char c : bytes) CHECK((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
    CHECK_FALSE(contains(bytes, "\xc2\x9b"));
    CHECK_FALSE(contains(bytes, "\u202e"));
}

TEST_CASE("members of another kind than expected are passed over") {
    std::string bytes;
    Chain chain;
    const auto add = [&](std::string_view members) {
        chain.begin(bytes);
        bytes.append(members);
        chain.end(bytes);
    };
    add(R"(,"t":"head","v":1,"sid":5,"at":[],"who":[],"agent":"x")");
    for (const std::string_view type : {"stmt", "cols", "rows", "done", "err", "note", "decision", "approval", "sent",
                                        "state", "cancel", "limit", "gap", "end", "something_new"})
        for (const std::string_view value : {"null", "-1", "{}", "[]", "[1,[2],{}]", "1e300", "true", "\"\""}) {
            std::string members = ",\"t\":\"" + std::string(type) + "\"";
            if (type == "end") continue;
            for (const std::string_view name : {"at", "d", "v", "rule", "sql", "par", "cols", "rows", "for", "tag", "ms", "bytes",
                                                "code", "text", "sev", "name", "value", "which", "allowed", "what", "why"})
                members.append(",\"").append(name).append("\":").append(value);
            add(members);
        }
    add(",\"t\":\"end\"");
    CHECK(contains(replayed(bytes), "ended: ; 0 statements"));
}

TEST_CASE("long texts and many rows are cut, and say so") {
    std::string bytes;
    auto writer = Writer::onto(std::make_unique<MemorySink>(bytes), sample::head()).value();
    const std::string about = describe({.sql = std::string(5000, 'x')}, {.verdict = "allow"});
    const auto number = writer->append(Statement{.at = sample::at(), .form = "simple", .about = about});
    std::string rows;
    for (int i = 0; i < 30; ++i) append_row(rows, std::vector<std::optional<std::string_view>>{"r"});
    writer->append(Rows{.statement = number, .count = 30, .rendered = rows});
    REQUIRE(writer->end(sample::end).has_value());
    const auto text = replayed(bytes);
    CHECK(contains(text, "… (5000 bytes)"));
    CHECK(contains(text, "… 10 more"));
    CHECK(contains(replayed(bytes, {.max_text_bytes = 0}), std::string(5000, 'x') + "\n"));
}

TEST_CASE("a summary reads the first and the last line") {
    sample::Directory directory;
    const std::string path = directory.path + "/s_8Q2M.dbgl";
    sample::write(path, sample::recording());
    auto summary = summarise(path).value();
    CHECK(summary.session == "s_8Q2M");
    CHECK(summary.role == "migrator");
    CHECK(summary.began == "2026-11-20T14:03:07.114Z");
    CHECK(summary.ended == "2026-11-20T14:03:15.114Z");
    CHECK(summary.statements == 3);
    CHECK(summary.denied == 1);
    CHECK_FALSE(summary.being_written);

    for (const std::size_t zeros : {1, 4096, 65536, 300000}) {
        sample::write(path, sample::recording() + std::string(zeros, '\0'));
        CHECK(summarise(path).value().statements == 3);
        sample::write(path, sample::recording(false) + std::string(zeros, '\0'));
        CHECK(summarise(path).value().ended.empty());
    }
    sample::write(path, sample::recording(false) + "{\"n\":16");
    CHECK(summarise(path).value().ended.empty());
    sample::write(path, "");
    CHECK(summarise(path).error().code == errc::not_a_recording);
    CHECK(summarise(directory.path + "/none").error().code == errc::cannot_read);
}

TEST_CASE("recordings are found by session and by path") {
    CHECK(recording_path("rec", "s_8Q2M") == "rec/s_8Q2M.dbgl");
    CHECK(recording_path("rec", "./s_8Q2M") == "./s_8Q2M");
    CHECK(recording_path("rec", "s_8Q2M.dbgl") == "s_8Q2M.dbgl");
    CHECK(recording_path("rec", "../x") == "../x");
    sample::Directory directory;
    for (const std::string_view name : {"/b.dbgl", "/a.dbgl", "/.dbgl", "/c.txt"}) sample::write(directory.path + std::string(name), "");
    CHECK(list_recordings(directory.path).value() ==
          std::vector<std::string>{directory.path + "/a.dbgl", directory.path + "/b.dbgl"});
    CHECK(list_recordings(directory.path + "/none").error().code == errc::cannot_read);
}
