"""Campaigns over REST, and the device's side of them over CoAP, message by message."""

import os
import random
import time
import uuid

import cbor2
import pytest

from coap_peer import ETAG, FORMAT, OBSERVE, BLOCK2, SUIT_REPORT, DtlsPeer, block, number
from fleet import make_world, must, psk_of, world  # noqa: F401
from harness import wait_until


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:muster:error:{code}", body
    return body


class Device:
    """One device, byte by byte."""

    def __init__(self, world, name, provision=True):
        self.world, self.name = world, name
        if provision:
            world.add_device(name)
        self.peer = DtlsPeer(world.server.coap_port, psk=(name, psk_of(name)))
        self.boot_id, self.digest = os.urandom(8), bytes(32)
        self.class_id = world.class_id

    def registration(self, **members):
        body = {1: self.name, 2: uuid.UUID(self.world.vendor_id).bytes, 3: uuid.UUID(self.class_id).bytes,
                4: {"main": [self.digest, "1.0"]}, 5: self.boot_id}
        body.update(members.pop("more", {}))
        return cbor2.dumps(body)

    def register(self, expect="2.04", **members):
        answer = self.peer.post("/register", self.registration(**members))
        assert answer.answer == expect, answer
        return answer

    def boot(self, digest=None):
        self.boot_id = os.urandom(8)
        self.digest = digest or self.digest
        return self.register()

    def ask(self):
        answer = self.peer.get("/update")
        assert answer.answer == "2.05", answer
        return cbor2.loads(answer.payload)

    def wait_offer(self):
        return wait_until(lambda: (lambda o: o if o[1] == 1 else None)(self.ask()), 10, 0.1, "an offer")

    def report(self, job, attempt, expect="2.04", **members):
        body = {1: members.pop("state", 2)}
        body.update(members.pop("more", {}))
        answer = self.peer.post(f"/report/{job}/{attempt}", cbor2.dumps(body))
        assert answer.answer == expect, answer
        return cbor2.loads(answer.payload) if answer.answer == "2.04" else None

    def fetch(self, path):
        """The whole body, its answers' ETags, by blocks of 1024."""
        data, etags = b"", set()
        for n in range(1000):
            answer = self.peer.get(path, [(BLOCK2, block(n, False, 6))])
            assert answer.answer == "2.05", answer
            data += answer.payload
            etags.add(answer.option(ETAG))
            if not (answer.block(BLOCK2) or (0, False, 0))[1]:
                return data, etags
        raise AssertionError("the body does not end")


@pytest.fixture
def device(world):
    return Device(world, "alone")


# --- planning -----------------------------------------------------------------------------------

def plan(release, names, **members):
    return {"name": "plan", "release_id": release.id, "target": {"devices": names}, **members}


@pytest.fixture
def planned(world):
    """A world with a release and a device that has registered."""
    device = Device(world, "alone")
    device.register()
    return world, world.release(size=3000), device


def test_draft(planned):
    world, release, _ = planned
    stages = [{"count": 1}, {"percent": 12.5, "soak_s": 10}, {"percent": 100, "success_percent": 90,
                                                            "failure_percent": 5.25, "min_sample": 3}]
    made = world.admin.post("/v1/campaigns", plan(release, ["alone"], stages=stages, silent_after_s=30, max_attempts=2))
    body = must(made, 201)
    assert made.headers["Location"] == f"/v1/campaigns/{body['campaign_id']}"
    assert made.headers["ETag"] == f'"{body["revision"]}"'
    assert (body["state"], body["members"], body["silent_after_s"], body["max_attempts"]) == ("draft", 1, 30, 2)
    assert body["target"] == {"devices": ["alone"]} and body["release_version"] == "2.0.0"
    assert body["bound"]["devices"] == 1 and "At most 1 of 1" in body["bound"]["text"]
    first, second, last = body["stages"]
    assert first["count"] == 1 and "percent" not in first and first["success_percent"] == 95
    assert second["percent"] == 12.5 and second["soak_s"] == 10
    assert (last["percent"], last["success_percent"], last["failure_percent"], last["min_sample"]) == (100, 90, 5.25, 3)
    assert must(world.admin.get(f"/v1/campaigns/{body['campaign_id']}"), 200) == body
    assert must(world.admin.get("/v1/campaigns"), 200)["items"] == [body]
    assert must(world.admin.get(f"/v1/campaigns/{body['campaign_id']}/jobs"), 200)["items"] == []


