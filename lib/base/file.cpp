#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace dbguard {

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return Error{errc::cannot_open, path + ": " + std::strerror(errno)};
    struct stat status {};
    if (::fstat(fd.get(), &status) == 0 && S_ISDIR(status.st_mode))
        return Error{errc::cannot_read, path + ": is a directory"};
    std::string text;
    char buffer[16384];
    for (;;) {
        const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{errc::cannot_read, path + ": " + std::strerror(errno)};
        if (count == 0) return text;
        text.append(buffer, static_cast<std::size_t>(count));
        if (text.size() > max_bytes)
            return Error{errc::too_large, path + ": more than " + std::to_string(max_bytes) + " bytes"};
    }
}

}  // namespace dbguard
