// libpqxx: transactions, prepared statements, pipelines, cursors, streams, notifications, large values.
#include <iostream>
#include <pqxx/pqxx>
#include <pqxx/stream_to>
#include <pqxx/cursor>

template <typename F> void attempt(const char* name, F work) {
    try { work(); } catch (const pqxx::sql_error& e) { std::cout << name << " sql_error " << std::string(e.what()).substr(0, std::string(e.what()).find('\n')) << "\n"; } catch (const std::exception& e) { std::cout << name << " " << e.what() << "\n"; }
}
struct Heard : pqxx::notification_receiver {
    using notification_receiver::notification_receiver;
    void operator()(const std::string& payload, int) override { std::cout << "heard " << payload << "\n"; }
};
int main() {
    pqxx::connection c{""};
    std::cout << "server " << (c.server_version() > 100000) << " encoding " << c.get_client_encoding() << "\n";
    {
        pqxx::work w{c};
        for (auto row : w.exec("select id, title, price, tags, made from product where id < 4 order by id")) std::cout << row[0].as<int>() << " " << row["title"].c_str() << " " << row[2].c_str() << " " << row[3].c_str() << "\n";
        std::cout << "param " << w.exec_params("select count(*) from orders where total > $1 and state = $2", 10, "paid")[0][0].as<int>() << "\n";
        std::cout << "one " << w.exec1("select name from customer where id = 3")[0].c_str() << " " << w.exec_params1("select id from customer where email is null and id = $1", 5)[0].as<int>() << "\n";
        auto r = w.exec("select p.id, l.n from product p join line l on l.product_id = p.id limit 1");
        std::cout << "columns " << r.column_name(0) << " " << r.column_type(0) << " " << (r.column_table(0) > 0) << " " << r.table_column(0) << "\n";
        std::cout << "insert " << w.exec0("insert into crm.contact(id, note) values (11, " + w.quote("it's") + ")").affected_rows() << "\n";
        w.commit();
    }
    c.prepare("by_id", "select title from product where id = $1");
    { pqxx::nontransaction n{c}; for (int i = 1; i < 4; ++i) std::cout << n.exec_prepared1("by_id", i)[0].c_str() << "\n"; }
    attempt("unique", [&] { pqxx::work w{c}; w.exec("insert into crm.contact(id) values (11)"); });
    attempt("missing", [&] { pqxx::work w{c}; w.exec("select nothing from product"); });
    { pqxx::work w{c}; try { pqxx::subtransaction s{w, "sub"}; s.exec("selec 1"); } catch (const pqxx::sql_error&) {} std::cout << "after " << w.exec1("select 1")[0].c_str() << "\n"; w.commit(); }
    { pqxx::work w{c}; pqxx::stream_to s{w, "log", std::vector<std::string>{"day", "text"}}; s << std::make_tuple("2024-03-03", "x") << std::make_tuple("2024-03-04", "y"); s.complete(); w.commit(); }
    { pqxx::work w{c}; pqxx::stateless_cursor<pqxx::cursor_base::read_only, pqxx::cursor_base::owned> cursor{w, "select id from product order by id", "list", false}; std::cout << "size " << cursor.size() << " third " << cursor.retrieve(2, 3)[0][0].c_str() << "\n"; }
    { pqxx::work w{c}; pqxx::icursorstream in{w, "select id, title from product order by id", "many", 7}; pqxx::result r; int rows = 0; while (in >> r) rows += r.size(); std::cout << "rows " << rows << "\n"; }
    { pqxx::work w{c}; pqxx::pipeline p{w}; p.retain(3); auto a = p.insert("select 1"), b = p.insert("select count(*) from customer"); std::cout << "pipeline " << p.retrieve(b)[0][0].c_str() << p.retrieve(a)[0][0].c_str() << "\n"; p.complete(); }
    Heard heard{c, "pqxx"};
    { pqxx::work w{c}; w.exec("notify pqxx, 'hello'"); w.commit(); }
    c.await_notification(5, 0);
    { pqxx::transaction<pqxx::serializable, pqxx::read_only> t{c}; std::cout << "isolation " << t.exec1("show transaction_isolation")[0].c_str() << "\n"; }
    std::cout << "done\n";
}
