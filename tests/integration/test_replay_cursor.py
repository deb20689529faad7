"""What --replay remembers from run to run, and what it makes of it when something is not as it was."""

import json
import re
import subprocess

import pytest
from confluent_kafka import Consumer, TopicPartition

from rig import paths, wait_until
from rig.replay import NUMBERS, cursor, forget, refused, result


# ---- --restart ------------------------------------------------------------------------------------------------------

def test_a_restart_of_two_streams_does_not_send_the_finished_one_again(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(20), replay={"commit_rows": 10})
    table.execute("CREATE TABLE u (k INT PRIMARY KEY, v TEXT)", NUMBERS.format(400).replace("INTO t", "INTO u"))
    table.pinfeed.settings["stream u"] = {"table": "u", "key": "k"}
    other = table.kafka.create_topic(table.pinfeed.topic("u"))
    both = ("--replay", "--streams=t,u", "--restart")
    table.pinfeed.run("--replay", "--streams=t,u").expect_exit(0)
    table.pinfeed.start(*both, "--set=replay.rate=100")

    def run_of(topic):
        return (cursor(table.kafka, table.pinfeed.group, topic) or {}).get("main", {})
    wait_until(lambda: run_of(table.topic).get("again") and run_of(table.topic)["done"] and run_of(other).get("again"), 30,
               "one is finished, one is not")
    table.pinfeed.kill()
    assert result(table.pinfeed.run(*both).expect_exit(0))["streams"]["t"]["rows"] == 0
    numbers = [str(n) for n in range(1, 401)]
    assert table.keys() == numbers[:20] * 2
    assert [r.key.decode() for r in table.kafka.read_all(other, "read_committed")] == numbers * 2
    # That restart is over; this is another.
    assert result(table.pinfeed.run(*both).expect_exit(0))["totals"]["rows"] == 420


def test_a_bounded_restart_of_a_changed_table_does_not_hide_the_change(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(10))
    table.replay()
    table.execute("ALTER TABLE t ADD COLUMN w INT")
    assert table.replay("--restart", "--from=1", "--to=1")["rows"] == 1
    assert "not what they were" in refused(table)


def test_bounded_runs_are_remembered_side_by_side(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(100))
    for bounds in (("--to=3",), ("--from=90",), ("--from=5", "--to=7")):
        assert table.replay(*bounds)["rows"] > 0
    for bounds in (("--to=3",), ("--from=90",), ("--from=5", "--to=7")):
        assert table.replay(*bounds)["rows"] == 0
    for first in range(20, 29):                 # more than it remembers: that is said
        table.replay(f"--from={first}", f"--to={first}")
    assert "only the last 8 runs with bounds are remembered" in table.pinfeed.log
    assert len(cursor(table.kafka, table.pinfeed.group, table.topic)["earlier"]) == 7


# ---- the copy -------------------------------------------------------------------------------------------------------

def test_another_group_finds_that_there_was_a_cursor(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(10))
    table.replay()
    log = refused(table, f"--set=replay.group=other-{table.database}")
    assert "10 rows sent, last key 10" in log and "--restart" in log and "--from" in log


def test_a_copy_under_its_former_name_is_found_and_taken_along(table):
    group = "g-" + table.database
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(10), replay={"group": group})
    table.replay()
    copy, = (p for p in table.pinfeed.state_dir.iterdir() if p.name.endswith(".cursor"))
    former = copy.with_name(f"replay-{group}.{table.pinfeed.user_id}.t.cursor")
    copy.rename(former)
    forget(table, group)
    assert "10 rows sent" in refused(table)
    table.replay("--restart")
    assert copy.exists() and not former.exists()


def test_a_cursor_in_the_group_of_earlier_versions_is_taken_along_once(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(10))
    former = "--set=replay.group=pinfeed"
    table.replay(former)
    table.execute("INSERT INTO t VALUES (11, 'x')")
    assert table.replay()["rows"] == 1
    assert "goes to group " + table.pinfeed.group in table.pinfeed.log
    assert cursor(table.kafka, table.pinfeed.group, table.topic)["main"]["rows"] == 11
    assert table.replay()["rows"] == 0 and "goes to group" not in table.pinfeed.log
    # Nothing is left there by which an earlier version would go on.
    assert "format version 2" in refused(table, former)


def test_a_topic_with_records_and_no_cursor_is_warned_about(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(10), replay={"group": "g-" + table.database})
    table.replay()
    forget(table, "g-" + table.database)
    for path in table.pinfeed.state_dir.iterdir():
        path.unlink()
    table.replay()
    assert re.search("there is no cursor: .*an earlier replay's.*--from", table.pinfeed.log)


