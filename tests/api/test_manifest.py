"""`muster manifest`: every layout is made by the command line and carried out by a processor that nobody here shares
(suit_device.py), every element of RFC 9124 stands where the drafts want it, and the examples of docs/manifest.md hold."""

import hashlib
import json
import pathlib
import re
import uuid

import cbor2
import pytest

from suit_device import Broken, Device, Envelope, Refused, verifies
from test_cli import cli, run_muster  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests" / "data" / "suit"
VENDOR = uuid.uuid5(uuid.NAMESPACE_DNS, "example.com")
CLASS = uuid.uuid5(VENDOR, "sensor-a rev1")
IDS = {"vendor": "example.com", "class": "sensor-a rev1"}
OLD, NEW = b"old firmware " * 40, b"new firmware " * 50
PATCH, CIPHER = b"patch: 50 times new", b"ciphertext " * 20
INFO = (DATA / "libcsuit" / "encryption_info_aes.cose").read_bytes()  # a form that is right; nobody opens it here
FILES = {"fw.bin": NEW, "old.bin": OLD, "slot-a.bin": NEW + b"A", "slot-b.bin": NEW + b"BB", "old-fw.patch": PATCH,
         "fw.enc": CIPHER, "fw.cose": INFO, "config.json": b'{"a": 1}'}


def name(*segments):
    return tuple(s.encode() for s in segments)


def by_digest(*contents):
    """What the server would give: images by their digest."""
    return {"img/" + hashlib.sha256(c).hexdigest(): c for c in contents}


class Maker:
    """A home with the files of the examples and a key."""

    def __init__(self, run):
        self.run, self.home, self.count = run, run.home, 0
        for file, content in FILES.items():
            (self.home / file).write_bytes(content)
        run("key", "new", "k.pem", "--no-passphrase")
        self.keys = [(self.home / "k.pem.pub").read_bytes()]

    def __call__(self, source, *options, key=True, code=0, **members):
        """The signed envelope of a source; the error when one is wanted."""
        self.count += 1
        path, out = f"source-{self.count}.json", f"out-{self.count}.suit"
        (self.home / path).write_text(source if isinstance(source, str) else json.dumps({**source, **members}))
        signing = ["--key", "k.pem"] if key else []
        done = self.run("manifest", "create", path, "--out", out, *signing, *options, code=code)
        if code:
            assert not (self.home / out).exists()
            return done.stderr.removeprefix("muster: ").rstrip("\n")
        self.last = out
        return (self.home / out).read_bytes()

    def device(self, *contents, **facts):
        return Device(VENDOR.bytes, facts.pop("class_id", CLASS).bytes,
                      {**by_digest(*FILES.values()), **by_digest(*contents)}, **facts)


@pytest.fixture
def make(cli):  # noqa: F811
    return Maker(cli)


# --- layouts, carried out --------------------------------------------------------------------

def test_single_slot(make):
    data = make(IDS, components=[{"id": "main", "image": {"file": "fw.bin"}, "invoke": True}])
    device = make.device()
    device.update(data, make.keys)
    device.invoke(data, make.keys)
    assert device.storage == {name("main"): NEW} and device.ran == [(name("main"), b"")]
    for wrong in (make.device(class_id=VENDOR), Device(b"x" * 16, CLASS.bytes, {})):
        with pytest.raises(Refused):
            wrong.update(data, make.keys)
        assert wrong.storage == {}


def test_an_image_that_is_not_the_one_is_refused(make):
    data = make(IDS, components=[{"id": "main", "image": {"file": "fw.bin", "uri": "x"}}])
    device = make.device()
    device.files["x"] = NEW[:-1] + b"!"
    with pytest.raises(Refused):
        device.update(data, make.keys)


@pytest.mark.parametrize("slot,content", [(0, "slot-a.bin"), (1, "slot-b.bin")])
def test_two_slots(make, slot, content):
    data = make(IDS, components=[{"id": "main", "images": [{"slot": 0, "file": "slot-a.bin"},
                                                            {"slot": 1, "file": "slot-b.bin"}]}])
    device = make.device(slot=slot)
    device.update(data, make.keys)
    assert device.storage == {name("main"): FILES[content]} and len(device.fetched) == 1
    with pytest.raises(Refused):
        make.device(slot=2).update(data, make.keys)


def test_swap(make):
    data = make(IDS, components=[{"id": "main", "install": "swap", "check_candidate": True,
                                  "image": {"file": "fw.bin", "via": "dl"}}, {"id": "dl"}])
    device = make.device(storage={name("main"): OLD})
    device.update(data, make.keys)
    assert device.storage == {name("main"): NEW, name("dl"): OLD}
    assert Envelope(data, make.keys).sections["candidate-verification"]


def copied(name_, file="fw.bin", replaceable=False, **more):
    image = {"file": file, "via": "dl", **({"uri_replaceable": True} if replaceable else {})}
    return {"id": name_, "install": "copy", "image": image, **more}


def test_two_components_share_an_area(make):
    """Each is installed before the next is fetched."""
    data = make(IDS, components=[copied("m", fetch_in="install"), copied("n", "old.bin", fetch_in="install"), {"id": "dl"}])
    device = make.device(storage={})
    device.update(data, make.keys)
    assert (device.storage[name("m")], device.storage[name("n")]) == (NEW, OLD) and len(device.fetched) == 2


def test_two_copies_of_one_download_share_an_area(make):
    data = make(IDS, components=[copied("m"), copied("n"), {"id": "dl"}])
    device = make.device(storage={})
    device.update(data, make.keys)
    assert device.storage[name("m")] == device.storage[name("n")] == NEW


