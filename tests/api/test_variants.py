"""Uploads of every kind of manifest that `muster manifest create` makes: what is taken, what is stored of it, what is
refused and in which words; two vendors in one device; variants of a release."""

import base64
import hashlib
import json
import random
import uuid

import cbor2
import pytest

import suit
from harness import wait_until
from test_cli_server import Cli
from test_releases import is_error

CLASS, IDS = "acme.example/lock-7", {"vendor": "acme.example", "class": "lock-7"}
RANDOM = random.Random(7)
OLD = RANDOM.randbytes(4000) + bytes(2000)
NEW = OLD[:3000] + b"a change" + OLD[3000:]
FILES = {"old.bin": OLD, "new.bin": NEW, "a.bin": NEW + b"A", "b.bin": NEW + b"BB", "config.json": b'{"a": 1}',
         "class.key": bytes(range(16)), "plain.patch": b"a patch of nobody's"}


def sha(data):
    return hashlib.sha256(data).hexdigest()


def manifest_digest(envelope):
    return hashlib.sha256(suit.encode(cbor2.loads(envelope).value[3])).hexdigest()


class World(Cli):
    """An administrator's home with files, an author of everything, one of the modem and one of the application."""

    def prepare(self):
        for name, content in FILES.items():
            (self.home / name).write_bytes(content)
        self("class", "create", CLASS)
        for name, scope in (("all", None), ("app", "app"), ("modem", "modem")):
            self("key", "new", f"{name}.pem", "--no-passphrase")
            self("key", "register", f"{name}.pem.pub", "--class", CLASS, *(["--component", scope] if scope else []))
        self("key", "new", "stranger.pem", "--no-passphrase")
        self.server.token = json.loads((self.home / ".config/muster/login.json").read_text())["token"]
        self.rest = self.server.client(self.server.token)
        self.count = 0
        return self

    def read(self, name):
        return (self.home / name).read_bytes()

    def make(self, source, *keys, **members):
        """The envelope of a source, signed by each key; its file is self.last."""
        self.count += 1
        (self.home / "source.json").write_text(json.dumps({"sequence": 100 + self.count, **IDS, **source, **members}))
        self.last = f"m{self.count}.suit"
        keys = keys or ("all",)
        self("manifest", "create", "source.json", "--key", f"{keys[0]}.pem", "--out", self.last)
        for key in keys[1:]:
            self.count += 1
            more = f"m{self.count}.suit"
            self("manifest", "sign", self.last, "--key", f"{key}.pem", "--out", more, "--yes")
            self.last = more
        return self.read(self.last)

    def put(self, *contents):
        for data in contents:
            answer = self.rest.put(f"/v1/images/{sha(data)}", data=data)
            assert answer.status_code in (200, 201), answer.text

    def upload(self, envelope, version="1.0"):
        return self.rest.post("/v1/releases", {"envelope": base64.b64encode(envelope).decode(), "version": version})

    def release(self, source, *keys, version="1.0", **members):
        answer = self.upload(self.make(source, *keys, **members), version)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def refused(self, envelope, code, *words, status=422):
        """Every refusal says what and where, in the detail and as a field."""
        problem = is_error(self.upload(envelope), status, code)
        assert problem["errors"] == [{"pointer": "/envelope", "detail": problem["detail"]}]
        for word in words:
            assert word in problem["detail"], problem["detail"]
        return problem

    def add(self, release, envelope):
        return self.rest.post(f"/v1/releases/{release['release_id']}/manifests",
                              {"envelope": base64.b64encode(envelope).decode()})

    def nothing_stored(self):
        assert self.rest.get("/v1/releases").json() == {"items": []}


@pytest.fixture
def world(daemon, tmp_path):
    return World(tmp_path / "home", daemon).login().prepare()


def one(**image):
    return {"components": [{"id": "main", "image": {"file": "new.bin", **image}}]}


def via(area, **image):
    """Into a download area, then copied."""
    return {"components": [{"id": "main", "install": "copy", "image": {"file": "new.bin", "via": area, **image}},
                           {"id": area}]}


def modem(file="old.bin", name="modem", **more):
    return {"components": [{"id": name, "image": {"file": file, **more}}]}


# --- what is stored --------------------------------------------------------------------------

