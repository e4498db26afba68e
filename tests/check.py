#!/usr/bin/python3
"""Runs every test and counts: C programs that print TAP, then pytest.

    tests/check.py [--only unit|api|beside] [-k EXPRESSION] [--lanes]

Its last line is "N passed, N failed, N skipped".  A skipped test must give a reason.  Each run
has a temporary folder and a PostgreSQL of its own, so several may run at once.

The whole is two runs side by side: the server's tests, and `beside` them, in a log that is printed
when it ends, the C programs and the agent's tests.  Those of the server's that load the machine or
judge times come last (tests/conftest.py), when they have it for themselves.

With --lanes (`make prove`) pytest runs the proofs alone, in two lanes side by side; all seeds come
from one, MUSTER_SEED, which is drawn and printed unless it is given."""

import argparse
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parent.parent
COUNT = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped\n*\Z", re.M)
TAP = re.compile(r"^(not )?ok\b(?:\s+\d+)?(?:\s*-?\s*(.*?))?(?:\s*#\s*(SKIP|TODO)\b\s*(.*))?$", re.I)
BESIDE, SERVER = ["tests/build", "tests/agent"], ["tests/api"]
# Each lane's tests, by the markers that tests/conftest.py gives; none can fall between the two.
LANES = {"busy": "proof and busy", "calm": "proof and not busy"}


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

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
    elif os.environ.get("MUSTER_PROVE"):
        print("".join(f"     {line}\n" for line in out.splitlines() if "_SEED=" in line), end="", flush=True)


def run_programs(env, count, build, pg, keyword):
    try:
        started = subprocess.run(["sh", "tests/pg.sh", "start", str(pg)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if started.returncode != 0:
            print("the private PostgreSQL did not start")
            count.failed += 1
        env = dict(env, MUSTER_TEST_DB=started.stdout.strip().splitlines()[-1] if started.stdout.strip() else "")
        for folder in ("unit", "store", "fuzz"):
            pattern = "fuzz_*.c" if folder == "fuzz" else "test_*.c"
            for source in sorted((ROOT / "tests" / folder).glob(pattern)):
                if not keyword or keyword in source.stem:
                    run_tap(build / "tests" / folder / source.stem, env, count, 600)
    finally:
        subprocess.run(["sh", "tests/pg.sh", "stop", str(pg)], cwd=ROOT, stdout=subprocess.DEVNULL)


def pytest_words(work, suites, keyword, marks=""):
    shown = ["-rA", "--durations=25"] if os.environ.get("MUSTER_PROVE") else ["-ra"]
    words = ["/usr/bin/python3", "-m", "pytest", "-q", *shown, "--color=no", "-p", "no:cacheprovider",
             f"--junitxml={work / 'pytest.xml'}", f"--basetemp={work / 'pytest'}", *suites]
    return words + (["-k", keyword] if keyword else []) + (["-m", marks] if marks else [])


def add_pytest(count, work, code, keyword):
    """To find nothing is a failure, but for who asks for some by name."""
    if not (work / "pytest.xml").exists():
        count.failed += 1
        return
    for suite in ET.parse(work / "pytest.xml").getroot().iter("testsuite"):
        total, failed = int(suite.get("tests", 0)), int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        count.passed += total - failed - skipped
        count.failed += failed
        count.skipped += skipped
        if failed == 0 and code != 0 and not (code == 5 and keyword):
            count.failed += 1


def run_pytest(env, count, work, keyword, suites):
    add_pytest(count, work, subprocess.run(pytest_words(work, suites, keyword), env=env, cwd=ROOT).returncode, keyword)


def run_whole(env, count, work, keyword):
    """The server's tests here, the rest in a run of its own beside them."""
    log = work / "beside.log"
    words = [sys.executable, __file__, "--only", "beside", *(["-k", keyword] if keyword else [])]
    with open(log, "wb") as out:
        beside = subprocess.Popen(words, env=env, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    print(f"the C programs and the agent's tests write {log}", flush=True)
    try:
        run_pytest(env, count, work, keyword, SERVER)
        code = beside.wait()
    finally:
        if beside.poll() is None:
            beside.send_signal(signal.SIGINT)  # it has a PostgreSQL to stop
            beside.wait()
    text = log.read_text(errors="replace")
    print(text)
    line = COUNT.search(text)
    mine = Count(*map(int, line.groups())) if line else Count(failed=1)
    if code != 0 and mine.failed == 0:
        mine.failed += 1
    count.add(mine)


def run_lanes(env, count, work, keyword):
    """Each lane is a pytest with a folder, a log and (its fixture `pg`) a PostgreSQL of its own.
    The log is printed whole when the lane ends."""
    started, running = time.monotonic(), {}
    for lane, marks in LANES.items():
        (work / lane).mkdir()
        with open(work / lane / "log", "wb") as log:
            words = pytest_words(work / lane, BESIDE + SERVER, keyword, marks)
            running[lane] = subprocess.Popen(words, env=env, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        print(f"lane {lane} writes {work / lane / 'log'}", flush=True)
    while running:
        time.sleep(0.5)
        for lane in [lane for lane, process in running.items() if process.poll() is not None]:
            mine = Count()
            add_pytest(mine, work / lane, running.pop(lane).returncode, keyword)
            print((work / lane / "log").read_text(errors="replace"))
            print(f"lane {lane}: {mine.line()}, in {time.monotonic() - started:.0f} s", flush=True)
            count.add(mine)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["unit", "api", "beside"])
    parser.add_argument("-k", dest="keyword", default="")
    parser.add_argument("--lanes", action="store_true")
    args = parser.parse_args()
    build = (ROOT / os.environ.get("BUILD", "build")).resolve()
    work = pathlib.Path(tempfile.mkdtemp(prefix="muster-check-", dir="/tmp"))
    work.chmod(0o755)
    env = dict(os.environ, BUILD=str(build), PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8",
               ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "abort_on_error=0:exitcode=99:detect_leaks=1"),
               UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
               LSAN_OPTIONS=f"suppressions={ROOT}/tests/lint/lsan.supp:print_suppressions=0",
               TSAN_OPTIONS=f"halt_on_error=1:suppressions={ROOT}/tests/lint/tsan.supp")
    if args.lanes:
        seed = env.setdefault("MUSTER_SEED", str(random.SystemRandom().randrange(1, 1 << 32)))
        for name in ("MUSTER_TEST_SEED", "MUSTER_FUZZ_SEED"):
            env.setdefault(name, seed)
        print(f"MUSTER_SEED={seed} repeats this run", flush=True)
    count = Count()
    keyword = args.keyword
    try:
        if args.only in ("unit", "beside") or args.lanes:
            run_programs(env, count, build, work / "pg", keyword)
        if args.lanes:
            run_lanes(env, count, work, keyword)
        elif args.only == "beside":
            run_pytest(env, count, work, keyword, BESIDE)
        elif args.only == "api":
            run_pytest(env, count, work, keyword, BESIDE + SERVER)
        elif not args.only:
            run_whole(env, count, work, keyword)
    finally:
        if count.failed == 0 or "CI" in os.environ:
            shutil.rmtree(work, ignore_errors=True)
        else:
            print(f"logs are left in {work}")
    print(count.line(), flush=True)
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
