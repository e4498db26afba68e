"""What the two secure ports let in: the exact set, found by the tools of two TLS libraries, which offer everything they
have and then less and less.  And whether a device's name or key can be guessed."""

import base64
import concurrent.futures
import os
import random
import re
import select
import socket
import statistics
import subprocess
import time

import pytest

from coap_peer import DtlsPeer, Refused, client_hello
from fleet import PROVE, a_seed
from test_coap_traps import asks, devices, make_devices  # noqa: F401

ALL = "ALL:COMPLEMENTOFALL:eNULL:aNULL"
HTTPS_TLS12 = {"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"}
HTTPS_TLS13 = {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"}
DTLS_PSK = {"ECDHE-PSK-CHACHA20-POLY1305", "PSK-AES128-GCM-SHA256", "PSK-AES256-GCM-SHA384", "PSK-CHACHA20-POLY1305",
            "PSK-AES128-CCM8", "PSK-AES128-CCM"}
DTLS_CERT = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
             "ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-CCM"}
GROUPS = ["P-256", "X25519", "P-384", "P-521", "X448", "ffdhe2048", "ffdhe8192"]


class Client:
    """openssl s_client towards one port."""

    def __init__(self, port, *words, patience=4):
        self.words = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, words)]
        self.patience = patience

    def say(self, *words, lines="Q\n"):
        """What it printed; "" when it was still trying."""
        try:
            done = subprocess.run([*self.words, *words], input=lines, text=True, capture_output=True, timeout=self.patience,
                                  errors="replace")
            return done.stdout + done.stderr
        except subprocess.TimeoutExpired:
            return ""

    def suite(self, *words):
        """The suite that was agreed on, None when it was refused."""
        found = re.search(r"Cipher is (\S+)", self.say(*words))
        return None if not found or found.group(1) == "(NONE)" else found.group(1)

    def suites(self, *words):
        """Every suite that it is let in with: offers all, then all but those."""
        found = set()
        while suite := self.suite("-cipher", ":".join([ALL, *("!" + s for s in found), "@SECLEVEL=0"]), *words):
            assert suite not in found
            found.add(suite)
        return found


def at_once(*calls):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return [f.result() for f in [pool.submit(c) for c in calls]]


def test_B07_https_lets_in_exactly_this(daemon):
    """TLS 1.2 and 1.3, ephemeral keys, authenticated encryption; nothing older, weaker, anonymous or without forward
    secrecy; no SHA-1, no compression, no early data."""
    client = Client(daemon.https_port)
    loose = ["-cipher", f"{ALL}:@SECLEVEL=0"]
    old, older, middle, new = at_once(
        lambda: client.suite("-tls1", *loose), lambda: client.suite("-tls1_1", *loose),
        lambda: client.suites("-tls1_2"), lambda: client.suite("-tls1_3"))
    assert (old, older) == (None, None)
    assert middle == HTTPS_TLS12
    assert new in HTTPS_TLS13
    names = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256", "TLS_AES_128_CCM_SHA256",
             "TLS_AES_128_CCM_8_SHA256"]
    got = at_once(*(lambda n=n: client.suite("-tls1_3", "-ciphersuites", n) for n in names))
    assert {s for s in got if s} == HTTPS_TLS13
    got = at_once(*(lambda g=g: client.suite("-tls1_3", "-groups", g) for g in GROUPS))
    assert [g for g, s in zip(GROUPS, got) if s] == ["P-256", "X25519", "P-384", "P-521", "X448"]
    assert at_once(lambda: client.suite("-tls1_2", "-sigalgs", "ECDSA+SHA1:RSA+SHA1", *loose),
                   lambda: client.suite("-tls1_2", "-sigalgs", "ECDSA+SHA256")) == [None, "ECDHE-ECDSA-AES256-GCM-SHA384"]
    for version in "-tls1_2", "-tls1_3":
        text = client.say(version, "-comp")
        assert "Compression: NONE" in text
    assert "Early data was not sent" in client.say("-tls1_3")


def gnutls(port, priority, *words):
    """Whether GnuTLS's tool is let in with these priorities."""
    done = subprocess.run(["gnutls-cli", "--insecure", "--priority", priority, "-p", str(port), *words, "127.0.0.1"], input="",
                          text=True, capture_output=True, timeout=30)
    assert "Syntax error" not in done.stdout + done.stderr, done.stdout
    return "- Handshake was completed" in done.stdout


