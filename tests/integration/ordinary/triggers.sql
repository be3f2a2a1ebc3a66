-- Triggers that are made and fired: of extensions, and with what they find in their own variables and tables. `-- hidden`: what code says of itself does not go on.

-- simple
CREATE EXTENSION moddatetime

-- simple
CREATE EXTENSION insert_username

-- simple
CREATE EXTENSION autoinc

-- simple
CREATE EXTENSION lo

-- simple
CREATE TABLE doc(id int primary key, body text, tsv tsvector, changed timestamptz, who text, pic oid)

-- simple
CREATE TRIGGER a BEFORE UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION moddatetime(changed)

-- simple
INSERT INTO doc VALUES (1, 'hello world')

-- simple
DROP TRIGGER a ON doc

-- simple
CREATE TRIGGER a BEFORE INSERT OR UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION tsvector_update_trigger(tsv, 'pg_catalog.english', body)

-- simple
INSERT INTO doc VALUES (2, 'hello world')

SELECT * FROM doc

UPDATE doc SET body = 'good bye' WHERE id = 2

-- simple
DROP TRIGGER a ON doc

-- simple
CREATE TRIGGER a BEFORE UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()

UPDATE doc SET body = 'good bye' WHERE id = 2

-- simple
DROP TRIGGER a ON doc

-- simple
CREATE TRIGGER a BEFORE INSERT OR UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION insert_username(who)

UPDATE doc SET body = 'good bye' WHERE id = 2

-- simple
DROP TRIGGER a ON doc

-- simple
CREATE TRIGGER a BEFORE UPDATE OR DELETE ON doc FOR EACH ROW EXECUTE FUNCTION lo_manage(pic)

UPDATE doc SET body = 'good bye' WHERE id = 2

-- simple
DROP TRIGGER a ON doc

-- simple
CREATE FUNCTION trigger_func() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'trigger_func(%) called: action = %, when = %, level = %',
		TG_ARGV[0], TG_OP, TG_WHEN, TG_LEVEL;
	RETURN NULL;
END;$$

-- simple
CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON doc FOR EACH ROW EXECUTE FUNCTION trigger_func('x')

-- hidden: a notice of code
UPDATE doc SET body = 'good bye' WHERE id = 2

-- simple
DROP TRIGGER a ON doc

-- simple
CREATE TABLE log2(op text, tab text, n int)

-- simple
CREATE FUNCTION a1() RETURNS trigger LANGUAGE plpgsql AS $$begin if TG_OP = 'DELETE' then insert into log2 values (TG_OP, TG_TABLE_NAME, old.id); return old; end if; insert into log2 values (tg_op, TG_RELNAME, new.id); return new; end$$

-- simple
CREATE TRIGGER a1 BEFORE INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION a1()

INSERT INTO orders(customer_id) VALUES (1)

UPDATE orders SET state = 'x' WHERE id = 1

-- simple
DROP TRIGGER a1 ON orders

-- simple
CREATE FUNCTION a2() RETURNS trigger LANGUAGE plpgsql AS $$begin insert into log2 values (TG_ARGV[0], TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME || TG_NAME || TG_WHEN || TG_LEVEL, TG_NARGS); return null; end$$

-- simple
CREATE TRIGGER a2 AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH STATEMENT EXECUTE FUNCTION a2('b')

INSERT INTO orders(customer_id) VALUES (1)

-- simple
DROP TRIGGER a2 ON orders

-- simple
CREATE FUNCTION a3() RETURNS trigger LANGUAGE plpgsql AS $$begin new.at = now(); if new is distinct from old then new.total := coalesce(old.total, 0) + 1; end if; return new; end$$

-- simple
CREATE TRIGGER a3 BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION a3()

UPDATE orders SET state = 'y' WHERE id = 1

-- simple
DROP TRIGGER a3 ON orders

-- simple
CREATE FUNCTION a4() RETURNS trigger LANGUAGE plpgsql AS $$begin insert into log2 select 'n', 'newrows', count(*) from newrows; return null; end$$

-- simple
CREATE TRIGGER a4 AFTER INSERT ON orders REFERENCING NEW TABLE AS newrows FOR EACH STATEMENT EXECUTE FUNCTION a4()

INSERT INTO orders(customer_id) VALUES (1)

-- simple
DROP TRIGGER a4 ON orders

-- simple
CREATE TABLE audit(id bigserial primary key, tab text, op text, was jsonb, is_ jsonb, who text default current_user, at timestamptz default now())

-- simple
CREATE FUNCTION a5() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$begin
 if TG_OP = 'INSERT' then insert into audit(tab, op, is_) values (TG_TABLE_NAME::text, TG_OP, to_jsonb(NEW)); return new;
 elsif TG_OP = 'UPDATE' then insert into audit(tab, op, was, is_) values (TG_TABLE_NAME::text, TG_OP, to_jsonb(OLD), to_jsonb(NEW)); return new;
 else insert into audit(tab, op, was) values (TG_TABLE_NAME::text, TG_OP, row_to_json(OLD)::jsonb); return old; end if; end$$

-- simple
CREATE TRIGGER a5 AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION a5()

INSERT INTO orders(customer_id) VALUES (1)

UPDATE orders SET state = 'y' WHERE id = 1

-- simple
DROP TRIGGER a5 ON orders

-- simple
CREATE FUNCTION a6() RETURNS trigger LANGUAGE plpgsql AS $$begin if pg_trigger_depth() > 1 then return new; end if; perform pg_notify('changes', json_build_object('id', new.id, 'op', tg_op)::text); return new; end$$

-- simple
CREATE TRIGGER a6 AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION a6()

INSERT INTO orders(customer_id) VALUES (1)

-- simple
DROP TRIGGER a6 ON orders

-- simple
CREATE FUNCTION a7() RETURNS trigger LANGUAGE plpgsql AS $$begin if new.total < 0 then raise exception 'total of % is below zero', new.id using errcode = 'check_violation', hint = 'x'; end if; new.state := lower(new.state); return new; end$$

-- simple
CREATE TRIGGER a7 BEFORE INSERT OR UPDATE ON orders FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION a7()

INSERT INTO orders(customer_id, state) VALUES (1, 'AB') RETURNING state

-- simple
DROP TRIGGER a7 ON orders

-- simple
CREATE FUNCTION a8() RETURNS event_trigger LANGUAGE plpgsql AS $$declare r record; begin for r in select * from pg_event_trigger_ddl_commands() loop raise notice '% %', tg_tag, r.object_identity; end loop; end$$

-- simple
CREATE EVENT TRIGGER a8 ON ddl_command_end EXECUTE FUNCTION a8()

-- simple
-- hidden: a notice of code
CREATE TABLE seen(a int)

-- simple
DROP EVENT TRIGGER a8

-- simple
CREATE FUNCTION a9() RETURNS event_trigger LANGUAGE plpgsql AS $$begin if tg_tag = 'DROP TABLE' then raise exception 'no'; end if; end$$

-- simple
CREATE EVENT TRIGGER a9 ON ddl_command_start WHEN tag IN ('DROP TABLE') EXECUTE FUNCTION a9()

-- simple
CREATE TABLE seen2(a int)

-- simple
DROP EVENT TRIGGER a9
