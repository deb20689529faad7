"""How soon a row that is committed is in a reader's hands with --follow, and what looking costs when nothing comes."""

import statistics
import sys
import threading
import time

from confluent_kafka import Consumer, TopicPartition

from rig import Kafka, MariaDB, Pinfeed
from rig.process import wait_until
from rig.replay import cursor

from .measure import cpu_s

RATES = [1, 100, 1000]


class Reader(threading.Thread):
    """Reads committed records; when each key came."""

    def __init__(self, kafka, topic):
        super().__init__(daemon=True)
        self.came, self.stopping = {}, False
        self.consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "bench", "enable.auto.commit": False,
                                  "isolation.level": "read_committed"})
        self.consumer.assign([TopicPartition(topic, 0, 0)])

    def run(self):
        while not self.stopping:
            for message in self.consumer.consume(1000, 0.05):
                self.came.setdefault(int(message.key()), time.monotonic())
        self.consumer.close()


def write(mariadb, database, rate, seconds):
    """One row a transaction, so many a second; when each was committed."""
    committed, begin = {}, time.monotonic()
    with mariadb.connect(database=database) as connection, connection.cursor() as c:
        for i in range(int(rate * seconds)):
            time.sleep(max(0, begin + i / rate - time.monotonic()))
            c.execute("INSERT INTO t (v) VALUES (REPEAT('x', 700))")
            committed[c.lastrowid] = time.monotonic()
    return committed


def measure(mariadb, kafka, seconds):
    database = mariadb.create_database()
    mariadb.execute("CREATE TABLE t (k BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, v TEXT)",
                    "INSERT INTO t SELECT NULL, 'x' FROM seq_1_to_1000", database=database)
    with Pinfeed(mariadb, kafka, database=database, settings={"stream t": {"table": "t", "key": "k"},
                                                             "pinfeed": {"stats_interval": 60}}) as pinfeed:
        topic = kafka.create_topic(pinfeed.topic("t"))
        reader = Reader(kafka, topic)
        reader.start()
        pinfeed.start("--follow", "--streams=t")
        wait_until(lambda: (cursor(kafka, pinfeed.group, topic, False) or {}).get("main", {}).get("rows") == 1000, 60, "begun")
        time.sleep(65)                  # what lies before the first row is settled then
        cpu, since = cpu_s(pinfeed.pid), time.monotonic()
        time.sleep(seconds)
        print(f"idle: {100 * (cpu_s(pinfeed.pid) - cpu) / (time.monotonic() - since):.2f} % of a core")
        for rate in RATES:
            cpu, since = cpu_s(pinfeed.pid), time.monotonic()
            committed = write(mariadb, database, rate, seconds)
            percent = 100 * (cpu_s(pinfeed.pid) - cpu) / (time.monotonic() - since)
            wait_until(lambda: committed.keys() <= reader.came.keys(), 60, "all of them came")
            waits = sorted(reader.came[k] - t for k, t in committed.items())
            print(f"{rate} rows/s ({len(waits) / (max(committed.values()) - min(committed.values())):.0f}): "
                  f"p50 {statistics.median(waits):.2f} s, p99 {waits[int(len(waits) * 0.99)]:.2f} s, "
                  f"most {waits[-1]:.2f} s, {percent:.1f} % of a core", flush=True)
        reader.stopping = True
        reader.join()
        assert pinfeed.stop() == 0


def main():
    with MariaDB() as mariadb, Kafka() as kafka:
        measure(mariadb, kafka, int(sys.argv[1]) if len(sys.argv) > 1 else 30)


if __name__ == "__main__":
    main()
