"""At the end of a whole run: was every operation exercised, every documented error produced?"""

import pytest

import contract
from test_contract import registry

# What no test can bring about over a real transport at will, with the test that has it instead.
ELSEWHERE = {
    "revoked": "a request that overtakes the end of its session: tests/store/test_dispatch.c",
}


@pytest.fixture(autouse=True)
def whole_run(request):
    config = request.config
    named = [a for a in config.args if "test_" in a.rsplit("/", 1)[-1]]
    if config.option.keyword or config.option.markexpr or named or getattr(config.option, "lf", False):
        pytest.skip("only a part of the tests runs")


def test_every_operation_was_exercised():
    missing = {o["operationId"] for _, _, o in contract.operations()} - contract.exercised
    assert not missing, f"no test had a good answer from {sorted(missing)}"


def test_every_error_was_produced():
    missing = set(registry()) - contract.codes - set(ELSEWHERE)
    assert not missing, f"no test produced {sorted(missing)}"
