"""Fixtures: what `make release` made, and machines to install it on."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/service"))

from installation import Installation  # noqa: E402
from machine import Nspawn, why_not  # noqa: E402
from rig import Identity, Kafka, MariaDB  # noqa: E402

VERSION = re.search(r"^VERSION *:= *(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
BUILD = pathlib.Path(os.environ.get("PINFEED_BUILD", ROOT / "build")).absolute()
RELEASE = BUILD / "release"
DEPS = pathlib.Path(os.environ.get("PINFEED_DEPS", ROOT / ".deps")).absolute()
ARCHES = ("x86_64", "aarch64")
# Where there is nothing of Amazon's to be had: what names what lies where on it.
SYSTEMS = ("here", "sid")


def other_root(name, suite, architecture, packages):
    """A small Debian of another suite or architecture."""
    made = subprocess.run([ROOT / "scripts/release/root", name, suite, architecture, packages], stderr=subprocess.PIPE, text=True)
    if made.returncode == 77:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stderr
    return DEPS / "release/roots" / name


@pytest.fixture(scope="session")
def artifact():
    """artifact("pinfeed_{version}_amd64.deb"): its path."""
    def find(name):
        path = RELEASE / name.format(version=VERSION)
        if not path.exists():
            pytest.fail(f"{path} is missing: make release")
        return path
    return find


@pytest.fixture(scope="session", params=ARCHES)
def arch(request):
    return request.param


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory, artifact):
    """unpacked("x86_64"): the directory that the tarball holds."""
    def unpack(arch):
        directory = tmp_path_factory.mktemp(arch)
        subprocess.run(["tar", "-C", directory, "-xf", artifact(f"pinfeed-{{version}}-linux-{arch}.tar.gz")], check=True)
        return directory / f"pinfeed-{VERSION}-linux-{arch}"
    return unpack


@pytest.fixture(scope="module", params=SYSTEMS)
def machine(request, tmp_path_factory, artifact, unpacked):
    """A booted machine without pinfeed; packages and the unpacked tarball lie in /srv."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    root = "/" if request.param == "here" else other_root("sid", "sid", "amd64", "systemd-sysv,dbus,ca-certificates,iproute2")
    srv = tmp_path_factory.mktemp("files") / "srv"
    srv.mkdir()
    package = artifact("pinfeed_{version}_amd64.deb")
    (srv / "pinfeed.deb").write_bytes(package.read_bytes())
    (srv / "pinfeed.rpm").write_bytes(artifact("pinfeed-{version}.x86_64.rpm").read_bytes())
    subprocess.run(["cp", "-a", unpacked("x86_64"), srv / "pinfeed"], check=True)
    make_older(package, srv, tmp_path_factory.mktemp("older"))
    with Nspawn(srv.parent, root) as booted:
        yield booted


def make_older(package, srv, directory):
    """The same package as an older version, whose sample of the settings has other words."""
    subprocess.run(["dpkg-deb", "-R", package, directory / "d"], check=True)
    control = directory / "d/DEBIAN/control"
    control.write_text(control.read_text().replace(f"Version: {VERSION}", "Version: 0.0.1"))
    with open(directory / "d/etc/pinfeed/pinfeed.conf", "a") as sample:
        sample.write("# of an older version\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", directory / "d", srv / "older.deb"], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def servers(machine):
    """MariaDB and Kafka, of this machine's, on the booted one's loopback."""
    with machine.network(), MariaDB() as mariadb, Kafka(session_ms=30000) as kafka:
        mariadb.execute(*Installation.TABLES)
        yield mariadb, kafka


@pytest.fixture
def configured(machine, servers):
    """configured(): pinfeed, installed before, is given settings that work, and topics; it isn't started."""
    mariadb, kafka = servers
    return lambda: Installation(machine, mariadb, kafka, kafka.allow(Identity())).__enter__()
