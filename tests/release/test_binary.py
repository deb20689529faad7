"""The portable binary: what it asks of the machine, what is linked in, where it finds certificates."""

import hashlib
import http.server
import json
import os
import re
import shlex
import ssl
import subprocess
import threading

import pytest
from conftest import ARCHES, RELEASE, ROOT, VERSION

from rig import MariaDB, posts, sent

GLIBC, LIBSYSTEMD = (2, 34), 247
SYSTEM = {"libsystemd.so.0", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libresolv.so.2", "ld-linux-x86-64.so.2",
          "ld-linux-aarch64.so.1"}


@pytest.fixture(scope="session")
def binary(unpacked, arch):
    return unpacked(arch) / "files/usr/local/bin/pinfeed"


def _readelf(*arguments):
    return subprocess.run(["readelf", "--wide", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def test_asks_for_no_library_but_glibc_and_libsystemd(binary):
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", _readelf("--dynamic", binary)))
    assert "libsystemd.so.0" in needed and needed <= SYSTEM


def test_asks_for_no_symbol_newer_than_amazon_linux_2023_has(binary):
    versions = _readelf("--version-info", binary)
    glibc = {tuple(int(n) for n in v.split(".")) for v in re.findall(r"Name: GLIBC_([0-9.]+)", versions)}
    systemd = {int(v) for v in re.findall(r"Name: LIBSYSTEMD_([0-9]+)", versions)}
    assert glibc and max(glibc) <= GLIBC
    assert systemd and max(systemd) <= LIBSYSTEMD


def test_is_hardened_and_loads_from_no_place_of_its_own(binary):
    dynamic, headers = _readelf("--dynamic", binary), _readelf("--file-header", "--program-headers", binary)
    assert "DYN" in headers and "GNU_RELRO" in headers
    assert re.search(r"GNU_STACK\s.*\sRW\s", headers)
    assert "NOW" in dynamic and "RPATH" not in dynamic and "RUNPATH" not in dynamic
    symbols = _readelf("--dyn-syms", binary)
    assert "__stack_chk_fail" in symbols and "__memcpy_chk" in symbols


def test_names_no_path_of_the_machine_that_built_it(binary):
    content = binary.read_bytes()
    home = os.path.expanduser("~").encode()
    assert str(ROOT).encode() not in content
    assert re.findall(rb"/(?:home|tmp|work|root)/[ -~]*", content) == [], home


def test_version_names_what_the_list_says_is_linked_in(unpacked):
    said = subprocess.run([unpacked("x86_64") / "files/usr/local/bin/pinfeed", "--version"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.splitlines()
    assert said[0] == f"pinfeed {VERSION}"
    libraries = dict(line.rsplit(" ", 1) for line in said[2:])
    listed = {p["name"].split(",")[0]: p for p in json.loads((RELEASE / f"pinfeed-{VERSION}.spdx.json").read_text())["packages"]}
    for name in ("librdkafka", "MariaDB Connector/C", "OpenSSL", "curl", "jansson", "expat", "zlib", "zstd"):
        assert libraries[name] == listed[name]["versionInfo"], name
        assert listed[name]["licenseConcluded"] not in ("", "NOASSERTION")
    assert tuple(int(n) for n in libraries["librdkafka"].split(".")) >= (2, 8)


def test_sums_are_those_of_the_files():
    lines = (RELEASE / "SHA256SUMS").read_text().splitlines()
    sums = {name: value for value, name in (line.split(maxsplit=1) for line in lines)}
    names = [f"pinfeed-{VERSION}.spdx.json"]
    for arch, debian in zip(ARCHES, ("amd64", "arm64")):
        names += [f"pinfeed-{VERSION}-linux-{arch}.tar.gz", f"pinfeed_{VERSION}_{debian}.deb", f"pinfeed-{VERSION}.{arch}.rpm"]
    assert set(sums) == set(names) == {p.name for p in RELEASE.iterdir()} - {"SHA256SUMS"}
    for name, value in sums.items():
        assert hashlib.sha256((RELEASE / name).read_bytes()).hexdigest() == value, name


def test_connector_c_comes_with_its_licence_and_how_to_link_another(unpacked, arch):
    documents = unpacked(arch) / "files/usr/local/share/doc/pinfeed"
    assert "LESSER GENERAL PUBLIC LICENSE" in (documents / "linked-in/mariadb").read_text().upper()
    assert "libmariadbclient.a" in (documents / "linked-in/RELINK").read_text()
    assert {"openssl", "librdkafka", "curl", "zlib", "libzstd", "jansson", "expat"} <= {
        p.name for p in (documents / "linked-in").iterdir()}


# ---- certificates ------------------------------------------------------------------------------------------------------

AMAZON = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
DEBIAN = "/etc/ssl/certs/ca-certificates.crt"

# $1: where the certificates lie, $2: those; the rest: a command. Nothing of this machine's own is to be seen.
_ELSEWHERE = """
set -e
place=$1 bundle=$2
shift 2
mkdir -p "$TMPDIR/etc" "$TMPDIR/upper" "$TMPDIR/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$TMPDIR/upper,workdir=$TMPDIR/work" "$TMPDIR/etc"
rm -rf "$TMPDIR/etc/ssl" "$TMPDIR/etc/pki"
inside=$TMPDIR${place}
mkdir -p "$TMPDIR/etc/ssl" "${inside%/*}"
cp "$bundle" "$inside"
mount --rbind "$TMPDIR/etc" /etc
mount -t tmpfs tmpfs /usr/lib/ssl
exec "$@"
"""


@pytest.fixture
def elsewhere(tmp_path):
    """elsewhere(place, bundle): runs what follows where `bundle` lies at `place` and nowhere else."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    directory = tmp_path / "mounts"
    directory.mkdir()

    def wrap(place, bundle):
        return ["env", f"TMPDIR={directory}", "unshare", "--mount", "--propagation=private", "sh", "-c",
                f'mount -t tmpfs tmpfs "$TMPDIR"; {_ELSEWHERE}', "elsewhere", place, bundle]
    return wrap


PLACES = [AMAZON, "/etc/pki/tls/certs/ca-bundle.crt", DEBIAN]


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1, which is its own authority, and its key: (file, file)."""
    crt, key = tmp_path / "crt.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", crt],
                   check=True, stderr=subprocess.DEVNULL)
    return crt, key


@pytest.fixture
def credentials_by_https(certificate):
    """The URL of a service that hands out AWS credentials."""
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "example", "Token": "session",
                               "Expiration": "2099-01-01T00:00:00Z"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *unused):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("place", PLACES)
def test_curl_knows_the_machines_certificates(elsewhere, place, unpacked, certificate, credentials_by_https):
    program = unpacked("x86_64") / "files/usr/local/bin/pinfeed"
    environment = {"PATH": os.environ["PATH"], "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
                   "AWS_CONTAINER_CREDENTIALS_FULL_URI": credentials_by_https}
    answers = {}
    for bundle in (certificate[0], DEBIAN):
        answers[bundle] = subprocess.run([*elsewhere(place, bundle), program, "--token"], env=environment, capture_output=True,
                                         text=True, timeout=60)
    assert answers[certificate[0]].returncode == 0, answers[certificate[0]].stderr
    assert answers[DEBIAN].returncode != 0 and "certificate" in answers[DEBIAN].stderr


@pytest.fixture
def run_elsewhere(elsewhere, unpacked, monkeypatch, tmp_path):
    """run_elsewhere(pinfeed, place, bundle): pinfeed --check, where the certificates lie there; its words, its exit code."""
    def run(pinfeed, place, bundle):
        program = unpacked("x86_64") / "files/usr/local/bin/pinfeed"
        wrapper = tmp_path / "pinfeed"
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, [*elsewhere(place, bundle), program]))} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setenv("PINFEED", str(wrapper))
        pinfeed.run("--check")
        return pinfeed.stdout + pinfeed.log, pinfeed.exit_code
    return run


