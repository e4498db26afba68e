"""Rows of the database: the daemon's functions against one bare statement that does the same, in CPU
seconds of the process and of its backend together."""

import json
import os
import subprocess

from rig import PROGRAMS, Row

DEVICES = 1_000_000
EVERY_S = 300  # a device's signs of life


class Sql:
    """sql_rows, with its database of that many devices."""

    def __init__(self, rig):
        self.process = subprocess.Popen([str(PROGRAMS / "sql_rows"), str(rig.scaled(DEVICES, 20_000))],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, MUSTER_TEST_DB=rig.pg().conninfo))
        self.answer()

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"sql_rows ended with {self.process.wait()}")

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait(120)
        self.process.stdout.close()


def open_sql(rig):
    if "sql" not in rig.shared:
        rig.shared["sql"] = Sql(rig)
        rig.closers.append(rig.shared["sql"].close)


def rate(*words):
    def measure(rig):
        seconds = (rig.seconds,) if words[0] == "seen" else ()
        done = rig.shared["sql"].ask(*words, *seconds)
        return done["count"] / done["cpu"]
    return measure


def start_ours(rig):
    done = rig.shared["sql"].ask("start", "ours")
    rig.shared["sql"].ask("abort", "ours")
    return done["cpu"]


def start_bare(rig):
    return rig.shared["sql"].ask("start", "bare")["cpu"]


def share_of_a_core(rig):
    return DEVICES / EVERY_S / rate("seen", "ours")(rig) * 100


def stage_ms(rig):
    sql = rig.shared["sql"]
    sql.ask("start", "ours")
    ms = sql.ask("stage", "ours")["seconds"] * 1000
    sql.ask("abort", "ours")
    return ms


ROWS = [
    Row("seen", "last_seen : a bare batched upsert of 1000", 0.60, rate("seen", "ours"), rate("seen", "bare"),
        open=open_sql),
    Row("seen-core", "last_seen of 1 M devices every 5 minutes", 5, share_of_a_core, show="% of a core", unit="",
        at_most=True, open=open_sql),
    Row("report", "durable reports that move a job, in batches : bare UPDATE .. unnest(1000)", 0.60,
        rate("report", "ours"), rate("report", "bare"), open=open_sql),
    Row("progress", "durable reports of progress, in batches : bare UPDATE .. unnest(1000)", 0.60,
        rate("progress", "ours"), rate("progress", "bare"), open=open_sql),
    Row("start", "starting a one-shot campaign on 1 M devices : bare INSERT .. SELECT and primary key", 1.5,
        start_ours, start_bare, unit="s", show="times", at_most=True, open=open_sql),
    Row("stage", "opening a stage, on 1 M devices", 5, stage_ms, unit="ms", show="ms", at_most=True, open=open_sql),
]
