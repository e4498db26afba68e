"""Strangers on the CoAP ports: who forges an address, replays records, mixes tokens or bodies, or sends what no
decoder should follow."""

import base64
import gzip
import os
import random
import select
import socket
import struct
import threading
import time

import cbor2
import pytest
import requests

from coap_peer import (ACK, BLOCK1, BLOCK2, CBOR, CON, DELETE, ETAG, FORMAT, GET, NON, OBSERVE, PATH, POST, REQUEST_TAG,
                       SUIT_REPORT, DtlsPeer, Message, block, client_hello, number)
from contract import check_discreet
from fleet import PROVE, a_seed, must
from harness import SPARE_MB, free_port, wait_until
from test_coap_traps import Devices, asks, devices, make_devices, parts, registration  # noqa: F401

CHANGE_CIPHER_SPEC = 20
FACTOR_MAX = 3.0  # RFC 7252 11.3, RFC 9175 2.4


def loopback(i):
    """Another address of this machine, as a forger has many."""
    return f"127.{1 + i // 60000 % 250}.{i // 250 % 240}.{2 + i % 250}"


class Crowd:
    """Each question comes from an address of its own; how much came back to it."""

    def __init__(self, port):
        self.port, self.sockets = port, []

    def ask(self, name, *datagrams):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setblocking(False)
        s.bind((loopback(len(self.sockets)), 0))
        for raw in datagrams:
            s.sendto(raw, ("127.0.0.1", self.port))
        self.sockets.append((name, s, sum(map(len, datagrams))))
        if len(self.sockets) % 50 == 0:
            time.sleep(0.02)

    def answers(self, quiet=1.5):
        """{name: (bytes out / bytes in, answers)}, once nothing has come for so long."""
        got = {name: [] for name, _, _ in self.sockets}
        by_socket = {s: name for name, s, _ in self.sockets}
        poll, files = select.epoll(), {s.fileno(): s for s in by_socket}
        for fd in files:
            poll.register(fd, select.EPOLLIN)
        until = time.monotonic() + quiet
        while (left := until - time.monotonic()) > 0:
            for fd, _ in poll.poll(left):
                try:
                    got[by_socket[files[fd]]].append(files[fd].recv(4096))
                    until = time.monotonic() + quiet
                except OSError:
                    pass
        ret = {name: (sum(map(len, got[name])) / size, got[name]) for name, _, size in self.sockets}
        for s in by_socket:
            s.close()
        return ret


def print_worst(what, factors):
    for name, factor in sorted(factors.items(), key=lambda f: -f[1])[:12]:
        print(f"{what}: {factor:.2f} {name}")


# --- amplification --------------------------------------------------------------------------

RESOURCES = ["", "time", ".well-known/core", "update", "register", "manifest/" + "0" * 64, "img/" + "0" * 64, "img/00",
             "report/1/1", "nothing", "v1/devices"]
OPTIONS = {"alone": [], "Observe": [(OBSERVE, b"")], "Block2": [(BLOCK2, block(0, False, 6))], "Block2 reserved": [(BLOCK2, b"\7")],
           "Block1": [(BLOCK1, block(0, True, 0))], "ETag": [(ETAG, b"12345678")], "Accept": [(17, b"\x32")],
           "Proxy-Scheme": [(39, b"coap")], "Proxy-Uri": [(35, b"coap://x")], "Uri-Host": [(3, b"x")], "Hop-Limit": [(16, b"\1")],
           "No-Response": [(258, b"\x1a")], **{f"critical {n}": [(n, b"")] for n in (1, 5, 9, 13, 19, 21, 31, 2047, 65001)}}
MALFORMED = ["40", "4001", "41000001aa", "4901000112345678901234567890", "4f010001", "40010001ff", "40010002dd", "40010002f0",
             "00010001", "80010001", "40e10001", "40210001", "40450001", "50450001", "60450001", "40010004d100", "60000001",
             "70000001", "50000001", "40000001", "", "00", "ff" * 40]