def test_several_components(world):
    source = {"components": [
        {"id": "main", "image": {"file": "new.bin"}},
        {"id": "config", "image": {"file": "config.json", "uri": "#config", "integrated": True}},
        {"id": "etc/motd", "install": "write", "image": {"content": {"text": "hello"}, "digest": sha(b"hello"), "size": 5}}]}
    world.put(NEW)
    made = world.release(source)
    assert made["components"] == ["config", "etc/motd", "main"]
    assert made["installed"] == [{"component": "config", "digest": sha(FILES["config.json"])},
                                 {"component": "etc/motd", "digest": sha(b"hello")},
                                 {"component": "main", "digest": sha(NEW)}]
    m = made["manifests"][0]
    assert (m["images"], m["bytes"], m["image_bytes"]) == ([{"digest": sha(NEW), "size": len(NEW)}], len(NEW), len(NEW))
    assert m["needs"] == [] and "base" not in m and not m["encrypted"]


def test_all_of_it_may_travel_in_the_envelope(world):
    made = world.release(one(uri="#fw", integrated=True))
    assert made["manifests"][0]["images"] == [] and made["manifests"][0]["bytes"] == 0
    assert made["manifests"][0]["image_bytes"] == len(NEW)


def test_slots(world):
    source = {"components": [{"id": "main", "images": [{"slot": 0, "file": "a.bin"}, {"slot": 1, "file": "b.bin"}]}]}
    world.put(FILES["a.bin"])
    world.refused(world.make(source), "image-missing", sha(FILES["b.bin"]), "upload it first")
    world.put(FILES["b.bin"])
    made = world.release(source)
    assert {i["digest"] for i in made["installed"]} == {sha(FILES["a.bin"]), sha(FILES["b.bin"])}
    assert made["manifests"][0]["bytes"] == len(FILES["b.bin"]), "the larger of the two ways"
    assert {i["digest"] for i in made["manifests"][0]["images"]} == {i["digest"] for i in made["installed"]}


def test_delta_or_full(world):
    """With an alternative it is for any device that reads the format; at most the full image is fetched."""
    world("delta", "create", "old.bin", "new.bin", "--format", "heatshrink", "--out", "p", "--max-percent", "100")
    world.put(NEW, world.read("p"))
    made = world.release({"components": [
        {"id": "main", "install": "copy", "images": [
            {"file": "new.bin", "precursor": {"file": "old.bin"}, "via": "dl/patch-heatshrink", "fetched": {"file": "p"}},
            {"file": "new.bin", "via": "dl/full"}]},
        {"id": "dl/patch-heatshrink"}, {"id": "dl/full"}]})
    m = made["manifests"][0]
    assert (m["needs"], m["bytes"], m["image_bytes"], m.get("base")) == (["patch-heatshrink"], len(NEW), len(NEW), None)
    assert made["components"] == ["main"], "download areas are no components of a release"
    assert made["installed"] == [{"component": "main", "digest": sha(NEW)}]


def test_sections_that_are_severed(world):
    world.put(NEW)
    envelope = world.make(one(), sever=["text", "install"], text={"en": {"components": {"main": {"version": "2.0"}}}})
    tag = cbor2.loads(envelope)
    for key, code in ((20, 422), (23, 201)):
        lean = cbor2.CBORTag(107, {k: v for k, v in tag.value.items() if k != key})
        answer = world.upload(cbor2.dumps(lean, canonical=True), "2.0")
        assert answer.status_code == code, answer.text
        if code == 422:
            assert "a section was removed" in answer.json()["detail"]
    changed = cbor2.CBORTag(107, {**tag.value, 20: tag.value[20][:-1] + b"\x0e"})
    world.refused(cbor2.dumps(changed, canonical=True), "manifest-invalid", "digest")


# --- what is refused -------------------------------------------------------------------------

