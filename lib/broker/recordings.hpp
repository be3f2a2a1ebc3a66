#pragma once

// Recordings as they grow: `<directory>/<session>.dbgl`, appended to at the offset the client names, and checked line by line
// against the chain (doc/recording-format.md) as they arrive: what breaks it is not taken.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace dbguard::broker {

namespace errc {
/// The recording is not `offset` bytes long. size() says how long it is.
inline constexpr std::string_view recording_offset = "recording_offset";
/// A line does not carry the number and the hash that the chain demands, or the first is not this session's head.
inline constexpr std::string_view recording_broken = "recording_broken";
inline constexpr std::string_view recording_too_large = "recording_too_large";
inline constexpr std::string_view recording_failed = "recording_failed";  ///< disk
}  // namespace errc

/// Safe to use from several threads.
class Recordings {
  public:
    /// Makes the directory (mode 0700) when it is not there. Errors: recording_failed.
    static Result<std::unique_ptr<Recordings>> open(std::string directory, std::uint64_t max_bytes);
    ~Recordings();

    /// All of `bytes` or nothing. Returns the new size.
    /// Errors: recording_offset, recording_broken, recording_too_large, recording_failed.
    Result<std::uint64_t> append(std::string_view session, std::uint64_t offset, std::string_view bytes);
    /// Errors: recording_failed.
    Result<std::uint64_t> size(std::string_view session);
    /// Syncs and closes the file; a later append opens it again.
    void close(std::string_view session);
    /// Its time is over. It being gone already is no error. Errors: recording_failed.
    Result<void> remove(std::string_view session);
    /// From the next append on.
    void set_max_bytes(std::uint64_t max_bytes) { max_bytes_ = max_bytes; }

  private:
    struct File;
    Recordings(std::string directory, std::uint64_t max_bytes);
    Result<std::shared_ptr<File>> file(std::string_view session);

    std::string directory_;
    std::atomic<std::uint64_t> max_bytes_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<File>, std::less<>> files_;  ///< guarded by mutex_
};

}  // namespace dbguard::broker
