"""Deltas and compressed images by the command line: how much they save on firmware, what they cost a
device, that detools (which nobody here wrote) and we read each other, and that what is wrong is
refused before anything is written.

The firmware is that of tests/data/firmware, built here for a Cortex-M4: one line changed, a minor
change, a release apart.  Sizes are printed; MUSTER_PROVE=1 or pytest -rA shows them."""

import hashlib
import json
import lzma
import os
import pathlib
import random
import re
import resource
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
MUSTER = BUILD / "muster"
FIRMWARE = ROOT / "tests/data/firmware"
ARM = ["arm-none-eabi-gcc", "-mthumb", "-Os", "-std=gnu11", "-ffreestanding", "-Wall", "-Wextra", "-Werror"]
VARIANTS = {"base": [], "line": ["-DONE_LINE=1"], "minor": ["-DMINOR=1"], "release": ["-DRELEASE=2"]}
# What must be saved at least, of the raw image, in percent: the goals are 95, 83 and 84 with less than
# 1 KiB of device RAM, 97, 88 and 88 with 20 KiB.
FLOORS = {
    ("heatshrink", "line"): 96.7, ("heatshrink", "minor"): 96, ("heatshrink", "release"): 84.5,
    ("lzma", "line"): 97.5, ("lzma", "minor"): 97.1, ("lzma", "release"): 88,
    ("zstd", "line"): 95, ("zstd", "minor"): 90, ("zstd", "release"): 80,
}
RAM = {"heatshrink": 1024, "lzma": 10 << 10}


