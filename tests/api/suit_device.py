"""A SUIT envelope read, and carried out, by code that shares nothing with the project's own: Debian's cbor2 and
cryptography for CBOR and COSE, and a manifest processor written here from the drafts."""

import hashlib
import time

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

SHA256 = -16
SECTIONS = {"validate": 7, "load": 8, "invoke": 9, "dependency-resolution": 15, "payload-fetch": 16,
            "candidate-verification": 18, "install": 20, "uninstall": 24}
SEVERABLE = {14, 15, 16, 18, 20, 23}


class Refused(Exception):
    """A condition does not hold."""


class Broken(Exception):
    """The envelope, or a directive, is not right."""


def encode(value):
    return cbor2.dumps(value, canonical=True)


def need(condition, why):
    if not condition:
        raise Broken(why)


def digest_of(value):
    """SUIT_Digest over a byte string with its head."""
    return [SHA256, hashlib.sha256(encode(value)).digest()]


class Envelope:
    """Decoded; every digest and every signature by one of the keys is checked."""

    def __init__(self, data, keys=()):
        whole = cbor2.loads(data)
        need(isinstance(whole, cbor2.CBORTag) and whole.tag == 107, "no SUIT envelope")
        need(encode(whole) == data, "not deterministic")
        self.map = whole.value
        wrapper = cbor2.loads(self.map[2])
        need(cbor2.loads(wrapper[0]) == digest_of(self.map[3]), "the manifest's digest")
        self.digest = cbor2.loads(wrapper[0])[1]
        self.manifest = cbor2.loads(self.map[3])
        need(self.manifest[1] == 1, "the version of the format")
        self.algorithms = [self.verify(block, wrapper[0], keys) for block in wrapper[1:]]
        self.sections = {name: self.element(key) for name, key in SECTIONS.items()}
        self.text = cbor2.loads(self.element(23)) if 23 in self.manifest else None
        for key in self.map:
            need(key in (2, 3) or isinstance(key, str) or isinstance(self.manifest.get(key), list),
                 f"element {key} is severed without a digest")
        self.common = cbor2.loads(self.manifest[3])
        self.components = [tuple(c) for c in self.common.get(2, [])]
        self.dependencies = self.common.get(1, {})
        self.payloads = {k: v for k, v in self.map.items() if isinstance(k, str)}

    def element(self, key):
        """A section's bytes, from the manifest or, by its digest, from the envelope."""
        value = self.manifest.get(key)
        if not isinstance(value, list):
            return value
        need(key in SEVERABLE, f"{key} may not be severed")
        need(key in self.map, f"{key} was severed away")
        need(value == digest_of(self.map[key]), f"the digest of {key}")
        return self.map[key]

    @staticmethod
    def verify(block, digest, keys):
        sign1 = cbor2.loads(block)
        need(sign1.tag == 18 and sign1.value[2] is None, "no detached COSE_Sign1")
        protected, _, _, signature = sign1.value
        signed = encode(["Signature1", protected, b"", digest])
        need(any(verifies(key, signature, signed) for key in keys), "a signature by nobody known")
        return cbor2.loads(protected)[1]


def verifies(pem, signature, signed):
    key = serialization.load_pem_public_key(pem)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


class Device:
    """Facts, storage by component id, and what the network would give."""

    def __init__(self, vendor, class_id, files, *, slot=0, version=(1,), battery=10000, device_id=b"", handlers=None,
                 storage=None, authorized=0):
        self.vendor, self.class_id, self.files, self.slot = vendor, class_id, files, slot
        self.version, self.battery, self.device_id, self.authorized = version, battery, device_id, authorized
        self.storage = dict(storage or {})
        self.handlers = handlers or {}
        self.ran, self.waited, self.fetched, self.metadata, self.keys = [], [], [], {}, ()

    def update(self, data, keys=()):
        self.keys = keys
        Run(self, Envelope(data, keys)).procedure(
            "dependency-resolution", "payload-fetch", "candidate-verification", "install", "validate")

    def invoke(self, data, keys=()):
        Run(self, Envelope(data, keys)).procedure("validate", "load", "invoke")

    def uninstall(self, data, keys=()):
        Run(self, Envelope(data, keys)).procedure("uninstall")


