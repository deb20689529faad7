"""Tokens: AWS's own signer as an oracle, and what the broker said of those it was shown."""

from typing import NamedTuple


def sign_token(identity, region="us-east-1", expires_s=900, at=None):
    """A token by AWS's own signer (an oracle). `at`: an aware datetime to sign at, instead of now. Returns
    (token, end in ms)."""
    from unittest import mock

    import aws_msk_iam_sasl_signer.MSKAuthTokenProvider as signer
    import botocore.auth
    from botocore.credentials import Credentials

    credentials = Credentials(identity.access_key, identity.secret, identity.session_token)
    with mock.patch.object(signer, "DEFAULT_TOKEN_EXPIRY_SECONDS", expires_s):
        if at is None:
            return _signed(signer, region, credentials)
        with mock.patch.object(botocore.auth, "get_current_datetime", lambda *unused: at.replace(tzinfo=None)):
            return _signed(signer, region, credentials)


def _signed(signer, region, credentials):
    class Provider(signer.CredentialProvider):
        def load(self):
            return credentials
    return signer.generate_auth_token_from_credentials_provider(region, Provider())


class Token(NamedTuple):
    """One line of the broker's log of tokens."""
    at_ms: int
    accepted: bool
    access_key: str
    principal: str
    end_ms: int
    region: str
    user_agent: str
    reason: str                 # of a rejection


class Tokens(NamedTuple):
    accepted: list
    rejected: list


def read_log(path, since=0):
    """The broker's log of tokens, without its first `since` lines."""
    lines = path.read_text().splitlines()[since:] if path.exists() else []
    seen = [_token(line.split("\t")) for line in lines]
    return Tokens([t for t in seen if t.accepted], [t for t in seen if not t.accepted])


def _token(fields):
    at_ms, verdict, access_key, principal, end_ms, region, user_agent, reason = fields
    return Token(int(at_ms), verdict == "accepted", access_key, principal, int(end_ms), region, user_agent, reason)
