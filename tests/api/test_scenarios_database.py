"""PostgreSQL restarted, frozen, slow, under load: only what needs it is refused, and with a time to
come back; what was acknowledged is there once; the rest of the daemon does not notice.

Short samples run in `make check`; with MUSTER_PROVE=1 (`make prove`) the full numbers do."""

import contextlib
import os
import random
import re
import signal
import threading
import time
import uuid

import cbor2
import pytest

from coap_peer import DtlsPeer
from faults import ANSWER_S, Frozen, Heartbeat, LatencyProxy, Load, memory_kb, quantile
from fleet import PROVE, SUCCEEDED, a_seed, make_world, psk_of  # noqa: F401
from harness import ROOT, SPARE_MB, wait_until

WATCHDOG_S = 6
ENV = {"WATCHDOG_USEC": str(WATCHDOG_S * 1000000)}
RESTARTS = 50 if PROVE else 3
FROZEN_S = 60 if PROVE else 5
LATENCIES = [0.1, 0.5, 2.0] if PROVE else [0.5]
SLOW_S = 45 if PROVE else 2
STOP_S = 15  # calls have 10 s, what the daemon writes by itself 5 s (server/daemon_run.c)
CONNECT_S = 2  # database.connect_timeout of the test; somebody may just have begun to connect
MEMORY_KB = 16384  # the daemon may grow so much, by caches that were empty


class Trial:
    """A world under load from the beginning to the judgement; the daemon reaches PostgreSQL by a
    proxy that can make its answers late."""

    def __init__(self, make_world, cluster, name, settings=None):
        seed = a_seed(name)
        self.dice, self.cluster, self.proxy = random.Random(seed), cluster, LatencyProxy(cluster)
        database = cluster.create_database()
        self.world = make_world(cluster=cluster, database=database, env=ENV, settings={
            "database.conninfo": self.proxy.dsn(database), **(settings or {})})
        self.server = self.world.server
        self.load = Load(self.world, seed)
        self.load.wait_running()
        self.began, self.memory = time.monotonic(), memory_kb(self.server)
        self.heart = Heartbeat(self.server, WATCHDOG_S)

    def went_on(self, since, seconds):
        """What needs no database was served all along, and quickly."""
        for work in ("check-in", "block"):
            took = [t for at, t in self.load.late[work] if at >= since]
            assert len(took) >= seconds * 2, f"{work}: {len(took)} in {seconds} s"
            assert max(took) < 5, f"{work} took {max(took):.1f} s"

    def judge(self, shed=True):
        self.load.stop()
        print(self.load.summary())
        silence, memory = self.heart.finish(self.began), memory_kb(self.server)
        print(f"watchdog fed at least every {silence:.1f} s of {WATCHDOG_S}; memory {self.memory} to {memory} KiB")
        self.load.judge()
        was_shed = sum(n for (_, outcome), n in self.load.count.items() if outcome == "shed")
        assert was_shed or not shed, "nothing was tested"
        assert memory < self.memory + MEMORY_KB + (SPARE_MB << 10)

    def close(self):
        self.proxy.delay_s = 0.0
        self.load.close()
        if self.server.running():
            self.server.stop(60)
        self.proxy.close()


@pytest.fixture
def trial(make_world, own_pg):
    trials = []

    def make(name, **kw):
        trials.append(Trial(make_world, own_pg, name, **kw))
        return trials[-1]

    yield make
    for t in trials:
        t.close()


def restarts(t):
    """In order and as by a crash, again and again."""
    recoveries = []
    for i in range(RESTARTS):
        down = time.monotonic()
        t.cluster.down(("fast", "immediate")[i % 2])
        time.sleep(t.dice.random() * 1.5)
        away = time.monotonic() - down
        t.cluster.up()
        recoveries.append(t.load.wait_recovery(time.monotonic()))
        t.went_on(down, away)
        time.sleep(t.dice.random() * 0.5)
    print(f"{RESTARTS} restarts; to recover: p50 {quantile(recoveries, .5):.2f} s, "
          f"p99 {quantile(recoveries, .99):.2f} s")
    assert max(recoveries) < 20


def frozen(t):
    """Every process of PostgreSQL stands still, with statements under way: they are given up, and the
    workers are free again when it wakes."""
    at = time.monotonic()
    with Frozen(t.cluster):
        time.sleep(FROZEN_S)
        assert t.server.anonymous().get("/livez", timeout=5).status_code == 200
    thawed = time.monotonic()
    t.went_on(at, FROZEN_S)
    print(f"frozen for {FROZEN_S} s; to recover: {t.load.wait_recovery(thawed):.2f} s")


def late(t):
    """Each answer comes late: less is done, but some is, and nobody else is slow."""
    for delay in LATENCIES:
        t.proxy.delay_s = delay
        at = time.monotonic()
        time.sleep(SLOW_S)
        good = t.load.since(at)
        print(f"answers {delay * 1000:.0f} ms late: in {SLOW_S} s served " +
              ", ".join(f"{n} {work}" for work, n in good.items()))
        t.went_on(at, SLOW_S)
        # a call is ten statements or more: with 2 s each it takes as long as anybody waits, or longer
        if PROVE:
            wait_until(lambda: all(t.load.since(at).get(w) for w in ("register", "report", "create")),
                       2 * ANSWER_S, what=f"something done, with answers {delay} s late")
    t.proxy.delay_s = 0.0
    print(f"answers in time again; to recover: {t.load.wait_recovery(time.monotonic()):.2f} s")


