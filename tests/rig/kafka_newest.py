"""A private Kafka 4.1, with its new coordinators. A plain listener alone."""

from . import paths
from .kafka import _JAVA_OPTIONS, Kafka, _clean_environment, _logging
from .process import Process, RigError, run

VERSION = "4.1.0"
_OF_THE_RIG = ("authorizer", "super", "allow.everyone", "metric.reporters", "ssl.", "listener.name.iam")


class KafkaNewest(Kafka):
    """As Kafka, but that nobody is checked and nothing can be denied."""

    def __init__(self):
        super().__init__()
        self.jars = paths.DEPS / f"kafka-{VERSION}"
        if not self.jars.is_dir():
            raise RigError(f"{self.jars} is missing; scripts/install-deps --old-kafka puts it there")

    def _settings(self):
        settings = {k: v for k, v in super()._settings().items() if not k.startswith(_OF_THE_RIG)}
        for name in ("listeners", "advertised.listeners", "listener.security.protocol.map"):
            settings[name] = ",".join(part for part in settings[name].split(",") if not part.startswith("IAM:"))
        return settings

    def _launch(self):
        properties = self._write_properties(self.directory)
        java = ["java", *_JAVA_OPTIONS, *_logging(), "-cp", f"{self.jars}/*"]
        if not (self.directory / "data").exists():
            run([*java, "kafka.tools.StorageTool", "format", "-t", "cGluZmVlZC1yaWctMDAwMQ", "-c", properties],
                "formatting Kafka's data directory", cwd=self.directory, env=_clean_environment())
        since = self.log.stat().st_size if self.log.exists() else 0
        self.process = Process([*java, "kafka.Kafka", properties], self.log, cwd=self.directory, env=_clean_environment())
        self.process.wait_for(r"Kafka Server started", 90, since)
        self._admin = None
