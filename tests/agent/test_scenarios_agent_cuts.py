"""Updates of every kind, cut at every call that changes a file: deltas, encrypted ones, several
components, configurations, install hooks; of the agent, of the launcher on its way back, and of an
agent that fetches from a server.

Whatever the instant: what starts next is a whole set, all of it old or all of it new, as a program
that runs sees it.  Going on afterwards ends as if nothing had happened.  `make check` takes a sample
of the instants, MUSTER_PROVE=1 takes all of them."""

import os
import random
import signal
import time

import pytest

from agent_kit import (PROVE, Author, Device, Hook, StandIn, Variant, admission, areas, digest, one_component, part, program, start,
                 wait_until)
from test_kill_points import CALLS_MAX, CLI, SIGKILL, killing
from test_agent_variants import together
from test_scenarios_full_disk import disk  # noqa: F401

SAMPLES = 5
SEED = int(os.environ.get("MUSTER_SEED", "0")) or time.time_ns() % 2**32


@pytest.fixture(scope="module")
def author(tmp_path_factory):
    return Author(tmp_path_factory.mktemp("author") / "a")


@pytest.fixture
def old(tmp_path):
    return program(tmp_path / "old", "old", "kill $PPID; exec sleep 20", lines=200)


@pytest.fixture
def bad(tmp_path):
    """A new program that fails at once."""
    return program(tmp_path / "bad", "bad", "exit 1", lines=400)


@pytest.fixture
def hook():
    hook = Hook()
    yield hook
    hook.close()


def instants(count):
    """All calls from the first to one behind the last, or some of them; the last is not cut at all."""
    assert 5 < count < CALLS_MAX, "the sweep covers no calls"
    print(f"{count} calls change a file; seed {SEED}")
    some = range(1, count + 1) if PROVE else sorted(random.Random(SEED).sample(range(1, count + 1), min(SAMPLES, count)))
    return [*some, count + 1]


class Case:
    """A device before its update, and the variant."""

    def __init__(self, author, old, bad, kind, hook):
        self.c1, self.c2 = author.file(b"c1"), author.file(b"c2")
        self.m1, self.m2 = author.file(b"m1"), author.file(b"m2")
        self.author, self.old, self.hook = author, old, hook
        self.touched, self.more = {"slot": (old, bad)}, {}
        if kind == "configuration":
            payload, info = author.encrypted(self.c2)
            self.variant = Variant(author.manifest([part("config", self.c2, "dl/full", payload, info=info)] + areas("full")),
                                   payload)
            self.touched = {"config": (self.c1, self.c2)}
        elif kind == "admission":
            self.variant, self.more = admission(author, bad)
        elif kind == "swap":
            self.variant = Variant(author.manifest([{"id": "main", "install": "swap", "image": {
                "file": str(bad), "via": "dl"}}, {"id": "dl"}]), bad)
        elif kind == "together":
            self.variant = together(author, old, bad, self.c2, self.m2)
            self.touched.update(config=(self.c1, self.c2), modem=(self.m1, self.m2))
        else:
            self.variant = one_component(author, kind, old, bad)
        self.count = 0

    def device(self, folder, **more):
        self.count += 1
        return Device(folder / f"d{self.count}", self.author, self.old, config=self.c1, modem=self.m1, hook=self.hook.path,
                      **self.more, **more)

    def judge(self, device):
        """All of the old or all of the new is what starts, and the old is whole in any case."""
        shown = device.show()
        names = {"slot": "slot", "config": "config", "modem": "modem"}
        new = shown["trial"] == "yes"
        for name in names:
            before = {"slot": self.old, "config": self.c1, "modem": self.m1}[name]
            assert digest(device.path(name, "a")) == digest(before), f"{name} is what it was"
            assert shown[name] == ("b" if new and name in self.touched else "a"), shown
            if new and name in self.touched:
                assert digest(device.path(name, "b")) == digest(self.touched[name][1]), f"{name} is whole"
        return new


def count_calls(device, run, program_name):
    done = run(killing(0, program_name, device.folder))
    return int((device.folder / "calls").read_text()), done


@pytest.mark.parametrize("tear", [False, True], ids=["whole", "torn"])
@pytest.mark.parametrize("kind", ["patch-heatshrink", "patch-lzma,gcm", "full,ctr", "zstd", "together", "configuration",
                                  "admission", "swap"])
