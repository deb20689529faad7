"""Figures: pinfeed beside what one would use instead, then the emulation. They say how fast this machine is as well, so
nothing passes or fails here; compare within one run. Everything is taken in turns, each round in another order: whoever runs
later is quicker on some machines."""

import argparse
import json
import os
import platform
import random
import re
import signal
import statistics
import sys

from rig import Kafka, MariaDB, paths
from rig.kafka import VERSION
from rig.process import run

from . import emulation, ways
from .emulation import emulate

NOTE = f"""\
rows/s: from exec to exit. CPU: seconds of the tool and of the database a million rows. peak: resident, at once.
of loop: rows/s beside the transactional loop's on the same listener (or the plain one), in the same round.
* a Python client that keeps its connection, a server that only answers; {ways.HTTP_RECORDS:,} records, extrapolated.
exec to first record: as a reader sees it; at 1 post/s with the random pause before the first post, up to 2 s."""


def progress(text):
    """One line that is written over; without a terminal, lines."""
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, end="" if sys.stderr.isatty() else "\n", file=sys.stderr,
          flush=True)


def spread(values, digits):
    """The median, and from where to where."""
    low, middle, high = (f"{v:,.{digits}f}" for v in (min(values), statistics.median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low}–{high})"


def machine(mariadb):
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read())
    return {"cpu": cpu[1].strip() if cpu else platform.machine(), "cores": os.cpu_count(), "linux": platform.release(),
            "mariadb": mariadb.execute("SELECT VERSION()")[0][0], "kafka": VERSION,
            "pinfeed": run([paths.binary(), "--version"], "asking for the version").split("\n")[0]}


# ---- tables ----------------------------------------------------------------------------------------------------------

def table(head, lines):
    widths = [max(len(row[i]) for row in [head, *lines]) for i in range(len(head))]
    for row in [head, ["-" * w for w in widths], *lines]:
        print("  ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]).rstrip())
    print()


def print_ways(taken):
    marks = {way.listener: [t.rows / t.seconds for t in runs] for way, runs in taken.items() if way.name == ways.MARK}
    lines = []
    for way, runs in taken.items():
        speeds = [t.rows / t.seconds for t in runs]
        mark = marks.get(way.listener) or marks["plain"]
        lines.append([str(way), spread(speeds, 0),
                      spread([t.value_bytes / t.seconds / 1e6 for t in runs], 0),
                      spread([t.cpu_s / t.rows * 1e6 for t in runs], 2),
                      spread([t.database_cpu_s / t.rows * 1e6 for t in runs], 2),
                      spread([t.peak_mib for t in runs], 0), spread([s / m for s, m in zip(speeds, mark)], 2)])
    table(["", "rows/s", "MB/s", "CPU s", "database CPU s", "peak MiB", "of loop"], lines)


def print_emulation(taken):
    lines = []
    for rate, runs in taken.items():
        name = "as many as it can" if rate == emulation.RATES[-1] else f"{rate:,} posts/s"
        lines.append([name] + [spread([getattr(t, field) for t in runs], digits) for field, digits in
                               (("posts_s", 0), ("cpu_percent", 2), ("p50_ms", 1), ("p99_ms", 1), ("begin_s", 3),
                                ("stop_s", 3), ("peak_mib", 0))])
    table(["emulation, plain", "posts/s", "% of a core", "ack p50 ms", "ack p99 ms", "exec to first record s", "stop s",
           "peak MiB"], lines)


# ---- rounds ----------------------------------------------------------------------------------------------------------

def rounds(count, what, todo):
    """{key: [result a round]}, in turns, each round in another order, the same in each run. todo: {key: (name, function)}"""
    taken = {key: [] for key in todo}
    for i in range(count):
        for key, (name, function) in random.Random(i).sample(list(todo.items()), len(todo)):
            progress(f"{what}, round {i + 1} of {count}: {name}")
            taken[key].append(function())
    return taken


def main():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=1000000, help="in each table (default: 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="writes every figure into it")
    options = parser.parse_args()
    seconds = 20 if options.rows >= 100000 else 3       # of emulation at each rate
    progress(f"starts MariaDB and Kafka, fills {options.rows:,} rows into each table")
    with MariaDB(options=["--innodb-buffer-pool-size=2G", "--innodb-flush-log-at-trx-commit=0"]) as mariadb, \
            Kafka() as kafka, ways.Ways(mariadb, kafka, options.rows) as w:
        row_bytes, on = w.row_bytes, machine(mariadb)
        replays = rounds(options.rounds, "replay", {way: (str(way), lambda way=way: way.run(w))
                                                    for way in ways.ALL})
        emulations = rounds(options.rounds, "emulation", {
            rate: (f"{rate:,} posts/s for {seconds} s", lambda rate=rate: emulate(mariadb, kafka, rate, seconds))
            for rate in emulation.RATES})
    progress("" if sys.stderr.isatty() else "done")
    print(f"""{options.rows:,} rows of {row_bytes:.0f} B; rounds, in turns: {options.rounds}.
{on['cpu']}, {on['cores']} cores, Linux {on['linux']}; on the same machine MariaDB {on['mariadb']}
and Kafka {on['kafka']} (one node, as the tests run it); {on['pinfeed']}.
""")
    print_ways(replays)
    print_emulation(emulations)
    print(NOTE)
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"rows": options.rows, "row_bytes": row_bytes, "machine": on,
                       "ways": [{"name": way.name, "listener": way.listener, "runs": [t._asdict() for t in runs]}
                                for way, runs in replays.items()],
                       "emulation": [{"rate": rate, "seconds": seconds, "runs": [t._asdict() for t in runs]}
                                     for rate, runs in emulations.items()]}, f, indent=1)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):       # the servers end, the files go
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    main()
