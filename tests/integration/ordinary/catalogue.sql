-- What tools with a window ask of the catalogue, written after its documentation.

SELECT db.oid, db.datname, db.datallowconn, pg_encoding_to_char(db.encoding) AS encoding, has_database_privilege(db.oid, 'CREATE') AS cancreate, datconnlimit FROM pg_database db ORDER BY datname

SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass ORDER BY nspname

SELECT t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C') ORDER BY t.oid

SELECT c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr, pg_catalog.pg_get_partkeydef(c.oid) AS partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass WHERE c.relnamespace = 'public'::regnamespace AND c.relkind NOT IN ('i', 'I', 'c') ORDER BY c.oid

SELECT c.relname, a.attrelid, a.attname, a.atttypid, a.attlen, a.attnum, a.attndims, a.atttypmod, a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated, a.attcollation, a.attacl, a.attfdwoptions, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value, dsc.description, dep.objid FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON a.attrelid = c.oid LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum LEFT OUTER JOIN pg_catalog.pg_description dsc ON c.oid = dsc.objoid AND a.attnum = dsc.objsubid LEFT OUTER JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i' AND dep.refobjsubid = a.attnum AND dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.oid = 'customer'::regclass ORDER BY a.attnum

SELECT c.oid, c.*, t.relname AS tabrelname, rt.relnamespace AS refnamespace, d.description, CASE c.contype WHEN 'c' THEN "substring"(pg_get_constraintdef(c.oid), 7) ELSE null END consrc_copy FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid = c.conrelid LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid = c.confrelid LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_constraint'::regclass WHERE c.conrelid = 'orders'::regclass ORDER BY c.oid

SELECT i.*, i.indkey AS keys, c.relname, c.relnamespace, c.relam, c.reltablespace, tc.relname AS tabrelname, dsc.description, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS pred_expr, pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) AS expr, pg_catalog.pg_relation_size(i.indexrelid) > 0 AS has_size FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid INNER JOIN pg_catalog.pg_class tc ON tc.oid = i.indrelid LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid = dsc.objoid WHERE i.indrelid IN ('product'::regclass, 'customer'::regclass) ORDER BY tabrelname, c.relname

SELECT x.oid, x.*, p.pronamespace AS func_schema_id, d.description FROM pg_catalog.pg_trigger x LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid = x.tgfoid LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = x.oid AND d.objsubid = 0 WHERE x.tgrelid = 'orders'::regclass AND NOT x.tgisinternal

SELECT p.oid, p.*, pg_catalog.pg_get_expr(p.proargdefaults, 0) AS arg_defaults, l.lanname, d.description FROM pg_catalog.pg_proc p LEFT OUTER JOIN pg_catalog.pg_language l ON l.oid = p.prolang LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = p.oid WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN ('total', 'touch', 'restock') ORDER BY p.proname

SELECT pg_catalog.pg_get_functiondef('total'::regproc)

SELECT pg_catalog.pg_get_viewdef('sold'::regclass, true)

SELECT pg_catalog.pg_get_triggerdef(oid, true) FROM pg_trigger WHERE tgname = 'touched'

SELECT pg_catalog.pg_get_ruledef(oid, true) FROM pg_rewrite WHERE rulename = 'keep'

SELECT s.*, seqrelid::regclass, format_type(seqtypid, NULL) FROM pg_sequence s WHERE seqrelid = 'counter'::regclass

SELECT * FROM pg_catalog.pg_sequences WHERE schemaname = 'public' ORDER BY sequencename

SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolconnlimit, r.rolvaliduntil, ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON m.roleid = b.oid WHERE m.member = r.oid) AS memberof FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1

SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants WHERE table_schema = 'public' AND grantee = 'reader' ORDER BY 2, 3

SELECT table_schema, table_name, column_name, ordinal_position, column_default, is_nullable, data_type, character_maximum_length, numeric_precision, numeric_scale, udt_name, is_identity, is_generated FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, 4

SELECT kcu.table_name, kcu.column_name, tc.constraint_type, ccu.table_name AS foreign_table, ccu.column_name AS foreign_column FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu ON tc.constraint_name = kcu.constraint_name AND tc.constraint_schema = kcu.constraint_schema LEFT JOIN information_schema.constraint_column_usage ccu ON ccu.constraint_name = tc.constraint_name WHERE tc.table_schema = 'public' ORDER BY 1, 2, 3, 4, 5

SELECT routine_schema, routine_name, routine_type, data_type, external_language FROM information_schema.routines WHERE routine_schema = 'public' AND routine_name IN ('total', 'touch', 'restock') ORDER BY 2

SELECT event_object_table, trigger_name, action_timing, event_manipulation, action_statement FROM information_schema.triggers ORDER BY 1, 2

SELECT table_name, view_definition, is_updatable, check_option FROM information_schema.views WHERE table_schema = 'public' ORDER BY 1

