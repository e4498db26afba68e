#!/usr/bin/python3
"""The benchmark: every figure is a ratio against the bare library in the same run.

    tests/bench/bench.py [-k TEXT]... [--rounds N] [--seconds S] [--scale F] [--no-write] [--list]

Rows come from row_*.py beside this file (ROWS).  Each round measures every chosen row once, ours
and its twin right after each other, in turns which is first.  The table goes into
docs/PERFORMANCE.md; rows that were not measured stay as they are there."""

import argparse
import importlib
import pathlib
import platform
import statistics
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import rig as rigs  # noqa: E402

PAGE = rigs.ROOT / "docs" / "PERFORMANCE.md"
BEGIN, END = "<!-- table: written by make bench -->", "<!-- end of the table -->"
HEAD = ["| row | path | goal | median | from – to | met | ours | twin | rounds |",
        "|---|---|---|---|---|---|---|---|---|"]


def all_rows():
    rows = []
    for path in sorted(HERE.glob("row_*.py")):
        rows += importlib.import_module(path.stem).ROWS
    keys = [row.key for row in rows]
    assert len(set(keys)) == len(keys), "two rows have one key"
    return rows


def number(value):
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


class Result:
    def __init__(self, row):
        self.row, self.ours, self.twins, self.figures = row, [], [], []
        self.failed = None

    def add(self, ours, twin):
        self.ours.append(ours)
        self.twins.append(twin)
        self.figures.append(self.row.figure(ours, twin))

    def line(self):
        row, f = self.row, self.figures
        median = statistics.median(f)
        twin = None if row.measure_twin is None else statistics.median(self.twins)
        unit = f" {row.unit}" if row.unit else ""
        return (f"| {row.key} | {row.title} | {row.goal_text()} | {row.text(median)} | "
                f"{row.text(min(f))} – {row.text(max(f))} | {'yes' if row.met(median) else '**no**'} | "
                f"{number(statistics.median(self.ours))}{unit} | {number(twin)} | {len(f)} |")


def measure_once(rig, result, twin_first):
    row = result.row
    twin = row.measure_twin(rig) if row.measure_twin and twin_first else None
    ours = row.measure_ours(rig)
    if row.measure_twin and not twin_first:
        twin = row.measure_twin(rig)
    result.add(ours, twin)
    rig.note(f"{row.key}: {row.text(result.figures[-1])}  (ours {number(ours)}, twin {number(twin)})")


def attempt(result, what, *words):
    """A row that breaks is reported and left out; the others go on."""
    try:
        what(*words)
    except Exception as e:  # noqa: BLE001
        traceback.print_exc()
        result.failed = str(e) or type(e).__name__


def run(rows, options):
    results = [Result(row) for row in rows]
    rig = rigs.Rig(options)
    try:
        for result in results:
            if result.row.open:
                attempt(result, result.row.open, rig)
        for i in range(options.rounds):
            print(f"round {i + 1} of {options.rounds}", flush=True)
            for result in results:
                if not result.failed:
                    attempt(result, measure_once, rig, result, i % 2 == 1)
        for result in results:
            if result.row.close:
                attempt(result, result.row.close, rig)
    finally:
        rig.close()
    return results


def old_lines():
    """Rows of the page by key."""
    if not PAGE.exists():
        return {}
    inside = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    return {line.split("|")[1].strip(): line for line in inside.splitlines() if line.startswith("| ")
            and not line.startswith("| row ")}


def write_page(results, order):
    lines = old_lines()
    lines.update({r.row.key: r.line() for r in results if r.figures and not r.failed})
    table = HEAD + [lines[key] for key in order if key in lines]
    text = PAGE.read_text()
    before, found, rest = text.partition(BEGIN)
    assert found and END in rest, f"{PAGE} has no markers"
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(table) + "\n" + END + rest.partition(END)[2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-k", dest="keys", action="append", default=[], help="only rows whose key has this text")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--scale", type=float, default=1.0, help="of devices and sessions")
    parser.add_argument("--no-write", action="store_true", help="leave docs/PERFORMANCE.md alone")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    rows = all_rows()
    order = [row.key for row in rows]
    chosen = [row for row in rows if not options.keys or any(k in row.key for k in options.keys)]
    if options.list or not chosen:
        print("\n".join(f"{row.key:16} {row.title}" for row in rows))
        return 0 if options.list else 2
    started = time.monotonic()
    results = run(chosen, options)
    print(f"\n{platform.machine()}, Linux {platform.release()}; {time.monotonic() - started:.0f} s")
    print("\n".join(HEAD + [r.line() for r in results if r.figures and not r.failed]))
    for r in results:
        if r.failed:
            print(f"failed: {r.row.key}: {r.failed}")
    if not options.no_write:
        write_page(results, order)
    return 1 if any(r.failed for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
