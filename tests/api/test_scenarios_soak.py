"""Days in small: everything that an operator or a device can begin is begun, left or ended, round
after round, and each round ends with the same things alive as the one before.  Then nothing that
the daemon holds may grow: memory, descriptors, threads, sessions, connections, files.

Names of devices come back: until the daemon is started again, the roster keeps an entry for each
that it ever knew (core/roster.h), and each release that was ever offered.

Twenty minutes in `make prove`, a sample in `make check`; MUSTER_SOAK_S says how long."""

import concurrent.futures
import os
import pathlib
import random
import socket
import ssl
import statistics
import subprocess
import time
import uuid

import cbor2

from coap_peer import OBSERVE, DtlsPeer, Refused, forge_hellos
from fleet import PROVE, a_seed, make_world, must  # noqa: F401
from harness import SANITIZED, wait_until
from test_coap_traps import Devices, registration

PATIENCE_S = 25  # with an answer: the machine may have much else to do
SECONDS = float(os.environ.get("MUSTER_SOAK_S", 1200 if PROVE else 15))
WORKERS = 4
SETTINGS = {"server.workers": WORKERS, "coap.session_idle": "5s", "http.idle": "30s", "coap.shards": 4,
            "coap.checkin_interval": "2s"}

# What the median of the last third may be above that of the middle third; the first third is
# warm-up.  The slope over both may say twice as much.  Sessions and descriptors of peers that left
# without a word go after some seconds, so their number depends on how fast the rounds are.
LONG = SECONDS >= 600
MEMORY_KB = 1024 if LONG else 4096  # the heap is warm after a hundred rounds; 1 KB a request would be 25 MB
ALLOWED = {"rss kB": MEMORY_KB, "pss kB": MEMORY_KB, "anonymous kB": MEMORY_KB, "descriptors": 6, "threads": 0,
           "sessions": 6, "observers": 2, "roster": 0, "files": 0, "bytes of files": 4096}
# A pool connects when as many work at once as never before, which a late round may be the first to do:
# a place for each worker, two for the ticker, and the one that listens.
PLACES = WORKERS + 2 + 1
if SANITIZED:  # a sanitizer keeps what was freed
    ALLOWED = {name: most for name, most in ALLOWED.items() if "kB" not in name}


# --- what is looked at -------------------------------------------------------------------------

def figures(world):
    """By name; `roster` and the two before it are the daemon's own word."""
    process = pathlib.Path("/proc") / str(world.server.process.pid)
    memory = dict(line.split(":") for line in (process / "smaps_rollup").read_text().splitlines()[1:])
    told = dict(line.rsplit(" ", 1) for line in world.admin.get("/metrics").text.splitlines() if line[:1] != "#")
    files = [path.stat().st_size for path in world.server.state_dir.rglob("*")
             if path.is_file() and path.name != "witness.acts"]  # what must outlive a backup is only added to
    backends = world.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                         " AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
    return {"rss kB": kb(memory["Rss"]), "pss kB": kb(memory["Pss"]), "anonymous kB": kb(memory["Anonymous"]),
            "descriptors": len(os.listdir(process / "fd")), "threads": len(os.listdir(process / "task")),
            "backends": int(backends[0][0]), "sessions": int(told["muster_coap_sessions"]),
            "observers": int(told["muster_coap_observers"]), "roster": int(told["muster_roster_devices"]),
            "files": len(files), "bytes of files": sum(files)}


def kb(text):
    return int(text.split()[0])


def grown(series, name, seconds):
    """Of one figure over the last two thirds: the medians of both, and what the slope comes to."""
    points = [(at, sample[name]) for at, sample in series if at >= seconds / 3]
    middle = [value for at, value in points if at < seconds * 2 / 3]
    last = [value for at, value in points if at >= seconds * 2 / 3]
    slope, _ = statistics.linear_regression(*zip(*points))
    return statistics.median(middle), statistics.median(last), slope * seconds * 2 / 3