def test_default_schedule(planned):
    world, release, _ = planned
    body = must(world.admin.post("/v1/campaigns", plan(release, ["alone"])), 201)
    assert [s["percent"] for s in body["stages"]] == [100]


def test_validate_only(planned):
    world, release, _ = planned
    body = must(world.admin.post("/v1/campaigns", plan(
        release, ["alone"], stages=[{"count": 1}, {"percent": 100}], validate_only=True)), 200)
    assert (body["members"], body["current"], body["sample"], body["stages"]) == (1, 0, ["alone"], [1, 0])
    assert body["bound"]["devices"] == 1 and body["bytes"] == 3000
    assert must(world.admin.get("/v1/campaigns"), 200)["items"] == []


def test_R27_bound_says_what_is_not_noticed(planned):
    world, release, _ = planned
    body = must(world.admin.post("/v1/campaigns", plan(release, ["alone"], validate_only=True)), 200)
    assert body["bound"]["text"] == ("At most 1 of 1 devices are exposed before the first automatic stop. "
                                     "Not noticed is one that falls silent after it has proved the release.")


def test_attributes_and_all(world):
    for name, site in (("a", "berlin"), ("b", "berlin"), ("c", "paris")):
        Device(world, name).register(more={8: {"site": site}})
    world.add_device("never-registered")
    release = world.release(size=100)

    def members(target):
        body = {"name": "p", "release_id": release.id, "target": target, "validate_only": True}
        return must(world.admin.post("/v1/campaigns", body), 200)["sample"]
    assert members({"attributes": {"site": "berlin"}}) == ["a", "b"]
    assert members({"all": True}) == ["a", "b", "c"]
    problem(world.admin.post("/v1/campaigns", {"name": "p", "release_id": release.id,
                                               "target": {"attributes": {"site": "rome"}}}), 422, "no-devices")


@pytest.mark.parametrize("members, pointer", [
    ({"name": ""}, "/name"),
    ({"name": "x" * 129}, "/name"),
    ({"target": {}}, "/target"),
    ({"target": {"all": True, "devices": ["alone"]}}, "/target"),
    ({"target": {"all": False}}, "/target/all"),
    ({"target": {"attributes": {}}}, "/target/attributes"),
    ({"target": {"devices": ["alone", "nobody"]}}, "/target/devices"),
    ({"target": {"devices": ["a b"]}}, "/target/devices"),
    ({"stages": []}, "/stages/0"),
    ({"stages": [{"percent": 50}]}, "/stages/0"),
    ({"stages": [{"percent": 50}, {"percent": 50}, {"percent": 100}]}, "/stages/1"),
    ({"stages": [{"percent": 50}, {"count": 1}, {"percent": 100}]}, "/stages/1"),
    ({"stages": [{"percent": 100, "count": 1}]}, "/stages/0"),
    ({"stages": [{"percent": 100.001}]}, "/stages/0/percent"),
    ({"stages": [{"percent": 12.345}]}, "/stages/0/percent"),
    ({"stages": [{"percent": 100, "soak": 1}]}, "/stages/0/soak"),
    ({"stages": [{"percent": 100, "success_percent": 101}]}, "/stages/0/success_percent"),
    ({"silent_after_s": 0}, "/silent_after_s"),
    ({"max_attempts": 0}, "/max_attempts"),
    ({"release_id": "nonsense"}, "/release_id"),
    ({"release_id": str(uuid.uuid4())}, "/release_id"),
    ({"surprise": 1}, "/surprise"),
])
def test_what_is_refused(planned_once, members, pointer):
    world, release = planned_once
    body = problem(world.admin.post("/v1/campaigns", {**plan(release, ["alone"]), **members}), 422, "validation")
    assert pointer in [e["pointer"] for e in body["errors"]], body


