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


lint()
schema()
sys.exit(1 if failures else 0)
