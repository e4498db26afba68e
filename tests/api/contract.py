"""Holds the server to api/openapi.yaml: every answer that any test gets through harness.Rest is
checked against it, and what was seen is remembered for test_zz_contract.py."""

import json
import re
import urllib.parse

import cbor2
import jsonschema
import yaml

from harness import ROOT

SPEC = yaml.safe_load((ROOT / "api/openapi.yaml").read_text())
URN = "urn:muster:error:"
METHODS = ("get", "post", "put", "patch", "delete")
# What any request may meet: no such path, no such method, a request that cannot be parsed.
GENERAL = {"not-found", "method", "bad-request", "unauthenticated", "unavailable"}

# What no peer is told: places in the source, words of the database, folders of this machine.
INDISCREET = re.compile(r'\.[ch]:\d+|libpq|SQLSTATE|PGRES|relation "|constraint "|violates|syntax error at|'
                        r"server closed the connection|/pytest|/muster-|/state/|0x[0-9a-f]{8,}")

exercised = set()  # operationIds that succeeded
codes = set()      # error codes that were produced, over either transport


def _resolver():
    return jsonschema.RefResolver.from_schema(SPEC)


def _pattern(path):
    return re.compile("^" + re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "$")


_paths = [(_pattern(path), item) for path, item in SPEC["paths"].items()]


def operations():
    """(path, method, operation) of the whole description."""
    for path, item in SPEC["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def resolve(node):
    """The thing itself, when node is a reference."""
    while "$ref" in node:
        found = SPEC
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def check_schema(value, schema):
    jsonschema.Draft202012Validator(schema, resolver=_resolver()).validate(value)


def _find(method, path):
    for pattern, item in _paths:
        if pattern.match(path):
            return item.get("get" if method == "HEAD" else method.lower())
    return None


def check_discreet(text):
    found = INDISCREET.search(text)
    assert not found, f"an answer tells {found.group()!r}: {text}"


def _check_problem(answer, operation):
    problem = answer.json()
    check_discreet(answer.text)
    check_schema(problem, SPEC["components"]["schemas"]["Problem"])
    assert problem["status"] == answer.status_code
    code = problem["type"].removeprefix(URN)
    allowed = GENERAL | set(operation["x-errors"]) if operation else GENERAL
    assert code in allowed, f"{code} is not documented for {operation and operation['operationId']}"
    codes.add(code)


def _check_body(answer, response, head):
    content = response.get("content")
    if not content:
        assert answer.content == b"", "a body that is not described"
        return
    kind = answer.headers["Content-Type"].split(";")[0]
    assert kind in content, f"content type {kind} is not described"
    schema = content[kind].get("schema")
    if schema and not head:
        check_schema(answer.json(), schema)


def observe(method, path, headers, kw, answer):
    """Checks one answer; called by harness.Rest."""
    path = urllib.parse.unquote(urllib.parse.urlsplit(path).path)
    operation = _find(method, path)
    where = f"{method} {path} -> {answer.status_code}: {answer.content[:500]!r}"
    try:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        problem = answer.headers.get("Content-Type") == "application/problem+json"
        if answer.status_code >= 400:
            assert problem or answer.status_code in (414, 431), "a failure is a problem"
        if problem and method != "HEAD":
            _check_problem(answer, operation)
        if not operation:
            assert answer.status_code >= 400, "it is not described"
            return
        code = str(answer.status_code)
        assert code in operation["responses"] or problem, "the status is not described"
        if answer.status_code < 400:
            response = resolve(operation["responses"][code])
            _check_body(answer, response, method == "HEAD")
            for name in response.get("headers", {}):
                assert name in answer.headers, f"the header {name} is missing"
            exercised.add(operation["operationId"])
    except (AssertionError, jsonschema.ValidationError, KeyError, json.JSONDecodeError) as e:
        raise AssertionError(f"the answer breaks api/openapi.yaml: {where}\n{e}") from e


def observe_coap(message):
    """Checks the problems (RFC 9290) among CoAP's answers; called by coap_peer.Message."""
    if message.code >> 5 not in (4, 5) or message.value(12) != 257:
        return
    try:
        problem = cbor2.loads(message.payload)
    except (ValueError, cbor2.CBORDecodeError):
        return  # cut short, or garbage on purpose: tests of their own judge that
    assert {-1, -4} <= set(problem) <= {-1, -2, -4}, problem
    assert problem[-4].startswith(URN), problem
    check_discreet(str(problem.get(-2)))
    codes.add(problem[-4].removeprefix(URN))