FETCH = ["fetch", "condition-image-match"]
INFO = {"file": "info"}
REFUSED = {
    "nobody's image": (one(), "image-missing", ["was not uploaded"]),
    "another size": ({"components": [{"id": "main", "image": {"digest": sha(OLD), "size": 7}}]}, "image-missing",
                     [sha(OLD), f"has {len(OLD)} bytes, the manifest says 7"]),
    "elsewhere": (one(uri="coap://evil.example/x"), "manifest-invalid", ["coap://evil.example/x for main", "img/"]),
    "another digest": (one(uri="img/" + sha(OLD)), "manifest-invalid", ["img/", "main"]),
    "too large": ({"components": [{"id": "main", "image": {"digest": sha(OLD), "size": 1 << 31}}]}, "manifest-invalid",
                  ["larger than 1 GiB"]),
    "without a size": ({"components": [{"id": "main", "install": "none"}], "sequences": {"install": [
        {"override": {"uri": "img/" + sha(OLD), "digest": sha(OLD)}}, *FETCH]}}, "manifest-invalid", ["without a size"]),
    "without a digest": ({"components": [{"id": "main", "install": "none"}], "sequences": {"install": [
        {"override": {"uri": "img/" + sha(OLD), "size": 1}}, "fetch"]}}, "manifest-invalid",
        ["main is changed, and its digest is not compared"]),
    "not compared": ({"components": [{"id": "main", "image": {"file": "old.bin"}}],
                      "sequences": {"install": [{"override": {"uri": "img/" + sha(OLD)}}, "fetch"], "validate": []}},
                     "manifest-invalid", ["main is changed, and its digest is not compared", "validate it"]),
    "compared, and gone on without": ({"components": [{"id": "main", "image": {"file": "old.bin"}}], "sequences": {"install": [
        {"override": {"uri": "img/" + sha(OLD)}}, "fetch",
        {"try-each": [["condition-image-match"], ["condition-image-match"], None]}], "validate": []}}, "manifest-invalid", ["main is changed, and its digest is not compared"]),
    "a place to stage that is no download area": (
        {"components": [{"id": "main", "install": "copy", "image": {"file": "old.bin", "via": "enc"}}, {"id": "enc"}]},
        "manifest-invalid", ["component enc", "call it dl/FORMAT"]),
    "a format that is none": (via("dl/LZMA"), "manifest-invalid", ["component dl/LZMA", "a-z, 0-9 and -"]),
    "a download area below another": (via("dl/lzma/x"), "manifest-invalid", ["component dl/lzma/x"]),
    "A10: a delta for any image": (via("dl/patch-lzma", fetched={"file": "plain.patch"}), "manifest-invalid",
                                   ["is a delta", "give it a precursor"]),
    "A10: deltas for two images and no other way": (
        {"components": [{"id": "main", "install": "copy", "images": [
            {"file": "new.bin", "precursor": {"file": f}, "via": "dl/patch-lzma", "fetched": {"file": "plain.patch"}}
            for f in ("a.bin", "b.bin")]}, {"id": "dl/patch-lzma"}]}, "manifest-invalid",
        ["every way of it wants a precursor", "one manifest for each"]),
    "no class": ({"vendor": None, "class": None, "components": [{"id": "main", "image": {"file": "old.bin"}}]},
                 "manifest-invalid", ["before both vendor and class were checked"]),
    "two classes": ({"class": None, "classes": ["lock-7", "lock-8"], **modem(name="main")}, "manifest-invalid",
                    ["for 2 class ids", "sign one for each"]),
    "one device": ({"device_id": str(uuid.UUID(int=7)), **modem(name="main")}, "manifest-invalid", ["one device alone"]),
    "an unknown class": ({"class": "unheard-of", **modem(name="main")}, "validation", ["create the class first"]),
    "a vendor's own command": ({**modem(name="main"), "sequences": {"install": [
        {"override": {"uri": "img/" + sha(OLD)}}, {"custom": [-300, None]}, *FETCH]}}, "manifest-invalid",
        ["a vendor's own command"]),
    "a vendor's own command at the end": ({**modem(name="main"), "sequences": {"uninstall": [{"custom": [-300, None]}]}},
                                          "manifest-invalid", ["a vendor's own command"]),
    "no device": ({**modem(name="main"), "sequences": {"install": ["abort"]}}, "manifest-invalid",
                  ["conditions exclude each other"]),
    "a device gets stuck": ({**modem(name="main"), "sequences": {"install": ["copy"]}}, "manifest-invalid",
                            ["a device could not update by it", "in install", "component index 0"]),
    "too many ways": (
        {"components": [{"id": "main", "image": {"file": "old.bin"}}], "sequences": {"install": [
            *({"try-each": [[{"override": {"battery_mwh": i}}, "condition-battery"], [{"override": {"battery_mwh": 0}}]]}
              for i in range(11)),
            {"override": {"uri": "img/" + sha(OLD)}}, *FETCH]}}, "manifest-invalid", ["gone through in every way"]),
    "another payload inside": (
        {"components": [{"id": "main", "image": {"digest": sha(OLD), "size": len(NEW), "uri": "#fw"}}],
         "payloads": {"#fw": {"file": "new.bin"}}}, "manifest-invalid",
        ["#fw for main", "is not the image that the manifest names"]),
    "a payload inside of another size": (
        {"components": [{"id": "main", "image": {"digest": sha(NEW), "size": 5, "uri": "#fw"}}],
         "payloads": {"#fw": {"file": "new.bin"}}}, "manifest-invalid", ["has 6008 bytes", "says 5"]),
    "a payload inside that is not there": (
        {"components": [{"id": "main", "image": {"file": "new.bin", "uri": "#fw"}}]}, "manifest-invalid",
        ["a device could not update by it: something required is missing"]),
    "a dependency that is nowhere": (
        {**modem(name="main"), "dependencies": [{"digest": "ab" * 32, "size": 9, "process_in": ["install"]}]},
        "dependency-missing", ["ab" * 32, "neither in the envelope nor released here"]),
    "a dependency elsewhere": (
        {**modem(name="main"), "dependencies": [{"digest": "ab" * 32, "size": 9, "uri": "coap://evil.example/m"}]},
        "dependency-missing", ["coap://evil.example/m", "img/ and its SHA-256"]),
}


