#include <errmsg.h>
#include <mysqld_error.h>
#include <string.h>

#include "room.h"

/* Numbers that not every version of the two families' headers knows. */
enum {
        DISK_FULL = 1021,
        MYSQL_DISK_FULL_NOWAIT = 3675,
        MARIADB_CONNECTION_KILLED = 1927,
        MARIADB_STATEMENT_TIMEOUT = 1969,
        MYSQL_QUERY_TIMEOUT = 3024,
        MYSQL_ACCOUNT_LOCKED = 3118,
        MARIADB_ACCOUNT_LOCKED = 4151,
        MYSQL_CLIENT_TIMEOUT = 4031,
        /* Connector/C's own errors, besides those from CR_MIN_ERROR on */
        MARIADB_CLIENT_MIN = 5000, MARIADB_CLIENT_MAX = 5999,
        MARIADB_PLUGIN_NOT_ALLOWED = 5010,
};

#define HINT_PASSWORD "Check [mysql] user and password_file (the file holds the password and nothing else), and that " \
        "the account {user} may log in from this machine."
#define HINT_NO_PASSWORD "No password was given. Put it into /etc/pinfeed/mysql-password, a file that only root can read, or " \
        "into the one that [mysql] password_file names; and check [mysql] user."
#define HINT_PLUGIN "The account logs in in a way that pinfeed's MySQL library lacks (MySQL's own since 9.0: " \
        "mysql_native_password). Let a database administrator run: ALTER USER '{user}'@'%' IDENTIFIED WITH " \
        "caching_sha2_password BY '…'; or build pinfeed with MariaDB's library, which has both."
#define RUN_GRANT " a database administrator run, for the table of each stream: GRANT SELECT ON `{database}`.`{table}` " \
        "TO '{user}'@'%' (with your account's own host part)."
#define HINT_GRANT "Let" RUN_GRANT
#define HINT_DATABASE "Check [mysql] database. If that is its name, let" RUN_GRANT
#define HINT_LARGE "Leave the column out ({stream} columns) or the row ({stream} where), or raise message.max.bytes in " \
        "[kafka], by which pinfeed limits what it takes of one row."
#define HINT_REACH "Check [mysql] host and port, that the server runs, and that its security group or firewall lets " \
        "this machine in (RDS: inbound TCP 3306)."
#define HINT_CERTIFICATE "[mysql] ssl_ca must hold the certificate authority of the server (RDS: " \
        "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem), and [mysql] host the name in its certificate. " \
        "[mysql] tls = require encrypts without a proof of who answers."
#define HINT_WHERE "Check {stream} columns and where: where is the text that would follow WHERE in a SELECT."
#define HINT_BUSY "The server is busy with others; trying again helps."
#define HINT_SPACE "The server ran out of room, most likely for sorting: an index on the key column makes sorting needless."

/* What an error number means, and what to do. What isn't listed: a server's error may pass (a restart may help), an
 * error of the client library means that the connection is gone. */
