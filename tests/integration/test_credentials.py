"""pinfeed --token against scripted servers: every source of credentials, and how each of them fails."""

import base64
import datetime
import json
import os
import pathlib
import resource
import shlex
import signal
import socket
import ssl
import time
from urllib.parse import parse_qsl, urlsplit

import pytest

from rig import Container, Identity, Metadata, Sts, free_port, paths, wait_until
from rig.certificates import make_certificates
from rig.process import reset_signals

ROLE = "arn:aws:iam::123456789012:role/feeder"
BASE = Identity("AKIABASE", "base+secret/S3CR3T")
KEYS = f"aws_access_key_id = {BASE.access_key}\naws_secret_access_key = {BASE.secret}\n"


class Found:
    """What --token printed."""
    def __init__(self, text):
        assert text.count("\n") == 1 and text.endswith("\n")
        printed = json.loads(text)
        assert set(printed) == {"token", "expires_at", "expires_at_ms", "region", "region_source", "credentials"}
        assert set(printed["credentials"]) == {"source", "access_key_id", "expires_at"}
        self.region, self.region_source = printed["region"], printed["region_source"]
        self.source, self.access_key = printed["credentials"]["source"], printed["credentials"]["access_key_id"]
        self.until_s, self.credentials_until_s = _epoch(printed["expires_at"]), _epoch(printed["credentials"]["expires_at"])
        assert printed["expires_at_ms"] == self.until_s * 1000
        token = printed["token"]
        self.url = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        self.query = dict(parse_qsl(urlsplit(self.url).query))
        assert self.query["X-Amz-Credential"].startswith(self.access_key + "/")

    @property
    def lifetime_s(self):
        return int(self.query["X-Amz-Expires"])


def _epoch(text):
    if text is None:
        return None
    return int(datetime.datetime.strptime(text + "+0000", "%Y-%m-%dT%H:%M:%SZ%z").timestamp())


@pytest.fixture
def ask(pinfeeds, tmp_path):
    """ask(*servers, config=…, credentials=…, aws={…}, **env): makes it find the servers, runs --token; what it found."""
    def run(*servers, config=None, credentials=None, aws=None, deadline_s=60, **env):
        environment = {"AWS_REGION": "eu-west-1"}
        for server in servers:
            environment.update(server.environment())
        for variable, name, text in (("AWS_CONFIG_FILE", "config", config),
                                     ("AWS_SHARED_CREDENTIALS_FILE", "credentials", credentials)):
            environment[variable] = str(tmp_path / name)
            if text is not None:
                (tmp_path / name).write_text(text)
        pinfeed = pinfeeds(env={**environment, **env})
        options = [f"--set=aws.{k}={v}" for k, v in (aws or {}).items()]
        pinfeed.run("--token", *options, config=False, deadline_s=deadline_s)
        return pinfeed

    def found(*args, **kwargs):
        return Found(run(*args, **kwargs).expect_exit(0).stdout)
    found.run = run
    return found


@pytest.fixture
def refused(ask):
    """refused(code, words, *servers, …): no token, that exit code, all the words on stderr, no secret there."""
    def run(code, words, *servers, **kwargs):
        pinfeed = ask.run(*servers, **kwargs)
        assert pinfeed.exit_code == code, pinfeed.log
        assert pinfeed.stdout == ""
        missing = [w for w in words if w not in pinfeed.log]
        assert not missing, f"{missing} not in: {pinfeed.log}"
        assert "S3CR3T" not in pinfeed.log
        return pinfeed
    return run


@pytest.fixture
def container():
    with Container() as service:
        yield service


@pytest.fixture
def base_sts():
    """An STS that lets BASE assume roles."""
    with Sts(known=[BASE], region="eu-west-1") as service:
        yield service


# ---- what is printed -------------------------------------------------------------------------------------------------

