"""The portable programs against the real broker and database, in the words of tests/integration."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, other_root

CHOSEN = {
    "x86_64": ["test_tokens.py", "test_credentials.py", "test_emulate.py", "test_replay.py"],
    # Each instruction takes some twenty: what passes through every room, once.
    "aarch64": ["test_tokens.py", "test_emulate.py::test_each_post_is_one_record_in_each_topic_that_equals_its_row",
                "test_replay.py::test_replay_sends_every_row_once_in_key_order"],
}


@pytest.fixture
def runner(arch):
    """What stands before a program of that architecture."""
    if arch == os.uname().machine:
        return ""
    emulator = shutil.which(f"qemu-{arch}-static")
    if not emulator:
        pytest.skip(f"qemu-{arch}-static is missing: apt-get install qemu-user-static")
    return f"{emulator} -L {other_root('arm64', 'bookworm', 'arm64', 'libsystemd0,ca-certificates')}"


def test_integration_tests_pass(arch, runner, unpacked, tmp_path):
    programs = {"PINFEED": unpacked(arch) / "files/usr/local/bin/pinfeed",
                "PINFEED_SIGN": pathlib.Path(os.environ.get("PINFEED_BUILD", ROOT / "build")) / f"portable/{arch}/tools/sign"}
    environment = dict(os.environ)
    for name, program in programs.items():
        wrapper = tmp_path / name
        wrapper.write_text(f'#!/bin/sh\nexec {runner} {program} "$@"\n')
        wrapper.chmod(0o755)
        environment[name] = str(wrapper)
    done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long and not soak",
                           *(ROOT / "tests/integration" / t for t in CHOSEN[arch])], env=environment, cwd=ROOT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-6000:]
