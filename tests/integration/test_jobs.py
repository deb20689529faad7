"""What all jobs have in common: a wrong property is refused before anything connects, a stop ends any wait, and a result
that can't be written is an error."""

import json
import os
import re
import signal
import socket

import pytest

from rig import free_port, sent
from rig import paths
from rig.process import Process

JOBS = ([], ["--replay"], ["--replay", "--dry-run"], ["--check"], ["--status"], ["--create-topics"], ["--token"])


def nowhere(pinfeeds, **kafka):
    """A pinfeed whose servers nobody runs."""
    pinfeed = pinfeeds(settings={
        "mysql": {"host": "127.0.0.1", "port": free_port(), "user": "nobody"},
        "kafka": {"bootstrap.servers": f"127.0.0.1:{free_port()}", "security.protocol": "PLAINTEXT", **kafka}})
    pinfeed.env.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret", AWS_REGION="us-east-1")
    return pinfeed


@pytest.mark.parametrize("job", JOBS, ids=lambda job: " ".join(job) or "emulate")
def test_a_wrong_property_is_refused_before_anything_connects(pinfeeds, job):
    pinfeed = nowhere(pinfeeds, **{"lingr.ms": 5})
    pinfeed.run(*job, deadline_s=10).expect_exit(78)
    assert "lingr.ms" in pinfeed.log + pinfeed.stdout and "linger.ms" in pinfeed.log + pinfeed.stdout
    assert "can't connect" not in pinfeed.log + pinfeed.stdout and "Kafka can't be reached" not in pinfeed.log


@pytest.mark.parametrize("job", JOBS[1:-1], ids=" ".join)
def test_a_stop_ends_the_wait_for_servers_that_are_silent(pinfeeds, job):
    pinfeed = nowhere(pinfeeds)
    with socket.create_server(("127.0.0.1", 0)) as hole:
        pinfeed.settings["mysql"]["port"] = hole.getsockname()[1]
        pinfeed.settings["kafka"]["bootstrap.servers"] = f"127.0.0.1:{hole.getsockname()[1]}"
        pinfeed.start(*job)
        # Signals are blocked before this descriptor is there.
        pinfeed.wait_until(lambda: any("signalfd" in name for name in pinfeed.descriptors()), 10, "the event loop takes signals")
        pinfeed.send_signal(signal.SIGTERM)
        assert pinfeed.wait(13) == 128 + signal.SIGTERM, pinfeed.log
    assert "FAILED" not in pinfeed.stdout and "They are committed" not in pinfeed.log


def test_create_topics_stopped_between_two_topics_says_so(kafka, mariadb, pinfeeds):
    pinfeed = pinfeeds(mariadb, kafka)
    kafka.freeze()
    pinfeed.start("--create-topics")
    pinfeed.wait_until(lambda: any("socket" in name for name in pinfeed.descriptors()), 10, "a connection")
    pinfeed.send_signal(signal.SIGTERM)
    assert pinfeed.wait(13) == 128 + signal.SIGTERM, pinfeed.log
    assert "stopped before all topics were created" in pinfeed.log


def test_a_stopped_check_names_nothing_as_failed(kafka, mariadb, pinfeeds):
    pinfeed = pinfeeds(mariadb, kafka)
    sent.create_topics(kafka, pinfeed)
    mariadb.freeze()
    pinfeed.start("--check", "--json")
    pinfeed.wait_until(lambda: any("socket" in name for name in pinfeed.descriptors()), 10, "a connection")
    pinfeed.send_signal(signal.SIGINT)
    assert pinfeed.wait(13) == 128 + signal.SIGINT, pinfeed.log
    answer = json.loads(pinfeed.stdout)
    assert answer["ok"] is False and all(finding["ok"] for finding in answer["findings"])
    assert "stopped before everything was checked" in pinfeed.log


@pytest.mark.parametrize("job", [["--help"], ["--version"], ["--token"], ["--check"], ["--check", "--json"], ["--status"],
                                 ["--status", "--json"], ["--create-topics"], ["--replay", "--dry-run"], ["--replay"]],
                         ids=" ".join)
def test_a_result_that_cant_be_written_is_an_error(kafka, mariadb, sample, pinfeeds, identity, job):
    pinfeed = pinfeeds(mariadb, kafka, identity, database=sample)
    sent.create_topics(kafka, pinfeed)
    log = pinfeed.directory / "log"
    process = Process([paths.binary(), f"--config={pinfeed.write_config()}", *job], "/dev/full", log, pinfeed.env)
    try:
        assert process.wait(60) == 1, process.output()
    finally:
        process.end(signal.SIGKILL)
    assert "could not be written" in process.output()


def test_the_tokens_region_is_found_in_metadata_broker_list_too(pinfeeds):
    pinfeed = nowhere(pinfeeds, **{"bootstrap.servers": None, "security.protocol": None,
                                   "metadata.broker.list": "b-1.a.b.c2.kafka.eu-west-3.amazonaws.com:9098"})
    del pinfeed.env["AWS_REGION"]
    pinfeed.run("--token").expect_exit(0)
    assert json.loads(pinfeed.stdout)["region"] == "eu-west-3"


def test_a_finding_that_isnt_utf8_is_a_finding_all_the_same(kafka, mariadb, pinfeeds):
    pinfeed = pinfeeds(mariadb, kafka)
    pinfeed.run("--check", "--json", os.fsdecode(b"--set=mysql.database=caf\xe9"))
    failed = [f for f in json.loads(pinfeed.stdout)["findings"] if not f["ok"]]
    assert any("caf" in f["text"] for f in failed), failed
    assert "\x1b" not in pinfeed.stdout and "\x1b" not in pinfeed.log


def test_a_raw_token_is_the_token_alone(pinfeeds):
    pinfeed = nowhere(pinfeeds)
    pinfeed.run("--token", "--raw").expect_exit(0)
    assert re.fullmatch(r"[A-Za-z0-9_-]{200,}\n", pinfeed.stdout)
