"""Devices of three tiers: what the command line makes for them is verified and carried out by the library's processor
(tests/clients/carry_out.c), with nothing but what such a device holds.

1: a MAC and a class key.  2: X.509, and RSA-PSS or ECDSA.  3: author's key and device's key in tokens."""

import datetime
import hashlib
import json
import os
import shutil
import subprocess
import uuid

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

import suit_device
from soft_token import DRIVERS, Token
from test_cli import ROOT, cli  # noqa: F401

CARRY_OUT = ROOT / os.environ.get("BUILD", "build") / "tests/clients/carry_out"
VENDOR = uuid.uuid5(uuid.NAMESPACE_DNS, "acme.example")
CLASS = uuid.uuid5(VENDOR, "lock-7")
IMAGE = os.urandom(70001)
SOURCE = {"vendor": "acme.example", "class": "lock-7",
          "components": [{"id": "main", "install": "copy", "image": {
              "file": "fw.bin", "via": "enc", "fetched": {"file": "fw.enc"}, "encryption_info": {"file": "fw.info"}}},
              {"id": "enc"}]}


class Bench:
    """A home of an author, and devices that are started with what they hold."""

    def __init__(self, run):
        self.run, self.home, self.env, self.runs = run, run.home, {}, 0
        self.write("fw.bin", IMAGE)
        self.write("source.json", json.dumps(SOURCE).encode())
        for name in ("mac.key", "class.key", "other.key"):
            self.write(name, os.urandom(32 if name == "mac.key" else 16))
        run("key", "new", "author.pem", "--no-passphrase")
        run("key", "new", "other.pem", "--no-passphrase")

    def write(self, name, content):
        (self.home / name).write_bytes(content)

    def __call__(self, *words, code=0):
        return self.run(*words, code=code, **self.env)

    def encrypt(self, *recipients, again=False, **kw):
        for name in ("fw.enc", "fw.info") if again else ():
            (self.home / name).unlink()
        self("image", "encrypt", "fw.bin", "--out", "fw.enc", "--info", "fw.info", *recipients, **kw)
        (self.home / "img").mkdir(exist_ok=True)
        sealed = (self.home / "fw.enc").read_bytes()
        self.write("img/" + hashlib.sha256(sealed).hexdigest(), sealed)

    def make(self, name, *signing, code=0):
        return self("manifest", "create", "source.json", "--out", name, *signing, code=code).stderr

    def device(self, envelope, *holds, class_id=CLASS):
        """What it said, and what it has in main, or None."""
        self.runs += 1
        store = self.home / f"device-{self.runs}"
        store.mkdir()
        done = subprocess.run([CARRY_OUT, envelope, str(VENDOR), str(class_id), "img", store.name, *holds],
                              cwd=self.home, env={**os.environ, **self.env}, capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1), done.stderr
        main = store / "main"
        assert (done.returncode == 0) == main.exists(), done.stdout
        return done.stdout + done.stderr, main.read_bytes() if main.exists() else None

    def takes(self, envelope, *holds):
        said, main = self.device(envelope, *holds)
        assert main == IMAGE, said
        return said

    def refuses(self, envelope, *holds, why, **kw):
        said, main = self.device(envelope, *holds, **kw)
        assert main is None and why in said, said


@pytest.fixture
def bench(cli):  # noqa: F811
    return Bench(cli)


# --- tier 1 -------------------------------------------------------------------------------------

def test_tier_1_mac_and_class_key(bench):
    bench.encrypt("--kek", "class-1=class.key")
    bench.make("e.suit", "--key", "author.pem", "--mac-key", "class-1=mac.key")
    holds = ("kek", "class-1=class.key")
    assert "0 signatures and 1 MACs hold, 1 by others" in bench.takes("e.suit", "mac", "class-1=mac.key", *holds)
    # the server's view: the signature alone
    assert bench("manifest", "verify", "e.suit", "--key", "author.pem.pub").stderr == \
        "e.suit is signed by author.pem.pub; 1 more by others, not checked.\n"
    bench("manifest", "verify", "e.suit", "--key", "author.pem.pub", "--mac-key", "class-1=mac.key")

    bench.refuses("e.suit", "mac", "class-1=other.key", *holds, why="signature does not verify")
    bench.refuses("e.suit", "mac", "class-2=mac.key", *holds, why="missing")
    bench.refuses("e.suit", "mac", "class-1=mac.key", "kek", "class-1=other.key", why="decrypts: ")
    bench.refuses("e.suit", "mac", "class-1=mac.key", *holds, class_id=VENDOR, why="stopped in section")
    whole = (bench.home / "e.suit").read_bytes()
    bench.write("cut.suit", whole[:-1] + bytes([whole[-1] ^ 1]))
    bench.refuses("cut.suit", "mac", "class-1=mac.key", *holds, why="")


