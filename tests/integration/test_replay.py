"""--replay on real servers: what it sends, where it goes on, what it says, what it refuses."""

import collections
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest

from rig import paths, wait_until
from rig.encoder import rows_as_json
from rig.replay import (NUMBERS, STREAMS, assert_exact, assert_same, create_topics, cursor, expected_rows, forget,
                        load_posts, records, refused, result)
from rig.steps import Steps

ESCAPE = "\x1b"


@pytest.fixture
def posts(loaded):
    """A pinfeed with 3,000 posts and their topics."""
    return loaded(3000)


# ---- what it sends --------------------------------------------------------------------------------------------------

def test_replay_sends_every_row_once_in_key_order(mariadb, kafka, posts, database):
    done = result(posts.run("--replay").expect_exit(0))
    assert_exact(mariadb, kafka, posts, database)
    # Nothing was aborted: who reads uncommitted sees the same.
    assert_exact(mariadb, kafka, posts, database, isolation="read_uncommitted")
    assert done["complete"] and done["totals"]["rows"] == 9000
    for stream, s in done["streams"].items():
        assert (s["rows"], s["first_key"], s["last_key"], s["resumed_from"], s["missed"]) == (3000, "0", "2999", None, 0)
        assert s["transactions"] == 1 and s["seconds"] > 0
        assert s["bytes"] == sum(len(value) for _, value in records(kafka, posts.topic(stream)))
    assert done["totals"]["bytes"] == sum(s["bytes"] for s in done["streams"].values())


def test_a_second_run_sends_only_greater_keys(mariadb, kafka, posts, database):
    posts.run("--replay").expect_exit(0)
    assert result(posts.run("--replay").expect_exit(0))["totals"]["rows"] == 0
    mariadb.execute("INSERT INTO user_data VALUES (5000, 'Ada', 'Berg', 30, NULL), (4000, 'Jo', 'Kaya', 31, NULL)",
                    database=database)
    done = result(posts.run("--replay").expect_exit(0))
    assert done["totals"]["rows"] == 2
    user = done["streams"]["user"]
    assert (user["resumed_from"], user["first_key"], user["last_key"]) == ("2999", "4000", "5000")
    assert_exact(mariadb, kafka, posts, database, isolation="read_uncommitted")


def test_streams_names_those_that_are_touched(kafka, posts):
    done = result(posts.run("--replay", "--streams=geo").expect_exit(0))
    assert list(done["streams"]) == ["geo"]
    assert [kafka.end_offset(posts.topic(s)) > 0 for s in STREAMS] == [False, True, False]


def test_an_empty_table_is_complete(table):
    done = table.make("k INT PRIMARY KEY, v TEXT").replay()
    assert done["complete"] and done["rows"] == 0
    table.execute("INSERT INTO t VALUES (7, 'x')")
    assert table.replay()["rows"] == 1
    table.assert_exact()


def test_replay_without_any_index(mariadb, kafka, pinfeeds, database):
    load_posts(mariadb, database, 500, without_keys=True)
    pinfeed = pinfeeds(mariadb, kafka, database=database, settings={"replay": {"commit_rows": 100}})
    create_topics(kafka, pinfeed)
    done = result(pinfeed.run("--replay").expect_exit(0))
    assert [s["transactions"] for s in done["streams"].values()] == [5, 5, 5]
    assert_exact(mariadb, kafka, pinfeed, database)
    assert result(pinfeed.run("--replay").expect_exit(0))["totals"]["rows"] == 0


UUIDS = [f"{(i * 0x9E3779B97F4A7C15) % 2**64:016x}" for i in range(1, 12)]

