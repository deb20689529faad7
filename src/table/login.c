#include <errmsg.h>
#include <errno.h>
#include <string.h>

#include "room.h"

enum { PASSWORD_MAX = 4096, DEFAULT_TIMEOUT_MS = 10000 };

/* ---- copies ---- */

static char *copy(const char *s) {
        return s ? mem_copy_string(s) : NULL;
}

void login_copy(struct table_login *to, const struct table_login *from) {
        *to = *from;
        to->host = copy(from->host ? from->host : "localhost");
        to->socket = copy(from->socket);
        to->user = copy(from->user ? from->user : "");
        to->database = copy(from->database ? from->database : "");
        to->ssl_ca = copy(from->ssl_ca);
        to->password_file = copy(from->password_file);
        to->port = from->port ? from->port : 3306;
        to->timeout_ms = from->timeout_ms ? (from->timeout_ms + 999) / 1000 * 1000 : DEFAULT_TIMEOUT_MS;
}

void login_free(struct table_login *login) {
        free((char *) login->host);
        free((char *) login->socket);
        free((char *) login->user);
        free((char *) login->database);
        free((char *) login->ssl_ca);
        free((char *) login->password_file);
}

char *login_place(const struct table_login *login) {
        return login->socket ? copy(login->socket) : mem_format("%s:%u", login->host, login->port);
}

bool login_stopped(const struct table_login *login) {
        return login->stop && atomic_load(login->stop);
}

/* ---- password ---- */

static int read_password(const char *path, struct buffer *ret, struct error *e) {
        if (file_read(path, FILE_PROMPT, PASSWORD_MAX, ret) < 0 && errno != EFBIG) {
                error_set(e, ERROR_REFUSED, "can't read the MySQL password from %s: %s", path, strerror(errno));
                return error_hint(e, "[mysql] password_file names a file that pinfeed's user may read, and that holds "
                                  "the password and nothing else.");
        }
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

enum tls {
        TLS_NONE,
        TLS_UNVERIFIED,
        TLS_VERIFIED,
};

#ifdef MARIADB_VERSION_ID
static void set_flag(MYSQL *mysql, enum mysql_option option, bool value) {
        my_bool flag = value;

        mysql_options(mysql, option, &flag);
}

static void set_tls(MYSQL *mysql, enum tls tls) {
        set_flag(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, tls == TLS_VERIFIED);
        set_flag(mysql, MYSQL_OPT_SSL_ENFORCE, tls != TLS_NONE);
}

/* Connector/C that only wishes for TLS believes to have it: to a server that offers none it sends a
 * caching_sha2_password in the clear. It finds out before, when it is to verify. */
static enum tls first_try(void) {
        return TLS_VERIFIED;
}
#else
static void set_tls(MYSQL *mysql, enum tls tls) {
        static const unsigned modes[] = { SSL_MODE_DISABLED, SSL_MODE_PREFERRED, SSL_MODE_VERIFY_IDENTITY };
        bool ask_for_key = true;

        mysql_options(mysql, MYSQL_OPT_SSL_MODE, &modes[tls]);
        /* Without TLS a password goes encrypted with the server's key, which Connector/C asks for by itself. */
        mysql_options(mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &ask_for_key);
}

static enum tls first_try(void) {
        return TLS_UNVERIFIED;
}
#endif

static MYSQL *new_handle(const struct table_login *login, enum tls tls) {
        unsigned timeout_s = login->timeout_ms / 1000;
        unsigned protocol = login->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
        MYSQL *mysql = mysql_init(NULL);

        if (!mysql)
                abort();        /* out of memory */
        mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
        mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
        /* No MYSQL_OPT_READ_TIMEOUT: a sort may take ten hours, and the guard knows when to give up. */
        mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
        mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
        if (login->ssl_ca)
                mysql_options(mysql, MYSQL_OPT_SSL_CA, login->ssl_ca);
        set_tls(mysql, tls);
        return mysql;
}

/* A handle that is logged in, or has an error. */
static MYSQL *connect_handle(const struct table_login *login, const char *password, enum tls tls) {
        MYSQL *mysql = new_handle(login, tls);

        mysql_real_connect(mysql, login->host, login->user, password, login->database, login->port, login->socket, 0);
        if (mysql->passwd)
                mem_wipe(mysql->passwd, strlen(mysql->passwd));         /* the library keeps a copy */
        return mysql;
}

/* Without a certificate authority any certificate will do, and no TLS if there is none. */
static MYSQL *connect_as_offered(const struct table_login *login, const char *password) {
        enum tls tls = login->socket ? TLS_NONE : first_try();
        MYSQL *mysql = connect_handle(login, password, tls);

        while (mysql_errno(mysql) == CR_SSL_CONNECTION_ERROR && tls != TLS_NONE) {
                tls = mysql->server_capabilities & CLIENT_SSL ? tls - 1 : TLS_NONE;
                mysql_close(mysql);
                mysql = connect_handle(login, password, tls);
        }
        return mysql;
}

int login_run(const struct table_login *login, MYSQL **ret, struct error *e) {
        _cleanup_secret_ struct buffer password = {};

        if (login->password_file && read_password(login->password_file, &password, e) < 0)
                return -1;
        *ret = login->ssl_ca ? connect_handle(login, buffer_string(&password), TLS_VERIFIED)
               : connect_as_offered(login, buffer_string(&password));
        return 0;
}
