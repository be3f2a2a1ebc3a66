-- What people type wrong, a statement (or a message of several) a paragraph. Every one of them can do nothing but fail, or notice.

-- tables
SELECT * FROM nosuch

SELECT a, b FROM nosuch WHERE a = 1

SELECT count(*) FROM nosuch

SELECT * FROM public.nosuch

SELECT * FROM nosuch.customer

SELECT * FROM nosuch.nosuch.customer

SELECT * FROM customer, nosuch

SELECT c.id FROM customer c JOIN nosuch n ON n.id = c.id

SELECT * FROM (SELECT * FROM nosuch) s

SELECT (SELECT max(id) FROM nosuch)

SELECT 1 WHERE EXISTS (SELECT 1 FROM nosuch)

SELECT id FROM customer WHERE id IN (SELECT id FROM nosuch)

WITH w AS (SELECT * FROM nosuch) SELECT * FROM w

WITH w AS (SELECT 1 AS a) SELECT * FROM ww

SELECT id FROM customer UNION SELECT id FROM nosuch

SELECT * FROM customers

SELECT * FROM Customer.orders

SELECT * FROM "Customer"

TABLE nosuch

SELECT * FROM ONLY nosuch

SELECT * FROM nosuch TABLESAMPLE system (10)

SELECT * INTO copied FROM nosuch

CREATE TABLE copied AS SELECT * FROM nosuch

CREATE TABLE copied AS TABLE nosuch

CREATE VIEW seen AS SELECT * FROM nosuch

CREATE MATERIALIZED VIEW seen AS SELECT * FROM nosuch

REFRESH MATERIALIZED VIEW nosuch

REFRESH MATERIALIZED VIEW customer

REFRESH MATERIALIZED VIEW CONCURRENTLY nosuch

INSERT INTO nosuch VALUES (1)

INSERT INTO nosuch (a) VALUES (1) RETURNING a

INSERT INTO nosuch SELECT id FROM customer

INSERT INTO orders (customer_id) SELECT id FROM nosuch

INSERT INTO public.nosuch DEFAULT VALUES