@pytest.fixture(scope="module")
def planned_once(pg, tmp_path_factory):
    import fleet
    import harness
    folder = tmp_path_factory.mktemp("campaigns")
    daemon = harness.Server(folder / "server", pg.dsn(pg.create_database()))
    daemon.prepare()
    daemon.start()
    one = fleet.World(daemon, folder / "world")
    Device(one, "alone").register()
    yield one, one.release(size=100)
    daemon.close()


def test_A11_a_wrong_class_is_named(planned):
    world, release, _ = planned
    _, other_class = world.add_class("other")
    names = ["alone"]
    for i in range(12):
        d = Device(world, f"wrong-{i:02d}")
        d.class_id = other_class
        d.register()
        names.append(d.name)
    body = problem(world.admin.post("/v1/campaigns", plan(release, names)), 409, "wrong-class")
    assert "12 of 13" in body["detail"] and "wrong-00" in body["detail"] and "wrong-09" in body["detail"]
    assert "wrong-10" not in body["detail"] and "alone" not in body["detail"]


def test_lists_page_by_page(planned):
    world, release, _ = planned
    made = [must(world.admin.post("/v1/campaigns", plan(release, ["alone"], name=f"p{i}")), 201)["campaign_id"]
            for i in range(5)]
    seen, token = [], ""
    while token is not None:
        page = must(world.admin.get(f"/v1/campaigns?page_size=2{token}"), 200)
        seen += [c["campaign_id"] for c in page["items"]]
        token = f"&page_token={page['next_page_token']}" if "next_page_token" in page else None
    assert seen == made[::-1]
    problem(world.admin.get("/v1/campaigns?page_token=forged"), 400, "bad-cursor")


def test_roles(planned):
    world, release, _ = planned
    campaign = world.campaign(release, {"devices": ["alone"]}, start=False)
    for role, status in (("viewer", 403), ("publisher", 403), ("operator", 202)):
        client = world.server.operator(role)
        assert client.get(f"/v1/campaigns/{campaign}").status_code == 200
        answer = client.post(f"/v1/campaigns/{campaign}/start", {}, headers={"If-Match": '"1"'})
        assert answer.status_code == status, answer.text


# --- moves --------------------------------------------------------------------------------------

def move(world, campaign, what, revision=None, **headers):
    revision = world.status(campaign)["revision"] if revision is None else revision
    return world.admin.post(f"/v1/campaigns/{campaign}/{what}", {}, headers={"If-Match": f'"{revision}"', **headers})


def test_life(planned):
    world, release, device = planned
    campaign = world.campaign(release, {"devices": ["alone"]}, start=False)
    problem(world.admin.post(f"/v1/campaigns/{campaign}/start", {}), 428, "precondition-required")
    problem(move(world, campaign, "start", revision=77), 412, "precondition-failed")
    problem(move(world, campaign, "pause"), 409, "campaign-state")
    problem(move(world, campaign, "resume"), 409, "campaign-state")
    assert must(move(world, campaign, "start"), 202)["state"] == "starting"
    started = world.wait_state(campaign, "running")
    assert started["members"] == 1 and started["started_at"] and started["stages"][0]["state"] == "open"
    problem(move(world, campaign, "start"), 409, "campaign-state")

    paused = must(move(world, campaign, "pause", **{"Muster-Reason": "looks odd"}), 200)
    assert paused["state"] == "paused" and paused["pause_reason"] == "paused by an operator: looks odd"
    assert device.ask()[1] == 0, "nothing is offered while it is paused"
    resumed = must(move(world, campaign, "resume"), 200)
    assert resumed["state"] == "running" and "pause_reason" not in resumed
    offer = device.wait_offer()
    assert device.report(offer[3], offer[4]) == {}
    must(move(world, campaign, "pause"), 200)
    assert device.report(offer[3], offer[4], state=3) == {}, "a running job goes on while it is paused"

    aborted = must(move(world, campaign, "abort"), 200)
    assert aborted["state"] == "aborted" and aborted["ended_at"] and aborted["counts"]["cancelled"] == 1
    assert device.report(offer[3], offer[4], state=4) == {1: True}, "a report is answered with stop"
    assert device.ask()[1] == 0
    problem(move(world, campaign, "resume"), 409, "campaign-state")
    actions = [e["action"] for e in must(world.admin.get("/v1/audit"), 200)["items"]]
    for action in ("campaign.create", "campaign.start", "campaign.run", "campaign.pause", "campaign.resume",
                   "campaign.abort"):
        assert action in actions
    missing = uuid.uuid4()
    problem(world.admin.get(f"/v1/campaigns/{missing}"), 404, "not-found")
    problem(world.admin.get(f"/v1/campaigns/{missing}/jobs"), 404, "not-found")
    problem(world.admin.post(f"/v1/campaigns/{missing}/start", {}, headers={"If-Match": '"1"'}), 404, "not-found")