def test_R11_every_kind_of_update_is_killed_at_every_call(tmp_path, author, old, bad, hook, kind, tear):
    case = Case(author, old, bad, kind, hook)
    first = case.device(tmp_path)
    calls, done = count_calls(first, lambda env: first.apply(case.variant, env=env), "muster-agent")
    assert done.returncode == 0 and case.judge(first), done.stderr
    for at in instants(calls):
        device = case.device(tmp_path)
        done = device.apply(case.variant, env=killing(at, "muster-agent", device.folder, tear=tear))
        assert done.returncode == (SIGKILL if at <= calls else 0), done.stderr
        if not case.judge(device):
            again = device.apply(case.variant)
            assert again.returncode == 0, again.stderr
        assert case.judge(device)


def sets(case):
    """What a program may see: its own name, the configuration and the modem."""
    name = "bad" if "slot" in case.touched else "old"
    return {"old c1 m1", f"{name} {'c2' if 'config' in case.touched else 'c1'} {'m2' if 'modem' in case.touched else 'm1'}"}


@pytest.mark.parametrize("kind,tries", [("together", 1), ("together", 2), ("configuration", 2)])
def test_R11_launcher_with_hooks_is_killed_at_every_call(tmp_path, author, old, bad, hook, kind, tries):
    """On the way into the trial and back out of it; whatever ran saw a whole set.  With one try, a launcher
    that was killed on its way in goes straight back."""
    if kind == "configuration":  # the old program, which does not like it
        old = program(tmp_path / "old", "old", 'test "$(cat $MUSTER_FILE_config)" = c1 || exit 1; kill $PPID; exec sleep 20',
                      lines=200)
    case = Case(author, old, bad, kind, hook)

    def ready():
        (hook.folder / "modem").unlink(missing_ok=True)
        device = case.device(tmp_path, trial_tries=tries)
        device.launch()  # the modem has what it should, and that is written down
        assert device.apply(case.variant).returncode == 0
        return device

    first = ready()
    calls, _ = count_calls(first, lambda env: first.launch(env=env), "muster-launcher")
    for at in instants(calls):
        device = ready()
        done = device.launch(env=killing(at, "muster-launcher", device.folder))
        assert done.returncode == (SIGKILL if at <= calls else 0), done.stderr
        case.judge(device)
        if at <= calls:
            device.launch()
        assert not case.judge(device), "it has gone back"
        assert hook.modem() == "m1" and device.show()["last"] == "12"
        ran = device.ran()
        assert set(ran) <= sets(case), ran
        assert ran[-1] == "old c1 m1" and len(ran) <= 5


@pytest.mark.parametrize("body", ["cat > $d/new; mv $d/new $d/modem", "cat > $d/new; sleep 0.2; mv $d/new $d/modem; sleep 0.2"],
                         ids=["quick", "slow"])
def test_R11_a_hook_that_is_cut_is_done_again(tmp_path, author, old, bad, hook, body):
    """The power goes while the hook is at work, and while it writes down that it was."""
    hook.write(f'd="$(dirname "$0")"\n{body}')
    case = Case(author, old, bad, "together", hook)
    dice = random.Random(SEED)
    for _ in range(20 if PROVE else 3):
        (hook.folder / "modem").unlink(missing_ok=True)
        device = case.device(tmp_path)
        assert device.apply(case.variant).returncode == 0
        process = start(device)
        time.sleep(dice.random() * 0.6)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.05)
        device.launch()
        assert set(device.ran()) <= sets(case) and device.ran()[-1] == "old c1 m1", device.ran()
        assert hook.modem() == "m1"


# --- without space ---------------------------------------------------------------------------

def test_R05_several_components_without_space_at_every_call(tmp_path, author, old, bad, hook, disk):  # noqa: F811
    case = Case(author, old, bad, "together", hook)
    for at in range(1, CALLS_MAX, 1 if PROVE else 5):
        device = case.device(tmp_path)
        done = device.apply(case.variant, env=disk(at, device.state))
        new = case.judge(device)
        if done.returncode == 0:
            break
        assert done.returncode == 1 and "No space left" in done.stderr, done.stderr
        if not new:
            again = device.apply(case.variant)
            assert again.returncode == 0, again.stderr
        assert case.judge(device)
    assert 10 < at < CALLS_MAX, "the sweep covered no calls"


