"""Signed SUIT envelopes made without the project's own encoder: a second opinion on the format."""

import hashlib
import uuid

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives import hmac as hmac_
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ESP256, ED25519, SHA256, ESP384, PS256, HMAC256 = -9, -19, -16, -51, -37, 5
KINDS = {
    "p256": (ESP256, lambda: ec.generate_private_key(ec.SECP256R1())),
    "p384": (ESP384, lambda: ec.generate_private_key(ec.SECP384R1())),
    "ed25519": (ED25519, ed25519.Ed25519PrivateKey.generate),
    "rsa": (PS256, lambda: rsa.generate_private_key(65537, 2048)),
}


def encode(value):
    return cbor2.dumps(value, canonical=True)


def vendor_id(domain):
    return uuid.uuid5(uuid.NAMESPACE_DNS, domain)


def class_id(domain, name):
    return uuid.uuid5(vendor_id(domain), name)


class Author:
    def __init__(self, kind="p256"):
        self.alg, generate = KINDS[kind]
        self.key = generate()
        public = self.key.public_key()
        spki = public.public_bytes(serialization.Encoding.DER,
                                   serialization.PublicFormat.SubjectPublicKeyInfo)
        self.kid = hashlib.sha256(spki).digest()[:8]
        self.pem = public.public_bytes(serialization.Encoding.PEM,
                                       serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, data):
        if self.alg == ED25519:
            return self.key.sign(data)
        if self.alg == PS256:
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            return self.key.sign(data, pss, hashes.SHA256())
        hash_, size = (hashes.SHA256(), 32) if self.alg == ESP256 else (hashes.SHA384(), 48)
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hash_)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def block(self, digest, alg=None, kid=None):
        """A COSE_Sign1 with the digest as its detached payload."""
        protected = encode({1: alg or self.alg})
        signature = self.sign(encode(["Signature1", protected, b"", digest]))
        return encode(cbor2.CBORTag(18, [protected, {4: kid or self.kid}, None, signature]))


def sign_block(digest, *authors):
    """A COSE_Sign with a signature of each."""
    signatures = []
    for a in authors:
        protected = encode({1: a.alg})
        signature = a.sign(encode(["Signature", b"", protected, b"", digest]))
        signatures.append([protected, {4: a.kid}, signature])
    return encode(cbor2.CBORTag(98, [b"", {}, None, signatures]))


def mac_block(digest, key, kid):
    """A COSE_Mac0 by HMAC-SHA256."""
    protected = encode({1: HMAC256})
    mac = hmac_.HMAC(key, hashes.SHA256())
    mac.update(encode(["MAC0", protected, b"", digest]))
    return encode(cbor2.CBORTag(17, [protected, {4: kid}, None, mac.finalize()]))


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
