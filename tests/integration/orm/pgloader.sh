# pgloader: a SQLite file and a CSV file. Sequences are left: it sets them by a block of code that builds its text.
sqlite3 shop.db "create table person(id integer primary key autoincrement, name text not null, email text, born date, score real default 1.5, pic blob); create table pet(id integer primary key, person_id integer references person(id), name varchar(20) default 'x'); create index pet_name on pet(name); create unique index person_name on person(name); insert into person(name, email, born, pic) values ('a', 'a@example.org', '2001-02-03', x'0102'), ('ž', null, null, null); insert into pet values (1, 1, 'Rex'), (2, null, 'O''Neil');"
printf 'day,text\n2024-01-02,"a, ""b"""\n2024-01-03,\n2024-13-45,bad\n' > log.csv
cat > a.load <<END
load database from sqlite://shop.db into postgresql://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE
 with include drop, create tables, create indexes, reset no sequences, foreign keys, preserve index names, workers = 1, concurrency = 1
 set work_mem to '16MB', client_min_messages to 'warning';
END
cat > b.load <<END
load csv from 'log.csv' having fields (day, text [null if blanks]) into postgresql://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE target table log (day, text)
 with skip header = 1, fields optionally enclosed by '"', fields terminated by ',', workers = 1, concurrency = 1
 before load do \$\$ create table if not exists loaded(at date, n int); \$\$ after load do \$\$ insert into loaded select current_date, count(*) from log; \$\$;
END
for f in a.load a.load b.load; do echo "$ $f"; pgloader --no-ssl-cert-verification --root-dir root $f 2>&1 | grep -v -E 'Index Build|Create Indexes|Completion|LOG (Data errors|Parsing commands)' | sed -E 's/^[0-9-]+T[0-9:.]+Z //; s/ +[0-9.]+s/ T/g; s/ +[0-9.]+ [kM]?B/ B/g; s/@[^ ]*//g; s/\{[0-9A-F]+\}//g'; done
psql -X -c 'select id, name, born, score, pic from person order by 1' -c 'select * from pet order by 1' -c 'select count(*) from log' -c '\d pet'
