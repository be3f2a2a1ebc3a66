#include "recording/writer.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "recording/reader.hpp"
#include "sample.hpp"

using namespace dbguard;
using namespace dbguard::recording;
using Outcome = Verification::Outcome;

namespace {

constexpr Storage both[] = {Storage::written, Storage::mapped};

/// Runs `body` in a child process, so that its limits, mounts and signals are its own. Its exit code, 128 + a signal.
int in_child(const std::function<int()>& body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Appends and flushes until it fails: the error's code, and in `kept` how many statements were flushed before.
std::string_view fill_up(Writer& writer, int& kept) {
    const std::string about = describe({.sql = std::string(1000, 'x')}, {.verdict = "allow"});
    for (kept = 0; kept < 100000; ++kept) {
        writer.append(Statement{.at = sample::at(), .form = "simple", .about = about, .sent = true});
        if (auto flushed = writer.flush(); !flushed) return flushed.error().code;
    }
    return "";
}

}  // namespace

TEST_CASE("a plain statement is two lines, on disk only after a flush") {
    std::string bytes;
    auto writer = Writer::onto(std::make_unique<MemorySink>(bytes), sample::head()).value();
    const auto head_size = bytes.size();
    CHECK(writer->written_bytes() == head_size);
    const std::string about = describe({.sql = "SELECT 1"}, {.verdict = "allow", .rule = "tester#1"});
    const auto number = writer->append(
        Statement{.at = sample::at(5), .transaction = 'I', .form = "simple", .about = about, .sent = true});
    CHECK(number == 1);
    CHECK(bytes.size() == head_size);
    REQUIRE(writer->flush().has_value());
    CHECK(writer->written_bytes() == bytes.size());
    CHECK(bytes.ends_with(
        R"(","t":"stmt","at":"2026-11-20T14:03:07.119Z","tx":"I","proto":"simple","sql":"SELECT 1","d":{"v":"allow","rule":"tester#1"},"sent":true})"
        "\n"));
    writer->append(Done{.statement = number, .tag = "SELECT 1", .rows = 1, .took = std::chrono::microseconds(38000)});
    REQUIRE(writer->flush().has_value());
    CHECK(bytes.ends_with(R"(","t":"done","for":1,"tag":"SELECT 1","rows":1,"ms":38})" "\n"));
    REQUIRE(writer->end({.at = sample::at(), .why = "client", .statements = 1}).has_value());
    CHECK(writer->flush().error().code == errc::closed);
    CHECK(writer->end({}).error().code == errc::closed);
}

TEST_CASE("every event is one line of JSON with the members of the format page") {
    const std::string bytes = sample::recording();
    std::vector<nlohmann::json> lines;
    for (std::size_t at = 0; at < bytes.size();) {
        const auto end = bytes.find('\n', at);
        lines.push_back(nlohmann::json::parse(bytes.substr(at, end - at)));
        at = end + 1;
    }
    REQUIRE(lines.size() == 17);
    CHECK(lines[0]["who"]["run_id"] == "7781");
    CHECK(lines[0]["agent"]["declared"] == true);
    CHECK(lines[0]["record"]["sql"] == "masked");
    CHECK(lines[1]["par"] == nlohmann::json::parse(R"(["17",null,{"b64":"/wE="},{"hidden":true}])"));
    CHECK(lines[1]["pt"] == nlohmann::json::parse("[23,25,17,25]"));
    CHECK(lines[1]["eff"] == nlohmann::json::parse(R"([{"c":"read.table","o":["public.customers"]}])"));
    CHECK(lines[2]["cols"][1] == nlohmann::json::parse(R"x({"n":"email","t":25,"r":16385,"a":3,"m":"partial(1,2)"})x"));
    CHECK(lines[3]["rows"] == nlohmann::json::parse(R"([["1","a***",null],["2","b***",{"b64":"/g=="}]])"));
    CHECK(lines[5]["ms"] == 1.412);
    CHECK(lines[6]["d"]["v"] == "deny");
    CHECK_FALSE(lines[6].contains("sent"));
    CHECK(lines[8]["who"] == "okta|dana");
    CHECK(lines[9]["v"] == "allow");
    CHECK(lines[11]["code"] == "42703");
    CHECK(lines[16]["denied"] == 1);
}

