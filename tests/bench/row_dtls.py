"""Rows over DTLS: check-ins of established sessions, and handshakes.  Ours is musterd itself, on a
PostgreSQL of its own."""

import hashlib

from rig import Row

SESSIONS, SHARDS = 1000, 32
SECRET, KEY = "bench", "00112233445566778899aabbccddeeff"


def add_psk_devices(rig, server, count):
    """Named device-00000 and so on, with the keys that the generator derives."""
    import base64
    admin = server.admin()
    for i in range(count):
        name = f"device-{i:05d}"
        psk = base64.b64encode(hashlib.sha256(f"{SECRET}:{name}".encode()).digest()).decode()
        made = admin.post("/v1/devices", {"endpoint": name, "psk": psk})
        assert made.status_code == 201, made.text


def add_certificate_device(rig, server, name):
    from test_coap_traps import Devices
    return Devices(server, rig.folder).add_cert(name)


def musterd(rig):
    if "dtls" not in rig.shared:
        server = rig.daemon("dtls", {"coap.shards": SHARDS})
        add_psk_devices(rig, server, rig.scaled(SESSIONS))
        add_certificate_device(rig, server, "certified")
        rig.shared["dtls"] = server
    return rig.shared["dtls"]


def bare(rig):
    if "bare-dtls" not in rig.shared:
        rig.shared["bare-dtls"] = rig.spawn("bare_coap", "--shards", SHARDS, "--psk", KEY)
    return rig.shared["bare-dtls"]


def rate(done):
    """Operations per CPU-second of a run without faults."""
    if done["failed"] or done["lost"] or done["bad"] or set(done["codes"]) - {"2.05"} or not done["count"]:
        raise RuntimeError(f"the run was not clean: {done}")
    return done["count"] / done["server_cpu"]


def checkins(rig, port, pid, *words):
    return rate(rig.load("load_dtls", "--port", port, "--server-pid", pid, "--mode", "checkin",
                         "--sessions", rig.scaled(SESSIONS), "--window", 256, "--warm", 1,
                         "--seconds", rig.seconds, *words))


def our_checkins(rig):
    server = musterd(rig)
    return checkins(rig, server.coap_port, server.pid, "--psk-secret", SECRET, "--path", "update")


def bare_checkins(rig):
    twin = bare(rig)
    return checkins(rig, twin.port(), twin.pid, "--psk-hex", KEY, "--path", "t")


def handshakes(rig, *words):
    server = musterd(rig)
    done = rig.load("load_dtls", "--port", server.coap_port, "--server-pid", server.pid, "--mode", "handshake",
                    "--sessions", 8, "--window", 8, "--warm", 1, "--seconds", rig.seconds,
                    "--cert", rig.folder / "certified.crt", "--key", rig.folder / "certified.key", *words)
    wanted = done["handshakes"] if words else 0
    if done["resumed"] != wanted:
        raise RuntimeError(f"{done['resumed']} of {done['handshakes']} handshakes were resumed, not {wanted}")
    return rate(done)


def openssl(rig):
    """Its own arithmetic and parsing, without a network: the most that a handshake can be."""
    state = musterd(rig).state_dir
    trusted = rig.folder / "trusted.pem"
    trusted.write_text("".join((state / "ca" / f"{name}.crt").read_text() for name in ("issuing", "root")))
    done = rig.load("bare_openssl", "--cert", state / "server.crt", "--key", state / "server.key",
                    "--ca", trusted, "--device-cert", rig.folder / "certified.crt",
                    "--device-key", rig.folder / "certified.key", "--seconds", rig.seconds, core=0)
    return done["count"] / done["server_cpu"]


ROWS = [
    Row("dtls", "check-in over established DTLS, 1 k sessions : a bare sharded libcoap GET over DTLS", 0.80,
        our_checkins, bare_checkins, open=lambda rig: (musterd(rig), bare(rig))),
    Row("handshake", "full handshake with certificates : OpenSSL alone", 0.45, handshakes, openssl, open=musterd),
    Row("resume", "resumed handshake : full handshake", 3.5, lambda rig: handshakes(rig, "--resume"), handshakes,
        show="times", open=musterd),
]
