#include "login/environment.hpp"

#include <cstdlib>
#include <random>
#include <thread>

namespace dbguard::login {
namespace {

class RealClock final : public Clock {
  public:
    Point now() override { return std::chrono::steady_clock::now(); }
    std::chrono::sys_seconds wall_clock() override {
        return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    }
    void sleep(std::chrono::milliseconds duration) override {
        std::this_thread::sleep_for(duration);
    }
    double random() override {
        static thread_local std::minstd_rand generator{std::random_device{}()};
        return std::uniform_real_distribution<double>(0, 1)(generator);
    }
};

}  // namespace

Environment from_process() {
    return [](std::string_view name) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(name).c_str());
        if (!value) return {};
        return std::string(value);
    };
}

Clock& real_clock() {
    static RealClock clock;
    return clock;
}

}  // namespace dbguard::login
