"""The n-th allocation of a request fails, for every n of the request's life: that request is answered
as ever, or 503 (5.03), or its connection ends; nothing else happens.  The daemon lives, others are
served, the same request succeeds when it comes again, and the memory in use stays what it was.

In `make check` some n of each scenario; with MUSTER_PROVE=1 (`make prove`) all of them, and runs of
failures as well."""

import base64
import collections
import hashlib
import mmap
import os
import random
import resource
import struct
import uuid

import cbor2
import pytest
import requests

from coap_peer import BLOCK2, CBOR, FORMAT, GET, OBSERVE, POST, DtlsPeer, Refused, block, number
from fleet import PROVE, World, a_seed, must
from harness import BUILD, SANITIZED, wait_until
from small_campaign import QuietRest
from test_coap_traps import Devices, registration

OOM = BUILD / "tests/preload/oom.so"
SAMPLE = 5        # of a scenario's allocations, in `make check`
MISSED_MAX = 20   # in a row: then the sweep is at its end
STRIDE = 7        # of a storm's beginning, in `make prove`
RSS_GROWTH_KB = 24 * 1024
FIRST_OFFERS = 150 if PROVE else SAMPLE + 4


class Control:
    """What the daemon and we map: struct control of tests/preload/oom.c."""

    def __init__(self, path):
        path.write_bytes(bytes(40))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 40)

    def arm(self, at, length=1):
        self.map[8:40] = struct.pack("qqqq", at, length, 0, 0)
        self.map[0:8] = struct.pack("q", 1)

    def disarm(self):
        """How many allocations there were, and how many failed."""
        self.map[0:8] = struct.pack("q", 0)
        return struct.unpack("qq", self.map[24:40])


