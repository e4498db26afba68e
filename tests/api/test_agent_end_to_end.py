"""The real agent, with further components, keys and a report key, and the real server."""

import hashlib
import random
import time

import cbor2
import suit_encrypt
from faults import WrongClock
from fleet import AGENT, SUCCEEDED, a_seed, make_world, must, run, world  # noqa: F401
from harness import wait_until
from test_mixed_fleet import Files, job_of, publish

REJECTED, CANCELLED = 14, 16
SILENT_S = 5
HOUR = 1 / 8760  # of a year


def test_a_device_of_several_components_is_updated_and_one_that_wants_encryption_says_no(world):
    firmware = world.folder / "firmware"
    run("strip", "-o", firmware, AGENT)
    release = world.release(image=firmware.read_bytes() + b"newer")
    (world.folder / "class.key").write_bytes(bytes(16))
    (world.folder / "report.pem").write_bytes(suit_encrypt.private_pem(suit_encrypt.device_key()))
    keys = {"component.config": "file", "class_key_file": world.folder / "class.key",
            "report_key_file": world.folder / "report.pem"}
    for name in ("takes-all", "takes-secrets"):
        world.add_device(name)
    takes_all = world.agent("takes-all", firmware, **keys)
    takes_secrets = world.agent("takes-secrets", firmware, **keys, only_encrypted="yes")
    world.wait_registered(2)
    components = {c["name"]: c for c in world.device("takes-all")["components"]}
    assert set(components) == {"main", "config"} and components["config"].get("digest") is None
    campaign = world.campaign(release, stages=[{"percent": 100, "failure_percent": 100, "success_percent": 0}])
    world.wait_state(campaign, "finished", 90)
    world.judge(campaign, {SUCCEEDED: 1, REJECTED: 1})
    assert takes_all.slot_digest("b") == release.digest and takes_all.boot()["trial"] == "no"
    assert takes_secrets.boot()["slot"] == "a"
    job = next(j for j in world.jobs(campaign) if j["endpoint"] == "takes-secrets")
    assert "the device takes encrypted payloads only" in job["text"] and not (takes_secrets.state / "report").exists()
    signed = cbor2.loads((takes_all.state / "report").read_bytes())
    assert signed.tag == 18 and cbor2.loads(signed.value[2])[4] is True
    wait_until(lambda: world.metric("report") >= 4, 10, 0.2, "the SUIT report was taken")


def test_a_device_that_waits_is_not_stalled_and_can_be_called_back(world):
    """Longer than any other job may stand still; the server says why.  Then one campaign is aborted, and of its update
    nothing is left; another one's time comes."""
    files, clock = Files(world, random.Random(a_seed("waits"))), WrongClock()
    old, new = files.firmware("old"), files.firmware("new")
    world.add_device("patient")
    device = world.agent("patient", old, launch=False).launch(env=clock.env)

    def deferred(sequence):
        files.sequence = sequence
        variant = files.manifest(f"v{sequence}", new, guards={"wait": {"time": int(time.time()) + 7200}})
        campaign = world.campaign(publish(world, f"2.0.{sequence}", new, variant), silent_after_s=SILENT_S)
        wait_until(lambda: world.jobs(campaign) and job_of(world, campaign, "patient")["state"] == "deferred", 60, 0.2, "it waits")
        return campaign

    try:
        world.wait_registered(1)
        called_back = deferred(101)
        assert job_of(world, called_back, "patient")["text"].startswith("waits until 20")
        end = time.monotonic() + 3 * SILENT_S
        while time.monotonic() < end:
            assert job_of(world, called_back, "patient")["state"] == "deferred"
            time.sleep(0.5)
        revision = world.status(called_back)["revision"]
        must(world.admin.post(f"/v1/campaigns/{called_back}/abort", {}, headers={"If-Match": f'"{revision}"'}), 200)
        world.judge(called_back, {CANCELLED: 1})
        waits = deferred(102)
        assert not (device.state / "b.bin").exists()
        clock.set(3 * HOUR)
        world.wait_state(waits, "finished", 120)
        world.judge(waits, {SUCCEEDED: 1})
    finally:
        device.close()
        clock.close()


def test_a_dependency_from_elsewhere_is_served(world):
    """Its envelope is an image of the release like any other."""
    files = Files(world, random.Random(a_seed("elsewhere")))
    old, new = files.firmware("old"), files.firmware("new")
    files.manifest("inner", new)
    inner = files.path("inner.suit")
    files.upload(inner)
    outer = files.manifest("outer", new, components=[{"id": "main"}], dependencies=[{
        "file": str(inner), "uri": f"img/{hashlib.sha256(inner.read_bytes()).hexdigest()}"}])
    world.add_device("d")
    device = world.agent("d", old)
    world.wait_registered(1)
    campaign = world.campaign(publish(world, "2.0.0", new, outer))
    world.wait_state(campaign, "finished", 120)
    world.judge(campaign, {SUCCEEDED: 1})
    assert device.slot_digest("b") == hashlib.sha256(new.read_bytes()).hexdigest()
