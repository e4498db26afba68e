"""Devices over REST: provisioning, labels, lists, credentials, revocation."""

import base64
import datetime
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PATH = "/v1/devices"


@pytest.fixture
def operator(daemon):
    return daemon.operator("operator")


def add(client, endpoint, **more):
    made = client.post(PATH, {"endpoint": endpoint, **({"psk": True} | more)})
    assert made.status_code == 201, made.text
    return made.json()


def is_error(answer, status, code, *pointers):
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"urn:muster:error:{code}"
    if pointers:
        assert [e["pointer"] for e in answer.json()["errors"]] == list(pointers)


def csr(name, key=None, *extensions):
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return key, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def revision(device):
    return {"If-Match": f'"{device["revision"]}"'}


# --- provisioning ----------------------------------------------------------------------------

def test_psk_is_made_and_shown_once(daemon, operator):
    made = add(operator, "lock-1", attributes={"site": "berlin"})
    assert len(base64.b64decode(made.pop("psk"))) == 32
    assert made["lifecycle"] == "provisioned" and made["credential"] == "psk"
    assert made["attributes"] == {"site": "berlin"} and made["components"] == []
    got = operator.get(f"{PATH}/lock-1")
    assert got.json() == made and got.headers["ETag"] == '"1"'
    is_error(operator.post(PATH, {"endpoint": "lock-1", "psk": True}), 409, "already-exists")
    uuid.UUID(made["device_id"])
    is_error(operator.get(f"{PATH}/lock-2"), 404, "not-found")


def test_a_given_psk_is_not_shown(daemon, operator):
    key = base64.b64encode(b"canary-of-the-key").decode()
    assert "psk" not in add(operator, "lock-1", psk=key)
    for row in daemon.pg.sql("SELECT d::text FROM device d", daemon.database):
        assert b"canary-of-the-key".hex() not in row[0]
    assert key not in daemon.log() and "canary" not in daemon.log()
    for bad in ("", "x", base64.b64encode(b"15 bytes, short").decode(),
                base64.b64encode(b"x" * 65).decode(), 7, False):
        is_error(operator.post(PATH, {"endpoint": "lock-2", "psk": bad}), 422, "validation", "/psk")


def test_a_body_says_one_credential(operator):
    _, request = csr("lock-1")
    is_error(operator.post(PATH, {"endpoint": "lock-1"}), 422, "validation", "/psk")
    is_error(operator.post(PATH, {"endpoint": "lock-1", "psk": True, "csr": request}), 422,
             "validation", "/csr")
    is_error(operator.post(PATH, {"endpoint": "lock-1", "psk": True, "site": "x"}), 422,
             "validation", "/site")
    is_error(operator.post(PATH, {"psk": True}), 422, "validation", "/endpoint")


@pytest.mark.parametrize("name", ["", ".a", "a b", "a/b", "ä", "a" * 65, "../x", "a\u0001b"])
def test_names_that_cannot_be(operator, name):
    is_error(operator.post(PATH, {"endpoint": name, "psk": True}), 422, "validation", "/endpoint")


def test_roles(daemon, operator):
    add(operator, "lock-1")
    for role in ("viewer", "publisher"):
        client = daemon.operator(role)
        assert client.get(PATH).status_code == 200
        is_error(client.post(PATH, {"endpoint": "lock-2", "psk": True}), 403, "denied")
        is_error(client.post(f"{PATH}/lock-1/revoke", {}), 403, "denied")
        is_error(client.post(f"{PATH}/lock-1/credential", {"psk": True}), 403, "denied")
        is_error(client.delete(f"{PATH}/lock-1", headers={"If-Match": '"1"'}), 403, "denied")
    is_error(daemon.anonymous().get(PATH), 401, "unauthenticated")


def test_idempotency_key_makes_one_device(operator):
    headers = {"Idempotency-Key": "k-1"}
    first = operator.post(PATH, {"endpoint": "lock-1", "psk": True}, headers=headers)
    second = operator.post(PATH, {"endpoint": "lock-1", "psk": True}, headers=headers)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json(), "the same key is shown, because nobody may have seen it"
    other = operator.post(PATH, {"endpoint": "lock-2", "psk": True}, headers=headers)
    is_error(other, 422, "idempotency-mismatch")


