// What a release is optimised for: plays statements through the engine and the PostgreSQL adapter, with a server that has nothing to
// say. Built with the compiler's counters (cmake/profile.cmake), it leaves the counts that the release's own code is laid out by.
//
//     training SOURCE_DIR
//
// The statements are those of the analysis' cases, once each, since a new text is rare and dear; and a few of an application, over
// and over with other literals.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/fixture_language.hpp"
#include "policy/load.hpp"
#include "recording/writer.hpp"
#include "relay/engine.hpp"
#include "relay/postgres/adapter.hpp"
#include "wire/postgres/extended_query.hpp"
#include "wire/postgres/frame.hpp"
#include "wire/postgres/result.hpp"
#include "wire/postgres/simple_query.hpp"

using namespace dbguard;
namespace wp = wire::postgres;

namespace {

constexpr const char* policy_text = R"(
dbguard: 1
policy: training
identities:
  local: { issuer: "https://issuer.example", audience: dbguard, claims: { repository_id: "1" } }
databases:
  shop: { engine: postgres }
roles:
  tester:
    for: local
    databases: shop
    login: app
    rules:
      - deny: ddl.drop
      - deny: [write.update, write.delete]
        when: { where: missing }
      - allow: [read, write, tx, session, call, ddl]
    masks: pii
masks:
  pii:
    columns:
      - { column: "public.customers.email", with: email }
      - { column: "public.customers.phone", with: redact }
      - { column: "public.customers.ssn", with: last(4) }
    filter: equality
)";

/// `#` is another number each time; `@`, in names, in every second round: then the shape is new.
constexpr const char* application[] = {
    "SELECT id, name AS name@, joined FROM customers WHERE id = #",
    "SELECT c@.id, c@.email, c@.name, o@.total FROM customers c@ JOIN orders o@ ON o@.customer_id = c@.id WHERE o@.id = # ORDER BY o@.placed DESC LIMIT 20",
    "SELECT count(*), sum(o@.total) FROM orders o@ WHERE o@.customer_id IN (#, 2, 3) AND o@.placed >= '2026-01-01' AND o@.note <> 'x#'",
    "SELECT c@.name, count(o@.id) AS n FROM customers c@ LEFT JOIN orders o@ ON o@.customer_id = c@.id WHERE c@.vip AND o@.total > # GROUP BY c@.name HAVING count(o@.id) > 2",
    "SELECT c@.id, (SELECT max(o@.placed) FROM orders o@ WHERE o@.customer_id = c@.id) AS last FROM customers c@ WHERE c@.id BETWEEN # AND 9999 AND EXISTS (SELECT 1 FROM orders o@ WHERE o@.customer_id = c@.id AND o@.total > 31)",
    "SELECT * FROM (SELECT 'customers' AS source, id FROM customers WHERE id = # UNION ALL SELECT 'plain' AS source, id FROM plain WHERE id = #) AS both@ ORDER BY id",
    "SELECT p@.a, q@.b AS other FROM plain p@ JOIN plain q@ ON q@.id = p@.n WHERE p@.id < # AND p@.a ILIKE 'dept %' ORDER BY p@.id LIMIT 30",
    "SELECT id, total, rank() OVER (PARTITION BY customer_id ORDER BY total DESC) AS r@ FROM orders WHERE placed > now() - interval '1 day' AND id > #",
    "SELECT * FROM orders o@ WHERE o@.id = # AND o@.note IS NOT NULL ORDER BY o@.placed DESC LIMIT 20 OFFSET 5 FOR UPDATE",
    "SELECT id, CASE WHEN age > # THEN 'old' ELSE 'young' END AS how@, coalesce(name, '-'), total::text FROM customers JOIN orders USING (id) WHERE name LIKE 'A%' OR vip IS NOT NULL",
    "WITH recent@ AS (SELECT customer_id, max(placed) AS last FROM orders WHERE total > # GROUP BY customer_id) SELECT c.id, r.last FROM customers c JOIN recent@ r ON r.customer_id = c.id",
    "SELECT c@.* FROM contacts c@ WHERE c@.id = #",
    "SELECT 1",
    "INSERT INTO orders (customer_id, total, note, placed) VALUES (#, 12.50, 'a note of some words', now()), (#, 7, NULL, '2026-05-01') RETURNING id AS id@",
    "INSERT INTO plain AS p@ (id, a, b, n) VALUES (#, 'one', 'two', 3) ON CONFLICT (id) DO UPDATE SET a = excluded.a, n = p@.n + 1",
    "UPDATE orders AS o@ SET note = 'paid', total = o@.total + 1 WHERE o@.id = # AND o@.note <> 'cancelled'",
    "UPDATE customers AS c@ SET name = 'Ann', age = 30 WHERE c@.id = # AND c@.joined < '2026-05-01'",
    "DELETE FROM orders AS o@ WHERE o@.id = #",
    "BEGIN",
    "COMMIT",
};
constexpr int rounds = 400;

