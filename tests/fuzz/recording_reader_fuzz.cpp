// Recordings from arbitrary bytes, and from arbitrary lines with a chain that holds, so that what stands behind the chain
// is reached. Holds: every byte is accounted for, and what is printed cannot steer a terminal.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "recording/chain.hpp"
#include "recording/json_text.hpp"
#include "recording/printable.hpp"
#include "recording/reader.hpp"
#include "recording/replay.hpp"

using namespace dbguard;
using namespace dbguard::recording;

namespace {

/// Each line of `input` as the members of one that fits the chain; a `+` in front seals it.
std::string chained(std::string_view input) {
    std::string bytes;
    Chain chain;
    while (!input.empty()) {
        auto members = input.substr(0, input.find('\n'));
        input.remove_prefix(std::min(input.size(), members.size() + 1));
        const bool seal = members.starts_with('+');
        if (seal) members.remove_prefix(1);
        chain.begin(bytes);
        bytes.append(members);
        if (seal) chain.seal(bytes);
        chain.end(bytes);
    }
    return bytes;
}

void check_harmless(std::string_view text) {
    while (!text.empty()) {
        const auto bytes = utf8_sequence_bytes(text);
        if (bytes == 0) std::abort();
        if (text.front() != '\n' && is_unprintable(text.substr(0, bytes))) std::abort();
        text.remove_prefix(bytes);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::string bytes = data[0] & 1 ? chained(input) : std::string(input);
    auto reader = Reader::from_memory(bytes, 4096);
    Replay replay({.max_text_bytes = data[0] & 2 ? 0u : 10u, .only_denied = (data[0] & 4) != 0});
    std::string text;
    for (auto line = reader.next(); line && *line; line = reader.next()) {
        replay.append(text, **line);
        text.append(printable_json((*line)->bytes)).push_back('\n');
    }
    check_harmless(text);

    auto again = Reader::from_memory(bytes, 4096);
    const auto verification = verify(again);
    const auto known = verification.whole_bytes + verification.torn_bytes + verification.padding_bytes;
    if (known > bytes.size()) std::abort();
    const bool good = verification.outcome != Verification::Outcome::broken &&
                      verification.outcome != Verification::Outcome::unreadable;
    if (good && known != bytes.size()) std::abort();
    check_harmless(printable(recording::text(verification)));
    return 0;
}
