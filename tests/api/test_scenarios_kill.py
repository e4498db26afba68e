"""The daemon is killed, or loses its database, at the n-th of its calls that others can see, for n
over a whole small campaign; then it is started again without repair, the campaign goes on to its
end, and the ledger is held against database, image store and devices.

A short sample runs in `make check`; with MUSTER_PROVE=1 (`make prove`) the full numbers do."""

import os
import random

import pytest

import harness
from fleet import PROVE, a_seed
from ledger import Judge
from small_campaign import Lane, Point, Run, Stage, Sweep, Upload

KILLS, CUTS = (1800, 300) if PROVE else (10, 3)
LANES = 32 if PROVE else KILLS + CUTS + 2  # a killed daemon's lease is waited for: most of a run is sleep
FILE_CALLS = 8  # more than a run makes on files; all of them are tried in `make prove`
REACHED = 0.9  # of the calls that a quiet run counts; the last ones are not in every run


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """On a cluster of its own, which never crashes itself, so it need not write through."""
    cluster = harness.Postgres()
    try:
        for setting in ("fsync = off", "full_page_writes = off", "max_connections = 300"):
            cluster.sql(f"ALTER SYSTEM SET {setting}")
        cluster.down()
        cluster.up()
        yield Stage(cluster, tmp_path_factory.mktemp("stage"), 1)
    finally:
        cluster.remove()


@pytest.fixture(scope="module")
def quiet(stage, tmp_path_factory):
    """A run to which nothing happens; it must be right as well."""
    run = Run(stage, Lane(set()), tmp_path_factory.mktemp("quiet"))
    assert run.play() == []
    return run


# --- the sweep --------------------------------------------------------------------------------

def spread(dice, calls, hows, points):
    """So many of 1..calls, evenly, each anywhere within its share."""
    share = calls * REACHED / points
    return [Point(1 + int((i + dice.random()) * share), dice.choice(hows)) for i in range(points)]


def test_R01_R04_killed_or_cut_off_at_every_call(stage, quiet, tmp_path):
    """Killed before a call, after it, or with half of a write or message done.  Or the database's
    connection goes before or after a call of libpq: a COMMIT whose answer never comes may have
    happened or not, and is never done twice."""
    dice = random.Random(a_seed("kill"))
    calls = quiet.calls()
    total, of_libpq = sum(calls.values()), sum(n for name, n in calls.items() if name.startswith("PQ"))
    print(f"a quiet run makes {total} calls, {of_libpq} of them of libpq: {calls}")
    assert of_libpq > 500 and all(calls[name] for name in ("fsync", "rename", "send", "sendmsg", "write"))
    points = spread(dice, total, ("before", "after", "after", "torn"), KILLS)
    points += spread(dice, of_libpq, ("cut-before", "cut-after"), CUTS)
    files = [Point(at, how, files=True) for at in range(1, FILE_CALLS) for how in ("before", "after", "torn")]
    points += files if PROVE else [dice.choice(files[:6]), dice.choice(files[6:12])]
    dice.shuffle(points)
    sweep = Sweep(stage, tmp_path / "sweep", LANES)
    sweep.play(points)
    print(sweep.report())
    assert not sweep.failures, "\n".join(sweep.failures)
    assert sum(sweep.reached.values()) >= 0.9 * len(points), "too many points were not reached"
    assert not PROVE or all(sweep.reached[f"{call} {how}"] for call in ("fsync", "rename") for how in ("before", "after"))
    assert len(sweep.restarts) == sum(n for what, n in sweep.reached.items() if "cut" not in what)


# --- a disk that fails ------------------------------------------------------------------------

def test_R06_upload_is_not_acknowledged_when_the_disk_fails(stage, tmp_path):
    """EIO at each write and fsync of files: the upload is refused, leaves nothing, and the next
    one is good.  Without a fault left the sweep ends."""
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("/proc is not mounted here, by which the interposer knows a file's path")
    for at in range(1, 50):
        folder = tmp_path / f"run-{at}"
        folder.mkdir()
        upload = Upload(stage, Lane(set()), folder, Point(at, "eio"))
        wrong = upload.play()
        assert wrong == [], f"EIO at call {at} ({upload.happened()}): {wrong}"
        if not upload.happened():
            break
        print(f"EIO at {upload.happened()}, number {at}: {upload.refused}")
        upload.drop()
    assert 4 < at < 50, "the sweep covered no calls"


