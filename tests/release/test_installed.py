"""Packages on booted machines: installed, started, upgraded, removed, purged, installed again; and the tarball."""

import re

import pytest
from conftest import ROOT

from rig import wait_until

LEFT = ("/etc/pinfeed/pinfeed.conf", "/etc/pinfeed/mysql-password", "/var/lib/pinfeed")
PARTS = ("usr/bin/pinfeed", "usr/lib/systemd/system/pinfeed.service", "usr/share/man/man8/pinfeed.8.gz",
         "usr/share/bash-completion/completions/pinfeed", "usr/share/zsh/site-functions/_pinfeed",
         "usr/lib/systemd/catalog/pinfeed.catalog")


def _exists(machine, path):
    return machine.try_run("test", "-e", path)[0] == 0


def _dpkg(machine, *arguments):
    return machine.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *arguments, deadline_s=120)


def _records(pinfeed):
    return [pinfeed.kafka.end_offset(topic) for topic in pinfeed.topics]


def _goes_on(pinfeed):
    """Waits until each topic has more records than now."""
    before = _records(pinfeed)
    wait_until(lambda: all(now > then for now, then in zip(_records(pinfeed), before)), 30,
               lambda: "more records:\n" + pinfeed.machine.status("pinfeed"))


def _state(machine, what):
    return machine.try_run("systemctl", what, "pinfeed")[1].strip()


def _leaves_nothing_empty(machine):
    """No directory that is pinfeed's, and none that is empty, where it had files."""
    found = machine.run("find", "/usr/local", "/usr/share/doc", "/usr/share/lintian", "/etc", "-name", "*pinfeed*")
    return found.split() == []


def test_package_lives_through_install_upgrade_removal_and_purge(machine, configured):
    older, newer = "/srv/older.deb", "/srv/pinfeed.deb"
    _dpkg(machine, "-i", older)
    assert machine.run("getent", "passwd", "pinfeed")
    assert all(_exists(machine, f"/{part}") for part in PARTS)
    assert (_state(machine, "is-enabled"), _state(machine, "is-active")) == ("disabled", "inactive")
    assert "librdkafka" in machine.run("pinfeed", "--version")

    pinfeed = configured()
    machine.run("systemctl", "enable", "--now", "pinfeed")
    _goes_on(pinfeed)
    pid, settings = pinfeed.pid, machine.path("/etc/pinfeed/pinfeed.conf").read_text()

    _dpkg(machine, "--force-confold", "-i", newer)
    assert pinfeed.pid != pid and _state(machine, "is-active") == "active"
    assert machine.path("/etc/pinfeed/pinfeed.conf").read_text() == settings
    _goes_on(pinfeed)

    words = _dpkg(machine, "-r", "pinfeed")
    assert _state(machine, "is-active") == "inactive"
    assert not any(_exists(machine, f"/{part}") for part in PARTS)
    assert not _exists(machine, "/etc/systemd/system/multi-user.target.wants/pinfeed.service")
    assert all(_exists(machine, path) for path in LEFT)
    assert all(f"{path} stays" in words for path in ("/etc/pinfeed", "/var/lib/pinfeed"))
    pin, geo, user = pinfeed.keys()
    assert pin == geo == user, "the upgrade, or the removal, lost a post"

    _dpkg(machine, "-i", newer)
    assert machine.path("/etc/pinfeed/pinfeed.conf").read_text() == settings
    machine.run("systemctl", "start", "pinfeed")
    _goes_on(pinfeed)

    _dpkg(machine, "-P", "pinfeed")
    assert _state(machine, "is-active") == "inactive"
    assert not _exists(machine, "/etc/pinfeed") and not _exists(machine, "/var/lib/pinfeed")
    assert _leaves_nothing_empty(machine)


