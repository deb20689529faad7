"""A machine with a kernel of its own, in QEMU: its clock can be set, it sleeps, its memory is limited, its power is cut.

Servers stay on our loopback: what connects to one of the forwarded ports of the machine's loopback reaches the same port of
ours. Commands go through QEMU's guest agent. No port is opened anywhere.
"""

import base64
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import subprocess
import threading
import time

from machine import LAY, Machine
from rig import wait_until
from rig.paths import DEPS, ROOT, private_directory
from rig.process import Process, run

PACKAGES = ("systemd,dbus,iproute2,procps,linux-image-cloud-amd64,qemu-guest-agent,"
            "librdkafka1,libmariadb3,libjansson4,libcurl4,libexpat1")
# A /dev/kvm alone says little: of some nested ones (PVM) kernels of a distribution get stuck.
KVM = os.access("/dev/kvm", os.R_OK | os.W_OK) and re.search(r"\b(vmx|svm)\b", pathlib.Path("/proc/cpuinfo").read_text())

# $1, $2, $3: as in LAY; $4: the disk's file.
_DISK = LAY + r"""
cd "$1/root/etc/systemd"
printf '[Match]\nName=e*\n[Network]\nAddress=10.0.2.15/24\n' >network/10-qemu.network
printf '[Socket]\nListenStream=127.0.0.1:%%i\n[Install]\nWantedBy=machine.target\n' >system/forward@.socket
printf '[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd 10.0.2.2:%%i\n' >system/forward@.service
mkdir system/machine.target.wants system/qemu-guest-agent.service.d
printf '[Service]\nLogLevelMax=notice\n' >system/qemu-guest-agent.service.d/quiet.conf
ln -s /lib/systemd/system/systemd-networkd.service system/machine.target.wants/
mke2fs -q -t ext4 -d "$1/root" "$4" 1G
"""

# What nobody syncs stays in memory, a rename too.
_LAZY = "rootflags=commit=3600,noauto_da_alloc sysctl.vm.dirty_writeback_centisecs=0"


def why_not():
    """Why no such machine can be had here; None if it can."""
    if platform.machine() != "x86_64":
        return "the virtual machine is an x86-64 one"
    if os.geteuid() != 0:
        return "making its disk needs root"
    missing = [p for p in ("qemu-system-x86_64", "mke2fs", "unshare") if not shutil.which(p)]
    if missing:
        return f"{', '.join(missing)} not found; scripts/install-deps installs it"
    made = subprocess.run([ROOT / "scripts/release/root", "machine", "bookworm", "amd64", PACKAGES],
                          stderr=subprocess.PIPE, text=True)
    return made.stderr.strip() if made.returncode else None


class _Channel:
    """A Unix socket of QEMU's on which one JSON object a line asks and another one answers."""

    def __init__(self, path):
        self._path, self._lock, self._socket = path, threading.Lock(), None

    def close(self):
        if self._socket:
            self._socket.close()
        self._socket = None

    def ask(self, command, deadline_s, **arguments):
        """What is returned. OSError: no answer."""
        with self._lock:
            try:
                if not self._socket:
                    self._connect(deadline_s)
                return self._exchange(command, arguments, deadline_s)
            except BaseException:
                self.close()            # an answer that comes yet is nobody's
                raise

    def _connect(self, deadline_s):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(deadline_s)
        self._socket.connect(str(self._path))
        self._lines = self._socket.makefile("rb")

    def _exchange(self, command, arguments, deadline_s):
        self._socket.settimeout(deadline_s)
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            line = self._lines.readline()
            if not line:
                raise ConnectionError("closed")
            answer = json.loads(line)
            if "error" in answer:
                raise AssertionError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]


class _Agent(_Channel):
    def _connect(self, deadline_s):
        """Nobody may be there yet, and what was asked before may be answered now."""
        super()._connect(deadline_s)
        token = time.monotonic_ns()
        self._socket.sendall(b"\xff" + json.dumps({"execute": "guest-sync-delimited", "arguments": {"id": token}}).encode()
                             + b"\n")
        while json.loads(self._lines.readline().rpartition(b"\xff")[2] or b"{}").get("return") != token:
            pass


class _Monitor(_Channel):
    def _connect(self, deadline_s):
        super()._connect(deadline_s)
        self._exchange("qmp_capabilities", {}, deadline_s)


