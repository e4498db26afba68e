"""Updates that are put off: until a time, until a window, until the battery is charged, until somebody consents.

Meanwhile the server is told so, and can take the update back; nothing is fetched twice, and no restart begins a
wait that was over, or ends one that was not."""

import struct
import time

import cbor2
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent_kit import (FORMAT, PATH, Author, Clock, Device, Hook, StandIn, Variant, areas, code, digest, hook_user, number,
                       part, start, wait_until)
from test_agent_variants import untouched
from test_cli_tiers import Authority, pem
from test_scenarios_full_disk import disk  # noqa: F401

DEFERRED, REBOOTING, REJECTED = 15, 5, 14
HOUR = 3600


@pytest.fixture
def hook():
    hook = Hook()
    yield hook
    hook.close()


class Held(StandIn):
    """While it is held, it has no time for payloads."""

    held, begun = False, None

    def answer(self, m):
        if self.held and b"img" in [v for k, v in m.options if k == PATH]:
            return code("5.03"), [], b""
        done = super().answer(m)
        if self.blocks and not self.begun:
            self.begun = time.time(), self.asked
        return done


class Wait:
    """A device with a configuration, which an update is to replace; and its server."""

    def __init__(self, folder, author, firmware, server_class=Held, **settings):
        self.author = author
        self.c1, self.c2 = author.file(b"c1"), author.file(b"c2" * 3000)
        self.server = server_class(self.variant())
        self.clock = Clock(folder)
        self.device = Device(folder / "d", author, firmware, config=self.c1, server=self.server.url, **settings)
        self.process = None

    def variant(self, **guards):
        return Variant(self.author.manifest([part("config", self.c2)], guards=guards), self.c2)

    def begin(self, variant=None):
        if variant:
            self.server.offers(variant)
        self.process = start(self.device, self.clock.env)

    def cut(self):
        """The power."""
        self.process.kill()
        self.process.wait(30)

    def deferred(self, times=1):
        wait_until(lambda: self.server.states().count(DEFERRED) == times, 60)
        return [r for r in self.server.reports if r[1] == DEFERRED][-1][5]

    def goes_on(self, seconds):
        """Time passes unnoticed; it asks, and waits."""
        asked = self.server.asked
        wait_until(lambda: self.server.asked > asked + seconds, 60)

    def confirmed(self):
        wait_until(lambda: self.device.show()["sequence"] == "2", 60)
        assert self.device.show()["config"] == "b" and digest(self.device.path("config", "b")) == digest(self.c2)
        assert len(self.server.blocks) == len(set(self.server.blocks)), "something was fetched twice"

    def left(self):
        return sorted(p.name for p in self.device.state.iterdir() if p.name.startswith(("waited", "journal", "dl-")))

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
        self.server.close()


