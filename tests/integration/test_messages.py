"""What pinfeed answers to what people type and write: exit code, what has to be said, and what must not be. No servers."""

import json
import os
import subprocess

import pytest

from rig import paths

GOOD = {
    "pinfeed": {"user_id": "0ac1babf620d"},
    "mysql": {"host": "db.example"},
    "kafka": {"bootstrap.servers": "b-1.x.c2.kafka.us-east-1.amazonaws.com:9098"},
}
SECRET = "hunter2"
CLIENT_PROPERTIES = """[kafka]
bootstrap.servers = b:9098
security.protocol=SASL_SSL
sasl.mechanism=AWS_MSK_IAM
sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required awsRoleArn="arn:aws:iam::584739742957:role/me";
sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler
[pinfeed]
user_id = me
[mysql]
host = db.example
"""


def text(*changes):
    """The good configuration with (section, key, value) changed; None takes a setting away."""
    settings = {section: dict(values) for section, values in GOOD.items()}
    for section, key, value in changes:
        settings.setdefault(section, {})[key] = value
    return "".join(f"[{s}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items() if v is not None)
                   for s, values in settings.items())


@pytest.fixture
def pinfeed(tmp_path):
    """pinfeed(configuration, *arguments, mode=0o600) -> what was done: returncode, stdout, stderr."""
    def run(configuration, *arguments, mode=0o600, stdout=subprocess.PIPE):
        path = tmp_path / "pinfeed.conf"
        if configuration is not None:
            path.write_text(configuration)
            path.chmod(mode)
        return subprocess.run([paths.binary(), f"--config={path}", *arguments], env={"PATH": os.environ["PATH"]}, stdout=stdout,
                              stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    return run


def said_once(done, code, *words):
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.splitlines()
    for word in words:
        assert word in line, f"{word!r} isn't in: {line}"
    return line


@pytest.mark.parametrize("section, key, value, words", [
    ("emulate", "rate", "fast", ["rate must be a number from 0.001 to 1000000, not 'fast'"]),
    ("pinfeed", "user_id", "<UserId>", ["not '<UserId>': '<' can't be in it", "Put your own"]),
    ("pinfeed", "user_id", "a/b", ["not 'a/b': '/' can't be in it"]),
    ("pinfeed", "user_id", "a b", ["not 'a b': a blank can't be in it"]),
    ("pinfeed", "user_id", "'ab'", ["not ''ab'': ''' can't be in it", "without quotes"]),
    ("mysql", "port", "3306# x", ["not '3306# x': '#' can't be in it", "needs a space"]),
    ("mysql", "password_file", SECRET, ["[mysql] password_file names no file", "isn't shown"]),
    ("mysql", "password_file", "~/" + SECRET, ["password_file must be a path: ~ is not expanded"]),
    ("mysql", "host", f"mysql://me:{SECRET}@db", ["leave out the scheme"]),
    ("mysql", "password", SECRET, ["there is no setting password", "only root can read"]),
    ("aws", "region", "us-east-1a", ["not 'us-east-1a'", "availability zone"]),
    ("stream pin", "tabel", "x", ["there is no setting tabel in [stream pin]", "Did you mean table?"]),
    ("stream geo", "topic", "0ac1babf620d.pin", ["the streams pin and geo have the same topic"]),
    ("kafka", "bootstrap.servers", None, ["[kafka] bootstrap.servers isn't set", "View client information"]),
    ("kafka", "bootstrap.servers", "a:9098 b:9098", ["has a blank in it: 'a:9098 b:9098'", "by commas"]),
    ("kafka", "bootstrap.servers", "a:9098;b:9098", ["has a semicolon in it", "by commas"]),
    ("kafka", "bootstrap.servers", "a", ["a broker without a port: 'a'", "9098"]),
    ("kafka", "bootstrap.servers", "b-1.x.c2.kafka.us-east-1.amazonaws.com:9092", ["9092 is the one without encryption", "9098"]),
    ("kafka", "bootstrap.servers", "b-1.x.c2.kafka.us-east-1.amazonaws.com:2181", ["2181 is ZooKeeper's", "9098"]),
    ("kafka", "security.protocol", "SASL_PLAINTEXT", ["security.protocol can't be SASL_PLAINTEXT together with AWS tokens"]),
    ("kafka", "enable.ssl.certificate.verification", "false", ["together with AWS tokens"]),
    ("kafka", "sasl.passwrd", SECRET, ["sasl.passwrd is not a property", "Did you mean sasl.password?"]),
    ("kafka", "acks", "1", ["acks can't be set to '1'", "in-sync"]),
    ("kafka", "ssl.ca.location", "/nonexistent/ca.pem", ["refuses the settings", "ssl.ca.location", "the file has to be there"]),
])
def test_one_wrong_setting_is_one_line_that_says_what_to_write(pinfeed, section, key, value, words):
    done = pinfeed(text((section, key, value)), "--check")
    assert SECRET not in said_once(done, 78, *words)
    assert done.stdout == ""


@pytest.mark.parametrize("arguments, words", [
    (["--set=emulate.rate=fast", "--check"], ["--set: [emulate] rate must be", "not 'fast'"]),
    (["--set=kafka.acks=1", "--check"], ["--set: [kafka] acks can't be set to '1'"]),
    (["--set=nope.x=1", "--check"], ["there is no section [nope]"]),
    (["--set=mysql.password_file=" + SECRET, "--check"], ["--set: [mysql] password_file names no file"]),
    (["--set=kafka.sasl.password=" + SECRET, "--check"], ["sasl.password is a secret", "command line"]),
    (["--set", "emulate.rate", "10"], ["'10' is not an option", "one word"]),
    (["--set", "emulate.rate", "=10"], ["'=' is not an option", "one word"]),
    (["-x"], ["there is no option -x"]),
    (["--streams=nope", "--replay"], ["--streams: there is no stream nope"]),
    (["--raw", "--check"], ["--raw goes with --token only"]),
])
def test_a_wrong_command_line_is_wrong_usage(pinfeed, arguments, words):
    assert SECRET not in said_once(pinfeed(text(), *arguments), 2, *words)


def test_a_pasted_client_properties_is_one_mistake_with_the_line_to_write(pinfeed):
    said_once(pinfeed(CLIENT_PROPERTIES, "--check"), 78, "sasl.mechanism is a setting of Java clients with IAM, and so are "
              "sasl.jaas.config, sasl.client.callback.handler.class", "[aws] role_arn = arn:aws:iam::584739742957:role/me")


@pytest.mark.parametrize("name", ["bootstrap.server", "brokers", "broker"])
def test_a_misspelt_bootstrap_server_is_that_and_not_two_mistakes(pinfeed, name):
    done = pinfeed(text(("kafka", "bootstrap.servers", None), ("kafka", name, "a:1")), "--check")
    said_once(done, 78, f"{name} is not a property", "Did you mean bootstrap.servers?")


def test_all_mistakes_are_told_and_as_json_too(pinfeed):
    wrong = text(("emulate", "rate", "fast"), ("kafka", "linger.msec", "5"), ("mysql", "port", "0"))
    done = pinfeed(wrong, "--check", "--json")
    assert done.returncode == 78
    told = done.stderr.splitlines()
    assert len(told) == 3
    result = json.loads(done.stdout)
    assert not result["ok"]
    assert [f["what"] for f in result["findings"]] == ["settings"] * 3
    assert all(f["text"] in line and f["hint"] in line for f, line in zip(result["findings"], told))


def test_ten_mistakes_are_told_and_the_rest_counted(pinfeed):
    done = pinfeed("".join(f"word{i}\n" for i in range(25)), "--check")
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 11
    assert done.stderr.splitlines()[-1].endswith("and 15 more mistakes in the settings")


def test_no_configuration_names_the_sample(pinfeed):
    said_once(pinfeed(None, "--check"), 78, "No such file", "pinfeed.conf.sample")


@pytest.mark.skipif(os.path.exists("/etc/pinfeed/pinfeed.conf"), reason="pinfeed is installed here")
def test_without_the_default_configuration_that_is_the_one_mistake_unless_the_settings_are_typed():
    def run(*arguments):
        return subprocess.run([paths.binary(), *arguments], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
                              timeout=20, check=False)
    said_once(run("--check"), 78, "can't read the configuration /etc/pinfeed/pinfeed.conf: No such file", "pinfeed.conf.sample")
    said = run("--check", "--set=mysql.host=db.example").stderr.splitlines()
    assert len(said) == 2 and "[pinfeed] user_id isn't set" in said[0] and "bootstrap.servers isn't set" in said[1]
    assert run("--show-settings").returncode == 0


@pytest.mark.parametrize("mode, refused", [(0o644, True), (0o604, True), (0o640, False), (0o600, False)])
def test_a_password_that_others_can_read_is_refused(pinfeed, tmp_path, mode, refused):
    """Beside another mistake, so that nothing is connected."""
    password = tmp_path / "mysql-password"
    password.write_text(SECRET + "\n")
    password.chmod(mode)
    done = pinfeed(text(("emulate", "rate", "fast")), "--check")
    assert done.returncode == 78 and SECRET not in done.stderr + done.stdout
    assert (f"other users can read the password in {password}. Type: chmod o-rwx {password}" in done.stderr) == refused
    assert len(done.stderr.splitlines()) == 1 + refused


@pytest.mark.parametrize("mode, code", [(0o644, 78), (0o640, 0)])
def test_a_secret_property_in_a_file_that_others_can_read_is_refused(pinfeed, mode, code):
    done = pinfeed(text(("kafka", "sasl.password", SECRET)), "--show-settings", mode=mode)
    assert done.returncode == code
    assert SECRET not in done.stderr + done.stdout
    assert ("sasl.password is a secret, and other users can read this file. Type: chmod o-rwx" in done.stderr) == (code == 78)


def test_show_settings_says_where_each_comes_from_and_can_be_read_back(pinfeed, tmp_path):
    configuration = text(("kafka", "sasl.password", SECRET), ("stream pin", "where", '"a = \'# b\'"'))
    done = pinfeed(configuration, "--show-settings", "--set=emulate.rate=2.5", "-v")
    assert done.returncode == 0 and done.stderr == "" and SECRET not in done.stdout
    lines = done.stdout.splitlines()
    for line in (f"user_id = 0ac1babf620d    # {tmp_path}/pinfeed.conf:2", "rate = 2.5    # --set", "port = 3306    # default",
                 "#sasl.password = (not shown)    # {}/pinfeed.conf:7".format(tmp_path), "topic = 0ac1babf620d.geo    # default",
                 "group = pinfeed.0ac1babf620d    # default", "log_level = debug    # --set", "#posts = (not set)    # default"):
        assert line in lines, line
    again = pinfeed(done.stdout, "--show-settings")
    assert again.returncode == 0
    def values(shown):
        return [line.split("    #")[0] for line in shown.splitlines() if not line.startswith("#sasl")]
    assert values(again.stdout) == values(done.stdout)

    settings = {(s["section"], s["key"]): s for s in json.loads(pinfeed(configuration, "--show-settings", "--json").stdout)["settings"]}
    assert settings["stream pin", "where"]["value"] == "a = '# b'"
    assert settings["kafka", "sasl.password"] == {"section": "kafka", "key": "sasl.password", "value": None, "hidden": True,
                                                  "origin": f"{tmp_path}/pinfeed.conf:7"}
    assert settings["mysql", "socket"]["value"] is None and not settings["mysql", "socket"]["hidden"]


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], ["-V"], ["--show-settings"],
                                       ["--show-settings", "--json"]])
