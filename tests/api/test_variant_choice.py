"""A release of several manifests and a mixed fleet over DTLS: each device says what it can take and
gets the smallest that fits, and nothing else; a delta that fails is followed by what is none; two
daemons serve the same; totals in the campaign and on the command line."""

import hashlib
import os
import random

import cbor2
import pytest

from coap_peer import OBSERVE
from fleet import make_world, must, world  # noqa: F401
from harness import wait_until
from test_campaigns import Device
from test_cli_server import Cli

SIZE = 20000
# needs, precursor, size of the payload
LZMA, SECRET = ("{lzma}", None, 9000), ("{aes-kw,ctr}", None, SIZE + 16)
DELTAS = [("{patch-heatshrink}", bytes([n]) * 32, 1000 + n) for n in (1, 2, 3)]


class Variant:
    def __init__(self, digest, envelope, payload):
        self.digest, self.envelope, self.payload = digest, envelope, payload
        self.image = hashlib.sha256(payload).hexdigest()
        self.bytes = len(payload)


def add_variant(world, release, needs, base, size):
    """Past the upload, which has tests of its own: a row, an uploaded payload, an envelope of any bytes."""
    payload = random.Random(f"{needs} {base} {size}").randbytes(size)
    envelope = b"envelope of " + hashlib.sha256(payload).digest()
    v = Variant(hashlib.sha256(envelope).digest(), envelope, payload)
    put = world.admin.put(f"/v1/images/{v.image}", data=payload, headers={"Content-Type": "application/octet-stream"})
    assert put.status_code in (200, 201), put.text
    component = f"'main', '\\x{base.hex()}'" if base else "NULL, NULL"
    world.sql("INSERT INTO manifest (tenant_id, digest, release_id, envelope, needs, base_component, base_digest,"
              f" bytes, image_bytes) VALUES (1, '\\x{v.digest.hex()}', '{release.id}', '\\x{envelope.hex()}', '{needs}',"
              f" {component}, {size}, {size});"
              f"INSERT INTO manifest_image VALUES (1, '\\x{v.digest.hex()}', '\\x{v.image}')")
    return v


@pytest.fixture
def release(world):
    """With its variants in order: whole, compressed, three deltas, encrypted."""
    made = world.release(size=SIZE)
    world.sql(f"UPDATE manifest SET bytes = {SIZE}, image_bytes = {SIZE} WHERE release_id = '{made.id}'")
    [[digest, envelope]] = world.sql("SELECT encode(digest, 'hex'), encode(envelope, 'hex') FROM manifest"
                                     f" WHERE release_id = '{made.id}'")
    made.whole = Variant(bytes.fromhex(digest), bytes.fromhex(envelope), made.image)
    made.lzma, *made.deltas, made.secret = (add_variant(world, made, *v) for v in (LZMA, *DELTAS, SECRET))
    made.variants = [made.whole, made.lzma, *made.deltas, made.secret]
    return made


def a_device(world, name, runs, **capabilities):
    device = Device(world, name)
    device.digest = bytes([runs]) * 32
    device.capabilities = {{"formats": 4, "only_encrypted": 5, "max_envelope": 1, "max_image": 2}[k]: v
                           for k, v in capabilities.items()}
    boot(device)
    return device


def boot(device, digest=None):
    """Again and again with the same capabilities."""
    device.digest = digest or device.digest
    device.boot_id = os.urandom(8)
    device.register(more={6: device.capabilities})


def takes(device, offer, release, variant):
    """What it is offered is this variant: it fetches that, and is refused each other one."""
    assert offer[5] == variant.digest and offer[6] == len(variant.envelope), device.name
    assert device.fetch(f"/manifest/{variant.digest.hex()}")[0] == variant.envelope
    assert device.fetch(f"/img/{variant.image}")[0] == variant.payload
    for other in release.variants:
        if other is not variant:
            assert device.peer.get(f"/manifest/{other.digest.hex()}").answer == "4.03"
            assert device.peer.get(f"/img/{other.image}").answer == "4.03"


def job_of(world, campaign, device):
    return next(j for j in world.jobs(campaign) if j["endpoint"] == device.name)


BOTH = ["patch-heatshrink", "lzma"]


