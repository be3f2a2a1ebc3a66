// Startup packets: whatever decodes encodes back to the same bytes, and prints.
#include <cstdlib>

#include "wire/postgres/startup.hpp"
#include "wire/postgres/trace.hpp"

using namespace dbguard::wire::postgres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto length = startup_packet_bytes(bytes);
    if (!length || !*length || **length > size) {
        if (decode_startup(bytes)) std::abort();
        return 0;
    }
    const auto packet = bytes.substr(0, **length);
    const auto decoded = decode_startup(packet);
    if (!decoded) return 0;
    if (trace(*decoded).find('\n') != std::string::npos) std::abort();
    std::string back;
    dbguard::ByteWriter out(back);
    if (!encode(*decoded, out) || back != packet) std::abort();
    return 0;
}
