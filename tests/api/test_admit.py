"""A device that is let into an encrypted release later, from its author's publication to the proof that it runs: by a
delegate who has neither the author's key nor the image, with the command line alone.  And what a delegate may not do."""

import base64
import hashlib
import json
import random

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from fleet import CLASS, MUSTER, SUCCEEDED, VENDOR, a_seed, make_world, must, run, world  # noqa: F401
from harness import wait_until
from test_cli_tiers import private, public
from test_mixed_fleet import Files, Variant, job_of, publish


class Club:
    def __init__(self, world):  # noqa: F811
        self.world, self.count = world, 0
        self.files = f = Files(world, random.Random(a_seed("admit")))
        self.old, self.new = f.firmware("old"), f.firmware("new")
        for name in ("a", "b", "c"):
            key = ec.generate_private_key(ec.SECP256R1())
            f.path(f"{name}.pem").write_bytes(private(key))
            f.path(f"{name}.pub").write_bytes(public(key))
        self.delegate = f.path("delegate.pem")
        run(MUSTER, "key", "new", self.delegate, "--no-passphrase")
        ids = {"vendor_id": world.vendor_id, "class_id": world.class_id}
        made = must(world.admin.post("/v1/author-keys", {
            **ids, "public_key_pem": f.path("delegate.pem.pub").read_text(), "delegate": True}), 201)
        assert made["delegate"] is True
        assert [k["delegate"] for k in must(world.admin.get("/v1/author-keys"), 200)["items"]].count(True) == 1
        self.payload, self.info = f.encrypted(self.new, "--recipient", f"dev-a={f.path('a.pub')}")
        f.upload(self.payload)
        self.update = self.signed("update", self.world.author.key)

    def signed(self, name, key, components=None, **top):
        f = self.files
        components = components or [{"id": "main", "install": "copy", "image": {
            "file": str(self.new), "via": "dl/full", "fetched": {"file": str(self.payload)},
            "encryption_info": {"file": str(self.info)}, "encryption_info_replaceable": True}}, {"id": "dl/full"}]
        source, out = f.path(f"{name}.json"), f.path(f"{name}.suit")
        source.write_text(json.dumps({"vendor": VENDOR, "class": CLASS, "components": components,
                                      **{"sequence": f.sequence, **top}}))
        run(MUSTER, "manifest", "create", source, "--key", key, "--out", out, "--no-input")
        return out

    def admits(self, *names, update=None, key=None, sequence=None):
        self.count += 1
        f, out = self.files, self.files.path(f"admission-{self.count}.suit")
        recipients = [w for n in names for w in ("--recipient", f"dev-{n}={f.path(n + '.pub')}")]
        run(MUSTER, "manifest", "admit", update or self.update, "--device-key", f"dev-a={f.path('a.pem')}", *recipients,
            "--key", key or self.delegate, "--sequence", str(sequence or f.sequence), "--out", out)
        return out

    def device(self, name):
        f = self.files
        self.world.add_device(name)
        return self.world.agent(name, self.old, device_key_file=f.path(f"{name}.pem"), device_key_id=f"dev-{name}",
                                delegate=f.path("delegate.pem.pub"), only_encrypted="yes")

    def runs(self, device, image):
        boot = device.boot()
        return boot["trial"] == "no" and device.slot_digest(boot["slot"]) == \
            hashlib.sha256(image.read_bytes()).hexdigest()

    def add(self, release, manifest):
        return self.world.admin.post(f"/v1/releases/{release.id}/manifests", {"envelope": text(manifest)})

    def campaign(self, release, *names):
        return self.world.campaign(release, {"devices": list(names)})


def text(manifest):
    return base64.b64encode(manifest.read_bytes()).decode()


@pytest.fixture
def club(world):  # noqa: F811
    return Club(world)


def judged(club, campaign, name):
    wait_until(lambda: club.world.jobs(campaign) and job_of(club.world, campaign, name)["state"] in ("rejected", "succeeded"),
               90, 0.2, f"{name} has ended")
    return job_of(club.world, campaign, name)


def test_a_device_is_let_in_and_proved_to_run(club):
    agents = {name: club.device(name) for name in ("a", "b", "c")}
    club.world.wait_registered(3)
    release = publish(club.world, "2.0.0", club.new, Variant(club.update, club.payload))
    assert judged(club, club.campaign(release, "a"), "a")["state"] == "succeeded"
    first = club.campaign(release, "b")
    assert judged(club, first, "b")["state"] == "rejected" and club.runs(agents["b"], club.old)
    assert "encrypted for others" in agents["b"].log()
    assert SUCCEEDED not in {int(s) for (s,) in club.world.sql(f"SELECT state FROM job WHERE campaign_id = '{first}'")}
    must(club.add(release, club.admits("b")), 201)
    second = club.campaign(release, "b", "c")
    assert judged(club, second, "b")["state"] == "succeeded", agents["b"].log()
    assert club.runs(agents["b"], club.new)
    # the other one is not offered what lets b in
    assert judged(club, second, "c")["state"] == "rejected" and club.runs(agents["c"], club.old)
    offered = {e: bytes.fromhex(d.removeprefix("\\x")) for e, d in club.world.sql(
        "SELECT d.endpoint, j.manifest_digest FROM job j JOIN device d USING (tenant_id, device_id) "
        f"WHERE j.campaign_id = '{second}'")}
    admission, update = (bytes.fromhex(Variant(p, club.payload).digest) for p in
                         (club.files.path("admission-1.suit"), club.update))
    assert offered == {"b": admission, "c": update}


