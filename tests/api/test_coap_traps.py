"""The CoAP transport against peers that misbehave, repeat themselves or come back: each trap that
the library falls into by itself has its test here."""

import base64
import datetime
import hashlib
import os
import socket
import subprocess
import time
import uuid

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from coap_peer import (ACCEPT, ACK, BLOCK1, BLOCK2, CBOR, CON, DELETE, ETAG, FETCH, FORMAT, GET, MAX_AGE, NON, OBSERVE,
                       POST, PROBLEM, REQUEST_TAG, RST, SIZE1, SIZE2, DtlsPeer, Message, Refused, block,
                       client_hello, forge_hellos, half_handshake, number)
from fleet import make_world, must  # noqa: F401
from harness import free_port, wait_until

VENDOR, CLASS = os.urandom(16), os.urandom(16)


def registration(name, vendor=VENDOR, class_id=CLASS, boot=None, digest=None, attributes=None):
    body = {1: name, 2: vendor, 3: class_id, 4: {"main": [digest or b"\1" * 32, "1.0.0"]}, 5: boot or os.urandom(8)}
    if attributes:
        body[8] = attributes
    return cbor2.dumps(body)


def request_for(name):
    """A new key, and a certificate request for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])).sign(key, hashes.SHA256())
    return key, csr.public_bytes(serialization.Encoding.PEM).decode()


class Devices:
    """Devices of one daemon, and sessions of theirs."""

    def __init__(self, server, folder):
        self.server, self.folder, self.admin = server, folder, server.admin()
        self.credentials, self.open = {}, []

    def add_psk(self, name):
        key = os.urandom(16)
        must(self.admin.post("/v1/devices", {"endpoint": name, "psk": base64.b64encode(key).decode()}), 201)
        self.credentials[name] = {"psk": (name, key)}
        return name

    def add_cert(self, name):
        key, csr = request_for(name)
        made = must(self.admin.post("/v1/devices", {"endpoint": name, "csr": csr}), 201)
        return self.keep(name, key, made["certificate_pem"])

    def keep(self, name, key, pem):
        crt, file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        crt.write_text(pem)
        file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
        self.credentials[name] = {"cert": (crt, file), "ca": self.server.ca_path}
        return name

    def add(self, kind, name=None):
        name = name or f"{kind}-{len(self.credentials)}"
        return self.add_psk(name) if kind == "psk" else self.add_cert(name)

    def session(self, name, **options):
        peer = DtlsPeer(self.server.coap_port, **self.credentials[name], **options)
        self.open.append(peer)
        return peer

    def revoke(self, name):
        must(self.admin.post(f"/v1/devices/{name}/revoke", {}), 200)

    def device(self, name):
        return must(self.admin.get(f"/v1/devices/{name}"), 200)

    def calls(self, operation):
        """How often the dispatcher ran an operation, whatever came of it."""
        text = self.admin.get("/metrics").text
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines()
                   if line.startswith(f'muster_calls_total{{operation="{operation}"'))

    def close(self):
        for peer in self.open:
            peer.drop()


@pytest.fixture
def make_devices(server, tmp_path):
    made = []

    def make(settings=None, **kw):
        made.append(Devices(server(settings, **kw), tmp_path))
        return made[-1]

    yield make
    for devices in made:
        devices.close()


@pytest.fixture
def devices(make_devices):
    return make_devices()


def asks(peer):
    """A request that only a device may make is answered."""
    m = peer.get("/update")
    assert m and m.answer == "2.05", m
    return m


# --- who comes in ----------------------------------------------------------------------------

def test_psk_and_certificate_on_one_port(devices):
    sessions = {name: devices.session(name) for name in [devices.add("psk"), devices.add("cert"),
                                                         devices.add("psk"), devices.add("cert")]}
    for name, peer in sessions.items():
        assert peer.post("/register", registration(name)).answer == "2.04"
        assert devices.device(name)["lifecycle"] == "active"
        stolen = peer.post("/register", registration("somebody-else"))
        assert stolen.answer == "4.03" and stolen.value(FORMAT) == PROBLEM


def foreign_certificate(folder, name):
    """Signed by a CA that nobody here knows."""
    key, ca_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now, delta = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "devices"),
                         x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test issuing CA")])
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - delta).not_valid_after(now + delta)
            .sign(ca_key, hashes.SHA256()))
    crt, file = folder / "foreign.crt", folder / "foreign.key"
    crt.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                       serialization.NoEncryption()))
    return crt, file


def test_unknown_psk_foreign_ca_no_certificate_are_refused(devices, tmp_path):
    name, cert = devices.add("psk"), devices.add("cert")
    key = devices.credentials[name]["psk"][1]
    for what, options in {
        "unknown identity": {"psk": ("nobody", key)},
        "wrong key": {"psk": (name, os.urandom(16))},
        "an empty identity": {"psk": ("", key)},
        "a device with a certificate by PSK": {"psk": (cert, key)},
        "foreign CA": {"cert": foreign_certificate(tmp_path, cert)},
        "no certificate": {},
    }.items():
        with pytest.raises(Refused):
            DtlsPeer(devices.server.coap_port, timeout=2, **options)
            pytest.fail(what)
    asks(devices.session(name))
    asks(devices.session(cert))


def test_B08_unknown_identity_fails_like_a_wrong_key(devices):
    """Names cannot be tried out: neither gets an alert that tells it from the other."""
    name = devices.add("psk")
    said = set()
    for identity in (name, "nobody"):
        with pytest.raises(Refused) as refused:
            DtlsPeer(devices.server.coap_port, psk=(identity, os.urandom(16)), timeout=2)
        said.add(str(refused.value))
    assert said == {"timeout"}


@pytest.mark.parametrize("ciphers", ["aNULL:@SECLEVEL=0", "PSK-NULL-SHA256:NULL-SHA256:@SECLEVEL=0",
                                     "PSK-AES128-CBC-SHA256", "ECDHE-ECDSA-AES128-SHA256", "DHE-PSK-AES128-GCM-SHA256"])
def test_B07_weak_ciphers_are_refused(devices, ciphers):
    for name in (devices.add("psk"), devices.add("cert")):
        with pytest.raises(Refused):
            devices.session(name, ciphers=ciphers, timeout=2)


@pytest.mark.parametrize("kind, cipher", [("psk", "PSK-AES128-CCM8"), ("psk", "PSK-AES128-GCM-SHA256"),
                                          ("psk", "ECDHE-PSK-CHACHA20-POLY1305"),
                                          ("cert", "ECDHE-ECDSA-AES128-CCM8"),
                                          ("cert", "ECDHE-ECDSA-AES128-GCM-SHA256")])
def test_B07_good_ciphers_are_taken(devices, kind, cipher):
    peer = devices.session(devices.add(kind), ciphers=cipher)
    assert peer.cipher == cipher
    asks(peer)


def test_client_that_offers_both_kinds_comes_by_psk(devices):
    """It has no certificate: were it given a suite with certificates, it would fail."""
    peer = devices.session(devices.add("psk"), ciphers="ECDHE-ECDSA-AES128-GCM-SHA256:PSK-AES128-CCM8")
    assert peer.cipher == "PSK-AES128-CCM8"
    asks(peer)


def test_operators_certificate_is_no_devices(devices):
    """Same CA, same name as a device: still no device."""
    name = devices.add("cert")
    key, csr = request_for(name)
    made = must(devices.admin.post("/v1/operators", {"name": name, "role": "viewer", "csr": csr}), 201)
    pem = made["certificate_pem"]
    devices.keep(name, key, pem)
    assert devices.session(name).get("/update").answer == "4.01"


def test_certificate_of_a_device_that_was_deleted(devices):
    name = devices.add("cert")
    peer = devices.session(name)
    asks(peer)
    revision = devices.device(name)["revision"]
    assert devices.admin.delete(f"/v1/devices/{name}", headers={"If-Match": f'"{revision}"'}).status_code == 204
    assert peer.wait_closed()


# --- sessions --------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["psk", "cert"])
def test_second_handshake_from_the_same_port(devices, kind):
    """A device that lost its state comes back from the same port while the old session lives."""
    name, port = devices.add(kind), free_port()
    old = devices.session(name, **{"from": port})
    asks(old)
    old.drop()
    started = time.monotonic()
    new = devices.session(name, timeout=20, **{"from": port})
    asks(new)
    assert time.monotonic() - started < 5, "its hello's third time is soon enough"


@pytest.mark.parametrize("kind", ["psk", "cert"])
def test_a_device_that_died_in_its_handshake_is_let_in(devices, kind):
    """It begins again from the same port (RFC 6347 4.2.8): the half-open handshake gives way at once,
    so that the device comes in when its hello is repeated."""
    name, port = devices.add(kind), free_port()
    half_handshake(devices.server.coap_port, port)
    started = time.monotonic()
    asks(devices.session(name, timeout=20, **{"from": port}))
    assert time.monotonic() - started < 5


def test_B12_abandoned_handshakes_do_not_stay(devices):
    """Some hundred clients that begin and are gone: after ten seconds all but a few give way, and
    whoever is slow meanwhile still comes in."""
    port = devices.server.coap_port

    def begun():
        text = devices.admin.get("/metrics").text
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("muster_dtls_handshakes_begun "))

    started = time.monotonic()
    for _ in range(350):
        half_handshake(port)
    wait_until(lambda: begun() > 300 or time.monotonic() > started + 9, 10, 0.2)
    most = begun()
    asks(devices.session(devices.add("cert")))
    wait_until(lambda: begun() <= 256, started + 20 - time.monotonic(), 0.5, "those that are gone to give way")
    assert most > 300, "nothing was tested"
    assert begun() > 150, "while there are few, each has its time"


def test_forged_hello_does_not_end_a_session(devices):
    """The datagram of the test above, from somebody who cannot have read our cookie: it does not
    even reach the session."""
    name, port = devices.add("psk"), free_port()
    peer = devices.session(name, **{"from": port})
    asks(peer)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        forger.bind(("127.0.0.1", port))
        forger.sendto(client_hello(), ("127.0.0.1", devices.server.coap_port))
    assert peer.receive(3) is None, "a forged hello costs the device a ping"
    assert not peer.wait_closed(2)
    asks(peer)


def test_B02_forged_hellos_keep_nobody_out(make_devices):
    devices = make_devices({"coap.shards": 1})
    psk, cert = devices.add("psk"), devices.add("cert")
    forged = forge_hellos(devices.server.coap_port, 150)
    started = time.monotonic()
    asks(devices.session(psk))
    asks(devices.session(cert))
    assert time.monotonic() - started < 5
    answered = 0
    for s in forged:
        s.settimeout(0.2)
        try:
            asked = s.recv(4096)  # HelloVerifyRequest
        except TimeoutError:  # on a busy machine some wait, and are forgotten (decision 0008)
            continue
        answered += 1
        assert len(asked) <= len(client_hello()), "an answer to a forged address is larger than the question"
        s.close()
    assert answered


@pytest.mark.parametrize("kind", ["psk", "cert"])
def test_resumption_over_contexts_and_restarts(devices, kind, tmp_path):
    """32 contexts share the ticket keys, and so do two lives of the daemon."""
    name, ticket = devices.add(kind), tmp_path / "ticket"
    first = devices.session(name, session_out=ticket)
    assert not first.resumed
    asks(first)
    first.close()
    for _ in range(6):
        peer = devices.session(name, session_in=ticket)
        assert peer.resumed
        asks(peer)
        peer.close()
    devices.server.restart()
    peer = devices.session(name, session_in=ticket)
    assert peer.resumed
    asks(peer)


@pytest.mark.parametrize("kind", ["psk", "cert"])
def test_revoked_device_does_not_resume(devices, kind, tmp_path):
    name, ticket = devices.add(kind), tmp_path / "ticket"
    peer = devices.session(name, session_out=ticket)
    asks(peer)
    devices.revoke(name)
    assert peer.wait_closed(), "a live session outlives the revocation"
    try:
        again = devices.session(name, session_in=ticket, timeout=2)
    except Refused:
        assert kind == "psk"
        return
    assert not again.resumed
    assert again.wait_closed()


def test_replaced_key_ends_sessions_and_tickets(devices, tmp_path):
    name, ticket = devices.add("psk"), tmp_path / "ticket"
    peer = devices.session(name, session_out=ticket)
    asks(peer)
    key = os.urandom(16)
    made = devices.admin.post(f"/v1/devices/{name}/credential", {"psk": base64.b64encode(key).decode()})
    assert made.status_code in (200, 201), made.text
    assert peer.wait_closed()
    with pytest.raises(Refused):
        devices.session(name, session_in=ticket, timeout=2)
    devices.credentials[name] = {"psk": (name, key)}
    asks(devices.session(name))


def test_replaced_certificate_ends_sessions_and_tickets(devices, tmp_path):
    name, ticket = devices.add("cert"), tmp_path / "ticket"
    old = devices.session(name, session_out=ticket)
    asks(old)
    key, csr = request_for(name)
    made = devices.admin.post(f"/v1/devices/{name}/credential", {"csr": csr})
    assert made.status_code in (200, 201), made.text
    assert old.wait_closed()
    assert devices.session(name, session_in=ticket).wait_closed()
    devices.keep(name, key, made.json()["certificate_pem"])
    asks(devices.session(name))


def test_goodbye_when_the_daemon_stops(devices):
    peer = devices.session(devices.add("psk"))
    asks(peer)
    assert devices.server.stop() == 0
    assert peer.wait_closed()


def test_idle_sessions_are_dropped(make_devices):
    devices = make_devices({"coap.session_idle": "5s"})
    peer = devices.session(devices.add("psk"))
    asks(peer)
    assert peer.wait_closed(12)


def test_sessions_on_every_thread(make_devices):
    """Two threads with four contexts each: every session works, and each is found again."""
    devices = make_devices({"coap.threads": 2, "coap.shards": 4})
    names = [devices.add("psk") for _ in range(12)]
    sessions = [devices.session(name) for name in names]
    for name, peer in zip(names, sessions):
        assert peer.post("/register", registration(name)).answer == "2.04"
    for name in names[::2]:
        devices.revoke(name)
    assert all(peer.wait_closed() for peer in sessions[::2])
    for peer in sessions[1::2]:
        asks(peer)


# --- messages --------------------------------------------------------------------------------

def test_critical_options_are_4_02(devices):
    peer = devices.session(devices.add("psk"))
    for what, option in {"unknown": (2047, b"x"), "OSCORE": (9, b""), "If-Match": (1, b""), "Q-Block1": (19, b""),
                         "Accept twice": (ACCEPT, number(CBOR))}.items():
        options = [option, option] if what.endswith("twice") else [option]
        assert peer.get("/update", options).answer == "4.02", what
    assert peer.get("/update", [(2048, b"x"), (258, b"")]).answer == "2.05", "elective options are left aside"


def test_wrong_paths_methods_and_formats(devices):
    peer = devices.session(devices.add("psk"))
    for method, path, answer in [(GET, "/nothing", "4.04"), (DELETE, "/update", "4.05"), (FETCH, "/update", "4.05"),
                                 (GET, "/", "4.04"), (POST, "/time", "4.05"), (GET, "/v1/devices", "4.04")]:
        m = peer.ask(method, path)
        assert m.answer == answer, (path, m)
        problem = cbor2.loads(m.payload)
        assert m.value(FORMAT) == PROBLEM and problem[-4].startswith("urn:muster:error:") and problem[-1]
    assert peer.post("/register", b"{}", [(FORMAT, number(50))]).answer == "4.15"
    assert peer.post("/register", b"\xff", [(FORMAT, number(CBOR))]).answer == "4.00"
    assert peer.get("/update", [(ACCEPT, number(50))]).answer == "4.06"
    assert peer.get("/.well-known/core").value(FORMAT) == 40
    assert abs(cbor2.loads(peer.get("/time").payload) - time.time()) < 5


def test_malformed_messages_do_no_harm(devices):
    peer = devices.session(devices.add("psk"))
    for raw in ["40", "4001", "ff" * 40, "400100ff", "4901000112345678901234567890", "40010001ff", "40010002dd",
                "40010003b5", "00" * 4, "70000001", "60450001", "40e10001", "40010004d100"]:
        peer.tell("send " + raw)
    asks(peer)


def test_B06_duplicates_run_once(devices):
    """Three times the same datagram, at once and late: one run, and every answer the same."""
    name = devices.add("psk")
    peer = devices.session(name)
    before = devices.calls("register")
    request = peer.message(POST, "/register", registration(name), [(FORMAT, number(CBOR))])
    for _ in range(3):
        peer.send(request)
    first = peer.answer_to(request)
    assert first.answer == "2.04"
    while peer.receive(0.5):
        pass
    peer.send(request)
    again = peer.answer_to(request)
    assert (again.answer, again.payload) == (first.answer, first.payload)
    assert devices.calls("register") == before + 1
    other = peer.message(POST, "/register", registration(name), [(FORMAT, number(CBOR))], kind=NON)
    peer.send(other)
    peer.send(other)
    assert peer.answer_to(other).kind == NON
    peer.send(other)
    assert peer.receive(0.5) is None, "a repeated NON request is not answered twice"
    assert devices.calls("register") == before + 2


def test_answers_ride_on_the_acknowledgement(devices):
    name = devices.add("psk")
    peer = devices.session(name)
    assert peer.post("/register", registration(name)).kind == ACK


def test_slow_answers_come_separately(devices):
    """The database holds the device's row: the request is acknowledged alone, then answered."""
    name = devices.add("psk")
    peer = devices.session(name)
    request = peer.message(POST, "/register", registration(name), [(FORMAT, number(CBOR))])
    with Locked(devices.server, "device"):
        peer.send(request)
        empty = peer.receive(5)
        assert (empty.kind, empty.code, empty.mid) == (ACK, 0, request.mid)
        peer.send(request)
        repeated = peer.receive(5)
        assert (repeated.kind, repeated.code, repeated.mid) == (ACK, 0, request.mid)
    answer = peer.receive(10)
    assert (answer.kind, answer.answer, answer.token) == (CON, "2.04", request.token)
    peer.send(Message(ACK, 0, answer.mid))
    peer.send(request)
    assert peer.receive(5).answer == "2.04"