DELTA = {**IDS, "components": [
    {"id": "main", "install": "copy", "images": [
        {"file": "fw.bin", "precursor": {"file": "old.bin"}, "via": "dl/patch", "fetched": {"file": "old-fw.patch"}},
        {"file": "fw.bin", "via": "dl/full"}]},
    {"id": "dl/patch"}, {"id": "dl/full"}]}


@pytest.mark.parametrize("how", [{}, {"repeat_digest": True}, {"fetch_in": "install"}], ids=["plain", "repeated", "at install"])
@pytest.mark.parametrize("installed,fetched", [(OLD, PATCH), (b"something else", NEW), (b"", NEW)],
                         ids=["precursor", "another", "nothing"])
def test_delta_or_full(make, installed, fetched, how):
    source = json.loads(json.dumps(DELTA))
    source["components"][0].update(how)

    def patch(content, target):
        assert (content, target) == (PATCH, OLD)
        return NEW

    device = make.device(storage={name("main"): installed}, handlers={name("dl", "patch"): patch})
    device.update(make(source), make.keys)
    assert device.storage[name("main")] == NEW
    assert device.fetched == list(by_digest(fetched))


@pytest.mark.parametrize("where", ["payload-fetch", "install"])
def test_delta_alone(make, where):
    """Without an alternative: devices that hold something else are not updated."""
    source = json.loads(json.dumps(DELTA))
    source["components"][0]["fetch_in"] = where
    del source["components"][0]["images"][1]
    data = make(source)
    device = make.device(storage={name("main"): OLD}, handlers={name("dl", "patch"): lambda c, t: NEW})
    device.update(data, make.keys)
    assert device.storage[name("main")] == NEW
    with pytest.raises(Refused):
        make.device(storage={name("main"): NEW}).update(data, make.keys)


@pytest.mark.parametrize("where", ["payload-fetch", "install"])
def test_delta_for_two_slots(make, where):
    def image(slot, file, **more):
        return {"slot": slot, "file": file, **more}

    patched = {"precursor": {"file": "old.bin"}, "via": "dl/patch", "fetched": {"file": "old-fw.patch"}}
    source = {**IDS, "components": [
        {"id": "main", "install": "copy", "fetch_in": where, "images": [
            image(0, "slot-a.bin", **patched), image(0, "slot-a.bin", via="dl/full"),
            image(1, "slot-b.bin", **patched), image(1, "slot-b.bin", via="dl/full")]},
        {"id": "dl/patch"}, {"id": "dl/full"}]}
    data = make(source)
    for slot, file in enumerate(("slot-a.bin", "slot-b.bin")):
        for installed in (OLD, b"other"):
            device = make.device(slot=slot, storage={name("main"): installed},
                                 handlers={name("dl", "patch"): lambda c, t, f=file: FILES[f]})
            device.update(data, make.keys)
            assert device.storage[name("main")] == FILES[file]
            assert device.fetched == list(by_digest(PATCH if installed == OLD else FILES[file]))


def test_encrypted(make):
    source = {**IDS, "components": [
        {"id": "main", "install": "copy", "image": {"file": "fw.bin", "via": "enc", "fetched": {"file": "fw.enc"},
                                                    "encryption_info": {"file": "fw.cose"}}}, {"id": "enc"}]}
    opened = []
    device = make.device(handlers={"decrypt": lambda info, c: opened.append((info, c)) or NEW})
    device.update(make(source), make.keys)
    assert device.storage[name("main")] == NEW and opened == [(FILES["fw.cose"], CIPHER)]


def test_several_components_written_loaded_and_removed(make):
    source = {**IDS, "components": [
        {"id": "app", "image": {"file": "fw.bin"}, "load": {"into": "ram", "file": "fw.bin"}, "invoke": True,
         "invoke_args": {"text": "-q"}, "uninstall": True},
        {"id": "config", "image": {"file": "config.json", "uri": "#config", "integrated": True}},
        {"id": "etc/motd", "install": "write", "image": {"content": {"text": "hello"}},
         "metadata": {"default_permissions": 4, "user_permissions": {"0": 6, "-1": 1}, "file_type": "regular",
                      "modified": 5}},
        {"id": "ram"}]}
    data = make(source)
    device = make.device()
    device.update(data, make.keys)
    assert device.storage == {name("app"): NEW, name("config"): FILES["config.json"], name("etc", "motd"): b"hello"}
    meta = device.metadata[name("etc", "motd")]
    assert (meta[1], meta[2], meta[5]) == (4, {0: 6, -1: 1}, 1) and meta[6].timestamp() == 5
    device.invoke(data, make.keys)
    assert device.storage[name("ram")] == NEW and device.ran == [(name("ram"), b"-q")]
    device.uninstall(data, make.keys)
    assert name("app") not in device.storage and name("config") in device.storage


@pytest.mark.parametrize("integrated", [True, False])
def test_dependency(make, integrated):
    modem = make(IDS, sequence=5, components=[{"id": "modem", "image": {"file": "old.bin"}}])
    source = {**IDS, "manifest_component": "root.suit",
              "components": [{"id": "app", "image": {"file": "fw.bin"}}],
              "dependencies": [{"prefix": "modem", "file": make.last, "uri": "#modem" if integrated else "modem.suit",
                                "integrated": integrated}]}
    data = make(source)
    device = make.device()
    if not integrated:
        device.files["modem.suit"] = modem
    device.update(data, make.keys)
    assert (device.storage[name("app")], device.storage[name("modem")]) == (NEW, OLD)
    assert Envelope(data, make.keys).manifest[5] == [b"root.suit"]
    other = make(IDS, sequence=6, components=[{"id": "modem", "image": {"file": "fw.bin"}}])
    if not integrated:
        device.files["modem.suit"] = other[:len(modem)].ljust(len(modem), b"\0")
        with pytest.raises((Refused, Broken, cbor2.CBORDecodeError)):
            device.update(data, make.keys)


