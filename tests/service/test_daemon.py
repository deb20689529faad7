"""pinfeed.service under a real systemd, against the real servers."""

import re

import pytest

import message_ids
from installation import Installation
from rig import MariaDB, wait_until

FIELDS = ["PINFEED_DELIVERED", "PINFEED_FAILED", "PINFEED_IN_FLIGHT", "PINFEED_BYTES"]
LATENCIES = ["PINFEED_LATENCY_P50_MS", "PINFEED_LATENCY_P99_MS"]


def _delivers(pinfeed, at_least=1):
    """Waits until every topic has records."""
    return wait_until(lambda: all(pinfeed.kafka.end_offset(topic) >= at_least for topic in pinfeed.topics), 20,
                      lambda: "records in every topic:\n" + pinfeed.machine.status("pinfeed"))


def _statistics(pinfeed, topic):
    return [e for e in pinfeed.messages(message_ids.STATISTICS) if e["PINFEED_TOPIC"] == topic]


def test_start_returns_when_all_is_verified_and_posts_flow(pinfeed):
    pinfeed.start()
    shown = pinfeed.show()
    assert (shown["ActiveState"], shown["SubState"], shown["NRestarts"]) == ("active", "running", "0")
    assert shown["StatusText"]
    pinfeed.wait_for_message(message_ids.STARTED)
    _delivers(pinfeed)
    assert [e["MESSAGE"] for e in pinfeed.messages() if int(e["PRIORITY"]) <= 4] == []


def test_journal_has_each_topics_figures_as_fields(pinfeed):
    pinfeed.start()
    for topic in pinfeed.topics:
        wait_until(lambda: len([e for e in _statistics(pinfeed, topic) if LATENCIES[0] in e]) >= 2, 20,
                   lambda: pinfeed.machine.status("pinfeed"))
        entries = [e for e in _statistics(pinfeed, topic) if LATENCIES[0] in e]
        figures = [[int(e[f]) for f in FIELDS] for e in entries]
        assert figures[-1][0] > figures[0][0] > 0
        assert figures[-1][1] == 0
        assert figures[-1][3] > figures[-1][0]
        for entry in entries:
            assert 0 < float(entry[LATENCIES[0]]) <= float(entry[LATENCIES[1]])
            assert entry["_SYSTEMD_UNIT"] == "pinfeed.service"
            assert entry["MESSAGE"].startswith(f"{topic}: {entry['PINFEED_DELIVERED']} delivered, 0 failed, ")


def test_journal_explains_a_message(pinfeed):
    pinfeed.start()
    pinfeed.wait_for_message(message_ids.STATISTICS)
    shown = pinfeed.machine.run("journalctl", "--catalog", "--lines=3", f"MESSAGE_ID={message_ids.STATISTICS}")
    assert f"Subject: What became of the records of topic {pinfeed.user_id}." in shown
    assert "PINFEED_IN_FLIGHT   records that are sent" in shown


def test_stop_ends_well_with_the_same_posts_in_all_topics(pinfeed):
    pinfeed.start()
    _delivers(pinfeed)
    pinfeed.machine.run("systemctl", "stop", "pinfeed")
    shown = pinfeed.show()
    assert (shown["ActiveState"], shown["Result"], shown["ExecMainStatus"]) == ("inactive", "success", "0")
    assert pinfeed.messages()[-1]["MESSAGE_ID"] == message_ids.STOPPED
    pin, geo, user = pinfeed.keys()
    assert pin == geo == user


