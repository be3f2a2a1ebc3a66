-- Values that are given to functions and lists, rows grouped behind their key, json of rows without what is masked. `-- hidden`: what is masked differs.

UPDATE customer SET email = 'c' || id || '@example.com' WHERE id < 10

-- simple
CREATE FUNCTION find_customer(p_email text) RETURNS SETOF customer LANGUAGE sql STABLE AS $$ SELECT * FROM customer WHERE email = p_email $$

SELECT id, name FROM find_customer('c3@example.com')

-- hidden: email
SELECT * FROM find_customer('c4@example.com') WHERE kind = 'ok'

SELECT (find_customer('c4@example.com')).name

-- simple
CREATE FUNCTION log_in(p_email text, p_name text DEFAULT NULL) RETURNS int LANGUAGE plpgsql AS $$ DECLARE v int; BEGIN SELECT id INTO v FROM customer WHERE email = lower(p_email) AND name = coalesce(p_name, name); IF NOT FOUND THEN RETURN 0; END IF; RETURN v; END $$

SELECT log_in('C5@example.com'), log_in('nobody@example.com', 'N'), log_in(p_email => 'c6@example.com')

-- hidden: email
SELECT c.id, c.name, c.email, count(o.id) FROM customer c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id, c.name, c.email HAVING count(o.id) > 1 ORDER BY c.id LIMIT 4

-- hidden: email
SELECT id, email, phone, count(*) FROM customer GROUP BY 1, 2, 3 ORDER BY 1 LIMIT 3

-- hidden: email
SELECT DISTINCT c.id, c.email FROM customer c JOIN orders o ON o.customer_id = c.id WHERE o.total > 20 ORDER BY c.id

-- hidden: email
SELECT DISTINCT c.* FROM customer c JOIN orders o ON o.customer_id = c.id JOIN line l ON l.order_id = o.id WHERE c.home IS NOT NULL ORDER BY c.id LIMIT 3

SELECT c.id, v.x FROM customer c JOIN (VALUES ('c2@example.com', 'a'), ('c3@example.com', 'b')) v (mail, x) ON c.email = v.mail ORDER BY 1

UPDATE customer c SET name = v.name FROM (VALUES ('c7@example.com', 'Seven'), ('c8@example.com', 'Eight')) v (mail, name) WHERE c.email = v.mail RETURNING c.id, c.name

MERGE INTO customer c USING (VALUES ('c9@example.com', 'Nine')) v (mail, name) ON c.email = v.mail WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT (name, email) VALUES (v.name, v.mail)

SELECT to_jsonb(c) - 'email' - 'phone', row_to_json(c)::jsonb - ARRAY['email', 'phone'], to_jsonb(c) - '{email,phone}'::text[], to_jsonb(c)->>'name' FROM customer c WHERE id = 3

-- simple
CREATE TABLE customer_log (id serial PRIMARY KEY, what text, was jsonb)

-- simple
CREATE FUNCTION log_customer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO customer_log (what, was) VALUES (tg_op, to_jsonb(old) - 'email' - 'phone'); RETURN NULL; END $$

-- simple
CREATE TRIGGER logged AFTER UPDATE OR DELETE ON customer FOR EACH ROW EXECUTE FUNCTION log_customer()

UPDATE customer SET kind = 'happy' WHERE id = 3

SELECT what, was->>'name' FROM customer_log ORDER BY id
