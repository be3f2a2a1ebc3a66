#include "policy/lint_catalogue.hpp"

#include <doctest/doctest.h>

#include "effects.hpp"
#include "policy/lint.hpp"
#include "policy/sensitive_names.hpp"
#include "vectors.hpp"

using namespace dbguard::policy;
using dbguard::catalogue::Column;
using dbguard::catalogue::Relation;
using dbguard::catalogue::RelationKind;
using dbguard::catalogue::Snapshot;

namespace {

Relation table(std::uint32_t id, std::string schema, std::string name, const std::vector<std::string>& columns) {
    Relation out;
    out.id = id;
    out.schema = std::move(schema);
    out.name = std::move(name);
    for (const auto& column : columns) {
        Column one;
        one.number = static_cast<std::int16_t>(out.columns.size() + 1);
        one.name = column;
        out.columns.push_back(one);
    }
    return out;
}

Snapshot shop() {
    Snapshot::Parts parts;
    parts.relations.push_back(table(1, "public", "customers", {"id", "email", "phoneNumber", "tokenizer"}));
    parts.relations.back().columns[1].tags = {"pii"};
    parts.relations.push_back(table(2, "public", "customers_eu", {"id", "email", "phoneNumber", "tokenizer"}));
    parts.relations.back().parents = {1};
    parts.relations.push_back(table(3, "auth", "credentials", {"id", "value"}));
    parts.relations.push_back(table(4, "pg_catalog", "pg_authid", {"rolpassword"}));
    parts.relations.push_back(table(5, "public", "contacts", {"email"}));
    parts.relations.back().kind = RelationKind::view;
    dbguard::catalogue::Function f;
    f.schema = "public";
    f.name = "f";
    parts.functions.push_back(f);
    return Snapshot(std::move(parts));
}

std::string lint_text(const std::string& rules, const std::string& masks) {
    const auto snapshot = shop();
    const auto policy = policy_of(
        "dbguard: 1\npolicy: p\nidentities: {}\nroles:\n  r:\n    for: x\n    databases: d\n    login: l\n    session: { ttl: 1h }\n    limits: { rows: 10 }\n    rules:\n" + rules +
        (masks.empty() ? "" : "    masks: m\nmasks:\n  m:\n    columns:\n" + masks)
    );
    std::vector<Problem> found;
    lint_catalogue(policy, snapshot, found);
    return messages(found);
}

}  // namespace

TEST_CASE("columns that look sensitive and tables that do are to be masked, kept by name or closed") {
    const std::string reads = "      - allow: read\n";
    CHECK(lint_text(reads, "") ==
          "5:3: warning: role `r` reads `public.customers` with columns that look sensitive and have no mask: email, phoneNumber; mask them, write `keep` by name, or deny the table\n"
          "5:3: warning: role `r` reads `public.customers_eu` with columns that look sensitive and have no mask: email, phoneNumber; mask them, write `keep` by name, or deny the table\n"
          "5:3: warning: role `r` reads `auth.credentials`, which looks sensitive, without any mask; mask its columns, or deny the table\n");
    // A partition carries its parent's masks.
    CHECK(lint_text(reads + "      - deny: read\n        of: \"auth.*\"\n", "      - { column: [public.customers.email, public.customers.phoneNumber], with: redact }\n") == "");
    CHECK(lint_text(reads, "      - { tag: pii, with: redact }\n      - { column: \"*.*.phoneNumber\", with: keep }\n      - { column: public.customers.phoneNumber, with: keep }\n      - { column: auth.credentials.value, with: \"null\" }\n") == "");
    CHECK(lint_text("      - allow: read\n        of: public.contacts\n", "") == "");
    CHECK(lint_text("      - allow: write.insert\n", "") == "");
}

