// pg with cursors, copy streams and query streams; pg-promise; postgres.js; slonik; kysely; knex; objection: each in a few screens of
// ordinary work. node_drivers.js NAME runs one of them.
'use strict';
const url = process.env.DATABASE_URL;
const show = (name, value) => console.log(name, JSON.stringify(value, (k, v) => typeof v === 'bigint' ? v.toString() : Buffer.isBuffer(v) ? v.toString('hex') : v));
const attempt = async (name, work) => { try { show(name, await work()); } catch (e) { show(name, [e.code, e.message, e.position, e.constraint, e.severity]); } };
const { pipeline } = require('stream/promises');
const { Readable, Writable } = require('stream');
const collect = async stream => { const parts = []; for await (const part of stream) parts.push(part); return parts; };

const cases = {
  async pg() {
    const { Client, Pool, types } = require('pg');
    const Cursor = require('pg-cursor'), QueryStream = require('pg-query-stream'), copy = require('pg-copy-streams');
    const c = new Client({ connectionString: url, application_name: 'node', statement_timeout: 60000, idle_in_transaction_session_timeout: 60000 });
    const notices = [], heard = [];
    c.on('notice', n => notices.push([n.severity, n.message]));
    c.on('notification', n => heard.push([n.channel, n.payload]));
    await c.connect();
    show('settings', (await c.query("select current_setting('application_name'), current_setting('statement_timeout')")).rows);
    show('rows', (await c.query('select * from product order by id limit 2')).rows);
    show('array mode', (await c.query({ text: 'select id, title, tags, doc from product where id = any($1) order by id', values: [[1, 2]], rowMode: 'array' })).rows);
    for (let i = 0; i < 3; i++) show('named', (await c.query({ name: 'by-id', text: 'select title from product where id = $1', values: [i + 1] })).rows);
    show('fields', (await c.query('select id, title t, price * 2 as d from product limit 0')).fields.map(f => [f.name, f.tableID > 0, f.columnID, f.dataTypeID, f.dataTypeModifier]));
    show('several', (await c.query('select 1 as a; select 2 as b; update product set flag = true where id < 3')).map(r => [r.command, r.rowCount]));
    show('insert', (await c.query('insert into product(title, price, doc, tags, raw, made) values ($1, $2, $3, $4, $5, $6) returning id, twice, doc', ['new', '12.50', { a: [1, { b: null }] }, ['x', 'y,z', null, '"'], Buffer.from([0, 1, 255]), '2024-02-03'])).rows);
    const cursor = c.query(new Cursor('select id from product order by id'));
    show('cursor', [(await cursor.read(7)).length, (await cursor.read(100)).length, (await cursor.read(7)).length]);
    await cursor.close();
    show('stream', (await collect(c.query(new QueryStream('select g from generate_series(1, $1) g', [1000], { batchSize: 64 })))).length);
    show('copy to', Buffer.concat(await collect(c.query(copy.to('copy (select id, title from product where id < 4 order by id) to stdout csv header')))).toString());
    const into = c.query(copy.from('copy log from stdin'));
    await pipeline(Readable.from(Array.from({ length: 500 }, (_, i) => `2024-03-0${1 + i % 9}\trow ${i}\n`)), into);
    show('copied', [into.rowCount, (await c.query('select count(*) from log')).rows]);
    await attempt('bad copy', () => pipeline(Readable.from(['not a date\tx\n']), c.query(copy.from('copy log from stdin'))));
    await attempt('unique', () => c.query("insert into crm.contact values (1), (1)"));
    await attempt('syntax', () => c.query('selec 1'));
    await attempt('type', () => c.query('select $1::int', ['x']));
    await attempt('missing', () => c.query('select nothing from product'));
    await attempt('too few', () => c.query('select $1::int, $2::int', [1]));
    await attempt('division', () => c.query('select 1/(stock - stock) from product'));
    await c.query('begin isolation level serializable read only deferrable');
    await attempt('read only', () => c.query('delete from line'));
    await attempt('failed', () => c.query('select 1'));
    await c.query('rollback');
    await c.query('listen news'); await c.query("notify news, 'one'"); await c.query("select pg_notify('news', 'two')"); await c.query('select 1');
    show('heard', heard);
    await c.query("do $$begin raise notice 'hello'; raise warning 'careful'; end$$"); await c.query('drop table if exists nowhere');
    show('notices', notices);
    // a prepared statement, and the table altered under it
    const named = { name: 'altered', text: 'select * from crm.contact where id = $1', values: [1] };
    await c.query("insert into crm.contact(id, note) values (1, 'n')"); show('before', (await c.query(named)).rows);
    await c.query('alter table crm.contact add column extra int default 7');
    await attempt('after', async () => (await c.query(named)).rows);
    await c.query('alter table crm.contact drop column extra');
    const p = new Pool({ connectionString: url, max: 4 });
    show('pool', (await Promise.all(Array.from({ length: 20 }, (_, i) => p.query('select $1::int + 1 as n', [i])))).map(r => r.rows[0].n));
    await p.end();
    await c.end();
  },
  async promise() {
    const pgp = require('pg-promise')({ noWarnings: true });
    const db = pgp(url);
    show('one', await db.one('select $1:raw as a, ${x} as b, $2:csv'.replace('${x}', "'x'").replace(', $2:csv', ''), ['1']));
    show('any', await db.any('select id, title from product where id in ($1:csv) and title like $2 order by id', [[1, 2, 3], 'Product%']));
    show('oneOrNone', await db.oneOrNone('select * from product where id = $<id>', { id: -1 }));
    show('names', await db.any('select ${cols:name} from ${table:name} order by id limit 2', { cols: ['id', 'title'], table: 'product' }));
    await attempt('one of many', () => db.one('select id from product'));
    show('tx', await db.tx({ mode: new pgp.txMode.TransactionMode({ tiLevel: pgp.txMode.isolationLevel.serializable }) }, async t => {
      await t.none('insert into crm.contact(id, note) values ($1, $2)', [10, 'x']);
      await t.tx(async n => n.none('insert into crm.contact(id) values (11)'));
      await t.tx(async n => { await n.none('insert into crm.contact(id) values (12)'); throw new Error('undo'); }).catch(() => 0);
      return t.map('select id from crm.contact order by id', [], r => r.id);
    }));
    show('task', await db.task(async t => [await t.result('update product set flag = true where id = 1', [], r => r.rowCount), await t.multi('select 1 as a; select 2 as b')]));
    const set = new pgp.helpers.ColumnSet(['?id', 'note'], { table: { schema: 'crm', table: 'contact' } });
    show('insert many', await db.result(pgp.helpers.insert([{ id: 20, note: "it's" }, { id: 21, note: null }], set), [], r => r.rowCount));
    show('update many', await db.result(pgp.helpers.update([{ id: 20, note: 'u' }, { id: 21, note: 'v' }], set) + ' where v.id = t.id', [], r => r.rowCount).catch(e => e.message));
    show('prepared', await db.any(new pgp.PreparedStatement({ name: 'p', text: 'select title from product where id = $1', values: [3] })));
    show('func', await db.func('total', [1]));
    show('proc', await db.proc('restock', [1]));
    await db.$pool.end();
  },
  async postgres() {
    const notices = [];
    const sql = require('postgres')(url, { max: 3, onnotice: n => notices.push(n.message), connection: { application_name: 'postgres.js' } });
    show('rows', await sql`select id, title, price, doc, tags, made, flag, raw, key from product where id in ${sql([1, 2])} order by id`);
    show('nested', await sql`select * from ${sql('orders')} where state = ${'new'} and total > ${5} ${sql`order by id limit 2`}`);
    show('insert', await sql`insert into crm.contact ${sql([{ id: 1, note: 'a' }, { id: 2, note: 'b' }], 'id', 'note')} returning *`);
    show('update', (await sql`update crm.contact set ${sql({ note: 'c' }, 'note')} where id = ${2}`).count);
    show('values', await sql`update crm.contact set note = d.note from (values ${sql([[1, 'x'], [2, 'y']])}) as d(id, note) where contact.id = d.id::int returning contact.id, contact.note`);
    show('json', await sql`select ${sql.json({ a: 1 })}::jsonb as j, ${sql.array([1, 2])}::int[] as a, ${new Date(0)}::timestamptz as t`);
    show('unsafe', await sql.unsafe('select 1 as a; select 2 as b').then(r => r.map(x => [...x])));
    show('simple', (await sql`select 1 as x; select 2 as y`.simple()).length);
    const seen = []; await sql`select g from generate_series(1, 50) g`.cursor(7, rows => { seen.push(rows.length); }); show('cursor', seen);
    let each = 0; await sql`select g from generate_series(1, 50) g`.forEach(() => each++); show('each', each);
    show('describe', (await sql`select id, title from product where id = ${1}`.describe()).columns.map(x => x.name));
    show('raw', (await sql`select 1 as a, 'b' as b`.raw()).map(r => r.map(x => x.toString())));
    show('begin', await sql.begin('isolation level repeatable read', async t => { await t`insert into crm.contact(id) values (5)`; await t.savepoint(async s => { await s`insert into crm.contact(id) values (6)`; throw new Error('x'); }).catch(() => 0); return t`select id from crm.contact order by id`; }));
    const out = await sql`copy (select id, title from product where id < 3 order by id) to stdout`.readable(); show('copy out', Buffer.concat(await collect(out)).toString());
    const into = await sql`copy log from stdin`.writable(); await pipeline(Readable.from(['2024-01-01\ta\n', '2024-01-02\tb\n']), into); show('copy in', await sql`select count(*) from log`);
    const heard = new Promise(resolve => sql.listen('js', resolve).then(() => sql.notify('js', 'hello'))); show('listen', await heard);
    await attempt('error', () => sql`insert into crm.contact(id) values (1)`);
    await attempt('syntax', () => sql`selec 1`);
    await attempt('missing', () => sql`select * from nowhere`);
    const slow = sql`select pg_sleep(20)`; setTimeout(() => slow.cancel(), 200); await attempt('cancel', () => slow);
    show('pipeline', (await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(i => sql`select ${i}::int as i`))).map(r => r[0].i));
    await sql`drop table if exists nowhere`; show('notices', notices);
    await sql.end();
  },
  async slonik() {
    const { createPool, sql } = await import(require.resolve('slonik'));
    const pool = await createPool(url);
    const u = sql.unsafe;
    show('any', await pool.any(u`select id, title, made from product where id = ANY(${sql.array([1, 2], 'int4')}) order by id`));
    show('one', await pool.one(u`select count(*) as n from product`));
    show('maybe', await pool.maybeOne(u`select 1 where false`));
    show('unnest', await pool.query(u`insert into crm.contact(id, note) select * from ${sql.unnest([[1, 'a'], [2, 'b']], ['int4', 'text'])} returning id`).then(r => r.rows));
    show('tx', await pool.transaction(async t => { await t.query(u`update crm.contact set note = ${'z'} where id = ${1}`); return t.oneFirst(u`select note from crm.contact where id = 1`); }));
    show('join', await pool.many(u`select id from product where ${sql.join([sql.fragment`id < 3`, sql.fragment`price > 0`], sql.fragment` and `)} order by id`));
    await attempt('unique', () => pool.query(u`insert into crm.contact(id) values (1)`).catch(e => { throw { code: e.constructor.name, message: e.constraint }; }));
    await pool.end();
  },
  async kysely() {
    const { Kysely, PostgresDialect, sql, Migrator } = require('kysely');
    const { Pool } = require('pg');
    const db = new Kysely({ dialect: new PostgresDialect({ pool: new Pool({ connectionString: url, max: 3 }) }) });
    const migrations = {
      '001': { async up(d) { await d.schema.createTable('person').addColumn('id', 'serial', c => c.primaryKey()).addColumn('name', 'varchar(50)', c => c.notNull()).addColumn('email', 'text', c => c.unique()).addColumn('age', 'integer', c => c.check(sql`age > 0`)).addColumn('at', 'timestamptz', c => c.defaultTo(sql`now()`)).execute();
        await d.schema.createIndex('person_name').on('person').column('name').execute(); await d.schema.createType('size').asEnum(['s', 'm']).execute(); await d.schema.createView('adults').as(d.selectFrom('person').select(['id', 'name']).where('age', '>', 17)).execute(); },
        async down(d) { await d.schema.dropView('adults').execute(); await d.schema.dropTable('person').execute(); await d.schema.dropType('size').execute(); } },
      '002': { async up(d) { await d.schema.alterTable('person').addColumn('size', sql`size`).addColumn('doc', 'jsonb').execute(); await d.schema.alterTable('person').renameColumn('age', 'years').execute(); await d.schema.createTable('pet').addColumn('id', 'integer', c => c.primaryKey().generatedAlwaysAsIdentity()).addColumn('owner', 'integer', c => c.references('person.id').onDelete('cascade')).execute(); await d.schema.dropIndex('person_name').execute(); },
        async down(d) { await d.schema.dropTable('pet').execute(); await d.schema.createIndex('person_name').on('person').column('name').execute(); await d.schema.alterTable('person').renameColumn('years', 'age').execute(); await d.schema.alterTable('person').dropColumn('size').dropColumn('doc').execute(); } } };
    const m = new Migrator({ db, provider: { getMigrations: async () => migrations } });
    const report = r => [r.error && String(r.error), (r.results || []).map(x => [x.migrationName, x.direction, x.status])];
    show('up', report(await m.migrateToLatest())); show('down', report(await m.migrateDown())); show('down', report(await m.migrateDown())); show('up', report(await m.migrateToLatest()));
    show('insert', await db.insertInto('person').values([{ name: 'a', years: 3, doc: JSON.stringify({ x: 1 }) }, { name: 'b', years: 30, doc: null }]).returning(['id', 'name']).execute());
    show('upsert', await db.insertInto('person').values({ id: 1, name: 'c' }).onConflict(o => o.column('id').doUpdateSet(e => ({ name: e.ref('excluded.name') }))).executeTakeFirst());
    await db.insertInto('pet').values([{ owner: 1 }, { owner: 2 }, { owner: 2 }]).execute();
    show('join', await db.selectFrom('person').leftJoin('pet', 'pet.owner', 'person.id').select(({ fn }) => ['person.name', fn.count('pet.id').as('n')]).groupBy('person.name').having(({ fn }) => fn.count('pet.id'), '>', 0).orderBy('person.name').execute());
    show('with', await db.with('x', q => q.selectFrom('person').selectAll().where('years', '>', 1)).selectFrom('x').select(['id', sql`row_number() over (order by id)`.as('r')]).execute());
    show('update', await db.updateTable('person').set(e => ({ years: e('years', '+', 1) })).where('id', '=', 2).returning('years').execute());
    show('delete', await db.deleteFrom('pet').using('person').whereRef('pet.owner', '=', 'person.id').where('person.name', '=', 'b').returning('pet.id').execute());
    show('tx', await db.transaction().setIsolationLevel('serializable').execute(async t => t.selectFrom('person').select('name').where('id', '=', 1).forUpdate().skipLocked().execute()));
    show('stream', (await collect(db.selectFrom('product').select('id').orderBy('id').stream ? [] : [])).length);
    show('tables', (await db.introspection.getTables({ withInternalKyselyTables: true })).map(t => [t.schema, t.name, t.isView, t.columns.map(c => [c.name, c.dataType, c.isNullable, c.isAutoIncrementing, c.hasDefaultValue])]));
    show('schemas', await db.introspection.getSchemas());
    await db.destroy();
  },
  async knex() {
    const knex = require('knex')({ client: 'pg', connection: url, pool: { min: 0, max: 3 } });
    class Source { getMigrations() { return Promise.resolve(['one', 'two', 'three']); } getMigrationName(m) { return m; } getMigration(m) { return {
      one: { up: k => k.schema.createTable('users', t => { t.increments(); t.string('name', 80).notNullable().index(); t.string('email').unique(); t.string('phone'); t.enu('role', ['admin', 'user'], { useNative: true, enumName: 'role_type' }).defaultTo('user'); t.jsonb('doc').defaultTo('{}'); t.timestamps(true, true); t.specificType('tags', 'text[]'); t.uuid('key'); t.decimal('money', 10, 2); t.comment('the users table'); }).createTable('posts', t => { t.bigIncrements('id'); t.integer('user_id').unsigned().references('users.id').onDelete('CASCADE'); t.text('body').comment('it'); t.binary('raw'); t.unique(['user_id', 'body']); }),
        down: k => k.schema.dropTable('posts').dropTable('users').raw('drop type role_type') },
      two: { up: k => k.schema.alterTable('users', t => { t.string('nick', 20).after('name'); t.string('name', 120).alter(); t.renameColumn('key', 'uid'); t.dropColumn('phone'); t.index(['nick', 'name'], 'nick_name', { indexType: 'btree', predicate: k.whereNotNull('nick') }); t.boolean('ok').notNullable().defaultTo(true); t.check('money > 0', undefined, 'money_positive'); }).renameTable('posts', 'articles').createViewOrReplace('good', v => { v.columns(['id', 'name']); v.as(k('users').select('id', 'name').where('ok', true)); }),
        down: k => k.schema.dropView('good').renameTable('articles', 'posts').alterTable('users', t => { t.dropIndex([], 'nick_name'); t.dropChecks('money_positive'); t.dropColumns('nick', 'ok'); t.string('phone'); t.renameColumn('uid', 'key'); t.string('name', 80).alter(); }) },
      three: { config: { transaction: false }, up: k => k.raw('create index concurrently body_index on articles(body)'), down: k => k.raw('drop index concurrently body_index') } }[m]; } }
    const migrate = { migrationSource: new Source() };
    show('up', await knex.migrate.latest(migrate)); show('list', (await knex.migrate.list(migrate)).map(l => l.length)); show('down', await knex.migrate.rollback(migrate, true)); show('up', await knex.migrate.latest(migrate)); show('version', await knex.migrate.currentVersion(migrate));
    show('has', [await knex.schema.hasTable('users'), await knex.schema.hasColumn('users', 'nick'), await knex('users').columnInfo()]);
    show('insert', await knex('users').insert([{ name: 'a', money: 5, tags: ['x'] }, { name: 'b', money: 6, doc: JSON.stringify({ k: [1] }) }], ['id', 'name']));
    show('batch', (await knex.batchInsert('articles', Array.from({ length: 50 }, (_, i) => ({ user_id: 1 + i % 2, body: 'body ' + i })), 20).returning('id')).length);
    show('merge', await knex('users').insert({ id: 1, name: 'merged', money: 1 }).onConflict('id').merge(['name']).returning('name'));
    show('ignore', (await knex('users').insert({ id: 1, name: 'x' }).onConflict('id').ignore()).rowCount);
    show('join', await knex('users as u').join('articles as a', 'a.user_id', 'u.id').select('u.name').count('a.id as n').sum('u.money as s').groupBy('u.name').orderBy('u.name').havingNotNull('u.name'));
    show('where', await knex('articles').whereIn('user_id', [1, 2]).andWhere(q => q.where('body', 'like', 'body 1%').orWhereRaw('length(body) < ?', [6])).whereNotNull('id').orderBy('id').limit(3).offset(1).select('id'));
    show('json', await knex('users').whereJsonPath('doc', '$.k[0]', '=', 1).select('name', knex.raw("doc->'k' as k")).jsonExtract('doc', '$.k', 'kk'));
    show('with', await knex.with('c', knex('articles').select('user_id').count('* as n').groupBy('user_id')).select('*').from('c').orderBy('user_id'));
    show('recursive', await knex.withRecursive('t', ['n'], knex.raw('select 1 union all select n + 1 from t where n < 4')).select('n').from('t'));
    show('window', await knex('articles').select('id').rowNumber('r', q => q.partitionBy('user_id').orderBy('id', 'desc')).orderBy('id').limit(3));
    show('union', await knex.union([knex('users').select('name'), knex('product').select('title').where('id', 1)], true).orderBy(1));
    show('increment', await knex('users').where({ id: 1 }).increment('money', 3).returning('money'));
    show('delete', await knex('articles').where('id', '<', 3).del(['id']));
    show('pluck', [await knex('users').pluck('id').orderBy('id'), await knex('users').first('name').orderBy('id'), await knex('users').max('id as m'), await knex('users').countDistinct('name as n')]);
    await knex.transaction(async t => { show('lock', await t('users').forUpdate().skipLocked().where('id', 1).select('id')); const s = await t.transaction(); await s('users').insert({ name: 'gone' }); await s.rollback(); show('after', await t('users').count('* as n')); }, { isolationLevel: 'repeatable read' });
    await attempt('unique', () => knex('articles').insert([{ user_id: 1, body: 'z' }, { user_id: 1, body: 'z' }]));
    await attempt('missing', () => knex('nowhere').select());
    let n = 0; for await (const row of knex('articles').select('id').stream({ highWaterMark: 5 })) n++; show('stream', n);
    show('truncate', await knex('articles').truncate().then(() => knex('articles').count('* as n')));
    const { Model, ref, raw } = require('objection');
    Model.knex(knex);
    class Article extends Model { static get tableName() { return 'articles'; } }
    class User extends Model { static get tableName() { return 'users'; } static get jsonAttributes() { return ['doc']; } static get relationMappings() { return { articles: { relation: Model.HasManyRelation, modelClass: Article, join: { from: 'users.id', to: 'articles.user_id' } } }; } }
    show('graph', (await User.query().insertGraph({ name: 'graph', articles: [{ body: 'one' }, { body: 'two' }] })).articles.length);
    show('eager', (await User.query().withGraphFetched('articles(order)').modifiers({ order: b => b.orderBy('id') }).orderBy('id')).map(u => [u.name, u.articles.length]));
    show('joined', (await User.query().select('users.id').withGraphJoined('articles').modifyGraph('articles', b => b.select('id')).orderBy('users.id')).map(u => [u.id, u.articles.length]));
    show('patch', await User.query().findById(1).patch({ name: raw('upper(name)') }));
    show('upsert', (await User.query().upsertGraph({ id: 3, name: 'graph2', articles: [{ body: 'three' }] }, { insertMissing: true })).articles.length);
    show('related', await User.relatedQuery('articles').for(User.query().where('id', 3)).select('body'));
    show('page', (await User.query().orderBy('id').page(0, 2)).total);
    await knex.destroy();
  },
};
cases[process.argv[2]]().then(() => console.log('done'), e => { console.log('FAILED', e.message, e.sql || e.query || '', (e.stack || '').split('\n').filter(l => l.includes('node_')).join('')); process.exit(1); });
