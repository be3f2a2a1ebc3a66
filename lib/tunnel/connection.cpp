#include "tunnel/connection.hpp"

#include <sys/epoll.h>

#include <algorithm>

#include "base/crypto.hpp"
#include "relay/postgres/error_text.hpp"
#include "tunnel/guard.hpp"
#include "wire/postgres/error.hpp"
#include "wire/postgres/parameter.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::tunnel {

namespace wp = wire::postgres;
using net::Transfer;

namespace {

relay::Session::Clock::time_point wall_clock() { return relay::Session::Clock::now(); }

/// What the client is told when the server cannot be reached or does not let dbguard in.
wp::ErrorFields login_error(const ServerLogin::Outcome& outcome) {
    if (outcome.server_error) {
        // The server's own words; but not its address, user and files, which are dbguard's business.
        return {"FATAL", outcome.server_error->sqlstate(), "dbguard: the database server refused the login: " + std::string(outcome.server_error->message())};
    }
    const auto code = outcome.error->code;
    if (code == upstream::errc::timeout) return {"FATAL", "08006", "dbguard: the database server does not answer"};
    if (code == upstream::errc::cannot_connect || code == upstream::errc::cannot_resolve || code == upstream::errc::connection_lost)
        return {"FATAL", "08006", "dbguard: the database server cannot be reached"};
    return {"FATAL", "08004", "dbguard: logging in at the database server failed (" + std::string(code) + ")"};
}

void free_memory(std::string& text) {
    text.clear();
    if (text.capacity() > 256) std::string().swap(text);
}

}  // namespace

Connection::Connection(Guard& guard, UniqueFd client)
    : guard_(guard), client_login_(std::make_unique<ClientLogin>(guard.terms_)) {
    client_.stream = net::Stream(std::move(client));
}

Connection::~Connection() {
    end_session("client");
    guard_.loop_.cancel(timer_);
    guard_.loop_.cancel(deadline_timer_);
    if (key_ != 0) guard_.forget_key(key_);
    for (Side* side : {&client_, &server_})
        if (side->stream && side->watched != 0) guard_.loop_.forget(side->stream.fd());
}

bool Connection::start() {
    timer_ = guard_.loop_.after(guard_.options_.login_timeout, [this] {
        timer_ = 0;
        if (state_ == State::client_login) return remove();
        refuse({"57014", "dbguard: the login took too long", {}, {}});
    });
    return watch(client_);
}

/// Asks the loop for the events that can be used now. No system call when they are those asked for already.
bool Connection::watch(Side& side) {
    if (!side.stream) return true;
    const Side& other = &side == &client_ ? server_ : client_;
    const bool held = &side == &client_ && client_held();
    // What comes from one side is read only when the other has taken what was read before: nothing piles up.
    const bool read = !side.ended && !other.blocked() && !held && !(state_ == State::closing && &side == &server_);
    // Edge-triggered: epoll need not ask the socket again after each event (2 % of a short query).
    const std::uint32_t wanted = EPOLLET | (read ? EPOLLIN | EPOLLRDHUP : 0U) | (side.blocked() ? EPOLLOUT : 0U);
    if (side.watched == wanted) return true;
    // A held client, mostly: that costs no call unless it really sends something.
    if (held && (wanted & EPOLLOUT) == (side.watched & EPOLLOUT)) return true;
    if (std::exchange(side.watched, wanted) == 0) return guard_.loop_.watch(side.stream.fd(), wanted, side);
    guard_.loop_.change(side.stream.fd(), wanted, side);
    return true;
}

/// What the client sends is left in its socket: it waits for an answer about its last message, or for the server's login.
bool Connection::client_held() const {
    return state_ == State::server_login || (state_ == State::relaying && !adapter_->wants_client_bytes());
}

void Connection::update_interest() {
    if (removed_) return;
    watch(client_);
    if (server_.stream) watch(server_);
}

void Connection::ready(Side& side, std::uint32_t events) {
    if (removed_) return;
    if ((events & EPOLLOUT) != 0) write_rest(side);
    if (removed_) return;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        if (side.ended && (events & (EPOLLHUP | EPOLLERR)) != 0) {
            // Both directions are over, and it would be told for ever.
            if (&side == &client_) return remove();
            side.finished = true;
            guard_.loop_.forget(side.stream.fd());
            side.watched = 0;
            side.stream.close();
            return;
        }
        if (&side == &client_)
            read_client();
        else
            read_server();
        // A short read has emptied the socket, but does not tell of an end that came with the data (epoll(7), question 9).
        const bool more = side.more || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        if (more && !removed_ && side.stream && !side.ended && (side.watched & EPOLLIN) != 0)
            guard_.loop_.change(side.stream.fd(), side.watched, side);
    }
}

