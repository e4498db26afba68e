"""A device with a registered report key: its SUIT reports must be signed by it, are kept as they came, and say again
what the device said.  By Debian's cbor2 and cryptography on one side, by the real agent on the other."""

import hashlib

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from coap_peer import FORMAT, SUIT_REPORT, number
from fleet import AGENT, SUCCEEDED, make_world, must, run, world  # noqa: F401
from harness import wait_until
from test_campaigns import Device
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


def verify(key, message):
    """The report in it."""
    protected, _, report, signature = cbor2.loads(message).value
    der = encode_dss_signature(*(int.from_bytes(half, "big") for half in (signature[:32], signature[32:])))
    key.public_key().verify(der, cbor2.dumps(["Signature1", protected, b"", report]), ec.ECDSA(hashes.SHA256()))
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
    said = verify(key, report)
    assert said[4] is True and said[99][1] == [-16, bytes.fromhex(job["manifest_digest"])]
