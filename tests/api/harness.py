"""What API and scenario tests run against: a private PostgreSQL, real daemons, REST clients.

Nothing here is shared with another run: folders are temporary, ports are free ones, sockets are
abstract or in short temporary folders."""

import os
import pathlib
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
MUSTERD = BUILD / "musterd"
SANITIZED = BUILD.name.endswith(("-asan", "-tsan"))
SPARE_MB = 512 if SANITIZED else 0  # a sanitizer keeps for a while what was freed


def wait_until(check, timeout=20, every=0.05, what="it"):
    """The first true value of check(); fails the test when the time is up."""
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {timeout} s")
        time.sleep(every)


def free_port():
    """A port that is free for TCP and UDP, below those that the system hands out by itself."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(15000, 32000)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


class Postgres:
    """A private cluster (tests/pg.sh)."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="muster-pg-", dir="/tmp")
        self.conninfo = self._run("start").strip().splitlines()[-1]
        self.host = re.search(r"host=(\S+)", self.conninfo).group(1)
        self.bin = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.template = None

    def _run(self, verb, *words, timeout=120):
        done = subprocess.run(["sh", str(ROOT / "tests/pg.sh"), verb, self.dir, *words], text=True,
                              stdout=subprocess.PIPE, timeout=timeout)
        assert done.returncode == 0, f"pg.sh {verb} failed"
        return done.stdout

    def down(self, mode="fast"):
        """Stops the server; mode is fast, immediate (as a crash) or smart."""
        self._run("down", mode)

    def up(self):
        self._run("up")

    def remove(self):
        self._run("stop", timeout=900)  # a busy disk takes its time to forget gigabytes
        shutil.rmtree(self.dir, ignore_errors=True)

    def dsn(self, database):
        return f"host={self.host} user=muster dbname={database}"

    def sql(self, query, database="postgres"):
        """Rows as lists of texts."""
        done = subprocess.run([str(self.bin / "psql"), self.dsn(database), "-XAtq", "-F", "\t",
                               "-v", "ON_ERROR_STOP=1", "-c", query],
                              text=True, capture_output=True, timeout=300)  # a checkpoint on a busy disk
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def create_database(self, migrated=True):
        """A database of its own; migrated ones are copies of one that musterd migrated."""
        name = "m" + secrets.token_hex(8)
        if not migrated:
            self.sql(f"CREATE DATABASE {name}")
            return name
        if not self.template:
            template = self.create_database(migrated=False)
            with tempfile.TemporaryDirectory(prefix="muster-") as folder:
                conf = pathlib.Path(folder) / "musterd.conf"
                conf.write_text(f"[database]\nconninfo = {self.dsn(template)}\n")
                done = subprocess.run([str(MUSTERD), "-c", str(conf), "migrate"], text=True,
                                      capture_output=True, timeout=120)
                assert done.returncode == 0, done.stderr
            self.template = template
        self.sql(f"CREATE DATABASE {name} TEMPLATE {self.template}")
        return name


class NotifySocket:
    """Plays systemd's part: reads what the daemon says by sd_notify."""

    def __init__(self):
        self.name = f"muster-test-{secrets.token_hex(8)}"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.sock.bind("\0" + self.name)
        self.sock.setblocking(False)
        self.seen = []  # (monotonic time, line)

    def read(self):
        while True:
            try:
                text = self.sock.recv(65536).decode()
            except BlockingIOError:
                return self.seen
            self.seen += [(time.monotonic(), line) for line in text.splitlines() if line]

    def has(self, line):
        return any(text == line for _, text in self.read())

    def close(self):
        self.sock.close()


class Rest:
    """A REST client of one operator.  Observers (the contract test is one) see every answer."""

    observers = []

    def __init__(self, server, token=None, cert=None):
        self.server, self.token = server, token
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(server.ca_path)
        self.session.cert = cert

    def request(self, method, path, **kw):
        headers = dict(kw.pop("headers", None) or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        kw.setdefault("timeout", 30)
        answer = self.session.request(method, self.server.url + path, headers=headers, **kw)
        for observer in self.observers:
            observer(method, path, headers, kw, answer)
        return answer

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, json=None, **kw):
        return self.request("POST", path, json=json, **kw)

    def put(self, path, data=None, **kw):
        return self.request("PUT", path, data=data, **kw)

    def patch(self, path, json=None, **kw):
        return self.request("PATCH", path, json=json, **kw)

    def delete(self, path, **kw):
        return self.request("DELETE", path, **kw)


