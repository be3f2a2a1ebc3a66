#pragma once

#include "relay/language.hpp"

namespace dbguard::relay::postgres {

/// PostgreSQL, as the engine sees it.
const Language& language();

}  // namespace dbguard::relay::postgres
