"""HTTP itself: errors as problems, limits, conditions, idempotency, slow and greedy peers."""

import concurrent.futures
import hashlib
import json
import os
import re
import resource
import socket
import ssl
import subprocess
import time

import pytest
import requests

import harness


@pytest.fixture(scope="module")
def daemon(pg, tmp_path_factory):
    one = harness.Server(tmp_path_factory.mktemp("errors"), pg.dsn(pg.create_database()))
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


def connect(server, timeout=15):
    context = ssl.create_default_context(cafile=str(server.ca_path))
    raw = socket.create_connection(("127.0.0.1", server.https_port), timeout=timeout)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def talk(server, data, timeout=15):
    """Sends bytes, reads to the end of the connection or of what comes; the answer's text."""
    with connect(server, timeout) as tls:
        got = b""
        try:
            tls.sendall(data)
            while True:
                piece = tls.recv(65536)
                if not piece:
                    break
                got += piece
                head, _, body = got.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head.lower())
                if length and len(body) >= int(length.group(1)):
                    break
        except (ConnectionError, ssl.SSLError):
            pass
        return got.decode(errors="replace")


def head(path="/livez", method="GET", *lines):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


# --- errors ----------------------------------------------------------------------------------

def test_every_failure_is_a_problem(admin, daemon):
    for path in ("/", "/nope", "/v1", "/v1/", "/v1/operators/", "/livez/", "/" + "a/" * 30, "/v1/devices//why"):
        answer = admin.get(path)
        assert (answer.status_code, code_of(answer)) == (404, "not-found"), path
    answer = admin.get("/nope")
    assert re.fullmatch(r"urn:muster:request:[0-9a-f]{16}", answer.json()["instance"])
    assert answer.json()["instance"].rsplit(":")[-1] in daemon.log()
    # Devices' paths are not there over HTTPS.
    for path in ("/update", "/time", "/.well-known/core"):
        assert admin.get(path).status_code == 404


def test_other_methods_are_told_those_that_would_do(admin):
    answer = admin.delete("/v1/whoami")
    assert (answer.status_code, code_of(answer), answer.headers["Allow"]) == (405, "method", "GET, HEAD")
    answer = admin.put("/v1/operators", b"x")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST, HEAD")
    for method in ("OPTIONS", "TRACE", "BREW"):
        assert admin.request(method, "/livez").status_code == 405


def test_head_is_get_without_body(admin):
    for path in ("/livez", "/v1/whoami", "/nope"):
        get, only_head = admin.get(path), admin.request("HEAD", path)
        assert only_head.status_code == get.status_code
        assert only_head.content == b""
        assert only_head.headers["Content-Length"] == str(len(get.content))


@pytest.mark.parametrize("path", ["/%zz", "/%", "/%0", "/a%00b", "/v1%2Fwhoami", "/%ff", "/a%0d%0aX:%20y",
                                  "/livez?a=%00", "/livez?%zz=1", "/livez?" + "&".join(f"p{i}=1" for i in range(17))])
def test_lines_that_cannot_be_decoded(daemon, path):
    answer = talk(daemon, head(path))
    assert answer.startswith("HTTP/1.1 400 "), answer
    assert "urn:muster:error:bad-request" in answer


def test_percent_and_plus_are_decoded_once(admin):
    assert admin.get("/v1/w%68oami").status_code == 200
    answer = admin.get("/v1/devices/%2525")
    assert answer.status_code == 404
    assert admin.get("/v1/devices?endpoint_prefix=a%2Bb").status_code == 200


def test_unknown_parameters_of_lists_are_refused(admin):
    answer = admin.get("/v1/devices?clas=x")
    assert (answer.status_code, code_of(answer)) == (422, "validation")
    assert answer.json()["errors"] == [{"pointer": "clas", "detail": "there is no such parameter"}]
    assert admin.get("/v1/devices?page_size=0").status_code == 422
    assert admin.get("/v1/devices?page_size=ten").status_code == 422
    assert admin.get("/v1/devices?page_size=100000").status_code == 200


