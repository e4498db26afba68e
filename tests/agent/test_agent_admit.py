"""Dependencies and delegates: what the agent makes of an admission (`muster manifest admit`), and of everything
that a delegate may not do, however it came to the device."""

import cbor2
import pytest

from agent_kit import PATH, Device, StandIn, Variant, areas, check, digest, part, start, suit_encrypt, wait_until
from test_agent_variants import untouched
from test_kill_points import CLI


class Club:
    """An update for class-1, a delegate, and a device that came later: it has a key of its own alone."""

    def __init__(self, author, folder, old, new):
        self.author, self.folder, self.old, self.new, self.count = author, folder, old, new, 0
        self.own = suit_encrypt.device_key()
        (folder / "own.pem").write_bytes(suit_encrypt.private_pem(self.own))
        (folder / "own.pub").write_bytes(suit_encrypt.public_pem(self.own))
        check(CLI, "key", "new", folder / "delegate.pem", "--no-passphrase")
        self.delegate = folder / "delegate.pem"
        self.payload, self.info = author.encrypted(new)
        self.update = self.encrypted()

    def encrypted(self, key=None, **top):
        return self.signed([{"id": "main", "install": "copy", "image": {
            "file": str(self.new), "via": "dl/full", "fetched": {"file": str(self.payload)},
            "encryption_info": {"file": str(self.info)}, "encryption_info_replaceable": True}}] + areas("full"), key, **top)

    def signed(self, components, key=None, **top):
        before, self.author.key = self.author.key, key or self.author.key
        try:
            return self.author.manifest(components, **top)
        finally:
            self.author.key = before

    def admits(self, update=None, sequence=2, key=None):
        self.count += 1
        out = self.folder / f"admission-{self.count}"
        check(CLI, "manifest", "admit", update or self.update, "--kek", f"class-1={self.author.folder}/class.key", "--recipient",
              f"dev-9={self.folder}/own.pub", "--key", key or self.delegate, "--sequence", sequence, "--out", out)
        return out

    def device(self, **settings):
        self.count += 1
        given = {"class_key_file": None, "class_key_id": None, "device_key_file": self.folder / "own.pem",
                 "device_key_id": "dev-9", "delegate": f"{self.delegate}.pub", **settings}
        return Device(self.folder / f"d-{self.count}", self.author, self.old, **given)

    def takes(self, manifest, device=None):
        device = device or self.device()
        done = device.apply(Variant(manifest, self.payload))
        assert done.returncode == 0, done.stderr
        assert device.path("slot", "b").read_bytes() == self.new.read_bytes()
        return device

    def refuses(self, manifest, why, *files, device=None):
        device = device or self.device()
        done = device.apply(Variant(manifest, *(files or (self.payload,))))
        assert done.returncode == 1 and why in done.stderr, done.stderr
        untouched(device, self.old)


@pytest.fixture
def club(author, tmp_path, old, new):
    return Club(author, tmp_path, old, new)


def changed(manifest, out, change):
    """The envelope with something changed in it, its own signatures as they were."""
    envelope = cbor2.loads(manifest.read_bytes())
    change(envelope.value)
    out.write_bytes(cbor2.dumps(envelope))
    return out


def boot_of(device):
    return dict(line.split("=", 1) for line in (device.state / "boot").read_text().splitlines() if "=" in line)


def test_a_device_is_let_in_without_the_author(club):
    club.refuses(club.update, "encrypted for others")
    club.refuses(club.admits(), "not signed by an author", device=club.device(delegate=None))
    club.refuses(club.admits(), "encrypted for others", device=club.device(device_key_id="dev-8"))
    device = club.takes(club.admits())
    assert boot_of(device)["trial_sequence"] == "2"
    report = cbor2.loads((device.state / "report").read_bytes())
    assert report[4] is True


def test_a_delegates_number_counts_for_nothing(club):
    """It must be new, as every manifest; the device then counts on from the author's."""
    device = club.takes(club.admits(sequence=99))
    assert boot_of(device)["trial_sequence"] == "2"


def at_sequence(club, number):
    device = club.device()
    boot = device.state / "boot"
    boot.write_text(boot.read_text().replace("\nsequence=0\n", f"\nsequence={number}\n"))
    return device


