"""Clocks that jump ten years, each for itself: no stage opens before its time, nobody is taken for
silent, no token runs out; and what waits goes on when the clock is right again."""

import datetime
import os
import pathlib
import ssl
import time

import cbor2
import pytest
from cryptography import x509

from coap_peer import ACK, CON, GET, OBSERVE, Message
from faults import WrongClock
from fleet import DOWNLOADING, PROVE, SUCCEEDED, a_seed, make_world, must  # noqa: F401
from harness import wait_until
from test_campaigns import Device

HELD_S = 10 if PROVE else 2.6  # a clock is looked at every two seconds
HOUR = 1 / (365 * 24)
AGAIN_S = 4  # the first copy is given 2 to 3 s, and libcoap's walk may be half a second late
JUMPS = [{whose: years} for whose in ("server", "database", "device") for years in (10, -10, 0)] if PROVE else [
    {"server": 10}, {"server": 0, "database": -10}, {"database": 0, "device": 10}]


@pytest.fixture
def clocks():
    made = {name: WrongClock() for name in ("server", "database", "device")}
    yield made
    for clock in made.values():
        clock.close()


def stages(world, campaign):
    return [int(r[0]) for r in world.sql(f"SELECT state FROM stage WHERE campaign_id = '{campaign}' ORDER BY stage")]


def soaks(world, campaign):
    return world.sql(f"SELECT 1 FROM stage WHERE campaign_id = '{campaign}' AND reached_at IS NOT NULL") != []


def reached_at(world, campaign):
    return int(world.sql(f"SELECT max(reached_at) FROM stage WHERE campaign_id = '{campaign}'")[0][0])


def with_env(monkeypatch, env, work):
    with monkeypatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        return work()


def test_R10_clocks_jump(make_world, own_pg, clocks, monkeypatch):
    """One campaign soaks, another has its devices in the middle of a download, a token runs out
    tomorrow; then the clock of the server, of the database, of the devices jumps to and fro."""
    seed = a_seed("clocks")
    own_pg.down()
    with_env(monkeypatch, clocks["database"].env, own_pg.up)
    world = make_world(cluster=own_pg, env=clocks["server"].env)
    quick = world.add_devices(3, prefix="quick")
    slow = world.add_devices(6, prefix="slow")
    first = world.fleet(3, prefix="quick", seed=seed)
    held = with_env(monkeypatch, clocks["device"].env,
                    lambda: world.fleet(6, "hold-state", "downloading", prefix="slow", seed=seed + 1))
    world.wait_registered(9)
    release = world.release(size=20000)
    soaking = world.campaign(release, target={"devices": quick}, silent_after_s=600,
                             stages=[{"count": 1, "soak_s": 3600}, {"percent": 100}])
    running = world.campaign(release, target={"devices": slow}, silent_after_s=600)
    held.wait_held(6)
    wait_until(lambda: world.count(soaking, SUCCEEDED) == 1, 60, 0.1, "the first stage's success")
    wait_until(lambda: soaks(world, soaking), 30, 0.1, "the soak")
    name = must(world.admin.post("/v1/operators", {"name": "short", "role": "viewer"}), 201)
    token = must(world.admin.post(f"/v1/operators/{name['operator_id']}/tokens", {"expires_in_s": 86400}), 201)
    viewer = world.server.client(token["token"])

    def all_is_as_it_was(what):
        assert stages(world, soaking) == [1, 0], f"{what}: a stage opened"
        assert world.count(running, DOWNLOADING) == 6, f"{what}: jobs were ended"
        assert viewer.get("/v1/whoami").status_code == 200, f"{what}: the token ran out"

    for jump in JUMPS:
        for whose, years in jump.items():
            clocks[whose].set(years)
        time.sleep(HELD_S)
        all_is_as_it_was(f"years off: {jump}")
    assert "the system's clock was set" in world.server.log() and "the database's clock differs" in world.server.log()
    held.release()
    assert held.finish()["updated"] == 6
    world.wait_state(running, "finished")
    world.judge(running, {SUCCEEDED: 6}, held.ledger)
    first.stop()
    print(f"{len(JUMPS)} jumps, 0 wrong openings, 0 expired jobs, 0 expired tokens")


def an_observer(world):
    """A session that is told of offers."""
    device = Device(world, "watcher")
    device.register()
    request = device.peer.message(GET, "/update", options=[(OBSERVE, b"")])
    device.peer.send(request)
    assert device.peer.answer_to(request).option(OBSERVE) is not None
    return device, request


def test_R10_a_clock_that_is_set_forward_ends_no_session(make_world, clocks):
    """An hour, where a session may be silent for five minutes."""
    world = make_world(env=clocks["server"].env)
    device, request = an_observer(world)
    clocks["server"].set(HOUR)
    time.sleep(3)
    assert device.ask()[1] == 0 and not device.peer.closed, "the session ended"
    world.campaign(world.release(size=1000))
    pushed = device.peer.answer_to(request, 20)
    assert pushed and cbor2.loads(pushed.payload)[1] == 1, "the observation ended"


