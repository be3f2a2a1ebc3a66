// lib/pq and pgx (v4), by database/sql and natively.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v4"
	_ "github.com/jackc/pgx/v4/stdlib"
	"github.com/lib/pq"
)

func show(name string, values ...interface{}) { fmt.Printf("%s %v\n", name, values) }

func list(rows *sql.Rows, err error) []string {
	if err != nil {
		return []string{err.Error()}
	}
	defer rows.Close()
	out := []string{}
	columns, _ := rows.Columns()
	for rows.Next() {
		cells, into := make([]sql.NullString, len(columns)), make([]interface{}, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return append(out, err.Error())
		}
		line := ""
		for _, cell := range cells {
			line += cell.String + "|"
		}
		out = append(out, line)
	}
	if rows.Err() != nil {
		out = append(out, rows.Err().Error())
	}
	return out
}

func main() {
	url := os.Getenv("DATABASE_URL")
	for _, driver := range []string{"postgres", "pgx"} {
		db, _ := sql.Open(driver, url+"?sslmode=disable&application_name=go")
		show(driver, db.Ping())
		show("rows", list(db.Query("select id, title, price, flag from product where id < $1 order by id", 3)))
		show("any", list(db.Query("select id from product where id = any($1) order by id", pq.Array([]int64{1, 2}))))
		statement, err := db.Prepare("select title from product where id = $1")
		show("prepare", err)
		for i := 1; i < 4; i++ {
			var title string
			show("one", statement.QueryRow(i).Scan(&title), title)
		}
		tx, _ := db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelSerializable})
		_, err = tx.Exec("insert into crm.contact(id, note) values ($1, $2)", 1, "x")
		show("insert", err)
		_, err = tx.Exec("insert into crm.contact(id) values (1)")
		show("unique", err)
		show("rollback", tx.Rollback())
		for _, bad := range []string{"selec 1", "select nothing from product", "select 'x'::int", "select 1/0"} {
			show(bad, list(db.Query(bad)))
		}
		ctx, stop := context.WithTimeout(context.Background(), 200*time.Millisecond)
		_, err = db.ExecContext(ctx, "select pg_sleep(10)")
		show("cancelled", err != nil)
		stop()
		show("after", list(db.Query("select 1")))
		if driver == "postgres" {
			tx, _ := db.Begin()
			in, err := tx.Prepare(pq.CopyIn("log", "day", "text"))
			show("copy", err)
			for i := 0; i < 20; i++ {
				in.Exec("2024-01-01", fmt.Sprint("row ", i))
			}
			_, err = in.Exec()
			show("copied", err, in.Close(), tx.Commit())
			listener := pq.NewListener(url+"?sslmode=disable", time.Second, time.Second, nil)
			show("listen", listener.Listen("go"))
			db.Exec("notify go, 'hello'")
			select {
			case n := <-listener.Notify:
				show("heard", n.Channel, n.Extra)
			case <-time.After(3 * time.Second):
				show("heard nothing")
			}
			listener.Close()
		}
		db.Close()
	}
	ctx := context.Background()
	c, err := pgx.Connect(ctx, url)
	show("pgx", err)
	batch := &pgx.Batch{}
	batch.Queue("select 1")
	batch.Queue("select title from product where id = $1", 2)
	batch.Queue("insert into crm.contact(id) values ($1)", 5)
	results := c.SendBatch(ctx, batch)
	var n int
	var title string
	show("batch", results.QueryRow().Scan(&n), n, results.QueryRow().Scan(&title), title)
	tag, err := results.Exec()
	show("batch", tag, err, results.Close())
	count, err := c.CopyFrom(ctx, pgx.Identifier{"crm", "contact"}, []string{"id", "note"}, pgx.CopyFromRows([][]interface{}{{int32(6), "a"}, {int32(7), nil}}))
	show("copy", count, err)
	var tags []string
	var made time.Time
	show("binary", c.QueryRow(ctx, "select tags, made from product where id = 1").Scan(&tags, &made), tags, made)
	c.Close(ctx)
	fmt.Println("done")
}