KINDS = {
    "negative": ("k INT NOT NULL PRIMARY KEY", ["-2147483648", "-5", "-1", "0", "1", "7", "2147483647"], None),
    "unsigned": ("k BIGINT UNSIGNED NOT NULL PRIMARY KEY",
                 ["0", "1", "9223372036854775807", "9223372036854775808", "18446744073709551615"], None),
    "decimal": ("k DECIMAL(20,4) NOT NULL PRIMARY KEY", ["-10.5", "-0.0001", "0", "0.0001", "3", "12345678901.25"], None),
    "zerofill": ("k INT(6) ZEROFILL NOT NULL PRIMARY KEY", ["0", "1", "20", "300"], None),
    "text unique": ("k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY",
                    ["''", "'a'", "'B'", "'c''d'", "'É'", "'z\\\\'", "'ж'", "'日'", "'0x41'", "'x\\ty'"], None),
    "text": ("k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, KEY (k)",
             ["'a'", "'A'", "'a '", "'á'", "'b'", "'B'", "'a'", "'A'", "''", "'ß'", "'ss'"],
             "CAST(k AS BINARY), id"),
    "text without index": ("k TEXT CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL",
                           ["'Zürich'", "'zurich'", "'ZURICH'", "'a'", "'A'", "'ä'"],
                           "CAST(CONVERT(k USING utf8mb4) AS BINARY), id"),
    "uuid": ("k UUID NOT NULL PRIMARY KEY", [f"'{u[:8]}-{u[8:12]}-4{u[13:16]}-8123-{u[4:]}'" for u in UUIDS], None),
    "uuid text": ("k CHAR(36) NOT NULL PRIMARY KEY", [f"'{u[:8]}-{u[8:12]}-4{u[13:16]}-8123-{u[4:]}'" for u in UUIDS], None),
    "datetime": ("k DATETIME(6) NOT NULL, KEY (k)",
                 ["'1000-01-01 00:00:00'", "'2020-01-01 00:00:00.000001'", "'2020-01-01 00:00:00.000002'",
                  "'2020-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'"], "k, id"),
    "timestamp": ("k TIMESTAMP(3) NOT NULL DEFAULT 0, KEY (k)",
                  ["'1971-01-01 00:00:01'", "'2021-10-31 00:30:00'", "'2021-10-31 01:30:00'", "'2021-10-31 02:30:00.125'",
                   "'2037-01-01 00:00:00'"], "k, id"),
    "time": ("k TIME NOT NULL PRIMARY KEY", ["'-838:59:59'", "'-01:00:00'", "'00:00:00'", "'09:00:00'", "'100:00:00'"], None),
    "date": ("k DATE NOT NULL PRIMARY KEY", ["'1000-01-01'", "'2020-02-29'", "'9999-12-31'"], None),
    "binary": ("k VARBINARY(20) NOT NULL PRIMARY KEY",
               ["''", "X'00'", "X'0001'", "X'41'", "X'27'", "X'7F'", "X'FF'", "X'FFFE'", "X'C3A9'"], None),
}


def test_key_kinds(mariadb, kafka, pinfeeds, database):
    """One stream a kind, in one run, committed after each key: every key is a cursor once."""
    pinfeed = pinfeeds(mariadb, kafka, database=database, settings={"replay": {"commit_rows": 1}})
    kinds = {kind: k for kind, k in KINDS.items() if kind != "uuid" or mariadb.name == "MariaDB"}
    names = {}
    for i, (kind, (ddl, keys, _)) in enumerate(kinds.items()):
        names[kind] = name = f"s{i}"
        more = "" if "PRIMARY" in ddl else ", PRIMARY KEY (id)"
        mariadb.execute("SET time_zone = '+00:00', sql_mode = ''",
                        f"CREATE TABLE {name} (id INT NOT NULL, {ddl}{more}) CHARACTER SET utf8mb4",
                        *(f"INSERT INTO {name} VALUES ({n}, {key})" for n, key in enumerate(reversed(keys))),
                        database=database)
        pinfeed.settings[f"stream {name}"] = {"table": name, "key": "k"}
        kafka.create_topic(pinfeed.topic(name))
    streams = "--streams=" + ",".join(names.values())
    done = result(pinfeed.run("--replay", streams).expect_exit(0))
    again = result(pinfeed.run("--replay", streams).expect_exit(0))
    assert again["totals"]["rows"] == 0
    for kind, (_, keys, order) in kinds.items():
        name = names[kind]
        assert_same(records(kafka, pinfeed.topic(name), "read_uncommitted"),
                    [(strip(k, kind), v) for k, v in expected_rows(mariadb, database, name, "k", order)], kind)
        assert done["streams"][name]["rows"] == len(keys), kind


def strip(key, kind):
    return key.lstrip(b"0") or b"0" if kind == "zerofill" else key


# ---- bounds, restart, dry run ---------------------------------------------------------------------------------------

def test_from_and_to_are_inclusive_and_have_a_cursor_of_their_own(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(100))
    bounded = ("--from=20", "--to=29")
    done = table.replay(*bounded)
    assert (done["rows"], done["first_key"], done["last_key"]) == (10, "20", "29")
    assert table.replay(*bounded)["rows"] == 0
    # The main run knows nothing of it; and what was bounded stays done.
    assert table.replay()["rows"] == 100
    assert table.replay(*bounded)["rows"] == 0
    # Other bounds are another run.
    assert table.replay("--to=3")["rows"] == 3
    assert table.replay("--from=99")["rows"] == 2
    table.execute("INSERT INTO t VALUES (200, 'x')")
    assert table.replay("--from=99")["rows"] == 1
    keys = [*range(20, 30), *range(1, 101), 1, 2, 3, 99, 100, 200]
    assert table.keys("read_uncommitted") == [str(k) for k in keys]


