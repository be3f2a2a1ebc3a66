#include "wire/postgres/trace.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace dbguard::wire::postgres {
namespace {

constexpr std::string_view hidden = "***";

std::string quoted(const ValueView& value) { return value ? trace_quoted(*value) : "NULL"; }

std::string list(Int16ListView values) {
    std::string text = "[";
    for (std::size_t i = 0; i < values.size(); ++i)
        text.append(i == 0 ? "" : " ").append(std::to_string(values[i]));
    return text + "]";
}

std::string list(OidListView values) {
    std::string text = "[";
    for (std::size_t i = 0; i < values.size(); ++i)
        text.append(i == 0 ? "" : " ").append(std::to_string(values[i]));
    return text + "]";
}

std::string list(const ValueListView& values) {
    std::string text = "[";
    for (const auto value : values) text.append(text.size() == 1 ? "" : " ").append(quoted(value));
    return text + "]";
}

std::string fields(const ErrorFieldsView& view) {
    std::string text;
    view.for_each([&](ErrorFieldView field) {
        // A code that is no letter would look like something else.
        const bool letter =
            (field.code >= 'A' && field.code <= 'Z') || (field.code >= 'a' && field.code <= 'z');
        text.append(" ").append(
            letter ? std::string(1, field.code) : "\\x" + hex({&field.code, 1})
        );
        text.append("=").append(trace_quoted(field.value));
    });
    return text;
}

std::string target(Target target, std::string_view name) {
    return (target == Target::statement ? "statement " : "portal ") + trace_quoted(name);
}

std::string version(ProtocolVersion version) {
    return std::to_string(version.major) + "." + std::to_string(version.minor);
}

std::string copy_response(const CopyResponseView& message) {
    return std::string(message.format == 0 ? " text " : " binary ") + list(message.column_formats);
}

struct Printer {
    // frontend
    std::string operator()(const QueryView& m) const { return "Query " + trace_quoted(m.sql); }
    std::string operator()(const ParseView& m) const {
        return "Parse " + trace_quoted(m.statement) + " " + trace_quoted(m.sql) + " " +
               list(m.parameter_types);
    }
    std::string operator()(const BindView& m) const {
        return "Bind " + trace_quoted(m.portal) + " " + trace_quoted(m.statement) + " " +
               list(m.parameter_formats) + " " + list(m.parameters) + " " + list(m.result_formats);
    }
    std::string operator()(const DescribeView& m) const {
        return "Describe " + target(m.target, m.name);
    }
    std::string operator()(const CloseView& m) const { return "Close " + target(m.target, m.name); }
    std::string operator()(const ExecuteView& m) const {
        return "Execute " + trace_quoted(m.portal) + " " + std::to_string(m.max_rows);
    }
    std::string operator()(Sync) const { return "Sync"; }
    std::string operator()(Flush) const { return "Flush"; }
    std::string operator()(const FunctionCallView& m) const {
        return "FunctionCall " + std::to_string(m.function) + " " + list(m.argument_formats) + " " +
               list(m.arguments) + " " + std::to_string(m.result_format);
    }
    std::string operator()(const CopyDataView& m) const {
        return "CopyData " + trace_quoted(m.data);
    }
    std::string operator()(CopyDone) const { return "CopyDone"; }
    std::string operator()(const CopyFailView& m) const {
        return "CopyFail " + trace_quoted(m.message);
    }
    std::string operator()(const PasswordMessageView&) const {
        return with_hidden("PasswordMessage");
    }
    std::string operator()(const SASLInitialResponseView& m) const {
        return "SASLInitialResponse " + trace_quoted(m.mechanism) +
               (m.response ? " " + std::string(hidden) : "");
    }
    std::string operator()(const SASLResponseView&) const { return with_hidden("SASLResponse"); }
    std::string operator()(const GSSResponseView&) const { return with_hidden("GSSResponse"); }
    std::string operator()(Terminate) const { return "Terminate"; }

