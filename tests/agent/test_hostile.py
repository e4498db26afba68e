"""The agent against whoever is not its author: manifests that nobody it trusts signed, or that ask
for what it must not do, and a server that lies and never ends."""

import hashlib
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import cbor2
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))

import suit  # noqa: E402
from coap_peer import ACK, BLOCK2, FORMAT, PATH, Message, block, code, number  # noqa: E402
from test_kill_points import AGENT, LAUNCHER, check, run  # noqa: E402

DOMAIN, NAME = "acme.example", "lock-7"
IMAGE = b"#!/bin/sh\nexit 0\n" + b"# padding\n" * 1000


class Device:
    def __init__(self, folder, author, server="coap://127.0.0.1:9", sequence=0):
        self.folder = folder
        folder.mkdir()
        (folder / "anchor.pem").write_text(author.pem)
        old = folder / "old"
        old.write_text("#!/bin/sh\nexit 0\n")
        old.chmod(0o755)
        self.config = folder / "agent.conf"
        self.config.write_text(
            f"endpoint = d\nserver = {server}\nvendor_id = {suit.vendor_id(DOMAIN)}\n"
            f"class_id = {suit.class_id(DOMAIN, NAME)}\nanchor = anchor.pem\nstate_dir = state\n"
            "poll_max_s = 1\nretry_min_ms = 100\nretry_max_ms = 500\nack_timeout_ms = 1000\n"
            "request_timeout_s = 4\nhello_timeout_s = 6\n")
        check(LAUNCHER, "provision", "-c", self.config, "--image", old)

    def apply(self, envelope, image=IMAGE):
        """What it says to this update; empty when it takes it."""
        (self.folder / "m").write_bytes(envelope)
        (self.folder / "i").write_bytes(image)
        done = run(AGENT, "apply", "-c", self.config, "--manifest", self.folder / "m", "--image", self.folder / "i")
        assert done.returncode in (0, 1), done.stderr
        assert self.trial() == ("yes" if done.returncode == 0 else "no")
        return done.stderr if done.returncode else ""

    def trial(self):
        out = check(LAUNCHER, "show", "-c", self.config)
        return dict(line.split("=", 1) for line in out.split())["trial"]


@pytest.fixture(params=["p256", "ed25519"])
def author(request):
    return suit.Author(request.param)


@pytest.fixture
def device(tmp_path, author):
    return Device(tmp_path / "d", author)


def body(**members):
    return suit.manifest(members.pop("sequence", 5), IMAGE, domain=DOMAIN, name=members.pop("name", NAME), **members)


def test_A01_agent_refuses_what_its_author_did_not_sign(device, author):
    stranger = suit.Author("ed25519" if author.alg == suit.ESP256 else "p256")
    other_alg = stranger.alg
    another = suit.encode([suit.SHA256, hashlib.sha256(b"another manifest").digest()])
    wrong = {
        "no signature at all": lambda d: [],
        "a stranger's": lambda d: [stranger.block(d)],
        "a stranger's under our key id": lambda d: [stranger.block(d, kid=author.kid)],
        "ours, called the other algorithm": lambda d: [author.block(d, alg=other_alg)],
        "a stranger's, called ours": lambda d: [stranger.block(d, alg=author.alg, kid=author.kid)],
        "ours, of another payload": lambda d: [author.block(another)],
        "an algorithm that nobody knows": lambda d: [author.block(d, alg=-65535)],
        "none": lambda d: [suit.encode(cbor2.CBORTag(18, [suit.encode({1: author.alg}), {4: author.kid}, None, b""]))],
    }
    for what, blocks in wrong.items():
        assert device.apply(suit.envelope(body(), blocks=blocks)), what
    swapped = cbor2.loads(suit.envelope(body(), author)).value
    swapped[3] = body(sequence=6)
    assert device.apply(suit.encode(cbor2.CBORTag(107, swapped))), "another manifest behind the same signature"
    assert "not signed by an author" in device.apply(suit.envelope(body(), stranger))
    assert device.apply(suit.envelope(body(), author)) == ""


def test_A02_agent_refuses_what_is_not_newer(device, author):
    boot = device.folder / "state" / "boot"
    boot.write_text(boot.read_text().replace("\nsequence=0\n", "\nsequence=5\n"))
    for sequence in (0, 4, 5):
        assert "newer" in device.apply(suit.envelope(body(sequence=sequence), author))
    assert device.apply(suit.envelope(body(sequence=6), author)) == ""


def test_A10_agent_refuses_a_manifest_that_builds_on_what_is_there(device, author):
    """A condition on the installed image before the fetch is how a delta names its base."""
    for early in ([3, 15, 21, 2, 3, 15], [21, 2]):
        m = cbor2.loads(body())
        uri = cbor2.loads(m[20])[1]
        m[20] = suit.encode([20, uri, *early])
        if early == [21, 2]:
            m[7] = suit.encode([])
        assert device.apply(suit.envelope(suit.encode(m), author)), "no base is known, and nothing is skipped"


def test_A11_agent_refuses_another_class(device, author):
    assert device.apply(suit.envelope(body(name="lock-8"), author))
    assert device.apply(suit.envelope(body(component=b"modem"), author))
    assert device.apply(suit.envelope(body(), author)) == ""


