"""`muster` as people and scripts meet it: its texts, its JSON, its exit codes.

The first half needs no server; the second half runs against one."""

import json
import os
import pathlib
import pty
import re
import stat
import subprocess

import pytest

import suit

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MUSTER = ROOT / os.environ.get("BUILD", "build") / "muster"
CLASS = "acme.example/lock-7"


def run_muster(home, *words, stdin=None, **extra_env):
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1", **extra_env}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    return subprocess.run([str(MUSTER), *map(str, words)], cwd=home, env=env, input=stdin, text=True,
                          capture_output=True, timeout=120, start_new_session=True)


@pytest.fixture
def cli(tmp_path):
    """Runs `muster` in a home of its own, without a terminal."""
    def run(*words, code=0, **kw):
        done = run_muster(tmp_path, *words, **kw)
        assert done.returncode == code, done.stderr
        return done
    run.home = tmp_path
    return run


# --- words -----------------------------------------------------------------------------------

GOLDEN = [
    (["campain", "create"], 1, 'muster: there is no command "campain create"; did you mean "campaign create"?'),
    (["frobnicate"], 1, 'muster: there is no command "frobnicate"; see: muster help'),
    (["device", "show"], 1, "muster: device show needs NAME; see: muster help device show"),
    (["device", "ls", "--clas", "x"], 1,
     "muster: unknown option --clas; did you mean --class?; see: muster help device ls"),
    (["device", "ls", "x"], 1, 'muster: device ls does not take "x"; see: muster help device ls'),
    (["device", "ls"], 4, "muster: you are not logged in; try: muster login URL"),
    (["device", "ls", "--class", "lock"], 1,
     'muster: "lock" is no class; write VENDOR/NAME, such as acme.example/lock-7'),
    (["login", "http://x"], 1,
     'muster: "http://x" is not a server; give one such as https://muster.example:8443'),
    (["login", "https://x/y?z"], 1,
     'muster: "https://x/y?z" is not a server; give one such as https://muster.example:8443'),
    (["key", "show", "nothing.pem"], 3, "muster: cannot open nothing.pem: No such file or directory"),
    (["key", "new", "k", "--type", "dsa"], 1, 'muster: --type "dsa": take p256, p384, ed25519 or rsa'),
    (["key", "new", "k"], 2,
     "muster: this needs an answer and there is nobody to ask; give the secret in a file"),
    (["release", "create", "fw", "--class", CLASS], 1,
     "muster: release create needs --class, --version and --key"),
    (["release", "create", "fw", "--class", CLASS, "--version", "1", "--key", "k", "--sequence", "0"], 1,
     'muster: --sequence "0": write a number from 1 on'),
    (["manifest", "verify", "x"], 1, "muster: manifest verify needs --key, --anchor or --mac-key"),
    (["completion", "tcsh"], 1, 'muster: there is no completion for "tcsh"; take bash, zsh or fish'),
    (["api", "TRACE", "/v1/audit"], 1,
     "muster: write GET, POST, PATCH or DELETE, and a path such as /v1/audit"),
    (["campaign", "status", "x", "--watch", "--interval", "soon"], 1,
     'muster: --interval "soon": write a duration such as 2s or 10m'),
]


@pytest.mark.parametrize("words,code,text", GOLDEN, ids=[" ".join(g[0]) for g in GOLDEN])
def test_error_text(cli, words, code, text):
    done = cli(*words, code=code)
    assert done.stderr.rstrip("\n") == text
    assert done.stdout == ""


def test_docs_page_is_the_help(cli):
    assert cli("help", "--markdown").stdout == (ROOT / "docs" / "cli.md").read_text()


def test_every_command_has_help(cli):
    overview = cli("help").stdout
    names = re.findall(r"^### muster ([a-z]+(?: [a-z]+)?)", cli("help", "--markdown").stdout, re.M)
    assert len(names) > 30
    for name in names:
        words = name.split()
        text = cli("help", *words).stdout
        assert "usage: muster " + name in text
        assert cli(*words, "--help").stdout == text
        assert "\n  " + name in overview


