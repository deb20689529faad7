"""The portable programs: unit tests by themselves, the rest against the real broker and database, in the words of tests/integration."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import BUILD, DEPS, ROOT, other_root

UNIT_TESTS = sorted(p.stem for p in (ROOT / "tests/unit").glob("test_*.c"))
CHOSEN = {
    "x86_64": ["test_tokens.py", "test_credentials.py", "test_emulate.py", "test_replay.py"],
    # Each instruction takes some twenty: what passes through every room, once.
    "aarch64": ["test_tokens.py", "test_emulate.py::test_each_post_is_one_record_in_each_topic_that_equals_its_row",
                "test_replay.py::test_replay_sends_every_row_once_in_key_order"],
}
# Of QEMU's user mode (7.2): it gives a child no terminal, does not end it by a signal of its own, and starts programs of the
# machine that it runs on; and it is too slow for a watchdog that wants to be fed every 60 ms.
NOT_EMULATED = {
    "a_command_ends_with_its_children_at_the_deadline_or_when_cancelled",
    "a_second_sigint_ends_at_once",
    "progress_is_asked_for_on_a_terminal_and_gone_at_the_end",
    "progress_is_drawn_ten_times_a_second_at_most",
    "progress_stays_below_the_lines_of_a_terminal_within_its_width_and_is_taken_away",
    "the_watchdog_is_fed_while_a_worker_sleeps",
}


@pytest.fixture(scope="session")
def root(arch):
    """Where the libraries of that architecture are."""
    if arch == os.uname().machine:
        return pathlib.Path("/")
    return other_root("arm64", "bookworm", "arm64", "libsystemd0,ca-certificates,libcmocka-dev")


@pytest.fixture(scope="session")
def runner(arch, root):
    """What stands before a program of that architecture."""
    if arch == os.uname().machine:
        return []
    emulator = shutil.which(f"qemu-{arch}-static")
    if not emulator:
        pytest.skip(f"qemu-{arch}-static is missing: apt-get install qemu-user-static")
    return [emulator, "-L", root]


@pytest.fixture(scope="session")
def built(arch, root, tmp_path_factory):
    """The directory with the programs that only tests run, linked with the portable libraries of that architecture."""
    include = tmp_path_factory.mktemp("include")
    shutil.copy("/usr/include/cmocka.h", include)       # the same for each
    done = subprocess.run([ROOT / "scripts/release/make-for", arch, BUILD, DEPS / "release", "programs",
                           f"CMOCKA={root}/usr/lib/{arch}-linux-gnu/libcmocka.so", f"CMOCKA_CFLAGS=-isystem {include}"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    return BUILD / "portable" / arch


def test_version_is_said(runner, unpacked, arch):
    program = unpacked(arch) / "files/usr/local/bin/pinfeed"
    assert subprocess.run([*runner, program, "--version"], check=True, stdout=subprocess.PIPE).stdout.startswith(b"pinfeed ")


@pytest.mark.parametrize("name", UNIT_TESTS)
def test_unit_tests_pass(name, runner, built):
    done = subprocess.run([*runner, built / "unit" / name], cwd=ROOT, env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    results = re.findall(r"^(ok|not ok) \d+ - (\w+)", done.stdout, re.MULTILINE)
    expected = int(re.search(r"^1\.\.(\d+)", done.stdout, re.MULTILINE)[1])
    failed = {case for result, case in results if result == "not ok"}
    assert len(results) == expected and failed <= (NOT_EMULATED if runner else set()), done.stdout


def test_a_hostile_server_ends_nothing(runner, built, tmp_path):
    """Also where Connector/C as others have it is ended."""
    done = subprocess.run([*runner, built / "db/test_hostile"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          env={**os.environ, "PINFEED_TEST_TMP": str(tmp_path), "PINFEED_TEST_PATCHED": "yes"},
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and "SKIPPED" not in done.stdout, done.stdout[-3000:]


def test_integration_tests_pass(arch, runner, unpacked, built, tmp_path):
    programs = {"PINFEED": unpacked(arch) / "files/usr/local/bin/pinfeed", "PINFEED_SIGN": built / "tools/sign"}
    environment = dict(os.environ)
    for name, program in programs.items():
        wrapper = tmp_path / name
        wrapper.write_text(f'#!/bin/sh\nexec {" ".join(map(str, runner))} {program} "$@"\n')
        wrapper.chmod(0o755)
        environment[name] = str(wrapper)
    done = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long and not soak",
                           *(ROOT / "tests/integration" / t for t in CHOSEN[arch])], env=environment, cwd=ROOT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-6000:]
