"""Emulation at a steady rate: how soon it begins, what it costs, how soon Kafka acknowledges, how soon it ends."""

import re
import signal
import time
from contextlib import closing
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from rig import Pinfeed
from rig.replay import create_topics

from .measure import cpu_s, peak_mib, watch

RATES = [1, 100, 1000, 1000000]         # posts a second; the last is more than it can reach

# Its last line about posts, which is the only one and so of the whole run.
_POSTS = re.compile(r"posts [\d,]+ \(\+[\d,]+, ([\d.]+)/s\), .*, ack p50 ([\d.]+ m?s) p99 ([\d.]+ m?s), "
                    "0 failed, 0 waiting")


class Emulation(NamedTuple):
    begin_s: float              # exec to the first record in the hands of a reader
    posts_s: float
    cpu_percent: float          # of one core, once it sends
    p50_ms: float               # acknowledgement of a record, as the journal has it: at most 1/8 too high
    p99_ms: float
    stop_s: float               # SIGTERM to exit
    peak_mib: float


def emulate(mariadb, kafka, rate, seconds):
    settings = {"pinfeed": {"stats_interval": 86400}, "emulate": {"rate": rate}}
    with Pinfeed(mariadb, kafka, settings=settings) as pinfeed:
        create_topics(kafka, pinfeed)
        begin_s = _begin(kafka, pinfeed)
        cpu, since = cpu_s(pinfeed.pid), time.monotonic()
        time.sleep(seconds)
        cpu_percent = (cpu_s(pinfeed.pid) - cpu) / (time.monotonic() - since) * 100
        peak, since = peak_mib(pinfeed.pid), time.monotonic()
        pinfeed.send_signal(signal.SIGTERM)
        stop_s = watch([pinfeed.process], since, 60).seconds
        posts = _POSTS.search(pinfeed.log)
        if not posts:
            raise AssertionError(f"what became of the posts was not said, or not all were delivered:\n{pinfeed.log}")
        for topic in pinfeed.topics:
            kafka.delete_topic(topic)
        return Emulation(begin_s, float(posts[1]), cpu_percent, _ms(posts[2]), _ms(posts[3]), stop_s, peak)


def _begin(kafka, pinfeed):
    with closing(Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "bench", "enable.auto.commit": False,
                           "log_level": 0})) as reader:
        reader.assign([TopicPartition(pinfeed.topic("pin"), 0, 0)])
        reader.poll(1)                  # it waits at the broker now
        since = time.monotonic()
        pinfeed.start()
        while True:
            message = reader.poll(0.5)
            if message and not message.error():
                return time.monotonic() - since
            if time.monotonic() > since + 120 or pinfeed.exit_code is not None:
                raise AssertionError(f"no record came; pinfeed said:\n{pinfeed.log}")


def _ms(words):
    number, unit = words.split()
    return float(number) * (1000 if unit == "s" else 1)
