"""The agent and its launcher on a full disk, from every call on that needs space
(every third in `make check`).

Whatever the instant: the state names a slot, and that slot holds a whole image.  With space again
everything goes on as if nothing had happened."""

import os
import pathlib
import struct
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from test_kill_points import BUILD, LAUNCHER, Device, author, check, old  # noqa: E402, F401

STEP = 1 if os.environ.get("MUSTER_PROVE", "0") not in ("", "0") else 3
DISK_FULL = BUILD / "tests/preload/diskfull.so"


@pytest.fixture
def disk(tmp_path):
    """disk(n, path): the environment in which the disk under path is full from the n-th call on."""
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("/proc is not mounted here, by which the interposer knows a file's path")
    control = tmp_path / "disk-control"

    def make(call, path):
        control.write_bytes(struct.pack("qq", call, 0))
        env = dict(os.environ, LD_PRELOAD=str(DISK_FULL), MUSTER_DISK_PATH=str(path), MUSTER_DISK_CONTROL=str(control))
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return env

    return make


def test_R05_apply_without_space_at_every_call(tmp_path, author, old, disk):  # noqa: F811
    for at in range(1, 500, STEP):
        device = Device(tmp_path / f"d{at}", author, old)
        done = device.apply(author, env=disk(at, device.state))
        device.assert_bootable(author["image"])
        if done.returncode == 0:
            break
        assert done.returncode == 1 and "No space left" in done.stderr, done.stderr
        if device.show()["trial"] == "no":
            again = device.apply(author)
            assert again.returncode == 0, again.stderr
        assert device.assert_bootable(author["image"])["slot"] == "b"
    assert 10 < at < 500, "the sweep covered no calls"


def test_R05_an_image_without_room_takes_none(tmp_path, author, old, disk):  # noqa: F811
    """At one of the first calls the disk has room for half of it."""
    left = set()
    for at in range(1, 6):
        device = Device(tmp_path / f"d{at}", author, old)
        assert device.apply(author, env=disk(at, device.state)).returncode == 1
        slot = device.state / "b.bin"
        left.add(slot.stat().st_size if slot.exists() else 0)
    assert left == {0, author["image"].stat().st_size}, "later there is room, and no more is lacking"


def test_R05_launcher_without_space_at_every_call(tmp_path, author, old, disk):  # noqa: F811
    """A trial that cannot be counted is not begun; with space again it is, and ends as ever."""
    ran = tmp_path / "ran"
    for at in range(1, 500, STEP):
        device = Device(tmp_path / f"d{at}", author, old)
        assert device.apply(author).returncode == 0
        ran.write_text("")
        check(LAUNCHER, "-c", device.config, env=disk(at, device.state))
        device.assert_bootable(author["image"])
        assert ran.read_text().splitlines()[-1] == "old"
        assert ran.read_text().count("new") <= 2, "a trial was started more often than it may"
        if device.show()["trial"] == "no":
            break
        check(LAUNCHER, "-c", device.config)
        state = device.assert_bootable(author["image"])
        assert state["slot"] == "a" and state["trial"] == "no" and state["last"] == "12"
        assert ran.read_text().count("new") <= 4
    assert 5 < at < 500, "the sweep covered no calls"


def test_R05_a_trial_that_cannot_be_counted_is_not_begun(tmp_path, author, old, disk):  # noqa: F811
    """Were it begun all the same, a new image that crashes would be started for ever."""
    ran = tmp_path / "ran"
    device = Device(tmp_path / "d", author, old)
    assert device.apply(author).returncode == 0
    before = device.show()
    assert before["trial"] == "yes" and before["tries"] == "0"
    ran.write_text("")
    try:
        subprocess.run([LAUNCHER, "-c", device.config], env=disk(1, device.state), capture_output=True, timeout=15)
    except subprocess.TimeoutExpired:
        pass
    assert ran.read_text() == "old\n", "only the confirmed image may start"
    assert device.show() == before, "the trial is still to come"
    ran.write_text("")
    check(LAUNCHER, "-c", device.config)
    assert ran.read_text() == "new\nnew\nold\n" and device.show()["trial"] == "no"
