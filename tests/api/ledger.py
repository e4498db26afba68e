"""The ledger: what the server acknowledged, to devices and to operators, and the judge that holds
it against the database, the image store and the devices' own view.

Whoever was told something writes it down before it goes on: muster-fleet's --ledger has a line for
every registration and report, a REST client notes its answers with Ledger.note().  So whatever
stands in a ledger was promised, and may never be missing; whatever the database has must be there
once.  The judge changes nothing and returns what is wrong, in words.

test_scenarios_kill.py shows that it sees each kind of damage."""

import collections
import hashlib
import json
import pathlib

SUCCEEDED = 10
JOB_STATES = {0: "queued", 1: "offered", 2: "downloading", 3: "downloaded", 4: "installing", 5: "rebooting",
              10: "succeeded", 11: "failed", 12: "rolled_back", 13: "silent", 14: "rejected", 15: "deferred",
              16: "cancelled", 17: "superseded", 18: "current"}
CAMPAIGN_STATES = {0: "draft", 1: "starting", 2: "running", 3: "paused", 4: "finished", 5: "aborted"}
ENDED = ("finished", "aborted")
EVENTS_OF_REGISTRATION = (6, 7)
EVENT_JOB = 8

# One question, so that everything is of one instant.
SNAPSHOT = """SELECT json_build_object(
 'devices', (SELECT json_agg(json_build_array(d.endpoint, d.device_id, encode(c.digest, 'hex')))
             FROM device d LEFT JOIN component c USING (tenant_id, device_id)),
 'images', (SELECT json_agg(encode(digest, 'hex')) FROM image),
 'releases', (SELECT json_agg(json_build_array(release_id, version)) FROM release),
 'campaigns', (SELECT json_agg(json_build_array(campaign_id, name, state)) FROM campaign),
 'jobs', (SELECT json_agg(json_build_array(j.job_id, j.campaign_id, d.endpoint, j.state))
          FROM job j JOIN device d USING (tenant_id, device_id)),
 'tallies', (SELECT json_agg(json_build_array(campaign_id, state, n)) FROM
             (SELECT campaign_id, state, sum(n) AS n FROM tally WHERE state < 100 GROUP BY 1, 2 HAVING sum(n) <> 0) AS t),
 'slots', (SELECT json_agg(campaign_id) FROM slot WHERE campaign_id IS NOT NULL),
 'events', (SELECT json_agg(json_build_array(d.endpoint, e.kind, e.job_id, e.detail))
            FROM event e JOIN device d USING (tenant_id, device_id)),
 'audit', (SELECT json_agg(json_build_array(seq, action, object_id, encode(prev, 'hex'), encode(hash, 'hex'))
           ORDER BY seq) FROM audit),
 'head', (SELECT json_build_array(seq, encode(hash, 'hex')) FROM audit_head),
 'keys', (SELECT json_agg(key) FROM idempotency))"""


class Ledger:
    """What an operator's client was told: one line each, on disk before the client goes on."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.entries = []

    def note(self, what, **facts):
        entry = dict(facts, what=what)
        self.entries.append(entry)
        with open(self.path, "a") as f:
            f.write(json.dumps(entry) + "\n")


def fleet_lines(path):
    """(device, "registered", boot) and (device, "reported", job, state) of a fleet's ledger."""
    for line in pathlib.Path(path).read_text().splitlines():
        _, name, what, *rest = line.split()
        yield (name, what, rest[0]) if what == "registered" else (name, what, int(rest[0]), JOB_STATES[int(rest[2])])


def snapshot(pg, database, damage=None):
    """What the database has; or would have, if that SQL were done to it."""
    sql = f"BEGIN; {damage}; {SNAPSHOT}; ROLLBACK" if damage else SNAPSHOT
    text, = pg.sql(sql, database)[-1]
    return {name: rows or [] for name, rows in json.loads(text).items()}


