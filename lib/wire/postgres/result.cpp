#include "wire/postgres/result.hpp"

#include <charconv>

namespace dbguard::wire::postgres {
namespace {

// What stands behind each column's name: relation, number, type, size, modifier, format.
constexpr std::size_t fixed_column_bytes = 4 + 2 + 4 + 2 + 4 + 2;

}  // namespace

ColumnView RowDescriptionView::Iterator::operator*() const {
    ByteReader in(rest_);
    ColumnView column;
    column.name = in.c_string();
    column.relation = in.u32();
    column.number = in.i16();
    column.type = in.u32();
    column.type_size = in.i16();
    column.type_modifier = in.i32();
    column.format = in.i16();
    return column;
}

RowDescriptionView::Iterator& RowDescriptionView::Iterator::operator++() {
    rest_.remove_prefix(rest_.find('\0') + 1 + fixed_column_bytes);
    --left_;
    return *this;
}

Result<RowDescriptionView> decode_row_description(std::string_view body) {
    ByteReader in(body);
    const std::uint16_t count = in.u16();
    if (count * (fixed_column_bytes + 1) > in.remaining_bytes()) {
        if (in.failed()) return Error{errc::truncated, ""};
        return Error{errc::bad_count, std::to_string(count)};
    }
    const auto raw = in.rest();
    for (std::uint16_t i = 0; i < count; ++i) {
        in.c_string();
        in.bytes(fixed_column_bytes);
    }
    if (const auto done = in.finish(); !done) return done.error();
    return RowDescriptionView(count, raw);
}

Result<void> encode(const RowDescriptionView& message, ByteWriter& out) {
    const auto at = begin_frame('T', out);
    out.u16(static_cast<std::uint16_t>(message.size()));
    out.bytes(message.raw());
    end_frame(at, out);
    return {};
}

std::vector<Column> to_columns(const RowDescriptionView& message) {
    std::vector<Column> columns;
    columns.reserve(message.size());
    for (const auto column : message) {
        columns.push_back(
            {std::string(column.name),
             column.relation,
             column.number,
             column.type,
             column.type_size,
             column.type_modifier,
             column.format}
        );
    }
    return columns;
}

Result<void> encode_row_description(std::span<const Column> columns, ByteWriter& out) {
    if (columns.size() > 0xffff) return Error{errc::bad_count, std::to_string(columns.size())};
    std::size_t total = 2;
    for (const auto& column : columns) {
        if (const auto ok = check_strings({column.name}); !ok) return ok;
        total += column.name.size() + 1 + fixed_column_bytes;
    }
    if (total > large_body_bytes) return Error{errc::oversize, std::to_string(total)};
    const auto at = begin_frame('T', out);
    out.u16(static_cast<std::uint16_t>(columns.size()));
    for (const auto& column : columns) {
        out.c_string(column.name);
        out.u32(column.relation);
        out.i16(column.number);
        out.u32(column.type);
        out.i16(column.type_size);
        out.i32(column.type_modifier);
        out.i16(column.format);
    }
    end_frame(at, out);
    return {};
}

Result<DataRowView> decode_data_row(std::string_view body) {
    ByteReader in(body);
    std::string_view error;
    const DataRowView message{read_value_list(in, error)};
    if (const auto done = finish(in, error); !done) return done.error();
    return message;
}

Result<void> encode(const DataRowView& message, ByteWriter& out) {
    const auto at = begin_frame('D', out);
    write(message.values, out);
    end_frame(at, out);
    return {};
}

bool split_data_row(std::string_view body, std::vector<ValueView>& fields) {
    fields.clear();
    if (body.size() < 2) return false;
    const std::size_t count = load_u16(body.data());
    const char* at = body.data() + 2;
    std::size_t rest = body.size() - 2;
    if (count * 4 > rest) return false;
    fields.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (rest < 4) return false;
        const std::uint32_t length = load_u32(at);
        at += 4;
        rest -= 4;
        if (length == ValueListView::null_length) {
            fields.emplace_back();
            continue;
        }
        // Other negative lengths are larger than any rest.
        if (length > rest) return false;
        fields.emplace_back(std::string_view(at, length));
        at += length;
        rest -= length;
    }
    return rest == 0;
}

Result<void> encode_data_row(std::span<const ValueView> fields, ByteWriter& out) {
    if (const auto ok = check_values(fields); !ok) return ok;
    const auto at = begin_frame('D', out);
    write_values(fields, out);
    end_frame(at, out);
    return {};
}

Result<CommandCompleteView> decode_command_complete(std::string_view body) {
    ByteReader in(body);
    const CommandCompleteView message{in.c_string()};
    if (const auto done = in.finish(); !done) return done.error();
    return message;
}

Result<void> encode(const CommandCompleteView& message, ByteWriter& out) {
    if (const auto ok = check_strings({message.tag}); !ok) return ok;
    const auto at = begin_frame('C', out);
    out.c_string(message.tag);
    end_frame(at, out);
    return {};
}

std::optional<std::uint64_t> tag_rows(std::string_view tag) {
    const auto space = tag.rfind(' ');
    if (space == std::string_view::npos) return {};
    std::uint64_t rows = 0;
    const auto* end = tag.data() + tag.size();
    const auto [stopped, error] = std::from_chars(tag.data() + space + 1, end, rows);
    if (error != std::errc{} || stopped != end) return {};
    return rows;
}

Result<EmptyQueryResponse> decode_empty_query_response(std::string_view body) {
    if (const auto done = ByteReader(body).finish(); !done) return done.error();
    return EmptyQueryResponse{};
}

Result<void> encode(EmptyQueryResponse, ByteWriter& out) {
    end_frame(begin_frame('I', out), out);
    return {};
}

Result<ReadyForQuery> decode_ready_for_query(std::string_view body) {
    ByteReader in(body);
    const char status = static_cast<char>(in.u8());
    if (const auto done = in.finish(); !done) return done.error();
    if (status != 'I' && status != 'T' && status != 'E')
        return Error{errc::bad_value, "transaction status"};
    return ReadyForQuery{static_cast<TransactionStatus>(status)};
}

Result<void> encode(ReadyForQuery message, ByteWriter& out) {
    const auto at = begin_frame('Z', out);
    out.u8(static_cast<std::uint8_t>(message.status));
    end_frame(at, out);
    return {};
}

}  // namespace dbguard::wire::postgres
