# libpgtcl: queries, arrays, a transaction, errors, COPY, notifications.
package require Pgtcl
proc show {name value} { puts "$name $value" }
set c [pg_connect -conninfo "host=$env(PGHOST) port=$env(PGPORT) user='$env(PGUSER)' password='$env(PGPASSWORD)' dbname=$env(PGDATABASE) sslmode=disable"]
pg_select $c "select id, title, price from product where id < 4 order by id" row { show row [list $row(id) $row(title) $row(price)] }
set r [pg_exec $c "select name, home from customer where id = 1"]
show tuples [list [pg_result $r -numTuples] [pg_result $r -attributes] [pg_result $r -getTuple 0]]
pg_result $r -clear
pg_execute $c "begin"
show insert [pg_execute $c "insert into crm.contact(id, note) values (900, 'a')"]
pg_execute $c "rollback"
foreach bad {"selec 1" "select nosuch from product" "select * from nosuch" "alter table nosuch add a int" "drop table nosuch"} {
    set r [pg_exec $c $bad]
    show error [list [pg_result $r -status] [pg_result $r -error]]
    pg_result $r -clear
}
set r [pg_exec_prepared $c nosuch]
show prepared [pg_result $r -error]
pg_execute $c "listen news"
pg_execute $c "notify news"
show escaped [pg_quote "it's"]
pg_disconnect $c
