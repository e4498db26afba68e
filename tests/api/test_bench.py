"""The benchmark runs: one short round of a cheap row.  Its figures gate nothing."""

import subprocess

from harness import BUILD, ROOT


def test_bench_measures_a_row():
    done = subprocess.run(["/usr/bin/python3", str(ROOT / "tests/bench/bench.py"), "-k", "udp-raw", "--rounds", "1",
                           "--seconds", "0.2", "--scale", "0.01", "--no-write"],
                          text=True, capture_output=True, timeout=300, env={"BUILD": str(BUILD), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stdout + done.stderr
    line = [text for text in done.stdout.splitlines() if text.startswith("| udp-raw |")]
    assert len(line) == 1 and " % |" in line[0] and "| 1 |" in line[0], done.stdout


def test_bench_lists_every_row_of_the_design():
    done = subprocess.run(["/usr/bin/python3", str(ROOT / "tests/bench/bench.py"), "--list"], text=True,
                          capture_output=True, timeout=60)
    keys = {line.split()[0] for line in done.stdout.splitlines()}
    assert {"udp-stock", "udp-raw", "udp-100k", "dtls", "handshake", "resume", "block-raw", "block-bare",
            "push"} <= keys
