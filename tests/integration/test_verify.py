"""--verify on real servers: what it calls equal, and what it names."""

import json
import os
import pty
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Producer, TopicPartition

from rig import paths, wait_until
from rig.replay import NUMBERS, STREAMS, create_topics, load_posts

NOTHING = {"missing": 0, "doubled": 0, "altered": 0, "foreign": 0, "out_of_order": 0, "aborted": 0}


def verify(pinfeed, *options, code=0):
    pinfeed.run("--verify", "--json", *options).expect_exit(code)
    assert pinfeed.stdout, pinfeed.log
    return json.loads(pinfeed.stdout)


def counts(result):
    return {name: result[name] for name in NOTHING}


def one(table, *options, code=0):
    """Of the stream of a table alone."""
    return verify(table.pinfeed, "--streams=t", *options, code=code)["streams"]["t"]


def offsets(kafka, pinfeed):
    return {where: offset for where, (offset, _) in kafka.group_offsets(pinfeed.group).items()}


def put(kafka, topic, *records, partition=0, transaction=None):
    """(key, value) behind pinfeed's back; `transaction`: "commit", "abort" or "leave"."""
    settings = {"bootstrap.servers": kafka.bootstrap, "log_level": 0}
    producer = Producer({**settings, "transactional.id": f"other-{topic}"} if transaction else settings)
    if transaction:
        producer.init_transactions(30)
        producer.begin_transaction()
    for key, value in records:
        producer.produce(topic, key=key, value=value, partition=partition)
    producer.flush(20)
    if transaction == "commit":
        producer.commit_transaction(30)
    if transaction == "abort":
        producer.abort_transaction(30)
    return producer


@pytest.fixture
def numbers(table):
    """A thousand rows, replayed."""
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(1000), replay={"commit_rows": 100})
    table.replay()
    return table


# ---- what is equal --------------------------------------------------------------------------------------------------

def test_after_a_replay_topics_and_tables_are_equal(kafka, loaded):
    pinfeed = loaded(3000, settings={"replay": {"commit_rows": 500}})
    pinfeed.run("--replay").expect_exit(0)
    before = offsets(kafka, pinfeed), {t: kafka.end_offset(t) for t in pinfeed.topics}
    done = verify(pinfeed)
    assert done["equal"] and list(done["streams"]) == list(STREAMS)
    assert done["totals"]["rows"] == done["totals"]["records"] == 9000
    for stream in done["streams"].values():
        assert stream["equal"] and stream["as"] == "replay" and stream["log_start"] == 0
        assert (stream["rows"], stream["records"]) == (3000, 3000) and counts(stream) == NOTHING
    assert before == (offsets(kafka, pinfeed), {t: kafka.end_offset(t) for t in pinfeed.topics})


# ---- what differs ---------------------------------------------------------------------------------------------------

def test_each_difference_is_counted_and_named(numbers):
    numbers.execute("INSERT INTO t VALUES (2001, 'not sent'), (2002, 'nor this')", "UPDATE t SET v = 'new' WHERE k IN (7, 8)",
                    "DELETE FROM t WHERE k = 500")
    put(numbers.kafka, numbers.topic, ("9", '{"k":9,"v":"row 9"}'), ("9", '{"k":9,"v":"row 9"}'), ("3000", "x"), ("3001", None),
        (None, "nobody's"))
    found = one(numbers, "--show=5", code=1)
    assert counts(found) == {"missing": 2, "doubled": 2, "altered": 2, "foreign": 4, "out_of_order": 1, "aborted": 0}
    assert (found["rows"], found["records"]) == (1001, 1005)
    assert {c: sorted(map(str, keys)) for c, keys in found["first_keys"].items()} == {
        "missing": ["2001", "2002"], "doubled": ["9"], "altered": ["7", "8"], "foreign": ["3000", "3001", "500", "None"]}
    assert found["shown"] == [{"key": str(k), "row": f'{{"k":{k},"v":"new"}}', "record": f'{{"k":{k},"v":"row {k}"}}'}
                              for k in (7, 8)]
    assert "t: 2 missing, t: 2 doubled, t: 2 altered, t: 4 foreign, t: 1 out_of_order" in numbers.pinfeed.log


