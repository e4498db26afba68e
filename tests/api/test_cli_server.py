"""`muster` against a server: login and trust, the author's way, devices, campaigns."""

import base64
import hashlib
import json
import stat
import subprocess

import pytest

from fleet import SECRET, a_seed, make_world, must, world  # noqa: F401
from harness import wait_until
from test_cli import MUSTER, run_muster

CLASS = "acme.example/lock-7"


class Cli:
    """Somebody's home folder, and `muster` in it."""

    def __init__(self, home, server):
        home.mkdir(exist_ok=True)
        self.home, self.server = home, server

    def __call__(self, *words, code=0, **kw):
        done = run_muster(self.home, *words, **kw)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def json(self, *words, **kw):
        return json.loads(self(*words, "--json", **kw).stdout)

    def error(self, *words, code=1, **kw):
        return self(*words, code=code, **kw).stderr.rstrip("\n")

    def login(self):
        secret = wait_until(self.server.secret, what="a one-time secret")
        self("login", self.server.url, "--secret-stdin", "--ca", self.server.ca_path, stdin=secret + "\n")
        return self


@pytest.fixture
def fresh(daemon, tmp_path):
    """Nobody is logged in."""
    return Cli(tmp_path / "home", daemon)


@pytest.fixture
def cli(fresh):
    return fresh.login()


@pytest.fixture
def author(cli):
    """A class with an author who may sign for it, and a firmware file."""
    cli("class", "create", CLASS)
    cli("key", "new", "a.pem", "--no-passphrase")
    cli("key", "register", "a.pem.pub", "--class", CLASS)
    (cli.home / "fw.bin").write_bytes(b"firmware " * 1000)
    return cli


def create(cli, version="3.7", *more, code=0):
    return cli("release", "create", "fw.bin", "--class", CLASS, "--version", version, "--key", "a.pem",
               *more, code=code)


def fingerprint(path):
    text = path.read_text()
    body = text.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]
    return hashlib.sha256(base64.b64decode(body)).hexdigest()


# --- login -----------------------------------------------------------------------------------

def test_login_by_secret_and_fingerprint(fresh, daemon):
    secret = wait_until(daemon.secret, what="a one-time secret")
    done = fresh("login", daemon.url, "--secret-stdin", "--name", "ann", "--fingerprint",
                 fingerprint(daemon.ca_path), stdin=secret + "\n")
    assert done.stderr == f"Logged in to {daemon.url} as ann (admin).\n"
    path = fresh.home / ".config" / "muster" / "login.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["ca"] == daemon.ca_path.read_text()
    assert fresh.json("whoami")["name"] == "ann"
    assert "bootstrap-used" in fresh.error("login", daemon.url, "--secret-stdin", "--ca", daemon.ca_path,
                                           stdin=secret + "\n", code=4)
    fresh("logout")
    assert fresh.error("whoami", code=4) == "muster: you are not logged in; try: muster login URL"


def test_a_secret_is_not_spent_where_no_login_can_be_saved(fresh, daemon):
    """The server takes it once, and answers with a token that it gives once."""
    secret = wait_until(daemon.secret, what="a one-time secret")
    words = ("login", daemon.url, "--secret-stdin", "--ca", daemon.ca_path)
    (fresh.home / ".config").write_text("in the way")
    assert "/.config" in fresh.error(*words, stdin=secret + "\n")
    (fresh.home / ".config").unlink()
    fresh(*words, stdin=secret + "\n")
    assert [p.name for p in (fresh.home / ".config/muster").iterdir()] == ["login.json"]


def test_login_trusts_nobody_by_itself(fresh, daemon):
    done = fresh("login", daemon.url, "--secret-stdin", stdin="x\n", code=2)
    assert fingerprint(daemon.ca_path) in done.stderr
    assert "there is nobody to ask; give --ca FILE or --fingerprint HEX" in done.stderr
    wrong = "0" * 64
    assert fresh.error("login", daemon.url, "--secret-stdin", "--fingerprint", wrong, stdin="x\n", code=4) == \
        f"muster: the fingerprint of {daemon.url} is {fingerprint(daemon.ca_path)}, not the one given"
    assert not (fresh.home / ".config").exists()


