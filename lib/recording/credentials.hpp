#pragma once

// Which texts name a credential, or hold one. Private to this room, but for reads_like_credentials().

#include <cstdint>
#include <string_view>

#include "recording/lexer.hpp"

namespace dbguard::recording {

/// A literal that is a name alone: set_config('app.password', …), WHERE key = 'api_key' AND value = …. Words that are also values
/// are none.
bool is_credential_name(std::string_view content);

/// Watches the words of a statement go by.
class CredentialWatch {
  public:
    /// True when this word says that the statement carries a credential.
    bool word(std::string_view spelling);
    /// `word`: the spelling in lower case.
    bool word(std::string_view spelling, std::string_view word);
    /// `"dblink"(…)` is the same function. What U&"…" spells with escapes is not read: it has something to hide.
    bool quoted_word(std::string_view text, const Token& token);
    /// True when a parenthesis behind the last word makes it a call that takes a credential.
    bool opens_parenthesis() const;
    void other() {
        before_ = Verb::none;
        previous_ = {};
    }
    void end_statement() { *this = {}; }

  private:
    /// What the last words say of the next one.
    enum class Verb : std::uint8_t { none, makes, makes_user, change };
    Verb verb(std::string_view word) const;

    std::string_view previous_;
    Verb before_ = Verb::none;
    bool copy_ = false;
};

/// Whether a statement's text, or a literal in it with what is nested inside, carries one.
bool carries_credentials(std::string_view text, const Lexis& lexis, int nesting = 0);
bool literal_carries_credentials(std::string_view text, const Token& token, const Lexis& lexis, int nesting = 0);

/// Whether a literal's content, escapes resolved, reads like it carries a credential: `password=…`, `"pwd": …`, a URL with
/// `user:password@`.
bool reads_like_credentials(std::string_view content);

}  // namespace dbguard::recording