TEST_CASE("a mask on what is not there is told") {
    const std::string none = "      - allow: tx\n";
    CHECK(lint_text(none, "      - { column: public.customers.emaill, with: redact }\n") == "17:9: error: this masks nothing: the schema has no column `public.customers.emaill`; write `public.customers.email`\n");
    CHECK(lint_text(none, "      - { column: public.customer.email, with: redact }\n") == "17:9: error: this masks nothing: the schema has no table of column `public.customer.email`; write `public.customers.email`\n");
    CHECK(lint_text(none, "      - { column: \"*.*.ssn\", with: redact }\n") == "17:9: warning: this masks nothing: the schema has no column `*.*.ssn`; name it as the catalogue does\n");
    CHECK(lint_text(none, "      - { tag: pi, with: redact }\n") == "17:9: warning: this masks nothing: no column of the schema has the tag `pi`; write COMMENT ON COLUMN … IS 'dbguard:pi'\n");
    CHECK(lint_text(none, "      - { detect: email, in: public.notes.body, with: replace }\n") == "17:9: error: this masks nothing: the schema has no table of column `public.notes.body`; name it as the catalogue does\n");
    CHECK(lint_text(none, "      - { column: [public.customers.email, public.contacts.email], with: redact }\n") == "");
}

TEST_CASE("a rule that names what is not there is told") {
    CHECK(lint_text("      - deny: read\n        of: [public.custommers, public.customers.mail, auth.*, public.f, pg_temp.t]\n", "") ==
          "12:9: warning: `of` names `public.custommers`, which the schema does not have; write `public.customers`\n"
          "12:9: warning: `of` names `public.customers.mail`, which the schema does not have; name it as the catalogue does\n");
    CHECK(lint_text("      - allow: ddl.create\n        of: public.comes_later\n", "") == "");
}

TEST_CASE("words that give a column away stand as words") {
    CHECK(sensitive_word("email") == "email");
    CHECK(sensitive_word("customer_email_address") == "email");
    CHECK(sensitive_word("EMail") == "email");
    CHECK(sensitive_word("eMail") == "e mail");
    CHECK(sensitive_word("creditCardNumber") == "card number");
    CHECK(sensitive_word("date_of_birth") == "birth");
    CHECK(sensitive_word("api_key") == "api key");
    for (const auto* harmless : {"id", "name", "tokenizer", "pinned", "happiness", "spanning", "phonetic", "streetlight", "", "_", "Ünïcödé"}) CHECK(sensitive_word(harmless) == "");
    CHECK(sensitive_table_word("user_credentials") == "credentials");
    CHECK(sensitive_table_word("orders") == "");
}

TEST_CASE("in an environment that forbids it nothing may be in shadow") {
    const auto policy = [](const std::string& top, const std::string& role, const std::string& rule) {
        return policy_of(
            "dbguard: 1\npolicy: p\n" + top + "identities: {}\ndatabases:\n  d: { engine: postgres, tags: [prod] }\n  e: { engine: postgres }\nroles:\n  r: { for: x, databases: d, login: l, session: { ttl: 1h }, limits: { rows: 1 }, " + role +
            "rules: [ { allow: read }, { deny: write" + rule + ", why: w } ] }\n  s: { for: x, databases: e, mode: shadow, login: l, session: { ttl: 1h }, limits: { rows: 1 }, rules: [ { allow: read } ] }\n"
        );
    };
    const auto errors = [](const Policy& policy, const std::string& environment) {
        std::string out;
        for (const auto& problem : lint(policy, {nullptr, environment}))
            if (problem.severity == Severity::error) out += problem.message + '\n';
        return out;
    };
    CHECK(errors(policy("", "", ""), "prod") == "");
    CHECK(errors(policy("mode: shadow\n", "", ""), "prod") == "role `r` is in shadow on a database tagged `prod`\n");
    CHECK(errors(policy("", "mode: shadow, ", ""), "prod") == "role `r` is in shadow on a database tagged `prod`\n");
    CHECK(errors(policy("", "", ", shadow: true"), "prod") == "this rule is in shadow on a database tagged `prod`\n");
    CHECK(errors(policy("", "mode: shadow, ", ", shadow: true"), "staging") == "");
    CHECK(errors(policy("", "mode: shadow, ", ", shadow: true"), "") == "");
}