def put_back(table, text):
    """Kafka has an older cursor again."""
    consumer = Consumer({"bootstrap.servers": table.kafka.bootstrap, "group.id": table.pinfeed.group, "log_level": 0})
    try:
        consumer.commit(offsets=[TopicPartition(table.topic, 0, 5, metadata=text)], asynchronous=False)
    finally:
        consumer.close()


def test_a_cursor_older_than_its_copy_is_refused(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(5))
    table.replay()
    older = table.kafka.group_offsets(table.pinfeed.group)[(table.topic, 0)][1]
    table.execute("INSERT INTO t VALUES (6, 'x')")
    table.replay()
    put_back(table, older[:json.JSONDecoder().raw_decode(older)[1]])     # confluent-kafka reads on until a NUL
    log = refused(table)
    assert "5 rows were sent" in log and "Kafka has an older one" in log and "--from" in log
    assert table.replay("--restart")["rows"] == 6


# ---- exactly_once = no: the file is all there is ---------------------------------------------------------------------

@pytest.fixture
def plain(table):
    return table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(10), replay={"exactly_once": "no"})


def test_without_transactions_another_topic_begins_anew(plain):
    plain.replay()
    plain.topic = plain.kafka.create_topic(plain.topic + ".other")
    plain.pinfeed.settings["stream t"]["topic"] = plain.topic
    assert plain.replay()["rows"] == 10
    assert plain.keys() == [str(n) for n in range(1, 11)]


def test_without_transactions_a_cursor_of_another_cluster_is_refused(plain):
    plain.replay()
    path, = (p for p in plain.pinfeed.state_dir.iterdir() if p.name.endswith(".cursor"))
    path.write_text(re.sub('"cluster":"[^"]+"', '"cluster":"another"', path.read_text()))
    assert "of cluster another came" in refused(plain)
    assert plain.replay("--restart")["rows"] == 10


def test_without_transactions_two_at_once_are_refused(plain):
    plain.pinfeed.start("--replay", "--streams=t", "--set=replay.rate=2")
    plain.pinfeed.wait_for("replays t", 20)
    second = plain.pinfeeds(plain.mariadb, plain.kafka, database=plain.database, user_id=plain.pinfeed.user_id,
                            settings=plain.pinfeed.settings)
    second.settings["pinfeed"] = {**plain.pinfeed.settings["pinfeed"], "state_dir": plain.pinfeed.state_dir}
    second.run("--replay", "--streams=t").expect_exit(1)
    assert "another pinfeed replays to topic" in second.log
    plain.pinfeed.expect_exit(0)


# ---- never complete what isn't ---------------------------------------------------------------------------------------

def test_a_server_that_ends_a_table_early_is_asked_again(table, mariadb):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(1000))
    mariadb.execute("SET GLOBAL sql_select_limit = 100")
    try:
        done = table.replay()
    finally:
        mariadb.execute("SET GLOBAL sql_select_limit = DEFAULT")
    assert done["complete"] and done["rows"] == 1000
    table.assert_exact()


def test_a_result_that_cannot_be_written_is_an_error(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(3))
    with open("/dev/full", "wb") as full:
        done = subprocess.run([paths.binary(), f"--config={table.pinfeed.write_config()}", "--replay", "--streams=t"],
                              stdout=full, stderr=subprocess.PIPE, env=table.pinfeed.env, timeout=60)
    assert done.returncode == 1 and b"could not be written" in done.stderr, done.stderr


# ---- wrong words ----------------------------------------------------------------------------------------------------

def test_a_transaction_longer_than_the_brokers_allow_is_a_wrong_setting(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(3), kafka={"transaction.timeout.ms": 2000000000})
    assert "transaction.timeout.ms" in refused(table)


def test_a_date_that_there_is_not_is_wrong_usage(table):
    table.make("k DATE PRIMARY KEY, v TEXT", "INSERT INTO t VALUES ('2020-01-01', 'x')")
    assert "no such date as 2020-13-45" in refused(table, "--from=2020-13-45", code=2)
    assert "no such date as 2020-01-02 25:00:00" in refused(table, "--from=2020-01-02 25:00:00", code=2)


def test_a_lower_bound_beyond_the_upper_one_is_wrong_usage(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(30))
    assert "--from=20 lies beyond --to=3" in refused(table, "--from=20", "--to=3", code=2)
    assert table.replay("--from=3", "--to=20")["rows"] == 18
