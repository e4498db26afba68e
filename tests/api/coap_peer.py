"""CoAP by hand, for tests that must see every byte: messages (RFC 7252), a DTLS peer driven record
by record (tests/clients/dtls.c), and forged ClientHellos."""

import os
import queue
import socket
import struct
import subprocess
import threading
import time

CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE, FETCH = 1, 2, 3, 4, 5
ETAG, OBSERVE, PATH, FORMAT, MAX_AGE, QUERY, ACCEPT, BLOCK2, BLOCK1, SIZE2, SIZE1 = (
    4, 6, 11, 12, 14, 15, 17, 23, 27, 28, 60)
REQUEST_TAG = 292
CBOR, PROBLEM, SUIT_REPORT = 60, 257, 270


def number(n):
    return n.to_bytes((n.bit_length() + 7) // 8, "big")


def block(num, more, szx):
    return number(num << 4 | more << 3 | szx)


def code(text):
    """ "4.04" as it stands in the header."""
    major, minor = text.split(".")
    return int(major) << 5 | int(minor)


class Message:
    """A CoAP message; options are (number, bytes) pairs."""

    observers = []  # see every message that came (the contract test is one)

    def __init__(self, kind=CON, code=0, mid=0, token=b"", options=(), payload=b""):
        self.kind, self.code, self.mid, self.token = kind, code, mid, token
        self.options, self.payload = list(options), payload

    def encode(self):
        out = bytes([0x40 | self.kind << 4 | len(self.token), self.code]) + struct.pack(">H", self.mid) + self.token
        last = 0
        for n, value in sorted(self.options, key=lambda o: o[0]):
            head, rest = 0, b""
            for x, shift in ((n - last, 4), (len(value), 0)):
                if x < 13:
                    head |= x << shift
                elif x < 269:
                    head |= 13 << shift
                    rest += bytes([x - 13])
                else:
                    head |= 14 << shift
                    rest += struct.pack(">H", x - 269)
            out += bytes([head]) + rest + value
            last = n
        return out + (b"\xff" + self.payload if self.payload else b"")

    @classmethod
    def decode(cls, raw):
        m = cls(raw[0] >> 4 & 3, raw[1], struct.unpack(">H", raw[2:4])[0])
        size = raw[0] & 15
        m.token, at, last = raw[4:4 + size], 4 + size, 0
        while at < len(raw) and raw[at] != 0xFF:
            parts = [raw[at] >> 4, raw[at] & 15]
            at += 1
            for i, x in enumerate(parts):
                if x == 13:
                    parts[i] = raw[at] + 13
                    at += 1
                elif x == 14:
                    parts[i] = struct.unpack(">H", raw[at:at + 2])[0] + 269
                    at += 2
            last += parts[0]
            m.options.append((last, raw[at:at + parts[1]]))
            at += parts[1]
        m.payload = raw[at + 1:]
        for observer in cls.observers:
            observer(m)
        return m

    def option(self, n):
        return next((v for k, v in self.options if k == n), None)

    def value(self, n):
        """An option's number, None when it is not there."""
        v = self.option(n)
        return None if v is None else int.from_bytes(v, "big")

    def block(self, n):
        """(num, more, szx) of Block1 or Block2."""
        v = self.value(n)
        return None if v is None else (v >> 4, bool(v & 8), v & 7)

    @property
    def answer(self):
        """ "2.05" """
        return f"{self.code >> 5}.{self.code & 31:02d}"

    def __repr__(self):
        return f"<{'CON NON ACK RST'.split()[self.kind]} {self.answer} mid={self.mid} {self.options} {self.payload!r}>"


class Refused(Exception):
    pass


class DtlsPeer:
    """A DTLS session under control.  Raises Refused when the handshake fails."""

    def __init__(self, port, psk=None, cert=None, ca=None, **options):
        program = os.path.join(os.environ.get("BUILD", "build"), "tests/clients/dtls")
        args = [program, "--port", str(port)]
        if psk:
            args += ["--psk", f"{psk[0]}:{psk[1].hex()}"]
        if cert:
            args += ["--cert", str(cert[0]), "--key", str(cert[1])]
        if ca:
            args += ["--ca", str(ca)]
        for name, value in options.items():
            args += ["--" + name.replace("_", "-"), str(value)]
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.mid = int.from_bytes(os.urandom(2), "big")
        self.closed = False
        first = self.process.stdout.readline().split(None, 1)
        if not first or first[0] != "connected":
            self.process.wait()
            raise Refused(first[1].strip() if len(first) > 1 else "no answer")
        details = dict(x.split("=") for x in first[1].split())
        self.resumed, self.cipher = details["resumed"] == "1", details["cipher"]
        self.incoming = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            self.incoming.put(Message.decode(bytes.fromhex(rest)) if word == "got" else None)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def send(self, message):
        self.tell("send " + message.encode().hex())

    def receive(self, timeout=5.0):
        """The next message, None when nothing came; `closed` is set by a goodbye."""
        try:
            m = self.incoming.get(timeout=timeout)
        except queue.Empty:
            return None
        if m is None:
            self.closed = True
        return m

    def wait_closed(self, timeout=8.0):
        until = time.monotonic() + timeout
        while not self.closed and time.monotonic() < until:
            self.receive(0.2)
        return self.closed

    def message(self, method, path, payload=b"", options=(), kind=CON, token=None):
        self.mid = (self.mid + 1) & 0xFFFF
        segments = [(PATH, s.encode()) for s in path.strip("/").split("/") if s]
        token = os.urandom(4) if token is None else token
        return Message(kind, method, self.mid, token, segments + list(options), payload)

    def answer_to(self, request, timeout=8.0):
        """The answer, with its acknowledgement sent when it came separately."""
        until = time.monotonic() + timeout
        while (left := until - time.monotonic()) > 0:
            m = self.receive(left)
            if m is None:
                break
            if m.kind == CON:
                self.send(Message(ACK, 0, m.mid))
            if m.code and m.token == request.token:
                return m
            if m.kind == RST and m.mid == request.mid:
                return m
        return None

    def ask(self, method, path, payload=b"", options=(), timeout=8.0, **kw):
        m = self.message(method, path, payload, options, **kw)
        self.send(m)
        return self.answer_to(m, timeout)

    def get(self, path, options=(), **kw):
        return self.ask(GET, path, b"", options, **kw)

    def post(self, path, payload, options=((FORMAT, number(CBOR)),), **kw):
        return self.ask(POST, path, payload, options, **kw)

    def close(self):
        self._end("close")

    def drop(self):
        """As if the power went."""
        self._end("drop")

    def _end(self, how):
        if self.process.poll() is None:
            try:
                self.tell(how)
                self.process.stdin.close()
                self.process.wait(5)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def client_hello(cookie=b"", secret=None, number=0):
    """A ClientHello that offers one PSK suite, in one record: without a cookie, or the second one of
    the same handshake, that brings it."""
    body = (b"\xfe\xfd" + (secret or os.urandom(32)) + b"\x00" + bytes([len(cookie)]) + cookie +
            b"\x00\x02\xc0\xa8" + b"\x01\x00")
    size = len(body).to_bytes(3, "big")
    handshake = b"\x01" + size + struct.pack(">H", number) + b"\x00\x00\x00" + size + body
    return b"\x16\xfe\xff" + b"\x00\x00" + number.to_bytes(6, "big") + struct.pack(">H", len(handshake)) + handshake


def half_handshake(port, source=0):
    """A client that begins a handshake, shows its cookie, is told ServerHello, and is gone.  The
    port it did it from."""
    secret = os.urandom(32)

    def ask(hello):
        for _ in range(5):  # the port may be that of an earlier one, which gives way first
            s.send(hello)
            try:
                return s.recv(4096)
            except TimeoutError:
                continue
        raise AssertionError("a hello was not answered")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.settimeout(1)
        s.bind(("127.0.0.1", source))
        s.connect(("127.0.0.1", port))
        asked = ask(client_hello(secret=secret))
        assert asked[0] == 22 and asked[13] == 3, "no HelloVerifyRequest"
        told = ask(client_hello(asked[28:28 + asked[27]], secret, 1))
        assert told[0] == 22 and told[13] == 2, "no ServerHello"
        return s.getsockname()[1]


def forge_hellos(port, count):
    """As from `count` other clients: each from a port of its own, none ever answers the cookie."""
    sockets = []
    for _ in range(count):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(("127.0.0.1", port))
        s.send(client_hello())
        sockets.append(s)
    return sockets
