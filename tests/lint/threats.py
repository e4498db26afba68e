#!/usr/bin/python3
"""docs/THREATS.md and the tests agree:

- every test that the document names is in the tree;
- every test with the id of a row in its name (or of several: test_B02_R15_...) is named there;
- every row outside of "Open" has a test; every id of the list has exactly one row."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "THREATS.md"
ROWS = {"A": 20, "B": 13, "C": 12, "D": 12, "E": 4, "R": 27}
DEFINITION = re.compile(r"^(?:    )?(?:async )?(?:def|static void|void) (test_[A-Z]\d\d_\w+)\(", re.M)


def tests_of_the_tree():
    """Name of each test with an id: the file that has it."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("*")):
        if path.suffix in (".py", ".c"):
            for name in DEFINITION.findall(path.read_text(errors="replace")):
                found.setdefault(name, path.relative_to(ROOT))
    return found


def ids_of(name):
    """ test_B02_R15_... answers two rows. """
    return re.findall(r"[A-Z]\d\d", re.match(r"test((?:_[A-Z]\d\d)+)_", name).group(1))


def rows_of_the_document():
    """(id, section, names of tests) of each row."""
    section = ""
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif m := re.match(r"\| ([A-Z]\d\d) \|", line):
            yield m.group(1), section, re.findall(r"\btest_\w+", line)


def check_rows(rows):
    have = [row for row, _, _ in rows]
    wanted = [f"{letter}{i:02d}" for letter, last in ROWS.items() for i in range(1, last + 1)]
    for row in sorted(set(have) | set(wanted)):
        if have.count(row) != 1 or row not in wanted:
            yield f"row {row} stands there {have.count(row)} times" + ("" if row in wanted else ", and is no known id")
    for row, section, names in rows:
        if not names and section != "Open":
            yield f"row {row} has no test: write test_{row}_..., or move it to Open and say why"


def check_names(rows, tests):
    named = {(row, name) for row, _, names in rows for name in names}
    for row, name in sorted(named):
        if name not in tests:
            yield f"row {row} names {name}, which is in no file of tests/"
        elif row not in ids_of(name):
            yield f"row {row} names {name}, whose name does not carry its id"
    for name, path in sorted(tests.items()):
        for row in ids_of(name):
            if (row, name) not in named:
                yield f"{name} ({path}) is not named in row {row}"


def main():
    rows, tests = list(rows_of_the_document()), tests_of_the_tree()
    complaints = [*check_rows(rows), *check_names(rows, tests)]
    for text in complaints:
        print(f"docs/THREATS.md: {text}")
    answered = sum(section != "Open" for _, section, _ in rows)
    print(f"threats: {len(tests)} tests, {answered} rows answered, {len(rows) - answered} open")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
