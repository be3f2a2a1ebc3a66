#include "wire/postgres/frame.hpp"

namespace dbguard::wire::postgres {
namespace {

using BodyEnds = std::array<std::uint32_t, 256>;

constexpr void allow(BodyEnds& ends, std::string_view types, std::uint32_t max_body_bytes) {
    for (const char type : types) ends[static_cast<std::uint8_t>(type)] = max_body_bytes + 1;
}

// The server's own limits: src/include/libpq/libpq.h, PQ_SMALL_MESSAGE_LIMIT; src/backend/tcop/postgres.c, SocketBackend();
// src/include/libpq/auth.h, PG_MAX_AUTH_TOKEN_LENGTH.
constexpr BodyEnds make_frontend_body_end() {
    BodyEnds ends{};
    allow(ends, "QPBFd", large_body_bytes);
    allow(ends, "DECHSXcf", 10'000);
    allow(ends, "p", 65'535);
    return ends;
}

// libpq stops at 30,000 bytes for whatever holds no data (src/interfaces/libpq/fe-protocol3.c, VALID_LONG_MESSAGE_TYPE). Other
// clients do not, and a ParameterDescription of 65,535 parameters or a setting's long value is legal: 1 MiB.
constexpr BodyEnds make_backend_body_end() {
    BodyEnds ends{};
    allow(ends, "TDdVENA", large_body_bytes);
    allow(ends, "RKSZtCI123nsGHWcv", 1024 * 1024);
    return ends;
}

std::string printable(char type) {
    const auto byte = static_cast<std::uint8_t>(type);
    if (byte > 0x20 && byte < 0x7f) return {'\'', type, '\''};
    constexpr std::string_view digits = "0123456789abcdef";
    return {'0', 'x', digits[byte >> 4], digits[byte & 15]};
}

}  // namespace

namespace detail {
constinit const BodyEnds frontend_body_end = make_frontend_body_end();
constinit const BodyEnds backend_body_end = make_backend_body_end();
}  // namespace detail

Error header_error(HeaderState state, Sender sender, const FrameHeader& header) {
    const std::string who = sender == Sender::frontend ? "frontend " : "backend ";
    if (state == HeaderState::unknown_type)
        return {errc::unknown_type, who + printable(header.type)};
    if (state == HeaderState::bad_length) return {errc::bad_length, who + printable(header.type)};
    return {
        errc::oversize,
        who + printable(header.type) + ", " + std::to_string(header.body_bytes) + " bytes"};
}

Result<std::optional<FrameView>> first_frame(std::string_view bytes, Sender sender) {
    FrameHeader header;
    const auto state = decode_header(bytes, sender, header);
    if (state == HeaderState::incomplete) return std::optional<FrameView>{};
    if (state != HeaderState::whole) return header_error(state, sender, header);
    if (bytes.size() < header.frame_bytes()) return std::optional<FrameView>{};
    return std::optional<FrameView>{FrameView{
        header.type,
        bytes.substr(frame_header_bytes, header.body_bytes),
        bytes.substr(0, header.frame_bytes())}};
}

void FrameReader::feed(std::string_view bytes) {
    // What was taken goes when it is most of the buffer: each byte is moved a bounded number of times.
    if (taken_ > buffer_.size() / 2) {
        buffer_.erase(0, taken_);
        taken_ = 0;
    }
    buffer_.append(bytes);
}

std::string FrameReader::take_rest() {
    auto rest = buffer_.substr(taken_);
    buffer_.clear();
    taken_ = 0;
    return rest;
}

Result<std::optional<FrameView>> FrameReader::next() {
    const auto rest = std::string_view(buffer_).substr(taken_);
    FrameHeader header;
    if (decode_header(rest, sender_, header) == HeaderState::whole &&
        header.body_bytes > max_body_bytes_)
        return header_error(HeaderState::oversize, sender_, header);
    auto frame = first_frame(rest, sender_);
    if (frame && *frame) taken_ += (*frame)->bytes.size();
    return frame;
}

}  // namespace dbguard::wire::postgres
