"""A campaign over a mixed fleet of real agents: three precursors, one that nobody knows, one that reads no
delta, one that takes nothing that is not encrypted.  The author's command line makes the variants, the server
gives each device the smallest that fits, the agent unpacks it, starts it and proves that it runs; one whose
delta fails gets the whole image next."""

import base64
import hashlib
import json
import os
import random

import pytest

from fleet import (  # noqa: F401
    AGENT, CLASS, MUSTER, SUCCEEDED, VENDOR, Release, a_seed, make_world, must, run, world,
)

CLASS_KEY = bytes(range(16))


class Files:
    """Firmware, payloads and manifests, made as an author makes them."""

    def __init__(self, world, dice):
        self.world, self.dice, self.folder = world, dice, world.folder / "made"
        self.folder.mkdir()
        self.program = self.path("agent")
        run("strip", "-o", self.program, AGENT)
        self.path("class.key").write_bytes(CLASS_KEY)
        self.sequence = 100

    def path(self, name):
        return self.folder / name

    def firmware(self, name):
        """The agent itself, and something that is this version's own."""
        path = self.path(name)
        path.write_bytes(self.program.read_bytes() + self.dice.randbytes(3000))
        path.chmod(0o755)
        return path

    def delta(self, old, new, form):
        out = self.path(f"{old.name}.{form}")
        run(MUSTER, "delta", "create", old, new, "--format", form, "--out", out)
        return out

    def compressed(self, image, form):
        out = self.path(f"{image.name}.{form}")
        run(MUSTER, "image", "compress", image, "--format", form, "--out", out)
        return out

    def encrypted(self, plain, *recipients):
        out, info = self.path(f"{plain.name}.enc"), self.path(f"{plain.name}.info")
        recipients = recipients or ("--kek", f"class-1={self.path('class.key')}")
        run(MUSTER, "image", "encrypt", plain, *recipients, "--out", out, "--info", info)
        return out, info

    def manifest(self, name, image, area=None, payload=None, old=None, info=None, signing=None, env=None, **top):
        """The signed envelope of an image that is fetched as it is, or by way of an area."""
        member, components = {"file": str(image)}, []
        if old:
            member["precursor"] = {"file": str(old)}
        if info:
            member["encryption_info"] = {"file": str(info)}
        if area:
            member.update(via=area, fetched={"file": str(payload)})
            components = [{"id": area}]
        main = {"id": "main", "image": member, **({"install": "copy"} if area else {})}
        source, out = self.path(f"{name}.json"), self.path(f"{name}.suit")
        source.write_text(json.dumps({"vendor": VENDOR, "class": CLASS, "sequence": self.sequence,
                                      "components": [main, *components], **top}))
        signing = signing or ("--key", self.world.author.key)
        run(MUSTER, "manifest", "create", source, *signing, "--out", out, "--no-input", env={**os.environ, **(env or {})})
        self.upload(payload or image)
        return Variant(out, payload or image)

    def pair(self, name, image, config):
        """Two components, each fetched as it is."""
        source, out = self.path(f"{name}.json"), self.path(f"{name}.suit")
        source.write_text(json.dumps({"vendor": VENDOR, "class": CLASS, "sequence": self.sequence, "components": [
            {"id": "main", "image": {"file": str(image)}}, {"id": "config", "image": {"file": str(config)}}]}))
        run(MUSTER, "manifest", "create", source, "--key", self.world.author.key, "--out", out, "--no-input")
        for path in (image, config):
            self.upload(path)
        return Variant(out, image)

    def upload(self, path):
        data = path.read_bytes()
        put = self.world.admin.put(f"/v1/images/{hashlib.sha256(data).hexdigest()}", data=data,
                                   headers={"Content-Type": "application/octet-stream"})
        assert put.status_code in (200, 201), put.text


class Variant:
    def __init__(self, envelope, payload):
        self.envelope = base64.b64encode(envelope.read_bytes()).decode()
        self.size = payload.stat().st_size
        self.digest = json.loads(run(MUSTER, "manifest", "show", envelope, "--json").stdout)["digest"]


class Made:
    """The release and what it replaces."""

    def __init__(self, world, dice):
        f = Files(world, dice)
        self.old = [f.firmware(f"old-{i}") for i in range(4)]  # for the last there is no delta
        self.new = f.firmware("new")
        deltas = [f.delta(old, self.new, form) for old, form in zip(self.old, ("heatshrink", "lzma", "zstd"))]
        small, (secret, info) = f.compressed(self.new, "lzma"), f.encrypted(self.new)
        secret_delta, delta_info = f.encrypted(deltas[0])
        self.whole = f.manifest("whole", self.new)
        self.heatshrink, self.lzma, self.zstd = (
            f.manifest(form, self.new, f"dl/patch-{form}", delta, old)
            for form, delta, old in zip(("heatshrink", "lzma", "zstd"), deltas, self.old))
        self.small = f.manifest("small", self.new, "dl/lzma", small)
        self.secret = f.manifest("secret", self.new, "dl/full", secret, info=info)
        self.secret_delta = f.manifest("secret-delta", self.new, "dl/patch-heatshrink", secret_delta, self.old[0],
                                       delta_info)
        self.files = f
        self.release = publish(world, "2.0.0", self.new, self.whole, self.heatshrink, self.lzma, self.zstd, self.small,
                               self.secret, self.secret_delta)