def test_the_mac_is_what_others_compute(bench):
    """By Debian's cbor2 and cryptography: COSE_Mac0, HMAC 256/256, over the manifest's digest."""
    bench.encrypt("--kek", "class-1=class.key")
    bench.make("e.suit", "--key", "author.pem", "--mac-key", "class-1=mac.key")
    wrapper = cbor2.loads(cbor2.loads((bench.home / "e.suit").read_bytes()).value[2])
    sign1, mac0 = (cbor2.loads(block) for block in wrapper[1:])
    assert (sign1.tag, mac0.tag) == (18, 17)
    protected, unprotected, payload, tag = mac0.value
    assert cbor2.loads(protected) == {1: 5} and unprotected == {4: b"class-1"} and payload is None
    check = hmac.HMAC((bench.home / "mac.key").read_bytes(), hashes.SHA256())
    check.update(suit_device.encode(["MAC0", protected, b"", wrapper[0]]))
    check.verify(tag)


def test_a_mac_stands_beside_a_signature(bench):
    bench.encrypt("--kek", "class-1=class.key")
    assert "a MAC stands beside a signature" in bench.make("e.suit", "--mac-key", "class-1=mac.key", code=1)
    bench.make("bare.suit")
    sign = ("manifest", "sign", "--yes", "--out")
    assert "a MAC stands beside" in bench(*sign, "m.suit", "bare.suit", "--mac-key", "class-1=mac.key", code=1).stderr
    bench(*sign, "s.suit", "bare.suit", "--key", "author.pem")
    bench(*sign, "m.suit", "s.suit", "--mac-key", "class-1=mac.key")
    blocks = json.loads(bench("manifest", "show", "m.suit", "--json").stdout)["signatures"]
    assert [(b["kind"], b["algorithm"]) for b in blocks] == [("signature", -9), ("mac", 5)]
    assert bytes.fromhex(blocks[1]["kid"]) == b"class-1"
    assert "already" in bench(*sign, "n.suit", "m.suit", "--mac-key", "class-1=mac.key", code=6).stderr
    bench.takes("m.suit", "mac", "class-1=mac.key", "kek", "class-1=class.key")
    bench.write("short.key", b"short")
    assert "holds no key of 16 or 32 bytes" in bench(*sign, "n.suit", "s.suit", "--mac-key", "short.key", code=1).stderr
    assert bench("manifest", "verify", "s.suit", "--key", "author.pem.pub", "--mac-key", "class-1=mac.key",
                 code=1).stderr == "muster: s.suit is not signed by the MAC key class-1=mac.key\n"


def test_several_sign_together(bench):
    bench.encrypt("--kek", "class-1=class.key")
    bench("key", "new", "third.pem", "--type", "rsa", "--no-passphrase")
    bench.make("e.suit", "--key", "author.pem", "--key", "third.pem")
    wrapper = cbor2.loads(cbor2.loads((bench.home / "e.suit").read_bytes()).value[2])
    sign = cbor2.loads(wrapper[1])
    assert len(wrapper) == 2 and sign.tag == 98
    assert [cbor2.loads(s[0])[1] for s in sign.value[3]] == [-9, -37]
    assert bench("manifest", "verify", "e.suit", "--key", "author.pem.pub", "--key", "third.pem.pub").stderr == \
        "e.suit is signed by author.pem.pub and third.pem.pub.\n"
    assert bench("manifest", "verify", "e.suit", "--key", "author.pem.pub", "--key", "other.pem.pub", code=1).stderr == \
        "muster: e.suit is not signed by other.pem.pub\n"
    for one in ("author.pem.pub", "third.pem.pub"):
        bench.takes("e.suit", "author", one, "kek", "class-1=class.key")
    assert "are the same key" in bench.make("f.suit", "--key", "author.pem", "--key", "./author.pem", code=1)


# --- tier 2 -------------------------------------------------------------------------------------

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.utcnow()