def test_A10_A12_A13_A14_uploads_that_are_refused(world):
    world.put(OLD, FILES["plain.patch"])
    wrong = {}
    for what, (source, code, words) in REFUSED.items():
        members = {k: v for k, v in {**IDS, **source}.items() if v is not None}
        (world.home / "s.json").write_text(json.dumps(members))
        world("manifest", "create", "s.json", "--key", "all.pem", "--out", f"{code}-{len(wrong)}-{what}.suit")
        problem = world.upload(world.read(f"{code}-{len(wrong)}-{what}.suit")).json()
        if problem.get("type") != f"urn:muster:error:{code}" or any(w not in problem["detail"] for w in words):
            wrong[what] = problem
        else:
            assert problem["errors"] == [{"pointer": "/envelope", "detail": problem["detail"]}]
    assert not wrong, json.dumps(wrong, indent=1)
    world.nothing_stored()


def test_A01_signers_of_uploads(world):
    world.put(OLD)
    world.refused(world.make(modem(), "all", "stranger"), "author-key-unknown", "the manifest: no author key", "muster key register")
    world("manifest", "create", "source.json", "--out", "none.suit")
    world.refused(world.read("none.suit"), "manifest-invalid", "the manifest is not signed")
    body = cbor2.loads(world.read("none.suit")).value[3]
    digest = suit.encode([suit.SHA256, hashlib.sha256(suit.encode(body)).digest()])
    mac = suit.encode(cbor2.CBORTag(107, {2: suit.encode([digest, suit.mac_block(digest, bytes(32), b"class")]), 3: body}))
    world.refused(mac, "manifest-invalid", "a MAC and no author's signature", "sign it too")
    (world.home / "mac.suit").write_bytes(mac)
    world("manifest", "sign", "mac.suit", "--key", "modem.pem", "--out", "both.suit", "--yes")
    assert world.upload(world.read("both.suit")).status_code == 201


def test_A02_sequence_holds_for_each_component(world):
    """Whatever set of components it came with: an older image of one does not come back in another set."""
    world.put(OLD, NEW)
    world.release(PAIR, sequence=20)
    for source in (modem("new.bin", "app"), modem("new.bin", "modem/radio")):
        for sequence in (19, 20):
            is_error(world.upload(world.make(source, sequence=sequence)), 409, "sequence-not-higher")
    world.release(modem("new.bin", "app"), sequence=21)
    is_error(world.upload(world.make(PAIR, sequence=21)), 409, "sequence-not-higher")
    world.release(modem("new.bin", "main"), sequence=5)
    world.release(PAIR, sequence=22)


# --- two vendors -----------------------------------------------------------------------------

PAIR = {"components": [{"id": "app", "image": {"file": "new.bin"}}, {"id": "modem/radio", "image": {"file": "old.bin"}}]}


def test_A12_two_vendors_sign_for_their_own_component(world):
    world.put(OLD, NEW)
    app, radio = modem("new.bin", "app"), modem(name="modem/radio")
    assert world.release(modem(), "modem")["components"] == ["modem"]
    assert world.release(radio, "modem")["components"] == ["modem/radio"]
    assert world.release(app, "app")["components"] == ["app"]
    for source, key, component, scope in ((app, "modem", "app", "modem"), (radio, "app", "modem/radio", "app"),
                                          (modem(name="modem2"), "modem", "modem2", "modem"),
                                          (PAIR, "modem", "app", "modem"), (PAIR, "app", "modem/radio", "app")):
        world.refused(world.make(source, key), "author-not-allowed",
                      f"the manifest has component {component}, and its authors may touch {scope} alone",
                      f"let an author of {component} sign it too")
    assert world.release(PAIR, "app", "modem")["components"] == ["app", "modem/radio"], "both have signed"


