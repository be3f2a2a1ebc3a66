#pragma once

#include <boost/system/result.hpp>
#include <boost/throw_exception.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace dbguard {

/// What went wrong. `code` is one of the constants that the room's header lists (a literal: compare by value, it lives
/// for ever); `detail` is one short clause for the log. Neither holds row values, tokens or passwords.
struct Error {
    std::string_view code;
    std::string detail;

    /// Two arguments always: an aggregate, or a default, would make every string convertible to an Error, and a
    /// Result<std::string> ambiguous.
    /// The explicit one is for Boost's error(), which makes an E() where there is no error.
    explicit Error() = default;
    Error(std::string_view code_, std::string detail_) : code(code_), detail(std::move(detail_)) {}

    bool operator==(const Error&) const = default;
    std::string text() const {
        return detail.empty() ? std::string(code) : std::string(code) + ": " + detail;
    }
};

/// A value, or the Error that input, a peer or a disk caused. Programming errors are exceptions instead.
template <class T>
using Result = boost::system::result<T, Error>;

[[noreturn]] inline void throw_exception_from_error(
    const Error& error, const boost::source_location& where
) {
    boost::throw_exception(std::logic_error("unchecked result: " + error.text()), where);
}

}  // namespace dbguard
