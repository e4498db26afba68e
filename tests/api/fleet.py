"""A world for scenarios: a server with a class, an author, releases and campaigns; fleets of
simulated devices (muster-fleet) and real agents under their launcher; and the judge that says
whether everything ended right."""

import base64
import collections
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import threading

import pytest

from harness import BUILD, wait_until

FLEET, AGENT, LAUNCHER, MUSTER = (BUILD / p for p in (
    "muster-fleet", "muster-agent", "muster-launcher", "muster"))
VENDOR, CLASS = "test.example", "lock"
SECRET = "scenario"  # a device's key is SHA-256 of SECRET:NAME, as muster-fleet makes it
PROVE = os.environ.get("MUSTER_PROVE", "0") not in ("", "0")

QUEUED, OFFERED, DOWNLOADING, DOWNLOADED, INSTALLING, REBOOTING = range(6)
SUCCEEDED, FAILED, ROLLED_BACK, SILENT = 10, 11, 12, 13
STATE_NAMES = {OFFERED: "offered", DOWNLOADING: "downloading", DOWNLOADED: "downloaded",
               INSTALLING: "installing", REBOOTING: "rebooting", SUCCEEDED: "succeeded",
               FAILED: "failed", ROLLED_BACK: "rolled_back", SILENT: "silent", 14: "rejected",
               18: "current"}
EVENTS_OF_REGISTRATION = (6, 7)
EVENT_JOB = 8


def a_seed(name):
    """A fresh seed, printed so that a failure can be had again: MUSTER_SEED=... repeats it."""
    seed = int(os.environ.get("MUSTER_SEED") or random.SystemRandom().randrange(1, 1 << 32))
    print(f"{name}: MUSTER_SEED={seed}")
    return seed


def must(answer, status):
    assert answer.status_code == status, f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}"
    return answer.json()


def run(*words, code=0, **kw):
    done = subprocess.run([str(w) for w in words], text=True, capture_output=True, timeout=120, **kw)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def psk_of(name):
    return hashlib.sha256(f"{SECRET}:{name}".encode()).digest()


