-- Blocks that change tables, triggers that put a column's own value back, what is made of queries. `-- hidden`: what is masked differs.

-- simple
DO $$ BEGIN ALTER TABLE customer ADD CONSTRAINT named CHECK (length(name) < 200); EXCEPTION WHEN duplicate_object THEN NULL; END $$

-- simple
DO $$ BEGIN IF NOT EXISTS (SELECT FROM information_schema.columns WHERE table_name = 'customer' AND column_name = 'vat') THEN ALTER TABLE customer ADD COLUMN vat text; END IF; END $$

-- simple
DO $$ BEGIN IF EXISTS (SELECT FROM information_schema.columns WHERE table_name = 'customer' AND column_name = 'vat') THEN ALTER TABLE customer RENAME COLUMN vat TO vat_number; END IF; END $$

-- simple
DO $$ BEGIN ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'new'; UPDATE orders SET state = 'new' WHERE state IS NULL; ALTER TABLE orders ALTER COLUMN state SET NOT NULL; END $$

-- simple
CREATE FUNCTION normal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.email := lower(trim(NEW.email)); RETURN NEW; END $$

-- simple
CREATE TRIGGER normal BEFORE INSERT OR UPDATE OF email ON customer FOR EACH ROW EXECUTE FUNCTION normal()

UPDATE customer SET name = 'Other' WHERE id = 3

INSERT INTO customer (name, email) VALUES ('N', ' N@Example.com ') ON CONFLICT DO NOTHING

-- hidden: email
SELECT id, coalesce(email, '-'), CASE WHEN id > 5 THEN email END, email::text, first_value(email) OVER (ORDER BY id) FROM customer WHERE id > 18 ORDER BY id

SELECT count(*) FROM customer WHERE email IS NOT NULL AND email <> ''

-- simple
CREATE TABLE customer_kept AS SELECT id, email, name FROM customer

-- simple
CREATE MATERIALIZED VIEW customer_mails AS SELECT id, email AS address FROM customer

-- simple
CREATE TEMP TABLE some_mails AS SELECT email FROM customer WHERE id < 3

-- hidden: email
SELECT k.email, m.address FROM customer_kept k JOIN customer_mails m USING (id) ORDER BY id

-- simple
UPDATE pg_settings SET setting = 'off' WHERE name = 'jit'
