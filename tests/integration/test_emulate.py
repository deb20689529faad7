"""emulate: which posts it sends, and what their records are."""

import collections
import random
import re
import struct

import pytest

from conftest import SAMPLE_POSTS
from rig import posts as sample_posts
from rig import sent


def run(pinfeed, kafka):
    """Runs it to its end; the records."""
    pinfeed.run().expect_exit(0)
    return sent.records(kafka, pinfeed)


# ---- what a post is ------------------------------------------------------------------------------------------------

def test_each_post_is_one_record_in_each_topic_that_equals_its_row(emulate, kafka, mariadb, sample):
    found = run(emulate(sample, posts=3000), kafka)
    keys = sent.posts(found)
    assert len(keys) == 3000
    awkward = {int(k) for k in keys if sample_posts.is_awkward(int(k))}
    assert len(awkward) > 50
    sent.equal_rows(mariadb, sample, found)


def test_tables_as_pandas_makes_them(emulate, kafka, mariadb, pandas):
    found = run(emulate(pandas, posts=3000), kafka)
    keys = sent.posts(found)
    assert len(keys) == 3000 and len(set(keys)) > 600
    sent.equal_rows(mariadb, pandas, found)


def test_the_three_records_of_a_post_go_out_together(emulate, kafka, sample):
    found = run(emulate(sample, posts=200), kafka)
    assert [r.key for r in found["pin"]] == [r.key for r in found["geo"]] == [r.key for r in found["user"]]
    posts = [[r.timestamp_ms for r in post] for post in zip(found["pin"], found["geo"], found["user"])]
    assert all(max(post) <= min(after) for post, after in zip(posts, posts[1:]))


# ---- partitions ----------------------------------------------------------------------------------------------------

