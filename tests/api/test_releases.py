"""Classes, author keys, images and releases over REST: what gets in, and what does not."""

import base64
import concurrent.futures
import hashlib
import os
import time
import uuid

import pytest

import suit

IMAGE = b"an image of the first release" * 100


class World:
    """A class with an author and an image, and the publisher who uploads."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.admin = daemon.admin()
        self.publisher = daemon.operator("publisher")
        self.author = suit.Author()
        self.add_class("lock")
        self.key = self.add_key(self.author)
        self.put_image(IMAGE)

    def add_class(self, name):
        made = self.admin.post("/v1/classes", {"vendor": "test.example", "name": name})
        assert made.status_code == 201, made.text
        return made.json()

    def add_key(self, author, name="lock", component=None):
        body = {"vendor_id": str(suit.vendor_id("test.example")),
                "class_id": str(suit.class_id("test.example", name)),
                "public_key_pem": author.pem}
        if component:
            body["component"] = component
        made = self.admin.post("/v1/author-keys", body)
        assert made.status_code == 201, made.text
        return made.json()

    def put_image(self, data, code=201):
        answer = self.publisher.put(f"/v1/images/{hashlib.sha256(data).hexdigest()}", data=data)
        assert answer.status_code == code, answer.text
        return answer.json()

    def upload(self, envelope, version="1.0", client=None, **more):
        body = {"envelope": base64.b64encode(envelope).decode(), "version": version, **more}
        return (client or self.publisher).post("/v1/releases", body)

    def release(self, sequence, version="1.0", **more):
        return self.upload(suit.envelope(suit.manifest(sequence, IMAGE), self.author), version, **more)


@pytest.fixture
def world(daemon):
    return World(daemon)


def is_error(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:muster:error:{code}"
    return answer.json()


def pointers(problem):
    return [e["pointer"] for e in problem["errors"]]


# --- classes and author keys -----------------------------------------------------------------

def test_class_by_words_and_by_ids(world):
    vendor, klass = suit.vendor_id("test.example"), suit.class_id("test.example", "lock")
    path = f"/v1/classes/{vendor}/{klass}"
    got = world.admin.get(path)
    assert got.json()["name"] == "lock" and got.json()["confirm"] == "digest"
    assert got.headers["ETag"] == '"1"'
    is_error(world.admin.post("/v1/classes", {"vendor": "test.example", "name": "lock"}), 409,
             "already-exists")
    a, b = str(uuid.uuid4()), str(uuid.uuid4())
    made = world.admin.post("/v1/classes", {"vendor_id": a, "class_id": b, "confirm": "version"})
    assert made.status_code == 201
    assert made.headers["Location"] == f"/v1/classes/{a}/{b}"
    assert world.admin.get(made.headers["Location"]).json()["confirm"] == "version"
    is_error(world.admin.get(f"/v1/classes/{b}/{a}"), 404, "not-found")
    is_error(world.admin.get("/v1/classes/x/y"), 404, "not-found")
    assert pointers(is_error(world.admin.post("/v1/classes", {"vendor_id": a}), 422,
                             "validation")) == ["/class_id"]


def test_class_update_needs_the_revision(world):
    path = f"/v1/classes/{suit.vendor_id('test.example')}/{suit.class_id('test.example', 'lock')}"
    change = {"confirm": "version", "name": "lock mark 2"}
    is_error(world.admin.patch(path, change), 428, "precondition-required")
    done = world.admin.patch(path, change, headers={"If-Match": '"1"'})
    assert done.status_code == 200 and done.json()["revision"] == 2
    is_error(world.admin.patch(path, change, headers={"If-Match": '"1"'}), 412,
             "precondition-failed")
    is_error(world.publisher.patch(path, change, headers={"If-Match": '"2"'}), 403, "denied")


def test_class_list_by_pages(world):
    for i in range(5):
        world.add_class(f"k{i}")
    seen, token = [], None
    while True:
        query = {"page_size": 2, **({"page_token": token} if token else {})}
        page = world.publisher.get("/v1/classes", params=query).json()
        seen += [k["class_id"] for k in page["items"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert len(seen) == len(set(seen)) == 6


def test_author_keys(world):
    ids = {"vendor_id": world.key["vendor_id"], "class_id": world.key["class_id"]}
    assert world.key["algorithm"] == "p256"
    assert world.key["kid"] == world.author.kid.hex()
    assert world.key["public_key_pem"] == world.author.pem
    assert world.add_key(suit.Author("ed25519"))["algorithm"] == "ed25519"
    assert len(world.admin.get("/v1/author-keys", params=ids).json()["items"]) == 2
    assert world.admin.get("/v1/author-keys", params=dict(ids, class_id=str(uuid.uuid4()))).json() \
        == {"items": []}
    is_error(world.admin.get("/v1/author-keys", params={"vendor_id": ids["vendor_id"]}), 422,
             "validation")
    is_error(world.admin.post("/v1/author-keys", dict(ids, public_key_pem=world.author.pem)), 409,
             "already-exists")
    bad = world.admin.post("/v1/author-keys", dict(ids, public_key_pem="not a key"))
    assert pointers(is_error(bad, 422, "validation")) == ["/public_key_pem"]
    unknown = world.admin.post("/v1/author-keys", dict(ids, class_id=str(uuid.uuid4()),
                                                       public_key_pem=suit.Author().pem))
    assert pointers(is_error(unknown, 422, "validation")) == ["/class_id"]
    is_error(world.publisher.post("/v1/author-keys", dict(ids, public_key_pem=suit.Author().pem)),
             403, "denied")
    is_error(world.admin.delete(f"/v1/author-keys/{uuid.uuid4()}"), 404, "not-found")


def test_private_keys_are_refused(world):
    from cryptography.hazmat.primitives import serialization as s
    pem = world.author.key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    body = {"vendor_id": world.key["vendor_id"], "class_id": world.key["class_id"],
            "public_key_pem": pem.decode()}
    is_error(world.admin.post("/v1/author-keys", body), 422, "validation")


# --- images ----------------------------------------------------------------------------------

def test_image_round(world):
    data = os.urandom(300001)
    digest = hashlib.sha256(data).hexdigest()
    is_error(world.publisher.get(f"/v1/images/{digest}"), 404, "not-found")
    item = world.put_image(data)
    assert item["size"] == 300001 and item["digest"] == digest
    assert world.put_image(data, code=200) == item
    got = world.publisher.get(f"/v1/images/{digest}")
    assert got.content == data and got.headers["Content-Type"] == "application/octet-stream"
    again = world.publisher.get(f"/v1/images/{digest}",
                                headers={"If-None-Match": got.headers["ETag"]})
    assert again.status_code == 304 and not again.content
    listed = world.publisher.get("/v1/images", params={"page_size": 1}).json()
    assert len(listed["items"]) == 1
    more = world.publisher.get("/v1/images", params={"page_size": 1,
                                                     "page_token": listed["next_page_token"]}).json()
    assert {listed["items"][0]["digest"], more["items"][0]["digest"]} \
        == {digest, hashlib.sha256(IMAGE).hexdigest()}


def test_A14_image_must_be_what_its_name_says(world):
    data = os.urandom(5000)
    path = f"/v1/images/{hashlib.sha256(data).hexdigest()}"
    for wrong in (data[:-1], data + b"\0", data[:-1] + bytes([data[-1] ^ 1])):
        is_error(world.publisher.put(path, data=wrong), 422, "digest-mismatch")
    is_error(world.publisher.get(path), 404, "not-found")
    assert list((world.daemon.state_dir / "images" / "tmp").iterdir()) == []


def test_C11_names_of_images(world):
    for name in ("..%2f..%2fetc%2fpasswd", "A" * 64, "a" * 63, "a" * 4096, "%00", "x", "../../../tmp/x", "..",
                 "a" * 64 + "%00", "a" * 63 + "%00", "./" + "a" * 62):
        answer = world.publisher.put(f"/v1/images/{name}", data=b"x")
        assert answer.status_code in (404, 400, 414, 422), answer.text
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        data = os.urandom(50000)
        path = f"/v1/images/{hashlib.sha256(data).hexdigest()}"
        clients = [world.daemon.client(world.publisher.token) for _ in range(100)]
        codes = list(pool.map(lambda c: c.put(path, data=data).status_code, clients))
    assert sorted(set(codes)) in ([200, 201], [201]) and codes.count(201) == 1
    assert world.publisher.get(path).content == data


def test_who_may_upload(world):
    path = f"/v1/images/{hashlib.sha256(b'x').hexdigest()}"
    for role in ("viewer", "operator"):
        is_error(world.daemon.operator(role).put(path, data=b"x"), 403, "denied")
    is_error(world.daemon.anonymous().put(path, data=b"x"), 401, "unauthenticated")
    is_error(world.release(1, client=world.daemon.operator("operator")), 403, "denied")


# --- releases --------------------------------------------------------------------------------

def test_release(world):
    body = suit.manifest(7, IMAGE)
    envelope = suit.envelope(body, world.author)
    made = world.upload(envelope, "3.7", notes="what is new")
    assert made.status_code == 201, made.text
    release = made.json()
    assert made.headers["Location"] == f"/v1/releases/{release['release_id']}"
    digest = hashlib.sha256(IMAGE).hexdigest()
    assert release["version"] == "3.7" and release["sequence"] == 7
    assert release["components"] == ["main"] and release["notes"] == "what is new"
    assert release["class_name"] == "lock"
    assert release["installed"] == [{"component": "main", "digest": digest}]
    assert release["manifests"] == [{
        "digest": hashlib.sha256(suit.encode(body)).hexdigest(), "size": len(envelope),
        "needs": [], "encrypted": False, "bytes": len(IMAGE), "image_bytes": len(IMAGE),
        "images": [{"digest": digest, "size": len(IMAGE)}], "signers": [world.author.kid.hex()]}]
    assert world.publisher.get(made.headers["Location"]).json() == release
    assert world.publisher.get("/v1/releases").json() == {"items": [release]}
    got = world.publisher.get(made.headers["Location"] + "/manifest")
    assert got.content == envelope
    assert got.headers["Content-Type"] == "application/suit-envelope+cose"
    assert got.headers["ETag"] == f'"{release["manifests"][0]["digest"]}"'


def test_two_authors_and_ed25519(world):
    second = suit.Author("ed25519")
    envelope = suit.envelope(suit.manifest(1, IMAGE), world.author, second)
    is_error(world.upload(envelope), 422, "author-key-unknown")
    world.add_key(second)
    made = world.upload(envelope)
    assert made.status_code == 201, made.text
    assert made.json()["manifests"][0]["signers"] == [world.author.kid.hex(), second.kid.hex()]


def test_every_kind_of_author(world):
    """Signatures made by another library: each alone, and all of them in one COSE_Sign."""
    authors = [suit.Author(kind) for kind in suit.KINDS]
    for author in authors:
        assert world.add_key(author)["algorithm"] in suit.KINDS
    for sequence, author in enumerate(authors, 1):
        made = world.upload(suit.envelope(suit.manifest(sequence, IMAGE), author))
        assert made.status_code == 201, made.text
    body = suit.manifest(9, IMAGE)
    with_stranger = suit.envelope(body, blocks=lambda d: [suit.sign_block(d, *authors, suit.Author())])
    is_error(world.upload(with_stranger), 422, "author-key-unknown")
    made = world.upload(suit.envelope(body, blocks=lambda d: [suit.sign_block(d, *authors)]))
    assert made.status_code == 201, made.text
    assert made.json()["manifests"][0]["signers"] == [a.kid.hex() for a in authors]


def test_a_mac_needs_a_signature_beside_it(world):
    """The server holds no MAC key: it verifies the author, and leaves the MAC to the devices."""
    body = suit.manifest(1, IMAGE)
    is_error(world.upload(suit.envelope(body, blocks=lambda d: [suit.mac_block(d, bytes(32), b"class")])),
             422, "manifest-invalid")
    made = world.upload(suit.envelope(body, blocks=lambda d: [suit.mac_block(d, bytes(32), b"class"),
                                                              world.author.block(d)]))
    assert made.status_code == 201, made.text
    assert made.json()["manifests"][0]["signers"] == [world.author.kid.hex()]


def test_A01_every_flipped_bit_is_refused(world):
    """Each single bit of a signed envelope, over REST."""
    whole = suit.envelope(suit.manifest(5, IMAGE), world.author)
    started, codes = time.monotonic(), {}
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        answer = world.upload(bytes(flipped))
        assert answer.status_code == 422, f"bit {bit}: {answer.status_code} {answer.text}"
        codes[answer.json()["type"]] = codes.get(answer.json()["type"], 0) + 1
    print(f"{8 * len(whole)} flips in {time.monotonic() - started:.1f} s: {codes}")
    for cut in range(len(whole)):
        answer = world.upload(whole[:cut] or b"\0")
        assert answer.status_code == 422, f"cut at {cut}: {answer.text}"
    assert world.publisher.get("/v1/releases").json() == {"items": []}
    assert world.upload(whole).status_code == 201, "whole, it is accepted"


def test_A01_signatures(world):
    body = suit.manifest(1, IMAGE)
    is_error(world.upload(suit.envelope(body, blocks=lambda d: [])), 422, "manifest-invalid")
    stranger = suit.Author()
    is_error(world.upload(suit.envelope(body, stranger)), 422, "author-key-unknown")
    borrowed = suit.envelope(body, blocks=lambda d: [stranger.block(d, kid=world.author.kid)])
    is_error(world.upload(borrowed), 422, "signature-invalid")
    swapped = suit.envelope(body, blocks=lambda d: [world.author.block(d, alg=suit.ED25519)])
    assert world.upload(swapped).status_code == 422
    other = suit.encode([suit.SHA256, hashlib.sha256(b"another manifest").digest()])
    detached = suit.envelope(body, blocks=lambda d: [world.author.block(other)])
    is_error(world.upload(detached), 422, "signature-invalid")
    one_bad = suit.envelope(body, blocks=lambda d: [world.author.block(d), world.author.block(other)])
    is_error(world.upload(one_bad), 422, "signature-invalid")


def test_A13_images_come_from_here_alone(world):
    for uri in ("coap://evil.example/x", "http://169.254.169.254/latest", "//evil.example/x",
                "/img/" + "0" * 64, "img/" + "0" * 64, "../img/x"):
        envelope = suit.envelope(suit.manifest(1, IMAGE, uri=uri), world.author)
        problem = is_error(world.upload(envelope), 422, "manifest-invalid")
        assert "img/" in problem["detail"]


def test_image_must_be_here(world):
    data = os.urandom(1000)
    envelope = suit.envelope(suit.manifest(1, data), world.author)
    problem = is_error(world.upload(envelope), 422, "image-missing")
    assert hashlib.sha256(data).hexdigest() in problem["detail"]
    world.put_image(data)
    wrong_size = suit.envelope(suit.manifest(1, data, size=999), world.author)
    is_error(world.upload(wrong_size), 422, "image-missing")
    assert world.upload(envelope).status_code == 201


def test_A15_a_changed_image_is_not_released(world):
    digest = hashlib.sha256(IMAGE).hexdigest()
    file = world.daemon.state_dir / "images" / digest[:2] / digest[2:]
    world.daemon.restart()
    file.write_bytes(IMAGE[:-1] + b"X")
    is_error(world.release(1), 422, "image-missing")
    world.put_image(IMAGE, code=200)
    assert world.release(1).status_code == 201


def test_sequence(world):
    assert world.release(10).status_code == 201
    is_error(world.release(10), 409, "sequence-not-higher")
    is_error(world.release(9), 409, "sequence-not-higher")
    is_error(world.release(2**40), 422, "sequence-too-far")  # A05
    is_error(world.release(2**63 - 1), 422, "sequence-too-far")
    is_error(world.release(2**64 - 1), 422, "sequence-too-far")
    assert world.release(int(time.time())).status_code == 201


def test_A02_of_fifty_racing_uploads_one_wins(world):
    clients = [world.daemon.client(world.publisher.token) for _ in range(50)]
    envelopes = [suit.envelope(suit.manifest(42, IMAGE), world.author) for _ in clients]
    assert len(set(envelopes)) == 50
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda p: world.upload(p[1], client=p[0]), zip(clients, envelopes)))
    assert [a.status_code for a in answers].count(201) == 1
    for a in answers:
        if a.status_code != 201:
            is_error(a, 409, "sequence-not-higher")
    assert len(world.publisher.get("/v1/releases").json()["items"]) == 1


def test_author_of_another_class_or_component(world):
    world.add_class("gate")
    gate = suit.envelope(suit.manifest(1, IMAGE, name="gate"), world.author)
    is_error(world.upload(gate), 422, "author-key-unknown")
    modem = suit.Author()
    world.add_key(modem, component="modem")
    is_error(world.upload(suit.envelope(suit.manifest(1, IMAGE), modem)), 422, "author-not-allowed")
    made = world.upload(suit.envelope(suit.manifest(1, IMAGE, component=b"modem"), modem))
    assert made.status_code == 201 and made.json()["components"] == ["modem"]


def test_class_must_be_known(world):
    foreign = suit.envelope(suit.manifest(1, IMAGE, name="unheard-of"), world.author)
    problem = is_error(world.upload(foreign), 422, "validation")
    assert str(suit.class_id("test.example", "unheard-of")) in problem["detail"]
    assert "create the class first" in problem["detail"]


def test_A16_revoked_author(world):
    assert world.release(1).status_code == 201
    assert world.admin.delete(f"/v1/author-keys/{world.key['author_key_id']}").status_code == 204
    assert world.admin.delete(f"/v1/author-keys/{world.key['author_key_id']}").status_code == 204
    is_error(world.release(2), 422, "author-key-unknown")
    keys = world.admin.get("/v1/author-keys").json()["items"]
    assert [k["author_key_id"] for k in keys if "revoked_at" in k] == [world.key["author_key_id"]]


def test_version(world):
    carried = suit.envelope(suit.manifest(1, IMAGE, version=[3, 7, 0]), world.author)
    problem = is_error(world.upload(carried, "3.8"), 422, "validation")
    assert pointers(problem) == ["/version"]
    none = world.publisher.post("/v1/releases", {"envelope": base64.b64encode(
        suit.envelope(suit.manifest(1, IMAGE), world.author)).decode()})
    assert pointers(is_error(none, 422, "validation")) == ["/version"]
    is_error(world.release(1, "one"), 422, "validation")
    made = world.publisher.post("/v1/releases", {"envelope": base64.b64encode(carried).decode()})
    assert made.status_code == 201 and made.json()["version"] == "3.7.0"


def test_bodies(world):
    whole = base64.b64encode(suit.envelope(suit.manifest(1, IMAGE), world.author)).decode()
    for body, wrong in (({}, "/envelope"), ({"envelope": "!"}, "/envelope"),
                        ({"envelope": whole, "version": "1", "extra": 1}, "/extra"),
                        ({"envelope": whole, "version": 7}, "/version"),
                        ({"envelope": whole, "version": "1", "notes": "n" * 4097}, "/notes")):
        assert pointers(is_error(world.publisher.post("/v1/releases", body), 422,
                                 "validation")) == [wrong]
    is_error(world.upload(b"\0" * 66000), 422, "validation")
    is_error(world.upload(b"\0" * 100000), 413, "too-large")


def test_withdraw(world):
    path = world.release(1).headers["Location"]
    is_error(world.publisher.post(path + "/withdraw", {}), 428, "precondition-required")
    done = world.publisher.post(path + "/withdraw", {}, headers={"If-Match": '"1"'})
    assert done.status_code == 200 and "withdrawn_at" in done.json()
    is_error(world.publisher.post(path + "/withdraw", {}, headers={"If-Match": '"1"'}), 412,
             "precondition-failed")
    is_error(world.publisher.get(f"/v1/releases/{uuid.uuid4()}"), 404, "not-found")


def test_audit_holds_what_was_done(world):
    release = world.release(1).json()
    world.admin.delete(f"/v1/author-keys/{world.key['author_key_id']}")
    entries = world.admin.get("/v1/audit", params={"page_size": 1000}).json()["items"]
    actions = [e["action"] for e in entries]
    for action in ("class.create", "author-key.create", "image.create", "release.create",
                   "author-key.revoke"):
        assert actions.count(action) == 1, action
    made = entries[actions.index("release.create")]
    assert made["object_id"] == release["release_id"]
    assert made["detail"]["manifest"] == release["manifests"][0]["digest"]


def test_release_list_by_pages(world):
    made = [world.release(i, f"1.{i}").json()["release_id"] for i in range(1, 8)]
    seen, token = [], None
    while True:
        query = {"page_size": 3, **({"page_token": token} if token else {})}
        page = world.publisher.get("/v1/releases", params=query).json()
        seen += [r["release_id"] for r in page["items"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert seen == made[::-1]
    is_error(world.publisher.get("/v1/releases", params={"page_token": "x"}), 400, "bad-cursor")
