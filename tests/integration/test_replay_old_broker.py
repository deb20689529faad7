"""--replay on Kafka 2.8.1 with ZooKeeper, the version of these users' clusters: `make check-brokers`."""

import pytest

from rig.kafka_zookeeper import KafkaWithZookeeper
from rig.replay import assert_exact, create_topics, load_posts, result

pytestmark = [pytest.mark.brokers, pytest.mark.promise("A replay is exactly once")]


@pytest.fixture(scope="module")
def old_kafka():
    with KafkaWithZookeeper() as server:
        yield server


@pytest.fixture
def pinfeed(mariadb, old_kafka, pinfeeds, database):
    load_posts(mariadb, database, 3000)
    made = pinfeeds(mariadb, old_kafka, database=database, settings={"replay": {"commit_rows": 100, "rate": 3000}})
    create_topics(old_kafka, made)
    return made


def test_a_killed_replay_is_exactly_once(pinfeed, mariadb, old_kafka, database):
    for rows in (300, 600, 900):
        pinfeed.start("--replay")
        pinfeed.wait_until(lambda: sum(max(old_kafka.end_offset(t), 0) for t in pinfeed.topics) > rows, 30, f"{rows} records")
        pinfeed.kill()
    done = result(pinfeed.run("--replay").expect_exit(0))
    assert all(stream["resumed_from"] for stream in done["streams"].values())
    assert_exact(mariadb, old_kafka, pinfeed, database)