def test_dependency_of_a_dependency(make):
    """The root resolves, installs and validates through two levels; nothing but the root is given to the device."""
    radio = make(IDS, components=[{"id": "radio", "image": {"file": "slot-a.bin"}}])
    inner = {"dependencies": [{"prefix": "radio", "file": make.last, "uri": "radio.suit"}]}
    modem = make(IDS, components=[{"id": "modem", "image": {"file": "old.bin"}}], **inner)
    root = make(IDS, components=[{"id": "app", "image": {"file": "fw.bin"}}],
                dependencies=[{"prefix": "modem", "file": make.last, "uri": "modem.suit"}])
    device = make.device()
    device.files |= {"modem.suit": modem, "radio.suit": radio}
    device.update(root, make.keys)
    assert [device.storage[name(n)] for n in ("app", "modem", "radio")] == [NEW, OLD, FILES["slot-a.bin"]]


GUARDS = {"versions": [">=1.2 <2.0", "=0.9"], "battery_mwh": 1500, "priority": -5,
          "wait": {"time_of_day_utc": 7200, "other_device": {"id": {"text": "bms"}, "versions": [">1"]}}}


@pytest.mark.parametrize("facts,refused", [
    ({}, None), ({"version": (1, 9, 9)}, None), ({"version": (0, 9, 7)}, None),
    ({"version": (2, 0)}, "no alternative"), ({"version": (1, 1)}, "no alternative"),
    ({"battery": 1499}, "battery"), ({"authorized": -4}, "authorization"), ({"class_id": VENDOR}, "no alternative")])
def test_guards(make, facts, refused):
    source = {"vendor": "example.com", "classes": ["other", "sensor-a rev1"], "guards": GUARDS,
              "components": [{"id": "main", "image": {"file": "fw.bin"}}]}
    device = make.device(**{"version": (1, 2), "battery": 1500, "authorized": -5, **facts})
    data = make(source)
    if refused:
        with pytest.raises(Refused, match=refused):
            device.update(data, make.keys)
        assert device.fetched == []
    else:
        device.update(data, make.keys)
        assert device.waited == [{8: 7200, 4: [b"bms", [[1, [1]]]]}]


def test_skip_and_expiry(make):
    component = {"id": "main", "image": {"file": "fw.bin"}}
    data = make(IDS, guards={"skip_installed": True}, components=[component])
    with pytest.raises(Refused, match="already"):
        make.device(storage={name("main"): NEW}).update(data, make.keys)
    make.device(storage={name("main"): OLD}).update(data, make.keys)
    late = make(IDS, guards={"use_before": "2001-09-09T01:46:40Z"}, components=[component])
    with pytest.raises(Refused, match="late"):
        make.device().update(late, make.keys)


def test_severed_elements_can_be_left_out_by_a_server(make):
    data = make(IDS, components=[{"id": "main", "image": {"file": "fw.bin"}}], coswid={"hex": "a0"},
                text={"en": {"update_description": "x"}, "de": {"update_description": "Ä"}},
                sever=["text", "coswid", "install"])
    whole = Envelope(data, make.keys)
    assert set(whole.map) == {2, 3, 14, 20, 23} and whole.text == {"en": {2: "x"}, "de": {2: "Ä"}}
    tag = cbor2.loads(data)
    del tag.value[14]
    lean = cbor2.dumps(tag, canonical=True)
    with pytest.raises(Broken, match="14 was severed"):
        Envelope(lean, make.keys).element(14)
    assert Envelope(lean, make.keys).digest == whole.digest
    (make.home / "lean").write_bytes(lean)
    make.run("manifest", "verify", "lean", "--key", "k.pem.pub")
    tag.value[20] = tag.value[20][:-1] + b"\x0e"
    with pytest.raises(Broken, match="digest of 20"):
        Envelope(cbor2.dumps(tag, canonical=True), make.keys)


# --- elements --------------------------------------------------------------------------------

def shared(e):
    return cbor2.loads(e.common[4])


def section(e, key):
    return cbor2.loads(e.element(key))


def parameter(items, key):
    return next(p[key] for c, p in zip(items[::2], items[1::2]) if c in (19, 20) and key in p)


