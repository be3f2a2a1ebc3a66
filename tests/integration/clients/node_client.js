// node-postgres through dbguard: `node_client.js URL`. One line a case: "ok NAME" or "FAIL NAME: why".
const assert = require('assert');
const { Client, Pool } = require('pg');
const url = process.argv[2];

async function refused(work) {
    await assert.rejects(work, (e) => {
        assert.strictEqual(e.code, '42501', e.message);
        assert.strictEqual(e.severity, 'ERROR');
        return true;
    });
}

const cases = {
    async 'simple query: masked, unmasked'(c) {
        const r = await c.query('select id, email, phone, name from people order by id');
        assert.deepStrictEqual(r.rows, [
            { id: 1, email: 'a***@e***.com', phone: '***-***-4567', name: 'Ann' },
            { id: 2, email: 'b***@f***.org', phone: '***-***-6543', name: 'Bob' },
            { id: 3, email: null, phone: null, name: 'Nil' },
        ]);
        assert.strictEqual(r.fields[1].name, 'email');
    },
    async 'several statements in one query'(c) {
        const r = await c.query('select 1 as a; select email from people where id = 1');
        assert.deepStrictEqual(r.map((x) => x.rows), [[{ a: 1 }], [{ email: 'a***@e***.com' }]]);
    },
    async 'parameters'(c) {
        const r = await c.query('select email, name from people where id = $1 and name = $2', [2, 'Bob']);
        assert.deepStrictEqual(r.rows, [{ email: 'b***@f***.org', name: 'Bob' }]);
        const f = await c.query('select id from people where email = $1', ['bob@foo.org']);
        assert.deepStrictEqual(f.rows, [{ id: 2 }]);
    },
    async 'types of parameters and results'(c) {
        const when = new Date('2024-05-06T07:08:09Z');
        const r = await c.query(
            'select $1::int8 as i, $2::jsonb as j, $3::text[] as a, $4::bytea as b, $5::timestamptz as t, $6::bool as o, $7::text as n',
            ['9007199254740993', { x: [1, 2] }, ['p', 'q"r'], Buffer.from([0, 1, 255]), when, true, null]);
        assert.deepStrictEqual(r.rows, [{
            i: '9007199254740993', j: { x: [1, 2] }, a: ['p', 'q"r'], b: Buffer.from([0, 1, 255]), t: when, o: true, n: null }]);
    },
    async 'a named prepared statement, again and again'(c) {
        for (let i = 0; i < 8; i++) {
            const r = await c.query({ name: 'by-id', text: 'select email, name from people where id = $1', values: [1 + i % 2] });
            assert.strictEqual(r.rows[0].email, i % 2 ? 'b***@f***.org' : 'a***@e***.com');
        }
    },
    async 'binary results'(c) {
        const r = await c.query({ text: 'select email, name from people where id = $1', values: [1], binary: true });
        assert.strictEqual(r.rows[0].email.toString(), 'a***@e***.com');
        assert.strictEqual(r.rows[0].name.toString(), 'Ann');
    },
    async 'a derived expression is refused, the connection goes on'(c) {
        await refused(c.query('select upper(email) from people'));
        assert.strictEqual((await c.query('select 1 as a')).rows[0].a, 1);
        await refused(c.query('select upper(email) from people where id = $1', [1]));
        assert.strictEqual((await c.query('select $1::int as a', [7])).rows[0].a, 7);
        await refused(c.query({ name: 'no', text: 'select upper(email) from people where id = $1', values: [1] }));
        assert.strictEqual((await c.query({ name: 'yes', text: 'select $1::int as a', values: [8] })).rows[0].a, 8);
    },
    async 'a policy refusal carries its hint'(c) {
        await assert.rejects(c.query('delete from forbidden'), (e) => e.code === '42501' && e.hint === 'Ask for a migration.');
    },
    async 'a server error keeps its code'(c) {
        await assert.rejects(c.query("insert into people values ($1, 'x@y.org', 'p', 'n')", [1]), (e) => e.code === '23505' && e.constraint === 'people_pkey');
        await assert.rejects(c.query('selec 1'), (e) => e.code === '42601');
        assert.strictEqual((await c.query('select 1 as a')).rows[0].a, 1);
    },
    async 'a transaction that commits'(c) {
        await c.query('begin');
        const r = await c.query("insert into notes(body) values ($1) returning id, body", ['from node']);
        assert.strictEqual(r.rows[0].body, 'from node');
        await c.query('commit');
        const other = new Client({ connectionString: url });
        await other.connect();
        const seen = await other.query('select body from notes where id = $1', [r.rows[0].id]);
        await other.end();
        assert.strictEqual(seen.rows[0].body, 'from node');
    },
    async 'a refusal in a transaction: savepoint and rollback'(c) {
        await c.query('begin');
        await c.query("insert into notes(body) values ('node kept')");
        await c.query('savepoint s');
        await refused(c.query('select upper(email) from people where id = $1', [1]));
        await assert.rejects(c.query('select 1'), (e) => e.code === '25P02');
        await c.query('rollback to savepoint s');
        assert.strictEqual((await c.query("select count(*)::int as n from notes where body = 'node kept'")).rows[0].n, 1);
        await c.query('commit');
        await c.query('begin');
        await c.query("insert into notes(body) values ('node undone')");
        await refused(c.query('select upper(email) from people'));
        await c.query('rollback');
        assert.strictEqual((await c.query("select count(*)::int as n from notes where body = 'node undone'")).rows[0].n, 0);
    },
    async 'queries queued at once'(c) {
        const all = await Promise.allSettled([
            c.query('select 1 as a'), c.query('select upper(email) from people'), c.query('select $1::int as a', [2]),
            c.query('select email from people where id = $1', [1])]);
        assert.deepStrictEqual(all.map((r) => r.status), ['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
        assert.strictEqual(all[3].value.rows[0].email, 'a***@e***.com');
    },
    async 'a pool of connections'() {
        const pool = new Pool({ connectionString: url, max: 4 });
        const all = await Promise.all(Array.from({ length: 40 }, (_, i) => pool.query('select email, $1::int as i from people where id = 1', [i])));
        await pool.end();
        assert.deepStrictEqual(all.map((r) => r.rows[0].i), Array.from({ length: 40 }, (_, i) => i));
        assert.ok(all.every((r) => r.rows[0].email === 'a***@e***.com'));
    },
    async 'listen and notify'(c) {
        await c.query('listen node_news');
        const heard = new Promise((resolve) => c.once('notification', resolve));
        await c.query("notify node_news, 'hello'");
        assert.strictEqual((await heard).payload, 'hello');
    },
};

(async () => {
    let failed = 0;
    for (const [name, run] of Object.entries(cases)) {
        const c = new Client({ connectionString: url });
        try {
            await c.connect();
            await run(c);
            console.log('ok ' + name);
        } catch (e) {
            failed++;
            console.log('FAIL ' + name + ': ' + String(e.message).replace(/\s+/g, ' '));
        }
        await c.end().catch(() => {});
    }
    process.exit(failed ? 1 : 0);
})();
