// A hostile server against the log-in: it never gets the password in clear, never gets past a required channel binding, and
// the cutting of its bytes makes no difference.
#include <cstdlib>
#include <string_view>

#include "upstream/postgres_login.hpp"

using namespace dbguard;
using namespace dbguard::upstream;

namespace {

PostgresLoginOptions options(std::uint8_t bits) {
    static const auto keys = wire::postgres::derive_scram_client_keys(Secret("hunter2"), "salt", 1);
    PostgresLoginOptions made;
    made.user = "app";
    made.password = Secret("hunter2");
    made.parameters = {{"_pq_.x", "1"}};
    if ((bits & 1) != 0) made.version = wire::postgres::protocol_3_2;
    made.tls = (bits & 2) != 0;
    if (made.tls) made.certificate_hash = std::string(32, 'h');
    if ((bits & 4) != 0) made.channel_binding = ChannelBinding::require;
    if ((bits & 8) != 0) made.scram_keys = keys;
    return made;
}

std::string run(const PostgresLoginOptions& made, std::string_view stream, std::size_t step) {
    PostgresLogin login(made);
    if (!login.start()) std::abort();
    std::string out;
    for (std::size_t at = 0; at < stream.size(); at += step) {
        const auto done = login.receive(stream.substr(at, step), out);
        // `private_channel` is never set here.
        if (out.find("hunter2") != std::string::npos) std::abort();
        if (!done) return std::string(done.error().code);
        if (!*done) continue;
        if (made.channel_binding == ChannelBinding::require) std::abort();
        return "in";
    }
    return "waiting";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
    // Iteration counts of millions are allowed and slow; our nonce cannot be guessed, so none is reached.
    const auto made = options(data[0]);
    if (run(made, stream, stream.size() + 1) != run(made, stream, 1)) std::abort();
    return 0;
}