class Bench:
    """A daemon under the interposer, with a class, devices, a campaign, and clients of all kinds."""

    def __init__(self, server, folder):
        self.control = Control(folder / "control")
        self.trace = folder / "trace"
        self.server = server(
            settings={"server.workers": 1, "http.threads": 1, "http.max_per_address": 4000, "coap.shards": 1,
                      "log.level": "info"},
            env={"LD_PRELOAD": str(OOM), "MUSTER_OOM_FILE": str(folder / "control"),
                 "MUSTER_OOM_TRACE": str(self.trace),
                 "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
        self.world = World(self.server, folder / "world")
        self.devices = Devices(self.server, folder)
        self.vendor, self.cls = (uuid.UUID(x).bytes for x in (self.world.vendor_id, self.world.class_id))
        self.rest = self.client()
        self.other = self.client()
        for name in ("psk", "observer"):
            self.devices.add_psk(name)
        self.devices.add_cert("cert")
        self.peers = {}
        self.campaign()

    def client(self):
        return QuietRest(self.server, self.server.token)

    def campaign(self):
        """A release on offer to `psk`, which took it, and to devices that never asked."""
        self.fresh = [self.devices.add_psk(f"fresh-{i}") for i in range(FIRST_OFFERS)]
        for name in ["psk", "observer", "cert", *self.fresh]:
            assert self.ask(name, POST, "/register", self.registration(name)).answer == "2.04"
            if name in self.fresh:
                self.peers.pop(name).close()
        self.image = random.Random(7).randbytes(5000)
        self.release = self.world.release(image=self.image)
        ident = self.world.campaign(self.release, {"devices": ["psk", *self.fresh]}, silent_after_s=3600)
        self.world.wait_state(ident, "running")
        self.offer = wait_until(lambda: self.offered("psk"), 20, 0.1, "an offer")

    def offered(self, name):
        offer = cbor2.loads(self.ask(name, GET, "/update").payload)
        return offer if offer[1] == 1 else None

    def registration(self, name):
        return registration(name, self.vendor, self.cls)

    # --- devices

    def peer(self, name):
        """Its session; a new one when the last one has ended."""
        peer = self.peers.get(name)
        if not peer or peer.closed or peer.process.poll() is not None:
            if peer:
                peer.drop()
            peer = self.peers[name] = DtlsPeer(self.server.coap_port, **self.devices.credentials[name])
        return peer

    def ask(self, name, method, path, payload=b"", options=((FORMAT, number(CBOR)),)):
        answer = self.peer(name).ask(method, path, payload, options, timeout=4)
        if answer is None:
            self.peers.pop(name).drop()
            answer = self.peer(name).ask(method, path, payload, options, timeout=4)
        assert answer is not None, f"no answer to {path}"
        return answer

    def close(self):
        for peer in self.peers.values():
            peer.drop()

    def rss_kb(self):
        with open(f"/proc/{self.server.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Scenario:
    """prepare(n), then attempt(n) while memory fails, then again(n).  The outcomes of attempt:
    "ok", "refused" (503 or 5.03), "ended" (its connection)."""

    storm = 100000  # failures in a row: all of them, until the test calls it off

    def __init__(self, bench):
        self.bench = bench

    def prepare(self, n):
        pass

    def again(self, n):
        outcome = self.attempt(n)
        assert outcome == "ok", f"the same request again: {outcome}"


class Coap(Scenario):
    """A request on a session.  A datagram that got lost is sent again, as any client would."""
    who = "psk"

    def request(self, peer, n):
        raise NotImplementedError

    def judge(self, answer):
        if answer.answer == "5.03":
            return "refused"
        assert answer.answer in ("2.04", "2.05"), answer
        return "ok"

    def prepare(self, n):
        assert self.bench.ask(self.who, GET, "/time").answer == "2.05"

    def attempt(self, n):
        peer = self.bench.peer(self.who)
        request = self.request(peer, n)
        peer.send(request)
        answer = peer.answer_to(request, 0.5)
        if answer is None:
            self.bench.control.disarm()
            peer.send(request)
            answer = peer.answer_to(request, 3)
        if answer is None:
            self.bench.peers.pop(self.who).drop()
            return "ended"
        return self.judge(answer)


class Register(Coap):
    def request(self, peer, n):
        return peer.message(POST, "/register", self.bench.registration(self.who), ((FORMAT, number(CBOR)),))


class CheckIn(Coap):
    """By way of the database: its attributes have just changed."""

    def prepare(self, n):
        super().prepare(n)
        path = f"/v1/devices/{self.who}"
        revision = must(self.bench.rest.get(path), 200)["revision"]
        must(self.bench.rest.patch(path, {"attributes": {"n": str(random.random())}},
                                   headers={"If-Match": f'"{revision}"'}), 200)

    def request(self, peer, n):
        return peer.message(GET, "/update")

    def judge(self, answer):
        if answer.answer == "5.03":
            return "refused"
        assert answer.answer == "2.05", answer
        offer = cbor2.loads(answer.payload)
        assert offer[1] == 1 and offer[5] == self.bench.offer[5], offer
        return "ok"


class FirstOffer(CheckIn):
    """The job is made: each time another device's."""

    def prepare(self, n):
        if self.bench.fresh:
            self.who = self.bench.fresh.pop()
        Coap.prepare(self, n)


class Block(Coap):
    def request(self, peer, n):
        return peer.message(GET, f"/img/{self.bench.release.digest}", options=((BLOCK2, block(n % 5, False, 6)),))

    def judge(self, answer):
        if answer.answer == "5.03":
            return "refused"
        assert answer.answer == "2.05", answer
        num = answer.block(BLOCK2)[0]
        assert answer.payload == self.bench.image[num * 1024:(num + 1) * 1024]
        return "ok"


class Report(Coap):
    def request(self, peer, n):
        offer = self.bench.offer
        return peer.message(POST, f"/report/{offer[3]}/{offer[4]}", cbor2.dumps({1: 2, 2: n, 3: 5000}),
                            ((FORMAT, number(CBOR)),))


class Observe(Coap):
    who = "observer"

    def request(self, peer, n):
        return peer.message(GET, "/update", options=((OBSERVE, b""),))


class Http(Scenario):
    """A request on a connection that is there already."""
    good = (200,)

    def send(self, client, n):
        raise NotImplementedError

    def check(self, answer, n):
        pass

    def prepare(self, n):
        assert self.bench.rest.get("/livez").status_code == 200

    def attempt(self, n):
        try:
            answer = self.send(self.bench.rest, n)
        except requests.ConnectionError:
            return "ended"
        if len(answer.content) < int(answer.headers.get("Content-Length", 0)):
            return "ended"
        if answer.status_code == 503:
            assert answer.json()["type"] == "urn:muster:error:unavailable"
            return "refused"
        assert answer.status_code in self.good, f"{answer.status_code} {answer.text}"
        self.check(answer, n)
        return "ok"


class CreateCampaign(Http):
    good = (201,)

    def send(self, client, n):
        return client.post("/v1/campaigns", {
            "name": f"number {n}", "release_id": self.bench.release.id, "target": {"devices": ["psk", "cert"]},
            "silent_after_s": 60}, headers={"Idempotency-Key": f"campaign-{n}"}, timeout=10)

    def again(self, n):
        super().again(n)
        made = self.bench.world.sql(f"SELECT count(*) FROM campaign WHERE name = 'number {n}'")
        assert made == [["1"]], f"made {made[0][0]} times"


class List(Http):
    def send(self, client, n):
        return client.get("/v1/devices?page_size=8", timeout=10)

    def check(self, answer, n):
        assert len(answer.json()["items"]) == 8


class Upload(Http):
    good = (200, 201)

    def image(self, n):
        return random.Random(n).randbytes(70000)

    def send(self, client, n):
        image = self.image(n)
        return client.put(f"/v1/images/{hashlib.sha256(image).hexdigest()}", data=image,
                          headers={"Content-Type": "application/octet-stream"}, timeout=10)

    def again(self, n):
        super().again(n)
        digest = hashlib.sha256(self.image(n)).hexdigest()
        assert (self.bench.server.state_dir / "images" / digest[:2] / digest[2:]).read_bytes() == self.image(n)


class CreateRelease(Http):
    """A release that is there already: all of its signatures are checked before that is said."""
    good = (200, 409)

    def __init__(self, bench):
        super().__init__(bench)
        envelope, = bench.world.author.folder.glob("*.suit")
        self.envelope = base64.b64encode(envelope.read_bytes()).decode()

    def send(self, client, n):
        return client.post("/v1/releases", {"envelope": self.envelope, "version": "2.0.0"}, timeout=10)


class TlsHandshake(Http):
    storm = 60  # GMP and libtasn1 end the process when the reserve has nothing left

    def prepare(self, n):
        self.bench.rest.session.close()

    def send(self, client, n):
        client.session.close()
        return client.get("/livez", timeout=10)


class DtlsHandshake(Scenario):
    who = "psk"
    patience_s = 3

    def options(self):
        return {}

    def attempt(self, n):
        try:
            peer = DtlsPeer(self.bench.server.coap_port, timeout=self.patience_s, **self.bench.devices.credentials[self.who],
                            **self.options())
        except Refused:
            return "ended"
        try:
            self.bench.control.disarm()
            answer = peer.ask(GET, "/time", timeout=self.patience_s)
            return "ok" if answer and answer.answer == "2.05" else "ended"
        finally:
            peer.close()

    def again(self, n):
        """Must succeed, so it may take the time of flights that are lost, and of a busy machine."""
        self.patience_s = 20
        super().again(n)
        self.patience_s = DtlsHandshake.patience_s


class DtlsCertificate(DtlsHandshake):
    who = "cert"
    storm = 60  # thousands would use up any reserve


class DtlsResumed(DtlsHandshake):
    def options(self):
        return {"session_in": self.bench.trace.parent / "session"}

    def prepare(self, n):
        DtlsPeer(self.bench.server.coap_port, session_out=self.bench.trace.parent / "session", timeout=20,
                 **self.bench.devices.credentials[self.who]).close()


SCENARIOS = [Register, CheckIn, FirstOffer, Block, Report, Observe, CreateCampaign, List, Upload, CreateRelease,
             TlsHandshake, DtlsHandshake, DtlsCertificate, DtlsResumed]


def one(bench, scenario, n, at, length):
    """One failure; how many allocations failed, and the outcome."""
    bench.trace.unlink(missing_ok=True)
    scenario.prepare(n)
    bench.control.arm(at, length)
    try:
        outcome = scenario.attempt(n)
    finally:
        calls, failed = bench.control.disarm()
    assert bench.server.running(), "the daemon died"
    assert bench.other.get("/livez", timeout=10).status_code == 200
    scenario.again(n)
    return calls, failed, outcome


def points(calls, dice, length):
    if PROVE:
        return range(1, 5 * calls, 1 if length == 1 else STRIDE)
    return sorted(dice.sample(range(1, calls + 1), min(SAMPLE, calls)))


def sweep(bench, kind, dice, length=1):
    scenario = kind(bench)
    calls = sorted(one(bench, scenario, 1000000 + i, 0, 0)[0] for i in range(3))[1]
    assert calls > 0, "the interposer saw nothing"
    outcomes, swept, missed = collections.Counter(), 0, 0
    for at in points(calls, dice, length):
        n = at + (0 if length == 1 else 2000000)
        try:
            _, failed, outcome = one(bench, scenario, n, at, length)
        except (AssertionError, requests.RequestException, Refused) as e:
            trace = bench.trace.read_text() if bench.trace.exists() else "nothing failed"
            raise AssertionError(f"{kind.__name__}, allocation {at} of about {calls}, {length} fail: {e}\n{trace}\n"
                                 + bench.server.log()[-1500:]) from e
        if not failed:  # not every run makes as many, those of TLS least of all
            missed += 1
            if at > calls and missed >= MISSED_MAX:
                break
            continue
        swept, missed = swept + 1, 0
        outcomes[outcome] += 1
    print(f"{kind.__name__}: {swept} of about {calls} allocations, {'one' if length == 1 else f'{length} from there'} failed: "
          f"{dict(outcomes)}; {bench.rss_kb()} kB")
    return swept


@pytest.fixture(scope="module")
def bench(pg, tmp_path_factory, request):
    from conftest import harness
    folder = tmp_path_factory.mktemp("memory")

    def make(settings, env):
        database = pg.create_database()
        daemon = harness.Server(folder / "server", pg.dsn(database), settings, env)
        daemon.pg, daemon.database = pg, database
        daemon.prepare()
        return daemon.start()

    made = Bench(make, folder)
    yield made
    made.close()
    made.server.close()


@pytest.mark.parametrize("kind", SCENARIOS, ids=lambda k: k.__name__)
def test_R02_any_allocation_fails(bench, kind):
    if kind is TlsHandshake and SANITIZED:
        pytest.skip("libtasn1 does not survive it, and a sanitizer's malloc cannot be replaced")
    dice = random.Random(a_seed("memory"))
    before = bench.rss_kb()
    assert sweep(bench, kind, dice) > 0
    if PROVE:
        sweep(bench, kind, dice, kind.storm)
    if not SANITIZED:
        assert bench.rss_kb() - before < RSS_GROWTH_KB


def asked_anew(client):
    """On a connection of its own, which stays."""
    try:
        answer = client.get("/v1/devices?page_size=8", timeout=10)
    except requests.ConnectionError:
        return "ended"
    assert answer.status_code in (200, 503), answer.text
    return "ok" if answer.status_code == 200 else "refused"


@pytest.mark.skipif(SANITIZED, reason="the sanitizer ends a process that gets no memory")
def test_R02_memory_really_runs_out(bench):
    """No interposer: the kernel gives the daemon nothing more, and connections pile up."""
    pid = bench.server.process.pid
    with open(f"/proc/{pid}/status") as f:
        size = next(int(line.split()[1]) for line in f if line.startswith("VmData")) * 1024
    before = resource.prlimit(pid, resource.RLIMIT_DATA)
    clients, outcomes = [], collections.Counter()
    try:
        resource.prlimit(pid, resource.RLIMIT_DATA, (size, before[1]))
        while sum(outcomes.values()) < 1000 and outcomes["ended"] + outcomes["refused"] < 30:
            clients.append(bench.client())
            outcomes[asked_anew(clients[-1])] += 1
            assert bench.server.running(), f"the daemon died after {dict(outcomes)}\n{bench.server.log()[-2000:]}"
    finally:
        resource.prlimit(pid, resource.RLIMIT_DATA, before)
        for client in clients:
            client.session.close()
    print(f"connections that stayed: {dict(outcomes)}")
    assert outcomes["ok"] and outcomes["ended"] + outcomes["refused"] >= 30, "it had enough"
    wait_until(lambda: asked_anew(bench.client()) == "ok", 20, 0.2, "an answer")
    assert bench.ask("psk", GET, "/update").answer == "2.05"
