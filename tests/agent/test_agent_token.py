"""The agent's own keys in a PKCS#11 token: what is done with them, and what is said when they cannot be used."""

import fcntl
import subprocess

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from agent_kit import BUILD, Author, Device, StandIn, Variant, areas, digest, part, program, start, wait_until
from coap_peer import PATH
from soft_token import DRIVERS, PIN, MoodyToken, Token

pytestmark = pytest.mark.skipif(not DRIVERS, reason="SoftHSM is not installed")


@pytest.fixture
def token(tmp_path, monkeypatch):
    (tmp_path / "token").mkdir()
    made = MoodyToken(tmp_path / "token", BUILD.absolute() / "tests/preload")
    made.make("payloads", "p256", "derive")
    made.make("reports", "p256")
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def author(tmp_path):
    return Author(tmp_path / "author")


@pytest.fixture
def update(tmp_path, author, token):
    """An old image, and a new one that is encrypted for the token's key."""
    old, new = (program(tmp_path / name, name, "kill $PPID; exec sleep 20") for name in ("old", "new"))
    payload, info = author.encrypted(new, "--recipient", f"dev-1={token.folder}/payloads.pub")
    return old, new, Variant(author.manifest([part("main", new, "dl/full", payload, info=info)] + areas("full")), payload)


@pytest.fixture
def device(tmp_path, author, token, update):
    def made(name="d", **settings):
        lines = {"device_key_file": token.uri("payloads"), "device_key_id": "dev-1", "class_key_file": None,
                 "class_key_id": None, "pin_file": token.folder / "pin", "only_encrypted": "yes", **settings}
        return Device(tmp_path / name, author, update[0], **lines)
    return made


def holds(pem, message):
    """The report in it, when that key signed it."""
    protected, _, report, signature = cbor2.loads(message).value
    key = serialization.load_pem_public_key(pem)
    der = encode_dss_signature(*(int.from_bytes(half, "big") for half in (signature[:32], signature[32:])))
    key.verify(der, cbor2.dumps(["Signature1", protected, b"", report]), ec.ECDSA(hashes.SHA256()))
    return cbor2.loads(report)


def refused(device, update, says):
    done = device.apply(update[2])
    assert done.returncode == 1 and says in done.stderr and PIN not in done.stderr, done.stderr
    assert device.show()["trial"] == "no" and not device.path("slot", "b").exists()
    return done.stderr


def test_it_opens_payloads_and_signs_reports(token, device, update):
    d = device(report_key_file=token.uri("reports"))
    done = d.apply(update[2])
    assert done.returncode == 0, done.stderr
    assert d.path("slot", "b").read_bytes() == update[1].read_bytes()
    assert holds((token.folder / "reports.pub").read_bytes(), (d.state / "report").read_bytes())[4] is True


def test_a_pin_in_the_uri_s_own_file_comes_first(token, device, update):
    (token.folder / "bad").write_text("1234")
    d = device(pin_file=token.folder / "bad", device_key_file=f"{token.uri('payloads')}&pin-source=file:{token.folder}/pin")
    assert d.apply(update[2]).returncode == 0


def test_a_key_for_something_else_does_not_open(token, device, update):
    """It may sign and not agree; the manifest is refused before anything is written."""
    refused(device(device_key_file=token.uri("reports")), update, "the key does not fit the algorithm")