@pytest.fixture
def fleet(world):
    return [a_device(world, "from-1", 1, formats=BOTH), a_device(world, "from-2", 2, formats=BOTH),
            a_device(world, "from-3", 3, formats=BOTH), a_device(world, "from-unknown", 9, formats=BOTH),
            a_device(world, "reads-no-delta", 1, formats=["lzma"]),
            a_device(world, "only-encrypted", 1, formats=["ctr", "aes-kw"], only_encrypted=True)]


def test_A19_each_gets_the_smallest_that_fits(world, release, fleet, cli):
    plan = {"name": "dry", "release_id": release.id, "target": {"all": True}, "validate_only": True}
    dry = must(world.admin.post("/v1/campaigns", plan), 200)
    assert dry["deltas"] == 3 and dry["bytes"] == 6 * (SIZE + 16)
    shown = must(world.admin.get("/v1/devices/only-encrypted"), 200)
    assert shown["formats"] == ["aes-kw", "ctr"] and shown["only_encrypted"] is True
    shown = must(world.admin.get("/v1/devices/reads-no-delta"), 200)
    assert shown["formats"] == ["lzma"] and shown["only_encrypted"] is False

    campaign = world.campaign(release)
    expected = [*release.deltas, release.lzma, release.lzma, release.secret]
    offers = [device.wait_offer() for device in fleet]
    for device, offer, variant in zip(fleet, offers, expected):
        takes(device, offer, release, variant)
        job = job_of(world, campaign, device)
        largest = SIZE + 16 if variant is release.secret else SIZE
        assert job["manifest_digest"] == variant.digest.hex() and "fell_back" not in job
        assert (job["bytes_total"], job["bytes_saved"]) == (variant.bytes, largest - variant.bytes)
    offered = sum(v.bytes for v in expected)
    assert world.status(campaign)["bytes"] == {"offered": offered, "saved": 0, "delta_fallbacks": 0}

    # Another start of the daemon, as another daemon would: it knows what the jobs name.
    world.server.restart()
    fleet[0].peer.close()
    again = Device(world, fleet[0].name, provision=False)
    assert again.fetch(f"/img/{expected[0].image}")[0] == expected[0].payload, "without asking first"
    fleet[0].peer = again.peer
    for device in fleet[1:]:
        device.peer.close()
        device.peer = Device(world, device.name, provision=False).peer
    for device, offer, variant in zip(fleet, offers, expected):
        assert device.ask()[5] == variant.digest, "the offer stays the same"
        device.report(offer[3], offer[4], state=5)
        boot(device, bytes.fromhex(release.digest))
    done = world.wait_state(campaign, "finished")
    saved = 3 * SIZE - sum(v.bytes for v in release.deltas) + 2 * (SIZE - release.lzma.bytes)
    assert done["bytes"] == {"offered": offered, "saved": saved, "delta_fallbacks": 0}
    shown = cli("campaign", "status", done["name"]).stdout
    assert f"{offered / 1024:.1f} KiB offered, {saved / 1024:.1f} KiB saved" in shown, shown
    assert cli.json("campaign", "status", done["name"])["bytes"]["saved"] == saved


@pytest.fixture
def cli(world, tmp_path):  # noqa: F811
    made = Cli(tmp_path / "operator", world.server)
    made("login", world.server.url, "--token-stdin", "--ca", world.server.ca_path, stdin=world.admin.token + "\n")
    return made


def metric(world, name="muster_delta_fallbacks_total"):
    return next(int(line.split()[-1]) for line in world.admin.get("/metrics").text.splitlines()
                if line.startswith(name))


def test_a_delta_that_fails_is_followed_by_what_is_none(world, release, cli):
    device = a_device(world, "fails", 2, formats=BOTH)
    campaign = world.campaign(release)
    offer = device.wait_offer()
    assert offer[5] == release.deltas[1].digest and metric(world) == 0
    device.report(offer[3], offer[4], state=4)
    assert device.report(offer[3], offer[4], state=11, more={4: 9, 5: "wrong base"}) == {}
    assert device.peer.get(f"/img/{release.deltas[1].image}").answer == "4.03", "that is over"
    job = job_of(world, campaign, device)
    assert job["state"] == "offered" and job["fell_back"] and "manifest_digest" not in job
    assert job["text"] == "the delta failed (install: wrong base); next without one" and "cause" not in job

    again = device.wait_offer()
    assert again[3] == offer[3] and again[4] == 2
    takes(device, again, release, release.lzma)
    assert metric(world) == 1
    device.report(again[3], again[4], state=5)
    boot(device, bytes.fromhex(release.digest))
    done = world.wait_state(campaign, "finished")
    assert done["counts"]["succeeded"] == 1
    assert done["bytes"] == {"offered": release.deltas[1].bytes + release.lzma.bytes,
                             "saved": SIZE - release.lzma.bytes, "delta_fallbacks": 1}
    assert metric(world, "muster_bytes_saved_total") == done["bytes"]["saved"]
    assert "1 went on without a delta" in cli("campaign", "status", done["name"]).stdout


