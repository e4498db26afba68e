"""What the tests of the agent's updates share: an author who makes variants with the command line, a
device whose programs are shell scripts, and a server that is as simple as one can be."""

import hashlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import cbor2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))

import suit  # noqa: E402, F401
import suit_encrypt  # noqa: E402, F401
from coap_peer import ACK, BLOCK2, FORMAT, PATH, Message, block, code, number  # noqa: E402
from test_kill_points import AGENT, BUILD, CLI, LAUNCHER, check, run  # noqa: E402

PROVE = os.environ.get("MUSTER_PROVE", "0") not in ("", "0")
CLASS = "acme.example/gateway"
CLASS_KEY = bytes(range(16))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def program(path, name, after, lines=1000):
    """A script that says what belongs to its start, and then does `after`."""
    path.write_text(f'#!/bin/sh\n. "$(dirname "$0")/../said"\nsay {name}\n{after}\nexit 0\n'
                    + "".join(f"# line {i} of {name if i % 50 == 0 else 'all'}\n" for i in range(lines)))
    path.chmod(0o755)
    return path


class Author:
    """Signs what it makes of the files in its folder."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.key = folder / "author.pem"
        check(CLI, "key", "new", self.key, "--no-passphrase")
        (folder / "class.key").write_bytes(CLASS_KEY)
        check(CLI, "key", "new", folder / "device.pem", "--no-passphrase")
        self.count, self.chain = 0, []  # of certificates, as the command line takes it

    def file(self, content):
        self.count += 1
        path = self.folder / f"file-{self.count}"
        path.write_bytes(content)
        return path

    def compressed(self, image, format):
        self.count += 1
        out = self.folder / f"small-{self.count}"
        check(CLI, "image", "compress", image, "--format", format, "--out", out)
        return out

    def delta(self, old, new, format):
        self.count += 1
        out = self.folder / f"delta-{self.count}"
        check(CLI, "delta", "create", old, new, "--format", format, "--out", out, "--max-percent", "1000")
        return out

    def encrypted(self, plain, *recipients, algorithm="a128gcm"):
        """The payload, and its info."""
        self.count += 1
        out, info = self.folder / f"enc-{self.count}", self.folder / f"info-{self.count}"
        words = recipients or ("--kek", f"class-1={self.folder}/class.key")
        check(CLI, "image", "encrypt", plain, "--algorithm", algorithm, "--out", out, "--info", info, *words)
        return out, info

    def manifest(self, components, sequence=2, **top):
        self.count += 1
        source, out = self.folder / f"source-{self.count}.json", self.folder / f"manifest-{self.count}"
        vendor, name = CLASS.split("/")
        source.write_text(json.dumps({"vendor": vendor, "class": name, "sequence": sequence,
                                      "components": components, **top}))
        check(CLI, "manifest", "create", source, "--key", self.key, *self.chain, "--out", out, "--no-input")
        return out


def part(id, image, via=None, fetched=None, base=None, info=None):
    """A component that gets an image: fetched as it is, or copied from an area."""
    member = {"file": str(image)}
    if base:
        member["precursor"] = {"file": str(base)}
    if via:
        member.update(via=via, fetched={"file": str(fetched)})
    if info:
        member["encryption_info"] = {"file": str(info)}
    return {"id": id, "image": member, **({"install": "copy"} if via else {})}


def areas(*words):
    return [{"id": f"dl/{w}"} for w in words]


class Variant:
    """A manifest, and the files that it fetches."""

    def __init__(self, manifest, *files):
        self.manifest, self.files = manifest, files


STREAMS = ["heatshrink", "lzma", "zstd"]


def one_component(author, kind, old, new, **more):
    """kind: full, FORMAT or patch-FORMAT, perhaps with ,gcm ,ctr or ,chacha20 behind it."""
    word, _, cipher = kind.partition(",")
    payload = new if word == "full" else author.delta(old, new, word[6:]) if word.startswith("patch-") \
        else author.compressed(new, word)
    info = None
    if cipher:
        name = {"gcm": "a128gcm", "ctr": "a128ctr", "chacha20": "chacha20"}[cipher]
        payload, info = author.encrypted(payload, algorithm=name)
    base = old if word.startswith("patch-") else None
    return Variant(author.manifest([part("main", new, f"dl/{word}", payload, base, info)] + areas(word), **more), payload)


def admission(author, new):
    """An update for class-1 that a delegate has opened for one more device, and what that device holds."""
    payload, info = author.encrypted(new)
    update = author.manifest([{"id": "main", "install": "copy", "image": {
        "file": str(new), "via": "dl/full", "fetched": {"file": str(payload)}, "encryption_info": {"file": str(info)},
        "encryption_info_replaceable": True}}] + areas("full"))
    key, out = author.folder / f"delegate-{author.count}.pem", author.folder / f"admission-{author.count}"
    check(CLI, "key", "new", key, "--no-passphrase")
    check(CLI, "manifest", "admit", update, "--kek", f"class-1={author.folder}/class.key", "--recipient",
          f"dev-9={author.folder}/device.pem.pub", "--key", key, "--sequence", 2, "--out", out)
    return Variant(out, payload), {"class_key_file": None, "class_key_id": None, "delegate": f"{key}.pub",
                                   "device_key_file": author.folder / "device.pem", "device_key_id": "dev-9"}


class Device:
    """One with a component `config`, and if hook is given with a component `modem`."""

    def __init__(self, folder, author, old, config=None, modem=None, hook=None, server="coap://127.0.0.1:9", **settings):
        self.folder = folder
        folder.mkdir()
        self.state, self.config = folder / "state", folder / "agent.conf"
        said = json.loads(check(CLI, "manifest", "show", author.manifest([part("main", old)]), "--json"))
        lines = {"endpoint": "d", "server": server, "vendor_id": said["vendor_id"], "class_id": said["class_id"],
                 "anchor": f"{author.key}.pub", "state_dir": "state", "journal_blocks": 2, "trial_s": 5,
                 "trial_tries": 2, "class_key_file": author.folder / "class.key", "class_key_id": "class-1",
                 "poll_max_s": 1, "retry_min_ms": 100, "retry_max_ms": 500, "ack_timeout_ms": 1000,
                 "request_timeout_s": 4, "hello_timeout_s": 6}
        given = []
        if config:
            lines["component.config"] = "file"
            given += ["--component", f"config={config}"]
        if hook:
            lines.update({"component.modem": "hook", "hook_program.modem": hook, "hook_user.modem": hook_user(),
                          "hook_timeout_s.modem": 5})
            given += ["--component", f"modem={modem}"] if modem else []
        lines.update(settings)
        self.config.write_text("".join(f"{k} = {v}\n" for k, v in lines.items() if v is not None))
        # what a program says when it starts: its name, what its configuration is, what the modem holds
        (folder / "said").write_text(
            f'say() {{ echo "$1 $(cat "$MUSTER_FILE_config" 2>/dev/null) '
            f'$(cat {pathlib.Path(hook).parent if hook else folder}/modem 2>/dev/null)" >> {folder}/ran; }}\n')
        check(LAUNCHER, "provision", "-c", self.config, "--image", old, *given)

    def apply(self, variant, env=None):
        words = [w for f in variant.files for w in ("--image", f)]
        return run(AGENT, "apply", "-c", self.config, "--manifest", variant.manifest, *words, env=env)

    def launch(self, env=None):
        return run(LAUNCHER, "-c", self.config, env=env)

    def show(self):
        return dict(line.split("=", 1) for line in check(LAUNCHER, "show", "-c", self.config).split())

    def ran(self):
        path = self.folder / "ran"
        return path.read_text().splitlines() if path.exists() else []

    def path(self, name, slot):
        return self.state / (f"{slot}.bin" if name == "slot" else f"{name}-{slot}.bin")


def hook_user():
    return "nobody" if os.getuid() == 0 else os.environ.get("USER", "nobody")


class Hook:
    """A program that its user may run, in a folder that it may write: puts the image where the modem is."""

    def __init__(self, body='cat > "$(dirname "$0")/modem.new" && mv "$(dirname "$0")/modem.new" "$(dirname "$0")/modem"'):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="muster-hook-", dir="/tmp"))
        self.folder.chmod(0o777)
        self.path = self.folder / "flash"
        self.write(body)

    def write(self, body):
        self.path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{body}\n")
        self.path.chmod(0o755)

    def modem(self):
        path = self.folder / "modem"
        return path.read_text() if path.exists() else None

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Clock:
    """The wall clock of a program that runs with `env` (tests/preload/clock.c): so many seconds ahead."""

    def __init__(self, folder):
        self.file = folder / "clock-error"
        self.file.write_bytes(bytes(8))
        self.env = dict(os.environ, LD_PRELOAD=str(BUILD / "tests/preload/clock.so"), MUSTER_CLOCK=str(self.file))
        self.env["ASAN_OPTIONS"] = self.env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"

    def ahead(self, seconds):
        with open(self.file, "r+b", buffering=0) as f:
            f.write(struct.pack("q", seconds * 1000000))


class StandIn(threading.Thread):
    """Plain CoAP: offers one manifest until it was installed or refused, and notes what it hears."""

    def __init__(self, variant):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"coap://127.0.0.1:{self.socket.getsockname()[1]}"
        self.registered, self.reports, self.suit_reports, self.blocks = [], [], [], []
        self.over, self.asked, self.again_s = False, 0, 1
        self.offers(variant)
        self.start()

    def offers(self, variant):
        self.envelope = variant.manifest.read_bytes()
        self.files = {f"img/{digest(f)}": f.read_bytes() for f in variant.files}
        self.digest = cbor2.loads(cbor2.loads(cbor2.loads(self.envelope).value[2])[0])[1]

    def states(self):
        """As they were told; a download that tells its progress is told once."""
        said = [r[1] for r in self.reports]
        return [s for s, before in zip(said, [None, *said]) if s != 2 or before != 2]

    def answer(self, m):
        path = "/".join(v.decode() for k, v in m.options if k == PATH)
        num, _, szx = m.block(BLOCK2) or (0, False, 6)
        if path == "register":
            self.registered.append(cbor2.loads(m.payload))
            return code("2.04"), [(FORMAT, number(60))], cbor2.dumps({1: int(time.time()), 2: 1})
        if path == "update":
            self.asked += 1
            offer = {1: 0, 2: self.again_s} if self.over else {
                1: 1, 2: self.again_s, 3: 7, 4: 1, 5: self.digest, 6: len(self.envelope)}
            return code("2.05"), [(FORMAT, number(60))], cbor2.dumps(offer)
        if path.startswith("report/"):
            if int.from_bytes(m.option(FORMAT) or b"", "big") == 270:
                self.suit_reports.append(m.payload)
            else:
                self.reports.append(cbor2.loads(m.payload))
                self.over = self.over or self.reports[-1][1] in (5, 11, 14)
            return code("2.04"), [], b""
        content = self.envelope if path.startswith("manifest/") else self.files.get(path)
        if content is None:
            return code("4.04"), [], b""
        if path in self.files:
            self.blocks.append((path, num))
        part = content[num << (szx + 4):][:16 << szx]
        return code("2.05"), [(BLOCK2, block(num, (num + 1) << (szx + 4) < len(content), szx))], part

    def run(self):
        while True:
            try:
                raw, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            m = Message.decode(raw)
            if 1 <= m.code <= 31:
                status, options, payload = self.answer(m)
                try:
                    self.socket.sendto(Message(ACK, status, m.mid, m.token, options, payload).encode(), peer)
                except OSError:
                    return

    def close(self):
        self.socket.close()


def wait_until(what, timeout=30):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def start(device, env=None):
    log = open(device.folder / "log", "ab")
    return subprocess.Popen([str(LAUNCHER), "run", "-c", str(device.config)], stdin=subprocess.DEVNULL, stdout=log,
                            stderr=log, env=env)


__all__ = [name for name in dir() if not name.startswith("_")]
assert BUILD
