"""What the agent makes of compressed, patched, encrypted and several images: from files, and from a
server as simple as one can be.  Envelopes come from the command line.  The peak memory of each way
is printed (pytest -rA)."""

import hashlib
import json
import os
import random
import re

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from agent_kit import (AGENT, CLASS, CLI, LAUNCHER, PROVE, STREAMS, Device, Hook, StandIn, Variant, areas, check, digest, one_component, part,
                 program, run, start, suit, suit_encrypt, wait_until)
from coap_peer import BLOCK1, FORMAT, REQUEST_TAG, block, code

KINDS = ["full"] + STREAMS + [f"patch-{s}" for s in STREAMS]
ENCRYPTED = ["full,gcm", "full,ctr", "full,chacha20", "lzma,gcm", "patch-heatshrink,gcm", "zstd,ctr", "patch-zstd,chacha20"]


@pytest.fixture
def hook():
    hook = Hook()
    yield hook
    hook.close()


def untouched(device, old):
    """Nothing was begun: no other slot, no payload, no journal."""
    assert device.show()["trial"] == "no" and digest(device.path("slot", "a")) == digest(old)
    left = {p.name for p in device.state.iterdir()} - {"a.bin", "boot", "lock", "report", "config-a.bin", "modem-a.bin"}
    assert not left, left


@pytest.mark.parametrize("kind", KINDS + ENCRYPTED)
def test_one_component(tmp_path, author, old, new, kind):
    device = Device(tmp_path / "d", author, old)
    done = device.apply(one_component(author, kind, old, new))
    assert done.returncode == 0, done.stderr
    assert device.path("slot", "b").read_bytes() == new.read_bytes()
    assert os.access(device.path("slot", "b"), os.X_OK) and device.show()["trial"] == "yes"
    assert not list(device.state.glob("dl-*")) and not list(device.state.glob("journal*"))
    assert cbor2.loads((device.state / "report").read_bytes())[4] is True


LARGE = 8 << 20 if PROVE else 1 << 20
# Bytes of heap above what the agent has anyhow, as agent/stream.h says them.
PEAKS = {"full": 20e3, "heatshrink": 24e3, "lzma": 112e3, "zstd": 400e3 + LARGE,
         "patch-heatshrink": 24e3, "patch-lzma": 112e3, "patch-zstd": 400e3 + 4 * LARGE}


