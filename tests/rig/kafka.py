"""A private single-node Kafka broker with a plain listener and one that checks AWS signatures."""

import collections
import functools
import hashlib
import os
import shutil
import signal
import threading

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient,
                                   NewTopic, ResourcePatternType, ResourceType)

from . import paths
from .certificates import make_certificates
from .process import Process, RigError, Server, free_port, run, wait_until
from .records import end_offset, produce, read_to_end
from .tokens import read_log

VERSION = os.environ.get("PINFEED_TEST_KAFKA") or "3.9.1"
_JAVA_SOURCES = paths.ROOT / "tests" / "rig" / "java" / "pinfeed" / "rig"


# Quick start and a small footprint matter here, peak speed doesn't.
_JAVA_OPTIONS = ["-Xmx640m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
                 "-Djava.awt.headless=true"]


def _archive(directory):
    """What the JVM makes of the classes that a broker loads when it starts: kept, a third of a start is saved."""
    with Kafka(record=directory / "classes.jsa") as kafka:
        kafka.stop(300)         # it is written then


def _compile(directory):
    jars = paths.DEPS / f"kafka-{VERSION}"
    if not jars.is_dir():
        raise RigError(f"{jars} is missing; scripts/install-deps puts it there")
    classes = directory / "classes"
    run(["javac", "-nowarn", "-d", classes, "-cp", f"{jars}/*", *sorted(_JAVA_SOURCES.glob("*.java"))],
        "compiling the token check")
    run(["jar", "-c", "-f", directory / "rig.jar", "-C", classes, "."], "packing the token check")


@functools.cache
def _version():
    """Names this Kafka with our classes."""
    sources = b"".join(source.read_bytes() for source in sorted(_JAVA_SOURCES.glob("*.java")))
    return f"{VERSION}-{hashlib.sha256(sources).hexdigest()[:12]}"


def _class_path():
    """Our classes, compiled when they have changed, and the broker's."""
    ours = paths.made_once(f"token-check-{_version()}", _compile) / "rig.jar"
    jars = sorted((paths.DEPS / f"kafka-{VERSION}").glob("*.jar"))
    return ":".join(str(p) for p in [ours, *jars])


