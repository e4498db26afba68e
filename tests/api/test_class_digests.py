"""What a class's devices say that they hold: for authors who make deltas."""

import hashlib
import uuid

import suit
from test_releases import is_error, pointers, world  # noqa: F401



def digest(n):
    return hashlib.sha256(str(n).encode()).hexdigest()


def devices(world, count, held, name="lock", component="main", lifecycle=1):  # noqa: F811
    """So many rows, as registration leaves them; held: a digest, or None."""
    vendor, klass = suit.vendor_id("test.example"), suit.class_id("test.example", name)
    ids = [uuid.uuid4() for _ in range(count)]
    rows = ",".join(f"(1, '{i}', '{i}', 0, {lifecycle}, '{vendor}', '{klass}', 1)" for i in ids)
    parts = ",".join(f"(1, '{i}', '{component}', " + (f"'\\x{held}'" if held else "NULL") + ", 1)" for i in ids)
    world.daemon.pg.sql("INSERT INTO device (tenant_id, device_id, endpoint, hash, lifecycle, vendor_id, class_id, created_at) "
                        f"VALUES {rows}; INSERT INTO component (tenant_id, device_id, name, digest, updated_at) VALUES {parts}",
                        world.daemon.database)


def path(name="lock"):
    return f"/v1/classes/{suit.vendor_id('test.example')}/{suit.class_id('test.example', name)}/digests"


def test_digests_of_a_class(world):  # noqa: F811
    empty = world.publisher.get(path())
    assert empty.status_code == 200, empty.text
    assert empty.json() == {"component": "main", "devices": 0, "unknown": 0, "items": []}
    world.add_class("other")
    devices(world, 5, digest(1))
    devices(world, 9, digest(2))
    devices(world, 2, None)
    devices(world, 3, digest(3), component="modem")  # of these nobody says anything about main
    devices(world, 50, digest(4), name="other")
    devices(world, 7, digest(1), lifecycle=2)        # revoked
    devices(world, 7, digest(1), lifecycle=0)        # never seen
    assert world.publisher.get(path()).json() == {
        "component": "main", "devices": 19, "unknown": 5,
        "items": [{"digest": digest(2), "devices": 9}, {"digest": digest(1), "devices": 5}]}
    assert world.publisher.get(path(), params={"component": "modem"}).json() == {
        "component": "modem", "devices": 19, "unknown": 16, "items": [{"digest": digest(3), "devices": 3}]}
    assert world.daemon.operator("viewer").get(path("other")).json()["items"] == [{"digest": digest(4), "devices": 50}]


def test_at_most_a_hundred_digests(world):  # noqa: F811
    for n in range(104):
        devices(world, 2 if n < 3 else 1, digest(n))
    got = world.publisher.get(path()).json()
    assert got["devices"] == 107 and len(got["items"]) == 100
    assert {i["digest"] for i in got["items"][:3]} == {digest(n) for n in range(3)}
    devices(world, 1, None)
    got = world.publisher.get(path()).json()
    assert (got["devices"], got["unknown"], len(got["items"])) == (108, 1, 100)


def test_what_is_refused(world):  # noqa: F811
    is_error(world.publisher.get(path("none")), 404, "not-found")
    is_error(world.publisher.get("/v1/classes/x/y/digests"), 404, "not-found")
    for bad in ("", "a//b", "x" * 65):
        assert pointers(is_error(world.publisher.get(path(), params={"component": bad}), 422, "validation")) == ["component"]
    is_error(world.publisher.get(path(), params={"page_size": 1}), 422, "validation")