def test_records_in_a_row_that_is_no_more_in_order_are_told(numbers):
    numbers.replay("--restart")
    assert counts(one(numbers, "--as=follow", code=1)) == {**NOTHING, "doubled": 1000, "out_of_order": None}
    found = one(numbers, code=1)
    assert counts(found) == {**NOTHING, "doubled": 1000, "out_of_order": 1}
    assert found["first_keys"]["doubled"] == [str(k) for k in range(1, 11)]


def test_a_row_that_was_altered_and_sent_again_is_doubled(numbers):
    numbers.execute("UPDATE t SET v = 'new' WHERE k = 1000")
    put(numbers.kafka, numbers.topic, ("1000", '{"k":1000,"v":"new"}'))
    assert counts(one(numbers, code=1)) == {**NOTHING, "doubled": 1}


def test_partitions_are_read_together(table, kafka):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(2000))
    kafka.delete_topic(table.topic)
    kafka.create_topic(table.topic, partitions=5)
    table.replay()
    assert counts(one(table)) == NOTHING
    table.execute("DELETE FROM t WHERE k IN (17, 1999)")
    assert counts(one(table, code=1)) == {**NOTHING, "foreign": 2}


KEYS = {
    "text": ("k VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY",
             ["''", "'a'", "'ÄÖ'", "'日本'", "'\\n\\t'", "'0x41'", "'\"q\"'"]),
    "binary": ("k VARBINARY(20) NOT NULL PRIMARY KEY", ["''", "X'00'", "X'0001'", "X'41'", "X'FF'", "X'FFFE'", "X'C3A9'"]),
    "decimal": ("k DECIMAL(20,4) NOT NULL PRIMARY KEY", ["-10.5", "-0.0001", "0", "0.0001", "3", "12345678901.25"]),
    "datetime": ("k DATETIME(3) NOT NULL PRIMARY KEY", ["'1000-01-01'", "'2020-02-29 01:02:03.004'", "'2020-02-29 01:02:03.005'"]),
    "time": ("k TIME NOT NULL PRIMARY KEY", ["'-838:59:59'", "'-01:00:00'", "'09:00:00'", "'100:00:00'"]),
    "zerofill": ("k INT(6) ZEROFILL NOT NULL PRIMARY KEY", ["0", "1", "20", "300"]),
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_kind(table, kind):
    ddl, keys = KEYS[kind]
    table.make(f"id INT, {ddl}", "SET time_zone = '+00:00', sql_mode = ''",
               *(f"INSERT INTO t VALUES ({n}, {key})" for n, key in enumerate(keys)))
    table.replay()
    assert {**counts(one(table)), "out_of_order": 0} == NOTHING
    table.execute(f"DELETE FROM t WHERE k = {keys[0]}", f"UPDATE t SET id = 77 WHERE k = {keys[1]}")
    found = one(table, code=1)
    assert (found["foreign"], found["altered"], found["missing"], found["doubled"]) == (1, 1, 0, 0)


def test_rows_of_equal_key_are_told_apart_by_what_is_in_them(table):
    table.make("k INT NOT NULL, v TEXT, KEY (k)", "INSERT INTO t VALUES (1, 'a'), (1, 'b'), (1, 'b'), (2, 'c'), (2, 'd')")
    table.replay()
    assert counts(one(table)) == NOTHING
    table.execute("UPDATE t SET v = 'x' WHERE v = 'a'", "INSERT INTO t VALUES (2, 'c')")
    assert counts(one(table, code=1)) == {**NOTHING, "altered": 1, "missing": 1}
    table.execute("DELETE FROM t WHERE k = 2 AND v = 'd'")
    assert counts(one(table, code=1)) == {**NOTHING, "altered": 2}


def test_from_and_to_bound_both_sides(numbers):
    numbers.execute("DELETE FROM t WHERE k IN (99, 151)", "UPDATE t SET v = 'new' WHERE k = 100")
    assert counts(one(numbers, "--from=101", "--to=150")) == NOTHING
    found = one(numbers, "--from=100", "--to=150", code=1)
    assert (found["rows"], found["records"]) == (51, 51) and counts(found) == {**NOTHING, "altered": 1}
    assert counts(one(numbers, "--to=99", code=1)) == {**NOTHING, "foreign": 1}


def test_texts_without_a_collation_of_their_own_are_bounded_and_ordered_by_their_bytes(table):
    table.make("k TEXT NOT NULL", "INSERT INTO t VALUES ('a'), ('B'), ('b'), ('ä')")
    table.replay()
    found = one(table, "--from=a", "--to=b")
    assert counts(found) == NOTHING and (found["rows"], found["records"]) == (2, 2)


@pytest.mark.parametrize("options, words", [
    (["--from=x"], "--from: 'x' can't be a key of table t"), (["--show=0"], "--show takes a number from 1 to 100"),
    (["--show=5x"], "--show takes a number"), (["--from=10", "--to=9"], "--from=10 lies beyond --to=9: nothing would be compared"),
    (["--as=else"], "--as takes replay, follow or emulation")])
def test_wrong_usage_is_told(numbers, options, words):
    numbers.pinfeed.run("--verify", "--streams=t", *options).expect_exit(2)
    assert words in numbers.pinfeed.log and numbers.pinfeed.stdout == ""


def test_bounds_that_no_calendar_has_are_refused(table):
    table.make("k DATETIME PRIMARY KEY, v TEXT", "INSERT INTO t VALUES ('2021-02-28', 'a'), ('2021-03-01', 'b'), ('2021-03-05', 'c')")
    table.replay()
    assert one(table, "--from=2021-03-01", "--to=2021-03-02 10:00:00")["rows"] == 1
    for option in "--from", "--to":
        for text in "2021-02-31", "2021-03-01 25:00:00", "2021-03-01 00:60:00":
            table.pinfeed.run("--verify", "--streams=t", f"{option}={text}").expect_exit(2)
            assert f"{option}: there is no such date as {text}" in table.pinfeed.log


def test_bounds_of_keys_that_only_the_server_can_order_are_refused(table):
    table.make("k VARCHAR(20) PRIMARY KEY", "INSERT INTO t VALUES ('a')")
    table.replay()
    table.pinfeed.run("--verify", "--streams=t", "--to=b").expect_exit(2)
    assert "an order that only the server knows" in table.pinfeed.log


# ---- what a reader without read_committed sees ----------------------------------------------------------------------

def hidden(table):
    return len(table.kafka.read_all(table.topic)) - len(table.kafka.read_all(table.topic, "read_committed"))


def test_records_of_a_transaction_that_a_kill_left_open_are_counted(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(20000), replay={"commit_rows": 100000})
    table.pinfeed.start("--replay", "--streams=t", "--set=replay.rate=500")
    wait_until(lambda: hidden(table) > 0, 60, "rows of the transaction")
    table.pinfeed.kill()
    table.replay()
    found = one(table)
    assert counts(found) == {**NOTHING, "aborted": hidden(table)} and found["aborted"] > 0


def test_aborted_records_are_counted_exactly_wherever_they_lie(table, kafka):
    """Between those of others, alone, at both ends, in several partitions; a transaction that is open is not looked at."""
    table.make("k INT PRIMARY KEY, v TEXT", "INSERT INTO t VALUES (1, 'a')")
    kafka.delete_topic(table.topic)
    kafka.create_topic(table.topic, partitions=2)
    row = ("1", '{"k":1,"v":"a"}')
    for partition in 0, 1:
        put(kafka, table.topic, row, partition=partition, transaction="abort")
        put(kafka, table.topic, row, row, row, partition=partition)
        put(kafka, table.topic, row, row, partition=partition, transaction="abort")
    slow = put(kafka, table.topic, row, row, transaction="leave")
    put(kafka, table.topic, row, row)
    slow.abort_transaction(30)
    put(kafka, table.topic, row, partition=1, transaction="commit")
    put(kafka, table.topic, row, row, partition=1, transaction="abort")
    assert counts(one(table, "--as=replay", code=1)) == {**NOTHING, "doubled": 8, "aborted": hidden(table)}
    assert hidden(table) == 10
    still = put(kafka, table.topic, row, row, transaction="leave")
    put(kafka, table.topic, row)
    assert counts(one(table, "--as=replay", code=1)) == {**NOTHING, "doubled": 8, "aborted": 10}
    still.commit_transaction(30)
    assert counts(one(table, "--as=replay", code=1)) == {**NOTHING, "doubled": 11, "aborted": 10}


# ---- beginnings that are gone ---------------------------------------------------------------------------------------

def delete_before(kafka, topic, offset, partition=0):
    kafka.admin().delete_records([TopicPartition(topic, partition, offset)])[TopicPartition(topic, partition)].result(20)


def test_rows_whose_records_expired_are_not_called_missing(numbers):
    start = next(r.offset for r in numbers.kafka.read_all(numbers.topic) if r.key == b"301")
    delete_before(numbers.kafka, numbers.topic, start)
    found = one(numbers)
    assert counts(found) == NOTHING and found["compared_from"] == "301" and found["log_start"] == start
    assert (found["rows"], found["records"]) == (700, 700)
    assert f"first records are gone, up to offset {start}" in numbers.pinfeed.log
    numbers.execute("INSERT INTO t VALUES (1001, 'x')", "UPDATE t SET v = 'old' WHERE k = 300")
    assert counts(one(numbers, code=1)) == {**NOTHING, "missing": 1}


def test_where_a_user_begins_above_what_is_gone_nothing_is_cut(numbers):
    delete_before(numbers.kafka, numbers.topic, 300)
    found = one(numbers, "--from=500")
    assert counts(found) == NOTHING and (found["rows"], found["compared_from"]) == (501, None)
    assert "are gone" not in numbers.pinfeed.log


def test_of_a_key_whose_records_are_partly_gone_nothing_is_told(table):
    table.make("k INT NOT NULL, v TEXT, KEY (k)", "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (2, 'c'), (3, 'd')")
    table.replay()
    delete_before(table.kafka, table.topic, 2)
    for options in [], ["--from=2"]:
        found = one(table, *options)
        assert counts(found) == NOTHING and (found["rows"], found["compared_from"]) == (1, "2")


def test_what_has_no_key_is_foreign_also_where_the_first_records_are_gone(numbers):
    delete_before(numbers.kafka, numbers.topic, numbers.kafka.end_offset(numbers.topic))
    put(numbers.kafka, numbers.topic, (None, "nobody's"), ("abc", "no number"), ("5", None), ("1000", '{"k":1000,"v":"row 1000"}'))
    found = one(numbers, code=1)
    assert counts(found) == {**NOTHING, "foreign": 3} and found["compared_from"] == "1000"
    assert counts(one(numbers, "--to=1000")) == NOTHING


def test_after_a_follow_a_topic_may_begin_with_a_row_that_came_late(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(400))
    keys = [*range(1, 50), *range(51, 200), 50, *range(200, 401)]
    put(table.kafka, table.topic, *((str(k), f'{{"k":{k},"v":"row {k}"}}') for k in keys))
    delete_before(table.kafka, table.topic, keys.index(50))
    found = one(table, "--as=follow")
    assert counts(found) == {**NOTHING, "out_of_order": None} and found["compared_from"] == "298"
    table.execute("UPDATE t SET v = 'new' WHERE k = 300")
    assert counts(one(table, "--as=follow", code=1)) == {**NOTHING, "out_of_order": None, "altered": 1}


def test_of_a_topic_that_lost_everything_nothing_is_called_missing(numbers):
    delete_before(numbers.kafka, numbers.topic, numbers.kafka.end_offset(numbers.topic))
    found = one(numbers)
    assert found["missing"] is None and (found["rows"], found["records"]) == (1000, 0)


def test_a_compacted_topic_that_has_every_row_is_equal(table, kafka):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(50))
    kafka.delete_topic(table.topic)
    kafka.create_topic(table.topic, cleanup_policy="compact")
    table.replay()
    assert counts(one(table)) == NOTHING


