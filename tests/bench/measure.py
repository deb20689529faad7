"""What a run of one or more processes took: of exactly these, and of the database beside them."""

import os
import re
import select
import time
from contextlib import ExitStack
from typing import NamedTuple


class Taken(NamedTuple):
    seconds: float              # from exec to exit
    cpu_s: float
    peak_mib: float             # resident; of several processes the sum
    database_cpu_s: float = 0
    rows: int = 0
    value_bytes: int = 0        # of all rows, as pinfeed encodes them


def cpu_s(pid):
    """CPU seconds of a process, user's and system's, all threads; also of one that has ended and was not reaped."""
    return time.clock_gettime(~pid << 3 | 2)    # the clock that clock_getcpuclockid(3) names


def peak_mib(pid):
    """None for one that has ended."""
    with open(f"/proc/{pid}/status") as status:
        found = re.search(r"VmHWM:\s+(\d+)", status.read())
    return int(found[1]) / 1024 if found else None


def watch(processes, since, deadline_s):
    """Waits for the end of processes (rig.process.Process) that were started at `since`; each has to succeed. The peak
    of the last twentieth of the time, or tenth of a second, may be missed."""
    peaks = {}
    with ExitStack() as stack:
        running = {}
        poll = select.poll()
        for process in processes:
            stack.callback(process.end)         # if something goes wrong
            handle = os.pidfd_open(process.pid)
            stack.callback(os.close, handle)
            poll.register(handle, select.POLLIN)
            running[handle] = process
        while running:
            for process in running.values():
                peaks[process.pid] = peak_mib(process.pid) or peaks.get(process.pid, 0)
            for handle, _ in poll.poll(min(100, 1 + (time.monotonic() - since) * 50)):
                poll.unregister(handle)
                del running[handle]
            if time.monotonic() > since + deadline_s:
                raise AssertionError(f"{processes[0].argv} still runs after {deadline_s} s")
        seconds = time.monotonic() - since
        taken = Taken(seconds, sum(cpu_s(p.pid) for p in processes), sum(peaks.values()))
        for process in processes:
            if process.wait(10) != 0:
                raise AssertionError(f"{process.argv} ended with {process.exit_code}:\n{process.output()}")
        return taken
