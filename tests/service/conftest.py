"""Fixtures: the machine, with pinfeed installed as `make install` does it."""

import pathlib
import subprocess

import pytest

from machine import Machine, why_not

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """What `make install` puts where, below a directory."""
    directory = tmp_path_factory.mktemp("installed")
    subprocess.run(["make", "--no-print-directory", "-C", ROOT, "install", f"DESTDIR={directory}"], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return directory


@pytest.fixture(scope="session")
def machine(installed):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Machine(installed) as booted:
        # What the README tells to do after `make install`.
        booted.run("systemd-sysusers")
        booted.run("journalctl", "--update-catalog")
        booted.run("systemctl", "daemon-reload")
        yield booted