# ---- after a follow -------------------------------------------------------------------------------------------------

def test_a_topic_that_was_followed_is_known_by_its_cursor(follow):
    """Rows that came late are where they came, which is no disorder; nor is it one after a replay has gone on."""
    follow.make("INSERT INTO t SELECT NULL, CONCAT('row ', seq) FROM seq_1_to_20").start().wait_for_rows(20)
    with follow.transaction() as slow:
        slow.execute("INSERT INTO t VALUES (NULL, 'late')")
        follow.insert(5)
        follow.wait_for_rows(25)
        slow.execute("COMMIT")
    follow.wait_for_rows(26)
    assert follow.keys() != sorted(follow.keys(), key=int) and follow.pinfeed.stop() == 0
    assert (found := one(follow))["as"] == "follow" and counts(found) == {**NOTHING, "out_of_order": None}
    follow.insert(3)
    follow.replay()
    assert (found := one(follow))["as"] == "follow" and counts(found) == {**NOTHING, "out_of_order": None}
    assert counts(one(follow, "--as=replay", code=1)) == {**NOTHING, "out_of_order": 1}
    follow.insert(2)            # nobody follows any more: these wait for the next replay
    assert counts(one(follow, code=1)) == {**NOTHING, "out_of_order": None, "missing": 2}