def test_A12_a_component_is_touched_in_any_section(world):
    """Loaded into, run, or removed: not only what an update changes."""
    world.put(OLD)
    own = {"id": "modem", "image": {"file": "old.bin"}}
    for more, first in (([{"id": "app"}], {"load": {"into": "app", "file": "old.bin"}}),
                        ([{"id": "app", "invoke": True}], {}), ([{"id": "app", "uninstall": True}], {})):
        source = {"components": [{**own, **first}, *more]}
        world.refused(world.make(source, "modem"), "author-not-allowed", "component app")
        made = world.release(source)
        assert made["components"] == ["modem"], "an update itself changes the modem alone"
    looks = {"components": [own, {"id": "app", "install": "none", "image": {"file": "new.bin"}}]}
    made = world.release(looks, "modem")
    assert made["manifests"][0]["base"] == {"component": "app", "digest": sha(NEW)}, "to look at it is allowed"
    world.refused(world.make(modem(), "modem", manifest_component="app"), "author-not-allowed", "manifest_component")
    world.release(modem(), "modem", manifest_component="modem/suit")


TAKE = [{"index": 1}, {"override": {"content": {"text": "taken"}, "digest": sha(b"taken"), "size": 5}}, "write",
        "condition-image-match"]
SEEN = {  # Install sections that go on with the application where a device does not hold what was compared.
    "another size": [{"index": 0}, {"override": {"uri": "img/" + sha(OLD)}}, *FETCH,
                     {"try-each": [[{"override": {"size": len(OLD) + 1}}, "condition-image-match"], TAKE]}],
    "another size than before": [
        {"index": 0}, {"try-each": [["condition-image-match"], [{"override": {"uri": "img/" + sha(OLD)}}, *FETCH]]},
        {"try-each": [[{"override": {"size": len(OLD) + 1}}, "condition-image-match"], TAKE]}],
    "another digest": [{"index": 0}, {"override": {"content": {"text": "radio"}}}, "write", {"try-each": [
        [{"override": {"digest": sha(b"no"), "size": 5}}, "condition-image-match"],
        [{"override": {"digest": sha(b"radio"), "size": 5}}, "condition-image-match", *TAKE]]}]}


@pytest.mark.parametrize("what", SEEN)
def test_A12_another_component_is_touched_where_a_comparison_fails(world, what):
    """A device compares the size too, and what it writes may have the second digest that is asked for."""
    world.put(OLD)
    source = {"components": [{"id": "modem", "install": "none", "image": {"file": "old.bin"}}, {"id": "app"}],
              "sequences": {"install": SEEN[what], "validate": []}}
    world.refused(world.make(source, "modem"), "author-not-allowed", "the manifest has component app")


def pair_by_dependency(world, keys, inner=None, **how):
    """The application's manifest brings the modem's along."""
    inside = world.make(inner or modem(), keys[1])
    dependency = {"prefix": "modem", "file": world.last, **(how or {"uri": "#modem", "integrated": True})}
    return inside, world.make({**modem("new.bin", "app"), "dependencies": [dependency]}, keys[0])


def test_A12_two_vendors_by_dependency(world):
    """Each manifest is held to its own authors, whoever brings it along."""
    world.put(OLD, NEW)
    inside, good = pair_by_dependency(world, ("app", "modem"))
    answer = world.upload(good)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["components"] == ["app", "modem"] and len(made["manifests"][0]["images"]) == 2
    assert made["manifests"][0]["bytes"] == len(OLD) + len(NEW)
    for keys, where in ((("app", "app"), "dependency {} has component modem"),
                        (("modem", "modem"), "the manifest has component app"),
                        (("modem", "app"), "the manifest has component app")):
        inside, envelope = pair_by_dependency(world, keys)
        world.refused(envelope, "author-not-allowed", where.format(manifest_digest(inside)[:12]))
    inside, envelope = pair_by_dependency(world, ("app", "stranger"))
    world.refused(envelope, "author-key-unknown", f"dependency {manifest_digest(inside)[:12]}")
    world.refused(pair_by_dependency(world, ("app", "modem"), inner=modem("new.bin", "app"))[1], "author-not-allowed",
                  "has component app")


