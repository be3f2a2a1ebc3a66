#include "recording/writer.hpp"

#include <doctest/doctest.h>

using namespace dbguard;
using namespace dbguard::recording;

TEST_CASE("a session becomes a chained line an event") {
    std::string bytes;
    Head head;
    head.session = "s_TEST";
    auto writer = Writer::onto(std::make_unique<MemorySink>(bytes), head).value();
    const std::string about = describe({.sql = "SELECT 1"}, {.verdict = "allow", .rule = "tester#1"});
    const auto number = writer->append(Statement{.transaction = 'I', .form = "simple", .about = about, .sent = true});
    CHECK(number == 1);
    CHECK(bytes.find("stmt") == std::string::npos);
    REQUIRE(writer->flush().has_value());
    CHECK(bytes.find(R"("t":"stmt","at":"1970-01-01T00:00:00.000Z","tx":"I","proto":"simple","sql":"SELECT 1","d":{"v":"allow","rule":"tester#1"},"sent":true})") != std::string::npos);
    writer->append(Done{.statement = number, .tag = "SELECT 1", .rows = 1});
    REQUIRE(writer->end({.why = "client", .statements = 1}).has_value());
    CHECK(writer->flush().error().code == errc::closed);
}
