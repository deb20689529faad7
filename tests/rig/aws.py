"""Fakes of what only AWS has: instance metadata (IMDSv2), container credentials, and STS.

Each is an HTTP server on a port of its own that records what it was asked and, when told to, misbehaves:

    metadata.fail(status=500, times=2)          # the next two answers; times=None: all, until heal()
    metadata.fail(hang=True, path="/latest/api/token")
"""

import datetime
import http.server
import json
import secrets
import socket
import threading
import time
import traceback
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from .process import free_port
from .sigv4 import Identity, why_wrong


class Request(NamedTuple):
    """A request that a fake was asked. Header names are in lower case."""
    at: float                   # wall clock
    method: str
    path: str
    query: list                 # of (name, value)
    headers: dict
    body: bytes

    @property
    def form(self):
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Answer(NamedTuple):
    body: bytes = b""
    status: int = 200
    content_type: str = "text/plain"
    headers: tuple = ()


class Fault(NamedTuple):
    """How to misbehave. Without any of these: the right answer."""
    path: str = ""              # only requests whose path begins so
    method: str = None          # only requests of this method
    status: int = None          # another status, and `body`
    body: object = None         # this body (str or bytes) under status 200, or under `status`
    delay_s: float = 0          # the right answer, late
    drip_s: float = 0           # the answer a byte at a time, with this pause between them
    hang: bool = False          # no answer, the connection stays open
    drop: bool = False          # the connection is closed without an answer
    oversize: int = 0           # the answer is padded to so many bytes


class FakeService:
    """Start and stop it, or use it in a `with`. refuse() closes the port, so that connects are refused."""

    def __init__(self, host="127.0.0.1"):
        self.host = host
        self.port = free_port()
        self.requests = []
        self.clock_offset_s = 0         # how far the Date header of the answers is ahead
        self._faults = []               # [fault, times left or None]
        self._lock = threading.Lock()
        self._server = None
        self._stopping = threading.Event()

    @property
    def url(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self):
        if self._server is None:
            self._stopping.clear()
            self._server = _listen(self)
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        if self._server is not None:
            self._stopping.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    refuse = stop

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.stop()

    def fail(self, times=None, **fault):
        """Misbehaves from now on as class Fault says, `times` times or until heal(). Later calls come after earlier
        ones are used up."""
        with self._lock:
            self._faults.append([Fault(**fault), times])
        return self

    def heal(self):
        with self._lock:
            self._faults.clear()

    def asked(self, method=None, path=None):
        """The requests so far, perhaps only those of a method or whose path begins with `path`."""
        with self._lock:
            return [r for r in self.requests
                    if (method is None or r.method == method) and (path is None or r.path.startswith(path))]

    def answer(self, request):
        raise NotImplementedError

    def _take_fault(self, request):
        with self._lock:
            self.requests.append(request)
            for entry in self._faults:
                fault, left = entry
                if left == 0 or not request.path.startswith(fault.path) or fault.method not in (None, request.method):
                    continue
                if left is not None:
                    entry[1] -= 1
                return fault
        return Fault()

    def _serve(self, handler):
        request = _request(handler)
        fault = self._take_fault(request)
        if fault.hang:
            self._stopping.wait()
        if fault.hang or fault.drop:
            handler.close_connection = True
            return
        self._stopping.wait(fault.delay_s)
        if fault.status is not None or fault.body is not None:
            body = fault.body if fault.body is not None else ""
            answer = Answer(body.encode() if isinstance(body, str) else body, fault.status or 200)
        else:
            answer = self.answer(request)
        if fault.oversize:
            answer = answer._replace(body=answer.body.ljust(fault.oversize))
        self._send(handler, answer, fault.drip_s)

    def _send(self, handler, answer, drip_s):
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.content_type)
        handler.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            handler.send_header(name, value)
        handler.end_headers()
        if not drip_s:
            handler.wfile.write(answer.body)
            return
        for byte in answer.body:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            if self._stopping.wait(drip_s):
                return


def _request(handler):
    url = urlsplit(handler.path)
    length = int(handler.headers.get("Content-Length") or 0)
    return Request(time.time(), handler.command, unquote(url.path), parse_qsl(url.query, keep_blank_values=True),
                   {k.lower(): v for k, v in handler.headers.items()}, handler.rfile.read(length))


def _listen(service):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def serve(self):
            try:
                service._serve(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            except Exception:           # a fault of the fake's own: say so
                traceback.print_exc()
                self.send_error(500, "the rig is broken")

        do_GET = do_PUT = do_POST = do_HEAD = serve

        def date_time_string(self, timestamp=None):
            return super().date_time_string((timestamp or time.time()) + service.clock_offset_s)

        def log_message(self, *unused):
            pass

    class Listener(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *unused):
            pass                        # a client that went away

    return Listener((service.host, service.port), Handler)


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
