"""Sample posts: the three tables of the pipeline, in the shape of the real ones, in our own words. Needs only Python.

Post n is the same whenever and with whatever others it is made. Every sixteenth is awkward: what has made encoders,
parsers and notebooks stumble.
"""

import argparse
import sys

COLUMNS = {
    "pinterest_data": ("index", "unique_id", "title", "description", "poster_name", "follower_count", "tag_list",
                       "is_image_or_video", "image_src", "downloaded", "save_location", "category"),
    "geolocation_data": ("ind", "timestamp", "latitude", "longitude", "country"),
    "user_data": ("ind", "first_name", "last_name", "age", "date_joined"),
}

_DDL = {
    "pinterest_data": """`index` INT NOT NULL PRIMARY KEY, unique_id VARCHAR(36), title TEXT, description TEXT,
    poster_name TEXT, follower_count VARCHAR(20), tag_list TEXT, is_image_or_video VARCHAR(40), image_src TEXT,
    downloaded INT, save_location TEXT, category VARCHAR(40)""",
    "geolocation_data": """ind INT NOT NULL PRIMARY KEY, `timestamp` DATETIME, latitude FLOAT, longitude FLOAT,
    country VARCHAR(80)""",
    "user_data": "ind INT NOT NULL PRIMARY KEY, first_name VARCHAR(60), last_name VARCHAR(60), age INT,"
                 " date_joined DATETIME",
}

# As pandas.DataFrame.to_sql makes them.
_DDL_WITHOUT_KEYS = {
    "pinterest_data": """`index` BIGINT, unique_id TEXT, title TEXT, description TEXT, poster_name TEXT,
    follower_count TEXT, tag_list TEXT, is_image_or_video TEXT, image_src TEXT, downloaded BIGINT, save_location TEXT,
    category TEXT""",
    "geolocation_data": "ind BIGINT, `timestamp` DATETIME, latitude DOUBLE, longitude DOUBLE, country TEXT",
    "user_data": "ind BIGINT, first_name TEXT, last_name TEXT, age BIGINT, date_joined DATETIME",
}

_CATEGORIES = {
    "art": ("watercolour of a harbour", "charcoal portrait", "linocut of a heron", "pastel sky"),
    "beauty": ("ten minute braid", "rosemary rinse", "matte plum lips", "winter hand cream"),
    "christmas": ("paper star garland", "cinnamon wreath", "tree in a teacup", "advent calendar of jars"),
    "diy-and-crafts": ("macramé shelf", "wooden whale puzzle", "sock dragon", "painted pebbles"),
    "education": ("fractions with lentils", "spelling hopscotch", "volcano in a jar", "map of the seasons"),
    "event-planning": ("seating plan on a mirror", "garden wedding on a budget", "picnic for forty", "balloon arch"),
    "finance": ("envelope budget", "a year without takeaways", "first index fund", "splitting the rent"),
    "home-decor": ("terracotta hallway", "plywood bench", "linen curtains", "a lamp from a colander"),
    "mens-fashion": ("navy overshirt", "three ways to fold a pocket square", "resoled boots", "cord suit"),
    "quotes": ("on patience", "on starting late", "on rivers", "on burnt toast"),
    "tattoos": ("fine line fern", "tiny anchor", "moth on a shoulder", "constellation wrist"),
    "travel": ("night train to Ljubljana", "forty hours in Porto", "cabin above the fjord", "ferry to Hydra"),
    "vehicles": ("restored camper van", "cargo bike for three", "1968 estate car", "electric moped"),
}
_NAMES = tuple(_CATEGORIES)
_LEADS = ("How to make:", "Notes on", "Before and after:", "Worth a try:", "Ten ideas:", "Weekend idea:",
          "Our favourite:", "Step by step:", "All about", "What nobody tells you:")
_DETAILS = ("A list of what you need, what it costs and what went wrong the first time.",
            "Save this for a rainy Sunday; it takes an afternoon and two cups of tea.",
            "We tried four ways and kept the simplest, photographs included.",
            "Everything here came from a flea market, a shed or a neighbour.",
            "Good for beginners, kind to wrists and cheap to repeat… ",
            "With measurements in both systems and a pattern to print.")
_POSTERS = ("Harbour & Pine", "The Quiet Workshop", "Mina Okoro", "Fold | Cut | Keep", "Søren builds", "Atelier Lune",
            "Twelve Acorns", "Bread and Bolts", "Ines Duarte Studio", "The Sunday Shed")
