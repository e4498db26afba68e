"""Bodies that are too large or have no end are refused before they cost anything: the daemon's own
socket tells how much of them it read."""

import re
import socket
import ssl
import struct
import time

from coap_peer import BLOCK1, CBOR, FORMAT, SIZE1, DtlsPeer, block, number
from fleet import make_world, psk_of, world  # noqa: F401

READ_MAX = 65536
TCP_INFO_ACKED = 120  # offset of tcpi_bytes_acked in struct tcp_info


class Flood:
    """A client that sends a head and then body as fast as it is taken, until it is told no."""

    def __init__(self, daemon, head, piece):
        tls = ssl.create_default_context(cafile=str(daemon.ca_path))
        raw = socket.create_connection(("127.0.0.1", daemon.https_port), timeout=10)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        self.port, self.server_port = raw.getsockname()[1], daemon.https_port
        self.tls = tls.wrap_socket(raw, server_hostname="127.0.0.1")
        self.sent, self.answer, self.read = 0, b"", 0
        before = self.taken()
        self.tls.sendall(head)
        self.tls.setblocking(False)
        until = time.monotonic() + 10
        while time.monotonic() < until and b"\r\n\r\n" not in self.answer:
            try:
                self.sent += self.tls.send(piece)
                self.read = max(self.read, self.taken() - before)
            except (ssl.SSLWantWriteError, BlockingIOError):
                time.sleep(0.002)
            except (OSError, ssl.SSLError):
                break
            try:
                self.answer += self.tls.recv(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                pass
            except (OSError, ssl.SSLError):
                break
        self.took = 10 - (until - time.monotonic())
        self.tls.close()

    def unread(self):
        """Bytes that wait in the daemon's socket, by /proc/net/tcp; None when it is closed: what it
        had not read is gone with it."""
        mine, theirs = f"{self.port:04X}", f"{self.server_port:04X}"
        for line in open("/proc/net/tcp"):
            m = re.match(rf"\s*\d+: \w+:{theirs} \w+:{mine} \w+ \w+:(\w+)", line)
            if m:
                return int(m.group(1), 16)
        return None

    def taken(self):
        """What the daemon has read: what its kernel acknowledged, less what waits there."""
        info = self.tls.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
        unread = self.unread()
        return struct.unpack_from("Q", info, TCP_INFO_ACKED)[0] - unread if unread is not None else 0


def head(method, path, *lines):
    return (f"{method} {path} HTTP/1.1\r\nHost: x\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode()


IMAGE = "/v1/images/" + "0" * 64
TERABYTE = f"Content-Length: {10 ** 12}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNK = b"4000\r\n" + b" " * 0x4000 + b"\r\n"


def test_R16_bodies_without_end(daemon, admin):
    """A stranger is answered before the body.  Of an operator, what is announced is refused at once;
    what is not, 64 KiB after the limit at the latest."""
    operator = f"Authorization: Bearer {daemon.token}"
    cases = [(method, path, framing, "X-Nobody: 1", READ_MAX) for framing in (TERABYTE, CHUNKED)
             for method, path in (("POST", "/v1/operators"), ("PUT", IMAGE), ("POST", "/v1/nothing"))]
    cases += [("POST", "/v1/operators", TERABYTE, operator, READ_MAX), ("PUT", IMAGE, TERABYTE, operator, READ_MAX),
              ("POST", "/v1/operators", CHUNKED, operator, 65536 + READ_MAX + len(CHUNK))]
    for method, path, framing, who, most in cases:
        kind = "application/octet-stream" if path == IMAGE else "application/json"
        flood = Flood(daemon, head(method, path, framing, who, f"Content-Type: {kind}"), CHUNK)
        print(f"{method} {path} {framing} {who[:8]}: {flood.read} bytes read, {flood.sent} sent, {flood.took:.2f} s,"
              f" {flood.answer[:30]}")
        assert flood.read <= most and flood.took < 9
    assert admin.get("/v1/whoami").status_code == 200
    assert not list((daemon.state_dir / "images/tmp").iterdir())


def test_R16_block1_without_end(world):  # noqa: F811
    world.add_device("unit")
    with DtlsPeer(world.server.coap_port, psk=("unit", psk_of("unit"))) as peer:
        for szx in (2, 6):
            size = 16 << szx
            for n in range(READ_MAX // size):
                answer = peer.post("/register", b"x" * size, [(FORMAT, number(CBOR)), (BLOCK1, block(n, True, szx))])
                if answer.answer != "2.31":
                    break
            assert answer.answer == "4.13" and 0 <= n * size + size - answer.value(SIZE1) <= size
            again = peer.post("/register", b"x" * size, [(FORMAT, number(CBOR)), (BLOCK1, block(n + 1, True, szx))])
            assert again.answer in ("4.08", "4.13"), "the transfer is over"
