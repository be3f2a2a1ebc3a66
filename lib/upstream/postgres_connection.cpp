#include "upstream/postgres_connection.hpp"

#include "wire/postgres/extended_query.hpp"
#include "wire/postgres/parameter.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::upstream {
namespace {

constexpr std::size_t read_bytes = 64 * 1024;

/// What a result costs in memory beside its bytes, so that a million NULLs counts, too.
constexpr std::size_t field_overhead_bytes = 32;

}  // namespace

PostgresConnection::PostgresConnection(OpenSession open)
    : stream_(std::move(open.stream)),
      session_(std::move(open.session)),
      reader_(wire::postgres::Sender::backend) {
    reader_.feed(open.leftover);
}

PostgresConnection::~PostgresConnection() {
    if (!stream_.fd) return;
    std::string goodbye;
    ByteWriter writer(goodbye);
    (void)encode(wire::postgres::Terminate{}, writer);
    // The deadline has passed already: what cannot be sent at once is not sent.
    if (!broken_) (void)stream_.write(goodbye, Deadline{});
    stream_.close();
}

Result<PostgresConnection> PostgresConnection::connect(
    PostgresConnector& connector, Deadline deadline
) {
    auto open = connector.connect(
        connector.target().startup_parameters, wire::postgres::protocol_3_0, deadline
    );
    if (!open) return open.error();
    return PostgresConnection(std::move(*open));
}

Result<PostgresConnection> PostgresConnection::connect(
    std::string_view url, const Environment& environment, Deadline deadline
) {
    const auto parsed = parse_database_url(url);
    if (!parsed) return parsed.error();
    auto target = postgres_target(*parsed, environment);
    if (!target) return target.error();
    const auto home = environment ? environment("HOME").value_or("") : "";
    auto connector = PostgresConnector::make(
        std::move(*target), find_password(*parsed, environment).password, home
    );
    if (!connector) return connector.error();
    return connect(**connector, deadline);
}

Result<QueryResult> PostgresConnection::query(std::string_view sql, Deadline deadline) {
    std::string request;
    ByteWriter writer(request);
    if (const auto ok = encode(wire::postgres::QueryView{sql}, writer); !ok) return ok.error();
    return run(request, deadline);
}

Result<QueryResult> PostgresConnection::query(
    std::string_view sql,
    std::span<const std::optional<std::string_view>> parameters,
    Deadline deadline
) {
    using namespace wire::postgres;
    std::string request;
    ByteWriter writer(request);
    if (const auto ok = encode(ParseView{{}, sql, {}}, writer); !ok) return ok.error();
    if (const auto ok = encode_bind({}, {}, {}, parameters, {}, writer); !ok) return ok.error();
    if (const auto ok = encode(DescribeView{Target::portal, {}}, writer); !ok) return ok.error();
    if (const auto ok = encode(ExecuteView{{}, 0}, writer); !ok) return ok.error();
    if (const auto ok = encode(Sync{}, writer); !ok) return ok.error();
    return run(request, deadline);
}

Result<QueryResult> PostgresConnection::run(std::string_view request, Deadline deadline) {
    if (!usable()) return Error{errc::broken_connection, ""};
    // Until ReadyForQuery is seen, nobody knows what the next bytes belong to.
    broken_ = true;
    last_error_.reset();
    if (const auto ok = stream_.write(request, deadline); !ok) return ok.error();
    auto result = answer(deadline);
    if (result || result.error().code == errc::server_error) broken_ = false;
    return result;
}

Result<wire::postgres::FrameView> PostgresConnection::next_frame(Deadline deadline) {
    while (true) {
        const auto frame = reader_.next();
        if (!frame) return frame.error();
        if (*frame) return **frame;
        if (reader_.buffered_bytes() > max_result_bytes_) return Error{errc::result_too_large, ""};
        std::string bytes;
        if (const auto ok = stream_.read(bytes, read_bytes, deadline); !ok) return ok.error();
        reader_.feed(bytes);
    }
}

/// Up to ReadyForQuery.
Result<QueryResult> PostgresConnection::answer(Deadline deadline) {
    using namespace wire::postgres;
    QueryResult last;  // the statement that runs now
    QueryResult kept;  // the last one that had rows
    bool have_rows = false;
    std::size_t bytes = 0;
    while (true) {
        const auto frame = next_frame(deadline);
        if (!frame) return frame.error();
        switch (frame->type) {
            case 'T': {
                const auto columns = decode_row_description(frame->body);
                if (!columns) return columns.error();
                last = {};
                for (const auto column : *columns) last.columns.emplace_back(column.name);
                break;
            }
            case 'D': {
                const auto row = decode_data_row(frame->body);
                if (!row) return row.error();
                bytes += frame->body.size() + field_overhead_bytes * (row->values.size() + 1);
                if (bytes > max_result_bytes_) return Error{errc::result_too_large, ""};
                auto& fields = last.rows.emplace_back();
                fields.reserve(row->values.size());
                for (const auto value : row->values)
                    fields.push_back(value ? std::optional<std::string>(*value) : std::nullopt);
                break;
            }
            case 'C': {
                const auto complete = decode_command_complete(frame->body);
                if (!complete) return complete.error();
                last.tag = complete->tag;
                if (!last.columns.empty() || !last.rows.empty()) {
                    kept = std::move(last);
                    have_rows = true;
                    last = {};
                    last.tag = kept.tag;
                }
                break;
            }
            case 'E': {
                const auto error = decode_error_response(frame->body);
                if (!error) return error.error();
                last_error_ = ErrorFields(error->fields);
                break;
            }
            case 'S': {
                const auto status = decode_parameter_status(frame->body);
                if (!status) return status.error();
                for (auto& [name, value] : session_.parameters)
                    if (name == status->name) value = status->value;
                break;
            }
            case 'Z': {
                const auto ready = decode_ready_for_query(frame->body);
                if (!ready) return ready.error();
                session_.status = ready->status;
                if (last_error_)
                    return Error{errc::server_error, std::string(last_error_->sqlstate())};
                if (have_rows) return kept;
                return last;
            }
            case 'G':
            case 'H':
            case 'W':
                return Error{errc::copy_not_supported, ""};
            // Nothing that a question of ours has to know.
            case '1':
            case '2':
            case '3':
            case 'n':
            case 's':
            case 't':
            case 'I':
            case 'N':
            case 'A':
                break;
            default:
                return Error{
                    errc::unexpected_message, std::string("'") + frame->type + "' in an answer"};
        }
    }
}

}  // namespace dbguard::upstream
