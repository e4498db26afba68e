"""What our devices do while a server does not let them in: it may be overrun, or gone."""

import contextlib
import socket
import struct
import subprocess
import time

import pytest

from agent_kit import PROVE
from test_kill_points import BUILD, ROOT

ANCHOR = ROOT / "tests/data/suit/cose/ed25519-public.pem"
ID = "f0e1d2c3-b4a5-4687-8796-a5b4c3d2e1f0"
HANDSHAKE, CLIENT_HELLO, HELLO_VERIFY = 22, 1, 3


def hello_verify():
    """With a cookie (RFC 6347 section 4.2.1): somebody is there."""
    body = b"\xfe\xff\x04abcd"
    message = struct.pack("!B", HELLO_VERIFY) + len(body).to_bytes(3, "big") + bytes(5) + len(body).to_bytes(3, "big") + body
    return struct.pack("!BH8xH", HANDSHAKE, 0xFEFF, len(message)) + message


@pytest.fixture
def door():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        yield s


@contextlib.contextmanager
def device(door, **timers):
    words = [BUILD / "muster-fleet", "--server", f"coaps://127.0.0.1:{door.getsockname()[1]}", "--psk-secret", "s",
             "--anchor", ANCHOR, "--vendor", ID, "--class", ID, "--until", 600, "--retry-min-ms", 10, "--retry-max-ms", 10]
    for name, value in timers.items():
        words += ["--" + name.replace("_", "-"), value]
    process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def next_hello(door, within):
    """From which port, and whether it brings a cookie."""
    door.settimeout(within)
    data, (_, port) = door.recvfrom(2000)
    assert data[0] == HANDSHAKE and data[13] == CLIENT_HELLO
    session_id = data[25 + 34]
    return port, data[25 + 35 + session_id] > 0


def test_a_hello_that_nobody_answers_is_repeated_by_one_session(door):
    with device(door, request_timeout_s=1, hello_timeout_s=600):
        # after 1, 3 and 7 s; in the long form up to 31 s, when libcoap by itself would give up
        ports = {next_hello(door, 30)[0] for _ in range(6 if PROVE else 4)}
    assert len(ports) == 1


def test_another_session_is_begun_when_nobody_answers_for_long(door):
    with device(door, request_timeout_s=1, hello_timeout_s=2):
        first, _ = next_hello(door, 30)
        began = time.monotonic()
        while next_hello(door, 30)[0] == first:
            pass
        assert time.monotonic() - began >= 2 * 2 / 3 - 0.1


def test_whoever_was_heard_and_then_falls_silent_is_given_up_soon(door):
    with device(door, request_timeout_s=1, hello_timeout_s=600):
        port, cookie = next_hello(door, 30)
        assert not cookie
        door.sendto(hello_verify(), ("127.0.0.1", port))
        seen = set()
        while True:
            other, cookie = next_hello(door, 30)
            if other != port:
                break
            seen.add(cookie)
    assert True in seen, "it never took the cookie"
