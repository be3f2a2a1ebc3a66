#include "cli/run_report.hpp"

#include <cstdio>

#include "cli/exit_code.hpp"
#include "cli/github.hpp"
#include "cli/output.hpp"
#include "process/child.hpp"

namespace dbguard::cli {
namespace {

constexpr std::size_t annotations_at_most = 10;  // as many of one kind as GitHub shows for a step

std::string seconds(std::chrono::milliseconds time) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(time.count()) / 1000);
    return text;
}

std::string counted(std::uint64_t count, std::string_view one) {
    return std::to_string(count) + " " + std::string(one) + (count == 1 ? "" : "s");
}

std::string names_of(const std::vector<process::Process>& processes) {
    std::string names;
    for (const process::Process& process : processes)
        names +=
            (names.empty() ? "" : ", ") + process.name + " (" + std::to_string(process.pid) + ")";
    return names;
}

std::string denied_by(const DenialNote& note) {
    return note.rule.empty() ? "no rule opens it" : "rule " + note.rule;
}

Verdict own(ExitCode code, std::string meaning) { return {{.code = code}, std::move(meaning)}; }

std::string summary(
    const SessionFacts& facts,
    const WrappedResult& run,
    const GuardStatistics& statistics,
    const Verdict& verdict
) {
    std::string text = "### dbguard: " + markdown_cell(facts.database) + "\n\n| | |\n|---|---|\n";
    const auto row = [&](std::string_view name, const std::string& value) {
        if (!value.empty())
            text += "| " + std::string(name) + " | " + markdown_cell(value) + " |\n";
    };
    row("session", facts.session);
    row("role", facts.role);
    row("result", process::describe(verdict.status) + ": " + verdict.meaning);
    row("took", seconds(run.took));
    row("statements", std::to_string(statistics.statements));
    row("denied", std::to_string(statistics.denied));
    row("warned", std::to_string(statistics.warned));
    row("results with masked columns", std::to_string(statistics.masked_results));
    row("recording", facts.recording_url.empty() ? statistics.recording : facts.recording_url);
    if (!statistics.denials.empty()) {
        text += "\n| denied by | times | reason | instead |\n|---|---|---|---|\n";
        for (const DenialNote& note : statistics.denials)
            text += "| " + markdown_cell(denied_by(note)) + " | " + std::to_string(note.times) + " | " +
                    markdown_cell(note.reason) + " | " + markdown_cell(note.fix) + " |\n";
    }
    return text + "\n";
}

}  // namespace

Verdict judge(
    const WrappedResult& run,
    const GuardStatistics& statistics,
    const Result<void>& closed,
    FailOn fail_on
) {
    using process::describe;
    if (run.not_started) {
        const std::string& why = run.not_started->detail;
        if (run.not_started->code == process::errc::not_found) return own(exit_not_found, why);
        if (run.not_started->code == process::errc::not_executable)
            return own(exit_not_executable, why);
        return own(exit_setup, "the command could not be started: " + why);
    }
    const process::ExitStatus status =
        run.status.value_or(process::ExitStatus{.code = exit_internal});
    if (run.end == WrappedResult::End::failure) return own(exit_revoked, run.failure);
    if (run.end == WrappedResult::End::deadline) return own(exit_deadline, "--timeout was reached");
    if (run.end == WrappedResult::End::signal && !status.success()) {
        const std::string why =
            run.signal->parent_died
                ? "the process that started dbguard ended"
                : "dbguard was sent " + process::signal_name(run.signal->number);
        return {status, why + "; the command: " + describe(status)};
    }
    if (status.signal != 0) return {status, "the command was " + describe(status)};
    if (status.code != 0) return {status, "the command's own"};
    if (!closed)
        return own(exit_revoked, "the session could not be closed: " + closed.error().detail);
    if (fail_on != FailOn::none && statistics.denied > 0)
        return own(
            exit_denied,
            "the command exited with 0, but " + counted(statistics.denied, "statement") +
                " of it " + (statistics.denied == 1 ? "was" : "were") +
                " denied (--fail-on=none accepts that)"
        );
    if (fail_on == FailOn::warned && statistics.warned > 0)
        return own(
            exit_denied,
            "the command exited with 0, but " + counted(statistics.warned, "statement") +
                " of it drew a warning (--fail-on=warned)"
        );
    return {status, "the command's own"};
}

void report_end(
    const SessionFacts& facts,
    const WrappedResult& run,
    const GuardStatistics& statistics,
    const Verdict& verdict,
    bool tell
) {
    if (!run.leftovers.empty())
        output().line(
            Level::warning,
            "leftovers",
            "left running by the command: " + names_of(run.leftovers) +
                "; the session has ended, so they have no database"
        );
    const Fields fields = {
        {"session", facts.session},
        {"exit_code", std::int64_t{verdict.status.shell_code()}},
        {"signal", std::int64_t{verdict.status.signal}},
        {"meaning", verdict.meaning},
        {"command_exit_code", std::int64_t{run.status ? run.status->shell_code() : -1}},
        {"took_ms", std::int64_t{run.took.count()}},
        {"connections", static_cast<std::int64_t>(statistics.connections)},
        {"statements", static_cast<std::int64_t>(statistics.statements)},
        {"denied", static_cast<std::int64_t>(statistics.denied)},
        {"warned", static_cast<std::int64_t>(statistics.warned)},
        {"masked_results", static_cast<std::int64_t>(statistics.masked_results)},
        {"leftovers", static_cast<std::int64_t>(run.leftovers.size())},
        {"recording", statistics.recording},
    };
    // A code of dbguard's own is said even with --quiet: nobody could guess it.
    const bool dbguards_own = verdict.status.signal == 0 && verdict.status.code >= exit_denied &&
                              verdict.status.code <= exit_not_found &&
                              !(run.status && *run.status == verdict.status);
    std::string text = process::describe(verdict.status) + " (" + verdict.meaning + ")";
    if (run.status)
        text = facts.session + " ended after " + seconds(run.took) + ": " +
               counted(statistics.statements, "statement") + ", " +
               std::to_string(statistics.denied) + " denied; " + text;
    output().line(dbguards_own ? Level::error : Level::info, "end", text, fields);

    if (!tell) return;
    std::size_t told = 0;
    for (const DenialNote& note : statistics.denials) {
        if (++told > annotations_at_most) break;
        annotate(
            Annotation::error,
            "dbguard denied a statement",
            note.reason + (note.reason.ends_with('.') ? "" : ".") + (note.fix.empty() ? "" : " Instead: " + note.fix) + " (" +
                denied_by(note) + (note.times > 1 ? ", " + counted(note.times, "time") : "") + ")"
        );
    }
    if (dbguards_own && statistics.denials.empty())
        annotate(Annotation::error, "dbguard", verdict.meaning);
    if (run.not_started) return;
    add_step_summary(summary(facts, run, statistics, verdict));
    set_output("session", facts.session);
    set_output(
        "verdict",
        statistics.denied > 0                    ? "denied"
        : run.end == WrappedResult::End::failure ? "failed"
                                                 : "allowed"
    );
    set_output(
        "recording", facts.recording_url.empty() ? statistics.recording : facts.recording_url
    );
}

}  // namespace dbguard::cli