def test_a_move_whose_answer_is_long_takes_a_key(planned):
    """A target may name many devices, and whoever sends a key must get even that answer again."""
    world, release, _ = planned
    campaign = world.campaign(release, {"devices": ["alone"]}, start=False)
    world.sql("UPDATE campaign SET target = jsonb_build_object('devices', (SELECT jsonb_agg('device-' || i) "
              "FROM generate_series(1, 10000) i))")
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = must(move(world, campaign, "abort", revision=1, **key), 200)
    assert first["state"] == "aborted" and len(first["target"]["devices"]) == 10000
    assert must(move(world, campaign, "abort", revision=1, **key), 200) == first


# --- an update, message by message --------------------------------------------------------------

def test_one_update(planned):
    world, release, device = planned
    assert device.ask()[1] == 0
    campaign = world.campaign(release, {"devices": ["alone"]})
    offer = device.wait_offer()
    job, attempt = offer[3], offer[4]
    assert attempt == 1
    envelope, etags = device.fetch(f"/manifest/{offer[5].hex()}")
    assert len(envelope) == offer[6] and etags == {offer[5][:8]}
    image, etags = device.fetch(f"/img/{release.digest}")
    assert image == release.image and etags == {bytes.fromhex(release.digest)[:8]}

    device.report(job, attempt, more={2: 1024, 3: 3000})
    items = must(world.admin.get(f"/v1/campaigns/{campaign}/jobs?state=downloading&stage=0"), 200)["items"]
    assert [(j["endpoint"], j["bytes_done"], j["bytes_total"]) for j in items] == [("alone", 1024, 3000)]
    assert must(world.admin.get(f"/v1/campaigns/{campaign}/jobs?state=failed"), 200)["items"] == []
    problem(world.admin.get(f"/v1/campaigns/{campaign}/jobs?state=nonsense"), 422, "validation")
    for state in (3, 4, 5, 3, 2, 5):
        assert device.report(job, attempt, state=state) == {}, "reports repeat and go backwards"
    assert world.status(campaign)["counts"]["rebooting"] == 1

    device.digest = bytes.fromhex(release.digest)
    device.register()
    assert world.status(campaign)["counts"]["succeeded"] == 0, "the old boot id proves nothing"
    device.boot()
    assert world.status(campaign)["counts"]["succeeded"] == 1
    assert world.wait_state(campaign, "finished")["ended_at"]
    assert device.ask()[1] == 0
    assert device.peer.get(f"/img/{release.digest}").answer == "4.03", "the job is over"
    why = must(world.admin.get(f"/v1/devices/alone/why?campaign={campaign}"), 200)
    assert not why["offered"] and why["reasons"][-1]["code"] == "job-over"


def test_what_moves_under_its_revision_is_told_in_full(planned):
    """Progress raises no revision, so an ETag that still fits says nothing about the counts."""
    world, release, device = planned
    campaign = world.campaign(release, {"devices": ["alone"]})
    offer = device.wait_offer()
    paths = [f"/v1/campaigns/{campaign}", "/v1/devices/alone"]
    etags = [world.admin.get(path).headers["ETag"] for path in paths]
    device.report(offer[3], offer[4], state=4)
    now, alone = [must(world.admin.get(path, headers={"If-None-Match": etag}), 200) for path, etag in zip(paths, etags)]
    assert [f'"{thing["revision"]}"' for thing in (now, alone)] == etags, "it is no test when the revisions change"
    assert (now["counts"]["offered"], now["counts"]["installing"]) == (0, 1)
    assert alone["job"]["state"] == "installing"
    must(move(world, campaign, "pause", revision=now["revision"]), 200)

    path = f"/v1/releases/{release.id}"
    etag = world.admin.get(path).headers["ETag"]
    class_path = f"/v1/classes/{world.vendor_id}/{world.class_id}"
    must(world.admin.patch(class_path, {"name": "another"}, headers={"If-Match": '"1"'}), 200)
    assert must(world.admin.get(path, headers={"If-None-Match": etag}), 200)["class_name"] == "another"


