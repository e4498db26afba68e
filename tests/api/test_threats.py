"""Attacks on the server's content and on its management, over the network and with its own files
and database (docs/THREATS.md)."""

import hashlib
import http.client
import os
import random
import re
import ssl
import statistics
import time
import urllib.parse
import uuid

import cbor2
import pytest

import contract
import suit
from coap_peer import BLOCK1, BLOCK2, FORMAT, block, number
from fleet import AGENT, PROVE, SUCCEEDED, a_seed, make_world, must, run, world  # noqa: F401
from harness import SPARE_MB, wait_until
from test_campaigns import Device, plan, planned, problem  # noqa: F401
from test_releases import IMAGE, World as Uploads, is_error


@pytest.fixture
def uploads(daemon):
    return Uploads(daemon)


# --- A02, A05: sequence numbers ------------------------------------------------------------------

def test_A02_campaign_backwards_is_refused_with_the_list(world):  # noqa: F811
    old, new = world.release("2.0.0", seed=1), world.release("3.0.0", seed=2)
    for i in range(12):
        device = Device(world, f"ahead-{i:02d}")
        device.digest = bytes.fromhex(new.digest)
        device.register()
        device.peer.close()
    behind = Device(world, "behind")
    behind.digest = bytes.fromhex(old.digest)
    behind.register()
    refused = problem(world.admin.post("/v1/campaigns", plan(old, ["behind"] + [f"ahead-{i:02d}" for i in range(12)])),
                      409, "release-not-newer")
    assert "12 of 13" in refused["detail"] and "ahead-00" in refused["detail"] and "ahead-09" in refused["detail"]
    assert "ahead-10" not in refused["detail"] and "behind" not in refused["detail"]
    # Those that run it already are no reason: they leave the sample.
    draft = world.campaign(old, {"devices": ["behind"]}, start=False)
    behind.boot(bytes.fromhex(new.digest))
    answer = world.admin.post(f"/v1/campaigns/{draft}/start", {}, headers={"If-Match": '"1"'})
    problem(answer, 409, "release-not-newer")


def test_A05_jump_needs_an_administrator_and_stands_in_the_audit(uploads):
    now, far = int(time.time()), 2**62
    is_error(uploads.release(now + 3600), 422, "sequence-too-far")
    is_error(uploads.release(2**63 - 1), 422, "sequence-too-far")
    is_error(uploads.release(far, allow_jump=True), 403, "denied")
    for most in (2**63 - 1, 2**63 - 2**30 + 1, 2**64 - 1):
        is_error(uploads.release(most, allow_jump=True, client=uploads.admin), 422, "sequence-too-far")
    assert uploads.release(now).status_code == 201
    assert uploads.release(far, "2.0", allow_jump=True, client=uploads.admin).status_code == 201
    acts = [e for e in uploads.admin.get("/v1/audit?page_size=1000").json()["items"] if e["action"] == "release.create"]
    assert [(e["detail"]["sequence"], e["detail"].get("jump")) for e in acts] == [(str(now), None), (str(far), "true")]
    # It goes on from there: what comes next needs no jump, and an accident leaves room for many.
    is_error(uploads.release(now + 1, "3.0"), 409, "sequence-not-higher")
    assert uploads.release(far + 1, "3.0").status_code == 201
    is_error(uploads.release(far + 2 + 2**20, "4.0"), 422, "sequence-too-far")


# --- A08, A09: too much, and too slow -------------------------------------------------------------

def rss_kb(daemon):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{daemon.process.pid}/status").read()).group(1))


def test_A08_body_without_end_over_http(daemon, admin):
    """Chunks of a JSON body, for ever: it is cut off at the limit."""
    before, sent = rss_kb(daemon), 0
    context = ssl.create_default_context(cafile=str(daemon.ca_path))
    link = http.client.HTTPSConnection("127.0.0.1", daemon.https_port, context=context, timeout=30)
    link.putrequest("POST", "/v1/classes")
    for name, value in (("Authorization", f"Bearer {admin.token}"), ("Content-Type", "application/json"),
                        ("Transfer-Encoding", "chunked")):
        link.putheader(name, value)
    link.endheaders()
    piece = b" " * 16384
    try:
        while sent < 64 << 20:
            link.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
            sent += len(piece)
    except (ConnectionError, ssl.SSLError):
        pass
    assert sent < 8 << 20, f"{sent} bytes were taken"
    assert rss_kb(daemon) - before < (16 + SPARE_MB) << 10
    assert admin.get("/v1/whoami").status_code == 200


