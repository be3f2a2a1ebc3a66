#include "relay/postgres/adapter.hpp"

#include <algorithm>
#include <charconv>

#include "relay/postgres/error_text.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;

namespace {

/// Sets what belongs to the call at hand, and takes it away again.
template <class T>
class During {
  public:
    During(T& place, T value) : place_(place), old_(std::exchange(place, value)) {}
    ~During() { place_ = old_; }
    During(const During&) = delete;
    During& operator=(const During&) = delete;

  private:
    T& place_;
    T old_;
};


/// Idle connections keep no buffers.
void free_memory(std::string& text) {
    text.clear();
    if (text.capacity() > 256) std::string().swap(text);
}

}  // namespace

Gather& Adapter::to_server() {
    if (client_cursor_ != nullptr) client_cursor_->flush();
    return out_->to_server;
}

Gather& Adapter::to_client() {
    if (server_cursor_ != nullptr) server_cursor_->flush();
    return out_->to_client;
}

/// How many bytes of a message must be here before it is looked at.
std::size_t Adapter::client_needs(const Header& header) const {
    switch (header.type) {
        case 'd': return wp::frame_header_bytes;
        case 'B': return wp::frame_header_bytes + std::min<std::size_t>(header.body_bytes, limits_.whole_bind_bytes);
        case 'Q':
        case 'P':
        case 'F':
            return header.body_bytes > limits_.max_statement_bytes ? wp::frame_header_bytes : header.frame_bytes();
        default: return header.frame_bytes();  // short by the protocol's own limits
    }
}

std::size_t Adapter::server_needs(const Header& header) const {
    switch (header.type) {
        case 'D':
            if (result_.begun && (result_.raw || (result_.only_shown && header.body_bytes > limits_.max_recorded_row_bytes)) && !pending_.empty() && pending_.front().owner == Pending::Owner::client)
                return wp::frame_header_bytes;
            break;
        case 'd':
            if (!result_.copy) return wp::frame_header_bytes;
            break;
        default: break;
    }
    return header.body_bytes > limits_.max_masked_row_bytes ? wp::frame_header_bytes : header.frame_bytes();
}

/// Takes from `bytes` what the carried beginning of a message still needs. Zero: it is not complete; else its bytes.
template <class Needs>
std::size_t Adapter::fill(Inlet& inlet, std::span<char>& bytes, wp::Sender sender, Needs&& needs) {
    for (;;) {
        Header header;
        const auto state = wp::decode_header(inlet.carry, sender, header);
        std::size_t wanted = wp::frame_header_bytes;
        if (state == wp::HeaderState::whole)
            wanted = needs(header);
        else if (state != wp::HeaderState::incomplete)
            return inlet.carry.size();  // bad: the loop says so
        if (inlet.carry.size() >= wanted && state == wp::HeaderState::whole) return inlet.carry.size();
        if (bytes.empty()) return 0;
        // Once a good part of a long message is here its claim is believed, and the rest is copied once.
        if (inlet.carry.size() > 1024 * 1024 && inlet.carry.capacity() < wanted) inlet.carry.reserve(wanted);
        const std::size_t taken = std::min(wanted - inlet.carry.size(), bytes.size());
        inlet.carry.append(bytes.data(), taken);
        bytes = bytes.subspan(taken);
    }
}

void Adapter::from_client(std::span<char> bytes, Clock::time_point now, Output& out) {
    const During during(out_, &out);
    now_ = now;
    if (ended_ || terminated_) return;
    if (hold_ != Hold::none) {
        backlog_.append(bytes.data(), bytes.size());
        return;
    }
    while (!client_.carry.empty() && !bytes.empty()) {
        if (fill(client_, bytes, wp::Sender::frontend, [&](const Header& h) { return client_needs(h); }) == 0) return;
        consume_client(out.keep(std::exchange(client_.carry, {})));
        if (ended_ || terminated_) return;
        if (hold_ != Hold::none) {
            backlog_.append(bytes.data(), bytes.size());
            return;
        }
    }
    consume_client(bytes);
}

