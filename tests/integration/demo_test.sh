#!/usr/bin/env bash
# scripts/demo with the program that is built: it says itself whether every step showed what it should; and it leaves nothing.
# A program that does a step wrong must make it end with 1.
set -euo pipefail
demo=${DBGUARD_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}/scripts/demo
DBGUARD=${DBGUARD:-$(dirname "$demo")/../build/dev/cli/dbguard}
export DBGUARD
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || { echo "skipped: no PostgreSQL server is installed"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export TMPDIR="$folder/a folder"
mkdir "$TMPDIR"
chmod 711 "$folder" "$TMPDIR"

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

# broken NAME COMMANDS: a dbguard that runs these instead where they say so; -> the demo must say what was wrong
broken() {
    local name=$1 expected=$2 commands=$3 code=0
    mkdir -p "$folder/$name"
    ln -sf "$(dirname "$real")/dbguard_test_issuer" "$folder/$name/dbguard_test_issuer"
    printf '#!/bin/bash\nreal=%q\n%s\nexec "$real" "$@"\n' "$real" "$commands" >"$folder/$name/dbguard"
    chmod 755 "$folder/$name" "$folder/$name/dbguard"
    DBGUARD=$folder/$name/dbguard "$demo" >"$folder/$name.out" 2>&1 || code=$?
    [ "$code" = 1 ] || { echo "with a dbguard that $name the demo ended with $code"; exit 1; }
    grep -qF "$expected" "$folder/$name.out" || { echo "with a dbguard that $name the demo did not say: $expected"; cat "$folder/$name.out"; exit 1; }
    nothing_is_left "with a dbguard that $name"
}
real=$(realpath "$DBGUARD")
broken leaks 'this is shown: ada.lovelace' '[ "$1" != run ] || { "$real" "$@"; code=$?; echo ada.lovelace@example.com; exit $code; }'
broken believes 'it ended with 0, not with 1' '[ "$1" != verify ] || exit 0'
broken dies 'serve did not start' '[ "$1" != serve ] || { echo "no" >&2; exit 3; }'
