// A suite of test cases is refused with problems or read, whatever its bytes are.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "policy/test_suite.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace dbguard::policy;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto loaded = load_suite(text, "s.yaml");
    if (loaded.suite.has_value() == has_errors(loaded.problems)) std::abort();
    (void)file_kind(text);
    (void)parse_moment(text);
    return 0;
}