MAIN = {"id": "main", "image": {"file": "fw.bin", "uri": "u"}}
SHA = hashlib.sha256(NEW).digest()
ELEMENTS = {
    "3.1 version of the structure": ({}, lambda e: e.manifest[1], 1),
    "3.2 monotonic sequence number": ({"sequence": 77}, lambda e: e.manifest[2], 77),
    "3.3 vendor id": ({}, lambda e: (parameter(shared(e), 1), shared(e)[2]), (VENDOR.bytes, 1)),
    "3.3 vendor id, enterprise number": (
        {"vendor": None, "class": None, "vendor_pen": {"hex": "83da29"}, "class_id": str(CLASS)},
        lambda e: (parameter(shared(e), 1).tag, parameter(shared(e), 1).value), (112, b"\x83\xda\x29")),
    "3.4 class id": ({}, lambda e: (parameter(shared(e), 2), shared(e)[4]), (CLASS.bytes, 2)),
    "3.5 precursor digest": (
        {"components": [{"id": "main", "image": {"file": "fw.bin", "precursor": {"file": "old.bin"}}}]},
        lambda e: cbor2.loads(parameter(section(e, 20), 3))[1], hashlib.sha256(OLD).digest()),
    "3.6 required versions": ({"guards": {"versions": ["<=1.2.0-beta.3"]}},
                              lambda e: cbor2.loads(parameter(section(e, 20), 28)), [4, [1, 2, 0, -2, 3]]),
    "3.7 expiration": ({"guards": {"use_before": 4000000000}}, lambda e: parameter(section(e, 20), 4), 4000000000),
    "3.8 format: file type": ({"components": [{**MAIN, "metadata": {"file_type": "symlink", "created": 9}}]},
                              lambda e: cbor2.loads(parameter(section(e, 20), 30))[5], 3),
    "3.9 processing steps": ({"components": [{"id": "main", "install": "copy", "image": {"file": "fw.bin", "via": "d"}},
                                             {"id": "d"}]},
                             lambda e: [section(e, 16)[4], section(e, 20)[4]], [21, 22]),
    "3.10 storage location": ({"components": [{"id": "0x00", "image": {"file": "fw.bin", "slot": 3}}]},
                              lambda e: (e.components, parameter(shared(e), 5)), ([(b"\0",)], 3)),
    "3.11 component id": ({"components": [{**MAIN, "id": "usr/bin/0xff00"}]}, lambda e: e.components,
                          [(b"usr", b"bin", b"\xff\x00")]),
    "3.12 payload indicator": ({}, lambda e: parameter(section(e, 20), 21), "u"),
    "3.13 payload digests": ({}, lambda e: cbor2.loads(parameter(shared(e), 3)), [-16, SHA]),
    "3.14 size": ({}, lambda e: parameter(shared(e), 14), len(NEW)),
    "3.15 signature": ({}, lambda e: e.algorithms, [-9]),
    "3.16 device id": ({"device_id": str(VENDOR)}, lambda e: parameter(shared(e), 24), VENDOR.bytes),
    "3.16 battery": ({"guards": {"battery_mwh": 5}}, lambda e: parameter(section(e, 20), 26), 5),
    "3.16 authorization": ({"guards": {"priority": -2}}, lambda e: parameter(section(e, 20), 27), -2),
    "3.16 wait": ({"guards": {"wait": {"authorization": -1, "power": 1, "network": 2, "time": 3, "time_of_day": 4,
                                       "day_of_week": 5, "time_of_day_utc": 6, "day_of_week_utc": 0}}},
                  lambda e: cbor2.loads(parameter(section(e, 20), 29)),
                  {1: -1, 2: 1, 3: 2, 5: 3, 6: 4, 7: 5, 8: 6, 9: 0}),
    "3.17 text": ({"text": {"en": {"manifest_description": "a", "update_description": "b", "json_source": "c",
                                   "yaml_source": "d", "components": {"main": {
                                       "vendor_name": "1", "model_name": "2", "vendor_domain": "3", "model_info": "4",
                                       "description": "5", "version": "6", "version_required": "7",
                                       "current_version": "8"}}}}},
                  lambda e: e.text, {"en": {1: "a", 2: "b", 3: "c", 4: "d",
                                            (b"main",): {n: str(n) for n in range(1, 9)}}}),
    "3.18 aliases": ({"components": [{"id": "main", "image": {"file": "fw.bin", "uri": "u", "uri_replaceable": True}}]},
                     lambda e: section(e, 20)[:2], [19, {21: "u"}]),
    "3.19 dependencies": ({"dependencies": [{"prefix": "m", "digest": SHA.hex(), "size": 9, "uri": "d"}]},
                          lambda e: (e.dependencies, parameter(section(e, 15), 21)), ({1: {1: [b"m"]}}, "d")),
    "3.20 encryption wrapper": (
        {"components": [{"id": "main", "install": "write", "image": {"file": "fw.bin", "content": {"text": "x"},
                                                                     "encryption_info": {"hex": INFO.hex()}}}]},
        lambda e: parameter(section(e, 20), 19), INFO),
    "3.21 XIP address": ({"components": [{"id": "m", "images": [{"slot": 4096, "file": "slot-a.bin"},
                                                                {"slot": 8192, "file": "slot-b.bin"}]}]},
                         lambda e: [parameter(cbor2.loads(s), 5) for s in shared(e)[7]], [4096, 8192]),
    "3.22 load-time metadata": ({"components": [{**MAIN, "load": {"into": "r", "file": "fw.bin"}}, {"id": "r"}]},
                                lambda e: parameter(section(e, 8), 22), 0),
    "3.23 run-time metadata": ({"components": [{**MAIN, "invoke": True, "invoke_args": {"text": "-x"}}]},
                               lambda e: parameter(section(e, 9), 23), b"-x"),
    "3.24 payload": ({"components": [{"id": "main", "image": {"file": "fw.bin", "uri": "#f", "integrated": True}}]},
                     lambda e: e.payloads, {"#f": NEW}),
    "set-version": ({"set_version": [1, -3, 2]}, lambda e: cbor2.loads(e.manifest[6]), [1, -3, 2]),
    "reference URI": ({"reference_uri": "r"}, lambda e: e.manifest[4], "r"),
    "fetch arguments": ({"components": [{"id": "main", "image": {"file": "fw.bin", "fetch_args": {"text": "f"}}}]},
                        lambda e: parameter(section(e, 20), 25), b"f"),
}


@pytest.mark.parametrize("element", ELEMENTS)
def test_element(make, element):
    members, read, wanted = ELEMENTS[element]
    source = {k: v for k, v in {**IDS, "components": [MAIN], **members}.items() if v is not None}
    assert read(Envelope(make(source), make.keys)) == wanted


# --- what is refused -------------------------------------------------------------------------