def test_B07_https_seen_by_another_library(daemon):
    port = daemon.https_port
    base = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
    taken = {"NORMAL": True, "NORMAL:-VERS-ALL:+VERS-TLS1.3": True, base: True,
             "NORMAL:-VERS-ALL:+VERS-TLS1.1": False, "NORMAL:-VERS-ALL:+VERS-TLS1.0": False,
             f"{base}:-CIPHER-ALL:+AES-256-GCM": True, f"{base}:-CIPHER-ALL:+CHACHA20-POLY1305": True,
             f"{base}:-CIPHER-ALL:+AES-256-CBC:+AES-128-CBC:+CAMELLIA-128-CBC:+3DES-CBC": False,
             f"{base}:-CIPHER-ALL:+AES-128-CCM:+AES-128-CCM-8:+CAMELLIA-128-GCM": False,
             f"{base}:-CIPHER-ALL:+NULL:+ARCFOUR-128": False,
             f"{base}:-KX-ALL:+ANON-ECDH:+ANON-DH": False, f"{base}:-KX-ALL:+RSA:+DHE-RSA": False,
             f"{base}:-KX-ALL:+ECDHE-ECDSA": True}
    got = at_once(*(lambda p=p: gnutls(port, p) for p in taken))
    assert dict(zip(taken, got)) == taken


def test_B07_https_does_not_renegotiate(daemon):
    """A client that asks for a new handshake within TLS 1.2 gets none, and the daemon goes on."""
    client = Client(daemon.https_port, patience=10)
    text = client.say("-tls1_2", lines="R\nQ\n")
    assert "RENEGOTIATING" in text
    assert text.count("verify return:") <= 2 * text.split("RENEGOTIATING")[0].count("verify return:")
    assert "verify return" not in text.split("RENEGOTIATING")[1], "a second handshake was made"
    done = subprocess.run(["gnutls-cli", "--insecure", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "--rehandshake", "-p",
                           str(daemon.https_port), "127.0.0.1"], input="", text=True, capture_output=True, timeout=30)
    assert "Re-handshake was performed" not in done.stdout and "ReHandshake was completed" not in done.stdout, done.stdout
    assert daemon.anonymous().get("/livez").status_code == 200


def test_B07_coaps_lets_in_exactly_this(make_devices, tmp_path):
    """DTLS 1.2 with authenticated encryption, by PSK or certificate; from the daemon's very first handshakes on."""
    devices = make_devices({"coap.threads": 1, "coap.shards": 1})
    psk, cert = devices.add("psk"), devices.add("cert")
    port = devices.server.coap_port
    by_psk = Client(port, "-psk_identity", psk, "-psk", devices.credentials[psk]["psk"][1].hex())
    crt, key = devices.credentials[cert]["cert"]
    by_cert = Client(port, "-cert", crt, "-key", key, "-CAfile", devices.server.ca_path)
    weak = ["-cipher", "PSK-AES128-CBC-SHA:PSK-AES256-CBC-SHA:ECDHE-ECDSA-AES128-SHA:PSK-NULL-SHA:@SECLEVEL=0"]
    for client in by_psk, by_cert:  # the first ones, one after the other
        assert client.suite("-dtls1_2", *weak) is None
        assert client.suite("-dtls1", "-cipher", f"{ALL}:@SECLEVEL=0") is None
    psk_set, cert_set, *groups = at_once(
        lambda: by_psk.suites("-dtls1_2"), lambda: by_cert.suites("-dtls1_2"),
        *(lambda g=g: by_psk.suite("-dtls1_2", "-groups", g, "-cipher", "ECDHE-PSK-CHACHA20-POLY1305") for g in GROUPS))
    assert psk_set == DTLS_PSK
    assert cert_set == DTLS_CERT
    assert [g for g, s in zip(GROUPS, groups) if s] == ["P-256", "X25519", "P-384"]
    sha1, sha256 = at_once(lambda: by_cert.suite("-dtls1_2", "-sigalgs", "ECDSA+SHA1", "-cipher", f"{ALL}:@SECLEVEL=0"),
                           lambda: by_cert.suite("-dtls1_2", "-sigalgs", "ECDSA+SHA256"))
    assert sha1 is None and sha256
    text = by_psk.say("-dtls1_2", "-comp", "-cipher", "PSK-AES128-CCM8")
    assert "Compression: NONE" in text
    for client, cipher in (by_psk, "PSK-AES128-CCM8"), (by_cert, "ECDHE-ECDSA-AES128-CCM8"):
        text = client.say("-dtls1_2", "-cipher", cipher, lines="R\nQ\n")
        assert "RENEGOTIATING" in text and text.count(f"Cipher is {cipher}") == 1, text
        assert "verify return" not in text.split("RENEGOTIATING")[1], "a second handshake was made"
    asks(devices.session(psk))
    asks(devices.session(cert))


# --- guessing ---------------------------------------------------------------------------------