def with_a_flipped_bit(club):
    """An admission, in the signature of the author's manifest inside it."""
    out, content = club.files.path("broken.suit"), bytearray(club.admits("b").read_bytes())
    block = cbor2.loads(cbor2.loads(cbor2.loads(club.update.read_bytes()).value[2])[1])
    content[content.index(block.value[3]) + 5] ^= 1
    out.write_bytes(content)
    return out


def test_a_delegate_lets_devices_in_and_nothing_else(club):
    """Whatever else it signs is refused at upload; the agent's own refusals are in tests/agent/test_agent_admit.py."""
    release = publish(club.world, "2.0.0", club.new, Variant(club.update, club.payload))

    def refused(answer, error):
        assert answer.status_code in (403, 422) and error in answer.text, answer.text

    def new(manifest):
        return club.world.admin.post("/v1/releases", {"envelope": text(manifest), "version": "3.0.0"})

    whole = club.signed("own", club.delegate)
    later = club.signed("later", club.delegate, sequence=200)
    refused(new(later), "author-not-allowed")
    refused(club.add(release, whole), "author-not-allowed")
    refused(new(club.admits("b", sequence=200)), "author-not-allowed")
    refused(club.add(release, club.admits("b", update=whole)), "author-not-allowed")
    other = club.signed("other", club.world.author.key, sequence=99)
    refused(club.add(release, club.admits("b", update=other)), "author-not-allowed")
    refused(club.add(release, club.admits("b", sequence=99)), "variant-differs")
    stranger = club.files.path("stranger.pem")
    run(MUSTER, "key", "new", stranger, "--no-passphrase")
    refused(club.add(release, club.admits("b", key=stranger)), "author-key-unknown")
    refused(club.add(release, club.admits("b", update=club.signed("theirs", stranger))), "author-key-unknown")
    refused(club.add(release, with_a_flipped_bit(club)), "signature-invalid")
    image = {"override": {"file": str(club.new), "uri": "img/" + hashlib.sha256(club.new.read_bytes()).hexdigest()}}
    inside = {"dependencies": [{"file": str(club.update), "uri": "#update", "integrated": True}], "sequences": {
        "install": [{"index": 0}, image, "fetch", "condition-image-match", {"index": 1}, "condition-dependency-integrity", "process-dependency"]}}
    refused(club.add(release, club.signed("fetches", club.delegate, [{"id": "main"}], **inside)), "author-not-allowed")
    must(club.add(release, club.admits("b", "c")), 201)
    must(club.add(release, club.admits("c")), 201)


def test_a_nest_of_dependencies_is_refused(club):
    release = publish(club.world, "2.0.0", club.new, Variant(club.update, club.payload))
    manifest = club.update
    for i in range(4):
        manifest = club.signed(f"nest-{i}", club.world.author.key, [{"id": "main"}], dependencies=[
            {"file": str(manifest), "uri": "#d", "integrated": True,
             "process_in": ["dependency-resolution", "payload-fetch", "install", "validate"]}])
    answer = club.add(release, manifest)
    assert answer.status_code == 422 and "manifest-invalid" in answer.text, answer.text


def inside(manifest, name):
    return [{"file": str(manifest), "uri": name, "integrated": True}]


def test_an_update_with_a_dependency_of_its_own(club):
    """What its author depends on is no manifest of the release, and comes with it."""
    config = club.files.path("config")
    config.write_bytes(b"c2")
    club.files.upload(config)
    author = club.world.author.key
    modem = club.signed("modem", author, [{"id": "config", "image": {"file": str(config)}}])
    update = club.signed("nested", author, dependencies=inside(modem, "#modem"))
    release = publish(club.world, "2.0.0", club.new, Variant(update, club.payload))
    must(club.add(release, club.admits("b", update=update)), 201)
    both = club.signed("both", club.delegate, [{"id": "main"}], dependencies=inside(update, "#update") + inside(modem, "#modem"))
    answer = club.add(release, both)
    assert answer.status_code == 422 and "is no manifest of this release" in answer.text, answer.text


def test_an_admission_lets_somebody_in_and_opens_everything(club):
    f, author = club.files, club.world.author.key

    def refused(update, name, why):
        release = publish(club.world, f"{f.sequence}.0.0", club.new, Variant(update, club.payload))
        answer = club.add(release, club.signed(name, club.delegate, [{"id": "main"}], dependencies=inside(update, "#update")))
        assert answer.status_code == 422 and why in answer.text, answer.text

    f.manifest("plain", club.new)
    refused(f.path("plain.suit"), "nobody", "it lets no device in")
    f.sequence += 1
    config = f.path("config")
    config.write_bytes(b"c2" * 20)
    payload, info = f.encrypted(config, "--recipient", f"dev-c={f.path('c.pub')}")
    f.upload(payload)
    components = [{"id": name, "install": "copy", "fetch_in": "install", "image": {
        "file": str(image), "via": "dl/full", "fetched": {"file": str(fetched)}, "encryption_info": {"file": str(i)},
        "encryption_info_replaceable": True}} for name, image, fetched, i in
        [("main", club.new, club.payload, club.info), ("config", config, payload, info)]] + [{"id": "dl/full"}]
    refused(club.signed("two", author, components), "one", "an admission has one")
