"""A herd: very many devices that come back at the same moment, and what is measured meanwhile."""

import os
import pathlib
import resource
import subprocess
import threading
import time

from fleet import SECRET, run
from harness import BUILD, wait_until
from machine import TICK, stolen_s

PLANT = BUILD / "tests/clients/plant"
COLUMNS = "tenant_id, device_id, endpoint, hash, credential, psk_sealed, certificate, created_at"
COUNTED = ("CPU daemon", "CPU postgres", "CPU fleet", "CPU stolen", "connects", "handshakes")


def plant(world, certificates, psks, prefix="device"):
    """Devices in the database, past REST, while the daemon is down; what their fleet needs."""
    folder = world.folder / f"planted-{prefix}"
    folder.mkdir()
    (sealed,), = world.sql("SELECT encode(secret_sealed, 'hex') FROM tenant WHERE tenant_id = 1")
    done = subprocess.run([str(w) for w in (PLANT, world.server.state_dir, sealed, prefix, certificates, psks,
                                            SECRET, folder)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    pg = world.server.pg
    run(pg.bin / "psql", pg.dsn(world.server.database), "-Xq", "-v", "ON_ERROR_STOP=1",
        "-c", f"\\copy device ({COLUMNS}) FROM '{folder / 'devices.copy'}'", "-c", "ANALYZE device")
    return ["cert-list", folder / "certificates.pem", "cert-key", folder / "key.pem", "ca", world.server.ca_path]


def descendants(pid):
    found = [pid]
    for pid in found:
        try:
            found += [int(p) for t in pathlib.Path(f"/proc/{pid}/task").iterdir()
                      for p in (t / "children").read_text().split()]
        except OSError:
            continue
    return found


def postmaster(pg):
    (folder,), = pg.sql("SHOW data_directory")
    return int(pathlib.Path(folder, "postmaster.pid").read_text().split()[0])


def cpu_s(stat):
    """User and system seconds, from a text of /proc/PID/stat."""
    words = stat.rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICK


def rss_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_by_thread(pid):
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            stat = (task / "stat").read_text()
        except OSError:
            continue
        name = stat[stat.index("(") + 1:stat.rindex(")")].split("-")[0]
        found[name] = found.get(name, 0) + cpu_s(stat)
    return found


def cpu_of_all(pids):
    total = 0
    for pid in pids:
        try:
            total += cpu_s(pathlib.Path(f"/proc/{pid}/stat").read_text())
        except OSError:
            continue
    return total


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Probe:
    """An operator who asks all the time, and how long each answer took; and the daemon's memory."""

    def __init__(self, world, every=0.1):
        self.world, self.every = world, every
        self.took, self.rss, self.wrong, self.begun, self.started = [], [], [], [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        client = self.world.server.client(self.world.server.token)
        paths = ["/v1/devices/device-00000", "/v1/devices?page_size=50", "/v1/campaigns", "/v1/whoami"]
        began = time.monotonic()
        while not self.over.wait(self.every):
            before = time.monotonic()
            try:
                status = client.get(paths[len(self.took) % len(paths)]).status_code
            except OSError as e:
                status = str(e)
            self.took.append(time.monotonic() - before)
            if status != 200:
                self.wrong.append(status)
            if not self.rss or before - began - self.rss[-1][0] > 0.5:
                self.rss.append((before - began, rss_mb(self.world.server.process.pid)))
                text = self.world.admin.get("/metrics").text
                self.begun.append(figure(text, "muster_dtls_handshakes_begun"))
                self.started.append(figure(text, "muster_dtls_handshakes_started_total"))

    def stop(self):
        self.over.set()
        self.thread.join(60)
        return self


def figure(text, name):
    """Of a text of /metrics, whatever its labels; 0: there is none."""
    return next((int(float(line.split()[-1])) for line in text.splitlines()
                 if line.split(" ")[0].split("{")[0] == name), 0)


def metric(world, name):
    return figure(world.admin.get("/metrics").text, name)


def parts(devices):
    """How many devices each process gets: one has no more sockets than files may be open."""
    most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1 << 20) * 3 // 4
    count = -(-devices // most)
    return [devices // count + (i < devices % count) for i in range(count)]


class Herd:
    """Several fleets that are seen as one; each is of a kind, such as "certificates"."""

    def __init__(self, fleets, kinds):
        self.fleets, self.kinds = fleets, kinds
        self.devices = sum(f.devices for f in fleets)
        self.pids = [f.process.pid for f in fleets]

    def check(self):
        for fleet in self.fleets:
            assert fleet.alive(), fleet.log_path.read_text()[-2000:]

    def seen(self):
        """How much each has told so far."""
        return [len(f.samples) for f in self.fleets]

    def sample(self, since):
        """The sum of what they told last, when all have told something since; else None."""
        if any(len(f.samples) <= n for f, n in zip(self.fleets, since)):
            return None
        last = [f.samples[-1] for f in self.fleets]
        served = {kind: sum(s["served"] for s, k in zip(last, self.kinds) if k == kind) for kind in set(self.kinds)}
        return {k: sum(s[k] for s in last) for k in last[0]} | served | {"ms": int(time.monotonic() * 1000)}

    def lose_network(self):
        for fleet in self.fleets:
            fleet.lose_network()

    def stop(self):
        for fleet in self.fleets:
            fleet.stop()


class Wave:
    """From now until every device of the herd has been served."""

    def __init__(self, world, herd, name, gauge):
        self.world, self.herd, self.name, self.gauge = world, herd, name, gauge
        self.since = herd.seen()
        self.samples = []
        self.gauged = 0.0
        self.began = time.monotonic()
        self.before = self._cpu()
        self.probe = Probe(world)

    def _cpu(self):
        pid = self.world.server.process.pid
        return {**cpu_by_thread(pid), "postgres": cpu_of_all(descendants(postmaster(self.world.server.pg))),
                "fleet": cpu_of_all(self.herd.pids)}

    def wait(self, timeout):
        def all_served():
            self.herd.check()
            assert self.world.server.running(), self.world.server.log()[-4000:]
            sample = self.herd.sample(self.since)
            if sample:
                cpu = self._cpu()
                fleet, postgres = cpu.pop("fleet"), cpu.pop("postgres")
                self.gauged += self.gauge.measure()
                self.samples.append(sample | {"CPU daemon": sum(cpu.values()), "CPU postgres": postgres, "CPU fleet": fleet,
                                              "CPU stolen": stolen_s(), "gauge": self.gauged,
                                              "gauges": len(self.samples),
                                              "handshakes": self.probe.started[-1] if self.probe.started else 0})
            return sample and sample["served"] == self.herd.devices
        try:
            wait_until(all_served, timeout, 0.1, f"{self.herd.devices} devices served")
        finally:
            self.took = time.monotonic() - self.began
            self.probe.stop()
            after = self._cpu()
            self.cpu = {k: round(v - self.before.get(k, 0), 2) for k, v in after.items()}
            self.report()
        return self

    def windows(self, seconds, what="served"):
        """Devices served per second, window by window, once the wave runs and until it is nearly
        drained: from the first sample with 2 % of all to the last one with at most 90 %."""
        n = self.herd.devices
        inside = [s for s in self.samples if 0.02 * n <= s["served"] <= 0.9 * n]
        found, start = [], 0
        for i, s in enumerate(inside):
            ms = s["ms"] - inside[start]["ms"]
            if ms >= seconds * 1000:
                found.append((s[what] - inside[start][what]) * 1000 / ms)
                start = i
        return found

    def grown(self, what):
        """Per device, over the wave."""
        return (self.samples[-1][what] - self.samples[0][what]) / self.herd.devices

    def report_pace(self, goodput, seconds):
        """The same, whatever the machine did meanwhile: for a second of the daemon's processor, and
        that in handshakes which OpenSSL alone would have done in it."""
        bare = [g / n for g, n in zip(self.windows(seconds, "gauge"), self.windows(seconds, "gauges"))]
        cpu = self.windows(seconds, "CPU daemon")
        pace = [x * s / used for x, s, used in zip(goodput, bare, cpu) if used > 0]
        print("    ms of a bare handshake: " + " ".join(f"{s * 1000:.2f}" for s in bare))
        if pace:
            print(f"  served in the daemon's time for a bare handshake: peak {max(pace):.2f}, least {min(pace):.2f} "
                  f"({min(pace) / max(pace):.2f}); " + " ".join(f"{x:.2f}" for x in pace))

    def report(self):
        p, s = self.probe, self.samples
        print(f"\n{self.name}: {s[-1]['served'] if s else 0} of {self.herd.devices} served in {self.took:.1f} s")
        if len(s) > 1:
            print(f"  per device: {self.grown('records'):.2f} records sent, {self.grown('connects'):.2f} sessions begun, "
                  f"{self.grown('put-off'):.2f} put off")
        for seconds in (5, 30) if self.took > 120 else (1, 3, 5):
            w = self.windows(seconds)
            if len(w) > 1:
                print(f"  goodput by {seconds} s: peak {max(w):.0f}/s, least {min(w):.0f}/s ({min(w) / max(w):.2f}); "
                      + " ".join(f"{x:.0f}" for x in w))
        if s and w:
            for what in sorted({*self.herd.kinds, *COUNTED}):
                print(f"    {what}: " + " ".join(f"{x:.2f}" if "CPU" in what else f"{x:.0f}" for x in self.windows(seconds, what)))
            self.report_pace(w, seconds)
        if p.took:
            print(f"  API: {len(p.took)} calls, p50 {percentile(p.took, .5) * 1000:.0f} ms, "
                  f"p99 {percentile(p.took, .99) * 1000:.0f} ms, longest {max(p.took) * 1000:.0f} ms; wrong {p.wrong[:5]}")
        if p.rss:
            print(f"  sessions left: {metric(self.world, 'muster_coap_sessions')}")
            print("  RSS MB: " + " ".join(f"{mb:.0f}" for _, mb in p.rss[::max(1, len(p.rss) // 16)] + p.rss[-1:]))
            print(f"  handshakes that were not finished: at most {max(p.begun)}, {p.begun[-1]} at the end")
        print("  CPU s: " + ", ".join(f"{k} {v}" for k, v in sorted(self.cpu.items()) if v))