def test_keys_of_the_environment(ask):
    before_s = time.time()
    found = ask(AWS_ACCESS_KEY_ID="AKIAENV", AWS_SECRET_ACCESS_KEY="x", AWS_PROFILE="nowhere")
    assert found.access_key == "AKIAENV" and "AWS_ACCESS_KEY_ID" in found.source
    assert found.credentials_until_s is None
    assert (found.region, found.region_source) == ("eu-west-1", "AWS_REGION")
    assert found.lifetime_s == 900
    assert before_s - 1 <= found.until_s - 900 <= time.time()
    assert found.url.startswith("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect&")


def test_keys_of_the_environment_may_end(ask, refused):
    keys = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "S3CR3T"}
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=100)
    assert 90 <= ask(AWS_CREDENTIAL_EXPIRATION=until.isoformat(), **keys).lifetime_s <= 100
    refused(78, ["AWS_CREDENTIAL_EXPIRATION", "expired at"], AWS_CREDENTIAL_EXPIRATION="2020-01-01T00:00:00Z", **keys)
    refused(78, ["AWS_CREDENTIAL_EXPIRATION"], AWS_CREDENTIAL_EXPIRATION="soon", **keys)


@pytest.mark.parametrize("fill", range(4))
def test_a_long_source_is_cut_between_characters(ask, fill):
    profile = "x" * fill + "\N{HOT PEPPER}" * 80
    found = ask(config=f"[profile {profile}]\nregion = us-east-2\n", credentials=f"[{profile}]\n{KEYS}", AWS_PROFILE=profile,
                AWS_REGION=None)
    assert f"profile {profile}".startswith(found.source) and len(found.source.encode()) > 250
    assert f"profile {profile}".startswith(found.region_source) and len(found.region_source.encode()) > 58


def test_a_source_that_is_not_utf8_is_printed_all_the_same(ask, tmp_path):
    (tmp_path / "bytes").write_bytes(b"[caf\xe9]\n" + KEYS.encode())
    found = ask(AWS_PROFILE=os.fsdecode(b"caf\xe9"), AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "bytes"))
    assert found.source == "profile caf?"


def test_it_needs_no_configuration_file_but_one_that_is_named(pinfeeds, tmp_path):
    env = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-west-1"}
    pinfeeds(env=env).run("--token", config=False).expect_exit(0)
    named = pinfeeds(env=env).run(f"--config={tmp_path}/missing", "--token", config=False).expect_exit(78)
    assert "missing" in named.log and named.stdout == ""


def test_the_region_of_the_brokers_goes_before_the_environments(ask, pinfeeds):
    env = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-west-1"}
    brokers = "b-1.eu-north-1.a1b2.c12.kafka.us-east-2.amazonaws.com:9098"
    pinfeed = pinfeeds(env=env).run("--token", f"--set=kafka.bootstrap.servers={brokers}", config=False)
    found = Found(pinfeed.expect_exit(0).stdout)
    assert found.region == "us-east-2" and "broker" in found.region_source
    assert ask(AWS_ACCESS_KEY_ID="A", AWS_SECRET_ACCESS_KEY="x", aws={"region": "sa-east-1"}).region_source == "[aws] region"


def test_no_region_is_refused_with_what_to_set(refused):
    keys = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S3CR3T"}
    refused(78, ["AWS_REGION", "[aws] region"], AWS_REGION=None, **keys)
    refused(78, ["AWS_REGION"], AWS_REGION="no/region", **keys)


@pytest.mark.parametrize("env, words", [
    ({"AWS_ACCESS_KEY_ID": "A"}, ["AWS_SECRET_ACCESS_KEY is not"]),
    ({"AWS_PROFILE": "nope"}, ["profile nope", "AWS_PROFILE"]),
    ({"AWS_PROFILE": "dev"}, ["profile dev", "SSO"]),
])
def test_a_missing_region_does_not_hide_a_broken_identity(refused, metadata, env, words):
    metadata.refuse()
    refused(78, words, metadata, config="[profile dev]\nsso_account_id = 1\nsso_role_name = y\n", AWS_REGION=None, **env)


# ---- instance metadata -------------------------------------------------------------------------------------------------

