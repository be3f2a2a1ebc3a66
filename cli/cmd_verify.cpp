#include "cli/cmd_verify.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "recording/directory.hpp"
#include "recording/printable.hpp"
#include "recording/reader.hpp"
#include "recording/replay.hpp"

namespace dbguard::cli {

namespace {

using recording::Verification;
using Outcome = recording::Verification::Outcome;

struct VerifyArguments {
    std::vector<std::string> recordings;
    std::string directory = ".";
    std::string head;
    bool json = false;
};

/// dbguard-verify(1).
int exit_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::complete: return exit_ok;
        case Outcome::broken: return exit_failed;
        case Outcome::torn: return 2;
        case Outcome::unended: return 3;
        case Outcome::unreadable: return 4;
    }
    return exit_internal;
}

/// Which of two results the whole run is told by.
int worse(int a, int b) {
    const auto rank = [](int code) { return code == 1 ? 4 : code == 4 ? 3 : code == 2 ? 2 : code == 3 ? 1 : 0; };
    return rank(b) > rank(a) ? b : a;
}

std::string json_line(const std::string& path, const Verification& result) {
    nlohmann::ordered_json line;
    line["file"] = path;
    line["result"] = recording::name(result.outcome);
    line["session"] = result.session;
    line["lines"] = result.lines;
    line["bytes"] = result.whole_bytes;
    line["head"] = result.chain_head;
    if (result.torn_bytes > 0) line["torn_bytes"] = result.torn_bytes;
    if (result.padding_bytes > 0) line["padding_bytes"] = result.padding_bytes;
    if (result.error) {
        line["error"] = result.error->code;
        line["detail"] = result.error->detail;
    }
    // A path may hold any bytes.
    return recording::printable_json(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

/// What is kept of a recording for those that follow it.
struct Verified {
    std::string path;
    Verification result;
    std::string previous;  ///< `session:head`, as its own head names it
};

/// A recording names the head of the one before it: that one's last lines cannot be cut off, nor can it be written anew, without being seen.
void check_predecessors(std::vector<Verified>& verified) {
    std::map<std::string, Verified*> by_session;
    for (Verified& one : verified)
        if (!one.result.session.empty()) by_session[one.result.session] = &one;
    for (const Verified& one : verified) {
        const auto colon = one.previous.find(':');
        const auto before = by_session.find(one.previous.substr(0, colon));
        if (colon == std::string::npos || before == by_session.end()) continue;
        Verification& result = before->second->result;
        const auto doubtful = [](const Verification& seen) { return seen.outcome == Outcome::broken || seen.outcome == Outcome::unreadable; };
        if (doubtful(result) || doubtful(one.result) || result.chain_head == one.previous.substr(colon + 1)) continue;
        result.outcome = Outcome::broken;
        result.error = Error{recording::errc::broken_chain, "the chain holds, but " + one.result.session + ", which followed it, names another head: lines at its end were removed, or it was written anew"};
    }
}

Verified read_one(const VerifyArguments& arguments, const std::string& path) {
    Verified verified{path, recording::verify_file(path), {}};
    Verification& result = verified.result;
    if (!arguments.head.empty() && result.chain_head != arguments.head && result.outcome != Outcome::broken &&
        result.outcome != Outcome::unreadable) {
        result.outcome = Outcome::broken;
        result.error = Error{recording::errc::broken_chain, "the chain holds, but its head is not the one given"};
    }
    if (result.lines > 0)
        if (auto summary = recording::summarise(path)) verified.previous = std::move(summary->previous);
    return verified;
}

int tell(const VerifyArguments& arguments, const Verified& verified) {
    const auto& [path, result, previous] = verified;
    std::string text;
    if (arguments.json) {
        text = json_line(path, result);
    } else {
        text = recording::printable(path) + ": " + recording::printable(recording::text(result));
        if (result.outcome == Outcome::unended && recording::is_being_written(path)) text += "; it is being written now";
        if (result.outcome == Outcome::complete) text += "; head " + result.chain_head;
    }
    std::printf("%s\n", text.c_str());
    return exit_of(result.outcome);
}

int verify(const VerifyArguments& arguments) {
    std::error_code ignored;
    const bool one = arguments.recordings.size() == 1 && !std::filesystem::is_directory(arguments.recordings[0], ignored);
    if (!arguments.head.empty() && !one) {
        output().error("--head is for one recording");
        return exit_usage;
    }
    int code = exit_ok;
    std::vector<Verified> verified;
    for (const auto& name : arguments.recordings) {
        std::error_code ignored;
        if (!std::filesystem::is_directory(name, ignored)) {
            verified.push_back(read_one(arguments, recording::recording_path(arguments.directory, name)));
            continue;
        }
        const auto paths = recording::list_recordings(name);
        if (!paths || paths->empty()) {
            output().error(paths ? name + ": holds no recording" : paths.error().text());
            code = worse(code, 4);
            continue;
        }
        for (const auto& path : *paths) verified.push_back(read_one(arguments, path));
    }
    check_predecessors(verified);
    for (const Verified& one : verified) code = worse(code, tell(arguments, one));
    return std::fflush(stdout) == 0 ? code : exit_failed;
}

}  // namespace

void add_verify_command(CLI::App& app, int& exit_code) {
    auto arguments = std::make_shared<VerifyArguments>();
    auto* command = app.add_subcommand("verify", "Check that recordings are whole and unchanged");
    command->add_option("recordings", arguments->recordings, ".dbgl files, sessions in --dir, or folders of recordings")->required();
    command->add_option("--dir", arguments->directory, "Where recordings are")
        ->envname("DBGUARD_RECORD_DIR")->capture_default_str();
    command->add_option("--head", arguments->head, "The head that the chain must end in (of a copy, or of the service)");
    command->add_flag("--json", arguments->json, "One JSON object a recording");
    command->footer("Exit code: 0 complete, 1 changed, 2 torn tail (the writer died while it wrote), 3 no end (the session\n"
                    "goes on, or its writer died), 4 unreadable or no recording. Of several, the worst.\n");
    command->callback([arguments, &exit_code] { exit_code = verify(*arguments); });
}

}  // namespace dbguard::cli
