"""scripts/check-layers lets the tree pass and names each kind of offence."""

import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(root):
    return subprocess.run([ROOT / "scripts/check-layers", root], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def tree(tmp_path):
    """A copy of the tree, small enough to plant something in."""
    shutil.copytree(ROOT / "include", tmp_path / "include")
    shutil.copytree(ROOT / "src", tmp_path / "src")
    return tmp_path


def test_rooms_of_the_tree_are_in_order():
    answer = check(ROOT)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("path", "line", "reason"),
    [
        ("src/base/planted.c", '#include "pinfeed/config.h"', 'the room "base" stands below "config"'),
        ("src/config/planted.c", '  #  include "pinfeed/aws.h"', 'the room "config" stands below "aws"'),
        ("src/table/planted.c", '#include "pinfeed/producer.h"', "don't know each other"),
        ("src/service/planted.c", '#include "pinfeed/json.h"', "don't know each other"),
        ("src/job/planted.c", '#include "config/ini.h"', 'private to the room "config"'),
        ("src/job/planted.c", '#include "../config/ini.h"', 'private to the room "config"'),
        ("src/job/planted.c", "#include <librdkafka/rdkafka.h>", "only in producer"),
        ("src/job/planted.c", "#include <mysql.h>", "only in table"),
        ("src/config/planted.c", "#include <openssl/evp.h>", "only in aws"),
        ("src/table/planted.c", "#include <jansson.h>", "only in aws and emulate and feed and"),
        ("src/planted.c", "#include <systemd/sd-daemon.h>", "only in service"),
        ("src/base/planted.c", '#include "nowhere.h"', "is not found"),
        ("src/base/planted.c", "#include SOMETHING", "macro"),
        ("src/base/planted.c", "#include <pinfeed/base.h>", "with quotes"),
        ("src/attic/planted.c", "#include <stdio.h>", "belongs to none of the rooms"),
        ("include/pinfeed/aws.h", '#include "table.h"', "don't know each other"),
        ("src/base/planted.h", "size_t planted(void);", "doesn't compile on its own"),
    ],
)
def test_an_offence_is_named_with_file_and_line(tree, path, line, reason):
    planted = tree / path
    planted.parent.mkdir(exist_ok=True)
    planted.write_text((planted.read_text() if planted.exists() else "") + line + "\n")
    answer = check(tree)
    assert answer.returncode == 1
    offences = answer.stdout.splitlines()
    assert offences[0].startswith(f"{path}:"), offences
    assert reason in offences[0], offences
