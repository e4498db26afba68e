"""A fleet of a million (20 000 in make check): how soon the daemon is ready, what it needs, whether it
keeps up with the fleet's check-ins while some of them change something, and a campaign over all.

Figures are printed.  They are gated with a factor of ten only, but for the memory of the full fleet."""

import json
import os
import pathlib
import re
import subprocess
import time

import cbor2

from coap_peer import DtlsPeer
from fleet import PROVE, SECRET, make_world, must, psk_of  # noqa: F401
from harness import BUILD, SANITIZED, wait_until

DEVICES = 1_000_000 if PROVE else 20_000
SESSIONS = 1000 if PROVE else 100
RATE, SECONDS = (20_000, 60) if PROVE else (2000, 3)
RSS_MAX_KB = 300 * 1024
READY_MAX_S = 15 * 10
ROWS, LOAD = BUILD / "tests/store/fleet_rows", BUILD / "tests/bench/load_dtls"


def make_fleet(world):
    """Registered devices with keys and components, as rows."""
    dsn = world.server.pg.dsn(world.server.database)
    rows = subprocess.Popen([str(ROWS), dsn, str(world.server.state_dir / "seal.key"), world.vendor_id,
                             world.class_id, str(DEVICES), "device", SECRET], stdout=subprocess.PIPE)
    done = subprocess.run([str(world.server.pg.bin / "psql"), dsn, "-Xq", "-v", "ON_ERROR_STOP=1"],
                          stdin=rows.stdout, text=True, capture_output=True, timeout=900)
    rows.stdout.close()
    assert (rows.wait(60), done.returncode) == (0, 0), done.stderr
    world.sql("VACUUM ANALYZE")


def memory_kb(server, name="VmRSS"):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.M).group(1))


def check_memory(server, when):
    used, most = memory_kb(server), memory_kb(server, "VmHWM")
    print(f"{when}: RSS {used / 1024:.0f} MiB, at most {most / 1024:.0f} MiB so far")
    if not SANITIZED:
        assert most <= RSS_MAX_KB, f"{when}: {most} kB"


def start_timed(server, core=None):
    """Seconds from the start of the process until it serves devices; on one core, when there are several."""
    before = os.sched_getaffinity(0)
    if core is not None and len(before) > 1:
        os.sched_setaffinity(0, {core})
    began = time.monotonic()
    try:
        server.start(ready=False)
        server.wait_serving(READY_MAX_S)
    finally:
        os.sched_setaffinity(0, before)
    return time.monotonic() - began


def registration(world):
    """Of the device with five digits in place of NNNNN, from another boot each time (CCCCCCCC)."""
    return cbor2.dumps({1: "device-NNNNN", 2: bytes.fromhex(world.vendor_id.replace("-", "")),
                        3: bytes.fromhex(world.class_id.replace("-", "")), 4: {"main": [b"\x11" * 32, "1.0.0"]},
                        5: b"CCCCCCCC"})


def load(world, seconds, rate, permille=0, core=None):
    """Check-ins of SESSIONS devices over DTLS; so many in a thousand are registrations that change something."""
    body = world.folder / "registration"
    body.write_bytes(registration(world))
    words = [LOAD, "--port", world.server.coap_port, "--sessions", SESSIONS, "--window", SESSIONS, "--seconds", seconds,
             "--warm", 0, "--psk-secret", SECRET, "--mode", "checkin", "--path", "update", "--rate", rate,
             "--server-pid", world.server.process.pid]
    if permille:
        words += ["--post-path", "register", "--post-body", body, "--post-permille", permille]

    def pin():
        if core is not None and len(os.sched_getaffinity(0)) > core:
            os.sched_setaffinity(0, {core})
    done = subprocess.run([str(w) for w in words], text=True, capture_output=True, timeout=seconds + 300, preexec_fn=pin)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def backend_cpu(world):
    """CPU seconds of the database's processes that serve this daemon."""
    pids = [row[0] for row in world.sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                                        " AND pid <> pg_backend_pid()")]
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def check_ins(world):
    began, sql_before = int(time.time() * 1e6), backend_cpu(world)
    done = load(world, SECONDS, RATE, permille=10, core=1)
    sql = backend_cpu(world) - sql_before
    rate, acknowledged = done["count"] / done["seconds"], done["codes"].get("2.04", 0)
    print(f"check-ins: {rate:.0f}/s of {RATE}/s wanted for {done['seconds']:.0f} s, {acknowledged} of them changes; "
          f"p50 {done['p50_us'] / 1000:.1f} ms, p99 {done['p99_us'] / 1000:.1f} ms; lost {done['lost']}, sent again "
          f"{done['repeats']}; daemon {done['server_cpu'] / done['seconds'] * 100:.0f} % of a core, database "
          f"{sql / done['seconds'] * 100:.0f} %, generator {done['own_cpu'] / done['seconds'] * 100:.0f} %")
    assert rate >= RATE / 10
    assert set(done["codes"]) <= {"2.04", "2.05"} and done["lost"] == 0 and done["failed"] == 0, done
    changes = int(world.sql(f"SELECT count(*) FROM event WHERE kind IN (6, 7) AND at >= {began}")[0][0])
    assert changes >= acknowledged > 0, "an acknowledged change is not there"
    wait_until(lambda: int(world.sql(f"SELECT count(*) FROM device_seen WHERE seen_at >= {began}")[0][0]) == SESSIONS,
               60, 0.2, "signs of life")


