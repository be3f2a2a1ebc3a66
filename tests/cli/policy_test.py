#!/usr/bin/env python3
"""`dbguard policy`: exit codes and forms of lint; the schema against every vector of the loader, with a validator."""
import json
import os
import re
import subprocess
import sys
import tempfile

dbguard = os.environ.get("DBGUARD", "dbguard")
source = os.environ.get("DBGUARD_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
vectors = os.path.join(source, "tests/vectors/policy")
minimal = "dbguard: 1\npolicy: p\nidentities: {}\nroles: {}\n"
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what)


def run(*arguments):
    return subprocess.run([dbguard, "policy", *arguments], capture_output=True, text=True, timeout=60)


def read(name):
    with open(os.path.join(vectors, name), encoding="utf-8") as file:
        return file.read()


def read_vectors(name):
    for part in re.split(r"(?m)^=== ", read(name))[1:]:
        title, rest = part.split("\n", 1)
        text = re.split(r"(?m)^---\n", rest, maxsplit=1)[0]
        yield title, re.sub(r"(?m)^@\n", minimal, text)


def lint_text(text, *flags):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return run("lint", file.name, *flags)


def lint():
    examples = [os.path.join(vectors, name) for name in ("feature-tests.yaml", "migrations.yaml", "oncall.yaml")]
    clean = run("lint", "--strict", *examples)
    check(clean.returncode == 0 and clean.stdout == "", f"the examples are clean: {clean}")
    notes = run("lint", "--notes", *examples)
    check(notes.returncode == 0 and ": note: " in notes.stdout, "notes are shown when asked for")

    broken = lint_text(minimal + "mod: shadow\n")
    check(broken.returncode == 2, f"2 on error: {broken}")
    check(broken.stdout.endswith(".yaml:5:1: error: unknown key `mod` in the policy; write `mode`\n"), broken.stdout)
    warned = minimal + "masks: { m: { columns: [] } }\n"
    check(lint_text(warned).returncode == 0, "warnings alone are no failure")
    check(lint_text(warned, "--strict").returncode == 3, "3 on warning with --strict")

    answer = lint_text(minimal + "mod: shadow\n", "--json")
    parsed = json.loads(answer.stdout)
    check(answer.returncode == 2 and parsed["errors"] == 1, "the JSON form counts")
    problem = parsed["problems"][0]
    check((problem["line"], problem["column"], problem["severity"]) == (5, 1, "error"), "the JSON form has places")
    check(problem["suggestion"] == "write `mode`", "the JSON form has suggestions")

    missing = run("lint", "/nonexistent/policy.yaml")
    check(missing.returncode == 2 and "/nonexistent/policy.yaml: error: " in missing.stdout, f"a missing file: {missing}")
    folder = run("lint", vectors)
    check(folder.returncode == 2, f"a folder: {folder}")
    check(run("lint").returncode == 64, "no file is wrong usage")


def schema():
    printed = run("schema")
    check(printed.returncode == 0, "schema ends well")
    document = json.loads(printed.stdout)
    try:
        import jsonschema
        import yaml
    except ImportError as error:
        print("not compared with the vectors:", error)
        return
    validator = jsonschema.Draft202012Validator(document)
    validator.check_schema(document)

    def accepts(text):
        try:
            return validator.is_valid(yaml.safe_load(text))
        except yaml.YAMLError:
            return False

    good = [(name, read(name)) for name in ("feature-tests.yaml", "migrations.yaml", "oncall.yaml")]
    good += list(read_vectors("lint.txt"))
    for title, text in good:
        check(accepts(text), f"what the loader takes, the schema takes: {title}")
    bad = [(title, text) for title, text in read_vectors("bad.txt") if "[schema]" in title]
    check(len(bad) >= 20, "there are vectors for the schema")
    for title, text in bad:
        check(not accepts(text), f"what the schema should refuse: {title}")


