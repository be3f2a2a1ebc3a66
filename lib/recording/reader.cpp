#include "recording/reader.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "recording/json_text.hpp"
#include "recording/line_json.hpp"

namespace dbguard::recording {

namespace {

constexpr std::size_t chunk_bytes = 64 * 1024;
constexpr std::size_t hash_digits = 64;
constexpr std::string_view self_member = ",\"self\":\"";

std::string counted(std::uint64_t count, std::string_view one) {
    std::string text = std::to_string(count);
    text.append(" ").append(one);
    if (count != 1) text.push_back('s');
    return text;
}

std::string at_line(LineNumber number, std::string_view what) {
    std::string text = "line " + std::to_string(number);
    if (!what.empty()) text.append(": ").append(what);
    return text;
}

}  // namespace

struct Reader::State {
    UniqueFd fd;              // or, without one, all of the input is `buffer`
    std::string path;
    std::string buffer;       // read and not yet consumed, from `at` on
    std::size_t at = 0;
    bool source_done = false;
    std::size_t max_line_bytes = 0;

    LineHash hash;
    std::string previous{first_previous()};
    LineNumber number = 0;
    std::uint64_t offset = 0;
    std::uint64_t torn = 0, padding = 0;
    std::string session;
    bool sealed = false, ended = false, finished = false;
    std::optional<Error> error;
    std::string expected;

    /// More of the source into `buffer`. False at its end.
    Result<bool> fill() {
        if (source_done) return false;
        if (at > 0) {
            buffer.erase(0, at);
            at = 0;
        }
        const std::size_t had = buffer.size();
        buffer.resize(had + chunk_bytes);
        ssize_t count = 0;
        do count = ::read(fd.get(), buffer.data() + had, chunk_bytes);
        while (count < 0 && errno == EINTR);
        const int reason = errno;
        buffer.resize(had + static_cast<std::size_t>(count < 0 ? 0 : count));
        if (count < 0) return Error{errc::cannot_read, path + ": " + std::strerror(reason)};
        if (count == 0) source_done = true;
        return count > 0;
    }

    Error bad(std::string_view code, std::string_view what) const { return {code, at_line(number, what)}; }

    /// `{"n":N,"p":"…","t":"`: what the next line must begin with.
    std::string_view expect() {
        expected.assign("{\"n\":");
        append_number(expected, std::uint64_t{number});
        expected.append(",\"p\":\"").append(previous).append("\",\"t\":\"");
        return expected;
    }

