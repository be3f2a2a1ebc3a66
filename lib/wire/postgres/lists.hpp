#pragma once

// Lists as they stand inside messages: a count of 16 bits, then the elements. The views are made by decode functions, which
// have checked the bytes; they borrow from the message and allocate nothing.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>

#include "base/byte_reader.hpp"
#include "base/byte_writer.hpp"

namespace dbguard::wire::postgres {

inline std::uint32_t load_u32(const char* at) {
    const auto byte = [&](int i) { return std::uint32_t{static_cast<std::uint8_t>(at[i])}; };
    return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}
inline std::uint16_t load_u16(const char* at) {
    return static_cast<std::uint16_t>(
        static_cast<std::uint8_t>(at[0]) << 8 | static_cast<std::uint8_t>(at[1])
    );
}

/// Format codes: 0 text, 1 binary.
class Int16ListView {
  public:
    Int16ListView() = default;
    /// `raw` holds two bytes an element, without the count.
    explicit Int16ListView(std::string_view raw) : raw_(raw) {}

    std::size_t size() const { return raw_.size() / 2; }
    bool empty() const { return raw_.empty(); }
    std::int16_t operator[](std::size_t i) const {
        return static_cast<std::int16_t>(load_u16(raw_.data() + 2 * i));
    }
    std::string_view raw() const { return raw_; }
    bool operator==(const Int16ListView&) const = default;

  private:
    std::string_view raw_;
};

/// Type ids.
class OidListView {
  public:
    OidListView() = default;
    /// `raw` holds four bytes an element, without the count.
    explicit OidListView(std::string_view raw) : raw_(raw) {}

    std::size_t size() const { return raw_.size() / 4; }
    bool empty() const { return raw_.empty(); }
    std::uint32_t operator[](std::size_t i) const { return load_u32(raw_.data() + 4 * i); }
    std::string_view raw() const { return raw_; }
    bool operator==(const OidListView&) const = default;

  private:
    std::string_view raw_;
};

/// A field or parameter; empty optional: NULL.
using ValueView = std::optional<std::string_view>;

/// Fields of a row or parameters of a Bind: each a length of 32 bits (-1: NULL) and that many bytes.
class ValueListView {
  public:
    ValueListView() = default;
    /// `raw` holds exactly `count` checked elements, without the count.
    ValueListView(std::uint16_t count, std::string_view raw) : count_(count), raw_(raw) {}

    class Iterator {
      public:
        using value_type = ValueView;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;
        using pointer = void;
        using reference = ValueView;

        Iterator() = default;
        Iterator(const char* at, std::size_t left) : at_(at), left_(left) {}
        ValueView operator*() const {
            const std::uint32_t length = load_u32(at_);
            if (length == null_length) return {};
            return std::string_view(at_ + 4, length);
        }
        Iterator& operator++() {
            const std::uint32_t length = load_u32(at_);
            at_ += length == null_length ? 4 : std::size_t{4} + length;
            --left_;
            return *this;
        }
        Iterator operator++(int) {
            auto old = *this;
            ++*this;
            return old;
        }
        bool operator==(const Iterator& other) const { return left_ == other.left_; }

      private:
        const char* at_ = nullptr;
        std::size_t left_ = 0;
    };

    Iterator begin() const { return {raw_.data(), count_}; }
    Iterator end() const { return {nullptr, 0}; }
    std::size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    std::string_view raw() const { return raw_; }
    bool operator==(const ValueListView&) const = default;

    static constexpr std::uint32_t null_length = 0xffffffff;

  private:
    std::uint16_t count_ = 0;
    std::string_view raw_;
};

// ---- for the codecs of this room -------------------------------------------------------------------------------------

/// Each reads a count and its elements; a count beyond the rest or a negative length sets `error` and fails the reader.
Int16ListView read_int16_list(ByteReader& in, std::string_view& error);
OidListView read_oid_list(ByteReader& in, std::string_view& error);
ValueListView read_value_list(ByteReader& in, std::string_view& error);
/// in.finish(), but with `error` as the code when one was set.
Result<void> finish(const ByteReader& in, std::string_view error);

void write(Int16ListView list, ByteWriter& out);
void write(OidListView list, ByteWriter& out);
void write(const ValueListView& list, ByteWriter& out);

/// Errors: bad_count (more than 65,535), oversize (more than a message may hold).
Result<void> check_values(std::span<const ValueView> values);
void write_values(std::span<const ValueView> values, ByteWriter& out);

/// Errors: nul_in_string, oversize. Of texts that go out as NUL-terminated strings.
Result<void> check_strings(std::initializer_list<std::string_view> texts);

}  // namespace dbguard::wire::postgres
