"""The demo: a real MariaDB, a real Kafka that checks AWS signatures, and pinfeed in between. Run by scripts/demo.

Exits with 0 only if what it shows is true: the three topics hold the same posts, and every record equals its row.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import ExitStack

from rig import Identity, Kafka, MariaDB, Metadata, Pinfeed, paths, posts
from rig.encoder import rows_as_json

POSTS = 2000
RATE = 25                       # posts a second
STEPS = 7
FORGED_KEY = "AKIAFORGED0000000000"
STREAMS = {"pin": ("pinterest_data", "index"), "geo": ("geolocation_data", "ind"), "user": ("user_data", "ind")}
WIDTH = min(shutil.get_terminal_size((110, 24)).columns, 120)


class DemoFailed(Exception):
    pass


# ---- how it looks ----------------------------------------------------------------------------------------------------

_on_terminal = sys.stdout.isatty()


def bold(text):
    return f"\033[1m{text}\033[0m" if _on_terminal else text


def dim(text):
    return f"\033[2m{text}\033[0m" if _on_terminal else text


def say(text=""):
    print(text, flush=True)


class Step:
    """Announces a step as it starts, and says how long it took."""
    number = 0

    def __init__(self, title, lines_follow=False):
        Step.number += 1
        self.lines_follow = lines_follow
        self.head = f"{bold(f'[{Step.number}/{STEPS}]')} {title}"

    def __enter__(self):
        self.since = time.monotonic()
        print(self.head, "…", end="\n" if self.lines_follow else " ", flush=True)

    def __exit__(self, failure, *unused):
        if failure:
            say()
        elif not self.lines_follow:
            say(dim(f"{time.monotonic() - self.since:.1f} s"))


def show_lines(lines):
    for line in lines:
        say("      " + dim("| ") + line)


def show_record(topic, record):
    """A record as it arrived: nothing changed but the line ends between its members, and long texts cut."""
    say(f"      {bold(topic)}  partition {record.partition}, offset {record.offset}, key {record.key.decode()}")
    line = ""
    for member in _MEMBER.findall(record.value.decode()):
        member = member if len(member) <= 160 else member[:150] + "…"
        if line and len(line) + len(member) > WIDTH - 8:
            say("        " + line)
            line = ""
        line += member
    say("        " + line)


# A member of an object without white space, with what is before and behind it.
_MEMBER = re.compile(r'[{]?"(?:[^"\\]|\\.)*":(?:"(?:[^"\\]|\\.)*"|[^,}"]*)[,}]?')


# ---- what it does ----------------------------------------------------------------------------------------------------

def build():
    jobs = str(os.cpu_count() or 1)
    done = subprocess.run(["make", "-C", paths.ROOT, "-j", jobs, "--no-print-directory"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise DemoFailed("the build failed:\n" + done.stdout)


def create_topics(pinfeed):
    pinfeed.run("--create-topics")
    show_lines(pinfeed.stdout.splitlines() + pinfeed.log.splitlines())
    if pinfeed.exit_code != 0:
        raise DemoFailed(f"pinfeed --create-topics ended with {pinfeed.exit_code}")


def run_daemon(pinfeed, kafka, seconds):
    """Shows what it says as it says it; stops it after `seconds`, or when there is something to show at last."""
    pinfeed.start()
    end, shown = time.monotonic() + seconds, 0
    stopped = False
    while pinfeed.exit_code is None:
        if not stopped and time.monotonic() >= end and all(kafka.end_offset(topic) > 0 for topic in pinfeed.topics):
            pinfeed.send_signal(signal.SIGTERM)
            stopped, end = True, time.monotonic() + 20
        elif stopped and time.monotonic() >= end:
            raise DemoFailed("pinfeed did not stop within 20 s of SIGTERM")
        time.sleep(0.05)
        shown = show_new_lines(pinfeed, shown, whole_only=True)
    show_new_lines(pinfeed, shown)
    if pinfeed.exit_code != 0 or not stopped:
        raise DemoFailed(f"pinfeed ended with {pinfeed.exit_code}")


def show_new_lines(pinfeed, shown, whole_only=False):
    text = pinfeed.log[shown:]
    if whole_only:
        text = text[:text.rfind("\n") + 1]
    show_lines(text.splitlines())
    return shown + len(text)


def check(mariadb, records):
    """Every record equals its row, and the topics hold the same posts."""
    for name, (table, key) in STREAMS.items():
        expected = dict(rows_as_json(mariadb, mariadb.database, f"SELECT * FROM {table}", key))
        for record in records[name]:
            if expected.get(record.key) != record.value:
                raise DemoFailed(f"a record differs from its row: {record}\nexpected {expected.get(record.key)}")
    keys = {name: sorted(r.key for r in found) for name, found in records.items()}
    if not keys["pin"] or not keys["pin"] == keys["geo"] == keys["user"]:
        raise DemoFailed("the topics differ: " + ", ".join(f"{len(k)} records in {n}" for n, k in keys.items()))


def show_last_post(pinfeed, records):
    last = records["pin"][-1].key
    for name in STREAMS:
        show_record(pinfeed.topic(name), next(r for r in reversed(records[name]) if r.key == last))


def forge(mariadb, kafka, user_id):
    """pinfeed with a secret key that isn't the right one for its access key."""
    kafka.allow(Identity(FORGED_KEY, "theRightSecretThatNobodyTellsTheForger00"))
    with Pinfeed(mariadb, kafka, Identity(FORGED_KEY, "aGuessOfTheForger00000000000000000000000"), user_id) as pinfeed:
        pinfeed.run("--create-topics")
        show_lines(line for text in pinfeed.log.splitlines() for line in textwrap.wrap(text, WIDTH - 8))
        if pinfeed.exit_code != 78:
            raise DemoFailed(f"pinfeed ended with {pinfeed.exit_code} although its token was forged")


