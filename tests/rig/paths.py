"""Where things are, and things that are made once and kept."""

import fcntl
import functools
import os
import pathlib
import shutil
import tempfile
from contextlib import contextmanager

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPS = pathlib.Path(os.environ.get("PINFEED_DEPS") or ROOT / ".deps")
CACHE = DEPS / "cache"


def binary():
    """The pinfeed under test."""
    return pathlib.Path(os.environ.get("PINFEED") or ROOT / "build" / "pinfeed")


@functools.cache
def is_instrumented():
    """Whether a sanitizer is built in, which takes memory and time."""
    return binary().exists() and any(start in binary().read_bytes() for start in (b"__asan_init", b"__tsan_init"))


@contextmanager
def _lock(name):
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / (name + ".lock"), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def made_once(name, make):
    """The directory CACHE/name; if it isn't there, `make(path)` fills it first. Half-made ones are never seen."""
    place = CACHE / name
    if place.exists():
        return place
    with _lock(name):
        if not place.exists():
            fresh = pathlib.Path(tempfile.mkdtemp(prefix=name + ".", dir=CACHE))
            try:
                make(fresh)
                fresh.rename(place)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise
    return place


def private_directory(name):
    """A new directory that only we can enter. Short, because sockets live in it. Those of runs that were killed are
    removed by the next run."""
    _remove_what_killed_runs_left()
    return pathlib.Path(tempfile.mkdtemp(prefix=f"pinfeed-{name}-{os.getpid()}-"))


@functools.cache
def _remove_what_killed_runs_left():
    for place in pathlib.Path(tempfile.gettempdir()).glob("pinfeed-*-*-*"):
        pid = place.name.split("-")[2]
        try:
            if pid.isdigit() and not os.path.exists(f"/proc/{pid}") and place.stat().st_uid == os.geteuid():
                shutil.rmtree(place, ignore_errors=True)
        except FileNotFoundError:
            pass                        # somebody else removes it too
