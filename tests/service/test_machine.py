"""What only a kernel of one's own can show: its clock is set, it sleeps, its memory is limited, its power is cut."""

import time

import pytest

import message_ids
from machine import booted
from rig import Kafka, wait_until
from virtual import VirtualMachine, why_not

pytestmark = [pytest.mark.machine, pytest.mark.promise("Nothing is lost")]


@pytest.fixture(scope="module")
def machine(request):
    yield from booted(VirtualMachine, why_not(), request)


@pytest.fixture(scope="session")
def network():
    """The servers stay on our loopback."""


@pytest.fixture(scope="module")
def kafka_server():
    """Its sessions last as long as their tokens."""
    with Kafka() as server:
        yield server


@pytest.fixture
def pinfeed(pinfeed):
    pinfeed.machine.forward(pinfeed.mariadb.port, pinfeed.kafka.iam_port)
    return pinfeed


def begins(pinfeed, unit, **settings):
    """Starts a replay or a follow and waits until some of its rows are committed and others only sent."""
    pinfeed.configure(**settings)
    pinfeed.start(unit)
    topic, end = pinfeed.topics[0], pinfeed.kafka.end_offset
    pinfeed.machine.wait_until(lambda: 0 < end(topic, isolation="read_committed") < end(topic), 60,
                               lambda: pinfeed.machine.status(unit))
    assert not has_every_row_once(pinfeed)


def has_every_row_once(pinfeed):
    return all([r.key for r in pinfeed.kafka.read_all(topic, "read_committed")]
               == [str(i).encode() for i in range(1, pinfeed.ROWS + 1)] for topic in pinfeed.topics)


def completes(pinfeed, unit, deadline_s=90):
    pinfeed.machine.wait_until(lambda: has_every_row_once(pinfeed), deadline_s,
                               lambda: "every row once: " + pinfeed.machine.status(unit))


def sends_half(pinfeed, rate=300):
    """Starts the daemon and freezes Kafka: what is on its way to it arrives later, what waits behind that never."""
    pinfeed.configure(emulate={"rate": rate})
    pinfeed.start()
    pinfeed.sends()
    pinfeed.kafka.freeze()
    pinfeed.waits("Kafka acknowledges nothing")


def sends_the_other_half(pinfeed):
    pinfeed.kafka.thaw()
    pinfeed.wait_for_message(message_ids.RESENT)
    pinfeed.sends()
    pinfeed.ends_whole()


JOBS = pytest.mark.parametrize("unit, settings", [
    pytest.param("pinfeed-replay", {"replay": {"rate": 50}}, id="replay"),
    pytest.param("pinfeed-follow", {"replay": {"commit_rows": 1}, "follow": {"settle": 2}}, id="follow")])


# ---- the clock ----------------------------------------------------------------------------------------------------------------

@pytest.fixture
def set_clock(machine):
    """set_clock(1): an hour ahead of ours."""
    def set_clock(hours):
        machine.run("date", f"--set=@{int(time.time()) + hours * 3600}")
    yield set_clock
    set_clock(0)


@pytest.mark.parametrize("hours", [1, -1], ids=["ahead", "behind"])
def test_a_clock_that_is_an_hour_wrong_for_a_while_costs_no_post_and_no_restart(pinfeed, set_clock, hours):
    pinfeed.start()
    pinfeed.sends()
    pid = pinfeed.pid
    set_clock(hours)
    pinfeed.sends(50)
    # Whoever has to sign in now is refused, as by AWS: the signature, or the certificate, is of another time.
    pinfeed.kafka.restart()
    pinfeed.waits("Kafka acknowledges nothing")
    set_clock(0)
    pinfeed.wait_for_message(message_ids.RESUMED, 60)
    pinfeed.sends(50)
    assert pinfeed.pid == pid
    pinfeed.ends_whole()
    assert len(pinfeed.story()) <= 8 and not pinfeed.messages(message_ids.FAILED), pinfeed.story()


