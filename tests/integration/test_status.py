"""--status: what a daemon does, and how far replays are, told without disturbing either."""

import contextlib
import json
import os
import re
import signal
import socket
import time

import pytest

from rig import free_port, wait_until
from rig.replay import NUMBERS, cursor, load_posts, result


def told(pinfeed, exit_code=0):
    answer = pinfeed.beside("--status", "--json")
    assert answer.returncode == exit_code, answer.stderr
    return json.loads(answer.stdout)


def utc(text):
    return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone


# ---- a daemon -------------------------------------------------------------------------------------------------------

def test_a_daemon_that_sends_tells_its_posts_and_since_when(emulate, sample):
    began = int(time.time())
    pinfeed = emulate(sample, rate=200).start()
    found = pinfeed.wait_until(lambda: (d := told(pinfeed)["emulate"]) and d["posts"]["delivered"] > 100 and d, 30, "posts")
    assert found["pid"] == pinfeed.pid and began <= utc(found["up_since"]) <= time.time()
    assert found["posts"]["per_s"] > 0 and found["posts"]["failed"] == 0 and found["posts"]["bytes"] > 10000
    assert found["waiting"] is None and found["last_error"] is None
    text = pinfeed.beside("--status").stdout
    assert f"runs since {found['up_since']}, process {pinfeed.pid}" in text and "Sends 200 posts a second: " in text
    assert pinfeed.stop() == 0
    assert told(pinfeed)["emulate"] is None


def test_a_daemon_that_waits_tells_for_what_since_when_and_why(emulate, sample):
    pinfeed = emulate(sample, settings={"mysql": {"port": free_port()}})
    began = int(time.time())
    pinfeed.start()
    found = pinfeed.wait_until(lambda: (d := told(pinfeed)["emulate"]) and d["waiting"] and d, 30, "it waits")
    assert "MySQL: can't connect" in found["waiting"]["for"]
    assert began <= utc(found["waiting"]["since"]) <= time.time()
    assert "MySQL: can't connect" in found["last_error"]["text"] and found["last_error"]["at"] >= found["waiting"]["since"]
    assert "waits since " in pinfeed.beside("--status").stdout
    pinfeed.stop()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_where_no_daemon_runs_it_says_how_one_is_started(emulate, sample, end):
    pinfeed = emulate(sample)
    pinfeed.start().wait_for("sends 5000 posts")
    pinfeed.send_signal(end)
    pinfeed.wait()
    answer = pinfeed.beside("--status")
    assert answer.returncode == 0 and "no daemon runs here; start it with: systemctl start pinfeed" in answer.stdout
    pinfeed.start()                             # what a killed one left is not in its way
    pinfeed.wait_until(lambda: told(pinfeed)["emulate"], 20, "the next one tells")


def test_the_last_error_stays_when_it_is_over(emulate, mariadb, sample):
    pinfeed = emulate(sample, rate=50)
    mariadb.kill()
    pinfeed.start().wait_for("keeps trying")
    mariadb.start()
    pinfeed.wait_for("sends 50 posts", 30)
    assert told(pinfeed)["emulate"]["waiting"] is None
    assert re.search(r"^ +last error, at [\dTZ:-]+: MySQL: can't connect", pinfeed.beside("--status").stdout, re.M)


def test_a_daemon_that_hangs_is_no_daemon_that_does_not_run(emulate, sample):
    pinfeed = emulate(sample)
    pinfeed.start().wait_for("sends 5000 posts")
    pinfeed.freeze()
    answer = pinfeed.beside("--status", "--json")
    pinfeed.thaw()
    assert answer.returncode == 1 and "does not answer within 3 s" in answer.stderr
    assert "does not answer" in json.loads(answer.stdout)["emulate"]["error"]


def test_a_second_daemon_leaves_the_first_ones_voice_alone(emulate, sample):
    pinfeed = emulate(sample)
    pinfeed.start().wait_for("sends 5000 posts")
    first = pinfeed.pid
    assert "another pinfeed sends posts" in pinfeed.beside().stderr
    assert told(pinfeed)["emulate"]["pid"] == first


def test_a_state_directory_with_a_long_name_will_do(emulate, sample):
    pinfeed = emulate(sample)
    long = pinfeed.directory / ("x" * 120)
    long.mkdir()
    pinfeed.settings["pinfeed"]["state_dir"] = long
    pinfeed.start().wait_for("sends 5000 posts")
    assert told(pinfeed)["emulate"]["pid"] == pinfeed.pid