def udp_ports(pid):
    """The UDP ports that a process has."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    ports = set()
    for table in "udp", "udp6":
        for line in open(f"/proc/{pid}/net/{table}").readlines()[1:]:
            words = line.split()
            if f"socket:[{words[9]}]" in inodes:
                ports.add(int(words[1].rsplit(":", 1)[1], 16))
    return ports


def test_B01_plain_coap_is_off_unless_it_is_configured(server):
    daemon = server()
    assert udp_ports(daemon.process.pid) == {daemon.coap_port}
    crowd = Crowd(daemon.coap_port)
    crowd.ask("plain question on the secure port", Message(CON, GET, 7, b"", [(PATH, b"time")]).encode())
    assert crowd.answers(1)["plain question on the secure port"] == (0, [])


def test_B01_plain_coap_never_sends_three_times_what_it_got(server):
    """Every resource, every method, every option that makes it answer by itself, and nonsense; each from another
    address, as they would be forged.  Nobody is registered as an observer, nothing is sent twice."""
    port = free_port()
    server({"coap.plain_listen": f"127.0.0.1:{port}"})
    crowd = Crowd(port)
    for path in RESOURCES:
        segments = [(PATH, s.encode()) for s in path.split("/") if s]
        for method in range(1, 32):
            for token in b"", b"1":
                crowd.ask(f"/{path} 0.{method:02d} token of {len(token)}", Message(CON, method, 7, token, segments).encode())
        for name, options in OPTIONS.items():
            for kind, word in (CON, "CON"), (NON, "NON"):
                for method in GET, POST, DELETE:
                    crowd.ask(f"/{path} 0.{method:02d} {word} {name}", Message(kind, method, 7, b"", segments + options).encode())
        crowd.ask(f"/{path} thrice", *[Message(CON, GET, 7, b"", segments).encode()] * 3)
    for raw in MALFORMED:
        crowd.ask(f"malformed {raw}", bytes.fromhex(raw) or b"\0")
    answers = crowd.answers(3 if PROVE else 1.5)
    worst = {}
    for name, (factor, _) in answers.items():
        worst[name.split()[0]] = max(factor, worst.get(name.split()[0], 0))
    print_worst("worst of each resource", worst)
    print_worst("worst", {name: factor for name, (factor, _) in answers.items()})
    assert max(worst.values()) <= FACTOR_MAX
    served = set()
    for name, (_, got) in answers.items():
        messages = [Message.decode(raw) for raw in got]
        assert all(m.option(OBSERVE) is None for m in messages), name
        assert all(m.kind != CON for m in messages), "it would be repeated: " + name
        assert all(len(raw) <= 136 for raw in got), "RFC 9175's safe first answer: " + name
        served |= {name.split()[0] for m in messages if m.answer.startswith("2.")}
    assert served == {"/time", "/.well-known/core"}


def test_B01_a_question_to_a_group_is_not_answered(server):
    """The daemon hears a multicast group, and whoever asks the group gets nothing."""
    group, port = "224.0.1.187", free_port()
    daemon = server({"coap.plain_listen": f"{group}:{port}"})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton("127.0.0.1"))
        for path in "time", ".well-known/core", "nothing":
            for kind in NON, CON:
                s.sendto(Message(kind, GET, 7, b"", [(PATH, w.encode()) for w in path.split("/")]).encode(), (group, port))
        wait_until(lambda: "multicast packet received" in daemon.log(), 10, 0.1, "the group's question")
        s.settimeout(6 if PROVE else 1)  # the library's leisure is 5 s
        try:
            raise AssertionError(f"answered a group: {s.recv(4096)!r}")
        except TimeoutError:
            pass


def requests_of(daemon):
    """Requests that the CoAP transport has taken, from the metrics."""
    for line in daemon.admin().get("/metrics").text.splitlines():
        if line.startswith("muster_coap_requests_total"):
            return int(float(line.split()[-1]))
    raise AssertionError("no such metric")


# --- before the cookie ------------------------------------------------------------------------

def hello(cookie=b"", fragments=1, seq=0, random_bytes=bytes(32), suites=b"\xc0\xa8\xc0\xae\xc0\x2b"):
    """A ClientHello that offers PSK and certificates, in so many fragments, each a record of one datagram."""
    extensions = b"\x00\x0a\x00\x04\x00\x02\x00\x17" + b"\x00\x0d\x00\x04\x00\x02\x04\x03"
    body = (b"\xfe\xfd" + random_bytes + b"\0" + bytes([len(cookie)]) + cookie + struct.pack(">H", len(suites)) + suites +
            b"\1\0" + struct.pack(">H", len(extensions)) + extensions)
    step, out = -(-len(body) // fragments), b""
    for i in range(0, len(body), step):
        part = body[i:i + step]
        handshake = (b"\1" + len(body).to_bytes(3, "big") + struct.pack(">H", 1 if cookie else 0) + i.to_bytes(3, "big") +
                     len(part).to_bytes(3, "big") + part)
        out += b"\x16\xfe\xff\0\0" + (seq + i // step).to_bytes(6, "big") + struct.pack(">H", len(handshake)) + handshake
    return out


def cookie_of(answer):
    assert answer[0] == 22 and answer[13] == 3, "no HelloVerifyRequest"
    return answer[28:28 + answer[27]]


def test_B01_dtls_sends_no_more_than_it_got_until_an_address_is_proved(devices):
    """Forged ClientHellos, whole, in pieces, repeated, with a cookie that another address was given, and nonsense:
    what comes back is smaller.  The server's flight goes to a proved address alone."""
    port = devices.server.coap_port
    crowd = Crowd(port)
    crowd.ask("whole", hello())
    crowd.ask("smallest", client_hello())
    for n in 2, 3, 10:
        crowd.ask(f"in {n} fragments", hello(fragments=n))
    crowd.ask("twenty times", *[hello(seq=i) for i in range(20)])
    crowd.ask("twenty times the same", *[hello()] * 20)
    crowd.ask("made-up cookie", hello(cookie=os.urandom(20), seq=1))
    for kind in range(20, 26):
        crowd.ask(f"record of type {kind}", bytes([kind]) + hello()[1:])
        crowd.ask(f"epoch 1, type {kind}", bytes([kind]) + b"\xfe\xfd\0\1" + os.urandom(6) + b"\0\x20" + os.urandom(32))
    for step in range(0, 30):
        crowd.ask(f"first handshake byte {step}", hello()[:13] + bytes([step]) + hello()[14:])
        crowd.ask(f"cut at {step}", hello()[:step + 1])
    crowd.ask("plain CoAP", Message(CON, GET, 1, b"", [(PATH, b"time")]).encode())
    first = crowd.answers(2 if PROVE else 1)
    print_worst("DTLS", {name: factor for name, (factor, _) in first.items()})
    assert max(factor for factor, _ in first.values()) <= 1.0
    cookie = cookie_of(first["whole"][1][0])

    thieves = Crowd(port)
    for i in range(5):
        thieves.sockets += [(f"skip {i}", socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 1)]
    thieves.ask("another's cookie", hello(cookie=cookie, seq=1))
    thieves.ask("another's cookie, five times", *[hello(cookie=cookie, seq=1 + i) for i in range(5)])
    stolen = thieves.answers(3 if PROVE else 1.5)
    assert max(factor for factor, _ in stolen.values()) <= 1.0
    for name, (_, got) in stolen.items():
        assert all(raw[13] == 3 for raw in got), f"{name}: a flight to an address that was not proved"

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # the same cookie rule lets the right address in
        s.settimeout(3)
        s.connect(("127.0.0.1", port))
        s.send(hello())
        s.send(hello(cookie=cookie_of(s.recv(4096)), seq=1))
        flight = s.recv(4096)
        assert flight[13] == 2, "no ServerHello for a good cookie"
        sent = 2 * len(hello()) + 20
        came = len(flight)
        s.settimeout(8 if PROVE else 1)
        try:
            while True:
                came += len(s.recv(4096))
        except TimeoutError:
            print(f"DTLS, after the address was proved: {came / sent:.2f}")


