"""emulate, --check and --create-topics: what is wrong is found before the first record, ends with the right exit code,
and the text says what to do."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

from rig import Identity, free_port, posts, sent, wait_until


def refused(pinfeed, *patterns, code=78):
    """Runs it; fails unless it ends with that code and says one error, with those patterns in this order."""
    pinfeed.run(deadline_s=30).expect_exit(code)
    errors = [line for line in pinfeed.log.splitlines() if line.startswith("pinfeed: error: ")]
    assert len(errors) == 1, pinfeed.log
    assert re.search(".*".join(patterns), errors[0]), errors[0]
    assert "posts a second" not in pinfeed.log
    return errors[0]


def nothing_was_sent(kafka, pinfeed):
    return not any(sent.records(kafka, pinfeed).values())


# ---- tokens and rights -------------------------------------------------------------------------------------------------

def test_records_arrive_over_the_iam_listener(emulate, kafka, mariadb, sample, identity):
    before = kafka.token_count()
    pinfeed = emulate(sample, identity=identity, posts=100)
    pinfeed.run().expect_exit(0)
    found = sent.records(kafka, pinfeed)
    assert len(sent.posts(found)) == 100
    sent.equal_rows(mariadb, sample, found)
    tokens = kafka.tokens(before)
    assert tokens.accepted and not tokens.rejected
    assert "credentials from environment" in pinfeed.log and identity.secret not in pinfeed.log


def test_a_token_with_a_wrong_secret_is_rejected_and_said(emulate, kafka, sample):
    kafka.allow(Identity("AKIAFORGED", "the right one"))
    before = kafka.token_count()
    pinfeed = emulate(sample, identity=Identity("AKIAFORGED", "a-guess"))
    said = refused(pinfeed, "Kafka refuses to let us in: ", "Access denied", "wrong secret key", "wrong region",
                   "credentials from environment", "AKIAFORGED", "region us-east-1 from AWS_REGION", "kafka-cluster:Connect")
    assert "a-guess" not in said
    tokens = kafka.tokens(before)
    assert not tokens.accepted and tokens.rejected[0].reason == "wrong signature"
    assert nothing_was_sent(kafka, pinfeed)


def test_what_can_be_known_of_a_refused_token_is_said(emulate, kafka, sample):
    kafka.allow(Identity("ASIAFORGED", "the right one", "session-token"))
    pinfeed = emulate(sample, identity=Identity("ASIAFORGED", "a-guess", "session-token"))
    refused(pinfeed, r"a wrong secret key, to temporary credentials that have expired \(when these do, nobody has told\)",
            "to a wrong region, and to missing rights", "kafka-cluster:Connect")
    pinfeed.settings["kafka"]["bootstrap.servers"] += ",b-1.a.b.c2.kafka.us-east-1.amazonaws.com:9098"
    assert "wrong region" not in refused(pinfeed, "a wrong secret key")
    pinfeed.settings["aws"] = {"region": "eu-west-1"}
    said = refused(pinfeed, r"signed for region eu-west-1 \(from \[aws\] region\), but the brokers' names say us-east-1: set "
                   r"\[aws\] region = us-east-1")
    assert "kafka-cluster:Connect" not in said and "secret" not in said


def test_credentials_that_are_nowhere_are_said(emulate, kafka, sample):
    pinfeed = emulate(sample)
    pinfeed.settings["kafka"] = {"bootstrap.servers": kafka.iam_bootstrap, "ssl.ca.location": kafka.ca_file}
    pinfeed.env["AWS_REGION"] = "us-east-1"
    refused(pinfeed, "credentials")


def test_a_certificate_of_somebody_else_is_refused(emulate, kafka, sample, identity):
    pinfeed = emulate(sample, identity=identity)
    pinfeed.settings["kafka"]["ssl.ca.location"] = None
    assert "TLS port" not in refused(pinfeed, "Kafka: no secure connection: ", "certificate", "ssl.ca.location")


def test_a_port_that_speaks_something_else_is_refused(emulate, mariadb, sample, identity):
    pinfeed = emulate(sample, identity=identity)
    pinfeed.settings["kafka"]["bootstrap.servers"] = f"127.0.0.1:{mariadb.port}"
    said = refused(pinfeed, "Kafka: no secure connection: ", "wrong version number", "not a TLS port", "security.protocol")
    assert "certificate" not in said


RIGHTS = [
    ("DESCRIBE", "topic", "kafka-cluster:DescribeTopic"),
    ("WRITE", "topic", "kafka-cluster:WriteData"),
    ("IDEMPOTENT_WRITE", "cluster", "kafka-cluster:WriteDataIdempotently"),
]


@pytest.mark.parametrize("operation, resource, action", RIGHTS)
def test_a_missing_right_is_named_before_the_first_record(emulate, kafka, sample, notify, operation, resource, action):
    me = kafka.allow(Identity("AKIASTUDENT", "s"), principal="student")
    pinfeed = emulate(sample, identity=me, env=notify.environment())
    kafka.deny("student", operation, resource)
    refused(pinfeed, action, "used: credentials from environment", "AKIASTUDENT")
    assert notify.values("READY") == []
    pinfeed.run("--check").expect_exit(78)
    assert re.search("FAILED .*" + action, pinfeed.stdout)
    assert nothing_was_sent(kafka, pinfeed)


@pytest.mark.parametrize("stream", ["pin", "user"])
def test_one_topic_that_may_not_be_written_to_is_found_before_the_first_record(emulate, kafka, sample, stream):
    me = kafka.allow(Identity("AKIASTUDENT", "s"), principal="student")
    pinfeed = emulate(sample, identity=me)
    kafka.deny("student", "WRITE", "topic", pinfeed.topic(stream))
    refused(pinfeed, f"topic {pinfeed.topic(stream)} may not be written to", "kafka-cluster:WriteData")
    assert nothing_was_sent(kafka, pinfeed)


def test_without_the_idempotent_right_it_works_when_switched_off(emulate, kafka, sample):
    me = kafka.allow(Identity("AKIASTUDENT", "s"), principal="student")
    pinfeed = emulate(sample, identity=me, posts=500, settings={"kafka": {"enable.idempotence": "false"}})
    kafka.deny("student", "IDEMPOTENT_WRITE", "cluster")
    pinfeed.settings["kafka"]["enable.idempotence"] = "true"
    refused(pinfeed, "WriteDataIdempotently", "enable.idempotence = false")
    pinfeed.settings["kafka"]["enable.idempotence"] = "false"
    pinfeed.run().expect_exit(0)
    assert len(sent.posts(sent.records(kafka, pinfeed))) == 500


def test_rights_that_are_taken_away_in_mid_run_end_it_and_keep_the_posts(emulate, kafka, sample):
    me = kafka.allow(Identity("AKIASTUDENT", "s"), principal="student")
    pinfeed = emulate(sample, identity=me, rate=100).start()
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topic("user")) > 50, 20, "50 posts")
    kafka.deny("student", "WRITE", "topic", pinfeed.topic("geo"))
    pinfeed.expect_exit(78, 20)
    assert re.search(rf"error: .*topic {pinfeed.topic('geo')}: .*authorization failed.*kafka-cluster:WriteData", pinfeed.log)
    kafka.allow_everything()
    pinfeed.settings["emulate"]["posts"] = 1
    pinfeed.run().expect_exit(0)
    assert re.search(r"sent \d+ posts? again", pinfeed.log)
    sent.same_set(sent.records(kafka, pinfeed))


# ---- topics ------------------------------------------------------------------------------------------------------------

def test_create_topics_makes_three_of_one_partition_and_may_be_repeated(mariadb, kafka, pinfeeds, identity, sample):
    pinfeed = pinfeeds(mariadb, kafka, identity, database=sample, settings={"emulate": {"posts": 5, "rate": 1000}})
    pinfeed.run("--create-topics").expect_exit(0)
    assert pinfeed.stdout == "".join(f"{t} created\n" for t in pinfeed.topics)
    # A broker may tell of a new topic a moment later.
    wait_until(lambda: {t: n for t, n in kafka.topics().items() if pinfeed.user_id in t} == dict.fromkeys(pinfeed.topics, 1),
               20, "three topics")
    pinfeed.run("--create-topics").expect_exit(0)
    assert pinfeed.stdout == "".join(f"{t} is there already\n" for t in pinfeed.topics)
    pinfeed.run().expect_exit(0)
    assert {t for t in kafka.topics() if pinfeed.user_id in t} == set(pinfeed.topics)


def test_create_topics_with_partitions_and_a_topic_of_ones_own(mariadb, kafka, pinfeeds):
    pinfeed = pinfeeds(mariadb, kafka, settings={"stream pin": {"partitions": 3}, "stream more": {
        "table": "user_data", "key": "ind", "topic": None}})
    pinfeed.settings["stream more"]["topic"] = pinfeed.user_id + "-more"
    pinfeed.run("--create-topics").expect_exit(0)
    wanted = {pinfeed.topic("pin"): 3, pinfeed.topic("geo"): 1, pinfeed.topic("user"): 1, pinfeed.user_id + "-more": 1}
    wait_until(lambda: {t: n for t, n in kafka.topics().items() if pinfeed.user_id in t} == wanted, 20, "four topics")
    assert len(re.findall(f"warning: topic {pinfeed.topic('pin')} has 3 partitions", pinfeed.log)) == 1
    pinfeed.run("--create-topics").expect_exit(0)
    assert len(re.findall("warning", pinfeed.log)) == 1


def test_create_topics_without_the_right(kafka, pinfeeds, mariadb):
    me = kafka.allow(Identity("AKIASTUDENT", "s"), principal="student")
    pinfeed = pinfeeds(mariadb, kafka, me)
    kafka.deny("student", "CREATE", "cluster")
    kafka.deny("student", "CREATE", "topic")
    pinfeed.run("--create-topics").expect_exit(78)
    assert re.search(rf"error: topic {pinfeed.topic('pin')} can't be created: .*kafka-cluster:CreateTopic.*or ask", pinfeed.log)


@pytest.mark.promise("Nothing is created by accident")
def test_a_missing_topic_is_not_created_by_accident(mariadb, kafka, pinfeeds, sample):
    pinfeed = pinfeeds(mariadb, kafka, database=sample)
    for stream in ("pin", "user"):
        kafka.create_topic(pinfeed.topic(stream))
    refused(pinfeed, f"topic {pinfeed.topic('geo')} does not exist", "--create-topics")
    pinfeed.run("--check").expect_exit(78)
    time.sleep(0.5)
    assert {t for t in kafka.topics() if pinfeed.user_id in t} == {pinfeed.topic("pin"), pinfeed.topic("user")}
    assert not kafka.end_offset(pinfeed.topic("pin"))


# ---- MySQL -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("section, setting, value, patterns", [
    ("mysql", "database", "nope", ["Access denied", "nope", r"Check \[mysql\] database\. ", "GRANT SELECT"]),
    ("mysql", "password_file", None, ["using password: NO", "No password was given", "/etc/pinfeed/mysql-password"]),
    ("mysql", "user", "nobody", ["Access denied for user 'nobody'", "password_file"]),
    ("mysql", "password_file", "/nonexistent/p", ["password_file names no file", "No such file"]),
    ("stream pin", "table", "pinterest", ["Table '.*pinterest' doesn't exist", "geolocation_data, pinterest_data, user_data",
      r"\[stream pin\] table"]),
    ("stream pin", "key", "ind", ["no column 'ind'", r"\[stream pin\] key", "index, unique_id"]),
    ("stream geo", "columns", "ind, city", ["no column 'city'", "ind, timestamp, latitude"]),
    ("stream user", "where", "city = 1", ["Unknown column 'city'", "where"]),
    ("stream user", "where", "ind < 0", ["there is no post", "pinterest_data, geolocation_data and user_data"]),
])
def test_what_mysql_does_not_have_or_allow_is_said(emulate, kafka, sample, section, setting, value, patterns):
    pinfeed = emulate(sample)
    pinfeed.settings.setdefault(section, {})[setting] = value
    refused(pinfeed, *patterns)
    assert nothing_was_sent(kafka, pinfeed)
    pinfeed.run("--check", "--json").expect_exit(78)
    result = json.loads(pinfeed.stdout)
    assert not result["ok"]
    bad = [f for f in result["findings"] if not f["ok"]]
    assert len(bad) == 1 and re.search(".*".join(patterns), bad[0]["text"] + ". " + bad[0]["hint"])


@pytest.mark.promise("Secrets")
def test_a_wrong_password_is_said_and_not_shown(emulate, kafka, sample):
    pinfeed = emulate(sample)
    wrong = pinfeed.directory / "wrong"
    wrong.write_text("hunter2-and-more\n")
    wrong.chmod(0o600)
    pinfeed.settings["mysql"]["password_file"] = wrong
    assert "hunter2" not in refused(pinfeed, "Access denied for user 'pinfeed'", "password_file")


def fill(mariadb, database, table, rows):
    mariadb.execute(f"INSERT INTO {table} (`{dict(sent.STREAMS.values())[table]}`) SELECT seq FROM seq_1_to_{rows}",
                    database=database)


def test_a_large_table_without_an_index_is_refused_with_the_line_to_type(emulate, kafka, mariadb, database):
    mariadb.load(posts.sql(10, without_keys=True), database)
    mariadb.execute("DELETE FROM pinterest_data", database=database)
    fill(mariadb, database, "pinterest_data", 200_001)
    pinfeed = emulate(database, posts=100)
    said = refused(pinfeed, "table pinterest_data has no index that begins with index and more than 200000 rows")
    mariadb.execute(re.search(r"(CREATE INDEX [^;]*);", said)[1], database=database)
    pinfeed.run().expect_exit(0)
    assert len(sent.posts(sent.records(kafka, pinfeed))) == 100


def test_two_hundred_thousand_rows_without_an_index_are_held(emulate, kafka, mariadb, database):
    mariadb.load(posts.sql(0, without_keys=True), database)
    for table in ("geolocation_data", "user_data"):
        fill(mariadb, database, table, 200_000)
    mariadb.load(posts.sql(5, 199_990, without_keys=True), database)
    mariadb.execute("DELETE FROM geolocation_data WHERE country IS NOT NULL", "DELETE FROM user_data WHERE age IS NOT NULL",
                    database=database)
    pinfeed = emulate(database, posts=100)
    pinfeed.run().expect_exit(0)
    assert {int(k) for k in sent.posts(sent.records(kafka, pinfeed))} == set(range(199_990, 199_995))


def test_empty_tables_are_refused(emulate, kafka, mariadb, database):
    mariadb.load(posts.sql(0), database)
    refused(emulate(database), "there is no post")
    mariadb.load(posts.sql(5), database)
    mariadb.execute("UPDATE user_data SET ind = ind + 100 ORDER BY ind DESC", database=database)
    refused(emulate(database), "there is no post: no key is in all three tables")


# ---- [kafka] -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, value, patterns", [
    ("acks", "1", ["acks can't be set to '1'", "in-sync", "uses all"]),
    ("request.required.acks", "0", ["in-sync"]),
    ("message.timeout.ms", "300000", ["time out into a loss", "uses 0"]),
    ("delivery.timeout.ms", "300000", ["time out into a loss"]),
    ("retries", "3", ["given up"]),
    ("allow.auto.create.topics", "true", ["by accident", "--create-topics"]),
    ("partitioner", "random", ["Java"]),
    ("transactional.id", "mine", ["can't be set", "Remove the line"]),
    ("sasl.mechanism", "AWS_MSK_IAM", ["setting of Java clients", "Remove the line"]),
    ("sasl.jaas.config", "software.amazon.msk.auth.iam.IAMLoginModule required;", ["setting of Java clients", r"\[aws\] role_arn"]),
    ("sasl.client.callback.handler.class", "software.amazon.msk.auth.iam.IAMClientCallbackHandler", ["Remove the line"]),
    ("ssl.truststore.location", "/tmp/x.jks", ["ssl.ca.location"]),
    ("bootstrap.servers", "PLAINTEXT://b-1.x.kafka.us-east-1.amazonaws.com:9092", ["scheme", "host:port"]),
    ("linger.msec", "5", ["not a property", "Did you mean linger.ms"]),
    ("compresion.codec", "lz4", ["Did you mean compression.codec"]),
    ("compression.codec", "zip", ["does not accept", "none, gzip, snappy, lz4, zstd"]),
    ("batch.size", "many", ["does not accept", "a number: 1 .. "]),
    ("security.protocol", "SASL", ["does not accept", "sasl_ssl"]),
    ("max.in.flight", "10", ["max.in.flight", "idempotence"]),
])
def test_properties_that_cannot_be(emulate, mariadb, kafka, pinfeeds, name, value, patterns):
    """MySQL isn't there: a wrong setting does not wait for a server."""
    pinfeed = pinfeeds(mariadb, kafka, settings={"kafka": {name: value}, "mysql": {"port": free_port()}})
    refused(pinfeed, *patterns)