static const struct answer {
        unsigned number;
        enum error_class class;
        const char *hint;
} answers[] = {
        { ER_ACCESS_DENIED_ERROR, ERROR_REFUSED, HINT_PASSWORD },
        { ER_ACCESS_DENIED_NO_PASSWORD_ERROR, ERROR_REFUSED, HINT_PASSWORD },
        { ER_HOST_NOT_PRIVILEGED, ERROR_REFUSED, "The account must be allowed to log in from this machine's address." },
        { ER_DBACCESS_DENIED_ERROR, ERROR_REFUSED, HINT_DATABASE },
        { ER_TABLEACCESS_DENIED_ERROR, ERROR_REFUSED, HINT_GRANT },
        { ER_COLUMNACCESS_DENIED_ERROR, ERROR_REFUSED, HINT_GRANT },
        { ER_SPECIFIC_ACCESS_DENIED_ERROR, ERROR_REFUSED, HINT_GRANT },
        { ER_BAD_DB_ERROR, ERROR_REFUSED, "Check [mysql] database; SHOW DATABASES lists what there is." },
        { ER_NO_DB_ERROR, ERROR_REFUSED, "Set [mysql] database." },
        { ER_NO_SUCH_TABLE, ERROR_REFUSED, "Check {stream} table and [mysql] database." },
        { ER_BAD_FIELD_ERROR, ERROR_REFUSED, HINT_WHERE },
        { ER_PARSE_ERROR, ERROR_REFUSED, HINT_WHERE },
        { ER_VIEW_INVALID, ERROR_REFUSED, "The view refers to tables or columns that are gone or may not be read." },
        { ER_MUST_CHANGE_PASSWORD, ERROR_REFUSED, "The account's password has expired; set a new one." },
        { ER_MUST_CHANGE_PASSWORD_LOGIN, ERROR_REFUSED, "The account's password has expired; set a new one." },
        { MYSQL_ACCOUNT_LOCKED, ERROR_REFUSED, "Let a database administrator unlock the account." },
        { MARIADB_ACCOUNT_LOCKED, ERROR_REFUSED, "Let a database administrator unlock the account." },
        { ER_NOT_SUPPORTED_AUTH_MODE, ERROR_REFUSED, HINT_PLUGIN },
        { CR_AUTH_PLUGIN_CANNOT_LOAD, ERROR_REFUSED, HINT_PLUGIN },
        { CLIENT_AUTH_PLUGIN_ERROR, ERROR_REFUSED, "The account's password would go over the network as it is. Let the server "
          "offer TLS, and set [mysql] tls = require or, better, ssl_ca; or use [mysql] socket on the server's machine." },
        { MARIADB_PLUGIN_NOT_ALLOWED, ERROR_REFUSED, "What answers asks for the password in a way that gives it away. pinfeed "
          "logs in by mysql_native_password, ed25519, parsec or caching_sha2_password: if it is your server, let a database "
          "administrator change the account '{user}' to one of them." },
        { ER_HOST_IS_BLOCKED, ERROR_UNREACHABLE, "Let a database administrator run FLUSH HOSTS." },
        { ER_CON_COUNT_ERROR, ERROR_UNREACHABLE, HINT_BUSY },
        { ER_TOO_MANY_USER_CONNECTIONS, ERROR_UNREACHABLE, HINT_BUSY },
        { ER_USER_LIMIT_REACHED, ERROR_UNREACHABLE, HINT_BUSY },
        { ER_LOCK_WAIT_TIMEOUT, ERROR_UNREACHABLE, "Something holds a lock on the table (an ALTER TABLE?); "
          "trying again helps once it is gone." },
        { ER_LOCK_DEADLOCK, ERROR_UNREACHABLE, HINT_BUSY },
        { ER_SERVER_SHUTDOWN, ERROR_UNREACHABLE, NULL },
        { ER_QUERY_INTERRUPTED, ERROR_UNREACHABLE, "Somebody or some rule on the server ended the query (KILL)." },
        { MARIADB_CONNECTION_KILLED, ERROR_UNREACHABLE, "Somebody ended the connection (KILL)." },
        { MYSQL_CLIENT_TIMEOUT, ERROR_UNREACHABLE, NULL },
        { MARIADB_STATEMENT_TIMEOUT, ERROR_FAILED, "Raise max_statement_time for this account." },
        { MYSQL_QUERY_TIMEOUT, ERROR_FAILED, "Raise max_execution_time for this account." },
        { ER_RECORD_FILE_FULL, ERROR_FAILED, HINT_SPACE },
        { DISK_FULL, ERROR_FAILED, HINT_SPACE },
        { MYSQL_DISK_FULL_NOWAIT, ERROR_FAILED, HINT_SPACE },
        { ER_OUT_OF_SORTMEMORY, ERROR_FAILED, HINT_SPACE },
        { CR_NET_PACKET_TOO_LARGE, ERROR_REFUSED, HINT_LARGE },
        { CR_CONNECTION_ERROR, ERROR_UNREACHABLE, HINT_REACH },
        { CR_CONN_HOST_ERROR, ERROR_UNREACHABLE, HINT_REACH },
        { CR_UNKNOWN_HOST, ERROR_UNREACHABLE, "Check [mysql] host, and this machine's DNS." },
        { CR_SERVER_GONE_ERROR, ERROR_UNREACHABLE, NULL },
        { CR_SERVER_LOST, ERROR_UNREACHABLE, HINT_REACH },
        { CR_SERVER_HANDSHAKE_ERR, ERROR_UNREACHABLE, HINT_REACH },
        { CR_SSL_CONNECTION_ERROR, ERROR_UNREACHABLE, "Check that the server speaks TLS." },
};

bool is_client_error(unsigned number) {
        return (number >= CR_MIN_ERROR && number < 3000)
               || (number >= MARIADB_CLIENT_MIN && number <= MARIADB_CLIENT_MAX);
}

static struct answer find_answer(unsigned number) {
        for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
                if (answers[i].number == number)
                        return answers[i];
        return (struct answer) { number, is_client_error(number) ? ERROR_UNREACHABLE : ERROR_FAILED, NULL };
}

