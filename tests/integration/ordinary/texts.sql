CREATE EXTENSION IF NOT EXISTS tablefunc

SELECT * FROM crosstab('SELECT id, state, total FROM orders ORDER BY 1, 2') AS ct(id int, a numeric, b numeric)

SELECT * FROM crosstab($$SELECT customer_id, state, count(*) FROM orders GROUP BY 1, 2 ORDER BY 1, 2$$, $$SELECT DISTINCT state FROM orders ORDER BY 1$$) AS ct(customer int, a bigint, b bigint)

DO $$ BEGIN EXECUTE 'CREATE TABLE IF NOT EXISTS made_by_text(id int, v text)'; END $$

DO $$ BEGIN EXECUTE format('INSERT INTO %I VALUES (%s, %L)', 'made_by_text', 1, 'it''s'); EXECUTE 'UPDATE made_by_text SET v = v || $1 WHERE id = $2' USING '!', 1; END $$

SELECT * FROM made_by_text

-- hidden: what code says that reads a table with masks
DO $$ DECLARE n int; r record; BEGIN EXECUTE 'SELECT count(*) FROM customer WHERE id > $1' INTO n USING 0; FOR r IN EXECUTE 'SELECT id, name FROM customer ORDER BY id' LOOP n := n + r.id; END LOOP; RAISE NOTICE 'there are %', n > 0; END $$

DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET "my.setting" TO 1'; END $$

DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' RESET "my.setting"'; END $$

DO $$ BEGIN IF to_regclass('made_by_text') IS NOT NULL THEN EXECUTE 'DROP TABLE ' || 'made_by_text'; END IF; END $$
