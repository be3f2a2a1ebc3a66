#pragma once

// Where a recording's bytes go: the seam between the writer and the disk. Bytes are only ever appended.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace dbguard::recording {

namespace errc {
inline constexpr std::string_view bad_session_id = "bad_session_id";
inline constexpr std::string_view cannot_create = "cannot_create";  ///< no such directory, not writable, exists already
inline constexpr std::string_view cannot_write = "cannot_write";
inline constexpr std::string_view disk_full = "disk_full";          ///< or a quota or a file size limit is reached
inline constexpr std::string_view recording_gone = "recording_gone";  ///< the file was removed while it was written
inline constexpr std::string_view closed = "closed";
}  // namespace errc

class Sink {
  public:
    virtual ~Sink() = default;
    /// Appends all of `bytes`, or fails; after a failure nothing may be written any more. What it has taken outlives
    /// this process (a power cut only after sync()).
    virtual Result<void> write(std::string_view bytes) = 0;
    /// Asks the disk to keep what was written (fdatasync).
    virtual Result<void> sync() = 0;
    /// Fails with recording_gone when nobody could read what was written.
    virtual Result<void> check() = 0;
    /// Cuts off what was reserved and closes. A second call does nothing.
    virtual Result<void> close() = 0;
};

/// One write() a call.
class FileSink : public Sink {
  public:
    FileSink(UniqueFd fd, std::string path);
    ~FileSink() override;
    Result<void> write(std::string_view bytes) override;
    Result<void> sync() override;
    Result<void> check() override;
    Result<void> close() override;

  private:
    UniqueFd fd_;
    std::string path_;
};

/// Copies into a mapped file: no system call until a step is full. Space is reserved (posix_fallocate) before it is
/// mapped, so that a full disk is an error and never a SIGBUS. Until close() zeros follow the written bytes.
class MappedSink : public Sink {
  public:
    /// `step_bytes` is what is reserved and mapped at a time; rounded up to whole pages.
    MappedSink(UniqueFd fd, std::string path, std::size_t step_bytes);
    ~MappedSink() override;
    Result<void> write(std::string_view bytes) override;
    Result<void> sync() override;
    Result<void> check() override;
    Result<void> close() override;

  private:
    Result<void> next_step();
    void unmap();

    UniqueFd fd_;
    std::string path_;
    std::size_t step_;
    char* map_ = nullptr;
    std::size_t used_ = 0;       ///< bytes of the mapped step
    std::uint64_t mapped_at_ = 0;  ///< the step's place in the file
    std::uint64_t reserved_ = 0;   ///< length of the file
};

/// For tests, and for recordings that only travel.
class MemorySink : public Sink {
  public:
    /// Appends to `out`, which must outlive the sink. From `capacity_bytes` on every write fails with disk_full.
    explicit MemorySink(std::string& out, std::size_t capacity_bytes = SIZE_MAX);
    Result<void> write(std::string_view bytes) override;
    Result<void> sync() override { return {}; }
    Result<void> check() override { return {}; }
    Result<void> close() override { return {}; }

  private:
    std::string& out_;
    std::size_t capacity_;
};

enum class Storage : std::uint8_t {
    automatic,  ///< mapped where a reservation is known to hold (ext4, xfs, tmpfs), written elsewhere
    written,
    mapped,
};

inline constexpr std::size_t default_step_bytes = 256 * 1024;

/// Creates the file (O_EXCL, mode 0600, close-on-exec) and its sink.
/// Errors: cannot_create, disk_full.
Result<std::unique_ptr<Sink>> create_file_sink(
    const std::string& path, Storage storage, std::size_t step_bytes = default_step_bytes
);

}  // namespace dbguard::recording
