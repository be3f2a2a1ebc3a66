#pragma once

// Simple query, the fast path's function call, and the end. Source: PostgreSQL manual, "Message Formats".

#include <cstdint>
#include <string_view>

#include "wire/postgres/frame.hpp"
#include "wire/postgres/lists.hpp"

namespace dbguard::wire::postgres {

struct QueryView {
    std::string_view sql;
    bool operator==(const QueryView&) const = default;
};
Result<QueryView> decode_query(std::string_view body);
Result<void> encode(const QueryView& message, ByteWriter& out);

/// Fast-path call of one function by its id.
struct FunctionCallView {
    std::uint32_t function = 0;
    Int16ListView argument_formats;  ///< none: all text; one: for all; else one an argument
    ValueListView arguments;
    std::int16_t result_format = 0;
    bool operator==(const FunctionCallView&) const = default;
};
Result<FunctionCallView> decode_function_call(std::string_view body);
Result<void> encode(const FunctionCallView& message, ByteWriter& out);

struct FunctionCallResponseView {
    ValueView value;
    bool operator==(const FunctionCallResponseView&) const = default;
};
Result<FunctionCallResponseView> decode_function_call_response(std::string_view body);
Result<void> encode(const FunctionCallResponseView& message, ByteWriter& out);

struct Terminate {
    bool operator==(const Terminate&) const = default;
};
Result<Terminate> decode_terminate(std::string_view body);
Result<void> encode(Terminate message, ByteWriter& out);

}  // namespace dbguard::wire::postgres
