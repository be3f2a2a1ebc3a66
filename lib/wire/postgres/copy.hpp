#pragma once

// COPY. Source: PostgreSQL manual, "COPY Operations" and "Message Formats".

#include <cstdint>
#include <span>
#include <string_view>

#include "wire/postgres/frame.hpp"
#include "wire/postgres/lists.hpp"

namespace dbguard::wire::postgres {

/// From either side; need not end at row boundaries.
struct CopyDataView {
    std::string_view data;
    bool operator==(const CopyDataView&) const = default;
};
Result<CopyDataView> decode_copy_data(std::string_view body);
Result<void> encode(const CopyDataView& message, ByteWriter& out);

struct CopyDone {
    bool operator==(const CopyDone&) const = default;
};
Result<CopyDone> decode_copy_done(std::string_view body);
Result<void> encode(CopyDone message, ByteWriter& out);

/// The frontend gives up a copy-in.
struct CopyFailView {
    std::string_view message;
    bool operator==(const CopyFailView&) const = default;
};
Result<CopyFailView> decode_copy_fail(std::string_view body);
Result<void> encode(const CopyFailView& message, ByteWriter& out);

/// What the three responses have in common.
struct CopyResponseView {
    std::int8_t format = 0;        ///< 0 textual (text or CSV), 1 binary
    Int16ListView column_formats;  ///< all 0 when `format` is 0
    bool operator==(const CopyResponseView&) const = default;
};
struct CopyInResponseView : CopyResponseView {
    bool operator==(const CopyInResponseView&) const = default;
};
struct CopyOutResponseView : CopyResponseView {
    bool operator==(const CopyOutResponseView&) const = default;
};
/// Streaming replication only.
struct CopyBothResponseView : CopyResponseView {
    bool operator==(const CopyBothResponseView&) const = default;
};
Result<CopyInResponseView> decode_copy_in_response(std::string_view body);
Result<CopyOutResponseView> decode_copy_out_response(std::string_view body);
Result<CopyBothResponseView> decode_copy_both_response(std::string_view body);
Result<void> encode(const CopyInResponseView& message, ByteWriter& out);
Result<void> encode(const CopyOutResponseView& message, ByteWriter& out);
Result<void> encode(const CopyBothResponseView& message, ByteWriter& out);

}  // namespace dbguard::wire::postgres
