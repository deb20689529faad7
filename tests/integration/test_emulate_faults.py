"""emulate: whatever ends, dies, freezes or goes away, the three topics hold the same posts, nothing is lost, and what
pinfeed says fits what happened."""

import contextlib
import random
import re
import signal
import socket
import threading
import time

import pytest

from rig import Identity, Kafka, free_port, posts, sent, wait_until
from rig.notify import Notify

HEADER = "pinfeed in flight 1\n"


def wait_for_records(pinfeed, kafka, count, deadline_s=30):
    topic = pinfeed.topic("user")
    pinfeed.wait_until(lambda: kafka.end_offset(topic) >= count, deadline_s, f"{count} records")


def in_flight(pinfeed):
    """The keys in the file; [] also if there is none."""
    try:
        text = (pinfeed.state_dir / f"emulate-{pinfeed.user_id}.inflight").read_text()
    except FileNotFoundError:
        return []
    keys = text.removeprefix(HEADER).partition(" ")[0]
    assert text.startswith(HEADER) and (not keys or keys.endswith("\n"))
    return keys.splitlines()


def delivered(pinfeed):
    """(delivered, sent) of each topic, as the last line of a run says."""
    return [(int(d), int(s)) for d, s in re.findall(r": (\d+) of (\d+) delivered", pinfeed.log)]


# ---- signals -------------------------------------------------------------------------------------------------------

@pytest.mark.promise("The three topics hold the same posts")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_flight_finishes_the_post_at_hand(emulate, kafka, sample, number):
    pinfeed = emulate(sample, rate=5000).start()
    wait_for_records(pinfeed, kafka, 1000)
    pinfeed.send_signal(number)
    assert pinfeed.wait(10) == 0, pinfeed.log
    keys = sent.posts(sent.records(kafka, pinfeed))
    assert delivered(pinfeed) == [(len(keys), len(keys))] * 3
    assert in_flight(pinfeed) == []
    said = pinfeed.lines()
    assert said[0].startswith("sends ") and said[-1].startswith("stopped; "), pinfeed.log
    assert all(re.match(r"posts [\d,]+ \(\+", line) for line in said[1:-1]), pinfeed.log
    assert said[-2].startswith(f"posts {len(keys):,} "), pinfeed.log


def test_the_status_says_how_many_posts_and_how_fast(emulate, kafka, sample, notify):
    pinfeed = emulate(sample, rate=50, env=notify.environment()).start()
    wait_until(lambda: re.fullmatch(r"Sends 50 posts a second: [1-9][\d,]* so far, [1-9][\d.]*/s lately", notify.status()), 20,
               lambda: notify.status())
    assert pinfeed.stop() == 0
    assert notify.status() == "Stopping"


@pytest.mark.promise("A stop takes 12 s at most")
def test_a_signal_at_a_low_rate_does_not_wait_for_the_next_post(emulate, kafka, sample):
    pinfeed = emulate(sample, rate=0.001).start()
    pinfeed.wait_for("sends 0.001 posts a second")
    assert pinfeed.stop() == 0
    assert not any(sent.records(kafka, pinfeed).values())


@pytest.mark.promise("A stop takes 12 s at most")
@pytest.mark.promise("Nothing is lost")
@pytest.mark.long
def test_a_signal_while_kafka_is_away_keeps_what_was_not_delivered(emulate, kafka, sample):
    pinfeed = emulate(sample, rate=200).start()
    wait_for_records(pinfeed, kafka, 50)
    kafka.kill()
    before = len(in_flight(pinfeed))
    pinfeed.wait_until(lambda: len(in_flight(pinfeed)) > before + 50, 10, "posts are under way")
    since = time.monotonic()
    assert pinfeed.stop(25) == 1
    assert time.monotonic() - since > 5
    left = in_flight(pinfeed)
    assert len(left) > 50
    assert re.search(r"error: \d+ records were not acknowledged within 6 s: .*Connection refused.*the next start", pinfeed.log)
    assert re.search(rf"warning: {len(left)} posts may not be in all topics \([\d, ]+\.\.\.\): the next start", pinfeed.log)
    kafka.start()
    pinfeed.settings["emulate"]["posts"] = 1
    pinfeed.run().expect_exit(0)
    assert f"sent {len(left)} posts again" in pinfeed.log
    keys = sent.same_set(sent.records(kafka, pinfeed))
    assert {k.encode() for k in left} <= keys and in_flight(pinfeed) == []