def test_A12_A20_what_a_dependency_is_told_counts_as_a_touch(world):
    """A dependent sets what its dependency uses: naming the other's component is enough to be refused."""
    world.put(OLD, NEW)
    world.make(modem(), "modem")
    source = {"components": [{"id": "app", "image": {"file": "new.bin"}}, {"id": "modem"}],
              "dependencies": [{"file": world.last, "uri": "#modem", "integrated": True}]}
    world.refused(world.make(source, "app"), "author-not-allowed", "the manifest has component modem")
    assert world.upload(world.make(source, "app", "modem")).status_code == 201


# --- dependencies ----------------------------------------------------------------------------

def test_A06_dependency_that_is_fetched_from_here(world):
    world.put(OLD, NEW)
    inside = world.make(modem(), "modem")
    (world.home / "inside.suit").write_bytes(inside)
    envelope = world.make({**modem("new.bin", "app"), "dependencies": [
        {"prefix": "modem", "file": "inside.suit", "uri": "img/" + sha(inside)}]}, "app")
    world.refused(envelope, "dependency-missing", "img/" + sha(inside), "upload its envelope as an image")
    world.put(inside)
    made = world.upload(envelope).json()
    images = {i["digest"]: i["size"] for i in made["manifests"][0]["images"]}
    assert images == {sha(OLD): len(OLD), sha(NEW): len(NEW), sha(inside): len(inside)}
    assert made["manifests"][0]["bytes"] == sum(images.values())
    for members, code in (({"sequence": 101}, "author-key-unknown"), ({"sequence": 9}, "manifest-invalid")):
        stranger = world.make(modem(), "stranger", **members)
        if code == "author-key-unknown":
            (world.home / "stranger.suit").write_bytes(stranger)
        world.put(stranger)
        other = world.make({**modem("new.bin", "app"), "dependencies": [
            {"file": "inside.suit", "uri": "img/" + sha(stranger)}]}, "app")
        world.refused(other, code)
    # A good copy inside does not speak for another one outside.
    twice = world.make({**modem("new.bin", "app"), "dependencies": [
        {"prefix": "a", "file": "inside.suit", "uri": "#m", "integrated": True},
        {"prefix": "b", "file": "stranger.suit", "uri": "img/" + sha(world.read("stranger.suit"))}]}, "app")
    world.refused(twice, "author-key-unknown", "dependency " + manifest_digest(inside)[:12])


def test_A06_dependency_that_devices_have(world):
    """One without a URI must have been released here, and not be withdrawn."""
    world.put(OLD, NEW)
    inside = world.make(modem(), "modem")
    name = world.last
    source = {**modem("new.bin", "app"), "dependencies": [{"file": name}]}
    world.refused(world.make(source, "app"), "dependency-missing", "neither in the envelope nor released here")
    release = world.upload(inside).json()
    made = world.release(source, "app")
    assert made["components"] == ["app", "modem"] and len(made["manifests"][0]["images"]) == 2
    done = world.rest.post(f"/v1/releases/{release['release_id']}/withdraw", {}, headers={"If-Match": '"1"'})
    assert done.status_code == 200
    world.refused(world.make(source, "app"), "dependency-missing")


def test_A16_dependency_of_a_revoked_author(world):
    world.put(OLD, NEW)
    _, good = pair_by_dependency(world, ("app", "modem"))
    key = [k for k in world.json("key", "ls") if k["component"] == "modem"][0]
    world("key", "revoke", key["author_key_id"], "--yes")
    world.refused(good, "author-key-unknown", "dependency ")


# --- variants --------------------------------------------------------------------------------

def variants(world, sequence):
    """A full release with a compressed, a delta and an encrypted manifest, each really made."""
    world("image", "compress", "new.bin", "--format", "lzma", "--out", "new.lzma")
    world("delta", "create", "old.bin", "new.bin", "--format", "heatshrink", "--out", "new.patch", "--max-percent", "100")
    world("image", "encrypt", "new.lzma", "--kek", "c=class.key", "--out", "new.enc", "--info", "info")
    full = world.make(one(), sequence=sequence)
    made = {
        "lzma": world.make(via("dl/lzma", fetched={"file": "new.lzma"}), sequence=sequence),
        "delta": world.make(via("dl/patch-heatshrink", precursor={"file": "old.bin"}, fetched={"file": "new.patch"}),
                            sequence=sequence),
        "encrypted": world.make(via("dl/lzma", fetched={"file": "new.enc"}, encryption_info=INFO), sequence=sequence),
    }
    world.put(NEW, *(world.read(f) for f in ("new.lzma", "new.patch", "new.enc")))
    return full, made


