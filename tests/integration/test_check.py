"""--check: what would fail later is found in seconds, step by step; what depends on a failure is not tried, and everything else
is. Each finding has an id for scripts."""

import json
import re
import signal
import socket

import pytest

from rig import Identity, free_port, posts, sent, wait_until

FIELDS = {"id", "what", "result", "ok", "text", "hint"}
IDS = {"settings", "state_dir", "clock", "mysql.name", "mysql.port", "mysql.login", "mysql.version", "mysql.tls", "table.columns",
       "table.rows", "posts.whole", "aws.identity", "aws.token", "aws.credentials_end", "kafka.bootstrap", "kafka.login",
       "kafka.broker", "topic.partitions", "topic.settings", "topic.replicas", "rights.write", "rights.group",
       "rights.transactions"}


@pytest.fixture
def student(kafka):
    return kafka.allow(Identity("AKIASTUDENT", "s"), principal="student")


@pytest.fixture
def ready(mariadb, kafka, pinfeeds, database, student):
    """A pinfeed with three small tables and its topics: nothing is wrong."""
    mariadb.load(posts.sql(90), database)
    pinfeed = pinfeeds(mariadb, kafka, student, database=database)
    sent.create_topics(kafka, pinfeed)
    return pinfeed


def check(pinfeed, code=0):
    pinfeed.run("--check", "--json").expect_exit(code)
    result = json.loads(pinfeed.stdout)
    assert result["ok"] is (code == 0)
    for finding in result["findings"]:
        assert finding.keys() == FIELDS and finding["ok"] is (finding["result"] != "failed")
    return result["findings"]


def only(findings, result):
    """Those that are neither well nor this machine's own affair."""
    return [f for f in findings if f["result"] == result and f["id"] != "clock"]


def test_every_step_has_a_finding_with_an_id(ready):
    findings = check(ready)
    assert {f["id"] for f in findings} == IDS
    assert not [f for f in findings if f["result"] != "ok" and f["id"] != "clock"], findings
    ready.run("--check").expect_exit(0)
    assert re.fullmatch(r"pinfeed: nothing failed: \d+ ok, [01] warn, [01] not tried\n", ready.log)
    assert "90 keys are in all three tables" in ready.stdout
    assert "min.insync.replicas 1, retention 7 days, cleanup.policy delete" in ready.stdout


# ---- warnings: exit 0, and in the JSON -------------------------------------------------------------------------------------

def without_a_third(mariadb, kafka, ready):
    mariadb.execute("DELETE FROM geolocation_data WHERE ind % 3 = 0", database=ready.settings["mysql"]["database"])


def with_duplicates(mariadb, kafka, ready):
    mariadb.execute("ALTER TABLE user_data DROP PRIMARY KEY", "INSERT INTO user_data SELECT * FROM user_data WHERE ind < 5",
                    database=ready.settings["mysql"]["database"])


def with_three_partitions(mariadb, kafka, ready):
    kafka.delete_topic(ready.topic("geo"))
    kafka.create_topic(ready.topic("geo"), 3)


def compacted(mariadb, kafka, ready):
    kafka.delete_topic(ready.topic("geo"))
    kafka.create_topic(ready.topic("geo"), cleanup_policy="compact")


def of_small_messages(mariadb, kafka, ready):
    kafka.delete_topic(ready.topic("geo"))
    kafka.create_topic(ready.topic("geo"), max_message_bytes=300)


def without_transactions(mariadb, kafka, ready):
    kafka.deny("student", "WRITE", "transactional_id")


def without_the_group(mariadb, kafka, ready):
    kafka.deny("student", "READ", "group")


def without_seeing_the_group(mariadb, kafka, ready):
    kafka.deny("student", "DESCRIBE", "group")


WARNINGS = {
    without_a_third: ("posts.whole", "60 keys are in all three tables .*geolocation_data 60"),
    with_duplicates: ("table.rows", "whose key another row has"),
    with_three_partitions: ("topic.partitions", "3 partitions.*partition 0"),
    compacted: ("topic.cleanup_policy", "compacted"),
    of_small_messages: ("topic.max_message_bytes", "less than .*message.max.bytes.*Raise"),
    without_transactions: ("rights.transactions", "kafka-cluster:AlterTransactionalId.*exactly_once = no"),
    without_the_group: ("rights.transactions", "kafka-cluster:AlterGroup"),
    without_seeing_the_group: ("rights.group", "kafka-cluster:DescribeGroup"),
}


