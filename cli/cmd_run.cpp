#include "cli/cmd_run.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cli/duration.hpp"
#include "cli/exit_code.hpp"
#include "cli/github.hpp"
#include "cli/output.hpp"
#include "cli/run_report.hpp"
#include "cli/service_session.hpp"
#include "cli/standalone.hpp"
#include "cli/wrapped_command.hpp"
#include "process/child.hpp"
#include "process/environment.hpp"
#include "process/harden.hpp"
#include "upstream/database_url.hpp"

namespace dbguard::cli {
namespace {

struct RunOptions {
    std::vector<std::string> command;
    StandaloneOptions standalone;
    ServiceOptions service;
    Output::Options output;
    WrappedCommand wrapped;
    std::vector<std::string> exports;  ///< NAME=TEMPLATE
    std::string fail_on = "denied";
    std::string log_format = "json";
    bool nested = false;
    bool no_summary = false;
    bool stop_commands = false;
    bool code_for_signal = false;
    bool allow_core = false;
};

int setup_failed(std::string_view text) {
    output().line(Level::error, "setup_failed", text, {{"exit_code", std::int64_t{exit_setup}}});
    if (in_github_actions()) annotate(Annotation::error, "dbguard", text);
    return exit_setup;
}

int wrong_usage(std::string_view text) {
    output().line(Level::error, "usage", "run: " + std::string(text));
    return exit_usage;
}

/// --export NAME=TEMPLATE, checked with a stand-in target: a mistake in it is told before a session exists.
Result<void> read_exports(RunOptions& options) {
    const process::Target stand_in{.host = "127.0.0.1"};
    for (const std::string& text : options.exports) {
        const auto equals = text.find('=');
        if (equals == text.npos || equals == 0)
            return Error{process::errc::bad_template, "--export takes NAME=TEMPLATE, not " + text};
        options.wrapped.environment.exports.emplace_back(
            text.substr(0, equals), text.substr(equals + 1)
        );
    }
    const auto tried =
        process::child_environment({}, stand_in, {.exports = options.wrapped.environment.exports});
    if (!tried) return Error{tried.error().code, "--export " + tried.error().detail};
    return {};
}

FailOn fail_on_of(const std::string& word) {
    return word == "none" ? FailOn::none : word == "warned" ? FailOn::warned : FailOn::denied;
}

/// Takes what could open the real database, or prove this job's identity, out of this process's memory as far
/// as it is in the environment. The child's environment is made from the copy of before, which the rules of
/// process/environment.hpp go over.
void wipe_variables(const std::vector<std::string>& names) {
    for (const std::string& name : names) process::take_variable(name.c_str());
}

/// What of the arguments and the environment says which database is meant, in standalone mode: it gives DATABASE_URL its form,
/// and the password is what no variable of the child may hold.
void learn_from_url(RunOptions& options) {
    const auto environment = upstream::process_environment();
    std::string url = options.standalone.db_url;
    if (url.empty()) url = environment("DBGUARD_DB_URL").value_or("");
    process::ChildEnvironmentOptions& child = options.wrapped.environment;
    child.model_url = url;
    child.guarded = process::place_of(url, "postgres");
    if (const auto parsed = upstream::parse_database_url(url))
        if (auto found = upstream::find_password(*parsed, environment); found.password)
            child.secrets.push_back(*found.password);
}

/// The session at the service: renewed, its recording uploaded, ended. None in standalone mode.
struct Kept {
    std::optional<OpenedSession> opened;
    std::optional<TemporaryFolder> folder;
    std::mutex mutex;
    std::string over;  ///< guarded by mutex: why the service ended the session
    std::optional<broker::SessionKeeper> keeper;

