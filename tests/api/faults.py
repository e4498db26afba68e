"""What goes wrong around a daemon, made on purpose: a PostgreSQL that stands still or answers late;
and a load that meanwhile notes every answer, so that afterwards the database can be asked."""

import collections
import ctypes
import os
import pathlib
import queue
import random
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time
import uuid

import cbor2
import pytest

from coap_peer import BLOCK2, GET, MAX_AGE, DtlsPeer, block
from fleet import EVENTS_OF_REGISTRATION, psk_of
from harness import BUILD, wait_until

ANSWER_S = 45  # longer than any deadline of the daemon


# --- the database ----------------------------------------------------------------------------

def postgres_pids(cluster):
    """The postmaster first: once it stands, nobody new comes."""
    first = int((pathlib.Path(cluster.host) / "data/postmaster.pid").read_text().split()[0])
    found = [first]
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == first:
            found.append(int(stat.parent.name))
    return found


class Frozen:
    """All of PostgreSQL stands still while the block runs."""

    def __init__(self, cluster):
        self.cluster = cluster

    def __enter__(self):
        os.kill(postgres_pids(self.cluster)[0], signal.SIGSTOP)
        self.pids = postgres_pids(self.cluster)
        for pid in self.pids[1:]:
            os.kill(pid, signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        for pid in reversed(self.pids):
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass


class LatencyProxy:
    """Stands between a daemon and PostgreSQL, on a unix socket; `delay_s` is how late each answer
    comes."""

    def __init__(self, cluster):
        self.real = f"{cluster.host}/.s.PGSQL.5432"
        self.folder = tempfile.TemporaryDirectory(prefix="muster-", dir="/tmp")
        self.delay_s = 0.0
        self.open = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{self.folder.name}/.s.PGSQL.5432")
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def dsn(self, database):
        return f"host={self.folder.name} user=muster dbname={database}"

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self.real)
            except OSError:
                near.close()
                continue
            self.open += [near, far]
            answers = queue.Queue()

            def put(data, answers=answers):
                answers.put((time.monotonic() + self.delay_s, data))

            for work, *args in ((self._pump, near, far.sendall, lambda far=far: give_up(far)),
                                (self._pump, far, put, lambda put=put: put(b"")),
                                (self._deliver, answers, near)):
                threading.Thread(target=work, args=args, daemon=True).start()

    @staticmethod
    def _pump(source, give, end):
        try:
            while data := source.recv(65536):
                give(data)
        except OSError:
            pass
        end()

    @staticmethod
    def _deliver(late, near):
        while True:
            due, data = late.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                return give_up(near)
            try:
                near.sendall(data)
            except OSError:
                return None

    def close(self):
        give_up(self.listener)
        self.listener.close()
        for s in self.open:
            give_up(s)
        self.folder.cleanup()


def give_up(s):
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


# --- the daemon ------------------------------------------------------------------------------

def memory_kb(server):
    """What the daemon has in memory, its file mappings left out."""
    text = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.split("RssAnon:")[1].split()[0])


class Heartbeat(threading.Thread):
    """Listens to the watchdog's messages, with the time that each was read."""

    def __init__(self, server, watchdog_s):
        super().__init__(daemon=True)
        self.server, self.watchdog_s, self.going_on = server, watchdog_s, True
        self.start()

    def run(self):
        while self.going_on and self.server.running():
            self.server.notify.read()
            time.sleep(0.02)

    def finish(self, since):
        """The longest silence; the daemon would have been killed had it lasted watchdog_s."""
        end = time.monotonic()
        self.going_on = False
        self.join()
        fed = [since] + [at for at, line in self.server.notify.seen if line == "WATCHDOG=1" and at > since] + [end]
        longest = max(b - a for a, b in zip(fed, fed[1:]))
        assert longest < self.watchdog_s, f"the watchdog was not fed for {longest:.1f} s"
        assert "does not move" not in self.server.log()
        return longest


# --- the load --------------------------------------------------------------------------------

def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


