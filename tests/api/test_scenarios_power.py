"""Real agents that lose power at every call that changes a file, while a server watches.

tests/agent/test_kill_points.py sweeps every point without a server; here the server must learn
how each of them ended."""

import os
import random

from fleet import (AGENT, LAUNCHER, PROVE, ROLLED_BACK, SUCCEEDED, a_seed, make_world, run, world)  # noqa: F401
from harness import BUILD, wait_until

KILLPOINT = BUILD / "tests/preload/killpoint.so"
ALL_AT_ONCE = 25
ONCE = "killed"


def killing(folder, program, at, once=True):
    """An environment in which a program dies before its call number `at`; 0: it only counts."""
    env = {"LD_PRELOAD": str(KILLPOINT), "MUSTER_KILL_PROGRAM": program, "MUSTER_KILL_AT": str(at),
           "MUSTER_KILL_COUNT": str(folder / f"calls-{program}"),
           "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    if once:
        env["MUSTER_KILL_ONCE"] = str(folder / ONCE)
    return env


class Device:
    """An agent with a power cut ahead of it.  A launcher that dies is a machine that is switched
    on again."""

    def __init__(self, world, name, firmware, program, at, once=True):
        self.program, self.at = program, at
        world.add_device(name)
        self.agent = world.agent(name, firmware, launch=False, journal_blocks=32)
        self.old = self.agent.slot_digest("a")
        self.env = killing(self.agent.folder, program, at, once)
        self.agent.launch(self.env)

    def __str__(self):
        return f"{self.agent.name}, {self.program} killed at call {self.at}"

    def look(self, new):
        """A whole image starts next, at any instant; power comes back where it went."""
        if self.agent.process.poll() is not None:
            assert self.program == "muster-launcher", f"{self}: its launcher ended\n{self.agent.log()}"
            self.agent.launch(self.env)
        slot = self.agent.boot()["slot"]
        if slot == "b":
            assert self.agent.slot_digest("b") == new, f"{self}: a broken image would start"
        assert self.agent.slot_digest("a") == self.old, f"{self}: the confirmed image was touched"

    def was_killed(self):
        return (self.agent.folder / ONCE).exists()

    def calls(self):
        path = self.agent.folder / f"calls-{self.program}"
        return int(path.read_text()) if path.exists() else None


def bring(world, release, devices, **gate):
    """A campaign to these devices, watched to its end."""
    names = [d.agent.name for d in devices]
    wait_until(lambda: all(world.device(n)["lifecycle"] == "active" for n in names), 90, 0.3, "registrations")
    campaign = world.campaign(release, {"devices": names}, silent_after_s=60, stages=[
        {"percent": 100, "failure_percent": 100, "success_percent": 0, **gate}])

    def ended():
        for d in devices:
            d.look(release.digest)
        return world.status(campaign)["state"] == "finished"
    wait_until(ended, 150, 0.3, "the campaign's end")
    return campaign


def count_calls(world, firmware, release):
    """How many calls each program makes from its start to a confirmed update."""
    programs = ("a.bin", "b.bin", "muster-launcher")
    devices = [Device(world, f"count-{i}", firmware, program, 0) for i, program in enumerate(programs)]
    campaign = bring(world, release, devices)
    world.judge(campaign, {SUCCEEDED: len(devices)})
    for d in devices:
        d.agent.stop()
    return {d.program: d.calls() for d in devices}


def choose(counts, dice):
    """The points to die at: all of them, or a sample that favours the ends, where files change hands."""
    points = [(program, at) for program, n in counts.items() for at in range(1, n + 1)]
    if PROVE:
        return points
    last = counts["a.bin"]
    keen = [p for p in points if p[0] != "a.bin" or p[1] <= 6 or p[1] > last - 14]
    return dice.sample(keen, min(17, len(keen))) + dice.sample([p for p in points if p not in keen], 6)


def test_R11_agents_lose_power_at_any_call_and_the_server_learns_how_it_ended(world):
    dice = random.Random(a_seed("power"))
    firmware = world.folder / "firmware"
    run("strip", "-o", firmware, AGENT)
    release = world.release(image=firmware.read_bytes() + dice.randbytes(512))
    counts = count_calls(world, firmware, release)
    assert counts["a.bin"] > len(release.image) // 1024 and counts["b.bin"] >= 4 and counts["muster-launcher"] >= 4
    points = choose(counts, dice)
    print(f"calls {counts}, {len(points)} of them tried")
    for begin in range(0, len(points), ALL_AT_ONCE):
        batch = points[begin:begin + ALL_AT_ONCE]
        devices = [Device(world, f"unit-{begin + i}", firmware, *point) for i, point in enumerate(batch)]
        campaign = bring(world, release, devices)
        judge(world, campaign, release, devices)
        for d in devices:
            d.agent.stop()


def judge(world, campaign, release, devices):
    states = {j["endpoint"]: j["state"] for j in world.jobs(campaign)}
    for d in devices:
        assert d.was_killed(), f"{d}: it never came there"
        slot = d.agent.boot()["slot"]
        runs = d.agent.slot_digest(slot)
        assert world.device(d.agent.name)["components"][0]["digest"] == runs, f"{d}: the server thinks otherwise"
        assert states[d.agent.name] == ("succeeded" if runs == release.digest else "rolled_back"), f"{d}"
    succeeded = sum(s == "succeeded" for s in states.values())
    expected = {SUCCEEDED: succeeded, ROLLED_BACK: len(devices) - succeeded}
    world.judge(campaign, {state: n for state, n in expected.items() if n})
    # one cut is not a reason to give up
    assert succeeded == len(devices), {n: s for n, s in states.items() if s != "succeeded"}


def test_R11_new_image_that_loses_power_at_every_start_is_rolled_back(world):
    """It dies at its first call, at each of its two trials: the old one runs, and the server knows."""
    firmware = world.folder / "firmware"
    run("strip", "-o", firmware, AGENT)
    release = world.release(image=firmware.read_bytes() + b"tail")
    device = Device(world, "unit", firmware, "b.bin", 1, once=False)
    # It proves the new image, and dies before it can note that: the campaign must soak until it has fallen back.
    campaign = bring(world, release, [device], soak_s=20)
    world.judge(campaign, {ROLLED_BACK: 1})
    assert device.agent.boot()["slot"] == "a"
    assert world.device("unit")["components"][0]["digest"] == device.old
    job, = world.jobs(campaign)
    assert (job["state"], job["cause"]) == ("rolled_back", "boot")
    assert run(LAUNCHER, "show", "-c", device.agent.config).stdout.splitlines()[-1] == "last=0"  # told, and taken
