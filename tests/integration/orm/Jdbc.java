// JDBC: prepared statements (named from the fifth on), batches, cursors by fetch size, generated keys, savepoints, metadata, COPY, errors.
import java.sql.*;
import java.util.*;

public class Jdbc {
    static void show(String name, Object value) { System.out.println(name + " " + value); }

    static List<List<String>> all(ResultSet rows) throws SQLException {
        List<List<String>> out = new ArrayList<>();
        while (rows.next()) {
            List<String> row = new ArrayList<>();
            for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++) row.add(rows.getString(i));
            out.add(row);
        }
        rows.close();
        return out;
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> env = System.getenv();
        String url = "jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" + env.get("PGDATABASE") + "?sslmode=disable";
        try (Connection c = DriverManager.getConnection(url, env.get("PGUSER"), env.get("PGPASSWORD"))) {
            try (PreparedStatement p = c.prepareStatement("select id, title, price, made, flag from product where id = ?")) {
                for (int i = 1; i < 9; i++) { p.setLong(1, i); show("row", all(p.executeQuery())); }
            }
            c.setAutoCommit(false);
            try (Statement s = c.createStatement()) {
                s.setFetchSize(7);
                show("fetched", all(s.executeQuery("select id, name from customer order by id")));
            }
            try (PreparedStatement p = c.prepareStatement("insert into crm.contact(id, note) values (?, ?)")) {
                for (int i = 900; i < 910; i++) { p.setInt(1, i); p.setString(2, "n" + i); p.addBatch(); }
                show("batch", Arrays.toString(p.executeBatch()));
            }
            Savepoint a = c.setSavepoint("a");
            for (String bad : new String[] {"selec 1", "select nosuch from product", "select * from nosuch", "alter table nosuch add a int", "insert into crm.contact(id) values (900)"}) {
                try (Statement s = c.createStatement()) { s.execute(bad); } catch (SQLException e) { show(bad, e.getSQLState() + " " + e.getMessage()); }
                c.rollback(a);
            }
            try (PreparedStatement p = c.prepareStatement("insert into product(title, price) values (?, ?)", Statement.RETURN_GENERATED_KEYS)) {
                p.setString(1, "made"); p.setBigDecimal(2, new java.math.BigDecimal("2.5")); p.executeUpdate();
                show("keys", all(p.getGeneratedKeys()).size());
            }
            c.rollback();
            c.setAutoCommit(true);
            DatabaseMetaData m = c.getMetaData();
            show("tables", all(m.getTables(null, "public", "%", null)).size());
            show("columns", all(m.getColumns(null, "public", "product", "%")));
            show("primary", all(m.getPrimaryKeys(null, "public", "line")));
            show("imported", all(m.getImportedKeys(null, "public", "line")));
            show("indexes", all(m.getIndexInfo(null, "public", "orders", false, true)).size());
            show("procedures", all(m.getProcedures(null, "public", "%")).size());
            show("functions", all(m.getFunctions(null, "public", "tot%")).size());
            show("types", all(m.getTypeInfo()).size() > 10);
            show("schemas", all(m.getSchemas()));
            show("privileges", all(m.getTablePrivileges(null, "public", "orders")).size());
            try (CallableStatement call = c.prepareCall("{ ? = call total(?) }")) { call.registerOutParameter(1, Types.NUMERIC); call.setInt(2, 3); call.execute(); show("call", call.getBigDecimal(1)); }
            try (Statement s = c.createStatement()) {
                boolean more = s.execute("select 1; update crm.contact set note = 'x'; select 2");
                show("several", more);
                show("set", s.execute("set search_path = crm, public"));
                show("explain", all(s.executeQuery("explain (costs off) select id from product where id = 1")));
            }
        }
        show("done", "");
    }
}
