#pragma once

// PostgreSQL's own node headers, as libpg_query ships them. Private to this room: include it last, for the headers replace
// printf and others by macros. libpg_query: pg_query_internal.h gives the tree as the grammar built it, not serialised.

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