# ---- kill -9 ---------------------------------------------------------------------------------------------------------

def kill_again_and_again(pinfeed, kafka, times, rate, seed):
    chance = random.Random(seed)
    left_over = 0
    for _ in range(times):
        pinfeed.start()
        pinfeed.wait_for("sends ", 20)
        time.sleep(chance.uniform(0, 0.25))
        pinfeed.kill()
        left_over += bool(in_flight(pinfeed))
    assert left_over > times / 10       # or nothing was proved
    pinfeed.settings["emulate"]["posts"] = 10
    pinfeed.run().expect_exit(0)
    assert in_flight(pinfeed) == []
    return sent.same_set(sent.records(kafka, pinfeed))


@pytest.mark.promise("The three topics hold the same posts")
def test_kill_9_in_mid_flight_leaves_the_topics_sets_equal(emulate, kafka, sample):
    assert len(kill_again_and_again(emulate(sample, rate=3000), kafka, 12, 3000, 1)) > 500


@pytest.mark.promise("The three topics hold the same posts")
@pytest.mark.soak
@pytest.mark.parametrize("rate", [20, 500, 20000])
def test_many_kills_leave_the_topics_sets_equal(emulate, kafka, sample, rate):
    kill_again_and_again(emulate(sample, rate=rate), kafka, 60, rate, rate)


@pytest.mark.promise("The three topics hold the same posts")
def test_a_key_is_in_the_file_before_its_first_record_and_until_its_last_acknowledgement(emulate, kafka, sample):
    """The broker is frozen, so that nothing is acknowledged: every post that was handed over must be in the file."""
    pinfeed = emulate(sample, rate=100).start()
    wait_for_records(pinfeed, kafka, 20)
    kafka.freeze()
    try:
        pinfeed.wait_until(lambda: len(in_flight(pinfeed)) > 100, 30, "a hundred posts are under way")
        pinfeed.kill()
        left = in_flight(pinfeed)
    finally:
        kafka.thaw()
    before = sent.records(kafka, pinfeed)
    half_sent = set.union(*({r.key for r in f} for f in before.values())) \
        - set.intersection(*({r.key for r in f} for f in before.values()))
    assert half_sent <= {k.encode() for k in left}
    pinfeed.settings["emulate"]["posts"] = 1
    pinfeed.run().expect_exit(0)
    assert f"sent {len(left)} posts again that were under way" in pinfeed.log
    assert {k.encode() for k in left} <= sent.same_set(sent.records(kafka, pinfeed))


@pytest.mark.promise("The three topics hold the same posts")
def test_the_file_is_empty_while_nothing_is_under_way(emulate, kafka, sample):
    pinfeed = emulate(sample, rate=2, seed=100).start()
    for count in (1, 2):
        wait_for_records(pinfeed, kafka, count)
        wait_until(lambda: in_flight(pinfeed) == [], 5, "the file is cleared")
    pinfeed.kill()
    assert in_flight(pinfeed) == []


@pytest.mark.promise("The three topics hold the same posts")
def test_text_keys_survive_in_the_file(emulate, kafka, mariadb, database):
    mariadb.load(posts.sql(40), database)
    for table, key in sent.STREAMS.values():
        mariadb.execute(f"ALTER TABLE {table} DROP PRIMARY KEY, MODIFY `{key}` VARCHAR(40) NOT NULL",
                        f"UPDATE {table} SET `{key}` = CONCAT('% é\\n', `{key}`)",
                        f"ALTER TABLE {table} ADD PRIMARY KEY (`{key}`)", database=database)
    pinfeed = emulate(database, posts=1)
    (pinfeed.state_dir / f"emulate-{pinfeed.user_id}.inflight").write_text(
        HEADER + "%25%20%C3%A9%0A7\n%25%20%C3%A9%0A39\n")
    pinfeed.run().expect_exit(0)
    keys = sent.posts(sent.records(kafka, pinfeed))
    assert keys[:2] == ["% é\n7".encode(), "% é\n39".encode()] and len(keys) == 3


