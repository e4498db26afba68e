"""Author keys in a PKCS#11 token: what is signed there, others verify; what goes wrong is said."""

import json
import os
import pty
import re

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

import suit_device
from soft_token import DRIVERS, PIN, Token
from test_cli import CLASS, MUSTER, cli, run_muster  # noqa: F401

pytestmark = pytest.mark.skipif(not DRIVERS, reason="SoftHSM is not installed")

ESP256, ESP384, PS256, ED25519 = -9, -51, -37, -19


@pytest.fixture
def token(cli):  # noqa: F811
    (cli.home / "fw.bin").write_bytes(b"firmware" * 99)
    made = Token(cli.home)
    made.cli = lambda *words, **kw: cli(*words, **{**made.env, **kw})
    return made


def signature_of(data):
    wrapper = cbor2.loads(cbor2.loads(data).value[2])
    protected, unprotected, _, signature = cbor2.loads(wrapper[1]).value
    signed = suit_device.encode(["Signature1", protected, b"", wrapper[0]])
    return cbor2.loads(protected)[1], unprotected[4], signed, signature


def holds(pem, alg, signed, signature):
    """By Debian's cryptography; raises when it does not."""
    key = serialization.load_pem_public_key(pem)
    if alg == PS256:
        return key.verify(signature, signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    if alg == ED25519:
        return key.verify(signature, signed)
    half, md = len(signature) // 2, {ESP256: hashes.SHA256, ESP384: hashes.SHA384}[alg]
    der = utils.encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    key.verify(der, signed, ec.ECDSA(md()))


@pytest.mark.parametrize("kind,alg", [("p256", ESP256), ("p384", ESP384), ("rsa", PS256), ("ed25519", ED25519)])
def test_a_token_signs(token, cli, monkeypatch, kind, alg):  # noqa: F811
    if kind == "ed25519":  # SoftHSM 2.6 loses a copy of such a key at each signature
        monkeypatch.setenv("ASAN_OPTIONS", os.environ["ASAN_OPTIONS"] + ":detect_leaks=0")
    token.make(kind, kind)
    uri, pub = token.uri(kind), f"{kind}.pub"
    shown = json.loads(token.cli("key", "show", uri, "--json").stdout)
    assert (shown["algorithm"], shown["private"]) == (kind, True)
    token.cli("manifest", "create", "--class", CLASS, "--image", "fw.bin", "--out", "e.suit", "--key", uri)
    got, kid, signed, signature = signature_of((cli.home / "e.suit").read_bytes())
    assert got == alg and kid.hex() == shown["kid"]
    holds((cli.home / pub).read_bytes(), alg, signed, signature)
    token.cli("manifest", "verify", "e.suit", "--key", pub)
    # sign, and release create, by the same way
    token.cli("manifest", "create", "--class", CLASS, "--image", "fw.bin", "--out", "bare.suit")
    token.cli("manifest", "sign", "bare.suit", "--key", uri, "--yes", "--out", "signed.suit")
    token.cli("release", "create", "fw.bin", "--class", CLASS, "--version", "1", "--key", uri, "--out", "release.suit")
    for name in ("signed.suit", "release.suit"):
        token.cli("manifest", "verify", name, "--key", pub)
    if kind == "p256":
        suit_device.Envelope((cli.home / "signed.suit").read_bytes(), [(cli.home / pub).read_bytes()])


def test_a_key_that_wants_a_pin_for_each_signature(token):
    token.make("careful", "p256", "always-auth")
    for name in ("one", "two"):
        token.cli("manifest", "create", "--class", CLASS, "--image", "fw.bin", "--out", name, "--key",
                  token.uri("careful"))


def test_where_a_pin_comes_from(token, cli):  # noqa: F811
    token.make("k", "p256")
    bare = token.uri("k", pin=False)
    show = ("key", "show", bare)
    token.cli(*show, "--passphrase-file", "pin")
    token.cli(*show, MUSTER_PIN=PIN)
    token.cli("key", "show", f"{bare}&pin-source={cli.home}/pin")
    (cli.home / "wrong").write_text("12345678\n")
    # the nearer one counts
    assert "does not open token author" in token.cli("key", "show", f"{bare}&pin-source={cli.home}/wrong", code=1,
                                                     MUSTER_PIN=PIN).stderr
    assert "there is nobody to ask" in token.cli(*show, code=2).stderr
    said = token.cli("key", "show", f"{bare}&pin-value={PIN}", code=1).stderr
    assert said.startswith("muster: a PIN does not belong in the URI") and PIN not in said
    assert token.cli("key", "show", f"{bare}&pin-source=|cat", code=1).stderr == "muster: pin-source takes a file alone\n"


def test_a_pin_is_asked_without_echo(token, cli):  # noqa: F811
    token.make("k", "p256")
    try:
        pid, fd = pty.fork()
    except OSError as e:
        pytest.skip(f"there are no pseudo terminals here ({e})")
    if pid == 0:
        os.environ.update(HOME=str(cli.home), **token.env)
        os.execv(MUSTER, ["muster", "key", "show", token.uri("k", pin=False)])
    seen = b""
    while True:
        try:
            got = os.read(fd, 1024)
        except OSError:
            break
        if not got:
            break
        seen += got
        if seen.endswith(b"PIN of token author: "):
            os.write(fd, PIN.encode() + b"\n")
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
    assert b"p256" in seen and PIN.encode() not in seen


def test_what_is_not_there(token, cli):  # noqa: F811
    token.make("k", "p256")

    def says(uri, code):
        return token.cli("key", "show", uri, code=code).stderr.removeprefix("muster: ").strip()

    assert says(token.uri("none"), 3) == "the token has no private key that the PKCS#11 URI names"
    assert says(token.uri("k", token="elsewhere"), 3) == "no token is there that the PKCS#11 URI names"
    slot = re.search(rb"slot (\d+)", token.tool("softhsm2-util", "--show-slots"), re.I)[1].decode()
    assert token.cli("key", "show", token.uri("k", **{"slot-id": slot, "library-manufacturer": "SoftHSM"}))
    for part in ("slot-id", "slot-manufacturer", "slot-description", "library-manufacturer", "library-description"):
        assert says(token.uri("k", **{part: "99999"}), 3) == "no token is there that the PKCS#11 URI names", part
    assert says("pkcs11:object=k?module-path=/none.so", 1) == "cannot load the PKCS#11 module /none.so"
    assert says("pkcs11:object=k?module-name=none-such", 1).endswith('no PKCS#11 module "none-such"') or \
        "has no PKCS#11 module" in says("pkcs11:object=k?module-name=none-such", 1)
    assert says("pkcs11:token", 1).startswith("this is no PKCS#11 URI (RFC 7512)")
    assert says(token.uri("k", type="public"), 1) == "the PKCS#11 URI names no private key"
    token.tool("softhsm2-util", "--delete-token", "--token", "author")
    assert says(token.uri("k"), 3) == "no token is there that the PKCS#11 URI names"


def test_several_are_refused(token):
    token.make("k", "p256")
    token.make("k", "rsa")
    assert token.cli("key", "show", token.uri("k"), code=1).stderr == \
        "muster: the token has 2 private keys that the PKCS#11 URI names; add id= or object=\n"
    Token(token.folder, "second")
    assert token.cli("key", "show", token.uri("k", token=None), code=1).stderr == \
        "muster: 2 tokens are there that the PKCS#11 URI names; add token= or serial=\n"


def test_locked_after_wrong_pins_or_wrong_again(token, cli):  # noqa: F811
    """SoftHSM never locks: each wrong PIN is told, and the right one still works."""
    token.make("k", "p256")
    (cli.home / "pin").write_text("nope-nope\n")
    for _ in range(3):
        assert token.cli("key", "show", token.uri("k"), code=1).stderr.startswith("muster: the PIN does not open token")
    (cli.home / "pin").write_text(PIN + "\n")
    token.cli("key", "show", token.uri("k"))


def test_a_private_key_does_not_come_out(token):
    """What stays in the token cannot be written to a file, and its public half alone is registered."""
    token.make("k", "p256")
    assert token.cli("key", "register", token.uri("k"), "--class", CLASS, code=4).stderr == \
        "muster: you are not logged in; try: muster login URL\n"
