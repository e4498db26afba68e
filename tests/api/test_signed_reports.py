"""A device with a registered report key: its SUIT reports must be signed by it, are kept as they came, and say again
what the device said.  By Debian's cbor2 and cryptography on one side, by the real agent on the other."""

import hashlib
import selectors
import socket
import threading

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from coap_peer import FORMAT, SUIT_REPORT, number
from fleet import AGENT, SUCCEEDED, make_world, must, run, world  # noqa: F401
from harness import wait_until
from test_campaigns import Device
from test_cli_server import Cli
from test_cli_tiers import private, public


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def kid_of(key):
    """The first 8 bytes of SHA-256 over the SubjectPublicKeyInfo."""
    return hashlib.sha256(key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).digest()[:8]


def bare(manifest, result=True):
    return cbor2.dumps({99: ["", [-16, manifest]], 3: [], 4: result})


def sign(key, report, **unprotected):
    protected = cbor2.dumps({1: -9})
    r, s = decode_dss_signature(key.sign(cbor2.dumps(["Signature1", protected, b"", report]), ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {4: unprotected["kid"]} if unprotected else {}, report, signature]))


def verify(public_key, message):
    """The report in it."""
    protected, _, report, signature = cbor2.loads(message).value
    der = encode_dss_signature(*(int.from_bytes(half, "big") for half in (signature[:32], signature[32:])))
    public_key.verify(der, cbor2.dumps(["Signature1", protected, b"", report]), ec.ECDSA(hashes.SHA256()))
    return cbor2.loads(report)


def kept(world, name, job):  # noqa: F811
    answer = world.admin.get(f"/v1/devices/{name}/jobs/{job}/report")
    if answer.status_code == 404:
        return None
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/suit-report+cose"
    return answer.content


class Signer(Device):
    """Byte by byte, with an offer."""

    def __init__(self, world, name, key=None):  # noqa: F811
        world.add_device(name, **({"report_key_pem": public(key).decode()} if key else {}))
        super().__init__(world, name, provision=False)
        self.register()
        self.campaign = world.campaign(world.release(), {"devices": [name]})
        offer = self.wait_offer()
        self.job, self.attempt, self.manifest = offer[3], offer[4], offer[5]

    def say(self, body, expect="2.04", job=None, attempt=None):
        where = f"/report/{job or self.job}/{attempt or self.attempt}"
        answer = self.peer.post(where, body, [(FORMAT, number(SUIT_REPORT))])
        assert answer.answer == expect, answer
        return answer

    def state(self):
        return self.world.jobs(self.campaign)[0]["state"]


