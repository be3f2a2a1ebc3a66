#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dbguard {

/// Appends big-endian numbers and strings to a byte string it borrows.
class ByteWriter {
  public:
    explicit ByteWriter(std::string& out) : out_(out) {}

    void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
    void u16(std::uint16_t value) { big_endian(value, 2); }
    void u32(std::uint32_t value) { big_endian(value, 4); }
    void u64(std::uint64_t value) { big_endian(value, 8); }
    void i16(std::int16_t value) { u16(static_cast<std::uint16_t>(value)); }
    void i32(std::int32_t value) { u32(static_cast<std::uint32_t>(value)); }
    void bytes(std::string_view value) { out_.append(value); }
    /// The text must not hold a NUL; the caller checks.
    void c_string(std::string_view text) {
        out_.append(text);
        out_.push_back('\0');
    }

    std::size_t size() const { return out_.size(); }
    /// Writes a four-byte number over what stands at `at`.
    void patch_u32(std::size_t at, std::uint32_t value) {
        for (int i = 0; i < 4; ++i) out_[at + i] = static_cast<char>(value >> (24 - 8 * i));
    }

  private:
    void big_endian(std::uint64_t value, int count) {
        for (int shift = 8 * (count - 1); shift >= 0; shift -= 8)
            out_.push_back(static_cast<char>(value >> shift));
    }

    std::string& out_;
};

}  // namespace dbguard
