-- The schema that the cases of this folder read. Sensitive by habit: email, phone, ssn, profile.
CREATE SCHEMA audit;
CREATE SCHEMA crm;
CREATE TYPE address AS (street text, city text, zip text);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN email_address AS text CHECK (VALUE LIKE '%@%');

CREATE TABLE customers (
    id serial PRIMARY KEY,
    email email_address NOT NULL,
    phone text,
    ssn varchar(11),
    name text NOT NULL,
    profile jsonb,
    home address,
    tags text[],
    age int,
    mood mood,
    joined date NOT NULL,
    vip boolean,
    email_domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED
);
COMMENT ON COLUMN customers.email IS 'where they read mail; dbguard:pii';
CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id int NOT NULL, total numeric(10,2), note text, placed timestamptz NOT NULL);
CREATE TABLE plain (id int PRIMARY KEY, a text, b text, n int);
CREATE TABLE "Mixed Case" ("Id" int, "E-Mail" text);
CREATE TABLE crm.customers (id int, email text, owner text);
CREATE TABLE audit.log (id bigint, line text);

CREATE TABLE events (id bigint, day date NOT NULL, email text) PARTITION BY RANGE (day);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE staff (badge text) INHERITS (plain);

CREATE VIEW contacts AS SELECT id, email, upper(name) AS shout FROM customers;
CREATE VIEW mail_list (who, address) AS SELECT shout, email FROM contacts WHERE id > 10;
CREATE VIEW counts AS SELECT c.name, count(o.id) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.name;
CREATE MATERIALIZED VIEW domains AS SELECT email_domain, count(*) AS n FROM customers GROUP BY email_domain;
CREATE RECURSIVE VIEW numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 5;

CREATE FUNCTION full_line(who int) RETURNS text LANGUAGE sql AS $$ SELECT name || ' <' || email || '>' FROM customers WHERE id = who $$;
CREATE FUNCTION plus_one(n int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1';
CREATE FUNCTION shout(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN upper($1); END';
CREATE FUNCTION people() RETURNS TABLE (who text, mail text) LANGUAGE sql AS 'SELECT name, email FROM customers';
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION same_text(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN $1 = $2; END';
CREATE PROCEDURE tidy() LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = same_text);

CREATE TABLE watched (id int PRIMARY KEY, v text);
CREATE TRIGGER watch BEFORE UPDATE ON watched FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TABLE ruled (id int, v text);
CREATE RULE copy_down AS ON INSERT TO ruled DO ALSO INSERT INTO audit.log (id, line) VALUES (NEW.id, NEW.v);
CREATE TABLE sized (id int PRIMARY KEY, small smallint NOT NULL, big bigint NOT NULL);
CREATE DOMAIN above_zero AS int CHECK (VALUE > 0);
CREATE TABLE limited (
    id int PRIMARY KEY CHECK (id > 0),
    state text NOT NULL CHECK (state IN ('new', 'old')),
    qty int NOT NULL,
    twice int GENERATED ALWAYS AS (qty * 2) STORED,
    pct smallint CHECK (pct >= 0),
    pieces above_zero NOT NULL,
    code text NOT NULL CHECK (code ~ '^[a-z]{3}$'),
    doc jsonb NOT NULL CHECK (jsonb_typeof(doc) = 'object'),
    span int4range NOT NULL,
    CONSTRAINT few CHECK (qty BETWEEN 1 AND 100),
    CONSTRAINT later CHECK (qty > 50) NOT VALID
);
CREATE TABLE branches (id int, region text NOT NULL) PARTITION BY LIST (region);
CREATE TABLE branches_eu PARTITION OF branches FOR VALUES IN ('eu');
CREATE TABLE branches_rest PARTITION OF branches DEFAULT;
CREATE VIEW cheap AS SELECT id, qty AS pieces, 1 AS one FROM limited WHERE qty < 10;
CREATE FUNCTION always(n int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION is_there(n int) RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM limited l WHERE l.id = n)';
CREATE FUNCTION is_small(n int) RETURNS boolean LANGUAGE sql AS 'SELECT n < 5';
CREATE FUNCTION is_small_too(n int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN IF n < 5 THEN RETURN true; END IF; RETURN false; END';
CREATE FUNCTION always_and(n int, m int) RETURNS boolean LANGUAGE sql AS 'SELECT n = n';
CREATE OPERATOR =!= (LEFTARG = int, RIGHTARG = int, FUNCTION = always_and);
