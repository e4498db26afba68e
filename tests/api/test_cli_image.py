"""`muster image`: what it encrypts, others open, and the other way round."""

import hashlib
import json
import os
import stat
import subprocess
import sys

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import suit_encrypt
from harness import wait_until
from suit_encrypt import ALGORITHMS
from test_cli import MUSTER, ROOT, cli  # noqa: F401

VECTORS = ROOT / "tests" / "data" / "suit"
IMAGE = os.urandom(50001)


@pytest.fixture
def author(cli):  # noqa: F811
    """An image and everybody's keys."""
    cli.kek = {16: os.urandom(16), 32: os.urandom(32)}
    cli.devices = [suit_encrypt.device_key() for _ in range(3)]
    (cli.home / "fw.bin").write_bytes(IMAGE)
    for size, kek in cli.kek.items():
        (cli.home / f"{size}.key").write_bytes(kek)
    for i, key in enumerate(cli.devices):
        (cli.home / f"{i}.pem").write_bytes(suit_encrypt.private_pem(key))
        (cli.home / f"{i}.pub").write_bytes(suit_encrypt.public_pem(key))
    return cli


def read(cli, name):  # noqa: F811
    return (cli.home / name).read_bytes()


def encrypt(cli, *words, **kw):  # noqa: F811
    return cli("image", "encrypt", "fw.bin", "--out", "fw.enc", "--info", "fw.info", *words, **kw)


def decrypt(cli, *words, **kw):  # noqa: F811
    return cli("image", "decrypt", "fw.enc", "--info", "fw.info", "--out", "out.bin", *words, **kw)


# --- with code that nobody here wrote ---------------------------------------------------------

@pytest.mark.parametrize("name", ALGORITHMS)
def test_others_open_ours(author, name):
    said = json.loads(encrypt(author, "--algorithm", name, "--kek", "class-1=16.key", "--kek", "0x00ff=32.key",
                              "--recipient", "0.pub", "--recipient", "dev-1=1.pub", "--json").stdout)
    info, sealed = read(author, "fw.info"), read(author, "fw.enc")
    own_id = bytes.fromhex(json.loads(author("key", "show", "0.pub", "--json").stdout)["kid"])
    for key, kid in ((author.kek[16], b"class-1"), (author.kek[32], b"\0\xff"), (author.devices[0], own_id),
                     (author.devices[1], b"dev-1")):
        assert suit_encrypt.opened(info, sealed, key, kid) == IMAGE
    assert said == {"algorithm": name, "recipients": 4, "image_size": len(IMAGE), "encrypted_size": len(sealed),
                    "image_digest": hashlib.sha256(IMAGE).hexdigest(),
                    "encrypted_digest": hashlib.sha256(sealed).hexdigest()}
    assert len(sealed) == len(IMAGE) + (16 if ALGORITHMS[name][3] else 0)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_we_open_others(author, name):
    info, sealed = suit_encrypt.made(name, IMAGE, [(author.kek[16], b"class-1"), (author.kek[32], b"\0\xff"),
                                                   (author.devices[0].public_key(), b"dev-0")])
    (author.home / "fw.info").write_bytes(info)
    (author.home / "fw.enc").write_bytes(sealed)
    for words in (["--kek", "class-1=16.key"], ["--kek", "0x00ff=32.key"], ["--key", "dev-0=0.pem"]):
        decrypt(author, *words, "--digest", hashlib.sha256(IMAGE).hexdigest())
        assert read(author, "out.bin") == IMAGE
        (author.home / "out.bin").unlink()
    for words in (["--kek", "class-2=16.key"], ["--kek", "class-1=32.key"], ["--kek", "16.key"], ["--key", "0.pem"]):
        assert decrypt(author, *words, code=1).stderr == "muster: the key is not one of the 3 the image is for\n"
    assert "another key" in decrypt(author, "--key", "dev-0=1.pem", code=1).stderr
    assert not (author.home / "out.bin").exists()


@pytest.fixture
def pycose(pypi, monkeypatch):
    """PyPI's pycose; what Debian has of its needs comes from Debian."""
    for folder in pypi.glob("lib/python3*/site-packages"):
        monkeypatch.setattr(sys, "path", sys.path + [str(folder)])


def pycose_recipient(message):
    from pycose.headers import SuppPubOther
    for recipient in message.recipients:
        recipient.local_attrs = {SuppPubOther: b"SUIT Payload Encryption"}
    return message.recipients[0]


