"""Operators, roles, tokens, client certificates, the first administrator, the audit."""

import hashlib
import json
import struct
import threading

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import harness
from test_http_ends import leave_rudely


@pytest.fixture(scope="module")
def daemon(pg, tmp_path_factory):
    one = harness.Server(tmp_path_factory.mktemp("operators"), pg.dsn(pg.create_database()))
    one.pg = pg
    one.prepare()
    yield one.start()
    one.close()


@pytest.fixture
def admin(daemon):
    return daemon.admin()


def code_of(answer):
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return answer.json()["type"].removeprefix("urn:muster:error:")


def make(admin, name, role="viewer", **more):
    answer = admin.post("/v1/operators", {"name": name, "role": role, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def make_token(daemon, admin, operator, **body):
    answer = admin.post(f"/v1/operators/{operator['operator_id']}/tokens", body)
    assert answer.status_code == 201, answer.text
    return answer.json(), daemon.client(answer.json()["token"])


# --- the first administrator -----------------------------------------------------------------

def test_C10_no_login_but_the_one_time_secret_and_that_once(server):
    fresh = server()
    for token in ("admin", "admin:admin", "", "muster", "password"):
        assert fresh.client(token).get("/v1/whoami").status_code == 401
    assert fresh.anonymous().get("/v1/operators").status_code == 401
    secret = harness.wait_until(fresh.secret)
    wrong = fresh.anonymous().post("/v1/bootstrap", {"secret": secret + "x", "name": "eve"})
    assert (wrong.status_code, code_of(wrong)) == (403, "bootstrap-used")
    good = fresh.anonymous().post("/v1/bootstrap", {"secret": secret, "name": "root"})
    assert good.status_code == 201
    again = fresh.anonymous().post("/v1/bootstrap", {"secret": secret, "name": "eve"})
    assert (again.status_code, code_of(again)) == (403, "bootstrap-used")
    client = fresh.client(good.json()["token"])
    assert client.get("/v1/whoami").json() == {
        "operator_id": good.json()["operator"]["operator_id"], "name": "root", "role": "admin"}
    assert fresh.command("bootstrap", code=1).stdout == ""
    # It is not printed again, and a hash is all that the database has.
    fresh.restart()
    assert fresh.out_path.read_text().count("one-time secret") == 1
    assert fresh.pg.sql("SELECT encode(hash, 'hex') FROM bootstrap", fresh.database) == [
        [hashlib.sha256(secret.encode()).hexdigest()]]


def test_a_failed_bootstrap_does_not_use_the_secret_up(server):
    fresh = server()
    secret = harness.wait_until(fresh.secret)
    bad = fresh.anonymous().post("/v1/bootstrap", {"secret": secret, "name": "no spaces here"})
    assert bad.status_code == 422
    assert fresh.anonymous().post("/v1/bootstrap", {"secret": secret, "name": "root"}).status_code == 201


def test_C10_the_first_token_is_not_lost_with_its_answer(server):
    """Whoever sent secret and key gets the answer that was made; nobody else, and it makes no second one."""
    fresh = server()
    secret = harness.wait_until(fresh.secret)
    key = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    wrong = fresh.anonymous().post("/v1/bootstrap", {"secret": secret + "x", "name": "root"}, headers=key)
    assert (wrong.status_code, code_of(wrong)) == (403, "bootstrap-used")
    assert fresh.pg.sql("SELECT * FROM idempotency", fresh.database) == [], "a guess leaves nothing behind"
    body = json.dumps({"secret": secret, "name": "root"}).encode()
    leave_rudely(fresh, (f"POST /v1/bootstrap HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key['Idempotency-Key']}\r\n"
                         f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body, 0.1)
    harness.wait_until(lambda: fresh.pg.sql("SELECT * FROM operator", fresh.database), what="the administrator is made")

    def again(headers=key, **more):
        sent = json.dumps({"secret": secret, "name": "root", **more}).encode()
        return fresh.anonymous().request("POST", "/v1/bootstrap", data=sent,
                                         headers={"Content-Type": "application/json", **headers})
    for _ in range(2):
        got = again()
        assert got.status_code == 201, got.text
        assert fresh.client(got.json()["token"]).get("/v1/whoami").json()["name"] == "root"
    for other in ({"secret": secret + "x"}, {"name": "eve"}):
        assert (again(**other).status_code, code_of(again(**other))) == (422, "idempotency-mismatch")
    for other in ({}, {"Idempotency-Key": "another"}):
        assert (again(other).status_code, code_of(again(other))) == (403, "bootstrap-used")
    assert len(fresh.pg.sql("SELECT * FROM operator", fresh.database)) == 1
    assert len(fresh.pg.sql("SELECT * FROM idempotency", fresh.database)) == 1
    [[stored]] = fresh.pg.sql("SELECT encode(body, 'hex') FROM idempotency", fresh.database)
    assert got.json()["token"].encode().hex() not in stored


# --- operators -------------------------------------------------------------------------------

def test_life_of_an_operator(admin):
    made = admin.post("/v1/operators", {"name": "ada", "role": "viewer"}, headers={"Muster-Reason": "new here"})
    one = made.json()
    path = f"/v1/operators/{one['operator_id']}"
    assert made.headers["Location"] == path
    assert admin.get(path).json() == one
    etag = admin.get(path).headers["ETag"]
    assert admin.get(path, headers={"If-None-Match": etag}).status_code == 304
    changed = admin.patch(path, {"role": "operator"}, headers={"If-Match": etag})
    assert (changed.json()["role"], changed.json()["revision"]) == ("operator", 2)
    stale = admin.patch(path, {"role": "admin"}, headers={"If-Match": etag})
    assert (stale.status_code, code_of(stale)) == (412, "precondition-failed")
    blind = admin.patch(path, {"role": "admin"})
    assert (blind.status_code, code_of(blind)) == (428, "precondition-required")
    again = admin.post("/v1/operators", {"name": "ada", "role": "viewer"})
    assert (again.status_code, code_of(again)) == (409, "already-exists")
    assert admin.delete(path, headers={"If-Match": etag}).status_code == 412
    assert admin.delete(path, headers={"If-Match": changed.headers["ETag"]}).status_code == 204
    assert admin.get(path).status_code == 404
    assert admin.delete(path, headers={"If-Match": etag}).status_code == 404


def test_wrong_fields_are_all_named(admin):
    answer = admin.post("/v1/operators", {"name": "x", "role": "king", "shoe/size~": 1})
    assert answer.status_code == 422
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/role", "/shoe~1size~0"}
    answer = admin.post("/v1/operators", {"role": "viewer"})
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/name"]
    for name in ("a b", "", "x" * 65, "tab\there", "ünïcode"):
        assert admin.post("/v1/operators", {"name": name, "role": "viewer"}).status_code == 422, name


def test_the_last_administrator_stays(server):
    one = server()
    admin = one.admin()
    me = admin.get("/v1/whoami").json()["operator_id"]
    path = f"/v1/operators/{me}"
    match = {"If-Match": admin.get(path).headers["ETag"]}
    for answer in (admin.delete(path, headers=match), admin.patch(path, {"role": "viewer"}, headers=match),
                   admin.patch(path, {"disabled": True}, headers=match)):
        assert (answer.status_code, code_of(answer)) == (409, "in-use")
    # Two administrators who take each other away at once: one of them stays.
    for round_number in range(5):
        second = make(admin, f"second{round_number}", "admin")
        _, other = make_token(one, admin, second)
        paths = (path, f"/v1/operators/{second['operator_id']}")
        tags = [admin.get(p).headers["ETag"] for p in paths]
        answers = {}

        def disable(who, which):
            answers[which] = who.patch(paths[which], {"disabled": True}, headers={"If-Match": tags[which]})
        threads = [threading.Thread(target=disable, args=a) for a in ((admin, 1), (other, 0))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        statuses = sorted(a.status_code for a in answers.values())
        assert statuses[0] == 200 and statuses[1] in (401, 409), statuses
        left = one.pg.sql("SELECT count(*) FROM operator WHERE role = 8 AND NOT disabled", one.database)
        assert left == [["1"]]
        # Whoever is left makes both of them good again.
        keeper, loser = (admin, 1) if answers[1].status_code == 200 else (other, 0)
        assert keeper.patch(paths[loser], {"disabled": False},
                            headers={"If-Match": keeper.get(paths[loser]).headers["ETag"]}).status_code == 200
        assert admin.delete(paths[1], headers={"If-Match": admin.get(paths[1]).headers["ETag"]}).status_code == 204


def test_roles_may_do_what_the_table_says(daemon, admin):
    clients = {role: daemon.operator(role) for role in ("viewer", "publisher", "operator", "admin")}
    for role, client in clients.items():
        assert client.get("/v1/whoami").json()["role"] == role
        for path in ("/v1/devices", "/v1/classes", "/v1/releases", "/v1/campaigns", "/v1/images", "/metrics",
                     "/v1/author-keys", "/v1/events"):
            assert client.get(path).status_code == 200, (role, path)
        for path in ("/v1/operators", "/v1/audit"):
            assert client.get(path).status_code == (200 if role == "admin" else 403), (role, path)
        answer = client.post("/v1/devices", {"endpoint": f"d-{role}", "psk": True})
        assert answer.status_code == (201 if role in ("operator", "admin") else 403), role
        answer = client.put("/v1/images/" + hashlib.sha256(role.encode()).hexdigest(), role.encode())
        assert answer.status_code == (201 if role in ("publisher", "admin") else 403), role
    denied = clients["viewer"].post("/v1/classes", {"vendor": "acme.example", "name": "x"})
    assert (denied.status_code, code_of(denied)) == (403, "denied")


def test_C12_disabling_takes_effect_at_once(daemon, admin):
    one = make(admin, "leaver")
    _, client = make_token(daemon, admin, one)
    assert client.get("/v1/whoami").status_code == 200
    path = f"/v1/operators/{one['operator_id']}"
    off = admin.patch(path, {"disabled": True}, headers={"If-Match": '"1"'})
    assert client.get("/v1/whoami").status_code == 401
    assert admin.patch(path, {"disabled": False}, headers={"If-Match": off.headers["ETag"]}).status_code == 200
    assert client.get("/v1/whoami").status_code == 200
    admin.delete(path, headers={"If-Match": '"3"'})
    assert client.get("/v1/whoami").status_code == 401


# --- tokens ----------------------------------------------------------------------------------

def test_life_of_a_token(daemon, admin):
    one = make(admin, "grace")
    path = f"/v1/operators/{one['operator_id']}/tokens"
    shown, client = make_token(daemon, admin, one, label="ci", expires_in_s=3600)
    assert client.get("/v1/whoami").json()["name"] == "grace"
    listed = admin.get(path).json()["items"]
    assert [t["label"] for t in listed] == ["ci"] and "token" not in listed[0]
    stored = daemon.pg.sql("SELECT encode(hash, 'hex') FROM token WHERE label = 'ci'",
                           daemon.settings["database.conninfo"].split("dbname=")[1])
    assert stored == [[hashlib.sha256(shown["token"].encode()).hexdigest()]]
    assert admin.delete(f"{path}/{shown['token_id']}").status_code == 204
    assert client.get("/v1/whoami").status_code == 401
    assert admin.delete(f"{path}/{shown['token_id']}").status_code == 404
    assert admin.get("/v1/operators/00000000-0000-4000-8000-000000000000/tokens").status_code == 404


def test_an_expired_token_opens_nothing(daemon, admin):
    one = make(admin, "brief")
    _, client = make_token(daemon, admin, one, expires_in_s=1)
    assert client.get("/v1/whoami").status_code == 200
    harness.wait_until(lambda: client.get("/v1/whoami").status_code == 401, timeout=10, every=0.3)


def test_C05_secrets_are_in_no_log_and_no_table(server):
    one = server()
    admin = one.admin()
    secrets = [one.token, one.secret()]
    operator = make(admin, "canary", "admin")
    shown, client = make_token(one, admin, operator)
    secrets.append(shown["token"])
    key = {"Idempotency-Key": "canary"}
    device = admin.post("/v1/devices", {"endpoint": "d1", "psk": True}, headers=key)
    secrets.append(device.json()["psk"])
    again = admin.post("/v1/devices", {"endpoint": "d1", "psk": True}, headers=key)
    assert again.json()["psk"] == device.json()["psk"]  # replayed from the table, where it is sealed
    wrong = "muster_t_" + "A" * 43
    secrets.append(wrong)
    one.client(wrong).get("/v1/whoami")
    client.get("/v1/whoami?token=" + shown["token"])
    client.get("/v1/" + shown["token"])
    assert one.stop() == 0
    log = one.log()
    assert "operation=whoami" in log
    tables = one.pg.sql("SELECT string_agg(format('SELECT t::text FROM %I t', tablename), ' UNION ALL ')"
                        " FROM pg_tables WHERE schemaname = 'public'", one.database)[0][0]
    rows = "\n".join("\t".join(r) for r in one.pg.sql(tables, one.database))
    assert "canary" in rows
    for secret in secrets:
        assert secret not in log
        assert secret not in rows and secret.encode().hex() not in rows


# --- client certificates ---------------------------------------------------------------------

def a_request(common_name="whatever", key=None):
    key = key or ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])).sign(key, hashes.SHA256())
    return key, csr.public_bytes(serialization.Encoding.PEM).decode()


def keep(folder, name, key, *pems):
    path = folder / f"{name}.pem"
    path.write_bytes("".join(pems).encode() + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(path)


def test_an_operator_by_client_certificate(daemon, admin, tmp_path):
    key, csr = a_request()
    made = make(admin, "carl", "publisher", csr=csr)
    cert = x509.load_pem_x509_certificate(made["certificate_pem"].encode())
    assert cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "carl"
    assert made["certificate"] == cert.fingerprint(hashes.SHA256()).hex()
    client = daemon.anonymous(cert=keep(tmp_path, "carl", key, made["certificate_pem"], made["chain_pem"]))
    assert client.get("/v1/whoami").json() == {
        "operator_id": made["operator_id"], "name": "carl", "role": "publisher"}
    path = f"/v1/operators/{made['operator_id']}"
    admin.patch(path, {"disabled": True}, headers={"If-Match": '"1"'})
    assert client.get("/v1/whoami").status_code == 401


def test_foreign_and_device_certificates_are_nobody(daemon, admin, tmp_path):
    key, _ = a_request()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "carl")])
    import datetime
    now = datetime.datetime.utcnow()
    own = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(
        7).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    foreign = daemon.anonymous(cert=keep(tmp_path, "own", key,
                                         own.public_bytes(serialization.Encoding.PEM).decode()))
    try:
        assert foreign.get("/v1/whoami").status_code == 401
    except requests.exceptions.SSLError:
        pass  # refused in the handshake: as good
    key, csr = a_request()
    made = admin.post("/v1/devices", {"endpoint": "certified", "csr": csr}).json()
    device = daemon.anonymous(cert=keep(tmp_path, "device", key, made["certificate_pem"], made["chain_pem"]))
    assert device.get("/v1/whoami").status_code == 401


