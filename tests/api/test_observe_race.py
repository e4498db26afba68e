"""A wake-up that comes while the answer it concerns is still on its way."""

import threading
import time

import cbor2

from coap_peer import ACK, GET, OBSERVE, Message
from fleet import make_world, must, psk_of  # noqa: F401
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