_TAGS = ("Easy Projects", "Small Spaces", "Slow Living", "Before And After", "On A Budget", "For Beginners",
         "Ideas 2022", "Printable", "Handmade", "Natural Materials", "Colour Palette", "Gift Ideas")
_COUNTRIES = ("Armenia", "Bolivia", "Cambodia", "Denmark", "Ecuador", "Fiji", "Ghana", "Cote d'Ivoire", "Iceland",
              "Japan", "Kenya", "Latvia", "Saint Vincent and the Grenadines", "Nepal", "Oman", "Peru", "Réunion",
              "Samoa", "Tonga", "Uruguay")
_FIRST = ("Ada", "Bruno", "Chidi", "Dalia", "Emre", "Freya", "Goran", "Hana", "Iker", "Jo", "Kofi", "Lena", "Mats",
          "Nadia", "Otis", "Priya")
_LAST = ("Abara", "Berg", "Castillo", "Dubois", "Eriksen", "Farkas", "Grant", "Hoshino", "Ivanova", "Jansen", "Kaya",
         "Lindqvist", "Moreau", "Novak", "O'Neill", "Petrov")
_FORMATS = ("image", "image", "image", "image", "video", "multi-video(story page format)")

# What an awkward post has instead: table -> column -> value.
_PIN, _GEO, _USER = "pinterest_data", "geolocation_data", "user_data"
_AWKWARD = (
    {_PIN: {"title": "No Title Data Available", "description": "No description available Story format",
            "poster_name": "User Info Error", "follower_count": "User Info Error",
            "tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e", "image_src": "Image src error.", "downloaded": 0}},
    {_PIN: {"title": "Cooking with \U0001F469\u200D\U0001F373 and "
                     "\U0001F468\u200D\U0001F469\u200D\U0001F467\u200D\U0001F466 "
                     "\U0001F44D\U0001F3FD \U0001F3F4\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F"},
     _GEO: {"latitude": "5", "longitude": "-170"}},
    {_PIN: {"title": 'The "best" of \'both\' `worlds` \\ and "more"', "tag_list": '"a","b\\",\\"c"'}},
    {_PIN: {"title": "First line\nSecond line\r\nThird\tafter a tab", "description": "\n"}},
    {_PIN: {"description": "controls: \x00\x01\x07\x08\x0b\x0c\x1b\x1f\x7f and what follows"}},
    {_PIN: {"title": "", "description": "", "poster_name": "", "tag_list": "", "category": ""},
     _GEO: {"country": ""}, _USER: {"first_name": "", "last_name": ""}},
    {_PIN: {c: None for c in COLUMNS[_PIN][1:]}, _GEO: {c: None for c in COLUMNS[_GEO][1:]},
     _USER: {c: None for c in COLUMNS[_USER][1:]}},
    {_PIN: {"title": "C:\\new\\table\\u0041 \\\" \\n \\\\", "save_location": "Local save in \\\\server\\data"}},
    {_PIN: {"title": "Идеи для дома и сада", "poster_name": "カフェ・ノート", "description": "Больше идей…\u00a0"},
     _USER: {"first_name": "Ольга", "last_name": "Жукова"}},
    {_PIN: {"title": "ends with a no-break space…\u00a0",
            "description": "\ufeffzero\u200bwidth \u2028 \u2029 \ufffd \ue000"},
     _GEO: {"latitude": "0", "longitude": "-0.375174"}},
    {_PIN: {"title": "</script><!-- {\"index\":1} -->", "description": "null", "follower_count": "0"},
     _USER: {"last_name": "null"}},
    {_PIN: {"title": "x" * 3000, "tag_list": ",".join(["Long List"] * 300)}},
    {_PIN: {"title": "  leading and trailing  ", "follower_count": "1000"}, _USER: {"age": 0},
     _GEO: {"latitude": "-88.5", "longitude": "180", "timestamp": "1000-01-01 00:00:00"}},
    {_PIN: {"title": "e\u0301 is not \u00e9; \u0130\u0131 \u00df \ufb01", "category": "diy-and-crafts "},
     _GEO: {"latitude": "0.000001", "longitude": "1e-20", "timestamp": "9999-12-31 23:59:59"}},
)
AWKWARD_EVERY = 16