@pytest.mark.parametrize("name", ["a128gcm", "a256gcm"])
@pytest.mark.parametrize("words", [["--kek", "k=16.key"], ["--recipient", "k=0.pub"]], ids=["kek", "ecdh"])
def test_pycose_opens_ours(author, pycose, name, words):
    from pycose.keys import EC2Key, SymmetricKey
    from pycose.messages import EncMessage
    encrypt(author, "--algorithm", name, *words)
    attached = cbor2.loads(read(author, "fw.info"))
    attached.value[2] = read(author, "fw.enc")
    message = EncMessage.decode(cbor2.dumps(attached))
    recipient = pycose_recipient(message)
    d = author.devices[0].private_numbers()
    recipient.key = SymmetricKey(k=author.kek[16]) if words[0] == "--kek" else \
        EC2Key(crv="P_256", d=d.private_value.to_bytes(32, "big"))
    assert message.decrypt(recipient) == IMAGE


@pytest.mark.parametrize("kind", ["kek", "ecdh"])
def test_we_open_pycose(author, pycose, kind):
    from pycose import algorithms, headers
    from pycose.keys import EC2Key, SymmetricKey
    from pycose.messages import EncMessage
    from pycose.messages.recipient import KeyAgreementWithKeyWrap, KeyWrap
    if kind == "kek":
        recipient = KeyWrap(uhdr={headers.Algorithm: algorithms.A128KW, headers.KID: b"k"})
        recipient.key = SymmetricKey(k=author.kek[16])
    else:
        n = author.devices[0].public_key().public_numbers()
        recipient = KeyAgreementWithKeyWrap(phdr={headers.Algorithm: algorithms.EcdhEsA128KW},
                                            uhdr={headers.KID: b"k"})
        recipient.local_attrs = {
            headers.StaticKey: EC2Key(crv="P_256", x=n.x.to_bytes(32, "big"), y=n.y.to_bytes(32, "big")),
            headers.SuppPubOther: b"SUIT Payload Encryption"}
    message = EncMessage(phdr={headers.Algorithm: algorithms.A128GCM}, uhdr={headers.IV: os.urandom(12)},
                         payload=IMAGE, recipients=[recipient])
    detached = cbor2.loads(message.encode())
    (author.home / "fw.enc").write_bytes(detached.value[2])
    detached.value[2] = None
    (author.home / "fw.info").write_bytes(cbor2.dumps(detached))
    decrypt(author, *(["--kek", "k=16.key"] if kind == "kek" else ["--key", "k=0.pem"]))
    assert read(author, "out.bin") == IMAGE


@pytest.mark.parametrize("how,mode", [("aes-kw", "gcm"), ("aes-kw", "ctr"), ("es-ecdh", "gcm"), ("es-ecdh", "ctr")])
def test_published(cli, how, mode):  # noqa: F811
    """The examples of draft-ietf-suit-firmware-encryption."""
    folder = VECTORS / "firmware-encryption"
    scalar = int((VECTORS / "keys" / "ecdh-device-scalar.hex").read_text(), 16)
    (cli.home / "class.key").write_bytes(b"a" * 16)
    (cli.home / "dev.pem").write_bytes(suit_encrypt.private_pem(ec.derive_private_key(scalar, ec.SECP256R1())))
    words = ["--kek", "kid-1=class.key"] if how == "aes-kw" else ["--key", "dev.pem"]
    done = cli("image", "decrypt", folder / f"encrypted-payload-{how}-aes-{mode}.cbor", "--info",
               folder / f"suit-encryption-info-{how}-aes-{mode}.cbor", *words, "--out", "plain")
    assert (cli.home / "plain").read_bytes() == b"This is a real firmware image."
    assert ("CTR shows no change" in done.stderr) == (mode == "ctr")


def test_a_key_without_its_id_opens_the_only_one(author):
    encrypt(author, "--recipient", "dev-9=0.pub")
    decrypt(author, "--key", "0.pem")
    assert read(author, "out.bin") == IMAGE
    (author.home / "out.bin").unlink()
    assert "not one of the 1 the image is for" in decrypt(author, "--key", "dev-8=0.pem", code=1).stderr