ONE = {"components": [MAIN]}
TWO = {"components": [MAIN, {"id": "dl"}]}
WRONG = [
    ({"component": []}, 'component is no known member; did you mean "components"?'),
    ({"components": [{"id": "m", "imagse": {}}]}, 'components[0].imagse is no known member; did you mean "image"?'),
    ({"components": [{"id": "m", "image": {"file": "fw.bin", "digest": "0"}}]},
     "components[0].image.digest must be the 64 hexadecimal digits of a SHA-256"),
    ({"components": [{"id": "m", "image": {"file": "fw.bin", "digest": "0" * 64}}]},
     "components[0].image.digest is not that of the file"),
    ({"components": [{"id": "m", "image": {"file": "fw.bin", "size": 1}}]},
     "components[0].image.size is not that of the file"),
    ({"components": [{"id": "m", "image": {"uri": "x"}}]}, 'components[0].image needs "file" or "digest"'),
    ({"components": [{"id": "m", "image": {"file": "fw.bin", "uri": "x" * 256}}]},
     "components[0].image.uri is longer than 255 bytes"),
    ({"components": [{"id": "m//n"}]},
     "components[0].id is no component name; write segments joined by '/', such as main or 0x00/0x01"),
    ({"components": [{"id": f"m{i}"} for i in range(9)]}, "components has more than 8 items"),
    ({"components": [{"id": "m", "install": "copy", "image": {"file": "fw.bin", "via": "n"}}]},
     "components[0].image.via names no component of this source"),
    ({"components": [{"id": "m", "image": {"file": "fw.bin", "via": "n"}}]},
     'components[0].image.via has no meaning with this "install"'),
    ({"components": [{"id": "m", "check_candidate": True, "image": {"file": "fw.bin"}}]},
     'components[0].check_candidate looks at what "fetch_in": "payload-fetch" has fetched, for copy or swap'),
    ({"components": [copied("m", fetch_in="install", check_candidate=True), {"id": "dl"}]},
     'components[0].check_candidate looks at what "fetch_in": "payload-fetch" has fetched, for copy or swap'),
    ({"components": [copied("m"), copied("n", "old.bin"), {"id": "dl"}]},
     'components[0] is overwritten by the fetch of components[1] before it is installed; give it an area of its own, or both '
     '"fetch_in": "install"'),
    ({"components": [copied("m", fetch_in="install"), copied("n", "old.bin"), {"id": "dl"}]},
     'components[1] is overwritten by the fetch of components[0] before it is installed; give it an area of its own, or both '
     '"fetch_in": "install"'),
    ({"components": [copied("m", fetch_in="install"), copied("n", "old.bin", True, fetch_in="install"), {"id": "dl"}]},
     "components[1] would be fetched from the URI of components[0], as its own is replaceable; give it an area of its own"),
    ({"components": [{"id": "m", "image": {"file": "fw.bin", "integrated": True}}]},
     "components[0].image is integrated: it needs a \"file\", and a \"uri\" that begins with '#'"),
    ({"components": [{"id": "m", "image": {"file": "fw.bin"}, "images": []}]},
     'components[0].image stands beside "images"; take one'),
    ({"components": [{"id": "m", "metadata": {"user_permissions": {"root": 1}}}]},
     "components[0].metadata.user_permissions.root must be called by the number of its actor"),
    ({"sequence": -1, **ONE}, "sequence must be a number from 0 to 9223372036854775807"),
    ({"sequence": 1.5, **ONE}, "sequence must be a number from 0 to 9223372036854775807"),
    ({"vendor": "a.example", "vendor_id": str(VENDOR), **ONE},
     'vendor stands beside "vendor_id" or "vendor_pen"; take one'),
    ({"class": "x", **ONE}, 'class needs "vendor" or "vendor_id"; or give the class\'s id'),
    ({"class_id": "x", **ONE}, "class_id must be a UUID"),
    ({"class_id": str(CLASS), "class_ids": [str(CLASS)], **ONE}, "class_ids is a second way to name classes; take one"),
    ({"guards": {"versions": ["1.2"]}, **ONE}, "guards.versions[0] must be a bound such as >=1.2 or =2.0-rc.1"),
    ({"guards": {"versions": [">=1 <2 <3"]}, **ONE}, "guards.versions[0] has more than two bounds"),
    ({"guards": {"use_before": "tomorrow"}, **ONE},
     "guards.use_before must be a time such as 2030-01-01T00:00:00Z, or seconds since 1970"),
    ({"guards": {"wait": {"day_of_week": 7}}, **ONE}, "guards.wait.day_of_week must be a number from 0 to 6"),
    ({"guards": {"wait": {}}, **ONE}, "guards.wait waits for nothing"),
    ({"set_version": "1.x", **ONE}, "set_version must be a version such as 1.2.0 or 2.0-rc.1"),
    ({"sever": ["validate"], **ONE},
     "sever[0] must be one of coswid, dependency-resolution, payload-fetch, candidate-verification, install, text"),
    ({"text": {"en": {"components": {"other": {}}}}, **ONE},
     "text.en.components.other is no component of this source"),
    ({"coswid": {"hex": "0"}, **ONE}, "coswid.hex must be hexadecimal digits"),
    ({"coswid": {"hex": "00", "text": "x"}, **ONE}, 'coswid must have one of "file", "hex" and "text"'),
    ({"sequences": {"install": ["fetsh"]}, **ONE},
     'sequences.install[0] is no command; did you mean "fetch"?'),
    ({"sequences": {"install": [{"fetch": 16}]}, **ONE},
     "sequences.install[0].fetch must be a number from 0 to 15"),
    ({"sequences": {"install": ["override"]}, **ONE}, "sequences.install[0] needs an argument"),
    ({"sequences": {"install": [{"override": {}}]}, **ONE}, "sequences.install[0].override sets nothing"),
    ({"sequences": {"install": [{"try-each": [["fetch"]]}]}, **ONE},
     "sequences.install[0].try-each needs two lists at least"),
    ({"sequences": {"install": [{"try-each": [["fetch"], None]}]}, **ONE},
     "sequences.install[0].try-each[1] must be a list with items"),
    ({"sequences": {"install": [{"custom": [1, None]}]}, **ONE},
     "sequences.install[0].custom[0] must be a number from -9223372036854775808 to -257"),
    ({"sequences": {"install": ["fetch"]}, **TWO},
     'sequences.install[0] comes before an "index", and there are several components'),
    ({"sequences": {"install": [{"custom": [-257, None]}]}, **TWO},
     'sequences.install[0] comes before an "index", and there are several components'),
    ({"sequences": {"install": [{"try-each": [[{"index": 0}], ["abort"]]}]}, **TWO},
     'sequences.install[0].try-each[1][0] comes before an "index", and there are several components'),
    ({"sequences": {"install": [{"try-each": [[{"index": 0}], [{"index": 1}], None]}, {"copy-params": {"0": ["uri"]}}]}, **TWO},
     'sequences.install[1] comes before an "index", and there are several components'),
    ({"sequences": {"install": [{"index": 1}]}, **ONE},
     "sequences.install[0].index must be a number from 0 to 0"),
    ({"sequences": {"install": [{"run-sequence": [{"index": [0, 2]}]}]}, **TWO},
     "sequences.install[0].run-sequence[0].index[1] must be a number from 0 to 1"),
    ({"sequences": {"install": [{"override-multiple": {"2": {"slot": 1}}}]}, **TWO},
     "sequences.install[0].override-multiple.2 must be called by an index from 0 to 1"),
    ({"sequences": {"shared": [{"index": 0}, "fetch"]}, **TWO},
     "sequences.shared[1] cannot stand in the shared sequence, which only checks and sets"),
    ({"dependencies": [{"uri": "#x", "integrated": True}], **ONE},
     "dependencies[0] is integrated: it needs \"file\", and a \"uri\" that begins with '#'"),
    ({"dependencies": [{"file": "fw.bin"}], **ONE},
     "dependencies[0].file is no valid envelope: not well-formed deterministic CBOR of a SUIT envelope"),
    ([], " must be an object"),
]


