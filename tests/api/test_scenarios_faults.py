"""Campaigns while the server or its database is killed, stopped, started again.

A short sample runs in `make check`; with MUSTER_PROVE=1 (`make prove`) the full numbers do."""

import random
import time

import pytest

from fleet import (DOWNLOADING, INSTALLING, OFFERED, PROVE, SUCCEEDED, a_seed, make_world)  # noqa: F401
from harness import wait_until

DEVICES = 50
KILLS = 20 if PROVE else 3
AWAY_S = 20 if PROVE else 8
IN_PHASE = {"offered": (OFFERED,), "downloading": (DOWNLOADING,), "installing": (INSTALLING,)}


# --- kill -9 ----------------------------------------------------------------------------------

def kill_and_start(world):
    world.server.kill()
    world.server.start()


@pytest.mark.parametrize("phase", IN_PHASE)
def test_R01_killed_while_devices_are(make_world, phase):
    """The daemon is killed as devices come into a phase, when all of them are in it, and when
    all of them leave it at once."""
    dice = random.Random(a_seed(phase))
    world = make_world()
    world.add_devices(DEVICES)
    release = world.release(size=65536)
    fleet = world.fleet(DEVICES, "hold-state", phase, "poll", 3 if PROVE else 2,
                        "spread-ms", 3000 if PROVE else 2000, seed=dice.randrange(1 << 32))
    world.wait_registered(DEVICES)
    campaign = world.campaign(release)
    on_the_way = KILLS - 2
    for kill in range(on_the_way):
        fleet.wait_held(1 + kill * (DEVICES - 1) // on_the_way)
        time.sleep(dice.random() * 0.05)
        kill_and_start(world)
    fleet.wait_held(DEVICES)
    assert world.count(campaign, *IN_PHASE[phase]) == DEVICES
    kill_and_start(world)
    assert world.count(campaign, *IN_PHASE[phase]) == DEVICES
    fleet.release()
    time.sleep(dice.random() * 0.3)
    kill_and_start(world)
    assert fleet.finish()["updated"] == DEVICES
    world.wait_state(campaign, "finished")
    world.judge(campaign, {SUCCEEDED: DEVICES}, fleet.ledger)


# --- PostgreSQL away -----------------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_R03_database_stopped_in_mid_campaign(make_world, own_pg, mode):
    """Running downloads go on without the database; nobody gives up; nothing that was
    acknowledged is lost, also when the database is stopped as by a crash."""
    seed = a_seed(mode)
    world = make_world(cluster=own_pg)
    world.add_devices(DEVICES)
    release = world.release(size=262144 if PROVE else 131072)
    # 256 bytes a block and a round trip of about 30 ms: the download outlasts the outage
    fleet = world.fleet(DEVICES, "progress", "block-size", 256, "delay", "14-18ms", seed=seed)
    world.wait_registered(DEVICES)
    campaign = world.campaign(release)
    wait_until(lambda: world.count(campaign, DOWNLOADING) >= DEVICES * 9 // 10, 60, 0.1, "downloads")
    own_pg.down(mode)
    away = time.monotonic()
    before = fleet.blocks
    grew = []
    while time.monotonic() < away + AWAY_S:
        time.sleep(1)
        grew.append(fleet.blocks - before)
        before = fleet.blocks
    assert fleet.alive() and world.server.running()
    own_pg.up()
    print(f"blocks taken in each second without the database: {grew}")
    # all along, not only what was on its way when the database went
    assert all(n >= DEVICES for n in grew[:AWAY_S - 1]), grew
    summary = fleet.finish()
    assert summary["updated"] == DEVICES
    world.wait_state(campaign, "finished")
    world.judge(campaign, {SUCCEEDED: DEVICES}, fleet.ledger)