@pytest.fixture
def make(tmp_path, author, firmware):
    made = []

    def make(author=author, **settings):
        made.append(Wait(tmp_path, author, firmware, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def of_day(ahead):
    """Seconds of a UTC day, of a window that begins so far from now."""
    return (int(time.time()) + ahead) % 86400


def test_it_wakes_by_itself(make):
    """The server says to come back in ten minutes; the clock says five seconds."""
    w = make(poll_max_s=600)
    w.server.again_s = 600
    then = int(time.time()) + 8
    w.begin(w.variant(wait={"time": then}))
    assert w.deferred() == time.strftime("waits until %Y-%m-%dT%H:%M:%SZ", time.gmtime(then))
    wait_until(lambda: w.server.begun, 30)
    moment, asked = w.server.begun
    assert moment >= then and asked == 2, "it is asked once whether it is wanted still"
    w.confirmed()
    assert w.server.states() == [DEFERRED, 2, 3, 4, 5]


def test_a_window_is_waited_for_through_restarts(make):
    w = make()
    w.begin(w.variant(wait={"time_of_day_utc": of_day(3 * HOUR)}))
    w.deferred()
    w.goes_on(2)
    w.cut()
    w.clock.ahead(HOUR)
    w.begin()
    w.deferred(2)
    w.goes_on(2)
    assert w.server.states() == [DEFERRED] * 2 and w.server.blocks == [] and w.left() == []
    w.cut()
    w.clock.ahead(5 * HOUR)  # the device was off all through it
    w.begin()
    w.deferred(3)
    w.clock.ahead(27 * HOUR + 60)
    w.confirmed()
    assert w.server.states() == [DEFERRED] * 3 + [2, 3, 4, 5] and w.left() == []


def cut_in_its_window(w):
    """The power goes while it fetches."""
    w.begin(w.variant(wait={"time_of_day_utc": of_day(HOUR)}))
    w.deferred()
    w.server.held = True
    w.clock.ahead(HOUR + 60)
    wait_until(lambda: w.left() == ["waited"], 60)
    w.cut()


def test_a_window_that_has_begun_does_not_begin_again(make):
    """The power comes back when the window is over."""
    w = make()
    cut_in_its_window(w)
    w.server.held = False
    w.clock.ahead(12 * HOUR)
    w.begin()
    w.confirmed()
    assert w.server.states().count(DEFERRED) == 1


def test_what_was_taken_back_while_the_device_was_off_waits_anew(make):
    """Its window has begun; then the power goes, and when it comes back nothing is offered for a while."""
    w = make()
    cut_in_its_window(w)
    w.server.held, w.server.over = False, True
    w.begin()
    w.goes_on(2)
    w.clock.ahead(12 * HOUR)
    w.server.over = False
    w.deferred(2)
    assert w.server.blocks == [] and w.left() == []


def fill(control, call):
    """The disk is full from that call on; 0: it is not.  The file is mapped, and stays as long as it is."""
    with open(control, "r+b", buffering=0) as f:
        f.write(struct.pack("q", call))


class TakesBack(Held):
    """At the last moment, when the device has a full disk."""

    control = None

    def answer(self, m):
        done = super().answer(m)
        if self.control and self.states()[-1:] == [5]:
            fill(self.control, 1)
            self.control = None
            return code("2.04"), [(FORMAT, number(60))], cbor2.dumps({1: True})
        return done


def test_what_could_not_be_called_off_is_called_off_later(make, tmp_path, disk):  # noqa: F811
    w = make(server_class=TakesBack)
    env = disk(0, w.device.state / "boot")
    w.server.control = control = tmp_path / "disk-control"
    w.process = start(w.device, env)
    wait_until(lambda: "the job cannot be called off" in (w.device.folder / "log").read_text(), 60)
    w.goes_on(2)
    assert w.device.show()["trial"] == "yes"
    fill(control, 0)
    w.goes_on(2)
    assert w.device.show()["trial"] == "no" and w.server.states() == [2, 3, 4, 5]


def in_install(w, then):
    """Fetched at once, put there later."""
    install = [{"index": 0}, {"override": {"wait": {"time": then}, "source": 1}}, "wait", "copy", "condition-image-match"]
    return Variant(w.author.manifest([part("config", w.c2, "dl/full", w.c2)] + areas("full"), sequences={"install": install}),
                   w.c2)


@pytest.mark.parametrize("cut", [False, True], ids=["on", "off"])
def test_what_was_fetched_waits_for_its_installation(make, cut):
    w = make()
    then = int(time.time()) + HOUR
    w.begin(in_install(w, then))
    w.deferred()
    assert w.server.states() == [2, 3, DEFERRED] and len(w.server.blocks) == 6
    if cut:
        w.cut()
        w.begin()
        w.deferred(2)
    assert w.device.show()["trial"] == "no" and not w.device.path("config", "b").exists()
    w.clock.ahead(HOUR + 60)
    w.confirmed()
    assert w.server.states()[-4:] == [2, 3, 4, 5] and len(w.server.blocks) == 6 and w.left() == []


def test_what_is_taken_back_is_dropped_while_it_waits(make):
    w = make()
    w.begin(in_install(w, int(time.time()) + HOUR))
    w.deferred()
    assert w.left() == ["dl-0.bin", "journal"]
    w.server.over = True
    wait_until(lambda: w.left() == [], 60)
    w.clock.ahead(HOUR + 60)
    w.goes_on(2)
    assert w.server.states() == [2, 3, DEFERRED] and w.device.show()["trial"] == "no"


def test_two_waits(make):
    """One before the download, one behind it; in between nothing is asked that the second one puts off."""
    w = make(battery_file="charge")
    then = int(time.time()) + HOUR
    install = [{"index": 0}, {"override": {"wait": {"time": then + HOUR}, "battery_mwh": 2, "source": 1}}, "wait",
               "condition-battery", "copy", "condition-image-match"]
    fetch = [{"index": 0}, {"override": {"wait": {"time": then}}}, "wait", {"index": 1}, {"override": {
        "file": str(w.c2), "uri": f"img/{digest(w.c2)}"}}, "fetch", "condition-image-match"]
    w.begin(Variant(w.author.manifest([part("config", w.c2, "dl/full", w.c2)] + areas("full"), sequences={
        "payload-fetch": fetch, "install": install}), w.c2))
    w.deferred()
    assert w.server.blocks == []
    w.clock.ahead(HOUR + 60)
    w.deferred(2)
    assert w.server.states() == [DEFERRED, 2, 3, DEFERRED]
    w.clock.ahead(2 * HOUR + 120)
    wait_until(lambda: 11 in w.server.states(), 60)
    assert w.server.reports[-1][5] == "the battery's charge cannot be read"


def test_another_way_has_waits_of_its_own(make):
    """What was waited for while the battery was full is not what is waited for when it is low."""
    w = make(battery_file="charge")
    charge = w.device.folder / "charge"
    charge.write_text("1000000\n")
    now = int(time.time())
    fetch = [{"try-each": [[{"index": 0}, {"override": {"battery_mwh": 1000, "wait": {"time": now + HOUR}}},
                            "condition-battery", "wait"],
                           [{"index": 0}, {"override": {"wait": {"time": now + 9 * HOUR}}}, "wait"]]},
             {"index": 0}, {"override": {"uri": f"img/{digest(w.c2)}"}}, "fetch", "condition-image-match"]
    w.begin(Variant(w.author.manifest([part("config", w.c2)], sequences={"install": fetch}), w.c2))
    w.deferred()
    w.server.held = True
    w.clock.ahead(HOUR + 60)
    wait_until(lambda: w.left() == ["waited"], 60)
    w.cut()
    w.server.held = False
    charge.write_text("1000\n")
    w.begin()
    assert w.deferred(2) == time.strftime("waits until %Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 9 * HOUR))
    assert w.server.blocks == []
    w.clock.ahead(9 * HOUR + 60)
    w.confirmed()


def test_a_clock_that_was_never_set_refuses_no_certificate(make, tmp_path):
    """By a clock of 1970 every certificate is one of the future."""
    author, authority = Author(tmp_path / "certified"), Authority()
    (root, chain) = tmp_path / "root.pem", tmp_path / "chain.pem"
    root.write_bytes(pem(authority.root))
    key = load_pem_private_key(author.key.read_bytes(), None)
    chain.write_bytes(pem(authority.author(key), authority.issuing))
    author.chain = ["--cert-chain", chain]
    w = make(author=author, anchor=root)
    w.clock.ahead(60 - int(time.time()))
    w.begin()
    assert w.deferred() == "the clock was never set"
    w.goes_on(2)
    assert w.server.states() == [DEFERRED] and w.server.blocks == []
    w.clock.ahead(0)
    w.confirmed()
    assert w.server.states() == [DEFERRED, 2, 3, 4, 5]


# --- what cannot be waited for ----------------------------------------------------------------

def test_what_a_device_cannot_know_is_refused_before_anything_is_fetched(tmp_path, author, old, new):
    device = Device(tmp_path / "d", author, old)
    now = int(time.time())
    cases = [({"wait": {"authorization": 1}}, "not known to this device"), ({"wait": {"power": 1}}, "not known to this device"),
             ({"wait": {"network": 1, "time": 5}}, "not known to this device"),
             ({"wait": {"other_device": {"id": {"text": "radio"}, "versions": ["=1"]}}}, "not known to this device"),
             ({"wait": {"time": now + 30 * 86400}}, "does not come within 8 days"),
             ({"wait": {"time": now + HOUR}}, "it waits until 2"),
             ({"use_before": now + HOUR, "wait": {"time": now + 2 * HOUR}}, "it waits until 2"),
             ({"battery_mwh": 1}, "charge is not known"), ({"priority": 0}, "nobody can authorize")]
    for guards, why in cases:
        done = device.apply(Variant(author.manifest([part("main", new)], guards=guards), new))
        assert done.returncode == 1 and why in done.stderr, f"{guards}: {done.stderr}"
        untouched(device, old)
    done = device.apply(Variant(author.manifest([part("main", new)], guards={"wait": {"time": now - 1}}), new))
    assert done.returncode == 0, done.stderr


def test_a_condition_behind_a_wait_is_about_its_end(tmp_path, author, old, new):
    device = Device(tmp_path / "d", author, old)
    then = int(time.time()) + HOUR
    for end, why in ((then, "condition"), (then + 1, "it waits until")):
        fetch = [{"index": 0}, {"override": {"wait": {"time": then}, "use_before": end, "uri": f"img/{digest(new)}"}}, "wait",
                 "condition-use-before", "fetch", "condition-image-match"]
        done = device.apply(Variant(author.manifest([part("main", new)], sequences={"install": fetch}), new))
        assert done.returncode == 1 and why in done.stderr, done.stderr
        untouched(device, old)


# --- battery and consent ------------------------------------------------------------------------

def test_battery(tmp_path, author, old, new):
    charge = tmp_path / "energy_now"
    device = Device(tmp_path / "d", author, old, battery_file=charge)
    update = Variant(author.manifest([part("main", new)], guards={"battery_mwh": 1500}), new)
    for content, why in ((None, "cannot be read"), (b"full\n", "cannot be read"), (b"-1\n", "cannot be read"),
                         (b"1499999\n", "not charged enough"), (b"0\n", "not charged enough")):
        if content is not None:
            charge.write_bytes(content)
        done = device.apply(update)
        assert done.returncode == 1 and why in done.stderr, done.stderr
        untouched(device, old)
    charge.write_bytes(b"1500000\n")
    assert device.apply(update).returncode == 0


def test_a_battery_that_is_charged_meanwhile(make):
    w = make(battery_file="energy_now")
    (w.device.folder / "energy_now").write_text("100\n")
    w.begin(w.variant(battery_mwh=1500))
    assert w.deferred() == "the battery is not charged enough"
    w.goes_on(2)
    assert w.server.states() == [DEFERRED] and w.server.blocks == []
    (w.device.folder / "energy_now").write_text("1500000\n")
    w.confirmed()
    assert w.server.states() == [DEFERRED, 2, 3, 4, 5]


def test_what_was_passed_over_is_not_waited_for(tmp_path, author, old, new):
    """Where a low battery has another way to go, what ends that way ends it for good."""
    charge = tmp_path / "charge"
    charge.write_text("1\n")
    device = Device(tmp_path / "d", author, old, battery_file=charge)
    for none, why in ((None, "condition"), ([{"override": {"use_before": 1}}, "condition-use-before"], "not charged enough")):
        fetch = [{"index": 0}, {"try-each": [[{"override": {"battery_mwh": 2}}, "condition-battery"],
                                             [{"override": {"use_before": 1}}, "condition-use-before"], none]},
                 {"override": {"use_before": 1, "uri": f"img/{digest(new)}"}}, "condition-use-before", "fetch", "condition-image-match"]
        done = device.apply(Variant(author.manifest([part("main", new)], sequences={"install": fetch}), new))
        assert done.returncode == 1 and why in done.stderr and ("charged" in done.stderr) == (none is not None), done.stderr
        untouched(device, old)


def test_consent(make, hook):
    """Told the priority, in an install hook's sandbox; asked again before the installation."""
    hook.write('d="$(dirname "$0")"; echo "$1 $(id -un) $(env | grep -c MUSTER)" >> $d/asked; test -e $d/yes')
    w = make(authorize_program=hook.path, authorize_user=hook_user())
    w.begin(w.variant(priority=-5))
    assert w.deferred() == "not authorized at its priority"
    w.goes_on(2)
    assert w.server.states() == [DEFERRED] and w.server.blocks == []
    (hook.folder / "yes").write_text("")
    w.confirmed()
    asked = (hook.folder / "asked").read_text().splitlines()
    assert set(asked) == {f"-5 {hook_user()} 0"} and len(asked) >= 4, asked
    assert w.server.states() == [DEFERRED, 2, 3, 4, 5]


def test_a_wait_behind_a_consent_is_told(make, hook):
    """Nothing is fetched: the image is in the manifest."""
    hook.write('test -e "$(dirname "$0")/yes"')
    w = make(authorize_program=hook.path, authorize_user=hook_user())
    then = int(time.time()) + HOUR
    install = [{"index": 0}, {"override": {"priority": 1, "wait": {"time": then}, "content": {"text": "c2"}}},
               "condition-authorized", "wait", "write"]
    w.begin(Variant(w.author.manifest([{"id": "config", "install": "write", "image": {"content": {"text": "c2"}}}],
                                      sequences={"install": install})))
    assert w.deferred() == "not authorized at its priority"
    (hook.folder / "yes").write_text("")
    assert w.deferred(2) == time.strftime("waits until %Y-%m-%dT%H:%M:%SZ", time.gmtime(then))
    assert w.server.states() == [DEFERRED, 3, DEFERRED]


def test_a_program_that_does_not_answer_says_no(make, hook):
    hook.write("sleep 60")
    w = make(authorize_program=hook.path, authorize_user=hook_user(), authorize_timeout_s=1)
    w.begin(w.variant(priority=0))
    w.deferred()
    w.goes_on(2)
    assert "authorize_program took too long" in (w.device.folder / "log").read_text()
    w.process.terminate()
    assert w.process.wait(30) == 0


def test_another_answer_before_the_installation_is_another_way(make, hook):
    """Not authorized, it fetches the whole configuration; authorized meanwhile, it goes the way that is for that."""
    hook.write('d="$(dirname "$0")"; test -e $d/asked && exit 0; touch $d/asked; exit 1')
    w = make(authorize_program=hook.path, authorize_user=hook_user())
    small = w.author.compressed(w.c2, "lzma")

    def fetch(index, file):
        return [{"index": index}, {"override": {"file": str(file), "uri": f"img/{digest(file)}"}}, "fetch", "condition-image-match"]

    sequences = {
        "payload-fetch": [{"try-each": [[{"index": 0}, {"override": {"priority": 1}}, "condition-authorized", *fetch(2, small)],
                                        fetch(1, w.c2)]}],
        "install": [{"try-each": [[{"index": 2}, {"override": {"file": str(small)}}, "condition-image-match", {"index": 0},
                                   {"override": {"source": 2}}, "copy", "condition-image-match"],
                                  [{"index": 0}, {"override": {"source": 1}}, "copy", "condition-image-match"]]}]}
    w.begin(Variant(w.author.manifest([part("config", w.c2, "dl/full", w.c2)] + areas("full", "lzma"), sequences=sequences),
                    w.c2, small))
    w.confirmed()
    assert {path for path, _ in w.server.blocks} == {f"img/{digest(f)}" for f in (w.c2, small)}
    assert w.server.states() == [2, 3, 2, 3, 4, 5] and "dl-0" not in w.left()
