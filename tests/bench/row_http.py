"""HTTPS with keep-alive: routes that the daemon answers from memory, on the loop's own thread, against a
ready-made answer of libmicrohttpd alone that is as long.  They stand for the device poll over HTTPS, which
is not there yet: what its transport, routing and dispatcher will cost, but no credential and no look into
the roster.  `https` answers JSON of one member, `https-json` one of twenty-one numbers, both written anew
for each request; a poll's answer is between the two."""

from rig import Row

CONNECTIONS, SMALL, LARGE = 64, "/livez", "/v1/limits"


def open_http(path):
    def do(rig):
        if "http" not in rig.shared:
            rig.shared["http"] = rig.daemon("http", {"http.threads": 1})
        server = rig.shared["http"]
        size = len(server.anonymous().get(path).content)
        rig.shared[f"bare{path}"] = rig.spawn("bare_http", server.state_dir / "server.crt",
                                              server.state_dir / "server.key", size)
    return do


def rate(rig, path, port, pid):
    done = rig.load("load_https", port, path, CONNECTIONS, rig.seconds, pid)
    if done["bad"] or not done["count"]:
        raise RuntimeError(f"the run was not clean: {done}")
    return done["count"] / done["server_cpu"]


def ours(path):
    return lambda rig: rate(rig, path, rig.shared["http"].https_port, rig.shared["http"].pid)


def bare(path):
    return lambda rig: rate(rig, path, rig.shared[f"bare{path}"].port(), rig.shared[f"bare{path}"].pid)


def row(key, title, path):
    return Row(key, f"{title} : libmicrohttpd's TLS hello", 0.80, ours(path), bare(path), open=open_http(path))


ROWS = [row("https", "HTTPS keep-alive, a small JSON answer from memory", SMALL),
        row("https-json", "HTTPS keep-alive, 21 numbers as JSON", LARGE)]