@pytest.mark.parametrize("kind", KINDS + ["full,gcm", "lzma,gcm", "patch-heatshrink,ctr"])
def test_memory_of_each_way_is_bounded(tmp_path, author, kind):
    dice = random.Random(5)
    words = [dice.randbytes(24) for _ in range(2000)]
    old, new = tmp_path / "old", tmp_path / "new"
    text = b"".join(dice.choice(words) for _ in range(LARGE // 24))
    old.write_bytes(text)
    new.write_bytes(text[:LARGE // 2] + b"something new" + text[LARGE // 2:])
    device = Device(tmp_path / "d", author, old)
    done = device.apply(one_component(author, kind, old, new))
    assert done.returncode == 0, done.stderr
    size, heap = map(int, re.search(r"component 0: (\d+) bytes .*, (\d+) bytes of memory", done.stderr).groups())
    print(f"{kind}: an image of {size} bytes with {heap} bytes of memory")
    assert size == len(new.read_bytes()) and heap <= PEAKS[kind.split(",")[0]]


@pytest.mark.parametrize("kind", ["patch-heatshrink", "patch-lzma", "patch-zstd", "patch-lzma,gcm"])
def test_A10_agent_refuses_a_wrong_base_before_anything_is_written(tmp_path, author, old, new, kind):
    other = tmp_path / "other"
    other.write_bytes(old.read_bytes().replace(b"# line 7 ", b"# LINE 7 "))
    other.chmod(0o755)
    device = Device(tmp_path / "d", author, other)
    done = device.apply(one_component(author, kind, old, new))
    assert done.returncode == 1 and "condition" in done.stderr, done.stderr
    untouched(device, other)
    report = cbor2.loads((device.state / "report").read_bytes())
    assert report[4][7] == 10, "a condition did not hold"
    assert report[4][6][1] == 16, "of payload-fetch"


def test_a_delta_or_the_full_image(tmp_path, author, old, new):
    """Whoever has the base fetches the patch, everybody else the whole."""
    patch, small = author.delta(old, new, "heatshrink"), author.compressed(new, "lzma")
    manifest = author.manifest([
        {"id": "main", "install": "copy", "images": [
            {"file": str(new), "precursor": {"file": str(old)}, "via": "dl/patch-heatshrink", "fetched": {"file": str(patch)}},
            {"file": str(new), "via": "dl/lzma", "fetched": {"file": str(small)}}]}] + areas("patch-heatshrink", "lzma"))
    other = program(tmp_path / "other", "other", "exit 0")
    for name, installed, payload, word in (("d", old, patch, "patch-heatshrink"), ("e", other, small, "lzma")):
        device = Device(tmp_path / name, author, installed)
        done = device.apply(Variant(manifest, payload))
        assert done.returncode == 0 and f"bytes {word}," in done.stderr, done.stderr
        assert device.path("slot", "b").read_bytes() == new.read_bytes()


@pytest.mark.parametrize("broken", ["payload", "image"])
@pytest.mark.parametrize("kind", ["patch-heatshrink", "lzma", "zstd", "full,gcm", "full,ctr"])
def test_what_is_broken_is_not_tried(tmp_path, author, old, new, kind, broken):
    """A payload that is not the signed one, and a signed one that does not give the image."""
    device = Device(tmp_path / "d", author, old)
    good = one_component(author, kind, old, new)
    content = bytearray(good.files[0].read_bytes())
    content[len(content) // 2] ^= 1
    bad = author.file(bytes(content))
    if broken == "image":
        word, _, cipher = kind.partition(",")
        info = author.folder / good.files[0].name.replace("enc-", "info-") if cipher else None
        base = old if word.startswith("patch-") else None
        manifest = author.manifest([part("main", new, f"dl/{word}", bad, base, info)] + areas(word))
    done = device.apply(Variant(good.manifest if broken == "payload" else manifest, bad))
    assert done.returncode == 1, done.stderr
    assert device.show()["trial"] == "no" and not list(device.state.glob("dl-*"))
    assert device.apply(good).returncode == 0
    assert device.path("slot", "b").read_bytes() == new.read_bytes()


# --- whose keys, which formats ---------------------------------------------------------------

def test_device_keys_and_class_keys(tmp_path, author, old, new):
    own, stranger = suit_encrypt.device_key(), suit_encrypt.device_key()
    for name, key in (("own", own), ("stranger", stranger)):
        (tmp_path / f"{name}.pem").write_bytes(suit_encrypt.private_pem(key))
        (tmp_path / f"{name}.pub").write_bytes(suit_encrypt.public_pem(key))
    (tmp_path / "other.key").write_text("0f" * 16 + "\n")
    (tmp_path / "digits.key").write_text("0F" * 16)
    (tmp_path / "raw.key").write_bytes(b"\x0f" * 16)
    payload, info = author.encrypted(new, "--recipient", tmp_path / "own.pub", "--kek", f"k2={tmp_path}/other.key")
    variant = Variant(author.manifest([part("main", new, "dl/full", payload, info=info)] + areas("full")), payload)
    cases = {"own": ({"device_key_file": tmp_path / "own.pem"}, 0), "stranger": ({"device_key_file": tmp_path / "stranger.pem"}, 1),
             "class": ({"class_key_file": tmp_path / "other.key", "class_key_id": "k2"}, 0),
             "digits": ({"class_key_file": tmp_path / "digits.key", "class_key_id": "k2"}, 0),
             "raw": ({"class_key_file": tmp_path / "raw.key", "class_key_id": "k2"}, 0),
             "id": ({"class_key_file": tmp_path / "other.key", "class_key_id": "k3"}, 1),
             "none": ({"class_key_file": None, "class_key_id": None}, 1)}
    for name, (settings, code) in cases.items():
        device = Device(tmp_path / f"d-{name}", author, old, **settings)
        done = device.apply(variant)
        assert done.returncode == code, f"{name}: {done.stderr}"
        if code:
            assert "encrypted for others" in done.stderr
            untouched(device, old)


def test_a_device_that_takes_nothing_in_the_clear(tmp_path, author, old, new):
    device = Device(tmp_path / "d", author, old, only_encrypted="yes")
    for variant in (Variant(author.manifest([part("main", new)]), new), one_component(author, "full", old, new),
                    one_component(author, "patch-lzma", old, new)):
        done = device.apply(variant)
        assert done.returncode == 1 and "not encrypted" in done.stderr
        untouched(device, old)
    assert device.apply(one_component(author, "patch-lzma,gcm", old, new)).returncode == 0


def test_a_format_that_is_not_configured_is_refused(tmp_path, author, old, new):
    device = Device(tmp_path / "d", author, old, formats="lzma aes-kw gcm")
    for kind in ("heatshrink", "zstd", "patch-lzma", "lzma,ctr"):
        done = device.apply(one_component(author, kind, old, new))
        assert done.returncode == 1, kind
        untouched(device, old)
    assert device.apply(one_component(author, "lzma,gcm", old, new)).returncode == 0
    device = Device(tmp_path / "e", author, old, formats="lzma aes-kw gcm")  # a trial would stay
    done = device.apply(Variant(author.manifest([part("main", new, "dl/brotli", new)] + areas("brotli")), new))
    assert done.returncode == 1 and "format" in done.stderr


def test_what_no_device_should_do(tmp_path, author, old, new, hook):
    """Each is signed, and refused before anything is written."""
    device = Device(tmp_path / "d", author, old, config=author.file(b"old"), hook=hook.path)
    patch = author.delta(old, new, "lzma")
    image = {"override": {"file": str(new)}}
    match = ["condition-image-match"]
    fetch = [{"index": 0}, image, {"override": {"uri": f"img/{digest(new)}"}}, "fetch"]
    cases = {
        "a patch without a base": [part("main", new, "dl/patch-lzma", patch)] + areas("patch-lzma"),
        "a component that is not there": [part("radio", new)],
        "a modem without a way back": [part("modem", new)],
        "an area alone": [part("dl/full", new)],
        "a swap that unpacks": [{"id": "main", "install": "swap", "image": {
            "file": str(new), "via": "dl/lzma", "fetched": {"file": str(author.compressed(new, "lzma"))}}}] + areas("lzma"),
        "metadata": [{"id": "config", "image": {"file": str(new)}, "metadata": {"default_permissions": 4}}],
    }
    for what, components in cases.items():
        done = device.apply(Variant(author.manifest(components), new, patch))
        assert done.returncode == 1, f"{what}: {done.stderr}"
        untouched(device, old)
    sequences = {"twice into one": fetch + fetch[2:] + match, "never compared": fetch,
                 "what runs is unlinked": [{"index": 0}, "unlink", *fetch, *match],
                 "and what was put there": [*fetch, *match, "unlink"]}
    for what, install in sequences.items():
        manifest = author.manifest([{"id": "main", "image": {"file": str(new)}}],
                                   sequences={"install": install, "validate": []})
        done = device.apply(Variant(manifest, new))
        assert done.returncode == 1, f"{what}: {done.stderr}"
        untouched(device, old)


def swapped(author, new, *install, **more):
    """main gets what dl holds; then `install`."""
    move = [{"index": 0}, {"override": {"source": 1}}, "swap", "condition-image-match", *install]
    return Variant(author.manifest([{"id": "main", "install": "swap", "image": {"file": str(new), "via": "dl"}}, {"id": "dl"}],
                                   sequences={"install": move}, **more), new)


def test_a_swap_and_back(tmp_path, author, old, new):
    """What ran is in the area then, and as the slot that the launcher goes back to."""
    is_old = [{"index": 1}, {"override": {"file": str(old)}}, "condition-image-match"]
    is_new = [{"index": 1}, {"override": {"file": str(new)}}, "condition-image-match"]
    again = [{"index": 0}, "swap"]
    for i, (install, code) in enumerate([(is_old, 0), (is_new, 1), (again, 1)]):
        device = Device(tmp_path / f"d-{i}", author, old)
        done = device.apply(swapped(author, new, *install))
        assert done.returncode == code, done.stderr
        assert digest(device.path("slot", "a")) == digest(old)
        if code:
            untouched(device, old)
            continue
        assert device.show()["slot"] == "b" and digest(device.path("slot", "b")) == digest(new)
        assert not list(device.state.glob("dl-*"))
        device.launch()
        assert device.ran()[0].split() == ["new"]


def test_an_area_that_is_unlinked_holds_nothing(tmp_path, author, old, new):
    unlink = [{"index": 1}, "unlink"]
    there = [{"override": {"file": str(new)}}, "condition-image-match"]
    copy = [{"index": 0}, {"override": {"source": 1}}, "copy", "condition-image-match"]
    for i, (install, code) in enumerate([(copy + unlink, 0), (copy + unlink + unlink, 0), (unlink + copy, 1),
                                         (copy + unlink + there, 1), (copy + [{"index": 1}] + there + unlink, 0)]):
        device = Device(tmp_path / f"d-{i}", author, old)
        manifest = author.manifest([{"id": "main", "install": "copy", "image": {"file": str(new), "via": "dl"}}, {"id": "dl"}],
                                   sequences={"install": install})
        done = device.apply(Variant(manifest, new))
        assert done.returncode == code, done.stderr
        assert device.show()["trial"] == ("no" if code else "yes") and not list(device.state.glob("dl-*"))


def test_conditions_of_time_and_version(tmp_path, author, old, new):
    version = check(CLI.parent / "muster-agent", "--version").split()[1]
    device = Device(tmp_path / "d", author, old)
    for guards, code in (({"versions": ["=99.0"]}, 1), ({"use_before": "2001-01-01T00:00:00Z"}, 1),
                         ({"battery_mwh": 1}, 1), ({"versions": [f"={version}"], "use_before": "2100-01-01T00:00:00Z"}, 0)):
        done = device.apply(Variant(author.manifest([part("main", new)], guards=guards), new))
        assert done.returncode == code, f"{guards}: {done.stderr}"


# --- several components ----------------------------------------------------------------------

def together(author, old, new, config, modem=None, hook=None):
    """main by a patch, config in the envelope, modem compressed."""
    patch, files = author.delta(old, new, "heatshrink"), []
    components = [part("main", new, "dl/patch-heatshrink", patch, old),
                  {"id": "config", "image": {"file": str(config), "uri": "#config", "integrated": True}}]
    words, files = ["patch-heatshrink"], [patch]
    if modem:
        small = author.compressed(modem, "lzma")
        components.append(part("modem", modem, "dl/lzma", small))
        words.append("lzma")
        files.append(small)
    return Variant(author.manifest(components + areas(*words)), *files)


def test_components_change_over_together_and_back(tmp_path, author, old, hook):
    """The new program ends at once: it ran with all that is new, and the old one with all that is old."""
    bad = program(tmp_path / "bad", "bad", "exit 1")
    c1, c2, m1, m2 = (author.file(x) for x in (b"c1", b"c2", b"m1" * 500, b"m2" * 500))
    device = Device(tmp_path / "d", author, old, config=c1, modem=m1, hook=hook.path)
    done = device.apply(together(author, old, bad, c2, m2))
    assert done.returncode == 0, done.stderr
    shown = device.show()
    assert (shown["slot"], shown["trial"], shown["config"], shown["modem"]) == ("b", "yes", "b", "b")
    device.launch()
    old_line, new_line = f"old c1 {'m1' * 500}", f"bad c2 {'m2' * 500}"
    assert device.ran() == [new_line, new_line, old_line]
    shown = device.show()
    assert (shown["slot"], shown["trial"], shown["config"], shown["modem"]) == ("a", "no", "a", "a")
    assert hook.modem() == "m1" * 500


def test_configuration_alone_is_tried_and_taken_back(tmp_path, author, hook):
    main = program(tmp_path / "main", "main", 'test "$(cat $MUSTER_FILE_config)" = good && { kill $PPID; sleep 20; }; exit 1')
    good, bad = author.file(b"good"), author.file(b"bad")
    device = Device(tmp_path / "d", author, main, config=good)
    done = device.apply(Variant(author.manifest([part("config", bad)]), bad))
    assert done.returncode == 0, done.stderr
    shown = device.show()
    assert (shown["slot"], shown["trial"], shown["config"]) == ("a", "yes", "b")
    device.launch()
    assert device.ran() == ["main bad ", "main bad ", "main good "]
    shown = device.show()
    assert (shown["slot"], shown["trial"], shown["config"], shown["last"]) == ("a", "no", "a", "12")
    assert digest(device.path("slot", "a")) == digest(main) and not device.path("slot", "b").exists()


TIMED = """cd "$(dirname "$0")"
test $MUSTER_TRIAL = yes || { kill $PPID; exec sleep 20; }
mkdir ../once || exit 0
%s
say survived; kill $PPID; exec sleep 20"""


def test_the_timer_of_a_trial_is_not_for_the_next_one(tmp_path, author):
    """It confirms itself and sets up the next trial, which has the same slot; that one was not started yet."""
    main = program(tmp_path / "main", "main", TIMED % "cp ../next boot.new; mv boot.new boot; sleep 3")
    c2 = author.file(b"c2")
    device = Device(tmp_path / "d", author, main, config=author.file(b"c1"), trial_s=1)
    assert device.apply(Variant(author.manifest([part("config", c2)]), c2)).returncode == 0
    text = (device.state / "boot").read_text()
    for a, b in (("pair.config=ab", "pair.config=ba"), ("\nsequence=0", "\nsequence=2"), ("trial_sequence=2", "trial_sequence=3")):
        assert a in text
        text = text.replace(a, b)
    (device.folder / "next").write_text(text)
    device.launch()
    assert device.ran() == ["main c2 ", "survived c2 "]
    shown = device.show()
    assert (shown["trial"], shown["sequence"], shown["config"], shown["last"]) == ("yes", "2", "a", "0")


def test_a_boot_state_that_cannot_be_read_once_does_not_stop_the_timer(tmp_path, author):
    main = program(tmp_path / "main", "main", TIMED % "cp boot ../keep; echo x > boot; sleep 2.5; cp ../keep boot.new; mv boot.new boot; sleep 5")
    c2 = author.file(b"c2")
    device = Device(tmp_path / "d", author, main, config=author.file(b"c1"), trial_s=1)
    assert device.apply(Variant(author.manifest([part("config", c2)]), c2)).returncode == 0
    device.launch()
    assert device.ran() == ["main c2 ", "main c1 "]
    assert device.show()["last"] == "12"


def test_content_that_is_not_the_signed_one_is_never_read(tmp_path, author, old):
    """What is integrated lies beside the signed manifest: anybody can change it."""
    small = author.compressed(author.file(b"c2" * 300), "lzma")
    raw = author.file(b"c2" * 300)
    direct = {"id": "config", "image": {"file": str(raw), "uri": "#config", "integrated": True}}
    area = {"id": "config", "install": "copy", "image": {"file": str(raw), "uri": "#config", "integrated": True, "via": "dl/lzma",
                                                         "fetched": {"file": str(small)}}}
    for name, components in (("direct", [direct]), ("area", [area] + areas("lzma"))):
        device = Device(tmp_path / name, author, old, config=author.file(b"c1"))
        good = author.manifest(components)
        envelope = cbor2.loads(good.read_bytes())
        content = bytearray(envelope.value["#config"])
        content[len(content) // 2] ^= 1
        envelope.value["#config"] = bytes(content)
        done = device.apply(Variant(author.file(cbor2.dumps(envelope))))
        assert done.returncode == 1 and "digest" in done.stderr, done.stderr
        untouched(device, old)
        assert device.apply(Variant(good)).returncode == 0


def test_without_a_boot_state_the_last_confirmed_slot_starts(tmp_path, author, old):
    """With the files that belong to it; the other slot may hold anything."""
    main = program(tmp_path / "main", "main", 'cd "$(dirname "$0")"; mkdir ../once || { kill $PPID; exec sleep 20; }; echo x > boot')
    c1, c2 = author.file(b"c1"), author.file(b"c2")
    device = Device(tmp_path / "d", author, old, config=c1)
    assert device.apply(Variant(author.manifest([part("main", main), part("config", c2)]), main, c2)).returncode == 0
    text = (device.state / "boot").read_text()
    for a, b in (("pair.config=ab", "pair.config=b-"), ("active=a", "active=b"), ("\ntrial=b", "\ntrial=-")):
        assert a in text
        text = text.replace(a, b)
    (device.state / "boot").write_text(text)
    done = device.launch()
    assert device.ran() == ["main c2 ", "main c2 "] and "cannot be used; starting slot b" in done.stderr


def test_a_trial_is_not_written_over(tmp_path, author, old, new):
    device = Device(tmp_path / "d", author, old, config=author.file(b"c1"))
    c2 = author.file(b"c2")
    assert device.apply(one_component(author, "lzma", old, new)).returncode == 0
    for variant in (one_component(author, "zstd", old, old, sequence=3), Variant(author.manifest([part("config", c2)]), c2),
                    Variant(author.manifest([{"id": "config", "install": "write", "image": {"content": {"text": "x"}}}]))):
        done = device.apply(variant)
        assert done.returncode == 1 and "on trial" in done.stderr
        assert device.show()["trial"] == "yes" and device.path("slot", "b").read_bytes() == new.read_bytes()
        assert device.show()["config"] == "a" and not device.path("config", "b").exists()


def test_a_configuration_in_the_manifest_itself(tmp_path, author, old):
    device = Device(tmp_path / "d", author, old, config=author.file(b"c1"))
    manifest = author.manifest([{"id": "config", "install": "write", "image": {"content": {"text": "hello"}}}])
    done = device.apply(Variant(manifest))
    assert done.returncode == 0, done.stderr
    assert device.path("config", "b").read_bytes() == b"hello" and device.show()["config"] == "b"


# --- the install hook ------------------------------------------------------------------------

SAY = """d="$(dirname "$0")"
{ echo uid $(id -u); echo groups $(id -G); echo env $(tr '\\0' ' ' < /proc/$$/environ); grep NoNewPrivs /proc/self/status
echo fds $(ls /proc/$$/fd); echo limits $(ulimit -t) $(ulimit -c); echo ids $$ $(ps -o sid= -p $$); echo words "$@"; } > $d/said 2>&1
cat > $d/modem"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to run a hook as somebody else")
def test_the_hook_is_alone(tmp_path, author, old, hook):
    hook.write(SAY)
    m1 = author.file(b"m1")
    os.environ["SECRET_OF_THE_LAUNCHER"] = "x"
    try:
        device = Device(tmp_path / "d", author, old, modem=m1, hook=hook.path)
        os.dup2(1, 77)
        run(LAUNCHER, "-c", device.config, pass_fds=[77])
    finally:
        del os.environ["SECRET_OF_THE_LAUNCHER"]
        os.close(77)
    said = dict((line + " ").split(None, 1) if " " in line.strip() else (line.strip(), "")
                for line in (hook.folder / "said").read_text().replace("\t", " ").splitlines())
    said = {k: v.strip() for k, v in said.items()}
    assert hook.modem() == "m1", said
    assert said["uid"] != "0" and "0" not in said["groups"].split(), "another user, and no group of root's"
    assert said["env"] == "" and said["NoNewPrivs:"] == "1" and said["words"] == "modem"
    assert {"0", "1", "2"} < set(said["fds"].split()) and "77" not in said["fds"].split(), "descriptors are closed"
    assert said["limits"] == "5 0"
    pid, sid = said["ids"].split()
    assert pid == sid


@pytest.mark.parametrize("body,why", [("exit 3", "ended with 3"), ("kill -9 $$", "died of signal 9"),
                                      ("sleep 60 & sleep 60", "took too long")])
def test_a_hook_that_fails_takes_the_update_back(tmp_path, author, old, new, hook, body, why):
    """The new image is never started, and the modem gets back what it had."""
    body = f'cat > "$(dirname "$0")/in"\ngrep -q m1 "$(dirname "$0")/in" && {{ cp "$(dirname "$0")/in" "$(dirname "$0")/modem"; exit 0; }}\n{body}'
    c1, c2, m1, m2 = (author.file(x) for x in (b"c1", b"c2", b"m1", b"m2"))
    hook.write(body)
    device = Device(tmp_path / "d", author, old, config=c1, modem=m1, hook=hook.path,
                    **{"hook_timeout_s.modem": 1})
    assert device.apply(together(author, old, new, c2, m2)).returncode == 0
    done = device.launch()
    assert why in done.stderr, done.stderr
    assert device.ran() == ["old c1 m1"]
    shown = device.show()
    assert (shown["slot"], shown["trial"], shown["config"], shown["modem"], shown["last"]) == ("a", "no", "a", "a", "11")
    assert why in (device.state / "boot").read_text()


def test_what_cannot_be_put_there_is_not_believed_to_be_there(tmp_path, author, old, hook):
    """The modem holds b after a trial that failed, and a cannot be opened: the b that comes next is another one."""
    m1, m2 = author.file(b"m1"), author.file(b"m2")
    device = Device(tmp_path / "d", author, old, modem=m1, hook=hook.path)
    (device.state / "hooks").write_text("modem=b\n")
    first = device.path("modem", "a")
    first.rename(tmp_path / "aside")
    first.symlink_to(first)
    assert "cannot be read" in device.launch().stderr
    first.unlink()
    (tmp_path / "aside").rename(first)
    assert device.apply(Variant(author.manifest([part("modem", m2)]), m2)).returncode == 0
    device.launch()
    assert hook.modem() == "m2"


def test_an_earlier_life_is_forgotten_when_it_is_provisioned(tmp_path, author, old, hook):
    m1, m2 = author.file(b"m1"), author.file(b"m2")
    device = Device(tmp_path / "d", author, old, modem=m1, hook=hook.path)
    device.launch()
    assert hook.modem() == "m1"
    (device.state / "journal-2").write_text("x")
    (device.state / "boot").unlink()
    check(LAUNCHER, "provision", "-c", device.config, "--image", old, "--component", f"modem={m2}")
    assert not list(device.state.glob("journal*"))
    device.launch()
    assert hook.modem() == "m2"


# --- with a server ---------------------------------------------------------------------------

AGENT_IMAGE = CLI.parent / "muster-agent"


@pytest.fixture
def agents(tmp_path):
    """The agent itself as firmware, twice: the second has some bytes behind it."""
    old, new = tmp_path / "agent-old", tmp_path / "agent-new"
    content = AGENT_IMAGE.read_bytes()
    old.write_bytes(content)
    new.write_bytes(content + b"a newer one")
    for path in (old, new):
        path.chmod(0o755)
    return old, new


def finish(process):
    process.terminate()
    process.wait(30)


def test_what_a_device_says_of_itself(tmp_path, author, agents, new):
    server = StandIn(Variant(author.manifest([part("main", new)]), new))
    c1 = author.file(b"c1")
    device = Device(tmp_path / "d", author, agents[0], config=c1, hook="/bin/true", server=server.url, only_encrypted="yes",
                    image_max=5000000)
    process = start(device)
    try:
        said = wait_until(lambda: server.registered and server.registered[0])
        wait_until(lambda: server.suit_reports)
    finally:
        finish(process)
        server.close()
    assert said[6] == {1: 16384, 2: 5000000, 3: 1024, 5: True, 4: [
        "aes-kw", "chacha20", "ctr", "gcm", "heatshrink", "lzma", "patch-heatshrink", "patch-lzma", "patch-zstd", "zstd"]}
    assert list(said[4]) == ["main", "modem", "config"], "sorted"
    assert said[4]["config"] == [hashlib.sha256(b"c1").digest(), None] and said[4]["modem"] == [None, None]
    assert said[4]["main"][0] == hashlib.sha256(agents[0].read_bytes()).digest()
    assert server.reports[0][1] == 14 and "not encrypted" in server.reports[0][5]
    report = cbor2.loads(server.suit_reports[0])
    assert report[99] == ["", cbor2.dumps([-16, server.digest])] or report[99][1] == [-16, server.digest]


def registers(device, server):
    process, before = start(device), len(server.registered)
    try:
        return wait_until(lambda: server.registered[before:], 15)[0]
    finally:
        finish(process)


@pytest.mark.parametrize("free", [0, 20, 60])
def test_a_registration_that_just_fits_fits_after_a_failed_trial_too(tmp_path, author, agents, new, free):
    """What the device says of the trial goes before the device itself does."""
    server = StandIn(Variant(author.manifest([part("main", new)]), new))
    server.over = True
    device = Device(tmp_path / "d", author, agents[0], config=author.file(b"c1"), hook="/bin/true", server=server.url)
    configured, names = device.config.read_text(), [f"{'n' * 30}{i}" for i in range(8)]

    def attributes(lengths):
        device.config.write_text(configured + "".join(f"attribute.{n} = {'x' * k}\n" for n, k in zip(names, lengths)))

    try:
        attributes([30] * 8)
        more = 1024 - free - len(cbor2.dumps(registers(device, server)))
        attributes([30 + more // 8 + (i < more % 8) for i in range(8)])
        assert len(cbor2.dumps(registers(device, server))) == 1024 - free
        boot = device.state / "boot"
        boot.write_text(re.sub("last_outcome=.*\nlast_reason=.*", "last_outcome=12\nlast_reason=" + "y" * 40, boot.read_text()))
        assert device.show()["last"] == "12"
        said = registers(device, server)
        assert said.get(9) == (None if free < 20 else {1: 0, 2: 0, 3: 12, 4: "y" * 40 if free > 50 else ""})
    finally:
        server.close()


class Forgetful(StandIn):
    """Takes SUIT reports by blocks: has lost the first when the second comes, wants smaller ones when it comes again,
    and then takes them all."""

    def __init__(self, variant):
        self.heard, self.complaints = [], [(1, code("4.08")), (0, code("4.13"))]
        super().__init__(variant)

    def answer(self, m):
        part = m.block(BLOCK1)
        if part is None:
            return super().answer(m)
        num, more, szx = part
        self.heard.append((m.option(REQUEST_TAG), num, more, szx, m.payload, m.value(FORMAT)))
        if self.complaints and self.complaints[0][0] == num:
            _, status = self.complaints.pop(0)
            return status, [(BLOCK1, block(num, more, 0))], b""
        return code("2.31" if more else "2.04"), [(BLOCK1, block(num, more, szx))], b""


def test_a_report_by_blocks(tmp_path, author, agents, new):
    """It begins again when the server has lost some of it, under another tag, and in smaller blocks when those are wanted."""
    server = Forgetful(Variant(author.manifest([part("main", new)]), new))
    device = Device(tmp_path / "d", author, agents[0], server=server.url, only_encrypted="yes", block_size=32)
    process = start(device)
    try:
        wait_until(lambda: not server.complaints and not server.heard[-1][2])
        report = (device.state / "report").read_bytes()
    finally:
        finish(process)
        server.close()
    assert 32 < len(report) <= 64 and server.suit_reports == []
    assert len(server.reports) == 1, "what else it says is one message each"
    heard = list(dict.fromkeys(server.heard))  # on a slow machine one may come twice
    assert [h[1:4] for h in heard[:3]] == [(0, True, 1), (1, False, 1), (0, True, 1)]
    tags = [h[0] for h in heard]
    assert tags[0] == tags[1] and len({tags[0], tags[2], tags[3]}) == 3 and set(tags[3:]) == {tags[3]} and all(tags)
    assert [h[1:4] for h in heard[3:]] == [(i, (i + 1) * 16 < len(report), 0) for i in range((len(report) + 15) // 16)]
    assert b"".join(h[4] for h in heard[3:]) == report and {h[5] for h in heard} == {270}
    assert "not taken" not in (device.folder / "log").read_text()


def test_a_second_process_is_refused(tmp_path, author, agents, new):
    """Two that write one slot would put on trial what neither has checked."""
    server = StandIn(Variant(author.manifest([part("main", new)]), new))
    device = Device(tmp_path / "d", author, agents[0], server=server.url, only_encrypted="yes")
    variant = one_component(author, "full,gcm", agents[0], new)
    process = start(device)
    try:
        wait_until(lambda: server.registered)
        for done in (device.apply(variant), run(AGENT, "run", "-c", device.config)):
            assert done.returncode == 1 and "another muster-agent" in done.stderr, done.stderr
        assert device.show()["trial"] == "no" and not device.path("slot", "b").exists()
    finally:
        finish(process)
        server.close()
    assert device.apply(variant).returncode == 0


def test_an_update_of_two_components_is_confirmed(tmp_path, author, agents):
    old, new = agents
    c1, c2 = author.file(b"c1"), author.file(b"c2" * 3000)
    patch = author.delta(old, new, "lzma")
    payload, info = author.encrypted(patch)
    key = suit.Author()
    (tmp_path / "report.pem").write_bytes(suit_encrypt.private_pem(key.key))
    variant = Variant(author.manifest([part("main", new, "dl/patch-lzma", payload, old, info), part("config", c2)]
                                      + areas("patch-lzma")), payload, c2)
    server = StandIn(variant)
    device = Device(tmp_path / "d", author, old, config=c1, server=server.url, report_key_file=tmp_path / "report.pem")
    process = start(device)
    try:
        wait_until(lambda: len(server.registered) >= 2 and device.show()["trial"] == "no")
    finally:
        finish(process)
        server.close()
    shown = device.show()
    assert (shown["slot"], shown["config"], shown["sequence"]) == ("b", "b", "2")
    last = server.registered[-1]
    assert last[4]["main"][0] == hashlib.sha256(new.read_bytes()).digest()
    assert last[4]["config"][0] == hashlib.sha256(c2.read_bytes()).digest() and last[5] != server.registered[0][5]
    assert [r[1] for r in server.reports if r[1] > 2] == [3, 4, 5]
    total = len(payload.read_bytes()) + len(c2.read_bytes())
    assert {r[3] for r in server.reports if r[1] == 2} == {total}
    # signed, in the state directory and for the server; and it says so
    signed = cbor2.loads((device.state / "report").read_bytes())
    assert server.suit_reports == [(device.state / "report").read_bytes()]
    assert signed.tag == 18 and cbor2.loads(signed.value[2])[4] is True
    protected, _, body, signature = signed.value
    half = len(signature) // 2
    der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    key.key.public_key().verify(der, cbor2.dumps(["Signature1", protected, b"", body]), ec.ECDSA(hashes.SHA256()))
    assert "the signed SUIT report is in" in (device.folder / "log").read_text()


def test_a_simulated_device_says_what_it_reads(tmp_path, author, new):
    """It fetches a patch for what it says it runs, and claims the image; what it does not read, it refuses."""
    base = author.file(b"1.0.0")  # of which muster-fleet's first digest is made
    for word, formats, fate in (("patch-lzma", "patch-lzma lzma", "updated"), ("zstd", "lzma", "rejected")):
        variant = one_component(author, word, base, new)
        server = StandIn(variant)
        domain, name = CLASS.split("/")
        try:
            done = run(CLI.parent / "muster-fleet", "--server", server.url, "--vendor", suit.vendor_id(domain), "--class",
                       suit.class_id(domain, name), "--anchor", f"{author.key}.pub", "--formats", formats, "--until", "done",
                       "--timeout", "30", "--json", "-")
        finally:
            server.close()
        assert done.returncode == 0, done.stderr
        assert server.registered[0][6][4] == sorted(formats.split())
        assert json.loads(done.stdout)[fate] == 1, done.stdout
        if fate == "updated":
            assert server.registered[-1][4]["main"][0] == hashlib.sha256(new.read_bytes()).digest()
