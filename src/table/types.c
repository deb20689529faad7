#include <string.h>

#include "room.h"

enum { UTF8_MAX = 4 };

/* Longest texts: -9223372036854775808 (20); a DECIMAL of 65 digits with sign, zero and point (68);
 * 2020-04-27 13:34:16.123456 (26), -838:59:59.123456 (17). */
static const struct type types[] = {
        { "tinyint",            COLUMN_INTEGER,  LITERAL_INTEGER, KEY_INTEGER, 4, true },
        { "smallint",           COLUMN_INTEGER,  LITERAL_INTEGER, KEY_INTEGER, 6, true },
        { "mediumint",          COLUMN_INTEGER,  LITERAL_INTEGER, KEY_INTEGER, 8, true },
        { "int",                COLUMN_INTEGER,  LITERAL_INTEGER, KEY_INTEGER, 11, true },
        { "integer",            COLUMN_INTEGER,  LITERAL_INTEGER, KEY_INTEGER, 11, true },
        { "bigint",             COLUMN_INTEGER,  LITERAL_INTEGER, KEY_INTEGER, 20, true },
        { "year",               COLUMN_INTEGER,  LITERAL_INTEGER, KEY_INTEGER, 4, true },
        { "decimal",            COLUMN_DECIMAL,  LITERAL_DECIMAL, KEY_DECIMAL, 68, true },
        { "float",              COLUMN_FLOAT,    LITERAL_NONE,    KEY_DECIMAL, 0, true },
        { "double",             COLUMN_FLOAT,    LITERAL_NONE,    KEY_DECIMAL, 0, true },
        { "real",               COLUMN_FLOAT,    LITERAL_NONE,    KEY_DECIMAL, 0, true },
        { "bit",                COLUMN_BIT,      LITERAL_NONE,    KEY_BYTES, 0, true },
        { "char",               COLUMN_TEXT,     LITERAL_TEXT,    KEY_TEXT, 0, true },
        { "varchar",            COLUMN_TEXT,     LITERAL_TEXT,    KEY_TEXT, 0, true },
        { "tinytext",           COLUMN_TEXT,     LITERAL_TEXT,    KEY_TEXT, 255 * UTF8_MAX, true },
        { "text",               COLUMN_TEXT,     LITERAL_TEXT,    KEY_TEXT, 65535 * UTF8_MAX, true },
        { "mediumtext",         COLUMN_TEXT,     LITERAL_TEXT,    KEY_TEXT, SIZE_MAX, true },
        { "longtext",           COLUMN_TEXT,     LITERAL_TEXT,    KEY_TEXT, SIZE_MAX, true },
        { "enum",               COLUMN_TEXT,     LITERAL_TEXT,    KEY_TEXT, SIZE_MAX, false },
        { "set",                COLUMN_TEXT,     LITERAL_TEXT,    KEY_TEXT, SIZE_MAX, false },
        { "json",               COLUMN_TEXT,     LITERAL_NONE,    KEY_TEXT, SIZE_MAX, false },
        { "date",               COLUMN_TEXT,     LITERAL_TIME,    KEY_TIME, 10, true },
        { "time",               COLUMN_TEXT,     LITERAL_TIME,    KEY_TIME, 17, true },
        { "datetime",           COLUMN_DATETIME, LITERAL_TIME,    KEY_TIME, 26, true },
        { "timestamp",          COLUMN_DATETIME, LITERAL_TIME,    KEY_TIME, 26, true },
        { "uuid",               COLUMN_TEXT,     LITERAL_ADDRESS, KEY_BYTES, 36, true },
        { "inet4",              COLUMN_TEXT,     LITERAL_ADDRESS, KEY_BYTES, 15, true },
        { "inet6",              COLUMN_TEXT,     LITERAL_ADDRESS, KEY_BYTES, 45, true },
        { "binary",             COLUMN_BYTES,    LITERAL_BYTES,   KEY_BYTES, 0, true },
        { "varbinary",          COLUMN_BYTES,    LITERAL_BYTES,   KEY_BYTES, 0, true },
        { "tinyblob",           COLUMN_BYTES,    LITERAL_BYTES,   KEY_BYTES, 255, true },
        { "blob",               COLUMN_BYTES,    LITERAL_BYTES,   KEY_BYTES, 65535, true },
        { "mediumblob",         COLUMN_BYTES,    LITERAL_BYTES,   KEY_BYTES, SIZE_MAX, true },
        { "longblob",           COLUMN_BYTES,    LITERAL_BYTES,   KEY_BYTES, SIZE_MAX, true },
        { "geometry",           COLUMN_BYTES,    LITERAL_NONE,    KEY_BYTES, 0, false },
        { "point",              COLUMN_BYTES,    LITERAL_NONE,    KEY_BYTES, 0, false },
        { "linestring",         COLUMN_BYTES,    LITERAL_NONE,    KEY_BYTES, 0, false },
        { "polygon",            COLUMN_BYTES,    LITERAL_NONE,    KEY_BYTES, 0, false },
        { "multipoint",         COLUMN_BYTES,    LITERAL_NONE,    KEY_BYTES, 0, false },
        { "multilinestring",    COLUMN_BYTES,    LITERAL_NONE,    KEY_BYTES, 0, false },
        { "multipolygon",       COLUMN_BYTES,    LITERAL_NONE,    KEY_BYTES, 0, false },
        { "geometrycollection", COLUMN_BYTES,    LITERAL_NONE,    KEY_BYTES, 0, false },
        { "geomcollection",     COLUMN_BYTES,    LITERAL_NONE,    KEY_BYTES, 0, false },
        { "vector",             COLUMN_BYTES,    LITERAL_NONE,    KEY_BYTES, 0, false },
};
static const struct type unknown = { "", COLUMN_TEXT, LITERAL_NONE, KEY_TEXT, 0, false };

const struct type *type_find(const char *text) {
        size_t length = strcspn(text, "( ");

        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
                if (strlen(types[i].word) == length && strncasecmp(types[i].word, text, length) == 0)
                        return &types[i];
        return &unknown;
}

size_t type_length(const char *text) {
        const char *open = strchr(text, '(');

        return open ? strtoul(open + 1, NULL, 10) : 0;
}