    std::string why_over() {
        const std::scoped_lock lock(mutex);
        return over;
    }
};

Result<std::unique_ptr<Guard>> start(RunOptions& options, Kept& kept) {
    if (!kept.opened) return start_standalone(options.standalone);
    const broker::SessionGrant& grant = kept.opened->grant;
    GuardParts parts;
    parts.listen = options.standalone.listen;
    parts.allow_remote = options.standalone.allow_remote;
    parts.record_dir = options.standalone.record_dir;
    if (parts.record_dir.empty()) {
        auto folder = TemporaryFolder::make();
        if (!folder) return folder.error();
        kept.folder.emplace(std::move(*folder));
        parts.record_dir = kept.folder->path();
    }
    return start_guard_for(grant, std::move(parts));
}

/// How the session's end is called in the recording and at the service.
std::string_view reason_of(const WrappedResult& result) {
    switch (result.end) {
        case WrappedResult::End::by_itself:
            return "client";
        case WrappedResult::End::signal:
            return "signal";
        case WrappedResult::End::deadline:
            return "ttl";
        case WrappedResult::End::failure:
            return "error";
    }
    return "error";
}

int run_session(RunOptions& options, process::Signals& signals, Kept& kept) {
    auto guard = start(options, kept);
    if (!guard) {
        if (kept.opened)
            static_cast<void>(kept.opened->client.end(kept.opened->grant, {.reason = "error"}));
        return setup_failed(
            guard.error().detail.empty() ? guard.error().text() : guard.error().detail
        );
    }
    process::ChildEnvironmentOptions& child = options.wrapped.environment;
    if (kept.opened) {
        const broker::SessionGrant& grant = kept.opened->grant;
        child.guarded = process::Place{
            grant.database.host, std::to_string(grant.database.port), grant.database.name};
        child.secrets = {grant.database.password, grant.access_token};
        kept.keeper.emplace(
            kept.opened->client,
            grant,
            (*guard)->statistics().recording,
            [&](const Error& why) {
                const std::scoped_lock lock(kept.mutex);
                kept.over = "the session was ended: " + why.detail;
                (*guard)->loop().stop();  // wakes it up
            }
        );
    }
    std::vector<std::string> secret_variables = identity_variables(options.service);
    for (const char* name : {"DBGUARD_DB_URL", "PGPASSWORD", "MYSQL_PWD", "DATABASE_URL"})
        secret_variables.emplace_back(name);
    wipe_variables(secret_variables);
    if (!options.service.token.variable.empty())
        child.secret_variables.push_back(options.service.token.variable);

    const process::Target& target = (*guard)->target();
    const std::string role = kept.opened ? kept.opened->grant.role : options.standalone.role;
    const SessionFacts facts{.session = target.session, .database = target.database, .role = role};
    const std::string recording = (*guard)->statistics().recording;
    if (!options.no_summary) add_mask(target.password);
    output().line(
        Level::info,
        "session",
        target.session + ": " + target.database + " as " + role + " on " + target.host +
            (target.is_socket() ? "" : ":" + std::to_string(target.port)) +
            (recording.empty() ? ", not recorded" : ""),
        {{"session", target.session},
         {"database", target.database},
         {"role", role},
         {"host", target.host},
         {"port", std::int64_t{target.port}},
         {"recording", kept.folder ? std::string() : recording}}
    );

    const std::string stopped = options.stop_commands ? stop_commands() : std::string();
    const WrappedResult result =
        run_wrapped(**guard, signals, options.wrapped, [&] { return kept.why_over(); });
    if (options.stop_commands) resume_commands(stopped);

    Result<void> closed = (*guard)->stop(reason_of(result));
    if (kept.keeper) {
        // A cancelled CI job is killed soon; the service's lease does the rest then.
        const auto patience = result.end == WrappedResult::End::by_itself ? std::chrono::seconds(15)
                                                                          : std::chrono::seconds(3);
        const auto finished = kept.keeper->finish(reason_of(result), patience);
        if (!finished)
            output().warning(
                "the session could not be closed at the service: " + finished.error().text()
            );
        if (closed && !finished) closed = finished.error();
    }
    GuardStatistics statistics = (*guard)->statistics();
    if (kept.folder) statistics.recording.clear();
    const Verdict verdict = judge(result, statistics, closed, fail_on_of(options.fail_on));
    report_end(facts, result, statistics, verdict, !options.no_summary);
    if (verdict.status.signal == 0 || options.code_for_signal) return verdict.status.shell_code();
    // Nothing below runs any more.
    kept.keeper.reset();
    kept.folder.reset();
    process::end_like(verdict.status);
}

/// Empty when the options go together; else what is wrong.
std::string wrong_options(RunOptions& options) {
    options.service.role = options.standalone.role;
    const bool standalone = options.standalone.given();
    if (!options.service.database.empty())
        return standalone ? "--db is for a policy service; --db-url and --policy are for working "
                            "without one"
                          : check(options.service);
    if (standalone || std::getenv("DBGUARD_DB_URL") != nullptr) return {};
    return "which database? --db NAME with a policy service, or --db-url URL, --policy FILE and "
           "--role NAME without one";
}

int run(RunOptions& options) {
    options.output.log_json = options.log_format == "json";
    if (const auto configured = output().configure(options.output); !configured)
        return wrong_usage("--log-file " + configured.error().detail);
    if (const auto read = read_exports(options); !read) return wrong_usage(read.error().detail);
    if (const std::string wrong = wrong_options(options); !wrong.empty()) return wrong_usage(wrong);

    WrappedCommand& wrapped = options.wrapped;
    wrapped.arguments = options.command;
    wrapped.own_environment = process::Environment::of_this_process();
    if (wrapped.own_environment.get("DBGUARD") == "1" && !options.nested)
        return setup_failed(
            "this already runs inside of dbguard (session " +
            std::string(wrapped.own_environment.get("DBGUARD_SESSION_ID").value_or("unknown")) +
            "); --nested runs it all the same"
        );
    // Before a session is made for nothing.
    const auto found = process::find_executable(
        {.arguments = wrapped.arguments, .environment = wrapped.own_environment.lines()}
    );
    if (!found) {
        const WrappedResult missing{.not_started = found.error()};
        const Verdict verdict = judge(missing, {}, {}, FailOn::none);
        report_end({}, missing, {}, verdict, !options.no_summary);
        return verdict.status.code;
    }
    if (!options.allow_core) process::protect_memory();

    Kept kept;
    if (options.service.database.empty()) {
        learn_from_url(options);
    } else {
        // Signals still have their ordinary meaning: whoever interrupts this ends it. The lease ends the session then.
        auto opened = open_session(options.service);
        if (!opened)
            return setup_failed(
                opened.error().detail.empty() ? opened.error().text() : opened.error().detail
            );
        kept.opened.emplace(std::move(*opened));
    }
    // Before any thread that stays: see process/signals.hpp.
    auto signals =
        process::Signals::take({.respect_ignored = true, .job_control = !has_terminal()});
    if (!signals) return setup_failed(signals.error().text());
    signals->end_with_parent();
    return run_session(options, *signals, kept);
}

/// An option that takes a duration.
void add_duration(
    CLI::App& app,
    const std::string& name,
    const std::string& about,
    std::function<void(std::chrono::milliseconds)> store
) {
    app.add_option_function<std::string>(
           name,
           [store, name](const std::string& text) {
               const auto value = parse_duration(text);
               if (!value)
                   throw CLI::ValidationError(
                       name, "'" + text + "' is no duration such as 30s, 10m or 2h"
                   );
               store(*value);
           },
           about
    )
        ->type_name("DURATION");
}

}  // namespace

void add_run_command(CLI::App& app, int& exit_code) {
    CLI::App* command =
        app.add_subcommand("run", "Run a command against a database through a guard");
    const auto options = std::make_shared<RunOptions>();
    command
        ->add_option(
            "COMMAND", options->command, "What to run, and its arguments; put -- before it"
        )
        ->required()
        ->expected(-1);
    command->positionals_at_end();

    add_service_options(*command, options->service);
    add_standalone_options(*command, options->standalone);

    const auto child = [&](CLI::Option* option) { option->group("The command"); };
    child(command
              ->add_option(
                  "--keep-env",
                  options->wrapped.environment.keep,
                  "Pass on a variable that would be removed; NAME or PREFIX*"
              )
              ->type_name("NAME")
              ->expected(1)
              ->take_all());
    child(command->add_flag(
        "--pristine",
        options->wrapped.environment.pristine,
        "Pass on only PATH, HOME, locale and the like"
    ));
    child(command
              ->add_option(
                  "--export",
                  options->exports,
                  "Set a variable; the template may use {url} {jdbc_url} {host} {port} {user} "
                  "{password} {database} {session}"
              )
              ->type_name("NAME=TEMPLATE")
              ->expected(1)
              ->take_all());
    add_duration(
        *command,
        "--timeout",
        "End the command (TERM, then KILL) after this time; exit code 124",
        [options](auto value) { options->wrapped.timeout = value; }
    );
    add_duration(*command, "--grace", "Between TERM and KILL [5s]", [options](auto value) {
        options->wrapped.grace = value;
    });
    child(command->get_option("--timeout"));
    child(command->get_option("--grace"));
    child(command->add_flag(
        "--end-leftovers",
        options->wrapped.end_leftovers,
        "End what the command leaves running, instead of reporting it"
    ));
    child(command->add_flag(
        "--no-new-privileges",
        options->wrapped.no_new_privileges,
        "Neither the command nor what it starts can use sudo or other set-user-id programs"
    ));
    child(command->add_flag(
        "--nested", options->nested, "Run although this is inside of another dbguard run"
    ));

    const auto end = [&](CLI::Option* option) { option->group("The end"); };
    end(command
            ->add_option(
                "--fail-on",
                options->fail_on,
                "Exit with 122 although the command exited with 0, when something was: denied, "
                "warned; or none"
            )
            ->check(CLI::IsMember({"denied", "warned", "none"}))
            ->type_name("WHAT")
            ->capture_default_str());
    end(command->add_flag(
        "--code-for-signal",
        options->code_for_signal,
        "When a signal killed the command, exit with 128 + signal instead of dying of it too"
    ));
    end(command->add_flag(
        "--no-summary",
        options->no_summary,
        "On GitHub: no annotations, no step summary, no outputs"
    ));
    end(command->add_flag(
        "--stop-commands",
        options->stop_commands,
        "On GitHub: the command's output gives the runner no workflow commands"
    ));

    const auto voice = [&](CLI::Option* option) { option->group("Messages, on stderr"); };
    voice(command->add_flag("--quiet,-q", options->output.quiet, "Errors only"));
    voice(command->add_flag("--verbose,-v", options->output.verbose, "Allowed statements as well"));
    voice(command->add_flag("--json", options->output.json, "One JSON object a line"));
    voice(command
              ->add_option("--log-file", options->output.log_file, "Append everything to this file")
              ->type_name("FILE"));
    voice(command->add_option("--log-format", options->log_format, "Of the log file: json or text")
              ->check(CLI::IsMember({"json", "text"}))
              ->capture_default_str());
    voice(command->add_flag(
        "--allow-core",
        options->allow_core,
        "For debugging dbguard: let debuggers attach and cores be written"
    ));

    command->footer(
        "stdin and stdout are the command's own. It finds DATABASE_URL and PG* set to a listener "
        "of this session;\n"
        "it never sees the database's password.\n\n"
        "Exit code: the command's own; dies of the signal that killed it. Otherwise 127 no such "
        "command, 126 cannot be\n"
        "run, 125 set-up failed, 124 --timeout, 123 session revoked or recording failed, 122 it "
        "exited with 0 although\n"
        "something was denied.\n\n"
        "Examples:\n"
        "  DBGUARD_DB_URL=postgresql://app:secret@db/shop dbguard run --policy p.yaml --role "
        "tester -- psql -c 'TABLE orders'\n"
        "  dbguard run --policy p.yaml --role migrator --record-dir rec/ -- ./migrate.sh\n"
        "  exec dbguard run --db shop -- psql -f checks.sql      as the last line of a CI step: "
        "signals reach it\n"
    );
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace dbguard::cli
