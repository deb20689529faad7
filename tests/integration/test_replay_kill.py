"""kill -9 at random moments: a read_committed reader finds every row once, in order."""

import collections
import random
import time

import pytest

from rig import wait_until
from rig.replay import STREAMS, assert_exact, create_topics, cursor, load_posts, result
from rig.steps import Steps

pytestmark = pytest.mark.promise("A replay is exactly once")
IN_A_COMMIT = ("offsets sent", "committing")


class Backfill:
    """A replay of three streams that is killed again and again; slowed down so that it does not end before that."""

    def __init__(self, mariadb, kafka, pinfeed, database, rows, commit_rows):
        self.kafka, self.pinfeed, self.rows, self.commit_rows = kafka, pinfeed, rows, commit_rows
        load_posts(mariadb, database, -(-rows // 3))
        self.rows = sum(mariadb.execute(f"SELECT COUNT(*) FROM {table}", database=database)[0][0]
                        for table, _ in STREAMS.values())
        self.steps = Steps(pinfeed.directory / "steps")
        self.environment = dict(pinfeed.env)
        self.random = random.Random(5)
        self.hits = collections.Counter()

    def committed(self):
        found = (cursor(self.kafka, self.pinfeed.group, topic, stable=False) for topic in self.pinfeed.topics)
        return sum(c["main"]["rows"] for c in found if c and "main" in c)

    def run_and_kill(self, kills_left):
        """One life. A random death: at its very beginning, or, of three in four, while rows flow; of one in four in a commit."""
        left = self.rows - self.committed()
        slow, options = "", []
        if self.random.random() < 0.5:
            options = [f"--set=replay.rate={max(100, left / (kills_left + 1)):.0f}"]
        else:               # rows are handed over many at a time then
            slow = " produce:before:0:<3"
        pinfeed = self.pinfeed
        pinfeed.env = {k: str(v) for k, v in {
            **self.environment, **self.steps.environment("commit:before:0:<60 commit:after:0:<30" + slow)}.items()}
        pinfeed.start("--replay", *options, f"--set=replay.commit_rows={self.commit_rows}")
        moment = self.random.random()
        if moment < 0.75:
            wait_until(lambda: self.steps.calls("produce") > 0, 60, "rows flow", 0.01)
        time.sleep(self.random.uniform(0, 0.7))         # a random moment is what this is about
        if moment < 0.25:
            wait_until(lambda: any(slot.phase in IN_A_COMMIT for slot in self.steps.read()), 60, "a commit", 0.002)
        pinfeed.kill()
        assert pinfeed.exit_code == -9, pinfeed.log
        phases = [slot.phase for slot in self.steps.read()]
        self.hits["kills"] += 1
        self.hits["open"] += any(phase != "idle" for phase in phases)
        self.hits["sent"] += any(phase in IN_A_COMMIT for phase in phases)
        self.hits["rows flowed"] += self.steps.calls("produce") > 0

    def finish(self):
        self.pinfeed.env = self.environment
        return self.pinfeed.run("--replay", deadline_s=120).expect_exit(0)


def kill_again_and_again(mariadb, kafka, pinfeed, database, rows, commit_rows, kills):
    backfill = Backfill(mariadb, kafka, pinfeed, database, rows, commit_rows)
    for i in range(kills):
        backfill.run_and_kill(kills - i)
    left = backfill.rows - backfill.committed()             # at most: a commit may still be under way
    done = result(backfill.finish())
    assert done["complete"] and 0 < done["totals"]["rows"] <= left
    print(f"{dict(backfill.hits)}, {left} of {backfill.rows} rows left for the last run")
    assert_exact(mariadb, kafka, pinfeed, database)
    # Another run has nothing to send.
    assert result(pinfeed.run("--replay").expect_exit(0))["totals"]["rows"] == 0
    return backfill.hits


def test_replay_after_40_kills_has_no_gap_and_no_repeat(mariadb, kafka, pinfeeds, database):
    pinfeed = pinfeeds(mariadb, kafka, database=database)
    create_topics(kafka, pinfeed)
    hits = kill_again_and_again(mariadb, kafka, pinfeed, database, rows=60_000, commit_rows=90, kills=40)
    assert hits["kills"] >= 40
    assert hits["open"] >= 10
    assert hits["sent"] >= 5


@pytest.mark.soak
def test_replay_after_500_kills_has_no_gap_and_no_repeat(mariadb, kafka, pinfeeds, database):
    pinfeed = pinfeeds(mariadb, kafka, database=database)
    create_topics(kafka, pinfeed)
    hits = kill_again_and_again(mariadb, kafka, pinfeed, database, rows=1_000_000, commit_rows=300, kills=500)
    assert hits["kills"] >= 500 and hits["open"] >= 125 and hits["sent"] >= 60
