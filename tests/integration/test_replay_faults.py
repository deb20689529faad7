"""--replay while its broker, its database, its disk or itself fail: every row once, in order, byte for byte."""

import os
import re
import signal
import subprocess
import time

import pytest

from rig import wait_until
from rig.replay import assert_same, cursor, expected_rows, records, result, starts_over
from rig.steps import Steps

pytestmark = pytest.mark.promise("A replay is exactly once")

ROWS = 1500


class Feed:
    """One stream of ROWS rows that takes three seconds, in transactions of 100 rows. The rows are so large that the
    database can't have sent them all ahead."""

    def __init__(self, mariadb, kafka, pinfeeds, database):
        self.mariadb, self.kafka, self.pinfeeds, self.database = mariadb, kafka, pinfeeds, database
        mariadb.execute("CREATE TABLE t (k INT NOT NULL, v TEXT)",
                        f"INSERT INTO t SELECT seq, CONCAT('row ', seq, REPEAT('x', 10000)) FROM seq_1_to_{ROWS}", database=database)
        self.pinfeed = self.make()
        self.topic = kafka.create_topic(self.pinfeed.topic("t"))
        self.steps = Steps(self.pinfeed.directory / "steps")

    def make(self, **more):
        """Another pinfeed for the same stream."""
        return self.pinfeeds(self.mariadb, self.kafka, database=self.database, **more, settings={
            "stream t": {"table": "t", "key": "k"}, "replay": {"commit_rows": 100, "rate": 500},
            # On a busy machine a server takes its time to come back; what outlives its transaction is another test.
            "kafka": {"transaction.timeout.ms": 300000}})

    def unique(self):
        self.mariadb.execute("ALTER TABLE t ADD PRIMARY KEY (k)", database=self.database)
        return self

    def start(self, *options, do=""):
        self.pinfeed.env.update({k: str(v) for k, v in self.steps.environment(do).items()})
        self.pinfeed.start("--replay", "--streams=t", *options)
        return self

    def flowing(self, rows=150):
        self.pinfeed.wait_until(lambda: self.steps.calls("produce") > rows, 40, f"{rows} rows were sent")
        return self

    def finish(self, deadline_s=90):
        """Has to end well, and to have sent everything exactly once; returns the result."""
        done = result(self.pinfeed.expect_exit(0, deadline_s))
        self.assert_exact()
        assert done["complete"] and done["totals"]["rows"] == ROWS
        return done

    def assert_exact(self, isolation="read_committed"):
        assert_same(records(self.kafka, self.topic, isolation), expected_rows(self.mariadb, self.database, "t", "k"), "t")

    def assert_nothing_aborted(self):
        self.assert_exact("read_uncommitted")


@pytest.fixture
def feed(mariadb, kafka, pinfeeds, database):
    return Feed(mariadb, kafka, pinfeeds, database)


# ---- the broker -----------------------------------------------------------------------------------------------------

def test_the_broker_is_restarted(feed, kafka):
    feed.start().flowing()
    kafka.restart()
    feed.finish()
    feed.assert_nothing_aborted()


@pytest.mark.long
def test_the_broker_is_killed(feed, kafka):
    feed.start().flowing()
    kafka.kill()
    kafka.start()
    feed.finish()


def test_the_broker_is_frozen(feed, kafka):
    feed.start().flowing()
    kafka.freeze()
    time.sleep(3)
    kafka.thaw()
    feed.finish()
    feed.assert_nothing_aborted()


@pytest.mark.long
def test_the_broker_is_frozen_for_longer_than_a_transaction(feed, kafka):
    feed.start("--set=kafka.transaction.timeout.ms=5000", "--set=kafka.socket.timeout.ms=3000").flowing()
    kafka.freeze()
    time.sleep(12)
    kafka.thaw()
    feed.finish(120)


@pytest.mark.parametrize("call", ["offsets", pytest.param("commit", marks=pytest.mark.long)])
def test_the_coordinator_is_away_in_the_middle_of_a_commit(feed, kafka, call):
    """The broker dies after the cursor was sent, or before it; it comes back while the call is repeated."""
    feed.start(do=f"{call}:before:4:1500")
    feed.pinfeed.wait_until(lambda: feed.steps.calls("commit") == 3, 30, "three commits")
    feed.flowing(feed.steps.calls("produce") + 50)
    kafka.kill()
    kafka.start()
    feed.finish()


def test_the_coordinator_is_away_at_the_start(feed, kafka):
    kafka.freeze()
    feed.pinfeed.start("--replay", "--streams=t")
    time.sleep(2)
    kafka.thaw()
    feed.finish()


# ---- the database ---------------------------------------------------------------------------------------------------

def test_mariadb_is_restarted(feed, mariadb):
    feed.unique().start().flowing()
    mariadb.restart()
    feed.finish()
    feed.assert_nothing_aborted()               # the key is unique: what was sent could be committed


def test_mariadb_is_killed(feed, mariadb):
    feed.start().flowing()
    mariadb.kill()
    mariadb.start()
    feed.finish()


def test_the_connection_is_killed(feed, mariadb):
    feed.unique().start()
    for rows in (150, 400, 900):
        feed.flowing(rows)
        mariadb.kill_connections()
    feed.finish()
    feed.assert_nothing_aborted()


def test_the_connection_is_killed_and_the_key_is_not_unique(feed, mariadb):
    feed.start().flowing()
    mariadb.kill_connections()
    feed.finish()


