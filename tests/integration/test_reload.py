"""SIGHUP reads the settings again: what may change while pinfeed runs does, what may not is named, and a mistake changes
nothing. No record is lost by it."""

import os
import re
import signal

import pytest

from rig import sent
from rig.replay import NUMBERS

pytestmark = pytest.mark.promise("Nothing is lost")


def reload(pinfeed, says, /, **changes):
    """Writes changed settings, {"emulate": {"rate": 5}}, and reloads; returns the line about it."""
    for section, values in changes.items():
        pinfeed.settings.setdefault(section, {}).update(values)
    pinfeed.write_config()
    before = len(pinfeed.log)
    pinfeed.send_signal(signal.SIGHUP)
    return pinfeed.wait_until(lambda: re.search(rf"^pinfeed: .*settings.*{says}.*$", pinfeed.log[before:], re.M), 10, says)[0]


def end_well(kafka, pinfeed):
    """Stops it; the three topics have the same posts."""
    assert pinfeed.stop() == 0
    sent.posts(sent.records(kafka, pinfeed))


def test_another_rate_holds_at_once_even_in_the_middle_of_a_long_pause(emulate, sample, kafka):
    pinfeed = emulate(sample, rate=0.001).start()           # a post in half an hour or so
    pinfeed.wait_for("sends 0.001 posts a second", 20)
    assert "applied emulate.rate;" in reload(pinfeed, "applied", emulate={"rate": 500})
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topics[2]) >= 500, 20, "500 posts")
    assert "applied emulate.rate;" in reload(pinfeed, "applied", emulate={"rate": 0.001})
    end_well(kafka, pinfeed)


def test_reports_come_in_another_interval_and_at_another_log_level(emulate, sample, kafka):
    pinfeed = emulate(sample, rate=50, settings={"pinfeed": {"stats_interval": 3600, "log_level": "warning"}}).start()
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topics[2]) > 0, 20, "posts")
    line = reload(pinfeed, "applied", pinfeed={"stats_interval": 1, "log_level": "info"})
    assert "applied pinfeed.stats_interval, pinfeed.log_level;" in line
    pinfeed.wait_for("pinfeed: posts .*(.|\n)*pinfeed: posts ", 20)
    assert pinfeed.stop() == 0


def test_what_needs_a_restart_is_named_and_stays_as_it_is(emulate, sample, kafka):
    pinfeed = emulate(sample, rate=50).start()
    pinfeed.wait_for("sends 50 posts a second", 20)
    line = reload(pinfeed, "nothing applied", kafka={"linger.ms": 7}, mysql={"host": "db.nowhere.invalid"})
    assert "nothing applied; only a restart applies mysql.host, kafka.linger.ms; " in line
    before = kafka.end_offset(pinfeed.topics[2])
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topics[2]) > before, 20, "more posts")
    assert "only a restart applies mysql.host" in reload(pinfeed, "applied emulate.rate", emulate={"rate": 60})
    end_well(kafka, pinfeed)


def test_a_mistake_leaves_the_old_settings_in_force_and_says_so_in_one_line(emulate, sample, kafka):
    pinfeed = emulate(sample, rate=50).start()
    pinfeed.wait_for("sends 50 posts a second", 20)
    line = reload(pinfeed, "wrong", emulate={"rate": "fast"}, kafka={"linger.millis": 5})
    assert "the settings stay as they were" in line and "rate must be a number" in line and "(and 1 more)" in line
    before = kafka.end_offset(pinfeed.topics[2])
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topics[2]) > before + 20, 20, "more posts")
    assert pinfeed.log.count("settings") == 1, pinfeed.log
    del pinfeed.settings["kafka"]["linger.millis"]
    assert "applied emulate.rate" in reload(pinfeed, "applied", emulate={"rate": 100})
    end_well(kafka, pinfeed)


def test_another_password_file_is_used_for_the_next_login(emulate, mariadb, sample, kafka):
    pinfeed = emulate(sample, rate=50)
    first, second = (pinfeed.directory / name for name in ("first", "second"))
    for file in (first, second):
        file.touch(mode=0o600)
        file.write_text(mariadb.password)
    pinfeed.settings["mysql"]["password_file"] = first
    pinfeed.start()
    pinfeed.wait_for("sends 50 posts a second", 20)
    assert "applied mysql.password_file" in reload(pinfeed, "applied", mysql={"password_file": second})
    first.unlink()
    mariadb.kill_connections()
    before = kafka.end_offset(pinfeed.topics[2])
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topics[2]) > before + 20, 20, "posts over a new connection")
    end_well(kafka, pinfeed)


def test_settings_that_came_through_a_pipe_stay_as_they_were(emulate, sample):
    pinfeed = emulate(sample, rate=50)
    text = pinfeed.write_config().read_bytes()
    read_end, write_end = os.pipe()
    os.write(write_end, text)
    os.close(write_end)
    pinfeed.start(f"--config=/dev/fd/{read_end}", config=False, pass_fds=(read_end,))
    os.close(read_end)
    pinfeed.wait_for("sends 50 posts a second", 20)
    pinfeed.send_signal(signal.SIGHUP)
    pinfeed.wait_for("stay as they were.* is no file that can be read again", 10)
    assert pinfeed.stop() == 0


def test_a_replay_takes_another_rate_and_sends_each_row_once(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(3000), replay={"rate": 0.001})
    pinfeed = table.pinfeed.start("--replay", "--streams=t")
    pinfeed.wait_until(lambda: table.kafka.end_offset(table.topic) > 0, 20, "the first rows")
    assert "applied replay.rate;" in reload(pinfeed, "applied", replay={"rate": None})
    pinfeed.expect_exit(0)
    table.assert_exact()