    // backend
    std::string operator()(const AuthenticationView& m) const {
        switch (m.kind) {
            case Authentication::ok:
                return "AuthenticationOk";
            case Authentication::kerberos_v5:
                return "AuthenticationKerberosV5";
            case Authentication::cleartext_password:
                return "AuthenticationCleartextPassword";
            case Authentication::md5_password:
                return with_hidden("AuthenticationMD5Password");
            case Authentication::scm_credential:
                return "AuthenticationSCMCredential";
            case Authentication::gss:
                return "AuthenticationGSS";
            case Authentication::gss_continue:
                return with_hidden("AuthenticationGSSContinue");
            case Authentication::sspi:
                return "AuthenticationSSPI";
            case Authentication::sasl:
                break;
            case Authentication::sasl_continue:
                return with_hidden("AuthenticationSASLContinue");
            case Authentication::sasl_final:
                return with_hidden("AuthenticationSASLFinal");
        }
        std::string text = "AuthenticationSASL";
        for (const auto name : sasl_mechanisms(m)) text.append(" ").append(trace_quoted(name));
        return text;
    }
    std::string operator()(const BackendKeyDataView& m) const {
        return "BackendKeyData " + std::to_string(m.process_id) + " " + std::string(hidden);
    }
    std::string operator()(const ParameterStatusView& m) const {
        return "ParameterStatus " + trace_quoted(m.name) + " " + trace_quoted(m.value);
    }
    std::string operator()(const NegotiateProtocolVersionView& m) const {
        std::string text = "NegotiateProtocolVersion " + version(m.version);
        for (const auto option : m.unknown_options) text.append(" ").append(trace_quoted(option));
        return text;
    }
    std::string operator()(ReadyForQuery m) const {
        return std::string("ReadyForQuery ") + static_cast<char>(m.status);
    }
    std::string operator()(const RowDescriptionView& m) const {
        std::string text = "RowDescription";
        for (const auto column : m) {
            text.append(" ")
                .append(trace_quoted(column.name))
                .append(":")
                .append(std::to_string(column.type));
            if (column.type_modifier != -1)
                text.append("(").append(std::to_string(column.type_modifier)).append(")");
            if (column.relation != 0)
                text.append("@")
                    .append(std::to_string(column.relation))
                    .append(".")
                    .append(std::to_string(column.number));
            if (column.format != 0) text.append("/").append(std::to_string(column.format));
        }
        return text;
    }
    std::string operator()(const ParameterDescriptionView& m) const {
        return "ParameterDescription " + list(m.types);
    }
    std::string operator()(const DataRowView& m) const {
        std::string text = "DataRow";
        for (const auto value : m.values) text.append(" ").append(quoted(value));
        return text;
    }
    std::string operator()(const CommandCompleteView& m) const {
        return "CommandComplete " + trace_quoted(m.tag);
    }
    std::string operator()(EmptyQueryResponse) const { return "EmptyQueryResponse"; }
    std::string operator()(const ErrorResponseView& m) const {
        return "ErrorResponse" + fields(m.fields);
    }
    std::string operator()(const NoticeResponseView& m) const {
        return "NoticeResponse" + fields(m.fields);
    }
    std::string operator()(const NotificationResponseView& m) const {
        return "NotificationResponse " + std::to_string(m.process_id) + " " +
               trace_quoted(m.channel) + " " + trace_quoted(m.payload);
    }
    std::string operator()(ParseComplete) const { return "ParseComplete"; }
    std::string operator()(BindComplete) const { return "BindComplete"; }
    std::string operator()(CloseComplete) const { return "CloseComplete"; }
    std::string operator()(NoData) const { return "NoData"; }
    std::string operator()(PortalSuspended) const { return "PortalSuspended"; }
    std::string operator()(const CopyInResponseView& m) const {
        return "CopyInResponse" + copy_response(m);
    }
    std::string operator()(const CopyOutResponseView& m) const {
        return "CopyOutResponse" + copy_response(m);
    }
    std::string operator()(const CopyBothResponseView& m) const {
        return "CopyBothResponse" + copy_response(m);
    }
    std::string operator()(const FunctionCallResponseView& m) const {
        return "FunctionCallResponse " + quoted(m.value);
    }

    // startup
    std::string operator()(const StartupMessage& m) const {
        std::string text = "StartupMessage " + version(m.version);
        for (const auto& [name, value] : m.parameters)
            text.append(" ").append(trace_quoted(name)).append("=").append(trace_quoted(value));
        return text;
    }
    std::string operator()(const SSLRequest&) const { return "SSLRequest"; }
    std::string operator()(const GSSENCRequest&) const { return "GSSENCRequest"; }
    std::string operator()(const CancelRequest& m) const {
        return "CancelRequest " + std::to_string(m.process_id) + " " + std::string(hidden);
    }

  private:
    static std::string with_hidden(std::string_view name) {
        return std::string(name) + " " + std::string(hidden);
    }
};

/// The bytes of the UTF-8 character that `text` begins with, 0 when it is none.
std::size_t character_bytes(std::string_view text) {
    for (std::size_t length = 1; length <= std::min<std::size_t>(4, text.size()); ++length)
        if (is_valid_utf8(text.substr(0, length))) return length;
    return 0;
}

}  // namespace

std::string trace_quoted(std::string_view text, std::size_t max_bytes) {
    const auto shown = text.substr(0, max_bytes);
    std::string out = "\"";
    for (std::size_t i = 0; i < shown.size();) {
        const char c = shown[i];
        const std::size_t length = character_bytes(shown.substr(i));
        // C1 controls (U+0080 … U+009F) move terminals as C0 ones do.
        const bool c1 =
            length == 2 && c == '\xc2' && static_cast<std::uint8_t>(shown[i + 1]) < 0xa0;
        if (c == '"' || c == '\\') {
            out.append({'\\', c});
        } else if (c == '\n' || c == '\r' || c == '\t') {
            out.append({'\\', c == '\n' ? 'n' : c == '\r' ? 'r' : 't'});
        } else if (length == 0 || c1 || static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f) {
            out.append("\\x").append(hex(shown.substr(i, 1)));
            ++i;
            continue;
        } else {
            out.append(shown.substr(i, length));
        }
        i += length;
    }
    out.push_back('"');
    if (shown.size() < text.size())
        out.append("…(").append(std::to_string(text.size())).append(" bytes)");
    return out;
}

std::string trace(const FrontendMessage& message) { return "F " + std::visit(Printer{}, message); }
std::string trace(const BackendMessage& message) { return "B " + std::visit(Printer{}, message); }
std::string trace(const StartupPacket& packet) { return "F " + std::visit(Printer{}, packet); }

std::string trace(Sender sender, const FrameView& frame, AuthPhase phase) {
    Error error;
    if (sender == Sender::frontend) {
        const auto message = decode_frontend(frame, phase);
        if (message) return trace(*message);
        error = message.error();
    } else {
        const auto message = decode_backend(frame);
        if (message) return trace(*message);
        error = message.error();
    }
    const auto type = frame.type > 0x20 && frame.type < 0x7f ? std::string(1, frame.type)
                                                             : "\\x" + hex({&frame.type, 1});
    return std::string(sender == Sender::frontend ? "F" : "B") + " ?" + type + " " +
           std::to_string(frame.body.size()) + " bytes: " + std::string(error.code);
}

}  // namespace dbguard::wire::postgres
