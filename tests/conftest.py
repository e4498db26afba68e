"""Whatever process a test starts, a report of a sanitizer in it fails that test.

The daemon's log and exit code would show most reports; those of agents, clients and of processes
that a test kills would be lost.  So sanitizers write to one folder, which is looked at after each
test; UndefinedBehaviorSanitizer, which knows standard error alone, is looked for in the logs."""

import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

REPORTS = pathlib.Path(tempfile.mkdtemp(prefix="muster-sanitizer-", dir="/tmp"))
REPORTS.chmod(0o1777)  # for those that do not run as this user

for _name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"):
    os.environ[_name] = f"{os.environ.get(_name, '')}:log_path={REPORTS}/report".lstrip(":")


# `make prove` runs what these patterns find: scenarios, and all that answer a row of docs/THREATS.md, ...
PROOF = re.compile(r"tests/build/|/test_(scenarios|threats|restore)|::test_[A-Z]\d\d_")
# ... in two lanes side by side (check.py --lanes).  These load the machine (the kill sweep has 32
# daemons at a time), pin its cores or judge times, so they come one after the other.  The calm lane
# has all the rest, which sleeps and counts.  In `make check` they come last, when nothing is beside them.
BUSY = ("test_scenarios_campaign.py", "test_scenarios_database.py", "test_scenarios_flood.py",
        "test_scenarios_herd.py", "test_scenarios_kill.py", "test_scenarios_million.py",
        "test_threats.py", "test_threats_tls.py")


def pytest_configure(config):
    config.addinivalue_line("markers", "proof: make prove runs it")
    config.addinivalue_line("markers", "busy: loads the machine, or judges times")
    gone = set(BUSY) - {path.name for path in pathlib.Path(__file__).parent.rglob("test_*.py")}
    assert not gone, f"BUSY names files that are not there: {sorted(gone)}"


def _turn(item):
    """First the calm, then the busy, and at the end what looks back on all the others."""
    return 2 if item.path.name.startswith("test_zz_") else int(item.path.name in BUSY)


def pytest_collection_modifyitems(items):
    for item in items:
        if PROOF.search(item.nodeid):
            item.add_marker("proof")
        if item.path.name in BUSY:
            item.add_marker("busy")
    items.sort(key=_turn)


HAS_PROC = os.path.exists("/proc/self/fd")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In a bare root without /proc, a test that looks there is skipped, and says so."""
    report = (yield).get_result()
    error = call.excinfo.value if call.excinfo else None
    if not HAS_PROC and report.failed and isinstance(error, FileNotFoundError) and \
            str(error.filename).startswith("/proc"):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1], "Skipped: /proc is not mounted here")


def pytest_unconfigure():
    shutil.rmtree(REPORTS, ignore_errors=True)


def undefined_behaviour(folder):
    """Lines of the logs that tests keep in their folders."""
    for path in (p for p in folder.rglob("*log") if p.is_file()):
        text = path.read_text(errors="replace")
        at = text.find(": runtime error: ")
        if at >= 0:
            yield f"{path}: {text[text.rfind(chr(10), 0, at) + 1:at + 4000]}"


@pytest.fixture(autouse=True)
def no_sanitizer_reports(tmp_path):
    """Made first, so it looks last, when everything that the test started has ended."""
    yield
    files = sorted(REPORTS.iterdir())
    reports = [f.read_text(errors="replace")[:6000] for f in files]
    for file in files:
        file.unlink()
    reports += undefined_behaviour(tmp_path)
    text = "\n".join(reports)[:12000]
    if text:
        print(text)  # another fixture's complaint about the same may be the one that is shown
    assert not text


def _install(place, wanted):
    stamp = place / "installed"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return
    made = subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", place], capture_output=True, text=True)
    done = made.returncode == 0 and subprocess.run(
        [place / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", wanted],
        capture_output=True, text=True, timeout=600)
    if not done or done.returncode != 0:
        pytest.skip(f"nothing can be installed from PyPI: {(done or made).stderr.strip()[-300:]}")
    stamp.write_text(wanted.read_text())


@pytest.fixture(scope="session")
def pypi():
    """A Python environment in the build folder with tests/requirements.txt: code that nobody here wrote."""
    root = pathlib.Path(__file__).resolve().parents[1]
    place, wanted = (root / os.environ.get("BUILD", "build")).resolve() / "pypi", root / "tests/requirements.txt"
    with open(place.parent / "pypi.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a run beside this one may be at it
        _install(place, wanted)
    return place