@pytest.mark.parametrize("option, words", [("--from=x", "--from: .*'x' can't be a key.*an integer"),
                                           ("--to=1.5", "--to: .*'1.5' can't be a key"),
                                           ("--to=" + "9" * 500, "--to: a key may have 430 bytes")])
def test_a_bound_that_is_no_key_is_wrong_usage(table, option, words):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(3))
    assert re.search(words, table.run(option).expect_exit(2).log)
    assert table.kafka.group_offsets(table.pinfeed.group).get((table.topic, 0)) is None


def test_a_bounded_run_that_other_bounds_displace_is_named(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(2000), replay={"commit_rows": 10})
    table.pinfeed.start("--replay", "--streams=t", "--from=1", "--set=replay.rate=200")
    table.pinfeed.wait_for("replays t", 20)
    wait_until(lambda: table.kafka.end_offset(table.topic) > 20, 20, "some rows")
    assert table.pinfeed.stop() == 128 + signal.SIGTERM
    table.run("--from=2", "--to=3").expect_exit(0)
    assert "a run with other bounds ended early" in table.pinfeed.log


def test_restart_sends_everything_again(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(5))
    table.replay()
    assert table.replay("--restart")["rows"] == 5
    assert "readers will see every row once more" in table.pinfeed.log
    # A restart that is finished, and --restart: again.
    assert table.replay("--restart")["rows"] == 5
    assert table.replay()["rows"] == 0
    assert table.keys("read_uncommitted") == ["1", "2", "3", "4", "5"] * 3


def test_a_killed_restart_goes_on_as_that_restart(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(300), replay={"commit_rows": 10})
    table.replay()
    before = table.kafka.end_offset(table.topic)
    table.pinfeed.start("--replay", "--streams=t", "--restart", "--set=replay.rate=100")
    wait_until(lambda: table.kafka.end_offset(table.topic) > before + 30, 30, "some rows of the restart")
    table.pinfeed.kill()
    done = table.replay("--restart")
    assert 0 < done["rows"] < 300 and done["resumed_from"] is not None
    numbers = [str(n) for n in range(1, 301)]
    assert table.keys() == numbers * 2


def test_dry_run_says_what_would_be_sent_and_changes_nothing(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(10))

    def dry(*options):
        table.run("--dry-run", *options).expect_exit(0)
        return result(table.pinfeed)

    def state():
        return (table.kafka.end_offset(table.topic), cursor(table.kafka, table.pinfeed.group, table.topic),
                sorted((p.name, p.read_bytes()) for p in table.pinfeed.state_dir.iterdir()))
    before = state()
    assert dry() == {"dry_run": True, "totals": {"rows": 10}, "streams": {
        "t": {"topic": table.topic, "rows": 10, "resumed_from": None, "to": "10"}}}
    assert before == state() == (0, None, [])
    table.replay()
    table.execute("INSERT INTO t VALUES (11, 'x'), (12, 'y')")
    before = state()
    assert dry()["streams"]["t"] == {"topic": table.topic, "rows": 2, "resumed_from": "10", "to": "12"}
    assert dry("--restart")["streams"]["t"] == {"topic": table.topic, "rows": 12, "resumed_from": None, "to": "12"}
    assert dry("--from=3", "--to=5")["streams"]["t"] == {"topic": table.topic, "rows": 3, "resumed_from": None, "to": "5"}
    assert state() == before
    assert table.replay()["rows"] == 2


# ---- refusals, before the first record ------------------------------------------------------------------------------

def test_null_keys_are_refused(table):
    table.make("k INT, v TEXT, KEY (k)", "INSERT INTO t VALUES (1, 'a'), (NULL, 'b')")
    log = refused(table)
    assert "NULL" in log and "where = `k` IS NOT NULL" in log
    table.pinfeed.settings["stream t"]["where"] = "`k` IS NOT NULL"
    assert table.replay()["rows"] == 1


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE"])
def test_float_keys_are_refused(table, kind):
    table.make(f"k {kind} NOT NULL", "INSERT INTO t VALUES (1.5)")
    assert "can't be the key" in refused(table)


