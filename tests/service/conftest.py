"""Fixtures: a machine with pinfeed installed as `make install` does it, and the real servers on that machine's loopback."""

import pathlib
import subprocess

import pytest

from installation import Installation
from machine import Nspawn, booted, why_not
from rig import Identity, Kafka, MariaDB

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """What `make install` puts where, below a directory."""
    directory = tmp_path_factory.mktemp("installed")
    made = subprocess.run(["make", "--no-print-directory", "-C", ROOT, "install", f"DESTDIR={directory}"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert made.returncode == 0, made.stdout
    return directory


@pytest.fixture(scope="session")
def machine(request):
    yield from booted(Nspawn, why_not(), request)


@pytest.fixture(scope="session")
def network(machine):
    """From here on the tests, and the servers that they start, use the machine's loopback."""
    with machine.network():
        yield


@pytest.fixture(scope="session")
def mariadb_server(network):
    with MariaDB() as server:
        server.execute(*Installation.TABLES)
        yield server


@pytest.fixture(scope="session")
def kafka_server(network):
    with Kafka(session_ms=30000) as server:
        yield server


@pytest.fixture
def pinfeed(machine, mariadb, kafka):
    """pinfeed, configured so that it works, with topics of its own; not started."""
    with Installation(machine, mariadb, kafka, kafka.allow(Identity())) as installation:
        yield installation
