"""A PKCS#11 token in software (SoftHSM) in a folder of the test's own."""

import os
import pathlib
import re
import subprocess

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

DRIVERS = [path for path in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so")
           if os.path.exists(path)]
PIN = "hemlig-1234"
KINDS = {"p256": "EC:prime256v1", "p384": "EC:secp384r1", "rsa": "rsa:2048", "ed25519": "EC:edwards25519"}
CURVES = {"p256": lambda p: ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), p),
          "p384": lambda p: ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), p),
          "ed25519": ed25519.Ed25519PublicKey.from_public_bytes}


class Token:
    def __init__(self, folder, label="author"):
        self.folder, self.label, self.made = pathlib.Path(folder), label, 0
        self.driver = DRIVERS[0]
        (self.folder / "tokens").mkdir(exist_ok=True)
        conf = self.folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {self.folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.env = {"SOFTHSM2_CONF": str(conf)}
        (self.folder / "pin").write_text(PIN + "\n")
        self.tool("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "so-pin-12")

    def tool(self, *words):
        done = subprocess.run(words, env={**os.environ, **self.env}, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def make(self, name, kind, *how):
        """A key that was made in the token and never leaves it; its public half in name.pub."""
        usage = "--usage-derive" if "derive" in how else "--usage-sign"
        more = ["--always-auth"] if "always-auth" in how else []
        token = ["pkcs11-tool", "--module", self.driver, "--token-label", self.label]
        self.made += 1
        number = f"{self.made:02x}"
        said = self.tool(*token, "--login", "--pin", PIN, "--keypairgen", "--key-type", KINDS[kind], usage, *more, "--label",
                         name, "--id", number)
        if kind == "rsa":
            key = serialization.load_der_public_key(self.tool(*token, "--read-object", "--type", "pubkey", "--id", number))
        else:
            point = bytes.fromhex(re.search(rb"EC_POINT: *([0-9a-f]+)", said)[1].decode())[2:]
            key = CURVES[kind](point)
        (self.folder / f"{name}.pub").write_bytes(key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    def take(self, name, key):
        """A key that was made outside, so that it could ask for a certificate."""
        self.made += 1
        path = self.folder / f"{name}.p8"
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
        self.tool("softhsm2-util", "--import", path, "--token", self.label, "--label", name, "--id", f"{self.made:02x}",
                  "--pin", PIN)
        path.unlink()

    def uri(self, name, pin=True, **instead):
        parts = {"token": self.label, "object": name, **instead}
        text = ";".join(f"{k}={v}" for k, v in parts.items() if v)
        return f"pkcs11:{text}?module-path={self.driver}" + (f"&pin-source=file:{self.folder}/pin" if pin else "")


class MoodyToken(Token):
    """With a driver in front of it (tests/preload/token.c) that can pull it out."""

    def __init__(self, folder, preload, label="board"):
        super().__init__(folder, label)
        self.state, self.tries = self.folder / "mood", self.folder / "tries"
        self.env.update(MUSTER_TOKEN_DRIVER=self.driver, MUSTER_TOKEN_STATE=str(self.state),
                        MUSTER_TOKEN_LOGINS=str(self.tries))
        self.front = preload / "token.so"
        (self.folder / "pin").chmod(0o600)

    def uri(self, name, pin=False, **instead):
        return super().uri(name, pin, **instead).replace(self.driver, str(self.front))

    def is_now(self, mood):
        self.state.write_text(mood)

    def logins(self):
        """How often it was given a PIN so far."""
        return len(self.tries.read_text().splitlines()) if self.tries.exists() else 0
