#include "net/listener.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace dbguard::net {
namespace {

using std::chrono::milliseconds;

struct Folder {
    Folder() {
        path = "/tmp/dbguard-listener-XXXXXX";
        REQUIRE(::mkdtemp(path.data()) != nullptr);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
};

/// Begins to connect; the socket does not block.
UniqueFd dial(std::uint16_t port, const char* host = "127.0.0.1") {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, host, &address.sin_addr);
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
    return fd;
}

UniqueFd dial_unix(const std::string& file) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    REQUIRE(file.size() < sizeof name.sun_path);
    std::memcpy(name.sun_path, file.c_str(), file.size() + 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) return {};
    return fd;
}

struct Taken {
    std::vector<UniqueFd> sockets;
    Listener::OnAccept take() {
        return [this](UniqueFd fd) { sockets.push_back(std::move(fd)); };
    }
};

template <typename Done>
bool run_until(EventLoop& loop, Done done) {
    const auto end = EventLoop::Clock::now() + std::chrono::seconds(10);
    while (!done() && EventLoop::Clock::now() < end) loop.run_once(milliseconds(20));
    return done();
}

TEST_CASE("addresses to listen on, as they are written") {
    const struct {
        const char* text;
        ListenAddress address;
    } good[] = {
        {"127.0.0.1:6543", {"127.0.0.1", 6543, ""}},
        {"6543", {"127.0.0.1", 6543, ""}},
        {"0", {"127.0.0.1", 0, ""}},
        {"localhost:0", {"localhost", 0, ""}},
        {"[::1]:6543", {"::1", 6543, ""}},
        {"0.0.0.0:65535", {"0.0.0.0", 65535, ""}},
        {"unix:/run/door", {"127.0.0.1", 0, "/run/door"}},
        {"unix:door//", {"127.0.0.1", 0, "door"}},
        {"unix:/", {"127.0.0.1", 0, "/"}},
    };
    for (const auto& [text, address] : good) {
        CAPTURE(text);
        const auto parsed = parse_listen_address(text);
        REQUIRE(parsed.has_value());
        CHECK((*parsed == address));
    }
    for (const char* text : {"", ":", ":0", "nowhere", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 1", "127.0.0.1:1x", "::1:6543", "[::1]", "[::1]6543", "[]:1", "unix:"}) {
        CAPTURE(text);
        const auto parsed = parse_listen_address(text);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error().code == errc::bad_address);
    }
}

