#include "broker/recordings.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/encoding.hpp"
#include "base/unique_fd.hpp"
#include "identity/json.hpp"
#include "recording/writer.hpp"

namespace dbguard::broker {
namespace {

/// Enough of a line to hold `{"n":18446744073709551615,"p":"<64>"`.
constexpr std::size_t prefix_bytes = 104;
constexpr std::size_t max_head_bytes = 256 * 1024;

std::string reason() { return std::strerror(errno); }

}  // namespace

/// Follows the chain through bytes that come in pieces of any size. Copies are cheap enough to try a piece on one first.
class ChainCheck {
  public:
    explicit ChainCheck(std::string session) : session_(std::move(session)) { restart(); }
    ChainCheck(const ChainCheck& other)
        : session_(other.session_), number_(other.number_), previous_(other.previous_), prefix_(other.prefix_), head_(other.head_) {
        context_.reset(EVP_MD_CTX_new());
        EVP_MD_CTX_copy_ex(context_.get(), other.context_.get());
    }
    ChainCheck& operator=(ChainCheck&&) = default;

    /// False: a line breaks the chain.
    bool take(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto end = bytes.find('\n');
            const auto part = bytes.substr(0, end);
            EVP_DigestUpdate(context_.get(), part.data(), part.size());
            if (prefix_.size() < prefix_bytes) prefix_.append(part.substr(0, prefix_bytes - prefix_.size()));
            if (number_ == 0 && !keep_head(part)) return false;
            if (end == std::string_view::npos) return true;
            if (!finish_line()) return false;
            bytes.remove_prefix(end + 1);
        }
        return true;
    }

  private:
    struct Free {
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };

    void restart() {
        context_.reset(EVP_MD_CTX_new());
        EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
        prefix_.clear();
    }
    bool keep_head(std::string_view part) {
        if (head_.size() + part.size() > max_head_bytes) return false;
        head_.append(part);
        return true;
    }
    bool finish_line() {
        const std::string expected = "{\"n\":" + std::to_string(number_) + ",\"p\":\"" + previous_ + "\"";
        if (!prefix_.starts_with(expected)) return false;
        if (number_ == 0) {
            // Another session's recording must not be filed under this one's name.
            identity::JsonLimits limits;
            limits.max_bytes = max_head_bytes;
            const auto head = identity::parse_json(head_, limits);
            if (!head || !head->is(identity::Json::Kind::object) || head->find_string("sid") != session_) return false;
            head_.clear();
            head_.shrink_to_fit();
        }
        unsigned char digest[32];
        EVP_DigestFinal_ex(context_.get(), digest, nullptr);
        previous_ = hex({reinterpret_cast<const char*>(digest), sizeof digest});
        ++number_;
        restart();
        return true;
    }

    std::string session_;
    std::uint64_t number_ = 0;
    std::string previous_ = std::string(64, '0');
    std::string prefix_;  // the beginning of the current line
    std::string head_;    // the first line, while it is the current one
    std::unique_ptr<EVP_MD_CTX, Free> context_;
};

struct Recordings::File {
    explicit File(std::string session) : chain(std::move(session)) {}
    std::mutex mutex;  // for what follows
    UniqueFd fd;
    std::uint64_t size = 0;
    ChainCheck chain;
};

Recordings::Recordings(std::string directory, std::uint64_t max_bytes)
    : directory_(std::move(directory)), max_bytes_(max_bytes) {}
Recordings::~Recordings() = default;

Result<std::unique_ptr<Recordings>> Recordings::open(std::string directory, std::uint64_t max_bytes) {
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
        return Error{errc::recording_failed, directory + ": " + reason()};
    return std::unique_ptr<Recordings>(new Recordings(std::move(directory), max_bytes));
}

/// Opens the file and reads what a former run of the service wrote, to know the chain's state.
Result<std::shared_ptr<Recordings::File>> Recordings::file(std::string_view session) {
    const std::lock_guard lock(mutex_);
    if (const auto found = files_.find(session); found != files_.end()) return found->second;
    // The id becomes a file's name.
    if (!recording::is_session_id(session)) return Error{errc::recording_failed, "not a session id"};
    auto file = std::make_shared<File>(std::string(session));
    const std::string path = directory_ + "/" + std::string(session) + std::string(recording::file_suffix);
    file->fd = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file->fd) return Error{errc::recording_failed, path + ": " + reason()};
    std::string piece(256 * 1024, '\0');
    for (;;) {
        const auto got = ::pread(file->fd.get(), piece.data(), piece.size(), static_cast<off_t>(file->size));
        if (got < 0) return Error{errc::recording_failed, path + ": " + reason()};
        if (got == 0) break;
        if (!file->chain.take({piece.data(), static_cast<std::size_t>(got)}))
            return Error{errc::recording_broken, path + " was changed"};
        file->size += static_cast<std::uint64_t>(got);
    }
    files_.emplace(session, file);
    return file;
}

Result<std::uint64_t> Recordings::append(std::string_view session, std::uint64_t offset, std::string_view bytes) {
    auto found = file(session);
    if (!found) return found.error();
    File& file = **found;
    const std::lock_guard lock(file.mutex);
    if (!file.fd) return Error{errc::recording_failed, "closed meanwhile"};
    if (offset != file.size) return Error{errc::recording_offset, std::to_string(file.size)};
    const std::uint64_t max_bytes = max_bytes_;
    if (bytes.size() > max_bytes || file.size > max_bytes - bytes.size())
        return Error{errc::recording_too_large, std::to_string(max_bytes)};
    ChainCheck tried(file.chain);
    if (!tried.take(bytes)) return Error{errc::recording_broken, "at offset " + std::to_string(offset)};
    std::string_view rest = bytes;
    while (!rest.empty()) {
        const auto wrote = ::write(file.fd.get(), rest.data(), rest.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) {
            const Error error{errc::recording_failed, reason()};
            // All or nothing: what was half written goes again, and the client sends it once more.
            if (::ftruncate(file.fd.get(), static_cast<off_t>(file.size)) != 0) file.fd.reset();
            return error;
        }
        rest.remove_prefix(static_cast<std::size_t>(wrote));
    }
    file.size += bytes.size();
    file.chain = std::move(tried);
    return file.size;
}

Result<std::uint64_t> Recordings::size(std::string_view session) {
    const auto found = file(session);
    if (!found) return found.error();
    const std::lock_guard lock((*found)->mutex);
    return (*found)->size;
}

Result<void> Recordings::remove(std::string_view session) {
    if (!recording::is_session_id(session)) return Error{errc::recording_failed, "not a session id"};
    close(session);
    const std::string path = directory_ + "/" + std::string(session) + std::string(recording::file_suffix);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return Error{errc::recording_failed, path + ": " + reason()};
    return {};
}

void Recordings::close(std::string_view session) {
    std::shared_ptr<File> file;
    {
        const std::lock_guard lock(mutex_);
        const auto found = files_.find(session);
        if (found == files_.end()) return;
        file = found->second;
        files_.erase(found);
    }
    const std::lock_guard lock(file->mutex);
    ::fdatasync(file->fd.get());
    file->fd.reset();
}

}  // namespace dbguard::broker
