#include <arpa/inet.h>
#include <errmsg.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "room.h"

enum { PASSWORD_MAX = 4096, DEFAULT_TIMEOUT_MS = 10000, DEFAULT_PACKET_BYTES = 64 << 20 };

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
        to->max_packet_bytes = from->max_packet_bytes ? from->max_packet_bytes : DEFAULT_PACKET_BYTES;
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
                int cause = errno;

                error_set(e, error_class_of_file(cause), "can't read the MySQL password from %s: %s", path, strerror(cause));
                return error_hint(e, cause == EACCES ? "Type sudo in front of pinfeed: it reads that file before it stops being root. "
                                  "Or let [mysql] password_file name one that pinfeed's user may read."
                                  : "[mysql] password_file must name a file that holds the password and nothing else.");
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

static bool ends_with(const char *text, const char *end) {
        size_t length = strlen(text), end_length = strlen(end);

        return length >= end_length && strcasecmp(text + length - end_length, end) == 0;
}

bool login_is_local(const struct table_login *login) {
        struct in_addr address;

        return login->socket || strcasecmp(login->host, "localhost") == 0 || strcmp(login->host, "::1") == 0
               || (inet_pton(AF_INET, login->host, &address) == 1 && ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET);
}

enum table_tls login_lowest_tls(const struct table_login *login) {
        if (login->tls != TABLE_TLS_DEFAULT)
                return login->tls;
        if (login->ssl_ca || ends_with(login->host, ".rds.amazonaws.com") || ends_with(login->host, ".rds.amazonaws.com.cn"))
                return TABLE_TLS_VERIFY;
        return login_is_local(login) ? TABLE_TLS_PREFER : TABLE_TLS_REQUIRE;
}

/* What one try insists on: no TLS at all, some TLS, TLS with a certificate that is verified. */
#ifdef MARIADB_VERSION_ID
static void set_flag(MYSQL *mysql, enum mysql_option option, bool value) {
        my_bool flag = value;

        mysql_options(mysql, option, &flag);
}

static void set_tls(MYSQL *mysql, enum table_tls tls) {
        set_flag(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, tls == TABLE_TLS_VERIFY);
        set_flag(mysql, MYSQL_OPT_SSL_ENFORCE, tls != TABLE_TLS_PREFER);
        /* Else the server may ask for mysql_clear_password or dialog. */
        mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, plugin_allowed());
}

bool login_is_verified(MYSQL *mysql) {
        my_bool verified = false;

        mysql_get_option(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verified);
        return verified;
}

/* Connector/C finds out that there is no TLS before it says who we are only when it is to verify. */
static enum table_tls first_tls(enum table_tls lowest) {
        (void) lowest;
        return TABLE_TLS_VERIFY;
}
#else
static void set_tls(MYSQL *mysql, enum table_tls tls) {
        unsigned mode = tls == TABLE_TLS_VERIFY ? SSL_MODE_VERIFY_IDENTITY
                        : tls == TABLE_TLS_REQUIRE ? SSL_MODE_REQUIRED : SSL_MODE_DISABLED;

        mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
}

bool login_is_verified(MYSQL *mysql) {
        unsigned mode = 0;

        mysql_get_option(mysql, MYSQL_OPT_SSL_MODE, &mode);
        return mode == SSL_MODE_VERIFY_IDENTITY;
}

static enum table_tls first_tls(enum table_tls lowest) {
        return lowest == TABLE_TLS_VERIFY ? lowest : TABLE_TLS_REQUIRE;
}
#endif

static MYSQL *new_handle(const struct table_login *login, enum table_tls tls) {
        unsigned timeout_s = login->timeout_ms / 1000, no = 0;
        unsigned protocol = login->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
        unsigned long packet_bytes = login->max_packet_bytes;
        MYSQL *mysql = mysql_init(NULL);

        if (!mysql)
                abort();        /* out of memory */
        mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
        mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
        /* No MYSQL_OPT_READ_TIMEOUT: a sort may take ten hours, and the guard knows when to give up. */
        mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_bytes);
        mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
        mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no);      /* the server could ask for any file */
        mysql_options(mysql, MYSQL_PLUGIN_DIR, "/dev/null");    /* or have any plugin loaded: plugin.c loaded ours */
        mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
        if (login->ssl_ca)
                mysql_options(mysql, MYSQL_OPT_SSL_CA, login->ssl_ca);
        set_tls(mysql, tls);
        return mysql;
}

/* A handle that is logged in, or has an error. */
static MYSQL *connect_handle(const struct table_login *login, const char *password, enum table_tls tls) {
        MYSQL *mysql = new_handle(login, tls);

        mysql_real_connect(mysql, login->host, login->user, password, login->database, login->port, login->socket, 0);
        if (mysql->passwd)
                mem_wipe(mysql->passwd, strlen(mysql->passwd));         /* the library keeps a copy */
        return mysql;
}

/* The best that the server has; nothing below the lowest. */
static MYSQL *connect_as_offered(const struct table_login *login, const char *password) {
        enum table_tls lowest = login_lowest_tls(login), tls = login->socket ? TABLE_TLS_PREFER : first_tls(lowest);
        MYSQL *mysql = connect_handle(login, password, tls);

        while (mysql_errno(mysql) == CR_SSL_CONNECTION_ERROR && tls > lowest) {
                enum table_tls next = mysql->server_capabilities & CLIENT_SSL ? tls - 1 : TABLE_TLS_PREFER;

                if (next < lowest)
                        break;
                tls = next;
                mysql_close(mysql);
                mysql = connect_handle(login, password, tls);
        }
        return mysql;
}

/* Connector/C without a certificate to verify is content with a server that takes back its offer of TLS. */
static int check_tls(const struct table_login *login, MYSQL *mysql, struct error *e) {
        _cleanup_free_ char *place = login_place(login);

        if (login->socket || mysql_errno(mysql) != 0 || mysql_get_ssl_cipher(mysql)
            || login_lowest_tls(login) == TABLE_TLS_PREFER)
                return 0;
        error_set(e, ERROR_REFUSED, "can't connect: MySQL at %s does not encrypt the connection", place);
        return error_hint(e, HINT_TLS);
}

int login_run(const struct table_login *login, MYSQL **ret, struct error *e) {
        _cleanup_secret_ struct buffer password = {};
        MYSQL *mysql;

        if (login->password_file && read_password(login->password_file, &password, e) < 0)
                return -1;
        mysql = connect_as_offered(login, buffer_string(&password));
        if (check_tls(login, mysql, e) < 0) {
                mysql_close(mysql);
                return -1;
        }
        *ret = mysql;
        return 0;
}
