/* MariaDB's Connector/C lets the server choose how the password travels, and in caching_sha2_password takes a connection
 * that merely wished for TLS for an encrypted one, or asks whoever answers for a key to encrypt the password with. Here
 * its plugin is told what is so: the first thing that it sends is a hash, and more goes over TLS or a Unix socket only.
 * Oracle's library does so by itself there, but asks whoever answers for a key in sha256_password. */
#include <mysql.h>
#include <stdio.h>

#ifdef MARIADB_VERSION_ID
#include <mysql/plugin_auth.h>
#else
#include <mysql/client_plugin.h>
#endif

#include "room.h"

static int (*authenticate)(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);

static bool is_protected(MYSQL *mysql) {
        return mysql_get_ssl_cipher(mysql) || mysql->unix_socket;
}

static void refuse(MYSQL *mysql, const char *plugin) {
        mysql->net.last_errno = CLIENT_AUTH_PLUGIN_ERROR;
        snprintf(mysql->net.last_error, sizeof mysql->net.last_error,
                 "%s wants the password itself, and the connection is not encrypted", plugin);
}

#ifdef MARIADB_VERSION_ID
/* mysql/client_plugin.h, interface 0x0100, which includes a header that isn't installed. */
struct auth_plugin {
        int type;
        unsigned interface_version;
        const char *name, *author, *desc;
        unsigned version[3];
        const char *license;
        void *mysql_api;
        int (*init)(char *error, size_t size, int argc, va_list ap);
        int (*deinit)(void);
        int (*options)(const char *option, const void *value);
        int (*authenticate_user)(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);
};
enum { AUTHENTICATION = 2, INTERFACE_VERSION = 0x0100 };

/* What is between the plugin and the library's own `vio`. */
struct tap {
        MYSQL_PLUGIN_VIO vio;           /* first: the plugin hands it to us */
        MYSQL_PLUGIN_VIO *inner;
        MYSQL *mysql;
        bool greeted;                   /* the hash was sent, and TLS begun before it */
};

static int tap_read(MYSQL_PLUGIN_VIO *vio, unsigned char **bytes) {
        struct tap *t = (struct tap *) vio;

        return t->inner->read_packet(t->inner, bytes);
}

static int tap_write(MYSQL_PLUGIN_VIO *vio, const unsigned char *bytes, int length) {
        struct tap *t = (struct tap *) vio;

        if (t->greeted && !is_protected(t->mysql)) {
                refuse(t->mysql, "caching_sha2_password");
                return 1;
        }
        t->greeted = true;
        return t->inner->write_packet(t->inner, bytes, length);
}

static void tap_info(MYSQL_PLUGIN_VIO *vio, MYSQL_PLUGIN_VIO_INFO *info) {
        struct tap *t = (struct tap *) vio;

        t->inner->info(t->inner, info);
}

static int authenticate_with_care(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql) {
        struct tap t = { { tap_read, tap_write, tap_info }, vio, mysql, false };

        return authenticate(&t.vio, mysql);
}

void plugin_take_care(void) {
        MYSQL *mysql = mysql_init(NULL);
        struct auth_plugin *plugin = (void *) mysql_client_find_plugin(mysql, "caching_sha2_password", AUTHENTICATION);

        if (plugin && plugin->interface_version >> 8 == INTERFACE_VERSION >> 8) {       /* else it isn't installed */
                authenticate = plugin->authenticate_user;
                plugin->authenticate_user = authenticate_with_care;
        }
        mysql_client_find_plugin(mysql, "client_ed25519", AUTHENTICATION);
        mysql_client_find_plugin(mysql, "parsec", AUTHENTICATION);
        mysql_close(mysql);
}

const char *plugin_allowed(void) {
        return authenticate ? "mysql_native_password,client_ed25519,parsec,caching_sha2_password"
               : "mysql_native_password,client_ed25519,parsec";
}
#else
static int authenticate_protected(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql) {
        if (is_protected(mysql))
                return authenticate(vio, mysql);
        refuse(mysql, "sha256_password");
        return CR_ERROR;
}

void plugin_take_care(void) {
        MYSQL *mysql = mysql_init(NULL);
        struct auth_plugin_t *plugin = (void *) mysql_client_find_plugin(mysql, "sha256_password",
                                                                         MYSQL_CLIENT_AUTHENTICATION_PLUGIN);

        if (plugin) {                   /* later versions may do without */
                authenticate = plugin->authenticate_user;
                plugin->authenticate_user = authenticate_protected;
        }
        mysql_close(mysql);
}
#endif