# --- records of others -----------------------------------------------------------------------

class Tap(threading.Thread):
    """A relay on the way to the server that keeps every datagram it saw."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.inside, self.outside = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.inside.bind(("127.0.0.1", 0))
        self.outside.bind(("127.0.0.1", 0))
        self.outside.connect(("127.0.0.1", port))
        self.port, self.up, self.down, self.client = self.inside.getsockname()[1], [], [], None
        self.closing = False
        self.start()

    def run(self):
        while not self.closing:
            for s in select.select([self.inside, self.outside], [], [], 0.2)[0]:
                try:
                    if s is self.inside:
                        raw, self.client = s.recvfrom(4096)
                        self.up.append(raw)
                        self.forward(raw)
                    else:
                        raw = s.recv(4096)
                        self.down.append(raw)
                        self.inside.sendto(raw, self.client)
                except OSError:
                    pass

    def forward(self, raw):
        self.outside.send(raw)

    def secured(self):
        """The datagrams from the client under its session's keys that carry application data."""
        return [raw for raw in self.up if raw[0] == 23 and raw[3:5] != b"\0\0"]

    def close(self):
        self.closing = True
        self.join()
        self.inside.close()
        self.outside.close()


class Holder(Tap):
    """Keeps what the client sends back, from the end of its handshake on, until it is told to let go."""

    def __init__(self, port):
        self.held, self.holding = [], True
        super().__init__(port)

    def forward(self, raw):
        if self.holding and (self.held or raw[0] == CHANGE_CIPHER_SPEC):
            self.held.append(raw)
        else:
            super().forward(raw)

    def let_go(self):
        self.holding = False
        for raw in self.held:
            super().forward(raw)


