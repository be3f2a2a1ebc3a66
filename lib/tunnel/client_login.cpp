#include "tunnel/client_login.hpp"

#include <algorithm>
#include <vector>

#include "base/crypto.hpp"
#include "wire/postgres/auth.hpp"
#include "wire/postgres/frame.hpp"
#include "wire/postgres/parameter.hpp"

namespace dbguard::tunnel {

namespace wp = wire::postgres;

LoginTerms make_login_terms(std::string user, std::string database, const Secret& password) {
    return {
        std::move(user),
        std::move(database),
        wp::make_scram_verifier(password),
        wp::make_scram_verifier(Secret(random_id("", 32)))
    };
}

ClientLogin::State ClientLogin::fail(
    std::string& out, std::string_view sqlstate, std::string_view message, std::string_view hint
) {
    ByteWriter writer(out);
    [[maybe_unused]] const auto sent =
        wp::encode_error_response({"FATAL", sqlstate, "dbguard: " + std::string(message), {}, hint}, writer);
    step_ = Step::done;
    return State::failed;
}

ClientLogin::State ClientLogin::receive(std::string_view bytes, std::string& out) {
    buffer_.append(bytes);
    while (step_ != Step::done) {
        const auto state = step_ == Step::startup ? startup_packet(out) : password_message(out);
        if (state) return *state;
    }
    return State::authenticated;
}

/// Empty: go on with what is there.
std::optional<ClientLogin::State> ClientLogin::startup_packet(std::string& out) {
    const auto size = wp::startup_packet_bytes(buffer_);
    if (!size) {
        if (size.error().code == wp::errc::direct_tls)
            return fail(out, "08P01", "this listener speaks no TLS", "Connect with sslmode=disable and without sslnegotiation=direct.");
        return fail(out, "08P01", "the connection does not begin like PostgreSQL's protocol: " + size.error().text());
    }
    if (!*size || buffer_.size() < **size) return State::reading;
    const auto packet = wp::decode_startup(std::string_view(buffer_).substr(0, **size));
    buffer_.erase(0, **size);
    if (!packet) {
        if (packet.error().code == wp::errc::unsupported_protocol)
            return fail(out, "0A000", "unsupported frontend protocol " + packet.error().detail + ": dbguard speaks 3.0");
        return fail(out, "08P01", "malformed startup packet: " + packet.error().text());
    }
    if (std::holds_alternative<wp::SSLRequest>(*packet) || std::holds_alternative<wp::GSSENCRequest>(*packet)) {
        // A client asks once for each. Nothing leaves this machine, or its Unix socket.
        if (++encryption_requests_ > 2) return fail(out, "08P01", "too many requests for encryption");
        out.push_back('N');
        return {};
    }
    if (const auto* cancel = std::get_if<wp::CancelRequest>(&*packet)) {
        cancel_ = *cancel;
        step_ = Step::done;
        return State::cancel;
    }
    startup_ = std::get<wp::StartupMessage>(*packet);
    return begin(out);
}

std::optional<ClientLogin::State> ClientLogin::begin(std::string& out) {
    std::vector<std::string_view> unknown_options;
    for (const auto& [name, value] : startup_.parameters)
        if (name.starts_with("_pq_.")) unknown_options.push_back(name);
    if (const auto replication = startup_.parameter("replication")) {
        static constexpr std::string_view no[] = {"false", "off", "no", "0", "f", "n"};
        if (std::ranges::find(no, *replication) == std::end(no))
            return fail(out, "0A000", "replication through dbguard is not supported");
    }
    const auto user = startup_.parameter("user");
    if (!user || user->empty()) return fail(out, "28000", "the startup packet names no user");
    ByteWriter writer(out);
    if (startup_.version > wp::protocol_3_0 || !unknown_options.empty()) {
        if (!wp::encode(wp::NegotiateProtocolVersionView{wp::protocol_3_0, unknown_options}, writer))
            return fail(out, "08P01", "malformed startup packet");
    }
    scram_.emplace(*user == terms_.user ? terms_.verifier : terms_.nobody);
    const std::string_view mechanisms[] = {wp::scram_sha_256};
    if (!wp::encode_authentication_sasl(mechanisms, writer)) return fail(out, "XX000", "internal error");
    step_ = Step::sasl_initial;
    return {};
}

std::optional<ClientLogin::State> ClientLogin::password_message(std::string& out) {
    const auto frame = wp::first_frame(buffer_, wp::Sender::frontend);
    if (!frame) return fail(out, "08P01", "protocol violation: " + frame.error().text());
    if (!*frame) {
        // A password message is short; nobody may fill the memory before logging in.
        if (buffer_.size() > 16 * 1024) return fail(out, "08P01", "the password message is too long");
        return State::reading;
    }
    const auto message = **frame;
    if (message.type == 'X') return State::left;
    if (message.type != 'p') return fail(out, "08P01", std::string("expected a password message, got type '") + message.type + "'");
    ByteWriter writer(out);
    Result<std::string> answer = std::string();
    auto kind = wp::Authentication::sasl_continue;
    if (step_ == Step::sasl_initial) {
        const auto initial = wp::decode_sasl_initial_response(message.body);
        if (!initial) return fail(out, "08P01", "malformed SASL response");
        if (initial->mechanism != wp::scram_sha_256) return fail(out, "28000", "the client chose an unknown SASL mechanism");
        answer = scram_->first_message(initial->mechanism, initial->response.value_or(std::string_view{}));
        step_ = Step::sasl_response;
    } else {
        const auto response = wp::decode_sasl_response(message.body);
        if (!response) return fail(out, "08P01", "malformed SASL response");
        answer = scram_->final_message(response->data);
        kind = wp::Authentication::sasl_final;
        step_ = Step::done;
    }
    buffer_.erase(0, message.bytes.size());
    if (!answer) {
        if (answer.error().code != wp::errc::bad_proof) return fail(out, "08P01", "SCRAM: " + answer.error().text());
        wrong_password_ = true;
        return fail(out, "28P01", "wrong user or password for this listener", "Use the URL that dbguard printed for this session.");
    }
    if (!wp::encode(wp::AuthenticationView{kind, *answer}, writer)) return fail(out, "XX000", "internal error");
    if (step_ != Step::done) return {};
    scram_.reset();
    // Only who knows the password learns which databases there are.
    const auto database = startup_.parameter("database").value_or(*startup_.parameter("user"));
    if (!terms_.database.empty() && database != terms_.database)
        return fail(out, "3D000", "this session is for the database \"" + terms_.database + "\" only");
    if (!wp::encode(wp::AuthenticationView{wp::Authentication::ok, {}}, writer)) return fail(out, "XX000", "internal error");
    return State::authenticated;
}

std::optional<std::vector<StartupSetting>> parse_startup_options(std::string_view options) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    for (std::size_t i = 0; i < options.size(); ++i) {
        const char c = options[i];
        const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
        if (blank && in_word) words.push_back(std::exchange(word, {}));
        in_word = !blank;
        if (blank) continue;
        if (c == '\\' && i + 1 < options.size()) ++i;
        word += options[i];
    }
    if (in_word) words.push_back(word);

    std::vector<StartupSetting> settings;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string_view text = words[i];
        if (text == "-c") {
            if (++i == words.size()) return {};
            text = words[i];
        } else if (text.starts_with("-c") || text.starts_with("--")) {
            text.remove_prefix(2);
        } else {
            return {};
        }
        const auto equals = text.find('=');
        if (equals == 0 || equals == std::string_view::npos) return {};
        StartupSetting setting{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
        // The server takes dashes for underscores here. Source: ParseLongOption.
        std::ranges::replace(setting.name, '-', '_');
        settings.push_back(std::move(setting));
    }
    return settings;
}

}  // namespace dbguard::tunnel
