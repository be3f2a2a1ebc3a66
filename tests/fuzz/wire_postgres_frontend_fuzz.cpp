// Frontend messages: whatever decodes encodes back to the same bytes, and prints.
#include <cstdlib>

#include "wire/postgres/message.hpp"
#include "wire/postgres/trace.hpp"

using namespace dbguard::wire::postgres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    // The first byte chooses the phase, as the session's state would.
    const auto phase = static_cast<AuthPhase>(data[0] % 5);
    FrameReader reader(Sender::frontend);
    reader.feed({reinterpret_cast<const char*>(data) + 1, size - 1});
    while (true) {
        const auto frame = reader.next();
        if (!frame || !*frame) return 0;
        const auto line = trace(Sender::frontend, **frame, phase);
        if (line.find('\n') != std::string::npos) std::abort();
        const auto message = decode_frontend(**frame, phase);
        if (!message) continue;
        std::string back;
        dbguard::ByteWriter out(back);
        if (!encode(*message, out) || back != (*frame)->bytes) std::abort();
    }
}
