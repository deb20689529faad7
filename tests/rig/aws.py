"""Fakes of what only AWS has: instance metadata (IMDSv2), container credentials, and STS.

Each is an HTTP server on a port of its own that records what it was asked and, when told to, misbehaves:

    metadata.fail(status=500, times=2)          # the next two answers; times=None: all, until heal()
    metadata.fail(hang=True, path="/latest/api/token")
"""

import datetime
import json
import secrets
import threading
import time
from xml.sax.saxutils import escape

from .fake import Answer, FakeService
from .sigv4 import Identity, why_wrong


def _utc(epoch_s):
    return datetime.datetime.fromtimestamp(int(epoch_s), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value, status=200):
    return Answer(json.dumps(value, indent=2).encode(), status, "application/json")


def new_identity(prefix="ASIA"):
    """A temporary identity that nobody has had before."""
    return Identity(prefix + secrets.token_hex(8).upper(), secrets.token_urlsafe(30), secrets.token_urlsafe(200))


class _Rotating:
    """Credentials that are replaced as time passes, and somebody who must learn of it (the broker)."""

    def __init__(self, lifetime_s, rotate_s, on_new):
        self.lifetime_s, self.rotate_s, self.on_new = lifetime_s, rotate_s, on_new
        self.identities = []            # all that there ever were, oldest first
        self._since = None
        self._lock = threading.Lock()
        self.expires_s = 0

    def current(self):
        with self._lock:
            now = time.time()
            if not self.identities or (self.rotate_s and now >= self._since + self.rotate_s):
                self._replace(now)
            return self.identities[-1], self.expires_s, self._since

    def _replace(self, now):
        self._since, self.expires_s = now, now + self.lifetime_s
        self.identities.append(new_identity())
        if self.on_new:
            self.on_new(self.identities[-1], self.expires_s)

    def replace(self):
        with self._lock:
            self._replace(time.time())


class Metadata(FakeService):
    """An EC2 instance's metadata service, version 2 only.

    Its credentials last `lifetime_s` and are replaced every `rotate_s` (0: never); on_new(identity, expires_s) learns
    of each new one before anybody sees it, for example:

        Metadata(rotate_s=20, on_new=lambda who, until: kafka.allow(who, principal="role", expires_s=until))
    """

    def __init__(self, role="pinfeed-role", region="us-east-1", lifetime_s=6 * 3600, rotate_s=0, on_new=None,
                 host="127.0.0.1"):
        super().__init__(host)
        self.role, self.region = role, region
        self.credentials = _Rotating(lifetime_s, rotate_s, on_new)
        self._session_tokens = {}       # token -> when it ends

    def environment(self):
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url, "AWS_EC2_METADATA_DISABLED": "false"}

    def rotate(self):
        """Replaces the credentials now."""
        self.credentials.replace()

    def forget_session_tokens(self):
        """Every X-aws-ec2-metadata-token given out so far answers 401 from now on."""
        self._session_tokens.clear()

    def answer(self, request):
        if request.path == "/latest/api/token":
            return self._session_token(request)
        end = self._session_tokens.get(request.headers.get("x-aws-ec2-metadata-token"))
        if end is None or end < time.time():
            return Answer(b"", 401)
        if request.method != "GET":
            return Answer(b"", 405)
        return self._data(request.path)

    def _session_token(self, request):
        ttl = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if request.method != "PUT":
            return Answer(b"", 405)
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return Answer(b"", 400)
        if "x-forwarded-for" in request.headers:
            return Answer(b"", 403)
        token = secrets.token_urlsafe(40) + "=="
        self._session_tokens[token] = time.time() + int(ttl)
        return Answer(token.encode(), 200, headers=(("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", ttl),))

    def _data(self, path):
        path = path.rstrip("/")         # the SDKs don't agree about it
        credentials = "/latest/meta-data/iam/security-credentials"
        if self.role and path == credentials:
            return Answer(self.role.encode())
        if self.role and path == f"{credentials}/{self.role}":
            identity, expires_s, since = self.credentials.current()
            return _json({"Code": "Success", "LastUpdated": _utc(since), "Type": "AWS-HMAC",
                          "AccessKeyId": identity.access_key, "SecretAccessKey": identity.secret,
                          "Token": identity.session_token, "Expiration": _utc(expires_s)})
        if path == "/latest/meta-data/placement/region":
            return Answer(self.region.encode())
        if path == "/latest/meta-data/placement/availability-zone":
            return Answer((self.region + "a").encode())
        if path == "/latest/dynamic/instance-identity/document":
            return _json({"accountId": "123456789012", "region": self.region, "availabilityZone": self.region + "a",
                          "instanceId": "i-0123456789abcdef0", "instanceType": "t3.small", "version": "2017-09-30"})
        return Answer(b"<html><body>404 - Not Found</body></html>", 404, "text/html")


