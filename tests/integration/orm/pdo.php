<?php // PDO, the pgsql extension, and Doctrine's DBAL where it is installed.
error_reporting(E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED);
function show($n, $v) { echo $n, ' ', json_encode($v, JSON_PARTIAL_OUTPUT_ON_ERROR), "\n"; }
function attempt($n, $w) { try { show($n, $w()); } catch (Throwable $e) { show($n, [get_class($e), $e->getCode(), explode("\n", $e->getMessage())[0]]); } }
$dsn = 'pgsql:host=' . getenv('PGHOST') . ';port=' . getenv('PGPORT') . ';dbname=' . getenv('PGDATABASE');
foreach ([false, true] as $emulate) {
    $p = new PDO($dsn, getenv('PGUSER'), getenv('PGPASSWORD'), [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_EMULATE_PREPARES => $emulate]);
    $s = $p->prepare('select id, title, price, tags, flag, made from product where id < :id and title like :t order by id'); $s->execute(['id' => 3, 't' => 'P%']); show('rows', $s->fetchAll(PDO::FETCH_ASSOC));
    for ($i = 1; $i < 4; $i++) { $s = $p->prepare('select title from product where id = ?'); $s->bindValue(1, $i, PDO::PARAM_INT); $s->execute(); show('one', $s->fetchColumn()); }
    show('meta', [$s->getColumnMeta(0)['native_type'], $s->columnCount()]);
    $p->beginTransaction(); $p->exec('insert into crm.contact(id) values (' . ($emulate ? 2 : 1) . ')'); attempt('unique', fn() => $p->exec('insert into crm.contact(id) values (1), (1)')); $p->rollBack(); show('count', $p->query('select count(*) from crm.contact')->fetchColumn());
    $s = $p->prepare('insert into product(title, raw) values (?, ?) returning raw'); $s->bindValue(1, 'r'); $s->bindValue(2, "\0\1\xff", PDO::PARAM_LOB); $s->execute(); show('raw', bin2hex(stream_get_contents($s->fetchColumn())));
    $p->pgsqlCopyFromArray('log', ["2024-01-01\tx", "2024-01-02\ty"]); show('copy', $p->pgsqlCopyToArray('(select id, title from product where id < 3 order by id)'));
    $s = $p->prepare('select g from generate_series(1, 20) g', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]); $s->execute(); show('scroll', [$s->fetchColumn(), $s->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST)]);
    $p->exec('listen php'); $p->exec("notify php, 'x'"); $heard = $p->pgsqlGetNotify(PDO::FETCH_ASSOC, 100); show('heard', [$heard['message'], $heard['payload'] ?? null]); show('last', $p->query("insert into orders(customer_id) values (1)") && $p->lastInsertId('orders_id_seq') > 0);
    foreach (['selec 1', 'select nothing from product', "select 'x'::int"] as $bad) attempt($bad, fn() => $p->query($bad)->fetchAll());
}
$c = pg_connect('host=' . getenv('PGHOST') . ' port=' . getenv('PGPORT') . ' dbname=' . getenv('PGDATABASE') . ' user=' . getenv('PGUSER') . " password='" . getenv('PGPASSWORD') . "'");
show('pg', pg_fetch_all(pg_query_params($c, 'select id, title from product where id = any($1) order by id', ['{1,2}']))); pg_prepare($c, 'n', 'select title from product where id = $1'); show('prepared', pg_fetch_row(pg_execute($c, 'n', [3])));
show('meta', pg_meta_data($c, 'product')); show('insert', pg_insert($c, 'log', ['day' => '2024-05-05', 'text' => 'a']) !== false); show('select', pg_select($c, 'log', ['text' => 'a'])); show('update', pg_update($c, 'log', ['text' => 'b'], ['text' => 'a'])); show('delete', pg_delete($c, 'crm.contact', ['id' => '77'])); show('copy', pg_copy_to($c, 'crm.contact')); show('error', [@pg_query($c, 'select 1/0'), pg_last_error($c)]); pg_send_query($c, 'select 1; select 2'); while ($r = pg_get_result($c)) show('several', pg_fetch_row($r)); show('table', pg_field_table(pg_query($c, 'select id from product limit 1'), 0));
if ((@include 'Doctrine/DBAL/autoload.php') !== false) {
    $d = Doctrine\DBAL\DriverManager::getConnection(['driver' => 'pdo_pgsql', 'host' => getenv('PGHOST'), 'port' => getenv('PGPORT'), 'user' => getenv('PGUSER'), 'password' => getenv('PGPASSWORD'), 'dbname' => getenv('PGDATABASE')]);
    $m = $d->createSchemaManager(); foreach (['mood', 'address', 'posint', '_text', 'tstzrange', 'xml'] as $t) $d->getDatabasePlatform()->registerDoctrineTypeMapping($t, 'string');
    $named = function ($list) { ksort($list); return array_values($list); };
    show('tables', $m->listTableNames()); show('schemas', $m->listSchemaNames()); show('sequences', array_map(fn($s) => $s->getName(), $m->listSequences())); show('views', array_keys($m->listViews()));
    foreach (['orders', 'line', 'product', 'crm.contact'] as $t) attempt($t, fn() => [array_map(fn($c) => [$c->getName(), $c->getType()->getName(), $c->getNotnull(), $c->getDefault()], array_values($m->listTableColumns($t))), array_map(fn($i) => [$i->getName(), $i->getColumns(), $i->isUnique()], $named($m->listTableIndexes($t))), array_map(fn($k) => [$k->getName(), $k->getForeignTableName()], $m->listTableForeignKeys($t))]);
    $schema = new Doctrine\DBAL\Schema\Schema(); $t = $schema->createTable('doctrine'); $t->addColumn('id', 'integer', ['autoincrement' => true]); $t->addColumn('name', 'string', ['length' => 40, 'comment' => 'c']); $t->addColumn('doc', 'json', ['notnull' => false]); $t->setPrimaryKey(['id']); $t->addIndex(['name']); foreach ($schema->toSql($d->getDatabasePlatform()) as $sql) $d->executeStatement($sql);
    $to = clone $schema; $t2 = $to->getTable('doctrine'); $t2->addColumn('n', 'bigint', ['default' => 0]); $t2->changeColumn('name', ['length' => 80, 'notnull' => false]); $t2->addUniqueIndex(['n'], 'dn'); foreach ($m->createComparator()->compareSchemas($schema, $to)->toSql($d->getDatabasePlatform()) as $sql) { show('sql', $sql); $d->executeStatement($sql); }
    $d->insert('doctrine', ['name' => 'a', 'n' => 1]); show('builder', $d->createQueryBuilder()->select('p.id', 'p.title')->from('product', 'p')->innerJoin('p', 'line', 'l', 'l.product_id = p.id')->where('p.id < :i')->setParameter('i', 3)->groupBy('p.id')->orderBy('p.id')->setMaxResults(5)->executeQuery()->fetchAllAssociative()); $d->transactional(function ($d) { $d->update('doctrine', ['name' => 'b'], ['n' => 1]); }); show('in', $d->executeQuery('select id from product where id in (?) order by id', [[1, 2]], [Doctrine\DBAL\Connection::PARAM_INT_ARRAY])->fetchFirstColumn()); $m->dropTable('doctrine');
}
echo "done\n";