def test_an_observer_is_told_of_the_next_attempt(world, release):
    device = a_device(world, "observes", 1, formats=BOTH)
    world.campaign(release)
    offer = device.wait_offer()
    asked = device.peer.message(1, "/update", options=[(OBSERVE, b"")], token=b"obsv")
    device.peer.send(asked)
    assert cbor2.loads(device.peer.answer_to(asked).payload)[5] == offer[5]
    device.report(offer[3], offer[4], state=14, more={4: 8})
    told = device.peer.answer_to(asked, timeout=10)
    while told is not None and cbor2.loads(told.payload).get(4) != 2:
        told = device.peer.answer_to(asked, timeout=10)
    assert told is not None and cbor2.loads(told.payload)[5] == release.lzma.digest


def test_who_can_take_none_is_rejected_and_told_why(world, release, cli):
    world.sql(f"DELETE FROM manifest WHERE digest = '\\x{release.whole.digest.hex()}'")
    reads = a_device(world, "reads-nothing", 1)
    small = a_device(world, "small", 1, formats=["lzma"], max_image=8999)
    campaign = world.campaign(release)
    texts = {"reads-nothing": "no manifest of the release fits: the device does not read lzma",
             "small": "no manifest of the release fits: an image has 9000 bytes, the device takes 8999"}
    world.wait_state(campaign, "running")
    for device in (reads, small):
        why = must(world.admin.get(f"/v1/devices/{device.name}/why?campaign={campaign}"), 200)
        assert why["reasons"][-1] == {"code": "variant", "ok": False, "text": texts[device.name]} and not why["offered"]
        wait_until(lambda: device.ask()[1] == 0 and job_of(world, campaign, device)["state"] == "rejected", 10)
    world.wait_state(campaign, "paused")
    for device, cause in ((reads, "manifest"), (small, "space")):
        job = job_of(world, campaign, device)
        assert (job["state"], job["cause"], job["text"]) == ("rejected", cause, texts[device.name])
    assert texts["small"] in cli("campaign", "status", world.status(campaign)["name"]).stdout


def test_a_withdrawn_release_is_taken_back_from_who_has_not_begun(world, cli):
    made = world.release(size=SIZE)
    told, puts_off, begun, last = (a_device(world, name, 1) for name in ("told", "puts-off", "has-begun", "to-come"))
    campaign = world.campaign(made)
    offers = {device: device.wait_offer() for device in (told, puts_off, begun)}
    puts_off.report(offers[puts_off][3], 1, state=15)
    begun.report(offers[begun][3], 1, state=2)
    watched = told.peer.message(1, "/update", options=[(OBSERVE, b"")], token=b"obsv")
    told.peer.send(watched)
    assert cbor2.loads(told.peer.answer_to(watched).payload)[1] == 1
    cli("release", "withdraw", made.id, "--yes")

    assert cbor2.loads(told.peer.answer_to(watched, timeout=10).payload)[1] == 0, "an observer is told at once"
    for device in (told, puts_off):
        job = job_of(world, campaign, device)
        assert (job["state"], job["text"]) == ("cancelled", "the release was withdrawn") and "cause" not in job
        assert device.ask()[1] == 0
        assert device.peer.get(f"/img/{made.digest}").answer == "4.03"
        assert device.report(offers[device][3], 1, state=2) == {1: True}, "too late: it is told to stop"
    assert begun.ask() == offers[begun] and begun.fetch(f"/img/{made.digest}")[0] == made.image
    begun.report(offers[begun][3], 1, state=5)
    boot(begun, bytes.fromhex(made.digest))
    assert job_of(world, campaign, begun)["state"] == "succeeded"
    # Whoever comes later is offered nothing.
    assert last.ask()[1] == 0 and job_of(world, campaign, last)["state"] == "queued"
    why = must(world.admin.get(f"/v1/devices/{last.name}/why?campaign={campaign}"), 200)
    assert why["reasons"][-1]["code"] == "withdrawn" and not why["offered"]
