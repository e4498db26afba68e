"""COSE_Encrypt of firmware encryption made and opened without the project's code: a second opinion."""

import os

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

A128KW, A256KW, ECDH_ES_A128KW = -3, -5, -29
# name: COSE number, key size, IV size, AEAD
ALGORITHMS = {
    "a128gcm": (1, 16, 12, AESGCM),
    "a256gcm": (3, 32, 12, AESGCM),
    "chacha20": (24, 32, 12, ChaCha20Poly1305),
    "a128ctr": (-65534, 16, 16, None),
    "a256ctr": (-65532, 32, 16, None),
}
NUMBERS = {row[0]: row for row in ALGORITHMS.values()}


def encode(value):
    return cbor2.dumps(value, canonical=True)


def content(alg, key, iv, data, decrypt):
    _, _, _, aead = NUMBERS[alg]
    if aead:
        cipher, aad = aead(key), encode(["Encrypt", encode({1: alg}), b""])
        return (cipher.decrypt if decrypt else cipher.encrypt)(iv, data, aad)
    cipher = Cipher(algorithms.AES(key), modes.CTR(iv))
    context = cipher.decryptor() if decrypt else cipher.encryptor()
    return context.update(data) + context.finalize()


def derived(private, public):
    info = encode([A128KW, [None] * 3, [None] * 3,
                   [128, encode({1: ECDH_ES_A128KW}), b"SUIT Payload Encryption"]])
    return HKDF(hashes.SHA256(), 16, None, info).derive(private.exchange(ec.ECDH(), public))


def unwrap(recipient, key):
    """key: bytes, or a private key."""
    protected, unprotected, wrapped = recipient
    if isinstance(key, bytes):
        assert protected == b"" and unprotected[1] == {16: A128KW, 32: A256KW}[len(key)]
        return aes_key_unwrap(key, wrapped)
    assert cbor2.loads(protected) == {1: ECDH_ES_A128KW}
    sender = unprotected[-1]
    assert sender.keys() == {1, -1, -2, -3} and (sender[1], sender[-1]) == (2, 1)
    public = ec.EllipticCurvePublicNumbers(int.from_bytes(sender[-2], "big"), int.from_bytes(sender[-3], "big"),
                                           ec.SECP256R1()).public_key()
    return aes_key_unwrap(derived(key, public), wrapped)


def opened(info, data, key, kid=None):
    """The plaintext for the recipient of that kid, or the only one."""
    assert encode(cbor2.loads(info)) == info
    message = cbor2.loads(info)
    protected, unprotected, nothing, recipients = message.value
    assert message.tag == 96 and nothing is None
    alg = cbor2.loads(protected)[1] if protected else unprotected[1]
    _, key_size, iv_size, aead = NUMBERS[alg]
    assert bool(aead) == bool(protected) and len(unprotected[5]) == iv_size
    found = [r for r in recipients if r[1].get(4) == kid]
    assert len(found) == 1
    cek = unwrap(found[0], key)
    assert len(cek) == key_size
    return content(alg, cek, unprotected[5], data, decrypt=True)


def recipient_for(key, kid, cek):
    """key: bytes, or a public key."""
    named = {4: kid} if kid else {}
    if isinstance(key, bytes):
        return [b"", {1: {16: A128KW, 32: A256KW}[len(key)], **named}, aes_key_wrap(key, cek)]
    own = ec.generate_private_key(ec.SECP256R1())
    numbers = own.public_key().public_numbers()
    sender = {1: 2, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    return [encode({1: ECDH_ES_A128KW}), {-1: sender, **named}, aes_key_wrap(derived(own, key), cek)]


def made(name, data, recipients):
    """Info and ciphertext for [(key, kid)]."""
    alg, key_size, iv_size, aead = ALGORITHMS[name]
    cek, iv = os.urandom(key_size), os.urandom(iv_size)
    headers = [encode({1: alg}), {5: iv}] if aead else [b"", {1: alg, 5: iv}]
    info = encode(cbor2.CBORTag(96, [*headers, None, [recipient_for(key, kid, cek) for key, kid in recipients]]))
    return info, content(alg, cek, iv, data, decrypt=False)


def device_key():
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