def test_keys_too_long_for_a_cursor_are_refused(table):
    table.make("k TEXT NOT NULL", "INSERT INTO t VALUES (REPEAT('x', 431))")
    assert "431 bytes don't fit into a cursor" in refused(table)
    table.execute("DELETE FROM t", "INSERT INTO t VALUES (REPEAT('x', 430)), (REPEAT('\"', 430)), (REPEAT('\\n', 430))")
    # The worst that a key can do to a cursor, in both runs.
    assert table.replay()["rows"] == 3
    assert table.replay("--from=" + "\\" * 430, "--to=" + "x" * 430)["rows"] == 1


def test_a_longer_key_that_comes_later_is_refused(table):
    table.make("k TEXT NOT NULL", "INSERT INTO t VALUES ('a')")
    table.replay()
    table.execute("INSERT INTO t VALUES (REPEAT('x', 5000))")
    assert "don't fit into a cursor" in refused(table)


def test_a_record_too_large_is_refused_and_what_was_before_it_is_committed(table):
    table.make("k INT PRIMARY KEY, v MEDIUMTEXT", "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, REPEAT('x', 1100000)), (4, 'd')")
    table.run().expect_exit(78)
    assert "row with key 3" in table.pinfeed.log and "message.max.bytes" in table.pinfeed.log
    assert table.keys() == table.keys("read_uncommitted") == ["1", "2"]
    table.pinfeed.settings["stream t"]["where"] = "LENGTH(v) < 1000000"
    table.run().expect_exit(78)                 # that is another table now
    assert "--restart" in table.pinfeed.log


def test_a_group_with_members_is_refused(table, kafka):
    from confluent_kafka import Consumer
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(3), replay={"group": "students-" + table.database})
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "students-" + table.database, "log_level": 0})
    try:
        consumer.subscribe([table.topic])
        wait_until(lambda: consumer.poll(0.1) or consumer.assignment(), 20, "the consumer is a member", 0)
        log = refused(table)
    finally:
        consumer.close()
    assert "live members" in log and "[replay] group" in log


def test_a_group_with_somebody_elses_offset_is_refused(table, kafka):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(3), replay={"group": "readers-" + table.database})
    kafka.set_group_offset("readers-" + table.database, table.topic, 0, 0)
    assert "not a cursor of pinfeed" in refused(table)
    assert kafka.group_offsets("readers-" + table.database)[(table.topic, 0)][0] == 0


def test_a_cursor_that_kafka_forgot_is_refused_with_the_choices(table):
    group = "g-" + table.database
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(10), replay={"group": group})
    table.replay()
    forget(table, group)
    log = refused(table)
    assert "10 rows sent, last key 10" in log and "--restart" in log and "--from" in log
    assert "10 rows sent" in refused(table, "--dry-run")
    # A bounded run makes up for it; the main one does not begin again behind one's back afterwards.
    table.execute("INSERT INTO t VALUES (11, 'x')")
    assert table.replay("--from=11")["rows"] == 1
    assert "10 rows sent" in refused(table)
    assert table.replay("--from=11")["rows"] == 0
    forget(table, group)
    assert "1 row sent" in refused(table, "--from=11")
    assert table.replay("--restart")["rows"] == 11
    assert table.replay()["rows"] == 0


def test_a_table_that_changed_is_refused(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(10))
    table.replay()
    table.execute("ALTER TABLE t ADD COLUMN w INT")
    log = refused(table)
    assert "not what they were" in log and "--restart" in log
    assert refused(table, "--dry-run")
    assert table.replay("--restart")["rows"] == 10
    assert table.replay()["rows"] == 0


def test_a_refused_start_does_not_harm_the_one_that_runs(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(400), replay={"commit_rows": 20, "rate": 100})
    running = table.pinfeed
    running.start("--replay", "--streams=t")
    wait_until(lambda: table.kafka.end_offset(table.topic) > 30, 30, "some rows")
    other = table.pinfeeds(table.mariadb, table.kafka, database=table.database, user_id=running.user_id,
                           settings={"stream t": {"table": "t", "key": "k", "columns": "k"}})
    other.run("--replay", "--streams=t").expect_exit(78)
    other.run("--replay", "--streams=t", "--to=nothing").expect_exit(2)
    running.expect_exit(0)
    table.assert_exact()


def test_a_run_of_equal_keys_too_long_for_a_transaction_is_refused(table):
    table.make("k INT NOT NULL, v INT, KEY (k)", "INSERT INTO t SELECT IF(seq < 10, 1, 2), seq FROM seq_1_to_1000",
               replay={"rate": 100, "commit_rows": 5}, kafka={"transaction.timeout.ms": 8000, "socket.timeout.ms": 4000})
    table.run().expect_exit(78)
    assert "too many rows with the key 2" in table.pinfeed.log and "starts over" not in table.pinfeed.log
    assert table.keys() == ["1"] * 9


