"""The real agent, with further components, keys and a report key, and the real server."""

import cbor2
import suit_encrypt
from fleet import AGENT, SUCCEEDED, make_world, run, world  # noqa: F401
from harness import wait_until

REJECTED = 14


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