@pytest.mark.promise("Nothing is lost")
def test_posts_whose_rows_are_gone_are_said(emulate, kafka, sample):
    pinfeed = emulate(sample, posts=1)
    (pinfeed.state_dir / f"emulate-{pinfeed.user_id}.inflight").write_text(HEADER + "7\n99999999\n")
    pinfeed.run().expect_exit(0)
    assert "sent 1 post again that was under way" in pinfeed.log
    assert re.search(r"warning: 1 of 2 posts .*: 99999999 \(no row in all three tables", pinfeed.log)
    assert sent.posts(sent.records(kafka, pinfeed))[0] == b"7" and in_flight(pinfeed) == []


def test_half_sent_posts_that_no_longer_fit_are_named_with_their_topics(emulate, kafka, mariadb, database):
    mariadb.load(posts.sql(10), database)
    mariadb.execute("UPDATE pinterest_data SET description = REPEAT('x', 20000) WHERE `index` IN (3, 5)", database=database)
    pinfeed = emulate(database, posts=1, settings={"kafka": {"message.max.bytes": 10000}})
    (pinfeed.state_dir / f"emulate-{pinfeed.user_id}.inflight").write_text(HEADER + "3\n5\n7\n")
    pinfeed.run().expect_exit(0)
    said = re.search(r"warning: 2 of 3 posts .* can't be sent again.*", pinfeed.log)[0]
    assert all(topic in said for topic in pinfeed.topics)
    for key in (3, 5):
        assert re.search(rf"\b{key} \(too large: its record for {pinfeed.topic('pin')} has 20\d\d\d bytes, more than "
                         r"\[kafka\] message.max.bytes", said)
    assert "sent 1 post again" in pinfeed.log
    keys = sent.posts(sent.records(kafka, pinfeed))
    assert keys[0] == b"7" and not {b"3", b"5"} & set(keys)


def test_a_file_that_is_something_else_is_not_overwritten(emulate, kafka, sample):
    pinfeed = emulate(sample, posts=1)
    path = pinfeed.state_dir / f"emulate-{pinfeed.user_id}.inflight"
    path.write_text("somebody's notes\n")
    pinfeed.run().expect_exit(78)
    assert path.read_text() == "somebody's notes\n" and f"{path} is not a list of posts" in pinfeed.log
    assert not any(sent.records(kafka, pinfeed).values())


# ---- Kafka is away ---------------------------------------------------------------------------------------------------

def expect_nothing_lost(pinfeed, kafka):
    assert pinfeed.stop() == 0, pinfeed.log
    keys = sent.posts(sent.records(kafka, pinfeed))
    assert delivered(pinfeed)[-3:] == [(len(keys), len(keys))] * 3
    return keys


def kafka_away(emulate, kafka, sample, identity, notify, how, seconds):
    pinfeed = emulate(sample, rate=50, identity=identity, env=notify.environment(watchdog_s=10),
                      settings={"pinfeed": {"stats_interval": 600}}).start()
    wait_for_records(pinfeed, kafka, 50)
    getattr(kafka, how)()
    warning = pinfeed.wait_for(r"warning: for 1\d s now: Kafka acknowledges nothing, (\d+) records wait: (.*)", 60)
    assert int(warning[1]) > 300
    assert "Kafka can't be reached" in warning[2] and "; keeps trying. " in warning[2] and "security group" in warning[2]
    wait_until(lambda: notify.status().startswith("Waiting: Kafka acknowledges nothing"), 20, "the status says it")
    time.sleep(max(0, seconds - 10))
    kafka.thaw() if how == "freeze" else kafka.start()
    pinfeed.wait_for(r"pinfeed: Kafka acknowledges again after \d+ (s|min)", 60)
    wait_until(lambda: notify.status().startswith("Sends 50 posts a second"), 20, "the status is back")
    keys = expect_nothing_lost(pinfeed, kafka)
    assert len(keys) > 50 * 9
    # Nothing but the token, the start, those two lines, the figures and the end.
    assert len(pinfeed.lines()) == 6, pinfeed.log