def publish(world, version, image, first, *others):
    made = must(world.admin.post("/v1/releases", {"envelope": first.envelope, "version": version}), 201)
    for variant in others:
        must(world.admin.post(f"/v1/releases/{made['release_id']}/manifests", {"envelope": variant.envelope}), 201)
    return Release(made["release_id"], version, image.read_bytes())


def agent(files, name, runs, formats, **settings):
    files.world.add_device(name)
    if "aes-kw" in formats:
        settings.update(class_key_file=files.path("class.key"), class_key_id="class-1")
    return files.world.agent(name, runs, formats=formats, **settings)


def job_of(world, campaign, name):
    return next(j for j in world.jobs(campaign) if j["endpoint"] == name)


def test_each_device_gets_the_smallest_that_fits_and_runs_it(world):  # noqa: F811
    made = Made(world, random.Random(a_seed("mixed")))
    every = "patch-heatshrink patch-lzma patch-zstd lzma"
    plan = {  # what it runs, what it reads, what it should get
        "from-0": (made.old[0], "patch-heatshrink lzma", made.heatshrink),
        "from-1": (made.old[1], every, made.lzma),
        "from-2": (made.old[2], every, made.zstd),
        "from-unknown": (made.old[3], every, made.small),
        "no-delta": (made.old[0], "", made.whole),
        "secret": (made.old[1], "aes-kw gcm", made.secret),
        "secret-delta": (made.old[0], "aes-kw gcm patch-heatshrink", made.secret_delta),
    }
    agents = {name: agent(made.files, name, runs, formats,
                          **({"only_encrypted": "yes"} if name.startswith("secret") else {}))
              for name, (runs, formats, _) in plan.items()}
    world.wait_registered(len(plan))
    campaign = world.campaign(made.release)
    world.wait_state(campaign, "finished", 120)
    world.judge(campaign, {SUCCEEDED: len(plan)})
    saved = 0
    for name, (_, _, variant) in plan.items():
        job = job_of(world, campaign, name)
        assert job["manifest_digest"] == variant.digest, f"{name} was given another variant"
        assert job["bytes_total"] == variant.size
        saved += job["bytes_saved"]
        running = agents[name].boot()["slot"]
        assert agents[name].slot_digest(running) == made.release.digest, f"{name} runs something else"
    fetched = sum(variant.size for _, _, variant in plan.values())
    assert world.status(campaign)["bytes"] == {"offered": fetched, "saved": saved, "delta_fallbacks": 0}
    whole = len(plan) * made.whole.size
    print(f"{fetched} bytes in place of {whole}: {100 - 100 * fetched / whole:.1f} % saved")
    assert saved > whole // 2


def test_two_components_change_over_together(world):  # noqa: F811
    """Then a release that leaves one of them as it is: what both have in common does not make a device run the newer."""
    f = Files(world, random.Random(a_seed("pair")))
    old, new, newer = (f.firmware(name) for name in ("old", "new", "newer"))
    config = f.path("config-1")
    config.write_text('{"a": 1}')
    device = agent(f, "two", old, "", **{"component.config": "file"})
    world.wait_registered(1)
    for number, image in ((1, new), (2, newer)):
        f.sequence += 1
        release = publish(world, f"{number}.0.0", image, f.pair(f"pair-{number}", image, config))
        campaign = world.campaign(release)
        world.wait_state(campaign, "finished", 120)
        world.judge(campaign, {SUCCEEDED: 1})
        reported = {c["name"]: c["digest"] for c in world.device("two")["components"]}
        assert reported == {"main": release.digest, "config": hashlib.sha256(config.read_bytes()).hexdigest()}
        assert device.slot_digest(device.boot()["slot"]) == release.digest


@pytest.mark.parametrize("at", ["the first byte", "the last bytes"])
def test_after_a_delta_that_failed_comes_the_whole_image(world, at):  # noqa: F811
    """The patch is garbage, or makes another image; its digest is as signed, so only the device can find out."""
    f = Files(world, random.Random(a_seed("fallback")))
    old, new = f.firmware("old"), f.firmware("new")
    good, patch = f.delta(old, new, "heatshrink").read_bytes(), f.path("bad.patch")
    patch.write_bytes(b"\xff" * 3000 if at == "the first byte" else good[:-40] + bytes(b ^ 0x55 for b in good[-40:]))
    whole = f.manifest("whole", new)
    release = publish(world, "2.0.0", new, whole, f.manifest("bad", new, "dl/patch-heatshrink", patch, old))
    device = agent(f, "unlucky", old, "patch-heatshrink lzma")
    world.wait_registered(1)
    campaign = world.campaign(release)
    world.wait_state(campaign, "finished", 120)
    world.judge(campaign, {SUCCEEDED: 1})
    job = job_of(world, campaign, "unlucky")
    assert job["manifest_digest"] == whole.digest and job["attempt"] == 2 and job["bytes_saved"] == 0
    assert world.status(campaign)["bytes"]["delta_fallbacks"] == 1
    assert device.slot_digest(device.boot()["slot"]) == release.digest
    assert "muster_delta_fallbacks_total 1" in world.admin.get("/metrics").text
