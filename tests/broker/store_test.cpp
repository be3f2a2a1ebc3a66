#include "broker/store.hpp"

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

namespace dbguard::broker {
namespace {

using std::chrono::seconds;

struct TemporaryFolder {
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "dbguard_store_XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path = pattern;
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path); }
    std::string path;
};

const Time now{seconds(1'800'000'000)};

StoredSession session(std::string id) {
    StoredSession s;
    s.id = std::move(id);
    s.token_hash = "ab";
    s.policy = "shop";
    s.policy_hash = "sha256:1";
    s.role = "tester";
    s.database = "shop";
    s.login = "app_ro";
    s.database_user = "dbguard_x_" + s.id;
    s.drop_user = true;
    s.issuer = "https://issuer.example";
    s.subject = "repo:a/b";
    s.who = "a/b run 1";
    s.created = now;
    s.expires = now + seconds(1800);
    s.lease_until = now + seconds(90);
    return s;
}

std::unique_ptr<Store> open(const TemporaryFolder& folder) {
    auto store = open_sqlite_store(folder.path + "/store.sqlite");
    REQUIRE(store.has_value());
    return std::move(*store);
}

TEST_CASE("a session is opened, renewed, ended and its user dropped") {
    const TemporaryFolder folder;
    const auto store = open(folder);
    REQUIRE(store->add(session("s_1"), {}).has_value());
    CHECK(store->find("s_1").value() == session("s_1"));
    CHECK_FALSE(store->find("s_2").value().has_value());
    CHECK_FALSE(store->renew("s_1", now + seconds(200)).value());  // still opening
    AuditEntry decision;
    decision.correlation_id = "c_open";
    CHECK(store->opened("s_1", decision).value());
    CHECK_FALSE(store->opened("s_1", decision).value());
    CHECK(store->audits("c_open").value().size() == 1);
    CHECK(store->renew("s_1", now + seconds(200)).value());
    CHECK(store->find("s_1").value()->lease_until == now + seconds(200));
    CHECK(store->renew("s_1", now + seconds(100)).value());  // a renewal that comes late takes nothing back
    CHECK(store->find("s_1").value()->lease_until == now + seconds(200));
    CHECK(store->users_in_use("shop").value() == std::vector<std::string>{"dbguard_x_s_1"});
    AuditEntry why;
    why.correlation_id = "c_end";
    CHECK(store->end("s_1", "client", now + seconds(5), &why).value());
    CHECK_FALSE(store->end("s_1", "lease", now + seconds(6), &why).value());
    CHECK(store->audits("c_end").value().size() == 1);
    CHECK_FALSE(store->renew("s_1", now + seconds(300)).value());
    const auto ended = store->find("s_1").value().value();
    CHECK(ended.state == SessionState::ended);
    CHECK(ended.end_reason == "client");
    CHECK(ended.ended == now + seconds(5));
    CHECK(store->users_in_use("shop").value().empty());
    REQUIRE(store->undropped().value().size() == 1);
    CHECK(store->dropped("s_1").has_value());
    CHECK(store->undropped().value().empty());
}

TEST_CASE("overdue are those past their lease or their end") {
    const TemporaryFolder folder;
    const auto store = open(folder);
    auto expired = session("s_expired");
    expired.expires = now + seconds(10);
    expired.lease_until = now + seconds(90);
    REQUIRE(store->add(session("s_lease"), {}).has_value());
    REQUIRE(store->add(expired, {}).has_value());
    CHECK(store->overdue(now + seconds(10)).value().empty());
    CHECK(store->overdue(now + seconds(11)).value().size() == 1);
    CHECK(store->overdue(now + seconds(91)).value().size() == 2);
    REQUIRE(store->end("s_lease", "lease", now).value());
    CHECK(store->overdue(now + seconds(91)).value().size() == 1);
}

TEST_CASE("no more than max_open sessions of a role and database, even at once") {
    const TemporaryFolder folder;
    const auto store = open(folder);
    std::atomic<int> added = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&, i] {
            const auto done = store->add(session("s_" + std::to_string(i)), 3);
            if (done) ++added;
            else CHECK(done.error().code == errc::too_many_sessions);
        });
    for (auto& thread : threads) thread.join();
    CHECK(added == 3);
    auto other = session("s_other");
    other.role = "migrator";
    CHECK(store->add(other, 1).has_value());
    const auto alive = store->latest(10).value();
    for (const auto& s : alive) CHECK(store->end(s.id, "client", now).value());
    CHECK(store->add(session("s_again"), 3).has_value());
}

TEST_CASE("a token is used once, or as often as its rule says, also after a restart and by two services") {
    const TemporaryFolder folder;
    auto store = open(folder);
    const auto second = open(folder);
    const identity::TokenUseRecord once{{"https://a", "jti:1"}, 1, now + seconds(300)};
    CHECK(store->use(once, now).has_value());
    CHECK(store->use(once, now).error().code == identity::replay_error::replayed);
    CHECK(second->use(once, now).error().code == identity::replay_error::replayed);
    const identity::TokenUseRecord other_issuer{{"https://b", "jti:1"}, 1, now + seconds(300)};
    CHECK(store->use(other_issuer, now).has_value());
    const identity::TokenUseRecord thrice{{"https://a", "job:7"}, 3, now + seconds(300)};
    for (int i = 0; i < 3; ++i) CHECK(store->use(thrice, now).has_value());
    CHECK(store->use(thrice, now).error().code == identity::replay_error::replayed);
    store.reset();
    store = open(folder);
    CHECK(store->use(once, now + seconds(299)).error().code == identity::replay_error::replayed);
    // After keep_until the token is refused for its age; the entry is forgotten.
    CHECK(store->use(once, now + seconds(301)).has_value());
}

