#include "net/event_loop.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"

namespace dbguard::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Clock = EventLoop::Clock;

std::pair<UniqueFd, UniqueFd> socket_pair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/// Calls what it is given.
struct Calls : Watcher {
    explicit Calls(std::function<void(std::uint32_t)> work_in) : work(std::move(work_in)) {}
    void ready(std::uint32_t events) override { work(events); }
    std::function<void(std::uint32_t)> work;
};

/// Rounds until `done`, or so many that it will never be.
template <typename Done>
bool run_until(EventLoop& loop, Done done) {
    const auto end = Clock::now() + std::chrono::seconds(10);
    while (!done() && Clock::now() < end) loop.run_once(milliseconds(50));
    return done();
}

TEST_CASE("timers run in the order of their time, those of one moment as they were made") {
    EventLoop loop;
    std::string order;
    loop.after(milliseconds(30), [&] { order += 'd'; });
    loop.after(milliseconds(0), [&] { order += 'a'; });
    loop.after(milliseconds(10), [&] { order += 'b'; });
    loop.after(milliseconds(10), [&] { order += 'c'; });
    CHECK(run_until(loop, [&] { return order.size() == 4; }));
    CHECK(order == "abcd");
}

TEST_CASE("a timer never comes early, and a wait ends when the next one is due") {
    EventLoop loop;
    for (const int delay : {1, 7, 20}) {
        const auto began = Clock::now();
        bool rang = false;
        int rounds = 0;
        loop.after(milliseconds(delay), [&] {
            rang = true;
            CHECK(Clock::now() - began >= milliseconds(delay));
        });
        while (!rang) {
            loop.run_once(hours(1));
            REQUIRE(++rounds < 4);  // it sleeps, and does not spin
        }
        CHECK(Clock::now() - began < milliseconds(delay + 2000));
    }
}

TEST_CASE("a wait without events ends at its own limit") {
    EventLoop loop;
    loop.after(hours(1), [] { FAIL("an hour early"); });
    const auto began = Clock::now();
    loop.run_once(milliseconds(20));
    CHECK(Clock::now() - began >= milliseconds(20));
    CHECK(Clock::now() - began < std::chrono::seconds(5));
}

TEST_CASE("a cancelled timer does not run, and a wrong or old id cancels nothing") {
    EventLoop loop;
    std::string order;
    const auto gone = loop.after(milliseconds(1), [&] { order += 'x'; });
    const auto kept = loop.after(milliseconds(1), [&] { order += 'k'; });
    loop.cancel(gone);
    loop.cancel(gone);
    loop.cancel(0);
    loop.cancel(999);
    CHECK(run_until(loop, [&] { return !order.empty(); }));
    CHECK(order == "k");
    loop.after(milliseconds(1), [&] { order += 'l'; });
    loop.cancel(kept);  // fired long ago
    CHECK(run_until(loop, [&] { return order.size() == 2; }));
}

TEST_CASE("a timer that is sooner than the one waited for rings first, and a cancelled one only wakes") {
    EventLoop loop;
    std::string order;
    loop.after(hours(1), [&] { order += 'x'; });
    loop.run_once(milliseconds(0));  // the hour is waited for
    const auto gone = loop.after(milliseconds(2), [&] { order += 'y'; });
    loop.after(milliseconds(5), [&] { order += 'a'; });
    loop.cancel(gone);
    loop.after(milliseconds(10), [&] { order += 'b'; });
    const auto end = Clock::now() + std::chrono::seconds(10);
    while (order.size() < 2 && Clock::now() < end) loop.run_once();
    CHECK(order == "ab");
}

