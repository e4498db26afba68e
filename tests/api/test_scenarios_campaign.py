"""Campaigns under bad luck: lossy networks, devices that lie or fall silent, a wrong device."""

import time
import uuid

import cbor2
import pytest

from coap_peer import FORMAT, SUIT_REPORT, DtlsPeer, number
from fleet import (FAILED, PROVE, ROLLED_BACK, SILENT, SUCCEEDED, a_seed, make_world, must, psk_of,  # noqa: F401
                   world)
from harness import wait_until


# --- loss -------------------------------------------------------------------------------------

@pytest.mark.parametrize("loss", [10, 20, 30] if PROVE else [20])
def test_R09_loss_duplicates_and_reordering(world, loss):
    """So many of a hundred datagrams lost each way, some doubled, some overtaken: all complete, each
    block is written once, and asked for again no more often than five lost tries explain."""
    seed = a_seed("loss")
    devices, size = (200, 16384) if PROVE else (50, 10240)
    world.add_devices(devices)
    release = world.release(size=size, seed=seed)
    fleet = world.fleet(devices, "loss", f"{loss}%", "dup", "5%", "reorder", "5%", "delay", "1-10ms",
                        "request-timeout-s", 60 if PROVE else 15, "timeout", 900, seed=seed)
    world.wait_registered(devices, 300)
    began = time.monotonic()
    campaign = world.campaign(release, silent_after_s=600)
    summary = fleet.finish(900)
    assert summary["updated"] == devices
    world.wait_state(campaign, "finished")
    world.judge(campaign, {SUCCEEDED: devices}, fleet.ledger)
    blocks, again = summary["blocks"], summary["blocks_again"]
    tries = 5 if PROVE else 3  # of one message, before its session is given up
    lost = (1 - (1 - loss / 100) ** 2) ** tries
    print(f"{loss} % lost each way: {devices} of {devices} in {time.monotonic() - began:.0f} s; {blocks} blocks, "
          f"{again} asked for again ({again / blocks:.2%}; all tries lost: {lost / (1 - lost):.2%})")
    assert blocks == devices * size // 1024, "a block was written twice"
    assert again <= blocks * (lost / (1 - lost) + 0.002) + 4 * (blocks * lost) ** 0.5 + 3


# --- devices that lie, fall silent, roll back, fail ----------------------------------------------

BAD = {"lie": (ROLLED_BACK, "rolled back"), "silent": (SILENT, "fell silent"),
       "rollback": (ROLLED_BACK, "rolled back"), "fail": (FAILED, "failed")}


@pytest.mark.parametrize("shape", BAD)
def test_R27_bad_release_stops_at_its_first_device(world, shape):
    """Six devices would all end badly; the first stage is one device, and the gate closes there."""
    state, word = BAD[shape]
    world.add_devices(6)
    release = world.release(size=8192)
    fleet = world.fleet(6, "shape", f"{shape}=6")
    world.wait_registered(6)
    campaign = world.campaign(release, stages=[{"count": 1}, {"percent": 100}], silent_after_s=3)
    paused = world.wait_state(campaign, "paused")
    assert paused["pause_reason"].startswith(f"stage 1 tripped: 1 of 1 {word}")
    assert [s["state"] for s in paused["stages"]] == ["tripped", "waiting"]
    summary = fleet.stop()
    touched = [d["name"] for d in summary["each"] if d["state"] != "waiting"]
    assert len(touched) == paused["bound"]["devices"] == 1
    world.judge(campaign, {state: 1}, fleet.ledger)
    assert {j["endpoint"]: j["state"] for j in world.jobs(campaign) if j["state"] != "queued"} == {
        touched[0]: paused_word(state)}


def paused_word(state):
    return {ROLLED_BACK: "rolled_back", SILENT: "silent", FAILED: "failed"}[state]


def test_R27_one_liar_among_many_pauses_the_campaign(world):
    """One of ten lies, the gate allows 5 %: nine succeed, one is rolled back, and it is paused."""
    world.add_devices(10)
    release = world.release(size=8192)
    fleet = world.fleet(10, "shape", "lie=1")
    world.wait_registered(10)
    campaign = world.campaign(release, stages=[
        {"percent": 100, "failure_percent": 5, "success_percent": 50, "min_sample": 10}])
    paused = world.wait_state(campaign, "paused")
    assert paused["pause_reason"] == "stage 1 tripped: 1 of 10 rolled back, limit 5 %"
    summary = fleet.finish()
    assert (summary["updated"], summary["lied"]) == (9, 1)
    world.judge(campaign, {SUCCEEDED: 9, ROLLED_BACK: 1}, fleet.ledger)


def registration(world, name, boot, digest, version):
    ids = [uuid.UUID(i).bytes for i in (world.vendor_id, world.class_id)]
    return cbor2.dumps({1: name, 2: ids[0], 3: ids[1], 4: {"main": [digest, version]}, 5: boot})


