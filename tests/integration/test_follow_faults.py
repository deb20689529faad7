"""--follow while its servers are away, it is killed, stopped or taken over; and what it refuses."""

import random
import threading
import time

import pytest

from rig.process import wait_until

PROMISED = pytest.mark.promise("A replay is exactly once")


# ---- kill -9 --------------------------------------------------------------------------------------------------------

class Writers:
    """Eight at once, whose transactions interleave, take their time, and are rolled back now and then."""

    def __init__(self, follow, count=8):
        self.follow, self.stopping, self.failed = follow, threading.Event(), []
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(count)]

    def _run(self, number):
        pick = random.Random(number)
        try:
            with self.follow.mariadb.connect(database=self.follow.database) as connection, connection.cursor() as c:
                while not self.stopping.is_set():
                    connection.begin()
                    for i in range(pick.randint(1, 5)):
                        c.execute(f"INSERT INTO t (v) VALUES ('writer {number}')")
                        self.stopping.wait(pick.choice((0, 0, 0.01, 0.1)))
                    self.stopping.wait(pick.choice((0, 0, 0.05, 0.3, 1.5)))
                    if pick.random() < 0.25:
                        connection.rollback()
                    else:
                        connection.commit()
        except Exception as e:          # noqa: BLE001: told by the test
            self.failed.append(e)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert not self.failed


def late(follow):
    """How many rows came after one with a greater key."""
    keys = [int(key) for key in follow.keys()]
    return sum(a > b for a, b in zip(keys, keys[1:]))


def kill_again_and_again(follow, kills):
    pick = random.Random(7)
    with Writers(follow):
        for _ in range(kills):
            follow.start()
            time.sleep(pick.uniform(0.2, 4))    # a random moment is what this is about
            follow.pinfeed.kill()
        follow.start().ready()
        # Else the writers prove nothing. On a busy machine a life may end before it has sent a row.
        wait_until(lambda: late(follow), 120, "a row was late", 0.5)
    rows = follow.execute("SELECT COUNT(*) FROM t")[0][0]
    follow.wait_for_rows(rows, 120)
    assert follow.pinfeed.stop() == 0
    follow.assert_once()
    print(f"{kills} kills, {rows} rows, {late(follow)} out of order")


# Where transactions are hidden, no transaction may last longer than settle, also on a machine that is busy.
SEES = pytest.mark.parametrize("sees", [True, False], ids=["transactions", "settle"])


@SEES
@PROMISED
def test_8_writers_and_5_kills_lose_nothing_and_double_nothing(follow, sees):
    follow.make(follow={"settle": 30})
    kill_again_and_again(follow.see_transactions() if sees else follow, kills=5)


@SEES
@pytest.mark.long
@PROMISED
def test_8_writers_and_20_kills_lose_nothing_and_double_nothing(follow, sees):
    follow.make(follow={"settle": 30})
    kill_again_and_again(follow.see_transactions() if sees else follow, kills=20)


# ---- servers that are away ------------------------------------------------------------------------------------------

@PROMISED
def test_the_broker_is_away_for_a_while(follow, kafka, notify):
    follow.make("INSERT INTO t VALUES (1, 'a')")
    follow.pinfeed.env.update(notify.environment())
    follow.start().wait_for_rows(1)
    kafka.stop()
    follow.insert(10)
    follow.pinfeed.wait_for("keeps trying", 60)
    wait_until(lambda: notify.status().startswith("Waiting: "), 10, "the status says so")
    kafka.start()
    follow.wait_for_rows(11, 120)
    wait_until(lambda: notify.status().startswith("Follows 1 stream"), 20, "the status says so")
    assert follow.pinfeed.stop() == 0
    follow.assert_exact()


@pytest.mark.long
@PROMISED
def test_the_broker_is_away_while_a_key_is_given_up(follow, kafka):
    """That is no reason to end: no row waits. (A commit would never come back.)"""
    follow.make("INSERT INTO t VALUES (1, 'a'), (3, 'b')", follow={"settle": 3}).start().wait_for_rows(2)
    kafka.stop()
    time.sleep(70)                      # a commit gives up after 60 s
    kafka.start()
    follow.pinfeed.wait_until(lambda: not follow.gaps(), 60, "the cursor lists nothing any more")
    follow.insert()
    follow.wait_for_rows(3, 60)
    assert follow.pinfeed.stop() == 0
    assert "starts over" not in follow.pinfeed.log
    follow.assert_exact()


def test_records_that_were_given_up_are_not_acknowledged_and_not_counted(follow, kafka):
    times_out = {"transaction.timeout.ms": 12000, "socket.timeout.ms": 12000}
    follow.make("INSERT INTO t VALUES (1, 'a')", kafka=times_out).start().wait_for_rows(1)
    with follow.transaction() as slow:
        slow.execute("INSERT INTO t (v) VALUES ('slow')")
        follow.insert()
        follow.wait_for_rows(2)
        kafka.stop()
        slow.connection.commit()
    follow.pinfeed.wait_for("Kafka acknowledges nothing", 60)
    follow.pinfeed.wait_for("starts over from the last commit", 60)
    kafka.start()
    follow.wait_for_rows(3, 120)
    assert follow.pinfeed.stop() == 0
    assert "acknowledges again" not in follow.pinfeed.log
    assert "3 rows sent, 1 came late\n" in follow.pinfeed.log.partition("stopped; ")[2]
    follow.assert_once()


