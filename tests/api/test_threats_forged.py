"""Datagrams that bear a device's address, and were sent by somebody else: they end no session, put none on
trial and keep nobody out."""

import os
import socket
import time

import pytest

from coap_peer import CON, DtlsPeer, Refused, client_hello
from harness import free_port, wait_until
from test_coap_traps import asks, devices, foreign_certificate, make_devices  # noqa: F401
from test_threats_coap import Tap, tapped  # noqa: F401

QUIET = {"log.level": "info"}  # a chatty libcoap clears errors that a quiet one leaves


class Forger:
    """Sends from a port that is somebody else's."""

    def __init__(self, port, to):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.to = "127.0.0.1", to

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, raw):
        self.socket.sendto(raw, self.to)


def record(kind, body, epoch=0, number=0):
    return bytes([kind]) + b"\xfe\xfd" + epoch.to_bytes(2, "big") + number.to_bytes(6, "big") + \
        len(body).to_bytes(2, "big") + body


CUT_OFF = {"cut off": record(22, b"\x01"), "cut off later": client_hello()[:40],
           "under a session's keys": record(22, client_hello()[13:], epoch=1)}


@pytest.mark.parametrize("what", CUT_OFF)
def test_B02_hellos_that_are_none_keep_nobody_out(make_devices, what):
    """libcoap would keep a session for each for half a minute, and let nobody in after some hundred."""
    devices = make_devices({"coap.shards": 1, "coap.max_handshakes": 16})
    psk, cert = devices.add("psk"), devices.add("cert")
    for i in range(400):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((f"127.0.1.{1 + i % 250}", 0))
            s.sendto(CUT_OFF[what], ("127.0.0.1", devices.server.coap_port))
    started = time.monotonic()
    asks(devices.session(psk))
    asks(devices.session(cert))
    assert time.monotonic() - started < 5


def test_B02_a_handshake_that_fails_ends_no_other_session(make_devices, tmp_path):  # noqa: F811
    """What OpenSSL noted of one peer is not taken for a failure of the next one's session, whose record came
    twice."""
    devices = make_devices(QUIET)
    name, cert = devices.add("psk"), devices.add("cert")
    tap = Tap(devices.server.coap_port)
    try:
        peer = DtlsPeer(tap.port, **devices.credentials[name])
        devices.open.append(peer)
        asks(peer)
        with pytest.raises(Refused):
            DtlsPeer(devices.server.coap_port, cert=foreign_certificate(tmp_path, cert), timeout=2)
        tap.outside.send(tap.secured()[0])
        assert not peer.wait_closed(2)
        asks(peer)
    finally:
        tap.close()


def test_B02_a_bad_hello_and_a_forged_byte_end_no_session(make_devices):
    devices, port = make_devices(QUIET), free_port()
    peer = devices.session(devices.add("psk"), **{"from": port})
    asks(peer)
    with Forger(0, devices.server.coap_port) as anybody, Forger(port, devices.server.coap_port) as forger:
        anybody.send(record(22, b"\x01"))
        forger.send(b"?")
    assert not peer.wait_closed(2)
    asks(peer)


@pytest.mark.parametrize("what", ["another message", "a second record", "a hello of the session's own epoch"])
def test_B03_what_anybody_can_send_puts_no_session_on_trial(make_devices, what):
    """A hello that shows our cookie asks whether the device is still there; nothing else does."""
    devices, port = make_devices(), free_port()
    peer = devices.session(devices.add("psk"), **{"from": port})
    asks(peer)
    other = record(22, b"\x0b" + os.urandom(60))
    with Forger(port, devices.server.coap_port) as forger:
        forger.send({"another message": other,
                     "a second record": record(23, os.urandom(40), epoch=1, number=1 << 40) + other,
                     "a hello of the session's own epoch": record(22, client_hello()[13:], epoch=1)}[what])
    assert peer.receive(3) is None, "it costs the device a ping"
    assert not peer.wait_closed(1)
    asks(peer)


def test_B03_a_session_on_trial_is_asked_more_than_once(devices, tapped):  # noqa: F811
    """One lost datagram is no proof that its device is gone."""
    tap, peer = tapped(devices.add("psk"))
    asks(peer)
    secret = os.urandom(32)
    tap.outside.send(client_hello(secret=secret))
    asked = wait_until(lambda: next((raw for raw in tap.down[::-1] if raw[0] == 22 and raw[13] == 3), None))
    tap.outside.send(client_hello(asked[28:28 + asked[27]], secret, 1))
    pings, until = set(), time.monotonic() + 2.2
    while time.monotonic() < until:
        m = peer.receive(0.2)
        if m and m.kind == CON and m.code == 0:
            pings.add(m.mid)
    assert len(pings) >= 2
