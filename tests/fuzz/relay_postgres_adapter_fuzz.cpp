// Any bytes from both sides: the adapter neither crashes nor lets a refused text or a masked value through.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "../relay/postgres/scripted_session.hpp"

using namespace dbguard;
using namespace dbguard::relay::postgres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    AdapterLimits limits;
    limits.max_statement_bytes = limits.max_masked_row_bytes = 4096;
    limits.whole_bind_bytes = 64;
    ScriptedSession session;
    session.plans["d"] = ScriptedSession::denied();
    session.plans["p"] = ScriptedSession::denied(true);
    session.plans["m"] = ScriptedSession::make({{sql::StatementKind::other, "", {"null"}}}, true);
    session.plans["c"] = ScriptedSession::open_plan(sql::StatementKind::copy_in);
    session.questions["q"] = "ask";
    Adapter adapter(session, limits);
    Output output;
    wire::postgres::FrameReader server(wire::postgres::Sender::frontend);
    const relay::Session::Clock::time_point now{};
    // A chunk: its length; the highest bit says whose it is.
    for (std::size_t at = 0; at < size && !adapter.ended();) {
        const bool client = (data[at] & 0x80) != 0;
        const std::size_t length = std::min<std::size_t>(data[at] & 0x7f, size - at - 1);
        std::string bytes(reinterpret_cast<const char*>(data) + at + 1, length);
        at += 1 + length;
        if (client)
            adapter.from_client(bytes, now, output);
        else
            adapter.from_server(bytes, now, output);
        server.feed(output.to_server.text());
        for (;;) {
            const auto frame = server.next();
            if (!frame) std::abort();  // what the server gets is always whole messages of the protocol
            if (!*frame) break;
            if ((**frame).type == 'Q' && (**frame).body == std::string_view("d\0", 2)) std::abort();
            if ((**frame).type == 'P' && (**frame).body.find(std::string_view("\0d\0", 3)) == 0) std::abort();
        }
        output.clear();
        if (adapter.take_cancel()) adapter.cancel_sent(now, output);
        output.clear();
    }
    adapter.server_closed(now, output);
    return 0;
}