TEST_CASE("connections are taken on the port that is told, without blocking and closed to children") {
    EventLoop loop;
    Taken taken;
    Listener listener(loop);
    REQUIRE(listener.listen({}, false, taken.take()).has_value());
    REQUIRE(listener.address().port != 0);
    const auto client = dial(listener.address().port);
    REQUIRE(client);
    REQUIRE(run_until(loop, [&] { return taken.sockets.size() == 1; }));
    const int fd = taken.sockets[0].get();
    CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("only this machine's own addresses, unless more is permitted") {
    EventLoop loop;
    Taken taken;
    for (const char* host : {"127.0.0.1", "127.5.6.7", "localhost", "::1"}) {
        CAPTURE(host);
        Listener listener(loop);
        const auto done = listener.listen({host, 0, ""}, false, taken.take());
        const bool no_ipv6 = !done && std::strcmp(host, "::1") == 0 && done.error().code == errc::cannot_listen;
        CHECK((done.has_value() || no_ipv6));
    }
    for (const char* host : {"0.0.0.0", "::", "::ffff:127.0.0.1", "192.0.2.1", "126.255.255.255", "128.0.0.1"}) {
        CAPTURE(host);
        Listener listener(loop);
        const auto done = listener.listen({host, 0, ""}, false, taken.take());
        REQUIRE_FALSE(done.has_value());
        CHECK(done.error().code == errc::not_loopback);
    }
    Listener listener(loop);
    CHECK(listener.listen({"0.0.0.0", 0, ""}, true, taken.take()).has_value());
}

TEST_CASE("names are not resolved, and a port in use is an error") {
    EventLoop loop;
    Taken taken;
    Listener one(loop), other(loop);
    const auto named = one.listen({"localhost.example", 0, ""}, true, taken.take());
    REQUIRE_FALSE(named.has_value());
    CHECK(named.error().code == errc::cannot_listen);
    REQUIRE(one.listen({}, false, taken.take()).has_value());
    const auto twice = other.listen({"127.0.0.1", one.address().port, ""}, false, taken.take());
    REQUIRE_FALSE(twice.has_value());
    CHECK(twice.error().code == errc::cannot_listen);
    CHECK(twice.error().detail.find("in use") != std::string::npos);
}

TEST_CASE("a Unix socket: a folder for the user alone, and both go with the listener") {
    const Folder folder;
    const std::string door = folder.path + "/door";
    EventLoop loop;
    Taken taken;
    {
        Listener listener(loop);
        REQUIRE(listener.listen({"", 0, door}, false, taken.take()).has_value());
        CHECK(listener.address().port == 5432);
        struct stat status {};
        REQUIRE(::stat(door.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0700);
        REQUIRE(::stat((door + "/.s.PGSQL.5432").c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0600);
        CHECK(dial_unix(door + "/.s.PGSQL.5432"));
        CHECK(run_until(loop, [&] { return taken.sockets.size() == 1; }));
    }
    CHECK_FALSE(std::filesystem::exists(door));
    // A folder that was there stays.
    REQUIRE(::mkdir(door.c_str(), 0700) == 0);
    {
        Listener listener(loop);
        REQUIRE(listener.listen({"", 6543, door}, false, taken.take()).has_value());
        CHECK(std::filesystem::exists(door + "/.s.PGSQL.6543"));
    }
    CHECK(std::filesystem::exists(door));
    CHECK(std::filesystem::is_empty(door));
}

TEST_CASE("a Unix socket: what a killed process left is taken over, what is in use is not") {
    const Folder folder;
    const std::string file = folder.path + "/.s.PGSQL.5432";
    EventLoop loop;
    Taken taken;
    {
        // Bound and closed: the file stays, and nobody listens.
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::memcpy(name.sun_path, file.c_str(), file.size() + 1);
        const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::bind(dead.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
    }
    REQUIRE(std::filesystem::exists(file));
    Listener one(loop), other(loop);
    REQUIRE(one.listen({"", 0, folder.path}, false, taken.take()).has_value());
    const auto twice = other.listen({"", 0, folder.path}, false, taken.take());
    REQUIRE_FALSE(twice.has_value());
    CHECK(twice.error().detail.find("in use") != std::string::npos);
    other.close();
    CHECK(dial_unix(file));
}

TEST_CASE("a Unix socket: folders that others could use, and what is no folder") {
    const Folder folder;
    EventLoop loop;
    Taken taken;
    const auto refused = [&](const std::string& directory) {
        Listener listener(loop);
        const auto done = listener.listen({"", 0, directory}, false, taken.take());
        REQUIRE_FALSE(done.has_value());
        return done.error().detail;
    };
    const std::string open = folder.path + "/open";
    REQUIRE(::mkdir(open.c_str(), 0700) == 0);
    for (const mode_t mode : {0755, 0710, 0701, 01777}) {
        REQUIRE(::chmod(open.c_str(), mode) == 0);
        CHECK(refused(open).find("0700") != std::string::npos);
    }
    // A link may be turned elsewhere later.
    REQUIRE(::chmod(open.c_str(), 0700) == 0);
    REQUIRE(::symlink(open.c_str(), (folder.path + "/link").c_str()) == 0);
    CHECK(refused(folder.path + "/link").find("no folder") != std::string::npos);
    std::ofstream(folder.path + "/file") << "x";
    CHECK(refused(folder.path + "/file").find("no folder") != std::string::npos);
    CHECK(refused(folder.path + "/missing/door").find("No such file") != std::string::npos);
    const std::string deep = folder.path + "/" + std::string(100, 'x');
    CHECK(refused(deep).find("too long") != std::string::npos);
    // Something of that name that is no socket is not removed.
    std::ofstream(open + "/.s.PGSQL.5432") << "mine";
    CHECK(refused(open) != "");
    CHECK(std::filesystem::file_size(open + "/.s.PGSQL.5432") == 4);
}

TEST_CASE("nothing is taken while paused, and what waited is taken then") {
    EventLoop loop;
    Taken taken;
    Listener listener(loop);
    REQUIRE(listener.listen({}, false, taken.take()).has_value());
    listener.pause();
    listener.pause();
    const auto client = dial(listener.address().port);
    REQUIRE(client);
    loop.run_once(milliseconds(20));
    CHECK(taken.sockets.empty());
    listener.resume();
    listener.resume();
    CHECK(run_until(loop, [&] { return taken.sockets.size() == 1; }));
}

TEST_CASE("a closed listener refuses, also when it closes while it takes connections") {
    EventLoop loop;
    Listener listener(loop);
    int count = 0;
    REQUIRE(listener.listen({}, false, [&](UniqueFd) {
        ++count;
        listener.close();
    }).has_value());
    const auto port = listener.address().port;
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 5; ++i) clients.push_back(dial(port));
    loop.run_once(milliseconds(50));
    loop.run_once(milliseconds(0));
    CHECK(count == 1);
    CHECK_FALSE(dial(port));
    listener.close();
    listener.resume();
    listener.pause();
}

TEST_CASE("connections that are there have their turn between floods of new ones") {
    EventLoop loop;
    Taken taken;
    Listener listener(loop);
    REQUIRE(listener.listen({}, false, taken.take()).has_value());
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 60; ++i) clients.push_back(dial(listener.address().port));
    loop.run_once(milliseconds(50));
    CHECK(taken.sockets.size() <= 16);
    CHECK(run_until(loop, [&] { return taken.sockets.size() == 60; }));
}

/// Lets this process have only so many more descriptors than it has, while it lives.
class FewDescriptors {
  public:
    explicit FewDescriptors(int more) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        rlimit few = before_;
        few.rlim_cur = static_cast<rlim_t>(next.get() + more);
        ::setrlimit(RLIMIT_NOFILE, &few);
    }
    ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

TEST_CASE("without descriptors the listener waits instead of spinning, and goes on when there are some") {
    EventLoop loop;
    Taken taken;
    Listener listener(loop);
    REQUIRE(listener.listen({}, false, taken.take()).has_value());
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 8; ++i) clients.push_back(dial(listener.address().port));
    int rounds = 0;
    {
        const FewDescriptors few(2);
        const auto end = EventLoop::Clock::now() + milliseconds(350);
        for (; EventLoop::Clock::now() < end; ++rounds) loop.run_once(milliseconds(350));
        CHECK(taken.sockets.size() == 2);
    }
    CHECK(rounds < 12);
    CHECK(run_until(loop, [&] { return taken.sockets.size() == 8; }));
}

TEST_CASE("a listener may go while it waits for descriptors") {
    EventLoop loop;
    Taken taken;
    auto listener = std::make_unique<Listener>(loop);
    REQUIRE(listener->listen({}, false, taken.take()).has_value());
    const auto client = dial(listener->address().port);
    {
        const FewDescriptors few(0);
        loop.run_once(milliseconds(20));
    }
    CHECK(taken.sockets.empty());
    listener.reset();
    const auto end = EventLoop::Clock::now() + milliseconds(250);
    while (EventLoop::Clock::now() < end) loop.run_once(milliseconds(50));
}

}  // namespace
}  // namespace dbguard::net