TEST_CASE("with EPOLLET what is there is told once, and again after change()") {
    EventLoop loop;
    auto [ours, theirs] = socket_pair();
    int told = 0;
    Calls watcher([&](std::uint32_t) { ++told; });
    REQUIRE(loop.watch(ours.get(), EPOLLIN | EPOLLET, watcher));
    REQUIRE(::send(theirs.get(), "x", 1, 0) == 1);
    loop.run_once(milliseconds(5));
    loop.run_once(milliseconds(5));
    CHECK(told == 1);
    loop.change(ours.get(), EPOLLIN | EPOLLET, watcher);
    loop.run_once(milliseconds(5));
    loop.run_once(milliseconds(5));
    CHECK(told == 2);
    REQUIRE(::send(theirs.get(), "y", 1, 0) == 1);
    loop.run_once(milliseconds(5));
    CHECK(told == 3);
}

TEST_CASE("a timer may cancel others that are due in the same moment, and itself") {
    EventLoop loop;
    std::string order;
    EventLoop::TimerId self = 0, later = 0;
    self = loop.after(milliseconds(1), [&] {
        order += 'a';
        loop.cancel(self);
        loop.cancel(later);
    });
    later = loop.after(milliseconds(1), [&] { order += 'x'; });
    loop.after(milliseconds(2), [&] { order += 'b'; });
    std::this_thread::sleep_for(milliseconds(10));  // all of them are due
    loop.run_once(milliseconds(0));
    CHECK(order == "ab");
}

TEST_CASE("a timer that sets itself again at once does not shut out the sockets") {
    EventLoop loop;
    auto [ours, theirs] = socket_pair();
    int rounds = 0;
    bool told = false;
    std::function<void()> again = [&] {
        ++rounds;
        loop.after(milliseconds(0), again);
    };
    again();
    Calls watcher([&](std::uint32_t) { told = true; });
    REQUIRE(loop.watch(ours.get(), EPOLLIN, watcher));
    REQUIRE(::send(theirs.get(), "x", 1, 0) == 1);
    loop.run_once(milliseconds(10));
    CHECK(told);
    CHECK(rounds == 2);
    loop.forget(ours.get());
}

TEST_CASE("what is cancelled is destroyed with all it holds, and so is what never ran") {
    const auto held = std::make_shared<int>(1);
    {
        EventLoop loop;
        const auto timer = loop.after(hours(1), [held] {});
        loop.after(hours(2), [held] {});
        loop.defer([held] {});
        CHECK(held.use_count() == 4);
        loop.cancel(timer);
        CHECK(held.use_count() == 3);
    }
    CHECK(held.use_count() == 1);
}

TEST_CASE("deferred work runs after the events at hand, in order, also when it defers more") {
    EventLoop loop;
    auto [ours, theirs] = socket_pair();
    std::string order;
    Calls watcher([&](std::uint32_t) {
        order += 'e';
        loop.forget(ours.get());
    });
    REQUIRE(loop.watch(ours.get(), EPOLLIN, watcher));
    REQUIRE(::send(theirs.get(), "x", 1, 0) == 1);
    loop.defer([&] {
        order += 'a';
        loop.defer([&] { order += 'c'; });
    });
    loop.defer([&] { order += 'b'; });
    const auto began = Clock::now();
    loop.run_once(hours(1));  // work is waiting, so it does not
    CHECK(order == "eabc");
    CHECK(Clock::now() - began < std::chrono::seconds(5));
}

