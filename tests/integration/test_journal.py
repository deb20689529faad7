"""What the journal of a service that runs for years is not filled with."""

import re
import signal
import time

import pytest

from rig import Kafka, sent, wait_until


@pytest.fixture(scope="module")
def hasty():
    """A broker that closes what has been idle for a second."""
    with Kafka(options={"connections.max.idle.ms": 1000}) as server:
        yield server


def news(pinfeed):
    return [line for line in pinfeed.log.splitlines() if "pinfeed: debug: " not in line]


def test_connections_that_a_broker_closes_for_idleness_are_no_news(hasty, mariadb, pinfeeds, sample):
    pinfeed = pinfeeds(mariadb, hasty, database=sample, settings={
        "emulate": {"rate": 0.3}, "pinfeed": {"stats_interval": 3600, "log_level": "debug"}})
    sent.create_topics(hasty, pinfeed)
    pinfeed.start()
    closed = r"debug: librdkafka: FAIL: .*Disconnected"
    pinfeed.wait_until(lambda: len(re.findall(closed, pinfeed.log)) >= 3, 120, "three connections are closed")
    assert pinfeed.stop() == 0
    # What it sends, the figures, the end.
    assert len(news(pinfeed)) == 3, pinfeed.log
    sent.posts(sent.records(hasty, pinfeed))


def test_what_is_interrupted_again_and_again_is_said_once_and_the_status_tells_the_rest(emulate, mariadb, sample, kafka, notify):
    pinfeed = emulate(sample, rate=50, env=notify.environment()).start()
    pinfeed.wait_for("sends 50 posts a second", 20)
    for _ in range(3):
        pinfeed.wait_until(lambda: notify.status().startswith("Sends 50"), 30, "it sends")
        mariadb.stop()
        pinfeed.wait_until(lambda: re.fullmatch(r"Waiting: MySQL: can't connect.* \(since [\dT:-]+Z\)\. "
                                                r"Sends 50 posts a second: [\d,]+ so far, 0\.0/s lately", notify.status()), 30,
                           lambda: f"the status says it: {notify.status()}")
        mariadb.start()
    pinfeed.wait_until(lambda: notify.status().startswith("Sends 50"), 30, "it sends")
    assert len(re.findall("keeps trying", pinfeed.log)) == len(re.findall("answers again", pinfeed.log)) == 1, pinfeed.log
    # Nor a line a second without a post.
    assert "(+0, " not in pinfeed.log
    assert pinfeed.stop() == 0
    sent.posts(sent.records(kafka, pinfeed))


def test_a_follow_says_nothing_of_intervals_without_news(follow, notify):
    follow.make("INSERT INTO t VALUES (1, 'a')", follow={"interval": 0.7})
    follow.pinfeed.env.update(notify.environment())
    follow.see_transactions().start().wait_for_rows(1)
    wait_until(lambda: not follow.gaps() or follow.insert() or time.sleep(0.3), 30, "nothing is missing")
    rows = follow.execute("SELECT COUNT(*) FROM t")[0][0]
    follow.pinfeed.wait_for(rf"{rows} rows \(\+\d+, [\d.]+/s\), lag [\d.]+ s$", 20)
    told, statuses = follow.pinfeed.log, set()
    wait_until(lambda: statuses.add(notify.status()) or len(statuses) > 4, 60, "some intervals pass, as the status shows")
    assert follow.pinfeed.log == told
    follow.pinfeed.send_signal(signal.SIGUSR1)
    follow.pinfeed.wait_for(rf"{rows} rows \(\+0, 0.0/s\)", 10)
    assert follow.pinfeed.stop() == 0
