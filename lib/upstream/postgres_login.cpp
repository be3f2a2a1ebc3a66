#include "upstream/postgres_login.hpp"

#include <algorithm>

#include "wire/postgres/auth.hpp"
#include "wire/postgres/md5.hpp"
#include "wire/postgres/parameter.hpp"

namespace dbguard::upstream {
namespace {

using namespace wire::postgres;  // errc stays this room's: the inner namespace hides the other

// A server that is not one must not fill memory: a login takes some 20 messages of some 100 bytes.
constexpr std::uint32_t max_login_body_bytes = 1024 * 1024;
constexpr std::size_t max_login_messages = 10'000;
constexpr std::size_t max_notices = 100;

Error unexpected(const FrameView& frame) {
    return {errc::unexpected_message, std::string("'") + frame.type + "' while logging in"};
}

/// One line without control characters: this text comes from the network and goes to a log or a terminal.
std::string printable(std::string text) {
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' '
    );
    return text;
}

}  // namespace

std::optional<std::string_view> PostgresSession::parameter(std::string_view name) const {
    for (const auto& [known, value] : parameters)
        if (known == name) return value;
    return {};
}

PostgresLogin::PostgresLogin(PostgresLoginOptions options)
    : options_(std::move(options)), reader_(Sender::backend, max_login_body_bytes) {}

Result<std::string> PostgresLogin::start() {
    StartupMessage message;
    message.version = options_.version;
    message.parameters.emplace_back("user", options_.user);
    if (!options_.database.empty()) message.parameters.emplace_back("database", options_.database);
    for (const auto& [name, value] : options_.parameters)
        if (name != "user" && name != "database") message.parameters.emplace_back(name, value);
    session_.version = options_.version;
    std::string bytes;
    ByteWriter out(bytes);
    if (const auto ok = encode(message, out); !ok) return ok.error();
    return bytes;
}

Result<bool> PostgresLogin::receive(std::string_view bytes, std::string& out) {
    reader_.feed(bytes);
    while (true) {
        const auto frame = reader_.next();
        if (!frame) return frame.error();
        if (!*frame) return false;
        if (++messages_ > max_login_messages)
            return Error{errc::unexpected_message, "too many messages while logging in"};
        const auto done = message(**frame, out);
        if (!done || *done) return done;
    }
}

/// True: ready.
Result<bool> PostgresLogin::message(const FrameView& frame, std::string& out) {
    if (frame.type == 'E') {
        const auto message = decode_error_response(frame.body);
        if (!message) return message.error();
        server_error_ = ErrorFields(message->fields);
        return Error{errc::login_refused, printable(server_error_->text())};
    }
    if (frame.type == 'N') {
        const auto message = decode_notice_response(frame.body);
        if (!message) return message.error();
        if (session_.notices.size() < max_notices) session_.notices.emplace_back(message->fields);
        return false;
    }
    if (state_ != State::parameters) {
        if (frame.type != 'R' && (frame.type != 'v' || state_ != State::authentication))
            return unexpected(frame);
        const auto ok = frame.type == 'R' ? authentication(frame, out) : negotiate(frame);
        if (!ok) return ok.error();
        return false;
    }
    switch (frame.type) {
        case 'S': {
            const auto message = decode_parameter_status(frame.body);
            if (!message) return message.error();
            const auto known = std::ranges::find(
                session_.parameters, message->name, &UrlParameters::value_type::first
            );
            if (known != session_.parameters.end())
                known->second = message->value;
            else
                session_.parameters.emplace_back(message->name, message->value);
            return false;
        }
        case 'K': {
            const auto message = decode_backend_key_data(frame.body);
            if (!message) return message.error();
            session_.process_id = message->process_id;
            session_.secret_key = message->secret_key;
            return false;
        }
        case 'Z': {
            const auto message = decode_ready_for_query(frame.body);
            if (!message) return message.error();
            session_.status = message->status;
            state_ = State::ready;
            leftover_ = reader_.take_rest();
            return true;
        }
        default:
            return unexpected(frame);
    }
}

Result<void> PostgresLogin::negotiate(const FrameView& frame) {
    const auto message = decode_negotiate_protocol_version(frame.body);
    if (!message) return message.error();
    if (message->version.major != 3 || message->version > options_.version)
        return Error{errc::unexpected_message, "a protocol version that was not asked for"};
    for (const auto option : message->unknown_options) {
        const auto asked =
            std::ranges::find(options_.parameters, option, &UrlParameters::value_type::first);
        if (!option.starts_with("_pq_.") || asked == options_.parameters.end())
            return Error{errc::unexpected_message, "refuses an option that was not asked for"};
    }
    session_.version = message->version;
    return {};
}