/* The libraries have one number for all that can go wrong with TLS. A certificate that does not fit is a matter of
 * configuration; a handshake that was cut is not. */
static struct answer answer_about_tls(const char *words) {
        static const char *const certificate_words[] = { "certificate", "verif", "self signed", "self-signed", "CA ",
                                                         "no such file" };

        if (strcasestr(words, "support"))
                return (struct answer) { CR_SSL_CONNECTION_ERROR, ERROR_REFUSED, HINT_TLS };
        for (size_t i = 0; i < sizeof certificate_words / sizeof *certificate_words; i++)
                if (strcasestr(words, certificate_words[i]))
                        return (struct answer) { CR_SSL_CONNECTION_ERROR, ERROR_REFUSED, HINT_CERTIFICATE };
        return find_answer(CR_SSL_CONNECTION_ERROR);
}

/* {user}, {database}, {table}, {stream} -> their names. */
static void set_hint(struct error *e, const struct database *db, const char *hint) {
        const struct table *t = db->table ? db->table : db->reader.table;
        const char *const names[][2] = {
                { "{user}", db->login.user }, { "{database}", db->login.database },
                { "{table}", t ? t->name : "TABLE" }, { "{stream}", t ? t->section : "[stream]" },
        };
        _cleanup_buffer_ struct buffer text = {};

        while (*hint) {
                size_t plain = strcspn(hint, "{");

                buffer_append(&text, hint, plain);
                hint += plain;
                for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                        if (strncmp(hint, names[i][0], strlen(names[i][0])) == 0) {
                                buffer_append_string(&text, names[i][1]);
                                hint += strlen(names[i][0]);
                        }
        }
        error_hint(e, "%s", buffer_string(&text));
}

/* The server's words in one line. */
static char *one_line(const char *words) {
        static const char in_progress[] = " (115)";     /* Connector/C's reason for any connect over TCP that failed */
        char *copy = mem_copy_string(words);
        size_t length = strlen(copy);

        for (char *p = copy; *p; p++)
                if ((unsigned char) *p < ' ')
                        *p = ' ';
        if (length > strlen(in_progress) && strcmp(copy + length - strlen(in_progress), in_progress) == 0)
                copy[length - strlen(in_progress)] = 0;
        return copy;
}

/* Connector/C takes its own refusal of a large packet for a lost connection, but for one trace. */
static unsigned error_number(MYSQL *mysql) {
        unsigned number = mysql_errno(mysql);

#ifdef MARIADB_VERSION_ID
        if (number == CR_SERVER_LOST && mysql->net.error == 1)
                number = CR_NET_PACKET_TOO_LARGE;
#endif
        return number;
}

int database_error(struct database *db, struct error *e, const char *doing) {
        unsigned number = error_number(db->mysql);
        struct answer answer = find_answer(number);
        _cleanup_free_ char *words = one_line(mysql_error(db->mysql));

        if (is_client_error(number))
                db->broken = true;
        if (login_stopped(&db->login))
                return error_stopped(e);
        if (atomic_load(&db->gave_up)) {
                error_set(e, ERROR_UNREACHABLE, "can't %s: MySQL at %s was silent for %u s, and then let nobody log in",
                          doing, db->place, db->login.timeout_ms / 1000);
                return error_hint(e, HINT_REACH);
        }
        if (number == CR_SSL_CONNECTION_ERROR)
                answer = answer_about_tls(words);
        if (number == ER_ACCESS_DENIED_ERROR && strstr(words, "using password: NO"))
                answer.hint = HINT_NO_PASSWORD;
        /* Oracle's library, of mysql_clear_password */
        if (number == CR_AUTH_PLUGIN_CANNOT_LOAD && strstr(words, "not enabled"))
                answer = find_answer(MARIADB_PLUGIN_NOT_ALLOWED);
        if (number == CR_CONNECTION_ERROR && db->login.socket)
                answer.hint = "Check [mysql] socket, and that the server runs.";
        if (number == CR_NET_PACKET_TOO_LARGE)
                error_set(e, answer.class, "can't %s: one is larger than %zu bytes (MySQL at %s)", doing,
                          db->login.max_packet_bytes, db->place);
        else
                error_set(e, answer.class, "can't %s: %s (error %u, MySQL at %s)", doing, words, number, db->place);
        e->vain = number == CR_UNKNOWN_HOST;
        if (answer.hint)
                set_hint(e, db, answer.hint);
        return -1;
}