def test_instance_metadata(ask, metadata):
    found = ask(metadata, AWS_REGION=None)
    identity, expires_s, _ = metadata.credentials.current()
    assert found.access_key == identity.access_key and found.source == "IMDS (role pinfeed-role)"
    assert (found.region, found.region_source) == (metadata.region, "IMDS")
    assert abs(found.credentials_until_s - expires_s) < 1
    assert found.query["X-Amz-Security-Token"] == identity.session_token


def test_instance_metadata_over_ipv6(ask):
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    try:
        service = Metadata(host="::1").start()
    except OSError as e:
        pytest.skip(f"no IPv6: {e}")
    with service:
        assert ask(service).source == "IMDS (role pinfeed-role)"


@pytest.mark.parametrize("left_s, longest", [(60, 60), (3, 3), (7200, 900)])
def test_a_token_ends_with_its_credentials(ask, left_s, longest):
    with Metadata(lifetime_s=left_s) as metadata:
        found = ask(metadata)
        assert 1 <= found.lifetime_s <= longest
        assert found.until_s <= found.credentials_until_s
        assert found.lifetime_s >= longest - 2


def test_credentials_that_have_expired_are_never_used(refused):
    with Metadata(lifetime_s=-10) as metadata:
        refused(1, ["IMDS", "expired at"], metadata)
        assert len(metadata.asked("GET", "/latest/meta-data/iam/security-credentials/pinfeed-role")) > 1


def test_a_session_token_that_was_forgotten_is_replaced(ask, metadata):
    metadata.fail(times=1, method="GET", status=401)
    ask(metadata)
    assert len(metadata.asked("PUT")) == 2


@pytest.mark.parametrize("fault, code, words", [
    (dict(path="/latest/api/token", status=403), 78, ["403", "hop limit", "AWS_EC2_METADATA_DISABLED", "AWS_PROFILE"]),
    (dict(path="/latest/api/token", drop=True), 1, ["did not answer"]),
    (dict(path="/latest/meta-data", status=401), 78, ["401"]),
    (dict(path="/latest/meta-data", status=500), 1, ["500"]),
    (dict(path="/latest/meta-data/iam/security-credentials/pinfeed-role", body="S3CR3T"), 1, ["not JSON"]),
    (dict(path="/latest/meta-data/iam/security-credentials/pinfeed-role",
          body='{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}'), 78,
     ["AssumeRoleUnauthorizedAccess: EC2 cannot assume the role", "trust policy"]),
    (dict(path="/latest/meta-data", oversize=10_000_000), 1, ["too large"]),
])
def test_faults_of_instance_metadata(refused, metadata, fault, code, words):
    metadata.fail(**fault)
    refused(code, ["IMDS", *words], metadata)


def test_no_role(refused):
    with Metadata(role=None) as metadata:
        refused(78, ["no IAM role", "IMDS", "instance profile"], metadata)


def test_nothing_listens_where_imds_should_be(refused, metadata):
    metadata.refuse()
    refused(1, ["IMDS", metadata.url, "AWS_PROFILE"], metadata)


def test_imds_is_not_asked_when_disabled(refused, metadata):
    refused(78, ["IMDS", "AWS_EC2_METADATA_DISABLED"], metadata, AWS_EC2_METADATA_DISABLED="TRUE")
    assert not metadata.requests


def test_redirects_are_not_followed(refused, metadata, container):
    class Redirect(Metadata):
        def answer(self, request):
            answer = super().answer(request)
            if request.path.endswith("pinfeed-role"):
                return answer._replace(status=302, body=b"", headers=(("Location", container.url + container.path),))
            return answer
    with Redirect() as redirecting:
        refused(78, ["IMDS", "302"], redirecting)
    assert not container.requests