/// A statement of that round.
std::string filled(const char* form, int round) {
    std::string text;
    for (const char* at = form; *at != '\0'; ++at) {
        if (*at == '#')
            text += std::to_string(round * 37 + 1);
        else if (*at == '@')
            text += round % 2 == 1 ? std::to_string(round) : "";
        else
            text += *at;
    }
    return text;
}

/// A query with rows, of which each has these columns' values.
struct Shown {
    const char* text;
    const char* relation;
    std::vector<std::pair<const char*, const char*>> columns;
};
const Shown results[] = {
    {"SELECT id, email, phone, name, joined FROM customers", "customers",
     {{"id", "4711"}, {"email", "ann.miller@example.org"}, {"phone", "+41 44 123 45 67"}, {"name", "Ann Miller"}, {"joined", "2026-05-01"}}},
    {"SELECT id, customer_id, total, note, placed FROM orders", "orders",
     {{"id", "18"}, {"customer_id", "4711"}, {"total", "12.50"}, {"note", "a note of some words"}, {"placed", "2026-05-01 12:00:00+00"}}},
    {"SELECT email FROM customers", "customers", {{"email", "ann.miller@example.org"}}},
    {"SELECT 1", nullptr, {{"?column?", "1"}}},
};
constexpr int rows = 2000;   // of each

std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + path.string());
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// The statements of a file of cases: what stands between `[name]` and `----`.
void add_cases(const std::filesystem::path& path, std::vector<std::string>& out) {
    std::istringstream in(read_file(path));
    bool statement = false;
    std::string text;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("[") && line.ends_with("]") && !statement) {
            statement = true;
            text.clear();
        } else if (line == "----") {
            if (statement && !text.empty()) out.push_back(text);
            statement = false;
        } else if (statement) {
            text += (text.empty() ? "" : "\n") + line;
        }
    }
}

struct NoSink : recording::Sink {
    Result<void> write(std::string_view) override { return {}; }
    Result<void> sync() override { return {}; }
    Result<void> check() override { return {}; }
    Result<void> close() override { return {}; }
};

class Conversation {
  public:
    explicit Conversation(relay::Engine& engine) : session_(engine.session()), adapter_(*session_, limits_) {
        for (const auto& [name, value] : {std::pair{"client_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"}, {"standard_conforming_strings", "on"}, {"TimeZone", "UTC"}})
            session_->parameter(name, value);
    }

    void query(std::string_view text) {
        put(wp::QueryView{text});
        go();
    }
    /// A Query that is answered with this.
    void query(std::string_view text, const std::string& result) {
        result_ = &result;
        query(text);
        result_ = nullptr;
    }
    void extended(std::string_view text) {
        put(wp::ParseView{{}, text, {}});
        put(wp::BindView{});
        put(wp::ExecuteView{});
        put(wp::Sync{});
        go();
    }
    bool ended() const { return adapter_.ended(); }

  private:
    template <typename Message>
    void put(const Message& message) {
        ByteWriter writer(client_);
        if (!wp::encode(message, writer)) throw std::runtime_error("a message cannot be encoded");
    }
    static void answer(char type, std::string_view body, std::string& out) {
        ByteWriter writer(out);
        const auto at = wp::begin_frame(type, writer);
        writer.bytes(body);
        wp::end_frame(at, writer);
    }
    /// The client's messages to the end, with the server's answers.
    void go() {
        adapter_.from_client(client_, relay::Session::Clock::now(), output_);
        std::string answers;
        for (;;) {
            // What goes out is borrowed of what came in.
            const std::string sent = output_.to_server.text();
            output_.clear();
            answers.clear();
            if (sent.empty()) break;
            for (std::string_view rest = sent; !rest.empty();) {
                wp::FrameHeader header;
                if (wp::decode_header(rest, wp::Sender::frontend, header) != wp::HeaderState::whole) throw std::runtime_error("half a message");
                rest.remove_prefix(header.frame_bytes());
                switch (header.type) {
                    case 'P': answer('1', {}, answers); break;
                    case 'B': answer('2', {}, answers); break;
                    case 'C': answer('3', {}, answers); break;
                    case 'D': answer('n', {}, answers); break;
                    case 'E': answer('C', {"SELECT 0\0", 9}, answers); break;
                    case 'S': answer('Z', "I", answers); break;
                    case 'Q':
                        if (result_ != nullptr) answers += *result_;
                        answer('C', {"SELECT 0\0", 9}, answers);
                        answer('Z', "I", answers);
                        break;
                    default: break;
                }
            }
            adapter_.from_server(answers, relay::Session::Clock::now(), output_);
        }
        client_.clear();
    }