def test_rows_that_a_follow_has_still_to_send_are_not_missing(follow, notify):
    """They are awaited, which makes nothing unequal as long as it sends any."""
    follow.make("INSERT INTO t VALUES (1, 'a'), (2, 'b')").start().wait_for_rows(2)
    follow.pinfeed.freeze()
    follow.insert(3)
    follow.pinfeed.env.update(notify.environment())
    with ThreadPoolExecutor() as pool:
        verified = pool.submit(follow.pinfeed.beside, "--verify", "--json", "--streams=t")
        wait_until(lambda: notify.status() == f"Waits up to 10 s for a follow to go on with {follow.topic}", 30, notify.status)
        follow.pinfeed.thaw()
        verified = verified.result()
    found = json.loads(verified.stdout)["streams"]["t"]
    assert verified.returncode == 0, verified.stderr
    assert found["awaited"] == 3 and found["follow_goes_on"] is True and found["equal"] is True
    follow.wait_for_rows(5)
    assert follow.pinfeed.stop() == 0
    found = one(follow)
    assert found["awaited"] == 0 and found["follow_goes_on"] is None


def test_rows_that_nobody_sends_any_more_are_a_difference(follow):
    follow.make("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (4, 'd')").see_transactions().start()
    wait_until(lambda: follow.rows() and not follow.gaps() or follow.insert() or time.sleep(0.3), 30, "nothing is missing")
    with follow.transaction() as slow:
        slow.execute("INSERT INTO t VALUES (NULL, 'late'), (NULL, 'late, too')")
        late = [str(slow.lastrowid), str(slow.lastrowid + 1)]
        follow.insert(5)
        follow.wait_for_rows(follow.execute("SELECT COUNT(*) FROM t")[0][0])
        assert follow.pinfeed.stop() == 0 and follow.missing(*map(int, late))
        slow.execute("COMMIT")
    follow.execute("INSERT INTO t VALUES (1000000, 'new')")
    follow.execute("INSERT INTO t VALUES (3, 'never looked for again')")
    found = one(follow, code=1)
    assert found["as"] == "follow" and counts(found) == {**NOTHING, "out_of_order": None, "missing": 1}
    assert found["awaited"] == 3 and found["first_keys"]["awaited"] == [*late, "1000000"]
    assert found["follow_goes_on"] is False and found["first_keys"]["missing"] == ["3"]
    assert re.search(r"t: 1 missing, t: 3 awaited \(none sent within \d+ s\)\. Does a follow run\?", follow.pinfeed.log)
    follow.execute("DELETE FROM t WHERE k = 3")
    assert one(follow, code=1)["equal"] is False
    follow.execute("INSERT INTO t VALUES (3, 'never looked for again')")
    follow.start().wait_for_rows(follow.execute("SELECT COUNT(*) FROM t")[0][0] - 1)
    assert follow.pinfeed.stop() == 0
    found = one(follow, code=1)
    assert (found["missing"], found["awaited"]) == (1, 0)


