#include "recording/sink.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace dbguard::recording {

namespace {

Error write_error(const std::string& path, int reason) {
    // EFBIG: the file size limit (RLIMIT_FSIZE) or the file system's own; the process must ignore SIGXFSZ to see it.
    const bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
    return {full ? errc::disk_full : errc::cannot_write, path + ": " + std::strerror(reason)};
}

Result<void> sync_file(int fd, const std::string& path) {
    if (::fdatasync(fd) != 0) return write_error(path, errno);
    return {};
}

Result<void> check_file(int fd, const std::string& path) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return write_error(path, errno);
    if (status.st_nlink == 0) return Error{errc::recording_gone, path + ": was removed"};
    return {};
}

Result<void> close_file(UniqueFd& fd, const std::string& path) {
    // close() reports what the file system had put off (NFS, quotas); it is not to be repeated: close(2).
    if (fd && ::close(fd.release()) != 0 && errno != EINTR) return write_error(path, errno);
    return {};
}

std::size_t whole_pages(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return std::max(page, (bytes + page - 1) / page * page);
}

/// Where posix_fallocate keeps its promise that later writes cannot run out of space. Copy-on-write file systems (btrfs,
/// zfs) need new blocks even for reserved ranges, and of network and stacked ones we do not know.
bool keeps_reservations(int fd) {
    struct statfs file_system {};
    if (::fstatfs(fd, &file_system) != 0) return false;
    switch (static_cast<std::uint32_t>(file_system.f_type)) {  // magic numbers: statfs(2)
        case 0xEF53:      // ext2, ext3, ext4
        case 0x58465342:  // xfs
        case 0x01021994:  // tmpfs
            return true;
        default:
            return false;
    }
}

}  // namespace

FileSink::FileSink(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

FileSink::~FileSink() = default;

Result<void> FileSink::write(std::string_view bytes) {
    if (!fd_) return Error{errc::closed, path_};
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd_.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return write_error(path_, errno);
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

Result<void> FileSink::sync() { return sync_file(fd_.get(), path_); }

Result<void> FileSink::check() { return check_file(fd_.get(), path_); }

Result<void> FileSink::close() { return close_file(fd_, path_); }

MappedSink::MappedSink(UniqueFd fd, std::string path, std::size_t step_bytes)
    : fd_(std::move(fd)), path_(std::move(path)), step_(whole_pages(step_bytes)) {}

MappedSink::~MappedSink() { (void)close(); }

Result<void> MappedSink::write(std::string_view bytes) {
    if (!fd_) return Error{errc::closed, path_};
    while (!bytes.empty()) {
        if (!map_ || used_ == step_) {
            if (auto next = next_step(); !next) return next;
        }
        const auto part = bytes.substr(0, step_ - used_);
        std::memcpy(map_ + used_, part.data(), part.size());
        used_ += part.size();
        bytes.remove_prefix(part.size());
    }
    return {};
}

Result<void> MappedSink::next_step() {
    const int failed = ::posix_fallocate(fd_.get(), static_cast<off_t>(reserved_), static_cast<off_t>(step_));
    if (failed != 0) return write_error(path_, failed);
    // Faulting the step in at once costs less than a fault a page.
    void* const map = ::mmap(
        nullptr, step_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_.get(), static_cast<off_t>(reserved_)
    );
    const int reason = errno;
    if (map == MAP_FAILED) {
        // What was reserved in vain would look like the tail of a writer that died.
        (void)::ftruncate(fd_.get(), static_cast<off_t>(reserved_));
        return write_error(path_, reason);
    }
    unmap();
    map_ = static_cast<char*>(map);
    mapped_at_ = reserved_;
    reserved_ += step_;
    used_ = 0;
    return {};
}

void MappedSink::unmap() {
    if (map_) ::munmap(map_, step_);
    map_ = nullptr;
}

Result<void> MappedSink::sync() { return sync_file(fd_.get(), path_); }

Result<void> MappedSink::check() { return check_file(fd_.get(), path_); }

Result<void> MappedSink::close() {
    if (!fd_) return {};
    const auto length = mapped_at_ + used_;
    unmap();
    const int reason = ::ftruncate(fd_.get(), static_cast<off_t>(length)) == 0 ? 0 : errno;
    auto closed = close_file(fd_, path_);
    if (reason != 0) return write_error(path_, reason);
    return closed;
}

MemorySink::MemorySink(std::string& out, std::size_t capacity_bytes)
    : out_(out), capacity_(capacity_bytes) {}

Result<void> MemorySink::write(std::string_view bytes) {
    const auto room = capacity_ - std::min(capacity_, out_.size());
    out_.append(bytes.substr(0, room));
    if (bytes.size() > room) return Error{errc::disk_full, "memory"};
    return {};
}

Result<std::unique_ptr<Sink>> create_file_sink(
    const std::string& path, Storage storage, std::size_t step_bytes
) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_APPEND, 0600));
    if (!fd) {
        const auto failed = write_error(path, errno);
        return Error{failed.code == errc::disk_full ? errc::disk_full : errc::cannot_create, failed.detail};
    }
    // Says that somebody still writes (is_being_written()); gone with the process. Not every file system has it.
    (void)::flock(fd.get(), LOCK_EX | LOCK_NB);
    const bool mapped =
        storage == Storage::mapped || (storage == Storage::automatic && keeps_reservations(fd.get()));
    if (mapped) return std::unique_ptr<Sink>(std::make_unique<MappedSink>(std::move(fd), path, step_bytes));
    return std::unique_ptr<Sink>(std::make_unique<FileSink>(std::move(fd), path));
}

}  // namespace dbguard::recording
