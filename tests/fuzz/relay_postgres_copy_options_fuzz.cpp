// The options of a COPY and the query behind it, read from any text.
#include <cstdint>
#include <string_view>

#include "relay/postgres/copy_options.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    dbguard::relay::postgres::copy_options(text, false);
    dbguard::relay::postgres::copy_options(text, true);
    dbguard::relay::postgres::copy_source_query(text);
    return 0;
}