def test_metadata_is_never_asked_through_a_proxy(ask, metadata, container):
    proxy = f"http://127.0.0.1:{free_port()}"
    proxies = {name: proxy for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")}
    assert ask(metadata, **proxies).source.startswith("IMDS")
    assert ask(container, **proxies).source.startswith("container")


def test_sts_is_asked_through_the_proxy_of_the_environment(refused, base_sts):
    proxy = f"http://127.0.0.1:{free_port()}"
    refused(1, ["STS", proxy.rsplit(":", 1)[1]], base_sts, credentials=f"[default]\n{KEYS}", aws={"role_arn": ROLE},
            http_proxy=proxy)


@pytest.mark.parametrize("offset_s, words", [(600, "10 min"), (-3600, "60 min")])
def test_a_clock_that_is_off_is_said_with_how_much(refused, metadata, offset_s, words):
    metadata.clock_offset_s = offset_s
    refused(1, ["clock", words if offset_s > 0 else "", "behind" if offset_s > 0 else "ahead of"], metadata)


# ---- containers --------------------------------------------------------------------------------------------------------

def test_container(ask, container, metadata):
    found = ask(metadata, container)
    assert found.access_key == container.credentials.identities[-1].access_key
    assert found.source == "container (AWS_CONTAINER_CREDENTIALS_FULL_URI)"
    assert not metadata.requests


def test_container_tokens(ask, refused, tmp_path):
    with Container(authorization="Bearer one") as container:
        ask(container)
        refused(78, ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "401", "AccessDenied: the authorization token is not valid",
                     "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"], container, AWS_CONTAINER_AUTHORIZATION_TOKEN="S3CR3T")
        (tmp_path / "token").write_text("Bearer")
        refused(78, ["401"], container, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=tmp_path / "token")
        refused(78, ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "No such file"], container,
                AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=tmp_path / "missing")
        (tmp_path / "token").write_text("Bearer one\n")
        ask(container, AWS_CONTAINER_AUTHORIZATION_TOKEN=None, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=tmp_path / "token")
    with Container(authorization="eyJ.eyJ.sig") as container:
        (tmp_path / "token").write_text("eyJ.eyJ.sig\n")
        ask(container, AWS_CONTAINER_AUTHORIZATION_TOKEN=None, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=tmp_path / "token")