class Wrong:
    """A handshake with a key that is wrong, seen from outside: what the server sent, and how busy it was after it had
    taken the identity."""

    def __init__(self, port, name, probe=False):
        self.outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outside.connect(("127.0.0.1", port))
        self.inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inside.bind(("127.0.0.1", 0))
        self.port, self.probe, self.busy, self.came = port, probe, None, []
        program = os.path.join(os.environ.get("BUILD", "build"), "tests/clients/dtls")
        process = subprocess.Popen([program, "--port", str(self.inside.getsockname()[1]), "--psk", f"{name}:{os.urandom(16).hex()}",
                                    "--timeout", "3"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.pass_on(process)
        process.kill()
        process.wait()
        process.stdin.close()
        self.inside.close()
        self.outside.close()

    def pass_on(self, process):
        client, until = None, time.monotonic() + (2.5 if not self.probe else 1)
        while (left := until - time.monotonic()) > 0 and self.busy is None:
            for s in select.select([self.inside, self.outside], [], [], left)[0]:
                raw = b""
                if s is self.inside:
                    raw, client = s.recvfrom(4096)
                    self.outside.send(raw)
                else:
                    raw = s.recv(4096)
                    self.came.append((raw[0], raw[13] if raw[0] == 22 else None, len(raw)))
                    self.inside.sendto(raw, client)
                if self.probe and s is self.inside and raw[0] == 22 and raw[13] == 16:
                    self.busy = self.measure()

    def measure(self):
        """How long another client waits for its first answer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(3)
            s.connect(("127.0.0.1", self.port))
            began = time.perf_counter_ns()
            s.send(client_hello())
            try:
                s.recv(4096)
            except TimeoutError:  # a port whose last handshake was left half done, by an earlier sample
                return None
            return (time.perf_counter_ns() - began) / 1000


def mann_whitney(a, b):
    """The p of its two-sided test, by the normal approximation."""
    ranked = sorted([(x, 0) for x in a] + [(x, 1) for x in b])
    rank_sum = sum(i + 1 for i, (_, who) in enumerate(ranked) if who == 0)
    n, m = len(a), len(b)
    z = (rank_sum - n * (n + m + 1) / 2) / (n * m * (n + m + 1) / 12) ** 0.5
    return 2 * (1 - statistics.NormalDist().cdf(abs(z)))


def test_B08_a_known_name_looks_like_an_unknown_one(make_devices):
    """A wrong key for a name that exists, and any key for one that does not: the same datagrams, and (in make prove) no
    difference in how long the server is busy that could be used."""
    devices = make_devices({"coap.threads": 1, "coap.shards": 1})
    known = [devices.add_psk(f"known-{i:04d}") for i in range(50 if PROVE else 2)]
    unknown = [f"other-{i:04d}" for i in range(len(known))]
    seen = at_once(*(lambda n=n: Wrong(devices.server.coap_port, n).came for n in [known[0], unknown[0], known[1], unknown[1]]))
    assert len({frozenset(s) for s in seen}) == 1 and seen[0], seen  # how often it repeats itself is a matter of time
    assert all(kind != 21 for kind, _, _ in seen[0]), "an alert"
    if not PROVE:
        return
    dice = random.Random(a_seed("names"))
    times = {True: [], False: []}
    for i in range(600):
        good = dice.random() < 0.5
        busy = Wrong(devices.server.coap_port, dice.choice(known if good else unknown), probe=True).busy
        if busy is not None:
            times[good].append(busy)
    middle = {good: statistics.median(t) for good, t in times.items()}
    print(f"busy after a known name {middle[True]:.0f} us, after an unknown one {middle[False]:.0f} us, "
          f"p = {mann_whitney(times[True], times[False]):.3f} of {len(times[True])} and {len(times[False])}")
    assert min(len(t) for t in times.values()) > 200
    assert abs(middle[True] - middle[False]) < 100  # us; a network's jitter is larger by far


def test_B08_short_keys_are_refused(devices):
    for size, status in (15, 422), (1, 422), (16, 201), (64, 201), (65, 422):
        answer = devices.admin.post("/v1/devices", {"endpoint": f"key-{size}", "psk": base64.b64encode(os.urandom(size)).decode()})
        assert answer.status_code == status, (size, answer.text)
    answer = devices.admin.post("/v1/devices/key-16/credential", {"psk": base64.b64encode(os.urandom(15)).decode()})
    assert answer.status_code == 422


def test_B08_guessing_is_braked_for_the_guesser_alone(devices):
    """Twenty wrong keys for one name from one address, and not even the right one opens from there, for a while; from
    another address, and under another name, it opens at once.  A device that was let in lately is never kept out."""
    victim, neighbour = devices.add("psk"), devices.add("psk")
    port, key = devices.server.coap_port, devices.credentials[victim]["psk"][1]

    def guess(_):
        with pytest.raises(Refused):
            DtlsPeer(port, psk=(victim, os.urandom(16)), timeout=1)

    with concurrent.futures.ThreadPoolExecutor(22) as pool:
        list(pool.map(guess, range(22)))
    asks(devices.session(neighbour))
    asks(devices.session(victim, source="127.0.0.2"))
    with pytest.raises(Refused):
        DtlsPeer(port, psk=(victim, key), timeout=1)
    until = time.monotonic() + 60
    while True:
        try:
            asks(devices.session(victim, timeout=1))
            break
        except Refused:
            assert time.monotonic() < until, "it is never forgiven"
    with concurrent.futures.ThreadPoolExecutor(22) as pool:
        list(pool.map(guess, range(22)))
    asks(devices.session(victim))