@pytest.mark.promise("Nothing is lost")
def test_kafka_killed_for_ten_seconds_loses_nothing(emulate, kafka, sample, identity, notify):
    kafka_away(emulate, kafka, sample, identity, notify, "kill", 10)


@pytest.mark.promise("Nothing is lost")
@pytest.mark.long
@pytest.mark.parametrize("how, seconds", [("freeze", 10), ("stop", 10), ("freeze", 35)])
def test_kafka_frozen_or_stopped_loses_nothing(emulate, kafka, sample, identity, notify, how, seconds):
    kafka_away(emulate, kafka, sample, identity, notify, how, seconds)


@pytest.mark.promise("Nothing is lost")
@pytest.mark.long
def test_sessions_that_the_broker_ends_are_no_news(mariadb, sample, pinfeeds):
    """librdkafka before 2.2 does not re-authenticate in place: the broker cuts it off."""
    with Kafka(session_ms=2500) as kafka:
        pinfeed = pinfeeds(mariadb, kafka, kafka.allow(Identity()), database=sample,
                           settings={"pinfeed": {"stats_interval": 600}, "emulate": {"rate": 50}})
        sent.create_topics(kafka, pinfeed)
        pinfeed.start()

        def ended():
            now = kafka.sessions()
            return now["successful-reauthentication-total"] + now["expired-connections-killed-count"] >= 3
        pinfeed.wait_until(ended, 60, "three sessions ended")
        expect_nothing_lost(pinfeed, kafka)
    assert len(pinfeed.lines()) == 4, pinfeed.log


@pytest.mark.promise("Nothing is lost")
@pytest.mark.promise("Nothing is created by accident")
def test_a_topic_that_is_deleted_ends_the_run_and_keeps_the_posts(emulate, kafka, sample):
    pinfeed = emulate(sample, rate=100).start()
    wait_for_records(pinfeed, kafka, 30)
    kafka.delete_topic(pinfeed.topic("geo"))
    pinfeed.expect_exit(1, 60)
    assert re.search(rf"error: .*topic {pinfeed.topic('geo')}.*--create-topics", pinfeed.log)
    assert len(re.findall("warning", pinfeed.log)) == 1, pinfeed.log
    left = in_flight(pinfeed)
    assert left and re.search(rf"warning: {len(left)} posts? may not be in all topics", pinfeed.log), pinfeed.log
    pinfeed.run().expect_exit(78)
    assert f"topic {pinfeed.topic('geo')} does not exist" in pinfeed.log
    assert pinfeed.topic("geo") not in kafka.topics()
    kafka.create_topic(pinfeed.topic("geo"))
    pinfeed.settings["emulate"]["posts"] = 1
    pinfeed.run().expect_exit(0)
    assert {k.encode() for k in left} <= {r.key for r in kafka.read_all(pinfeed.topic("geo"))}


@pytest.mark.promise("Nothing is lost")
def test_records_that_the_topic_finds_too_large_end_the_run(emulate, kafka, mariadb, database):
    mariadb.load(posts.sql(10), database)
    mariadb.execute("UPDATE pinterest_data SET title = RAND(), description = REPEAT(MD5(RAND()), 1000)"
                    " WHERE `index` = 3", database=database)
    # A topic's limit is one of batches: several small records may be too large together.
    pinfeed = emulate(database, rate=50, settings={"kafka": {"compression.codec": "none", "batch.num.messages": 1}})
    kafka.delete_topic(pinfeed.topic("pin"))
    kafka.create_topic(pinfeed.topic("pin"), max_message_bytes=10000)
    pinfeed.run().expect_exit(78)
    assert re.search(rf"error: Kafka does not take a record for topic {pinfeed.topic('pin')}: .*too large.*"
                     r"max.message.bytes", pinfeed.log)
    assert "3" in in_flight(pinfeed)
    pinfeed.settings["kafka"]["message.max.bytes"] = 10000
    pinfeed.settings["emulate"].update(posts=300, rate=2000)
    pinfeed.run().expect_exit(0)
    assert len(re.findall("post 3 is not sent: its record for .*.pin has 32... bytes", pinfeed.log)) == 1, pinfeed.log
    assert delivered(pinfeed) == [(300 + n, 300 + n) for n in [delivered(pinfeed)[0][0] - 300]] * 3
    assert 10 < sum(map(int, re.findall(r"(\d+) times a post was drawn and left out", pinfeed.log))) < 100