class VirtualMachine(Machine):
    slower = 1 if KVM else 10           # QEMU translates instructions then

    def __init__(self, files):
        super().__init__(files, DEPS / "release/roots/machine")

    # ---- life ---------------------------------------------------------------------------------------------------

    def __enter__(self):
        self._directory = private_directory("machine")
        self._agent, self._monitor = _Agent(self._directory / "agent"), _Monitor(self._directory / "monitor")
        mountpoint = self._directory / "m"
        mountpoint.mkdir()
        run(["unshare", "--mount", "--propagation=private", "sh", "-c", _DISK, "disk", mountpoint, self.files,
             self.root.absolute(), self._directory / "disk"], "making the machine's disk")
        self._process = Process(self._qemu(), self._directory / "qemu.log")
        try:
            self._wait_for_boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _qemu(self):
        kernel, initrd = (next(pathlib.Path(self.root, "boot").glob(name)) for name in ("vmlinuz-*", "initrd.img-*"))
        at = self._directory
        # pc: q35's firmware forgets, when it wakes, how to sleep once more.
        return ["qemu-system-x86_64", "-accel", "kvm" if KVM else "tcg", "-machine", "pc", "-cpu", "max", "-smp", "2",
                "-m", "1G", "-nodefaults", "-no-user-config", "-display", "none", "-serial", f"file:{at}/console",
                "-kernel", kernel, "-initrd", initrd,
                "-append", "root=/dev/vda rw init=/lib/systemd/systemd console=ttyS0 no_console_suspend "
                           f"mitigations=off panic=-1 systemd.unit=machine.target {_LAZY}",
                "-drive", f"file={at}/disk,format=raw,if=virtio", "-device", "virtio-rng-pci",
                "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net", "-device", "virtio-serial-pci",
                "-chardev", f"socket,id=agent,path={at}/agent,server=on,wait=off",
                "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
                "-qmp", f"unix:{at}/monitor,server=on,wait=off"]

    def __exit__(self, *unused):
        self._process.popen.kill()
        self._process.popen.wait()
        self._agent.close()
        self._monitor.close()
        shutil.rmtree(self._directory)

    def _wait_for_boot(self):
        def booted():
            assert self._process.exit_code is None, self._console_text()
            try:
                return self._has_booted()
            except (OSError, ValueError):
                return False
        self.wait_until(booted, 60, self._console_text)

    def _console_text(self):
        return "".join((self._directory / name).read_text(errors="replace") for name in ("qemu.log", "console"))

    def cut_power(self):
        """What was not written to the disk is lost; boots again."""
        self._monitor.ask("system_reset", 10)
        self._agent.close()
        self._wait_for_boot()

    def suspend(self):
        """To memory; returns when it sleeps, until wake_up()."""
        self._agent.ask("guest-exec", 10, path="/bin/sh", arg=["-c", "sync; echo mem >/sys/power/state"])
        self.wait_until(lambda: self._monitor.ask("query-status", 10)["status"] == "suspended", 20, self._console_text)

    def wake_up(self):
        self._monitor.ask("system_wakeup", 10)
        self._agent.close()
        self._wait_for_boot()

    def forward(self, *ports):
        """From the machine's loopback to ours, after a reboot too."""
        self.run("systemctl", "enable", "--now", *(f"forward@{port}.socket" for port in ports))
        self.run("sync")

    # ---- what one does on it --------------------------------------------------------------------------------------

    def _execute(self, argv, deadline_s, **arguments):
        deadline_s *= self.slower
        pid = self._agent.ask("guest-exec", deadline_s, path="/usr/bin/env", arg=[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "SYSTEMD_COLORS=0",
            "SYSTEMD_PAGER=", "sh", "-c", 'exec "$@" 2>&1', "sh", *map(str, argv)], **{"capture-output": True}, **arguments)["pid"]

        def ended():
            status = self._agent.ask("guest-exec-status", deadline_s, pid=pid)
            return status if status["exited"] else None
        status = wait_until(ended, deadline_s, f"{argv} has ended", 0.02 * self.slower)
        return status.get("exitcode", -status.get("signal", 0)), base64.b64decode(status.get("out-data", "")).decode(
            errors="replace")

    def try_run(self, *argv, deadline_s=60):
        return self._execute(argv, deadline_s)

    def write(self, inside, text, mode=0o644, group=None):
        code, output = self._execute(
            ["sh", "-c", 'install -D -m "$2" -g "$3" /dev/stdin "$1" && sync "$1"', "sh", inside, f"{mode:o}", group or "root"], 60,
            **{"input-data": base64.b64encode(text.encode()).decode()})
        assert code == 0, output

