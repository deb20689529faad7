"""Every field of every result stands in the manual, and nothing else does."""

import json
import re

from confluent_kafka import Consumer, TopicPartition

from rig import free_port, paths

MANUAL = paths.ROOT / "etc" / "pinfeed.8.in"


def documented(command):
    """The paths that the manual's part about a command's result lists."""
    part, = re.findall(rf"^\.Ss {re.escape(command)}$(.*?)^\.S[sh] ", MANUAL.read_text(), re.M | re.S)
    return {path for line in re.findall(r"^\.It Li (.*)$", part, re.M) for path in re.split(r"\s*,\s*", line.strip())}


def printed(value, names=(), path=""):
    """The paths in a JSON value. names: {path of an object whose members the user named: what the manual calls one}"""
    found = set()
    for key, member in value.items() if isinstance(value, dict) else [("", v) for v in value] if isinstance(value, list) else ():
        if path in names and key != "error":
            key = names[path]
        below = path + "[]" if key == "" else f"{path}.{key}" if path else key
        found |= {below} | printed(member, names, below)
    return found


def compare(command, results, names=()):
    known = documented(command)
    found = set().union(*(printed(json.loads(r), names) for r in results))
    # An object needs no entry of its own where its members have one.
    needed = {p for p in found if not any(q.startswith((p + ".", p + "[]")) for q in found)}
    assert known <= found, f"in the manual only: {sorted(known - found)}"
    assert needed <= known, f"printed only: {sorted(needed - known)}"


def test_status(kafka, loaded):
    pinfeed = loaded(10)
    pinfeed.run("--replay", "--streams=pin").expect_exit(0)
    pinfeed.run("--replay", "--streams=pin", "--to=3").expect_exit(0)
    foreign = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": pinfeed.group})
    foreign.commit(offsets=[TopicPartition(pinfeed.topic("geo"), 0, 1)], asynchronous=False)
    foreign.close()

    def ask(*options):
        return pinfeed.beside("--status", "--json", *options).stdout
    pinfeed.start(f"--set=mysql.port={free_port()}")
    answers = [pinfeed.wait_until(lambda: (a := ask()) and (json.loads(a)["emulate"] or {}).get("waiting") and a, 30, "it waits")]
    pinfeed.freeze()
    answers.append(ask(f"--set=kafka.bootstrap.servers=127.0.0.1:{free_port()}"))
    pinfeed.thaw()
    pinfeed.stop()
    pinfeed.start("--follow", "--streams=user")
    answers.append(pinfeed.wait_until(lambda: (a := ask()) and json.loads(a)["follow"] and a, 30, "it follows"))
    compare("pinfeed --status --json", answers, {"replay": "STREAM", "follow.streams": "STREAM"})


def test_check_and_wrong_settings(mariadb, kafka, pinfeeds):
    pinfeed = pinfeeds(mariadb, kafka)
    answers = [pinfeed.run("--check", "--json").stdout, pinfeed.run("--check", "--json", "--set=emulate.rate=fast").stdout]
    assert pinfeed.run("--replay", "--json", "--set=emulate.rate=fast").stdout == answers[1]
    compare("pinfeed --check --json", answers)
    compare("pinfeed --check --json", answers[1:])


def test_replay(loaded):
    pinfeed = loaded(10)
    streams = {"streams": "STREAM"}
    plan = pinfeed.run("--replay", "--dry-run").expect_exit(0).stdout
    done = json.loads(pinfeed.run("--replay").expect_exit(0).stdout)
    done["streams"]["pin"]["in_doubt"] = 1              # test_replay_faults shows that there may be some
    compare("pinfeed --replay --dry-run --json", [plan], streams)
    compare("pinfeed --replay --json", [json.dumps(done)], streams)


def test_verify(mariadb, kafka, database, loaded):
    pinfeed = loaded(10)
    pinfeed.run("--replay").expect_exit(0)
    kafka.produce(pinfeed.topic("pin"), ["x"], "3")
    kafka.produce(pinfeed.topic("pin"), ["x"])
    mariadb.execute("INSERT INTO pinterest_data (`index`) VALUES (77)", "UPDATE pinterest_data SET title = 'new' WHERE `index` = 4",
                    database=database)
    kafka.produce(pinfeed.topic("geo"), ["x"], "4")
    answers = [pinfeed.run("--verify", "--show=1", *options).expect_exit(1).stdout for options in ((), ("--as=emulation",))]
    sent = kafka.end_offset(pinfeed.topic("pin"))
    pinfeed.start("--follow", "--streams=pin")
    pinfeed.wait_until(lambda: kafka.end_offset(pinfeed.topic("pin")) > sent, 30, "the new row is sent")
    assert pinfeed.stop() == 0
    mariadb.execute("INSERT INTO pinterest_data (`index`) VALUES (78)", database=database)
    answers.append(pinfeed.run("--verify", "--streams=pin").expect_exit(1).stdout)
    assert json.loads(answers[-1])["streams"]["pin"]["first_keys"]["awaited"] == ["78"]
    compare("pinfeed --verify --json", answers, {"streams": "STREAM"})


def test_settings_and_token(pinfeeds):
    pinfeed = pinfeeds(settings={"kafka": {"bootstrap.servers": "b-1.a.b.c2.kafka.eu-west-3.amazonaws.com:9098"}})
    pinfeed.env.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret")
    compare("pinfeed --show-settings --json", [pinfeed.run("--show-settings", "--json").expect_exit(0).stdout])
    compare("pinfeed --token", [pinfeed.run("--token").expect_exit(0).stdout])
