"""pinfeed and Oracle's MySQL as users have it: accounts log in by caching_sha2_password, over TLS and without."""

import pytest

from rig import MySQL, posts, sent
from rig.mysql import MYSQLD

pytestmark = pytest.mark.skipif(not MYSQLD, reason="PINFEED_TEST_MYSQLD names no mysqld")

SERVERS = {"own-certificate": {}, "known-certificate": {"tls": True}, "no-tls": {"options": ["--tls-version="]}}


@pytest.fixture(scope="module", params=SERVERS, ids=SERVERS)
def mysql(request):
    with MySQL(**SERVERS[request.param]) as server:
        server.load(posts.sql(200))
        yield server


@pytest.fixture
def pinfeed(mysql, kafka, pinfeeds):
    made = pinfeeds(mysql, kafka, settings={"emulate": {"rate": 1000, "posts": 50}})
    if hasattr(mysql, "ca_file"):
        made.settings["mysql"]["ssl_ca"] = mysql.ca_file
    sent.create_topics(kafka, made)
    mysql.execute("FLUSH PRIVILEGES")   # the next log-in is a full one, as an account's first
    return made


def test_an_account_logs_in_and_its_rows_arrive(mysql, kafka, pinfeed):
    pinfeed.run().expect_exit(0)
    found = sent.records(kafka, pinfeed)
    assert len(sent.posts(found)) == 50
    sent.equal_rows(mysql, mysql.database, found)
    pinfeed.run().expect_exit(0)        # the server remembers the account, and asks less


def test_a_wrong_password_is_refused_and_not_shown(mysql, pinfeed, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("wr0ngPassword\n")
    pinfeed.settings["mysql"]["password_file"] = wrong
    for remembered in (False, True):
        if remembered:
            pinfeed.settings["mysql"]["password_file"] = mysql.password_file
            pinfeed.run("--dry-run", "--replay").expect_exit(0)
            pinfeed.settings["mysql"]["password_file"] = wrong
        pinfeed.run().expect_exit(78)
        assert "Access denied for user 'pinfeed'" in pinfeed.log and "password_file" in pinfeed.log
        assert "wr0ngPassword" not in pinfeed.log and mysql.password not in pinfeed.log


def test_a_certificate_of_somebody_else_is_refused(mysql, kafka, pinfeed):
    pinfeed.settings["mysql"]["ssl_ca"] = kafka.ca_file
    pinfeed.run().expect_exit(78)
    assert "ssl_ca" in pinfeed.log