@pytest.mark.parametrize("name,settings,says", [
    ("module", lambda t: {"device_key_file": "pkcs11:object=payloads?module-path=/none.so"}, "cannot load the PKCS#11 module /none.so"),
    ("token", lambda t: {"device_key_file": t.uri("payloads", token="elsewhere")}, "no token is there that the PKCS#11 URI names"),
    ("key", lambda t: {"device_key_file": t.uri("none")}, "the token has no private key that the PKCS#11 URI names"),
    ("value", lambda t: {"device_key_file": f"{t.uri('payloads')}&pin-value={PIN}"}, "device_key_file: a PIN does not belong in the URI"),
    ("program", lambda t: {"device_key_file": f"{t.uri('payloads')}&pin-source=|cat"}, "pin-source takes a file alone"),
    ("uri", lambda t: {"device_key_file": "pkcs11:token"}, "this is no PKCS#11 URI (RFC 7512)"),
    ("relative", lambda t: {"device_key_file": f"{t.uri('payloads')}&pin-source=pin"}, "pin-source is not an absolute path"),
    ("nopin", lambda t: {"pin_file": None}, "token board wants a PIN: give pin_file"),
    ("nofile", lambda t: {"pin_file": t.folder / "nothing"}, "nothing: cannot be opened: No such file"),
    ("report", lambda t: {"report_key_file": t.uri("none")}, "the token has no private key that the PKCS#11 URI names"),
])
def test_what_is_not_there_is_said(token, device, update, name, settings, says):
    tries = token.logins()
    refused(device(**settings(token)), update, says)
    assert token.logins() - tries <= (2 if name == "report" else 1)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_pin_that_others_may_read_is_not_taken(token, device, update, mode):
    (token.folder / "pin").chmod(mode)
    refused(device(), update, "others may read the PIN: make its mode 0600")
    assert token.logins() == 0


@pytest.mark.parametrize("text", ["", "\n", "1234\n5678\n", "12\x0034", "9" * 256])
def test_a_pin_is_one_line(token, device, update, text):
    (token.folder / "pin").write_text(text)
    refused(device(), update, "must hold one line, the PIN, of at most 255 bytes")
    assert token.logins() == 0


def change_pin(token, old, new):
    token.tool("pkcs11-tool", "--module", token.driver, "--token-label", "board", "--login", "--pin", old,
               "--change-pin", "--new-pin", new)


def test_a_wrong_pin_is_given_once(token, device, update):
    """A launcher starts its agent again and again, and tokens lock.  Not even a PIN that is right by now is tried:
    nobody has said so."""
    pin, d = token.folder / "pin", device(report_key_file=token.uri("reports"))
    pin.write_text("wrong-1234\n")
    refused(d, update, "the PIN does not open token board")
    assert token.logins() == 1 and (d.state / "pin-refused").exists()
    for _ in range(3):
        said = refused(d, update, "token board has refused this PIN, and is not asked again before the file is written anew")
        assert "pin-refused tells" in said
    change_pin(token, PIN, "wrong-1234")
    refused(d, update, "is not asked again")
    assert token.logins() == 1
    pin.write_text("wrong-1234\n")
    assert d.apply(update[2]).returncode == 0
    assert token.logins() == 3 and not (d.state / "pin-refused").exists()


def test_one_good_pin_does_not_excuse_another(token, device, update):
    """Two tokens, and the second one's PIN is wrong."""
    second = Token(token.folder, "second")
    second.make("more", "p256")
    (token.folder / "bad").write_text("wrong-1234\n")
    (token.folder / "bad").chmod(0o600)
    d = device(report_key_file=f"{token.uri('more', token='second')}&pin-source={token.folder}/bad")
    refused(d, update, "the PIN does not open token second")
    assert token.logins() == 2
    for start in (1, 2):
        refused(d, update, "token second has refused this PIN, and is not asked again")
        assert token.logins() == 2 + start, "the first token is opened each time, the second one left alone"