def test_a_result_that_cannot_be_written_is_a_failure(pinfeed, arguments):
    with open("/dev/full", "w") as full:
        done = pinfeed(text(), *arguments, stdout=full)
    said_once(done, 1, "standard output")


@pytest.fixture(scope="module")
def completions():
    """Beside the program: `make manual` makes them."""
    return {shell: paths.binary().with_name(f"completion.{shell}").read_text() for shell in ("bash", "zsh")}


def options():
    shown = subprocess.run([paths.binary(), "--help"], capture_output=True, text=True, check=True, timeout=20).stdout
    return [line.split()[0].split("=")[0].rstrip(",") for line in shown.splitlines() if line.startswith("  --")]


def bash_offers(completion, *words):
    """What bash offers behind these words, which are split as bash splits them."""
    line = " ".join("'" + w + "'" for w in words)
    done = subprocess.run(["bash", "-c", f"{completion}\ncomplete -p pinfeed >&2; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
                           '_pinfeed 2>/dev/null; printf "%s\\n" "${COMPREPLY[@]}"'],
                          capture_output=True, text=True, check=False, timeout=20)
    assert "complete -F _pinfeed pinfeed" in done.stderr
    return done.stdout.split()


def test_completion_knows_every_option(completions):
    assert len(options()) > 15
    for shell in ("bash", "zsh"):
        for option in options():
            assert option in completions[shell], (shell, option)
    assert sorted(o.rstrip("=") for o in bash_offers(completions["bash"], "pinfeed", "")) == sorted(options())


def test_completion_offers_what_fits(completions):
    bash = completions["bash"]
    assert bash_offers(bash, "pinfeed", "--ch") == ["--check"]
    assert bash_offers(bash, "pinfeed", "--set", "=", "emulate.r") == ["emulate.rate="]
    assert "mysql.host=" in bash_offers(bash, "pinfeed", "--set", "=")
    assert bash_offers(bash, "pinfeed", "--streams", "=", "p") == ["pin"]
    assert subprocess.run(["bash", "-n", "-c", bash], check=False).returncode == 0
