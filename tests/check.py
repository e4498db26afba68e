#!/usr/bin/python3
"""Runs every test and counts: C programs that print TAP, then pytest.

    tests/check.py [--only unit|api] [-k EXPRESSION]

Its last line is "N passed, N failed, N skipped".  A skipped test must give a reason.  Each run
has a temporary folder and a PostgreSQL of its own, so several may run at once."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parent.parent
TAP = re.compile(r"^(not )?ok\b(?:\s+\d+)?(?:\s*-?\s*(.*?))?(?:\s*#\s*(SKIP|TODO)\b\s*(.*))?$", re.I)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def line(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run_tap(program, env, count, timeout):
    """One C test program: counts its TAP lines; a crash or a missing plan is a failure."""
    started = time.monotonic()
    try:
        done = subprocess.run([program], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, cwd=ROOT)
        out, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as e:
        out, code = (e.stdout or b"").decode(errors="replace") + "\ntimed out\n", -1
    ok = bad = skipped = 0
    plan = None
    for line in out.splitlines():
        if m := re.match(r"^1\.\.(\d+)", line):
            plan = int(m.group(1))
        if m := TAP.match(line):
            if (m.group(3) or "").upper() == "SKIP":
                skipped += 1
                print(f"skip {program.name}: {m.group(2)}: {m.group(4) or 'NO REASON'}")
                bad += 0 if m.group(4) else 1
            elif m.group(1):
                bad += 1
            else:
                ok += 1
    if code != 0 and bad == 0 or plan is None or plan != ok + bad + skipped:
        bad += 1
    count.passed += ok
    count.failed += bad
    count.skipped += skipped
    took = time.monotonic() - started
    print(f"{'FAIL' if bad else 'ok'}   {program.name}: {ok} ok, {bad} bad ({took:.1f} s)", flush=True)
    if bad:
        print(out[-8000:])
        print(f"exit {code}, plan {plan}", flush=True)


def run_pytest(env, count, work, keyword):
    xml = work / "pytest.xml"
    shown = "-rA" if os.environ.get("MUSTER_PROVE") else "-ra"
    args = ["/usr/bin/python3", "-m", "pytest", "-q", shown, "--color=no", "-p", "no:cacheprovider",
            f"--junitxml={xml}", f"--basetemp={work / 'pytest'}", "tests/build", "tests/agent", "tests/api"]
    if keyword:
        args += ["-k", keyword]
    code = subprocess.run(args, env=env, cwd=ROOT).returncode
    if not xml.exists():
        count.failed += 1
        return
    for suite in ET.parse(xml).getroot().iter("testsuite"):
        total, failed = int(suite.get("tests", 0)), int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        count.passed += total - failed - skipped
        count.failed += failed
        count.skipped += skipped
        if code not in (0, 5) and failed == 0:
            count.failed += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["unit", "api"])
    parser.add_argument("-k", dest="keyword", default="")
    args = parser.parse_args()
    build = (ROOT / os.environ.get("BUILD", "build")).resolve()
    work = pathlib.Path(tempfile.mkdtemp(prefix="muster-check-", dir="/tmp"))
    work.chmod(0o755)
    env = dict(os.environ, BUILD=str(build), PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8",
               ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "abort_on_error=0:exitcode=99:detect_leaks=1"),
               UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
               LSAN_OPTIONS=f"suppressions={ROOT}/tests/lint/lsan.supp:print_suppressions=0",
               TSAN_OPTIONS=f"halt_on_error=1:suppressions={ROOT}/tests/lint/tsan.supp")
    count = Count()
    pg = work / "pg"
    try:
        started = subprocess.run(["sh", "tests/pg.sh", "start", str(pg)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if started.returncode != 0:
            print("the private PostgreSQL did not start")
            count.failed += 1
        env["MUSTER_TEST_DB"] = started.stdout.strip().splitlines()[-1] if started.stdout.strip() else ""
        keyword = args.keyword
        if args.only != "api":
            for folder in ("unit", "store"):
                for source in sorted((ROOT / "tests" / folder).glob("test_*.c")):
                    if keyword and keyword not in source.stem:
                        continue
                    run_tap(build / "tests" / folder / source.stem, env, count, 600)
            for source in sorted((ROOT / "tests" / "fuzz").glob("fuzz_*.c")):
                if not keyword or keyword in source.stem:
                    run_tap(build / "tests" / "fuzz" / source.stem, env, count, 600)
        if args.only != "unit":
            run_pytest(env, count, work, keyword)
    finally:
        subprocess.run(["sh", "tests/pg.sh", "stop", str(pg)], cwd=ROOT, stdout=subprocess.DEVNULL)
        if count.failed == 0 or "CI" in os.environ:
            shutil.rmtree(work, ignore_errors=True)
        else:
            print(f"logs are left in {work}")
    print(count.line(), flush=True)
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