if PROVE:
    def test_R03_database_restarted_under_load(trial):
        t = trial("restarts")
        fleet_size = 20
        names = t.world.add_devices(fleet_size)
        fleet = t.world.fleet(fleet_size, "block-size", 256, "delay", "14-18ms", "timeout", 500,
                              seed=t.dice.randrange(1 << 32))
        release = t.world.release(version="3.0.0", size=256 << 10, seed=2)
        wait_until(lambda: all(t.world.device(name)["lifecycle"] == "active" for name in names), 60, 0.2, "they register")
        campaign = t.world.campaign(release, target={"devices": names}, silent_after_s=600)
        restarts(t)
        assert fleet.finish(500)["updated"] == fleet_size
        t.world.wait_state(campaign, "finished")
        t.judge()
        t.world.judge(campaign, {SUCCEEDED: fleet_size}, fleet.ledger)

    def test_R07_database_frozen_under_load(trial):
        t = trial("frozen")
        frozen(t)
        t.judge()

    def test_R07_database_answers_late(trial):
        t = trial("late")
        late(t)
        t.judge(shed=False)
else:
    def test_R03_R07_database_restarted_frozen_and_late(trial):
        t = trial("database", settings={"database.statement_timeout": "2s"})
        restarts(t)
        frozen(t)
        late(t)
        t.judge()


# --- stopping ----------------------------------------------------------------------------------

class Asker(threading.Thread):
    """One request that is under way when the daemon is told to stop; its answer."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.answer = ask, None
        self.start()

    def run(self):
        try:
            self.answer = self.ask()
        except Exception as e:
            self.answer = f"none: {e!r}"


def created(world, name):
    return world.server.client(world.admin.token).post("/v1/devices", {"endpoint": name, "psk": True},
                                                       timeout=ANSWER_S).status_code


def registered(world, peer, name, boot):
    request = peer.message(2, "/register", cbor2.dumps(
        {1: name, 2: uuid.UUID(world.vendor_id).bytes, 3: uuid.UUID(world.class_id).bytes,
         4: {"main": [bytes(32), "1.0.0"]}, 5: boot}), [(12, b"\x3c")])
    peer.send(request)
    return getattr(peer.answer_to(request, ANSWER_S), "answer", "none")


@pytest.mark.parametrize("how", ["0.5 s late", "2 s late", "frozen"] if PROVE else ["2 s late"])
def test_R07_stops_in_time_whatever_the_database_does(make_world, own_pg, how):
    """Each request under way is answered, done or refused, and what was acknowledged is there."""
    proxy, database = LatencyProxy(own_pg), own_pg.create_database()
    world = make_world(cluster=own_pg, database=database, settings={
        "database.conninfo": proxy.dsn(database), "database.connect_timeout": f"{CONNECT_S}s"})
    names = world.add_devices(6)
    peers = [DtlsPeer(world.server.coap_port, psk=(name, psk_of(name))) for name in names]
    boots = [os.urandom(8) for _ in names]
    with Frozen(own_pg) if how == "frozen" else contextlib.nullcontext():
        proxy.delay_s = 0.0 if how == "frozen" else float(how.split()[0])
        rest = {f"made-{i}": Asker(lambda i=i: created(world, f"made-{i}")) for i in range(8)}
        coap = [Asker(lambda a=a: registered(world, *a)) for a in zip(peers, names, boots)]
        time.sleep(1)
        began = time.monotonic()
        world.server.process.send_signal(signal.SIGTERM)
        code = world.server.process.wait(60)
        took = time.monotonic() - began
        for asker in [*rest.values(), *coap]:
            asker.join(5)
    proxy.delay_s = 0.0
    print(f"{how}: stopped in {took:.1f} s; operators {[a.answer for a in rest.values()]}, "
          f"devices {[a.answer for a in coap]}")
    assert code == 0 and world.server.log().rstrip().endswith("stopped"), world.server.log()[-3000:]
    assert took < STOP_S + 2 * CONNECT_S, f"it took {took:.1f} s to stop"
    assert {a.answer for a in rest.values()} <= {201, 503} and {a.answer for a in coap} <= {"2.04", "5.03"}
    there = {row[0] for row in world.sql("SELECT endpoint FROM device")}
    booted = {row[0] for row in world.sql("SELECT detail::jsonb->>'boot' FROM event")}
    assert {name for name, a in rest.items() if a.answer == 201} <= there
    assert {boot.hex() for boot, a in zip(boots, coap) if a.answer == "2.04"} <= booted
    world.server.start()
    proxy.close()


def test_R07_unit_waits_for_the_stop():
    unit = (ROOT / "deploy/systemd/musterd.service").read_text()
    sample = (ROOT / "deploy/musterd.conf").read_text()
    connect_s = int(re.search(r"^#? ?connect_timeout = (\d+)s$", sample, re.M).group(1))
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M).group(1)) > STOP_S + 2 * connect_s
