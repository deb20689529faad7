"""What can't be reached is waited for in words: within 2 s it is said what for and how long, once a cause; where waiting is
vain it ends at once. A stop ends any wait."""

import re
import signal
import socket
import time

import pytest

from rig import free_port, sent

PATIENCE_S = 20                 # of a wait that isn't vain


# What is wrong: job, settings, exit code, what is said in this order, what isn't said.
VAIN = {
    "a broker's name that doesn't resolve": (
        "--create-topics", {"kafka": {"bootstrap.servers": "b-1.nowhere.invalid:9098"}}, 1,
        ["b-1.nowhere.invalid", "resolve", r"\[kafka\] bootstrap.servers", "DNS"], "security group"),
    "a database's name that doesn't resolve": (
        "--replay --dry-run", {"mysql": {"host": "db.nowhere.invalid"}}, 1,
        ["MySQL: can't connect", "db.nowhere.invalid", r"\[mysql\] host", "DNS"], "security group"),
    "no TLS to a port that speaks it": (
        "--create-topics", {"kafka": {"bootstrap.servers": "{iam}"}}, 1,
        ["the port speaks TLS", r"Remove \[kafka\] security.protocol"], "no broker answered"),
    "TLS to a port that doesn't speak it": (
        "--create-topics", {"kafka": {"security.protocol": "ssl", "ssl.ca.location": "{ca}"}}, 1,
        ["the port speaks no TLS", "9098", "security.protocol = plaintext"], "security group"),
    "no file with the broker's CA": (
        "--create-topics", {"kafka": {"ssl.ca.location": "/nonexistent/ca.pem"}}, 78,
        [r"\[kafka\] ssl.ca.location = /nonexistent/ca.pem: No such file"], "librdkafka"),
    "no file with the broker's CA, in a replay": (
        "--replay", {"kafka": {"ssl.ca.location": "/nonexistent/ca.pem"}}, 78,
        [r"/nonexistent/ca.pem: No such file"], "exactly_once"),
    "no file with the database's CA": (
        "--replay", {"mysql": {"ssl_ca": "/nonexistent/db.pem"}}, 78,
        [r"\[mysql\] ssl_ca = /nonexistent/db.pem: No such file"], "can't connect"),
}


@pytest.mark.parametrize("case", VAIN)
def test_what_waiting_cant_mend_ends_at_once_and_says_what_to_do(mariadb, kafka, pinfeeds, sample, case):
    job, settings, code, said, unsaid = VAIN[case]
    pinfeed = pinfeeds(mariadb, kafka, database=sample)
    sent.create_topics(kafka, pinfeed)
    for section, values in settings.items():
        pinfeed.settings[section].update({k: v.format(iam=kafka.iam_bootstrap, ca=kafka.ca_file) for k, v in values.items()})
    pinfeed.run_sooner_than(PATIENCE_S, *job.split()).expect_exit(code)
    error = pinfeed.log[pinfeed.log.rindex("error: "):]
    assert re.search(".*".join(said), error), pinfeed.log
    assert unsaid not in pinfeed.log


@pytest.mark.parametrize("job", ["--create-topics", "--replay"])
def test_a_wait_says_what_for_and_how_long_while_it_lasts(mariadb, kafka, pinfeeds, sample, job):
    """And once, however many streams wait for it."""
    port = free_port()
    pinfeed = pinfeeds(mariadb, kafka, database=sample, settings={"kafka": {"bootstrap.servers": f"127.0.0.1:{port}"}})
    pinfeed.start(job)
    pinfeed.wait_for(rf"trying 127.0.0.1:{port} for up to {PATIENCE_S} s", 10)
    time.sleep(3)
    assert pinfeed.log.count("trying ") == 1, pinfeed.log
    pinfeed.send_signal(signal.SIGINT)
    assert pinfeed.wait(10) == 128 + signal.SIGINT


def test_a_server_that_is_silent_is_named_before_it_has_failed(pinfeeds, mariadb, kafka):
    with socket.create_server(("127.0.0.1", 0)) as hole:        # takes connections and says nothing
        port = hole.getsockname()[1]
        pinfeed = pinfeeds(mariadb, kafka, settings={"kafka": {"bootstrap.servers": f"127.0.0.1:{port}"}})
        pinfeed.start("--create-topics").wait_for(rf"trying 127.0.0.1:{port} for up to 20 s", 5)


def test_a_daemon_says_that_it_keeps_trying_and_when_it_is_over(emulate, mariadb, sample):
    pinfeed = emulate(sample, rate=50)
    mariadb.kill()
    pinfeed.start()
    pinfeed.wait_for(r"warning: MySQL: can't connect: .*; keeps trying\. .*\[mysql\] host", 5)
    mariadb.start()
    pinfeed.wait_for(r"pinfeed: MySQL answers again after \d+ s$", 20)
    assert pinfeed.stop() == 0


@pytest.mark.long
def test_an_outage_that_lasts_is_said_again_after_a_minute(emulate, sample):
    port = free_port()
    pinfeed = emulate(sample, settings={"mysql": {"port": port}}).start()
    first = r"warning: MySQL: can't connect: .*; keeps trying\."
    pinfeed.wait_for(first, 10)
    pinfeed.wait_for(rf"warning: for 1 min( 0\d s)? now: MySQL: can't connect: .*{port}.*; keeps trying\.", 80)
    assert pinfeed.log.count("keeps trying") == 2, pinfeed.log
    assert pinfeed.stop() == 0


# ---- signals ---------------------------------------------------------------------------------------------------------------

def test_usr1_makes_a_report_now(emulate, sample):
    pinfeed = emulate(sample, rate=50, settings={"pinfeed": {"stats_interval": 3600}}).start()
    pinfeed.wait_for("sends 50 posts a second", 20)
    before = pinfeed.log.count("pinfeed: posts ")
    pinfeed.send_signal(signal.SIGUSR1)
    pinfeed.wait_until(lambda: pinfeed.log.count("pinfeed: posts ") > before, 10, "a report")
    assert pinfeed.stop() == 0