def test_pinned_root_is_all_that_is_trusted(server, tmp_path):
    mine, other = server(), server()
    cli = Cli(tmp_path / "home", mine).login()
    path = cli.home / ".config" / "muster" / "login.json"
    path.write_text(path.read_text().replace(mine.url, other.url))
    assert cli.error("whoami", code=4).startswith(
        f"muster: {other.url} does not prove that it is the server you logged in to: ")


def test_login_by_token(fresh, daemon):
    viewer = daemon.operator("viewer", "vic")
    assert "unauthenticated" in fresh.error("login", daemon.url, "--token-stdin", "--ca", daemon.ca_path,
                                            stdin="wrong\n", code=4)
    assert not (fresh.home / ".config").exists()
    fresh("login", daemon.url, "--token-stdin", "--ca", daemon.ca_path, stdin=viewer.token + "\n")
    assert fresh("whoami", "--plain").stdout.split("\t")[:2] == ["vic", "viewer"]
    assert "(denied)" in fresh.error("class", "create", CLASS, code=4)


def test_server_away(cli, daemon):
    daemon.stop()
    assert cli.error("device", "ls").startswith(f"muster: cannot reach {daemon.url}: ")


# --- the author's way ------------------------------------------------------------------------

def test_release_from_file_to_server(author):
    made = json.loads(create(author, "3.7", "--notes", "first", "--json").stdout)
    digest = hashlib.sha256((author.home / "fw.bin").read_bytes()).hexdigest()
    assert made["manifests"][0]["images"] == [{"digest": digest, "size": 9000}]
    assert made["installed"] == [{"component": "main", "digest": digest}]
    kid = author.json("key", "show", "a.pem.pub")["kid"]
    assert made["manifests"][0]["signers"] == [kid]
    for name in ("3.7", "lock-7@3.7", f"{CLASS}@3.7", made["release_id"], made["release_id"][:8]):
        assert author.json("release", "show", name)["release_id"] == made["release_id"]
    assert author.error("release", "show", "9.9", code=3) == \
        'muster: there is no release "9.9"; see: muster release ls'
    author.error("release", "show", "other.example/lock-7@3.7", code=3)
    assert author.error("release", "withdraw", "", "--yes", code=3) == \
        "muster: no release has an empty name; see: muster release ls"
    assert not author.json("release", "show", "3.7").get("withdrawn_at")


def test_releases_of_two_vendors_are_told_apart(author):
    other = CLASS.replace("acme", "other")
    author("class", "create", other)
    author("key", "register", "a.pem.pub", "--class", other)
    ids = {name: json.loads(author("release", "create", "fw.bin", "--class", name, "--version", "3.7", "--key", "a.pem",
                                   "--json").stdout)["release_id"] for name in (CLASS, other)}
    assert "several releases fit" in author.error("release", "show", "lock-7@3.7")
    for name, release in ids.items():
        assert author.json("release", "show", f"{name}@3.7")["release_id"] == release


def test_sequence_goes_on_within_a_second(author):
    """Three releases at once: the clock's second is taken, so the next numbers are."""
    numbers = [json.loads(create(author, f"1.{i}", "--json").stdout)["sequence"] for i in range(3)]
    assert numbers == sorted(set(numbers))
    assert "(sequence-not-higher)" in create(author, "2", "--sequence", str(numbers[0]), code=6).stderr
    done = create(author, "3", "--sequence", str(numbers[-1] + 10))
    assert "The server has the image already." in done.stderr


def test_release_signed_offline(author):
    create(author, "4", "--out", "fw.suit")
    assert "(image-missing)" in author.error("release", "upload", "fw.suit")
    assert author.json("release", "upload", "fw.suit", "--image", "fw.bin")["version"] == "4"


def test_unknown_key_is_refused(author):
    author("key", "new", "other.pem", "--no-passphrase")
    assert "(author-key-unknown)" in author.error("release", "create", "fw.bin", "--class", CLASS, "--version",
                                                  "1", "--key", "other.pem")