TEST_CASE("a forgotten descriptor is not told of, not even of what was there already") {
    EventLoop loop;
    auto [a, a_peer] = socket_pair();
    auto [b, b_peer] = socket_pair();
    int calls = 0;
    // Whoever is first forgets both.
    Calls watcher([&](std::uint32_t) {
        ++calls;
        loop.forget(a.get());
        loop.forget(b.get());
    });
    REQUIRE(loop.watch(a.get(), EPOLLIN, watcher));
    REQUIRE(loop.watch(b.get(), EPOLLIN, watcher));
    REQUIRE(::send(a_peer.get(), "x", 1, 0) == 1);
    REQUIRE(::send(b_peer.get(), "x", 1, 0) == 1);
    loop.run_once(milliseconds(50));
    loop.run_once(milliseconds(0));
    CHECK(calls == 1);
    loop.forget(a.get());  // and again, and what never was
    loop.forget(-1);
    loop.forget(100'000);
}

TEST_CASE("a descriptor's number may be used again within a round") {
    EventLoop loop;
    auto [a, a_peer] = socket_pair();
    auto [b, b_peer] = socket_pair();
    auto [c, c_peer] = socket_pair();
    std::string got;
    Calls newcomer([&](std::uint32_t) {
        char byte = 0;
        while (::recv(b.get(), &byte, 1, MSG_DONTWAIT) == 1) got += byte;  // a false alarm gives EAGAIN
    });
    bool replaced = false;
    Calls first([&](std::uint32_t) {
        if (std::exchange(replaced, true)) return;
        const int number = b.get();
        loop.forget(a.get());
        loop.forget(number);
        b.reset();
        b = UniqueFd(::fcntl(c.get(), F_DUPFD_CLOEXEC, number));
        REQUIRE(b.get() == number);
        REQUIRE(loop.watch(number, EPOLLIN, newcomer));
    });
    REQUIRE(loop.watch(a.get(), EPOLLIN, first));
    REQUIRE(loop.watch(b.get(), EPOLLIN, first));
    REQUIRE(::send(a_peer.get(), "x", 1, 0) == 1);
    REQUIRE(::send(b_peer.get(), "old", 3, 0) == 3);
    loop.run_once(milliseconds(50));
    CHECK(replaced);
    CHECK(got.empty());
    REQUIRE(::send(c_peer.get(), "new", 3, 0) == 3);
    CHECK(run_until(loop, [&] { return got.size() >= 3; }));
    CHECK(got == "new");
    loop.forget(b.get());
}

TEST_CASE("interest changes: nothing, writing, reading again") {
    EventLoop loop;
    auto [ours, theirs] = socket_pair();
    std::vector<std::uint32_t> seen;
    Calls watcher([&](std::uint32_t events) { seen.push_back(events); });
    REQUIRE(loop.watch(ours.get(), 0, watcher));
    REQUIRE(::send(theirs.get(), "x", 1, 0) == 1);
    loop.run_once(milliseconds(5));
    CHECK(seen.empty());
    loop.change(ours.get(), EPOLLOUT, watcher);
    loop.run_once(milliseconds(5));
    CHECK(seen == std::vector<std::uint32_t>{EPOLLOUT});
    loop.change(ours.get(), EPOLLIN, watcher);
    loop.run_once(milliseconds(5));
    REQUIRE(seen.size() == 2);
    CHECK(seen[1] == EPOLLIN);
    // The end is told of even to who asked for nothing: nobody waits for ever on a dead connection.
    loop.change(ours.get(), 0, watcher);
    theirs.reset();
    loop.run_once(milliseconds(5));
    REQUIRE(seen.size() == 3);
    CHECK((seen[2] & EPOLLHUP) != 0);
    loop.forget(ours.get());
}

TEST_CASE("what cannot be watched is refused") {
    EventLoop loop;
    Calls watcher([](std::uint32_t) { FAIL("told of nothing"); });
    CHECK_FALSE(loop.watch(-1, EPOLLIN, watcher));
    auto [ours, theirs] = socket_pair();
    const int closed = ours.get();
    ours.reset();
    CHECK_FALSE(loop.watch(closed, EPOLLIN, watcher));
    const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    CHECK_FALSE(loop.watch(file.get(), EPOLLIN, watcher));  // regular files are always ready: epoll takes none
    loop.run_once(milliseconds(0));
}

TEST_CASE("other threads hand work over, all of it and in their order") {
    constexpr int threads = 4, each = 2000;
    std::array<std::vector<int>, threads> got;
    EventLoop loop;
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t)
        running.emplace_back([&, t, mailbox = loop.mailbox()] {
            for (int i = 0; i < each; ++i) mailbox->post([&, t, i] { got[t].push_back(i); });
        });
    CHECK(run_until(loop, [&] {
        std::size_t all = 0;
        for (const auto& one : got) all += one.size();
        return all == threads * each;
    }));
    for (auto& thread : running) thread.join();
    for (const auto& one : got) CHECK(std::ranges::is_sorted(one));
}

