"""What goes wrong on a machine that runs for years, under a real systemd. After each: no post is lost or in one topic only,
and the journal tells what happened in a few lines."""

import contextlib
import re

import pytest

import message_ids
from rig import MariaDB, wait_until

pytestmark = pytest.mark.promise("Nothing is lost")


def told(pinfeed, *patterns):
    """The journal's lines beside the figures are these, in this order; their beginnings are given as patterns."""
    story = pinfeed.story()
    assert len(story) == len(patterns) and all(map(re.match, patterns, story)), "\n".join(story)


SENDS, STOPPED = "sends .* posts a second", "stopped; "
MYSQL_BACK, KAFKA_BACK = r"MySQL answers again after \d", r"Kafka acknowledges again after \d"


# ---- servers that are away ------------------------------------------------------------------------------------------------

def test_a_database_that_comes_up_after_the_service_is_waited_for(pinfeed):
    pinfeed.mariadb.stop()
    pinfeed.start()
    assert pinfeed.show()["ActiveState"] == "active"
    pinfeed.waits("MySQL: can't connect")
    pinfeed.mariadb.start()
    pinfeed.sends()
    pinfeed.ends_whole()
    told(pinfeed, "(for .* now: )?MySQL: can't connect.*; keeps trying", MYSQL_BACK, SENDS, STOPPED)


@contextlib.contextmanager
def stopped(pinfeed, whom):
    server = getattr(pinfeed, whom)
    server.stop()
    yield
    server.start()


@contextlib.contextmanager
def dropped(pinfeed, whom):
    with pinfeed.machine.dropping({"mariadb": pinfeed.mariadb.port, "kafka": pinfeed.kafka.iam_port}[whom]):
        yield


MYSQL, KAFKA = ("mariadb", "MySQL", MYSQL_BACK), ("kafka", "Kafka acknowledges nothing", KAFKA_BACK)


@pytest.mark.parametrize("whom, waiting, back, how", [
    pytest.param(*MYSQL, stopped, id="mysql-refuses"), pytest.param(*MYSQL, dropped, id="mysql-vanishes"),
    pytest.param(*KAFKA, stopped, id="kafka-refuses", marks=pytest.mark.long),
    pytest.param(*KAFKA, dropped, id="kafka-vanishes")])
def test_a_server_that_refuses_or_whose_packets_vanish_is_waited_for(pinfeed, whom, waiting, back, how):
    pinfeed.start()
    pinfeed.sends()
    with how(pinfeed, whom):
        pinfeed.waits(waiting)
        assert re.search(r"\. Sends 50 posts a second: \d+ so far", pinfeed.show()["StatusText"])
    pinfeed.wait_for_message(message_ids.RESUMED, 40)
    pinfeed.sends()
    pinfeed.ends_whole()
    told(pinfeed, SENDS, f"(for .* now: )?{waiting}.*; keeps trying", back, STOPPED)


@pytest.mark.long
@pytest.mark.parametrize("whom, back", [("mariadb", MYSQL_BACK), ("kafka", KAFKA_BACK)])
def test_a_server_that_is_away_for_minutes_is_a_line_after_one_and_loses_nothing(pinfeed, whom, back):
    pinfeed.start()
    pinfeed.sends()
    with dropped(pinfeed, whom):
        wait_until(lambda: len(pinfeed.messages(message_ids.WAITING)) == 2, 90, "a minute is over")
    pinfeed.wait_for_message(message_ids.RESUMED, 60)
    pinfeed.sends()
    pinfeed.ends_whole()
    told(pinfeed, SENDS, ".*keeps trying", "for 1 min.* now: .*keeps trying", back, STOPPED)


def test_a_slow_network_only_slows_it(pinfeed):
    pinfeed.configure(emulate={"rate": 5})
    pinfeed.start()
    with pinfeed.machine.slow():
        pinfeed.sends()
        pinfeed.ends_whole()
    assert [line for line in pinfeed.story() if re.match("error|.*failed", line)] == []
    assert pinfeed.show()["NRestarts"] == "0"


# ---- names ------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def everywhere(machine, network):
    """A database that can be reached at every address of this machine."""
    with MariaDB(options=["--bind-address=0.0.0.0"]) as server:
        yield server


@pytest.fixture
def hosts(machine):
    """hosts("127.0.0.2") gives db.test that address, hosts(None) none."""
    before = machine.run("cat", "/etc/hosts")
    assert not machine.run("findmnt", "--noheadings", "/etc/hosts", "/etc/resolv.conf", check=False), "they are another's"
    machine.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")         # where none answers

    def change(address):
        machine.write("/etc/hosts", before + (f"{address} db.test\n" if address else ""))
    yield change
    machine.write("/etc/hosts", before)


