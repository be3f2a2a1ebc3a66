# check_postgres: what a monitor asks; not query_time, txn_idle and txn_time, which show what other sessions run.
for action in autovac_freeze backends bloat commitratio connection custom_query database_size dbstats disabled_triggers hitratio index_size indexes_size last_analyze last_vacuum listener locks new_version_pg pgb_pool_mode prepared_txns relation_size replicate_row replication_slots same_schema sequence settings_checksum table_size timesync total_relation_size txn_wraparound version wal_files cluster_id fsm_pages checkpoint hot_standby_delay archive_ready; do
    case $action in
    custom_query) more="--query='select count(*) as result from product' --warning=1000";;
    version) more='--warning=1.0';;
    replicate_row|same_schema|new_version_pg|pgb_pool_mode|checkpoint|wal_files|archive_ready|listener|hot_standby_delay) continue;;
    settings_checksum|cluster_id) more='--critical=0';;
    relation_size|table_size|index_size|indexes_size|total_relation_size|database_size) more='--warning=100GB';;
    last_vacuum|last_analyze) more='--warning=1000d --critical=2000d';;
    *) more='';;
    esac
    echo "$ $action"; eval check_postgres --action=$action -H "$PGHOST" -p "$PGPORT" -u "$PGUSER" --dbpass="'$PGPASSWORD'" -db "$PGDATABASE" $more 2>&1 | sed -E 's/(OK|WARNING|CRITICAL|UNKNOWN): DB.*/\1/; s/^backends:.*/figures/; s/checksum: .*//; s/[0-9]+/N/g'
done
