"""The fakes of AWS, as AWS's own SDK for Python (botocore) sees them."""

import os
import time
import urllib.error
import urllib.request

import botocore.exceptions
import botocore.session
import pytest
from botocore.utils import InstanceMetadataFetcher, InstanceMetadataRegionFetcher

from rig import Container, Identity, Metadata, Sts


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """No AWS settings of the machine's own; sets those that a fake asks for."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    def use(env):
        for name, value in env.items():
            monkeypatch.setenv(name, str(value))
    return use


def found():
    credentials = botocore.session.Session().get_credentials()
    return credentials and credentials.get_frozen_credentials()[:3]


def test_the_sdk_finds_the_instances_role(clean, metadata):
    clean(metadata.environment())
    assert found() == tuple(metadata.credentials.identities[-1])
    assert [(r.method, r.path) for r in metadata.asked()] == [
        ("PUT", "/latest/api/token"), ("GET", "/latest/meta-data/iam/security-credentials/"),
        ("GET", "/latest/meta-data/iam/security-credentials/pinfeed-role")]


def test_credentials_rotate_and_somebody_learns_of_each(clean):
    learned = []
    with Metadata(rotate_s=0.2, on_new=lambda identity, until: learned.append((identity, until))) as metadata:
        clean(metadata.environment())
        first = found()
        time.sleep(0.25)                # the passing of time itself is what is tested
        second = found()
    assert [first, second] == [tuple(identity) for identity, _ in learned]
    assert first != second


def test_metadata_without_a_session_token_is_401(metadata):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(metadata.url + "/latest/meta-data/placement/region", timeout=5)
    assert caught.value.code == 401


def test_faults_come_in_order_and_end(metadata):
    metadata.fail(times=1, path="/latest/meta-data/iam", status=401)
    metadata.fail(times=1, path="/latest/meta-data/iam", status=503, body="busy")
    metadata.fail(times=1, path="/latest/meta-data/iam", drop=True)

    def get():
        put = urllib.request.Request(metadata.url + "/latest/api/token", method="PUT",
                                     headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        token = urllib.request.urlopen(put, timeout=5).read().decode()
        request = urllib.request.Request(metadata.url + "/latest/meta-data/iam/security-credentials/",
                                         headers={"X-aws-ec2-metadata-token": token})
        return urllib.request.urlopen(request, timeout=5).read()
    for code in (401, 503):
        with pytest.raises(urllib.error.HTTPError) as caught:
            get()
        assert caught.value.code == code
    with pytest.raises(OSError):
        get()
    assert get() == b"pinfeed-role"


def test_a_drip_is_slow_and_a_hang_never_answers(metadata):
    metadata.fail(times=1, drip_s=0.1)
    put = urllib.request.Request(metadata.url + "/latest/api/token", method="PUT",
                                 headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    since = time.monotonic()
    urllib.request.urlopen(put, timeout=5).read(5)
    assert time.monotonic() - since > 0.3
    metadata.fail(times=1, hang=True)
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(put, timeout=0.3)


def test_a_refusing_service_can_come_back_on_its_port(metadata):
    metadata.refuse()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(metadata.url, timeout=5)
    metadata.start()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(metadata.url, timeout=5)


def test_metadata_speaks_ipv6():
    with Metadata(host="::1") as metadata:
        fetcher = InstanceMetadataFetcher(base_url=metadata.url)
        assert fetcher.retrieve_iam_role_credentials()["role_name"] == "pinfeed-role"


def test_the_sdk_finds_the_region(metadata):
    assert InstanceMetadataRegionFetcher(base_url=metadata.url).retrieve_region() == "us-east-1"


def test_the_sdk_finds_the_containers_credentials(clean):
    with Container(authorization="Bearer x") as container:
        clean(container.environment())
        assert found() == tuple(container.credentials.identities[-1])
        clean({"AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer y"})
        with pytest.raises(botocore.exceptions.CredentialRetrievalError, match="authorization token is not valid"):
            found()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def assumed_role(tmp_path, **more):
    write(tmp_path / "config", "[default]\nrole_arn = arn:aws:iam::123456789012:role/writer\nsource_profile = base\n"
          "role_session_name = pinfeed\n" + "".join(f"{k} = {v}\n" for k, v in more.items()))
    me = Identity()
    write(tmp_path / "credentials", f"[base]\naws_access_key_id = {me.access_key}\n"
          f"aws_secret_access_key = {me.secret}\n")
    return me


def test_the_sdk_assumes_a_role(clean, tmp_path):
    me = assumed_role(tmp_path, external_id="abc")
    with Sts(known=[me], external_id="abc", region="eu-west-1") as sts:
        clean(sts.environment())
        got = found()
        [(request, identity, _)] = sts.given
        assert got == tuple(identity)
        assert request.form["RoleSessionName"] == "pinfeed"


@pytest.mark.parametrize("wrong, code", [
    ({"known": [Identity(secret="other")]}, "SignatureDoesNotMatch"), ({"known": []}, "InvalidClientTokenId"),
    ({"known": [Identity()], "external_id": "abc"}, "AccessDenied"),
    ({"known": [Identity()], "roles": []}, "AccessDenied")])
def test_sts_refuses_in_awss_words(clean, tmp_path, wrong, code):
    assumed_role(tmp_path)
    with Sts(**wrong) as sts:
        clean(sts.environment())
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            found()
        assert caught.value.response["Error"]["Code"] == code


def test_the_sdk_assumes_a_role_with_a_web_identity(clean, tmp_path):
    write(tmp_path / "jwt", "header.claims.signature")
    clean({"AWS_WEB_IDENTITY_TOKEN_FILE": tmp_path / "jwt", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/writer",
           "AWS_ROLE_SESSION_NAME": "pod"})
    with Sts(web_identity_token="header.claims.signature") as sts:
        clean(sts.environment())
        assert found() == tuple(sts.given[-1][1])
    with Sts(web_identity_token="another") as sts:
        clean(sts.environment())
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            found()
        assert caught.value.response["Error"]["Code"] == "InvalidIdentityToken"