SELECT * FROM information_schema.schemata ORDER BY schema_name

SELECT n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS type, d.description, c.reltuples::bigint AS estimated_row_count FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid LEFT JOIN pg_catalog.pg_description d ON c.oid = d.objoid AND d.objsubid = 0 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'f', 'm') ORDER BY 3, 1, 2

SELECT c.table_name, c.column_name, col_description((quote_ident(c.table_schema) || '.' || quote_ident(c.table_name))::regclass, c.ordinal_position) FROM information_schema.columns c WHERE c.table_schema = 'public' AND c.table_name = 'product' ORDER BY c.ordinal_position

SELECT res.table_name, pg_size_pretty(pg_total_relation_size(res.oid)) <> '' FROM (SELECT c.oid, c.relname AS table_name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r') res ORDER BY 1

SELECT count(*) FILTER (WHERE state = 'active') >= 0 AS active, count(*) > 0 AS total FROM pg_stat_activity WHERE datname = current_database()

SELECT name, setting, unit, category, context, vartype, enumvals FROM pg_settings WHERE name IN ('work_mem', 'search_path', 'wal_level') ORDER BY name

SELECT extname, extversion, nspname, relocatable FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY 1

SELECT name, default_version, installed_version, comment FROM pg_available_extensions WHERE name IN ('pg_trgm', 'hstore') ORDER BY 1

SELECT collname FROM pg_collation WHERE collname IN ('C', 'POSIX') ORDER BY 1

SELECT amname, amtype FROM pg_am ORDER BY 1

SELECT spcname, pg_get_userbyid(spcowner) <> '' FROM pg_tablespace ORDER BY 1

SELECT castsource::regtype, casttarget::regtype, castcontext FROM pg_cast WHERE castsource = 'int4'::regtype ORDER BY 2

SELECT e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid WHERE t.typname = 'mood' ORDER BY e.enumsortorder

SELECT inhrelid::regclass, inhparent::regclass, inhseqno FROM pg_inherits ORDER BY 1, 2

SELECT defaclrole > 0, defaclnamespace::regnamespace, defaclobjtype, defaclacl::text <> '' FROM pg_default_acl

SELECT polname, polrelid::regclass, polcmd, polpermissive, pg_get_expr(polqual, polrelid) FROM pg_policy

SELECT statistics_name, attnames, kinds FROM pg_stats_ext

SELECT schemaname, relname, seq_scan >= 0, idx_scan IS NOT NULL, n_live_tup >= 0 FROM pg_stat_user_tables WHERE schemaname = 'public' ORDER BY 2

SELECT schemaname, relname, indexrelname, idx_scan >= 0 FROM pg_stat_user_indexes ORDER BY 1, 2, 3

SELECT relname, heap_blks_read >= 0 FROM pg_statio_user_tables ORDER BY 1

SELECT blocked.pid FROM pg_catalog.pg_locks blocked JOIN pg_catalog.pg_stat_activity a ON a.pid = blocked.pid JOIN pg_catalog.pg_locks other ON other.locktype = blocked.locktype AND other.relation IS NOT DISTINCT FROM blocked.relation AND other.pid <> blocked.pid WHERE NOT blocked.granted

SELECT version(), current_database(), current_schema(), current_schemas(true), inet_server_port() > 0, pg_is_in_recovery(), pg_postmaster_start_time() < now()

SELECT has_schema_privilege(n.oid, 'USAGE'), n.nspname FROM pg_namespace n WHERE n.nspname IN ('public', 'crm') ORDER BY 2

SELECT classid::regclass, objid > 0, refclassid::regclass, deptype FROM pg_depend WHERE refobjid = 'product'::regclass ORDER BY 1, 4, 2 LIMIT 10

SELECT a.attname, t.typname, a.attlen, a.atttypmod, a.attnotnull FROM pg_class c, pg_attribute a, pg_type t WHERE c.relname = 'orders' AND a.attnum > 0 AND a.attrelid = c.oid AND a.atttypid = t.oid ORDER BY a.attnum

SELECT ct.conname, a.attname, generate_subscripts(ct.conkey, 1) AS position FROM pg_constraint ct JOIN pg_attribute a ON a.attrelid = ct.conrelid AND a.attnum = ANY (ct.conkey) WHERE ct.contype = 'p' AND ct.conrelid = 'line'::regclass ORDER BY 1, 2, 3

SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, ct.relname AS TABLE_NAME, a.attname AS COLUMN_NAME, (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, ci.relname AS PK_NAME FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON ct.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON ct.relnamespace = n.oid JOIN pg_catalog.pg_index i ON a.attrelid = i.indrelid JOIN pg_catalog.pg_class ci ON ci.oid = i.indexrelid WHERE i.indisprimary AND ct.relname = 'line' ORDER BY 4, 5