# ---- MySQL is away -----------------------------------------------------------------------------------------------------

def mysql_away(emulate, kafka, mariadb, sample, notify, how, seconds):
    pinfeed = emulate(sample, rate=50, env=notify.environment(watchdog_s=10), settings={"pinfeed": {"stats_interval": 600}}).start()
    wait_for_records(pinfeed, kafka, 50)
    getattr(mariadb, how)()
    since = time.monotonic()
    if seconds >= 10:
        pinfeed.wait_for(r"warning: MySQL does not answer; keeps trying\. " if how == "freeze" else
                         r"warning: MySQL: can't connect: .*MySQL at .*; keeps trying\. .*security group", 60)
        wait_until(lambda: notify.status().startswith("Waiting: MySQL"), 20, "the status says it")
        time.sleep(max(0, since + seconds - time.monotonic()))
    mariadb.thaw() if how == "freeze" else mariadb.start()
    back = kafka.end_offset(pinfeed.topic("user"))
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topic("user")) > back + 100, 60, "posts again")
    wait_until(lambda: notify.status().startswith("Sends 50 posts a second"), 20, "the status is back")
    keys = expect_nothing_lost(pinfeed, kafka)
    said = pinfeed.lines()
    if seconds >= 10:
        assert re.search(r"pinfeed: MySQL answers again after \d+ (s|min)", pinfeed.log)
        # A server that is busy with its start may answer late: then two lines more say so.
        assert len(said) in (5, 7), pinfeed.log
    return keys


@pytest.mark.promise("Nothing is lost")
def test_mysql_killed_for_ten_seconds_delays_and_loses_nothing(emulate, kafka, mariadb, sample, notify):
    keys = mysql_away(emulate, kafka, mariadb, sample, notify, "kill", 10)
    assert len(keys) < 600              # what was not drawn meanwhile isn't caught up with


@pytest.mark.promise("Nothing is lost")
@pytest.mark.long
@pytest.mark.parametrize("how, seconds", [("stop", 10), ("freeze", 14)])
def test_mysql_stopped_or_frozen_delays_and_loses_nothing(emulate, kafka, mariadb, sample, notify, how, seconds):
    mysql_away(emulate, kafka, mariadb, sample, notify, how, seconds)


def test_mysql_that_hangs_is_said_while_it_does(emulate, kafka, mariadb, sample, notify):
    pinfeed = emulate(sample, rate=50, env=notify.environment(watchdog_s=10),
                      settings={"pinfeed": {"stats_interval": 60}}).start()
    wait_for_records(pinfeed, kafka, 50)
    mariadb.freeze()
    try:
        pinfeed.wait_for("warning: MySQL does not answer; keeps trying. ", 15)
        assert re.fullmatch(r"Waiting: MySQL does not answer \(since [\dT:-]+Z\)\. Sends 50 posts a second", notify.status())
    finally:
        mariadb.thaw()
    pinfeed.wait_for(r"pinfeed: MySQL answers again after \d+ (s|min)", 15)
    wait_until(lambda: notify.status().startswith("Sends 50 posts a second"), 5, "the status is back")
    expect_nothing_lost(pinfeed, kafka)
    assert "Kafka acknowledges nothing" not in pinfeed.log


def test_acknowledgements_count_and_their_time_is_kafkas_while_mysql_hangs(emulate, kafka, mariadb, sample):
    # So that there is always something in flight when the database is asked.
    pinfeed = emulate(sample, rate=50, settings={"kafka": {"linger.ms": 300}}).start()
    wait_for_records(pinfeed, kafka, 50)
    mariadb.freeze()
    try:
        def nothing_new_and_nothing_in_flight():
            pinfeed.send_signal(signal.SIGUSR1)
            return re.search(r"posts [\d,]+ \(\+0, .* 0 waiting", pinfeed.log)
        wait_until(nothing_new_and_nothing_in_flight, 15, pinfeed.log, 0.2)
        pinfeed.wait_for("warning: MySQL does not answer", 15)
    finally:
        mariadb.thaw()
    pinfeed.wait_for(r"MySQL answers again", 15)
    expect_nothing_lost(pinfeed, kafka)


