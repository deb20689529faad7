/* A server that means harm, on a port of 127.0.0.1: it speaks MySQL's protocol by hand, asks for the password in every way
 * that gives it away, and answers queries with what nobody asked for. */
#include "db.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
        PROTOCOL_41 = 0x200, SSL_OFFERED = 0x800, SECURE = 0x8000, WITH_DB = 8, PLUGIN_AUTH = 0x80000,
        PLAIN = 1 | WITH_DB | PROTOCOL_41 | 0x2000 | SECURE | PLUGIN_AUTH,
};

/* What it says after the greeting: one of these for each packet of the client's. */
struct words {
        const char *bytes;
        size_t length;
};
#define WORDS(text) { text, sizeof text - 1 }

struct hostile {
        int listener;
        pthread_t thread;
        bool tls_once;                          /* the first greeting offers TLS, later ones take it back */
        const char *plugin;
        const struct words *words;              /* while logging in; ended by {}; then OK */
        void (*answer)(struct hostile *h, const char *query);
        struct buffer said;                     /* all that the clients said */
        size_t packets;
        int fd;                                 /* of the client that is talked to */
        unsigned char sequence;
};

static const char secret[] = "Tr0ub4dor&3-correct-horse";

/* ---- packets ---- */

static void packet(struct hostile *h, const void *bytes, size_t length) {
        unsigned char head[] = { (unsigned char) length, (unsigned char) (length >> 8), (unsigned char) (length >> 16),
                                 h->sequence++ };

        send(h->fd, head, sizeof head, MSG_NOSIGNAL | MSG_MORE);
        send(h->fd, bytes, length, MSG_NOSIGNAL);
}

static bool receive(struct hostile *h, void *to, size_t length) {
        return recv(h->fd, to, length, MSG_WAITALL) == (ssize_t) length;
}

/* The client's next packet, at the end of `said`; false: it has left. */
static bool listen_to(struct hostile *h, const char **ret, size_t *ret_length) {
        unsigned char head[4];
        size_t length;

        if (!receive(h, head, sizeof head))
                return false;
        length = head[0] | (size_t) head[1] << 8 | (size_t) head[2] << 16;
        h->sequence = (unsigned char) (head[3] + 1);
        if (!receive(h, buffer_reserve(&h->said, length), length))
                return false;
        h->said.length += length;
        h->packets++;
        *ret = buffer_string(&h->said) + h->said.length - length;
        *ret_length = length;
        return true;
}

static void greet(struct hostile *h, bool tls) {
        unsigned capabilities = PLAIN | (tls ? SSL_OFFERED : 0);
        struct buffer b = {};

        h->sequence = 0;
        buffer_append(&b, "\x0a" "8.0.36\0" "\x01\0\0\0" "abcdefgh\0", 21);
        buffer_append(&b, (char[]) { (char) capabilities, (char) (capabilities >> 8), 45, 2, 0, (char) (capabilities >> 16),
                                     (char) (capabilities >> 24), 21 }, 8);
        buffer_append(&b, "\0\0\0\0\0\0\0\0\0\0" "ijklmnopqrst\0", 23);
        buffer_append(&b, h->plugin, strlen(h->plugin) + 1);
        packet(h, b.data, b.length);
        buffer_free(&b);
}

static const char OK[] = "\0\0\0\x02\0\0\0", END[] = "\xfe\0\0\x02\0";

static void add_text(struct buffer *b, const char *text) {
        if (!text) {
                buffer_append(b, "\xfb", 1);
                return;
        }
        assert_true(strlen(text) < 251);
        buffer_append(b, (char[]) { (char) strlen(text) }, 1);
        buffer_append_string(b, text);
}

static void row(struct hostile *h, size_t count, const char *const *cells) {
        struct buffer b = {};

        for (size_t i = 0; i < count; i++)
                add_text(&b, cells[i]);
        packet(h, b.data, b.length);
        buffer_free(&b);
}

