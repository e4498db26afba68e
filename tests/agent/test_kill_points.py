"""The agent and its launcher, killed at every call that changes a file.

Whatever the instant: the state names a slot, and that slot holds a whole image, the old one or the
new one.  Going on afterwards ends as if nothing had happened."""

import hashlib
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
AGENT, LAUNCHER, CLI = BUILD / "muster-agent", BUILD / "muster-launcher", BUILD / "muster"
KILLPOINT = BUILD / "tests/preload/killpoint.so"
CLASS = "acme.example/lock-7"
SIGKILL = -9
CALLS_MAX = 500


def run(*args, env=None, **more):
    return subprocess.run([str(a) for a in args], env=env, capture_output=True, text=True, timeout=60, **more)


def check(*args, **more):
    done = run(*args, **more)
    assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def killing(at, program, folder, tear=False, once=None):
    env = dict(os.environ, LD_PRELOAD=str(KILLPOINT), MUSTER_KILL_AT=str(at), MUSTER_KILL_PROGRAM=program,
               MUSTER_KILL_COUNT=str(folder / "calls"))
    env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    if tear:
        env["MUSTER_KILL_TEAR"] = "1"
    if once:
        env["MUSTER_KILL_ONCE"] = str(once)
    return env


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def script(path, body):
    """An image that can be started: a script, padded so that it takes many blocks."""
    path.write_text("#!/bin/sh\n" + body + "\nexit 0\n" + "# padding\n" * 1000)
    path.chmod(0o755)
    return path


class Device:
    def __init__(self, folder, author, old, trial_s=5, trial_tries=2):
        self.folder, self.old = folder, old
        folder.mkdir()
        self.state = folder / "state"
        self.config = folder / "agent.conf"
        vendor, cls = author["vendor"], author["class"]
        self.config.write_text(
            f"endpoint = d\nserver = coap://127.0.0.1:9\nvendor_id = {vendor}\nclass_id = {cls}\n"
            f"anchor = {author['pub']}\nstate_dir = state\njournal_blocks = 2\n"
            f"trial_s = {trial_s}\ntrial_tries = {trial_tries}\n")
        check(LAUNCHER, "provision", "-c", self.config, "--image", old)

    def show(self):
        out = check(LAUNCHER, "show", "-c", self.config)
        return dict(line.split("=", 1) for line in out.split())

    def slot(self, name):
        return self.state / f"{name}.bin"

    def apply(self, author, env=None):
        return run(AGENT, "apply", "-c", self.config, "--manifest", author["manifest"],
                   "--image", author["image"], env=env)

    def assert_bootable(self, new):
        """A whole image starts next, and the confirmed slot was never touched."""
        state = self.show()
        wanted = digest(new) if state["slot"] == "b" else digest(self.old)
        assert digest(self.slot(state["slot"])) == wanted
        assert os.access(self.slot(state["slot"]), os.X_OK)
        assert digest(self.slot("a")) == digest(self.old)
        return state


@pytest.fixture
def author(tmp_path):
    """A signed manifest for a new image that fails at once when it starts."""
    key = tmp_path / "author.pem"
    image = script(tmp_path / "new", f"echo new >> {tmp_path}/ran; exit 1")
    check(CLI, "key", "new", key, "--no-passphrase")
    check(CLI, "release", "create", image, "--class", CLASS, "--version", "2.0.0", "--key", key,
          "--sequence", "2", "--out", tmp_path / "new.suit", "--no-input")
    shown = json.loads(check(CLI, "manifest", "show", tmp_path / "new.suit", "--json"))
    return {"pub": f"{key}.pub", "manifest": tmp_path / "new.suit", "image": image,
            "vendor": shown["vendor_id"], "class": shown["class_id"]}


@pytest.fixture
def old(tmp_path):
    """An image that says that it ran, and stops its launcher."""
    return script(tmp_path / "old", f"echo old >> {tmp_path}/ran; kill $PPID; exec sleep 20")


