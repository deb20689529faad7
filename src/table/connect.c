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

enum {
        /* How long the server waits for a reader that Kafka holds up. */
        SERVER_PATIENCE_S = 3600,
        /* Text without an index is told apart to that byte; the servers' own limit is 1024. */
        SORT_KEY_BYTES = 4096, SORT_BUFFER_BYTES = 4 << 20,
        KEEPALIVE_IDLE_S = 30, KEEPALIVE_INTERVAL_S = 10, KEEPALIVE_PROBES = 3,
        LOG_IN_TIMEOUTS = 3,            /* to connect, to agree on TLS, to be let in */
};

static int socket_of(MYSQL *mysql) {
#ifdef MARIADB_VERSION_ID
        return mysql_get_socket(mysql);
#else
        return mysql->net.fd;
#endif
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

/* What the queries rely on, and then what may be refused by a server, or unknown to it. */
static int set_up_session(struct database *db, struct error *e) {
        unsigned lock_wait_s = db->login.timeout_ms / 2000 + 1;
        const char *needs[] = {
                /* Else a server whose default is READ UNCOMMITTED shows rows that are then rolled back. */
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                /* Else a SELECT may end early, as if that were all; DEFAULT would be the server's own. */
                "SET SESSION sql_select_limit = 18446744073709551615",
        };
        const char *wishes[] = {
                "SET SESSION sql_big_selects = 1",
                db->is_mariadb ? "SET SESSION max_statement_time = 0" : "SET SESSION max_execution_time = 0",
                /* else a long IN becomes a join that may scan the table */
                db->is_mariadb ? "SET SESSION in_predicate_conversion_threshold = 0" : "DO 0",
        };

        buffer_printf(&db->sql, "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = '', "
                      "net_write_timeout = %u, lock_wait_timeout = %u, max_sort_length = %u, sort_buffer_size = %u",
                      SERVER_PATIENCE_S, lock_wait_s, SORT_KEY_BYTES, SORT_BUFFER_BYTES);
        if (database_query(db, e, "set up the session") < 0)
                return -1;
        for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
                buffer_append_string(&db->sql, needs[i]);
                if (database_query(db, e, "set up the session") < 0)
                        return -1;
        }
        for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
                buffer_append_string(&db->sql, wishes[i]);
                if (database_query(db, e, "set up the session") < 0 && (db->broken || e->class == ERROR_STOPPED))
                        return -1;
        }
        return 0;
}

static void start_library(void) {
        mysql_library_init(0, NULL, NULL);
        plugin_take_care();
}

static int open_session(struct database *db, struct error *e) {
        if (database_log_in(&db->login, LOG_IN_TIMEOUTS * db->login.timeout_ms, NULL, &db->mysql, e) < 0)
                return login_stopped(&db->login) ? error_stopped(e) : -1;
        if (mysql_errno(db->mysql) != 0)
                return database_error(db, e, "connect");
        db->is_mariadb = strstr(mysql_get_server_info(db->mysql), "MariaDB") != NULL;
        db->socket = fcntl(socket_of(db->mysql), F_DUPFD_CLOEXEC, 3);
        if (db->socket < 0)
                return error_set(e, ERROR_FAILED, "can't connect to MySQL at %s: %s", db->place, strerror(errno));
        keep_alive(db->socket);
        db->guard = guard_start(&db->login, db->socket, &db->calls, &db->gave_up);
        return set_up_session(db, e);
}

int database_open(const struct table_login *login, struct database **ret, struct error *e) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct database *db = mem_zero(1, sizeof *db);

        pthread_once(&once, start_library);     /* mysql_init would do it, but not safely from two threads */
        db->socket = -1;
        login_copy(&db->login, login);
        db->place = login_place(&db->login);
        if (open_session(db, e) < 0) {
                database_close(db);
                return -1;
        }
        *ret = db;
        return 0;
}

int database_snapshot(struct database *db, struct error *e) {
        buffer_append_string(&db->sql, "START TRANSACTION WITH CONSISTENT SNAPSHOT");
        return database_query(db, e, "begin a snapshot");
}

void database_close(struct database *db) {
        if (!db)
                return;
        guard_stop(db->guard);
        table_reader_close(&db->reader);
        if (db->mysql)
                mysql_close(db->mysql);
        if (db->socket >= 0)
                close(db->socket);
        buffer_free(&db->sql);
        buffer_free(&db->bounds[0]);
        buffer_free(&db->bounds[1]);
        login_free(&db->login);
        free(db->place);
        free(db);
}

void database_tls(const struct database *db, char *ret, size_t size) {
        const char *cipher = mysql_get_ssl_cipher(db->mysql), *version;

        if (!cipher) {
                snprintf(ret, size, login_is_local(&db->login) ? "no TLS (this machine)"
                         : "no TLS ([mysql] tls = require insists on it)");
                return;
        }
#ifdef MARIADB_VERSION_ID
        mariadb_get_infov(db->mysql, MARIADB_CONNECTION_TLS_VERSION, &version);
#else
        /* The ciphers of older versions have other names. */
        version = strncmp(cipher, "TLS_", 4) == 0 ? "TLSv1.3" : "TLSv1.2 or older";
#endif
        snprintf(ret, size, "%s, %s, %s", version, cipher, login_is_verified(db->mysql) ? "certificate verified"
                 : "certificate not verified ([mysql] ssl_ca or tls = verify does)");
}

/* ---- queries ---- */

#ifdef MARIADB_PACKAGE_VERSION
#define LIBRARY "MariaDB Connector/C"
#else
#define LIBRARY "libmysqlclient"
#endif

void table_print_libraries(FILE *f) {
        fprintf(f, LIBRARY " %s\n", mysql_get_client_info());
}
