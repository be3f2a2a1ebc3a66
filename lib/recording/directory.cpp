#include "recording/directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "recording/reader.hpp"
#include "recording/writer.hpp"

namespace dbguard::recording {

std::string recording_path(const std::string& directory, const std::string& file_or_session) {
    const bool file = file_or_session.find('/') != std::string::npos || file_or_session.ends_with(file_suffix);
    if (file || !is_session_id(file_or_session)) return file_or_session;
    return directory + "/" + file_or_session + std::string(file_suffix);
}

Result<std::vector<std::string>> list_recordings(const std::string& directory) {
    struct Close {
        void operator()(DIR* open) const { ::closedir(open); }
    };
    const std::unique_ptr<DIR, Close> open(::opendir(directory.c_str()));
    if (!open) return Error{errc::cannot_read, directory + ": " + std::strerror(errno)};
    std::vector<std::string> paths;
    errno = 0;
    while (const dirent* entry = ::readdir(open.get())) {
        const std::string name = entry->d_name;
        if (name.size() > file_suffix.size() && name.ends_with(file_suffix)) paths.push_back(directory + "/" + name);
        errno = 0;
    }
    if (errno != 0) return Error{errc::cannot_read, directory + ": " + std::strerror(errno)};
    std::ranges::sort(paths);
    return paths;
}

namespace {

std::string previous_path(const std::string& directory) { return directory + "/.previous"; }

}  // namespace

std::string previous_head(const std::string& directory) {
    auto text = read_file(previous_path(directory), 256);
    if (!text) return {};
    const std::string_view line = std::string_view(*text).substr(0, text->find('\n'));
    const auto colon = line.find(':');
    const bool good = colon != std::string_view::npos && is_session_id(line.substr(0, colon)) && line.size() - colon - 1 == first_previous().size() &&
                      line.find_first_not_of("0123456789abcdef", colon + 1) == std::string_view::npos;
    return good ? std::string(line) : std::string();
}

Result<void> remember_head(const std::string& directory, std::string_view session, std::string_view head) {
    // Of sessions that end at the same time one wins: each file is whole.
    const std::string path = previous_path(directory);
    const std::string fresh = path + "." + std::string(session);
    const std::string line = std::string(session) + ":" + std::string(head) + "\n";
    const auto failed = [&] { return Error{errc::cannot_write, fresh + ": " + std::strerror(errno)}; };
    UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return failed();
    if (::write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) || ::rename(fresh.c_str(), path.c_str()) != 0) {
        const Error error = failed();
        ::unlink(fresh.c_str());
        return error;
    }
    return {};
}

}  // namespace dbguard::recording