def test_container_that_is_away_does_not_fall_through(refused, container, metadata):
    container.refuse()
    refused(1, ["AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url], metadata, container)
    assert not metadata.requests


def test_container_that_fails_once_is_asked_again(ask, container):
    container.fail(times=1, status=503)
    ask(container)
    assert len(container.requests) == 2


# ---- profiles and roles ------------------------------------------------------------------------------------------------

def test_files_in_the_home_directory(pinfeeds):
    pinfeed = pinfeeds()
    (pinfeed.home / ".aws").mkdir()
    (pinfeed.home / ".aws" / "config").write_text("[profile dev]\nregion = us-west-2 # Oregon\n")
    (pinfeed.home / ".aws" / "credentials").write_text(f"[dev]\n{KEYS}")
    pinfeed.env["AWS_PROFILE"] = "dev"
    found = Found(pinfeed.run("--token", config=False).expect_exit(0).stdout)
    assert (found.access_key, found.source) == (BASE.access_key, "profile dev")
    assert (found.region, found.region_source) == ("us-west-2", "profile dev")


def test_a_file_that_may_not_be_read(refused, tmp_path):
    (tmp_path / "credentials").mkdir()
    refused(78, ["credentials can't be read", "AWS_SHARED_CREDENTIALS_FILE"])


def test_a_role_over_a_role(ask, base_sts):
    config = (f"[profile top]\nrole_arn = {ROLE}-top\nsource_profile = middle\nrole_session_name = steady\n"
              f"[profile middle]\nrole_arn = {ROLE}-middle\nsource_profile = base\nduration_seconds = 900\n")
    found = ask(base_sts, config=config, credentials=f"[base]\n{KEYS}", AWS_PROFILE="top")
    (first, middle, _), (second, top, until_s) = base_sts.given
    assert found.access_key == top.access_key and found.credentials_until_s == until_s
    assert found.source == f"profile top (role {ROLE}-top)"
    assert (first.form["RoleArn"], first.form["DurationSeconds"]) == (f"{ROLE}-middle", "900")
    assert (second.form["RoleArn"], second.form["RoleSessionName"]) == (f"{ROLE}-top", "steady")
    assert second.headers["x-amz-security-token"] == middle.session_token


def test_the_role_setting_on_top_of_instance_credentials(ask, metadata):
    with Sts(region="eu-west-1", external_id="ours") as sts:
        identity, _, _ = metadata.credentials.current()
        sts.known[identity.access_key] = identity
        found = ask(metadata, sts, aws={"role_arn": ROLE, "external_id": "ours"})
        assert found.source == f"[aws] role_arn (role {ROLE})"
        ask(metadata, sts, aws={"role_arn": ROLE, "external_id": "ours"})
        assert [request.form["RoleSessionName"] for request, _, _ in sts.given] == ["pinfeed", "pinfeed"]


def test_what_sts_refuses_is_passed_on(refused, base_sts):
    keys = {"credentials": f"[default]\n{KEYS}", "aws": {"role_arn": ROLE}}
    base_sts.roles = []
    refused(78, ["STS", ROLE, "AccessDenied", "is not authorized to perform: sts:AssumeRole", "trust policy"], base_sts, **keys)
    assert len(base_sts.requests) == 1
    base_sts.known.clear()
    refused(78, ["STS", "InvalidClientTokenId"], base_sts, **keys)
    base_sts.known[BASE.access_key] = BASE._replace(secret="other")
    refused(78, ["STS", "SignatureDoesNotMatch"], base_sts, **keys)


@pytest.mark.parametrize("fault, code, words", [
    (dict(status=503), 1, ["503"]),
    (dict(body="S3CR3T"), 1, ["not the XML"]),
    (dict(body="<!DOCTYPE x [<!ENTITY a 'S3CR3T'>]><AssumeRoleResponse>&a;</AssumeRoleResponse>"), 1, ["DTD"]),
    (dict(drop=True), 1, ["did not answer"]),
    (dict(oversize=1_000_000), 1, ["too large"]),
])
def test_faults_of_sts(refused, base_sts, fault, code, words):
    base_sts.fail(**fault)
    refused(code, ["STS", ROLE, *words], base_sts, credentials=f"[default]\n{KEYS}", aws={"role_arn": ROLE})


class Tls:
    """Puts a server behind a certificate that no system's store knows."""
    def __init__(self, directory, **kwargs):
        super().__init__(**kwargs)
        self.certificates = make_certificates(directory)

    @property
    def url(self):
        return super().url.replace("http:", "https:")

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates.certificate, self.certificates.key)
        super().start()
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        return self


class TlsSts(Tls, Sts):
    pass


class TlsContainer(Tls, Container):
    pass


def test_a_container_is_trusted_only_with_a_certificate_that_is(ask, refused, tmp_path):
    with TlsContainer(tmp_path) as container:
        refused(1, ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "certificate", "AWS_CA_BUNDLE"], container)
        assert not container.requests
        ask(container, AWS_CA_BUNDLE=container.certificates.ca)


def test_sts_is_trusted_only_with_a_certificate_that_is(ask, refused, tmp_path):
    keys = {"credentials": f"[default]\n{KEYS}", "aws": {"role_arn": ROLE}}
    with TlsSts(tmp_path, known=[BASE], region="eu-west-1") as sts:
        refused(1, ["STS", "certificate", "AWS_CA_BUNDLE"], sts, **keys)
        assert not sts.requests
        ask(sts, AWS_CA_BUNDLE=sts.certificates.ca, **keys)
        ask(sts, config=f"[default]\nca_bundle = {sts.certificates.ca}\n", **keys)
        refused(78, ["STS", "AWS_CA_BUNDLE", "/nonexistent.pem"], sts, AWS_CA_BUNDLE="/nonexistent.pem", **keys)


