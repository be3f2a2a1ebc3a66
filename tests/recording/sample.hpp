#pragma once

// Recordings for the tests of this room.

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "recording/writer.hpp"

namespace dbguard::recording::sample {

/// A directory that goes away with the test.
struct Directory {
    Directory() {
        char pattern[] = "/tmp/dbguard-recording-XXXXXX";
        path = ::mkdtemp(pattern);
    }
    ~Directory() {
        std::error_code ignored;
        std::filesystem::permissions(path, std::filesystem::perms::owner_all, ignored);
        std::filesystem::remove_all(path, ignored);
    }
    std::string path;
};

inline std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
inline void write(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// 2026-11-20T14:03:07.114Z and so many milliseconds.
inline Time at(int milliseconds = 0) { return Time(std::chrono::milliseconds(1795183387114 + milliseconds)); }

inline Head head(std::string_view session = "s_8Q2M") {
    static const Claim who[] = {{"iss", "token.actions.githubusercontent.com"}, {"run_id", "7781"}};
    Head head;
    head.session = session;
    head.at = at();
    head.gateway = "dbguard/0.3.0";
    head.policy = "sha256:5f0c";
    head.role = "migrator";
    head.database = "shop";
    head.engine = "postgres";
    head.login = "dbguard_ddl";
    head.mode = "enforce";
    head.record_sql = "masked";
    head.record_results = "none";
    head.who = who;
    head.agent = "claude-code";
    return head;
}

/// One of every event.
inline void fill(Writer& writer) {
    static const std::string objects[] = {"public.customers"};
    static const Effect effects[] = {{"read.table", objects}};
    const std::string about = describe(
        {.sql = "SELECT id, email FROM customers WHERE id = $1", .fingerprint = "a1d3", .original_bytes = 45, .effects = effects},
        {.verdict = "allow", .rule = "migrator#1"}
    );
    static const Parameter parameters[] = {
        {Parameter::Kind::text, "17"}, {Parameter::Kind::null, ""}, {Parameter::Kind::text, "\xff\x01"}, {Parameter::Kind::hidden, ""}};
    static const std::uint32_t types[] = {23, 25, 17, 25};
    const auto first = writer.append(Statement{
        .at = at(100), .transaction = 'T', .form = "extended", .about = about, .parameters = parameters,
        .parameter_types = types, .sent = true});
    static const Column columns[] = {{"id", 23, 16385, 1, ""}, {"email", 25, 16385, 3, "partial(1,2)"}, {"x", 25, 0, 0, ""}};
    writer.append(Columns{.statement = first, .columns = columns});
    std::string rows;
    append_row(rows, std::vector<std::optional<std::string_view>>{"1", "a***", std::nullopt});
    append_row(rows, std::vector<std::optional<std::string_view>>{"2", "b***", "\xfe"});
    writer.append(Rows{.statement = first, .count = 2, .rendered = rows});
    writer.append(Note{.statement = first, .severity = "NOTICE", .code = "00000", .text = "hello"});
    writer.append(Done{.statement = first, .tag = "SELECT 2", .rows = 2, .bytes = 64, .took = std::chrono::microseconds(1412)});
    const std::string denied = describe({.sql = "DROP TABLE orders"}, {.verdict = "deny", .rule = "migrator#never", .reason = "ddl.drop on public.orders"});
    writer.append(Statement{.at = at(2000), .connection = 2, .form = "simple", .about = denied});
    const std::string asks = describe({.sql = "ALTER TABLE orders DROP COLUMN note"}, {.verdict = "approve", .rule = "migrator#5", .approvers = "dba", .bind = "sha256:77ab"});
    const auto third = writer.append(Statement{.at = at(3000), .form = "simple", .about = asks});
    writer.append(Approval{.statement = third, .at = at(4000), .id = "apr_7K3F", .state = "approved", .who = "okta|dana", .how = "slack", .shown = "sha256:c0de"});
    writer.append(Decided{.statement = third, .at = at(4001), .decision = {.verdict = "allow", .rule = "migrator#5"}});
    writer.append(Sent{.statement = third, .at = at(4002)});
    writer.append(Failed{.statement = third, .code = "42703", .text = "column \"note\" does not exist", .took = std::chrono::microseconds(300)});
    writer.append(State{.at = at(5000), .connection = 2, .name = "search_path", .value = "public, \"odd\""});
    writer.append(Cancel{.statement = third, .at = at(6000), .connection = 1, .by = "client"});
    writer.append(Limit{.statement = third, .at = at(7000), .which = "rows", .allowed = 1000});
    writer.append(Gap{.statement = third, .what = "rows", .bytes = 123456, .why = "too large"});
}

inline const End end{.at = at(8000), .why = "client", .statements = 3, .denied = 1, .failed = 1};

/// All of it, from head to end.
inline std::string recording(bool ended = true) {
    std::string bytes;
    auto writer = Writer::onto(std::make_unique<MemorySink>(bytes), head()).value();
    fill(*writer);
    if (ended)
        (void)writer->end(end);
    else
        (void)writer->flush();
    return bytes;
}

}  // namespace dbguard::recording::sample