def test_A02_an_older_admission_and_an_older_update_in_a_new_one(club):
    club.refuses(club.admits(sequence=2), "not newer", device=at_sequence(club, 2))
    club.refuses(club.admits(sequence=9), "a dependency is not newer", device=at_sequence(club, 2))
    club.takes(club.admits(sequence=9), device=at_sequence(club, 1))


def test_A01_a_delegate_installs_nothing_of_its_own(club):
    alone = "a delegate lets this device in, and may do nothing else"
    club.refuses(club.encrypted(key=club.delegate), alone)
    club.refuses(club.signed([part("main", club.new)], key=club.delegate), alone, club.new)
    club.refuses(club.admits(club.encrypted(key=club.delegate)), alone)
    image = {"override": {"file": str(club.new), "uri": f"img/{digest(club.new)}"}}
    inside = {"dependencies": [{"file": str(club.update), "uri": "#update", "integrated": True}], "sequences": {
        "install": [{"index": 0}, image, "fetch", "condition-image-match", {"index": 1}, "condition-dependency-integrity",
                    "process-dependency"]}}
    club.refuses(club.signed([{"id": "main"}], club.delegate, **inside), alone, club.new, club.payload)
    waits = [{"index": 0}, {"override": {"wait": {"time": 1}}}, "wait", {"index": 1}, "condition-dependency-integrity",
             "process-dependency"]
    inside["sequences"] = {"install": waits}
    club.refuses(club.signed([{"id": "main"}], club.delegate, **inside), alone, club.new, club.payload)


def test_A01_a_delegate_does_not_say_what_the_image_is(club):
    """Everything but the encryption info that it sets stays its own, so the author's image comes, or none."""
    evil = club.author.file(b"#!/bin/sh\necho evil\n" * 50)
    info = club.folder / "evil.info"
    payload = club.folder / "evil.enc"
    check(CLI, "image", "encrypt", evil, "--recipient", f"dev-9={club.folder}/own.pub", "--out", payload, "--info", info)
    install = [{"index": 0}, {"override": {"encryption_info": {"hex": info.read_bytes().hex()}, "file": str(evil)}},
               {"index": 1}, "condition-dependency-integrity", "process-dependency"]
    manifest = club.signed([{"id": "main"}], club.delegate, sequences={"install": install}, dependencies=[
        {"file": str(club.update), "uri": "#update", "integrated": True}])
    device = club.device()
    done = device.apply(Variant(manifest, payload))
    assert done.returncode == 1 and device.show()["trial"] == "no", done.stderr
    # the right payload does not open with another's key either
    done = device.apply(Variant(manifest, club.payload))
    assert done.returncode == 1 and device.show()["trial"] == "no", done.stderr


def test_A01_broken_dependencies(club):
    admission = club.admits()
    inner = cbor2.loads(club.update.read_bytes())

    def flip(at, where=None):
        def change(envelope):
            content = bytearray(envelope["#update"])
            content[content.index(where) + at if where else at] ^= 1
            envelope["#update"] = bytes(content)
        return change

    block = cbor2.loads(cbor2.loads(inner.value[2])[1])
    signature = block.value[3]
    out = club.folder / "broken"
    club.refuses(changed(admission, out, flip(5, signature)), "a dependency is not signed by an author")
    club.refuses(changed(admission, out, flip(7, inner.value[3])), "a dependency cannot be read")
    club.refuses(changed(admission, out, lambda e: e.pop("#update")), "")
    other = club.encrypted(sequence=3)  # the author's, and not the one that is meant
    club.refuses(changed(admission, out, lambda e: e.update({"#update": other.read_bytes()})), "digest")
    stranger = club.folder / "stranger.pem"
    check(CLI, "key", "new", stranger, "--no-passphrase")
    club.refuses(club.admits(club.encrypted(key=stranger)), "a dependency is not signed by an author")


def nest(club, levels):
    manifest = club.signed([part("main", club.new)])
    for _ in range(levels):
        manifest = club.signed([{"id": "main"}], dependencies=[
            {"file": str(manifest), "uri": "#d", "integrated": True, "process_in": ["dependency-resolution", "payload-fetch",
                                                                              "install", "validate"]}])
    return manifest


def test_B13_dependencies_of_dependencies_have_an_end(club):
    device = club.device()
    done = device.apply(Variant(nest(club, 3), club.new))
    assert done.returncode == 0, done.stderr
    assert device.path("slot", "b").read_bytes() == club.new.read_bytes()
    club.refuses(nest(club, 4), "", club.new)


