"""Downloads that are cut, and agents that are killed while they download."""

import random
import time

import pytest

from fleet import (PROVE, SUCCEEDED, a_seed, make_world, world)  # noqa: F401
from harness import BUILD, wait_until

DEVICES = 25 if PROVE else 10  # the first cut of each is a block before that of the one before
EVERY = 25
CRASHES = 3  # of the agent; the launcher waits longer after each, so then the power goes


@pytest.mark.parametrize("restarts", [0, 3], ids=["same-daemon", "restarted-daemon"])
def test_R08_download_cut_at_every_25th_block(world, restarts):
    """Each cut costs one block at most, whether the daemon is the same one afterwards or not."""
    dice = random.Random(a_seed("cuts"))
    world.add_devices(DEVICES)
    release = world.release(size=307200)
    block, blocks = 512, 600
    fleet = world.fleet(DEVICES, "cut-every", EVERY, "block-size", block, "progress", "delay", "2-3ms",
                        seed=dice.randrange(1 << 32))
    world.wait_registered(DEVICES)
    campaign = world.campaign(release)
    for kill in range(restarts):
        wait_until(lambda at=(kill + 1) * blocks * DEVICES // (restarts + 1): fleet.blocks >= at, 90, 0.05, "blocks")
        served = world.metric("image")
        world.server.kill()
        world.server.start()
        print(f"restarted after {served} blocks")
    summary = fleet.finish()
    served = world.metric("image")
    world.wait_state(campaign, "finished")
    world.judge(campaign, {SUCCEEDED: DEVICES}, fleet.ledger)
    for device in summary["each"]:
        assert device["state"] == "updated"
        assert device["blocks"] == blocks, "a block was written twice"
        assert device["cuts"] >= blocks // EVERY - 1
        lost_sessions = device["cuts"] if not restarts else device["connects"]
        assert device["blocks_again"] <= lost_sessions
        assert device["blocks_again"] <= device["cuts"] + 2 * restarts, device
    again = sum(d["blocks_again"] for d in summary["each"])
    per_cut = again / summary["cuts"] / blocks
    print(f"{summary['cuts']} cuts of {DEVICES} downloads: {again} blocks again, {per_cut:.3%} of an image for each cut")
    assert per_cut <= 0.002
    if not restarts:  # the server's own count agrees
        assert served <= DEVICES * blocks + summary["cuts"]


def begun(agent):
    """The lines of an agent that begins or resumes a download."""
    return [line for line in agent.log().splitlines() if "bytes are here already" in line]


@pytest.mark.parametrize("who", ["agent", "both"])
def test_R08_agent_killed_while_it_downloads(world, who):
    """A killed agent fetches again what came since its last journal entry and no more; the same
    when the daemon is killed with it."""
    dice = random.Random(a_seed("kills"))
    kills = 20 if PROVE else 4
    block, interval = 16 if PROVE else 32, 8192  # small blocks leave time for many kills
    world.add_device("unit")
    firmware = BUILD / "muster-agent"
    agent = world.agent("unit", firmware, block_size=block, journal_blocks=interval // 1024)
    world.wait_registered(1)
    # a real image: the agent itself with a tail, which runs as well
    image = firmware.read_bytes() + dice.randbytes(1024)
    release = world.release(image=image)
    blocks = -(-len(image) // block)
    campaign = world.campaign(release)
    served = 0
    for kill in range(kills):
        # in the first half: on a busy machine the download is well ahead of what we see
        at = blocks * (kill + 1) // (2 * kills + 2)
        wait_until(lambda: len(begun(agent)) > kill and world.metric("image") + served >= at, 60, 0.005, "blocks")
        time.sleep(dice.random() * 0.05)
        if kill < CRASHES:
            assert agent.kill()
        else:
            agent.power_cut()
        if who == "both":
            served += world.metric("image")
            world.server.kill()
            world.server.start()
    world.wait_state(campaign, "finished", 90)
    served += world.metric("image")
    world.judge(campaign, {SUCCEEDED: 1})
    assert world.device("unit")["components"][0]["digest"] == release.digest
    again = served - blocks
    print(f"{kills} kills: {again} of {blocks} blocks again, {again * block / kills:.0f} bytes a kill")
    starts = begun(agent)
    assert len(starts) > kills, "a kill missed the download"
    resumed = [int(line.split(" of ")[0].rsplit(" ", 1)[1]) for line in starts]
    assert resumed == sorted(resumed) and resumed[-1] > 0, resumed
    assert 0 <= again <= kills * (interval // block + 1)
