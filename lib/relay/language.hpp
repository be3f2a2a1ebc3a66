#pragma once

// What the engine has to know of one kind of database, as data: how its texts are read, what is asked so that names resolve, and
// how values of its types are masked. One instance a protocol (relay/postgres/language.hpp); all else in this room is the same
// for every one.

#include <cstdint>
#include <string>
#include <string_view>

#include "catalogue/questions.hpp"
#include "masking/type.hpp"
#include "policy/policy.hpp"
#include "recording/lexer.hpp"
#include "sql/analyze.hpp"

namespace dbguard::relay {

struct Language {
    policy::Engine engine;
    const sql::Dialect& (*dialect)();
    const catalogue::Questions& (*questions)();
    /// Of texts whose literals are looked for.
    recording::Lexis lexis;
    /// One message's text. `unparsed` where the grammar refuses it or a name does not resolve.
    sql::Analysis (*analyze)(std::string_view text, const sql::Names& names);
    /// Appends the text without its literals to `out`, cleared first; false: in doubt. Two texts of one shape have the same plan
    /// where no literal matters.
    bool (*shape)(std::string_view text, std::string& out);
    /// What a parameter that the server reports means to the engine.
    enum class Parameter : std::uint8_t {
        other,
        names,  ///< names are looked up by it
        user,   ///< who acts
        text,   ///< how texts are read
    };
    Parameter (*parameter)(std::string_view name);
    /// How values of this type are masked; one that every mask turns into NULL where that is not known. `snapshot` may be null.
    masking::Type (*mask_type)(std::uint32_t type, std::int32_t modifier, const catalogue::Snapshot* snapshot);
};

}  // namespace dbguard::relay