def test_a_name_that_fails_then_works_then_changes_is_followed(pinfeed, everywhere, hosts):
    everywhere.execute(*pinfeed.TABLES)
    pinfeed.configure(mysql={"host": "db.test", "port": everywhere.port, "tls": "prefer"})
    pinfeed.write_password(everywhere.password + "\n")
    hosts(None)
    pinfeed.start()
    pinfeed.waits("Unknown server host 'db.test'")
    hosts("127.0.0.2")
    pinfeed.sends()

    def connected_to():
        lines = pinfeed.machine.run("ss", "-Htn", "state", "established", f"dport = :{everywhere.port}").splitlines()
        return {line.split()[3].rsplit(":", 1)[0] for line in lines}
    assert connected_to() == {"127.0.0.2"}
    hosts("127.0.0.3")
    everywhere.kill_connections()
    wait_until(lambda: connected_to() == {"127.0.0.3"}, 20, lambda: f"the new address: {connected_to()}")
    pinfeed.sends()
    pinfeed.ends_whole()
    told(pinfeed, "(for .* now: )?MySQL: can't connect.*db.test", MYSQL_BACK, SENDS, STOPPED)


# ---- what the machine runs out of -----------------------------------------------------------------------------------------

@pytest.fixture
def small_state(machine):
    """A state directory of 64 KiB; small_state(True) fills it, small_state(False) makes room again."""
    uid = machine.run("id", "--user", "pinfeed").strip()
    machine.run("mkdir", "-p", "/var/lib/pinfeed")
    machine.run("mount", "-t", "tmpfs", "-o", f"size=64k,mode=700,uid={uid},gid={uid}", "tmpfs", "/var/lib/pinfeed")

    def fill(full):
        machine.run("sh", "-c", "head -c 1M /dev/zero >/var/lib/pinfeed/ballast || true" if full
                    else "rm -f /var/lib/pinfeed/ballast")
    yield fill
    machine.run("systemctl", "stop", "pinfeed")
    machine.run("umount", "/var/lib/pinfeed")


ROOM_BACK = r"The state directory can be written again after \d"
MANY = {"rate": 3000}           # so that the list of posts under way needs a file of its own size; a few need no more room


def test_a_full_disk_is_waited_for_and_once_there_is_room_it_goes_on(pinfeed, small_state):
    pinfeed.configure(emulate=MANY)
    pinfeed.start()
    pinfeed.sends()
    pid = pinfeed.pid
    small_state(True)
    pinfeed.waits("can't write /var/lib/pinfeed/.*No space left on device")
    small_state(False)
    pinfeed.wait_for_message(message_ids.RESUMED)
    pinfeed.sends()
    assert pinfeed.pid == pid
    pinfeed.ends_whole()
    told(pinfeed, SENDS, "(for .* now: )?can't write /var/lib/pinfeed/.*; keeps trying", ROOM_BACK, STOPPED)


def test_a_full_disk_does_not_stop_who_has_few_posts_under_way(pinfeed, small_state):
    pinfeed.start()
    pinfeed.sends()
    small_state(True)
    pinfeed.sends(100)
    pinfeed.machine.run("systemctl", "kill", "--signal=KILL", "pinfeed")
    small_state(False)
    pinfeed.machine.wait_for("pinfeed", 40, NRestarts=1, ActiveState="active")
    pinfeed.sends()
    pinfeed.ends_whole()


def test_a_state_directory_that_is_read_only_is_waited_for_and_nothing_is_sent(pinfeed, small_state):
    pinfeed.machine.run("mount", "-o", "remount,ro", "/var/lib/pinfeed")
    pinfeed.machine.run("mount", "-o", "remount,bind,rw", "/var/lib/pinfeed")   # as after an error: the file system, not this place
    pinfeed.start()
    pinfeed.waits("can't write /var/lib/pinfeed/.*Read-only file system")
    assert not any(pinfeed.keys())
    pinfeed.machine.run("mount", "-o", "remount,rw", "/var/lib/pinfeed")
    pinfeed.wait_for_message(message_ids.RESUMED)
    pinfeed.sends()
    pinfeed.ends_whole()
    waiting, back = pinfeed.story()[:2]
    assert re.match("(for .* now: )?can't write /var/lib/pinfeed/.*; keeps trying", waiting) and re.match(ROOM_BACK, back)


def test_out_of_descriptors_it_says_so_and_systemd_starts_it_again(pinfeed):
    pinfeed.override("pinfeed", RestartSec="1s")
    pinfeed.configure(emulate=MANY)
    pinfeed.start()
    pinfeed.sends()
    pinfeed.machine.run("prlimit", f"--pid={pinfeed.pid}", "--nofile=3")
    pinfeed.machine.wait_for("pinfeed", 20, NRestarts=1, ActiveState="active")
    pinfeed.sends()
    pinfeed.ends_whole()
    failed = pinfeed.messages(message_ids.FAILED)
    assert len(failed) == 1 and "Too many open files. Raise the limit on open files" in failed[0]["MESSAGE"]
    assert len(pinfeed.story()) <= 8, pinfeed.story()