def certificate(name, key, issuer=None, days=(-1, 30), ca=False, signs=True):
    """issuer: (certificate, key), or None for a root."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by, by_key = issuer or (None, key)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                           "encipher_only", "decipher_only"), False)
    built = (x509.CertificateBuilder().subject_name(subject).issuer_name(by.subject if by else subject)
             .public_key(key.public_key()).serial_number(x509.random_serial_number())
             .not_valid_before(NOW + days[0] * DAY).not_valid_after(NOW + days[1] * DAY)
             .add_extension(x509.BasicConstraints(ca, None), critical=True)
             .add_extension(x509.KeyUsage(digital_signature=signs and not ca, key_cert_sign=ca, crl_sign=ca, **usage),
                            critical=True)
             .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
             .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False))
    return built.sign(by_key, hashes.SHA256())


def pem(*certificates):
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


class Authority:
    def __init__(self):
        self.root_key, self.issuing_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = certificate("Root", self.root_key, ca=True)
        self.issuing = certificate("Issuing", self.issuing_key, (self.root, self.root_key), ca=True)

    def author(self, key, **kw):
        return certificate("Author", key, (self.issuing, self.issuing_key), **kw)


KINDS = {"rsa": (lambda: rsa.generate_private_key(65537, 3072), -37), "p256": (lambda: ec.generate_private_key(ec.SECP256R1()), -9),
         "p384": (lambda: ec.generate_private_key(ec.SECP384R1()), -51)}


@pytest.fixture
def tier2(bench):
    """A device with a key of its own, that trusts a root."""
    bench.authority = Authority()
    bench.write("root.pem", pem(bench.authority.root))
    bench.write("alien.pem", pem(Authority().root))
    device = ec.generate_private_key(ec.SECP256R1())
    bench.write("device.pem", private(device))
    bench.write("device.pub", public(device))
    bench.encrypt("--recipient", "dev-1=device.pub")
    bench.holds = ("key", "dev-1=device.pem")
    return bench


def public(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.mark.parametrize("kind", KINDS)
def test_tier_2_certificates(tier2, kind):
    make_key, alg = KINDS[kind]
    key = make_key()
    tier2.write("signer.pem", private(key))
    tier2.write("chain.pem", pem(tier2.authority.author(key), tier2.authority.issuing))
    tier2.make("e.suit", "--key", "signer.pem", "--cert-chain", "chain.pem")
    shown = json.loads(tier2("manifest", "show", "e.suit", "--json").stdout)["signatures"]
    assert [(b["algorithm"], b["certificates"]) for b in shown] == [(alg, 2)]
    assert tier2("manifest", "verify", "e.suit", "--anchor", "root.pem").stderr == \
        "e.suit is signed by somebody of root.pem.\n"
    assert tier2("manifest", "verify", "e.suit", "--anchor", "alien.pem", code=1).stderr == \
        "muster: e.suit is not signed by somebody of alien.pem\n"
    tier2.takes("e.suit", "anchor", "root.pem", *tier2.holds)
    tier2.refuses("e.suit", "anchor", "alien.pem", *tier2.holds, why="missing")
    tier2.refuses("e.suit", "anchor", "root.pem", "key", "dev-1=other.pem", why="decrypts: ")


def test_chains_that_a_device_would_refuse_are_not_signed_with(tier2):
    key, stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    tier2.write("signer.pem", private(key))
    for why, chain in {
            "is no chain that may sign now": pem(tier2.authority.author(key, days=(-9, -1)), tier2.authority.issuing),
            "is no chain that may sign now: ": pem(tier2.authority.author(key, signs=False), tier2.authority.issuing),
            "is no chain that may sign now:": pem(tier2.authority.author(key), Authority().issuing),
            "is of none of the keys": pem(tier2.authority.author(stranger), tier2.authority.issuing),
            "holds no certificate in PEM": private(key)}.items():
        tier2.write("chain.pem", chain)
        assert why in tier2.make("e.suit", "--key", "signer.pem", "--cert-chain", "chain.pem", code=1)
        assert not (tier2.home / "e.suit").exists()


def one_with_a_chain_and_one_by_another(tier2):
    """e.suit and f.suit."""
    key = ec.generate_private_key(ec.SECP256R1())
    tier2.write("signer.pem", private(key))
    tier2.write("chain.pem", pem(tier2.authority.author(key), tier2.authority.issuing))
    tier2.make("e.suit", "--key", "signer.pem", "--cert-chain", "chain.pem")
    tier2.make("f.suit", "--key", "other.pem")
    return [cbor2.loads((tier2.home / n).read_bytes()) for n in ("e.suit", "f.suit")]


def test_a_chain_of_another_signer_proves_nothing(tier2):
    """The chain is right, and the signature beside it is by another key."""
    envelope, other = one_with_a_chain_and_one_by_another(tier2)
    # the two manifests are the same but for the clock: take the other signature over this one's digest
    wrapper, stolen = cbor2.loads(envelope.value[2]), cbor2.loads(cbor2.loads(other.value[2])[1])
    block = cbor2.loads(wrapper[1])
    block.value[3] = stolen.value[3]
    wrapper[1] = suit_device.encode(block)
    envelope.value[2] = suit_device.encode(wrapper)
    tier2.write("forged.suit", suit_device.encode(envelope))
    tier2.refuses("forged.suit", "anchor", "root.pem", *tier2.holds, why="signature does not verify")
    assert "is not signed by" in tier2("manifest", "verify", "forged.suit", "--anchor", "root.pem", code=1).stderr


def test_a_chain_beside_somebody_elses_signature_is_nobodys(tier2):
    """The header that holds a chain is not signed: whoever can sign at all could put another's there."""
    led, plain = one_with_a_chain_and_one_by_another(tier2)
    chain = cbor2.loads(cbor2.loads(led.value[2])[1]).value[1][33]
    wrapper = cbor2.loads(plain.value[2])
    block = cbor2.loads(wrapper[1])
    block.value[1][33] = chain
    wrapper[1] = suit_device.encode(block)
    plain.value[2] = suit_device.encode(wrapper)
    tier2.write("forged.suit", suit_device.encode(plain))
    assert "is signed by" in tier2("manifest", "verify", "f.suit", "--key", "other.pem.pub").stderr
    refused = tier2("manifest", "verify", "forged.suit", "--key", "other.pem.pub", "--anchor", "root.pem", code=1).stderr
    assert "is not signed by somebody of root.pem" in refused