def test_page_tokens_belong_to_their_list(admin):
    for i in range(3):
        admin.post("/v1/operators", {"name": f"page{i}", "role": "viewer"})
        admin.post("/v1/devices", {"endpoint": f"page{i}", "psk": True})
    operators = admin.get("/v1/operators?page_size=1").json()["next_page_token"]
    devices = admin.get("/v1/devices?page_size=1&endpoint_prefix=page").json()["next_page_token"]
    assert admin.get(f"/v1/operators?page_size=2&page_token={operators}").status_code == 200
    assert admin.get(f"/v1/devices?endpoint_prefix=page&page_token={devices}").status_code == 200
    flipped = ("A" if devices[0] != "A" else "B") + devices[1:]
    for path in (f"/v1/audit?page_token={operators}", f"/v1/devices?page_token={devices}",
                 f"/v1/devices?endpoint_prefix=pag&page_token={devices}", "/v1/audit?page_token=!",
                 f"/v1/devices?endpoint_prefix=page&page_token={flipped}", "/v1/audit?page_token=",
                 "/v1/audit?page_token=" + "A" * 5000):
        answer = admin.get(path)
        assert (answer.status_code, code_of(answer)) == (400, "bad-cursor"), path


def test_bodies_that_are_not_what_is_asked_for(admin):
    def post(data, kind="application/json"):
        return admin.post("/v1/operators", data=data, headers={"Content-Type": kind})
    for data in (b"{", b"[]", b"null", b'{"name":1,"name":2}', b'{"name":"\xff"}', b'{"a":' * 20 + b"1" + b"}" * 20,
                 b'{"name":"a\\u0000b"}', b"\x00"):
        answer = post(data)
        assert (answer.status_code, code_of(answer)) == (400, "bad-request"), data
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/cbor", "x"):
        answer = post(b'{"name":"x","role":"viewer"}', kind)
        assert (answer.status_code, code_of(answer)) == (415, "media-type")
    assert post(b'{"name":"charset","role":"viewer"}', "Application/JSON; charset=utf-8").status_code == 201


def test_accept(admin):
    for accept in ("*/*", "application/json", "text/html, application/*;q=0.5", "APPLICATION/JSON"):
        assert admin.get("/v1/whoami", headers={"Accept": accept}).status_code == 200, accept
    answer = admin.get("/v1/whoami", headers={"Accept": "text/html"})
    assert (answer.status_code, code_of(answer)) == (406, "not-acceptable")


def test_security_headers(admin):
    for path in ("/livez", "/v1/whoami", "/nope"):
        answer = admin.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert admin.server.anonymous().get("/v1/whoami").headers["WWW-Authenticate"].startswith("Bearer")


def test_reason_is_bounded(admin):
    make = {"name": "reasoned", "role": "viewer"}
    assert admin.post("/v1/operators", make, headers={"Muster-Reason": "x" * 257}).status_code == 400
    assert admin.post("/v1/operators", make, headers={"Muster-Reason": "x" * 256}).status_code == 201


def test_limits_are_told_and_hold(admin):
    limits = admin.server.anonymous().get("/v1/limits").json()
    name = "n" * limits["operator_name_max"]
    assert admin.post("/v1/operators", {"name": name, "role": "viewer"}).status_code == 201
    assert admin.post("/v1/operators", {"name": name + "n", "role": "viewer"}).status_code == 422
    endpoint = "e" * limits["endpoint_name_max"]
    assert admin.post("/v1/devices", {"endpoint": endpoint, "psk": True}).status_code == 201
    assert admin.post("/v1/devices", {"endpoint": endpoint + "e", "psk": True}).status_code == 422
    query = "&".join(f"attribute=a{i}%3Dx" for i in range(limits["attribute_filters_max"]))
    assert admin.get("/v1/devices?" + query).status_code == 200
    assert admin.get("/v1/devices?" + query + "&attribute=a9%3Dx").status_code == 422


# --- sizes -----------------------------------------------------------------------------------

