// SQL text of any kind through the lexer and the redactor. Holds: tokens cover the text; what was not parsed keeps no literal;
// a shape keeps none; a statement with credentials keeps no string; the result is never longer than what it says it is.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/encoding.hpp"
#include "recording/redact.hpp"

using namespace dbguard;
using namespace dbguard::recording;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    Lexis lexis = data[0] & 1 ? Lexis::mysql() : Lexis::postgres();
    if (data[0] & 2) lexis.backslash_escapes = !lexis.backslash_escapes;

    Lexer lexer(text, lexis);
    std::size_t at = 0;
    for (Token token = lexer.next(); token.kind != Token::Kind::end; token = lexer.next()) {
        if (token.begin != at || token.end <= at || token.end > text.size()) std::abort();
        at = token.end;
    }
    if (at != text.size()) std::abort();

    static Redactor redactor;
    const std::size_t middle = text.empty() ? 0 : data[1] % text.size() / 2;
    const Replacement ranges[] = {{middle, middle + data[1] % 16, "#"}, {data[1], data[1] + 3u, "#"}};
    for (const Level level : {Level::shape, Level::masked, Level::full}) {
        const auto unparsed = redactor.redact(text, {.level = level, .lexis = lexis, .parsed = false});
        if (unparsed.sql.find_first_of("'\"") != std::string::npos) std::abort();
        if (unparsed.fingerprint.size() != 16) std::abort();

        const auto parsed = redactor.redact(text, {.level = level, .lexis = lexis, .parsed = true}, ranges);
        if (level == Level::shape && parsed.sql.find('\'') != std::string::npos && parsed.sql.find('"') == std::string::npos &&
            parsed.sql.find('`') == std::string::npos)
            std::abort();
        if (!is_valid_utf8(text) && parsed.sql.find('\'') != std::string::npos) std::abort();
        const auto without = redactor.redact(text, {.level = level, .lexis = lexis, .parsed = true});
        if (level == Level::full && !without.credentials && without.dropped_bytes == 0 && without.sql != text) std::abort();
        if (without.sql.size() > 3 * text.size() + 64) std::abort();
    }
    return 0;
}
