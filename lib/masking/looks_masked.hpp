#pragma once

// Whether a value that a client writes is one that it was shown: `j***@e***.com` back into the column it came from would be the
// loss of the real one.

#include <string_view>

#include "masking/mask.hpp"

namespace dbguard::masking {

/// `value` has the form of what `mask` makes of a text. Always false for hash, null, zero, bucket and date: what they make
/// cannot be told from an ordinary value.
bool looks_masked(const Mask& mask, std::string_view value);

}  // namespace dbguard::masking
