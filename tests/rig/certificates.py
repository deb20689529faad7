"""A certificate authority for one run, and a server's certificate from it."""

from typing import NamedTuple

from .process import run


class Certificates(NamedTuple):
    ca: object                  # paths of PEM files
    certificate: object
    key: object
    keystore: object            # key, certificate and CA in one file, as the broker wants them


def make_certificates(directory):
    """For localhost and 127.0.0.1, good for a week."""
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    key, request, certificate = directory / "server.key", directory / "server.csr", directory / "server.pem"
    extensions = directory / "server.ext"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\n"
                          "basicConstraints=CA:FALSE\n")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run(["openssl", "req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", "7", "-subj",
         "/CN=pinfeed rig CA"], "making a certificate authority")
    run(["openssl", "req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=localhost"], "making a key")
    run(["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "7",
         "-extfile", extensions, "-out", certificate], "making a certificate")
    keystore = directory / "keystore.pem"
    keystore.write_bytes(key.read_bytes() + certificate.read_bytes() + ca.read_bytes())
    for secret in (ca_key, key, keystore):
        secret.chmod(0o600)
    return Certificates(ca, certificate, key, keystore)
