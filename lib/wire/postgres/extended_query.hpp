#pragma once

// The extended query protocol, what the frontend sends and the backend's answers without rows.
// Source: PostgreSQL manual, "Extended Query" and "Message Formats".

#include <cstdint>
#include <span>
#include <string_view>

#include "wire/postgres/frame.hpp"
#include "wire/postgres/lists.hpp"

namespace dbguard::wire::postgres {

struct ParseView {
    std::string_view statement;  ///< empty: the unnamed one
    std::string_view sql;
    OidListView
        parameter_types;  ///< 0: the server is to infer it; may be fewer than the parameters
    bool operator==(const ParseView&) const = default;
};
Result<ParseView> decode_parse(std::string_view body);
Result<void> encode(const ParseView& message, ByteWriter& out);
Result<void> encode_parse(
    std::string_view statement,
    std::string_view sql,
    std::span<const std::uint32_t> parameter_types,
    ByteWriter& out
);

struct BindView {
    std::string_view portal;          ///< empty: the unnamed one
    std::string_view statement;       ///< empty: the unnamed one
    Int16ListView parameter_formats;  ///< none: all text; one: for all; else one a parameter
    ValueListView parameters;
    Int16ListView result_formats;  ///< none: all text; one: for all; else one a column
    bool operator==(const BindView&) const = default;
};
/// Parameter formats that are neither none, one, nor one a parameter are the server's to refuse, with an ordinary error.
Result<BindView> decode_bind(std::string_view body);
Result<void> encode(const BindView& message, ByteWriter& out);
Result<void> encode_bind(
    std::string_view portal,
    std::string_view statement,
    std::span<const std::int16_t> parameter_formats,
    std::span<const ValueView> parameters,
    std::span<const std::int16_t> result_formats,
    ByteWriter& out
);

/// The format of element `i` of a list with the rule none: text; one: for all; else one each.
inline std::int16_t format_at(Int16ListView formats, std::size_t i) {
    if (formats.empty()) return 0;
    if (formats.size() == 1) return formats[0];
    return i < formats.size() ? formats[i] : std::int16_t{0};
}

/// What a Describe or Close names.
enum class Target : char { statement = 'S', portal = 'P' };

struct DescribeView {
    Target target = Target::statement;
    std::string_view name;
    bool operator==(const DescribeView&) const = default;
};
Result<DescribeView> decode_describe(std::string_view body);
Result<void> encode(const DescribeView& message, ByteWriter& out);

struct CloseView {
    Target target = Target::statement;
    std::string_view name;
    bool operator==(const CloseView&) const = default;
};
Result<CloseView> decode_close(std::string_view body);
Result<void> encode(const CloseView& message, ByteWriter& out);

struct ExecuteView {
    std::string_view portal;
    std::int32_t max_rows = 0;  ///< not positive: no limit
    bool operator==(const ExecuteView&) const = default;
};
Result<ExecuteView> decode_execute(std::string_view body);
Result<void> encode(const ExecuteView& message, ByteWriter& out);

// Messages without a body. decode_… refuses trailing bytes.
struct Sync {
    bool operator==(const Sync&) const = default;
};
struct Flush {
    bool operator==(const Flush&) const = default;
};
struct ParseComplete {
    bool operator==(const ParseComplete&) const = default;
};
struct BindComplete {
    bool operator==(const BindComplete&) const = default;
};
struct CloseComplete {
    bool operator==(const CloseComplete&) const = default;
};
struct NoData {
    bool operator==(const NoData&) const = default;
};
/// Execute stopped at its row limit.
struct PortalSuspended {
    bool operator==(const PortalSuspended&) const = default;
};
Result<Sync> decode_sync(std::string_view body);
Result<Flush> decode_flush(std::string_view body);
Result<ParseComplete> decode_parse_complete(std::string_view body);
Result<BindComplete> decode_bind_complete(std::string_view body);
Result<CloseComplete> decode_close_complete(std::string_view body);
Result<NoData> decode_no_data(std::string_view body);
Result<PortalSuspended> decode_portal_suspended(std::string_view body);
Result<void> encode(Sync message, ByteWriter& out);
Result<void> encode(Flush message, ByteWriter& out);
Result<void> encode(ParseComplete message, ByteWriter& out);
Result<void> encode(BindComplete message, ByteWriter& out);
Result<void> encode(CloseComplete message, ByteWriter& out);
Result<void> encode(NoData message, ByteWriter& out);
Result<void> encode(PortalSuspended message, ByteWriter& out);

/// The types of a prepared statement's parameters.
struct ParameterDescriptionView {
    OidListView types;
    bool operator==(const ParameterDescriptionView&) const = default;
};
Result<ParameterDescriptionView> decode_parameter_description(std::string_view body);
Result<void> encode(const ParameterDescriptionView& message, ByteWriter& out);

}  // namespace dbguard::wire::postgres
