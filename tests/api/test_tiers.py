"""Devices of three tiers, each a real agent that a campaign updates: what its author makes for it goes through the
server, is believed by what this device holds and by nothing less, decrypted, started and proved to run.

1: a MAC and a class key, over a PSK.  2: X.509 with RSA-PSS or ECDSA, over the device's certificate.  3: the author's
and the device's keys in tokens."""

import base64
import hashlib
import random

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fleet import SUCCEEDED, a_seed, make_world, must, world  # noqa: F401
from harness import BUILD, wait_until
from soft_token import DRIVERS, PIN, MoodyToken, Token
from suit_device import encode
from test_cli_tiers import KINDS, Authority, pem, private, public
from test_coap_traps import request_for
from test_mixed_fleet import Files, job_of, publish
from test_signed_reports import kept, verify


class Tier:
    """One device's world: an old image that runs, and a new one that is encrypted for it."""

    def __init__(self, world, *recipients):  # noqa: F811
        self.world = world
        self.files = f = Files(world, random.Random(a_seed("tiers")))
        self.recipients = [r.replace("FOLDER", str(f.folder)) for r in recipients]
        self.old, self.new, self.secret = f.firmware("old"), f.firmware("new"), None

    def write(self, name, content):
        path = self.files.path(name)
        path.write_bytes(content)
        return path

    def may_sign(self, public_key):
        vendor_id, class_id = self.world.vendor_id, self.world.class_id
        must(self.world.admin.post("/v1/author-keys", {"vendor_id": vendor_id, "class_id": class_id,
                                                       "public_key_pem": public_key.decode()}), 201)

    def variant(self, name, *signing, env=None):
        f = self.files
        f.sequence += 1
        self.secret = self.secret or f.encrypted(self.new, *self.recipients)
        payload, info = self.secret
        return f.manifest(name, self.new, "dl/full", payload, info=info, signing=signing, env=env)

    def campaign(self, version, *signing, env=None):
        release = publish(self.world, version, self.new, self.variant(version, *signing, env=env))
        return self.world.campaign(release)

    def refuses(self, device, *signing, env=None):
        """The server takes it, as somebody whom it knows signed it; this device does not."""
        campaign = self.campaign("1.9.0", *signing, env=env)
        wait_until(lambda: job_of(self.world, campaign, device.name)["state"] == "rejected"
                   if self.world.jobs(campaign) else None, 60, 0.2, "the device says no")
        assert job_of(self.world, campaign, device.name)["cause"] == "signature"
        assert self.runs(device, self.old)

    def takes(self, device, *signing, env=None):
        campaign = self.campaign("2.0.0", *signing, env=env)
        self.world.wait_state(campaign, "finished", 120)
        self.world.judge(campaign, {SUCCEEDED: 1})
        assert self.runs(device, self.new)
        return campaign

    def runs(self, device, image):
        """As the launcher would start it now."""
        boot = device.boot()
        return boot["trial"] == "no" and device.slot_digest(boot["slot"]) == hashlib.sha256(image.read_bytes()).hexdigest()


# --- tier 1 -------------------------------------------------------------------------------------

def test_tier_1_a_mac_and_a_class_key(world):  # noqa: F811
    tier = Tier(world)
    author = ("--key", world.author.key)
    mac = tier.write("mac.key", bytes(range(32)))
    other = tier.write("other.key", bytes(range(1, 33)))
    world.add_device("small")
    device = world.agent("small", tier.old, anchor=None, mac_key_file=mac, mac_key_id="class-1",
                         class_key_file=tier.files.path("class.key"), class_key_id="class-1",
                         formats="aes-kw gcm", only_encrypted="yes")
    world.wait_registered(1)
    tier.refuses(device, *author, "--mac-key", f"class-1={other}")
    tier.takes(device, *author, "--mac-key", f"class-1={mac}")


def test_the_server_takes_no_mac_without_a_signature(world):  # noqa: F811
    """It holds no MAC key.  The command line makes no such envelope, so the signature is taken out of one."""
    tier = Tier(world)
    mac = tier.write("mac.key", bytes(range(32)))
    whole = tier.variant("both", "--key", world.author.key, "--mac-key", f"class-1={mac}")
    envelope = cbor2.loads(base64.b64decode(whole.envelope))
    wrapper = cbor2.loads(envelope.value[2])
    assert [cbor2.loads(block).tag for block in wrapper[1:]] == [18, 17]
    del wrapper[1]
    envelope.value[2] = encode(wrapper)
    alone = base64.b64encode(encode(envelope)).decode()
    refused = world.admin.post("/v1/releases", {"envelope": alone, "version": "2.0.0"})
    assert refused.status_code == 422 and "signature" in refused.text, refused.text
    must(world.admin.post("/v1/releases", {"envelope": whole.envelope, "version": "2.0.0"}), 201)


