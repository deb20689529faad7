"""What root types runs as the user whose state directory it is: root's files stay root's."""

import os
import re
import socket
import subprocess

import pytest

from rig import paths
from rig.replay import create_topics, load_posts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

SERVICE = 65534
STRANGER = 65533


def give_state(pinfeed):
    """As on an installed machine: the state directory is the service's user's, and nothing else is."""
    pinfeed.directory.chmod(0o711)
    os.chown(pinfeed.state_dir, SERVICE, SERVICE)
    return pinfeed


@pytest.fixture
def posts(mariadb, kafka, pinfeeds, database):
    load_posts(mariadb, database, 30)
    pinfeed = give_state(pinfeeds(mariadb, kafka, database=database, settings={"emulate": {"rate": 50, "posts": 5}}))
    create_topics(kafka, pinfeed)
    return pinfeed


def test_typed_by_root_it_leaves_nothing_that_the_service_cannot_write(posts):
    posts.run("--replay").expect_exit(0)
    posts.run().expect_exit(0)
    left = [*posts.state_dir.iterdir()]
    assert {path.suffix for path in left} == {".cursor", ".lock"}
    for path in left:
        assert (path.stat().st_uid, path.stat().st_gid) == (SERVICE, SERVICE), path


@pytest.mark.parametrize("job", ["--replay", None])
def test_typed_by_root_it_gives_nothing_of_roots_away(posts, job):
    options = [job, "--restart", "--streams=pin"] if job else []
    posts.run(*options).expect_exit(0)
    victim = posts.directory / "roots"
    victim.write_text("root's own")
    victim.chmod(0o600)
    for path in [*posts.state_dir.iterdir()]:
        for name in (path, path.with_name(path.name + ".new")):
            for plant in (lambda: name.symlink_to(victim), lambda: os.link(victim, name), lambda: os.mkfifo(name)):
                name.unlink(missing_ok=True)
                plant()
                posts.run(*options)
                assert victim.read_text() == "root's own"
                assert victim.stat().st_uid == 0 and victim.stat().st_mode & 0o777 == 0o600
            name.unlink(missing_ok=True)


@pytest.mark.parametrize("job", ["--replay", "--check", None])
def test_typed_by_root_it_is_not_root_any_more_when_it_connects(pinfeeds, job):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        port = server.getsockname()[1]
        pinfeed = give_state(pinfeeds(settings={
            "mysql": {"host": "127.0.0.1", "port": port, "user": "root"},
            "kafka": {"bootstrap.servers": f"127.0.0.1:{port}", "security.protocol": "PLAINTEXT"}}))
        pinfeed.start(*[job] if job else [])
        with server.accept()[0], open(f"/proc/{pinfeed.pid}/status") as f:
            status = f.read()
        for what in ("Uid", "Gid"):
            assert re.search(rf"^{what}:(\t{SERVICE}){{4}}$", status, re.M), status
        assert re.search(r"^CapPrm:\t0+$", status, re.M), status


def test_root_does_not_go_where_somebody_elses_link_leads(posts):
    posts.state_dir.rename(posts.directory / "elsewhere")
    posts.state_dir.symlink_to("elsewhere")
    os.chown(posts.directory / "elsewhere", 0, 0)
    os.lchown(posts.state_dir, SERVICE, SERVICE)
    for job in ("--replay", "--check"):
        posts.run(job).expect_exit(78)
        assert f"belongs to user 0, but user {SERVICE} owns a part of the way" in posts.log
    assert not [*posts.state_dir.iterdir()]


@pytest.fixture
def stranger(posts):
    """Runs pinfeed as a user who has neither root's nor the service's rights; `readable`: but for the password's file."""
    def run(*options, readable=True):
        posts.write_config().chmod(0o644)
        password = posts.directory / "password"
        password.write_bytes(posts.settings["mysql"]["password_file"].read_bytes())
        password.chmod(0o600)
        os.chown(password, STRANGER if readable else 0, 0)
        return subprocess.run([paths.binary(), f"--config={posts.config_path}", f"--set=mysql.password_file={password}", *options],
                              env=posts.env, user=STRANGER, group=STRANGER, extra_groups=[], capture_output=True, text=True,
                              timeout=60, check=False)
    return run


@pytest.mark.parametrize("job, what", [
    ([], "can't write .*emulate-.*lock"), (["--replay"], "can't read .*cursor"),
    (["--replay", "--set=replay.exactly_once=no"], "can't write .*cursor.lock"), (["--check"], "state can't be written"),
], ids=["emulate", "replay", "replay at least once", "check"])
def test_who_may_not_use_the_state_directory_is_told_to_type_sudo(stranger, job, what):
    done = stranger(*job)
    assert done.returncode == 78
    assert re.search(what + ".*: Permission denied.* Type sudo in front of pinfeed", done.stdout + done.stderr), done


def test_who_may_not_read_the_password_is_told_to_type_sudo(stranger):
    done = stranger("--check", readable=False)
    assert re.search("can't read the MySQL password from .*: Permission denied. Type sudo in front of pinfeed", done.stdout), done
