"""An author, and two images that end their launcher: what most tests of the agent begin with."""

import pytest

from agent_kit import Author, program


@pytest.fixture(scope="module")
def author(tmp_path_factory):
    return Author(tmp_path_factory.mktemp("author") / "a")


@pytest.fixture
def old(tmp_path):
    return program(tmp_path / "old", "old", "kill $PPID; exec sleep 20")


@pytest.fixture
def new(tmp_path):
    return program(tmp_path / "new", "new", "kill $PPID; exec sleep 20")