@pytest.mark.promise("Nothing is lost")
def test_a_connection_that_is_killed_is_made_anew_without_a_word(emulate, kafka, mariadb, sample):
    pinfeed = emulate(sample, rate=200, settings={"pinfeed": {"stats_interval": 600}}).start()
    for n in (1, 2, 3):
        wait_for_records(pinfeed, kafka, 50 * n)
        wait_until(mariadb.kill_connections, 5, "a connection is killed")
    wait_for_records(pinfeed, kafka, kafka.end_offset(pinfeed.topic("user")) + 50)
    expect_nothing_lost(pinfeed, kafka)
    assert len(pinfeed.lines()) == 3, pinfeed.log


@pytest.mark.promise("A stop takes 12 s at most")
def test_stopping_while_mysql_is_frozen_does_not_wait_for_it(emulate, kafka, mariadb, sample):
    pinfeed = emulate(sample, rate=100).start()
    wait_for_records(pinfeed, kafka, 20)
    mariadb.freeze()
    time.sleep(0.5)
    assert pinfeed.stop() == 0
    mariadb.thaw()
    sent.posts(sent.records(kafka, pinfeed))


# ---- nobody is there at the start --------------------------------------------------------------------------------------

class Silent:
    """Takes connections and says nothing, as a security group's black hole does after the handshake."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", free_port()), backlog=50)
        self.port = self.socket.getsockname()[1]
        self.taken = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        try:
            while True:
                self.taken.append(self.socket.accept()[0])
        except OSError:
            pass

    def close(self):
        self.socket.close()
        for connection in self.taken:
            connection.close()


@pytest.fixture
def nowhere(mariadb, kafka, pinfeeds, sample):
    """Makes pinfeeds one of whose servers isn't there: nowhere("mysql", port, env)."""
    def make(whom, port, env=None):
        pinfeed = pinfeeds(mariadb, kafka, database=sample, env=env)
        if whom == "mysql":
            pinfeed.settings["mysql"]["port"] = port
        else:
            pinfeed.settings["kafka"]["bootstrap.servers"] = f"127.0.0.1:{port}"
        return pinfeed
    return make


WAITING = {"mysql": r"warning: MySQL: can't connect: .*MySQL at 127.0.0.1:\d+.*security group",
           "kafka": r"warning: Kafka can't be reached: .*security group.*9098"}


@pytest.mark.promise("Nothing is lost")
def test_a_daemon_waits_for_who_is_not_there_or_silent(nowhere):
    """READY comes all the same, and status and one line say what is waited for. Four of them at once."""
    hole = Silent()
    with contextlib.ExitStack() as stack:
        waiting = []
        for whom in WAITING:
            for port in (free_port(), hole.port):
                notify = stack.enter_context(Notify())
                waiting.append((whom, time.monotonic(), notify, nowhere(whom, port, notify.environment(10)).start()))
        for whom, since, notify, pinfeed in waiting:
            assert notify.wait_for("READY", 30).at - since > 8
            pinfeed.wait_for(WAITING[whom], 10)
            wait_until(lambda n=notify: n.status().startswith("Waiting: "), 20, "the status says it")
        for *_, pinfeed in waiting:
            assert pinfeed.stop() == 0
            assert len(pinfeed.lines()) == 1, pinfeed.log
    hole.close()


@pytest.mark.long
@pytest.mark.parametrize("whom", ["kafka", "mysql"])
@pytest.mark.parametrize("job", ["--check", "--create-topics"])
def test_one_shot_jobs_give_up(nowhere, whom, job):
    if (whom, job) == ("mysql", "--create-topics"):
        pytest.skip("doesn't need MySQL")
    pinfeed = nowhere(whom, free_port())
    if job == "--check":            # a report doesn't wait for who refuses connections
        pinfeed.run_sooner_than(15, job).expect_exit(1)
        assert re.search(r"FAILED .*can't connect to 127.0.0.1:\d+ .*security group", pinfeed.stdout)
        return
    since = time.monotonic()
    pinfeed.run(job).expect_exit(1)
    assert time.monotonic() - since > 15
    assert re.search(WAITING[whom].removeprefix("warning: "), pinfeed.log)