def test_revoked_key_is_refused(author):
    key = author.json("key", "ls", "--class", CLASS)[0]
    assert author.error("key", "revoke", key["author_key_id"], code=2) == \
        "muster: this needs an answer and there is nobody to ask; --yes answers it"
    author("key", "revoke", key["author_key_id"], "--yes")
    assert "(author-key-unknown)" in create(author, "1", code=1).stderr


def test_a_delegate_is_listed_as_one(author):
    author("key", "new", "d.pem", "--no-passphrase")
    author("key", "register", "d.pem.pub", "--class", CLASS, "--delegate", "--name", "the delegate")
    rows = [line.split("\t") for line in author("key", "ls", "--plain").stdout.splitlines()]
    assert {(row[1], row[4]) for row in rows} == {("-", "no"), ("the delegate", "yes")}


def test_withdrawn_release(author):
    create(author)
    author("release", "withdraw", "3.7", "--yes")
    assert author.json("release", "ls")[0]["withdrawn_at"]
    assert "withdrawn" in author("release", "ls").stdout


def test_class_twice(author):
    assert "(already-exists)" in author.error("class", "create", CLASS, code=6)
    shown = author("class", "ls", "--plain").stdout.rstrip("\n").split("\t")
    assert shown == [CLASS, "digest", "0637e301-e05d-505b-8267-486f5677de9b",
                     "67504030-cbba-5a2f-88cc-e21374325c26"]


# --- devices ---------------------------------------------------------------------------------

def test_device_with_psk(cli):
    cli("device", "add", "d1", "--psk", "--out", "d1.psk", "--attribute", "site=berlin")
    path = cli.home / "d1.psk"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(base64.b64decode(path.read_text().strip())) == 32
    assert "(already-exists)" in cli.error("device", "add", "d1", "--psk", code=6)
    before = path.read_text()
    assert cli.error("device", "credential", "d1", "--psk", "--out", "d1.psk") == \
        "muster: d1.psk is there already; it is never overwritten"
    cli("device", "credential", "d1", "--psk", "--out", "new.psk")
    assert (cli.home / "new.psk").read_text() != before
    shown = cli.json("device", "show", "d1")
    assert (shown["credential"], shown["attributes"]) == ("psk", {"site": "berlin"})
    assert "psk" not in shown


def test_a_key_that_cannot_be_kept(cli):
    """A new key that nobody could write down is not made, or at least it is told that it was lost."""
    cli("device", "add", "d1", "--psk", "--out", "d1.psk")

    def key():
        return cli.server.pg.sql("SELECT encode(psk_sealed, 'hex') FROM device", cli.server.database)
    before = key()
    assert before[0][0]
    assert cli.error("device", "credential", "d1", "--psk", "--out", "nodir/x") == \
        "muster: cannot make nodir/x: No such file or directory"
    assert key() == before
    assert sorted(p.name for p in cli.home.iterdir()) == [".config", "d1.psk"]
    for words in (("device", "add", "d2", "--psk"), ("device", "credential", "d2", "--psk", "--json"),
                  ("device", "ls")):
        with open("/dev/full", "w") as full:
            done = subprocess.run([MUSTER, *words], stdout=full, stderr=subprocess.PIPE, text=True,
                                  env={"HOME": str(cli.home)})
        assert done.returncode == 1, words
        assert "muster: standard output cannot be written; what was to be shown is lost\n" in done.stderr
        assert ("make another: muster device credential d2 --psk" in done.stderr) == (words[1] != "ls")


