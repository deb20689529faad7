"""Requests that arrive when nobody thinks of them any more: kept on their way while --replay asked again and went on."""

import signal

import pytest

from rig import Kafka, wait_until
from rig.kafka_newest import KafkaNewest
from rig.kafka_zookeeper import KafkaWithZookeeper
from rig.proxy import END_TXN, PRODUCE, TXN_OFFSET_COMMIT, Proxy
from rig.replay import assert_same, expected_rows, records, result, starts_over

ROWS = 6000

BROKERS = {"3.9": Kafka, "2.8": KafkaWithZookeeper, "4.1": KafkaNewest}


@pytest.fixture(scope="module", params=["3.9", pytest.param("2.8", marks=pytest.mark.long),
                                        pytest.param("4.1", marks=pytest.mark.long)])
def broker(request):
    proxy = Proxy()
    with proxy.listen_behind(BROKERS[request.param]()) as kafka:
        kafka.proxy = proxy
        yield kafka
    proxy.close()


class Late:
    """A replay of 6,000 rows in transactions of 500 that takes some seconds; the first EndTxn, and the first cursor, are
    those of its claim."""

    def __init__(self, mariadb, broker, pinfeeds, database):
        self.mariadb, self.broker, self.proxy, self.database = mariadb, broker, broker.proxy, database
        mariadb.execute("CREATE TABLE t (k INT NOT NULL, v TEXT, KEY (k))",
                        f"INSERT INTO t SELECT seq, REPEAT('x', 1000) FROM seq_1_to_{ROWS}", database=database)
        self.pinfeed = pinfeeds(mariadb, broker, database=database, settings={
            "stream t": {"table": "t", "key": "k"}, "replay": {"commit_rows": 500, "rate": 1500},
            "kafka": {"bootstrap.servers": broker.proxy.bootstrap, "socket.timeout.ms": 2000,
                      "transaction.timeout.ms": 20000, "reconnect.backoff.ms": 100, "batch.num.messages": 20}})
        self.topic = broker.create_topic(self.pinfeed.topic("t"))

    def start(self, api_key, nth, *options, answers=3):
        self.proxy.keep(api_key, nth, answers)
        self.pinfeed.start("--replay", "--streams=t", *options)
        return self

    def wait_until_released(self):
        self.pinfeed.wait_until(self.proxy.released.is_set, 60, "what was kept has arrived")
        wait_until(lambda: self.proxy.answer, 10, "the broker answered it")

    def finish(self):
        done = result(self.pinfeed.expect_exit(0, 90))
        self.assert_exact()
        return done

    def assert_exact(self):
        assert_same(records(self.broker, self.topic), expected_rows(self.mariadb, self.database, "t", "k"), "t")


@pytest.fixture
def late(mariadb, broker, pinfeeds, database):
    return Late(mariadb, broker, pinfeeds, database)


# The produce requests are not those of the claim.
KEPT = pytest.mark.parametrize("api_key, nth", [(END_TXN, 3), (TXN_OFFSET_COMMIT, 3), (PRODUCE, 30)],
                               ids=["EndTxn", "TxnOffsetCommit", "Produce"])


@KEPT
def test_a_run_that_goes_on_is_exactly_once(late, api_key, nth):
    late.start(api_key, nth)
    late.wait_until_released()
    assert late.finish()["totals"]["rows"] == ROWS
    if api_key != PRODUCE:
        assert not starts_over(late.pinfeed)     # the commit was done: that is no failure


@KEPT
def test_a_crash_after_it_arrived_is_exactly_once(late, api_key, nth):
    late.start(api_key, nth)
    late.wait_until_released()
    late.pinfeed.kill()
    late.pinfeed.start("--replay", "--streams=t")
    late.finish()


@KEPT
def test_a_transaction_given_up_after_it_arrived_is_exactly_once(late, api_key, nth):
    late.start(api_key, nth)
    late.wait_until_released()
    late.mariadb.kill_connections()
    assert late.finish()["totals"]["rows"] == ROWS


def test_a_stop_says_what_is_in_doubt(late):
    late.start(END_TXN, 3, "--set=kafka.socket.timeout.ms=15000", answers=10**9)
    late.pinfeed.wait_until(lambda: late.proxy.kept, 30, "the commit is under way")
    late.pinfeed.send_signal(signal.SIGTERM)
    late.pinfeed.expect_exit(1, 13)
    stopped = result(late.pinfeed)["streams"]["t"]
    assert (stopped["rows"], stopped["in_doubt"], stopped["complete"]) == (500, 500, False)
    assert "not known whether the last 500 rows were committed" in late.pinfeed.log
    late.pinfeed.start("--replay", "--streams=t")
    late.finish()
