-- What sessions do beside queries: transactions, cursors, settings, locks, temporary tables, COPY, plans.

BEGIN

DECLARE held CURSOR WITH HOLD FOR SELECT id, title FROM product ORDER BY id

FETCH 2 FROM held

COMMIT

FETCH 2 FROM held

MOVE FORWARD 3 IN held

FETCH BACKWARD 1 FROM held

FETCH ALL FROM held

CLOSE held

BEGIN; DECLARE scrolled SCROLL CURSOR FOR SELECT id FROM orders ORDER BY id; FETCH LAST FROM scrolled; FETCH FIRST FROM scrolled; FETCH ABSOLUTE 5 FROM scrolled; FETCH RELATIVE -2 FROM scrolled; COMMIT

BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE

SELECT count(*) FROM product

INSERT INTO orders (customer_id) VALUES (1)

ROLLBACK

BEGIN

SAVEPOINT a

INSERT INTO product (title, price) VALUES ('saved', 1) RETURNING title

SAVEPOINT b

INSERT INTO product (title, price) VALUES ('lost', -1)

ROLLBACK TO SAVEPOINT b

RELEASE SAVEPOINT a

SELECT title FROM product WHERE title IN ('saved', 'lost')

ROLLBACK AND CHAIN

SELECT 1

COMMIT AND NO CHAIN

SET LOCAL work_mem = '8MB'

BEGIN; SET LOCAL work_mem = '8MB'; SHOW work_mem; COMMIT; SHOW work_mem

SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY

INSERT INTO orders (customer_id) VALUES (1)

SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE

SET CONSTRAINTS ALL DEFERRED

SELECT pg_advisory_lock(7), pg_try_advisory_lock(7), pg_advisory_unlock(7), pg_advisory_unlock(7), pg_advisory_unlock_all()

SELECT pg_advisory_xact_lock(1, 2)

SELECT locktype, mode, granted FROM pg_locks WHERE locktype = 'advisory'

CREATE TEMP TABLE scratch (id int PRIMARY KEY, n text) ON COMMIT PRESERVE ROWS

INSERT INTO scratch SELECT g, 'n' || g FROM generate_series(1, 5) g

UPDATE scratch SET n = upper(n) WHERE id < 3 RETURNING *

CREATE INDEX ON scratch (n)

ANALYZE scratch

DELETE FROM scratch

TRUNCATE scratch

ALTER TABLE scratch ADD COLUMN extra int DEFAULT 1

SELECT * FROM scratch

DROP TABLE scratch

CREATE TEMP TABLE once (id int) ON COMMIT DROP

CREATE TEMP TABLE customer AS SELECT 1 AS id

SELECT * FROM customer

DROP TABLE customer

SELECT id, name FROM customer WHERE id < 3 ORDER BY id

CREATE TEMP VIEW seen AS SELECT id FROM product WHERE id < 3

SELECT * FROM seen ORDER BY 1

DISCARD TEMP

LISTEN news

NOTIFY news, 'one'

SELECT pg_notify('news', 'two')

SELECT pg_listening_channels()

UNLISTEN *

PREPARE p (bigint) AS SELECT title FROM product WHERE id = $1

EXECUTE p (3)

EXPLAIN (COSTS OFF) EXECUTE p (3)

SELECT name, statement, parameter_types FROM pg_prepared_statements WHERE name = 'p'

DEALLOCATE p

COPY product (id, title) TO STDOUT WITH (FORMAT csv, HEADER true, DELIMITER ';', NULL 'none', QUOTE '"', ESCAPE '"', FORCE_QUOTE (title), ENCODING 'UTF8')

COPY (SELECT id, tags FROM product ORDER BY id LIMIT 3) TO STDOUT (DELIMITER '|', NULL '')

COPY (SELECT id, price FROM product ORDER BY id LIMIT 3) TO STDOUT (FORMAT binary)

COPY (SELECT id FROM customer ORDER BY id LIMIT 3) TO STDOUT CSV

COPY log FROM STDIN WITH (FORMAT csv, HEADER match, NULL 'x', FORCE_NOT_NULL (text))

COPY log (day, text) FROM STDIN (FORMAT text, FREEZE false)

EXPLAIN (COSTS OFF) SELECT p.title FROM product p JOIN line l ON l.product_id = p.id WHERE l.n > 3

EXPLAIN (FORMAT json, COSTS OFF) SELECT 1

EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT count(*) FROM orders WHERE id < 10

EXPLAIN (COSTS OFF) UPDATE orders SET total = 1 WHERE id = 1

SELECT set_config('app.user', '7', false), current_setting('app.user'), current_setting('app.none', true)

SET application_name = 'me'

SHOW application_name

SET TIME ZONE 'Europe/Berlin'

SELECT timestamptz '2024-01-01 12:00Z'

SET DateStyle = 'German, DMY'

SELECT date '2024-02-03', interval '1 day 2 hours'

SET IntervalStyle = 'iso_8601'