@pytest.fixture
def tapped(devices):
    taps = []

    def make(name, kind=Tap, **options):
        tap = kind(devices.server.coap_port)
        taps.append(tap)
        peer = DtlsPeer(tap.port, **devices.credentials[name], **options)
        devices.open.append(peer)
        return tap, peer

    yield make
    for tap in taps:
        tap.close()


@pytest.mark.parametrize("kind", ["psk", "cert"])
def test_B03_a_replayed_record_moves_no_session(devices, tapped, kind):
    """Without connection ids a session belongs to its address: what somebody recorded and sends from another one is
    not answered and moves nothing, and from the same one it is not taken twice."""
    name = devices.add(kind)
    tap, peer = tapped(name)
    assert peer.post("/register", registration(name)).answer == "2.04"
    asks(peer)
    records = tap.secured()
    assert len(records) >= 2
    before = requests_of(devices.server)
    crowd = Crowd(devices.server.coap_port)
    for i, raw in enumerate(tap.up):
        for _ in range(3):  # from other addresses, and, at 127.0.0.1, from other ports
            crowd.ask(f"{i} from {len(crowd.sockets)}", raw)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.bind(("127.0.0.1", 0))
        near.settimeout(1)
        for raw in records:
            near.sendto(raw, ("127.0.0.1", devices.server.coap_port))
        down = len(tap.down)
        for raw in records * 3:
            tap.outside.send(raw)
        asks(peer)
        m = peer.post("/register", registration(name, boot=b"a new boot"))
        assert m.answer == "2.04"
        with pytest.raises(TimeoutError):
            near.recv(4096)
    answers = crowd.answers(1)
    for key, (factor, got) in answers.items():
        raw = tap.up[int(key.split()[0])]
        assert factor <= 1.0, key
        assert all(g[0] == 22 and g[13] == 3 for g in got), f"{key}: answered by more than a HelloVerifyRequest"
        assert raw[13] == 1 or not got, f"{key}: a record was answered that is no ClientHello"
    assert requests_of(devices.server) == before + 2, "a replayed request was taken"
    assert len(tap.down) == down + 2, "a replayed record was answered to the session's own address"


def test_a_replaced_key_ends_a_resumption_that_is_under_way(devices, tapped, tmp_path):
    """The ticket was good when the hello came; the last flight is held back until the key is another one."""
    name, ticket = devices.add("psk"), tmp_path / "ticket"
    first = devices.session(name, session_out=ticket)
    asks(first)
    first.close()
    tap, thief = tapped(name, Holder, session_in=ticket)
    assert thief.resumed and wait_until(lambda: tap.held, 5, 0.05, "the last flight")
    key = os.urandom(16)
    must(devices.admin.post(f"/v1/devices/{name}/credential", {"psk": base64.b64encode(key).decode()}), 200)
    tap.let_go()
    m = thief.get("/update", timeout=3)
    assert m is None or m.answer == "4.01", m
    assert thief.wait_closed(3), "the session goes on"
    devices.credentials[name] = {"psk": (name, key)}
    asks(devices.session(name))


