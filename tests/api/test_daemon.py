"""The daemon's life: commands, start without a database, watchdog, stop, reload."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from fleet import make_world, world  # noqa: F401
from harness import MUSTERD, ROOT, wait_until
from test_campaigns import Device


def musterd(*words):
    return subprocess.run([str(MUSTERD), *map(str, words)], text=True, capture_output=True, timeout=60)


# --- commands --------------------------------------------------------------------------------

def test_version_and_help():
    assert re.fullmatch(r"musterd \d+\.\d+\.\d+\n", musterd("version").stdout)
    text = musterd("help").stdout
    for command in ("serve", "migrate", "check-config", "ca", "bootstrap"):
        assert re.search(rf"^  {command} ", text, re.M)


@pytest.mark.parametrize("words, complaint", [
    (["sreve"], "musterd: unknown command 'sreve', did you mean 'serve'?\n"),
    (["frobnicate"], "musterd: unknown command 'frobnicate'; try musterd help\n"),
    (["serve", "now"], "musterd: serve: what is 'now'?\n"),
    (["serve", "--sample"], "musterd: serve has no option -s\n"),
    (["ca", "issue", "x", "--days", "0"], "musterd: --days takes a number from 1 to 825\n"),
    (["ca", "burn"], "musterd: ca: say init, show or issue\n"),
])
def test_wrong_usage_is_named(words, complaint):
    done = musterd(*words)
    assert (done.returncode, done.stderr) == (2, complaint)


def test_check_config_names_file_line_and_reason(tmp_path):
    conf = tmp_path / "musterd.conf"
    conf.write_text("[server]\nworkers = 65\n[coap]\nshrads = 3\n")
    done = musterd("-c", conf, "check-config")
    assert done.returncode == 1
    assert done.stderr == (f"{conf}:2: [server] workers: 65 is out of range, 1 to 64\n"
                           f"{conf}:4: [coap] shrads: unknown key, did you mean 'shards'?\n")
    conf.write_text("[server]\nworkers = 64\n")
    assert musterd("-c", conf, "check-config").returncode == 0
    conf.write_text("[log]\nlevel = loud\n")
    assert musterd("-c", conf, "check-config").stderr == \
        f"{conf}: [log] level: must be error, warn, info or debug\n"


def test_sample_is_a_good_configuration(tmp_path):
    sample = musterd("check-config", "--sample").stdout
    assert sample == (ROOT / "deploy/musterd.conf").read_text()
    conf = tmp_path / "musterd.conf"
    conf.write_text(sample)
    assert musterd("-c", conf, "check-config").returncode == 0


def test_ca_is_made_once(server):
    daemon = server(start=False)
    again = daemon.command("ca", "init", code=1)
    assert "there is a CA" in again.stderr
    assert oct((daemon.state_dir / "ca" / "issuing.key").stat().st_mode & 0o777) == "0o600"
    issued = daemon.command("ca", "issue", "dev-1", "--out", daemon.folder)
    key, cert = issued.stdout.split()
    assert oct(os.stat(key).st_mode & 0o777) == "0o600"
    verified = subprocess.run(["openssl", "verify", "-CAfile", str(daemon.ca_path), "-untrusted", cert, cert],
                              text=True, capture_output=True)
    assert verified.returncode == 0, verified.stderr
    assert daemon.command("ca", "issue", "../evil", code=1)


def test_serve_needs_a_ca(server):
    daemon = server(start=False)
    shutil.rmtree(daemon.state_dir / "ca")
    daemon.start(ready=False)
    assert daemon.process.wait(30) == 1
    assert "musterd ca init" in daemon.log()


def test_serve_needs_a_schema_that_fits(server, pg):
    daemon = server(start=False, database=pg.create_database(migrated=False))
    daemon.start(ready=False)
    assert daemon.process.wait(30) == 1
    assert "run `musterd migrate`" in daemon.log()
    assert daemon.command("migrate").stdout.endswith("migrations applied\n")
    assert daemon.command("migrate").stdout == "0 migrations applied\n"
    daemon.start()


def test_state_directory_of_another_database_is_refused(server):
    first, second = server(), server()
    assert first.stop() == 0 and second.stop() == 0
    (first.state_dir / "seal.key").write_bytes((second.state_dir / "seal.key").read_bytes())
    first.start(ready=False)
    assert first.process.wait(30) == 1
    assert "another state directory" in first.log()


# --- the first administrator -------------------------------------------------------------------

def test_C10_one_time_secret_is_printed_once_and_kept_as_a_hash(server):
    daemon = server()
    secret = daemon.secret()
    assert secret and len(secret) >= 22
    dump = str(daemon.pg.sql("SELECT encode(hash, 'escape'), encode(hash, 'hex') FROM bootstrap",
                             daemon.database))
    assert secret not in dump and secret not in daemon.log()
    daemon.admin()
    assert daemon.anonymous().post("/v1/bootstrap", {"secret": secret, "name": "b"}).status_code == 403
    before = daemon.out_path.read_text()
    daemon.restart()
    assert daemon.out_path.read_text() == before
    assert "already" in daemon.command("bootstrap", code=1).stderr


def test_a_lost_secret_can_be_replaced(server):
    daemon = server()
    old = daemon.secret()
    fresh = daemon.command("bootstrap").stdout.strip()
    refused = daemon.anonymous().post("/v1/bootstrap", {"secret": old, "name": "a"})
    assert refused.status_code == 403
    assert daemon.anonymous().post("/v1/bootstrap", {"secret": fresh, "name": "a"}).status_code == 201


def test_secret_does_not_go_to_a_journal(server):
    daemon = server(start=False)
    daemon.env["JOURNAL_STREAM"] = "1:2"
    daemon.start()
    assert daemon.secret() is None
    assert "musterd bootstrap" in daemon.log()


# --- without a database --------------------------------------------------------------------------

def test_starts_without_a_database_and_serves_when_it_comes(server, own_pg):
    database = own_pg.create_database()
    own_pg.down()
    daemon = server(start=False, cluster=own_pg, database=database)
    daemon.start(ready=False)
    rest = daemon.anonymous()

    def live():
        try:
            return rest.get("/livez", timeout=2).status_code == 200
        except OSError:
            return False
    wait_until(live, what="/livez")
    assert rest.get("/readyz").status_code == 503
    answer = daemon.client("x" * 43).get("/v1/whoami")
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    wait_until(lambda: daemon.notify.has("READY=1"), 15, what="READY without a database")
    own_pg.up()
    daemon.wait_serving()
    wait_until(lambda: rest.get("/readyz").status_code == 200, what="/readyz")
    assert daemon.admin().get("/v1/whoami").json()["role"] == "admin"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_database_goes_and_comes_back(server, own_pg, mode):
    daemon = server(cluster=own_pg)
    admin = daemon.admin()
    own_pg.down(mode)
    wait_until(lambda: admin.get("/v1/whoami").status_code == 503, what="503")
    wait_until(lambda: daemon.anonymous().get("/readyz").status_code == 503, what="not ready")
    assert daemon.anonymous().get("/livez").status_code == 200
    own_pg.up()
    wait_until(lambda: admin.get("/v1/whoami").status_code == 200, what="200 again")
    wait_until(lambda: daemon.anonymous().get("/readyz").status_code == 200, what="ready again")


def test_stops_in_order_without_a_database(server, own_pg):
    daemon = server(cluster=own_pg)
    own_pg.down()
    assert daemon.stop() == 0
    assert daemon.log().rstrip().endswith("stopped")


# --- systemd -------------------------------------------------------------------------------------

def test_tells_systemd(server):
    daemon = server()
    assert daemon.notify.has("READY=1")
    assert daemon.stop() == 0
    assert daemon.notify.has("STOPPING=1")


def test_slow_database_never_trips_the_watchdog(server, own_pg):
    """The database hangs (it is stopped, not gone); the watchdog is fed all the same."""
    daemon = server(cluster=own_pg, start=False)
    daemon.start(env={"WATCHDOG_USEC": "4000000"})
    admin = daemon.admin()
    pids = [int(row[0]) for row in own_pg.sql("SELECT pid FROM pg_stat_activity WHERE backend_type ="
                                              " 'client backend' AND pid <> pg_backend_pid()")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        asked = threading.Thread(target=lambda: admin.get("/v1/whoami"))
        asked.start()
        begin = time.monotonic()
        time.sleep(9)
        fed = [at for at, line in daemon.notify.read() if line == "WATCHDOG=1" and at > begin]
        assert len(fed) >= 3
        assert daemon.anonymous().get("/livez").status_code == 200
        asked.join(30)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_hup_reads_the_log_level_again(server):
    daemon = server(settings={"log.level": "info"})
    assert " debug " not in daemon.log()
    daemon.settings["log.level"] = "nonsense"
    daemon.write_config()
    daemon.reload()
    wait_until(lambda: "has faults" in daemon.log(), what="a refusal")
    daemon.settings["log.level"] = "debug"
    daemon.write_config()
    daemon.reload()
    wait_until(lambda: "level=debug" in daemon.log(), what="the new level")


def test_a_command_of_root_writes_what_the_daemon_can_read():
    """The state directory is the daemon's, whoever makes the CA."""
    if os.geteuid() != 0:
        pytest.skip("only root can act for others")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="muster-owner-"))
    try:
        folder.chmod(0o755)
        (folder / "state").mkdir(mode=0o700)
        os.chown(folder / "state", 65534, 65534)
        config = folder / "musterd.conf"
        config.write_text(f"[server]\nstate_dir = {folder}/state\n")
        config.chmod(0o600)
        done = subprocess.run([str(MUSTERD), "-c", str(config), "ca", "init"], text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        made = list((folder / "state").rglob("*"))
        assert {"root.key", "root.crt"} <= {p.name for p in made}
        assert {(p.stat().st_uid, p.stat().st_gid) for p in made} == {(65534, 65534)}
    finally:
        shutil.rmtree(folder)


def test_unit_exposure():
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15",
                           str(ROOT / "deploy/systemd/musterd.service")], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


# --- kill -9 --------------------------------------------------------------------------------------

def test_starts_again_after_kill(server):
    daemon = server()
    admin = daemon.admin()
    for _ in range(3):
        daemon.kill()
        daemon.start()
        assert admin.get("/v1/whoami").status_code == 200


# --- beside others --------------------------------------------------------------------------------

def test_workers_count_where_no_other_daemon_does(world):  # noqa: F811
    """Below are the rows in which all daemons counted once, and the ticker's (core/tally_rules.h)."""
    device = Device(world, "d")
    device.register()
    world.campaign(world.release(size=100), {"devices": ["d"]})
    device.wait_offer()
    shards = [int(shard) for shard, in world.server.pg.sql("SELECT shard FROM tally WHERE state = 1", world.server.database)]
    assert shards and min(shards) > 1000, shards
