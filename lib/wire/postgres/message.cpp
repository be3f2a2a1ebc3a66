#include "wire/postgres/message.hpp"

namespace dbguard::wire::postgres {
namespace {

/// A Result of one message as a Result of any.
template <class Any, class One>
Result<Any> any(Result<One> one) {
    if (!one) return one.error();
    return Any(std::move(*one));
}

// clang-format off: tables

Result<FrontendMessage> decode_answer(std::string_view body, AuthPhase phase) {
    switch (phase) {
        case AuthPhase::password: return any<FrontendMessage>(decode_password_message(body));
        case AuthPhase::sasl_initial: return any<FrontendMessage>(decode_sasl_initial_response(body));
        case AuthPhase::sasl_response: return any<FrontendMessage>(decode_sasl_response(body));
        case AuthPhase::gss_response: return any<FrontendMessage>(decode_gss_response(body));
        case AuthPhase::none: break;
    }
    return Error{errc::unknown_type, "an answer although nothing was asked"};
}

}  // namespace

Result<FrontendMessage> decode_frontend(const FrameView& frame, AuthPhase phase) {
    const auto body = frame.body;
    switch (frame.type) {
        case 'Q': return any<FrontendMessage>(decode_query(body));
        case 'P': return any<FrontendMessage>(decode_parse(body));
        case 'B': return any<FrontendMessage>(decode_bind(body));
        case 'D': return any<FrontendMessage>(decode_describe(body));
        case 'E': return any<FrontendMessage>(decode_execute(body));
        case 'C': return any<FrontendMessage>(decode_close(body));
        case 'S': return any<FrontendMessage>(decode_sync(body));
        case 'H': return any<FrontendMessage>(decode_flush(body));
        case 'F': return any<FrontendMessage>(decode_function_call(body));
        case 'd': return any<FrontendMessage>(decode_copy_data(body));
        case 'c': return any<FrontendMessage>(decode_copy_done(body));
        case 'f': return any<FrontendMessage>(decode_copy_fail(body));
        case 'p': return decode_answer(body, phase);
        case 'X': return any<FrontendMessage>(decode_terminate(body));
        default: return header_error(HeaderState::unknown_type, Sender::frontend, {frame.type, 0});
    }
}

Result<BackendMessage> decode_backend(const FrameView& frame) {
    const auto body = frame.body;
    switch (frame.type) {
        case 'R': return any<BackendMessage>(decode_authentication(body));
        case 'K': return any<BackendMessage>(decode_backend_key_data(body));
        case 'S': return any<BackendMessage>(decode_parameter_status(body));
        case 'v': return any<BackendMessage>(decode_negotiate_protocol_version(body));
        case 'Z': return any<BackendMessage>(decode_ready_for_query(body));
        case 'T': return any<BackendMessage>(decode_row_description(body));
        case 't': return any<BackendMessage>(decode_parameter_description(body));
        case 'D': return any<BackendMessage>(decode_data_row(body));
        case 'C': return any<BackendMessage>(decode_command_complete(body));
        case 'I': return any<BackendMessage>(decode_empty_query_response(body));
        case 'E': return any<BackendMessage>(decode_error_response(body));
        case 'N': return any<BackendMessage>(decode_notice_response(body));
        case 'A': return any<BackendMessage>(decode_notification_response(body));
        case '1': return any<BackendMessage>(decode_parse_complete(body));
        case '2': return any<BackendMessage>(decode_bind_complete(body));
        case '3': return any<BackendMessage>(decode_close_complete(body));
        case 'n': return any<BackendMessage>(decode_no_data(body));
        case 's': return any<BackendMessage>(decode_portal_suspended(body));
        case 'G': return any<BackendMessage>(decode_copy_in_response(body));
        case 'H': return any<BackendMessage>(decode_copy_out_response(body));
        case 'W': return any<BackendMessage>(decode_copy_both_response(body));
        case 'd': return any<BackendMessage>(decode_copy_data(body));
        case 'c': return any<BackendMessage>(decode_copy_done(body));
        case 'V': return any<BackendMessage>(decode_function_call_response(body));
        default: return header_error(HeaderState::unknown_type, Sender::backend, {frame.type, 0});
    }
}

// clang-format on

Result<void> encode(const FrontendMessage& message, ByteWriter& out) {
    return std::visit([&](const auto& one) { return encode(one, out); }, message);
}

Result<void> encode(const BackendMessage& message, ByteWriter& out) {
    return std::visit([&](const auto& one) { return encode(one, out); }, message);
}

}  // namespace dbguard::wire::postgres