static void columns(struct hostile *h, size_t count, const char *const *names) {
        packet(h, (char[]) { (char) count }, 1);
        for (size_t i = 0; i < count; i++) {
                struct buffer b = {};

                add_text(&b, "def");
                for (int k = 0; k < 5; k++)
                        add_text(&b, k < 3 ? "" : names[i]);
                buffer_append(&b, "\x0c\x2d\0\xff\xff\0\0\xfd\0\0\0\0\0", 13);
                packet(h, b.data, b.length);
                buffer_free(&b);
        }
        packet(h, END, 5);
}

/* A whole answer: names, then rows of as many cells. */
#define ANSWER(h, count, ...) answer_with((h), (count), (const char *const[]) { __VA_ARGS__ }, \
                                          sizeof (const char *const[]) { __VA_ARGS__ } / sizeof(char *))
static void __attribute__((unused)) answer_with(struct hostile *h, size_t count, const char *const *cells, size_t all) {
        columns(h, count, cells);
        for (size_t i = count; i < all; i += count)
                row(h, count, cells + i);
        packet(h, END, 5);
}

/* ---- the server ---- */

static bool let_in(struct hostile *h, bool tls) {
        const char *bytes;
        size_t length;

        greet(h, tls);
        if (!listen_to(h, &bytes, &length) || length == 32)     /* it begins TLS, of which there is none */
                return false;
        for (const struct words *w = h->words; w && w->bytes; w++) {
                packet(h, w->bytes, w->length);
                if (!listen_to(h, &bytes, &length))
                        return false;
        }
        packet(h, OK, 7);
        return true;
}

static void serve(struct hostile *h, bool tls) {
        const char *bytes;
        size_t length;

        if (!let_in(h, tls))
                return;
        while (listen_to(h, &bytes, &length) && length > 0 && bytes[0] == 3) {
                if (h->answer && (strncmp(bytes + 1, "SHOW", 4) == 0 || strncmp(bytes + 1, "SELECT", 6) == 0))
                        h->answer(h, bytes + 1);
                else
                        packet(h, OK, 7);
        }
}

static void *work(void *arg) {
        struct hostile *h = arg;

        for (unsigned clients = 0;; clients++) {
                h->fd = accept(h->listener, NULL, NULL);
                if (h->fd < 0)
                        return NULL;
                serve(h, h->tls_once && clients == 0);
                close(h->fd);
        }
}

static struct table_login begin(struct hostile *h) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        static char path[256];
        socklen_t size = sizeof address;

        if (!h->plugin)
                h->plugin = "mysql_native_password";
        h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(h->listener, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(listen(h->listener, 8), 0);
        assert_int_equal(getsockname(h->listener, (struct sockaddr *) &address, &size), 0);
        pthread_create(&h->thread, NULL, work, h);
        write_file("secret", secret, path);
        return (struct table_login) { .host = "127.0.0.1", .port = ntohs(address.sin_port), .user = "pin",
                                      .database = "d", .password_file = path, .timeout_ms = 2000 };
}

static void stop(struct hostile *h) {
        shutdown(h->listener, SHUT_RDWR);
        pthread_join(h->thread, NULL);
        close(h->listener);
}

/* ---- the password ---- */

static bool was_said(struct hostile *h, const char *words) {
        return memmem(h->said.data, h->said.length, words, strlen(words)) != NULL;
}

/* Whose private half nobody has. */
#define RSA_KEY "\x01" \
        "-----BEGIN PUBLIC KEY-----\n" \
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw10y/Q9C52JiVYBwiCCm\n" \
        "fWinhBzkoIb7VVuYSRKzOvoAunnjiuw3dAoyxyNIY0ESKOddmf//wKSNmpcO7g/J\n" \
        "huJGPsDnxN2VHDQp/bGtFkJ3QlZali3PMclnxHh4GsGqZMpriMM9COTpjEmAok8U\n" \
        "0UdZpPbDWAtftV+VzGnssu/O1BADn6VkoUkoMCmvl78Ql1TqJp7fkXZqihSwRRcW\n" \
        "cPZ3RacJx4NElBJOQJIApk+lCesGtC7uM3NvFP/bTLkY5SgjLjZWaacgjUxXPdGl\n" \
        "bonNmpqi6Y49C31boTDXSk1tCzr4P01KRzl9UO4Q0P36bXwrgFBe1bz2KXkUqSll\n" \
        "KwIDAQAB\n" \
        "-----END PUBLIC KEY-----\n"