# ---- two at once ----------------------------------------------------------------------------------------------------

def test_an_account_that_may_have_one_connection_is_enough(table):
    """Rows are counted beside their being sent, over a connection of its own: which a replay can do without."""
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(300), replay={"rate": 100})
    account = f"ALTER USER '{table.mariadb.user}'@'%' WITH MAX_USER_CONNECTIONS "
    table.mariadb.execute(account + "1")
    refused = table.mariadb.execute("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")
    try:
        done = result(table.pinfeed.run("--replay", "--streams=t", "--set=pinfeed.stats_interval=1").expect_exit(0))
    finally:
        table.mariadb.execute(account + "0")
    assert done["complete"] and done["totals"]["rows"] == 300 and done["streams"]["t"]["missed"] == 0
    assert table.mariadb.execute("SHOW GLOBAL STATUS LIKE 'Aborted_connects'") != refused, "nobody has tried to count"
    assert re.search(r": \d+ rows committed", table.pinfeed.log) and "warning" not in table.pinfeed.log


def test_a_second_start_takes_over_and_the_first_says_by_whom(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(1000), replay={"commit_rows": 20})
    first = table.pinfeed
    first.start("--replay", "--streams=t", "--set=replay.rate=100")
    wait_until(lambda: table.kafka.end_offset(table.topic) > 50, 30, "some rows")
    second = table.pinfeeds(table.mariadb, table.kafka, database=table.database, user_id=first.user_id,
                            settings=first.settings)
    second.settings["pinfeed"] = {**first.settings["pinfeed"], "state_dir": second.state_dir}
    done = result(second.run("--replay", "--streams=t").expect_exit(0))
    first.expect_exit(3)
    assert f"process {second.pid} on" in first.log and "starts over" not in first.log
    assert done["totals"]["rows"] + result(first)["totals"]["rows"] == 1000
    table.assert_exact()


# ---- a table that changes -------------------------------------------------------------------------------------------

def test_rows_that_appear_below_the_cursor_are_counted_at_the_end(table):
    table.make("k INT PRIMARY KEY, v TEXT", "INSERT INTO t SELECT seq * 10, 'x' FROM seq_1_to_50")
    table.replay()
    table.execute("INSERT INTO t VALUES (15, 'late'), (25, 'late'), (600, 'new')")
    done = table.replay()
    assert (done["rows"], done["missed"]) == (1, 2)
    assert "2 rows appeared below the cursor" in table.pinfeed.log and "--from" in table.pinfeed.log
    assert table.replay("--from=11", "--to=15")["rows"] == 1


@pytest.mark.parametrize("keys,counts", [("seq", 0), ("CAST(seq AS SIGNED) - 100", 0), ("seq * 2", 1)],
                         ids=["full", "negative", "gaps"])
def test_a_table_without_gaps_is_not_counted(table, keys, counts):
    """As many rows as keys: none can have appeared below the cursor. Nobody watches: no percentage is asked for. A large table
    is not read a second time."""
    table.make("k INT PRIMARY KEY, v TEXT", f"INSERT INTO t SELECT {keys}, 'x' FROM seq_1_to_50")
    with table.mariadb.overheard() as asked:
        assert table.replay("--set=pinfeed.stats_interval=3600")["missed"] == 0
        assert sum("COUNT(*)" in question and "`k` >" not in question for question in asked()) == counts


@pytest.mark.parametrize("late", [0, 3], ids=["before the first", "between"])
def test_a_late_row_that_fills_the_last_gap_is_counted(table, late):
    table.make("k INT PRIMARY KEY, v TEXT", "INSERT INTO t SELECT seq, 'x' FROM seq_1_to_50 WHERE seq <> 3")
    table.replay()
    table.execute(f"INSERT INTO t VALUES ({late}, 'late'), (51, 'new')")
    assert table.replay()["missed"] == 1


def test_a_table_that_grows_and_shrinks_during_the_run(table):
    """The bound is fixed at the beginning; what is there all the time is sent once."""
    table.make("k INT PRIMARY KEY, v TEXT", "INSERT INTO t SELECT seq * 2, 'x' FROM seq_1_to_1000",
               replay={"commit_rows": 50, "rate": 500})
    table.pinfeed.start("--replay", "--streams=t")
    wait_until(lambda: table.kafka.end_offset(table.topic) > 100, 30, "some rows")
    table.execute("INSERT INTO t SELECT seq * 2, 'new' FROM seq_1001_to_1100", "INSERT INTO t VALUES (11, 'below')",
                  "DELETE FROM t WHERE k BETWEEN 1900 AND 1950")
    table.pinfeed.expect_exit(0)
    got = [int(k) for k in table.keys()]
    assert got == sorted(set(got)) and got[-1] == 2000
    assert set(range(2, 1900, 2)) | set(range(1952, 2002, 2)) <= set(got)
    assert got == [int(k) for k in table.keys("read_uncommitted")]
    done = table.replay()
    assert (done["rows"], done["first_key"]) == (100, "2002")


