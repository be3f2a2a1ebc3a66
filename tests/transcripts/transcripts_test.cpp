// Every transcript of this folder: dbguard does what it says. DBGUARD_REWRITE_TRANSCRIPTS=1 writes what dbguard does now: read the
// difference then, for a wrong action in a transcript is a lie.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "../support/postgres_frames.hpp"
#include "../wire/postgres/examples.hpp"
#include "files.hpp"
#include "postgres_text.hpp"
#include "transcript.hpp"

namespace dbguard::transcripts {

namespace wp = wire::postgres;

namespace {

const std::string folder = std::string(DBGUARD_SOURCE_DIR) + "/tests/transcripts";

std::vector<std::filesystem::path> files() {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder + "/postgres"))
        if (entry.path().extension() == ".txt") out.push_back(entry.path());
    std::ranges::sort(out);
    return out;
}

}  // namespace

TEST_CASE("dbguard does what the transcripts say") {
    const auto all = files();
    REQUIRE(!all.empty());
    for (const auto& path : all) {
        CAPTURE(path.filename().string());
        const std::string text = read_file(path.string());
        auto transcript = read(text);
        REQUIRE_MESSAGE(transcript.has_value(), transcript.error().text());
        CHECK(print(*transcript) == text);
        auto player = postgres_player(folder);
        for (std::size_t i = 0; i < transcript->steps.size(); ++i) {
            auto& step = transcript->steps[i];
            CAPTURE(i);
            CAPTURE(step.line);
            const auto actions = player.play(step.line);
            REQUIRE_MESSAGE(actions.has_value(), actions.error().text());
            if (std::getenv("DBGUARD_REWRITE_TRANSCRIPTS") != nullptr)
                step.actions = *actions;
            else
                REQUIRE(*actions == step.actions);
        }
        if (std::getenv("DBGUARD_REWRITE_TRANSCRIPTS") != nullptr) std::ofstream(path, std::ios::binary) << print(*transcript);
    }
}

TEST_CASE("a transcript's text is read and printed") {
    const std::string text = "# two lines\n# of comment\nprotocol postgres\n\nF Query \"select 1\"\n  > as received\nB ReadyForQuery I\n  < as received\n";
    const auto transcript = read(text);
    REQUIRE(transcript.has_value());
    CHECK(transcript->get("protocol") == "postgres");
    CHECK(transcript->steps.size() == 2);
    CHECK(transcript->steps[0].actions == std::vector<std::string>{"> as received"});
    CHECK(print(*transcript) == text);
    CHECK(read("\n  > before anything\n").error().text().find("2: ") != std::string::npos);
    CHECK(!read("\nF Sync\n# late\n").has_value());
}

TEST_CASE("a line is the message that it was printed from") {
    for (const auto& example : wp::test::examples()) {
        CAPTURE(example.line);
        const auto bytes = wp::bytes_of_trace(example.line);
        // What logs in is printed without its secrets, and is no part of a conversation.
        const bool login = example.phase != wp::AuthPhase::none || example.line.find("Authentication") != std::string::npos || example.line.find("BackendKeyData") != std::string::npos || example.line.find("Negotiate") != std::string::npos;
        if (login) {
            CHECK(!bytes.has_value());
            continue;
        }
        REQUIRE(bytes.has_value());
        if (example.line.starts_with("B RowDescription"))
            CHECK(wp::line_of(*bytes, example.sender) == example.line);  // but for the sizes of types
        else
            CHECK(*bytes == example.bytes);
    }
}

TEST_CASE("what is no message's line is refused") {
    for (const char* line : {"", "F", "F Query", "F Query select", "F Query \"a", "F Query \"a\" b", "F Query \"\\q\"", "F Query \"\\x4\"", "X Query \"a\"", "F Execute \"\" x", "B DataRow \"a\"…(5 bytes)",
                             "B RowDescription \"a\"", "B RowDescription \"a\":x", "F Parse \"\" \"\" [1", "B Query \"a\"", "F PasswordMessage ***"}) {
        CAPTURE(line);
        CHECK(!wp::bytes_of_trace(line).has_value());
    }
}

}  // namespace dbguard::transcripts
