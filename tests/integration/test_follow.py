"""--follow: new rows as they appear, each once, whatever the order in which their transactions commit."""

import json
import signal
import time

import pytest

from rig.process import wait_until

PROMISED = pytest.mark.promise("A replay is exactly once")


# ---- new rows -------------------------------------------------------------------------------------------------------

def test_rows_arrive_once_and_in_order_as_they_appear(follow):
    follow.make("INSERT INTO t SELECT NULL, CONCAT('row ', seq) FROM seq_1_to_25000").start().ready()
    follow.wait_for_rows(25000)
    for i in range(20):
        follow.insert(7)
    follow.wait_for_rows(25140)
    assert follow.pinfeed.stop() == 0
    follow.assert_exact()


def test_it_goes_on_where_a_replay_ended_and_a_replay_where_it_ended(follow):
    follow.make("INSERT INTO t SELECT NULL, CONCAT('row ', seq) FROM seq_1_to_100")
    assert follow.replay()["rows"] == 100
    follow.insert(10)
    follow.start().wait_for_rows(110)
    assert "goes on after key 100" in follow.pinfeed.log
    assert follow.pinfeed.stop() == 0
    follow.insert(5)
    assert follow.replay()["rows"] == 5
    assert follow.replay()["rows"] == 0
    follow.assert_exact()


def test_a_follow_tells_how_far_it_is_and_takes_another_interval(follow):
    follow.make("INSERT INTO t SELECT NULL, CONCAT('row ', seq) FROM seq_1_to_100", follow={"interval": 3600})
    follow.start().wait_for_rows(100)
    told = json.loads(follow.pinfeed.beside("--status", "--json").stdout)["follow"]
    assert told["pid"] == follow.pinfeed.pid and told["streams"]["t"]["rows"] == 100
    follow.insert(5)
    follow.pinfeed.settings["follow"]["interval"] = 0.1
    follow.pinfeed.write_config()
    follow.pinfeed.send_signal(signal.SIGHUP)
    follow.pinfeed.wait_for(r"settings read again: applied follow.interval", 10)
    follow.wait_for_rows(105)
    assert follow.pinfeed.stop() == 0


# ---- looks ----------------------------------------------------------------------------------------------------------

def test_an_idle_look_is_one_query_and_no_transaction(follow):
    follow.make("INSERT INTO t VALUES (1, 'a'), (2, 'b')", follow={"interval": 0.05, "settle": 3600})
    follow.see_transactions().start().wait_for_rows(2)
    # When what lies before the first row is no gap any more, and the first horizon is settled.
    wait_until(lambda: (follow.insert(), time.sleep(0.3), not follow.gaps())[-1], 30, "nothing is missing")
    follow.wait_for_rows(follow.execute("SELECT COUNT(*) FROM t")[0][0])
    ends = [follow.kafka.end_offset(topic) for topic in (follow.topic, "__consumer_offsets")]

    with follow.mariadb.overheard() as questions:
        wait_until(lambda: len(questions()) >= 10, 30, "it looks")
        looks = questions()
    last = follow.execute("SELECT MAX(k) FROM t")[0][0]
    assert set(looks) == {looks[0]} and f"WHERE (`k`>={last + 1}) ORDER BY `k` LIMIT " in looks[0], looks
    assert [follow.kafka.end_offset(topic) for topic in (follow.topic, "__consumer_offsets")] == ends
    assert follow.pinfeed.stop() == 0


# ---- rows that are late ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("sees", [False, True], ids=["settle", "transactions"])
@PROMISED
def test_a_row_whose_transaction_is_slow_is_not_passed_over(follow, sees):
    follow.make(follow={"settle": 3600})
    if sees:
        follow.see_transactions()
    follow.start().ready()
    with follow.transaction() as slow:
        slow.execute("INSERT INTO t (v) VALUES ('slow')")
        follow.insert(5)
        follow.wait_for_rows(5)
        assert follow.missing(1)
        slow.execute("INSERT INTO t (v) VALUES ('slow, too')")
        follow.insert(5)
        follow.wait_for_rows(10)
        slow.connection.commit()
    follow.wait_for_rows(12)
    if sees:                            # then nobody can come any more
        wait_until(lambda: (follow.insert(), time.sleep(0.3), not follow.gaps())[-1], 30, "the gap is forgotten")
    assert follow.pinfeed.stop() == 0
    assert "2 came late" in follow.pinfeed.log
    follow.assert_once()


def test_a_key_that_was_rolled_back_is_looked_for_until_it_is_settled(follow):
    follow.make("INSERT INTO t VALUES (1, 'a')", follow={"settle": 2}).start().wait_for_rows(1)
    with follow.transaction() as rolled_back:
        rolled_back.execute("INSERT INTO t (v) VALUES ('never')")
        follow.insert()
        follow.wait_for_rows(2)
        rolled_back.connection.rollback()
    assert follow.missing(2)
    follow.pinfeed.wait_for(r"1 keys never used", 30)
    follow.insert()
    follow.wait_for_rows(3)
    assert not follow.missing(2)
    # Who gives it out again, against the order, is told that it came too late: some times `settle` after that.
    follow.execute("INSERT INTO t VALUES (2, 'against the order')")
    follow.pinfeed.wait_for(r"at least 1 rows with keys in .* appeared when nobody looked for them any more", 90)
    assert follow.rows() == 3
    assert follow.pinfeed.stop() == 0