TEST_CASE("texts longer than the limit are cut between characters, and say how long they were") {
    const std::string sql = "SELECT '\xc3\xa4\xc3\xa4'";
    CHECK(describe({.sql = sql}, {}, 8) == R"(,"sql":"SELECT '","cut":13)");
    CHECK(describe({.sql = sql}, {}, 9) == R"(,"sql":"SELECT '","cut":13)");
    CHECK(describe({.sql = sql}, {}, 10) == ",\"sql\":\"SELECT '\xc3\xa4\",\"cut\":13");
    CHECK(describe({.sql = sql}, {}, 13).find("cut") == std::string::npos);
}

TEST_CASE("files are private, new, and named by the session") {
    for (const Storage storage : both) {
        sample::Directory directory;
        auto writer = Writer::create(directory.path, sample::head(), {.storage = storage, .step_bytes = 4096}).value();
        CHECK(writer->path() == directory.path + "/s_8Q2M.dbgl");
        CHECK(is_being_written(writer->path()));
        struct stat status {};
        REQUIRE(::stat(writer->path().c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0600);
        auto again = Writer::create(directory.path, sample::head(), {.storage = storage});
        CHECK(again.error().code == errc::cannot_create);

        sample::fill(*writer);
        REQUIRE(writer->flush().has_value());
        // What was flushed can be read while the session goes on, zeros of the reserved room and all.
        CHECK(sample::read(writer->path()).substr(0, writer->written_bytes()) == sample::recording(false));
        CHECK(verify_file(writer->path()).outcome == Outcome::unended);
        REQUIRE(writer->end(sample::end).has_value());
        CHECK(sample::read(writer->path()) == sample::recording());
        CHECK_FALSE(is_being_written(writer->path()));
    }
}

TEST_CASE("a session id that is no plain name is refused") {
    sample::Directory directory;
    for (const std::string_view id : {"", "../x", "a/b", "a.b", "-x", "a b"})
        CHECK(Writer::create(directory.path, sample::head(id)).error().code == errc::bad_session_id);
    CHECK(Writer::create(directory.path, sample::head(std::string(65, 'a'))).error().code == errc::bad_session_id);
}

TEST_CASE("a writer that is destroyed without an end leaves what it had") {
    for (const Storage storage : both) {
        sample::Directory directory;
        std::string path;
        {
            auto writer = Writer::create(directory.path, sample::head(), {.storage = storage}).value();
            path = writer->path();
            sample::fill(*writer);
        }
        CHECK(sample::read(path) == sample::recording(false));
    }
}

TEST_CASE("a process killed with SIGKILL leaves all it flushed, and the reader finds it") {
    for (const Storage storage : both) {
        sample::Directory directory;
        const int died = in_child([&] {
            auto writer = Writer::create(directory.path, sample::head(), {.storage = storage, .step_bytes = 4096}).value();
            sample::fill(*writer);
            if (!writer->flush()) return 1;
            ::raise(SIGKILL);
            return 2;
        });
        CHECK(died == 128 + SIGKILL);
        const auto verification = verify_file(directory.path + "/s_8Q2M.dbgl");
        CHECK(verification.outcome == Outcome::unended);
        CHECK(verification.whole_bytes == sample::recording(false).size());
        CHECK((verification.padding_bytes > 0) == (storage == Storage::mapped));
    }
}

TEST_CASE("lines go on across the steps of a mapped file") {
    sample::Directory directory;
    auto writer = Writer::create(directory.path, sample::head(), {.storage = Storage::mapped, .step_bytes = 1}).value();
    std::string expected;
    auto memory = Writer::onto(std::make_unique<MemorySink>(expected), sample::head()).value();
    for (int i = 0; i < 2000; ++i) {
        const std::string about = describe({.sql = std::string(static_cast<std::size_t>(i % 300), 's')}, {.verdict = "allow"});
        for (Writer* each : {writer.get(), memory.get()}) {
            each->append(Statement{.at = sample::at(), .form = "simple", .about = about, .sent = true});
            if (i % 7 == 0) REQUIRE(each->flush().has_value());
        }
    }
    REQUIRE(writer->end(sample::end).has_value());
    REQUIRE(memory->end(sample::end).has_value());
    CHECK(sample::read(writer->path()) == expected);
    CHECK(verify_file(writer->path()).outcome == Outcome::complete);
}

TEST_CASE("a directory that is missing, no directory or not writable is an error when the session begins") {
    sample::Directory directory;
    CHECK(Writer::create(directory.path + "/none", sample::head()).error().code == errc::cannot_create);
    sample::write(directory.path + "/file", "x");
    CHECK(Writer::create(directory.path + "/file", sample::head()).error().code == errc::cannot_create);
    CHECK(make_directory(directory.path + "/new").has_value());
    CHECK(make_directory(directory.path + "/new").has_value());
    CHECK(make_directory(directory.path + "/file").error().code == errc::cannot_create);
    CHECK(make_directory(directory.path + "/a/b").error().code == errc::cannot_create);
    const int refused = in_child([&] {
        if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 3;
        auto created = Writer::create("/", sample::head());
        return !created && created.error().code == errc::cannot_create ? 0 : 1;
    });
    CHECK(refused == 0);
}

TEST_CASE("a recording that is removed while it is written is noticed at the next look, and at the end") {
    for (const Storage storage : both) {
        for (const bool directory_too : {false, true}) {
            sample::Directory directory;
            auto writer = Writer::create(directory.path, sample::head(), {.storage = storage}).value();
            if (directory_too)
                std::filesystem::remove_all(directory.path);
            else
                std::filesystem::remove(writer->path());
            writer->append(State{.at = sample::at(500), .name = "a", .value = "b"});
            CHECK(writer->flush().has_value());
            writer->append(State{.at = sample::at(1500), .name = "a", .value = "b"});
            CHECK(writer->flush().error().code == errc::recording_gone);
            CHECK(writer->error().has_value());
            // And for good.
            CHECK(writer->flush().error().code == errc::recording_gone);

            sample::Directory other;
            auto short_one = Writer::create(other.path, sample::head(), {.storage = storage}).value();
            std::filesystem::remove(short_one->path());
            CHECK(short_one->end(sample::end).error().code == errc::recording_gone);
        }
    }
}

TEST_CASE("a file size limit is a full disk, not a signal's death") {
    for (const Storage storage : both) {
        sample::Directory directory;
        int result = in_child([&] {
            ::signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{100 * 1024, 100 * 1024};
            if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 3;
            auto writer = Writer::create(directory.path, sample::head(), {.storage = storage, .step_bytes = 16384}).value();
            int kept = 0;
            if (fill_up(*writer, kept) != errc::disk_full) return 4;
            if (kept < 50 || kept > 100) return 5;
            writer.reset();
            // The whole lines hold; the one that did not fit may be torn.
            const auto verification = verify_file(directory.path + "/s_8Q2M.dbgl");
            if (verification.outcome != Outcome::torn && verification.outcome != Outcome::unended) return 6;
            return verification.lines == static_cast<std::uint64_t>(kept) + 1 ? 0 : 7;
        });
        CHECK(result == 0);
        result = in_child([&] {
            ::signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{64, 64};
            if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 3;
            auto created = Writer::create(directory.path, sample::head("s_none"), {.storage = storage});
            if (created || created.error().code != errc::disk_full) return 4;
            return std::filesystem::exists(directory.path + "/s_none.dbgl") ? 5 : 0;
        });
        CHECK(result == 0);
    }
}

TEST_CASE("a full file system is an error, never SIGBUS; a read-only one, too") {
    for (const Storage storage : both) {
        sample::Directory directory;
        const int result = in_child([&] {
            // Private: the mount is gone with this process's namespace.
            if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
            if (::mount("tmpfs", directory.path.c_str(), "tmpfs", 0, "size=256k") != 0) return 77;
            auto writer = Writer::create(directory.path, sample::head(), {.storage = storage, .step_bytes = 65536}).value();
            int kept = 0;
            if (fill_up(*writer, kept) != errc::disk_full) return 4;
            if (kept < 100) return 5;
            if (fill_up(*writer, kept) != errc::disk_full || kept != 0) return 6;
            writer.reset();
            auto second = Writer::create(directory.path, sample::head("s_2"), {.storage = storage});
            if (second || second.error().code != errc::disk_full) return 7;
            const auto verification = verify_file(directory.path + "/s_8Q2M.dbgl");
            if (verification.outcome != Outcome::torn && verification.outcome != Outcome::unended) return 8;
            if (::mount("none", directory.path.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) return 9;
            auto third = Writer::create(directory.path, sample::head("s_3"), {.storage = storage});
            return !third && third.error().code == errc::cannot_create ? 0 : 10;
        });
        if (result == 77)
            MESSAGE("skipped: may not mount a file system here");
        else
            CHECK(result == 0);
    }
}

TEST_CASE("after the first failure nothing more is written, and every flush gives that error") {
    std::string whole = sample::recording();
    for (std::size_t capacity = 0; capacity < whole.size(); capacity += 37) {
        std::string bytes;
        auto writer = Writer::onto(std::make_unique<MemorySink>(bytes, capacity), sample::head());
        if (!writer) {
            CHECK(writer.error().code == errc::disk_full);
            continue;
        }
        sample::fill(**writer);
        const auto flushed = (*writer)->flush();
        const auto ended = (*writer)->end(sample::end);
        CHECK(ended.error().code == errc::disk_full);
        if (!flushed) CHECK(flushed.error() == ended.error());
        CHECK(bytes == whole.substr(0, capacity));
        CHECK((*writer)->written_bytes() <= bytes.size());
    }
}

TEST_CASE("a batch of any size is written through without growing without bound") {
    std::string bytes;
    auto writer = Writer::onto(std::make_unique<MemorySink>(bytes), sample::head()).value();
    const std::string about = describe({.sql = std::string(100000, 'x')}, {.verdict = "allow"});
    for (int i = 0; i < 10; ++i)
        writer->append(Statement{.at = sample::at(), .form = "simple", .about = about, .sent = true});
    CHECK(bytes.size() > 700000);
    REQUIRE(writer->end(sample::end).has_value());
    auto reader = Reader::from_memory(bytes);
    CHECK(verify(reader).outcome == Outcome::complete);
}

TEST_CASE("with sync every flush reaches the disk") {
    for (const Storage storage : both) {
        sample::Directory directory;
        auto writer = Writer::create(directory.path, sample::head(), {.storage = storage, .sync = true}).value();
        sample::fill(*writer);
        CHECK(writer->flush().has_value());
        CHECK(writer->end(sample::end).has_value());
    }
}
