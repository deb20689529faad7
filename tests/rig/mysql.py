"""A private server of Oracle's MySQL, in MariaDB's place: accounts log in by caching_sha2_password."""

import hashlib
import os
import re
import shutil
import ssl
from contextlib import closing

import pymysql

from . import paths
from .mariadb import MariaDB
from .process import Process, run, wait_until

# The command that runs mysqld; unset: there is none.
MYSQLD = os.environ.get("PINFEED_TEST_MYSQLD", "").split()


def _command(directory):
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    return [*MYSQLD, "--no-defaults", *as_root, f"--datadir={directory}", "--mysqlx=OFF", "--secure-file-priv=NULL",
            "--innodb-redo-log-capacity=64M", "--innodb-flush-method=nosync"]


def _install(directory):
    data = directory / "data"
    run([*_command(data), "--initialize-insecure"], "creating a MySQL data directory")
    # Otherwise all servers of the template would be one and the same, with one key.
    for name in ("auto.cnf", *(f.name for f in data.glob("*.pem"))):
        (data / name).unlink()


class MySQL(MariaDB):
    """TLS with a certificate that it makes itself, or one of `ca_file`'s with `tls`; options=["--tls-version="]: none."""

    name = "MySQL"
    _asked_by = "root"                  # the server keeps in mind who has logged in, and asks less the next time

    def _launch(self):
        if not self.datadir.exists():
            version = hashlib.sha256(" ".join(MYSQLD).encode()).hexdigest()[:12]
            shutil.copytree(paths.made_once(f"mysql-template-{version}", _install) / "data", self.datadir)
            self._write_init_file()
        for name in ("s", "s.lock"):    # a killed server leaves its lock too
            (self.directory / name).unlink(missing_ok=True)
        self.process = Process(
            [*_command(self.datadir), f"--socket={self.socket}", f"--bind-address={self.host}", f"--port={self.port}",
             f"--pid-file={self.directory}/pid", f"--init-file={self.directory}/init.sql",
             "--character-set-server=utf8mb4", "--skip-name-resolve", "--skip-log-bin",
             "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2", "--max-allowed-packet=64M",
             "--max-connections=200", "--performance-schema=OFF", *self.options], self.log)
        wait_until(self._answers, 90, lambda: "MySQL answers:\n" + self.process.output())

    def connect(self, database="pinterest_data", user="root", **kwargs):
        if user == "root":
            return super().connect(database, user, **kwargs)
        # PyMySQL sends such an account's password only over TLS.
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        return closing(pymysql.connect(user=user, database=database, charset="utf8mb4", connect_timeout=5,
                                       autocommit=True, host=self.host, port=self.port, password=self.password,
                                       **{"ssl": anybody, **kwargs}))

    def _write_init_file(self):
        super()._write_init_file()
        with open(self.directory / "init.sql", "a") as f:
            f.write("CREATE DATABASE IF NOT EXISTS numbers;\nSET cte_max_recursion_depth = 200000;\n"
                    "CREATE TABLE IF NOT EXISTS numbers.numbers (seq INT PRIMARY KEY) WITH RECURSIVE n AS "
                    "(SELECT 1 AS seq UNION ALL SELECT seq + 1 FROM n WHERE seq < 200000) SELECT seq FROM n;\n")

    def execute(self, *statements, **kwargs):
        """MariaDB's tables of numbers, such as seq_1_to_100, work here too (up to 200,000)."""
        return super().execute(*(re.sub(
            r"\bseq_(\d+)_to_(\d+)\b", r"(SELECT seq FROM numbers.numbers WHERE seq BETWEEN \1 AND \2) AS n", s)
            for s in statements), **kwargs)
