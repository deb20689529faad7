"""Ctrl-C ends any wait at once, whatever is waited for: long before the wait itself would end (4 to 30 s), or a stop's own
limit (12 s)."""

import contextlib
import os
import signal
import socket
import subprocess

import pytest

from rig import paths, wait_until
from rig.process import Process

AT_ONCE_S = 5                   # a second, and what a busy machine adds

MYSQL = ["", "--replay", "--replay --dry-run", "--follow", "--check"]
KAFKA = [*MYSQL, "--create-topics", "--status"]
AWS = [*KAFKA, "--token"]


@contextlib.contextmanager
def silent():
    """A server that takes connections and says nothing: its port, and a function that waits for the first one."""
    with socket.create_server(("127.0.0.1", 0)) as hole, contextlib.ExitStack() as held:
        hole.settimeout(20)
        yield hole.getsockname()[1], lambda: held.enter_context(hole.accept()[0])


@contextlib.contextmanager
def silent_dns(directory):
    """A name server that does not answer: what has a program ask it, and a function that waits for a question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for last in range(2, 255):
            with contextlib.suppress(OSError):
                s.bind((f"127.7.53.{last}", 53))
                break
        s.settimeout(20)
        (directory / "resolv.conf").write_text(f"nameserver {s.getsockname()[0]}\noptions timeout:30 attempts:5\n")
        yield ["unshare", "-m", "sh", "-c", f'mount --bind {directory}/resolv.conf /etc/resolv.conf && exec "$@"', "sh"], \
            lambda: s.recv(512)


def stop(pinfeed, job, waits, prefix=()):
    """Starts it, waits until it waits, presses Ctrl-C."""
    process = Process([*prefix, paths.binary(), f"--config={pinfeed.write_config()}", *job.split()], pinfeed.directory / "out",
                      pinfeed.directory / "err", pinfeed.env, pinfeed.directory)
    try:
        waits()
        process.send_signal(signal.SIGINT)
        daemon = job in ("", "--follow")
        assert process.wait(AT_ONCE_S) == (0 if daemon else 128 + signal.SIGINT), process.output()
    finally:
        process.end(signal.SIGKILL)


@pytest.fixture
def ready(loaded):
    return loaded(10)


@pytest.mark.parametrize("job", MYSQL)
def test_ctrl_c_ends_the_wait_for_a_database_that_is_silent(ready, job):
    with silent() as (port, waits):
        ready.settings["mysql"]["port"] = port
        stop(ready, job, waits)


@pytest.mark.parametrize("job", KAFKA)
def test_ctrl_c_ends_the_wait_for_a_broker_that_is_silent(ready, job):
    with silent() as (port, waits):
        ready.settings["kafka"]["bootstrap.servers"] = f"127.0.0.1:{port}"
        stop(ready, job, waits)


def own_resolver():
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not own_resolver(), reason="only root can give a program a name server of its own")
@pytest.mark.parametrize(("section", "name", "job"),
                         [("mysql", "host", job) for job in MYSQL] + [("kafka", "bootstrap.servers", job) for job in KAFKA])
def test_ctrl_c_ends_the_wait_for_a_name_server_that_is_silent(ready, section, name, job):
    with silent_dns(ready.directory) as (prefix, waits):
        ready.settings[section][name] = "nowhere.example.org" + (":9092" if section == "kafka" else "")
        stop(ready, job, waits, prefix)


@pytest.mark.parametrize("job", AWS)
def test_ctrl_c_ends_the_wait_for_instance_metadata_that_are_silent(mariadb, kafka, pinfeeds, sample, job):
    pinfeed = pinfeeds(mariadb, kafka, database=sample, iam=True)
    with silent() as (port, waits):
        del pinfeed.env["AWS_EC2_METADATA_DISABLED"]
        pinfeed.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = f"http://127.0.0.1:{port}"
        stop(pinfeed, job, waits)


@pytest.mark.parametrize("job", AWS)
def test_ctrl_c_ends_the_wait_for_a_credential_process_that_hangs(mariadb, kafka, pinfeeds, sample, job):
    pinfeed = pinfeeds(mariadb, kafka, database=sample, iam=True)
    began = pinfeed.directory / "began"
    command = pinfeed.directory / "credentials"
    command.write_text(f"#!/bin/sh\ntouch {began}\nexec sleep 300\n")
    command.chmod(0o755)
    (pinfeed.directory / "aws").write_text(f"[profile slow]\ncredential_process = {command}\n")
    pinfeed.env.update(AWS_CONFIG_FILE=str(pinfeed.directory / "aws"), AWS_PROFILE="slow")
    stop(pinfeed, job, lambda: wait_until(began.exists, 20, "the command runs"))
