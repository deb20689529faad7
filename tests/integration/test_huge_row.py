"""One row of 200 MB: it is named, and memory does not grow with it."""

import pytest

from rig import replay, sent

HUGE = 200_000_000
KEY = 7


@pytest.fixture
def huge(mariadb, database):
    """Ten posts, one of them with a description of 200 MB."""
    replay.load_posts(mariadb, database, 10)
    most = mariadb.execute("SELECT @@global.max_allowed_packet")[0][0]
    mariadb.execute("SET GLOBAL max_allowed_packet = 1073741824")
    mariadb.execute("ALTER TABLE pinterest_data ENGINE = MyISAM, MODIFY description LONGTEXT", database=database)
    mariadb.execute(f"UPDATE pinterest_data SET description = REPEAT('x', {HUGE}) WHERE `index` = {KEY}", database=database)
    yield database
    mariadb.execute(f"SET GLOBAL max_allowed_packet = {most}")


@pytest.mark.memory
def test_emulate_leaves_it_out_by_name(emulate, kafka, huge):
    pinfeed = emulate(huge, rate=200).start()
    pinfeed.wait_for(rf"warning: post {KEY} is not sent: its record for {pinfeed.topic('pin')} has \d+ bytes", 30)
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topic("user")) > 100, 30, "other posts are sent")
    assert pinfeed.peak_kb < 150_000
    assert pinfeed.stop() == 0
    assert str(KEY) not in sent.posts(sent.records(kafka, pinfeed))


def test_replay_refuses_it_by_name(mariadb, kafka, huge, pinfeeds):
    pinfeed = pinfeeds(mariadb, kafka, database=huge)
    replay.create_topics(kafka, pinfeed)
    pinfeed.run("--replay", "--streams=pin").expect_exit(78)
    assert f"the row with key {KEY} has" in pinfeed.log and "message.max.bytes" in pinfeed.log
    assert [int(key) for key, _ in replay.records(kafka, pinfeed.topic("pin"))] == list(range(KEY))
