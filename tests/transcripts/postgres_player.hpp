#pragma once

// Plays a PostgreSQL conversation through the real engine and adapter: the policy, the schema and the server's part come from files.
//
// dbguard's own questions about names are not part of a transcript: a catalogue is long, and says nothing of the conversation. Here
// they are answered with the schema's, in their turn; in a recording (recording.hpp) they are left out. All else that dbguard asks
// of the server on its own behalf (to parse a text, for the types of a COPY, for an estimate) is in the transcript.

#include <deque>
#include <memory>
#include <string>

#include "policy/policy.hpp"
#include "relay/engine.hpp"
#include "relay/postgres/adapter.hpp"
#include "transcript.hpp"

namespace dbguard::transcripts {

/// A message to the server, and whether it belongs to a question about names.
struct Sent {
    std::string frame;
    bool names = false;
};
/// Which of these messages of one session, in order, belong to questions about names.
void mark_names(std::vector<Sent>& sent);

/// Whose answer comes next: what the server still owes.
class Owed {
  public:
    void sent(const Sent& message);
    /// The first one that is owed is part of a question about names.
    bool names() const { return !owed_.empty() && owed_.front().names; }
    /// The bytes that answer that one, and settle it. `status` as in ReadyForQuery.
    std::string answer(char status);
    /// The server said this. -> whether it belongs to a question about names
    bool said(std::string_view frame);

  private:
    struct One {
        char type;
        bool names;
    };
    std::deque<One> owed_;
};

class PostgresPlayer : public Player {
  public:
    /// Throws when they do not load. The schema is set for all players of the process.
    PostgresPlayer(const std::string& policy, const std::string& role, const std::string& schema);

    Result<std::vector<std::string>> play(std::string_view line) override;
    /// The number that the schema gives this relation, 0: none.
    static std::uint32_t number_of(std::string_view schema, std::string_view relation);

  private:
    /// What came out, as actions. `came`: the message that brought it about.
    void drain(std::string_view came, bool from_client, std::vector<std::string>& actions);
    void answer_questions(std::vector<std::string>& actions);

    std::unique_ptr<relay::Engine> engine_;
    std::unique_ptr<relay::Session> session_;
    relay::postgres::AdapterLimits limits_;
    std::unique_ptr<relay::postgres::Adapter> adapter_;
    relay::postgres::Output output_;
    std::string to_server_, to_client_;  ///< of messages that are not out whole
    Owed owed_;
    const relay::Session::Clock::time_point now_{std::chrono::seconds(1'000'000'000)};
};

}  // namespace dbguard::transcripts