def test_an_index_that_every_way_sets_is_set(make):
    """What the reader of sources asks of sequences is no more than what a device does."""
    ways = {"try-each": [[{"index": 0}, "abort"], [{"run-sequence": [{"index": [1, 0]}]}]]}
    data = make({**IDS, **TWO}, sequences={"shared": [ways, "condition-vendor"], "validate": [
        {"override-multiple": {"1": {"slot": 1}}}, {"index": True}, {"copy-params": {"1": ["slot"]}},
        {"try-each": [["abort"], ["abort"], None]}, {"custom": [-257, None]}]})
    assert shared(Envelope(data, make.keys))[-2] == 1
    make({**IDS, **ONE}, sequences={"install": ["fetch"], "validate": [{"index": 0}, {"index": True}, "condition-image-match"]})


def test_override_multiple_sets_the_index(make):
    """It is the last of them that the commands behind it are for; nobody else takes them for another's."""
    values = {"digest": "ab" * 32, "size": 7, "uri": "u"}
    make({**IDS, **TWO}, key=False, sequences={"install": [
        {"override-multiple": {"0": {"digest": "cd" * 32}, "1": values}}, "fetch", "condition-image-match"]})
    done = make.run("manifest", "sign", make.last, "--key", "k.pem", "--out", "s", "--yes")
    assert f"fetches u (7 B) into {TWO['components'][1]['id']}" in done.stdout


@pytest.mark.parametrize("source,error", WRONG, ids=[w[1][:60] for w in WRONG])
def test_refused_with_its_path(make, source, error):
    text = json.dumps(source if isinstance(source, list) or "vendor" in source or "class" in source
                      or "class_id" in source else {**IDS, **source})
    assert make(text, code=1) == f"source-1.json: {error.lstrip()}"


@pytest.mark.parametrize("source,error", [
    ("{", "source-1.json:1: string or '}' expected near end of file"),
    ('{"sequence": 1, "sequence": 2}', 'source-1.json:1: duplicate object key near \'"sequence"\''),
    ('{"vendor": "a.example", "class": "b", "components": [{"id": "m"}, {"id": "m"}]}',
     "cannot make the manifest: not well-formed deterministic CBOR of a SUIT envelope"),
])
def test_refused_as_a_whole(make, source, error):
    assert make(source, code=1) == error


def test_file_that_is_not_there(make):
    assert make({**IDS, "components": [{"id": "m", "image": {"file": "none.bin"}}]}, code=3) \
        == "cannot open none.bin: No such file or directory"


# --- commands --------------------------------------------------------------------------------

def test_options_stand_in_for_a_source(make):
    run = make.run
    run("manifest", "create", "--class", "example.com/sensor-a rev1", "--image", "slot-a.bin", "--image", "slot-b.bin",
        "--version", "1.2", "--sequence", "9", "--key", "k.pem", "--out", "x.suit")
    data = (make.home / "x.suit").read_bytes()
    device = make.device(slot=1)
    device.update(data, make.keys)
    assert device.storage == {name("main"): FILES["slot-b.bin"]}
    shown = json.loads(run("manifest", "show", "x.suit", "--json").stdout)
    assert (shown["version"], shown["sequence"], len(shown["images"])) == ("1.2", 9, 2)
    assert run("manifest", "create", "--image", "fw.bin", "--out", "y", code=1).stderr == \
        "muster: manifest create needs SOURCE.json, or --class and --image\n"
    assert run("manifest", "create", "x.json", "--class", "a/b", "--out", "y", code=1).stderr == \
        "muster: --class stands in for a source and cannot stand beside one\n"
    assert run("manifest", "create", "x.json", code=1).stderr == "muster: manifest create needs --out\n"


