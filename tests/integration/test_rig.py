"""The rig itself: what the other tests believe about the servers, shown."""

import ctypes
import datetime
import os
import re
import signal
import subprocess
import sys
import time

import pymysql
import pytest
from confluent_kafka import KafkaException, Producer

from rig import Identity, Kafka, MariaDB, sign_token, wait_until
from rig.aws import new_identity
from rig.process import Process


def iam_producer(kafka, token_function, more=()):
    """A librdkafka producer on the IAM listener that asks token_function() -> (token, end in ms) for tokens."""
    def callback(_):
        token, end_ms = token_function()
        return token, end_ms / 1000
    return Producer({"bootstrap.servers": kafka.iam_bootstrap, "security.protocol": "SASL_SSL",
                     "sasl.mechanisms": "OAUTHBEARER", "ssl.ca.location": str(kafka.ca_file), "oauth_cb": callback,
                     "allow.auto.create.topics": False, "reconnect.backoff.max.ms": 200, "log_level": 0,
                     **dict(more)})


def deliver(producer, topic, value=b"{}", deadline_s=20):
    """Sends one record; returns its error, or None."""
    outcome = []
    producer.produce(topic, value, on_delivery=lambda error, _: outcome.append(error))
    wait_until(lambda: producer.poll(0.05) or outcome, deadline_s, "a delivery report", 0)
    return outcome[0]


def rejection(kafka, token_function):
    """Shows the broker a token that it should reject; returns why it did."""
    before = kafka.token_count()
    producer = iam_producer(kafka, token_function)
    wait_until(lambda: producer.poll(0.05) or kafka.token_count() > before, 20, "the broker saw a token", 0)
    tokens = kafka.tokens(before)
    assert not tokens.accepted
    return tokens.rejected[0].reason


# ---- Kafka's IAM listener --------------------------------------------------------------------------------------------

def test_a_token_by_awss_own_signer_is_accepted(kafka, user_id):
    me = kafka.allow(new_identity())
    topic = kafka.create_topic(user_id + ".pin")
    before = kafka.token_count()
    assert deliver(iam_producer(kafka, lambda: sign_token(me)), topic, b'{"index":1}') is None
    tokens = kafka.tokens(before)
    assert tokens.accepted and not tokens.rejected
    assert tokens.accepted[0].access_key == me.access_key
    assert [r.value for r in kafka.read_all(topic)] == [b'{"index":1}']


def test_a_forged_token_is_rejected(kafka):
    me = kafka.allow(Identity())
    assert rejection(kafka, lambda: sign_token(me._replace(secret="guessed"))) == "wrong signature"


def test_a_token_of_a_stranger_is_rejected(kafka):
    assert rejection(kafka, lambda: sign_token(Identity("AKIASTRANGER"))) == "unknown access key"


def test_an_expired_token_is_rejected(kafka):
    me = kafka.allow(Identity())
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=901)

    def token():
        return sign_token(me, at=past)[0], (time.time() + 60) * 1000
    assert rejection(kafka, token) == "expired"


def test_a_token_whose_credentials_expired_is_rejected(kafka):
    me = kafka.allow(new_identity(), expires_s=time.time() - 1)
    assert rejection(kafka, lambda: sign_token(me)) == "its credentials expired"


def test_a_wrong_session_token_is_rejected(kafka):
    me = kafka.allow(new_identity())
    assert rejection(kafka, lambda: sign_token(me._replace(session_token="other"))) == "wrong session token"


def test_a_token_for_another_region_is_rejected_where_the_region_matters(kafka):
    me = kafka.allow(Identity(), region="eu-west-1")
    assert rejection(kafka, lambda: sign_token(me, "us-east-1")) == "wrong region us-east-1"


def test_everybody_can_be_refused_for_a_while(kafka, user_id):
    me = kafka.allow(Identity())
    topic = kafka.create_topic(user_id + ".pin")
    kafka.refuse_everybody()
    assert rejection(kafka, lambda: sign_token(me)) == "everybody is refused"
    kafka.refuse_everybody(False)
    assert deliver(iam_producer(kafka, lambda: sign_token(me)), topic) is None


def test_sessions_that_end_are_counted(user_id):
    with Kafka(session_ms=1500) as kafka:
        me = kafka.allow(Identity())
        topic = kafka.create_topic(user_id + ".pin")
        producer = iam_producer(kafka, lambda: sign_token(me))

        def ended():
            assert deliver(producer, topic) is None
            counts = kafka.sessions()
            return counts["successful-reauthentication-total"] + counts["expired-connections-killed-count"] > 1
        wait_until(ended, 20, lambda: f"two sessions ended; {kafka.sessions()}", 0.1)


def test_rights_can_be_taken_away_and_given_back(kafka, user_id):
    me = kafka.allow(new_identity(), principal="student")
    topic = kafka.create_topic(user_id + ".pin")
    kafka.deny("student", "WRITE", "topic", topic)
    error = deliver(iam_producer(kafka, lambda: sign_token(me)), topic)
    assert error is not None and error.name() == "TOPIC_AUTHORIZATION_FAILED"
    kafka.allow_everything()
    assert deliver(iam_producer(kafka, lambda: sign_token(me)), topic) is None


def test_a_right_to_write_does_not_imply_the_idempotent_one(kafka, user_id):
    me = kafka.allow(new_identity(), principal="student")
    topic = kafka.create_topic(user_id + ".pin")
    kafka.deny("student", "IDEMPOTENT_WRITE", "cluster")
    assert deliver(iam_producer(kafka, lambda: sign_token(me)), topic) is None
    producer = iam_producer(kafka, lambda: sign_token(me), {"enable.idempotence": True})
    with pytest.raises(KafkaException, match="CLUSTER_AUTHORIZATION_FAILED"):
        wait_until(lambda: producer.poll(0.05), 10, "the refusal, which poll raises", 0)