def test_with_recipients_of_both_kinds_either_key_will_do(world):
    world("key", "new", "device.pem", "--no-passphrase")
    world.put(NEW, OLD)
    wanted = []
    for n, words in enumerate((["--kek", "c=class.key"], ["--recipient", "device.pem.pub"],
                               ["--kek", "c=class.key", "--recipient", "device.pem.pub"]), 7):
        world("image", "encrypt", "new.bin", *words, "--out", f"{n}.enc", "--info", f"{n}.info")
        world.put(world.read(f"{n}.enc"))
        envelope = world.make(via("dl/full", fetched={"file": f"{n}.enc"}, encryption_info={"file": f"{n}.info"}),
                              sequence=n)
        answer = world.upload(envelope, f"3.{n}")
        assert answer.status_code == 201, answer.text
        wanted.append(answer.json()["manifests"][0]["needs"])
    assert wanted == [["aes-kw", "gcm"], ["ecdh-es", "gcm"], ["aes-kw|ecdh-es", "gcm"]]


def test_manifests_from_before_are_read_again(world):
    """What migration 0007 left, as a daemon finds it when it starts."""
    full, more = variants(world, 7)
    release = world.upload(full, "3.7").json()
    for envelope in more.values():
        assert world.add(release, envelope).status_code == 201
    path = f"/v1/releases/{release['release_id']}"
    by_digest = lambda: sorted(world.rest.get(path).json()["manifests"], key=lambda m: m["digest"])  # noqa: E731
    want, server = by_digest(), world.server
    server.stop()
    server.pg.sql("UPDATE manifest SET surveyed = false, needs = '{}', base_component = NULL, base_digest = NULL",
                  server.database)
    server.start()
    wait_until(lambda: by_digest() == want, 20, what="all that the envelopes say")
    wait_until(lambda: server.pg.sql("SELECT bool_and(surveyed) FROM manifest", server.database) == [["t"]], 10)


def test_variants_of_a_release(world):
    full, more = variants(world, 7)
    release = world.upload(full, "3.7").json()
    path = f"/v1/releases/{release['release_id']}"
    for i, envelope in enumerate(more.values(), 2):
        answer = world.add(release, envelope)
        assert answer.status_code == 201, answer.text
        assert answer.headers["ETag"] == f'"{i}"' and len(answer.json()["manifests"]) == i
    got = world.rest.get(path)
    assert got.json() == answer.json() and got.headers["ETag"] == '"4"'
    digests = {name: manifest_digest(e) for name, e in more.items()}
    by_digest = {m["digest"]: m for m in got.json()["manifests"]}
    want = {"lzma": (["lzma"], None, False, "new.lzma"), "encrypted": (["aes-kw", "gcm", "lzma"], None, True, "new.enc"),
            "delta": (["patch-heatshrink"], {"component": "main", "digest": sha(OLD)}, False, "new.patch")}
    for name, (needs, base, encrypted, file) in want.items():
        m = by_digest[digests[name]]
        assert (m["needs"], m.get("base"), m["encrypted"]) == (needs, base, encrypted), name
        data = world.read(file)
        assert (m["bytes"], m["images"]) == (len(data), [{"digest": sha(data), "size": len(data)}])
        assert m["image_bytes"] == max(len(NEW), len(data)) and m["size"] == len(more[name])
        assert world.rest.get(f"{path}/manifests/{digests[name]}").content == more[name]
    assert [len(m["needs"]) for m in got.json()["manifests"]] == [0, 1, 3, 1], "the plainest first, deltas last"
    assert world.rest.get(f"{path}/manifest").content == full
    is_error(world.rest.get(f"{path}/manifests/{'0' * 64}"), 404, "not-found")
    assert world.add(release, full).status_code == 200
    again = world.add(release, more["delta"])
    assert again.status_code == 200 and again.json() == got.json() and again.headers["ETag"] == '"4"', "nothing changed"
    entries = [e for e in world.rest.get("/v1/audit", params={"page_size": 1000}).json()["items"]
               if e["action"] == "release.add-manifest"]
    assert [e["object_id"] for e in entries] == [release["release_id"]] * 3
    assert entries[1]["detail"] == {"base": sha(OLD), "bytes": str(len(world.read("new.patch"))),
                                    "manifest": digests["delta"], "needs": "patch-heatshrink"}