def test_A08_body_without_end_over_coap(world):  # noqa: F811
    device = Device(world, "endless")
    before = rss_kb(world.server)
    for n in range(1000):
        answer = device.peer.post("/register", bytes(1024), [(FORMAT, number(60)), (BLOCK1, block(n, True, 6))])
        if answer.answer != "2.31":
            break
    assert answer.answer == "4.13" and n <= 8192 // 1024 + 1, (n, answer)
    assert rss_kb(world.server) - before < (16 + SPARE_MB) << 10
    device.register()


def test_A08_server_sends_exactly_the_size(planned):  # noqa: F811
    world, _, device = planned
    for size in (1, 1023, 1024, 1025, 4097):
        release = world.release(f"{size}", size=size, seed=size)
        campaign = world.campaign(release, {"devices": ["alone"]})
        device.wait_offer()
        data, _ = device.fetch(f"/img/{release.digest}")
        assert data == release.image
        past = device.peer.get(f"/img/{release.digest}", [(BLOCK2, block((size + 1023) // 1024, False, 6))])
        assert past.answer == "4.00", "there is no block past the end"
        revision = world.status(campaign)["revision"]
        must(world.admin.post(f"/v1/campaigns/{campaign}/abort", {}, headers={"If-Match": f'"{revision}"'}), 200)


def test_A09_stalled_download_holds_nobody_up(world):  # noqa: F811
    """One of twenty asks for its first block, says that it lives, and goes no further."""
    release = world.release(size=65536)
    stalled = Device(world, "stalled")
    stalled.register()
    names = world.add_devices(19)
    fleet = world.fleet(19)
    world.wait_registered(20)
    started = time.monotonic()
    campaign = world.campaign(release, {"devices": names + ["stalled"]}, silent_after_s=2,
                              stages=[{"percent": 100, "success_percent": 90, "failure_percent": 10}])
    offer = stalled.wait_offer()
    stalled.report(offer[3], offer[4], state=2)
    stalled.peer.get(f"/img/{release.digest}", [(BLOCK2, block(0, False, 6))])
    done, ends, others = {}, {}, None

    def judged():
        nonlocal others
        if stalled.ask()[1] == 0:
            ends["asked"] = True  # no offer any more: its job is over
        for j in world.jobs(campaign):
            if j["state"] in ("succeeded", "failed", "silent"):
                done.setdefault(j["endpoint"], time.monotonic() - started)
                ends[j["endpoint"]] = (j["state"], j.get("cause"))
        if others is None and len([n for n in done if n != "stalled"]) == 19:
            others = "stalled" not in done
        return "stalled" in done and len(done) == 20
    wait_until(judged, 90, 0.3, "all of them are judged")
    assert ends["stalled"] == ("failed", "stalled"), "alive is not progress"
    assert others, "the others did not wait for it"
    assert world.wait_state(campaign, "finished")["counts"]["succeeded"] == 19
    assert world.sql("SELECT count(*) FROM slot") == [["0"]], "and its slot is free"
    print(f"the last of 19 after {max(t for n, t in done.items() if n != 'stalled'):.1f} s, "
          f"the stalled one judged after {done['stalled']:.1f} s")
    fleet.finish()
    assert stalled.report(offer[3], offer[4], state=2) == {1: True}, "what it still says is answered with stop"


# --- A10: deltas; see test_variants.py ------------------------------------------------------------

def test_A10_manifest_that_builds_on_what_it_brings_is_refused(uploads):
    """A condition on the installed image is not passed over, wherever it stands."""
    m = cbor2.loads(suit.manifest(1, IMAGE))
    m[20] = suit.encode([3, 15, *cbor2.loads(m[20])])
    is_error(uploads.upload(suit.envelope(suit.encode(m), uploads.author)), 422, "manifest-invalid")


# --- A15, A17, A19: the server's own files, and other people's images ------------------------------

def metric(world, name):  # noqa: F811
    return int(re.search(rf"^{name} (\d+)$", world.admin.get("/metrics").text, re.M).group(1))


def offered(world, device, image):  # noqa: F811
    """A release of that image, the file in the store, and what the device gets for a block of it."""
    release = world.release("5.0.0", image=image)
    world.campaign(release, {"devices": ["alone"]}, silent_after_s=300)
    device.wait_offer()
    path = world.server.state_dir / "images" / release.digest[:2] / release.digest[2:]
    return release, path, lambda n: device.peer.get(f"/img/{release.digest}", [(BLOCK2, block(n, False, 6))])


def test_A15_image_that_changes_while_it_is_served(planned):  # noqa: F811
    world, _, device = planned
    image = random.Random(7).randbytes(300_000)
    release, path, ask = offered(world, device, image)
    assert ask(0).payload == image[:1024]
    at = 250_000
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(bytes([image[at] ^ 1]))
    flipped = time.monotonic()
    wait_until(lambda: metric(world, "muster_images_quarantined_total") == 1, 60, 0.2, "the scrub finds it")
    print(f"found after {time.monotonic() - flipped:.1f} s")
    for n in (at // 1024, 0, 250_000 // 1024 + 1):
        assert ask(n).answer == "5.03", "no block of it is served, and the device is told to come back"
    assert not path.exists() and len(list((world.server.state_dir / "images/quarantine").iterdir())) == 1
    assert f"a stored image has changed: it is in quarantine, upload it again\" image={release.digest}" in \
        world.server.log() or release.digest in world.server.log()
    acts = must(world.admin.get("/v1/audit?page_size=1000"), 200)["items"]
    assert [e["object_id"] for e in acts if e["action"] == "image.quarantine"] == [release.digest]
    put = world.admin.put(f"/v1/images/{release.digest}", data=image, headers={"Content-Type": "application/octet-stream"})
    assert put.status_code == 200
    assert device.fetch(f"/img/{release.digest}")[0] == image, "uploaded again, it goes on"


def test_A15_image_that_is_cut_while_it_is_served(planned):  # noqa: F811
    """The file loses its end under the mapping, in the middle of an operator's and a device's download: neither gets
    a byte that is not the image's, and the daemon goes on."""
    world, _, device = planned
    image = random.Random(8).randbytes(24 << 20)
    release, path, ask = offered(world, device, image)
    assert wait_until(lambda: (m := ask(0)).answer == "2.05" and m, 20, 0.2).payload == image[:1024]
    slow = http.client.HTTPSConnection("127.0.0.1", world.server.https_port, timeout=20,
                                       context=ssl.create_default_context(cafile=str(world.server.ca_path)))
    slow.request("GET", f"/v1/images/{release.digest}", headers={"Authorization": f"Bearer {world.admin.token}"})
    answer = slow.getresponse()
    assert answer.status == 200 and int(answer.headers["Content-Length"]) == len(image)
    got = answer.read(65536)
    path.chmod(0o600)
    os.truncate(path, 1 << 20)
    try:
        while part := answer.read(65536):
            got += part
    except (http.client.HTTPException, OSError):
        pass
    print(f"{len(got)} bytes came")
    assert len(got) < len(image) and image.startswith(got), "bytes that are not the image's were served"
    assert ask(20_000).answer == "5.03" and ask(0).answer == "5.03"
    assert world.server.running() and metric(world, "muster_images_quarantined_total") == 1
    put = world.admin.put(f"/v1/images/{release.digest}", data=image, headers={"Content-Type": "application/octet-stream"})
    assert put.status_code == 200
    assert world.admin.get(f"/v1/images/{release.digest}").content == image, "uploaded again, it is served"


def test_A17_whoever_has_the_server_has_no_device(world):  # noqa: F811
    """The thief is superuser of the database and owns every file of the daemon, and all of its
    tokens.  Real agents refuse whatever he makes of them."""
    firmware = world.folder / "firmware"
    run("strip", "-o", firmware, AGENT)
    evil = firmware.read_bytes() + b"evil"
    thief = suit.Author()
    ids = dict(domain="test.example", name="lock")
    uploads = Uploads.__new__(Uploads)
    uploads.publisher = world.admin

    def release(body, author, version):
        made = uploads.upload(suit.envelope(body, author), version)
        assert made.status_code == 201, made.text
        return made.json()["release_id"]

    def put(data):
        uploads.put_image(data)
    attacks = ("own-key", "replay", "other-class", "changed-image")
    agents = {}
    for name in attacks:
        world.add_device(name)
        agents[name] = world.agent(name, firmware, launch=False)
    boot = agents["replay"].state / "boot"
    boot.write_text(boot.read_text().replace("\nsequence=0\n", "\nsequence=1000\n"))
    for agent in agents.values():
        agent.launch()
    world.wait_registered(len(attacks))

    # His own key, registered straight in the database; then everything is in order for the server.
    put(evil)
    world.sql("INSERT INTO author_key (tenant_id, author_key_id, vendor_id, class_id, kid, public_key, created_at) "
              f"VALUES (1, gen_random_uuid(), '{world.vendor_id}', '{world.class_id}', '\\x{thief.kid.hex()}', "
              f"'\\x{spki(thief).hex()}', 0)")
    releases = {"own-key": release(suit.manifest(2000, evil, **ids), thief, "9.0")}
    # A release of long ago, rightly signed: the numbers of the database are his to set.
    world.sql("DELETE FROM class_sequence")
    world.author.sequence = 499
    releases["replay"] = world.release("0.9", image=firmware.read_bytes() + b"old").id
    # A release for another class, rightly signed, under this class's name.
    world.add_class("gate")
    releases["other-class"] = world.release("1.5", image=firmware.read_bytes() + b"gate", class_name="gate").id
    world.sql(f"UPDATE release SET class_id = '{world.class_id}' WHERE release_id = '{releases['other-class']}'")
    # A good release whose image he changes on the disk.
    good = world.release("2.0", image=firmware.read_bytes() + b"good", )
    releases["changed-image"] = good.id
    path = world.server.state_dir / "images" / good.digest[:2] / good.digest[2:]
    with open(path, "r+b") as f:
        f.seek(-4, os.SEEK_END)
        f.write(b"evil")

    campaigns = {}
    for name, release_id in releases.items():
        body = {"name": name, "release_id": release_id, "target": {"devices": [name]}, "silent_after_s": 60}
        made = must(world.admin.post("/v1/campaigns", body), 201)
        must(world.admin.post(f"/v1/campaigns/{made['campaign_id']}/start", {}, headers={"If-Match": '"1"'}), 202)
        campaigns[name] = made["campaign_id"]

    def refused(name):
        return [(j["state"], j["cause"]) for j in world.jobs(campaigns[name]) if j["state"] in ("rejected", "failed")]
    for name, cause in (("own-key", "signature"), ("replay", "sequence"), ("other-class", "class")):
        assert wait_until(lambda: refused(name), 60, 0.2, f"{name} is refused") == [("rejected", cause)]
    # It fetches what the server sends, or is told to come back when the server has noticed; what it
    # wrote into its other slot is not what was signed, and never starts.
    wait_until(lambda: refused("changed-image") or metric(world, "muster_images_quarantined_total"), 60, 0.2,
               "the changed image is noticed")
    print("changed-image:", refused("changed-image") or "quarantined first")
    time.sleep(3)
    for name, agent in agents.items():
        assert agent.boot()["slot"] == "a" and agent.boot()["trial"] == "no", name
        assert "started slot b" not in agent.log(), name
    assert world.sql(f"SELECT count(*) FROM job WHERE state = {SUCCEEDED}") == [["0"]]


def spki(author):
    from cryptography.hazmat.primitives import serialization as s
    return author.key.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)


def test_A19_foreign_and_unknown_digests_look_and_take_the_same(planned):  # noqa: F811
    world, release, device = planned
    other = Device(world, "other")
    other.register()
    world.campaign(release, {"devices": ["alone"]})
    offer = device.wait_offer()
    random_digest = random.randbytes(32).hex()
    took = {what: [] for what in ("foreign", "unknown")}
    for _ in range(2000 if PROVE else 100):
        for what, digest in (("foreign", release.digest), ("unknown", random_digest)):
            started = time.perf_counter()
            answer = other.peer.get(f"/img/{digest}")
            took[what].append(time.perf_counter() - started)
            assert answer.answer == "4.03"
    a, b = (statistics.median(took[what]) for what in ("foreign", "unknown"))
    print(f"median foreign {a * 1e6:.0f} us, unknown {b * 1e6:.0f} us")
    assert 0.5 < a / b < 2
    manifest = offer[5].hex()
    mine, nobodys = other.peer.get(f"/manifest/{manifest}"), other.peer.get(f"/manifest/{random_digest}")
    assert mine.answer == nobodys.answer == "4.03" and mine.payload == nobodys.payload
    assert set(mine.options) == set(nobodys.options)


# --- C01: SQL injection ----------------------------------------------------------------------------

MARK = "zq7mark"
HOSTILE = [
    f"{MARK}'", f"{MARK}\"", f"{MARK}' OR '1'='1", f"{MARK}'; DROP TABLE device; --", f"{MARK}\\'", f"{MARK}$$x$$",
    f"{MARK}') UNION SELECT hash::text FROM token --", f"{MARK}%", f"{MARK}_%\\", f"{MARK}/* */", f"{MARK}--",
    f"{MARK}{{1,2}}", f"{MARK}\",\"x\"}}", f"{MARK}$1", f"{MARK}::regclass", f"{MARK}\u2019\u02bc", f"{MARK}\x00end",
    f"{MARK}%00", f"{MARK}\u0000\u0001", f"{MARK}\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    f"{MARK}' AND pg_sleep(10) --", f"{MARK}'||(SELECT 1/0)||'", f"{MARK}" + "'" * 300,
]


def fill(path, text):
    return re.sub(r"\{\w+\}", lambda _: urllib.parse.quote(text, safe=""), path)


def body_of(operation, text):
    """Every member of the body that the description has, hostile."""
    content = contract.resolve(operation.get("requestBody", {})).get("content", {})
    schema = contract.resolve(content.get("application/json", {}).get("schema", {}))
    return {name: value_of(contract.resolve(s), text) for name, s in schema.get("properties", {}).items()}


def value_of(schema, text, depth=3):
    kind = schema.get("type")
    if depth and kind == "array":
        return [value_of(contract.resolve(schema.get("items", {})), text, depth - 1)]
    if depth and kind == "object":
        named = {n: value_of(contract.resolve(s), text, depth - 1) for n, s in schema.get("properties", {}).items()}
        return named or {text: text, "plain": text}
    return text


def one_wrong_at_a_time(operation, text):
    whole = body_of(operation, text)
    yield whole
    good = {"name": "n", "role": "viewer", "endpoint": "e", "vendor": "v.example", "reason": "r"}
    for name, value in whole.items():
        yield {**{k: v for k, v in good.items() if k in whole}, name: value}


def test_C01_hostile_texts_reach_no_statement(server):
    """Every operation, each parameter, each member: no text of a statement ever holds them."""
    daemon = server(settings={"log.level": "info"})
    admin, seed = daemon.admin(), a_seed("C01")
    dice = random.Random(seed)
    admin.post("/v1/classes", {"vendor": "test.example", "name": "lock"})
    admin.post("/v1/devices", {"endpoint": "d", "psk": True, "attributes": {"a": "b"}})
    tables = daemon.pg.sql("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') ORDER BY 1", daemon.database)
    count = seen = 0
    operations = list(contract.operations())
    corpus = HOSTILE if PROVE else dice.sample(HOSTILE, 6)
    for path, method, operation in operations:
        for text in corpus:
            parameters = [contract.resolve(p) for p in operation.get("parameters", [])]
            query = [p["name"] for p in parameters if p["in"] == "query"]
            for params in [{}] + [{name: text} for name in query] + [{"page_token": text}, {text: text}]:
                for body in one_wrong_at_a_time(operation, text) if method != "get" and not params else [None]:
                    answer = admin.request(method.upper(), fill(path, text), params=params, json=body,
                                           headers={"If-Match": '"1"', "Idempotency-Key": str(uuid.uuid4())})
                    count += 1
                    assert answer.status_code < 500, f"{method} {path} {params} {body}: {answer.text}"
        seen += int(daemon.pg.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{daemon.database}' "
                                  f"AND pid <> pg_backend_pid() AND query LIKE '%{MARK}%'")[0][0])
    for text in HOSTILE:  # filters that are parsed further
        for params in ({"attribute": f"a={text}"}, {"attribute": f"{text}=b"}, {"endpoint_prefix": text}):
            answer = admin.get("/v1/devices", params=params)
            count += 1
            assert answer.status_code < 500 and answer.json().get("items", []) == [], (params, answer.text)
    print(f"{count} requests over {len(operations)} operations, {seen} statements held the mark")
    assert len(operations) > 40 and count > 500 and seen == 0
    assert daemon.pg.sql("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') ORDER BY 1", daemon.database) == tables
    assert not re.search(r"sqlstate=(42\w{3}|22P0[123]|22021|21\w{3})", daemon.log()), "PostgreSQL had to complain"
    assert admin.get("/v1/devices/d").status_code == 200


def test_C01_hostile_texts_of_devices_reach_no_statement(world):  # noqa: F811
    device = Device(world, "alone")
    for text in HOSTILE:
        clean = text.replace("\x00", "").replace("\x01", "")
        for more in ({1: clean}, {4: {clean: [bytes(32), "1.0"]}}, {4: {"main": [bytes(32), clean]}}, {8: {clean: clean}},
                     {8: {"a": clean}}):
            device.boot_id = os.urandom(8)
            answer = device.peer.post("/register", device.registration(more=more))
            assert answer.answer in ("2.04", "4.00", "4.03", "4.22"), (more, answer)
        segment = text.replace("/", "|")[:200]
        for path in (f"/img/{segment}", f"/manifest/{segment}"):
            assert device.peer.get(path).answer in ("4.00", "4.03")
        assert device.peer.post(f"/report/{segment}/1", cbor2.dumps({1: 2})).answer in ("4.00", "4.04")
    names = world.sql("SELECT count(*) FROM device")
    assert names == [["1"]] and "sqlstate=42" not in world.server.log()
    attribute = world.device("alone")["attributes"]
    assert attribute.get("a", "").startswith(MARK), "what was taken is kept as it came"
