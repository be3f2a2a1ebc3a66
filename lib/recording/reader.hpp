#pragma once

// Reads a recording line by line in bounded memory and checks its chain on the way. Says apart: a torn tail (the writer
// died while it wrote; what was whole before is good) and a line that breaks the chain (someone or something changed the
// file).

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "recording/chain.hpp"
#include "recording/event.hpp"

namespace dbguard::recording {

namespace errc {
inline constexpr std::string_view cannot_read = "cannot_read";      ///< no file, no permission, no regular file, disk error
inline constexpr std::string_view not_a_recording = "not_a_recording";  ///< empty, or does not begin with a `head`
inline constexpr std::string_view unsupported_version = "unsupported_version";
inline constexpr std::string_view torn_tail = "torn_tail";          ///< the last line has no end: the writer died
inline constexpr std::string_view broken_chain = "broken_chain";    ///< a line does not carry the hash of the one before it
inline constexpr std::string_view wrong_number = "wrong_number";    ///< lines are missing, doubled or moved
inline constexpr std::string_view malformed_line = "malformed_line";  ///< no JSON object of the form this format has
inline constexpr std::string_view line_too_long = "line_too_long";
inline constexpr std::string_view broken_seal = "broken_seal";      ///< the last line was changed
inline constexpr std::string_view after_end = "after_end";          ///< something follows the `end`
}  // namespace errc

inline constexpr std::size_t default_max_line_bytes = 64 * 1024 * 1024;

/// One line that fits the chain. Borrowed until the reader's next call.
struct LineView {
    LineNumber number = 0;
    std::uint64_t offset = 0;   ///< of its first byte in the file
    std::string_view bytes;     ///< without the newline: one JSON object, nested at most 64 deep
    std::string_view type;      ///< `stmt`, `done`, …; readers pass over those they do not know
};

class Reader {
  public:
    /// Errors: cannot_read.
    static Result<Reader> open(const std::string& path, std::size_t max_line_bytes = default_max_line_bytes);
    /// Reads a copy of `bytes`.
    static Reader from_memory(std::string_view bytes, std::size_t max_line_bytes = default_max_line_bytes);

    Reader(Reader&&) noexcept;
    Reader& operator=(Reader&&) noexcept;
    ~Reader();

    /// The next line, or empty after the last whole one. Errors: all of the above; after one the same again.
    Result<std::optional<LineView>> next();

    /// Forgets a torn tail and the end of the file, so that next() reads what was written since behind the last whole line.
    /// For following a recording that grows. False: it cannot be read again, or its last line was an `end`.
    bool read_on();

    /// Whether the last line was an `end`.
    bool ended() const;
    std::uint64_t lines() const;
    /// Bytes of the lines so far.
    std::uint64_t whole_bytes() const;
    /// Bytes of a last line that has no end.
    std::uint64_t torn_bytes() const;
    /// Zeros after the last line: room that a writer reserved and did not give back.
    std::uint64_t padding_bytes() const;
    /// The hash of the last line so far: what copies of the recording are compared by.
    std::string_view chain_head() const;
    /// From the head; empty before it was read.
    const std::string& session() const;

  private:
    struct State;
    explicit Reader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// What came of reading a whole recording.
struct Verification {
    enum class Outcome : std::uint8_t {
        complete,    ///< from `head` to `end`, nothing missing
        unended,     ///< all lines hold, but there is no `end`: the session goes on, or its writer died
        torn,        ///< all whole lines hold; the last one has no end: the writer died while it wrote
        broken,      ///< changed: the chain, a number, the seal or a line's form
        unreadable,  ///< cannot be read, or is no recording
    };
    Outcome outcome = Outcome::unreadable;
    std::optional<Error> error;     ///< for torn, broken, unreadable
    std::string session;
    std::uint64_t lines = 0;        ///< that hold
    std::uint64_t whole_bytes = 0;  ///< of them
    std::uint64_t torn_bytes = 0;
    std::uint64_t padding_bytes = 0;
    std::string chain_head;         ///< of the last line that holds
};

Verification verify(Reader& reader);
Verification verify_file(const std::string& path);
/// `complete`, `torn`, …
std::string_view name(Verification::Outcome outcome);
/// One sentence for people, without the file's name.
std::string text(const Verification& verification);

/// Whether a writer has it open right now. False, too, where the file system cannot tell.
bool is_being_written(const std::string& path);

}  // namespace dbguard::recording
