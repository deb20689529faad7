"""How far the transactions of a pinfeed are, and ending it at one step: tests/tools/steps.c, loaded into it."""

import hashlib
import struct
from typing import NamedTuple

import pytest

from . import paths
from .process import run

_SOURCE = paths.ROOT / "tests" / "tools" / "steps.c"
CALLS = ("init", "begin", "produce", "offsets", "commit", "abort", "committed")
PHASES = ("idle", "open", "offsets sent", "committing")
_HEAD = struct.Struct("<II")
_SLOT = struct.Struct(f"<96sI{len(CALLS)}I")


class Slot(NamedTuple):
    """One worker's producer."""
    name: str               # the transactional id
    phase: str
    calls: dict             # how many returned without an error


def _compile(directory):
    run(["cc", "-shared", "-fPIC", "-O2", "-D_GNU_SOURCE", "-o", directory / "steps.so", _SOURCE, "-ldl"],
        "compiling tests/tools/steps.c")


class Steps:
    """One file of steps; its environment makes a pinfeed write into it."""

    def __init__(self, path):
        self.path = path

    def environment(self, do=""):
        """do: see tests/tools/steps.c."""
        if b"librdkafka.so" not in paths.binary().read_bytes():
            pytest.skip("librdkafka is linked in: nothing can come between it and pinfeed")
        library = paths.made_once(f"steps-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]}", _compile) / "steps.so"
        self.path.unlink(missing_ok=True)
        return {"LD_PRELOAD": library, "STEPS_FILE": self.path, "STEPS_DO": do,
                # A sanitizer's library wants to be the first one.
                "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def read(self):
        """What every worker has done; after the process's end too."""
        if not self.path.exists():
            return []
        data = self.path.read_bytes()
        if len(data) < _HEAD.size:
            return []                   # just made
        used = _HEAD.unpack_from(data)[0]
        slots = []
        for i in range(used):
            name, phase, *calls = _SLOT.unpack_from(data, _HEAD.size + i * _SLOT.size)
            slots.append(Slot(name.rstrip(b"\0").decode(), PHASES[phase], dict(zip(CALLS, calls))))
        return slots

    def calls(self, call):
        """How often it returned without an error, in all workers."""
        return sum(slot.calls[call] for slot in self.read())
