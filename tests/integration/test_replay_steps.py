"""A crash at every step of a replay, over small tables with equal keys on every edge of a batch."""

import itertools

import pytest

from rig.replay import assert_same, expected_rows, records, result
from rig.steps import Steps

pytestmark = pytest.mark.promise("A replay is exactly once")

# How many rows each key has: all ways to spread up to five rows over keys, and some longer runs.
SPREADS = sorted(set(c for n in (1, 2, 3, 4) for c in itertools.product((1, 2, 3), repeat=n) if sum(c) <= 5),
                 key=lambda c: (sum(c), c))
LONGER = [(1, 4, 1), (5,), (2, 5, 2), (1, 1, 1, 1, 1, 1, 1), (3, 3, 3)]


class Tables:
    """Many small tables, a stream each, replayed by one process."""

    def __init__(self, mariadb, kafka, pinfeeds, database, spreads):
        self.mariadb, self.kafka, self.database = mariadb, kafka, database
        self.pinfeed = pinfeeds(mariadb, kafka, database=database)
        self.expected, self.seen = {}, {}
        statements = []
        for i, spread in enumerate(spreads):
            name = f"s{i}"
            rows = [(key, n) for key, count in enumerate(spread) for n in range(count)]
            values = ", ".join(f"({row}, {key}, 'row {n} of key {key}')" for row, (key, n) in enumerate(rows))
            # Every second one without an index on its key; the primary key tells the order of equal ones.
            statements += [f"CREATE TABLE {name} (id INT PRIMARY KEY, k INT NOT NULL, v TEXT{', KEY (k)' if i % 2 else ''})",
                           f"INSERT INTO {name} VALUES {values}"]
            self.pinfeed.settings[f"stream {name}"] = {"table": name, "key": "k"}
        mariadb.execute(*statements, database=database)
        for i in range(len(spreads)):
            name = f"s{i}"
            kafka.create_topic(self.pinfeed.topic(name))
            self.expected[name] = expected_rows(mariadb, database, name, "k", "k, id")
            self.seen[name] = 0
        self.streams = "--streams=" + ",".join(self.expected)
        self.steps = Steps(self.pinfeed.directory / "steps")
        self.environment = dict(self.pinfeed.env)

    def run(self, group, commit_rows, do=""):
        """Returns the exit code: -9 when it crashed at the step. Each group is a replay of its own, on a machine of its own:
        the copy of another's cursor would keep it from beginning."""
        state_dir = self.pinfeed.directory / group
        state_dir.mkdir(exist_ok=True)
        self.pinfeed.env = {**self.environment, **{k: str(v) for k, v in self.steps.environment(do).items()}}
        self.pinfeed.start("--replay", self.streams, f"--set=replay.group={group}", f"--set=replay.commit_rows={commit_rows}",
                           f"--set=pinfeed.state_dir={state_dir}")
        return self.pinfeed.wait(60)

    def assert_one_more_copy(self, what):
        """Since the last look every topic got each row once."""
        for name, expected in self.expected.items():
            got = records(self.kafka, self.pinfeed.topic(name))
            assert_same(got[self.seen[name]:], expected, f"{name}, {what}")
            self.seen[name] = len(got)


def crash_at_every_step(tables, commit_rows):
    """Each group is a replay of its own. It crashes at step n, the next process at step n + 1 of its own, and so on,
    until one gets through; the next group begins where that one ended."""
    step, crashes, group = 1, 0, 0
    while True:
        name = f"c{commit_rows}.{group}.{tables.database}"
        began = step
        while True:
            when = "before" if step % 2 else "after"
            code = tables.run(name, commit_rows, f"any:{when}:{(step + 1) // 2}:kill")
            if code == 0:
                break
            assert code == -9, tables.pinfeed.log
            crashes += 1
            step += 1
        tables.assert_one_more_copy(f"{commit_rows} rows a commit, crashes at steps {began} to {step - 1}")
        assert result(tables.pinfeed)["complete"]
        group += 1
        if step == began:               # a whole replay has no such step any more
            return crashes


@pytest.fixture
def make_tables(mariadb, kafka, pinfeeds, database):
    return lambda spreads: Tables(mariadb, kafka, pinfeeds, database, spreads)


def test_equal_keys_on_every_edge_of_a_batch(make_tables):
    tables = make_tables(SPREADS[::3] + LONGER)
    for commit_rows in range(1, 6):
        assert tables.run(f"g{commit_rows}.{tables.database}", commit_rows) == 0, tables.pinfeed.log
        tables.assert_one_more_copy(f"{commit_rows} rows a commit")


def test_a_crash_at_every_step(make_tables):
    assert crash_at_every_step(make_tables([(1, 2, 1), (2, 2), (3, 1)]), 2) > 15


@pytest.mark.long
@pytest.mark.parametrize("commit_rows", [1, 2, 3, 4, 5])
def test_a_crash_at_every_step_of_many_tables(make_tables, commit_rows):
    assert crash_at_every_step(make_tables(SPREADS[commit_rows % 4::4] + LONGER), commit_rows) > 20
