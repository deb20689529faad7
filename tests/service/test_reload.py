"""systemctl reload, under a real systemd: what it applies, and how the service gets a new password."""

import secrets

import pytest

import message_ids
from rig import wait_until


def _reload(pinfeed, unit="pinfeed"):
    """Returns what pinfeed said about it."""
    before = len(pinfeed.messages(message_ids.RELOADED))
    pinfeed.machine.run("systemctl", "reload", unit)
    return wait_until(lambda: pinfeed.messages(message_ids.RELOADED)[before:], 20, "RELOADED")[0]["MESSAGE"]


def _sends(pinfeed):
    """Waits until more posts arrive."""
    before = [pinfeed.kafka.end_offset(topic) for topic in pinfeed.topics]
    wait_until(lambda: all(pinfeed.kafka.end_offset(t) > b + 10 for t, b in zip(pinfeed.topics, before)), 30,
               lambda: "more posts:\n" + pinfeed.machine.status("pinfeed"))


@pytest.fixture
def rotating(pinfeed, mariadb):
    """A user of its own, whose password the test changes: rotating(new password)."""
    name = "r_" + secrets.token_hex(4)
    mariadb.execute(f"CREATE USER '{name}'@'%'", f"GRANT SELECT ON {mariadb.database}.* TO '{name}'@'%'")

    def rotate(password):
        mariadb.execute(f"ALTER USER '{name}'@'%' IDENTIFIED BY '{password}'")
    rotate("old")
    pinfeed.configure(mysql={"user": name})
    pinfeed.write_password("old\n")
    rotate.break_connections = lambda: mariadb.kill_connections(name)
    yield rotate
    mariadb.execute(f"DROP USER '{name}'@'%'")


def test_reload_applies_another_rate_and_the_service_stays_active(pinfeed):
    pinfeed.start()
    pid = pinfeed.pid
    pinfeed.configure(emulate={"rate": 100})
    assert "applied emulate.rate;" in _reload(pinfeed)
    pinfeed.machine.wait_for("pinfeed", 10, ActiveState="active", SubState="running", MainPID=pid)
    wait_until(lambda: "Sends 100 posts a second" in pinfeed.show()["StatusText"], 10, "the status")


def test_reload_with_a_mistake_leaves_the_service_as_it_was(pinfeed):
    pinfeed.start()
    pinfeed.configure(emulate={"rate": "fast"})
    assert "the settings stay as they were" in _reload(pinfeed)
    pinfeed.machine.wait_for("pinfeed", 10, ActiveState="active", SubState="running")
    _sends(pinfeed)


# "": the service's own way; else the line of the sample, uncommented.
@pytest.mark.parametrize("line", ["", "/etc/pinfeed/mysql-password"])
def test_reload_hands_a_new_password_over(pinfeed, rotating, line):
    pinfeed.configure(mysql={"password_file": line})
    pinfeed.start()
    _sends(pinfeed)
    for password in ("new", "newer"):
        pinfeed.write_password(password + "\n")
        rotating(password)
        assert "nothing has changed" in _reload(pinfeed)
        rotating.break_connections()
        _sends(pinfeed)
    handed = "/run/pinfeed/pinfeed/mysql-password"
    assert pinfeed.machine.run("stat", "--format=%U %G %a", handed).strip() == "root pinfeed 640"
    pinfeed.machine.run("systemctl", "stop", "pinfeed")
    assert pinfeed.machine.try_run("test", "-e", handed)[0] != 0
    rotating("newest")
    pinfeed.write_password("newest\n")
    pinfeed.start()
    _sends(pinfeed)
    assert "newest" not in str(pinfeed.journal())


def test_reload_of_a_replay_applies_another_rate(pinfeed):
    pinfeed.configure(replay={"rate": 1})
    pinfeed.start("pinfeed-replay")
    pinfeed.configure(replay={"rate": 100000})
    assert "applied replay.rate;" in _reload(pinfeed, "pinfeed-replay")
    pinfeed.machine.wait_for("pinfeed-replay", 30, ActiveState="inactive", Result="success")
    pin, geo, user = pinfeed.keys()
    assert pin == geo == user and len(pin) == pinfeed.ROWS
