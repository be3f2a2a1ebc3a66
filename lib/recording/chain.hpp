#pragma once

// The chain of lines: each carries the SHA-256 of the bytes of the line before it (without the newline). The bytes are
// hashed, not the object, so there is no canonical form to get wrong.

#include <cstdint>
#include <string>
#include <string_view>

namespace dbguard::recording {

/// 64 zeros: what the first line carries.
std::string_view first_previous();

/// SHA-256 as lower-case hexadecimal digits.
class LineHash {
  public:
    /// 64 digits, valid until the next call.
    std::string_view operator()(std::string_view bytes);

  private:
    char hex_[64];
};

/// Writes lines: begin(), the caller's members (each with a comma before it), end().
class Chain {
  public:
    Chain();
    /// Appends `{"n":…,"p":"…"`. `out` may hold earlier lines; only what is appended from here to end() is the line.
    void begin(std::string& out);
    /// Appends `}` and a newline and moves on. Returns the line's number.
    std::uint64_t end(std::string& out);
    /// Before end(): appends the member `"self"`, the hash of the line so far. The last line has no successor that would
    /// carry its hash, so it carries one of its own.
    void seal(std::string& out);

    /// The number of the next line.
    std::uint64_t number() const { return number_; }
    /// The hash of the last line, 64 hexadecimal digits: the head of the chain.
    std::string_view head() const { return {previous_, sizeof previous_}; }

  private:
    LineHash hash_;
    std::uint64_t number_ = 0;
    std::size_t start_ = 0;
    char previous_[64];
};

}  // namespace dbguard::recording
