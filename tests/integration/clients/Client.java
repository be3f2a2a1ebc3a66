// PostgreSQL's JDBC driver through dbguard: `java Client JDBC-URL`. One line a case: "ok NAME" or "FAIL NAME: why".
// `java Client JDBC-URL metadata` prints what DatabaseMetaData says, to be compared with what it says without the guard.
import java.sql.*;
import java.util.*;

public class Client {
    interface Case { void run(Connection c) throws Exception; }
    static final Map<String, Case> cases = new LinkedHashMap<>();
    static String url;

    static void equal(Object got, Object wanted) {
        if (!Objects.equals(got, wanted)) throw new AssertionError("got " + got + ", not " + wanted);
    }

    static void state(String wanted, Case work, Connection c) throws Exception {
        try {
            work.run(c);
        } catch (SQLException e) {
            equal(e.getSQLState(), wanted);
            return;
        }
        throw new AssertionError("no error, not " + wanted);
    }

    /** Every row of the first columns, as the driver's text. */
    static List<List<String>> rows(ResultSet r, int columns) throws SQLException {
        List<List<String>> all = new ArrayList<>();
        while (r.next()) {
            List<String> row = new ArrayList<>();
            for (int i = 1; i <= columns; i++) row.add(r.getString(i));
            all.add(row);
        }
        return all;
    }

