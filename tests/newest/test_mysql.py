"""pinfeed and Oracle's MySQL as users have it: accounts log in by caching_sha2_password, over TLS."""

import socket
import threading

import pytest

from rig import MySQL, posts, sent
from rig.mysql import MYSQLD

pytestmark = pytest.mark.skipif(not MYSQLD, reason="PINFEED_TEST_MYSQLD names no mysqld")

SERVERS = {"own-certificate": {}, "known-certificate": {"tls": True}}


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


def test_without_tls_the_password_stays_here(kafka, pinfeeds):
    with MySQL(options=["--tls-version="]) as server:
        server.load(posts.sql(20))
        made = pinfeeds(server, kafka)
        server.execute("FLUSH PRIVILEGES")
        made.run("--dry-run", "--replay").expect_exit(78)
        assert "[mysql] tls" in made.log and server.password not in made.log


def test_a_wrong_password_is_refused_and_not_shown(mysql, pinfeed, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("wr0ngPassword\n")
    wrong.chmod(0o600)
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


def test_the_password_is_not_on_the_wire(mysql, pinfeed):
    with socket.create_server((mysql.host, 0)) as listener:
        said = bytearray()
        threading.Thread(target=relay, args=(listener, mysql.port, said), daemon=True).start()
        pinfeed.settings["mysql"]["port"] = listener.getsockname()[1]
        pinfeed.run().expect_exit(0)
    assert len(said) > 100
    assert mysql.password.encode() not in said


def relay(listener, port, said):
    """Hands every connection on to the server and keeps what the clients say."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return                      # the test is over
        server = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=pump, args=(client, server, said), daemon=True).start()
        threading.Thread(target=pump, args=(server, client, bytearray()), daemon=True).start()


def pump(source, target, said):
    try:
        while data := source.recv(65536):
            said += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass                            # the other side has closed