def test_exit_codes_are_documented(cli):
    text = cli("help", "exit-codes").stdout
    assert [int(line.split()[0]) for line in text.splitlines()] == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_man_page_is_clean_roff(cli):
    page = cli("help", "--man").stdout
    assert page.startswith(".TH MUSTER 1")
    for line in page.splitlines():
        assert line and (line[0] != "." or re.match(r"\.(TH|SH|SS|B|I|RI|TP|PP|nf|fi)\b", line))


@pytest.mark.parametrize("words,wanted", [
    ("muster ca", "campaign"),
    ("muster campaign st", "start status"),
    ("muster release create --k", "--key"),
    ("muster login --token-f", "--token-file"),
])
def test_bash_completion(cli, words, wanted):
    script = cli("completion", "bash").stdout
    count = len(words.split()) - 1
    done = subprocess.run(["bash", "-c", f"{script}\nCOMP_WORDS=({words}); COMP_CWORD={count}; _muster; "
                           'echo "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(cli, shell):
    script = cli("completion", shell).stdout
    for word in ("campaign", "release", "whoami", "withdraw", "passphrase-file"):
        assert word in script


# --- keys and releases, offline --------------------------------------------------------------

def test_key_files(cli):
    made = json.loads(cli("key", "new", "a.pem", "--no-passphrase", "--json").stdout)
    path = cli.home / "a.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    public = json.loads(cli("key", "show", "a.pem.pub", "--json").stdout)
    assert (public["kid"], public["algorithm"], public["private"]) == (made["kid"], "p256", False)
    before = path.read_bytes()
    done = cli("key", "new", "a.pem", "--no-passphrase", code=1)
    assert done.stderr == "muster: a.pem is there already; it is never overwritten\n"
    assert path.read_bytes() == before


def test_encrypted_key(cli):
    (cli.home / "pass").write_text("correct horse\n")
    (cli.home / "wrong").write_text("battery\n")
    made = json.loads(cli("key", "new", "k.pem", "--passphrase-file", "pass", "--type", "ed25519",
                          "--json").stdout)
    assert "ENCRYPTED" in (cli.home / "k.pem").read_text()
    shown = json.loads(cli("key", "show", "k.pem", "--passphrase-file", "pass", "--json").stdout)
    assert shown["kid"] == made["kid"] and shown["algorithm"] == "ed25519"
    assert cli("key", "show", "k.pem", "--passphrase-file", "wrong", code=1).stderr == \
        "muster: the passphrase does not open k.pem\n"


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa"])
def test_release_roundtrip_offline(cli, kind):
    cli("key", "new", "a.pem", "--type", kind, "--no-passphrase")
    cli("key", "new", "other.pem", "--no-passphrase")
    (cli.home / "fw.bin").write_bytes(bytes(range(256)) * 100)
    cli("release", "create", "fw.bin", "--class", CLASS, "--version", "3.7", "--key", "a.pem",
        "--sequence", "42", "--out", "fw.suit")
    shown = json.loads(cli("manifest", "show", "fw.suit", "--json").stdout)
    assert (shown["sequence"], shown["version"], shown["components"]) == (42, "3.7", ["main"])
    assert shown["images"][0]["size"] == 25600
    assert shown["images"][0]["uri"] == "img/" + shown["images"][0]["digest"]
    assert shown["vendor_id"] == "0637e301-e05d-505b-8267-486f5677de9b"

    verify = ["manifest", "verify", "fw.suit", "--class", CLASS, "--image", "fw.bin", "--key"]
    cli(*verify, "a.pem.pub")
    assert cli(*verify, "other.pem.pub", code=1).stderr == "muster: fw.suit is not signed by other.pem.pub\n"
    assert cli("manifest", "verify", "fw.suit", "--key", "a.pem.pub", "--class", "acme.example/lamp",
               code=1).stderr == "muster: it is not for acme.example/lamp\n"
    (cli.home / "bad.bin").write_bytes(b"x")
    assert cli("manifest", "verify", "fw.suit", "--key", "a.pem.pub", "--image", "bad.bin", code=1).stderr \
        == "muster: bad.bin is not the image that the manifest names\n"


def test_flipped_envelope_is_refused(cli):
    cli("key", "new", "a.pem", "--no-passphrase")
    (cli.home / "fw.bin").write_bytes(b"firmware")
    cli("release", "create", "fw.bin", "--class", CLASS, "--version", "1", "--key", "a.pem", "--out", "e")
    whole = (cli.home / "e").read_bytes()
    for at in range(0, len(whole), 23):
        flipped = bytearray(whole)
        flipped[at] ^= 1
        (cli.home / "f").write_bytes(flipped)
        done = run_muster(cli.home, "manifest", "verify", "f", "--key", "a.pem.pub")
        assert done.returncode == 1, f"byte {at}"


def test_signature_of_another_author_is_passed_over(cli):
    """It is said that it is there; a broken one of the given author is never passed over."""
    mine, other = suit.Author(), suit.Author("ed25519")
    (cli.home / "mine.pub").write_text(mine.pem)
    (cli.home / "both.suit").write_bytes(suit.envelope(suit.manifest(1, b"image"), other, mine))
    done = cli("manifest", "verify", "both.suit", "--key", "mine.pub")
    assert done.stderr == "both.suit is signed by mine.pub; 1 more by others, not checked.\n"
    broken = suit.envelope(suit.manifest(1, b"image"),
                           blocks=lambda d: [mine.block(d), other.block(d, alg=suit.ESP256, kid=mine.kid)])
    (cli.home / "broken.suit").write_bytes(broken)
    assert cli("manifest", "verify", "broken.suit", "--key", "mine.pub", code=1).stderr == \
        "muster: broken.suit is not signed by mine.pub\n"


def test_public_key_cannot_sign(cli):
    cli("key", "new", "a.pem", "--no-passphrase")
    (cli.home / "fw.bin").write_bytes(b"firmware")
    done = cli("release", "create", "fw.bin", "--class", CLASS, "--version", "1", "--key", "a.pem.pub",
               "--out", "e", code=1)
    assert done.stderr == "muster: a.pem.pub is a public key and cannot sign\n"


def test_private_key_is_not_registered(cli):
    """register looks at the file before it looks for a server."""
    cli("key", "new", "a.pem", "--no-passphrase")
    done = cli("key", "register", "a.pem", "--class", CLASS, code=1)
    assert done.stderr == "muster: a.pem holds no public key; name the .pub file\n"


def test_login_file_of_others_is_refused(cli):
    folder = cli.home / ".config" / "muster"
    folder.mkdir(parents=True)
    path = folder / "login.json"
    path.write_text('{"url": "https://x", "token": "t", "ca": "c"}')
    path.chmod(0o644)
    assert cli("whoami", code=4).stderr == f"muster: others may read {path}; try: chmod 600 {path}\n"
    path.chmod(0o600)
    path.write_text("{")
    assert "is damaged" in cli("whoami", code=4).stderr


def test_passphrase_is_asked_without_echo(tmp_path):
    """On a terminal: the passphrase is asked twice and never shown."""
    try:
        pid, fd = pty.fork()
    except OSError as e:
        pytest.skip(f"there are no pseudo terminals here ({e})")
    if pid == 0:
        os.chdir(tmp_path)
        os.environ["HOME"] = str(tmp_path)
        os.execv(MUSTER, ["muster", "key", "new", "t.pem"])
    seen = b""
    answers = [b"sesame\n", b"sesame\n"]
    prompts = [b"New passphrase: ", b"Once more: "]
    while True:
        try:
            got = os.read(fd, 1024)
        except OSError:
            break
        if not got:
            break
        seen += got
        if prompts and seen.endswith(prompts[0]):
            prompts.pop(0)
            os.write(fd, answers.pop(0))
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not prompts and b"sesame" not in seen
    assert "ENCRYPTED" in (tmp_path / "t.pem").read_text()
