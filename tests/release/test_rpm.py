"""The .rpm, in an empty root where nothing is but what Amazon Linux 2023 provides by name."""

import platform
import shutil
import subprocess

import pytest
from conftest import VERSION

pytestmark = pytest.mark.skipif(not shutil.which("rpmbuild"), reason="rpm and rpmbuild are missing: apt-get install rpm")

# Packages of Amazon Linux 2023 in the versions with which it began.
AMAZON = {"glibc": ("2.34", []), "libgcc": ("11.3.1", ["libgcc_s.so.1()(64bit)"]), "systemd-libs": ("252.4", []),
          "systemd": ("252.4", []), "ca-certificates": ("2023.2.60", []), "bash": ("5.2.15", ["/bin/sh"])}


def _rpm(root, *arguments):
    done = subprocess.run(["rpm", "--root", root, "--define", "_pkgverify_level none", *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def write_packages(work, directory, arch, packages):
    """{name: (version, what it provides)}: empty packages."""
    specs = work / "specs"
    specs.mkdir()
    directory.mkdir()
    for name, (version, provides) in packages.items():
        (specs / f"{name}.spec").write_text(f"Name: {name}\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: x\n" +
                                            "".join(f"Provides: {p}\n" for p in provides) + "%description\nx\n%files\n")
    subprocess.run(["rpmbuild", "--quiet", "-bb", f"--target={arch}", f"--define=_rpmdir {directory}", f"--define=_topdir {work}/top",
                    *sorted(specs.iterdir())], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def root(tmp_path, arch):
    """A root that has packages with Amazon's names and versions, which are empty."""
    packages, root = tmp_path / "rpms", tmp_path / "root"
    root.mkdir()
    write_packages(tmp_path, packages, arch, AMAZON)
    code, words = _rpm(root, "-i", "--ignorearch", *packages.rglob("*.rpm"))
    assert code == 0, words
    return root


def test_installs_where_amazon_linux_2023s_packages_are(root, arch, artifact):
    package = artifact(f"pinfeed-{{version}}.{arch}.rpm")
    foreign = ["--ignorearch"] if arch != platform.machine() else []
    code, words = _rpm(root, "-i", "--noscripts", *foreign, package)
    assert code == 0, words
    assert _rpm(root, "-V", "--nodeps", "pinfeed")[0] == 0
    assert _rpm(root, "-q", "pinfeed")[1].startswith(f"pinfeed-{VERSION}-")
    assert (root / "usr/bin/pinfeed").stat().st_mode & 0o777 == 0o755
    assert _rpm(root, "-q", "--configfiles", "pinfeed")[1].split() == ["/etc/pinfeed/pinfeed.conf"]

    (root / "etc/pinfeed/pinfeed.conf").write_text("[pinfeed]\nuser_id = mine\n")
    assert _rpm(root, "-e", "--noscripts", "pinfeed")[0] == 0
    assert (root / "etc/pinfeed/pinfeed.conf.rpmsave").read_text() == "[pinfeed]\nuser_id = mine\n"
    left = {str(p.relative_to(root)) for p in root.rglob("*pinfeed*")}
    assert left == {"etc/pinfeed", "etc/pinfeed/pinfeed.conf.rpmsave"}


@pytest.mark.parametrize("missing", ["glibc", "libgcc", "systemd-libs"])
def test_does_not_install_without_what_it_needs(root, arch, artifact, missing):
    assert _rpm(root, "-e", "--nodeps", missing)[0] == 0
    code, words = _rpm(root, "-i", "--noscripts", "--ignorearch", artifact(f"pinfeed-{{version}}.{arch}.rpm"))
    assert code != 0 and missing in words


def test_owns_no_directory_of_the_systems(arch, artifact):
    listed = subprocess.run(["rpm", "-qplv", artifact(f"pinfeed-{{version}}.{arch}.rpm")], check=True, stdout=subprocess.PIPE,
                            text=True).stdout
    directories = [line.split()[-1] for line in listed.splitlines() if line.startswith("d")]
    assert directories and all("/pinfeed" in d for d in directories)