def test_a_stop_while_a_follow_is_waited_for_says_what_was_found(follow, notify):
    follow.make("INSERT INTO t VALUES (1, 'a'), (2, 'b')").start().wait_for_rows(2)
    assert follow.pinfeed.stop() == 0
    follow.insert(3)
    follow.pinfeed.settings["follow"]["interval"] = 100
    follow.pinfeed.env.update(notify.environment())
    follow.pinfeed.start("--verify", "--json", "--streams=t")
    wait_until(lambda: notify.status() == f"Waits up to 210 s for a follow to go on with {follow.topic}", 30, notify.status)
    follow.pinfeed.send_signal(signal.SIGINT)
    follow.pinfeed.expect_exit(130)
    found = json.loads(follow.pinfeed.stdout)["streams"]["t"]
    assert (found["rows"], found["records"], found["awaited"]) == (5, 2, 3)
    assert found["equal"] is False and found["follow_goes_on"] is False
    assert re.search(r"stopped while it waited for a follow to go on: t: 3 awaited \(none sent within \d+ s\)", follow.pinfeed.log)


# ---- after an emulation ---------------------------------------------------------------------------------------------

@pytest.fixture
def emulated(mariadb, emulate, database):
    load_posts(mariadb, database, 200)
    pinfeed = emulate(database, posts=300)
    pinfeed.run().expect_exit(0)
    return pinfeed


