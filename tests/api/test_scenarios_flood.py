"""Floods: forged ClientHellos, sessions without end, slow HTTPS peers."""

import os
import pathlib
import socket
import ssl
import statistics
import subprocess
import time

import pytest

import herd
from coap_peer import DtlsPeer, Refused
from fleet import PROVE, make_world  # noqa: F401
from harness import BUILD, SPARE_MB, wait_until
from test_coap_traps import Devices, asks

FLOOD = BUILD / "tests/clients/flood"
RATE, SECONDS = (50_000, 30) if PROVE else (20_000, 3)


@pytest.fixture
def devices(server, tmp_path):
    made = Devices(server({"log.level": "info"}), tmp_path)
    yield made
    made.close()


def handshakes(devices, names, until):
    """One after the other, as long as it goes on: seconds of each, and how many failed."""
    took, failed, n = [], 0, 0
    while time.monotonic() < until:
        before = time.monotonic()
        try:
            peer = DtlsPeer(devices.server.coap_port, timeout=15, **devices.credentials[names[n % len(names)]])
            asks(peer)
            peer.close()
            took.append(time.monotonic() - before)
        except (Refused, AssertionError):
            failed += 1
        n += 1
    return took, failed


@pytest.mark.parametrize("cookie", [0, 4, 32] if PROVE else [0, 4])
def test_B02_R15_forged_hellos(devices, cookie):
    """First hellos, and such as pretend to have had an answer: the daemon keeps nothing of them,
    and devices come in meanwhile."""
    names = [devices.add("psk"), devices.add("cert")]
    pid = devices.server.process.pid
    quiet, failed = handshakes(devices, names, time.monotonic() + 1)
    assert quiet and not failed
    before_mb, before_s = herd.rss_mb(pid), herd.cpu_by_thread(pid)["coap"]
    process = subprocess.Popen([str(FLOOD), str(devices.server.coap_port), str(RATE), str(SECONDS), str(cookie)],
                               stdout=subprocess.PIPE, text=True)
    took, failed = handshakes(devices, names, time.monotonic() + SECONDS)
    sent = int(process.communicate(timeout=60)[0])
    grown_mb, cpu_s = herd.rss_mb(pid) - before_mb, herd.cpu_by_thread(pid)["coap"] - before_s
    print(f"\n{sent} forged hellos in {SECONDS} s, cookie of {cookie}: RSS {before_mb:.1f} {grown_mb:+.1f} MB; "
          f"{cpu_s:.2f} s of CPU, {cpu_s / sent * 1e6:.1f} us each; {len(took)} handshakes, {failed} failed; "
          f"median {statistics.median(took) * 1000:.0f} ms (quiet {statistics.median(quiet) * 1000:.0f}), "
          f"longest {max(took) * 1000:.0f} ms")
    assert sent > SECONDS * 1000, "the flood was none"
    assert failed <= len(took) / 100
    assert grown_mb < 8 + SPARE_MB, "forged hellos are kept"


# --- HTTPS ------------------------------------------------------------------------------------

SLOW, SLOW_S = (5000, 30) if PROVE else (100, 4)
MODES = {"slow headers": ["-H", "-i", "2"], "slow body": ["-B", "-i", "2", "-s", "8192"], "ranges": ["-R"],
         "slow read": ["-X", "-n", "2", "-w", "64", "-y", "256", "-z", "16", "-k", "3"]}


class Operator:
    """Asks all the time; how long each answer took."""

    def __init__(self, daemon):
        self.client, self.took = daemon.admin(), []

    def ask(self, until):
        while time.monotonic() < until:
            before = time.monotonic()
            assert self.client.get("/v1/whoami").status_code == 200
            self.took.append(time.monotonic() - before)
            time.sleep(0.02)

    def p99(self):
        p99, self.took = herd.percentile(self.took, .99), []
        return p99


def attack(daemon, mode, folder):
    words = ["slowhttptest", *MODES[mode], "-c", SLOW, "-r", SLOW // 5, "-l", SLOW_S, "-p", "5",
             "-u", f"{daemon.url}/v1/limits"]
    return subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)


