"""A device has one certificate: the last one.  Older ones are still good by their signature and
their dates, and open nothing."""

from test_coap_traps import devices, make_devices, request_for  # noqa: F401


def let_in(peer):
    """Does it get an answer before it is sent away?"""
    answer = peer.get("/update", timeout=4)
    return answer is not None and not peer.closed


def give_new_certificate(devices, name, path, **body):  # noqa: F811
    key, csr = request_for(name)
    made = devices.admin.post(path, {**body, "csr": csr})
    assert made.status_code in (200, 201), made.text
    devices.keep(name, key, made.json()["certificate_pem"])
    return made.json()


def keep(devices, name, other):  # noqa: F811
    """Another name for the certificate that the device has now."""
    files = [devices.folder / f"{other}.{kind}" for kind in ("crt", "key")]
    for file in files:
        file.write_bytes((devices.folder / f"{name}{file.suffix}").read_bytes())
    devices.credentials[other] = {"cert": tuple(files), "ca": devices.server.ca_path}


def test_only_the_last_certificate_counts(devices):  # noqa: F811
    name = devices.add("cert")
    assert let_in(devices.session(name))
    keep(devices, name, "first")
    made = give_new_certificate(devices, name, f"/v1/devices/{name}/credential")
    assert not let_in(devices.session("first")), "a full handshake with the replaced one"
    assert let_in(devices.session(name))

    keep(devices, name, "second")
    gone = devices.admin.delete(f"/v1/devices/{name}", headers={"If-Match": f'"{made["revision"]}"'})
    assert gone.status_code == 204
    assert not let_in(devices.session("second")), "nobody's now"
    give_new_certificate(devices, name, "/v1/devices", endpoint=name)
    assert not let_in(devices.session("first"))
    assert not let_in(devices.session("second")), "a device of the same name is another one"
    assert let_in(devices.session(name))

    devices.server.restart()
    assert not let_in(devices.session("second")), "the database knows it as well"
    assert let_in(devices.session(name))
