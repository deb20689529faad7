"""emulate on large tables: neither memory nor the cost of a post grows with the table, or with how far into it the row
lies."""

import pytest

from rig import posts, sent

SMALL, LARGE = 1_000, 200_000


@pytest.fixture(scope="module")
def large(mariadb_server):
    """Makes a database of so many posts: large(count) -> its name."""
    made = []

    def make(count):
        name = mariadb_server.start().create_database(f"rows_{count}")
        made.append(name)
        mariadb_server.load(posts.sql(0), name)
        for table, key in sent.STREAMS.values():
            mariadb_server.execute(f"ALTER TABLE {table} ENGINE=Aria TRANSACTIONAL=0",
                                   f"INSERT INTO {table} (`{key}`) SELECT seq FROM seq_1_to_{count}", database=name)
        return name
    yield make
    for name in made:
        mariadb_server.start().drop_database(name)


def handler_reads(mariadb):
    rows = mariadb.execute("SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name = 'Questions'")
    counts = {name: int(value) for name, value in rows}
    questions = counts.pop("Questions")
    return sum(counts.values()), questions


def cost_of(pinfeed, kafka, mariadb, count):
    """(rows that the server touched, questions it was asked) for so many posts."""
    pinfeed.settings["emulate"]["posts"] = count
    before = handler_reads(mariadb)
    pinfeed.run().expect_exit(0)
    after = handler_reads(mariadb)
    return after[0] - before[0], after[1] - before[1]


@pytest.mark.memory
def test_neither_memory_nor_cost_grow_with_the_table(emulate, kafka, mariadb, large):
    peaks, costs = {}, {}
    for count in (SMALL, LARGE):
        pinfeed = emulate(large(count), rate=2000)
        pinfeed.start()
        pinfeed.wait_until(lambda p=pinfeed: kafka.end_offset(p.topic("user")) > 2000, 20, "2000 posts")
        peaks[count] = pinfeed.peak_kb
        assert pinfeed.stop() == 0
        few, many = (cost_of(pinfeed, kafka, mariadb, n) for n in (100, 2100))
        costs[count] = [(b - a) / 2000 for a, b in zip(few, many)]
        keys = [int(k) for k in sent.posts(sent.records(kafka, pinfeed))]
        assert max(keys) > count * 0.99 and min(keys) < count * 0.01     # from all over the table
    assert peaks[LARGE] < peaks[SMALL] + 8_000, peaks
    # Each row is read by its key, once; some more for what the server does with a list of keys.
    rows, questions = costs[LARGE]
    assert rows < 12 and questions < 0.2, costs
    assert rows < costs[SMALL][0] * 1.5 + 1, costs


@pytest.mark.memory
@pytest.mark.soak
def test_ten_million_rows_start_at_once(emulate, kafka, mariadb, large):
    pinfeed = emulate(large(10_000_000), rate=1000).start()
    pinfeed.wait_for("sends 1000 posts a second", 5)
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topic("user")) > 2000, 20, "2000 posts")
    assert pinfeed.peak_kb < 150_000
    assert pinfeed.stop() == 0
    sent.posts(sent.records(kafka, pinfeed))