def judge(series, seconds):
    """What grows, in words."""
    wrong = []
    for name, most in ALLOWED.items():
        middle, last, by_slope = grown(series, name, seconds)
        print(f"{name}: {middle:.0f}, then {last:.0f}; the slope says {by_slope:+.1f} ({by_slope * 5400 / seconds:+.0f} "
              f"an hour); " + " ".join(str(sample[name]) for _, sample in series[::max(1, len(series) // 24)]))
        if last - middle > most or (by_slope > 2 * most and by_slope > 1):
            wrong.append(f"{name} grows: {middle:.0f} to {last:.0f}, by slope {by_slope:.0f}; allowed {most}")
    backends = [sample["backends"] for _, sample in series]
    print(f"backends: at most {max(backends)} of {PLACES}; {backends[0]} at first, {backends[-1]} at last")
    if max(backends) > PLACES:
        wrong.append(f"{max(backends)} backends, and there are {PLACES} places")
    return wrong


# --- what is done ------------------------------------------------------------------------------

class Churn:
    def __init__(self, world, folder, seed):
        self.world, self.dice, self.folder = world, random.Random(seed), folder
        self.image = self.dice.randbytes(40_000)
        self.devices = Devices(world.server, folder)
        self.left = []  # connections that were begun, and are closed some rounds later
        self.base = world.release(version="2.0.0", image=self.image)
        self.stays = self.devices.add("psk", "stays")
        self.finished = self.aborted = 0

    def ids(self):
        return {"vendor": uuid.UUID(self.world.vendor_id).bytes, "class_id": uuid.UUID(self.world.class_id).bytes}

    def act(self, verb, campaign):
        """The ticker may have been quicker with a revision of its own."""
        def done():
            now = self.world.status(campaign)
            answer = self.world.admin.post(f"/v1/campaigns/{campaign}/{verb}", {},
                                           headers={"If-Match": f'"{now["revision"]}"'})
            assert answer.status_code in (200, 202, 412), answer.text
            return answer.status_code != 412
        wait_until(done, 10, 0.1, f"{verb} of a campaign")

    def forget(self, name):
        """Waits for the end of its job, then the device is gone."""
        def gone():
            now = self.world.admin.get(f"/v1/devices/{name}")
            if now.status_code == 404:
                return True
            self.world.admin.delete(f"/v1/devices/{name}", headers={"If-Match": now.headers["ETag"]})
            return None
        wait_until(gone, 30, 0.1, f"{name} is deleted")

    def session(self, name, **options):
        """Its port may be one that a stranger has just left in the middle of a handshake, whose answers
        come to it; then the next port is another."""
        for _ in range(4):
            try:
                return DtlsPeer(self.world.server.coap_port, **self.devices.credentials[name], **options)
            except Refused as e:
                print(f"{name} was refused: {e}")
        raise AssertionError(f"{name} does not come in")

    def updated(self, n):
        """A campaign brings a fleet, whose network goes once on the way, to its end.  Another release
        is made, and withdrawn."""
        names = self.world.add_devices(4, prefix="f")
        fleet = self.world.fleet(4, "observe", "progress", prefix="f", seed=n + 1)
        wait_until(lambda: all(self.world.device(name)["lifecycle"] == "active" for name in names), 60)
        fleet.lose_network()
        release = self.world.release(version=f"3.{n}.0", image=self.image)
        campaign = self.world.campaign(self.base, target={"devices": names})
        try:
            fleet.finish(120)
        except (AssertionError, subprocess.TimeoutExpired):
            self.tell(campaign)
            raise
        self.world.wait_state(campaign, "finished")
        self.world.running.remove(fleet)
        fleet.close()
        now = must(self.world.admin.get(f"/v1/releases/{release.id}"), 200)
        must(self.world.admin.post(f"/v1/releases/{release.id}/withdraw", {},
                                   headers={"If-Match": f'"{now["revision"]}"'}), 200)
        for name in names:
            self.forget(name)
        self.finished += 1

    def tell(self, campaign):
        """What is known of a campaign that does not come to its end."""
        print(self.world.status(campaign))
        for query in ("SELECT pg_current_snapshot(), (SELECT count(*) FROM outbox)",
                      "SELECT outbox_id, xid, kind, campaign_id, device_id FROM outbox ORDER BY outbox_id DESC LIMIT 20",
                      "SELECT datname, pid, backend_type, backend_xid, state, wait_event, now() - xact_start, left(query, 80)"
                      " FROM pg_stat_activity WHERE backend_xid IS NOT NULL OR xact_start IS NOT NULL"
                      " OR datname = current_database()",
                      "SELECT locktype, mode, granted, pid FROM pg_locks WHERE locktype = 'advisory'",
                      f"SELECT device_id, bucket FROM member WHERE campaign_id = '{campaign}'",
                      f"SELECT state, stage, revision FROM campaign WHERE campaign_id = '{campaign}'",
                      f"SELECT stage, threshold FROM stage WHERE campaign_id = '{campaign}'",
                      f"SELECT * FROM slot WHERE device_id IN (SELECT device_id FROM member WHERE campaign_id = '{campaign}')",
                      f"SELECT * FROM component WHERE device_id IN (SELECT device_id FROM member WHERE campaign_id = '{campaign}')",
                      "SELECT job_id, device_id, state, campaign_id FROM job ORDER BY job_id DESC LIMIT 10"):
            print(query, *self.world.sql(query), sep="\n  ")
        # A campaign that is resumed is followed again: whether its devices then hear of it tells a
        # mark that was lost from a database that answers wrongly.
        self.act("pause", campaign)
        self.act("resume", campaign)
        time.sleep(5)
        print("resumed:", *self.world.sql("SELECT job_id, device_id, state, campaign_id FROM job ORDER BY job_id DESC LIMIT 4"))

    def observer(self, name, **options):
        peer = self.session(name, **options)
        assert peer.post("/register", registration(name, **self.ids())).answer == "2.04"
        assert peer.get("/update", [(OBSERVE, b"")], timeout=PATIENCE_S).answer == "2.05"
        return peer

    def offered(self, peers, tickets):
        """All of them are.  A round of a busy machine may stand still for longer than a session may be
        idle: its device comes in again."""
        for name, peer in list(peers.items()):
            answer = peer.get("/update", timeout=PATIENCE_S)
            if peer.closed:
                print(f"{name} was idle for too long")
                peer.drop()
                peers[name] = self.observer(name, session_out=tickets[name])
            if peer.closed or cbor2.loads(answer.payload)[1] != 1:
                return False
        return True

    def left_alone(self, _):
        """Devices by key and by certificate are pushed an offer that is taken back; they go without a
        word, come back with a ticket, and go for good."""
        names = [self.devices.add("psk", "p"), self.devices.add("cert", "c")]
        tickets = {name: self.folder / f"ticket-{name}" for name in names}
        peers = {name: self.observer(name, session_out=ticket) for name, ticket in tickets.items()}
        campaign = self.world.campaign(self.base, target={"devices": names})
        wait_until(lambda: self.offered(peers, tickets), 30, 0.1, "offers")
        self.act("pause", campaign)
        self.act("resume", campaign)
        self.act("abort", campaign)
        self.world.wait_state(campaign, "aborted")
        for name in names:
            peers[name].drop()
            with self.session(name, session_in=tickets[name]) as again:
                assert again.resumed
                again.get("/nowhere")
                again.post("/register", b"\xff")
                again.post("/report/1/1", cbor2.dumps({1: 99}))
        must(self.world.admin.post(f"/v1/devices/{names[0]}/revoke", {}), 200)
        for name, ticket in tickets.items():
            self.forget(name)
            ticket.unlink()
            for path in self.devices.credentials.pop(name).get("cert", ()):
                path.unlink()
        self.aborted += 1

    def stayed(self, _):
        """A device that stays observes once more, and goes without a word."""
        self.observer(self.stays).drop()

    def refused(self, n):
        """Nobody comes in, and nothing is kept of who tried."""
        forge_hellos(self.world.server.coap_port, 8)
        try:
            DtlsPeer(self.world.server.coap_port, psk=(f"nobody-{n}", bytes(16)), timeout=1).close()
            raise AssertionError("a stranger was let in")
        except Refused:
            pass
        admin = self.world.admin
        for method, path, kw in (
                ("GET", f"/v1/devices/nobody-{n}", {}), ("GET", "/v1/nowhere", {}), ("POST", "/v1/devices", {"data": b"{"}),
                ("POST", "/v1/devices", {"json": {"endpoint": "a b"}}), ("PUT", "/v1/devices", {}),
                ("POST", "/v1/releases", {"json": {"envelope": "AAAA", "version": "1"}}),
                ("PUT", f"/v1/images/{n:064x}", {"data": self.image})):
            assert 400 <= admin.request(method, path, **kw).status_code < 500, path

    def operated(self, n):
        """An operator comes with a token and goes; a device is labelled, gets another key, and goes."""
        admin = self.world.admin
        made = admin.post("/v1/operators", {"name": f"o{n}", "role": "operator"})
        path = f"/v1/operators/{must(made, 201)['operator_id']}"
        token = must(admin.post(f"{path}/tokens", {}), 201)
        other = self.world.server.client(token["token"])
        device = must(other.post("/v1/devices", {"endpoint": "l", "psk": True},
                                 headers={"Idempotency-Key": f"l{n}"}), 201)
        must(other.patch("/v1/devices/l", {"attributes": {"n": str(n)}},
                         headers={"If-Match": f'"{device["revision"]}"'}), 200)
        must(other.post("/v1/devices/l/credential", {"psk": True}), 200)
        for page in ("devices", "campaigns", "releases", "images", "events"):
            must(other.get(f"/v1/{page}?page_size=50"), 200)
        other.get(f"/v1/images/{self.base.digest}", headers={"Accept": "application/octet-stream"})
        self.forget("l")
        assert admin.delete(f"{path}/tokens/{token['token_id']}").status_code == 204
        if n % 20 == 0:  # each is a wrong credential, and those are braked
            assert other.get("/v1/whoami").status_code == 401
        assert admin.delete(path, headers={"If-Match": made.headers["ETag"]}).status_code == 204
        other.session.close()

    def connections(self, n):
        """Half a request, half an upload, and one that says nothing; each left for the next rounds."""
        context = ssl.create_default_context(cafile=self.world.server.ca_path)
        for said in (b"", b"GET /livez HT", b"PUT /v1/images/%064x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                     b"Content-Type: application/octet-stream\r\nContent-Length: 100000\r\n\r\n%s" %
                     (n, self.world.admin.token.encode(), bytes(20_000))):
            tls = context.wrap_socket(socket.create_connection(("127.0.0.1", self.world.server.https_port)),
                                      server_hostname="localhost")
            tls.sendall(said)
            self.left.append(tls)
        while len(self.left) > 6:
            self.left.pop(0).close()

    def round(self, pool, n):
        old, self.world.admin = self.world.admin, self.world.server.client(self.world.admin.token)
        self.devices.admin = self.world.admin
        old.session.close()
        works = (self.updated, self.left_alone, self.stayed, self.refused, self.operated, self.connections)
        for done in [pool.submit(work, n) for work in works]:
            done.result()


def test_R20_churn_leaves_nothing_behind(make_world, tmp_path):
    world = make_world(SETTINGS)
    churn = Churn(world, tmp_path, a_seed("soak"))
    began, series = time.monotonic(), []
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        while time.monotonic() - began < SECONDS or len(series) < 6:
            churn.round(pool, len(series))
            series.append((time.monotonic() - began, figures(world)))
    seconds = series[-1][0]
    print(f"{len(series)} rounds in {seconds:.0f} s: {churn.finished} campaigns finished, {churn.aborted} aborted")
    wrong = judge(series, seconds)
    assert not wrong, "\n".join(wrong)
