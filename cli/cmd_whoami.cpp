#include "cli/cmd_whoami.hpp"

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "identity/verify.hpp"
#include "login/token_source.hpp"

namespace dbguard::cli {
namespace {

using identity::Profile;
using Json = nlohmann::ordered_json;

struct WhoamiArguments {
    std::string server;
    std::string audience;
    login::TokenOptions token;
    bool json = false;
};

constexpr std::chrono::seconds patience(60);

/// What a token says, and what a service would make of it.
struct Reading {
    identity::Identity identity;  ///< not verified: only filled in
    Json claims;                  ///< as in the token
    std::vector<std::string> notes;
};

/// The rules to read by. The service takes them from its configuration instead.
Profile profile_of(std::string_view source, std::string_view issuer) {
    if (source == "github" || issuer.starts_with(identity::github_issuer)) return Profile::github;
    if (source == "gitlab") return Profile::gitlab;
    return Profile::generic;
}

std::string time_text(identity::Time time) {
    const std::time_t seconds = time.time_since_epoch().count();
    std::tm parts{};
    if (!::gmtime_r(&seconds, &parts)) return "?";
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text.data();
}

std::optional<identity::Time> time_claim(const identity::Json& claims, std::string_view name) {
    const identity::Json* claim = claims.find(name);
    // Whatever gmtime can show.
    if (!claim || !claim->integer || *claim->integer < 0 || *claim->integer > 99'999'999'999)
        return {};
    return identity::Time(std::chrono::seconds(*claim->integer));
}

void add_notes(
    Reading& reading, std::string_view audience, identity::Time now, const identity::Json& claims
) {
    auto& notes = reading.notes;
    identity::IssuerConfig config =
        identity::issuer_defaults(reading.identity.profile, reading.identity.issuer);
    if (const auto ok = identity::profile_checks(reading.identity, config); !ok)
        notes.push_back("a service would refuse this token: " + ok.error().text());
    for (const auto& caution : reading.identity.cautions)
        notes.push_back(
            caution.claim + " " + caution.value +
            " is refused unless the policy names it: others can steer such runs"
        );
    if (reading.identity.ref_protected() == false)
        notes.push_back("the ref is not protected: privileged roles should not open for it");
    if (audience.empty())
        notes.push_back(
            "no audience was asked for: give --server or --audience to see the token a service "
            "would get"
        );
    const auto issued = time_claim(claims, "iat");
    if (issued && *issued > now + std::chrono::seconds(60))
        notes.push_back(
            "the token was issued ahead of this machine's clock: the clock is wrong, or the "
            "service will refuse it"
        );
    const auto exp = time_claim(claims, "exp");
    if (!exp)
        notes.push_back("the token has no end (exp): a service would refuse it");
    else if (now >= *exp)
        notes.push_back("the token is past its end");
}

Result<Reading> read_token(
    const Secret& token,
    const login::TokenSource& source,
    std::string_view audience,
    identity::Time now
) {
    const auto jwt = identity::parse_jwt(token.reveal());
    if (!jwt)
        return Error{
            login::login_error::bad_answer,
            source.describe() + " gave no JWT (" + jwt.error().text() + ")"};
    Reading reading;
    reading.identity.issuer = jwt->unverified_issuer();
    reading.identity.subject = jwt->claims.find_string("sub").value_or("");
    reading.identity.profile = profile_of(source.name(), reading.identity.issuer);
    reading.identity.claims = identity::claims_of(*jwt);
    reading.identity.key_id = jwt->header.find_string("kid").value_or("");
    reading.identity.algorithm = jwt->header.find_string("alg").value_or("");
    reading.identity.issued_at = time_claim(jwt->claims, "iat");
    reading.identity.expires_at = time_claim(jwt->claims, "exp").value_or(identity::Time());
    const auto dot = jwt->signed_part.find('.');
    reading.claims = Json::parse(base64url_decode(jwt->signed_part.substr(dot + 1)).value_or("{}"));
    add_notes(reading, audience, now, jwt->claims);
    return reading;
}

std::string audience_text(const identity::Identity& identity) {
    const auto aud = identity.claims.find("aud");
    if (aud == identity.claims.end()) return "(none)";
    std::string text;
    for (const std::string& value : aud->second.values) text += (text.empty() ? "" : ", ") + value;
    return text;
}

/// Claims that a policy can safely be written with: ids, which are never used again for something else.
Json policy_claims(const identity::Identity& identity) {
    Json out = Json::object();
    const auto add = [&](const char* name) {
        // Naming a dangerous event is a decision, not a suggestion.
        for (const auto& caution : identity.cautions)
            if (caution.claim == name) return;
        if (const auto value = identity.claim(name)) out[name] = std::string(*value);
    };
    if (identity.profile == Profile::github)
        for (const char* name :
             {"repository_owner_id", "repository_id", "event_name", "environment"})
            add(name);
    if (identity.profile == Profile::gitlab)
        for (const char* name :
             {"namespace_id", "project_id", "ref_protected", "pipeline_source", "environment"})
            add(name);
    return out;
}

void print_json(const Reading& reading, const login::TokenSource& source, identity::Time now) {
    const auto& who = reading.identity;
    Json out;
    out["v"] = 1;
    out["source"] = source.name();
    out["description"] = source.describe();
    out["verified"] = false;
    out["issuer"] = who.issuer;
    out["subject"] = who.subject;
    out["algorithm"] = who.algorithm;
    out["key_id"] = who.key_id;
    if (who.issued_at) out["issued_at"] = time_text(*who.issued_at);
    if (who.expires_at > identity::Time()) {
        out["expires_at"] = time_text(who.expires_at);
        out["expires_in"] = (who.expires_at - now).count();
    }
    out["claims"] = reading.claims;
    out["notes"] = reading.notes;
    const Json named = policy_claims(who);
    if (!named.empty()) out["policy_claims"] = named;
    std::printf(
        "%s\n", out.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace).c_str()
    );
}

void print_row(std::string_view name, std::string_view value) {
    std::printf("%-11s %s\n", std::string(name).c_str(), printable(value).c_str());
}

void print_text(const Reading& reading, const login::TokenSource& source, identity::Time now) {
    const auto& who = reading.identity;
    print_row("source", source.describe());
    print_row("run", who.summary());
    print_row("issuer", who.issuer);
    print_row("subject", who.subject);
    print_row("audience", audience_text(who));
    if (who.expires_at > identity::Time())
        print_row(
            "expires",
            time_text(who.expires_at) + " (in " + std::to_string((who.expires_at - now).count()) +
                " s)"
        );
    print_row(
        "signed",
        who.algorithm + (who.key_id.empty() ? "" : " by key " + who.key_id) +
            "; not checked here: only a service knows the keys"
    );
    std::printf("\nclaims\n");
    for (const auto& [name, value] : reading.claims.items()) {
        const std::string text = value.is_string()
                                     ? value.template get<std::string>()
                                     : value.dump(-1, ' ', true, Json::error_handler_t::replace);
        std::printf("  %-24s %s\n", printable(name).c_str(), printable(text).c_str());
    }
    if (const Json named = policy_claims(who); !named.empty()) {
        std::printf("\nto name this run in a policy, by ids that are never given to anybody else\n"
        );
        std::printf(
            "  issuer: %s\n  audience: %s\n  claims:\n",
            printable(who.issuer).c_str(),
            printable(audience_text(who)).c_str()
        );
        for (const auto& [name, value] : named.items())
            std::printf(
                "    %s: %s\n",
                name.c_str(),
                printable(value.dump(-1, ' ', true, Json::error_handler_t::replace)).c_str()
            );
    }
    if (!reading.notes.empty()) std::printf("\n");
    for (const std::string& note : reading.notes)
        std::printf("note: %s\n", printable(note).c_str());
}

int whoami(const WhoamiArguments& arguments) {
    const auto environment = login::from_process();
    auto& clock = login::real_clock();
    const auto http = net::make_http_client(login::http_options(environment));
    const std::string audience =
        arguments.audience.empty() ? net::host_name_of(arguments.server) : arguments.audience;

    const auto fail = [](const Error& error) {
        output().line(Level::error, std::string(error.code), error.detail);
        return error.code == login::login_error::bad_option ? exit_usage : exit_failed;
    };
    const auto source = login::choose_token_source(arguments.token, {environment, *http, clock});
    if (!source) return fail(source.error());
    const auto token = (*source)->token(audience, clock.now() + patience);
    if (!token) return fail(token.error());
    const auto now = clock.wall_clock();
    const auto reading = read_token(token->token, **source, audience, now);
    if (!reading) return fail(reading.error());
    if (arguments.json)
        print_json(*reading, **source, now);
    else
        print_text(*reading, **source, now);
    return std::fflush(stdout) == 0 ? exit_ok : exit_failed;
}

}  // namespace

void add_whoami_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<WhoamiArguments>();
    auto* command =
        app.add_subcommand("whoami", "Which platform this is, and what its identity token says");
    command->add_option("--server", arguments->server, "The policy service the token would be for")
        ->type_name("URL")
        ->envname("DBGUARD_SERVER");
    command
        ->add_option(
            "--audience", arguments->audience, "Whom the token is for [the service's host name]"
        )
        ->type_name("NAME")
        ->envname("DBGUARD_AUDIENCE");
    command
        ->add_option(
            "--token-source",
            arguments->token.source,
            "Where it comes from, instead of detecting the platform"
        )
        ->check(CLI::IsMember({"github", "gitlab", "file", "env", "command"}))
        ->type_name("SOURCE");
    command->add_option("--token-env", arguments->token.variable, "It is in this variable")
        ->type_name("NAME");
    command->add_option("--token-file", arguments->token.file, "It is in this file")
        ->type_name("FILE");
    command->add_option("--token-command", arguments->token.command, "This command prints it")
        ->type_name("COMMAND");
    command->add_flag("--json", arguments->json, "One JSON document");
    command->footer(
        "The token's claims are read, not believed: its signature is checked by the service alone. "
        "The token itself\n"
        "is never printed. Exit code: 0, or 1 when there is no identity; the reason says what to "
        "change.\n"
    );
    command->callback([arguments, &exit_code] { exit_code = whoami(*arguments); });
}

}  // namespace dbguard::cli