def test_rpms_scripts_run_at_install_upgrade_and_removal(machine, configured):
    """By Debian's rpm, which knows no dependencies here."""
    if not _exists(machine, "/usr/bin/rpm"):
        pytest.skip("there is no rpm")
    machine.run("rpm", "-i", "--nodeps", "/srv/pinfeed.rpm")
    assert machine.run("getent", "passwd", "pinfeed")
    assert (_state(machine, "is-enabled"), _state(machine, "is-active")) == ("disabled", "inactive")

    pinfeed = configured()
    machine.run("systemctl", "enable", "--now", "pinfeed")
    _goes_on(pinfeed)
    pid, settings = pinfeed.pid, machine.path("/etc/pinfeed/pinfeed.conf").read_text()
    machine.run("rpm", "-U", "--nodeps", "--force", "/srv/pinfeed.rpm")
    assert pinfeed.pid != pid and _state(machine, "is-active") == "active"
    assert machine.path("/etc/pinfeed/pinfeed.conf").read_text() == settings
    _goes_on(pinfeed)

    words = machine.run("rpm", "-e", "pinfeed")
    assert _state(machine, "is-active") == "inactive"
    assert not any(_exists(machine, f"/{part}") for part in PARTS)
    assert machine.path("/etc/pinfeed/pinfeed.conf.rpmsave").read_text() == settings
    assert all(f"{path} stays" in words and _exists(machine, path) for path in ("/etc/pinfeed", "/var/lib/pinfeed"))
    pin, geo, user = pinfeed.keys()
    assert pin == geo == user, "the upgrade, or the removal, lost a post"
    machine.run("rm", "-r", "/etc/pinfeed", "/var/lib/pinfeed")


def test_tarball_installs_upgrades_and_undoes_itself(machine, configured):
    before = machine.run("find", "/usr/local", "/etc", "-xdev")
    words = machine.run("/srv/pinfeed/install")
    assert "mysql-password" in words and "pinfeed --check" in words
    pinfeed = configured()
    machine.run("systemctl", "enable", "--now", "pinfeed")
    _goes_on(pinfeed)
    settings = machine.path("/etc/pinfeed/pinfeed.conf").read_text()
    machine.run("/srv/pinfeed/install")
    assert machine.path("/etc/pinfeed/pinfeed.conf").read_text() == settings
    words = machine.run("/srv/pinfeed/install", "--undo")
    assert _state(machine, "is-active") == "inactive"
    assert not _exists(machine, "/usr/local/bin/pinfeed")
    assert all(_exists(machine, path) for path in LEFT)
    assert all(f"{path} stays" in words for path in ("/etc/pinfeed", "/var/lib/pinfeed"))
    machine.run("rm", "-rf", "/etc/pinfeed")
    after = machine.run("find", "/usr/local", "/etc", "-xdev")
    users = {"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/.pwd.lock"}
    assert set(after.splitlines()) - set(before.splitlines()) <= users
    assert set(before.splitlines()) <= set(after.splitlines())


# What only an instance has: /srv/bucket is the bucket, and what the role amounts to.
_FAKES = {
    "aws": 'case "$1 $2" in\n"s3 cp") cp "/srv/bucket/${3##*/}" "$4" ;;\n"ssm get-parameter") cat "/srv/parameters$4" ;;\n*) exit 2\nesac',
    "curl": 'cp /srv/bucket/rds.pem "$2"',
    "dnf": 'test "$1 $2" = "-y install" && test -e "$3" && dpkg -i /srv/pinfeed.deb && cd /srv/bucket &&\n'
           'cp environment ca.pem /etc/pinfeed/ && cp -p aws/credentials /etc/pinfeed/aws/',
}


def test_user_data_of_the_readme_leads_to_the_first_record(machine, configured):
    script = re.search(r"^```\n(#!/bin/bash\n.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    assert len(script.splitlines()) == 10
    machine.write("/srv/user-data", script)
    for name, commands in _FAKES.items():
        machine.write(f"/srv/fakes/{name}", f"#!/bin/sh\n{commands}\n", 0o755)
    run = ["env", "PATH=/srv/fakes:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "bash", "/srv/user-data"]
    machine.run("useradd", "--system", "pinfeed", check=False)
    pinfeed = configured()
    machine.run("mv", "/etc/pinfeed", "/srv/bucket")
    machine.run("touch", "/srv/bucket/rds.pem", "/srv/bucket/pinfeed-VERSION.x86_64.rpm")

    assert machine.try_run(*run)[0] != 0, "it goes on without the password"
    assert _state(machine, "is-active") == "inactive"

    machine.run("install", "-D", "/srv/bucket/mysql-password", "/srv/parameters/pinfeed/mysql-password")
    machine.run(*run)
    modes = machine.run("stat", "-c", "%U %a", "/etc/pinfeed/mysql-password", "/etc/pinfeed/rds.pem")
    assert modes.splitlines() == ["root 600", "root 644"]
    assert _state(machine, "is-enabled") == "enabled"
    _goes_on(pinfeed)
    _dpkg(machine, "-P", "pinfeed")
