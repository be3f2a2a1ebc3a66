#include <sqlite3.h>
#include <sys/stat.h>

#include <iterator>
#include <mutex>

#include "base/crypto.hpp"
#include "broker/store.hpp"

namespace dbguard::broker {
namespace {

constexpr int schema_version = 2;

// Times are seconds since 1970. A session's row stays when it has ended: it is the index of its recording.
constexpr const char* schema = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    token_hash TEXT NOT NULL,
    state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
    policy TEXT NOT NULL, policy_hash TEXT NOT NULL, role TEXT NOT NULL,
    database TEXT NOT NULL, login TEXT NOT NULL, database_user TEXT NOT NULL,
    drop_user INTEGER NOT NULL CHECK (drop_user IN (0, 1)),
    issuer TEXT NOT NULL, subject TEXT NOT NULL, job_id TEXT NOT NULL, who TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL, lease_until INTEGER NOT NULL,
    ended INTEGER, end_reason TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_alive ON sessions (database, role) WHERE state < 2;
CREATE INDEX sessions_undropped ON sessions (id) WHERE state = 2 AND drop_user = 1;
CREATE TABLE token_uses (
    issuer TEXT NOT NULL, token TEXT NOT NULL, uses INTEGER NOT NULL, keep_until INTEGER NOT NULL,
    PRIMARY KEY (issuer, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX token_uses_age ON token_uses (keep_until);
CREATE TABLE audit (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL, correlation_id TEXT NOT NULL, event TEXT NOT NULL, decision TEXT NOT NULL, reason TEXT NOT NULL,
    peer TEXT NOT NULL, session TEXT NOT NULL, database TEXT NOT NULL, policy TEXT NOT NULL, role TEXT NOT NULL,
    identity TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL, token_id TEXT NOT NULL, key_id TEXT NOT NULL,
    who TEXT NOT NULL
) STRICT;
CREATE INDEX audit_correlation ON audit (correlation_id);
)sql";

/// What brings a store from the version before to this one, by that version's number.
constexpr const char* upgrades[] = {
    schema,
    R"sql(
ALTER TABLE sessions ADD COLUMN keep_seconds INTEGER;
ALTER TABLE sessions ADD COLUMN recording_removed INTEGER NOT NULL DEFAULT 0 CHECK (recording_removed IN (0, 1));
CREATE INDEX sessions_to_forget ON sessions (ended + keep_seconds) WHERE state = 2 AND recording_removed = 0 AND keep_seconds IS NOT NULL;
)sql",
};
static_assert(std::size(upgrades) == schema_version);

constexpr const char* session_columns =
    "id, token_hash, state, policy, policy_hash, role, database, login, database_user, drop_user, issuer, subject, job_id, "
    "who, created, expires, lease_until, ended, end_reason, keep_seconds, recording_removed";

std::int64_t number(Time time) { return time.time_since_epoch().count(); }
Time time_of(std::int64_t seconds) { return Time(std::chrono::seconds(seconds)); }

/// A prepared statement that is being filled and stepped through. A failure sticks and shows at the end.
class Statement {
  public:
    Statement(sqlite3* db, std::string_view sql) : db_(db) {
        ok_ = sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr) == SQLITE_OK;
    }
    ~Statement() { sqlite3_finalize(statement_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    Statement& text(std::string_view value) {
        const char* data = value.data() == nullptr ? "" : value.data();
        check(ok_ && sqlite3_bind_text(statement_, ++bound_, data, static_cast<int>(value.size()), SQLITE_TRANSIENT) == SQLITE_OK);
        return *this;
    }
    Statement& integer(std::int64_t value) {
        check(ok_ && sqlite3_bind_int64(statement_, ++bound_, value) == SQLITE_OK);
        return *this;
    }
    Statement& integer(std::optional<Time> value) { return value ? integer(number(*value)) : null(); }
    Statement& null() {
        check(ok_ && sqlite3_bind_null(statement_, ++bound_) == SQLITE_OK);
        return *this;
    }

    /// True: there is a row.
    bool step() {
        if (!ok_) return false;
        const int result = sqlite3_step(statement_);
        check(result == SQLITE_ROW || result == SQLITE_DONE);
        return result == SQLITE_ROW;
    }
    std::string text_at(int column) const {
        const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
        return data ? std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))) : std::string();
    }
    std::int64_t integer_at(int column) const { return sqlite3_column_int64(statement_, column); }
    bool null_at(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

    bool ok() const { return ok_; }
    Error error() const { return Error{errc::store_failed, error_.empty() ? sqlite3_errmsg(db_) : error_}; }

  private:
    void check(bool good) {
        if (good || !ok_) return;
        ok_ = false;
        error_ = sqlite3_errmsg(db_);
    }

    sqlite3* db_;
    sqlite3_stmt* statement_ = nullptr;
    int bound_ = 0;
    bool ok_ = false;
    std::string error_;
};

StoredSession session_of(const Statement& row) {
    StoredSession s;
    s.id = row.text_at(0);
    s.token_hash = row.text_at(1);
    s.state = static_cast<SessionState>(row.integer_at(2));
    s.policy = row.text_at(3);
    s.policy_hash = row.text_at(4);
    s.role = row.text_at(5);
    s.database = row.text_at(6);
    s.login = row.text_at(7);
    s.database_user = row.text_at(8);
    s.drop_user = row.integer_at(9) != 0;
    s.issuer = row.text_at(10);
    s.subject = row.text_at(11);
    s.job_id = row.text_at(12);
    s.who = row.text_at(13);
    s.created = time_of(row.integer_at(14));
    s.expires = time_of(row.integer_at(15));
    s.lease_until = time_of(row.integer_at(16));
    if (!row.null_at(17)) s.ended = time_of(row.integer_at(17));
    s.end_reason = row.text_at(18);
    if (!row.null_at(19)) s.keep = std::chrono::seconds(row.integer_at(19));
    s.recording_removed = row.integer_at(20) != 0;
    return s;
}

class SqliteStore final : public Store {
  public:
    explicit SqliteStore(sqlite3* db) : db_(db) {}
    ~SqliteStore() override { sqlite3_close(db_); }