@pytest.mark.parametrize("author", ["p256"], indirect=True)
def test_A13_agent_asks_nobody_else_for_the_image(device, author):
    digest = hashlib.sha256(IMAGE).hexdigest()
    for uri in ("coap://evil.example/x", f"coap://evil.example/img/{digest}", "http://169.254.169.254/latest",
                f"//evil.example/img/{digest}", f"/img/{digest}", f"img/../img/{digest}", f"img/{digest}/..",
                f"img/{digest.upper()}", f"img/{digest[:-1]}", f"img/{digest}?x", "../x", "x", f"img//{digest}"):
        assert "img/" in device.apply(suit.envelope(body(uri=uri), author)), uri


@pytest.mark.parametrize("author", ["p256"], indirect=True)
def test_A14_agent_wants_exactly_the_signed_bytes(device, author):
    envelope = suit.envelope(body(), author)
    page = IMAGE + bytes(-len(IMAGE) % 4096)
    for what, image in (("a byte more", IMAGE + b"\n"), ("a byte less", IMAGE[:-1]), ("padding", page),
                        ("none", b""), ("a byte flipped", b"!" + IMAGE[1:])):
        assert device.apply(envelope, image), what
    for size in (len(IMAGE) - 1, len(IMAGE) + 1, 0):
        assert device.apply(suit.envelope(body(size=size), author)), f"a size of {size} is signed"
    assert device.apply(envelope) == ""


# --- a hostile server ----------------------------------------------------------------------------

class HostileServer(threading.Thread):
    """Plain CoAP.  Honest up to the image, whose blocks come from `image(num)`: (payload, more)."""

    def __init__(self, envelope, digest, image):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.envelope, self.digest, self.image = envelope, digest, image
        self.asked, self.reports, self.sent = [], [], 0
        self.start()

    def answer(self, m):
        path = [v.decode() for k, v in m.options if k == PATH]
        num, _, szx = m.block(BLOCK2) or (0, False, 6)
        if path == ["register"]:
            return code("2.04"), [(FORMAT, number(60))], cbor2.dumps({1: int(time.time()), 2: 1})
        if path == ["update"]:
            offer = {1: 0, 2: 1} if self.reports and self.reports[-1][1] > 5 else {
                1: 1, 2: 1, 3: 7, 4: 1, 5: self.digest, 6: len(self.envelope)}
            return code("2.05"), [(FORMAT, number(60))], cbor2.dumps(offer)
        if path[0] == "report":
            if int.from_bytes(m.option(FORMAT) or b"", "big") == 60:  # its SUIT report comes behind
                self.reports.append(("/".join(path), cbor2.loads(m.payload)[1]))
            return code("2.04"), [], b""
        if path[0] == "manifest":
            part = self.envelope[num << (szx + 4):][:16 << szx]
            more = (num + 1) << (szx + 4) < len(self.envelope)
        else:
            self.asked.append(num << (szx + 4))
            part, more = self.image(num, 16 << szx)
            self.sent += len(part)
        return code("2.05"), [(BLOCK2, block(num, more, szx))], part

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
                except OSError:  # the test is over, and the socket closed
                    return


def endless(num, size):
    return (IMAGE * 2)[num * size:][:size] or bytes(size), True


def too_long(num, size):
    end = (num + 1) * size >= len(IMAGE)
    return (IMAGE + b"and more" * 100)[num * size:][:size], not end


def wrong_bytes(num, size):
    part = IMAGE[num * size:][:size]
    return part[:-1] + b"!", (num + 1) * size < len(IMAGE)


def another_block(num, size):
    return IMAGE[:size - 1], True


@pytest.mark.parametrize("image", [endless, too_long, wrong_bytes, another_block])
def test_A08_hostile_server_without_end(tmp_path, image):
    author = suit.Author()
    envelope = suit.envelope(body(), author)
    digest = hashlib.sha256(suit.encode(body())).digest()
    server = HostileServer(envelope, digest, image)
    device = Device(tmp_path / "d", author, server=f"coap://127.0.0.1:{server.port}")
    with open(tmp_path / "log", "wb") as log:
        agent = subprocess.Popen([str(AGENT), "run", "-c", str(device.config)], stdin=subprocess.DEVNULL, stderr=log)
    try:
        end = time.monotonic() + 60
        while not any(state > 5 for _, state in server.reports) and time.monotonic() < end:
            assert agent.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        asked = len(server.asked)
        assert asked, "it began"
        time.sleep(2)
        assert len(server.asked) == asked, "it does not come back for more"
    finally:
        agent.terminate()
        agent.wait(20)
        server.socket.close()
    assert server.reports[-1][1] == 11, f"it says that it failed: {server.reports}"
    assert max(server.asked) < len(IMAGE), "nothing past the end was asked for"
    assert server.sent <= len(IMAGE) + 1024, f"{server.sent} bytes of {len(IMAGE)} were taken"
    assert os.stat(device.folder / "state" / "b.bin").st_size <= len(IMAGE)
    assert device.trial() == "no"