def test_a_topic_that_holds_other_records_is_announced(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(3))
    table.kafka.produce(table.topic, [b"{}"] * 7)
    table.replay()
    said = table.pinfeed.log.index("already holds up to 7 records, and there is no cursor")
    assert said < table.pinfeed.log.index("complete")


# ---- stopping -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("number,watched", [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, False)])
def test_sigterm_commits_what_was_sent(table, number, watched):
    table.make("k INT NOT NULL, v INT", "INSERT INTO t SELECT seq DIV 3, seq FROM seq_1_to_900",     # three of each key
               replay={"commit_rows": 40})
    table.pinfeed.start("--replay", "--streams=t", "--set=replay.rate=300", "--set=pinfeed.stats_interval=3600")
    wait_until(lambda: table.kafka.end_offset(table.topic) > 50, 30, "some rows")
    if watched:         # rows are counted for whoever asks how far it is
        wait_until(lambda: table.pinfeed.send_signal(signal.SIGUSR1) or " of 900 rows committed" in table.pinfeed.log, 30,
                   "it says how many there are")
    table.pinfeed.send_signal(number)
    table.pinfeed.expect_exit(128 + number, 10)
    stopped = result(table.pinfeed)
    of = " of 900" if watched else ""
    assert re.search(rf"stopped after [0-9]+{of} rows.* Go on with: pinfeed --replay --config=\S+ --streams=t", table.pinfeed.log)
    assert not stopped["complete"] and 50 <= stopped["totals"]["rows"] < 900
    assert stopped["totals"]["rows"] == len(table.keys()) == len(table.keys("read_uncommitted"))
    done = table.replay()
    assert done["rows"] == 900 - stopped["totals"]["rows"]
    assert done["resumed_from"] == stopped["streams"]["t"]["last_key"]
    # Nobody saw anything twice.
    assert table.keys("read_uncommitted") == [k.decode() for k, _ in table.expected("k")]


def test_a_stop_in_the_middle_of_a_key_sends_all_that_it_counts(table):
    """Without a rate, rows are handed over many at a time: those that still wait are sent too."""
    table.make("k INT NOT NULL, v INT", "INSERT INTO t SELECT seq DIV 3, seq FROM seq_1_to_6000")
    slow = Steps(table.pinfeed.directory / "steps").environment("produce:before:0:2")
    own = table.pinfeed.env
    table.pinfeed.env = {k: str(v) for k, v in {**own, **slow}.items()}
    for _ in range(3):
        before = table.kafka.end_offset(table.topic)
        table.pinfeed.start("--replay", "--streams=t")
        wait_until(lambda: table.kafka.end_offset(table.topic) > before, 30, "some rows")
        assert table.pinfeed.stop() == 128 + signal.SIGTERM
        assert not result(table.pinfeed)["complete"]
    table.pinfeed.env = own
    assert table.replay()["complete"]
    assert table.keys("read_uncommitted") == [k.decode() for k, _ in table.expected("k")]


def test_sigterm_during_a_long_query_ends_soon(table):
    table.make("k INT NOT NULL, v INT", "INSERT INTO t SELECT seq, seq FROM seq_1_to_200",
               stream={"where": "SLEEP(1) = 0"})
    table.pinfeed.start("--replay", "--streams=t")
    wait_until(lambda: any("SLEEP" in (row[7] or "") for row in table.execute("SHOW PROCESSLIST")), 20, "a long query")
    assert table.pinfeed.stop() == 128 + signal.SIGTERM


# ---- exactly_once = no ----------------------------------------------------------------------------------------------

def test_without_transactions_nothing_is_missing_after_kill(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(2000), replay={"exactly_once": "no", "commit_rows": 50})
    for _ in range(3):
        before = table.kafka.end_offset(table.topic)
        table.pinfeed.start("--replay", "--streams=t", "--set=replay.rate=800")
        wait_until(lambda: table.kafka.end_offset(table.topic) > before + 200, 30, "some rows")
        table.pinfeed.kill()
    done = table.replay()
    assert done["complete"] and done["resumed_from"] is not None
    keys = [int(k) for k in table.keys("read_uncommitted")]
    assert list(dict.fromkeys(keys)) == list(range(1, 2001))
    assert len(keys) < 2000 + 3 * 800
    assert cursor(table.kafka, table.pinfeed.group, table.topic) is None
    assert table.replay()["rows"] == 0