@pytest.mark.parametrize("place", PLACES)
def test_librdkafka_knows_the_machines_certificates(run_elsewhere, place, mariadb, kafka, identity, pinfeeds, database):
    mariadb.load(posts.sql(20), database)
    pinfeed = pinfeeds(mariadb, kafka, identity, database=database)
    sent.create_topics(kafka, pinfeed)
    del pinfeed.settings["kafka"]["ssl.ca.location"]
    words, code = run_elsewhere(pinfeed, place, kafka.ca_file)
    assert code == 0, words
    words, code = run_elsewhere(pinfeed, place, DEBIAN)
    assert code != 0 and "certificate" in words


def test_librdkafka_reads_ssl_cert_file(run_elsewhere, mariadb, kafka, identity, pinfeeds, database):
    """Which goes before the machine's, as for the other libraries."""
    mariadb.load(posts.sql(20), database)
    pinfeed = pinfeeds(mariadb, kafka, identity, database=database, env={"SSL_CERT_FILE": kafka.ca_file})
    sent.create_topics(kafka, pinfeed)
    del pinfeed.settings["kafka"]["ssl.ca.location"]
    words, code = run_elsewhere(pinfeed, DEBIAN, DEBIAN)
    assert code == 0, words


@pytest.fixture(scope="module")
def mariadb_with_tls():
    with MariaDB(tls=True) as server:
        server.load(posts.sql(20))
        yield server


@pytest.mark.parametrize("place", PLACES)
def test_connector_c_knows_the_machines_certificates(run_elsewhere, place, mariadb_with_tls, kafka, identity, pinfeeds):
    """By name: without ssl_ca, Connector/C 3.4 takes any certificate of 127.0.0.1."""
    pinfeed = pinfeeds(mariadb_with_tls, kafka, identity, settings={"mysql": {"tls": "verify", "host": "localhost"}})
    sent.create_topics(kafka, pinfeed)
    words, code = run_elsewhere(pinfeed, place, mariadb_with_tls.ca_file)
    assert code == 0, words
    words, code = run_elsewhere(pinfeed, place, DEBIAN)
    assert code != 0 and "certificate" in words
