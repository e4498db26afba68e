"""`make install`: what a package, or an administrator, gets."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()


def install(folder, prefix):
    done = subprocess.run(["make", "-s", "install", f"BUILD={os.path.relpath(BUILD, ROOT)}", f"DESTDIR={folder}", f"PREFIX={prefix}"],
                          cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_starts_what_was_installed(tmp_path):
    install(tmp_path, "/usr/local")
    unit = (tmp_path / "usr/local/lib/systemd/system/musterd.service").read_text()
    start = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    program = start.removeprefix("ExecStart=").split()[0]
    assert os.access(tmp_path / program.lstrip("/"), os.X_OK)
    assert program in next(line for line in unit.splitlines() if line.startswith("ExecPaths="))
    user = next(line for line in unit.splitlines() if line.startswith("User=")).removeprefix("User=")
    assert f"u {user} " in (tmp_path / "usr/local/lib/sysusers.d/muster.conf").read_text()


def test_a_configuration_is_kept(tmp_path):
    install(tmp_path, "/usr")
    config = tmp_path / "etc/muster/musterd.conf"
    assert config.read_text() == (ROOT / "deploy/musterd.conf").read_text()
    config.write_text("mine")
    install(tmp_path, "/usr")
    assert config.read_text() == "mine"
