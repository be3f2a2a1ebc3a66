#pragma once

// The PostgreSQL frontend/backend protocol, versions 3.0 and 3.2, as codecs without sockets. This room knows how messages look;
// it leaves to others which message may follow which (relay/postgres, upstream) and all reading and writing (tunnel).
//
// Start here: bytes become frames (this file); a frame's body becomes a message by one decode function a type (simple_query,
// extended_query, result, copy, error, auth, parameter), or any message by message.hpp. What comes before the first frame is
// startup.hpp. scram.hpp and md5.hpp do the arithmetic of logging in; trace.hpp prints a conversation.
//
// Each decode function takes a frame's body and refuses what is too short, too long or miscounted; each encode() appends a
// whole frame, and nothing at all when it fails. What was accepted encodes back to the same bytes.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/byte_reader.hpp"
#include "base/byte_writer.hpp"
#include "base/result.hpp"

namespace dbguard::wire::postgres {

namespace errc {
using dbguard::errc::trailing_bytes;
using dbguard::errc::truncated;
inline constexpr std::string_view unknown_type =
    "unknown_type";  ///< the sender never sends this message type
inline constexpr std::string_view bad_length = "bad_length";  ///< a negative or impossible length
inline constexpr std::string_view oversize = "oversize";  ///< longer than this message type may be
inline constexpr std::string_view bad_count =
    "bad_count";  ///< a count that the rest of the message cannot hold
inline constexpr std::string_view bad_value = "bad_value";  ///< a field outside its list of values
inline constexpr std::string_view nul_in_string =
    "nul_in_string";  ///< encoding: the text cannot be sent
}  // namespace errc

/// Who sent a message: the letters of trace lines.
enum class Sender : std::uint8_t { frontend, backend };

struct FrameHeader {
    char type = 0;
    std::uint32_t body_bytes = 0;

    /// Header and body.
    std::size_t frame_bytes() const { return std::size_t{5} + body_bytes; }
    bool operator==(const FrameHeader&) const = default;
};

inline constexpr std::size_t frame_header_bytes = 5;

/// The longest body a message of any type can have: the server builds and reads messages in buffers of at most 1 GiB - 1.
/// Source: src/include/utils/memutils.h, MaxAllocSize.
inline constexpr std::uint32_t large_body_bytes = 0x3fffffff;

namespace detail {
/// One above the longest body, by type byte; 0: this sender has no such message.
extern const std::array<std::uint32_t, 256> frontend_body_end;
extern const std::array<std::uint32_t, 256> backend_body_end;
}  // namespace detail

enum class HeaderState : std::uint8_t { whole, incomplete, unknown_type, bad_length, oversize };

/// Reads the header that `bytes` begin with: type byte, then a length that counts itself but not the type byte. For every
/// state but `incomplete`, `header.type` is set; only for `whole` the body may be waited for.
/// Source: PostgreSQL manual, "Message Flow" and "Message Formats".
inline HeaderState decode_header(std::string_view bytes, Sender sender, FrameHeader& header) {
    if (bytes.size() < frame_header_bytes) {
        // An unknown type is refused at its first byte: nothing behind it means anything.
        if (bytes.empty()) return HeaderState::incomplete;
        header.type = bytes[0];
        const auto& early =
            sender == Sender::frontend ? detail::frontend_body_end : detail::backend_body_end;
        return early[static_cast<std::uint8_t>(bytes[0])] == 0 ? HeaderState::unknown_type
                                                               : HeaderState::incomplete;
    }
    const auto at = [&](std::size_t i) {
        return std::uint32_t{static_cast<std::uint8_t>(bytes[i])};
    };
    const auto& ends =
        sender == Sender::frontend ? detail::frontend_body_end : detail::backend_body_end;
    header.type = bytes[0];
    // A length below 4 wraps around and is then beyond every end.
    header.body_bytes = (at(1) << 24 | at(2) << 16 | at(3) << 8 | at(4)) - 4;
    const std::uint32_t end = ends[at(0)];
    if (header.body_bytes < end) return HeaderState::whole;
    if (end == 0) return HeaderState::unknown_type;
    return header.body_bytes > 0x7fffffff - 4 ? HeaderState::bad_length : HeaderState::oversize;
}

/// What to say of a header that is neither whole nor incomplete. Errors: unknown_type, bad_length, oversize.
Error header_error(HeaderState state, Sender sender, const FrameHeader& header);

/// Whether `sender` may send messages of this type at all.
inline bool is_known_type(Sender sender, char type) {
    const auto& ends =
        sender == Sender::frontend ? detail::frontend_body_end : detail::backend_body_end;
    return ends[static_cast<std::uint8_t>(type)] != 0;
}

/// A whole frame, borrowed from the bytes it was found in.
struct FrameView {
    char type = 0;
    std::string_view body;
    std::string_view bytes;  ///< header and body, as received
};

/// The frame that `bytes` begin with; empty when more bytes are needed. Borrows from `bytes`.
/// Errors: unknown_type, bad_length, oversize (as soon as the header tells).
Result<std::optional<FrameView>> first_frame(std::string_view bytes, Sender sender);

/// Cuts a stream into whole frames. For clients that may hold a message in memory; a relay frames in its own buffer.
class FrameReader {
  public:
    /// Bodies above `max_body_bytes` are refused even where the protocol allows them.
    explicit FrameReader(Sender sender, std::uint32_t max_body_bytes = large_body_bytes)
        : sender_(sender), max_body_bytes_(max_body_bytes) {}

    void feed(std::string_view bytes);
    /// The next whole frame, or empty when more bytes are needed. Borrowed until next() or feed().
    /// Errors: unknown_type, bad_length, oversize; then the stream cannot be used any more.
    Result<std::optional<FrameView>> next();
    /// What was fed and not yet returned: after a refused SSLRequest and the like nothing may be left.
    std::size_t buffered_bytes() const { return buffer_.size() - taken_; }
    /// Hands out what was fed and not yet returned.
    std::string take_rest();

  private:
    Sender sender_;
    std::uint32_t max_body_bytes_;
    std::string buffer_;
    std::size_t taken_ = 0;
};

/// Begins a frame and, at the end, writes its length: `const auto at = begin_frame('Q', out); …; end_frame(at, out);`
inline std::size_t begin_frame(char type, ByteWriter& out) {
    out.u8(static_cast<std::uint8_t>(type));
    out.u32(0);
    return out.size() - 4;
}
inline void end_frame(std::size_t at, ByteWriter& out) {
    out.patch_u32(at, static_cast<std::uint32_t>(out.size() - at));
}

}  // namespace dbguard::wire::postgres
