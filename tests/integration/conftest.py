"""Databases that many tests read and none changes."""

import pytest

from rig import posts, replay, sent
from rig.follow import Follow
from rig.notify import Notify
from rig.replay import OneTable

SAMPLE_POSTS = 11154            # as many as the real tables have


@pytest.fixture(scope="session")
def _sample(mariadb_server):
    name = mariadb_server.create_database("sample")
    mariadb_server.load(posts.sql(SAMPLE_POSTS), name)
    return name


@pytest.fixture(scope="session")
def _pandas(mariadb_server):
    name = mariadb_server.create_database("pandas")
    mariadb_server.load(posts.sql(640, without_keys=True), name)
    return name


@pytest.fixture
def sample(_sample, mariadb):
    """Posts 0 .. SAMPLE_POSTS - 1, awkward ones among them, with primary keys."""
    return _sample


@pytest.fixture
def pandas(_pandas, mariadb):
    """Posts 0 .. 639 as pandas makes tables: no index, TEXT and BIGINT and DOUBLE columns."""
    return _pandas


@pytest.fixture
def emulate(mariadb, kafka, pinfeeds):
    """Makes pinfeeds whose topics are there: emulate(database, rate=1000, posts=10, ...) -> Pinfeed."""
    def make(database, partitions=1, identity=None, settings=None, env=None, **emulate):
        pinfeed = pinfeeds(mariadb, kafka, identity, database=database, env=env,
                           settings={"emulate": {"rate": 5000, **emulate}, **(settings or {})})
        sent.create_topics(kafka, pinfeed, partitions)
        return pinfeed
    return make


@pytest.fixture
def loaded(mariadb, kafka, pinfeeds, database):
    """Makes a pinfeed over so many posts of its own, whose topics are there: loaded(10, settings={...}) -> Pinfeed."""
    def make(count, without_keys=False, **kwargs):
        replay.load_posts(mariadb, database, count, without_keys=without_keys)
        pinfeed = pinfeeds(mariadb, kafka, database=database, **kwargs)
        replay.create_topics(kafka, pinfeed)
        return pinfeed
    return make


@pytest.fixture
def notify():
    """What a service manager hears; give notify.environment() to pinfeed."""
    with Notify() as listener:
        yield listener


@pytest.fixture
def table(mariadb, kafka, pinfeeds, database):
    return OneTable(mariadb, kafka, pinfeeds, database)


@pytest.fixture
def follow(mariadb, kafka, pinfeeds, database):
    yield Follow(mariadb, kafka, pinfeeds, database)
    mariadb.execute(f"REVOKE PROCESS ON *.* FROM '{mariadb.user}'@'%'", database=None)