# --- tier 2 -------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_tier_2_certificates(world, kind):  # noqa: F811
    tier = Tier(world, "--recipient", "dev-1=FOLDER/device.pub")
    own, (identity, csr) = ec.generate_private_key(ec.SECP256R1()), request_for("middle")
    tier.write("device.pub", public(own))
    made = must(world.admin.post("/v1/devices", {"endpoint": "middle", "csr": csr}), 201)
    authorities = {"ours": Authority(), "alien": Authority()}
    signing = {}
    for name, authority in authorities.items():
        key = KINDS[kind][0]()
        tier.may_sign(public(key))
        signing[name] = ("--key", tier.write(f"{name}.pem", private(key)),
                         "--cert-chain", tier.write(f"{name}-chain.pem", pem(authority.author(key), authority.issuing)))
    device = world.agent("middle", tier.old, psk_file=None, anchor=tier.write("root.pem", pem(authorities["ours"].root)),
                         cert_file=tier.write("middle.crt", made["certificate_pem"].encode()),
                         key_file=tier.write("middle.key", private(identity)), ca_file=world.server.ca_path,
                         device_key_file=tier.write("device.pem", private(own)), device_key_id="dev-1",
                         formats="ecdh-es gcm", only_encrypted="yes")
    world.wait_registered(1)
    tier.refuses(device, *signing["alien"])
    tier.takes(device, *signing["ours"])


# --- tier 3 -------------------------------------------------------------------------------------

@pytest.mark.skipif(not DRIVERS, reason="SoftHSM is not installed")
def test_tier_3_keys_in_tokens(world, monkeypatch):  # noqa: F811
    """No private key of author or device was ever in a file that either of them has: the author signs in a token; the
    device opens payloads, signs its reports, and proves who it is, all in another one."""
    tier = Tier(world, "--recipient", "dev-1=FOLDER/payloads.pub")
    author, board = Token(tier.files.folder), MoodyToken(tier.files.folder, BUILD.absolute() / "tests/preload")
    author.make("release", "p256")
    author.make("another", "p256")
    for name in ("release", "another"):
        tier.may_sign((tier.files.folder / f"{name}.pub").read_bytes())
    board.make("payloads", "p256", "derive")
    board.make("reports", "p256")
    identity, csr = request_for("large")
    board.take("identity", identity)
    report_key = (tier.files.folder / "reports.pub").read_bytes()
    made = must(world.admin.post("/v1/devices", {"endpoint": "large", "csr": csr, "report_key_pem": report_key.decode()}), 201)
    for name, value in board.env.items():
        monkeypatch.setenv(name, value)
    device = world.agent("large", tier.old, psk_file=None, anchor=tier.files.folder / "release.pub",
                         cert_file=tier.write("large.crt", made["certificate_pem"].encode()), key_file=board.uri("identity"),
                         ca_file=world.server.ca_path, device_key_file=board.uri("payloads"), device_key_id="dev-1",
                         report_key_file=board.uri("reports"), pin_file=tier.files.folder / "pin",
                         formats="ecdh-es gcm", only_encrypted="yes")
    world.wait_registered(1)
    tier.refuses(device, "--key", author.uri("another"))
    fails_without(tier, device, board, author)
    campaign = tier.takes(device, "--key", author.uri("release"))
    said = must_report(world, device, campaign)
    assert verify(serialization.load_pem_public_key(report_key), said)[4] is True, "signed by the token"
    assert PIN not in device.log()


def fails_without(tier, device, board, author):
    """The token is pulled out, and put back; the agent goes on all the while, as nothing dials anew."""
    world = tier.world  # noqa: F811
    board.is_now("removed")
    campaign = tier.campaign("1.9.5", "--key", author.uri("release"))
    wait_until(lambda: world.jobs(campaign) and job_of(world, campaign, device.name)["state"] == "failed", 60, 0.2, "it says so")
    job = job_of(world, campaign, device.name)
    assert job["cause"] == "install" and "token" in job["text"], job
    assert tier.runs(device, tier.old) and "the key in the token: no token is there" in device.log()
    board.is_now("")


def must_report(world, device, campaign):  # noqa: F811
    job = job_of(world, campaign, device.name)["job_id"]
    return wait_until(lambda: kept(world, device.name, job), 20, 0.1, "the device's report")


@pytest.mark.skipif(not DRIVERS, reason="SoftHSM is not installed")
def test_tier_3_the_token_is_the_device(world, monkeypatch):  # noqa: F811
    """The certificate is not enough: whoever copies every file of a device, and has a token with another key, is not it."""
    tier = Tier(world)
    board = MoodyToken(tier.files.folder, BUILD.absolute() / "tests/preload")
    identity, csr = request_for("large")
    board.take("identity", identity)
    board.make("alien", "p256")
    made = must(world.admin.post("/v1/devices", {"endpoint": "large", "csr": csr}), 201)
    for name, value in board.env.items():
        monkeypatch.setenv(name, value)
    files = {"psk_file": None, "cert_file": tier.write("large.crt", made["certificate_pem"].encode()),
             "ca_file": world.server.ca_path, "pin_file": tier.files.folder / "pin"}
    thief = world.agent("thief", tier.old, endpoint="large", key_file=board.uri("alien"), **files)
    wait_until(lambda: "or not that of" in thief.log(), 20, 0.1, "it is told")
    thief.close()
    assert int(world.sql("SELECT count(*) FROM device WHERE registered_at IS NOT NULL")[0][0]) == 0
    # its own token, which is pulled out between start and handshake, and put back
    world.server.stop()
    tries = board.logins()
    device = world.agent("large", tier.old, key_file=board.uri("identity"), **files)
    wait_until(lambda: board.logins() > tries, 20, 0.05, "the token is open")
    board.is_now("removed")
    world.server.start()
    wait_until(lambda: "the key in the token: no token is there" in device.log(), 60, 0.1, "the handshake fails, and why")
    pid = device.child()
    board.is_now("")
    world.wait_registered(1)
    assert device.child() == pid, "the agent went on"
