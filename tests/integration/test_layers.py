"""scripts/check-layers names each kind of offence; that the tree has none is a part of `make check`."""

import collections
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


OFFENCES = [
    ("src/base/planted_1.c", '#include "pinfeed/config.h"', 'the room "base" stands below "config"'),
    ("src/config/planted_2.c", '  #  include "pinfeed/aws.h"', 'the room "config" stands below "aws"'),
    ("src/table/planted_3.c", '#include "pinfeed/producer.h"', "don't know each other"),
    ("src/service/planted_4.c", '#include "pinfeed/json.h"', "don't know each other"),
    ("src/job/planted_5.c", '#include "config/ini.h"', 'private to the room "config"'),
    ("src/job/planted_6.c", '#include "../config/ini.h"', 'private to the room "config"'),
    ("src/job/planted_7.c", "#include <librdkafka/rdkafka.h>", "only in producer"),
    ("src/job/planted_8.c", "#include <mysql.h>", "only in table"),
    ("src/config/planted_9.c", "#include <openssl/evp.h>", "only in aws"),
    ("src/table/planted_10.c", "#include <jansson.h>", "only in aws and emulate and feed and"),
    ("src/planted_11.c", "#include <systemd/sd-daemon.h>", "only in service"),
    ("src/base/planted_12.c", '#include "nowhere.h"', "is not found"),
    ("src/base/planted_13.c", "#include SOMETHING", "macro"),
    ("src/base/planted_14.c", "#include <pinfeed/base.h>", "with quotes"),
    ("src/attic/planted_15.c", "#include <stdio.h>", "belongs to none of the rooms"),
    ("include/pinfeed/aws.h", '#include "table.h"', "don't know each other"),
    ("src/base/planted_16.h", "size_t planted(void);", "doesn't compile on its own"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What it says of a copy of the tree with all of them in it: lines, by file."""
    root = tmp_path_factory.mktemp("tree")
    for part in ("include", "src"):
        shutil.copytree(ROOT / part, root / part)
    for path, line, _ in OFFENCES:
        planted = root / path
        planted.parent.mkdir(exist_ok=True)
        planted.write_text((planted.read_text() if planted.exists() else "") + line + "\n")
    answer = subprocess.run([ROOT / "scripts/check-layers", root], capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 1, answer.stderr
    lines = collections.defaultdict(list)
    for line in answer.stdout.splitlines():
        lines[line.partition(":")[0]].append(line)
    return lines


@pytest.mark.parametrize(("path", "line", "reason"), OFFENCES)
def test_an_offence_is_named_with_file_and_line(found, path, line, reason):
    text = (ROOT / path).read_text() if (ROOT / path).exists() else ""
    where = f"{path}:{text.count(chr(10)) + 1}: "
    assert [said for said in found[path] if said.startswith(where) and reason in said], found[path]


def test_nothing_else_is_an_offence(found):
    assert found.keys() == {path for path, _, _ in OFFENCES}
