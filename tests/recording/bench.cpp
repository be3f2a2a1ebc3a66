// What a recorded statement costs: two lines and one flush, by each sink; and the redaction of a text. Not part of the tests; figures of
// one machine are only good for comparing with each other.
//   clang++ -std=c++20 -O2 -Ilib tests/recording/bench.cpp lib/recording/*.cpp lib/base/encoding.cpp -lcrypto -o bench && ./bench DIRECTORY

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "recording/redact.hpp"
#include "recording/writer.hpp"

using namespace dbguard;
using namespace dbguard::recording;

namespace {

/// Processor time of this process.
double seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto of = [](const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec); };
    return of(usage.ru_utime) + of(usage.ru_stime);
}

void statements(const char* name, const std::string& directory, WriterOptions options, std::size_t sql_bytes, int count) {
    Head head;
    head.session = "s_BENCH";
    head.at = Time(std::chrono::seconds(1800000000));
    ::unlink((directory + "/s_BENCH.dbgl").c_str());
    auto created = Writer::create(directory, head, options);
    if (!created) {
        std::printf("%s: %s\n", name, created.error().text().c_str());
        return;
    }
    Writer& writer = **created;
    const std::string objects[] = {"public.orders"};
    const Effect effects[] = {{"read.table", objects}};
    const std::string about = describe(
        {.sql = std::string(sql_bytes, 's'), .fingerprint = "0123456789abcdef", .original_bytes = sql_bytes, .effects = effects},
        {.verdict = "allow", .rule = "bench#1"});
    const double began = seconds();
    LineNumber number = 0;
    for (int i = 0; i < count; ++i) {
        const Time at = head.at + std::chrono::microseconds(i);
        if (i > 0) writer.append(Done{.statement = number, .tag = "SELECT 1", .rows = 1, .bytes = 20, .took = std::chrono::microseconds(412)});
        number = writer.append(Statement{.at = at, .form = "simple", .about = about, .sent = true});
        if (auto flushed = writer.flush(); !flushed) {
            std::printf("%s: %s\n", name, flushed.error().text().c_str());
            return;
        }
    }
    std::printf("%-28s %4zu bytes of SQL: %.2f us a statement, %.0f bytes\n", name, sql_bytes, (seconds() - began) / count * 1e6,
                static_cast<double>(writer.written_bytes()) / count);
    (void)writer.end({.at = head.at, .why = "client"});
    ::unlink(writer.path().c_str());
}

void redaction(const char* name, const std::string& sql) {
    Redactor redactor;
    constexpr int count = 200000;
    const double began = seconds();
    std::size_t bytes = 0;
    for (int i = 0; i < count; ++i) bytes += redactor.redact(sql, {.level = Level::masked, .parsed = true}).sql.size();
    std::printf("%-28s %4zu bytes of SQL: %.2f us\n", name, sql.size(), (seconds() - began) / count * 1e6 + (bytes == 0 ? 1 : 0));
}

}  // namespace

int main(int argc, char** argv) {
    const std::string directory = argc > 1 ? argv[1] : ".";
    for (int round = 0; round < 3; ++round) {
        for (const std::size_t sql_bytes : {54, 185}) {
            statements("written", directory, {.storage = Storage::written}, sql_bytes, 200000);
            statements("mapped, steps of 64 KiB", directory, {.storage = Storage::mapped, .step_bytes = 64 << 10}, sql_bytes, 200000);
            statements("mapped, steps of 256 KiB", directory, {.storage = Storage::mapped}, sql_bytes, 200000);
            statements("mapped, steps of 1 MiB", directory, {.storage = Storage::mapped, .step_bytes = 1 << 20}, sql_bytes, 200000);
        }
    }
    redaction("redact and fingerprint", "SELECT abalance FROM pgbench_accounts WHERE aid = 4242");
    redaction("redact and fingerprint",
              "SELECT o.id, o.total, c.name, c.email FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.state = 'open' "
              "AND o.created_at > '2026-01-01' AND c.country IN ('DE', 'FR') ORDER BY 1");
    redaction("with a credential", "ALTER ROLE bob PASSWORD 'hunter2' VALID UNTIL '2030-01-01'");
}