def test_without_transactions_a_stop_repeats_nothing(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(600), replay={"exactly_once": "no"})
    table.pinfeed.start("--replay", "--streams=t", "--set=replay.rate=300")
    wait_until(lambda: table.kafka.end_offset(table.topic) > 100, 30, "some rows")
    assert table.pinfeed.stop() == 128 + signal.SIGTERM
    table.replay()
    assert table.keys("read_uncommitted") == [str(n) for n in range(1, 601)]


RIGHTS = [("ALL", "transactional_id", ["kafka-cluster:AlterTransactionalId", "exactly_once = no"]),
          ("READ", "group", ["kafka-cluster:AlterGroup", "exactly_once = no"]),
          ("DESCRIBE", "group", ["kafka-cluster:DescribeGroup", "exactly_once = no"]),
          ("WRITE", "topic", ["kafka-cluster:WriteData"])]


@pytest.mark.parametrize("operation, resource, words", RIGHTS, ids=[f"{o} {r}" for o, r, _ in RIGHTS])
def test_a_missing_right_is_named(mariadb, kafka, pinfeeds, database, identity, operation, resource, words):
    mariadb.execute("CREATE TABLE t (k INT PRIMARY KEY)", "INSERT INTO t VALUES (1)", database=database)
    pinfeed = pinfeeds(mariadb, kafka, identity=identity, database=database, settings={"stream t": {"table": "t", "key": "k"}})
    topic = kafka.create_topic(pinfeed.topic("t"))
    kafka.deny(identity.access_key, operation, resource)
    pinfeed.run("--replay", "--streams=t").expect_exit(78)
    for word in words:
        assert word in pinfeed.log
    assert records(kafka, topic) == []
    kafka.allow_everything()
    pinfeed.run("--replay", "--streams=t").expect_exit(0)
    assert len(records(kafka, topic)) == 1


@pytest.mark.parametrize("resource", ["transactional_id", "group"])
def test_without_transactions_no_such_right_is_needed(mariadb, kafka, pinfeeds, database, identity, resource):
    mariadb.execute("CREATE TABLE t (k INT PRIMARY KEY)", "INSERT INTO t VALUES (1)", database=database)
    pinfeed = pinfeeds(mariadb, kafka, identity=identity, database=database,
                       settings={"stream t": {"table": "t", "key": "k"}, "replay": {"exactly_once": "no"}})
    topic = kafka.create_topic(pinfeed.topic("t"))
    kafka.deny(identity.access_key, "ALL", resource)
    pinfeed.run("--replay", "--streams=t").expect_exit(0)
    assert len(records(kafka, topic)) == 1


# ---- rate, memory, what it says -------------------------------------------------------------------------------------

def test_rate_is_kept_and_smooth(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(900), replay={"rate": 300})
    done = result(table.run().expect_exit(0))
    assert done["totals"]["seconds"] > 2.7
    at = [r.timestamp_ms for r in table.kafka.read_all(table.topic)]
    assert at[-1] - at[0] > 2700
    # No burst: never more than a fifth too many in half a second, but for the tenth that may be made up for.
    for i in range(len(at) - 200):
        assert at[i + 200] - at[i] > 500, (i, at[i], at[i + 200])


