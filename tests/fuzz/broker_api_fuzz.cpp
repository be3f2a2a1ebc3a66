// What clients and the policy service say to each other: forms and JSON from strangers, and the way back.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "broker/api.hpp"

using namespace dbguard::broker;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (const auto request = parse_exchange_request(input)) {
        if (request->subject_token.empty() || request->database.empty()) std::abort();
        const auto again = parse_exchange_request(form(*request));
        if (!again || !(again->subject_token == request->subject_token) || again->database != request->database ||
            again->role != request->role)
            std::abort();
    }
    if (const auto grant = parse_session_grant(input))
        if (const auto again = parse_session_grant(json(*grant)); !again || !(*again == *grant)) std::abort();
    if (const auto reply = parse_renew_reply(input))
        if (!(parse_renew_reply(json(*reply)).value() == *reply)) std::abort();
    if (const auto request = parse_end_request(input))
        if (!(parse_end_request(json(*request)).value() == *request)) std::abort();
    if (const auto reply = parse_recording_reply(input))
        if (!(parse_recording_reply(json(*reply)).value() == *reply)) std::abort();
    if (const auto reply = parse_error_reply(input))
        if (parse_error_reply(json(*reply)).value().error != reply->error) std::abort();
    return 0;
}
