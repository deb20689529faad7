"""dnf itself, on a root whose only repository has packages of Amazon Linux 2023's and RHEL 9's names, which are empty."""

import os
import platform
import shutil
import subprocess

import pytest
from conftest import DEPS, ROOT, VERSION
from test_rpm import AMAZON, write_packages

pytestmark = pytest.mark.skipif(not (shutil.which("dnf") and shutil.which("createrepo_c")),
                                reason="dnf is missing: apt-get install dnf createrepo-c rpm")

# What stands behind each name that pkg-config knows.
DEVELOPMENT = {
    "gcc": [], "gcc-c++": [], "make": [], "tar": [], "gzip": [], "pkgconf-pkg-config": [], "mariadb-connector-c-devel": [],
    "jansson-devel": ["pkgconfig(jansson) = 2.14"], "systemd-devel": ["pkgconfig(libsystemd) = 252"],
    "openssl-devel": ["pkgconfig(libcrypto) = 3.0.8", "pkgconfig(libssl) = 3.0.8"], "libcurl-devel": ["pkgconfig(libcurl) = 8.0.1"],
    "expat-devel": ["pkgconfig(expat) = 2.5.0"], "zlib-devel": ["pkgconfig(zlib) = 1.2.11"], "libzstd-devel": ["pkgconfig(libzstd) = 1.5.5"],
}
FOR_LIBRDKAFKA = {"gcc-c++", "tar", "gzip", "zlib-devel", "libzstd-devel"}


@pytest.fixture
def fedora(tmp_path):
    """fedora(arch, {package: (version, what it provides)}): (a dnf for a root with that repository, the names that are installed there)."""
    def make(arch, packages):
        repository, root, dnf = tmp_path / "repository", tmp_path / "root", tmp_path / "bin/dnf"
        write_packages(tmp_path, repository, arch, packages)
        subprocess.run(["createrepo_c", "--quiet", repository], check=True)
        dnf.parent.mkdir()
        (tmp_path / "dnf.conf").write_text(f"""[main]
reposdir={tmp_path}/none
cachedir={tmp_path}/cache
logdir={tmp_path}/log
persistdir={tmp_path}/persist
tsflags=noscripts
plugins=0
[al]
name=al
baseurl=file://{repository}
gpgcheck=0
""")
        dnf.write_text(f"#!/bin/sh\nexec {shutil.which('dnf')} --config={tmp_path}/dnf.conf --installroot={root} --releasever=2023 "
                       f'--forcearch={arch} "$@"\n')
        dnf.chmod(0o755)

        def installed():
            return set(subprocess.run(["rpm", "--root", root, "-qa", "--qf", "%{name}\n"], check=True, stdout=subprocess.PIPE,
                                      text=True).stdout.split())
        return dnf, installed
    return make


def test_dnf_installs_the_rpm_with_what_it_needs(fedora, arch, artifact):
    dnf, installed = fedora(arch, AMAZON)
    package = artifact(f"pinfeed-{{version}}.{arch}.rpm")
    done = subprocess.run([dnf, "-y", "install", package], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert installed() >= {"pinfeed", "glibc", "libgcc", "systemd-libs", "ca-certificates"}
    assert f"pinfeed-{VERSION}" in done.stdout
    subprocess.run([dnf, "-y", "-q", "remove", "pinfeed"], check=True)
    assert "pinfeed" not in installed()


@pytest.fixture
def install_deps(tmp_path, fedora):
    """install_deps({package: …}): scripts/install-deps-dnf --build where nothing is installed yet; its words, what is there then."""
    def run(packages):
        dnf, installed = fedora(platform.machine(), {name: ("1", provides) for name, provides in packages.items()})
        deps = tmp_path / "deps"
        deps.mkdir()
        # Which is the release's own tarball.
        shutil.copy(DEPS / "release/librdkafka_2.8.0.orig.tar.gz", deps / "librdkafka-2.8.0.tar.gz")
        environment = {**os.environ, "PATH": f"{dnf.parent}:{os.environ['PATH']}", "PINFEED_DEPS": str(deps),
                       "PKG_CONFIG_LIBDIR": str(tmp_path / "none")}
        done = subprocess.run([ROOT / "scripts/install-deps-dnf", "--build"], env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        return done.stdout, installed(), deps
    return run


def test_builds_librdkafka_where_there_is_no_package_of_it(install_deps, tmp_path):
    """As on Amazon Linux 2023, and on RHEL 9, whose own is too old; `make` then finds it, without being told where."""
    words, installed, deps = install_deps({**DEVELOPMENT, "librdkafka-devel": ["pkgconfig(rdkafka) = 1.6.1"]})
    assert installed == set(DEVELOPMENT)
    assert "building librdkafka-2.8.0" in words
    assert sorted(p.name for p in deps.iterdir()) == ["librdkafka", "librdkafka-2.8.0.tar.gz"]
    program = tmp_path / "build/pinfeed"
    subprocess.run(["make", "-C", ROOT, "-j2", f"BUILD={program.parent}", program], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "PINFEED_DEPS": str(deps)})
    said = subprocess.run([program, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "librdkafka 2.8.0" in said
    needed = subprocess.run(["readelf", "--dynamic", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "librdkafka" not in needed


def test_installs_librdkafka_where_there_is_a_package_of_it(install_deps):
    words, installed, deps = install_deps({**DEVELOPMENT, "librdkafka-devel": ["pkgconfig(rdkafka) = 2.3.0"]})
    assert installed == set(DEVELOPMENT) - FOR_LIBRDKAFKA | {"librdkafka-devel"}
    assert "building" not in words