@PROMISED
def test_mysql_is_away_for_a_while(follow, mariadb, notify):
    follow.make("INSERT INTO t VALUES (1, 'a')")
    follow.pinfeed.env.update(notify.environment())
    follow.start().wait_for_rows(1)
    for _ in range(7):                  # more often than a replay would go on
        assert mariadb.kill_connections() == 1
        follow.insert()
        follow.wait_for_rows(follow.execute("SELECT COUNT(*) FROM t")[0][0])
    mariadb.kill()
    follow.pinfeed.wait_for("MySQL.*keeps trying", 60)
    wait_until(lambda: notify.status().startswith("Waiting: "), 10, "the status says so")
    mariadb.start()
    follow.insert(3)
    follow.wait_for_rows(11, 60)
    assert follow.pinfeed.stop() == 0
    follow.assert_exact()


def test_it_starts_before_its_servers_do(follow, mariadb, kafka):
    follow.make("INSERT INTO t VALUES (1, 'a')")
    mariadb.stop()
    kafka.stop()
    follow.start().pinfeed.wait_for("keeps trying", 60)
    mariadb.start()
    kafka.start()
    follow.wait_for_rows(1, 120)
    assert follow.pinfeed.stop() == 0


# ---- a stop, and who takes over --------------------------------------------------------------------------------------

def put_another_beside(follow):
    """Another installation of the same user's, with a state directory of its own. Returns the first one."""
    first, follow.pinfeed = follow.pinfeed, follow.pinfeeds(follow.mariadb, follow.kafka, user_id=follow.pinfeed.user_id,
                                                            database=follow.database, settings=follow.pinfeed.settings)
    follow.pinfeed.settings["pinfeed"]["state_dir"] = follow.pinfeed.state_dir
    return first


@pytest.mark.promise("A stop takes 12 s at most")
def test_a_stop_commits_what_was_sent_and_says_so(follow):
    follow.make("INSERT INTO t SELECT NULL, REPEAT('x', 90) FROM seq_1_to_150000", replay={"commit_rows": 50000})
    for _ in range(3):                  # in the midst of rows, once at least
        before = follow.rows()
        follow.start().pinfeed.wait_until(lambda: follow.rows() > before, 30, "rows flow")
        assert follow.pinfeed.stop(12) == 0
        assert f"stopped; {follow.topic}: " in follow.pinfeed.log
        assert len(follow.keys("read_uncommitted")) == follow.rows()
        follow.insert(30000)
    follow.start().wait_for_rows(240000, 60)
    assert follow.pinfeed.stop() == 0
    follow.assert_exact()


def test_the_later_one_takes_over_and_the_earlier_one_ends(follow):
    follow.make("INSERT INTO t VALUES (1, 'a')").start().wait_for_rows(1)
    first = put_another_beside(follow)
    follow.start().ready()
    follow.insert(5)
    first.expect_exit(3, 60)
    assert "another pinfeed took over" in first.log
    follow.wait_for_rows(6)
    # So does a replay.
    second, follow.pinfeed = follow.pinfeed, first
    follow.pinfeed.settings["pinfeed"]["state_dir"] = first.state_dir
    follow.insert(2)
    assert follow.replay()["complete"]
    follow.insert(2)
    second.expect_exit(3, 60)
    follow.replay()
    follow.assert_exact()


def test_an_idle_one_learns_that_another_took_over(follow):
    follow.make("INSERT INTO t VALUES (1, 'a')").start().wait_for_rows(1)
    first = put_another_beside(follow)
    follow.start().ready()
    first.expect_exit(3, 90)            # no row has come meanwhile
    assert "another pinfeed took over" in first.log
    assert follow.pinfeed.exit_code is None and follow.pinfeed.stop() == 0


# ---- what it refuses ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("ddl, why", [
    ("k VARCHAR(20) NOT NULL PRIMARY KEY, v INT", "its key k is no integer"),
    ("k DATETIME(6) NOT NULL PRIMARY KEY, v INT", "its key k is no integer"),
    ("k INT NOT NULL, v INT, KEY (k)", "its key k has no unique index"),
    ("k INT, v INT, UNIQUE (k)", "its key k has no unique index"),
], ids=["text", "time", "repeated", "nullable"])
def test_a_key_by_which_nothing_can_be_missed_is_refused(follow, ddl, why):
    follow.make(ddl=ddl)
    follow.pinfeed.run("--follow", "--streams=t").expect_exit(78)
    assert why in follow.pinfeed.log and "pinfeed-replay.timer" in follow.pinfeed.log


def test_a_key_that_is_too_large_is_refused(follow):
    follow.make("INSERT INTO t VALUES (1, 'a'), (9223372036854775808, 'b')",
                ddl="k BIGINT UNSIGNED NOT NULL PRIMARY KEY, v TEXT")
    follow.pinfeed.run("--follow", "--streams=t").expect_exit(78)
    assert "key 9223372036854775808 is too large to be followed" in follow.pinfeed.log
    assert follow.rows() == 1


# ---- at least once --------------------------------------------------------------------------------------------------

def test_without_transactions_every_row_arrives_and_the_file_remembers_what_is_missing(follow):
    follow.make("INSERT INTO t VALUES (1, 'a')", replay={"exactly_once": "no"}, follow={"settle": 3600}).start()
    wait_until(lambda: follow.keys() == ["1"], 30, "the row arrives")
    with follow.transaction() as slow:
        slow.execute("INSERT INTO t (v) VALUES ('slow')")
        follow.insert()
        wait_until(lambda: follow.keys() == ["1", "3"], 30, "the rows arrive")
        assert follow.pinfeed.stop() == 0
        slow.connection.commit()
    follow.start()
    wait_until(lambda: follow.keys() == ["1", "3", "2"], 30, "the late row arrives")
    assert follow.pinfeed.stop() == 0
