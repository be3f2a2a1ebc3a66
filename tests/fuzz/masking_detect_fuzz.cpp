// Finds in any text. Holds: matches are in order, apart and not empty.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "masking/detect.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::size_t done = 0;
    for (const auto& match : dbguard::masking::find(text)) {
        if (match.begin < done || match.end <= match.begin || match.end > size) std::abort();
        done = match.end;
    }
    return 0;
}
