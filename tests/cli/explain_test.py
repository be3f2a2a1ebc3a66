#!/usr/bin/env python3
"""doc/explain.md: each statement in it is explained again, and the page says what comes out.

DBGUARD_REWRITE_DOC=1 writes the page anew; then read the difference."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ.get("DBGUARD_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
DBGUARD = os.path.abspath(os.environ.get("DBGUARD", SOURCE / "build/dev/cli/dbguard"))
PAGE = SOURCE / "doc/explain.md"


def fenced(text, language):
    return re.findall(r"^```%s\n(.*?)^```$" % language, text, re.M | re.S)


def main():
    text = PAGE.read_text()
    policy, = fenced(text, "yaml")
    schema = fenced(text, "sql")[0]
    failures = 0
    shown = 0
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "shop.yaml").write_text(policy)
        (pathlib.Path(folder) / "shop.sql").write_text(schema)

        def explained(match):
            nonlocal failures, shown
            sql, expected = match.group(1).rstrip("\n"), match.group(2)
            run = subprocess.run([DBGUARD, "policy", "explain", "shop.yaml", "--role", "tester", "--schema", "shop.sql", "--sql", sql],
                                 cwd=folder, capture_output=True, text=True, timeout=60)
            got = "".join(line.rstrip() + "\n" for line in run.stdout.splitlines())
            shown += 1
            if run.returncode != 0:
                failures += 1
                print(f"FAILED: {sql}: exit {run.returncode}: {run.stderr}")
            elif got != expected and not os.environ.get("DBGUARD_REWRITE_DOC"):
                failures += 1
                print(f"FAILED: {sql}\n--- the page says\n{expected}--- it is\n{got}")
            return f"```sql\n{sql}\n```\n\n```text\n{got}```"

        new = re.sub(r"^```sql\n((?:(?!^```).*\n)*)^```\n\n```text\n((?:(?!^```).*\n)*)^```$", explained, text, flags=re.M)
    if os.environ.get("DBGUARD_REWRITE_DOC") and not failures:
        PAGE.write_text(new)
    if shown < 20:
        failures += 1
        print(f"FAILED: only {shown} statements are explained")
    print(f"{shown} statements, {failures} failures")
    return 1 if failures else 0


sys.exit(main())