# --- certificates ----------------------------------------------------------------------------

def test_D02_certificate_has_our_profile(operator):
    greedy = (x509.BasicConstraints(ca=True, path_length=None),
              x509.SubjectAlternativeName([x509.DNSName("*.example.com")]))
    key, request = csr("another-name", None, *greedy)
    made = operator.post(PATH, {"endpoint": "lock-1", "csr": request}).json()
    cert = x509.load_pem_x509_certificate(made["certificate_pem"].encode())
    names = {a.oid: a.value for a in cert.subject}
    assert names == {NameOID.COMMON_NAME: "lock-1", NameOID.ORGANIZATIONAL_UNIT_NAME: "devices"}
    assert cert.public_key().public_numbers() == key.public_key().public_numbers()
    constraints = cert.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not constraints.value.ca and constraints.critical
    usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [u.dotted_string for u in usage] == ["1.3.6.1.5.5.7.3.2"]
    assert len(cert.extensions) == 5
    with pytest.raises(x509.ExtensionNotFound):
        cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert cert.serial_number.bit_length() > 64
    assert (cert.not_valid_after - cert.not_valid_before) < datetime.timedelta(days=826)
    assert made["credential"] == "cert" and made["chain_pem"].count("BEGIN CERTIFICATE") == 2


def test_ca_is_what_devices_pin(daemon, operator):
    ca = operator.get("/v1/ca").json()
    assert ca["root_pem"] == daemon.ca_path.read_text()
    assert ca["chain_pem"].endswith(ca["root_pem"])
    issuing = x509.load_pem_x509_certificate(ca["chain_pem"].encode())
    root = x509.load_pem_x509_certificate(ca["root_pem"].encode())
    root.public_key().verify(issuing.signature, issuing.tbs_certificate_bytes,
                             ec.ECDSA(issuing.signature_hash_algorithm))
    _, request = csr("lock-1")
    made = operator.post(PATH, {"endpoint": "lock-1", "csr": request}).json()
    cert = x509.load_pem_x509_certificate(made["certificate_pem"].encode())
    issuing.public_key().verify(cert.signature, cert.tbs_certificate_bytes,
                                ec.ECDSA(cert.signature_hash_algorithm))


def test_D03_requests_that_are_refused(operator):
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    _, good = csr("lock-1")
    lines = good.splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[-1] ^= 1
    forged = "\n".join([lines[0], base64.b64encode(bytes(der)).decode(), lines[-1]]) + "\n"
    _, weak = csr("lock-1", rsa.generate_private_key(65537, 2048))
    _, curve = csr("lock-1", ec.generate_private_key(ec.SECP384R1()))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lock-1")])
    edwards = x509.CertificateSigningRequestBuilder().subject_name(name).sign(
        ed25519.Ed25519PrivateKey.generate(), None).public_bytes(serialization.Encoding.PEM).decode()
    for bad in ("", "x", good[:-60], forged, weak, curve, edwards, good.replace("REQUEST", "RUBBISH")):
        is_error(operator.post(PATH, {"endpoint": "lock-1", "csr": bad}), 422, "validation", "/csr")
    assert operator.get(PATH).json() == {"items": []}


# --- labels ----------------------------------------------------------------------------------

def test_labels(operator):
    device = add(operator, "lock-1", attributes={"site": "berlin", "lab": "yes"})
    is_error(operator.patch(f"{PATH}/lock-1", {"attributes": {}}), 428, "precondition-required")
    done = operator.patch(f"{PATH}/lock-1", {"attributes": {"lab": None, "hw": "r2"}},
                          headers=revision(device))
    assert done.status_code == 200
    assert done.json()["attributes"] == {"site": "berlin", "hw": "r2"}
    assert done.headers["ETag"] == '"2"'
    is_error(operator.patch(f"{PATH}/lock-1", {"attributes": {"a": "b"}}, headers=revision(device)),
             412, "precondition-failed")
    now = revision(done.json())
    for bad, pointer in (({"9": "x"}, "/attributes"), ({"a b": "x"}, "/attributes"),
                         ({"a": "x" * 129}, "/attributes/a"), ({"a": 7}, "/attributes/a")):
        answer = operator.patch(f"{PATH}/lock-1", {"attributes": bad}, headers=now)
        is_error(answer, 422, "validation", pointer)
    many = {f"n{i}": "x" for i in range(31)}
    is_error(operator.patch(f"{PATH}/lock-1", {"attributes": many}, headers=now), 422, "validation")


