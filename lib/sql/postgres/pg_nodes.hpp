#pragma once

// PostgreSQL's own node headers, as libpg_query ships them. Private to this room: include it last, for the headers replace
// printf and others by macros. libpg_query: pg_query_internal.h gives the tree as the grammar built it, not serialised.

#include <string>

extern "C" {
#include <postgres.h>
// Keep this order: the nodes build on postgres.h.
#include <nodes/parsenodes.h>
#include <nodes/pg_list.h>
#include <pg_query.h>
#include <pg_query_internal.h>
}

#undef printf
#undef fprintf
#undef snprintf
#undef vsnprintf
#undef sprintf
#undef strerror

namespace dbguard::sql::postgres {

/// The caller has looked at its tag.
template <class T>
const T* as(const void* node) {
    return static_cast<const T*>(node);
}

/// `f(const Node*)` of each; of NIL of none.
template <class F>
void each(const List* list, F&& f) {
    for (int i = 0; i < list_length(list); ++i) f(static_cast<const Node*>(list_nth(list, i)));
}

inline std::string text_of(const char* text) { return text == nullptr ? std::string() : std::string(text); }
/// A byte position; 0 where the grammar gives none.
inline std::uint32_t at(int location) { return location < 0 ? 0 : static_cast<std::uint32_t>(location); }

}  // namespace dbguard::sql::postgres
