"""Fixtures: the real servers, started once and only if a test asks for them."""

import pathlib
import signal
import sys

import pytest
from xdist.scheduler import LoadScopeScheduling

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from rig import Identity, Kafka, MariaDB, Metadata, MySQL, Pinfeed, Sts, paths  # noqa: E402
from rig.mysql import MYSQLD  # noqa: E402
from rig.pinfeed import new_user_id  # noqa: E402

# Ignored by whoever started us, it would hide how our children end.
signal.signal(signal.SIGCHLD, signal.SIG_DFL)


# Files whose tests share what is made once for them: a server, what `make` builds.
TOGETHER = ("test_install.py", "test_layers.py", "test_refresh.py", "test_mysql.py", "test_replay_old_broker.py")


class _Scheduling(LoadScopeScheduling):
    """Tests go to workers one by one, but those of such a file to one worker."""

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return file if file.endswith(TOGETHER) else nodeid


def pytest_xdist_make_scheduler(config, log):
    return _Scheduling(config, log)


def pytest_runtest_setup(item):
    if item.get_closest_marker("memory") and paths.is_instrumented():
        pytest.skip("a sanitizer's own memory would count")


# Files with tests that take long, longest ones first.
LONG = ("test_mysql", "test_replay_kill", "test_refresh", "test_replay_faults", "test_follow", "test_journal", "test_replay_steps",
        "test_verify", "test_demo", "test_emulate_faults", "test_replay_late", "test_rig.py", "test_replay_cursor",
        "test_emulate_large", "test_credentials", "test_status", "test_replay.py")


def pytest_collection_modifyitems(items):
    """What takes long begins first: short ones fill what is left at the end."""
    def rank(item):
        return next((i for i, begin in enumerate(LONG) if item.fspath.basename.startswith(begin)), len(LONG))
    items.sort(key=rank)


@pytest.fixture(scope="session")
def mariadb_server():
    """MariaDB, or what PINFEED_TEST_MYSQLD runs."""
    with (MySQL() if MYSQLD else MariaDB()) as server:
        yield server


@pytest.fixture
def mariadb(mariadb_server):
    """The shared server, running; a test may stop, kill and freeze it."""
    yield mariadb_server.start()
    mariadb_server.recover()


@pytest.fixture(scope="session")
def kafka_server():
    with Kafka(session_ms=30000) as server:
        yield server


@pytest.fixture
def kafka(kafka_server):
    """The shared broker, running, letting in nobody but whom the test allows; a test may stop, kill and freeze it."""
    yield kafka_server.start()
    kafka_server.recover()


@pytest.fixture
def database(mariadb):
    """The name of an empty database of this test alone."""
    name = mariadb.create_database()
    yield name
    mariadb.start().kill_connections()          # a query that still runs would hold the tables
    mariadb.drop_database(name)


@pytest.fixture
def user_id():
    return new_user_id()


@pytest.fixture
def identity(kafka):
    """Somebody whom the broker lets in."""
    return kafka.allow(Identity())


@pytest.fixture
def metadata():
    with Metadata() as service:
        yield service


@pytest.fixture
def sts():
    with Sts() as service:
        yield service


@pytest.fixture
def pinfeeds():
    """Makes pinfeeds that are ended with the test: pinfeeds(mariadb, kafka, ...) -> Pinfeed."""
    made = []

    def make(*args, **kwargs):
        made.append(Pinfeed(*args, **kwargs))
        return made[-1]
    yield make
    for pinfeed in made:
        pinfeed.close()
