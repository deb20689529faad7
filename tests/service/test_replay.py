"""pinfeed-replay.service under a real systemd, against the real servers."""

import message_ids
from rig import wait_until

UNIT = "pinfeed-replay"


def _rows(pinfeed):
    """Every row of a table once, in key order, as record keys."""
    return [str(i).encode() for i in range(1, pinfeed.ROWS + 1)]


def _committed(pinfeed, topic):
    return [r.key for r in pinfeed.kafka.read_all(topic, "read_committed")]


def _is_complete(pinfeed):
    return all(_committed(pinfeed, topic) == _rows(pinfeed) for topic in pinfeed.topics)


def _start_slowly(pinfeed):
    """Begins a replay that would take 10 s, and waits until a part of it is committed."""
    pinfeed.configure(replay={"rate": 150})
    pinfeed.start(UNIT)
    wait_until(lambda: all(_committed(pinfeed, topic) for topic in pinfeed.topics), 20,
               lambda: "committed records in every topic:\n" + pinfeed.machine.status(UNIT))
    assert not _is_complete(pinfeed)


def test_start_and_wait_returns_when_every_row_is_committed(pinfeed):
    pinfeed.machine.run("systemctl", "start", "--wait", UNIT)
    shown = pinfeed.show(UNIT)
    assert (shown["ActiveState"], shown["Result"], shown["NRestarts"]) == ("inactive", "success", "0")
    assert _is_complete(pinfeed)
    assert pinfeed.messages(message_ids.REPLAY_FINISHED)
    assert [e["MESSAGE"] for e in pinfeed.messages() if int(e["PRIORITY"]) <= 4] == []


def test_started_again_it_has_nothing_to_send(pinfeed):
    for _ in range(2):
        pinfeed.machine.run("systemctl", "start", "--wait", UNIT)
    assert _is_complete(pinfeed)


def test_start_returns_early_and_status_tells_progress(pinfeed):
    _start_slowly(pinfeed)
    shown = pinfeed.show(UNIT)
    assert (shown["ActiveState"], shown["Type"]) == ("active", "notify")
    assert any(character.isdigit() for character in shown["StatusText"]), shown["StatusText"]


def test_killed_it_resumes_and_each_row_is_there_once(pinfeed):
    pinfeed.override(UNIT, RestartSec="100ms")
    _start_slowly(pinfeed)
    pinfeed.machine.run("kill", "-KILL", pinfeed.show(UNIT)["MainPID"])
    wait_until(lambda: pinfeed.messages(message_ids.REPLAY_FINISHED), 60, lambda: pinfeed.machine.status(UNIT))
    pinfeed.machine.wait_for(UNIT, 20, ActiveState="inactive", Result="success")
    assert "restart counter is at 1" in str(pinfeed.journal())
    assert _is_complete(pinfeed)


def test_stopped_it_ends_well_and_goes_on_at_the_next_start(pinfeed):
    _start_slowly(pinfeed)
    pinfeed.machine.run("systemctl", "stop", UNIT)
    shown = pinfeed.show(UNIT)
    assert (shown["ActiveState"], shown["Result"]) == ("inactive", "success")
    assert not _is_complete(pinfeed)
    pinfeed.configure(replay={"rate": 100000})
    pinfeed.machine.run("systemctl", "start", "--wait", UNIT)
    assert _is_complete(pinfeed)


def test_wrong_password_fails_for_good(pinfeed):
    pinfeed.write_password("not it\n")
    code, _ = pinfeed.machine.try_run("systemctl", "start", "--wait", UNIT)
    assert code != 0
    shown = pinfeed.show(UNIT)
    assert (shown["SubState"], shown["ExecMainStatus"], shown["NRestarts"]) == ("failed", "78", "0")


def test_taken_over_by_another_it_gives_way_and_is_not_restarted(pinfeed):
    _start_slowly(pinfeed)
    pinfeed.machine.write("/run/password", pinfeed.mariadb.password, 0o640, "pinfeed")
    other = pinfeed.machine.popen(
        "runuser", "-u", "pinfeed", "--", "env", "AWS_SHARED_CREDENTIALS_FILE=/etc/pinfeed/aws/credentials",
        "AWS_EC2_METADATA_DISABLED=true", "pinfeed", "--replay", "--set=mysql.password_file=/run/password",
        "--set=replay.rate=100000")
    output, _ = other.communicate(timeout=60)
    assert other.returncode == 0, output
    shown = pinfeed.machine.wait_for(UNIT, 20, ActiveState="failed")
    assert (shown["SubState"], shown["ExecMainStatus"], shown["NRestarts"]) == ("failed", "3", "0")
    assert _is_complete(pinfeed)