@pytest.mark.parametrize("name, shown", [
    ("sasl.passwrd", False), ("ssl.key.passwords", False), ("linger.msec", False), ("enable.idempotence", True),
    ("batch.size", True), ("acks", True), ("debug", True), ("security.protocol", True),
])
def test_a_wrong_value_is_shown_unless_it_may_be_a_secret(mariadb, kafka, pinfeeds, name, shown):
    pinfeed = pinfeeds(mariadb, kafka, settings={"kafka": {name: "hunter2-the-secret"}})
    said = refused(pinfeed, name.replace(".", r"\."))
    assert ("'hunter2-the-secret'" in said) == shown and ("hunter2" in said) == shown


def test_properties_that_can_be(emulate, kafka, sample):
    pinfeed = emulate(sample, posts=50, settings={"kafka": {
        "acks": "all", "linger.ms": 20, "compression.type": "zstd", "client.id": "mine", "batch.num.messages": 100,
        "message.timeout.ms": 0, "partitioner": "murmur2_random", "socket.keepalive.enable": "false", "debug": "broker",
        "queue.buffering.max.messages": 10, "sasl.password": "hunter2"}})
    pinfeed.run().expect_exit(0)
    assert len(sent.posts(sent.records(kafka, pinfeed))) == 50
    assert "hunter2" not in pinfeed.log


