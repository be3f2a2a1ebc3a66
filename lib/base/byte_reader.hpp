#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace dbguard {

namespace errc {
inline constexpr std::string_view truncated = "truncated";
inline constexpr std::string_view trailing_bytes = "trailing_bytes";
}  // namespace errc

/// Reads a message body from front to back and remembers its first failure, so that a decode function reads like the
/// protocol manual's table and ends in one finish(). After a failure every read gives zero or empty.
class ByteReader {
  public:
    /// Borrows `bytes`; what the reader returns borrows from them, too.
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

    std::uint8_t u8() { return static_cast<std::uint8_t>(big_endian(1)); }
    std::uint16_t u16() { return static_cast<std::uint16_t>(big_endian(2)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(big_endian(4)); }
    std::uint64_t u64() { return big_endian(8); }
    std::int16_t i16() { return static_cast<std::int16_t>(u16()); }
    std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
    std::int64_t i64() { return static_cast<std::int64_t>(u64()); }

    /// The next `count` bytes.
    std::string_view bytes(std::size_t count) {
        if (count > rest_.size()) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const auto taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }

    /// Up to the next NUL, which is consumed and not returned.
    std::string_view c_string() {
        const auto end = rest_.find('\0');
        if (end == std::string_view::npos) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const auto taken = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return taken;
    }

    std::string_view rest() const { return rest_; }
    std::size_t remaining_bytes() const { return rest_.size(); }
    bool failed() const { return failed_; }
    void fail() {
        failed_ = true;
        rest_ = {};
    }

    /// Refuses short bodies and trailing bytes alike. Errors: truncated, trailing_bytes.
    Result<void> finish() const {
        if (failed_) return Error{errc::truncated, ""};
        if (!rest_.empty()) return Error{errc::trailing_bytes, std::to_string(rest_.size())};
        return {};
    }

  private:
    std::uint64_t big_endian(std::size_t count) {
        std::uint64_t value = 0;
        for (const char byte : bytes(count)) value = value << 8 | static_cast<std::uint8_t>(byte);
        return failed_ ? 0 : value;
    }

    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace dbguard
