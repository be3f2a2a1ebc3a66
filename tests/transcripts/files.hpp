#pragma once

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "postgres_player.hpp"

namespace dbguard::transcripts {

inline std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + path);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The player of one conversation under this folder's policy and schema.
inline PostgresPlayer postgres_player(const std::string& folder) {
    return PostgresPlayer(read_file(folder + "/policy.yaml"), "tester", read_file(folder + "/schema.sql"));
}

}  // namespace dbguard::transcripts
