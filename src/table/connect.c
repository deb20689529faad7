#include <errmsg.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "room.h"

#ifdef MARIADB_VERSION_ID
typedef my_bool library_bool;
#else
typedef bool library_bool;
#endif

enum {
        PASSWORD_MAX = 4096,
        /* A server that sorts a table without an index is silent for that long before the first row. */
        SILENCE_MAX_S = 3600,
        /* How long the server waits for a reader that Kafka holds up. */
        SERVER_PATIENCE_S = 3600,
        KEEPALIVE_IDLE_S = 30, KEEPALIVE_INTERVAL_S = 10, KEEPALIVE_PROBES = 3,
};

/* ---- password ---- */

static int read_password(const char *path, struct buffer *ret, struct error *e) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0) {
                error_set(e, ERROR_REFUSED, "can't read the MySQL password from %s: %s", path, strerror(errno));
                return error_hint(e, "[mysql] password_file names a file that pinfeed's user may read, and that holds "
                                  "the password and nothing else.");
        }
        do {
                n = read(fd, buffer_reserve(ret, PASSWORD_MAX), PASSWORD_MAX);
                if (n > 0)
                        ret->length += (size_t) n;
        } while (ret->length < PASSWORD_MAX && (n > 0 || (n < 0 && errno == EINTR)));
        if (n < 0) {
                error_set(e, ERROR_REFUSED, "can't read the MySQL password from %s: %s", path, strerror(errno));
                close(fd);
                return -1;
        }
        close(fd);
        if (ret->length > 0 && ret->data[ret->length - 1] == '\n')
                ret->length--;
        if (ret->length > 0 && ret->data[ret->length - 1] == '\r')
                ret->length--;
        if (ret->length >= PASSWORD_MAX || memchr(buffer_string(ret), 0, ret->length)
            || memchr(ret->data, '\n', ret->length))
                return error_set(e, ERROR_REFUSED, "%s is not a password file: it must hold the password and nothing else",
                                 path);
        return 0;
}

/* ---- options ---- */

static void set_flag(MYSQL *mysql, enum mysql_option option, bool value) {
        library_bool flag = value;

        mysql_options(mysql, option, &flag);
}

#ifdef MARIADB_VERSION_ID
static void set_tls(MYSQL *mysql, const char *ca, bool use) {
        if (ca)
                mysql_options(mysql, MYSQL_OPT_SSL_CA, ca);
        set_flag(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, ca != NULL);
        set_flag(mysql, MYSQL_OPT_SSL_ENFORCE, use);
}
#else
static void set_tls(MYSQL *mysql, const char *ca, bool use) {
        unsigned mode = ca ? SSL_MODE_VERIFY_IDENTITY : use ? SSL_MODE_PREFERRED : SSL_MODE_DISABLED;

        if (ca)
                mysql_options(mysql, MYSQL_OPT_SSL_CA, ca);
        mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
}
#endif

static MYSQL *new_handle(const struct table_login *login, bool tls) {
        unsigned timeout_s = (login->timeout_ms + 999) / 1000, silence_s = SILENCE_MAX_S;
        unsigned protocol = login->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
        MYSQL *mysql = mysql_init(NULL);

        if (!mysql)
                abort();        /* out of memory */
        mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
        mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
        mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &silence_s);
        mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
        mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
        set_tls(mysql, login->ssl_ca, tls);
        return mysql;
}

static MYSQL *connect_handle(struct database *db, const struct table_login *login, const char *password, bool tls) {
        db->mysql = new_handle(login, tls);
        return mysql_real_connect(db->mysql, login->host, login->user, password, login->database, login->port,
                                  login->socket, 0);
}

/* TLS if the server offers it; insisted upon and verified if there is a certificate authority. */
static int log_in(struct database *db, const struct table_login *login, struct error *e) {
        struct buffer password = {};
        bool tls = !login->socket || login->ssl_ca;
        int r = 0;

        if (login->password_file && read_password(login->password_file, &password, e) < 0) {
                buffer_wipe_and_free(&password);
                return -1;
        }
        if (!connect_handle(db, login, buffer_string(&password), tls)) {
                if (tls && !login->ssl_ca && mysql_errno(db->mysql) == CR_SSL_CONNECTION_ERROR) {
                        mysql_close(db->mysql);
                        tls = false;
                        if (!connect_handle(db, login, buffer_string(&password), tls))
                                r = database_error(db, e, "connect");
                } else
                        r = database_error(db, e, "connect");
        }
        buffer_wipe_and_free(&password);
        if (r == 0 && db->mysql->passwd)
                mem_wipe(db->mysql->passwd, strlen(db->mysql->passwd));         /* the library keeps a copy */
        return r;
}