class Load:
    """Devices and operators that go on whatever happens.  Writers repeat what was refused, as real
    ones do; every acknowledgement is noted and judge() looks each of them up in the database.

    - idle devices check in: nothing changes for them
    - one device fetches blocks of its image and says how far it is
    - registrars boot again and again
    - operators make devices, each under an idempotency key, and label them"""

    def __init__(self, world, seed, registrars=3, operators=2):
        self.world, self.server = world, world.server
        self.lock = threading.Lock()
        self.count = collections.Counter()   # (work, outcome)
        self.late = collections.defaultdict(list)  # work: seconds of each good answer
        self.wrong = []
        self.booted, self.made = [], {}      # acknowledged: (name, boot id); name: label
        self.asked = set()                   # names of devices that were asked for
        self.bytes_said = 0
        self.stopping = threading.Event()
        self.peers, self.threads = [], []
        self.dice = random.Random(seed)
        self.idle = self._devices("idle", 2)
        self.fetcher = self._devices("fetcher", 1)[0]
        self.registrars = self._devices("booter", registrars)
        for name in self.idle + [self.fetcher]:
            self._register(self._peer(name), name, os.urandom(8))
        self.release = world.release(version="2.0.0", size=1 << 20, seed=seed)
        self.campaign = world.campaign(self.release, target={"devices": [self.fetcher]}, silent_after_s=86400)
        self.job = self._take_offer()
        self._go(self._fetch)
        reporter = DtlsPeer(self.server.coap_port, psk=(self.fetcher, psk_of(self.fetcher)))
        self.peers.append((None, reporter))
        self._go(self._report, reporter)
        for name in self.idle:
            self._go(self._check_in, name)
        for name in self.registrars:
            self._go(self._boot, name)
        for i in range(operators):
            self._go(self._operate, i)

    # --- before it begins

    def _devices(self, prefix, count):
        return [self.world.add_device(f"{prefix}-{i}") and f"{prefix}-{i}" for i in range(count)]

    def _peer(self, name):
        peer = next((p for n, p in self.peers if n == name), None)
        if not peer:
            peer = DtlsPeer(self.server.coap_port, psk=(name, psk_of(name)))
            self.peers.append((name, peer))
        return peer

    def _registration(self, name, boot):
        return cbor2.dumps({1: name, 2: uuid.UUID(self.world.vendor_id).bytes, 3: uuid.UUID(self.world.class_id).bytes,
                            4: {"main": [bytes(32), "1.0.0"]}, 5: boot})

    def _register(self, peer, name, boot):
        answer = peer.post("/register", self._registration(name, boot))
        assert answer.answer == "2.04", answer

    def _take_offer(self):
        def offered():
            offer = cbor2.loads(self._peer(self.fetcher).get("/update").payload)
            return offer if offer[1] == 1 else None
        offer = wait_until(offered, 30, 0.1, "an offer")
        return offer[3], offer[4]

    # --- each of them

    def _go(self, work, *args):
        thread = threading.Thread(target=self._run, args=(work, args), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _run(self, work, args):
        try:
            work(*args)
        except Exception as e:  # a thread's exception would be lost
            self._note_wrong(f"{work.__name__}: {e!r}")

    def _note_wrong(self, what):
        with self.lock:
            self.wrong.append(what)

    def _tally(self, work, outcome, began=None):
        with self.lock:
            self.count[work, outcome] += 1
            if began is not None:
                self.late[work].append((began, time.monotonic() - began))

    def _coap(self, work, peer, want, request, may_shed=True):
        """One request to its end; True when it was served."""
        began = time.monotonic()
        peer.send(request)
        answer = peer.answer_to(request, ANSWER_S)
        if answer is not None and answer.answer == want:
            self._tally(work, "ok", began)
            return answer
        if answer is not None and answer.answer == "5.03" and answer.value(MAX_AGE) and may_shed:
            self._tally(work, "shed")
            self.stopping.wait(min(answer.value(MAX_AGE), 2) * (0.5 + self.dice.random() / 2))
            return None
        self._note_wrong(f"{work}: {answer}")
        return None

    def _check_in(self, name):
        peer = self._peer(name)
        while not self.stopping.wait(0.03):
            answer = self._coap("check-in", peer, "2.05", peer.message(GET, "/update"), may_shed=False)
            if answer and cbor2.loads(answer.payload)[1] != 0:
                self._note_wrong(f"{name} was offered something")

    def _fetch(self):
        peer, image = self._peer(self.fetcher), self.release.image
        while not self.stopping.wait(0.03):
            num = self.dice.randrange(len(image) // 1024)
            answer = self._coap("block", peer, "2.05", peer.message(
                GET, f"/img/{self.release.digest}", options=[(BLOCK2, block(num, False, 6))]), may_shed=False)
            if answer and answer.payload != image[num * 1024:(num + 1) * 1024]:
                self._note_wrong(f"block {num} is another one")

    def _report(self, peer):
        done = 0
        while not self.stopping.wait(0.02):
            body = cbor2.dumps({1: 2, 2: done + 1, 3: 1 << 20})
            answer = self._coap("report", peer, "2.04", peer.message(
                2, f"/report/{self.job[0]}/{self.job[1]}", body, [(12, b"\x3c")]))
            if answer:
                done += 1
                self.bytes_said = done

    def _boot(self, name):
        peer = self._peer(name)
        while not self.stopping.wait(0.02):
            boot = os.urandom(8)
            body = self._registration(name, boot)
            # the same registration until it is acknowledged, or a boot would be counted as lost
            while not self.stopping.is_set():
                if self._coap("register", peer, "2.04", peer.message(2, "/register", body, [(12, b"\x3c")])):
                    with self.lock:
                        self.booted.append((name, boot.hex()))
                    break

    def _rest(self, work, want, method, path, **kw):
        began = time.monotonic()
        answer = self.operator.request(method, path, timeout=ANSWER_S, **kw)
        if answer.status_code == want:
            self._tally(work, "ok", began)
            return answer
        if answer.status_code == 503 and answer.json()["type"] == "urn:muster:error:unavailable" and \
                int(answer.headers["Retry-After"]) >= 1:
            self._tally(work, "shed")
            self.stopping.wait(0.5 + self.dice.random())
            return None
        if answer.status_code == 409 and answer.json()["type"] == "urn:muster:error:idempotency-busy":
            self._tally(work, "busy")  # the first request still runs
            self.stopping.wait(0.5)
            return None
        self._note_wrong(f"{work}: {answer.status_code} {answer.text}")
        return False

    @property
    def operator(self):
        return self.world.admin.server.client(self.world.admin.token)

    def _until_done(self, *args, **kw):
        """None when the test ends before it was served."""
        while not self.stopping.is_set():
            answer = self._rest(*args, **kw)
            if answer is not None:
                return answer or None
        return None

    def _operate(self, number):
        for i in range(1 << 30):
            if self.stopping.wait(0.02):
                return
            name = f"made-{number}-{i}"
            self.asked.add(name)
            made = self._until_done("create", 201, "POST", "/v1/devices", json={"endpoint": name, "psk": True},
                                    headers={"Idempotency-Key": f"key-{name}"})
            if not made:
                continue
            self.made[name] = None
            label = f"{self.dice.randrange(1 << 32):x}"
            revision = made.json()["revision"]
            self._label(name, label, revision)

    def _label(self, name, label, revision):
        """An answer that was lost shows as 412: the revision is the next one, the label ours."""
        while not self.stopping.is_set():
            answer = self._rest_label(name, label, revision)
            if answer is not None:
                if answer:
                    self.made[name] = label
                return

    def _rest_label(self, name, label, revision):
        began = time.monotonic()
        answer = self.operator.patch(f"/v1/devices/{name}", {"attributes": {"l": label}}, timeout=ANSWER_S,
                                     headers={"If-Match": f'"{revision}"'})
        if answer.status_code == 412 and self.count["label", "shed"]:
            now = self.operator.get(f"/v1/devices/{name}", timeout=ANSWER_S)
            if now.status_code == 200 and now.json()["attributes"] == {"l": label}:
                self._tally("label", "done before")
                return True
            return None if now.status_code == 503 else self._note_wrong(f"label of {name}: {now.text}") or False
        if answer.status_code == 200:
            self._tally("label", "ok", began)
            return True
        if answer.status_code == 503:
            self._tally("label", "shed")
            self.stopping.wait(0.5)
            return None
        self._note_wrong(f"label: {answer.status_code} {answer.text}")
        return False

    # --- what came of it

    def wait_running(self, works=("register", "report", "create", "check-in", "block")):
        def all_run():
            assert not self.wrong, self.wrong
            return set(works) <= set(self.since(0))
        wait_until(all_run, 60, what="all of the load runs")

    def since(self, moment):
        """(work: good answers asked for since then)"""
        with self.lock:
            return {work: sum(1 for at, _ in late if at >= moment) for work, late in self.late.items()}

    def first_good(self, work, moment):
        """Seconds from a moment to the end of the first good answer that was asked for before or
        after it and came after it; None when there is none yet."""
        with self.lock:
            ends = [at + took for at, took in self.late[work] if at + took >= moment]
        return min(ends) - moment if ends else None

    def wait_recovery(self, moment, works=("register", "report", "create"), timeout=60):
        """Seconds until each kind of writer was served again; the slowest of them."""
        return max(wait_until(lambda w=w: self.first_good(w, moment), timeout, 0.02, f"{w} served again")
                   for w in works)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(ANSWER_S + 10)
            assert not thread.is_alive(), "a request has no end"

    def judge(self):
        """Nothing wrong was answered; each acknowledgement is in the database, exactly once."""
        assert not self.wrong, f"{len(self.wrong)} wrong: {self.wrong[:5]}"
        world = self.world
        boots = collections.Counter()
        for endpoint, detail in world.sql(
                "SELECT d.endpoint, e.detail::jsonb->>'boot' FROM event e JOIN device d USING (tenant_id, device_id)"
                f" WHERE e.kind IN ({','.join(map(str, EVENTS_OF_REGISTRATION))})"):
            boots[endpoint, detail] += 1
        lost = [b for b in self.booted if boots[b] != 1]
        assert not lost, f"registrations that are not there once: {lost[:5]}"
        have = collections.Counter(r[0] for r in world.sql("SELECT endpoint FROM device WHERE endpoint LIKE 'made-%'"))
        assert all(have[name] == 1 for name in self.made), "a device that was acknowledged is not there once"
        assert set(have) <= self.asked and max(have.values(), default=1) == 1
        labels = {r[0]: r[1] for r in world.sql(
            "SELECT endpoint, attributes::jsonb->>'l' FROM device WHERE endpoint LIKE 'made-%'")}
        bad = [name for name, label in self.made.items() if label and labels[name] != label]
        assert not bad, f"labels that are not what was acknowledged: {bad[:5]}"
        done = int(world.sql(f"SELECT bytes_done FROM job WHERE job_id = {self.job[0]}")[0][0])
        assert self.bytes_said <= done <= self.bytes_said + 1, (self.bytes_said, done)

    def summary(self):
        works = sorted({work for work, _ in self.count})
        lines = []
        for work in works:
            took = [t for _, t in self.late[work]]
            outcomes = ", ".join(f"{n} {outcome}" for (w, outcome), n in sorted(self.count.items()) if w == work)
            lines.append(f"{work}: {outcomes}; p50 {quantile(took, .5) * 1000:.0f} ms, "
                         f"p99 {quantile(took, .99) * 1000:.0f} ms")
        return "\n".join(lines + [f"wrong: {len(self.wrong)}"])

    def close(self):
        self.stopping.set()
        for _, peer in self.peers:
            peer.drop()


# --- the disk --------------------------------------------------------------------------------

class FullDisk:
    """A disk that tests/preload/diskfull.c makes full for files under a path."""

    def __init__(self, folder, path):
        if not os.path.exists("/proc/self/fd"):
            pytest.skip("/proc is not mounted here, by which the interposer knows a file's path")
        self.control = pathlib.Path(folder) / "disk-control"
        self.control.write_bytes(bytes(16))
        self.env = {"LD_PRELOAD": str(BUILD / "tests/preload/diskfull.so"), "MUSTER_DISK_PATH": str(path),
                    "MUSTER_DISK_CONTROL": str(self.control)}
        if "ASAN_OPTIONS" in os.environ:
            self.env["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"] + ":verify_asan_link_order=0"

    def full_at(self, call):
        """No space from that call on (0: there is always space); calls count from now."""
        with open(self.control, "r+b", buffering=0) as f:
            f.write(struct.pack("qq", call, 0))

    def calls(self):
        return struct.unpack("qq", self.control.read_bytes())[1]


CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)
_own_mounts = []


def _mount(*args):
    if _libc.mount(*[a.encode() if isinstance(a, str) else a for a in args]) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class SmallDisk:
    """A tmpfs of a few MiB over a folder, in a mount namespace of the test's own, so that nobody else
    sees it.  Skips the test where that is not allowed."""

    def __init__(self, folder, size_mb, owner=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0:
            pytest.skip("only root may mount a small disk")
        try:
            if not _own_mounts:
                if _libc.unshare(CLONE_NEWNS) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                _mount("none", "/", None, MS_REC | MS_PRIVATE, None)
                _own_mounts.append(True)
            uid, gid = owner or (0, 0)
            _mount("tmpfs", str(self.folder), "tmpfs", 0, f"size={size_mb}m,mode=0700,uid={uid},gid={gid}")
        except OSError as e:
            pytest.skip(f"no small disk may be mounted here: {e}")

    def free(self):
        s = os.statvfs(self.folder)
        return s.f_bavail * s.f_frsize

    def fill(self, leave=0, name="filler"):
        """Takes what is free but for `leave` bytes."""
        with open(self.folder / name, "ab") as f:
            while (left := self.free() - leave) > 0:
                try:
                    f.write(bytes(min(left, 1 << 20)))
                    f.flush()
                except OSError:
                    f.close()
                    break

    def relieve(self, name="filler"):
        (self.folder / name).unlink()

    def close(self):
        _libc.umount2(str(self.folder).encode(), 2)


# --- clocks ----------------------------------------------------------------------------------

class WrongClock:
    """The wall clock of a program that runs with `env` (tests/preload/clock.c), wrong by as much as
    set() says.  Everybody may read its files: PostgreSQL runs as another user."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="muster-", dir="/tmp"))
        self.folder.chmod(0o755)
        library = shutil.copy(BUILD / "tests/preload/clock.so", self.folder)
        self.error = self.folder / "error"
        self.set(0)
        self.env = {"LD_PRELOAD": str(library), "MUSTER_CLOCK": str(self.error)}
        if "ASAN_OPTIONS" in os.environ:
            self.env["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"] + ":verify_asan_link_order=0"

    def set(self, years):
        flags = "r+b" if self.error.exists() else "wb"
        with open(self.error, flags, buffering=0) as f:
            f.write(struct.pack("q", int(years * 365 * 86400 * 1000000)))

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)