def test_device_with_certificate(cli):
    cli("device", "add", "d1", "--cert", "--out-dir", "d1")
    folder = cli.home / "d1"
    assert stat.S_IMODE((folder / "d1.key").stat().st_mode) == 0o600
    checked = subprocess.run(["openssl", "verify", "-purpose", "sslclient", "-CAfile", folder / "ca.crt",
                              folder / "d1.crt"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    pair = [subprocess.run(["openssl", *w], capture_output=True, check=True).stdout for w in
            (["x509", "-in", folder / "d1.crt", "-noout", "-pubkey"], ["pkey", "-in", folder / "d1.key", "-pubout"])]
    assert pair[0] == pair[1]
    # A refused request leaves no key behind.
    assert "(already-exists)" in cli.error("device", "add", "d1", "--cert", "--out-dir", "again", code=6)
    assert list((cli.home / "again").iterdir()) == []
    assert cli.error("device", "add", "d2", "--cert") == \
        "muster: --cert needs --out-dir DIR for key and certificate"


def test_device_with_foreign_request(cli):
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", cli.home / "k", "-out", cli.home / "csr", "-subj", "/CN=whatever"],
                   check=True, capture_output=True)
    cli("device", "add", "d1", "--csr", "csr", "--out", "d1.crt")
    assert stat.S_IMODE((cli.home / "d1.crt").stat().st_mode) == 0o644
    subject = subprocess.run(["openssl", "x509", "-in", cli.home / "d1.crt", "-noout", "-subject", "-nameopt",
                              "multiline"], capture_output=True, text=True, check=True).stdout
    assert subject.split("=")[-1].strip() == "d1"
    assert cli.error("device", "add", "d2", "--csr", "csr", "--psk") == \
        "muster: give one of --psk, --cert and --csr FILE"


def test_device_labels_lists_and_end(cli):
    for i in range(3):
        cli("device", "add", f"d{i}", "--psk", "--out", f"{i}.psk", "--attribute", f"rack={i % 2}")
    names = cli("device", "ls", "--plain").stdout.splitlines()
    assert sorted(line.split("\t")[0] for line in names) == ["d0", "d1", "d2"]
    assert [d["endpoint"] for d in cli.json("device", "ls", "--attribute", "rack=1")] == ["d1"]
    cli("device", "label", "d1", "rack-", "site=a b")
    assert cli.json("device", "show", "d1")["attributes"] == {"site": "a b"}
    assert json.loads(cli("device", "ls", "--prefix", "d2", "--json=endpoint,lifecycle").stdout) == \
        [{"endpoint": "d2", "lifecycle": "provisioned"}]
    cli("device", "revoke", "d0", "--yes")
    assert cli.json("device", "show", "d0")["lifecycle"] == "revoked"
    cli("device", "rm", "d0", "--yes")
    assert cli.error("device", "show", "d0", code=3).endswith("(not-found)")


def test_api_reaches_the_rest(cli):
    (cli.home / "body").write_text('{"name": "bob", "role": "viewer"}')
    made = json.loads(cli("api", "POST", "/v1/operators", "--body", "body").stdout)
    assert made["role"] == "viewer"
    path = f"/v1/operators/{made['operator_id']}"
    assert cli.error("api", "DELETE", path).endswith("(precondition-required)")
    cli("api", "DELETE", path, "--if-match", f'"{made["revision"]}"')
    actions = [e["action"] for e in json.loads(cli("api", "GET", "/v1/audit").stdout)["items"]]
    assert len(actions) >= 3


# --- campaigns -------------------------------------------------------------------------------

@pytest.fixture
def operator(world, tmp_path):  # noqa: F811
    """Somebody who works with the world's devices by `muster`."""
    cli = Cli(tmp_path / "home", world.server)
    cli("login", world.server.url, "--token-stdin", "--ca", world.server.ca_path, stdin=world.admin.token + "\n")
    cli.world = world
    return cli


def test_campaign_to_its_end(operator):
    world = operator.world  # noqa: F811
    names = world.add_devices(6)
    world.release("2.0.0")
    fleet = world.fleet(6, seed=a_seed("campaign"))
    world.wait_registered(6)
    dry = operator.json("campaign", "create", "--release", "2.0.0", "--all", "--stages", "1,50%,100%", "--dry-run")
    assert (dry["members"], dry["stages"], sorted(dry["sample"])) == (6, [1, 2, 3], names)
    assert operator.json("campaign", "ls") == []

    made = operator.json("campaign", "create", "--release", "2.0.0", "--all", "--stages", "1,50%,100%",
                         "--silent-after", "1m", "--max-fail", "2.5%")
    assert (made["name"], made["state"]) == ("lock-2.0.0", "draft")
    assert [s["failure_percent"] for s in made["stages"]] == [2.5] * 3
    assert operator.error("campaign", "status", "lock-2.0.0", "--watch").endswith(
        "it was not started yet; try: muster campaign start lock-2.0.0")
    started = operator("campaign", "start", "lock-2.0.0").stderr
    assert "At most 1 of 6 devices are exposed before the first automatic stop." in started
    watched = operator("campaign", "status", "lock-2.0.0", "--watch").stdout.splitlines()
    assert watched[0].startswith("lock-2.0.0: release 2.0.0, ")
    assert any("stage 3 of 3, passed: 3 of 3 proved; 3 succeeded" in line for line in watched)
    assert watched[-1] == "finished: 6 of 6 devices run release 2.0.0"
    assert fleet.finish()["updated"] == 6

    jobs = operator.json("campaign", "jobs", "lock-2.0.0", "--state", "succeeded")
    assert sorted(j["endpoint"] for j in jobs) == names
    assert len(operator.json("campaign", "jobs", made["campaign_id"], "--stage", "2")) == 2
    assert "(campaign-state)" in operator.error("campaign", "pause", "lock-2.0.0", code=6)
    why = operator("device", "why", names[0], "--campaign", "lock-2.0.0").stdout
    assert why.startswith("It is not offered the update.\n")
    assert "finished" in operator("campaign", "ls").stdout


def test_campaign_stopped_by_its_gate(operator):
    world = operator.world  # noqa: F811
    world.add_devices(4)
    world.release("2.0.0")
    world.fleet(4, "shape", "rollback=4", seed=a_seed("gate"))
    world.wait_registered(4)
    operator("campaign", "create", "--release", "2.0.0", "--all", "--stages", "1,100%", "--name", "bad")
    operator("campaign", "start", "bad")
    done = operator("campaign", "status", "bad", "--watch", code=5)
    lines = done.stdout.splitlines()
    assert "paused: stage 1 tripped: 1 of 1 rolled back, limit 10 %" in lines
    assert [line for line in lines if line.startswith("  device-") and " rolled back" in line]
    events = [json.loads(line) for line in operator("campaign", "status", "bad", "--watch", "--json",
                                                    code=5).stdout.splitlines()]
    assert events[-1]["state"] == "paused" and events[-1]["stages"][0]["counts"]["rolled_back"] == 1
    operator("campaign", "abort", "bad", "--yes")
    assert operator("campaign", "status", "bad", "--watch", code=5).stdout.splitlines()[-2].startswith("aborted")


def test_campaign_watch_timeout_and_pause(operator):
    world = operator.world  # noqa: F811
    world.add_devices(2)
    world.release("2.0.0")
    fleet = world.fleet(2, seed=a_seed("timeout"))
    world.wait_registered(2)
    fleet.stop()  # nobody will answer
    operator("campaign", "create", "--release", "2.0.0", "--device", "device-00000,device-00001", "--name", "slow")
    operator("campaign", "start", "slow")
    assert operator.error("campaign", "status", "slow", "--watch", "--timeout", "2s", code=8) == \
        "muster: it still runs; the time to watch is over"
    operator("campaign", "pause", "slow")
    assert operator("campaign", "status", "slow", "--watch", code=5).stdout.splitlines()[-1].startswith("paused")
    operator("campaign", "resume", "slow")
    assert operator.json("campaign", "status", "slow")["state"] == "running"


def test_watch_ends_with_its_reader(operator):
    """Though nothing changes, and nothing is written that could fail."""
    world = operator.world  # noqa: F811
    world.add_devices(1)
    world.release("2.0.0")
    fleet = world.fleet(1, seed=a_seed("reader"))
    world.wait_registered(1)
    fleet.stop()  # nothing will change
    operator("campaign", "create", "--release", "2.0.0", "--device", "device-00000", "--name", "slow")
    operator("campaign", "start", "slow")
    wait_until(lambda: operator.json("campaign", "status", "slow")["state"] == "running", what="the start")
    watch = subprocess.Popen([MUSTER, "campaign", "status", "slow", "--watch", "--json", "--interval", "2s"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={"HOME": str(operator.home)})
    try:
        assert json.loads(watch.stdout.readline())["state"] == "running"
        watch.stdout.close()
        assert watch.wait(4) == 1
        assert watch.stderr.read() == "muster: nobody reads what is shown; the campaign goes on\n"
    finally:
        watch.kill()


def test_watch_outlives_a_restart(operator):
    world = operator.world  # noqa: F811
    world.add_devices(2)
    world.release("2.0.0")
    fleet = world.fleet(2, seed=a_seed("restart"))
    world.wait_registered(2)
    operator("campaign", "create", "--release", "2.0.0", "--all", "--stages", "1,100%", "--soak", "4s",
             "--name", "calm")
    operator("campaign", "start", "calm")
    env = {"HOME": str(operator.home), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}
    watch = subprocess.Popen([str(MUSTER), "campaign", "status", "calm", "--watch"], env=env, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: operator.json("campaign", "status", "calm")["stages"][0]["counts"].get("succeeded") == 1,
               60, 0.2, "the first success")
    world.server.kill()
    world.server.start()
    out, err = watch.communicate(timeout=120)
    assert watch.returncode == 0, out + err
    assert out.splitlines()[-1] == "finished: 2 of 2 devices run release 2.0.0"
    assert fleet.finish()["updated"] == 2


def test_campaigns_aimed_at_a_hundred_thousand_names(operator):
    """A page holds as many as fit into some megabytes, and `muster` goes on to the next one."""
    world = operator.world  # noqa: F811
    world.add_device("alone")
    world.sql("UPDATE device SET registered_at = 1, lifecycle = 1, "
              f"vendor_id = '{world.vendor_id}', class_id = '{world.class_id}'")
    release = world.release(size=100)
    made = [world.campaign(release, {"devices": ["alone"]}, start=False, name=f"c{i:02d}") for i in range(10)]
    for width, some in ((62, made[:3]), (8, made[3:7])):  # the others stay small
        ids = ", ".join(f"'{id}'" for id in some)
        world.sql("UPDATE campaign SET target = jsonb_build_object('devices', (SELECT jsonb_agg("
                  f"lpad(i::text, {width}, 'd')) FROM generate_series(1, 100000) i)) WHERE campaign_id IN ({ids})")

    seen, sizes, token = [], [], ""
    while token is not None:  # past the contract's observer, which reads too slowly for so much
        got = world.admin.session.get(f"{world.server.url}/v1/campaigns?page_size=1000{token}",
                                      headers={"Authorization": f"Bearer {world.admin.token}"})
        page = must(got, 200)
        seen.append([c["campaign_id"] for c in page["items"]])
        sizes.append(len(got.content))
        token = f"&page_token={page['next_page_token']}" if "next_page_token" in page else None
    assert sum(seen, []) == made[::-1], "each once, newest first"
    assert max(sizes) <= 8 << 20, sizes
    assert [len(ids) for ids in seen] == [5, 2, 1, 1, 1], "what is short is together, and no page is empty"

    operator("campaign", "abort", "c00", "--yes")
    assert operator.json("campaign", "status", made[0])["state"] == "aborted"


def test_campaign_words_that_are_refused(author):
    create(author, "1")
    refused = [
        (["--all", "--stages", "1,50%"], "muster: --stages: the last stage must be 100%"),
        (["--all", "--soak", "1"], 'muster: --soak "1": write a duration such as 90s, 10m or 1h30m'),
        (["--all", "--max-fail", "2"], 'muster: --max-fail "2": write a percentage such as 2% or 0.5%'),
        (["--all", "--min-sample", "0"], 'muster: --min-sample "0": write a number from 1 on'),
        (["--all", "--device", "x"],
         "muster: say which devices: --device NAME, --where-attribute NAME=VALUE or --all"),
        ([], "muster: say which devices: --device NAME, --where-attribute NAME=VALUE or --all"),
        (["--where-attribute", "site"], 'muster: "site" must be NAME=VALUE'),
        (["--where-attribute", "site=a", "--where-attribute", "site=b"], 'muster: no device has two values of "site"'),
    ]
    for words, text in refused:
        assert author.error("campaign", "create", "--release", "1", *words) == text
    assert "(no-devices)" in author.error("campaign", "create", "--release", "1", "--all")
    assert author.error("campaign", "status", "x", code=3) == \
        'muster: there is no campaign "x"; see: muster campaign ls'
