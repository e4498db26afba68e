"""Fixtures of API and scenario tests; the work is in harness.py."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import coap_peer  # noqa: E402
import contract  # noqa: E402
import harness  # noqa: E402

harness.Rest.observers.append(contract.observe)
coap_peer.Message.observers.append(contract.observe_coap)


@pytest.fixture(scope="session")
def pg():
    """A private PostgreSQL for the whole run.  Tests that stop it use own_pg.  It never loses its power, and
    makes hundreds of databases, so it need not wait for the disk."""
    cluster = harness.Postgres()
    cluster.sql("ALTER SYSTEM SET fsync = off")
    cluster.sql("SELECT pg_reload_conf()")
    yield cluster
    cluster.remove()


@pytest.fixture
def own_pg():
    """A PostgreSQL for one test, to be stopped and started."""
    cluster = harness.Postgres()
    yield cluster
    cluster.remove()


@pytest.fixture
def server(request, tmp_path):
    """Makes daemons: server() is a running one with a database and a CA of its own.

    server(settings={"coap.shards": 4}, start=False, cluster=own_pg, database=name, env={...})"""
    made = []

    def make(settings=None, start=True, cluster=None, database=None, env=None):
        cluster = cluster or request.getfixturevalue("pg")
        database = database or cluster.create_database()
        daemon = harness.Server(tmp_path / f"server-{len(made)}", cluster.dsn(database), settings, env)
        daemon.pg, daemon.database = cluster, database
        daemon.prepare()
        made.append(daemon)
        return daemon.start() if start else daemon

    yield make
    failures = []
    for daemon in made:
        try:
            daemon.close()
        except AssertionError as e:
            failures.append(str(e))
    assert not failures, "\n".join(failures)


@pytest.fixture
def daemon(server):
    """One running daemon with the default settings."""
    return server()


@pytest.fixture
def admin(daemon):
    """Its administrator's REST client."""
    return daemon.admin()