def test_web_identity(ask, refused, tmp_path):
    (tmp_path / "jwt").write_text("header.payload.signature\n")
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": tmp_path / "jwt", "AWS_ROLE_ARN": ROLE}
    with Sts(web_identity_token="header.payload.signature") as sts:
        found = ask(sts, AWS_ROLE_SESSION_NAME="pod-1", **web)
        assert found.source == f"AWS_WEB_IDENTITY_TOKEN_FILE (role {ROLE})"
        assert sts.given[0][0].form["RoleSessionName"] == "pod-1"
        assert "authorization" not in sts.given[0][0].headers
        (tmp_path / "jwt").write_text("S3CR3T")
        refused(78, ["STS", "InvalidIdentityToken", "AWS_WEB_IDENTITY_TOKEN_FILE"], sts, **web)


def test_sso_is_named_as_not_supported(refused):
    refused(78, ["SSO", "profile dev"], config="[profile dev]\nsso_session = x\nsso_account_id = 1\nsso_role_name = y\n",
            AWS_PROFILE="dev")


# ---- credential_process ------------------------------------------------------------------------------------------------

def output(**changes):
    answer = {"Version": 1, "AccessKeyId": "AKIAPROC", "SecretAccessKey": "S3CR3T", **changes}
    return shlex.quote(json.dumps({k: v for k, v in answer.items() if v is not None}))


def test_credential_process(ask):
    found = ask(config=f"[default]\ncredential_process = echo {output()}\n")
    assert (found.access_key, found.source) == ("AKIAPROC", "credential_process of profile default")
    assert found.credentials_until_s is None
    since, until = time.monotonic(), datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=100)
    found = ask(config=f"[default]\ncredential_process = echo {output(SessionToken='t', Expiration=until.isoformat())}\n")
    assert 98 - (time.monotonic() - since) <= found.lifetime_s <= 100


def test_credential_process_gets_our_environment_and_no_more(ask, tmp_path):
    ask(config=f"[default]\ncredential_process = env >{tmp_path}/env; tr '\\0' ' ' </proc/$PPID/cmdline >{tmp_path}/argv; "
               f"echo {output()}\n", EXTRA="here")
    env = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert env.pop("EXTRA") == "here"
    assert {k for k in env if k.startswith("AWS_")} <= {"AWS_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
                                                        "AWS_EC2_METADATA_DISABLED"}
    assert "S3CR3T" not in (tmp_path / "env").read_text() + (tmp_path / "argv").read_text()


def test_credential_process_that_fails(refused):
    refused(1, ["credential_process", "profile default", "exit status 5", "no ticket"],
            config="[default]\ncredential_process = echo S3CR3T; echo no ticket >&2; exit 5\n")
    refused(78, ["credential_process", "not JSON"], config="[default]\ncredential_process = echo S3CR3T\n")
    refused(78, ["credential_process", "Version"], config=f"[default]\ncredential_process = echo {output(Version=2)}\n")
    refused(1, ["credential_process", "expired at 2020-01-01T00:00:00Z"],
            config=f"[default]\ncredential_process = echo {output(Expiration='2020-01-01T00:00:00Z')}\n")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_credential_process_ends_with_pinfeed(pinfeeds, tmp_path, number):
    (tmp_path / "config").write_text(f"[default]\ncredential_process = sleep 100 & echo $! $$ >{tmp_path}/pids; wait\n")
    pinfeed = pinfeeds(env={"AWS_REGION": "eu-west-1", "AWS_CONFIG_FILE": tmp_path / "config"})
    pinfeed.start("--token", config=False)
    wait_until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().endswith("\n"), 10, "it runs")
    pids = (tmp_path / "pids").read_text().split()
    try:
        assert len(pids) == 2 and all(alive(p) for p in pids)
        pinfeed.send_signal(number)
        pinfeed.expect_exit(128 + number, deadline_s=10)
        assert pinfeed.stdout == ""
        wait_until(lambda: not any(alive(p) for p in pids), 5, "the command and its child are gone")
    finally:
        for pid in filter(alive, pids):
            os.kill(int(pid), signal.SIGKILL)


# ---- patience --------------------------------------------------------------------------------------------------------

