"""`make install` puts everything where it belongs and leaves alone what somebody edited."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from rig import paths

ROOT = pathlib.Path(__file__).resolve().parents[2]

INSTALLED = {
    "usr/local/bin/pinfeed": 0o755,
    "usr/local/share/man/man8/pinfeed.8": 0o644,
    "usr/local/share/man/man5/pinfeed.conf.5": 0o644,
    "usr/local/share/doc/pinfeed/pinfeed.conf.sample": 0o644,
    "usr/local/share/bash-completion/completions/pinfeed": 0o644,
    "usr/local/share/zsh/site-functions/_pinfeed": 0o644,
    "usr/local/lib/systemd/system/pinfeed.service": 0o644,
    "usr/local/lib/systemd/system/pinfeed-replay.service": 0o644,
    "usr/local/lib/systemd/system/pinfeed-replay.timer": 0o644,
    "usr/local/lib/systemd/system/pinfeed-follow.service": 0o644,
    "usr/local/lib/sysusers.d/pinfeed.conf": 0o644,
    "usr/local/lib/systemd/catalog/pinfeed.catalog": 0o644,
    "etc/pinfeed/pinfeed.conf": 0o644,
}


@pytest.fixture(scope="module", autouse=True)
def own_build(tmp_path_factory):
    """A copy of what was built: another prefix builds anew, and others use what is there meanwhile."""
    place = tmp_path_factory.mktemp("own") / "build"
    shutil.copytree(paths.binary().resolve().parent, place,
                    ignore=shutil.ignore_patterns("asan", "tsan", "fuzz", "newest", "logs", "unit", "db"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUILD", str(place))
        yield


def make(*arguments):
    """Never with an empty DESTDIR: that would touch the machine's own systemd."""
    assert any(a.startswith("DESTDIR=") and a != "DESTDIR=" for a in arguments)
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    answer = subprocess.run(
        ["make", "-C", ROOT, *arguments], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def files_below(root):
    return {str(p.relative_to(root)): p.stat().st_mode & 0o777 for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def destdir(tmp_path):
    old = os.umask(0o077)  # a careful root's: what is installed must be readable all the same
    yield tmp_path
    os.umask(old)


def test_everything_is_where_it_belongs(destdir):
    words = make("install", f"DESTDIR={destdir}")
    files = files_below(destdir)
    examples = {f for f in files if f.startswith("usr/local/share/doc/pinfeed/") and f.count("/") > 5}
    assert {f: files[f] for f in files.keys() - examples} == INSTALLED
    assert len(examples) == len([p for d in ("iam", "msk-connect", "airflow") for p in (ROOT / "etc" / d).glob("*.*")])
    assert (destdir / "etc/pinfeed").stat().st_mode & 0o777 == 0o755
    for wanted in ("/etc/pinfeed/pinfeed.conf", "/etc/pinfeed/mysql-password", "0600", "pinfeed --check"):
        assert wanted in words
    assert not (destdir / "etc/pinfeed/mysql-password").exists()


def test_an_edited_configuration_is_never_overwritten(destdir):
    make("install", f"DESTDIR={destdir}")
    configuration = destdir / "etc/pinfeed/pinfeed.conf"
    sample = destdir / "usr/local/share/doc/pinfeed/pinfeed.conf.sample"
    assert configuration.read_text() == sample.read_text()
    configuration.write_text("[pinfeed]\nuser_id = mine\n")
    configuration.chmod(0o640)
    sample.write_text("old")
    make("install", f"DESTDIR={destdir}")
    assert configuration.read_text() == "[pinfeed]\nuser_id = mine\n"
    assert configuration.stat().st_mode & 0o777 == 0o640
    assert "bootstrap.servers" in sample.read_text()

    make("uninstall", f"DESTDIR={destdir}")
    assert files_below(destdir) == {"etc/pinfeed/pinfeed.conf": 0o640}


def test_uninstall_leaves_nothing_that_was_not_edited(destdir):
    make("install", f"DESTDIR={destdir}")
    make("uninstall", f"DESTDIR={destdir}")
    assert list(destdir.iterdir()) == [], "empty directories are left"


def test_uninstall_leaves_directories_that_somebody_else_uses(destdir):
    make("install", f"DESTDIR={destdir}")
    others = [destdir / "usr/local/bin/other", destdir / "etc/pinfeed/mysql-password"]
    for path in others:
        path.write_text("x")
    words = make("uninstall", f"DESTDIR={destdir}")
    assert {destdir / f for f in files_below(destdir)} == set(others)
    assert f"{destdir}/etc/pinfeed stays" in words


def test_prefix_and_sysconfdir_are_honoured(destdir):
    make("install", f"DESTDIR={destdir}", "prefix=/opt/p", "sysconfdir=/opt/etc")
    assert all(f.startswith(("opt/p/", "opt/etc/pinfeed/")) for f in files_below(destdir))
    unit = (destdir / "opt/p/lib/systemd/system/pinfeed.service").read_text()
    assert "ExecStart=/opt/p/bin/pinfeed --config=/opt/etc/pinfeed/pinfeed.conf" in unit
    assert "@" not in unit.replace("@system-service", "").replace("@privileged", "").replace("@resources", "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is missing: install systemd")
def test_systemd_finds_no_fault_with_the_units(destdir):
    # The units name the program by its real path, so that systemd can look at it.
    make("install", "DESTDIR=/", f"prefix={destdir}/usr", f"sysconfdir={destdir}/etc")
    units = sorted((destdir / "usr/lib/systemd/system").glob("pinfeed*"))
    assert len(units) == 4
    answer = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False
    )
    faults = [line for line in answer.stderr.splitlines() if "pinfeed" in line]
    assert not faults, faults
    assert answer.returncode == 0, answer.stderr


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is missing")
@pytest.mark.parametrize(
    ("page", "generated"),
    [("man8/pinfeed.8", ".It Fl Fl create-topics\n"), ("man5/pinfeed.conf.5", ".It Ic stats_interval\n")],
)
def test_the_manual_has_no_fault_and_nothing_left_to_fill_in(destdir, page, generated):
    make("install", f"DESTDIR={destdir}")
    path = destdir / "usr/local/share/man" / page
    answer = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 0, answer.stdout
    text = path.read_text()
    assert generated in text
    assert not re.search("@[A-Z]+@", text)


@pytest.mark.skipif(not shutil.which("journalctl"), reason="journalctl is missing: install systemd")
def test_the_catalog_compiles(destdir):
    make("install", f"DESTDIR={destdir}", "catalogdir=/usr/lib/systemd/catalog")
    answer = subprocess.run(
        ["journalctl", f"--root={destdir}", "--update-catalog"], capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert (destdir / "var/lib/systemd/catalog/database").exists()


def test_the_installed_program_reads_the_installed_configuration(destdir):
    """As installed, everything is commented out: it says what to fill in first, with exit status 78."""
    make("install", f"DESTDIR={destdir}")
    answer = subprocess.run(
        [destdir / "usr/local/bin/pinfeed", f"--config={destdir}/etc/pinfeed/pinfeed.conf", "--check"],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert answer.returncode == 78
    assert "user_id" in answer.stderr


def test_the_time_that_a_stop_takes_is_the_same_everywhere():
    limits = (ROOT / "include/pinfeed/limits.h").read_text()
    stop_s, deliver_s = (int(re.search(rf"{name} = (\d+),", limits)[1]) // 1000 for name in ("LIMIT_STOP_MS", "LIMIT_STOP_DELIVER_MS"))
    for path, said in (("README.md", f"A stop takes {stop_s} s at most.*{deliver_s} s to deliver"),
                       ("systemd/service.in", f"A stop takes {stop_s} s at most: {deliver_s} s to deliver"),
                       ("etc/pinfeed.8.in", f"delivered for {deliver_s} seconds.* a stop takes {stop_s} seconds at most")):
        assert re.search(said, (ROOT / path).read_text(), re.DOTALL), path
    timeout_s = int(re.search(r"TimeoutStopSec=(\d+)s", (ROOT / "systemd/service.in").read_text())[1])
    assert timeout_s > stop_s
