"""Full disks: of the images, of PostgreSQL, of a device.  What does not fit is refused in clear words
and leaves nothing; the rest goes on; and when there is space again, so does everything.

Short samples run in `make check`; with MUSTER_PROVE=1 (`make prove`) the full numbers do."""

import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time

import pytest

from faults import FullDisk, Load, SmallDisk
from fleet import FAILED, PROVE, SUCCEEDED, a_seed, make_world, run  # noqa: F401
from harness import BUILD, wait_until

OCTETS = {"Content-Type": "application/octet-stream"}


def put(client, image):
    return client.put(f"/v1/images/{hashlib.sha256(image).hexdigest()}", data=image, headers=OCTETS)


def objects(server):
    """Every file of the store, by its path in it.  A temporary one goes just after the answer."""
    root = server.state_dir / "images"
    wait_until(lambda: not any((root / "tmp").iterdir()), 10, what="no temporary file")
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def path_of(image):
    digest = hashlib.sha256(image).hexdigest()
    return f"{digest[:2]}/{digest[2:]}"


def refused_for_space(answer):
    assert answer.status_code == 507, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:muster:error:storage-full"


# --- images ----------------------------------------------------------------------------------

class Downloads(threading.Thread):
    """Fetches an image over and over; each time it must be whole."""

    def __init__(self, client, image):
        super().__init__(daemon=True)
        self.client, self.image, self.done, self.wrong, self.going_on = client, image, 0, [], True
        self.start()

    def run(self):
        path = f"/v1/images/{hashlib.sha256(self.image).hexdigest()}"
        while self.going_on:
            try:
                answer = self.client.get(path)
                if answer.status_code != 200 or answer.content != self.image:
                    self.wrong.append(answer.status_code)
            except Exception as e:
                self.wrong.append(repr(e))
            self.done += 1

    def finish(self, at_least=1):
        self.going_on = False
        self.join()
        assert not self.wrong and self.done >= at_least, (self.wrong, self.done)
        return self.done


def test_R05_no_space_at_every_call_of_an_upload(server, tmp_path):
    """The disk is full from the n-th call on, for every n: nothing is left, and the next one works."""
    dice = random.Random(a_seed("upload"))
    daemon = server(start=False)
    disk = FullDisk(tmp_path, daemon.state_dir / "images")
    daemon.start(env=disk.env)
    admin = daemon.admin()
    size = (1 << 20) if PROVE else 100_000
    kept = dice.randbytes(300_000)
    assert put(admin, kept).status_code == 201
    downloads = Downloads(daemon.client(daemon.token), kept)
    before = objects(daemon)
    for n in range(1, 500):
        image = dice.randbytes(size)
        disk.full_at(n)
        answer = put(admin, image)
        if answer.status_code == 201:
            break
        refused_for_space(answer)
        # a whole object that was only not acknowledged stays: the same bytes may have been stored before
        left = objects(daemon) - before
        assert left <= {path_of(image)}, f"call {n} left something"
        assert all((daemon.state_dir / "images" / p).read_bytes() == image for p in left)
        before |= left
        path = f"/v1/images/{hashlib.sha256(image).hexdigest()}"
        assert admin.get(path).status_code == 404
        disk.full_at(0)
        if n % 7 == 1:
            assert put(admin, image).status_code == 201
            assert admin.get(path).content == image
            before = objects(daemon)
    assert 6 < n < 500, "the sweep covered nothing"
    assert n - 4 <= disk.calls() < n  # the folder of its digest may have been there
    print(f"{n - 1} calls swept, {downloads.finish(5)} downloads meanwhile, objects left over: 0")


