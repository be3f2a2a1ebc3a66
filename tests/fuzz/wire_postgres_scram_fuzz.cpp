// SCRAM texts from a hostile peer, against either side. Nobody gets in without the password: the keys here are fixed and no
// input of the fuzzer's can hold a proof made from them, unless it is one of the answers.
#include <cstdlib>

#include "wire/postgres/auth.hpp"
#include "wire/postgres/scram.hpp"

using namespace dbguard;
using namespace dbguard::wire::postgres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const ScramVerifier verifier = make_scram_verifier(Secret("pencil"), "salt", 1);
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto half = text.substr(0, text.find('\n'));
    const auto rest = half.size() < text.size() ? text.substr(half.size() + 1) : std::string_view{};

    for (const auto mechanism : {scram_sha_256, scram_sha_256_plus}) {
        ScramServer server(
            verifier, mechanism == scram_sha_256_plus ? std::string(32, 'h') : "", "server"
        );
        if (server.first_message(mechanism, half) && server.final_message(rest)) std::abort();
    }

    ScramClient client(Secret("pencil"), ScramClient::Binding::none, {}, "client");
    // Iteration counts of millions are allowed and slow: only small ones are tried here.
    const auto count = half.rfind("i=");
    if (count != std::string_view::npos && half.size() - count > 5) return 0;
    if (client.final_message(half) && client.verify(rest)) std::abort();

    const auto parsed = parse_scram_verifier(text);
    if (parsed && to_text(*parsed).reveal() != text) std::abort();
    (void)sasl_prepare(Secret(std::string(text)));
    return 0;
}
