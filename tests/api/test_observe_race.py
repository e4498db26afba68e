"""Wake-ups and requests of one observation that cross each other."""

import threading
import time

import cbor2

from coap_peer import ACK, CON, GET, OBSERVE, Message, number
from fleet import make_world, must, psk_of  # noqa: F401
from harness import wait_until
from test_campaigns import Device


def test_a_wake_up_before_the_answer_is_not_lost(make_world):
    """Calls of devices share a transaction.  The first device is told "nothing", but the last
    one's call holds the commit up; meanwhile a campaign begins to concern the first one.  Its
    observation starts only then, with an answer that is out of date."""
    world = make_world(settings={"server.workers": 2})
    devices = {name: Device(world, name) for name in ("a", "b", "c")}
    for device in devices.values():
        device.register()
    release = world.release(size=100)
    first, middle, last = (devices[row[0]] for row in world.sql("SELECT endpoint FROM device ORDER BY device_id"))
    campaign = world.campaign(release, {"devices": [first.name]})
    now = world.wait_state(campaign, "running")
    must(world.admin.post(f"/v1/campaigns/{campaign}/pause", {}, headers={"If-Match": f'"{now["revision"]}"'}), 200)
    for device in devices.values():
        device.ask()
        device.boot()  # so that the next question goes to the database

    def while_locked(statement, seconds):
        thread = threading.Thread(target=world.sql, args=(f"BEGIN; {statement}; SELECT pg_sleep({seconds}); COMMIT",))
        thread.start()
        time.sleep(0.3)
        return thread

    def lock(device, seconds):
        return while_locked(f"SELECT 1 FROM device WHERE endpoint = '{device.name}' FOR UPDATE", seconds)

    def ask(device, *options):
        message = device.peer.message(GET, "/update", b"", options)
        device.peer.send(message)
        return message

    sleepers = [while_locked(f"""
        UPDATE campaign SET state = 2 WHERE campaign_id = '{campaign}';
        INSERT INTO outbox (tenant_id, kind, campaign_id, at) VALUES (1, 1, '{campaign}', 0);
        NOTIFY muster""", 3), lock(last, 5), lock(middle, 2)]
    ask(middle)
    time.sleep(0.3)
    question = ask(first, (OBSERVE, b""))
    ask(last)
    answer = first.peer.answer_to(question, 20)
    assert answer.answer == "2.05" and answer.value(OBSERVE) is not None
    assert cbor2.loads(answer.payload)[1] == 0, "the campaign had not begun"
    pushed = first.peer.receive(5)
    assert pushed and pushed.token == question.token and cbor2.loads(pushed.payload)[1] == 1
    first.peer.send(Message(ACK, 0, pushed.mid))
    for sleeper in sleepers:
        sleeper.join()


OBSERVERS = 5


def watch(device):
    message = device.peer.message(GET, "/update", b"", [(OBSERVE, b"")])
    device.peer.send(message)
    answer = device.peer.answer_to(message)
    assert answer.value(OBSERVE) is not None and cbor2.loads(answer.payload)[1] == 0
    return message


def pushes(devices, timeout):
    """Of each device the token of the first push that it gets; who gets none is left out."""
    until, told = time.monotonic() + timeout, {}
    while len(told) < len(devices) and time.monotonic() < until:
        for device in devices:
            m = device.peer.receive(0.02)
            if m and m.kind == CON:
                device.peer.send(Message(ACK, 0, m.mid))
                assert cbor2.loads(m.payload)[1] == 1
                told.setdefault(device.name, m.token)
    return told


def test_a_copy_of_the_request_does_not_swallow_the_push(make_world):
    """Pushes are so slow that most wait for their turn while the network brings the requests that
    began the observations once more.  The device has their answer, so it passes over another."""
    world = make_world(settings={"coap.pushes_per_s": 1})
    devices = [Device(world, f"d{i}") for i in range(OBSERVERS)]
    for device in devices:
        device.register()
    begun = {device.name: watch(device) for device in devices}
    world.campaign(world.release(size=100))
    first = wait_until(lambda: pushes(devices, 0.2), 20, 0, "the first push")
    rest = [device for device in devices if device.name not in first]
    assert len(rest) >= OBSERVERS - 2
    for device in rest:
        device.peer.send(begun[device.name])
    told = pushes(rest, 2 * OBSERVERS)
    assert told == {device.name: begun[device.name].token for device in rest}


def test_an_observation_ends_by_its_own_token_alone(make_world):
    """RFC 7641 3.6: a device that observes anew gives up what it had, by the old token."""
    world = make_world()
    new, none = Device(world, "new"), Device(world, "none")
    for device in (new, none):
        device.register()
        old, last = watch(device), watch(device)
        assert device.peer.get("/update", [(OBSERVE, number(1))], token=old.token).option(OBSERVE) is None
    assert none.peer.get("/update", [(OBSERVE, number(1))], token=last.token).option(OBSERVE) is None
    world.campaign(world.release(size=100))
    told = pushes([new, none], 5)
    assert list(told) == ["new"] and told["new"] != old.token
