"""One small campaign from its first device to its end, while something happens to the daemon at one
of its calls (tests/preload/callpoint.c), and what the ledger says afterwards.

A Stage is made once: a database with an operator, a class and an author key to copy, a state
directory to copy, and a signed release.  A Run is one campaign on copies of them.  Runs do not
know each other, so a Lane (its ports) each may go on at the same time."""

import base64
import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import random
import shutil
import subprocess
import threading
import time

import requests

from fleet import CLASS, FLEET, SECRET, VENDOR, Author, must, psk_of
from harness import BUILD, Rest, Server, free_port
from ledger import Judge, Ledger, fleet_lines, snapshot

CALLPOINT = BUILD / "tests/preload/callpoint.so"
DEVICES = 2
PATIENCE_S = 90
SETTINGS = {"server.workers": 2, "http.threads": 1, "coap.shards": 1, "log.level": "info"}


class QuietRest(Rest):
    """Runs on many threads; other tests hold the answers to their description."""
    observers = []


class Stage:
    def __init__(self, pg, folder, seed, image_size=3000):
        self.pg, self.folder = pg, folder
        server = Server(folder / "stage", pg.dsn(pg.create_database()), SETTINGS)
        server.pg, self.database = pg, server.settings["database.conninfo"].split("dbname=")[1]
        server.prepare()
        server.start()
        admin = server.admin()
        author = Author(folder / "author")
        made = must(admin.post("/v1/classes", {"vendor": VENDOR, "name": CLASS}), 201)
        self.vendor_id, self.class_id = made["vendor_id"], made["class_id"]
        must(admin.post("/v1/author-keys", {"vendor_id": self.vendor_id, "class_id": self.class_id,
                                            "public_key_pem": author.public.read_text()}), 201)
        self.anchor = author.public
        self.image = random.Random(seed).randbytes(image_size)
        self.digest = hashlib.sha256(self.image).hexdigest()
        self.envelope = author.sign(self.image, "2.0.0")[1].read_bytes()
        self.token, self.state_dir, self.ca = server.token, server.state_dir, server.ca_path
        assert server.stop() == 0

    def database_copy(self):
        name = f"k{os.urandom(8).hex()}"
        self.pg.sql(f"CREATE DATABASE {name} TEMPLATE {self.database}")
        return name


class Lane:
    """Ports that one run after the other uses."""

    def __init__(self, used):
        self.https = self.fresh(used)
        self.coap = self.fresh(used)

    @staticmethod
    def fresh(used):
        port = free_port()
        while port in used:
            port = free_port()
        used.add(port)
        return port


@dataclasses.dataclass
class Point:
    at: int
    how: str  # before, after, torn: the daemon dies; cut-before, cut-after: its connection goes
    files: bool = False  # only calls on files are counted

    def __str__(self):
        return f"{self.how} call {self.at}" + (" on a file" if self.files else "")


