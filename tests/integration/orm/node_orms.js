// Sequelize, TypeORM, MikroORM, Drizzle, node-pg-migrate, postgres-meta, pg-introspection:
// schema made and changed, rows written and read, the schema read back. node_orms.js NAME runs one.
'use strict';
const url = process.env.DATABASE_URL, temp = process.env.TEMP_DIR;
const fs = require('fs'), path = require('path'), cp = require('child_process');
const show = (name, value) => console.log(name, JSON.stringify(value, (k, v) => typeof v === 'bigint' ? v.toString() : Buffer.isBuffer(v) ? v.toString('hex') : v));
const attempt = async (name, work) => { try { show(name, await work()); } catch (e) { show(name, [e.name, e.code || (e.parent && e.parent.code), String(e.message).split('\n')[0]]); } };
const day = new Date('2024-05-06T07:08:09Z');
const root = name => { for (const p of require.resolve.paths(name)) if (fs.existsSync(path.join(p, name))) return path.join(p, name); throw new Error(name); };
const modules = name => path.dirname(root(name));
const cli = (script, args, options = {}) => { const r = cp.spawnSync('node', [script, ...args], { cwd: temp, encoding: 'utf8', env: { ...process.env, CI: '1', NO_COLOR: '1' }, timeout: 120000, ...options }); show('$ ' + args.join(' '), [r.status, (r.stdout + r.stderr).replace(/\d+(\.\d+)? ?m?s\b/g, 'N ms').split('\n').filter(l => !/[\u2800-\u28ff]/.test(l)).map(l => l.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '')).filter(l => l.trim())]); };