INSERT INTO nosuch (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = excluded.a

UPDATE nosuch SET a = 1

UPDATE nosuch SET a = 1 WHERE id = 2 RETURNING *

UPDATE product SET price = 1 FROM nosuch n WHERE n.id = product.id

UPDATE public.nosuch SET a = DEFAULT

DELETE FROM nosuch

DELETE FROM nosuch WHERE id = 1

DELETE FROM orders USING nosuch WHERE nosuch.id = orders.id

MERGE INTO nosuch n USING orders o ON o.id = n.id WHEN MATCHED THEN DELETE

MERGE INTO orders o USING nosuch n ON o.id = n.id WHEN MATCHED THEN DELETE

TRUNCATE nosuch

TRUNCATE customer, nosuch

TRUNCATE TABLE public.nosuch CASCADE

DROP TABLE nosuch

DROP TABLE public.nosuch

DROP TABLE nosuch, customer

DROP TABLE nosuch.customer

DROP TABLE IF EXISTS nosuch

DROP TABLE IF EXISTS nosuch.customer

DROP TABLE sold

DROP VIEW nosuch

DROP VIEW customer

DROP VIEW IF EXISTS nosuch

DROP MATERIALIZED VIEW nosuch

DROP SEQUENCE nosuch

DROP INDEX nosuch

DROP INDEX customer

DROP INDEX CONCURRENTLY nosuch

DROP SCHEMA nosuch

DROP SCHEMA nosuch CASCADE

DROP SCHEMA crm

DROP FUNCTION nosuch()

DROP FUNCTION nosuch

DROP FUNCTION total(text)

DROP PROCEDURE nosuch()

DROP AGGREGATE nosuch(int)

DROP TYPE nosuch

DROP TYPE mood

DROP DOMAIN nosuch

DROP TRIGGER nosuch ON orders

DROP TRIGGER nosuch ON nosuch

DROP TRIGGER touched ON customer

DROP RULE nosuch ON log

DROP POLICY nosuch ON orders

DROP EXTENSION nosuch

DROP EXTENSION IF EXISTS nosuch

DROP ROLE nosuch

DROP USER nosuch

DROP DATABASE nosuch

DROP DATABASE IF EXISTS nosuch

DROP TABLESPACE nosuch

DROP LANGUAGE nosuch

DROP CAST (int AS nosuch)

DROP OPERATOR === (int, int)

DROP COLLATION nosuch

DROP CONVERSION nosuch

DROP STATISTICS nosuch

DROP PUBLICATION nosuch

DROP SERVER nosuch

DROP FOREIGN TABLE nosuch

DROP EVENT TRIGGER nosuch

DROP ACCESS METHOD nosuch

DROP TEXT SEARCH CONFIGURATION nosuch

DROP OWNED BY nosuch

REASSIGN OWNED BY nosuch TO postgres

ALTER TABLE nosuch ADD COLUMN a int

ALTER TABLE nosuch DROP COLUMN a

ALTER TABLE nosuch RENAME TO other

ALTER TABLE nosuch RENAME COLUMN a TO b

ALTER TABLE nosuch RENAME CONSTRAINT a TO b

ALTER TABLE nosuch ALTER COLUMN a TYPE bigint

ALTER TABLE nosuch ALTER COLUMN a TYPE bigint USING a::bigint

ALTER TABLE nosuch ALTER COLUMN a SET DEFAULT 0

ALTER TABLE nosuch ALTER COLUMN a SET DEFAULT now()

ALTER TABLE nosuch ALTER COLUMN a DROP DEFAULT

ALTER TABLE nosuch ALTER COLUMN a SET NOT NULL

ALTER TABLE nosuch ADD CONSTRAINT c CHECK (a > 0)

ALTER TABLE nosuch ADD CONSTRAINT c UNIQUE (a)

ALTER TABLE nosuch ADD PRIMARY KEY (a)

ALTER TABLE nosuch ADD FOREIGN KEY (a) REFERENCES customer

ALTER TABLE orders ADD FOREIGN KEY (total) REFERENCES nosuch

ALTER TABLE orders ADD FOREIGN KEY (nosuch) REFERENCES customer

ALTER TABLE nosuch DROP CONSTRAINT c

ALTER TABLE nosuch OWNER TO postgres

ALTER TABLE nosuch SET SCHEMA crm

ALTER TABLE nosuch SET (fillfactor = 70)

ALTER TABLE nosuch SET TABLESPACE pg_default

ALTER TABLE nosuch ENABLE ROW LEVEL SECURITY

ALTER TABLE nosuch DISABLE TRIGGER ALL

ALTER TABLE nosuch CLUSTER ON a

ALTER TABLE nosuch REPLICA IDENTITY FULL

ALTER TABLE nosuch INHERIT product

ALTER TABLE product INHERIT nosuch

ALTER TABLE nosuch ATTACH PARTITION log DEFAULT

ALTER TABLE log ATTACH PARTITION nosuch FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')

ALTER TABLE log DETACH PARTITION nosuch

ALTER TABLE public.nosuch ADD COLUMN a int

ALTER TABLE IF EXISTS nosuch ADD COLUMN a int

ALTER TABLE IF EXISTS nosuch RENAME TO other

ALTER TABLE orders ADD COLUMN total int

ALTER TABLE orders ADD COLUMN a nosuch

ALTER TABLE orders ADD COLUMN a int DEFAULT nosuch()

ALTER TABLE orders ADD COLUMN a int REFERENCES nosuch

ALTER TABLE orders ADD COLUMN a int CHECK (b > 0)

ALTER TABLE orders DROP COLUMN nosuch

ALTER TABLE orders DROP COLUMN IF EXISTS nosuch

ALTER TABLE orders RENAME COLUMN nosuch TO other

ALTER TABLE orders RENAME COLUMN total TO state

ALTER TABLE orders RENAME TO customer

ALTER TABLE orders RENAME CONSTRAINT nosuch TO other

ALTER TABLE orders ALTER COLUMN nosuch TYPE bigint

ALTER TABLE orders ALTER COLUMN nosuch TYPE bigint USING nosuch::bigint

ALTER TABLE orders ALTER COLUMN total TYPE nosuch

ALTER TABLE orders ALTER COLUMN total TYPE bigint USING nosuch

ALTER TABLE orders ALTER COLUMN nosuch SET DEFAULT 1

ALTER TABLE orders ALTER COLUMN total SET DEFAULT nosuch()

ALTER TABLE orders ALTER COLUMN nosuch SET NOT NULL

ALTER TABLE orders ALTER COLUMN nosuch SET STATISTICS 100

ALTER TABLE orders ADD CONSTRAINT c CHECK (nosuch > 0)

ALTER TABLE orders ADD CONSTRAINT c UNIQUE (nosuch)

ALTER TABLE orders ADD PRIMARY KEY (total)

ALTER TABLE orders DROP CONSTRAINT nosuch

ALTER TABLE orders DROP CONSTRAINT IF EXISTS nosuch

ALTER TABLE orders VALIDATE CONSTRAINT nosuch

ALTER TABLE orders ENABLE TRIGGER nosuch

ALTER TABLE orders OWNER TO nosuch

ALTER TABLE orders SET SCHEMA nosuch

ALTER TABLE orders SET TABLESPACE nosuch

ALTER TABLE orders SET (nosuch = 1)

ALTER TABLE sold ADD COLUMN a int

ALTER VIEW nosuch RENAME TO other

ALTER VIEW nosuch SET (security_barrier = on)

ALTER MATERIALIZED VIEW nosuch RENAME TO other

ALTER SEQUENCE nosuch RESTART

ALTER SEQUENCE nosuch OWNED BY orders.id

ALTER SEQUENCE counter OWNED BY orders.nosuch

ALTER INDEX nosuch RENAME TO other

ALTER SCHEMA nosuch RENAME TO other

ALTER FUNCTION nosuch() RENAME TO other

ALTER FUNCTION nosuch(int) OWNER TO postgres

ALTER TYPE nosuch ADD VALUE 'x'

ALTER TYPE mood ADD VALUE 'ok'

ALTER TYPE mood RENAME VALUE 'nosuch' TO 'x'

ALTER DOMAIN nosuch SET NOT NULL

ALTER DOMAIN posint DROP CONSTRAINT nosuch

ALTER ROLE nosuch SET search_path = crm

ALTER USER nosuch WITH CREATEDB

ALTER DATABASE nosuch SET work_mem = '4MB'

ALTER EXTENSION nosuch UPDATE

ALTER POLICY nosuch ON orders USING (true)

ALTER DEFAULT PRIVILEGES IN SCHEMA nosuch GRANT SELECT ON TABLES TO reader

ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO nosuch

CREATE INDEX ON nosuch (a)

CREATE INDEX ON orders (nosuch)

CREATE INDEX ON orders (lower(nosuch))

CREATE INDEX ON orders (total) WHERE nosuch > 1

CREATE INDEX ON orders USING nosuch (total)

CREATE INDEX ON orders USING gin (total)

CREATE INDEX ON orders (total nosuch_ops)

CREATE UNIQUE INDEX CONCURRENTLY ON nosuch (a)

CREATE INDEX title_like ON product (title)

CREATE INDEX IF NOT EXISTS title_like ON product (title)

CREATE TABLE customer (id int)

CREATE TABLE nosuch.t (id int)

CREATE TABLE t (a nosuch)

CREATE TABLE t (a int, a int)

CREATE TABLE t (a int REFERENCES nosuch)

CREATE TABLE t (a int REFERENCES customer (nosuch))

CREATE TABLE t (a int DEFAULT nosuch())

CREATE TABLE t (a int CHECK (b > 0))

CREATE TABLE t (a int GENERATED ALWAYS AS (b * 2) STORED)

CREATE TABLE t (LIKE nosuch)

CREATE TABLE t (LIKE nosuch INCLUDING ALL)

CREATE TABLE t () INHERITS (nosuch)

CREATE TABLE t PARTITION OF nosuch DEFAULT

CREATE TABLE t PARTITION OF customer DEFAULT

CREATE TABLE t PARTITION OF log FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')

CREATE TABLE t (a int) PARTITION BY RANGE (b)

CREATE TABLE t OF nosuch

CREATE TABLE t (a int) TABLESPACE nosuch

CREATE TABLE t (id int, PRIMARY KEY (nosuch))

CREATE TEMP TABLE t AS SELECT nosuch FROM orders

CREATE VIEW customer AS SELECT 1

CREATE VIEW v AS SELECT nosuch FROM orders

CREATE OR REPLACE VIEW plain AS SELECT id FROM product

CREATE SEQUENCE counter

CREATE SEQUENCE s OWNED BY nosuch.id

CREATE SCHEMA crm

CREATE SCHEMA s AUTHORIZATION nosuch

CREATE TYPE mood AS ENUM ('a')

CREATE TYPE pair AS (a nosuch)

CREATE DOMAIN d AS nosuch

CREATE FUNCTION f() RETURNS nosuch LANGUAGE sql AS 'select 1'

CREATE FUNCTION f() RETURNS int LANGUAGE nosuch AS 'select 1'

CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select nosuch()'

CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select a from nosuch'

CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'selec 1'

CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'begin retur 1; end'

CREATE FUNCTION f(a nosuch) RETURNS int LANGUAGE sql AS 'select 1'

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'begin end'

CREATE TRIGGER t BEFORE INSERT ON nosuch FOR EACH ROW EXECUTE FUNCTION touch()

CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION nosuch()

CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION total(1)

CREATE TRIGGER t BEFORE UPDATE OF nosuch ON orders FOR EACH ROW EXECUTE FUNCTION touch()

CREATE TRIGGER t BEFORE INSERT ON nosuch FOR EACH ROW WHEN (NEW.a > 1) EXECUTE FUNCTION touch()

CREATE TRIGGER t BEFORE INSERT ON nosuch FOR EACH ROW WHEN (NEW.a LIKE '%x%') EXECUTE FUNCTION nosuch()

CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW WHEN (NEW.nosuch > 1) EXECUTE FUNCTION touch()

CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW WHEN (nosuch(NEW.id)) EXECUTE FUNCTION touch()

CREATE RULE r AS ON INSERT TO nosuch DO NOTHING

CREATE POLICY p ON nosuch USING (true)

CREATE POLICY p ON orders TO nosuch USING (true)

CREATE POLICY p ON orders USING (nosuch = 1)

CREATE STATISTICS s ON a, b FROM nosuch

CREATE STATISTICS s ON nosuch, total FROM orders

CREATE EXTENSION nosuch

CREATE EXTENSION pg_trgm

CREATE EXTENSION pg_trgm VERSION 'nosuch'

CREATE EXTENSION IF NOT EXISTS pg_trgm

CREATE EXTENSION hstore SCHEMA nosuch

CREATE PUBLICATION p FOR TABLE nosuch

CREATE DATABASE postgres

CREATE DATABASE d TEMPLATE nosuch

CREATE ROLE reader

CREATE ROLE r IN ROLE nosuch

CREATE CAST (mood AS nosuch) WITHOUT FUNCTION

CREATE AGGREGATE a (int) (sfunc = nosuch, stype = int)

CREATE OPERATOR === (leftarg = int, rightarg = int, function = nosuch)

CREATE COLLATION c FROM nosuch

CREATE FOREIGN TABLE f (a int) SERVER nosuch

COPY nosuch TO STDOUT

COPY nosuch FROM STDIN

COPY nosuch (a, b) TO STDOUT WITH (FORMAT csv)

COPY public.nosuch TO STDOUT

COPY (SELECT * FROM nosuch) TO STDOUT

COPY orders (nosuch) TO STDOUT

COPY orders (nosuch) FROM STDIN

COPY orders (id, id) TO STDOUT

COPY sold TO STDOUT

COPY sold FROM STDIN

COPY orders TO STDOUT WITH (FORMAT nosuch)

COPY orders TO STDOUT WITH (nosuch)

COPY orders TO STDOUT WITH (FORMAT csv, DELIMITER 'ab')

COPY orders TO STDOUT WITH (FORMAT csv, FORCE_QUOTE (nosuch))

COPY orders TO STDOUT WITH (HEADER, HEADER)

COPY orders FROM STDIN WHERE nosuch > 1

COMMENT ON TABLE nosuch IS 'x'

COMMENT ON COLUMN nosuch.a IS 'x'

COMMENT ON COLUMN orders.nosuch IS 'x'

COMMENT ON FUNCTION nosuch() IS 'x'

COMMENT ON TYPE nosuch IS 'x'

COMMENT ON CONSTRAINT nosuch ON orders IS 'x'

COMMENT ON CONSTRAINT c ON nosuch IS 'x'

COMMENT ON TRIGGER nosuch ON orders IS 'x'

COMMENT ON SCHEMA nosuch IS 'x'

COMMENT ON ROLE nosuch IS 'x'

GRANT SELECT ON nosuch TO reader

GRANT SELECT ON orders TO nosuch

GRANT SELECT (nosuch) ON orders TO reader

GRANT nosuch TO reader

GRANT USAGE ON SCHEMA nosuch TO reader

GRANT EXECUTE ON FUNCTION nosuch() TO reader

GRANT SELECT ON ALL TABLES IN SCHEMA nosuch TO reader

GRANT CONNECT ON DATABASE nosuch TO reader

REVOKE SELECT ON nosuch FROM reader

REVOKE nosuch FROM reader

ANALYZE nosuch

ANALYZE orders (nosuch)

VACUUM nosuch

VACUUM (nosuch) orders

CLUSTER nosuch

CLUSTER orders

CLUSTER orders USING nosuch

REINDEX TABLE nosuch

REINDEX INDEX nosuch

REINDEX SCHEMA nosuch

REINDEX DATABASE nosuch

LOCK TABLE nosuch

LOCK TABLE orders

BEGIN; LOCK TABLE nosuch IN SHARE MODE

ROLLBACK

EXPLAIN SELECT * FROM nosuch

EXPLAIN ANALYZE SELECT nosuch FROM orders

EXPLAIN (nosuch) SELECT 1

EXPLAIN (FORMAT nosuch) SELECT 1

PREPARE p AS SELECT * FROM nosuch

PREPARE p (nosuch) AS SELECT 1

EXECUTE nosuch

EXECUTE nosuch(1)

DEALLOCATE nosuch

DECLARE c CURSOR FOR SELECT 1

DECLARE c CURSOR WITH HOLD FOR SELECT * FROM nosuch

FETCH nosuch

FETCH ALL FROM nosuch

MOVE 5 IN nosuch

CLOSE nosuch

UPDATE orders SET total = 1 WHERE CURRENT OF nosuch

CALL nosuch()

CALL nosuch(1, 'a')

-- hidden: what a procedure runs may say anything
CALL restock('x')

CALL restock()

CALL restock(1, 2)

CALL total(1)

-- hidden: what a block of code says
DO $$begin raise exception 'oops'; end$$

SET nosuch = 1

SET nosuch.a = 1

SET work_mem = 'lots'

SET search_path = nosuch

SELECT 1 FROM customer WHERE false

RESET search_path

SET ROLE nosuch

SET SESSION AUTHORIZATION nosuch

SET TIME ZONE 'Nosuch/Place'

SET TRANSACTION ISOLATION LEVEL SERIALIZABLE

SET CONSTRAINTS nosuch DEFERRED

SHOW nosuch

RESET nosuch

ALTER SYSTEM SET nosuch = 1

LISTEN "a b"

UNLISTEN nosuch

SAVEPOINT a

RELEASE SAVEPOINT a

ROLLBACK TO SAVEPOINT a

COMMIT

COMMIT PREPARED 'nosuch'

ROLLBACK PREPARED 'nosuch'

PREPARE TRANSACTION 'nosuch'

BEGIN; RELEASE SAVEPOINT nosuch

ROLLBACK

BEGIN; ROLLBACK TO nosuch

SELECT 1

ROLLBACK

LOAD 'nosuch'

SECURITY LABEL ON TABLE orders IS 'x'

IMPORT FOREIGN SCHEMA a FROM SERVER nosuch INTO public

CHECKPOINT NOW

-- columns
SELECT nosuch FROM customer

SELECT nosuch FROM orders

SELECT o.nosuch FROM orders o

SELECT nosuch.id FROM orders

SELECT orders.id FROM orders o

SELECT id, nosuch FROM product ORDER BY id

SELECT id FROM orders ORDER BY nosuch

SELECT id FROM orders GROUP BY nosuch

SELECT id FROM orders ORDER BY 7

SELECT id, count(*) FROM orders

SELECT state, sum(total) FROM orders GROUP BY id HAVING nosuch > 1

SELECT id FROM orders WHERE nosuch = 1

SELECT id FROM orders WHERE state = new

SELECT id FROM orders WHERE "state" = "new"

SELECT id FROM orders, customer

SELECT id FROM orders o JOIN customer c ON c.id = o.customer_id

SELECT o.id FROM orders o JOIN customer c USING (customer_id)

SELECT * FROM orders o JOIN orders o ON true

SELECT o.id FROM orders o, LATERAL (SELECT nosuch FROM line WHERE order_id = o.id) l

SELECT count(nosuch) FROM orders

SELECT max(orders.nosuch) FROM orders

SELECT total AS t FROM orders WHERE t > 1

SELECT sum(total) FROM orders WHERE sum(total) > 1

SELECT rank() OVER (ORDER BY nosuch) FROM orders

SELECT rank() FROM orders

SELECT sum(sum(total)) FROM orders

SELECT (home).nosuch FROM customer

SELECT home.street FROM customer

SELECT (doc).colour FROM product

SELECT tags['a'] FROM product

SELECT name[1] FROM customer

SELECT DISTINCT ON (nosuch) id FROM orders

SELECT id FROM orders LIMIT nosuch

SELECT id FROM orders LIMIT -1

SELECT id FROM orders FOR UPDATE OF nosuch

SELECT state, count(*) FROM orders GROUP BY state FOR UPDATE

INSERT INTO orders (nosuch) VALUES (1)

INSERT INTO orders (customer_id) VALUES (1, 2)

INSERT INTO orders (customer_id, total) VALUES (1)

INSERT INTO orders (customer_id, customer_id) VALUES (1, 2)

INSERT INTO orders (customer_id) VALUES (nosuch)

INSERT INTO orders (customer_id) VALUES (1) RETURNING nosuch

INSERT INTO orders (customer_id) VALUES (1) ON CONFLICT (nosuch) DO NOTHING

INSERT INTO orders (customer_id) VALUES (1) ON CONFLICT (total) DO NOTHING

INSERT INTO orders (customer_id) VALUES (1) ON CONFLICT ON CONSTRAINT nosuch DO NOTHING

INSERT INTO product (twice, title, price) VALUES (1, 'a', 1)

INSERT INTO product (id, title, price) VALUES (1, 'a', 1)

INSERT INTO sold VALUES ('a', 1)

INSERT INTO by_day VALUES ('2024-01-01', 1)

UPDATE orders SET nosuch = 1

UPDATE orders SET nosuch = 1 WHERE id = 1

UPDATE orders SET total = nosuch WHERE id = 1

UPDATE orders o SET o.total = 1 WHERE id = 1

UPDATE orders SET total = 1, total = 2 WHERE id = 1

UPDATE orders SET total = 1 WHERE nosuch = 1

UPDATE orders SET (total, state) = (1) WHERE id = 1

UPDATE product SET twice = 1 WHERE id = 1

UPDATE sold SET n = 1 WHERE n = 2

UPDATE orders SET total = 1 WHERE id = 1 RETURNING nosuch

DELETE FROM orders WHERE nosuch = 1

DELETE FROM orders o WHERE orders.id = 1

DELETE orders WHERE id = 1

DELETE FROM orders WHERE id = 1 RETURNING nosuch

-- functions, operators, types
SELECT nosuch()

SELECT nosuch(1, 'a')

SELECT nosuch(id) FROM orders

SELECT public.nosuch(1)

SELECT nosuch.nosuch(1)

SELECT * FROM nosuch(1)

SELECT * FROM generate_series('a', 'b')

SELECT * FROM unnest(1)

SELECT total('a'::text)

SELECT total(1, 2)

SELECT total()

SELECT restock(1)

SELECT lower(1)

SELECT upper(id) FROM orders

SELECT sum(state) FROM orders

SELECT sum(name) FROM customer

SELECT avg(title) FROM product

SELECT length(id) FROM orders

SELECT substr(1)

SELECT to_char(1)

SELECT now(1)

SELECT nullif(1)

SELECT coalesce(1, 'a')

SELECT date_trunc('nosuch', now())

SELECT extract(nosuch FROM now())

SELECT round(1.5::float8, 1)

SELECT round(total::float8, 1) FROM orders

SELECT string_agg(id, ',') FROM orders

SELECT string_agg(name) FROM customer

SELECT array_agg(id, id) FROM orders

SELECT generate_series(1)

SELECT id + 'a' FROM orders

SELECT id + state FROM orders

SELECT name + 1 FROM customer

SELECT name || 1 + 2 FROM customer

SELECT id = state FROM orders

SELECT id FROM orders WHERE id = 'a'

SELECT id FROM orders WHERE id = '1a'

SELECT id FROM orders WHERE at = 'yesterdayish'

SELECT id FROM orders WHERE state = 1

SELECT id FROM orders WHERE id LIKE '1%'

SELECT id FROM orders WHERE total

SELECT id FROM orders WHERE id IN ('a', 'b')

SELECT id FROM orders WHERE id IN (SELECT id, total FROM orders)

SELECT id FROM orders WHERE (id, total) = (SELECT 1)

SELECT id FROM orders WHERE id = (SELECT id FROM orders)

SELECT id FROM orders WHERE id = ANY (1)

SELECT id FROM orders WHERE id = ANY ('{a}')

SELECT id FROM customer WHERE kind = 'nosuch'

SELECT id FROM product WHERE flag = 'perhaps'

SELECT id FROM product WHERE key = 'nosuch'

SELECT id FROM product WHERE doc = 'nosuch'

SELECT id FROM product WHERE tags = 'nosuch'

SELECT id FROM product WHERE tags @> 'a'

SELECT id FROM product WHERE doc @> '{'

SELECT 'a'::int

SELECT 'a'::nosuch

SELECT 1::nosuch.t

SELECT 'nosuch'::regclass

SELECT 'nosuch'::regtype

SELECT 'nosuch'::regproc

SELECT 'nosuch()'::regprocedure

SELECT 'nosuch'::regrole

SELECT 'nosuch'::mood

SELECT CAST(1 AS date)

SELECT CAST(true AS date)

SELECT 1::date

SELECT date '2024-02-30'

SELECT timestamp '2024-13-01'

SELECT interval 'a while'

SELECT '{'::json

SELECT '{a'::int[]

SELECT ARRAY[1, 'a']

SELECT ARRAY[1, now()]

SELECT ROW(1, 2) = ROW(1)

SELECT CASE WHEN 1 THEN 2 END

SELECT CASE WHEN true THEN 1 ELSE 'a' END

SELECT 1 / 0

SELECT 10 % 0

SELECT sqrt(-1)

SELECT 2147483647 + 1

SELECT 99999999999999999999::int

SELECT 1 + true

SELECT NOT 1

SELECT - 'a'

SELECT 1 === 2

SELECT now() + 1

SELECT now() - '1'

SELECT 'a' COLLATE nosuch

SELECT 1 COLLATE "C"

SELECT 'a' < 'b' COLLATE "C" < 'c' COLLATE "POSIX"

SELECT 1 UNION SELECT 'a'

SELECT 1, 2 UNION SELECT 1

SELECT id FROM orders UNION SELECT name FROM customer

SELECT id FROM orders UNION SELECT id FROM orders ORDER BY nosuch

VALUES (1), (2, 3)

VALUES (1), ('a')

SELECT * FROM (VALUES (1)) v (a, b)

SELECT * FROM json_to_recordset('[]')

SELECT nextval('nosuch')

SELECT currval('counter')

SELECT lastval()

SELECT setval('nosuch', 1)

SELECT pg_get_viewdef('nosuch')

SELECT pg_total_relation_size('nosuch')

SELECT pg_size_pretty('a')

SELECT has_table_privilege('nosuch', 'select')

SELECT has_table_privilege('orders', 'nosuch')

SELECT obj_description('nosuch'::regclass)

SELECT current_setting('nosuch')

SELECT set_config('nosuch', '1', false)

SELECT pg_terminate_backend('a')

SELECT to_number('a', '9')

SELECT to_date('a', 'YYYY')

SELECT regexp_replace('a', '(', 'b')

SELECT 'a' ~ '['

SELECT 'a' SIMILAR TO '['

SELECT chr(0)

SELECT decode('zz', 'hex')

SELECT convert_from('\xff', 'UTF8')

SELECT xmlparse(document '<a')

SELECT jsonb_path_query('{}', '$.')

SELECT to_tsquery('a &')

SELECT to_tsvector('nosuch', 'a')

SELECT unnest('{a}'::int[])

SELECT pg_sleep('a')

SELECT currval('nosuch'::regclass)

-- grammar
SELEC 1

SELECT

SELECT FROM

SELECT * FORM orders

SELECT * FROM

SELECT * FROM orders WHERE

SELECT * FROM orders WHERE id =

SELECT * FROM orders WHERE id == 1

SELECT * FROM orders ORDER id

SELECT * FROM orders LIMIT 1, 2

SELECT * FROM orders WHERE name = 'it's'

SELECT 'open

SELECT "open

SELECT $$open

SELECT /* open

SELECT 1 /* open

SELECT (1

SELECT 1)

SELECT a,, b

SELECT `id` FROM orders

SELECT [id] FROM orders

SELECT TOP 1 id FROM orders

SELECT id FROM orders; SELEC 1

SELECT 1; SELECT nosuch

SELECT 1; SELECT 1 / 0; SELECT 2

SELECT 1; SELECT * FROM nosuch; SELECT 2

CREATE TABLE t1 (a int); SELECT * FROM nosuch

SELECT 1; DROP TABLE nosuch; SELECT 2

INSERT INTO orders VALUES

INSERT INTO orders (id VALUES (1)

INSERT orders VALUES (1)

UPDATE orders

UPDATE orders SET

UPDATE orders SET id

UPDATE orders SET total = 1 WHERE

DELETE orders

DELETE * FROM orders

CREATE TABLE

CREATE TABLE t

CREATE TABLE t (a)

CREATE TABLE t (a int,)

CREATE TABLE t (a int b)

CREATE TABEL t (a int)

CREATE INDEX

CREATE FUNCTION f() RETURNS int

ALTER TABLE orders

ALTER TABLE orders ADD

ALTER TABLE orders MODIFY total int

ALTER orders ADD a int

DROP orders

DROP TABLE

DROP COLUMN total

SHOW TABLES

SHOW DATABASES

DESCRIBE orders

DESC orders

USE postgres

EXPLAIN

help

quit

exit

\d

;

;;

SELECT 1;;SELECT 2

-- only a comment

/* only a comment */

SELECT U&'\00zz'

SELECT E'\xzz'

SELECT 1e

SELECT 1a

SELECT 0x10

SELECT 1_000

SELECT :name

SELECT ?

SELECT $1

SELECT $1 + $2

SELECT * FROM orders WHERE id = $1

SELECT * FROM orders WHERE id = :id

SELECT * FROM orders WHERE id = ?

SELECT * FROM orders WHERE id = %s

SELECT * FROM orders WHERE id = @id

-- simple
INSERT INTO orders (customer_id) VALUES ($1)

-- a failed transaction reads what it does not run
-- simple
BEGIN; SELECT 1/0

ERROR OUT

SELEC 1

CREATE TABLE

SELECT 1; SELEC 2

SELECT * FROM nosuch

-- simple
ROLLBACK