def test_with_a_key_only_what_it_signed_counts(world):  # noqa: F811
    key, other = new_key(), new_key()
    device = Signer(world, "signer", key)
    good, failed = bare(device.manifest), bare(device.manifest, {5: -1, 6: [[], 20, 0, 0, {}], 7: 11})
    signed = sign(key, good)
    device.say(good, expect="4.03")
    device.say(failed, expect="4.03")
    device.say(sign(other, good), expect="4.03")
    device.say(sign(key, good, kid=kid_of(other)), expect="4.03")
    message = cbor2.loads(signed)
    message.value[2] = failed
    device.say(cbor2.dumps(message), expect="4.03")
    device.say(sign(key, bare(bytes(32))), expect="4.00")
    device.say(sign(key, b"\xa0"), expect="4.00")
    device.say(signed[:-1], expect="4.00")
    device.say(signed, expect="4.04", job=device.job + 999)
    assert device.state() == "offered" and kept(world, "signer", device.job) is None
    for i in range(0, 8 * len(signed), 5):
        flipped = bytearray(signed)
        flipped[i // 8] ^= 1 << i % 8
        answer = device.peer.post(f"/report/{device.job}/{device.attempt}", bytes(flipped),
                                  [(FORMAT, number(SUIT_REPORT))]).answer
        assert answer in ("4.00", "4.03"), f"bit {i}: {answer}"
    device.say(sign(key, bare(bytes(32))), attempt=device.attempt + 7)
    assert device.state() == "offered" and kept(world, "signer", device.job) is None

    device.say(signed)
    assert device.state() == "rebooting" and kept(world, "signer", device.job) == signed
    last = sign(key, failed, kid=kid_of(key))
    device.say(last)
    assert device.state() == "failed" and kept(world, "signer", device.job) == last
    assert kept(world, "signer", device.job + 1) is None
    assert world.admin.get("/v1/devices/nobody/jobs/1/report").status_code == 404
    assert world.admin.get("/v1/devices/signer/jobs/x/report").status_code == 404


def test_without_a_key_a_signed_report_is_read_as_a_bare_one(world):  # noqa: F811
    device = Signer(world, "plain")
    device.say(sign(new_key(), bare(device.manifest)))
    assert device.state() == "rebooting" and kept(world, "plain", device.job) is None
    device.say(bare(device.manifest, {5: -1, 6: [[], 20, 0, 0, {}], 7: 11}))
    assert device.state() == "failed"


def test_the_key_is_set_and_taken_away(world):  # noqa: F811
    first, second = public(new_key()).decode(), public(new_key()).decode()

    def patch(status=200, **body):
        tag = f'"{world.device("one")["revision"]}"'
        return must(world.admin.patch("/v1/devices/one", body, headers={"If-Match": tag}), status)

    made = world.add_device("one", report_key_pem=first, attributes={"a": "1"})
    assert made["report_key_pem"] == first == world.device("one")["report_key_pem"]
    assert patch(attributes={"b": "2"})["report_key_pem"] == first
    changed = patch(report_key_pem=second)
    assert changed["report_key_pem"] == second and changed["attributes"] == {"a": "1", "b": "2"}
    assert patch(422, report_key_pem="-----BEGIN nothing")["errors"][0]["pointer"] == "/report_key_pem"
    assert patch(422, report_key_pem=private(new_key()).decode())
    assert "report_key_pem" not in patch(report_key_pem=None)
    assert "report_key_pem" not in world.device("one")
    assert [d.get("report_key_pem") for d in must(world.admin.get("/v1/devices"), 200)["items"]] == [None]


@pytest.mark.parametrize("registered", [True, False])
def test_the_agents_report_is_kept(world, registered):  # noqa: F811
    """From the agent's own key to the operator, byte for byte what stands in its state directory."""
    key, program = new_key(), world.folder / "agent"
    run("strip", "-o", program, AGENT)
    old, new = (program.read_bytes() + bytes([n]) * 100 for n in (1, 2))
    program.write_bytes(old)
    pem = world.folder / "report.pem"
    pem.write_bytes(private(key))
    world.add_device("real", **({"report_key_pem": public(key).decode()} if registered else {}))
    agent = world.agent("real", program, report_key_file=pem)
    world.wait_registered(1)
    campaign = world.campaign(world.release(image=new))
    world.wait_state(campaign, "finished", 120)
    world.judge(campaign, {SUCCEEDED: 1})
    job = world.jobs(campaign)[0]
    wait_until(lambda: (agent.state / "report").exists(), 5)
    report = kept(world, "real", job["job_id"])
    if not registered:
        assert report is None
        return
    assert report == (agent.state / "report").read_bytes()
    said = verify(key.public_key(), report)
    assert said[4] is True and said[99][1] == [-16, bytes.fromhex(job["manifest_digest"])]


class Road(threading.Thread):
    """The way to the server: a port there for each one here.  Once armed it counts the large messages of devices, and
    spoils one thing at the second of them: it loses the `block`, or the `answer`, or everything that this session
    says and hears from then on."""

    LARGE = 200  # a block of 256 bytes is; what else an agent says during an update is not

    def __init__(self, port, spoils):
        super().__init__(daemon=True)
        self.server, self.spoils, self.armed, self.closing = port, spoils, False, False
        self.large, self.longest, self.dead, self.next_down = [], 0, set(), False
        self.select = selectors.DefaultSelector()
        self.inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inside.bind(("127.0.0.1", 0))
        self.port, self.outside = self.inside.getsockname()[1], {}
        self.select.register(self.inside, selectors.EVENT_READ)
        self.start()

    def up(self, raw, device):
        if device not in self.outside:
            self.outside[device] = s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(("127.0.0.1", self.server))
            self.select.register(s, selectors.EVENT_READ, device)
        if self.armed and raw[0] == 23:
            self.longest = max(self.longest, len(raw))
            if len(raw) > self.LARGE:
                self.large.append(device)
                if len(self.large) == 2 and self.spoils == "block":
                    return
                if len(self.large) == 2 and self.spoils == "session":
                    self.dead.add(device)
                self.next_down = len(self.large) == 2 and self.spoils == "answer"
        if device not in self.dead:
            self.outside[device].send(raw)

    def down(self, raw, device):
        lost, self.next_down = self.next_down, False
        if not lost and device not in self.dead:
            self.inside.sendto(raw, device)

    def run(self):
        while not self.closing:
            for key, _ in self.select.select(0.2):
                try:
                    if key.data is None:
                        self.up(*self.inside.recvfrom(4096))
                    else:
                        self.down(key.fileobj.recv(4096), key.data)
                except OSError:
                    pass

    def close(self):
        self.closing = True
        self.join()
        for s in self.inside, *self.outside.values():
            s.close()


@pytest.fixture
def road(world):  # noqa: F811
    roads = []

    def make(spoils=None):
        roads.append(Road(world.server.coap_port, spoils))
        return roads[-1]

    yield make
    for made in roads:
        made.close()


@pytest.fixture(scope="module")
def large_key():
    return rsa.generate_private_key(65537, 4096)


def update_by(world, road, key, **config):  # noqa: F811
    """The report that is kept of one update of the real agent, over this road."""
    program = world.folder / "agent"
    run("strip", "-o", program, AGENT)
    old, new = (program.read_bytes() + bytes([n]) * 100 for n in (1, 2))
    program.write_bytes(old)
    pem = world.folder / "report.pem"
    pem.write_bytes(private(key))
    world.add_device("real", report_key_pem=public(key).decode())
    agent = world.agent("real", program, report_key_file=pem, server=f"coaps://127.0.0.1:{road.port}", **config)
    wait_until(lambda: world.metric("update"), 60, 0.1, "a device that was told that it is registered")
    road.armed = True
    campaign = world.campaign(world.release(image=new))
    world.wait_state(campaign, "finished", 180)
    world.judge(campaign, {SUCCEEDED: 1})
    job = world.jobs(campaign)[0]
    wait_until(lambda: kept(world, "real", job["job_id"]), 10)
    report = kept(world, "real", job["job_id"])
    assert report == (agent.state / "report").read_bytes(), agent.log()[-2000:]
    protected, _, payload, signature = cbor2.loads(report).value
    key.public_key().verify(signature, cbor2.dumps(["Signature1", protected, b"", payload]),
                            padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    said = cbor2.loads(payload)
    assert said[4] is True and said[99][1] == [-16, bytes.fromhex(job["manifest_digest"])]
    return report


@pytest.mark.parametrize("block_size", [1024, 256])
def test_a_report_that_is_larger_than_a_block(world, road, large_key, block_size):  # noqa: F811
    """An RSA signature of 512 bytes goes in as many messages as the device's block size asks for, and no more."""
    way = road()
    report = update_by(world, way, large_key, block_size=block_size)
    assert 512 < len(report) < 768
    if block_size == 1024:
        assert len(report) < way.longest
    else:
        assert len(way.large) >= 2 and way.longest < 256 + 100


@pytest.mark.parametrize("spoils", ["block", "answer", "session"])
def test_a_report_by_blocks_over_a_bad_road(world, road, large_key, spoils):  # noqa: F811
    """The second of three blocks is lost, or its answer is: it is sent again.  Its session is: the report is begun again
    in another one, and what is kept is whole."""
    way = road(spoils)
    update_by(world, way, large_key, block_size=256)
    sessions = list(dict.fromkeys(way.large))
    *blocks, registration = [way.large.count(s) for s in sessions]
    assert registration >= 1 and len(blocks) == (2 if spoils == "session" else 1), way.large
    assert blocks[-1] >= 3, "two large ones and one of them again; or the second, refused, and then both"


@pytest.fixture
def cli(world, tmp_path):  # noqa: F811
    made = Cli(tmp_path / "operator", world.server)
    made("login", world.server.url, "--token-stdin", "--ca", world.server.ca_path, stdin=world.admin.token + "\n")
    return made


def test_the_command_line_sets_the_key_and_verifies(world, cli):  # noqa: F811
    def error(*words, code=1):
        return cli(*words, code=code).stderr.strip()

    key, other = new_key(), new_key()
    for name, content in (("report.pub", public(key)), ("report.pem", private(key)), ("other.pub", public(other))):
        (cli.home / name).write_bytes(content)
    device = Signer(world, "signer")
    about = f"the report about job {device.job}"
    assert error("report", "key", "signer") == "muster: report key needs either KEY or --clear"
    assert error("report", "key", "signer", "report.pub", "--clear") == "muster: report key needs either KEY or --clear"
    assert error("report", "key", "signer", "report.pem") == "muster: report.pem holds no public key; name the .pub file"
    assert error("report", "key", "nobody", "report.pub", code=3)
    assert error("report", "get", "signer", code=3) == \
        "muster: the server knows no report key of signer; give it with --key"
    done = cli("report", "key", "signer", "report.pub")
    assert kid_of(key).hex() in done.stdout and "only when this key signed them" in done.stderr
    assert world.device("signer")["report_key_pem"] == public(key).decode()
    assert "no signed report" in error("report", "get", "signer", code=3)

    device.say(bare(device.manifest), expect="4.03")
    signed = sign(key, bare(device.manifest), kid=kid_of(key))
    device.say(signed)
    want = {"endpoint": "signer", "job_id": device.job, "manifest_digest": device.manifest.hex(), "result": "success",
            "signed_by": kid_of(key).hex()}
    assert cli.json("report", "get", "signer", "--key", "report.pub", "--out", "kept") == want
    assert (cli.home / "kept").read_bytes() == signed == kept(world, "signer", device.job)
    assert "is there already" in error("report", "get", "signer", "--out", "kept")
    assert "that the server names for signer" in cli("report", "get", "signer", str(device.job)).stderr
    assert error("report", "get", "signer", "x") == 'muster: "x" is no job\'s number'
    assert "no signed report" in error("report", "get", "signer", str(device.job + 1), code=3)
    assert error("report", "get", "signer", "--key", "other.pub", "--out", "none") == \
        f"muster: {about} is signed under key id {kid_of(key).hex()}, and the key given has {kid_of(other).hex()}"
    assert not (cli.home / "none").exists(), "what does not verify is not kept"

    world.server.stop()  # what follows is offline
    del want["endpoint"], want["job_id"]
    done = cli("report", "verify", "kept", "--key", "report.pub")
    assert "success" in done.stdout and done.stderr == "kept is signed by report.pub.\n"
    assert cli.json("report", "verify", "kept", "--key", "report.pub") == want
    assert error("report", "verify", "kept") == "muster: report verify needs --key"
    assert error("report", "verify", "nothing", "--key", "report.pub", code=3)
    for i in range(0, 8 * len(signed), 11):
        flipped = bytearray(signed)
        flipped[i // 8] ^= 1 << i % 8
        (cli.home / "flipped").write_bytes(flipped)
        assert error("report", "verify", "flipped", "--key", "report.pub").startswith("muster: flipped is "), i
    for name, content, text in (
            ("short", signed[:-1], "is no signed report (COSE_Sign1)"), ("bare", bare(device.manifest), "is no signed report (COSE_Sign1)"),
            ("others", sign(other, bare(device.manifest)), "is not signed by this key"), ("else", sign(key, b"\xa0"), "is signed, and no SUIT report")):
        (cli.home / name).write_bytes(content)
        assert error("report", "verify", name, "--key", "report.pub") == f"muster: {name} {text}"
    (cli.home / "failed").write_bytes(sign(key, bare(device.manifest, {5: -4, 6: [[], 20, 3, 0, {}], 7: 10})))
    assert cli.json("report", "verify", "failed", "--key", "report.pub") == {
        **want, "result": "failure", "reason": "a condition does not hold", "result_code": -4, "section": 20, "offset": 3}


def test_the_command_line_takes_the_key_away(world, cli):  # noqa: F811
    key = new_key()
    (cli.home / "report.pub").write_bytes(public(key))
    cli("device", "add", "signer", "--psk", "--report-key", "report.pub", "--out", "psk")
    assert world.device("signer")["report_key_pem"] == public(key).decode()
    assert "need no signature any more" in cli("report", "key", "signer", "--clear").stderr
    assert "report_key_pem" not in world.device("signer")
