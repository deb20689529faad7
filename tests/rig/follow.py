"""What the tests of --follow share: a table with AUTO_INCREMENT, transactions that are open, and what the cursor says."""

import contextlib

from .replay import OneTable, assert_same, cursor, records


class Follow(OneTable):
    """A pinfeed that follows a stream `t`, of a table with AUTO_INCREMENT."""

    def make(self, *inserts, ddl="k BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100)", follow=(), **kwargs):
        super().make(ddl, *inserts, **kwargs)
        self.pinfeed.settings["follow"] = {"interval": 0.1, **dict(follow)}
        return self

    def start(self, *options):
        self.pinfeed.start("--follow", "--streams=t", *options)
        return self

    def ready(self):
        self.pinfeed.wait_for(r"follows t to ", 30)
        return self

    def insert(self, count=1, first=None):
        values = f"SELECT seq, CONCAT('row ', seq) FROM seq_{first}_to_{first + count - 1}" if first else \
                 f"SELECT NULL, CONCAT('row ', seq) FROM seq_1_to_{count}"
        self.execute(f"INSERT INTO t {values}")

    def rows(self):
        """How many rows the cursor says were sent."""
        found = cursor(self.kafka, self.pinfeed.group, self.topic, stable=False)
        return found["main"]["rows"] if found else 0

    def gaps(self):
        """[(first, last)]: the keys that the cursor says are still looked for."""
        found, last = [], 0
        for text in filter(None, cursor(self.kafka, self.pinfeed.group, self.topic, False)["main"].get("gaps", "").split(",")):
            first, _, more = text.partition("+")
            found.append((last + int(first), last := last + int(first) + int(more or 0)))
        return found

    def missing(self, *keys):
        return all(any(first <= key <= last for first, last in self.gaps()) for key in keys)

    def wait_for_rows(self, rows, deadline_s=30):
        self.pinfeed.wait_until(lambda: self.rows() >= rows, deadline_s, f"{rows} rows are sent")
        assert self.rows() == rows
        return self

    def assert_once(self):
        """Every row of the table is in the topic once, in any order."""
        assert_same(sorted(records(self.kafka, self.topic)), sorted(self.expected()), "t")

    def see_transactions(self):
        user = self.mariadb.user
        self.mariadb.execute(f"GRANT PROCESS ON *.* TO '{user}'@'%'", database=None)
        return self

    @contextlib.contextmanager
    def transaction(self):
        """A connection whose transaction is open."""
        with self.mariadb.connect(database=self.database) as connection:
            connection.begin()
            yield connection.cursor()
