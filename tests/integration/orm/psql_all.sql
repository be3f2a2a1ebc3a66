\set ECHO all
\pset pager off
\timing off
\conninfo
\d
\d+
\dS+ pg_class
\d product
\d+ product
\d customer
\d+ customer
\d sold
\d+ sold
\d by_day
\d+ by_day
\d log
\d+ log
\d log_2024
\d special
\d line_pkey
\d counter
\d crm.*
\d+ crm.contact
\d crm."Odd Table"
\d mood
\d+ address
\d information_schema.tables
\da sum
\daS+ max
\dA
\dA+
\dAc btree int4
\dAc+ gin
\dAf
\dAf+ gist
\dAo btree integer_ops
\dAo+ hash
\dAp gist
\dAp+ brin
\db
\db+
\dc
\dcS+ utf8_to_*
\dconfig
\dconfig+ *mem*
\dC
\dC+ int4
\dd
\ddS product
\dD
\dD+ posint
\dDS
\ddp
\dE
\dES
\di
\di+
\diS pg_class_oid_index
\dm
\dm+
\ds
\ds+
\dt
\dt+
\dt crm.*
\dtS pg_a*
\dv
\dv+
\dvS pg_st*
\dtivmsE *.*
\des
\des+
\det
\det+
\deu
\deu+
\dew
\dew+
\df
\df+
\df total
\df+ touch
\dfa
\dfn
\dfp
\dft
\dfw
\dfS+ length
\dfn total int
\df * text text
\dF
\dF+ english
\dFd
\dFd+ simple
\dFp
\dFp+ default
\dFt
\dFt+ snowball
\dg
\dg+
\dgS
\dl
\dl+
\lo_list
\dL
\dL+
\dLS
\dn
\dn+
\dnS
\do
\doS + int4 int4
\doS+ ~~
\dO
\dOS+ *C*
\dp
\dp crm.*
\z product
\dP
\dP+
\dPi
\dPtn
\drds
\drds reader *
\dRp
\dRp+
\dRs
\dRs+
\dT
\dT+
\dTS+ int*
\dT mood
\du
\du+
\duS
\dx
\dx+
\dx+ pg_trgm
\dX
\dX+
\dy
\dy+
\l t_*
\l+ t_*
\sf total
\sf+ touch
\sf restock
\sv sold
\sv+ plain
\encoding
\h select
\?
\g
select id, title from product order by id limit 2 \gx
select id, title, price, doc from product \gdesc
select format('select %L as v', g) from generate_series(1, 3) g \gexec
select 1 as one, 'x' as two \gset p_
\echo :p_one :p_two
select made, stock, price from product where id < 4 order by id \crosstabview
select state, customer_id % 3 as c, count(*) from orders group by 1, 2 order by 1, 2 \crosstabview state c count c
\pset format html
select id, title from product order by id limit 2;
\pset format latex
select id, title from product order by id limit 2;
\pset format csv
select id, title, tags from product order by id limit 2;
\pset format asciidoc
table crm.contact;
\pset format unaligned
\pset null NULL
select null, 1;
\pset format wrapped
\pset columns 60
select * from product where id = 1;
\pset format aligned
\x auto
select * from product where id = 2;
\x off
\t on
select 1;
\t off
\bind 1 \g
prepare p(int) as select title from product where id = $1;
execute p(3);
deallocate p;
begin;
declare c scroll cursor for select id from product order by id;
fetch 3 from c;
move 2 in c;
fetch backward 1 from c;
fetch last from c;
close c;
savepoint a;
select nothing from product;
rollback to a;
select 'still';
commit;
copy product(id, title) to stdout;
copy (select id, price from product where id < 3 order by id) to stdout csv header;
copy log from stdin;
2024-06-01	copied
2024-06-02	two\tthree
\.
\copy log from program 'printf "2024-06-03\tfile\n"'
\copy (select day, text from log order by 1, 2) to pstdout csv header
\copy product(id, title) to 'out.csv' csv
\! wc -l < out.csv
select selec from product;
select id from product where id = 'x';
select id, from product;
select count(*)
  from product p
  join nowhere n on n.id = p.id;
