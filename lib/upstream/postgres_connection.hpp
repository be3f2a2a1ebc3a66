#pragma once

// A small blocking client for dbguard's own questions: making roles, reading the catalogue, doctor, tests. Results are held in
// memory as text. Not for the clients' traffic.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "upstream/postgres_connector.hpp"

namespace dbguard::upstream {

namespace errc {
inline constexpr std::string_view server_error =
    "server_error";  ///< detail: SQLSTATE; fields in last_error()
inline constexpr std::string_view result_too_large = "result_too_large";
inline constexpr std::string_view copy_not_supported = "copy_not_supported";
inline constexpr std::string_view broken_connection =
    "broken_connection";  ///< an earlier call failed half-way
}  // namespace errc

struct QueryResult {
    std::vector<std::string> columns;
    std::vector<std::vector<std::optional<std::string>>> rows;  ///< text format
    std::string tag;  ///< of the last statement; empty for an empty query
};

class PostgresConnection {
  public:
    /// Connects and logs in with the target's startup parameters.
    static Result<PostgresConnection> connect(PostgresConnector& connector, Deadline deadline);
    /// The same from a URL and the environment, for one-off use. Errors: also bad_url, bad_option.
    static Result<PostgresConnection> connect(
        std::string_view url, const Environment& environment, Deadline deadline
    );

    PostgresConnection(PostgresConnection&&) = default;
    PostgresConnection& operator=(PostgresConnection&&) = default;
    /// Sends Terminate as far as that needs no waiting, and closes.
    ~PostgresConnection();

    /// One or more statements by the simple protocol; the result is the last one that has rows, else the last one.
    /// Errors: server_error (the connection stays usable), timeout, connection_lost, result_too_large, copy_not_supported (these
    /// break the connection), broken_connection.
    Result<QueryResult> query(std::string_view sql, Deadline deadline);
    /// One statement by the extended protocol; parameters as text, their types inferred by the server.
    Result<QueryResult> query(
        std::string_view sql,
        std::span<const std::optional<std::string_view>> parameters,
        Deadline deadline
    );

    /// The fields of the last server_error; empty when there was none.
    const std::optional<wire::postgres::ErrorFields>& last_error() const { return last_error_; }
    const PostgresSession& session() const { return session_; }
    bool usable() const { return stream_.fd && !broken_; }
    /// In rows and notices; beyond it: result_too_large. Default 64 MiB.
    void set_max_result_bytes(std::size_t bytes) { max_result_bytes_ = bytes; }

  private:
    explicit PostgresConnection(OpenSession open);
    Result<QueryResult> run(std::string_view request, Deadline deadline);
    Result<QueryResult> answer(Deadline deadline);
    Result<wire::postgres::FrameView> next_frame(Deadline deadline);

    ServerStream stream_;
    PostgresSession session_;
    wire::postgres::FrameReader reader_;
    std::optional<wire::postgres::ErrorFields> last_error_;
    std::size_t max_result_bytes_ = 64 * 1024 * 1024;
    bool broken_ = false;
};

}  // namespace dbguard::upstream