def test_process_is_the_users_and_has_no_privileges(pinfeed):
    pinfeed.start()
    status = dict(re.findall(r"^(\w+):\t(.*)$", pinfeed.machine.run("cat", f"/proc/{pinfeed.pid}/status"), re.M))
    uid = pinfeed.machine.run("id", "--user", "pinfeed").strip()
    assert set(status["Uid"].split()) == {uid}
    assert {status[c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert "Max core file size        0                    0" in pinfeed.machine.run(
        "cat", f"/proc/{pinfeed.pid}/limits")
    assert pinfeed.machine.run("stat", "--format=%U %G %a", "/var/lib/pinfeed").strip() == "pinfeed pinfeed 700"
    files = pinfeed.machine.run("find", "/var/lib/pinfeed", "-type", "f", "-printf", "%u %m %f\n").splitlines()
    assert all(line.startswith("pinfeed 600 ") for line in files), files


def test_secrets_show_nowhere(pinfeed):
    pinfeed.configure(pinfeed={"log_level": "debug"})
    pinfeed.start()
    _delivers(pinfeed)
    for name in ("environ", "cmdline"):
        text = pinfeed.machine.run("cat", f"/proc/{pinfeed.pid}/{name}")
        assert pinfeed.mariadb.password not in text
        assert pinfeed.identity.secret not in text
    pinfeed.machine.run("systemctl", "stop", "pinfeed")
    journal = str(pinfeed.journal())
    assert "delivered" in journal
    assert pinfeed.mariadb.password not in journal
    assert pinfeed.identity.secret not in journal


@pytest.fixture
def tls_mariadb(network):
    """Whose certificate nobody trusts."""
    with MariaDB(tls=True) as server:
        server.execute(*Installation.TABLES)
        yield server


def _start_with(pinfeed, host, mariadb):
    """What it says last, and why, when its database is at this name."""
    pinfeed.machine.write("/etc/hosts", f"127.0.0.1 localhost {host}\n")
    pinfeed.configure(mysql={"host": host, "port": mariadb.port})
    pinfeed.write_password(mariadb.password + "\n")
    code, _ = pinfeed.machine.try_run("systemctl", "start", "pinfeed")
    if code == 0:
        pinfeed.wait_for_message(message_ids.STARTED)
    return pinfeed.show()["ExecMainStatus"], "\n".join(e["MESSAGE"] for e in pinfeed.messages())


def test_a_database_elsewhere_must_encrypt_unless_it_is_said_otherwise(pinfeed, tls_mariadb):
    status, said = _start_with(pinfeed, "db.example", pinfeed.mariadb)
    assert status == "78"
    assert "[mysql] tls = prefer" in said
    status, said = _start_with(pinfeed, "db.example", tls_mariadb)
    assert status == "0"
    assert "certificate not verified" in said


def test_a_database_on_rds_must_prove_that_it_is_the_one(pinfeed, tls_mariadb):
    status, said = _start_with(pinfeed, "pin.c0ffee.eu-west-1.rds.amazonaws.com", tls_mariadb)
    assert status == "78"
    assert "[mysql] ssl_ca" in said
    assert tls_mariadb.password not in said


def test_wrong_password_makes_the_start_fail_for_good(pinfeed):
    pinfeed.write_password("not it\n")
    code, _ = pinfeed.machine.try_run("systemctl", "start", "pinfeed")
    assert code != 0
    shown = pinfeed.show()
    assert (shown["ActiveState"], shown["SubState"], shown["NRestarts"]) == ("failed", "failed", "0")
    assert shown["ExecMainStatus"] == "78"
    pinfeed.wait_for_message(message_ids.FAILED)
    failed = pinfeed.messages(message_ids.FAILED)
    assert len(failed) == 1
    assert "Access denied" in failed[0]["MESSAGE"]
    assert "not it" not in str(pinfeed.journal())


def test_missing_password_file_is_a_wrong_password_too(pinfeed):
    pinfeed.machine.run("rm", "/etc/pinfeed/mysql-password")
    code, _ = pinfeed.machine.try_run("systemctl", "start", "pinfeed")
    assert code != 0
    assert pinfeed.show()["ExecMainStatus"] == "78"
    assert "Access denied" in pinfeed.wait_for_message(message_ids.FAILED)["MESSAGE"]


def test_wrong_setting_is_logged_and_not_tried_again(pinfeed):
    pinfeed.configure(emulate={"rote": 5})
    code, _ = pinfeed.machine.try_run("systemctl", "start", "pinfeed")
    assert code != 0
    shown = pinfeed.show()
    assert (shown["SubState"], shown["ExecMainStatus"]) == ("failed", "78")
    message = pinfeed.wait_for_message(message_ids.FAILED)["MESSAGE"]
    assert "/etc/pinfeed/pinfeed.conf:" in message
    assert "rate" in message


def test_killed_it_is_started_again(pinfeed):
    pinfeed.override("pinfeed", RestartSec="100ms")
    pinfeed.start()
    _delivers(pinfeed)
    before = pinfeed.pid
    pinfeed.machine.run("kill", "-KILL", before)
    pinfeed.machine.wait_for("pinfeed", 20, NRestarts=1, ActiveState="active")
    assert pinfeed.pid != before


def test_frozen_it_is_ended_by_the_watchdog_and_started_again(pinfeed):
    pinfeed.override("pinfeed", RestartSec="100ms", WatchdogSec="2s")
    pinfeed.start()
    _delivers(pinfeed)
    before = pinfeed.pid
    pinfeed.machine.run("kill", "-STOP", before)
    pinfeed.machine.wait_for("pinfeed", 30, NRestarts=1, ActiveState="active")
    assert pinfeed.pid != before
    text = "\n".join(e["MESSAGE"] for e in pinfeed.journal() if e.get("SYSLOG_IDENTIFIER") == "systemd")
    assert "Watchdog timeout" in text
    assert "code=killed, status=6/ABRT" in text         # not "dumped"


def test_watchdog_is_content_with_a_service_that_works(pinfeed):
    pinfeed.override("pinfeed", WatchdogSec="1s")
    pinfeed.start()
    wait_until(lambda: len(pinfeed.messages(message_ids.STATISTICS)) >= 4 * len(pinfeed.topics), 20, "four seconds")
    assert pinfeed.show()["NRestarts"] == "0"


def test_unreachable_kafka_is_waited_for(pinfeed):
    pinfeed.kafka.stop()
    pinfeed.start()                                     # returns before there is a Kafka
    shown = pinfeed.show()
    assert shown["ActiveState"] == "active"
    assert "Kafka" in shown["StatusText"]
    assert str(pinfeed.kafka.iam_port) in pinfeed.wait_for_message(message_ids.WAITING)["MESSAGE"]
    pinfeed.kafka.start()
    _delivers(pinfeed)
    pinfeed.wait_for_message(message_ids.STARTED)
    assert len(pinfeed.messages(message_ids.WAITING)) == len(pinfeed.messages(message_ids.RESUMED)) == 1
    assert pinfeed.show()["StatusText"] != shown["StatusText"]