class Author:
    """Makes signed envelopes, offline."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key = self.folder / "author.pem"
        self.public = self.folder / "author.pem.pub"
        run(MUSTER, "key", "new", self.key, "--no-passphrase")
        self.sequence = 0

    def sign(self, image, version, sequence=None, class_name=f"{VENDOR}/{CLASS}"):
        """The files of image and envelope."""
        self.sequence = sequence or self.sequence + 1
        stem = self.folder / f"{version}-{self.sequence}"
        binary, envelope = stem.with_suffix(".bin"), stem.with_suffix(".suit")
        binary.write_bytes(image)
        run(MUSTER, "release", "create", binary, "--class", class_name, "--version", version,
            "--key", self.key, "--sequence", self.sequence, "--out", envelope)
        return binary, envelope


class Release:
    def __init__(self, release_id, version, image):
        self.id, self.version, self.image = release_id, version, image
        self.digest = hashlib.sha256(image).hexdigest()


class World:
    def __init__(self, server, folder):
        self.server, self.folder = server, pathlib.Path(folder)
        self.admin = server.admin()
        self.author = Author(self.folder / "author")
        self.classes = {}
        self.vendor_id, self.class_id = self.add_class(CLASS)
        self.running = []

    # --- what an operator does

    def add_class(self, name):
        made = must(self.admin.post("/v1/classes", {"vendor": VENDOR, "name": name}), 201)
        ids = made["vendor_id"], made["class_id"]
        self.classes[name] = ids
        must(self.admin.post("/v1/author-keys", {
            "vendor_id": ids[0], "class_id": ids[1],
            "public_key_pem": self.author.public.read_text()}), 201)
        return ids

    def add_device(self, name, **members):
        psk = base64.b64encode(psk_of(name)).decode()
        return must(self.admin.post("/v1/devices", {"endpoint": name, "psk": psk, **members}), 201)

    def add_devices(self, count, prefix="device", **members):
        names = [f"{prefix}-{i:05d}" for i in range(count)]
        for name in names:
            self.add_device(name, **members)
        return names

    def release(self, version="2.0.0", size=65536, image=None, seed=1, class_name=CLASS):
        image = random.Random(seed).randbytes(size) if image is None else image
        _, envelope = self.author.sign(image, version, class_name=f"{VENDOR}/{class_name}")
        digest = hashlib.sha256(image).hexdigest()
        put = self.admin.put(f"/v1/images/{digest}", data=image,
                             headers={"Content-Type": "application/octet-stream"})
        assert put.status_code in (200, 201), put.text
        made = must(self.admin.post("/v1/releases", {
            "envelope": base64.b64encode(envelope.read_bytes()).decode(), "version": version}), 201)
        return Release(made["release_id"], version, image)

    def campaign(self, release, target=None, start=True, **members):
        """Made and started; its id.  A device may be silent for a minute, unless members say else."""
        body = {"name": f"to {release.version}", "release_id": release.id,
                "target": target or {"all": True}, "silent_after_s": 60, **members}
        made = must(self.admin.post("/v1/campaigns", body), 201)
        if start:
            must(self.admin.post(f"/v1/campaigns/{made['campaign_id']}/start", {},
                                 headers={"If-Match": f'"{made["revision"]}"'}), 202)
        return made["campaign_id"]

    def status(self, campaign):
        return must(self.admin.get(f"/v1/campaigns/{campaign}"), 200)

    def wait_state(self, campaign, state, timeout=60):
        def there():
            now = self.status(campaign)
            return now if now["state"] == state else None
        return wait_until(there, timeout, 0.2, f"campaign is {state}")

    def jobs(self, campaign):
        return must(self.admin.get(f"/v1/campaigns/{campaign}/jobs?page_size=1000"), 200)["items"]

    def wait_registered(self, count, timeout=90):
        wait_until(lambda: int(self.sql("SELECT count(*) FROM device WHERE registered_at IS NOT NULL")[0][0]) >= count,
                   timeout, 0.2, f"{count} registrations")

    def device(self, name):
        return must(self.admin.get(f"/v1/devices/{name}"), 200)

    def metric(self, operation, result="ok"):
        """How often an operation ended so, since this daemon started."""
        text = self.admin.get("/metrics").text
        m = re.search(rf'^muster_calls_total{{operation="{operation}",result="{result}"}} (\d+)', text, re.M)
        return int(m.group(1)) if m else 0

    def sql(self, query):
        return self.server.pg.sql(query, self.server.database)

    # --- what the database says

    def count(self, campaign, *states):
        """Jobs of a campaign in these states, past REST."""
        wanted = ",".join(map(str, states))
        return int(self.sql(f"SELECT count(*) FROM job WHERE campaign_id = '{campaign}' AND state IN ({wanted})")[0][0])

    def judge(self, campaign, expected, ledger=None):
        """Every member has one job, in the expected state ({state: number}); the tallies say the
        same as the jobs; a job that succeeded did so once; no slot is left; nothing that was
        acknowledged is missing."""
        jobs = self.sql(f"SELECT state, count(*), count(DISTINCT device_id) FROM job WHERE campaign_id = '{campaign}'"
                        " GROUP BY state")
        have = {int(state): int(n) for state, n, _ in jobs}
        assert have == expected, f"jobs by state {have}"
        total = self.sql(f"SELECT count(DISTINCT device_id), count(*) FROM job WHERE campaign_id = '{campaign}'")[0]
        assert total[0] == total[1], "a device has two jobs of one campaign"
        tally = self.sql(f"SELECT state, sum(n) FROM tally WHERE campaign_id = '{campaign}' AND state < 100 GROUP BY state"
                         " HAVING sum(n) <> 0")
        assert {int(state): int(n) for state, n in tally} == expected, f"tallies {tally}"
        doubled = self.sql(f"SELECT device_id, count(*) FROM event WHERE campaign_id = '{campaign}' AND kind = {EVENT_JOB}"
                           " AND detail::jsonb->>'state' = 'succeeded' GROUP BY device_id HAVING count(*) <> 1")
        assert not doubled, f"successes counted twice: {doubled}"
        once = int(self.sql(f"SELECT count(*) FROM event WHERE campaign_id = '{campaign}' AND kind = {EVENT_JOB}"
                            " AND detail::jsonb->>'state' = 'succeeded'")[0][0])
        assert once >= expected.get(SUCCEEDED, 0), "a success without an event"
        assert self.sql(f"SELECT * FROM slot WHERE campaign_id = '{campaign}'") == []
        if ledger:
            self.judge_ledger(ledger)

    def judge_ledger(self, path):
        """Every acknowledged registration and report stands in the database."""
        boots, states = set(), set()
        for endpoint, kind, job, detail in self.sql(
                "SELECT d.endpoint, e.kind, e.job_id, e.detail FROM event e JOIN device d USING (tenant_id, device_id)"):
            detail = json.loads(detail or "{}")
            if int(kind) in EVENTS_OF_REGISTRATION:
                boots.add((endpoint, detail.get("boot")))
            elif int(kind) == EVENT_JOB:
                states.add((endpoint, job, detail["state"]))
        said = collections.Counter()
        for line in pathlib.Path(path).read_text().splitlines():
            _, name, what, *rest = line.split()
            said[what] += 1
            if what == "registered":
                assert (name, rest[0]) in boots, f"an acknowledged registration is lost: {line}"
            else:
                assert (name, rest[0], STATE_NAMES[int(rest[2])]) in states, f"an acknowledged report is lost: {line}"
        assert said["registered"], "the ledger is empty"
        return said

    # --- the devices' side

    def fleet(self, devices, *options, **kw):
        fleet = Fleet(self, devices, *options, **kw)
        self.running.append(fleet)
        return fleet

    def agent(self, name, firmware, **config):
        agent = Agent(self, name, firmware, **config)
        self.running.append(agent)
        return agent

    def close(self):
        for process in self.running:
            process.close()


class Fleet:
    """One muster-fleet.  Options as on its command line: fleet(50, "loss", "20%", "observe")."""

    def __init__(self, world, devices, *options, prefix="device", seed=1, class_ids=None, version="1.0.0"):
        number = len(world.running)
        self.devices = devices
        self.json_path = world.folder / f"fleet-{number}.json"
        self.ledger = world.folder / f"fleet-{number}.ledger"
        self.log_path = world.folder / f"fleet-{number}.log"
        vendor_id, class_id = class_ids or (world.vendor_id, world.class_id)
        words = [FLEET, "--server", f"coaps://127.0.0.1:{world.server.coap_port}", "--devices", devices,
                 "--prefix", prefix, "--psk-secret", SECRET, "--vendor", vendor_id, "--class", class_id,
                 "--version", version, "--anchor", world.author.public, "--seed", seed,
                 "--ledger", self.ledger, "--json", self.json_path,
                 "--request-timeout-s", 4, "--ack-timeout-ms", 1000, "--retry-max-ms", 1500, "--poll", 1]
        named = {o for o in options if isinstance(o, str)}
        flags = ("observe", "verbose", "progress")
        rest = iter(options)
        for name in rest:
            words += [f"--{name}"] if name in flags else [f"--{name}", next(rest)]
        if "until" not in named:
            words += ["--until", "done"]
        if "timeout" not in named:
            words += ["--timeout", 240]
        self.held, self.blocks = 0, 0
        self.samples = []  # what --progress said, oldest first
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            word, *numbers = line.split()
            if word == "held":
                self.held = int(numbers[0])
            elif word == "blocks":
                words = line.split()
                self.samples.append({k: int(v) for k, v in zip(words[::2], words[1::2])})
                self.blocks = int(numbers[0])

    def alive(self):
        return self.process.poll() is None

    def wait_held(self, count, timeout=60):
        def enough():
            assert self.alive(), self.log_path.read_text()
            return self.held >= count
        wait_until(enough, timeout, 0.01, f"{count} devices held")

    def release(self):
        self.process.send_signal(signal.SIGUSR1)

    def lose_network(self):
        """Every device's session goes, and each comes back as soon as it can."""
        self.process.send_signal(signal.SIGUSR2)

    def finish(self, timeout=240):
        """Waits until every device's fate is sealed; the summary."""
        code = self.process.wait(timeout)
        assert code == 0, f"fleet ended with {code}: {self.fates()}\n{self.log_path.read_text()[-3000:]}"
        return self.summary()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return self.summary()

    def summary(self):
        return json.loads(self.json_path.read_text())

    def fates(self):
        if not self.json_path.exists():
            return "no summary"
        return dict(collections.Counter(d["state"] for d in self.summary()["each"]))

    def close(self):
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Agent:
    """One device with the real agent in a slot, under its launcher."""

    def __init__(self, world, name, firmware, launch=True, **config):
        self.world, self.name = world, name
        self.folder = world.folder / name
        self.folder.mkdir()
        self.state = self.folder / "state"
        self.config = self.folder / "agent.conf"
        self.log_path = self.folder / "log"
        (self.folder / "psk").write_text(base64.b64encode(psk_of(name)).decode() + "\n")
        settings = {"endpoint": name, "server": f"coaps://127.0.0.1:{world.server.coap_port}",
                    "psk_file": "psk", "vendor_id": world.vendor_id, "class_id": world.class_id,
                    "anchor": world.author.public, "state_dir": "state", "observe": "yes",
                    "poll_max_s": 1, "retry_min_ms": 100, "retry_max_ms": 1000, "ack_timeout_ms": 1000,
                    "request_timeout_s": 4, "hello_timeout_s": 6, "trial_s": 30,
                    "trial_tries": 2, **config}  # None: not there
        self.config.write_text("".join(f"{k} = {v}\n" for k, v in settings.items() if v is not None))
        run(LAUNCHER, "provision", "-c", self.config, "--image", firmware)
        self.process = None
        if launch:
            self.launch()

    def launch(self, env=None):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([str(LAUNCHER), "run", "-c", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=dict(os.environ, **(env or {})))
        return self

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def child(self):
        """The process id of the agent, by the launcher's word; None while there is none."""
        pids = re.findall(r"started slot .*, process (\d+)$", self.log(), re.M)
        try:
            os.kill(int(pids[-1]), 0)
        except (IndexError, ProcessLookupError):
            return None
        return int(pids[-1])

    def kill(self):
        """As a crash, for the agent alone; the launcher starts it again."""
        pid = wait_until(self.child, 20, 0.01, "an agent")
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def power_cut(self):
        """The launcher dies, and the agent with it; then there is power again."""
        self.process.kill()
        self.process.wait()
        self.launch()

    def slot_digest(self, slot):
        return hashlib.sha256((self.state / f"{slot}.bin").read_bytes()).hexdigest()

    def boot(self):
        """What the launcher would start now."""
        out = run(LAUNCHER, "show", "-c", self.config).stdout
        return dict(line.split("=", 1) for line in out.splitlines())

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture
def make_world(server, tmp_path):
    """make_world(settings=..., cluster=...): a running daemon with a world around it."""
    worlds = []

    def make(settings=None, **kw):
        daemon = server(settings={"log.level": "info", **(settings or {})}, **kw)
        worlds.append(World(daemon, tmp_path / f"world-{len(worlds)}"))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world):
    return make_world()
