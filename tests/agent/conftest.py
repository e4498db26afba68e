"""An author, and two images that end their launcher: what most tests of the agent begin with."""

import shutil

import pytest

from agent_kit import AGENT, Author, program


@pytest.fixture(scope="module")
def author(tmp_path_factory):
    return Author(tmp_path_factory.mktemp("author") / "a")


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    """The agent itself."""
    return shutil.copy(AGENT, tmp_path_factory.mktemp("firmware") / "agent")


@pytest.fixture
def old(tmp_path):
    return program(tmp_path / "old", "old", "kill $PPID; exec sleep 20")


@pytest.fixture
def new(tmp_path):
    return program(tmp_path / "new", "new", "kill $PPID; exec sleep 20")