class Run:
    """One procedure of one manifest on one device."""

    def __init__(self, device, envelope):
        self.device, self.envelope = device, envelope
        indexes = range(len(envelope.components) + len(envelope.dependencies))
        self.parameters = {i: {} for i in indexes}
        self.current = [0]

    def procedure(self, *sections):
        for name in sections:
            self.section(name)

    def section(self, name):
        self.name = name
        if self.envelope.sections[name] is None:
            return
        self.current = [0] if len(self.parameters) == 1 else []
        if 4 in self.envelope.common:
            self.sequence(self.envelope.common[4])
        self.current = [0] if len(self.parameters) == 1 else []
        self.sequence(self.envelope.sections[name])

    def sequence(self, data):
        items = cbor2.loads(data)
        need(len(items) % 2 == 0, "commands come in pairs")
        for command, argument in zip(items[::2], items[1::2]):
            if command == 12:
                self.current = list(self.parameters) if argument is True else \
                    argument if isinstance(argument, list) else [argument]
            elif command == 15:
                self.try_each(argument)
            elif command == 32:
                self.sequence(argument)
            else:
                need(self.current, "a command without a component")
                for index in self.current:
                    self.command(command, index, argument)

    def try_each(self, alternatives):
        for alternative in alternatives:
            if alternative is None:
                return
            before = {i: dict(p) for i, p in self.parameters.items()}, list(self.current)
            try:
                self.sequence(alternative)
                return
            except Refused:
                self.parameters, self.current = before
        raise Refused("no alternative holds")

    def command(self, command, index, argument):
        p = self.parameters[index]
        if command in (19, 20):
            for key, value in argument.items():
                if command == 20 or key not in p:
                    p[key] = value
            return
        need(command in COMMANDS, f"command {command}")
        COMMANDS[command](self, index, p)

    def id_of(self, index):
        if index < len(self.envelope.components):
            return self.envelope.components[index]
        return ("dependency", *self.envelope.dependencies[index].get(1, [index]))

    def content(self, index):
        return self.device.storage.get(self.id_of(index), b"")

    @staticmethod
    def demand(condition, why):
        if not condition:
            raise Refused(why)

    def matches(self, index, p):
        content = self.content(index)
        digest = cbor2.loads(p[3])
        return digest == [SHA256, hashlib.sha256(content).digest()] and p.get(14, len(content)) == len(content)

    def vendor(self, index, p):
        self.demand(p[1] == self.device.vendor, "vendor")

    def class_id(self, index, p):
        self.demand(p[2] == self.device.class_id, "class")

    def device_id(self, index, p):
        self.demand(p[24] == self.device.device_id, "device")

    def image_match(self, index, p):
        self.demand(self.matches(index, p), f"component {index} does not match")

    def image_not_match(self, index, p):
        self.demand(not self.matches(index, p), "it is there already")

    def slot(self, index, p):
        self.demand(p[5] == self.device.slot, "slot")

    def use_before(self, index, p):
        self.demand(time.time() < p[4], "too late")

    def battery(self, index, p):
        self.demand(self.device.battery >= p[26], "battery")

    def authorized(self, index, p):
        self.demand(self.device.authorized <= p[27], "authorization")

    def version(self, index, p):
        comparison, wanted = cbor2.loads(p[28])
        got = list(self.device.version)[:len(wanted)]
        holds = {1: got > wanted, 2: got >= wanted, 3: got == wanted, 4: got <= wanted, 5: got < wanted}
        self.demand(holds[comparison], "version")

    def wait(self, index, p):
        self.device.waited.append(cbor2.loads(p[29]))

    def fetch(self, index, p):
        uri = p[21]
        content = self.envelope.payloads[uri] if uri.startswith("#") else self.device.files.get(uri)
        need(content is not None, f"nothing at {uri}")
        need(len(content) == p.get(14, len(content)), "another size than announced")
        self.device.fetched.append(uri)
        self.store(index, p, content)

    def store(self, index, p, content):
        self.device.storage[self.id_of(index)] = content
        if 30 in p:
            self.device.metadata[self.id_of(index)] = cbor2.loads(p[30])

    def copy(self, index, p):
        content, source = self.content(p[22]), self.id_of(p[22])
        if 19 in p:
            content = self.device.handlers["decrypt"](p[19], content)
        if source in self.device.handlers:
            content = self.device.handlers[source](content, self.content(index))
        self.store(index, p, content)

    def write(self, index, p):
        self.store(index, p, p[18])

    def swap(self, index, p):
        other = self.content(p[22])
        self.device.storage[self.id_of(p[22])] = self.content(index)
        self.store(index, p, other)

    def invoke(self, index, p):
        self.device.ran.append((self.id_of(index), p.get(23, b"")))

    def unlink(self, index, p):
        self.device.storage.pop(self.id_of(index), None)

    def integrity(self, index, p):
        inner = Envelope(self.content(index), self.device.keys)
        self.demand([SHA256, inner.digest] == cbor2.loads(p[3]), "another dependency")

    def process(self, index, p):
        """A component has one set of parameters, whichever manifest sets them: so a dependent can set some before."""
        inner = Run(self.device, Envelope(self.content(index), self.device.keys))
        ours = {self.id_of(i): parameters for i, parameters in self.parameters.items()}
        inner.parameters = {i: ours.get(inner.id_of(i), {}) for i in inner.parameters}
        inner.section(self.name)


COMMANDS = {1: Run.vendor, 2: Run.class_id, 3: Run.image_match, 4: Run.use_before, 5: Run.slot, 7: Run.integrity,
            11: Run.process, 18: Run.write, 21: Run.fetch, 22: Run.copy, 23: Run.invoke, 24: Run.device_id,
            25: Run.image_not_match, 26: Run.battery, 27: Run.authorized, 28: Run.version, 29: Run.wait, 31: Run.swap,
            33: Run.unlink}