def test_who_finds_another_at_work_leaves_the_token_alone(token, device, update):
    """Else two would give it one wrong PIN, and the second one would forget what the first one noted."""
    (token.folder / "pin").write_text("wrong-1234\n")
    d = device()
    with open(d.state / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(d, update, "another muster-agent is at work here")
    assert token.logins() == 0


def test_the_last_try_is_left_to_people(token, device, update):
    token.is_now("final-try")
    refused(device(), update, "token board has one try left for its PIN, which is left to you")
    assert token.logins() == 0


# --- a token that goes while the agent runs ------------------------------------------------------

class Server(StandIn):
    """What is done when the offer is asked for, so that the agent has its keys by then."""

    def __init__(self, variant, at_offer):
        self.at_offer, self.attempt = at_offer, 1
        super().__init__(variant)

    def answer(self, m):
        status, options, payload = super().answer(m)
        if self.registered and self.at_offer:
            self.at_offer()
            self.at_offer = None
        if m.option(PATH) == b"update" and not self.over:
            payload = cbor2.dumps({**cbor2.loads(payload), 4: self.attempt})
        return status, options, payload


@pytest.fixture
def agent(tmp_path, author):
    """The real one as its own old image."""
    path = tmp_path / "agent"
    subprocess.run(["strip", "-o", path, BUILD / "muster-agent"], check=True)
    return path


def run_until(device, server, what):
    process = start(device)
    try:
        wait_until(lambda: what(server))
    finally:
        process.terminate()
        process.wait(20)
        server.close()
    return (device.folder / "log").read_text()


@pytest.mark.parametrize("mood,says", [("removed", "no token is there that the PKCS#11 URI names"),
                                       ("another", "no token is there that the PKCS#11 URI names"),
                                       ("broken", "the token does not do its work")])
def test_a_token_that_fails_ends_the_update_cleanly(tmp_path, author, token, update, agent, mood, says):
    old, _, variant = update
    server = Server(variant, lambda: token.is_now(mood))
    device = Device(tmp_path / "d", author, agent, server=server.url, device_key_file=token.uri("payloads"),
                    device_key_id="dev-1", class_key_file=None, class_key_id=None, pin_file=token.folder / "pin")
    log = run_until(device, server, lambda s: any(r[1] in (11, 14) for r in s.reports))
    last = next(r for r in server.reports if r[1] in (11, 14))
    assert last[1] == 11, "failed, not rejected: nothing is wrong with the manifest"
    assert "own key cannot be used" in str(last) and f"the key in the token: {says}" in log
    assert device.show()["trial"] == "no" and not server.blocks, "nothing was fetched for it"
    assert token.logins() == 1


@pytest.mark.parametrize("mood,says", [("removed", "no token is there"), ("broken", "the token does not do its work")])
def test_a_token_that_was_away_is_opened_anew(tmp_path, author, token, update, agent, mood, says):
    """By the PIN that opened it before; a session that failed once is not used again."""
    payload, info = author.encrypted(agent, "--recipient", f"dev-1={token.folder}/payloads.pub")
    variant = Variant(author.manifest([part("main", agent, "dl/full", payload, info=info)] + areas("full")), payload)
    server = Server(variant, lambda: token.is_now(mood))
    device = Device(tmp_path / "d", author, agent, server=server.url, device_key_file=token.uri("payloads"),
                    device_key_id="dev-1", class_key_file=None, class_key_id=None, pin_file=token.folder / "pin")

    def again(s):
        if any(r[1] == 11 for r in s.reports) and token.state.read_text():
            token.is_now("")
            s.attempt, s.over = 2, False
        return any(r[1] == 5 for r in s.reports)

    log = run_until(device, server, again)
    assert says in log.split("started slot")[1], "the agent that lost it went on"
    assert digest(device.path("slot", "b")) == digest(agent)


def test_a_pin_that_is_wrong_later_is_given_once(tmp_path, author, token, update, agent):
    """Another token of the same name, or another PIN, while it was away.  All keys of the agent have that PIN, and
    the next start has it too."""
    server = Server(update[2], lambda: token.is_now("removed"))
    device = Device(tmp_path / "d", author, agent, server=server.url, device_key_file=token.uri("payloads"),
                    device_key_id="dev-1", class_key_file=None, class_key_id=None, pin_file=token.folder / "pin",
                    report_key_file=token.uri("reports"))

    def third(s):
        if s.attempt < 3 and sum(r[1] == 11 for r in s.reports) == s.attempt:
            token.is_now("other-pin")
            s.attempt, s.over = s.attempt + 1, False
        return sum(r[1] == 11 for r in s.reports) == 3

    log = run_until(device, server, third)
    assert "the PIN does not open token board" in log and "has refused its PIN before" in log
    assert "the SUIT report cannot be written: Required key not available" in log
    assert token.logins() == 3, "one for each key at the start, and one that was refused"
    refused(device, update, "token board has refused this PIN, and is not asked again")
    assert token.logins() == 3
