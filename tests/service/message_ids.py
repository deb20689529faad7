"""The MESSAGE_IDs by name, from the source."""

import pathlib
import re

_source = pathlib.Path(__file__).resolve().parents[2] / "src" / "service" / "message.c"

for _name, _id in re.findall(r'\[MESSAGE_(\w+)\] = "([0-9a-f]{32})"', _source.read_text()):
    globals()[_name] = _id
