"""A private MariaDB server."""

import os
import secrets
import shutil
import signal
import subprocess
from contextlib import closing, contextmanager

import pymysql

from . import paths
from .certificates import make_certificates
from .process import Process, RigError, Server, free_port, run, wait_until


def _find(program):
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise RigError(f"{program} not found; scripts/install-deps installs it")
    return found


def _install(directory):
    run([_find("mariadb-install-db"), "--no-defaults", f"--datadir={directory}", "--skip-test-db",
         "--auth-root-authentication-method=normal", *_as_root()], "creating a MariaDB data directory")


def _as_root():
    return ["--user=root"] if os.geteuid() == 0 else []


def _text(s):
    return "'" + s.replace("\\", "\\\\").replace("'", "\\'") + "'"


class MariaDB(Server):
    """Database pinterest_data and the user `pinfeed`, who may only SELECT. `tls`: with a certificate from `ca_file`."""

    name = "MariaDB"
    host = "127.0.0.1"
    user = "pinfeed"
    database = "pinterest_data"
    _asked_by = user

    def __init__(self, tls=False, options=()):
        super().__init__()
        self.directory = paths.private_directory("db")
        self.datadir = self.directory / "data"
        self.socket = self.directory / "s"
        self.log = self.directory / "log"
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        self.password_file = self.directory / "password"
        self.password_file.write_text(self.password + "\n")
        self.password_file.chmod(0o600)
        self.options = list(options)
        if tls:
            certificates = make_certificates(self.directory)
            self.ca_file = certificates.ca
            self.options += [f"--ssl-ca={certificates.ca}", f"--ssl-cert={certificates.certificate}",
                             f"--ssl-key={certificates.key}"]

    def _launch(self):
        if not self.datadir.exists():
            shutil.copytree(paths.made_once("mariadb-template", _install), self.datadir)
            self._write_init_file()
        self.socket.unlink(missing_ok=True)
        self.process = Process(
            [_find("mariadbd"), "--no-defaults", *_as_root(), f"--datadir={self.datadir}", f"--socket={self.socket}",
             f"--bind-address={self.host}", f"--port={self.port}", f"--pid-file={self.directory}/pid",
             # A server that starts removes temporary tables from its tmpdir, also those of others.
             f"--tmpdir={self.directory}",
             f"--init-file={self.directory}/init.sql", "--character-set-server=utf8mb4",
             "--collation-server=utf8mb4_general_ci", "--skip-name-resolve", "--skip-log-bin",
             "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=64M", "--innodb-flush-log-at-trx-commit=2",
             "--max-allowed-packet=64M", "--max-connections=200", "--performance-schema=OFF", *self.options], self.log)
        wait_until(self._answers, 60, lambda: "MariaDB answers:\n" + self.process.output())

    def _write_init_file(self):
        who = f"'{self.user}'@'%'"
        (self.directory / "init.sql").write_text("\n".join([
            f"CREATE DATABASE IF NOT EXISTS {self.database};",
            "DROP USER IF EXISTS 'root'@'127.0.0.1', 'root'@'::1', ''@'localhost';",
            f"CREATE USER IF NOT EXISTS {who} IDENTIFIED BY {_text(self.password)};",
            f"GRANT SELECT ON {self.database}.* TO {who};", ""]))

    def _answers(self):
        if self.process.exit_code is not None:
            raise RigError(f"{self.name} ended with {self.process.exit_code}:\n{self.process.output()}")
        try:
            with self.connect(database=None, user=self._asked_by) as connection:
                connection.ping()
            return True
        except pymysql.err.MySQLError:
            return False

    def connect(self, database="pinterest_data", user="root", **kwargs):
        """A PyMySQL connection that closes itself at the end of a `with`. root comes through the socket, anybody else
        over TCP as pinfeed does."""
        way = ({"unix_socket": str(self.socket)} if user == "root"
               else {"host": self.host, "port": self.port, "password": self.password})
        # PyMySQL reads all certificates of the machine before it connects, even through a socket, unless it is told not to.
        return closing(pymysql.connect(user=user, database=database, charset="utf8mb4", connect_timeout=5,
                                        autocommit=True, ssl_disabled="ssl" not in kwargs, **way, **kwargs))

    def execute(self, *statements, database="pinterest_data"):
        """Runs statements as root; returns the last one's rows."""
        with self.connect(database=database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def load(self, chunks, database="pinterest_data"):
        """Runs an SQL script (an iterable of strings, such as sample posts) through the command line client."""
        client = subprocess.Popen([_find("mariadb"), "--no-defaults", f"--socket={self.socket}", "--user=root",
                                   "--default-character-set=utf8mb4", "--max-allowed-packet=64M", database],
                                  stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            for chunk in chunks:
                client.stdin.write(chunk.encode() if isinstance(chunk, str) else chunk)
        except BrokenPipeError:
            pass
        _, complaint = client.communicate()
        if client.returncode:
            raise RigError("loading SQL failed: " + complaint.decode(errors="replace"))

    @contextmanager
    def overheard(self, user="pinfeed"):
        """A function that lists what the account has asked since."""
        def log(on):
            self.execute(f"SET GLOBAL log_output = 'TABLE', GLOBAL general_log = {on}")

        self.execute("TRUNCATE mysql.general_log")
        log(1)
        try:
            yield lambda: [str(text) for (text,) in self.execute(
                f"SELECT argument FROM mysql.general_log WHERE user_host LIKE '{user}[%'")]
        finally:
            log(0)

    def create_database(self, name=None):
        """A database of its own for one test; pinfeed may SELECT in it. Returns its name."""
        name = name or "t_" + secrets.token_hex(6)
        self.execute(f"CREATE DATABASE `{name}`", f"GRANT SELECT ON `{name}`.* TO '{self.user}'@'%'", database=None)
        return name

    def drop_database(self, name):
        self.execute(f"DROP DATABASE IF EXISTS `{name}`", database=None)

    def kill_connections(self, user="pinfeed"):
        """Ends every connection of a user; returns how many there were."""
        ids = [row[0] for row in self.execute(
            f"SELECT id FROM information_schema.processlist WHERE user = {_text(user)}", database=None)]
        for number in ids:
            try:
                self.execute(f"KILL CONNECTION {number}", database=None)
            except pymysql.err.OperationalError:
                pass                    # it ended by itself meanwhile
        return len(ids)

    def close(self):
        if self.process:
            self.process.end(signal.SIGKILL)    # nobody needs the data any more
        shutil.rmtree(self.directory, ignore_errors=True)

