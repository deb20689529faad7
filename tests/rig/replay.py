"""What the tests of --replay share: tables, what has to arrive from them, and looking at a run's result."""

import json

from . import posts
from .encoder import rows_as_json
from .process import wait_until

# stream -> (table, key)
STREAMS = {"pin": ("pinterest_data", "index"), "geo": ("geolocation_data", "ind"), "user": ("user_data", "ind")}


def load_posts(mariadb, database, count, without_keys=False):
    """Fills the three tables with posts 0 .. count - 1: up to 2,000 that differ, and then the same with other keys."""
    first = min(count, 2000)
    mariadb.load(posts.sql(first, without_keys=without_keys), database)
    repeat_posts(mariadb, database, first, count)


def repeat_posts(mariadb, database, first, count):
    """Posts first .. count - 1 say again what posts 0 .. first - 1 say. In the order of their keys, as posts come in."""
    for table, key in STREAMS.values():
        others = ", ".join(f"`{c}`" for c in posts.COLUMNS[table][1:])
        if count > first:
            # MariaDB would take seq's rows in blocks. What it alone understands is a comment for MySQL.
            mariadb.execute("SET @ours = 1 /*M!, join_cache_level = 0 */",
                            f"CREATE TEMPORARY TABLE said AS SELECT * FROM {table}",
                            f"INSERT INTO {table} SELECT STRAIGHT_JOIN `{key}` + {first} * seq, {others} "
                            f"FROM seq_1_to_{(count - 1) // first} JOIN said WHERE `{key}` + {first} * seq < {count}",
                            "DROP TEMPORARY TABLE said", database=database)


def create_topics(kafka, pinfeed, streams=STREAMS):
    for stream in streams:
        kafka.create_topic(pinfeed.topic(stream))


def expected_rows(mariadb, database, table, key, order=None, where="TRUE"):
    """[(key, JSON)] in the order in which they have to arrive."""
    return rows_as_json(mariadb, database, f"SELECT * FROM `{table}` WHERE {where} ORDER BY {order or f'`{key}`'}", key)


def records(kafka, topic, isolation="read_committed", start=0):
    """[(key, value)] as a reader finds them."""
    return [(r.key, r.value) for r in kafka.read_all(topic, isolation, {0: start})]


def assert_same(got, expected, what):
    """Like assert got == expected, with a failure that can be read."""
    if got == expected:
        return
    at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
    raise AssertionError(f"{what}: {len(got)} records, {len(expected)} expected; they differ at {at}: "
                         f"got {got[at:at + 1]}, expected {expected[at:at + 1]}; "
                         f"{len(got) - len(set(got))} repeats, {len(set(expected) - set(got))} missing")


def assert_exact(mariadb, kafka, pinfeed, database, streams=None, isolation="read_committed"):
    """Every row of the three tables is in its topic once, byte for byte, in key order."""
    for stream in streams or STREAMS:
        table, key = STREAMS[stream]
        assert_same(records(kafka, pinfeed.topic(stream), isolation), expected_rows(mariadb, database, table, key), stream)


def result(pinfeed):
    """The JSON object that a run printed, and nothing else on stdout."""
    lines = pinfeed.stdout.splitlines()
    assert len(lines) == 1, pinfeed.stdout
    return json.loads(lines[0])


def starts_over(pinfeed):
    """Whether it did once it had begun; before that a broker on a busy machine may not answer."""
    return "starts over" in pinfeed.log.partition(": begins at ")[2]


def cursor(kafka, group, topic, stable=True):
    """The committed cursor as an object, or None."""
    found = kafka.group_offsets(group, stable).get((topic, 0))
    return json.JSONDecoder().raw_decode(found[1])[0] if found else None


NUMBERS = "INSERT INTO t SELECT seq, CONCAT('row ', seq) FROM seq_1_to_{}"


class OneTable:
    """A pinfeed with a stream `t` alone, of a table made by `ddl`."""

    def __init__(self, mariadb, kafka, pinfeeds, database):
        self.mariadb, self.kafka, self.pinfeeds, self.database = mariadb, kafka, pinfeeds, database

    def make(self, ddl, *inserts, key="k", stream=(), replay=(), kafka=()):
        self.mariadb.execute(f"CREATE TABLE t ({ddl})", *inserts, database=self.database)
        self.pinfeed = self.pinfeeds(self.mariadb, self.kafka, database=self.database, settings={
            "stream t": {"table": "t", "key": key, **dict(stream)}, "replay": dict(replay), "kafka": dict(kafka)})
        self.topic = self.kafka.create_topic(self.pinfeed.topic("t"))
        self.key = key
        return self

    def execute(self, *statements):
        return self.mariadb.execute(*statements, database=self.database)

    def run(self, *options, deadline_s=60):
        return self.pinfeed.run("--replay", "--streams=t", *options, deadline_s=deadline_s)

    def replay(self, *options):
        """Runs it, has to succeed; returns the stream's result."""
        return result(self.run(*options).expect_exit(0))["streams"]["t"]

    def keys(self, isolation="read_committed"):
        return [key.decode() for key, _ in records(self.kafka, self.topic, isolation)]

    def expected(self, order=None, where="TRUE"):
        return expected_rows(self.mariadb, self.database, "t", self.key, order, where)

    def assert_exact(self, order=None, where="TRUE"):
        assert_same(records(self.kafka, self.topic), self.expected(order, where), "t")


def refused(table, *options, code=78):
    before = table.kafka.end_offset(table.topic)
    table.run(*options).expect_exit(code)
    assert table.kafka.end_offset(table.topic) == before, "something was sent"
    return table.pinfeed.log


def forget(table, group):
    table.kafka.delete_group(group)
    wait_until(lambda: cursor(table.kafka, group, table.topic) is None, 10, "the group is gone")