def test_the_right_to_a_transactional_id_can_be_taken_away(kafka):
    me = kafka.allow(new_identity(), principal="student")
    kafka.deny("student", "WRITE", "transactional_id")
    with pytest.raises(KafkaException) as caught:
        iam_producer(kafka, lambda: sign_token(me), {"transactional.id": "t"}).init_transactions(20)
    assert caught.value.args[0].name() == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"


# ---- Kafka's life ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("end", ["stop", "kill"])
def test_kafka_keeps_its_data_and_ports_over_a_restart(kafka, user_id, end):
    topic = kafka.create_topic(user_id + ".pin", 2)
    kafka.produce(topic, [b"1", b"2", b"3"])
    kafka.set_group_offset("g" + user_id, topic, 1, 7)
    getattr(kafka, end)()
    kafka.start()
    assert sorted(r.value for r in kafka.read_all(topic)) == [b"1", b"2", b"3"]
    assert kafka.group_offsets("g" + user_id) == {(topic, 1): (7, "")}


def test_a_frozen_kafka_answers_again(kafka, user_id):
    topic = kafka.create_topic(user_id + ".pin")
    kafka.freeze()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    producer.produce(topic, b"1")
    assert producer.flush(0.5) == 1
    kafka.thaw()
    assert producer.flush(20) == 0


def test_read_committed_hides_open_and_aborted_transactions(kafka, user_id):
    topic = kafka.create_topic(user_id + ".pin")
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": user_id})
    producer.init_transactions(20)
    for value, finish in ((b"kept", producer.commit_transaction), (b"aborted", producer.abort_transaction),
                          (b"open", None)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(20)
        if finish:
            finish(20)
    assert [r.value for r in kafka.read_all(topic, "read_committed")] == [b"kept"]
    assert [r.value for r in kafka.read_all(topic)] == [b"kept", b"aborted", b"open"]


def test_the_broker_creates_topics_that_careless_producers_ask_for(kafka, user_id):
    careless = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    careless.produce(user_id + ".by-accident", b"1")
    assert careless.flush(20) == 0
    assert user_id + ".by-accident" in kafka.topics()


def test_topics_can_be_deleted(kafka, user_id):
    topic = kafka.create_topic(user_id + ".pin")
    assert kafka.end_offset(topic) == 0
    kafka.delete_topic(topic)
    assert topic not in kafka.topics()


# ---- MariaDB ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("end", ["stop", "kill"])
def test_mariadb_keeps_its_data_and_port_over_a_restart(mariadb, database, end):
    mariadb.execute("CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)", database=database)
    getattr(mariadb, end)()
    with pytest.raises(pymysql.err.OperationalError), mariadb.connect(database, user="pinfeed"):
        pass
    mariadb.start()
    with mariadb.connect(database, user="pinfeed") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT a FROM t")
        assert cursor.fetchall() == ((1,),)


def test_pinfeeds_user_may_only_read(mariadb, database):
    mariadb.execute("CREATE TABLE t (a INT)", database=database)
    for statement in ("INSERT INTO t VALUES (1)", "LOCK TABLES t READ", "FLUSH TABLES"):
        with mariadb.connect(database, user="pinfeed") as connection, connection.cursor() as cursor:
            with pytest.raises(pymysql.err.MySQLError):
                cursor.execute(statement)


def test_connections_can_be_killed(mariadb, database):
    with mariadb.connect(database, user="pinfeed") as connection, connection.cursor() as cursor:
        assert mariadb.kill_connections() >= 1
        with pytest.raises(pymysql.err.OperationalError):
            cursor.execute("SELECT 1")


def test_mariadb_speaks_tls():
    with MariaDB(tls=True) as server:
        with server.connect(user="pinfeed", ssl={"ca": str(server.ca_file)}) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
                assert cursor.fetchone()[1]


# ---- processes -------------------------------------------------------------------------------------------------------

def test_what_is_tested_inherits_no_signal_that_a_caller_ignores_or_blocks(tmp_path):
    numbers = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        child = Process(["cat", "/proc/self/status"], tmp_path / "status")
        signal.signal(signal.SIGCHLD, before[signal.SIGCHLD])           # or its end is not reported
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert child.wait(10) == 0
    # 32 and 33 are the C library's own; it ignores them in what make starts.
    left = [line for line in child.output().splitlines()
            if re.match("Sig(Ign|Blk)", line) and int(line.split()[1], 16) & ~(3 << 31)]
    assert not left


# ---- nothing stays behind --------------------------------------------------------------------------------------------

def test_servers_die_with_a_killed_test_run(tmp_path):
    script = ("import sys, time; sys.path.insert(0, sys.argv[1])\n"
              "from rig import MariaDB\n"
              "print(MariaDB().start().process.pid, flush=True); time.sleep(60)\n")
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    adopt_orphans()
    with subprocess.Popen([sys.executable, "-c", script, tests], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "TMPDIR": str(tmp_path)}) as run:
        server = int(run.stdout.readline())
        run.send_signal(signal.SIGKILL)
        run.wait(10)
    ended = wait_until(lambda: (lambda pid, status: pid and os.WTERMSIG(status))(*os.waitpid(server, os.WNOHANG)), 10,
                       "the server has ended")
    assert ended == signal.SIGKILL


def adopt_orphans():
    """Children of a child that is killed become ours, so that we can see how they end."""
    pr_set_child_subreaper = 36
    assert ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1) == 0
