"""Rows over UDP: check-ins, image blocks, pushes.  Ours is musterd_udp: the daemon's transport,
dispatcher, roster and handlers, where a plain session is the device of its source address."""

import random

from rig import Row

KNOWN = 1_000_000  # devices of the roster
IMAGE_SIZE = 512 * 1024
SHARDS = 64


def image(rig):
    path = rig.folder / "image"
    if not path.exists():
        path.write_bytes(random.Random(1).randbytes(IMAGE_SIZE))
    return path


class Target:
    """A server, and load that comes from the same addresses each time."""

    def __init__(self, rig, process, path, image_path=None):
        import harness
        self.rig, self.process = rig, process
        self.path, self.image_path = path, image_path
        self.port, self.source = process.port(), harness.free_port()

    def run(self, mode, path, clients, window, *words):
        done = self.rig.load("load_udp", "--port", self.port, "--from", self.source, "--mode", mode,
                             "--path", path, "--clients", clients, "--window", window,
                             "--seconds", self.rig.seconds, "--server-pid", self.process.pid, *words)
        if done["bad"] or set(done["codes"]) != {"2.05"} and mode != "observe":
            raise RuntimeError(f"unexpected answers: {done}")
        return done

    def get(self, clients, window=512):
        done = self.run("get", self.path, clients, window)
        return done["count"] / done["server_cpu"]

    def blocks(self, clients, window=512):
        done = self.run("blocks", self.image_path, clients, window)
        return done["count"] / done["server_cpu"]

    def push(self, clients):
        done = self.run("observe", self.path, clients, 64, "--trigger-pid", self.process.pid)
        if done["count"] < clients:
            raise RuntimeError(f"{done['count']} of {clients} observers were told")
        return done["count"] / done["server_cpu"]


def target(rig, name):
    """Started when a row first needs it; rows share it."""
    if name not in rig.shared:
        rig.shared[name] = MAKERS[name](rig)
    return rig.shared[name]


def musterd(rig, name, devices, jobs=0):
    words = ["--state", rig.temp(name), "--devices", rig.scaled(devices), "--shards", SHARDS,
             "--image", image(rig)]
    process = rig.spawn("musterd_udp", *words, "--jobs", rig.scaled(jobs, 0))
    return Target(rig, process, "update", "img/" + process.read("image"))


def bare(rig, *words):
    return Target(rig, rig.spawn("bare_coap", "--image", image(rig), *words), "t", "O")


MAKERS = {
    "few": lambda rig: musterd(rig, "few", KNOWN),
    "some": lambda rig: musterd(rig, "some", KNOWN),
    "many": lambda rig: musterd(rig, "many", KNOWN),
    "updating": lambda rig: musterd(rig, "updating", 1000, 1000),
    "listening": lambda rig: musterd(rig, "listening", 100_000, 100_000),
    "stock": lambda rig: bare(rig, "--stock"),
    "sharded": lambda rig: bare(rig, "--shards", SHARDS),
    "observed": lambda rig: bare(rig, "--shards", SHARDS),
    "raw": lambda rig: Target(rig, rig.spawn("bare_udp", "--image", image(rig)), "t", "O"),
}


def opens(*names):
    def do(rig):
        for name in names:
            target(rig, name)
    return do


ROWS = [
    Row("udp-stock", "no-change check-in, UDP, 10 k sessions, 1 M devices known : stock libcoap's tiny GET, 64 clients",
        1.0, lambda rig: target(rig, "some").get(rig.scaled(10_000)),
        lambda rig: target(rig, "stock").get(64, 64), open=opens("some", "stock")),
    Row("udp-raw", "the same : a raw recvmmsg responder", 0.45,
        lambda rig: target(rig, "some").get(rig.scaled(10_000)),
        lambda rig: target(rig, "raw").get(rig.scaled(10_000)), open=opens("some", "raw")),
    Row("udp-100k", "the same with 100 k sessions : its own rate with 1 k", 0.80,
        lambda rig: target(rig, "many").get(rig.scaled(100_000)),
        lambda rig: target(rig, "few").get(rig.scaled(1_000)), open=opens("many", "few")),
    Row("block-raw", "image blocks of 1024 bytes, 1000 parallel downloads : raw", 0.40,
        lambda rig: target(rig, "updating").blocks(rig.scaled(1000)),
        lambda rig: target(rig, "raw").blocks(rig.scaled(1000)), open=opens("updating", "raw")),
    Row("block-bare", "the same : a bare sharded libcoap handler", 0.90,
        lambda rig: target(rig, "updating").blocks(rig.scaled(1000)),
        lambda rig: target(rig, "sharded").blocks(rig.scaled(1000)), open=opens("updating", "sharded")),
    Row("push", "push to 100 k observers : a bare fan-out", 0.70,
        lambda rig: target(rig, "listening").push(rig.scaled(100_000)),
        lambda rig: target(rig, "observed").push(rig.scaled(100_000)), open=opens("listening", "observed")),
]
