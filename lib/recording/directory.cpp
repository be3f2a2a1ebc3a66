#include "recording/directory.hpp"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

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

}  // namespace dbguard::recording