const cases = {
  async sequelize() {
    const { Sequelize, DataTypes: T, Op, QueryTypes, Transaction, fn, col, literal, where, cast, json } = require('sequelize');
    const s = new Sequelize(url, { logging: false, pool: { max: 3 } });
    await s.authenticate();
    const User = s.define('User', { name: { type: T.STRING(50), allowNull: false }, email: { type: T.STRING, unique: true }, phone: T.STRING, kind: { type: T.ENUM('a', 'b'), defaultValue: 'a' }, doc: T.JSONB, tags: T.ARRAY(T.TEXT), born: T.DATEONLY, key: T.UUID, money: T.DECIMAL(10, 2), raw: T.BLOB, span: T.RANGE(T.INTEGER), big: T.BIGINT }, { indexes: [{ fields: ['name'] }, { fields: ['doc'], using: 'gin' }, { name: 'rich', fields: ['money'], where: { money: { [Op.gt]: 10 } } }], paranoid: true, comment: 'people' });
    const Post = s.define('Post', { title: T.TEXT, at: T.DATE, n: { type: T.INTEGER, validate: { min: 0 } } }), Tag = s.define('Tag', { word: { type: T.STRING, primaryKey: true } }, { timestamps: false });
    User.hasMany(Post, { onDelete: 'CASCADE' }); Post.belongsTo(User); Post.belongsToMany(Tag, { through: 'PostTag' }); Tag.belongsToMany(Post, { through: 'PostTag' });
    await s.sync(); await s.sync({ alter: true });
    show('tables', (await s.getQueryInterface().showAllTables()).map(t => t.tableName || t).sort());
    show('describe', await s.getQueryInterface().describeTable('Users'));
    show('indexes', (await s.getQueryInterface().showIndex('Users')).map(i => [i.name, i.unique, i.primary, i.fields]));
    show('keys', (await s.getQueryInterface().getForeignKeyReferencesForTable('Posts')).map(k => [k.constraintName, k.columnName, k.referencedTableName]));
    const u = await User.create({ name: 'one', doc: { a: { b: [1, 2] } }, tags: ['x', 'y,z'], born: '1990-01-02', money: '12.5', raw: Buffer.from([0, 255]), span: [1, 5], big: '9007199254740993', createdAt: day });
    show('bulk', (await User.bulkCreate([{ name: 'two', money: 20 }, { name: 'three', money: 30 }], { returning: ['id'] })).map(x => x.id));
    const p = await u.createPost({ title: 'first', at: day, n: 1 }); await Tag.bulkCreate([{ word: 'red' }, { word: 'blue' }]); await p.setTags(['red', 'blue']); await p.removeTag('blue');
    await Post.bulkCreate([{ title: 'b', n: 2, UserId: 2 }, { title: 'c', n: 3, UserId: 2 }]);
    show('include', (await User.findAll({ attributes: ['id', 'name'], include: [{ model: Post, attributes: ['title'], include: [{ model: Tag, through: { attributes: [] } }] }], order: [['id', 'ASC'], [Post, 'id', 'ASC']] })).map(x => x.toJSON()));
    show('where', (await User.findAll({ attributes: ['id'], where: { [Op.or]: [{ name: { [Op.iLike]: 'T%' } }, { money: { [Op.between]: [1, 15] } }], doc: { [Op.or]: [{ [Op.is]: null }, { [Op.contains]: { a: { b: [1] } } }] }, deletedAt: null }, order: ['id'], raw: true })));
    show('json', await User.findAll({ attributes: ['id', [json('doc.a.b'), 'b']], where: { 'doc.a.b[0]': { [Op.ne]: null } }, raw: true }).catch(e => e.message));
    show('arrays', await User.count({ where: { tags: { [Op.contains]: ['x'] }, span: { [Op.contains]: 3 } } }));
    show('group', await Post.findAll({ attributes: ['UserId', [fn('count', col('id')), 'c'], [fn('sum', col('n')), 's'], [cast(fn('avg', col('n')), 'text'), 'a']], group: ['UserId'], having: where(fn('count', col('id')), { [Op.gte]: 1 }), order: [['UserId', 'ASC']], raw: true }));
    show('page', await Post.findAndCountAll({ limit: 2, offset: 1, order: ['id'], attributes: ['id'], include: [{ model: User, attributes: ['name'], required: true }], distinct: true }).then(r => [r.count, r.rows.map(x => x.User.name)]));
    // findOrCreate makes a function and calls it in one message.
    show('find or create', [await Tag.findOrCreate({ where: { word: 'amber' } }), await Tag.findOrCreate({ where: { word: 'amber' } })].map(r => [r[0].word, r[1]]));
    show('find or build', (await Tag.findOrBuild({ where: { word: 'green' } }))[1]); show('find, create', (await Tag.findCreateFind({ where: { word: 'green' } }))[1]);
    show('upsert', (await Tag.upsert({ word: 'green' }))[0].word); show('update', (await User.update({ kind: 'b' }, { where: { id: [1, 2] }, returning: ['id'] }))[1].map(x => x.id));
    show('increment', await User.increment({ money: 5 }, { where: { id: 1 } }).then(() => User.sum('money'))); show('max', await User.max('money'));
    show('destroy', [await User.destroy({ where: { id: 3 } }), await User.count(), await User.count({ paranoid: false }), await User.restore({ where: { id: 3 } }).then(() => User.count())]);
    show('transaction', await s.transaction({ isolationLevel: Transaction.ISOLATION_LEVELS.SERIALIZABLE }, async t => { await Post.create({ title: 'in', n: 9, UserId: 1 }, { transaction: t }); const l = await User.findByPk(1, { lock: t.LOCK.UPDATE, skipLocked: true, transaction: t, attributes: ['id'] }); return [l.id, await Post.count({ transaction: t })]; }));
    await attempt('rollback', () => s.transaction(async t => { await Post.create({ title: 'gone' }, { transaction: t }); throw new Error('undo'); }));
    show('raw', await s.query('select id, name from "Users" where id = :id', { replacements: { id: 1 }, type: QueryTypes.SELECT })); show('bind', await s.query('select $1::int + $2::int as n', { bind: [1, 2], type: QueryTypes.SELECT }));
    await attempt('unique', () => Tag.create({ word: 'red' })); await attempt('foreign', () => Post.create({ UserId: 999 })); await attempt('missing', () => s.query('select * from nowhere'));
    const q = s.getQueryInterface();
    await q.addColumn('Posts', 'extra', { type: T.STRING(10), defaultValue: 'e', comment: 'c' }); await q.changeColumn('Posts', 'extra', { type: T.TEXT, allowNull: false }); await q.renameColumn('Posts', 'extra', 'more'); await q.addIndex('Posts', ['more', 'n'], { unique: false, name: 'more_n', concurrently: true }); await q.addConstraint('Posts', { fields: ['n'], type: 'check', where: { n: { [Op.gt]: -1 } }, name: 'n_positive' });
    show('constraints', (await q.showConstraint('Posts')).map(c => [c.constraintName, c.constraintType]).sort());
    await q.removeConstraint('Posts', 'n_positive'); await q.removeIndex('Posts', 'more_n'); await q.removeColumn('Posts', 'more'); await q.renameTable('PostTag', 'post_tags'); await q.createSchema('side'); await q.dropSchema('side'); await q.bulkInsert('Tags', [{ word: 'qi' }]); await q.bulkDelete('Tags', { word: 'qi' });
    await q.changeColumn('Users', 'kind', { type: T.ENUM('a', 'b', 'c') });
    show('databases', typeof (await q.databaseVersion())); show('enum', (await q.sequelize.query('select enum_range(null::"enum_Users_kind")::text as e'))[0]);
    await User.truncate({ cascade: true, restartIdentity: true }); show('emptied', await Post.count());
    const { Umzug, SequelizeStorage } = require('umzug');
    const um = new Umzug({ migrations: [{ name: 'm1', up: async ({ context: c }) => c.createTable('made', { id: { type: T.INTEGER, primaryKey: true, autoIncrement: true } }), down: async ({ context: c }) => c.dropTable('made') }], context: q, storage: new SequelizeStorage({ sequelize: s }), logger: undefined });
    show('umzug', [(await um.up()).length, (await um.executed()).length, (await um.down()).length, (await um.pending()).length, (await um.up()).length]);
    await s.close();
  },
  async typeorm() {
    require('reflect-metadata');
    const { DataSource, EntitySchema, In, Like, Between, MoreThan, Not, IsNull, ArrayContains, Raw, Brackets, Table, TableColumn, TableIndex, TableForeignKey } = require('typeorm');
    const User = new EntitySchema({ name: 'user', columns: { id: { primary: true, type: 'int', generated: true }, name: { type: 'varchar', length: 50 }, email: { type: 'varchar', nullable: true, unique: true }, phone: { type: 'text', nullable: true }, kind: { type: 'enum', enum: ['a', 'b'], default: 'a' }, doc: { type: 'jsonb', default: {} }, tags: { type: 'text', array: true, nullable: true }, money: { type: 'numeric', precision: 10, scale: 2, nullable: true }, key: { type: 'uuid', nullable: true }, at: { type: 'timestamptz', default: () => "'2024-01-01Z'" }, version: { type: 'int', version: true }, gone: { type: 'timestamp', deleteDate: true, nullable: true }, twice: { type: 'numeric', generatedType: 'STORED', asExpression: 'money * 2', nullable: true } }, relations: { posts: { type: 'one-to-many', target: 'post', inverseSide: 'author' } }, indices: [{ columns: ['name', 'kind'] }], checks: [{ expression: '"money" >= 0', name: 'rich' }] });
    const Post = new EntitySchema({ name: 'post', columns: { id: { primary: true, type: 'uuid', generated: 'uuid' }, title: { type: 'varchar', comment: 'as printed' }, n: { type: 'bigint', default: 0 } }, relations: { author: { type: 'many-to-one', target: 'user', inverseSide: 'posts', onDelete: 'CASCADE', joinColumn: true }, tags: { type: 'many-to-many', target: 'tag', joinTable: true } } });
    const Tag = new EntitySchema({ name: 'tag', columns: { word: { primary: true, type: 'varchar' } } }), Tree = new EntitySchema({ name: 'node', columns: { id: { primary: true, type: 'int', generated: true }, name: { type: 'text' } }, relations: { parent: { type: 'many-to-one', target: 'node', treeParent: true }, children: { type: 'one-to-many', target: 'node', treeChildren: true, inverseSide: 'parent' } }, trees: [{ type: 'closure-table' }] });
    const View = new EntitySchema({ name: 'counts', type: 'view', expression: 'select "authorId" as author, count(*)::int as n from post group by 1', columns: { author: { type: 'int' }, n: { type: 'int' } } });
    class First1700000000000 { constructor() { this.name = 'First1700000000000'; } async up(r) { await r.createTable(new Table({ name: 'made', columns: [{ name: 'id', type: 'int', isPrimary: true, isGenerated: true, generationStrategy: 'increment' }, { name: 'name', type: 'varchar', length: '20', isNullable: true }, { name: 'owner', type: 'int', isNullable: true }], indices: [{ columnNames: ['name'], name: 'made_name' }] }), true); await r.createForeignKey('made', new TableForeignKey({ columnNames: ['owner'], referencedTableName: 'user', referencedColumnNames: ['id'], onDelete: 'SET NULL' })); } async down(r) { await r.dropTable('made'); } }
    class Second1700000000001 { constructor() { this.name = 'Second1700000000001'; } async up(r) { await r.addColumn('made', new TableColumn({ name: 'extra', type: 'jsonb', default: "'{}'" })); await r.renameColumn('made', 'name', 'title'); await r.changeColumn('made', 'title', new TableColumn({ name: 'title', type: 'varchar', length: '40', isNullable: false, default: "''" })); await r.createIndex('made', new TableIndex({ name: 'made_extra', columnNames: ['title', 'owner'], isUnique: true })); await r.dropIndex('made', 'made_extra'); await r.query('insert into made(title) values ($1)', ['x']); } async down(r) { await r.dropColumn('made', 'extra'); await r.renameColumn('made', 'title', 'name'); } }
    const make = extra => new DataSource({ type: 'postgres', url, entities: [User, Post, Tag, Tree, View], migrations: [First1700000000000, Second1700000000001], logging: false, ...extra });
    let d = await make().initialize();
    show('log', (await d.driver.createSchemaBuilder().log()).upQueries.map(q => q.query));
    await d.synchronize(); await d.synchronize(); show('again', (await d.driver.createSchemaBuilder().log()).upQueries.length);
    show('migrations', (await d.runMigrations({ transaction: 'each' })).map(m => m.name)); await d.undoLastMigration(); show('rerun', (await d.runMigrations()).map(m => m.name)); show('pending', await d.showMigrations());
    const users = d.getRepository('user'), posts = d.getRepository('post'), tags = d.getRepository('tag');
    await tags.save([{ word: 'red' }, { word: 'blue' }]);
    const u = await users.save({ name: 'one', doc: { a: [1] }, tags: ['x', 'y'], money: '5.5' }); await users.insert([{ name: 'two', money: 7 }, { name: 'three' }]);
    await posts.save([{ title: 'a', author: u, tags: [{ word: 'red' }, { word: 'blue' }] }, { title: 'b', author: u, n: 5 }, { title: 'c', author: { id: 2 } }].map((p, i) => ({ ...p, id: '00000000-0000-4000-8000-00000000000' + i })));
    show('relations', (await users.find({ select: { id: true, name: true, posts: { title: true } }, relations: { posts: { tags: true } }, order: { id: 'ASC', posts: { title: 'ASC', tags: { word: 'ASC' } } } })));
    show('find', await users.find({ select: { id: true }, where: [{ name: Like('t%'), money: MoreThan(1) }, { tags: ArrayContains(['x']) }, { id: In([3]), gone: IsNull() }, { doc: Raw(a => `${a} @> :j`, { j: '{"a":[1]}' }) }], order: { id: 'ASC' }, take: 5, skip: 0 }));
    show('count', [await users.count({ where: { id: Not(1) } }), await posts.countBy({ n: Between(0, 10) }), await posts.sum('n'), await users.exists({ where: { name: 'one' } })]);
    show('builder', await users.createQueryBuilder('u').leftJoin('u.posts', 'p').select('u.id', 'id').addSelect('count(p.id)', 'n').where(new Brackets(q => q.where('u.name like :n', { n: '%o%' }).orWhere('u.id = :id', { id: 3 }))).groupBy('u.id').having('count(p.id) >= 0').orderBy('u.id').getRawMany());
    show('paged join', (await users.createQueryBuilder('u').select(['u.id', 'p.title']).leftJoin('u.posts', 'p').orderBy('u.id').addOrderBy('p.title').take(2).getManyAndCount()));
    show('sub', await posts.createQueryBuilder('p').select('p.title', 't').where(q => 'p.authorId in ' + q.subQuery().select('u.id').from('user', 'u').where('u.name = :n').getQuery()).setParameter('n', 'one').orderBy('1').getRawMany());
    show('cte', await d.createQueryBuilder().addCommonTableExpression('select 1 as a union all select 2', 'x').select('a').from('x', 'x').orderBy('a').getRawMany());
    show('update', (await users.createQueryBuilder().update().set({ money: () => 'money + 1' }).where('id = :i', { i: 1 }).returning('money').execute()).raw); show('upsert', (await tags.upsert([{ word: 'red' }, { word: 'new' }], ['word'])).identifiers); show('increment', (await posts.increment({ title: 'b' }, 'n', 2)).affected);
    show('soft', [(await users.softDelete(3)).affected, await users.count(), await users.count({ withDeleted: true }), (await users.restore(3)).affected]); show('delete', (await posts.delete({ title: 'c' })).affected);
    await d.transaction('SERIALIZABLE', async m => { show('lock', (await m.findOne('user', { select: { id: true, name: true }, where: { id: 1 }, lock: { mode: 'pessimistic_write', onLocked: 'skip_locked' } })).name); await m.transaction(async n => { await n.insert('tag', { word: 'nested' }); throw new Error('x'); }).catch(() => 0); show('inside', await m.count('tag')); });
    await attempt('unique', () => tags.insert({ word: 'red' })); await attempt('check', () => users.insert({ name: 'x', money: -1 })); await attempt('missing', () => d.query('select * from nowhere'));
    const tree = d.getTreeRepository('node'); const a = await tree.save({ name: 'a' }), b = await tree.save({ name: 'b', parent: a }); await tree.save({ name: 'c', parent: b }); show('tree', [await tree.findTrees(), await tree.countDescendants(a), (await tree.findAncestors(b)).length]);
    show('view', await d.getRepository('counts').find({ order: { author: 'ASC' } }));
    const stream = await users.createQueryBuilder('u').select('u.id').stream().catch(e => e.message); if (typeof stream === 'string') show('stream', stream); else { let n = 0; for await (const r of stream) n++; show('stream', n); }
    await d.destroy();
     User.options.columns.nick = { type: 'varchar', nullable: true }; User.options.columns.kind.enum = ['a', 'b', 'c']; delete User.options.columns.key; Post.options.columns.n.type = 'numeric'; User.options.indices[0].columns = ['name'];
    d = await make().initialize(); show('changes', (await d.driver.createSchemaBuilder().log()).upQueries.map(q => q.query)); await d.synchronize(); await d.dropDatabase(); await d.synchronize(); await d.destroy();
  },
  async mikro() {
    const { MikroORM, EntitySchema } = require(modules('@mikro-orm/core') + '/core');
    const { Migrator } = require(modules('@mikro-orm/core') + '/migrations');
    const p = require(modules('@mikro-orm/core') + '/postgresql');
    const User = new EntitySchema({ name: 'User', properties: { id: { type: 'number', primary: true }, name: { type: 'string', length: 50, index: true }, email: { type: 'string', nullable: true, unique: true }, doc: { type: 'json', nullable: true }, tags: { type: 'string[]', nullable: true }, at: { type: 'Date', nullable: true }, posts: { kind: '1:m', entity: () => 'Post', mappedBy: 'author' } } });
    const Post = new EntitySchema({ name: 'Post', properties: { id: { type: 'bigint', primary: true }, title: { type: 'text' }, author: { kind: 'm:1', entity: () => 'User', deleteRule: 'cascade' }, tags: { kind: 'm:n', entity: () => 'Tag' } } }), Tag = new EntitySchema({ name: 'Tag', properties: { word: { type: 'string', primary: true } } });
    const orm = await p.MikroORM.init({ clientUrl: url, entities: [User, Post, Tag], extensions: [Migrator], migrations: { path: temp + '/migrations', snapshot: false, emit: 'js' }, debug: false, allowGlobalContext: true, colors: false });
    const schema = orm.schema || orm.getSchemaGenerator();
    show('sql', await schema.getCreateSchemaSQL()); await (schema.create || schema.createSchema).call(schema); show('update', await schema.getUpdateSchemaSQL());
    const em = orm.em.fork();
    const u = em.create('User', { name: 'one', doc: { a: 1 }, tags: ['x', 'y'], at: day }); em.create('Post', { title: 'a', author: u, tags: [em.create('Tag', { word: 'red' }), em.create('Tag', { word: 'blue' })] }); em.create('Post', { title: 'b', author: u }); em.create('User', { name: 'two' }); await em.flush(); em.clear();
    show('find', (await em.find('User', { $or: [{ name: { $like: 'o%' } }, { id: { $in: [2] } }], posts: { $none: { title: 'zzz' } } }, { populate: ['posts', 'posts.tags'], orderBy: { id: 'asc', posts: { id: 'asc' } }, fields: ['name', 'posts.title'] })).map(x => [x.name, x.posts.getItems().map(i => i.title)]));
    const one = await em.findOneOrFail('User', { id: 1 }, { fields: ['name', 'doc'] }); one.name = 'ONE'; one.doc = { b: 2 }; await em.flush(); show('count', [await em.count('Post'), await em.count('User', { name: 'ONE' })]);
    show('upsert', (await em.upsert('Tag', { word: 'red' })).word); show('qb', await em.createQueryBuilder('Post', 'p').select(['p.title']).leftJoin('p.author', 'a').where({ 'a.name': 'ONE' }).orderBy({ 'p.id': 'asc' }).execute()); show('native', [await em.nativeUpdate('Post', { title: 'a' }, { title: 'c' }), await em.nativeDelete('Tag', { word: 'blue' }).catch(e => e.name)]);
    await em.transactional(async t => { await t.lock(await t.findOne('User', 1, { fields: ['name'] }), 4); await t.transactional(async () => { throw new Error('x'); }).catch(() => 0); }); await attempt('unique', async () => em.fork().insert('Tag', { word: 'red' })); show('json', (await em.find('User', { doc: { b: 2 } }, { fields: ['name'] })).length);
    await attempt('migrations', async () => { const m = orm.migrator || orm.getMigrator(); await (schema.drop || schema.dropSchema).call(schema); const r = await (m.create || m.createMigration).call(m, undefined, false, true); show('initial', !!r.code); await m.up(); show('executed', (await (m.getExecuted || m.getExecutedMigrations).call(m)).length); await m.down(); await m.up(); return true; });
    await orm.close(true);
  },
  async drizzle() {
    const d = require('drizzle-orm'), pg = require('drizzle-orm/pg-core'), { drizzle } = require('drizzle-orm/node-postgres'), { Pool } = require('pg');
    const { sql, eq, and, or, gt, like, inArray, desc, count, sum, relations } = d;
    fs.symlinkSync(modules('drizzle-orm'), temp + '/node_modules');
    const text = v => `const { pgTable, serial, text, integer, varchar, jsonb, timestamp, boolean, numeric, uuid, index, uniqueIndex, pgEnum, pgSchema, primaryKey, check, pgView, bigint } = require('drizzle-orm/pg-core');
const { sql } = require('drizzle-orm');
const kind = pgEnum('kind', ['a', 'b'${v > 1 ? ", 'c'" : ''}]);
const users = pgTable('users', { id: serial('id').primaryKey(), name: varchar('name', { length: ${v > 1 ? 80 : 50} }).notNull(), email: text('email').unique(), phone: text('phone'), kind: kind('kind').default('a'), doc: jsonb('doc').default({}), tags: text('tags').array(), at: timestamp('at', { withTimezone: true }).default(sql\`'2024-01-01Z'\`), money: numeric('money', { precision: 10, scale: 2 })${v > 1 ? ", ok: boolean('ok').notNull().default(true)" : ''} }, t => [index('user_name').on(t.name)${v > 1 ? ", index('user_money').on(t.money.desc()).where(sql`money > 5`)" : ''}, check('money_positive', sql\`\${t.money} >= 0\`)]);
const posts = pgTable('posts', { id: integer('id').primaryKey().generatedAlwaysAsIdentity(), title: text('title').notNull(), owner: integer('owner').references(() => users.id, { onDelete: 'cascade' })${v > 1 ? ", n: bigint('n', { mode: 'number' }).default(0)" : ''} });
${v > 1 ? "const side = pgSchema('side'); const things = side.table('things', { a: integer('a'), b: uuid('b').defaultRandom() }, t => [primaryKey({ columns: [t.a, t.b] })]); exports.side = side; exports.things = things; exports.names = pgView('names').as(q => q.select({ id: users.id, name: users.name }).from(users));" : ''}
Object.assign(exports, { kind, users, posts });`;
    fs.writeFileSync(temp + '/drizzle.config.js', `module.exports = { dialect: 'postgresql', schema: './schema.js', out: './drizzle', dbCredentials: { url: process.env.DATABASE_URL }, schemaFilter: ['public', 'side'] }`);
    const bin = root('drizzle-kit') + '/bin.cjs';
    const { migrate } = require('drizzle-orm/node-postgres/migrator');
    const pool = new Pool({ connectionString: url, max: 3 });
    for (const v of [1, 2]) { fs.writeFileSync(temp + '/schema.js', text(v)); cli(bin, ['generate', '--name', 'v' + v]); await migrate(drizzle(pool), { migrationsFolder: temp + '/drizzle' }); }
    cli(bin, ['push', '--force']); cli(bin, ['introspect', '--out', 'back']); for (const f of ['schema.ts', 'relations.ts']) show(f, fs.existsSync(temp + '/back/' + f) && fs.readFileSync(temp + '/back/' + f, 'utf8'));
    const { users, posts } = require(temp + '/schema.js');
    const db = drizzle(pool, { schema: { users, posts, usersRelations: relations(users, ({ many }) => ({ posts: many(posts) })), postsRelations: relations(posts, ({ one }) => ({ user: one(users, { fields: [posts.owner], references: [users.id] }) })) } });
    show('insert', await db.insert(users).values([{ name: 'a', doc: { x: [1] }, tags: ['p', 'q,r'], money: '5' }, { name: 'b', money: '6.5' }]).returning({ id: users.id })); await db.insert(posts).values([{ title: 'one', owner: 1 }, { title: 'two', owner: 1 }, { title: 'three', owner: 2 }]);
    show('select', await db.select({ name: users.name, n: count(posts.id), s: sum(users.money) }).from(users).leftJoin(posts, eq(posts.owner, users.id)).where(or(like(users.name, 'a%'), gt(users.id, 0))).groupBy(users.id).having(({ n }) => gt(n, 0)).orderBy(desc(users.name)));
    show('relational', await db.query.users.findMany({ columns: { id: true, name: true, doc: true }, with: { posts: { columns: { title: true }, orderBy: (p, { asc }) => [asc(p.id)], limit: 1 } }, orderBy: (u, { asc }) => asc(u.id) })); show('first', await db.query.posts.findFirst({ where: eq(posts.id, 2), with: { user: { columns: { name: true } } } }));
    show('upsert', await db.insert(users).values({ id: 1, name: 'z' }).onConflictDoUpdate({ target: users.id, set: { name: sql`excluded.name` } }).returning({ name: users.name })); show('update', await db.update(users).set({ money: sql`${users.money} + 1` }).where(inArray(users.id, [1, 2])).returning({ m: users.money })); show('delete', await db.delete(posts).where(eq(posts.title, 'three')).returning());
    const sq = db.$with('sq').as(db.select({ owner: posts.owner, n: count().as('n') }).from(posts).groupBy(posts.owner)); show('with', await db.with(sq).select().from(sq).orderBy(sq.owner)); show('prepared', await db.select({ id: users.id }).from(users).where(eq(users.id, sql.placeholder('id'))).prepare('by_id').execute({ id: 2 }));
    await db.transaction(async t => { show('lock', await t.select({ id: users.id }).from(users).where(eq(users.id, 1)).for('update', { skipLocked: true })); await t.transaction(async n => { await n.insert(posts).values({ title: 'gone' }); n.rollback(); }).catch(() => 0); show('inside', await t.$count(posts)); }, { isolationLevel: 'serializable', accessMode: 'read write' });
    await attempt('foreign', () => db.insert(posts).values({ title: 'x', owner: 99 }).catch(e => { throw e.cause || e; })); show('execute', (await db.execute(sql`select ${users.id} from ${users} order by 1`)).rows);
    await pool.end();
  },
  async pg_migrate() {
    const { runner } = await import(require.resolve('node-pg-migrate')).then(m => m.runner ? m : m.default);
    fs.mkdirSync(temp + '/m');
    fs.writeFileSync(temp + '/m/1_first.js', `exports.up = p => { p.createExtension('pgcrypto', { ifNotExists: true }); p.createType('mood', ['sad', 'ok']); p.createDomain('posint', 'integer', { check: 'value > 0' }); p.createTable('people', { id: 'id', name: { type: 'varchar(50)', notNull: true, comment: 'who' }, email: { type: 'text', unique: true }, mood: { type: 'mood', default: 'ok' }, n: 'posint', at: { type: 'timestamptz', default: p.func('current_timestamp') } }, { comment: 'those' }); p.createTable('pets', { id: { type: 'bigserial', primaryKey: true }, owner: { type: 'integer', references: 'people', onDelete: 'cascade' } }); p.createIndex('people', ['name', { name: 'id', sort: 'DESC' }], { where: 'id > 5' }); p.addConstraint('people', 'short', { check: 'length(name) < 40' }); p.createView('names', {}, 'select id, name from people'); p.createFunction('f', [{ type: 'int', name: 'a' }], { returns: 'int', language: 'plpgsql' }, 'begin return a + 1; end'); p.createTrigger('people', 'tr', { when: 'BEFORE', operation: 'UPDATE', language: 'plpgsql', level: 'ROW' }, 'begin return new; end'); p.createSequence('s', { start: 5 }); p.createMaterializedView('m', { data: true }, 'select count(*) from people'); p.createSchema('side'); p.createRole('pgm_role', { login: false }); p.grantOnTables({ tables: 'people', privileges: ['SELECT'], roles: 'pgm_role' }); p.createPolicy('people', 'pol', { using: 'true' }); p.sql("insert into people(name) values ('x')"); };\nexports.down = p => { p.dropPolicy('people', 'pol'); p.revokeOnTables({ tables: 'people', privileges: ['SELECT'], roles: 'pgm_role' }); p.dropRole('pgm_role'); p.dropSchema('side'); p.dropMaterializedView('m'); p.dropSequence('s'); p.dropTrigger('people', 'tr'); p.dropFunction('tr', []); p.dropFunction('f', [{ type: 'int' }]); p.dropView('names'); p.dropTable('pets'); p.dropTable('people'); p.dropDomain('posint'); p.dropType('mood'); };`);
    fs.writeFileSync(temp + '/m/2_second.js', `exports.up = p => { p.addColumns('people', { nick: { type: 'text', default: '' } }); p.renameColumn('people', 'nick', 'short_name'); p.alterColumn('people', 'n', { type: 'bigint', using: 'n::bigint', notNull: false }); p.renameTable('pets', 'animals'); p.addTypeValue('mood', 'great', { ifNotExists: true }); p.dropConstraint('people', 'short'); p.dropIndex('people', ['name', 'id']); p.alterSequence('s', { increment: 3 }); p.renameView('names', 'all_names'); p.alterViewColumn('all_names', 'id', { default: 1 }); }; exports.down = p => { p.renameView('all_names', 'names'); p.renameTable('animals', 'pets'); p.dropColumns('people', ['short_name']); };`);
    const options = { databaseUrl: url, dir: temp + '/m', migrationsTable: 'pgmigrations', log: () => 0, logger: { info() {}, warn() {}, error: m => console.log(m), debug() {} } };
    show('up', (await runner({ ...options, direction: 'up', count: 1 })).map(m => m.name)); show('down', (await runner({ ...options, direction: 'down', count: 1 })).map(m => m.name)); show('up', (await runner({ ...options, direction: 'up', count: Infinity })).map(m => m.name));
  },
  async introspection() {
    const { PostgresMeta } = await import(root('@supabase/postgres-meta') + '/dist/lib/index.js');
    const m = new PostgresMeta({ connectionString: url, max: 2 });
    const clean = r => r.error ? ['error', r.error.message] : r.data;
    for (const kind of ['schemas', 'tables', 'columns', 'views', 'materializedViews', 'foreignTables', 'functions', 'triggers', 'types', 'policies', 'publications', 'extensions', 'roles', 'indexes', 'relationships', 'primaryKeys', 'columnPrivileges', 'tablePrivileges', 'config', 'version'])
      if (m[kind]) await attempt(kind, async () => { const r = clean(await (m[kind].list ? m[kind].list({ includeSystemSchemas: false }) : m[kind].retrieve())); return kind === 'config' ? r.length : r; });
    await attempt('create', async () => { const t = clean(await m.tables.create({ name: 'meta', schema: 'public', comment: 'made' })); const c = clean(await m.columns.create({ table_id: t.id, name: 'a', type: 'int4', default_value: 4, is_nullable: false, comment: 'c' })); clean(await m.columns.update(c.id, { name: 'b', type: 'int8' })); clean(await m.tables.update(t.id, { name: 'metas', rls_enabled: true })); clean(await m.policies.create({ name: 'p', table: 'metas', schema: 'public', definition: 'true' })); return clean(await m.tables.retrieve({ id: t.id })); });
    await attempt('query', async () => clean(await m.query('select id, title from product order by id limit 2')));
    await m.end();
    const { makeIntrospectionQuery, parseIntrospectionResults } = require('pg-introspection'); const { Client } = require('pg'); const c = new Client({ connectionString: url }); await c.connect();
    const r = parseIntrospectionResults((await c.query(makeIntrospectionQuery())).rows[0].introspection); show('introspection', [r.classes.length, r.attributes.length, r.procs.length, r.types.length, r.constraints.map(x => x.conname).sort()]); await c.end();
  },
  async prisma() {
    const bin = root('prisma') + '/build/index.js';
    fs.symlinkSync(modules('prisma'), temp + '/node_modules');
    fs.writeFileSync(temp + '/package.json', '{"name":"x","type":"commonjs"}');
    fs.writeFileSync(temp + '/schema.prisma', 'generator client {\n provider = "prisma-client-js"\n output = "./client"\n engineType = "client"\n}\ndatasource db {\n provider = "postgresql"\n}\n' + `
enum Kind { A\n B }
model User { id Int @id @default(autoincrement())\n name String @db.VarChar(50)\n email String? @unique\n phone String?\n kind Kind @default(A)\n doc Json?\n tags String[]\n money Decimal? @db.Decimal(10, 2)\n at DateTime @default(now())\n raw Bytes?\n big BigInt?\n posts Post[]\n @@index([name]) }
model Post { id Int @id @default(autoincrement())\n title String\n n Int @default(0)\n author User? @relation(fields: [authorId], references: [id], onDelete: Cascade)\n authorId Int?\n tags Tag[]\n @@unique([title, authorId]) }
model Tag { word String @id\n posts Post[] }`.replace(/(enum|model) (\w+) \{ /g, '$1 $2 {\n').replace(/ \}$/gm, '\n}'));
    fs.writeFileSync(temp + '/prisma.config.js', "module.exports = { schema: './schema.prisma', datasource: { url: process.env.DATABASE_URL } }");
    cli(bin, ['generate', '--no-hints']);
    // The schema as `prisma migrate` writes it; the migration engine itself is a binary that no registry package brings.
    const { Pool } = require('pg'); const pool = new Pool({ connectionString: url });
    await pool.query(`CREATE TYPE "public"."Kind" AS ENUM ('A', 'B'); CREATE TABLE "public"."User" ("id" SERIAL NOT NULL, "name" VARCHAR(50) NOT NULL, "email" TEXT, "phone" TEXT, "kind" "public"."Kind" NOT NULL DEFAULT 'A', "doc" JSONB, "tags" TEXT[], "money" DECIMAL(10,2), "at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "raw" BYTEA, "big" BIGINT, CONSTRAINT "User_pkey" PRIMARY KEY ("id")); CREATE TABLE "public"."Post" ("id" SERIAL NOT NULL, "title" TEXT NOT NULL, "n" INTEGER NOT NULL DEFAULT 0, "authorId" INTEGER, CONSTRAINT "Post_pkey" PRIMARY KEY ("id")); CREATE TABLE "public"."Tag" ("word" TEXT NOT NULL, CONSTRAINT "Tag_pkey" PRIMARY KEY ("word")); CREATE TABLE "public"."_PostToTag" ("A" INTEGER NOT NULL, "B" TEXT NOT NULL, CONSTRAINT "_PostToTag_AB_pkey" PRIMARY KEY ("A","B")); CREATE UNIQUE INDEX "User_email_key" ON "public"."User"("email"); CREATE INDEX "User_name_idx" ON "public"."User"("name"); CREATE UNIQUE INDEX "Post_title_authorId_key" ON "public"."Post"("title", "authorId"); CREATE INDEX "_PostToTag_B_index" ON "public"."_PostToTag"("B"); ALTER TABLE "public"."Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "public"."User"("id") ON DELETE CASCADE ON UPDATE CASCADE; ALTER TABLE "public"."_PostToTag" ADD CONSTRAINT "_PostToTag_A_fkey" FOREIGN KEY ("A") REFERENCES "public"."Post"("id") ON DELETE CASCADE ON UPDATE CASCADE; ALTER TABLE "public"."_PostToTag" ADD CONSTRAINT "_PostToTag_B_fkey" FOREIGN KEY ("B") REFERENCES "public"."Tag"("word") ON DELETE CASCADE ON UPDATE CASCADE;`); await pool.end();
    const { PrismaClient } = require(temp + '/client'), { PrismaPg } = require('@prisma/adapter-pg'); const db = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
    const safe = { id: true, name: true, tags: true, doc: true, money: true, posts: { select: { title: true, tags: true }, orderBy: { id: 'asc' } } };
    show('create', await db.user.create({ data: { name: 'one', doc: { a: [1] }, tags: ['x', 'y'], money: '5.5', raw: Buffer.from([1]), big: 5n, posts: { create: [{ title: 'a', tags: { connectOrCreate: [{ where: { word: 'red' }, create: { word: 'red' } }] } }, { title: 'b' }] } }, select: safe }));
    show('many', await db.user.createMany({ data: [{ name: 'two' }, { name: 'three' }], skipDuplicates: true })); show('many returning', await db.tag.createManyAndReturn({ data: [{ word: 'blue' }] }));
    show('find', await db.user.findMany({ where: { OR: [{ name: { contains: 'O', mode: 'insensitive' } }, { posts: { some: { n: { gt: 5 } } } }], tags: { has: 'x' }, NOT: { id: { in: [7, 8] } } }, select: safe, orderBy: [{ id: 'asc' }], take: 3, skip: 0 })); show('unique', await db.user.findUnique({ where: { id: 1 }, select: { name: true } })); show('cursor', await db.user.findMany({ cursor: { id: 1 }, skip: 1, take: 1, select: { id: true }, orderBy: { id: 'asc' } }));
    show('json', await db.user.count({ where: { doc: { path: ['a'], array_contains: [1] } } })); show('aggregate', await db.post.aggregate({ _count: true, _sum: { n: true }, _avg: { n: true }, _max: { id: true } })); show('group', await db.post.groupBy({ by: ['authorId'], _count: { _all: true }, having: { authorId: { gt: 0 } }, orderBy: { authorId: 'asc' } })); show('counts', await db.user.findMany({ select: { id: true, _count: { select: { posts: true } } }, orderBy: { posts: { _count: 'desc' } } }));
    show('update', await db.user.update({ where: { id: 1 }, data: { money: { increment: 2 }, tags: { push: 'z' }, posts: { update: { where: { id: 1 }, data: { n: { increment: 1 }, tags: { set: [{ word: 'blue' }] } } }, deleteMany: { title: 'b' } } }, select: safe })); show('updateMany', await db.post.updateMany({ where: { author: { name: 'one' } }, data: { n: 3 } })); show('upsert', await db.tag.upsert({ where: { word: 'red' }, create: { word: 'red' }, update: {} })); show('delete', await db.user.delete({ where: { id: 3 }, select: { id: true } }));
    show('batch', await db.$transaction([db.tag.count(), db.post.findMany({ select: { title: true } })])); await attempt('interactive', () => db.$transaction(async t => { await t.tag.create({ data: { word: 'gone' } }); throw new Error('undo'); }, { isolationLevel: 'Serializable' })); show('tags', await db.tag.count()); show('raw', await db.$queryRaw`select id, name from "User" where id = ${1}`); show('exec', await db.$executeRaw`update "Post" set n = 4`); await attempt('duplicate', () => db.tag.create({ data: { word: 'red' } })); await attempt('not found', () => db.user.update({ where: { id: 99 }, data: { name: 'x' }, select: { id: true } })); show('distinct', await db.post.findMany({ distinct: ['authorId'], select: { authorId: true } }));
    await db.$disconnect();
  },
  // Job queues: their migrations make and use tables and functions in one message. (Where there are masks, their functions are refused:
  // they build SQL, and nobody can tell what it gives.)
  async graphile_worker() {
    const { makeWorkerUtils } = require('graphile-worker');
    const logger = new (require('graphile-worker').Logger)(() => () => {});
    const utils = await makeWorkerUtils({ connectionString: url, logger });
    await utils.migrate();
    await utils.release();
  },
  async pg_boss() {
    const required = require('pg-boss'), Boss = required.PgBoss || required.default || required;
    const boss = new Boss({ connectionString: url, supervise: false, schedule: false });
    boss.on('error', e => show('error', e.message));
    await boss.start();
    show('installed', [await boss.isInstalled(), (await boss.getQueues()).length]);
    await boss.stop({ graceful: false });
  },
};
cases[process.argv[2]]().then(() => { console.log('done'); process.exit(0); }, e => { console.log('FAILED', e.message, e.sql || e.query || '', (e.stack || '').split('\n').filter(l => l.includes('node_')).join('')); process.exit(1); });
