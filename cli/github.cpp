#include "cli/github.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "base/crypto.hpp"
#include "base/unique_fd.hpp"
#include "cli/output.hpp"

namespace dbguard::cli {
namespace {

std::string_view variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : value;
}

std::string escaped(std::string_view text, bool property) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '%':
                out += "%25";
                break;
            case '\r':
                out += "%0D";
                break;
            case '\n':
                out += "%0A";
                break;
            case ':':
                out += property ? "%3A" : ":";
                break;
            case ',':
                out += property ? "%2C" : ",";
                break;
            default:
                out += c;
        }
    }
    return out;
}

void command(std::string_view name, std::string_view properties, std::string_view data) {
    if (!in_github_actions()) return;
    std::string line = "::" + std::string(name);
    if (!properties.empty()) line += " " + std::string(properties);
    line += "::" + escaped(data, false) + "\n";
    [[maybe_unused]] const ssize_t written = ::write(2, line.data(), line.size());
}

void append_to_file_of(const char* name, std::string_view text) {
    const std::string path(variable(name));
    if (path.empty()) return;
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        output().warning("cannot write " + std::string(name));
}

}  // namespace

bool in_github_actions() { return variable("GITHUB_ACTIONS") == "true"; }

void annotate(Annotation kind, std::string_view title, std::string_view text) {
    const std::string_view name = kind == Annotation::error     ? "error"
                                  : kind == Annotation::warning ? "warning"
                                                                : "notice";
    command(name, "title=" + escaped(printable(title), true), printable(text));
}

void add_mask(std::string_view value) {
    if (!value.empty()) command("add-mask", "", value);
}

std::string stop_commands() {
    const std::string word = random_id("dbguard-", 26);
    command("stop-commands", "", word);
    return word;
}

void resume_commands(std::string_view word) { command(word, "", ""); }

void add_step_summary(std::string_view markdown) {
    append_to_file_of("GITHUB_STEP_SUMMARY", markdown);
}

std::string markdown_cell(std::string_view text) {
    std::string out;
    for (const char c : printable(text, 500)) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (std::string_view("\\`*_{}[]()#+-.!|~@$:").find(c) != std::string_view::npos)
            out += "&#" + std::to_string(static_cast<int>(c)) + ";";
        else
            out += c;
    }
    return out;
}

void set_output(std::string_view name, std::string_view value) {
    // The delimiter is random: a value cannot end its own block and set another output.
    const std::string end = random_id("dbguard_", 26);
    append_to_file_of(
        "GITHUB_OUTPUT",
        std::string(name) + "<<" + end + "\n" + std::string(value) + "\n" + end + "\n"
    );
}

}  // namespace dbguard::cli
