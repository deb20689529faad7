"""pinfeed on the machine, configured as its README tells, and driven as an administrator would."""

import re
import secrets

import message_ids


def _insert(table, expressions):
    return f"INSERT INTO {table} SELECT {expressions} FROM seq_1_to_500"


class Installation:
    TABLES = [
        "CREATE TABLE pinterest_data (`index` INT PRIMARY KEY, title TEXT, follower_count VARCHAR(20))",
        "CREATE TABLE geolocation_data (ind INT PRIMARY KEY, timestamp DATETIME, latitude FLOAT, country TEXT)",
        "CREATE TABLE user_data (ind INT PRIMARY KEY, first_name TEXT, age INT, date_joined DATETIME)",
        _insert("pinterest_data", "seq, CONCAT('title ', seq), '12k'"),
        _insert("geolocation_data", "seq, '2020-04-27 13:34:16', seq / 7, 'Armenia'"),
        _insert("user_data", "seq, 'Dylan', 32, '2016-10-23 14:06:51'"),
    ]
    ROWS = 500
    STREAMS = ("pin", "geo", "user")

    def __init__(self, machine, mariadb, kafka, identity):
        self.machine, self.mariadb, self.kafka, self.identity = machine, mariadb, kafka, identity
        self.user_id = secrets.token_hex(6)
        self.settings = {
            "pinfeed": {"user_id": self.user_id, "stats_interval": 1},
            "mysql": {"host": mariadb.host, "port": mariadb.port, "user": mariadb.user, "database": mariadb.database},
            "kafka": {"bootstrap.servers": kafka.iam_bootstrap, "ssl.ca.location": "/etc/pinfeed/ca.pem"},
            "aws": {"region": "us-east-1"},
            "emulate": {"rate": 50},
        }

    def __enter__(self):
        self._since = self.machine.cursor()
        self.configure()
        self.write_password(self.mariadb.password + "\n")
        self.machine.write("/etc/pinfeed/ca.pem", self.kafka.ca_file.read_text())
        self.machine.write("/etc/pinfeed/environment", "AWS_EC2_METADATA_DISABLED=true\n")
        self.machine.write("/etc/pinfeed/aws/credentials", "[default]\n"
                           f"aws_access_key_id = {self.identity.access_key}\n"
                           f"aws_secret_access_key = {self.identity.secret}\n", 0o640, "pinfeed")
        for topic in self.topics:
            self.kafka.create_topic(topic)
        return self

    def __exit__(self, *unused):
        self.machine.run("systemctl", "disable", "--now", "pinfeed-replay.timer")
        for unit in ("pinfeed", "pinfeed-replay", "pinfeed-follow"):
            self.machine.run("systemctl", "stop", unit)
            self.machine.run("systemctl", "reset-failed", unit, check=False)
        self.machine.run("rm", "-rf", "/var/lib/pinfeed", "/run/systemd/system/pinfeed.service.d",
                         "/run/systemd/system/pinfeed-replay.service.d", "/run/systemd/system/pinfeed-follow.service.d",
                         "/run/systemd/system/pinfeed-replay.timer.d")
        self.machine.run("systemctl", "daemon-reload")

    # ---- configuration ------------------------------------------------------------------------------------------------

    def configure(self, **changes):
        """configure(emulate={"rate": 5}): writes the configuration, with these settings changed."""
        for section, values in changes.items():
            self.settings.setdefault(section, {}).update(values)
        self.machine.write("/etc/pinfeed/pinfeed.conf", "".join(
            f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items())
            for section, values in self.settings.items()))

    def write_password(self, text):
        self.machine.write("/etc/pinfeed/mysql-password", text, 0o600)

    def override(self, unit, **directives):
        """What `systemctl edit` does to the [Service] section."""
        self.machine.write(f"/run/systemd/system/{unit}.service.d/test.conf",
                           "[Service]\n" + "".join(f"{k}={v}\n" for k, v in directives.items()))
        self.machine.run("systemctl", "daemon-reload")

    # ---- what it does ---------------------------------------------------------------------------------------------------

    @property
    def topics(self):
        return [f"{self.user_id}.{stream}" for stream in self.STREAMS]

    def start(self, unit="pinfeed"):
        code, output = self.machine.try_run("systemctl", "start", unit)
        assert code == 0, output + self.machine.status(unit)

    def show(self, unit="pinfeed"):
        return self.machine.show(unit)

    @property
    def pid(self):
        """As the machine counts."""
        return int(self.show()["MainPID"])

    def journal(self, *matches):
        """Entries of pinfeed itself and of systemd about it since the test's begin."""
        return self.machine.journal("--unit=pinfeed", "--unit=pinfeed-replay", "--unit=pinfeed-follow", *matches,
                                    since=self._since)

    def messages(self, kind=None):
        """Entries that pinfeed logged; `kind`: only those with this MESSAGE_ID."""
        return [entry for entry in self.journal() if entry.get("SYSLOG_IDENTIFIER") == "pinfeed"
                and (kind is None or entry.get("MESSAGE_ID") == kind)]

    def wait_for_message(self, kind, deadline_s=20):
        return self.machine.wait_until(lambda: self.messages(kind), deadline_s,
                                       lambda: f"message {kind}:\n" + "\n".join(str(e.get("MESSAGE")) for e in self.journal()))[-1]

    def story(self):
        """What pinfeed said beside its figures, line by line, and what systemd said about it."""
        figures = {message_ids.STATISTICS, message_ids.POSTS, message_ids.TOKEN, message_ids.REPLAY_PROGRESS}
        return [entry["MESSAGE"] for entry in self.messages() if entry.get("MESSAGE_ID") not in figures]

    def sends(self, more=10, deadline_s=40):
        """Waits until so many more posts are in every topic."""
        before = [self.kafka.end_offset(topic) for topic in self.topics]
        self.machine.wait_until(lambda: all(self.kafka.end_offset(t) >= b + more for t, b in zip(self.topics, before)), deadline_s,
                                lambda: "more posts:\n" + self.machine.status("pinfeed"))

    def waits(self, pattern, deadline_s=40):
        """Waits until `systemctl status` says that something is waited for."""
        return self.machine.wait_until(lambda: re.search(f"Waiting: .*{pattern}.*since", self.show()["StatusText"]), deadline_s,
                                       lambda: f"Waiting: {pattern}:\n" + self.machine.status("pinfeed"))

    def ends_whole(self):
        """Stops it well; no post is in one topic and not in the others. Returns how many there are."""
        self.machine.run("systemctl", "stop", "pinfeed")
        shown = self.show()
        assert (shown["ActiveState"], shown["Result"]) == ("inactive", "success"), self.machine.status("pinfeed")
        pin, geo, user = (set(keys) for keys in self.keys())
        assert pin == geo == user
        return len(pin)

    def keys(self):
        """The sorted record keys of each topic."""
        return [sorted(record.key for record in self.kafka.read_all(topic)) for topic in self.topics]
