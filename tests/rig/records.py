"""Records in and out of a broker's plain listener."""

import time
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from .process import RigError, is_over


_NOT_YET = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC)


class Record(NamedTuple):
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: list               # of (name, bytes)
    timestamp_ms: int


def produce(bootstrap, topic, values, key=None):
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for value in values:
        producer.produce(topic, value, key)
    if producer.flush(20):
        raise RigError(f"could not produce to {topic}")


def end_offset(bootstrap, topic, partition, isolation="read_uncommitted"):
    """Waits for a broker that has just started to lead its partitions again, or to know one that was just made. Under
    read_committed it is where the first open transaction begins."""
    consumer = _consumer(bootstrap, {"isolation.level": isolation})
    since = time.monotonic()
    try:
        while True:
            try:
                return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)[1]
            except KafkaException as e:
                if is_over(since, 20) or not e.args[0].retriable() and e.args[0].code() not in _NOT_YET:
                    raise
                time.sleep(0.1)
    finally:
        consumer.close()


def read_to_end(bootstrap, topic, partitions, isolation, start, deadline_s):
    """See Kafka.read_all."""
    consumer = _consumer(bootstrap, {"enable.partition.eof": True, "isolation.level": isolation})
    try:
        consumer.assign([TopicPartition(topic, p, start.get(p, 0)) for p in range(partitions)])
        return _consume_to_end(consumer, set(range(partitions)), deadline_s, topic)
    finally:
        consumer.close()


def _consumer(bootstrap, more=()):
    # librdkafka wants a group, but nobody joins it or commits to it.
    return Consumer({"bootstrap.servers": bootstrap, "group.id": "rig-reads-without-a-group",
                     "enable.auto.commit": False, "auto.offset.reset": "error", "fetch.wait.max.ms": 50,
                     "log_level": 0, **dict(more)})


def _consume_to_end(consumer, open_partitions, deadline_s, topic):
    since, records = time.monotonic(), []
    while open_partitions:
        if is_over(since, deadline_s):
            raise AssertionError(f"could not read {topic} to its end; read {len(records)} records")
        for message in consumer.consume(5000, 0.2):
            error = message.error()
            if not error:
                records.append(Record(message.partition(), message.offset(), message.key(), message.value(),
                                      message.headers() or [], message.timestamp()[1]))
            elif error.code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
            elif not error.retriable() and error.code() not in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
                raise KafkaException(error)
    return sorted(records, key=lambda r: (r.partition, r.offset))