def test_a_rollback_stops_it(planned):
    world, release, device = planned
    campaign = world.campaign(release, {"devices": ["alone"]})
    offer = device.wait_offer()
    device.report(offer[3], offer[4], state=5)
    device.boot()
    paused = world.wait_state(campaign, "paused")
    assert paused["pause_reason"] == "stage 1 tripped: 1 of 1 rolled back, limit 10 %"
    assert paused["stages"][0]["state"] == "tripped" and paused["counts"]["rolled_back"] == 1


def test_B06_a_registration_of_before_the_reboot_comes_late(planned):
    """Each boot has a session of its own.  What the device sent in an earlier one, and what arrives
    only after it has proved the new image, is of the past: nothing rolls back."""
    world, release, device = planned
    old = b"\1" * 32
    device.boot(old)
    other = Device(world, "other")  # keeps the campaign running
    other.register()
    campaign = world.campaign(release, {"devices": ["alone", "other"]})
    offer = device.wait_offer()
    late = [(device.peer, device.registration())]

    def reboot(digest=None):
        device.peer = DtlsPeer(world.server.coap_port, psk=(device.name, psk_of(device.name)))
        device.boot(digest)
        late.append((device.peer, device.registration()))

    reboot()  # a power cut during the download: the job is in another boot from now on
    device.report(offer[3], offer[4], state=5)
    reboot(bytes.fromhex(release.digest))
    assert world.status(campaign)["counts"]["succeeded"] == 1
    before = must(world.admin.get("/v1/devices/alone"), 200)
    for peer, body in late + late:
        assert peer.post("/register", body).answer == "2.04"
    [job] = [j for j in world.jobs(campaign) if j["endpoint"] == "alone"]
    assert job["state"] == "succeeded", "a message of before the reboot undid it"
    after = must(world.admin.get("/v1/devices/alone"), 200)
    assert after["components"] == before["components"]
    reboot(old)
    [job] = [j for j in world.jobs(campaign) if j["endpoint"] == "alone"]
    assert job["state"] == "rolled_back", "a true fall back to the old image is seen"
    for peer, _ in late:
        peer.drop()


def test_silence_stops_it(planned):
    """R27: no error report ever comes."""
    world, release, device = planned
    campaign = world.campaign(release, {"devices": ["alone"]}, silent_after_s=1)
    offer = device.wait_offer()
    device.report(offer[3], offer[4], state=5)
    assert "fell silent" in world.wait_state(campaign, "paused")["pause_reason"]


def test_the_launchers_verdict(planned):
    world, release, device = planned
    campaign = world.campaign(release, {"devices": ["alone"]})
    offer = device.wait_offer()
    device.boot_id = os.urandom(8)
    device.register(more={9: {1: offer[3], 2: offer[4], 3: 12, 4: "trial timed out"}})
    world.wait_state(campaign, "paused")
    [job] = world.jobs(campaign)
    assert (job["state"], job["cause"], job["text"]) == ("rolled_back", "boot", "trial timed out")


def test_failed_and_rejected_have_causes(world):
    devices = [Device(world, name) for name in ("f", "r")]
    for d in devices:
        d.register()
    release = world.release(size=100)
    campaign = world.campaign(release)
    for d, state, cause in ((devices[0], 11, 1), (devices[1], 14, 3)):
        offer = d.wait_offer()
        d.report(offer[3], offer[4], state=state, more={4: cause, 5: "because"})
        d.report(offer[3], offer[4], state=2)
    jobs = {j["endpoint"]: (j["state"], j["cause"], j["text"]) for j in world.jobs(campaign)}
    assert jobs == {"f": ("failed", "download", "because"), "r": ("rejected", "signature", "because")}


