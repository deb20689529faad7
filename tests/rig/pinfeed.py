"""pinfeed itself, run as a user would run it, with a configuration and a state directory of its own."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import time

from . import paths
from .process import Process, RigError, wait_until

# What a sanitizer's or a coverage build needs; nothing else of our own environment reaches pinfeed.
_PASSED_ON = ("PATH", "LANG", "TZ", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS",
              "LD_LIBRARY_PATH")


_LATE = re.compile(r"warning: Kafka can't be reached: .*|Kafka can be reached again after \d+ s")


def new_user_id():
    """A user id that no other test has, so that topics don't clash."""
    return secrets.token_hex(6)


class Pinfeed:
    """One installation: configuration, state directory, environment; it can be run many times.

        pinfeed = Pinfeed(mariadb, kafka, identity=kafka.allow(Identity()))
        assert pinfeed.run("--create-topics").exit_code == 0
        pinfeed.start()
        pinfeed.wait_for("…", 10)
        assert pinfeed.stop() == 0

    settings: {"emulate": {"rate": 5}, "stream extra": {…}} on top of what makes it find the servers.
    identity: None speaks PLAINTEXT. env: added to the environment; None as a value takes a variable away.
    """

    def __init__(self, mariadb=None, kafka=None, identity=None, user_id=None, database=None, settings=None, env=None,
                 iam=None, region="us-east-1"):
        self.directory = paths.private_directory("run")
        self.user_id = user_id or new_user_id()
        self.state_dir = self.directory / "state"
        self.state_dir.mkdir(mode=0o700)
        self.home = self.directory / "home"
        self.home.mkdir()
        self.config_path = self.directory / "pinfeed.conf"
        self.settings = {"pinfeed": {"user_id": self.user_id, "state_dir": self.state_dir, "stats_interval": 1}}
        if mariadb:
            self.settings["mysql"] = {"host": mariadb.host, "port": mariadb.port, "user": mariadb.user,
                                      "password_file": mariadb.password_file,
                                      "database": database or mariadb.database}
        iam = identity is not None if iam is None else iam
        if kafka and iam:
            self.settings["kafka"] = {"bootstrap.servers": kafka.iam_bootstrap, "ssl.ca.location": kafka.ca_file}
        elif kafka:
            self.settings["kafka"] = {"bootstrap.servers": kafka.bootstrap, "security.protocol": "PLAINTEXT"}
        for section, values in (settings or {}).items():
            self.settings.setdefault(section, {}).update(values)
        self.env = {k: os.environ[k] for k in _PASSED_ON if k in os.environ}
        # Unless a test brings its own, there is no instance metadata: never ask the real address.
        self.env.update({"HOME": str(self.home), "AWS_EC2_METADATA_DISABLED": "true"})
        self.env.update(identity.environment(region) if identity else {"AWS_REGION": region} if iam else {})
        self.env.update(env or {})
        self.env = {k: str(v) for k, v in self.env.items() if v is not None}
        self._runs = 0
        self.process = None
        self._all = []

    def topic(self, stream):
        return f"{self.user_id}.{stream}"

    @property
    def group(self):
        return f"pinfeed.{self.user_id}"

    @property
    def topics(self):
        return [self.topic(s) for s in ("pin", "geo", "user")]

    # ---- one run ------------------------------------------------------------------------------------------------

    def write_config(self):
        """None as a value leaves a setting out."""
        lines = []
        for section, values in self.settings.items():
            lines.append(f"[{section}]")
            lines += [f"{name} = {_quoted(value)}" for name, value in values.items() if value is not None]
        self.config_path.touch(mode=0o600)         # it may hold a secret
        self.config_path.write_text("\n".join(lines) + "\n")
        return self.config_path

    def start(self, *options, config=True, pass_fds=()):
        """Starts it; the run before, if there was one, keeps its own output files."""
        program = paths.binary()
        if not program.exists():
            raise RigError(f"{program} is missing; `make` builds it")
        self._runs += 1
        out, err = (self.directory / f"{kind}.{self._runs}" for kind in ("stdout", "stderr"))
        arguments = [f"--config={self.write_config()}"] if config else []
        self.process = Process([program, *arguments, *options], out, err, self.env, self.directory, pass_fds=pass_fds)
        self._all.append(self.process)
        return self

    def run(self, *options, config=True, deadline_s=60):
        """Runs it to its end; look at exit_code, stdout and log then."""
        self.start(*options, config=config)
        self.wait(deadline_s)
        return self

    def run_sooner_than(self, seconds, *options):
        """Runs it to its end, in less than `seconds`: what takes that long by itself does so on any machine, so that once
        sooner is proof. What a busy machine has held up is run again."""
        for _ in range(5):
            since = time.monotonic()
            self.run(*options, deadline_s=seconds + 60)
            if time.monotonic() - since < seconds:
                return self
        raise AssertionError(f"five times it took {seconds} s or longer; it said:\n{self.log}")

    def beside(self, *options, deadline_s=60):
        """Runs another one to its end, while this one may run: a subprocess.CompletedProcess."""
        if not self.process or self.exit_code is not None:
            self.write_config()
        return subprocess.run([paths.binary(), f"--config={self.config_path}", *options], env=self.env, cwd=self.directory,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=deadline_s)

    @property
    def exit_code(self):
        return self.process.exit_code

    @property
    def pid(self):
        return self.process.pid

    @property
    def peak_kb(self):
        """VmHWM of the running process."""
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    def descriptors(self):
        """What its open files are, as /proc names them; one that closes meanwhile is left out."""
        found = []
        with contextlib.suppress(OSError):      # it has ended
            for number in os.listdir(f"/proc/{self.pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    found.append(os.readlink(f"/proc/{self.pid}/fd/{number}"))
        return found

    @property
    def log(self):
        """What it said on stderr in this run."""
        return self.process.output()

    def lines(self):
        """Those of the log, but not that a broker on a busy machine was late before a daemon could begin."""
        said = [line.removeprefix("pinfeed: ") for line in self.log.splitlines()]
        begin = next((i for i, line in enumerate(said) if line.startswith("sends ")), 0)
        return [line for i, line in enumerate(said) if i >= begin or not _LATE.fullmatch(line)]

    @property
    def stdout(self):
        return self.process.stdout_path.read_text(errors="replace")

    def wait(self, deadline_s=60):
        """Waits for its end; returns the exit code. What a sanitizer has reported is a failure whatever was expected."""
        try:
            code = self.process.wait(deadline_s)
        except AssertionError as e:
            raise AssertionError(f"{e}; it said:\n{self.log}") from None
        assert not re.search(r"Sanitizer:|runtime error:", self.log), self.log
        return code

    def wait_for(self, pattern, deadline_s=20):
        """The first match of a regular expression (multi-line) in what it says on stderr."""
        return self.process.wait_for(pattern, deadline_s)

    def stop(self, deadline_s=20):
        """SIGTERM; returns the exit code."""
        self.send_signal(signal.SIGTERM)
        return self.wait(deadline_s)

    def kill(self):
        """kill -9."""
        self.send_signal(signal.SIGKILL)
        return self.wait(10)

    def freeze(self):
        self.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.send_signal(signal.SIGCONT)

    def send_signal(self, number):
        if self.exit_code is None:
            self.process.send_signal(number)

    def expect_exit(self, code, deadline_s=60):
        """Waits for its end and checks the exit code, showing everything it said if it is another."""
        got = self.wait(deadline_s)
        assert got == code, f"exit code {got}, expected {code}; it said:\n{self.log}"
        return self

    def wait_until(self, condition, deadline_s, what):
        """process.wait_until, with the log in the failure; fails early when pinfeed ends."""
        def look():
            value = condition()
            if not value and self.exit_code is not None:
                raise AssertionError(f"pinfeed ended with {self.exit_code} before: {what}; it said:\n{self.log}")
            return value
        return wait_until(look, deadline_s, lambda: f"{what}; pinfeed said:\n{self.log}")

    def close(self):
        """Ends whatever still runs and removes the files."""
        for process in self._all:
            process.end(signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def _quoted(value):
    text = str(value)
    if text != text.strip() or text == "" or any(c in text for c in "#;\""):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