/* Each with a server that offers no TLS, and with one that offered it at first and then no more. */
static void the_password_is_not_given_away(void **state) {
        static const struct {
                const char *greeted;            /* the plugin */
                struct words words[5];
                size_t packets;                 /* that are said at most, to one who offers no TLS */
        } ways[] = {
                { "mysql_clear_password", { {} }, 0 },
                { "mysql_native_password", { WORDS("\xfe" "mysql_clear_password\0"), {} }, 1 },
                { "mysql_native_password", { WORDS("\xfe" "dialog\0" "\x04Password: "), {} }, 1 },
                { "mysql_native_password", { WORDS("\xfe" "sha256_password\0" "abcdefghijklmnopqrst\0"), WORDS(RSA_KEY), {} }, 1 },
                { "mysql_native_password", { WORDS("\xfe"), {} }, 1 },
                { "caching_sha2_password", { WORDS("\x01\x04"), WORDS(RSA_KEY), {} }, 1 },
                { "mysql_native_password", { WORDS("\xfe" "caching_sha2_password\0" "abcdefghijklmnopqrst\0"),
                                             WORDS("\x01\x04"), WORDS(RSA_KEY), {} }, 2 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
                for (int tls_once = 0; tls_once < 2; tls_once++) {
                        struct hostile h = { .plugin = ways[i].greeted, .words = ways[i].words, .tls_once = tls_once };
                        struct table_login login = begin(&h);
                        struct database *db;
                        struct error e;

                        if (tls_once)
                                login.tls = TABLE_TLS_REQUIRE;
                        assert_int_equal(database_open(&login, &db, &e), -1);
                        stop(&h);
                        if (was_said(&h, secret) || h.packets > ways[i].packets + (size_t) tls_once)
                                fail_msg("way %zu: the server was told %zu packets; %s", i, h.packets, e.what);
                        assert_error(&e, ERROR_REFUSED, i < 5 ? "gives it away" : "[mysql] tls");
                        buffer_free(&h.said);
                }
}

static void a_server_without_tls_is_refused_by_name_of_the_setting(void **state) {
        static const enum table_tls wanted[] = { TABLE_TLS_REQUIRE, TABLE_TLS_VERIFY };

        (void) state;
        for (size_t i = 0; i < 2; i++) {
                struct hostile h = {};
                struct table_login login = begin(&h);
                struct database *db;
                struct error e;

                login.tls = wanted[i];
                assert_int_equal(database_open(&login, &db, &e), -1);
                stop(&h);
                assert_int_equal(h.packets, 0);
                assert_error(&e, ERROR_REFUSED, "127.0.0.1:", "[mysql] tls = prefer");
                buffer_free(&h.said);
        }
}

/* Who is let in, by a proof of the password, and then finds no TLS. */
static void tls_that_is_taken_back_is_refused(void **state) {
        struct hostile h = { .tls_once = true };
        struct table_login login = begin(&h);
        struct database *db;
        struct error e;

        (void) state;
        login.tls = TABLE_TLS_REQUIRE;
        assert_int_equal(database_open(&login, &db, &e), -1);
        stop(&h);
        assert_false(was_said(&h, "SET NAMES"));
        assert_error(&e, ERROR_REFUSED, "does not encrypt", "[mysql] tls");
        buffer_free(&h.said);
}

static void what_protects_the_connection_is_said(void **state) {
        struct hostile h = {};
        struct table_login login = begin(&h);
        struct database *db;
        struct error e;
        char text[128];

        (void) state;
        if (database_open(&login, &db, &e) < 0)
                fail_msg("%s", e.what);
        database_tls(db, text, sizeof text);
        assert_string_equal(text, "no TLS (this machine)");
        database_close(db);
        stop(&h);
        buffer_free(&h.said);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_password_is_not_given_away),
                cmocka_unit_test(a_server_without_tls_is_refused_by_name_of_the_setting),
                cmocka_unit_test(tls_that_is_taken_back_is_refused),
                cmocka_unit_test(what_protects_the_connection_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