def test_mariadb_is_frozen(feed, mariadb):
    feed.unique().start().flowing()
    mariadb.freeze()
    time.sleep(3)
    mariadb.thaw()
    feed.finish()
    feed.assert_nothing_aborted()


@pytest.mark.soak
def test_mariadb_stays_away(feed, mariadb):
    """It ends after a bounded time; the next run goes on."""
    feed.unique().start().flowing()
    mariadb.kill()
    feed.pinfeed.expect_exit(1, 400)
    assert "MySQL" in feed.pinfeed.log or "MariaDB" in feed.pinfeed.log
    mariadb.start()
    feed.pinfeed.start("--replay", "--streams=t").expect_exit(0)
    feed.assert_exact()
    feed.assert_nothing_aborted()


@pytest.mark.parametrize("unique", [pytest.param(True, marks=pytest.mark.long), False])
def test_a_silence_longer_than_a_transaction_comes_from_the_table(feed, unique):
    """Rows that a `where` leaves out take so long that the transaction before them would time out."""
    if unique:
        feed.unique()
    feed.pinfeed.settings["stream t"]["where"] = "IF(k BETWEEN 130 AND 170, SLEEP(0.18) = 1, TRUE)"
    feed.start("--set=kafka.transaction.timeout.ms=6000", "--set=kafka.socket.timeout.ms=4000", "--set=replay.rate=1000000",
               "--set=replay.commit_rows=1000")
    done = result(feed.pinfeed.expect_exit(0, 120))
    assert done["totals"]["rows"] == ROWS - 41
    assert not starts_over(feed.pinfeed)         # what is open is committed while nothing comes
    assert_same(records(feed.kafka, feed.topic),
                expected_rows(feed.mariadb, feed.database, "t", "k", where="k NOT BETWEEN 130 AND 170"), "t")


def test_a_stopped_replay_leaves_no_query_behind(feed, mariadb):
    """It would hold its snapshot and keep others from altering the table."""
    feed.start("--set=replay.rate=200").flowing(50)
    assert feed.pinfeed.stop() == 128 + signal.SIGTERM
    wait_until(lambda: not [row for row in mariadb.execute("SHOW FULL PROCESSLIST", database=None)
                            if row[1] == mariadb.user], 5, "no connection of pinfeed is left")


def test_a_server_that_is_never_reached_is_one_warning_with_what_to_do(pinfeeds, kafka):
    pinfeed = pinfeeds(kafka=kafka, settings={"mysql": {"host": "db.nowhere.invalid"}})
    pinfeed.run("--replay").expect_exit(1)
    tries, end = [line for line in pinfeed.lines() if not line.startswith("trying ")]
    assert re.fullmatch(r"warning: .*db\.nowhere\.invalid.*; tries again, up to 5 times\. Check \[mysql\] host.*", tries), tries
    assert re.fullmatch(r"error: stream \w+: gave up after 5 .*db\.nowhere\.invalid.*\. Check \[mysql\] host.*", end), end


# ---- itself ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("do", ["produce:before:250:5000",
                                pytest.param("offsets:after:3:5000", marks=pytest.mark.long)])
def test_a_process_stopped_for_longer_than_its_transaction_recovers_by_itself(feed, do):
    def hangs_open():
        return feed.kafka.end_offset(feed.topic, isolation="read_committed") < feed.kafka.end_offset(feed.topic)

    feed.start("--set=kafka.transaction.timeout.ms=3000", "--set=kafka.socket.timeout.ms=2000", do=do)
    call, when, number, _ = do.split(":")
    reached = int(number) - (when == "before")
    wait_until(lambda: feed.steps.calls(call) >= reached and hangs_open(), 30, "records of a transaction that stays open")
    feed.pinfeed.freeze()
    wait_until(lambda: not hangs_open(), 60, "the broker ends the transaction")
    feed.pinfeed.thaw()
    feed.finish()
    assert "starts over from the last commit" in feed.pinfeed.log, feed.pinfeed.log


# ---- the disk -------------------------------------------------------------------------------------------------------

@pytest.fixture
def small_disk(feed):
    """The state directory is a file system of 64 kB, and full."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    place = feed.pinfeed.state_dir
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place]).returncode:
        pytest.skip("mounting isn't possible here")
    with open(place / "filler", "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass
    yield place / "filler"
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_does_not_stop_a_replay_with_transactions(feed, small_disk):
    feed.start()
    feed.finish()
    assert feed.pinfeed.log.count("No space left on device") == 1
    assert "The replay goes on" in feed.pinfeed.log


@pytest.mark.long
def test_a_full_disk_stops_a_replay_without_transactions_before_it_sends(feed, small_disk):
    feed.pinfeed.settings["replay"]["exactly_once"] = "no"
    feed.start().pinfeed.expect_exit(1, 60)
    assert "No space left on device" in feed.pinfeed.log and "state_dir" in feed.pinfeed.log
    assert records(feed.kafka, feed.topic, "read_uncommitted") == []
    small_disk.unlink()
    feed.start().finish()


# ---- no reader sees a record twice without need ----------------------------------------------------------------------

def test_the_cursor_names_the_writer(feed, kafka):
    feed.start("--set=replay.rate=1000000").finish()
    found = cursor(kafka, feed.pinfeed.group, feed.topic)
    assert found["pinfeed"] == 1 and found["writer"]["pid"] == feed.pinfeed.pid
    assert found["main"] == {"rows": ROWS, "last": str(ROWS), "to": str(ROWS), "restart": False, "done": True}
