"""The ways of getting a table into a topic that are compared."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import NamedTuple

from rig import Identity, Pinfeed, paths, posts, wait_until
from rig.process import Process, RigError
from rig.replay import create_topics, load_posts, repeat_posts

from . import post
from .measure import cpu_s, watch

COMMIT_ROWS = 250000            # pinfeed's default, for all that commit
HTTP_RECORDS = 5000             # then extrapolated
TABLE, KEY = "pinterest_data", "index"
WORDS = " It takes an afternoon, two cups of tea and a table that nobody minds; the list is at the end, with prices."


class Way(NamedTuple):
    name: str
    listener: str               # or "" if it doesn't speak to Kafka
    run: object                 # Ways -> Taken

    def __str__(self):
        return ", ".join(filter(None, [self.name, self.listener]))


class Ways:
    """`rows` posts in the database, a sample of them in a file, and the runs over both."""

    def __init__(self, mariadb, kafka, rows):
        self.mariadb, self.kafka, self.rows = mariadb, kafka, rows
        self.programs = paths.binary().parent / "bench"
        self.identity = kafka.allow(Identity())
        self.directory = paths.private_directory("bench")
        self.sample = self.directory / "sample"
        self.output = self.directory / "output"
        self.row_bytes = 0

    def __enter__(self):
        few = min(self.rows, 2000)
        load_posts(self.mariadb, self.mariadb.database, few)
        # About 750 bytes a record, like the real posts.
        self.mariadb.execute(f"UPDATE {TABLE} SET description = CONCAT(description, '{WORDS}')")
        repeat_posts(self.mariadb, self.mariadb.database, few, self.rows)
        self.mariadb.execute(f"ANALYZE TABLE {TABLE}", "SET GLOBAL innodb_max_dirty_pages_pct = 0")
        wait_until(lambda: self._dirty_pages() == 0, 600, lambda: f"the tables are on the disk: {self._dirty_pages()} pages are not")
        self._take([self._fetch(max(self.rows - 2001, -1))])
        self.output.rename(self.sample)
        lines = self.sample.read_bytes().splitlines()
        self.row_bytes = sum(len(line.split(b"\t", 1)[1]) for line in lines) / len(lines)
        self.replay(["pin"])            # a broker that is new makes topics of its own first, and Java is slow
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- the ways --------------------------------------------------------------------------------------------------

    def loop(self, kind, listener, properties=(), commit_rows=COMMIT_ROWS):
        with self._topic() as topic:
            return self._take([[self.programs / "loop", kind, self.rows, commit_rows, topic, self.sample,
                                *self._properties(listener), *properties]])

    def client(self):
        """A shell's way, with what every Debian has; kcat with librdkafka's defaults but for lz4."""
        cells = ", ".join(f"'{c}', `{c}`" for c in posts.COLUMNS[TABLE])
        options = self.directory / "client.cnf"
        options.touch(mode=0o600)
        options.write_text(f"[client]\nhost={self.mariadb.host}\nport={self.mariadb.port}\nprotocol=tcp\n"
                           f"user={self.mariadb.user}\npassword={self.mariadb.password}\n")
        with self._topic() as topic:
            return self._take([
                ["mysql", f"--defaults-file={options}", "--default-character-set=utf8mb4", "--quick", "--raw", "-N",
                 "-e", f"SELECT `{KEY}`, JSON_OBJECT({cells}) FROM {TABLE} ORDER BY `{KEY}`", self.mariadb.database],
                ["kcat", "-q", "-P", "-b", self.kafka.bootstrap, "-t", topic, "-K", "\\t", "-z", "lz4"]])

    def http(self):
        records = min(self.rows, HTTP_RECORDS)
        taken = self._take([[sys.executable, "-B", "-m", "bench.post", post.serve(), self.sample, records]])
        seconds, cpu = map(float, self.output.read_text().split())
        more = self.rows / records - 1
        return taken._replace(seconds=taken.seconds + seconds * more, cpu_s=taken.cpu_s + cpu * more, database_cpu_s=0)

    def fetch(self):
        taken = self._take([self._fetch()])
        rows, value_bytes = map(int, self.output.read_text().split())
        self._expect(rows, self.rows)
        return taken._replace(value_bytes=value_bytes)

    def verify(self):
        with self._replayed() as pinfeed:
            taken = self._measure(lambda: [pinfeed.start("--verify", "--streams=pin", "--json").process])
            self._expect(json.loads(pinfeed.stdout)["totals"]["records"], self.rows)
            return taken

    def consume(self):
        """What reading the topic alone takes."""
        with self._replayed() as pinfeed:
            return self._take([["kcat", "-q", "-C", "-e", "-b", self.kafka.bootstrap, "-t", pinfeed.topic("pin")]], "/dev/null")

    def replay(self, streams, listener="plain"):
        with self._pinfeed(listener) as pinfeed:
            create_topics(self.kafka, pinfeed, streams)
            taken = self._measure(lambda: [pinfeed.start("--replay", "--streams=" + ",".join(streams)).process])
            totals = json.loads(pinfeed.stdout)["totals"]
            self._expect(totals["rows"], self.rows * len(streams))
            for stream in streams:
                self.kafka.delete_topic(pinfeed.topic(stream))
            return taken._replace(rows=totals["rows"], value_bytes=totals["bytes"])

    def _dirty_pages(self):
        return int(self.mariadb.execute("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")[0][1])

    # ---- how they run ------------------------------------------------------------------------------------------------

    def _pinfeed(self, listener="plain"):
        settings = {"replay": {"commit_rows": COMMIT_ROWS}, "pinfeed": {"stats_interval": 60}}
        return Pinfeed(self.mariadb, self.kafka, self.identity if listener != "plain" else None, settings=settings)

    @contextmanager
    def _replayed(self):
        """A pinfeed whose topic `pin` has every row."""
        with self._pinfeed() as pinfeed:
            create_topics(self.kafka, pinfeed, ["pin"])
            pinfeed.run("--replay", "--streams=pin", deadline_s=3600).expect_exit(0)
            yield pinfeed
            self.kafka.delete_topic(pinfeed.topic("pin"))

    def _fetch(self, *after):
        return [self.programs / "fetch", self.mariadb.port, self.mariadb.user, self.mariadb.password_file,
                self.mariadb.database, TABLE, KEY, *after]

    def _properties(self, listener):
        if listener == "plain":
            return [f"bootstrap.servers={self.kafka.bootstrap}", "security.protocol=PLAINTEXT"]
        return [f"bootstrap.servers={self.kafka.iam_bootstrap}", f"ssl.ca.location={self.kafka.ca_file}"]

    @contextmanager
    def _topic(self):
        """A fresh topic, which has to hold all rows in the end."""
        name = self.kafka.create_topic(f"bench.{secrets.token_hex(4)}")
        yield name
        # The last transaction's marker comes when the producer knows already that it is committed.
        wait_until(lambda: self.kafka.end_offset(name) >= self.rows, 30, f"all rows are in {name}")
        self.kafka.delete_topic(name)

    @staticmethod
    def _expect(got, expected):
        if got != expected:
            raise RigError(f"{got} rows instead of {expected}: figures of something else")

    def _take(self, commands, output=None):
        return self._measure(lambda: self._start(commands, output or self.output))

    def _measure(self, start):
        """What the processes that start() starts take, until they have ended, with all rows."""
        database, since = cpu_s(self.mariadb.process.pid), time.monotonic()
        taken = watch(start(), since, 3600)
        return taken._replace(database_cpu_s=cpu_s(self.mariadb.process.pid) - database, rows=self.rows,
                              value_bytes=round(self.rows * self.row_bytes))

    def _start(self, commands, output):
        """Starts them, each with the output of the one before as its input. What the last one says goes to `output`."""
        started, source, env = [], subprocess.DEVNULL, {**os.environ, **self.identity.environment()}
        self.output.unlink(missing_ok=True)
        for i, command in enumerate(commands):
            said = self.directory / f"said.{i}"
            said.unlink(missing_ok=True)
            reader, writer = os.pipe()
            out = output if command is commands[-1] else f"/proc/self/fd/{writer}"
            started.append(Process(command, out, said, env, stdin=source))
            os.close(writer)
            if i > 0:
                os.close(source)
            source = reader
        os.close(source)
        return started


MARK = "transactional loop"     # what the others are compared with
# librdkafka's own defaults, instead of pinfeed's for transactions.
PLAIN_QUEUE = ["linger.ms=5", "queue.buffering.max.kbytes=1048576"]
ALL = [
    Way(MARK, "plain", lambda w: w.loop("transactional", "plain", PLAIN_QUEUE)),
    Way(MARK, "SASL_SSL", lambda w: w.loop("transactional", "SASL_SSL", PLAIN_QUEUE)),
    Way("the same with pinfeed's queue", "plain", lambda w: w.loop("transactional", "plain")),
    Way("the same with 50,000 rows a transaction", "plain", lambda w: w.loop("transactional", "plain", PLAIN_QUEUE, 50000)),
    Way("idempotent loop", "plain", lambda w: w.loop("idempotent", "plain", PLAIN_QUEUE)),
    Way("pinfeed --replay, one stream", "plain", lambda w: w.replay(["pin"])),
    Way("pinfeed --replay, one stream", "SASL_SSL", lambda w: w.replay(["pin"], "SASL_SSL")),
    Way("pinfeed --replay, three streams", "plain", lambda w: w.replay(["pin", "geo", "user"])),
    Way("mysql --quick | kcat", "plain", Ways.client),
    Way("one HTTP request a record *", "", Ways.http),
    Way("fetch and encode alone", "", Ways.fetch),
    Way("pinfeed --verify, one stream", "plain", Ways.verify),
    Way("kcat -C >/dev/null, the same topic", "plain", Ways.consume),
]