Result<void> PostgresLogin::authentication(const FrameView& frame, std::string& out) {
    const auto request = decode_authentication(frame.body);
    if (!request) return request.error();
    switch (request->kind) {
        case Authentication::ok:
            return accept();
        case Authentication::cleartext_password:
        case Authentication::md5_password:
            if (state_ != State::authentication) return unexpected(frame);
            return answer_password(*request, out);
        case Authentication::sasl:
            if (state_ != State::authentication) return unexpected(frame);
            return begin_sasl(*request, out);
        case Authentication::sasl_continue: {
            if (state_ != State::sasl_continue) return unexpected(frame);
            const auto answer = scram_->final_message(request->data);
            if (!answer) return answer.error();
            state_ = State::sasl_final;
            ByteWriter writer(out);
            return encode(SASLResponseView{*answer}, writer);
        }
        case Authentication::sasl_final: {
            if (state_ != State::sasl_final) return unexpected(frame);
            if (const auto ok = scram_->verify(request->data); !ok) return ok;
            bound_ = scram_->mechanism() == scram_sha_256_plus;
            session_.scram_keys = scram_->keys();
            state_ = State::answered;
            return {};
        }
        case Authentication::gss:
        case Authentication::gss_continue:
        case Authentication::sspi:
            return Error{errc::unsupported_login, "GSSAPI or SSPI"};
        case Authentication::kerberos_v5:
        case Authentication::scm_credential:
            break;
    }
    return Error{errc::unsupported_login, "a method that no living server uses"};
}

/// AuthenticationOk. A server that began SCRAM must have proved itself before it may say so.
Result<void> PostgresLogin::accept() {
    if (state_ == State::sasl_continue || state_ == State::sasl_final)
        return Error{errc::unexpected_message, "the server breaks SCRAM off and lets us in"};
    if (options_.channel_binding == ChannelBinding::require && !bound_)
        return Error{errc::channel_binding_required, "the server let us in without it"};
    state_ = State::parameters;
    return {};
}

Result<void> PostgresLogin::answer_password(const AuthenticationView& request, std::string& out) {
    const bool md5 = request.kind == Authentication::md5_password;
    if (options_.channel_binding == ChannelBinding::require)
        return Error{errc::channel_binding_required, "the server asks for a password without it"};
    if (!md5 && !options_.private_channel && !options_.allow_cleartext)
        return Error{
            errc::unsafe_login,
            "the server asks for the password in clear text, and there is no TLS"};
    if (!options_.password) return Error{errc::no_password, md5 ? "for MD5" : "for clear text"};
    const auto answer =
        md5 ? md5_password(options_.user, *options_.password, request.data) : *options_.password;
    state_ = State::answered;
    ByteWriter writer(out);
    return encode(PasswordMessageView{answer.reveal()}, writer);
}

Result<void> PostgresLogin::begin_sasl(const AuthenticationView& request, std::string& out) {
    const auto offered = sasl_mechanisms(request);
    const auto has = [&](std::string_view name) {
        return std::ranges::find(offered, name) != offered.end();
    };
    // Channel binding has no meaning there: somebody passes on what he got from a TLS connection of his own.
    if (has(scram_sha_256_plus) && !options_.tls)
        return Error{errc::unexpected_message, "SCRAM-SHA-256-PLUS without TLS"};

    const bool able =
        !options_.certificate_hash.empty() && options_.channel_binding != ChannelBinding::disable;
    auto binding = able ? ScramClient::Binding::not_offered : ScramClient::Binding::none;
    if (able && has(scram_sha_256_plus)) binding = ScramClient::Binding::end_point;
    if (options_.channel_binding == ChannelBinding::require &&
        binding != ScramClient::Binding::end_point)
        return Error{
            errc::channel_binding_required,
            able ? "the server does not offer it"
                 : "this TLS connection's certificate has no hash to bind to"};
    if (binding != ScramClient::Binding::end_point && !has(scram_sha_256))
        return Error{
            errc::unsupported_login, "no SCRAM-SHA-256 among the server's SASL mechanisms"};
    if (!options_.password && !options_.scram_keys) return Error{errc::no_password, "for SCRAM"};

    scram_.emplace(options_.password.value_or(Secret()), binding, options_.certificate_hash);
    if (options_.scram_keys) scram_->use_keys(*options_.scram_keys);
    state_ = State::sasl_continue;
    const auto first = scram_->first_message();
    ByteWriter writer(out);
    return encode(SASLInitialResponseView{scram_->mechanism(), first}, writer);
}

}  // namespace dbguard::upstream