@pytest.mark.parametrize("tear", [False, True], ids=["whole", "torn"])
def test_R11_apply_is_killed_at_every_call(tmp_path, author, old, tear):
    for at in range(1, CALLS_MAX):
        device = Device(tmp_path / f"d{at}", author, old)
        done = device.apply(author, env=killing(at, "muster-agent", device.folder, tear=tear))
        if done.returncode == 0:
            break
        assert done.returncode == SIGKILL, done.stderr
        state = device.assert_bootable(author["image"])
        if state["trial"] == "no":  # go on where it was cut
            again = device.apply(author)
            assert again.returncode == 0, again.stderr
        state = device.assert_bootable(author["image"])
        assert state["trial"] == "yes" and state["slot"] == "b"
    assert 20 < at < CALLS_MAX, "the sweep covered no calls"
    assert int((device.folder / "calls").read_text()) == at - 1


def test_R11_launcher_is_killed_at_every_call(tmp_path, author, old):
    """The new image crashes.  The launcher, killed anywhere on its way back, gets back."""
    ran = tmp_path / "ran"
    for at in range(1, CALLS_MAX):
        device = Device(tmp_path / f"d{at}", author, old)
        assert device.apply(author).returncode == 0
        ran.write_text("")
        env = killing(at, "muster-launcher", device.folder)
        done = run(LAUNCHER, "-c", device.config, env=env)
        if done.returncode == 0:
            break
        assert done.returncode == SIGKILL, done.stderr
        device.assert_bootable(author["image"])
        check(LAUNCHER, "-c", device.config)
        state = device.assert_bootable(author["image"])
        assert state["slot"] == "a" and state["trial"] == "no" and state["last"] == "12"
        assert ran.read_text().splitlines()[-1] == "old"
        assert ran.read_text().count("new") <= 2, "a trial was started more often than it may"
    assert 8 < at < CALLS_MAX
    assert ran.read_text().splitlines() == ["new", "new", "old"]


def test_R27_image_that_hangs_is_left_after_its_time(tmp_path, author, old):
    image = script(tmp_path / "hangs", f"echo hangs >> {tmp_path}/ran; trap '' TERM; while :; do sleep 1; done")
    check(CLI, "release", "create", image, "--class", CLASS, "--version", "3.0.0", "--key",
          tmp_path / "author.pem", "--sequence", "3", "--out", tmp_path / "hangs.suit", "--no-input")
    device = Device(tmp_path / "d", author, old, trial_s=1)
    hanging = dict(author, manifest=tmp_path / "hangs.suit", image=image)
    assert device.apply(hanging).returncode == 0
    check(LAUNCHER, "-c", device.config)
    assert (tmp_path / "ran").read_text().split() == ["hangs", "old"]
    assert device.show() == {"slot": "a", "trial": "no", "tries": "0", "sequence": "0", "last": "12"}


def test_A14_image_with_a_byte_too_many_or_too_few_is_refused(tmp_path, author, old):
    device = Device(tmp_path / "d", author, old)
    whole = author["image"].read_bytes()
    for wrong in (whole + b"\n", whole[:-1], whole[:-1] + b"x"):
        bad = tmp_path / "bad"
        bad.write_bytes(wrong)
        assert device.apply(dict(author, image=bad)).returncode == 1
        assert device.show()["trial"] == "no"
    assert device.apply(author).returncode == 0


def test_A01_envelope_is_refused_at_every_flipped_bit(tmp_path, author, old):
    """One bit of every byte (which one, moves along)."""
    device = Device(tmp_path / "d", author, old)
    envelope = author["manifest"].read_bytes()
    bad = tmp_path / "bad.suit"
    for i in range(len(envelope)):
        flipped = bytearray(envelope)
        flipped[i] ^= 1 << (i % 8)
        bad.write_bytes(flipped)
        done = device.apply(dict(author, manifest=bad))
        assert done.returncode == 1, f"byte {i}: {done.stderr}"
    assert device.show()["trial"] == "no"


def test_A02_confirmed_sequence_is_a_floor(tmp_path, author, old):
    device = Device(tmp_path / "d", author, old)
    boot = device.state / "boot"
    boot.write_text(boot.read_text().replace("\nsequence=0\n", "\nsequence=2\n"))
    done = device.apply(author)
    assert done.returncode == 1 and "newer" in done.stderr
    boot.write_text(boot.read_text().replace("\nsequence=2\n", "\nsequence=1\n"))
    assert device.apply(author).returncode == 0


def test_damaged_boot_state_is_not_guessed_at(tmp_path, author, old):
    device = Device(tmp_path / "d", author, old)
    (device.state / "boot").write_text("active=c\n")
    assert device.apply(author).returncode == 1
    assert run(LAUNCHER, "show", "-c", device.config).returncode == 1