    const std::string* result_ = nullptr;
    relay::postgres::AdapterLimits limits_;
    std::unique_ptr<relay::Session> session_;
    relay::postgres::Adapter adapter_;
    relay::postgres::Output output_;
    std::string client_;
};

/// RowDescription and rows, as many messages at once as a socket would give.
std::string result_of(const Shown& shown) {
    std::vector<wp::Column> columns;
    std::vector<wp::ValueView> values;
    const catalogue::Relation* relation = shown.relation == nullptr ? nullptr : relay::postgres::fixture_schema()->relation("public", shown.relation);
    for (const auto& [name, value] : shown.columns) {
        wp::Column column{name, 0, 0, 25, -1, -1, 0};
        if (relation != nullptr) {
            const auto* known = relation->column(name);
            if (known == nullptr) throw std::runtime_error(std::string("no column ") + name);
            column.relation = relation->id;
            column.number = known->number;
            const auto* type = relay::postgres::fixture_schema()->type(known->type);
            column.type = type != nullptr && type->kind == catalogue::TypeKind::domain ? type->base : known->type;
        }
        columns.push_back(column);
        values.emplace_back(value);
    }
    std::string out;
    ByteWriter writer(out);
    if (!wp::encode_row_description(columns, writer)) throw std::runtime_error("no row description");
    for (int i = 0; i < rows; ++i)
        if (!wp::encode_data_row(values, writer)) throw std::runtime_error("no row");
    return out;
}

int train(const std::filesystem::path& source) {
    const auto folder = source / "tests/sql/postgres/cases";
    auto loaded = policy::load(policy_text, "training.yaml");
    if (!loaded.policy) {
        for (const auto& problem : loaded.problems) std::fprintf(stderr, "%s\n", policy::text(problem).c_str());
        return 1;
    }
    auto made = sql::postgres::catalogue_of_ddl(read_file(folder / "shop.sql"));
    if (!made) throw std::runtime_error(made.error().text());
    relay::postgres::fixture_schema() = *made;

    recording::Head head;
    head.session = "s_1";
    auto writer = recording::Writer::onto(std::make_unique<NoSink>(), head);
    if (!writer) throw std::runtime_error(writer.error().text());
    relay::EngineOptions options;
    options.language = &relay::postgres::fixture_language();
    options.policy = std::make_shared<const policy::Policy>(std::move(*loaded.policy));
    options.role = "tester";
    options.session = "s_1";
    options.recording = std::move(*writer);
    const auto engine = relay::make_engine(std::move(options));

    std::vector<std::string> cases;
    for (const auto& file : std::filesystem::directory_iterator(folder))
        if (file.path().extension() == ".txt") add_cases(file.path(), cases);
    auto talk = std::make_unique<Conversation>(*engine);
    const auto renewed = [&] {
        if (talk->ended()) talk = std::make_unique<Conversation>(*engine);
    };
    std::size_t played = 0;
    for (const std::string& text : cases) {
        renewed();
        talk->query(text);
        ++played;
    }
    for (int round = 0; round < rounds; ++round)
        for (const char* form : application) {
            renewed();
            const std::string text = filled(form, round);
            if (round % 4 == 0)
                talk->extended(text);
            else
                talk->query(text);
            ++played;
        }
    for (const Shown& shown : results) {
        const std::string result = result_of(shown);
        for (int round = 0; round < 20; ++round) {
            renewed();
            talk->query(shown.text, result);
            ++played;
        }
    }
    if (talk->ended() || engine->statistics().rows != std::size_t{20} * rows * std::size(results)) throw std::runtime_error("rows did not go through");
    std::printf("%zu statements, %zu of them cases\n", played, cases.size());
    return cases.empty() || engine->statistics().statements == 0 ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: training SOURCE_DIR\n");
        return 2;
    }
    try {
        return train(arguments[1]);
    } catch (const std::exception& failed) {
        std::fprintf(stderr, "training: %s\n", failed.what());
        return 1;
    }
}
