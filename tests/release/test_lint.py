"""What the distributions' own checkers say of the packages."""

import shutil
import subprocess

import pytest


@pytest.mark.skipif(not shutil.which("lintian"), reason="lintian is missing: apt-get install lintian")
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_lintian_finds_no_error(artifact, architecture):
    done = subprocess.run(["lintian", "--fail-on=error", artifact(f"pinfeed_{{version}}_{architecture}.deb")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not shutil.which("rpmlint"), reason="rpmlint is missing: apt-get install rpmlint")
def test_rpmlint_finds_no_error_but_the_missing_signature(artifact, arch):
    said = subprocess.run(["rpmlint", artifact(f"pinfeed-{{version}}.{arch}.rpm")], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True).stdout
    assert "1 packages" in said
    assert [line for line in said.splitlines() if " E: " in line and "no-signature" not in line] == []
