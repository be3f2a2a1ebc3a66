#pragma once

// Fields of a line of a recording: one that is missing, or of another type, reads as nothing. For .cpp files.

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace dbguard::recording {

inline std::string string_of(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}
inline std::uint64_t number_of(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}
inline bool is_true(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_boolean() && found->get<bool>();
}
inline const nlohmann::json& array_of(const nlohmann::json& object, const char* name) {
    static const nlohmann::json empty = nlohmann::json::array();
    const auto found = object.find(name);
    return found != object.end() && found->is_array() ? *found : empty;
}
inline const nlohmann::json& object_of(const nlohmann::json& object, const char* name) {
    static const nlohmann::json empty = nlohmann::json::object();
    const auto found = object.find(name);
    return found != object.end() && found->is_object() ? *found : empty;
}

}  // namespace dbguard::recording
