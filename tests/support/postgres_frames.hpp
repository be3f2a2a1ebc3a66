#pragma once

// Messages of a byte stream as lines, for the tests that look at whole conversations.

#include <string>
#include <string_view>
#include <vector>

#include "wire/postgres/trace.hpp"

namespace dbguard::wire::postgres {

/// The whole messages at the front of `bytes`, taken from it. Errors: those of first_frame().
inline Result<std::vector<std::string>> take_frames(std::string& bytes, Sender sender) {
    std::vector<std::string> frames;
    for (;;) {
        const auto frame = first_frame(bytes, sender);
        if (!frame) return frame.error();
        if (!*frame) return frames;
        frames.emplace_back((*frame)->bytes);
        bytes.erase(0, frames.back().size());
    }
}

/// A message as a line, with its sender's letter; the random name of dbguard's own statements as OWN.
inline std::string line_of(std::string_view frame, Sender sender) {
    const auto view = first_frame(frame, sender);
    if (!view || !*view) return "? not a message";
    std::string line = trace(sender, **view);
    constexpr std::string_view own = "dbguard_";
    constexpr std::size_t name_bytes = own.size() + 16;
    for (std::size_t at; (at = line.find(own)) != std::string::npos && line.size() >= at + name_bytes;) line.replace(at, name_bytes, "OWN");
    return line;
}

}  // namespace dbguard::wire::postgres
