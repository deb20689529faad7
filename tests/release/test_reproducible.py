"""The same sources give the same bytes."""

import os
import shutil
import subprocess

from conftest import DEPS, RELEASE, ROOT, VERSION


def test_a_build_in_another_place_gives_the_same_bytes(tmp_path):
    """From the same libraries. What those are like, built elsewhere, CONTRIBUTING.md's step 4 shows."""
    place = tmp_path / "elsewhere"
    shutil.copytree(ROOT, place, ignore=lambda directory, _: ["build", ".deps", ".git"] if directory == str(ROOT) else [])
    done = subprocess.run([place / "scripts/release/build", VERSION, place / "build", DEPS / "release"], stdin=subprocess.DEVNULL,
                          env={**os.environ, "TZ": "Asia/Kathmandu", "LANG": "C.UTF-8"}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (place / "build/release/SHA256SUMS").read_text() == (RELEASE / "SHA256SUMS").read_text()