void Connection::read_client() {
    client_.more = false;
    if (client_held()) {
        if ((client_.watched & EPOLLIN) == 0) return;
        client_.watched = EPOLLET | (client_.watched & EPOLLOUT);
        guard_.loop_.change(client_.stream.fd(), client_.watched, client_);
        return;
    }
    const auto buffer = guard_.loop_.buffer();
    const auto got = client_.stream.read(buffer);
    client_.more = got.bytes == buffer.size();
    if (got.status == Transfer::Status::would_block) return;
    if (got.status != Transfer::Status::done) {
        client_.ended = true;
        if (got.status == Transfer::Status::failed || state_ != State::relaying) return remove();
        return on_client_end();
    }
    const auto bytes = buffer.first(got.bytes);
    switch (state_) {
        case State::client_login: return on_client_login({bytes.data(), bytes.size()});
        case State::relaying:
            adapter_->from_client(bytes, wall_clock(), guard_.output_);
            return deliver();
        case State::server_login:
        case State::closing: return;  // closing: read and forgotten, so that the last error is not lost to a reset
    }
}

void Connection::read_server() {
    do read_server_once();
    while (!removed_ && state_ == State::relaying && server_.stream.buffered() && !client_.blocked() && !server_.ended);
}

void Connection::read_server_once() {
    if (state_ != State::relaying) return;
    const auto buffer = guard_.loop_.buffer();
    const auto got = server_.stream.read(buffer);
    server_.more = got.bytes == buffer.size();
    if (got.status == Transfer::Status::would_block) return;
    if (got.status != Transfer::Status::done) {
        server_.ended = true;
        // A client that has said its last word is owed nothing when its answers are all there.
        if (client_.ended && adapter_->idle()) {
            end_session("client");
            return close_soon();
        }
        adapter_->server_closed(wall_clock(), guard_.output_);
        return deliver();
    }
    adapter_->from_server(buffer.first(got.bytes), wall_clock(), guard_.output_);
    deliver();
}

void Connection::send(Side& side, relay::postgres::Gather& what) {
    if (what.empty() || side.finished || !side.stream) return;
    if (side.blocked()) {
        side.unsent += what.text();
        return;
    }
    const auto written = side.stream.write(what.parts());
    if (written.status == Transfer::Status::failed) {
        side.finished = true;
        return;
    }
    if (written.bytes == what.size_bytes()) return;
    side.unsent = what.text(written.bytes);
    side.sent = 0;
}

void Connection::send(Side& side, std::string_view bytes) {
    relay::postgres::Gather gather;
    gather.borrow(bytes);
    send(side, gather);
}

void Connection::write_rest(Side& side) {
    if (side.blocked()) {
        const auto written = side.stream.write(std::string_view(side.unsent).substr(side.sent));
        if (written.status == Transfer::Status::failed) {
            side.finished = true;
            side.sent = side.unsent.size();
        }
        side.sent += written.bytes;
    }
    if (!side.blocked()) {
        side.sent = 0;
        free_memory(side.unsent);
        if (side.finished && &side == &client_) return remove();
        if (&side == &server_ && client_.ended && state_ == State::relaying) on_client_end();
        if (&side == &client_ && state_ == State::closing) return close_soon();
        if (&side == &client_ && state_ == State::relaying && server_.stream.buffered()) return read_server();
    }
    update_interest();
}

/// What a step of the adapter brought about goes out: the record, then the server's part, then the client's.
void Connection::deliver() {
    auto& output = guard_.output_;
    if (!output.to_server.empty()) {
        if (session_->flush()) {
            send(server_, output.to_server);
        } else {
            output.clear();
            guard_.fail("the record cannot be written");
            adapter_->terminate({"58030", "dbguard: the record cannot be written, so nothing may run", {}, {}}, wall_clock(), output);
            output.to_server.clear();
        }
    }
    send(client_, output.to_client);
    output.clear();
    if (client_.finished) return remove();
    if (adapter_->ended()) {
        end_session(server_.ended ? "server" : "error");
        return close_soon();
    }
    if (adapter_->client_finished() && !session_ended_) end_session("client");
    if (server_.finished && !server_.ended) {
        // It takes nothing more; what it still says is read until its end.
        server_.sent = 0;
        free_memory(server_.unsent);
    }
    if (adapter_->take_cancel()) guard_.cancel_at_server(server_process_, server_key_, key_);
    arm_deadline();
    if (client_.ended && !server_.finished) on_client_end();
    update_interest();
}

