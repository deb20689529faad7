"""Timings. They say how fast this machine is as well, so nothing passes or fails here: compare within one run.

Each measure is taken several times; what is compared is taken in turns (A B A B).
"""

import argparse
import json
import os
import re
import resource
import statistics
import time

from rig import Kafka, MariaDB, Pinfeed


def say(text):
    print(text, flush=True)


def median(values):
    return f"{statistics.median(values):.3g} (of {', '.join(f'{v:.3g}' for v in values)})"


def fill(mariadb, rows):
    """Three tables with `rows` posts, an index on each key, made inside the server."""
    mariadb.execute(
        "CREATE TABLE pinterest_data (`index` INT PRIMARY KEY, unique_id VARCHAR(36), title TEXT, description TEXT, "
        "poster_name TEXT, follower_count VARCHAR(20), tag_list TEXT, is_image_or_video VARCHAR(40), image_src TEXT, "
        "downloaded INT, save_location TEXT, category VARCHAR(40))",
        "CREATE TABLE geolocation_data (ind INT PRIMARY KEY, `timestamp` DATETIME, latitude FLOAT, longitude FLOAT, "
        "country VARCHAR(80))",
        "CREATE TABLE user_data (ind INT PRIMARY KEY, first_name VARCHAR(60), last_name VARCHAR(60), age INT, "
        "date_joined DATETIME)",
        f"INSERT INTO pinterest_data SELECT seq, UUID(), CONCAT('Post number ', seq), REPEAT('Words about it. ', 8), "
        f"'Somebody', '12k', 'One,Two,Three', 'image', CONCAT('https://i.example.com/', seq, '.jpg'), 1, "
        f"'Local save in /data/art', 'art' FROM seq_0_to_{rows - 1}",
        f"INSERT INTO geolocation_data SELECT seq, '2020-01-01' + INTERVAL seq SECOND, seq / 7, -seq / 3, 'Aruba' "
        f"FROM seq_0_to_{rows - 1}",
        f"INSERT INTO user_data SELECT seq, 'Ada', 'Low', 30, '2016-01-01' FROM seq_0_to_{rows - 1}")


def peak_mb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) / 1024


def start_of_the_daemon(mariadb, kafka, rounds):
    """From exec to the first line that says that it sends."""
    with Pinfeed(mariadb, kafka, settings={"emulate": {"rate": 1}}) as pinfeed:
        pinfeed.run("--create-topics")
        seconds, memory = [], []
        for _ in range(rounds):
            since = time.monotonic()
            pinfeed.start()
            pinfeed.wait_for("sends 1 posts", 120)
            seconds.append(time.monotonic() - since)
            memory.append(peak_mb(pinfeed.pid))
            pinfeed.stop()
        say(f"  start of the daemon: {median(seconds)} s; peak memory {median(memory)} MB")


def rate_of_posts(mariadb, kafka, rounds, rate=5000, posts=20000):
    with Pinfeed(mariadb, kafka, settings={"emulate": {"rate": rate, "posts": posts}}) as pinfeed:
        pinfeed.run("--create-topics")
        reached, cpu = [], []
        for _ in range(rounds):
            before, since = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            pinfeed.run()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            reached.append(posts / (time.monotonic() - since))
            cpu.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / posts * 1e6)
        say(f"  emulation asked for {rate} posts/s: {median(reached)} posts/s, {median(cpu)} us of CPU a post")


def replay(mariadb, kafka, rounds, streams, label):
    rates, cpu, memory = [], [], []
    for _ in range(rounds):
        with Pinfeed(mariadb, kafka) as pinfeed:
            pinfeed.run("--create-topics")
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            pinfeed.start("--replay", f"--streams={streams}")
            while pinfeed.exit_code is None:
                try:
                    peak = peak_mb(pinfeed.pid)
                except (OSError, AttributeError):
                    pass
                time.sleep(0.1)
            pinfeed.expect_exit(0)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            result = json.loads(pinfeed.stdout)["totals"]
            rates.append(result["rows"] / result["seconds"])
            cpu.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / result["rows"] * 1e6)
            memory.append(peak)
            for topic in pinfeed.topics:
                kafka.delete_topic(topic)
    say(f"  replay of {label}: {median(rates)} rows/s, {median(cpu)} us of CPU a row, peak memory {median(memory)} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000000, help="in each table (default: 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with MariaDB(options=["--innodb-buffer-pool-size=2G", "--innodb-flush-log-at-trx-commit=0"]) as mariadb, Kafka() as kafka:
        for rows in (min(10000, options.rows), options.rows):
            mariadb.execute("DROP TABLE IF EXISTS pinterest_data, geolocation_data, user_data")
            fill(mariadb, rows)
            say(f"{rows} rows in each table, {os.cpu_count()} CPUs, servers on the same machine:")
            start_of_the_daemon(mariadb, kafka, options.rounds)
            rate_of_posts(mariadb, kafka, options.rounds)
        replay(mariadb, kafka, options.rounds, "pin", "one stream")
        replay(mariadb, kafka, options.rounds, "pin,geo,user", "three streams")


if __name__ == "__main__":
    main()
