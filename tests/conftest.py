"""Whatever process a test starts, a report of a sanitizer in it fails that test.

The daemon's log and exit code would show most reports; those of agents, clients and of processes
that a test kills would be lost.  So every sanitizer writes to one folder, which is looked at
after each test."""

import os
import pathlib
import shutil
import tempfile

import pytest

REPORTS = pathlib.Path(tempfile.mkdtemp(prefix="muster-sanitizer-", dir="/tmp"))
REPORTS.chmod(0o1777)  # for those that do not run as this user

for _name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"):
    os.environ[_name] = f"{os.environ.get(_name, '')}:log_path={REPORTS}/report".lstrip(":")


def pytest_unconfigure():
    shutil.rmtree(REPORTS, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_sanitizer_reports():
    """Made first, so it looks last, when everything that the test started has ended."""
    yield
    reports = sorted(REPORTS.iterdir())
    text = "\n".join(r.read_text(errors="replace")[:6000] for r in reports)
    for report in reports:
        report.unlink()
    assert not reports, text[:12000]
