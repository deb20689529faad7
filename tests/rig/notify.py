"""The other end of sd_notify: what a service manager would hear."""

import shutil
import socket
import threading
import time
from typing import NamedTuple

from . import paths
from .process import wait_until


class Said(NamedTuple):
    at: float                   # time.monotonic()
    name: str                   # READY, STATUS, STOPPING, WATCHDOG, ...
    value: str


class Notify:
    """Listens from its making on. Give `environment()` to the service."""

    def __init__(self):
        self.directory = paths.private_directory("notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.directory / "s"))
        self._socket.settimeout(0.2)
        self._open = True
        self.all = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def environment(self, watchdog_s=None):
        env = {"NOTIFY_SOCKET": str(self.directory / "s")}
        if watchdog_s:
            env["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        return env

    def _listen(self):
        while self._open:
            try:
                message = self._socket.recv(65536).decode(errors="replace")
            except TimeoutError:
                continue
            now = time.monotonic()
            self.all += [Said(now, *line.split("=", 1)) for line in message.splitlines() if "=" in line]

    def values(self, name):
        return [s.value for s in list(self.all) if s.name == name]

    def status(self):
        """What `systemctl status` would show now."""
        return (self.values("STATUS") or [""])[-1]

    def wait_for(self, name, deadline_s):
        """The first message of that name."""
        return wait_until(lambda: [s for s in list(self.all) if s.name == name], deadline_s, f"{name} was sent")[0]

    def close(self):
        self._open = False
        self._thread.join()
        self._socket.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