SELECT interval '1 day 2 hours'

SET bytea_output = 'escape'

SELECT raw FROM product WHERE id = 1

SET extra_float_digits = 0

SELECT 0.1::float8 + 0.2

RESET ALL

DISCARD PLANS

DISCARD SEQUENCES

SELECT nextval('counter'), currval('counter'), lastval()

SELECT setval('counter', 200, true)

SELECT txid_current_if_assigned(), pg_current_xact_id_if_assigned()

LOCK TABLE product IN ACCESS SHARE MODE

BEGIN; LOCK TABLE product, orders IN SHARE ROW EXCLUSIVE MODE NOWAIT; COMMIT

SELECT id FROM product WHERE id < 3 ORDER BY id FOR NO KEY UPDATE SKIP LOCKED

SELECT relname, n_dead_tup >= 0 FROM pg_stat_user_tables WHERE relname = 'line'

SELECT pg_stat_reset()

SELECT count(*) > 0 FROM pg_stat_activity

SELECT pid = pg_backend_pid() FROM pg_stat_activity WHERE pid = pg_backend_pid()

SELECT pg_cancel_backend(0), pg_terminate_backend(0)

SELECT pg_reload_conf()

SELECT datname FROM pg_stat_database WHERE datname = current_database()

SELECT lo_unlink(lo_create(50001))

VACUUM (ANALYZE) product

VACUUM

ANALYZE

CHECKPOINT

REINDEX TABLE product

CLUSTER product USING product_pkey

CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE, path text)

INSERT INTO tree VALUES (1, NULL, 'a'), (2, 1, 'b'), (3, 2, 'c')

WITH RECURSIVE t AS (SELECT id, path FROM tree WHERE parent IS NULL UNION ALL SELECT tree.id, t.path || '.' || tree.path FROM tree JOIN t ON tree.parent = t.id) SELECT * FROM t ORDER BY id

CREATE FUNCTION stamped() RETURNS trigger LANGUAGE plpgsql AS $$begin new.path := upper(new.path); return new; end$$

CREATE TRIGGER stamps BEFORE UPDATE ON tree FOR EACH ROW WHEN (OLD.path IS DISTINCT FROM NEW.path) EXECUTE FUNCTION stamped()

UPDATE tree SET path = 'x' WHERE id = 3 RETURNING path

ALTER TABLE tree DISABLE TRIGGER stamps

ALTER TABLE tree RENAME COLUMN path TO way

COMMENT ON COLUMN tree.way IS 'how'

GRANT SELECT ON tree TO reader

DROP TABLE tree CASCADE

CREATE FUNCTION band(n numeric) RETURNS text LANGUAGE plpgsql AS $$begin if n < 0 then raise exception '% is below zero', n using errcode = '22003', hint = 'Take another.'; end if; raise notice 'band of %', n; return 'low'; end$$

SELECT band(1)

SELECT band(-1)

SELECT band('x')

BEGIN; SELECT band(-1); COMMIT

DO $$begin raise notice 'hello'; end$$

CREATE FUNCTION plus(a int, b int DEFAULT 1) RETURNS int LANGUAGE sql RETURN a + b

SELECT plus(1), plus(a => 2, b => 3)

SELECT plus('x')

CREATE FUNCTION noted(a int, OUT b int) LANGUAGE sql BEGIN ATOMIC INSERT INTO crm.contact (id) VALUES (a); SELECT count(*)::int FROM crm.contact; END

SELECT noted(77)

SELECT noted(77)

CREATE TABLE pair (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, other int REFERENCES pair DEFERRABLE INITIALLY DEFERRED)

BEGIN

INSERT INTO pair VALUES (1, 2)

COMMIT

INSERT INTO pair VALUES (1, 1), (1, 1)

SELECT count(c), count(c.*), count(DISTINCT o.id) FROM orders o LEFT JOIN customer c ON c.id = o.customer_id + 15

SELECT o.id FROM orders o LEFT JOIN customer c ON c.id = o.customer_id + 15 WHERE c IS NULL ORDER BY 1

SELECT o.id, count(c) FROM orders o LEFT JOIN customer c ON c.id = o.customer_id + 15 GROUP BY o.id HAVING count(c) = 0 ORDER BY 1

SET application_name = 'mine'

SELECT state, count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid() GROUP BY 1

SELECT pg_stat_clear_snapshot()

SELECT system_identifier > 0 FROM pg_control_system()

SELECT checkpoint_lsn > '0/0', timeline_id FROM pg_control_checkpoint()

DROP TABLE pair; DROP FUNCTION band, plus, noted

-- simple
BEGIN; CREATE TABLE watched(id int, name text, email text); COMMIT

BEGIN

CREATE FUNCTION watches() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$

CREATE TRIGGER watching BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watches()

CREATE INDEX watched_name ON watched(name)

ALTER TABLE watched ADD COLUMN more int DEFAULT 1

ROLLBACK

DROP TABLE watched