# --- tier 3 -------------------------------------------------------------------------------------

@pytest.mark.skipif(not DRIVERS, reason="SoftHSM is not installed")
def test_tier_3_keys_in_tokens(bench):
    """Neither the author's nor the device's private key is ever in a file."""
    author = Token(bench.home)
    device = Token(bench.home, "device")
    bench.env = author.env
    author.make("release", "p256")
    device.make("identity", "p256", "derive")
    for file in bench.home.glob("*.pem"):
        file.unlink()
    bench.encrypt("--recipient", "dev-1=identity.pub")
    bench.make("e.suit", "--key", author.uri("release"))
    bench.takes("e.suit", "author", "release.pub", "key", "dev-1=" + device.uri("identity"))
    # the command line's own check, with the same token
    bench("image", "decrypt", "fw.enc", "--info", "fw.info", "--key", "dev-1=" + device.uri("identity"), "--out", "again")
    assert (bench.home / "again").read_bytes() == IMAGE
    bench.refuses("e.suit", "author", "release.pub", "key", "dev-1=" + author.uri("release"), why="decrypts: ")
    shutil.rmtree(bench.home / "tokens")


# --- devices that are let in later ----------------------------------------------------------------

ADMITS = json.loads(json.dumps(SOURCE))
ADMITS["components"][0]["image"]["encryption_info_replaceable"] = True


@pytest.fixture
def club(bench):
    """An update for class-1 that its author lets be opened to others, and a delegate with a key of its own."""
    bench.write("source.json", json.dumps(ADMITS).encode())
    bench("key", "new", "delegate.pem", "--no-passphrase")
    for name in ("new", "newer", "stranger"):
        bench("key", "new", f"{name}.pem", "--no-passphrase")
    bench.encrypt("--kek", "class-1=class.key")
    bench.make("class.suit", "--key", "author.pem")
    bench.trust = ("author", "author.pem.pub", "delegate", "delegate.pem.pub")
    bench.admit = lambda out, *more, **kw: bench(
        "manifest", "admit", kw.pop("envelope", "class.suit"), "--out", out, "--kek", "class-1=class.key", "--recipient",
        "dev-2=new.pem.pub", "--recipient", "dev-3=newer.pem.pub", "--key", "delegate.pem", *more, **kw)
    return bench