def test_whoever_does_not_come_to_an_end_is_given_up_in_time(pinfeeds, tmp_path):
    """All at once, as each takes its time."""
    keys = {"AWS_ACCESS_KEY_ID": BASE.access_key, "AWS_SECRET_ACCESS_KEY": BASE.secret}
    role = f"--set=aws.role_arn={ROLE}"
    (tmp_path / "config").write_text(f"[default]\ncredential_process = sleep 100 & echo $! $$ >{tmp_path}/pids; wait\n")
    hanging_imds, dripping_imds, slow_imds = Metadata(), Metadata(), Metadata()
    hanging_imds.fail(hang=True)
    dripping_imds.fail(path="/latest/meta-data", drip_s=0.2)
    slow_imds.fail(path="/latest/meta-data", drip_s=0.5)
    slow_imds.fail(path="/latest/api", delay_s=3)
    hanging_sts, dripping_sts, dripping_container = Sts(known=[BASE]), Sts(known=[BASE]), Container()
    hanging_sts.fail(hang=True)
    dripping_sts.fail(drip_s=1)
    dripping_container.fail(drip_s=1)
    region = {"AWS_REGION": "eu-west-1"}
    cases = [       # server, environment, options, words
        (hanging_imds, region, [], ["IMDS", "timed out", "hop limit", "AWS_EC2_METADATA_DISABLED"]),
        (dripping_imds, region, [], ["IMDS", "timed out"]),
        (slow_imds, keys, [], ["IMDS", "AWS_REGION"]),
        (hanging_sts, {**region, **keys}, [role], ["STS", "timed out", ROLE]),
        (dripping_sts, {**region, **keys}, [role], ["STS", "timed out", ROLE]),
        (dripping_container, region, [], ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "timed out"]),
        (None, {**region, "AWS_CONFIG_FILE": tmp_path / "config"}, [], ["credential_process", "in time"]),
    ]
    running = []
    for server, env, options, words in cases:
        pinfeed = pinfeeds(env={**(server.start().environment() if server else {}), **env})
        pinfeed.start("--token", *options, config=False)
        running.append((pinfeed, words))
    wait_until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().count(" "), 10, "the command runs")
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 2 and all(alive(p) for p in pids)
    try:
        for pinfeed, words in running:
            pinfeed.expect_exit(1)
            assert not [w for w in words if w not in pinfeed.log], pinfeed.log
            assert pinfeed.stdout == ""
        wait_until(lambda: not any(alive(p) for p in pids), 2, "the command and its child are gone")
    finally:
        for server, *_ in cases:
            if server:
                server.stop()


# ---- secrets -----------------------------------------------------------------------------------------------------------

def core_was_dumped(argv, env, directory, ready):
    """Ends a program as a crash would; whether its memory was written to a file."""
    pid = os.fork()
    if pid == 0:
        try:
            reset_signals()
            os.chdir(directory)
            resource.setrlimit(resource.RLIMIT_CORE, (10_000_000, resource.getrlimit(resource.RLIMIT_CORE)[1]))
            os.execve(argv[0], argv, env)
        finally:
            os._exit(127)
    try:
        ready(pid)
        os.kill(pid, signal.SIGQUIT)
    finally:
        _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGQUIT
    return os.WCOREDUMP(status)


@pytest.mark.promise("Secrets")
def test_no_core_dump_holds_secrets(pinfeeds, metadata, tmp_path):
    def sleeps(pid):
        wait_until(lambda: pathlib.Path(f"/proc/{pid}/comm").read_text() == "sleep\n", 10, "sleep runs")

    if not core_was_dumped(["/bin/sleep", "60"], {}, tmp_path, sleeps):
        pytest.skip("this machine writes no core dumps at all")
    metadata.fail(path="/latest/meta-data", hang=True)
    pinfeed = pinfeeds(env={**metadata.environment(), "AWS_REGION": "eu-west-1"})
    assert not core_was_dumped([str(paths.binary()), "--token"], pinfeed.env, tmp_path,
                               lambda _: wait_until(lambda: metadata.asked("GET"), 10, "it asks"))