class Run:
    def __init__(self, stage, lane, folder, point=None):
        self.stage, self.folder, self.point = stage, folder, point
        self.mark, self.calls_path = folder / "mark", folder / "calls"
        self.restarts = []  # seconds from start to serving
        self.database = stage.database_copy()
        self.server = Server(folder, stage.pg.dsn(self.database), dict(
            SETTINGS, **{"http.listen": f"127.0.0.1:{lane.https}", "coap.listen": f"127.0.0.1:{lane.coap}"}))
        self.server.url = f"https://127.0.0.1:{lane.https}"
        self.server.ca_path, self.server.coap_port = stage.ca, lane.coap
        shutil.copytree(stage.state_dir, self.server.state_dir)
        self.client = QuietRest(self.server, stage.token)
        self.ledger = Ledger(folder / "operator.ledger")
        self.first = {}  # by key: the request and its first answer
        self.fleet = None
        self.env = {"LD_PRELOAD": str(CALLPOINT), "MUSTER_CALL_AT": str(point.at if point else 0),
                    "MUSTER_CALL_HOW": point.how if point else "", "MUSTER_CALL_MARK": str(self.mark),
                    "MUSTER_CALL_COUNT": str(self.calls_path),
                    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        if point and point.files:
            self.env["MUSTER_CALL_KIND"] = "file"

    # --- the daemon

    def start(self):
        self.server.start(ready=False, env=self.env)

    def revive(self):
        """A daemon that died at its point is started again, without repair."""
        if self.server.running():
            return
        code = self.server.process.returncode
        assert code == -9 and not self.restarts, f"musterd ended with {code}\n{self.server.log()[-3000:]}"
        assert self.mark.exists(), "musterd was killed by somebody else"
        began = time.monotonic()
        self.server.start()
        self.restarts.append(time.monotonic() - began)

    def until(self, check, what):
        end = time.monotonic() + PATIENCE_S
        while True:
            self.revive()
            value = check()
            if value is not None:
                return value
            assert time.monotonic() < end, f"{what} did not come\n{self.server.log()[-3000:]}"
            time.sleep(0.05)

    # --- the operator

    def ask(self, method, path, wanted, **kw):
        """Again and again, until the answer is not 'try later'."""
        kw.setdefault("timeout", 15)

        def answered():
            try:
                answer = self.client.request(method, path, **kw)
            except requests.RequestException:
                return None
            if len(answer.content) < int(answer.headers.get("Content-Length", 0)):
                return None  # requests does not mind that the connection ended in the middle
            if answer.status_code == 503 or (answer.status_code == 409 and "idempotency-busy" in answer.text):
                return None
            assert answer.status_code in wanted, f"{method} {path}: {answer.status_code} {answer.text}"
            return answer
        return self.until(answered, f"an answer to {method} {path}")

    def act(self, key, path, body, wanted, **headers):
        request = dict(json=body, headers={"Idempotency-Key": key, **headers})
        answer = self.ask("POST", path, (wanted,), **request)
        self.first[key] = (path, request, answer)
        return answer.json()

    def prepare(self):
        for i in range(DEVICES):
            name = f"device-{i:05d}"
            made = self.act(f"add-{i}", "/v1/devices", {
                "endpoint": name, "psk": base64.b64encode(psk_of(name)).decode()}, 201)
            self.ledger.note("device", key=f"add-{i}", endpoint=name, id=made["device_id"])
        self.ask("PUT", f"/v1/images/{self.stage.digest}", (200, 201), data=self.stage.image,
                 headers={"Content-Type": "application/octet-stream"})
        self.ledger.note("image", digest=self.stage.digest)
        made = self.act("release", "/v1/releases", {
            "envelope": base64.b64encode(self.stage.envelope).decode(), "version": "2.0.0"}, 201)
        self.ledger.note("release", key="release", version="2.0.0", id=made["release_id"])
        return made["release_id"]

    def registered(self):
        self.fleet_ended()
        for i in range(DEVICES):
            if self.ask("GET", f"/v1/devices/device-{i:05d}", (200,)).json()["lifecycle"] != "active":
                return None
        return True

    def campaign(self, release):
        made = self.act("campaign", "/v1/campaigns", {
            "name": "to 2.0.0", "release_id": release, "target": {"all": True}, "silent_after_s": 300}, 201)
        ident = made["campaign_id"]
        self.ledger.note("campaign", key="campaign", name="to 2.0.0", id=ident)
        self.act("start", f"/v1/campaigns/{ident}/start", {}, 202, **{"If-Match": f'"{made["revision"]}"'})
        self.ledger.note("start", key="start", id=ident)
        return ident

    def finished(self, campaign):
        state = self.ask("GET", f"/v1/campaigns/{campaign}", (200,)).json()["state"]
        self.ledger.note("state", id=campaign, state=state)
        return True if state == "finished" else None

    def replay(self):
        """What was answered once is answered again, word for word."""
        for key, (path, request, first) in self.first.items():
            again = self.ask("POST", path, (first.status_code,), **request)
            self.ledger.note("replay", key=key, first=[first.status_code, first.json()],
                             again=[again.status_code, again.json()])

    # --- the devices

    def start_fleet(self):
        words = [FLEET, "--server", f"coaps://127.0.0.1:{self.server.coap_port}", "--devices", DEVICES,
                 "--psk-secret", SECRET, "--vendor", self.stage.vendor_id, "--class", self.stage.class_id,
                 "--anchor", self.stage.anchor, "--ledger", self.folder / "fleet.ledger", "--json",
                 self.folder / "fleet.json", "--until", "done", "--timeout", 2 * PATIENCE_S, "--spread-ms", 0,
                 "--reboot-ms", 50, "--poll", 1, "--request-timeout-s", 2, "--ack-timeout-ms", 1000,
                 "--retry-min-ms", 50, "--retry-max-ms", 300]
        with open(self.folder / "fleet.log", "wb") as log:
            self.fleet = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def fleet_ended(self):
        code = self.fleet.poll()
        assert code in (None, 0), f"the fleet ended with {code}\n{(self.folder / 'fleet.log').read_text()[-2000:]}"
        return code is not None or None

    # --- all of it

    def play(self):
        """Plays the campaign to its end; what is wrong then, in words."""
        try:
            self.start()
            release = self.prepare()
            self.start_fleet()
            self.until(self.registered, "registrations")
            campaign = self.campaign(release)
            self.until(self.fleet_ended, "the devices' end")
            self.until(lambda: self.finished(campaign), "the campaign's end")
            self.replay()
            self.revive()  # it may die while it answers the last one
            code = self.server.stop()
            if code == -9:
                self.revive()
                code = self.server.stop()
            assert code == 0, f"musterd ended with {code}"
            return self.judge()
        finally:
            self.close()

    def image_path(self):
        return self.server.state_dir / "images" / self.stage.digest[:2] / self.stage.digest[2:]

    def judge(self, damage=None):
        each = json.loads((self.folder / "fleet.json").read_text())["each"]
        updated = {d["name"]: d["digest"] for d in each if d["state"] == "updated"}
        judge = Judge(snapshot(self.stage.pg, self.database, damage), self.server.state_dir / "images",
                      self.ledger.entries, fleet_lines(self.folder / "fleet.ledger"), updated)
        judge.say(len(updated) == DEVICES, f"the devices' fates: {[d['state'] for d in each]}")
        judge.say(set(updated.values()) == {self.stage.digest}, "a device runs another image")
        return judge.violations()

    def happened(self):
        """The name of the call at which it happened, or None."""
        return self.mark.read_text() if self.mark.exists() else None

    def calls(self):
        return {name: int(n) for name, n in (line.split() for line in self.calls_path.read_text().splitlines())}

    def close(self):
        if self.fleet and self.fleet.poll() is None:
            self.fleet.kill()
            self.fleet.wait()
        if self.server.running():
            self.server.kill()
        if self.server.notify:
            self.server.notify.close()
        self.client.session.close()

    def drop(self):
        self.stage.pg.sql(f"DROP DATABASE IF EXISTS {self.database}")
        shutil.rmtree(self.folder)


class Upload(Run):
    """An upload alone, to a daemon whose disk fails at one call."""

    refused = None

    def revive(self):
        assert self.server.running(), f"musterd ended\n{self.server.log()[-3000:]}"

    def put(self):
        return self.client.put(f"/v1/images/{self.stage.digest}", data=self.stage.image,
                               headers={"Content-Type": "application/octet-stream"})

    def play(self):
        try:
            self.server.start(env=self.env)
            answer = self.put()
            if answer.status_code >= 300:
                self.refused = f"{answer.status_code} {answer.json()['type']}"
                assert answer.status_code == 507, self.refused
                assert self.stage.pg.sql("SELECT * FROM image", self.database) == []
                assert list((self.server.state_dir / "images/tmp").iterdir()) == []
                answer = self.put()
            assert answer.status_code == 201, answer.text
            self.ledger.note("image", digest=self.stage.digest)
            assert self.server.stop() == 0
            judge = Judge(snapshot(self.stage.pg, self.database), self.server.state_dir / "images", self.ledger.entries)
            judge.say(bool(self.refused) == bool(self.happened()), f"a fault at {self.happened()}: {self.refused}")
            return judge.violations()
        finally:
            self.close()


class Sweep:
    """Many points, some at a time.  What went wrong is in `failures`, with its folder left."""

    def __init__(self, stage, folder, lanes):
        self.stage, self.folder = stage, folder
        used = set()
        self.free = [Lane(used) for _ in range(lanes)]
        self.lock = threading.Lock()
        self.reached, self.missed, self.restarts, self.failures = collections.Counter(), 0, [], []

    def one(self, number, point):
        with self.lock:
            lane = self.free.pop()
        try:
            folder = self.folder / f"run-{number}"
            folder.mkdir(parents=True)
            run = Run(self.stage, lane, folder, point)
            try:
                wrong = run.play()
            except Exception as e:  # a daemon that does not come up is a violation like any other
                wrong = [f"{type(e).__name__}: {e}"]
            self.note(run, wrong)
        finally:
            with self.lock:
                self.free.append(lane)

    def note(self, run, wrong):
        call = run.happened()
        with self.lock:
            self.restarts += run.restarts
            if call:
                self.reached[f"{call} {run.point.how}"] += 1
            else:
                self.missed += 1
            if wrong:
                self.failures.append(f"{run.point} ({call}), {run.folder}: " + "; ".join(wrong))
                print(self.failures[-1], flush=True)
        if not wrong:
            run.drop()

    def play(self, points):
        with concurrent.futures.ThreadPoolExecutor(len(self.free)) as pool:
            try:
                for done in [pool.submit(self.one, i, p) for i, p in enumerate(points)]:
                    done.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def report(self):
        slowest = sorted(self.restarts)
        ninety = slowest[int(len(slowest) * 0.99)] if slowest else 0
        return (f"{sum(self.reached.values())} points ({self.missed} were not reached), {len(self.failures)} with "
                f"violations; restart to serving: p99 {ninety:.2f} s, longest {slowest[-1] if slowest else 0:.2f} s; "
                + ", ".join(f"{n} {what}" for what, n in sorted(self.reached.items())))