@JOBS
@pytest.mark.parametrize("hours", [1, -1], ids=["forward", "back"])
def test_a_clock_that_is_set_by_an_hour_costs_no_row_and_doubles_none(pinfeed, set_clock, unit, settings, hours):
    begins(pinfeed, unit, **settings)
    set_clock(hours)
    completes(pinfeed, unit)
    pinfeed.machine.run("systemctl", "stop", unit)
    assert pinfeed.show(unit)["NRestarts"] == "0"
    assert [e["MESSAGE"] for e in pinfeed.messages() if int(e["PRIORITY"]) <= 4] == []


# ---- sleep --------------------------------------------------------------------------------------------------------------------

def test_a_machine_that_sleeps_while_its_servers_restart_goes_on_in_the_same_process(pinfeed):
    pinfeed.start()
    pinfeed.sends()
    pid = pinfeed.pid
    pinfeed.machine.suspend()
    pinfeed.mariadb.kill_connections()
    pinfeed.kafka.restart()
    pinfeed.machine.wake_up()
    pinfeed.sends(50)
    assert pinfeed.pid == pid
    pinfeed.ends_whole()
    assert len(pinfeed.story()) <= 8 and not pinfeed.messages(message_ids.FAILED), pinfeed.story()


def test_a_machine_that_sleeps_until_kafka_has_ended_its_transaction_sends_each_row_once(pinfeed):
    begins(pinfeed, "pinfeed-replay", replay={"rate": 50},
           kafka={"transaction.timeout.ms": 10000, "socket.timeout.ms": 10000})
    pinfeed.machine.suspend()
    end = pinfeed.kafka.end_offset
    wait_until(lambda: all(end(topic, isolation="read_committed") == end(topic) for topic in pinfeed.topics), 60,
               "Kafka has ended the transaction")
    pinfeed.machine.wake_up()
    completes(pinfeed, "pinfeed-replay")
    assert pinfeed.messages(message_ids.RECOVERING)


# ---- memory -------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def limited(machine):
    """limited(unit, "1M") is what its processes may use in all; what they have beyond that the kernel takes, by killing."""
    units = set()

    def limit(unit, most):
        units.add(unit)
        machine.run("systemctl", "set-property", "--runtime", f"{unit}.service", f"MemoryMax={most}")
    yield limit
    for unit in units:
        machine.run("systemctl", "revert", f"{unit}.service")


def is_killed_for_want_of_memory(pinfeed, unit, limited):
    pinfeed.override(unit, RestartSec="2s")
    limited(unit, "1M")
    pinfeed.machine.wait_for(unit, 30, Result="oom-kill")
    limited(unit, "512M")
    assert any("killed by the OOM killer" in e["MESSAGE"] for e in pinfeed.journal() if "MESSAGE" in e)


def test_the_daemon_beyond_its_memory_limit_is_started_again_and_loses_nothing(pinfeed, limited):
    sends_half(pinfeed)
    is_killed_for_want_of_memory(pinfeed, "pinfeed", limited)
    pinfeed.machine.wait_for("pinfeed", 30, ActiveState="active")
    sends_the_other_half(pinfeed)


def test_a_replay_beyond_its_memory_limit_is_started_again_and_each_row_is_there_once(pinfeed, limited):
    begins(pinfeed, "pinfeed-replay", replay={"rate": 50})
    is_killed_for_want_of_memory(pinfeed, "pinfeed-replay", limited)
    completes(pinfeed, "pinfeed-replay")


# ---- power --------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rate", [3, 300], ids=["few", "many"])     # whose list is written in place, or anew
def test_after_a_power_cut_the_posts_that_were_half_sent_are_made_whole(pinfeed, rate):
    sends_half(pinfeed, rate)
    pinfeed.machine.cut_power()
    pinfeed.start()
    sends_the_other_half(pinfeed)


@JOBS
def test_after_a_power_cut_it_goes_on_and_each_row_is_there_once(pinfeed, unit, settings):
    begins(pinfeed, unit, **settings)
    pinfeed.machine.cut_power()
    assert not has_every_row_once(pinfeed)
    pinfeed.configure(replay={"rate": 100000, "commit_rows": 100000})
    pinfeed.start(unit)
    completes(pinfeed, unit)