insert into product(title) values (null);
insert into orders(customer_id) values (999);
insert into product(title, price) values ('x', -1);
insert into product(title, stock) values ('x', 0);
insert into line values (1, 1);
insert into log values ('2024-01-01');
update product set nothing = 1;
select 1/0;
select 'x'::int;
select 10::int2 * 10000::int2;
select substring('x', 1, -1);
select total(1, 2);
select * from generate_series(1, 3) g(a, b);
drop table nowhere;
drop table product;
drop type mood;
create table product(a int);
create table crm.made(a int primary key, a int);
alter table product add column title text;
alter table orders drop column nothing;
create index on nowhere(a);
create view sold as select 1;
vacuum (verbose, analyze) nowhere;
begin; vacuum; rollback;
set nothing.x = 1; show nothing.x; reset nothing.x;
set work_mem = 'x';
show nothing;
set statement_timeout = '50ms';
select pg_sleep(5);
reset statement_timeout;
lock table orders in access exclusive mode;
begin; lock table orders in row exclusive mode nowait; commit;
do $$begin perform 1; end$$;
call restock(2);
select total(1);
explain select * from product where id = 1;
explain (costs off) select title from product where id < 3 order by price;
explain (analyze, costs off, timing off, summary off) select count(*) from line;
explain (format json, costs off) select 1;
create temp table scratch(a int); insert into scratch values (1), (2); select sum(a) from scratch; drop table scratch;
create table if not exists product(a int);
drop table if exists nowhere, elsewhere cascade;
truncate log;
create table part(a int, b text) partition by list (a); create table part_1 partition of part for values in (1); insert into part values (1, 'x'); insert into part values (2, 'y'); alter table part detach partition part_1; drop table part, part_1;
with recursive t(n) as (values (1) union all select n + 1 from t where n < 5) select sum(n) from t;
with gone as (delete from line where order_id = 40 returning *) select count(*) from gone;
merge into crm.contact c using (values (1, 'm'), (2, 'n')) v(id, note) on c.id = v.id when matched then update set note = v.note when not matched then insert (id, note) values (v.id, v.note);
select title, rank() over (order by price desc), lag(price) over w, sum(price) filter (where flag) over w from product window w as (order by id) order by id limit 3;
select customer_id, state, grouping(customer_id), count(*) from orders group by cube (customer_id, state) order by 1, 2 limit 5;
select x.* from product p, jsonb_to_record(p.doc) as x(colour text, n int) where id < 3 order by n;
select jsonb_path_query(doc, '$.n') from product where id < 3 order by id;
select * from xmltable('/r/i' passing '<r><i a="1"/><i a="2"/></r>' columns a int path '@a');
select json_agg(t) from (select id, title from product where id < 3 order by id) t;
select row_to_json(p) from (select id, tags from product where id = 1) p;
select ts_headline('english', 'The quick brown foxes', to_tsquery('fox'));
select string_agg(title, ',' order by id) from product where id < 4;
select * from product tablesample system (100) where id = 1;
select at at time zone 'Europe/Berlin', extract(epoch from at), date_trunc('month', at), age(at, '2024-01-01') from orders order by id limit 1;
select array_agg(distinct state order by state), percentile_disc(0.5) within group (order by total), mode() within group (order by state) from orders;
select title from product where title ~* '^product [12]$' or title % 'Product 30' order by id;
select (home).street, (home).* from customer order by id limit 2;
select c.oid::regclass, c.relkind from pg_class c where relname = 'product' and c.relnamespace = 'public'::regnamespace;
select pg_get_viewdef('sold'), pg_get_functiondef('total(int)'::regprocedure), pg_get_indexdef('title_like'::regclass), pg_get_constraintdef(oid) from pg_constraint where conname = 'line_pkey';
select has_table_privilege('reader', 'product', 'select'), obj_description('product'::regclass), col_description('product'::regclass, 3), format_type(23, null), pg_typeof(1.5), current_user is not null, version() like 'PostgreSQL%';
select setval('counter', 200), nextval('counter'), currval('counter'), lastval();
select pg_advisory_lock(1), pg_try_advisory_lock(2), pg_advisory_unlock(1), pg_advisory_unlock_all();
listen chat;
notify chat, 'hello';
unlisten *;
begin; set local search_path = crm; select count(*) from contact; commit; set search_path = public, crm; select count(*) from contact; reset search_path;
set time zone 'UTC'; set datestyle = 'German'; select date '2024-05-06'; reset datestyle; set intervalstyle = iso_8601; select interval '1 day 2 hours'; reset all;
set bytea_output = escape; select raw from product where id = 1; reset bytea_output; set extra_float_digits = 0; select 0.1::float8 + 0.2::float8; reset extra_float_digits;
set constraints all deferred; set session characteristics as transaction isolation level read committed; set transaction isolation level serializable;
grant insert on product to writer; revoke insert on product from writer; alter role reader connection limit 5; comment on role reader is 'reads'; reassign owned by writer to reader;
create extension if not exists hstore; select 'a=>1'::hstore -> 'a'; alter table product add column h hstore; update product set h = 'k=>v'; select h -> 'k', each(h) from product where id = 1; drop extension hstore cascade;
create function noisy() returns int language plpgsql as $$begin raise notice 'a notice'; raise warning 'a warning'; raise info 'an info'; return 7; end$$;
create publication pub for table product; drop publication pub; create collation de (provider = icu, locale = 'de'); drop collation de;
analyze verbose line; vacuum crm.contact; vacuum full crm.contact; reindex table crm.contact; reindex index product_pkey; cluster crm.contact using contact_pkey; checkpoint; refresh materialized view concurrently by_day; alter index title_like rename to title_trgm; comment on index title_trgm is 'x'; alter index title_trgm set (fastupdate = off); drop index title_trgm; drop index if exists nowhere_idx;
discard plans; discard sequences; discard temp; discard all;
\errverbose
select 1/0;
\errverbose