class Judge:
    """Judges one run.  `updated`: {device: digest} that the devices themselves say they run."""

    def __init__(self, db, images_dir, operator=(), devices=(), updated=None):
        self.db, self.images_dir = db, pathlib.Path(images_dir)
        self.operator, self.devices = list(operator), list(devices)
        self.updated = updated or {}
        self.wrong = []

    def say(self, holds, text):
        if not holds:
            self.wrong.append(text)

    def violations(self):
        self.judge_operator()
        self.judge_devices()
        self.judge_jobs()
        self.judge_fates()
        self.judge_audit()
        return self.wrong

    # --- what was acknowledged

    def judge_operator(self):
        for entry in self.operator:
            getattr(self, "told_" + entry["what"])(entry)
            if entry.get("key"):
                self.say(entry["key"] in self.db["keys"], f"an idempotency key was forgotten: {entry}")

    def once(self, rows, name, ident, what):
        """Exactly one row of that name, with the id that was told."""
        found = [row for row in rows if name in row]
        self.say(found, f"an acknowledged {what} is missing: {name}")
        self.say(len(found) <= 1, f"a {what} was made {len(found)} times: {name}")
        self.say(not found or ident in found[0], f"a {what} has another id than was told: {name}")

    def told_device(self, entry):
        self.once(self.db["devices"], entry["endpoint"], entry["id"], "device")

    def told_image(self, entry):
        digest = entry["digest"]
        self.say(digest in self.db["images"], f"an acknowledged image is missing: {digest}")
        path = self.images_dir / digest[:2] / digest[2:]
        good = path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest
        self.say(good, f"an acknowledged image has no file, or a wrong one: {digest}")

    def told_release(self, entry):
        self.once(self.db["releases"], entry["version"], entry["id"], "release")

    def told_campaign(self, entry):
        self.once(self.db["campaigns"], entry["name"], entry["id"], "campaign")

    def state_of(self, campaign):
        return next((CAMPAIGN_STATES[state] for ident, _, state in self.db["campaigns"] if ident == campaign), None)

    def told_start(self, entry):
        self.say(self.state_of(entry["id"]) not in (None, "draft"), f"an acknowledged start is missing: {entry}")

    def told_state(self, entry):
        """An end that was shown stays the end."""
        if entry["state"] in ENDED:
            self.say(self.state_of(entry["id"]) == entry["state"], f"a campaign's end was taken back: {entry}")

    def told_replay(self, entry):
        self.say(entry["first"] == entry["again"], f"an idempotency key gave another answer: {entry}")

    def judge_devices(self):
        boots, states = set(), set()
        for endpoint, kind, job, detail in self.db["events"]:
            detail = json.loads(detail or "{}")
            if kind in EVENTS_OF_REGISTRATION:
                boots.add((endpoint, detail.get("boot")))
            elif kind == EVENT_JOB:
                states.add((endpoint, job, detail["state"]))
        for name, what, *rest in self.devices:
            seen = boots if what == "registered" else states
            word = "registration" if what == "registered" else "report"
            self.say((name, *rest) in seen, f"an acknowledged {word} is lost: {name} {rest}")

    # --- exactly once

    def judge_jobs(self):
        of_device = collections.Counter((campaign, endpoint) for _, campaign, endpoint, _ in self.db["jobs"])
        for (campaign, endpoint), n in of_device.items():
            self.say(n == 1, f"a device has {n} jobs of one campaign: {endpoint}")
        states = collections.Counter((campaign, state) for _, campaign, _, state in self.db["jobs"])
        tallies = {(campaign, state): n for campaign, state, n in self.db["tallies"]}
        self.say(states == tallies, f"tallies {tallies} are not the jobs {dict(states)}")
        successes = collections.Counter(job for _, kind, job, detail in self.db["events"]
                                        if kind == EVENT_JOB and json.loads(detail)["state"] == "succeeded")
        for job, _, endpoint, state in self.db["jobs"]:
            wanted = 1 if state == SUCCEEDED else 0
            self.say(successes[job] == wanted, f"job {job} of {endpoint}: {successes[job]} successes in its history")
        for campaign in self.db["slots"]:
            self.say(self.state_of(campaign) not in ENDED, f"an ended campaign holds a slot: {campaign}")

    def judge_fates(self):
        """Who runs the new image has one job that succeeded, and the database knows the digest."""
        runs = {endpoint: digest for endpoint, _, digest in self.db["devices"]}
        for endpoint, digest in self.updated.items():
            self.say(runs.get(endpoint) == digest, f"{endpoint} runs {digest}, the database says {runs.get(endpoint)}")
            ends = [JOB_STATES[state] for _, _, name, state in self.db["jobs"] if name == endpoint]
            self.say(ends == ["succeeded"], f"{endpoint} is updated, its jobs are {ends}")

    def judge_audit(self):
        seq, last = 0, None
        for number, action, object_id, prev, own in self.db["audit"]:
            self.say(number == seq + 1, f"the audit has a gap at {seq + 1}")
            self.say(last is None or prev == last, f"the audit's chain is broken at {number}")
            seq, last = number, own
        self.say([seq, last] == self.db["head"], "the audit's head is not its last entry")
        made = collections.Counter((action, ident) for _, action, ident, _, _ in self.db["audit"]
                                   if action.endswith(".create") or action in ("campaign.start", "campaign.finish"))
        for (action, ident), n in made.items():
            self.say(n == 1, f"the audit has {action} of {ident} {n} times")
        objects = {ident for _, _, ident, _, _ in self.db["audit"]}
        for entry in self.operator:
            ident = entry.get("id") or entry.get("digest")
            self.say(ident is None or ident in objects, f"an acknowledged act is not in the audit: {entry}")
