"""Sample posts are what they say, in the database too."""

import subprocess

import pytest

from rig import paths, posts


@pytest.mark.parametrize("without_keys", [False, True])
def test_what_was_generated_is_what_the_database_holds(mariadb, database, without_keys):
    mariadb.load(posts.sql(600, 40, without_keys), database)
    for table, columns in posts.COLUMNS.items():
        names = ",".join(f"`{c}`" for c in columns)
        with mariadb.connect(database, conv={}) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {names} FROM {table} ORDER BY 1+0")
            rows = cursor.fetchall()
        assert len(rows) == 600
        for n, got in enumerate(rows, 40):
            for name, expected, cell in zip(columns, posts.row(table, n), got, strict=True):
                if name in ("latitude", "longitude") and expected is not None:
                    assert float(cell) == pytest.approx(float(expected), rel=1e-5)
                else:
                    assert cell == (None if expected is None else str(expected)), (table, n, name)
        keys = mariadb.execute(f"SHOW INDEX FROM {table}", database=database)
        assert len(keys) == (0 if without_keys else 1)


def test_a_post_does_not_depend_on_where_the_run_began():
    assert "".join(posts.sql(30, 100)).count("\n(115,") == 3
    whole = list(posts.sql(3, 115))
    assert [line for piece in whole for line in piece.splitlines() if line.startswith("(116,")] == [
        line.rstrip(";") for piece in posts.sql(30, 100) for line in piece.splitlines() if line.startswith("(116,")]


def test_the_script_prints_what_the_module_makes():
    done = subprocess.run([paths.ROOT / "scripts" / "sample-posts", "--posts", "20", "--start", "7", "--without-keys"],
                          stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode() == "".join(posts.sql(20, 7, True))
