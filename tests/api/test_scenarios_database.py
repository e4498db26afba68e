"""PostgreSQL restarted, frozen, slow, under load: only what needs it is refused, and with a time to
come back; what was acknowledged is there once; the rest of the daemon does not notice.

Short samples run in `make check`; with MUSTER_PROVE=1 (`make prove`) the full numbers do."""

import random
import time

import pytest

from faults import Frozen, Heartbeat, LatencyProxy, Load, memory_kb, quantile
from fleet import PROVE, SUCCEEDED, a_seed, make_world  # noqa: F401
from harness import wait_until

WATCHDOG_S = 6
RESTARTS = 50 if PROVE else 3
FROZEN_S = 60 if PROVE else 5
LATENCIES = [0.1, 0.5, 2.0] if PROVE else [0.5]
SLOW_S = 40 if PROVE else 4
MEMORY_KB = 16384  # the daemon may grow so much, by caches that were empty


@pytest.fixture
def under_load(make_world):
    """Makes a world with a load on it; at the end everything is judged."""
    loads = []

    def make(name, **kw):
        seed = a_seed(name)
        world = make_world(**kw)
        load = Load(world, seed)
        loads.append(load)
        wait_until(lambda: {"register", "report", "create", "check-in", "block"} <= set(load.since(0)), 60,
                   what="all of the load runs")
        return world, load, random.Random(seed)

    yield make
    for load in loads:
        load.close()


def went_on(load, since, seconds):
    """What needs no database was served all along, and quickly."""
    for work in ("check-in", "block"):
        took = [t for at, t in load.late[work] if at >= since]
        assert len(took) >= seconds * 2, f"{work}: {len(took)} in {seconds} s"
        assert max(took) < 5, f"{work} took {max(took):.1f} s"
        print(f"{work} meanwhile: {len(took)}, p99 {quantile(took, .99) * 1000:.0f} ms, max {max(took) * 1000:.0f} ms")


def test_R03_database_restarted_under_load(under_load, own_pg):
    """Stopped in order and as by a crash, again and again, while everybody goes on writing."""
    world, load, dice = under_load("restarts", cluster=own_pg, env={"WATCHDOG_USEC": str(WATCHDOG_S * 1000000)})
    fleet_size = 20
    world.add_devices(fleet_size)
    fleet = world.fleet(fleet_size, "progress", "block-size", 256, "delay", "14-18ms", "timeout", 500,
                        seed=dice.randrange(1 << 32))
    world.wait_registered(fleet_size + 6)
    release = world.release(version="3.0.0", size=(256 << 10) if PROVE else (32 << 10), seed=2)
    campaign = world.campaign(release, target={"devices": [f"device-{i:05d}" for i in range(fleet_size)]},
                              silent_after_s=600)
    heart, began, before = Heartbeat(world.server, WATCHDOG_S), time.monotonic(), memory_kb(world.server)
    recoveries = []
    for i in range(RESTARTS):
        mode = ("fast", "immediate")[i % 2]
        down = time.monotonic()
        own_pg.down(mode)
        time.sleep(dice.random() * 1.5)
        away = time.monotonic() - down
        own_pg.up()
        recoveries.append(load.wait_recovery(time.monotonic()))
        went_on(load, down, away)
        time.sleep(dice.random() * 0.5)
    print(f"{RESTARTS} restarts; to recover: p50 {quantile(recoveries, .5):.2f} s, p99 {quantile(recoveries, .99):.2f} s, "
          f"max {max(recoveries):.2f} s")
    assert max(recoveries) < 20
    summary = fleet.finish(500)
    world.wait_state(campaign, "finished")
    load.stop()
    print(load.summary())
    print(f"watchdog: fed at least every {heart.finish(began):.1f} s; memory {before} to {memory_kb(world.server)} KiB")
    load.judge()
    assert summary["updated"] == fleet_size
    world.judge(campaign, {SUCCEEDED: fleet_size}, fleet.ledger)
    assert sum(n for (_, outcome), n in load.count.items() if outcome == "shed"), "nothing was tested"
    assert memory_kb(world.server) < before + MEMORY_KB


def test_R07_database_frozen_under_load(under_load, own_pg):
    """Every process of PostgreSQL stands still, with statements under way: they are given up, the
    workers are free again when it wakes, and who waits is told to come back."""
    world, load, _ = under_load("frozen", cluster=own_pg, settings={"database.statement_timeout": "2s"},
                                env={"WATCHDOG_USEC": str(WATCHDOG_S * 1000000)})
    heart, began, before = Heartbeat(world.server, WATCHDOG_S), time.monotonic(), memory_kb(world.server)
    with Frozen(own_pg):
        time.sleep(FROZEN_S)
        assert world.server.anonymous().get("/livez", timeout=5).status_code == 200
    thawed = time.monotonic()
    went_on(load, began, FROZEN_S)
    print(f"frozen for {FROZEN_S} s; to recover: {load.wait_recovery(thawed):.2f} s")
    time.sleep(1)
    load.stop()
    print(load.summary())
    print(f"watchdog: fed at least every {heart.finish(began):.1f} s; memory {before} to {memory_kb(world.server)} KiB")
    load.judge()
    assert sum(n for (_, outcome), n in load.count.items() if outcome == "shed"), "nothing was tested"
    assert memory_kb(world.server) < before + MEMORY_KB


def test_R07_database_answers_late(under_load, server, own_pg):
    """Each answer of PostgreSQL is late: less is done, but some is, and nobody else is slow."""
    proxy = LatencyProxy(own_pg)
    try:
        database = own_pg.create_database()
        world, load, _ = under_load("late", cluster=own_pg, database=database,
                                    settings={"database.conninfo": proxy.dsn(database)},
                                    env={"WATCHDOG_USEC": str(WATCHDOG_S * 1000000)})
        heart, began, before = Heartbeat(world.server, WATCHDOG_S), time.monotonic(), memory_kb(world.server)
        for delay in LATENCIES:
            proxy.delay_s = delay
            at = time.monotonic()
            time.sleep(SLOW_S)
            good = load.since(at)
            print(f"answers {delay * 1000:.0f} ms late: in {SLOW_S} s served " +
                  ", ".join(f"{n} {work}" for work, n in good.items()))
            went_on(load, at, SLOW_S)
            if PROVE:
                assert all(good[w] for w in ("register", "report", "create")), "nothing was done"
        proxy.delay_s = 0.0
        quick = time.monotonic()
        print(f"to recover: {load.wait_recovery(quick):.2f} s")
        load.stop()
        print(load.summary())
        print(f"watchdog: fed at least every {heart.finish(began):.1f} s; memory {before} to {memory_kb(world.server)} KiB")
        load.judge()
        assert memory_kb(world.server) < before + MEMORY_KB
    finally:
        world.server.stop()
        proxy.close()