@pytest.mark.memory
def test_memory_does_not_grow_with_the_table(table):
    table.make("k INT PRIMARY KEY, v TEXT", "INSERT INTO t SELECT seq, REPEAT('x', 1000) FROM seq_1_to_20000")

    def peak_mb(*options):
        table.pinfeed.start("--replay", "--streams=t", *options)
        peak, end = 0, time.monotonic() + 120
        while table.pinfeed.exit_code is None and time.monotonic() < end:
            try:
                with open(f"/proc/{table.pinfeed.pid}/status") as f:
                    found = re.search(r"VmHWM:\s+(\d+)", f.read())
            except OSError:
                continue
            peak = max(peak, int(found[1]) // 1024 if found else 0)
            time.sleep(0.01)
        assert table.pinfeed.exit_code == 0, table.pinfeed.log
        return peak
    small = peak_mb()
    table.execute("INSERT INTO t SELECT 20000 + seq, REPEAT('x', 1000) FROM seq_1_to_180000")
    large = peak_mb()
    assert table.kafka.end_offset(table.topic) > 200000
    assert large < max(small, 30) + 110, (small, large)      # librdkafka's queue (64 MB) and its overhead


def test_what_it_says_without_a_terminal(posts):
    posts.run("--replay", "--set=pinfeed.stats_interval=1", "--set=replay.rate=3000").expect_exit(0)
    assert ESCAPE not in posts.log and "\r" not in posts.log
    assert json.loads(posts.stdout)["complete"]
    topic = re.escape(posts.topic("pin"))
    assert re.search(rf"{topic}: [\d,]+ of 3,000 rows committed", posts.log)
    assert re.search(rf"{topic}: complete, 3,000 rows sent in ", posts.log)


def run_on_terminal(pinfeed, *options, columns=80, stdout=None, deadline_s=60):
    """stderr is a terminal, and stdout, too, unless it is given; returns what it showed."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, columns))
    process = subprocess.Popen([paths.binary(), f"--config={pinfeed.write_config()}", *options], stderr=its,
                               stdin=subprocess.DEVNULL, stdout=stdout or its, env={**pinfeed.env, "TERM": "xterm"})
    os.close(its)
    shown, end = b"", time.monotonic() + deadline_s
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 65536)
                except OSError:
                    break
        assert process.wait(5) == 0, shown
    finally:
        process.kill()
        os.close(ours)
    return shown.decode().replace("\r", "")


def drawn(shown):
    """The blocks of progress that were drawn, each as its lines."""
    blocks = re.findall(r"((?:^(?:pin|geo|user|total) .*\n?)+)", re.sub(r"\x1b\[[0-9]*[AJ]", "\n", shown), re.M)
    return [block.splitlines() for block in blocks]


SLOWLY = ("--replay", "--set=replay.rate=3000", "--set=replay.commit_rows=200")


@pytest.mark.parametrize("columns", [80, 40])
def test_a_terminal_shows_each_stream_and_all_of_them(posts, columns):
    with open(posts.directory / "tty.out", "wb") as out:
        blocks = drawn(run_on_terminal(posts, *SLOWLY, columns=columns, stdout=out))
    assert max(len(line) for lines in blocks for line in lines) < columns
    assert any(len(lines) == len(STREAMS) + 1 for lines in blocks), blocks
    for name in (*STREAMS, "total"):
        bar = r" \[#+=*\.+\]" if columns == 80 and name != "total" else ""
        numbers = r" +\d+ %  [\d,]+ of [39],000, [\d,]+/s, \d+ s left" if columns == 80 else r" +\d+% [\d,]+/[39],000 [\d,]+/s \d+ s"
        assert any(re.match(rf"{name} *{bar}{numbers}", line) for lines in blocks for line in lines), (name, blocks)
    assert columns < 80 or any(re.match(r"total .*, [\d,]+ committed", line) for lines in blocks for line in lines), blocks


def test_a_resumed_run_continues_its_bar(posts, kafka):
    posts.start(*SLOWLY)
    posts.wait_until(lambda: (found := cursor(kafka, posts.group, posts.topic("pin"), False)) and found["main"]["rows"] > 600,
                     30, "rows")
    assert posts.stop() == 128 + signal.SIGTERM
    before = result(posts)["streams"]["pin"]["rows"]
    blocks = drawn(run_on_terminal(posts, *SLOWLY))
    seen = [int(m[1].replace(",", "")) for lines in blocks for line in lines if (m := re.match(r"pin .* ([\d,]+) of 3,000", line))]
    assert seen and before <= seen[0] and seen == sorted(seen)


def test_on_a_terminal_the_result_is_a_table_unless_json_is_asked_for(posts):
    plan = run_on_terminal(posts, "--replay", "--dry-run")
    assert re.search(r"^pin +3,000 rows, from the first one to key 2999$", plan, re.M) and "{" not in plan
    shown = run_on_terminal(posts, "--replay")
    for stream in STREAMS:
        assert re.search(rf"^{stream} +3,000 +[\d.]+ [kM]B +[\d.]+ s +[\d,]+  complete: keys 0 to 2999$", shown, re.M), shown
    assert re.search(r"^total +9,000 ", shown, re.M) and "{" not in shown and "rows sent in" not in shown
    again = run_on_terminal(posts, "--replay", "--json")
    assert json.loads(again[again.index("{"):])["totals"]["rows"] == 0
    with open(posts.directory / "tty.out", "wb") as out:
        assert "rows sent in" in run_on_terminal(posts, "--replay", stdout=out)
    assert json.loads((posts.directory / "tty.out").read_text())["complete"]


def test_a_replay_that_never_began_says_the_error_alone(posts):
    posts.settings["stream pin"] = {"table": "no_such_table"}
    posts.run("--replay").expect_exit(78)
    assert "rows sent" not in posts.log and "no_such_table" in posts.log