def test_a_further_device(author):
    encrypt(author, "--kek", "class-1=16.key", "--recipient", "dev-0=0.pub")
    author("image", "admit", "fw.info", "--key", "dev-0=0.pem", "--recipient", "dev-1=1.pub", "--recipient", "2.pub",
           "--out", "new.info")
    own_id = bytes.fromhex(json.loads(author("key", "show", "2.pub", "--json").stdout)["kid"])
    for key, kid in ((author.devices[1], b"dev-1"), (author.devices[2], own_id)):
        assert suit_encrypt.opened(read(author, "new.info"), read(author, "fw.enc"), key, kid) == IMAGE
    assert b"dev-0" not in read(author, "new.info") and b"class-1" not in read(author, "new.info")
    assert stat.S_IMODE((author.home / "new.info").stat().st_mode) == 0o600
    for words, text in [
        (["--kek", "class-1=32.key", "--recipient", "1.pub"], "the key is not one of the 2 the image is for"),
        (["--key", "dev-0=1.pem", "--recipient", "1.pub"],
         "the key does not open the info: encrypted for another key, or changed since"),
        (["--kek", "class-1=16.key"], "image admit needs --out, --recipient and either --kek or --key"),
    ]:
        assert author("image", "admit", "fw.info", *words, "--out", "o", code=1).stderr == f"muster: {text}\n"
        assert not (author.home / "o").exists()


# --- files ------------------------------------------------------------------------------------

def test_files_are_ours_alone(author):
    before = set(os.listdir(author.home))
    encrypt(author, "--recipient", "0.pub")
    decrypt(author, "--key", "0.pem")
    assert set(os.listdir(author.home)) - before == {"fw.enc", "fw.info", "out.bin"}
    for name in ("fw.enc", "fw.info", "out.bin"):
        assert stat.S_IMODE((author.home / name).stat().st_mode) == 0o600
    for taken in (["--out", "fw.enc", "--info", "i"], ["--out", "o", "--info", "fw.info"]):
        done = author("image", "encrypt", "fw.bin", "--recipient", "0.pub", *taken, code=1)
        assert "is there already; it is never overwritten" in done.stderr
    assert set(os.listdir(author.home)) - before == {"fw.enc", "fw.info", "out.bin"}
    assert read(author, "out.bin") == IMAGE


@pytest.mark.parametrize("name", ["fw.enc", "fw.info"])
def test_a_file_that_comes_meanwhile_stays(author, name):
    os.mkfifo(author.home / "slow.bin")
    running = subprocess.Popen([MUSTER, "image", "encrypt", "slow.bin", "--kek", "16.key", "--out", "fw.enc", "--info",
                                "fw.info"], cwd=author.home, stderr=subprocess.PIPE, text=True)
    with open(author.home / "slow.bin", "wb") as image:
        wait_until(lambda: list(author.home.glob("fw.info.*")), what="the drafts")
        (author.home / name).write_text("somebody else's")
        image.write(IMAGE)
    assert running.communicate(timeout=60)[1] == f"muster: {name} is there already; it is never overwritten\n"
    assert running.returncode == 1
    assert (author.home / name).read_text() == "somebody else's"
    assert sorted(p.name for p in author.home.glob("fw.*")) == ["fw.bin", name]


@pytest.mark.parametrize("name", ["a128gcm", "chacha20"])
def test_changed_leaves_nothing(author, name):
    encrypt(author, "--algorithm", name, "--kek", "16.key")
    sealed = read(author, "fw.enc")
    before = set(os.listdir(author.home))
    for changed in (sealed[:-1], sealed + b"\0", sealed[:100] + bytes([sealed[100] ^ 1]) + sealed[101:], sealed[:7], b""):
        (author.home / "fw.enc").write_bytes(changed)
        done = decrypt(author, "--kek", "16.key", code=1)
        assert done.stderr == "muster: fw.enc: encrypted for another key, or changed since\n"
        assert set(os.listdir(author.home)) == before


def test_digest_proves_ctr(author):
    encrypt(author, "--algorithm", "a128ctr", "--kek", "16.key")
    sealed = bytearray(read(author, "fw.enc"))
    sealed[5] ^= 1
    (author.home / "fw.enc").write_bytes(sealed)
    done = decrypt(author, "--kek", "16.key", "--digest", hashlib.sha256(IMAGE).hexdigest(), code=1)
    assert done.stderr == "muster: the plaintext is not the image of that digest\n"
    assert not (author.home / "out.bin").exists()


@pytest.mark.parametrize("write", [bytes, lambda b: b.hex().encode(), lambda b: b.hex().upper().encode() + b"\r\n"],
                         ids=["raw", "hex", "HEX"])
@pytest.mark.parametrize("size", [16, 32])
def test_shared_key_files(author, size, write):
    (author.home / "k=1").write_bytes(write(author.kek[size]))
    encrypt(author, "--kek", "./k=1")
    assert suit_encrypt.opened(read(author, "fw.info"), read(author, "fw.enc"), author.kek[size]) == IMAGE