/// One timer at most, never moved: when it comes too early, it is set again.
void Connection::arm_deadline() {
    if (deadline_timer_ != 0) return;
    const auto due = adapter_->deadline();
    if (!due) return;
    const auto wait = std::max(*due - wall_clock(), relay::Session::Clock::duration::zero());
    deadline_timer_ = guard_.loop_.after(wait, [this] {
        deadline_timer_ = 0;
        if (state_ != State::relaying) return;
        adapter_->expire(wall_clock(), guard_.output_);
        deliver();
    });
}

/// The client sends nothing more, but may go on reading. The server is told once all it sent is on its way.
void Connection::on_client_end() {
    if (server_.finished || server_.blocked() || !adapter_->wants_client_bytes()) return update_interest();
    server_.finished = true;
    server_.stream.finish_writing();
    end_session("client");
    update_interest();
}

void Connection::on_client_login(std::string_view bytes) {
    std::string out;
    const auto state = client_login_->receive(bytes, out);
    switch (state) {
        case ClientLogin::State::reading:
            send(client_, out);
            return update_interest();
        case ClientLogin::State::authenticated: send(client_, out); return begin_session();
        case ClientLogin::State::cancel: {
            const auto& request = client_login_->cancel_request();
            if (request.secret_key.size() == 4)
                guard_.cancel(std::uint64_t{request.process_id} << 32 | wp::load_u32(request.secret_key.data()));
            return remove();
        }
        case ClientLogin::State::left: return remove();
        case ClientLogin::State::failed: break;
    }
    // Guessing is slow: the answer waits, and its connection counts meanwhile.
    if (client_login_->wrong_password()) {
        guard_.warn("a client gave a wrong user or password");
        state_ = State::server_login;  // reads nothing
        update_interest();
        guard_.loop_.cancel(timer_);
        timer_ = guard_.loop_.after(guard_.options_.failed_login_delay, [this, out] {
            timer_ = 0;
            send(client_, out);
            close_soon();
        });
        return;
    }
    send(client_, out);
    close_soon();
}

void Connection::refuse(const relay::Refusal& refusal) {
    std::string out;
    ByteWriter writer(out);
    [[maybe_unused]] const auto sent = wp::encode_error_response(relay::postgres::refusal_fields(refusal, "FATAL"), writer);
    send(client_, out);
    end_session("error");
    close_soon();
}

void Connection::begin_session() {
    auto made = guard_.options_.make_session();
    if (!made) {
        guard_.warn("no session can be made: " + made.error().text());
        return refuse({"58000", "dbguard: no session can be made (" + std::string(made.error().code) + ")", {}, {}});
    }
    session_ = std::move(*made);
    // What the startup packet sets is judged like SET.
    for (const auto& [name, value] : client_login_->startup().parameters) {
        if (name == "user" || name == "database" || name == "replication" || name.starts_with("_pq_.")) continue;
        std::vector<StartupSetting> settings{{name, value}};
        if (name == "options") {
            auto parsed = parse_startup_options(value);
            if (!parsed) return refuse({"42501", "dbguard: `options` of the connection may only set parameters (-c name=value)", {}, {}});
            settings = std::move(*parsed);
        }
        for (const auto& setting : settings) {
            if (const auto refusal = session_->startup_setting(setting.name, setting.value)) return refuse(*refusal);
            session_->parameter(setting.name, setting.value);
        }
    }
    connect_server();
}

