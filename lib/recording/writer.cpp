#include "recording/writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace dbguard::recording {

namespace {

/// A new name is only safe once its directory is: fsync(2).
Result<void> sync_directory(const std::string& directory) {
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0)
        return Error{errc::cannot_write, directory + ": " + std::strerror(errno)};
    return {};
}

}  // namespace

bool is_session_id(std::string_view text) {
    if (text.empty() || text.size() > 64) return false;
    for (const char c : text) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!plain && c != '_' && c != '-') return false;
    }
    return text.front() != '-';  // would read as an option
}

Result<void> make_directory(const std::string& directory) {
    if (::mkdir(directory.c_str(), 0700) == 0) return {};
    const int reason = errno;
    struct stat status {};
    if (reason == EEXIST && ::stat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
    return Error{errc::cannot_create, directory + ": " + std::strerror(reason == EEXIST ? ENOTDIR : reason)};
}

Result<std::unique_ptr<Writer>> Writer::create(
    const std::string& directory, const Head& head, WriterOptions options
) {
    if (!is_session_id(head.session)) return Error{errc::bad_session_id, std::string(head.session.substr(0, 80))};
    std::string path = directory + "/";
    path.append(head.session).append(file_suffix);
    auto sink = create_file_sink(path, options.storage, options.step_bytes);
    if (!sink) return sink.error();
    std::unique_ptr<Writer> writer(new Writer(std::move(*sink), path, options));
    auto begun = writer->begin(head);
    if (begun && options.sync) begun = sync_directory(directory);
    if (!begun) {
        // Nothing was recorded: a file with half a head would only look like damage.
        ::unlink(path.c_str());
        return begun.error();
    }
    return writer;
}

Result<std::unique_ptr<Writer>> Writer::onto(
    std::unique_ptr<Sink> sink, const Head& head, WriterOptions options
) {
    std::unique_ptr<Writer> writer(new Writer(std::move(sink), "", options));
    if (auto begun = writer->begin(head); !begun) return begun.error();
    return writer;
}

Writer::Writer(std::unique_ptr<Sink> sink, std::string path, WriterOptions options)
    : sink_(std::move(sink)), path_(std::move(path)), options_(options) {}

Writer::~Writer() {
    if (closed_) return;
    (void)flush();
    (void)sink_->close();
}

Result<void> Writer::begin(const Head& head) {
    line(head, head.at);
    checked_ = latest_;
    return flush();
}

void Writer::write_pending() {
    if (error_ || pending_.empty()) return;
    if (auto written = sink_->write(pending_); !written)
        error_ = written.error();
    else
        written_.fetch_add(pending_.size(), std::memory_order_release);
    pending_.clear();
    if (pending_.capacity() > 4 * write_through_bytes) pending_ = {};  // one large statement, not a habit
}

Result<void> Writer::flush() {
    if (closed_ && !error_) return Error{errc::closed, path_};
    const bool something = !pending_.empty();
    write_pending();
    if (!error_ && something && options_.sync) {
        if (auto synced = sink_->sync(); !synced) error_ = synced.error();
    }
    if (!error_ && latest_ - checked_ >= options_.check_every) {
        checked_ = latest_;
        if (auto checked = sink_->check(); !checked) error_ = checked.error();
    }
    if (error_) {
        pending_.clear();
        return *error_;
    }
    return {};
}

Result<void> Writer::end(const End& event) {
    if (closed_) return Error{errc::closed, path_};
    chain_.begin(pending_);
    append_members(pending_, event);
    chain_.seal(pending_);
    chain_.end(pending_);
    checked_ = {};  // look once more, so that a recording that is gone is not reported as kept
    auto flushed = flush();
    closed_ = true;
    auto closed = sink_->close();
    if (flushed && !closed) error_ = closed.error();
    return flushed ? closed : flushed;
}

}  // namespace dbguard::recording