def test_markup_and_quotes_come_back_as_they_were(operator):
    text = "<script>alert('x')</script> \\ \" %s {} ü \u2028"
    assert add(operator, "lock-1", attributes={"a": text})["attributes"] == {"a": text}
    found = operator.get(PATH, params={"attribute": f"a={text}"}).json()["items"]
    assert [d["endpoint"] for d in found] == ["lock-1"]


# --- lists -----------------------------------------------------------------------------------

def pages(client, **query):
    seen, token = [], None
    while True:
        page = client.get(PATH, params={**query, **({"page_token": token} if token else {})})
        assert page.status_code == 200, page.text
        seen.append([d["endpoint"] for d in page.json()["items"]])
        token = page.json().get("next_page_token")
        if not token:
            return seen


def test_lists(operator):
    for i in range(10):
        add(operator, f"d-{i}", attributes={"parity": str(i % 2), "third": str(i % 3)})
    add(operator, "D-0")
    assert pages(operator, page_size=4) == [["D-0", "d-0", "d-1", "d-2"], ["d-3", "d-4", "d-5", "d-6"],
                                            ["d-7", "d-8", "d-9"]]
    assert pages(operator, endpoint_prefix="D") == [["D-0"]]
    assert pages(operator, attribute="parity=1") == [["d-1", "d-3", "d-5", "d-7", "d-9"]]
    assert pages(operator, attribute=["parity=1", "third=0"]) == [["d-3", "d-9"]]
    assert pages(operator, attribute="parity=1", page_size=2) == [["d-1", "d-3"], ["d-5", "d-7"], ["d-9"]]
    assert pages(operator, attribute=["parity=1", "third=0", "parity=1"]) == [["d-3", "d-9"]]
    for twice in (["parity=0", "parity=1"], ["parity=1", "third=0", "parity="]):
        is_error(operator.get(PATH, params={"attribute": twice}), 422, "validation", "attribute")
    assert pages(operator, **{"class": str(uuid.uuid4())}) == [[]]
    assert pages(operator, endpoint_prefix="'; DROP TABLE device; --") == [[]]


def test_a_page_token_belongs_to_its_list(operator):
    for i in range(3):
        add(operator, f"d-{i}")
    token = operator.get(PATH, params={"page_size": 1, "endpoint_prefix": "d"}).json()["next_page_token"]
    for query in ({"page_token": token}, {"page_token": token, "endpoint_prefix": "e"},
                  {"page_token": token[:-1], "endpoint_prefix": "d"}, {"page_token": "x"}):
        is_error(operator.get(PATH, params=query), 400, "bad-cursor")
    is_error(operator.get("/v1/images", params={"page_token": token}), 400, "bad-cursor")
    is_error(operator.get(PATH, params={"class": "x"}), 422, "validation", "class")
    is_error(operator.get(PATH, params={"attribute": "x"}), 422, "validation", "attribute")
    is_error(operator.get(PATH, params={"attribute": ["a=b"] * 5}), 422, "validation", "attribute")
    is_error(operator.get(PATH, params={"colour": "red"}), 422, "validation", "colour")


# --- credentials, revocation, deletion -------------------------------------------------------

def test_credential_is_replaced(operator):
    first = add(operator, "lock-1")
    done = operator.post(f"{PATH}/lock-1/credential", {"psk": True})
    assert done.status_code == 200, done.text
    assert done.json()["psk"] != first["psk"] and done.json()["revision"] == 2
    _, request = csr("lock-1")
    done = operator.post(f"{PATH}/lock-1/credential", {"csr": request}).json()
    assert done["credential"] == "cert" and "psk" not in done and done["certificate_pem"]
    is_error(operator.post(f"{PATH}/lock-2/credential", {"psk": True}), 404, "not-found")
    is_error(operator.post(f"{PATH}/lock-1/credential", {}), 422, "validation", "/psk")


