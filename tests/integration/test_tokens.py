"""Tokens, compared with those of AWS's own signer."""

import base64
import datetime
import json
import os
import random
import string
import subprocess
from urllib.parse import parse_qsl, urlsplit

import aws_msk_iam_sasl_signer.MSKAuthTokenProvider as aws_signer
import botocore.auth
import botocore.credentials
import pytest

from rig import paths

REGIONS = ["us-east-1", "eu-west-1", "ap-southeast-2", "cn-north-1", "us-gov-west-1", "me-central-1"]


def decode(token):
    """The URL in a token."""
    assert "=" not in token and set(token) <= set(string.ascii_letters + string.digits + "-_")
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()


def without_user_agent(url):
    assert url.count("&User-Agent=") == 1
    return url.split("&User-Agent=")[0]


def theirs(monkeypatch, access_key, secret, session_token, region, now_s, lifetime_s):
    """AWS's token for that moment, and when it ends."""
    class Provider(botocore.credentials.CredentialProvider):
        def load(self):
            return botocore.credentials.Credentials(access_key, secret, session_token)

    moment = datetime.datetime.fromtimestamp(now_s, datetime.timezone.utc).replace(tzinfo=None)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: moment)
    monkeypatch.setattr(aws_signer, "DEFAULT_TOKEN_EXPIRY_SECONDS", lifetime_s)
    return aws_signer.generate_auth_token_from_credentials_provider(region, Provider())


def random_cases(count):
    source = random.Random(20260101)
    secret_characters = string.ascii_letters + string.digits + "+/"
    for _ in range(count):
        length = source.choice([0, 1, 16, 300, 1000, 4096])
        yield ("".join(source.choices(string.ascii_uppercase + string.digits, k=source.choice([16, 20, 128]))),
               "".join(source.choices(secret_characters, k=40)),
               "".join(source.choices(secret_characters + "=", k=length)) or None,
               source.choice(REGIONS),
               source.choice([source.randrange(1_000_000_000, 2**31), source.randrange(2**31, 4_102_444_800),
                              source.randrange(4_102_444_800, 250_000_000_000)]),
               source.choice([1, 3, 60, 899, 900]))


@pytest.fixture(scope="module")
def signer():
    program = os.environ.get("PINFEED_SIGN") or paths.ROOT / "build" / "tools" / "sign"

    def sign(cases):
        lines = "".join("\t".join("" if f is None else str(f) for f in case) + "\n" for case in cases)
        done = subprocess.run([program], input=lines, capture_output=True, text=True, check=True,
                              env={**os.environ, "TZ": "America/St_Johns"})
        return [line.split("\t") for line in done.stdout.splitlines()]
    return sign


def test_tokens_equal_those_of_awss_own_signer(signer, monkeypatch):
    cases = list(random_cases(300))
    ours = signer(cases)
    assert len(ours) == len(cases)
    for case, (token, expires_ms) in zip(cases, ours):
        their_token, their_expires_ms = theirs(monkeypatch, *case)
        assert set(parse_qsl(urlsplit(without_user_agent(decode(token))).query)) == \
            set(parse_qsl(urlsplit(without_user_agent(decode(their_token))).query)), case
        assert int(expires_ms) == their_expires_ms


def test_what_pinfeed_prints_is_what_aws_would_sign_at_that_moment(pinfeeds, monkeypatch):
    pinfeed = pinfeeds(env={"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
                            "AWS_SESSION_TOKEN": "abc/+==", "AWS_REGION": "eu-central-1"})
    pinfeed.run("--token", config=False).expect_exit(0)
    printed = json.loads(pinfeed.stdout)
    url = decode(printed["token"])
    query = dict(parse_qsl(urlsplit(url).query))
    moment = datetime.datetime.strptime(query["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
    token, expires_ms = theirs(monkeypatch, "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "abc/+==", "eu-central-1", moment, 900)
    assert set(parse_qsl(urlsplit(without_user_agent(url)).query)) == \
        set(parse_qsl(urlsplit(without_user_agent(decode(token))).query))
    assert printed["expires_at_ms"] == expires_ms
