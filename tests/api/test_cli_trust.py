"""Whom `muster` trusts at its first login: who is in the middle can send the server's own root, which is public."""

import datetime
import http.server
import ipaddress
import json
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from test_cli_server import Cli, fingerprint


def certificate(folder, name, issuer=None):
    """Of a CA, or, with an issuer, of a server at 127.0.0.1.  Its PEM, and what signs with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[0] if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - day).not_valid_after(now + day)
               .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True))
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return made.public_bytes(serialization.Encoding.PEM).decode(), path, (subject, key)


@pytest.fixture
def middle(tmp_path):
    """Answers as the server would, under a CA of its own; `said` is what it was told."""
    foreign, _, signer = certificate(tmp_path, "foreign")
    _, path, _ = certificate(tmp_path, "middle", signer)
    said = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            said.append(self.headers.get("Authorization"))
            body = json.dumps({"root_pem": self.server.root} if self.path == "/v1/ca" else
                              {"name": "x", "role": "admin"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.foreign, server.said = foreign, said
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("order", ["behind", "before"])
def test_only_the_root_that_was_confirmed_is_trusted(daemon, middle, tmp_path, order):
    cli, genuine = Cli(tmp_path / "home", daemon), daemon.ca_path.read_text()
    middle.root = genuine + middle.foreign if order == "behind" else middle.foreign + genuine
    url = f"https://127.0.0.1:{middle.server_address[1]}"
    done = cli.error("login", url, "--token-stdin", "--fingerprint", fingerprint(daemon.ca_path), stdin="secret\n", code=4)
    assert done.startswith(f"muster: {url} does not prove" if order == "behind" else f"muster: the fingerprint of {url} is")
    assert middle.said == [None], "it was told the token"
    assert not (cli.home / ".config" / "muster" / "login.json").exists()
