#!/usr/bin/python3
"""What verifying and running a manifest takes on a Cortex-M: code by object and as linked, the
structs, and the deepest stack, from the compiler's own call graph.  Cryptography and what the
platform's functions do are not in it.

usage: suit_size.py DIR [-D...]      objects go to DIR; with -DSUIT_SMALL it fails over the aims
"""

import os
import re
import subprocess
import sys

CC = ["arm-none-eabi-gcc", "-std=gnu11", "-Os", "-mcpu=cortex-m4", "-mthumb", "-ffunction-sections",
      "-fdata-sections", "-fcallgraph-info=su", "-I."]
SOURCES = ["cbor", "parameter", "command", "block", "text", "manifest", "cose", "trust", "pool", "dependency",
           "act", "process", "report", "rc"]
CODE_MAX, RAM_MAX = 24 * 1024, 2 * 1024
# These come round once a nested sequence; others that do, once a level of CBOR.
NESTING = ("sequence", "check")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def compile_all(out, flags):
    objects = []
    for name in ["suit/%s.c" % s for s in SOURCES] + ["tests/size/suit_sizes.c"]:
        objects.append(os.path.join(out, os.path.basename(name)[:-2] + ".o"))
        run(*CC, *flags, "-c", name, "-o", objects[-1])
    return objects


def linked(out, objects):
    """Code and constants that a program needs, the C library's memcpy and its like with it."""
    program = os.path.join(out, "subset.elf")
    run("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-nostartfiles", "-Wl,--gc-sections", "-Wl,-e,entry",
        "-Wl,--unresolved-symbols=ignore-all", "-Wl,--no-warnings", "--specs=nosys.specs", *objects, "-o", program)
    return int(run("arm-none-eabi-size", program).splitlines()[1].split()[0])


def structs(sizes_object):
    for line in run("arm-none-eabi-nm", "-S", sizes_object).splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[3].startswith("size_"):
            yield fields[3][len("size_"):], int(fields[1], 16)


def limits(flags):
    """The SUIT_*_MAX that are numbers."""
    text = run(*CC, *flags, "-E", "-dM", "-include", "suit/suit.h", "-xc", "/dev/null")
    return {m[1]: int(m[2]) for m in re.finditer(r"#define (SUIT_\w+_MAX) (\d+)", text)}


class Stack:
    """The deepest way through the call graph."""

    def __init__(self, out, limit):
        self.bytes, self.calls, self.limit = {}, {}, limit
        for name in SOURCES:
            with open(os.path.join(out, name + ".ci"), encoding="utf-8") as f:
                self.read(f.read())
        self.known = {}
        self.rounds = {t for t in self.bytes if self.reaches(t, t)}

    def reaches(self, start, goal):
        seen, todo = set(), [start]
        while todo:
            for t in self.calls.get(todo.pop(), ()):
                if t == goal:
                    return True
                if t not in seen:
                    seen.add(t)
                    todo.append(t)
        return False

    def read(self, text):
        for title, size in re.findall(r'node: { title: "([^"]+)" label: "[^"]*?(\d+) bytes \(', text):
            self.bytes[title] = int(size)
        for source, target in re.findall(r'edge: { sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            self.calls.setdefault(source, set()).add(target)

    def deepest(self, title, left=None, without=()):
        """Bytes and way.  left: how often each of those that come round may still come."""
        left = dict(left or {})
        short = title.split(":")[-1].split(".")[0]
        if short in without or title not in self.bytes:
            return 0, []
        if title in self.rounds:
            bound = "SUIT_SEQUENCES_MAX" if short in NESTING else "SUIT_DEPTH_MAX"
            left[title] = left.get(title, self.limit[bound]) - 1
            if left[title] < 0:
                return 0, []
        key = (title, tuple(sorted(left.items())))
        if key not in self.known:
            below = max((self.deepest(t, left, without) for t in sorted(self.calls.get(title, ()))),
                        default=(0, []), key=lambda x: x[0])
            self.known[key] = self.bytes[title] + below[0], [short] + below[1]
        return self.known[key]


def main():
    out, flags = sys.argv[1], sys.argv[2:]
    os.makedirs(out, exist_ok=True)
    objects = compile_all(out, flags)
    print(run("arm-none-eabi-gcc", "--version").splitlines()[0], "-Os -mcpu=cortex-m4", *flags)
    for o in objects[:-1]:
        print("  %6d  %s" % (int(run("arm-none-eabi-size", o).splitlines()[1].split()[0]), os.path.basename(o)))
    code = linked(out, objects)
    print("code as linked: %d bytes" % code)
    size = dict(structs(objects[-1]))
    for name, n in size.items():
        print("  %6d  struct %s" % (n, name))
    limit = limits(flags)
    phases = {}
    for entry, held in (("suit_envelope_decode", ["suit_envelope"]), ("suit_block_verify", ["suit_envelope"]),
                        ("suit_process", ["suit_envelope", "suit_run"])):
        stack = Stack(out, limit)
        # A dependency is another run inside, with an envelope of its own: not counted here.
        n, way = stack.deepest(entry, without=("suit_dependency_process",))
        phases[entry] = n + sum(size[h] for h in held)
        print("  %6d  stack of %s at its deepest: %s" % (n, entry, " > ".join(way)))
    ram = max(phases.values())
    # The aims are a device's.
    small = "-DSUIT_SMALL" in flags
    print("RAM: %d bytes%s" % (ram, ", aim %d" % RAM_MAX if small else ""))
    return small and (code > CODE_MAX or ram > RAM_MAX)


if __name__ == "__main__":
    sys.exit(main())
