# Every built-in script in every protocol, and a script of its own with conditions, pipelines and variables.
set -e
pgbench -i -s 1 -q -I dtpGvf --partitions=3 2>&1 | sed 's/ in [0-9.]* s.*//; s/(.*)//; /elapsed/d'
pgbench -i -s 1 -q 2>&1 | sed 's/ in [0-9.]* s.*//; s/(.*)//; /elapsed/d'
for script in tpcb-like simple-update select-only; do for mode in simple extended prepared; do
    pgbench -n -b $script -M $mode -c 2 -j 1 -t 20 --random-seed=7 2>&1 | grep -E 'processed|failed|script'
done; done
cat > own.sql <<'END'
\set aid random(1, 100000)
\if :aid > 50000
select abalance from pgbench_accounts where aid = :aid \gset
\else
select 1 as abalance \gset
\endif
begin;
update pgbench_accounts set abalance = abalance + 1 where aid = :aid;
end;
END
pgbench -n -f own.sql -t 20 -c 2 --max-tries=3 2>&1 | grep -E 'processed|failed'
printf '\\startpipeline\nselect 1;\nselect 2;\ninsert into pgbench_history(tid, bid, aid, delta, mtime) values (1, 1, 1, 1, now());\n\\endpipeline\n' > pipe.sql
pgbench -n -f pipe.sql -M prepared -t 20 2>&1 | grep processed
psql -XAtc 'select count(*) from pgbench_history'
