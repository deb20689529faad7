"""A clock that is an hour wrong and then put right, for pinfeed alone; tests/service/test_machine.py sets a machine's."""

import pytest

from rig import Metadata, paths, sent
from rig.process import run

pytestmark = [pytest.mark.promise("Nothing is lost"),
              pytest.mark.skipif(paths.is_instrumented(), reason="a sanitizer wants to be loaded first")]


@pytest.fixture
def pinfeed(pinfeeds, mariadb, kafka, sample, user_id, identity, tmp_path):
    """It sends a post a second, by IAM's tokens: most of the time it waits. ahead: while it is there, the clock is."""
    run(["cc", "-shared", "-fPIC", "-O2", "-D_GNU_SOURCE", "-o", tmp_path / "clock.so", paths.ROOT / "tests/tools/clock.c"],
        "compiling a clock that can be set")
    pinfeed = pinfeeds(mariadb, kafka, iam=True, region="us-east-1", database=sample, user_id=user_id,
                       settings={"emulate": {"rate": 1}, "pinfeed": {"stats_interval": 1}},
                       env={"AWS_ACCESS_KEY_ID": identity.access_key, "AWS_SECRET_ACCESS_KEY": identity.secret,
                            "LD_PRELOAD": str(tmp_path / "clock.so"), "PINFEED_TEST_AHEAD": str(tmp_path / "ahead")})
    sent.create_topics(kafka, pinfeed)
    pinfeed.ahead = tmp_path / "ahead"
    return pinfeed


@pytest.fixture
def daemon(pinfeed):
    pinfeed.start().wait_for("sends 1 post a second", 30)
    return pinfeed


def sends(pinfeed, kafka, more=3):
    before = kafka.end_offset(pinfeed.topic("user"))
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topic("user")) >= before + more, 40, f"{more} more posts")


def test_a_clock_that_is_set_back_by_an_hour_is_waited_for_by_nobody(daemon, kafka):
    daemon.ahead.touch()
    sends(daemon, kafka)
    daemon.ahead.unlink()
    sends(daemon, kafka)
    assert daemon.stop() == 0


def test_a_token_of_a_wrong_clock_is_replaced_as_soon_as_the_clock_is_right(daemon, kafka):
    sends(daemon, kafka)
    daemon.ahead.touch()
    seen = kafka.token_count()
    kafka.restart()
    daemon.wait_until(lambda: kafka.tokens(seen).rejected, 60, "a token of the future is refused")
    daemon.ahead.unlink()
    sends(daemon, kafka)
    assert daemon.stop() == 0


def test_a_daemon_of_a_role_that_starts_with_a_wrong_clock_begins_when_it_is_right(pinfeed, kafka):
    """As after a boot, before the clock is synchronised: AWS's answers tell the time."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del pinfeed.env[name]
    with Metadata(on_new=lambda who, until: kafka.allow(who, principal="role", expires_s=until)) as metadata:
        pinfeed.env.update(metadata.environment())
        pinfeed.ahead.touch()
        pinfeed.start().wait_for("this machine's clock is 60 min 0 s ahead of AWS's.*; keeps trying", 30)
        pinfeed.ahead.unlink()
        pinfeed.wait_for("sends 1 post a second", 60)
        sends(pinfeed, kafka)
        assert pinfeed.stop() == 0