def test_sign_adds_a_signature(make):
    run = make.run
    run("key", "new", "ed.pem", "--type", "ed25519", "--no-passphrase")
    data = make({**IDS, "components": [MAIN]}, key=False)
    assert run("manifest", "sign", make.last, "--key", "k.pem", "--out", "s1", code=2).stderr == \
        "muster: this needs an answer and there is nobody to ask; say --yes\n"
    assert not (make.home / "s1").exists()
    done = run("manifest", "sign", make.last, "--key", "k.pem", "--out", "s1", "--yes")
    assert "fetches u (650 B) into main" in done.stdout
    run("manifest", "sign", "s1", "--key", "ed.pem", "--out", "s2", "--yes")
    twice = Envelope((make.home / "s2").read_bytes(), [*make.keys, (make.home / "ed.pem.pub").read_bytes()])
    assert twice.algorithms == [-9, -19] and twice.digest == Envelope(data).digest
    assert run("manifest", "sign", "s2", "--key", "k.pem", "--out", "s3", "--yes", code=6).stderr == \
        "muster: s2 is signed by k.pem already\n"
    assert run("manifest", "sign", "s1", "--key", "ed.pem.pub", "--out", "s3", "--yes", code=1).stderr == \
        "muster: ed.pem.pub is a public key and cannot sign\n"
    flipped = bytearray(data)
    flipped[-1] ^= 1
    (make.home / "bad").write_bytes(flipped)
    assert "is no valid envelope" in run("manifest", "sign", "bad", "--key", "k.pem", "--out", "s3", "--yes",
                                         code=1).stderr


def test_lint(make):
    make({**IDS, "sequence": 9, "components": [{"id": "main", "image": {"file": "fw.bin"}}]})
    assert make.run("manifest", "lint", make.last).stderr == "Nothing to say against it.\n"
    found = json.loads(make.run("manifest", "lint", make.last, "--after", "9", "--max-bytes", "100", "--json",
                                code=1).stdout)
    assert [f["rule"] for f in found] == ["too-large", "sequence-not-higher"]
    make({"components": [{"id": "main", "image": {"file": "fw.bin", "uri": "coap://x/y"}}]}, key=False)
    rows = make.run("manifest", "lint", make.last, "--plain", code=1).stdout.splitlines()
    assert [r.split("\t")[:4] for r in rows] == [
        ["unsigned", "error", "-", "-"], ["names-host", "advice", "main", "install"],
        ["no-vendor", "error", "main", "install"], ["no-class", "error", "main", "install"]]
    advice = {**IDS, "components": [{"id": "main", "image": {"file": "fw.bin", "uri": "coap://x/y"}}]}
    make(advice)
    assert "names-host" in make.run("manifest", "lint", make.last).stdout


SHOWN = {
    "delta": (DELTA, """
Before each of these:
  checks that it is of the vendor cfbff0d1-9375-5685-968c-48ce8b15ae17
  checks that it is of the class 1f9409e7-1739-51e9-b394-960c89bcebc8
  main is to hold image NEW

To fetch:
  tries in turn, until one goes through:
    1.
      checks that main holds image OLD
      fetches img/PATCHID (19 B) into dl/patch
      checks that dl/patch holds image PATCH
    2.
      fetches img/NEWID (650 B) into dl/full
      checks that dl/full holds image NEW

To install:
  tries in turn, until one goes through:
    1.
      checks that dl/patch holds image PATCH
      copies dl/patch to main
    2.
      checks that dl/full holds image NEW
      copies dl/full to main
  checks that main holds image NEW

To check what is installed:
  checks that main holds image NEW
"""),
    "names and guards": ({**IDS, "guards": {"versions": [">=1.2 <2.0"], "use_before": 4000000000, "battery_mwh": 5,
                                            "priority": -1, "wait": {"time_of_day": 3600, "day_of_week": 0}},
                          "text": {"en": {"components": {"main": {"vendor_domain": "example.com",
                                                                  "model_info": "sensor-a rev1"}}}},
                          "components": [{"id": "main", "image": {"file": "fw.bin", "uri": "#f", "integrated": True},
                                          "invoke": True, "invoke_args": {"text": "-x"}}]}, """
Before each of these:
  checks that it is made by example.com
  checks that it is a sensor-a rev1 of example.com
  main is to hold image NEW

To install:
  stops unless the version of main is at least 1.2
  stops unless the version of main is below 2.0
  stops after 2096-10-02 07:06:40Z
  stops if its battery holds less than 5 mWh
  stops unless it is authorized at priority -1
  waits until it is 01:00:00 local time or later and it is Sunday local time
  fetches #f (650 B) into main; it is in this envelope
  checks that main holds image NEW

To check what is installed:
  checks that main holds image NEW

To run:
  runs main with arguments of 2 bytes
"""),
    "a lie": ({**IDS, "text": {"en": {"components": {"main": {"vendor_domain": "other.example",
                                                              "model_info": "sensor-a rev1"}}}},
               "components": [{"id": "main", "install": "write", "image": {"content": {"text": "x"}}, "uninstall": True}],
               "sequences": {"validate": [{"custom": [-300, None]}, {"run-sequence": ["abort"]}]}}, """
Before each of these:
  checks that it is of the vendor cfbff0d1-9375-5685-968c-48ce8b15ae17
  checks that it is of the class 1f9409e7-1739-51e9-b394-960c89bcebc8

To install:
  writes 1 bytes of the manifest to main

To check what is installed:
  does the vendor's own command -300 with main
  gives up

To uninstall:
  removes main
"""),
}


@pytest.mark.parametrize("what", SHOWN)
def test_show_says_what_a_device_would_do(make, what):
    source, wanted = SHOWN[what]
    make(source)
    text = make.run("manifest", "show", make.last).stdout
    for word, content in (("NEW", NEW), ("OLD", OLD), ("PATCH", PATCH)):
        digest = hashlib.sha256(content).hexdigest()
        wanted = wanted.replace(word + "ID", digest)
        wanted = re.sub(rf"\b{word}\b", f"{digest[:12]}... ({len(content)} B)", wanted)
    assert text[text.index("\nBefore"):] == wanted


