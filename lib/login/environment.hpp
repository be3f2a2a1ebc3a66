#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dbguard::login {

/// A variable's value; empty optional when it is not set. The real one is from_process().
using Environment = std::function<std::optional<std::string>(std::string_view name)>;
Environment from_process();

/// Time and waiting, so that tests do not wait.
class Clock {
  public:
    using Point = std::chrono::steady_clock::time_point;
    virtual ~Clock() = default;
    virtual Point now() = 0;
    virtual std::chrono::sys_seconds wall_clock() = 0;
    virtual void sleep(std::chrono::milliseconds duration) = 0;
    /// Uniform in [0, 1): spreads bursts of parallel jobs.
    virtual double random() = 0;
};
Clock& real_clock();

}  // namespace dbguard::login
