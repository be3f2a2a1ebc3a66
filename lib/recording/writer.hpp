#pragma once

// Writes one session's recording. append() builds lines in memory; flush() hands them to the sink; only what was flushed
// may be acted upon: flush before the bytes leave. One flush serves all statements of a wake-up, and a `done` can wait for
// the next one.
//
// A recording that cannot be written stays failed: every later flush() gives the first error again.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "recording/chain.hpp"
#include "recording/event.hpp"
#include "recording/sink.hpp"

namespace dbguard::recording {

/// What the name of a recording ends in.
inline constexpr std::string_view file_suffix = ".dbgl";

struct WriterOptions {
    Storage storage = Storage::automatic;
    std::size_t step_bytes = default_step_bytes;
    /// fdatasync on every flush: survives a power cut, at 0.1 ms and more a flush.
    bool sync = false;
    /// How often, by the events' own times, a flush looks whether the file is still there. Zero: at each.
    std::chrono::milliseconds check_every{1000};
};

class Writer {
  public:
    /// Creates `<directory>/<head.session>.dbgl` and writes and flushes the head. The directory must be there.
    /// Errors: bad_session_id, cannot_create, disk_full, cannot_write.
    static Result<std::unique_ptr<Writer>> create(
        const std::string& directory, const Head& head, WriterOptions options = {}
    );
    /// Onto a sink of the caller's. Errors: those of the sink.
    static Result<std::unique_ptr<Writer>> onto(
        std::unique_ptr<Sink> sink, const Head& head, WriterOptions options = {}
    );
    /// Flushes and closes without an `end`: a session that did not end in order says so.
    ~Writer();

    /// Each returns the line's number. No I/O, no failure: flush() says whether it is kept. (A very large batch is
    /// written through; its failure shows at the next flush, too.)
    LineNumber append(const Statement& event) { return line(event, event.at); }
    LineNumber append(const Decided& event) { return line(event, event.at); }
    LineNumber append(const Approval& event) { return line(event, event.at); }
    LineNumber append(const Sent& event) { return line(event, event.at); }
    LineNumber append(const Columns& event) { return line(event, latest_); }
    LineNumber append(const Rows& event) { return line(event, latest_); }
    LineNumber append(const Done& event) { return line(event, latest_); }
    LineNumber append(const Failed& event) { return line(event, latest_); }
    LineNumber append(const Note& event) { return line(event, latest_); }
    LineNumber append(const State& event) { return line(event, event.at); }
    LineNumber append(const Cancel& event) { return line(event, event.at); }
    LineNumber append(const Limit& event) { return line(event, event.at); }
    LineNumber append(const Gap& event) { return line(event, latest_); }

    /// Hands everything appended to the sink. Errors: disk_full, cannot_write, recording_gone, closed.
    Result<void> flush();
    /// Writes the last line, flushes and closes. Afterwards flush() fails with `closed`.
    Result<void> end(const End& event);

    /// The first error; empty while all is well.
    const std::optional<Error>& error() const { return error_; }

    const std::string& path() const { return path_; }
    /// Bytes that are in the sink: whole lines. May be read from another thread, which can then read as much of path().
    std::uint64_t written_bytes() const { return written_.load(std::memory_order_acquire); }
    /// The hash of the last line appended.
    std::string_view chain_head() const { return chain_.head(); }
    LineNumber next_line() const { return chain_.number(); }

  private:
    Writer(std::unique_ptr<Sink> sink, std::string path, WriterOptions options);
    Result<void> begin(const Head& head);
    void write_pending();

    template <class Event>
    LineNumber line(const Event& event, Time at) {
        chain_.begin(pending_);
        append_members(pending_, event);
        const LineNumber number = chain_.end(pending_);
        if (at > latest_) latest_ = at;
        if (pending_.size() > write_through_bytes) write_pending();
        return number;
    }

    static constexpr std::size_t write_through_bytes = 256 * 1024;

    std::unique_ptr<Sink> sink_;
    std::string path_;
    WriterOptions options_;
    Chain chain_;
    std::string pending_;
    std::atomic<std::uint64_t> written_{0};
    Time latest_{};
    Time checked_{};
    std::optional<Error> error_;
    bool closed_ = false;
};

/// Whether this can be a session's id and the name of its file: letters, digits, `_` and `-`, at most 64.
bool is_session_id(std::string_view text);

/// Makes a directory for recordings (mode 0700) when it is not there yet. Errors: cannot_create.
Result<void> make_directory(const std::string& directory);

}  // namespace dbguard::recording
