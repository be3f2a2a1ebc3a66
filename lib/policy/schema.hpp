#pragma once

#include <string_view>

namespace dbguard::policy {

/// The JSON Schema (draft 2020-12) of a policy file, for editors. load() is stricter: it also knows which names exist.
std::string_view json_schema();

}  // namespace dbguard::policy