# ---- --check -------------------------------------------------------------------------------------------------------------

def test_check_says_what_is_well(emulate, kafka, sample, identity):
    pinfeed = emulate(sample, identity=identity)
    pinfeed.run("--check").expect_exit(0)
    # Whether this machine's clock is synchronised is its own affair.
    assert all(line.startswith("ok ") for line in pinfeed.stdout.splitlines() if " clock: " not in line), pinfeed.stdout
    for what in ("MySQL", "pinterest_data", "geolocation_data", "user_data", "posts", "AWS", "Kafka", *pinfeed.topics, "rights"):
        assert len(re.findall(rf"^ok +{what}: ", pinfeed.stdout, re.M)) == 1, what
    pinfeed.run("--check", "--json").expect_exit(0)
    result = json.loads(pinfeed.stdout)
    assert result["ok"] and all(f["ok"] and f["result"] == "ok" for f in result["findings"] if f["id"] != "clock")
    assert nothing_was_sent(kafka, pinfeed)


def test_check_finds_all_that_is_wrong_at_once(emulate, kafka, sample):
    pinfeed = emulate(sample)
    kafka.delete_topic(pinfeed.topic("geo"))
    pinfeed.settings["stream user"] = {"table": "users"}
    pinfeed.run("--check").expect_exit(78)
    assert len(re.findall("^FAILED ", pinfeed.stdout, re.M)) == 2
    assert "users" in pinfeed.stdout and f"{pinfeed.topic('geo')} does not exist" in pinfeed.stdout
    assert re.fullmatch(r"pinfeed: error: 2 of \d\d checks failed\n", pinfeed.log)


