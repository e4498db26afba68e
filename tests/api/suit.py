"""Signed SUIT envelopes made without the project's own encoder: a second opinion on the format."""

import hashlib
import uuid

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ESP256, ED25519, SHA256 = -9, -19, -16


def encode(value):
    return cbor2.dumps(value, canonical=True)


def vendor_id(domain):
    return uuid.uuid5(uuid.NAMESPACE_DNS, domain)


def class_id(domain, name):
    return uuid.uuid5(vendor_id(domain), name)


class Author:
    def __init__(self, kind="p256"):
        self.key = ec.generate_private_key(ec.SECP256R1()) if kind == "p256" \
            else ed25519.Ed25519PrivateKey.generate()
        self.alg = ESP256 if kind == "p256" else ED25519
        public = self.key.public_key()
        spki = public.public_bytes(serialization.Encoding.DER,
                                   serialization.PublicFormat.SubjectPublicKeyInfo)
        self.kid = hashlib.sha256(spki).digest()[:8]
        self.pem = public.public_bytes(serialization.Encoding.PEM,
                                       serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, data):
        if self.alg == ED25519:
            return self.key.sign(data)
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def block(self, digest, alg=None, kid=None):
        """A COSE_Sign1 with the digest as its detached payload."""
        protected = encode({1: alg or self.alg})
        signature = self.sign(encode(["Signature1", protected, b"", digest]))
        return encode(cbor2.CBORTag(18, [protected, {4: kid or self.kid}, None, signature]))


def manifest(sequence, image, domain="test.example", name="lock", component=b"main", uri=None,
             size=None, version=None):
    """The manifest of one component whose image arrives by fetch."""
    digest = hashlib.sha256(image).digest()
    common = [20, {1: vendor_id(domain).bytes, 2: class_id(domain, name).bytes,
                   3: encode([SHA256, digest]), 14: len(image) if size is None else size},
              1, 15, 2, 15]
    body = {
        1: 1,
        2: sequence,
        3: encode({2: [[component]], 4: encode(common)}),
        7: encode([3, 15]),
        20: encode([20, {21: uri or f"img/{digest.hex()}"}, 21, 2, 3, 15]),
    }
    if version:
        body[6] = encode(version)
    return encode(body)


def envelope(body, *authors, blocks=None):
    """blocks: COSE blocks to use in place of the authors' own."""
    digest = encode([SHA256, hashlib.sha256(encode(body)).digest()])
    signed = blocks(digest) if blocks else [a.block(digest) for a in authors]
    return encode(cbor2.CBORTag(107, {2: encode([digest, *signed]), 3: body}))