    Result<void> set_up();

    Result<std::string> instance() override;
    Result<void> add(const StoredSession& session, std::optional<std::uint64_t> max_open) override;
    Result<bool> opened(std::string_view id, const AuditEntry& decision) override;
    Result<std::optional<StoredSession>> find(std::string_view id) override;
    Result<bool> renew(std::string_view id, Time lease_until) override;
    Result<bool> end(std::string_view id, std::string_view reason, Time now, const AuditEntry* why) override;
    Result<void> dropped(std::string_view id) override;
    Result<std::vector<StoredSession>> of_job(
        std::string_view issuer, std::string_view job_id, std::string_view database, std::string_view role
    ) override;
    Result<std::vector<StoredSession>> overdue(Time now) override;
    Result<std::vector<StoredSession>> undropped() override;
    Result<std::vector<std::string>> users_in_use(std::string_view database) override;
    Result<std::vector<StoredSession>> past_keeping(Time now) override;
    Result<void> recording_removed(std::string_view id, const AuditEntry& why) override;
    Result<std::vector<StoredSession>> latest(std::size_t count) override;
    Result<void> audit(const AuditEntry& entry) override;
    Result<std::vector<AuditEntry>> audits(std::string_view correlation_id) override;
    Result<void> use(const identity::TokenUseRecord& record, identity::Time now) override;

  private:
    Error failed() const { return Error{errc::store_failed, sqlite3_errmsg(db_)}; }
    Result<void> execute(const char* sql) {
        if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failed();
        return {};
    }
    Result<std::vector<StoredSession>> sessions(Statement& statement) {
        std::vector<StoredSession> found;
        while (statement.step()) found.push_back(session_of(statement));
        if (!statement.ok()) return statement.error();
        return found;
    }
    /// Runs a statement that changes rows; true when it changed one.
    Result<bool> change(Statement& statement) {
        statement.step();
        if (!statement.ok()) return statement.error();
        return sqlite3_changes(db_) > 0;
    }

    Result<void> insert(const AuditEntry& entry);

    /// While it lives, a commit does not wait for the disk: for what may be lost in a power cut.
    class Relaxed {
      public:
        explicit Relaxed(SqliteStore& store) : store_(store) { static_cast<void>(store_.execute("PRAGMA synchronous = NORMAL")); }
        ~Relaxed() { static_cast<void>(store_.execute("PRAGMA synchronous = FULL")); }
        Relaxed(const Relaxed&) = delete;
        Relaxed& operator=(const Relaxed&) = delete;

      private:
        SqliteStore& store_;
    };