def test_after_an_emulation_every_record_is_a_row_and_the_topics_have_the_same_posts(emulated, mariadb, kafka, database):
    done = verify(emulated)
    assert done["equal"] and done["posts"] == {"equal": True, "differ": 0, "first_keys": []}
    for stream in done["streams"].values():
        assert stream["as"] == "emulation" and (stream["rows"], stream["records"]) == (200, 300)
        assert [stream[c] for c in ("missing", "doubled", "altered", "foreign", "out_of_order")] == [None, None, 0, 0, None]
    assert "is taken for emulated posts" in emulated.log
    sent = {r.key.decode() for r in kafka.read_all(emulated.topic("pin"))}
    key, other = sorted(sent)[:2]
    mariadb.execute(f"UPDATE pinterest_data SET title = 'new' WHERE `index` = {key}",
                    f"DELETE FROM user_data WHERE ind = {key}", database=database)
    record = next(r for r in kafka.read_all(emulated.topic("geo")) if r.key.decode() == other)
    put(kafka, emulated.topic("geo"), (record.key, record.value))
    done = verify(emulated, "--as=emulation", code=1)
    assert [(s["altered"], s["foreign"] > 0) for s in done["streams"].values()] == [(1, False), (0, False), (0, True)]
    assert done["streams"]["pin"]["first_keys"]["altered"] == [key]
    assert done["posts"] == {"equal": False, "differ": 1, "first_keys": [other]}
    assert "1 posts are not equally often in all topics" in emulated.log


def test_posts_of_a_topic_that_lost_some_are_not_counted(emulated, kafka):
    delete_before(kafka, emulated.topic("geo"), 5)
    done = verify(emulated)
    assert done["equal"] and done["posts"]["equal"]          # of the other two
    delete_before(kafka, emulated.topic("pin"), 5)
    assert "posts" not in verify(emulated)


# ---- what it says, and how it ends ----------------------------------------------------------------------------------

def on_a_terminal(table, *options):
    ours, its = pty.openpty()
    process = subprocess.Popen([paths.binary(), f"--config={table.pinfeed.write_config()}", "--verify", "--streams=t", *options],
                               stdin=subprocess.DEVNULL, stdout=its, stderr=subprocess.DEVNULL, env=table.pinfeed.env)
    assert process.wait(60) == 1
    os.close(its)
    out = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    return out


def test_people_get_a_table(numbers):
    numbers.execute("INSERT INTO t VALUES (2001, 'not sent')", "UPDATE t SET v = 'new' WHERE k = 7")
    out = on_a_terminal(numbers, "--show=1")
    assert out[0].split() == "stream rows records missing doubled altered foreign order aborted s".split()
    assert out[1].split()[:-1] == "t 1001 1000 1 0 1 0 0 0".split() and max(map(len, out[:2])) <= 80
    assert out[2:] == ["t, missing: 2001", "t, altered: 7", "t, 7", '  row    {"k":7,"v":"new"}',
                       '  record {"k":7,"v":"row 7"}']


def test_what_a_record_holds_is_not_obeyed_by_a_terminal(table):
    table.make("k VARCHAR(40) NOT NULL PRIMARY KEY, v TEXT", "INSERT INTO t VALUES ('1', 'a  b')")
    put(table.kafka, table.topic, ("1", "\x1b]0;mine\x07  two\nlines\0 \u009b2J é"), ("\u009b2J", "x"))
    assert on_a_terminal(table, "--as=replay", "--show=1")[2:] == [
        "t, altered: 1", r"t, foreign: \u009b2J", "t, 1", '  row    {"k":"1","v":"a  b"}',
        r"  record \x1b]0;mine\x07  two\x0alines\x00 \u009b2J é"]


