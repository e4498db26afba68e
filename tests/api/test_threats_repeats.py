"""State-changing messages that come again, late and out of order, while the daemon is killed: each counts once."""

import os
import random

import cbor2

from coap_peer import ACK, CBOR, CON, FORMAT, POST, DtlsPeer, Message, number
from fleet import PROVE, SUCCEEDED, a_seed, make_world, psk_of  # noqa: F401
from harness import wait_until
from test_campaigns import Device

DEVICES = 30 if PROVE else 2
KILLS = 2 if PROVE else 1  # of the daemon, in each device's life
WINDOW = 5
FAR = 50  # how many places a message may be late


def shuffled(dice, messages):
    """Each message up to five times, each copy up to FAR places late."""
    copies = [(i + dice.randrange(FAR), dice.random(), m) for i, m in enumerate(messages) for _ in range(dice.randint(1, 5))]
    return [m for *_, m in sorted(copies, key=lambda c: c[:2])]


class Repeater(Device):
    """A device whose messages are sent as datagrams: a copy has the message id and token of the first."""

    def make(self, path, body):
        return self.peer.message(POST, path, body, [(FORMAT, number(CBOR))])

    def restart_daemon(self):
        self.world.server.kill()
        self.world.server.start()
        self.connect()

    def connect(self):
        self.peer.drop()
        mid = self.peer.mid
        self.peer = DtlsPeer(self.world.server.coap_port, psk=(self.name, psk_of(self.name)))
        self.peer.mid = mid

    def deliver(self, copies, kills):
        """All of them, a few at a time; before some of the answers the daemon dies.  How many were answered."""
        answered = 0
        chunks = [copies[i:i + WINDOW] for i in range(0, len(copies), WINDOW)]
        for at, chunk in enumerate(chunks):
            for m in chunk:
                self.peer.send(m)
            if at in kills:
                self.restart_daemon()
                for m in chunk:
                    self.peer.send(m)
            answered += self.collect({m.token for m in chunk})
        return answered

    def collect(self, tokens):
        answers = 0
        while tokens:
            m = self.peer.receive(10)
            assert m, f"{len(tokens)} messages were not answered"
            if m.kind == CON:
                self.peer.send(Message(ACK, 0, m.mid))
            if m.code:
                assert m.answer == "2.04", m
                tokens.discard(m.token)
                answers += 1
        while (m := self.peer.receive(0.02)) is not None:  # answers to copies
            if m.kind == CON:
                self.peer.send(Message(ACK, 0, m.mid))
            assert not m.code or m.answer == "2.04", m
        return answers


def life(device, dice, digest):
    """From the offer to the proof.  The messages of one boot come in any order; a registration does not outlive its
    session, which ends with the boot, but a report may."""
    offer = device.wait_offer()
    where, size = f"/report/{offer[3]}/{offer[4]}", 16384
    boot = [device.make("/register", device.registration()) for _ in range(2)]
    reports = [device.make(where, cbor2.dumps({1: 2, 2: size * i // 20, 3: size})) for i in range(21)]
    reports += [device.make(where, cbor2.dumps({1: state})) for state in (3, 4, 5)]
    copies = shuffled(dice, boot + reports)
    kills = {dice.randrange(len(copies) // WINDOW) for _ in range(KILLS)}
    answered = device.deliver(copies, kills)
    sent = len(copies)
    device.boot_id, device.digest = os.urandom(8), digest
    device.connect()
    proof = [device.make("/register", device.registration()) for _ in range(3)]
    late = dice.sample(reports, 8)
    copies = proof[:1] + shuffled(dice, proof + late)
    kills = {dice.randrange(len(copies) // WINDOW)}
    return sent + len(copies), answered + device.deliver(copies, kills)


def test_B06_repeated_late_and_reordered_messages_count_once(make_world):
    dice = random.Random(a_seed("repeats"))
    world = make_world()
    devices = [Repeater(world, f"device-{i:05d}") for i in range(DEVICES)]
    boots = {}
    for device in devices:
        device.register()
        boots[device.name] = [device.boot_id.hex()]
    release = world.release(size=16384)
    campaign = world.campaign(release, silent_after_s=600)
    world.wait_state(campaign, "running")
    sent = 0
    for device in devices:
        device.connect()
        sent += life(device, dice, bytes.fromhex(release.digest))[0]
        boots[device.name].append(device.boot_id.hex())
    wait_until(lambda: world.status(campaign)["state"] == "finished", 30, 0.2, "the campaign's end")
    world.judge(campaign, {SUCCEEDED: DEVICES})
    doubled = world.sql("SELECT d.endpoint, e.kind, e.job_id, e.detail::jsonb->>'state', count(*) FROM event e"
                        " JOIN device d USING (tenant_id, device_id) WHERE e.kind = 8"
                        " GROUP BY 1, 2, 3, 4 HAVING count(*) > 1")
    assert doubled == [], f"counted twice: {doubled}"
    for name, expected in boots.items():
        seen = world.sql("SELECT e.detail::jsonb->>'boot' FROM event e JOIN device d USING (tenant_id, device_id)"
                         f" WHERE d.endpoint = '{name}' AND e.kind IN (6, 7) ORDER BY e.at")
        assert [row[0] for row in seen] == expected, name
    jobs = world.sql(f"SELECT attempt, bytes_done FROM job WHERE campaign_id = '{campaign}'")
    assert jobs == [["1", "16384"]] * DEVICES, jobs
    print(f"{sent} messages of {DEVICES} devices, {DEVICES * (KILLS + 1)} kills of the daemon at most: each counted once")
    for device in devices:
        device.peer.drop()