    /// A transaction that is rolled back unless it was committed. BEGIN IMMEDIATE: what is read in it stays true.
    class Transaction {
      public:
        explicit Transaction(SqliteStore& store) : store_(store), begun_(store.execute("BEGIN IMMEDIATE")) {}
        ~Transaction() {
            if (open_ && begun_) static_cast<void>(store_.execute("ROLLBACK"));
        }
        Transaction(const Transaction&) = delete;
        Transaction& operator=(const Transaction&) = delete;
        const Result<void>& begun() const { return begun_; }
        Result<void> commit() {
            const auto done = store_.execute("COMMIT");
            if (done) open_ = false;
            return done;
        }

      private:
        SqliteStore& store_;
        Result<void> begun_;
        bool open_ = true;
    };

    std::mutex mutex_;
    sqlite3* db_;
};

Result<void> SqliteStore::set_up() {
    sqlite3_busy_timeout(db_, 5000);
    // FULL: an audit entry survives a power cut, because the answer that follows it may have been acted upon.
    for (const char* sql : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA trusted_schema = OFF", "PRAGMA foreign_keys = ON"})
        if (auto done = execute(sql); !done) return done;
    Transaction transaction(*this);
    if (!transaction.begun()) return transaction.begun();
    std::int64_t version = 0;
    {
        Statement statement(db_, "PRAGMA user_version");
        if (!statement.step()) return statement.error();
        version = statement.integer_at(0);
    }
    if (version > schema_version)
        return Error{errc::store_failed, "the store is of a newer dbguard (schema " + std::to_string(version) + ")"};
    const bool is_new = version == 0;
    for (; version < schema_version; ++version)
        if (auto done = execute(upgrades[version]); !done) return done;
    if (is_new) {
        Statement meta(db_, "INSERT INTO meta (key, value) VALUES ('instance', ?)");
        std::string instance = random_id("", 6);
        for (char& c : instance)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        meta.text(instance).step();
        if (!meta.ok()) return meta.error();
    }
    if (auto done = execute(("PRAGMA user_version = " + std::to_string(schema_version)).c_str()); !done) return done;
    return transaction.commit();
}

Result<std::string> SqliteStore::instance() {
    const std::lock_guard lock(mutex_);
    Statement statement(db_, "SELECT value FROM meta WHERE key = 'instance'");
    if (!statement.step()) return statement.error();
    return statement.text_at(0);
}

Result<void> SqliteStore::add(const StoredSession& s, std::optional<std::uint64_t> max_open) {
    const std::lock_guard lock(mutex_);
    Transaction transaction(*this);
    if (!transaction.begun()) return transaction.begun();
    if (max_open) {
        Statement count(db_, "SELECT count(*) FROM sessions WHERE state < 2 AND policy = ? AND role = ? AND database = ?");
        count.text(s.policy).text(s.role).text(s.database);
        if (!count.step()) return count.error();
        if (static_cast<std::uint64_t>(count.integer_at(0)) >= *max_open)
            return Error{errc::too_many_sessions, std::to_string(*max_open) + " of role " + s.role + " are open"};
    }
    Statement insert(
        db_, std::string("INSERT INTO sessions (") + session_columns +
                 ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    insert.text(s.id).text(s.token_hash).integer(static_cast<std::int64_t>(s.state)).text(s.policy).text(s.policy_hash);
    insert.text(s.role).text(s.database).text(s.login).text(s.database_user).integer(std::int64_t{s.drop_user});
    insert.text(s.issuer).text(s.subject).text(s.job_id).text(s.who);
    insert.integer(number(s.created)).integer(number(s.expires)).integer(number(s.lease_until));
    insert.integer(s.ended).text(s.end_reason);
    if (s.keep) insert.integer(s.keep->count());
    else insert.null();
    insert.integer(std::int64_t{s.recording_removed}).step();
    if (!insert.ok()) return insert.error();
    return transaction.commit();
}

Result<bool> SqliteStore::opened(std::string_view id, const AuditEntry& decision) {
    const std::lock_guard lock(mutex_);
    Transaction transaction(*this);
    if (!transaction.begun()) return transaction.begun().error();
    Statement statement(db_, "UPDATE sessions SET state = 1 WHERE id = ? AND state = 0");
    statement.text(id);
    const auto changed = change(statement);
    if (!changed || !*changed) return changed;
    if (const auto written = insert(decision); !written) return written.error();
    if (const auto done = transaction.commit(); !done) return done.error();
    return true;
}

Result<std::optional<StoredSession>> SqliteStore::find(std::string_view id) {
    const std::lock_guard lock(mutex_);
    Statement statement(db_, std::string("SELECT ") + session_columns + " FROM sessions WHERE id = ?");
    statement.text(id);
    const auto found = sessions(statement);
    if (!found) return found.error();
    if (found->empty()) return std::optional<StoredSession>();
    return std::optional<StoredSession>(found->front());
}

Result<bool> SqliteStore::renew(std::string_view id, Time lease_until) {
    const std::lock_guard lock(mutex_);
    const Relaxed relaxed(*this);
    Statement statement(db_, "UPDATE sessions SET lease_until = max(lease_until, ?) WHERE id = ? AND state = 1");
    statement.integer(number(lease_until)).text(id);
    return change(statement);
}

Result<bool> SqliteStore::end(std::string_view id, std::string_view reason, Time now, const AuditEntry* why) {
    const std::lock_guard lock(mutex_);
    Transaction transaction(*this);
    if (!transaction.begun()) return transaction.begun().error();
    Statement statement(db_, "UPDATE sessions SET state = 2, ended = ?, end_reason = ? WHERE id = ? AND state < 2");
    statement.integer(number(now)).text(reason).text(id);
    const auto changed = change(statement);
    if (!changed || !*changed) return changed;
    if (why != nullptr)
        if (const auto written = insert(*why); !written) return written.error();
    if (const auto done = transaction.commit(); !done) return done.error();
    return true;
}

Result<void> SqliteStore::dropped(std::string_view id) {
    const std::lock_guard lock(mutex_);
    const Relaxed relaxed(*this);
    Statement statement(db_, "UPDATE sessions SET drop_user = 0 WHERE id = ?");
    statement.text(id);
    if (const auto done = change(statement); !done) return done.error();
    return {};
}

Result<std::vector<StoredSession>> SqliteStore::of_job(
    std::string_view issuer, std::string_view job_id, std::string_view database, std::string_view role
) {
    const std::lock_guard lock(mutex_);
    Statement statement(
        db_, std::string("SELECT ") + session_columns +
                 " FROM sessions WHERE state < 2 AND database = ? AND role = ? AND issuer = ? AND job_id = ?"
    );
    statement.text(database).text(role).text(issuer).text(job_id);
    return sessions(statement);
}

Result<std::vector<StoredSession>> SqliteStore::overdue(Time now) {
    const std::lock_guard lock(mutex_);
    Statement statement(
        db_, std::string("SELECT ") + session_columns + " FROM sessions WHERE state < 2 AND (lease_until < ? OR expires < ?)"
    );
    statement.integer(number(now)).integer(number(now));
    return sessions(statement);
}

Result<std::vector<StoredSession>> SqliteStore::undropped() {
    const std::lock_guard lock(mutex_);
    Statement statement(db_, std::string("SELECT ") + session_columns + " FROM sessions WHERE state = 2 AND drop_user = 1");
    return sessions(statement);
}

Result<std::vector<std::string>> SqliteStore::users_in_use(std::string_view database) {
    const std::lock_guard lock(mutex_);
    Statement statement(db_, "SELECT database_user FROM sessions WHERE state < 2 AND database = ?");
    statement.text(database);
    std::vector<std::string> users;
    while (statement.step()) users.push_back(statement.text_at(0));
    if (!statement.ok()) return statement.error();
    return users;
}

Result<std::vector<StoredSession>> SqliteStore::past_keeping(Time now) {
    const std::lock_guard lock(mutex_);
    Statement statement(
        db_, std::string("SELECT ") + session_columns +
                 " FROM sessions WHERE state = 2 AND recording_removed = 0 AND keep_seconds IS NOT NULL AND ended + keep_seconds < ?"
                 " ORDER BY ended + keep_seconds LIMIT 500"
    );
    statement.integer(number(now));
    return sessions(statement);
}

Result<void> SqliteStore::recording_removed(std::string_view id, const AuditEntry& why) {
    const std::lock_guard lock(mutex_);
    Transaction transaction(*this);
    if (!transaction.begun()) return transaction.begun().error();
    Statement statement(db_, "UPDATE sessions SET recording_removed = 1 WHERE id = ?");
    statement.text(id);
    if (const auto done = change(statement); !done) return done.error();
    if (const auto written = insert(why); !written) return written.error();
    return transaction.commit();
}

Result<std::vector<StoredSession>> SqliteStore::latest(std::size_t count) {
    const std::lock_guard lock(mutex_);
    Statement statement(db_, std::string("SELECT ") + session_columns + " FROM sessions ORDER BY created DESC, rowid DESC LIMIT ?");
    statement.integer(static_cast<std::int64_t>(count));
    return sessions(statement);
}

Result<void> SqliteStore::audit(const AuditEntry& entry) {
    const std::lock_guard lock(mutex_);
    return insert(entry);
}

Result<void> SqliteStore::insert(const AuditEntry& e) {
    Statement statement(
        db_,
        "INSERT INTO audit (at, correlation_id, event, decision, reason, peer, session, database, policy, role, identity, "
        "issuer, subject, token_id, key_id, who) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    statement.integer(number(e.at)).text(e.correlation_id).text(e.event).text(e.decision).text(e.reason).text(e.peer);
    statement.text(e.session).text(e.database).text(e.policy).text(e.role).text(e.identity).text(e.issuer).text(e.subject);
    statement.text(e.token_id).text(e.key_id).text(e.who);
    if (const auto done = change(statement); !done) return done.error();
    return {};
}

Result<std::vector<AuditEntry>> SqliteStore::audits(std::string_view correlation_id) {
    const std::lock_guard lock(mutex_);
    Statement row(
        db_,
        "SELECT at, correlation_id, event, decision, reason, peer, session, database, policy, role, identity, issuer, "
        "subject, token_id, key_id, who FROM audit WHERE correlation_id = ? ORDER BY n"
    );
    row.text(correlation_id);
    std::vector<AuditEntry> found;
    while (row.step()) {
        AuditEntry e;
        e.at = time_of(row.integer_at(0));
        std::string* const fields[] = {
            &e.correlation_id, &e.event, &e.decision, &e.reason, &e.peer, &e.session, &e.database, &e.policy,
            &e.role, &e.identity, &e.issuer, &e.subject, &e.token_id, &e.key_id, &e.who
        };
        int column = 1;
        for (std::string* field : fields) *field = row.text_at(column++);
        found.push_back(std::move(e));
    }
    if (!row.ok()) return row.error();
    return found;
}

Result<void> SqliteStore::use(const identity::TokenUseRecord& record, identity::Time now) {
    const std::lock_guard lock(mutex_);
    const auto unreachable = [](const Error& error) { return Error{identity::replay_error::store_unreachable, error.detail}; };
    Transaction transaction(*this);
    if (!transaction.begun()) return unreachable(transaction.begun().error());
    Statement forget(db_, "DELETE FROM token_uses WHERE keep_until < ?");
    forget.integer(number(now)).step();
    if (!forget.ok()) return unreachable(forget.error());
    Statement count(
        db_,
        "INSERT INTO token_uses (issuer, token, uses, keep_until) VALUES (?, ?, 1, ?) "
        "ON CONFLICT (issuer, token) DO UPDATE SET uses = uses + 1, keep_until = max(keep_until, excluded.keep_until) "
        "RETURNING uses"
    );
    count.text(record.key.issuer).text(record.key.token).integer(number(record.keep_until));
    if (!count.step()) return unreachable(count.error());
    const auto uses = count.integer_at(0);
    count.step();  // to its end: an unfinished statement would hold the transaction open
    if (!count.ok()) return unreachable(count.error());
    if (uses > static_cast<std::int64_t>(record.max_uses))
        return Error{identity::replay_error::replayed, "used " + std::to_string(uses - 1) + " times before"};
    if (const auto done = transaction.commit(); !done) return unreachable(done.error());
    return {};
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path) {
    // SQLite would create it by the umask; WAL and shm files take the mode of the main file.
    const mode_t before = ::umask(077);
    sqlite3* db = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
    if (opened != SQLITE_OK) {
        const Error error{errc::store_failed, path + ": " + (db ? sqlite3_errmsg(db) : "no memory")};
        sqlite3_close(db);
        ::umask(before);
        return error;
    }
    auto store = std::make_unique<SqliteStore>(db);
    const auto done = store->set_up();
    ::umask(before);
    if (!done) return Error{errc::store_failed, path + ": " + done.error().detail};
    return std::unique_ptr<Store>(std::move(store));
}

}  // namespace dbguard::broker