@pytest.mark.parametrize("modes", [[m] for m in MODES] if PROVE else [list(MODES)], ids=lambda m: " ".join(m))
def test_B11_R14_slow_peers(server, tmp_path, modes):
    """Thousands of peers that send or read as slowly as they can: the API answers as always, and
    nobody stays for longer than his time."""
    daemon = server({"log.level": "info", "http.max_connections": 10000, "http.max_per_address": 10000})
    operator, pid = Operator(daemon), daemon.process.pid
    operator.ask(time.monotonic() + 1)
    idle, before = operator.p99(), herd.rss_mb(pid)
    running = [attack(daemon, mode, tmp_path) for mode in modes]
    most, peak = 0, 0
    while any(p.poll() is None for p in running):
        operator.ask(time.monotonic() + 0.5)
        most, peak = max(most, descriptors(pid)), max(peak, herd.rss_mb(pid))
    busy = operator.p99()
    print(f"\n{', '.join(modes)}: API p99 {idle * 1000:.0f} ms idle, {busy * 1000:.0f} ms under attack ({busy / idle:.1f}); "
          f"{most} connections at most, RSS {before:.0f} to {peak:.0f} MB, "
          f"{(peak - before) * 1024 / max(1, most):.0f} kB a connection")
    assert most > SLOW / 2, "the attack was none"
    assert busy <= max(2 * idle, 1.0 if PROVE else 5.0)
    wait_until(lambda: descriptors(pid) < 10, 60, 0.2, "slow connections are gone")


def descriptors(pid):
    """Sockets of HTTPS that are open."""
    port = {int(line.split()[1].split(":")[1], 16) for line in open(f"/proc/{pid}/net/tcp") if "0A" in line.split()[3:4]}
    inodes = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            link = os.readlink(fd)
        except OSError:
            continue
        if link.startswith("socket:["):
            inodes.add(link[8:-1])
    return sum(line.split()[9] in inodes and line.split()[3] == "01" and int(line.split()[1].split(":")[1], 16) in port
               for line in open(f"/proc/{pid}/net/tcp"))


def test_B11_one_address_has_its_share_of_connections(server):
    """With the standard settings one address cannot take all connections from the others."""
    daemon = server({"log.level": "info", "http.max_per_address": 32})
    held = []
    try:
        for _ in range(64):
            s = socket.create_connection(("127.0.0.1", daemon.https_port), timeout=5)
            held.append(s)
        time.sleep(0.5)
        other = ssl.create_default_context(cafile=str(daemon.ca_path))
        with socket.create_connection(("127.0.0.1", daemon.https_port), timeout=5, source_address=("127.0.0.2", 0)) as raw, \
                other.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
            tls.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert tls.recv(64).startswith(b"HTTP/1.1 200")
        assert descriptors(daemon.process.pid) <= 40
    finally:
        for s in held:
            s.close()


# --- sessions ---------------------------------------------------------------------------------

def test_B09_sessions_have_a_cap(make_world):
    """More devices than there may be sessions: all are served, the longest idle ones give way, and
    memory does not follow."""
    devices, cap = (20_000, 2_000) if PROVE else (110, 64)
    world = make_world({"coap.max_sessions": cap, "coap.shards": 2 if PROVE else 1})
    assert world.server.stop() == 0
    herd.plant(world, 0, devices)
    world.server.start()
    fleet = world.fleet(devices, "spread-ms", devices // 2, "progress", "observe", "until", 604800,
                        "timeout", 0, "request-timeout-s", 15 if PROVE else 3)
    most = 0

    def all_served():
        nonlocal most
        most = max(most, herd.metric(world, "muster_coap_sessions"))
        return fleet.samples and fleet.samples[-1]["served"] == devices
    wait_until(all_served, 120, 0.1, "all served")
    pid = world.server.process.pid
    first = herd.rss_mb(pid)
    for _ in range(3 if PROVE else 1):
        fleet.lose_network()
        time.sleep(1)
        wait_until(all_served, 120, 0.1, "all served again")
    print(f"\n{devices} devices, cap {cap}: {most} sessions at most; RSS {first:.1f} MB, later {herd.rss_mb(pid):.1f} MB")
    assert most <= cap * 1.25 + 64, "the cap does not hold"
    assert herd.rss_mb(pid) < first + 16 + SPARE_MB
    fleet.stop()
