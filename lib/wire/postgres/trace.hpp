#pragma once

// The text form of a conversation: a line a message, with its sender's letter. Golden transcripts, replays and bug reports use
// it. Passwords and keys are never printed: they show as `***`.
//
//     F StartupMessage 3.0 "user"="app" "database"="shop"
//     B AuthenticationSASL "SCRAM-SHA-256"
//     F SASLInitialResponse "SCRAM-SHA-256" ***
//     F Query "select 1"
//     B RowDescription "id":23
//     B DataRow "1" NULL
//     B ReadyForQuery I

#include <string>
#include <string_view>

#include "wire/postgres/message.hpp"
#include "wire/postgres/startup.hpp"

namespace dbguard::wire::postgres {

/// In double quotes; `"`, `\`, control characters and bytes that are not UTF-8 as \" \\ \n \xNN. Longer than `max_bytes`:
/// cut, with "…" and the full length behind.
std::string trace_quoted(std::string_view text, std::size_t max_bytes = 4096);

/// One line without its end.
std::string trace(const FrontendMessage& message);
std::string trace(const BackendMessage& message);
std::string trace(const StartupPacket& packet);
/// A frame that does not decode is a line, too: `F ?B 17 bytes: truncated`.
std::string trace(Sender sender, const FrameView& frame, AuthPhase phase = AuthPhase::none);

}  // namespace dbguard::wire::postgres
