"""Backups that are restored: the daemon notices, waits for the fence, and after it no number is
given twice and nothing that was closed is open again (docs/restore.md)."""

import re
import shutil
import subprocess

import pytest

from coap_peer import DtlsPeer, Refused
from fleet import PROVE, World, make_world, must, psk_of, world  # noqa: F401
from harness import wait_until
from test_campaigns import Device, problem

WAITS = "STATUS=the database went back in time: run `musterd fence`"


class Backup:
    """A dump of a daemon's database, and the way back to it."""

    def __init__(self, daemon, path):
        self.daemon, self.path = daemon, path
        self.run("pg_dump", "-Fc", "-f", path, daemon.pg.dsn(daemon.database))

    def run(self, program, *words):
        done = subprocess.run([str(self.daemon.pg.bin / program), *map(str, words)], text=True,
                              capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr

    def restore(self):
        pg, name = self.daemon.pg, self.daemon.database
        pg.sql(f"DROP DATABASE {name} WITH (FORCE)")
        pg.sql(f"CREATE DATABASE {name}")
        self.run("pg_restore", "-d", pg.dsn(name), self.path)


def witness(daemon):
    path = daemon.state_dir / "witness"
    return dict(line.split(" ", 1) for line in path.read_text().splitlines()[1:]) if path.exists() else {}


def sql(daemon, query):
    return daemon.pg.sql(query, daemon.database)


def wait_witnessed(daemon):
    """The daemon's file has seen the whole audit."""
    head = sql(daemon, "SELECT max(seq) FROM audit")[0][0]
    wait_until(lambda: witness(daemon).get("audit") == head, 20, 0.1, f"audit entry {head} in the witness")


def start_refused(daemon, told=False):
    line = "the database went back in time: run `musterd fence`"
    before = daemon.log().count(line)
    daemon.start(ready=False)
    wait_until(lambda: daemon.log().count(line) > before, 30, what="the daemon says that it waits")
    if told:  # systemd hears of it after a while
        wait_until(lambda: daemon.notify.has(WAITS), 30, what="systemd is told")
    wait_until(lambda: "musterd fence" in daemon.anonymous().get("/readyz").text, 10, what="readyz says why")
    answer = daemon.anonymous().get("/readyz")
    assert "musterd fence" in problem(answer, 503, "unavailable")["detail"]
    assert daemon.admin().get("/v1/devices").status_code == 503, "nothing is served meanwhile"


def opens(daemon, name):
    try:
        DtlsPeer(daemon.coap_port, psk=(name, psk_of(name))).close()
        return True
    except Refused:
        return False


def job_numbers(daemon):
    return [int(r[0]) for r in sql(daemon, "SELECT job_id FROM job ORDER BY job_id")]


@pytest.mark.parametrize("start", ["small numbers", "seconds of the clock"][:2 if PROVE else 1])
def test_A03_restored_backup_is_refused_until_the_fence(world, tmp_path, start):  # noqa: F811
    daemon, admin = world.server, world.admin
    first = 5 if start == "small numbers" else 1_700_000_000
    world.author.sequence = first - 1
    devices = {name: Device(world, name) for name in ("stays", "revoked", "renewed", "deleted")}
    for d in devices.values():
        d.register()
    release = world.release(size=3000)
    campaign = world.campaign(release, {"devices": ["stays"]})
    offer = devices["stays"].wait_offer()
    porter, leaver, fallen = (daemon.operator("operator", n) for n in ("porter", "leaver", "fallen"))
    tokens = sql(daemon, "SELECT token_id, o.operator_id, o.name FROM token t JOIN operator o USING (operator_id)")
    token = {name: (operator, token_id) for token_id, operator, name in tokens}
    wait_witnessed(daemon)
    backup = Backup(daemon, tmp_path / "backup")

    # The time that will be lost.
    lost = [world.release(version=f"{3 + i}", size=100 + i, seed=i).id for i in range(500 if PROVE else 5)]
    must(admin.post("/v1/devices/revoked/revoke", {}), 200)
    must(admin.post("/v1/devices/renewed/credential", {"psk": True}), 200)
    devices["deleted"].peer.close()
    tag = f'"{world.device("deleted")["revision"]}"'
    assert admin.delete("/v1/devices/deleted", headers={"If-Match": tag}).status_code == 204
    assert admin.delete("/v1/operators/{}/tokens/{}".format(*token["porter"])).status_code == 204
    leave = f"/v1/operators/{token['leaver'][0]}"
    tag = admin.get(leave).headers["ETag"]
    must(admin.patch(leave, {"disabled": True}, headers={"If-Match": tag}), 200)
    fall = f"/v1/operators/{token['fallen'][0]}"
    must(admin.patch(fall, {"role": "viewer"}, headers={"If-Match": admin.get(fall).headers["ETag"]}), 200)
    must(admin.post(f"/v1/campaigns/{campaign}/abort", {},
                    headers={"If-Match": f'"{world.status(campaign)["revision"]}"'}), 200)
    second = world.campaign(release, {"devices": ["stays"]})
    late = devices["stays"].wait_offer()
    used = max(job_numbers(daemon))
    highest = int(sql(daemon, "SELECT max(sequence) FROM release")[0][0])
    assert highest == first + len(lost) and late[3] == used > offer[3]
    wait_witnessed(daemon)
    seen = int(witness(daemon)["audit"])
    assert daemon.stop() == 0

    backup.restore()
    start_refused(daemon, told=True)
    said = daemon.command("fence").stdout
    print(said)
    assert f"seen up to entry {seen}" in said
    for what in (f"{len(lost)} sequence numbers", "2 devices revoked", "1 devices whose old credential",
                 "2 operators disabled", "1 tokens deleted", "1 open jobs", "1 campaigns held"):
        assert re.search(rf"^ *{what}", said, re.M), what
    daemon.wait_serving()  # by itself
    assert daemon.anonymous().get("/readyz").status_code == 200

    assert not opens(daemon, "revoked") and not opens(daemon, "renewed") and not opens(daemon, "deleted")
    assert world.device("revoked")["lifecycle"] == world.device("deleted")["lifecycle"] == "revoked"
    assert porter.get("/v1/whoami").status_code == leaver.get("/v1/whoami").status_code == 401
    assert must(fallen.get("/v1/whoami"), 200)["role"] == "viewer"
    assert world.status(campaign)["state"] == "paused" and "restored" in world.status(campaign)["pause_reason"]
    assert admin.get(f"/v1/campaigns/{second}").status_code == 404

    # The lost numbers, and whatever the witness may have missed, are never used again.
    for sequence in (first + 1, highest, highest + 1):
        with pytest.raises(AssertionError, match="sequence-not-higher"):
            world.author.sequence = sequence - 1
            world.release(version=f"{sequence}", size=50, seed=sequence)
    last = int(sql(daemon, "SELECT max(sequence) FROM class_sequence")[0][0])
    world.author.sequence = last
    world.release(version=f"{last}", size=50, seed=last)
    assert min(job_numbers(daemon)) > used, "open jobs have new numbers, above all that ever were"

    # A device that comes back with reports of the lost time does no harm, and goes on.
    devices["stays"].peer.close()
    back = Device(world, "stays", provision=False)
    back.boot_id, back.digest = devices["stays"].boot_id, devices["stays"].digest
    back.register()
    for number in (offer[3], late[3]):
        back.report(number, 1, expect="4.04", state=5)
    revision = world.status(campaign)["revision"]
    must(admin.post(f"/v1/campaigns/{campaign}/resume", {}, headers={"If-Match": f'"{revision}"'}), 200)
    again = back.wait_offer()
    assert again[3] > used
    back.boot(bytes.fromhex(release.digest))
    world.wait_state(campaign, "finished")

    actions = [e["action"] for e in must(admin.get(f"/v1/audit?page_size=1000"), 200)["items"]]
    assert actions.count("database.fence") == 1 and "campaign.hold" in actions
    assert "nothing to do" in daemon.command("fence").stdout
    wait_witnessed(daemon)
    daemon.restart()


def test_A03_a_release_is_withdrawn_again_from_who_has_not_begun(world, tmp_path):  # noqa: F811
    daemon = world.server
    told, begun = (Device(world, name) for name in ("told", "begun"))
    for d in (told, begun):
        d.register()
    release = world.release(size=3000)
    campaign = world.campaign(release)
    for d in (told, begun):
        offer = d.wait_offer()
    begun.report(offer[3], 1, state=2)
    wait_until(lambda: world.count(campaign, 2) == 1, 10, what="the report is stored")
    wait_witnessed(daemon)
    backup = Backup(daemon, tmp_path / "backup")
    must(world.admin.post(f"/v1/releases/{release.id}/withdraw", {}, headers={"If-Match": '"1"'}), 200)
    assert world.count(campaign, 16) == 1
    wait_witnessed(daemon)
    assert daemon.stop() == 0

    backup.restore()
    assert sql(daemon, "SELECT DISTINCT withdrawn_at IS NULL FROM release") == [["t"]]
    start_refused(daemon)
    assert re.search(r"^ *1 releases withdrawn again", daemon.command("fence").stdout, re.M)
    daemon.wait_serving()
    assert world.count(campaign, 16) == 1 and world.count(campaign, 2) == 1
    job = next(j for j in world.jobs(campaign) if j["state"] == "cancelled")
    assert (job["endpoint"], job["text"]) == ("told", "the release was withdrawn")


def test_A03_database_restored_under_a_running_daemon(world, tmp_path):  # noqa: F811
    """Nothing but a device's registration is lost: no entry of the audit tells."""
    daemon = world.server
    device = Device(world, "one")
    wait_witnessed(daemon)
    backup = Backup(daemon, tmp_path / "backup")
    before = int(witness(daemon)["counter"])
    device.register()
    wait_until(lambda: int(witness(daemon)["counter"]) > before, 30, 0.2, "the counter grows")
    backup.restore()
    assert daemon.process.wait(60) == 1, "it ends, and would be started again"
    assert "went back in time" in daemon.log()
    start_refused(daemon)
    assert "No entry of the audit was lost" in daemon.command("fence").stdout
    daemon.wait_serving()


def test_A03_database_that_lost_nothing_is_no_alarm(world, tmp_path):  # noqa: F811
    daemon = world.server
    wait_witnessed(daemon)
    assert daemon.stop() == 0
    Backup(daemon, tmp_path / "backup").restore()
    daemon.start()
    daemon.kill()
    daemon.start()
    assert "nothing to do" in daemon.command("fence").stdout


def test_A03_state_directory_that_forgot(world, tmp_path):  # noqa: F811
    """A lost file is no alarm, and says so; a damaged one is not guessed at."""
    daemon = world.server
    wait_witnessed(daemon)
    backup = Backup(daemon, tmp_path / "backup")
    world.release(size=100)
    assert daemon.stop() == 0  # its last look at the audit
    (daemon.state_dir / "witness").unlink()
    backup.restore()
    assert "--force" in daemon.command("fence", code=1).stderr
    said = daemon.command("fence", "--force").stdout
    assert "does not remember" in said and re.search(r"^ *1 sequence numbers", said, re.M), "the acts were still there"
    daemon.start()
    wait_witnessed(daemon)
    assert daemon.stop() == 0
    path = daemon.state_dir / "witness"
    path.write_text(path.read_text()[:-1])
    start_refused(daemon)
    daemon.command("fence", code=1)
    daemon.command("fence", "--force")
    daemon.wait_serving()


def beside(one, server):
    """Another daemon on its database."""
    two = server(database=one.database, start=False)
    for name in ("seal.key", "ca"):
        source, target = one.state_dir / name, two.state_dir / name
        if source.is_dir():
            shutil.rmtree(target)
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    two.ca_path.write_text(one.ca_path.read_text())
    two.token = one.token
    two.start()
    return two


def test_R18_two_daemons_and_one_fence(world, server, tmp_path):  # noqa: F811
    """Each daemon has a memory of its own; one fence serves both, and an older backup from before
    the fence is refused again by both."""
    one = world.server
    two = beside(one, server)
    backup = Backup(one, tmp_path / "backup")
    world.add_device("d")
    must(two.admin().post("/v1/devices/d/revoke", {}), 200)
    wait_witnessed(one)
    wait_witnessed(two)
    assert one.stop() == 0 and two.stop() == 0
    backup.restore()
    start_refused(one)
    start_refused(two)
    one.command("fence")
    one.wait_serving()
    two.wait_serving()
    assert "nothing to do" in two.command("fence").stdout
    assert [witness(one)["epoch"]] == [witness(two)["epoch"]] == sql(one, "SELECT epoch FROM instance")[0]

    if not PROVE:
        return
    # Fenced while the other one runs: it ends, so as to forget what it remembers of before.
    two.stop()
    world.add_device("e")
    wait_witnessed(one)
    one.command("fence", "--force")
    assert one.process.wait(60) == 1
    backup.restore()
    start_refused(one)
    start_refused(two)
    two.command("fence")
    two.wait_serving()
    one.wait_serving()
    assert [witness(one)["epoch"]] == [witness(two)["epoch"]] == sql(one, "SELECT epoch FROM instance")[0]


def test_R18_what_one_daemon_alone_remembers_holds_for_all(world, server, tmp_path):  # noqa: F811
    """The first serves again when the second comes, which takes a key back that was replaced while the first was down."""
    one = world.server
    two = beside(one, server)
    for name in ("renewed", "revoked", "both"):
        world.add_device(name)
    wait_witnessed(one)
    backup = Backup(one, tmp_path / "backup")
    must(two.admin().post("/v1/devices/both/revoke", {}), 200)
    wait_witnessed(one)
    assert one.stop() == 0
    must(two.admin().post("/v1/devices/renewed/credential", {"psk": True}), 200)
    must(two.admin().post("/v1/devices/revoked/revoke", {}), 200)
    wait_witnessed(two)
    assert two.stop() == 0
    backup.restore()
    start_refused(one)
    one.command("fence")
    one.wait_serving()
    assert not opens(one, "both")
    assert opens(one, "renewed") and opens(one, "revoked"), "it knows nothing of that"
    two.start()
    for name in ("renewed", "revoked"):
        wait_until(lambda: not opens(one, name), 20, what=f"the first daemon hears that {name}'s key is no more")
