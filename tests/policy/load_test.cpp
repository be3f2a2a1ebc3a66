#include "policy/load.hpp"

#include <doctest/doctest.h>

#include "base/crypto.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"
#include "policy/yaml_tree.hpp"
#include "vectors.hpp"

using namespace dbguard;
using namespace dbguard::policy;

namespace {

/// A policy with one role that has these rules (a YAML flow list).
std::string with_rules(std::string_view rules) {
    return "dbguard: 1\npolicy: p\nidentities: {}\nroles: { r: { for: x, databases: d, login: l, rules: " +
           std::string(rules) + " } }\n";
}

Policy loaded(const std::string& text) {
    auto result = load(text, "p.yaml");
    INFO(messages(result.problems));
    REQUIRE(result.policy);
    return *result.policy;
}

}  // namespace

TEST_CASE("every bad policy of the vectors is refused with its words") {
    const auto vectors = read_vectors("bad.txt");
    CHECK(vectors.size() >= 40);
    for (const auto& vector : vectors) {
        INFO(vector.title);
        const auto result = load(vector.text, "p.yaml");
        CHECK(messages(result.problems) == vector.expected);
        CHECK_FALSE(result.policy);
    }
}

TEST_CASE("the three example policies load with all that they say") {
    const auto tests = loaded(read_vector_file("feature-tests.yaml"));
    CHECK(tests.name == "shop-feature-tests");
    CHECK(tests.policy_hash == hex(sha256(read_vector_file("feature-tests.yaml"))));
    REQUIRE(tests.identities.size() == 1);
    CHECK(tests.identities[0].claims[2].values == std::vector<std::string>{"push", "pull_request", "workflow_dispatch"});
    const auto* tester = find_role(tests, "tester");
    REQUIRE(tester);
    CHECK(tester->session.ttl == std::chrono::minutes(30));
    CHECK(tester->limits.bytes == 5U << 20);
    CHECK(tester->limits.over == Over::error);
    CHECK(tester->rules.size() == 3);
    CHECK(rule_name(*tester, tester->rules[2]) == "tester#3");
    CHECK(tester->rules[1].when->settings[1] == "timezone");
    CHECK(tester->rules[2].of[1] == ObjectPattern{"*", "*", "*_secret"});
    const auto* pii = find_masks(tests, "pii");
    REQUIRE(pii);
    CHECK(pii->filter == Filter::equality);
    CHECK(pii->columns[3].mask.detectors == std::vector<std::string>{"email", "credit_card", "iban"});
    CHECK(pii->columns[3].columns.size() == 2);
    CHECK(record_settings(tests, *tester).results == RecordResults::masked);

    const auto migrations = loaded(read_vector_file("migrations.yaml"));
    CHECK(find_database(migrations, "billing")->engine == Engine::mysql);
    CHECK(migrations.roles[0].rules[5].approve_at == ApproveAt::commit);
    CHECK(migrations.roles[0].rules[5].when->affected_rows == 1000U);
    CHECK(find_approval(migrations, "dba")->step_up);

    const auto oncall = loaded(read_vector_file("oncall.yaml"));
    CHECK(oncall.roles[1].break_glass->notify.size() == 2);
    CHECK(oncall.roles[0].limits.over == Over::cut);
    CHECK(oncall.identities[0].mfa == Mfa::webauthn);
    CHECK(find_masks(oncall, "pii")->derived == Derived::mask);
}

TEST_CASE("an empty map of identities leaves `for` a name; databases that are not listed are names") {
    const auto policy = loaded(with_rules("[ { allow: read } ]"));
    CHECK(policy.roles[0].identities[0].name == "x");
    CHECK(admits_database(policy.roles[0], "d"));
    CHECK_FALSE(admits_database(policy.roles[0], "e"));
    CHECK(record_settings(policy, policy.roles[0]).sql == RecordSql::masked);
    CHECK(record_settings(policy, policy.roles[0]).results == RecordResults::none);
}

TEST_CASE("the manual's example loads") {
    const auto manual = read_file(DBGUARD_SOURCE_DIR "/man/dbguard-policy.5", 1 << 20).value();
    const auto begin = manual.find("# yaml-language-server");
    REQUIRE(begin != std::string::npos);
    const auto policy = loaded(manual.substr(begin, manual.find("\n.Ed", begin) + 1 - begin));
    CHECK(policy.roles[0].rules.size() == 2);
}

