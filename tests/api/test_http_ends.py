"""Peers that leave HTTPS in the middle of a request, and what that does to the daemon's end."""

import socket
import ssl
import struct
import threading
import time

from harness import wait_until


def leave_rudely(daemon, request, pause):
    """Sends a request and resets the connection, so that the server's next read fails."""
    tls = ssl.create_default_context(cafile=str(daemon.ca_path))
    raw = socket.create_connection(("127.0.0.1", daemon.https_port), timeout=10)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock = tls.wrap_socket(raw, server_hostname="127.0.0.1")
    sock.sendall(request)
    time.sleep(pause)
    sock.close()


def test_B11_requests_that_are_left_are_forgotten(server):
    """The dispatcher still has the requests when their peers are gone; they hold up neither the
    daemon's end nor anything else, and what they held is given back."""
    daemon = server()
    token = daemon.admin().token
    upload = (f"PUT /v1/images/{'0' * 64} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
              "Content-Type: application/octet-stream\r\nContent-Length: 5000000\r\n\r\n").encode()
    body = b'{"name":"x"}'
    post = (f"POST /v1/operators HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
    slow = threading.Thread(target=daemon.pg.sql, args=(
        "BEGIN; LOCK TABLE token; SELECT pg_sleep(2); COMMIT", daemon.database))
    slow.start()
    time.sleep(0.3)
    for request in (upload, post, upload, post):
        leave_rudely(daemon, request, 0.1)
    slow.join()
    wait_until(lambda: not list((daemon.state_dir / "images/tmp").iterdir()), what="no upload is left")
    assert daemon.admin().get("/v1/whoami").status_code == 200
    before = time.monotonic()
    assert daemon.stop(timeout=90) == 0
    assert time.monotonic() - before < 15, "requests of peers that are gone were waited for"