@pytest.mark.parametrize("form", ["progress", "suit-report"])
def test_R27_success_is_not_what_a_device_reports(world, form):
    """A device reports everything it can, then boots the old image: rolled back, not a success."""
    name, old = "liar", b"\x11" * 32
    world.add_device(name)
    release = world.release(size=8192)
    with DtlsPeer(world.server.coap_port, psk=(name, psk_of(name))) as peer:
        assert peer.post("/register", registration(world, name, b"boot-one", old, "1.0.0")).answer == "2.04"
        campaign = world.campaign(release, silent_after_s=20)
        offer = wait_until(lambda: (lambda o: o if o[1] == 1 else None)(cbor2.loads(peer.get("/update").payload)),
                           20, 0.2, "an offer")
        job, attempt, manifest = offer[3], offer[4], offer[5]
        where = f"/report/{job}/{attempt}"
        for state in (2, 3, 4, 5):
            answer = peer.post(where, cbor2.dumps({1: state, 2: 16384, 3: 16384}))
            assert (answer.answer, cbor2.loads(answer.payload).get(1)) == ("2.04", None)
        if form == "suit-report":
            body = cbor2.dumps({99: ["", [-16, manifest]], 3: [], 4: True})
            assert peer.post(where, body, options=[(FORMAT, number(SUIT_REPORT))]).answer == "2.04"
        # the new digest without a new boot proves nothing either
        new = bytes.fromhex(release.digest)
        assert peer.post("/register", registration(world, name, b"boot-one", new, "2.0.0")).answer == "2.04"
        assert [j["state"] for j in world.jobs(campaign)] == ["rebooting"]
        assert peer.post("/register", registration(world, name, b"boot-two", old, "1.0.0")).answer == "2.04"
    paused = world.wait_state(campaign, "paused")
    assert "1 of 1 rolled back" in paused["pause_reason"]
    world.judge(campaign, {ROLLED_BACK: 1})


# --- the wrong device -------------------------------------------------------------------------------

def test_A11_campaign_with_a_device_of_another_class_is_refused(world):
    """One of twenty is of another class: refused, and named; nothing was made."""
    world.add_devices(19)
    other = world.add_class("window")
    world.add_devices(1, prefix="wrong")
    fleets = [world.fleet(19), world.fleet(1, prefix="wrong", class_ids=other)]
    world.wait_registered(20)
    release = world.release(size=4096)
    before = must(world.admin.get("/v1/campaigns"), 200)["items"]
    targets = [{"all": True}, {"devices": ["device-00003", "wrong-00000"]}]
    for target in targets:
        for validate_only in (True, False):
            answer = world.admin.post("/v1/campaigns", {"name": "wrong", "release_id": release.id, "target": target,
                                                        "validate_only": validate_only})
            problem = must(answer, 409)
            assert problem["type"] == "urn:muster:error:wrong-class"
            assert "wrong-00000" in problem["detail"] and "device-" not in problem["detail"]
    assert must(world.admin.get("/v1/campaigns"), 200)["items"] == before
    right = world.campaign(release, {"devices": [f"device-{i:05d}" for i in range(19)]})
    assert fleets[0].finish()["updated"] == 19
    world.wait_state(right, "finished")
    world.judge(right, {SUCCEEDED: 19}, fleets[0].ledger)
    assert fleets[1].stop()["waiting"] == 1


def test_A11_device_that_changes_its_class_before_the_offer_gets_none(world):
    """It was right when the campaign was made and is of another class when it is asked."""
    name = "device-00000"
    world.add_device(name)
    other = world.add_class("window")
    release = world.release(size=4096)
    first = world.fleet(1)
    world.wait_registered(1)
    first.stop()
    campaign = world.campaign(release, silent_after_s=20)
    world.wait_state(campaign, "running")
    second = world.fleet(1, class_ids=other)
    ended = world.wait_state(campaign, "finished")
    assert ended["counts"]["cancelled"] == 1
    assert second.stop()["waiting"] == 1
    assert [(j["state"], j["cause"]) for j in world.jobs(campaign)] == [("cancelled", "class")]


# --- the judge ------------------------------------------------------------------------------------------

def test_judge_of_the_scenarios_notices_what_is_wrong(world):
    """World.judge is what the other scenarios rest on: it must see a loss, a double, a wrong count."""
    world.add_devices(2)
    release = world.release(size=4096)
    fleet = world.fleet(2)
    world.wait_registered(2)
    campaign = world.campaign(release)
    fleet.finish()
    world.wait_state(campaign, "finished")
    right = fleet.ledger.read_text()
    world.judge(campaign, {SUCCEEDED: 2}, fleet.ledger)
    job = next(line.split()[3] for line in right.splitlines() if " reported " in line)
    for line in (f"9 device-00000 registered {'ab' * 8} {'cd' * 32}", f"9 device-00000 reported {job} 1 11",
                 f"9 device-00001 reported {int(job) + 99} 1 2"):
        fleet.ledger.write_text(right + line + "\n")
        with pytest.raises(AssertionError, match="acknowledged"):
            world.judge(campaign, {SUCCEEDED: 2}, fleet.ledger)
    with pytest.raises(AssertionError, match="jobs by state"):
        world.judge(campaign, {SUCCEEDED: 1})
    for change, complaint in (
            (f"UPDATE tally SET n = n + 1 WHERE campaign_id = '{campaign}' AND state = {SUCCEEDED}", "tallies"),
            ("INSERT INTO event (tenant_id, device_id, at, kind, campaign_id, job_id, detail)"
             " SELECT tenant_id, device_id, at + 1, kind, campaign_id, job_id, detail FROM event"
             f" WHERE campaign_id = '{campaign}' AND detail::jsonb->>'state' = 'succeeded'", "counted twice")):
        world.sql(change)
        with pytest.raises(AssertionError, match=complaint):
            world.judge(campaign, {SUCCEEDED: 2})
        if complaint == "tallies":
            world.sql(change.replace("n + 1", "n - 1"))
