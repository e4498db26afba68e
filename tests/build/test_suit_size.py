"""What a microcontroller needs to verify and run a manifest stays within its aims."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def test_verify_and_process_fit_a_cortex_m(tmp_path):
    done = subprocess.run([sys.executable, "tests/size/suit_size.py", str(tmp_path), "-DSUIT_SMALL"], cwd=ROOT,
                          text=True, capture_output=True, timeout=120)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, "code or RAM over the aims"
    assert "struct suit_run" in done.stdout and "stack of suit_process" in done.stdout
