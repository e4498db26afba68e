"""`--delta-from auto`: deltas from what the class's devices hold, each for its own base, signed and offered beside the
whole image."""

import hashlib
import random
import uuid

import pytest

import suit
from suit_device import Device, Refused
from test_cli_server import CLASS, author, cli, fresh  # noqa: F401

VENDOR_ID, CLASS_ID = suit.vendor_id("acme.example"), suit.class_id("acme.example", "lock-7")
DIE = random.Random(7)


def noise(n):
    return DIE.randbytes(n)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def changed(image, places):
    out = bytearray(image)
    for at in places:
        out[at] ^= 0x5a
    return bytes(out)


NEW = noise(20000)
BASES = {"close": changed(NEW, range(0, 20000, 4000)), "near": changed(NEW, range(100, 20000, 1500)), "alien": noise(20000),
         "rare": changed(NEW, [5])}


def hold(daemon, count, image):
    """So many devices of the class that say they hold the image, as rows."""
    ids = [uuid.uuid4() for _ in range(count)]
    rows = ",".join(f"(1, '{i}', '{i}', 0, 1, '{VENDOR_ID}', '{CLASS_ID}', 1)" for i in ids)
    parts = ",".join(f"(1, '{i}', 'main', '\\x{sha(image)}', 1)" for i in ids)
    daemon.pg.sql("INSERT INTO device (tenant_id, device_id, endpoint, hash, lifecycle, vendor_id, class_id, created_at) "
                  f"VALUES {rows}; INSERT INTO component (tenant_id, device_id, name, digest, updated_at) VALUES {parts}",
                  daemon.database)


@pytest.fixture
def fleet(author, daemon):  # noqa: F811
    """Images on the server, and devices: 50 close, 30 near, 10 alien, 6 have the new one, 2 rare, 2 nobody knows."""
    (author.home / "fw.bin").write_bytes(NEW)
    for n, (name, image) in enumerate(BASES.items(), 1):
        (author.home / f"{name}.bin").write_bytes(image)
        if name != "rare":
            author("release", "create", f"{name}.bin", "--class", CLASS, "--version", str(n), "--sequence", n, "--key", "a.pem")
    for count, image in ((50, BASES["close"]), (30, BASES["near"]), (10, BASES["alien"]), (6, NEW), (2, BASES["rare"]),
                         (2, b"of another vendor")):
        hold(daemon, count, image)
    return author


def test_deltas_for_most_of_a_class(fleet):
    rows = fleet.json("delta", "create", "fw.bin", "--delta-from", "auto", "--class", CLASS, "--format", "heatshrink",
                      "--out", "d")
    assert [(r["base_digest"], r["devices"], r["dropped"]) for r in rows] == [
        (sha(BASES["close"]), 50, None), (sha(BASES["near"]), 30, None),
        (sha(BASES["alien"]), 10, "over 60 % of the compressed full image")]
    assert sorted(p.name for p in fleet.home.glob("d-*")) == sorted(
        f"d-{sha(BASES[n])[:12]}.delta" for n in ("close", "near"))
    for name in ("close", "near"):
        path = f"d-{sha(BASES[name])[:12]}.delta"
        fleet("delta", "apply", f"{name}.bin", path, "--base-digest", sha(BASES[name]), "--digest", sha(NEW), "--out",
              f"{name}.new")
        assert (fleet.home / f"{name}.new").read_bytes() == NEW
        assert next(r["size"] for r in rows if r["base_digest"] == sha(BASES[name])) == (fleet.home / path).stat().st_size


def test_images_that_the_server_lost_are_told(fleet, daemon):
    hold(daemon, 100, BASES["rare"])
    done = fleet("delta", "create", "fw.bin", "--delta-from", "auto", "--class", CLASS, "--format", "lzma", "--out", "d",
                 "--plain")
    assert f"{sha(BASES['rare'])}\t102\t0\tthe server does not have that image" in done.stdout
    assert done.stderr.strip().endswith("Of 200 devices 6 have the new image and 80 get a delta.")


def test_a_long_image_is_fetched_or_told(fleet, daemon):
    """Longer than an answer of JSON may be: zstd makes a delta from it, heatshrink says why there is none; and the
    others have theirs."""
    long = changed(NEW, [77]) + bytes(65 << 20)
    (fleet.home / "long.bin").write_bytes(long)
    fleet("release", "create", "long.bin", "--class", CLASS, "--version", "7", "--sequence", 7, "--key", "a.pem")
    again = fleet("release", "create", "long.bin", "--class", CLASS, "--version", "8", "--sequence", 8, "--key", "a.pem")
    assert "The server has the image already." in again.stderr
    hold(daemon, 60, long)
    words = ("delta", "create", "fw.bin", "--delta-from", "auto", "--class", CLASS, "--max-percent", 100)
    rows = fleet.json(*words, "--format", "zstd", "--out", "z")
    assert [(r["base_digest"], r["dropped"]) for r in rows[:2]] == [(sha(long), None), (sha(BASES["close"]), None)]
    rows = fleet.json(*words, "--format", "heatshrink", "--out", "h")
    assert [(r["base_digest"], r["dropped"]) for r in rows[:2]] == [
        (sha(long), "that image is too large for the format"), (sha(BASES["close"]), None)]


