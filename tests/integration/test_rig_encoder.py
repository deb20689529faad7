"""The encoder that the other tests trust: known rows, and Python's own JSON reader."""

import json

from rig.encoder import rows_as_json


def encoded(mariadb, database, columns, values):
    mariadb.execute("SET sql_mode = ''", f"CREATE TABLE t (k INT PRIMARY KEY, {columns})",
                    f"INSERT INTO t VALUES (7, {values})", database=database)
    [(key, value)] = rows_as_json(mariadb, database, "SELECT * FROM t", "k")
    assert key == b"7"
    return value.decode()


def test_numbers(mariadb, database):
    columns = ("a BIGINT UNSIGNED, b INT(5) ZEROFILL, c DECIMAL(30,10), d FLOAT, e DOUBLE, f FLOAT, g DOUBLE,"
               " h BIT(10), i TINYINT, j FLOAT, k2 YEAR, l INT(3) ZEROFILL, m FLOAT")
    values = ("18446744073709551615, 42, 12345678901234567890.5, 5, 5, -0.375174, 1e300, b'1000000001', -7, 16777217, "
              "2024, 0, 1e-7")
    assert encoded(mariadb, database, columns, values) == (
        '{"k":7,"a":18446744073709551615,"b":42,"c":12345678901234567890.5000000000,"d":5.0,"e":5.0,"f":-0.375174,'
        '"g":1e300,"h":513,"i":-7,"j":16777200.0,"k2":2024,"l":0,"m":0.0000001}')


def test_text(mariadb, database):
    columns = "a TEXT, b VARCHAR(99), c CHAR(5), d ENUM('x','y'), e JSON, f TEXT"
    values = (r"""'q" b\\ n\n r\r t\t \b /', CONCAT(CHAR(0), CHAR(12), CHAR(31), CHAR(127)), '', 'y', '{"a": [1]}', """
              "'\U0001F469\u200D\U0001F373 \u0414\u0430 \u00A0'")
    assert encoded(mariadb, database, columns, values) == (
        '{"k":7,"a":"q\\" b\\\\ n\\n r\\r t\\t \\b /","b":"\\u0000\\f\\u001f\x7f","c":"","d":"y","e":"{\\"a\\": [1]}",'
        '"f":"\U0001F469\u200D\U0001F373 \u0414\u0430 \u00A0"}')


def test_the_rest(mariadb, database):
    columns = ("a DATETIME, b DATETIME(3), c TIMESTAMP NULL, d DATE, e TIME, f BLOB, g VARBINARY(9), h BINARY(3),"
               " i INT, j DATETIME")
    values = ("'2020-04-27 13:34:16', '2020-04-27 13:34:16.5', '2020-04-27 13:34:16', '2020-04-27', '-12:00:01',"
              "x'00ff', 'ab', 'a', NULL, '0000-00-00 00:00:00'")
    assert encoded(mariadb, database, columns, values) == (
        '{"k":7,"a":"2020-04-27 13:34:16","b":"2020-04-27 13:34:16.500","c":"2020-04-27 13:34:16","d":"2020-04-27",'
        '"e":"-12:00:01","f":"AP8=","g":"YWI=","h":"YQAA","i":null,"j":"0000-00-00 00:00:00"}')


def test_every_object_is_what_python_reads_too(mariadb, database):
    odd = "".join(map(chr, [*range(128), 0x85, 0xA0, 0x2028, 0xFFFD, 0x1F600]))
    mariadb.execute("CREATE TABLE t (k INT PRIMARY KEY, a TEXT)", database=database)
    with mariadb.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1, %s)", (odd,))
    [(_, value)] = rows_as_json(mariadb, database, "SELECT * FROM t", "k")
    assert json.loads(value) == {"k": 1, "a": odd}