def test_R05_launcher_with_hooks_without_space_at_every_call(tmp_path, author, old, bad, hook, disk):  # noqa: F811
    """The disk is full from that call on, then there is space again: whatever ran saw a whole set."""
    case = Case(author, old, bad, "together", hook)
    for at in range(1, CALLS_MAX, 1 if PROVE else 4):
        (hook.folder / "modem").unlink(missing_ok=True)
        device = case.device(tmp_path)
        device.launch()
        assert device.apply(case.variant).returncode == 0
        device.launch(env=disk(at, device.state))
        case.judge(device)
        ended = device.show()["trial"] == "no"
        device.launch()
        assert set(device.ran()) <= sets(case) and device.ran()[-1] == "old c1 m1", device.ran()
        assert not case.judge(device) and hook.modem() == "m1"
        if ended:
            break
    assert 5 < at < CALLS_MAX, "the sweep covered no calls"


# --- with a server -----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    """The agent itself as firmware, twice: the second has some bytes behind it."""
    folder = tmp_path_factory.mktemp("agents")
    old, new = folder / "old", folder / "new"
    content = (CLI.parent / "muster-agent").read_bytes()
    old.write_bytes(content)
    new.write_bytes(content + b"a newer one" * 4000)
    for path in (old, new):
        path.chmod(0o755)
    return old, new


def run_to_the_end(device, server, env, killed=None):
    """Under its launcher until the trial is confirmed and, where one is to be, a process was killed: the last
    call that is counted comes after the word is on disk, so whoever looks may see the word before the call."""
    process = start(device, env)
    try:
        wait_until(lambda: server.over and device.show()["sequence"] == "2" and (not killed or killed.exists()), 60)
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("which", ["a.bin", "b.bin"])
def test_R11_agent_that_fetches_two_components_is_killed_at_every_call(tmp_path, author, agents, hook, which):
    """The launcher starts it again; it goes on from its journal, and ends with both new, confirmed.
    a.bin writes down that it has waited, fetches and installs, b.bin confirms."""
    old, new = agents
    c1, c2, m1, m2 = (author.file(x) for x in (b"c1", b"c2" * 4000, b"m1", b"m2"))
    patch, small = author.delta(old, new, "heatshrink"), author.compressed(m2, "lzma")
    payload, info = author.encrypted(patch)
    variant = Variant(author.manifest([part("main", new, "dl/patch-heatshrink", payload, old, info), part("config", c2),
                                       part("modem", m2, "dl/lzma", small)] + areas("patch-heatshrink", "lzma"),
                                      guards={"wait": {"time": 1}}),
                      payload, c2, small)

    def once(name, at):
        server = StandIn(variant)
        (hook.folder / "modem").unlink(missing_ok=True)
        device = Device(tmp_path / name, author, old, config=c1, modem=m1, hook=hook.path, server=server.url)
        killed = device.folder / "killed" if at else None
        try:
            run_to_the_end(device, server, killing(at, which, device.folder, once=killed), killed)
        finally:
            server.close()
        shown = device.show()
        assert (shown["slot"], shown["config"], shown["modem"], shown["trial"]) == ("b", "b", "b", "no"), shown
        assert digest(device.path("slot", "b")) == digest(new) and hook.modem() == "m2"
        assert digest(device.path("config", "b")) == digest(c2)
        for said in server.registered:
            told = [said[4][n][0].hex() for n in ("main", "config", "modem")]
            assert told in ([digest(f) for f in (old, c1, m1)], [digest(f) for f in (new, c2, m2)])
        assert len(server.blocks) <= len(set(server.blocks)) + 2 * 2 + 3, "what was safe was fetched again"
        return device

    first = once("counted", 0)
    calls = int((first.folder / "calls").read_text())
    assert calls > (20 if which == "a.bin" else 3)
    for at in (range(1, calls + 1) if PROVE else sorted(random.Random(SEED).sample(range(1, calls + 1), 3))):
        device = once(f"at-{at}", at)
        assert (device.folder / "killed").exists()