def test_an_image_that_cannot_be_fetched_stops_no_other(fleet, daemon):
    stored = next(p for p in (daemon.state_dir / "images").rglob("*") if p.is_file() and p.read_bytes() == BASES["close"])
    stored.chmod(0o600)
    stored.write_bytes(noise(20000))
    rows = fleet.json("delta", "create", "fw.bin", "--delta-from", "auto", "--class", CLASS, "--format", "heatshrink",
                      "--out", "d")
    assert [(r["base_digest"], r["dropped"]) for r in rows[:2]] == [
        (sha(BASES["close"]), "that image could not be fetched"), (sha(BASES["near"]), None)]


@pytest.mark.parametrize("form", ["heatshrink", "lzma", "zstd"])
def test_each_delta_has_a_manifest_of_its_own(fleet, form):
    """Carried out by a processor that shares nothing with the project (suit_device.py); the patch by `delta apply`."""
    fleet("release", "create", "fw.bin", "--class", CLASS, "--version", "3.7", "--sequence", "9", "--key", "a.pem",
          "--delta-from", "auto", "--format", form, "--out", "r.suit")
    home, via, keys = fleet.home, (b"dl", f"patch-{form}".encode()), [(fleet.home / "a.pem.pub").read_bytes()]
    for name in ("close", "near"):
        stem = f"r.suit-{sha(BASES[name])[:12]}"
        fleet("manifest", "verify", f"{stem}.suit", "--key", "a.pem.pub")
        shown = fleet.json("manifest", "show", f"{stem}.suit")
        assert (shown["sequence"], shown["components"]) == (9, ["main", f"dl/patch-{form}"])
        delta = (home / f"{stem}.delta").read_bytes()

        def patched(content, old):
            (home / "old").write_bytes(old)
            (home / "patch").write_bytes(content)
            fleet("delta", "apply", "old", "patch", "--base-digest", sha(old), "--out", "patched")
            return (home / "patched").read_bytes()

        device = Device(VENDOR_ID.bytes, CLASS_ID.bytes, {"img/" + sha(delta): delta}, handlers={via: patched},
                        storage={(b"main",): BASES[name]})
        device.update((home / f"{stem}.suit").read_bytes(), keys)
        assert device.storage[(b"main",)] == NEW and device.fetched == ["img/" + sha(delta)]
        (home / "patched").unlink()
        other = Device(VENDOR_ID.bytes, CLASS_ID.bytes, {"img/" + sha(delta): delta}, handlers={via: patched},
                       storage={(b"main",): BASES["alien"]})
        with pytest.raises(Refused):
            other.update((home / f"{stem}.suit").read_bytes(), keys)
        assert other.fetched == []
    assert not list(home.glob(f"r.suit-{sha(BASES['alien'])[:12]}*"))


def test_what_is_refused(fleet):
    words = ("delta", "create", "fw.bin", "--class", CLASS, "--format", "lzma", "--out", "d")
    assert fleet.error(*words, "--delta-from", "yesterday") == 'muster: --delta-from "yesterday": there is auto'
    assert fleet.error(*words) == "muster: delta create needs OLD and NEW, or --delta-from auto"
    assert "there is no such class" in fleet.error(*words[:3], "--class", "acme.example/none", *words[5:], "--delta-from",
                                                   "auto", code=3)


def test_deltas_are_published_as_variants(fleet):
    made = fleet.json("release", "create", "fw.bin", "--class", CLASS, "--version", "3.7", "--key", "a.pem", "--delta-from",
                      "auto", "--format", "heatshrink")
    shown = fleet.json("release", "show", made["release_id"])
    manifests = {m["base"]["digest"] if m.get("base") else None: m for m in shown["manifests"]}
    assert set(manifests) == {None, sha(BASES["close"]), sha(BASES["near"])}
    for base, m in manifests.items():
        assert m["needs"] == (["patch-heatshrink"] if base else [])
        assert not base or (m["base"]["component"] == "main" and m["bytes"] < manifests[None]["bytes"] * 6 // 10)
