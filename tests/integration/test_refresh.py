"""A daemon whose sessions the broker cuts and whose credentials are replaced all the time: nothing is lost, and nothing
is said unless there is something to do."""

import re
import threading
import time

import pytest

from rig import Kafka, Metadata, sent, wait_until

SESSION_S, ROTATION_S = 5, 10

pytestmark = pytest.mark.promise("Nothing is lost")


@pytest.fixture(scope="module")
def cutting_broker():
    with Kafka(session_ms=SESSION_S * 1000) as server:
        yield server


@pytest.fixture
def broker(cutting_broker):
    yield cutting_broker.start()
    cutting_broker.recover()


@pytest.fixture
def instance(broker):
    """Instance metadata whose credentials are replaced every ROTATION_S and last twice as long, all of one role."""
    def on_new(identity, expires_s):
        broker.allow(identity, principal="role", expires_s=expires_s)
    over = threading.Event()

    def rotate():       # by the clock, whether anybody asks or not
        while not over.wait(ROTATION_S):
            service.rotate()

    with Metadata(lifetime_s=2 * ROTATION_S, on_new=on_new) as service:
        rotator = threading.Thread(target=rotate)
        rotator.start()
        yield service
        over.set()
        rotator.join()


@pytest.fixture
def daemon(pinfeeds, mariadb, broker, instance, sample):
    """A daemon that feeds; its topics are there."""
    pinfeed = pinfeeds(mariadb, broker, iam=True, region="us-east-1", database=sample, env=instance.environment(),
                       settings={"emulate": {"rate": 200}})
    sent.create_topics(broker, pinfeed)
    pinfeed.start()
    pinfeed.wait_until(lambda: broker.end_offset(pinfeed.topic("pin")) > 0, 30, "posts arrive")
    return pinfeed


def alarms(pinfeed):
    return [line for line in pinfeed.lines() if re.search(r"warning|error|fail(?!ed\b)|refus", line, re.IGNORECASE)
            and "0 failed" not in line]


def stop_and_count(pinfeed, broker):
    """Ends it well; how many posts there are. Each topic has the same ones."""
    assert pinfeed.stop() == 0, pinfeed.log
    return len(sent.posts(sent.records(broker, pinfeed)))


def feed_for(pinfeed, broker, instance, seconds):
    since = broker.token_count()
    began = time.time()
    # Sessions end every SESSION_S and each time the broker is shown a token.
    enough = seconds // SESSION_S - 1
    pinfeed.wait_until(lambda: time.time() - began >= seconds and len(broker.tokens(since).accepted) >= enough, seconds + 60,
                       "sessions end")
    # 200 a second are due; sessions that end hardly slow it.
    pinfeed.wait_until(lambda: broker.end_offset(pinfeed.topic("pin")) > 200 * seconds * 0.7, seconds, "posts arrive")
    tokens = broker.tokens(since)
    assert not tokens.rejected
    used = {t.access_key for t in tokens.accepted}
    # A token from fresh credentials lasts as long as they, and the next one is due at 80% of that.
    refreshes = seconds // (2 * ROTATION_S)
    assert used <= {i.access_key for i in instance.credentials.identities} and len(used) > refreshes
    assert all(t.end_ms > t.at_ms for t in tokens.accepted)
    stop_and_count(pinfeed, broker)
    assert not alarms(pinfeed), alarms(pinfeed)
    # One word on tokens: that there are others is no news.
    assert len(re.findall(r"token: .*signed", pinfeed.log)) == 1, pinfeed.log
    assert len(instance.asked("GET", "/latest/meta-data/iam/security-credentials/pinfeed-role")) > refreshes


def test_sessions_that_end_and_credentials_that_are_replaced_lose_nothing_and_are_no_news(daemon, broker, instance):
    feed_for(daemon, broker, instance, 25)


@pytest.mark.long
def test_the_same_for_three_minutes(daemon, broker, instance):
    feed_for(daemon, broker, instance, 180)


@pytest.mark.soak
def test_the_same_for_ten_minutes(daemon, broker, instance):
    feed_for(daemon, broker, instance, 600)


def test_a_broker_that_refuses_everybody_for_a_while_loses_nothing(daemon, broker):
    broker.refuse_everybody()
    since = broker.token_count()
    wait_until(lambda: len(broker.tokens(since).rejected) >= 3, 40, "the broker refuses tokens")
    broker.refuse_everybody(False)
    before = broker.end_offset(daemon.topic("pin"))
    daemon.wait_until(lambda: broker.end_offset(daemon.topic("pin")) > before + 100, 40, "posts arrive again")
    assert stop_and_count(daemon, broker) > 300


def test_metadata_that_is_away_is_warned_of_once_and_its_return_is_said(pinfeeds, mariadb, broker, sample):
    def on_new(identity, expires_s):
        broker.allow(identity, principal="role", expires_s=expires_s)
    with Metadata(lifetime_s=25, on_new=on_new) as instance:
        pinfeed = pinfeeds(mariadb, broker, iam=True, database=sample, env=instance.environment(),
                           settings={"emulate": {"rate": 50}})
        sent.create_topics(broker, pinfeed)
        pinfeed.start()
        pinfeed.wait_for("AWS credentials from IMDS", 30)
        instance.fail(status=503)
        pinfeed.wait_for(r"can't be refreshed, those from IMDS \(role pinfeed-role\) are valid for another \d+ min \d+ s", 60)
        instance.rotate()
        instance.heal()
        pinfeed.wait_for("AWS credentials are refreshed again: from IMDS", 60)
        log = pinfeed.log
        assert log.count("can't be refreshed") == 1
        stop_and_count(pinfeed, broker)


def test_stopping_does_not_wait_for_metadata_that_hangs(pinfeeds, mariadb, broker, sample):
    with Metadata() as instance:
        instance.fail(hang=True)
        pinfeed = pinfeeds(mariadb, broker, iam=True, database=sample, env=instance.environment())
        pinfeed.start()
        pinfeed.wait_until(lambda: instance.requests, 20, "it asks")
        pinfeed.stop()