def test_B11_large_headers_are_cut_off(daemon, admin):
    for size in (20_000, 40_000, 200_000):
        answer = talk(daemon, head("/livez", "GET", "X-Large: " + "a" * size))
        assert answer == "" or answer.startswith(("HTTP/1.1 431", "HTTP/1.1 413", "HTTP/1.1 414")) or size < 30_000
    answer = talk(daemon, head("/" + "a" * 60_000))
    assert answer == "" or answer.startswith("HTTP/1.1 4"), answer[:100]
    many = talk(daemon, head("/livez", "GET", *[f"X-{i}: y" for i in range(120)]))
    assert many.startswith("HTTP/1.1 400"), many[:100]
    assert admin.get("/livez").status_code == 200


def test_B10_ambiguous_framing_is_refused(daemon):
    for lines in (("Content-Length: 2", "Transfer-Encoding: chunked"), ("Content-Length: 2", "Content-Length: 3"),
                  ("Transfer-Encoding: gzip",), ("Content-Length: -1",), ("Content-Length: 0x10",)):
        answer = talk(daemon, head("/v1/operators", "POST", *lines) + b"{}")
        assert answer.startswith(("HTTP/1.1 4", "HTTP/1.1 501")) or answer == "", (lines, answer)
        assert "HTTP/1.1 2" not in answer


def test_bodies_above_the_limit(daemon, admin):
    for size in (65_537, 900_000):
        answer = admin.post("/v1/operators", data=b" " * size, headers={"Content-Type": "application/json"})
        assert (answer.status_code, code_of(answer)) == (413, "too-large")
    # A body of unknown length, in chunks.
    answer = admin.post("/v1/operators", data=iter([b" " * 30_000] * 4), headers={"Content-Type": "application/json"})
    assert (answer.status_code, code_of(answer)) == (413, "too-large")
    # What is announced and far too large is not waited for.
    answer = talk(daemon, head("/v1/operators", "POST", "Content-Length: 99999999999",
                               f"Authorization: Bearer {daemon.token}"))
    assert answer.startswith("HTTP/1.1 413 "), answer
    image = "/v1/images/" + "0" * 64
    answer = talk(daemon, head(image, "PUT", f"Content-Length: {2**30 + 1}", f"Authorization: Bearer {daemon.token}"))
    assert answer.startswith("HTTP/1.1 413 "), answer


def temporary_files(server):
    return [p for p in (server.state_dir / "images" / "tmp").iterdir()]


def test_unknown_senders_fill_nothing(daemon, admin):
    # 100-continue: no before the body.
    answer = talk(daemon, head("/v1/images/" + "0" * 64, "PUT", "Content-Length: 100000000", "Expect: 100-continue"))
    assert answer.startswith("HTTP/1.1 401 "), answer
    viewer = daemon.operator("viewer")
    answer = talk(daemon, head("/v1/images/" + "0" * 64, "PUT", "Content-Length: 100000000", "Expect: 100-continue",
                               f"Authorization: Bearer {viewer.token}"))
    assert answer.startswith("HTTP/1.1 403 "), answer
    with connect(daemon) as tls:
        tls.sendall(head("/v1/images/" + "0" * 64, "PUT", "Content-Length: 100000000"))
        try:
            for _ in range(50):
                tls.sendall(b"x" * 65536)
        except (ConnectionError, ssl.SSLError):
            pass
        assert temporary_files(daemon) == []
    # An upload that is broken off leaves nothing.
    with connect(daemon) as tls:
        tls.sendall(head("/v1/images/" + "0" * 64, "PUT", "Content-Length: 100000",
                         f"Authorization: Bearer {daemon.token}") + b"x" * 5000)
        harness.wait_until(lambda: temporary_files(daemon), what="the upload begins")
    harness.wait_until(lambda: not temporary_files(daemon), what="the upload is forgotten")