# --- the judge --------------------------------------------------------------------------------

DOCTORED = {
    "an acknowledged device is missing": "DELETE FROM device WHERE endpoint = 'device-00000'",
    "a device has another id": "UPDATE device SET device_id = gen_random_uuid() WHERE endpoint = 'device-00001'",
    "an acknowledged image is missing": "DELETE FROM image",
    "an acknowledged release is missing": "DELETE FROM release",
    "a campaign was made 2 times":
        "INSERT INTO campaign (tenant_id, campaign_id, name, release_id, state, target, salt, silent_after_s,"
        " max_attempts, created_at) SELECT tenant_id, gen_random_uuid(), name, release_id, 0, target, salt,"
        " silent_after_s, max_attempts, created_at FROM campaign",
    "an acknowledged start is missing": "UPDATE campaign SET state = 0",
    "a campaign's end was taken back": "UPDATE campaign SET state = 2",
    "an acknowledged registration is lost": "DELETE FROM event WHERE kind IN (6, 7)",
    "an acknowledged report is lost": "DELETE FROM event WHERE kind = 8 AND detail::jsonb->>'state' = 'installing'",
    "2 successes in its history":
        "INSERT INTO event (tenant_id, device_id, at, kind, campaign_id, job_id, detail) SELECT tenant_id, device_id,"
        " at + 1, kind, campaign_id, job_id, detail FROM event WHERE kind = 8 AND detail::jsonb->>'state' = 'succeeded'",
    "0 successes in its history": "DELETE FROM event WHERE kind = 8 AND detail::jsonb->>'state' = 'succeeded'",
    "a device has 2 jobs of one campaign":
        "DROP INDEX job_campaign; INSERT INTO job (tenant_id, device_id, campaign_id, release_id, component, state,"
        " stage, attempt, created_at, updated_at, deadline_at) SELECT tenant_id, device_id, campaign_id, release_id,"
        " component, 16, stage, 1, 0, 0, 0 FROM job",
    "are not the jobs": "UPDATE tally SET n = n + 1 WHERE state = 10",
    "holds a slot":
        "INSERT INTO slot SELECT tenant_id, device_id, component, job_id, campaign_id FROM job ON CONFLICT DO NOTHING",
    "is updated, its jobs are": "UPDATE job SET state = 11",
    "the database says": "UPDATE component SET digest = sha256('another')",
    "the audit has a gap": "DELETE FROM audit WHERE seq = 3",
    "the audit's chain is broken": "UPDATE audit SET hash = sha256('another') WHERE seq = 3",
    "the audit's head": "UPDATE audit_head SET seq = seq + 1",
    "is not in the audit": "UPDATE audit SET object_id = 'x' WHERE action LIKE 'campaign.%'",
    "the audit has device.create": "UPDATE audit SET object_id = 'x' WHERE action = 'device.create'",
    "an idempotency key was forgotten": "DELETE FROM idempotency WHERE key = 'release'",
}


def test_judge_sees_every_kind_of_damage_in_the_database(quiet):
    for said, sql in DOCTORED.items():
        # no trigger keeps a thief from the audit
        wrong = quiet.judge(f"SET LOCAL session_replication_role = replica; {sql}")
        assert any(said in text for text in wrong), f"{sql}: {wrong}"
    assert quiet.judge() == []


def test_judge_sees_damage_in_the_image_store(quiet):
    path = quiet.image_path()
    good = path.read_bytes()
    for bad in (good[:-1], good + b"x", bytes([good[0] ^ 1]) + good[1:]):
        path.write_bytes(bad)
        assert any("no file, or a wrong one" in text for text in quiet.judge())
    path.unlink()
    assert any("no file, or a wrong one" in text for text in quiet.judge())
    path.write_bytes(good)
    assert quiet.judge() == []


def test_judge_sees_an_answer_that_changed(quiet):
    entry = dict(next(e for e in quiet.ledger.entries if e["what"] == "replay"), key=None)
    db = {name: [] for name in ("devices", "images", "releases", "campaigns", "jobs", "tallies", "slots", "events",
                                "audit", "keys")}
    db["head"] = [0, None]
    wrong = Judge(db, ".", [dict(entry, again=[200, {}])]).violations()
    assert len(wrong) == 1 and "another answer" in wrong[0]
    assert Judge(db, ".", [entry]).violations() == []