class Container(FakeService):
    """The credentials endpoint of ECS (relative or full URI) and of EKS Pod Identity (with an authorization token)."""

    path = "/v2/credentials/pinfeed"

    def __init__(self, authorization=None, lifetime_s=6 * 3600, rotate_s=0, on_new=None, host="127.0.0.1"):
        super().__init__(host)
        self.authorization = authorization      # what the Authorization header must be; None: anything
        self.credentials = _Rotating(lifetime_s, rotate_s, on_new)

    def environment(self):
        env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url + self.path}
        if self.authorization is not None:
            env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = self.authorization
        return env

    def answer(self, request):
        if request.method != "GET" or request.path != self.path:
            return _json({"code": "NotFound", "message": "no such task"}, 404)
        if self.authorization is not None and request.headers.get("authorization") != self.authorization:
            return _json({"code": "AccessDenied", "message": "the authorization token is not valid"}, 401)
        identity, expires_s, _ = self.credentials.current()
        return _json({"RoleArn": "arn:aws:iam::123456789012:role/pinfeed-task", "AccessKeyId": identity.access_key,
                      "SecretAccessKey": identity.secret, "Token": identity.session_token,
                      "Expiration": _utc(expires_s)})


class Sts(FakeService):
    """AssumeRole (its signature is checked) and AssumeRoleWithWebIdentity (its token is compared).

    known: access key -> Identity that may assume roles; identities given out here may too. web_identity_token: the
    only token that is good (None: any that isn't empty). external_id: demanded if set. roles: the ARNs that exist
    (None: all)."""

    def __init__(self, known=(), web_identity_token=None, external_id=None, roles=None, region=None, lifetime_s=None,
                 on_new=None, host="127.0.0.1"):
        super().__init__(host)
        self.known = {i.access_key: i for i in known}
        self.web_identity_token, self.external_id, self.roles = web_identity_token, external_id, roles
        self.region, self.lifetime_s, self.on_new = region, lifetime_s, on_new
        self.given = []                 # (request, identity, expires_s)

    def environment(self):
        return {"AWS_ENDPOINT_URL_STS": self.url}

    def answer(self, request):
        form = request.form if request.method == "POST" else dict(request.query)
        action = form.get("Action")
        if form.get("Version") != "2011-06-15" or action not in ("AssumeRole", "AssumeRoleWithWebIdentity"):
            return _sts_error(400, "InvalidAction", f"Could not find operation {action} for version "
                              f"{form.get('Version')}")
        refusal = (self._refuse_signed(request, form) if action == "AssumeRole" else self._refuse_web(form))
        return refusal or self._give(request, form, action)

    def _refuse_signed(self, request, form):
        wrong = why_wrong(request, self.known, "sts", self.region)
        if wrong == "unknown access key":
            return _sts_error(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        if wrong:
            return _sts_error(403, "SignatureDoesNotMatch", f"The request signature we calculated does not match the "
                              f"signature you provided. ({wrong})")
        stamp = datetime.datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        if abs(stamp.replace(tzinfo=datetime.timezone.utc).timestamp() - time.time()) > 300:
            return _sts_error(403, "SignatureDoesNotMatch", f"Signature expired: {request.headers['x-amz-date']} is "
                              "now earlier than the current time less 5 min.")
        return self._refuse_role(form, "sts:AssumeRole")

    def _refuse_web(self, form):
        token = form.get("WebIdentityToken", "")
        if not token or self.web_identity_token not in (None, token):
            return _sts_error(400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for this "
                              "token")
        return self._refuse_role(form, "sts:AssumeRoleWithWebIdentity")

    def _refuse_role(self, form, action):
        arn, name = form.get("RoleArn", ""), form.get("RoleSessionName", "")
        if not 2 <= len(name) <= 64 or len(arn) < 20:
            return _sts_error(400, "ValidationError", "1 validation error detected: value at 'roleSessionName' or "
                              "'roleArn' failed to satisfy constraint")
        if (self.roles is not None and arn not in self.roles) or self.external_id not in (None, form.get("ExternalId")):
            return _sts_error(403, "AccessDenied", f"User: arn:aws:iam::123456789012:user/somebody is not authorized "
                              f"to perform: {action} on resource: {arn}")
        return None

    def _give(self, request, form, action):
        lifetime_s = self.lifetime_s or int(form.get("DurationSeconds", 3600))
        identity, expires_s = new_identity(), int(time.time() + lifetime_s)
        self.known[identity.access_key] = identity
        self.given.append((request, identity, expires_s))
        if self.on_new:
            self.on_new(identity, expires_s)
        arn, name = form["RoleArn"], form["RoleSessionName"]
        assumed = arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/" + name
        return _xml(200, f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <{action}Result>
    <AssumedRoleUser>
      <AssumedRoleId>AROAEXAMPLE:{escape(name)}</AssumedRoleId>
      <Arn>{escape(assumed)}</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>{identity.access_key}</AccessKeyId>
      <SecretAccessKey>{identity.secret}</SecretAccessKey>
      <SessionToken>{identity.session_token}</SessionToken>
      <Expiration>{_utc(expires_s)}</Expiration>
    </Credentials>
  </{action}Result>
  <ResponseMetadata>
    <RequestId>{_REQUEST_ID}</RequestId>
  </ResponseMetadata>
</{action}Response>
""")


_REQUEST_ID = "8c2e7a31-0000-4000-8000-000000000001"


def _xml(status, text):
    return Answer(text.encode(), status, "text/xml", (("x-amzn-RequestId", _REQUEST_ID),))


def _sts_error(status, code, message):
    return _xml(status, f"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error>
    <Type>Sender</Type>
    <Code>{code}</Code>
    <Message>{escape(message)}</Message>
  </Error>
  <RequestId>{_REQUEST_ID}</RequestId>
</ErrorResponse>
""")