def run(*words, code=0, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def muster(*words, **more):
    return run(MUSTER, *words, **more)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def firmware(tmp_path_factory):
    """The four images, by name."""
    folder = tmp_path_factory.mktemp("firmware")
    for name, defines in VARIANTS.items():
        elf = folder / f"{name}.elf"
        run(*ARM, "-mcpu=cortex-m4", "-nostdlib", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections",
            "-Wl,--build-id=none", "-T", FIRMWARE / "link.ld", *defines, *sorted(FIRMWARE.glob("*.c")), "-lgcc",
            "-o", elf)
        run("arm-none-eabi-objcopy", "-O", "binary", elf, folder / f"{name}.bin")
    return {name: folder / f"{name}.bin" for name in VARIANTS}


@pytest.fixture(scope="session")
def detools(pypi):
    """PyPI's detools."""
    def tool(*words):
        return run(pypi / "bin/detools", *words)
    return tool


def create(old, new, out, format, *more):
    return json.loads(muster("delta", "create", old, new, "--format", format, "--out", out, "--json", *more).stdout)


@pytest.mark.parametrize("pair", ["line", "minor", "release"])
@pytest.mark.parametrize("format", ["heatshrink", "lzma", "zstd"])
def test_firmware_deltas(firmware, tmp_path, format, pair):
    old, new = firmware["base"], firmware[pair]
    made = create(old, new, tmp_path / "delta", format)
    print(f"{pair}, {format}: {made['size']} bytes, saves {made['saved_percent']} % of {made['image_size']} raw and "
          f"{made['saved_of_compressed_percent']} % of {made['compressed_size']} compressed; {made['device_ram']} "
          "bytes of device RAM")
    assert made["size"] == (tmp_path / "delta").stat().st_size
    assert made["image_size"] == new.stat().st_size
    assert (made["base_digest"], made["digest"]) == (digest(old), digest(new))
    assert 100 - 100 * made["size"] / made["image_size"] >= FLOORS[format, pair]
    assert made["device_ram"] < RAM.get(format, 1 << 20)
    if format == "heatshrink":  # devices reserve for a window of 8 bits
        size = next(i for i, byte in enumerate((tmp_path / "delta").read_bytes()[1:], 1) if byte < 0x80)
        assert (tmp_path / "delta").read_bytes()[size + 1] >> 4 == 8 - 4
        assert made["device_ram"] == 436
    muster("delta", "apply", old, tmp_path / "delta", "--out", tmp_path / "new", "--base-digest", digest(old),
           "--digest", digest(new))
    assert (tmp_path / "new").read_bytes() == new.read_bytes()


@pytest.mark.parametrize("pair", ["line", "minor", "release"])
@pytest.mark.parametrize("format", ["heatshrink", "lzma"])
def test_detools_reads_ours_and_we_read_its(firmware, detools, tmp_path, format, pair):
    old, new = firmware["base"], firmware[pair]
    ours = create(old, new, tmp_path / "ours", format)["size"]
    detools("apply_patch", old, tmp_path / "ours", tmp_path / "by-detools")
    assert (tmp_path / "by-detools").read_bytes() == new.read_bytes()
    detools("create_patch", "--compression", format, old, new, tmp_path / "theirs")
    muster("delta", "apply", old, tmp_path / "theirs", "--out", tmp_path / "by-us", "--base-digest", digest(old))
    assert (tmp_path / "by-us").read_bytes() == new.read_bytes()
    theirs = (tmp_path / "theirs").stat().st_size
    print(f"{pair}, {format}: {ours} bytes, detools {theirs}")
    assert ours <= theirs * 1.01


def patched(dice, old, grown):
    """Code that moved: pieces slid by some bytes, bytes changed at random, and bytes put in."""
    new, at = bytearray(), 0
    while at < len(old):
        n = dice.randrange(200, 2000)
        new += old[at:at + n] + dice.randbytes(dice.randrange(grown))
        at += n - dice.randrange(5)
    for _ in range(len(new) // 100):
        new[dice.randrange(len(new))] = dice.randrange(256)
    return bytes(new)


# Bytes of the patches when matches were chosen greedily: never more again.
@pytest.mark.parametrize("grown,greedy", [(2, (922, 717)), (20, (1059, 824)), (100, (1813, 1510))])
def test_what_moved_costs_no_more_than_it_did(detools, tmp_path, grown, greedy):
    dice = random.Random(grown)
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(bytes(dice.choice(b"\0\0\x10\x20\x46\x68\xbd\xf0\xf8\xff")
                          for _ in range(20000)))
    new.write_bytes(patched(dice, old.read_bytes(), grown))
    sizes = []
    for format in ("heatshrink", "lzma"):
        sizes.append(create(old, new, tmp_path / format, format, "--max-percent", 1000)["size"])
        detools("apply_patch", old, tmp_path / format, tmp_path / f"{format}.new")
        assert (tmp_path / f"{format}.new").read_bytes() == new.read_bytes()
    print(f"pieces of up to {grown} bytes put in: {sizes} bytes, {greedy} when greedy")
    assert sizes[0] <= greedy[0] and sizes[1] <= greedy[1]


@pytest.mark.parametrize("format", ["heatshrink", "lzma"])
def test_an_old_image_that_is_of_no_use_costs_little(tmp_path, format):
    """Of random bits every piece is found again somewhere, and none is worth it."""
    dice = random.Random(5)
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old, new):
        path.write_bytes(bytes(dice.randrange(2) for _ in range(20000)))
    made = create(old, new, tmp_path / "delta", format, "--max-percent", 1000)
    print(f"{format}: {made['size']} bytes, compressed without the old image {made['compressed_size']}")
    assert made["size"] <= made["compressed_size"] * 1.02 + 16


def mixed(dice, old):
    """The old image, with pieces moved, changed, left out and put in."""
    new = bytearray()
    for _ in range(dice.randrange(1, 30)):
        at = dice.randrange(len(old))
        piece = bytearray(old[at:at + dice.randrange(3000)])
        for _ in range(dice.randrange(20)):
            if piece:
                piece[dice.randrange(len(piece))] = dice.randrange(256)
        new += piece if dice.randrange(4) else dice.randbytes(dice.randrange(200))
    return bytes(new) or b"x"


@pytest.mark.parametrize("format,window,lookahead", [("heatshrink", 4, 3), ("heatshrink", 8, 7), ("heatshrink", 11, 10),
                                                     ("lzma", 8, 7)])
def test_detools_agrees_about_any_images(firmware, detools, tmp_path, format, window, lookahead):
    dice = random.Random(int(os.environ.get("MUSTER_TEST_SEED", "1")))
    old = tmp_path / "old"
    old.write_bytes(firmware["base"].read_bytes())
    for i in range(4):
        new, patch, out, back, theirs = (tmp_path / f"{name}-{i}" for name in ("new", "patch", "out", "back", "theirs"))
        new.write_bytes(mixed(dice, old.read_bytes()))
        create(old, new, patch, format, "--window", window, "--lookahead", lookahead, "--max-percent", 1000)
        detools("apply_patch", old, patch, out)
        detools("create_patch", "--compression", format, "--heatshrink-window-sz2", window,
                "--heatshrink-lookahead-sz2", lookahead, old, new, theirs)
        muster("delta", "apply", old, theirs, "--out", back, "--base-digest", digest(old))
        assert out.read_bytes() == new.read_bytes() == back.read_bytes()
        old = new


# --- what is refused -------------------------------------------------------------------------

@pytest.mark.parametrize("format", ["heatshrink", "lzma", "zstd"])
def test_wrong_base_is_refused_before_anything_is_written(firmware, tmp_path, format):
    create(firmware["base"], firmware["minor"], tmp_path / "delta", format)
    out = tmp_path / "new"
    done = muster("delta", "apply", firmware["line"], tmp_path / "delta", "--out", out, "--base-digest",
                  digest(firmware["base"]), code=6)
    assert done.stderr == "muster: the old image is not the one that the patch is for\n"
    assert not out.exists()
    done = muster("delta", "apply", firmware["base"], tmp_path / "delta", "--out", out, code=1)
    assert done.stderr == "muster: delta apply needs --base-digest\n"
    # Who lies about the base meets the digest of what comes out.
    short = tmp_path / "short"
    short.write_bytes(firmware["base"].read_bytes()[:5000])
    for base in (firmware["line"], short):
        done = subprocess.run([MUSTER, "delta", "apply", base, tmp_path / "delta", "--out", out, "--base-digest",
                               digest(base), "--digest", digest(firmware["minor"])],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode in (1, 6), done.stderr
        assert not out.exists()


@pytest.mark.parametrize("format", ["heatshrink", "lzma", "zstd"])
def test_damaged_patches_write_nothing(firmware, tmp_path, format):
    dice = random.Random(7)
    old, new, delta, out = firmware["base"], firmware["minor"], tmp_path / "delta", tmp_path / "new"
    create(old, new, delta, format)
    good = delta.read_bytes()
    bad = [b"", good[:1], good[:-1], good[:len(good) // 2], good + b"x", b"\x10" + good[1:], os.urandom(500)]
    for _ in range(25):
        at = dice.randrange(len(good))
        bad.append(good[:at] + bytes([good[at] ^ 1 << dice.randrange(8)]) + good[at + 1:])
    for i, content in enumerate(bad):
        delta.write_bytes(content)
        done = subprocess.run([MUSTER, "delta", "apply", old, delta, "--out", out, "--base-digest", digest(old),
                               "--digest", digest(new)], capture_output=True, text=True, timeout=60)
        if done.returncode == 0:  # a bit that means nothing
            assert i >= 7 and out.read_bytes() == new.read_bytes()
            out.unlink()
            continue
        assert done.returncode in (1, 6) and len(done.stderr.splitlines()) == 1, done.stderr
        assert not out.exists()


@pytest.mark.parametrize("format", ["heatshrink", "lzma", "zstd"])
def test_a_delta_that_saves_too_little_is_not_written(tmp_path, format):
    dice = random.Random(3)
    old, new, out = tmp_path / "old", tmp_path / "new", tmp_path / "delta"
    old.write_bytes(dice.randbytes(20000))
    new.write_bytes(dice.randbytes(9000) + old.read_bytes()[:11000])
    done = muster("delta", "create", old, new, "--format", format, "--out", out, "--max-percent", "40", code=7)
    assert re.fullmatch(r"muster: not written: the patch has \d+ bytes, over 40 % of the compressed full image's \d+\n",
                        done.stderr)
    assert not out.exists()
    create(old, new, out, format)
    muster("delta", "create", old, new, "--format", format, "--out", out, code=1)  # never overwritten


def test_a_bad_percentage_is_refused_before_the_work(tmp_path):
    for bad in ("abc", "-1", "1001", ""):
        done = muster("delta", "create", tmp_path / "none", tmp_path / "none", "--format", "lzma", "--out", tmp_path / "out",
                      "--max-percent", bad, code=1)
        assert done.stderr == "muster: --max-percent takes a number up to 1000\n"


def test_encrypted_images_are_not_worth_a_delta(tmp_path):
    (tmp_path / "old").write_bytes(random.Random(1).randbytes(30000))
    (tmp_path / "new").write_bytes(random.Random(2).randbytes(30000))
    muster("delta", "create", tmp_path / "old", tmp_path / "new", "--format", "lzma", "--out", tmp_path / "x", code=7)


@pytest.mark.parametrize("words,why", [
    (["--format", "bsdiff"], 'there is no format "bsdiff"; take heatshrink, lzma or zstd'),
    ([], "delta create needs --format"),
    (["--format", "heatshrink", "--window", "12"], "--window takes a number up to 11"),
    (["--format", "heatshrink", "--window", "3"], "--window takes a number from 4 to 11"),
    (["--format", "heatshrink", "--window", "5", "--lookahead", "5"],
     "heatshrink takes windows of 4 to 11 bits, and a lookahead of at least 3 that is smaller"),
])
def test_wrong_words(firmware, tmp_path, words, why):
    done = muster("delta", "create", firmware["base"], firmware["line"], "--out", tmp_path / "x", *words, code=1)
    assert done.stderr == f"muster: {why}\n"
    assert not (tmp_path / "x").exists()


def test_memory_is_bounded(tmp_path):
    """With too little of it, it says so and writes nothing."""
    old = tmp_path / "old"
    old.write_bytes(random.Random(1).randbytes(8 << 20))
    symbols = subprocess.run(["readelf", "-W", "--dyn-syms", MUSTER], capture_output=True, text=True).stdout
    if "__asan_init" in symbols or "__tsan_init" in symbols:
        pytest.skip("a sanitizer needs terabytes of address space")
    done = subprocess.run([MUSTER, "delta", "create", old, old, "--format", "heatshrink", "--out", tmp_path / "x"],
                          capture_output=True, text=True, timeout=120,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (150 << 20, 150 << 20)))
    assert (done.returncode, done.stderr) == (1, "muster: this needs more memory than it may have\n")
    assert not (tmp_path / "x").exists()
    (tmp_path / "large").write_bytes(bytes((32 << 20) + 1))
    muster("delta", "create", old, tmp_path / "large", "--format", "lzma", "--out", tmp_path / "x", code=1)


def slow_words(folder):
    """A command that would take a minute."""
    (folder / "old").write_bytes(random.Random(1).randbytes(8 << 20))
    return [MUSTER, "delta", "create", folder / "old", folder / "old", "--format", "heatshrink", "--window", "11",
            "--out", folder / "x"]


def test_time_is_bounded(tmp_path):
    done = subprocess.run(slow_words(tmp_path), capture_output=True, text=True, timeout=300,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (1, 60)))
    assert (done.returncode, done.stderr) == (1, "muster: this takes too long; is the image one repetition?\n")
    assert not (tmp_path / "x").exists()


def test_it_bounds_itself(tmp_path):
    """Processor time and address space, before the work begins."""
    def limits(pid):
        lines = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
        return {line[:26].strip(): line[26:].split()[0] for line in lines}
    process = subprocess.Popen(slow_words(tmp_path), stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while limits(process.pid)["Max cpu time"] != "600" and time.monotonic() < end:
            time.sleep(0.05)
        assert process.poll() is None
        assert limits(process.pid)["Max cpu time"] == "600"
        space = limits(process.pid)["Max address space"]
        assert space != "unlimited"
        print(f"address space of a patch between images of 8 MiB: at most {int(space) >> 20} MiB")
    finally:
        process.kill()
        process.wait()


# --- compressed full images ------------------------------------------------------------------

@pytest.mark.parametrize("format", ["heatshrink", "lzma", "zstd"])
def test_compressed_images(firmware, tmp_path, format):
    image, small, back = firmware["base"], tmp_path / "small", tmp_path / "back"
    made = json.loads(muster("image", "compress", image, "--format", format, "--out", small, "--json").stdout)
    print(f"{format}: {made['size']} of {made['image_size']} bytes, saves {made['saved_percent']} %")
    assert made["size"] == small.stat().st_size < image.stat().st_size
    size = image.stat().st_size
    muster("image", "decompress", small, "--format", format, "--size", size, "--out", back, "--digest", digest(image))
    assert back.read_bytes() == image.read_bytes()
    for wrong in (size - 1, size + 1):
        muster("image", "decompress", small, "--format", format, "--size", wrong, "--out", tmp_path / "x", code=1)
    muster("image", "decompress", small, "--format", format, "--size", size, "--out", tmp_path / "x", "--digest",
           digest(small), code=6)
    assert not (tmp_path / "x").exists()
    if format == "lzma":
        assert lzma.decompress(small.read_bytes(), format=lzma.FORMAT_ALONE) == image.read_bytes()


# --- what a device needs ---------------------------------------------------------------------

def arm_sizes(folder, *files):
    """Bytes of code and of stack, of files of suit/ built for the smallest Cortex-M."""
    code, stack = 0, {}
    for name in files:
        out = folder / f"{name}.o"
        run(*ARM, "-mcpu=cortex-m0plus", "-fstack-usage", "-I", ROOT, "-c", ROOT / f"suit/{name}.c", "-o", out)
        code += int(run("arm-none-eabi-size", out).stdout.splitlines()[1].split()[0])
        for line in (folder / f"{name}.su").read_text().splitlines():
            where, size, _ = line.split("\t")
            stack[where.rsplit(":", 1)[1]] = int(size)
    return code, stack


def arm_sizeof(folder, **things):
    source = folder / "sizes.c"
    source.write_text('#include "suit/heatshrink.h"\n#include "suit/lzma.h"\n#include "suit/patch.h"\n' +
                      "".join(f"char {name}[{text}];\n" for name, text in things.items()))
    run(*ARM, "-mcpu=cortex-m0plus", "-I", ROOT, "-c", source, "-o", folder / "sizes.o")
    lines = run("arm-none-eabi-nm", "-S", folder / "sizes.o").stdout.splitlines()
    return {line.split()[3]: int(line.split()[1], 16) for line in lines}


def test_a_device_has_room(tmp_path):
    sizes = arm_sizeof(tmp_path, patch="sizeof(struct suit_patch)", heatshrink="SUIT_HEATSHRINK_STATE(8)",
                       lzma="SUIT_LZMA_STATE(0, 4096)")
    code, stack = arm_sizes(tmp_path, "patch", "inflate", "heatshrink")
    ram = sizes["patch"] + sizes["heatshrink"]
    deepest = stack["suit_patch_feed"] + stack["heatshrink_step"]
    print(f"heatshrink, window 8: {code} bytes of code, {ram} of state, {deepest} of stack, on a Cortex-M0+")
    assert code < 2048 and ram + deepest < 1024
    code, stack = arm_sizes(tmp_path, "patch", "inflate", "lzma")
    ram = sizes["patch"] + sizes["lzma"]
    deepest = stack["suit_patch_feed"] + stack["lzma_step"]
    print(f"LZMA, dictionary 4 KiB: {code} bytes of code, {ram} of state, {deepest} of stack, on a Cortex-M0+")
    assert code < 4096 and ram + deepest < 10 << 10

