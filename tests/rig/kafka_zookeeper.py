"""A private Kafka 2.8.1 with its ZooKeeper: the version of these users' clusters. A plain listener alone."""

import signal

from . import paths
from .kafka import _JAVA_OPTIONS, Kafka, _clean_environment, _logging
from .process import Process, RigError, free_port

VERSION = "2.8.1"


class KafkaWithZookeeper(Kafka):
    """As Kafka, but that nobody is checked and nothing can be denied."""

    def __init__(self):
        super().__init__()
        self.zookeeper_port = free_port()
        self.zookeeper = None
        self.jars = paths.DEPS / f"kafka-{VERSION}"
        if not self.jars.is_dir():
            raise RigError(f"{self.jars} is missing; scripts/install-deps --brokers puts it there")

    def _java(self, log, *arguments):
        return Process(["java", *_JAVA_OPTIONS, *_logging("info"), "-cp", f"{self.jars}/*", *arguments], log, cwd=self.directory,
                       env=_clean_environment())

    def _settings(self):
        listener = f"PLAIN://127.0.0.1:{self.port}"
        return {
            "broker.id": 1, "zookeeper.connect": f"127.0.0.1:{self.zookeeper_port}", "log.dirs": self.directory / "data",
            "listeners": listener, "advertised.listeners": listener, "listener.security.protocol.map": "PLAIN:PLAINTEXT",
            "inter.broker.listener.name": "PLAIN", "num.partitions": 1, "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1, "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1, "transaction.state.log.num.partitions": 1, "log.cleaner.enable": "false",
            **self.options}

    def _launch(self):
        zookeeper = self.directory / "zookeeper.properties"
        zookeeper.write_text(f"dataDir={self.directory}/zookeeper\nclientPort={self.zookeeper_port}\n"
                             "clientPortAddress=127.0.0.1\nadmin.enableServer=false\nmaxClientCnxns=0\n")
        broker = self.directory / "server.properties"
        broker.write_text("".join(f"{k}={v}\n" for k, v in self._settings().items()))
        self.zookeeper = self._java(self.directory / "zookeeper.log", "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                                    zookeeper)
        since = self.log.stat().st_size if self.log.exists() else 0
        self.process = self._java(self.log, "kafka.Kafka", broker)
        self.process.wait_for(r"KafkaServer id=1\] started", 90, since)
        self._admin = None

    def close(self):
        if self.zookeeper:
            self.zookeeper.end(signal.SIGKILL)
        super().close()
