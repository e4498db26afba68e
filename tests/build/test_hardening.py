"""What the compiler and the linker were told, read from the files that they made."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
PROGRAMS = ("musterd", "muster", "muster-agent", "muster-launcher", "muster-fleet")


def readelf(path, *options):
    done = subprocess.run(["readelf", "-W", *options, str(path)], text=True, capture_output=True,
                          timeout=60, env=dict(os.environ, LC_ALL="C"))
    assert done.returncode == 0, done.stderr
    return done.stdout


def symbols(path):
    return set(re.findall(r" UND (\w+)", readelf(path, "--dyn-syms")))


@pytest.fixture(params=PROGRAMS)
def program(request):
    return BUILD / request.param


@pytest.fixture
def plain(program):
    """A program without a sanitizer, which replaces what is looked for here."""
    if "__asan_init" in symbols(program) or "__tsan_init" in symbols(program):
        pytest.skip("a sanitizer's build is not what is shipped")
    return program


def test_programs_have_no_fixed_place(program):
    assert re.search(r"Type:\s+DYN ", readelf(program, "-h"))
    assert re.search(r"FLAGS_1.*\bPIE\b", readelf(program, "-d"))


def test_tables_of_addresses_are_read_only(program):
    assert "GNU_RELRO" in readelf(program, "-l")
    assert re.search(r"FLAGS_1.*\bNOW\b", readelf(program, "-d"))
    assert "TEXTREL" not in readelf(program, "-d")


def test_no_memory_is_writable_and_executable(program):
    segments = re.findall(r"^\s+(\w+)\s+(?:0x\w+\s+){5}([RWE ]{3})\s", readelf(program, "-l"), re.M)
    flags = dict(segments)
    assert "GNU_STACK" in flags and "E" not in flags["GNU_STACK"], segments
    assert not [s for s in segments if "W" in s[1] and "E" in s[1]]


def test_the_stack_is_guarded(plain):
    assert "__stack_chk_fail" in symbols(plain)


def test_calls_that_copy_are_fortified(plain):
    names = symbols(plain)
    assert {name for name in names if re.fullmatch(r"__\w+_chk", name)}, names
    assert not names & {"strcpy", "strcat", "sprintf", "vsprintf", "gets"}


def test_returns_and_branches_are_marked(plain):
    if "X86-64" not in readelf(plain, "-h"):
        pytest.skip("the marks are x86-64's")
    assert "SHSTK" in readelf(plain, "-n")
    # The system's start files are not marked for branches on Debian 12; every file of ours is.
    for folder in ("base", "suit", "agent", "server/coap", "server/http"):
        for one in sorted((BUILD / folder).glob("*.o")):
            assert re.search(r"x86 feature:.*\bIBT\b.*\bSHSTK\b", readelf(one, "-n")), one
