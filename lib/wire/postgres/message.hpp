#pragma once

// Any message by its type byte. The relay decodes what it must look at by the one function of that type; this is for those
// that want them all: traces, tests, fuzzing, small clients.

#include <string_view>
#include <variant>

#include "wire/postgres/auth.hpp"
#include "wire/postgres/copy.hpp"
#include "wire/postgres/error.hpp"
#include "wire/postgres/extended_query.hpp"
#include "wire/postgres/frame.hpp"
#include "wire/postgres/parameter.hpp"
#include "wire/postgres/result.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::wire::postgres {

using FrontendMessage = std::variant<
    QueryView,
    ParseView,
    BindView,
    DescribeView,
    ExecuteView,
    CloseView,
    Sync,
    Flush,
    FunctionCallView,
    CopyDataView,
    CopyDone,
    CopyFailView,
    PasswordMessageView,
    SASLInitialResponseView,
    SASLResponseView,
    GSSResponseView,
    Terminate>;

using BackendMessage = std::variant<
    AuthenticationView,
    BackendKeyDataView,
    ParameterStatusView,
    NegotiateProtocolVersionView,
    ReadyForQuery,
    RowDescriptionView,
    ParameterDescriptionView,
    DataRowView,
    CommandCompleteView,
    EmptyQueryResponse,
    ErrorResponseView,
    NoticeResponseView,
    NotificationResponseView,
    ParseComplete,
    BindComplete,
    CloseComplete,
    NoData,
    PortalSuspended,
    CopyInResponseView,
    CopyOutResponseView,
    CopyBothResponseView,
    CopyDataView,
    CopyDone,
    FunctionCallResponseView>;

/// Borrows from `frame`. Errors: truncated, trailing_bytes, bad_count, bad_length, bad_value, unknown_type (also a 'p' when
/// `phase` is none).
Result<FrontendMessage> decode_frontend(const FrameView& frame, AuthPhase phase);
Result<BackendMessage> decode_backend(const FrameView& frame);
Result<void> encode(const FrontendMessage& message, ByteWriter& out);
Result<void> encode(const BackendMessage& message, ByteWriter& out);

}  // namespace dbguard::wire::postgres