def test_a_continue_is_given_to_who_may(daemon, admin):
    body = os.urandom(300_000)
    digest = hashlib.sha256(body).hexdigest()
    with connect(daemon) as tls:
        tls.sendall(head(f"/v1/images/{digest}", "PUT", f"Content-Length: {len(body)}", "Expect: 100-continue",
                         f"Authorization: Bearer {daemon.token}"))
        assert tls.recv(1000).startswith(b"HTTP/1.1 100 ")
        tls.sendall(body)
        assert tls.recv(1000).startswith(b"HTTP/1.1 201 ")
    answer = admin.get(f"/v1/images/{digest}")
    assert answer.content == body
    assert admin.get(f"/v1/images/{digest}", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_a_wrong_digest_stores_nothing(daemon, admin):
    answer = admin.put("/v1/images/" + "0" * 64, b"something else")
    assert (answer.status_code, code_of(answer)) == (422, "digest-mismatch")
    assert admin.get("/v1/images/" + "0" * 64).status_code == 404
    assert temporary_files(daemon) == []


def test_large_lists_of_devices_are_taken(admin):
    """A body above 64 KiB is read after the role check, and is whole."""
    body = {"name": "x", "release_id": "00000000-0000-4000-8000-000000000000",
            "target": {"devices": [f"device-{i}" for i in range(20_000)]}}
    answer = admin.post("/v1/campaigns", body)
    assert (answer.status_code, code_of(answer)) in ((404, "not-found"), (422, "validation")), answer.text
    viewer = admin.server.operator("viewer")
    assert viewer.post("/v1/campaigns", body).status_code == 403


# --- conditions and keys ---------------------------------------------------------------------

def test_conditions_are_strict(admin):
    made = admin.post("/v1/operators", {"name": "condition", "role": "viewer"}).json()
    path = f"/v1/operators/{made['operator_id']}"
    for match in ('W/"1"', "1", "*", '"1", "2"', '"0"', '""', '"abc"'):
        answer = admin.patch(path, {"role": "admin"}, headers={"If-Match": match})
        assert answer.status_code == (200 if match == "1" else 412), match
        if match == "1":  # without quotes, as people write it: the revision it names is right
            admin.patch(path, {"role": "viewer"}, headers={"If-Match": '"2"'})
    etag = admin.get(path).headers["ETag"]
    for match in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        assert admin.get(path, headers={"If-None-Match": match}).status_code == 304, match
    assert admin.get(path, headers={"If-None-Match": '"x"'}).status_code == 200


def test_a_key_gives_the_same_answer_once(daemon, admin):
    key = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    first = admin.post("/v1/operators", {"name": "once", "role": "viewer"}, headers=key)
    for _ in range(3):
        again = admin.post("/v1/operators", {"name": "once", "role": "viewer"}, headers=key)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Location"] == first.headers["Location"]
    other = admin.post("/v1/operators", {"name": "twice", "role": "viewer"}, headers=key)
    assert (other.status_code, code_of(other)) == (422, "idempotency-mismatch")
    path = f"/v1/operators/{first.json()['operator_id']}/tokens"
    assert admin.post(path, {}, headers=key).status_code == 422
    # Keys belong to their operator.
    assert daemon.operator("admin").post("/v1/operators", {"name": "theirs", "role": "viewer"},
                                         headers=key).status_code == 201
    # The stored answer outlives the daemon.
    daemon.restart()
    again = admin.post("/v1/operators", {"name": "once", "role": "viewer"}, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    # A failure is not kept: what was wrong may be right by now.
    key = {"Idempotency-Key": "fails"}
    assert admin.post("/v1/operators", {"name": "once", "role": "viewer"}, headers=key).status_code == 409
    assert admin.post("/v1/operators", {"name": "free", "role": "viewer"}, headers=key).status_code == 201
    for bad in ("x" * 129, "a b"):
        assert admin.post("/v1/operators", {"name": "k", "role": "viewer"},
                          headers={"Idempotency-Key": bad}).status_code == 400


def test_a_key_whose_first_request_still_runs(daemon, admin):
    database = daemon.settings["database.conninfo"].split("dbname=")[1]
    key = {"Idempotency-Key": "slow"}
    psql = subprocess.Popen([str(daemon.pg.bin / "psql"), daemon.pg.dsn(database), "-XAtq"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    try:
        psql.stdin.write("BEGIN; SELECT seq FROM audit_head FOR UPDATE;\n")
        psql.stdin.flush()
        assert psql.stdout.readline()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            slow = pool.submit(daemon.client(daemon.token).post, "/v1/operators",
                               {"name": "slow", "role": "viewer"}, headers=key)
            harness.wait_until(lambda: daemon.pg.sql(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%audit_head%'",
                database), what="the first request waits")
            busy = admin.post("/v1/operators", {"name": "slow", "role": "viewer"}, headers=key)
            assert (busy.status_code, code_of(busy)) == (409, "idempotency-busy")
            psql.stdin.write("COMMIT;\n")
            psql.stdin.flush()
            assert slow.result(20).status_code == 201
        assert admin.post("/v1/operators", {"name": "slow", "role": "viewer"}, headers=key).content == \
            slow.result().content
    finally:
        psql.stdin.close()
        psql.wait(10)


def test_twenty_at_once_with_one_key_make_one(daemon, admin):
    def post(_):
        return daemon.client(daemon.token).post("/v1/operators", {"name": "race", "role": "viewer"},
                                                headers={"Idempotency-Key": "race"})
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(20)))
    assert {a.status_code for a in answers} <= {201, 409}
    made = {a.content for a in answers if a.status_code == 201}
    assert len(made) == 1
    assert {code_of(a) for a in answers if a.status_code == 409} <= {"idempotency-busy"}


# --- greed and patience ----------------------------------------------------------------------

def test_guessing_is_braked(server):
    one = server()
    admin = one.admin()
    assert admin.get("/v1/whoami").status_code == 200
    codes = [one.client(f"muster_t_wrong{i}").get("/v1/whoami").status_code for i in range(40)]
    assert codes[:15] == [401] * 15 and codes[-1] == 429
    answer = one.client("muster_t_other").get("/v1/whoami")
    assert (answer.status_code, code_of(answer)) == (429, "too-many")
    assert int(answer.headers["Retry-After"]) > 0
    assert one.anonymous().post("/v1/bootstrap", {"secret": "guess", "name": "x"}).status_code == 429
    # Who was good lately is served all the same.
    assert admin.get("/v1/whoami").status_code == 200


def test_B11_slow_headers_are_cut_off(server):
    one = server()
    admin = one.admin()
    with connect(one, timeout=30) as tls:
        started = time.monotonic()
        tls.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises((ConnectionError, ssl.SSLError, OSError, AssertionError)):
            while time.monotonic() < started + 25:
                tls.sendall(b"X-Slow: y\r\n")
                time.sleep(0.5)
                assert admin.get("/livez").elapsed.total_seconds() < 2
            raise TimeoutError
        assert 5 < time.monotonic() - started < 20


def test_B11_connections_of_one_address_are_limited(server):
    one = server({"http.max_per_address": 20})
    one.admin()
    kept = []
    try:
        for _ in range(60):
            try:
                kept.append(connect(one, timeout=3))
            except OSError:
                pass
        assert 10 <= len(kept) <= 20
    finally:
        for tls in kept:
            tls.close()
    harness.wait_until(lambda: answers(one), what="room again")


def test_a_certificate_file_that_is_too_large_is_refused(server, tmp_path):
    (tmp_path / "bundle.pem").write_text("x" * 70_000)
    one = server({"http.certificate": tmp_path / "bundle.pem", "http.key": tmp_path / "bundle.pem"}, start=False)
    assert "too large" in one.command("serve", code=1).stderr


def answers(one):
    try:
        return one.admin().get("/livez").status_code == 200
    except requests.exceptions.ConnectionError:
        return False


def test_old_tls_is_not_spoken(daemon):
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(str(daemon.ca_path))
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with socket.create_connection(("127.0.0.1", daemon.https_port), timeout=10) as raw:
                context.wrap_socket(raw, server_hostname="127.0.0.1")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(daemon.ca_path))
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", daemon.https_port), timeout=10) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
                assert tls.version() == ("TLSv1.2" if version == ssl.TLSVersion.TLSv1_2 else "TLSv1.3")


def test_keep_alive_and_pipelining(daemon):
    with connect(daemon) as tls:
        tls.sendall(head("/livez") * 3)
        got = b""
        while got.count(b'{"status":"alive"}') < 3:
            piece = tls.recv(65536)
            assert piece
            got += piece


# --- the database is away or slow ------------------------------------------------------------

def test_without_the_database(server, own_pg):
    one = server(cluster=own_pg)
    admin = one.admin()
    own_pg.down("immediate")

    def away(path):
        answer = admin.get(path)
        return [answer] if answer.status_code == 503 else None
    answer, = harness.wait_until(lambda: away("/v1/whoami"))
    assert code_of(answer) == "unavailable" and int(answer.headers["Retry-After"]) > 0
    assert admin.get("/livez").status_code == 200
    ready, = harness.wait_until(lambda: away("/readyz"))
    assert code_of(ready) == "unavailable"
    own_pg.up()
    harness.wait_until(lambda: admin.get("/v1/whoami").status_code == 200, timeout=30)
    harness.wait_until(lambda: admin.get("/readyz").status_code == 200, timeout=30)


def test_a_full_disk_and_a_rotten_image_are_told(server):
    one = server()
    admin = one.admin()
    body = os.urandom(300_000)
    digest = hashlib.sha256(body).hexdigest()
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    answer = admin.put(f"/v1/images/{digest}", body)
    assert (answer.status_code, code_of(answer)) == (507, "storage-full")
    assert temporary_files(one) == []
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert admin.put(f"/v1/images/{digest}", body).status_code == 201
    # The bytes rot on the disk: they are not served, and put away, by whoever reads them first.
    assert one.stop() == 0
    one.start()
    path = one.state_dir / "images" / digest[:2] / digest[2:]
    for _ in range(10):
        path.chmod(0o600)
        path.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
        answer = admin.get(f"/v1/images/{digest}")
        if answer.status_code != 404:  # the scrub was not faster
            break
        assert admin.put(f"/v1/images/{digest}", body).status_code == 201
    assert (answer.status_code, code_of(answer)) == (500, "internal")
    assert "detail" not in answer.json()


def test_metrics_tell_of_transports_and_roster(admin):
    text = admin.get("/metrics").text
    for name in ("muster_coap_sessions", "muster_coap_requests_total", "muster_dtls_handshakes_total",
                 "muster_roster_devices"):
        assert f"# HELP {name} " in text, name
        assert any(line.split()[0] == name and line.split()[1].isdigit() for line in text.splitlines()), name
    assert "\nmuster_roster_ready 1\n" in text


def test_metrics_count(daemon, admin):
    before = admin.get("/metrics").text
    admin.get("/v1/whoami")
    after = admin.get("/metrics").text

    def value(text, line):
        found = re.search("^" + re.escape(line) + r" (\S+)$", text, re.M)
        return float(found.group(1)) if found else 0
    line = 'muster_calls_total{operation="whoami",result="ok"}'
    assert value(after, line) == value(before, line) + 1
    bucket = 'muster_call_seconds_bucket{operation="whoami",le="+Inf"}'
    assert value(after, bucket) == value(after, 'muster_call_seconds_count{operation="whoami"}')
    assert value(after, "muster_db_up") == 1
    for text in re.findall(r"^# TYPE (\S+) (\S+)$", after, re.M):
        assert text[1] in ("counter", "gauge", "histogram")
    families = [f for f, _ in re.findall(r"^# TYPE (\S+) (\S+)$", after, re.M)]
    assert len(families) == len(set(families))


def test_log_lines_of_calls(daemon, admin):
    made = admin.post("/v1/operators", {"name": "logged", "role": "viewer"})
    lines = [li for li in daemon.log().splitlines() if " operation=createOperator " in li and "result=ok" in li]
    assert made.status_code == 201 and lines
    me = admin.get("/v1/whoami").json()["operator_id"]
    assert re.search(rf"info call id=[0-9a-f]{{16}} operation=createOperator actor=operator:{me} .*us=\d+$", lines[-1])
    assert json.dumps("logged") not in lines[-1] and "name=logged" not in lines[-1]
