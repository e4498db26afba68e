"""Secrets: where they may not be found.  Each test plants them and greps what is left behind."""

import base64
import glob
import os
import pathlib
import resource
import secrets
import signal
import subprocess

import pytest

import coap_peer
import harness


def canary(kind):
    return f"canary-{kind}-{secrets.token_hex(12)}"


class Planted:
    """A daemon that has been told a secret of every kind and has used it."""

    def __init__(self, server, pg, settings=None):
        database = pg.create_database()
        self.password, self.psk = canary("password"), canary("psk").encode()
        self.daemon = server(settings={"database.conninfo": f"{pg.dsn(database)} password={self.password}",
                                       **(settings or {})}, database=database, start=False)
        self.daemon.start()
        self.admin = self.daemon.admin()
        made = self.admin.post("/v1/devices", {"endpoint": "d1", "psk": base64.b64encode(self.psk).decode()})
        assert made.status_code == 201, made.text
        self.use()

    def use(self):
        """Well and badly: over HTTPS and over DTLS."""
        one = self.daemon
        one.client(one.token).get("/v1/whoami?token=" + one.token)
        one.client(one.token).post("/v1/devices", {"endpoint": "d1", "psk": self.texts()["psk, in base64"]})
        one.anonymous().post("/v1/bootstrap", {"secret": one.secret(), "name": "again"})
        with coap_peer.DtlsPeer(one.coap_port, psk=("d1", self.psk)) as peer:
            peer.get("/time")
        with pytest.raises(coap_peer.Refused):
            coap_peer.DtlsPeer(one.coap_port, psk=("d1", self.psk[::-1]))

    def texts(self):
        return {"password": self.password, "psk": self.psk.decode(),
                "psk, in base64": base64.b64encode(self.psk).decode(), "psk, in hex": self.psk.hex(),
                "token": self.daemon.token, "one-time secret": self.daemon.secret()}

    def check_absent(self, where, content):
        for kind, text in self.texts().items():
            assert text.encode() not in content, f"{kind} in {where}"


def plain(program=harness.MUSTERD):
    return b"__asan_init" not in program.read_bytes() and b"__tsan_init" not in program.read_bytes()


def test_C05_no_secret_in_log_argv_environment_or_files(server, own_pg):
    planted = Planted(server, own_pg)
    one = planted.daemon
    process = pathlib.Path(f"/proc/{one.process.pid}")
    planted.check_absent("argv", (process / "cmdline").read_bytes())
    if os.geteuid() == 0:
        planted.check_absent("the environment", (process / "environ").read_bytes())
    # The database goes and comes back: what libpq says of it is logged.
    own_pg.down("immediate")
    harness.wait_until(lambda: one.client(one.token).get("/v1/whoami").status_code == 503, what="503")
    own_pg.up()
    harness.wait_until(lambda: one.client(one.token).get("/v1/whoami").status_code == 200, 60, what="200")
    assert one.stop() == 0
    planted.check_absent("the log", one.log().encode())
    for path in one.state_dir.rglob("*"):
        if path.is_file():
            planted.check_absent(path, path.read_bytes())
    # The one thing that is printed, once, for the administrator to read.
    out = one.out_path.read_text()
    assert out.count(one.secret()) == 1
    planted.check_absent("stdout", out.replace(one.secret(), "").encode())


def test_C05_a_conninfo_that_cannot_be_read_is_not_quoted(server, pg):
    password = canary("password")
    for conninfo in (f"host=/nowhere password=two {password}", f"postgresql://u:%zz{password}@/db",
                     f"host=/nowhere password='{password}"):
        one = server(settings={"database.conninfo": conninfo, "database.connect_timeout": "2s"}, start=False)
        said = one.command("migrate", code=1)
        assert "conninfo" in said.stderr and password not in said.stderr + said.stdout
        one.start(ready=False)
        harness.wait_until(lambda: "conninfo is not of libpq's form" in one.log(), what="the reason")
        assert one.stop() == 0
        assert password not in one.log()


def test_C05_no_option_of_the_cli_takes_a_secret():
    """They come from files, from stdin or from the terminal: argv is for all to see."""
    text = subprocess.run([str(harness.BUILD / "muster"), "help", "--markdown"], text=True, timeout=60,
                          capture_output=True, check=True).stdout
    options = [line for line in text.splitlines() if "`--" in line]
    assert len(options) > 20
    for word in ("passphrase", "password", "token", "secret", "psk"):
        for line in options:
            option = line.split("`")[1]
            if word in option:
                assert "FILE" in option or " " not in option, line


def crash(daemon):
    """Aborts it; the core dumps that it left in its folder."""
    for old in glob.glob(str(daemon.folder / "core*")):
        os.unlink(old)
    daemon.process.send_signal(signal.SIGABRT)
    assert daemon.process.wait(60) == -signal.SIGABRT
    return [pathlib.Path(name).read_bytes() for name in glob.glob(str(daemon.folder / "core*"))]


@pytest.fixture
def dumps_here():
    """Processes started from here on may dump, into the folder they are started in."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if pattern.startswith(("|", "/")) or hard != resource.RLIM_INFINITY:
        pytest.skip("dumps of this machine do not go into the folder of the process")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest.mark.skipif(not plain(), reason="a sanitizer decides about dumps itself")
def test_C05_nothing_dumps_the_daemon(server, pg, dumps_here, monkeypatch):
    # Allowed to, its memory does hold what we look for.
    allowed = Planted(server, pg, {"server.core_dumps": "yes"})
    monkeypatch.chdir(allowed.daemon.folder)
    allowed.daemon.restart()
    allowed.daemon.client(allowed.daemon.token).get("/v1/whoami")
    dumps = crash(allowed.daemon)
    assert len(dumps) == 1 and allowed.psk in dumps[0] and allowed.password.encode() in dumps[0]

    usual = Planted(server, pg)
    monkeypatch.chdir(usual.daemon.folder)
    usual.daemon.restart()
    usual.daemon.client(usual.daemon.token).get("/v1/whoami")
    limits = pathlib.Path(f"/proc/{usual.daemon.process.pid}/limits").read_text()
    assert [line.split()[4] for line in limits.splitlines() if line.startswith("Max core file")] == ["0"]
    assert crash(usual.daemon) == []
