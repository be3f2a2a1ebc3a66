#include "policy/masks.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "effects.hpp"

using namespace dbguard;
using namespace dbguard::policy;

namespace {

Policy policy_with_masks(const std::string& columns, const std::string& more = "", const std::string& sets = "m") {
    return policy_of(
        "dbguard: 1\npolicy: p\nidentities: {}\nroles:\n  r: { for: x, databases: d, login: l, masks: [" + sets +
        "], rules: [ { allow: read } ] }\nmasks:\n  m:\n    columns:\n" + columns + more
    );
}

std::string shown(const RoleMasks& masks, const std::string& column, std::vector<std::string> tags = {}) {
    const auto pattern = parse_object(column);
    REQUIRE(pattern.has_value());
    const auto rule = masks.column(pattern->schema, pattern->relation, *pattern->column, tags);
    return rule.mask ? masking::text(*rule.mask) : "-";
}

}  // namespace

TEST_CASE("the strictest of all rules holds, and keep by exact name unmasks") {
    const auto policy = policy_with_masks(
        "      - { column: \"crm.*.phone\", with: last(4) }\n"
        "      - { column: crm.partners.phone, with: keep }\n"
        "      - { column: \"crm.partners.v*\", with: last(4) }\n"
        "      - { column: crm.partners.vat, with: redact }\n"
        "      - { column: public.t.both, with: keep }\n"
        "      - { column: public.t.both, with: hash }\n"
        "      - { column: \"public.u.*\", with: keep }\n"
        "      - { column: public.u.token, with: hash }\n"
        "      - { tag: [pii, card], with: redact }\n"
        "      - { column: public.t.tagged, with: keep }\n"
        "      - { detect: email, in: public.notes.body, with: replace }\n"
        "      - { column: public.doc.profile, keys: [tax.tin], with: redact }\n"
    );
    const RoleMasks masks(policy, policy.roles[0]);
    CHECK(shown(masks, "crm.people.phone") == "last(4)");
    CHECK(shown(masks, "crm.partners.phone") == "-");
    CHECK(shown(masks, "crm.partners.vat") == "redact");
    CHECK(shown(masks, "crm.partners.vx") == "last(4)");
    CHECK(shown(masks, "public.t.both") == "hash");
    CHECK(shown(masks, "public.u.token") == "hash");
    CHECK(shown(masks, "public.u.other") == "-");
    CHECK(shown(masks, "public.u.other", {"pii"}) == "redact");
    CHECK(shown(masks, "public.t.tagged", {"card"}) == "-");
    CHECK(shown(masks, "public.t.free", {"other", "card"}) == "redact");
    CHECK(shown(masks, "public.t.free") == "-");
    CHECK(shown(masks, "Public.t.both") == "-");
    CHECK(masks.mask_for("public", "notes", "body")->detectors == std::vector<std::string>{"email"});
    CHECK(masks.mask_for("public", "doc", "profile")->keys == std::vector<std::vector<std::string>>{{"tax", "tin"}});
    CHECK(masks.wants_tags());

    CHECK(masks.column("crm", "partners", "phone", {}).named);
    CHECK(masks.column("crm", "partners", "vat", {}).named);
    CHECK_FALSE(masks.column("crm", "people", "phone", {}).named);
    CHECK_FALSE(masks.column("public", "notes", "body", {}).named);
    CHECK(masks.column("crm", "people", "phone", {}).rule == "masks.m[0]");
    CHECK(masks.column("crm", "partners", "vat", {}).rule == "masks.m[3]");
    CHECK(masks.column("crm", "partners", "vat", {}).derived_rule == "masks.m.derived");
    CHECK(masks.column("crm", "partners", "vat", {}).filter_rule == "masks.m.filter");
}

TEST_CASE("letter case matters where the server says so") {
    const auto policy = policy_with_masks("      - { column: shop.Customers.Email, with: redact }\n");
    const RoleMasks folded(policy, policy.roles[0], {.fold_relations = true, .fold_columns = true});
    CHECK(shown(folded, "SHOP.customers.EMAIL") == "redact");
    const RoleMasks columns(policy, policy.roles[0], {.fold_columns = true});
    CHECK(shown(columns, "shop.Customers.EMAIL") == "redact");
    CHECK(shown(columns, "shop.customers.Email") == "-");
}

TEST_CASE("a column takes derived and filter from the sets that mask it; the role has the strictest of all") {
    const auto policy = policy_with_masks(
        "      - { column: public.a.x, with: redact }\n", "    derived: deny\n    filter: equality\n"
        "  soft:\n    columns:\n      - { column: public.b.x, with: first(2) }\n      - { column: public.c.x, with: first(2) }\n"
        "    derived: mask\n    filter: allow\n"
        "  third:\n    columns:\n      - { column: public.c.x, with: first(2) }\n    derived: mask\n    filter: deny\n",
        "m, soft, third"
    );
    const RoleMasks masks(policy, policy.roles[0]);
    CHECK(masks.derived() == Derived::deny);
    CHECK(masks.filter() == Filter::deny);
    const auto a = masks.column("public", "a", "x"), b = masks.column("public", "b", "x"), c = masks.column("public", "c", "x");
    CHECK(a.derived == Derived::deny);
    CHECK(a.filter == Filter::equality);
    CHECK(b.derived == Derived::mask);
    CHECK(b.filter == Filter::allow);
    CHECK(c.derived == Derived::mask);
    CHECK(c.filter == Filter::deny);
}

TEST_CASE("a role without masks masks nothing") {
    const auto policy = policy_with_rules("      - allow: read\n");
    const RoleMasks masks(policy, policy.roles[0]);
    CHECK(masks.empty());
    CHECK_FALSE(masks.wants_tags());
    CHECK_FALSE(masks.mask_for("a", "b", "c"));
}

TEST_CASE("a detector without a place looks at every column") {
    const auto policy = policy_with_masks("      - { detect: [email], with: replace }\n      - { column: a.b.c, with: keep }\n");
    const RoleMasks masks(policy, policy.roles[0]);
    CHECK(shown(masks, "x.y.z") == "replace");
    CHECK(shown(masks, "a.b.c") == "-");
}

TEST_CASE("over random mask sets the order of rules means nothing") {
    std::mt19937 random(7);
    const std::vector<std::string> columns = {"a.b.c", "a.b.*", "*.*.c", "*.b.*"};
    const std::vector<std::string> functions = {"null", "redact", "replace", "hash", "zero", "bucket(10)", "bucket(15)", "date(year)",
                                                "email", "first(2)", "last(2)", "partial(1,1)", "keep"};
    for (int round = 0; round < 500; ++round) {
        Policy policy;
        Role role;
        role.masks.push_back({"m", {}});
        MaskSet set;
        set.name = "m";
        for (std::size_t i = 0; i <= random() % 5; ++i) {
            MaskRule rule;
            rule.columns.push_back(*parse_object(columns[random() % columns.size()]));
            rule.mask = masking::parse_mask(functions[random() % functions.size()]).value();
            set.columns.push_back(rule);
        }
        policy.masks = {set};
        const auto before = RoleMasks(policy, role).mask_for("a", "b", "c");
        std::shuffle(policy.masks[0].columns.begin(), policy.masks[0].columns.end(), random);
        CHECK(RoleMasks(policy, role).mask_for("a", "b", "c") == before);
    }
}
