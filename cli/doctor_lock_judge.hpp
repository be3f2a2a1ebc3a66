#pragma once

// How a login's privileges are judged: who it is (doctor_lock_who.cpp), what it may do with tables (doctor_lock_tables.cpp) and
// with everything else (doctor_lock_others.cpp). Each step says what it found and adds the statements that close it. Private to
// doctor_lock*.cpp.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/doctor_lock.hpp"
#include "cli/doctor_lock_facts.hpp"
#include "cli/doctor_lock_needs.hpp"
#include "cli/doctor_lock_script.hpp"
#include "sql/lineage.hpp"

namespace dbguard::cli::lock {

using sql::EffectClass;

/// Connections that a login of its own may need at most, when it has no limit at all.
inline constexpr int suggested_connections = 32;

/// The first of them, for a line of text; --json has statements for all.
std::string list(const std::vector<std::string>& names);
void add_once(std::vector<std::string>& names, std::string name);

struct ColumnView {
    std::vector<std::string> open;    ///< columns that may be read
    std::vector<std::string> closed;  ///< columns that no statement may read
    std::vector<std::string> masked;  ///< shown masked; the mask needs the value
    std::vector<std::string> nulled;  ///< shown as NULL to everybody
};

class Judge {
  public:
    Judge(const Facts& facts, const policy::Policy* policy, const Needs* needs)
        : facts_(facts), policy_(policy), needs_(needs), user_(facts.role(facts.user)), target_(user_.name) {}

    LockReport run();

  private:
    void finding(std::string name, CheckState state, std::string text, std::string fix = {}) {
        report_.checks.push_back({"lock", std::move(name), state, std::move(text), std::move(fix)});
    }
    void held(std::string name, std::string text) { finding(std::move(name), CheckState::ok, std::move(text)); }
    /// A policy says what is too much; without one it is only worth knowing.
    CheckState open_state() const { return needs_ ? CheckState::warn : CheckState::note; }
    bool opens(std::initializer_list<EffectClass> effects, std::string_view schema = {}, std::string_view name = {}) const {
        return needs_ != nullptr && needs_->opens_any(effects, schema, name);
    }
    bool is_user(Id role) const { return role == facts_.user || role == facts_.session_user; }
    bool is_superuser() const { return user_.superuser || facts_.role(facts_.session_user).superuser; }

    // Who it is.
    void attributes();
    void predefined();
    void other_roles();
    void ownership();
    // What it may do. After the above, which decide what stays.
    void relations();
    void schemas();
    void database();
    void routines();
    void foreign();
    void large_objects();
    void statistics();
    void server_objects();
    void defaults();
    void settings();
    void keep();

    ColumnView columns(const RelationFacts& relation) const;
    void views_of_nulled(const RelationFacts& relation, const ColumnView& columns);
    std::vector<sql::Lineage> lineage(const RelationFacts& relation) const;
    std::set<std::string> wanted(const RelationFacts& relation) const;
    bool has(const RelationFacts& relation, const std::string& privilege, bool afterwards) const;
    bool has_on_schema(const Thing& schema, const std::string& privilege, bool afterwards) const;
    bool owner_stays(const Thing& thing) const { return kept_.contains(thing.owner) && !moved_.contains(thing.id); }
    bool stays(const Privilege& privilege) const { return privilege.grantee == everybody || kept_.contains(privilege.grantee); }
    bool needs_something(std::string_view schema) const;

    std::string grantee(Id role) const { return role == everybody ? "PUBLIC" : ident(facts_.role_name(role)); }
    std::string lost_by(Id grantee) const;
    void revoke(Phase phase, const std::string& what, const std::string& on, const Privilege& privilege, Id owner);
    void revoke_routine(const RoutineFacts& routine, const Privilege& privilege);
    void end_membership(const Membership& membership);
    void new_owner(const Thing& thing, const std::string& kind, const std::string& name);

    const Facts& facts_;
    const policy::Policy* policy_;
    const Needs* needs_;
    const RoleFacts& user_;
    std::string target_;  ///< the role that ordinary work uses afterwards
    LockReport report_;
    Script script_;

    std::vector<Membership> ended_;
    std::set<Id> kept_;          ///< whose privileges it has once the script ran
    std::set<Id> moved_;         ///< objects that get another owner
    std::set<std::string> schemas_used_;  ///< that hold something the policy opens
    std::string owner_name_;     ///< that other role; empty: none is needed yet
    bool reads_masked_ = false;  ///< it may read some masked column
    std::vector<policy::Sensitivity> sensitivities_;  ///< one a role of needs_
};

}  // namespace dbguard::cli::lock
