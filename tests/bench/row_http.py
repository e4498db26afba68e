"""HTTPS with keep-alive: a route that the daemon answers from memory, against a ready-made answer of
libmicrohttpd alone.  It stands for the device poll over HTTPS, which is not there yet; nobody has to
prove who they are on this route."""

from rig import Row

CONNECTIONS, PATH = 64, "/v1/limits"


def open_http(rig):
    server = rig.daemon("http", {"http.threads": 1})
    size = len(server.anonymous().get(PATH).content)
    rig.shared["http"] = server
    rig.shared["bare-http"] = rig.spawn("bare_http", server.state_dir / "server.crt", server.state_dir / "server.key",
                                        size)


def rate(rig, port, pid):
    done = rig.load("load_https", port, PATH, CONNECTIONS, rig.seconds, pid)
    if done["bad"] or not done["count"]:
        raise RuntimeError(f"the run was not clean: {done}")
    return done["count"] / done["server_cpu"]


def ours(rig):
    server = rig.shared["http"]
    return rate(rig, server.https_port, server.pid)


def bare(rig):
    twin = rig.shared["bare-http"]
    return rate(rig, twin.port(), twin.pid)


ROWS = [Row("https", "HTTPS keep-alive, a route from memory : libmicrohttpd's TLS hello", 0.80, ours, bare, open=open_http)]
