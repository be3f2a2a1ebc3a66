#pragma once

// What PostgreSQL's own catalogue says about one login: who it is, which roles' privileges it has, and what was granted to
// those roles and to PUBLIC. Read in one read-only transaction; judged in doctor_lock.cpp.
// Source: PostgreSQL manual, "Privileges", "Role Membership", "Predefined Roles", "System Catalogs".

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "catalogue/snapshot.hpp"
#include "upstream/postgres_connection.hpp"

namespace dbguard::cli::lock {

using catalogue::Id;

/// The grantee that stands for everybody.
inline constexpr Id everybody = 0;
/// The role that initdb made, and that can never be less than a superuser (pg_authid.dat).
inline constexpr Id bootstrap_superuser = 10;

struct RoleFacts {
    Id id = 0;
    std::string name;
    bool superuser = false, create_role = false, create_database = false, replication = false, bypass_rls = false;
    std::int64_t connection_limit = -1;
    /// One of the server's own, such as pg_read_all_data.
    bool predefined() const { return name.starts_with("pg_"); }
};

/// `member` was made a member of `role`.
struct Membership {
    Id role = 0, member = 0, grantor = 0;
    bool inherits = true;   ///< has its privileges without asking
    bool can_become = true; ///< may SET ROLE to it

    bool operator==(const Membership&) const = default;
};

struct Privilege {
    std::string name;  ///< SELECT, USAGE, …
    Id grantee = 0, grantor = 0;
    bool grantable = false;
    std::int16_t column = 0;  ///< 0: the whole object
};

/// Anything that is owned and has privileges.
struct Thing {
    Id id = 0;
    std::string schema;  ///< empty where the kind has none
    std::string name;    ///< of a server_routine: with its argument types, as SQL writes them
    Id owner = 0;
    std::vector<Privilege> privileges;  ///< of the roles asked about and of everybody; not what the owner has as such
};

struct RelationFacts : Thing {
    char kind = 'r';            ///< pg_class.relkind
    bool row_security = false;
    bool linked = false;        ///< a sequence that follows its table
    bool invoker = false;       ///< a view that reads with the rights of whoever asks
};

/// Its `name` is the list of its arguments' types.
struct RoutineFacts : Thing {
    std::string plain_name;
    std::string language;
    bool trusted = true;   ///< its language confines it
    bool definer = false;
    bool callable = true;  ///< no trigger or handler
    bool reaches_out = false;  ///< of an extension that leads out of the database, or under its tables
    std::string extension;
};

/// `kind` is as GRANT writes it: FOREIGN SERVER, FOREIGN DATA WRAPPER, LARGE OBJECT, PARAMETER, …
struct OtherFacts : Thing {
    std::string kind;
};

/// ALTER DEFAULT PRIVILEGES: what objects will be given when they are made.
struct DefaultPrivilege {
    Id maker = 0;
    std::string schema;  ///< empty: in every schema
    Privilege privilege;
};

struct Facts {
    int version = 0;  ///< 150004
    std::string database;
    Id user = 0, session_user = 0;
    bool read_only = false;         ///< default_transaction_read_only
    bool has_timeout = false;       ///< statement_timeout is set
    bool any_large_object = false;  ///< lo_compat_privileges: large objects without privileges
    std::map<Id, RoleFacts> roles;
    std::vector<Membership> memberships;
    std::set<Id> holds;  ///< whose privileges it has without SET ROLE, itself included
    std::set<Id> reaches;  ///< what it may become with SET ROLE or RESET ROLE, or has

    OtherFacts this_database;
    std::vector<Thing> schemas;
    std::vector<RelationFacts> relations;
    std::vector<RoutineFacts> routines;     ///< SECURITY DEFINER, untrusted, reaching out of the database, or owned
    std::vector<RoutineFacts> large_object_routines;  ///< the server's own that make or change large objects
    std::vector<Thing> server_routines;     ///< the server's own, with EXECUTE given since it was set up
    std::vector<Thing> server_relations;    ///< the same for its own tables and views
    std::optional<Thing> statistics[3];     ///< pg_stats, pg_stats_ext, pg_stats_ext_exprs
    std::vector<OtherFacts> others;
    std::vector<DefaultPrivilege> defaults;
    catalogue::SnapshotRef snapshot;        ///< when asked for
    catalogue::Context context;
    std::map<Id, char> categories;          ///< of types: pg_type.typcategory
    std::map<std::pair<Id, std::int16_t>, std::string> type_texts;  ///< of columns, as SQL writes them

    /// '?' for a type that is not known.
    char category(Id type) const;
    const RoleFacts& role(Id id) const;
    std::string role_name(Id id) const { return role(id).name; }
};

/// Those whose privileges `user` has through `memberships`; with `becoming` also those it may SET ROLE to.
std::set<Id> closure(const std::vector<Membership>& memberships, Id user, bool becoming);

/// `with_names`: also the catalogue as the engine sees it. Errors: those of PostgresConnection::query.
Result<Facts> read_facts(upstream::PostgresConnection& connection, bool with_names, upstream::Deadline deadline);

}  // namespace dbguard::cli::lock