def test_B04_records_of_an_earlier_session_do_nothing(devices):
    """From the very address and port: a delayed duplicate of the last session is worth nothing in the next."""
    name, port = devices.add("psk"), free_port()
    tap = Tap(devices.server.coap_port)
    try:
        old = DtlsPeer(tap.port, **devices.credentials[name], **{"from": port})
        assert old.post("/register", registration(name)).answer == "2.04"
        late = tap.secured()
        old.close()
        peer = DtlsPeer(tap.port, **devices.credentials[name], timeout=20, **{"from": port})
        devices.open.append(peer)
        asks(peer)
        before, down = requests_of(devices.server), len(tap.down)
        for raw in late * 3:
            tap.outside.send(raw)
        for _ in range(3):
            asks(peer)
        assert peer.post("/register", registration(name, boot=b"a new boot")).answer == "2.04"
        assert requests_of(devices.server) == before + 4
        assert len(tap.down) == down + 4
    finally:
        tap.close()


# --- tokens -----------------------------------------------------------------------------------

def test_B04_an_answer_carries_its_requests_token_and_no_other(devices):
    """Two devices, many requests under way, tokens of every length, some used by both, some a bit away from each
    other, some again with another message id: each answer has the token and message id of one request, once."""
    dice = random.Random(a_seed("tokens"))
    names = [devices.add("psk"), devices.add("cert")]
    peers = [devices.session(n) for n in names]
    for peer, name in zip(peers, names):
        assert peer.post("/register", registration(name)).answer == "2.04"
    shared = [dice.randbytes(n) for n in range(9)]
    for _ in range(20 if PROVE else 4):
        asked = [{}, {}]
        for i in range(7):  # eight may be under way
            token = dice.choice(shared + [dice.randbytes(8)])
            if token and dice.random() < 0.3:
                token = token[:-1] + bytes([token[-1] ^ 1 << dice.randrange(8)])
            for who, peer in enumerate(peers):
                path, method, body = dice.choice([("/update", GET, b""), ("/time", GET, b""), ("/nothing", GET, b""),
                                                  ("/register", POST, registration(names[who]))])
                m = peer.message(method, path, body, [(FORMAT, number(CBOR))] if body else [], token=token)
                asked[who][m.mid] = m
                peer.send(m)
        for who, peer in enumerate(peers):
            for _ in range(len(asked[who])):
                got = peer.receive(10)
                while got and got.kind == ACK and got.code == 0:  # it comes separately
                    got = peer.receive(10)
                assert got, f"{len(asked[who])} requests were not answered"
                if got.kind == CON:
                    peer.send(Message(ACK, 0, got.mid))
                    mid = next(m.mid for m in asked[who].values() if m.token == got.token)
                else:
                    mid = got.mid
                request = asked[who].pop(mid)
                assert got.token == request.token, "an answer with another request's token"
            assert peer.receive(0.05) is None
    peer = peers[0]
    m = peer.message(GET, "/time", token=b"12345678")
    raw = m.encode()
    peer.tell("send " + (bytes([0x49]) + raw[1:4] + b"123456789" + raw[12:]).hex())
    got = peer.receive(1)
    assert got is None or got.code == 0, "a token of nine bytes was taken"
    asks(peer)


# --- bodies -----------------------------------------------------------------------------------