void Adapter::consume_client(std::span<char> bytes) {
    if (bytes.empty()) return;
    Cursor cursor{out_->to_server, bytes.data(), bytes.data(), bytes.data() + bytes.size()};
    const During during(client_cursor_, &cursor);
    while (cursor.at < cursor.end) {
        const std::size_t left = static_cast<std::size_t>(cursor.end - cursor.at);
        if (client_.pass > 0) {
            const std::size_t part = std::min<std::uint64_t>(left, client_.pass);
            client_.pass -= part;
            cursor.at += part;
            continue;
        }
        if (client_.drop > 0) {
            cursor.flush();
            const std::size_t part = std::min<std::uint64_t>(left, client_.drop);
            client_.drop -= part;
            cursor.run = cursor.at += part;
            continue;
        }
        Header header;
        const auto state = wp::decode_header({cursor.at, left}, wp::Sender::frontend, header);
        if (state == wp::HeaderState::incomplete || (state == wp::HeaderState::whole && left < client_needs(header))) {
            cursor.flush();
            client_.carry.assign(cursor.at, left);
            return;
        }
        Step step = Step::stop;
        const std::size_t here = std::min(left, header.frame_bytes());
        if (state == wp::HeaderState::whole)
            step = client_message(header, {cursor.at + wp::frame_header_bytes, here - wp::frame_header_bytes});
        else
            step = fatal("08P01", "protocol violation: " + wp::header_error(state, wp::Sender::frontend, header).text());
        if (step == Step::stop) {
            cursor.flush();
            return;
        }
        if (step == Step::hold) {
            cursor.flush();
            backlog_.assign(cursor.at, left);
            return;
        }
        if (step == Step::drop) {
            client_.drop = header.frame_bytes();
            cursor.flush();
            if (hold_ == Hold::none) continue;
            cursor.run = cursor.at += here;
            client_.drop -= here;
            backlog_.assign(cursor.at, static_cast<std::size_t>(cursor.end - cursor.at));
            return;
        }
        client_.pass = header.frame_bytes();
        // A goodbye ends what is read of this client.
        if (terminated_) {
            cursor.at += here;
            cursor.flush();
            return;
        }
        // What the message brought about may have held the client: it goes on itself, what follows waits.
        if (hold_ != Hold::none) {
            cursor.at += here;
            client_.pass -= here;
            cursor.flush();
            backlog_.assign(cursor.at, static_cast<std::size_t>(cursor.end - cursor.at));
            return;
        }
    }
    cursor.flush();
}

void Adapter::from_server(std::span<char> bytes, Clock::time_point now, Output& out) {
    const During during(out_, &out);
    now_ = now;
    if (ended_) return;
    while (!server_.carry.empty() && !bytes.empty()) {
        if (fill(server_, bytes, wp::Sender::backend, [&](const Header& h) { return server_needs(h); }) == 0) return;
        consume_server(out.keep(std::exchange(server_.carry, {})));
        if (ended_) return;
    }
    consume_server(bytes);
    if (pending_.empty() && !result_.begun) masker_.reset();
}

void Adapter::consume_server(std::span<char> bytes) {
    if (bytes.empty()) return;
    Cursor cursor{out_->to_client, bytes.data(), bytes.data(), bytes.data() + bytes.size()};
    const During during(server_cursor_, &cursor);
    while (cursor.at < cursor.end) {
        const std::size_t left = static_cast<std::size_t>(cursor.end - cursor.at);
        if (server_.pass > 0) {
            const std::size_t part = std::min<std::uint64_t>(left, server_.pass);
            server_.pass -= part;
            cursor.at += part;
            continue;
        }
        if (server_.drop > 0) {
            cursor.flush();
            const std::size_t part = std::min<std::uint64_t>(left, server_.drop);
            server_.drop -= part;
            cursor.run = cursor.at += part;
            continue;
        }
        Header header;
        const auto state = wp::decode_header({cursor.at, left}, wp::Sender::backend, header);
        if (state == wp::HeaderState::incomplete || (state == wp::HeaderState::whole && left < server_needs(header))) {
            cursor.flush();
            server_.carry.assign(cursor.at, left);
            return;
        }
        Step step = Step::stop;
        const std::size_t here = std::min(left, header.frame_bytes());
        if (state == wp::HeaderState::whole)
            step = server_message(
                header, {cursor.at + wp::frame_header_bytes, here - wp::frame_header_bytes}
            );
        else
            step = fatal("08P01", "the server broke the protocol: " + wp::header_error(state, wp::Sender::backend, header).text());
        if (step == Step::stop) return;
        if (step == Step::drop) {
            cursor.flush();
            server_.drop = header.frame_bytes();
        } else {
            server_.pass = header.frame_bytes();
        }
        if (resume_ && here == header.frame_bytes()) {
            // The message at hand goes first; then the client's turn comes.
            cursor.at += here;
            if (step == Step::drop) {
                cursor.run = cursor.at;
                server_.drop = 0;
            } else {
                server_.pass = 0;
            }
            resume_if_asked();
            if (ended_) {
                cursor.flush();
                return;
            }
        }
    }
    cursor.flush();
}