TEST_CASE("words in quotes stay text") {
    const auto policy = loaded(
        "dbguard: 1\npolicy: p\nidentities:\n  \"no\": { issuer: \"https://i\", audience: \"1e3\", claims: { a: \"0x10\", "
        "b: 'true', c: [\"2026-11-20\", \"~\"] } }\nroles: {}\n"
    );
    CHECK(policy.identities[0].name == "no");
    CHECK(policy.identities[0].claims[2].values == std::vector<std::string>{"2026-11-20", "~"});
}

TEST_CASE("unquoted words that all YAML readers take for text stay text") {
    for (const auto* word : {"1.2.3.4", "10-12", "nope", "yesterday", "v1", "1a", "0xg", "a:b", "2026-1x", "_", "e3", "1e", ".", "-"})
        CHECK_MESSAGE(yaml_reading(word).empty(), word);
}

TEST_CASE("line breaks of a block scalar become spaces") {
    const auto policy = loaded(
        "dbguard: 1\npolicy: p\nidentities: {}\nroles:\n  r:\n    for: x\n    databases: d\n    login: l\n    rules:\n"
        "      - deny: read\n        why: |\n          One line\n          and another.\n"
    );
    CHECK(policy.roles[0].rules[0].why == "One line and another.");
}

TEST_CASE("CR LF, a byte order mark and a comment for editors do not matter") {
    CHECK(load("\xEF\xBB\xBF# yaml-language-server: $schema=x\r\ndbguard: 1\r\npolicy: p\r\nidentities: {}\r\nroles: {}\r\n", "p").policy);
}

TEST_CASE("what is no text is refused before it is read") {
    CHECK(messages(load(std::string(max_policy_bytes + 1, ' '), "p").problems) == " error: the file is larger than 1048576 bytes\n");
    CHECK(messages(load("dbguard: \xff", "p").problems) == " error: the file is not UTF-8 text\n");
    CHECK(messages(load(std::string("dbguard: 1\0", 11), "p").problems) == " error: the file is not UTF-8 text\n");
    CHECK(messages(load("dbguard: \"\\x01\"", "p").problems).find("1:10: error: a control character") != std::string::npos);
}

TEST_CASE("a file of garbage gets a bounded list of problems") {
    std::string garbage(minimal_policy);
    for (int i = 0; i < 5000; ++i) garbage += "key" + std::to_string(i) + ": x\n";
    const auto result = load(garbage, "p");
    CHECK(result.problems.size() == 100);
    CHECK_FALSE(result.policy);
}

