"""A second encoder, independent of pinfeed's: rows as the server prints them -> the JSON that has to arrive, byte for
byte.

    expected = dict(rows_as_json(mariadb, database, "SELECT * FROM pinterest_data", key="index"))
"""

import base64
import re

from pymysql.constants import FIELD_TYPE as T

_BINARY = 63                    # the character set number of what is not text
_INTEGERS = {T.TINY, T.SHORT, T.INT24, T.LONG, T.LONGLONG, T.YEAR}
_DECIMALS = {T.DECIMAL, T.NEWDECIMAL}
_FLOATS = {T.FLOAT, T.DOUBLE}
_TIMES = {T.DATE, T.NEWDATE, T.TIME, T.DATETIME, T.TIMESTAMP}
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


def rows_as_json(mariadb, database, select, key):
    """(key as bytes, JSON as bytes) of each row, in the query's order. The key is the text of column `key`."""
    # No converters: every cell comes as the server printed it. UTC, as pinfeed's own session has it.
    with mariadb.connect(database, conv={}, init_command="SET time_zone = '+00:00'") as connection:
        with connection.cursor() as cursor:
            cursor.execute(select)
            fields = cursor._result.fields
            rows = cursor.fetchall()
    at = [f.name for f in fields].index(key)
    return [(_raw(row[at]), encode_row(fields, row)) for row in rows]


def encode_row(fields, cells):
    """One row as an object without white space."""
    members = (f"{encode_text(f.name)}:{encode_cell(f, c)}" for f, c in zip(fields, cells, strict=True))
    return ("{" + ",".join(members) + "}").encode()


def encode_cell(field, cell):
    if cell is None:
        return "null"
    if field.type_code == T.BIT:
        return str(int.from_bytes(_raw(cell), "big"))
    if field.type_code in _INTEGERS or field.type_code in _DECIMALS:
        return _without_leading_zeros(_text(cell))
    if field.type_code in _FLOATS:
        number = _without_leading_zeros(_text(cell))
        return number if re.search("[.eE]", number) else number + ".0"
    if field.type_code in _TIMES:
        return encode_text(_text(cell))
    if field.charsetnr == _BINARY:
        return '"' + base64.b64encode(_raw(cell)).decode() + '"'
    return encode_text(_text(cell))


def encode_text(text):
    return '"' + _ESCAPED.sub(lambda found: _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + '"'


def _without_leading_zeros(number):
    return re.sub(r"^(-?)0+(?=\d)", r"\1", number)


def _text(cell):
    return cell.decode() if isinstance(cell, bytes) else cell


def _raw(cell):
    return cell if isinstance(cell, bytes) else cell.encode()
