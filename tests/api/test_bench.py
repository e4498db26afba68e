"""The benchmark runs: one short round of a cheap row.  Its figures gate nothing."""

import json
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


def test_pushes_are_paced(tmp_path):
    """A thousand observers, 500 pushes a second: a stage must not call the whole fleet at once, nor what
    was not pushed in the two seconds before."""
    image = tmp_path / "image"
    image.write_bytes(b"image" * 100)
    programs = BUILD / "tests" / "bench"
    server = subprocess.Popen([programs / "musterd_udp", "--state", tmp_path, "--devices", "1000", "--jobs", "1000",
                               "--image", image, "--shards", "8", "--pushes", "500"],
                              stdout=subprocess.PIPE, text=True)
    try:
        port = next(line.split()[1] for line in server.stdout if line.startswith("port "))
        done = subprocess.run([programs / "load_udp", "--port", port, "--mode", "observe", "--path", "update",
                               "--clients", "1000", "--trigger-pid", str(server.pid), "--warm", "2"],
                              text=True, capture_output=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
    finally:
        server.terminate()
        server.wait(30)
        server.stdout.close()
    assert told["count"] == 1000 and told["codes"] == {"2.05": 1000}
    assert told["seconds"] > 0.9 * (1000 - 500 * 0.05) / 500, "faster than it was allowed to"
