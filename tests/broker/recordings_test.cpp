#include "broker/recordings.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/crypto.hpp"
#include "base/encoding.hpp"

namespace dbguard::broker {
namespace {

struct TemporaryFolder {
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "dbguard_rec_XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path = pattern;
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path); }
    std::string path;
};

/// A chain of `lines` lines for this session.
std::string chain(const std::string& session, int lines) {
    std::string all;
    std::string previous(64, '0');
    for (int n = 0; n < lines; ++n) {
        std::string line = "{\"n\":" + std::to_string(n) + ",\"p\":\"" + previous + "\",";
        line += n == 0 ? "\"t\":\"head\",\"v\":1,\"sid\":\"" + session + "\"}" : "\"t\":\"stmt\",\"sql\":\"SELECT " + std::to_string(n) + "\"}";
        previous = hex(sha256(line));
        all += line + "\n";
    }
    return all;
}

std::unique_ptr<Recordings> open(const TemporaryFolder& folder, std::uint64_t most = 1 << 20) {
    auto opened = Recordings::open(folder.path + "/recordings", most);
    REQUIRE(opened.has_value());
    return std::move(*opened);
}

std::string content(const TemporaryFolder& folder, const std::string& session) {
    std::ifstream file(folder.path + "/recordings/" + session + ".dbgl", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("a recording grows in pieces of any size, across restarts of the service") {
    const auto whole = chain("s_A", 12);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100}, whole.size()}) {
        const TemporaryFolder folder;
        auto recordings = open(folder);
        for (std::size_t at = 0; at < whole.size(); at += piece) {
            const auto size = recordings->append("s_A", at, std::string_view(whole).substr(at, piece));
            REQUIRE(size.has_value());
            CHECK(*size == std::min(at + piece, whole.size()));
            if (at % 5 == 0) recordings->close("s_A");
            if (at == 49) recordings = open(folder);
        }
        CHECK(content(folder, "s_A") == whole);
    }
}

TEST_CASE("a wrong offset changes nothing and the true size can be asked for") {
    const TemporaryFolder folder;
    const auto recordings = open(folder);
    const auto whole = chain("s_A", 3);
    REQUIRE(recordings->append("s_A", 0, whole).has_value());
    CHECK(recordings->append("s_A", 0, whole).error().code == errc::recording_offset);
    CHECK(recordings->append("s_A", whole.size() + 1, "x").error().code == errc::recording_offset);
    CHECK(recordings->size("s_A").value() == whole.size());
    CHECK(content(folder, "s_A") == whole);
}

TEST_CASE("each byte matters to the chain") {
    const auto whole = chain("s_A", 4);
    const TemporaryFolder folder;
    const auto recordings = open(folder);
    int refused = 0;
    int tried = 0;
    for (std::size_t at = 0; at + 1 < whole.size(); at += 3) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        const std::string session = "s_A";
        ++tried;
        // A change in the last line, or of the line break before it, shows only when the next one comes.
        const auto last = whole.rfind('\n', whole.size() - 2);
        const auto done = recordings->append(session, 0, changed);
        if (done) {
            CHECK(at >= last);
            std::filesystem::remove(folder.path + "/recordings/s_A.dbgl");
            recordings->close(session);
        } else {
            CHECK(done.error().code == errc::recording_broken);
            ++refused;
        }
    }
    CHECK(refused > tried / 2);
    CHECK(recordings->append("s_A", 0, whole).has_value());
}

TEST_CASE("the first line must be this session's head") {
    const TemporaryFolder folder;
    const auto recordings = open(folder);
    CHECK(recordings->append("s_B", 0, chain("s_A", 2)).error().code == errc::recording_broken);
    CHECK(recordings->append("s_B", 0, "not JSON at all\n").error().code == errc::recording_broken);
    CHECK(recordings->append("s_B", 0, std::string(300 * 1024, 'a')).error().code == errc::recording_broken);
    CHECK(recordings->append("s_B", 0, chain("s_B", 2)).has_value());
}

TEST_CASE("a session's name cannot lead out of the folder") {
    const TemporaryFolder folder;
    const auto recordings = open(folder);
    for (const auto* name : {"../s_A", "s_A/../../x", "", "s A", "s_A\n"})
        CHECK(recordings->append(name, 0, chain("s_A", 1)).error().code == errc::recording_failed);
    CHECK(std::filesystem::is_empty(folder.path + "/recordings"));
}

TEST_CASE("a recording has a largest size") {
    const TemporaryFolder folder;
    const auto whole = chain("s_A", 5);
    const auto recordings = open(folder, whole.size() - 1);
    CHECK(recordings->append("s_A", 0, whole).error().code == errc::recording_too_large);
    CHECK(recordings->append("s_A", 0, std::string_view(whole).substr(0, 100)).has_value());
    CHECK(recordings->append("s_A", 100, std::string_view(whole).substr(100)).error().code == errc::recording_too_large);
}

TEST_CASE("a recording that was kept long enough goes, also while it is open here") {
    const TemporaryFolder folder;
    auto recordings = open(folder);
    REQUIRE(recordings->append("s_A", 0, chain("s_A", 3)).has_value());
    REQUIRE(recordings->append("s_B", 0, chain("s_B", 3)).has_value());
    CHECK(recordings->remove("s_A").has_value());
    CHECK_FALSE(std::filesystem::exists(folder.path + "/recordings/s_A.dbgl"));
    CHECK(content(folder, "s_B") == chain("s_B", 3));
    CHECK(recordings->remove("s_A").has_value());
    CHECK(recordings->remove("../s_B").error().code == errc::recording_failed);
    CHECK(recordings->append("s_B", chain("s_B", 3).size(), "").has_value());
    recordings->set_max_bytes(10);
    CHECK(recordings->append("s_C", 0, chain("s_C", 1)).error().code == errc::recording_too_large);
}

TEST_CASE("a file that somebody changed is not continued") {
    const TemporaryFolder folder;
    const auto whole = chain("s_A", 3);
    auto recordings = open(folder);
    REQUIRE(recordings->append("s_A", 0, whole).has_value());
    recordings->close("s_A");
    std::string changed = whole;
    changed[whole.find("SELECT 1")] = 's';
    std::ofstream(folder.path + "/recordings/s_A.dbgl", std::ios::binary) << changed;
    CHECK(recordings->append("s_A", whole.size(), "{").error().code == errc::recording_broken);
}

}  // namespace
}  // namespace dbguard::broker