DIFFERENT = {
    "sequence number": (one(), {"sequence": 8}, ["sequence number: it has 8, the release 7"]),
    "components": (modem("new.bin"), {}, ["components: it changes modem, the release changes main"]),
    "installed": (modem("old.bin", "main"), {}, ["installed digests: it ends with main "]),
    "version": (one(), {"set_version": "3.8"}, ["version: it says 3.8, the release is 3.7"]),
    "class": (one(), {"class": "lock-8"}, ["class: it is for "]),
    "much": (modem("old.bin"), {"sequence": 9, "set_version": "4"}, ["sequence number: ", "components: ", "version: "]),
}


def test_A06_variants_that_differ_are_refused(world):
    world.put(NEW, OLD)
    world("class", "create", "acme.example/lock-8")
    world("key", "register", "all.pem.pub", "--class", "acme.example/lock-8")
    release = world.release(one(), sequence=7, version="3.7")
    for source, members, words in DIFFERENT.values():
        problem = is_error(world.add(release, world.make(source, **{"sequence": 7, **members})), 422, "variant-differs")
        assert "sign it again" in problem["detail"] and len(problem["errors"]) == len(words)
        for error, word in zip(problem["errors"], words):
            assert error["pointer"] == "/envelope" and error["detail"].startswith(word), error
    assert world.rest.get(f"/v1/releases/{release['release_id']}").json() == release


def test_variants_go_through_every_check(world):
    world.put(NEW)
    release = world.release(one(), sequence=7)
    path = f"/v1/releases/{release['release_id']}/manifests"
    source = via("dl/patch-lzma", precursor={"file": "old.bin"}, fetched={"file": "plain.patch"})
    is_error(world.add(release, world.make(source, sequence=7)), 422, "image-missing")
    world.put(FILES["plain.patch"])
    for keys, code in ((("stranger",), "author-key-unknown"), (("modem",), "author-not-allowed"),
                       (("all", "stranger"), "author-key-unknown")):
        is_error(world.add(release, world.make(source, *keys, sequence=7)), 422, code)
    is_error(world.add(release, b"x"), 422, "manifest-invalid")
    is_error(world.rest.post(path, {}), 422, "validation")
    is_error(world.rest.post(path, {"envelope": "AA==", "version": "1"}), 422, "validation")
    is_error(world.add({"release_id": uuid.uuid4()}, world.make(source, sequence=7)), 404, "not-found")
    for role in ("viewer", "operator"):
        is_error(world.server.operator(role).post(path, {"envelope": "AA=="}), 403, "denied")
    other = world.release(one(), sequence=8)
    is_error(world.add(release, world.read(world.last)), 422, "variant-differs")
    assert len(world.rest.get("/v1/releases").json()["items"]) == 2 and other["manifests"] != release["manifests"]


def test_withdrawn_release_takes_no_variants(world):
    full, more = variants(world, 7)
    release = world.upload(full, "3.7").json()
    done = world.rest.post(f"/v1/releases/{release['release_id']}/withdraw", {}, headers={"If-Match": '"1"'})
    assert done.status_code == 200
    problem = is_error(world.add(release, more["lzma"]), 409, "release-withdrawn")
    assert "make another one" in problem["detail"]


def test_variants_from_the_command_line(world):
    full, more = variants(world, 7)
    for name, envelope in {"full": full, **more}.items():
        (world.home / f"{name}.suit").write_bytes(envelope)
    world("release", "upload", "full.suit", "--version", "3.7")
    done = world("release", "add", "3.7", "delta.suit", "lzma.suit", "--image", "new.patch", "--image", "new.lzma")
    assert "Added delta.suit." in done.stderr and "Added lzma.suit." in done.stderr
    assert "The release has lzma.suit already." in world("release", "add", "3.7", "lzma.suit").stderr
    rows = world("release", "show", "3.7").stdout.split("\n\n")[1].splitlines()
    assert [r.split()[0] for r in rows] == ["Manifest", *(m["digest"][:12] for m in world.json("release", "show", "3.7")["manifests"])]
    assert f"main {sha(OLD)[:12]}" in rows[3] and "patch-heatshrink" in rows[3] and "any device" in rows[2]
    text = world.error("release", "add", "3.7", "missing.suit", code=3)
    assert text == "muster: cannot open missing.suit: No such file or directory"
    world.make(one(), sequence=8)
    text = world.error("release", "add", "3.7", world.last)
    assert "sequence number: it has 8, the release 7" in text and text.endswith("(variant-differs)")