void Connection::connect_server() {
    state_ = State::server_login;
    update_interest();
    upstream::UrlParameters parameters = guard_.options_.server->target().startup_parameters;
    for (const auto& parameter : client_login_->startup().parameters) {
        const auto& name = parameter.first;
        if (name == "user" || name == "database" || name == "replication" || name.starts_with("_pq_.")) continue;
        std::erase_if(parameters, [&](const auto& own) { return own.first == name; });
        parameters.push_back(parameter);
    }
    client_login_.reset();
    server_login_ = std::make_unique<ServerLogin>(guard_.loop_, guard_.options_.server);
    server_login_->start(std::move(parameters), guard_.options_.login_timeout, [this](ServerLogin::Outcome outcome) {
        on_server_login(std::move(outcome));
    });
}

void Connection::on_server_login(ServerLogin::Outcome outcome) {
    const auto login = std::move(server_login_);  // until the end of this function
    if (outcome.error) {
        guard_.warn("the database server: " + outcome.error->text());
        std::string out;
        ByteWriter writer(out);
        [[maybe_unused]] const auto sent = wp::encode_error_response(login_error(outcome), writer);
        send(client_, out);
        end_session("server");
        return close_soon();
    }
    server_.stream = std::move(outcome.stream);
    auto& session = outcome.session;
    server_process_ = session.process_id;
    server_key_ = std::move(session.secret_key);
    key_ = guard_.register_key(*this, server_process_);
    adapter_ = std::make_unique<relay::postgres::Adapter>(*session_, guard_.options_.limits);
    std::string out;
    ByteWriter writer(out);
    for (const auto& notice : session.notices) [[maybe_unused]]
        const auto sent = wp::encode_notice_response(notice, writer);
    for (const auto& [name, value] : session.parameters) {
        session_->parameter(name, value);
        [[maybe_unused]] const auto sent = wp::encode(wp::ParameterStatusView{name, value}, writer);
    }
    std::string secret;
    ByteWriter(secret).u32(static_cast<std::uint32_t>(key_));
    [[maybe_unused]] const auto keyed =
        wp::encode(wp::BackendKeyDataView{static_cast<std::uint32_t>(key_ >> 32), secret}, writer);
    session_->transaction_status(static_cast<char>(session.status));
    [[maybe_unused]] const auto ready = wp::encode(wp::ReadyForQuery{session.status}, writer);
    guard_.loop_.cancel(std::exchange(timer_, 0));
    state_ = State::relaying;
    send(client_, out);
    if (!outcome.leftover.empty()) adapter_->from_server(outcome.leftover, wall_clock(), guard_.output_);
    if (!watch(server_)) return remove();
    deliver();
}

void Connection::cancel() {
    if (state_ != State::relaying) return;
    adapter_->client_cancelled(wall_clock());
    guard_.cancel_at_server(server_process_, server_key_, 0);
}

void Connection::cancel_sent() {
    if (state_ != State::relaying) return;
    adapter_->cancel_sent(wall_clock(), guard_.output_);
    deliver();
}

void Connection::stop(std::string_view reason) {
    if (state_ == State::relaying) {
        adapter_->terminate({"57P01", "dbguard: the session was ended (" + std::string(reason) + ")", {}, {}}, wall_clock(), guard_.output_);
        send(server_, guard_.output_.to_server);
        send(client_, guard_.output_.to_client);
        guard_.output_.clear();
    }
    end_session(reason);
}

void Connection::end_session(std::string_view reason) {
    if (!session_ || session_ended_) return;
    session_ended_ = true;
    session_->end(reason, wall_clock());
    if (!session_->flush()) guard_.fail("the record cannot be written");
}

void Connection::close_soon() {
    // The login's time is over with it: what counts is the client's time to read the end.
    if (state_ != State::closing) guard_.loop_.cancel(std::exchange(timer_, 0));
    state_ = State::closing;
    server_login_.reset();
    if (server_.stream) {
        if (server_.watched != 0) guard_.loop_.forget(server_.stream.fd());
        server_.watched = 0;
        server_.stream.close();
        server_.unsent.clear();
        server_.sent = 0;
    }
    if (client_.ended && !client_.blocked()) return remove();
    if (!client_.blocked() && !client_.finished) {
        client_.finished = true;
        client_.stream.finish_writing();
    }
    if (timer_ == 0) {
        // The client has read the last bytes when it closes; a slow one is not waited for for ever.
        timer_ = guard_.loop_.after(guard_.options_.closing_timeout, [this] {
            timer_ = 0;
            remove();
        });
    }
    update_interest();
}

void Connection::remove() {
    if (std::exchange(removed_, true)) return;
    guard_.remove(*this);
}

}  // namespace dbguard::tunnel