def test_B05_interleaved_bodies_of_any_kind_never_mix(devices):
    """Three bodies of one device by blocks, in any order, with Request-Tags of their own, one perhaps without: what is
    taken is one of them, whole.  (Two under the same tag are one body to anybody who only sees blocks, RFC 9175 3.3; of
    those test_coap_traps.py has what can be told.)"""
    dice = random.Random(a_seed("bodies"))
    name = devices.add("psk")
    peer = devices.session(name)
    seen = set()
    for turn in range(60 if PROVE else 8):
        boot = os.urandom(8)
        letters = dice.sample("abcdefghij", 3)
        whole = {c: {"who": c, "fill": c * dice.choice([120, 120, 90])} for c in letters}
        tags = dice.sample([[], [(REQUEST_TAG, b"")], [(REQUEST_TAG, b"t")], [(REQUEST_TAG, b"u")]], len(letters))
        szx = dice.choice([1, 2, 3])
        queues = [[(p, tag) for p in parts(registration(name, boot=boot, attributes=whole[c]), szx)]
                  for c, tag in zip(letters, tags)]
        before = devices.device(name).get("attributes") or {}
        taken = []
        while any(queues):
            queue = dice.choice([q for q in queues if q])
            for _ in range(dice.choice([1, 1, 2, 20])):
                if not queue:
                    break
                (value, part), tag = queue.pop(0)
                m = peer.post("/register", part, [(FORMAT, number(CBOR)), (BLOCK1, value), *tag])
                seen.add(m.answer)
                assert m.answer in ("2.31", "4.08", "2.04"), m
                taken += [m.answer] * (m.answer == "2.04")
        after = devices.device(name).get("attributes") or {}
        assert after in ([*whole.values()] if taken else [before]), (turn, after)
    assert {"2.31", "4.08"} <= seen and ("2.04" in seen or not PROVE)


def test_B05_begun_bodies_are_bounded(devices):
    """A device has one body under way: a hundred begun ones leave the last, and no memory."""
    name = devices.add("psk")
    peer = devices.session(name)
    rss = resident(devices.server)

    def send(num, tag):
        options = [(FORMAT, number(CBOR)), (BLOCK1, block(num, True, 6)), (REQUEST_TAG, number(tag + 1))]
        return peer.post("/register", b"x" * 1024, options).answer

    for i in range(100):
        assert send(0, i) == "2.31"
    assert [send(1, i) for i in (99, 0, 98)] == ["2.31", "4.08", "4.08"]
    assert resident(devices.server) - rss < (4 + SPARE_MB) << 20