def murmur2(data):
    """Kafka's DefaultPartitioner of Java (org.apache.kafka.common.utils.Utils.murmur2), from its description."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = k * m & mask
        k ^= k >> 24
        h = (h * m & mask) ^ (k * m & mask)
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def java_partition(key, partitions):
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def test_a_key_goes_to_the_partition_to_which_java_sends_it(emulate, kafka, sample):
    pinfeed = emulate(sample, partitions=3, posts=300)
    found = run(pinfeed, kafka)
    sent.posts(found)
    for of_topic in found.values():
        assert {r.partition for r in of_topic} == {0, 1, 2}
        for r in of_topic:
            assert r.partition == java_partition(r.key, 3), r
    for topic in pinfeed.topics:
        lines = re.findall(rf"warning: topic {topic} has 3 partitions: .*", pinfeed.log)
        assert len(lines) == 1 and "partition 0 only" in lines[0] and "2 of 3" in lines[0]


# ---- the draw ------------------------------------------------------------------------------------------------------

def old_emulator(seed, count, rows):
    """What user_posting_emulation.py draws: (sleep, offset) of each post; offsets past the end are drawn again."""
    generator = random.Random(seed)
    for _ in range(count):
        sleep = generator.randrange(0, 2)
        offset = generator.randint(0, 11000)
        while offset >= rows:
            offset = generator.randint(0, 11000)
        yield sleep, offset


def test_seed_100_repeats_the_old_emulators_order(emulate, kafka, sample):
    keys = [int(k) for k in sent.posts(run(emulate(sample, posts=2000, seed=100), kafka))]
    assert keys[:12] == [7528, 2863, 5730, 8304, 8731, 1313, 4315, 10794, 5494, 5069, 2923, 3089]
    assert keys == [offset for _, offset in old_emulator(100, 2000, SAMPLE_POSTS)]


def test_a_seed_in_a_smaller_table_draws_offsets_past_the_end_again(emulate, kafka, pandas):
    keys = [int(k) for k in sent.posts(run(emulate(pandas, posts=500, seed=7), kafka))]
    assert keys == [offset for _, offset in old_emulator(7, 500, 640)]


def test_a_seeds_offsets_count_rows_and_not_keys(emulate, kafka, mariadb, database):
    mariadb.load(sample_posts.sql(900), database)
    mariadb.execute("DELETE FROM pinterest_data WHERE `index` % 3 = 1", "DELETE FROM user_data WHERE ind % 5 = 2",
                    "DELETE FROM geolocation_data WHERE ind BETWEEN 100 AND 199", database=database)
    rows = [n for n in range(900) if n % 3 != 1 and n % 5 != 2 and not 100 <= n < 200]
    keys = [int(k) for k in sent.posts(run(emulate(database, posts=300, seed=100), kafka))]
    assert keys == [rows[offset] for _, offset in old_emulator(100, 300, len(rows))]


def test_a_seeds_pauses_are_the_old_emulators_in_its_unit(emulate, kafka, sample):
    found = run(emulate(sample, posts=9, seed=100, rate=2), kafka)          # sleeps of 0 or 1 s, the original's pace
    times = [r.timestamp_ms for r in found["pin"]]
    sleeps = [sleep for sleep, _ in old_emulator(100, 9, SAMPLE_POSTS)]
    for i in range(1, 9):
        # A busy machine can only be late.
        assert times[i] - times[0] > 1000 * sum(sleeps[1:i + 1]) - 100, (i, times, sleeps)
    short = sorted(b - a for a, b, sleep in zip(times, times[1:], sleeps[1:]) if not sleep)
    assert short[len(short) // 2] < 500, (times, sleeps)


def test_without_a_seed_a_restart_sends_other_posts(emulate, kafka, sample):
    pinfeed = emulate(sample, posts=50)
    run(pinfeed, kafka)
    keys = sent.posts(run(pinfeed, kafka))
    assert len(keys) == 100 and keys[:50] != keys[50:]
    assert len(set(keys)) > 90


def test_one_post_a_second_is_said_in_the_singular(emulate, sample, notify):
    pinfeed = emulate(sample, rate=1, env=notify.environment()).start()
    pinfeed.wait_for("sends 1 post a second to ")
    pinfeed.wait_until(lambda: notify.status().startswith("Sends 1 post a second: "), 30, "a report")
    assert pinfeed.stop() == 0


def test_a_rate_below_one_is_kept(emulate, kafka, sample):
    """Seed 100 sleeps 0 and then 1, in units of 2/rate."""
    first, second = run(emulate(sample, posts=2, seed=100, rate=0.8), kafka)["pin"]
    assert 2400 < second.timestamp_ms - first.timestamp_ms < 5000


def test_a_rate_of_thousands_is_kept(emulate, kafka, sample):
    times = [r.timestamp_ms for r in run(emulate(sample, posts=6000, rate=3000), kafka)["pin"]]
    assert len(times) == 6000 and 1.7 <= (times[-1] - times[0]) / 1000 < 20


def test_pauses_are_spread_evenly_between_zero_and_twice_the_average(emulate, kafka, sample):
    times = [r.timestamp_ms for r in run(emulate(sample, posts=80, rate=10), kafka)["pin"]]
    pauses = [b - a for a, b in zip(times, times[1:])]
    assert sum(pauses) / len(pauses) > 75
    quarters = collections.Counter(min(int(p / 50), 3) for p in pauses)
    assert all(quarters[q] > 4 for q in range(4)), quarters



def draw_counts(kafka, pinfeed):
    return collections.Counter(int(k) for k in sent.posts(run(pinfeed, kafka)))


def expect_uniform(counts, keys):
    """Every key is drawn about as often as any other. With n degrees of freedom chi-square has mean n and deviation
    sqrt(2n); six deviations are met once in a billion runs."""
    assert set(counts) <= set(keys)
    total, n = sum(counts.values()), len(keys)
    expected = total / n
    value = sum((counts.get(k, 0) - expected) ** 2 / expected for k in keys)
    assert value < n + 6 * (2 * n) ** 0.5, (value, n)


def test_gaps_in_the_keys_keep_the_draw_uniform(emulate, kafka, mariadb, database):
    """A naive draw (the next key that is there) would favour the keys behind gaps."""
    mariadb.load(sample_posts.sql(400), database)
    mariadb.execute("DELETE FROM pinterest_data WHERE `index` BETWEEN 100 AND 290",
                    "DELETE FROM geolocation_data WHERE ind BETWEEN 20 AND 60",
                    "DELETE FROM user_data WHERE ind % 7 = 3", database=database)
    keys = [n for n in range(400) if not 100 <= n <= 290 and not 20 <= n <= 60 and n % 7 != 3]
    expect_uniform(draw_counts(kafka, emulate(database, posts=12000, rate=20000)), keys)


def test_sparse_keys_are_drawn_evenly(emulate, kafka, mariadb, database):
    """So far apart that guessing numbers would never meet one; negative ones too."""
    mariadb.load(sample_posts.sql(100), database)
    for table, key in sent.STREAMS.values():
        mariadb.execute(f"ALTER TABLE {table} MODIFY `{key}` BIGINT NOT NULL",
                        f"UPDATE {table} SET `{key}` = (`{key}` - 50) * 92233720368547758", database=database)
    keys = [(n - 50) * 92233720368547758 for n in range(100)]
    counts = draw_counts(kafka, emulate(database, posts=5000, rate=20000))
    assert set(counts) == set(keys)
    expect_uniform(counts, keys)


def test_negative_keys(emulate, kafka, mariadb, database):
    mariadb.load(sample_posts.sql(100), database)
    for table, key in sent.STREAMS.values():
        mariadb.execute(f"UPDATE {table} SET `{key}` = `{key}` - 1000", database=database)
    found = run(emulate(database, posts=2000), kafka)
    assert set(sent.posts(found)) == {b"%d" % (n - 1000) for n in range(100)}
    sent.equal_rows(mariadb, database, found)


def test_text_keys(emulate, kafka, mariadb, database):
    mariadb.load(sample_posts.sql(60), database)
    for table, key in sent.STREAMS.values():
        mariadb.execute(f"ALTER TABLE {table} DROP PRIMARY KEY, MODIFY `{key}` VARCHAR(40) NOT NULL",
                        f"UPDATE {table} SET `{key}` = CONCAT(IF(`{key}` % 2, 'pin ', 'Réf/'), `{key}`, '\\'\\n')",
                        f"ALTER TABLE {table} ADD PRIMARY KEY (`{key}`)", database=database)
    found = run(emulate(database, posts=1500), kafka)
    assert set(sent.posts(found)) == {f"{'pin ' if n % 2 else 'Réf/'}{n}'\n".encode() for n in range(60)}
    sent.equal_rows(mariadb, database, found)


def test_rows_that_are_added_are_drawn_too_when_the_keys_are_dense(emulate, kafka, mariadb, database):
    """Within the range of the keys at once; beyond it within a minute (not waited for here)."""
    mariadb.load(sample_posts.sql(50), database)
    mariadb.execute("DELETE FROM user_data WHERE ind = 25", database=database)
    pinfeed = emulate(database, rate=500).start()
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topic("pin")) > 300, 20, "300 posts")
    mariadb.execute("INSERT INTO user_data VALUES (25, 'Late', 'Comer', 30, '2020-01-01 00:00:00')", database=database)
    before = kafka.end_offset(pinfeed.topic("pin"))
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topic("pin")) > before + 1500, 20, "1500 more")
    assert pinfeed.stop() == 0
    keys = sent.posts(sent.records(kafka, pinfeed))
    assert b"25" not in keys[:300] and b"25" in keys


# ---- how many, and how it ends ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("posts, rate", [(1, 1000), (7, 50), (1234, 100000)])
def test_posts_n_sends_exactly_n(emulate, kafka, sample, posts, rate):
    pinfeed = emulate(sample, posts=posts, rate=rate)
    found = run(pinfeed, kafka)
    assert len(sent.posts(found)) == posts
    for topic in pinfeed.topics:
        assert f"{topic}: {posts} of {posts} delivered" in pinfeed.log


def test_a_run_that_is_shorter_than_the_interval_says_its_figures_too(emulate, kafka, sample):
    pinfeed = emulate(sample, posts=1234, rate=100000, settings={"pinfeed": {"stats_interval": 3600}})
    run(pinfeed, kafka)
    said = pinfeed.log.splitlines()
    assert re.fullmatch(r"pinfeed: posts 1,234 \(\+1,234, [\d.]+/s\), [\d.]+ [kM]B, ack p50 [\d.]+ m?s p99 [\d.]+ m?s, "
                        r"0 failed, 0 waiting, up \d+ s", said[-2]), pinfeed.log
    assert said[-1].startswith("pinfeed: stopped; ")