TEST_CASE("one token exchanged by many threads at once gets through once") {
    const TemporaryFolder folder;
    const auto a = open(folder);
    const auto b = open(folder);
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&, i] {
            if ((i % 2 ? a : b)->use({{"https://a", "jti:x"}, 1, now + seconds(300)}, now)) ++good;
        });
    for (auto& thread : threads) thread.join();
    CHECK(good == 1);
}

TEST_CASE("audit entries are kept as they were given") {
    const TemporaryFolder folder;
    const auto store = open(folder);
    AuditEntry entry{now, "c_1", "exchange", "refused", "expired", "127.0.0.1", "", "shop", "", "", "", "https://a", "sub'ject", "jti:1", "k", "{}"};
    CHECK(store->audit(entry).has_value());
    entry.decision = "allowed";
    CHECK(store->audit(entry).has_value());
    const auto entries = store->audits("c_1").value();
    REQUIRE(entries.size() == 2);
    CHECK(entries[1] == entry);
    CHECK(store->audits("c_2").value().empty());
}

TEST_CASE("sessions of one job are found, those of others and those without a job are not") {
    const TemporaryFolder folder;
    const auto store = open(folder);
    auto mine = session("s_mine");
    mine.job_id = "7";
    auto other_role = session("s_role");
    other_role.job_id = "7";
    other_role.role = "migrator";
    auto other_job = session("s_job");
    other_job.job_id = "8";
    for (const auto& s : {mine, other_role, other_job}) REQUIRE(store->add(s, {}).has_value());
    const auto found = store->of_job(mine.issuer, "7", "shop", "tester").value();
    REQUIRE(found.size() == 1);
    CHECK(found[0].id == "s_mine");
}

TEST_CASE("the store's name stays, its files are private, and a newer schema is refused") {
    const TemporaryFolder folder;
    auto store = open(folder);
    const auto name = store->instance().value();
    CHECK(name.size() == 6);
    struct stat info {};
    REQUIRE(::stat((folder.path + "/store.sqlite").c_str(), &info) == 0);
    CHECK((info.st_mode & 077) == 0);
    REQUIRE(::stat((folder.path + "/store.sqlite-wal").c_str(), &info) == 0);
    CHECK((info.st_mode & 077) == 0);
    store.reset();
    store = open(folder);
    CHECK(store->instance().value() == name);
    store.reset();
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open((folder.path + "/store.sqlite").c_str(), &db) == SQLITE_OK);
    sqlite3_exec(db, "PRAGMA user_version = 99", nullptr, nullptr, nullptr);
    sqlite3_close(db);
    const auto newer = open_sqlite_store(folder.path + "/store.sqlite");
    REQUIRE_FALSE(newer.has_value());
    CHECK(newer.error().detail.find("newer dbguard") != std::string::npos);
}

TEST_CASE("recordings are kept from a session's end, as long as their session says") {
    const TemporaryFolder folder;
    const auto store = open(folder);
    for (const char* id : {"s_short", "s_long", "s_ever", "s_open"}) {
        auto one = session(id);
        if (one.id != "s_ever") one.keep = one.id == "s_long" ? seconds(1000) : seconds(100);
        REQUIRE(store->add(one, {}).has_value());
        CHECK(store->find(id).value()->keep == one.keep);
        if (one.id != "s_open") CHECK(store->end(id, "client", now).value());
    }
    const auto due = [&](seconds later) {
        std::string names;
        for (const auto& one : store->past_keeping(now + later).value()) names += one.id + " ";
        return names;
    };
    CHECK(due(seconds(100)) == "");
    CHECK(due(seconds(101)) == "s_short ");
    CHECK(due(seconds(5000)) == "s_short s_long ");
    AuditEntry why;
    why.at = now;
    why.correlation_id = "c_1";
    why.event = "retention";
    why.session = "s_short";
    CHECK(store->recording_removed("s_short", why).has_value());
    CHECK(due(seconds(5000)) == "s_long ");
    CHECK(store->find("s_short").value()->recording_removed);
    CHECK(store->audits("c_1").value() == std::vector<AuditEntry>{why});
}

TEST_CASE("a store of the version before is brought to this one") {
    const TemporaryFolder folder;
    auto store = open(folder);
    const auto name = store->instance().value();
    REQUIRE(store->add(session("s_old"), {}).has_value());
    store.reset();
    // As version 1 had it.
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open((folder.path + "/store.sqlite").c_str(), &db) == SQLITE_OK);
    for (const char* sql : {"DROP INDEX sessions_to_forget", "ALTER TABLE sessions DROP COLUMN recording_removed", "ALTER TABLE sessions DROP COLUMN keep_seconds", "PRAGMA user_version = 1"})
        REQUIRE(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    store = open(folder);
    CHECK(store->instance().value() == name);
    CHECK(store->find("s_old").value() == session("s_old"));
    CHECK(store->end("s_old", "client", now).value());
    CHECK(store->past_keeping(now + std::chrono::hours(100'000)).value().empty());
}

TEST_CASE("a store that cannot be opened or is none is an error") {
    const TemporaryFolder folder;
    CHECK(open_sqlite_store(folder.path + "/missing/store.sqlite").error().code == errc::store_failed);
    const std::string path = folder.path + "/garbage";
    FILE* file = std::fopen(path.c_str(), "w");
    std::fputs("this is not a database at all, but it is long enough to be read as one, or so it seems", file);
    std::fclose(file);
    CHECK(open_sqlite_store(path).error().code == errc::store_failed);
}

}  // namespace
}  // namespace dbguard::broker
