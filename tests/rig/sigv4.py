"""AWS's Signature Version 4 from its specification, by the standard library alone: an oracle, and the check that the
fake services make."""

import hashlib
import hmac
from typing import NamedTuple
from urllib.parse import quote


class Identity(NamedTuple):
    """Who signs."""
    access_key: str = "AKIDEXAMPLE"
    secret: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    session_token: str = None

    def environment(self, region="us-east-1"):
        """The variables by which a program finds it."""
        env = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": region}
        if self.session_token:
            env["AWS_SESSION_TOKEN"] = self.session_token
        return env


def signature(secret, amz_date, region, service, canonical_request):
    """The hex signature of a canonical request."""
    date = amz_date[:8]
    scope = f"{date}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical_request.encode()).hexdigest()
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, f"AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{digest}".encode(), hashlib.sha256).hexdigest()


def encode(text):
    """RFC 3986."""
    return quote(text, safe="-_.~")


def why_wrong(request, secrets, service, region=None):
    """Checks a request that was signed in its Authorization header (see aws.Request). secrets: access key ->
    Identity. Returns None, or what is wrong."""
    header = request.headers.get("authorization", "")
    if not header.startswith("AWS4-HMAC-SHA256 "):
        return "no AWS4-HMAC-SHA256 signature"
    try:
        parts = dict(p.strip().split("=", 1) for p in header.split(" ", 1)[1].split(","))
        access_key, date, scope_region, scope_service, ending = parts["Credential"].split("/")
        names = parts["SignedHeaders"].split(";")
    except (KeyError, ValueError):
        return "malformed Authorization header"
    identity = secrets.get(access_key)
    amz_date = request.headers.get("x-amz-date", "")
    if identity is None:
        return "unknown access key"
    if (scope_service, ending) != (service, "aws4_request") or (region and scope_region != region):
        return f"wrong scope {parts['Credential']}"
    if not amz_date.startswith(date) or "host" not in names or names != sorted(names):
        return "date or signed headers wrong"
    if identity.session_token and ("x-amz-security-token" not in names
                                   or request.headers.get("x-amz-security-token") != identity.session_token):
        return "session token missing, wrong or not signed"
    canonical = "\n".join([
        request.method, request.path,
        "&".join(sorted(f"{encode(k)}={encode(v)}" for k, v in request.query)),
        *(f"{n}:{' '.join(request.headers.get(n, '').split())}" for n in names), "",
        ";".join(names), hashlib.sha256(request.body).hexdigest()])
    if signature(identity.secret, amz_date, scope_region, service, canonical) != parts["Signature"]:
        return "wrong signature"
    return None
