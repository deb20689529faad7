"""Sessions that the broker ends every ten seconds: a newer librdkafka authenticates again in place (KIP-368)."""

import re

import pytest

from rig import Identity, Kafka, posts, sent

IN_PLACE, CUT = "successful-reauthentication-total", "expired-connections-killed-count"


@pytest.fixture(scope="module")
def impatient_kafka():
    with Kafka(session_ms=10000) as server:
        yield server


def test_sessions_are_renewed_in_place_and_nobody_notices(mariadb, impatient_kafka, pinfeeds, database):
    kafka = impatient_kafka
    mariadb.load(posts.sql(500), database)
    pinfeed = pinfeeds(mariadb, kafka, kafka.allow(Identity()), database=database, settings={"emulate": {"rate": 50}})
    sent.create_topics(kafka, pinfeed)
    pinfeed.start()
    pinfeed.wait_until(lambda: kafka.sessions()[IN_PLACE] >= 4, 90, lambda: f"re-authenticated: {kafka.sessions()}")
    assert pinfeed.stop() == 0
    assert kafka.sessions()[CUT] == 0
    assert not re.search("error|warning|failed: [1-9]", pinfeed.log, re.IGNORECASE), pinfeed.log
    found = sent.records(kafka, pinfeed)
    assert len(sent.posts(found)) > 500
    sent.equal_rows(mariadb, database, found)
