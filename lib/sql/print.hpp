#pragma once

// An analysis as text, a line a fact: what `policy explain` and the tests show. Stable: the same analysis under the same
// catalogue gives the same bytes.
//
//   read.table public.customers(email,id)
//     email <- public.customers.email
//     upper <- public.customers.email(transformed)
//     filter public.customers.id equality

#include <string>

#include "catalogue/snapshot.hpp"
#include "sql/statement.hpp"

namespace dbguard::sql {

/// `existence`, `aggregated`, `transformed`, `identity`.
std::string_view name(Flow flow);
std::string_view name(StatementKind kind);

/// `public.customers.profile->tax->tin`; a column the catalogue has not got is `relation 17.3`. `snapshot` may be null.
std::string column_text(const Source& source, const catalogue::Snapshot* snapshot);
/// The same with how it flows, unless as it is: `public.customers.email(transformed)`.
std::string print(const Source& source, const catalogue::Snapshot* snapshot);
/// `read.table public.customers(email,id) limit=no`
std::string print(const Effect& effect);
/// Lines, each ended by a newline.
std::string print(const Statement& statement, const catalogue::Snapshot* snapshot);
std::string print(const Analysis& analysis, const catalogue::Snapshot* snapshot);

}  // namespace dbguard::sql