def campaign_over_all(world):
    """Started over REST; until it runs, and until a device of it is offered its job."""
    release = world.release("2.0.0", size=4096)
    began = time.monotonic()
    campaign = world.campaign(release, silent_after_s=3600,
                              stages=[{"percent": 1, "soak_s": 3600}, {"percent": 100}])
    wait_until(lambda: world.status(campaign)["state"] == "running", 300, 0.02, "the campaign runs")
    running = time.monotonic() - began
    assert world.status(campaign)["members"] == DEVICES
    first = world.sql("SELECT d.endpoint FROM member m JOIN device d USING (tenant_id, device_id) WHERE m.campaign_id = "
                      f"'{campaign}' ORDER BY m.bucket LIMIT 1")[0][0]
    with DtlsPeer(world.server.coap_port, psk=(first, psk_of(first))) as peer:
        wait_until(lambda: cbor2.loads(peer.get("/update").payload)[1] == 1, 120, 0.02, "an offer")
    print(f"campaign over {DEVICES} devices: runs after {running:.2f} s, its first device is offered a job after "
          f"{time.monotonic() - began:.2f} s")
    exposed = world.sql("SELECT count(*) FROM member m JOIN stage t USING (tenant_id, campaign_id) WHERE m.campaign_id = "
                        f"'{campaign}' AND t.stage = 0 AND m.bucket < t.threshold")
    assert int(exposed[0][0]) == DEVICES // 100, "the first stage is exactly its share"
    return release, campaign


def offer_to_all(world, release):
    """A second campaign exposes everybody at once; those that are there are made jobs."""
    began = time.monotonic()
    campaign = world.campaign(release, silent_after_s=3600)
    world.wait_state(campaign, "running", 300)
    wait_until(lambda: load(world, 1, RATE)["codes"] and world.count(campaign, 1) == SESSIONS, 180, 0.1, "jobs")
    print(f"{SESSIONS} jobs were made {time.monotonic() - began:.1f} s after the start of a campaign that "
          f"exposes {DEVICES} devices at once")


def test_a_million_devices(make_world, request):
    cluster = request.getfixturevalue("own_pg" if PROVE else "pg")
    world = make_world(settings={"coap.threads": 1, "log.level": "warn"}, cluster=cluster)
    began = time.monotonic()
    make_fleet(world)
    print(f"{DEVICES} devices were written in {time.monotonic() - began:.0f} s")
    assert world.server.stop() == 0
    ready = start_timed(world.server, core=0)
    print(f"ready {ready:.2f} s after the start")
    assert ready < READY_MAX_S
    assert int(re.search(r"^muster_roster_devices (\d+)", world.admin.get("/metrics").text, re.M).group(1)) == DEVICES
    check_memory(world.server, "ready")
    check_ins(world)
    check_memory(world.server, f"with {SESSIONS} sessions")
    release, campaign = campaign_over_all(world)
    revision = world.status(campaign)["revision"]
    must(world.admin.post(f"/v1/campaigns/{campaign}/abort", {}, headers={"If-Match": f'"{revision}"'}), 200)
    offer_to_all(world, release)
    assert world.server.stop() == 0
    print(f"ready {start_timed(world.server):.2f} s after a start in the middle of the campaign")
    check_memory(world.server, "in the middle of a campaign")