def test_push(planned):
    world, release, device = planned
    request = device.peer.message(1, "/update", options=[(OBSERVE, b"")])
    device.peer.send(request)
    first = device.peer.answer_to(request)
    assert first.option(OBSERVE) is not None and cbor2.loads(first.payload)[1] == 0
    world.campaign(release, {"devices": ["alone"]})
    pushed = device.peer.answer_to(request, timeout=15)
    assert pushed is not None and cbor2.loads(pushed.payload)[1] == 1, "the offer comes by itself"


# --- the device API refuses ----------------------------------------------------------------------

def test_register_refuses(device):
    world = device.world
    assert device.peer.post("/register", b"\xff").answer == "4.00"
    assert device.peer.post("/register", device.registration(), [(FORMAT, number(50))]).answer == "4.15"
    assert device.peer.post("/register", device.registration(more={1: "another"})).answer == "4.03"
    device.register(expect="4.00", more={5: b"abc"})
    device.register()
    assert world.device("alone")["lifecycle"] == "active"


def test_equal_registrations_cost_nothing(planned):
    world, _, device = planned
    before = world.device("alone")
    answer = device.register()
    assert cbor2.loads(answer.payload)[2] > 0
    assert world.device("alone")["revision"] == before["revision"]
    device.boot()
    after = world.device("alone")
    assert after["revision"] == before["revision"] + 1 and after["boot_id"] == device.boot_id.hex()


def test_attributes_are_bounded(planned):
    world, _, device = planned
    labels = {f"label{i}": "x" for i in range(32)}
    tag = f'"{world.device("alone")["revision"]}"'
    must(world.admin.patch("/v1/devices/alone", {"attributes": labels}, headers={"If-Match": tag}), 200)
    device.boot_id = os.urandom(8)
    device.register(more={8: {f"mine{i}": "y" for i in range(32)}})
    device.boot_id = os.urandom(8)
    device.register(expect="4.22", more={8: {"one-more": "z"}})


def test_reports_refuse(planned):
    world, release, device = planned
    other = Device(world, "other")
    other.register()
    world.campaign(release, {"devices": ["alone"]})
    offer = device.wait_offer()
    foreign = other.peer.post(f"/report/{offer[3]}/1", cbor2.dumps({1: 2}))
    unknown = other.peer.post("/report/999999/1", cbor2.dumps({1: 2}))
    assert foreign.answer == unknown.answer == "4.04" and foreign.payload == unknown.payload
    assert other.peer.post("/report/abc/1", cbor2.dumps({1: 2})).answer == "4.04"
    device.report(offer[3], 1, expect="4.00", state=10)
    device.report(offer[3], 1, expect="4.00", more={4: 12})
    path = f"/report/{offer[3]}/1"
    assert device.peer.post(path, cbor2.dumps({1: 2}), [(FORMAT, number(50))]).answer == "4.15"
    assert device.peer.post(path, b"\xa0", [(FORMAT, number(SUIT_REPORT))]).answer == "4.00"
    assert device.report(offer[3], 7) == {}, "an attempt that was never made"
    assert [j["state"] for j in world.jobs(must(world.admin.get("/v1/campaigns"), 200)["items"][0]["campaign_id"])
            ] == ["offered"]


def test_A19_only_the_open_job_opens_images(planned):
    world, release, device = planned
    other = Device(world, "other")
    other.register()
    world.campaign(release, {"devices": ["alone"]})
    device.wait_offer()
    assert device.peer.get(f"/img/{release.digest}").answer == "2.05"
    mine = other.peer.get(f"/img/{release.digest}")
    nobodys = other.peer.get(f"/img/{random.randbytes(32).hex()}")
    assert mine.answer == nobodys.answer == "4.03" and mine.payload == nobodys.payload
    assert other.peer.get("/img/nonsense").answer == "4.03"
    assert device.peer.get(f"/manifest/{release.digest}").answer == "4.03", "an image is no manifest"


def test_time_and_links(device):
    assert abs(cbor2.loads(device.peer.get("/time").payload) - time.time()) < 60
    links = device.peer.get("/.well-known/core")
    assert links.value(FORMAT) == 40 and b"</update>" in links.payload