def test_out_of_memory_it_goes_on_or_is_started_again(pinfeed):
    pinfeed.override("pinfeed", RestartSec="1s")
    pinfeed.start()
    pinfeed.sends()
    for _ in range(3):          # a thread for each log-in
        pinfeed.machine.run("prlimit", f"--pid={pinfeed.pid}", "--as=1", "--data=1")
        pinfeed.mariadb.kill_connections()
        pinfeed.sends()
    pinfeed.ends_whole()


# ---- ends --------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("signal", ["SEGV", "KILL", "STOP"])
def test_killed_crashed_or_frozen_it_comes_back_and_finishes_half_sent_posts(pinfeed, signal):
    pinfeed.configure(emulate={"rate": 300})
    pinfeed.override("pinfeed", RestartSec="100ms", WatchdogSec="2s")
    pinfeed.start()
    for restarts in (1, 2):
        pinfeed.sends(100)
        pinfeed.machine.run("kill", f"-{signal}", pinfeed.pid)
        pinfeed.machine.wait_for("pinfeed", 30, NRestarts=restarts, ActiveState="active")
    pinfeed.sends(100)
    pinfeed.ends_whole()


@pytest.mark.long
def test_stopped_in_its_tracks_for_a_while_it_goes_on_where_it_was(pinfeed):
    """As far as a suspend can be had here."""
    pinfeed.start()
    pinfeed.sends()
    pid = pinfeed.pid
    pinfeed.machine.run("kill", "-STOP", pid)
    pinfeed.mariadb.kill_connections()
    pinfeed.kafka.restart()
    pinfeed.machine.run("kill", "-CONT", pid)
    pinfeed.sends()
    assert pinfeed.pid == pid
    pinfeed.ends_whole()
    assert len(pinfeed.story()) <= 4, pinfeed.story()


def test_daemon_and_replay_side_by_side_send_what_each_has_to(pinfeed):
    pinfeed.start()
    pinfeed.sends()
    pinfeed.machine.run("systemctl", "start", "--wait", "pinfeed-replay")
    pinfeed.sends()
    assert pinfeed.ends_whole() == pinfeed.ROWS
    assert len(pinfeed.messages(message_ids.REPLAY_FINISHED)) == len(pinfeed.topics)


@pytest.mark.parametrize("count", [5, pytest.param(50, marks=pytest.mark.long), pytest.param(1000, marks=pytest.mark.soak)])
def test_restarted_again_and_again_it_sends_every_post_whole(pinfeed, count):
    pinfeed.configure(emulate={"rate": 200})
    pinfeed.start()
    for _ in range(count):
        pinfeed.machine.run("systemctl", "restart", "pinfeed")
    pinfeed.sends()
    pinfeed.ends_whole()
    assert len(pinfeed.messages(message_ids.STOPPED)) == len(pinfeed.messages(message_ids.STARTED))
    assert not pinfeed.messages(message_ids.FAILED) and not pinfeed.messages(message_ids.RESENT)


# ---- boots -------------------------------------------------------------------------------------------------------------------

def test_after_a_reboot_it_waits_for_a_database_that_comes_up_later(pinfeed):
    pinfeed.machine.run("systemctl", "add-wants", "machine.target", "pinfeed")
    pinfeed.start()
    pinfeed.sends()
    pinfeed.mariadb.stop()
    pinfeed.machine.reboot()
    assert pinfeed.show()["ActiveState"] in ("active", "activating")
    pinfeed.waits("MySQL: can't connect")
    pinfeed.mariadb.start()
    pinfeed.sends()
    pinfeed.machine.run("rm", "-r", "/etc/systemd/system/machine.target.wants")
    pinfeed.ends_whole()
    assert len(pinfeed.messages(message_ids.RESUMED)) == 1 and len(pinfeed.story()) <= 8, pinfeed.story()


def test_a_reboot_in_the_middle_of_a_replay_costs_nothing_and_doubles_nothing(pinfeed):
    pinfeed.configure(replay={"rate": 150})
    pinfeed.start("pinfeed-replay")
    wait_until(lambda: pinfeed.messages(message_ids.REPLAY_PROGRESS), 30, "it is under way")
    pinfeed.machine.reboot()
    assert min(pinfeed.kafka.end_offset(topic) for topic in pinfeed.topics) < pinfeed.ROWS
    pinfeed.configure(replay={"rate": 100000})
    pinfeed.machine.run("systemctl", "start", "--wait", "pinfeed-replay")
    for topic in pinfeed.topics:
        keys = [r.key for r in pinfeed.kafka.read_all(topic, "read_committed")]
        assert keys == [str(i).encode() for i in range(1, pinfeed.ROWS + 1)]