TEST_CASE("a mailbox outlives its loop and then does nothing") {
    std::shared_ptr<EventLoop::Mailbox> mailbox;
    const auto held = std::make_shared<int>(1);
    {
        EventLoop loop;
        mailbox = loop.mailbox();
        mailbox->post([held] {});
    }
    CHECK(held.use_count() == 1);
    mailbox->post([held] { FAIL("nobody is there to run this"); });
    CHECK(held.use_count() == 1);
}

EventLoop* interrupted = nullptr;

TEST_CASE("stop() ends a wait: from another thread, from a signal handler, from a handler") {
    for (const int who : {0, 1, 2}) {
        EventLoop loop;
        std::thread other;
        if (who == 0) other = std::thread([&] {
            std::this_thread::sleep_for(milliseconds(20));
            loop.stop();
        });
        if (who == 1) {
            interrupted = &loop;
            std::signal(SIGUSR1, [](int) { interrupted->stop(); });
            other = std::thread([self = ::pthread_self()] {
                std::this_thread::sleep_for(milliseconds(20));
                ::pthread_kill(self, SIGUSR1);
            });
        }
        if (who == 2) loop.after(milliseconds(5), [&] { loop.stop(); });
        const auto began = Clock::now();
        loop.run();
        CHECK(loop.stopped());
        CHECK(Clock::now() - began < std::chrono::seconds(5));
        if (other.joinable()) other.join();
    }
    std::signal(SIGUSR1, SIG_DFL);
}

TEST_CASE("a thousand connections with timers of their own, opened and closed over and over") {
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const rlimit more{std::min<rlim_t>(limit.rlim_max, 4096), limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &more);
    const std::size_t count = more.rlim_cur >= 2500 ? 1000 : 200;

    /// Echoes one byte, then closes and forgets itself.
    struct Echo : Watcher {
        Echo(EventLoop& loop_in, UniqueFd fd_in, int& open_in) : loop(loop_in), fd(std::move(fd_in)), open(open_in) {
            timer = loop.after(hours(1), [] { FAIL("a timer of a connection that ended"); });
            ++open;
        }
        ~Echo() override {
            loop.forget(fd.get());
            loop.cancel(timer);
            --open;
        }
        void ready(std::uint32_t) override {
            char byte = 0;
            if (::recv(fd.get(), &byte, 1, 0) != 1) return;
            CHECK(::send(fd.get(), &byte, 1, MSG_NOSIGNAL) == 1);
            loop.defer([this] { delete this; });
        }
        EventLoop& loop;
        UniqueFd fd;
        int& open;
        EventLoop::TimerId timer;
    };
    EventLoop loop;
    int open = 0;
    for (int round = 0; round < 3; ++round) {
        std::vector<UniqueFd> peers;
        for (std::size_t i = 0; i < count; ++i) {
            auto [ours, theirs] = socket_pair();
            auto* echo = new Echo(loop, std::move(ours), open);
            REQUIRE(loop.watch(echo->fd.get(), EPOLLIN, *echo));
            peers.push_back(std::move(theirs));
        }
        for (std::size_t i = 0; i < count; ++i) {
            const char byte = static_cast<char>(i);
            REQUIRE(::send(peers[i].get(), &byte, 1, 0) == 1);
        }
        CHECK(run_until(loop, [&] { return open == 0; }));
        for (std::size_t i = 0; i < count; ++i) {
            char byte = 0;
            REQUIRE(::recv(peers[i].get(), &byte, 1, 0) == 1);
            CHECK(byte == static_cast<char>(i));
        }
    }
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace dbguard::net
