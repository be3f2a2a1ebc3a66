# DBD::Pg and DBIx::Class with its schema loader.
use strict; use warnings; use Data::Dumper; $Data::Dumper::Terse = $Data::Dumper::Sortkeys = 1; $Data::Dumper::Indent = 0;
use DBI;
sub show { print "$_[0] ", Dumper($_[1]), "\n" }
sub attempt { my ($n, $w) = @_; my $r = eval { $w->() }; my $e = $@; $e =~ s/ at \S+ line .*//s; show($n, $e ? [$DBI::state, $e] : $r) }
my $dbh = DBI->connect("dbi:Pg:dbname=$ENV{PGDATABASE};host=$ENV{PGHOST};port=$ENV{PGPORT}", $ENV{PGUSER}, $ENV{PGPASSWORD}, { RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1 });
show('rows', $dbh->selectall_arrayref('select id, title, price, tags, made, flag, key from product where id < ? order by id', {}, 3));
show('hash', $dbh->selectrow_hashref('select id, doc from product where id = $1', {}, 1));
my $sth = $dbh->prepare('select title from product where id = ?'); for my $i (1 .. 4) { $sth->execute($i); show('prepared', $sth->fetchrow_arrayref); $sth->finish }
show('types', [map { ($sth->{NAME}[$_], $sth->{TYPE}[$_], $sth->{pg_type}[$_]) } 0 .. $#{ $sth->{NAME} }]);
my $raw = $dbh->prepare('insert into product(title, raw) values (?, ?) returning raw'); $raw->bind_param(2, "\0\1\xff", { pg_type => DBD::Pg::PG_BYTEA() }); $raw->execute('raw', undef) if 0;
$dbh->begin_work; $dbh->do('insert into crm.contact(id) values (?)', {}, 1); $dbh->pg_savepoint('s'); attempt('unique', sub { $dbh->do('insert into crm.contact(id) values (1)') }); $dbh->pg_rollback_to('s'); show('count', $dbh->selectrow_array('select count(*) from crm.contact')); $dbh->commit;
$dbh->do('copy log from stdin'); $dbh->pg_putcopydata("2024-01-0$_\tx\n") for 1 .. 9; $dbh->pg_putcopyend;
$dbh->do('copy (select id, title from product where id < 3 order by id) to stdout'); my ($row, @rows) = (''); push @rows, $row while $dbh->pg_getcopydata($row) >= 0; show('copy', \@rows);
show('table_info', [map { [@$_[1 .. 3]] } @{ $dbh->table_info(undef, 'public', undef, 'TABLE')->fetchall_arrayref }]);
show('column_info', [map { [@$_[3, 4, 5, 6, 10, 12]] } @{ $dbh->column_info(undef, 'public', 'product', undef)->fetchall_arrayref }]);
show('primary_key', [$dbh->primary_key(undef, 'public', 'line')]); show('foreign', [map { [@$_[2, 3, 6, 7]] } @{ $dbh->foreign_key_info(undef, 'public', 'orders', undef, 'public', 'line')->fetchall_arrayref }]) if $dbh->foreign_key_info(undef, 'public', 'orders', undef, 'public', 'line');
show('statistics', [map { [@$_[2, 5, 6, 8]] } @{ $dbh->statistics_info(undef, 'public', 'orders', 0, 0)->fetchall_arrayref }]); show('type_info', scalar @{ $dbh->type_info_all }); show('version', $dbh->{pg_server_version} > 100000); show('last_insert_id', ($dbh->do("insert into orders(customer_id) values (1)"), $dbh->last_insert_id(undef, 'public', 'orders', undef))[1]);
show('ping', $dbh->ping); show('state', $dbh->state); attempt('syntax', sub { $dbh->do('selec 1') }); attempt('missing', sub { $dbh->selectall_arrayref('select nothing from product') });
$dbh->do('listen perl'); $dbh->do("notify perl, 'x'"); my $n = $dbh->pg_notifies; show('heard', [@$n[0, 2]]); $dbh->do('select pg_sleep(0)', { pg_async => DBD::Pg::PG_ASYNC() }); show('async', $dbh->pg_result);
if (eval { require DBIx::Class::Schema::Loader }) {
    DBIx::Class::Schema::Loader::make_schema_at('Shop', { naming => 'current', quiet => 1, db_schema => ['public', 'crm'], moniker_parts => ['schema', 'name'] }, [sub { $dbh }]);
    show('sources', [map { my $s = Shop->source($_); [$_, [$s->columns], [$s->primary_columns], [sort $s->relationships]] } sort Shop->sources]);
    my $shop = Shop->connect(sub { $dbh }); my ($orders) = grep { $shop->source($_)->name =~ /orders/ } $shop->sources; my $rs = $shop->resultset($orders);
    show('search', [map { $_->id } $rs->search({ total => { '>' => 37 } }, { order_by => 'id', columns => ['id'] })]); show('count', $rs->search({ state => 'new' })->count); show('page', [map { $_->id } $rs->search({}, { rows => 3, page => 2, order_by => 'id', columns => ['id'] })]); show('sum', $rs->get_column('total')->sum); my $o = $rs->create({ customer_id => 2, total => 9 }); $o->update({ total => 10 }); $o->discard_changes; show('row', $o->total); $o->delete; show('txn', $shop->txn_do(sub { $rs->search({ id => 1 }, { for => 'update', columns => ['id'] })->count }));
}
print "done\n";