def _mixed(n):
    """64 bits that look random and are always the same for n (splitmix64's finish)."""
    z = (n + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    z = (z ^ z >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return z ^ z >> 31


def _pin(n, x):
    category = _NAMES[x % 13]
    subject = _CATEGORIES[category][x >> 8 & 3]
    poster, y = _POSTERS[(x >> 10) % 10], _mixed(~x & 0x7FFFFFFFFFFFFFFF)
    followers = f"{(x >> 20) % 998 + 1}{('', 'k', 'k', 'M')[x >> 30 & 3]}"
    tags = ",".join(_TAGS[(y >> s) % 12] for s in (0, 8, 16, 24, 32))
    lead = _LEADS[(x >> 14) % 10]
    return (n, f"{x >> 32:08x}-{x >> 16 & 0xffff:04x}-4{y & 0xfff:03x}-a{y >> 12 & 0xfff:03x}-{y >> 16:012x}",
            f"{lead} {subject}", f"{lead} {subject}. {_DETAILS[(y >> 40) % 6]} {_DETAILS[(y >> 44) % 6]}", poster,
            followers, tags, _FORMATS[(x >> 40) % 6],
            f"https://i.example.com/originals/{x & 0xff:02x}/{x:016x}{y:016x}.jpg", 1,
            f"Local save in /data/{category}", category)


def _time(x, first_year):
    return (f"{first_year + x % 6:04d}-{(x >> 4) % 12 + 1:02d}-{(x >> 8) % 28 + 1:02d} "
            f"{(x >> 16) % 24:02d}:{(x >> 24) % 60:02d}:{(x >> 32) % 60:02d}")


def _geo(n, x):
    return (n, _time(x, 2017), f"{((x >> 8) % 1800000 - 900000) / 10000:.6g}",
            f"{((x >> 24) % 3600000 - 1800000) / 10000:.6g}", _COUNTRIES[x % 20])


def _user(n, x):
    return (n, _FIRST[x & 15], _LAST[x >> 4 & 15], 20 + (x >> 8) % 41, _time(x >> 12, 2015))


_MAKERS = {_PIN: _pin, _GEO: _geo, _USER: _user}


def is_awkward(n):
    return n % AWKWARD_EVERY == 5


def row(table, n):
    """Row n of a table, as a tuple in column order; floats as strings, as they are written into the SQL."""
    cells = _MAKERS[table](n, _mixed(n))
    if is_awkward(n):
        changes = _AWKWARD[n // AWKWARD_EVERY % len(_AWKWARD)].get(table)
        if changes:
            cells = tuple(changes.get(name, cell) for name, cell in zip(COLUMNS[table], cells))
    return cells


# The client reads lines, and drops a \r before a \n.
_ESCAPES = (("\\", "\\\\"), ("'", "\\'"), ("\0", "\\0"), ("\n", "\\n"), ("\r", "\\r"))


def _literal(cell):
    if cell is None:
        return "NULL"
    if isinstance(cell, int):
        return str(cell)
    if "\\" in cell or "'" in cell or not cell.isprintable():
        for plain, escaped in _ESCAPES:
            cell = cell.replace(plain, escaped)
    return f"'{cell}'"


def sql(posts=2000, start=0, without_keys=False, rows_per_insert=500):
    """The script that makes and fills the three tables, piece by piece. Posts start .. start + posts - 1; tables that
    are there already are kept, and rows added."""
    yield "SET NAMES utf8mb4;\nSET sql_mode = '', unique_checks = 0;\n"
    for table, ddl in (_DDL_WITHOUT_KEYS if without_keys else _DDL).items():
        yield f"CREATE TABLE IF NOT EXISTS {table} (\n    {ddl}\n) CHARACTER SET utf8mb4;\n"
    for table in COLUMNS:
        yield "START TRANSACTION;\n"
        for first in range(start, start + posts, rows_per_insert):
            rows = (row(table, n) for n in range(first, min(first + rows_per_insert, start + posts)))
            yield (f"INSERT INTO {table} VALUES\n"
                   + ",\n".join("(" + ",".join(map(_literal, cells)) + ")" for cells in rows) + ";\n")
        yield "COMMIT;\n"


def main():
    parser = argparse.ArgumentParser(prog="sample-posts", description="Prints SQL that makes and fills pinterest_data, "
                                     "geolocation_data and user_data with generated posts, awkward ones among them.")
    parser.add_argument("--posts", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--start", type=int, default=0, help="the first post's index (default: 0)")
    parser.add_argument("--without-keys", action="store_true",
                        help="BIGINT, DOUBLE and TEXT columns and no index at all, as pandas makes them")
    options = parser.parse_args()
    sys.stdout.reconfigure(encoding="utf-8", newline="")
    try:
        for piece in sql(options.posts, options.start, options.without_keys):
            sys.stdout.write(piece)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