    static String one(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            r.next();
            return r.getString(1);
        }
    }

    static final String DERIVED = "select upper(email) from people where id = ?";

    static {
        cases.put("a statement: masked, unmasked", c -> {
            try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("select id, email, phone, name from people where id < 3 order by id")) {
                equal(rows(r, 4), List.of(List.of("1", "a***@e***.com", "***-***-4567", "Ann"), List.of("2", "b***@f***.org", "***-***-6543", "Bob")));
            }
        });
        cases.put("a prepared statement past its threshold", c -> {
            // From the fifth execution on the driver names the statement and asks for binary results of the types it knows.
            try (PreparedStatement p = c.prepareStatement("select email, phone, name, id, amount, born, at from people where id = ?")) {
                boolean named = false;
                for (int i = 0; i < 12; i++) {
                    p.setInt(1, 1 + i % 2);
                    try (ResultSet r = p.executeQuery()) {
                        r.next();
                        equal(r.getString(1), i % 2 == 0 ? "a***@e***.com" : "b***@f***.org");
                        equal(r.getString(2), i % 2 == 0 ? "***-***-4567" : "***-***-6543");
                        equal(r.getString(3), i % 2 == 0 ? "Ann" : "Bob");
                        equal(r.getInt(4), 1 + i % 2);
                        equal(r.getInt(5), 0); // masked with zero
                        equal(r.getDate(6).toString(), i % 2 == 0 ? "1980-01-01" : "1990-01-01"); // masked with date(year)
                        equal(r.getTimestamp(7).toInstant().toString(), "2024-01-02T03:04:05.678901Z");
                    }
                    named = p.unwrap(org.postgresql.PGStatement.class).isUseServerPrepare();
                }
                equal(named, true);
            }
        });
        cases.put("binary from the first execution", c -> {
            c.unwrap(org.postgresql.PGConnection.class).setPrepareThreshold(-1);
            try (PreparedStatement p = c.prepareStatement("select amount, born, email, id from people where id = ?")) {
                p.setInt(1, 1);
                for (int i = 0; i < 3; i++)
                    try (ResultSet r = p.executeQuery()) {
                        equal(rows(r, 4), List.of(List.of("0", "1980-01-01", "a***@e***.com", "1")));
                    }
            }
        });
        cases.put("simple query mode", c -> {
            try (Connection simple = DriverManager.getConnection(url + "&preferQueryMode=simple");
                 PreparedStatement p = simple.prepareStatement("select email from people where id = ?")) {
                p.setInt(1, 2);
                try (ResultSet r = p.executeQuery()) {
                    equal(rows(r, 1), List.of(List.of("b***@f***.org")));
                }
                state("42501", x -> one(x, "select upper(email) from people"), simple);
                equal(one(simple, "select 1"), "1");
            }
        });
        cases.put("a cursor by fetch size in a transaction", c -> {
            c.setAutoCommit(false);
            try (PreparedStatement p = c.prepareStatement("select g, email from generate_series(1, 100) g, people where people.id = 1 order by g")) {
                p.setFetchSize(7);
                int n = 0;
                try (ResultSet r = p.executeQuery()) {
                    while (r.next()) {
                        equal(r.getInt(1), ++n);
                        equal(r.getString(2), "a***@e***.com");
                    }
                }
                equal(n, 100);
                try (ResultSet r = p.executeQuery()) { // left in the middle
                    r.next();
                }
            }
            c.commit();
        });
        cases.put("two cursors side by side", c -> {
            c.setAutoCommit(false);
            try (PreparedStatement p = c.prepareStatement("select g from generate_series(1, 20) g order by 1");
                 PreparedStatement q = c.prepareStatement("select email from people, generate_series(1, 10) order by id")) {
                p.setFetchSize(3);
                q.setFetchSize(4);
                try (ResultSet a = p.executeQuery(); ResultSet b = q.executeQuery()) {
                    for (int i = 1; i <= 20; i++) {
                        a.next();
                        b.next();
                        equal(a.getInt(1), i);
                        equal(b.getString(1), i <= 10 ? "a***@e***.com" : "b***@f***.org");
                    }
                }
            }
            c.commit();
        });
        cases.put("a batch insert and generated keys", c -> {
            c.setAutoCommit(false);
            try (PreparedStatement p = c.prepareStatement("insert into notes(body) values (?)", Statement.RETURN_GENERATED_KEYS)) {
                for (int i = 0; i < 50; i++) {
                    p.setString(1, "jdbc " + i);
                    p.addBatch();
                }
                equal(p.executeBatch().length, 50);
                try (ResultSet keys = p.getGeneratedKeys()) {
                    Set<Long> ids = new HashSet<>();
                    while (keys.next()) ids.add(keys.getLong("id"));
                    equal(ids.size(), 50);
                }
            }
            c.commit();
            equal(one(c, "select count(*) from notes where body like 'jdbc %'"), "50");
            try (PreparedStatement p = c.prepareStatement("insert into notes(body) values (?)", new String[] {"id"})) {
                p.setString(1, "one key");
                equal(p.executeUpdate(), 1);
                try (ResultSet keys = p.getGeneratedKeys()) {
                    equal(keys.next() && keys.getLong(1) > 0, true);
                }
            }
            c.commit();
        });
        cases.put("a rewritten batch", c -> {
            try (Connection w = DriverManager.getConnection(url + "&reWriteBatchedInserts=true");
                 PreparedStatement p = w.prepareStatement("insert into notes(body) values (?)")) {
                for (int i = 0; i < 37; i++) {
                    p.setString(1, "rewritten " + i);
                    p.addBatch();
                }
                p.executeBatch();
                equal(one(w, "select count(*) from notes where body like 'rewritten %'"), "37");
            }
        });
        cases.put("a batch with a refused statement", c -> {
            c.setAutoCommit(false);
            try (Statement s = c.createStatement()) {
                s.addBatch("insert into notes(body) values ('batch undone')");
                s.addBatch("delete from forbidden");
                s.addBatch("insert into notes(body) values ('batch undone')");
                state("42501", x -> s.executeBatch(), c);
            }
            c.rollback();
            equal(one(c, "select count(*) from notes where body = 'batch undone'"), "0");
            c.commit();
        });
        cases.put("an updatable result set", c -> {
            try (Statement w = c.createStatement(ResultSet.TYPE_SCROLL_SENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                w.execute("insert into notes(body) values ('to update')");
                try (ResultSet r = w.executeQuery("select id, body from notes where body = 'to update'")) {
                    r.next();
                    r.updateString("body", "updated");
                    r.updateRow();
                }
            }
            equal(one(c, "select count(*) from notes where body = 'updated'"), "1");
        });
        cases.put("metadata", c -> {
            DatabaseMetaData m = c.getMetaData();
            Set<String> tables = new HashSet<>();
            try (ResultSet r = m.getTables(null, "public", "%", new String[] {"TABLE"})) {
                while (r.next()) tables.add(r.getString("TABLE_NAME"));
            }
            equal(tables.containsAll(Set.of("people", "notes")), true);
            List<String> columns = new ArrayList<>();
            try (ResultSet r = m.getColumns(null, "public", "people", "%")) {
                while (r.next()) columns.add(r.getString("COLUMN_NAME") + ":" + r.getString("TYPE_NAME"));
            }
            equal(columns, List.of("id:int4", "email:text", "phone:text", "name:text", "amount:int4", "born:date", "at:timestamptz"));
            try (ResultSet r = m.getPrimaryKeys(null, "public", "people")) {
                r.next();
                equal(r.getString("COLUMN_NAME"), "id");
            }
            try (ResultSet r = m.getIndexInfo(null, "public", "people", true, false)) {
                equal(r.next(), true);
            }
            try (ResultSet r = m.getImportedKeys(null, "plain", "line")) {
                r.next();
                equal(r.getString("PKTABLE_NAME"), "item");
            }
            try (ResultSet r = m.getSchemas()) {
                equal(r.next(), true);
            }
            try (ResultSet r = m.getTypeInfo()) {
                equal(r.next(), true);
            }
            try (ResultSet r = m.getFunctions(null, "plain", "%")) {
                equal(r.next(), true);
            }
            try (PreparedStatement p = c.prepareStatement("select email, id from people where id = ?")) {
                equal(p.getMetaData().getColumnTypeName(1), "text");
                equal(p.getParameterMetaData().getParameterTypeName(1), "int4");
                equal(p.getMetaData().isNullable(2), ResultSetMetaData.columnNoNulls); // asks the catalogue
            }
        });
        cases.put("a derived expression is refused, the connection goes on", c -> {
            for (int i = 0; i < 7; i++) {
                state("42501", x -> {
                    try (PreparedStatement p = x.prepareStatement(DERIVED)) {
                        p.setInt(1, 1);
                        p.executeQuery();
                    }
                }, c);
                equal(one(c, "select 1"), "1");
            }
        });
        cases.put("a refusal in a transaction: savepoint and rollback", c -> {
            c.setAutoCommit(false);
            try (Statement s = c.createStatement()) {
                s.executeUpdate("insert into notes(body) values ('jdbc-kept')");
                Savepoint here = c.setSavepoint("here");
                state("42501", x -> one(x, "select upper(email) from people"), c);
                state("25P02", x -> one(x, "select 1"), c);
                c.rollback(here);
                equal(one(c, "select count(*) from notes where body = 'jdbc-kept'"), "1");
                c.commit();
                s.executeUpdate("insert into notes(body) values ('jdbc-undone')");
                state("42501", x -> one(x, "select upper(email) from people"), c);
                c.rollback();
                equal(one(c, "select count(*) from notes where body = 'jdbc-undone'"), "0");
                c.commit();
            }
        });
        cases.put("autosave", c -> {
            try (Connection a = DriverManager.getConnection(url + "&autosave=always")) {
                a.setAutoCommit(false);
                state("42501", x -> one(x, "select upper(email) from people"), a);
                equal(one(a, "select 1"), "1");
                state("42501", x -> one(x, "select upper(email) from people"), a);
                equal(one(a, "select email from people where id = 1"), "a***@e***.com");
                a.commit();
            }
        });
        cases.put("server errors keep their state", c -> {
            state("23505", x -> x.createStatement().execute("insert into people(id) values (1)"), c);
            state("42P01", x -> one(x, "select * from nowhere"), c);
            state("42601", x -> one(x, "selec 1"), c);
            equal(one(c, "select 1"), "1");
        });
        cases.put("the hint of a refusal", c -> {
            try (Statement s = c.createStatement()) {
                s.execute("delete from forbidden");
                throw new AssertionError("no error");
            } catch (org.postgresql.util.PSQLException e) {
                equal(e.getServerErrorMessage().getHint(), "Ask for a migration.");
            }
        });
        cases.put("a query timeout cancels", c -> {
            try (Statement s = c.createStatement()) {
                s.setQueryTimeout(1);
                state("57014", x -> s.executeQuery("select pg_sleep(20)"), c);
            }
            equal(one(c, "select 1"), "1");
        });
        cases.put("copy in and out", c -> {
            var copy = c.unwrap(org.postgresql.PGConnection.class).getCopyAPI();
            equal(copy.copyIn("copy notes(body) from stdin", new java.io.StringReader("jdbc copy\njdbc copy\n")), 2L);
            var out = new java.io.StringWriter();
            copy.copyOut("copy people(id, email) to stdout", out);
            equal(out.toString(), "1\ta***@e***.com\n2\tb***@f***.org\n3\t\\N\n");
        });
    }

    /** A server-prepared statement, executed before and after something that may change what its names mean. */
    static void across(Connection c, String sql, Case change, List<String> wanted) throws Exception {
        c.unwrap(org.postgresql.PGConnection.class).setPrepareThreshold(1);
        try (PreparedStatement p = c.prepareStatement(sql)) {
            for (int i = 0; i < 6; i++) {
                if (i == 3) change.run(c);
                p.setInt(1, 1);
                try (ResultSet r = p.executeQuery()) {
                    equal(rows(r, wanted.size()), List.of(wanted));
                }
            }
        }
    }

    static {
        String sql = "select email, name from people where id = ?";
        List<String> masked = List.of("a***@e***.com", "Ann");
        cases.put("a prepared statement across a change of the schema", c -> across(c, sql, x -> x.createStatement().execute("create temp table later(a int)"), masked));
        cases.put("a prepared statement across a change of a setting", c -> across(c, sql, x -> x.createStatement().execute("set datestyle = 'ISO, MDY'"), masked));
        cases.put("a prepared call of a function", c -> across(c, "select plain.add(2, ?)", x -> {}, List.of("3")));
    }

    static void print(String name, ResultSet r) throws SQLException {
        try (r) {
            for (List<String> row : rows(r, r.getMetaData().getColumnCount())) System.out.println(name + " " + row);
        }
    }

    static void metadata() throws SQLException {
        try (Connection c = DriverManager.getConnection(url)) {
            DatabaseMetaData m = c.getMetaData();
            print("tables", m.getTables(null, null, "%", null));
            print("columns", m.getColumns(null, "plain", "%", "%"));
            print("columns", m.getColumns(null, "public", "%", "%"));
            print("procedures", m.getProcedures(null, "plain", "%"));
            print("procedure columns", m.getProcedureColumns(null, "plain", "%", "%"));
            print("functions", m.getFunctions(null, "plain", "%"));
            print("function columns", m.getFunctionColumns(null, "plain", "%", "%"));
            print("types", m.getTypeInfo());
            print("user types", m.getUDTs(null, "plain", "%", null));
            print("schemas", m.getSchemas());
            print("catalogs", m.getCatalogs());
            print("table types", m.getTableTypes());
            print("exported keys", m.getExportedKeys(null, "plain", "item"));
            print("imported keys", m.getImportedKeys(null, "plain", "line"));
            print("cross reference", m.getCrossReference(null, "plain", "item", null, "plain", "line"));
            print("table privileges", m.getTablePrivileges(null, "plain", "%"));
            print("column privileges", m.getColumnPrivileges(null, "plain", "item", "%"));
            for (String table : List.of("item", "line", "event")) {
                print("primary keys", m.getPrimaryKeys(null, "plain", table));
                print("indexes", m.getIndexInfo(null, "plain", table, false, true));
                print("row identifiers", m.getBestRowIdentifier(null, "plain", table, DatabaseMetaData.bestRowSession, true));
                print("version columns", m.getVersionColumns(null, "plain", table));
            }
            System.out.println(m.getSQLKeywords() + m.getDatabaseProductVersion() + m.getMaxColumnNameLength() + m.getDefaultTransactionIsolation());
        }
    }

    public static void main(String[] args) throws Exception {
        url = args[0];
        if (args.length > 1) {
            metadata();
            return;
        }
        int failed = 0;
        for (var each : cases.entrySet()) {
            try (Connection c = DriverManager.getConnection(url)) {
                each.getValue().run(c);
                System.out.println("ok " + each.getKey());
            } catch (Throwable e) {
                failed++;
                System.out.println("FAIL " + each.getKey() + ": " + e.toString().replaceAll("\\s+", " "));
            }
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