def test_progress_is_drawn_for_each_topic(numbers):
    numbers.pinfeed.settings["stream t"]["where"] = "SLEEP(0.001) = 0"
    ours, its = pty.openpty()
    process = subprocess.Popen([paths.binary(), f"--config={numbers.pinfeed.write_config()}", "--verify", "--streams=t"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=its,
                               env={**numbers.pinfeed.env, "TERM": "xterm"})
    code = process.wait(60)
    os.close(its)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    assert code == 0 and re.search(r"t +\d+ rows, 1000 records \(\d+ % of the topic\)", said), said


def test_a_topic_that_may_not_be_read_is_refused_with_the_right_that_is_missing(mariadb, kafka, pinfeeds, database, identity):
    load_posts(mariadb, database, 20)
    pinfeed = pinfeeds(mariadb, kafka, identity, database=database)
    create_topics(kafka, pinfeed)
    pinfeed.run("--replay", "--streams=pin").expect_exit(0)
    assert verify(pinfeed, "--streams=pin")["equal"]
    kafka.deny(identity.access_key, "READ", name=pinfeed.topic("pin"))
    pinfeed.run("--verify", "--streams=pin", "--as=replay").expect_exit(78)
    assert "kafka-cluster:ReadData" in pinfeed.log and pinfeed.stdout == ""


@pytest.mark.parametrize("hangs", [False, True])
def test_a_stop_ends_it_also_when_the_server_hangs(numbers, mariadb, hangs):
    numbers.pinfeed.settings["stream t"]["where"] = "SLEEP(0.05) = 0"
    numbers.pinfeed.start("--verify", "--streams=t")
    wait_until(lambda: numbers.mariadb.execute("SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT%ORDER BY%' "
                                               f"AND db = '{numbers.database}'"), 20, "the rows are read")
    if hangs:
        mariadb.freeze()
    numbers.pinfeed.send_signal(signal.SIGINT)
    code = numbers.pinfeed.wait(20)
    mariadb.thaw()
    assert code == 130 and numbers.pinfeed.stdout == ""
    assert "stopped before a topic was compared: nothing is known" in numbers.pinfeed.log


def test_a_stop_before_the_last_topic_says_what_the_others_had(loaded, mariadb, database):
    pinfeed = loaded(40)
    pinfeed.run("--replay").expect_exit(0)

    def stopped(slow):
        pinfeed.settings["stream user"] = {"where": f"{slow} = 0"}
        pinfeed.start("--verify", "--json")
        wait_until(lambda: mariadb.execute("SELECT 1 FROM information_schema.processlist WHERE id <> CONNECTION_ID() "
                                           f"AND info LIKE 'SELECT%{slow}%ORDER BY%'", database=database), 20, "the last table is read")
        pinfeed.send_signal(signal.SIGINT)
        pinfeed.expect_exit(130)
        assert pinfeed.stdout == ""
        return pinfeed.log
    assert "stopped after 2 of 3 topics: nothing differs so far" in stopped("SLEEP(0.2)")
    mariadb.execute("DELETE FROM pinterest_data LIMIT 2", database=database)
    assert "stopped after 2 of 3 topics: pin: 2 foreign" in stopped("SLEEP(0.3)")


@pytest.mark.memory
def test_memory_does_not_grow_with_table_or_topic(table):
    table.make("k INT PRIMARY KEY, v TEXT", "INSERT INTO t SELECT seq, REPEAT('x', 4000) FROM seq_1_to_1250")

    def peak_mb(code, *options):
        table.replay()
        table.pinfeed.start("--verify", "--streams=t", "--json", *options)
        peak = 0
        while table.pinfeed.exit_code is None:
            try:
                peak = max(peak, table.pinfeed.peak_kb / 1024)
            except (FileNotFoundError, StopIteration, ProcessLookupError):
                break
            time.sleep(0.01)
        table.pinfeed.expect_exit(code)
        return peak
    small = peak_mb(0)
    table.execute("INSERT INTO t SELECT 1250 + seq, REPEAT('x', 4000) FROM seq_1_to_37500")
    assert peak_mb(0) < min(small, 30) + 64
    table.execute("UPDATE t SET v = REPEAT('y', 4000)")
    assert peak_mb(1) < min(small, 30) + 64