/* A peer whose network is gone is noticed within a minute; Unix sockets refuse these, and need none. */
static void keep_alive(int fd) {
        int on = 1, idle_s = KEEPALIVE_IDLE_S, interval_s = KEEPALIVE_INTERVAL_S, probes = KEEPALIVE_PROBES;

        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

/* ---- session ---- */

/* What the queries rely on, and in one statement each what may be refused or unknown to a server. */
static int set_up_session(struct database *db, struct error *e) {
        unsigned lock_wait_s = db->timeout_ms / 2000 + 1;
        const char *wishes[] = {
                "SET SESSION sql_big_selects = 1",
                db->is_mariadb ? "SET SESSION max_statement_time = 0" : "SET SESSION max_execution_time = 0",
                /* else a long IN becomes a join that may scan the table */
                db->is_mariadb ? "SET SESSION in_predicate_conversion_threshold = 0" : NULL,
        };

        buffer_printf(&db->sql, "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = '', sql_auto_is_null = 0, "
                      "net_write_timeout = %u, lock_wait_timeout = %u", SERVER_PATIENCE_S, lock_wait_s);
        if (database_query(db, e, "set up the session") < 0)
                return -1;
        buffer_append_string(&db->sql, "SET SESSION TRANSACTION READ ONLY");
        if (database_query(db, e, "set up the session") < 0)
                return -1;
        for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
                if (wishes[i] && mysql_query(db->mysql, wishes[i]) != 0 && mysql_errno(db->mysql) >= CR_MIN_ERROR
                    && mysql_errno(db->mysql) < 3000)
                        return database_error(db, e, "set up the session");
        return 0;
}

static char *describe_place(const struct table_login *login) {
        if (login->socket)
                return mem_copy_string(login->socket);
        return mem_format("%s:%u", login->host ? login->host : "localhost", login->port ? login->port : 3306);
}

static void start_library(void) {
        mysql_library_init(0, NULL, NULL);
}

int database_open(const struct table_login *login, struct database **ret, struct error *e) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct database *db = mem_zero(1, sizeof *db);

        pthread_once(&once, start_library);     /* mysql_init would do it, but not safely from two threads */
        db->socket = -1;
        db->timeout_ms = login->timeout_ms;
        db->where = describe_place(login);
        db->user = mem_copy_string(login->user ? login->user : "");
        db->name = mem_copy_string(login->database ? login->database : "");
        if (log_in(db, login, e) < 0)
                goto failed;
        db->is_mariadb = strstr(mysql_get_server_info(db->mysql), "MariaDB") != NULL;
        db->socket = fcntl(mysql_get_socket(db->mysql), F_DUPFD_CLOEXEC, 3);
        keep_alive(db->socket);
        if (set_up_session(db, e) < 0)
                goto failed;
        *ret = db;
        return 0;
failed:
        database_close(db);
        return -1;
}

void database_close(struct database *db) {
        if (!db)
                return;
        table_reader_close(&db->reader);
        /* The farewell is sent, but an answer (TLS has one) not waited for. */
        if (db->socket >= 0)
                shutdown(db->socket, db->broken ? SHUT_RDWR : SHUT_RD);
        if (db->mysql)
                mysql_close(db->mysql);
        if (db->socket >= 0)
                close(db->socket);
        buffer_free(&db->sql);
        buffer_free(&db->bounds[0]);
        buffer_free(&db->bounds[1]);
        free(db->where);
        free(db->user);
        free(db->name);
        free(db);
}

void database_cancel(struct database *db) {
        atomic_store(&db->cancelled, true);
        shutdown(db->socket, SHUT_RDWR);
}

/* ---- queries ---- */

static int run_query(struct database *db, struct error *e, const char *doing) {
        size_t length = db->sql.length;

        db->sql.length = 0;             /* the next query begins anew */
        if (db->broken || atomic_load(&db->cancelled))
                return error_set(e, ERROR_UNREACHABLE, "can't %s: the connection to MySQL at %s was closed", doing,
                                 db->where);
        if (db->reader.result)
                return error_set(e, ERROR_FAILED, "can't %s: another query of this connection is still being read", doing);
        if (mysql_real_query(db->mysql, db->sql.data, length) != 0)
                return database_error(db, e, doing);
        return 0;
}

int database_query(struct database *db, struct error *e, const char *doing, ...) {
        char text[256];
        va_list ap;

        va_start(ap, doing);
        vsnprintf(text, sizeof text, doing, ap);
        va_end(ap);
        return run_query(db, e, text);
}

int database_query_small(struct database *db, MYSQL_RES **ret, struct error *e, const char *doing, ...) {
        char text[256];
        va_list ap;
        MYSQL_RES *result;

        va_start(ap, doing);
        vsnprintf(text, sizeof text, doing, ap);
        va_end(ap);
        if (run_query(db, e, text) < 0)
                return -1;
        result = mysql_store_result(db->mysql);
        if (!result)
                return database_error(db, e, text);
        *ret = result;
        return 0;
}
