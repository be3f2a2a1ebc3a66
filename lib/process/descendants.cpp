#include "process/descendants.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "base/unique_fd.hpp"

namespace dbguard::process {
namespace {

struct Stat {
    std::string name;
    char state = '?';
    pid_t parent = 0;
};

/// /proc/PID/stat: "pid (name) state ppid …"; the name may hold spaces and parentheses, so its end is the last ')'.
/// Source: proc(5).
std::optional<Stat> read_stat(const std::string& pid) {
    const UniqueFd file(::open(("/proc/" + pid + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return std::nullopt;
    char buffer[512];
    const ssize_t size = ::read(file.get(), buffer, sizeof buffer);
    if (size <= 0) return std::nullopt;
    const std::string_view text(buffer, static_cast<std::size_t>(size));
    const auto open = text.find('('), close = text.rfind(')');
    if (open == text.npos || close == text.npos || close < open || close + 4 >= text.size())
        return std::nullopt;
    Stat stat;
    stat.name = text.substr(open + 1, close - open - 1);
    stat.state = text[close + 2];
    const std::string_view rest = text.substr(close + 4);
    if (std::from_chars(rest.data(), rest.data() + rest.size(), stat.parent).ec != std::errc())
        return std::nullopt;
    return stat;
}

}  // namespace

void adopt_orphans() { ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

std::vector<Process> descendants() {
    const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
    if (!proc) return {};
    std::multimap<pid_t, Process> by_parent;
    while (const dirent* entry = ::readdir(proc.get())) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        const auto stat = read_stat(entry->d_name);
        if (!stat || stat->state == 'Z' || stat->state == 'X') continue;
        by_parent.emplace(
            stat->parent, Process{static_cast<pid_t>(std::atoi(entry->d_name)), stat->name}
        );
    }
    std::vector<Process> found;
    const auto add_children = [&](pid_t parent) {
        const auto [begin, end] = by_parent.equal_range(parent);
        for (auto child = begin; child != end; ++child) found.push_back(child->second);
    };
    add_children(::getpid());
    // Each process has one parent, so this ends.
    for (std::size_t next = 0; next < found.size(); ++next) add_children(found[next].pid);
    return found;
}

}  // namespace dbguard::process
