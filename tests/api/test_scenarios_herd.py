"""All devices come back at the same moment: cold, and after an outage with the sessions that they
had.  Certificates and keys mixed."""

import contextlib
import os
import time

import pytest

import herd
import machine
from fleet import PROVE, make_world  # noqa: F401
from herd import Herd, Wave, parts, percentile, plant
from machine import pinned

# MUSTER_HERD=100000 is the whole herd: half an hour, and 6 GB for the devices.  It registers
# little by little, because what counts is how it comes back; and what the daemon and the database
# leave of their core is for the devices too.
DEVICES = int(os.environ.get("MUSTER_HERD", 20_000 if PROVE else 200))
WHOLE = DEVICES > 50_000
SPREAD_MS = DEVICES * 5 // 2 if WHOLE else 0
DOWN_S = 5 if PROVE else 1
# Of a core, for the daemon: with a whole one it is faster than all of its devices together, which
# have one as well, and what is measured then is them.
SHARE = float(os.environ.get("MUSTER_HERD_SHARE", 0.25))
# The long form's devices are as patient as our agent is.
TIMERS = (("request-timeout-s", 20, "hello-timeout-s", 180, "retry-max-ms", 60000) if PROVE else
          ("request-timeout-s", 15, "retry-max-ms", 5000))


@pytest.fixture
def herd_world(make_world, own_pg):
    """A world with planted devices, half of them with certificates; with two cores, and in the
    long form, the server side has one and the fleet the other.  Those with keys are a fleet of
    their own: in one they would all come after those with certificates."""
    cores = (0, 1) if PROVE and os.cpu_count() >= 2 else (None, None)
    share = machine.Share(SHARE if PROVE else 1)
    fillers = [machine.Filler(cores[1])] if WHOLE else []
    print(f"\nthe daemon has {SHARE if PROVE and share.given else 'all'} of its core")

    def make(devices, *options, settings=None):
        # Nobody's usual check-in, five minutes later, falls into a long herd.
        world = make_world({"coap.checkin_interval": "1d", **(settings or {})}, cluster=own_pg)
        assert world.server.stop() == 0
        given = {}
        for i, n in enumerate(parts(devices)):
            given[f"device{i or ''}"] = n // 2, plant(world, n // 2, 0, f"device{i or ''}")
            given[f"keyed{i or ''}"] = n - n // 2, plant(world, 0, n - n // 2, f"keyed{i or ''}")[-2:]
        if cores[0] is not None:
            for pid in herd.descendants(herd.postmaster(own_pg)):
                with contextlib.suppress(ProcessLookupError):  # a worker that has ended since
                    os.sched_setaffinity(pid, {cores[0]})
        start(world, cores[0], None if WHOLE else share)
        with pinned(None if WHOLE else cores[1]):
            fleets = [world.fleet(n, *files, "spread-ms", SPREAD_MS, "progress", "until", 604800, "timeout", 0,
                                  "poll", 604800, "from", f"127.0.1.{i}", *TIMERS, *options, prefix=prefix)
                      for i, (prefix, (n, files)) in enumerate(given.items(), 1)]
        for fleet in fleets if WHOLE else ():
            os.setpriority(os.PRIO_PROCESS, fleet.process.pid, 19)
        kinds = ["certificates" if prefix.startswith("device") else "keys" for prefix in given]
        gauge = machine.Gauge(world.folder, cores[0])
        return world, Herd(fleets, kinds), gauge, lambda: start(world, cores[0], share)

    yield make
    for closing in (share, *fillers):
        closing.close()


def start(world, core, share):
    """It becomes ready at full speed: that is not what is measured."""
    with pinned(core):
        world.server.start()
    if share:
        share.hold(world.server.process.pid)


def outage(world, crowd, start_again, cold=False):
    """The daemon dies as in a power cut, everybody's session with it, and comes back."""
    world.server.kill()
    crowd.lose_network()
    time.sleep(DOWN_S)
    if cold:
        (world.server.state_dir / "coap-tickets").unlink()
    start_again()


def judge(wave):
    """Nothing of it depends on how fast the machine is; goodput does, and is printed (what must
    hold of it is shown in simulated time, by test_coap_gate)."""
    took = wave.took
    assert not wave.probe.wrong, wave.probe.wrong
    assert wave.grown("connects") <= 3 + took / 10, "sessions are begun over and over"
    assert wave.grown("records") <= 16 + took / 2, "devices send more than their timers say"
    assert percentile(wave.probe.took, .99) <= (1 if PROVE else 5), "operators wait"
    rss = [mb for _, mb in wave.probe.rss]
    assert rss[-1] <= rss[len(rss) // 2] * 1.25 + 16, "memory grows until the end"
    assert max(rss) <= 64 + wave.herd.devices / 100, "more than 10 kB a device"


def test_R12_B12_herd_comes_back_after_an_outage(herd_world):
    world, crowd, gauge, start_again = herd_world(DEVICES)
    patience = 60 + DEVICES / 50
    waves = [Wave(world, crowd, "first registration", gauge).wait(patience)]
    for name, cold in (("back, with tickets", False), ("back, without tickets", True))[:2 if PROVE else 1]:
        outage(world, crowd, start_again, cold)
        waves.append(Wave(world, crowd, name, gauge).wait(patience))
    for wave in waves[1:] if WHOLE else waves:
        judge(wave)
    crowd.stop()
