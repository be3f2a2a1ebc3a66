# What watches a server: the plugins of Nagios and Munin. Not those of Munin's that choose by what other sessions run (pg_stat_activity.query),
# which is refused where there are masks.
run() { echo "\$ $*"; "$@" 2>&1 | sed -E 's/-?[0-9.]+/N/g'; echo "= ${PIPESTATUS[0]}"; }
run /usr/lib/nagios/plugins/check_pgsql -H "$PGHOST" -P "$PGPORT" -d "$PGDATABASE" -l "$PGUSER" -p "$PGPASSWORD" -q 'select count(*) from orders'
for plugin in bgwriter cache_ALL checkpoints connections_db locks_ALL oldest_prepared_xact_ALL prepared_xacts_ALL querylength_ALL scans_$PGDATABASE size_ALL transactions_ALL tuples_$PGDATABASE users xlog; do
    file=/usr/share/munin/plugins/postgres_$(echo "$plugin" | sed -E "s/_(ALL|$PGDATABASE)\$/_/")
    [ -e "$file" ] || continue
    ln -s "$file" "postgres_$plugin"
    for word in config ''; do run env MUNIN_LIBDIR=/usr/share/munin PERL5LIB=/usr/share/perl5 MUNIN_CAP_DIRTYCONFIG= perl "./postgres_$plugin" $word | cut -c1-120; done
done
