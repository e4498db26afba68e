"""What the rows of the benchmark have in common: processes on fixed cores, CPU time, load.

Server and generator sit on a core each, so that neither takes the other's time; what counts is
the server's CPU time, which a busy machine disturbs less than a clock on the wall."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Callable, Optional

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "api"))  # harness.py: daemons and PostgreSQL

BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
PROGRAMS = BUILD / "tests" / "bench"
SERVER_CORE, LOAD_CORE = 0, 1


@dataclasses.dataclass
class Row:
    """One line of the table.

    measure_ours(rig) and measure_twin(rig) give a figure each; the row's figure is ours / twin
    (twin / ours when `smaller` is better, as for times).  Without a twin it is ours alone.
    open(rig) starts what both need, once, before the rounds; close(rig) ends it.  What is
    started by rig.spawn() ends by itself."""
    key: str
    title: str
    goal: float
    measure_ours: Callable
    measure_twin: Optional[Callable] = None
    unit: str = "per CPU-second"  # of the two figures
    show: str = "percent"  # the row's figure: percent, times, or a unit of its own ("ms")
    at_most: bool = False  # the goal is an upper bound
    smaller: bool = False
    open: Optional[Callable] = None
    close: Optional[Callable] = None

    def figure(self, ours, twin):
        if twin is None:
            return ours
        return twin / ours if self.smaller else ours / twin

    def text(self, value):
        if self.show == "percent":
            return f"{value * 100:.0f} %"
        if self.show == "times":
            return f"{value:.2f} x"
        return f"{value:.3g} {self.show}"

    def met(self, value):
        return value <= self.goal if self.at_most else value >= self.goal

    def goal_text(self):
        return ("≤ " if self.at_most else "≥ ") + self.text(self.goal)


def cpu(pid):
    """CPU seconds that a process has used so far, all of its threads, those that ended too."""
    return time.clock_gettime((~pid << 3) | 2)


def pin(core):
    """A preexec_fn; where there is one core only, nothing is pinned."""
    def do():
        if core is not None and core in os.sched_getaffinity(0):
            os.sched_setaffinity(0, {core})
    return do


class Process:
    """A program whose output is read line by line."""

    def __init__(self, words, core):
        self.words = [str(w) for w in words]
        self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        text=True, preexec_fn=pin(core))
        self.pid = self.process.pid
        self.said = {}

    def read(self, name):
        """The value of the first line "NAME VALUE"."""
        while name not in self.said:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"{self.words[0]} ended with {self.process.wait()}")
            key, _, value = line.strip().partition(" ")
            self.said[key] = value
        return self.said[name]

    def port(self):
        return int(self.read("port"))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


class Rig:
    """options: rounds, seconds, scale (of sessions and devices: 1 is the real size)."""

    def __init__(self, options):
        self.options = options
        self.seconds = options.seconds
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="muster-bench-", dir="/tmp"))
        self.shared = {}  # of the rows: what one opened and others use
        self.processes = []
        self.cluster = None
        self.closers = []

    def scaled(self, n, least=16):
        return max(least, int(n * self.options.scale))

    def note(self, text):
        print(f"    {text}", flush=True)

    def temp(self, name):
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path

    # --- programs

    def spawn(self, program, *words, core=SERVER_CORE):
        """A program of tests/bench, or a path; ends with the rig."""
        path = PROGRAMS / program if isinstance(program, str) else program
        made = Process([path, *words], core)
        self.processes.append(made)
        return made

    def load(self, program, *words, core=LOAD_CORE, timeout=900):
        """Runs a generator to its end; its result, the last line, as a dict."""
        path = PROGRAMS / program if isinstance(program, str) else program
        words = [str(w) for w in (path, *words)]
        done = subprocess.run(words, text=True, capture_output=True, timeout=timeout, preexec_fn=pin(core))
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def drop(self, process):
        self.processes.remove(process)
        process.stop()

    # --- PostgreSQL and daemons, when a row needs them

    def pg(self):
        """A private PostgreSQL (harness.Postgres), with buffers for a million devices: the tests'
        own are too small to hold the two hundred megabytes that such a fleet writes again and again."""
        if not self.cluster:
            import harness
            self.cluster = harness.Postgres()
            for setting in ("shared_buffers = '512MB'", "max_wal_size = '4GB'"):
                self.cluster.sql(f"ALTER SYSTEM SET {setting}")
            self.cluster.down()
            self.cluster.up()
        return self.cluster

    def daemon(self, name, settings=None, core=SERVER_CORE):
        """A running musterd on that core with a database of its own (harness.Server)."""
        import harness
        cluster = self.pg()
        database = cluster.create_database()
        made = harness.Server(self.folder / name, cluster.dsn(database),
                              {"log.level": "warn", **(settings or {})})
        made.pg, made.database = cluster, database
        made.prepare()
        before = os.sched_getaffinity(0)
        pin(core)()  # the daemon inherits it
        try:
            made.start()
        finally:
            os.sched_setaffinity(0, before)
        self.closers.append(made.close)
        made.pid = made.process.pid
        return made

    def close(self):
        for process in self.processes:
            process.stop()
        for close in self.closers:
            close()
        if self.cluster:
            self.cluster.remove()
        shutil.rmtree(self.folder, ignore_errors=True)