@pytest.mark.parametrize("content", [b"", b"a" * 15, b"a" * 17, b"a" * 24, b"a" * 31 + b"\n\n", b"g" * 64, b"0" * 66,
                                     b"0" * 5000], ids=lambda b: f"{b[:1]}-{len(b)}")
def test_no_shared_key(author, content):
    (author.home / "k").write_bytes(content)
    assert encrypt(author, "--kek", "./k", code=1).stderr == \
        "muster: ./k holds no key of 16 or 32 bytes, raw or in hexadecimal digits\n"


# --- words ------------------------------------------------------------------------------------

def test_refused(author):
    author("key", "new", "ed.pem", "--type", "ed25519", "--no-passphrase")
    (author.home / "empty").write_bytes(b"")
    (author.home / "bad.info").write_bytes(b"\xd8\x60")
    whole = ["--out", "o", "--info", "i"]
    needs = "muster: image encrypt needs --out, --info and at least one --kek or --recipient"
    for words, code, text in [
        (["encrypt", "fw.bin", "--out", "o", "--kek", "16.key"], 1, needs),
        (["encrypt", "fw.bin", *whole], 1, needs),
        (["encrypt", "fw.bin", *whole, "--kek", "16.key", "--algorithm", "rot13"], 1,
         'muster: --algorithm "rot13": take a128gcm, a256gcm, a128ctr, a256ctr or chacha20'),
        (["encrypt", "none", *whole, "--kek", "16.key"], 3, "muster: cannot open none: No such file or directory"),
        (["encrypt", "empty", *whole, "--kek", "16.key"], 1, "muster: empty is empty"),
        (["encrypt", "fw.bin", *whole, "--kek", "none.key"], 3,
         "muster: cannot open none.key: No such file or directory"),
        (["encrypt", "fw.bin", *whole, "--recipient", "ed.pem.pub"], 1, "muster: ed.pem.pub is no P-256 key"),
        (["encrypt", "fw.bin", *whole, "--kek", "16.key", "--kek", "k=32.key"], 1,
         "muster: several recipients need a key id each; write KID=FILE"),
        (["encrypt", "fw.bin", *whole, "--kek", "=16.key"], 1, "muster: a key id has 1 to 64 bytes"),
        (["encrypt", "fw.bin", *whole, "--kek", "x" * 65 + "=16.key"], 1, "muster: a key id has 1 to 64 bytes"),
        (["encrypt", "fw.bin", *whole, "--kek", "0x0=16.key"], 1,
         'muster: "0x0" is no key id in hexadecimal digits'),
        (["encrypt", "fw.bin", *whole, *["--kek", "k=16.key"] * 65], 1,
         "muster: an image is encrypted for at most 64 recipients"),
        (["decrypt", "fw.bin", *whole], 1, "muster: image decrypt needs --out, --info and either --kek or --key"),
        (["decrypt", "fw.bin", *whole, "--kek", "16.key", "--key", "0.pem"], 1,
         "muster: image decrypt needs --out, --info and either --kek or --key"),
        (["decrypt", "fw.bin", "--out", "o", "--info", "bad.info", "--kek", "16.key"], 1,
         "muster: bad.info is no encryption info: not well-formed deterministic CBOR of a SUIT envelope"),
    ]:
        done = author("image", *words, code=code)
        assert done.stderr == text + "\n"
        assert not {"o", "i"} & set(os.listdir(author.home))
    encrypt(author, "--recipient", "0.pub")
    assert decrypt(author, "--key", "0.pub", code=1).stderr == "muster: 0.pub is a public key and cannot decrypt\n"
    assert decrypt(author, "--key", "0.pem", "--digest", "00", code=1).stderr == \
        'muster: --digest "00": write 64 hexadecimal digits\n'


def test_64_recipients(author):
    encrypt(author, *(word for i in range(64) for word in ("--recipient", f"{'d' * 62}{i:02}=0.pub")))
    decrypt(author, "--key", f"{'d' * 62}63=0.pem")
    assert read(author, "out.bin") == IMAGE


def test_device_key_under_passphrase(author):
    (author.home / "pass").write_text("correct horse\n")
    author("key", "new", "dev.pem", "--passphrase-file", "pass")
    encrypt(author, "--recipient", "dev.pem.pub")
    decrypt(author, "--key", "dev.pem", "--passphrase-file", "pass")
    assert read(author, "out.bin") == IMAGE
