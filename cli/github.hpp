#pragma once

// What GitHub's runner understands of a step beyond its output. Workflow commands are written to stderr: the
// runner reads them there as well (actions/runner, ScriptHandler: one OutputManager each for stdout and
// stderr), and stdout is the child's, byte for byte, even when a script keeps it in a file. Only before the
// child starts and after it has ended.

#include <string>
#include <string_view>

namespace dbguard::cli {

/// GITHUB_ACTIONS is `true`.
bool in_github_actions();

enum class Annotation { notice, warning, error };

/// `::warning title=…::text`. Escaped as the runner unescapes (actions/runner, ActionCommand): `%`, CR and LF
/// in the data, `:` and `,` as well in properties. Does nothing elsewhere.
void annotate(Annotation kind, std::string_view title, std::string_view text);
/// Has the runner replace this value by *** in the log from here on.
void add_mask(std::string_view value);

/// No workflow command in the output has any effect until resume_commands(): database contents that the child
/// prints cannot give orders to the runner. Returns the word that ends it.
std::string stop_commands();
void resume_commands(std::string_view word);

/// Appends Markdown to the step's summary (GITHUB_STEP_SUMMARY, at most 1 MiB a step). Does nothing where there
/// is none.
void add_step_summary(std::string_view markdown);
/// `text` as a cell of a Markdown table: neither markup, HTML, links nor line breaks of its own.
std::string markdown_cell(std::string_view text);
/// Sets a step's output (GITHUB_OUTPUT).
void set_output(std::string_view name, std::string_view value);

}  // namespace dbguard::cli
