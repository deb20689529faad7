"""What systemd thinks of the files that `make install` puts in place. No server is needed."""

import re

import pytest

import message_ids

SERVICES = ["pinfeed.service", "pinfeed-replay.service", "pinfeed-follow.service"]
UNITS = [*SERVICES, "pinfeed-replay.timer"]


def test_units_are_understood(machine):
    assert machine.run("systemd-analyze", "verify", "--man=no", *UNITS) == ""


@pytest.mark.parametrize("unit", SERVICES)
def test_units_are_shut_in_as_far_as_a_networked_service_can_be(machine, unit):
    verdict = machine.run("systemd-analyze", "security", unit).splitlines()[-1]
    level = float(re.search(rf"exposure level for {unit}: ([\d.]+)", verdict)[1])
    assert level <= 1.1, verdict


@pytest.mark.parametrize("unit", SERVICES)
def test_units_say_why_they_are_not_shut_in_any_further(machine, unit):
    left = re.findall(r"^✗ (\w+)", machine.run("systemd-analyze", "security", unit), re.M)
    reasons = [line for line in machine.run("systemctl", "cat", unit).splitlines() if line.startswith("#   ")]
    assert left
    assert [name for name in left if not any(name in line.partition(":")[0] for line in reasons)] == []


def test_user_has_no_shell_and_no_privileges(machine):
    user = machine.run("getent", "passwd", "pinfeed").strip().split(":")
    assert 0 < int(user[2]) < 1000
    assert user[5:] == ["/var/lib/pinfeed", "/usr/sbin/nologin"]
    assert machine.run("id", "--groups", "--name", "pinfeed").split() == ["pinfeed"]


def test_each_message_is_explained_by_the_catalog(machine):
    ids = [value for name, value in vars(message_ids).items() if name.isupper()]
    catalog = machine.run("journalctl", "--list-catalog", *ids)
    assert len(ids) >= 14
    assert [line.split()[0] for line in catalog.splitlines()] == ids
