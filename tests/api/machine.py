"""The machine that a test has: parts of it that are given out, and how fast it is just now."""

import os
import pathlib
import ssl
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")


class pinned:
    """Children that are started inside run on one core."""

    def __init__(self, core):
        self.core = core

    def __enter__(self):
        self.before = os.sched_getaffinity(0)
        if self.core is not None:
            os.sched_setaffinity(0, {self.core})

    def __exit__(self, *_):
        os.sched_setaffinity(0, self.before)


class Share:
    """A part of a core, for processes that are put into it: a control group of our own.  Where we
    may not make one, `given` is false, and they keep what they have."""

    QUOTA_US = 1000  # the least that the kernel takes: whoever waits for the next period waits short

    def __init__(self, share):
        period = int(self.QUOTA_US / share)
        for root, limits in (("/sys/fs/cgroup/cpu", {"cpu.cfs_period_us": period, "cpu.cfs_quota_us": self.QUOTA_US}),
                             ("/sys/fs/cgroup", {"cpu.max": f"{self.QUOTA_US} {period}"})):
            self.folder = pathlib.Path(root, f"muster-test-{os.getpid()}-{id(self):x}")
            self.given = self._make(limits)
            if self.given:
                return

    def _make(self, limits):
        try:
            self.folder.mkdir()
            # Where no control groups are mounted it is a folder like any other.
            if all((self.folder / file).exists() for file in (*limits, "cgroup.procs")):
                for file, value in limits.items():
                    (self.folder / file).write_text(str(value))
                return True
        except OSError:
            pass
        self.close()
        return False

    def hold(self, pid):
        if self.given:
            (self.folder / "cgroup.procs").write_text(str(pid))

    def close(self):
        """Once nobody is in it any more."""
        try:
            self.folder.rmdir()
        except OSError:
            pass


class Filler:
    """Takes what everybody else leaves of a core.  Where two cores are threads of one, the other
    runs a fifth faster or slower with what this one does, and that is not what is measured."""

    def __init__(self, core):
        with pinned(core):
            self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        os.sched_setscheduler(self.process.pid, os.SCHED_IDLE, os.sched_param(0))

    def close(self):
        self.process.kill()
        self.process.wait()


def stolen_s():
    """What the machine's host took from it, where it tells."""
    words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(words[8]) / TICK if len(words) > 8 else 0


class Gauge:
    """How fast the machine is just now: seconds of processor, on one core, that OpenSSL alone takes
    for a handshake, both ends of it, with a certificate each."""

    def __init__(self, folder, core):
        self.core = core
        key, certificate = folder / "gauge-key.pem", folder / "gauge.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=gauge", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        self.contexts = []
        for kind in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
            context = ssl.SSLContext(kind)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(certificate)
            context.load_cert_chain(certificate, key)
            context.maximum_version = ssl.TLSVersion.TLSv1_2  # of which DTLS 1.2 is a form
            context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
            context.set_ecdh_curve("prime256v1")
            self.contexts.append(context)

    def measure(self):
        with pinned(self.core):
            before = time.thread_time()
            self._shake()
            return time.thread_time() - before

    def _shake(self):
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        client, server = self.contexts
        ends = [client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)]
        while ends:
            for end in list(ends):
                try:
                    end.do_handshake()
                    ends.remove(end)
                except ssl.SSLWantReadError:
                    pass
