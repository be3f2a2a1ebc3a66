#pragma once

// Results: columns, rows, command tags, and that the server is ready again.
// Source: PostgreSQL manual, "Message Formats": RowDescription, DataRow, CommandComplete, ReadyForQuery.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/postgres/frame.hpp"
#include "wire/postgres/lists.hpp"

namespace dbguard::wire::postgres {

/// One column of a RowDescription, borrowed from it.
struct ColumnView {
    std::string_view name;
    std::uint32_t relation = 0;      ///< the table the column is read from; 0 when it is none
    std::int16_t number = 0;         ///< its attribute number there; 0 when it is none
    std::uint32_t type = 0;          ///< type id
    std::int16_t type_size = 0;      ///< negative: variable
    std::int32_t type_modifier = 0;  ///< -1: none
    std::int16_t format =
        0;  ///< 0 text (also when not known yet, after Describe of a statement), 1 binary
    bool operator==(const ColumnView&) const = default;
};

/// The same, owned.
struct Column {
    std::string name;
    std::uint32_t relation = 0;
    std::int16_t number = 0;
    std::uint32_t type = 0;
    std::int16_t type_size = 0;
    std::int32_t type_modifier = -1;
    std::int16_t format = 0;
    bool operator==(const Column&) const = default;
};

/// A checked RowDescription, borrowed. Iterating allocates nothing.
class RowDescriptionView {
  public:
    RowDescriptionView() = default;
    RowDescriptionView(std::uint16_t count, std::string_view raw) : count_(count), raw_(raw) {}

    class Iterator {
      public:
        using value_type = ColumnView;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;
        using pointer = void;
        using reference = ColumnView;

        Iterator() = default;
        Iterator(std::string_view rest, std::size_t left) : rest_(rest), left_(left) {}
        ColumnView operator*() const;
        Iterator& operator++();
        Iterator operator++(int) {
            auto old = *this;
            ++*this;
            return old;
        }
        bool operator==(const Iterator& other) const { return left_ == other.left_; }

      private:
        std::string_view rest_;
        std::size_t left_ = 0;
    };

    Iterator begin() const { return {raw_, count_}; }
    Iterator end() const { return {}; }
    std::size_t size() const { return count_; }
    std::string_view raw() const { return raw_; }
    bool operator==(const RowDescriptionView&) const = default;

  private:
    std::uint16_t count_ = 0;
    std::string_view raw_;
};
Result<RowDescriptionView> decode_row_description(std::string_view body);
Result<void> encode(const RowDescriptionView& message, ByteWriter& out);
std::vector<Column> to_columns(const RowDescriptionView& message);
/// Errors: nul_in_string, bad_count, oversize.
Result<void> encode_row_description(std::span<const Column> columns, ByteWriter& out);

/// A checked DataRow, borrowed. Iterate `values`.
struct DataRowView {
    ValueListView values;
    bool operator==(const DataRowView&) const = default;
};
Result<DataRowView> decode_data_row(std::string_view body);
Result<void> encode(const DataRowView& message, ByteWriter& out);
/// Reads a row in one pass into `fields`, whose memory is reused; false when the body is malformed.
/// The fields borrow from `body`.
bool split_data_row(std::string_view body, std::vector<ValueView>& fields);
/// Errors: bad_count, oversize.
Result<void> encode_data_row(std::span<const ValueView> fields, ByteWriter& out);

/// Such as "SELECT 5" or "INSERT 0 1".
struct CommandCompleteView {
    std::string_view tag;
    bool operator==(const CommandCompleteView&) const = default;
};
Result<CommandCompleteView> decode_command_complete(std::string_view body);
Result<void> encode(const CommandCompleteView& message, ByteWriter& out);
/// The row count at the end of a command tag; empty when it names none.
std::optional<std::uint64_t> tag_rows(std::string_view tag);

/// The answer to an empty query string, instead of CommandComplete.
struct EmptyQueryResponse {
    bool operator==(const EmptyQueryResponse&) const = default;
};
Result<EmptyQueryResponse> decode_empty_query_response(std::string_view body);
Result<void> encode(EmptyQueryResponse message, ByteWriter& out);

enum class TransactionStatus : char { idle = 'I', in_transaction = 'T', failed = 'E' };

struct ReadyForQuery {
    TransactionStatus status = TransactionStatus::idle;
    bool operator==(const ReadyForQuery&) const = default;
};
Result<ReadyForQuery> decode_ready_for_query(std::string_view body);
Result<void> encode(ReadyForQuery message, ByteWriter& out);

}  // namespace dbguard::wire::postgres