    Error why_unexpected(std::string_view line) const;
    Result<LineView> check(std::string_view line);
    Result<void> check_head(const LineForm& form);
    Result<void> check_seal(std::string_view line);
    Result<std::optional<LineView>> next();
    Result<std::optional<LineView>> end_of_lines(std::string_view fragment);
};

/// A line that does not begin as it must: which of the three is it?
Error Reader::State::why_unexpected(std::string_view line) const {
    std::size_t i = 0;
    const auto take = [&](std::string_view text) {
        const bool there = line.substr(i).starts_with(text);
        if (there) i += text.size();
        return there;
    };
    std::string digits;
    if (!take("{\"n\":")) return bad(errc::malformed_line, "does not begin with its number");
    while (i < line.size() && line[i] >= '0' && line[i] <= '9' && digits.size() < 20) digits.push_back(line[i++]);
    if (digits.empty() || !take(",\"p\":\"")) return bad(errc::malformed_line, "does not begin with its number");
    if (digits != std::to_string(number)) return bad(errc::wrong_number, "carries the number " + digits);
    if (!take(previous)) {
        const std::string what = number == 0
            ? "carries the hash of a line before it"
            : "does not carry the hash of line " + std::to_string(number - 1) + ": one of the two was changed";
        return bad(errc::broken_chain, what);
    }
    return bad(errc::malformed_line, "has no type");
}

Result<void> Reader::State::check_head(const LineForm& form) {
    if (form.version != 1)
        return Error{errc::unsupported_version,
                     form.version < 0 ? "no version" : "version " + std::to_string(form.version)};
    session = form.session;
    sealed = form.sealed;
    return {};
}

/// `…,"self":"HEX"}`, the hash of what stands before it.
Result<void> Reader::State::check_seal(std::string_view line) {
    constexpr std::size_t tail_bytes = self_member.size() + hash_digits + 2;
    if (line.size() < tail_bytes) return bad(errc::broken_seal, "");
    const auto body = line.substr(0, line.size() - tail_bytes);
    const auto tail = line.substr(body.size());
    const bool holds = tail.starts_with(self_member) && tail.ends_with("\"}") &&
                       tail.substr(self_member.size(), hash_digits) == hash(body);
    if (!holds) return bad(errc::broken_seal, "was changed");
    return {};
}

Result<LineView> Reader::State::check(std::string_view line) {
    const auto prefix = expect();
    if (!line.starts_with(prefix)) {
        const Error error = why_unexpected(line);
        // Not worth a word about chains when this never was a recording.
        if (number == 0 && error.code == errc::malformed_line) return Error{errc::not_a_recording, ""};
        return error;
    }
    const auto rest = line.substr(prefix.size());
    std::size_t letters = 0;
    while (letters < rest.size() && ((rest[letters] >= 'a' && rest[letters] <= 'z') || rest[letters] == '_')) ++letters;
    if (letters == 0 || letters > 32 || letters == rest.size() || rest[letters] != '"')
        return bad(errc::malformed_line, "has no type");
    const auto type = rest.substr(0, letters);

    auto form = read_line_form(line);
    if (!form) return bad(form.error().code, form.error().detail);
    if ((number == 0) != (type == "head")) {
        if (number == 0) return Error{errc::not_a_recording, "begins with " + std::string(type)};
        return bad(errc::malformed_line, "a second head");
    }
    if (number == 0) {
        if (auto good = check_head(*form); !good) return good.error();
    }
    if (form->has_self || (type == "end" && sealed)) {
        if (auto good = check_seal(line); !good) return good.error();
    }
    ended = type == "end";
    const LineView view{number, offset, line, type};
    previous = hash(line);
    ++number;
    offset += line.size() + 1;
    return view;
}

/// What stands behind the last newline: nothing, zeros, a line that was not finished, or something else.
Result<std::optional<LineView>> Reader::State::end_of_lines(std::string_view fragment) {
    const auto content = fragment.substr(0, fragment.find('\0'));
    const bool zeros = content.size() < fragment.size();
    if (zeros) {
        // Everything to the end of the file has to be zero.
        std::uint64_t count = fragment.size() - content.size();
        if (fragment.find_first_not_of('\0', content.size()) != std::string_view::npos)
            return bad(errc::malformed_line, "zeros within the recording");
        const std::string kept(content);
        at = buffer.size();
        for (;;) {
            auto more = fill();
            if (!more) return more.error();
            if (!*more) break;
            const auto rest = std::string_view(buffer).substr(at);
            if (rest.find_first_not_of('\0') != std::string_view::npos)
                return bad(errc::malformed_line, "zeros within the recording");
            count += rest.size();
            at = buffer.size();
        }
        padding = count;
        buffer = kept;
        at = 0;
        return end_of_lines(buffer);
    }
    finished = true;
    if (number == 0 && content.empty()) return Error{errc::not_a_recording, "empty"};
    if (content.empty()) return std::optional<LineView>{};
    if (ended) return bad(errc::after_end, counted(content.size(), "byte") + " behind the end");
    // What a writer left behind unfinished begins as the line would have; anything else was put there.
    const auto prefix = expect();
    const auto common = std::min(prefix.size(), content.size());
    if (content.substr(0, common) != prefix.substr(0, common)) {
        if (number == 0) return Error{errc::not_a_recording, ""};
        return bad(errc::broken_chain, "has no end, and does not begin as the next line must");
    }
    torn = content.size();
    return bad(errc::torn_tail, "ends after " + counted(content.size(), "byte"));
}

Result<std::optional<LineView>> Reader::State::next() {
    if (finished) return std::optional<LineView>{};
    std::size_t searched = at;
    for (;;) {
        const auto newline = buffer.find('\n', searched);
        const auto zero = buffer.find('\0', searched);
        if (zero < newline) return end_of_lines(std::string_view(buffer).substr(at));
        if (newline != std::string::npos) {
            const std::string_view line(buffer.data() + at, newline - at);
            at = newline + 1;
            if (line.size() > max_line_bytes) return bad(errc::line_too_long, "");
            if (ended) return bad(errc::after_end, "behind the end");
            auto checked = check(line);
            if (!checked) return checked.error();
            return std::optional<LineView>(*checked);
        }
        if (buffer.size() - at > max_line_bytes)
            return bad(errc::line_too_long, "more than " + counted(max_line_bytes, "byte"));
        const auto unread = buffer.size() - at;
        auto more = fill();
        if (!more) return more.error();
        if (!*more) return end_of_lines(std::string_view(buffer).substr(at));
        searched = at + unread;
    }
}

Reader::Reader(std::unique_ptr<State> state) : state_(std::move(state)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

Result<Reader> Reader::open(const std::string& path, std::size_t max_line_bytes) {
    // Not blocking: somebody could have put a pipe there.
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd) return Error{errc::cannot_read, path + ": " + std::strerror(errno)};
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return Error{errc::cannot_read, path + ": " + std::strerror(errno)};
    if (!S_ISREG(status.st_mode)) return Error{errc::cannot_read, path + ": not a regular file"};
    auto state = std::make_unique<State>();
    state->fd = std::move(fd);
    state->path = path;
    state->max_line_bytes = max_line_bytes;
    return Reader(std::move(state));
}

Reader Reader::from_memory(std::string_view bytes, std::size_t max_line_bytes) {
    auto state = std::make_unique<State>();
    state->buffer = bytes;
    state->source_done = true;
    state->max_line_bytes = max_line_bytes;
    return Reader(std::move(state));
}

Result<std::optional<LineView>> Reader::next() {
    if (state_->error) return *state_->error;
    auto line = state_->next();
    if (!line) state_->error = line.error();
    return line;
}

bool Reader::read_on() {
    State& state = *state_;
    if (!state.fd || state.ended || state.number == 0) return false;
    if (::lseek(state.fd.get(), static_cast<off_t>(state.offset), SEEK_SET) < 0) return false;
    state.buffer.clear();
    state.at = 0;
    state.torn = state.padding = 0;
    state.source_done = state.finished = false;
    state.error.reset();
    return true;
}

bool Reader::ended() const { return state_->ended; }
std::uint64_t Reader::lines() const { return state_->number; }
std::uint64_t Reader::whole_bytes() const { return state_->offset; }
std::uint64_t Reader::torn_bytes() const { return state_->torn; }
std::uint64_t Reader::padding_bytes() const { return state_->padding; }
std::string_view Reader::chain_head() const { return state_->previous; }
const std::string& Reader::session() const { return state_->session; }

Verification verify(Reader& reader) {
    using Outcome = Verification::Outcome;
    Verification verification;
    for (;;) {
        auto line = reader.next();
        if (line && *line) continue;
        if (!line) {
            const Error& error = line.error();
            verification.error = error;
            verification.outcome = Outcome::broken;
            if (error.code == errc::torn_tail) verification.outcome = Outcome::torn;
            if (error.code == errc::cannot_read || error.code == errc::not_a_recording ||
                error.code == errc::unsupported_version || error.code == errc::line_too_long)
                verification.outcome = Outcome::unreadable;
        } else {
            verification.outcome = reader.ended() ? Outcome::complete : Outcome::unended;
        }
        break;
    }
    verification.session = reader.session();
    verification.lines = reader.lines();
    verification.whole_bytes = reader.whole_bytes();
    verification.torn_bytes = reader.torn_bytes();
    verification.padding_bytes = reader.padding_bytes();
    if (reader.lines() > 0) verification.chain_head = reader.chain_head();
    return verification;
}

Verification verify_file(const std::string& path) {
    auto reader = Reader::open(path);
    if (reader) return verify(*reader);
    Verification verification;
    verification.error = reader.error();
    return verification;
}

std::string_view name(Verification::Outcome outcome) {
    switch (outcome) {
        case Verification::Outcome::complete: return "complete";
        case Verification::Outcome::unended: return "unended";
        case Verification::Outcome::torn: return "torn";
        case Verification::Outcome::broken: return "broken";
        case Verification::Outcome::unreadable: return "unreadable";
    }
    return "";
}

std::string text(const Verification& verification) {
    using Outcome = Verification::Outcome;
    const std::string lines = counted(verification.lines, "line");
    const std::string reason = verification.error ? verification.error->text() : "";
    switch (verification.outcome) {
        case Outcome::complete: return "complete: " + lines + ", the chain holds";
        case Outcome::unended:
            return "no end: " + lines + ", the chain holds, but the session goes on or its writer died";
        case Outcome::torn:
            return "torn tail: the writer died while it wrote; " + lines + " before that hold (" + reason + ")";
        case Outcome::broken: return "BROKEN: the recording was changed (" + reason + "); " + lines + " before that hold";
        case Outcome::unreadable: return "cannot be verified: " + reason;
    }
    return "";
}

bool is_being_written(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    return fd && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace dbguard::recording
