"""The rig: real parts for the tests and the demo, and fakes of what only AWS has.

Everything listens on 127.0.0.1, keeps its files in a directory of its own, and dies with the Python process that
started it.
"""

from .aws import Container, Metadata, Sts
from .kafka import Kafka
from .mariadb import MariaDB
from .mysql import MySQL
from .pinfeed import Pinfeed
from .process import free_port, wait_until
from .sigv4 import Identity
from .tokens import sign_token

__all__ = ["Container", "Identity", "Kafka", "MariaDB", "Metadata", "MySQL", "Pinfeed", "Sts", "free_port", "sign_token",
           "wait_until"]