TEST_CASE("alias bombs, deep nesting and long lists end soon") {
    std::string bomb = "a: &a [x, x]\n";
    for (char c = 'b'; c < 'z'; ++c) bomb += std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ", *" + static_cast<char>(c - 1) + "]\n";
    CHECK_FALSE(load(bomb, "p").policy);
    CHECK_FALSE(load(std::string(500'000, '['), "p").policy);
    CHECK_FALSE(load(std::string(500'000, '{'), "p").policy);
    // One line of many small things, and many names that refer to many others, take time in proportion.
    std::string line(minimal_policy);
    line += "masks: { m: { columns: [";
    for (int i = 0; i < 10'000; ++i) line += "{ column: a.b.c, with: redact },";
    CHECK(load(line + "] } }\n", "p").policy);
    std::string many = "dbguard: 1\npolicy: p\nidentities: {}\nroles: { r: { for: x, databases: d, login: l, rules: [ { allow: read } ], masks: [";
    std::string sets = "] } }\nmasks:\n";
    for (int i = 0; i < 5000; ++i) {
        many += "m" + std::to_string(i) + ',';
        sets += "  m" + std::to_string(i) + ": { columns: [] }\n";
    }
    CHECK(load(many + sets, "p").policy);
    std::string rules;
    for (int i = 0; i <= 2000; ++i) rules += "{ allow: read },";
    CHECK(messages(load(with_rules("[" + rules + "]"), "p").problems) ==
          "4:54: error: role `r` has more than 2000 rules; put several classes and objects into one rule\n");
    std::string stairs;
    for (int i = 0; i < 1000; ++i) stairs += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
    CHECK_FALSE(load(stairs, "p").policy);
}

TEST_CASE("an object's name is read as SQL writes it") {
    const auto parts = [](std::string_view text) {
        const auto pattern = parse_object(text);
        if (!pattern) return std::string("?");
        return pattern->schema + '|' + pattern->relation + '|' + pattern->column.value_or("-");
    };
    CHECK(parts("public.customers") == "public|customers|-");
    CHECK(parts("public.customers.email") == "public|customers|email");
    CHECK(parts("public.\"my table\".email") == "public|my table|email");
    CHECK(parts("\"a.b\".\"say \"\"hi\"\"\"") == "a.b|say \"hi\"|-");
    CHECK(parts("shop.\"Mixed Case `Table`\".\"sEcReT Col\"") == "shop|Mixed Case `Table`|sEcReT Col");
    CHECK(parts("*.*.*_secret") == "*|*|*_secret");
    for (const auto* bad : {"", "a", ".", "a.", ".a", "a.b.", "a.b.c.d", "\"a", "\"\".b", "\"a\"b.c", "a b.c", "a.b\"", "a.\"b\"c", "a.\tb"})
        CHECK_MESSAGE(parts(bad) == "?", bad);
    for (const auto* same : {"public.customers", "\"a.b\".\"say \"\"hi\"\"\"", "*.*.*_secret", "a.\"b c\".d"})
        CHECK(text(*parse_object(same)) == same);
}

TEST_CASE("a star stands for any characters of one part") {
    CHECK(matches_wildcard("*", ""));
    CHECK(matches_wildcard("*_secret", "my_secret"));
    CHECK_FALSE(matches_wildcard("*_secret", "my_secrets"));
    CHECK(matches_wildcard("a*b*c", "a-b-b-c"));
    CHECK_FALSE(matches_wildcard("a*b*c", "a-c-b"));
    CHECK_FALSE(matches_wildcard("Email", "email"));
    CHECK(matches_wildcard("Em*", "email", true));
    CHECK(matches_wildcard("**a**", "bab"));
    // Does not explode.
    CHECK_FALSE(matches_wildcard("a*a*a*a*a*a*a*a*a*a*b", std::string(20'000, 'a')));
}

TEST_CASE("hours hold on their days, across midnight and in their offset") {
    using namespace std::chrono;
    const auto at = [](int day, int hour, int minute) {  // 2026-11-16 is a Monday
        return Hours::Time(sys_days(year(2026) / November / (16 + day)) + hours(hour) + minutes(minute));
    };
    const auto office = parse_hours("Mo-Fr 08:00-18:00").value();
    CHECK(office.contains(at(0, 8, 0)));
    CHECK(office.contains(at(4, 17, 59)));
    CHECK_FALSE(office.contains(at(4, 18, 0)));
    CHECK_FALSE(office.contains(at(5, 12, 0)));
    CHECK(office.next_change(at(0, 7, 30)) == at(0, 8, 0));
    CHECK(office.next_change(at(0, 8, 0)) == at(0, 18, 0));
    CHECK(office.next_change(at(0, 19, 0)) == at(1, 0, 0));
    const auto night = parse_hours("Fr 22:00-06:00 +02:00").value();
    CHECK(night.contains(at(4, 20, 0)));
    CHECK(night.contains(at(5, 3, 59)));
    CHECK_FALSE(night.contains(at(5, 4, 0)));
    CHECK_FALSE(night.contains(at(4, 3, 0)));
    CHECK(parse_hours("Fr-Mo 00:00-24:00 UTC").value().days == 0b1110001);
    CHECK(parse_hours("Sa,Su 10:00-14:00 -03:30").value().offset == -minutes(210));
    for (const auto* bad : {"", "Mo", "Mo 8:00-9:00", "Xx 08:00-09:00", "08:00-09:00 ", "08:00-08:00", "24:00-08:00",
                            "08:00-24:01", "08:60-09:00", "Mo, 08:00-09:00", "08:00-09:00 CET", "08:00-09:00 +15:00", "08:00-09:00 UTC x"})
        CHECK_MESSAGE(!parse_hours(bad).has_value(), bad);
}
