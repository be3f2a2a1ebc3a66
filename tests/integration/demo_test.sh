#!/usr/bin/env bash
# scripts/demo with the program that is built: it says itself whether every step showed what it should; and it leaves nothing.
set -euo pipefail
demo=${DBGUARD_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}/scripts/demo
DBGUARD=${DBGUARD:-$(dirname "$demo")/../build/dev/cli/dbguard}
export DBGUARD
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || { echo "skipped: no PostgreSQL server is installed"; exit 77; }
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
chmod 711 "$TMPDIR"

nothing_is_left() {
    for _ in $(seq 100); do
        pgrep -f "$TMPDIR" >/dev/null || break
        sleep 0.1
    done
    if pgrep -f "$TMPDIR" >/dev/null; then
        echo "still running $1:"
        pgrep -af "$TMPDIR"
        exit 1
    fi
    local left
    left=$(find "$TMPDIR" -mindepth 1 | head -5)
    [ -z "$left" ] || { echo "left behind $1: $left"; exit 1; }
}

"$demo"
nothing_is_left "after the first time"
"$demo" >/dev/null
nothing_is_left "after the second time"

# Interrupted, it takes everything down as well.
"$demo" >/dev/null 2>&1 &
sleep 1
kill -TERM $!
wait $! && { echo "an interrupted demo ended with 0"; exit 1; }
nothing_is_left "after an interruption"