def resident(daemon):
    """Bytes of memory that a daemon has."""
    return int(open(f"/proc/{daemon.process.pid}/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- bodies that no decoder should follow -------------------------------------------------------

DEEP = 10 ** 6
HUGE = b"\x7f" + b"\xff" * 7, b"\x80" + b"\0" * 7, b"\xff" * 8  # 2^63 - 1, 2^63, 2^64 - 1
BAD_CBOR = {"nested arrays": b"\x81" * 8000, "nested maps": b"\xa1\0" * 4000, "nested tags": b"\xc1" * 8000,
            "arrays without an end": b"\x9f" * 8000, "maps without an end": b"\xbf" * 8000,
            "a string without an end": b"\xa1\1\x7f" + b"\x61a" * 2000,
            "bytes without an end": b"\xa1\5\x5f" + b"\x41a" * 2000,
            "a map without an end": b"\xbf\1\x61a\xff", "nested in a value": b"\xa1\x18\x63" + b"\x81" * 8000,
            "nothing": b"", "half": b"\xa5\1"}
for at, n in enumerate(HUGE):
    BAD_CBOR |= {f"{what} of length {at}": head + n for what, head in {
        "bytes": b"\x5b", "text": b"\x7b", "array": b"\x9b", "map": b"\xbb", "tag": b"\xdb",
        "text in a map": b"\xa1\1\x7b", "array in a map": b"\xa1\4\x9b", "bytes in a map": b"\xa1\2\x5b",
        "components": b"\xa1\4\xbb", "unknown": b"\xa1\x18\x63\x9b"}.items()}


def post_whole(peer, path, body, form):
    """By blocks of 1024, until it is taken or refused."""
    if len(body) <= 1024:
        return peer.post(path, body, [(FORMAT, number(form))])
    for value, part in parts(body, 6):
        m = peer.post(path, part, [(FORMAT, number(form)), (BLOCK1, value)])
        if m.answer != "2.31":
            return m
    return m


def test_B13_cbor_that_nobody_should_follow(devices):
    """Nested deeper than a stack, longer than memory, or without an end: refused by its first bytes, and nothing grows."""
    name = devices.add("psk")
    peer = devices.session(name)
    assert peer.post("/register", registration(name)).answer == "2.04"
    rss = [resident(devices.server)]
    for turn in range(20 if PROVE else 1):
        for what, body in BAD_CBOR.items():
            for path, form in ("/register", CBOR), ("/report/1/1", CBOR), ("/report/1/1", SUIT_REPORT):
                m = post_whole(peer, path, body, form)
                assert m.answer in ("4.00", "4.04"), (what, path, m)
                check_discreet(str(cbor2.loads(m.payload)))
        for nest in b"\x81", b"\xa1\0", b"\x9f":
            m = post_whole(peer, "/register", nest * DEEP, CBOR)
            assert m.answer == "4.13", m
        rss.append(resident(devices.server))
    print(f"MiB resident after each turn: {[n >> 20 for n in rss]}")
    assert rss[-1] - rss[0] < (16 + SPARE_MB) << 20
    assert not PROVE or rss[-1] - rss[5] < (4 + SPARE_MB) << 20
    asks(peer)


BAD_JSON = {"nested arrays": b"[" * DEEP, "nested objects": b'{"name":' * DEEP,
            "nested in a value": b'{"name":"x","reason":' + b"[" * 60000,
            "deep and closed": b"[" * 30000 + b"]" * 30000,
            "a number": b'{"name":' + b"9" * 60000 + b"}", "an exponent": b'{"name":1e999999999}',
            "half a surrogate": b'{"name":"\\ud800"}', "a NUL": b'{"name":"a\\u0000b"}', "not UTF-8": b'{"name":"\xff"}',
            "a string without an end": b'{"name":"' + b"a" * 60000, "twice": b'{"name":"a","name":"b","role":"viewer"}'}


def refused(client, what, path, body, headers=None, statuses=(400, 413, 415, 422)):
    """What is too large may be cut off before its end, so that its answer is not heard."""
    try:
        answer = client.request("POST", path, data=body, headers={"Content-Type": "application/json", **(headers or {})})
    except requests.exceptions.ConnectionError:
        assert len(body) > 64 << 10, f"{what} to {path}: no answer"
        return
    assert answer.status_code in statuses, (what, path, answer.status_code, answer.text[:200])
    check_discreet(answer.text)


def test_B13_json_that_nobody_should_follow(daemon, admin):
    """The same by REST.  Nothing is inflated: a body that says it is compressed is not taken."""
    rss = [resident(daemon)]
    for turn in range(20 if PROVE else 2):
        for what, body in BAD_JSON.items():
            for path in "/v1/operators", "/v1/campaigns", "/v1/devices":
                refused(admin, what, path, body)
        bomb = gzip.compress(b" " * (64 << 20) + b'{"name":"x","role":"viewer"}')
        for encoding in "gzip", "deflate", "br", "gzip, gzip":
            refused(admin, "a bomb", "/v1/operators", bomb, {"Content-Encoding": encoding})
            refused(admin, "a small bomb", "/v1/operators", gzip.compress(b'{"name":"x","role":"viewer"}'),
                    {"Content-Encoding": encoding})
        for envelope in b"\xd8\x6b" + b"\x81" * 100000, b"\xd8\x6b\xbb" + b"\xff" * 8, b"\xd8\x6b\xa1\2\x5b" + b"\x7f" * 8:
            answer = admin.post("/v1/releases", {"envelope": base64.b64encode(envelope).decode(), "version": "1.0"})
            assert answer.status_code in (400, 413, 422), answer.status_code
            check_discreet(answer.text)
        rss.append(resident(daemon))
    print(f"MiB resident after each turn: {[n >> 20 for n in rss]}")
    assert rss[-1] - rss[0] < (32 + SPARE_MB) << 20  # each thread keeps some memory for its next call
    assert not PROVE or rss[-1] - rss[5] < (4 + SPARE_MB) << 20
    refused(daemon.anonymous(), "a stranger's", "/v1/operators", b"[" * 1000, statuses=(401,))
    assert admin.get("/v1/whoami").status_code == 200
