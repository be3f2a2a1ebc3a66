// COPY data in every format, whole and in pieces. Holds: the pieces make no difference, and without
// masks nothing changes.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "masking/copy_format.hpp"

using namespace dbguard;
using namespace dbguard::masking;

namespace {

bool run(
    const CopyOptions& options,
    const std::vector<CopyColumn>& columns,
    std::string_view data,
    std::size_t piece,
    std::string& out
) {
    static const Masker masker{Secret("key")};
    auto copy = CopyMasker::make(masker, options, columns);
    if (!copy) return false;
    for (std::size_t at = 0; at < data.size(); at += piece)
        if (!copy->feed(data.substr(at, piece), out)) return false;
    return copy->finish().has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    CopyOptions options;
    if (data[0] % 3 == 1) options = CopyOptions::csv();
    if (data[0] % 3 == 2) options = CopyOptions::binary();
    if (data[0] & 16) options.escape = '\\';
    if (data[0] & 32) options.header = true;
    if (data[0] & 64) options.null = "n";
    std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
    std::vector<CopyColumn> plain(data[1] % 4);
    auto masked = plain;
    for (CopyColumn& column : masked) {
        column.mask = parse_mask("last(2)").value();
        column.type = std::make_shared<Type>(postgres_type("text", 0, -1));
    }
    std::string whole;
    std::string pieces;
    const bool good = run(options, masked, rest, rest.size() + 1, whole);
    if (run(options, masked, rest, 1 + data[1] / 4, pieces) != good || (good && whole != pieces))
        std::abort();
    std::string same;
    if (run(options, plain, rest, rest.size() + 1, same) && same != rest) std::abort();
    return 0;
}