shop = """\\connect shop
CREATE TABLE customers (id int PRIMARY KEY, name text, email text, phone text);
CREATE TABLE orders (id int, customer int REFERENCES customers);
CREATE SCHEMA auth;
CREATE TABLE auth.users (id int, password text);
CREATE VIEW contact (a, "b as c") AS SELECT id, email FROM customers /* AS */ WITH LOCAL CHECK OPTION;
CREATE VIEW contact2 AS SELECT * FROM contact;
CREATE MATERIALIZED VIEW loud AS SELECT upper(email) AS e FROM customers WITH NO DATA;
CREATE TABLE vip (level int) INHERITS (customers);
ALTER TABLE orders ADD COLUMN note text;
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
"""


def explain():
    policy = os.path.join(vectors, "feature-tests.yaml")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as schema:
        schema.write(shop)
        schema.flush()

        def ask(sql, *more):
            return run("explain", policy, "--role", "tester", "--schema", schema.name, "--sql", sql, *more)

        cases = [
            # (sql, verdict, rule, masks by output)
            ("SELECT id, email FROM customers WHERE email = $1", "allow", "tester#1", {"id": None, "email": "email"}),
            ("SELECT upper(email) FROM customers", "deny", "masks.pii.derived", None),
            ("SELECT * FROM contact", "allow", "tester#1", {"a": None, "b as c": "email"}),
            ('SELECT "b as c" FROM contact2', "allow", "tester#1", {"b as c": "email"}),
            ("SELECT email, level FROM vip", "allow", "tester#1", {"email": "email", "level": None}),
            ("SELECT note FROM orders", "allow", "tester#1", {"note": None}),
            ("SELECT count(email) FROM customers", "allow", "tester#1", {"count": None}),
            ("SELECT id FROM customers ORDER BY email", "deny", "masks.pii.filter", None),
            ("SELECT * FROM auth.users", "deny", "tester#3", None),
            ("SELECT f(1)", "deny", "", None),
            ("WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d", "deny", "", None),
            ("SELECT 1; DROP TABLE customers", "deny", "", None),
            ("SELEC 1", "deny", "", None),
            ("SELECT * FROM nowhere", "deny", "tester#3", None),
        ]
        for sql, verdict, rule, masks in cases:
            answer = ask(sql, "--json")
            if answer.returncode != 0:
                check(False, f"{sql}: {answer}")
                continue
            parsed = json.loads(answer.stdout)
            last = (parsed["statements"] or [parsed.get("unparsed")])[-1]
            check(parsed["verdict"] == verdict, f"{sql}: {parsed['verdict']}")
            check(last["rule"] == rule, f"{sql}: rule {last['rule']!r}")
            if masks is not None:
                got = {output["name"]: output["mask"] for output in last["outputs"]}
                check(got == masks, f"{sql}: masks {got}")
        text = ask("SELECT upper(email) FROM customers").stdout
        check(text.startswith("DENY    SELECT upper(email) FROM customers\n"), text)
        check("public.customers(email)" in text and "masks.pii.derived" in text and "  fix " in text, text)
        loud = json.loads(ask("SELECT e FROM loud", "--json").stdout)["statements"][0]
        check(loud["outputs"][0]["mask"] is not None, "a materialized view's copy is masked")

        stdin = subprocess.run([dbguard, "policy", "explain", policy, "--role", "tester", "--sql", "-"],
                               input="DROP TABLE x", capture_output=True, text=True, timeout=60)
        check(stdin.returncode == 0 and stdin.stdout.startswith("DENY    DROP TABLE x"), f"from stdin: {stdin}")
        check(run("explain", policy, "--role", "nobody", "--sql", "x").returncode == 64, "an unknown role")
        check(run("explain", "/nonexistent", "--role", "r", "--sql", "x").returncode == 78, "no policy")
        with tempfile.NamedTemporaryFile("w") as broken:
            broken.write("CREATE TABLE a (b int);\nCREATE TABL c (d int);\n")
            broken.flush()
            answer = run("explain", policy, "--role", "tester", "--schema", broken.name, "--sql", "SELECT 1")
            check(answer.returncode == 78 and "line 2, byte 31: syntax error" in answer.stderr, f"broken DDL: {answer}")


lint()
schema()
explain()
sys.exit(1 if failures else 0)