def test_R05_upload_to_a_full_disk(server, tmp_path):
    """A real one, with 8 MiB."""
    dice = random.Random(a_seed("disk"))
    daemon = server(start=False)
    disk = SmallDisk(daemon.state_dir / "images", 8)
    try:
        daemon.start()
        admin = daemon.admin()
        kept = dice.randbytes(2 << 20)
        assert put(admin, kept).status_code == 201
        downloads = Downloads(daemon.client(daemon.token), kept)
        free, before = disk.free(), objects(daemon)
        for size in (7 << 20, 9 << 20):
            refused_for_space(put(admin, dice.randbytes(size)))
            # a body of unknown length
            image = dice.randbytes(size)
            refused_for_space(put(admin, image) if size < 8 << 20 else daemon.client(daemon.token).put(
                f"/v1/images/{hashlib.sha256(image).hexdigest()}", data=iter([image[:size // 2], image[size // 2:]]),
                headers=OCTETS))
            assert objects(daemon) == before
            assert disk.free() == free, "space was not given back"
        disk.fill()
        refused_for_space(put(admin, dice.randbytes(5000)))
        disk.relieve()
        assert put(admin, dice.randbytes(4 << 20)).status_code == 201
        print(f"{downloads.finish()} downloads meanwhile")
        assert daemon.stop() == 0
    finally:
        disk.close()


# --- PostgreSQL ------------------------------------------------------------------------------

@pytest.fixture
def small_pg(own_pg, request):
    """A PostgreSQL whose write-ahead log (or all of it) is on a small disk."""
    disks = []

    def make(part, size_mb):
        own_pg.down()
        data = pathlib.Path(own_pg.host) / "data"
        part = data / part if part else data
        aside = part.with_name(part.name + ".aside")
        owner = os.stat(part)
        part.rename(aside)
        try:
            disk = SmallDisk(part, size_mb, (owner.st_uid, owner.st_gid))
        except BaseException:
            part.rmdir()
            aside.rename(part)
            raise
        disks.append((disk, part))
        run("cp", "-a", f"{aside}/.", part)
        shutil.rmtree(aside)
        own_pg.up()
        return own_pg, disk

    yield make
    for disk, part in disks:
        subprocess.run(["sh", "-c", f"sh tests/pg.sh down {own_pg.dir} immediate"], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        disk.close()


def is_up(cluster):
    try:
        return cluster.sql("SELECT 1") == [["1"]]
    except AssertionError:
        return False


if PROVE:
    @pytest.mark.parametrize("part", ["pg_wal", ""], ids=["log", "all"])
    def test_R05_database_without_space(make_world, small_pg, part):
        """Its disk fills up while everybody writes: what needs it is refused with a time to come back,
        check-ins and blocks go on, and when there is space again the daemon goes on by itself."""
        pg, disk = small_pg(part, 80 if part else 160)
        seed = a_seed(part or "all")
        world = make_world(cluster=pg)
        load = Load(world, seed)
        try:
            load.wait_running()
            disk.fill()
            # a log segment is full soon; a table takes its last free pages
            filling = subprocess.Popen([str(pg.bin / "psql"), pg.dsn(world.server.database), "-XAtq", "-c",
                                        "CREATE TABLE ballast AS SELECT i, md5(i::text)"
                                         " FROM generate_series(1, 3000000) i"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            said = filling.communicate(timeout=100)[1]
            print("PostgreSQL:", said.strip().splitlines()[0] if said.strip() else "nothing")
            assert filling.returncode != 0, "the disk was not full"
            at = time.monotonic()
            time.sleep(20 if PROVE else 2)
            good = load.since(at)
            print(f"without space: {good}")
            assert good["check-in"] and good["block"]
            answer = world.server.client(world.server.token).post("/v1/devices", {"endpoint": "one-more", "psk": True})
            print(f"a write: {answer.status_code} {answer.text[:200]}")
            relieved = time.monotonic()
            disk.relieve()
            wait_until(lambda: is_up(pg) or not pathlib.Path(pg.host, "data/postmaster.pid").exists(), 90, 0.2,
                       "PostgreSQL recovers or ends")
            if not is_up(pg):  # it ends when it cannot even recover
                pg.up()
            print(f"PostgreSQL was back after {time.monotonic() - relieved:.1f} s")
            back = time.monotonic()
            print(f"to recover: {load.wait_recovery(back):.2f} s")
            load.stop()
            print(load.summary())
            load.judge()
            assert sum(n for (_, outcome), n in load.count.items() if outcome == "shed"), "nothing was tested"
        finally:
            load.close()
            world.server.stop()


# --- a device --------------------------------------------------------------------------------

@pytest.mark.parametrize("when", ["before", "meanwhile"] if PROVE else ["meanwhile"])
def test_R05_device_without_space(make_world, tmp_path, when):
    """The device's disk is full before the download, or fills up while it runs: the server is told
    why, the old image stays, and with space again the next update works without a restart."""
    dice = random.Random(a_seed(when))
    world = make_world()
    firmware = BUILD / "muster-agent"
    image = firmware.read_bytes() + dice.randbytes(1024)
    megabytes = (2 * len(image) >> 20) + 2
    disk = SmallDisk(tmp_path / "disk", megabytes)
    try:
        world.add_device("unit")
        agent = world.agent("unit", firmware, journal_blocks=8, block_size=128, state_dir=disk.folder)
        agent.state = disk.folder
        world.wait_registered(1)
        release = world.release(version="2.0.0", image=image)
        if when == "before":
            disk.fill(leave=len(image) // 2)
        campaign = world.campaign(release)
        if when == "meanwhile":
            wait_until(lambda: world.metric("image") > 200, 60, 0.005, "some blocks")
            disk.fill()
        wait_until(lambda: world.count(campaign, FAILED) == 1, 60, 0.1, "a failed job")
        job = world.jobs(campaign)[0]
        print(f"the server was told: {job['cause']}: {job.get('text')}")
        assert job["cause"] in (("space",) if when == "before" else ("space", "storage"))
        assert agent.boot()["slot"] == "a" and agent.boot()["trial"] == "no"
        assert agent.slot_digest("a") == hashlib.sha256(firmware.read_bytes()).hexdigest()
        pid = agent.child()
        disk.relieve()
        again = world.campaign(release)
        world.wait_state(again, "finished", 90)
        world.judge(again, {SUCCEEDED: 1})
        assert agent.log().count("started slot a") == 1, "it was restarted"
        assert pid and agent.slot_digest("b") == release.digest
    finally:
        world.close()
        disk.close()