class Kafka(Server):
    """`bootstrap` speaks PLAINTEXT to anybody, `iam_bootstrap` SASL_SSL with OAUTHBEARER to those whose token is right.
    The broker creates topics that somebody asks for, as careless real ones do."""

    name = "Kafka"
    ANONYMOUS = "User:ANONYMOUS"        # who comes in through the plain listener; may do everything

    def __init__(self, session_ms=0, options=None, record=None):
        """session_ms: sessions of the IAM listener end that early (0: with their token). record: a file for _archive()."""
        super().__init__()
        self.directory = paths.private_directory("kafka")
        self.log = self.directory / "log"
        self.port, self.iam_port, self.controller_port = _three_ports()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.iam_bootstrap = f"127.0.0.1:{self.iam_port}"
        self.session_ms = session_ms
        self.options = options or {}
        self._record = record
        self._certificates = make_certificates(self.directory)
        self.ca_file = self._certificates.ca
        self._secrets = {}
        self._lock = threading.Lock()
        self._admin = None
        self._denying = False

    # ---- life --------------------------------------------------------------------------------------------------------

    def _settings(self):
        listener = "listener.name.iam"
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAIN://127.0.0.1:{self.port},IAM://127.0.0.1:{self.iam_port},"
                         f"CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAIN://127.0.0.1:{self.port},IAM://127.0.0.1:{self.iam_port}",
            "listener.security.protocol.map": "PLAIN:PLAINTEXT,IAM:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAIN",
            "log.dirs": self.directory / "data",
            "num.partitions": 1,
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
            "auto.create.topics.enable": "true",
            "log.cleaner.enable": "false",
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
            "broker.session.timeout.ms": 2000,          # a killed broker may register again after that
            "broker.heartbeat.interval.ms": 500,
            "metadata.max.idle.interval.ms": 0,         # a broker that idles writes nothing
            "authorizer.class.name": "pinfeed.rig.MskAuthorizer",
            "super.users": self.ANONYMOUS,
            "allow.everyone.if.no.acl.found": "true",
            "metric.reporters": "pinfeed.rig.SessionCount",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._certificates.keystore,
            f"{listener}.sasl.enabled.mechanisms": "OAUTHBEARER",
            f"{listener}.oauthbearer.sasl.server.callback.handler.class": "pinfeed.rig.TokenCheck",
            f"{listener}.oauthbearer.sasl.jaas.config":
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
        }
        if self.session_ms:
            settings[f"{listener}.oauthbearer.connections.max.reauth.ms"] = self.session_ms
        settings.update(self.options)
        return settings

    def _launch(self):
        if not (self.directory / "data").exists():
            shutil.copytree(paths.made_once(f"kafka-{VERSION}-formatted", self._format), self.directory / "data")
        properties = self._write_properties(self.directory)
        since = self.log.stat().st_size if self.log.exists() else 0
        self.process = Process(
            ["java", *_JAVA_OPTIONS, self._sharing(), f"-Dpinfeed.rig={self.directory}",
             *_logging(), "-cp", _class_path(), "kafka.Kafka", properties],
            self.log, cwd=self.directory, env=_clean_environment())
        self.process.wait_for(r"Kafka Server started", 90, since)
        self._admin = None              # an old handle may take its time to find the new process

    def _sharing(self):
        if self._record:
            return f"-XX:ArchiveClassesAtExit={self._record}"
        # A JVM that finds it made for another one, or for other files, does without.
        return f"-XX:SharedArchiveFile={paths.made_once(f'classes-{_version()}', _archive)}/classes.jsa"

    def _format(self, directory):
        """An empty data directory as kafka-storage.sh makes it; the same for every broker."""
        properties = self._write_properties(directory, {"log.dirs": directory})
        run(["java", *_JAVA_OPTIONS, *_logging("error"), "-cp", _class_path(), "kafka.tools.StorageTool",
             "format", "-t", "cGluZmVlZC1yaWctMDAwMQ", "-c", properties], "formatting Kafka's data directory",
            cwd=directory, env=_clean_environment())
        properties.unlink()

    def _write_properties(self, directory, changes=None):
        path = directory / "server.properties"
        path.write_text("".join(f"{k}={v}\n" for k, v in {**self._settings(), **(changes or {})}.items()))
        return path

    def stop(self, deadline_s=30):
        if self.process:
            self.process.end(signal.SIGTERM, deadline_s)

    def recover(self):
        super().recover()
        self.refuse_everybody(False)
        self._secrets.clear()
        self._write_secrets()
        if self._denying:
            self.allow_everything()

    def close(self):
        if self.process:
            self.process.end(signal.SIGKILL)    # nobody needs the data any more
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- who is let in -----------------------------------------------------------------------------------------------

    def allow(self, identity, principal=None, expires_s=None, region=None, deny=False):
        """Lets an identity in, as `principal` (default: its access key), until expires_s (epoch), if its token is for
        `region` (default: any). deny: knows it, and refuses it."""
        fields = [identity.access_key, identity.secret, identity.session_token, principal,
                  None if expires_s is None else int(expires_s), "deny" if deny else "allow", region]
        with self._lock:
            self._secrets[identity.access_key] = "\t".join("-" if f is None else str(f) for f in fields) + "\n"
            self._write_secrets()
        return identity

    def forget(self, identity):
        """Lets an identity in no longer."""
        with self._lock:
            self._secrets.pop(identity.access_key, None)
            self._write_secrets()

    def _write_secrets(self):
        fresh = self.directory / "secrets.new"
        fresh.write_text("".join(self._secrets.values()))
        fresh.rename(self.directory / "secrets")

    def refuse_everybody(self, refuse=True):
        """Refuses every token from now on, or no longer. Sessions that are open stay open until they end."""
        if refuse:
            (self.directory / "refuse").touch()
        else:
            (self.directory / "refuse").unlink(missing_ok=True)

    def tokens(self, since=0):
        """Tokens that the broker was shown: accepted and rejected ones (class Token). since: skip as many as were
        there at an earlier moment (token_count())."""
        return read_log(self.directory / "tokens.log", since)

    def token_count(self):
        path = self.directory / "tokens.log"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def sessions(self):
        """Counters of the IAM listener since the broker's start; at most half a second old. Sessions re-authenticated
        in place: ["successful-reauthentication-total"]; cut for not doing it: ["expired-connections-killed-count"]."""
        path = self.directory / "sessions"
        counts = collections.Counter()
        if path.exists():
            counts.update({name: int(n) for name, n in map(str.split, path.read_text().splitlines())})
        return counts

    # ---- who may do what ---------------------------------------------------------------------------------------------

    def deny(self, principal, operation, resource="topic", name="*"):
        """Takes a right from "User:<principal>". operation: an AclOperation's name (WRITE, IDEMPOTENT_WRITE, CREATE,
        DESCRIBE, READ, ALL, ...); resource: topic, group, cluster, transactional_id. Undone by allow_everything()."""
        self._denying = True
        self._acls([_acl("User:*", "ALL", kind, "kafka-cluster" if kind == "cluster" else "*", AclPermissionType.ALLOW)
                    for kind in _RESOURCES]
                   + [_acl(f"User:{principal}", operation, resource, "kafka-cluster" if resource == "cluster" else name,
                           AclPermissionType.DENY)])

    def allow_everything(self):
        """Everybody who is let in may do everything again."""
        every = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY,
                                 AclPermissionType.ANY)
        for future in self.admin().delete_acls([every]).values():
            future.result(10)
        self._denying = False

    def _acls(self, bindings):
        for future in self.admin().create_acls(bindings).values():
            future.result(10)

    # ---- topics and records ------------------------------------------------------------------------------------------

    def admin(self):
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        return self._admin

    def create_topic(self, name, partitions=1, **config):
        """config: topic settings, with _ for the dots."""
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1,
                         config={k.replace("_", "."): str(v) for k, v in config.items()})
        # On a machine that is busy a broker may lose its own heartbeat, and take no topics for a moment.
        wait_until(lambda: self._create(topic), 30, f"topic {name} can be created", 0.2)
        wait_until(lambda: self.topics().get(name) == partitions, 20, f"topic {name} exists")
        return name

    def _create(self, topic):
        try:
            self.admin().create_topics([topic], operation_timeout=10)[topic.topic].result(20)
            return True
        except KafkaException as e:
            if e.args[0].code() != KafkaError.INVALID_REPLICATION_FACTOR:
                raise
            return False

    def delete_topic(self, name):
        self.admin().delete_topics([name], operation_timeout=10)[name].result(20)
        wait_until(lambda: name not in self.topics(), 20, f"topic {name} is gone")

    def topics(self):
        """Names of the users' topics, each with the number of its partitions."""
        found = self.admin().list_topics(timeout=20).topics
        return {name: len(t.partitions) for name, t in found.items() if not name.startswith("__")}

    def produce(self, topic, values, key=None):
        """Puts records into a topic, behind pinfeed's back."""
        produce(self.bootstrap, topic, values, key)

    def read_all(self, topic, isolation="read_uncommitted", start=None, deadline_s=60):
        """Every record from the beginning (or from {partition: offset}) up to the end at this moment, in partition and
        offset order. Under read_committed the end lies before the first open transaction."""
        partitions = self.topics().get(topic)
        if not partitions:
            raise AssertionError(f"topic {topic} does not exist")
        return read_to_end(self.bootstrap, topic, partitions, isolation, start or {}, deadline_s)

    def wait_for_records(self, topic, count, deadline_s=30, isolation="read_uncommitted"):
        """Waits until a topic holds at least `count` records; returns all."""
        return wait_until(lambda: _if_enough(self.read_all(topic, isolation), count), deadline_s,
                          lambda: f"{count} records in {topic}; it has {len(self.read_all(topic, isolation))}", 0.1)

    def end_offset(self, topic, partition=0, isolation="read_uncommitted"):
        return end_offset(self.bootstrap, topic, partition, isolation)

    # ---- groups ------------------------------------------------------------------------------------------------------

    def group_offsets(self, group, stable=True):
        """{(topic, partition): (offset, metadata)} that are committed; stable: those of open transactions are awaited.
        Asked as a consumer: listing a group's offsets crashes librdkafka when a coordinator moves or is just made."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "log_level": 0,
                             "isolation.level": "read_committed" if stable else "read_uncommitted"})
        try:
            topics = consumer.list_topics(timeout=20).topics.values()
            asked = [TopicPartition(t.topic, p) for t in topics if not t.topic.startswith("__") for p in t.partitions]
            found = self._when_loaded(lambda: consumer.committed(asked, timeout=45)) if asked else []
        finally:
            consumer.close()
        return {(p.topic, p.partition): (p.offset, _metadata(p)) for p in found if p.offset >= 0}

    def set_group_offset(self, group, topic, partition, offset):
        request = [ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition, offset)])]
        self._when_loaded(lambda: self.admin().alter_consumer_group_offsets(request)[group].result(20))

    @staticmethod
    def _when_loaded(ask):
        """What a broker answers that, just started, may read its groups still."""
        answers = []

        def asked():
            try:
                answers.append(ask())
            except KafkaException as e:
                if e.args[0].code() not in _LOADING:
                    raise
            return answers
        return wait_until(asked, 30, "the broker has read its groups", 0.2)[0]

    def delete_group(self, group):
        self.admin().delete_consumer_groups([group])[group].result(20)


_LOADING = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE)
_RESOURCES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "cluster": ResourceType.BROKER,
              "transactional_id": ResourceType.TRANSACTIONAL_ID}


def _acl(principal, operation, resource, name, permission):
    return AclBinding(_RESOURCES[resource], name, ResourcePatternType.LITERAL, principal, "*", AclOperation[operation],
                      permission)


def _metadata(partition):
    """confluent-kafka reads on until a NUL: there may be anything behind the metadata."""
    try:
        return partition.metadata or ""
    except UnicodeDecodeError as e:
        return e.object.decode(errors="replace")


def _if_enough(records, count):
    return records if len(records) >= count else None


def _three_ports():
    ports = set()
    while len(ports) < 3:
        ports.add(free_port())
    return ports


def _logging(level="warn"):
    prefix = "-Dorg.slf4j.simpleLogger"
    return [f"{prefix}.defaultLogLevel={level}", f"{prefix}.showDateTime=true",
            f"{prefix}.dateTimeFormat=HH:mm:ss.SSS", f"{prefix}.log.kafka.server.KafkaRaftServer=info"]


def _clean_environment():
    return {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "JAVA_HOME", "LANG", "TMPDIR")}
