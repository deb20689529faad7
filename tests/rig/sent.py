"""What arrived in the topics, against what is in the tables."""

import collections

from confluent_kafka import KafkaException

from .encoder import rows_as_json
from .process import wait_until

# Stream -> its table and key column, as pinfeed has them by default.
STREAMS = {"pin": ("pinterest_data", "index"), "geo": ("geolocation_data", "ind"), "user": ("user_data", "ind")}


def create_topics(kafka, pinfeed, partitions=1, **config):
    def create(topic):
        try:
            return kafka.create_topic(topic, partitions, **config)
        except KafkaException:          # a broker that a test froze is fenced for a moment
            return None
    for topic in pinfeed.topics:
        wait_until(lambda topic=topic: create(topic), 20, f"{topic} is created", 0.2)


def records(kafka, pinfeed):
    """Stream -> records."""
    return {name: kafka.read_all(pinfeed.topic(name)) for name in STREAMS}


def posts(found):
    """The keys of the posts in the order in which they were sent; fails unless each topic has the same ones in the
    same numbers."""
    counts = {name: collections.Counter(r.key for r in of_topic) for name, of_topic in found.items()}
    for name in ("geo", "user"):
        assert counts[name] == counts["pin"], (
            f"{name} differs from pin: more {counts[name] - counts['pin']}, less {counts['pin'] - counts[name]}")
    return [r.key for r in found["pin"]]


def same_set(found):
    """The keys of the posts; fails unless each topic has the same ones, however often."""
    keys = {name: {r.key for r in of_topic} for name, of_topic in found.items()}
    assert keys["geo"] == keys["pin"] and keys["user"] == keys["pin"], keys
    return keys["pin"]


def equal_rows(mariadb, database, found):
    """Fails unless each record equals its row byte for byte."""
    for name, of_topic in found.items():
        table, key = STREAMS[name]
        rows = dict(rows_as_json(mariadb, database, f"SELECT * FROM {table}", key))
        for record in of_topic:
            assert record.value == rows.get(record.key), (name, record)