void Adapter::resume_if_asked() {
    if (!std::exchange(resume_, false)) return;
    hold_ = Hold::none;
    if (std::exchange(skip_held_, false) && !backlog_.empty()) {
        Header header;
        wp::decode_header(backlog_, wp::Sender::frontend, header);
        client_.drop = header.frame_bytes();
    }
    if (!backlog_.empty()) consume_client(out_->keep(std::exchange(backlog_, {})));
}

void Adapter::send_error(const wp::ErrorFields& told) {
    wp::ErrorFields fields = told;
    if (const std::string place(fields.get(wp::error_field::position)); shift_ != 0 && !place.empty()) {
        std::ptrdiff_t position = 0;
        if (std::from_chars(place.data(), place.data() + place.size(), position).ec == std::errc{})
            fields.set(wp::error_field::position, std::to_string(position + shift_));
    }
    auto& out = to_client();
    ByteWriter writer(out.own());
    if (!wp::encode_error_response(fields, writer))
        [[maybe_unused]] auto plain = wp::encode_error_response({"ERROR", fields.sqlstate(), "dbguard: the error cannot be told"}, writer);
    out.commit();
}

void Adapter::send_notice(const wp::ErrorFields& fields) {
    auto& out = to_client();
    ByteWriter writer(out.own());
    if (wp::encode_notice_response(fields, writer)) out.commit();
}

Adapter::Step Adapter::fatal(const Refusal& refusal) {
    if (!ended_) {
        send_error(refusal_fields(refusal, "FATAL"));
        // The server rolls back what is open when its client goes; a goodbye saves it the message in its log.
        auto& out = to_server();
        ByteWriter writer(out.own());
        if (client_.pass == 0) {
            [[maybe_unused]] auto sent = wp::encode(wp::Terminate{}, writer);
            out.commit();
        }
        ended_ = true;
    }
    free_memory(client_.carry);
    free_memory(server_.carry);
    free_memory(backlog_);
    return Step::stop;
}

Adapter::Step Adapter::fatal(std::string_view sqlstate, std::string_view message) {
    return fatal(Refusal{std::string(sqlstate), "dbguard: " + std::string(message), {}, {}});
}

void Adapter::terminate(const Refusal& refusal, Clock::time_point now, Output& out) {
    const During during(out_, &out);
    now_ = now;
    fatal(refusal);
}

void Adapter::server_closed(Clock::time_point now, Output& out) {
    const During during(out_, &out);
    now_ = now;
    if (!ended_ && !terminated_) {
        // In the middle of a message an error cannot be put: then the end of the connection must tell it all.
        if (server_.pass == 0) send_error({"FATAL", "08006", "dbguard: the database server closed the connection"});
    }
    ended_ = true;
}

std::optional<Adapter::Clock::time_point> Adapter::deadline() const {
    if (stopped_) return {};
    // The server may keep the answers to what stands before, until it has run this.
    for (const auto& entry : pending_)
        if (entry.number != 0) return session_.deadline(entry.began);
    return {};
}

void Adapter::expire(Clock::time_point now, Output& out) {
    const auto due = deadline();
    if (!due || *due > now) return;
    const During during(out_, &out);
    now_ = now;
    for (const auto& entry : pending_)
        if (entry.number != 0) {
            session_.expired(entry.number, now);
            break;
        }
    stop_statement({"57014", "dbguard: the statement took longer than this role allows", "limit: time", {}});
}

/// Until the request has reached the server nothing new may run there: it would be what is cancelled.
bool Adapter::take_cancel() {
    if (!std::exchange(cancel_wanted_, false)) return false;
    if (hold_ == Hold::none || hold_ == Hold::full) hold(Hold::cancel);
    return true;
}

void Adapter::cancel_sent(Clock::time_point now, Output& out) {
    const During during(out_, &out);
    now_ = now;
    if (hold_ != Hold::cancel) return;
    release_client();
    resume_if_asked();
}

}  // namespace dbguard::relay::postgres
