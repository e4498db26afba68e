"""The registry of errors, its documentation, the route table and api/openapi.yaml agree."""

import re

import contract
from harness import ROOT

ROLES = {"ROLE_ANY": set(), "ROLE_ADMIN": {"admin"}, "ROLE_OPERATOR": {"operator"}, "ROLE_PUBLISHER": {"publisher"},
         "ROLE_VIEWER": {"viewer"}, "ROLES_READ": {"viewer", "publisher", "operator", "admin"}}
STATUS = {"RC_INVALID": 400, "RC_UNAUTHENTICATED": 401, "RC_DENIED": 403, "RC_NOT_FOUND": 404, "RC_METHOD": 405,
          "RC_NOT_ACCEPTABLE": 406, "RC_INCOMPLETE": 408, "RC_CONFLICT": 409, "RC_GONE": 410, "RC_STALE": 412,
          "RC_TOO_LARGE": 413, "RC_MEDIA": 415, "RC_UNPROCESSABLE": 422, "RC_PRECONDITION": 428, "RC_LIMIT": 429,
          "RC_UNAVAILABLE": 503, "RC_STORAGE": 507, "RC_INTERNAL": 500}


def registry():
    text = (ROOT / "base/err.def").read_text()
    return {code: STATUS[rc] for code, rc in re.findall(r'^ERR\(\w+, "([a-z-]+)", (RC_\w+),', text, re.M)}


def routes():
    text = (ROOT / "api/routes.def").read_text()
    return re.findall(r'^ROUTE\((\w+), "([^"]+)", (VIA_\w+), ([\w |]+), (\w+), \w+, "(\w+)"(.*)\)$', text, re.M)


def test_every_route_is_described_and_nothing_else():
    table = {(path, method.lower()): (operation, roles)
             for method, path, via, roles, _, operation, _ in routes() if via == "VIA_HTTP"}
    described = {(path, method): o for path, method, o in contract.operations()}
    assert len(table) > 40
    assert set(table) == set(described)
    for key, (operation, roles) in table.items():
        assert described[key]["operationId"] == operation
        expected = set().union(*(ROLES[r.strip()] for r in roles.split("|")))
        assert set(described[key]["x-roles"]) == expected, operation
        assert (described[key].get("security") == []) == (not expected), operation


def test_if_match_is_described_where_it_is_required():
    for method, path, via, _, _, operation, rest in routes():
        if via != "VIA_HTTP":
            continue
        o = contract.SPEC["paths"][path][method.lower()]
        refs = [p["$ref"].rsplit("/")[-1] for p in o.get("parameters", [])]
        assert ("if_match = true" in rest) == ("IfMatch" in refs), operation
        assert ("precondition-required" in o["x-errors"]) == ("IfMatch" in refs), operation


def test_every_code_has_its_paragraph_and_status():
    codes = registry()
    assert len(codes) > 30
    assert list(codes) == sorted(codes)
    paragraphs = dict(re.findall(r"^## ([a-z-]+)\n(.+)$", (ROOT / "docs/errors.md").read_text(), re.M))
    assert set(paragraphs) == set(codes)
    for code, status in codes.items():
        first = re.match(r"([0-9.]+)", paragraphs[code]).group(1).rstrip(".")
        if "." not in first:  # CoAP's alone have no HTTP status
            assert int(first) == status, code


def test_errors_of_operations_are_in_the_registry_with_their_statuses():
    codes = registry()
    for _, _, o in contract.operations():
        assert set(o["x-errors"]) <= set(codes), o["operationId"]
        expected = {str(codes[c]) for c in o["x-errors"]}
        described = {s for s in o["responses"] if int(s) >= 400}
        assert expected == described, o["operationId"]
        for status in described:
            assert o["responses"][status]["$ref"].endswith("Problem" + status)


def test_path_parameters_are_described():
    for path, item in contract.SPEC["paths"].items():
        names = [contract.resolve(p)["name"] for p in item.get("parameters", [])]
        assert names == re.findall(r"{(\w+)}", path)


def test_unused_schemas_and_parameters():
    text = (ROOT / "api/openapi.yaml").read_text()
    for kind in ("schemas", "parameters", "responses", "headers"):
        for name in contract.SPEC["components"][kind]:
            assert f"'#/components/{kind}/{name}'" in text, f"nothing uses {kind}/{name}"