def start_servers(stack):
    with Step(f"A private MariaDB with {POSTS:,} sample posts, awkward ones among them"):
        mariadb = stack.enter_context(MariaDB())
        mariadb.load(posts.sql(POSTS))
    with Step("A private Kafka whose SASL_SSL listener checks AWS signatures, as MSK's does"):
        kafka = stack.enter_context(Kafka())
        metadata = stack.enter_context(Metadata(role="pinfeed-demo", on_new=lambda who, until: kafka.allow(
            who, principal="pinfeed-demo", expires_s=until)))
    return mariadb, kafka, metadata


def demo(seconds, stack):
    if "PINFEED" in os.environ:
        with Step(f"Taking {paths.binary()}"):
            pass
    else:
        with Step("Building pinfeed"):
            build()
    mariadb, kafka, metadata = start_servers(stack)
    pinfeed = stack.enter_context(Pinfeed(
        mariadb, kafka, iam=True, env=metadata.environment(),
        settings={"pinfeed": {"stats_interval": 5}, "emulate": {"rate": RATE}}))
    with Step("pinfeed --create-topics, with the credentials of a (pretended) EC2 instance", lines_follow=True):
        create_topics(pinfeed)
    with Step(f"pinfeed, for {seconds} s, {RATE} posts a second", lines_follow=True):
        run_daemon(pinfeed, kafka, seconds)
    with Step("The last post, as it arrived in each topic", lines_follow=True):
        records = {name: kafka.read_all(pinfeed.topic(name)) for name in STREAMS}
        show_last_post(pinfeed, records)
        check(mariadb, records)
        awkward = sum(posts.is_awkward(int(r.key)) for r in records["pin"])
        say(f"      {len(records['pin']):,} posts, {awkward} of them awkward; the three topics hold the same ones; "
            "every record equals its row.")
    with Step("A forged token: the access key is known, the secret key is wrong", lines_follow=True):
        forge(mariadb, kafka, pinfeed.user_id)
    tokens = kafka.tokens()
    reasons = ", ".join(sorted({t.reason for t in tokens.rejected}))
    say()
    accepted, rejected = len(tokens.accepted), len(tokens.rejected)
    say(f"The broker accepted {bold(accepted)} tokens and rejected {bold(rejected)} ({reasons}).")
    if not tokens.accepted or not tokens.rejected or any(t.access_key != FORGED_KEY for t in tokens.rejected):
        raise DemoFailed("only the forged token should have been rejected")


def main():
    parser = argparse.ArgumentParser(prog="demo", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=15, help="how long pinfeed runs (default: 15)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *unused: sys.exit(129))
    since = time.monotonic()
    say("Posts go from a real MariaDB through pinfeed into a real Kafka. All of it is private, on 127.0.0.1.")
    try:
        with ExitStack() as stack:
            demo(options.seconds, stack)
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; everything is stopped")
    except Exception as e:
        if not isinstance(e, (DemoFailed, AssertionError, OSError)) and os.environ.get("DEMO_DEBUG"):
            raise
        sys.exit(f"\nThe demo failed: {e}")
    say(f"Everything is stopped and removed; it took {time.monotonic() - since:.0f} s.")


if __name__ == "__main__":
    main()