class Locked:
    """Another session of the database holds a table."""

    def __init__(self, server, table):
        self.server, self.table = server, table

    def __enter__(self):
        pg = self.server.pg
        self.psql = subprocess.Popen([str(pg.bin / "psql"), pg.dsn(self.server.database), "-XAtq"],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.psql.stdin.write(f"BEGIN; LOCK TABLE {self.table} IN ACCESS EXCLUSIVE MODE; SELECT 1;\n")
        self.psql.stdin.flush()
        assert self.psql.stdout.readline() == "1\n"

    def __exit__(self, *_):
        self.psql.communicate("ROLLBACK;\n", timeout=10)


# --- blocks ----------------------------------------------------------------------------------

def parts(body, szx):
    size = 16 << szx
    for at in range(0, len(body), size):
        yield block(at // size, at + size < len(body), szx), body[at:at + size]


def upload(peer, body, szx, extra=()):
    for value, part in parts(body, szx):
        m = peer.post("/register", part, [(FORMAT, number(CBOR)), (BLOCK1, value), *extra])
        if m.answer != "2.31":
            return m
        assert m.block(BLOCK1)[0] == int.from_bytes(value, "big") >> 4
    return m


@pytest.mark.parametrize("szx", range(7))
def test_block1_without_size1(devices, szx):
    name = devices.add("psk")
    peer = devices.session(name)
    attributes = {f"name-{i}": os.urandom(30).hex() for i in range(20)}
    assert upload(peer, registration(name, attributes=attributes), szx).answer == "2.04"
    assert devices.device(name)["attributes"] == attributes


def test_block1_faults(devices):
    name = devices.add("psk")
    peer = devices.session(name)
    body = registration(name, attributes={f"n{i}": "x" * 100 for i in range(10)})
    all_parts = list(parts(body, 2))

    def send(i, **kw):
        return peer.post("/register", all_parts[i][1], [(FORMAT, number(CBOR)), (BLOCK1, all_parts[i][0])], **kw)

    assert send(3).answer == "4.08", "no first block"
    assert send(0).answer == "2.31"
    assert send(2).answer == "4.08", "a gap"
    assert send(1).answer == "4.08", "and the transfer is over"
    assert send(0).answer == "2.31"
    assert send(0).answer == "2.31", "a new block 0 begins again"
    assert upload(peer, body, 2).answer == "2.04"
    large = upload(peer, b"x" * 9000, 6)
    assert large.answer == "4.13" and large.value(SIZE1) == 8192
    assert peer.post("/register", b"x" * 40, [(FORMAT, number(CBOR)), (BLOCK1, block(0, True, 2))]).answer == "4.00"


def test_block1_late_duplicate_does_not_begin_again(devices):
    name = devices.add("psk")
    peer = devices.session(name)
    requests = [peer.message(POST, "/register", part, [(FORMAT, number(CBOR)), (BLOCK1, value)])
                for value, part in parts(registration(name, attributes={"a": "x" * 100}), 2)]
    for i, request in enumerate(requests):
        peer.send(request)
        answer = peer.answer_to(request)
        if i:
            peer.send(requests[0])
            assert peer.answer_to(requests[0]).answer == "2.31"
    assert answer.answer == "2.04"


def test_B05_interleaved_bodies_never_mix(devices):
    name = devices.add("psk")
    peer = devices.session(name)
    bodies = [registration(name, boot=b"same boot", attributes={"who": letter, "fill": letter * 120})
              for letter in "ab"]
    assert len(bodies[0]) == len(bodies[1])
    for szx in 2, 3:  # in many blocks, and in two
        for tags in ([(REQUEST_TAG, b"a")], [(REQUEST_TAG, b"b")]), ([], [(REQUEST_TAG, b"")]):
            answers = []
            for pair in zip(parts(bodies[0], szx), parts(bodies[1], szx)):
                for (value, part), tag in zip(pair, tags):
                    m = peer.post("/register", part, [(FORMAT, number(CBOR)), (BLOCK1, value), *tag])
                    answers.append(m.answer)
            assert set(answers) <= {"2.31", "4.08", "2.04"} and "4.08" in answers
            attributes = devices.device(name)["attributes"]
            assert attributes in ({}, *({"who": c, "fill": c * 120} for c in "ab"))


@pytest.mark.parametrize("tagged", [True, False])
def test_B05_a_late_block_of_a_body_that_was_given_up(devices, tagged):
    """The device gives a body up and begins another; then the last block of the old one arrives where
    that of the new one is due.  With a Request-Tag it is refused.  Without, it cannot be told from the right one
    (api/coap.md: the device must wait, or take another session): what is taken is what came, in order, and no other."""
    name = devices.add("psk")
    peer = devices.session(name)
    old, new = (list(parts(registration(name, boot=b"same boot", attributes={"first": c * 40, "then": c * 40}), 6))
                for c in "ab")
    assert len(old) == 1  # cut by hand, between the two attributes
    old, new = old[0][1], new[0][1]
    size = 16 << 2
    assert size < old.index(b"then") < len(old) <= 4 * size, "in three or four blocks"
    last = (len(old) - 1) // size

    def send(body, n, tag):
        option = [(REQUEST_TAG, tag)] if tagged else []
        return peer.post("/register", body[n * size:(n + 1) * size],
                         [(FORMAT, number(CBOR)), (BLOCK1, block(n, n < last, 2)), *option]).answer

    assert [send(old, n, b"1") for n in range(last)] == ["2.31"] * last
    assert [send(new, n, b"2") for n in range(last)] == ["2.31"] * last
    late = send(old, last, b"1")
    if tagged:
        assert late == "4.08" and devices.device(name)["attributes"] == {}
        assert [send(new, n, b"2") for n in range(last + 1)] == ["2.31"] * last + ["2.04"]
        assert devices.device(name)["attributes"] == {"first": "b" * 40, "then": "b" * 40}
    else:
        assert late == "2.04"
        assert cbor2.loads(new[:last * size] + old[last * size:])[8] == devices.device(name)["attributes"]


@pytest.fixture
def download(make_world, tmp_path):
    """A world with a device that was offered an image; download(size) gives peer and image."""
    peers = []

    def make(size):
        world = make_world()
        devices = Devices(world.server, tmp_path)
        name = devices.add_psk("device")
        vendor, class_id = (uuid.UUID(x).bytes for x in (world.vendor_id, world.class_id))
        peer = devices.session(name)
        peers.append(peer)
        assert peer.post("/register", registration(name, vendor, class_id)).answer == "2.04"
        release = world.release(size=size)
        world.wait_state(world.campaign(release), "running")

        def offered():
            offer = cbor2.loads(peer.get("/update").payload)
            return offer if offer[1] == 1 else None

        offer = wait_until(offered, 20, 0.2, "an offer")
        return devices, peer, release, offer

    yield make
    for peer in peers:
        peer.drop()


def test_block2_any_size_any_place(download):
    devices, peer, release, offer = download(100_001)
    path, image = f"/img/{release.digest}", release.image
    etag = peer.get(path).option(ETAG)
    for szx in range(7):
        size = 16 << szx
        for num in (0, 1, 7, len(image) // size - 1, len(image) // size):
            m = peer.get(path, [(BLOCK2, block(num, False, szx))])
            assert m.payload == image[num * size:(num + 1) * size] and m.option(ETAG) == etag
            assert m.block(BLOCK2) == (num, (num + 1) * size < len(image), szx)
    first = peer.get(path)
    assert first.value(SIZE2) == len(image) and first.block(BLOCK2) == (0, True, 6)
    assert peer.get(path, [(ETAG, etag)]).answer == "2.03"
    assert peer.get(path, [(BLOCK2, block(100, False, 6))]).answer == "4.00", "past the end"
    assert peer.get(path, [(BLOCK2, b"\x07")]).answer == "4.00", "the reserved size"
    envelope = peer.get(f"/manifest/{offer[5].hex()}")
    assert envelope.answer == "2.05" and len(envelope.payload) == offer[6]
    assert peer.get(f"/img/{hashlib.sha256(b'other').hexdigest()}").answer == "4.03"


def test_block2_goes_on_after_a_restart(download):
    devices, peer, release, _ = download(20_000)
    path = f"/img/{release.digest}"
    got = [peer.get(path, [(BLOCK2, block(n, False, 5))]) for n in range(20)]
    devices.server.restart()
    peer = devices.session("device")
    got += [peer.get(path, [(BLOCK2, block(n, False, 5))]) for n in range(20, 40)]
    assert b"".join(m.payload for m in got) == release.image
    assert len({m.option(ETAG) for m in got}) == 1


def test_block2_names_the_smallest_size(download):
    """2^20 blocks of 16 bytes end at 16 MiB."""
    devices, peer, release, _ = download((16 << 20) + 1)
    path = f"/img/{release.digest}"
    m = wait_until(lambda: (m := peer.get(path, [(BLOCK2, block(0, False, 0))])).answer != "5.03" and m, 20, 0.2)
    assert m.answer == "4.00"
    problem = cbor2.loads(m.payload)
    assert problem[-4] == "urn:muster:error:block-too-small" and "32 bytes" in problem[-2]
    last = peer.get(path, [(BLOCK2, block(1 << 19, False, 1))])
    assert last.payload == release.image[-1:]


# --- observation -----------------------------------------------------------------------------

def test_observe_pushes_an_offer(make_world, tmp_path):
    world = make_world()
    devices = Devices(world.server, tmp_path)
    name = devices.add_psk("device")
    vendor, class_id = (uuid.UUID(x).bytes for x in (world.vendor_id, world.class_id))
    peer = devices.session(name)
    assert peer.post("/register", registration(name, vendor, class_id)).answer == "2.04"
    watched = peer.get("/update", [(OBSERVE, b"")])
    assert watched.answer == "2.05" and watched.value(OBSERVE) is not None
    assert cbor2.loads(watched.payload)[1] == 0
    campaign = world.campaign(world.release(size=1000))
    pushed = peer.receive(20)
    assert pushed and pushed.kind == CON and pushed.token == watched.token
    assert pushed.value(OBSERVE) > watched.value(OBSERVE) and cbor2.loads(pushed.payload)[1] == 1
    peer.send(Message(ACK, 0, pushed.mid))
    must(world.admin.post(f"/v1/campaigns/{campaign}/abort", {},
                          headers={"If-Match": f'"{world.status(campaign)["revision"]}"'}), 200)
    pushed = peer.receive(20)
    assert pushed and cbor2.loads(pushed.payload)[1] == 0
    peer.send(Message(RST, 0, pushed.mid))
    world.campaign(world.release(version="3.0.0", size=1001))
    assert peer.receive(3) is None, "a reset ends the observation"


def test_observe_is_not_granted_to_strangers(devices):
    peer = devices.session(devices.add("psk"))
    assert peer.get("/time", [(OBSERVE, b"")]).option(OBSERVE) is None


# --- without a database ----------------------------------------------------------------------

def test_database_away(make_devices, own_pg):
    devices = make_devices(cluster=own_pg)
    name = devices.add("psk")
    peer = devices.session(name)
    assert peer.post("/register", registration(name)).answer == "2.04"
    wait_until(lambda: cbor2.loads(asks(peer).payload)[1] == 0)
    own_pg.down("immediate")
    asks(peer)
    later = peer.post("/register", registration(name), timeout=40)
    assert later.answer == "5.03" and later.value(MAX_AGE) is not None
    asks(devices.session(name))
    own_pg.up()
    wait_until(lambda: peer.post("/register", registration(name), timeout=40).answer == "2.04", 60, 1, "registration")


# --- two daemons -----------------------------------------------------------------------------

def test_a_second_daemon_does_not_share_the_port(server):
    first = server()
    second = server({"coap.listen": f"127.0.0.1:{first.coap_port}"}, start=False)
    second.start(ready=False)
    wait_until(lambda: not second.running() or "cannot listen for CoAP" in second.log(), 20)
    assert "cannot listen for CoAP" in second.log()
    if second.running():
        second.kill()