def test_revoke(daemon, operator):
    add(operator, "lock-1")
    done = operator.post(f"{PATH}/lock-1/revoke", {}, headers={"Muster-Reason": "stolen"})
    assert done.status_code == 200
    assert (done.json()["lifecycle"], done.json()["credential"]) == ("revoked", "none")
    assert operator.post(f"{PATH}/lock-1/revoke").json() == done.json()
    again = operator.post(f"{PATH}/lock-1/credential", {"psk": True}).json()
    assert (again["lifecycle"], again["credential"]) == ("provisioned", "psk")
    kinds = [e["kind"] for e in operator.get(f"{PATH}/lock-1/events").json()["items"]]
    assert kinds == ["provisioned", "revoked", "credential"]
    audit = daemon.admin().get("/v1/audit", params={"page_size": 1000}).json()["items"]
    mine = [e for e in audit if e["action"] == "device.revoke"]
    assert [(e["object_id"], e["reason"]) for e in mine] == [(again["device_id"], "stolen")]
    assert "lock-1" not in str([e for e in audit if e["object_kind"] == "device"]), "ids, never names"


def test_delete(operator):
    device = add(operator, "lock-1")
    is_error(operator.delete(f"{PATH}/lock-1"), 428, "precondition-required")
    is_error(operator.delete(f"{PATH}/lock-1", headers={"If-Match": '"2"'}), 412,
             "precondition-failed")
    assert operator.delete(f"{PATH}/lock-1", headers=revision(device)).status_code == 204
    is_error(operator.delete(f"{PATH}/lock-1", headers=revision(device)), 404, "not-found")
    is_error(operator.get(f"{PATH}/lock-1/events"), 404, "not-found")
    assert add(operator, "lock-1")["device_id"] == device["device_id"]


def test_delete_waits_for_the_job(daemon, operator):
    device = add(operator, "lock-1")
    ids = (device["device_id"], uuid.uuid4(), uuid.uuid4())
    daemon.pg.sql("INSERT INTO job (tenant_id, device_id, job_id, campaign_id, release_id, component, "
                  "state, stage, attempt, created_at, updated_at, deadline_at) VALUES (1, '%s', 7, "
                  "'%s', '%s', 'main', 2, 0, 1, 1, 1, 9000000000000000)" % ids, daemon.database)
    daemon.pg.sql("INSERT INTO slot VALUES (1, '%s', 'main', 7, '%s')" % ids[:2], daemon.database)
    job = operator.get(f"{PATH}/lock-1").json()["job"]
    assert (job["job_id"], job["state"], job["component"]) == (7, "downloading", "main")
    is_error(operator.delete(f"{PATH}/lock-1", headers=revision(device)), 409, "in-use")


def test_events_by_pages(operator):
    device = add(operator, "lock-1")
    for i in range(4):
        device = operator.patch(f"{PATH}/lock-1", {"attributes": {"n": str(i)}},
                                headers=revision(device)).json()
    seen, token = [], None
    while True:
        page = operator.get(f"{PATH}/lock-1/events",
                            params={"page_size": 2, **({"page_token": token} if token else {})}).json()
        seen += [e["kind"] for e in page["items"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert seen == ["provisioned"] + ["attributes"] * 4


def test_why_needs_a_campaign(operator):
    add(operator, "lock-1")
    is_error(operator.get(f"{PATH}/lock-1/why"), 422, "validation", "campaign")
    is_error(operator.get(f"{PATH}/lock-1/why", params={"campaign": "x"}), 422, "validation", "campaign")
    is_error(operator.get(f"{PATH}/lock-1/why", params={"campaign": str(uuid.uuid4())}), 404, "not-found")
    is_error(operator.get(f"{PATH}/nobody/why", params={"campaign": str(uuid.uuid4())}), 404, "not-found")


def test_devices_survive_a_restart(daemon, operator):
    device = add(operator, "lock-1", attributes={"a": "b"})
    device.pop("psk")
    daemon.restart()
    assert operator.get(f"{PATH}/lock-1").json() == device