def test_show_of_a_hostile_text_is_clean(make):
    make({**IDS, "components": [{"id": "main", "image": {"file": "fw.bin", "uri": "a\u001b[31mb\u009b\u0007"}}]})
    text = make.run("manifest", "show", make.last).stdout
    assert "fetches a?[31mb" in text and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


@pytest.mark.parametrize("path", sorted(DATA.glob("*/*.suit")) + sorted(DATA.glob("*/*.signed.cbor")),
                         ids=lambda p: f"{p.parent.name}/{p.name}")
def test_show_tells_every_vector(cli, path):  # noqa: F811
    done = run_muster(cli.home, "manifest", "show", path)
    tagged = path.read_bytes().startswith(b"\xd8\x6b")
    assert done.returncode == (0 if tagged else 1)
    if tagged:
        assert "\nTo " in done.stdout and "?" not in done.stdout.split("\nTo ", 1)[1]


# --- RIOT ------------------------------------------------------------------------------------

def test_riot(make):
    run = make.run
    run("key", "new", "ed.pem", "--type", "ed25519", "--no-passphrase")
    source = DATA / "source" / "riot-two-slot.json"
    run("manifest", "create", source, "--dialect", "riot", "--out", "unsigned")
    assert (make.home / "unsigned").read_bytes() == (DATA / "riot-draft09" / "two-slot.unsigned.cbor").read_bytes()
    run("manifest", "create", source, "--dialect", "riot", "--out", "signed", "--key", "ed.pem")
    envelope = cbor2.loads((make.home / "signed").read_bytes())
    protected, _, payload, signature = cbor2.loads(cbor2.loads(envelope[2])[0]).value
    vector = cbor2.loads((DATA / "riot-draft09" / "two-slot.signed.cbor").read_bytes())
    assert envelope[3] == vector[3]
    assert (protected, payload) == tuple(cbor2.loads(cbor2.loads(vector[2])[0]).value[i] for i in (0, 2))
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    assert verifies((make.home / "ed.pem.pub").read_bytes(), signature, signed)
    assert make({**IDS, "components": [MAIN]}, "--dialect", "riot", code=1) == "RIOT takes Ed25519 keys alone"
    assert make({**IDS, "components": [{**MAIN, "invoke": True}]}, "--dialect", "riot", code=1) == \
        "RIOT cannot do everything that the source asks for; see docs/manifest.md"
    long = [{"slot": i, "digest": "00" * 32, "size": i, "uri": "u" * 200} for i in range(3)]
    assert make({**IDS, "components": [{"id": "m", "images": long}]}, "--dialect", "riot", code=1, key=False) == \
        "RIOT takes 640 bytes and a sequence number of 32 bits at most"
    assert make({**IDS, "components": [MAIN]}, "--dialect", "tock", code=1) == '--dialect "tock": there is riot'


# --- docs/manifest.md ------------------------------------------------------------------------

EXAMPLES = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "manifest.md").read_text(), re.S)


def verified_for(make, source):
    """`verify` knows for whom it is, and which images it leaves there."""
    def verify(code, *words):
        make.run("manifest", "verify", make.last, "--key", "k.pem.pub", *words, code=code)
    one_way = 1 if "dependencies" in source else 0  # what others do cannot be told from its bytes
    for name in source.get("classes", [source.get("class")]):
        verify(one_way, "--class", f"{source['vendor']}/{name}")
    verify(1, "--class", f"{source['vendor']}/other")
    verify(1, "--class", f"other.example/{source.get('class')}")
    slots = "slot-a.bin" if '"slot"' in json.dumps(source) else "fw.bin"
    verify(one_way, "--image", slots)
    verify(1, "--image", "fw.enc")


@pytest.mark.parametrize("i", range(len(EXAMPLES)))
def test_example_of_the_page(make, i):
    """Each is made, judged without an error, told, and carried out."""
    modem = make(IDS, components=[{"id": "modem", "image": {"file": "old.bin"}}])
    (make.home / "modem.suit").write_bytes(modem)
    source = json.loads(EXAMPLES[i])
    data = make(EXAMPLES[i])
    make.run("manifest", "lint", make.last)
    assert "\nTo " in make.run("manifest", "show", make.last).stdout
    verified_for(make, source)
    vendor = uuid.uuid5(uuid.NAMESPACE_DNS, source["vendor"])
    class_id = uuid.uuid5(vendor, source.get("class") or source["classes"][1])
    device = Device(vendor.bytes, class_id.bytes, {**by_digest(*FILES.values()), "img/full": NEW}, version=(1, 4),
                    authorized=-5, handlers={"decrypt": lambda info, content: NEW})
    if "dependencies" in source:
        inner = Device(VENDOR.bytes, CLASS.bytes, device.files)
        with pytest.raises(Refused):  # the modem's class is another one than the gateway's
            device.update(data, make.keys)
        inner.update(modem, make.keys)
        return
    device.update(data, make.keys)
    device.invoke(data, make.keys)
    first = source["components"][0]["id"]
    assert device.storage[(b"\0",) if first == "0x00" else name(first)] in (NEW, FILES["slot-a.bin"])


def test_page_names_every_member_and_finding(cli):  # noqa: F811
    page = (ROOT / "docs" / "manifest.md").read_text()
    words = set()
    for path in ("source.c", "source_image.c", "source_guard.c"):
        text = (ROOT / "cli" / path).read_text()
        for table in re.findall(r"(?:names|all|id_only|image_names)\[\] = \{(.*?)\};", text, re.S):
            words |= set(re.findall(r'"([a-z_]+)"', table))
    words |= set(re.findall(r'= "([a-z_]+)"', (ROOT / "cli" / "words.c").read_text()))
    words |= set(re.findall(r'\] = \{ "([a-z-]+)"', (ROOT / "suit" / "lint.c").read_text()))
    assert len(words) > 80
    assert [w for w in sorted(words) if f"`{w}`" not in page and f'"{w}"' not in page] == []