def test_R10_a_clock_that_is_set_back_holds_no_push_up(make_world, clocks):
    """What was sent before and what is sent after comes again when nobody acknowledges it.  By no
    more than the daemon's age: libcoap's own ticks began with it."""
    world = make_world(env=clocks["server"].env)
    clocks["server"].set(HOUR)
    device, request = an_observer(world)
    campaign = world.campaign(world.release(size=1000))

    def comes_again(offer):
        again = device.peer.receive(AGAIN_S)
        assert again and again.mid == offer.mid, "a push was not sent again"
        device.peer.send(Message(ACK, 0, again.mid))

    pushed = device.peer.receive(20)
    assert pushed and pushed.kind == CON and pushed.token == request.token
    clocks["server"].set(0)
    comes_again(pushed)
    must(world.admin.post(f"/v1/campaigns/{campaign}/abort", {},
                          headers={"If-Match": f'"{world.status(campaign)["revision"]}"'}), 200)
    pushed = device.peer.receive(20)
    assert pushed and cbor2.loads(pushed.payload)[1] == 0
    comes_again(pushed)


def certificate_end(world):
    pem = ssl.get_server_certificate(("127.0.0.1", world.server.https_port))
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()


def test_R23_a_certificate_near_its_end_is_made_anew(make_world, own_pg, clocks, monkeypatch):
    """By a daemon that runs, which ends for it with the code at which systemd starts it again; not while the system's clock
    is alone in saying so.  One that the operator brought is warned of."""
    own_pg.down()
    with_env(monkeypatch, clocks["database"].env, own_pg.up)
    world = make_world(cluster=own_pg, env=clocks["server"].env)
    state = world.server.state_dir
    before, files = certificate_end(world), {n: (state / n).read_bytes() for n in ("server.crt", "server.key")}
    clocks["server"].set(369 / 365)
    time.sleep(HELD_S)
    assert world.server.running() and (state / "server.crt").read_bytes() == files["server.crt"], "a clock in dispute"
    clocks["database"].set(369 / 365)
    assert world.server.process.wait(30) == 1
    assert "the server's certificate was made anew" in world.server.log()
    world.server.start()
    assert certificate_end(world) > max(before, time.time() + (369 + 30) * 86400)
    time.sleep(HELD_S)
    assert world.server.running(), "it ends again"

    world.server.stop()
    for name, content in files.items():
        (world.server.folder / name).write_bytes(content)
    world.server.settings.update({"http.certificate": world.server.folder / "server.crt",
                                  "http.key": world.server.folder / "server.key"})
    world.server.write_config()
    world.server.start()
    wait_until(lambda: "the configured HTTPS certificate is at its end" in world.server.log(), 20, what="a warning")


def test_R10_who_keeps_ticket_keys_waits_by_no_wall_clock(make_world, clocks):
    """Where the program's clock is behind the kernel's, a wait for a time of day is over at once."""
    clocks["server"].set(-HOUR)
    world = make_world(env=clocks["server"].env)
    time.sleep(2)
    tasks = pathlib.Path(f"/proc/{world.server.process.pid}/task").iterdir()
    keeper = next(t for t in tasks if (t / "comm").read_text().strip() == "coap-keys")
    ticks = (keeper / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
    assert sum(map(int, ticks)) < 0.2 * os.sysconf("SC_CLK_TCK"), f"it is busy: {ticks}"


if PROVE:
    def test_R10_a_daemon_that_starts_with_a_wrong_clock_judges_nothing(make_world, own_pg, clocks):
        """Until the clock is right: then it goes on by itself, and what soaked soaks again."""
        world = make_world(cluster=own_pg, env=clocks["server"].env)
        names = world.add_devices(2)
        fleet = world.fleet(2)
        world.wait_registered(2)
        campaign = world.campaign(world.release(size=5000), silent_after_s=600,
                                  stages=[{"count": 1, "soak_s": 20}, {"percent": 100}])
        wait_until(lambda: soaks(world, campaign), 60, 0.1, "the soak")
        reached = reached_at(world, campaign)
        assert world.server.stop() == 0
        clocks["server"].set(2)
        world.server.start()
        time.sleep(HELD_S)
        assert world.count(campaign, SUCCEEDED) == 1 and "judging=waits" in world.server.log()
        assert stages(world, campaign) == [1, 0]
        clocks["server"].set(0)
        wait_until(lambda: "soaks begin again" in world.server.log(), 20, 0.1, "the step")
        assert world.count(campaign, SUCCEEDED) == 1, "the soak was cut short"
        # the certificate that it made itself is not good yet: it ends, and the next start makes another one
        assert world.server.process.wait(30) == 1 and "the server's certificate was made anew" in world.server.log()
        assert reached_at(world, campaign) > reached, "it ended before the soak began again"
        world.server.start()
        assert world.admin.get("/v1/whoami").status_code == 200
        assert fleet.finish()["updated"] == len(names)
        world.wait_state(campaign, "finished")
