"""pinfeed-follow.service and pinfeed-replay.timer under a real systemd, against the real servers."""

import message_ids
from rig import wait_until

UNIT = "pinfeed-follow"


def _committed(pinfeed, topic):
    return [r.key for r in pinfeed.kafka.read_all(topic, "read_committed")]


def _has(pinfeed, rows):
    expected = [str(i).encode() for i in range(1, rows + 1)]
    return all(_committed(pinfeed, topic) == expected for topic in pinfeed.topics)


def _arrive(pinfeed, rows):
    wait_until(lambda: _has(pinfeed, rows), 30, lambda: f"{rows} rows:\n" + pinfeed.machine.status(UNIT))


def _insert(pinfeed, key):
    """Another post. The tables are for all tests: see _remove."""
    pinfeed.mariadb.execute(f"INSERT INTO pinterest_data SELECT {key}, 'new', '1'",
                            f"INSERT INTO geolocation_data SELECT {key}, '2020-04-27 13:34:16', 1, 'Armenia'",
                            f"INSERT INTO user_data SELECT {key}, 'Dylan', 32, '2016-10-23 14:06:51'")


def _remove(pinfeed):
    pinfeed.mariadb.execute("DELETE FROM pinterest_data WHERE `index` > 500", "DELETE FROM geolocation_data WHERE ind > 500",
                            "DELETE FROM user_data WHERE ind > 500")


def test_new_rows_arrive_and_the_status_and_the_journal_say_how_far_it_is(pinfeed):
    pinfeed.configure(follow={"settle": 2})
    pinfeed.start(UNIT)
    try:
        _arrive(pinfeed, 500)
        _insert(pinfeed, 501)
        _arrive(pinfeed, 501)
    finally:
        _remove(pinfeed)
    wait_until(lambda: pinfeed.show(UNIT)["StatusText"].startswith("Follows 3 streams: 1503 rows so far"), 20,
               lambda: pinfeed.machine.status(UNIT))
    entry = [e for e in pinfeed.messages(message_ids.FOLLOW) if e["PINFEED_TOPIC"] == pinfeed.topics[0]][-1]
    assert entry["PINFEED_DELIVERED"] == "501" and entry["PINFEED_LAG_ROWS"] == "0"
    assert float(entry["PINFEED_LAG_S"]) >= 0
    pinfeed.machine.run("systemctl", "stop", UNIT)
    shown = pinfeed.show(UNIT)
    assert (shown["ActiveState"], shown["Result"], shown["ExecMainStatus"]) == ("inactive", "success", "0")
    assert pinfeed.messages()[-1]["MESSAGE_ID"] == message_ids.STOPPED
    assert [e["MESSAGE"] for e in pinfeed.messages() if int(e["PRIORITY"]) <= 4] == []


def test_killed_it_goes_on_and_each_row_is_there_once(pinfeed):
    pinfeed.override(UNIT, RestartSec="100ms")
    pinfeed.start(UNIT)
    wait_until(lambda: pinfeed.messages(message_ids.STARTED), 30, "it begins")
    pinfeed.machine.run("kill", "-KILL", pinfeed.show(UNIT)["MainPID"])
    pinfeed.machine.wait_for(UNIT, 20, NRestarts=1, ActiveState="active")
    _arrive(pinfeed, 500)


def test_only_one_sends_to_the_topics(pinfeed):
    pinfeed.start(UNIT)
    pinfeed.start("pinfeed")
    assert pinfeed.machine.wait_for(UNIT, 20, ActiveState="inactive")["Result"] == "success"
    pinfeed.start(UNIT)
    pinfeed.machine.wait_for("pinfeed", 20, ActiveState="inactive")
    pinfeed.machine.run("systemctl", "start", "--wait", "pinfeed-replay")
    pinfeed.machine.wait_for(UNIT, 20, ActiveState="inactive")


def test_the_timer_is_off_and_switched_on_it_replays_at_night(pinfeed):
    timer = "pinfeed-replay.timer"
    assert pinfeed.machine.run("systemctl", "is-enabled", timer, check=False).strip() == "disabled"
    pinfeed.machine.run("systemctl", "enable", "--now", timer)
    shown = pinfeed.show(timer)
    assert (shown["ActiveState"], shown["Persistent"]) == ("active", "yes")
    assert "pinfeed-replay.timer" in pinfeed.machine.run("systemctl", "list-timers", "pinfeed-replay")
    # The night comes sooner.
    pinfeed.machine.write(f"/run/systemd/system/{timer}.d/test.conf", "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\n"
                          "RandomizedDelaySec=0\nAccuracySec=100ms\n")
    pinfeed.machine.run("systemctl", "daemon-reload")
    pinfeed.machine.run("systemctl", "restart", timer)
    wait_until(lambda: _has(pinfeed, 500), 30, lambda: pinfeed.machine.status("pinfeed-replay"))
    pinfeed.machine.run("systemctl", "disable", "--now", timer)
    pinfeed.machine.wait_for("pinfeed-replay", 20, ActiveState="inactive")
    lines = [e["MESSAGE"] for e in pinfeed.messages(message_ids.STOPPED)]
    assert lines[0].startswith("replay complete: 1,500 rows sent, 3 streams, ")
    assert len(pinfeed.machine.run("journalctl", "-u", "pinfeed-replay", "-g", "replay complete", "-q",
                                   "--output=cat").splitlines()) >= len(lines)