def test_what_answers_is_only_shown_as_text(emulate, sample):
    pinfeed = emulate(sample)
    path = f"emulate-{pinfeed.user_id}.socket"
    with socket.socket(socket.AF_UNIX) as s, contextlib.chdir(pinfeed.state_dir):
        s.bind(path)
        s.listen()
        for answer, shown in ((b"rubbish", "is not a pinfeed of this version"),
                              (b'{"pid":1,"doing":"\\u001b[2J evil"}', " evil")):
            pid = os.fork()
            if pid == 0:
                asked, _ = s.accept()
                asked.sendall(answer)
                os._exit(0)
            out = pinfeed.beside("--status")
            os.waitpid(pid, 0)
            assert shown in out.stdout and "\x1b" not in out.stdout + out.stderr


# ---- replays --------------------------------------------------------------------------------------------------------

def test_how_far_each_stream_is_and_by_whom_is_told(mariadb, kafka, pinfeeds, database):
    load_posts(mariadb, database, 30)
    pinfeed = pinfeeds(mariadb, kafka, database=database)
    for stream in ("pin", "geo", "user"):
        kafka.create_topic(pinfeed.topic(stream))
    pinfeed.run("--replay", "--streams=pin").expect_exit(0)
    pinfeed.run("--replay", "--streams=geo", "--from=5", "--to=9").expect_exit(0)
    found = told(pinfeed)["replay"]
    assert found["pin"]["main"] == {"rows": 30, "last_key": "29", "to": "29", "restart": False, "complete": True}
    assert found["pin"]["bounded"] is None and found["pin"]["signed_by"]["host"] == socket.gethostname()
    assert found["geo"]["main"] is None and found["geo"]["bounded"]["rows"] == 5
    assert found["geo"]["bounded"]["last_key"] == "9" and found["geo"]["signed_by"]["pid"] == pinfeed.pid
    assert found["user"] == {"main": None, "bounded": None, "signed_by": None}
    lines = pinfeed.beside("--status").stdout.splitlines()
    assert any(line.startswith("replay pin ") and "30 rows sent, last key 29, complete; by process " in line for line in lines)
    assert any(line.startswith("replay user ") and line.endswith("no replay has begun") for line in lines)


def test_a_replay_of_an_empty_table_is_complete(table):
    table.make("k INT PRIMARY KEY, v TEXT")
    table.replay()
    assert re.search(r"^replay t +0 rows sent, complete; by process", table.pinfeed.beside("--status").stdout, re.M)


def test_a_replay_that_is_looked_at_goes_on(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(2000), replay={"commit_rows": 50, "rate": 500})
    table.pinfeed.start("--replay", "--streams=t")
    table.pinfeed.wait_until(lambda: (cursor(table.kafka, table.pinfeed.group, table.topic, stable=False) or {}).get(
        "main", {}).get("rows", 0) > 100, 30, "rows")
    for _ in range(3):
        run = told(table.pinfeed)["replay"]["t"]["main"]
        assert 100 < run["rows"] < 2000 and not run["complete"] and run["to"] == "2000"
    assert "goes on to key 2000; by process" in table.pinfeed.beside("--status").stdout
    table.pinfeed.expect_exit(0)
    assert result(table.pinfeed)["streams"]["t"]["rows"] == 2000
    assert "starts over" not in table.pinfeed.log and table.keys() == [str(n) for n in range(1, 2001)]


def test_without_exactly_once_the_file_tells_and_nobody_is_asked(table):
    table.make("k INT PRIMARY KEY, v TEXT", NUMBERS.format(10), replay={"exactly_once": "no"})
    table.replay()
    table.pinfeed.settings["kafka"]["bootstrap.servers"] = f"127.0.0.1:{free_port()}"
    assert told(table.pinfeed)["replay"]["t"]["main"]["rows"] == 10


def test_without_a_broker_it_says_what_it_cannot_know(emulate, sample):
    pinfeed = emulate(sample, settings={"kafka": {"bootstrap.servers": f"127.0.0.1:{free_port()}"}})
    answer = pinfeed.beside("--status", "--json")
    assert answer.returncode == 1 and "Kafka can't be reached" in answer.stderr
    found = json.loads(answer.stdout)
    assert found["emulate"] is None and "Kafka can't be reached" in found["replay"]["error"]
    assert "no daemon runs here" in pinfeed.beside("--status").stdout


# ---- root -----------------------------------------------------------------------------------------------------------

@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_typed_by_root_it_asks_the_services_daemon(emulate, sample):
    service = 65534
    pinfeed = emulate(sample)
    pinfeed.directory.chmod(0o711)
    os.chown(pinfeed.state_dir, service, service)
    pinfeed.start().wait_for("sends 5000 posts")        # it became that user
    assert [p.stat().st_uid for p in pinfeed.state_dir.glob("*.socket")] == [service]
    assert told(pinfeed)["emulate"]["pid"] == pinfeed.pid
    wait_until(lambda: told(pinfeed)["emulate"]["posts"]["delivered"], 20, "posts")
