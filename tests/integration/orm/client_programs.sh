# The programs that come with the server, against one database.
run() { echo "\$ $*"; "$@" 2>&1; echo "= $?"; }
pg_dump > all.sql; run md5sum < /dev/null; grep -v -E '^\\(un)?restrict' all.sql | sed "s/$PGUSER/<user>/g"
for flags in '-s' '-a' '-Fd -f d -j 2' '--inserts' '--column-inserts --rows-per-insert=5' '-n crm' '-t product' '-T line' '-c --if-exists' '-C' '-O -x' '--section=pre-data' '--section=post-data' '--exclude-table-data=log' '--no-comments' '--quote-all-identifiers' '--enable-row-security -n crm' '-s -t by_day' '--serializable-deferrable -a -t line' '--lock-wait-timeout=1000 -s' '-b' '-B' '--load-via-partition-root -t log*' '--on-conflict-do-nothing --inserts -t line' '--strict-names -t product' '-t nowhere'; do
    echo "$ pg_dump $flags"; pg_dump $flags > out 2> err; echo "= $?"; grep -a -v -E '^\\(un)?restrict' out | wc -l; cat err
done
pg_dump -Fc -f archive; pg_restore -l archive | grep -v '^;' | wc -l
run md5sum archive > /dev/null
run pg_restore -f /dev/null archive
run psql -X -q -c 'drop table crm.contact'; run pg_restore -t contact -n crm -d "$PGDATABASE" archive
run pg_restore -t line -a --disable-triggers -d "$PGDATABASE" archive | tail -2
run pg_restore -c --if-exists -1 -d "$PGDATABASE" archive
run pg_dumpall -l "$PGDATABASE" -r --no-role-passwords | grep -v -E '^--|restrict|^$|= 0'
run pg_dumpall -l "$PGDATABASE" -t | grep -v -E '^--|restrict|^$' | head -3
run vacuumdb -z -v -d "$PGDATABASE" -t product > v; grep -c vacuuming v
run vacuumdb -d "$PGDATABASE" --analyze-in-stages
run vacuumdb -d "$PGDATABASE" -f -t orders
run vacuumdb -d "$PGDATABASE" -t crm.contact --freeze --skip-locked --disable-page-skipping --min-mxid-age 0
run reindexdb -d "$PGDATABASE"
run reindexdb -d "$PGDATABASE" -t product -i title_like
run reindexdb -d "$PGDATABASE" -S crm --concurrently
run reindexdb -d "$PGDATABASE" -s
run clusterdb -d "$PGDATABASE" -t line
run clusterdb -d "$PGDATABASE" -v
run pg_isready
run oid2name -d "$PGDATABASE" -t product | sed -E "s/[0-9]{5}/N/"
run vacuumlo -v "$PGDATABASE"
run pg_amcheck --install-missing -t product -t line "$PGDATABASE"