def test_two_vendors(club, author, old, new):
    """The application's author depends on the modem's; each signs its own manifest."""
    vendor = club.folder / "vendor.pem"
    check(CLI, "key", "new", vendor, "--no-passphrase")
    c2 = author.file(b"c2")
    theirs = club.signed([part("config", c2)], key=vendor, sequence=5)
    whole = author.manifest([part("main", new)], dependencies=[{"file": str(theirs), "uri": "#modem", "integrated": True}])

    def device(name, *anchors):
        return Device(club.folder / name, author, old, config=author.file(b"c1"),
                      anchor="\nanchor = ".join(str(a) + ".pub" for a in anchors))

    one = device("one", author.key)
    done = one.apply(Variant(whole, new, c2))
    assert done.returncode == 1 and "a dependency is not signed" in done.stderr, done.stderr
    both = device("both", author.key, vendor)
    done = both.apply(Variant(whole, new, c2))
    assert done.returncode == 0, done.stderr
    assert digest(both.path("slot", "b")) == digest(new) and digest(both.path("config", "b")) == digest(c2)
    assert boot_of(both)["trial_sequence"] == "5", "the highest of those that put something there"


# --- dependencies from elsewhere ----------------------------------------------------------------

def depends_on(club, *dependencies, key=None):
    return club.signed([{"id": "main"}], key, dependencies=[{"file": str(d), "uri": "img/" + digest(d)} for d in dependencies])


def test_a_dependency_from_elsewhere(club, author, new):
    plain = club.signed([part("main", new)])
    manifest = depends_on(club, plain)
    device = club.device()
    done = device.apply(Variant(manifest, new, plain))
    assert done.returncode == 0 and digest(device.path("slot", "b")) == digest(new), done.stderr
    assert not list(device.state.glob("dl-*"))
    club.refuses(manifest, "a dependency's envelope is not here", new, new)
    club.refuses(manifest, "a dependency's envelope is not here", club.signed([part("main", new)], sequence=3))
    club.refuses(depends_on(club, manifest), "a dependency that is not in the envelope", new, manifest, plain)
    stranger = club.folder / "stranger.pem"
    check(CLI, "key", "new", stranger, "--no-passphrase")
    foreign = club.signed([part("main", new)], key=stranger)
    club.refuses(depends_on(club, foreign), "a dependency is not signed by an author", new, foreign)
    named = author.manifest([{"id": "main"}], dependencies=[{"file": str(plain), "uri": "manifest/" + digest(plain)}])
    club.refuses(named, "a dependency that is not in the envelope", new, plain)


class Server(StandIn):
    """Says who asks for what, in order."""

    def answer(self, m):
        path = "/".join(v.decode() for k, v in m.options if k == PATH)
        if path.startswith("img/") and path not in self.wanted:
            self.wanted.append(path)
        return super().answer(m)

    wanted = []


def test_dependencies_are_fetched_first(club, author, firmware):
    """Two of them, each for a component; one that does not fit into envelope_max is not asked for."""
    c1, c2 = author.file(b"c1"), author.file(b"c2" * 700)
    new = author.file(firmware.read_bytes() + b"newer")
    one, two = club.signed([part("main", new)]), club.signed([part("config", c2)])
    variant = Variant(depends_on(club, one, two), new, c2, one, two)
    for most, size in (("small", variant.manifest.stat().st_size + one.stat().st_size), ("large", 16384)):
        server = Server(variant)
        server.wanted = []
        device = Device(club.folder / most, author, firmware, config=c1, server=server.url, envelope_max=max(size, 512))
        process = start(device)
        try:
            if most == "small":
                wait_until(lambda: 14 in server.states())
                assert "too large, with its dependencies" in server.reports[-1][5] and server.wanted == []
                continue
            wait_until(lambda: device.show()["sequence"] == "2", 60)
        finally:
            process.terminate()
            process.wait(30)
            server.close()
        assert server.wanted == [f"img/{digest(f)}" for f in (one, two, new, c2)]
        assert len(server.blocks) == len(set(server.blocks)) and server.states() == [2, 3, 4, 5]
        assert digest(device.path("slot", "b")) == digest(new) and digest(device.path("config", "b")) == digest(c2)
