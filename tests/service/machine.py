"""A machine with a systemd of its own: this one's files under an overlay, booted by systemd-nspawn.

Nothing stays behind: the mounts live in a mount namespace and the processes in a pid namespace of their own, which end
with the process that holds them, which ends with us.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from rig.process import die_with_parent, reset_signals, wait_until

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000

# $1: an empty directory; $2: files to lay over those of $3. The machine's root is $1/root then.
LAY = r"""
set -e
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$3,upperdir=$1/upper,workdir=$1/work" "$1/root"
cp -a "$2"/* "$1/root/"
mkdir -p "$1/root/var/log/journal"
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n' >"$1/root/etc/systemd/system/machine.target"
"""
# The network is the holder's: a reboot makes no other.
_BOOT = LAY + r"""
ip link set lo up
while :; do
        code=0
        systemd-nspawn --quiet --directory="$1/root" --keep-unit --register=no --link-journal=no --resolv-conf=off \
                --console=pipe --boot systemd.unit=machine.target || code=$?
        [ $code = 133 ] || exit $code   # it reboots
done
"""


def why_not():
    """Why no machine can be booted here; None if it can."""
    if os.geteuid() != 0:
        return "booting systemd needs root"
    missing = [p for p in ("systemd-nspawn", "nsenter", "unshare", "dbus-daemon", "ip", "tc") if not shutil.which(p)]
    return f"{', '.join(missing)} not found; scripts/install-deps installs it" if missing else None


def _set_network(fd):
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Machine:
    """What one does on any; how it boots, runs a command (try_run) and takes a file (write) is its kind's.
    `files`: a directory whose contents are laid over the root before the boot (what `make install` made).
    `root`: this machine's, or that of another system."""
    slower = 1                          # than others: deadlines are that much longer

    def __init__(self, files, root="/"):
        self.files, self.root = files, root

    def after_install(self):
        """What the README tells to do after `make install`."""
        self.run("systemd-sysusers")
        self.run("journalctl", "--update-catalog")
        self.run("systemctl", "daemon-reload")

    def _has_booted(self):
        return self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded")

    def run(self, *argv, check=True, deadline_s=60):
        """Runs a command as root; returns its output (stdout and stderr) and fails, showing it, if its exit code isn't 0."""
        code, output = self.try_run(*argv, deadline_s=deadline_s)
        assert not check or code == 0, f"{' '.join(map(str, argv))}: exit code {code}: {output}"
        return output

    @contextlib.contextmanager
    def dropping(self, *ports):
        """Inside, what servers on these ports answer vanishes on its way, as behind a firewall."""
        # The rules of the local addresses come first by default.
        self.run("sh", "-c", "ip rule show | grep -q ^10: || { ip rule add pref 10 lookup local; ip rule del pref 0; }")
        rules = [("pref", "5", "ipproto", "tcp", "sport", str(port), "blackhole") for port in ports]
        try:
            for rule in rules:
                self.run("ip", "rule", "add", *rule)
            yield
        finally:
            for rule in rules:
                self.run("ip", "rule", "del", *rule, check=False)

    @contextlib.contextmanager
    def slow(self, rate="300kbit"):
        """Inside, the loopback carries no more than that."""
        self.run("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", rate, "burst", "64kb", "latency", "2s")
        try:
            yield
        finally:
            self.run("tc", "qdisc", "del", "dev", "lo", "root")

    # ---- units and the journal ------------------------------------------------------------------------------------

    def wait_until(self, condition, deadline_s, what):
        """rig's, with a deadline that comes later where the machine is slower."""
        return wait_until(condition, deadline_s * self.slower, what)

    def show(self, unit):
        """systemd's properties of a unit."""
        return dict(line.split("=", 1) for line in self.run("systemctl", "show", unit).splitlines() if "=" in line)

    def wait_for(self, unit, deadline_s, **properties):
        """Waits until the unit has these properties: wait_for("x.service", 10, ActiveState="active")."""
        def look():
            shown = self.show(unit)
            return shown if all(shown.get(k) == str(v) for k, v in properties.items()) else None
        return self.wait_until(look, deadline_s, lambda: f"{unit} {properties}:\n" + self.status(unit))

    def status(self, unit):
        return self.run("systemctl", "status", "--full", "--lines=50", unit, check=False)

    def cursor(self):
        """Where the journal ends now; journal() reads from there on."""
        self.run("journalctl", "--sync")
        lines = self.run("journalctl", "--lines=0", "--show-cursor", check=False).splitlines()
        return lines[-1].removeprefix("-- cursor: ") if lines and lines[-1].startswith("-- cursor: ") else None

    def journal(self, *matches, since=None):
        """Entries as dicts, oldest first."""
        self.run("journalctl", "--sync")
        after = [f"--after-cursor={since}"] if since else []
        output = self.run("journalctl", "--output=json", "--all", "--quiet", *after, *matches, check=False)
        return [json.loads(line) for line in output.splitlines()]


class Nspawn(Machine):
    # ---- life ---------------------------------------------------------------------------------------------------

    def __enter__(self):
        self._lock = open("/run/pinfeed-check-service.lock", "w")       # its cgroups have fixed names
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._remove_cgroups()          # of one that was killed
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="pinfeed-machine-"))
        self._console = open(self._directory.with_suffix(".console"), "w+")
        mountpoint = self._directory / "m"
        mountpoint.mkdir()
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation=private", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
             "sh", "-c", _BOOT, "boot", mountpoint, self.files, self.root],
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=subprocess.STDOUT,
            # A new systemd boots with the unified cgroups alone; ours takes what the kernel has mounted.
            env=dict(os.environ, **({} if self.root == "/" else {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})),
            preexec_fn=lambda parent=os.getpid(): die_with_parent(parent))
        try:
            self._leader = wait_until(self._find_leader, 20, self._console_text)
            wait_until(self._has_booted, 60, self._console_text)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        self._holder.kill()
        self._holder.wait()
        self._console.close()
        os.unlink(self._console.name)
        shutil.rmtree(self._directory)
        self._remove_cgroups()
        self._lock.close()

    def reboot(self):
        """As `systemctl reboot` does it; returns when it has booted."""
        before = self._leader
        self.try_run("systemctl", "reboot")
        wait_until(lambda: not os.path.exists(f"/proc/{before}"), 60, self._console_text)
        self._leader = wait_until(self._find_leader, 20, self._console_text)
        wait_until(self._has_booted, 60, self._console_text)

    def _find_leader(self):
        """The child of systemd-nspawn, the child of our shell: it is pid 1 inside."""
        if self._holder.poll() is not None:
            raise AssertionError("systemd-nspawn ended: " + self._console_text())
        with contextlib.suppress(OSError):              # what came before it has just ended
            for shell in _children(self._holder.pid):
                for nspawn in _children(shell):
                    for leader in _children(nspawn):
                        if os.readlink(f"/proc/{leader}/exe").endswith("/systemd"):
                            return leader
        return None

    def _console_text(self):
        return pathlib.Path(self._console.name).read_text(errors="replace")

    def _remove_cgroups(self):
        def remove():
            left = [p for name in ("payload", "supervisor") for p in pathlib.Path("/sys/fs/cgroup").glob(f"*/{name}")]
            for top in left:
                for directory, _, _ in os.walk(top, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(directory)
            return not left
        with contextlib.suppress(AssertionError):
            wait_until(remove, 5, "cgroups are empty")

    # ---- what one does on it --------------------------------------------------------------------------------------

    def popen(self, *argv, **kwargs):
        return subprocess.Popen(
            ["nsenter", f"--target={self._leader}", "--all", "--", "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:"
             "/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", *map(str, argv)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            preexec_fn=reset_signals, **kwargs)

    def try_run(self, *argv, deadline_s=60):
        """The same; returns the exit code and the output."""
        process = self.popen(*argv)
        try:
            output, _ = process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            raise AssertionError(f"{argv} still runs after {deadline_s} s: {output}") from None
        return process.returncode, output

    def path(self, inside):
        """Where a file of the machine can be reached from here."""
        return pathlib.Path(f"/proc/{self._leader}/root") / str(inside).lstrip("/")

    def write(self, inside, text, mode=0o644, group=None):
        """Writes a file as root; `group`: a group of the machine that owns it."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        if group:
            self.run("chgrp", group, inside)

    @contextlib.contextmanager
    def network(self):
        """Inside, this thread, and the processes and threads that it starts, use the machine's loopback."""
        with open("/proc/thread-self/ns/net") as ours, open(f"/proc/{self._leader}/ns/net") as theirs:
            _set_network(theirs.fileno())
            try:
                yield
            finally:
                _set_network(ours.fileno())


def booted(kind, reason, request):
    """What a fixture yields from: such a machine with what `make install` made, as the README has it. For a reason it skips,
    but in CI, where that is a failure."""
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with kind(request.getfixturevalue("installed")) as machine:
        machine.after_install()
        yield machine
