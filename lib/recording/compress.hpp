#pragma once

// Batches of rows are compressed in the record: zstd (RFC 8878), in base64.

#include <optional>
#include <string>
#include <string_view>

namespace dbguard::recording {

/// Longer batches are compressed.
inline constexpr std::size_t compress_from_bytes = 4096;
/// What is larger when unpacked is no batch that was written here.
inline constexpr std::size_t most_unpacked_bytes = 64 * 1024 * 1024;

/// One zstd frame that says how long its content is. Empty: it cannot be done.
std::string compressed(std::string_view bytes);
/// The way back. Empty: no such frame, damaged, or its content is longer than most_unpacked_bytes.
std::optional<std::string> decompressed(std::string_view frame);

}  // namespace dbguard::recording