def test_a_device_is_let_in_without_the_author(club):
    before = (club.home / "class.suit").read_bytes()
    club.takes("class.suit", "author", "author.pem.pub", "kek", "class-1=class.key")
    club.refuses("class.suit", *club.trust, "key", "dev-2=new.pem", why="decrypts: ")
    (club.home / "author.pem").unlink()
    club.admit("new.suit")
    for device in ("dev-2=new.pem", "dev-3=newer.pem"):
        club.takes("new.suit", *club.trust, "key", device)
    club.refuses("new.suit", *club.trust, "key", "dev-2=stranger.pem", why="decrypts: ")
    club.refuses("new.suit", *club.trust, "key", "dev-4=stranger.pem", why="decrypts: ")
    club.refuses("new.suit", *club.trust, "key", "dev-2=new.pem", class_id=VENDOR, why="stopped in section")
    # the author's envelope is in there as it was, and the delegate alone is not enough
    assert before in (club.home / "new.suit").read_bytes()
    club.refuses("new.suit", "delegate", "delegate.pem.pub", "key", "dev-2=new.pem", why="missing")
    club.refuses("new.suit", "author", "author.pem.pub", "key", "dev-2=new.pem", why="missing")


def test_an_admission_is_carried_out_by_others_too(club):
    """By the processor of suit_device.py: the info that counts is the dependent's."""
    club.admit("new.suit")
    infos = []

    def decrypt(info, content):
        infos.append(info)
        return IMAGE

    sealed = (club.home / "fw.enc").read_bytes()
    keys = [(club.home / f"{n}.pem.pub").read_bytes() for n in ("author", "delegate")]
    for name, kids in (("class.suit", {b"class-1"}), ("new.suit", {b"dev-2", b"dev-3"})):
        device = suit_device.Device(VENDOR.bytes, CLASS.bytes, {"img/" + hashlib.sha256(sealed).hexdigest(): sealed},
                                    handlers={"decrypt": decrypt})
        device.update((club.home / name).read_bytes(), keys)
        assert device.storage[(b"main",)] == IMAGE
        assert {r[1].get(4) for r in cbor2.loads(infos[-1]).value[3]} == kids


def test_a_delegate_installs_nothing_of_its_own(club):
    """A delegate's own update is refused, and so is its admission to something that it signed itself."""
    club.make("own.suit", "--key", "delegate.pem")
    club.refuses("own.suit", *club.trust, "kek", "class-1=class.key", why="the key does not fit")
    club.admit("own-admission.suit", envelope="own.suit")
    club.refuses("own-admission.suit", *club.trust, "key", "dev-2=new.pem", why="the key does not fit")


def test_admissions_that_nobody_could_use_are_not_made(club):
    def says(envelope="class.suit", *more):
        return club.admit("x.suit", *more, envelope=envelope, code=1).stderr.removeprefix("muster: ").strip()

    club.write("source.json", json.dumps(SOURCE).encode())
    club.make("fixed.suit", "--key", "author.pem")
    assert says("fixed.suit") == "the author of fixed.suit lets no other encryption info in (encryption_info_replaceable)"
    club("manifest", "create", "--class", "acme.example/lock-7", "--image", "fw.bin", "--out", "plain.suit")
    assert says("plain.suit") == "nothing in plain.suit is encrypted"
    assert says("class.suit", "--device-key", "new.pem").startswith("manifest admit needs")
    (club.home / "class.key").write_bytes(os.urandom(16))
    assert "the key does not open the info" in says()
    assert not (club.home / "x.suit").exists()


def test_an_admission_by_a_device_that_is_in(club):
    """Who can open the update can pass its key on; that a delegate signs is what makes it count."""
    club.encrypt("--recipient", "dev-2=new.pem.pub", "--recipient", "dev-3=newer.pem.pub", again=True)
    club.make("two.suit", "--key", "author.pem")
    admit = ("manifest", "admit", "two.suit", "--device-key", "dev-2=new.pem", "--recipient", "dev-9=stranger.pem.pub")
    club(*admit, "--key", "delegate.pem", "--out", "nine.suit")
    club.takes("nine.suit", *club.trust, "key", "dev-9=stranger.pem")
    club(*admit, "--key", "new.pem", "--out", "forged.suit")
    club.refuses("forged.suit", *club.trust, "key", "dev-9=stranger.pem", why="missing")
    assert club("manifest", "lint", "nine.suit").returncode == 0