@pytest.mark.parametrize("change", WARNINGS, ids=lambda f: f.__name__)
def test_what_works_today_and_surprises_later_is_a_warning(mariadb, kafka, ready, change):
    change(mariadb, kafka, ready)
    found = only(check(ready), "warn")
    assert [f["id"] for f in found] == [WARNINGS[change][0]], found
    assert re.search(WARNINGS[change][1], found[0]["text"] + ". " + found[0]["hint"]), found


def test_settings_of_topics_that_may_not_be_read_are_no_failure(kafka, ready):
    kafka.deny("student", "DESCRIBE_CONFIGS")
    findings = check(ready)
    assert [f["id"] for f in only(findings, "not_tried")] == ["topic.settings"] * 3
    assert "DescribeTopicDynamicConfiguration" in only(findings, "not_tried")[0]["hint"]


# ---- failures: what depends on them is not tried, the rest is ---------------------------------------------------------------

FAILURES = {
    "a database's name": ("mysql", {"host": "db.nowhere.invalid"}, 1, "mysql.name", "DNS", "mysql.login", "kafka.login"),
    "a database's port": ("mysql", {"port": "{free}"}, 1, "mysql.port", "Connection refused.*RDS: inbound TCP 3306", "mysql.login",
                          "kafka.login"),
    "a database's user": ("mysql", {"user": "nobody"}, 78, "mysql.login", "Access denied", "table.columns", "kafka.login"),
    "a broker's name": ("kafka", {"bootstrap.servers": "b-1.nowhere.invalid:9098"}, 1, "kafka.bootstrap", "DNS", "kafka.login",
                        "posts.whole"),
    "a broker's port": ("kafka", {"bootstrap.servers": "127.0.0.1:{free}"}, 1, "kafka.bootstrap", "Connection refused.*9098",
                        "topic.partitions", "posts.whole"),
    "the state directory": ("pinfeed", {"state_dir": "/nonexistent/state"}, 78, "state_dir", "No such file.*install -d", None,
                            "rights.write"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_ends_neither_the_check_nor_hides_what_else_there_is(ready, case):
    section, settings, code, failed, text, not_tried, fine = FAILURES[case]
    ready.settings[section].update({k: v.format(free=free_port()) for k, v in settings.items()})
    findings = check(ready, code)
    assert [f["id"] for f in only(findings, "failed")] == [failed], findings
    assert re.search(text, only(findings, "failed")[0]["text"] + ". " + only(findings, "failed")[0]["hint"]), findings
    assert not_tried is None or not_tried in [f["id"] for f in only(findings, "not_tried")]
    assert fine in [f["id"] for f in only(findings, "ok")]
    ready.run("--check").expect_exit(code)
    assert not re.search(r"^FAILED +(.+): \1", ready.stdout, re.M), ready.stdout


def test_too_few_replicas_in_sync_are_a_failure(kafka, ready):
    kafka.delete_topic(ready.topic("pin"))
    kafka.create_topic(ready.topic("pin"), min_insync_replicas=2)
    found = only(check(ready, 1), "failed")
    assert [f["id"] for f in found] == ["topic.replicas"] and "1 of 1 replicas are in sync" in found[0]["text"]


def test_one_broker_of_the_list_that_is_away_is_a_warning(kafka, ready):
    ready.settings["kafka"]["bootstrap.servers"] = f"127.0.0.1:{free_port()},{kafka.iam_bootstrap}"
    assert [f["id"] for f in only(check(ready), "warn")] == ["kafka.bootstrap"]


# ---- harmless ----------------------------------------------------------------------------------------------------------------

def test_a_check_disturbs_no_replay_and_leaves_no_cursor(mariadb, kafka, ready):
    check(ready)
    assert not [t for t, _ in kafka.group_offsets(ready.group) if ready.user_id in t]
    ready.settings["replay"] = {"rate": 30, "commit_rows": 10}
    replay = ready.start("--replay").process
    wait_until(lambda: [t for t, _ in kafka.group_offsets(ready.group) if ready.user_id in t], 30, "the replay's cursor")
    check(ready)
    assert replay.wait(60) == 0, replay.output()
    for topic in ready.topics:
        assert len(kafka.read_all(topic, "read_committed")) == 90
    assert not re.search("warning|starts over", replay.output()), replay.output()


def test_ctrl_c_ends_a_check_that_waits(kafka, ready):
    with socket.create_server(("127.0.0.1", 0)) as hole:        # takes connections and says nothing
        ready.settings["kafka"]["bootstrap.servers"] = f"127.0.0.1:{hole.getsockname()[1]}"
        ready.start("--check")
        ready.wait_for("trying 127.0.0.1", 20)
        ready.send_signal(signal.SIGINT)
        assert ready.wait(10) == 128 + signal.SIGINT, ready.log
    assert "FAILED" not in ready.stdout