def test_what_was_given_up_is_given_up_once(follow, mariadb):
    follow.make("INSERT INTO t VALUES (1, 'a')", follow={"settle": 1}).start().wait_for_rows(1)
    follow.insert(first=1002)
    follow.wait_for_rows(2)
    wait_until(lambda: not follow.gaps(), 30, "the cursor lists nothing any more, though no row came")
    assert mariadb.kill_connections() == 1
    follow.insert()
    follow.wait_for_rows(3)
    assert "starts over from the last commit" in follow.pinfeed.log
    assert follow.pinfeed.stop() == 0
    assert "3 rows sent, 1000 keys never used\n" in follow.pinfeed.log


@PROMISED
def test_what_is_missing_survives_a_restart(follow):
    follow.make("INSERT INTO t VALUES (1, 'a')", follow={"settle": 3600}).start().wait_for_rows(1)
    with follow.transaction() as slow:
        slow.execute("INSERT INTO t (v) VALUES ('slow'), ('slower'), ('slowest')")
        follow.insert(2)
        follow.wait_for_rows(3)
        follow.pinfeed.kill()
        assert follow.missing(2, 3, 4)
        # A replay in between keeps it in mind, though it does not look.
        follow.insert()
        assert follow.replay()["rows"] == 1
        assert follow.missing(2, 3, 4)
        follow.start().ready()
        slow.connection.commit()
    follow.wait_for_rows(7)
    assert follow.pinfeed.stop() == 0
    # The cursor did not go back to the late rows.
    last = follow.execute("SELECT MAX(k) FROM t")[0][0]
    follow.insert()
    follow.start().wait_for_rows(8)
    assert f"goes on after key {last} " in follow.pinfeed.log
    assert follow.pinfeed.stop() == 0
    follow.assert_once()


EVERY_THIRD = "INSERT INTO t SELECT 3 * seq, 'x' FROM seq_{}_to_{}"


@PROMISED
def test_when_too_much_is_missing_what_lies_beyond_waits(follow):
    follow.make(EVERY_THIRD.format(1, 1), follow={"settle": 5}).start().wait_for_rows(1)
    with follow.transaction() as slow:
        slow.execute("INSERT INTO t VALUES (7000, 'slow')")
        follow.execute(EVERY_THIRD.format(2, 3000))
        follow.pinfeed.wait_for("more keys are missing than can be remembered; rows beyond key", 30)
        waiting = follow.rows()
        assert waiting < 2000
        assert int(follow.keys()[-1]) < 7000
        slow.connection.commit()
    follow.wait_for_rows(3001)
    assert follow.pinfeed.stop() == 0
    follow.assert_once()


@pytest.mark.long
def test_late_rows_that_take_several_looks_are_not_called_missed(follow):
    # Looks are so far apart that each counts, and the second count is the first that compares.
    follow.make("INSERT INTO t VALUES (1, 'a')", follow={"interval": 11, "settle": 1}).see_transactions()
    with follow.transaction() as late, follow.transaction() as other:
        late.execute("INSERT INTO t SELECT seq, 'late' FROM seq_2_to_15001")
        other.execute("INSERT INTO t VALUES (90000, 'other')")
        follow.execute("INSERT INTO t SELECT 40000 + 2 * seq, 'with a gap' FROM seq_1_to_1200")
        follow.start().pinfeed.wait_for("more keys are missing than can be remembered", 30)
        with follow.mariadb.overheard() as questions:
            wait_until(questions, 30, "it looks")
        late.connection.commit()
        follow.pinfeed.wait_until(lambda: follow.rows() > 15000, 60, "late rows are sent")
    assert follow.pinfeed.stop() == 0
    assert "were not sent" not in follow.pinfeed.log and "15000 came late" in follow.pinfeed.log


@PROMISED
def test_a_transaction_that_lasts_longer_than_settle_is_waited_for_where_it_is_seen(follow):
    follow.make("INSERT INTO t VALUES (1, 'a')", follow={"settle": 1}).see_transactions().start().wait_for_rows(1)
    with follow.transaction() as slow:
        slow.execute("INSERT INTO t (v) VALUES ('slow')")
        follow.insert()
        follow.wait_for_rows(2)
        # Long after settle, and after others came and went.
        for i in range(12):
            follow.insert()
            follow.wait_for_rows(3 + i)
            time.sleep(0.4)
        assert follow.missing(2)
        slow.connection.commit()
    follow.wait_for_rows(15)
    assert follow.pinfeed.stop() == 0
    follow.assert_once()


def test_a_table_with_a_long_past_is_sent_whole(follow):
    follow.make(EVERY_THIRD.format(1, 60000), follow={"settle": 2}).start()
    follow.wait_for_rows(60000, 60)
    with follow.transaction() as slow:
        slow.execute("INSERT INTO t (v) VALUES ('slow')")
        follow.insert()
        follow.wait_for_rows(60001)
        slow.connection.commit()
    follow.wait_for_rows(60002)
    assert follow.pinfeed.stop() == 0
    follow.assert_once()


def test_where_leaves_out_most_rows_and_the_others_are_sent(follow):
    follow.make("INSERT INTO t SELECT NULL, MOD(seq, 7) FROM seq_1_to_30000", stream={"where": "v = '0'"}, follow={"settle": 2})
    follow.start().wait_for_rows(30000 // 7, 60)
    follow.insert(5)
    follow.execute("INSERT INTO t (v) VALUES ('0')")
    follow.wait_for_rows(30000 // 7 + 1)
    assert follow.pinfeed.stop() == 0
    follow.assert_exact(where="v = '0'")
