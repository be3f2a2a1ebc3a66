#pragma once

// A conversation with a real server as scripts/new_transcript has tapped it on both sides of dbguard, made into a transcript.

#include <string_view>

#include "transcript.hpp"

namespace dbguard::transcripts {

/// `tap`: the head of the transcript, an empty line, then lines in the order in which they came:
///
///     F|B|>|< HEX        a message: of the client, of the server; to the server, to the client
///     F CancelRequest    a request to cancel, of the client
///     relation 16385 public customers    the server's number of a relation
///
/// Leaves out what the questions about names sent and got, gives relations the numbers that the schema gives them, and plays it. An
/// error (`not_what_happened`) when what dbguard really sent to either side is not what it sends when it is played.
Result<Transcript> transcript_of(std::string_view tap, Player& player);

}  // namespace dbguard::transcripts