class Server:
    """One musterd: its folder, configuration, log and life.  settings: {"coap.shards": 4}."""

    def __init__(self, folder, dsn, settings=None, env=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state_dir = self.folder / "state"
        self.config_path = self.folder / "musterd.conf"
        self.log_path = self.folder / "musterd.log"
        self.out_path = self.folder / "stdout"
        self.ca_path = self.folder / "root.pem"
        self.https_port, self.coap_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.https_port}"
        self.env = dict(os.environ, **(env or {}))
        self.env.pop("JOURNAL_STREAM", None)
        self.settings = {
            "server.state_dir": self.state_dir,
            "database.conninfo": dsn,
            "http.listen": f"127.0.0.1:{self.https_port}",
            "coap.listen": f"127.0.0.1:{self.coap_port}",
            "log.level": "debug",
        }
        self.settings.update(settings or {})
        self.process = None
        self.notify = None
        self.token = None
        self.write_config()

    # --- before it runs

    def write_config(self):
        sections = {}
        for key, value in self.settings.items():
            section, name = key.split(".")
            sections.setdefault(section, []).append(f"{name} = {value}\n")
        self.config_path.write_text(
            "\n".join(f"[{name}]\n{''.join(lines)}" for name, lines in sections.items()))

    def command(self, *words, code=0):
        done = subprocess.run([str(MUSTERD), "-c", str(self.config_path), *map(str, words)],
                              text=True, capture_output=True, timeout=120, env=self.env)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def prepare(self):
        """The certificate authority; the database is migrated already."""
        self.command("ca", "init", "--name", "Test")
        self.ca_path.write_text(self.command("ca", "show").stdout)

    # --- its life

    def start(self, ready=True, env=None):
        """Starts it; with ready, waits until it serves devices too."""
        assert not self.running()
        if self.notify:
            self.notify.close()
        self.notify = NotifySocket()
        with open(self.log_path, "ab") as log, open(self.out_path, "ab") as out:
            self.process = subprocess.Popen(
                [str(MUSTERD), "-c", str(self.config_path), "serve"], stdin=subprocess.DEVNULL,
                stdout=out, stderr=log,
                env=dict(self.env, NOTIFY_SOCKET="@" + self.notify.name, **(env or {})))
        if ready:
            self.wait_serving()
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def wait_serving(self, timeout=60):
        def serving():
            assert self.running(), "musterd ended:\n" + self.log()[-4000:]
            return self.notify.has("STATUS=serving")
        wait_until(serving, timeout, what="serving")

    def stop(self, timeout=30):
        """An orderly stop; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self.check_log()
        return code

    def kill(self):
        """As a power cut, for this process."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def restart(self, ready=True):
        assert self.stop() == 0
        return self.start(ready)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def close(self):
        """At the end of a test, in whatever state it is."""
        try:
            if self.running():
                code = self.stop()
                assert code == 0, f"musterd ended with {code}:\n" + self.log()[-4000:]
            self.check_log()
        finally:
            if self.running():
                self.kill()
            if self.notify:
                self.notify.close()

    # --- what it said

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def check_log(self):
        bad = re.search(r"ERROR: \w+Sanitizer|runtime error:|Assertion .* failed", self.log())
        assert not bad, self.log()[bad.start():bad.start() + 6000]

    def secret(self):
        """The one-time secret that was printed last."""
        found = re.findall(r"^one-time secret for the first administrator: (\S+)$",
                           self.out_path.read_text(), re.M)
        return found[-1] if found else None

    # --- clients

    def anonymous(self, cert=None):
        return Rest(self, cert=cert)

    def client(self, token):
        return Rest(self, token)

    def admin(self):
        """The administrator; made through the one-time secret the first time."""
        if not self.token:
            secret = wait_until(self.secret, what="a one-time secret")
            answer = self.anonymous().post("/v1/bootstrap", {"secret": secret, "name": "admin"})
            assert answer.status_code == 201, answer.text
            self.token = answer.json()["token"]
        return self.client(self.token)

    def operator(self, role, name=None):
        """A client with a fresh operator of that role."""
        name = name or f"{role}-{secrets.token_hex(4)}"
        made = self.admin().post("/v1/operators", {"name": name, "role": role})
        assert made.status_code == 201, made.text
        token = self.admin().post(f"/v1/operators/{made.json()['operator_id']}/tokens", {})
        assert token.status_code == 201, token.text
        return self.client(token.json()["token"])