def test_a_request_that_cannot_be_signed(admin):
    from cryptography.hazmat.primitives.asymmetric import rsa
    _, csr = a_request(key=rsa.generate_private_key(65537, 2048))
    for bad in (csr, "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "no"):
        answer = admin.post("/v1/operators", {"name": "rsa", "role": "viewer", "csr": bad})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/csr"


# --- audit and events ------------------------------------------------------------------------

def chain_hash(row):
    """docs/audit.md, written a second time."""
    def part(b):
        return struct.pack(">I", len(b)) + b
    number = [struct.pack(">q", int(row[k])) for k in ("tenant_id", "seq", "at", "actor_kind")]
    texts = [row[k].encode() for k in ("action", "object_kind", "object_id", "reason", "detail")]
    actor = bytes.fromhex(row["actor_id"].replace("-", ""))
    fields = [b"muster-audit-1", *number, actor, *texts, bytes.fromhex(row["prev"])]
    return hashlib.sha256(b"".join(map(part, fields))).hexdigest()


def test_C07_the_audit_is_a_chain(server):
    one = server()
    admin = one.admin()
    for i in range(5):
        make(admin, f"o{i}")
    why = admin.post("/v1/operators", {"name": "why", "role": "viewer"},
                     headers={"Muster-Reason": "because é\"".encode()})
    assert why.status_code == 201
    latin = admin.post("/v1/operators", {"name": "latin", "role": "viewer"}, headers={"Muster-Reason": "é"})
    assert latin.status_code == 400
    columns = ("tenant_id", "seq", "at", "actor_kind", "actor_id", "action", "object_kind", "object_id", "reason",
               "detail", "prev", "hash")
    selected = ", ".join(f"encode({c}, 'hex')" if c in ("prev", "hash") else c for c in columns)
    rows = [dict(zip(columns, r)) for r in one.pg.sql(f"SELECT {selected} FROM audit ORDER BY seq", one.database)]
    assert [int(r["seq"]) for r in rows] == list(range(1, len(rows) + 1))
    last = "00" * 32
    for row in rows:
        assert row["prev"] == last
        last = chain_hash(row)
        assert row["hash"] == last, row
    assert one.pg.sql("SELECT seq, encode(hash, 'hex') FROM audit_head", one.database) == [[str(len(rows)), last]]
    told = admin.get("/v1/audit").json()["items"]
    assert [e["hash"] for e in told] == [r["hash"] for r in rows]
    assert told[-1]["reason"] == "because é\""
    assert told[-1]["actor_kind"] == "operator" and told[-1]["action"] == "operator.create"


def test_audit_page_by_page(server):
    admin = server().admin()
    for i in range(7):
        make(admin, f"o{i}")
    seen, token = [], None
    while True:
        answer = admin.get("/v1/audit?page_size=3" + (f"&page_token={token}" if token else "")).json()
        assert len(answer["items"]) <= 3
        seen += [e["seq"] for e in answer["items"]]
        make(admin, f"more{len(seen)}") if len(seen) < 10 else None  # the list grows meanwhile: no gap, no double
        token = answer.get("next_page_token")
        if not token:
            break
    assert seen == list(range(1, len(seen) + 1)) and len(seen) >= 10
    names = []
    token = None
    while True:
        answer = admin.get("/v1/operators?page_size=4" + (f"&page_token={token}" if token else "")).json()
        names += [o["name"] for o in answer["items"]]
        token = answer.get("next_page_token")
        if not token:
            break
    assert names == sorted(names) and len(names) == len(set(names)) > 10


def test_events_of_devices(daemon, admin):
    assert admin.post("/v1/devices", {"endpoint": "eventful", "psk": True}).status_code == 201
    match = {"If-Match": admin.get("/v1/devices/eventful").headers["ETag"]}
    assert admin.patch("/v1/devices/eventful", {"attributes": {"site": "berlin"}}, headers=match).status_code == 200
    own = admin.get("/v1/devices/eventful/events").json()["items"]
    assert [e["kind"] for e in own][0] == "provisioned"

    def told():
        everything = admin.get("/v1/events?page_size=1000").json()["items"]
        return [e for e in everything if e.get("endpoint") == "eventful"]
    harness.wait_until(lambda: told() == own, what="the list of all devices has them, a second later")
    one = admin.get("/v1/devices/eventful/events?page_size=1").json()
    assert one["items"] == own[:1]
    if len(own) > 1:
        rest = admin.get(f"/v1/devices/eventful/events?page_token={one['next_page_token']}").json()
        assert rest["items"] == own[1:]
    assert admin.get("/v1/events?since=99999999999999999").json()["items"] == []
