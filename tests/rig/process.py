"""Processes that die with us, and waiting for conditions instead of sleeping."""

import ctypes
import os
import random
import re
import signal
import socket
import subprocess
import time

from . import paths

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

# Below the range from which the kernel takes ports of outgoing connections: a server that restarts finds its own
# port free.
_PORTS = range(15000, 32000)


class RigError(Exception):
    """A part of the rig did not do what it should; never a fault of what is tested."""


def free_port():
    """A port on 127.0.0.1 that nobody listens on now."""
    for port in random.SystemRandom().sample(_PORTS, 200):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise RigError("no free port found")


def is_over(since, deadline_s):
    """Whether a deadline, begun at `since` (time.monotonic()), is over. It comes later on a machine that has more to do than
    our own tests, and for an instrumented program: a deadline is only there so that a test ends."""
    busy = os.getloadavg()[0] / (2 * os.cpu_count())
    return time.monotonic() - since > deadline_s * max(1, busy) * (3 if paths.is_instrumented() else 1)


def wait_until(condition, deadline_s, what, poll_s=0.02):
    """Returns condition()'s first true value; after deadline_s raises AssertionError with `what` (a string, or a
    function that makes one)."""
    since = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        if is_over(since, deadline_s):
            raise AssertionError(f"after {deadline_s} s still not: {what() if callable(what) else what}")
        time.sleep(poll_s)


def reset_signals():
    """A caller may ignore or block signals (nohup, a job in the background, CI runners); what is tested must not inherit
    that. For a child, between fork and exec."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def die_with_parent(parent):
    """For a child, between fork and exec; `parent`: the process that started it."""
    # The kernel kills the child when the thread that started it ends: start processes from threads that last.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(127)
    reset_signals()


class Process:
    """One process with its output in files. Signals go to its pid, never to a name."""

    def __init__(self, argv, stdout, stderr=None, env=None, cwd=None, stdin=subprocess.DEVNULL, pass_fds=()):
        self.argv = [str(a) for a in argv]
        self.stdout_path = stdout
        self.stderr_path = stderr or stdout
        parent = os.getpid()
        with open(stdout, "ab") as out, open(self.stderr_path, "ab") as err:
            self.popen = subprocess.Popen(self.argv, stdin=stdin, stdout=out, stderr=err, env=env, cwd=cwd,
                                          pass_fds=pass_fds, preexec_fn=lambda: die_with_parent(parent))
        self.pid = self.popen.pid

    @property
    def exit_code(self):
        """None while it runs; negative: the signal that ended it."""
        return self.popen.poll()

    def send_signal(self, number):
        self.popen.send_signal(number)

    def wait(self, deadline_s):
        """The exit code."""
        since, slice_s = time.monotonic(), deadline_s
        while True:
            try:
                return self.popen.wait(slice_s)
            except subprocess.TimeoutExpired:
                if is_over(since, deadline_s):
                    raise AssertionError(f"{self.argv[0]} (pid {self.pid}) still runs after {deadline_s} s") from None
                slice_s = 1

    def end(self, number=signal.SIGTERM, deadline_s=20):
        """Asks it to end, and kills it if it doesn't. Returns the exit code; harmless when it has ended."""
        if self.exit_code is None:
            self.send_signal(number)
            self.send_signal(signal.SIGCONT)
            try:
                self.popen.wait(deadline_s)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.exit_code

    def output(self):
        with open(self.stderr_path, errors="replace") as f:
            return f.read()

    def wait_for(self, pattern, deadline_s, start=0):
        """The first match of the regular expression in stderr from character `start` on; fails early, with
        everything that was said, when the process ends without it."""
        compiled = re.compile(pattern, re.MULTILINE)

        def look():
            ended = self.exit_code is not None
            match = compiled.search(self.output(), start)
            if not match and ended:
                raise AssertionError(f"{self.argv[0]} ended with {self.exit_code} and never said /{pattern}/:\n"
                                     + self.output())
            return match
        return wait_until(look, deadline_s, lambda: f"/{pattern}/ in the output of {self.argv[0]}:\n{self.output()}")


def run(argv, what, **kwargs):
    """Runs a helper to its end; its output is shown only if it fails."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **kwargs)
    if done.returncode:
        raise RigError(f"{what} failed ({done.returncode}): {' '.join(map(str, argv))}\n{done.stdout}")
    return done.stdout


class Server:
    """A server process: what MariaDB and Kafka have in common. Subclasses define _launch(), which returns when the
    server answers."""

    name = "server"

    def __init__(self):
        self.process = None

    @property
    def running(self):
        return self.process is not None and self.process.exit_code is None

    def start(self):
        if not self.running:
            self._launch()
        return self

    def stop(self):
        """Ends it as an administrator would."""
        if self.process:
            self.process.end()

    def kill(self):
        """kill -9."""
        if self.running:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def restart(self):
        """Ends it and starts it again with the same data on the same ports."""
        self.stop()
        return self.start()

    def recover(self):
        """Running and thawed again, whatever a test did to it."""
        if self.running:
            self.thaw()
        self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.close()

    def close(self):
        """Ends it and removes its files."""
        raise NotImplementedError