# ---- the state directory ----------------------------------------------------------------------------------------------------

def test_a_state_directory_that_is_not_there(emulate, kafka, sample):
    pinfeed = emulate(sample, settings={"pinfeed": {"state_dir": "/nonexistent/state"}})
    # As root it becomes the directory's owner first; as another user it finds out when it writes.
    refused(pinfeed, "can't (use the state directory|write) /nonexistent/state", "No such file", r"\[pinfeed\] state_dir")


def test_two_daemons_do_not_share_a_state_directory(emulate, kafka, sample, pinfeeds, mariadb):
    first = emulate(sample, rate=10).start()
    first.wait_for("sends 10")
    second = pinfeeds(mariadb, kafka, database=sample, user_id=first.user_id,
                      settings={"pinfeed": {"state_dir": first.state_dir}})
    refused(second, "another pinfeed", "state_dir", code=1)
    first.kill()
    second.settings["emulate"] = {"posts": 1, "rate": 1000}
    second.run().expect_exit(0)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "pinfeed", tmp_path], stderr=subprocess.PIPE)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def fill_up(directory):
    with open(directory / "full", "ab", buffering=0) as full, pytest.raises(OSError):
        while True:
            full.write(b"x" * 4096)


def test_with_a_full_disk_no_start_sends_what_is_under_way(emulate, kafka, sample, small_disk):
    """Else each restart would send it again."""
    pinfeed = emulate(sample, posts=1, settings={"pinfeed": {"state_dir": small_disk}})
    path = small_disk / f"emulate-{pinfeed.user_id}.inflight"
    path.write_text("pinfeed in flight 1\n7\n12\n")
    (small_disk / f"emulate-{pinfeed.user_id}.lock").touch()
    fill_up(small_disk)
    for _ in range(2):
        pinfeed.start().wait_for(f"can't write {path}: No space left on device; keeps trying.*some space left")
        assert nothing_was_sent(kafka, pinfeed) and path.read_text() == "pinfeed in flight 1\n7\n12\n"
        assert pinfeed.stop() == 0
    pinfeed.start().wait_for("No space left on device; keeps trying")
    os.unlink(small_disk / "full")
    pinfeed.expect_exit(0, 20)
    assert sent.posts(sent.records(kafka, pinfeed))[:2] == [b"7", b"12"]


def test_a_full_disk_holds_the_run_in_two_lines_and_the_topics_stay_equal(emulate, kafka, sample, small_disk):
    pinfeed = emulate(sample, rate=2000, settings={"pinfeed": {"state_dir": small_disk}}).start()
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topic("user")) > 200, 20, "200 posts")
    fill_up(small_disk)
    pinfeed.wait_for("can't write .*: No space left on device; keeps trying.*some space left", 20)
    os.unlink(small_disk / "full")
    pinfeed.wait_for(r"The state directory can be written again after \d", 20)
    before = kafka.end_offset(pinfeed.topic("user"))
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topic("user")) > before + 200, 20, "it goes on")
    assert pinfeed.stop() == 0
    sent.same_set(sent.records(kafka, pinfeed))
    assert pinfeed.log.count("No space left") == 1 and "error" not in pinfeed.log


def test_a_state_directory_that_may_not_be_written(emulate, kafka, sample, tmp_path):
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root may write everywhere")
    pinfeed = emulate(sample)
    pinfeed.settings["pinfeed"]["state_dir"] = "/proc/self"
    refused(pinfeed, "can't write /proc/self/", r"\[pinfeed\] state_dir")
